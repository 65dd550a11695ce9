# A program that was built for another processor says so in one line, before it meets an instruction that the processor does not know.
# One that was built for all of them runs on an old one, and has the bits of one that was built for this processor, on its widest
# vectors and on the narrowest.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
[ "$(uname -m)" = x86_64 ] || skip "this machine is no x86-64"
command -v qemu-x86_64 >/dev/null || skip "qemu-x86_64 is not installed (package qemu-user)"
ulimit -c 0
old="qemu-x86_64 -cpu Nehalem" # without AVX

compiler=$(sed -n 's/^CMAKE_C_COMPILER:[^=]*=//p' "$TRB_BUILD/CMakeCache.txt")
build() { # NAME OPTIONS...: the program alone, for all processors
    { cmake -S "$TRB_SOURCE" -B "$work/$1" -DCMAKE_C_COMPILER="$compiler" -DTRB_ARCH=portable "${@:2}" &&
        cmake --build "$work/$1" -j 2 --target tribikos; } >"$work/built" 2>&1 || { tail -n 30 "$work/built"; bad "a build: $1"; }
}
sed -i "/^members: /d; s/^cache: .*/cache: {shard_rows: 512, block: 128, dtype: float16, views: 3, view_recipes: [shift 2, confods 25]}/
    s/^students: .*/students: [hydra, kd, batchensemble, endd]/" "$work/small.yaml"
cat >>"$work/small.yaml" <<END
members:
  count: 4
  overrides:
    1: {layers: [cifar-resnet8 10], batch: 30, lanes: 2, optimizer: sgd, lr: 0.1, nesterov: true, weight_decay: 5e-4}
    2: {layers: [dense 24, tanh, dense 10], augment: [crop 2, mixup 0.3], optimizer: adamw}
    3: {layers: [lenet5 10], augment: [rotate 10, zoom 0.1], optimizer: sgd, momentum: 0, lr: 0.1}
END
flags=(--student.match_uncertainty=true --student.hydra.label_weight=0.3 --student.batchensemble.layers='[dense 24, relu, dense 10]'
       --train.epochs=1 --student.epochs=1 --student.phase1_epochs=1)
# Every number of a run: files also say for which processor the program was built.
numbers() { $python - "$work/$1" <<'END'
import glob, h5py, hashlib, sys
for path in sorted(glob.glob(f"{sys.argv[1]}/**/*.h5", recursive=True)):
    with h5py.File(path) as f:
        f.visititems(lambda name, at: print(path[len(sys.argv[1]):], name, hashlib.sha256(at[...].tobytes()).hexdigest())
                     if isinstance(at, h5py.Dataset) and at.dtype.kind in "fiu" and not at.is_virtual else None)
END
}
run() { # NAME BUILD
    "$2/tribikos" run "$work/small.yaml" --run.dir="$work/run-$1" "${flags[@]}" >"$work/out" 2>"$work/err" || { cat "$work/err"; bad "a run: $1"; return; }
    numbers "run-$1" >"$work/numbers-$1"
}
run native "$TRB_BUILD"
check "numbers of every kind of file are compared" test "$(grep -c . "$work/numbers-native")" -ge 60
build portable
run portable "$work/portable"
check "a portable build has the bits of this one" cmp "$work/numbers-native" "$work/numbers-portable"
build narrow -DCMAKE_C_FLAGS=-DTRB_WIDE=
run narrow "$work/narrow"
check "and so has one without wide vectors" cmp "$work/numbers-native" "$work/numbers-narrow"
check "the portable build has loops for several kinds of processors" \
    test "$(nm "$work/portable/tribikos" | grep -c ' i ')" -ge 15 -a "$(nm "$work/narrow/tribikos" | grep -c ' i ')" = 0

on_old=($old "$work/portable/tribikos" train "$work/small.yaml" --run.dir="$work/old" --train.epochs=1 --members=0)
# By what they say and leave: qemu 7.2 ends in a segmentation fault where a thread is cancelled, as that of signals is at the end.
OPENBLAS_CORETYPE=haswell "${on_old[@]}" >"$work/out" 2>"$work/err"
check "kernels that an old processor cannot run are refused" \
    grep -q 'error: OPENBLAS_CORETYPE=haswell: these kernels need AVX2, which this processor lacks; unset it' "$work/err"
unset OPENBLAS_CORETYPE
"${on_old[@]}" >"$work/out" 2>"$work/err"
check "on an old processor the portable build trains" test -e "$work/old/members/m000/weights.h5" || cat "$work/err"
$old "$TRB_BUILD/tribikos" config "$work/small.yaml" >"$work/out" 2>"$work/err"
status=$?
if [ $status = 0 ]; then echo "this build needs no more than an old processor has"; finish; fi
check "a build for this processor is refused on an old one: exit 2" test $status = 2
mpirun -n 2 $old "$TRB_BUILD/tribikos" run "$work/small.yaml" >"$work/out" 2>"$work/err" </dev/null
check "on two ranks too" test $? = 2
cat "$work/err"
words='error: the processor of .* lacks avx, .*, for which the program was built (TRB_ARCH=.*); build it again with `cmake -DTRB_ARCH=x86-64-v2`'
check "one line says why, and which build suits" test "$(grep -c 'error: ' "$work/err")" = 1 -a "$(grep -c "$words" "$work/err")" = 1
finish
