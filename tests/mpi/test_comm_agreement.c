/* Agreement, gathering and sharing: the same on every rank, whoever fails, however uneven the parts. */
#include <sys/mman.h>
#include <unistd.h>

#include "mpi/check.h"

static void worst_status_wins_everywhere(trb_comm *w)
{
    const int r = trb_comm_rank(w), P = trb_comm_size(w);
    CHECK(trb_agree(w, TRB_OK) == TRB_OK);
    /* The last rank fails for a mild reason, the one before it for a severe one. */
    trb_status mine = TRB_OK;
    if (r == P - 1) mine = trb_fail(TRB_ECONFIG, "mild");
    if (P > 1 && r == P - 2) mine = trb_fail(TRB_EIO, "severe");
    CHECK(trb_agree(w, mine) == (P > 1 ? TRB_EIO : TRB_ECONFIG));
    CHECK(strstr(trb_fail_message(), P > 1 ? "severe" : "mild") != NULL);
    char name[32];
    snprintf(name, sizeof name, "rank %d (", P - 2);
    CHECK(P == 1 || strncmp(trb_fail_message(), name, strlen(name)) == 0);
}

static void a_long_line_says_what_to_do(trb_comm *w)
{
    char line[4 * TRB_FAIL_BYTES];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    const bool last = trb_comm_rank(w) == trb_comm_size(w) - 1;
    CHECK(trb_agree(w, last ? trb_fail(TRB_EIO, "%s; do this", line) : TRB_OK) == TRB_EIO);
    const char *said = trb_fail_message();
    CHECK(strlen(said) > 9 && strcmp(said + strlen(said) - 9, "; do this") == 0);
    CHECK(strncmp(said, trb_comm_size(w) == 1 ? "xxx" : "rank ", 3) == 0);
}

static void a_failure_of_all_names_nobody(trb_comm *w)
{
    CHECK(trb_agree(w, trb_fail(TRB_EINPUT, "data.idx: bad magic")) == TRB_EINPUT);
    CHECK(strcmp(trb_fail_message(), "data.idx: bad magic") == 0);
}

static void inner_groups_keep_the_culprit(trb_comm *w)
{
    const int r = trb_comm_rank(w), P = trb_comm_size(w);
    trb_comm *half = NULL;
    CHECK(trb_comm_split(w, r % 2, &half) == TRB_OK);
    trb_status st = TRB_OK;
    if (r == 1) st = trb_fail(TRB_ENUM, "loss");
    st = trb_agree(w, trb_agree(half, st));
    CHECK(st == (P > 1 ? TRB_ENUM : TRB_OK));
    CHECK(P == 1 || strncmp(trb_fail_message(), "rank 1 (", 8) == 0);
    CHECK(P == 1 || strstr(trb_fail_message(), "loss") != NULL);
    trb_comm_close(half);
}

static void differing_values_are_refused(trb_comm *w)
{
    CHECK(trb_comm_same(w, 7, "the thing") == TRB_OK);
    if (trb_comm_size(w) == 1) return;
    CHECK(trb_comm_same(w, (uint64_t)trb_comm_rank(w), "the thing") == TRB_ECONFIG);
    CHECK(strstr(trb_fail_message(), "the thing on rank 1 (") != NULL);
}

static void texts_reach_all(trb_comm *w)
{
    char *text = NULL;
    CHECK(trb_comm_bcast_text(w, trb_comm_rank(w) == 0 ? "layers: [dense 200]" : NULL, &text) == TRB_OK);
    CHECK(strcmp(text, "layers: [dense 200]") == 0);
    trb_free(text);
}

static void uneven_parts_are_gathered_in_rank_order(trb_comm *w)
{
    /* 4 items over up to 5 ranks: one rank has none. */
    enum { N = 4 };
    size_t first = 0, count = 0, next = 0;
    for (int r = 0; r < trb_comm_size(w); r++) {
        trb_share(N, r, trb_comm_size(w), &first, &count);
        CHECK(first == next);
        next += count;
    }
    CHECK(next == N);
    trb_share(N, trb_comm_rank(w), trb_comm_size(w), &first, &count);
    struct {
        double a[3];
    } mine[N], all[N];
    double numbers[N], everyones[N];
    for (size_t i = 0; i < count; i++) {
        mine[i].a[0] = numbers[i] = (double)(first + i);
        mine[i].a[2] = -1.0;
    }
    CHECK(trb_comm_gather(w, mine, count, sizeof *mine, all) == TRB_OK);
    CHECK(trb_comm_allgather(w, numbers, count, everyones) == TRB_OK);
    for (size_t i = 0; i < N; i++) {
        CHECK(everyones[i] == (double)i);
        CHECK(trb_comm_rank(w) != 0 || (all[i].a[0] == (double)i && all[i].a[2] == -1.0));
    }
}

/* n addresses, PIECE of memory under all of them: many bytes take little of it. */
enum { PIECE = 1 << 21 };
static char *few_under_many(size_t n)
{
    const int fd = memfd_create("few", 0);
    CHECK(fd >= 0 && ftruncate(fd, PIECE) == 0);
    char *at = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(at != MAP_FAILED);
    for (size_t i = 0; i < n; i += PIECE)
        CHECK(mmap(at + i, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at + i);
    CHECK(close(fd) == 0);
    return at;
}

/* More items than an int counts: the last rank's begin beyond it. */
static void many_items_are_gathered(trb_comm *w)
{
    enum { P = 3, EACH = (1 << 30) + PIECE };
    const int r = trb_comm_rank(w);
    if (trb_comm_size(w) != P) return;
    char *items = few_under_many(EACH), *all = r == 0 ? few_under_many((size_t)P * EACH) : NULL;
    memset(items, 'a' + r, PIECE);
    CHECK(trb_comm_gather(w, items, r < P - 1 ? EACH : PIECE, 1, all) == TRB_OK);
    for (size_t i = 0; r == 0 && i < PIECE; i++) CHECK(all[i] == 'a' + P - 1); /* it came last */
    CHECK(r != 0 || munmap(all, (size_t)P * EACH) == 0);
    CHECK(munmap(items, EACH) == 0);
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {worst_status_wins_everywhere,
                              a_long_line_says_what_to_do,
                              a_failure_of_all_names_nobody,
                              inner_groups_keep_the_culprit,
                              differing_values_are_refused,
                              texts_reach_all,
                              uneven_parts_are_gathered_in_rank_order,
                              many_items_are_gathered};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
