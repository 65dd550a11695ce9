/* Memory that a node's ranks hold once; where it is refused to one of them, all have none. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mpi/check.h"
#include "tribikos/log.h"

enum { BYTES = 3 * 1024 * 1024 + 5 };

/* In the place of fallocate(2): is interrupted so often. */
static int interruptions;

int fallocate(int fd, int mode, off_t from, off_t n)
{
    if (interruptions-- <= 0) return (int)syscall(SYS_fallocate, fd, mode, from, n);
    errno = EINTR;
    return -1;
}

static void quiet(trb_comm *w)
{
    (void)w;
    trb_log_open(false, 10.0);
}

static unsigned char value(size_t i, int color)
{
    return (unsigned char)(i * 31 + i / 4096 + (size_t)color * 7 + 1);
}

/* The first number that the next file opened would have. */
static int next_file(void)
{
    const int next = dup(0);
    CHECK(next >= 0 && close(next) == 0);
    return next;
}

static int mappings(void)
{
    char line[512];
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) n += strstr(line, "memfd:tribikos") != NULL;
    CHECK(fclose(f) == 0);
    return n;
}

/* Each rank writes its share, all read all, also after the first one has left. */
static void use(trb_comm *node, int color)
{
    const int r = trb_comm_rank(node), P = trb_comm_size(node);
    const size_t before = trb_mem_bytes(TRB_MEM_DATA);
    const int next = next_file();
    trb_shared *s = NULL;
    size_t first = 0, count = 0;
    CHECK(trb_shared_open(node, TRB_MEM_DATA, BYTES, &s) == TRB_OK);
    CHECK((s == NULL) == (P == 1));
    CHECK(trb_mem_bytes(TRB_MEM_DATA) == before + (P > 1 && r == 0 ? BYTES : 0));
    if (P == 1) return;
    unsigned char *at = trb_shared_at(s);
    CHECK(next_file() == next && mappings() == 1);
    CHECK((size_t)at % 4096 == 0);
    trb_share(BYTES, r, P, &first, &count);
    for (size_t i = first; i < first + count; i++) CHECK(at[i] == 0);
    for (size_t i = first; i < first + count; i++) at[i] = value(i, color);
    CHECK(trb_comm_barrier(node) == TRB_OK);
    if (r == 0) trb_shared_close(s);
    CHECK(trb_comm_barrier(node) == TRB_OK);
    for (size_t i = 0; r > 0 && i < BYTES; i++) CHECK(at[i] == value(i, color));
    if (r > 0) trb_shared_close(s);
    CHECK(trb_mem_bytes(TRB_MEM_DATA) == before && mappings() == 0);
}

static void all_ranks_hold_it_once(trb_comm *w)
{
    trb_comm *node = NULL;
    CHECK(trb_comm_node(w, 0, &node) == TRB_OK);
    /* The ranks of a test are on one host. */
    CHECK(trb_comm_size(node) == trb_comm_size(w) && trb_comm_rank(node) == trb_comm_rank(w));
    use(node, 0);
    trb_comm_close(node);
}

static void a_signal_does_not_mind(trb_comm *w)
{
    interruptions = 3;
    all_ranks_hold_it_once(w);
    CHECK(interruptions < 0 || trb_comm_rank(w) > 0 || trb_comm_size(w) == 1);
    interruptions = 0;
}

static void colours_hold_their_own(trb_comm *w)
{
    const int r = trb_comm_rank(w), P = trb_comm_size(w);
    trb_comm *node = NULL;
    CHECK(trb_comm_node(w, r % 2, &node) == TRB_OK);
    CHECK(trb_comm_size(node) == (P + 1 - r % 2) / 2 && trb_comm_rank(node) == r / 2);
    use(node, r % 2);
    trb_comm_close(node);
}

/* While one rank may not have so much of something, none has shared memory, and none fails. */
static void refused(trb_comm *w, int rank, __rlimit_resource_t what, rlim_t most)
{
    struct rlimit limit, less;
    trb_comm *node = NULL;
    trb_shared *s = (trb_shared *)&limit;
    CHECK(trb_comm_node(w, 0, &node) == TRB_OK && getrlimit(what, &limit) == 0);
    less = (struct rlimit){.rlim_cur = most, .rlim_max = limit.rlim_max};
    if (trb_comm_rank(w) == rank) CHECK(setrlimit(what, &less) == 0);
    CHECK(trb_shared_open(node, TRB_MEM_DATA, BYTES, &s) == TRB_OK);
    CHECK(s == NULL && trb_fail_message()[0] == '\0');
    CHECK(setrlimit(what, &limit) == 0 && mappings() == 0);
    use(node, 0);
    trb_comm_close(node);
}

static void what_one_is_refused_none_has(trb_comm *w)
{
    const int P = trb_comm_size(w);
    if (P == 1) return;
    refused(w, 0, RLIMIT_FSIZE, BYTES - 1); /* the memory cannot be made */
    const int next = dup(0);                /* one file more than are open now */
    CHECK(next >= 0 && close(next) == 0);
    refused(w, 0, RLIMIT_NOFILE, (rlim_t)next);
    refused(w, P - 1, RLIMIT_NOFILE, (rlim_t)next); /* it cannot be opened */
}

/* A wrong file is nobody's fault among those who share the reading; a failing disk may be one's own. */
static void files_name_no_reader(trb_comm *w)
{
    const bool last = trb_comm_rank(w) == trb_comm_size(w) - 1;
    const trb_status kinds[] = {TRB_ECONFIG, TRB_EINPUT, TRB_EINTEGRITY, TRB_EIO};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        trb_status st = last ? trb_fail(kinds[i], "x.idx: it") : TRB_OK;
        st = trb_agree(w, trb_agree_on_files(w, st));
        const bool named = kinds[i] == TRB_EIO && trb_comm_size(w) > 1;
        CHECK(st == kinds[i] && (strcmp(trb_fail_message(), "x.idx: it") == 0) == !named);
        CHECK(!named || strncmp(trb_fail_message(), "rank ", 5) == 0);
        trb_fail_clear();
    }
    CHECK(trb_agree_on_files(w, TRB_OK) == TRB_OK);
}

int main(int argc, char **argv)
{
    const mpi_test tests[] = {quiet,
                              all_ranks_hold_it_once,
                              a_signal_does_not_mind,
                              colours_hold_their_own,
                              what_one_is_refused_none_has,
                              files_name_no_reader};
    return run_tests(argc, argv, sizeof tests / sizeof *tests, tests);
}
