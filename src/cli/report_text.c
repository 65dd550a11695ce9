/* The sections of `tribikos report` that are words and tables: what the run shows in short, and its figures. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "tribikos/number.h"

/* ---- figures */

typedef enum { NEITHER, LESS, MORE } better;

/* TIME: five digits from 0.001 on, three significant ones below. */
enum { ANY_SIZE = -1, TIME = -2 };

/* A column: a figure of report.json, below models.MODEL, and what it means. */
typedef struct {
    const char *title, *figure;
    better is;
    int digits; /* ANY_SIZE: four significant ones; 0: a whole number */
    const char *meaning;
} column;

static const column of_classes[] = {
    {"accuracy", "accuracy", MORE, 4, "The share of samples whose most probable class is right."},
    {"NLL", "nll", LESS, 4,
     "Negative log-likelihood, in nats: the mean of -log of the probability that the true class was given. It punishes "
     "confident mistakes most."},
    {"cNLL", "calibrated_nll", LESS, 4, "The NLL after calibration: one temperature, fitted on held-out samples."},
    {"Brier", "brier", LESS, 4,
     "Brier score: the mean squared distance between the probabilities and the truth, from 0 to 2."},
    {"ECE", "ece", LESS, 4,
     "Expected calibration error: how far confidence and accuracy are apart, averaged over bins of confidence."},
    {"cECE", "calibrated_ece", LESS, 4, "The ECE after calibration."},
    {"MU", "mu", NEITHER, 5,
     "Mean model uncertainty, in nats: the part of the predicted entropy that comes from disagreement between members "
     "or heads."},
    {"MU ratio", "mu_ratio", NEITHER, 3,
     "MU divided by the ensemble's. At 1 a student is as uncertain as the members."},
    {"DEE", "deep_ensemble_equivalent", MORE, 1,
     "Deep-ensemble equivalent: how many members an ensemble needs for the same cNLL. It is at least 1, also for a "
     "model "
     "that is worse than one member, and at most all."},
    {"parameters", "parameters", NEITHER, 0, "How many numbers were trained."},
    {"ms/sample", "ms_per_sample", NEITHER, TIME,
     "Milliseconds for a sample, measured on one process. It differs from run to run."},
    {.title = NULL},
};

static const column more_of_classes[] = {
    {"temperature", "temperature", NEITHER, 3,
     "The temperature of the calibration. Above 1, the model was overconfident on held-out samples."},
    {"adaptive ECE", "adaptive_ece", LESS, 4, "As ECE, in bins that have equally many samples."},
    {"class-wise ECE", "classwise_ece", LESS, 4,
     "As ECE, for the probability of every class, averaged over the classes."},
    {"TU", "total_uncertainty", NEITHER, 4, "Mean total uncertainty: the entropy of the prediction, in nats."},
    {"DU", "data_uncertainty", NEITHER, 4,
     "Mean data uncertainty, in nats: the part of TU on which members or heads agree. TU = DU + MU."},
    {"pairwise KL", "pairwise_kl", NEITHER, 4,
     "Mean Kullback-Leibler divergence between the predictions of two members or heads, in nats."},
    {"disagreement", "disagreement", NEITHER, 4, "How often two members or heads predict different classes."},
    {"MU Pearson", "mu_pearson", MORE, 3,
     "Correlation over samples of a student's model uncertainty with the ensemble's; at best 1."},
    {"MU Spearman", "mu_spearman", MORE, 3, "The same correlation of ranks."},
    {"fidelity KL", "fidelity_kl", LESS, 4,
     "Mean Kullback-Leibler divergence of a head's prediction from that of its member, in nats."},
    {"AUROC errors, MU", "auroc_errors.model_uncertainty", MORE, 4,
     "How well model uncertainty tells wrong predictions from right ones: 0.5 is chance, 1 is perfect."},
    {"AUROC errors, TU", "auroc_errors.total_uncertainty", MORE, 4, "The same by total uncertainty."},
    {"AURC, MU", "aurc.model_uncertainty", LESS, 4,
     "Area under the rejection curve by model uncertainty: the mean error rate over all shares of samples kept."},
    {"AURC, TU", "aurc.total_uncertainty", LESS, 4, "The same by total uncertainty."},
    {"set coverage", "conformal.coverage", NEITHER, 4,
     "Split-conformal prediction: how often the set of classes, made to hold the truth for 90 % of samples, does so."},
    {"set size", "conformal.mean_size", LESS, 2, "The mean number of classes in such a set."},
    {.title = NULL},
};

static const column of_regression[] = {
    {"RMSE", "rmse", LESS, ANY_SIZE, "Root mean squared error of the predicted mean, in the unit of the target."},
    {"NLL", "nll", LESS, ANY_SIZE,
     "Negative log-likelihood, in nats: the mean of -log of the density that the target was given."},
    {"NLL (mom.)", "nll_moments", LESS, ANY_SIZE, "The same for one Gaussian with the mixture's mean and variance."},
    {"CRPS", "crps", LESS, ANY_SIZE,
     "Continuous ranked probability score, in the unit of the target: how far the predicted distribution is from the "
     "target."},
    {"coverage", "coverage", NEITHER, 4,
     "How often the target lies in the 95 % interval. It should be 0.95: below it the model is overconfident."},
    {"width", "width", NEITHER, ANY_SIZE,
     "The mean width of the 95 % interval, in the unit of the target. Of models with the same coverage the narrower is "
     "better."},
    {"model variance", "model_variance", NEITHER, ANY_SIZE,
     "The variance of the means of members or heads: what they disagree about."},
    {"data variance", "data_variance", NEITHER, ANY_SIZE, "The mean of their variances: the noise that they expect."},
    {"parameters", "parameters", NEITHER, 0, "How many numbers were trained."},
    {"ms/sample", "ms_per_sample", NEITHER, TIME,
     "Milliseconds for a sample, measured on one process. It differs from run to run."},
    {.title = NULL},
};

static const column more_of_regression[] = {
    {"MU Pearson", "model_uncertainty_correlation.pearson", MORE, 3,
     "Correlation over samples of a student's model variance with the ensemble's; at best 1."},
    {"MU Spearman", "model_uncertainty_correlation.spearman", MORE, 3, "The same correlation of ranks."},
    {"AURC, MU", "aurc.model_uncertainty", LESS, ANY_SIZE,
     "Area under the rejection curve by model uncertainty: the mean squared error, averaged over all shares of samples "
     "kept."},
    {"AURC, TU", "aurc.total_uncertainty", LESS, ANY_SIZE, "The same by total uncertainty."},
    {"conformal coverage", "conformal.coverage", NEITHER, 4,
     "Split-conformal prediction: how often the interval, made to hold the target of 90 % of samples, does so."},
    {"conformal width", "conformal.mean_size", LESS, ANY_SIZE, "The mean width of such an interval."},
    {.title = NULL},
};

static const char *figure_text(double value, int digits, char text[TRB_NUMBER_BYTES])
{
    if (!isfinite(value))
        (void)strcpy(text, "-");
    else if (digits == 0 && value >= 0.0 && value < 1e15)
        (void)trb_number_grouped((size_t)value, text);
    else if (digits == TIME)
        (void)snprintf(text, TRB_NUMBER_BYTES, value < 0.001 ? "%.3g" : "%.5f", value);
    else
        (void)trb_number_figure(value, digits > 0 ? digits : -1, text);
    return text;
}

/* Models without several heads have no disagreement to show. */
static double cell(const trb__sheet *s, const trb__sheet_model *m, const column *c)
{
    const double value = trb__sheet_figure(s, m->name, c->figure);
    const bool of_several = strcmp(c->figure, "mu") == 0 || strcmp(c->figure, "pairwise_kl") == 0 ||
                            strcmp(c->figure, "disagreement") == 0 || strcmp(c->figure, "model_variance") == 0;
    return of_several && !(value > 0.0) ? (double)NAN : value;
}

static bool is_shown(const trb__sheet *s, const column *c)
{
    bool any = false;
    for (size_t i = 0; i < s->n_models; i++) any = any || isfinite(cell(s, &s->model[i], c));
    return any;
}

/* The best value of a column. \param[in] students  only among them, and only if there are several */
static double best_of(const trb__sheet *s, const column *c, bool students)
{
    double best = (double)NAN;
    size_t n = 0;
    for (size_t i = 0; i < s->n_models && c->is != NEITHER; i++) {
        const double value = cell(s, &s->model[i], c);
        if (!isfinite(value) || (students && !s->model[i].student)) continue;
        if (isnan(best) || (c->is == LESS ? value < best : value > best)) best = value;
        n++;
    }
    return n < 2 ? (double)NAN : best;
}

static void add_cell(trb_text *out, double value, const column *c, double best, double best_student, bool student)
{
    char text[TRB_NUMBER_BYTES], of_best[TRB_NUMBER_BYTES], full[TRB_NUMBER_BYTES];
    (void)figure_text(value, c->digits, text);
    if (!isfinite(value)) {
        trb_text_add(out, "<td>-</td>");
        return;
    }
    /* What reads the same is as good. */
    const bool bold = isfinite(best) && strcmp(text, figure_text(best, c->digits, of_best)) == 0;
    const bool lined =
        student && isfinite(best_student) && strcmp(text, figure_text(best_student, c->digits, of_best)) == 0;
    trb_number_print(value, full);
    trb_text_add(out, "<td%s>%s<data value=\"%s\">%s</data>%s</td>", lined ? " class=\"u\"" : "", bold ? "<b>" : "",
                 full, text, bold ? "</b>" : "");
}

/* A table of models, and below it what its columns mean. */
static void add_table(const trb__sheet *s, const char *id, const char *title, const column *columns, trb_text *out)
{
    trb_text_add(out,
                 "<div class=\"wrap\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table id=\"%s\"><thead><tr>"
                 "<th scope=\"col\">model</th>",
                 title, id);
    for (const column *c = columns; c->title != NULL; c++)
        if (is_shown(s, c)) trb_text_add(out, "<th scope=\"col\">%s</th>", c->title);
    trb_text_add(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < s->n_models; i++) {
        const trb__sheet_model *m = &s->model[i];
        trb_text_add(out, "<tr><th scope=\"row\">");
        trb__html_add(out, "%s", m->name);
        trb_text_add(out, "</th>");
        for (const column *c = columns; c->title != NULL; c++)
            if (is_shown(s, c)) add_cell(out, cell(s, m, c), c, best_of(s, c, false), best_of(s, c, true), m->student);
        trb_text_add(out, "</tr>\n");
    }
    trb_text_add(out, "</tbody></table></div>\n<dl class=\"words\">");
    for (const column *c = columns; c->title != NULL; c++)
        if (is_shown(s, c))
            trb_text_add(out, "<div><dt>%s</dt><dd>%s%s</dd></div>", c->title, c->meaning,
                         c->is == LESS   ? " Less is better."
                         : c->is == MORE ? " More is better."
                                         : "");
    trb_text_add(out, "</dl>\n");
}

static bool any_shown(const trb__sheet *s, const column *columns)
{
    bool any = false;
    for (const column *c = columns; c->title != NULL; c++) any = any || is_shown(s, c);
    return any;
}

/* ---- out of distribution */

static const char *const scores[TRB_SCORES] = {"model_uncertainty", "total_uncertainty", "max_probability"};
static const char *const score_titles[TRB_SCORES] = {"MU", "TU", "max p"};

static double auroc_of(const trb__sheet *s, size_t set, const char *model, size_t score)
{
    char key[512];
    (void)snprintf(key, sizeof key, "ood.%s.models.%s.%s.auroc", s->set[set], model, scores[score]);
    return trb_tree_number(s->report, key);
}

/* The model uncertainty of a student on each set, against the ensemble's. */
static double correlation_of(const trb__sheet *s, size_t set, const char *model)
{
    char key[512];
    (void)snprintf(key, sizeof key, "ood.%s.models.%s.model_uncertainty_correlation.spearman", s->set[set], model);
    return trb_tree_number(s->report, key);
}

static void add_correlations(const trb__sheet *s, trb_text *out)
{
    const column shown = {.is = MORE, .digits = 3};
    bool any = false;
    for (size_t set = 0; set < s->n_sets; set++)
        for (size_t i = 0; i < s->n_models; i++) any = any || isfinite(correlation_of(s, set, s->model[i].name));
    if (!any) return;
    trb_text_add(out, "<h3>Model uncertainty of students and ensemble</h3>\n<p>Rank correlation (Spearman) over the "
                      "samples of each set; at best 1.</p>\n<div class=\"wrap\" tabindex=\"0\" role=\"region\" "
                      "aria-label=\"Correlations\"><table id=\"correlations\"><thead><tr><th scope=\"col\">model</th>");
    for (size_t set = 0; set < s->n_sets; set++) {
        trb_text_add(out, "<th scope=\"col\">");
        trb__html_add(out, "%s", s->set[set]);
        trb_text_add(out, "</th>");
    }
    trb_text_add(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < s->n_models; i++) {
        if (!s->model[i].student) continue;
        trb_text_add(out, "<tr><th scope=\"row\">");
        trb__html_add(out, "%s", s->model[i].name);
        trb_text_add(out, "</th>");
        for (size_t set = 0; set < s->n_sets; set++)
            add_cell(out, correlation_of(s, set, s->model[i].name), &shown, (double)NAN, (double)NAN, false);
        trb_text_add(out, "</tr>\n");
    }
    trb_text_add(out, "</tbody></table></div>\n");
}

static bool has_score(const trb__sheet *s, size_t score)
{
    bool any = false;
    for (size_t set = 0; set < s->n_sets; set++)
        for (size_t i = 0; i < s->n_models; i++) any = any || isfinite(auroc_of(s, set, s->model[i].name, score));
    return any;
}

static void add_detection(const trb__sheet *s, trb_text *out)
{
    const column shown = {.is = MORE, .digits = 4};
    size_t n = 0;
    for (size_t k = 0; k < TRB_SCORES; k++) n += has_score(s, k);
    if (n == 0) return;
    trb_text_add(out,
                 "<h3>Samples out of distribution</h3>\n<p>AUROC: how well a score tells the samples of another "
                 "set from the evaluated ones. 0.5 is chance, 1 is perfect. The scores are model uncertainty (MU), "
                 "total uncertainty (TU) and the largest probability (max p).</p>\n"
                 "<div class=\"wrap\" tabindex=\"0\" role=\"region\" aria-label=\"Out of distribution\">"
                 "<table id=\"detection\"><thead><tr><th rowspan=\"2\" scope=\"col\">model</th>");
    for (size_t set = 0; set < s->n_sets; set++) {
        trb_text_add(out, "<th class=\"mid\" colspan=\"%zu\" scope=\"colgroup\">", n);
        trb__html_add(out, "%s", s->set[set]);
        trb_text_add(out, "</th>");
    }
    trb_text_add(out, "</tr><tr>");
    for (size_t set = 0; set < s->n_sets; set++)
        for (size_t k = 0; k < TRB_SCORES; k++)
            if (has_score(s, k)) trb_text_add(out, "<th scope=\"col\">%s</th>", score_titles[k]);
    trb_text_add(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < s->n_models; i++) {
        trb_text_add(out, "<tr><th scope=\"row\">");
        trb__html_add(out, "%s", s->model[i].name);
        trb_text_add(out, "</th>");
        for (size_t set = 0; set < s->n_sets; set++)
            for (size_t k = 0; k < TRB_SCORES; k++) {
                double best = 0.0;
                if (!has_score(s, k)) continue;
                for (size_t m = 0; m < s->n_models; m++) best = fmax(best, auroc_of(s, set, s->model[m].name, k));
                add_cell(out, auroc_of(s, set, s->model[i].name, k), &shown, best, (double)NAN, false);
            }
        trb_text_add(out, "</tr>\n");
    }
    trb_text_add(out, "</tbody></table></div>\n");
}

void trb__sheet_tables(const trb__sheet *s, trb_text *out)
{
    const column *more = s->classes ? more_of_classes : more_of_regression;
    size_t students = 0;
    for (size_t i = 0; i < s->n_models; i++) students += s->model[i].student;
    trb_text_add(out, "<section id=\"figures\"><h2>Figures</h2>\n");
    if (s->report == NULL) {
        trb__html_missing(out, "This run is not evaluated: it has no report.json. `tribikos eval` writes it.");
    } else {
        trb_text_add(out,
                     "<p>The best of each column is <b>bold</b>%s. A dash stands for a figure that a model does not "
                     "have: one that needs several members or heads, compares a student with the ensemble, or needs "
                     "held-out samples; or a prediction was not finite.</p>\n",
                     students > 1 ? ", the best student is <span class=\"u\">underlined</span>" : "");
        add_table(s, "models", "Figures of all models", s->classes ? of_classes : of_regression, out);
        if (any_shown(s, more)) {
            trb_text_add(out, "<h3>More figures</h3>\n");
            add_table(s, "more", "More figures of all models", more, out);
        }
        add_detection(s, out);
        add_correlations(s, out);
    }
    trb_text_add(out, "</section>\n");
}

/* ---- in short */

/* The deep-ensemble equivalent ends at one member and at all of them; what lies beyond is said in words. */
static void add_worth(const trb__sheet *s, const char *model, trb_text *out)
{
    const double dee = trb__sheet_figure(s, model, "deep_ensemble_equivalent");
    const bool worse =
        trb__sheet_figure(s, model, "calibrated_nll") > trb__sheet_figure(s, "member_mean", "calibrated_nll");
    if (!isfinite(dee)) return;
    if (!(dee > 1.0))
        trb_text_add(out, " It is worth %s one member.", worse ? "less than" : "as much as");
    else if (dee >= (double)s->M)
        trb_text_add(out, " It is worth all %zu members.", s->M);
    else
        trb_text_add(out, " It is worth %.1f members.", dee);
}

static void add_student(const trb__sheet *s, const trb__sheet_model *m, trb_text *out)
{
    const char *figure = s->classes ? "nll" : "rmse";
    const double own = trb__sheet_figure(s, m->name, figure), ensemble = trb__sheet_figure(s, "ensemble", figure);
    const double time =
        trb__sheet_figure(s, m->name, "ms_per_sample") / trb__sheet_figure(s, "ensemble", "ms_per_sample");
    const double size = trb__sheet_figure(s, m->name, "parameters") / trb__sheet_figure(s, "ensemble", "parameters");
    const double mu = s->classes ? trb__sheet_figure(s, m->name, "mu_ratio")
                                 : trb__sheet_figure(s, m->name, "model_variance") /
                                       trb__sheet_figure(s, "ensemble", "model_variance");
    char number[TRB_NUMBER_BYTES];
    trb_text_add(out, "<li>The student <b>");
    trb__html_add(out, "%s", m->name);
    trb_text_add(out, "</b> ");
    if (!isfinite(own)) {
        trb_text_add(out, "has no %s: it is not a finite number.</li>\n", s->classes ? "NLL" : "RMSE");
        return;
    }
    if (s->classes)
        trb_text_add(out, "is right on %.2f&#160;%% (NLL %s", 100.0 * trb__sheet_figure(s, m->name, "accuracy"),
                     trb_number_figure(own, 4, number));
    else
        trb_text_add(out, "has an RMSE of %.4g (", own);
    if (isfinite(own / ensemble))
        trb_text_add(out, "%s%s times the ensemble's", s->classes ? ", " : "",
                     trb_number_figure(own / ensemble, 3, number));
    else
        trb_text_add(out, "%s", s->classes ? "" : "no ensemble to compare");
    trb_text_add(out, ")");
    if (isfinite(time)) trb_text_add(out, ", in %.0f&#160;%% of its time", 100.0 * time);
    if (isfinite(size)) trb_text_add(out, " and with %.0f&#160;%% of its parameters", 100.0 * size);
    trb_text_add(out, ".");
    if (m->several && isfinite(mu) && mu > 0.0)
        trb_text_add(out, " Its model %s is %.2f times the ensemble's.", s->classes ? "uncertainty" : "variance", mu);
    else if (!m->several && m->predicted)
        trb_text_add(out, " It has no model uncertainty.");
    add_worth(s, m->name, out);
    trb_text_add(out, "</li>\n");
}

void trb__sheet_summary(const trb__sheet *s, trb_text *out)
{
    enum { MOST = 4 };
    size_t shown = 0, students = 0;
    char number[TRB_NUMBER_BYTES], other[TRB_NUMBER_BYTES];
    const char *figure = s->classes ? "nll" : "rmse";
    const double alone = trb__sheet_figure(s, "member_mean", figure), all = trb__sheet_figure(s, "ensemble", figure);
    if (s->report == NULL) return;
    const double samples = trb_tree_number(s->report, "samples");
    trb_text_add(out, "<ul class=\"short\">\n");
    if (isfinite(all) && s->M > 1) {
        trb_text_add(out, "<li>On %s samples the <b>ensemble</b> of %zu members ",
                     trb_number_grouped(samples >= 0.0 ? (size_t)samples : 0, number), s->M);
        if (s->classes)
            trb_text_add(
                out, "is right on %.2f&#160;%% (NLL %s); a single member on %.2f&#160;%% on average (NLL %s).</li>\n",
                100.0 * trb__sheet_figure(s, "ensemble", "accuracy"), trb_number_figure(all, 4, number),
                100.0 * trb__sheet_figure(s, "member_mean", "accuracy"), trb_number_figure(alone, 4, other));
        else
            trb_text_add(out, "has an RMSE of %.4g; a single member has %.4g on average.</li>\n", all, alone);
    }
    for (size_t i = 0; i < s->n_models; i++) {
        if (!s->model[i].student) continue;
        students++;
        if (s->model[i].colour >= 0 && shown < MOST) {
            add_student(s, &s->model[i], out);
            shown++;
        }
    }
    if (students > shown) trb_text_add(out, "<li>%zu more students are in the table.</li>\n", students - shown);
    trb_text_add(out, "</ul>\n");
}
