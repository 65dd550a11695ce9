/** What the columns and classes of a data set are called, and how its files are read.
 *
 * The training files decide it once (trb_data_survey()). Every other set is read by it: the test set, sets out of
 * distribution, new inputs. So a column is found by its name, a word is the same label in every file, and a value is
 * moved by the same offset.
 *
 * A schema has a text form, which weights files and cache manifests store. It is JSON in UTF-8, so that in Python
 * `json.loads(file.attrs["schema"])` reads it:
 *
 *     {"header": true, "layout": "auto", "columns": 4, "inputs": [
 *     {"column": 0, "name": "age", "fill": 41.5},
 *     {"column": 1, "name": "city", "category": "Oslo"},
 *     {"column": 1, "name": "city", "category": "Rome"},
 *     {"column": 2, "name": "time", "offset": 1600000000}],
 *     "target": {"column": 3, "name": "kind"}, "classes": [
 *     "no",
 *     "yes"]}
 *
 * A value that is not known, or an offset of 0, is left out. `target` has an "offset" in regression. It is {} if tables
 * have no labels or targets (data.target: none).
 *
 * All functions are local.
 */
#ifndef TRB_SCHEMA_H
#define TRB_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tribikos/status.h"

/** The order of the sizes of an image in an array. AUTO decides by the sizes [N][a][b][c]; the first row that fits
 * counts:
 *
 *   a is at most half of b and half of c                                    NCHW
 *   c is at most half of a and half of b, a and b within a factor of 3      NHWC
 *   c is at most half of a and half of b                                    refused
 *   b = c > 1, a is another number, and c is not 1, 3 or 4                  NCHW
 *   a = b, c is smaller, and a is not 1, 3 or 4                             NHWC
 *   all else                                                                refused */
typedef enum { TRB_AXES_AUTO, TRB_AXES_NCHW, TRB_AXES_NHWC } trb_axes;

/** No column of a table. */
#define TRB_NO_COLUMN SIZE_MAX

/** One input of a table (a column, or one word of a column of words), or one channel or column of an array. */
typedef struct {
    char *name;     /* of the column in the file; NULL if columns have no names */
    char *category; /* the input is 1 where the column holds this word, else 0; NULL: the input is the column's number.
                     * The words of a column are neighbours, in the order of their bytes */
    double offset;  /* is subtracted in double before a value becomes a float32; 0 where float32 is exact enough */
    double fill;    /* stands for a missing value (data.missing: mean); NAN: there is none */
    size_t column;  /* tables: its column in the training files, from 0 */
} trb_schema_input;

typedef struct {
    bool header;      /* tables: the first line of a file names the columns */
    trb_axes layout;  /* arrays of images; never TRB_AXES_AUTO once it is decided */
    size_t n_columns; /* tables: columns of the training files, with those that are not read; 0: arrays */
    size_t n_inputs;  /* 0: nothing is known of the inputs: no names, no offsets */
    trb_schema_input *input;
    char *target;         /* the name of the column of targets or labels; NULL if it has none */
    size_t target_column; /* tables: as an input's; TRB_NO_COLUMN: they have no labels or targets */
    double target_offset; /* as an input's */
    size_t n_classes;     /* 0: labels are numbers; else class k is called class_name[k], in the order of their bytes */
    char **class_name;
} trb_schema;

/** Releases what the schema holds, and makes it empty. NULL is allowed. */
void trb_schema_clear(trb_schema *s);

/** Whether there is anything to store: names, words, offsets, means for missing values, a layout other than
 * [N][C][H][W], or columns of a table that are not the inputs in order and then the target. NULL says nothing. */
bool trb_schema_says(const trb_schema *s);

/** Whether any input or the target has an offset. NULL has none. */
bool trb_schema_moves(const trb_schema *s);

/** The text form. \param[out] text  the caller releases it with trb_free() */
trb_status trb_schema_write(const trb_schema *s, char **text);

/** Read the text form. Every part of it is checked, and no more memory is reserved than the text has room for.
 * \param[in] text   ends in a zero byte; may be hostile
 * \param[in] where  the file that holds it, for messages
 * \param[out] out   the caller clears it; untouched on failure
 * \return TRB_OK; TRB_EINTEGRITY, with the place in the text */
trb_status trb_schema_read(const char *where, const char *text, trb_schema *out);

#endif
