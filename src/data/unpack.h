/* Unpacking of files, step by step. A packed file is one stream after the other; each stream has its own checks. */
#ifndef TRB__DATA_UNPACK_H
#define TRB__DATA_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "tribikos/status.h"

typedef struct {
    const uint8_t *in; /* packed bytes; moves on */
    size_t n_in;
    uint8_t *out; /* room for unpacked bytes; moves on */
    size_t n_out;
    const char *why; /* set if the stream is damaged; borrowed */
} trb__piece;

/* What a step has found. After TRB__ENDED the same state unpacks a further stream. */
typedef enum { TRB__GOES_ON, TRB__ENDED, TRB__DAMAGED } trb__unpacked;

typedef struct {
    const char *name, *library; /* "xz", "liblzma" */
    uint8_t magic[6];           /* the first bytes of a stream */
    size_t n_magic;
    trb_status (*open)(void **state); /* NULL: the program was built without the library */
    trb__unpacked (*step)(void *state, trb__piece *p);
    void (*close)(void *state);
} trb__codec;

/* The codec of a file that begins with these bytes; NULL if it is not packed. */
const trb__codec *trb__codec_of(const uint8_t *at, size_t n);

/* The entries of zip archives. */
extern const trb__codec trb__deflate;

#endif
