/* Whether an opened cache is the one that is asked for: its data, members, form and views (cache.h). */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/augment.h"

trb_status trb_cache_expect_data(const trb_cache *c, const trb_data *data)
{
    if (c->spec.task != data->task)
        return trb_fail(TRB_EINTEGRITY, "%s: the cache is of task %s, the data set of task %s", c->dir,
                        trb__task_name(c->spec.task), trb__task_name(data->task));
    if (c->spec.N != data->n)
        return trb_fail(TRB_EINTEGRITY,
                        "%s: the training set (data.train) is another one: the cache has %zu samples, the data set has "
                        "%zu",
                        c->dir, c->spec.N, data->n);
    const bool labelled = trb_cache_labelled(&c->spec);
    if (labelled && !trb_data_labelled(data))
        return trb_fail(TRB_EINTEGRITY,
                        "%s: the cache has labels, the data set has none; add the labels to the data set, or write the "
                        "cache without them",
                        c->dir);
    const bool table = data->schema != NULL && data->schema->n_columns > 0;
    const uint64_t wanted = labelled ? data->digest : data->digest_x;
    if (c->spec.data_digest != wanted)
        return trb_fail(
            TRB_EINTEGRITY,
            "%s: the training set (data.train) is another one: the cache belongs to the %s with digest "
            "%016" PRIx64 ", the configured %s %016" PRIx64 "%s",
            c->dir, labelled ? "data set" : "samples", c->spec.data_digest, labelled ? "one has" : "ones have", wanted,
            table && !labelled && trb_data_labelled(data)
                ? "; a column of the table was read as labels or targets; if it has none, set `data.target: "
                  "none`"
                : "");
    if (trb__has(&c->spec, TRB_SHARD_INPUTS) && !trb_shape_same(c->spec.shape, data->shape))
        return trb_fail(TRB_EINTEGRITY, "%s: the stored inputs are of %zu x %zu x %zu, the data set of %zu x %zu x %zu",
                        c->dir, c->spec.shape.c, c->spec.shape.h, c->spec.shape.w, data->shape.c, data->shape.h,
                        data->shape.w);
    if (trb__has(&c->spec, TRB_SHARD_INPUTS) && c->spec.x_dtype != trb_stored_type(data))
        return trb_fail(TRB_EINTEGRITY, "%s: the stored inputs are %s, but for this data set they must be %s", c->dir,
                        trb_dtype_name(c->spec.x_dtype), trb_dtype_name(trb_stored_type(data)));
    return TRB_OK;
}

trb_status trb_cache_expect_member(const trb_cache *c, size_t m, uint64_t digest)
{
    if (m >= c->spec.M)
        return trb_fail(TRB_EINTEGRITY, "%s: the cache has %zu members, member %zu wanted", c->dir, c->spec.M, m);
    if (c->member_digest[m] != digest)
        return trb_fail(TRB_EINTEGRITY,
                        "%s: member %zu of the cache has digest %016" PRIx64 ", its weights file %016" PRIx64, c->dir,
                        m, c->member_digest[m], digest);
    return TRB_OK;
}

trb_status trb_cache_expect_holds(const trb_cache *c, trb_shard_kind holds)
{
    if (c->spec.holds == holds) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY, "%s: the cache holds %s, `cache.holds` is %s; set it, or use another run.dir",
                    c->dir, trb_shard_kind_name(c->spec.holds), trb_shard_kind_name(holds));
}

static trb_status refuse_form(const trb_cache *c, const char *key, const char *was, const char *is)
{
    return trb_fail(TRB_EINTEGRITY,
                    "%s: `%s` was %s when the cache was written and is %s now; set it back, use another run.dir, or "
                    "remove the folder to write the cache anew",
                    c->dir, key, was, is);
}

trb_status trb_cache_expect_form(const trb_cache *c, const trb_cache_spec *spec)
{
    char was[24], is[24];
    TRB_TRY(trb_cache_expect_holds(c, spec->holds));
    if (c->spec.top != spec->top) {
        (void)snprintf(was, sizeof was, "%zu", c->spec.top);
        (void)snprintf(is, sizeof is, "%zu", spec->top);
        return refuse_form(c, "cache.top", was, is);
    }
    if (c->spec.dtype != spec->dtype)
        return refuse_form(c, "cache.dtype", trb_dtype_name(c->spec.dtype), trb_dtype_name(spec->dtype));
    const size_t n = c->spec.N;
    const struct {
        const char *key;
        size_t was, is;
        bool same;
    } rows[] = {{"cache.block", c->spec.block, spec->block, c->spec.block == spec->block},
                {"cache.shard_rows", c->spec.shard_rows, spec->shard_rows,
                 c->spec.shard_rows == spec->shard_rows || (c->spec.shard_rows >= n && spec->shard_rows >= n)}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].same) continue;
        (void)snprintf(was, sizeof was, "%zu", rows[i].was);
        (void)snprintf(is, sizeof is, "%zu", rows[i].is);
        return refuse_form(c, rows[i].key, was, is);
    }
    return TRB_OK;
}

trb_status trb_cache_expect_views(const trb_cache *c, size_t V, const trb_view *view)
{
    if (c->spec.V != V)
        return trb_fail(TRB_EINTEGRITY,
                        "%s: the cache holds %zu views, `cache.views` is %zu; set it, or write the cache anew", c->dir,
                        c->spec.V, V);
    for (size_t v = 0; v < V; v++)
        if (strcmp(c->view[v].recipe, view[v].recipe) != 0 || c->view[v].seed != view[v].seed)
            return trb_fail(TRB_EINTEGRITY,
                            "%s: view %zu of the cache is of [%s], seed %" PRIu64
                            ", `cache.view_recipes` and `cache.view_seed` ask for [%s], seed %" PRIu64
                            "; set them, or use another run.dir",
                            c->dir, v, c->view[v].recipe, c->view[v].seed, view[v].recipe, view[v].seed);
    for (size_t v = 0; v < V; v++)
        if (c->view[v].stored != view[v].stored)
            return trb_fail(TRB_EINTEGRITY, "%s: view %zu of the cache, [%s], %s, expected %s", c->dir, v,
                            c->view[v].recipe, c->view[v].stored ? "has stored inputs" : "has no stored inputs",
                            view[v].stored ? "some" : "none");
    return TRB_OK;
}
