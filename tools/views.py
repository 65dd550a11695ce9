"""The pixels of the views of a sample, as include/tribikos/augment.h lays them down: what teachers that were trained
elsewhere have to be shown before their logits of a view can lie in a cache (cache_write.py).

    from views import rows, split
    train = split(seed, len(x), held_out)            # run.seed, data.validation; needed by mixup alone
    rows(x, ids, view, "crop 4, flip", view_seed)    # [n][C][H][W] float32: (pixel - mean) * scale

x is [N][C][H][W] ([N][H][W] for one channel, [N][D] for rows of a table). In the cache, view 0 is ("identity", 0), and
each of the others (view_text(recipe, ...), view_seed), see cache_write.py.
"""
import math
import re

import numpy as np

# The items of a recipe in their order, and what stands behind each, as trb_recipe_parse() has it.
PIXELS = r"0*[1-9]\d{0,3}"
KINDS = {"crop": PIXELS, "flip": "", "cutout": PIXELS, "mixup": r"(?=.*[1-9])(\d{1,3}(\.\d{1,6})?|1000(\.0{1,6})?)"}

USE_SPLIT, USE_VIEW = 4, 5
LOW = (1 << 64) - 1


class Stream:
    """Philox4x64-10 (Salmon et al. 2011), addressed as in rng.h."""

    def __init__(self, seed, use, member, epoch, item):
        self.key, self.counter, self.words = (seed, (use << 48) ^ member), [item, epoch, 0, 0], []

    def u64(self):
        if not self.words:
            (a, b, c, d), (k, l) = self.counter, self.key
            for _ in range(10):
                p, q = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
                a, b, c, d = (q >> 64) ^ b ^ k, q & LOW, (p >> 64) ^ d ^ l, p & LOW
                k, l = (k + 0x9E3779B97F4A7C15) & LOW, (l + 0xBB67AE8584CAA73B) & LOW
            self.words, self.counter[2] = [d, c, b, a], self.counter[2] + 1
        return self.words.pop()

    def below(self, n):
        product = self.u64() * n
        while product & LOW < -n % (1 << 64) % n:
            product = self.u64() * n
        return product >> 64

    def uniform(self):
        return ((self.u64() >> 11) + 1) * 2.0**-53

    def normal(self):
        u, v = self.uniform(), (self.u64() >> 11) * 2.0**-53
        return float(np.float32(math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)))

    def log_gamma_variate(self, a):
        if a < 1:
            return math.log(self.uniform()) / a + self.log_gamma_variate(a + 1)
        d = a - 1 / 3
        c = 1 / math.sqrt(9 * d)
        while True:
            x = self.normal()
            v = (1 + c * x)**3
            if v > 0 and math.log(self.uniform()) < 0.5 * x * x + d * (1 - v + math.log(v)):
                return math.log(d * v)

    def beta(self, a):
        x, y = self.log_gamma_variate(a), self.log_gamma_variate(a)
        return 1 / (1 + math.exp(y - x)) if y - x < 700 else 0.0  # no float32 is as small; e^710 would overflow


def split(seed, n, held_out):
    """The training part, ascending: what data.validation = held_out leaves."""
    stream, order = Stream(seed, USE_SPLIT, 0, 0, 0), []
    for i in range(n):
        j = stream.below(i + 1)
        order.append(order[j] if j < i else i)
        order[j] = i
    return np.sort(order[:n - held_out])


def parse(recipe):
    """The value of each item, 1 for flip, 0 for what is not there."""
    items, rest = dict.fromkeys(KINDS, 0), list(KINDS)
    for item in recipe.split(",") if recipe.strip() else ():
        name, value = (item.split(None, 1) + ["", ""])[:2]
        if name not in rest or not re.fullmatch(KINDS[name], value.strip()):
            raise ValueError(f"`{item.strip()}` in [{recipe}]: expected at most one of each kind, in the order crop 4, flip, "
                             "cutout 8, mixup 0.2")
        items[name], rest = float(value or 1), rest[rest.index(name) + 1:]
    return items


def canonical(recipe):
    """The recipe as trb_recipe_text() writes it."""
    return ", ".join(f"{name} {value:.6f}".rstrip("0").rstrip(".") if name != "flip" else name
                     for name, value in parse(recipe).items() if value)


def vary(x, items, stream, mean, scale):
    h, w = x.shape[1:]
    p, side = int(items["crop"]), int(items["cutout"])
    if p:
        top, left = stream.below(2 * p + 1), stream.below(2 * p + 1)
        x = np.pad(x, ((0, 0), (p, p), (p, p)))[:, top:top + h, left:left + w]
    if items["flip"] and stream.u64() >> 63:
        x = x[:, :, ::-1]
    x = (x.astype(np.float32) - mean) * scale
    if side:
        top, left = stream.below(h) - side // 2, stream.below(w) - side // 2
        x[:, max(top, 0):top + side, max(left, 0):left + side] = 0
    return x


def rows(x, ids, view, recipe, seed, mean=None, scale=None, train=None):
    """Samples `ids` as view number `view`.

    mean, scale  one number, or one a channel; without them pixels stay as they are. cutout has to know the students' own: it
                 sets pixels to 0 after normalisation. For data.normalize: standard the mean of bytes is
                 np.float32(x[train].mean((0, 2, 3))), for given it is 255 times data.mean, for unit and none 0
    train        the samples that mixup draws from: split()
    """
    items, out = parse(recipe if view else ""), []
    if items["cutout"] and (mean is None or scale is None):
        raise ValueError(f"[{recipe}]: cutout needs mean and scale, the students' constants of normalisation")
    if items["mixup"] and train is None:
        raise ValueError(f"[{recipe}]: mixup needs train, the samples that it draws from: split()")
    mean, scale = 0 if mean is None else mean, 1 if scale is None else scale
    x = x if hasattr(x, "shape") else np.asarray(x)  # an HDF5 data set is read sample by sample
    shape = {4: x.shape[1:], 3: (1, *x.shape[1:])}.get(len(x.shape), (-1, 1, 1))
    mean, scale = (np.asarray(value, np.float32).reshape(-1, 1, 1) for value in (mean, scale))
    for i in ids:
        stream = Stream(seed, USE_VIEW, 0, view, int(i))
        row = vary(x[i].reshape(shape), items, stream, mean, scale)
        if items["mixup"]:
            weight = np.float32(stream.beta(items["mixup"]))
            partner = train[stream.below(len(train))]
            row = weight * row + (np.float32(1) - weight) * vary(x[partner].reshape(shape), items, stream, mean, scale)
        out.append(row)
    return np.stack(out)
