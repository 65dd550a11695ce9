/* Gathers what a training has cost all ranks, and logs it. */
#include "costs.h"

#include <math.h>

#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* The figures of a rank: seconds that it waited, bytes sent, peak of memory, memory by kind at the end. */
enum { WAITED, BYTES, PEAK, HELD, FIGURES = HELD + TRB_MEM_KINDS };

static void own_figures(const trb__fit *f, const trb__heads *h, double *figure)
{
    uint64_t bytes = 0;
    trb__heads_worked(h, &figure[WAITED], &bytes);
    for (size_t i = 0; i < f->network->n_parts; i++) {
        const trb_exchange_work work = trb_exchange_worked(f->network->part[i].x);
        figure[WAITED] += work.waited_s;
        bytes += work.bytes_sent;
    }
    figure[BYTES] = (double)bytes;
    figure[PEAK] = (double)trb_mem_peak();
    for (int k = 0; k < TRB_MEM_KINDS; k++) figure[HELD + k] = (double)trb_mem_bytes((trb_mem)k);
}

static void show_memory(const char *label, const double *figure)
{
    char kinds[256];
    trb_text t = trb_text_in(kinds, sizeof kinds);
    for (int k = TRB_MEM_OTHER + 1; k < TRB_MEM_KINDS; k++)
        trb_text_add(&t, ", %s %.1f", trb_mem_name((trb_mem)k), figure[HELD + k] * 1e-6);
    trb_info("%s: a rank held up to %.1f MB; at the end%s", label, figure[PEAK] * 1e-6, kinds + 1);
}

static void show_exchange(const trb__fit *f, size_t P, const double *all)
{
    const trb_exchange_work work = trb_exchange_worked(f->network->part[TRB_BODY].x);
    double least = all[WAITED], most = all[WAITED], bytes = 0.0;
    char stale[256];
    trb_text t = trb_text_in(stale, sizeof stale);
    for (size_t r = 0; r < P; r++) {
        least = fmin(least, all[FIGURES * r + WAITED]);
        most = fmax(most, all[FIGURES * r + WAITED]);
        bytes += all[FIGURES * r + BYTES];
    }
    for (size_t i = 0; i < TRB_STALENESS_BINS; i++)
        if (work.stale[i] > 0)
            trb_text_add(&t, "%s %zu%s: %llu", t.n == 0 ? "; staleness, in shares" : ",", i,
                         i + 1 == TRB_STALENESS_BINS ? " or more" : "", (unsigned long long)work.stale[i]);
    trb_info("%s: %zu ranks sent %.1f MB to each other and waited %.1f to %.1f s%s", f->label, P, bytes * 1e-6, least,
             most, stale);
}

trb_status trb__costs_report(const trb__fit *f, const trb__heads *h)
{
    trb_comm *group = f->grid->world;
    const size_t P = (size_t)trb_comm_size(group);
    double *all = NULL, mine[FIGURES];
    if (P == 1) return TRB_OK;
    TRB_TRY(trb_agree(group, trb_alloc(TRB_MEM_OTHER, FIGURES * P, sizeof *all, &all)));
    own_figures(f, h, mine);
    const trb_status st = trb_comm_allgather(group, mine, FIGURES, all);
    if (st == TRB_OK) {
        const double *largest = all;
        for (size_t r = 1; r < P; r++)
            if (all[FIGURES * r + PEAK] > largest[PEAK]) largest = all + FIGURES * r;
        show_exchange(f, P, all);
        show_memory(f->label, largest);
    }
    trb_free(all);
    return st;
}
