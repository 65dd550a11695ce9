/** The processor: what the program was built for, and what this one has.
 *
 * TRB_ARCH says at configuration for which processor the compiler may make instructions: `native` is the machine that
 * compiles, often a login node; `portable` every one of its kind; any other value is a name that the compiler knows
 * (x86-64-v3, znver4, neoverse-v1). A program that is started on a processor which lacks some of them would end with an
 * illegal instruction. trb_processor_check() says it in a line instead. What runs before and in this check is compiled
 * as if TRB_ARCH were `portable`: src/base, src/comm and src/cli/main.c (tools/cmake/processor.cmake).
 */
#ifndef TRB_PROCESSOR_H
#define TRB_PROCESSOR_H

#include "tribikos/status.h"

/** Compare what the program was built for with what this processor has, and the system lets programs use. Local.
 * \return TRB_OK; TRB_ECONFIG with the host, what is lacking, and the TRB_ARCH that suits this processor */
trb_status trb_processor_check(void);

/** What the program was built for, e.g. "portable" or "native (x86-64-v4)": TRB_ARCH, and the level of the x86-64
 * psABI that its instructions reach. Local; borrowed. */
const char *trb_processor_built_for(void);

#endif
