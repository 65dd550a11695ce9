#!/usr/bin/env python3
"""Fills a cache with the logits of PyTorch modules, so that `tribikos distill` learns from them.

This example runs as it stands, if the program is in the path and this folder in PYTHONPATH:

    import subprocess, torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset
    from cache_torch import write_cache, write_data
    from network_torch import load
    pixels = torch.randint(0, 256, (1200, 1, 8, 8), dtype=torch.uint8)       # samples as they are to be stored
    labels = pixels[:, 0, :, :4].float().mean((1, 2)).sub(127.5).div(8).round().clamp(-1, 1).long() + 1
    train, test = TensorDataset(pixels[:1000], labels[:1000]), TensorDataset(pixels[1000:], labels[1000:])
    prepare = lambda x: x / 255                                              # from stored values to what modules take
    models = [nn.Sequential(nn.Flatten(), nn.Linear(64, n), nn.ReLU(), nn.Linear(n, 3)) for n in (20, 30, 40)]
    for model in models:
        adam = torch.optim.Adam(model.parameters(), 3e-3)
        for epoch in range(20):
            for x, y in DataLoader(train, 50, shuffle=True):
                adam.zero_grad()
                nn.functional.cross_entropy(model(prepare(x.float())), y).backward()
                adam.step()
    write_cache("runs/theirs/cache", models, DataLoader(train, 250), prepare=prepare)   # and runs/theirs/train.h5
    write_data("runs/theirs/test.h5", DataLoader(test, 250))
    open("theirs.yaml", "w").write('''
    run: {dir: runs/theirs}
    data: {format: hdf5, root: runs/theirs, train: [train.h5], test: [test.h5], normalize: unit}
    members: {count: 3}
    student: {layers: [dense 30, relu, split, dense 10, relu, dense 3]}
    ''')
    for command in ("verify runs/theirs/cache", "distill theirs.yaml", "eval theirs.yaml"):
        subprocess.run(["tribikos", *command.split()], check=True)
    student = load("runs/theirs/student/hydra/weights.h5")                   # a torch module; see network_torch.py
    probability = student(student.normalise(pixels[1000:])).softmax(-1).mean(1)

The program sees each sample as it is stored, normalised by data.normalize of its configuration; the modules see
prepare(samples). Store what is smallest: bytes of pixels, rather than float32 that a loader's transform has normalised (take
torchvision's PILToTensor, and put the rest into `prepare`). Members need no layers in the configuration, but members.count has
to be their number. The labels are those that the loader gives.

From the shell, with TorchScript modules (torch.jit.save) and arrays:

    cache_torch.py --x x.npy --y y.npy --scale 255 RUN/cache first.pt second.pt third.pt
"""
import os
import sys
import time
from contextlib import contextmanager

import trb_tool

with trb_tool.needs("torch", "h5py", "numpy", "xxhash"):
    import h5py
    import numpy as np
    import torch
    import xxhash
    from torch.utils.data import DataLoader, Dataset, TensorDataset
    from torch.utils.data import RandomSampler, SubsetRandomSampler, WeightedRandomSampler

    from cache_write import Writer, digest, file_arguments, publish, truth, view_text
    from views import rows, split


def state_digest(model):
    """The number that stands for a module: digest of its state_dict, names and bytes."""
    parts = []
    for name, tensor in model.state_dict().items():
        if torch.is_tensor(tensor):
            parts += [name, tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()]
    return digest(*parts)


def batches(loader):
    """(samples, labels) of a DataLoader, a Dataset, or anything that gives batches, as arrays of stored types."""
    if isinstance(loader, Dataset):
        loader = DataLoader(loader, 256)
    for sampler in (getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None)):
        if isinstance(sampler, (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)):
            raise ValueError(f"the loader shuffles ({type(sampler).__name__}), but sample i of a cache is sample i of the data "
                             "set; make it with shuffle=False")
    samples = 0
    for batch in loader:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError("the loader gives samples without labels; expected batches of two: samples, labels")
        x, y = (part.detach().cpu().numpy() if torch.is_tensor(part) else np.asarray(part) for part in batch)
        if x.dtype not in (np.uint8, np.float32):
            raise ValueError(f"the loader gives samples of {x.dtype}, expected uint8 or float32")
        if x.ndim not in (2, 3, 4) or len(x) != np.size(y):
            raise ValueError(f"the loader gives samples {list(x.shape)} with {np.size(y)} labels; expected [B][D], [B][H][W] or "
                             "[B][C][H][W], and a label or target each")
        samples += len(x)
        yield x, y
    wanted = len(loader.dataset) if hasattr(getattr(loader, "dataset", None), "__len__") else samples
    if samples != wanted or samples == 0:
        raise ValueError(f"the loader gives {samples} samples, its data set has {wanted}; make it with drop_last=False and "
                         "without a sampler, a part of a data set by torch.utils.data.Subset")


class Pass:
    """One way through a loader: its batches, and in the end what they were altogether."""

    def __init__(self, loader, task):
        self.loader, self.task, self.y, self.digest = loader, task, np.empty(0), 0

    def __iter__(self):
        h, y = xxhash.xxh3_64(), []
        for x, labels in batches(self.loader):
            h.update(np.ascontiguousarray(x).reshape(-1).view(np.uint8))
            y.append(truth(labels, self.task))
            yield x
        self.y = np.concatenate(y)
        h.update(self.y.view(np.uint8))
        self.digest = h.intdigest()


def write_data(path, loader, task="classes"):
    """Store what a loader gives as a data set of the program's (data.format: hdf5), batch by batch.

    Returns its labels (targets) and its digest, that of data_digest() in cache_write.py.
    """
    through = Pass(loader, task)

    def write(file):
        stored = None
        for x in through:
            if stored is None:
                chunk = max(1, min(256, (1 << 20) // max(1, x[0].nbytes)))
                stored = file.create_dataset("x", (0, *x.shape[1:]), x.dtype, maxshape=(None, *x.shape[1:]),
                                             chunks=(chunk, *x.shape[1:]))
            if x.dtype != stored.dtype or x.shape[1:] != stored.shape[1:]:
                raise ValueError(f"the loader gives samples of {x.dtype} {list(x.shape[1:])} behind others of "
                                 f"{stored.dtype} {list(stored.shape[1:])}")
            stored.resize(len(stored) + len(x), 0)
            stored[-len(x):] = x
        file["y"] = through.y

    publish(os.path.abspath(path), write)
    return through.y, through.digest


@contextmanager
def evaluating(models):
    """Modules in eval mode and without gradients, and as they were afterwards."""
    modes = [(part, part.training) for model in models for part in model.modules()]
    try:
        for model in models:
            model.eval()
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.train(mode)


def place_of(model):
    return next((tensor.device for tensor in [*model.parameters(), *model.buffers()]), torch.device("cpu"))


def say(v, views, done, n, last):
    """Progress on stderr: a line that is overwritten on a terminal, else one every ten seconds and at the end."""
    terminal, now = sys.stderr.isatty(), time.monotonic()
    if not terminal and now - last[0] < 10 and done < n or terminal and now - last[0] < 0.2 and done < n:
        return
    last[0] = now
    end = "\r" if terminal and (done < n or v + 1 < views) else "\n"
    print(f"cache: view {v + 1} of {views}, {done} of {n} samples", end=end, file=sys.stderr, flush=True)


def write_cache(out, models, loader, *, data="", prepare=None, outputs=None, task="classes", target=(0, 1), views=1, recipe="",
                view_seed=1, mean=None, held_out=0, split_seed=1, dtype="float32", device=None, digests=None, block=256,
                shard_rows=16384, deflate=0, progress=True):
    """Put the logits of `models` for all samples of `loader` into the folder `out`.

    out        RUN/cache, RUN being run.dir of the students' configuration
    models     torch modules, one a member; they compute in eval mode and are as they were afterwards
    loader     DataLoader or Dataset of (samples, labels), unshuffled, or any iterable of such batches. Samples as they are to be
               stored: uint8 or float32, [B][D], [B][H][W] or [B][C][H][W]
    data       where the samples are stored, by default train.h5 beside `out`: data.train of a configuration with data.format:
               hdf5. None: nowhere, as the configuration names files of which these are the samples, in their order (with
               data.format: idx or cifar10, the bytes of the files); the loader is then gone through again for the logits
    prepare    what models take, from stored values as a float32 tensor; by default the values themselves
    outputs    [B][K] logits from what a model returns, e.g. lambda o: o.logits; regression: mean and log variance
    target     regression: mean and deviation by which the program standardises targets, those of the training part's (0 and 1
               with data.normalize: none); the models' outputs are taken to be in the target's unit
    views      with recipe ("crop 4, flip") and view_seed: cache.views, cache.view_recipes, cache.view_seed of the configuration;
               views.py makes the pixels, slowly
    mean       of a recipe with cutout: the students' constant of each channel, see rows() of views.py
    held_out, split_seed   of a recipe with mixup: data.validation, run.seed
    dtype      float32 or float16, of the stored logits
    device     where the models are moved, and stay; by default each computes where its parameters are
    digests    [M] numbers that stand for the models; by default state_digest() of each
    block      samples a call, and rows a chunk
    shard_rows samples a file; M shards are held in memory, nothing else that grows with the data set but its labels

    A fault is a ValueError of one line; then there is no manifest, and the program takes nothing for finished.
    """
    models = list(models)
    M = len(models)
    if M == 0:
        raise ValueError("there are no models")
    names = [("identity", 0)] + (views - 1) * [(view_text(recipe, mean, held_out, split_seed) if views > 1 else "", view_seed)]
    if views > 1 and data is None:
        raise ValueError("views are made of the stored samples: give `data` a path, or leave it out")
    if device is not None:
        models = [model.to(device) for model in models]
    digests = [state_digest(model) for model in models] if digests is None else list(digests)
    for m, number in enumerate(digests):
        if number in digests[:m] and len(models[m].state_dict()) > 0:
            raise ValueError(f"models {digests.index(number)} and {m} have the same weights")

    if data is not None:
        data = data or os.path.join(os.path.dirname(os.path.abspath(out)), "train.h5")
        y, of_data = write_data(data, loader, task)
    else:
        through = Pass(loader, task)
        for _ in through:
            pass
        y, of_data = through.y, through.digest
    N = len(y)

    def logits(m, x):
        """[B][K] of model m."""
        z = torch.as_tensor(x).float().to(place_of(models[m]))
        z = models[m](z if prepare is None else prepare(z))
        z = z if outputs is None else outputs(z)
        if not torch.is_tensor(z) or z.ndim != 2 or len(z) != len(x):
            what = list(z.shape) if torch.is_tensor(z) else type(z).__name__
            raise ValueError(f"model {m} gives {what} for {len(x)} samples, expected [{len(x)}][K]; `outputs` can take the logits "
                             "from what it returns")
        z = z.float().cpu().numpy()
        if task == "regression" and z.shape[1] == 2:
            z = np.stack([(z[:, 0] - target[0]) / target[1], z[:, 1] - 2 * np.log(target[1])], 1)
        return z

    def blocks(v, file):
        """The samples of view v, `block` at a time."""
        if file is None:
            left = np.empty(0)
            again = Pass(loader, task)
            for x in again:
                left = x if len(left) == 0 else np.concatenate([left, x])
                while len(left) >= block:
                    yield left[:block]
                    left = left[block:]
            if again.digest != of_data:
                raise ValueError("the loader gives other samples each time, or in another order; it must neither shuffle nor "
                                 "augment (or leave `data` at a path: then it is gone through once)")
            if len(left):
                yield left
            return
        train = split(split_seed, N, held_out) if v and "mixup" in recipe else None
        for first in range(0, N, block):
            ids = range(first, min(first + block, N))
            if v == 0:
                yield file["x"][first:first + block]
            else:
                # Cut out is what the mean stands for: pixels are taken there and back.
                constant = 0 if mean is None else np.asarray(mean, np.float32).reshape(-1, 1, 1)
                x = rows(file["x"], ids, v, recipe, view_seed, mean, 1, train) + np.float32(constant)
                yield x.reshape(len(x), *file["x"].shape[1:])

    def write(file):
        writer, last = None, [time.monotonic()]
        for v in range(views):
            held, first, done = [[] for _ in models], 0, 0
            for x in blocks(v, file):
                for m in range(M):
                    held[m].append(logits(m, x))
                    K = held[0][0].shape[1]
                    if held[m][-1].shape[1] != K:
                        raise ValueError(f"model {m} has {held[m][-1].shape[1]} outputs, model 0 has {K}; all must have the same")
                if writer is None:
                    writer = Writer(out, M, K, y, of_data, digests, task, names, dtype, block, shard_rows, deflate)
                done += len(x)
                if done == N or done - first >= writer.shard_rows:
                    for m in range(M):
                        writer.shard(v, m, first, np.concatenate(held[m]))
                    held, first = [[] for _ in models], done
                if progress:
                    say(v, views, done, N, last)
        writer.manifest()

    with evaluating(models):
        if data is None:
            write(None)
        else:
            with h5py.File(data) as file:
                write(file)


def module(path):
    """The TorchScript module of a file."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}; expected a module, written by torch.jit.save()")
    try:
        return torch.jit.load(path, map_location="cpu")
    except RuntimeError:
        raise ValueError(f"{path} is no TorchScript module; write one by torch.jit.save(torch.jit.script(model), ...)") from None


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("--x", required=True, metavar="X.npy",
                        help="The array of samples as they are to be stored: uint8 or float32, [N][...].")
    parser.add_argument("--y", required=True, metavar="Y.npy", help="The array of labels or targets: [N].")
    parser.add_argument("--scale", type=float, default=1, help="Samples are divided by it before the modules see them, such as 255.")
    parser.add_argument("--data", default="", metavar="DATA.h5",
                        help="The file into which the samples are stored; by default train.h5 beside the cache.")
    parser.add_argument("--views", type=trb_tool.count, default=1, help="How many views, cache.views; by default %(default)s.")
    parser.add_argument("--recipe", default="", help="The recipe of the views, cache.view_recipes, such as \"crop 4, flip\".")
    parser.add_argument("--view-seed", type=int, default=1, metavar="SEED",
                        help="The seed of the views, cache.view_seed; by default %(default)s.")
    parser.add_argument("--device", help="Where the modules compute, such as cpu or cuda; by default where they are.")
    file_arguments(parser, 16384)
    parser.add_argument("models", metavar="MODEL.pt", nargs="+", help="A TorchScript module for each member.")
    a = parser.parse_args()
    x, y = (torch.from_numpy(trb_tool.array(path, what)) for path, what in ((a.x, "samples"), (a.y, "labels or targets")))
    if x.shape[:1] != y.shape[:1] or x.ndim < 2:
        raise ValueError(f"{a.x} is {list(x.shape)} and {a.y} is {list(y.shape)}, expected [N][...] and [N]")
    models = [module(path) for path in a.models]
    write_cache(a.out, models, TensorDataset(x, y), data=a.data, prepare=lambda z: z / a.scale, task=a.task, views=a.views,
                recipe=a.recipe, view_seed=a.view_seed, dtype=a.dtype, device=a.device, block=a.block,
                shard_rows=a.shard_rows, deflate=a.deflate)


if __name__ == "__main__":
    trb_tool.run(main)
