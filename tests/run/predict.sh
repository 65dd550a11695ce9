# The simulation of the exchange (tools/predict) against what must hold of it: alone, or on links that take no time, a step is its
# layers and updates; a link that carries B bytes a second takes bytes / B; it sends the very bytes that the program sends.
. "$(dirname "$0")/lib.bash"
command -v smpicc >/dev/null || skip "SimGrid is not installed (package libsimgrid-dev)"
predict=$TRB_SOURCE/tools/predict/predict
"$predict" build || { bad "tools/predict build"; finish; }
model=$TRB_SOURCE/tools/predict/check.model
one() { "$predict" one check "$@" || echo nothing; } # EXCHANGE RANKS GROUPS SERVERS SPEED GBIT LATENCY: seconds, layers, bytes
near() { awk -v a="$1" -v b="$2" -v part="$3" 'BEGIN { d = a / b - 1; exit !(d < part && d > -part) }'; }

read -r step layers sent <<<"$(one ordered 1 1 0 1 25 2)"
check "one rank: a step of $step s is its layers, $layers s, and the update" near "$step" "$layers" 0.01
check "one rank sends nothing: $sent bytes" test "$sent" = 0

for how in "ordered 4 1 0" "ordered 3 1 0" "ordered 4 2 0" "allreduce 4 1 0" "server 4 1 1" "server 5 1 2"; do
    read -r kind ranks groups servers <<<"$how"
    read -r step layers sent <<<"$(one $how 1 1e6 0)"
    check "$how, links that take no time: $step s, layers $layers s" near "$step" "$layers" 0.02
    mpirun -n "$ranks" "$TRB_BUILD/predict/step" "$model" "$kind" "$groups" "$servers" 1 1 1 >"$work/out" 2>"$work/err" </dev/null ||
        cat "$work/err"
    read -r _ _ real <"$work/out"
    check "$how: $sent bytes are simulated, $real are sent" test "$sent" = "$real"
done

# What the busiest link carries each way, in seconds at 1 Gbit/s: with P ranks and N bytes of parameters, running statistics among
# them, ordered and Rabenseifner's algorithm 2 (P - 1) / P N, as they halve and double; Open MPI's own reduction by a binomial tree
# N for each of the log2 P whom rank 0 meets; servers N / S of each of their P - S workers.
wire() { # KIND RANKS SERVERS
    awk -v kind="$1" -v P="$2" -v S="$3" '$1 == "body" || $1 == "head" { N += 4 * ($2 + $3) }
        END { part["ordered"] = part["rabenseifner"] = 2 * (P - 1) / P; part["allreduce"] = log(P) / log(2)
              if (S) part["server"] = (P - S) / S; print part[kind] * N / 125e6 }' "$model"
}
between() { awk -v low="$1" -v x="$2" -v high="$3" 'BEGIN { exit !(0.999 * low <= x && x <= high) }'; }

# However much is hidden, no step is faster than that; where computing takes nothing, none is much slower. A tree is: parameters go
# out behind gradients that came in, and many segments share the line, so that the two ways lie one behind the other.
for how in "ordered 2 0 1.05" "ordered 8 0 1.1" "ordered 16 0 1.15" "rabenseifner 8 0 1.1" "rabenseifner 32 0 1.1" \
    "allreduce 8 0 2.1" "allreduce 16 0 2.1" "server 8 1 2.1" "server 16 2 2.1"; do
    read -r kind ranks servers most <<<"$how"
    algorithm=
    [ "$kind" != rabenseifner ] || algorithm=$kind
    line=$(wire "$kind" "$ranks" "$servers")
    for speed in 1e4 1; do
        read -r step layers _ <<<"$(PREDICT_ALLREDUCE=$algorithm one "${kind/rabenseifner/allreduce}" "$ranks" 1 "$servers" $speed 1 2)"
        high=$(awk -v line="$line" -v most="$most" -v layers="$layers" 'BEGIN { print most * line + layers }')
        check "$kind, $ranks ranks, $layers s of layers: a step of $step s, on the wire $line s" between "$line" "$step" "$high"
    done
done
finish
