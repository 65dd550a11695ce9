# Teachers from PyTorch: modules of three architectures and a DataLoader become a cache (cache_torch.py), from which students are
# distilled, and a student becomes a torch module again (network_torch.py) that says what the program says.
. "$(dirname "$0")/lib.bash"
$python -c 'import torch' 2>/dev/null || skip "python3-torch is not installed"
$python -c 'import h5py, xxhash' 2>/dev/null || skip "python3-h5py or python3-xxhash is not installed"
export PYTHONPATH=$TRB_SOURCE/tools/python PATH=$TRB_BUILD:$PATH
cd "$work" || exit 1

cat >models.py <<'END2'
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def images(stem, n=None):
    x = np.fromfile(f"data/{stem}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28)
    y = np.fromfile(f"data/{stem}-labels-idx1-ubyte", np.uint8, offset=8)
    return TensorDataset(torch.from_numpy(x)[:n, None], torch.from_numpy(y).long()[:n])


def prepare(x):
    return (x / 255 - 0.3) / 0.35


class Residual(nn.Module):
    """Batch normalisation, which must be in eval mode, and an output that is no tensor."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 5, 4)
        self.block = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        self.out = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        return {"logits": self.out((x + self.block(x)).relu().mean((2, 3)))}


def models():
    torch.manual_seed(1)
    return [nn.Sequential(nn.Flatten(), nn.Linear(784, 40), nn.ReLU(), nn.Dropout(0.3), nn.Linear(40, 10)),
            nn.Sequential(nn.Conv2d(1, 6, 5, 2), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(216, 10)), Residual()]


def outputs(z):
    return z["logits"] if isinstance(z, dict) else z


def again():
    """The models that trained() has trained."""
    made = models()
    for model, state in zip(made, torch.load("states.pt")):
        model.load_state_dict(state)
    return made


def trained():
    made = models()
    for model in made:
        adam = torch.optim.Adam(model.parameters(), 3e-3)
        for epoch in range(3):
            for x, y in DataLoader(images("train"), 50, shuffle=True):
                adam.zero_grad()
                nn.functional.cross_entropy(outputs(model(prepare(x.float()))), y).backward()
                adam.step()
    return made
END2

cat >theirs.yaml <<END2
run: {dir: theirs}
data: {format: hdf5, root: theirs, train: [train.h5], test: [test.h5]}
members: {count: 3}
students: [hydra, kd, conv]
student:
  layers: [dense 32, relu, split, dense 32, relu, dense 10]
  phase1_epochs: 2
  epochs: 2
  batch: 60
  kd: {layers: [dense 40, relu, dense 10]}
  conv: {layers: [cifar-resnet8 10], split: stage3}
END2
check "three modules and a DataLoader become a cache" $python - <<'END2'
import h5py
import numpy as np
import torch
from cache_torch import state_digest, write_cache, write_data
from cache_write import data_digest
from models import *
made, train = trained(), DataLoader(images("train"), 70)
made[1].train(), made[2].eval()
modes = [part.training for model in made for part in model.modules()]
write_cache("theirs/cache", made, train, prepare=prepare, outputs=outputs, block=128, shard_rows=512)
assert modes == [part.training for model in made for part in model.modules()]
assert all(p.grad is None or p.requires_grad for model in made for p in model.parameters())
write_data("theirs/test.h5", images("t10k"))
torch.save([model.state_dict() for model in made], "states.pt")

x, y = images("train").tensors
with h5py.File("theirs/train.h5") as data, h5py.File("theirs/cache/manifest.h5") as cache, torch.no_grad():
    assert data["x"].dtype == np.uint8 and (data["x"][:] == x.numpy()).all() and (data["y"][:] == y.numpy()).all()
    assert cache.attrs["data_digest"] == data_digest(x.numpy(), y)
    assert list(cache["member_digest"]) == [state_digest(model) for model in made]
    assert cache["logits"].shape == (1, 3, 1500, 10)
    for m, model in enumerate(made):
        # In other batches a sum may be taken in another order: some 1e-6 of logits of order ten.
        error = abs(outputs(model.eval()(prepare(x.float()))).numpy() - cache["logits"][0, m]).max()
        print(f"model {m}: cached logits differ by at most {error:.1e}")
        assert error < 1e-4

# The same from the loader alone, for a configuration that names the data set's own files; and as half the bytes.
write_cache("alone/cache", made, images("train"), data=None, prepare=prepare, outputs=outputs, block=128, shard_rows=512,
            dtype="float16", progress=False)
with h5py.File("theirs/cache/manifest.h5") as one, h5py.File("alone/cache/manifest.h5") as other:
    assert one.attrs["data_digest"] == other.attrs["data_digest"]
    assert other["logits"].dtype == np.float16
    assert np.allclose(one["logits"][:], other["logits"][:], rtol=2**-10, atol=1e-4)
END2
check "it verifies" tribikos verify theirs/cache
check "and so does the one in float16" tribikos verify alone/cache
mpi 2 distill theirs.yaml || cat err
check "students are distilled from it, of layers of their own" test -f theirs/student/hydra/weights.h5 -a -f theirs/student/kd/weights.h5 -a -f theirs/student/conv/weights.h5
mpi 2 eval theirs.yaml || cat err
check "and evaluated" test "$(grep -oE '^(hydra|kd|conv) ' out | sort -u | wc -l)" = 3
mpi 1 train theirs.yaml
check "members without layers are not trained: exit 2" test $? = 2
check "and it is said why" grep -q 'error: member 0 has no layers; set `train.layers`' err
mpi 1 distill small.yaml --run.dir=alone || cat err
check "the cache of the loader alone is of the data set's own files" test -f alone/student/hydra/weights.h5
check "a student is a torch module that says what the program says" $python - <<'END2'
import h5py
import torch
from models import images
from network_torch import load
x, y = images("t10k").tensors
with h5py.File("theirs/report/predictions.h5") as f, torch.no_grad():
    for name, heads in (("hydra", 3), ("kd", 1), ("conv", 3)):
        net = load(f"theirs/student/{name}/weights.h5")
        z = net(net.normalise(x))
        assert z.shape == (500, heads, 10) and not net.training
        error = abs(z.double().softmax(-1).mean(1).numpy() - f[name][:]).max()
        print(f"{name}: probabilities differ by at most {error:.1e}")
        assert error < 1e-5  # rounding of logits by sums in another order, through some layers
        with h5py.File(f"theirs/student/{name}/weights.h5") as w:
            names = []
            w.visititems(lambda k, d: names.append(k.replace("/", ".")))
        assert set(net.tensors()) == {k for k in names if not k.startswith(("input.", "target."))}
END2
check "so it does from the shell" $python - <<'END2'
import subprocess, sys, os
import numpy as np
import torch
from models import images
from network_torch import load
tool = os.environ["PYTHONPATH"] + "/network_torch.py"
np.save("x.npy", images("t10k").tensors[0].numpy())
said = subprocess.run([sys.executable, tool, "theirs/student/conv/weights.h5", "--x", "x.npy", "--logits", "z.npy", "--state",
                       "state.pt", "--script", "script.pt"], check=True, capture_output=True, text=True).stdout
assert "3 heads" in said, said
net = load("theirs/student/conv/weights.h5")
x = images("t10k").tensors[0]
with torch.no_grad():
    z = net(net.normalise(x)).numpy()
    assert abs(np.load("z.npy") - z).max() < 1e-4
    assert abs(torch.jit.load("script.pt")(x.float()).numpy() - z).max() < 1e-4
state = torch.load("state.pt")
assert state.keys() == net.state_dict().keys()
END2
check "not of a file of something else" $python - <<'END2'
import os, subprocess, sys
said = subprocess.run([sys.executable, os.environ["PYTHONPATH"] + "/network_torch.py", "theirs/cache/manifest.h5"], capture_output=True, text=True)
assert said.returncode == 1 and said.stderr == ("network_torch.py: theirs/cache/manifest.h5 is no file of weights; take "
                                                "members/m000/weights.h5 or student/NAME/weights.h5 of a run\n"), said.stderr
END2

# Views: the students see what the modules saw, or the program would refuse the cache.
check "views" $python - <<'END2'
import h5py
import numpy as np
import torch
from cache_torch import write_cache
from cache_write import view_text
from models import *
from views import rows, split
made, part = again()[:2], images("train", 400)
recipe, x = "crop 3, flip, cutout 6, mixup 0.4", part.tensors[0].numpy()
mean = np.float32(x[split(3, 400, 100)].mean())
write_cache("views/cache", made, part, views=3, recipe=recipe, view_seed=11, mean=[mean], held_out=100, split_seed=3,
            prepare=prepare, shard_rows=256, block=128, progress=False)
with h5py.File("views/cache/manifest.h5") as f, torch.no_grad():
    assert f.attrs["view_02_recipe"].decode() == view_text(recipe, [mean], 100, 3)
    for v in range(3):
        seen = rows(x, range(400), v, recipe, 11, mean, 1, split(3, 400, 100)) + mean
        for m, model in enumerate(made):
            z = model.eval()(prepare(torch.from_numpy(seen))).numpy()
            assert abs(z - f["logits"][v, m]).max() < 1e-4, (v, m)
            assert v == 0 or abs(z - f["logits"][0, m]).max() > 0.1
END2
check "views are verified" tribikos verify views/cache
mpi 2 distill small.yaml --run.dir=views --data.format=hdf5 --data.root=views --data.train='[train.h5]' --members.count=2 \
    --cache.views=3 --cache.view_recipes='crop 3, flip, cutout 6, mixup 0.4' --cache.view_seed=11 || cat err
check "students are distilled from views" test -f views/student/hydra/weights.h5

check "regression" $python - <<'END2'
import h5py
import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset
from cache_torch import write_cache
torch.manual_seed(2)
x = torch.randn(600, 5)
y = 50 + 20 * x[:, 0]
made = [nn.Linear(5, 2) for _ in range(2)]
write_cache("table/cache", made, TensorDataset(x, y), task="regression", target=(50, 20), progress=False)
with h5py.File("table/cache/manifest.h5") as f, torch.no_grad():
    z = made[1](x).numpy()
    assert np.allclose(f["logits"][0, 1], np.stack([(z[:, 0] - 50) / 20, z[:, 1] - np.log(400)], 1), atol=1e-5)
    assert np.allclose(f["target"][:], y.numpy())
END2
check "is verified" tribikos verify table/cache

# Wrong use: one line each, and no manifest.
check "wrong use is refused by one line, which says what to do" $python - <<'END2'
import os
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from cache_torch import write_cache
from models import images, models
flat = lambda outputs: nn.Sequential(nn.Flatten(), nn.Linear(784, outputs))
part = images("train", 300)
x, y = part.tensors
two = [flat(10), flat(10)]
nan = flat(10)
nan[1].bias.data[3] = float("nan")
class Augmenting(Dataset):
    def __len__(self):
        return 300
    def __getitem__(self, i):
        return torch.randint(0, 256, (28, 28), dtype=torch.uint8), 3
class Without(Dataset):
    def __len__(self):
        return 300
    def __getitem__(self, i):
        return x[i]
def refused(because, *arguments, **named):
    os.makedirs("wrong/cache", exist_ok=True)
    open("wrong/cache/manifest.h5", "w").close()  # of a cache that was there before
    named.setdefault("block", 100)
    try:
        write_cache("wrong/cache", *arguments, progress=False, **named)
    except ValueError as failure:
        assert because in str(failure) and "\n" not in str(failure), failure
        return
    raise AssertionError(f"{because}: accepted")
refused("the loader shuffles (RandomSampler)", two, DataLoader(part, 50, shuffle=True))
refused("make it with shuffle=False", two, DataLoader(part, batch_sampler=torch.utils.data.BatchSampler(
    torch.utils.data.RandomSampler(part), 50, False)))
refused("other samples each time", two, DataLoader(Augmenting(), 50), data=None)
assert not os.path.exists("wrong/cache/manifest.h5")
refused("the loader gives 280 samples, its data set has 300", two, DataLoader(part, 70, drop_last=True))
refused("model 1 has 7 outputs, model 0 has 10", [flat(10), flat(7)], part)
refused("member 1, view 0: sample 0 is not finite in float32", [flat(10), nan], part)
assert not os.path.exists("wrong/cache/manifest.h5")
refused("is not finite in float16", [flat(10), nn.Sequential(flat(10), nn.Hardtanh(1e6, 2e6))], part, dtype="float16")
refused("samples without labels", two, Without())
refused("row 0 has label 9, expected 0 to 4, as the logits have 5 outputs", [flat(5), flat(5)], part)
refused("models 0 and 1 have the same weights", 2 * [two[0]], part)
refused("there are no models", [], part)
refused("model 1 gives dict for 100 samples", [two[0], models()[2]], part)
refused("model 0 gives [1000] for 100 samples", [nn.Sequential(flat(10), nn.Flatten(0))], part)
refused("views are made of the stored samples", two, part, data=None, views=2, recipe="flip")
refused("7 outputs, expected 2 for regression", [flat(7)], part, task="regression")
refused("labels are [300, 2]", two, [(x, torch.zeros(300, 2))])
END2
$python - <<'END2'
import numpy as np
import torch
from models import again, images
x, y = images("train", 300).tensors
np.save("some.npy", x.numpy())
np.save("labels.npy", y.numpy())
for i, model in enumerate(again()[:2]):
    torch.jit.script(model).save(f"{i}.pt")
END2
cached() { $python "$TRB_SOURCE/tools/python/cache_torch.py" --x some.npy --y labels.npy --scale 255 shell/cache "$@" >out 2>err; }
check "from the shell" cached 0.pt 1.pt
check "is verified" tribikos verify shell/cache
cached 0.pt none.pt
check "a module that is not there: exit 1, one line" test $? = 1 -a "$(wc -l <err)" = 1

# The worked example, out of the script's own page.
mkdir example && cd example || exit 1
$python -c 'import cache_torch, textwrap
page = cache_torch.__doc__.split("PYTHONPATH:\n")[1].split("\n\nThe program sees")[0]
open("example.py", "w").write(textwrap.dedent(page))'
check "the worked example is some 30 lines" test "$(wc -l <example.py)" -le 34
OMP_NUM_THREADS=1 $python example.py >../out 2>../err || cat ../out ../err
check "the worked example runs" grep -q '^hydra ' ../out
finish
