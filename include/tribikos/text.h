/** Texts: building them piece by piece, making them harmless for a terminal, and guessing which word the user meant.
 *
 * All functions are local.
 */
#ifndef TRB_TEXT_H
#define TRB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "tribikos/status.h"

/** A text to which pieces are added. Initialised with zeros it is empty and grows as needed. If an addition fails, the
 * later ones do nothing, and trb_text_take() returns the failure; so only the end has to be checked. */
typedef struct {
    char *at;       /* the text so far, with a zero byte at the end; NULL before the first addition */
    size_t n, room; /* n: bytes of the text; room: bytes reserved, with the zero byte */
    bool fixed;     /* the room belongs to the caller and does not grow */
    trb_status st;
} trb_text;

/** A text in a buffer of the caller's. If something does not fit, the text is cut off and ends in "...". No addition
 * fails.
 * \param[out] room  [bytes] borrowed, at least 4; empty at first */
trb_text trb_text_in(char *room, size_t bytes);

/** Add a piece that is formatted as by printf(). */
void trb_text_add(trb_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Add a number as in JSON: 17 significant digits and a decimal point in every locale; `null` if it is not finite. */
void trb_text_number(trb_text *t, double value);
/** Add a text as in JSON: between double quotes, with escapes. */
void trb_text_quoted(trb_text *t, const char *text);

/** End a growing text and hand it over; `t` is then empty. \param[out] out  the caller releases it with trb_free()
 * \return TRB_OK; TRB_ENOMEM if an addition failed */
trb_status trb_text_take(trb_text *t, char **out);
/** Drop a growing text. */
void trb_text_clear(trb_text *t);

/** Make a text of one piece. \param[out] out  the caller releases it with trb_free() */
trb_status trb_text_of(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Make a text harmless for a terminal: control characters (C0, DEL, C1) and bytes that are not UTF-8 become question
 * marks. Everything that is quoted from a file goes through here, because a file may be hostile. \return text */
char *trb_printable(char *text);

/** How many edits make one word of another one: an insertion, a deletion, a replacement or a swap of neighbours counts
 * one. Only the first 255 bytes are looked at. */
size_t trb_text_distance(const char *a, const char *b);
/** The known word with the smallest edit distance to `word`; the first of several.
 *
 * \param[in] word   what was found; only its first 255 bytes are looked at
 * \param[in] words  [n] the known words, borrowed
 * \return one of `words`; NULL only if n is 0 */
const char *trb_nearest(const char *word, size_t n, const char *const *words);

/** As trb_nearest(), but only a word that may be meant: at most a third of the letters of `word` are wrong, or one.
 * \return NULL if none is so near */
const char *trb_text_meant(const char *word, size_t n, const char *const *words);

/** Whether bytes begin with the byte order mark of UTF-16. */
bool trb_text_is_utf16(const void *bytes, size_t n);
/** Rewrite UTF-16 with its mark as UTF-8; half of a pair becomes U+FFFD.
 * \param[out] text   [n / 2 * 3 + 1] at most, ends with a zero byte
 * \param[out] whole  there was no half of a pair
 * \return its length, without the zero byte */
size_t trb_text_from_utf16(const void *bytes, size_t n, char *text, bool *whole);

/** The first byte of a text that is not UTF-8; NULL if there is none. Control characters are allowed, surrogates are
 * not. */
const char *trb_text_not_utf8(const char *text);

#endif
