# Several hosts on this machine: network namespaces with host names of their own, joined by a bridge in a namespace of its own.
# Source it behind lib.bash; needs root. hosts_up COUNT RATE makes the hosts $hosts_1, ... whose links carry RATE (as in tc);
# on HOST COMMAND... runs a command there; cable HOST up|down; mpi_on "HOST:RANKS ..." COMMAND... is mpi over hosts.
[ "$(id -u)" = 0 ] || skip "making network namespaces takes root"
for program in ip tc nsenter unshare; do
    command -v $program >/dev/null || skip "$program is not installed (packages iproute2, util-linux)"
done
ns=t$(($$ % 10000))
n_hosts=0

hosts_down() {
    local h pid
    for h in $(seq "$n_hosts"); do
        for pid in $(ip netns pids "$ns-$h" 2>/dev/null); do kill -9 "$pid"; done
    done
    sleep 0.2
    for h in $(seq "$n_hosts"); do ip netns del "$ns-$h" 2>/dev/null; done
    ip netns del "$ns-hub" 2>/dev/null
    rm -rf /dev/shm/vader_segment."$ns"-* /tmp/ompi."$ns"-*
}

hosts_up() { # COUNT RATE
    local h
    n_hosts=$1
    trap 'hosts_down; rm -rf "$work"' EXIT
    ip netns add "$ns-hub" 2>"$work/err" || skip "no network namespaces here: $(cat "$work/err")"
    ip -n "$ns-hub" link add bridge0 type bridge && ip -n "$ns-hub" link set bridge0 up || skip "no bridge in this kernel"
    { echo "127.0.0.1 localhost"; for h in $(seq "$n_hosts"); do echo "10.77.0.$h $ns-$h"; done; } >"$work/hosts"
    for h in $(seq "$n_hosts"); do
        ip netns add "$ns-$h"
        ip -n "$ns-$h" link set lo up
        ip link add eth0 netns "$ns-$h" type veth peer name "port$h" netns "$ns-hub" || skip "no veth in this kernel"
        ip -n "$ns-hub" link set "port$h" master bridge0 up
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
cable() { ip -n "$ns-hub" link set "port${1##*-}" "$2"; }
mpi_on() { # PLACES COMMAND...
    local places=$1 count=0 place
    shift
    for place in ${places//,/ }; do count=$((count + ${place##*:})); done
    on "$ns-1" "cd '$PWD'; exec mpirun -H $places -n $count --mca plm_rsh_agent '$work/on' --mca btl_tcp_if_include eth0 \
        --mca oob_tcp_if_include eth0 '$TRB_BUILD/tribikos' $*" >"$work/out" 2>"$work/err" </dev/null
}
