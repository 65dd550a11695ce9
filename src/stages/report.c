#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/fault.h"
#include "tribikos/memory.h"
#include "tribikos/store.h"

static void number(FILE *f, const char *name, double value)
{
    if (isfinite(value))
        (void)fprintf(f, "\"%s\": %.17g, ", name, value);
    else
        (void)fprintf(f, "\"%s\": null, ", name);
}

static void figures(FILE *f, trb_task task, const trb_report_row *row)
{
    if (task == TRB_TASK_REGRESSION) {
        for (size_t k = 0; trb_metrics_gaussian_name(k) != NULL; k++)
            number(f, trb_metrics_gaussian_name(k), trb_metrics_gaussian_value(&row->gaussian, k));
        return;
    }
    for (size_t k = 0; trb_metrics_name(k) != NULL; k++)
        number(f, trb_metrics_name(k), trb_metrics_value(&row->metrics, k));
    number(f, "brier_minus_1", row->metrics.brier - 1.0);
}

trb_status trb__report_publish(const char *path, const char *split, const trb_report *r)
{
    char *text = NULL;
    size_t bytes = 0;
    TRB_TRY(trb_fault("alloc"));
    FILE *f = open_memstream(&text, &bytes);
    if (f == NULL) return trb_fail(TRB_ENOMEM, "%s: no memory to compose it", path);
    (void)fprintf(f, "{\"split\": \"%s\", \"samples\": %zu, \"models\": {", split, r->samples);
    for (size_t i = 0; i < r->n; i++) {
        const trb_report_row *row = &r->row[i];
        (void)fprintf(f, "%s\n  \"%s\": {", i > 0 ? "," : "", row->name);
        figures(f, r->task, row);
        number(f, "ms_per_sample", row->ms_per_sample);
        if (row->params > 0)
            (void)fprintf(f, "\"parameters\": %llu}", (unsigned long long)row->params);
        else
            (void)fputs("\"parameters\": null}", f);
    }
    (void)fputs("\n}}\n", f);
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
    char place[80];
    (void)snprintf(place, sizeof place, "/%s", name);
    return trb_h5_put(f, place, shape, p);
}

trb_status trb__predictions_publish(trb__predictions *f)
{
    return trb_h5_publish(f);
}

void trb__predictions_abandon(trb__predictions *f)
{
    trb_h5_close(f);
}
