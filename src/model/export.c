/* Exporting: which formats there are, checks, and publishing (export.h). */
#include "tribikos/export.h"

#include <stdio.h>
#include <string.h>

#include "tribikos/file.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

static const trb_export_format *const formats[] = {&trb_export_onnx, &trb_export_safetensors, &trb_export_c};

const trb_export_format *trb_export_format_at(size_t i)
{
    return i < sizeof formats / sizeof *formats ? formats[i] : NULL;
}

const trb_export_format *trb_export_format_find(const char *name)
{
    size_t i = 0;
    while (trb_export_format_at(i) != NULL && strcmp(formats[i]->name, name) != 0) i++;
    return trb_export_format_at(i);
}

/* Members of one ensemble predict the same: their logits mean the same, and the mean over all heads is the
 * ensemble's. */
static trb_status check_alike(size_t n, char *const *weights, const trb_trained *models)
{
    const trb_trained *a = &models[0];
    for (size_t i = 1; i < n; i++) {
        const trb_trained *b = &models[i];
        const char *what = !trb_shape_same(a->info.input, b->info.input)        ? "inputs"
                           : trb_net_outputs(a->net) != trb_net_outputs(b->net) ? "numbers of outputs"
                           : a->task != b->task                                 ? "tasks"
                           : a->info.norm.target_mean != b->info.norm.target_mean ||
                                   a->info.norm.target_scale != b->info.norm.target_scale
                               ? "normalisations of targets"
                           : a->dirichlet != TRB_DIRICHLET_NONE || b->dirichlet != TRB_DIRICHLET_NONE
                               ? "meanings of outputs: a student that predicts a distribution is no member"
                           : strcmp(a->info.schema, b->info.schema) != 0 ? "names of inputs or classes (`schema`)"
                                                                         : NULL;
        const size_t heads = trb_net_heads(b->net);
        if (what != NULL)
            return trb_fail(TRB_ECONFIG, "%s and %s have different %s; members of one ensemble are alike", weights[0],
                            weights[i], what);
        if (heads != trb_net_heads(a->net))
            return trb_fail(TRB_ECONFIG, "%s has %zu heads, %s has %zu; members of one ensemble have one head each",
                            weights[0], trb_net_heads(a->net), weights[i], heads);
    }
    return TRB_OK;
}

/* The name of the second file: the suffix takes the place of the ending of the first one. */
static trb_status name_beside(const char *output, const char *suffix, char **name)
{
    const char *slash = strrchr(output, '/'), *file = slash == NULL ? output : slash + 1, *dot = strrchr(file, '.');
    const size_t n = dot == NULL || dot == file ? strlen(output) : (size_t)(dot - output);
    return trb_text_of(name, "%.*s%s", (int)n, output, suffix);
}

trb_status trb_export(const trb_export_format *format, size_t n, char *const *weights, const char *output, bool force)
{
    trb_trained *models = NULL;
    const trb_trained **list = NULL;
    trb_buffer file = {0}, beside = {0};
    char *second = NULL;
    trb_status st = TRB_OK;
    if (format->suffix != NULL) TRB_GO(name_beside(output, format->suffix, &second));
    if (second != NULL && strcmp(second, output) == 0) {
        st = trb_fail(TRB_ECONFIG, "%s: the file beside it has this ending; give --output another one", output);
        goto done;
    }
    TRB_GO(trb_file_not_among(output, n, weights));
    TRB_GO(trb_file_may_write(output, force));
    if (second != NULL) {
        TRB_GO(trb_file_not_among(second, n, weights));
        TRB_GO(trb_file_may_write(second, force));
    }
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n, sizeof *models, &models));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n, sizeof *list, &list));
    for (size_t i = 0; i < n; i++) {
        list[i] = &models[i];
        TRB_GO(trb_trained_read(weights[i], &models[i]));
    }
    TRB_GO(check_alike(n, weights, models));
    TRB_GO(format->make(n, list, output, &file, &beside));
    if (second != NULL) TRB_GO(trb_file_publish_bytes(second, beside.at, beside.n));
    st = trb_file_publish_bytes(output, file.at, file.n);
    /* Without --force there was none, and the next attempt must not find one. */
    if (st != TRB_OK && second != NULL && !force) (void)remove(second);
done:
    for (size_t i = 0; models != NULL && i < n; i++) trb_trained_clear(&models[i]);
    trb_free(models);
    trb_free(list);
    trb_free(second);
    trb_buffer_clear(&file);
    trb_buffer_clear(&beside);
    return st;
}
