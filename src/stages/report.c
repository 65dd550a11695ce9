/* The files of an evaluation: writes report.json and predictions.h5, which report.h describes. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"
#include "tribikos/tree.h"
#include "tribikos/version.h"

static void put_last(trb_text *t, const char *name, double value)
{
    trb_text_add(t, "\"%s\": ", name);
    trb_text_number(t, value);
}

static void put_number(trb_text *t, const char *name, double value)
{
    put_last(t, name, value);
    trb_text_add(t, ", ");
}

static void open_object(trb_text *t, size_t i, const char *name)
{
    trb_text_add(t, "%s\n  \"%s\": {", i > 0 ? "," : "", name);
}

/* A list of figures. */
static void put_list(trb_text *t, const char *name, size_t n, const double *value, const char *end)
{
    trb_text_add(t, "\"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        trb_text_add(t, "%s", i > 0 ? ", " : "");
        trb_text_number(t, value[i]);
    }
    trb_text_add(t, "]%s", end);
}

/* Two figures that belong together, as an object. */
static void put_two(trb_text *t, const char *name, const char *first, double a, const char *second, double b)
{
    trb_text_add(t, "\"%s\": {", name);
    put_number(t, first, a);
    put_last(t, second, b);
    trb_text_add(t, "}, ");
}

static const char model_uncertainty[] = "model_uncertainty", total_uncertainty[] = "total_uncertainty",
                  correlation[] = "model_uncertainty_correlation";

/* How good the uncertainties are. */
static void put_uncertainty(trb_text *t, bool classes, const trb_metrics *m)
{
    if (classes)
        put_two(t, "auroc_errors", model_uncertainty, m->error_auroc_model, total_uncertainty, m->error_auroc_total);
    put_two(t, "aurc", model_uncertainty, m->aurc_model, total_uncertainty, m->aurc_total);
    put_two(t, correlation, "pearson", m->mu_pearson, "spearman", m->mu_spearman);
    put_two(t, "conformal", "coverage", m->conformal_coverage, "mean_size", m->conformal_size);
}

static void put_figures(trb_text *t, trb_task task, const trb_report_row *row)
{
    const bool classes = task == TRB_TASK_CLASSES;
    for (const trb_figure *k = classes ? trb_figures_classes : trb_figures_regression; k->name != NULL; k++)
        put_number(t, k->name, trb_metrics_value(&row->metrics, k));
    if (classes) put_number(t, "brier_minus_1", row->metrics.brier - 1.0);
    put_uncertainty(t, classes, &row->metrics);
}

static void write_models(trb_text *t, const trb_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const trb_report_row *row = &r->row[i];
        open_object(t, i, row->name);
        put_figures(t, r->task, row);
        put_number(t, "ms_per_sample", row->ms_per_sample);
        if (row->params > 0)
            trb_text_add(t, "\"parameters\": %llu}", (unsigned long long)row->params);
        else
            trb_text_add(t, "\"parameters\": null}");
    }
}

/* \param[in] of  [n][TRB_SCORES]   \param[in] m  [n] */
static void write_ood(trb_text *t, const trb_report *r, const trb_detection *of, const trb_metrics *m)
{
    static const char *const score[TRB_SCORES] = {model_uncertainty, total_uncertainty, "max_probability"};
    for (size_t i = 0; i < r->n; i++) {
        open_object(t, i, r->row[i].name);
        put_two(t, correlation, "pearson", m[i].mu_pearson, "spearman", m[i].mu_spearman);
        for (size_t k = 0; k < TRB_SCORES; k++) {
            const trb_detection *d = &of[i * TRB_SCORES + k];
            trb_text_add(t, "\"%s\": {", score[k]);
            put_number(t, "auroc", d->auroc);
            put_number(t, "aupr", d->aupr);
            put_last(t, "fpr95", d->fpr95);
            trb_text_add(t, k + 1 < TRB_SCORES ? "}, " : "}}");
        }
    }
}

/* \param[in] of  [strengths][n] */
static void write_corruption(trb_text *t, const trb_report *r, const trb_metrics *of)
{
    double accuracy[TRB_CORRUPT_STRENGTHS], nll[TRB_CORRUPT_STRENGTHS], ece[TRB_CORRUPT_STRENGTHS];
    double pearson[TRB_CORRUPT_STRENGTHS], spearman[TRB_CORRUPT_STRENGTHS];
    for (size_t i = 0; i < r->n; i++) {
        for (size_t s = 0; s < TRB_CORRUPT_STRENGTHS; s++) {
            accuracy[s] = of[s * r->n + i].accuracy;
            nll[s] = of[s * r->n + i].nll;
            ece[s] = of[s * r->n + i].ece;
            pearson[s] = of[s * r->n + i].mu_pearson;
            spearman[s] = of[s * r->n + i].mu_spearman;
        }
        open_object(t, i, r->row[i].name);
        put_list(t, "accuracy", TRB_CORRUPT_STRENGTHS, accuracy, ", ");
        put_list(t, "nll", TRB_CORRUPT_STRENGTHS, nll, ", ");
        put_list(t, "ece", TRB_CORRUPT_STRENGTHS, ece, ", ");
        trb_text_add(t, "\"%s\": {", correlation);
        put_list(t, "pearson", TRB_CORRUPT_STRENGTHS, pearson, ", ");
        put_list(t, "spearman", TRB_CORRUPT_STRENGTHS, spearman, "}}");
    }
}

trb__path trb__report_folder(const trb_config *c)
{
    return c->eval.name[0] == '\0' ? trb__run_path(c, "report") : trb__run_path(c, "report/%s", c->eval.name);
}

/* What a report is on: the part of a data set, and its digest. */
typedef struct {
    char split[TRB_NAME_MAX + 1]; /* if it is another one than is asked for; else "" */
    bool same;                    /* the part and the digest, or the report has no digest */
} reported;

/* Compare what a report is on with a part of a data set. */
static trb_status is_on(const char *path, const char *text, const char *split, const char *digest, reported *r)
{
    trb_tree *report = NULL;
    TRB_TRY(trb_tree_read(path, text, &report));
    const char *found = trb_tree_text(report, "digests.evaluated_on"), *of = trb_tree_text(report, "split");
    r->same = found == NULL || of == NULL || (strcmp(found, digest) == 0 && strcmp(of, split) == 0);
    if (of != NULL && strcmp(of, split) != 0) (void)snprintf(r->split, sizeof r->split, "%s", of);
    trb_tree_destroy(report);
    return TRB_OK;
}

trb_status trb__report_expect(const trb_config *c, uint64_t evaluated_on)
{
    enum { LARGEST = 1 << 26 };
    char path[TRB_PATH_BYTES + 16], digest[17], *text = NULL;
    reported is = {.same = true};
    const trb__path folder = trb__report_folder(c);
    (void)snprintf(path, sizeof path, "%s/report.json", folder.text);
    if (!trb_file_exists(path)) return TRB_OK;
    trb_hash_hex(evaluated_on, digest);
    TRB_TRY(trb_file_read_text(path, LARGEST, &text));
    const trb_status st = is_on(path, text, c->eval.split, digest, &is);
    trb_free(text);
    if (trb_status_is_failure(st)) return st;
    if (st != TRB_OK) trb_fail_clear(); /* a damaged report is written anew */
    if (is.same) return TRB_OK;
    if (is.split[0] != '\0')
        return trb_fail(TRB_EINTEGRITY,
                        "%s is a report on another part of the data: eval.split was %s and is %s now; keep it and give "
                        "this one a name (--eval.name=NAME), or remove the folder",
                        folder.text, is.split, c->eval.split);
    return trb_fail(TRB_EINTEGRITY,
                    "%s is a report on other samples: it has the same name, but its files had another content; keep it "
                    "and give this one a name (--eval.name=NAME), or remove the folder",
                    folder.text);
}

static trb_status write_data(trb_text *t, size_t n, const trb__read_set *set)
{
    for (size_t i = 0; i < n; i++) {
        trb_text_add(t, "%s\n  ", i > 0 ? "," : "");
        trb_text_quoted(t, set[i].name);
        trb_text_add(t, ": ");
        TRB_TRY(trb__describe_json(&set[i], t));
    }
    return TRB_OK;
}

trb_status trb__report_publish(const char *path, const trb_config *c, size_t n_sets, const trb__read_set *set,
                               const char *schema, const trb__weights_of *weights, const trb_report *r)
{
    trb_text composed = {0}, *t = &composed;
    char *text = NULL, trained_on[17], evaluated_on[17];
    trb_hash_hex(r->trained_on, trained_on);
    trb_hash_hex(r->evaluated_on, evaluated_on);
    trb_text_add(t, "{\"program\": ");
    trb_text_quoted(t, trb_version());
    trb_text_add(t, ",\n\"name\": \"%s\", \"task\": \"%s\", \"members\": %zu, \"split\": \"%s\",\n", c->eval.name,
                 r->task == TRB_TASK_REGRESSION ? "regression" : "classes", r->members, c->eval.split);
    trb_text_add(t, "\"digests\": {\"trained_on\": \"%s\", \"evaluated_on\": \"%s\"},\n", trained_on, evaluated_on);
    trb__report_weights(weights, t);
    if (schema != NULL) trb_text_add(t, "\"schema\": %s,\n", schema);
    trb_text_add(t, "\"samples\": %zu, \"data\": {", r->samples);
    const trb_status described = write_data(t, n_sets, set);
    if (described != TRB_OK) {
        trb_text_clear(t);
        return described;
    }
    trb_text_add(t, "\n},\n\"models\": {");
    write_models(t, r);
    trb_text_add(t, "\n},\n\"ensembles\": {");
    if (r->nll_by_size != NULL)
        put_list(t, "calibrated_nll", r->members, r->nll_by_size, "},\n\"ood\": {");
    else
        trb_text_add(t, "\"calibrated_nll\": null},\n\"ood\": {");
    for (size_t i = 0; i < c->eval.n_ood; i++) {
        open_object(t, i, c->eval.ood[i].name);
        trb_text_add(t, "\"samples\": %zu, \"models\": {", r->ood_samples[i]);
        write_ood(t, r, r->ood + i * r->n * TRB_SCORES, r->ood_metrics + i * r->n);
        trb_text_add(t, "}}");
    }
    trb_text_add(t, "},\n\"corruptions\": {");
    for (size_t i = 0; i < c->eval.n_corruptions; i++) {
        open_object(t, i, c->eval.corruptions[i]);
        write_corruption(t, r, r->corrupted + i * TRB_CORRUPT_STRENGTHS * r->n);
        trb_text_add(t, "}");
    }
    trb_text_add(t, "}}\n");
    TRB_TRY(trb_text_take(t, &text));
    const trb_status st = trb_file_publish_text(path, text);
    trb_free(text);
    return st;
}

static trb_status put_schema(trb_h5 *h, const trb_schema *schema)
{
    char *text = NULL;
    TRB_TRY(trb_schema_write(schema, &text));
    const trb_status st = trb_h5_put_text(h, "schema", text);
    trb_free(text);
    return st;
}

trb_status trb__predictions_create(const char *path, const trb_data *data, size_t n, const int64_t *id,
                                   trb__predictions **out)
{
    trb_h5 *h = NULL;
    int32_t *label = NULL;
    float *target = NULL;
    double *moved = NULL;
    const trb_schema *schema = data->schema;
    const double offset = schema != NULL ? schema->target_offset : 0.0;
    trb_status st = TRB_OK;
    TRB_GO(trb_h5_create(path, &h));
    TRB_GO(trb_h5_put(h, "/sample_id", (trb_h5_shape){TRB_I64, 1, {n}}, id));
    if (trb_schema_says(schema)) TRB_GO(put_schema(h, schema));
    if (data->task == TRB_TASK_REGRESSION && fabs(offset) > 0.0) {
        TRB_GO(trb_alloc(TRB_MEM_OTHER, n, sizeof *moved, &moved));
        for (size_t i = 0; i < n; i++) moved[i] = offset + (double)data->target[id[i]];
        TRB_GO(trb_h5_put(h, "/target", (trb_h5_shape){TRB_F64, 1, {n}}, moved));
    } else if (data->task == TRB_TASK_REGRESSION) {
        TRB_GO(trb_alloc(TRB_MEM_OTHER, n, sizeof *target, &target));
        for (size_t i = 0; i < n; i++) target[i] = data->target[id[i]];
        TRB_GO(trb_h5_put(h, "/target", (trb_h5_shape){TRB_F32, 1, {n}}, target));
    } else {
        TRB_GO(trb_alloc(TRB_MEM_OTHER, n, sizeof *label, &label));
        for (size_t i = 0; i < n; i++) label[i] = data->label[id[i]];
        TRB_GO(trb_h5_put(h, "/label", (trb_h5_shape){TRB_I32, 1, {n}}, label));
    }
    *out = h;
    h = NULL;
done:
    trb_free(moved);
    trb_free(target);
    trb_free(label);
    trb_h5_close(h);
    return st;
}

trb_status trb__predictions_add(trb__predictions *f, const char *name, trb_h5_shape shape, double offset,
                                const float *p)
{
    char place[TRB_NAME_MAX + 2];
    double *moved = NULL;
    (void)snprintf(place, sizeof place, "/%s", name);
    if (!(fabs(offset) > 0.0)) return trb_h5_put(f, place, shape, p);
    const size_t n = shape.dim[0] * shape.dim[1] * shape.dim[2];
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *moved, &moved));
    for (size_t i = 0; i < n; i++) moved[i] = (double)p[i] + (i % 2 == 0 ? offset : 0.0); /* mean, deviation */
    shape.type = TRB_F64;
    const trb_status st = trb_h5_put(f, place, shape, moved);
    trb_free(moved);
    return st;
}

/* Regression has no largest probability; rows of classes that are not finite have none either. */
static bool has_doubt(size_t n, const trb_row_figures *row)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(row[i].doubt)) return true;
    return false;
}

trb_status trb__predictions_add_uncertainty(trb__predictions *f, const char *set, const char *name, bool several,
                                            size_t n, const trb_row_figures *row)
{
    static const char *const what[] = {"total", "max_probability", "model"};
    double *value = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, n, sizeof *value, &value);
    for (size_t k = 0; st == TRB_OK && k < (several ? 3 : 2); k++) {
        char place[2 * TRB_NAME_MAX + 64];
        if (k == 1 && !has_doubt(n, row)) continue;
        for (size_t i = 0; i < n; i++)
            value[i] = k == 0 ? row[i].total : k == 1 ? 1.0 - row[i].doubt : row[i].total - row[i].data;
        (void)snprintf(place, sizeof place, "/uncertainty/%s/%s/%s", set, name, what[k]);
        st = trb_h5_put(f, place, (trb_h5_shape){TRB_F64, 1, {n}}, value);
    }
    trb_free(value);
    return st;
}

trb_status trb__predictions_publish(trb__predictions *f)
{
    return trb_h5_publish(f);
}

void trb__predictions_abandon(trb__predictions *f)
{
    trb_h5_close(f);
}
