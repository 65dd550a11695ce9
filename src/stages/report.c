#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"
#include "tribikos/version.h"

static void last(FILE *f, const char *name, double value)
{
    if (isfinite(value))
        (void)fprintf(f, "\"%s\": %.17g", name, value);
    else
        (void)fprintf(f, "\"%s\": null", name);
}

static void number(FILE *f, const char *name, double value)
{
    last(f, name, value);
    (void)fputs(", ", f);
}

static void open_object(FILE *f, size_t i, const char *name)
{
    (void)fprintf(f, "%s\n  \"%s\": {", i > 0 ? "," : "", name);
}

/* Figures one after another. */
static void list(FILE *f, const char *name, size_t n, const double *value, const char *end)
{
    (void)fprintf(f, "\"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(value[i]))
            (void)fprintf(f, "%s%.17g", i > 0 ? ", " : "", value[i]);
        else
            (void)fprintf(f, "%snull", i > 0 ? ", " : "");
    }
    (void)fprintf(f, "]%s", end);
}

static void figures(FILE *f, trb_task task, const trb_report_row *row)
{
    const bool classes = task == TRB_TASK_CLASSES;
    for (const trb_figure *k = classes ? trb_figures_classes : trb_figures_regression; k->name != NULL; k++)
        number(f, k->name, trb_metrics_value(&row->metrics, k));
    if (classes) number(f, "brier_minus_1", row->metrics.brier - 1.0);
}

static void write_models(FILE *f, const trb_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const trb_report_row *row = &r->row[i];
        open_object(f, i, row->name);
        figures(f, r->task, row);
        number(f, "ms_per_sample", row->ms_per_sample);
        if (row->params > 0)
            (void)fprintf(f, "\"parameters\": %llu}", (unsigned long long)row->params);
        else
            (void)fputs("\"parameters\": null}", f);
    }
}

static void write_ood(FILE *f, const trb_report *r, const trb_detection *of)
{
    static const char *const score[TRB_SCORES] = {"model_uncertainty", "total_uncertainty", "max_probability"};
    for (size_t i = 0; i < r->n; i++) {
        open_object(f, i, r->row[i].name);
        for (size_t k = 0; k < TRB_SCORES; k++) {
            const trb_detection *d = &of[i * TRB_SCORES + k];
            (void)fprintf(f, "\"%s\": {", score[k]);
            number(f, "auroc", d->auroc);
            number(f, "aupr", d->aupr);
            last(f, "fpr95", d->fpr95);
            (void)fputs(k + 1 < TRB_SCORES ? "}, " : "}}", f);
        }
    }
}

/* \param[in] of  [strengths][n] */
static void write_corruption(FILE *f, const trb_report *r, const trb_metrics *of)
{
    double accuracy[TRB_CORRUPT_STRENGTHS], nll[TRB_CORRUPT_STRENGTHS], ece[TRB_CORRUPT_STRENGTHS];
    for (size_t i = 0; i < r->n; i++) {
        for (size_t s = 0; s < TRB_CORRUPT_STRENGTHS; s++) {
            accuracy[s] = of[s * r->n + i].accuracy;
            nll[s] = of[s * r->n + i].nll;
            ece[s] = of[s * r->n + i].ece;
        }
        open_object(f, i, r->row[i].name);
        list(f, "accuracy", TRB_CORRUPT_STRENGTHS, accuracy, ", ");
        list(f, "nll", TRB_CORRUPT_STRENGTHS, nll, ", ");
        list(f, "ece", TRB_CORRUPT_STRENGTHS, ece, "}");
    }
}

static void write_program(FILE *f)
{
    (void)fputs("{\"program\": \"", f);
    for (const char *p = trb_version(); *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') (void)fputc('\\', f);
        (void)(*p == '\n' ? fputs("\\n", f) : fputc(*p, f));
    }
    (void)fputs("\",\n", f);
}

trb_status trb__report_publish(const char *path, const trb_config *c, const trb_report *r)
{
    char *text = NULL;
    size_t bytes = 0;
    TRB_TRY(trb_fault("alloc"));
    FILE *f = open_memstream(&text, &bytes);
    if (f == NULL) return trb_fail(TRB_ENOMEM, "%s: no memory to compose it", path);
    write_program(f);
    (void)fprintf(f, "\"split\": \"%s\", \"samples\": %zu, \"models\": {", c->eval.split, r->samples);
    write_models(f, r);
    (void)fputs("\n},\n\"ensembles\": {", f);
    if (r->nll_by_size != NULL)
        list(f, "calibrated_nll", r->members, r->nll_by_size, "},\n\"ood\": {");
    else
        (void)fputs("\"calibrated_nll\": null},\n\"ood\": {", f);
    for (size_t i = 0; i < c->eval.n_ood; i++) {
        open_object(f, i, c->eval.ood[i].name);
        (void)fprintf(f, "\"samples\": %zu, \"models\": {", r->ood_samples[i]);
        write_ood(f, r, r->ood + i * r->n * TRB_SCORES);
        (void)fputs("}}", f);
    }
    (void)fputs("},\n\"corruptions\": {", f);
    for (size_t i = 0; i < c->eval.n_corruptions; i++) {
        open_object(f, i, c->eval.corruptions[i]);
        write_corruption(f, r, r->corrupted + i * TRB_CORRUPT_STRENGTHS * r->n);
        (void)fputs("}", f);
    }
    (void)fputs("}}\n", f);
    const bool composed = fclose(f) == 0;
    const trb_status st =
        composed ? trb_file_publish_text(path, text) : trb_fail(TRB_ENOMEM, "%s: no memory to compose it", path);
    free(text);
    return st;
}

trb_status trb__predictions_create(const char *path, const trb_data *data, size_t n, const int64_t *id,
                                   trb__predictions **out)
{
    trb_h5 *h = NULL;
    int32_t *label = NULL;
    float *target = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_h5_create(path, &h));
    TRB_GO(trb_h5_put(h, "/sample_id", (trb_h5_shape){TRB_I64, 1, {n}}, id));
    if (data->task == TRB_TASK_REGRESSION) {
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
    trb_free(target);
    trb_free(label);
    trb_h5_close(h);
    return st;
}

trb_status trb__predictions_add(trb__predictions *f, const char *name, trb_h5_shape shape, const float *p)
{
    char place[TRB_NAME_MAX + 2];
    (void)snprintf(place, sizeof place, "/%s", name);
    return trb_h5_put(f, place, shape, p);
}

trb_status trb__predictions_add_uncertainty(trb__predictions *f, const char *set, const char *name, bool several,
                                            size_t n, const trb_row_figures *row)
{
    static const char *const what[] = {"total", "max_probability", "model"};
    double *value = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, n, sizeof *value, &value);
    for (size_t k = 0; st == TRB_OK && k < (several ? 3 : 2); k++) {
        char place[2 * TRB_NAME_MAX + 64];
        if (k == 1 && isnan(row[0].doubt)) continue; /* of regression */
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
