/** The processor that the program was built for, compared with the one that runs it.
 *
 * The CMake variable TRB_ARCH says which processor the compiler may use instructions of. `native` is the machine that
 * compiles, often a login node. `portable` is every processor of its kind. Any other value is a name that the compiler
 * knows (x86-64-v3, znver4, neoverse-v1). On a processor that lacks some of these instructions the program would end
 * with an illegal instruction; trb_processor_check() prints an error instead. Code that runs up to this check is
 * compiled as if TRB_ARCH were `portable`: src/base, src/comm and src/cli/main.c (tools/cmake/processor.cmake).
 */
#ifndef TRB_PROCESSOR_H
#define TRB_PROCESSOR_H

#include "tribikos/status.h"

/** Check that this processor has what the program was built for, and that the system lets programs use it. Local.
 * \return TRB_OK; TRB_ECONFIG with the host, what is lacking, and the TRB_ARCH that suits this processor */
trb_status trb_processor_check(void);

/** What the program was built for: TRB_ARCH, and in parentheses the level of the x86-64 psABI that it stands for, e.g.
 * "portable" or "native (x86-64-v4)". Local; borrowed. */
const char *trb_processor_built_for(void);

#endif
