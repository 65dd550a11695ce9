/** What the files that call oneDNN share: the engine, layouts as the library knows them, and primitives that are made
 * once and run often. */
#ifndef TRB_MATH_PRIMITIVE_H
#define TRB_MATH_PRIMITIVE_H

#include <stdint.h>

#include "onednn.h"
#include "tribikos/blas.h"
#include "tribikos/conv.h"

/** The library's word as a status; `what` names the operation. */
trb_status trb__dnnl(dnnl_status_t st, const char *what);

/** The processor's engine, made at the first call. */
trb_status trb__engine(dnnl_engine_t *engine);

/** In a layout's place of `block`: the library is to choose. */
enum { TRB__ANY_ORDER = -1 };

/** Images as a tensor of the library. */
trb__tensor trb__images(const trb_layout *l);
/** How the library wants the images of this argument of a primitive to lie; `l` says all but that, which it gets.
 * \return false if they lie in no way that a trb_layout knows; `l` is then as it was */
bool trb__layout_find(const_dnnl_primitive_desc_t pd, int arg, trb_layout *l);

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

/** Bytes of one of the arguments of a primitive description. */
size_t trb__bytes_of(const_dnnl_primitive_desc_t pd, int arg);
/** A conversion between descriptors of one shape. */
trb_status trb__reorder_make(trb__md from, trb__md to, trb_reorder **out);

#endif
