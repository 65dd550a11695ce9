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
    # Writes also runs/theirs/train.h5 and runs/theirs/test.h5; prints accuracy and NLL of each model.
    write_cache("runs/theirs/cache", models, DataLoader(train, 250), test=DataLoader(test, 250), prepare=prepare)
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

With `test` (and `sets`, for eval.ood) the logits of these sets are stored too. Then `tribikos eval` compares the students with their
ensemble: how much of its accuracy, likelihood and disagreement they kept.

From the shell, with TorchScript modules (torch.jit.save) and arrays:

    cache_torch.py --x x.npy --y y.npy --test tx.npy ty.npy --scale 255 RUN/cache first.pt second.pt third.pt
"""
import os
import sys
import time
from contextlib import contextmanager, nullcontext

import trb_tool

with trb_tool.needs("torch", "h5py", "numpy", "xxhash"):
    import h5py
    import numpy as np
    import torch
    import xxhash
    from torch.utils.data import DataLoader, Dataset, TensorDataset
    from torch.utils.data import RandomSampler, SubsetRandomSampler, WeightedRandomSampler

    from cache_write import (Offsets, Writer, as_stored, by_channel, digest, digest_with, far_from_zero, file_arguments, forget,
                             in_pieces, is_wide, labels_arguments, layout_of, offset_of_targets, own_unit, publish, set_folder, truth,
                             view_text)
    from teachers import logarithms
    from views import rows, split


def state_digest(model):
    """The number that stands for a module: digest of its state_dict, names and bytes."""
    parts = []
    for name, tensor in model.state_dict().items():
        if torch.is_tensor(tensor):
            parts += [name, tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()]
    return digest(*parts)


def plain(part):
    """An array of a tensor, or of what else a loader gives, of a type that HDF5 has."""
    if torch.is_tensor(part):
        part = part.detach().cpu()
        return (part.float() if part.dtype == torch.bfloat16 else part).numpy()
    part = np.asarray(part)
    return part.astype(np.float64) if part.dtype.kind == "f" and part.dtype.itemsize > 8 else part


def batches(loader, labelled=True):
    """(samples, labels) of a DataLoader, a Dataset, or anything that gives batches, as arrays of stored types. Labels are None
    unless `labelled`."""
    if isinstance(loader, Dataset):
        loader = DataLoader(loader, 256)
    for sampler in (getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None)):
        if isinstance(sampler, (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)):
            raise ValueError(f"the loader shuffles ({type(sampler).__name__}), but sample i of a cache is sample i of the data "
                             "set; make it with shuffle=False")
    samples = 0
    for batch in loader:
        alone = not isinstance(batch, (tuple, list))
        if labelled and (alone or len(batch) != 2):
            raise ValueError("the loader gives samples without labels; expected batches of two: samples, labels (labelled=False for "
                             "samples that nobody has labelled)")
        parts = [batch] if alone else batch[:2] if labelled else batch[:1]
        x, y = ([plain(part) for part in parts] + [None])[:2]
        if x.dtype.kind not in "biuf":
            raise ValueError(f"the loader gives samples of {x.dtype}, expected numbers")
        if x.ndim not in (2, 3, 4) or y is not None and len(x) != len(np.atleast_1d(y)):
            raise ValueError(f"the loader gives samples {list(x.shape)} with labels {list(np.shape(y))}; expected [B][D], [B][H][W] or "
                             "[B][C][H][W], and a label or target each")
        samples += len(x)
        yield x, y
    wanted = len(loader.dataset) if hasattr(getattr(loader, "dataset", None), "__len__") else samples
    if samples != wanted or samples == 0:
        raise ValueError(f"the loader gives {samples} samples, its data set has {wanted}; make it with drop_last=False and "
                         "without a sampler, a part of a data set by torch.utils.data.Subset")


class Pass:
    """One way through a loader: its batches with channels first, and in the end what they were altogether.

    layout   "auto", "nchw" or "nhwc"; afterwards never "auto"
    offsets  of a set for evaluation those of its training set; of a training set, for which it is None, its own after settle()
    stored_y in the end the labels or targets as the loader gives them; y after settle() as the program holds them; None unless
             `labelled`
    """

    def __init__(self, loader, task, layout="auto", labelled=True, offsets=None, what=""):
        self.loader, self.task, self.layout, self.labelled, self.offsets = loader, task, layout, labelled, offsets
        self.y, self.stored_y, self.digest, self.samples, self.dtype, self.given = None, None, 0, 0, None, 0
        self.what = what

    def arrays(self):
        """The batches: samples with channels first, labels."""
        for x, labels in batches(self.loader, self.labelled):
            self.layout = layout_of(x.shape, self.layout, self.what) if x.ndim == 4 else self.layout
            yield np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 and self.layout == "nhwc" else x, labels

    def __iter__(self):
        h, y, self.samples = xxhash.xxh3_64(), [], 0
        for x, labels in self.arrays():
            if self.dtype is None and x.dtype not in (np.uint8, np.float32):
                said(f"{self.what}samples of {x.dtype} are stored as they are; the program reads them as float32")
            self.dtype = self.dtype or x.dtype
            h.update(np.ascontiguousarray(x).reshape(-1).view(np.uint8))
            if self.labelled:
                y.append(self.truth(labels))
            self.samples += len(x)
            yield x
        self.stored_y = np.concatenate(y) if self.labelled else None
        if self.labelled:
            h.update(np.ascontiguousarray(self.stored_y).view(np.uint8))
        self.given = h.intdigest()  # of what was given, whatever its type

    def settle(self, again):
        """Decide the offsets and the digest. `again` is a function that gives all samples once more, with channels first."""
        if self.offsets is None:
            inputs = far_from_zero(lambda: map(by_channel, again())) if is_wide(self.dtype) else None
            self.offsets = Offsets(inputs, offset_of_targets(self.stored_y, self.task))
        self.y = truth(self.stored_y, self.task, self.offsets.target)
        as_held = self.y is None or self.stored_y.dtype == self.y.dtype
        if self.dtype in (np.uint8, np.float32) and as_held and not self.offsets:
            self.digest = self.given
            return
        h = xxhash.xxh3_64()
        for x in again():
            h.update(np.ascontiguousarray(as_stored(x, self.offsets)).reshape(-1).view(np.uint8))
        self.digest = digest_with(h, self.y, self.offsets)

    def truth(self, labels):
        labels = np.atleast_1d(labels)
        try:
            if self.task == "regression" and labels.dtype.kind in "iuf" and labels.shape[1:] in ((), (1,)):
                return labels.reshape(-1)  # its offset is not known before the last batch
            return truth(labels, self.task)
        except ValueError as fault:
            raise ValueError(f"the loader's batch that begins with sample {self.samples}: {fault}") from None


def said(text, before=set()):
    """Say it once."""
    if text not in before:
        before.add(text)
        print(f"cache: {text}", file=sys.stderr, flush=True)


def gone_through(path, through):
    """Go through a loader once, and settle what it was; with a path, store it."""
    if path is not None:
        store(path, through)
        through.settle(lambda: samples_in(path))
    else:
        for _ in through:
            pass
        through.settle(lambda: (x for x, _ in through.arrays()))
    return through


def samples_in(path):
    with h5py.File(path) as file:
        yield from in_pieces(file["x"])


def write_data(path, loader, task="classes", layout="auto", labelled=True):
    """Store what a loader gives as a data set of the program's (data.format: hdf5), batch by batch, with channels first.

    Returns its labels (targets; None unless `labelled`) and its digest, that of data_digest() in cache_write.py.
    """
    through = gone_through(path, Pass(loader, task, layout, labelled))
    return through.y, through.digest


def store(path, through):
    """Go through a loader, and store what it gives in an HDF5 file."""
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
        if through.labelled:
            file["y"] = through.stored_y

    publish(os.path.abspath(path), write)


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


def say(what, v, views, done, n, last):
    """Progress on stderr: a line that is overwritten on a terminal, else one every ten seconds and at the end."""
    terminal, now = sys.stderr.isatty(), time.monotonic()
    if not terminal and now - last[0] < 10 and done < n or terminal and now - last[0] < 0.2 and done < n:
        return
    last[0] = now
    end = "\r" if terminal and (done < n or v + 1 < views) else "\n"
    print(f"cache: {what}view {v + 1} of {views}, {done} of {n} samples", end=end, file=sys.stderr, flush=True)


def write_cache(out, models, loader, *, test=None, sets=None, data="", labelled=True, layout="auto", prepare=None, outputs=None,
                probabilities=False, task="classes", target=None, views=1, recipe="", view_seed=1, mean=None, held_out=0,
                split_seed=1, dtype="float32", device=None, digests=None, block=256, shard_rows=16384, deflate=0, progress=True):
    """Put the logits of `models` for all samples of `loader` into the folder `out`.

    out        RUN/cache, RUN being run.dir of the students' configuration
    models     torch modules, one a member; they compute in eval mode and are as they were afterwards
    loader     DataLoader or Dataset of (samples, labels), unshuffled, or any iterable of such batches. Samples as they are to be
               stored: numbers of any type, [B][D], [B][H][W], [B][C][H][W] or [B][H][W][C]
    test       the same for the test set: `tribikos eval` then compares students with their ensemble. Its samples are stored beside
               those of `loader`, as test.h5
    sets       {name: loader}: the same for sets of eval.ood, whose labels are not used; stored as NAME.h5
    data       where the samples are stored, by default train.h5 beside `out`: data.train of a configuration with data.format:
               hdf5. None: nowhere, as the configuration names files of which these are the samples, in their order (with
               data.format: idx or cifar10, the bytes of the files); the loader is then gone through again for the logits
    labelled   False: the loader gives samples without labels, or with labels that are not used; students then follow the members
               alone
    layout     whether images of the loaders are "nchw" or "nhwc"; by default their sizes decide. They are stored as [C][H][W];
               models get them as the loader gives them
    prepare    what models take, from stored values as a float32 tensor (float64 if they are float64 or whole numbers of 32 bits and
               more); by default the values themselves
    outputs    [B][K] logits from what a model returns, e.g. lambda o: o.logits; regression: mean and log variance
    probabilities   the outputs are probabilities; their logarithms are stored, with 2^-126 in the place of 0
    target     regression: mean and deviation by which the program standardises targets; by default those of the training part's
               (see held_out), as data.normalize: standard takes them; (0, 1) with data.normalize: none. The models' outputs are
               taken to be in the target's unit
    views      with recipe ("crop 4, flip") and view_seed: cache.views, cache.view_recipes, cache.view_seed of the configuration;
               views.py makes the pixels, slowly
    mean       of a recipe with cutout: the students' constant of each channel, see rows() of views.py
    held_out, split_seed   of a recipe with mixup, and for `target`: data.validation, run.seed
    dtype      float32 or float16, of the stored logits
    device     where the models are moved, and stay; by default each computes where its parameters are
    digests    [M] numbers that stand for the models; by default state_digest() of each
    block      samples a call, and rows a chunk
    shard_rows samples a file; M shards are held in memory, nothing else that grows with the data set but its labels
    progress   print how far it is, and how good each model is; warnings are printed in any case

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
    sets = {**({} if test is None else {"test": test}), **(sets or {})}
    folders = {name: set_folder(out, name) for name in sets}
    forget(out)
    if data is not None:
        data = data or os.path.join(os.path.dirname(os.path.abspath(out)), "train.h5")

    def logits(m, x, nhwc):
        """[B][K] of model m."""
        x = np.moveaxis(x, 1, -1) if nhwc and x.ndim == 4 else x
        # Values that float32 may not hold keep their digits until they are prepared.
        z = torch.as_tensor(np.ascontiguousarray(x, np.float64 if is_wide(x.dtype) else np.float32)).to(place_of(models[m]))
        z = z if prepare is None else prepare(z)
        z = models[m](z.float() if is_wide(x.dtype) else z)
        z = z if outputs is None else outputs(z)
        if not torch.is_tensor(z) or z.ndim != 2 or len(z) != len(x):
            what = list(z.shape) if torch.is_tensor(z) else type(z).__name__
            raise ValueError(f"model {m} gives {what} for {len(x)} samples, expected [{len(x)}][K]; `outputs` can take the logits "
                             "from what it returns")
        z = (z.double() if of_train.offsets.target else z.float()).cpu().numpy()
        if probabilities:
            # A softmax in float32 gives 0 for what is below its smallest number.
            z = logarithms(z, 2.**-126, f"model {m}")
        if task == "regression" and z.shape[1] == 2:
            z = np.stack([(z[:, 0] - of_train.offsets.target - target[0]) / target[1], z[:, 1] - 2 * np.log(target[1])], 1)
        return z

    def blocks(v, file, through):
        """The samples of view v, `block` at a time."""
        N = through.samples
        if file is None:
            left = np.empty(0)
            again = Pass(through.loader, task, through.layout, through.labelled)
            for x in again:
                left = x if len(left) == 0 else np.concatenate([left, x])
                while len(left) >= block:
                    yield left[:block]
                    left = left[block:]
            if again.given != through.given:
                raise ValueError("the loader gives other samples each time, or in another order; it must neither shuffle nor "
                                 "augment (or leave `data` at a path: then it is gone through once)")
            if len(left):
                yield left
            return
        train = split(split_seed, N, held_out) if v and "mixup" in recipe else None
        x, offset = file["x"], through.offsets.inputs
        if v and (x.dtype not in (np.uint8, np.float32) or offset is not None):
            x = as_stored(x[...], through.offsets)
        offset = 0 if offset is None else offset.reshape((1, -1) + (1,) * max(0, x.ndim - 2))
        for first in range(0, N, block):
            ids = range(first, min(first + block, N))
            if v == 0:
                yield file["x"][first:first + block]
            else:
                # Cut out is what the mean stands for: pixels are taken there and back.
                constant = 0 if mean is None else np.asarray(mean, np.float32).reshape(-1, 1, 1)
                made = rows(x, ids, v, recipe, view_seed, mean, 1, train) + np.float32(constant)
                yield made.reshape(len(made), *file["x"].shape[1:]) + offset

    def write(folder, what, path, through, names):
        with h5py.File(path) if path is not None else nullcontext() as file:
            writer, last, N = None, [time.monotonic()], through.samples
            for v in range(len(names)):
                held, first, done = [[] for _ in models], 0, 0
                for x in blocks(v, file, through):
                    for m in range(M):
                        held[m].append(logits(m, x, through.layout == "nhwc"))
                        K = held[0][0].shape[1]
                        if held[m][-1].shape[1] != K:
                            raise ValueError(f"model {m} has {held[m][-1].shape[1]} outputs, model 0 has {K}; all must have the same")
                    if writer is None:
                        writer = Writer(folder, M, K, through.y, through.digest, digests, task, names, dtype, block, shard_rows,
                                        deflate, N, target, progress, of_train.offsets)
                        writer.teachers.what = what
                    done += len(x)
                    if done == N or done - first >= writer.shard_rows:
                        for m in range(M):
                            writer.shard(v, m, first, np.concatenate(held[m]))
                        held, first = [[] for _ in models], done
                    if progress:
                        say(what, v, len(names), done, N, last)
            writer.manifest()

    with evaluating(models):
        of_train = gone_through(data, Pass(loader, task, layout, labelled, what="training set: " if sets else ""))
        if task == "regression":
            target = own_unit(target, of_train.y[split(split_seed, of_train.samples, held_out)] if labelled else None, of_train.offsets)
        # Sets are small and come first: what is wrong with them shows before the long part.
        for name, of_set in sets.items():
            path = None if data is None else os.path.join(os.path.dirname(os.path.abspath(data)), f"{name}.h5")
            what = f"set {name}: "
            through = gone_through(path, Pass(of_set, task, layout, name == "test", of_train.offsets, what))
            write(folders[name], what, path, through, names[:1])
        write(out, "training set: " if sets else "", data, of_train, names)


def module(path):
    """The TorchScript module of a file."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}; expected a module, written by torch.jit.save()")
    try:
        return torch.jit.load(path, map_location="cpu")
    except RuntimeError:
        raise ValueError(f"{path} is no TorchScript module; write one by torch.jit.save(torch.jit.script(model), ...)") from None


def tensors(x, y):
    """The data set of arrays in files; y: None, or a file."""
    arrays = [trb_tool.array(x, "samples")] + ([] if y is None else [trb_tool.array(y, "labels or targets")])
    shapes = [list(a.shape) for a in arrays]
    if len(shapes[0]) < 2 or shapes[-1][:1] != shapes[0][:1]:
        raise ValueError(f"{x} is {shapes[0]}" + (f" and {y} is {shapes[1]}, expected [N][...] and [N]" if y is not None else
                                                  ", expected [N][...]"))
    if y is not None and arrays[1].dtype.kind not in "biuf":
        truth(arrays[1], "regression")
    # PyTorch has no unsigned types of 16 bits and more, and no other byte order.
    for i, a in enumerate(arrays):
        if a.dtype.kind == "u" and a.dtype.itemsize > 1:
            arrays[i] = a.astype(np.int32 if a.dtype.itemsize == 2 else np.int64)
    return TensorDataset(*(torch.from_numpy(np.ascontiguousarray(a, a.dtype.newbyteorder("="))) for a in arrays))


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("--x", required=True, metavar="X.npy",
                        help="The array of samples as they are to be stored, of any type of numbers: [N][...].")
    labels_arguments(parser)
    parser.add_argument("--test", nargs=2, metavar=("X.npy", "Y.npy"),
                        help="The samples and labels of the test set, for which logits are stored too, for `tribikos eval`.")
    parser.add_argument("--set", action="append", nargs=2, metavar=("NAME", "X.npy"), default=[],
                        help="The samples of a set of eval.ood, for which logits are stored too; give it once for each set.")
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
    samples, test = tensors(a.x, a.y), a.test and tensors(*a.test)
    sets = {name: tensors(x, None) for name, x in a.set}
    models = [module(path) for path in a.models]
    write_cache(a.out, models, samples, test=test, sets=sets, data=a.data, labelled=a.y is not None, layout=a.layout,
                prepare=lambda z: z / a.scale, probabilities=a.probabilities, task=a.task, target=a.target, views=a.views,
                recipe=a.recipe, view_seed=a.view_seed, dtype=a.dtype, device=a.device, block=a.block, shard_rows=a.shard_rows,
                deflate=a.deflate)


if __name__ == "__main__":
    trb_tool.run(main)
