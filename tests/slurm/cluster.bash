# A cluster of this test's own: Debian's munged, slurmctld and slurmds, as nodes n1, n2, ... of this machine. Source it
# first: the script starts over inside new namespaces, where it has processes, ports and /dev/shm to itself, and nothing
# that it starts outlives it. Then $work and all of tests/run/lib.bash are there, and the working folder is $work.
#   cluster_up NODES CPUS        starts it; jobs of the partition `urgent` preempt those of the default one
#   submit ARGUMENTS             jobs/submit $work/small.yaml ARGUMENTS, its output in $work/submit
#   number STAGE                 of the last job of this stage that this submitted
#   state JOB                    PENDING, RUNNING, COMPLETED, FAILED, CANCELLED ...
#   wait_for COMMAND...          until it succeeds, at most four minutes: other work may have the processors
#   finish_jobs                  finish, with what the jobs said if a check failed
if [ -z "${TRB_CLUSTER:-}" ]; then
    skip() { echo "SKIPPED: $*"; exit 77; }
    for program in slurmctld slurmd sbatch munged unshare ip; do
        command -v $program >/dev/null || PATH=$PATH:/usr/sbin command -v $program >/dev/null ||
            skip "$program is not installed (packages slurmctld, slurmd, slurm-client, munge, util-linux, iproute2)"
    done
    apart=(unshare --pid --net --mount-proc --fork --kill-child)
    "${apart[@]}" true || skip "no namespaces of processes and networks can be made here; it takes root"
    folder=$(mktemp -d "${TMPDIR:-/tmp}/tribikos-slurm.XXXXXX")
    trap 'rm -rf "$folder"' EXIT
    chmod 755 "$folder"
    TRB_CLUSTER=1 TMPDIR=$folder "${apart[@]}" bash "$0"
    exit
fi
export PATH=$PATH:/usr/sbin
mount -t tmpfs none /dev/shm
ip link set lo up
ip addr add 10.77.1.1/32 dev lo # names are looked up only where there is an address besides 127.0.0.1
. "$(dirname "${BASH_SOURCE[0]}")/../run/lib.bash"
# Open MPI leaves the loopback out by default, and there is nothing else here.
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo

cluster_up() { # NODES CPUS
    local n host d=$work/cluster
    host=$(hostname -s)
    mkdir -p "$d"/{munge,state,log,run}
    chmod 755 "$work" "$d" "$d/munge"
    (umask 077; head -c 128 /dev/urandom >"$d/munge/key")
    munged --force --socket="$d/munge/socket" --key-file="$d/munge/key" --log-file="$d/log/munged" \
        --pid-file="$d/run/munged" --seed-file="$d/munge/seed" --num-threads=2 2>>"$d/log/munged"
    # A job that was queued again waits for cred_expire seconds, of which 5 are the fewest; PMIx makes a folder in each
    # node's TmpFS; config_overrides takes processors for granted that this machine lacks.
    cat >"$d/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$d/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort=17000
StateSaveLocation=$d/state
SlurmdSpoolDir=$d/spool-%n
TmpFS=$d/tmp-%n
SlurmctldPidFile=$d/run/slurmctld
SlurmdPidFile=$d/run/slurmd-%n
SlurmctldLogFile=$d/log/slurmctld
SlurmdLogFile=$d/log/slurmd-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=100000,sched_interval=1,bf_interval=1
KillWait=5
ReturnToService=2
JobCompType=jobcomp/filetxt
JobCompLoc=$d/log/jobs
MailProg=/bin/true
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF
CONF
    for n in $(seq "$1"); do
        mkdir "$d/spool-n$n" "$d/tmp-n$n"
        echo "NodeName=n$n NodeAddr=127.0.0.1 Port=$((17000 + n)) CPUs=$2 State=UNKNOWN" >>"$d/slurm.conf"
    done
    echo CgroupPlugin=cgroup/v1 >"$d/cgroup.conf"
    export SLURM_CONF=$d/slurm.conf TRIBIKOS=$TRB_BUILD/tribikos
    cd "$work" || exit
    slurmctld
    # Each node has a name and shared memory of its own: Open MPI tells neither ranks nor their files apart otherwise.
    { echo "127.0.0.1 localhost $host"; seq -f '127.0.0.1 n%g' "$1"; } >"$d/hosts"
    mount --bind "$d/hosts" /etc/hosts
    for n in $(seq "$1"); do
        unshare --uts --mount sh -c "hostname n$n; mount -t tmpfs none /dev/shm; exec slurmd"
    done
    wait_for all_idle "$1" || { tail -n 20 "$d"/log/*; bad "a cluster of $1 nodes"; finish; }
}

wait_for() {
    local until=$((SECONDS + 240))
    until "$@"; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.1
    done
}
all_idle() { [ "$(sinfo -h -N -p main -t idle -o %N 2>/dev/null | wc -l)" = "$1" ]; }
all_over() { [ -z "$(squeue -h)" ]; }
state() { squeue -h -r -t all -j "$1" -o %T; }
is() { [ "$(state "$1")" = "$2" ]; } # JOB STATE
submit() { "$TRB_SOURCE/jobs/submit" "$work/small.yaml" "$@" >"$work/submit" 2>&1 || cat "$work/submit"; }
finish_jobs() {
    [ "$failed" = 0 ] || { squeue -r -t all; tail -n 30 "$work"/*.out "$work"/*/jobs/*.out; }
    finish
}
number() { awk -v stage="$1" '$1 == stage { id = $2 } END { print id }' "$work/submit"; }
