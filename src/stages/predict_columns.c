/* The columns of a prediction, and the same as CSV (predict.h). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "predict.h"
#include "tribikos/memory.h"

/* Add a column. \param[in] a,b  sizes of a row's value; 0: it has none */
static trb_status add(trb__columns *t, size_t room, const char *name, trb_dtype type, size_t a, size_t b, void *at)
{
    trb__column *c = &t->column[t->n];
    *c = (trb__column){.name = name, .type = type, .dim = {a, b}};
    c->ndim = b > 0 ? 2 : a > 0 ? 1 : 0;
    c->width = (a > 0 ? a : 1) * (b > 0 ? b : 1);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, room * c->width, trb_dtype_bytes(type), &c->at));
    memcpy(at, &c->at, sizeof c->at);
    t->n++;
    return TRB_OK;
}

static trb_status add_classes(const trb__predictor *p, size_t room, bool heads, trb__columns *t)
{
    TRB_TRY(add(t, room, "label", TRB_I32, 0, 0, &t->number));
    TRB_TRY(add(t, room, "probabilities", TRB_F32, p->K, 0, &t->probabilities));
    TRB_TRY(add(t, room, "total_uncertainty", TRB_F64, 0, 0, &t->total));
    TRB_TRY(add(t, room, "model_uncertainty", TRB_F64, 0, 0, &t->model));
    TRB_TRY(add(t, room, "data_uncertainty", TRB_F64, 0, 0, &t->data));
    if (p->b > 0.0) TRB_TRY(add(t, room, "calibrated", TRB_F32, p->K, 0, &t->calibrated));
    return heads ? add(t, room, "heads", TRB_F32, p->M, p->K, &t->heads) : TRB_OK;
}

static trb_status add_gaussians(const trb__predictor *p, size_t room, bool heads, trb__columns *t)
{
    TRB_TRY(add(t, room, "mean", TRB_F64, 0, 0, &t->mean));
    TRB_TRY(add(t, room, "std", TRB_F64, 0, 0, &t->std));
    TRB_TRY(add(t, room, "model_std", TRB_F64, 0, 0, &t->model_std));
    TRB_TRY(add(t, room, "data_std", TRB_F64, 0, 0, &t->data_std));
    TRB_TRY(add(t, room, "low", TRB_F64, 0, 0, &t->low));
    TRB_TRY(add(t, room, "high", TRB_F64, 0, 0, &t->high));
    return heads ? add(t, room, "heads", TRB_F64, p->M, 2, &t->heads_gaussian) : TRB_OK;
}

static trb_status name_classes(const trb__predictor *p, size_t labels_from, trb__columns *t)
{
    const trb_schema *s = &p->net[0].schema;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, p->K, sizeof(char *), &t->label));
    for (size_t k = 0; k < p->K; k++) {
        TRB_TRY(k < s->n_classes ? trb_strdup(s->class_name[k], &t->label[k])
                                 : trb_text_of(&t->label[k], "%zu", k + labels_from));
        t->n_labels = k + 1;
    }
    return TRB_OK;
}

trb_status trb__columns_open(const trb__predictor *p, size_t room, size_t labels_from, bool heads, trb__columns *t)
{
    *t = (trb__columns){.n = 0};
    TRB_TRY(add(t, room, "id", TRB_I64, 0, 0, &t->id));
    if (p->net[0].task == TRB_TASK_REGRESSION) return add_gaussians(p, room, heads, t);
    TRB_TRY(name_classes(p, labels_from, t));
    return add_classes(p, room, heads, t);
}

void trb__columns_clear(trb__columns *t)
{
    for (size_t i = 0; i < t->n; i++) trb_free(t->column[i].at);
    for (size_t k = 0; k < t->n_labels; k++) trb_free(t->label[k]);
    trb_free(t->label);
    *t = (trb__columns){.n = 0};
}

/* ---- CSV */

/* A field, between quotes where it needs them. \param[in] begin  what the field begins with */
static void add_field(trb_text *text, const char *begin, const char *field)
{
    const bool plain = strpbrk(field, ",\"\r\n") == NULL && field[0] != ' ' && field[0] != '#';
    if (plain) {
        trb_text_add(text, "%s%s", begin, field);
        return;
    }
    trb_text_add(text, "\"%s", begin);
    for (size_t n = 0; *field != '\0'; field += n) {
        n = strcspn(field, "\"");
        trb_text_add(text, "%.*s", (int)n, field);
        if (field[n] == '"') trb_text_add(text, "\"\"");
        n += field[n] == '"';
    }
    trb_text_add(text, "\"");
}

/* The names of a column that has several numbers a row: NAME.CLASS, NAME.HEAD.CLASS, NAME.HEAD.mean. */
static void add_names(const trb__columns *t, const trb__column *c, trb_text *text)
{
    static const char *const gaussian[] = {"mean", "std"};
    char begin[64];
    const size_t inner = c->dim[c->ndim - 1];
    for (size_t j = 0; j < c->width; j++) {
        const char *name = t->n_labels > 0 ? t->label[j % inner] : gaussian[j % inner];
        if (c->ndim == 1)
            (void)snprintf(begin, sizeof begin, "%s.", c->name);
        else
            (void)snprintf(begin, sizeof begin, "%s.%zu.", c->name, j / inner);
        trb_text_add(text, ",");
        add_field(text, begin, name);
    }
}

void trb__columns_header(const trb__columns *t, const char *key, trb_text *text)
{
    add_field(text, "", key != NULL && key[0] != '\0' ? key : t->column[0].name);
    for (size_t i = 1; i < t->n; i++) {
        if (t->column[i].ndim > 0)
            add_names(t, &t->column[i], text);
        else
            trb_text_add(text, ",%s", t->column[i].name);
    }
    trb_text_add(text, "\n");
}

/* Numbers with as many digits as give the same bits again. */
static void add_numbers(const trb__column *c, size_t row, trb_text *text)
{
    for (size_t j = row * c->width; j < (row + 1) * c->width; j++) {
        const bool single = c->type == TRB_F32;
        const double value = single ? (double)((const float *)c->at)[j] : ((const double *)c->at)[j];
        if (isnan(value))
            trb_text_add(text, ",");
        else
            trb_text_add(text, ",%.*g", single ? 9 : 17, value);
    }
}

void trb__columns_lines(const trb__columns *t, size_t rows, const char *key, trb_text *text)
{
    for (size_t i = 0; i < rows; i++) {
        if (key != NULL)
            add_field(text, "", key);
        else
            trb_text_add(text, "%" PRId64, t->id[i]);
        if (key != NULL) key += strlen(key) + 1;
        for (size_t k = 1; k < t->n; k++) {
            if (t->column[k].at != t->number) {
                add_numbers(&t->column[k], i, text);
                continue;
            }
            trb_text_add(text, ",");
            add_field(text, "", t->number[i] < 0 ? "" : t->label[t->number[i]]);
        }
        trb_text_add(text, "\n");
    }
}

void trb__columns_lose(const trb__columns *t, size_t row)
{
    for (size_t i = 1; i < t->n; i++) {
        const trb__column *c = &t->column[i];
        for (size_t j = row * c->width; j < (row + 1) * c->width; j++) {
            if (c->type == TRB_I32)
                ((int32_t *)c->at)[j] = -1;
            else if (c->type == TRB_F32)
                ((float *)c->at)[j] = NAN;
            else
                ((double *)c->at)[j] = NAN;
        }
    }
}
