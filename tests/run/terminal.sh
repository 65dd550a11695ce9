# What hostile files say of themselves, in names, attributes, values and cells, never commands the terminal that shows it:
# nothing but lines of printable characters comes out, whatever the command.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py' 2>/dev/null || skip "python3-h5py is not installed"
cd "$work"
awk 'BEGIN { srand(1); for (i = 0; i < 60; i++) printf "%.3f,%.3f,%d\n", rand() + i % 3, rand(), i % 3 }' >table.csv
cat >set.yaml <<'END'
run: {dir: run}
data: {format: table, root: ., train: [table.csv], test: [table.csv]}
members: {count: 2}
train: {layers: [dense 4, relu, dense 3], epochs: 1, batch: 20}
students: [kd]
student: {epochs: 1, batch: 20}
END
esc=$'\e' c1=$'\xc2\x9b'
# shows WHAT STATUS WORDS COMMAND...: the command ends with this status, and what it says has these words and is harmless.
shows() {
    local what=$1 status=$2 words=$3
    shift 3
    tribikos "$@" >"$work/out" 2>&1 </dev/null
    check "$what: exit $status" test $? = "$status" || cat -v "$work/out"
    check "$what: says so" grep -qaE -e "$words" "$work/out" || cat -v "$work/out"
    check "$what: nothing but printable characters" $python - "$work/out" <<'END' || cat -v "$work/out"
import sys
text = open(sys.argv[1], "rb").read().decode("utf-8")
assert all(c == "\n" or c >= " " and not "\x7f" <= c < "\xa0" for c in text)
END
}
shows "a run" 0 'ensemble' run set.yaml
shows "a value" 2 'got `\?\]0;x\?\?\?2J`' train set.yaml --train.lr="$esc]0;x"$'\a'"${c1}2J"
shows "a value that is not UTF-8" 2 'key `train.lr`: expected UTF-8' train set.yaml --train.lr=$'\x9b2J'
printf 'train.lr: \e[2J\n' | cat set.yaml - >control.yaml
shows "a file" 2 'control.yaml:7: not valid YAML: control characters' train control.yaml
shows "a list" 2 'key `students`: not valid YAML: control characters' train set.yaml "--students=[$esc[2J]"
shows "a key" 2 'unknown' train set.yaml "--train.$c1""2J=3"
shows "a file's name" 2 'no file matches' train set.yaml "--data.train=[\"x\\e[31m\"]"
sed "7s/[0-9.]*,/$esc[2J$c1,/" table.csv >cell.csv
shows "a cell" 3 'cell.csv:7: column 0: expected a number, got `\?\[2J\?' train set.yaml --data.train=[cell.csv]
other=ot$esc[2Jher
mkdir -p "$other/.lock"
printf 'tribikos lock 1\nhost no\e[2Jde\nmachine else\nprocess 1\nstarted 1\nsince \xc2\x9b2J\njob 7\nseconds 0.2\ntoken %032d\n' 7 \
    >"$other/.lock/members.m000"
shows "a folder and a lock" 0 '^ot\?\[2Jher/.lock/members.m000 is held by process 1 on no\?\[2Jde, Slurm job 7, since \?\?2J' \
    train set.yaml --run.dir="ot$esc[2Jher" --run.lock_seconds=0.2
$python - run <<'END'
import h5py, sys
run = sys.argv[1]
evil = b"\x1b]0;title\x07\xc2\x9b2J\x9b2J"
with h5py.File(f"{run}/members/m000/weights.h5", "r+", libver=("v110", "v110")) as f:
    f.attrs[b"a\x1b[2J".decode()] = "x\n" + evil[:-3].decode()
    config = f.attrs["config"]
    f.attrs.create("layers", evil + b"dense 4")
    f.create_dataset(b"body.\x1b[2J", data=[1.0])
with h5py.File(f"{run}/cache/v00/m000-s00000.h5", "r+", libver=("v110", "v110")) as f:
    f.attrs.create("view_recipe", evil)
END
shows "a weights file" 3 '^  a\?\[2J  *x$' info run/members/m000/weights.h5
check "a weights file: its data sets" grep -qa '^  body\.?\[2J' "$work/out"
shows "a shard" 0 '^  view_recipe  *\?\]0;title\?\?\?2J\?2J' info run/cache/v00/m000-s00000.h5
shows "a shard that is not what the cache lists" 3 'bad: .*is of the view \[\?\]0;title' verify run/cache
shows "a resolved configuration" 0 'dir: "a\\x1b\\x9b\\x7f"' config set.yaml --run.dir="a$esc$c1"$'\x7f'
tribikos config "$work/out" >again 2>&1
check "a resolved configuration reads back" diff "$work/out" again
finish
