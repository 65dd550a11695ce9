# The page of tools/python goes from an ensemble in PyTorch to a student that is compared with it. Other sets, samples without labels,
# images with channels last, the unit of a target: cache_torch.py says what the program will read.
. "$(dirname "$0")/lib.bash"
$python -c 'import torch' 2>/dev/null || skip "python3-torch is not installed"
$python -c 'import h5py, xxhash' 2>/dev/null || skip "python3-h5py or python3-xxhash is not installed"
export PYTHONPATH=$TRB_SOURCE/tools/python PYTHONDONTWRITEBYTECODE=1 PATH=$TRB_BUILD:$PATH OMP_NUM_THREADS=1
cd "$work" || exit 1
cat >mine.py <<'END'
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)
torch.manual_seed(1)


def images(stem):
    x = np.fromfile(f"data/{stem}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28)
    y = np.fromfile(f"data/{stem}-labels-idx1-ubyte", np.uint8, offset=8)
    return TensorDataset(torch.from_numpy(x)[:, None], torch.from_numpy(y).long())


def prepare(x):
    return x / 255


train, test = images("train"), images("t10k")
models = [nn.Sequential(nn.Flatten(), nn.Linear(784, n), nn.ReLU(), nn.Linear(n, 10)) for n in (30, 40, 50)]
for model in models:
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    for epoch in range(4):
        for x, y in DataLoader(train, 50, shuffle=True):
            adam.zero_grad()
            nn.functional.cross_entropy(model(prepare(x.float())), y).backward()
            adam.step()
END

# The blocks of the page, as they stand.
$python - "$TRB_SOURCE/tools/python/README.md" <<'END'
import re
import sys
page = open(sys.argv[1]).read().split("## From a PyTorch ensemble to a student")[1].split("\n## ")[0]
for name, kind in (("fill.py", "python"), ("theirs.yaml", "yaml"), ("commands.sh", "sh")):
    blocks = re.findall(rf"```{kind}\n(.*?)```", page, re.S)
    assert len(blocks) == 1, (kind, len(blocks))
    open(name, "w").write(blocks[0])
END
check "the page is some ten lines" test "$(cat fill.py theirs.yaml commands.sh | grep -c .)" -le 12
check "its Python runs" $python fill.py 2>err
check "and says how good the modules are" test "$(grep -cE '^cache: (set test|training set): member [012]: accuracy 0.[678]' err)" = 6 || cat err
bash -e commands.sh >out 2>err || cat err
check "its commands run" test -s runs/theirs/report/report.json
for row in member_mean ensemble hydra; do check "the report has a row: $(grep "^$row" out)" grep -q "^$row " out; done
check "of figures that are those of PyTorch" $python - <<'END'
import json
import torch
from mine import models, prepare, test
x, y = test.tensors
with torch.no_grad():
    p = torch.stack([model(prepare(x.float())).double().softmax(-1) for model in models]).mean(0)
figures = json.load(open("runs/theirs/report/report.json"))["models"]
nll = -p[torch.arange(len(y)), y].log().mean().item()
assert abs(figures["ensemble"]["nll"] - nll) < 1e-4, (figures["ensemble"]["nll"], nll)
assert figures["ensemble"]["accuracy"] == (p.argmax(1) == y).double().mean().item()
assert figures["hydra"]["mu_ratio"] > 0 and figures["hydra"]["fidelity_kl"] > 0
END

check "sets, samples without labels, layouts, units" $python - <<'END'
import subprocess
import h5py
import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset
from cache_torch import write_cache
from cache_write import data_digest
from mine import models, prepare, test, train
from views import split
attributes = lambda folder: h5py.File(f"{folder}/manifest.h5").attrs

# A loader of samples alone, and one whose labels are not used.
x, y = train.tensors
noise = torch.randint(0, 256, (100, 1, 28, 28), dtype=torch.uint8)
for number, loader in enumerate((train, [x[:700], x[700:]])):
    write_cache(f"free{number}/cache", models, loader, labelled=False, test=test, sets={"noise": [noise]}, prepare=prepare, progress=False)
    assert attributes(f"free{number}/cache")["features"] == b"unlabelled" and attributes(f"free{number}/cache")["version"] == 5
    assert attributes(f"free{number}/cache")["data_digest"] == data_digest(x.numpy(), None)
    assert attributes(f"free{number}/cache/eval/noise")["data_digest"] == data_digest(noise.numpy(), None)
    assert attributes(f"free{number}/cache/eval/test")["data_digest"] == data_digest(*(t.numpy() for t in test.tensors))
    assert "y" not in h5py.File(f"free{number}/train.h5") and "y" in h5py.File(f"free{number}/test.h5")
    assert "y" not in h5py.File(f"free{number}/noise.h5")
digests = [list(h5py.File(f"free0/cache/{below}manifest.h5")["member_digest"]) for below in ("", "eval/test/", "eval/noise/")]
assert digests[0] == digests[1] == digests[2]

# Numbers of every type, also far from zero.
y = torch.arange(300) % 3
base = torch.randn(300, 4) * 40 + y[:, None] * 30
linear = [nn.Linear(4, 3), nn.Linear(4, 3)]
for number, kind in enumerate((torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float64, torch.bool, "far")):
    x = base.double() + 1.6e9 if kind == "far" else base > 0 if kind == torch.bool else base.clamp(-100, 100).to(kind)
    near_zero = (lambda x: x - 1.6e9) if kind == "far" else None
    for data in "", None:
        out = f"types{number}{data is None}/cache"
        write_cache(out, linear, TensorDataset(x, y), data=data, labelled=False, prepare=near_zero, progress=False)
        assert attributes(out)["data_digest"] == data_digest(x.numpy(), None), kind
        with torch.no_grad():
            wanted = linear[0]((x - 1.6e9 if kind == "far" else x).float()).numpy()
        assert abs(h5py.File(out + "/manifest.h5")["logits"][0, 0] - wanted).max() < 1e-3, kind
for number in 0, 4, 5, 6, 7: # the program takes the files that were stored for the samples of these caches
    open("types.yaml", "w").write(f"""
run: {{dir: types{number}False}}
data: {{format: hdf5, root: types{number}False, train: [train.h5]}}
members: {{count: 2}}
students: [kd]
student: {{layers: [dense 3], epochs: 1, batch: 60}}
""")
    subprocess.run(["tribikos", "distill", "types.yaml"], check=True, stderr=subprocess.DEVNULL)

# Channels last: models see what the loader gives, files have channels first.
pixels = torch.randint(0, 256, (300, 8, 8, 3), dtype=torch.uint8)
class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(3, 3)
    def forward(self, x):
        assert x.shape[1:] == (8, 8, 3)
        return self.out(x.mean((1, 2)))
two = [Last(), Last()]
for run, data in (("last", ""), ("alone", None)):
    write_cache(f"{run}/cache", two, TensorDataset(pixels, torch.zeros(300).long()), labelled=False, prepare=prepare, data=data, progress=False)
    with h5py.File(f"{run}/cache/manifest.h5") as f, torch.no_grad():
        assert abs(f["logits"][0, 1] - two[1](pixels / 255).numpy()).max() < 1e-5
        assert f.attrs["data_digest"] == data_digest(np.moveaxis(pixels.numpy(), -1, 1), None)
assert h5py.File("last/train.h5")["x"].shape == (300, 3, 8, 8)
try:
    write_cache("ambiguous/cache", two, TensorDataset(torch.zeros(9, 3, 3, 3), torch.zeros(9)), progress=False)
except ValueError as fault:
    assert "channels first or last? Say layout=" in str(fault), fault
else:
    raise AssertionError("not refused")

# Probabilities.
soft = [nn.Sequential(model, nn.Softmax(1)) for model in models]
try:
    write_cache("soft/cache", soft, train, prepare=prepare, progress=False)
except ValueError as fault:
    assert "member 0 gives probabilities" in str(fault), fault
else:
    raise AssertionError("not refused")
write_cache("soft/cache", soft, train, prepare=prepare, probabilities=True, progress=False)
with h5py.File("soft/cache/manifest.h5") as a, h5py.File("runs/theirs/cache/manifest.h5") as b:
    log_p = torch.from_numpy(b["logits"][0]).double().log_softmax(-1).numpy()
    assert abs(a["logits"][0] - log_p).max() < 1e-4

# A regression's target is standardised as the program does it, if nothing else is said.
z = torch.randn(500, 4)
target = 50 + 20 * z[:, 0] + torch.randn(500)
class Knows(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(bias))
    def forward(self, x):
        return torch.stack([50 + 20 * x[:, 0] + self.bias, torch.zeros(len(x))], 1)
made = [Knows(0.), Knows(.5)]
write_cache("unit/cache", made, TensorDataset(z, target), task="regression", held_out=100, split_seed=3, progress=False)
part = target.numpy()[split(3, 500, 100)].astype("f8")
with h5py.File("unit/cache/manifest.h5") as f:
    expected = np.stack([(50 + 20 * z[:, 0].numpy() - part.mean()) / part.std(), np.full(500, -2 * np.log(part.std()))], 1)
    assert np.allclose(f["logits"][0, 0], expected, atol=1e-5)
END
tribikos verify free1/cache >out 2>&1 && tribikos verify free1/cache/eval/noise >out 2>&1
check "what lies below verifies" grep -q 'no labels: all good' out

# From the shell.
$python - <<'END'
import numpy as np
import torch
from mine import models, test, train
for name, part in ("train", train), ("test", test):
    np.save(f"{name}_x.npy", part.tensors[0].numpy())
    np.save(f"{name}_y.npy", part.tensors[1].numpy())
for m, model in enumerate(models):
    torch.jit.script(model).save(f"{m}.pt")
END
cached() { $python "$TRB_SOURCE/tools/python/cache_torch.py" --scale 255 "$@" shell/cache 0.pt 1.pt 2.pt >out 2>err; }
check "a test set and others" cached --x train_x.npy --y train_y.npy --test test_x.npy test_y.npy --set noise test_x.npy
check "are there" test -s shell/cache/manifest.h5 -a -s shell/cache/eval/test/manifest.h5 -a -s shell/noise.h5
check "without labels" cached --x train_x.npy --no-labels
check "the sets before are forgotten" test ! -e shell/cache/eval/test/manifest.h5 -a -s shell/cache/manifest.h5
cached --x train_x.npy
check "one or the other must be said" test $? = 2 -a "$(grep -c 'one of the arguments --y --no-labels is required' err)" = 1
finish
