# Students whose heads share their weights: the same bytes for every rank count, also after a death on the way; PyTorch gives the
# report's figures; the folded student is the mean of the other one's factors.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
students=(--students='[batchensemble, latentbe]' --student.factors=0.3 --student.batchensemble.layers='[dense 24, relu, dropout 0.1, dense 16, relu, dense 10]'
          --student.latentbe.layers='[dense 24, relu, dropout 0.1, split, dense 16, relu, dense 10]')
on_ranks "2 3" "${students[@]}"
check "both students are there" test "$(grep -c 'student/.*/weights.h5' "$work/expected")" = 2
rm -rf "$work/other/student" "$work/other/report"
TRB_FAULT=train.step:60:0:kill mpi 2 run "$conf" --run.dir="$work/other" "${students[@]}"
check "a death on the way: the run fails" test $? -ne 0
mpi 3 run "$conf" --run.dir="$work/other" "${students[@]}" || cat "$work/err"
same "the rerun has the same bytes" "$work/other"

# A split says nothing to them, so without layers of its own a student is made like the members, whatever the others need.
rm -rf "$work/other/student" "$work/other/report"
mpi 2 distill "$conf" --run.dir="$work/other" --students='[hydra, batchensemble]' --student.layers= --student.split=3 || cat "$work/err"
layers() { $python -c 'import h5py, sys; print(h5py.File(sys.argv[1]).attrs["layers"].decode())' "$work/$1/weights.h5"; }
check "layers of the members" test "$(layers other/student/batchensemble)" = \
    "split, rank1 dense 32, relu, dropout 0.1, rank1 dense 32, relu, rank1 dense 10"
mpi 2 distill "$conf" --run.dir="$work/run" "${students[@]}" --student.factors=0
check "other factors make another student" test $? = 3
check "layers of the folded student" test "$(layers run/student/latentbe)" = \
    "dense 24, relu, dropout 0.1, dense 16, relu, dense 10"
mpi 2 distill "$conf" --run.dir="$work/other" "${students[@]}" --student.head_lanes=3
check "heads in lanes: exit status" test $? = 2
check "heads in lanes: the reason" grep -q 'share their weights.*`student.batchensemble.head_lanes` to 1' "$work/err" || cat "$work/err"

$python -c 'import torch, h5py' 2>/dev/null || { echo "without PyTorch"; finish; }
check "PyTorch gives the figures" $python "$TRB_SOURCE/tools/develop/check_torch.py" "$work/run" "$work/data"
check "the folded student is the mean" $python - "$work/run/student" <<'END'
import sys
import h5py
import numpy as np

of, folded = (h5py.File(f"{sys.argv[1]}/{name}/weights.h5") for name in ("batchensemble", "latentbe"))
assert int(folded.attrs["heads"]) == 1 and int(of.attrs["heads"]) == 3
for i in (0, 3, 5):
    w, r, s, b = (of[f"heads.{i}.{name}"][...].astype("f8") for name in ("weight", "r", "s", "bias"))
    assert abs(r - 1).max() > 0.1 and np.ptp(b, axis=0).max() > 1e-3
    assert np.allclose(folded[f"body.{i}.weight"], w * np.einsum("mo,mi->oi", s, r) / 3, rtol=1e-6, atol=1e-8), i
    assert np.allclose(folded[f"body.{i}.bias"], b.mean(0), rtol=1e-6, atol=1e-8), i
END
finish
