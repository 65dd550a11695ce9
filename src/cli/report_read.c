/* Reads a run for `tribikos report`: its configuration, report.json, and predictions.h5 model by model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"

enum { KEY = 512 };

/* ---- report.json */

static trb_status read_report(trb__sheet *s)
{
    char path[TRB__PATH + TRB_NAME_MAX], *text = NULL;
    (void)snprintf(path, sizeof path, "%s/report/%s%sreport.json", s->dir, s->name, s->name[0] != '\0' ? "/" : "");
    if (!trb_file_exists(path)) {
        if (s->name[0] == '\0') return TRB_OK;
        return trb_fail(TRB_ECONFIG, "there is no %s; `tribikos info %s` lists the reports of this run", path, s->dir);
    }
    trb_status st = trb_file_read_text(path, TRB__REPORT_BYTES, &text);
    if (st == TRB_OK) st = trb_tree_read(path, text, &s->report);
    trb_free(text);
    if (st == TRB_OK && trb_tree_find(s->report, "models") < trb_tree_n(s->report)) return TRB_OK;
    if (trb_status_is_failure(st)) return st;
    trb_fail_clear();
    return trb_fail(TRB_EINTEGRITY, "%s is no report of tribikos; run `tribikos eval` again", path);
}

double trb__sheet_figure(const trb__sheet *s, const char *model, const char *figure)
{
    char key[KEY + 16];
    if (s->report == NULL) return (double)NAN;
    (void)snprintf(key, sizeof key, "models.%s.%s", model, figure);
    return trb_tree_number(s->report, key);
}

/* The names of the sections directly below `under`, in the order of their bytes. */
static trb_status names_below(const trb_tree *report, const char *under, size_t *n, char (**out)[TRB_NAME_MAX + 1])
{
    const size_t length = strlen(under);
    char(*name)[TRB_NAME_MAX + 1] = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, trb_tree_n(report), sizeof *name, &name));
    *out = name;
    for (size_t i = 0; i < trb_tree_n(report); i++) {
        const char *key = trb_tree_key(report, i);
        if (strncmp(key, under, length) != 0 || strchr(key + length, '.') != NULL || !trb_tree_is_section(report, i))
            continue;
        (void)snprintf(name[(*n)++], sizeof *name, "%s", key + length);
    }
    return TRB_OK;
}

/* Members come first, then their mean, the ensemble, and the students as the configuration lists them. */
static size_t order_of(const trb__sheet *s, const char *name)
{
    const size_t members = 1000000, others = 2 * members;
    if (strcmp(name, "member_mean") == 0) return members;
    if (strcmp(name, "ensemble") == 0) return members + 1;
    for (size_t i = 0; i < s->c->n_students; i++)
        if (strcmp(s->c->student[i].name, name) == 0) return members + 2 + i;
    return strlen(name) >= 4 && name[0] == 'm' && strspn(name + 1, "0123456789") == strlen(name) - 1 ? 0 : others;
}

static void sort_models(trb__sheet *s)
{
    for (size_t i = 1; i < s->n_models; i++)
        for (size_t k = i; k > 0 && order_of(s, s->model[k].name) < order_of(s, s->model[k - 1].name); k--) {
            const trb__sheet_model kept = s->model[k];
            s->model[k] = s->model[k - 1];
            s->model[k - 1] = kept;
        }
}

/* The likelihood of a student; the worst if report.json has none. */
static double rank_of(const trb__sheet *s, size_t model)
{
    const double nll = trb__sheet_figure(s, s->model[model].name, "nll");
    return isnan(nll) ? INFINITY : nll;
}

/* The students with the best likelihoods have colours, if there are more students than colours. */
static void give_colours(trb__sheet *s)
{
    int next = TRB__FIRST_COLOUR;
    for (size_t i = 0; i < s->n_models; i++) {
        trb__sheet_model *m = &s->model[i];
        const double own = rank_of(s, i);
        size_t better = 0;
        m->colour = strcmp(m->name, "ensemble") == 0      ? TRB__BLACK
                    : strcmp(m->name, "member_mean") == 0 ? TRB__GREY
                                                          : -1;
        if (!m->student) continue;
        for (size_t k = 0; k < s->n_models; k++) {
            const double other = rank_of(s, k);
            better += s->model[k].student && k != i && (other < own || (!(own < other) && k < i));
        }
        if (better < TRB__GREY - TRB__FIRST_COLOUR) m->colour = next++;
    }
}

static trb_status list_models(trb__sheet *s)
{
    char(*name)[TRB_NAME_MAX + 1] = NULL;
    size_t n = 0;
    trb_status st = s->report != NULL ? names_below(s->report, "models.", &n, &name) : TRB_OK;
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, n + s->c->n_students, sizeof *s->model, &s->model);
    for (size_t i = 0; st == TRB_OK && i < n; i++) {
        trb__sheet_model *m = &s->model[s->n_models++];
        (void)snprintf(m->name, sizeof m->name, "%s", name[i]);
    }
    trb_free(name);
    for (size_t i = 0; st == TRB_OK && s->report == NULL && i < s->c->n_students; i++)
        (void)snprintf(s->model[s->n_models++].name, TRB_NAME_MAX + 1, "%s", s->c->student[i].name);
    TRB_TRY(st);
    sort_models(s);
    const size_t first_student = order_of(s, "ensemble") + 1;
    for (size_t i = 0; i < s->n_models; i++) s->model[i].student = order_of(s, s->model[i].name) >= first_student;
    give_colours(s);
    return TRB_OK;
}

/* ---- predictions.h5 */

/* Whether a data set of this name is there, with all groups before it. */
static bool has(trb_h5 *h, const char *name)
{
    char part[KEY];
    for (const char *slash = strchr(name + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        if (!trb_h5_has(h, part)) return false;
    }
    return trb_h5_has(h, name);
}

/* A whole vector of doubles. \param[in] N  how long it must be; 0: any length */
static trb_status read_vector(trb_h5 *h, const char *name, size_t N, size_t *n, double **out)
{
    trb_h5_shape shape;
    TRB_TRY(trb_h5_describe(h, name, &shape));
    if (shape.type != TRB_F64 || shape.ndim != 1 || (N > 0 && shape.dim[0] != N))
        return trb_fail(TRB_EINTEGRITY,
                        "%s: %s is no vector of float64 as long as /sample_id; run `tribikos eval` again",
                        trb_h5_path(h), name);
    *n = shape.dim[0];
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, *n, sizeof **out, out));
    return trb_h5_read_rows(h, name, TRB_F64, 0, *n, *out);
}

trb_status trb__sheet_uncertainty(const trb__sheet *s, const char *set, const char *model, const char *kind, size_t *n,
                                  double **value)
{
    char name[KEY];
    *n = 0;
    *value = NULL;
    (void)snprintf(name, sizeof name, "/uncertainty/%s/%s/%s", set, model, kind);
    if (s->predictions == NULL || !has(s->predictions, name)) return TRB_OK;
    return read_vector(s->predictions, name, strcmp(set, s->split) == 0 ? s->N : 0, n, value);
}

static trb_status read_targets(trb__sheet *s)
{
    trb_h5_shape shape;
    float *narrow = NULL;
    TRB_TRY(trb_h5_describe(s->predictions, "/target", &shape));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->N, sizeof *s->target, &s->target));
    if (shape.type == TRB_F64) {
        TRB_TRY(trb_h5_expect(s->predictions, "/target", (trb_h5_shape){TRB_F64, 1, {s->N}}));
        return trb_h5_read_rows(s->predictions, "/target", TRB_F64, 0, s->N, s->target);
    }
    TRB_TRY(trb_h5_expect(s->predictions, "/target", (trb_h5_shape){TRB_F32, 1, {s->N}}));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->N, sizeof *narrow, &narrow));
    const trb_status st = trb_h5_read_rows(s->predictions, "/target", TRB_F32, 0, s->N, narrow);
    for (size_t i = 0; i < s->N; i++) s->target[i] = narrow[i];
    trb_free(narrow);
    return st;
}

/* report.json and predictions.h5 are two files. The same samples and the same mean uncertainty show that one
 * evaluation wrote both. */
static trb_status expect_together(const trb__sheet *s, const trb__sheet_model *m)
{
    double *total = NULL, mean = 0.0;
    size_t n = 0;
    TRB_TRY(trb__sheet_uncertainty(s, s->split, m->name, "total", &n, &total));
    for (size_t i = 0; i < n; i++) mean += total[i] / (double)n;
    trb_free(total);
    const double is =
        s->classes ? trb__sheet_figure(s, m->name, "total_uncertainty")
                   : trb__sheet_figure(s, m->name, "model_variance") + trb__sheet_figure(s, m->name, "data_variance");
    if (n == 0 || isnan(is) || fabs(mean - is) <= 1e-6 * (fabs(is) + 1e-6)) return TRB_OK;
    return trb_fail(
        TRB_EINTEGRITY,
        "%s and the report.json beside it are not of the same evaluation: the mean uncertainty of %s is %.9g "
        "and %.9g; run `tribikos eval` again",
        trb_h5_path(s->predictions), m->name, mean, is);
}

static trb_status read_samples(trb__sheet *s)
{
    trb_h5 *h = s->predictions;
    trb_h5_shape shape;
    TRB_TRY(trb_h5_describe(h, "/sample_id", &shape));
    s->N = shape.ndim == 1 ? shape.dim[0] : 0;
    const double said = trb_tree_number(s->report, "samples");
    if (s->N == 0 || said != (double)s->N)
        return trb_fail(TRB_EINTEGRITY,
                        "%s has %zu samples, the report.json beside it has %.0f; run `tribikos eval` again",
                        trb_h5_path(h), s->N, said);
    TRB_TRY(trb_h5_expect(h, "/sample_id", (trb_h5_shape){TRB_I64, 1, {s->N}}));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->N, sizeof *s->id, &s->id));
    TRB_TRY(trb_h5_read_rows(h, "/sample_id", TRB_I64, 0, s->N, s->id));
    if (!s->classes) return read_targets(s);
    TRB_TRY(trb_h5_expect(h, "/label", (trb_h5_shape){TRB_I32, 1, {s->N}}));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->N, sizeof *s->label, &s->label));
    return trb_h5_read_rows(h, "/label", TRB_I32, 0, s->N, s->label);
}

static trb_status read_schema(trb__sheet *s)
{
    char *text = NULL;
    if (!trb_h5_has_attr(s->predictions, "schema")) return TRB_OK;
    trb_status st = trb_h5_get_text(s->predictions, "schema", &text);
    if (st == TRB_OK) st = trb_schema_read(trb_h5_path(s->predictions), text, &s->schema);
    trb_free(text);
    return st;
}

/* Read the shape of a model's predictions, and refuse any but [N][K] (classes) or [N][heads][2] (regression). */
static trb_status describe_model(const trb__sheet *s, const char *name, trb_h5_shape *shape)
{
    TRB_TRY(trb_h5_describe(s->predictions, name, shape));
    const bool fits = shape->dim[0] == s->N && (shape->type == TRB_F32 || shape->type == TRB_F64) &&
                      (s->classes ? shape->ndim == 2 && shape->dim[1] > 0
                                  : shape->ndim == 3 && shape->dim[1] > 0 && shape->dim[2] == 2);
    if (fits) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY,
                    "%s: %s holds no predictions of the samples in /sample_id; run `tribikos eval` again",
                    trb_h5_path(s->predictions), name);
}

static trb_status read_predictions(trb__sheet *s)
{
    char path[TRB__PATH + TRB_NAME_MAX], name[KEY];
    (void)snprintf(path, sizeof path, "%s/report/%s%spredictions.h5", s->dir, s->name, s->name[0] != '\0' ? "/" : "");
    if (s->report == NULL || !trb_file_exists(path)) return TRB_OK;
    TRB_TRY(trb_h5_open(path, &s->predictions));
    TRB_TRY(read_samples(s));
    TRB_TRY(read_schema(s));
    for (size_t i = 0; i < s->n_models; i++) {
        trb__sheet_model *m = &s->model[i];
        trb_h5_shape shape;
        (void)snprintf(name, sizeof name, "/%s", m->name);
        m->predicted = (m->student || m->colour == TRB__BLACK) && has(s->predictions, name);
        if (!m->predicted) continue;
        TRB_TRY(describe_model(s, name, &shape));
        if (s->classes) s->K = shape.dim[1];
        TRB_TRY(expect_together(s, m));
        (void)snprintf(name, sizeof name, "/uncertainty/%s/%s/model", s->split, m->name);
        m->several = has(s->predictions, name);
        if (isnan(trb__sheet_figure(s, m->name, s->classes ? "nll" : "rmse"))) {
            trb__sheet_rows rows;
            const trb_status st = trb__sheet_rows_read(s, m, &rows);
            m->n_bad = rows.n_bad;
            trb__sheet_rows_clear(&rows);
            TRB_TRY(st);
        }
    }
    return TRB_OK;
}

static trb_status read_numbers(trb_h5 *h, const char *name, trb_h5_shape shape, size_t first, size_t n, void *raw,
                               double *out)
{
    const size_t values = n * shape.dim[1] * (shape.ndim == 3 ? 2 : 1);
    if (shape.type == TRB_F64) return trb_h5_read_rows(h, name, TRB_F64, first, n, out);
    TRB_TRY(trb_h5_read_rows(h, name, TRB_F32, first, n, raw));
    for (size_t i = 0; i < values; i++) out[i] = ((const float *)raw)[i];
    return TRB_OK;
}

trb_status trb__sheet_row(const trb__sheet *s, const char *model, size_t row, size_t *n, double **p)
{
    char name[KEY];
    trb_h5_shape shape;
    float *raw = NULL;
    (void)snprintf(name, sizeof name, "/%s", model);
    TRB_TRY(describe_model(s, name, &shape));
    *n = shape.dim[1] * (shape.ndim == 3 ? 2 : 1);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, *n, sizeof **p, p));
    trb_status st = trb_alloc(TRB_MEM_OTHER, *n, sizeof *raw, &raw);
    if (st == TRB_OK) st = read_numbers(s->predictions, name, shape, row, 1, raw, *p);
    trb_free(raw);
    return st;
}

/* The largest probability, and whether it is the label's. \param[in] b  1 / temperature */
static bool digest_classes(size_t K, const double *p, int32_t label, double b, double *confidence, double *calibrated,
                           double *error)
{
    size_t top = 0;
    double sum = 0.0;
    for (size_t k = 1; k < K; k++) top = p[k] > p[top] ? k : top;
    for (size_t k = 0; k < K; k++) sum += pow(p[k] / p[top], b);
    *confidence = p[top];
    *error = label >= 0 && (size_t)label == top ? 0.0 : 1.0;
    if (calibrated != NULL) *calibrated = 1.0 / sum;
    return p[top] > 0.0 && p[top] <= 1.0 + 1e-6 && sum >= 1.0;
}

static bool digest_gaussians(size_t heads, const double *p, double y, double *below, double *error)
{
    double mean = 0.0;
    *below = 0.0;
    for (size_t m = 0; m < heads; m++) {
        if (!(p[2 * m + 1] > 0.0)) return false;
        mean += p[2 * m] / (double)heads;
        *below += 0.5 * erfc((p[2 * m] - y) / (p[2 * m + 1] * sqrt(2.0))) / (double)heads;
    }
    *error = (mean - y) * (mean - y);
    return isfinite(*error);
}

/* Rows are read in pieces: the predictions of all samples may need more memory than this process has. */
static trb_status digest(const trb__sheet *s, const char *name, double b, trb__sheet_rows *r)
{
    enum { PIECE = 1 << 18 }; /* values */
    trb_h5_shape shape;
    TRB_TRY(describe_model(s, name, &shape));
    const size_t width = shape.dim[1] * (shape.ndim == 3 ? 2 : 1), rows = width < PIECE ? PIECE / width : 1;
    double *p = NULL;
    float *raw = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, rows * width, sizeof *p, &p);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, rows * width, sizeof *raw, &raw);
    for (size_t i = 0; st == TRB_OK && i < s->N; i += rows) {
        const size_t n = s->N - i < rows ? s->N - i : rows;
        st = read_numbers(s->predictions, name, shape, i, n, raw, p);
        for (size_t k = 0; st == TRB_OK && k < n; k++) {
            const size_t at = i + k;
            const bool good =
                s->classes
                    ? digest_classes(width, p + k * width, s->label[at], b, &r->confidence[at],
                                     r->calibrated == NULL ? NULL : &r->calibrated[at], &r->error[at])
                    : digest_gaussians(width / 2, p + k * width, s->target[at], &r->confidence[at], &r->error[at]);
            if (!good && isnan(trb__sheet_figure(s, name + 1, s->classes ? "nll" : "rmse")))
                r->n_bad++; /* report.json knows of it */
            else if (!good)
                st = trb_fail(TRB_EINTEGRITY, "%s: row %zu of %s is no prediction; run `tribikos eval` again",
                              trb_h5_path(s->predictions), at, name);
        }
    }
    trb_free(raw);
    trb_free(p);
    return st;
}

trb_status trb__sheet_rows_read(const trb__sheet *s, const trb__sheet_model *m, trb__sheet_rows *out)
{
    char name[KEY];
    size_t n = 0;
    const double T = trb__sheet_figure(s, m->name, "temperature");
    *out = (trb__sheet_rows){.n_bad = 0};
    (void)snprintf(name, sizeof name, "/%s", m->name);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->N, sizeof *out->confidence, &out->confidence));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->N, sizeof *out->error, &out->error));
    if (s->classes && T > 0.0) TRB_TRY(trb_alloc(TRB_MEM_OTHER, s->N, sizeof *out->calibrated, &out->calibrated));
    TRB_TRY(digest(s, name, T > 0.0 ? 1.0 / T : 1.0, out));
    TRB_TRY(trb__sheet_uncertainty(s, s->split, m->name, "total", &n, &out->total));
    return trb__sheet_uncertainty(s, s->split, m->name, "model", &n, &out->model);
}

void trb__sheet_rows_clear(trb__sheet_rows *r)
{
    trb_free(r->confidence);
    trb_free(r->calibrated);
    trb_free(r->error);
    trb_free(r->total);
    trb_free(r->model);
}

/* ---- the run */

/* Refuse a report of networks that were trained again since: its figures would stand beside curves of others. */
static trb_status expect_current(const trb__sheet *s)
{
    char *older = NULL;
    if (s->report == NULL) return TRB_OK;
    TRB_TRY(trb_report_older(s->dir, s->report, &older));
    if (older == NULL) return TRB_OK;
    const trb_status st = trb_fail(TRB_EINTEGRITY,
                                   "%s/report%s%s is of other weights of %s than are there now; run `tribikos eval` "
                                   "again, with the same options as for this report",
                                   s->dir, s->name[0] == '\0' ? "" : "/", s->name, older);
    trb_free(older);
    return st;
}

void trb__sheet_class(const trb__sheet *s, size_t k, trb_text *out)
{
    if (k < s->schema.n_classes)
        trb__html_add(out, "%s", s->schema.class_name[k]);
    else
        trb_text_add(out, "%zu", k + (size_t)s->c->data.labels_from);
}

trb_status trb__sheet_open(const char *dir, const char *name, trb__sheet *s)
{
    char path[TRB__PATH];
    *s = (trb__sheet){.dir = dir, .name = name == NULL ? "" : name};
    if (!trb__is_run(dir)) return trb_fail(TRB_ECONFIG, "there is no run in %s; give the folder of a run", dir);
    (void)snprintf(path, sizeof path, "%s/config.yaml", dir);
    TRB_TRY(trb_file_read_text(path, TRB__CONFIG_BYTES, &s->config_text));
    TRB_TRY(trb_config_parse(path, s->config_text, 0, NULL, &s->c));
    s->classes = s->c->data.task == TRB_TASK_CLASSES;
    TRB_TRY(read_report(s));
    TRB_TRY(expect_current(s));
    const char *split = s->report != NULL ? trb_tree_text(s->report, "split") : NULL;
    const char *task = s->report != NULL ? trb_tree_text(s->report, "task") : NULL;
    (void)snprintf(s->split, sizeof s->split, "%s", split != NULL ? split : "test");
    if (task != NULL && (strcmp(task, "classes") == 0) != s->classes)
        return trb_fail(TRB_EINTEGRITY, "%s: data.task is %s, but the report is on %s; run `tribikos eval` again", path,
                        s->classes ? "classes" : "regression", task);
    const double members = s->report != NULL ? trb_tree_number(s->report, "members") : (double)s->c->members.count;
    s->M = members >= 0.0 && members < 1e6 ? (size_t)members : 0;
    TRB_TRY(list_models(s));
    if (s->report != NULL) TRB_TRY(names_below(s->report, "ood.", &s->n_sets, &s->set));
    return read_predictions(s);
}

void trb__sheet_close(trb__sheet *s)
{
    trb_h5_close(s->predictions);
    trb_tree_destroy(s->report);
    trb_schema_clear(&s->schema);
    trb_config_destroy(s->c);
    trb_free(s->config_text);
    trb_free(s->id);
    trb_free(s->label);
    trb_free(s->target);
    trb_free(s->model);
    trb_free(s->set);
}
