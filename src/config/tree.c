/* YAML and JSON files as keys and values (tree.h). */
#include "tribikos/tree.h"

#include <math.h>
#include <string.h>

#include "internal.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

struct trb_tree {
    trb__items items;
    char *name;
};

trb_status trb_tree_read(const char *name, const char *text, trb_tree **out)
{
    trb_tree *t = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *t, &t));
    TRB_GO(trb_strdup(name, &t->name));
    t->items.name = t->name;
    TRB_GO(trb__items_read_any(&t->items, text));
    TRB_GO(trb__items_settle(&t->items));
    *out = t;
    t = NULL;
done:
    trb_tree_destroy(t);
    return st;
}

void trb_tree_destroy(trb_tree *t)
{
    if (t == NULL) return;
    trb__items_clear(&t->items);
    trb_free(t->name);
    trb_free(t);
}

size_t trb_tree_n(const trb_tree *t)
{
    return t->items.n;
}

const char *trb_tree_key(const trb_tree *t, size_t i)
{
    return t->items.item[i].key;
}

bool trb_tree_is_section(const trb_tree *t, size_t i)
{
    return t->items.item[i].kind == TRB__SECTION;
}

size_t trb_tree_size(const trb_tree *t, size_t i)
{
    return t->items.item[i].n;
}

const char *trb_tree_at(const trb_tree *t, size_t i, size_t k)
{
    return t->items.item[i].value[k];
}

size_t trb_tree_find(const trb_tree *t, const char *key)
{
    const trb__item *item = trb__items_find(&t->items, key);
    return item == NULL ? t->items.n : (size_t)(item - t->items.item);
}

const char *trb_tree_text(const trb_tree *t, const char *key)
{
    const trb__item *item = trb__items_find(&t->items, key);
    if (item == NULL || item->kind != TRB__SCALAR || strcmp(item->value[0], "null") == 0) return NULL;
    return item->value[0];
}

double trb_tree_number(const trb_tree *t, const char *key)
{
    const char *text = trb_tree_text(t, key);
    double value = 0.0;
    return text != NULL && trb_number_read(text, strlen(text), &value) ? value : (double)NAN;
}

trb_status trb_tree_line(const trb_tree *t, size_t i, char **out)
{
    const trb__item *item = &t->items.item[i];
    trb_text line = {0};
    trb_text_add(&line, "%s", item->kind == TRB__LIST ? "[" : "");
    for (size_t k = 0; k < item->n; k++) trb_text_add(&line, "%s%s", k > 0 ? ", " : "", item->value[k]);
    trb_text_add(&line, "%s", item->kind == TRB__LIST ? "]" : "");
    return trb_text_take(&line, out);
}
