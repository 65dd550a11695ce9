"""Predictions of a trained network, a batch at a time on one thread: by libtribikos, or by ONNX Runtime from the file that
`tribikos export` makes of it. Used by the bench.

    bench_library.py FILE SECONDS       FILE ends in .h5 or in .onnx
"""
import resource
import statistics
import sys
import time

import numpy as np

BATCH = 128


def by_tribikos(file):
    from tribikos import Model
    model = Model(file, BATCH)
    return model.shape, model.predict


def by_onnx_runtime(file):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    x = session.get_inputs()[0]
    return x.shape[1:], lambda values: session.run(None, {x.name: values})


file, seconds = sys.argv[1], float(sys.argv[2])
shape, predict = (by_onnx_runtime if file.endswith(".onnx") else by_tribikos)(file)
batch = np.random.default_rng(1).integers(0, 256, (BATCH, *shape)).astype(np.float32)
for _ in range(3):
    predict(batch)
times, start = [], time.perf_counter()
while time.perf_counter() - start < seconds or len(times) < 5:
    begin = time.perf_counter()
    predict(batch)
    times.append(time.perf_counter() - begin)
ms, peak = 1e3 * statistics.median(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"median_ms {ms:.4f} images_s {1e3 * BATCH / ms:.0f} peak_mb {peak:.0f}")
