#!/usr/bin/env python3
"""Makes the golden files of the unit tests:
tests/golden/{loss,net,rank1,spread,optim,metrics,conv,resnet20,corrupt,dirichlet,gaussian}.h5.

Inputs are single precision. PyTorch (for metrics NumPy) computes the expected results from them in double precision. So the
tolerance of a test has to allow for this project's rounding only. Versions are root attributes.

conv.h5: convolutional networks, forward and backward. The root attribute "cases" has their names, separated by ", ". Each CASE has:

    CASE.layers, CASE.heads   root attributes: the list (a text) and M (uint64)
    CASE/x                    [B][C][H][W] float32 inputs
    CASE/param/NAME           float32, every tensor of the table by its name, running statistics before the pass among them
    CASE/z                    [B][M][K] outputs in training mode: norms by the statistics of this batch
    CASE/dz                   [B][M][K] float32, the gradient that is sent back
    CASE/dx                   its gradient by the inputs
    CASE/grad/NAME            and by every tensor; of running_mean, running_var: the batch's own mean and unbiased variance
    CASE/after/NAME           running statistics after the pass: 0.9 of those before, 0.1 of the batch's own
    CASE/eval/z, CASE/eval/dx only where there is a norm: in inference mode, by the running statistics of param/, the outputs and
                              the gradient by the inputs for the same dz

No relu and no maxpool of these passes is within MARGIN of a decision, so none falls otherwise in single precision.

resnet20.h5: three steps of SGD (learning rate 0.1, Nesterov momentum 0.9, weight decay 5e-4 on the weights of convolutions and
dense layers only), cross-entropy over a batch of 8, the same batch in every step. Root attribute "layers".

    x [8][3][16][16] float32, label [8] int32
    param/NAME                float32, initial; running statistics 0 and 1
    loss [3]                  before each step
    z [8][1][10]              outputs of the first step
    after/NAME                each tensor after the third step: whole, flattened, below 1000 elements; of a larger one 64 values,
                              number i being the element i * 1009 mod count
    moved/NAME                [1] the Euclidean length of its change over the three steps
    near/NAME                 [1] largest difference of after/NAME when PyTorch computes all of this in single precision, as a
                              measure of what rounding does to these steps

gaussian.h5: outputs (mean, log variance) z, t [B][M][2], one [B][1][2], y [B], and of each loss CASE/loss, CASE/dz as in loss.h5;
rows/z [N][M][2], rows/y [N], and the figures of rows in the order of their table, in a unit with mean and scale [2]:
figures/mixture, figures/first. Scores and quantiles of a mixture are integrals on a grid and zeros of the distribution function.
"""
import itertools
import math
import os
import pathlib
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
import trb_tool

with trb_tool.needs("torch", "h5py", "numpy"):
    import h5py
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch.distributions import Dirichlet, kl_divergence

    from network_torch import Network, resnet

T = 4.0
LABEL_WEIGHT = 0.25
LABEL_SHARE = 0.125  # of a label that is spread over all classes
SMOOTHING = 1e-4  # TRB_ENDD_SMOOTHING
MARGIN = 2e-5
SEED = 157  # where the search for that of resnet20 begins


class Golden:
    """One file: contiguous data sets (but for large parameters), texts as root attributes."""

    def __init__(self, folder, name):
        self.file = h5py.File(folder / name, "w", track_order=False)
        self.file.attrs["torch"] = str(torch.__version__)
        self.file.attrs["numpy"] = np.__version__

    def put(self, name, value):
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy()
        how = {"compression": 9, "shuffle": True} if "/param/" in f"/{name}" and value.size > 1000 else {}
        self.file.create_dataset(name, data=np.atleast_1d(value), track_times=False, **how)

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


def mixed(z, label, other, weight):
    """Mixup: each head of a row has the row's two labels."""
    own, others = (F.cross_entropy(z.reshape(-1, z.shape[-1]), y.repeat_interleave(z.shape[1]), reduction="none")
                   for y in (label, other))
    weight = weight.repeat_interleave(z.shape[1])
    return (weight * own + (1 - weight) * others).mean()


def labelled(loss, z, label):
    """Mixed with the cross entropy of rows whose label is known; weight LABEL_WEIGHT."""
    ce = F.cross_entropy(z.reshape(-1, z.shape[-1]), label.repeat_interleave(z.shape[1]), ignore_index=-1, reduction="sum")
    return (1 - LABEL_WEIGHT) * loss + LABEL_WEIGHT * ce / (z.shape[0] * z.shape[1])


def weighted(z, label, weight, smoothing=0.0, reduction="sum"):
    """One head, weights of classes and label smoothing; divided by the batch, not by the sum of its weights."""
    loss = F.cross_entropy(z[:, 0], label, weight=weight, label_smoothing=smoothing, reduction=reduction)
    return loss if reduction == "none" else loss / z.shape[0]


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
    # A row mixed with one of the same label among them, and both ends of the weights.
    other, weight = torch.cat([label[:2], label.flip(0)[2:]]), torch.linspace(0, 1, B).float().double()
    with Golden(folder, "loss.h5") as g:
        for name, value in (("z", z), ("t", t), ("one", one), ("pair", pair), ("y", y)):
            g.put(name, value.detach().float())
        g.put("label", label.int())
        g.put("other", other.int())
        g.put("weight", weight.float())
        g.put("softmax", F.softmax(z / T, -1))
        known = torch.where(torch.arange(B) % 3 == 1, -1, label)
        g.put("known", known.int())
        classes = torch.linspace(0, 2, K).float().double()  # a class without samples has weight 0
        g.put("class_weight", classes.float())
        for name, of, value in (("ce", z, cross_entropy(z, label)), ("kd", z, kd(z, t)),
                                ("ce_mixed", z, mixed(z, label, other, weight)), ("kd_mean", one, kd_mean(one, t)),
                                ("kd_labels", z, labelled(kd(z, t), z, known)),
                                ("kd_mean_labels", one, labelled(kd_mean(one, t), one, known)),
                                ("gaussian", pair, gaussian(pair, y)), ("weighted", one, weighted(one, label, classes)),
                                ("smoothed", one, weighted(one, label, None, LABEL_SHARE)),
                                ("weighted_smoothed", one, weighted(one, label, classes, LABEL_SHARE)),
                                ("weighted_mixed", one, weight @ weighted(one, label, classes, LABEL_SHARE, "none")
                                 / B + (1 - weight) @ weighted(one, other, classes, LABEL_SHARE, "none") / B)):
            g.put(f"{name}/loss", value.detach())
            g.put(f"{name}/dz", torch.autograd.grad(value, of)[0])


def network(layers, shape, M, tensor):
    """A network in double with tensors of our own. tensor: name, shape, fan-in to values."""
    with torch.random.fork_rng():  # what a module draws for itself is none of our sequence
        net = Network(layers, shape, M).double()
    heads = lambda name: name.startswith("heads.") and name not in net.shared
    net.load_tensors({name: tensor(name, p.shape, p[0].numel() // (p.shape[1] if heads(name) else 1))
                      for name, p in net.tensors().items()})
    return net


def put_nets(g, cases, x):
    for name, (layers, M, loss_of) in cases.items():
        net = network(layers, (x.shape[1], 1, 1), M, lambda name, shape, fan_in:
                      single(*shape, scale=0.1 if name.endswith("bias") else fan_in**-0.5))
        inputs = x.clone().requires_grad_()
        z = net(inputs)
        loss = loss_of(z)
        loss.backward()
        g.text(f"{name}.layers", layers)
        g.put(f"{name}/z", z)
        g.put(f"{name}/loss", loss)
        g.put(f"{name}/dx", inputs.grad)
        gradients = net.tensors(lambda p: p.grad)
        for key, p in net.tensors().items():
            g.put(f"{name}/param/{key}", p.float())
            g.put(f"{name}/grad/{key}", gradients[key])


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
        put_nets(g, cases, x)


def batch_ensembles(folder):
    """Heads of rank one. Of its own sequence, so that the other files stay as they are."""
    B, D, M, K = 6, 9, 3, 4
    torch.manual_seed(2)
    x, t, label = single(B, D), single(B, M, K, scale=5.0), torch.randint(0, K, (B,))
    cases = {
        "rank1": ("split, rank1 dense 8, relu, rank1 dense 7, tanh, rank1 dense 4", M, lambda z: kd(z, t)),
        "rank1_behind": ("dense 8, relu, split, dense 7, relu, rank1 dense 5, relu, rank1 dense 4", M, lambda z: kd(z, t)),
        "rank1_of_one": ("split, rank1 dense 8, relu, rank1 dense 4", 1, lambda z: cross_entropy(z, label)),
    }
    with Golden(folder, "rank1.h5") as g:
        for name, value in (("x", x), ("t", t)):
            g.put(name, value.float())
        g.put("label", label.int())
        put_nets(g, cases, x)


def spread_heads(folder):
    """Heads spread around their mean: behind the last layer, between layers, before a relu, twice, and of one head."""
    B, D, M, K = 6, 9, 3, 4
    torch.manual_seed(3)
    x, t, label = single(B, D), single(B, M, K, scale=5.0), torch.randint(0, K, (B,))
    between = "dense 8, relu, split, dense 70, spread 0.4, relu, dense 5, spread 2.5, tanh, dense 4, spread 1.7"
    cases = {
        "last": ("dense 8, relu, split, dense 7, relu, dense 4, spread 1.7", M, lambda z: kd(z, t)),
        "between": (between, M, lambda z: kd(z, t)),
        "of_one": (between, 1, lambda z: cross_entropy(z, label)),
        "rank1": ("split, rank1 dense 8, relu, spread 3, rank1 dense 4, spread 0.5", M, lambda z: kd(z, t)),
    }
    with Golden(folder, "spread.h5") as g:
        for name, value in (("x", x), ("t", t)):
            g.put(name, value.float())
        g.put("label", label.int())
        put_nets(g, cases, x)


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


def tempered(p, T):
    q = p**(1 / T)
    return q / q.sum(-1, keepdims=True)


def fit_temperature(p, label):
    """Golden-section search over log T for the least negative log-likelihood."""
    nll = lambda s: -np.log(tempered(p, np.exp(s))[np.arange(len(p)), label]).mean()
    low, high, ratio = np.log(0.01), np.log(100), (5**0.5 - 1) / 2
    while high - low > 1e-10:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if nll(a) < nll(b) else (a, high)
    return np.exp((low + high) / 2)


def calibrated(p, label, T, bins):
    """NLL, Brier score and calibration error at a temperature."""
    nll, brier, ece = figures(np.log(tempered(p, T))[:, None], label, bins)[1:4]
    return [nll, brier, ece]


def adaptive_ece(p, label, bins):
    n = len(p)
    order = np.argsort(-p.max(-1), kind="stable")
    gap = (p.argmax(-1) == label).astype(float) - p.max(-1)
    return sum(abs(gap[order[b * n // bins:(b + 1) * n // bins]].sum()) for b in range(bins)) / n


def detection(inside, outside):
    """AUROC, average precision and false positives at 95 % true ones by their definitions, over all pairs and thresholds."""
    auroc = np.mean([(o > i) + 0.5 * (o == i) for o in outside for i in inside])
    aupr = recall = 0.0
    fpr95 = 1.0
    for t in sorted(set(inside) | set(outside), reverse=True):
        true, false = (outside >= t).sum(), (inside >= t).sum()
        aupr += (true / len(outside) - recall) * true / (true + false)
        recall = true / len(outside)
        if recall >= 0.95:
            fpr95 = min(fpr95, false / len(inside))
    return [auroc, aupr, fpr95]


def ranks(x):
    return np.array([(x < v).sum() + 0.5 * ((x == v).sum() - 1) for v in x])


def metrics(folder):
    N, M, K = 90, 4, 5
    rng = np.random.default_rng(7)
    label = rng.integers(0, K, N)
    z = (rng.normal(size=(N, M, K)) + 2.0 * np.eye(K)[label][:, None] + 1.5 * rng.normal(size=(N, 1, K))).astype("f4")
    heads = (z + rng.normal(size=z.shape)).astype("f4")
    t, s = torch.tensor(z).double(), torch.tensor(heads).double()
    mean = F.softmax(t, -1).mean(1).numpy()
    sure = (3 * z[:, 0]).astype("f4")  # too sure of itself
    p = F.softmax(torch.tensor(sure).double(), -1).numpy()
    T = fit_temperature(p[:45], label[:45])
    # Few different scores, so that most have equals; and scores without any.
    coarse_in, coarse_out = rng.integers(0, 9, 60) / 8, rng.integers(2, 12, 47) / 8
    fine_in, fine_out = rng.normal(size=60), rng.normal(size=47) + 1
    with Golden(folder, "metrics.h5") as g:
        g.put("z", z)
        g.put("label", label.astype("i4"))
        g.put("ensemble", np.array(figures(z.astype("f8"), label, 15)))
        g.put("first_head", np.array(figures(z[:, :1].astype("f8"), label, 15)))
        g.put("heads", heads)
        g.put("fidelity", F.kl_div(F.log_softmax(s, -1), F.log_softmax(t, -1), log_target=True, reduction="sum") / (N * M))
        g.put("sure", sure)
        g.put("temperature", np.array(T))
        g.put("calibrated", np.array(calibrated(p[45:], label[45:], T, 15)))
        g.put("adaptive_ece", np.array([adaptive_ece(mean, label, bins) for bins in (15, 7)]))
        for name, inside, outside in (("coarse", coarse_in, coarse_out), ("fine", fine_in, fine_out)):
            g.put(f"{name}/in", inside)
            g.put(f"{name}/out", outside)
            g.put(f"{name}/detection", np.array(detection(inside, outside)))
            x, y = inside[:47], outside
            g.put(f"{name}/correlation", np.array([np.corrcoef(x, y)[0, 1], np.corrcoef(ranks(x), ranks(y))[0, 1]]))


def blurred(x, sigma):
    """Gaussian, borders repeated. x: [N][C][H][W] in double."""
    radius = int(4 * sigma + 0.5)
    k = torch.exp(-0.5 * (torch.arange(-radius, radius + 1).double() / sigma)**2)
    k = torch.outer(k, k) / k.sum()**2
    return F.conv2d(F.pad(x, [radius] * 4, mode="replicate"), k.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def rotated(x, degrees):
    """Counter-clockwise, bilinear, 0 outside: PyTorch's own sampling, which counts places from -1 to 1 along each side."""
    H, W = x.shape[2:]
    angle = math.radians(degrees)
    down, right = torch.meshgrid(torch.arange(H).double() - (H - 1) / 2, torch.arange(W).double() - (W - 1) / 2, indexing="ij")
    place = torch.stack([(math.cos(angle) * right - math.sin(angle) * down) * 2 / (W - 1),
                         (math.sin(angle) * right + math.cos(angle) * down) * 2 / (H - 1)], -1)
    return F.grid_sample(x, place.expand(len(x), -1, -1, -1), align_corners=True)


def corruptions(folder):
    """corrupt.h5: x [3][2][12][10] bytes; NAME [5][3][2][12][10] in [0, 1], by strength."""
    pixels = np.random.default_rng(5).integers(0, 256, (3, 2, 12, 10)).astype("u1")
    pixels[2, :, :, :6] //= 8  # dark on one side
    x = torch.tensor(pixels).double() / 255
    mean = x.mean((2, 3), keepdim=True)
    with Golden(folder, "corrupt.h5") as g:
        g.put("x", pixels)
        g.put("blur", torch.stack([blurred(x, s) for s in (0.4, 0.6, 0.7, 0.8, 1.0)]))
        g.put("contrast", torch.stack([((x - mean) * c + mean).clamp(0, 1) for c in (0.75, 0.5, 0.4, 0.3, 0.15)]))
        g.put("rotation", torch.stack([rotated(x, 15 * s) for s in range(1, 6)]))
        g.put("shift", torch.stack([x.roll(round(2 * s / 28 * 10), -1) for s in range(1, 6)]))


def least_margin(net):
    """A function of the next passes: how near any relu or maxpool comes to another decision."""
    margin = [np.inf]

    def relu(module, inputs, _):
        margin.append(float(inputs[0].detach().abs().min()))

    def maxpool(module, inputs, _):
        # The padding of a maximum never wins. A tie of zeros from a relu is none: both have no gradient.
        k, s, p = module.kernel_size, module.stride, module.padding
        x = F.pad(inputs[0].detach(), (p, p, p, p), value=-np.inf).unfold(2, k, s).unfold(3, k, s).flatten(4)
        top = x.topk(2).values
        gap = (top[..., 0] - top[..., 1])[top[..., 0] != 0]
        margin.append(float(gap.min()))

    for module in net.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(relu)
        if isinstance(module, torch.nn.MaxPool2d):
            module.register_forward_hook(maxpool)
    return lambda: min(margin)


def coarse(values, unit):
    """Multiples of a unit: few significant bits, so that a file packs well."""
    return unit * torch.round(values / unit)


def weights(shape, fan_in):
    """Of He's deviation, coarse."""
    deviation = (2 / fan_in)**0.5
    return coarse(deviation * torch.randn(*shape), 2.0**(math.floor(math.log2(deviation)) - 5))


def conv_tensor(name, shape, fan_in):
    kind = name.split(".")[-1]
    if kind == "weight" and fan_in == 1:  # the scale of a norm
        return 1 + single(*shape, scale=0.2)
    if kind == "weight":
        return weights(shape, fan_in).double()
    if kind == "running_var":
        return (0.5 + torch.rand(*shape)).float().double()
    if kind in ("r", "s"):
        return 1 + single(*shape, scale=0.5)
    return single(*shape, scale=0.3 if kind == "running_mean" else 0.1)


def conv_case(layers, shape, M, B):
    """The data sets of a case by name; None if a decision is too near."""
    net = network(layers, shape, M, conv_tensor)
    margin = least_margin(net)
    x = single(B, *shape).requires_grad_()
    data = {f"param/{name}": p.float() for name, p in net.tensors().items()}
    z = net.eval()(x)
    dz = single(*z.shape)
    data.update({"x": x.detach().float(), "dz": dz.float()})
    if "norm" in layers:
        data.update({"eval/z": z, "eval/dx": torch.autograd.grad(z, x, dz)[0]})
    z = net.train()(x)
    z.backward(dz)
    data.update({"z": z, "dx": x.grad})
    for name, value in net.tensors(lambda p: p.grad if p.requires_grad else p).items():
        if "running" in name:
            data[f"after/{name}"] = value
            value = (value - 0.9 * data[f"param/{name}"].double()) / 0.1
        data[f"grad/{name}"] = value
    return data if margin() > MARGIN else None


def convolutions(folder):
    block = lambda n: f"fork, conv {n} 3 pad 1, norm, relu, conv {n} 3 pad 1, norm, add, relu"
    project = lambda n: (f"fork, conv {n} 3 stride 2 pad 1, norm, relu, conv {n} 3 pad 1, norm, "
                         f"shortcut, conv {n} 1 stride 2, norm, add, relu")
    stem = lambda n: f"conv {n} 3 pad 1, norm, relu"
    rank1 = lambda layers: layers.replace("conv", "rank1 conv")
    cases = {
        "conv3x3": ("conv 16 3 pad 1, dense 2", (3, 5, 4), 1),
        "conv3x3_stride2": ("conv 16 3 pad 1, conv 20 3 stride 2 pad 1, dense 2", (3, 7, 5), 1),
        "conv5x5_bias": ("conv 6 5 pad 2 bias, relu, conv 5 5 bias, dense 2", (1, 8, 9), 1),
        "conv1x1_stride2": ("conv 16 1, conv 32 1 stride 2, dense 2", (5, 5, 4), 1),
        "conv_odd": ("conv 5 3 pad 1, conv 7 3, dense 2", (3, 5, 4), 1),
        "norm": ("conv 16 3 pad 1, norm, conv 7 3 pad 1, norm, relu, dense 2", (3, 4, 5), 1),
        "norm_first": ("norm, conv 5 3 pad 1, relu, dense 2", (3, 4, 5), 1),
        "norm_dense": ("dense 8, norm, relu, dense 2", (9, 1, 1), 1),
        "maxpool": ("conv 16 3 pad 1, norm, relu, maxpool 3 stride 2 pad 1, dense 2", (3, 7, 5), 1),
        "avgpool": ("conv 16 3 pad 1, norm, relu, avgpool 3 stride 2 pad 1, dense 2", (3, 7, 5), 1),
        "pools_first": ("maxpool 3 stride 2, avgpool 2 stride 1, conv 5 1, dense 2", (3, 9, 8), 1),
        "globalpool": ("conv 16 3 pad 1, relu, globalpool, dense 2", (3, 5, 4), 1),
        "block_identity": (f"{stem(8)}, {block(8)}, globalpool, dense 4", (3, 5, 4), 1),
        "block_projection": (f"{stem(8)}, {project(16)}, globalpool, dense 4", (3, 5, 4), 1),
        "block_of_input": ("fork, conv 3 3 pad 1, norm, relu, add, relu, dense 2", (3, 4, 5), 1),
        "preactivated": ("conv 8 3 pad 1, fork, norm, relu, conv 8 3 pad 1, norm, relu, conv 8 3 pad 1, add, norm, relu, "
                         "fork, conv 12 3 stride 2 pad 1, norm, relu, conv 12 3 pad 1, shortcut, conv 12 1 stride 2, add, "
                         "norm, relu, globalpool, dense 4", (3, 5, 4), 1),
        "lenet5": ("name conv1, conv 6 5 pad 2 bias, relu, maxpool 2, name conv2, conv 16 5 bias, relu, maxpool 2, name fc1, "
                   "dense 12, relu, name fc2, dense 11, relu, name fc3, dense 10", (1, 12, 12), 1),
        "hydra_identity": (f"{stem(16)}, split, {block(16)}, globalpool, dense 4", (3, 5, 4), 3),
        "hydra_projection": (f"name stem, {stem(8)}, split, name stage3.block1, {project(12)}, name pool, globalpool, "
                             "name fc, dense 4", (3, 5, 4), 3),
        "hydra_stage": (f"name stem, {stem(6)}, split, name stage3.block1, {block(6)}, name stage3.block2, {block(6)}, "
                        "name pool, globalpool, name fc, dense 4", (3, 5, 4), 2),
        "hydra_norm": ("conv 16 3 pad 1, split, norm, relu, conv 4 3 pad 1, norm, relu, globalpool, dense 4", (3, 4, 5), 3),
        "hydra_pool": ("conv 5 3 pad 1, split, relu, avgpool 2, conv 7 3 pad 1 bias, relu, maxpool 2, dense 4", (3, 8, 9), 3),
        "hydra_dense": (f"name stem, {stem(16)}, name pool, globalpool, split, name fc, dense 4", (3, 5, 4), 3),
        "rank1": (f"split, {rank1(stem(16))}, {rank1(block(16))}, globalpool, rank1 dense 4", (3, 5, 4), 3),
        "rank1_odd": ("split, rank1 conv 5 3 pad 1 bias, relu, maxpool 2, rank1 conv 7 3 bias, relu, rank1 dense 5, relu, "
                      "rank1 dense 4", (2, 8, 9), 2),
        "rank1_behind": (f"name stem, {stem(6)}, split, name stage3, {rank1(project(16))}, name pool, globalpool, name fc, "
                         "dense 4", (3, 5, 4), 3),
    }
    with Golden(folder, "conv.h5") as g:
        g.text("cases", ", ".join(cases))
        for case, (layers, shape, M) in cases.items():
            data = None
            while data is None:
                data = conv_case(layers, shape, M, 6 if case == "norm_dense" else 3)
            g.text(f"{case}.layers", layers)
            g.text(f"{case}.heads", np.uint64(M))
            for name, value in data.items():
                g.put(f"{case}/{name}", value)


def three_steps(start, x, label):
    """Losses, first outputs, final tensors and what every relu was given, in the precision of x."""
    net = Network(resnet(20, 10), x.shape[1:]).to(x.dtype)
    net.load_tensors(start)
    decisions, losses, first = [], [], None
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(lambda module, inputs, _: decisions.append(inputs[0].detach().double()))
    weights = [m.weight for m in net.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    others = [p for p in net.parameters() if all(p is not w for w in weights)]
    optimiser = torch.optim.SGD([{"params": weights, "weight_decay": 5e-4}, {"params": others}], lr=0.1, momentum=0.9,
                                nesterov=True)
    for _ in range(3):
        z = net(x)
        first = z.detach() if first is None else first
        loss = cross_entropy(z, label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return np.array(losses), first, {name: p.double() for name, p in net.tensors().items()}, decisions


def resnet20_start(seed):
    torch.manual_seed(seed)
    start = Network(resnet(20, 10), (3, 16, 16)).tensors()
    for name, p in start.items():
        if name.endswith("weight") and p.ndim > 1:
            start[name] = weights(p.shape, p[0].numel())
        elif name.endswith("bias"):
            start[name] = torch.zeros(*p.shape)
    return start, coarse(torch.randn(8, 3, 16, 16), 2.0**-5), torch.randint(0, 10, (8,))


def resnet20(folder):
    # One relu of a million that falls otherwise moves the final weights by percents, all roundings without it by 1e-5: a seed is
    # wanted with which no relu comes as near to 0 as twice what single precision does to its layer at most.
    for seed in itertools.count(SEED):
        start, x, label = resnet20_start(seed)
        losses, z, after, decisions = three_steps(start, x.double(), label)
        _, _, rounded, moved = three_steps(start, x, label)
        if all(d.abs().min() > 2 * (d - e).abs().max() for d, e in zip(decisions, moved)):
            break
    print(f"resnet20: seed {seed}")
    sampled = lambda p: p.flatten() if p.numel() < 1000 else p.flatten()[torch.arange(64) * 1009 % p.numel()]
    with Golden(folder, "resnet20.h5") as g:
        g.text("layers", resnet(20, 10))
        g.put("x", x)
        for name, value in (("label", label.int()), ("loss", losses), ("z", z)):
            g.put(name, value)
        for name, p in start.items():
            g.put(f"param/{name}", p)
            g.put(f"after/{name}", sampled(after[name]))
            g.put(f"moved/{name}", (after[name] - p).norm())
            g.put(f"near/{name}", (sampled(after[name]) - sampled(rounded[name])).abs().max())


def spread(z):
    """Mean and mean logarithm of the members' probabilities, [B][M][K] to [B][K] each."""
    return F.softmax(z, -1).mean(1), F.log_softmax(z, -1).mean(1)


def endd(z, t, T):
    """Negative log-likelihood of the members' tempered and smoothed probabilities under Dir(exp(z / T))."""
    p = (1 - SMOOTHING) * F.softmax(t / T, -1) + SMOOTHING / t.shape[-1]
    p = p / p.sum(-1, keepdim=True)
    return -Dirichlet((z / T).exp()[:, None]).log_prob(p).mean()


def proxy_endd(z, t):
    """Reverse KL to the proxy over its precision, without what does not depend on z. Rows whose members are one: the limit."""
    pi, q = spread(t)
    K = t.shape[-1]
    inverse = (2 / (K - 1) * (pi * (pi.log() - q)).sum(-1)).clamp(min=0)
    alpha = z.exp() + 1
    limit = torch.digamma(alpha.sum(-1)) - (pi * torch.digamma(alpha)).sum(-1)
    precision = 1 / torch.where(inverse > 1e-12, inverse, torch.ones_like(inverse))
    beta = pi * precision[:, None] + 1
    constant = torch.lgamma(beta).sum(-1) - torch.lgamma(beta.sum(-1)) + math.lgamma(K)
    kl = (kl_divergence(Dirichlet(alpha), Dirichlet(beta)) - constant) / precision
    return torch.where(inverse > 1e-12, kl, limit).mean()


def dirichlet(folder):
    B, M, K = 7, 3, 10
    z, t = single(B, K, scale=3.0).requires_grad_(), single(B, M, K, scale=5.0)
    t[0] = t[0, :1]  # members that agree exactly
    t[1] = (t[1, :1] + 0.01 * t[1]).float().double()  # and nearly
    with Golden(folder, "dirichlet.h5") as g:
        x = torch.cat([torch.logspace(-12, 12, 97).double(), torch.linspace(1.4, 1.5, 11).double(),
                       torch.arange(1, 21).double() / 2])
        g.put("gamma/x", x)
        # PyTorch's polygamma(1) is right to 1e-9 only.
        for name, value in (("digamma", torch.digamma(x)), ("trigamma", torch.special.zeta(2, x)), ("log_gamma", torch.lgamma(x))):
            g.put(f"gamma/{name}", value)
        g.put("z", z.detach().float())
        g.put("t", t.float())
        for name, T in (("endd", 1.0), ("endd_tempered", 2.5)):
            loss = endd(z, t, T)
            p = (1 - SMOOTHING) * F.softmax(t / T, -1) + SMOOTHING / K
            g.put(f"{name}/s", p.log().mean(1))
            g.put(f"{name}/loss", loss)
            g.put(f"{name}/dz", torch.autograd.grad(loss, z)[0])
        loss = proxy_endd(z, t)
        g.put("proxy_endd/s", torch.stack(spread(t), 1))
        g.put("proxy_endd/loss", loss)
        g.put("proxy_endd/dz", torch.autograd.grad(loss, z)[0])
        for name, plus in (("exp", 0), ("exp_plus_1", 1)):
            alpha = z.detach().exp() + plus
            p, alpha0 = alpha / alpha.sum(-1, keepdim=True), alpha.sum(-1, keepdim=True)
            g.put(f"{name}/p", p)
            g.put(f"{name}/total", -(p * p.log()).sum(-1))
            g.put(f"{name}/data", -(p * (torch.digamma(alpha + 1) - torch.digamma(alpha0 + 1))).sum(-1))


def grouped(log_p, classes):
    """[B][K] log-probabilities or logits, [B][k] classes: those of the classes, and of all others together."""
    rest = torch.ones_like(log_p, dtype=torch.bool).scatter(1, classes, False)
    tail = log_p.masked_fill(~rest, -math.inf)
    return torch.cat([log_p.gather(1, classes), torch.logsumexp(tail, -1, keepdim=True)], -1) if rest.any() else log_p.gather(1, classes)


def top_kd(z, t, k):
    """[B][M or 1][K] against the k most probable classes of [B][M][K] and their tail: T^2 times the mean over rows and members."""
    loss = 0
    for m in range(t.shape[1]):
        classes = t[:, m].sort(dim=-1, descending=True, stable=True)[1][:, :k]
        u, p = (grouped(F.log_softmax(x, -1), classes) / T for x in (z[:, m % z.shape[1]], t[:, m]))
        loss = loss + T * T * F.kl_div(F.log_softmax(u, -1), F.softmax(p, -1), reduction="batchmean") / t.shape[1]
    return loss


def most_probable(folder):
    B, M, K = 7, 3, 10
    z, one, t = single(B, M, K, scale=3.0).requires_grad_(), single(B, 1, K, scale=3.0).requires_grad_(), single(B, M, K, scale=5.0)
    t[0, 0, 3] = t[0, 0, 7] = t[0, 0].max()  # equal ones
    with Golden(folder, "top.h5") as g:
        for name, value in (("z", z), ("t", t), ("one", one)):
            g.put(name, value.detach().float())
        for k in (1, 4, 9, 10):
            classes = t.sort(dim=-1, descending=True, stable=True)[1][..., :k]
            log_p = torch.stack([grouped(F.log_softmax(t[:, m], -1), classes[:, m]) for m in range(M)], 1)
            g.put(f"{k}/row", torch.cat([log_p, classes.double()], -1))
            for name, of in (("each", z), ("one", one)):
                loss = top_kd(of, t, k)
                g.put(f"{k}/{name}/loss", loss.detach())
                g.put(f"{k}/{name}/dz", torch.autograd.grad(loss, of)[0])


def gaussian_kl(z, t):
    """[B][M][2] against [B][M][2]: mean over rows and heads, by torch's own divergence."""
    normal = lambda outputs: torch.distributions.Normal(outputs[..., 0], (0.5 * outputs[..., 1]).exp())
    return torch.distributions.kl_divergence(normal(t), normal(z)).mean()


def moment_kl(z, t):
    """[B][1][2] against the Gaussian that has mean and variance of the members' mixture."""
    mean = t[..., 0].mean(1, keepdim=True)
    variance = (t[..., 1].exp() + t[..., 0]**2).mean(1, keepdim=True) - mean**2
    return gaussian_kl(z, torch.stack([mean, variance.log()], -1))


def gaussian_figures(z, y, mean, scale):
    """The metrics of mixtures by their definitions. z: [N][M][2] in double, y in the target's unit."""
    mu, deviation = mean + scale * z[..., 0], scale * np.exp(0.5 * z[..., 1])
    phi = lambda u: np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)
    Phi = np.vectorize(lambda u: 0.5 * math.erfc(-u / math.sqrt(2)))
    middle, data = mu.mean(1), (deviation**2).mean(1)
    variance = (deviation**2 + mu**2).mean(1) - middle**2
    score, covered, width = [], [], []
    for i in range(len(y)):
        F = lambda x: Phi((np.atleast_1d(x)[:, None] - mu[i]) / deviation[i]).mean(1)
        low, high = (mu[i] - 40 * deviation[i]).min(), (mu[i] + 40 * deviation[i]).max()
        total = 0.0
        for a, b, step in ((min(low, y[i]), y[i], 0.0), (y[i], max(high, y[i]), 1.0)):  # Gauss and Legendre's rule, on pieces
            x, w = np.polynomial.legendre.leggauss(20)
            edges = np.linspace(a, b, 401)
            half = np.diff(edges)[:, None] / 2
            total += ((F((edges[:-1, None] + half * (1 + x)).ravel()) - step).reshape(-1, 20)**2 * w * half).sum()
        score.append(total)
        ends = []
        for share in (0.025, 0.975):  # Newton's method from inside
            x = middle[i]
            for _ in range(200):
                slope = (phi((x - mu[i]) / deviation[i]) / deviation[i]).mean()
                x += np.clip((share - F(x)[0]) / max(slope, 1e-300), -deviation[i].min(), deviation[i].min())
            assert abs(F(x)[0] - share) < 1e-14
            ends.append(x)
        covered.append(ends[0] <= y[i] <= ends[1])
        width.append(ends[1] - ends[0])
    density = (phi((y[:, None] - mu) / deviation) / deviation).mean(1)
    return [math.sqrt(((middle - y)**2).mean()), -np.log(density).mean(),
            (0.5 * np.log(2 * math.pi * variance) + (y - middle)**2 / (2 * variance)).mean(), np.mean(score),
            np.mean(covered), np.mean(width), mu.var(1).mean(), data.mean()]


def gaussians(folder):
    B, N, M = 7, 40, 3
    z, t, one, y = single(B, M, 2).requires_grad_(), single(B, M, 2), single(B, 1, 2).requires_grad_(), single(B)
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(N, M, 2)).astype("f4")
    rows[..., 1] -= 1
    unit = np.array([22.5, 9.25])
    target = (unit[0] + unit[1] * (rows[:, 0, 0] + 1.5 * rng.normal(size=N))).astype("f4")
    with Golden(folder, "gaussian.h5") as g:
        for name, value in (("z", z), ("t", t), ("one", one), ("y", y)):
            g.put(name, value.detach().float())
        for name, of, value in (("nll", z, gaussian(z, y)), ("kl", z, gaussian_kl(z, t)), ("moments", one, moment_kl(one, t)),
                                ("mean_kl", one, gaussian_kl(one.expand(B, M, 2), t))):
            g.put(f"{name}/loss", value.detach())
            g.put(f"{name}/dz", torch.autograd.grad(value, of)[0])
        g.put("rows/z", rows)
        g.put("rows/y", target)
        g.put("unit", unit)
        g.put("figures/mixture", np.array(gaussian_figures(rows.astype("f8"), target.astype("f8"), *unit)))
        g.put("figures/first", np.array(gaussian_figures(rows[:, :1].astype("f8"), target.astype("f8"), *unit)))


def main():
    here = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=pathlib.Path, default=here,
                        help="The folder that the files are written into; by default tests/golden itself.")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    losses(folder)
    nets(folder)
    optimisers(folder)
    metrics(folder)
    corruptions(folder)
    convolutions(folder)
    resnet20(folder)
    batch_ensembles(folder)
    torch.manual_seed(2)
    dirichlet(folder)
    torch.manual_seed(3)
    gaussians(folder)
    spread_heads(folder)
    torch.manual_seed(4)
    most_probable(folder)


if __name__ == "__main__":
    trb_tool.run(main)
