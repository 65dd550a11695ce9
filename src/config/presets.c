/* Earlier names of presets. The residual networks of 6n + 2 layers for CIFAR were once named resnet20, resnet56 ...,
 * as other programs name larger networks for ImageNet. Configurations may still say so; what is kept has the new name.
 * An identity has the earlier one (identity.c), so what was trained goes on. */
#include "internal.h"

#include <ctype.h>
#include <string.h>

#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/net.h"
#include "tribikos/text.h"

/* Whether there is a network of an earlier name. Then say what it is, once for each name in a configuration. A depth
 * that does not exist keeps its name, and is refused under it when the network is made. */
static trb_status tell(const trb__items *items, const trb__item *item, const char *name, trb_text *told, bool *exists)
{
    char list[64], where[TRB__WHERE], known[64];
    trb_net *net = NULL;
    (void)snprintf(known, sizeof known, ",%s,", name);
    (void)snprintf(list, sizeof list, "%s 10", name);
    const trb_status st = trb_net_create(list, (trb_shape){3, 32, 32}, 1, &net);
    *exists = st == TRB_OK;
    if (st == TRB_ECONFIG) trb_fail_clear();
    if (st != TRB_OK) return st == TRB_ECONFIG ? TRB_OK : st;
    const double millions = (double)trb_net_trained(net) * 1e-6;
    trb_net_destroy(net);
    if (told->at != NULL && strstr(told->at, known) != NULL) return TRB_OK;
    trb_text_add(told, "%s", known);
    trb_info("%s: key `%s`: %s is CIFAR's residual network of 6n + 2 layers, with %.2f million parameters, and not the "
             "larger one of that name for ImageNet; write cifar-%s",
             trb__item_where(items, item, where), item->key, name, millions, name);
    return told->st;
}

/* Rewrite one text, a list of layers with commas. */
static trb_status rename_in(const trb__items *items, const trb__item *item, char **text, trb_text *told)
{
    trb_text t = {0};
    char *renamed = NULL;
    trb_status st = TRB_OK;
    bool any = false;
    for (const char *at = *text; *at != '\0';) {
        char name[32];
        const size_t blanks = strspn(at, " \t"), n = strcspn(at, ",");
        const size_t word = blanks + strcspn(at + blanks, " \t,");
        bool earlier = false;
        (void)snprintf(name, sizeof name, "%.*s", (int)(word - blanks), at + blanks);
        if (strncmp(name, "resnet", 6) == 0 && isdigit((unsigned char)name[6]))
            TRB_GO(tell(items, item, name, told, &earlier));
        trb_text_add(&t, "%s%.*s%s", earlier ? "cifar-" : "", (int)(n - (earlier ? blanks : 0)),
                     at + (earlier ? blanks : 0), at[n] == ',' ? "," : "");
        any = any || earlier;
        at += n + (at[n] == ',');
    }
    if (!any) goto done;
    TRB_GO(trb_text_take(&t, &renamed));
    trb_free(*text);
    *text = renamed;
done:
    trb_text_clear(&t);
    return st;
}

trb_status trb__presets_rename(trb__items *items)
{
    trb_text told = {0};
    trb_status st = TRB_OK;
    for (size_t i = 0; i < items->n; i++) {
        const trb__item *item = &items->item[i];
        const trb__option *o = trb__option_of(item->key);
        for (size_t k = 0; o != NULL && o->type == &trb__type_layers && k < item->n; k++)
            TRB_GO(rename_in(items, item, &item->value[k], &told));
    }
done:
    trb_text_clear(&told);
    return st;
}
