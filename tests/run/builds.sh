# Ranks of different builds are refused before anything is read, with the first rank that differs and its host: they would train
# together without a word, and give other weights. Copies of one build are one program, wherever they are.
. "$(dirname "$0")/lib.bash"
conf=$work/small.yaml
cp "$TRB_BUILD/tribikos" "$work/copy"
{ cat "$TRB_BUILD/tribikos"; echo; } >"$work/other"
chmod +x "$work/other"
builds() { # PROGRAM FLAGS...: two ranks of the usual build, and then one of this program
    local program=$1
    shift
    local arguments=(train "$conf" --train.epochs=1 "$@")
    "${TRB_MPIRUN:-mpirun}" -n 2 "$TRB_BUILD/tribikos" "${arguments[@]}" : -n 1 "$program" "${arguments[@]}" \
        >"$work/out" 2>"$work/err" </dev/null
}
builds "$work/other"
check "another build: exit status 2" test $? = 2
check "another build: one line that says which rank, and where" \
    test "$(grep -c "error: the program on rank 2 ($(hostname)) differs from rank 0's (digest " "$work/err")" = 1 || cat "$work/err"
check "another build: nothing is made" test ! -e "$work/run"
builds "$work/other" --no.such=key
check "another build: it is what is said first" grep -q 'error: the program on rank 2' "$work/err"
builds "$work/copy"
check "a copy: the run ends well" test $? = 0 || cat "$work/err"

# That its own program cannot be read is the rank's affair.
TRB_FAULT=file.read:1:1 mpi 2 train "$conf"
check "the program cannot be read: exit status 1" test $? = 1
check "the program cannot be read: who says so" grep -q 'error: rank 1 .*fault injected at file.read' "$work/err"
finish
