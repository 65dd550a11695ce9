#!/usr/bin/env python3
"""Compares a run with PyTorch.

It builds torch modules from the weights files (network_torch.py) and compares:
(1) the logits of each member with the cache;
(2) the mean probabilities of the ensemble and of the students with report/predictions.h5;
(3) accuracy, NLL and model uncertainty with report/report.json.
The allowed difference follows from the precision of the run and from the type of the cached logits. If anything differs, it
says what and exits with status 1.
"""
import glob
import os
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
import trb_tool

with trb_tool.needs("torch", "h5py", "numpy"):
    import numpy as np
    import torch
    from torch import nn

    from network_torch import load, text


def records(folder, kind):
    """Pixels [rows][C*H*W] and labels of the unpacked IDX files, or CIFAR-10's, of "train" or "test"."""

    def read(name, skip, width):
        path = f"{folder}/{name}"
        if not os.path.isfile(path):
            raise FileNotFoundError(f"there is no file {path}; give the folder of the unpacked data files of the run")
        if os.path.getsize(path) <= skip or (os.path.getsize(path) - skip) % width:
            raise ValueError(f"{path} has {os.path.getsize(path)} bytes, expected {skip} and a multiple of {width}")
        return np.fromfile(path, np.uint8, offset=skip).reshape(-1, width)

    names = sorted(glob.glob("data_batch*.bin" if kind == "train" else "test_batch*.bin", root_dir=folder))
    if names:
        rows = np.concatenate([read(name, 0, 3073) for name in names])
        return rows[:, 1:], rows[:, 0].astype(np.int64)
    stem = "train" if kind == "train" else "t10k"
    return read(f"{stem}-images-idx3-ubyte", 16, 784), read(f"{stem}-labels-idx1-ubyte", 8, 1)[:, 0].astype(np.int64)


def logits(path, pixels):
    """[rows][M][K] of the network in a weights file."""
    net = load(path)
    return torch.cat([net(net.normalise(part)) for part in torch.from_numpy(pixels).split(250)])


class Comparison:
    def __init__(self, run, folder):
        self.run, self.bad = run, []
        self.members = sorted(glob.glob(f"{run}/members/m*/weights.h5"))
        if not self.members:
            raise FileNotFoundError(f"{run} has no members/m*/weights.h5; give the folder of a run with members")
        self.report = trb_tool.report(run)["models"]
        self.train, (self.test, self.label) = records(folder, "train")[0], records(folder, "test")
        with trb_tool.hdf5(self.members[0], "the folder of a run") as f:
            self.bf16 = ", bf16" in text(f.attrs.get("blas", ""))
        # Logits are sums of some hundred products of order one in float32, in another order and through several layers: 1e-4 is
        # some ten times their rounding error. bfloat16 products round both operands by at most 2^-9 of them; through 20 to 60
        # layers such errors add up like a random walk, to 0.012 to 0.021 of the logits (measured: at most 0.007 of the largest).
        # Probabilities move by at most half of what their logits do (measured: 0.023), and figures are means over rows
        # (measured: 0.0005 over 200 rows).
        self.p_allowed, self.figure_allowed = (0.05, 2e-3) if self.bf16 else (1e-5, 1e-5)

    def compare(self, what, ours, theirs, tolerance):
        ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
        if ours.shape != theirs.shape:
            raise ValueError(f"{what}: {list(ours.shape)} in the run, {list(theirs.shape)} from the data files; was the run made "
                             "from these?")
        error = float(np.max(np.abs(ours - theirs)))
        print(f"{what}: largest difference {error:.1e} (allowed {tolerance:.0e})")
        if not error <= tolerance:
            self.bad.append(what)

    def cached(self):
        with trb_tool.hdf5(f"{self.run}/cache/manifest.h5", "the folder of a run that has a cache") as f:
            if "logits" not in f:
                raise ValueError(f"{self.run}/cache holds {text(f.attrs.get('features', ''))}, expected logits; write the cache with "
                                 "cache.holds: logits")
            half = 2**-11 if f["logits"].dtype == np.float16 else 0  # half a unit in float16's last place
            share = (0.02 if self.bf16 else 0) + half
            for m, path in enumerate(self.members):
                z = logits(path, self.train)[:, 0]
                self.compare(f"member {m}: cached logits", f["logits"][0, m], z, 1e-4 + share * float(z.abs().max()))

    def figures(self, name, p):
        """p: [rows][M][K] probabilities of heads or members."""
        p = p.double()
        mean, y = p.mean(1), torch.from_numpy(self.label)
        entropy = lambda q: -(q * q.log()).sum(-1)
        report = self.report[name]
        with trb_tool.hdf5(f"{self.run}/report/predictions.h5", "the folder of a run that `tribikos eval` has evaluated") as f:
            stored = torch.from_numpy(f[name][...])
        self.compare(f"{name}: probabilities", stored, mean, self.p_allowed)
        # Of the stored ones: rounding may change which of two close probabilities is the largest.
        self.compare(f"{name}: accuracy", report["accuracy"], (stored.argmax(1) == y).double().mean(), 1e-12)
        self.compare(f"{name}: NLL", report["nll"], nn.functional.nll_loss(mean.log(), y), self.figure_allowed)
        self.compare(f"{name}: model uncertainty", report["mu"], (entropy(mean) - entropy(p).mean(1)).mean(), self.figure_allowed)


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("run", metavar="RUN", help="The folder of a run that `tribikos eval` has evaluated.")
    parser.add_argument("data", metavar="DATA", help="The folder of the unpacked files that the run was made from: train-* and "
                        "t10k-* (IDX), or data_batch*.bin and test_batch*.bin (CIFAR-10).")
    arguments = parser.parse_args()
    run = arguments.run
    of = Comparison(run, arguments.data)
    with torch.no_grad():
        of.cached()
        of.figures("ensemble", torch.stack([torch.softmax(logits(path, of.test)[:, 0].double(), -1) for path in of.members], 1))
        for path in sorted(glob.glob(f"{run}/student/*/weights.h5")):
            of.figures(path.split("/")[-2], torch.softmax(logits(path, of.test).double(), -1))
    if of.bad:
        trb_tool.fail(f"differ: {', '.join(of.bad)}")


if __name__ == "__main__":
    trb_tool.run(main)
