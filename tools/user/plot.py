#!/usr/bin/env python3
"""Draws a run into one picture.

The picture shows the training loss of members and students by epoch, and dotted their loss on held-out samples. From the run's report it shows a reliability diagram:
accuracy against confidence in 15 bins; the closer to the diagonal, the better the model is calibrated. It shows how model and
total uncertainty are distributed over the reported samples and over the sets of eval.ood. For corrupted samples it shows
accuracy and NLL by strength, averaged over the corruptions. What the run has not evaluated is left out.
"""
import glob
import json
import os
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
import trb_tool

with trb_tool.needs("matplotlib", "h5py", "numpy"):
    import matplotlib
    import numpy as np

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt  # the backend must be chosen first

def draw_losses(run, color, axes):
    validated = False
    for path in sorted(glob.glob(f"{run}/members/m*/metrics.jsonl") + glob.glob(f"{run}/student/*/metrics.jsonl")):
        name = os.path.basename(os.path.dirname(path))
        try:
            lines = [json.loads(line) for line in open(path)]
        except ValueError:
            raise ValueError(f"{path} has a line that is no JSON; run `tribikos train` or `tribikos distill` again") from None
        member = "/members/" in path
        phases = sorted({line["phase"] for line in lines})
        for phase in phases:
            loss = [line["loss"] for line in lines if line["phase"] == phase]
            label = name if len(phases) == 1 else f"{name}, phase {phase}"
            held_out = [line.get("validation_loss") for line in lines if line["phase"] == phase]
            held_out = [np.nan if value is None else value for value in held_out]
            axes.plot(range(1, len(loss) + 1), held_out, ":", lw=0.8 if member else 1.8,
                      color="0.6" if member else color.get(name))
            validated |= not np.isnan(held_out).all()
            axes.plot(range(1, len(loss) + 1), loss, "--" if phase < phases[-1] else "-", label=None if member else label,
                      lw=0.8 if member else 1.8, color="0.6" if member else color.get(name))
    axes.plot([], [], color="0.6", lw=0.8, label="members")
    if validated:
        axes.plot([], [], "k:", label="held-out samples")
    axes.set(xlabel="epoch", ylabel="loss (nats)" if validated else "training loss (nats)")
    # A density's likelihood has no sign.
    if all((np.isnan(line.get_ydata()) | (line.get_ydata() > 0)).all() for line in axes.lines if len(line.get_ydata())):
        axes.set_yscale("log")
    else:
        axes.set_yscale("symlog", linthresh=0.1)
    axes.legend()


def draw_reliability(f, names, color, axes):
    label = f["label"][...]
    for name in names:
        p = f[name][...]
        confidence, correct = p.max(1), p.argmax(1) == label
        bins = np.minimum((confidence * 15).astype(int), 14)
        used = [b for b in range(15) if (bins == b).sum() >= 10]  # fewer rows say nothing about a frequency
        axes.plot([confidence[bins == b].mean() for b in used], [correct[bins == b].mean() for b in used], "o-", ms=4,
                  label=name, color=color[name])
    axes.plot([0, 1], [0, 1], color="0.7", lw=0.8)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend()


def edges_of(groups):
    """Uncertainties spread over orders of magnitude: bins of equal width in their logarithm, the same for all models."""
    largest = max(v.max() for group in groups for v in group.values())
    least = min(np.quantile(v, 0.005) for group in groups for v in group.values())
    return np.geomspace(min(max(least, 1e-9), largest / 10), largest, 41)


def draw_uncertainty(values, edges, label, title, axes):
    for s, v in values.items():
        axes.hist(np.maximum(v, edges[0]), edges, weights=np.full(len(v), 1 / len(v)), histtype="step", lw=1.5, label=s)
    axes.set(xscale="log", xlabel=label, ylabel="share of samples", title=title)
    axes.legend(loc="upper left")


def draw_corruptions(report, split, figure_of, color, axes):
    corruptions = report["corruptions"].values()
    for name, model in report["models"].items():
        curves = [c[name][figure_of] for c in corruptions]
        if any(v is None for curve in curves for v in curve):
            continue
        axes.plot(range(6), [model[figure_of], *np.mean(curves, 0)], "o-", ms=4, label=name, color=color[name])
    axes.set(xlabel="strength of corruption (0: none)", ylabel={"nll": "NLL (nats)"}.get(figure_of, figure_of),
             title=f"{split}: " + ", ".join(report["corruptions"]))
    axes.legend()


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("run", metavar="RUN", help="The folder of a run that `tribikos eval` has evaluated.")
    parser.add_argument("out", metavar="OUT", nargs="?", help="The picture to write; without it run.png beside the report. Its "
                        "ending, such as .png or .pdf, says in which format.")
    parser.add_argument("--report", metavar="NAME", default="", help="Draws RUN/report/NAME, a report on other samples than the "
                        "run's own.")
    arguments = parser.parse_args()
    run, folder = arguments.run, os.path.join(arguments.run, "report", arguments.report)
    out = arguments.out or os.path.join(folder, "run.png")
    report = trb_tool.report(run, arguments.report)
    with trb_tool.hdf5(os.path.join(folder, "predictions.h5"), "the folder of a run that `tribikos eval` has evaluated") as f:
        names = [n for n in report["models"] if n in f]
        color = {name: f"C{i}" for i, name in enumerate(report["models"])}
        first = [lambda axes: draw_losses(run, color, axes)]
        if "label" in f:
            first.append(lambda axes: draw_reliability(f, names, color, axes))
        if report["corruptions"]:
            for of in "accuracy", "nll":
                first.append(lambda axes, of=of: draw_corruptions(report, report["split"], of, color, axes))
        grid = [first]
        for kind in ("model", "total") if report["ood"] else ():  # a column a model
            label = f"{kind} {'uncertainty (nats)' if 'label' in f else 'variance'}"
            groups = {}
            for name in names:
                sets = [report["split"], *(s for s in report["ood"] if name in f[f"uncertainty/{s}"])]
                if kind in f[f"uncertainty/{sets[0]}/{name}"]:
                    groups[name] = {s: f[f"uncertainty/{s}/{name}/{kind}"][...] for s in sets}
            edges = edges_of(groups.values())
            grid.append([(lambda axes, of=(groups[name], edges, label, name): draw_uncertainty(*of, axes))
                         if name in groups else None for name in names])
        columns = max(len(row) for row in grid)
        figure, axes = plt.subplots(len(grid), columns, figsize=(4.4 * columns, 3.6 * len(grid)), constrained_layout=True,
                                    squeeze=False)
        for row, places in zip(grid, axes):
            for panel, at in zip(row + [None] * columns, places):
                panel(at) if panel else at.set_axis_off()
    figure.savefig(out, dpi=110)
    print(out)


if __name__ == "__main__":
    trb_tool.run(main)
