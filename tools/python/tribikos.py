"""Predictions by a trained network, with NumPy arrays: what model.h of libtribikos describes. Nothing is compiled.

    from tribikos import Model
    model = Model("student/hydra/weights.h5")
    out = model.predict(x)                  # x [n, D] or [n, C, H, W], values as the data set has them
    out["probabilities"], out["model_uncertainty"], out["total_uncertainty"]

The shared library is looked for below the prefix in which this file is installed, and then where the system looks;
TRIBIKOS_LIBRARY names another one. A model computes on one core. For more cores, open one for each thread; the
interpreter's lock is not held during a prediction.
"""
import ctypes
import glob
import os

import numpy as np

FLOATS, DOUBLES = ("logits", "probabilities"), ("total_uncertainty", "model_uncertainty", "data_uncertainty")
NUMBERS = "mean", "std", "model_std", "data_std"


class Outputs(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in (*FLOATS, *DOUBLES, *NUMBERS, "calibrated")]


def load():
    prefix = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../..")
    beside = [path for folder in ("lib*", "lib/*") for path in sorted(glob.glob(f"{prefix}/{folder}/libtribikos.so.0"))]
    lib = ctypes.CDLL(os.environ.get("TRIBIKOS_LIBRARY") or (beside or ["libtribikos.so.0"])[0])
    for name in "inputs", "channels", "height", "width", "heads", "outputs_of_head":
        getattr(lib, f"trb_model_{name}").restype = ctypes.c_size_t
    for name in "message", "class_name", "input_name", "layers", "config":
        getattr(lib, f"trb_model_{name}").restype = ctypes.c_char_p
    lib.trb_model_digest.restype, lib.trb_model_temperature.restype = ctypes.c_uint64, ctypes.c_double
    return lib


class Error(RuntimeError):
    """A call failed. `code` is that of model.h."""

    def __init__(self, code, message):
        super().__init__(message.decode(errors="replace"))
        self.code = code


class Model:
    lib = None

    def __init__(self, path, block=0):
        """Open a weights file. block: rows that are computed at once, 0 for 256."""
        self.handle = ctypes.c_void_p()
        Model.lib = Model.lib or load()
        code = self.lib.trb_model_open(os.fsencode(path), ctypes.c_size_t(block), ctypes.byref(self.handle))
        if code:
            raise Error(code, self.lib.trb_model_message(None))
        ask = lambda name: getattr(self.lib, f"trb_model_{name}")(self.handle)
        self.inputs, self.heads, self.outputs = ask("inputs"), ask("heads"), ask("outputs_of_head")
        self.shape = ask("channels"), ask("height"), ask("width")
        self.is_regression, self.digest = bool(ask("is_regression")), ask("digest")
        self.temperature = ask("temperature")  # of calibration; 0 if the file has none
        self.needs_double = bool(ask("needs_double"))
        self.layers, self.config = ask("layers").decode(), ask("config").decode()
        self.class_names = self._names("class_name", self.outputs)
        self.input_names = self._names("input_name", self.inputs)

    def _names(self, which, n):
        """All names, or None if the file has none."""
        found = [getattr(self.lib, f"trb_model_{which}")(self.handle, ctypes.c_size_t(i)) for i in range(n)]
        return None if None in found else [name.decode() for name in found]

    def predict(self, x):
        """A dictionary of arrays: logits [n, M, K] and what the task has (see model.h). Arrays of doubles, and of integers
        that float32 cannot hold, are given as doubles."""
        x = np.asarray(x)
        x = np.ascontiguousarray(x, np.float32 if np.can_cast(x.dtype, np.float32) else np.float64)
        n = x.shape[0]
        if x.size != n * self.inputs:
            raise ValueError(f"expected rows of {self.inputs} values, got an array of shape {x.shape}")
        out = {"logits": np.empty((n, self.heads, self.outputs), np.float32)}
        if not self.is_regression:
            out["probabilities"] = np.empty((n, self.outputs), np.float32)
        if self.temperature > 0:
            out["calibrated"] = np.empty((n, self.outputs), np.float32)
        out.update({name: np.empty(n) for name in (NUMBERS if self.is_regression else DOUBLES)})
        places = Outputs(**{name: a.ctypes.data for name, a in out.items()})
        call = self.lib.trb_model_predict if x.dtype == np.float32 else self.lib.trb_model_predict_double
        code = call(self.handle, ctypes.c_size_t(n), x.ctypes.data_as(ctypes.c_void_p), ctypes.byref(places))
        if code:
            raise Error(code, self.lib.trb_model_message(self.handle))
        return out

    def close(self):
        if self.handle:
            self.lib.trb_model_close(self.handle)
        self.handle = None

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    def __del__(self):
        if Model.lib is not None and getattr(self, "handle", None):
            self.close()
