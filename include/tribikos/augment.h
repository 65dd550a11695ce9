/** Augmentation: variants of samples, for training (train.augment) and as cached views (cache.view_recipe).
 *
 * A recipe is a list of at most one item of each kind, in this order, which is also the order of application:
 *
 *   crop P     pads an image by P pixels of value 0 on each side and cuts it back to its size at one of the (2P+1)^2
 *              places; as torchvision's RandomCrop(padding = P) before normalisation
 *
 *   flip       mirrors left and right with probability 1/2
 *
 *   cutout S   sets a square of S x S, its centre anywhere in the image and clipped at the border, to 0 in all channels
 *              after normalisation, that is, to the constants subtracted there (DeVries and Taylor 2017,
 *              arXiv:1708.04552)
 *
 *   mixup A    x = l x_i + (1 - l) x_j with l ~ Beta(A, A) and a partner j drawn uniformly; in training, the loss is
 *              l CE(y_i) + (1 - l) CE(y_j) (Zhang et al. 2018, arXiv:1710.09412). The partner is cropped, flipped and
 *              cut out by draws of its own. A has at most 6 decimals
 *
 * "crop 4, flip" is the canonical text; no items is the empty recipe, "". The first three need images.
 *
 * What becomes of sample i is a function of its stream (seed, use, member, epoch, i) (rng.h) alone: of no rank, no
 * batch, no order. In training the use is TRB_USE_AUGMENT, the seed the network's and the member its number; every
 * epoch sees other variants. For views the use is TRB_USE_VIEW, the seed cache.view_seed, the member 0, and the epoch
 * is the view's number v > 0: whoever knows the data, the recipe and the seed makes the same pixels. View 0 is the
 * sample itself, whatever the recipe. Draws, in this order, each only if its item is there: crop's row, column
 * (trb_rng_below); flip (the highest of 64 bits); cutout's row, column; mixup's l, then the partner's place in the list
 * of partners, then the partner's own crop, flip and cutout.
 *
 * Partners are drawn from the training part, so that held-out samples stay unseen. Which samples that are belongs to
 * what a mixed view is, as the constants of normalisation do to one that is cut out; both are therefore part of its
 * recipe in a cache: see trb_view_text().
 *
 * All functions are local.
 */
#ifndef TRB_AUGMENT_H
#define TRB_AUGMENT_H

#include "tribikos/data.h"
#include "tribikos/rng.h"

/** Plain data; all zero is the empty recipe. */
typedef struct {
    size_t crop; /* pixels */
    bool flip;
    size_t cutout; /* pixels */
    double mixup;
} trb_recipe;

enum { TRB_RECIPE_BYTES = 128 };

/** Read a recipe; blanks do not count. \return TRB_OK; TRB_ECONFIG naming the item, what was expected and what was
 * found; `r` is then untouched */
trb_status trb_recipe_parse(const char *text, trb_recipe *r);

/** The canonical text, which reads back to the same recipe. */
void trb_recipe_text(const trb_recipe *r, char text[TRB_RECIPE_BYTES]);

bool trb_recipe_empty(const trb_recipe *r);

/** Refuse a recipe that does not fit samples of this shape: TRB_ECONFIG naming the item, both sizes, and what works. */
trb_status trb_recipe_check(const trb_recipe *r, trb_shape shape);

/** What a view of this recipe is called in a cache (cache.h). For the same text, seed and data set the pixels before
 * normalisation are the same: the recipe is followed by
 *
 *   mean DIGEST          with cutout: XXH3 of `data->mean`, the constants subtracted, as trb_hash_hex() shows it
 *   without n by seed s  with mixup, if samples are held out: those that trb_data_split(s, N, n) holds out
 *
 * e.g. "cutout 8, mixup 0.2, mean 0123456789abcdef, without 100 by seed 3". What scales the pixels afterwards does not
 * matter: mixing goes with it, and 0 stays 0.
 * \param[in] data  normalised   \param[in] held_out,split_seed  data.validation and run.seed */
void trb_view_text(const trb_recipe *r, const trb_data *data, uint64_t held_out, uint64_t split_seed,
                   char text[TRB_RECIPE_BYTES]);

/** l ~ Beta(A, A), in [0, 1], as the ratio of two gammas: each by Marsaglia and Tsang 2000 (ACM Transactions on
 * Mathematical Software 26(3), 363-372), shapes below 1 by their gamma(A) = gamma(A + 1) U^(1/A) (sec. 6), taken in
 * logarithms so that small A neither underflow nor divide by 0. Exact up to rounding; a gamma accepts a try with
 * probability above 0.95, so more than 20 tries have probability 10^-26. \param[in] A  > 0 */
double trb_rng_beta(trb_rng *rng, double A);

/** With whom a row was mixed: x = weight * own + (1 - weight) * partner's. */
typedef struct {
    int64_t partner; /* sample id */
    float weight;
} trb_mix;

typedef struct trb_augment trb_augment;

/** \param[in] data      borrowed; normalised
 * \param[in] partners  [n] ids that mixup draws from, borrowed; not read if the recipe has no mixup
 * \return TRB_OK; TRB_ECONFIG if the recipe does not fit the samples */
trb_status trb_augment_create(const trb_data *data, const trb_recipe *recipe, uint64_t seed, trb_use use,
                              uint64_t member, size_t n, const int64_t *partners, trb_augment **out);
void trb_augment_destroy(trb_augment *a);                   /* NULL allowed */
const trb_recipe *trb_augment_recipe(const trb_augment *a); /* borrowed */
size_t trb_augment_inputs(const trb_augment *a);            /* C*H*W */
bool trb_augment_mixes(const trb_augment *a); /* labels too: mixup, and not for views, which have no labels to mix */

/** Rows `ids` as an epoch of training sees them, normalised. One call at a time: the object holds scratch.
 * \param[out] x [n][C*H*W]  \param[out] mix [n]; NULL if nobody asks, or the recipe has no mixup */
void trb_augment_rows(trb_augment *a, uint64_t epoch, size_t n, const int64_t *ids, float *x, trb_mix *mix);

/** Rows `ids`, each as its view, normalised: what members and students see of a view. One call at a time.
 * \param[in] view [n]; NULL for view 0  \param[out] x [n][C*H*W] */
void trb_augment_views(trb_augment *a, size_t n, const int64_t *ids, const uint16_t *view, float *x);

/** A feed prepares the rows that will be wanted next while the ones before are worked on: a thread with two buffers. It
 * follows a plan, part after part of `rows` rows each. What it serves never depends on timing. With an empty recipe
 * there is nothing worth a thread: rows are then prepared when they are asked for. */
typedef struct trb_feed trb_feed;

/** \param[in] a  borrowed until the close, and used by the feed alone
 * \return TRB_OK; TRB_EIO if the thread cannot be started; TRB_ENOMEM */
trb_status trb_feed_open(trb_augment *a, size_t rows, trb_feed **out);

/** Begin a plan (an epoch's). Any plan before it is dropped: from the return on, its arrays are not read any more.
 * \param[in] epoch   as in trb_augment_rows()   \param[in] parts  0 only drops
 * \param[in] sample  [parts][rows] ids   \param[in] view [parts][rows] to serve views, NULL to serve variants of the
 * epoch; both borrowed until all parts are served, the next plan or the close */
void trb_feed_plan(trb_feed *f, uint64_t epoch, size_t parts, const int64_t *sample, const uint16_t *view);

/** The next part, borrowed until the next call. \param[out] x [rows][C*H*W]  \param[out] mix [rows]; NULL without
 * mixup, and for views \return TRB_OK; TRB_EINTERNAL if the plan is over */
trb_status trb_feed_next(trb_feed *f, const float **x, const trb_mix **mix);

/** End the thread after at most one part. NULL allowed. */
void trb_feed_close(trb_feed *f);

#endif
