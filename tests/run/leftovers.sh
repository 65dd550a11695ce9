# What writers left aside when they died is removed, once a stage, from every folder of the run; what living ones write stays.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
run=$work/run host=$(uname -n)
views=(--cache.views=2 --cache.view_recipes=flip --members.count=2)
folders="members/m000 members/m001 members/m001/checkpoint cache cache/v00 cache/v01 student/hydra student/hydra/checkpoint student/kd report"
litter() { # PID: as a writer would leave its files
    for folder in . $folders; do
        mkdir -p "$run/$folder"
        for name in config.yaml weights.h5 0.h5 m009-s00000.h5 report.json; do : >"$run/$folder/$name.tmp.$host.$1"; done
    done
}
left() { find "$run" -name '*.tmp.*' | wc -l; }
litter 99999999
: >"$run/cache/mine.tmp.txt"
mpi 2 run "$conf" "${views[@]}" || { cat "$work/err"; bad "run"; finish; }
check "none of them is left" test "$(left)" = 1 -a -e "$run/cache/mine.tmp.txt" || find "$run" -name '*.tmp.*'
digest "$run" >"$work/expected"
litter $$
rm -r "$run/members/m001/weights.h5" "$run/cache/manifest.h5" "$run/student/hydra/weights.h5"
mpi 2 run "$conf" "${views[@]}" || cat "$work/err"
check "a living writer's stay" test "$(left)" = $((1 + 11 * 5)) || left
same "and change nothing" "$run"
finish
