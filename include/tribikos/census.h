/** What a data set consists of: how often each label occurs, the range of targets, constant inputs, repeated rows.
 *
 * Plain counts over all rows or over some of them. They are the same on every rank, and nothing is changed. All
 * functions are local. `ids` are rows in [0, N); NULL means rows 0..n-1.
 */
#ifndef TRB_CENSUS_H
#define TRB_CENSUS_H

#include "tribikos/data.h"
#include "tribikos/text.h"

/** How many rows have each label. */
typedef struct {
    size_t classes; /* labels are below it */
    size_t rows;
    size_t from;        /* labels in the files are larger by this */
    char *const *word;  /* [classes] the labels in the files, if they are words; else NULL. Borrowed from the schema */
    uint64_t *n;        /* [classes] */
    size_t seen;        /* classes that have rows */
    size_t first, last; /* the smallest and the largest label that occurs */
    uint64_t least, most; /* rows of the rarest and of the most frequent label that occurs */
} trb_label_counts;

/** Count the labels of rows `ids`. \param[in] classes  at least d->classes   \param[out] out  released with
 * trb_label_counts_clear()   \return TRB_OK; TRB_ENOMEM */
trb_status trb_labels_count(const trb_data *d, size_t n, const int64_t *ids, size_t classes, trb_label_counts *out);
void trb_label_counts_clear(trb_label_counts *c); /* Zeros allowed. */

/** Add the label of class k as it is in the files: a number, or a word in quotes. */
void trb_label_add(const trb_label_counts *c, size_t k, trb_text *text);
/** Add the labels that occur, or those that do not occur, as they are in the files: "0 to 2, 255"; a long list ends in
 * "...". */
void trb_labels_list(const trb_label_counts *c, bool occur, trb_text *text);

/** Range, mean and standard deviation of targets, in the unit of the file. */
typedef struct {
    double least, most, mean, deviation;
} trb_target_range;
trb_target_range trb_targets_range(const trb_data *d, size_t n, const int64_t *ids);

/** How many inputs of a table have the same value in all rows; 0 for images. */
trb_status trb_inputs_constant(const trb_data *d, size_t *constant);

/** Find an input of a table that looks like labels: whole numbers from 0 or 1 on without a gap, 2 to 100 of them, each
 * in two rows or more. \param[out] input  the first such input; shape.c if there is none */
trb_status trb_inputs_like_labels(const trb_data *d, size_t *input);

/** Count the rows of `b` whose inputs equal, byte by byte, those of a row of `a`. Each row is known by its digest, so
 * memory is needed for the digests of `b` only.
 * \param[in] a,b  of the same type and sample shape; they may be the same data set with other ids
 * \return TRB_OK; TRB_ENOMEM */
trb_status trb_rows_copied(const trb_data *a, size_t n_a, const int64_t *a_ids, const trb_data *b, size_t n_b,
                           const int64_t *b_ids, size_t *copied);

#endif
