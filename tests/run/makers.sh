# What other kernels or another processor computed is gone on with after one line that says so, and the weights file names both; where
# nothing differs there is no line, and files have the bytes that they always had.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
one=(--members.count=1 '--students=[kd]')
on() { local kernels=$1; shift; OPENBLAS_CORETYPE=$kernels "$@"; }
blas() { tribikos info "$1" | sed -n 's/^  blas  *//p'; }
lines() { grep -c 'warning: .*was computed by .*this run computes by .* name both' "$work/err"; }
on Haswell mpi 1 run "$conf" --run.dir="$work/a" "${one[@]}" || { cat "$work/err"; bad "run"; finish; }
on Sandybridge mpi 1 run "$conf" --run.dir="$work/b" "${one[@]}" || { cat "$work/err"; bad "run"; finish; }
A=$(blas "$work/a/members/m000/weights.h5") B=$(blas "$work/b/members/m000/weights.h5")
[ "$A" != "$B" ] || skip "OpenBLAS has one set of kernels for this processor: $A"
check "run left alone: its files name one set of kernels" \
    test "$(blas "$work/a/cache/manifest.h5")|$(blas "$work/a/student/kd/weights.h5")|$(lines)" = "$A|$A|0"

# ---- a checkpoint
stopped() { # FOLDER: a member that was stopped in its training, by B
    rm -rf "$work/$1"
    TRB_FAULT=train.step:9:0:usr1 on Sandybridge mpi 1 train "$conf" --run.dir="$work/$1" "${one[@]}"
    check "$1: stopped" test $? = 75
}
stopped again
on Sandybridge mpi 2 train "$conf" --run.dir="$work/again" "${one[@]}" || cat "$work/err"
check "gone on with by the same kernels: no line" test "$(lines)" = 0
check "gone on with by the same kernels: the same file" cmp -s "$work"/{again,b}/members/m000/weights.h5
stopped mixed
on Haswell mpi 2 train "$conf" --run.dir="$work/mixed" "${one[@]}" --run.resume=auto || cat "$work/err"
check "gone on with by other kernels: one line" test "$(lines)" = 1
check "gone on with by other kernels: the member names both" \
    grep -q "^$B on .*; $A on " <(blas "$work/mixed/members/m000/weights.h5")
# Stopped once more: the next checkpoint names both too, and so does what comes of it.
stopped thrice
TRB_FAULT=train.step:9:0:usr1 on Haswell mpi 1 train "$conf" --run.dir="$work/thrice" "${one[@]}"
check "stopped again by other kernels" test $? = 75
on Haswell mpi 1 train "$conf" --run.dir="$work/thrice" "${one[@]}" || cat "$work/err"
check "gone on with twice: one line each time" test "$(lines)" = 1
check "gone on with twice: each is named once" \
    test "$(blas "$work/thrice/members/m000/weights.h5")" = "$(blas "$work/mixed/members/m000/weights.h5")"
if $python -c 'import h5py' 2>/dev/null; then
    stopped elsewhere
    $python - "$work/elsewhere/members/m000/checkpoint/0.h5" <<'END'
import h5py, numpy, sys
with h5py.File(sys.argv[1], "r+", libver=("v110", "v110")) as f:
    assert len(f.attrs["processor"]) > 3
    f.attrs["processor"] = numpy.bytes_("Zilog Z80 (1/1), L2 0 KiB")
END
    on Sandybridge mpi 1 train "$conf" --run.dir="$work/elsewhere" "${one[@]}" || cat "$work/err"
    check "gone on with by another processor: one line" test "$(lines)" = 1
    check "gone on with by another processor: the member names both" \
        grep -q "^$B on Zilog Z80 (1/1), L2 0 KiB; $B on " <(blas "$work/elsewhere/members/m000/weights.h5")
    stopped before
    $python - "$work/before/members/m000/checkpoint/0.h5" <<'END'
import h5py, sys
with h5py.File(sys.argv[1], "r+", libver=("v110", "v110")) as f:
    del f.attrs["processor"]
END
    on Sandybridge mpi 1 train "$conf" --run.dir="$work/before" "${one[@]}" || cat "$work/err"
    check "a checkpoint of an earlier version, which names no processor: no line" test "$(lines)" = 0
    check "a checkpoint of an earlier version: the same file" cmp -s "$work"/{before,b}/members/m000/weights.h5
else
    echo "SKIPPED: python3-h5py is not installed: no checkpoint of another processor"
fi

# ---- a cache
distill() { # FOLDER: its student, anew, by B
    rm -rf "$work/$1/student"
    on Sandybridge mpi 2 distill "$conf" --run.dir="$work/$1" "${one[@]}" || cat "$work/err"
}
check "a manifest names the processor" grep -q '^  processor  *[^ ]' <(tribikos info "$work/a/cache/manifest.h5")
distill a
check "a cache of other kernels: one line" test "$(lines)" = 1
check "a cache of other kernels: the student names both" grep -q "^$A on .*; $B on " <(blas "$work/a/student/kd/weights.h5")
on Sandybridge mpi 2 distill "$conf" --run.dir="$work/a" "${one[@]}" || cat "$work/err"
check "nothing to be distilled: no line" test "$(lines)" = 0
more=("${one[@]}" --cache.views=2 '--cache.view_recipes=["crop 2"]')
on Sandybridge mpi 2 cache "$conf" --run.dir="$work/a" "${more[@]}" || cat "$work/err"
check "other kernels add views to a cache: one line" test "$(lines)" = 1
check "other kernels add views to a cache: the manifest names both" grep -q "^$A on .*; $B on " <(blas "$work/a/cache/manifest.h5")
if $python -c 'import h5py' 2>/dev/null; then
    edit() { # FOLDER STATEMENT: on the attributes of its manifest, "attrs"
        $python -c 'import h5py, numpy, sys
with h5py.File(sys.argv[1], "r+", libver=("v110", "v110")) as f:
    attrs = f.attrs
    exec(sys.argv[2])' "$work/$1/cache/manifest.h5" "$2"
    }
    cp -r "$work/b" "$work/c"
    edit c 'assert len(attrs["processor"]) > 3; attrs["processor"] = numpy.bytes_("Zilog Z80 (1/1), L2 0 KiB")'
    distill c
    check "a cache of another processor: one line" test "$(lines)" = 1
    check "a cache of another processor: the student names both" \
        grep -q "^$B on Zilog Z80 (1/1), L2 0 KiB; $B on " <(blas "$work/c/student/kd/weights.h5")
    on Sandybridge mpi 2 cache "$conf" --run.dir="$work/c" "${more[@]}" || cat "$work/err"
    check "another processor adds views to a cache: one line" test "$(lines)" = 1
    check "another processor adds views to a cache: the manifest names both" \
        grep -q "^$B on Zilog Z80 (1/1), L2 0 KiB; $B on " <(blas "$work/c/cache/manifest.h5")
    cp -r "$work/b" "$work/d"
    edit d 'del attrs["processor"]'
    distill d
    check "a cache of an earlier version, which names no processor: no line" test "$(lines)" = 0
    check "a cache of an earlier version: the same student" cmp -s "$work"/{d,b}/student/kd/weights.h5
    on Sandybridge mpi 2 cache "$conf" --run.dir="$work/d" "${more[@]}" || cat "$work/err"
    check "views are added to a cache of an earlier version: its manifest still names no processor" \
        test -z "$(tribikos info "$work/d/cache/manifest.h5" | grep '^  processor')"
else
    echo "SKIPPED: python3-h5py is not installed: no cache of another processor"
fi
finish
