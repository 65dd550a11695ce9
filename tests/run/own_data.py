"""Run every configuration of the section "Your own data" of configs/README.md on files as it describes. See own_data.sh."""
import gzip
import os
import re
import struct
import subprocess
import sys
import zlib

import h5py
import numpy as np

SOURCE, PROGRAM = os.environ["TRB_SOURCE"], os.path.join(os.environ["TRB_BUILD"], "tribikos")
SIZES = {"train": 300, "test": 100}
rng = np.random.default_rng(1)


def samples(n, inputs=6, classes=3):
    y = rng.integers(0, classes, n)
    x = rng.normal(size=(n, inputs)).astype("f4")
    x[:, 0] += 2 * y
    return x, y


def write_rows(name, rows, header=None, between=","):
    with open(name, "w") as f:
        f.writelines(between.join(row) + "\n" for row in ([header] if header else []) + rows)


def numbers(x):
    return ["%.4f" % v for v in x]


def words(part, n):
    x, y = samples(n)
    write_rows(f"{part}.csv", [[*numbers(a[:3]), ["Biscoe", "Dream"][int(a[4] > 0)], ["adelie", "gentoo", "chinstrap"][k]]
                               for a, k in zip(x, y)], ["a", "b", "c", "island", "species"])


def plain(part, n):
    write_rows(f"{part}.txt", [[*numbers(a[:3]), str(k)] for a, k in zip(*samples(n))], between=" ")


def regression(part, n):
    x, _ = samples(n)
    write_rows(f"{part}.csv", [[*numbers(a[:3]), "%.5f" % (3 * a[0] + a[1])] for a in x], ["a", "b", "c", "energy"])


def from_one(part, n):
    write_rows(f"{part}.csv", [[*numbers(a[:3]), str(k + 1)] for a, k in zip(*samples(n))])


def parts(part, n):
    for name in [f"train-{i}" for i in range(3)] if part == "train" else ["test"]:
        write_rows(f"{name}.csv", [[*numbers(a[:3]), str(k)] for a, k in zip(*samples(n))])


def hdf5(part, n):
    with h5py.File(f"{part}.h5", "w") as f:
        f["spectra"], f["phase"] = samples(n)


def npy(part, n):
    x, y = samples(n)
    np.save(f"{part}-x.npy", x)
    np.save(f"{part}-y.npy", y)


def npz(part, n):
    x, y = samples(n)
    np.savez(f"{part}.npz", x=x, y=y)


def nhwc(part, n):
    with h5py.File(f"{part}.h5", "w") as f:
        f["x"], f["y"] = rng.integers(0, 255, (n, 8, 8, 3)).astype("u1"), samples(n)[1]


def idx(part, n):
    for kind, array in ("images-idx3", rng.integers(0, 255, (n, 28, 28))), ("labels-idx1", rng.integers(0, 10, n)):
        with gzip.open(f"{ {'train': 'train', 'test': 't10k'}[part] }-{kind}-ubyte.gz", "wb") as f:
            f.write(struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype("u1").tobytes())


def png(x):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    head = struct.pack(">IIBBBBB", x.shape[1], x.shape[0], 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + r.tobytes() for r in x))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def images(part, n):
    for i, k in enumerate(samples(n)[1]):
        folder = os.path.join(part, ["cat", "dog", "owl"][k])
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{i}.png"), "wb") as f:
            f.write(png(rng.integers(0, 255, (9 + i % 3, 9, 3)).astype("u1")))


def unlabelled(part, n):
    x, y = samples(n)
    np.save(f"{part}-x.npy", x)
    np.save(f"{part}-y.npy", y)
    np.save(f"{part}-logits.npy", np.stack([4 * np.eye(3)[y] + rng.normal(size=(n, 3)) for _ in range(2)]).astype("f4"))


MAKERS = {"words": words, "numbers": plain, "regression": regression, "from-one": from_one, "parts": parts, "h5": hdf5,
          "npy": npy, "npz": npz, "nhwc": nhwc, "idx": idx, "images": images, "unlabelled": unlabelled}


def commands(name, body):
    """What the section says to type, or `tribikos run`."""
    said = re.findall(r"^```sh\n(.*?)^```", body, re.M | re.S)
    text = said[0] if said else f"tribikos run {name}\n"
    return f'tribikos() {{ "{PROGRAM}" "$@"; }}\n' + re.sub(r"tools/python/", f"{sys.executable} {SOURCE}/tools/python/", text)


def main():
    with open(f"{SOURCE}/configs/README.md") as f:
        section = f.read().split("### Your own data\n")[1]
    section = re.split(r"^#{2,3} ", section, maxsplit=1, flags=re.M)[0]
    listed = set(re.findall(r"\[([\w-]+)\.yaml\]\(#", section))
    failed, done = 0, set()
    for title, body in re.findall(r"^#### (.*?)\n(.*?)(?=^####|\Z)", section, re.M | re.S):
        (name, text), = re.findall(r"^```yaml\n# ([\w-]+)\.yaml\n(.*?)^```", body, re.M | re.S)
        os.makedirs(name)
        os.chdir(name)
        with open(f"{name}.yaml", "w") as f:
            f.write(text)
        for part, n in SIZES.items():
            MAKERS[name](part, n)
        ran = subprocess.run(["bash", "-ec", commands(f"{name}.yaml", body)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        reports = [os.path.join(path, f) for path, _, names in os.walk(".") for f in names if f == "report.json"]
        good = ran.returncode == 0 and reports
        print(f"{'ok' if good else 'FAILED'}: {title}" + ("" if good else f": {ran.stdout}{ran.stderr}"))
        failed += not good
        done.add(name)
        os.chdir("..")
    if listed != done or done != MAKERS.keys():
        failed += 1
        print(f"FAILED: the table lists {sorted(listed)}, the page has {sorted(done)}, files are made for {sorted(MAKERS)}")
    print(f"{len(done) - failed} passed, {failed} failed")
    sys.exit(failed != 0)


main()
