# The tools: each prints its manual in whole sentences. Each says in one line what is wrong with its arguments and files, and which
# Python lacks a module. No tool ends with a traceback.
. "$(dirname "$0")/lib.bash"
$python -c 'import torch, h5py, xxhash, matplotlib' 2>"$work/err" || skip "$(tail -n 1 "$work/err")"
cd "$work" || exit 1
export PYTHONDONTWRITEBYTECODE=1 COLUMNS=200
tools=$TRB_SOURCE/tools
files() { (cd "$tools" && grep -lE '__main__|^#!' user/* python/* develop/* bench/* predict/* | grep -v '\.md$\|^predict/hosts$'); }
is_python() { [[ $1 == *.py ]] || head -n 1 "$tools/$1" | grep -q python; }
tool() { # TOOL ARGUMENTS...: what it says is in out and err, its exit status in $status
    local start=()
    ! is_python "$1" || start=($python)
    "${start[@]}" "$tools/$1" "${@:2}" >out 2>err </dev/null
    status=$?
}
# fails STATUS: for each line "TOOL | WORDS | ARGUMENTS" it ends with this status and one line, which names the tool and has these words.
fails() {
    local name words arguments
    while IFS='|' read -r name words arguments; do
        name=${name% } words=${words# } words=${words% }
        tool "$name" $arguments
        check "$name$arguments: $words" test "$status" = "$1" -a "$(wc -l <err)" = 1 -a "$(grep -c "^${name##*/}: " err)" = 1 -a \
            "$(grep -cF -- "$words" err)" = 1 || { echo "exit status $status, expected $1:"; cat out err; }
        entered+=" $name "
    done
}

cat >sentences.py <<'END'
import re, sys
parts = re.split(r"^(?:positional arguments|options):\n", sys.stdin.read(), flags=re.M)[1:]
items = [" ".join(item.split()) for part in parts for item in re.findall(r"^ {2,4}\S.*(?:\n {8,}.*)*", part.split("\n\n")[0], re.M)]
wrong = [item for item in items if item != "COMMAND" and not re.search(r" [A-Z][a-z]* \S.*\.$", item)]
sys.exit(f"no sentence: {wrong}" if wrong or not items else 0)
END
for name in $(files); do
    tool "$name" --help
    check "$name --help: exit 0, usage first" test $status = 0 -a "$(head -n 1 out | grep -ci '^usage: ')" = 1 -a ! -s err || cat out err
    if is_python "$name"; then check "$name --help: whole sentences" $python sentences.py <out; fi
    tool "$name" --no-such-flag
    check "$name --no-such-flag: exit 2" test $status = 2 -a "$(grep -c Traceback err)" = 0 -a -s err || cat err
done
for name in quickstart build install test; do
    tool "$name" --help
    check "$name --help: exit 0, usage first" test $status = 0 -a "$(head -n 1 out | grep -ci "^usage: tools/$name ")" = 1 -a ! -s err || cat out err
done

# What is not there.
entered=" bench/bench bench/bench_slow.py bench/bench_torch.py " # these read no files
fails 1 <<'END'
user/plot.py | there is no nowhere/report/report.json; give the folder of a run | nowhere
user/uci | there is no nowhere/bostonHousing/n_splits.txt; DATA is | nowhere runs
user/data | there is no nowhere/data_batch_1.bin.xz; FROM is | cifar10 nowhere to
python/network_torch.py | there is no file nowhere.h5; take | nowhere.h5
python/cache_torch.py | there is no file x.npy; expected samples | --x x.npy --y y.npy cache m.pt
python/cache_write.py | there is no file y.npy; expected labels | --logits z.npy --x x.npy --y y.npy cache
develop/check_torch.py | nowhere has no members/m*/weights.h5; give | nowhere data
develop/golden_torch.py | small.yaml: File exists | small.yaml
bench/top.py | nowhere/tribikos: No such file or directory | --program nowhere/tribikos --classes 4
predict/predict | there is no file | one nowhere ordered 2 1 0 1 1 1
END
for name in $(files); do
    check "$name has a case of what is not there" grep -q " $name " <<<"$entered"
done

# What is something else.
echo words >words
mkdir -p run/report run/members/m000 other/report other/members/m000 uci/bostonHousing packed
tee <words run/report/{report.json,predictions.h5} {run,other}/members/m000/weights.h5 uci/bostonHousing/n_splits.txt \
    packed/{train,t10k}-{images-idx3,labels-idx1}-ubyte packed/test_by_class.bin.xz >/dev/null
mkdir small && xz -c words >small/test_by_class.bin.xz
$python - <<'END'
import h5py, json, numpy as np
json.dump({"models": {"a": {}}, "ood": {}}, open("other/report/report.json", "w"))
for name, values in {"other/report/predictions.h5": {}, "other.h5": {"format": "other"}, "part.h5": {"format": "tribikos weights"}}.items():
    with h5py.File(name, "w") as f:
        f.attrs.update(values)
for name, shape in {"x": (6, 4), "y": 6, "five": 5}.items():
    np.save(f"{name}.npy", np.zeros(shape, np.uint8))
np.save("z.npy", np.zeros((2, 6, 3), np.float32))
np.savez("several.npz", a=np.zeros(3))
END
fails 1 <<'END'
user/plot.py | run/report/report.json is no report of tribikos; run | run
user/plot.py | /python3 -X dev | other
user/uci | uci/bostonHousing/n_splits.txt: expected the number of splits, got 'words' | uci runs
user/data | packed/test_by_class.bin.xz cannot be unpacked: File format not recognized | cifar100 packed to
python/network_torch.py | words is no HDF5 file, or it is damaged; take members | words
python/network_torch.py | other.h5 is no file of weights; take members | other.h5
python/network_torch.py | part.h5 is not complete | part.h5
python/cache_torch.py | words is no array file; expected samples | --x words --y y.npy cache m.pt
python/cache_torch.py | x.npy is [6, 4] and five.npy is [5], expected [N][...] and [N] | --x x.npy --y five.npy cache m.pt
python/cache_torch.py | there is no file m.pt; expected a module | --x x.npy --y y.npy cache m.pt
python/cache_torch.py | words is no TorchScript module; write one | --x x.npy --y y.npy cache words
python/cache_write.py | several.npz is no array file; expected logits | --logits several.npz --x x.npy --y y.npy cache
python/cache_write.py | words is no array file; expected samples | --logits z.npy --x words --y y.npy cache
python/cache_write.py | there are 6 samples and 5 labels | --logits z.npy --x x.npy --y five.npy cache
develop/check_torch.py | run/report/report.json is no report of tribikos; run | run packed
develop/check_torch.py | packed/train-images-idx3-ubyte has 6 bytes, expected 16 and a multiple of 784 | other packed
END
fails 3 <<'END'
user/data | small/test_by_class.bin.xz unpacks to 6 bytes, which are not the expected file | cifar100 small to
END

# A Python without the modules.
mkdir bare
for module in h5py numpy torch matplotlib xxhash; do
    echo "raise ModuleNotFoundError(\"No module named '$module'\")" >bare/$module.py
done
PYTHONPATH=$work/bare
export PYTHONPATH
for name in $(cd "$tools" && grep -l 'trb_tool.needs' $(files)); do
    fails 1 <<<"$name | ', in the Python $python; install | --help"
done
finish
