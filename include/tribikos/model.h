/** libtribikos: predictions by a trained network, for rows in memory.
 *
 *   trb_model *model = NULL;
 *   if (trb_model_open("student/hydra/weights.h5", 0, &model) != TRB_MODEL_OK)
 *       return complain(trb_model_message(NULL));
 *   trb_model_outputs out = {.probabilities = p, .model_uncertainty = u};
 *   if (trb_model_predict(model, n, x, &out) != TRB_MODEL_OK) return complain(trb_model_message(model));
 *   trb_model_close(model);
 *
 * A weights file holds all that is needed: layers, parameters, normalisation of inputs and targets. The library does
 * not use MPI, prints nothing and never ends the process. Its functions may be called on any thread; calls with one
 * handle wait for each other, and calls with several handles run at the same time. A handle computes on one thread of
 * its own, which takes no signals, has the default rounding mode and uses one core. For more cores, open more handles.
 * A process that forks must open its handles after the fork.
 *
 * Predictions have the same bits as those of `tribikos eval` on the same machine with `math.precision: f32` and
 * `math.threads: 1`, if the rows come in the same blocks: `block` is the `eval.batch` of the evaluation, and the first
 * row of a call is the first row of a block. (A call with n rows is computed in blocks of `block` rows; the last one
 * may be shorter. In a network with convolutions or pools, blocks of 32 rows or more do not change the bits.) The
 * libraries must choose the same kernels: if the process has loaded OpenBLAS before, as NumPy may, the library that is
 * there is used with the kernels that it chose.
 *
 * What the library changes in the process, at the first open: OpenBLAS computes on one thread from then on. The
 * environment variable OPENBLAS_NUM_THREADS becomes 1; HDF5_USE_FILE_LOCKING, and on some processors OPENBLAS_CORETYPE,
 * are set if they are not. A program that itself calls HDF5 on several threads needs a thread-safe HDF5. HDF5 1.10
 * itself may print two lines at the end of a process that has opened a damaged file.
 *
 * Shapes: n rows, D = channels * height * width inputs, M heads, K outputs. Arrays are contiguous, the last index runs
 * fastest. The header can be used from C++.
 */
#ifndef TRB_MODEL_H
#define TRB_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TRB_MODEL_API __attribute__((visibility("default")))
#else
#define TRB_MODEL_API
#endif

/** What functions return. */
enum {
    TRB_MODEL_OK = 0,
    TRB_MODEL_EUSAGE = -2,     /* wrong arguments, no such file, or a library for another processor */
    TRB_MODEL_EINTEGRITY = -4, /* the file is damaged, or is no weights file */
    TRB_MODEL_ENUM = -5,       /* an input or an output is not finite */
    TRB_MODEL_EIO = -6,        /* the file cannot be read, or a library cannot be loaded */
    TRB_MODEL_ENOMEM = -7,
    TRB_MODEL_EINTERNAL = -9
};

typedef struct trb_model trb_model;

/** Open a weights file.
 * \param[in]  block  rows that are computed at once; 0: 256. More rows take more memory
 * \param[out] model  closed by trb_model_close(); NULL after a failure */
TRB_MODEL_API int trb_model_open(const char *path, size_t block, trb_model **model);
/** Release everything. NULL allowed. */
TRB_MODEL_API void trb_model_close(trb_model *model);

/** One line that says why the last call with this handle failed. With NULL: why the last trb_model_open() of this
 * thread failed. "" if it did not fail. Borrowed until the next call. */
TRB_MODEL_API const char *trb_model_message(const trb_model *model);

/** Where predictions are written; every pointer may be NULL. Uncertainties of classes are in nats; they add up: total =
 * data + model. Numbers of regression are in the unit of the target, and std^2 = data_std^2 + model_std^2. A field of
 * the other task must be NULL. */
typedef struct {
    float *logits;             /* [n][M][K] of each head, at temperature 1; regression: mean and log variance in
                                  standardised units */
    float *probabilities;      /* [n][K] mean over the heads of softmax(logits) */
    double *total_uncertainty; /* [n] entropy of the mean probabilities */
    double *model_uncertainty; /* [n] what the heads do not agree on; 0 for one head */
    double *data_uncertainty;  /* [n] mean entropy of the heads */
    double *mean, *std;        /* [n] of the mixture of the heads' Gaussians */
    double *model_std;         /* [n] standard deviation of the heads' means; 0 for one head */
    double *data_std;          /* [n] root of the heads' mean variance */
    float *calibrated; /* [n][K] p^(1/T) / sum p^(1/T) of the probabilities p; only if the file has a temperature T */
} trb_model_outputs;

/** Predict rows.
 * \param[in]  x    [n][D] values as the data set has them, not normalised (pixels: 0 to 255)
 * \param[out] out  borrowed; if the call fails, what it points to is undefined */
TRB_MODEL_API int trb_model_predict(trb_model *model, size_t n, const float *x, const trb_model_outputs *out);
/** The same for values in double, and the only way for a network whose inputs lie so far from zero that float32 would
 * lose their digits, as times of 2026 in seconds: trb_model_predict() refuses such a network. For any other network both
 * predict the same of the same values. */
TRB_MODEL_API int trb_model_predict_double(trb_model *model, size_t n, const double *x, const trb_model_outputs *out);

TRB_MODEL_API size_t trb_model_inputs(const trb_model *model);          /* D */
TRB_MODEL_API size_t trb_model_channels(const trb_model *model);        /* of an image; of a table: its columns */
TRB_MODEL_API size_t trb_model_height(const trb_model *model);          /* 1 for a table */
TRB_MODEL_API size_t trb_model_width(const trb_model *model);           /* 1 for a table */
TRB_MODEL_API size_t trb_model_heads(const trb_model *model);           /* M */
TRB_MODEL_API size_t trb_model_outputs_of_head(const trb_model *model); /* K */
TRB_MODEL_API int trb_model_is_regression(const trb_model *model);      /* 1 or 0 */
TRB_MODEL_API int trb_model_needs_double(const trb_model *model); /* 1 if float32 cannot hold its inputs, else 0 */

/** What class k, or input i, is called. NULL if the file has no names, or not so many. Borrowed. An input is called as its
 * column; if the column holds words, "city=Oslo" is 1 where the word is Oslo, else 0. */
TRB_MODEL_API const char *trb_model_class_name(const trb_model *model, size_t k);
TRB_MODEL_API const char *trb_model_input_name(const trb_model *model, size_t i);

/** The temperature T of calibration, which was fitted on held-out samples at the end of the training. 0 if the file has
 * none: then there are no calibrated probabilities. */
TRB_MODEL_API double trb_model_temperature(const trb_model *model);

/** The list of layers; what the network was trained with, one "key: value" a line; the digest by which the file is
 * known elsewhere. Borrowed. */
TRB_MODEL_API const char *trb_model_layers(const trb_model *model);
TRB_MODEL_API const char *trb_model_config(const trb_model *model);
TRB_MODEL_API uint64_t trb_model_digest(const trb_model *model);

#ifdef __cplusplus
}
#endif

#endif
