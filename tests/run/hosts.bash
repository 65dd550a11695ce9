# Several hosts on this machine: network namespaces with host names of their own on a switch (wire.c) whose cables take time.
# Source it after lib.bash; needs root. hosts_up COUNT RATE [DELAY_MS [LOSS]] makes the hosts $ns-1, $ns-2, ...: what one sends, and
# what it is sent, is limited to RATE, and arrives DELAY_MS later, but for a share of LOSS; on HOST COMMAND... runs a command there;
# cable HOST off|on; mpi_on "HOST:RANKS ..." COMMAND... is mpi over hosts; measure_link prints the milliseconds of a round trip and
# the Gbit/s between the first two hosts, wire_cpu_s the processor's seconds that the switch has taken.
[ "$(id -u)" = 0 ] || skip "making network namespaces takes root"
for program in ip tc nsenter unshare cc; do
    command -v $program >/dev/null || skip "$program is not installed (packages iproute2, util-linux, gcc)"
done
ns=t$(($$ % 10000))
n_hosts=0 wire= here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")

hosts_down() {
    local h pid
    for h in $(seq "$n_hosts"); do
        for pid in $(ip netns pids "$ns-$h" 2>/dev/null); do kill -9 "$pid"; done
    done
    [ -z "$wire" ] || exec {cables}>&-
    wire=
    sleep 0.2
    for h in $(seq "$n_hosts"); do ip netns del "$ns-$h" 2>/dev/null; done
    rm -rf "$work/cables" "$work/wired" /dev/shm/vader_segment."$ns"-* /tmp/ompi."$ns"-*
}

hosts_up() { # COUNT RATE [DELAY_MS [LOSS]]; RATE in mbit or gbit
    local h names=() gbit
    gbit=$(sed -E 's/gbit$//; s/mbit$/e-3/' <<<"$2")
    n_hosts=$1
    trap 'hosts_down; rm -rf "$work"' EXIT
    cc -std=c11 -O2 -o "$work/wire" "$here/wire.c" || exit 1
    { echo "127.0.0.1 localhost"; for h in $(seq "$n_hosts"); do echo "10.77.0.$h $ns-$h"; done; } >"$work/hosts"
    for h in $(seq "$n_hosts"); do
        names+=("$ns-$h")
        ip netns add "$ns-$h" 2>"$work/err" || skip "no network namespaces here: $(cat "$work/err")"
    done
    mkfifo "$work/cables"
    "$work/wire" "${3:-0}" "${4:-0}" "$gbit" "${names[@]}" <"$work/cables" >"$work/wired" 2>"$work/err" &
    wire=$!
    exec {cables}>"$work/cables" # it ends when nobody can write there
    until [ -s "$work/wired" ]; do
        kill -0 $wire 2>/dev/null || { wire=; skip "no TAP devices here: $(cat "$work/err")"; }
        sleep 0.01
    done
    for h in $(seq "$n_hosts"); do
        ip -n "$ns-$h" link set lo up
        ip -n "$ns-$h" addr add "10.77.0.$h/24" dev eth0
        ip -n "$ns-$h" link set eth0 up
        ip netns exec "$ns-$h" tc qdisc add dev eth0 root tbf rate "$2" burst 128kb latency 20ms || skip "no tbf in this kernel"
    done
    # What mpirun starts its daemons by, instead of ssh: AGENT [-OPTION ...] HOST COMMAND.
    cat >"$work/on" <<END
#!/bin/bash
while [ "\${1#-}" != "\$1" ]; do shift; done
host=\$1; shift
exec nsenter --net=/run/netns/\$host unshare --uts --mount -- sh -c 'hostname "\$0"; mount --bind "$work/hosts" /etc/hosts; exec "\$@"' "\$host" sh -c "\$*"
END
    chmod +x "$work/on"
}

on() { "$work/on" "$@"; }
cable() { echo "$2 ${1##*-}" >&"$cables"; }
measure_link() {
    local listener
    on "$ns-2" "exec /usr/bin/python3 '$here/probe.py'" &
    listener=$!
    until [ -n "$(ip netns exec "$ns-2" ss -Hltn sport = 5000)" ]; do sleep 0.02; done
    on "$ns-1" /usr/bin/python3 "'$here/probe.py'" "$ns-2"
    wait $listener
}
wire_cpu_s() { awk '{ print 1e-9 * $1 }' "/proc/$wire/schedstat"; }
mpi_on() { # PLACES COMMAND...
    local places=$1 count=0 place
    shift
    for place in ${places//,/ }; do count=$((count + ${place##*:})); done
    on "$ns-1" "cd '$PWD'; exec mpirun -H $places -n $count --mca plm_rsh_agent '$work/on' --mca btl_tcp_if_include eth0 \
        --mca oob_tcp_if_include eth0 '$TRB_BUILD/tribikos' $*" >"$work/out" 2>"$work/err" </dev/null
}
