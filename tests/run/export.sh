# tribikos export: what it refuses, what it overwrites, and the formats that need no other program to be looked at.
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
"$TRB_BUILD/tests/networks" . >list || { bad "networks"; finish; }
write() { tribikos export "$@" >out 2>err; }
write mlp.h5 --format=onnx --output=mlp.onnx
check "nothing is said" test $? = 0 -a ! -s out -a ! -s err
check "its JSON has the temperature of the file" grep -q '"calibration_temperature": 1.25,' mlp.json
write mlp.h5 mlp.h5 --format=onnx --output=two.onnx
check "the JSON of an ensemble has no temperature of a member" grep -q '"calibration_temperature": null,' two.json

# ---- refusals
refuses() { # WHAT STATUS WORDS ARGUMENTS...
    write "${@:4}"
    check "$1: exit $2" test $? = "$2"
    check "$1: one line that says why" test "$(wc -l <err)" = 1 -a "$(grep -cF -e "$3" err)" = 1 || cat err
}
cp mlp.onnx before
refuses "a file that exists" 2 "mlp.onnx exists; --force overwrites it" hydra.h5 --format=onnx --output=mlp.onnx
mv mlp.onnx aside
refuses "its JSON exists" 2 "mlp.json exists" hydra.h5 --format=onnx --output=mlp.onnx
check "nothing is left of a refusal" test ! -e mlp.onnx -a -z "$(ls | grep tmp)"
TRB_FAULT=file.rename:2 refuses "a disk that fails at last" 1 "fault injected" hydra.h5 --format=onnx --output=late.onnx
check "nothing is left of a failure" test ! -e late.onnx -a ! -e late.json
write mlp.h5 --force --format=onnx --output=mlp.onnx
check "--force overwrites, and the same call gives the same bytes" cmp mlp.onnx before
cp mlp.h5 own.h5
refuses "over its own weights" 2 "own.h5 is read here" own.h5 --force --format=onnx --output=own.h5
ln -s own.h5 own.onnx
refuses "over its own weights by another name" 2 "own.onnx is read here, as own.h5" own.h5 --force --format=onnx --output=own.onnx
rm own.onnx
refuses "beside it, over its own weights" 2 "own.h5 is read here" own.h5 --force --format=safetensors --output=./own.h5
check "the weights are as they were" cmp mlp.h5 own.h5
refuses "no format" 2 "needs --format=FORMAT" mlp.h5 --output=x.onnx
refuses "no output" 2 "needs --output=FILE" mlp.h5 --format=onnx
refuses "an unknown format" 2 "nearest is \`onnx\`" mlp.h5 --format=onx --output=x.onnx
refuses "an unknown flag" 2 "got \`--outputs=x.onnx\`" mlp.h5 --format=onnx --outputs=x.onnx
refuses "a value for --force" 2 "got \`--force=1\`" mlp.h5 --format=onnx --output=x.onnx --force=1
refuses "no file" 2 "takes a weights file" --format=onnx --output=x.onnx
refuses "a file that is absent" 2 "none.h5: cannot be read" none.h5 --format=onnx --output=x.onnx
refuses "a file that is no weights file" 3 "is no whole HDF5 file" small.yaml --format=onnx --output=x.onnx
refuses "members of other tasks" 2 "have different" mlp.h5 numbers.h5 --format=onnx --output=x.onnx
refuses "members of several heads" 2 "one head each" mlp.h5 hydra.h5 --format=onnx --output=x.onnx
refuses "a member that is a distribution" 2 "is no member" mlp.h5 endd.h5 --format=onnx --output=x.onnx
refuses "an ending that the JSON has" 2 "another one" mlp.h5 --format=onnx --output=x.json
refuses "a folder that is absent" 1 "cannot create" mlp.h5 --format=onnx --output=none/x.onnx

# ---- safetensors, by a reader of the published format
cat >safetensors.py <<'END'
import json, struct, sys
import h5py, numpy as np

def load(path):
    data = open(path, "rb").read()
    (n,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + n]), data[8 + n :]
    metadata, tensors, at = header.pop("__metadata__"), {}, 0
    assert data[8:9] == b"{" and (8 + n) % 8 == 0 and all(type(v) is str for v in metadata.values())
    for name, t in header.items():
        begin, end = t["data_offsets"]
        assert t["dtype"] == "F32" and begin == at and end - begin == 4 * int(np.prod(t["shape"]))  # no gaps
        tensors[name], at = np.frombuffer(body[begin:end], "<f4").reshape(t["shape"]), end
    assert at == len(body)
    return metadata, tensors

for name in sys.argv[1:]:
    metadata, tensors = load(f"{name}.safetensors")
    with h5py.File(f"{name}.h5") as f:
        constants = {k: f[k][...] for k in f if k.split(".")[0] in ("input", "target")}
        assert sorted(tensors) == sorted(set(f) - set(constants)), name
        assert all(np.array_equal(tensors[k], f[k][...]) and tensors[k].shape == f[k].shape for k in tensors), name
        assert metadata["layers"] == f.attrs["layers"].decode() and metadata["config"] == f.attrs["config"].decode()
        assert int(metadata["digest"], 16) == f.attrs["digest"] and int(metadata["heads"]) == f.attrs["heads"]
        assert float(metadata.get("calibration_temperature", 0)) == float(f.attrs.get("temperature", 0)), name
        assert json.loads(metadata["input"]) == [f.attrs[f"input_{k}"] for k in "chw"]
        for k, v in constants.items():
            assert np.array_equal(np.array(json.loads(metadata[k]), v.dtype).reshape(v.shape), v), (name, k)
        if name == "named":
            assert json.loads(metadata["columns"]) == ['a "b" ??/', "*/ \\n", "h\u00f6he", "kind=O'Hara"]
            assert json.loads(metadata["classes"]) == ['blue, "x"', "red", "w%d"]
        assert (metadata["task"] == "regression") == ("target.mean" in constants) == ("target.mean" in metadata)
END
wrong=0
names=$(cut -d' ' -f1 list)
for name in $names; do write $name.h5 --format=safetensors --output=$name.safetensors || wrong=1; done
check "all networks are written" test $wrong = 0
if $python -c 'import h5py' 2>/dev/null; then
    check "a reader of the format gets the same bits" $python safetensors.py $names
else
    echo "SKIPPED: safetensors: python3-h5py is not installed"
fi
refuses "members as safetensors" 2 "holds one network" mlp.h5 mlp.h5 --format=safetensors --output=x.safetensors

# ---- the unit of inputs and targets in ONNX, by a reader of the published format: ONNX Runtime is not everywhere
cat >onnx_units.py <<'END'
import struct, sys
import h5py, numpy as np

def fields(data):
    """(number, value) of each field of a message: an integer, or bytes."""
    at = 0
    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte, at = data[at], at + 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            n = {1: 8, 5: 4}[tag & 7] if tag & 7 != 2 else varint()
            yield tag >> 3, data[at : at + n]
            at += n

for name in sys.argv[1:]:
    graph = dict(fields(open(f"{name}.onnx", "rb").read()))[7]
    nodes = [[(n, v.decode()) for n, v in fields(node) if n in (1, 2, 4)] for number, node in fields(graph) if number == 1]
    tensors = {}
    for number, tensor in fields(graph):
        if number == 5:
            t = dict(fields(tensor))
            tensors[t[8].decode()] = np.frombuffer(t[9], {1: "<f4", 7: "<i8", 11: "<f8"}[t[2]])
    with h5py.File(f"{name}.h5") as f:
        mean, scale = f["input.mean"][...], f["input.scale"][...]
        target = [f[f"target.{k}"][0] for k in ("mean", "scale")] if "target.mean" in f else None
    assert not (scale == 1).any(), name  # else the test would not see a scale that is left out
    assert np.array_equal(tensors["input.mean"], mean) and np.array_equal(tensors["input.scale"], scale), name
    # (x - mean) * scale: the first two nodes.
    (a, b), (out,), (kind,) = ([v for n, v in nodes[0] if n == k] for k in (1, 2, 4))
    assert (a, b, kind) == ("x", "input.mean", "Sub"), (name, nodes[0])
    assert nodes[1][:2] == [(1, out), (1, "input.scale")] and (4, "Mul") in nodes[1], (name, nodes[1])
    if target is not None:
        used = {(kind, float(tensors[b][0])) for node in nodes for kind in [v for n, v in node if n == 4]
                for b in [v for n, v in node if n == 1] if b in tensors and len(tensors[b]) == 1 and tensors[b].dtype == "f8"}
        assert {("Mul", target[1]), ("Add", target[0]), ("Mul", target[1] ** 2)} <= used, (name, used)
END
if $python -c 'import h5py' 2>/dev/null; then
    wrong=0
    for name in mlp hydra numbers; do write $name.h5 --force --format=onnx --output=$name.onnx || wrong=1; done
    check "networks as ONNX are written" test $wrong = 0
    check "they take off the mean and apply the scale of inputs and targets" $python onnx_units.py mlp hydra numbers
fi

# ---- C
refuses "members as C" 2 "holds one network" mlp.h5 mlp.h5 --format=c --output=x.c
refuses "a name that is no C" 2 "must begin with a letter" mlp.h5 --format=c --output=3.c
"$TRB_BUILD/tests/networks" . large >/dev/null
refuses "a network of millions" 2 "numbers, 1" large.h5 --format=c --output=x.c
check "nothing is left of it" test ! -e x.c -a ! -e x.h
check "a name with two dots" write mlp.h5 --format=c --output=net.v2.c
check "its header is the one beside it" grep -qF '#include "net.v2.h"' net.v2.c
check "which is there" test -s net.v2.h

for name in net-v2 Net.v2; do
    refuses "the names of another network: $name" 2 "as those of net.v2.h beside it" hydra.h5 --format=c --output=$name.c
done
refuses "a name that no #include can have" 2 "no quotation mark" mlp.h5 --format=c --output='a"b.c'
check "its own file may be written again" write mlp.h5 --format=c --output=net.v2.c --force

# ---- metrics of a run, by readers of the published formats
mpi 1 run small.yaml --train.epochs=2 --student.phase1_epochs=2 --student.epochs=1 --students=[hydra] || { cat err; bad "a run"; finish; }
write run --format=tensorboard --output=board/ && write run --format=csv --output=curves.csv
check "event files and a table are written, and nothing is said" test $? = 0 -a ! -s out -a ! -s err -a -s board/student/hydra/events.out.tfevents.0.tribikos -a -z "$(ls -d board?* 2>/dev/null)"
cat >curves.py <<'END'
import csv, glob, json, os, struct, sys
table = []
for crc in range(256):
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    table.append(crc)

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF

def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

def records(data):
    while data:
        (n,), (of_length,) = struct.unpack("<Q", data[:8]), struct.unpack("<I", data[8:12])
        event, (of_data,) = data[12 : 12 + n], struct.unpack("<I", data[12 + n : 16 + n])
        assert of_length == masked(data[:8]) and of_data == masked(event) and len(event) == n
        yield event
        data = data[16 + n :]

def fields(message):
    at = 0
    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = message[at], at + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    while at < len(message):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
        else:
            n = {1: 8, 5: 4}[key & 7] if key & 7 != 2 else number()
            yield key >> 3, message[at : at + n]
            at += n
    assert at == len(message)

assert crc32c(b"123456789") == 0xE3069283  # the check value of the standard
double = lambda data: struct.unpack("<d", data)[0]
run, board, rows = sys.argv[1], sys.argv[2], list(csv.DictReader(open(sys.argv[3])))
models = sorted(os.path.dirname(os.path.relpath(p, run)) for p in glob.glob(f"{run}/*/*/metrics.jsonl"))
assert models == sorted({r["model"] for r in rows}) and models[0] == "members/m000" and models[1:] in ([], ["members/m001", "members/m002", "student/hydra"])
assert len(glob.glob(f"{board}/*/*/*")) == len(models)
for model in models:
    first, *events = records(open(f"{board}/{model}/events.out.tfevents.0.tribikos", "rb").read())
    assert dict(fields(first)) == {1: bytes(8), 3: b"brain.Event:2"}
    lines = [json.loads(line) for line in open(f"{run}/{model}/metrics.jsonl") if line.endswith("\n")]
    mine = [r for r in rows if r["model"] == model]
    assert len(events) == len(lines) == len({r["step"] for r in mine})
    step = before = seconds = at = 0
    for i, (line, event) in enumerate(zip(lines, events)):
        before += lines[i - 1]["steps"] if i > 0 and line["phase"] > lines[i - 1]["phase"] else 0
        assert before + line["steps"] > step
        step, seconds = before + line["steps"], seconds + line.get("seconds", 0)
        top = dict(fields(event))
        assert double(top[1]) == seconds and top[2] == step
        values = [dict(fields(v)) for _, v in fields(top[5])]
        want = {k: v for k, v in line.items() if k not in ("phase", "epoch", "steps")}
        assert len(values) == len(want)
        assert {v[1].decode(): v[2] for v in values} == {k: struct.pack("<f", float("nan") if v is None else v) for k, v in want.items()}
        here = mine[at : at + len(want)]
        at += len(want)
        assert all((r["phase"], r["epoch"], r["step"]) == (str(line["phase"]), str(line["epoch"]), str(step)) for r in here)
        assert {r["key"]: float(r["value"]) if r["value"] else None for r in here} == want
    assert at == len(mine) and (before > 0) == (model == "student/hydra")
END
check "event files and table have the values of metrics.jsonl to the bit" $python curves.py run board curves.csv
cp -r board once
refuses "a folder that exists" 2 "board exists; --force overwrites it" run --format=tensorboard --output=board
cp run/members/m001/metrics.jsonl kept.jsonl
refuses "a table over the curves that it is made of" 2 "run/members/m001/metrics.jsonl is read here" run --format=csv --force --output=run/members/m001/metrics.jsonl
check "which are as they were" cmp kept.jsonl run/members/m001/metrics.jsonl
refuses "a table that exists" 2 "curves.csv exists; --force overwrites it" run --format=csv --output=curves.csv
touch board/mine
echo >board/members/m000/events.out.tfevents.0.tribikos
write run --format=tensorboard --output=board --force
check "--force replaces its own files, and the same call gives the same bytes" test "$(diff -r board once)" = "Only in board: mine"
refuses "a file as a run" 2 "mlp.h5 is no folder of a run" mlp.h5 --format=csv --output=x.csv
refuses "two runs" 2 "takes the folder of one run, got 2 names" run run --format=csv --output=x.csv
mkdir -p untrained/members/m000
refuses "a run without trainings" 2 "untrained: nothing has been trained" untrained --format=csv --output=x.csv
TRB_FAULT=file.rename:3 refuses "a disk that fails, and events" 1 "fault injected" run --format=tensorboard --output=late
check "nothing is left of a failure" test -z "$(ls -d late* x.csv 2>/dev/null)"
own=untrained/members/m000/metrics.jsonl
cp run/members/m000/metrics.jsonl $own
head -c 30 $own >>$own
write untrained --format=csv --output=begun.csv
check "a line that is still being written is left out" cmp begun.csv <(grep -E 'm000|model' curves.csv)
sed -i '1s/"loss": [^,]*/"loss": null, "seconds": 2.5/; 2s/"lr"/"seconds": 1.25, "lr"/' $own
write untrained --format=csv --output=begun.csv --force && write untrained --format=tensorboard --output=begun
check "a loss that is not finite is an empty field, and not a number; seconds are the time" $python curves.py untrained begun begun.csv
sed -i '3,$d' $own
echo '{"phase": 1, "epoch": 3, "steps": "many"}' >>$own
refuses "a line that has no numbers" 3 "metrics.jsonl: line 3: expected a JSON object of numbers" untrained --format=csv --output=x.csv

# ---- schemas
if ! $python -c 'import h5py, xxhash' 2>/dev/null; then
    echo "SKIPPED: schemas: python3-h5py or python3-xxhash is not installed"
    finish
fi
$python - <<'END'
import json, shutil
import h5py, numpy as np, xxhash

def say(name, of, inputs, target, classes=(), words={}):
    columns = [{"column": i, "name": f"x{i}", **words.get(i, {})} for i in range(inputs)]
    schema = {"header": True, "layout": "auto", "columns": inputs + 1, "inputs": columns, "target": {"column": inputs, "name": "y", **target}}
    text = json.dumps(schema | ({"classes": list(classes)} if classes else {})).encode()
    shutil.copy(f"{of}.h5", f"{name}.h5")
    with h5py.File(f"{name}.h5", "r+") as f:
        f.attrs["schema"] = np.bytes_(text)
        f.attrs["schema_digest"] = np.uint64(xxhash.xxh3_64_intdigest(text))

say("cats", "mlp", 6, {}, ["cat", "cow", "dog", "pig"])
say("dogs", "mlp", 6, {}, ["dog", "emu"])
say("seven", "mlp", 7, {})
say("five", "mlp", 6, {}, "abcde")
say("words", "mlp", 6, {}, words={i: {"column": 1, "name": "city", "category": word} for i, word in enumerate(("Oslo", "Rome"), 1)})
END
check "one with names" write cats.h5 cats.h5 --format=onnx --output=cats.onnx
refuses "members whose classes have other names" 2 "different names of inputs or classes" cats.h5 dogs.h5 --format=onnx --output=x.onnx
refuses "a schema of other inputs" 3 "its schema has 7 inputs, its network 6" seven.h5 --format=onnx --output=x.onnx
refuses "a schema of more classes" 3 "its schema has 5 classes, its network 4 outputs" five.h5 --format=onnx --output=x.onnx
write words.h5 --format=onnx --output=words.onnx
check "each word of a column is an input with a name of its own" grep -qF '"columns": ["x0", "city=Oslo", "city=Rome", "x3", "x4", "x5"]' words.json
write far_numbers.h5 --format=onnx --output=far.onnx
check "what float32 cannot hold is float64" test "$(grep -oE '"name": "[a-z_]+", "type": "float64"' far.json | cut -d'"' -f4 | xargs)" = "x mean"
finish
