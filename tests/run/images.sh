# Residual networks from images to the table: the same bytes for every rank count in both precisions, heads that are blocks, stages or
# linear layers, and weights that mean the same to PyTorch.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
$python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/data" 260 100
net=(--train.layers="[cifar-resnet8 10]" --members.count=2 --members.overrides.1.layers="[lenet5 10]" --train.optimizer=sgd --train.lr=0.1 --train.nesterov=true
     --train.weight_decay=5e-4 --train.epochs=1 --train.batch=80 --data.validation=20 --train.augment="[crop 2, flip]"
     --cache.views=2 --cache.view_recipes="crop 2, flip" --student.layers=[] --student.split=stage3.block1 --student.optimizer=sgd
     --student.lr=0.1 --student.batch=80 --student.phase1_epochs=1 --student.epochs=1)

for precision in f32 bf16; do
    if ! mpi 1 run "$conf" --run.dir="$work/$precision" "${net[@]}" --math.precision=$precision; then
        if [ $precision = bf16 ] && ! has_bf16; then
            check "bf16 is refused where the processor has none" grep -q "math.precision" "$work/err"
            continue
        fi
        cat "$work/err"; bad "run in $precision"; finish
    fi
    digest "$work/$precision" >"$work/expected"
    for n in 2 3 4; do
        mpi $n run "$conf" --run.dir="$work/$precision$n" "${net[@]}" --math.precision=$precision || cat "$work/err"
        same "$precision: the whole run on $n ranks" "$work/$precision$n"
    done
    # oneDNN has code for every processor that is a hundred times slower than its others.
    rm -rf "$work/slow" && mkdir "$work/slow" && cp -r "$work/$precision/members" "$work/slow"
    DNNL_VERBOSE=1 mpi 1 cache "$conf" --run.dir="$work/slow" "${net[@]}" --math.precision=$precision --cache.view_recipes="[ods 8]" || cat "$work/err"
    check "$precision: views by gradients are computed" grep -q "exec,.*convolution,.*backward_data" "$work/out"
    check "$precision: nothing of it by reference code" test "$(grep -c 'exec,.*,ref:' "$work/out")" = 0
    if $python -c 'import torch, h5py' 2>/dev/null; then
        check "$precision: PyTorch gives the cached logits and the figures" \
            $python "$TRB_SOURCE/tools/develop/check_torch.py" "$work/$precision" "$work/data"
    fi
done
if [ -d "$work/bf16/report" ]; then
    mpi 2 run "$conf" --run.dir="$work/f32" "${net[@]}" --math.precision=bf16
    check "weights of another precision are not taken for their own" grep -q "`math.precision` was f32 and is bf16 now" "$work/err"
fi

# The same run with other heads: a name, the first part of names, a position.
for split in fc stage3 33; do
    rm -rf "$work/heads" && mkdir "$work/heads" && cp -r "$work/f32/members" "$work/f32/cache" "$work/heads"
    mpi 2 run "$conf" --run.dir="$work/heads" "${net[@]}" --student.split=$split --students=[hydra]
    check "heads from $split" test $? = 0
    tribikos info "$work/heads/student/hydra/weights.h5" >"$work/info"
    check "heads from $split: their tensors" grep -q "heads\..*\[2" "$work/info" || head -40 "$work/info"
done
mpi 1 distill "$conf" --run.dir="$work/f32" "${net[@]}" --student.split=stage9 --students=[other] --student.other.method=hydra
check "a split at no layer is refused with those that there are" grep -q "stage3.block1" "$work/err"

# It learns: a few passes are enough to tell clothes apart far better than by chance.
mpi 2 run "$conf" --run.dir="$work/learn" "${net[@]}" --train.epochs=8 --train.batch=40 --train.augment=[] --students=[]
$python - "$work" <<'END'
import json, sys
accuracy = json.load(open(sys.argv[1] + "/learn/report/report.json"))["models"]["ensemble"]["accuracy"]
sys.exit(0 if accuracy > 0.5 else f"accuracy {accuracy}")
END
check "it learns" test $? = 0
finish
