#!/usr/bin/env python3
"""The reports of one run, or of several that differ in their seed, as a Markdown table: table.py RUN [RUN ...]

A row a model: the mean over runs, with the least and the largest behind it. Ratios and differences to the ensemble are taken in
each run before the mean. AUROC is of model uncertainty (MU) against each set of eval.ood; DEE is the deep-ensemble
equivalent. Regression has RMSE, NLL, CRPS, the coverage of the 95 % interval and the model variance, in the target's unit. A figure
that a model does not have is "-"; what is held against the ensemble's, where teachers from elsewhere left none to evaluate, too."""
import json
import os
import sys


def columns(report):
    """(title, decimals, figure of a model of a report, whether its range is shown)"""
    def plain(figure):
        return lambda r, model: r["models"][model].get(figure)

    def against(figure, how):
        def of(r, model):
            ensemble = r["models"].get("ensemble")
            return how(r["models"][model][figure], ensemble[figure]) if ensemble and model != "ensemble" else None
        return of

    def mu_ratio(r, model):
        return None if model == "ensemble" else r["models"][model].get("mu_ratio")

    def auroc(name):
        return lambda r, model: r["ood"][name]["models"][model]["model_uncertainty"]["auroc"]

    if "rmse" in next(iter(report["models"].values())):
        yield "RMSE", 4, plain("rmse"), False
        yield "NLL", 4, plain("nll"), False
        yield "NLL - ensemble's", 4, against("nll", lambda a, b: a - b), True
        yield "CRPS", 4, plain("crps"), False
        yield "coverage", 4, plain("coverage"), False
        yield "model variance / ensemble's", 3, against("model_variance", lambda a, b: a / b if a and b else None), True
        yield "parameters", 0, plain("parameters"), False
        return
    yield "accuracy", 4, plain("accuracy"), False
    yield "NLL", 4, plain("nll"), False
    yield "NLL / ensemble's", 3, against("nll", lambda a, b: a / b), True
    yield "Brier", 4, plain("brier"), False
    yield "ECE", 4, plain("ece"), False
    yield "MU", 4, lambda r, model: r["models"][model].get("mu") or None, False  # one head has none
    yield "MU / ensemble's", 3, mu_ratio, True
    for name in report["ood"]:
        yield f"AUROC {name}", 4, auroc(name), True
    yield "DEE", 1, plain("deep_ensemble_equivalent"), True
    yield "parameters", 0, plain("parameters"), False


def cell(values, decimals, ranged):
    if any(v is None for v in values):
        return "-"
    text = f"{sum(values) / len(values):,.{decimals}f}"
    if ranged and len(values) > 1 and min(values) < max(values):
        text += f" ({min(values):.{decimals}f} to {max(values):.{decimals}f})"
    return text


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    reports = []
    for run in sys.argv[1:]:
        path = os.path.join(run, "report", "report.json")
        if not os.path.exists(path):
            sys.exit(f"table.py: there is no {path}; give folders of runs that `tribikos eval` has been through")
        with open(path) as file:
            reports.append(json.load(file))
        if reports[-1]["models"].keys() != reports[0]["models"].keys() or reports[-1]["ood"].keys() != reports[0]["ood"].keys():
            sys.exit(f"table.py: {run} and {sys.argv[1]} have reports of other models or sets; give runs of one configuration")
    table = list(columns(reports[0]))
    print("| model | " + " | ".join(title for title, *_ in table) + " |")
    print("| --- " * (len(table) + 1) + "|")
    for model in reports[0]["models"]:
        cells = [cell([figure(r, model) for r in reports], decimals, ranged) for _, decimals, figure, ranged in table]
        print(f"| {model} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
