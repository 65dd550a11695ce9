/* A trained network as a weights file has it (trained.h): reading it, and what its outputs mean. */
#include "tribikos/trained.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/method.h"
#include "tribikos/metrics_gaussian.h"

void trb_trained_said(const trb_trained *t, const char *key, char *value, size_t bytes)
{
    const size_t n = strlen(key);
    const char *line = t->info.config;
    value[0] = '\0';
    while (strncmp(line, key, n) != 0 || strncmp(line + n, ": ", 2) != 0) {
        line = strchr(line, '\n');
        if (line == NULL) return;
        line++;
    }
    line += n + 2;
    (void)snprintf(value, bytes, "%.*s", (int)strcspn(line, "\n"), line);
}

static void add_list(size_t n, char *const *name, trb_text *json)
{
    for (size_t i = 0; i < n; i++) {
        trb_text_add(json, i == 0 ? "[" : ", ");
        trb_text_quoted(json, name[i] == NULL ? "" : name[i]);
    }
    trb_text_add(json, n == 0 ? "null" : "]");
}

void trb_trained_columns(const trb_trained *t, trb_text *json)
{
    add_list(t->schema.n_inputs, t->input_name, json);
}

void trb_trained_classes(const trb_trained *t, trb_text *json)
{
    add_list(t->schema.n_classes, t->schema.class_name, json);
}

/* The digest says that the constants are those that were written, not that they are numbers to compute with. */
static trb_status check_constants(const char *path, const trb_norm *norm, size_t channels)
{
    for (size_t c = 0; c < channels; c++)
        if (!isfinite(norm->mean[c]) || !isfinite(norm->scale[c]))
            return trb_fail(TRB_EINTEGRITY, "%s: input.mean and input.scale of input %zu are %g and %g, not finite",
                            path, c, (double)norm->mean[c], (double)norm->scale[c]);
    for (size_t c = 0; norm->offset != NULL && c < channels; c++)
        if (!isfinite(norm->offset[c]))
            return trb_fail(TRB_EINTEGRITY, "%s: input.offset of input %zu is %g, not finite", path, c,
                            norm->offset[c]);
    if (isfinite(norm->target_mean) && isfinite(norm->target_scale) && norm->target_scale >= 0.0) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY,
                    "%s: target.mean and target.scale are %g and %g, expected finite numbers, the scale "
                    "above 0",
                    path, norm->target_mean, norm->target_scale);
}

/* The text of a schema is whole, but may be of another network. */
static trb_status check_schema(const char *path, const trb_trained *t)
{
    const size_t n = t->schema.n_inputs, k = t->schema.n_classes, K = trb_net_outputs(t->net);
    if (n > 0 && n != t->info.input.c)
        return trb_fail(TRB_EINTEGRITY, "%s: its schema has %zu inputs, its network %zu", path, n, t->info.input.c);
    if (k <= K) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY, "%s: its schema has %zu classes, its network %zu outputs", path, k, K);
}

/* A file in which only targets are far from zero has offsets of 0 for its inputs. */
static void drop_zero_offsets(trb_weights_info *info)
{
    for (size_t c = 0; info->norm.offset != NULL && c < info->input.c; c++)
        if (fpclassify(info->norm.offset[c]) != FP_ZERO) return;
    info->norm.offset = NULL;
}

/* "age", and "city=Oslo" for one word of a column. A table without a header has the numbers of its columns instead of
 * names; inputs of an array have no names. */
static trb_status name_input(const trb_schema *s, size_t i, char **name)
{
    const trb_schema_input *in = &s->input[i];
    const char *word = in->category == NULL ? "" : in->category, *equals = in->category == NULL ? "" : "=";
    if (in->name != NULL) return trb_text_of(name, "%s%s%s", in->name, equals, word);
    return s->n_columns == 0 ? TRB_OK : trb_text_of(name, "%zu%s%s", in->column, equals, word);
}

static trb_status name_inputs(trb_trained *t)
{
    if (t->schema.n_inputs == 0) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, t->schema.n_inputs, sizeof *t->input_name, &t->input_name));
    for (size_t i = 0; i < t->schema.n_inputs; i++) TRB_TRY(name_input(&t->schema, i, &t->input_name[i]));
    return TRB_OK;
}

/* What the outputs mean follows from the task and from the method by which a student was trained. */
static trb_status find_meaning(const char *path, trb_trained *t)
{
    char name[64];
    trb_trained_said(t, "method", name, sizeof name);
    const trb_method *method = trb_method_find(name);
    const size_t K = trb_net_outputs(t->net);
    t->task = t->info.norm.target_scale != 0.0 ? TRB_TASK_REGRESSION : TRB_TASK_CLASSES;
    t->dirichlet = method != NULL && t->task == TRB_TASK_CLASSES ? method->dirichlet : TRB_DIRICHLET_NONE;
    if (t->task == TRB_TASK_REGRESSION && K != 2)
        return trb_fail(TRB_EINTEGRITY, "%s has %zu outputs, regression has 2 (mean, log variance)", path, K);
    if (t->dirichlet != TRB_DIRICHLET_NONE && trb_net_heads(t->net) != 1)
        return trb_fail(TRB_EINTEGRITY, "%s was trained by the method %s, which has one head, but it has %zu", path,
                        name, trb_net_heads(t->net));
    return TRB_OK;
}

trb_status trb_trained_read(const char *path, trb_trained *t)
{
    *t = (trb_trained){.task = TRB_TASK_CLASSES};
    TRB_TRY(trb_weights_read(path, &t->info, &t->net, &t->params));
    TRB_TRY(check_constants(path, &t->info.norm, t->info.input.c));
    t->temperature = t->info.norm.temperature;
    drop_zero_offsets(&t->info);
    if (t->info.schema[0] != '\0') TRB_TRY(trb_schema_read(path, t->info.schema, &t->schema));
    TRB_TRY(check_schema(path, t));
    TRB_TRY(name_inputs(t));
    return find_meaning(path, t);
}

void trb_trained_clear(trb_trained *t)
{
    for (size_t i = 0; t->input_name != NULL && i < t->schema.n_inputs; i++) trb_free(t->input_name[i]);
    trb_free(t->input_name);
    trb_schema_clear(&t->schema);
    trb_free(t->params);
    trb_net_destroy(t->net);
    trb_weights_info_clear(&t->info);
    *t = (trb_trained){.task = TRB_TASK_CLASSES};
}

static void normalize_wide(const trb_norm *norm, size_t C, size_t area, const double *raw, float *x)
{
    for (size_t c = 0; c < C; c++) {
        const double offset = norm->offset != NULL ? norm->offset[c] : 0.0;
        for (size_t j = c * area; j < (c + 1) * area; j++)
            x[j] = ((float)(raw[j] - offset) - norm->mean[c]) * norm->scale[c];
    }
}

void trb_trained_normalize(const trb_trained *t, size_t rows, const float *raw, const double *wide, float *x)
{
    const size_t C = t->info.input.c, area = t->info.input.h * t->info.input.w;
    const float *mean = t->info.norm.mean, *scale = t->info.norm.scale;
    for (size_t i = 0; wide != NULL && i < rows; i++)
        normalize_wide(&t->info.norm, C, area, wide + i * C * area, x + i * C * area);
    for (size_t i = 0; raw != NULL && i < rows; i++, raw += C * area, x += C * area) {
        if (area == 1) { /* a simple loop for columns, which are many */
            for (size_t c = 0; c < C; c++) x[c] = (raw[c] - mean[c]) * scale[c];
            continue;
        }
        for (size_t c = 0; c < C; c++)
            for (size_t j = c * area; j < (c + 1) * area; j++) x[j] = (raw[j] - mean[c]) * scale[c];
    }
}

/* Splits the uncertainties of all rows, of which each may be wanted. A single head knows of no model uncertainty; the
 * difference would be the rounding errors of two sums. */
static void put(size_t rows, bool several, const trb_row_figures *row, const trb_trained_out *out)
{
    for (size_t i = 0; i < rows; i++) {
        const double total = row[i].total, data = row[i].data;
        if (out->total_uncertainty != NULL) out->total_uncertainty[i] = total;
        if (out->data_uncertainty != NULL) out->data_uncertainty[i] = data;
        if (out->model_uncertainty != NULL) out->model_uncertainty[i] = several ? total - data : 0.0;
    }
}

/* \param[in] log_p  [rows][K], of single precision as in the fit of the temperature */
static trb_status calibrate(const trb_trained *t, size_t rows, const float *log_p, float *calibrated)
{
    const size_t K = trb_net_outputs(t->net);
    double *tempered = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, K, sizeof *tempered, &tempered));
    for (size_t i = 0; i < rows * K; i += K) {
        trb_temper(K, log_p + i, 1.0 / t->temperature, tempered);
        for (size_t k = 0; k < K; k++) calibrated[i + k] = (float)exp(tempered[k]);
    }
    trb_free(tempered);
    return TRB_OK;
}

static trb_status predict_classes(const trb_trained *t, size_t rows, const float *z, const trb_trained_out *out)
{
    const size_t M = trb_net_heads(t->net), K = trb_net_outputs(t->net);
    float *log_p = NULL;
    trb_row_figures *row = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, rows * K, sizeof *log_p, &log_p));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, rows, sizeof *row, &row));
    TRB_GO(trb_metrics_block(trb_predict_of(t->dirichlet), rows, M, K, z, NULL, 1,
                             &(trb_metrics_out){.log_p = log_p, .row = row}));
    for (size_t i = 0; out->probabilities != NULL && i < rows * K; i++)
        out->probabilities[i] = (float)exp((double)log_p[i]);
    if (out->calibrated != NULL) TRB_GO(calibrate(t, rows, log_p, out->calibrated));
    put(rows, M > 1 || t->dirichlet != TRB_DIRICHLET_NONE, row, out);
done:
    trb_free(row);
    trb_free(log_p);
    return st;
}

static trb_status predict_gaussians(const trb_trained *t, size_t rows, const float *z, const trb_trained_out *out)
{
    const size_t M = trb_net_heads(t->net);
    const trb_norm *norm = &t->info.norm;
    for (size_t i = 0; i < rows * M; i++)
        if (!isfinite(z[2 * i]) || !(fabsf(z[2 * i + 1]) <= 400.0F))
            return trb_fail(TRB_ENUM,
                            "row %zu, head %zu: mean %g and log variance %g are no Gaussian to compute with; "
                            "expected finite numbers, the log variance within -400 to 400",
                            i / M, i % M, (double)z[2 * i], (double)z[2 * i + 1]);
    for (size_t i = 0; i < rows; i++) {
        double mean = 0.0;
        const trb_row_figures f = trb_gaussian_figures(M, z + i * M * 2, norm->target_scale, &mean);
        if (out->mean != NULL) out->mean[i] = norm->target_mean + norm->target_scale * mean;
        if (out->std != NULL) out->std[i] = sqrt(f.total);
        if (out->data_std != NULL) out->data_std[i] = sqrt(f.data);
        /* As in the predictions of eval; rounding may bring the difference of equal heads below 0. */
        if (out->model_std != NULL) out->model_std[i] = sqrt(f.total > f.data ? f.total - f.data : 0.0);
    }
    return TRB_OK;
}

trb_status trb_trained_predict(const trb_trained *t, size_t rows, const float *z, const trb_trained_out *out)
{
    return t->task == TRB_TASK_REGRESSION ? predict_gaussians(t, rows, z, out) : predict_classes(t, rows, z, out);
}
