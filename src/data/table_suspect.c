/* Columns that are seldom meant as inputs: an index of the rows, and a copy of the target in other words or numbers.
 * Both are judged while the survey reads the values, from a few numbers a column: nothing is kept of measurements,
 * since their first repeated value, or the second value of a label, ends the question. */
#include "table.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tribikos/hash.h"
#include "tribikos/memory.h"

/* ---- an index of rows */

enum {
    KEPT = 1 << 14, /* values of which it is known whether they are distinct: measurements repeat long before */
    FEW = 5,        /* rows from which a count from 0 or 1 in the first column is no accident */
    SOME = 10,      /* the same for any column, and for any order */
    MANY = 30,      /* for numbers with gaps: fewer rows may be distinct by accident */
    LOTS = 1000     /* for numbers that begin anywhere: so many years or steps are rare */
};

static uint64_t hash_of(int64_t number)
{
    const uint64_t hash = trb_hash_bytes(&number, sizeof number);
    return hash != 0 ? hash : 1; /* 0 is an empty place */
}

static void put(uint64_t *seen, size_t room, uint64_t hash, bool *found)
{
    size_t at = (size_t)hash & (room - 1);
    while (seen[at] != 0 && seen[at] != hash) at = (at + 1) & (room - 1);
    *found = seen[at] == hash;
    seen[at] = hash;
}

static trb_status keep(trb__index *x, uint64_t hash)
{
    bool found = false;
    if (x->n_seen == KEPT) return TRB_OK;
    if (2 * x->n_seen >= x->room) {
        const size_t room = x->room > 0 ? 2 * x->room : 32;
        uint64_t *seen = NULL;
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, room, sizeof *seen, &seen));
        for (size_t i = 0; i < x->room; i++)
            if (x->seen[i] != 0) put(seen, room, x->seen[i], &found);
        trb_free(x->seen);
        x->seen = seen;
        x->room = room;
    }
    put(x->seen, x->room, hash, &found);
    x->n_seen += !found;
    x->repeats = found;
    return TRB_OK;
}

trb_status trb__index_add(trb__index *x, size_t row, double value)
{
    if (x->n++ == 0) {
        x->whole = x->from_0 = x->from_1 = true;
        x->least = x->most = value;
    }
    x->from_0 = x->from_0 && fabs(value - (double)row) < 0.5;
    x->from_1 = x->from_1 && fabs(value - (double)row - 1.0) < 0.5;
    x->whole = x->whole && value == floor(value) && fabs(value) < 0x1p53;
    if (!x->whole || x->repeats) {
        trb_free(x->seen);
        x->seen = NULL;
        x->room = x->n_seen = 0;
        return TRB_OK;
    }
    const uint64_t hash = hash_of((int64_t)value);
    x->least = fmin(x->least, value);
    x->most = fmax(x->most, value);
    x->sum += hash;
    return keep(x, hash);
}

/* Whether the values are all whole numbers from the least to the most, each once. Sums of hashes are equal by accident
 * once in 2^64. */
static bool has_no_gap(const trb__index *x)
{
    uint64_t sum = 0;
    if (x->most - x->least + 1.0 != (double)x->n) return false;
    for (size_t i = 0; i < x->n; i++) sum += hash_of((int64_t)x->least + (int64_t)i);
    return sum == x->sum;
}

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), k = strlen(end);
    return n >= k && strcasecmp(name + n - k, end) == 0;
}

/* `id`, `sample_id`, `PassengerId`, but not `acid`; and what pandas calls an index that it has read as a column. */
static bool is_called_id(const char *name)
{
    const size_t n = strlen(name);
    if (strcasecmp(name, "id") == 0 || strncasecmp(name, "unnamed: ", 9) == 0) return true;
    if (ends_in(name, "_id") || ends_in(name, "-id") || ends_in(name, " id") || ends_in(name, ".id")) return true;
    return n > 2 && name[n - 2] == 'I' && ends_in(name, "id") && islower((unsigned char)name[n - 3]);
}

/* Names that measurements may have, too. */
static bool is_called_index(const char *name)
{
    static const char *const names[] = {"index",    "idx",       "key", "row", "rowid",
                                        "rownames", "row.names", "#",   "no",  "nr"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return true;
    return false;
}

const char *trb__index_looks(const trb__index *x, size_t rows, size_t column, const char *name)
{
    const bool all = x->n == rows && x->whole, distinct = all && !x->repeats;
    const bool begins = x->least >= 0.0 && x->least <= 1.0;
    if (all && rows >= (column == 0 ? FEW : SOME) && (x->from_0 || x->from_1)) return "counts the rows";
    if (distinct && rows >= SOME && (begins || rows >= LOTS) && has_no_gap(x))
        return "has each whole number of a range once, as an index of rows";
    if (distinct && rows >= MANY && x->least >= 0.0 && x->least <= 20.0 && x->most < 2.0 * (double)rows)
        return "has whole numbers that never repeat, as an index of rows";
    if (name == NULL) return NULL;
    if (name[0] == '\0' && column == 0) return "has no name, as an index of rows";
    if (x->n > 0 && x->whole && (is_called_id(name) || (!x->repeats && is_called_index(name))))
        return "has the name of an index of rows";
    return NULL;
}

bool trb__index_counts(const trb__index *x, size_t rows)
{
    if (x->n != rows || rows < SOME || !x->whole || x->repeats) return false;
    return x->from_0 || x->from_1 || (x->least >= 0.0 && x->least <= 1.0 && has_no_gap(x));
}

void trb__index_clear(trb__index *x)
{
    trb_free(x->seen);
    *x = (trb__index){0};
}

/* ---- a copy of the target */

enum { LABELS = 4096, PAIRS = 10, PAIRS_A_LABEL = 2 };

trb_status trb__twin_add(trb__twin *t, double label, double value)
{
    if (t->differs) return TRB_OK;
    t->differs = !(label >= 0.0 && label < LABELS) || label != floor(label);
    const size_t k = t->differs ? 0 : (size_t)label;
    if (k >= t->room) {
        size_t room = t->room > 0 ? t->room : 16;
        double *of = NULL;
        while (room <= k) room *= 2;
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, room, sizeof *of, &of));
        for (size_t i = 0; i < room; i++) of[i] = i < t->room ? t->of[i] : NAN;
        trb_free(t->of);
        t->of = of;
        t->room = room;
    }
    if (isnan(t->of[k])) t->of[k] = value;
    t->differs = t->differs || t->of[k] < value || t->of[k] > value;
    t->n++;
    if (t->differs) {
        trb_free(t->of);
        t->of = NULL;
        t->room = 0;
    }
    return TRB_OK;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

bool trb__twin_is(trb__twin *t)
{
    size_t n = 0;
    if (t->differs || t->n < PAIRS) return false;
    for (size_t k = 0; k < t->room; k++)
        if (!isnan(t->of[k])) t->of[n++] = t->of[k];
    t->room = n;
    if (n < 2 || t->n < PAIRS_A_LABEL * n) return false;
    qsort(t->of, n, sizeof *t->of, by_value);
    for (size_t i = 1; i < n; i++)
        if (!(t->of[i] > t->of[i - 1])) return false;
    return true;
}

void trb__twin_clear(trb__twin *t)
{
    trb_free(t->of);
    *t = (trb__twin){0};
}
