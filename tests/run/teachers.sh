# What a cache is filled with: teachers are compared with the labels while it is written. What cannot be right is refused in one line
# that says what to do, and leaves no manifest; what may be right is a warning; what is right is written without a word but figures.
. "$(dirname "$0")/lib.bash"
$python -c 'import h5py, xxhash' 2>/dev/null || skip "python3-h5py or python3-xxhash is not installed"
export PYTHONPATH=$TRB_SOURCE/tools/python PYTHONDONTWRITEBYTECODE=1
cd "$work" || exit 1
write() { rm -rf made; $python "$TRB_SOURCE/tools/python/cache_write.py" "$@" made/cache >out 2>err; }
$python - <<'END'
import numpy as np
rng = np.random.default_rng(4)
N, K = 600, 4
y = rng.integers(0, K, N)
x = (np.eye(K)[y] * 120 + rng.integers(0, 120, (N, K))).astype("u1")
softmax = lambda z: np.exp(z - z.max(-1, keepdims=True)) / np.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True)
z = np.stack([3 * np.eye(K)[y] + rng.normal(0, 1, (N, K)) for m in range(3)]).astype("f4")
p = softmax(z.astype("f8"))
votes = np.stack([[rng.multinomial(50, row) for row in rows] for rows in p])
order = rng.permutation(N)
constant, twins, one_shuffled, unfilled, weak, swapped = z.copy(), z.copy(), z.copy(), z.copy(), z.copy(), z.transpose(1, 0, 2)
constant[1] = z[1, 0]
twins[2] = z[0]
one_shuffled[1] = z[1, order]
unfilled[2, 500:] = 0
weak[0] = 0.15 * z[0] + rng.normal(0, .7, (N, K))
zeros = p.copy()
zeros[zeros < 0.01] = 0
zeros /= zeros.sum(-1, keepdims=True)
off = p.copy()
off[1, 7] /= 2
target = 50 + 20 * rng.normal(size=N)
mean = np.stack([target + rng.normal(0, 4, N) for m in range(3)])
raw = np.stack([mean, np.full((3, N), np.log(16.))], -1)
standard = np.stack([(mean - target.mean()) / target.std(), np.full((3, N), np.log(16. / target.var()))], -1)
images = rng.integers(0, 256, (N, 6, 6, 3), dtype=np.uint8)
missing = target.copy()
missing[5] = np.nan
for name, values in dict(
        x=x, y=y, z=z, p=p.astype("f4"), half=p.astype("f2"), percent=100 * p, votes=votes, other=z[:, order], constant=constant, twins=twins,
        one_shuffled=one_shuffled, unfilled=unfilled, weak=weak, swapped=swapped, zeros=zeros, off=off, fractions=y + .9, floats=y * 1.,
        column=y[:, None], onehot=np.eye(K, dtype=int)[y], from_one=y + 1, stray=np.where(np.arange(N) == 3, 255, y),
        negative=np.where(np.arange(N) == 4, -1, y), words=np.array(["cat", "dog"])[y % 2], short=y[:-1], target=target, raw=raw,
        standard=standard, missing=missing, nhwc=images, nchw=np.moveaxis(images, -1, 1), cube=images[:, :3, :3],
        wide=x.astype("f8"), narrow=x.astype("f4"),
        shifted=z + np.array([0., 1., 2.])[:, None, None], log=np.log(p)).items():
    np.save(name, values)
END

check "samples of float64 are those of float32" $python -c '
import numpy as np, cache_write
of = lambda name: cache_write.data_digest(np.load(name), np.load("y.npy"))
assert of("wide.npy") == of("narrow.npy") != of("x.npy")'

# refused: "WORDS | ARGUMENTS": exit 1, one line with these words, and no manifest.
while IFS='|' read -r words arguments; do
    words=${words% }
    write --x x.npy $arguments
    check "$arguments: $words" test $? = 1 -a "$(grep -c '^cache_write.py: ' err)" = 1 -a "$(grep -cF -- "$words" err)" = 1 -a \
        "$(grep -c Traceback err)" = 0 -a ! -e made/cache/manifest.h5 || cat err
done <<'END'
member 0 gives probabilities (no value below 0, every row sums to 1), expected logits | --y y.npy --logits p.npy
cache_write takes --probabilities | --y y.npy --logits half.npy
gives shares or votes (no value below 0, every row sums to 100) | --y y.npy --logits percent.npy
every row sums to 50), expected logits: divide by the sum | --y y.npy --logits votes.npy
member 0 gives probabilities | --no-labels --logits p.npy
all members are right as often as by chance | --y y.npy --logits other.npy
write the cache without labels (--no-labels, labelled=False) | --y y.npy --logits other.npy
member 1 gives the same outputs for all 600 samples | --y y.npy --logits constant.npy
members 0 and 2 have the same logits; leave one of them out | --y y.npy --logits twins.npy
members 0 and 2 have the same logits; leave one of them out | --no-labels --logits twins.npy
they seem to be [N][M][K], expected [M][N][K]: logits.transpose(1, 0, 2) | --y y.npy --logits swapped.npy
(600 of 600 rows are like it), expected a whole number | --y fractions.npy --logits z.npy
labels are [600, 4], expected one a sample; for one-hot labels hand over y.argmax(1) | --y onehot.npy --logits z.npy
as the logits have 4 outputs (labels begin at 1: subtract 1) | --y from_one.npy --logits z.npy
row 3 has label 255, expected 0 to 3, as the logits have 4 outputs | --y stray.npy --logits z.npy
row 4 has -1 (1 of 600 rows are like it), expected a label from 0 on | --y negative.npy --logits z.npy
numpy.unique(y, return_inverse=True)[1] | --y words.npy --logits z.npy
there are 600 samples and 599 labels or targets | --y short.npy --logits z.npy
member 1: row 7 sums to 0.5, its least value is | --y y.npy --logits off.npy --probabilities
member 0: row 0 sums to | --y y.npy --logits z.npy --probabilities
probabilities are of classes | --task regression --y target.npy --logits standard.npy --probabilities
in the target's own unit, expected standardised ones: (mean - | --task regression --y target.npy --logits raw.npy
row 5 has nan (1 of 600 rows are like it), expected a target that float32 can hold | --task regression --y missing.npy --logits standard.npy
a set is called 'a/b', expected a word | --y y.npy --logits z.npy --set a/b z.npy x.npy
logits of the set noise are [3, 600, 2], expected [3][samples][4] | --y y.npy --logits z.npy --set noise standard.npy x.npy
END
write --x cube.npy --y y.npy --logits z.npy
check "channels first or last" grep -q 'samples are \[600, 3, 3, 3\]: channels first or last? Say layout="nchw" or "nhwc" (--layout)' err

# accepted: "WORDS | ARGUMENTS": exit 0, these words, and a cache that verifies.
while IFS='|' read -r words arguments; do
    words=${words% }
    write --x x.npy $arguments
    check "$arguments: $words" test $? = 0 -a "$(grep -cF -- "$words" err)" -gt 0 -a "$(tribikos verify made/cache 2>&1 | grep -c 'all good')" = 1 ||
        cat err
done <<'END'
cache: member 2: accuracy 0.9 | --y y.npy --logits z.npy
cache: member 2: accuracy 0.9 | --y floats.npy --logits z.npy
cache: member 2: accuracy 0.9 | --y column.npy --logits z.npy
cache: member 2: accuracy 0.9 | --y y.npy --logits log.npy
cache: member 2: accuracy 0.9 | --y y.npy --logits p.npy --probabilities
cache: member 2: accuracy 0.9 | --y y.npy --logits zeros.npy --probabilities --dtype float16
warning: member 1 is right as often as by chance | --y y.npy --logits one_shuffled.npy
warning: member 2 has 100 rows in which all outputs are equal | --y y.npy --logits unfilled.npy
warning: member 0 is right in 0. | --y y.npy --logits weak.npy
cache: member 0: RMSE | --task regression --y target.npy --logits standard.npy
cache: member 0: RMSE | --task regression --y target.npy --logits raw.npy --target 0 1
warning: member 0 gives means around 50 | --task regression --no-labels --logits raw.npy
END
write --x x.npy --task regression --y target.npy --logits raw.npy --target 0 1
check "the target's own unit is no fault if it is asked for" test "$(grep -c warning err)" = 0
check "no labels, no figures" bash -c "$(declare -f write); python=$python; write --x x.npy --no-labels --logits other.npy && [ ! -s err ]"
check "verify says so too" test "$(tribikos verify made/cache | grep -c 'no labels: all good')" = 1

check "the figures are those of numpy, and probabilities are what they were" $python - <<'END'
import re
import subprocess
import sys
import h5py
import numpy as np
from cache_write import data_digest, write_cache
x, y, z, p, zeros = (np.load(f"{name}.npy") for name in ("x", "y", "z", "p", "zeros"))
write_cache("same/cache", z, y, data_digest(x, y), block=64, shard_rows=128)
write_cache("probabilities/cache", p, y, data_digest(x, y), probabilities=True)
write_cache("zeros/cache", zeros, y, data_digest(x, y), probabilities=True)
log_p = z - np.log(np.exp(z.astype("f8")).sum(-1, keepdims=True))
logits = lambda run: h5py.File(f"{run}/cache/manifest.h5")["logits"][0]
assert abs(logits("probabilities") - log_p).max() < 1e-4  # of numbers of float32 around 1e-4
least = np.array([rows[rows > 0].min() for rows in zeros])
assert np.allclose(logits("zeros").min((1, 2)), np.log(least / 2), atol=1e-5)
for m in range(3):
    told = f"{(z[m].argmax(1) == y).mean():.4f} {-log_p[m, np.arange(len(y)), y].mean():.4f}"
    said = subprocess.run([sys.executable, "-c", "from cache_write import *; write_cache('again/cache', np.load('z.npy'), np.load('y.npy'), 1)"],
                          capture_output=True, text=True).stderr if m == 0 else said
    assert " ".join(re.findall(rf"member {m}: accuracy (\S+), NLL (\S+)", said)[0]) == told, (told, said)
END
tribikos verify same/cache >out 2>err
check "the program prints the same ones" $python - <<'END'
import re
import numpy as np
z, y = np.load("z.npy").astype("f8"), np.load("y.npy")
log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
rows = re.findall(r"^m(\d+) +(\S+) +(\S+)$", open("out").read(), re.M)
assert len(rows) == 3
for m, accuracy, nll in rows:
    assert accuracy == f"{(z[int(m)].argmax(1) == y).mean():.4f}" and nll == f"{-log_p[int(m), np.arange(len(y)), y].mean():.4f}"
END

# Equal up to a constant of each row: no fault of theirs that is known, but hardly meant.
write --x x.npy --y y.npy --logits shifted.npy
check "no members are equal that are not" test "$(grep -c 'same predictions' err)" = 0
$python -c "
import numpy as np
z = np.load('z.npy'); np.save('moved.npy', np.stack([z[0], z[0] + .25, z[1]]))"
write --x x.npy --y y.npy --logits moved.npy
check "members that differ by a constant" grep -q 'warning: members 0 and 1 give the same predictions up to rounding' err

# The layout of images decides the digest of the data set, which the program reads with channels first.
write --x nhwc.npy --y y.npy --logits z.npy
check "it is said what was decided" grep -q '6 x 6 x 3 are taken for images of 6 x 6 pixels with 3 channels last; they are stored as 3 x 6 x 6' err
check "both layouts are one data set" $python - <<'END'
import numpy as np
from cache_write import data_digest
nhwc, nchw, y = (np.load(f"{name}.npy") for name in ("nhwc", "nchw", "y"))
assert data_digest(nhwc, y) == data_digest(nchw, y) == data_digest(nhwc, y, layout="nhwc") != data_digest(nhwc, y, layout="nchw")
END

# A cache that other hands have written is looked at by the program.
check "by other hands" $python - <<'END'
import numpy as np
import cache_write
class Silent:
    def __init__(self, *a): pass
    def add(self, *a): pass
    def judge(self, *a): pass
cache_write.Teachers = Silent
load = lambda name: np.load(f"{name}.npy")
for name in "p", "twins", "other", "unfilled", "constant":
    cache_write.write_cache(f"hand/{name}/cache", load(name), load("y"), cache_write.data_digest(load("x"), load("y")), block=64, shard_rows=256)
END
while IFS='|' read -r name words; do
    tribikos verify hand/${name% }/cache >out 2>err
    check "verify: ${name% }: ${words# }" test $? = 0 -a "$(grep -cF -- "${words# }" err)" -gt 0 || cat err
done <<'END'
p | member 0 gives probabilities
twins | member 2 has the same logits as member 0
other | member 1 is right as often as by chance
unfilled | member 2 has 100 rows in which all outputs are equal
constant | member 1 gives the same outputs for all samples
END
$python - <<'END'
import h5py
import numpy as np
with h5py.File("train.h5", "w") as f:
    f["x"], f["y"] = np.load("x.npy"), np.load("y.npy")
END
cat >theirs.yaml <<END
run: {dir: hand/p}
data: {format: hdf5, root: ., train: [train.h5], test: [train.h5]}
members: {count: 3}
student: {layers: [dense 8, relu, split, dense 4], batch: 50, lanes: 2}
END
refused "no student is distilled from probabilities" 3 "hand/p/cache: member 0 gives probabilities" distill theirs.yaml
finish
