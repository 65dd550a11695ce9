/* Moves images by fractions of pixels, with bilinear interpolation. */
#include <math.h>

#include "internal.h"
#include "tribikos/wide.h"

TRB_WIDE static void move(const trb_data *d, const trb__affine *map, const float *restrict from, float *restrict to)
{
    const size_t h = d->shape.h, w = d->shape.w, area = h * w;
    for (size_t i = 0; i < h; i++) {
        for (size_t j = 0; j < w; j++, to++) {
            const double row = map->a[0][0] * (double)i + map->a[0][1] * (double)j + map->b[0];
            const double column = map->a[1][0] * (double)i + map->a[1][1] * (double)j + map->b[1];
            const double top = floor(row), left = floor(column);
            const float low = (float)(row - top), far = (float)(column - left);
            const float weight[2][2] = {{(1.0F - low) * (1.0F - far), (1.0F - low) * far},
                                        {low * (1.0F - far), low * far}};
            /* Positions fit into a ptrdiff_t: factors are at least 0.1, distances at most 9999. */
            const ptrdiff_t y = (ptrdiff_t)top, x = (ptrdiff_t)left;
            for (size_t c = 0; c < d->shape.c; c++) {
                const float around = (0.0F - d->mean[c]) * d->scale[c];
                float sum = 0.0F;
                for (ptrdiff_t p = 0; p < 2; p++)
                    for (ptrdiff_t q = 0; q < 2; q++) {
                        const bool inside = y + p >= 0 && y + p < (ptrdiff_t)h && x + q >= 0 && x + q < (ptrdiff_t)w;
                        const size_t at = c * area + (size_t)(y + p) * w + (size_t)(x + q);
                        sum += weight[p][q] * (inside ? from[at] : around);
                    }
                to[c * area] = sum;
            }
        }
    }
}

void trb__affine_move(const trb_data *d, const trb__affine *map, const float *restrict from, float *restrict to)
{
    move(d, map, from, to);
}
