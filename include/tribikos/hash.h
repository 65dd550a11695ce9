/** Digests: XXH3, 64 bits, through the xxHash library.
 *
 * A digest tells files apart and detects damage. It does not protect against somebody who forges a file.
 */
#ifndef TRB_HASH_H
#define TRB_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "tribikos/status.h"

typedef struct trb_hash trb_hash;

/** Digest of one block of bytes. Local. */
uint64_t trb_hash_bytes(const void *bytes, size_t n);

/** Digest of text, without its final zero. Local. */
uint64_t trb_hash_text(const char *text);

/** A digest that is computed piece by piece: open, add, value, close. It depends on the bytes, not on how they are cut
 * into pieces. Local. */
trb_status trb_hash_open(trb_hash **out);
void trb_hash_add(trb_hash *h, const void *bytes, size_t n);
uint64_t trb_hash_value(const trb_hash *h);
void trb_hash_close(trb_hash *h);

/** The digest of a file's bytes. Local. \param[out] digest  untouched on failure \return TRB_OK; TRB_EIO, TRB_ENOMEM */
trb_status trb_hash_file(const char *path, uint64_t *digest);

/** Print a digest as in files and messages: 16 hexadecimal digits. Local. \param[out] text [17] */
void trb_hash_hex(uint64_t digest, char text[17]);

/** The library and its version, e.g. "xxHash 0.8.1". Local; borrowed. */
const char *trb_hash_library(void);

#endif
