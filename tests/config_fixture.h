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

#include "tribikos/identity.h"
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

/* A text that stays good until four more are made. */
static inline const char *one_of_four(char *text)
{
    static char four[4][4096];
    static size_t calls;
    char *copy = four[calls++ % 4];
    if (strlen(text) >= sizeof *four) fail_msg("%zu characters", strlen(text));
    (void)strcpy(copy, text);
    trb_free(text);
    return copy;
}

/* The configuration's part of an identity. */
static inline const char *of_member(const trb_config *c, size_t m)
{
    char *text = NULL;
    if (trb_identity_member(c, m, NULL, &text) != TRB_OK) fail_msg("%s", trb_fail_message());
    return one_of_four(text);
}

static inline const char *of_student(const trb_config *c, size_t s)
{
    char *text = NULL;
    if (trb_identity_student(c, s, NULL, NULL, &text) != TRB_OK) fail_msg("%s", trb_fail_message());
    return one_of_four(text);
}

static inline int nothing_held(void **state)
{
    (void)state;
    return trb_mem_bytes(TRB_MEM_KINDS) == 0 ? 0 : 1;
}

#endif
