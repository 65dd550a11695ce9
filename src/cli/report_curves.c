/* The sections of `tribikos report` that are charts, and what is computed for them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "tribikos/memory.h"

/* ---- calibration */

static size_t bin_of(double confidence, size_t bins)
{
    const double at = confidence * (double)bins;
    return at < (double)bins ? (size_t)at : bins - 1;
}

/* One point a bin that has enough samples to say something about a frequency. */
static trb_status add_reliability(trb__chart *c, const trb__sheet *s, const trb__sheet_model *m,
                                  const double *confidence, const double *error)
{
    enum { MOST = TRB_METRIC_BINS_MAX };
    const size_t bins = s->c->eval.bins, least = s->N < 100 ? 1 : s->N > 1000 ? 10 : s->N / 100;
    size_t count[MOST] = {0};
    double sum[MOST] = {0.0}, right[MOST] = {0.0};
    trb__series *line = NULL;
    for (size_t i = 0; i < s->N; i++) {
        const size_t b = bin_of(confidence[i], bins);
        count[b]++;
        sum[b] += confidence[i];
        right[b] += 1.0 - error[i];
    }
    TRB_TRY(trb__chart_series(c, m->colour, TRB__POINTS, bins, m->name, &line));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, bins, sizeof *line->share, &line->share));
    line->n = 0;
    for (size_t b = 0; b < bins; b++) {
        if (count[b] < least) continue;
        line->x[line->n] = sum[b] / (double)count[b];
        line->y[line->n] = right[b] / (double)count[b];
        line->share[line->n++] = (double)count[b] / (double)s->N;
    }
    return TRB_OK;
}

/* Regression: how often the target lies below a quantile of the prediction. */
static trb_status add_quantiles(trb__chart *c, const trb__sheet *s, const trb__sheet_model *m, const double *below)
{
    enum { LEVELS = 19 };
    trb__series *line = NULL;
    TRB_TRY(trb__chart_series(c, m->colour, TRB__SOLID, LEVELS, m->name, &line));
    for (size_t k = 0; k < LEVELS; k++) {
        size_t n = 0;
        line->x[k] = (double)(k + 1) / (LEVELS + 1);
        for (size_t i = 0; i < s->N; i++) n += below[i] <= line->x[k];
        line->y[k] = (double)n / (double)s->N;
    }
    return TRB_OK;
}

/* ---- rejection */

typedef struct {
    double uncertainty, error;
} judged;

static int by_uncertainty(const void *a, const void *b)
{
    const double x = ((const judged *)a)->uncertainty, y = ((const judged *)b)->uncertainty;
    return (x > y) - (x < y);
}

/* Error among the k most certain rows. Of rows that are equally uncertain, any may be kept, so a part of them has their
 * mean error. \param[out] error  [points], of the shares 1/points, 2/points, ... 1 */
static void rejection_curve(size_t N, const judged *row, size_t points, bool root, double *error)
{
    double sum = 0.0;
    size_t p = 0;
    for (size_t i = 0; i < N;) {
        double tied = 0.0;
        size_t end = i;
        for (; end < N && !(row[end].uncertainty > row[i].uncertainty); end++) tied += row[end].error;
        const double each = tied / (double)(end - i);
        for (; p < points; p++) {
            const double kept = (double)(p + 1) / (double)points * (double)N;
            if (kept > (double)end + 1e-9) break;
            const double mean = (sum + each * (kept - (double)i)) / kept;
            error[p] = root ? sqrt(mean) : mean;
        }
        sum += tied;
        i = end;
    }
}

static trb_status add_rejection(trb__chart *c, const trb__sheet *s, const trb__sheet_model *m,
                                const double *uncertainty, const double *error)
{
    enum { POINTS = 40, FIRST = 1 }; /* a share of 2.5 % is too few samples for an error */
    double curve[POINTS];
    trb__series *line = NULL;
    judged *row = NULL;
    if (uncertainty == NULL) return TRB_OK;
    TRB_TRY(trb__chart_series(c, m->colour, TRB__SOLID, POINTS - FIRST, m->name, &line));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->N, sizeof *row, &row));
    for (size_t i = 0; i < s->N; i++) row[i] = (judged){uncertainty[i], error[i]};
    qsort(row, s->N, sizeof *row, by_uncertainty);
    rejection_curve(s->N, row, POINTS, !s->classes, curve);
    for (size_t i = 0; i < line->n; i++) {
        line->x[i] = (double)(i + 1 + FIRST) / POINTS;
        line->y[i] = curve[i + FIRST];
    }
    trb_free(row);
    return TRB_OK;
}

/* ---- uncertainty */

enum { KINDS = 2, BINS = 40, SHOWN = 4 }; /* kinds: model, total; SHOWN: models that have histograms */
static const char *const kinds[KINDS] = {"model", "total"};

/* Regression has variances; their roots are in the target's unit. */
static trb_status read_values(const trb__sheet *s, const char *set, const char *model, const char *kind, size_t *n,
                              double **value)
{
    TRB_TRY(trb__sheet_uncertainty(s, set, model, kind, n, value));
    for (size_t i = 0; i < *n && !s->classes; i++) (*value)[i] = (*value)[i] < 0.0 ? 0.0 : sqrt((*value)[i]);
    return TRB_OK;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Widen the range of a kind by the values of one set: from the least but for outliers to the largest.
 * \param[in,out] odd  raised to the number of values that are not finite */
static trb_status widen(const trb__sheet *s, const char *set, const char *model, const char *kind, double range[2],
                        size_t *odd)
{
    double *v = NULL;
    size_t n = 0, all = 0;
    trb_status st = read_values(s, set, model, kind, &all, &v);
    for (size_t i = 0; st == TRB_OK && i < all; i++)
        if (isfinite(v[i])) v[n++] = v[i];
    *odd = st == TRB_OK && all - n > *odd ? all - n : *odd;
    if (st == TRB_OK && n > 0) {
        qsort(v, n, sizeof *v, by_size);
        range[0] = fmin(range[0], v[n / 200]);
        range[1] = fmax(range[1], v[n - 1]);
    }
    trb_free(v);
    return st;
}

/* Share of a set's values in bins of equal width in the logarithm. Lower values are in the first bin.
 * \param[in] wanted  count only rows where this is above 0; NULL: all */
static void fill_histogram(trb__series *bars, size_t n, const double *v, const double *wanted, const double range[2])
{
    size_t counted = 0;
    for (size_t b = 0; b <= BINS; b++) bars->x[b] = range[0] * pow(range[1] / range[0], (double)b / BINS);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]) || (wanted != NULL && !(wanted[i] > 0.0))) continue;
        size_t b = 0;
        while (b + 1 < BINS && v[i] >= bars->x[b + 1]) b++;
        bars->y[b] += 1.0;
        counted++;
    }
    for (size_t b = 0; b < BINS && counted > 0; b++) bars->y[b] /= (double)counted;
}

static trb_status add_histogram(trb__chart *c, const trb__sheet *s, const char *set, const char *title,
                                const char *model, const char *kind, const double *wanted, int colour,
                                const double range[2])
{
    double *v = NULL;
    size_t n = 0, any = 0;
    trb__series *bars = NULL;
    trb_status st = read_values(s, set, model, kind, &n, &v);
    for (size_t i = 0; i < n; i++) any += wanted == NULL || wanted[i] > 0.0;
    if (st == TRB_OK && any > 0) {
        st = trb__chart_series(c, colour, colour == TRB__GREY ? TRB__AREA : TRB__STEPS, BINS + 1, title, &bars);
        if (st == TRB_OK) fill_histogram(bars, n, v, wanted, range);
    }
    trb_free(v);
    return st;
}

static trb_status draw_histograms(const trb__sheet *s, const trb__sheet_model *m, size_t number, size_t kind,
                                  const double range[2], trb_text *out)
{
    char id[40], title[TRB_NAME_MAX + 64], wrong[TRB_NAME_MAX + 32];
    trb__sheet_rows rows = {0};
    trb__chart c = {.id = id,
                    .title = title,
                    .x_log = true,
                    .from_0 = true,
                    .y_label = "share of the samples",
                    .x_label = s->classes ? "uncertainty (nats)" : "standard deviation (unit of the target)"};
    (void)snprintf(id, sizeof id, "uncertainty-%zu-%s", number, kinds[kind]);
    (void)snprintf(title, sizeof title, "%s: %s %s", m->name, kinds[kind], s->classes ? "uncertainty" : "deviation");
    (void)snprintf(wrong, sizeof wrong, "%s, wrong class", s->split);
    trb_status st = add_histogram(&c, s, s->split, s->split, m->name, kinds[kind], NULL, TRB__GREY, range);
    if (st == TRB_OK && s->classes) st = trb__sheet_rows_read(s, m, &rows);
    if (st == TRB_OK && s->classes)
        st = add_histogram(&c, s, s->split, wrong, m->name, kinds[kind], rows.error, TRB__BLACK, range);
    for (size_t i = 0; st == TRB_OK && i < s->n_sets && i < TRB__GREY - TRB__FIRST_COLOUR; i++)
        st = add_histogram(&c, s, s->set[i], s->set[i], m->name, kinds[kind], NULL, TRB__FIRST_COLOUR + (int)i, range);
    if (st == TRB_OK) trb__chart_draw(&c, out);
    trb__sheet_rows_clear(&rows);
    trb__chart_clear(&c);
    return st;
}

static bool has_curves(const trb__sheet_model *m)
{
    return m->predicted && m->n_bad == 0 && m->colour >= 0;
}

/* Set the ranges of the histograms, and count the samples without an uncertainty: the larger count of both kinds. */
static trb_status find_ranges(const trb__sheet *s, double range[KINDS][2], size_t *n_odd)
{
    for (size_t i = 0; i < s->n_models; i++) {
        for (size_t set = 0; set <= s->n_sets && has_curves(&s->model[i]); set++) {
            const char *name = set == 0 ? s->split : s->set[set - 1];
            size_t odd = 0;
            for (size_t k = 0; k < KINDS; k++) TRB_TRY(widen(s, name, s->model[i].name, kinds[k], range[k], &odd));
            *n_odd += odd;
        }
    }
    for (size_t k = 0; k < KINDS; k++) range[k][0] = fmin(fmax(range[k][0], 1e-9), 0.1 * range[k][1]);
    return TRB_OK;
}

static trb_status draw_uncertainty(const trb__sheet *s, trb_text *out)
{
    size_t shown = 0, all = 0, odd = 0;
    double range[KINDS][2] = {{INFINITY, 0.0}, {INFINITY, 0.0}};
    for (size_t i = 0; i < s->n_models; i++) all += has_curves(&s->model[i]);
    TRB_TRY(find_ranges(s, range, &odd));
    trb__html_open(out, "uncertainty", "How uncertainty is distributed",
                   s->classes
                       ? "Each histogram counts samples by their uncertainty; all charts of one kind have the same "
                         "bins. A good model is more certain of the evaluated samples (filled) than of those that "
                         "it predicts wrong, and than of sets out of distribution: their lines lie to the right."
                       : "Each histogram counts samples by the standard deviation that the model predicts; all "
                         "charts of one kind have the same bins. A good model is more certain of the evaluated "
                         "samples (filled) than of sets out of distribution, whose lines lie to the right.");
    for (size_t k = 0; k < KINDS; k++) {
        shown = 0;
        trb_text_add(out, "<div class=\"grid\">\n");
        for (size_t i = 0; i < s->n_models && shown < SHOWN; i++) {
            if (!has_curves(&s->model[i])) continue;
            if (range[k][1] > 0.0 && (k > 0 || s->model[i].several))
                TRB_TRY(draw_histograms(s, &s->model[i], shown, k, range[k], out));
            shown++;
        }
        trb_text_add(out, "</div>\n");
    }
    if (odd > 0)
        trb__html_missing(out, "The histograms leave out %zu %s: not a finite number.", odd,
                          odd == 1 ? "uncertainty" : "uncertainties");
    if (s->n_sets == 0)
        trb__html_missing(out, "There is no set out of distribution: eval.ood of the configuration names none.");
    if (all > shown) trb__html_missing(out, "Shown are the first %zu of %zu models.", shown, all);
    trb_text_add(out, "</section>\n");
    return TRB_OK;
}

/* ---- all that needs predictions.h5 */

enum { BEFORE, AFTER, BY_MODEL, BY_TOTAL, CHARTS };

static trb_status add_curves(const trb__sheet *s, const trb__sheet_model *m, trb__chart *c)
{
    trb__sheet_rows rows = {0};
    trb_status st = trb__sheet_rows_read(s, m, &rows);
    if (st == TRB_OK)
        st = s->classes ? add_reliability(&c[BEFORE], s, m, rows.confidence, rows.error)
                        : add_quantiles(&c[BEFORE], s, m, rows.confidence);
    if (st == TRB_OK && rows.calibrated != NULL) st = add_reliability(&c[AFTER], s, m, rows.calibrated, rows.error);
    if (st == TRB_OK) st = add_rejection(&c[BY_MODEL], s, m, rows.model, rows.error);
    if (st == TRB_OK) st = add_rejection(&c[BY_TOTAL], s, m, rows.total, rows.error);
    trb__sheet_rows_clear(&rows);
    return st;
}

static void name_bad(const trb__sheet *s, trb_text *out)
{
    for (size_t i = 0; i < s->n_models; i++)
        if (s->model[i].n_bad > 0)
            trb__html_missing(out, "%s has no curves: %zu of its %zu predictions %s not finite.", s->model[i].name,
                              s->model[i].n_bad, s->N, s->model[i].n_bad == 1 ? "is" : "are");
}

static void draw_curves(const trb__sheet *s, const trb__chart *c, trb_text *out)
{
    trb__html_open(
        out, "calibration", "Calibration",
        s->classes
            ? "Of all samples that a model predicts with a confidence of 0.8, it should predict 80 % right: then "
              "its points lie on the diagonal. Below it the model is overconfident. The area of a point is the "
              "share of the samples in its bin; bins with very few samples are left out."
            : "The target should lie below the prediction's 10 % quantile for 10 % of the samples, and so on: "
              "then the line is the diagonal.");
    trb_text_add(out, "<div class=\"grid\">\n");
    trb__chart_draw(&c[BEFORE], out);
    trb__chart_draw(&c[AFTER], out);
    trb_text_add(out, "</div>\n");
    name_bad(s, out);
    if (s->classes && c[AFTER].n == 0)
        trb__html_missing(out, "No model was calibrated: that needs held-out training samples with labels "
                               "(data.validation).");
    trb_text_add(out, "</section>\n");
    trb__html_open(out, "rejection", "Rejection curves",
                   s->classes
                       ? "The most uncertain samples are rejected first, say to be looked at by a person; the error "
                         "rate is that of the samples kept. The further the line falls to the left, the better the "
                         "uncertainty tells which predictions are wrong. At 1 nothing is rejected."
                       : "The most uncertain samples are rejected first; the RMSE is that of the samples kept. The "
                         "further the line falls to the left, the better the uncertainty tells which predictions "
                         "are far off. At 1 nothing is rejected.");
    trb_text_add(out, "<div class=\"grid\">\n");
    trb__chart_draw(&c[BY_MODEL], out);
    trb__chart_draw(&c[BY_TOTAL], out);
    trb_text_add(out, "</div>\n");
    if (c[BY_MODEL].n == 0)
        trb__html_missing(out, "No model has model uncertainty, which takes several heads or members.");
    trb_text_add(out, "</section>\n");
}

trb_status trb__sheet_predictions(const trb__sheet *s, trb_text *out)
{
    trb__chart *c = NULL;
    trb_status st = TRB_OK;
    const char *error = s->classes ? "error rate" : "RMSE (unit of the target)";
    if (s->predictions == NULL) {
        trb__html_open(out, "calibration", "Calibration, uncertainty, rejection", "");
        trb__html_missing(out, "These charts need predictions.h5 of `tribikos eval`, which this report does not have.");
        trb_text_add(out, "</section>\n");
        return TRB_OK;
    }
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, CHARTS, sizeof *c, &c));
    c[BEFORE] = (trb__chart){.id = "reliability-before",
                             .title = s->classes ? "As predicted" : "Quantiles",
                             .x_label = s->classes ? "confidence" : "quantile of the prediction",
                             .y_label = s->classes ? "accuracy" : "share of targets below",
                             .unit = true};
    c[AFTER] = c[BEFORE];
    c[AFTER].id = "reliability-after";
    c[AFTER].title = "After calibration by one temperature";
    c[BY_MODEL] = (trb__chart){.id = "rejection-model",
                               .title = "Rejected by model uncertainty",
                               .x_label = "share of the samples kept",
                               .y_label = error,
                               .from_0 = true};
    c[BY_TOTAL] = c[BY_MODEL];
    c[BY_TOTAL].id = "rejection-total";
    c[BY_TOTAL].title = "Rejected by total uncertainty";
    for (size_t i = 0; st == TRB_OK && i < s->n_models; i++)
        if (has_curves(&s->model[i])) st = add_curves(s, &s->model[i], c);
    if (st == TRB_OK) draw_curves(s, c, out);
    for (size_t i = 0; i < CHARTS; i++) trb__chart_clear(&c[i]);
    trb_free(c);
    return st == TRB_OK ? draw_uncertainty(s, out) : st;
}

/* ---- what it is worth, and what it costs */

/* Cost of a model in that of the ensemble. \param[in] figure  what is compared */
static double relative(const trb__sheet *s, const char *model, const char *figure)
{
    return trb__sheet_figure(s, model, figure) / trb__sheet_figure(s, "ensemble", figure);
}

static trb_status add_worth(const trb__sheet *s, const char *cost, trb__chart *c)
{
    trb__series *line = NULL;
    TRB_TRY(trb__chart_series(c, TRB__GREY, TRB__DASHED, s->M, "ensembles of 1 member to all", &line));
    for (size_t m = 0; m < s->M; m++) {
        line->x[m] = (double)(m + 1) / (double)s->M;
        line->y[m] = (double)(m + 1);
    }
    for (size_t i = 0; i < s->n_models; i++) {
        const trb__sheet_model *m = &s->model[i];
        const double worth = trb__sheet_figure(s, m->name, "deep_ensemble_equivalent"), x = relative(s, m->name, cost);
        if (m->colour < 0 || !isfinite(worth) || !isfinite(x)) continue;
        TRB_TRY(trb__chart_series(c, m->colour, TRB__POINTS, 1, m->name, &line));
        line->x[0] = x;
        line->y[0] = worth;
    }
    return TRB_OK;
}

trb_status trb__sheet_cost(const trb__sheet *s, trb_text *out)
{
    const bool timed = isfinite(relative(s, "member_mean", "ms_per_sample"));
    trb__chart c = {.id = "cost-dee",
                    .title = "Worth and cost",
                    .x_label = timed ? "time a sample, of the ensemble's" : "parameters, of the ensemble's",
                    .y_label = "worth, in members (DEE)",
                    .x_log = true,
                    .from_0 = true};
    trb_status st = TRB_OK;
    if (!s->classes || s->report == NULL) return TRB_OK;
    trb__html_open(
        out, "cost", "What a model is worth, and what it costs",
        "The deep-ensemble equivalent (DEE) is the number of members that an ensemble needs to have the same "
        "calibrated NLL. Points to the left of the dashed line are worth more than an ensemble that costs as "
        "much.");
    if (isfinite(trb__sheet_figure(s, "ensemble", "deep_ensemble_equivalent")) && s->M > 1 && s->M <= 100000) {
        trb_text_add(out, "<div class=\"grid\">\n");
        st = add_worth(s, timed ? "ms_per_sample" : "parameters", &c);
        if (st == TRB_OK) trb__chart_draw(&c, out);
        trb_text_add(out, "</div>\n");
    } else {
        trb__html_missing(out, "The report has no deep-ensemble equivalent: it needs several members, and held-out "
                               "training samples with labels (data.validation).");
    }
    trb__chart_clear(&c);
    trb_text_add(out, "</section>\n");
    return st;
}

/* ---- corruptions */

/* The mean over all corruptions of one list of figures. \param[out] sum  [TRB_CORRUPT_STRENGTHS] */
static size_t mean_of_corruptions(const trb_tree *report, const char *model, const char *figure, double *mean)
{
    static const char under[] = "corruptions.";
    char end[2 * TRB_NAME_MAX];
    size_t found = 0;
    const int n = snprintf(end, sizeof end, ".%s.%s", model, figure);
    for (size_t i = 0; i < trb_tree_n(report); i++) {
        const char *key = trb_tree_key(report, i);
        const size_t length = strlen(key);
        const char *dot = strncmp(key, under, sizeof under - 1) == 0 ? strchr(key + sizeof under - 1, '.') : NULL;
        if (dot == NULL || length < (size_t)n || strcmp(dot, end) != 0) continue;
        if (trb_tree_size(report, i) != TRB_CORRUPT_STRENGTHS) continue;
        for (size_t k = 0; k < TRB_CORRUPT_STRENGTHS; k++) {
            char *rest = NULL;
            const char *text = trb_tree_at(report, i, k);
            const double value = strtod(text, &rest);
            mean[k] += rest != text && *rest == '\0' ? value : (double)NAN;
        }
        found++;
    }
    for (size_t k = 0; k < TRB_CORRUPT_STRENGTHS; k++) mean[k] /= (double)found;
    return found;
}

static trb_status add_corruptions(const trb__sheet *s, const char *figure, trb__chart *c)
{
    for (size_t i = 0; i < s->n_models; i++) {
        double mean[TRB_CORRUPT_STRENGTHS] = {0.0};
        trb__series *line = NULL;
        if (s->model[i].colour < 0 || mean_of_corruptions(s->report, s->model[i].name, figure, mean) == 0) continue;
        TRB_TRY(
            trb__chart_series(c, s->model[i].colour, TRB__SOLID, TRB_CORRUPT_STRENGTHS + 1, s->model[i].name, &line));
        for (size_t k = 0; k <= TRB_CORRUPT_STRENGTHS; k++) {
            line->x[k] = (double)k;
            line->y[k] = k == 0 ? trb__sheet_figure(s, s->model[i].name, figure) : mean[k - 1];
        }
    }
    return TRB_OK;
}

trb_status trb__sheet_corruptions(const trb__sheet *s, trb_text *out)
{
    trb__chart accuracy = {.id = "corruptions-accuracy",
                           .title = "Accuracy",
                           .x_label = "strength of corruption (0: none)",
                           .y_label = "accuracy"},
               nll = {.id = "corruptions-nll",
                      .title = "NLL",
                      .x_label = "strength of corruption (0: none)",
                      .y_label = "NLL (nats)"};
    if (s->report == NULL || s->c->eval.n_corruptions == 0) return TRB_OK;
    trb_status st = add_corruptions(s, "accuracy", &accuracy);
    if (st == TRB_OK) st = add_corruptions(s, "nll", &nll);
    if (st == TRB_OK && accuracy.n > 0) {
        trb__html_open(out, "corruptions", "Corrupted samples",
                       "Means over all corruptions of eval.corruptions, by their strength. What a model still knows of "
                       "worse samples, and how honest it is about them.");
        trb_text_add(out, "<div class=\"grid\">\n");
        trb__chart_draw(&accuracy, out);
        trb__chart_draw(&nll, out);
        trb_text_add(out, "</div>\n");
        trb_text_add(out, "</section>\n");
    }
    trb__chart_clear(&accuracy);
    trb__chart_clear(&nll);
    return st;
}
