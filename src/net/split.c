/* Inserts a split into a list that has none, at a position or a name. */
#include "layer.h"

#include <stdlib.h>
#include <string.h>

#include "tribikos/memory.h"

/* Prints the names of a list. Names with the same first part become "stage1.block1 ... stage1.block3". */
static void list_names(const char *list, size_t n, char *text)
{
    char last[TRB__ITEM_BYTES] = "";
    bool run = false; /* `last` is not printed yet */
    trb__list_item item = {0};
    trb_text t = trb_text_in(text, n);
    for (const char *cursor = list; cursor != NULL;) {
        if (trb__list_next(&cursor, &item) != TRB_OK || item.is != TRB__NAME) continue;
        const bool same = strncmp(last, item.name, strcspn(last, ".") + 1) == 0;
        if (!same) trb_text_add(&t, "%s%s%s%s", run ? " ... " : "", run ? last : "", t.n > 0 ? ", " : "", item.name);
        run = same;
        memcpy(last, item.name, sizeof last);
    }
    if (run) trb_text_add(&t, " ... %s", last);
}

typedef struct {
    const char *item; /* the item before which the split is inserted; NULL if there is no such place */
    bool in_block;    /* between a fork and its add */
    size_t fork;      /* that fork's position */
    size_t n_layers;  /* of the list */
} place;

static trb_status find_place(const char *list, const char *at, place *found)
{
    const size_t n = strlen(at);
    const bool number = n > 0 && strspn(at, "0123456789") == n;
    const unsigned long long wanted = number ? strtoull(at, NULL, 10) : 0;
    const char *name = NULL; /* the item that names the next layer */
    size_t fork = 0, position = 0;
    bool open = false; /* between that fork and its add */
    trb__list_item item = {0};
    *found = (place){.item = NULL};
    for (const char *cursor = list; cursor != NULL;) {
        const char *here = cursor + (*cursor == ' ');
        bool fits = false;
        TRB_TRY(trb__list_next(&cursor, &item));
        if (item.is == TRB__SPLIT)
            return trb_fail(TRB_ECONFIG, "split: the layers have a split already, as item %zu", item.number);
        if (item.is == TRB__NAME) {
            name = here;
            /* A whole name is preferred to the first part of an earlier one. */
            fits = strncmp(item.name, at, n) == 0 &&
                   (item.name[n] == '\0' || (item.name[n] == '.' && found->item == NULL));
        } else {
            fits = number && position == wanted;
        }
        if (fits) *found = (place){.item = name != NULL ? name : here, .in_block = open, .fork = fork};
        if (item.is == TRB__NAME) continue;
        if (item.kind->path == TRB__FORKS) fork = position;
        open = item.kind->path == TRB__FORKS || (open && item.kind->path != TRB__ADDS);
        name = NULL;
        position++;
    }
    found->n_layers = position;
    return TRB_OK;
}

/* Fails with the reason why no split can be inserted at `at`. */
static trb_status refuse(const char *layers, const char *list, const char *at, const place *p)
{
    char names[400];
    if (p->item != NULL)
        return trb_fail(TRB_ECONFIG,
                        "split: \"%s\" lies between a fork and its add, which one side of the split must hold; give "
                        "the fork's position, %zu, or one after the add",
                        at, p->fork);
    if (at[0] != '\0' && strspn(at, "0123456789") == strlen(at))
        return trb_fail(TRB_ECONFIG, "split: position %s is behind the last layer of \"%.200s\", %zu (counted from 0)",
                        at, layers, p->n_layers - 1);
    list_names(list, sizeof names, names);
    return trb_fail(TRB_ECONFIG, "split: no layer of \"%.200s\" has the name \"%s\"; %s%s", layers, at,
                    names[0] != '\0' ? "names are " : "none has a name, so give a position, counted from 0", names);
}

trb_status trb_net_insert_split(const char *layers, const char *at, char **out)
{
    char *list = NULL;
    place p = {.item = NULL};
    trb_status st = TRB_OK;
    TRB_GO(trb_net_expand(layers, &list));
    TRB_GO(find_place(list, at, &p));
    if (p.item == NULL || p.in_block) TRB_GO(refuse(layers, list, at, &p));
    st = trb_text_of(out, "%.*ssplit, %s", (int)(p.item - list), list, p.item);
done:
    trb_free(list);
    return st;
}
