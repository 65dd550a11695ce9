#!/usr/bin/env python3
"""Check a run with PyTorch: check_torch.py RUN DATA_FOLDER.

Builds torch modules from the weights files (network_torch.py) and compares (1) each member's logits with the cache, (2) the mean
probabilities of ensemble and students with report/predictions.h5, (3) accuracy, NLL and model uncertainty with
report/report.json; what is allowed follows from the run's precision and the cache's dtype. DATA_FOLDER holds the unpacked files
that the run was made from: train-* and t10k-* (IDX), or data_batch*.bin and test_batch*.bin (CIFAR-10). Exits 1 and says what
differs if anything does."""
import argparse
import glob
import json
import os
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
try:
    import h5py
    import numpy as np
    import torch
    from torch import nn

    from network_torch import load, text
except ImportError as missing:
    sys.exit(f"check_torch.py: {missing}; install the packages python3-torch, python3-h5py and python3-numpy")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run", help="folder of the run")
parser.add_argument("data", help="folder of its unpacked data files")
arguments = parser.parse_args()
run, folder = arguments.run, arguments.data
if not glob.glob(f"{run}/members/m*/weights.h5") or not os.path.exists(f"{run}/report/report.json"):
    sys.exit(f"check_torch.py: {run} has no members or no report; is it the folder of a run that `tribikos eval` has been through?")


def records(kind):
    """Pixels [rows][C*H*W] and labels of the unpacked IDX files, or CIFAR-10's, of "train" or "test"."""
    read = lambda name, skip, width: np.fromfile(f"{folder}/{name}", np.uint8, offset=skip).reshape(-1, width)
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


bad = []


def compare(what, ours, theirs, tolerance):
    error = float(np.max(np.abs(np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64))))
    print(f"{what}: largest difference {error:.1e} (allowed {tolerance:.0e})")
    if not error <= tolerance:
        bad.append(what)


def figures(name, p):
    """p: [rows][M][K] probabilities of heads or members."""
    p = p.double()
    mean, y = p.mean(1), torch.from_numpy(label)
    entropy = lambda q: -(q * q.log()).sum(-1)
    report = json.load(open(f"{run}/report/report.json"))["models"][name]
    stored = torch.from_numpy(h5py.File(f"{run}/report/predictions.h5")[name][...])
    compare(f"{name}: probabilities", stored, mean, P_ALLOWED)
    # Of the stored ones: rounding may change which of two close probabilities is the largest.
    compare(f"{name}: accuracy", report["accuracy"], (stored.argmax(1) == y).double().mean(), 1e-12)
    compare(f"{name}: NLL", report["nll"], nn.functional.nll_loss(mean.log(), y), FIGURE_ALLOWED)
    compare(f"{name}: model uncertainty", report["mu"], (entropy(mean) - entropy(p).mean(1)).mean(), FIGURE_ALLOWED)


train, test = records("train")[0], records("test")
label = test[1]
members = sorted(glob.glob(f"{run}/members/m*/weights.h5"))
bf16 = ", bf16" in text(h5py.File(members[0]).attrs["blas"])
# Logits are sums of some hundred products of order one in float32, in another order and through several layers: 1e-4 is some ten
# times their rounding error. bfloat16 products round both operands by at most 2^-9 of them; through 20 to 60 layers such errors
# add up like a random walk, to 0.012 to 0.021 of the logits (measured: at most 0.007 of the largest). Probabilities move by at
# most half of what their logits do (measured: 0.023), and figures are means over rows (measured: 0.0005 over 200 rows).
P_ALLOWED, FIGURE_ALLOWED = (0.05, 2e-3) if bf16 else (1e-5, 1e-5)
with torch.no_grad():
    with h5py.File(f"{run}/cache/manifest.h5") as f:
        share = (0.02 if bf16 else 0) + (2**-11 if f["logits"].dtype == np.float16 else 0)  # half a unit in float16's last place
        for m, path in enumerate(members):
            z = logits(path, train)[:, 0]
            compare(f"member {m}: cached logits", f["logits"][0, m], z, 1e-4 + share * float(z.abs().max()))
    p = [torch.softmax(logits(path, test[0])[:, 0].double(), -1) for path in members]
    figures("ensemble", torch.stack(p, 1))
    for path in sorted(glob.glob(f"{run}/student/*/weights.h5")):
        figures(path.split("/")[-2], torch.softmax(logits(path, test[0]).double(), -1))
sys.exit(f"differ: {', '.join(bad)}" if bad else 0)
