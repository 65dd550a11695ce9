/* Variants of samples: what is drawn for a sample, and the pixels that follow from it. */
#include "tribikos/augment.h"

#include <math.h>
#include <string.h>

#include "internal.h"
#include "tribikos/memory.h"

struct trb_augment {
    const trb_data *data;
    trb_recipe recipe;
    uint64_t seed, member;
    trb_use use;
    size_t n_partners;
    const int64_t *partners;
    float *other; /* [C*H*W] the partner of a mixed row; NULL without mixup */
};

/* ---- Beta(A, A) */

/* Uniform in (0, 1], so that its logarithm is finite. */
static double uniform(trb_rng *rng)
{
    return ((double)(trb_rng_u64(rng) >> 11) + 1.0) * 0x1p-53;
}

static double log_gamma_variate(trb_rng *rng, double A)
{
    if (A < 1.0) {
        const double boost = log(uniform(rng)) / A;
        return boost + log_gamma_variate(rng, A + 1.0);
    }
    const double d = A - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        const double x = (double)trb_rng_normal(rng), cube = 1.0 + c * x, v = cube * cube * cube;
        if (v <= 0.0) continue;
        if (log(uniform(rng)) < 0.5 * x * x + d * (1.0 - v + log(v))) return log(d * v);
    }
}

double trb_rng_beta(trb_rng *rng, double A)
{
    const double a = log_gamma_variate(rng, A), b = log_gamma_variate(rng, A);
    return 1.0 / (1.0 + exp(b - a));
}

/* ---- one sample */

size_t trb_augment_inputs(const trb_augment *a)
{
    return trb_shape_size(a->data->shape);
}

/* A row of an image, `shift` pixels to the right of where it lies; what the shift uncovers is `pad`. */
static void shifted_row(const trb_data *d, size_t channel, size_t at, ptrdiff_t shift, float pad, float *to)
{
    const ptrdiff_t w = (ptrdiff_t)d->shape.w;
    const ptrdiff_t begin = shift > 0 ? shift : 0, end = shift < 0 ? w + shift : w;
    for (ptrdiff_t j = 0; j < begin; j++) to[j] = pad;
    trb__data_run(d, channel, at + (size_t)(begin - shift), (size_t)(end - begin), to + begin);
    for (ptrdiff_t j = end; j < w; j++) to[j] = pad;
}

static void mirror(size_t w, float *row)
{
    for (size_t j = 0; j < w / 2; j++) {
        const float kept = row[j];
        row[j] = row[w - 1 - j];
        row[w - 1 - j] = kept;
    }
}

/* The image `down` and `right` pixels from where it lies, mirrored if wanted. */
static void place(const trb_data *d, int64_t id, ptrdiff_t down, ptrdiff_t right, bool mirrored, float *x)
{
    const size_t h = d->shape.h, w = d->shape.w;
    for (size_t c = 0; c < d->shape.c; c++) {
        const float pad = (0.0F - d->mean[c]) * d->scale[c];
        for (size_t y = 0; y < h; y++, x += w) {
            const ptrdiff_t from = (ptrdiff_t)y - down;
            if (from < 0 || from >= (ptrdiff_t)h) {
                for (size_t j = 0; j < w; j++) x[j] = pad;
                continue;
            }
            shifted_row(d, c, (((size_t)id * d->shape.c + c) * h + (size_t)from) * w, right, pad, x);
            if (mirrored) mirror(w, x);
        }
    }
}

/* The part of [0, n) that a side of the square covers, its centre in `at`. */
static void clip(size_t at, size_t side, size_t n, size_t *begin, size_t *end)
{
    *begin = at > side / 2 ? at - side / 2 : 0;
    *end = at + side - side / 2 < n ? at + side - side / 2 : n;
}

static void cut_out(trb_shape s, size_t side, size_t row, size_t column, float *x)
{
    size_t y0 = 0, y1 = 0, x0 = 0, x1 = 0;
    clip(row, side, s.h, &y0, &y1);
    clip(column, side, s.w, &x0, &x1);
    for (size_t c = 0; c < s.c; c++, x += s.h * s.w)
        for (size_t y = y0; y < y1; y++) memset(x + y * s.w + x0, 0, (x1 - x0) * sizeof *x);
}

/* A sample by itself: cropped, flipped, cut out. */
static void vary(const trb_augment *a, trb_rng *rng, int64_t id, float *x)
{
    const trb_recipe *r = &a->recipe;
    ptrdiff_t down = 0, right = 0;
    bool mirrored = false;
    if (r->crop > 0) {
        down = (ptrdiff_t)r->crop - (ptrdiff_t)trb_rng_below(rng, 2 * r->crop + 1);
        right = (ptrdiff_t)r->crop - (ptrdiff_t)trb_rng_below(rng, 2 * r->crop + 1);
    }
    if (r->flip) mirrored = trb_rng_u64(rng) >> 63 != 0;
    if (r->crop > 0 || mirrored)
        place(a->data, id, down, right, mirrored, x);
    else
        trb_data_rows(a->data, 1, &id, x);
    if (r->cutout > 0) {
        const size_t row = (size_t)trb_rng_below(rng, a->data->shape.h);
        const size_t column = (size_t)trb_rng_below(rng, a->data->shape.w);
        cut_out(a->data->shape, r->cutout, row, column, x);
    }
}

static void mix_with(size_t n, float weight, const float *restrict other, float *restrict x)
{
    const float rest = 1.0F - weight;
    for (size_t i = 0; i < n; i++) x[i] = weight * x[i] + rest * other[i];
}

static void one_row(trb_augment *a, uint64_t epoch, int64_t id, float *x, trb_mix *mix)
{
    trb_rng rng = trb_rng_open(a->seed, a->use, a->member, epoch, (uint64_t)id);
    vary(a, &rng, id, x);
    if (a->recipe.mixup == 0.0) return;
    const float weight = (float)trb_rng_beta(&rng, a->recipe.mixup);
    const int64_t partner = a->partners[trb_rng_below(&rng, a->n_partners)];
    vary(a, &rng, partner, a->other);
    mix_with(trb_augment_inputs(a), weight, a->other, x);
    if (mix != NULL) *mix = (trb_mix){.partner = partner, .weight = weight};
}

/* ---- rows */

trb_status trb_augment_create(const trb_data *data, const trb_recipe *recipe, uint64_t seed, trb_use use,
                              uint64_t member, size_t n, const int64_t *partners, trb_augment **out)
{
    trb_augment *a = NULL;
    TRB_TRY(trb_recipe_check(recipe, data->shape));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *a, &a));
    *a = (trb_augment){.data = data,
                       .recipe = *recipe,
                       .seed = seed,
                       .member = member,
                       .use = use,
                       .n_partners = n,
                       .partners = partners};
    trb_status st = TRB_OK;
    if (recipe->mixup > 0.0) st = trb_alloc(TRB_MEM_DATA, trb_shape_size(data->shape), sizeof *a->other, &a->other);
    if (st == TRB_OK)
        *out = a;
    else
        trb_augment_destroy(a);
    return st;
}

void trb_augment_destroy(trb_augment *a)
{
    if (a == NULL) return;
    trb_free(a->other);
    trb_free(a);
}

bool trb_augment_mixes(const trb_augment *a)
{
    return a->recipe.mixup > 0.0 && a->use != TRB_USE_VIEW;
}

const trb_recipe *trb_augment_recipe(const trb_augment *a)
{
    return &a->recipe;
}

void trb_augment_rows(trb_augment *a, uint64_t epoch, size_t n, const int64_t *ids, float *x, trb_mix *mix)
{
    if (trb_recipe_empty(&a->recipe)) {
        trb_data_rows(a->data, n, ids, x);
        return;
    }
    for (size_t i = 0; i < n; i++)
        one_row(a, epoch, ids[i], x + i * trb_augment_inputs(a), mix == NULL ? NULL : mix + i);
}

void trb_augment_views(trb_augment *a, size_t n, const int64_t *ids, const uint16_t *view, float *x)
{
    if (view == NULL) {
        trb_data_rows(a->data, n, ids, x);
        return;
    }
    for (size_t i = 0; i < n; i++, x += trb_augment_inputs(a)) {
        if (view[i] == 0)
            trb_data_rows(a->data, 1, ids + i, x);
        else
            one_row(a, view[i], ids[i], x, NULL);
    }
}
