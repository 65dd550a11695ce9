#!/usr/bin/env python3
"""Draw a run: plot.py RUN [OUT.png] (default RUN/report/run.png). Needs python3-matplotlib and python3-h5py.

Left: training loss by epoch, from the metrics.jsonl of members and students. Right: reliability diagram (accuracy against
confidence, 15 bins) of the ensemble and the students, from report/predictions.h5; the closer to the diagonal, the better
calibrated."""
import glob
import json
import os
import sys

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend must be chosen first)

if len(sys.argv) not in (2, 3):
    sys.exit(__doc__.split("\n")[0])
run = sys.argv[1]
out = sys.argv[2] if len(sys.argv) == 3 else f"{run}/report/run.png"
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)

for path in sorted(glob.glob(f"{run}/members/m*/metrics.jsonl") + glob.glob(f"{run}/student/*/metrics.jsonl")):
    name = os.path.basename(os.path.dirname(path))
    lines = [json.loads(line) for line in open(path)]
    member = "/members/" in path
    for phase in sorted({line["phase"] for line in lines}):
        loss = [line["loss"] for line in lines if line["phase"] == phase]
        label = name if not any(line["phase"] == 2 for line in lines) else f"{name}, phase {phase}"
        left.plot(range(1, len(loss) + 1), loss, label=None if member else label, lw=0.8 if member else 1.8,
                  color="0.6" if member else None)
left.plot([], [], color="0.6", lw=0.8, label="members")
left.set(xlabel="epoch", ylabel="training loss (nats)", yscale="log")
left.legend()

with h5py.File(f"{run}/report/predictions.h5") as f:
    label = f["label"][...]
    for name in (n for n in f if n not in ("label", "sample_id")):
        p = f[name][...]
        confidence, correct = p.max(1), p.argmax(1) == label
        bins = np.minimum((confidence * 15).astype(int), 14)
        used = [b for b in range(15) if (bins == b).sum() >= 10]  # fewer rows say nothing about a frequency
        right.plot([confidence[bins == b].mean() for b in used], [correct[bins == b].mean() for b in used], "o-", ms=4,
                   label=name)
right.plot([0, 1], [0, 1], color="0.7", lw=0.8)
right.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), aspect="equal")
right.legend()
figure.savefig(out, dpi=110)
print(out)
