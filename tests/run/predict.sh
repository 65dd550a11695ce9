# The simulation of the exchange (tools/predict) against what must hold of it: alone, or on links that take no time, a step is its
# layers and updates; a link that carries B bytes a second takes bytes / B; it sends the very bytes that the program sends.
. "$(dirname "$0")/lib.bash"
command -v smpicc >/dev/null || skip "SimGrid is not installed (package libsimgrid-dev)"
predict=$TRB_SOURCE/tools/predict
"$predict" build || { bad "tools/predict build"; finish; }
model=$TRB_SOURCE/tools/predict.d/check.model
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

# Nothing is hidden where computing takes next to nothing: 2 ranks send half of all there and half of all back, both at a time.
read -r step layers sent <<<"$(one ordered 2 1 0 1e4 1 0)"
wire=$(awk -v b="$sent" 'BEGIN { print b / 2 / 125e6 }')
check "1 Gbit/s: $sent bytes of two ranks take $step s, on the wire $wire s" near "$step" "$wire" 0.05
finish
