/** What the files that call oneDNN share: the engine, layouts as the library knows them, and primitives that are made
 * once and run often. */
#ifndef TRB_MATH_PRIMITIVE_H
#define TRB_MATH_PRIMITIVE_H

#include <stdint.h>

#include <dnnl.h>

#include "tribikos/blas.h"
#include "tribikos/conv.h"

/** The library's word as a status; `what` names the operation. */
trb_status trb__dnnl(dnnl_status_t st, const char *what);

/** The processor's engine, made at the first call. */
trb_status trb__engine(dnnl_engine_t *engine);

static inline dnnl_memory_desc_t *trb__md(trb_layout *l)
{
    return (dnnl_memory_desc_t *)(void *)l->opaque;
}
static inline const dnnl_memory_desc_t *trb__md_of(const trb_layout *l)
{
    return (const dnnl_memory_desc_t *)(const void *)l->opaque;
}

/** The type that convolutions of the present precision take. */
dnnl_data_type_t trb__image_type(void);

/** The library reads through pointers that are not const. */
static inline void *trb__unconst(const void *p)
{
    return (void *)(uintptr_t)p;
}

enum { TRB__ARGS = 10 };
typedef struct {
    dnnl_primitive_t primitive;
    int n;
    dnnl_exec_arg_t arg[TRB__ARGS];
} trb__primitive;

/** Make a primitive from its description, with these n arguments (DNNL_ARG_...).
 * \return TRB_OK or a failure; the primitive may then be half made and is to be cleared */
trb_status trb__primitive_make(const_dnnl_primitive_desc_t pd, int n, const int *arg, trb__primitive *p);
void trb__primitive_clear(trb__primitive *p);
/** Run it on data[k] for the k-th argument. */
trb_status trb__primitive_run(trb__primitive *p, void *const *data);

/** The layout of one of the arguments of a primitive description. */
trb_layout trb__layout_of(const_dnnl_primitive_desc_t pd, int arg);

#endif
