/** Fail every passage of a fault point in its turn; where brief(), of those behind the tenth every fifth. */
#ifndef TRB_TEST_FAULT_WALK_H
#define TRB_TEST_FAULT_WALK_H

#include "asserts.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tribikos/fault.h"
#include "tribikos/memory.h"

/** A child a passage, since TRB_FAULT is looked at once a process: `act` must fail with TRB_ENOMEM at alloc, with
 * TRB_EIO elsewhere, and hold no memory then, until a passage is beyond the last and it succeeds. \param[in] act
 * makes, uses and releases \return passages */
static inline int fault_walk(const char *point, trb_status (*act)(void *ctx), void *ctx)
{
    enum { TRIES = 10000, DONE = 0, FAILED = 1, UNCLEAN = 2 };
    for (int nth = 1; nth < TRIES; nth += brief() && nth >= 10 ? 5 : 1) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            char fault[40];
            (void)snprintf(fault, sizeof fault, "%s:%d", point, nth);
            (void)setenv("TRB_FAULT", fault, 1);
            const trb_status st = act(ctx), wanted = strcmp(point, "alloc") == 0 ? TRB_ENOMEM : TRB_EIO;
            const bool clean = trb_mem_bytes(TRB_MEM_KINDS) == 0 && (st == TRB_OK || st == wanted);
            _exit(!clean ? UNCLEAN : st == TRB_OK ? DONE : FAILED);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == DONE) return nth - 1;
        assert_int_equal(WEXITSTATUS(status), FAILED);
    }
    fail_msg("%s: fails for ever", point);
    return 0;
}

#endif
