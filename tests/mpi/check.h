/** Checks for tests on several ranks. A failed check ends all ranks at once: the others would wait for this one for
 * ever. */
#ifndef TRB_TESTS_MPI_CHECK_H
#define TRB_TESTS_MPI_CHECK_H

#include <mpi.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/comm.h"
#include "tribikos/memory.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            int check_rank_ = -1;                                                                                      \
            MPI_Comm_rank(MPI_COMM_WORLD, &check_rank_);                                                               \
            fprintf(stderr, "%s:%d: rank %d: failed: %s [%s]\n", __FILE__, __LINE__, check_rank_, #condition,          \
                    trb_fail_message());                                                                               \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                                              \
        }                                                                                                              \
    } while (0)

typedef void (*mpi_test)(trb_comm *world);

/** Run the tests in order; each leaves no memory behind. */
static inline int run_tests(int argc, char **argv, int n, const mpi_test *tests)
{
    trb_comm *world = NULL;
    CHECK(trb_comm_start(&argc, &argv, &world) == TRB_OK);
    const size_t before = trb_mem_bytes(TRB_MEM_KINDS);
    for (int i = 0; i < n; i++) {
        trb_fail_clear();
        tests[i](world);
        CHECK(trb_mem_bytes(TRB_MEM_KINDS) == before);
        CHECK(trb_comm_barrier(world) == TRB_OK);
    }
    if (trb_comm_rank(world) == 0) printf("%d passed, 0 failed\n", n);
    trb_comm_stop(world);
    return 0;
}

#endif
