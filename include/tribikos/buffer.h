/** Bytes that grow, and the fields of protobuf messages in them.
 *
 * ONNX and TensorBoard's event files are messages of protobuf. Its encoding of a field is a key (number and kind), then a
 * number, a float, or a length and bytes. That takes fewer lines here than the generated code of protobuf-c would add to
 * the build: schemas, a compiler for them, and a library at run time.
 *
 * All functions are local. Numbers are little-endian.
 */
#ifndef TRB_BUFFER_H
#define TRB_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "tribikos/status.h"

/** Bytes to which pieces are added. Initialised with zeros it is empty and grows as needed. If an addition fails, the
 * later ones do nothing; `st` says so at the end. */
typedef struct {
    unsigned char *at;
    size_t n, room;
    trb_status st;
} trb_buffer;

void trb_buffer_add(trb_buffer *b, const void *from, size_t n);
void trb_buffer_clear(trb_buffer *b);

/** Add a field of a message: a number; a float or a double of IEEE; bytes; a text; a message, which is then cleared. */
void trb_buffer_number(trb_buffer *to, unsigned field, uint64_t value);
void trb_buffer_float(trb_buffer *to, unsigned field, float value);
void trb_buffer_double(trb_buffer *to, unsigned field, double value);
void trb_buffer_bytes(trb_buffer *to, unsigned field, const void *from, size_t n);
void trb_buffer_text(trb_buffer *to, unsigned field, const char *text);
void trb_buffer_message(trb_buffer *to, unsigned field, trb_buffer *message);

#endif
