# Augmented members, cached views, and students of them: the same bytes for every rank count, also after a death on the
# way; a cache of other views is refused with both named.
. "$(dirname "$0")/lib.bash"
recipe='[crop 3, flip, cutout 5, mixup 0.4]'
conf=$work/small.yaml
views=(--students="[hydra, kd, two]" --train.augment="$recipe" --members.overrides.2.augment="[flip]"
       --cache.views=3 --cache.view_recipes="crop 3, flip, mixup 0.4" --cache.view_seed=7 --student.two.views=2)

mpi 1 run "$conf" --run.dir="$work/one" "${views[@]}" || { cat "$work/err"; bad "run on one rank"; finish; }
digest "$work/one" >"$work/expected"
check "every kind of file is compared" \
    [ "$(grep -c ' cache/v0[012]/' "$work/expected")" = 27 -a "$(wc -l <"$work/expected")" = 36 ]
for n in 2 3 4; do
    mpi $n run "$conf" --run.dir="$work/n$n" "${views[@]}" || cat "$work/err"
    same "the whole run on $n ranks" "$work/n$n"
done
mixed=("$conf" --run.dir="$work/mixed" "${views[@]}")
{ mpi 5 train "${mixed[@]}" && mpi 5 cache "${mixed[@]}" &&
  mpi 2 distill "${mixed[@]}" && mpi 5 eval "${mixed[@]}"; } || cat "$work/err"
same "train 5, cache 5, distill 2, eval 5 ranks" "$work/mixed"
for fault in {train.step:20,cache.unit:20,file.rename:8}:1:kill train.step:60:0:kill train.step:20:1 thread.start:1:0; do
    rm -rf "$work/hurt"
    TRB_FAULT=$fault mpi 2 run "$conf" --run.dir="$work/hurt" "${views[@]}"
    check "$fault: the run fails" test $? -ne 0
    mpi 3 run "$conf" --run.dir="$work/hurt" "${views[@]}" || cat "$work/err"
    same "$fault: the rerun has the same bytes" "$work/hurt"
done

# Each setting decides what it should.
changes() { # WHAT FILES-THAT-CHANGE FLAGS...: these files of the run change, and no others
    local what=$1 wanted=$2
    shift 2
    mpi 2 run "$conf" --run.dir="$work/other" "${views[@]}" "$@" || cat "$work/err"
    digest "$work/other" >"$work/got"
    # Manifest and report hold what changes.
    diff "$work/expected" "$work/got" | sed -n 's/^> [0-9a-f]*  //p' | grep -v '^-$\|manifest\|predictions' |
        sed -E 's,/(m[0-9]+-s[0-9]+|weights)\.h5$,,' | sort -u | tr '\n' ' ' >"$work/changed"
    check "$what changes $wanted" test "$(cat "$work/changed")" = "$wanted "
    # Files also name what they were made by: what is learned has to differ too.
    check "$what changes losses" test -s "$work/other/student/two/metrics.jsonl" -a \
        "$(cat "$work/one/student/two/metrics.jsonl")" != "$(cat "$work/other/student/two/metrics.jsonl")"
    rm -rf "$work/other"
}
changes "another seed of the views" "cache/v01 cache/v02 student/hydra student/kd student/two" --cache.view_seed=4
changes "another augmentation of one member" \
    "cache/v00 cache/v01 cache/v02 members/m002 student/hydra student/kd student/two" --members.overrides.2.augment="[crop 1]"
changes "another choice of one student" "student/two" --student.two.views=1
# View 0 is what a cache without views holds.
mpi 2 train "$conf" --run.dir="$work/none" "${views[@]}" && mpi 2 cache "$conf" --run.dir="$work/none" "${views[@]}" \
    --cache.views=1 --cache.view_recipes=[] --student.two.views=1 || cat "$work/err"
check "view 0 is the sample itself" diff -r "$work/one/cache/v00" "$work/none/cache/v00"
# More views can be added to those that are there.
mpi 2 cache "$conf" --run.dir="$work/none" "${views[@]}" || cat "$work/err"
check "what is there stays when views are added" grep -q '9 of 27 shards are there already' "$work/err"
check "and the cache is that of all views" cmp -s "$work/one/cache/manifest.h5" "$work/none/cache/manifest.h5"
few=("$conf" --run.dir="$work/none" "${views[@]}" --students=[two])
mpi 2 distill "${few[@]}" && mpi 2 cache "${few[@]}" --cache.views=4 && mpi 2 distill "${few[@]}" --cache.views=4 || cat "$work/err"
check "and a student that does not see them stays what it is" grep -q 'student two is there already' "$work/err"
mpi 2 cache "${few[@]}" || cat "$work/err"

# Other views are refused, by whoever meets them.
refused "fewer views" 3 'the cache holds 3 views, `cache.views` is 2; set it' \
    distill "$conf" --run.dir="$work/none" "${views[@]}" --cache.views=2
theirs="crop 3, flip, mixup 0.4, without 100 by seed 3" asks='`cache.view_recipes` and `cache.view_seed` ask for'
refused "another recipe" 3 "view 1 of the cache is of [$theirs], seed 7, $asks [flip], seed 7" \
    distill "$conf" --run.dir="$work/none" "${views[@]}" --cache.view_recipes=[flip]
refused "another seed" 3 "seed 7, $asks [$theirs], seed 12" \
    distill "$conf" --run.dir="$work/none" "${views[@]}" --cache.view_seed=12
refused "shards of another recipe, with advice" 3 "use another run.dir, or remove the cache: $work/none/cache/v01/m000" \
    cache "$conf" --run.dir="$work/none" "${views[@]}" --cache.view_recipes=[flip]
refused "shards of another recipe" 3 "is of the view [$theirs], seed 7, expected [flip], seed 7" \
    cache "$conf" --run.dir="$work/none" "${views[@]}" --cache.view_recipes=[flip]
refused "a student of other views" 3 "and is [flip] now); --retrain=all" \
    eval "$conf" --run.dir="$work/one" "${views[@]}" --cache.view_recipes=[flip]
refused "too large a square" 2 'member 0: augment: `cutout 29` is larger than an image of 28 x 28 pixels; at most' \
    run "$conf" --run.dir="$work/large" --train.augment='[cutout 29]'
refused "too large a square in a view" 2 'cache.view_recipes: `cutout 29` is larger' \
    run "$conf" --run.dir="$work/large" --cache.views=2 --cache.view_recipes='cutout 29'
check "before anything is trained" test ! -e "$work/large/members"

# Teachers from elsewhere.
if $python -c 'import h5py, xxhash' 2>/dev/null; then
    $python - "$work" "$TRB_SOURCE/tools/python" <<'END'
import sys
import numpy as np
work, tools = sys.argv[1:]
sys.path.insert(0, tools)
from cache_write import data_digest, write_cache
x = np.fromfile(f"{work}/data/train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 28, 28)
y = np.fromfile(f"{work}/data/train-labels-idx1-ubyte", np.uint8)[8:]
logits = (np.random.default_rng(1).normal(0, 3, (2, 3, len(x), 10)) + 3 * np.eye(10)[y]).astype("f4")
options = dict(block=128, shard_rows=512)
write_cache(f"{work}/two/cache", logits, y, data_digest(x, y), views=[("identity", 0), ("crop 2, flip", 7)], **options)
write_cache(f"{work}/alone/cache", logits[0], y, data_digest(x, y), **options)
END
    foreign=(--cache.views=2 --cache.view_recipes="crop 2, flip" --cache.view_seed=7 --students=[hydra])
    mpi 2 distill "$conf" --run.dir="$work/two" "${foreign[@]}" || cat "$work/err"
    check "students of views from elsewhere" test -f "$work/two/student/hydra/weights.h5"
    refused "views from elsewhere, of another recipe" 3 "is of [crop 2, flip], seed 7, $asks [crop 1], seed 7" \
        distill "$conf" --run.dir="$work/two" "${foreign[@]}" --cache.view_recipes='crop 1'
    refused "views from elsewhere, not asked for" 3 'the cache holds 2 views, `cache.views` is 1' \
        distill "$conf" --run.dir="$work/two" --students=[hydra]
    # A report on training samples is one of the samples themselves, and looks at no other view.
    rm "$work/two/cache/v01/m000-s00000.h5"
    mpi 2 eval "$conf" --run.dir="$work/two" "${foreign[@]}" --students=[] --eval.split=train || cat "$work/err"
    grep '^ensemble' "$work/out" >"$work/with"
    mpi 2 eval "$conf" --run.dir="$work/alone" --students=[] --eval.split=train || cat "$work/err"
    check "a report takes view 0" test -s "$work/with" -a "$(cat "$work/with")" = "$(grep '^ensemble' "$work/out")"
fi

# A cache of views that is streamed serves what a kept one serves; a step fails while both threads run ahead of it.
$python "$TRB_SOURCE/tests/run/subset.py" $fashion "$work/data" 10000 500
large=(--train.epochs=1 --student.epochs=1 --student.phase1_epochs=1 --train.batch=500 --student.batch=500)
mpi 2 run "$conf" --run.dir="$work/kept" "${views[@]}" "${large[@]}" || cat "$work/err"
cp -r "$work/kept" "$work/stream" && rm -r "$work/stream/student" "$work/stream/report"
for nth in 2 9 25; do
    TRB_FAULT=train.step:$nth:0 mpi 2 distill "$conf" --run.dir="$work/stream" "${views[@]}" "${large[@]}" --cache.memory=1
    check "step $nth fails beside the threads: exit status 1" test $? = 1
done
mpi 1 run "$conf" --run.dir="$work/stream" "${views[@]}" "${large[@]}" --cache.memory=1 || cat "$work/err"
digest "$work/kept" >"$work/expected"
same "a cache of views read by stream" "$work/stream"
finish
