/** What the columns and classes of a data set are called, and how its files are read.
 *
 * The training files decide it once (trb_data_survey()). Every other set is read by it: the test set, sets out of
 * distribution, new inputs. So a column is found by its name, a word is the same label in every file, and a value is
 * moved by the same offset.
 *
 * All functions are local.
 */
#ifndef TRB_SCHEMA_H
#define TRB_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "tribikos/status.h"

/** The order of the sizes of an image in an array. AUTO decides by the sizes [N][a][b][c]: NCHW if a is 1, 3 or 4 and c
 * is not; NHWC if c is 1, 3 or 4, a is not, and only [a][b] looks like an image (sides within a factor of 3, b at least
 * twice c). If both a and c are 1, 3 or 4, or if none of them is although only [a][b] looks like an image, or if c is
 * but [b][c] looks like an image too, nothing is guessed: the array is refused. All else is NCHW. */
typedef enum { TRB_LAYOUT_AUTO, TRB_LAYOUT_NCHW, TRB_LAYOUT_NHWC } trb_layout;

/** One input of a table (a column, or one word of a column of words), or one channel or column of an array. */
typedef struct {
    char *name;     /* of the column in the file; NULL if columns have no names */
    char *category; /* the input is 1 where the column holds this word, else 0; NULL: the input is the column's number */
    double offset;  /* is subtracted in double before a value becomes a float32; 0 where float32 is exact enough */
    double fill;    /* stands for a missing value (data.missing: mean); NAN: there is none */
} trb_schema_input;

typedef struct {
    bool header;       /* tables: the first line of a file names the columns */
    trb_layout layout; /* arrays of images; never TRB_LAYOUT_AUTO once it is decided */
    size_t n_inputs;   /* 0: nothing is known of the inputs: no names, no offsets */
    trb_schema_input *input;
    char *target;         /* the name of the column of targets or labels; NULL if it has none */
    double target_offset; /* as an input's */
    size_t n_classes;     /* 0: labels are numbers; else class k is called class_name[k] */
    char **class_name;
} trb_schema;

/** Releases what the schema holds, and makes it empty. */
void trb_schema_clear(trb_schema *s);

#endif
