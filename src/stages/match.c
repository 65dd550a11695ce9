/* Matching of uncertainty: finds how far a student's heads are spread (net.h) so that they are as uncertain as the
 * members. It is one number, chosen on validation samples, from which neither the members nor the student learned. */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "reading.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/metrics.h"

/* The validation part in blocks of a fixed number of rows, and this rank's run of blocks. */
typedef struct {
    trb_comm *world;
    const trb__dataset *s;
    size_t M, K, rows, blocks, first, count;
    float *z;          /* [own rows][M][K] logits of the student's heads */
    float *x;          /* [rows][D] */
    float *row;        /* [M][K] a row of logits after spreading */
    double *own, *all; /* [count], [blocks] sums over the rows of a block */
    double *work;      /* scratch for the prediction of a row */
    int64_t *plan;     /* [count][rows]; the last block is filled up by repeating its last row */
    trb_prediction said;
    trb_work *forward;
} match;

static size_t rows_of(const match *m, size_t i)
{
    const size_t at = (m->first + i) * m->rows;
    return m->s->n_val - at < m->rows ? m->s->n_val - at : m->rows;
}

static trb_status reserve(match *m, const trb_net *net)
{
    const size_t K = m->K, n = m->M * K;
    TRB_TRY(trb_work_create(net, m->rows, false, &m->forward));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, m->count * m->rows, sizeof *m->plan, &m->plan));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, m->rows * trb_net_inputs(net), sizeof *m->x, &m->x));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, m->count * m->rows * n, sizeof *m->z, &m->z));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *m->row, &m->row));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, m->count + m->blocks, sizeof *m->own, &m->own));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, trb_predict_work(m->M, K) + 2 * K, sizeof *m->work, &m->work));
    m->all = m->own + m->count;
    m->said.p = m->work + trb_predict_work(m->M, K);
    m->said.log_p = m->said.p + K;
    const size_t at = m->first * m->rows, last = m->s->n_val - 1;
    for (size_t i = 0; i < m->count * m->rows; i++) m->plan[i] = m->s->val[at + i < last ? at + i : last];
    return TRB_OK;
}

static void release(match *m)
{
    trb_work_destroy(m->forward);
    void *const blocks[] = {m->plan, m->x, m->z, m->row, m->own, m->work};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

/* Model uncertainty of a row, in nats. \param[in] z  [M][K] */
static double uncertainty(match *m, const float *z)
{
    trb_predict_mixture(m->M, m->K, z, m->work, &m->said);
    return m->said.total - m->said.data;
}

/* Model uncertainty of a row whose heads are spread by s, as the layer does it. */
static double uncertainty_spread(match *m, double s, const float *z)
{
    for (size_t k = 0; k < m->K; k++) {
        double mean = 0.0;
        for (size_t h = 0; h < m->M; h++) mean += (double)z[h * m->K + k];
        mean /= (double)m->M;
        for (size_t h = 0; h < m->M; h++) m->row[h * m->K + k] = (float)(mean + s * ((double)z[h * m->K + k] - mean));
    }
    return uncertainty(m, m->row);
}

/* Compute logits of the heads and sums of the members' uncertainty for this rank's rows. */
static trb_status measure_rows(match *m, const trb_net *net, const float *params, trb_reader *reader, const char *who)
{
    const size_t n = m->M * m->K;
    trb_progress progress;
    TRB_TRY(trb_reader_plan(reader, m->count, m->plan, NULL));
    trb_progress_begin(&progress, m->count, "blocks", "%s, model uncertainty", who);
    for (size_t i = 0; i < m->count; i++) {
        const size_t rows = rows_of(m, i);
        const int64_t *sample = m->plan + i * m->rows;
        const float *z = NULL, *members = NULL;
        trb_comm_phase(who, i);
        trb_progress_update(&progress, i, "");
        TRB_TRY(trb_fault("match.unit"));
        trb_data_rows(&m->s->data, rows, sample, m->x);
        TRB_TRY(trb_net_forward(net, m->forward, params, rows, m->x, NULL, &z));
        TRB_TRY(trb_reader_next(reader, &members));
        for (size_t j = 0; j < rows * n; j++)
            if (!isfinite(z[j]))
                return trb_fail(TRB_ENUM, "%s: head %zu gives %g for sample %lld, expected a finite number", who,
                                j / m->K % m->M, (double)z[j], (long long)sample[j / n]);
        memcpy(m->z + i * m->rows * n, z, rows * n * sizeof *z);
        m->own[i] = 0.0;
        for (size_t r = 0; r < rows; r++) m->own[i] += uncertainty(m, members + r * n);
    }
    progress.done = m->count;
    trb_progress_end(&progress, "");
    return TRB_OK;
}

/* The mean over the validation part: the sums of all ranks' blocks, added up in the order of blocks. */
static trb_status mean_over_ranks(match *m, double *mean)
{
    TRB_TRY(trb_comm_allgather(m->world, m->own, m->count, m->all));
    *mean = 0.0;
    for (size_t i = 0; i < m->blocks; i++) *mean += m->all[i];
    *mean /= (double)m->s->n_val;
    return TRB_OK;
}

static trb_status heads_at(match *m, double s, double *mean)
{
    const size_t n = m->M * m->K;
    for (size_t i = 0; i < m->count; i++) {
        const float *z = m->z + i * m->rows * n;
        m->own[i] = 0.0;
        for (size_t r = 0; r < rows_of(m, i); r++) m->own[i] += uncertainty_spread(m, s, z + r * n);
    }
    return mean_over_ranks(m, mean);
}

/* Bisection. All ranks see the same sums, so they take the same branches. Uncertainty need not grow everywhere with s,
 * but between a point below the members' value and a point above it there is one where it crosses that value. */
static trb_status bisect_spread(match *m, double members, double lo, double hi, const char *who, double *s)
{
    enum { HALVINGS = 24 }; /* more than enough for four decimals */
    double at_lo = 0.0, at_hi = 0.0;
    trb_progress progress;
    trb_progress_begin(&progress, 2 + HALVINGS, "values", "%s, spread", who);
    TRB_TRY(heads_at(m, lo, &at_lo));
    TRB_TRY(heads_at(m, hi, &at_hi));
    if (at_lo >= members) hi = lo;
    if (at_hi <= members) lo = hi;
    for (int i = 0; i < HALVINGS && lo < hi; i++) {
        const double middle = (lo + hi) / 2.0;
        double mu = 0.0;
        trb_progress_update(&progress, 2 + (uint64_t)i, "");
        TRB_TRY(heads_at(m, middle, &mu));
        *(mu < members ? &lo : &hi) = middle;
    }
    *s = (lo + hi) / 2.0;
    progress.done = progress.total;
    trb_progress_end(&progress, "");
    return TRB_OK;
}

static trb_status choose_spread(match *m, double list, const char *who, double *S)
{
    const double lo = fmax(0.25, TRB_SPREAD_MIN / list), hi = fmin(4.0, TRB_SPREAD_MAX / list);
    double members = 0.0, before = 0.0, after = 0.0, s = 1.0;
    TRB_TRY(mean_over_ranks(m, &members));
    TRB_TRY(heads_at(m, 1.0, &before));
    TRB_TRY(bisect_spread(m, members, lo, hi, who, &s));
    *S = round(list * s * 1e4) / 1e4;
    TRB_TRY(heads_at(m, *S / list, &after));
    trb_info("%s: spread %g: mean model uncertainty of %zu validation samples is %.4g, was %.4g; the members' is %.4g",
             who, *S, m->s->n_val, after, before, members);
    if (s <= lo || s >= hi)
        trb_warn("%s: heads are spread by a factor from %g to %g, which does not reach the members' model uncertainty",
                 who, lo, hi);
    return TRB_OK;
}

trb_status trb__match_uncertainty(trb_comm *world, const trb_cache *cache, size_t memory, const trb__dataset *s,
                                  const trb_net *net, const float *params, size_t rows, const char *who, double *S)
{
    match m = {.world = world, .s = s, .M = trb_net_heads(net), .K = trb_net_outputs(net), .rows = rows};
    trb__reading reading = {0};
    m.blocks = (s->n_val + rows - 1) / rows;
    trb_share(m.blocks, trb_comm_rank(world), trb_comm_size(world), &m.first, &m.count);
    trb_status st = trb_agree(world, reserve(&m, net));
    const trb_selection members = {TRB_SHARD_LOGITS, 1, 0, m.M};
    if (st == TRB_OK) st = trb__reading_open(world, 0, cache, members, rows, memory, &reading);
    if (st == TRB_OK) {
        st = measure_rows(&m, net, params, reading.reader, who);
        const trb_status closed = trb__reading_close(&reading);
        st = trb_agree(world, st != TRB_OK ? st : closed);
    }
    if (st == TRB_OK) st = choose_spread(&m, trb_net_spread(net), who, S);
    release(&m);
    return st;
}
