/* The layer `spread`. Heads that cannot learn all differences between their members regress to the mean: they differ
 * too little, by about the same factor everywhere. This layer multiplies the differences from the mean by a factor S.
 */
#include "layer.h"

#include "tribikos/wide.h"

/* y may be x. The mean is computed in double, over the heads in order. */
TRB_WIDE static void widen(const trb__work_step *s, size_t rows, const float *x, float *y)
{
    enum { CHUNK = 64 };
    const trb__layer *l = s->l;
    const size_t M = l->x_copies, n = l->x_width / M;
    const double S = l->argument.factor;
    for (size_t row = 0; row < rows; row++, x += l->x_width, y += l->x_width)
        for (size_t first = 0; first < n; first += CHUNK) {
            const size_t end = n - first < CHUNK ? n : first + CHUNK;
            double mean[CHUNK] = {0.0};
            for (size_t m = 0; m < M; m++)
                for (size_t j = first; j < end; j++) mean[j - first] += (double)x[m * n + j];
            for (size_t j = first; j < end; j++) mean[j - first] /= (double)M;
            for (size_t m = 0; m < M; m++)
                for (size_t j = first; j < end; j++) {
                    const double of_all = mean[j - first];
                    y[m * n + j] = (float)(of_all + S * ((double)x[m * n + j] - of_all));
                }
        }
}

trb_status trb__spread_forward(const trb__work_step *s, const trb__pass *p)
{
    widen(s, p->rows, p->x, s->y);
    return TRB_OK;
}

/* The map is its own transpose. */
trb_status trb__spread_backward(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx)
{
    (void)dy;
    widen(s, p->rows, dx, dx);
    return TRB_OK;
}
