/* The table of the kinds of shards: what files of a kind contain, and the words for them in names and messages. */
#include "internal.h"

#include "tribikos/dirichlet.h"
#include "tribikos/top.h"

static trb_h5_shape logits(const trb_cache_spec *spec, size_t rows)
{
    return (trb_h5_shape){spec->dtype, 2, {rows, spec->K}};
}

static trb_h5_shape statistics(const trb_cache_spec *spec, size_t rows)
{
    return (trb_h5_shape){spec->dtype, 2, {rows, TRB_STATISTICS(spec->K)}};
}

static trb_h5_shape top(const trb_cache_spec *spec, size_t rows)
{
    return (trb_h5_shape){spec->dtype, 2, {rows, TRB_TOP_OUTCOMES(spec->top, spec->K)}};
}

static trb_h5_shape classes_of_top(const trb_cache_spec *spec, size_t rows)
{
    return (trb_h5_shape){TRB_U16, 2, {rows, spec->top}};
}

static trb_h5_shape inputs(const trb_cache_spec *spec, size_t rows)
{
    return (trb_h5_shape){spec->x_dtype, 4, {rows, spec->shape.c, spec->shape.h, spec->shape.w}};
}

const trb__form trb__form_of[TRB_SHARD_KINDS] = {
    [TRB_SHARD_LOGITS] = {.name = "logits",
                          .format = "tribikos shard",
                          .dataset = "logits",
                          .shape = logits,
                          .floats = true,
                          .value = "output",
                          .whose = "a member"},
    [TRB_SHARD_STATISTICS] = {.name = "statistics",
                              .format = "tribikos statistics",
                              .dataset = "statistics",
                              .shape = statistics,
                              .floats = true,
                              .member = UINT64_MAX - 1,
                              .prefix = "all",
                              .value = "statistic",
                              .whose = "members"},
    [TRB_SHARD_TOP] = {.name = "top",
                       .format = "tribikos top",
                       .dataset = "top",
                       .shape = top,
                       .classes = classes_of_top,
                       .floats = true,
                       .value = "log-probability",
                       .whose = "a member"},
    [TRB_SHARD_INPUTS] = {.name = "inputs",
                          .format = "tribikos inputs",
                          .dataset = "x",
                          .shape = inputs,
                          .member = UINT64_MAX,
                          .prefix = "x",
                          .value = "input",
                          .whose = "members"},
};

const char *trb_shard_kind_name(trb_shard_kind kind)
{
    return trb__form_of[kind].name;
}

bool trb_shard_of_member(trb_shard_kind kind)
{
    return trb__form_of[kind].prefix == NULL;
}

size_t trb__values(const trb_cache_spec *spec, trb_shard_kind kind)
{
    const trb_h5_shape row = trb__form_of[kind].shape(spec, 1);
    size_t n = 1;
    for (size_t d = 1; d < row.ndim; d++) n *= row.dim[d];
    return n;
}

size_t trb__classes(const trb_cache_spec *spec, trb_shard_kind kind)
{
    const trb__form *form = &trb__form_of[kind];
    return form->classes == NULL ? 0 : form->classes(spec, 1).dim[1];
}

size_t trb_shard_row_bytes(const trb_cache_spec *spec, trb_shard_kind kind)
{
    return trb__values(spec, kind) * trb_dtype_bytes(trb__form_of[kind].shape(spec, 1).type) +
           trb__classes(spec, kind) * sizeof(uint16_t);
}
