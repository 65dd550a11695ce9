# Weights of a trained member and of a student, read with h5py and evaluated by PyTorch, give the cached logits and the report's
# figures.
. "$(dirname "$0")/lib.bash"
$python -c 'import torch, h5py' 2>/dev/null || skip "python3-torch or python3-h5py is not installed"
conf=$work/small.yaml
mpi 2 run "$conf" || { cat "$work/err"; bad "run"; finish; }
check "PyTorch gives the cached logits and the figures" $python "$TRB_SOURCE/tools/develop/check_torch.py" "$work/run" "$work/data"
finish
