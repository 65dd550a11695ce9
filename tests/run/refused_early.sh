# Whatever a stage refuses, plan and run refuse before anything is begun.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
both_refuse() { # WHAT STATUS WORDS CONF FLAGS...
    refused "$1, plan" "$2" "$3" plan "${@:4}" --run.dir="$work/no"
    refused "$1, run" "$2" "$3" run "${@:4}" --run.dir="$work/no"
    check "$1: nothing is begun" test ! -e "$work/no/members"
}
both_refuse "too many outputs" 2 'member 0: layers end in 32769 outputs; at most 32768' "$conf" --train.layers="[dense 32769]" \
    --members.overrides.1.layers="[dense 32769]"
both_refuse "a batch" 2 'member 1: a batch of 1600 rows is larger than the training part' "$conf" --members.overrides.1.batch=1600
both_refuse "a student's batch" 2 'student kd: a batch of 1600 rows' "$conf" --student.kd.batch=1600
both_refuse "a student's outputs" 2 'student hydra has 12 outputs, the members have 10' "$conf" \
    --student.hydra.layers="[dense 8, relu, split, dense 12]"
both_refuse "heads that cannot be cut" 2 'student hydra: head_lanes above 1: layers' "$conf" --student.head_lanes=3 \
    --student.layers="[split, dense 8, relu, dense 10]"
both_refuse "a test set that is not there" 2 'nowhere: cannot be read' "$conf" --data.test="[nowhere, t10k-labels-idx1-ubyte]"
both_refuse "no test set" 2 'key `data.test`: [] contradicts `eval.split`: test: there is no test set to report on' "$conf" --data.test=[]
both_refuse "no held-out samples" 2 'key `eval.split`: validation contradicts `data.validation`: 0' "$conf" --eval.split=validation --data.validation=0
both_refuse "another set that is not there" 2 '/data/nowhere: cannot be read' "$conf" --eval.ood="[x]" --ood.x.files="[nowhere, nowhere]"
both_refuse "a test set of other images" 2 'test samples of 1 x 1 x 6 uint8 do not match training samples of 1 x 28 x 28 uint8' "$conf" \
    --data.test="[$(printf '\0\0\010\003\0\0\0\002\0\0\0\001\0\0\0\006............' >"$work/data/small-x"
                   printf '\0\0\010\001\0\0\0\002\0\001' >"$work/data/small-y"; echo small-x, small-y)]"
both_refuse "a norm over one row" 2 'student kd: a batch of 4 in 4 lanes has 1 row a lane' "$conf" --student.kd.batch=4 \
    --student.kd.layers="[dense 8, norm, relu, dense 10]"
both_refuse "one class" 3 'all 50 training samples have label 3, there is nothing to learn' "$conf" --data.format=table \
    --data.train="[$(seq 50 | sed 's/$/ 7 3/' >"$work/data/one"; echo one)]" --data.validation=0
refused "a disk that is too small, run" 2 'GB, but the cache will take' run "$conf" --train.layers="[dense 32000]" --students="[]" \
    --members.overrides.1.layers="[dense 32000]" --members.count=1000 --cache.views=1000 --cache.view_recipes="[gaussian 1]" \
    --run.dir="$work/no"
check "a disk that is too small: nothing is begun" test ! -e "$work/no/members"
refused "memory for no step of the cache, run" 2 'student hydra: `cache.memory` of 1 MiB cannot hold' run "$conf" --cache.memory=1 \
    --train.layers="[dense 32000]" --members.overrides.1.layers="[dense 32000]" --student.layers="[dense 8, split, dense 32000]" \
    --run.dir="$work/no"
check "memory for no step of the cache: nothing is begun" test ! -e "$work/no/members"
refused "some members only, run" 2 'members.only leaves out member 1, and' run "$conf" --members=0 --run.dir="$work/no"
refused "one checkpoint for all, run" 2 '`run.resume` names one checkpoint, x, but 5 networks are to be trained' run "$conf" --resume=x \
    --run.dir="$work/no"
check "some members, one checkpoint: nothing is begun" test ! -e "$work/no/members"
seq 0 59 | awk '{ print $1 % 7, $1 % 5, $1 % 2 }' >"$work/classes.txt"
cat >"$work/classes.yaml" <<END
data: {format: table, root: $work, train: [classes.txt], validation: 20}
members: {count: 2}
train: {layers: [dense 4, relu, dense 2], epochs: 1, batch: 20, lanes: 2}
students: [kd]
student: {epochs: 1, batch: 20, lanes: 2}
eval: {split: validation}
END
both_refuse "damage of what is no image" 2 'eval.corruptions: samples of 2 x 1 x 1 are no images' "$work/classes.yaml" --eval.corruptions="[noise]"
mpi 2 run "$work/classes.yaml" --run.dir="$work/classes"
check "a run that reports on held-out samples needs no test set" test $? = 0 || cat "$work/err"
for command in train cache distill; do
    mpi 2 $command "$work/classes.yaml" --run.dir="$work/untested" --eval.split=test
    check "$command needs no test set" test $? = 0 || cat "$work/err"
done
refused "eval needs one" 2 'there is no test set to report on; give its files, or hold samples out' eval "$work/classes.yaml" --run.dir="$work/untested" --eval.split=test
mpi 2 eval "$work/classes.yaml" --run.dir="$work/untested"
check "or held-out samples" test $? = 0 || cat "$work/err"
rm -r "$work"/classes/members/*/weights.h5 "$work/classes/student"
refused "a cache of the other kind, run" 3 'the cache holds logits, `cache.holds` is statistics' run "$work/classes.yaml" --run.dir="$work/classes" --cache.holds=statistics \
    --student.temperature=1
check "a cache of the other kind: nothing is trained" test ! -e "$work/classes/members/m000/weights.h5"
finish
