/* What the columns and classes of a data set are called: releasing, and whether there is anything to say. */
#include "tribikos/schema.h"

#include <math.h>

#include "tribikos/memory.h"

void trb_schema_clear(trb_schema *s)
{
    if (s == NULL) return;
    for (size_t i = 0; s->input != NULL && i < s->n_inputs; i++) {
        trb_free(s->input[i].name);
        trb_free(s->input[i].category);
    }
    for (size_t k = 0; s->class_name != NULL && k < s->n_classes; k++) trb_free(s->class_name[k]);
    trb_free(s->input);
    trb_free(s->target);
    trb_free(s->class_name);
    *s = (trb_schema){0};
}

static bool is_zero(double value)
{
    return fpclassify(value) == FP_ZERO;
}

bool trb_schema_moves(const trb_schema *s)
{
    if (s == NULL) return false;
    for (size_t i = 0; i < s->n_inputs; i++)
        if (!is_zero(s->input[i].offset)) return true;
    return !is_zero(s->target_offset);
}

/* Whether the columns of a table are the inputs in their order, and then the target. */
static bool is_plain(const trb_schema *s)
{
    if (s->n_columns != s->n_inputs + 1 || s->target_column != s->n_inputs) return false;
    for (size_t i = 0; i < s->n_inputs; i++)
        if (s->input[i].column != i) return false;
    return true;
}

bool trb_schema_says(const trb_schema *s)
{
    if (s == NULL) return false;
    if (s->header || s->layout == TRB_AXES_NHWC || s->n_classes > 0 || s->target != NULL) return true;
    if (s->n_columns > 0 && !is_plain(s)) return true;
    for (size_t i = 0; i < s->n_inputs; i++)
        if (s->input[i].name != NULL || s->input[i].category != NULL || !isnan(s->input[i].fill)) return true;
    return trb_schema_moves(s);
}
