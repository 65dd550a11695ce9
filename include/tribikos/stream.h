/** A data set that is read from its beginning to its end, block by block, so that it may be larger than the memory.
 *
 * The rows are those that trb_data_load() (data.h) reads of the same files, in the same order and with the same bits.
 * All formats can be read in this way, packed files too; only a NumPy array in Fortran's order is held whole. Every
 * reader has a stream of its own, and passes over the rows of other readers: in a packed file these are unpacked, in a
 * table their lines are found, all else is skipped. What is wrong with a row is found by its reader alone.
 *
 * All functions are local.
 */
#ifndef TRB_STREAM_H
#define TRB_STREAM_H

#include "tribikos/data.h"

typedef struct trb_data_stream trb_data_stream;

/** Consecutive rows. Everything is borrowed from the stream, until the next call. */
typedef struct {
    trb_data data;     /* without digests and constants; `classes`: the largest label of these rows, plus 1 */
    const int64_t *id; /* [n] the number of the row in the files, from 0, where rows that are left out count */
    const char *key;   /* n texts, each with its zero byte: the names of the rows; NULL: they have none */
} trb_stream_rows;

/** Begin with the first file. Nothing is read of its rows.
 * \param[in] files  borrowed until the close; files->schema must be set if the format is surveyed, and files->n_rows 0
 * \return as trb_data_load() */
trb_status trb_stream_open(const trb_data_files *files, trb_data_stream **out);

/** Read the next n rows, or pass over them.
 * \param[out] got   how many; less than n only at the end
 * \param[out] rows  the rows; NULL: they are passed over
 * \return as trb_data_load() */
trb_status trb_stream_next(trb_data_stream *s, size_t n, size_t *got, trb_stream_rows *rows);

/** What the column of the rows' names is called, in the first file: "" if it has no name, NULL if rows have none. A
 * table's first column names the rows, or else one that is called id, if it is neither an input nor the target.
 * Borrowed. */
const char *trb_stream_key(const trb_data_stream *s);
/** Shape and type of the samples, without any rows; of a table, how many values were missing and rows left out so far,
 * and files without a header, as this reader has seen it. Borrowed. */
const trb_data *trb_stream_like(trb_data_stream *s);
bool trb_stream_labelled(const trb_data_stream *s); /* whether there are labels or targets */

/** How much has been read, from 0 to 1, judged by the bytes of the files. */
double trb_stream_share(const trb_data_stream *s);
/** How many files, or pairs of files, there are. */
size_t trb_stream_units(const trb_data_stream *s);
/** In each of them, whether this reader has seen numbers with a decimal point, and with a decimal comma. A file must not
 * have both, but one reader may have met the one and another reader the other.
 * \param[out] points,commas  [units], 1 or 0 */
void trb_stream_decimals(const trb_data_stream *s, double *points, double *commas);
/** Refuse a file that has both. \param[in] points,commas  [units], sums over all readers
 * \return TRB_OK; TRB_EINPUT */
trb_status trb_stream_expect_decimals(const trb_data_stream *s, const double *points, const double *commas);

void trb_stream_close(trb_data_stream *s); /* NULL allowed */

#endif
