#!/usr/bin/env python3
"""Makes a PyTorch module of a member, of a student, or of a list of layers of your own.

    from network_torch import load

    net = load("runs/mine/student/hydra/weights.h5")    # in eval mode, on the CPU
    z = net(net.normalise(pixels))                      # [B][M][K] logits: M heads (1 for a member), K outputs
    p = z.softmax(-1).mean(1)                           # the prediction: mean probability over heads
    mu = entropy(p) - entropy(z.softmax(-1)).mean(1)    # and its model uncertainty: entropy = lambda p: -(p * p.log()).sum(-1)

`pixels` are what the data files hold (0 to 255 for images), as [B][C][H][W] or [B][C*H*W]; net(...) itself takes what
net.normalise() gives, by the constants net.mean and net.scale, which the weights file has. It is an ordinary module of Conv2d,
BatchNorm2d, Linear and so on: train it further, export it, take `net.body` as a feature extractor or `net.heads[m]` alone
(without a spread, which needs all heads).

Names are those of the weights file. A tensor "body.stage1.block1.1.weight" is that key of the state_dict; a tensor of the heads,
"heads.fc.0.weight" with shape [M][...], is the keys "heads.0.fc.0.weight" to "heads.M-1.fc.0.weight", one module a head. The
weight of a rank1 layer, without M in the file, is one parameter that all of these keys name.
net.tensors() and net.load_tensors() use the names of the file. (num_batches_tracked of BatchNorm2d is in no file.)

include/tribikos/net.h defines the lists of layers.

From the shell you can look at a network, compute its logits, and export it:

    network_torch.py runs/mine/student/hydra/weights.h5
    network_torch.py runs/mine/student/hydra/weights.h5 --x pixels.npy --logits z.npy       # [N][M][K]
    network_torch.py runs/mine/student/hydra/weights.h5 --state student.pt --script student.ts.pt
"""
import math

import trb_tool

with trb_tool.needs("torch", "h5py", "numpy"):
    import numpy as np
    import torch
    from torch import nn


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def resnet(depth, outputs):
    """The list that the preset "cifar-resnetD K" expands into; see trb_net_expand()."""
    items = ["name stem", "conv 16 3 pad 1", "norm", "relu"]
    for stage, filters in enumerate((16, 32, 64), 1):
        for block in range(1, (depth - 2) // 6 + 1):
            shrinks = stage > 1 and block == 1
            items += [f"name stage{stage}.block{block}", "fork",
                      f"conv {filters} 3 {'stride 2 ' if shrinks else ''}pad 1", "norm", "relu",
                      f"conv {filters} 3 pad 1", "norm"]
            if shrinks:
                items += ["shortcut", f"conv {filters} 1 stride 2", "norm"]
            items += ["add", "relu"]
    return ", ".join(items + ["name pool", "globalpool", "name fc", f"dense {outputs}"])


class Dense(nn.Linear):
    """Flattens its input; its output is a picture of one position, as everything between layers is [B][C][H][W]."""

    def forward(self, x):
        return super().forward(x.flatten(1))[:, :, None, None]


def factors(module, inputs, outputs):
    """Those of rank one of a head of BatchEnsemble (Wen, Tran and Ba 2020): y = ((x o r) W^T) o s + b."""
    module.r, module.s = nn.Parameter(torch.ones(inputs)), nn.Parameter(torch.ones(outputs))


class Rank1Dense(nn.Linear):
    def __init__(self, inputs, units):
        super().__init__(inputs, units)
        factors(self, inputs, units)

    def forward(self, x):
        y = nn.functional.linear(x.flatten(1) * self.r, self.weight) * self.s + self.bias
        return y[:, :, None, None]


class Rank1Conv(nn.Conv2d):
    def __init__(self, channels, filters, *arguments, **options):
        super().__init__(channels, filters, *arguments, **options)
        factors(self, channels, filters)

    def forward(self, x):
        y = self._conv_forward(x * self.r[:, None, None], self.weight, None) * self.s[:, None, None]
        return y if self.bias is None else y + self.bias[:, None, None]


class Spread(nn.Module):
    """Takes heads apart: y_m = mean + factor (x_m - mean), the mean over all heads. One head it leaves as it is."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, *heads):
        if len(heads) == 1:
            return heads[0]
        mean = torch.stack(heads).mean(0)
        return [mean + self.factor * (x - mean) for x in heads]

    def extra_repr(self):
        return f"{self.factor:g}"


def layer(word, arguments, shape):
    """The module of one item whose inputs are (c, h, w)."""
    rank1 = word == "rank1"
    if rank1:
        word, *arguments = arguments
    number = lambda i: int(arguments[i])
    option = lambda name, default: int(arguments[arguments.index(name) + 1]) if name in arguments else default
    if word == "conv":
        kind = Rank1Conv if rank1 else nn.Conv2d
        return kind(shape[0], number(0), number(1), option("stride", 1), option("pad", 0), bias="bias" in arguments)
    if word in ("maxpool", "avgpool"):
        kind = nn.MaxPool2d if word == "maxpool" else nn.AvgPool2d
        return kind(number(0), option("stride", number(0)), option("pad", 0))
    if word == "dense":
        return (Rank1Dense if rank1 else Dense)(shape[0] * shape[1] * shape[2], number(0))
    if word in ("dropout", "spread"):
        return (nn.Dropout if word == "dropout" else Spread)(float(arguments[0]))
    simple = {"norm": lambda: nn.BatchNorm2d(shape[0]), "relu": nn.ReLU, "tanh": nn.Tanh,
              "globalpool": lambda: nn.AdaptiveAvgPool2d(1)}
    if word not in simple:
        raise ValueError(f"there is no layer \"{word}\"")
    return simple[word]()


class Part(nn.Module):
    """The body, or one head: the layers of a list in their order, each held under its name and position."""

    def __init__(self, items, shape):
        super().__init__()
        self.steps, self.shape, name, position = [], tuple(shape), "", 0
        h, entered = torch.zeros(1, *shape), []  # a sample of zeros tells the shapes
        for item in items:
            word, *arguments = item.split()
            if word == "name":
                name, position = arguments[0] + ".", 0
                continue
            path = f"{name}{position}"
            if word not in ("fork", "shortcut", "add"):
                module, held = self, path.split(".")
                for child in held[:-1]:
                    if child not in module._modules:
                        if hasattr(module, child):
                            raise ValueError(f"the name \"{name[:-1]}\": PyTorch's modules have an attribute \"{child}\" "
                                             "already; give these layers another name")
                        module.add_module(child, nn.Module())
                    module = module._modules[child]
                module.add_module(held[-1], layer(word, arguments, h.shape[1:]).eval())
            with torch.no_grad():
                h = self.step(word, path, h, entered)
            self.steps.append((word, path))
            position += 1
        self.shape = tuple(h.shape[1:])
        self.train()

    def step(self, word, path, h, entered):
        """`entered`: what the open forks and shortcuts still need, the innermost last."""
        if word == "fork":
            entered.append(h)
        elif word == "shortcut":
            h, entered[-1] = entered[-1], h
        elif word == "add":
            h = h + entered.pop()
        else:
            h = self.get_submodule(path)(h)
        return h

    def run(self, steps, x, entered):
        for word, path in steps:
            x = self.step(word, path, x, entered)
        return x

    def forward(self, x):
        return self.run(self.steps, x, [])


class Network(nn.Module):
    """The network of an expanded layer list.

    layers   "name stem, conv 16 3 pad 1, norm, relu, ..., split, ..."; without a split all of it is body
    shape    of a sample: (channels, height, width), or (D, 1, 1) for a table row
    heads    M; 1 without a split

    forward: [B][C][H][W] or [B][C*H*W], normalised, to [B][M][K]
    """

    def __init__(self, layers, shape, heads=1):
        super().__init__()
        self.layers, self.shape = layers, tuple(shape)
        items = [item.strip() for item in layers.split(",")]
        split = items.index("split") if "split" in items else len(items)
        if split == len(items) and heads != 1:
            raise ValueError(f"without a split there is one head, not {heads}")
        self.body = Part(items[:split], shape)
        self.heads = nn.ModuleList(Part(items[split + 1:], self.body.shape) for _ in range(heads) if split < len(items))
        self.shared = []  # the weights of rank1 layers, by their names in a weights file
        for name, module in self.heads.named_modules():
            head, _, rest = name.partition(".")
            if not isinstance(module, (Rank1Dense, Rank1Conv)):
                continue
            if head == "0":
                self.shared.append(f"heads.{rest}.weight")
            module.weight = self.heads[0].get_submodule(rest).weight
        self.register_buffer("mean", torch.zeros(shape[0], 1, 1), persistent=False)
        self.register_buffer("scale", torch.ones(shape[0], 1, 1), persistent=False)
        self.register_buffer("offset", None, persistent=False)

    def normalise(self, x):
        """What the network was trained on, of what the data files hold: (x - mean) * scale, constants of a channel that are stored beside the weights.
        Values far from zero (time in seconds since 1970, say) have an offset, too: give them in double."""
        x = x.reshape(-1, *self.shape)
        if self.offset is not None:
            x = (x.double() - self.offset).float()
        return (x - self.mean) * self.scale

    def forward(self, x):
        x = self.body(x.reshape(-1, *self.shape))
        if not len(self.heads):
            return x.flatten(1)[:, None]
        # Up to a spread each head by itself; that takes their mean.
        steps, x, entered = list(self.heads[0].steps), [x for _ in self.heads], [[] for _ in self.heads]
        while steps:
            words = [word for word, _ in steps]
            n = words.index("spread") if "spread" in words else len(words)
            x = [head.run(steps[:n], h, e) for head, h, e in zip(self.heads, x, entered)]
            if n < len(steps) and len(x) > 1:
                x = self.heads[0].get_submodule(steps[n][1])(*x)
            steps = steps[n + 1:]
        return torch.stack([h.flatten(1) for h in x], 1)

    def tensors(self, of=lambda tensor: tensor.detach()):
        """By the names of a weights file, heads stacked to [M][...]. of: what of each tensor is wanted."""
        found = {}
        for name, tensor in [*self.named_parameters(), *self.named_buffers()]:
            part, _, rest = name.partition(".")
            if part not in ("body", "heads") or rest.endswith("num_batches_tracked"):
                continue
            if part == "heads":
                found.setdefault(f"heads.{rest.partition('.')[2]}", []).append(of(tensor))
            else:
                found[name] = of(tensor)
        return {name: t[0] if name in self.shared else torch.stack(t) if isinstance(t, list) else t
                for name, t in found.items()}

    def load_tensors(self, tensors):
        """Every tensor of the network by its name in a weights file; missing, unknown and misshapen ones are errors."""
        state = {}
        for name, tensor in tensors.items():
            if not name.startswith("heads."):
                state[name] = tensor
                continue
            if name in self.shared:
                tensor = tensor.expand(len(self.heads), *tensor.shape)
            if len(tensor) != len(self.heads):
                raise ValueError(f"{name} is of {len(tensor)} heads, expected {len(self.heads)}")
            state.update({f"heads.{m}.{name[6:]}": one for m, one in enumerate(tensor)})
        self.load_state_dict(state)


def load(path):
    """The network of a weights file, in eval mode."""
    wanted = "members/m000/weights.h5 or student/NAME/weights.h5 of a run"
    with trb_tool.hdf5(path, wanted) as f:
        if text(f.attrs.get("format", "")) != "tribikos weights":
            raise ValueError(f"{path} is no file of weights; take {wanted}")
        tensors = {}
        f.visititems(lambda name, d: tensors.__setitem__(name.replace("/", "."), torch.from_numpy(d[...])))
        try:
            net = Network(text(f.attrs["layers"]), [int(f.attrs[f"input_{side}"]) for side in "chw"], int(f.attrs["heads"]))
            net.mean.copy_(tensors.pop("input.mean")[:, None, None])
            net.scale.copy_(tensors.pop("input.scale")[:, None, None])
            if "input.offset" in tensors:
                net.offset = tensors.pop("input.offset")[:, None, None]
        except KeyError as missing:
            raise ValueError(f"{path} is not complete ({missing.args[0]}); take {wanted}") from None
    # A regression's outputs are in units of the normalised target, whose constants a user needs to undo that.
    net.target_mean, net.target_scale = tensors.pop("target.mean", None), tensors.pop("target.scale", None)
    net.load_tensors(tensors)
    return net.eval()


class FromPixels(nn.Module):
    """A network that takes what the data files hold."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(self.net.normalise(x))


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("weights", metavar="WEIGHTS", help="The file weights.h5 of a member or a student.")
    parser.add_argument("--x", metavar="X.npy", help="An array of samples as the data files hold them: [N][...].")
    parser.add_argument("--logits", metavar="Z.npy", help="Writes the logits of --x into this file: [N][M][K].")
    parser.add_argument("--state", metavar="STATE.pt", help="Writes the state_dict into this file, by torch.save().")
    parser.add_argument("--script", metavar="NET.pt", help="Writes a TorchScript module into this file. It takes samples as the "
                        "data files hold them, and gives logits: [B][M][K].")
    a = parser.parse_args()
    if (a.x is None) != (a.logits is None):
        parser.error("--x and --logits belong together")
    net = load(a.weights)
    x = None if a.x is None else trb_tool.array(a.x, f"samples {list(net.shape)}")
    if x is not None and (x.dtype not in (np.uint8, np.float32) or x.ndim < 2 or x[0].size != math.prod(net.shape)):
        raise ValueError(f"{a.x} is {x.dtype} {list(x.shape)}, expected uint8 or float32, and samples {list(net.shape)}")
    print(net)
    trained = sum(p.numel() for p in net.parameters())
    print(f"{max(1, len(net.heads))} heads, {trained} parameters; samples {' x '.join(map(str, net.shape))}")
    with torch.no_grad():
        if x is not None:
            x = torch.from_numpy(x)
            np.save(a.logits, torch.cat([net(net.normalise(part)) for part in x.split(256)]).numpy())
        if a.state is not None:
            torch.save(net.state_dict(), a.state)
        if a.script is not None:
            torch.jit.trace(FromPixels(net), torch.zeros(2, *net.shape)).save(a.script)


if __name__ == "__main__":
    trb_tool.run(main)
