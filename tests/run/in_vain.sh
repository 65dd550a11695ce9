# A job that is stopped before it has done anything queues itself again, but not for ever: after five such starts in a row it gives
# up. In place of the program one that stops at once, and of scontrol one that notes what it is asked.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
mkdir "$work/bin"
cat >"$work/bin/program" <<END
#!/bin/bash
[ "\$1" != config ] || exec "$TRB_BUILD/tribikos" "\$@"
[ ! -e "$work/gets_on" ] || { mkdir -p "$work/run/members/m000/checkpoint" && touch "$work/run/members/m000/checkpoint/0.h5"; }
exit 75
END
printf '#!/bin/bash\necho "$*" >>"%s/asked"\n' "$work" >"$work/bin/scontrol"
chmod +x "$work"/bin/*
export PATH=$work/bin:$PATH TRIBIKOS=$work/bin/program SLURM_JOB_ID=70 RANKS=1
start() { bash "$TRB_SOURCE/jobs/train.sbatch" "$conf" >"$work/out" 2>"$work/err"; } # as Slurm starts it again
asked() { [ "$(grep -cx "requeue $1" "$work/asked")" = "$2" ]; }                     # JOB TIMES

for n in 1 2 3 4; do start; done
check "four starts in vain: queued again each time" asked 70 4
touch "$work/gets_on"
start
rm "$work/gets_on" "$work"/run/members/m000/checkpoint/0.h5
check "one that gets on" asked 70 5
for n in 1 2 3 4; do start; done
check "four more" asked 70 9
start
check "the fifth in a row: exit status 1" test $? = 1
check "the fifth in a row: not queued again" asked 70 9
check "the fifth in a row: what to do" grep -q 'job 70 was started 5 times in a row .* give it more time' "$work/err"
export SLURM_ARRAY_JOB_ID=80 SLURM_ARRAY_TASK_ID=2
start
check "a task of an array is counted by itself" asked 80_2 1
finish
