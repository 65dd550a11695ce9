/** Words: which of the known ones the user probably meant. */
#ifndef TRB_TEXT_H
#define TRB_TEXT_H

#include <stddef.h>

/** The known word with the smallest edit distance (insertions, deletions, replacements and swaps of neighbours count
 * one each); the first among equals. Local.
 *
 * \param[in] word   what was found; only its first 255 bytes are looked at
 * \param[in] words  [n] the known words, borrowed
 * \return one of `words`; NULL only if n is 0 */
const char *trb_nearest(const char *word, size_t n, const char *const *words);

#endif
