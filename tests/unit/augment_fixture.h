/* For the tests of augmentation: images of bytes, and rows of floats, of known content. */
#ifndef TRB_TEST_AUGMENT_FIXTURE_H
#define TRB_TEST_AUGMENT_FIXTURE_H

#include "numbers.h"

#include "tribikos/augment.h"

/* A data set with constants of normalisation of its own; N samples. */
static inline trb_data fixture_data(trb_dtype type, size_t N, trb_shape shape)
{
    const size_t D = trb_shape_size(shape);
    trb_data d = {.task = TRB_TASK_CLASSES, .n = N, .shape = shape, .type = type, .classes = 2};
    d.x = room(N * D, trb_dtype_bytes(type));
    d.label = room(N, sizeof *d.label);
    d.mean = room(shape.c, sizeof *d.mean);
    d.scale = room(shape.c, sizeof *d.scale);
    trb_rng rng = trb_rng_open(1, TRB_USE_TEST, 0, 0, 0);
    for (size_t i = 0; i < N * D; i++) {
        if (type == TRB_U8)
            ((uint8_t *)d.x)[i] = (uint8_t)trb_rng_below(&rng, 256);
        else
            ((float *)d.x)[i] = trb_rng_normal(&rng);
    }
    for (size_t c = 0; c < shape.c; c++) {
        d.mean[c] = 100.0F + (float)c / 3.0F;
        d.scale[c] = 0.01F * (float)(c + 1);
    }
    return d;
}

static inline trb_recipe fixture_recipe(const char *text)
{
    trb_recipe r;
    assert_ok(trb_recipe_parse(text, &r));
    return r;
}

static inline trb_augment *fixture_augment(const trb_data *d, const char *text, uint64_t seed, trb_use use,
                                           uint64_t member, size_t n, const int64_t *partners)
{
    trb_augment *a = NULL;
    const trb_recipe r = fixture_recipe(text);
    assert_ok(trb_augment_create(d, 1, &r, seed, use, member, n, partners, &a));
    return a;
}

#endif
