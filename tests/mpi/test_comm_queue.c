/* The queue: every item once, to whoever is free; a failure ends the handing out; ranks without a group wait. */
#include "mpi/check.h"

enum { ITEMS = 23 };

/* Items that all ranks took; each group counts an item once. */
static void count_items(trb_comm *w, const double *mine, double *all)
{
    double everyone[ITEMS * 8];
    CHECK(trb_comm_size(w) <= 8);
    CHECK(trb_comm_allgather(w, mine, ITEMS, everyone) == TRB_OK);
    for (int i = 0; i < ITEMS; i++) {
        all[i] = 0.0;
        for (int r = 0; r < trb_comm_size(w); r++) all[i] += everyone[r * ITEMS + i];
    }
}

/* Rank 0 knows which group holds which item, and how far its own is. */
static void is_known(trb_comm *w, const trb_queue *q, size_t mine)
{
    size_t item = 0, holding = 0;
    double before = 0.0, done = 0.0;
    CHECK(trb_queue_holds(q, 0, &item) && item == mine);
    for (int r = 0; r < trb_comm_size(w); r++) {
        if (!trb_queue_holds(q, r, &item)) continue;
        CHECK(r % 2 == 0 && item < trb_queue_handed(q) && (r == 0 || item != mine));
        holding++;
    }
    CHECK(holding >= 1 && holding <= trb_queue_handed(q));
    trb_comm_work(true, mine, 0.25, 0.75);
    CHECK(trb_comm_work_of(0, &item, &before, &done) && item == mine && before == 0.25 && done == 0.75);
    trb_comm_work(false, mine, 0.0, 0.0);
    CHECK(!trb_comm_work_of(0, &item, &before, &done));
}

/* Groups of two ranks; with an odd size the last group has one. Rank 0 answers while it works. */
static void every_item_once(trb_comm *w)
{
    trb_comm *group = NULL;
    trb_queue *q = NULL;
    double mine[ITEMS] = {0}, all[ITEMS];
    CHECK(trb_comm_split(w, trb_comm_rank(w) / 2, &group) == TRB_OK);
    CHECK(trb_queue_open(w, group, ITEMS, &q) == TRB_OK);
    for (;;) {
        size_t item = 0;
        CHECK(trb_queue_next(q, TRB_OK, &item) == TRB_OK);
        if (item == ITEMS) break;
        CHECK(item < ITEMS);
        if (trb_comm_rank(group) == 0) mine[item] += 1.0;
        if (trb_comm_rank(w) == 0) is_known(w, q, item);
        trb_comm_work(trb_comm_rank(group) == 0, item, 0.25, 0.5);
        for (int k = 0; k < 100; k++) trb_queue_serve(q);
    }
    trb_queue_close(q);
    count_items(w, mine, all);
    for (int i = 0; i < ITEMS; i++) CHECK(all[i] == 1.0);
    trb_comm_close(group);
}

static void a_failure_stops_the_handing_out(trb_comm *w)
{
    trb_comm *alone = NULL;
    trb_queue *q = NULL;
    double mine[ITEMS] = {0}, all[ITEMS], taken = 0.0;
    CHECK(trb_comm_split(w, trb_comm_rank(w), &alone) == TRB_OK);
    CHECK(trb_queue_open(w, alone, ITEMS, &q) == TRB_OK);
    trb_status st = TRB_OK;
    for (;;) {
        size_t item = 0;
        CHECK(trb_queue_next(q, st, &item) == TRB_OK);
        if (item == ITEMS) break;
        CHECK(st == TRB_OK); /* whoever failed gets nothing more */
        mine[item] += 1.0;
        st = trb_fail(TRB_EIO, "item %zu", item);
    }
    trb_queue_close(q);
    count_items(w, mine, all);
    for (int i = 0; i < ITEMS; i++) taken += all[i];
    CHECK(taken >= 1.0 && taken <= (double)trb_comm_size(w));
    trb_comm_close(alone);
    trb_fail_clear();
}

static void a_rank_without_a_group_waits(trb_comm *w)
{
    trb_comm *alone = NULL;
    trb_queue *q = NULL;
    const bool works = trb_comm_rank(w) == 0;
    size_t item = 0, n = 0;
    CHECK(trb_comm_split(w, trb_comm_rank(w), &alone) == TRB_OK);
    CHECK(trb_queue_open(w, works ? alone : NULL, ITEMS, &q) == TRB_OK);
    while (works) {
        CHECK(trb_queue_next(q, TRB_OK, &item) == TRB_OK);
        if (item == ITEMS) break;
        CHECK(item == n++);
    }
    CHECK(!works || n == ITEMS);
    trb_queue_close(q);
    trb_comm_close(alone);
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {every_item_once, a_failure_stops_the_handing_out, a_rank_without_a_group_waits};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
