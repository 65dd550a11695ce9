/** Texts: put together piece by piece; what a terminal may be shown; which of the known words the user probably meant.
 *
 * All functions are local.
 */
#ifndef TRB_TEXT_H
#define TRB_TEXT_H

#include <stdbool.h>

#include "tribikos/status.h"

/** A text to which pieces are added. All zero, it is empty and grows as it needs. An addition that fails is remembered,
 * the ones after it do nothing: only the end asks. */
typedef struct {
    char *at;       /* what was added, a zero byte behind it; NULL before the first addition */
    size_t n, room; /* bytes: of the text, and for it and the zero byte */
    bool fixed;     /* the room is someone else's and does not grow */
    trb_status st;
} trb_text;

/** A text in a given room: what does not fit is cut off, and the text then ends in "...". No addition fails.
 * \param[out] room  [bytes] borrowed, at least 4; empty at first */
trb_text trb_text_in(char *room, size_t bytes);

/** Add as printf() prints. */
void trb_text_add(trb_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Add a number as JSON has it: with 17 significant digits and a point, whatever the locale; null if it is not finite. */
void trb_text_number(trb_text *t, double value);
/** Add a text as JSON has it, between quotes. */
void trb_text_quoted(trb_text *t, const char *text);

/** End a growing text, which is empty afterwards. \param[out] out  the caller's, released with trb_free()
 * \return TRB_OK; TRB_ENOMEM if an addition failed */
trb_status trb_text_take(trb_text *t, char **out);
/** Drop a growing text. */
void trb_text_clear(trb_text *t);

/** A text of one piece. \param[out] out  as of trb_text_take() */
trb_status trb_text_of(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Make a text harmless for a terminal: control characters (C0, DEL, C1) and bytes that are no UTF-8 become question
 * marks. Files may be hostile, and all that is quoted from them goes through here. \return text */
char *trb_printable(char *text);

/** The known word with the smallest edit distance (insertions, deletions, replacements and swaps of neighbours count
 * one each); the first among equals.
 *
 * \param[in] word   what was found; only its first 255 bytes are looked at
 * \param[in] words  [n] the known words, borrowed
 * \return one of `words`; NULL only if n is 0 */
const char *trb_nearest(const char *word, size_t n, const char *const *words);

#endif
