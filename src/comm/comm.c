/* Groups of ranks: starting and ending MPI, splitting groups, agreement, and collective calls on small data.
 *
 * All collective calls are non-blocking ones followed by trb__wait(), so that a rank that waits gives signs of life and
 * notices if another one has died. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "tribikos/fault.h"
#include "tribikos/memory.h"

/* Fills in ranks and members. \param[in,out] c  c->mpi is set, c->member has room */
static trb_status describe(trb_comm *c)
{
    MPI_Group all, own;
    (void)MPI_Comm_rank(c->mpi, &c->rank);
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &c->world_rank);
    TRB_TRY(trb__mpi(MPI_Comm_group(MPI_COMM_WORLD, &all), "MPI_Comm_group"));
    TRB_TRY(trb__mpi(MPI_Comm_group(c->mpi, &own), "MPI_Comm_group"));
    (void)MPI_Group_size(own, &c->size);
    trb_status st = TRB_OK;
    for (int i = 0; i < c->size && st == TRB_OK; i++)
        st = trb__mpi(MPI_Group_translate_ranks(own, 1, &i, all, &c->member[i]), "MPI_Group_translate_ranks");
    (void)MPI_Group_free(&own);
    (void)MPI_Group_free(&all);
    return st;
}

trb_status trb__duplicate(const trb_comm *c, MPI_Comm *out)
{
    MPI_Request request;
    TRB_TRY(trb__mpi(MPI_Comm_idup(c->mpi, out, &request), "MPI_Comm_idup"));
    return trb__wait(c, &request, "MPI_Comm_idup");
}

/* The watch starts before the first collective call, so that it covers that call too. */
static trb_status open_world(trb_comm *c)
{
    c->mpi = MPI_COMM_WORLD;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, (size_t)c->size, sizeof *c->member, &c->member));
    TRB_TRY(describe(c));
    TRB_TRY(trb__watch_open(c));
    return trb__duplicate(c, &c->mpi);
}

trb_status trb_comm_start(int *argc, char ***argv, trb_comm **world)
{
    int level = 0, size = 0;
    trb__enter("MPI_Init");
    const int code = MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level);
    trb__leave();
    if (code != MPI_SUCCESS)
        return trb_fail(TRB_ECOMM,
                        "MPI does not start; is the program run by the mpirun of the MPI it was built with?");
    if (level < MPI_THREAD_FUNNELED) return trb_fail(TRB_ECOMM, "this MPI was built without thread support (FUNNELED)");
    (void)MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); /* other communicators inherit it */
    (void)MPI_Comm_size(MPI_COMM_WORLD, &size);
    trb_comm *c = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 1, sizeof *c, &c);
    if (st == TRB_OK) {
        c->size = size;
        st = open_world(c);
    }
    if (st != TRB_OK) trb_comm_panic(st);
    trb_fault_rank(c->rank);
    *world = c;
    return TRB_OK;
}

trb_status trb_comm_expect_launched(const trb_comm *world)
{
    const char *variable = NULL;
    const long announced = trb__announced_size(&variable);
    if (world->size > 1 || announced <= 1) return TRB_OK;
    return trb_fail(TRB_ECONFIG,
                    "%s is %ld, but MPI sees one process: each would run the whole job by itself; start with "
                    "`mpirun -n %ld tribikos ...` or `srun --mpi=pmix tribikos ...`",
                    variable, announced, announced);
}

void trb_comm_stop(trb_comm *world)
{
    int started = 0;
    (void)MPI_Initialized(&started);
    if (world != NULL) (void)trb_comm_barrier(world); /* all ranks meet here, because the rest is not watched */
    trb__enter("MPI_Finalize");
    if (world != NULL) {
        trb__watch_close();
        (void)MPI_Comm_free(&world->mpi);
        trb_free(world->member);
    }
    trb_free(world);
    if (started) (void)MPI_Finalize();
    trb__leave();
}

int trb_comm_rank(const trb_comm *c)
{
    return c->rank;
}

int trb_comm_size(const trb_comm *c)
{
    return c->size;
}

static trb_status split_by_color(MPI_Comm from, int color, int rank, MPI_Comm *out)
{
    trb__enter("MPI_Comm_split");
    const trb_status st = trb__mpi(MPI_Comm_split(from, color, rank, out), "MPI_Comm_split");
    trb__leave();
    return st;
}

trb_status trb__split_by_node(const trb_comm *c, MPI_Comm *out)
{
    trb__enter("MPI_Comm_split_type");
    const trb_status st =
        trb__mpi(MPI_Comm_split_type(c->mpi, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, out), "MPI_Comm_split_type");
    trb__leave();
    return st;
}

/* These calls cannot be polled. All ranks have just agreed, so none is far away. */
static trb_status split(const trb_comm *c, int color, bool by_node, MPI_Comm *out)
{
    if (!by_node) return split_by_color(c->mpi, color, c->rank, out);
    MPI_Comm node;
    TRB_TRY(trb__split_by_node(c, &node));
    const trb_status st = split_by_color(node, color, c->rank, out);
    (void)MPI_Comm_free(&node);
    return st;
}

static trb_status open_part(trb_comm *c, int color, bool by_node, trb_comm **out)
{
    trb_comm *part = NULL;
    int *member = NULL;
    trb_status st = trb_alloc(TRB_MEM_OTHER, 1, sizeof *part, &part);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, (size_t)c->size, sizeof *member, &member);
    st = trb_agree(c, st);
    if (st == TRB_OK) st = split(c, color, by_node, &part->mpi);
    if (st != TRB_OK) {
        trb_free(member);
        trb_free(part);
        return st;
    }
    part->member = member;
    *out = part;
    return describe(part);
}

trb_status trb_comm_split(trb_comm *c, int color, trb_comm **out)
{
    return open_part(c, color, false, out);
}

trb_status trb_comm_node(trb_comm *c, int color, trb_comm **out)
{
    return open_part(c, color, true, out);
}

void trb_comm_close(trb_comm *c)
{
    if (c == NULL) return;
    (void)MPI_Comm_free(&c->mpi);
    trb_free(c->member);
    trb_free(c);
}

/* The worst status wins, and among equals the lowest rank: MINLOC over (status, rank), because statuses are <= 0. A
 * second pair finds the mildest status. If it equals the worst one, all ranks failed alike, and naming one would
 * mislead. */
static trb_status agree(trb_comm *c, trb_status st, bool on_files)
{
    if (st == TRB_OK) st = trb_fault("agree");
    if (c->size == 1) return st;
    struct {
        int status, rank;
    } mine[2] = {{(int)st, c->rank}, {-(int)st, c->rank}}, worst[2];
    MPI_Request request;
    TRB_TRY(trb__mpi(MPI_Iallreduce(mine, worst, 2, MPI_2INT, MPI_MINLOC, c->mpi, &request), "MPI_Iallreduce"));
    TRB_TRY(trb__wait(c, &request, "MPI_Iallreduce"));
    const trb_status agreed = (trb_status)worst[0].status;
    if (agreed == TRB_OK) return TRB_OK;
    const bool all_alike = -worst[1].status == worst[0].status;
    char line[TRB_FAIL_BYTES] = "";
    if (c->rank == worst[0].rank) {
        char host[64] = "?";
        (void)gethostname(host, sizeof host - 1);
        /* A stop and an error in the configuration concern all ranks, so none is named. A line from an agreement in a
         * smaller group names its rank already. */
        const bool nobodys = agreed == TRB_STOPPED || agreed == TRB_ECONFIG ||
                             (on_files && (agreed == TRB_EINPUT || agreed == TRB_EINTEGRITY));
        if (!all_alike && !nobodys && strncmp(trb_fail_message(), "rank ", 5) != 0)
            (void)trb_fail_of(agreed, "rank %d (%s): ", c->world_rank, host);
        (void)snprintf(line, sizeof line, "%s", trb_fail_message());
    }
    TRB_TRY(trb_comm_bcast(c, line, sizeof line, worst[0].rank));
    trb_fail_clear();
    return trb_fail(agreed, "%s", line);
}

trb_status trb_agree(trb_comm *c, trb_status st)
{
    return agree(c, st, false);
}

trb_status trb_agree_on_files(trb_comm *c, trb_status st)
{
    return agree(c, st, true);
}

trb_status trb_comm_same(trb_comm *c, uint64_t value, const char *what)
{
    uint64_t first = value;
    TRB_TRY(trb_comm_bcast(c, &first, sizeof first, 0));
    trb_status st = TRB_OK;
    if (first != value) {
        char host[64] = "?";
        (void)gethostname(host, sizeof host - 1);
        st = trb_fail(
            TRB_ECONFIG,
            "%s on rank %d (%s) differs from rank 0's (digest %016llx, expected %016llx): do all nodes see the "
            "same files?",
            what, c->world_rank, host, (unsigned long long)value, (unsigned long long)first);
    }
    return trb_agree(c, st);
}

trb_status trb_comm_bcast(trb_comm *c, void *bytes, size_t n, int root)
{
    /* In pieces, because MPI counts in int. */
    enum { PIECE = 1 << 30 };
    for (size_t at = 0; at < n; at += PIECE) {
        const int piece = (int)(n - at < PIECE ? n - at : PIECE);
        MPI_Request request;
        TRB_TRY(trb__mpi(MPI_Ibcast((char *)bytes + at, piece, MPI_BYTE, root, c->mpi, &request), "MPI_Ibcast"));
        TRB_TRY(trb__wait(c, &request, "MPI_Ibcast"));
    }
    return TRB_OK;
}

trb_status trb_comm_bcast_text(trb_comm *c, const char *text, char **out)
{
    uint64_t n = c->rank == 0 ? strlen(text) : 0;
    TRB_TRY(trb_comm_bcast(c, &n, sizeof n, 0));
    char *copy = NULL;
    trb_status st = trb_agree(c, trb_alloc(TRB_MEM_OTHER, n + 1, 1, &copy));
    if (st == TRB_OK && c->rank == 0) memcpy(copy, text, n);
    if (st == TRB_OK) st = trb_comm_bcast(c, copy, n, 0);
    if (st != TRB_OK) {
        trb_free(copy);
        return st;
    }
    *out = copy;
    return TRB_OK;
}

trb_status trb_comm_barrier(trb_comm *c)
{
    MPI_Request request;
    TRB_TRY(trb__mpi(MPI_Ibarrier(c->mpi, &request), "MPI_Ibarrier"));
    return trb__wait(c, &request, "MPI_Ibarrier");
}

/* Rank 0 receives the items of the ranks one after the other. MPI_Igatherv would count positions in `all` in int. */
static trb_status collect(const trb_comm *c, const void *items, MPI_Datatype type, size_t size, const int *counts,
                          void *all)
{
    enum { TAG = 32767 }; /* greater than the tags of all segments of an exchange */
    MPI_Request request;
    char *to = all;
    if (c->rank != 0) {
        if (counts[c->rank] == 0) return TRB_OK;
        TRB_TRY(trb__mpi(MPI_Isend(items, counts[c->rank], type, 0, TAG, c->mpi, &request), "MPI_Isend"));
        return trb__wait(c, &request, "MPI_Isend");
    }
    for (int r = 0; r < c->size; to += (size_t)counts[r++] * size) {
        if (counts[r] == 0) continue;
        if (r == 0) {
            memcpy(to, items, (size_t)counts[0] * size);
            continue;
        }
        TRB_TRY(trb__mpi(MPI_Irecv(to, counts[r], type, r, TAG, c->mpi, &request), "MPI_Irecv"));
        TRB_TRY(trb__wait(c, &request, "MPI_Irecv"));
    }
    return TRB_OK;
}

trb_status trb_comm_gather(trb_comm *c, const void *items, size_t n, size_t size, void *all)
{
    /* One item is one MPI element, so that counts stay small however large an item is. */
    int item = 0, mine = 0, *counts = NULL;
    MPI_Datatype type = MPI_DATATYPE_NULL;
    MPI_Request request;
    trb_status st = TRB_OK;
    st = trb_to_int(size, &item);
    if (st == TRB_OK) st = trb_to_int(n, &mine);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, (size_t)c->size, sizeof *counts, &counts);
    TRB_GO(trb_agree(c, st));
    TRB_GO(trb__mpi(MPI_Type_contiguous(item, MPI_BYTE, &type), "MPI_Type_contiguous"));
    TRB_GO(trb__mpi(MPI_Type_commit(&type), "MPI_Type_commit"));
    TRB_GO(trb__mpi(MPI_Igather(&mine, 1, MPI_INT, counts, 1, MPI_INT, 0, c->mpi, &request), "MPI_Igather"));
    TRB_GO(trb__wait(c, &request, "MPI_Igather"));
    counts[c->rank] = mine;
    st = collect(c, items, type, size, counts, all);
done:
    if (type != MPI_DATATYPE_NULL) (void)MPI_Type_free(&type);
    trb_free(counts);
    return st;
}

trb_status trb_comm_allgather(trb_comm *c, const double *items, size_t n, double *all)
{
    int mine = 0, *counts = NULL, *starts = NULL;
    size_t before = 0;
    MPI_Request request;
    trb_status st = TRB_OK;
    TRB_GO(trb_agree(c, trb_to_int(n, &mine)));
    TRB_GO(trb_agree(c, trb_alloc(TRB_MEM_OTHER, 2 * (size_t)c->size, sizeof *counts, &counts)));
    starts = counts + c->size;
    TRB_GO(trb__mpi(MPI_Iallgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, c->mpi, &request), "MPI_Iallgather"));
    TRB_GO(trb__wait(c, &request, "MPI_Iallgather"));
    /* The counts are the same on all ranks, so this fails on all of them or on none. */
    for (int r = 0; r < c->size; before += (size_t)counts[r++]) TRB_GO(trb_to_int(before, &starts[r]));
    TRB_GO(trb__mpi(MPI_Iallgatherv(items, mine, MPI_DOUBLE, all, counts, starts, MPI_DOUBLE, c->mpi, &request),
                    "MPI_Iallgatherv"));
    TRB_GO(trb__wait(c, &request, "MPI_Iallgatherv"));
done:
    trb_free(counts);
    return st;
}

trb_status trb_comm_fill(trb_comm *c, double *values, size_t n)
{
    int count = 0;
    MPI_Request request;
    TRB_TRY(trb_to_int(n, &count));
    TRB_TRY(
        trb__mpi(MPI_Iallreduce(MPI_IN_PLACE, values, count, MPI_DOUBLE, MPI_SUM, c->mpi, &request), "MPI_Iallreduce"));
    return trb__wait(c, &request, "MPI_Iallreduce");
}

void trb_share(size_t n, int r, int P, size_t *first, size_t *count)
{
    const size_t rank = (size_t)r, size = (size_t)P;
    *first = n * rank / size;
    *count = n * (rank + 1) / size - *first;
}
