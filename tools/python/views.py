"""Makes the inputs of the views of a sample, as include/tribikos/augment.h defines them.

Teachers that were trained elsewhere must be shown these inputs, so that their logits of a view can lie in a cache
(cache_write.py).

    from views import rows, split
    train = split(seed, len(x), held_out)            # run.seed, data.validation; needed by mixup alone
    rows(x, ids, view, "crop 4, flip", view_seed)    # [n][C][H][W] float32: (pixel - mean) * scale
    stored(x, ids, view, "confods 25", view_seed, mean, scale, gradient, train)    # what is stored of a view with ods, confods

x is [N][C][H][W] ([N][H][W] for one channel, [N][D] for rows of a table). In the cache, view 0 is ("identity", 0), and
each of the others (view_text(recipe, ...), view_seed), see cache_write.py.
"""
import math
import re

import numpy as np

# The items of a recipe in their order, and what stands behind each, as trb_recipe_parse() has it: pixels, or decimals up to
# these bounds. At most one of the last three.
DECIMAL = r"\d{1,4}(\.\d{1,6})?"
KINDS = {"crop": (9999,), "flip": (), "rotate": (180.,), "zoom": (.9,), "shift": (9999.,), "cutout": (9999,), "mixup": (1000.,),
         "gaussian": (255.,), "ods": (255., 1000.), "confods": (255., 1000.)}
STEPS = list(KINDS)[-3:]

USE_SPLIT, USE_VIEW, USE_MEMBER = 4, 5, 10
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

    def symmetric(self, bound):
        return (2 * ((self.u64() >> 40) * 2.0**-24) - 1) * bound

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
    """The value of each item, 1 for flip, 0 for what is not there; of ods and confods (E, T)."""
    items, rest = dict.fromkeys(KINDS, 0), list(KINDS)
    for item in recipe.split(",") if recipe.strip() else ():
        name, *values = item.split() or [""]
        if name not in rest or not fits(values, KINDS[name]):
            raise ValueError(f"`{item.strip()}` in [{recipe}]: expected at most one of each kind, in the order crop 4, flip, "
                             "rotate 15, zoom 0.1, shift 1.5, cutout 8, mixup 0.2, and one of gaussian 8, ods 16, confods 25")
        values = [float(value) for value in values] or [1.]
        items[name] = (values[0], (values + [1.])[1]) if name in STEPS[1:] else values[0]
        rest = [] if name in STEPS else rest[rest.index(name) + 1:]
    return items


def fits(values, bounds):
    """Whether these are texts of numbers within the bounds, of which the second may be left out."""
    if len(values) > len(bounds) or not values and bounds:
        return False
    for value, bound in zip(values, bounds):
        if not re.fullmatch(r"\d+" if isinstance(bound, int) else DECIMAL, value) or not 0 < float(value) <= bound:
            return False
    return True


def canonical(recipe):
    """The recipe as trb_recipe_text() writes it."""
    def text(name, value):
        numbers = [] if name == "flip" else [value[0]] + [value[1]] * (value[1] != 1) if isinstance(value, tuple) else [value]
        return " ".join([name] + [f"{number:.6f}".rstrip("0").rstrip(".") for number in numbers])
    return ", ".join(text(name, value) for name, value in parse(recipe).items() if value)


def move(x, items, stream, around):
    """The affine map, each pixel from the four around where it comes from; `around` is the value outside of the image."""
    angle = stream.symmetric(np.deg2rad(items["rotate"])) if items["rotate"] else 0.
    factor = 1 + stream.symmetric(items["zoom"]) if items["zoom"] else 1.
    down, right = (stream.symmetric(items["shift"]) for _ in range(2)) if items["shift"] else (0., 0.)
    h, w = x.shape[1:]
    centre = np.array([(h - 1) / 2, (w - 1) / 2])
    turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    out = np.stack(np.meshgrid(range(h), range(w), indexing="ij"), -1).reshape(-1, 2)
    y, z = (np.linalg.solve(turn, (out - centre - [down, right]).T).T + centre).T
    top, left = np.floor(y).astype(int), np.floor(z).astype(int)
    padded = np.full((len(x), h + 2, w + 2), around, np.float64)  # a border of one pixel, where all that is far off is taken from
    padded[:, 1:-1, 1:-1] = x
    at = lambda i, j: padded[:, np.clip(i + 1, 0, h + 1), np.clip(j + 1, 0, w + 1)]
    low, far = y - top, z - left
    moved = ((1 - low) * ((1 - far) * at(top, left) + far * at(top, left + 1))
             + low * ((1 - far) * at(top + 1, left) + far * at(top + 1, left + 1)))
    return moved.reshape(x.shape).astype(np.float32)


def vary(x, items, stream, mean, scale):
    h, w = x.shape[1:]
    p, side = int(items["crop"]), int(items["cutout"])
    raw = x.dtype == np.uint8 and any(items[step] for step in STEPS)  # a step is one of pixels, before normalisation
    if p:
        top, left = stream.below(2 * p + 1), stream.below(2 * p + 1)
        x = np.pad(x, ((0, 0), (p, p), (p, p)))[:, top:top + h, left:left + w]
    if items["flip"] and stream.u64() >> 63:
        x = x[:, :, ::-1]
    x = x.astype(np.float32) if raw else (x.astype(np.float32) - mean) * scale
    if items["rotate"] or items["zoom"] or items["shift"]:
        x = move(x, items, stream, 0 if raw else -mean * scale)
    if side:
        top, left = stream.below(h) - side // 2, stream.below(w) - side // 2
        x[:, max(top, 0):top + side, max(left, 0):left + side] = mean if raw else 0
    return x


def sample(x, i):
    """[C][H][W]"""
    row = np.asarray(x[i])
    return row[None] if row.ndim == 2 else row if row.ndim == 3 else row.reshape(-1, 1, 1)


def before_step(x, i, items, stream, mean, scale, train):
    """A row in the unit of its step, or normalised if it has none."""
    row = vary(sample(x, i), items, stream, mean, scale)
    if items["mixup"]:
        weight = np.float32(stream.beta(items["mixup"]))
        partner = train[stream.below(len(train))]
        row = weight * row + (np.float32(1) - weight) * vary(sample(x, partner), items, stream, mean, scale)
    return row


def clipped(x, row):
    return np.clip(row, 0, 255) if x.dtype == np.uint8 else row


def prepare(x, items, recipe, mean, scale, train):
    if (items["cutout"] or any(items[step] for step in STEPS)) and (mean is None or scale is None):
        raise ValueError(f"[{recipe}]: cutout, gaussian, ods and confods need mean and scale, the students' constants of "
                         "normalisation")
    if items["mixup"] and train is None:
        raise ValueError(f"[{recipe}]: mixup needs train, the samples that it draws from: split()")
    mean, scale = 0 if mean is None else mean, 1 if scale is None else scale
    x = x if hasattr(x, "shape") else np.asarray(x)  # an HDF5 data set is read sample by sample
    return (x, *(np.asarray(value, np.float32).reshape(-1, 1, 1) for value in (mean, scale)))


def rows(x, ids, view, recipe, seed, mean=None, scale=None, train=None):
    """Samples `ids` as view number `view`.

    mean, scale  one number, or one a channel; without them pixels stay as they are. cutout has to know the students' own: it
                 sets pixels to 0 after normalisation. For data.normalize: standard the mean of bytes is
                 np.float32(x[train].mean((0, 2, 3))), for given it is 255 times data.mean, for unit and none 0
    train        the samples that mixup draws from: split()
    """
    items, out = parse(recipe if view else ""), []
    if items["ods"] or items["confods"]:
        raise ValueError(f"[{recipe}]: views that follow a gradient are stored; see stored()")
    x, mean, scale = prepare(x, items, recipe, mean, scale, train)
    for i in ids:
        stream = Stream(seed, USE_VIEW, 0, view, int(i))
        row = before_step(x, i, items, stream, mean, scale, train)
        if items["gaussian"]:
            pairs = [(stream.uniform(), (stream.u64() >> 11) * 2.0**-53) for _ in range((row.size + 1) // 2)]
            u, v = np.array(pairs).T
            noise = (np.sqrt(-2 * np.log(u)) * np.stack([np.cos(2 * np.pi * v), np.sin(2 * np.pi * v)])).T.reshape(-1)
            row = clipped(x, row + items["gaussian"] * noise[:row.size].reshape(row.shape)).astype(np.float32)
            row = (row - mean) * scale if x.dtype == np.uint8 else row
        out.append(row)
    return np.stack(out)


def member_of(view, block, members, seed):
    """Whose gradient a block of samples of this view follows; sample i is in block i // cache.block."""
    return Stream(seed, USE_MEMBER, 0, view, block).below(members)


def stored(x, ids, view, recipe, seed, mean, scale, gradient, train=None, outputs=10):
    """What a view with ods or confods has stored of samples `ids`, all of one block: uint8 of bytes, else float16, normalised.

    gradient  called with normalised rows [n][C][H][W], directions w [n][outputs] and T; gives the gradient of
              w . softmax(z / T) by the rows, and max_k softmax(z)_k [n], of the member of the block: member_of()
    """
    items = parse(recipe)
    size, T = items["ods"] or items["confods"]
    x, mean, scale = prepare(x, items, recipe, mean, scale, train)
    raw = x.dtype == np.uint8
    streams = [Stream(seed, USE_VIEW, 0, view, int(i)) for i in ids]
    begun = np.stack([before_step(x, i, items, stream, mean, scale, train) for i, stream in zip(ids, streams)])
    w = np.array([[stream.symmetric(1.) for _ in range(outputs)] for stream in streams])
    g, sure = gradient((begun - mean) * scale if raw else begun, w, T)
    g = g * scale if raw else g
    norm = np.sqrt((g.astype(np.float64)**2).sum((1, 2, 3), keepdims=True))
    share = np.reshape(sure, (-1, 1, 1, 1)) if items["confods"] else 1
    made = clipped(x, begun + size * share * np.sqrt(g[0].size) * g / np.where(norm > 0, norm, 1))
    return np.rint(made).astype(np.uint8) if raw else made.astype(np.float16)
