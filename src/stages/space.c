/* The bytes that a run writes, and the space on its disk (space.h). */
#include "space.h"

#include "tribikos/log.h"
#include "tribikos/memory.h"

double trb__unit_bytes(const trb_cache_spec *spec, trb_cache_unit u)
{
    static const double METADATA = 3100.0, CLASSES = 1700.0; /* of a shard, and of its data set of classes (measured) */
    const size_t row = trb_shard_row_bytes(spec, u.kind) + sizeof(int64_t); /* the values and the id */
    return (double)u.rows * (double)row + METADATA + (u.kind == TRB_SHARD_TOP ? CLASSES : 0.0);
}

static trb_status cache_bytes(const trb_config *c, const trb_data *data, size_t K, double *bytes)
{
    trb_cache_spec spec = trb__run_cache_spec(c, data);
    trb_view *view = NULL;
    TRB_TRY(trb__views(c, data, &view));
    spec.K = K;
    spec.view = view;
    for (size_t i = 0; i < trb_cache_units(&spec); i++) *bytes += trb__unit_bytes(&spec, trb_cache_unit_at(&spec, i));
    trb_free(view);
    return TRB_OK;
}

static double weights_of(trb_net *net)
{
    const double bytes = (double)trb_net_size(net) * sizeof(float);
    trb_net_destroy(net);
    return bytes;
}

static trb_status weights_bytes(const trb_config *c, const trb_data *data, double *bytes)
{
    trb_net *net = NULL;
    for (size_t m = 0; m < c->members.count; m++) {
        TRB_TRY(trb__member_net(c, m, data, &net));
        *bytes += weights_of(net);
    }
    for (size_t i = 0; i < c->n_students; i++) {
        TRB_TRY(trb__student_net(c, i, data, trb_method_heads(c->student[i].method, 2, c->members.count), &net));
        *bytes += weights_of(net);
    }
    return TRB_OK;
}

trb_status trb__space_check(const trb_config *c, const trb__dataset *s, size_t K)
{
    static const double GB = 1e-9;
    double cache = 0.0, weights = 0.0, room = 0.0, there = 0.0;
    TRB_TRY(cache_bytes(c, &s->data, K, &cache));
    TRB_TRY(weights_bytes(c, &s->data, &weights));
    if (!trb_folder_space(c->run.dir, &room) || cache + weights <= room) return TRB_OK;
    trb_folder_bytes(c->run.dir, &there); /* only now, because it asks for each file */
    if (cache + weights <= room + there) return TRB_OK;
    if (c->cache.deflate > 0) {
        trb_warn("run.dir: %s has room for %.4g GB; before packing, the cache takes %.4g GB and the weights %.4g GB",
                 c->run.dir, (room + there) * GB, cache * GB, weights * GB);
        return TRB_OK;
    }
    return trb_fail(TRB_ECONFIG,
                    "run.dir: %s has room for %.4g GB, but the cache will take %.4g GB and the weights %.4g GB; make "
                    "room, choose another disk, or a smaller cache (cache.dtype: float16, fewer cache.views, "
                    "cache.holds: statistics or top, cache.deflate)",
                    c->run.dir, (room + there) * GB, cache * GB, weights * GB);
}
