/* For the tests of the configuration: the smallest file that is complete, and parsing that must work. */
#ifndef TRB_CONFIG_FIXTURE_H
#define TRB_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tribikos/config.h"
#include "tribikos/memory.h"

/* Seven lines: what a test appends begins in line 8. */
#define SMALL                                                                                                          \
    "run:\n"                                                                                                           \
    "  dir: runs/t\n"                                                                                                  \
    "data:\n"                                                                                                          \
    "  train: [x, y]\n"                                                                                                \
    "  test: [u, v]\n"                                                                                                 \
    "train.layers: [dense 20, relu, dense 10]\n"                                                                       \
    "student.split: 2\n"

static inline trb_config *parse(const char *text, size_t n_flags, const char *const *flags)
{
    trb_config *c = NULL;
    trb_fail_clear();
    if (trb_config_parse("t.yaml", text, n_flags, (char *const *)flags, &c) != TRB_OK)
        fail_msg("%s", trb_fail_message());
    return c;
}

static inline int nothing_held(void **state)
{
    (void)state;
    return trb_mem_bytes(TRB_MEM_KINDS) == 0 ? 0 : 1;
}

#endif
