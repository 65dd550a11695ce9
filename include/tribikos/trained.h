/** A trained network as one weights file has it, with all that a prediction needs: layers, parameters, normalisation,
 * and how its outputs are to be read. The library (model.h), `tribikos export` and everything else that uses a network
 * after its training read the file by this.
 *
 * All functions are local.
 */
#ifndef TRB_TRAINED_H
#define TRB_TRAINED_H

#include "tribikos/data.h"
#include "tribikos/metrics.h"
#include "tribikos/schema.h"
#include "tribikos/text.h"
#include "tribikos/weights.h"

typedef struct {
    trb_weights_info info; /* layers, configuration, digest, normalisation, program. norm.offset is NULL if all are 0 */
    trb_net *net;
    float *params;           /* [trb_net_size(net)] */
    trb_task task;           /* regression if the file has a normalisation of targets */
    trb_dirichlet dirichlet; /* what the outputs of a student with one head describe; see metrics.h */
    trb_schema schema;       /* names of inputs and classes, offsets; empty if the file has none */
    char **input_name;       /* [schema.n_inputs] "age", "city=Oslo"; NULL where the file has no name */
    double temperature; /* of calibration, fitted after averaging the heads (calibration.h); 0: the file has none */
} trb_trained;

/** Read a weights file and check everything that predictions depend on.
 * \param[out] t  cleared by trb_trained_clear(), also after a failure
 * \return TRB_OK; TRB_ECONFIG if there is no such file; TRB_EINTEGRITY if anything is not what it says */
trb_status trb_trained_read(const char *path, trb_trained *t);
void trb_trained_clear(trb_trained *t);

/** The value of one line "KEY: VALUE" of the configuration in the file.
 * \param[out] value  [bytes], "" if there is no such line */
void trb_trained_said(const trb_trained *t, const char *key, char *value, size_t bytes);

/** Append the names of inputs, or of classes, as a JSON list: ["age", "city=Oslo"], with "" for an input without a name;
 * or null, if the file has no such names. */
void trb_trained_columns(const trb_trained *t, trb_text *json);
void trb_trained_classes(const trb_trained *t, trb_text *json);

/** Normalise rows as the network takes them. The bits are those of a data set's own normalisation.
 * \param[in]  raw,wide  [rows][D] values as the data set has them, as floats or as doubles; the other one is NULL. If
 *                       the network has offsets, float32 cannot hold its inputs: raw must be NULL
 * \param[out] x         [rows][D]; may be raw */
void trb_trained_normalize(const trb_trained *t, size_t rows, const float *raw, const double *wide, float *x);

/** Where predictions are written; each may be NULL. Uncertainties of classes are in nats, numbers of regression in the
 * unit of the target. */
typedef struct {
    float *probabilities;                                             /* [rows][K] */
    float *calibrated;                                                /* [rows][K] needs a temperature */
    double *total_uncertainty, *model_uncertainty, *data_uncertainty; /* [rows] */
    double *mean, *std, *model_std, *data_std;                        /* [rows] */
} trb_trained_out;

/** What the outputs of the network mean. The bits are those of the predictions that `tribikos eval` writes, for the
 * same logits: std^2, model_std^2 and data_std^2 are its variances.
 * \param[in] z  [rows][M][K]
 * \return TRB_OK; TRB_ENUM, naming row and head, if an output is not finite or is no log variance; TRB_ENOMEM */
trb_status trb_trained_predict(const trb_trained *t, size_t rows, const float *z, const trb_trained_out *out);

#endif
