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

# ---- C
refuses "members as C" 2 "holds one network" mlp.h5 mlp.h5 --format=c --output=x.c
refuses "a name that is no C" 2 "must begin with a letter" mlp.h5 --format=c --output=3.c
"$TRB_BUILD/tests/networks" . large >/dev/null
refuses "a network of millions" 2 "numbers, 1" large.h5 --format=c --output=x.c
check "nothing is left of it" test ! -e x.c -a ! -e x.h
check "a name with two dots" write mlp.h5 --format=c --output=net.v2.c
check "its header is the one beside it" grep -qF '#include "net.v2.h"' net.v2.c
check "which is there" test -s net.v2.h

# ---- schemas
if ! $python -c 'import h5py, xxhash' 2>/dev/null; then
    echo "SKIPPED: schemas: python3-h5py or python3-xxhash is not installed"
    finish
fi
$python - <<'END'
import json, shutil
import h5py, numpy as np, xxhash

def say(name, of, inputs, target, classes=()):
    columns = [{"column": i, "name": f"x{i}"} for i in range(inputs)]
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
say("far", "numbers_one", 6, {"offset": 1600000000})
END
check "one with names" write cats.h5 cats.h5 --format=onnx --output=cats.onnx
refuses "members whose classes have other names" 2 "different names of inputs or classes" cats.h5 dogs.h5 --format=onnx --output=x.onnx
refuses "a schema of other inputs" 3 "its schema has 7 inputs, its network 6" seven.h5 --format=onnx --output=x.onnx
refuses "a schema of more classes" 3 "its schema has 5 classes, its network 4 outputs" five.h5 --format=onnx --output=x.onnx
refuses "targets far from zero" 2 "its targets lie so far from zero" far.h5 --format=onnx --output=x.onnx
check "C has doubles for them" write far.h5 --format=c --output=far.c
finish
