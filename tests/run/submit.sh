# jobs/submit before a Slurm that fails, hangs or is slow, and with names that trip shells: programs of the same names
# stand in for Slurm's, and keep a queue in a file. tests/slurm has the jobs themselves.
. "$(dirname "$0")/lib.bash"
mkdir "$work/bin" "$work/home"
export PATH=$work/bin:$PATH HOME=$work/home TRIBIKOS=$TRB_BUILD/tribikos fake=$work
# The queue has a line a task: name|number|task|number_task|state|reason.
cat >"$work/bin/squeue" <<'END'
#!/bin/bash
[ ! -e "$fake/squeue_fails" ] || { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }
for word; do
    case $word in
    --format=*) format=${word#*=} ;;
    --name=*) names=,${word#*=}, ;;
    esac
done
while IFS='|' read -r j F K i T r; do
    [[ ${names:-,$j,} == *,$j,* ]] || continue
    line=$format
    for field in j F K i T r; do line=${line//%$field/${!field}}; done
    echo "$line"
done <"$fake/queue"
END
cat >"$work/bin/sbatch" <<'END'
#!/bin/bash
echo "${*@Q}" >>"$fake/submitted"
name=unnamed tasks=N/A state='RUNNING|None'
for word; do
    case $word in
    --job-name=*) name=${word#*=} ;;
    --array=*) tasks=${word#*=} tasks=${tasks%\%*} ;;
    --dependency=*) state='PENDING|Dependency' ;;
    *.sbatch) [ $name != unnamed ] || name=$(sed -n 's/^#SBATCH --job-name=//p' "$word") ;;
    esac
done
id=$(($(cat "$fake/last" 2>/dev/null) + 1))
echo $id >"$fake/last"
for task in ${tasks//,/ }; do
    [ "$task" = N/A ] && own=$id || own=${id}_$task
    echo "$name|$id|$task|$own|$state" >>"$fake/queue"
done
[ ! -e "$fake/sbatch_fails" ] || [ $id != "$(cat "$fake/sbatch_fails")" ] || { echo "sbatch: error: Socket timed out" >&2; exit 1; }
echo $id
END
cat >"$work/bin/scancel" <<'END'
#!/bin/bash
echo "scancel $*" >>"$fake/submitted"
sed -i "/^[^|]*|$1|/d" "$fake/queue"
END
cat >"$work/bin/sleep" <<'END'
#!/bin/bash
echo "$1" >>"$fake/slept"
[ ! -e "$fake/queue.later" ] || mv "$fake/queue.later" "$fake/queue"
END
chmod +x "$work"/bin/*
submit() { timeout 60 "$TRB_SOURCE/jobs/submit" "$work/small.yaml" "$@" >"$work/out" 2>"$work/err"; }
fresh() { rm -rf "$work"/{run,submitted,slept,last,queue,squeue_fails,sbatch_fails}; : >"$work/queue"; : >"$work/submitted"; }
submitted() { grep -c . "$work/submitted"; }
option() { sed -n "s/.*'--$1=\([^']*\)'.*/\1/p" "$work/submitted"; } # NAME: its value in every call of sbatch
said() { grep -q -e "$1" "$work/err"; }

# ---- twice, and broken off
fresh
submit
check "a run is four jobs" test "$(submitted)" = 4
submit
check "a second call submits nothing" test $? = 0 -a "$(submitted)" = 4
touch "$work/squeue_fails"
submit
check "squeue fails: exit status 1" test $? = 1
check "squeue fails: nothing is submitted a second time" test "$(submitted)" = 4
check "squeue fails: said, and what to do" said 'squeue failed.*nothing was submitted; try again'
rm "$work/squeue_fails"
mkdir -p "$work/run/jobs"
printf 'train 1\ncac' >"$work/run/jobs/submitted" # as versions before this one recorded it
submit
check "a record cut short is no obstacle" test $? = 0 -a "$(submitted)" = 4
fresh
echo 3 >"$work/sbatch_fails"
submit
check "an answer of sbatch that is lost ends it" test $? = 1 -a "$(submitted)" = 3
submit
check "the same command: only what was not submitted" test "$(submitted)" = 4 -a "$(grep -c 'in the queue' "$work/out")" = 5
check "the same command: the rest waits for it" test "$(option dependency | tail -n 1)" = afterok:3

# ---- jobs that are ending
fresh
submit
sed 's/RUNNING/PENDING/' "$work/queue" >"$work/queue.later"
sed -i '/|1_0|/s/RUNNING/COMPLETING/' "$work/queue"
submit
check "a job that is ending and comes back is waited for" test "$(submitted)" = 4 -a "$(wc -l <"$work/slept")" = 1
check "what is waited for is said" said 'waiting for jobs that are COMPLETING: 1_0'
mkdir -p "$work/run/members"/m00{0,1,2}
touch "$work/run/members"/m00{0,1,2}/weights.h5
sed -i '/^train/d; /^cache/s/PENDING|Dependency/COMPLETING|None/' "$work/queue"
submit
check "a job that is ending for ever is not" test $? = 0 -a "$(submitted)" = 9
check "which that is" said 'still COMPLETING after two minutes.* 2$'
check "the stage and what comes after it are submitted" \
    test "$(tail -n 5 "$work/submitted" | grep -o "^scancel.*\|[a-z]*\.sbatch" | tr '\n' ' ')" = \
    "cache.sbatch scancel 3 distill.sbatch scancel 4 eval.sbatch "

# ---- names
for dir in "it's" 'a "run"' '100% %j' 'back\slash' $'a\ttab'; do
    fresh
    submit --run.dir="$work/$dir"
    check "run.dir ${dir@Q}: its folder is there" test $? = 0 -a -d "$work/$dir/jobs"
    submit --run.dir="$work/$dir"
    check "run.dir ${dir@Q}: its jobs are found again" test "$(cat "$work/last")" = 4
done
fresh
submit --run.dir="$work/100% %j"
check "% in run.dir is none to sbatch" test "$(option output | tail -n 1)" = "$work/100%% %%j/jobs/eval-%j.out"
fresh
submit --run.dir="$work/back\\slash"
check "a backslash in run.dir is one to sbatch" test "$(option output | tail -n 1)" = "$work/back\\\\slash/jobs/eval.out"
submit --run.dir="$work/other"
check "another run's jobs are others" test "$(submitted)" = 8

# ---- where it lies
fresh
ln -s "$TRB_SOURCE/jobs/submit" "$work/bin/by-link"
"$work/bin/by-link" "$work/small.yaml" >"$work/out" 2>"$work/err"
check "through a symbolic link" test $? = 0 -a "$(grep -c "'$TRB_SOURCE/jobs/[a-z-]*.sbatch'" "$work/submitted")" = 4
fresh
mkdir -p "$work/prefix/bin" "$work/prefix/share/tribikos"
cp -r "$TRB_SOURCE/jobs" "$work/prefix/share/tribikos"
ln -s "$TRB_BUILD/tribikos" "$work/prefix/bin/tribikos"
ln -s ../share/tribikos/jobs/submit "$work/prefix/bin/tribikos-submit"
(unset TRIBIKOS && "$work/prefix/bin/tribikos-submit" "$work/small.yaml") >"$work/out" 2>"$work/err"
check "installed under a prefix" \
    test $? = 0 -a "$(grep -c "'$work/prefix/share/tribikos/jobs/[a-z-]*.sbatch'" "$work/submitted")" = 4

# ---- the settings of a site
mkdir -p "$work/home/.config/tribikos"
cp "$TRB_SOURCE/jobs/site.example" "$work/home/.config/tribikos/site"
fresh
submit
check "the example as it is" test $? = 0 -a "$(submitted)" = 4
sed 's/^# \([^ ]*options=\|: \)/\1/' "$TRB_SOURCE/jobs/site.example" | grep -v '^: .*MEMBERS:=' >"$work/home/.config/tribikos/site"
fresh
submit
check "account and partition of all" test "$(option account | uniq -c | tr -s ' ')" = " 4 ACCOUNT" -a "$(option partition | wc -l)" = 4
check "ranks of each stage" test "$(option ntasks | tr '\n' ' ')" = "4 8 4 4 "
check "times of each stage" test "$(option time | tr '\n' ' ')" = "04:00:00 01:00:00 04:00:00 01:00:00 "
echo 'options=(--partition=other --comment="in two words"); MEMBERS_AT_ONCE=2' >"$work/site"
fresh
(cd "$work" && TRIBIKOS_SITE=site submit)
check "\$TRIBIKOS_SITE takes its place" test "$(option partition | sort -u)" = other -a "$(option ntasks | wc -l)" = 0
check "an option with a blank" test "$(option comment | sort -u)" = "in two words"
check "members at once" test "$(option array)" = 0,1,2%2
for wrong in 'distil_options=(--ntasks=2)' 'options=(' false; do
    echo "$wrong" >"$work/site"
    fresh
    TRIBIKOS_SITE=$work/site submit
    check "refused: $wrong" test $? = 2 -a "$(submitted)" = 0
    check "refused, with the file's name: $wrong" said "site settings: $work/site "
done
fresh
TRIBIKOS_SITE=$work/nowhere submit
check "settings that are not there: exit status 2" test $? = 2 -a "$(submitted)" = 0
printf '#!/bin/bash\necho "$MODULE: $*"\n' >"$work/bin/launcher" && chmod +x "$work/bin/launcher"
echo 'export MODULE=loaded; : "${LAUNCHER:=launcher}" "${RANKS:=7}"' >"$work/site"
check "a job reads them, and the environment wins" \
    test "$(TRIBIKOS_SITE=$work/site RANKS=3 bash "$TRB_SOURCE/jobs/eval.sbatch" x)" = "loaded: -n 3 $TRIBIKOS eval x"
rm -r "$work/home/.config"

# ---- what it says of itself
fresh
submit --dry-run --run.dir="$work/a 'dry' run"
check "--dry-run submits nothing" test $? = 0 -a "$(submitted)" = 0 -a ! -e "$work/a 'dry' run"
check "--dry-run: four lines of sbatch" test "$(grep -c '=$(sbatch ' "$work/out")" = 4
bash "$work/out" 2>"$work/err"
cp "$work/submitted" "$work/by_hand"
check "--dry-run: bash runs them" test -d "$work/a 'dry' run/jobs"
fresh
submit --run.dir="$work/a 'dry' run"
check "--dry-run: they are what is submitted" cmp "$work/by_hand" "$work/submitted"
sed -i '/^train/d' "$work/queue"
submit --run.dir="$work/a 'dry' run" --dry-run
check "--dry-run: what would be cancelled" test "$(grep -c '^scancel [234] $' "$work/out")" = 3
"$TRB_SOURCE/jobs/submit" --help >"$work/out" 2>"$work/err"
check "--help" test $? = 0 -a "$(grep -c -e '--dry-run\|TRIBIKOS_SITE\|^[^#]' "$work/out")" -gt 9 -a ! -s "$work/err"
"$TRB_SOURCE/jobs/submit" >"$work/out" 2>"$work/err"
check "without a configuration: exit status 2" test $? = 2 -a "$(wc -l <"$work/err")" = 1
finish
