/* UTF-16, in which editors of Windows write files, as UTF-8 (text.h). */
#include "tribikos/text.h"

#include <stdint.h>

/* Write a character as UTF-8. \return where the next one is to be written */
static char *put_utf8(char *to, uint32_t code)
{
    static const uint32_t begin[] = {0, 0xc0, 0xe0, 0xf0};
    const unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    *to++ = (char)(begin[more] | code >> (6 * more));
    for (unsigned k = more; k-- > 0;) *to++ = (char)(0x80 | (code >> (6 * k) & 0x3f));
    return to;
}

static uint32_t unit_at(const uint8_t *at, bool big)
{
    return big ? (uint32_t)at[0] << 8 | at[1] : (uint32_t)at[1] << 8 | at[0];
}

bool trb_text_is_utf16(const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    return n >= 2 && ((at[0] == 0xff && at[1] == 0xfe) || (at[0] == 0xfe && at[1] == 0xff));
}

size_t trb_text_from_utf16(const void *bytes, size_t n, char *text, bool *whole)
{
    const uint8_t *at = bytes;
    const bool big = at[0] == 0xfe;
    char *to = text;
    *whole = n % 2 == 0;
    for (size_t i = 2; i + 1 < n; i += 2) {
        uint32_t code = unit_at(at + i, big);
        const uint32_t low = i + 3 < n ? unit_at(at + i + 2, big) : 0;
        if (code >= 0xd800 && code < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        } else if (code >= 0xd800 && code < 0xe000) {
            code = 0xfffd; /* half of a pair */
            *whole = false;
        }
        to = put_utf8(to, code);
    }
    *to = '\0';
    return (size_t)(to - text);
}
