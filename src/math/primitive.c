/* oneDNN's engine and stream, and primitives with their arguments (primitive.h). */
#include "primitive.h"

#include <stdatomic.h>
#include <string.h>

#include "tribikos/log.h"

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

/* Says once if a layer is left to reference code: the library takes it without a word. Its names are FAMILY:KIND. */
static void warn_of_reference(const_dnnl_primitive_desc_t pd)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    dnnl_primitive_kind_t kind = dnnl_reorder;
    const char *name = "";
    if (dnnl_primitive_desc_query(pd, dnnl_query_primitive_kind, 0, &kind) != dnnl_success || kind == dnnl_reorder ||
        dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) != dnnl_success)
        return;
    const char *second = strchr(name, ':');
    if (strncmp(name, "ref", 3) != 0 && (second == NULL || strncmp(second + 1, "ref", 3) != 0)) return;
    if (atomic_flag_test_and_set(&said)) return;
    trb_warn("oneDNN has only reference code (%s) for some layers on this processor, which can be many times slower; a "
             "oneDNN that was built for the processor (on Arm, with its Compute Library) has faster code",
             name);
}

trb_status trb__primitive_make(const_dnnl_primitive_desc_t pd, int n, const int *arg, trb__primitive *p)
{
    TRB_TRY(trb__dnnl(dnnl_primitive_create(&p->primitive, pd), "a primitive"));
    warn_of_reference(pd);
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
