/** The temperature of a trained network (calibration.h): fitted on the validation part, from rows that several ranks
 * have. */
#ifndef TRB_STAGES_TEMPERATURE_H
#define TRB_STAGES_TEMPERATURE_H

#include "internal.h"
#include "tribikos/metrics.h"

enum { TRB__TEMPERATURE_SUMS = 3 };

/** Predictions for n rows, in blocks of `rows`; this rank has blocks [first, first + count). All is borrowed. */
typedef struct {
    size_t n, rows, blocks, first, count, K;
    const float *log_p;   /* [own rows][K] */
    const int32_t *label; /* [own rows] */
    double *mine, *all;   /* room for the sums of this rank's blocks, and of all blocks */
} trb__held;

/** The sums of trb_temperature_sums() over all rows at b, the same bits on every rank and for any number of ranks.
 * Collective over world. */
trb_status trb__held_sums(trb_comm *world, const trb__held *h, double b, double sums[TRB__TEMPERATURE_SUMS]);
/** Fit a temperature. Collective over world. \param[out] b  1 / T   \param[out] open  the rows have no best temperature;
 * then b says nothing */
trb_status trb__held_fit(trb_comm *world, const trb__held *h, double *b, bool *open);

/** A network at the end of its training. */
typedef struct {
    const trb__dataset *s;
    const trb_net *net;
    const float *params; /* the same on all ranks */
    bool alone;          /* only rank 0 has parameters, and computes */
    trb_predict *predict;
    size_t rows; /* in each call: as many as a lane has, so memory that sufficed for the training suffices */
    void (*between)(void *); /* called between blocks; NULL if not needed */
    void *between_ctx;
    const char *who; /* for messages */
} trb__finished;

/** The temperature of a network's prediction, for its weights file. Collective over world; the status is agreed.
 * \param[out] T  0 if there is none: for regression, without validation samples with labels, if these have no best
 *                temperature, or if outputs overflow */
trb_status trb__temperature_fit(trb_comm *world, const trb__finished *f, double *T);

#endif
