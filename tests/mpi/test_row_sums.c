/* Rows of a grid: every column gets the features of all, and the sum over head lanes of what all answer to its item, in
 * the tree of exchange.h whatever the number of columns; a rank without numbers takes part. */
#include <limits.h>
#include <stdlib.h>

#include "mpi/check.h"
#include "tribikos/rng.h"
#include "tribikos/row.h"

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

static void take_round(trb_row *r, trb_comm *w, size_t H, int round, size_t items)
{
    const int me = trb_comm_rank(w);
    const bool mine = (size_t)me < items;
    float features[N];
    const float *all = NULL, *sum = NULL;
    size_t first = 0, count = 0;
    trb_share(H, me, trb_comm_size(w), &first, &count);
    CHECK(count == trb_row_own(r));
    for (size_t i = 0; i < N; i++) features[i] = (float)(1000 * me + round) + (float)i;
    CHECK(trb_row_gather(r, items, mine ? features : NULL, &all) == TRB_OK);
    for (size_t j = 0; j < items; j++)
        for (size_t i = 0; i < N; i++) CHECK(all[j * N + i] == (float)(1000 * (int)j + round) + (float)i);
    for (size_t j = 0; j < items; j++) {
        for (size_t h = first; h < first + count; h++) {
            float *to = trb_row_answer(r);
            for (size_t i = 0; i < N; i++) to[i] = answer(h, (int)j, round, i);
            CHECK(trb_row_answered(r) == TRB_OK);
        }
    }
    CHECK(trb_row_sum(r, items, &sum) == TRB_OK);
    CHECK((sum != NULL) == mine);
    for (size_t i = 0; mine && i < N; i++) CHECK(sum[i] == tree(0, H, me, round, i));
}

static void sums_are_the_documented_tree(trb_comm *w)
{
    const size_t G = (size_t)trb_comm_size(w);
    for (size_t H = G; H <= 4 * G; H += G) {
        trb_row *r = NULL;
        CHECK(trb_row_open(w, H, N, &r) == TRB_OK);
        const size_t before = trb_mem_allocations();
        for (int round = 0; round < ROUNDS; round++) take_round(r, w, H, round, G);
        for (size_t items = 1; items < G; items++) take_round(r, w, H, ROUNDS + (int)items, items);
        CHECK(trb_mem_allocations() == before);
        trb_row_close(r);
    }
}

/* It fails after the gather was to begin: the others still get what they get. */
static void who_has_nothing_to_say_takes_part(trb_comm *w)
{
    const size_t G = (size_t)trb_comm_size(w);
    const bool fails = trb_comm_rank(w) == trb_comm_size(w) - 1;
    const float mine[N] = {0};
    const float *all = NULL, *sum = NULL;
    trb_row *r = NULL;
    CHECK(trb_row_open(w, G, N, &r) == TRB_OK);
    CHECK(trb_row_gather(r, G, fails ? NULL : mine, &all) == TRB_OK);
    for (size_t j = 0; j < G; j++) {
        if (!fails) memset(trb_row_answer(r), 0, sizeof mine);
        CHECK(trb_row_answered(r) == TRB_OK);
    }
    CHECK(trb_row_sum(r, G, &sum) == TRB_OK && sum != NULL);
    trb_row_close(r);
}

/* Places in the features of a row are what MPI counts by int. */
static void a_row_that_cannot_be_counted_is_refused(trb_comm *w)
{
    const size_t G = (size_t)trb_comm_size(w);
    trb_row *r = NULL;
    CHECK(trb_row_open(w, G, (size_t)INT_MAX / G + 1, &r) == TRB_ECONFIG && r == NULL);
    trb_fail_clear();
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {sums_are_the_documented_tree, who_has_nothing_to_say_takes_part,
                              a_row_that_cannot_be_counted_is_refused};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
