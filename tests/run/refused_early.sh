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
both_refuse "another set that is not there" 2 '/data/nowhere: cannot be read' "$conf" --eval.ood="[x]" --ood.x.files="[nowhere, nowhere]"
seq 0 59 | awk '{ print $1 % 7, $1 % 5, 0 }' >"$work/one_class.txt"
cat >"$work/one_class.yaml" <<END
data: {format: table, root: $work, train: [one_class.txt], validation: 20}
members: {count: 2}
train: {layers: [dense 4, relu, dense 1], epochs: 1, batch: 20, lanes: 2}
students: [kd]
student: {epochs: 1, batch: 20, lanes: 2}
eval: {split: validation}
END
both_refuse "a distribution over one class" 2 'student endd: method endd fits a distribution over 2 or more classes, got 1 output' \
    "$work/one_class.yaml" --students="[endd]"
both_refuse "statistics of one class" 2 'cache.holds: statistics are of 2 or more classes' "$work/one_class.yaml" --cache.holds=statistics \
    --cache.dtype=float32 --student.temperature=1
both_refuse "damage of what is no image" 2 'eval.corruptions: samples of 2 x 1 x 1 are no images' "$work/one_class.yaml" --eval.corruptions="[noise]"
mpi 2 run "$work/one_class.yaml" --run.dir="$work/one_class"
check "a run that reports on held-out samples needs no test set" test $? = 0 || cat "$work/err"
finish
