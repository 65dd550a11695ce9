/** `tribikos report`: one HTML file that shows a run, with charts as inline SVG, readable without scripts. What its
 * files share; all functions are local.
 *
 *   report.c          the command, the frame of the page
 *   report_text.c     in short, and the tables of figures
 *   report_curves.c   sections of charts, computed from predictions.h5 and report.json
 *   report_training.c the curves of metrics.jsonl
 *   report_making.c   data, times, caches, versions, configuration
 *   report_samples.c  the samples on which the members disagree most
 *   report_read.c     reads the run
 *   report_chart.c    draws a chart; makes text harmless for HTML
 *
 * A section that lacks its files is one sentence that says what is missing.
 */
#ifndef TRB_CLI_REPORT_H
#define TRB_CLI_REPORT_H

#include "commands.h"
#include "tribikos/h5.h"
#include "tribikos/schema.h"
#include "tribikos/text.h"
#include "tribikos/tree.h"

/* ---- report_chart.c */

/** Colours that people with any colour vision can tell apart (Okabe and Ito), then a grey. */
enum { TRB__BLACK, TRB__FIRST_COLOUR, TRB__GREY = 7, TRB__COLOURS };

/** Add a formatted text as HTML: special characters as entities, control characters and bytes that are not UTF-8 as
 * question marks. Everything that comes from a file or a command line goes through here. */
void trb__html_add(trb_text *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Add the sentence that stands for a section without its files. */
void trb__html_missing(trb_text *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Begin a section. Its texts are HTML. */
void trb__html_open(trb_text *out, const char *id, const char *title, const char *words);

typedef enum { TRB__SOLID, TRB__DASHED, TRB__DOTTED, TRB__POINTS, TRB__STEPS, TRB__AREA } trb__stroke;
enum { TRB__SERIES = 48, TRB__SERIES_NAME = 96 };

/** A line, points, or a histogram, whose value i reaches from x[i] to x[i+1]. */
typedef struct {
    char name[TRB__SERIES_NAME];
    int colour;
    trb__stroke stroke;
    bool silent; /* not in the legend */
    size_t n;
    double *x, *y; /* [n]; owned by the chart */
    double *share; /* [n] TRB__POINTS: of all samples, shown as the area of the point; NULL: equal points */
} trb__series;

typedef struct {
    const char *id;    /* unique in the page: letters, digits, - */
    const char *title; /* may come from a file */
    const char *x_label, *y_label;
    bool x_whole;      /* x are whole numbers, such as epochs */
    bool x_log, y_log; /* where the values span enough of it, and are above 0 */
    bool unit, from_0; /* both axes are 0 to 1, with the diagonal; the y axis begins at 0 */
    bool cut;          /* the y axis ends at y_most; what is beyond is drawn at its end */
    double y_most;
    size_t n;
    trb__series series[TRB__SERIES];
} trb__chart;

/** Add a series of n values, to be filled in. \param[out] out  borrowed */
trb_status trb__chart_series(trb__chart *c, int colour, trb__stroke stroke, size_t n, const char *name,
                             trb__series **out);
/** Add the chart to the page: a figure with legend, and its numbers to unfold. */
void trb__chart_draw(const trb__chart *c, trb_text *out);
void trb__chart_clear(trb__chart *c);

/* ---- report_read.c */

typedef struct {
    char name[TRB_NAME_MAX + 1];
    bool student;
    bool predicted, several; /* predictions.h5 has it; has its model uncertainty */
    size_t n_bad;            /* predictions that are not finite: it has no curves */
    int colour;              /* -1: no curves, because there are more models than colours */
} trb__sheet_model;

/** A run as its files describe it. */
typedef struct {
    const char *dir, *name; /* of the report, "": of the run's own set; borrowed */
    char *config_text;
    trb_config *c;
    trb_tree *report;    /* NULL: not evaluated */
    trb_h5 *predictions; /* NULL: none */
    trb_schema schema;   /* of predictions.h5 */
    bool classes;
    char split[TRB_NAME_MAX + 1];
    size_t N, K; /* rows of predictions.h5; classes in it */
    int64_t *id;
    int32_t *label; /* classes */
    double *target; /* regression */
    size_t n_models, n_sets, M;
    trb__sheet_model *model;
    char (*set)[TRB_NAME_MAX + 1]; /* [n_sets] out of distribution */
} trb__sheet;

/** Read a run. \return TRB_ECONFIG if it has no such report, and a name is given; TRB_EINTEGRITY if report.json and
 * predictions.h5 are damaged, do not belong together, or are of networks that were trained again. `s` is closed by the caller in any case */
trb_status trb__sheet_open(const char *dir, const char *name, trb__sheet *s);
void trb__sheet_close(trb__sheet *s);

/** A number of report.json: "models.MODEL.FIGURE"; NaN if there is none. */
double trb__sheet_figure(const trb__sheet *s, const char *model, const char *figure);
/** What a class is called. */
void trb__sheet_class(const trb__sheet *s, size_t k, trb_text *out);

/** What charts need of one model's predictions, for each row. */
typedef struct {
    double *confidence;    /* the largest probability; regression: the mixture's distribution function at the target */
    double *calibrated;    /* the same after calibration; NULL: no temperature */
    double *error;         /* 1 or 0; regression: the squared error */
    double *total, *model; /* uncertainties; in regression variances. model: NULL if there is none */
    size_t n_bad;          /* rows that are no prediction, which report.json shows by a figure that is null */
} trb__sheet_rows;
trb_status trb__sheet_rows_read(const trb__sheet *s, const trb__sheet_model *m, trb__sheet_rows *out);
void trb__sheet_rows_clear(trb__sheet_rows *r);
/** An uncertainty, "total" or "model", of one set. \param[out] n  0: predictions.h5 has none
 * \param[out] value  trb_free() */
trb_status trb__sheet_uncertainty(const trb__sheet *s, const char *set, const char *model, const char *kind, size_t *n,
                                  double **value);
/** One row of a model's predictions as doubles: [K] probabilities, or [heads][2]. \param[out] p  trb_free() */
trb_status trb__sheet_row(const trb__sheet *s, const char *model, size_t row, size_t *n, double **p);

/* ---- sections */

void trb__sheet_summary(const trb__sheet *s, trb_text *out);
void trb__sheet_tables(const trb__sheet *s, trb_text *out);
trb_status trb__sheet_making(const trb__sheet *s, trb_text *out);      /* data, configuration, versions, times */
trb_status trb__sheet_predictions(const trb__sheet *s, trb_text *out); /* calibration, rejection, uncertainty */
trb_status trb__sheet_cost(const trb__sheet *s, trb_text *out);
trb_status trb__sheet_corruptions(const trb__sheet *s, trb_text *out);
trb_status trb__sheet_training(const trb__sheet *s, trb_text *out);
trb_status trb__sheet_samples(const trb__sheet *s, trb_text *out);

#endif
