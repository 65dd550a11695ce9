/* What the files of the reader of tables share.
 *
 *   table_text.c    a file as lines and fields: encodings, line ends, separators, quotes, numbers
 *   table_window.c  the same for a file that is read piece by piece
 *   table_header.c  whether the first line is a header, and the names in it
 *   table_choice.c  the columns and rows that entries of keys and files choose
 *   table_plan.c    which column of a file is which input, by the schema
 *   table_survey.c  the schema that the training files decide
 *   table_words.c   the different words of a column
 *   table_suspect.c columns that are seldom meant as inputs
 *   table_odd.c     fields that are numbers for people, but not for the reader
 *   table_advice.c  the keys that a table needs, for `tribikos init`
 *   table.c         the samples of a file, by the schema
 *   table_rows.c    the same, piece by piece
 */
#ifndef TRB__DATA_TABLE_H
#define TRB__DATA_TABLE_H

#include "internal.h"

/* The longest name or word, with the zero byte. */
enum { TRB__WORD_BYTES = 1024 };

/* The text of a file: UTF-8 without a mark, with lines that end in LF. A zero byte follows it. */
typedef struct {
    const char *path; /* borrowed */
    trb__bytes bytes;
    const char *at, *end;
    char separator; /* , ; | tab or blank; 0: a comma separates the fields of a line that has one, else blanks */
    bool chosen;    /* by data.separator, not by the first rows */
    bool quotes;    /* the text has double quotes */
} trb__table;

/* Read a file. TRB_EINPUT if it is no text, or if a quoted field does not end.
 * \param[in] by  what separates fields; 0: the first rows show it
 * \param[out] t  released with trb__table_close(), after a failure too */
trb_status trb__table_open(const char *path, char by, trb__table *t);
void trb__table_close(trb__table *t);

/* What a text is made of, found out as it comes. */
typedef enum { TRB__ASCII, TRB__UTF8, TRB__LATIN1, TRB__UTF16 } trb__encoding;
/* Rewrite the bytes of a whole file, or of a piece of one that ends with a character, as UTF-8 with LF at line ends.
 * \param[in,out] text  ends with a zero byte   \param[in,out] as  at first TRB__ASCII, or TRB__UTF16 */
trb_status trb__text_convert(const char *path, trb__bytes *text, trb__encoding *as);
/* Find out what separates the fields of a text, by its first two lines. */
char trb__text_separator(const trb__table *t);
/* Refuse a separator that was chosen, but does not occur in the first line. */
trb_status trb__expect_separator(const trb__table *t);
/* Where the last line that is whole ends: no quoted field is open there. */
const char *trb__text_whole(const trb__table *t);
/* Refuse a text in which a quoted field does not end. \param[in] line  how many lines precede it */
trb_status trb__text_closed(const trb__table *t, size_t line);

typedef struct {
    const char *at; /* without quotes */
    size_t n;
    bool quoted;
} trb__field;

/* A position in a text. It moves from one line that counts to the next, and from field to field in a line. */
typedef struct {
    const trb__table *of;
    const char *next;            /* the next line */
    size_t line, more;           /* its number, from 1; line feeds within it, between quotes */
    const char *rest, *line_end; /* what follows the current field */
    trb__field field;
    size_t column;         /* of the field, from 0 */
    char by;               /* what separates the fields of this line; a blank stands for blanks and tabs */
    const char *comment;   /* the last line that begins with #, before the first row; or NULL */
    size_t rows, comments; /* lines so far that count; lines after the first of them that begin with # */
    size_t points, commas; /* lines of the first number with a decimal point, a decimal comma; 0: none */
    size_t decimals;       /* the same for a comma that cannot separate thousands */
} trb__cursor;

/* A file that is read piece by piece. The table has the text of one piece, which ends with a line; a line that is not
 * whole yet is kept for the next one. */
typedef struct {
    trb__table table;
    trb__source source;
    trb__bytes raw; /* bytes that are not converted yet */
    size_t mark;    /* of them, the byte order mark of UTF-16, which stays */
    size_t text_n;  /* how much of the table's bytes its text is */
    trb__encoding as;
    bool ended; /* all of the file has been read */
} trb__window;
/* Open a file and read its first piece, of some hundred lines at least. \return as trb__table_open(). The caller closes
 * it after a failure too */
trb_status trb__window_open(const char *path, char by, trb__window *w);
/* Read the next piece. \param[in,out] c  has come to the end of the piece before \param[out] more  false at the end */
trb_status trb__window_next(trb__window *w, trb__cursor *c, bool *more);
void trb__window_close(trb__window *w);

trb__cursor trb__table_begin(const trb__table *t);
/* Move to the first field of the next line that counts. \return false at the end of the text */
bool trb__next_line(trb__cursor *c);
/* Move to the next field of the line. \return false if the current field is the last one */
bool trb__next_field(trb__cursor *c);
/* How many lines count. */
size_t trb__table_lines(const trb__table *t);

/* Whether the field is a number. It may have a decimal comma unless commas or blanks separate fields. */
bool trb__field_number(trb__cursor *c, double *value);
/* Whether the field looks like a number with marks between thousands: 1,234.5 or 1.234. */
bool trb__field_grouped(const trb__field *f);
/* What a field that the reader takes for no number looks like, in the plural, and how to write it. */
typedef struct {
    const char *what, *way;
} trb__oddity;
/* \return NULL: a word, or nothing known; static */
const trb__oddity *trb__field_oddity(const trb__field *f);
/* Another separator than the one that the first rows show, in a field that has a number at one side of it; 0: none. */
char trb__field_separator(const trb__cursor *c);
/* Whether the field stands for a missing value. \param[in] word  among words, fewer texts do */
bool trb__field_missing(const trb__field *f, bool word);
/* The field as a text. \return false if it is longer than a word may be */
bool trb__field_word(const trb__field *f, char word[TRB__WORD_BYTES]);
/* The same for a label. A whole number has one word however it is written: +1 and 1.0 are 1. */
bool trb__field_label(const trb__field *f, char word[TRB__WORD_BYTES]);
/* The field as a message shows it. */
const char *trb__field_shown(const trb__field *f, char text[48]);
/* Read digits as an index. \param[out] rest  where the digits end */
bool trb__read_index(const char *text, const char *end, const char **rest, size_t *value);

/* Names of columns. */
typedef struct {
    size_t n;    /* columns of the file's rows */
    char **name; /* [n]; NULL: no header */
    bool skip;   /* the first line that counts is the header, not a row */
    bool empty;  /* the last column has no name, and no value in the first rows: lines end in a separator */
} trb__names;

/* Decide whether the file has a header, and read it.
 * \param[in] known  the schema by which later files are read; NULL for the first training file
 * \param[out] names released with trb__names_clear()
 * \return TRB_OK; TRB_EINPUT if there are no rows, if it cannot be told, or if the header does not fit the rows */
trb_status trb__table_names(const trb__table *t, trb_header how, const trb_schema *known, trb__names *names);
void trb__names_clear(trb__names *names);
/* `3 (age)`, or `3` without a name. \return text */
const char *trb__column_shown(const trb__names *names, size_t column, char text[80]);
/* "a, b, c" with at most a dozen names. \return text */
const char *trb__names_shown(size_t n, char *const *name, char text[512]);

/* Which of `limit` rows or columns are wanted, and in which order. None is wanted twice. */
typedef struct {
    size_t limit, n;
    size_t *place; /* [limit] 1 + its position among the wanted ones; 0: not wanted */
} trb__wanted;

trb_status trb__choose(trb__wanted *c, trb_status st, const char *where, const char *what, size_t i);
/* Choose the numbers that a file lists. A line may have any number of them. */
trb_status trb__choose_listed(const char *root, const char *name, const char *what, trb__wanted *wanted);
/* Choose the columns that entries of a key name (data.h). */
trb_status trb__choose_entries(const char *key, const char *root, const trb__table *t, const trb__names *names,
                               size_t n, char *const *entry, trb__wanted *wanted);

/* Where a column of a file goes. */
typedef struct {
    size_t first, count; /* its inputs; count 0: it is no input */
} trb__input_range;

typedef struct {
    trb__names names;
    trb__input_range *place; /* [names.n] */
    bool labelled;
    size_t target;   /* its column, if there are labels */
    bool headerless; /* the training files have a header and this one has none, or the other way round */
} trb__match;

/* Find the schema's columns in a file.
 * \param[out] p  released with trb__match_clear(), after a failure too */
trb_status trb__table_match(const trb__table *t, const trb_data_files *f, const trb_schema *s, trb__match *p);
void trb__match_clear(trb__match *p);

/* Different words, in the order of their bytes. */
typedef struct {
    char *text;
    size_t count, id; /* how often it occurs; from 0, in the order of their first occurrence */
} trb__counted_word;
typedef struct {
    size_t n, capacity;
    trb__counted_word *word;
} trb__words;
/* Count a word. \param[out] id  of the word */
trb_status trb__words_count(trb__words *w, const char *text, size_t *id);
void trb__words_clear(trb__words *w);

/* Whether the values of a column look like an index of rows. Zeros are a column without values. */
typedef struct {
    size_t n; /* values so far */
    double least, most;
    bool whole, repeats, from_0, from_1; /* from_0: each is the number of its row in the file */
    uint64_t sum;                        /* of hashes */
    size_t n_seen, room;
    uint64_t *seen; /* [room] hashes of the first values */
} trb__index;
/* \param[in] row  in the file, from 0 */
trb_status trb__index_add(trb__index *x, size_t row, double value);
/* Why a column of so many rows looks like an index, as the end of a sentence; NULL if it does not. Static.
 * \param[in] name  NULL: columns have no names */
const char *trb__index_looks(const trb__index *x, size_t rows, size_t column, const char *name);
/* Whether the values are 0, 1, 2, ... or 1, 2, 3, ..., in any order. */
bool trb__index_counts(const trb__index *x, size_t rows);
void trb__index_clear(trb__index *x);

/* Whether a column has one value for each label, and another one for each other label. */
typedef struct {
    size_t n, room;
    double *of; /* [room] the value of each label; NAN: none yet */
    bool differs;
} trb__twin;
/* \param[in] label  a whole number; otherwise the column is no copy */
trb_status trb__twin_add(trb__twin *t, double label, double value);
/* The last call before the clear. */
bool trb__twin_is(trb__twin *t);
void trb__twin_clear(trb__twin *t);

/* The messages about one field that both the survey and the reader have. */
trb_status trb__refuse_number(const trb__cursor *c, const trb__match *p, bool finite);
trb_status trb__refuse_label(const trb__cursor *c, const trb__match *p);
/* \param[in] word  the field is one of a column of words   \param[in] how  REFUSE if all ways are open; else DROP */
trb_status trb__refuse_missing(const trb__cursor *c, const trb__match *p, bool word, trb_missing how);
trb_status trb__refuse_width(const trb__cursor *c, const trb__match *p);
/* Refuse a word that the file's separator seems to have missed, or that seems to be a number. */
trb_status trb__refuse_word(const trb__cursor *c, const trb__match *p);
/* Refuse a text that has both decimal points and decimal commas. */
trb_status trb__expect_decimals(const trb__cursor *c);

/* The rows of a file on their way into samples. */
typedef struct {
    const trb_data_files *f;
    const trb_schema *schema;
    trb__match plan;
    trb__wanted row; /* row.place NULL: all */
    size_t n;        /* rows wanted */
    bool *left_out;  /* [n] NULL: rows with missing values are not left out */
    float *x;        /* [n][n_inputs] */
    int32_t *y;      /* [n] labels or targets */
    size_t n_missing;
    trb__cursor unknown; /* the first field of this row with a word that the schema does not have, or, in a row to be
                          * predicted, that is no label or target; `of` NULL: none. It matters only if the row is not left out */
} trb__placing;
/* Read the row at which the cursor stands into place `to`. */
trb_status trb__table_put(trb__placing *r, trb__cursor *c, size_t to);

#endif
