#include "model.h"

#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"

enum { MOST_LAYERS = 512 };

struct model_rates model_rates;

static trb_status read_lines(FILE *f, const char *path, size_t groups, double speed, model *m)
{
    char line[256], word[32];
    for (int n = 1; fgets(line, sizeof line, f) != NULL; n++) {
        size_t floats = 0, statistics = 0;
        double forward = 0.0, backward = 0.0;
        if (sscanf(line, "%31s", word) != 1 || word[0] == '#') continue;
        if (sscanf(line, "rows %zu", &m->rows) == 1 || sscanf(line, "features %zu", &m->features) == 1) continue;
        if (sscanf(line, "add %lf", &model_rates.add_s) == 1 || sscanf(line, "update %lf", &model_rates.update_s) == 1)
            continue;
        const bool head = strcmp(word, "head") == 0;
        part *p = head && groups > 1 ? &m->heads : &m->body;
        if ((!head && strcmp(word, "body") != 0) || p->n_layers == MOST_LAYERS ||
            sscanf(line, "%*s %zu %zu %lf %lf", &floats, &statistics, &forward, &backward) != 4)
            return trb_fail(TRB_EINPUT,
                            "%s, line %d: expected rows, features, add or update and a number, or body or head with "
                            "its floats, running statistics and two times",
                            path, n);
        const double share = head ? speed * (double)groups : speed;
        if (head) floats /= groups;
        p->layer[p->n_layers++] = (layer){p->trained, p->trained + floats, forward / share, backward / share};
        p->trained += floats;
        p->size += floats + statistics;
    }
    model_rates.add_s /= speed;
    model_rates.update_s /= speed;
    return TRB_OK;
}

trb_status model_read(const char *path, size_t groups, double speed, model *m)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) return trb_fail(TRB_EINPUT, "%s cannot be opened", path);
    trb_status st = trb_alloc(TRB_MEM_OTHER, MOST_LAYERS, sizeof *m->body.layer, &m->body.layer);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, MOST_LAYERS, sizeof *m->heads.layer, &m->heads.layer);
    if (st == TRB_OK) st = read_lines(f, path, groups, speed, m);
    (void)fclose(f);
    return st;
}

void model_clear(model *m)
{
    trb_free(m->body.layer);
    trb_free(m->heads.layer);
}

/* The exchange and the optimiser ask a network for nothing but this. */
struct trb_net {
    trb_param all;
    size_t trained;
};

trb_status model_net(const part *p, trb_net **out)
{
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof **out, out));
    **out = (trb_net){.all = {.count = p->size}, .trained = p->trained};
    return TRB_OK;
}

size_t trb_net_n_params(const trb_net *net)
{
    (void)net;
    return 1;
}

const trb_param *trb_net_param(const trb_net *net, size_t i)
{
    return &net->all + i;
}

size_t trb_net_size(const trb_net *net)
{
    return net->all.count;
}

size_t trb_net_trained(const trb_net *net)
{
    return net->trained;
}
