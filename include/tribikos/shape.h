/** Shape of one sample: channels, height, width. A row of a table with D columns is {D, 1, 1}. */
#ifndef TRB_SHAPE_H
#define TRB_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    size_t c, h, w;
} trb_shape;

static inline size_t trb_shape_size(trb_shape s)
{
    return s.c * s.h * s.w;
}

static inline bool trb_shape_same(trb_shape a, trb_shape b)
{
    return a.c == b.c && a.h == b.h && a.w == b.w;
}

#endif
