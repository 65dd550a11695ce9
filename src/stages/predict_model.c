/* The networks that predict together: chosen, read, and checked against each other (predict.h). */
#include <stdlib.h>
#include <string.h>

#include "predict.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/tree.h"

static trb_status read_net(trb__predictor *p, size_t i, const char *path)
{
    p->n = i + 1; /* to be cleared, after a failure too */
    return trb_trained_read(path, &p->net[i]);
}

static trb_status reserve(trb__predictor *p, size_t n)
{
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *p->net, &p->net));
    return trb_alloc(TRB_MEM_OTHER, n, sizeof(trb_work *), &p->work);
}

static trb_status read_member(const trb_prediction_request *q, trb__predictor *p, size_t i, size_t m)
{
    char *path = NULL;
    TRB_TRY(trb_text_of(&path, "%s/members/m%03zu/weights.h5", q->source, m));
    const trb_status st = trb_file_exists(path)
                              ? read_net(p, i, path)
                              : trb_fail(TRB_ECONFIG,
                                         "member %zu has no weights (no %s); run `tribikos train` first, "
                                         "or choose a student by --model=NAME",
                                         m, path);
    trb_free(path);
    return st;
}

static trb_status read_student(const trb_prediction_request *q, trb__predictor *p, const char *name)
{
    char *path = NULL;
    TRB_TRY(trb_text_of(&path, "%s/student/%s/weights.h5", q->source, name));
    const trb_status st = trb_file_exists(path)
                              ? read_net(p, 0, path)
                              : trb_fail(TRB_ECONFIG,
                                         "student %s is not trained yet (no %s); run `tribikos distill` "
                                         "first, or choose --model=ensemble",
                                         name, path);
    trb_free(path);
    return st;
}

static trb_status unknown_model(const trb_config *c, const char *name)
{
    char list[400];
    trb_text t = trb_text_in(list, sizeof list);
    for (size_t s = 0; s < c->n_students; s++) trb_text_add(&t, "%s, ", c->student[s].name);
    return trb_fail(TRB_ECONFIG,
                    "command line: `--model`: expected one of %sensemble, member:0 to member:%zu, got `%s`", list,
                    (size_t)c->members.count - 1, name);
}

/* \return whether the name is member:M, with a member of this number */
static bool is_member(const trb_config *c, const char *name, size_t *m)
{
    static const char begin[] = "member:";
    const char *digits = name + sizeof begin - 1;
    if (strncmp(name, begin, sizeof begin - 1) != 0 || digits[0] == '\0' || strlen(digits) > 5 ||
        strspn(digits, "0123456789") != strlen(digits))
        return false;
    *m = strtoul(digits, NULL, 10);
    return *m < c->members.count;
}

static trb_status read_nets(const trb_config *c, const trb_prediction_request *q, trb__predictor *p)
{
    const char *first = c->n_students > 0 ? c->student[0].name : "ensemble",
               *name = q->model != NULL ? q->model : first;
    const bool all = q->of_run && strcmp(name, "ensemble") == 0;
    size_t m = 0, s = 0;
    TRB_TRY(reserve(p, all ? c->members.count : 1));
    if (!q->of_run) {
        if (q->model != NULL)
            return trb_fail(TRB_ECONFIG, "%s is one network; --model chooses one of a run", q->source);
        (void)snprintf(p->name, sizeof p->name, "the network");
        return read_net(p, 0, q->source);
    }
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    if (is_member(c, name, &m)) return read_member(q, p, 0, m);
    for (m = 0; all && m < c->members.count; m++) TRB_TRY(read_member(q, p, m, m));
    if (all) return TRB_OK;
    while (s < c->n_students && strcmp(c->student[s].name, name) != 0) s++;
    return s < c->n_students ? read_student(q, p, name) : unknown_model(c, name);
}

/* Members of one ensemble take the same inputs, and their outputs mean the same. */
static trb_status check_alike(const trb__predictor *p, size_t i)
{
    const trb_trained *a = &p->net[0], *b = &p->net[i];
    const trb_norm *x = &a->info.norm, *y = &b->info.norm;
    const size_t C = a->info.input.c;
    const bool inputs = trb_shape_same(a->info.input, b->info.input) && (x->offset == NULL) == (y->offset == NULL) &&
                        memcmp(x->mean, y->mean, C * sizeof *x->mean) == 0 &&
                        memcmp(x->scale, y->scale, C * sizeof *x->scale) == 0 &&
                        (x->offset == NULL || memcmp(x->offset, y->offset, C * sizeof *x->offset) == 0);
    const bool targets = memcmp(&x->target_mean, &y->target_mean, sizeof x->target_mean) == 0 &&
                         memcmp(&x->target_scale, &y->target_scale, sizeof x->target_scale) == 0;
    const bool outputs = a->task == b->task && trb_net_outputs(a->net) == trb_net_outputs(b->net) &&
                         trb_net_heads(b->net) == 1 && strcmp(a->info.schema, b->info.schema) == 0;
    if (inputs && targets && outputs) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY, "member %zu has other %s than member 0: they were not trained on the same data", i,
                    !inputs    ? "inputs, or another normalisation of them,"
                    : !targets ? "targets"
                               : "outputs");
}

/* Whether a report is about these members. */
static bool is_about(const trb_tree *report, const trb__predictor *p)
{
    const size_t i = trb_tree_find(report, "weights.members");
    if (i == trb_tree_n(report) || trb_tree_size(report, i) != p->n) return false;
    for (size_t m = 0; m < p->n; m++)
        if (strtoull(trb_tree_at(report, i, m), NULL, 16) != p->net[m].info.digest) return false;
    return true;
}

/* The temperature of an ensemble stands in no weights file. `eval` fits it, and its report says to which weights it
 * belongs. */
static trb_status take_temperature(const trb_prediction_request *q, trb__predictor *p)
{
    enum { LARGEST = 1 << 26 };
    trb_tree *report = NULL;
    char *path = NULL, *text = NULL;
    if (p->net[0].task != TRB_TASK_CLASSES) return TRB_OK;
    p->why_not = "the run has no report";
    TRB_TRY(trb_text_of(&path, "%s/report/report.json", q->source));
    trb_status st = TRB_OK;
    if (!trb_file_exists(path)) goto done;
    TRB_GO(trb_file_read_text(path, LARGEST, &text));
    TRB_GO(trb_tree_read(path, text, &report));
    const double T = trb_tree_number(report, "models.ensemble.temperature");
    p->why_not = !is_about(report, p) ? "the report of the run is about other weights"
                 : !(T > 0.0)         ? "the report of the run has none"
                                      : NULL;
    if (p->why_not == NULL) p->b = 1.0 / T;
done:
    trb_tree_destroy(report);
    trb_free(text);
    trb_free(path);
    if (st == TRB_OK || trb_status_is_failure(st)) return st;
    trb_fail_clear();
    p->why_not = "the report of the run is damaged";
    return TRB_OK;
}

/* What trb_data_rows() needs of the network's normalisation. */
static trb_status take_norm(trb__predictor *p)
{
    const trb_weights_info *info = &p->net[0].info;
    trb_data *d = &p->norm;
    *d = (trb_data){.task = p->net[0].task, .shape = info->input, .lent = true};
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, info->input.c, sizeof *d->mean, &d->mean));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, info->input.c, sizeof *d->scale, &d->scale));
    memcpy(d->mean, info->norm.mean, info->input.c * sizeof *d->mean);
    memcpy(d->scale, info->norm.scale, info->input.c * sizeof *d->scale);
    return TRB_OK;
}

trb_status trb__predictor_open(const trb_config *c, const trb_prediction_request *q, trb__predictor *p)
{
    *p = (trb__predictor){.n = 0};
    TRB_TRY(read_nets(c, q, p));
    const trb_trained *first = &p->net[0];
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0) TRB_TRY(check_alike(p, i));
        TRB_TRY(trb_work_create(p->net[i].net, c->eval.batch, false, &p->work[i]));
    }
    const bool ensemble = q->of_run && strcmp(p->name, "ensemble") == 0;
    p->M = ensemble ? p->n : trb_net_heads(first->net);
    p->K = trb_net_outputs(first->net);
    p->predict = ensemble ? trb_predict_mixture : trb_predict_of(first->dirichlet);
    p->several = p->M > 1 || (!ensemble && first->dirichlet != TRB_DIRICHLET_NONE);
    if (!ensemble && first->temperature > 0.0) p->b = 1.0 / first->temperature;
    if (ensemble) TRB_TRY(take_temperature(q, p));
    if (ensemble) TRB_TRY(trb_alloc(TRB_MEM_ACTIVATIONS, c->eval.batch * p->M * p->K, sizeof *p->all, &p->all));
    return take_norm(p);
}

trb_status trb__predictor_logits(trb__predictor *p, size_t rows, const float *x, const float **z)
{
    const float *own = NULL;
    if (p->all == NULL) return trb_net_forward(p->net[0].net, p->work[0], p->net[0].params, rows, x, NULL, z);
    for (size_t m = 0; m < p->n; m++) {
        TRB_TRY(trb_net_forward(p->net[m].net, p->work[m], p->net[m].params, rows, x, NULL, &own));
        for (size_t b = 0; b < rows; b++) memcpy(p->all + (b * p->M + m) * p->K, own + b * p->K, p->K * sizeof *own);
    }
    *z = p->all;
    return TRB_OK;
}

void trb__predictor_close(trb__predictor *p)
{
    for (size_t i = 0; i < p->n; i++) {
        trb_work_destroy(p->work[i]);
        trb_trained_clear(&p->net[i]);
    }
    trb_data_clear(&p->norm);
    trb_free(p->all);
    trb_free(p->work);
    trb_free(p->net);
    *p = (trb__predictor){.n = 0};
}
