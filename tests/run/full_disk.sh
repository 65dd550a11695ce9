# The disk fills up in each stage, and at each kind of file: a clear line, exit 1, no half-written file; after making room the rerun
# completes with the same bytes. Needs a small tmpfs, so root.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
sed -i 's/block: 128/&, views: 2, view_recipes: [ods 8]/' "$conf"
mkdir "$work/disk"
mount -t tmpfs -o size=6m,nr_inodes=9999 tmpfs "$work/disk" 2>/dev/null || skip "a tmpfs cannot be mounted here (not root?)"
trap 'umount "$work/disk"; rm -rf "$work"' EXIT
run=$work/disk/run
used() { df --output=used -k "$work/disk" | tail -n 1; }

mkdir "$run"
locks=--run.lock_seconds=0 # a lock would be the first to find no room
declare -A takes # KiB that a stage leaves on the disk
for stage in train cache distill eval; do
    cp -r "$run" "$work/before-$stage"
    before=$(used)
    mpi 2 $stage "$conf" --run.dir="$run" $locks || { cat "$work/err"; bad "$stage left alone"; finish; }
    takes[$stage]=$(($(used) - before))
done
digest "$run" >"$work/expected"

# full STAGE N KiB|files: what comes before the stage is done, and so much room is left; the file that found none goes to
# $work/named. Where files are counted, a small one finds no room behind a large one, whose room must be there as a whole.
full() {
    rm -rf "$run"
    cp -r "$work/before-$1" "$run"
    if [ "$3" = KiB ]; then
        free=$(df --output=avail -k "$work/disk" | tail -n 1)
        head -c $(((free - $2) * 1024)) /dev/zero >"$work/disk/ballast"
    else
        mount -o remount,nr_inodes=$(($(df --output=iused "$work/disk" | tail -n 1) + $2)) "$work/disk"
    fi
    mpi 2 "$1" "$conf" --run.dir="$run" $locks
    status=$?
    rm -f "$work/disk/ballast"
    mount -o remount,nr_inodes=9999 "$work/disk"
    [ $status != 0 ] || return
    check "$1, $2 $3 left: exit status 1" test $status = 1
    check "$1, $2 $3 left: the line names file and cause" grep -qE "error: .*$run.*No space left on device" "$work/err"
    sed -nE "s|.*error: .*$run/([^ :]*).*|\1|p" "$work/err" >>"$work/named"
    check "$1, $2 $3 left: no temporary file is left" test -z "$(find "$run" -name '*.tmp.*')"
    mpi 3 run "$conf" --run.dir="$run" || cat "$work/err"
    same "$1, $2 $3 left: the rerun has the same bytes" "$run"
    disks=$((disks + 1))
}

disks=0
for stage in train cache distill eval; do
    for room in 0 8 $((takes[$stage] - 4)) ${takes[$stage]}; do full $stage $room KiB; done
    [ $stage = cache ] && full cache $((takes[cache] - 200)) KiB # behind the inputs, in the midst of the logits
done
for files in 2 3; do full eval $files files; done
locks=''
for files in 1 2 3; do full train $files files; done
for kind in 'members/.*/metrics.jsonl' 'members/.*/weights.h5' 'cache/v0./m.*.h5' 'cache/v01/x.*.h5' cache/manifest.h5 'student/.*/metrics.jsonl' \
            'student/.*/weights.h5' report/predictions.h5 report/report.json config.yaml '.lock/.*'; do
    check "there was no room for $kind" grep -qx "$kind" "$work/named"
done
echo "tally: full disks: $disks"
finish
