#!/usr/bin/env python3
"""Usage: predict.py WEIGHTS ROWS FILE: the same as predict.c, in Python."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../python"))
from tribikos import Error, Model


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        with Model(sys.argv[1]) as model:
            n = int(sys.argv[2])
            x = np.fromfile(sys.argv[3], np.float32, n * model.inputs).reshape(n, model.inputs)
            out = model.predict(x)
    except (Error, OSError, ValueError) as why:
        sys.exit(f"predict.py: {why}")
    for i in range(n):
        if model.is_regression:
            print(*(f"{out[name][i]:.9g}" for name in ("mean", "model_std", "data_std")))
        else:
            k = out["probabilities"][i].argmax()
            print(k, *(f"{v:.9g}" for v in (out["probabilities"][i, k], out["total_uncertainty"][i], out["model_uncertainty"][i])))


if __name__ == "__main__":
    main()
