# Every configuration of the section "Your own data" of configs/README.md runs, on files of the kind that it describes.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, numpy, xxhash' 2>/dev/null || skip "python3-h5py or python3-xxhash is not installed"
cd "$work" || exit 1
unset TRIBIKOS_DATA
$python "$TRB_SOURCE/tests/run/own_data.py"
