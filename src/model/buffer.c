/* Bytes that grow, and fields of protobuf (buffer.h). */
#include <stdlib.h>
#include <string.h>

#include "tribikos/buffer.h"
#include "tribikos/memory.h"

static void grow(trb_buffer *b, size_t more)
{
    size_t room = b->room;
    unsigned char *at = NULL;
    if (b->st != TRB_OK || b->room - b->n >= more) return;
    if (more > SIZE_MAX / 4 - b->n) {
        b->st = trb_fail(TRB_ENOMEM, "a file of %zu and %zu bytes more is too large", b->n, more);
        return;
    }
    while (room - b->n < more) room = room < 4096 ? 4096 : 2 * room;
    b->st = trb_alloc(TRB_MEM_OTHER, room, 1, &at);
    if (b->st != TRB_OK) return;
    if (b->n > 0) memcpy(at, b->at, b->n);
    trb_free(b->at);
    b->at = at;
    b->room = room;
}

void trb_buffer_add(trb_buffer *b, const void *from, size_t n)
{
    grow(b, n);
    if (b->st != TRB_OK || n == 0) return;
    memcpy(b->at + b->n, from, n);
    b->n += n;
}

void trb_buffer_clear(trb_buffer *b)
{
    trb_free(b->at);
    *b = (trb_buffer){0};
}

/* ---- protobuf: a key (field number and kind), then the value */

enum { NUMBER = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

static void varint(trb_buffer *to, uint64_t value)
{
    unsigned char digit[10];
    size_t n = 0;
    do {
        digit[n] = (unsigned char)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
        value >>= 7;
        n++;
    } while (value > 0);
    trb_buffer_add(to, digit, n);
}

void trb_buffer_number(trb_buffer *to, unsigned field, uint64_t value)
{
    varint(to, field << 3 | NUMBER);
    varint(to, value);
}

void trb_buffer_float(trb_buffer *to, unsigned field, float value)
{
    varint(to, field << 3 | FIXED32);
    trb_buffer_add(to, &value, sizeof value);
}

void trb_buffer_double(trb_buffer *to, unsigned field, double value)
{
    varint(to, field << 3 | FIXED64);
    trb_buffer_add(to, &value, sizeof value);
}

void trb_buffer_bytes(trb_buffer *to, unsigned field, const void *from, size_t n)
{
    varint(to, field << 3 | LENGTH);
    varint(to, n);
    trb_buffer_add(to, from, n);
}

void trb_buffer_text(trb_buffer *to, unsigned field, const char *text)
{
    trb_buffer_bytes(to, field, text, strlen(text));
}

void trb_buffer_message(trb_buffer *to, unsigned field, trb_buffer *message)
{
    if (to->st == TRB_OK) to->st = message->st;
    trb_buffer_bytes(to, field, message->at, message->n);
    trb_buffer_clear(message);
}
