#!/usr/bin/env python3
"""Writes a cache of logits from arrays, for students of teachers that were trained elsewhere.

include/tribikos/cache.h defines the format. From Python:

    from cache_write import data_digest, write_cache
    write_cache("RUN/cache", logits, labels, data_digest(x, y))

From the shell (logits.npy is [M][N][K] or [V][M][N][K]; x.npy and y.npy are the data set as it is stored):

    cache_write.py --logits logits.npy --x x.npy --y y.npy RUN/cache

For views, the members have to be shown the inputs that a student will see: views.py makes them, view_text() names them.

    cache_write.py --logits views.npy --view identity 0 --view "crop 4, flip" 5 --view "crop 4, flip" 5 ... RUN/cache

`tribikos eval` compares students with their teachers if the teachers' logits of the test set are there too (and of sets out of
distribution, by the names that eval.ood gives them):

    cache_write.py --logits logits.npy --x x.npy --y y.npy --test test_logits.npy test_x.npy test_y.npy \\
        --set noise noise_logits.npy noise_x.npy RUN/cache

Teachers are compared with the labels, and their accuracy and NLL printed. Probabilities are refused; --probabilities takes their
logarithms. Images are stored as [N][C][H][W]; --layout says what x.npy is. Without labels (--no-labels) the cache belongs to the
samples alone: a student can follow its teachers on samples that nobody has labelled.

From PyTorch modules: cache_torch.py, which computes the logits too.
"""
import argparse
import glob
import json
import os
import re

import trb_tool

with trb_tool.needs("h5py", "numpy", "xxhash"):
    import h5py
    import numpy as np
    import xxhash

    from teachers import Teachers, logarithms, say, smallest, standard, truth
    from views import canonical, parse

ALL = 2**64 - 1  # in place of a member: shards of inputs are of all


def digest(*parts):
    """XXH3-64 of texts, unsigned numbers and arrays, one behind the other."""
    h = xxhash.xxh3_64()
    for part in parts:
        if isinstance(part, str):
            h.update(part.encode())
        elif isinstance(part, np.ndarray):
            h.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8))
        else:
            h.update(np.array(part, "<u8").tobytes())
    return h.intdigest()


LAYOUTS = ("auto", "nchw", "nhwc")


def layout_of(shape, layout="auto", what=""):
    """Whether samples [N][...] have their channels first ("nchw") or last ("nhwc"). what: the set, "set test: ", for the line."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout}, expected one of {', '.join(LAYOUTS)}")
    if len(shape) != 4 or layout != "auto":
        return "nchw" if len(shape) != 4 else layout
    _, a, b, c = shape
    few = lambda n, *sides: all(2 * n <= side for side in sides)
    usual = (1, 3, 4)  # channels of images
    # The rows of the table in configs/README.md (trb_axes of schema.h).
    if few(a, b, c):
        first, last = True, False
    elif few(c, a, b):
        first, last = False, max(a, b) <= 3 * min(a, b)
    else:
        first, last = b == c > 1 and a != b and c not in usual, a == b > c and a not in usual
    if not first and not last:
        raise ValueError(f"samples are {list(shape)}: channels first or last? Say layout=\"nchw\" or \"nhwc\" (--layout)")
    if last:
        say(f"{what}samples of {a} x {b} x {c} are taken for images of {a} x {b} pixels with {c} channels last; they are stored as {c} x "
            f"{a} x {b} (--layout nchw, layout=\"nchw\" if they are not)")
    return "nhwc" if last else "nchw"


def channels_first(x, layout="auto", what=""):
    """Samples [N][C][H][W]. Rows of a table and images of one channel without its dimension stay as they are."""
    return np.moveaxis(x, -1, 1) if layout_of(np.shape(x), layout, what) == "nhwc" else x


def is_wide(dtype):
    """Whether float32 may lose digits of such values."""
    return dtype.kind == "f" and dtype.itemsize > 4 or dtype.kind in "iu" and dtype.itemsize > 2


class Offsets:
    """What the program subtracts, in double, from values that lie so far from zero that float32 would lose their digits. The
    training set decides it, and every other set is read by it.

    inputs  [columns or channels], 0 where nothing is subtracted; None: nothing from any input
    target  of a regression
    """

    def __init__(self, inputs=None, target=0.):
        self.inputs, self.target = inputs if inputs is not None and np.any(inputs) else None, float(target)

    def __bool__(self):
        return self.inputs is not None or self.target != 0

    def bytes(self, target=True):
        """What a digest takes of them."""
        inputs = np.empty(0) if self.inputs is None else self.inputs
        return np.append(inputs, self.target if target else []).astype("<f8")

    def schema(self, layout="nchw"):
        """The text form of schema.h."""
        with_offset = lambda i, offset: {"column": i, **({"offset": offset} if offset else {})}
        inputs = [] if self.inputs is None else [with_offset(0, float(offset)) for offset in self.inputs]
        return json.dumps({"header": False, "layout": layout, "columns": 0, "inputs": inputs,
                           "target": with_offset(0, self.target), "classes": []})


NOTHING = Offsets()


def by_channel(x):
    """[n * pixels][channels] doubles of samples with channels first: of each channel the values as they lie in memory."""
    C = x.shape[1] if x.ndim in (2, 4) else 1
    return x.reshape(len(x), C, -1).transpose(0, 2, 1).reshape(-1, C).astype(np.float64)


def far_from_zero(pieces):
    """The offset of each column: trb__spread_offset() of src/data, to the bit.

    pieces  a function that gives the values in order, arrays [n][columns] of doubles; it is called again if it has to be

    The program adds up row by row, which is slow here. So figures are added up by pieces first; only columns for which these
    do not decide, within the bound of rounding errors of either way, are added up row by row.
    """
    n, mean, squares, moved, size, least, most = 0, 0., 0., 0., 0., np.inf, -np.inf
    with np.errstate(all="ignore"):
        for v in pieces():
            own = v.mean(0)
            apart, before, n = own - mean, n, n + len(v)
            squares = squares + ((v - own)**2).sum(0) + apart**2 * (before * len(v) / n)
            mean = mean + apart * (len(v) / n)
            moved = np.maximum(moved, abs(v - v.astype(np.float32)).max(0))
            size, least, most = np.maximum(size, abs(v).max(0)), np.minimum(least, v.min(0)), np.maximum(most, v.max(0))
        deviation, error = np.sqrt(squares / n), n * 2.**-52 * size
        offset = mean.astype(np.float32)
        some = (moved > 1e-4 * (deviation - error)) & (most > least)  # else: none, a constant column too
        clear = (deviation > error) & (moved > 1e-4 * (deviation + error)) & np.isfinite(offset) & \
            ((mean - error).astype(np.float32) == (mean + error).astype(np.float32))
        doubt = np.flatnonzero(some & ~clear)
        offset = np.where(some & clear, offset, np.float32(0)).astype(np.float64)
        if len(doubt):
            n, mean, squares = 0, np.zeros(len(doubt)), np.zeros(len(doubt))
            for v in pieces():
                for value in v[:, doubt]:
                    n, away = n + 1, value - mean
                    mean = mean + away / n
                    squares = squares + away * (value - mean)
            deviation, single = np.sqrt(squares / n), mean.astype(np.float32)
            far = (deviation > 0) & np.isfinite(single) & (moved[doubt] > 1e-4 * deviation)
            offset[doubt] = np.where(far, single, np.float32(0))
    return offset


def in_pieces(x):
    """An array with channels first, some megabytes at a time."""
    rows = max(1, (1 << 22) // max(1, x[:1].nbytes))
    return (np.asarray(x[first:first + rows]) for first in range(0, len(x), rows))


def offsets_of(x, y, task="classes", layout="auto"):
    """The Offsets of a training set."""
    x = channels_first(np.asarray(x), layout)
    inputs = far_from_zero(lambda: map(by_channel, in_pieces(x))) if is_wide(x.dtype) and x.ndim > 1 else None
    return Offsets(inputs, offset_of_targets(y, task))


def offset_of_targets(y, task):
    y = None if y is None else np.asarray(y)
    if y is None or task != "regression" or y.dtype.kind not in "iuf" or not is_wide(y.dtype):
        return 0.
    return far_from_zero(lambda: [y.reshape(-1, 1).astype(np.float64)])[0]


def as_stored(x, offsets=NOTHING):
    """Samples with channels first as the program holds them: uint8 as it is, differences from offsets of others as float32."""
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind not in "biuf":
        raise ValueError(f"samples are {x.dtype}, expected numbers")
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8 and len(x) and max(-int(x.min()), int(x.max())) > 2**53:
        raise ValueError("samples have values beyond 2^53, where doubles lose digits")
    if offsets.inputs is not None:
        if len(offsets.inputs) != (x.shape[1] if x.ndim in (2, 4) else 1):
            raise ValueError(f"samples are {list(x.shape)}, but those of the training set have {len(offsets.inputs)} columns or channels")
        x = x - offsets.inputs.reshape((-1,) + (1,) * max(0, x.ndim - 2)) if x.ndim != 3 else x - offsets.inputs[0]
    with np.errstate(over="ignore"):
        single = x.astype(np.float32, copy=False)
    if not np.isfinite(single).all():
        raise ValueError("samples are not finite as float32")
    return single


def data_digest(x, y, task="classes", layout="auto", offsets=None, what=""):
    """Digest of a data set: samples as the program holds them, then labels or targets, unless y is None.

    offsets  of a set for evaluation those of its training set, offsets_of(x, y) of that; of a training set its own
    """
    x = channels_first(np.asarray(x), layout, what)
    offsets = offsets_of(x, y, task, "nchw") if offsets is None else offsets
    y = truth(y, task, offsets.target)
    if y is not None and len(y) != len(x):
        raise ValueError(f"there are {len(x)} samples and {len(y)} labels or targets, expected one for each")
    h = xxhash.xxh3_64()
    for piece in in_pieces(x):
        h.update(np.ascontiguousarray(as_stored(piece, offsets)).reshape(-1).view(np.uint8))
    return digest_with(h, y, offsets)


def digest_with(h, y, offsets):
    """What becomes of the hash of samples with labels or targets (None: none) and offsets."""
    if y is None:
        return h.intdigest() if offsets.inputs is None else digest(h.intdigest(), offsets.bytes(False))
    h.update(y.view(np.uint8))
    if offsets:
        h.update(offsets.bytes().view(np.uint8))
    return h.intdigest()


def view_text(recipe, mean=None, held_out=0, split_seed=0, scale=None, floats=False):
    """What a view is called in a cache: its recipe, then what else its pixels depend on; trb_view_text() of augment.h.

    mean, scale           with cutout, ods and confods: the students' constants of each channel, see rows() in views.py
    held_out, split_seed  with mixup: data.validation and run.seed
    """
    items, text = parse(recipe), canonical(recipe)
    stored = items["ods"] or items["confods"]
    for name, value, needed in (("mean", mean, items["cutout"] or stored),
                                ("scale", scale, stored or items["gaussian"] and floats)):
        if needed and value is None:
            raise ValueError(f"[{recipe}]: needs {name}, one of the students' constants of normalisation")
        if needed:
            text += f", {name} {digest(np.array(value, '<f4', ndmin=1)):016x}"
    if items["mixup"] and held_out:
        text += f", without {held_out} by seed {split_seed}"
    return text


def checked_view(text):
    """The text in canonical form, and whether inputs of such a view are stored."""
    recipe, mean, scale, without = re.fullmatch(r"(.*?)(, mean [0-9a-f]{16})?(, scale [0-9a-f]{16})?"
                                                r"(, without \d{1,12} by seed \d{1,20})?", text).groups("")
    items = parse(recipe)
    stored = bool(items["ods"] or items["confods"])
    if (bool(mean) != (stored or bool(items["cutout"])) or stored and not scale or without and not items["mixup"] or
            not any(items.values())):
        raise ValueError(f"[{text}] is not what view_text() gives for a recipe")
    return canonical(recipe) + mean + scale + without, stored


def attributes(file, **values):
    for name, value in values.items():
        file.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else np.uint64(value)


def publish(path, write):
    """Write aside, sync, rename: a file under its final name is whole."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    aside = f"{path}.tmp.{os.uname().nodename}.{os.getpid()}"
    try:
        with h5py.File(aside, "w", libver=("v110", "v110")) as file:
            write(file)
        for name, target in ((aside, path), (os.path.dirname(path), None)):
            fd = os.open(name, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
            if target:
                os.rename(name, target)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def of_images(x):
    """[N][C][H][W]"""
    return x[:, None] if x.ndim == 3 else x if x.ndim == 4 else x.reshape(len(x), -1, 1, 1)


class Writer:
    """A cache under way: the shards in any order, but inputs before the logits of their view; the manifest last.

        writer = Writer(out, M, K, y, data_digest(x, y), [(number that stands for a member) ...], dtype="float16")
        for v in range(V):
            for first in writer.firsts:
                for m in range(M):
                    writer.shard(v, m, first, logits[v, m, first:first + writer.shard_rows])
        writer.manifest()

    Arguments are those of write_cache(). A manifest that is there is removed: what is not finished shall not look so.
    """
    def __init__(self, out, members, outputs, y, data_digest, member_digests, task="classes", views=None, dtype="float32",
                 block=256, shard_rows=65536, deflate=0, samples=None, target=None, show=True, offsets=NOTHING):
        """y: targets less their offset, as truth() gives them"""
        self.offsets = offsets
        self.out, self.task, self.data_digest, self.block, self.deflate = out, task, data_digest, block, deflate
        self.dtype, self.y, self.show = np.dtype(dtype).newbyteorder("<"), truth(y, task), show
        if y is None and samples is None:
            raise ValueError("there are no labels, so `samples` must say how many samples there are")
        N = samples if y is None else len(self.y)
        self.member_digests = np.array(member_digests, "<u8")
        views = views or [("identity", 0)]
        self.shape = len(views), members, N, outputs
        self.shard_rows = max(block, min(shard_rows, N) // block * block)
        self.firsts = range(0, N, self.shard_rows)
        self.written, self.inputs_kind = {}, None
        if tuple(views[0]) != ("identity", 0):
            raise ValueError(f"view 0 is {views[0]}, expected ('identity', 0)")
        checked = [checked_view(text) for text, _ in views[1:]]
        self.stored = [False] + [stored for _, stored in checked]
        self.views = [("identity", 0)] + [(text, seed) for (text, _), (_, seed) in zip(checked, views[1:])]
        if len({seed for _, seed in self.views[1:]}) > 1:
            raise ValueError("views of several seeds, expected one for all but view 0")
        if N == 0 or len(self.member_digests) != members:
            raise ValueError(f"{N} samples, {members} members and {len(self.member_digests)} digests of them")
        if task == "regression" and outputs != 2:
            raise ValueError(f"{outputs} outputs, expected 2 for regression: mean and log variance")
        self.teachers = Teachers(members, outputs, self.y, task, target)
        if os.path.exists(os.path.join(out, "manifest.h5")):
            os.remove(os.path.join(out, "manifest.h5"))

    def name(self, v, m, first):
        return f"v{v:02d}/{'x' if m == ALL else f'm{m:03d}'}-s{first // self.shard_rows:05d}.h5"

    def _write(self, kind, v, m, first, values, **more):
        ids = np.arange(first, first + len(values), dtype="<i8")
        payload = digest(values, ids)

        def write(file):
            file.create_dataset("sample_id", data=ids)
            file.create_dataset("x" if m == ALL else "logits", data=values, chunks=(min(self.block, len(values)), *values.shape[1:]),
                                fletcher32=True, shuffle=self.deflate > 0 or None, compression=self.deflate or None)
            attributes(file, format="tribikos " + kind, version=1, member=m, view=v, view_recipe=self.views[v][0],
                       view_seed=self.views[v][1], first_row=first, rows=len(values), block=self.block,
                       member_digest=digest(self.member_digests) if m == ALL else self.member_digests[m],
                       data_digest=self.data_digest, payload_digest=payload, **more)

        publish(os.path.join(self.out, self.name(v, m, first)), write)
        self.written[v, m, first] = len(values), payload

    def inputs(self, v, first, x):
        """What members saw of samples [first, first + shard_rows), of a view that is stored: [rows][...] uint8 or float16."""
        x = of_images(np.asarray(x))
        if not self.stored[v]:
            raise ValueError(f"inputs of view {v}, whose recipe has no ods or confods: everybody makes them from the samples")
        if x.dtype not in (np.uint8, np.float16) or not np.isfinite(x).all():
            raise ValueError(f"inputs of view {v} are {x.dtype}, expected uint8 or finite float16")
        self.inputs_kind = self.inputs_kind or (x.dtype.name, *x.shape[1:])
        if self.inputs_kind != (x.dtype.name, *x.shape[1:]):
            raise ValueError(f"inputs of view {v} are {(x.dtype.name, *x.shape[1:])}, those before {self.inputs_kind}")
        self._write("inputs", v, ALL, first, x)

    def shard(self, v, m, first, logits):
        """Samples [first, first + shard_rows), or to the last one, of a view and a member: [rows][K], raw."""
        with np.errstate(over="ignore"):
            rows = np.asarray(logits).astype(self.dtype)
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            raise ValueError(f"member {m}, view {v}: sample {first + bad[0, 0]} is not finite in {self.dtype}")
        if self.stored[v] and (v, ALL, first) not in self.written:
            raise ValueError(f"view {v} has no inputs, which its recipe asks for")
        if v == 0:
            self.teachers.add(m, first, rows)
        self._write("shard", v, m, first, rows, **({"inputs_digest": self.written[v, ALL, first][1]} if self.stored[v] else {}))

    def manifest(self):
        V, M, N, K = self.shape
        self.teachers.judge(self.show)
        labels = [] if self.y is None else [self.y]
        places = [(v, m, first) for v in range(V) for m in range(M) for first in self.firsts]
        of_inputs = [(v, ALL, first) for v in range(V) if self.stored[v] for first in self.firsts]
        columns = np.array([(m, v, first, *self.written[v, m, first]) for v, m, first in places + of_inputs], "<u8").T.copy()
        layout = h5py.VirtualLayout(self.shape, self.dtype)
        for v, m, first in places:
            rows = self.written[v, m, first][0]
            layout[v, m, first:first + rows] = h5py.VirtualSource(self.name(v, m, first), "logits", (rows, K), self.dtype)

        def write(file):
            for name, column in zip(("member", "view", "first_row", "rows", "payload_digest"), columns):
                file["shard/" + name] = column
            file["member_digest"] = self.member_digests
            for y in labels:
                file["label" if self.task == "classes" else "target"] = y
            file.create_virtual_dataset("logits", layout)
            sizes = (N, K, M, V, self.block, self.shard_rows, self.data_digest)
            recipes = [part for view in self.views for part in view]
            kind, features = [], []
            if self.inputs_kind:
                dtype, C, H, W = self.inputs_kind
                kind, features = [dtype, C, H, W, *map(int, self.stored)], ["inputs"]
                attributes(file, inputs_dtype=dtype, channels=C, height=H, width=W,
                           **{f"view_{v:02d}_stored": self.stored[v] for v in range(V)})
            without = [] if labels else ["unlabelled"]
            features = {"version": 5, "features": " ".join(features + without)} if features + without else {"version": 1}
            if self.offsets:
                attributes(file, schema=self.offsets.schema())
            attributes(file, format="tribikos cache", **features, task=self.task, dtype=self.dtype.name, samples=N,
                       outputs=K, members=M, views=V, block=self.block, shard_rows=self.shard_rows, data_digest=self.data_digest,
                       blas="", digest=digest(self.task, self.dtype.name, *without, *sizes, *recipes, *kind, columns,
                                              self.member_digests, *labels))
            for v, (recipe, seed) in enumerate(self.views):
                attributes(file, **{f"view_{v:02d}_recipe": recipe, f"view_{v:02d}_seed": seed})

        publish(os.path.join(self.out, "manifest.h5"), write)


def forget(out):
    """Remove the manifests of a cache and of the sets below it, which are of other members."""
    for path in [os.path.join(out, "manifest.h5"), *glob.glob(os.path.join(glob.escape(out), "eval", "*", "manifest.h5"))]:
        if os.path.exists(path):
            os.remove(path)


def set_folder(out, name):
    """Where the logits of a set for evaluation lie."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}", name):
        raise ValueError(f"a set is called {name!r}, expected a word of up to 40 letters, digits, _ and -, as in eval.ood")
    return os.path.join(out, "eval", name)


def write_cache(out, logits, y, data_digest, task="classes", views=None, member_digests=None, dtype="float32",
                block=256, shard_rows=65536, deflate=0, inputs=None, probabilities=False, target=None, sets=None, offsets=NOTHING):
    """Write the shards, then the manifest.

    logits          [M][N][K] or [V][M][N][K], raw (temperature 1); a memory map will do
    y               [N] labels, or targets if task is "regression"; None: there are none, and students follow the members alone
    data_digest     of the data set whose samples these are: data_digest(x, y)
    views           [(text, seed), ...], one a view; view 0 must be ("identity", 0); the others are view_text() of
                    cache.view_recipes in turn, and cache.view_seed, of the students' configuration; views.py makes their pixels
    inputs          {view: array [N][C][H][W] ([N][H][W], [N][D])}: of each view with ods or confods what its members were shown:
                    uint8 pixels before normalisation for a data set of bytes, float16 normalised values for one of floats
    member_digests  [M] numbers that stand for the members; by default taken from their logits
    probabilities   `logits` are probabilities; their logarithms are stored, see smallest() of teachers.py for those of 0
    target          regression: mean and deviation by which the program standardises targets, and which `logits` are standardised
                    by; by default those of y
    sets            {name: (logits [M][n][K], y, data_digest)}: sets for evaluation, "test" and those of eval.ood by their names,
                    whose y is None
    offsets         offsets_of(x, y) of the training set; a data set without values far from zero needs none
    """
    logits, y = logits[None] if logits.ndim == 3 else logits, truth(y, task, offsets.target)
    labels = logits.shape[2] if y is None else len(y)
    if logits.ndim != 4 or logits.shape[2] != labels or logits.shape[0] != len(views or [0]):
        swapped = "; they seem to be [N][M][K], expected [M][N][K]: logits.transpose(1, 0, 2)" if logits.shape[1] == labels else ""
        raise ValueError(f"logits {logits.shape} do not fit {labels} labels and {len(views or [0])} views{swapped}")
    V, M, N, K = logits.shape
    if probabilities and task == "regression":
        raise ValueError("probabilities are of classes; regression takes mean and log variance")
    if task == "regression":
        target = own_unit(target, y, offsets)
    inputs = {v: of_images(x) for v, x in (inputs or {}).items()}
    if any(len(x) != N for x in inputs.values()):
        raise ValueError(f"inputs are not of {N} rows")
    if member_digests is None:
        member_digests = [digest(np.asarray(logits[0, m])) for m in range(M)]
    forget(out)
    for name, (values, of_set, its_digest) in (sets or {}).items():
        if values.ndim != 3 or values.shape[0] != M or values.shape[2] != K:
            raise ValueError(f"logits of the set {name} are {list(values.shape)}, expected [{M}][samples][{K}], of the same members")
        write_set(set_folder(out, name), name, values, of_set, its_digest, task, member_digests, dtype, block, shard_rows, deflate,
                  probabilities, target, offsets)
    writer = Writer(out, M, K, y, data_digest, member_digests, task, views, dtype, block, shard_rows, deflate, N, target,
                    offsets=offsets)
    writer.teachers.what = "training set: " if sets else ""
    floors = floors_of(logits, probabilities)
    if {v for v in range(V) if writer.stored[v]} != set(inputs):
        raise ValueError(f"inputs of the views {sorted(inputs)}, expected those with ods or confods and no others")
    for v in range(V):
        for first in writer.firsts:
            if v in inputs:
                writer.inputs(v, first, inputs[v][first:first + writer.shard_rows])
            for m in range(M):
                rows = logits[v, m, first:first + writer.shard_rows]
                writer.shard(v, m, first, logarithms(rows, floors[m], f"member {m}") if probabilities else rows)
    writer.manifest()


def own_unit(target, y, offsets):
    """Mean and deviation of targets less their offset: those that are given for the targets themselves, or those of y."""
    if target is None:
        return (0, 1) if y is None else standard(y)
    return target[0] - offsets.target, target[1]


def floors_of(logits, probabilities):
    """What stands for a probability of 0 of each member, of [V][M][N][K]."""
    return [smallest(logits[:, m]) for m in range(logits.shape[1])] if probabilities else []


def write_set(folder, name, logits, y, data_digest, task, member_digests, dtype, block, shard_rows, deflate, probabilities, target,
              offsets=NOTHING):
    """The cache of a set for evaluation: one view."""
    y, floors = truth(y, task, offsets.target), floors_of(logits[None], probabilities)
    if y is not None and len(y) != logits.shape[1]:
        raise ValueError(f"logits of the set {name} are of {logits.shape[1]} samples, but there are {len(y)} labels")
    writer = Writer(folder, logits.shape[0], logits.shape[2], y, data_digest, member_digests, task, None, dtype, block, shard_rows,
                    deflate, logits.shape[1], target, offsets=offsets)
    writer.teachers.what = f"set {name}: "
    for first in writer.firsts:
        for m, all_rows in enumerate(logits):
            rows = all_rows[first:first + writer.shard_rows]
            writer.shard(0, m, first, logarithms(rows, floors[m], f"set {name}, member {m}") if probabilities else rows)
    writer.manifest()


def file_arguments(parser, shard_rows):
    """The arguments of how a cache is stored."""
    parser.add_argument("out", metavar="CACHE", help="The folder of the cache, RUN/cache.")
    parser.add_argument("--layout", choices=LAYOUTS, default="auto",
                        help="Whether images of four dimensions are [N][C][H][W] or [N][H][W][C]; by default the sizes decide.")
    parser.add_argument("--target", nargs=2, type=float, metavar=("MEAN", "DEVIATION"),
                        help="In regression, the numbers by which the program standardises targets: 0 1 for data.normalize: none; "
                        "by default those of the targets.")
    parser.add_argument("--probabilities", action="store_true",
                        help="Takes outputs for probabilities, and stores their logarithms. Half of the smallest one above 0 stands "
                        "for a 0.")
    parser.add_argument("--task", choices=("classes", "regression"), default="classes",
                        help="What the data set is for, data.task of the configuration; by default %(default)s.")
    parser.add_argument("--dtype", choices=("float16", "float32"), default="float32",
                        help="The type of the stored logits; by default %(default)s.")
    parser.add_argument("--block", type=trb_tool.count, default=256, metavar="ROWS",
                        help="The samples of a chunk of a file; by default %(default)s.")
    parser.add_argument("--shard-rows", type=trb_tool.count, default=shard_rows, metavar="ROWS",
                        help="The samples of a file; by default %(default)s.")
    parser.add_argument("--deflate", type=int, choices=range(10), default=0, metavar="LEVEL",
                        help="How much to compress, from 0 (the default: not at all) to 9.")


def labels_arguments(parser):
    labels = parser.add_mutually_exclusive_group(required=True)
    labels.add_argument("--y", metavar="Y.npy", help="The array of labels or targets: [N].")
    labels.add_argument("--no-labels", action="store_true",
                        help="Writes a cache without labels: students follow the members alone, on samples that nobody has labelled.")


def hexadecimal(text):
    if not re.fullmatch("[0-9a-fA-F]{1,16}", text):
        raise argparse.ArgumentTypeError(f"expected up to 16 hexadecimal digits, got {text}")
    return int(text, 16)


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("--logits", required=True, metavar="LOGITS.npy",
                        help="The array of raw logits: [M][N][K], or [V][M][N][K] with views.")
    labels_arguments(parser)
    parser.add_argument("--test", nargs=3, metavar=("LOGITS.npy", "X.npy", "Y.npy"),
                        help="The members' logits [M][n][K] of the test set, its samples and its labels, for `tribikos eval`.")
    parser.add_argument("--set", action="append", nargs=3, metavar=("NAME", "LOGITS.npy", "X.npy"), default=[],
                        help="The members' logits of a set of eval.ood, and its samples; give it once for each set.")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--x", metavar="X.npy", help="The array of samples as the data set stores them, of any type of numbers: [N][...].")
    data.add_argument("--data-digest", type=hexadecimal, metavar="DIGEST",
                      help="The digest of the data set in hexadecimal digits, instead of --x.")
    parser.add_argument("--view", action="append", nargs=2, metavar=("RECIPE", "SEED"),
                        help="Names a view; give it once for each view, in order. Without it there is one: identity 0.")
    file_arguments(parser, 65536)
    a = parser.parse_args()
    for _, seed in a.view or ():
        if not seed.isdecimal():
            parser.error(f"argument --view: expected a whole number as SEED, got {seed}")
    mapped = lambda path, what: trb_tool.array(path, what, mmap_mode="r")
    y = None if a.y is None else trb_tool.array(a.y, "labels or targets")
    what = "training set: " if a.set or a.test else ""
    x = None if a.x is None else channels_first(mapped(a.x, "samples"), a.layout, what)
    offsets = Offsets(target=offset_of_targets(y, a.task)) if x is None else offsets_of(x, y, a.task, "nchw")
    if offsets:
        say("values far from zero: the program reads them as differences from the training set's means, and so does this cache")
    digest_of = lambda path, y, what: data_digest(mapped(path, "samples"), y, a.task, a.layout, offsets, what)
    of_data = a.data_digest if x is None else data_digest(x, y, a.task, "nchw", offsets)
    sets = {name: (mapped(logits, "logits"), None, digest_of(x, None, f"set {name}: ")) for name, logits, x in a.set}
    if a.test is not None:
        of_test = trb_tool.array(a.test[2], "labels or targets")
        sets["test"] = mapped(a.test[0], "logits"), of_test, digest_of(a.test[1], of_test, "set test: ")
    views = a.view and [(recipe, int(seed)) for recipe, seed in a.view]
    write_cache(a.out, mapped(a.logits, "logits"), y, of_data, a.task, views, None, a.dtype, a.block, a.shard_rows, a.deflate,
                probabilities=a.probabilities, target=a.target, sets=sets, offsets=offsets)


if __name__ == "__main__":
    trb_tool.run(main)
