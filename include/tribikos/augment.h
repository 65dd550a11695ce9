/** Augmentation: variants of samples, for training (train.augment) and as cached views (cache.view_recipes).
 *
 * A recipe is a list of at most one item of each kind, in this order, which is also the order of application:
 *
 *   crop P     pads an image by P pixels of value 0 on each side and cuts it back to its size at one of the (2P+1)^2
 *              places; as torchvision's RandomCrop(padding = P) before normalisation
 *
 *   flip       mirrors left and right with probability 1/2
 *
 *   rotate D, zoom S, shift S
 *              by an angle uniform in +-D degrees (from the first axis, rows, towards the second, columns), a factor
 *              uniform in 1 +- S, and distances down and right that are uniform in +-S pixels: one affine map of the
 *              plane, out = centre + factor R(angle) (in - centre) + distances, with the centre of the image
 *              ((h-1)/2, (w-1)/2). Values are interpolated bilinearly between pixels; around the image they are 0
 *
 *   cutout S   sets a square of S x S, its centre anywhere in the image and clipped at the border, to 0 in all channels
 *              after normalisation, that is, to the constants subtracted there (DeVries and Taylor 2017,
 *              arXiv:1708.04552)
 *
 *   mixup A    x = l x_i + (1 - l) x_j with l ~ Beta(A, A) and a partner j drawn uniformly; in training, the loss is
 *              l CE(y_i) + (1 - l) CE(y_j) (Zhang et al. 2018, arXiv:1710.09412). The partner is cropped, flipped,
 *              moved and cut out by draws of its own
 *
 *   gaussian E     x' = clip(x + E n), n ~ N(0, 1) for each value
 *   ods E [T]      x' = clip(x + E sqrt(D) g / |g|), g the gradient by x of w . softmax(z / T), where z are the logits
 *                  of one member and w ~ U(-1, 1)^K: output diversified sampling (Tashiro et al. 2020), here with
 *                  sqrt(D), D the number of inputs, so that E is the root of the mean square of the step. Where g is
 *                  0, x' = x. T is 1 unless given
 *   confods E [T]  the same with a step of E max_k softmax(z)_k, by the probabilities at temperature 1: large where the
 *                  member is sure (Nam et al. 2021, arXiv:2110.14149)
 *              At most one of these three. In bytes the unit of E is one of 255 steps of the pixel range, x and x' are
 *              pixels before normalisation, and clip() is to 0..255. In floats, whose range nobody knows, the unit is
 *              that of normalisation, 1 / data->scale (with data.normalize: standard the column's standard deviation),
 *              and nothing is clipped
 *
 * Numbers have at most 6 decimals. "crop 4, flip" is the canonical text; no items is the empty recipe, "". What moves
 * pixels, up to cutout, needs images.
 *
 * What becomes of sample i is a function of its stream (seed, use, member, epoch, i) (rng.h) alone: of no rank, no
 * batch, no order. In training the use is TRB_USE_AUGMENT, the seed the network's and the member its number; every
 * epoch sees other variants. For views the use is TRB_USE_VIEW, the seed cache.view_seed, the member 0, and the epoch
 * is the view's number v > 0: whoever knows the data, the recipe and the seed makes the same pixels. View 0 is the
 * sample itself; view v > 0 follows recipe (v - 1) mod n of n. Draws, in this order, each only if its item is there:
 * crop's row, column (trb_rng_below); flip (the highest of 64 bits); the angle, the factor, the distances down and
 * right (each 2 trb_rng_uniform - 1, times D or S); cutout's row, column; mixup's l, then the partner's place in the
 * list of partners, then the partner's own crop, flip, angle, factor, distances and cutout; gaussian's n in pairs: u
 * and v of 53 bits, u in (0, 1], v in [0, 1), give sqrt(-2 ln u) times cos 2 pi v and sin 2 pi v; or the K numbers w, 2
 * trb_rng_uniform - 1.
 *
 * ods and confods need members, and which of them a sample meets is a matter of the cache: views of such recipes are
 * made once, and are stored with the logits (cache.h): bytes as bytes, floats, normalised, as float16. x' is rounded
 * before any member sees it, so that all see what is stored. The rounding is up to 1/2 of a byte, 0.3 in the mean; of
 * normalised values up to 2^-11 of them. Training has no members: there these two are refused.
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

typedef enum { TRB_STEP_NONE, TRB_STEP_GAUSSIAN, TRB_STEP_ODS, TRB_STEP_CONFODS } trb_step;

/** Plain data; all zero is the empty recipe. */
typedef struct {
    size_t crop; /* pixels */
    bool flip;
    double rotate, zoom, shift; /* degrees, -, pixels */
    size_t cutout;              /* pixels */
    double mixup;
    trb_step step; /* the last item; its E and T follow */
    double size, temperature;
} trb_recipe;

enum { TRB_RECIPE_BYTES = 256 };

/** Read a recipe; blanks do not count. \return TRB_OK; TRB_ECONFIG naming the item, what was expected and what was
 * found; `r` is then untouched */
trb_status trb_recipe_parse(const char *text, trb_recipe *r);

/** The canonical text, which reads back to the same recipe. */
void trb_recipe_text(const trb_recipe *r, char text[TRB_RECIPE_BYTES]);

bool trb_recipe_empty(const trb_recipe *r);

/** Whether it moves images by parts of pixels: rotate, zoom, shift. */
bool trb_recipe_moves(const trb_recipe *r);

/** Whether views of this recipe are stored, as they need members to be made. */
bool trb_recipe_stored(const trb_recipe *r);

/** Refuse a recipe that does not fit samples of this shape: TRB_ECONFIG naming the item, both sizes, and what works. */
trb_status trb_recipe_check(const trb_recipe *r, trb_shape shape);

/** What a view of this recipe is called in a cache (cache.h). For the same text, seed and data set (of stored views:
 * and members) the pixels before normalisation are the same: the recipe is followed by
 *
 *   mean DIGEST          with cutout, ods, confods: XXH3 of `data->mean`, the constants subtracted, as trb_hash_hex()
 *                        shows it
 *   scale DIGEST         with ods, confods, and gaussian of floats: likewise of `data->scale`
 *   without n by seed s  with mixup, if samples are held out: those that trb_data_split(s, N, n) holds out
 *
 * e.g. "cutout 8, mixup 0.2, mean 0123456789abcdef, without 100 by seed 3". Otherwise what scales the pixels afterwards
 * does not matter: mixing goes with it, and 0 stays 0.
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
 * \param[in] recipes   [n_recipes], at least one; those of views, or the one of training
 * \param[in] partners  [n] ids that mixup draws from, borrowed; not read if no recipe has mixup
 * \return TRB_OK; TRB_ECONFIG if a recipe does not fit the samples */
trb_status trb_augment_create(const trb_data *data, size_t n_recipes, const trb_recipe *recipes, uint64_t seed,
                              trb_use use, uint64_t member, size_t n, const int64_t *partners, trb_augment **out);
void trb_augment_destroy(trb_augment *a);        /* NULL allowed */
size_t trb_augment_inputs(const trb_augment *a); /* D = C*H*W */
bool trb_augment_nothing(const trb_augment *a);  /* all recipes are empty */
bool trb_augment_mixes(const trb_augment *a);    /* labels too: mixup, and not for views, which have no labels to mix */
bool trb_augment_stored(const trb_augment *a, size_t view); /* whether rows of this view are stored */

/** In which type they are: TRB_U8 of bytes, TRB_F16 of floats. */
trb_dtype trb_stored_type(const trb_data *data);

/** Rows `ids` as an epoch of training sees them, normalised. One call at a time: the object holds scratch.
 * \param[out] x [n][C*H*W]  \param[out] mix [n]; NULL if nobody asks, or the recipe has no mixup */
void trb_augment_rows(trb_augment *a, uint64_t epoch, size_t n, const int64_t *ids, float *x, trb_mix *mix);

/** Rows `ids`, each as its view, normalised: what members and students see of a view. One call at a time.
 * \param[in] view [n]; NULL for view 0  \param[in] stored [n][C*H*W] the rows of stored views; others, and all if
 * there are none, are not read  \param[out] x [n][C*H*W] */
void trb_augment_views(trb_augment *a, size_t n, const int64_t *ids, const uint16_t *view, const void *stored,
                       float *x);

/** How rows of a stored view are made: where the other items lead to, in the unit of the step; what members are to see
 * of that; and, with the gradient there, the step.
 * \param[out] x [n][C*H*W]  \param[out] w [n][K] directions */
void trb_augment_begin(trb_augment *a, size_t view, size_t n, const int64_t *ids, size_t K, float *x, float *w);
/** \param[out] normalised  as `x`; may be `x` */
void trb_augment_normalise(const trb_augment *a, size_t n, const float *x, float *normalised);
/** w . softmax(z / T) row by row, T the recipe's, through its gradient by z, divided by the largest of its values: a
 * sure member's are too small for single precision, and the length does not matter.
 * \param[in] z [n][K]  \param[out] dz [n][K]  \param[out] share [n] of the step that is taken: max_k softmax(z)_k for
 * confods, 1 for ods */
void trb_augment_direction(const trb_augment *a, size_t view, size_t n, size_t K, const float *z, const float *w,
                           float *dz, float *share);
/** \param[in] g [n][C*H*W] gradient by the normalised values  \param[out] stored [n][C*H*W] */
void trb_augment_end(const trb_augment *a, size_t view, size_t n, const float *x, const float *g, const float *share,
                     void *stored);

/** Who serves stored rows, in the order of a plan: a reader of the cache. Functions are called by one thread at a time.
 */
typedef struct {
    /** As trb_feed_plan(); 0 parts: nothing of the last plan is read any more, from the return on. */
    trb_status (*plan)(void *ctx, size_t parts, const int64_t *sample, const uint16_t *view);
    /** \param[out] stored  [rows][C*H*W], borrowed until the next call; rows of views that are not stored may hold
     * anything */
    trb_status (*next)(void *ctx, const void **stored);
    void *ctx;
} trb_stored_rows;

/** A feed prepares the rows that will be wanted next while the ones before are worked on: a thread with two buffers. It
 * follows a plan, part after part of `rows` rows each. What it serves never depends on timing. With nothing but empty
 * recipes there is nothing worth a thread: rows are then prepared when they are asked for. */
typedef struct trb_feed trb_feed;

/** \param[in] a  borrowed until the close, and used by the feed alone
 * \param[in] stored  of `rows` rows a part, copied; NULL if no view is stored
 * \return TRB_OK; TRB_EIO if the thread cannot be started; TRB_ENOMEM */
trb_status trb_feed_open(trb_augment *a, size_t rows, const trb_stored_rows *stored, trb_feed **out);

/** Begin a plan (an epoch's). Any plan before it is dropped: from the return on, its arrays are not read any more.
 * \param[in] epoch   as in trb_augment_rows()   \param[in] parts  0 only drops
 * \param[in] sample  [parts][rows] ids   \param[in] view [parts][rows] to serve views, NULL to serve variants of the
 * epoch; both borrowed until all parts are served, the next plan or the close
 * \return TRB_OK; what planning stored rows returned */
trb_status trb_feed_plan(trb_feed *f, uint64_t epoch, size_t parts, const int64_t *sample, const uint16_t *view);

/** The next part, borrowed until the next call. \param[out] x [rows][C*H*W]  \param[out] mix [rows]; NULL without
 * mixup, and for views \return TRB_OK; TRB_EINTERNAL if the plan is over; what stored rows failed with: then only the
 * close is left */
trb_status trb_feed_next(trb_feed *f, const float **x, const trb_mix **mix);

/** End the thread after at most one part. NULL allowed. */
void trb_feed_close(trb_feed *f);

#endif
