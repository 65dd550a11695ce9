/** Numbers as text, the same in every locale: a decimal point is a point, whatever the process's own locale says.
 *
 * All functions are local and thread-safe.
 */
#ifndef TRB_NUMBER_H
#define TRB_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/** Read a decimal number: digits, a point, an exponent, signs. What strtod() also takes is refused: blanks, hexadecimal
 * numbers, inf, nan.
 * \param[in] text,n  the number is all of the first n characters; a zero byte or another character follows
 * \param[out] value  beyond the range of a double an infinity
 * \return false if it is no number; `value` is then untouched */
bool trb_number_read(const char *text, size_t n, double *value);

enum { TRB_NUMBER_BYTES = 32 };

/** Print a number with 17 significant digits, from which every reader gets the same number. \param[in] value  finite */
void trb_number_print(double value, char text[TRB_NUMBER_BYTES]);

/** Print the shortest text that trb_number_read() reads back to the same number. \param[in] value  finite
 * \param[in] digits  it tries this many significant digits first, 1 to 17 */
void trb_number_shortest(double value, int digits, char text[TRB_NUMBER_BYTES]);

#endif
