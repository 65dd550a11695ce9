#!/usr/bin/env python3
"""What a cache of the most probable classes costs: its bytes, and how far its student is from one of all logits.

    tools/bench/top.py [--program build/tribikos] [--classes 1000] [--top 8,16,32,64] [FOLDER]

Makes a data set whose labels are drawn from a known network, trains two members on it, and distils a hydra from float32
logits and from each number of classes, with float16 values. Prints one line for each cache: its bytes, alone and beside those
of float32 logits; and the student's NLL on new samples, less that of the known network, alone and beside the one from logits.
The program must be built (tools/build). FOLDER keeps the files; without it they are removed.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
import trb_tool  # noqa: E402

with trb_tool.needs("numpy"):
    import numpy as np

INPUTS, HIDDEN, SAMPLES, TEST = 16, 64, 10000, 4000


def known_teacher(K, folder):
    """Inputs, and labels that are drawn from the softmax of a network with random weights. Returns its NLL on the test set."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(INPUTS, HIDDEN)) / INPUTS**0.5, 8 * rng.normal(size=(HIDDEN, K)) / HIDDEN**0.5
    x = rng.normal(size=(SAMPLES + TEST, INPUTS)).astype(np.float32)
    z = np.tanh(2 * x @ first) @ second
    y = (z + rng.gumbel(size=z.shape)).argmax(1).astype(np.int32)
    for name, rows in ("train", slice(SAMPLES)), ("test", slice(SAMPLES, None)):
        np.save(folder / f"{name}-x.npy", x[rows])
        np.save(folder / f"{name}-y.npy", y[rows])
    log_p = z - z.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    return -log_p[np.arange(SAMPLES + TEST), y][SAMPLES:].mean()


def config(folder, K):
    return f"""run: {{dir: {folder}/run}}
data: {{root: {folder}, format: npy, train: [train-x.npy, train-y.npy], test: [test-x.npy, test-y.npy]}}
members: {{count: 2}}
train: {{layers: [dense {HIDDEN}, tanh, dense {K}], epochs: 8, batch: 100, lanes: 4, lr: 0.003}}
students: [hydra]
student: {{split: 2, phase1_epochs: 8, epochs: 16, batch: 100, lanes: 4, lr: 0.003, temperature: 1}}
"""


def run(program, file, *flags):
    done = subprocess.run([program, "run", file, *flags], capture_output=True, text=True)
    if done.returncode != 0:
        trb_tool.fail(f"{' '.join(done.args)}: {(done.stderr.strip().splitlines() or ['it says nothing'])[-1]}")


def figures(run_dir):
    """NLL of the ensemble and of the student; bytes of the cache's shards."""
    models = json.loads((run_dir / "report" / "report.json").read_text())["models"]
    return models["ensemble"]["nll"], models["hydra"]["nll"], sum(shard.stat().st_size for shard in (run_dir / "cache" / "v00").iterdir())


def measure(program, K, tops, folder):
    known = known_teacher(K, folder)
    file = folder / "config.yaml"
    file.write_text(config(folder, K))
    caches = [("logits, float32", [])] + [(f"top {k}, float16", ["--cache.holds=top", f"--cache.top={k}", "--cache.dtype=float16"])
                                          for k in tops]
    whole = excess_of_all = None
    print(f"K = {K}, {SAMPLES} samples, 2 members; NLL of the known network {known:.4f}")
    print(f"{'cache':18} {'bytes':>10} {'part':>7} {'NLL excess':>11} {'against logits':>15}")
    for name, flags in caches:
        place = folder / name.replace(", ", "-").replace(" ", "-")
        if whole is not None:
            place.mkdir(exist_ok=True)
            if not (place / "members").exists():
                (place / "members").symlink_to(folder / "logits-float32" / "members")
        run(program, file, f"--run.dir={place}", *flags)
        ensemble, student, size = figures(place)
        if whole is None:
            print(f"{'(the ensemble)':36} {ensemble - known:12.4f}")
        excess = student - known
        whole, excess_of_all = whole or size, excess_of_all or excess
        print(f"{name:18} {size:10} {size / whole:7.3f} {excess:11.4f} {100 * (excess / excess_of_all - 1):+14.2f}%", flush=True)


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=pathlib.Path, help="The folder that keeps the files.")
    parser.add_argument("--program", default="build/tribikos", help="The program.")
    parser.add_argument("--classes", type=trb_tool.count, default=1000, help="How many classes there are.")
    parser.add_argument("--top", default="8,16,32,64", help="The numbers of classes a row, cache.top.")
    a = parser.parse_args()
    tops = [trb_tool.count(k) for k in a.top.split(",")]
    if a.folder is not None:
        a.folder.mkdir(parents=True, exist_ok=True)
        measure(a.program, a.classes, tops, a.folder.resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(a.program, a.classes, tops, pathlib.Path(folder))


if __name__ == "__main__":
    trb_tool.run(main)
