/* What each way to store the cache costs (stages.h): the members' figures on held-out samples, after their logits have
 * gone through that way. Blocks of `cache.block` samples are shared by all ranks; sums are added in their order. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dataset.h"
#include "internal.h"
#include "tribikos/alive.h"
#include "tribikos/dtype.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"
#include "tribikos/top.h"

/* What a rank needs. */
typedef struct {
    const trb_config *c;
    const trb__dataset *s;
    trb_storages *all;
    size_t M, K, block, bins;
    trb_net **net;
    float **params;
    trb_work **work;
    float *x, *said;      /* [block][D]; the members' logits [block][M][K] */
    float *as, *own;      /* as they are stored, [block][M][K]; of one member, [block][K] */
    float *scratch, *row; /* [TRB_TOP_WORK(K)], [TRB_TOP(K, K)] */
    uint16_t *half;       /* [2K] */
    int32_t *label;       /* [block] */
    double *sums;         /* [blocks][forms][M + 1][TRB_METRIC_SUMS] */
} room;

/* ---- forms */

static void round_to_half(const room *at, size_t n, float *x)
{
    trb_f16_from_f32(n, x, at->half);
    trb_f32_from_f16(n, at->half, x);
}

/* One of 256 values at equal distances between the smallest and the largest logit. */
static void round_to_8_bits(size_t K, float *z)
{
    double least = FLT_MAX, most = -FLT_MAX;
    for (size_t k = 0; k < K; k++) {
        least = fmin(least, (double)z[k]);
        most = fmax(most, (double)z[k]);
    }
    const double step = (most - least) / 255.0;
    for (size_t k = 0; k < K && step > 0.0; k++) z[k] = (float)(least + step * rint(((double)z[k] - least) / step));
}

/* The k most probable classes in float16; the tail is spread evenly over all others. */
static trb_status keep_top(const room *at, size_t k, float *z)
{
    const size_t K = at->K, n = TRB_TOP_OUTCOMES(k, K);
    TRB_TRY(trb_top_select(1, K, k, z, at->scratch, at->row));
    round_to_half(at, n, at->row);
    if (k < K)
        for (size_t i = 0; i < K; i++) z[i] = (float)((double)at->row[k] - log((double)(K - k)));
    for (size_t j = 0; j < k; j++) z[(size_t)at->row[n + j]] = at->row[j];
    return TRB_OK;
}

static trb_status store_row(const room *at, const trb_storage *f, float *z)
{
    if (f->form == TRB_STORED_TOP) return keep_top(at, f->top, z);
    if (f->form == TRB_STORED_F16) round_to_half(at, at->K, z);
    if (f->form == TRB_STORED_8_BITS) round_to_8_bits(at->K, z);
    return TRB_OK;
}

static void add_form(trb_storages *a, trb_stored_form form, size_t top, size_t bytes)
{
    trb_storage *f = &a->form[a->n++];
    f->form = form;
    f->top = top;
    f->bytes = bytes;
    if (form == TRB_STORED_TOP)
        (void)snprintf(f->name, sizeof f->name, "top %zu, float16", top);
    else
        (void)snprintf(f->name, sizeof f->name, "%s",
                       form == TRB_STORED_F32   ? "float32"
                       : form == TRB_STORED_F16 ? "float16"
                                                : "8 bits");
}

static void list_forms(const trb_config *c, trb_storages *a)
{
    static const size_t tops[] = {4, 8, 16, 32, 64, 128};
    const size_t K = a->K, own = c->cache.top;
    bool listed = false;
    add_form(a, TRB_STORED_F32, 0, K * sizeof(float));
    add_form(a, TRB_STORED_F16, 0, K * sizeof(uint16_t));
    add_form(a, TRB_STORED_8_BITS, 0, K + 2 * sizeof(float)); /* and the smallest and largest logit */
    for (size_t i = 0; i <= sizeof tops / sizeof *tops; i++) {
        const bool last = i == sizeof tops / sizeof *tops;
        if (!listed && own <= K && (last || own < tops[i]))
            add_form(a, TRB_STORED_TOP, own, TRB_TOP(own, K) * sizeof(uint16_t));
        listed = listed || last || own <= tops[i];
        if (!last && tops[i] < K) add_form(a, TRB_STORED_TOP, tops[i], TRB_TOP(tops[i], K) * sizeof(uint16_t));
    }
}

/* ---- blocks */

static trb_status reserve(room *at, const uint64_t *digest)
{
    const size_t M = at->M, K = at->K, block = at->block, D = trb_shape_size(at->s->data.shape);
    const size_t blocks = (at->s->n_val + block - 1) / block;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, M, sizeof *at->net, &at->net));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, M, sizeof *at->params, &at->params));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, M, sizeof *at->work, &at->work));
    for (size_t m = 0; m < M; m++) {
        TRB_TRY(trb__member_load(at->c, m, digest[m], NULL, &at->net[m], &at->params[m]));
        TRB_TRY(trb_work_create(at->net[m], block, false, &at->work[m]));
    }
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, block * D, sizeof *at->x, &at->x));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, block * M, K * sizeof *at->said, &at->said));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, block * M, K * sizeof *at->as, &at->as));
    TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, block, K * sizeof *at->own, &at->own));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, TRB_TOP_WORK(K), sizeof *at->scratch, &at->scratch));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, TRB_TOP(K, K), sizeof *at->row, &at->row));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * K, sizeof *at->half, &at->half));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, block, sizeof *at->label, &at->label));
    return trb_alloc(TRB_MEM_OTHER, blocks * at->all->n * (M + 1), TRB_METRIC_SUMS * sizeof *at->sums, &at->sums);
}

static void release(room *at)
{
    for (size_t m = 0; m < at->M; m++) {
        if (at->work != NULL) trb_work_destroy(at->work[m]);
        if (at->params != NULL) trb_free(at->params[m]);
        if (at->net != NULL) trb_net_destroy(at->net[m]);
    }
    void *const blocks[] = {at->net, at->params,  at->work, at->x,    at->said,  at->as,
                            at->own, at->scratch, at->row,  at->half, at->label, at->sums};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
}

/* The sums of one form for the block that is in `said`. \param[out] sums  [M + 1][TRB_METRIC_SUMS] */
static trb_status judge_form(room *at, const trb_storage *f, size_t rows, double *sums)
{
    const size_t M = at->M, K = at->K;
    memcpy(at->as, at->said, rows * M * K * sizeof *at->as);
    for (size_t i = 0; i < rows * M; i++) TRB_TRY(store_row(at, f, at->as + i * K));
    for (size_t m = 0; m < M; m++, sums += TRB_METRIC_SUMS) {
        for (size_t r = 0; r < rows; r++) memcpy(at->own + r * K, at->as + (r * M + m) * K, K * sizeof *at->own);
        TRB_TRY(trb_metrics_block(trb_predict_mixture, rows, 1, K, at->own, at->label, at->bins,
                                  &(trb_metrics_out){.sums = sums}));
    }
    return trb_metrics_block(trb_predict_mixture, rows, M, K, at->as, at->label, at->bins,
                             &(trb_metrics_out){.sums = sums});
}

static trb_status judge_block(room *at, size_t b)
{
    const size_t M = at->M, K = at->K, left = at->s->n_val - b * at->block, rows = left < at->block ? left : at->block;
    const int64_t *sample = at->s->val + b * at->block;
    TRB_TRY(trb_stop_check());
    trb_alive();
    trb_data_rows(&at->s->data, rows, sample, at->x);
    for (size_t r = 0; r < rows; r++) at->label[r] = at->s->data.label[sample[r]];
    for (size_t m = 0; m < M; m++) {
        const float *z = NULL;
        TRB_TRY(trb_net_forward(at->net[m], at->work[m], at->params[m], rows, at->x, NULL, &z));
        for (size_t r = 0; r < rows; r++) memcpy(at->said + (r * M + m) * K, z + r * K, K * sizeof *z);
    }
    for (size_t f = 0; f < at->all->n; f++)
        TRB_TRY(trb_fail_of(
            judge_form(at, &at->all->form[f], rows, at->sums + (b * at->all->n + f) * (M + 1) * TRB_METRIC_SUMS),
            "stored as %s: ", at->all->form[f].name));
    return TRB_OK;
}

static trb_status judge_all(trb_comm *world, room *at)
{
    const size_t blocks = (at->s->n_val + at->block - 1) / at->block;
    size_t first = 0, count = 0;
    trb_status st = TRB_OK;
    trb_share(blocks, trb_comm_rank(world), trb_comm_size(world), &first, &count);
    for (size_t b = first; st == TRB_OK && b < first + count; b++) st = judge_block(at, b);
    TRB_TRY(trb_agree(world, st));
    return trb_comm_fill(world, at->sums, blocks * at->all->n * (at->M + 1) * TRB_METRIC_SUMS);
}

/* Add up the blocks of one form and model, in their order. */
static trb_metrics figures(const room *at, size_t f, size_t m)
{
    const size_t blocks = (at->s->n_val + at->block - 1) / at->block;
    double sums[TRB_METRIC_SUMS] = {0.0};
    for (size_t b = 0; b < blocks; b++)
        for (size_t i = 0; i < TRB_METRIC_SUMS; i++)
            sums[i] += at->sums[((b * at->all->n + f) * (at->M + 1) + m) * TRB_METRIC_SUMS + i];
    return trb_metrics_from(1, sums, at->s->n_val, at->bins);
}

/* ---- the stage */

static trb_status expect_samples(const trb__dataset *s)
{
    if (s->data.task != TRB_TASK_CLASSES)
        return trb_fail(TRB_ECONFIG, "cache --report: it compares predictions of classes, and data.task is regression");
    if (s->n_val > 0) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "cache --report: it needs held-out samples, and `data.validation` is 0; set it to the "
                                 "number that the members were trained with");
}

trb_status trb_stage_storage(trb_comm *world, const trb_config *c, trb_storages *out)
{
    trb__dataset s = {0};
    uint64_t *digest = NULL;
    room at = {.c = c, .s = &s, .all = out, .M = c->members.count, .block = c->cache.block, .bins = c->eval.bins};
    *out = (trb_storages){.M = c->members.count};
    TRB_TRY(trb__dataset_load(world, c, TRB_LABELS_NEEDED, &s));
    trb_status st = expect_samples(&s);
    if (st == TRB_OK) st = trb__common_outputs(c, &s.data, &out->K);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, at.M, sizeof *digest, &digest);
    TRB_GO(trb_agree(world, st));
    at.K = out->K;
    out->samples = s.n_val;
    list_forms(c, out);
    TRB_GO(trb__member_digests(world, c, &s.data, true, digest));
    TRB_GO(trb_agree(world, reserve(&at, digest)));
    TRB_GO(judge_all(world, &at));
    for (size_t f = 0; f < out->n && st == TRB_OK; f++)
        st = trb_alloc(TRB_MEM_OTHER, at.M + 1, sizeof *out->form[f].model, &out->form[f].model);
    TRB_GO(trb_agree(world, st));
    for (size_t f = 0; f < out->n; f++)
        for (size_t m = 0; m <= at.M; m++) out->form[f].model[m] = figures(&at, f, m);
done:
    release(&at);
    trb_free(digest);
    trb__dataset_clear(&s);
    return st;
}

void trb_storages_clear(trb_storages *s)
{
    for (size_t f = 0; f < s->n; f++) trb_free(s->form[f].model);
    s->n = 0;
}
