/* Counts over the rows of a data set (census.h). */
#include "tribikos/census.h"

#include <math.h>
#include <stdlib.h>

#include "tribikos/alive.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"

static size_t row_at(const int64_t *ids, size_t i)
{
    return ids == NULL ? i : (size_t)ids[i];
}

trb_status trb_labels_count(const trb_data *d, size_t n, const int64_t *ids, size_t classes, trb_label_counts *out)
{
    trb_label_counts c = {.classes = classes, .rows = n, .from = d->labels_from};
    if (d->schema != NULL && d->schema->n_classes >= classes) c.word = d->schema->class_name;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, classes, sizeof *c.n, &c.n));
    for (size_t i = 0; i < n; i++) c.n[d->label[row_at(ids, i)]]++;
    for (size_t k = 0; k < classes; k++) {
        if (c.n[k] == 0) continue;
        if (c.seen == 0) c.first = k;
        c.last = k;
        c.least = c.seen == 0 || c.n[k] < c.least ? c.n[k] : c.least;
        c.most = c.n[k] > c.most ? c.n[k] : c.most;
        c.seen++;
    }
    *out = c;
    return TRB_OK;
}

void trb_label_counts_clear(trb_label_counts *c)
{
    trb_free(c->n);
    *c = (trb_label_counts){0};
}

void trb_label_add(const trb_label_counts *c, size_t k, trb_text *text)
{
    if (c->word != NULL)
        trb_text_add(text, "`%.40s`", c->word[k]);
    else
        trb_text_add(text, "%zu", k + c->from);
}

void trb_labels_list(const trb_label_counts *c, bool occur, trb_text *text)
{
    enum { RUNS_MOST = 8 };
    size_t runs = 0;
    for (size_t k = 0; k < c->classes;) {
        size_t end = k;
        while (end < c->classes && (c->n[end] > 0) == occur && (c->word == NULL || end == k)) end++;
        if (end == k) {
            k++;
            continue;
        }
        if (runs++ == RUNS_MOST) {
            trb_text_add(text, ", ...");
            return;
        }
        trb_text_add(text, "%s", runs > 1 ? ", " : "");
        trb_label_add(c, k, text);
        if (end > k + 1) trb_text_add(text, "%s%zu", end > k + 2 ? " to " : ", ", end - 1 + c->from);
        k = end;
    }
}

trb_target_range trb_targets_range(const trb_data *d, size_t n, const int64_t *ids)
{
    trb_target_range r = {.least = HUGE_VAL, .most = -HUGE_VAL};
    double squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double y = (double)d->target[row_at(ids, i)];
        r.least = fmin(r.least, y);
        r.most = fmax(r.most, y);
        r.mean += y;
    }
    r.mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        const double away = (double)d->target[row_at(ids, i)] - r.mean;
        squares += away * away;
    }
    r.deviation = sqrt(squares / (double)n);
    const double offset =
        d->schema != NULL ? d->schema->target_offset : 0.0; /* it was subtracted when they were read */
    r.least += offset;
    r.most += offset;
    r.mean += offset;
    return r;
}

static bool is_table(const trb_data *d)
{
    return d->shape.h == 1 && d->shape.w == 1;
}

static double value_at(const trb_data *d, size_t row, size_t column)
{
    const size_t at = row * d->shape.c + column;
    return d->type == TRB_U8 ? (double)((const uint8_t *)d->x)[at] : (double)((const float *)d->x)[at];
}

trb_status trb_inputs_constant(const trb_data *d, size_t *constant)
{
    const size_t D = d->shape.c;
    bool *varies = NULL;
    *constant = 0;
    if (!is_table(d)) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, D, sizeof *varies, &varies));
    for (size_t i = 1; i < d->n; i++) {
        trb_alive_at(i);
        for (size_t k = 0; k < D; k++) {
            const double first = value_at(d, 0, k), is = value_at(d, i, k);
            varies[k] = varies[k] || is < first || is > first;
        }
    }
    for (size_t k = 0; k < D; k++) *constant += !varies[k];
    trb_free(varies);
    return TRB_OK;
}

/* Whether the values of a column could be labels. */
static bool is_like_labels(const trb_data *d, size_t column)
{
    enum { MOST = 100 };
    size_t n[MOST + 1] = {0}, last = 0, seen = 0;
    for (size_t i = 0; i < d->n; i++) {
        const double v = value_at(d, i, column);
        if (!(v >= 0.0 && v <= MOST) || v != floor(v)) return false;
        const size_t k = (size_t)v;
        seen += n[k]++ == 0;
        last = k > last ? k : last;
    }
    for (size_t k = 0; k <= last; k++)
        if (n[k] < 2 && (k > 0 || n[k] == 1)) return false;
    return seen >= 2;
}

trb_status trb_inputs_like_labels(const trb_data *d, size_t *input)
{
    *input = d->shape.c;
    for (size_t k = 0; is_table(d) && k < d->shape.c && *input == d->shape.c; k++) {
        trb_alive();
        if (is_like_labels(d, k)) *input = k;
    }
    return TRB_OK;
}

static uint64_t digest_of_row(const trb_data *d, const int64_t *ids, size_t i)
{
    const size_t bytes = trb_shape_size(d->shape) * trb_dtype_bytes(d->type);
    trb_alive_at(i);
    return trb_hash_bytes((const char *)d->x + row_at(ids, i) * bytes, bytes);
}

static int by_value(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The first place of a digest in a sorted list; n if it is not there. */
static size_t find(const uint64_t *list, size_t n, uint64_t digest)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (list[middle] < digest)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && list[low] == digest ? low : n;
}

trb_status trb_rows_copied(const trb_data *a, size_t n_a, const int64_t *a_ids, const trb_data *b, size_t n_b,
                           const int64_t *b_ids, size_t *copied)
{
    trb_status st = TRB_OK;
    uint64_t *list = NULL;
    bool *found = NULL; /* at the first place of each digest */
    *copied = 0;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n_b, sizeof *list, &list));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n_b, sizeof *found, &found));
    for (size_t i = 0; i < n_b; i++) list[i] = digest_of_row(b, b_ids, i);
    if (n_b > 0) qsort(list, n_b, sizeof *list, by_value);
    for (size_t i = 0; i < n_a; i++) {
        const size_t at = find(list, n_b, digest_of_row(a, a_ids, i));
        if (at < n_b) found[at] = true;
    }
    for (size_t i = 0, first = 0; i < n_b; i++) {
        if (list[i] != list[first]) first = i;
        *copied += found[first];
    }
done:
    trb_free(found);
    trb_free(list);
    return st;
}
