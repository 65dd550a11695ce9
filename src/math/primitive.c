/* oneDNN's engine and stream, and primitives with their arguments (primitive.h). */
#include "primitive.h"

static dnnl_engine_t engine;
static dnnl_stream_t stream;

trb_status trb__dnnl(dnnl_status_t st, const char *what)
{
    if (st == dnnl_success) return TRB_OK;
    if (st == dnnl_out_of_memory) return trb_fail(TRB_ENOMEM, "memory for %s: refused by the system", what);
    return trb_fail(TRB_EINTERNAL, "oneDNN refuses %s: status %d", what, (int)st);
}

trb_status trb__engine(dnnl_engine_t *out)
{
    if (stream == NULL) {
        if (engine == NULL) TRB_TRY(trb__dnnl(dnnl_engine_create(&engine, dnnl_cpu, 0), "an engine"));
        TRB_TRY(trb__dnnl(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "a stream"));
    }
    *out = engine;
    return TRB_OK;
}

size_t trb__bytes_of(const_dnnl_primitive_desc_t pd, int arg)
{
    return dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg));
}

trb_status trb__primitive_make(const_dnnl_primitive_desc_t pd, int n, const int *arg, trb__primitive *p)
{
    TRB_TRY(trb__dnnl(dnnl_primitive_create(&p->primitive, pd), "a primitive"));
    for (int i = 0; i < n; i++) {
        p->arg[i].arg = arg[i];
        TRB_TRY(trb__dnnl(dnnl_memory_create(&p->arg[i].memory,
                                             dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg[i]), engine,
                                             NULL),
                          "an argument"));
        p->n++;
    }
    return TRB_OK;
}

void trb__primitive_clear(trb__primitive *p)
{
    for (int i = 0; i < p->n; i++) (void)dnnl_memory_destroy(p->arg[i].memory);
    if (p->primitive != NULL) (void)dnnl_primitive_destroy(p->primitive);
    *p = (trb__primitive){0};
}

trb_status trb__primitive_run(trb__primitive *p, void *const *data)
{
    for (int i = 0; i < p->n; i++)
        TRB_TRY(trb__dnnl(dnnl_memory_set_data_handle(p->arg[i].memory, data[i]), "an address"));
    TRB_TRY(trb__dnnl(dnnl_primitive_execute(p->primitive, stream, p->n, p->arg), "to run"));
    return trb__dnnl(dnnl_stream_wait(stream), "to finish");
}
