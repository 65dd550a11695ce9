# Three hosts that talk TCP over links of 1 Gbit/s and 0.1 ms: each arrow on other ranks of other hosts gives the bits of one host;
# when a cable is pulled in the middle of a run, the job ends within comm.timeout (and the seconds that mpirun is given to end by
# itself) and says whom it lost, and the rerun has the same bytes; so has a run over links that lose frames.
. "$(dirname "$0")/lib.bash"
. "$(dirname "$0")/hosts.bash"
conf=$work/small.yaml
mpi 1 run "$conf" --run.dir="$work/one" || { cat "$work/err"; bad "run on one host"; finish; }
digest "$work/one" >"$work/expected"
hosts_up 3 1gbit 0.1
read -r trip gbit < <(measure_link)
check "a round trip of $trip ms takes 0.1 ms each way" awk -v t="$trip" 'BEGIN { exit !(t >= 0.2) }'
check "a link of 1 Gbit/s carries $gbit" awk -v g="$gbit" 'BEGIN { exit !(g > 0 && g < 1) }'

{ mpi_on "$ns-1:2,$ns-2:2,$ns-3:2" train "$conf" --run.dir="$work/three" &&
  mpi_on "$ns-1:1,$ns-2:2,$ns-3:1" cache "$conf" --run.dir="$work/three" &&
  mpi_on "$ns-1:2,$ns-2:1,$ns-3:1" distill "$conf" --run.dir="$work/three" &&
  mpi_on "$ns-1:1,$ns-2:1,$ns-3:1" eval "$conf" --run.dir="$work/three"; } || cat "$work/err"
same "train 2 2 2, cache 1 2 1, distill 2 1 1, eval 1 1 1: the bits of one host" "$work/three"
mpi_on "$ns-1:1,$ns-2:1,$ns-3:1" run "$conf" --run.dir="$work/served" --exchange=server || cat "$work/err"
same "a server and two workers on hosts of their own: the bits of one host" "$work/served"

# The third host's cable is pulled while the students are trained.
mpi_on "$ns-1:1,$ns-2:1,$ns-3:1" run "$conf" --run.dir="$work/cut" --comm.stall_seconds=2 --comm.timeout=6 \
    --student.phase1_epochs=400 &
job=$!
for _ in $(seq 300); do [ -s "$work/cut/student/hydra/metrics.jsonl" ] && break; sleep 0.1; done
start=$EPOCHREALTIME
cable "$ns-3" off
wait $job 2>/dev/null
status=$?
took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
check "a cable is pulled: exit status $status is not 0" test $status != 0
check "a cable is pulled: the job ends, after $took s" awk -v t="$took" 'BEGIN { exit !(t < 25) }'
check "a cable is pulled: who is gone" grep -qE "no sign of life from rank 2 \($ns-3\)" "$work/err"
cable "$ns-3" on
mpi_on "$ns-1:1,$ns-2:1,$ns-3:1" run "$conf" --run.dir="$work/cut" || cat "$work/err"
same "a cable is pulled: the rerun has the bits of one host" "$work/cut"

hosts_down
hosts_up 2 100mbit 1 0.001
mpi_on "$ns-1:1,$ns-2:1" run "$conf" --run.dir="$work/far" || cat "$work/err"
same "slow, long and lossy links: the bits of one host" "$work/far"
finish
