/* Variants of samples: draws random numbers for each sample and computes its pixels from them. The order of the draws
 * is a promise of augment.h, which tools/python/views.py follows too. */
#include "tribikos/augment.h"

#include <math.h>
#include <string.h>

#include "internal.h"
#include "tribikos/memory.h"
#include "tribikos/wide.h"

static const double DEGREE = 3.14159265358979323846 / 180.0;

struct trb_augment {
    const trb_data *data;
    trb_data plain;     /* the same samples with mean 0 and scale 1, which gives pixels as they are stored */
    trb_recipe *recipe; /* [n_recipes] */
    size_t n_recipes;
    uint64_t seed, member;
    trb_use use;
    size_t n_partners;
    const int64_t *partners;
    float *other; /* [C*H*W] the partner of a mixed row */
    float *still; /* [C*H*W] an image before it is moved by fractions of pixels */
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

/* A row of an image, moved by `shift` pixels to the right; pixels that the shift uncovers are `pad`. */
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

/* The image moved by whole pixels, `down` and `right`, and then mirrored if wanted. */
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

/* The part of [0, n) that a square of this side with its centre in `at` covers. */
static void clip(size_t at, size_t side, size_t n, size_t *begin, size_t *end)
{
    *begin = at > side / 2 ? at - side / 2 : 0;
    *end = at + side - side / 2 < n ? at + side - side / 2 : n;
}

/* Set the square to the value that is 0 after normalisation by `as`, in the unit of `d`. */
static void cut_out(const trb_data *as, const trb_data *d, size_t side, size_t row, size_t column, float *x)
{
    const trb_shape s = d->shape;
    size_t y0 = 0, y1 = 0, x0 = 0, x1 = 0;
    clip(row, side, s.h, &y0, &y1);
    clip(column, side, s.w, &x0, &x1);
    for (size_t c = 0; c < s.c; c++, x += s.h * s.w) {
        const float fill = as == d ? 0.0F : as->mean[c];
        for (size_t y = y0; y < y1; y++)
            for (size_t j = x0; j < x1; j++) x[y * s.w + j] = fill;
    }
}

/* Uniform in [-bound, bound). */
static double symmetric(trb_rng *rng, double bound)
{
    return (2.0 * (double)trb_rng_uniform(rng) - 1.0) * bound;
}

/* Draw a map. It says where each pixel comes from, so it is the inverse of the map in augment.h. */
static trb__affine draw_map(const trb_recipe *r, trb_shape s, trb_rng *rng)
{
    const double angle = r->rotate > 0.0 ? symmetric(rng, r->rotate * DEGREE) : 0.0;
    const double factor = r->zoom > 0.0 ? 1.0 + symmetric(rng, r->zoom) : 1.0;
    const double down = r->shift > 0.0 ? symmetric(rng, r->shift) : 0.0;
    const double right = r->shift > 0.0 ? symmetric(rng, r->shift) : 0.0;
    const double c = cos(angle) / factor, n = sin(angle) / factor;
    const double y = ((double)s.h - 1.0) / 2.0, x = ((double)s.w - 1.0) / 2.0;
    return (trb__affine){.a = {{c, n}, {-n, c}},
                         .b = {y - c * (y + down) - n * (x + right), x + n * (y + down) - c * (x + right)}};
}

/* Steps are in the unit that augment.h describes: in pixels as they are for bytes, in normalised values for floats. */
static const trb_data *space_of(const trb_augment *a, const trb_recipe *r)
{
    return r->step != TRB_STEP_NONE && a->data->type == TRB_U8 ? &a->plain : a->data;
}

/* Apply the items that concern one sample alone: crop, flip, rotate, zoom, shift, cutout. */
static void vary(const trb_augment *a, const trb_recipe *r, trb_rng *rng, int64_t id, float *x)
{
    const trb_data *d = space_of(a, r);
    const bool moved = trb_recipe_moves(r);
    float *placed = moved ? a->still : x;
    ptrdiff_t down = 0, right = 0;
    bool mirrored = false;
    if (r->crop > 0) {
        down = (ptrdiff_t)r->crop - (ptrdiff_t)trb_rng_below(rng, 2 * r->crop + 1);
        right = (ptrdiff_t)r->crop - (ptrdiff_t)trb_rng_below(rng, 2 * r->crop + 1);
    }
    if (r->flip) mirrored = trb_rng_u64(rng) >> 63 != 0;
    if (r->crop > 0 || mirrored)
        place(d, id, down, right, mirrored, placed);
    else
        trb_data_rows(d, 1, &id, placed);
    if (moved) {
        const trb__affine map = draw_map(r, d->shape, rng);
        trb__affine_move(d, &map, placed, x);
    }
    if (r->cutout > 0) {
        const size_t row = (size_t)trb_rng_below(rng, d->shape.h);
        const size_t column = (size_t)trb_rng_below(rng, d->shape.w);
        cut_out(a->data, d, r->cutout, row, column, x);
    }
}

TRB_WIDE static void mix_with(size_t n, float weight, const float *restrict other, float *restrict x)
{
    const float rest = 1.0F - weight;
    for (size_t i = 0; i < n; i++) x[i] = weight * x[i] + rest * other[i];
}

/* Apply all items before the step, in the unit of the step. */
static void begin_row(trb_augment *a, const trb_recipe *r, trb_rng *rng, int64_t id, float *x, trb_mix *mix)
{
    vary(a, r, rng, id, x);
    if (r->mixup == 0.0) return;
    const float weight = (float)trb_rng_beta(rng, r->mixup);
    const int64_t partner = a->partners[trb_rng_below(rng, a->n_partners)];
    vary(a, r, rng, partner, a->other);
    mix_with(trb_augment_inputs(a), weight, a->other, x);
    if (mix != NULL) *mix = (trb_mix){.partner = partner, .weight = weight};
}

static void one_row(trb_augment *a, const trb_recipe *r, uint64_t epoch, int64_t id, float *x, trb_mix *mix)
{
    trb_rng rng = trb_rng_open(a->seed, a->use, a->member, epoch, (uint64_t)id);
    begin_row(a, r, &rng, id, x, mix);
    if (r->step == TRB_STEP_NONE) return;
    trb__step_gaussian(a->data, (float)r->size, &rng, x);
    trb_augment_normalise(a, 1, x, x);
}

/* ---- rows */

/* Reserve scratch memory for the items that the recipes have. */
static trb_status reserve(trb_augment *a)
{
    const size_t D = trb_augment_inputs(a), channels = a->data->shape.c;
    bool mixes = false, moves = false;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * channels, sizeof *a->plain.mean, &a->plain.mean));
    a->plain.scale = a->plain.mean + channels;
    for (size_t c = 0; c < channels; c++) a->plain.scale[c] = 1.0F;
    for (size_t i = 0; i < a->n_recipes; i++) {
        mixes = mixes || a->recipe[i].mixup > 0.0;
        moves = moves || trb_recipe_moves(&a->recipe[i]);
    }
    if (mixes) TRB_TRY(trb_alloc(TRB_MEM_DATA, D, sizeof *a->other, &a->other));
    return moves ? trb_alloc(TRB_MEM_DATA, D, sizeof *a->still, &a->still) : TRB_OK;
}

trb_status trb_augment_create(const trb_data *data, size_t n_recipes, const trb_recipe *recipes, uint64_t seed,
                              trb_use use, uint64_t member, size_t n, const int64_t *partners, trb_augment **out)
{
    trb_status st = TRB_OK;
    trb_augment *a = NULL;
    for (size_t i = 0; i < n_recipes; i++) TRB_TRY(trb_recipe_check(&recipes[i], data->shape));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *a, &a));
    *a = (trb_augment){.data = data,
                       .plain = *data,
                       .n_recipes = n_recipes,
                       .seed = seed,
                       .member = member,
                       .use = use,
                       .n_partners = n,
                       .partners = partners};
    a->plain.mean = NULL;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n_recipes, sizeof *a->recipe, &a->recipe));
    memcpy(a->recipe, recipes, n_recipes * sizeof *recipes);
    TRB_GO(reserve(a));
    *out = a;
    a = NULL;
done:
    trb_augment_destroy(a);
    return st;
}

void trb_augment_destroy(trb_augment *a)
{
    if (a == NULL) return;
    trb_free(a->still);
    trb_free(a->other);
    trb_free(a->plain.mean);
    trb_free(a->recipe);
    trb_free(a);
}

bool trb_augment_mixes(const trb_augment *a)
{
    return a->other != NULL && a->use != TRB_USE_VIEW;
}

bool trb_augment_nothing(const trb_augment *a)
{
    for (size_t i = 0; i < a->n_recipes; i++)
        if (!trb_recipe_empty(&a->recipe[i])) return false;
    return true;
}

/* The recipe of a view > 0; view 0 has no recipe. */
static const trb_recipe *recipe_of(const trb_augment *a, size_t view)
{
    return &a->recipe[(view - 1) % a->n_recipes];
}

bool trb_augment_stored(const trb_augment *a, size_t view)
{
    return view > 0 && trb_recipe_stored(recipe_of(a, view));
}

void trb_augment_rows(trb_augment *a, uint64_t epoch, size_t n, const int64_t *ids, float *x, trb_mix *mix)
{
    if (trb_recipe_empty(a->recipe)) {
        trb_data_rows(a->data, n, ids, x);
        return;
    }
    for (size_t i = 0; i < n; i++)
        one_row(a, a->recipe, epoch, ids[i], x + i * trb_augment_inputs(a), mix == NULL ? NULL : mix + i);
}

static void stored_row(const trb_augment *a, const void *stored, size_t i, float *x)
{
    const size_t D = trb_augment_inputs(a);
    if (a->data->type == TRB_U8) {
        const int64_t at = (int64_t)i;
        trb_data rows = *a->data;
        rows.x = (void *)(uintptr_t)stored; /* read only */
        trb_data_rows(&rows, 1, &at, x);
    } else {
        trb_f32_from_f16(D, (const uint16_t *)stored + i * D, x);
    }
}

void trb_augment_views(trb_augment *a, size_t n, const int64_t *ids, const uint16_t *view, const void *stored, float *x)
{
    if (view == NULL) {
        trb_data_rows(a->data, n, ids, x);
        return;
    }
    for (size_t i = 0; i < n; i++, x += trb_augment_inputs(a)) {
        if (view[i] == 0)
            trb_data_rows(a->data, 1, ids + i, x);
        else if (trb_augment_stored(a, view[i]))
            stored_row(a, stored, i, x);
        else
            one_row(a, recipe_of(a, view[i]), view[i], ids[i], x, NULL);
    }
}

/* ---- stored views */

trb_dtype trb_stored_type(const trb_data *data)
{
    return data->type == TRB_U8 ? TRB_U8 : TRB_F16;
}

void trb_augment_begin(trb_augment *a, size_t view, size_t n, const int64_t *ids, size_t K, float *x, float *w)
{
    const size_t D = trb_augment_inputs(a);
    for (size_t i = 0; i < n; i++) {
        trb_rng rng = trb_rng_open(a->seed, a->use, a->member, view, (uint64_t)ids[i]);
        begin_row(a, recipe_of(a, view), &rng, ids[i], x + i * D, NULL);
        for (size_t k = 0; k < K; k++) w[i * K + k] = (float)symmetric(&rng, 1.0);
    }
}

void trb_augment_normalise(const trb_augment *a, size_t n, const float *x, float *normalised)
{
    const trb_data *d = a->data;
    const size_t area = d->shape.h * d->shape.w, D = d->shape.c * area;
    if (d->type != TRB_U8 && normalised != x) memcpy(normalised, x, n * D * sizeof *x);
    if (d->type != TRB_U8) return;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < d->shape.c; c++)
            for (size_t k = i * D + c * area; k < i * D + (c + 1) * area; k++)
                normalised[k] = (x[k] - d->mean[c]) * d->scale[c];
}

void trb_augment_direction(const trb_augment *a, size_t view, size_t n, size_t K, const float *z, const float *w,
                           float *dz, float *share)
{
    const trb_recipe *r = recipe_of(a, view);
    for (size_t i = 0; i < n; i++) {
        const double sure = trb__step_direction(K, r->temperature, z + i * K, w + i * K, dz + i * K);
        share[i] = r->step == TRB_STEP_CONFODS ? (float)sure : 1.0F;
    }
}

void trb_augment_end(const trb_augment *a, size_t view, size_t n, const float *x, const float *g, const float *share,
                     void *stored)
{
    const size_t D = trb_augment_inputs(a);
    for (size_t i = 0; i < n; i++)
        trb__step_along(a->data, recipe_of(a, view)->size * (double)share[i], x + i * D, g + i * D,
                        (char *)stored + i * D * trb_dtype_bytes(trb_stored_type(a->data)));
}
