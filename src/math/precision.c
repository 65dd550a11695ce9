/* The precision of products: a setting of the process, and a check that the processor has bfloat16. */
#include "tribikos/precision.h"

#include <stdbool.h>

#include <dnnl.h>

#include "gemm_bf16.h"

static trb_precision precision;

trb_status trb_precision_set(trb_precision p)
{
    bool able = p == TRB_PRECISION_F32;
#if defined(__x86_64__)
    const unsigned wanted = dnnl_cpu_isa_avx512_core_bf16, has = (unsigned)dnnl_get_effective_cpu_isa();
    able = able || (has & wanted) == wanted;
#endif
    if (!able)
        return trb_fail(TRB_ECONFIG,
                        "math.precision: this processor has no bfloat16 products (avx512_bf16), or ONEDNN_MAX_CPU_ISA "
                        "hides them; use f32");
    if (p != precision) trb__gemm_bf16_release();
    precision = p;
    return TRB_OK;
}

trb_precision trb_precision_get(void)
{
    return precision;
}
