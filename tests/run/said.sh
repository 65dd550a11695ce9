# What is said before anything is trained, and what is refused or warned of: labels, copies of rows, batches, temperatures.
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
table_run 200 60
run() { rm -rf r; if [ -n "${ranks:-}" ]; then mpi $ranks "$@" --run.dir=r; else tribikos "$@" --run.dir=r >out 2>err </dev/null; fi; }
says() { check "$1" grep -qE -e "$2" err || cat err; }      # WHAT PATTERN
never() { check "$1" test "$(grep -cE -e "$2" err)" = 0 || cat err; }

# One line a set, once, whatever stages read it.
ranks=2 run run base.yaml --data.validation=40 --train.epochs=20 --train.lr=0.05 --eval.ood='[far]' --ood.far.files='[test.csv]'
check "a run" test $? = 0 || cat err
says "the training set" '^train: 200 samples of 4 float32 inputs, 3 classes \([0-9]+ to [0-9]+ each\), header: none, 40 held out$'
says "the test set" '^test: 60 samples of 4 float32 inputs, 3 classes'
says "a set out of distribution" '^far: 60 samples of 4 float32 inputs, labels are not used, header: none$'
check "each is said once" test "$(grep -cE '^(train|test|far): ' err)" = 3
says "the members" '^members 0 to 1: \[dense 8, relu, dense 3\]: 2 dense or convolution layers, 67 parameters; 5 steps of 32 in an epoch$'
says "a student with heads" '^student hydra: \[dense 8, relu, dense 3\], split at 2, 2 heads: .* 94 parameters'
says "a student with one head" '^student kd: \[dense 8, relu, dense 3\]: .* 67 parameters'
check "nothing is warned of" test "$(grep -c warning: err)" = 0 || cat err
check "report.json has the same" $python - r/report/report.json <<'E'
import json, sys
data = json.load(open(sys.argv[1]))["data"]
assert list(data) == ["train", "test", "far"]
assert data["train"]["samples"] == 200 and data["train"]["held_out"] == 40 and data["train"]["shape"] == [4, 1, 1]
assert sum(data["train"]["samples_of_class"]) == 200 and data["train"]["copies_of_training_rows"] == 0
assert data["test"]["type"] == "float32" and "samples_of_class" not in data["far"]
E
run plan small.yaml
says "images" '^train: 1,500 samples of 1 x 28 x 28 uint8, 10 classes \([0-9]+ to [0-9]+ each\), 100 held out$'
table y.csv 200 1 'k * 2.5 - 1, 7' && sed -i 's/ /,/' y.csv
run train base.yaml --data.train='[y.csv]' --data.task=regression --data.target=4 --train.layers='[dense 2]' --students='[]'
says "targets and constant inputs" '^train: 200 samples of 5 float32 inputs, target from -1 to 4 \(mean [0-9.]+, deviation [0-9.]+\), header: none, 1 of 5 inputs constant$'

table far.csv 200 1 '1e9 + k * 2.5, 7' && sed -i 's/ /,/' far.csv
run train base.yaml --data.train='[far.csv]' --data.task=regression --data.target=4 --train.layers='[dense 2]' --students='[]'
says "targets far from zero, as they are in the file" 'target from 1000000000 to 1000000005 \(mean 100000000[0-9.]+, deviation [0-9.]+\)'

# Labels.
refused "labels from 1" 2 'but the data set has labels 1 to 3; set `data.labels_from: 1`, and end in `dense 3`' run base.yaml \
    --data.train="[$(table one.csv 200 1 'k + 1'; echo one.csv)]" --run.dir=r
run train base.yaml --data.train='[one.csv]' --train.layers='[dense 8, relu, dense 4]' --students='[]'
says "labels from 1, with an output too many" 'warning: data.train: the labels of the training samples are 1 to 3; none has 0. .*set `data.labels_from: 1`'
run train base.yaml --run.dir=r --students='[]'
cp r/members/m001/weights.h5 zero.h5
run train base.yaml --data.train='[one.csv]' --data.labels_from=1 --students='[]'
check "labels that are counted from 1 give the weights of those that are counted from 0" cmp -s zero.h5 r/members/m001/weights.h5
sed -E 's/,([0-9])$/,7\1/' one.csv >seventy.csv
refused "labels that begin later still" 2 'has labels 71 to 73; set `data.labels_from: 71`, and end in `dense 3`' run base.yaml \
    --data.train='[seventy.csv]' --data.labels_from=5 --run.dir=r
refused "a label below the first one" 3 'train.csv: sample 0, counted from 0, has label' run base.yaml --data.labels_from=3 --run.dir=r
sed '5s/,[0-9]*$/,255/' train.csv >stray.csv
refused "a stray label" 2 'correct or remove the 1 of 200 samples of label 3 and above, the first of which is sample 4' run base.yaml \
    --data.train='[stray.csv]' --run.dir=r
table gap.csv 200 1 'k < 2 ? k : 9'
refused "labels with a gap" 2 'labels 0, 1, 9; number the classes from 0 without gaps, or end in `dense 10`, of whose classes 7' run base.yaml \
    --data.train='[gap.csv]' --run.dir=r
table column.csv 200 1 'k ",0"'
refused "one class, where another column has labels" 3 'all 200 training samples have label 0, there is nothing to learn; column 4 looks like labels; if it is, set `data.target: 4`' \
    run base.yaml --data.train='[column.csv]' --run.dir=r
refused "one class, plan" 3 'there is nothing to learn' plan base.yaml --data.train='[column.csv]' --run.dir=r
refused "one class" 3 'error: data: all 50 training samples have label 2, there is nothing to learn; expected samples of two or more classes' train base.yaml \
    --data.train="[$(table two.csv 50 1 2; echo two.csv)]" --run.dir=r
run train base.yaml --train.layers='[dense 8, relu, dense 5]' --students='[]'
says "more outputs than labels" 'warning: layers end in 5 outputs, but the data set has labels up to 2: 2 outputs have no sample'
check "which is said once for all members" test "$(grep -c '5 outputs' err)" = 1
run run base.yaml --data.validation=1
says "a held-out part without a class" 'warning: data.validation: 1 held-out sample, none with labels [0-2], [0-2]; calibration does not see them'
says "a temperature that does not exist" 'warning: 1 held-out sample gives no best temperature for member 0, .*kd'
check "its figures are null" grep -q '"kd": .*"temperature": null, "calibrated_nll": null' r/report/report.json
check "and so is what is compared with them" grep -q '"ensembles": {"calibrated_nll": .*null' r/report/report.json
# A student of outside members does not need labels that say something.
sed 's/,[0-9]*$/,0/' train.csv >zero.csv
PYTHONDONTWRITEBYTECODE=1 $python -c '
import numpy as np
np.save("x.npy", np.loadtxt("zero.csv", delimiter=",")[:, :4].astype("f4"))
np.save("logits.npy", np.random.RandomState(1).randn(2, 200, 3).astype("f4"))'
$python "$TRB_SOURCE/tools/python/cache_write.py" --logits logits.npy --x x.npy --no-labels outside/cache >out 2>err || cat err
tribikos distill base.yaml --data.train='[zero.csv]' --students='[kd]' --run.dir=outside >out 2>err </dev/null
check "labels that say nothing, distill" test $? = 0 || cat err
says "labels that say nothing: a warning" 'warning: data.train: all 200 training samples have label 0$'

# Times, which no file has.
run train base.yaml --students='[]' --verbose
says "how long a stage took" '^took [0-9.]+ s: train [0-9.]+ s$'

# Copies of rows.
run run base.yaml --data.test='[train.csv]' --students='[]'
says "the training set as test set" 'warning: test: 200 of 200 samples have the same inputs as a sample of the training set'
(cat test.csv; head -30 train.csv) >mixed.csv
run run base.yaml --data.test='[mixed.csv]' --students='[]'
says "some rows of it" 'warning: test: 30 of 90 samples'
ranks=2 run run base.yaml --data.train='[train.csv, train.csv]' --data.validation=100 --students='[]'
says "a file twice" 'warning: data.validation: [0-9]+ of 100 held-out samples have the same inputs as a sample of the training part'
table long.csv 300 3
(cat long.csv; head -1 train.csv) >few.csv
run run base.yaml --data.test='[few.csv]' --students='[]'
says "a few copies are no warning" '^test: 301 samples .*, 1 row of them also in the training set$'
never "a few copies are no warning" 'warning: test'
grep ',1$' test.csv >last.csv
run run base.yaml --data.test='[last.csv]' --students='[]'
says "a test set of one class" 'warning: test: all samples have label 1; figures from them say nothing of other classes'

# Labels of a test set.
grep -v ',2$' train.csv >two.csv
run run base.yaml --data.train='[two.csv]' --data.validation=20
check "a test set with a class that the training set lacks is evaluated" test -s r/report/report.json || cat err
says "and it is said how many samples that are" "warning: data.test: $(grep -c ',2$' test.csv) of 60 samples have labels of which data.train has no sample, so that no network has learnt them: $(grep -c ',2$' test.csv) of label 2$"
check "which is said once" test "$(grep -c 'of which data.train has no sample' err)" = 1
sed '5s/,[0-9]*$/,255/' test.csv >stray_test.csv
refused "a stray label in a test set" 2 'data.test: 1 of 60 samples has label 255, but the networks have 3 outputs, for labels 0 to 2; the first is sample 4, counted from 0' \
    run base.yaml --data.test='[stray_test.csv]' --run.dir=none
check "before anything is trained" test ! -e none/members
refused "a stray label in a test set, eval" 2 'data.test: 1 of 60 samples has label 255' eval base.yaml --data.train='[two.csv]' --data.validation=20 \
    --data.test='[stray_test.csv]' --run.dir=r
for name in train test; do sed -E 's/,0$/,ant/; s/,1$/,bee/; s/,2$/,cat/' $name.csv >$name.words.csv; done
grep ',bee$' test.words.csv >bees.csv
run run base.yaml --data.train='[train.words.csv]' --data.test='[bees.csv]' --students='[]'
says "labels are words in messages: one class in a test set" 'warning: test: all samples have label `bee`; figures'
refused "one class that is a word" 3 'training samples have label `bee`, there is nothing to learn' train base.yaml --data.train='[bees.csv]' \
    --data.header=no --train.batch=8 --run.dir=none
run train base.yaml --data.train='[train.words.csv]' --train.layers='[dense 8, relu, dense 4]' --students='[]'
says "outputs beyond words" 'warning: layers end in 4 outputs, but the data set has 3 classes: 1 output has no sample, and learns only to be small'

# Predictions that overflow.
sed '18s/^[^,]*,/3e38,/' test.csv >huge.csv
for many in 1 3; do
    ranks=$many run run base.yaml --data.test='[huge.csv]' --data.validation=40 --eval.ood='[far, near]' --ood.far.files='[huge.csv]' \
        --ood.near.files='[test.csv]'
    check "a prediction that overflows, on $many ranks: a report" test $? = 0 -a -s r/report/report.json || cat err
    digest r >lost.$many
done
check "the same on 1 and 3 ranks" cmp lost.1 lost.3
says "and whose it is" 'warning: test: predictions of up to 1 of 60 samples are not finite, the first for sample 17, counted from 0; the figures of these models on this set are null \(member 0, member 1, ensemble, hydra, kd\)'
check "each set once" test "$(grep -c 'are not finite' err)" = 2 || cat err
check "figures of these sets are null, other rows are there" $python - <<'E'
import json, h5py, numpy as np
report = json.load(open("r/report/report.json"))
assert list(report["models"]) == ["member_mean", "ensemble", "hydra", "kd"]
known = lambda v: any(map(known, v.values())) if isinstance(v, dict) else v is not None
for row in report["models"].values():
    assert {k for k, v in row.items() if known(v)} <= {"ms_per_sample", "parameters"}, row
for of in report["ood"].values():
    assert all(v is None for model in of["models"].values() for name, score in model.items() for v in score.values()
               if name != "model_uncertainty_correlation")  # which needs the other set alone
with h5py.File("r/report/predictions.h5") as f:
    for p in f["ensemble"][...], f["kd"][...], f["uncertainty/test/kd/total"][...], f["uncertainty/test/kd/max_probability"][...]:
        assert [i for i in range(60) if not np.isfinite(p[i]).all()] == [17]
    assert np.isfinite(f["uncertainty/near/kd/total"][...]).all()
E
table y.csv 200 1 'k * 2.5 - 1' && table z.csv 60 2 'k * 2.5 - 1' && sed -i 's/ /,/' y.csv z.csv
sed '18s/^[^,]*,/3e38,/' z.csv >huge.csv
run run base.yaml --data.task=regression --data.train='[y.csv]' --data.test='[z.csv]' --train.layers='[dense 8, relu, dense 2]' --eval.ood='[far]' \
    --ood.far.files='[huge.csv]'
check "a set out of distribution that overflows, in regression: a report" test $? = 0 -a -s r/report/report.json || cat err
says "and whose it is" 'warning: far: predictions of up to 1 of 60 samples are not finite, the first for sample 17'
check "the test set has its figures, the other has none" $python - <<'E'
import json
report = json.load(open("r/report/report.json"))
assert all(row["rmse"] > 0 and row["nll"] is not None for row in report["models"].values())
assert all(v is None for model in report["ood"]["far"]["models"].values() for score in model.values() for v in score.values())
E

# Batches.
for command in plan train; do
    refused "a norm over one row, $command" 2 \
        'member 0: a batch of 4 in 4 lanes has 1 row a lane (2 need a batch of 8 or fewer lanes): layer body.1, a norm over 8 channels' \
        $command base.yaml --train.layers='[dense 8, norm, relu, dense 3]' --train.batch=4 --run.dir=r
done
for heads in 'dense 8, norm, relu, split, dense 3' 'dense 8, relu, split, dense 5, norm, dense 3'; do
    refused "a norm over one row, in a student" 2 'student hydra: a batch of 4 in 4 lanes has 1 row a lane' run base.yaml --student.split= \
        --student.layers="[$heads]" --student.batch=4 --run.dir=r
done
head -63 train.csv >short.csv
run train base.yaml --data.train='[short.csv]' --students='[]'
says "samples that an epoch leaves out" 'warning: a batch of 32 leaves 31 of 63 training samples out of each epoch, others in each; a batch of 20 leaves out 3'
finish
