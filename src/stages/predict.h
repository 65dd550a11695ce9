/** Prediction: the networks that predict together, the columns of what they predict, and where these are written. All
 * functions are local. */
#ifndef TRB_STAGES_PREDICT_H
#define TRB_STAGES_PREDICT_H

#include "internal.h"
#include "tribikos/file.h"
#include "tribikos/h5.h"
#include "tribikos/stream.h"
#include "tribikos/text.h"
#include "tribikos/trained.h"

/* ---- predict_model.c */

/** One network, or all members of an ensemble. */
typedef struct {
    char name[TRB_NAME_MAX + 16];
    size_t n, M, K;   /* networks; heads or members; outputs of each */
    trb_trained *net; /* [n] */
    trb_work **work;  /* [n] */
    float *all;       /* [batch][M][K] logits of an ensemble; NULL for one network */
    trb_predict *predict;
    bool several;        /* has model uncertainty */
    double b;            /* 1 / temperature; 0: there is none */
    const char *why_not; /* the members have one each, but the ensemble has none; else NULL */
    trb_data norm;       /* constants of normalisation, for trb_data_rows() */
} trb__predictor;

/** Load the networks that a request asks for. \param[out] p  closed by trb__predictor_close(), after a failure too */
trb_status trb__predictor_open(const trb_config *c, const trb_prediction_request *q, trb__predictor *p);
/** \param[in] x  [rows][D] normalised   \param[out] z  [rows][M][K], borrowed until the next call */
trb_status trb__predictor_logits(trb__predictor *p, size_t rows, const float *x, const float **z);
void trb__predictor_close(trb__predictor *p);

/* ---- predict_columns.c */

/** A column of the output. */
typedef struct {
    const char *name;
    trb_dtype type;
    size_t ndim, dim[2], width; /* of a row's value; width: numbers in it */
    void *at;                   /* [room][width] */
} trb__column;

/** All columns, with room for some rows. Those that a prediction lacks are NULL. */
typedef struct {
    size_t n, n_labels; /* n_labels: classes */
    trb__column column[8];
    char **label; /* [n_labels] what classes are called */
    int64_t *id;
    int32_t *number;                                                         /* label */
    float *probabilities, *calibrated, *heads;                               /* of classes */
    double *total, *model, *data;                                            /* of classes */
    double *mean, *std, *model_std, *data_std, *low, *high, *heads_gaussian; /* of regression */
} trb__columns;

/** \param[in] room  rows   \param[in] labels_from  the label of class 0   \param[out] t  cleared by
 * trb__columns_clear(), after a failure too */
trb_status trb__columns_open(const trb__predictor *p, size_t room, size_t labels_from, bool heads, trb__columns *t);
void trb__columns_clear(trb__columns *t);
/** The first line of a CSV file. \param[in] key  what the column of the rows' names is called; NULL or "": id */
void trb__columns_header(const trb__columns *t, const char *key, trb_text *text);
/** Rows as lines of CSV (RFC 4180); NaN is an empty field, as in a row without a prediction. \param[in] key  names of the
 * rows, each with its zero byte; NULL: numbers */
void trb__columns_lines(const trb__columns *t, size_t rows, const char *key, trb_text *text);
/** Say that a row has no prediction: NaN, and -1 as its label. */
void trb__columns_lose(const trb__columns *t, size_t row);

/* ---- predict_block.c */

/** Sums over a block. The figures by labels or targets come first. Then come the number of rows without a prediction, the
 * `id` of the first of them, and whether its input is the reason. */
enum {
    TRB__PREDICT_LOST = TRB_METRIC_SUMS_ONE_BIN,
    TRB__PREDICT_LOST_FIRST,
    TRB__PREDICT_LOST_INPUT,
    TRB__PREDICT_SUMS
};

/** Room for the prediction of one block. */
typedef struct {
    trb__predictor *model;
    const trb__columns *to; /* borrowed */
    size_t labels_from;     /* the number of class 0 in the column `label` */
    float *x, *log_p;       /* [batch][D] normalised inputs, [batch][K] */
    trb_row_figures *row;   /* [batch] */
    bool *bad;              /* [batch] the row's input is not finite */
} trb__block;

/** \param[out] b  closed by trb__block_close(), after a failure too */
trb_status trb__block_open(trb__predictor *model, const trb__columns *to, size_t batch, size_t labels_from,
                           trb__block *b);
void trb__block_close(trb__block *b);
/** Predict the rows whose inputs are in b->x. A row whose input or output is not finite gets no prediction; the others
 * have the bits that they have without it.
 * \param[in]  r     the rows that were read; those from `at` on are predicted, and go to the same rows of b->to
 * \param[out] sums  [TRB__PREDICT_SUMS] */
trb_status trb__block_predict(trb__block *b, const trb_stream_rows *r, size_t at, size_t rows, double *sums);

#endif
