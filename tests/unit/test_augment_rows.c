/* Augmented rows against loops that do what the manual page says one pixel at a time, and the statistics of the draws.
 */
#include "augment_fixture.h"

enum { N = 40, SEED = 5, MEMBER = 2, PARTNERS = 7 };
static const int64_t partners[PARTNERS] = {3, 1, 39, 20, 21, 8, 0};

/* A count of n draws of probability p lies within 5 standard deviations: wrongly red once in a million. */
static void assert_rate(size_t count, size_t n, double p)
{
    assert_near((double)count, (double)n * p, 5 * sqrt((double)n * p * (1.0 - p)));
}

/* One sample, cropped, flipped and cut out by the next draws: by way of a padded copy. */
static void vary_plainly(const trb_data *d, const trb_recipe *r, trb_rng *rng, int64_t id, float *x)
{
    const trb_shape s = d->shape;
    const size_t P = r->crop, H = s.h + 2 * P, W = s.w + 2 * P;
    float *padded = room(s.c * H * W, sizeof *padded); /* zeroed */
    for (size_t c = 0; c < s.c; c++)
        for (size_t i = 0; i < s.h; i++)
            for (size_t j = 0; j < s.w; j++) {
                const size_t at = (((size_t)id * s.c + c) * s.h + i) * s.w + j;
                padded[(c * H + P + i) * W + P + j] =
                    d->type == TRB_U8 ? (float)((uint8_t *)d->x)[at] : ((float *)d->x)[at];
            }
    const size_t top = P > 0 ? trb_rng_below(rng, 2 * P + 1) : 0, left = P > 0 ? trb_rng_below(rng, 2 * P + 1) : 0;
    const bool mirrored = r->flip && (trb_rng_u64(rng) & (UINT64_C(1) << 63)) != 0;
    const ptrdiff_t S = (ptrdiff_t)r->cutout;
    const ptrdiff_t y0 = S > 0 ? (ptrdiff_t)trb_rng_below(rng, s.h) - S / 2 : 0;
    const ptrdiff_t x0 = S > 0 ? (ptrdiff_t)trb_rng_below(rng, s.w) - S / 2 : 0;
    for (size_t c = 0; c < s.c; c++)
        for (size_t i = 0; i < s.h; i++)
            for (size_t j = 0; j < s.w; j++) {
                const size_t column = mirrored ? s.w - 1 - j : j;
                const float value = padded[(c * H + top + i) * W + left + column];
                const ptrdiff_t y = (ptrdiff_t)i, z = (ptrdiff_t)j;
                const bool cut = y >= y0 && y < y0 + S && z >= x0 && z < x0 + S;
                x[(c * s.h + i) * s.w + j] = cut ? 0.0F : (value - d->mean[c]) * d->scale[c];
            }
    trb_free(padded);
}

static void plainly(const trb_data *d, const trb_recipe *r, trb_rng rng, int64_t id, float *x, trb_mix *mix)
{
    const size_t D = trb_shape_size(d->shape);
    vary_plainly(d, r, &rng, id, x);
    if (r->mixup == 0.0) return;
    float *other = room(D, sizeof *other);
    mix->weight = (float)trb_rng_beta(&rng, r->mixup);
    mix->partner = partners[trb_rng_below(&rng, PARTNERS)];
    vary_plainly(d, r, &rng, mix->partner, other);
    for (size_t k = 0; k < D; k++) x[k] = mix->weight * x[k] + (1.0F - mix->weight) * other[k];
    trb_free(other);
}

static void as_the_manual_says(void **state)
{
    (void)state;
    static const struct {
        const char *recipe;
        trb_shape shape;
    } cases[] = {{"crop 3", {3, 8, 6}},   {"flip", {3, 8, 6}},
                 {"flip", {1, 5, 7}},     {"crop 2, flip", {3, 9, 9}},
                 {"cutout 1", {2, 4, 4}}, {"cutout 5", {3, 8, 6}},
                 {"cutout 6", {3, 8, 6}}, {"mixup 0.4", {3, 8, 6}},
                 {"mixup 2", {12, 1, 1}}, {"crop 4, flip, cutout 3, mixup 1", {3, 8, 6}}};
    for (size_t k = 0; k < 2 * sizeof cases / sizeof *cases; k++) {
        const trb_shape shape = cases[k / 2].shape;
        const size_t D = trb_shape_size(shape);
        trb_data d = fixture_data(k % 2 == 0 ? TRB_U8 : TRB_F32, N, shape);
        const trb_recipe r = fixture_recipe(cases[k / 2].recipe);
        trb_augment *a = fixture_augment(&d, cases[k / 2].recipe, SEED, TRB_USE_AUGMENT, MEMBER, PARTNERS, partners);
        trb_augment *v = fixture_augment(&d, cases[k / 2].recipe, SEED, TRB_USE_VIEW, 0, PARTNERS, partners);
        if (shape.h * shape.w > 1) {
            for (size_t c = 0; c < shape.c; c++) d.mean[c] += 0.125F; /* constants are those of the call */
        }
        float *x = room(N * D, sizeof *x), *one = room(D, sizeof *one);
        int64_t ids[N];
        uint16_t view[N];
        trb_mix mix[N], wanted = {0, 0.0F};
        for (size_t i = 0; i < N; i++) {
            ids[i] = (int64_t)(i * 7 % N);
            view[i] = (uint16_t)(i % 4);
        }
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            trb_augment_rows(a, epoch, N, ids, x, mix);
            for (size_t i = 0; i < N; i++) {
                plainly(&d, &r, trb_rng_open(SEED, TRB_USE_AUGMENT, MEMBER, epoch, (uint64_t)ids[i]), ids[i], one,
                        &wanted);
                assert_memory_equal(x + i * D, one, D * sizeof *x);
                if (r.mixup == 0.0) continue;
                assert_true(mix[i].partner == wanted.partner && mix[i].weight == wanted.weight);
            }
        }
        trb_augment_views(v, N, ids, view, NULL, x);
        for (size_t i = 0; i < N; i++) {
            if (view[i] == 0)
                trb_data_rows(&d, 1, &ids[i], one);
            else
                plainly(&d, &r, trb_rng_open(SEED, TRB_USE_VIEW, 0, view[i], (uint64_t)ids[i]), ids[i], one, &wanted);
            assert_memory_equal(x + i * D, one, D * sizeof *x);
        }
        /* Whatever the batch and the place in it. */
        for (size_t i = 0; i < N; i++) {
            trb_augment_views(v, 1, &ids[N - 1 - i], &view[N - 1 - i], NULL, one);
            assert_memory_equal(x + (N - 1 - i) * D, one, D * sizeof *x);
        }
        trb_augment_views(v, N, ids, NULL, NULL, x);
        for (size_t i = 0; i < N; i++) {
            trb_data_rows(&d, 1, &ids[i], one);
            assert_memory_equal(x + i * D, one, D * sizeof *x);
        }
        trb_free(x), trb_free(one);
        trb_augment_destroy(a);
        trb_augment_destroy(v);
        trb_data_clear(&d);
    }
}

/* The affine map as the manual page has it, solved for where a pixel comes from, over a border of what lies around. */
static float moved_pixel(const trb_data *d, const float *plain, size_t c, size_t i, size_t j, const double by[4])
{
    const trb_shape s = d->shape;
    const double cy = ((double)s.h - 1) / 2, cx = ((double)s.w - 1) / 2, radians = by[0] * 3.14159265358979 / 180;
    const double down = (double)i - by[2] - cy, right = (double)j - by[3] - cx;
    const double y = (cos(radians) * down + sin(radians) * right) / by[1] + cy;
    const double x = (cos(radians) * right - sin(radians) * down) / by[1] + cx;
    double sum = 0.0;
    for (ptrdiff_t p = (ptrdiff_t)floor(y); p <= (ptrdiff_t)floor(y) + 1; p++)
        for (ptrdiff_t q = (ptrdiff_t)floor(x); q <= (ptrdiff_t)floor(x) + 1; q++) {
            const bool inside = p >= 0 && q >= 0 && p < (ptrdiff_t)s.h && q < (ptrdiff_t)s.w;
            const double value = inside ? (double)plain[(c * s.h + (size_t)p) * s.w + (size_t)q]
                                        : (0.0 - (double)d->mean[c]) * (double)d->scale[c];
            sum += value * (1 - fabs(y - (double)p)) * (1 - fabs(x - (double)q));
        }
    return (float)sum;
}

static double symmetric(trb_rng *rng, double bound)
{
    return (2 * (double)trb_rng_uniform(rng) - 1) * bound;
}

static void moved(void **state)
{
    (void)state;
    static const char *const recipes[] = {"rotate 40", "zoom 0.3", "shift 2.5", "flip, rotate 180, zoom 0.9, shift 5"};
    const trb_shape shape = {3, 9, 7};
    for (size_t k = 0; k < 8; k++) {
        trb_data d = fixture_data(k % 2 == 0 ? TRB_U8 : TRB_F32, N, shape);
        const trb_recipe r = fixture_recipe(recipes[k / 2]);
        trb_augment *a = fixture_augment(&d, recipes[k / 2], SEED, TRB_USE_VIEW, 0, 0, NULL);
        float x[3 * 63], plain[3 * 63];
        double farthest = 0.0;
        for (int64_t id = 0; id < N; id++) {
            trb_rng rng = trb_rng_open(SEED, TRB_USE_VIEW, 0, 3, (uint64_t)id);
            const uint16_t view = 3;
            trb_augment_views(a, 1, &id, &view, NULL, x);
            trb_data_rows(&d, 1, &id, plain);
            if (r.flip && trb_rng_u64(&rng) >> 63 != 0)
                for (size_t row = 0; row < 27; row++)
                    for (size_t j = 0; j < 3; j++) {
                        const float kept = plain[7 * row + j];
                        plain[7 * row + j] = plain[7 * row + 6 - j];
                        plain[7 * row + 6 - j] = kept;
                    }
            double by[4] = {0, 1, 0, 0};
            if (r.rotate > 0) by[0] = symmetric(&rng, r.rotate);
            if (r.zoom > 0) by[1] += symmetric(&rng, r.zoom);
            for (size_t i = 2; i < 4; i++) by[i] = r.shift > 0 ? symmetric(&rng, r.shift) : 0;
            /* Values are up to 5; positions are double, weights and sums float: a few times 6e-8 of 5. */
            for (size_t i = 0; i < 3 * 63; i++) {
                assert_near((double)x[i], (double)moved_pixel(&d, plain, i / 63, i / 7 % 9, i % 7, by), 5e-6);
                farthest = fmax(farthest, fabs((double)x[i] - (double)plain[i]));
            }
        }
        assert_true(farthest > 1e-3);
        trb_augment_destroy(a);
        trb_data_clear(&d);
    }
}

/* Noise has the size that is asked for, in pixels or in normalised values, and pixels stay within their range. */
static void noise(void **state)
{
    (void)state;
    const double pi = acos(-1.0);
    enum { SIDE = 31, AREA = SIDE * SIDE, ROWS = 30 };
    for (int floats = 0; floats < 2; floats++) {
        trb_data d = fixture_data(floats ? TRB_F32 : TRB_U8, ROWS, (trb_shape){1, SIDE, SIDE});
        if (!floats) memset(d.x, 128, ROWS * AREA);
        trb_augment *a = fixture_augment(&d, floats ? "gaussian 0.5" : "gaussian 20", SEED, TRB_USE_VIEW, 0, 0, NULL);
        const double unit = floats ? 0.5 : 20 * (double)d.scale[0];
        double sum = 0.0, squares = 0.0, fourths = 0.0, low = 0.0;
        for (int64_t id = 0; id < ROWS; id++) {
            const uint16_t view = 1;
            float x[AREA], plain[AREA];
            trb_augment_views(a, 1, &id, &view, NULL, x);
            trb_data_rows(&d, 1, &id, plain);
            for (size_t i = 0; i < AREA; i++) {
                const double n = ((double)x[i] - (double)plain[i]) / unit;
                sum += n;
                squares += n * n;
                fourths += n * n * n * n;
                low = fmin(low, n);
            }
        }
        /* 5 standard deviations of the means of n, n^2 and n^4: 1, sqrt(2) and sqrt(96) over the root of their number.
         * */
        const double root = sqrt((double)(ROWS * AREA));
        assert_near(sum / root / root, 0.0, 5 / root);
        assert_near(squares / root / root, 1.0, 5 * sqrt(2.0) / root);
        assert_near(fourths / root / root, 3.0, 5 * sqrt(96.0) / root);
        assert_true(low < -3.0);
        /* By the draws that the manual page names, to the last of an odd number of values and no further. */
        float x[AREA + 1], plain[AREA];
        const int64_t one = 7;
        trb_rng rng = trb_rng_open(SEED, TRB_USE_VIEW, 0, 2, (uint64_t)one);
        x[AREA] = 0.75F;
        trb_augment_views(a, 1, &one, &(const uint16_t){2}, NULL, x);
        trb_data_rows(&d, 1, &one, plain);
        assert_true(x[AREA] == 0.75F);
        for (size_t i = 0; i < AREA; i += 2) {
            const double u = ((double)(trb_rng_u64(&rng) >> 11) + 1.0) * 0x1p-53,
                         v = (double)(trb_rng_u64(&rng) >> 11) * 0x1p-53, r = unit * sqrt(-2.0 * log(u));
            assert_near((double)x[i] - (double)plain[i], r * cos(2.0 * pi * v), 1e-4 * unit);
            if (i + 1 < AREA) assert_near((double)x[i + 1] - (double)plain[i + 1], r * sin(2.0 * pi * v), 1e-4 * unit);
        }
        trb_augment_destroy(a);
        if (!floats) {
            float x[AREA];
            const int64_t id = 3;
            const uint16_t view = 1;
            size_t at_0 = 0;
            memset(d.x, 1, ROWS * AREA);
            a = fixture_augment(&d, "gaussian 50", SEED, TRB_USE_VIEW, 0, 0, NULL);
            trb_augment_views(a, 1, &id, &view, NULL, x);
            for (size_t i = 0; i < AREA; i++) {
                const double pixel = (double)x[i] / (double)d.scale[0] + (double)d.mean[0];
                assert_in_range((int64_t)(pixel + 0.5), 0, 255);
                at_0 += pixel < 1e-3;
            }
            assert_rate(at_0, AREA, 0.492); /* P(n <= -1/50) */
            trb_augment_destroy(a);
        }
        trb_data_clear(&d);
    }
}

/* A stored view is what is stored, its neighbours are made; recipes take turns. */
static void stored_views(void **state)
{
    (void)state;
    const trb_shape shape = {2, 3, 4};
    for (int floats = 0; floats < 2; floats++) {
        trb_data d = fixture_data(floats ? TRB_F32 : TRB_U8, N, shape);
        const trb_recipe recipes[2] = {fixture_recipe("flip"), fixture_recipe("crop 1, ods 3")};
        trb_augment *a = NULL;
        assert_ok(trb_augment_create(&d, 2, recipes, SEED, TRB_USE_VIEW, 0, 0, NULL, &a));
        trb_augment *flips = fixture_augment(&d, "flip", SEED, TRB_USE_VIEW, 0, 0, NULL);
        assert_int_equal(trb_stored_type(&d), floats ? TRB_F16 : TRB_U8);
        for (size_t v = 0; v < 7; v++) assert_int_equal(trb_augment_stored(a, v), v > 0 && v % 2 == 0);
        uint8_t bytes[4 * 24];
        uint16_t halves[4 * 24];
        float values[4 * 24], x[4 * 24], other[24];
        for (size_t i = 0; i < 4 * 24; i++) {
            bytes[i] = (uint8_t)(i * 37);
            values[i] = (float)i / 8 - 3;
        }
        trb_f16_from_f32(4 * 24, values, halves);
        const int64_t ids[4] = {7, 8, 9, 9};
        const uint16_t view[4] = {0, 2, 3, 4};
        trb_augment_views(a, 4, ids, view, floats ? (const void *)halves : bytes, x);
        for (size_t row = 0; row < 4; row++) {
            if (row == 2) trb_augment_views(flips, 1, &ids[row], &view[row], NULL, other);
            if (row == 0) trb_data_rows(&d, 1, &ids[row], other);
            for (size_t i = 0; i < 24; i++) {
                const float pixel = ((float)bytes[row * 24 + i] - d.mean[i / 12]) * d.scale[i / 12];
                assert_true(x[row * 24 + i] == (row % 2 == 0 ? other[i] : floats ? values[row * 24 + i] : pixel));
            }
        }
        trb_augment_destroy(flips);
        trb_augment_destroy(a);
        trb_data_clear(&d);
    }
}

/* Where a step begins: what the other items make of the sample in the unit of the step, then K draws of the same stream,
 * which is the view's own. */
static void begins(void **state)
{
    (void)state;
    enum { K = 3, D = 24 };
    for (int floats = 0; floats < 2; floats++) {
        trb_data d = fixture_data(floats ? TRB_F32 : TRB_U8, N, (trb_shape){2, 3, 4});
        trb_augment *a = fixture_augment(&d, "flip, ods 3", SEED, TRB_USE_VIEW, 0, 0, NULL);
        const int64_t ids[2] = {7, 30};
        float x[2 * D], w[2 * K], fed[2 * D], expected[D];
        for (size_t view = 1; view < 5; view++) {
            trb_augment_begin(a, view, 2, ids, K, x, w);
            trb_augment_normalise(a, 2, x, fed);
            for (size_t row = 0; row < 2; row++) {
                trb_rng rng = trb_rng_open(SEED, TRB_USE_VIEW, 0, view, (uint64_t)ids[row]);
                vary_plainly(&d, &(trb_recipe){.flip = true}, &rng, ids[row], expected);
                assert_memory_equal(fed + row * D, expected, sizeof expected);
                for (size_t i = 0; i < D; i++) {
                    const double value = (double)expected[i] / (double)d.scale[i / 12] + (double)d.mean[i / 12];
                    assert_near((double)x[row * D + i], floats ? (double)expected[i] : value, 1e-3);
                }
                for (size_t k = 0; k < K; k++)
                    assert_near((double)w[row * K + k], 2.0 * (double)trb_rng_uniform(&rng) - 1.0, ROUNDING);
            }
        }
        assert_false(trb_augment_nothing(a));
        trb_augment_destroy(a);
        trb_data_clear(&d);
    }
}

/* The direction is w . softmax(z / T)'s gradient, also of a member that is sure beyond single precision; the step has
 * the size that is asked for; without a gradient there is none. */
static void steps(void **state)
{
    (void)state;
    enum { K = 5, D = 24 };
    trb_data d = fixture_data(TRB_F32, N, (trb_shape){2, 3, 4});
    const trb_recipe recipes[2] = {fixture_recipe("ods 0.5 2"), fixture_recipe("confods 0.5 4")};
    trb_augment *a = NULL;
    assert_ok(trb_augment_create(&d, 2, recipes, SEED, TRB_USE_VIEW, 0, 0, NULL, &a));
    const float logits[3][K] = {{1, 2, -1, 0, 0.5F}, {60, 2, -1, 0, 1}, {-100, 90, -1, 0, 1}};
    const float w[K] = {0.3F, -0.9F, 0.5F, 0.1F, -0.2F};
    for (size_t row = 0; row < 3; row++)
        for (size_t v = 1; v < 3; v++) {
            const long double T = v == 1 ? 2 : 4;
            long double p[K], sum = 0, mean = 0, wanted[K], largest = 0, sure = 0, plain = 0;
            float dz[K], share = 0;
            for (size_t k = 0; k < K; k++) sum += p[k] = expl((long double)logits[row][k] / T);
            for (size_t k = 0; k < K; k++) mean += (p[k] /= sum) * (long double)w[k];
            for (size_t k = 0; k < K; k++)
                largest = fmaxl(largest, fabsl(wanted[k] = p[k] * ((long double)w[k] - mean)));
            for (size_t k = 0; k < K; k++) plain += expl((long double)logits[row][k]);
            for (size_t k = 0; k < K; k++) sure = fmaxl(sure, expl((long double)logits[row][k]) / plain);
            trb_augment_direction(a, v, 1, K, logits[row], w, dz, &share);
            /* long double has 64 bits of mantissa: what cancels leaves 1e-19 / p, p down to 1e-26. */
            for (size_t k = 0; k < K && largest > 1e-12L; k++)
                assert_near((double)dz[k], (double)(wanted[k] / largest), 1e-6);
            for (size_t k = 0; k < K; k++) assert_true(fabs((double)dz[k]) <= 1.0 && isfinite(dz[k]));
            assert_near((double)share, v == 1 ? 1.0 : (double)sure, 1e-6);
        }
    const float certain[K] = {1e6F, 2, -1, 0, 1}; /* nothing is left of the others even in double precision */
    float flat[K], all = 0;
    trb_augment_direction(a, 2, 1, K, certain, w, flat, &all);
    for (size_t k = 0; k < K; k++) assert_true(flat[k] == 0.0F);
    assert_true(all == 1.0F);
    float x[2 * D] = {0}, g[2 * D] = {0}, back[D];
    const float share[2] = {1.0F, 0.25F};
    uint16_t stored[2 * D];
    for (size_t i = 0; i < 2 * D; i++) x[i] = (float)i;
    for (size_t i = D; i < 2 * D; i++) g[i] = 1e-20F * (float)(i % 3);
    trb_augment_end(a, 2, 2, x, g, share, stored);
    trb_f32_from_f16(D, stored, back);
    assert_memory_equal(back, x, sizeof back); /* no gradient */
    trb_f32_from_f16(D, stored + D, back);
    double squares = 0;
    for (size_t i = 0; i < D; i++)
        squares += ((double)back[i] - (double)x[D + i]) * ((double)back[i] - (double)x[D + i]);
    assert_near(sqrt(squares / D), 0.125, 0.02); /* float16 of values up to 47 */
    /* Of bytes the step is along the gradient by pixels: a channel of twice the scale goes twice as far. */
    trb_data of_bytes = fixture_data(TRB_U8, N, (trb_shape){2, 3, 4});
    const trb_recipe ods = fixture_recipe("ods 16");
    trb_augment *b = NULL;
    uint8_t bytes[D];
    assert_ok(trb_augment_create(&of_bytes, 1, &ods, SEED, TRB_USE_VIEW, 0, 0, NULL, &b));
    for (size_t i = 0; i < D; i++) {
        x[i] = i % 12 == 0 ? 250.0F : i % 12 == 1 ? 3.25F : 100.25F;
        g[i] = i % 12 == 1 ? -0.5F : 0.5F;
    }
    trb_augment_end(b, 1, 1, x, g, share, bytes);
    /* a^2 + (2 a)^2 = 2 16^2 */
    for (size_t i = 0; i < D; i++) assert_int_equal(bytes[i], i % 12 == 0 ? 255 : i % 12 == 1 ? 0 : i < 12 ? 110 : 120);
    trb_augment_destroy(b);
    trb_data_clear(&of_bytes);
    trb_augment_destroy(a);
    trb_data_clear(&d);
}

/* The empty recipe is the sample itself, in training too. */
static void nothing_to_do(void **state)
{
    (void)state;
    trb_data d = fixture_data(TRB_U8, N, (trb_shape){3, 8, 6});
    float x[2 * 144], expected[2 * 144];
    const int64_t ids[2] = {30, 4};
    trb_augment *a = fixture_augment(&d, "", SEED, TRB_USE_AUGMENT, MEMBER, 0, NULL);
    trb_augment_rows(a, 3, 2, ids, x, NULL);
    trb_data_rows(&d, 2, ids, expected);
    assert_memory_equal(x, expected, sizeof x);
    trb_augment_destroy(a);
    trb_augment_destroy(NULL);
    const trb_recipe large = fixture_recipe("cutout 7");
    a = NULL;
    assert_fails(trb_augment_create(&d, 1, &large, 0, TRB_USE_VIEW, 0, 0, NULL, &a), TRB_ECONFIG, "at most cutout 6");
    assert_null(a);
    trb_data_clear(&d);
}

/* Every coordinate of the stream changes what is made. */
static void coordinates(void **state)
{
    (void)state;
    trb_data d = fixture_data(TRB_U8, N, (trb_shape){1, 16, 16});
    for (size_t i = 1; i < N; i++) memcpy((char *)d.x + 256 * i, d.x, 256); /* one picture everywhere */
    float x[6][256];
    const struct {
        uint64_t seed, member, epoch;
        trb_use use;
        int64_t id;
    } of[6] = {{1, 2, 3, TRB_USE_AUGMENT, 4}, {9, 2, 3, TRB_USE_AUGMENT, 4}, {1, 9, 3, TRB_USE_AUGMENT, 4},
               {1, 2, 9, TRB_USE_AUGMENT, 4}, {1, 2, 3, TRB_USE_VIEW, 4},    {1, 2, 3, TRB_USE_AUGMENT, 9}};
    for (size_t k = 0; k < 6; k++) {
        trb_augment *a = fixture_augment(&d, "crop 8, cutout 5", of[k].seed, of[k].use, of[k].member, 0, NULL);
        trb_augment_rows(a, of[k].epoch, 1, &of[k].id, x[k], NULL);
        for (size_t j = 0; j < k; j++) assert_memory_not_equal(x[k], x[j], sizeof x[k]);
        trb_augment_destroy(a);
    }
    trb_data_clear(&d);
}

/* Where the one bright pixel of an image lands. */
static void places_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 50000, SIDE = 9, P = 2, AREA = SIDE * SIDE };
    trb_data d = fixture_data(TRB_U8, 1, (trb_shape){1, SIDE, SIDE});
    memset(d.x, 0, AREA);
    ((uint8_t *)d.x)[4 * SIDE + 3] = 255; /* off the middle: a mirrored image is told from one that is not */
    d.mean[0] = 0.0F;
    trb_augment *a = fixture_augment(&d, "crop 2, flip", SEED, TRB_USE_AUGMENT, 0, 0, NULL);
    size_t mirrored = 0, at[2 * P + 1][SIDE] = {{0}};
    float x[AREA];
    const int64_t id = 0;
    for (uint64_t epoch = 0; epoch < DRAWS; epoch++) {
        trb_augment_rows(a, epoch, 1, &id, x, NULL);
        size_t k = 0;
        while (x[k] <= 0.0F) k++;
        at[k / SIDE - 2][k % SIDE]++;
    }
    /* Column 3 goes to 1..5, mirrored to 5 to 3..7: columns 3, 4, 5 are reached both ways. */
    for (size_t y = 0; y < 2 * P + 1; y++)
        for (size_t column = 0; column < SIDE; column++) {
            const double ways = column < 1 || column > 7 ? 0.0 : column >= 3 && column <= 5 ? 2.0 : 1.0;
            assert_rate(at[y][column], DRAWS, ways / 50.0);
            mirrored += column > 5 ? at[y][column] : 0;
        }
    assert_rate(mirrored, DRAWS, 0.2);
    trb_augment_destroy(a);
    trb_data_clear(&d);
}

static void centres_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 40000, H = 5, W = 4, AREA = H * W };
    trb_data d = fixture_data(TRB_U8, 1, (trb_shape){1, H, W});
    memset(d.x, 200, AREA);
    trb_augment *a = fixture_augment(&d, "cutout 1", SEED, TRB_USE_AUGMENT, 0, 0, NULL);
    size_t cut[AREA] = {0};
    float x[AREA];
    const int64_t id = 0;
    for (uint64_t epoch = 0; epoch < DRAWS; epoch++) {
        trb_augment_rows(a, epoch, 1, &id, x, NULL);
        for (size_t k = 0; k < AREA; k++) cut[k] += x[k] == 0.0F;
    }
    for (size_t k = 0; k < AREA; k++) assert_rate(cut[k], DRAWS, 1.0 / AREA);
    trb_augment_destroy(a);
    trb_data_clear(&d);
}

static void partners_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 40000 };
    trb_data d = fixture_data(TRB_F32, N, (trb_shape){4, 1, 1});
    trb_augment *a = fixture_augment(&d, "mixup 1", SEED, TRB_USE_AUGMENT, 0, PARTNERS, partners);
    size_t chosen[N] = {0};
    const int64_t id = 5;
    for (uint64_t epoch = 0; epoch < DRAWS; epoch++) {
        float x[4];
        trb_mix mix;
        trb_augment_rows(a, epoch, 1, &id, x, &mix);
        chosen[mix.partner]++;
    }
    for (size_t i = 0; i < PARTNERS; i++) assert_rate(chosen[partners[i]], DRAWS, 1.0 / PARTNERS);
    trb_augment_destroy(a);
    trb_data_clear(&d);
}

/* Beta(A, A): mean 1/2, variance 1/(4(2A + 1)), and the distribution function where it has a closed form. */
static void beta(void **state)
{
    (void)state;
    enum { DRAWS = 40000 };
    const double A[] = {0.000001, 0.01, 0.2, 0.5, 1.0, 2.0, 8.0, 1000.0};
    for (size_t k = 0; k < sizeof A / sizeof *A; k++) {
        double sum = 0.0, squares = 0.0, fourth = 0.0;
        size_t low = 0;
        for (uint64_t i = 0; i < DRAWS; i++) {
            trb_rng rng = trb_rng_open(SEED, TRB_USE_TEST, k, 0, i);
            const double l = trb_rng_beta(&rng, A[k]), away = l - 0.5;
            assert_true(l >= 0.0 && l <= 1.0); /* not with a NaN */
            sum += away;
            squares += away * away;
            fourth += away * away * away * away;
            low += l < 0.25;
        }
        const double variance = 1.0 / (4.0 * (2.0 * A[k] + 1.0)), n = DRAWS;
        assert_near(sum / n, 0.0, 5 * sqrt(variance / n));
        assert_near(squares / n, variance, 5 * sqrt((fourth / n - variance * variance) / n));
        if (A[k] == 0.5) assert_rate(low, DRAWS, 1.0 / 3.0); /* the arcsine law: 2/pi asin(sqrt(1/4)) */
        if (A[k] == 1.0) assert_rate(low, DRAWS, 0.25);
        if (A[k] == 2.0) assert_rate(low, DRAWS, 0.15625); /* 3x^2 - 2x^3 */
    }
}

/* Images far from zero are stored less the offset of their channel. What a crop or a move uncovers is 0 there: the
 * offset, so about the mean of the channel, whatever the normalisation; a pixel of 0 would be thousands of deviations
 * away. */
static void pads_far_from_zero(void **state)
{
    (void)state;
    static const float offset[] = {1e7F, 0.0F};
    static const char *const recipes[] = {"crop 3", "shift 3"}; /* many pixels are uncovered */
    trb_data d = fixture_data(TRB_F32, 3, (trb_shape){2, 4, 4});
    for (size_t i = 0; i < 4; i++) {
        trb_augment *a = fixture_augment(&d, recipes[i / 2], 7, TRB_USE_AUGMENT, 0, 0, NULL);
        size_t pads = 0;
        for (size_t c = 0; c < 2; c++) { /* as data.normalize: none and standard fix them */
            d.mean[c] = i % 2 == 0 ? 0.0F - offset[c] : 0.25F;
            d.scale[c] = i % 2 == 0 ? 1.0F : 2.0F;
        }
        for (uint64_t epoch = 0; epoch < 40; epoch++) {
            const int64_t id = (int64_t)(epoch % 3);
            float x[2][16];
            trb_augment_rows(a, epoch, 1, &id, &x[0][0], NULL);
            for (size_t k = 0; k < 32; k++) {
                const float pad = i % 2 == 0 ? offset[k / 16] : -0.5F;
                pads += fabsf((&x[0][0])[k] - pad) <= 1e-6F * fabsf(pad); /* weights of interpolation are rounded */
            }
        }
        assert_true(pads > 40 * 32 / 3);
        trb_augment_destroy(a);
    }
    trb_data_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_manual_says),
        cmocka_unit_test(moved),
        cmocka_unit_test(noise),
        cmocka_unit_test(stored_views),
        cmocka_unit_test(begins),
        cmocka_unit_test(steps),
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(coordinates),
        cmocka_unit_test(pads_far_from_zero),
        cmocka_unit_test(places_are_uniform),
        cmocka_unit_test(centres_are_uniform),
        cmocka_unit_test(partners_are_uniform),
        cmocka_unit_test(beta),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
