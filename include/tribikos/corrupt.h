/** Corruptions: damaged copies of images, made when they are needed. They show how a model's uncertainty reacts to a
 * shift of its inputs. Each has five strengths s = 1..5; v is a pixel in [0, 1], before normalisation:
 *
 *   noise      v + c e, e standard normal, clipped to [0, 1]; c = 0.04, 0.06, 0.08, 0.09, 0.10
 *   blur       Gaussian with standard deviation 0.4, 0.6, 0.7, 0.8, 1 pixels, truncated at 4 deviations (rounded to the
 *              nearest pixel); outside the image, the pixels of its border are repeated
 *   contrast   (v - mean of the image's channel) c + mean; c = 0.75, 0.5, 0.4, 0.3, 0.15
 *   rotation   counter-clockwise around the centre by 15 s degrees, bilinear, 0 outside
 *   shift      to the right by 2 s / 28 of the width, rounded to the nearest pixel; pixels that leave on the right come
 *              back on the left
 *
 * Sources: the first three are those of CIFAR-10-C (Hendrycks and Dietterich 2019, arXiv:1903.12261; parameters of
 * their make_cifar_c.py), but not rounded to bytes. The last two are the first five steps of rotated and of cyclically
 * shifted MNIST in Ovadia et al. 2019 (arXiv:1906.02530), where images are 28 pixels wide.
 *
 * The noise of a sample is drawn from the stream (seed, TRB_USE_CORRUPT, kind, strength, sample) (rng.h), value after
 * value, so it depends neither on the rank nor on the batch.
 *
 * All functions are local.
 */
#ifndef TRB_CORRUPT_H
#define TRB_CORRUPT_H

#include "tribikos/data.h"

typedef enum {
    TRB_CORRUPT_NONE,
    TRB_CORRUPT_NOISE,
    TRB_CORRUPT_BLUR,
    TRB_CORRUPT_CONTRAST,
    TRB_CORRUPT_ROTATION,
    TRB_CORRUPT_SHIFT,
    TRB_CORRUPT_KINDS
} trb_corruption;

enum { TRB_CORRUPT_STRENGTHS = 5 };

/** "noise", ... */
const char *trb_corrupt_name(trb_corruption how);
/** The corruption of that name. \return TRB_OK; TRB_ECONFIG, with all names and the nearest one */
trb_status trb_corrupt_find(const char *name, trb_corruption *how);

/** Refuse samples that are not images, and floats outside [0, 1]: TRB_ECONFIG. */
trb_status trb_corrupt_check(const trb_data *d);

/** Rows `ids`, corrupted, then normalised; with TRB_CORRUPT_NONE as trb_data_rows().
 * \param[in]  strength 1..TRB_CORRUPT_STRENGTHS   \param[in] ids [n]   \param[out] x [n][C*H*W]
 * \return TRB_OK; TRB_ENOMEM */
trb_status trb_corrupt_rows(const trb_data *d, trb_corruption how, unsigned strength, uint64_t seed, size_t n,
                            const int64_t *ids, float *x);

#endif
