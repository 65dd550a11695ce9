/* For the tests of the data readers: files of given bytes, and the real data sets. */
#ifndef TRB_DATA_FIXTURE_H
#define TRB_DATA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "tribikos/data.h"
#include "tribikos/memory.h"

static inline void fixture_path(const char *folder, const char *name, char path[160])
{
    (void)snprintf(path, 160, "%s/%s", folder, name);
}

/* Write a file, plain ("wb") or packed. */
static inline void fixture_write(const char *folder, const char *name, bool packed, size_t n, const void *bytes)
{
    char path[160];
    fixture_path(folder, name, path);
    if (packed) {
        gzFile f = gzopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(gzwrite(f, bytes, (unsigned)n), (int)n);
        assert_int_equal(gzclose(f), Z_OK);
    } else {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
    }
}

static inline size_t fixture_put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
    return 4;
}

/* The folder with NAME in it, in $TRIBIKOS_DATA or beside the sources; false, loudly, if there is none. */
static inline bool fixture_real(const char *name, char folder[256])
{
    const char *roots[2] = {getenv("TRIBIKOS_DATA"), getenv("TRB_SOURCE")};
    static const char *const below[2] = {"", "/../shared/data"};
    for (int i = 0; i < 2; i++) {
        char path[512];
        if (roots[i] == NULL) continue;
        (void)snprintf(folder, 256, "%s%s", roots[i], below[i]);
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
        if (access(path, R_OK) == 0) return true;
    }
    (void)fprintf(stderr, "SKIPPED: no %s in $TRIBIKOS_DATA or ../shared/data\n", name);
    return false;
}

static inline trb_status fixture_load(trb_task task, trb_format format, const char *root, size_t n, char *const *files,
                                      trb_data *d)
{
    return trb_data_load(&(trb_data_files){.task = task, .format = format, .root = root, .n_files = n, .files = files},
                         d);
}

/* Load a set, and release it: for fault_walk(). \param[in] files  a trb_data_files */
static inline trb_status fixture_load_once(void *files)
{
    trb_data d;
    TRB_TRY(trb_data_load(files, &d));
    trb_data_clear(&d);
    return TRB_OK;
}

/* The load must fail with this status and a line that holds `fragment`, leave `out` alone and keep no memory. */
static inline void fixture_expect_failure(trb_task task, trb_format format, const char *root, size_t n,
                                          char *const *files, trb_status status, const char *fragment)
{
    trb_data d, before;
    memset(&d, 0x5a, sizeof d);
    memcpy(&before, &d, sizeof d);
    trb_fail_clear();
    assert_int_equal(fixture_load(task, format, root, n, files, &d), status);
    if (strstr(trb_fail_message(), fragment) == NULL) fail_msg("expected `%s` in `%s`", fragment, trb_fail_message());
    assert_memory_equal(&d, &before, sizeof d);
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
    trb_fail_clear();
}

#endif
