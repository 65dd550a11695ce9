#!/usr/bin/env python3
"""Prints the report of one run, or of several runs that differ in their seed, as a Markdown table.

Each model has a row. A figure is the mean over the runs; ratios also have the least and the largest in parentheses. Ratios
and differences to the ensemble are taken in each run before the mean. AUROC tells how well the model uncertainty (MU)
separates the samples of a set of eval.ood. DEE is the deep-ensemble equivalent. A regression has RMSE, NLL, CRPS, the coverage
of the 95 % interval, and the model variance, in the target's unit. A figure that a model does not have is "-". So is a ratio
to the ensemble where the members were trained elsewhere and there is no ensemble to evaluate.
"""
import os
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
import trb_tool


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
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="The folder of a run that `tribikos eval` has evaluated.")
    runs = parser.parse_args().runs
    reports = [trb_tool.report(run) for run in runs]
    for run, report in zip(runs, reports):
        if report["models"].keys() != reports[0]["models"].keys() or report["ood"].keys() != reports[0]["ood"].keys():
            trb_tool.fail(f"{run} and {runs[0]} have reports of different models or sets; give runs of one configuration")
    table = list(columns(reports[0]))
    print("| model | " + " | ".join(title for title, *_ in table) + " |")
    print("| --- " * (len(table) + 1) + "|")
    for model in reports[0]["models"]:
        cells = [cell([figure(r, model) for r in reports], decimals, ranged) for _, decimals, figure, ranged in table]
        print(f"| {model} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    trb_tool.run(main)
