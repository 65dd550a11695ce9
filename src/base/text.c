/* Makes texts harmless for a terminal, and finds the known word nearest to a misspelt one. */
#include "tribikos/text.h"

#include <string.h>

enum { LONGEST = 255 };

/* The number of bytes of the UTF-8 character at `at`, or 0 if there is none. Encodings that are longer than necessary
 * are refused: they could hide a control character. \param[out] is  the character's number */
static size_t character(const unsigned char *at, unsigned *is)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned first = at[0];
    *is = first;
    if (first < 0x80) return 1;
    const size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    unsigned code = first & (0x7fU >> n);
    if (first < 0xc0 || first >= 0xf8) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0; /* true of the final zero byte too */
        code = code << 6 | (at[i] & 0x3f);
    }
    *is = code;
    return code >= least[n] && code <= 0x10ffff ? n : 0;
}

/* The same, or 0 if it must not be shown. The characters C1, U+0080 to U+009F, control a terminal as ESC does. */
static size_t shown_bytes(const unsigned char *at)
{
    unsigned is = 0;
    const size_t n = character(at, &is);
    return is < ' ' || (is >= 0x7f && is < 0xa0) ? 0 : n;
}

const char *trb_text_not_utf8(const char *text)
{
    unsigned is = 0;
    for (size_t n = 0; *text != '\0'; text += n) {
        n = character((const unsigned char *)text, &is);
        if (n == 0 || (is >= 0xd800 && is <= 0xdfff)) return text;
    }
    return NULL;
}

char *trb_printable(char *text)
{
    for (char *at = text; *at != '\0';) {
        const size_t n = shown_bytes((const unsigned char *)at);
        if (n == 0) *at = '?';
        at += n == 0 ? 1 : n;
    }
    return text;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance. The table holds the distances between all beginnings of both words; three of its
 * rows are needed at a time. */
size_t trb_text_distance(const char *a, const char *b)
{
    const size_t na = strnlen(a, LONGEST), nb = strnlen(b, LONGEST);
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= nb; j++) rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *row = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[na % 3][nb];
}

const char *trb_nearest(const char *word, size_t n, const char *const *words)
{
    const char *best = NULL;
    size_t best_distance = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t d = trb_text_distance(word, words[i]);
        if (best == NULL || d < best_distance) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}

const char *trb_text_meant(const char *word, size_t n, const char *const *words)
{
    const char *nearest = trb_nearest(word, n, words);
    const size_t third = strnlen(word, LONGEST) / 3;
    return nearest != NULL && trb_text_distance(word, nearest) <= (third > 0 ? third : 1) ? nearest : NULL;
}
