#!/usr/bin/env python3
"""Make the golden files of the unit tests: tests/golden/{loss,net,optim,metrics}.h5.

    python3 tools/golden_torch.py [folder]

Inputs are single precision. References are computed by PyTorch (metrics: NumPy) from them in double precision, so that
a test's tolerance has to allow for this project's rounding only. Versions are root attributes.
"""
import pathlib
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

T = 4.0


class Golden:
    """One file: contiguous data sets, texts as root attributes."""

    def __init__(self, folder, name):
        self.file = h5py.File(folder / name, "w", track_order=False)
        self.file.attrs["torch"] = str(torch.__version__)
        self.file.attrs["numpy"] = np.__version__

    def put(self, name, value):
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy()
        self.file.create_dataset(name, data=np.atleast_1d(value), track_times=False)

    def text(self, name, value):
        self.file.attrs[name] = value

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()


def kd(z, t):
    """[B][M][K] against [B][M][K]: T^2 times the mean over rows and heads."""
    z, t = (logits.reshape(-1, logits.shape[-1]) for logits in (z, t))
    return T * T * F.kl_div(F.log_softmax(z / T, -1), F.softmax(t / T, -1), reduction="batchmean")


def kd_mean(z, t):
    """[B][1][K] against the mean of [B][M][K]."""
    return T * T * F.kl_div(F.log_softmax(z[:, 0] / T, -1), F.softmax(t / T, -1).mean(1), reduction="batchmean")


def cross_entropy(z, label):
    return F.cross_entropy(z.reshape(-1, z.shape[-1]), label.repeat_interleave(z.shape[1]))


def gaussian(z, y):
    mean, log_variance = z[..., 0], z[..., 1]
    y = y[:, None].expand_as(mean)
    # eps is PyTorch's floor under the variance; the inputs stay far above it.
    return F.gaussian_nll_loss(mean, y, log_variance.exp(), full=True, eps=1e-12)


def single(*shape, scale=1.0):
    """Random numbers that are exact in single precision, held in double."""
    return (scale * torch.randn(*shape)).float().double()


def losses(folder):
    B, M, K = 7, 3, 10
    z, t = single(B, M, K, scale=3.0).requires_grad_(), single(B, M, K, scale=5.0)
    one, pair, y = single(B, 1, K, scale=3.0).requires_grad_(), single(B, M, 2).requires_grad_(), single(B)
    label = torch.randint(0, K, (B,))
    with Golden(folder, "loss.h5") as g:
        for name, value in (("z", z), ("t", t), ("one", one), ("pair", pair), ("y", y)):
            g.put(name, value.detach().float())
        g.put("label", label.int())
        g.put("softmax", F.softmax(z / T, -1))
        for name, of, value in (("ce", z, cross_entropy(z, label)), ("kd", z, kd(z, t)),
                                ("kd_mean", one, kd_mean(one, t)), ("gaussian", pair, gaussian(pair, y))):
            g.put(f"{name}/loss", value.detach())
            g.put(f"{name}/dz", torch.autograd.grad(value, of)[0])


class Net:
    """The network of a layer list, with the parameter names and shapes of a weights file."""

    def __init__(self, layers, inputs, M):
        self.layers, self.M, self.params = layers, M, {}
        width, prefix, position = inputs, "body", 0
        for item in layers.split(", "):
            if item == "split":
                prefix, position = "heads", 0
                continue
            if item.startswith("dense"):
                units = int(item.split()[1])
                heads = (M,) if prefix == "heads" else ()
                self.params[f"{prefix}.{position}.weight"] = single(*heads, units, width, scale=width**-0.5)
                self.params[f"{prefix}.{position}.bias"] = single(*heads, units, scale=0.1)
                width = units
            position += 1
        for p in self.params.values():
            p.requires_grad_()

    def __call__(self, x):
        h, prefix, position = x[:, None, :], "body", 0  # [B][copies][width]
        for item in self.layers.split(", "):
            if item == "split":
                h, prefix, position = h.expand(-1, self.M, -1), "heads", 0
                continue
            if item.startswith("dense"):
                w, b = (self.params[f"{prefix}.{position}.{kind}"] for kind in ("weight", "bias"))
                w, b = (w, b) if prefix == "heads" else (w[None], b[None])
                h = torch.stack([F.linear(h[:, m], w[m], b[m]) for m in range(h.shape[1])], 1)
            else:
                h = {"relu": torch.relu, "tanh": torch.tanh}[item](h)
            position += 1
        return h


def nets(folder):
    B, D, K = 6, 9, 4
    hydra = "dense 8, relu, split, dense 7, relu, dense 5, tanh, dense 4"
    x, t, y, label = single(B, D), single(B, 3, K, scale=5.0), single(B), torch.randint(0, K, (B,))
    cases = {
        "member": ("dense 8, relu, dense 7, relu, dense 4", 1, lambda z: cross_entropy(z, label)),
        "hydra": (hydra, 3, lambda z: kd(z, t)),
        "phase1": (hydra, 1, lambda z: kd_mean(z, t)),
        "gaussian": ("dense 8, tanh, dense 2", 1, lambda z: gaussian(z, y)),
    }
    with Golden(folder, "net.h5") as g:
        for name, value in (("x", x), ("t", t), ("y", y)):
            g.put(name, value.float())
        g.put("label", label.int())
        for name, (layers, M, loss_of) in cases.items():
            net = Net(layers, D, M)
            inputs = x.clone().requires_grad_()
            z = net(inputs)
            loss = loss_of(z)
            loss.backward()
            g.text(f"{name}.layers", layers)
            g.put(f"{name}/z", z)
            g.put(f"{name}/loss", loss)
            g.put(f"{name}/dx", inputs.grad)
            for key, p in net.params.items():
                g.put(f"{name}/param/{key}", p.detach().float())
                g.put(f"{name}/grad/{key}", p.grad)


def optimisers(folder):
    steps, lr, wd = 10, 0.05, 0.1
    weight, bias = single(4, 3), single(4)
    gradients = single(steps, 16)
    cases = {
        "sgd": lambda p: torch.optim.SGD(p, lr),
        "sgd_decay": lambda p: torch.optim.SGD(p, lr, weight_decay=wd),
        "momentum": lambda p: torch.optim.SGD(p, lr, momentum=0.9, weight_decay=wd),
        "nesterov": lambda p: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=wd),
        "adam": lambda p: torch.optim.Adam(p, lr),
        "adam_decay": lambda p: torch.optim.Adam(p, lr, weight_decay=wd),
        "adamw": lambda p: torch.optim.AdamW(p, lr, weight_decay=wd),
    }
    with Golden(folder, "optim.h5") as g:
        g.put("start", torch.cat([weight.flatten(), bias]).float())
        g.put("gradients", gradients.float())
        for name, make in cases.items():
            w, b = weight.clone().requires_grad_(), bias.clone().requires_grad_()
            optimiser = make([{"params": [w]}, {"params": [b], "weight_decay": 0.0}])
            path = []
            for row in gradients:
                w.grad, b.grad = row[:12].reshape(4, 3).clone(), row[12:].clone()
                optimiser.step()
                path.append(torch.cat([w.detach().flatten(), b.detach()]))
            g.put(f"path/{name}", torch.stack(path))

        # 30 steps of each schedule; warm-up over 5, cosine to 0 at 30, steps of 7 with gamma 0.3.
        schedule = torch.optim.lr_scheduler
        warmup = lambda o: schedule.LinearLR(o, start_factor=1 / 5, end_factor=1.0, total_iters=4)
        for name, make in {
            "step": lambda o: schedule.StepLR(o, 7, gamma=0.3),
            "cosine": lambda o: schedule.CosineAnnealingLR(o, 30),
            "warmup": warmup,
            "warmup_cosine": lambda o: schedule.SequentialLR(o, [warmup(o), schedule.CosineAnnealingLR(o, 25)], [5]),
        }.items():
            optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr)
            plan, rates = make(optimiser), []
            for _ in range(30):
                rates.append(optimiser.param_groups[0]["lr"])
                optimiser.step()
                plan.step()
            g.put(f"rate/{name}", np.array(rates))


def figures(z, label, bins):
    """The metrics by their definitions, one loop a mean. z: [N][M][K] in double."""
    N, M, _ = z.shape
    p = np.exp(z - z.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    mean = p.mean(1)
    entropy = lambda q: -(q * np.log(q)).sum(-1)
    guess, confidence = mean.argmax(-1), mean.max(-1)
    correct = guess == label
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    ece = sum(abs(correct[which == b].sum() - confidence[which == b].sum()) for b in range(bins)) / N
    kl, differ = [], []
    for i in range(M):
        for j in range(M):
            if i != j:
                kl.append((p[:, i] * np.log(p[:, i] / p[:, j])).sum(-1).mean())
                differ.append((z[:, i].argmax(-1) != z[:, j].argmax(-1)).mean())
    total, data = entropy(mean).mean(), entropy(p).mean()
    return [correct.mean(), -np.log(mean[np.arange(N), label]).mean(),
            ((mean - np.eye(z.shape[-1])[label]) ** 2).sum(-1).mean(), ece, total - data, total, data,
            np.mean(kl) if kl else 0.0, np.mean(differ) if differ else 0.0]


def metrics(folder):
    N, M, K = 90, 4, 5
    rng = np.random.default_rng(7)
    label = rng.integers(0, K, N)
    z = (rng.normal(size=(N, M, K)) + 2.0 * np.eye(K)[label][:, None] + 1.5 * rng.normal(size=(N, 1, K))).astype("f4")
    with Golden(folder, "metrics.h5") as g:
        g.put("z", z)
        g.put("label", label.astype("i4"))
        g.put("ensemble", np.array(figures(z.astype("f8"), label, 15)))
        g.put("first_head", np.array(figures(z[:, :1].astype("f8"), label, 15)))


def main():
    here = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    losses(folder)
    nets(folder)
    optimisers(folder)
    metrics(folder)


if __name__ == "__main__":
    main()
