#!/usr/bin/env python3
"""Writes a cache of logits from arrays, for students of teachers that were trained elsewhere.

include/tribikos/cache.h defines the format. From Python:

    from cache_write import data_digest, write_cache
    write_cache("RUN/cache", logits, labels, data_digest(x, y))

From the shell (logits.npy is [M][N][K] or [V][M][N][K]; x.npy and y.npy are the data set as it is stored):

    cache_write.py --logits logits.npy --x x.npy --y y.npy RUN/cache

For views, the members have to be shown the inputs that a student will see: views.py makes them, view_text() names them.

    cache_write.py --logits views.npy --view identity 0 --view "crop 4, flip" 5 --view "crop 4, flip" 5 ... RUN/cache

From PyTorch modules: cache_torch.py, which computes the logits too.
"""
import argparse
import os
import re

import trb_tool

with trb_tool.needs("h5py", "numpy", "xxhash"):
    import h5py
    import numpy as np
    import xxhash

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


def truth(y, task):
    return np.asarray(y).reshape(-1).astype("<i4" if task == "classes" else "<f4")


def data_digest(x, y, task="classes"):
    """Digest of a data set: samples as stored (uint8 or float32), then labels or targets."""
    x = np.asarray(x)
    if x.dtype not in (np.uint8, np.float32):
        raise ValueError(f"samples are {x.dtype}, expected uint8 or float32, as in the data set's own file")
    return digest(x, truth(y, task))


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
                 block=256, shard_rows=65536, deflate=0):
        self.out, self.task, self.data_digest, self.block, self.deflate = out, task, data_digest, block, deflate
        self.dtype, self.y = np.dtype(dtype).newbyteorder("<"), truth(y, task)
        self.member_digests = np.array(member_digests, "<u8")
        views = views or [("identity", 0)]
        self.shape = len(views), members, len(self.y), outputs
        self.shard_rows = max(block, min(shard_rows, len(self.y)) // block * block)
        self.firsts = range(0, len(self.y), self.shard_rows)
        self.written, self.inputs_kind = {}, None
        if tuple(views[0]) != ("identity", 0):
            raise ValueError(f"view 0 is {views[0]}, expected ('identity', 0)")
        checked = [checked_view(text) for text, _ in views[1:]]
        self.stored = [False] + [stored for _, stored in checked]
        self.views = [("identity", 0)] + [(text, seed) for (text, _), (_, seed) in zip(checked, views[1:])]
        if len({seed for _, seed in self.views[1:]}) > 1:
            raise ValueError("views of several seeds, expected one for all but view 0")
        if len(self.y) == 0 or len(self.member_digests) != members:
            raise ValueError(f"{len(self.y)} samples, {members} members and {len(self.member_digests)} digests of them")
        if task == "regression" and outputs != 2:
            raise ValueError(f"{outputs} outputs, expected 2 for regression: mean and log variance")
        if not (np.isfinite(self.y).all() if task == "regression" else (self.y >= 0).all() and (self.y < outputs).all()):
            raise ValueError(f"a target is not finite, or a label is not in 0..{outputs - 1}")
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
        self._write("shard", v, m, first, rows, **({"inputs_digest": self.written[v, ALL, first][1]} if self.stored[v] else {}))

    def manifest(self):
        V, M, N, K = self.shape
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
            file["label" if self.task == "classes" else "target"] = self.y
            file.create_virtual_dataset("logits", layout)
            sizes = (N, K, M, V, self.block, self.shard_rows, self.data_digest)
            recipes = [part for view in self.views for part in view]
            kind, features = [], {"version": 1}
            if self.inputs_kind:
                dtype, C, H, W = self.inputs_kind
                kind, features = [dtype, C, H, W, *map(int, self.stored)], {"version": 5, "features": "inputs"}
                attributes(file, inputs_dtype=dtype, channels=C, height=H, width=W,
                           **{f"view_{v:02d}_stored": self.stored[v] for v in range(V)})
            attributes(file, format="tribikos cache", **features, task=self.task, dtype=self.dtype.name, samples=N,
                       outputs=K, members=M, views=V, block=self.block, shard_rows=self.shard_rows, data_digest=self.data_digest,
                       blas="", digest=digest(self.task, self.dtype.name, *sizes, *recipes, *kind, columns, self.member_digests,
                                              self.y))
            for v, (recipe, seed) in enumerate(self.views):
                attributes(file, **{f"view_{v:02d}_recipe": recipe, f"view_{v:02d}_seed": seed})

        publish(os.path.join(self.out, "manifest.h5"), write)


def write_cache(out, logits, y, data_digest, task="classes", views=None, member_digests=None, dtype="float32",
                block=256, shard_rows=65536, deflate=0, inputs=None):
    """Write the shards, then the manifest.

    logits          [M][N][K] or [V][M][N][K], raw (temperature 1); a memory map will do
    y               [N] labels, or targets if task is "regression"
    data_digest     of the data set whose samples these are: data_digest(x, y)
    views           [(text, seed), ...], one a view; view 0 must be ("identity", 0); the others are view_text() of
                    cache.view_recipes in turn, and cache.view_seed, of the students' configuration; views.py makes their pixels
    inputs          {view: array [N][C][H][W] ([N][H][W], [N][D])}: of each view with ods or confods what its members were shown:
                    uint8 pixels before normalisation for a data set of bytes, float16 normalised values for one of floats
    member_digests  [M] numbers that stand for the members; by default taken from their logits
    """
    logits = logits[None] if logits.ndim == 3 else logits
    if logits.ndim != 4 or logits.shape[2] != np.size(y) or logits.shape[0] != len(views or [0]):
        raise ValueError(f"logits {logits.shape} do not fit {np.size(y)} labels and {len(views or [0])} views")
    V, M, N, K = logits.shape
    inputs = {v: of_images(x) for v, x in (inputs or {}).items()}
    if any(len(x) != N for x in inputs.values()):
        raise ValueError(f"inputs are not of {N} rows")
    if member_digests is None:
        member_digests = [digest(np.asarray(logits[0, m])) for m in range(M)]
    writer = Writer(out, M, K, y, data_digest, member_digests, task, views, dtype, block, shard_rows, deflate)
    if {v for v in range(V) if writer.stored[v]} != set(inputs):
        raise ValueError(f"inputs of the views {sorted(inputs)}, expected those with ods or confods and no others")
    for v in range(V):
        for first in writer.firsts:
            if v in inputs:
                writer.inputs(v, first, inputs[v][first:first + writer.shard_rows])
            for m in range(M):
                writer.shard(v, m, first, logits[v, m, first:first + writer.shard_rows])
    writer.manifest()


def file_arguments(parser, shard_rows):
    """The arguments of how a cache is stored."""
    parser.add_argument("out", metavar="CACHE", help="The folder of the cache, RUN/cache.")
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


def hexadecimal(text):
    if not re.fullmatch("[0-9a-fA-F]{1,16}", text):
        raise argparse.ArgumentTypeError(f"expected up to 16 hexadecimal digits, got {text}")
    return int(text, 16)


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("--logits", required=True, metavar="LOGITS.npy",
                        help="The array of raw logits: [M][N][K], or [V][M][N][K] with views.")
    parser.add_argument("--y", required=True, metavar="Y.npy", help="The array of labels or targets: [N].")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--x", metavar="X.npy", help="The array of samples as the data set stores them: uint8 or float32, [N][...].")
    data.add_argument("--data-digest", type=hexadecimal, metavar="DIGEST",
                      help="The digest of the data set in hexadecimal digits, instead of --x.")
    parser.add_argument("--view", action="append", nargs=2, metavar=("RECIPE", "SEED"),
                        help="Names a view; give it once for each view, in order. Without it there is one: identity 0.")
    file_arguments(parser, 65536)
    a = parser.parse_args()
    for _, seed in a.view or ():
        if not seed.isdecimal():
            parser.error(f"argument --view: expected a whole number as SEED, got {seed}")
    y = trb_tool.array(a.y, "labels or targets")
    of_data = a.data_digest if a.x is None else data_digest(trb_tool.array(a.x, "samples", mmap_mode="r"), y, a.task)
    views = a.view and [(recipe, int(seed)) for recipe, seed in a.view]
    write_cache(a.out, trb_tool.array(a.logits, "logits", mmap_mode="r"), y, of_data, a.task, views, None, a.dtype, a.block,
                a.shard_rows, a.deflate)


if __name__ == "__main__":
    trb_tool.run(main)
