/* The programs that pack files, told by the first bytes of a file, and how each unpacks step by step. A library that
 * was not there when this program was built has its row all the same, so that the message names it. */
#include "unpack.h"

#include <stdio.h>
#include <string.h>

#include <zlib.h>
#ifdef TRB_WITH_LIBLZMA
#include <lzma.h>
#endif
#ifdef TRB_WITH_LIBZSTD
#include <zstd.h>
#endif

#include "tribikos/memory.h"

/* ---- zlib: gzip files, and the deflated entries of zip archives, which have no header of their own */

static trb_status zlib_open(int window, void **state)
{
    z_stream *z = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, 1, sizeof *z, &z));
    if (inflateInit2(z, window) != Z_OK) {
        trb_free(z);
        return trb_fail(TRB_ENOMEM, "no memory for zlib");
    }
    *state = z;
    return TRB_OK;
}

static trb_status gzip_open(void **state)
{
    return zlib_open(16 + MAX_WBITS, state); /* zlib then checks the header, and CRC and length at the end */
}

static trb_status deflate_open(void **state)
{
    return zlib_open(-MAX_WBITS, state);
}

static trb__unpacked zlib_step(void *state, trb__piece *p)
{
    enum { MOST = 1 << 30 };
    z_stream *z = state;
    z->next_in = (Bytef *)(uintptr_t)p->in;
    z->avail_in = (uInt)(p->n_in < MOST ? p->n_in : MOST);
    z->next_out = p->out;
    z->avail_out = (uInt)(p->n_out < MOST ? p->n_out : MOST);
    const int code = inflate(z, Z_NO_FLUSH);
    p->n_in -= (size_t)(z->next_in - p->in);
    p->in = z->next_in;
    p->n_out -= (size_t)(z->next_out - p->out);
    p->out = z->next_out;
    if (code == Z_STREAM_END) {
        (void)inflateReset(z);
        return TRB__ENDED;
    }
    if (code == Z_OK || code == Z_BUF_ERROR) return TRB__GOES_ON;
    p->why = z->msg != NULL ? z->msg : "zlib refuses it";
    return TRB__DAMAGED;
}

static void zlib_close(void *state)
{
    (void)inflateEnd(state);
    trb_free(state);
}

const trb__codec trb__deflate = {.name = "deflate", .open = deflate_open, .step = zlib_step, .close = zlib_close};

/* ---- xz */
#ifdef TRB_WITH_LIBLZMA

/* `xz -9` asks for 65 MiB. A file that asks for more than this is refused instead of exhausting the memory. */
enum { LZMA_MOST = 100 << 20 };

static trb_status xz_open(void **state)
{
    static const lzma_stream fresh = LZMA_STREAM_INIT;
    lzma_stream *z = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, 1, sizeof *z, &z));
    *z = fresh;
    if (lzma_stream_decoder(z, LZMA_MOST, 0) != LZMA_OK) {
        trb_free(z);
        return trb_fail(TRB_ENOMEM, "no memory for liblzma");
    }
    *state = z;
    return TRB_OK;
}

static trb__unpacked xz_step(void *state, trb__piece *p)
{
    lzma_stream *z = state;
    z->next_in = p->in;
    z->avail_in = p->n_in;
    z->next_out = p->out;
    z->avail_out = p->n_out;
    const lzma_ret code = lzma_code(z, LZMA_RUN);
    p->in = z->next_in;
    p->n_in = z->avail_in;
    p->out = z->next_out;
    p->n_out = z->avail_out;
    if (code == LZMA_STREAM_END && lzma_stream_decoder(z, LZMA_MOST, 0) == LZMA_OK) return TRB__ENDED;
    if (code == LZMA_OK || code == LZMA_BUF_ERROR) return TRB__GOES_ON;
    p->why = code == LZMA_MEMLIMIT_ERROR ? "unpacking it takes more than 100 MiB of memory; pack it anew with `xz -6`"
             : code == LZMA_FORMAT_ERROR ? "what follows is no xz stream"
             : code == LZMA_MEM_ERROR    ? "liblzma has no memory"
                                         : "a check fails";
    return TRB__DAMAGED;
}

static void xz_close(void *state)
{
    lzma_end(state);
    trb_free(state);
}
#endif

/* ---- zstd */
#ifdef TRB_WITH_LIBZSTD

static trb_status zstd_open(void **state)
{
    *state = ZSTD_createDStream();
    return *state != NULL ? TRB_OK : trb_fail(TRB_ENOMEM, "no memory for libzstd");
}

static trb__unpacked zstd_step(void *state, trb__piece *p)
{
    ZSTD_inBuffer in = {.src = p->in, .size = p->n_in, .pos = 0};
    ZSTD_outBuffer out = {.dst = p->out, .size = p->n_out, .pos = 0};
    const size_t code = ZSTD_decompressStream(state, &out, &in);
    p->in += in.pos;
    p->n_in -= in.pos;
    p->out += out.pos;
    p->n_out -= out.pos;
    if (code == 0) return TRB__ENDED;
    if (!ZSTD_isError(code)) return TRB__GOES_ON;
    p->why = ZSTD_getErrorName(code);
    return TRB__DAMAGED;
}

static void zstd_close(void *state)
{
    (void)ZSTD_freeDStream(state);
}
#endif

static const trb__codec codecs[] = {
    {.name = "gzip",
     .library = "zlib",
     .magic = {0x1f, 0x8b},
     .n_magic = 2,
     .open = gzip_open,
     .step = zlib_step,
     .close = zlib_close},
    {.name = "xz",
     .library = "liblzma",
     .magic = {0xfd, '7', 'z', 'X', 'Z', 0},
     .n_magic = 6,
#ifdef TRB_WITH_LIBLZMA
     .open = xz_open,
     .step = xz_step,
     .close = xz_close
#endif
    },
    {.name = "zstd",
     .library = "libzstd",
     .magic = {0x28, 0xb5, 0x2f, 0xfd},
     .n_magic = 4,
#ifdef TRB_WITH_LIBZSTD
     .open = zstd_open,
     .step = zstd_step,
     .close = zstd_close
#endif
    },
};

const trb__codec *trb__codec_of(const uint8_t *at, size_t n)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (n >= codecs[i].n_magic && memcmp(at, codecs[i].magic, codecs[i].n_magic) == 0) return &codecs[i];
    return NULL;
}

const char *trb_data_library(void)
{
    static char text[96];
    int n = snprintf(text, sizeof text, "zlib %s", zlibVersion());
#ifdef TRB_WITH_LIBLZMA
    n += snprintf(text + n, sizeof text - (size_t)n, ", liblzma %s", lzma_version_string());
#endif
#ifdef TRB_WITH_LIBZSTD
    n += snprintf(text + n, sizeof text - (size_t)n, ", libzstd %s", ZSTD_versionString());
#endif
    (void)n;
    return text;
}
