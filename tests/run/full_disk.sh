# The disk fills up in each stage: a clear line, exit 1, no half-written file; after making room the rerun completes with the same
# bytes. Needs a small tmpfs, so root.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
mkdir "$work/disk"
mount -t tmpfs -o size=4m tmpfs "$work/disk" 2>/dev/null || skip "a tmpfs cannot be mounted here (not root?)"
trap 'umount "$work/disk"; rm -rf "$work"' EXIT
mpi 2 run "$conf" --run.dir="$work/calm" || { cat "$work/err"; bad "run left alone"; finish; }
digest "$work/calm" >"$work/expected"
run=$work/disk/run
stages=(train cache distill eval)
for i in 0 1 2 3; do
    # Everything up to the stage is done; then all but 8 KiB are taken away.
    for ((k = 0; k < i; k++)); do mpi 2 ${stages[k]} "$conf" --run.dir="$run" || cat "$work/err"; done
    mkdir -p "$run"
    free=$(df --output=avail -k "$work/disk" | tail -n 1)
    head -c $(((free - 8) * 1024)) /dev/zero >"$work/disk/ballast"
    mpi 2 ${stages[i]} "$conf" --run.dir="$run"
    check "${stages[i]}: exit status 1" test $? = 1
    check "${stages[i]}: the line names file and cause" grep -qE "error: .*$run.*No space left on device" "$work/err"
    rm "$work/disk/ballast"
    check "${stages[i]}: no temporary file is left" test -z "$(find "$run" -name '*.tmp.*')"
    mpi 3 run "$conf" --run.dir="$run" || cat "$work/err"
    digest "$run" >"$work/got"
    check "${stages[i]}: the rerun has the same bytes" cmp -s "$work/expected" "$work/got"
    rm -rf "$run"
done
finish
