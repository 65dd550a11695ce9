/** Digests: XXH3, 64 bits, through the xxHash library.
 *
 * A digest tells files apart and finds damage; it is no protection against someone who wants to deceive.
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

/** A digest taken piece by piece: open, add, value, close. The value depends on the bytes, not on the pieces. Local. */
trb_status trb_hash_open(trb_hash **out);
void trb_hash_add(trb_hash *h, const void *bytes, size_t n);
uint64_t trb_hash_value(const trb_hash *h);
void trb_hash_close(trb_hash *h);

/** The digest of a file's bytes. Local. \param[out] digest  untouched on failure \return TRB_OK; TRB_EIO, TRB_ENOMEM */
trb_status trb_hash_file(const char *path, uint64_t *digest);

/** A digest as files and messages show it: 16 hexadecimal digits. Local. \param[out] text [17] */
void trb_hash_hex(uint64_t digest, char text[17]);

/** "xxHash 0.8.1". Local; borrowed. */
const char *trb_hash_library(void);

#endif
