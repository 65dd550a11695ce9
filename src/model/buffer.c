/* Bytes that grow (export.h). */
#include <stdlib.h>
#include <string.h>

#include "tribikos/export.h"
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
