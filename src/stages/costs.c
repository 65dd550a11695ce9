/* Gathers what a training has cost all ranks, and logs it. */
#include "costs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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

const char *trb__amount(double bytes, char text[32])
{
    if (bytes < 0.5)
        (void)snprintf(text, 32, "nothing");
    else
        (void)snprintf(text, 32, bytes < 1e5 ? "%.1f kB" : "%.1f MB", bytes * (bytes < 1e5 ? 1e-3 : 1e-6));
    return text;
}

static void show_memory(const char *label, const double *figure)
{
    char kinds[256] = "", amount[32];
    trb_text t = trb_text_in(kinds, sizeof kinds);
    for (int k = TRB_MEM_OTHER + 1; k < TRB_MEM_KINDS; k++)
        if (figure[HELD + k] > 0.0)
            trb_text_add(&t, ", %s %s", trb_mem_name((trb_mem)k), trb__amount(figure[HELD + k], amount));
    trb_info("%s: a rank held up to %s; at the end%s", label, trb__amount(figure[PEAK], amount),
             t.n > 0 ? kinds + 1 : " nothing");
}

/* One line, if ranks have waited for most of the time. More ranks than cores wait for each other's turns, and in Open
 * MPI even a rank that waits takes its turns, unless it is told to yield. */
static void advise(const trb__fit *f, size_t P, const double *all, double took_s)
{
    enum { LEAST_S = 10 };
    static bool said;
    double waited_s = 0.0;
    for (size_t r = 0; r < P; r++) waited_s += all[FIGURES * r + WAITED] / (double)P;
    if (said || took_s < LEAST_S || waited_s < 0.5 * took_s) return;
    said = true;
    const bool crowded = trb_comm_crowded(), yields = getenv("OMPI_MCA_mpi_yield_when_idle") != NULL;
    trb_info("%s: ranks waited for each other %.0f %% of the time; %s", f->label, 100.0 * waited_s / took_s,
             !crowded ? "fewer ranks may be as fast; or give them more work a step (`batch`)"
             : yields
                 ? "there are more ranks than cores: start fewer"
                 : "there are more ranks than cores: start fewer, or set OMPI_MCA_mpi_yield_when_idle=1, so that a "
                   "rank of Open MPI that waits leaves its core to others");
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
    char sent[32];
    trb_info("%s: %zu ranks sent %s to each other and waited %.1f to %.1f s%s", f->label, P, trb__amount(bytes, sent),
             least, most, stale);
}

/* Where the time of a step goes, on this rank. A network that is cut has its body here. */
static void show_layers(const trb__fit *f, const trb_work *work, double took_s, uint64_t steps)
{
    trb_time times[TRB_TIMES_MAX];
    char text[1024];
    trb_text t = trb_text_in(text, sizeof text);
    if (!trb_log_verbose() || work == NULL || steps == 0) return;
    const size_t n = trb_work_measured(work, times);
    const double ms = 1e3 / (double)steps;
    for (size_t i = 0; i < n; i++)
        trb_text_add(&t, "%s %s %.3f + %.3f", i == 0 ? "; forward + backward:" : ",", times[i].kind,
                     times[i].forward_s * ms, times[i].backward_s * ms);
    trb_detail("%s: %.3f ms a step%s", f->label, took_s * ms, text);
}

trb_status trb__costs_report(const trb__fit *f, const trb__heads *h, const trb_work *work, double took_s,
                             uint64_t steps)
{
    trb_comm *group = f->grid->world;
    const size_t P = (size_t)trb_comm_size(group);
    double *all = NULL, mine[FIGURES];
    char sent[32];
    show_layers(f, work, took_s, steps);
    if (P == 1) return TRB_OK;
    TRB_TRY(trb_agree(group, trb_alloc(TRB_MEM_OTHER, FIGURES * P, sizeof *all, &all)));
    own_figures(f, h, mine);
    trb_detail("%s: waited %.2f of %.2f s, sent %s", f->label, mine[WAITED], took_s, trb__amount(mine[BYTES], sent));
    const trb_status st = trb_comm_allgather(group, mine, FIGURES, all);
    if (st == TRB_OK) {
        const double *largest = all;
        for (size_t r = 1; r < P; r++)
            if (all[FIGURES * r + PEAK] > largest[PEAK]) largest = all + FIGURES * r;
        show_exchange(f, P, all);
        show_memory(f->label, largest);
        advise(f, P, all, took_s);
    }
    trb_free(all);
    return st;
}
