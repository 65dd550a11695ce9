"""Check a run with PyTorch: check_torch.py RUN DATA_FOLDER.

Reads the weights with h5py, builds torch modules from the stored layer lists, and compares (1) each member's logits with the
cache, (2) the mean probabilities of ensemble and students with report/predictions.h5, (3) accuracy and NLL with
report/report.json. DATA_FOLDER holds the unpacked IDX files train-* and t10k-* that the run was made from. Exits 1 and says what differs if anything does."""
import glob
import json
import os
import sys

import h5py
import numpy as np
import torch
from torch import nn

run, folder = sys.argv[1:3]


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


class Heads(nn.Module):
    """A dense layer of all heads: [rows][in] or [rows][M][in] to [rows][M][out]."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x):
        if x.ndim == 2:
            x = x.unsqueeze(1).expand(-1, self.weight.shape[0], -1)
        return torch.einsum("bmi,moi->bmo", x, self.weight) + self.bias


def load(path):
    """A torch module from a weights file: its outputs are [rows][M][K]."""
    modules, part, at = [], "body", 0
    with h5py.File(path) as f:
        tensors = {}
        f.visititems(lambda name, d: tensors.__setitem__(name.replace("/", "."), torch.from_numpy(d[...])))
        for item in text(f.attrs["layers"]).split(", "):
            word, _, number = item.partition(" ")
            if word == "split":
                part, at = "heads", 0
                continue
            if word == "dense":
                weight, bias = tensors[f"{part}.{at}.weight"], tensors[f"{part}.{at}.bias"]
                if part == "body":
                    layer = nn.Linear(weight.shape[1], weight.shape[0])
                    layer.load_state_dict({"weight": weight, "bias": bias})
                else:
                    layer = Heads(weight, bias)
            else:
                layer = {"relu": nn.ReLU(), "tanh": nn.Tanh(), "dropout": nn.Identity()}[word]
            modules.append(layer)
            at += 1
    net = nn.Sequential(*modules).eval()
    return lambda x: net(x) if net(x[:1]).ndim == 3 else net(x).unsqueeze(1)


def idx(name, header):
    with open(os.path.join(folder, name), "rb") as f:
        return np.frombuffer(f.read()[header:], dtype=np.uint8)


def images(name, weights):
    """Rows as a network gets them: (value - mean) * scale, the constants stored beside the weights."""
    with h5py.File(weights) as f:
        mean, scale = f["input.mean"][...], f["input.scale"][...]
    x = idx(name, 16).reshape(-1, mean.size, 784 // mean.size).astype(np.float32)
    return torch.from_numpy(((x - mean[:, None]) * scale[:, None]).reshape(len(x), -1))


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
    compare(f"{name}: probabilities", h5py.File(f"{run}/report/predictions.h5")[name][...], mean, 1e-5)
    compare(f"{name}: accuracy", report["accuracy"], (mean.argmax(1) == y).double().mean(), 1e-12)
    compare(f"{name}: NLL", report["nll"], nn.functional.nll_loss(mean.log(), y), 1e-5)
    compare(f"{name}: model uncertainty", report["mu"], (entropy(mean) - entropy(p).mean(1)).mean(), 1e-5)


# Logits are sums of up to 784 products of order one in float32, in another order: 1e-4 is some ten times their rounding error.
label = idx("t10k-labels-idx1-ubyte", 8).astype(np.int64)
members = sorted(glob.glob(f"{run}/members/m*/weights.h5"))
with torch.no_grad():
    with h5py.File(f"{run}/cache/manifest.h5") as f:
        for m, path in enumerate(members):
            logits = load(path)(images("train-images-idx3-ubyte", path))[:, 0]
            compare(f"member {m}: cached logits", f["logits"][0, m], logits, 1e-4)
    p = [torch.softmax(load(path)(images("t10k-images-idx3-ubyte", path))[:, 0].double(), -1) for path in members]
    figures("ensemble", torch.stack(p, 1))
    for path in sorted(glob.glob(f"{run}/student/*/weights.h5")):
        z = load(path)(images("t10k-images-idx3-ubyte", path))
        figures(path.split("/")[-2], torch.softmax(z.double(), -1))
sys.exit(f"differ: {', '.join(bad)}" if bad else 0)
