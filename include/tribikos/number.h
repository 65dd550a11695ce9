/** Numbers as text, in the same form in every locale: the decimal separator is always a point.
 *
 * All functions are local and thread-safe.
 */
#ifndef TRB_NUMBER_H
#define TRB_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/** Read a decimal number: digits, a point, an exponent, signs. It refuses what strtod() would also take: blanks,
 * hexadecimal numbers, inf and nan.
 * \param[in] text,n  all of the first n characters must be the number; a zero byte or another character follows
 * \param[out] value  infinite if the number is beyond the range of a double
 * \return false if the text is not a number; `value` is then untouched */
bool trb_number_read(const char *text, size_t n, double *value);

enum { TRB_NUMBER_BYTES = 32 };

/** Print a number with 17 significant digits, enough to read back the same double. \param[in] value  finite */
void trb_number_print(double value, char text[TRB_NUMBER_BYTES]);

/** Print a number with as few digits as trb_number_read() needs to read back the same double. \param[in] value  finite
 * \param[in] digits  it tries this many significant digits first, 1 to 17 */
void trb_number_shortest(double value, int digits, char text[TRB_NUMBER_BYTES]);

/** Print a whole number for people, with a comma between thousands: "60,000". \return text */
const char *trb_number_grouped(size_t n, char text[TRB_NUMBER_BYTES]);

/** Print a figure for people: with so many decimals, and from 1e6 on with four significant digits instead.
 * \param[in] decimals  below 0: four significant digits at any size   \return text */
const char *trb_number_figure(double value, int decimals, char text[TRB_NUMBER_BYTES]);

/** A count with its noun, for messages: "1 row", "2 rows", "1 class", "3 classes", "2 batches". `noun` is the singular
 * of a noun whose plural takes an s, or es after s, x, ch and sh. \return text, cut off if it has no room */
const char *trb_number_count(size_t n, const char *noun, char text[TRB_NUMBER_BYTES]);
/** The same with room of its own, which lasts to the end of the block in which it stands. */
#define TRB_COUNT(n, noun) trb_number_count((n), (noun), (char[TRB_NUMBER_BYTES]){0})

#endif
