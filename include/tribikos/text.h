/** Texts: what a terminal may be shown, and which of the known words the user probably meant. */
#ifndef TRB_TEXT_H
#define TRB_TEXT_H

#include <stddef.h>

/** Make a text harmless for a terminal: control characters (C0, DEL, C1) and bytes that are no UTF-8 become question
 * marks. Files may be hostile, and all that is quoted from them goes through here. Local. \return text */
char *trb_printable(char *text);

/** The known word with the smallest edit distance (insertions, deletions, replacements and swaps of neighbours count
 * one each); the first among equals. Local.
 *
 * \param[in] word   what was found; only its first 255 bytes are looked at
 * \param[in] words  [n] the known words, borrowed
 * \return one of `words`; NULL only if n is 0 */
const char *trb_nearest(const char *word, size_t n, const char *const *words);

#endif
