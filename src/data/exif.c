/* The orientation in EXIF data, which are a TIFF file: a header, then a directory of entries of 12 bytes each. */
#include "image.h"

#include <string.h>

static size_t number(const uint8_t *at, size_t n, bool big)
{
    size_t value = 0;
    for (size_t i = 0; i < n; i++) value |= (size_t)at[i] << 8 * (big ? n - 1 - i : i);
    return value;
}

unsigned trb__exif_turn(const uint8_t *at, size_t n)
{
    enum { HEADER = 8, ENTRY = 12, ORIENTATION = 0x112, SHORT = 3 };
    if (n < HEADER || (memcmp(at, "II*\0", 4) != 0 && memcmp(at, "MM\0*", 4) != 0)) return 1;
    const bool big = at[0] == 'M';
    const size_t first = number(at + 4, 4, big);
    if (first > n - 2) return 1;
    const size_t entries = number(at + first, 2, big), room = (n - first - 2) / ENTRY;
    for (size_t i = 0; i < entries && i < room; i++) {
        const uint8_t *entry = at + first + 2 + i * ENTRY;
        if (number(entry, 2, big) != ORIENTATION || number(entry + 2, 2, big) != SHORT) continue;
        const size_t turn = number(entry + 8, 2, big);
        return turn >= 1 && turn <= 8 ? (unsigned)turn : 1;
    }
    return 1;
}
