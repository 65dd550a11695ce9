/* Safetensors files: 8 bytes with the length of a JSON, the JSON, and the tensors' bytes. The JSON says of each tensor
 * its type, shape, and place among these bytes. Names and layouts are those of the weights file, which are
 * PyTorch's. */
#include "tribikos/export.h"

#include <inttypes.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

static void say(trb_text *t, const char *key, const char *value)
{
    trb_text_add(t, ", \"%s\": ", key);
    trb_text_quoted(t, value);
}

/* Numbers, floats or doubles, as the text of a list: the values of the metadata are texts. */
static void say_list(trb_text *t, const char *key, size_t n, const float *value, const double *wide)
{
    char number[TRB_NUMBER_BYTES];
    trb_text_add(t, ", \"%s\": \"[", key);
    for (size_t i = 0; i < n; i++) {
        trb_number_shortest(wide != NULL ? wide[i] : (double)value[i], wide != NULL ? 15 : 9, number);
        trb_text_add(t, "%s%s", i == 0 ? "" : ", ", number);
    }
    trb_text_add(t, "]\"");
}

static void say_number(trb_text *t, const char *key, double value)
{
    char number[TRB_NUMBER_BYTES];
    trb_number_shortest(value, 15, number);
    say(t, key, number);
}

/* A JSON list of names as a text. */
static void say_names(trb_text *t, const char *key, const trb_trained *m,
                      void (*list)(const trb_trained *m, trb_text *json))
{
    trb_text json = {0};
    char *text = NULL;
    list(m, &json);
    const trb_status st = trb_text_take(&json, &text);
    if (st == TRB_OK)
        say(t, key, text);
    else
        t->st = st;
    trb_free(text);
}

static void put_metadata(trb_text *t, const trb_trained *m)
{
    const trb_weights_info *info = &m->info;
    trb_text_add(
        t,
        "{\"__metadata__\": {\"format\": \"pt\", \"heads\": \"%zu\", \"input\": \"[%zu, %zu, %zu]\", \"task\": \"%s\"",
        trb_net_heads(m->net), info->input.c, info->input.h, info->input.w,
        m->task == TRB_TASK_REGRESSION ? "regression" : "classes");
    trb_text_add(t, ", \"digest\": \"%016" PRIx64 "\"", info->digest);
    say(t, "layers", info->layers);
    say(t, "config", info->config);
    if (info->program != NULL) say(t, "program", info->program);
    say_list(t, "input.mean", info->input.c, info->norm.mean, NULL);
    say_list(t, "input.scale", info->input.c, info->norm.scale, NULL);
    if (info->norm.offset != NULL) say_list(t, "input.offset", info->input.c, NULL, info->norm.offset);
    if (m->task == TRB_TASK_REGRESSION) {
        say_number(t, "target.mean", info->norm.target_mean);
        say_number(t, "target.scale", info->norm.target_scale);
    }
    if (m->schema.n_inputs > 0) say_names(t, "columns", m, trb_trained_columns);
    if (m->schema.n_classes > 0) say_names(t, "classes", m, trb_trained_classes);
    if (m->temperature > 0.0) say_number(t, "calibration_temperature", m->temperature);
    trb_text_add(t, "}");
}

static void put_tensor(trb_text *t, const trb_param *p, size_t at)
{
    trb_text_add(t, ", \"%s\": {\"dtype\": \"F32\", \"shape\": [", p->name);
    for (size_t d = 0; d < p->ndim; d++) trb_text_add(t, "%s%zu", d == 0 ? "" : ", ", p->shape[d]);
    trb_text_add(t, "], \"data_offsets\": [%zu, %zu]}", at, at + p->count * sizeof(float));
}

static trb_status make(size_t n, const trb_trained *const *models, const char *path, trb_buffer *file,
                       trb_buffer *beside)
{
    const trb_trained *m = models[0];
    trb_text t = {0};
    char *header = NULL;
    size_t at = 0;
    (void)beside;
    if (n > 1)
        return trb_fail(TRB_ECONFIG, "%s: safetensors holds one network, got %zu weights files; export each on its own",
                        path, n);
    put_metadata(&t, m);
    for (size_t i = 0; i < trb_net_n_params(m->net); i++) {
        put_tensor(&t, trb_net_param(m->net, i), at);
        at += trb_net_param(m->net, i)->count * sizeof(float);
    }
    trb_text_add(&t, "}");
    while ((8 + t.n) % 8 != 0 && t.st == TRB_OK) trb_text_add(&t, " "); /* the tensors begin at a multiple of 8 bytes */
    TRB_TRY(trb_text_take(&t, &header));
    const uint64_t length = strlen(header);
    trb_buffer_add(file, &length, sizeof length);
    trb_buffer_add(file, header, length);
    for (size_t i = 0; i < trb_net_n_params(m->net); i++) {
        const trb_param *p = trb_net_param(m->net, i);
        trb_buffer_add(file, m->params + p->offset, p->count * sizeof(float));
    }
    trb_free(header);
    return file->st;
}

const trb_export_format trb_export_safetensors = {"safetensors", NULL, make};
