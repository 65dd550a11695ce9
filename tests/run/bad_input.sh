# Whatever a user can get wrong: one line that names the place, what was expected and what was found; exit 2 or 3, on two ranks;
# nothing that was there is lost.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
mpi 2 run "$conf" --run.dir="$work/run" || { cat "$work/err"; bad "run"; finish; }
digest "$work/run" >"$work/expected"

# refuses STATUS FRAGMENT COMMAND...: on two ranks
refuses() {
    local status=$1 fragment=$2 got
    shift 2
    mpi 2 "$@"
    got=$?
    if [ $got != "$status" ] || ! grep -qE "tribikos: error: .*$fragment" "$work/err" ||
        [ "$(grep -c 'tribikos: error' "$work/err")" != 1 ]; then
        bad "$* : status $got, expected $status, and one line with /$fragment/; got: $(grep -m1 tribikos: "$work/err")"
    else
        ok "$fragment"
    fi
}
# A student that is not there yet, so that a stage that should refuse has work to do.
fresh() { number=$((${number:-0} + 1)); student=(--students="[new$number]" "--student.new$number.method=hydra"); }
# Invert a byte of a data set's stored values.
flip() {
    $python - "$1" "$2" <<'END'
import h5py, sys
path, name = sys.argv[1:]
with h5py.File(path) as f:
    d = f[name]
    at = (d.id.get_chunk_info(0).byte_offset if d.chunks else d.id.get_offset()) + 100
with open(path, "r+b") as f:
    f.seek(at)
    byte = f.read(1)[0]
    f.seek(at)
    f.write(bytes([byte ^ 16]))
END
}
# At the end of a group of damages: the run is as it was.
unharmed() { same "$1: nothing was lost" "$work/run"; }

refuses 2 'nothere.yaml.*No such file' run nothere.yaml
refuses 2 'takes one configuration file' train
refuses 2 'nearest is .distill' distil "$conf"
refuses 2 'train\.lr' run "$conf" --train.lrr=1
refuses 2 'train\.epochs.*ten' run "$conf" --train.epochs=ten
refuses 2 'batch.*lanes|lanes.*batch' run "$conf" --train.batch=62
sed 's/epochs: 2, batch/epohs: 2, batch/' "$conf" >"$work/typo.yaml"
refuses 2 'typo.yaml:[0-9]+.*train\.epohs.*train\.epochs' run "$work/typo.yaml"
refuses 2 'member 0.*rleu.*relu' train "$conf" --run.dir="$work/other" --train.layers='[dense 32, rleu, dense 10]'
refuses 2 'member 0.*labels 0 to 9' train "$conf" --run.dir="$work/other" --train.layers='[dense 32, relu, dense 9]'
refuses 2 'student hydra.*labels 0 to 9' distill "$conf" --student.layers='[dense 32, relu, split, dense 9]' --students='[hydra]' --run.dir="$work/run"
refuses 2 '1500|validation' train "$conf" --run.dir="$work/other" --data.validation=1500
refuses 2 'batch of 1600 rows' train "$conf" --run.dir="$work/other" --train.batch=1600
refuses 2 '2 ranks.*1 lanes' distill "$conf" --students='[third]' --student.third.method=kd --student.lanes=1
refuses 2 'member 0 is not trained yet' cache "$conf" --run.dir="$work/other"
refuses 2 'cache' distill "$conf" --run.dir="$work/other"
refuses 2 'run.dir|/proc/nowhere' train "$conf" --run.dir=/proc/nowhere
refuses 3 'm000.*`train.epochs` was 2 and is 3 now' run "$conf" --train.epochs=3
refuses 3 'hydra, kd: `student.temperature` was 4 and is 5 now.*--retrain=all' distill "$conf" --student.temperature=5
refuses 3 'hydra, kd: `student.temperature` was 4 and is 5 now' eval "$conf" --student.temperature=5
refuses 2 'hydra: 2 ranks share a batch of 1 lanes' run "$conf" --run.dir="$work/early" --student.lanes=1
refuses 2 'nowhere.*No such file' run "$conf" --run.dir="$work/early" --data.test="[nowhere, t10k-labels-idx1-ubyte]"
check "what cannot end well is not begun" test ! -e "$work/early/members"
refuses 2 'student `endd` learns a distribution.*label_weight' distill "$conf" --students='[endd]' --student.label_weight=0.1
sed 's/^members:.*/members: {count: 1}/' "$conf" >"$work/single.yaml"
refuses 2 'single.yaml:7.*student `endd` learns a distribution.*2 or more, got 1' train "$work/single.yaml" --students='[endd]'
refuses 1 'precision of .*1e30; a smaller learning rate' distill "$conf" --students='[wild]' --student.method=endd --student.lr=1000
rm -r "$work/run/student/wild"
refuses 2 'no method has the name `proxy_endd`, did you mean `proxy-endd`' train "$conf" --students='[proxy_endd]'
refuses 2 'no method has the name `mine`; take one of hydra, kd, .*or set `student.mine.method`' run "$conf" --students='[mine]'
refuses 2 'key `epochs`: unknown; did you mean `train.epochs` or `student.epochs`' train "$conf" --epochs 3
refuses 2 'report itself uses' train "$conf" --students='[ensemble]'
refuses 3 'cache.block` was 128 when the cache was written and is 64 now; set it back' cache "$conf" --cache.block=64
mpi 1 train "$conf" --run.dir="$work/grown" --members.count=2 && mpi 2 run "$conf" --run.dir="$work/grown" --members.count=2 || cat "$work/err"
mpi 2 train "$conf" --run.dir="$work/grown" || cat "$work/err"
refuses 3 'hydra, kd: of 2 members, members.count is 3 now' eval "$conf" --run.dir="$work/grown"
unharmed "wrong configurations"

data=$work/data
mv "$data/train-images-idx3-ubyte" "$work/images"
refuses 2 'train-images-idx3-ubyte.*No such file' train "$conf"
head -c 100000 "$work/images" >"$data/train-images-idx3-ubyte"
refuses 3 'train-images-idx3-ubyte' train "$conf"
(cat "$work/images"; echo) >"$data/train-images-idx3-ubyte"
refuses 3 'train-images-idx3-ubyte' train "$conf"
(printf '\0\0\7\3'; tail -c +5 "$work/images") >"$data/train-images-idx3-ubyte"
refuses 3 'train-images-idx3-ubyte: expected an IDX file .*00 00 08 03.* begins with the bytes 00 00 07 03' train "$conf"
mv "$work/images" "$data/train-images-idx3-ubyte"
cp "$data/t10k-labels-idx1-ubyte" "$work/labels"
refuses 3 '500.*1500|1500.*500' train "$conf" --data.train="[train-images-idx3-ubyte, t10k-labels-idx1-ubyte]"
(head -c 8 "$work/labels"; head -c 499 /dev/zero | tr '\0' '\31'; printf '\0') >"$data/t10k-labels-idx1-ubyte"
refuses 2 '499 of 500 samples have label 25, but the networks have 10 outputs, for labels 0 to 9' eval "$conf"
mv "$work/labels" "$data/t10k-labels-idx1-ubyte"
unharmed "wrong data files"

# Another data set than the cache was made from.
printf '\1' | dd of="$data/train-images-idx3-ubyte" bs=1 seek=5000 conv=notrunc status=none
fresh
refuses 3 'data set with digest|data set.*digest' distill "$conf" "${student[@]}"
printf '\0' | dd of="$data/train-images-idx3-ubyte" bs=1 seek=5000 conv=notrunc status=none

# The cache: cut, flipped, missing, of another member.
shard=$work/run/cache/v00/m001-s00001.h5
cp "$shard" "$work/shard"
damaged() { # NAME: the damaged shard is refused by a student and by verify, and written anew by cache
    fresh
    refuses 3 'm001-s00001' distill "$conf" "${student[@]}"
    tribikos verify "$work/run/cache" >"$work/out" 2>"$work/err"
    check "$1: verify exits 3" test $? = 3
    check "$1: verify names the shard" grep -q 'm001-s00001' "$work/out"
    mpi 2 cache "$conf" || cat "$work/err"
    check "$1: cache writes it anew, the same bytes" cmp -s "$shard" "$work/shard"
    cp "$work/shard" "$shard"
}
truncate -s 3000 "$shard"; damaged "a truncated shard"
flip "$shard" logits; damaged "a shard with a changed byte"
rm "$shard"; damaged "a missing shard"
cp "$work/run/cache/v00/m000-s00001.h5" "$shard"
fresh
refuses 3 'm001-s00001' distill "$conf" "${student[@]}"
refuses 3 'm001-s00001' cache "$conf"
cp "$work/shard" "$shard"
tribikos verify "$work/run/cache" >"$work/out" 2>&1
check "the mended cache verifies" test $? = 0
flip "$work/run/members/m002/weights.h5" body.0.weight
refuses 3 'm002/weights.h5' cache "$conf"
refuses 3 'm002/weights.h5' eval "$conf"

# A process that its launcher counts among several, but that finds itself alone.
for variable in SLURM_NTASKS OMPI_COMM_WORLD_SIZE; do
    (unset OMPI_COMM_WORLD_SIZE; env $variable=4 "$TRB_BUILD/tribikos" train "$conf" >"$work/out" 2>"$work/err")
    check "$variable=4 and one process: exit 2" test $? = 2
    check "$variable=4 and one process: the reason" grep -q "$variable is 4.*mpirun" "$work/err"
done

SLURM_NTASKS=4 mpi 1 train "$conf" --members 0
check "one rank by mpirun in an allocation of four is what the user asked for" test $? = 0

for command in run train cache distill eval plan verify info export report; do
    tribikos $command --help >"$work/out" 2>"$work/err"
    check "$command --help: exit 0" test $? = 0
    check "$command --help says what it takes" grep -q "^tribikos $command [A-Z]" "$work/out"
done
finish
