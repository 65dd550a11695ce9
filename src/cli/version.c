/* `tribikos version`: what the program is made of. Weights files and reports carry the same text. */
#include <stdio.h>

#include "commands.h"
#include "commit.h"
#include "tribikos/blas.h"
#include "tribikos/h5.h"
#include "tribikos/hash.h"
#include "tribikos/processor.h"
#include "tribikos/version.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

void trb__version_compose(void)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "tribikos " TRB_VERSION ", commit " TRB_COMMIT "\n"
                   "built by " COMPILER " for %s\n"
                   "kernels: %s\n"
                   "MPI: %s\n"
                   "libraries: %s, %s, %s, %s",
                   trb_processor_built_for(), trb_blas_libraries(), trb_comm_library(), trb_h5_library(),
                   trb_config_library(), trb_data_library(), trb_hash_library());
    trb_version_set(text);
}

/* Print the text even if OpenBLAS cannot be loaded: a report of that fault needs the versions. */
trb_status trb__command_version(const trb__arguments *a)
{
    if (a->n_operands != 0 || a->n_flags != 0)
        return trb_fail(TRB_ECONFIG, "`tribikos version` takes neither operands nor flags");
    const trb_status st = trb_blas_open(1);
    trb__version_compose();
    (void)puts(trb_version());
    trb_blas_close();
    return st;
}
