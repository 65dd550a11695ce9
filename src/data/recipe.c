/* Recipes: their text, and which samples they fit. */
#include "tribikos/augment.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tribikos/hash.h"
#include "tribikos/text.h"

/* Numbers are read and written in digits alone, which no locale changes. A's unit is 10^-6: the quotient of two whole
 * numbers is the double nearest to the decimal. */
enum { PIXELS_MAX = 9999, WORD = 32, DECIMALS = 6 };
static const uint64_t A_UNIT = 1000000, A_MAX = 1000;

enum { CROP, FLIP, CUTOUT, MIXUP, KINDS };
static const char *const kind_name[KINDS] = {"crop", "flip", "cutout", "mixup"};
static const char *const kind_takes[KINDS] = {
    "takes a number of pixels from 1 to 9999 (crop 4)", "stands alone",
    "takes a number of pixels from 1 to 9999 (cutout 8)",
    "takes a number above 0 and up to 1000 with at most 6 decimals (mixup 0.2)"};

static bool read_pixels(const char *text, size_t *pixels)
{
    size_t n = 0;
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text)) return false;
    for (; *text != '\0' && n <= PIXELS_MAX; text++) n = 10 * n + (size_t)(*text - '0');
    *pixels = n;
    return n >= 1 && n <= PIXELS_MAX;
}

static bool read_mixup(const char *text, double *A)
{
    uint64_t micro = 0;
    const size_t whole = strspn(text, "0123456789");
    const char *fraction = text[whole] == '.' ? text + whole + 1 : text + whole;
    const size_t decimals = strspn(fraction, "0123456789");
    if (whole < 1 || whole > 4 || decimals > DECIMALS || fraction[decimals] != '\0') return false;
    if (text[whole] == '.' && decimals == 0) return false;
    for (size_t i = 0; i < whole; i++) micro = 10 * micro + (uint64_t)(text[i] - '0');
    for (size_t i = 0; i < DECIMALS; i++) micro = 10 * micro + (i < decimals ? (uint64_t)(fraction[i] - '0') : 0);
    *A = (double)micro / (double)A_UNIT;
    return micro > 0 && micro <= A_MAX * A_UNIT;
}

/* One item: a word, and what stands behind it. */
static trb_status read_item(const char *item, int *last, trb_recipe *r)
{
    char word[WORD] = "";
    size_t n = strcspn(item, " "), kind = 0;
    (void)snprintf(word, sizeof word, "%.*s", (int)(n < WORD ? n : WORD), item);
    const char *argument = item[n] == ' ' ? item + n + 1 : item + n;
    while (kind < KINDS && strcmp(word, kind_name[kind]) != 0) kind++;
    if (kind == KINDS)
        return trb_fail(TRB_ECONFIG, "`%s`: expected crop, flip, cutout or mixup; did you mean `%s`?", item,
                        trb_nearest(word, KINDS, kind_name));
    bool good = false;
    switch (kind) {
    case CROP:
        good = read_pixels(argument, &r->crop);
        break;
    case FLIP:
        good = r->flip = argument[0] == '\0';
        break;
    case CUTOUT:
        good = read_pixels(argument, &r->cutout);
        break;
    case MIXUP:
        good = read_mixup(argument, &r->mixup);
        break;
    default:
        break;
    }
    if (!good) return trb_fail(TRB_ECONFIG, "`%s`: %s %s, got `%s`", item, kind_name[kind], kind_takes[kind], argument);
    if ((int)kind <= *last)
        return trb_fail(TRB_ECONFIG,
                        "`%s` stands behind `%s`: each item comes at most once, in the order crop, flip, cutout, mixup",
                        item, kind_name[*last]);
    *last = (int)kind;
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
            if (n + 1 == sizeof item)
                return trb_fail(TRB_ECONFIG, "`%.*s...`: expected crop, flip, cutout or mixup", WORD, item);
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

static void append(char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append to a text of TRB_RECIPE_BYTES, which the longest name of a view does not fill. */
static void append(char *text, const char *fmt, ...)
{
    size_t n = strlen(text);
    va_list args;
    if (n > 0) n += (size_t)snprintf(text + n, TRB_RECIPE_BYTES - n, ", ");
    va_start(args, fmt);
    (void)vsnprintf(text + n, TRB_RECIPE_BYTES - n, fmt, args);
    va_end(args);
}

void trb_recipe_text(const trb_recipe *r, char text[TRB_RECIPE_BYTES])
{
    text[0] = '\0';
    if (r->crop > 0) append(text, "crop %zu", r->crop);
    if (r->flip) append(text, "flip");
    if (r->cutout > 0) append(text, "cutout %zu", r->cutout);
    if (r->mixup > 0.0) {
        const uint64_t micro = (uint64_t)(r->mixup * (double)A_UNIT + 0.5);
        append(text, "mixup %" PRIu64 ".%06" PRIu64, micro / A_UNIT, micro % A_UNIT);
        size_t n = strlen(text);
        while (text[n - 1] == '0') text[--n] = '\0';
        if (text[n - 1] == '.') text[--n] = '\0';
    }
}

bool trb_recipe_empty(const trb_recipe *r)
{
    return r->crop == 0 && !r->flip && r->cutout == 0 && r->mixup == 0.0;
}

trb_status trb_recipe_check(const trb_recipe *r, trb_shape shape)
{
    const size_t side = shape.h < shape.w ? shape.h : shape.w;
    if (shape.h * shape.w == 1 && (r->crop > 0 || r->flip || r->cutout > 0))
        return trb_fail(TRB_ECONFIG, "%s needs images, but samples are rows of %zu columns; only mixup fits them",
                        kind_name[r->crop > 0 ? CROP
                                  : r->flip   ? FLIP
                                              : CUTOUT],
                        shape.c);
    if (r->crop >= side && r->crop > 0)
        return trb_fail(TRB_ECONFIG,
                        "`crop %zu` could move an image of %zu x %zu pixels out of sight; at most crop %zu", r->crop,
                        shape.h, shape.w, side - 1);
    if (r->cutout > side)
        return trb_fail(TRB_ECONFIG, "`cutout %zu` is larger than an image of %zu x %zu pixels; at most cutout %zu",
                        r->cutout, shape.h, shape.w, side);
    return TRB_OK;
}

void trb_view_text(const trb_recipe *r, const trb_data *data, uint64_t held_out, uint64_t split_seed,
                   char text[TRB_RECIPE_BYTES])
{
    char hex[17];
    trb_recipe_text(r, text);
    if (r->cutout > 0) {
        trb_hash_hex(trb_hash_bytes(data->mean, data->shape.c * sizeof *data->mean), hex);
        append(text, "mean %s", hex);
    }
    if (r->mixup > 0.0 && held_out > 0) append(text, "without %" PRIu64 " by seed %" PRIu64, held_out, split_seed);
}
