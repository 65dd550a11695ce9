/* What the columns and classes of a data set are called. */
#include "tribikos/schema.h"

#include "tribikos/memory.h"

void trb_schema_clear(trb_schema *s)
{
    for (size_t i = 0; i < s->n_inputs; i++) {
        trb_free(s->input[i].name);
        trb_free(s->input[i].category);
    }
    for (size_t k = 0; k < s->n_classes; k++) trb_free(s->class_name[k]);
    trb_free(s->input);
    trb_free(s->target);
    trb_free(s->class_name);
    *s = (trb_schema){0};
}
