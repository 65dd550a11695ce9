/** Augmentation: variants of samples, for training (train.augment) and as cached views (cache.view_recipes).
 *
 * A recipe is a list of at most one item of each kind, in this order, which is also the order of application:
 *
 *   crop P     pads an image by P pixels of value 0 on each side and cuts out its original size at one of (2P+1)^2
 *              places, as torchvision's RandomCrop(padding = P) before normalisation. In a channel far from zero, from
 *              which an offset is subtracted (schema.h), these pixels have the value of the offset, because 0 would be
 *              far from all its values; so have those outside of an image that is moved
 *
 *   flip       mirrors left and right with probability 1/2
 *
 *   rotate D, zoom S, shift S
 *              turn by an angle uniform in +-D degrees (from the first axis, rows, towards the second, columns),
 *              enlarge by a factor uniform in 1 +- S, and move down and right by distances uniform in +-S pixels. All
 *              three are one affine map of the plane, out = centre + factor R(angle) (in - centre) + distances, with
 *              the centre of the image ((h-1)/2, (w-1)/2). Values are interpolated bilinearly between pixels; around
 *              the image they are 0
 *
 *   cutout S   sets a square of S x S pixels to 0 in all channels after normalisation, that is, to the constants that
 *              normalisation subtracts. Its centre is anywhere in the image; the square is clipped at the border
 *              (DeVries and Taylor 2017, arXiv:1708.04552)
 *
 *   mixup A    x = l x_i + (1 - l) x_j with l ~ Beta(A, A) and a partner j drawn uniformly. In training, the loss is
 *              l CE(y_i) + (1 - l) CE(y_j) (Zhang et al. 2018, arXiv:1710.09412). The partner has its own random
 *              numbers for crop, flip, rotate, zoom, shift and cutout
 *
 *   gaussian E     x' = clip(x + E n), n ~ N(0, 1) for each value
 *   ods E [T]      x' = clip(x + E sqrt(D) g / |g|). g is the gradient of w . softmax(z / T) with respect to x, z are
 *                  the logits of one member, and w ~ U(-1, 1)^K. This is output diversified sampling (Tashiro et al.
 *                  2020) with an additional factor sqrt(D), D the number of inputs, so that E is the root mean square
 *                  of the step. If g is 0, x' = x. T is 1 unless given
 *   confods E [T]  the same with a step of E max_k softmax(z)_k, from the probabilities at temperature 1. The step is
 *                  large where the member is sure (Nam et al. 2021, arXiv:2110.14149)
 *              A recipe has at most one of these three. For bytes, the unit of E is one of 255 steps of the pixel
 *              range, x and x' are pixels before normalisation, and clip() limits to 0..255. For floats, whose range is
 *              not known, the unit is that of normalisation, 1 / data->scale (with data.normalize: standard the
 *              column's standard deviation), and nothing is clipped
 *
 * Numbers have at most 6 decimals. "crop 4, flip" is the canonical text; the empty recipe is "". The items from crop to
 * cutout need images.
 *
 * The variant of sample i depends only on its random stream (seed, use, member, epoch, i) (rng.h), not on rank, batch
 * or order. In training the use is TRB_USE_AUGMENT, the seed is the network's and the member is its number; every epoch
 * sees other variants. For views the use is TRB_USE_VIEW, the seed is cache.view_seed, the member is 0, and the epoch
 * is the view's number v > 0. So anybody who knows the data, the recipe and the seed can make the same pixels. View 0
 * is the sample itself; view v > 0 follows recipe (v - 1) mod n of n. Random numbers are drawn in this order, and only
 * for items that the recipe has:
 *   - crop: row, column (trb_rng_below)
 *   - flip: the highest of 64 bits
 *   - the angle, the factor, the distances down and right (each 2 trb_rng_uniform - 1, times D or S)
 *   - cutout: row, column
 *   - mixup: l, then the partner's place in the list of partners, then the partner's own crop, flip, angle, factor,
 *     distances and cutout
 *   - gaussian: n in pairs; u and v of 53 bits, u in (0, 1], v in [0, 1), give sqrt(-2 ln u) times cos 2 pi v and
 *     sin 2 pi v
 *   - ods, confods: the K numbers w, 2 trb_rng_uniform - 1
 *
 * ods and confods need members, and the cache decides which member moves a sample. So views of such recipes are made
 * once and stored with the logits (cache.h): bytes as bytes; floats, normalised, as float16. x' is rounded before any
 * member sees it, so that all members see what is stored. Rounding changes a byte by at most 1/2, 0.3 on average, and a
 * normalised value by at most 2^-11 of it. train.augment refuses these two items, since there are no members yet.
 *
 * Partners are drawn from the training part, so that held-out samples stay unseen. Which samples are held out therefore
 * decides the pixels of a mixed view, as the constants of normalisation decide those of a view with cutout. Both are
 * part of the view's name in a cache: see trb_view_text().
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

/** Whether the recipe moves images by fractions of pixels: rotate, zoom, shift. */
bool trb_recipe_moves(const trb_recipe *r);

/** Whether inputs of views of this recipe are stored, because members are needed to make them. */
bool trb_recipe_stored(const trb_recipe *r);

/** Refuse a recipe that does not fit samples of this shape: TRB_ECONFIG naming the item, both sizes, and what works. */
trb_status trb_recipe_check(const trb_recipe *r, trb_shape shape);

/** The name of a view of this recipe in a cache (cache.h). The same text, seed and data set (for stored views also the
 * same members) give the same pixels before normalisation. Therefore the recipe is followed by
 *
 *   mean DIGEST          with cutout, ods, confods: XXH3 of `data->mean`, the constants subtracted, as trb_hash_hex()
 *                        shows it
 *   scale DIGEST         with ods, confods, and gaussian of floats: likewise of `data->scale`
 *   without n by seed s  with mixup, if samples are held out: those that trb_data_split(s, N, n) holds out
 *
 * e.g. "cutout 8, mixup 0.2, mean 0123456789abcdef, without 100 by seed 3". Otherwise the constants do not matter:
 * mixing commutes with normalisation, and 0 stays 0.
 * \param[in] data  normalised   \param[in] held_out,split_seed  data.validation and run.seed */
void trb_view_text(const trb_recipe *r, const trb_data *data, uint64_t held_out, uint64_t split_seed,
                   char text[TRB_RECIPE_BYTES]);

/** l ~ Beta(A, A), in [0, 1], as the ratio of two gammas: each by Marsaglia and Tsang 2000 (ACM Transactions on
 * Mathematical Software 26(3), 363-372). Shapes below 1 use their gamma(A) = gamma(A + 1) U^(1/A) (sec. 6), computed in
 * logarithms so that a small A neither underflows nor divides by 0. Exact up to rounding. A gamma accepts a try with
 * probability above 0.95, so more than 20 tries have probability 10^-26. \param[in] A  > 0 */
double trb_rng_beta(trb_rng *rng, double A);

/** The partner with which a row was mixed: x = weight * own + (1 - weight) * partner's. */
typedef struct {
    int64_t partner; /* sample id */
    float weight;
} trb_mix;

typedef struct trb_augment trb_augment;

/** \param[in] data      borrowed; normalised
 * \param[in] recipes   [n_recipes], at least one: the recipes of views, or the one of training
 * \param[in] partners  [n] ids from which mixup draws, borrowed; not read if no recipe has mixup
 * \return TRB_OK; TRB_ECONFIG if a recipe does not fit the samples */
trb_status trb_augment_create(const trb_data *data, size_t n_recipes, const trb_recipe *recipes, uint64_t seed,
                              trb_use use, uint64_t member, size_t n, const int64_t *partners, trb_augment **out);
void trb_augment_destroy(trb_augment *a);        /* NULL allowed */
size_t trb_augment_inputs(const trb_augment *a); /* D = C*H*W */
bool trb_augment_nothing(const trb_augment *a);  /* all recipes are empty */
bool trb_augment_mixes(const trb_augment *a);    /* whether labels are mixed too: mixup in training, not in views */
bool trb_augment_stored(const trb_augment *a, size_t view); /* whether rows of this view are stored */

/** The type of stored inputs: TRB_U8 for bytes, TRB_F16 for floats. */
trb_dtype trb_stored_type(const trb_data *data);

/** Rows `ids` as an epoch of training sees them, normalised. One call at a time: the object holds scratch memory.
 * \param[out] x [n][C*H*W]  \param[out] mix [n]; NULL if it is not wanted, or the recipe has no mixup */
void trb_augment_rows(trb_augment *a, uint64_t epoch, size_t n, const int64_t *ids, float *x, trb_mix *mix);

/** Rows `ids`, each in its view, normalised: what members and students see of a view. One call at a time.
 * \param[in] view    [n]; NULL for view 0
 * \param[in] stored  [n][C*H*W]; only rows of stored views are read; may be NULL if there are none
 * \param[out] x      [n][C*H*W] */
void trb_augment_views(trb_augment *a, size_t n, const int64_t *ids, const uint16_t *view, const void *stored,
                       float *x);

/** Rows of a stored view are made in four calls:
 *
 * | trb_augment_begin() | applies the items before the step; x is in the unit of the step |
 * | trb_augment_normalise() | makes what the member sees of x |
 * | trb_augment_direction() | gives the gradient by the member's logits, which the caller carries back to the inputs |
 * | trb_augment_end() | takes the step along the gradient by the inputs |
 *
 * \param[out] x [n][C*H*W]  \param[out] w [n][K] directions */
void trb_augment_begin(trb_augment *a, size_t view, size_t n, const int64_t *ids, size_t K, float *x, float *w);
/** \param[out] normalised  as `x`; may be `x` */
void trb_augment_normalise(const trb_augment *a, size_t n, const float *x, float *normalised);
/** The gradient of w . softmax(z / T) by z for each row, with the recipe's T. Each row is divided by its largest value:
 * the gradient of a sure member is too small for single precision, and its length does not matter.
 * \param[in] z [n][K]   \param[out] dz [n][K]
 * \param[out] share [n] factor of the step's length: max_k softmax(z)_k for confods, 1 for ods */
void trb_augment_direction(const trb_augment *a, size_t view, size_t n, size_t K, const float *z, const float *w,
                           float *dz, float *share);
/** \param[in] g [n][C*H*W] gradient by the normalised values  \param[out] stored [n][C*H*W] */
void trb_augment_end(const trb_augment *a, size_t view, size_t n, const float *x, const float *g, const float *share,
                     void *stored);

/** A source of stored rows in the order of a plan: a reader of the cache. One thread at a time calls these
 * functions. */
typedef struct {
    /** As trb_feed_plan(). With 0 parts, the source no longer reads the arrays of the last plan after the return. */
    trb_status (*plan)(void *ctx, size_t parts, const int64_t *sample, const uint16_t *view);
    /** \param[out] stored  [rows][C*H*W], borrowed until the next call; rows of views that are not stored may hold
     * anything */
    trb_status (*next)(void *ctx, const void **stored);
    void *ctx;
} trb_stored_rows;

/** A feed prepares the next rows while the caller works on the last ones: a thread with two buffers. It follows a plan,
 * part after part of `rows` rows each. What it serves does not depend on timing. If all recipes are empty, a thread is
 * not worth its cost; then rows are prepared when they are asked for.
 *
 * | call | afterwards |
 * | trb_feed_plan() | the plan's arrays are borrowed; the thread prepares parts 0 and 1 |
 * | trb_feed_next() | one part is borrowed by the caller; the thread fills the other buffer |
 * | trb_feed_plan() with 0 parts | no array of the plan is read any more |
 * | a failure of trb_feed_next() | only trb_feed_close() is allowed |
 */
typedef struct trb_feed trb_feed;

/** \param[in] a  borrowed until the close, and used by the feed alone
 * \param[in] stored  serves `rows` rows in each part; the struct is copied; NULL if no view is stored
 * \return TRB_OK; TRB_EIO if the thread cannot be started; TRB_ENOMEM */
trb_status trb_feed_open(trb_augment *a, size_t rows, const trb_stored_rows *stored, trb_feed **out);

/** Begin a plan, for example for an epoch. The plan before it is dropped; its arrays are not read after the return.
 * \param[in] epoch   as in trb_augment_rows()   \param[in] parts  0 only drops the last plan
 * \param[in] sample  [parts][rows] ids
 * \param[in] view    [parts][rows] to serve views, NULL to serve variants of the epoch; `sample` and `view` are
 *                    borrowed until all parts are served, the next plan or the close
 * \return TRB_OK; a failure of the plan of stored rows, or of a part of the plan before */
trb_status trb_feed_plan(trb_feed *f, uint64_t epoch, size_t parts, const int64_t *sample, const uint16_t *view);

/** The next part, borrowed until the next call.
 * \param[out] x [rows][C*H*W]   \param[out] mix [rows]; NULL without mixup, and for views
 * \return TRB_OK; TRB_EINTERNAL if the plan has no more parts; a failure of the stored rows, after which only the close
 * is allowed */
trb_status trb_feed_next(trb_feed *f, const float **x, const trb_mix **mix);

/** End the thread after at most one part. NULL allowed. */
void trb_feed_close(trb_feed *f);

#endif
