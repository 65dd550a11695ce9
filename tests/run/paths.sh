# Paths and flags mean what the shell and the user mean: ~ and variables are replaced, by rank 0's values and from rank 0's
# folder; a value is what the shell hands over; a file of Windows is read. What an earlier version took literally is said.
. "$(dirname "$0")/lib.bash"
cd "$work"
conf=$work/small.yaml
export HOME=$work/home SCRATCH=$work/scratch
unset NOT_SET
mkdir "$HOME" "$SCRATCH" other
tiny=("$conf" --members.count=1 --members.overrides={} --students=[] --train.epochs=1)

# dir WHAT EXPECTED FLAG...: where the run is, as the resolved configuration says and as jobs/ reads it
dir() {
    tribikos config "${tiny[@]}" "${@:3}" >"$work/out" 2>"$work/err" || cat "$work/err"
    check "$1: reads back, and by jobs" test "$(TRIBIKOS=$TRB_BUILD/tribikos bash -c '. "$TRB_SOURCE/jobs/setup.bash"; run_dir "$@"' - "$work/out")" = "$2"
}
dir "home" "$HOME/a" --run.dir='~/a'
dir "a variable" "$SCRATCH/b" --run.dir='$SCRATCH/b'
dir "a variable in braces" "${SCRATCH}c" --run.dir='${SCRATCH}c'
dir "a dollar sign" 'r$SCRATCH' --run.dir='r$$SCRATCH'
for name in 'exp #3' 'a: b' '@x' '[x]' '{x: 1}' "it's" '"x"' 'a, b' '- x' '& x' '!x' '%x' '*' 'null' '3' 'ü' ' x' '\x41' $'tab\tx'; do
    dir "$name" "$name" --run.dir="$name"
done
refused "a variable that is not set" 2 'command line: key `run.dir`: the variable `NOT_SET` is not set' train "${tiny[@]}" --run.dir='$NOT_SET/b'
refused "in a list of files" 2 'key `data.train`: the variable `NOT_SET` is not set' train "${tiny[@]}" --data.train='[$NOT_SET/a, b]'
check "no folder of such a name" test ! -e '$NOT_SET'

# Files with odd names, in a list and alone.
cp data/train-images-idx3-ubyte "$SCRATCH/a, b #1"
cp data/train-labels-idx1-ubyte "$HOME/it's"
mpi 1 train "${tiny[@]}" --data.train='["$SCRATCH/a, b #1", '"\"~/it's\"]" --run.dir='~/runs #1'
check "files with commas, quotes and blanks" test -f "$HOME/runs #1/members/m000/weights.h5" || cat "$work/err"
check "config.yaml keeps whole paths" grep -qF "\"$SCRATCH/a, b #1\"" "$HOME/runs #1/config.yaml"

# An earlier version has made a folder of the literal name.
mkdir -p '~/old'
mpi 2 train "${tiny[@]}" --run.dir='~/old'
check "a folder of the literal name is said" test "$(grep -c "warning: .*\`~/old\` now means $HOME/old; what an earlier version" "$work/err")" = 1 ||
    cat "$work/err"
check "a folder of the literal name is left alone" test -z "$(ls -A '~/old')"

# Ranks that have other variables, or start in another folder.
mpirun -n 1 "$TRB_BUILD/tribikos" train "${tiny[@]}" --run.dir='$SCRATCH/one' : \
    -n 1 env HOME=/nowhere SCRATCH=/nowhere "$TRB_BUILD/tribikos" train "${tiny[@]}" --run.dir='$SCRATCH/one' >"$work/out" 2>"$work/err" </dev/null
check "rank 0's variables count" test $? = 0 -a -f "$SCRATCH/one/members/m000/weights.h5" || cat "$work/err"
elsewhere() { # WDIR FLAGS...: two ranks, the second of which starts in another folder
    timeout 60 mpirun -n 1 --wdir "$work" "$TRB_BUILD/tribikos" run "$conf" "${@:2}" : -n 1 --wdir "$1" "$TRB_BUILD/tribikos" run "$conf" "${@:2}" \
        >"$work/out" 2>"$work/err" </dev/null
}
elsewhere "$work/other" --run.dir=here --data.root=data
check "rank 0's folder counts" test $? = 0 -a -f here/report/report.json -a -z "$(ls -A other)" || cat "$work/err"
if unshare --mount true 2>/dev/null; then # a folder that the second rank does not have
    mkdir -p hidden/here
    cat >apart.sh <<'APART'
cd "$1"
[ "$OMPI_COMM_WORLD_RANK" != 1 ] || mount -t tmpfs none "$2"
exec "${@:3}"
APART
    apart() { # FLAGS...
        timeout 60 mpirun -n 1 bash apart.sh "$work/hidden/here" "$work/hidden" "$TRB_BUILD/tribikos" plan "$conf" "$@" : \
            -n 1 unshare --mount bash apart.sh "$work/other" "$work/hidden" "$TRB_BUILD/tribikos" plan "$conf" "$@" >"$work/out" 2>"$work/err" </dev/null
    }
    apart --run.dir=r
    check "a folder that a rank does not have: exit 2" test $? = 2
    check "a folder that a rank does not have: both are named" grep -qF \
        "rank 1 started in $work/other and cannot go to rank 0's folder $work/hidden/here: No such file or directory; \`r\` is relative" \
        "$work/err" || cat "$work/err"
    apart
    check "a folder that a rank does not need" test $? = 0 || cat "$work/err"
    for list in train_rows test_rows; do # lists of rows are files too
        apart --data.format=table --data.root=. --data.train="[$work/none]" --data.test="[$work/none]" --data.$list='[rows]'
        check "data.$list that a rank does not have" test $? = 2 -a "$(grep -c ' cannot go to .*; `rows` is relative to it' "$work/err")" = 1 || cat "$work/err"
    done
fi
mpi 1 run "$conf" --run.dir="$work/run"
digest "$work/run" >"$work/expected"
same "the same bits" "$work/here"

# A configuration of Windows.
(printf '\xef\xbb\xbf'; cat "$conf") >bom.yaml
cp "$conf" crlf.yaml && sed -i 's/$/\r/' crlf.yaml
for code in utf-16 utf-16-be utf-16-le; do
    $python -c "import sys; sys.stdout.buffer.write((('' if sys.argv[1] == 'utf-16' else '\ufeff') + open('small.yaml').read()).encode(sys.argv[1]))" $code >$code.yaml
done
tribikos config "$conf" >expected.yaml
for name in bom crlf utf-16 utf-16-be utf-16-le; do
    check "a configuration: $name" test "$(tribikos config $name.yaml 2>&1)" = "$(cat expected.yaml)"
done
printf '\xff\xfea\0\0\xd8b\0' >half.yaml
printf '\xff\xfea\0b' >odd.yaml
refused "half a pair" 2 'half.yaml: begins as UTF-16, but is not all of it' train half.yaml
refused "half a letter" 2 'odd.yaml: begins as UTF-16, but is not all of it' train odd.yaml
(cat "$conf"; printf '# caf\xe9 au lait\n') >latin.yaml
refused "Latin-1" 2 "latin.yaml:$(wc -l <latin.yaml): not valid YAML: byte e9 is not UTF-8, perhaps a letter of Latin-1" train latin.yaml

# Tools hand paths over as they are.
set='uci data #1/bostonHousing'
mkdir -p "$set"
seq 0 59 | awk '{ print $1 % 7, $1 % 5, ($1 % 7) * 0.5 + $1 % 3 }' >"$set/data.txt"
seq 0 49 >"$set/index_train_0.txt"
seq 50 59 >"$set/index_test_0.txt"
printf '0\n1\n' >"$set/index_features.txt"
echo 2 >"$set/index_target.txt"
echo 1 >"$set/n_splits.txt"
TRIBIKOS=$TRB_BUILD/tribikos "$TRB_SOURCE/tools/user/uci" "${set%/*}" '~runs $x #2' --sets boston --train.epochs=1 --student.epochs=1 \
    --student.phase1_epochs=1 --members.count=2 --train.batch=16 --student.batch=16 --train.lanes=1 --student.lanes=1 >"$work/out" 2>"$work/err"
check "tools/user/uci in folders with odd names" test $? = 0 -a -f '~runs $x #2/boston/0/report/report.json' || cat "$work/err"

# In an allocation, but not started by its launcher: what only looks, looks.
for command in plan config; do
    SLURM_JOB_ID=7 SLURM_NTASKS=4 tribikos $command "$conf" >"$work/out" 2>"$work/err"
    check "$command in an allocation" test $? = 0 || cat "$work/err"
done
SLURM_JOB_ID=7 SLURM_NTASKS=4 tribikos plan "$conf" --ranks=4 >"$work/out" 2>"$work/err"
check "plan for the allocation's ranks" grep -q '4 ranks$' "$work/out" || cat "$work/err"

# Which of many networks diverges.
mpi 2 train "$conf" --run.dir="$work/wild" --members.overrides.2.lr=1e30
check "a loss that is not finite names its member" grep -q 'error: .*member 2: ' "$work/err" || cat "$work/err"
mpi 2 distill "$conf" --run.dir="$work/run" --students=[wild] --student.wild.method=hydra --student.wild.lr=1e30
check "or its student" grep -q 'error: .*student wild, one head: ' "$work/err" || cat "$work/err"
finish
