/* Files of one array: IDX, the format of the MNIST family, and NPY, NumPy's. Both have a header with type and sizes,
 * then the values. */
#include <inttypes.h>
#include <string.h>

#include "array.h"
#include "tribikos/memory.h"

enum { BYTES_A_CALL = 1 << 22 };

static size_t row_bytes(const trb__array *a)
{
    size_t bytes = trb_dtype_bytes(a->type);
    for (size_t d = 1; d < a->ndim; d++) bytes *= a->dim[d]; /* measure() has seen that this fits */
    return bytes;
}

static void swap_bytes(size_t n, size_t size, uint8_t *at)
{
    for (size_t i = 0; i < n; i++, at += size)
        for (size_t j = 0; j < size / 2; j++) {
            const uint8_t byte = at[j];
            at[j] = at[size - 1 - j];
            at[size - 1 - j] = byte;
        }
}

/* Copy rows of an array whose first index is the fastest, so that the last index is. */
static void gather(const trb__array *a, size_t size, size_t first, size_t n, const uint8_t *from, uint8_t *to)
{
    const size_t columns = row_bytes(a) / size;
    for (size_t i = first; i < first + n; i++) {
        for (size_t j = 0; j < columns; j++, to += size) {
            size_t rest = j, at = 0;
            /* at = i + dim[0] * (i1 + dim[1] * (i2 + ...)), where the i of j are found from the last to the first. */
            for (size_t d = a->ndim; d-- > 1; rest /= a->dim[d]) at = (at + rest % a->dim[d]) * a->dim[d - 1];
            memcpy(to, from + (at + i) * size, size);
        }
    }
}

static trb_status read_rows(const trb__array *a, size_t first, size_t n, trb__bytes *rows)
{
    trb__stored *s = a->of;
    const size_t size = trb_dtype_bytes(a->type), bytes = n * row_bytes(a), before = rows->n;
    if (s->fortran) {
        if (s->whole.n == 0) TRB_TRY(trb__source_append(&s->source, a->dim[0] * row_bytes(a), &s->whole));
        TRB_TRY(trb__bytes_room(rows, bytes));
        gather(a, size, first, n, s->whole.at, rows->at + before);
        rows->n += bytes;
    } else {
        TRB_TRY(trb__source_append(&s->source, bytes, rows));
    }
    if (s->big && size > 1) swap_bytes(bytes / size, size, rows->at + before);
    return TRB_OK;
}

static trb_status skip_rows(const trb__array *a, size_t n)
{
    trb__stored *s = a->of;
    const size_t bytes = n * row_bytes(a);
    size_t got = 0;
    if (s->fortran) return TRB_OK;
    TRB_TRY(trb__source_skip(&s->source, bytes, &got));
    if (got == bytes) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: truncated: expected %zu more bytes, got %zu", s->source.path, bytes, got);
}

static trb_status expect_end(const trb__array *a)
{
    trb__stored *s = a->of;
    /* If this rank has skipped all rows, it has not looked at the values. */
    if (s->fortran && s->whole.n == 0) return TRB_OK;
    return trb__source_expect_end(&s->source);
}

/* What follows from type and sizes: how many bytes the header promises. */
static trb_status measure(trb__stored *s, trb__array *a)
{
    size_t bytes = trb_dtype_bytes(a->type);
    for (size_t d = 0; d < a->ndim; d++) {
        if (a->dim[d] == 0) return trb_fail(TRB_EINPUT, "%s: dimension %zu is 0", s->source.path, d);
        if (__builtin_mul_overflow(bytes, a->dim[d], &bytes))
            return trb_fail(TRB_EINPUT, "%s: its header promises more values than an address can hold", s->source.path);
    }
    TRB_TRY(trb__source_promise(&s->source, bytes));
    const size_t rows = BYTES_A_CALL / row_bytes(a);
    a->path = s->source.path;
    a->rows = rows > 0 ? rows : 1;
    a->sure = !s->source.packed;
    a->read = read_rows;
    a->skip = skip_rows;
    a->end = expect_end;
    a->of = s;
    return TRB_OK;
}

/* IDX: the bytes 00 00, a type, the number of dimensions, each dimension as a big-endian 32-bit number. */
trb_status trb__stored_idx(trb__stored *s, trb__array *a)
{
    static const struct {
        uint8_t code;
        trb_dtype type;
    } types[] = {{8, TRB_U8}, {9, TRB_I8}, {11, TRB_I16}, {12, TRB_I32}, {13, TRB_F32}, {14, TRB_F64}};
    uint8_t h[4];
    size_t t = 0;
    *a = (trb__array){0};
    TRB_TRY(trb__source_read(&s->source, sizeof h, h));
    while (t < sizeof types / sizeof *types && types[t].code != h[2]) t++;
    if (h[0] != 0 || h[1] != 0 || t == sizeof types / sizeof *types || h[3] == 0 || h[3] > TRB__ARRAY_DIMS)
        return trb__source_unlike(&s->source, "an IDX file (00 00 08 03: images of bytes; 00 00 08 01: labels)");
    s->big = true;
    a->type = types[t].type;
    a->ndim = h[3];
    for (size_t d = 0; d < a->ndim; d++) {
        TRB_TRY(trb__source_read(&s->source, sizeof h, h));
        a->dim[d] = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
    }
    return measure(s, a);
}

/* NPY: the bytes 93 NUMPY, a version, the length of the header, and the header, which is a dictionary of Python:
 * {'descr': '<f4', 'fortran_order': False, 'shape': (100, 3), } */

/* The value of a key: the text after "'KEY': ". NULL if there is none. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (at == NULL) return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    if (*at++ != ':') return NULL;
    return at + strspn(at, " ");
}

/* \return NULL, or why the type cannot be read */
static const char *read_type(const char *text, trb_dtype *type, bool *big)
{
    static const struct {
        const char *code;
        trb_dtype type;
    } types[] = {{"u1", TRB_U8},  {"i1", TRB_I8},  {"b1", TRB_BOOL}, {"u2", TRB_U16}, {"i2", TRB_I16}, {"u4", TRB_U32},
                 {"i4", TRB_I32}, {"u8", TRB_U64}, {"i8", TRB_I64},  {"f2", TRB_F16}, {"f4", TRB_F32}, {"f8", TRB_F64}};
    if (*text == '[') return "it holds records of several types; save one array of numbers each";
    if (*text++ != '\'') return "its header has no type";
    if (strncmp(text, "|O", 2) == 0)
        return "it holds Python objects (a pickle), which may run programs and are not read; save numbers, e.g. "
               "numpy.save(file, a.astype(\"float32\"))";
    *big = *text == '>';
    if (*text == '\0' || strchr("<>|=", *text) == NULL) return "its header has no byte order";
    text++;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strncmp(text, types[i].code, 2) == 0 && text[2] == '\'') {
            *type = types[i].type;
            return NULL;
        }
    return "it holds neither whole numbers nor floats of 16, 32 or 64 bits; save it as one of these";
}

/* \return NULL, or why the sizes cannot be read */
static const char *read_shape(const char *at, trb__array *a)
{
    if (*at++ != '(') return "its header has no shape";
    while (*at != ')') {
        size_t v = 0;
        if (*at < '0' || *at > '9') return "its header has a shape that is none";
        for (; *at >= '0' && *at <= '9'; at++)
            if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (size_t)(*at - '0'), &v))
                return "its header promises more values than an address can hold";
        if (a->ndim == TRB__ARRAY_DIMS) return "it has more than 5 dimensions";
        a->dim[a->ndim++] = v;
        at += *at == ',';
        at += strspn(at, " ");
    }
    return a->ndim > 0 ? NULL : "it holds a single number";
}

static const char *read_header(const char *header, trb__stored *s, trb__array *a)
{
    const char *type = value_of(header, "'descr'"), *order = value_of(header, "'fortran_order'");
    const char *shape = value_of(header, "'shape'");
    if (type == NULL || order == NULL || shape == NULL) return "its header lacks `descr`, `fortran_order` or `shape`";
    const char *why = read_type(type, &a->type, &s->big);
    if (why == NULL) why = read_shape(shape, a);
    s->fortran = strncmp(order, "True", 4) == 0 && a->ndim > 1;
    return why;
}

trb_status trb__stored_npy(trb__stored *s, trb__array *a)
{
    enum { LONGEST = 4096 }; /* NumPy's headers have some 120 bytes */
    uint8_t h[12];
    char text[LONGEST + 1] = "";
    *a = (trb__array){0};
    size_t n = 0;
    const uint8_t *head = trb__source_head(&s->source, &n);
    if (n < 12 || memcmp(head, "\x93NUMPY", 6) != 0) return trb__source_unlike(&s->source, "a NumPy array (.npy)");
    TRB_TRY(trb__source_read(&s->source, 8, h));
    const size_t width = h[6] == 1 ? 2 : 4;
    if (h[6] < 1 || h[6] > 3)
        return trb_fail(TRB_EINPUT, "%s: NumPy array of version %d, expected 1 to 3", s->source.path, h[6]);
    TRB_TRY(trb__source_read(&s->source, width, h + 8));
    n = (size_t)h[8] | (size_t)h[9] << 8;
    if (width == 4) n |= (size_t)h[10] << 16 | (size_t)h[11] << 24;
    if (n > LONGEST)
        return trb_fail(TRB_EINPUT, "%s: its header has %zu bytes, expected at most %d", s->source.path, n, LONGEST);
    TRB_TRY(trb__source_read(&s->source, n, text));
    text[n] = '\0';
    const char *why = read_header(text, s, a);
    if (why != NULL) return trb_fail(TRB_EINPUT, "%s: %s", s->source.path, why);
    return measure(s, a);
}

trb_status trb__stored_open(const trb_data_files *f, const char *path, trb__stored *s, trb__array *a)
{
    *s = (trb__stored){.big = false};
    TRB_TRY(trb__source_open(path, &s->source));
    const trb_status st = f->format == TRB_FORMAT_IDX ? trb__stored_idx(s, a) : trb__stored_npy(s, a);
    if (st != TRB_OK) trb__stored_close(s);
    return st;
}

void trb__stored_close(trb__stored *s)
{
    trb__source_close(&s->source);
    trb_free(s->whole.at);
    s->whole = (trb__bytes){NULL, 0, 0};
}
