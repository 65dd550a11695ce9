/* Which format a file has, told by its first bytes (data.h). */
#include <string.h>

#include "internal.h"

static bool begins(const uint8_t *at, size_t n, const char *magic, size_t length)
{
    return n >= length && memcmp(at, magic, length) == 0;
}

trb_status trb_data_guess(const char *path, trb_format *format)
{
    enum { CIFAR10_RECORD = 3073, CIFAR100_RECORD = 3074 };
    trb__source s = {0};
    size_t n = 0;
    trb_status st = TRB_OK;
    TRB_TRY(trb__source_open(path, &s));
    const uint8_t *at = trb__source_head(&s, &n);
    const bool idx = n >= 4 && at[0] == 0 && at[1] == 0 && at[2] >= 8 && at[2] <= 14 && at[3] >= 1 && at[3] <= 4;
    if (begins(at, n, "\x89HDF\r\n\x1a\n", 8))
        *format = TRB_FORMAT_HDF5;
    else if (begins(at, n, "\x93NUMPY", 6) || begins(at, n, "PK\3\4", 4))
        *format = TRB_FORMAT_NPY;
    else if (idx)
        *format = TRB_FORMAT_IDX;
    else if (memchr(at, '\0', n) != NULL && !s.packed && s.file_bytes % CIFAR10_RECORD == 0)
        *format = TRB_FORMAT_CIFAR10;
    else if (memchr(at, '\0', n) != NULL && !s.packed && s.file_bytes % CIFAR100_RECORD == 0)
        *format = TRB_FORMAT_CIFAR100;
    else {
        *format = TRB_FORMAT_TABLE;
        st = trb__expect_table(path, at, n);
    }
    trb__source_close(&s);
    return st;
}
