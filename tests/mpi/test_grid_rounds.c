/* A grid of ranks: each lane has one rank, each head lane and each member one column. In a row every column gets the
 * features of all, and the sum over head lanes of what all answer to its item, in the tree of exchange.h whatever the
 * number of columns; a rank without numbers takes part. */
#include <limits.h>
#include <stdlib.h>

#include "mpi/check.h"
#include "tribikos/grid.h"
#include "tribikos/rng.h"

enum { N = 37, ROUNDS = 3 };

/* What head lane h answers to the item of a column in a round: a pure function, of many magnitudes. */
static float answer(size_t h, int column, int round, size_t i)
{
    trb_rng r = trb_rng_open(5, TRB_USE_TEST, h, (uint64_t)(column + 100 * round), i);
    return trb_rng_normal(&r) * (float)(1 << trb_rng_below(&r, 16));
}

/* The definition of exchange.h, word for word. */
static float tree(size_t a, size_t b, int column, int round, size_t i)
{
    if (b - a == 1) return answer(a, column, round, i);
    size_t half = 1;
    while (2 * half < b - a) half *= 2;
    return tree(a, a + half, column, round, i) + tree(a + half, b, column, round, i);
}

/* How often things [0, n) are among those of all ranks, if this rank has these of them. */
static void expect_once(trb_comm *w, size_t n, trb_lanes mine, double times)
{
    double has[32] = {0}, all[32 * 8];
    const size_t P = (size_t)trb_comm_size(w);
    CHECK(n <= 32 && P <= 8);
    for (size_t i = 0; i < mine.count; i++) has[mine.first + i * mine.step]++;
    CHECK(trb_comm_allgather(w, has, n, all) == TRB_OK);
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t r = 0; r < P; r++) sum += all[r * n + i];
        CHECK(sum == times);
    }
}

static void expect_grid(trb_comm *w, const trb_grid_shape *shape)
{
    const size_t P = (size_t)trb_comm_size(w), rows = P / shape->columns;
    trb_grid g;
    CHECK(trb_grid_check(shape, (int)P) == TRB_OK && trb_grid_open(w, shape, &g) == TRB_OK);
    CHECK((size_t)trb_comm_size(g.row) == shape->columns && (size_t)trb_comm_rank(g.row) == g.at);
    CHECK((size_t)trb_comm_size(g.column) == rows);
    expect_once(w, shape->lanes, g.lanes, 1.0);
    expect_once(g.column, shape->lanes, g.row_lanes, 1.0);
    expect_once(w, shape->head_lanes, (trb_lanes){g.head_lane, g.n_lanes, 1}, (double)rows);
    expect_once(w, shape->members, (trb_lanes){g.member, g.n_members, 1}, (double)rows);
    for (size_t i = 0; i < g.lanes.count; i++) {
        const size_t in_row = g.lanes.first + i * g.lanes.step - g.row_lanes.first;
        CHECK(in_row < g.row_lanes.count && in_row == g.at + i * shape->columns);
    }
    const trb_lanes of_column = trb_grid_lanes(&g, TRB_HEADS, trb_comm_rank(g.column));
    CHECK(memcmp(&of_column, &g.row_lanes, sizeof of_column) == 0 && trb_grid_group(&g, TRB_HEADS) == g.column);
    trb_grid_close(&g);
}

static void everything_has_its_rank(trb_comm *w)
{
    const size_t P = (size_t)trb_comm_size(w);
    for (size_t columns = 1; columns <= P; columns++) {
        for (size_t lanes = P / columns; P % columns == 0 && lanes <= 9; lanes++)
            expect_grid(w, &(trb_grid_shape){lanes, 0, columns, 2 * columns, 4 * columns});
        if (P % columns == 0) continue;
        CHECK(trb_grid_check(&(trb_grid_shape){9, 0, columns, columns, columns}, (int)P) == TRB_ECONFIG);
        trb_fail_clear();
    }
}

static void servers_have_no_lanes(trb_comm *w)
{
    enum { LANES = 9 };
    const size_t P = (size_t)trb_comm_size(w), r = (size_t)trb_comm_rank(w);
    for (size_t servers = 0; servers < P; servers++) {
        const trb_grid g = trb_grid_plain(w, LANES, servers);
        CHECK((g.lanes.count > 0) == (r >= servers) && g.row == NULL && g.column == NULL);
        CHECK(memcmp(&g.lanes, &g.row_lanes, sizeof g.lanes) == 0);
        expect_once(w, LANES, g.lanes, 1.0);
    }
}

/* A grid of one row. */
static trb_grid row_of(trb_comm *w, size_t head_lanes)
{
    const size_t G = (size_t)trb_comm_size(w);
    trb_grid g;
    CHECK(trb_grid_open(w, &(trb_grid_shape){G, 0, G, head_lanes, head_lanes}, &g) == TRB_OK);
    return g;
}

static void take_round(trb_rounds *r, const trb_grid *g, int round, size_t items)
{
    const size_t H = g->shape.head_lanes;
    const int me = trb_comm_rank(g->row);
    const bool mine = (size_t)me < items;
    float features[N];
    const float *all = NULL, *sum = NULL;
    for (size_t i = 0; i < N; i++) features[i] = (float)(1000 * me + round) + (float)i;
    CHECK(trb_rounds_gather(r, items, mine ? features : NULL, &all) == TRB_OK);
    for (size_t j = 0; j < items; j++)
        for (size_t i = 0; i < N; i++) CHECK(all[j * N + i] == (float)(1000 * (int)j + round) + (float)i);
    for (size_t j = 0; j < items; j++) {
        for (size_t h = g->head_lane; h < g->head_lane + g->n_lanes; h++) {
            float *to = trb_rounds_answer(r);
            for (size_t i = 0; i < N; i++) to[i] = answer(h, (int)j, round, i);
            CHECK(trb_rounds_answered(r) == TRB_OK);
        }
    }
    CHECK(trb_rounds_sum(r, items, &sum) == TRB_OK);
    CHECK((sum != NULL) == mine);
    for (size_t i = 0; mine && i < N; i++) CHECK(sum[i] == tree(0, H, me, round, i));
}

static void sums_are_the_documented_tree(trb_comm *w)
{
    const size_t G = (size_t)trb_comm_size(w);
    for (size_t H = 2 * G; H <= 5 * G; H += G) {
        trb_grid g = row_of(w, H);
        trb_rounds *r = NULL;
        CHECK(trb_rounds_open(&g, N, &r) == TRB_OK);
        const size_t before = trb_mem_allocations();
        for (int round = 0; round < ROUNDS; round++) take_round(r, &g, round, G);
        for (size_t items = 1; items < G; items++) take_round(r, &g, ROUNDS + (int)items, items);
        CHECK(trb_mem_allocations() == before);
        trb_rounds_close(r);
        trb_grid_close(&g);
    }
}

/* It fails after the gather was to begin: the others still get what they get. */
static void who_has_nothing_to_say_takes_part(trb_comm *w)
{
    const size_t G = (size_t)trb_comm_size(w);
    const bool fails = trb_comm_rank(w) == trb_comm_size(w) - 1;
    const float mine[N] = {0};
    const float *all = NULL, *sum = NULL;
    trb_grid g = row_of(w, 2 * G);
    trb_rounds *r = NULL;
    CHECK(trb_rounds_open(&g, N, &r) == TRB_OK);
    CHECK(trb_rounds_gather(r, G, fails ? NULL : mine, &all) == TRB_OK);
    for (size_t j = 0; j < 2 * G; j++) { /* two head lanes an item */
        if (!fails) memset(trb_rounds_answer(r), 0, sizeof mine);
        CHECK(trb_rounds_answered(r) == TRB_OK);
    }
    CHECK(trb_rounds_sum(r, G, &sum) == TRB_OK && sum != NULL);
    trb_rounds_close(r);
    trb_grid_close(&g);
}

/* Places in the features of a row are what MPI counts by int. */
static void a_row_that_cannot_be_counted_is_refused(trb_comm *w)
{
    const size_t G = (size_t)trb_comm_size(w);
    trb_grid g = row_of(w, 2 * G);
    trb_rounds *r = NULL;
    CHECK(trb_rounds_open(&g, (size_t)INT_MAX / G + 1, &r) == TRB_ECONFIG && r == NULL);
    trb_grid_close(&g);
    trb_fail_clear();
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {everything_has_its_rank, servers_have_no_lanes, sums_are_the_documented_tree,
                              who_has_nothing_to_say_takes_part, a_row_that_cannot_be_counted_is_refused};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
