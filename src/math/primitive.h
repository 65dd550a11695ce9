/** What the files that call oneDNN share: the engine, layouts in the library's form, and primitives, which are made
 * once and run often. */
#ifndef TRB_MATH_PRIMITIVE_H
#define TRB_MATH_PRIMITIVE_H

#include <stdint.h>

#include "onednn.h"
#include "tribikos/blas.h"
#include "tribikos/conv.h"

/** The library's status as a trb_status; `what` names the operation in the message. */
trb_status trb__dnnl(dnnl_status_t st, const char *what);

/** The library's engine for the processor, made at the first call. */
trb_status trb__engine(dnnl_engine_t *engine);

/** As `block` of a layout: the library shall choose the layout. */
enum { TRB__ANY_ORDER = -1 };

/** The tensor that describes images of this layout. */
trb__tensor trb__images(const trb_layout *l);
/** Find the layout that the library has chosen for this argument of a primitive. `l` has everything except `block`,
 * which is set. \return false if no trb_layout describes that layout; `l` is then unchanged */
bool trb__layout_find(const_dnnl_primitive_desc_t pd, int arg, trb_layout *l);

/** Drops const, because the library takes pointers without const even where it only reads. */
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
 * \return TRB_OK or a failure; after a failure the primitive must be cleared too */
trb_status trb__primitive_make(const_dnnl_primitive_desc_t pd, int n, const int *arg, trb__primitive *p);
void trb__primitive_clear(trb__primitive *p);
/** Run it, with data[k] as the k-th argument. */
trb_status trb__primitive_run(trb__primitive *p, void *const *data);

/** Bytes of one of the arguments of a primitive description. */
size_t trb__bytes_of(const_dnnl_primitive_desc_t pd, int arg);
/** Make a conversion between two layouts of one shape, given as descriptors. */
trb_status trb__reorder_make(trb__md from, trb__md to, trb_reorder **out);

#endif
