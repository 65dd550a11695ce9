/* Recipes of variants: reads and writes their text, and checks which samples they fit. */
#include "tribikos/augment.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/hash.h"
#include "tribikos/text.h"

/* Numbers are read and written digit by digit, so that no locale changes them. A decimal is a whole number of 10^-6;
 * the quotient of two whole numbers is the double nearest to it. */
enum { PIXELS_MAX = 9999, WORD = 32, DECIMALS = 6 };
static const uint64_t UNIT = 1000000;

enum { CROP, FLIP, ROTATE, ZOOM, SHIFT, CUTOUT, MIXUP, GAUSSIAN, ODS, CONFODS, KINDS };
static const char *const kind_name[KINDS] = {"crop",   "flip",  "rotate",   "zoom", "shift",
                                             "cutout", "mixup", "gaussian", "ods",  "confods"};
#define DECIMAL(range, example) "takes a number above 0 and up to " range " with at most 6 decimals (" example ")"
#define WITH_T(example) DECIMAL("255", example) ", and a temperature, up to 1000, if it is not 1"
static const struct {
    const char *takes;
    double max; /* the largest decimal; 0: the item has none */
} kind[KINDS] = {
    [CROP] = {"takes a number of pixels from 1 to 9999 (crop 4)", 0},
    [FLIP] = {"stands alone", 0},
    [ROTATE] = {DECIMAL("180", "rotate 15"), 180},
    [ZOOM] = {DECIMAL("0.9", "zoom 0.1"), 0.9},
    [SHIFT] = {DECIMAL("9999", "shift 1.5"), 9999},
    [CUTOUT] = {"takes a number of pixels from 1 to 9999 (cutout 8)", 0},
    [MIXUP] = {DECIMAL("1000", "mixup 0.2"), 1000},
    [GAUSSIAN] = {DECIMAL("255", "gaussian 8"), 255},
    [ODS] = {WITH_T("ods 16"), 255},
    [CONFODS] = {WITH_T("confods 25"), 255},
};
#define KIND_LIST "crop, flip, rotate, zoom, shift, cutout, mixup, gaussian, ods or confods"

static bool read_pixels(const char *text, size_t *pixels)
{
    size_t n = 0;
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text)) return false;
    for (; *text != '\0' && n <= PIXELS_MAX; text++) n = 10 * n + (size_t)(*text - '0');
    *pixels = n;
    return n >= 1 && n <= PIXELS_MAX;
}

/* Read a decimal from the first n characters. */
static bool read_decimal(const char *text, size_t n, double max, double *value)
{
    uint64_t micro = 0;
    const size_t whole = strspn(text, "0123456789");
    const char *fraction = text[whole] == '.' ? text + whole + 1 : text + whole;
    const size_t decimals = strspn(fraction, "0123456789");
    if (whole < 1 || whole > 4 || decimals > DECIMALS || fraction + decimals != text + n) return false;
    if (text[whole] == '.' && decimals == 0) return false;
    for (size_t i = 0; i < whole; i++) micro = 10 * micro + (uint64_t)(text[i] - '0');
    for (size_t i = 0; i < DECIMALS; i++) micro = 10 * micro + (i < decimals ? (uint64_t)(fraction[i] - '0') : 0);
    *value = (double)micro / (double)UNIT;
    return micro > 0 && *value <= max;
}

/* Read E of a step, and T if it follows. */
static bool read_step(const char *text, int k, trb_recipe *r)
{
    const size_t n = strcspn(text, " ");
    r->step = k == GAUSSIAN ? TRB_STEP_GAUSSIAN : k == ODS ? TRB_STEP_ODS : TRB_STEP_CONFODS;
    r->temperature = k == GAUSSIAN ? 0.0 : 1.0;
    if (!read_decimal(text, n, kind[k].max, &r->size)) return false;
    if (text[n] == '\0') return true;
    return k != GAUSSIAN && read_decimal(text + n + 1, strlen(text + n + 1), 1000.0, &r->temperature);
}

/* The field that holds the decimal of an item. */
static double *decimal_of(trb_recipe *r, int k)
{
    return k == ROTATE ? &r->rotate : k == ZOOM ? &r->zoom : k == SHIFT ? &r->shift : &r->mixup;
}

/* Read one item: a word and its argument. */
static trb_status read_item(const char *item, int *last, trb_recipe *r)
{
    char word[WORD] = "";
    const size_t n = strcspn(item, " ");
    int k = 0;
    (void)snprintf(word, sizeof word, "%.*s", (int)(n < WORD ? n : WORD), item);
    const char *argument = item[n] == ' ' ? item + n + 1 : item + n;
    while (k < KINDS && strcmp(word, kind_name[k]) != 0) k++;
    if (k == KINDS)
        return trb_fail(TRB_ECONFIG, "`%s`: expected " KIND_LIST "; did you mean `%s`?", item,
                        trb_nearest(word, KINDS, kind_name));
    bool good = false;
    if (k == FLIP)
        good = r->flip = argument[0] == '\0';
    else if (k == CROP || k == CUTOUT)
        good = read_pixels(argument, k == CROP ? &r->crop : &r->cutout);
    else if (k >= GAUSSIAN)
        good = read_step(argument, k, r);
    else
        good = read_decimal(argument, strlen(argument), kind[k].max, decimal_of(r, k));
    if (!good) return trb_fail(TRB_ECONFIG, "`%s`: %s %s, got `%s`", item, kind_name[k], kind[k].takes, argument);
    if (k <= *last || (k > GAUSSIAN && *last >= GAUSSIAN))
        return trb_fail(TRB_ECONFIG,
                        "`%s` stands behind `%s`: each item comes at most once, in the order crop, flip, rotate, zoom, "
                        "shift, cutout, mixup, and one of gaussian, ods, confods",
                        item, kind_name[*last]);
    *last = k;
    return TRB_OK;
}

trb_status trb_recipe_parse(const char *text, trb_recipe *r)
{
    trb_recipe read = {0};
    int last = -1;
    if (text[strspn(text, " \t\n\r")] == '\0') {
        *r = read;
        return TRB_OK;
    }
    for (bool more = true; more;) {
        char item[2 * WORD];
        size_t n = 0;
        for (; *text != '\0' && *text != ','; text++) {
            const bool blank = isspace((unsigned char)*text) != 0;
            if (blank && (n == 0 || item[n - 1] == ' ')) continue;
            if (n + 1 == sizeof item) return trb_fail(TRB_ECONFIG, "`%.*s...`: expected " KIND_LIST, WORD, item);
            item[n++] = blank ? ' ' : *text;
        }
        if (n > 0 && item[n - 1] == ' ') n--;
        item[n] = '\0';
        if (n == 0)
            return trb_fail(TRB_ECONFIG,
                            "an item is empty; expected a list such as [crop 4, flip, cutout 8, mixup 0.2]");
        TRB_TRY(read_item(item, &last, &read));
        more = *text++ == ',';
    }
    *r = read;
    return TRB_OK;
}

static void begin(trb_text *t, const char *item)
{
    trb_text_add(t, "%s%s", t->n == 0 ? "" : ", ", item);
}

static void append_decimal(trb_text *t, double value)
{
    const uint64_t micro = (uint64_t)(value * (double)UNIT + 0.5);
    uint64_t fraction = micro % UNIT;
    int digits = DECIMALS;
    for (; digits > 0 && fraction % 10 == 0; digits--) fraction /= 10;
    trb_text_add(t, " %" PRIu64, micro / UNIT);
    if (digits > 0) trb_text_add(t, ".%0*" PRIu64, digits, fraction);
}

static void put_decimal(trb_text *t, int k, double value)
{
    if (value == 0.0) return;
    begin(t, kind_name[k]);
    append_decimal(t, value);
}

static void put_pixels(trb_text *t, int k, size_t pixels)
{
    if (pixels == 0) return;
    begin(t, kind_name[k]);
    trb_text_add(t, " %zu", pixels);
}

/* \param[in] t  has TRB_RECIPE_BYTES, more than the longest name of a view */
static void put_recipe(trb_text *t, const trb_recipe *r)
{
    put_pixels(t, CROP, r->crop);
    if (r->flip) begin(t, kind_name[FLIP]);
    put_decimal(t, ROTATE, r->rotate);
    put_decimal(t, ZOOM, r->zoom);
    put_decimal(t, SHIFT, r->shift);
    put_pixels(t, CUTOUT, r->cutout);
    put_decimal(t, MIXUP, r->mixup);
    if (r->step == TRB_STEP_NONE) return;
    put_decimal(t, r->step == TRB_STEP_GAUSSIAN ? GAUSSIAN : r->step == TRB_STEP_ODS ? ODS : CONFODS, r->size);
    if (trb_recipe_stored(r) && r->temperature != 1.0) append_decimal(t, r->temperature);
}

void trb_recipe_text(const trb_recipe *r, char text[TRB_RECIPE_BYTES])
{
    trb_text t = trb_text_in(text, TRB_RECIPE_BYTES);
    put_recipe(&t, r);
}

bool trb_recipe_stored(const trb_recipe *r)
{
    return r->step == TRB_STEP_ODS || r->step == TRB_STEP_CONFODS;
}

bool trb_recipe_moves(const trb_recipe *r)
{
    return r->rotate > 0.0 || r->zoom > 0.0 || r->shift > 0.0;
}

bool trb_recipe_empty(const trb_recipe *r)
{
    return r->crop == 0 && !r->flip && !trb_recipe_moves(r) && r->cutout == 0 && r->mixup == 0.0 &&
           r->step == TRB_STEP_NONE;
}

trb_status trb_recipe_check(const trb_recipe *r, trb_shape shape)
{
    const size_t side = shape.h < shape.w ? shape.h : shape.w;
    if (shape.h * shape.w == 1 && (r->crop > 0 || r->flip || trb_recipe_moves(r) || r->cutout > 0))
        return trb_fail(TRB_ECONFIG,
                        "%s needs images, but samples are rows of %zu columns; only mixup, gaussian, ods and confods "
                        "fit them",
                        kind_name[r->crop > 0       ? CROP
                                  : r->flip         ? FLIP
                                  : r->rotate > 0.0 ? ROTATE
                                  : r->zoom > 0.0   ? ZOOM
                                  : r->shift > 0.0  ? SHIFT
                                                    : CUTOUT],
                        shape.c);
    if (r->crop >= side && r->crop > 0)
        return trb_fail(TRB_ECONFIG,
                        "`crop %zu` could move an image of %zu x %zu pixels out of sight; at most crop %zu", r->crop,
                        shape.h, shape.w, side - 1);
    if (r->shift > (double)(side - 1))
        return trb_fail(TRB_ECONFIG,
                        "`shift %g` could move an image of %zu x %zu pixels out of sight; at most shift %zu", r->shift,
                        shape.h, shape.w, side - 1);
    if (r->cutout > side)
        return trb_fail(TRB_ECONFIG, "`cutout %zu` is larger than an image of %zu x %zu pixels; at most cutout %zu",
                        r->cutout, shape.h, shape.w, side);
    return TRB_OK;
}

static void append_constants(trb_text *t, const char *name, const trb_data *data, const float *constants)
{
    char hex[17];
    trb_hash_hex(trb_hash_bytes(constants, data->shape.c * sizeof *constants), hex);
    trb_text_add(t, ", %s %s", name, hex);
}

void trb_view_text(const trb_recipe *r, const trb_data *data, uint64_t held_out, uint64_t split_seed,
                   char text[TRB_RECIPE_BYTES])
{
    const bool stored = trb_recipe_stored(r);
    trb_text t = trb_text_in(text, TRB_RECIPE_BYTES);
    put_recipe(&t, r);
    if (r->cutout > 0 || stored) append_constants(&t, "mean", data, data->mean);
    if (stored || (r->step == TRB_STEP_GAUSSIAN && data->type != TRB_U8))
        append_constants(&t, "scale", data, data->scale);
    if (r->mixup > 0.0 && held_out > 0)
        trb_text_add(&t, ", without %" PRIu64 " by seed %" PRIu64, held_out, split_seed);
}
