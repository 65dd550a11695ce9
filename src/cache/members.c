/* Looks at the logits of view 0: how often a member is right, and whether its outputs are logits at all. */
#include "tribikos/members.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "tribikos/memory.h"

typedef struct {
    size_t rows, right;
    double nll;     /* sum */
    size_t shares;  /* rows that are probabilities */
    size_t flat;    /* rows whose outputs are all equal */
    size_t changed; /* rows that differ from the member's first row */
    size_t *answer; /* [K] how often each class has the largest output */
    float *first;   /* [K] its first row */
} member;

struct trb_members {
    const trb_cache *c;
    member *member; /* [M] */
    size_t *label;  /* [K] how many samples have it */
    float *row;     /* [K] */
    bool judges;    /* there are labels of classes, and logits */
};

trb_status trb_members_create(const trb_cache *c, trb_members **out)
{
    const trb_cache_spec *spec = &c->spec;
    trb_members *f = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *f, &f));
    f->c = c;
    f->judges = spec->holds == TRB_SHARD_LOGITS && spec->task == TRB_TASK_CLASSES && trb_cache_labelled(spec);
    TRB_GO(trb_alloc(TRB_MEM_OTHER, spec->M, sizeof *f->member, &f->member));
    *out = f;
    f = NULL;
done:
    trb_members_destroy(f);
    return st;
}

void trb_members_destroy(trb_members *f)
{
    if (f == NULL) return;
    for (size_t m = 0; f->member != NULL && m < f->c->spec.M; m++) {
        trb_free(f->member[m].answer);
        trb_free(f->member[m].first);
    }
    trb_free(f->member);
    trb_free(f->label);
    trb_free(f->row);
    trb_free(f);
}

/* Reserve memory for a member. A manifest can claim any number of outputs, so a shard must have them first. */
static trb_status reserve(trb_members *f, size_t unit)
{
    const trb_cache_spec *spec = &f->c->spec;
    member *a = &f->member[trb_cache_unit_at(spec, unit).member];
    trb_h5 *h = NULL;
    if (a->first != NULL) return TRB_OK;
    TRB_TRY(trb__shard_reopen(f->c, unit, &h));
    trb_h5_close(h);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, spec->K, sizeof *a->answer, &a->answer));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, spec->K, sizeof *a->first, &a->first));
    if (f->row != NULL) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, spec->K, sizeof *f->label, &f->label));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, spec->K, sizeof *f->row, &f->row));
    for (size_t i = 0; f->judges && i < spec->N; i++) f->label[spec->label[i]]++;
    return TRB_OK;
}

/* Whether K numbers lie in 0..1 and sum to 1. The bound admits probabilities that were rounded to two decimals. */
static bool are_shares(size_t K, const float *z)
{
    double sum = 0.0;
    for (size_t k = 0; k < K; k++) {
        if (!(z[k] >= 0.0F && z[k] <= 1.0F)) return false;
        sum += (double)z[k];
    }
    return K > 1 && fabs(sum - 1.0) < 0.01;
}

static void add_row(const trb_members *f, member *a, size_t sample, const float *z)
{
    const size_t K = f->c->spec.K;
    size_t best = 0;
    double sum = 0.0, least = z[0];
    for (size_t k = 1; k < K; k++) {
        if (z[k] > z[best]) best = k;
        least = fmin(least, (double)z[k]);
    }
    if (a->rows == 0) memcpy(a->first, z, K * sizeof *z);
    a->changed += memcmp(a->first, z, K * sizeof *z) != 0;
    a->flat += K > 1 && (double)z[best] == least;
    a->shares += are_shares(K, z);
    a->rows++;
    if (!f->judges) return;
    const size_t label = (size_t)f->c->spec.label[sample];
    for (size_t k = 0; k < K; k++) sum += exp((double)z[k] - (double)z[best]);
    a->nll += (double)z[best] + log(sum) - (double)z[label];
    a->right += best == label;
    a->answer[best]++;
}

/* The row as floats. */
static const float *row_at(const trb_members *f, const void *rows, size_t i)
{
    const size_t K = f->c->spec.K;
    if (f->c->spec.dtype == TRB_F32) return (const float *)rows + i * K;
    trb_f32_from_f16(K, (const uint16_t *)rows + i * K, f->row);
    return f->row;
}

static void add_rows(void *ctx, trb_cache_unit u, size_t first, size_t n, const void *rows)
{
    const trb_members *f = ctx;
    for (size_t i = 0; i < n; i++) add_row(f, &f->member[u.member], u.first_row + first + i, row_at(f, rows, i));
}

trb_status trb_members_read(trb_members *f, size_t unit)
{
    const trb_cache_unit u = trb_cache_unit_at(&f->c->spec, unit);
    const bool looked_at = u.kind == TRB_SHARD_LOGITS && u.view == 0 && f->c->spec.task == TRB_TASK_CLASSES;
    if (looked_at) TRB_TRY(reserve(f, unit));
    return trb__unit_read(f->c, unit, looked_at ? add_rows : NULL, f);
}

trb_member_figures trb_members_figures(const trb_members *f, size_t m)
{
    const member *a = &f->member[m];
    const double n = (double)a->rows;
    double hits = 0.0;
    if (!f->judges || a->rows == 0) return (trb_member_figures){NAN, NAN, NAN};
    for (size_t k = 0; k < f->c->spec.K; k++)
        hits += (double)a->answer[k] / n * ((double)f->label[k] / (double)f->c->spec.N);
    return (trb_member_figures){(double)a->right / n, a->nll / n, hits + 3.0 * sqrt(hits * (1.0 - hits) / n)};
}

/* The first member with the same payload in view 0; m if there is none. */
static size_t same_as(const trb_cache *c, size_t m)
{
    const size_t shards = trb_cache_logits_units(&c->spec) / c->spec.V / c->spec.M;
    for (size_t k = 0; k < m; k++)
        if (memcmp(c->payload + k * shards, c->payload + m * shards, shards * sizeof *c->payload) == 0) return k;
    return m;
}

const char *trb_members_doubt(const trb_members *f, size_t m, char text[TRB_MEMBERS_DOUBT])
{
    enum { FEW = 50 }; /* rows, below which chance explains any accuracy */
    const member *a = &f->member[m];
    const trb_member_figures g = trb_members_figures(f, m);
    if (!trb_shard_of_member(f->c->spec.holds)) return NULL;
    const size_t twin = same_as(f->c, m);
    if (twin < m)
        (void)snprintf(text, TRB_MEMBERS_DOUBT, "has the same %s as member %zu; leave one of them out",
                       f->c->spec.holds == TRB_SHARD_LOGITS ? "logits" : "values", twin);
    else if (a->rows > 1 && a->shares == a->rows)
        (void)snprintf(text, TRB_MEMBERS_DOUBT,
                       "gives probabilities (every row lies in 0..1 and sums to 1), expected logits; write the cache "
                       "anew with their logarithms");
    else if (a->rows > 1 && a->changed == 0)
        (void)snprintf(text, TRB_MEMBERS_DOUBT,
                       "gives the same outputs for all samples; look at the inputs that it got");
    else if (a->flat > 0)
        (void)snprintf(
            text, TRB_MEMBERS_DOUBT,
            "has %zu rows in which all outputs are equal; were these rows left out when the array was filled?",
            a->flat);
    else if (a->rows >= FEW && g.accuracy <= g.chance)
        (void)snprintf(text, TRB_MEMBERS_DOUBT,
                       "is right as often as by chance (%.4f); are the rows of the logits in the order of the labels?",
                       g.accuracy);
    else
        return NULL;
    return text;
}

trb_status trb_members_expect_logits(const trb_cache *c, size_t m)
{
    const trb_cache_spec *spec = &c->spec;
    const size_t unit = m * (trb_cache_logits_units(spec) / spec->V / spec->M), K = spec->K;
    const size_t n = spec->N < spec->block ? spec->N : spec->block;
    char *rows = NULL;
    size_t shares = 0;
    trb_h5 *h = NULL;
    trb_status st = TRB_OK;
    if (spec->holds != TRB_SHARD_LOGITS || spec->task != TRB_TASK_CLASSES || n < 2) return TRB_OK;
    trb_members f = {.c = c};
    TRB_GO(trb__shard_reopen(c, unit, &h));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, K, sizeof *f.row, &f.row));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n, trb_shard_row_bytes(spec, TRB_SHARD_LOGITS), &rows));
    TRB_GO(trb__shard_rows(h, spec, trb_cache_unit_at(spec, unit), 0, n, rows));
    while (shares < n && are_shares(K, row_at(&f, rows, shares))) shares++;
    if (shares == n)
        st = trb_fail(
            TRB_EINTEGRITY,
            "%s: member %zu gives probabilities (every row lies in 0..1 and sums to 1), expected logits; write the "
            "cache anew with their logarithms",
            c->dir, m);
done:
    trb_h5_close(h);
    trb_free(rows);
    trb_free(f.row);
    return st;
}
