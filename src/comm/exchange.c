/* An exchange from its opening to its close, and the steps between: when segments are begun, advanced and waited for.
 *
 * A segment's state is what has to be done next (trb__next):
 *
 *   state   what ends it
 *   IDLE    this rank has computed the segment in its last lane of the step (begin_sum); a rank without lanes pushes
 *   SUM     the kind has summed it over the ranks
 *   UPDATE  the owner has updated its part; with clipping this waits for the norm of the gradient
 *   SPREAD  the kind has sent and received the updated parts; then IDLE again
 *
 * The exchange as a whole has two flags that overlap:
 *
 *   begun    from the first lane of a step to trb_exchange_pull(): gradients are computed
 *   in_step  from the last lane of a step to the first lane of the next one: segments are in flight
 *
 * No thread moves messages: progress() is called around every layer and during every wait. */
#include "tribikos/exchange.h"

#include <math.h>

#include "segments.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"

/* Two ranks send each other halves of a segment. These stay below 64 KiB, up to which Open MPI sends over TCP at once
 * and without a handshake: a handshake takes calls of MPI on both sides, which are rare while layers compute. There are
 * not more than SEGMENTS segments, so that their number times the levels of a large group stays small. */
enum { SEGMENT = 31744, SEGMENTS = 128 };

/* ---- opening */

/* Appends the segments of [lo, hi), from its end to its beginning. */
static void list_segments(trb_exchange *x, size_t lo, size_t hi, size_t length)
{
    const size_t n = (hi - lo + length - 1) / length;
    for (size_t i = n; i-- > 0;) {
        trb__segment *s = &x->segment[x->n_segments++];
        *s = (trb__segment){.lo = lo + i * length, .hi = i + 1 == n ? hi : lo + (i + 1) * length};
        s->blocks = x->n_blocks;
        x->n_blocks += (s->hi - s->lo + TRB__BLOCK - 1) / TRB__BLOCK;
    }
}

static trb__span lane_of(const trb_lanes *l, size_t i)
{
    const size_t lane = l->first + i * l->step;
    return (trb__span){lane, lane + 1};
}

/* The largest number of slabs in use at one time while these lanes are computed. */
static size_t slabs_of(const trb_exchange *x, trb_lanes l)
{
    size_t depth = 0, most = 0;
    for (size_t i = 0; i < l.count; i++) {
        if (most < depth + 1) most = depth + 1;
        depth = trb__push_span(x->lanes, x->stack, depth, lane_of(&l, i));
    }
    return most;
}

/* Allocates slabs for the lanes of this rank, or for any share that it may claim. */
static trb_status reserve_slabs(trb_exchange *x)
{
    trb_lanes l = x->mine;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, l.count, sizeof *x->stack, &x->stack));
    size_t most = slabs_of(x, l);
    if (trb_exchange_is_free(x) && l.count > 0) {
        for (l.first = 0; l.first < x->lanes; l.first += l.count) {
            const size_t n = slabs_of(x, l);
            if (most < n) most = n;
        }
    }
    if (most == 0 && !x->kind->has_owners) most = 1; /* it contributes zeros, which need a slab */
    return trb_alloc(TRB_MEM_GRADIENTS, most * x->size, sizeof *x->slabs, &x->slabs);
}

static trb_status reserve(trb_exchange *x)
{
    const size_t trained = trb_net_trained(x->net), moments = trb_optim_moments(&x->opt);
    size_t length = (trained / SEGMENTS + TRB__BLOCK) / TRB__BLOCK * TRB__BLOCK, owned = 0;
    int fits = 0;
    if (length < SEGMENT) length = SEGMENT;
    TRB_TRY(trb_to_int(length, &fits));
    TRB_TRY(reserve_slabs(x));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->size / length + 2, sizeof *x->segment, &x->segment));
    list_segments(x, 0, trained, length);
    x->n_trained = x->n_segments;
    list_segments(x, trained, x->size, length);
    if (x->opt.clip > 0.0) TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->n_blocks, sizeof *x->squares, &x->squares));
    TRB_TRY(x->kind->open(x));
    for (size_t i = 0; i < x->n_segments; i++) {
        x->segment[i].moments = owned;
        owned += x->segment[i].own_hi - x->segment[i].own_lo;
    }
    if (moments > 0) TRB_TRY(trb_alloc(TRB_MEM_MOMENTS, owned, sizeof *x->m, &x->m));
    if (moments > 1) TRB_TRY(trb_alloc(TRB_MEM_MOMENTS, owned, sizeof *x->v, &x->v));
    return TRB_OK;
}

/* The ranks a node, if every node has as many and ranks fill one node after the other; otherwise 1. */
static trb_status ranks_a_node(const trb_comm *group, int *ranks)
{
    MPI_Comm node = MPI_COMM_NULL;
    MPI_Group here = MPI_GROUP_NULL, all = MPI_GROUP_NULL;
    MPI_Request request;
    int size = 0, first = 0, leader = 0;
    TRB_TRY(trb__split_by_node(group, &node));
    (void)MPI_Comm_group(node, &here);
    (void)MPI_Comm_group(group->mpi, &all);
    (void)MPI_Group_size(here, &size);
    trb_status st = trb__mpi(MPI_Group_translate_ranks(here, 1, &first, all, &leader), "MPI_Group_translate_ranks");
    (void)MPI_Group_free(&here);
    (void)MPI_Group_free(&all);
    (void)MPI_Comm_free(&node);
    TRB_TRY(st);
    int most[3] = {size, -size, leader == group->rank - group->rank % size ? 0 : 1};
    TRB_TRY(trb__mpi(MPI_Iallreduce(MPI_IN_PLACE, most, 3, MPI_INT, MPI_MAX, group->mpi, &request), "MPI_Iallreduce"));
    TRB_TRY(trb__wait(group, &request, "MPI_Iallreduce"));
    *ranks = most[0] == -most[1] && most[2] == 0 ? size : 1;
    return TRB_OK;
}

static void progress(void *exchange);

trb_status trb_exchange_open(const trb_grid *grid, trb_grid_part part, const trb_exchange_opts *how, const trb_net *net,
                             const trb_optim *opt, uint64_t steps, float *params, trb_exchange **out)
{
    static const trb__exchange_ops *const kinds[] = {[TRB_EXCHANGE_ORDERED] = &trb__ordered,
                                                     [TRB_EXCHANGE_ALLREDUCE] = &trb__allreduce,
                                                     [TRB_EXCHANGE_SERVER] = &trb__server};
    trb_comm *group = trb_grid_group(grid, part);
    trb_exchange *x = NULL;
    TRB_TRY(trb_exchange_check(how, &grid->shape, grid->world->size));
    if (grid->shape.servers != trb_exchange_servers(how))
        return trb_fail(TRB_EINTERNAL, "an exchange by %zu servers in a grid with %zu", trb_exchange_servers(how),
                        grid->shape.servers);
    trb_status st = trb_agree(group, trb_alloc(TRB_MEM_OTHER, 1, sizeof *x, &x));
    if (st != TRB_OK) {
        trb_free(x);
        return st;
    }
    x->grid = *grid;
    x->part = part;
    x->group = group;
    x->how = *how;
    x->kind = kinds[how->kind];
    x->net = net;
    x->opt = *opt;
    x->opt.lanes = x->lanes = grid->shape.lanes;
    x->total_steps = steps;
    x->size = trb_net_size(net);
    x->params = params;
    x->scale = 1.0F;
    x->mine = trb_grid_lanes(grid, part, group->rank);
    x->ongoing = (trb__ongoing){.move = progress, .ctx = x};
    trb__progress_add(&x->ongoing);
    st = ranks_a_node(group, &x->node);
    if (st == TRB_OK) st = trb_agree(group, reserve(x));
    if (st == TRB_OK)
        *out = x;
    else
        trb_exchange_close(x);
    return st;
}

trb_lanes trb_exchange_lanes(const trb_exchange *x)
{
    return x->mine;
}

trb_exchange_work trb_exchange_worked(const trb_exchange *x)
{
    return x->work;
}

static trb_status check_owned(const trb__segment *s, const float *values, const char *what)
{
    for (size_t i = 0; i < s->own_hi - s->own_lo; i++)
        if (!isfinite(values[i]))
            return trb_fail(TRB_ENUM, "the %s moment of parameter %zu is %g; try a smaller learning rate, or clip",
                            what, s->own_lo + i, (double)values[i]);
    return TRB_OK;
}

trb_status trb_exchange_finite(const trb_exchange *x)
{
    for (size_t i = 0; i < x->n_segments; i++) {
        const trb__segment *s = &x->segment[i];
        if (x->m != NULL) TRB_TRY(check_owned(s, x->m + s->moments, "first"));
        if (x->v != NULL) TRB_TRY(check_owned(s, x->v + s->moments, "second"));
    }
    return TRB_OK;
}

/* ---- a step */

static trb_status sum_and_update(trb_exchange *x, trb__segment *s)
{
    bool done = false;
    if (s->next == TRB__SUM) {
        TRB_TRY(x->kind->sum(x, s, &done));
        if (!done) return TRB_OK;
        s->next = TRB__UPDATE;
        x->summing--;
    }
    if (s->next == TRB__UPDATE && !x->holds) {
        trb__update(x, s);
        s->next = TRB__SPREAD;
    }
    return TRB_OK;
}

/* Sums, and the agreement on the step, go first on the network: all ranks wait for the last of them, while most
 * parameters are not needed before the middle of the next forward pass. So spreading begins at the end of the step.
 * Before that, a segment is spread only if no sum is under way. A rank that owns nothing of the segment sends no
 * message and may go on. */
static bool may_spread(trb_exchange *x, const trb__segment *s)
{
    if (s->spreads || !x->begun || s->own_lo == s->own_hi) return true;
    if (!x->idle) return false;
    x->idle = false;
    return true;
}

static trb_status spread(trb_exchange *x, trb__segment *s)
{
    bool done = false;
    if (s->next != TRB__SPREAD || !may_spread(x, s)) return TRB_OK;
    s->spreads = true;
    TRB_TRY(x->kind->spread(x, s, &done));
    if (!done) return TRB_OK;
    s->spreads = false;
    s->next = TRB__IDLE;
    x->unfinished--;
    return TRB_OK;
}

/* MPI moves messages only when it is called, so this is called around every layer and during every wait. Sums begin in
 * the order of the list, which is necessary where they are collective calls. Spreading goes the other way, in the order
 * in which a forward pass needs the parameters. Messages arrive in about the order in which they were begun. So after
 * LATE segments that still wait for messages the others that wait are not tested, because each test costs time. */
static void progress(void *exchange)
{
    enum { LATE = 2 };
    trb_exchange *x = exchange;
    trb_status st = x->broken;
    size_t late = 0;
    if (!x->in_step || x->unfinished == 0) return;
    for (size_t i = 0; st == TRB_OK && i < x->computed; i++) {
        trb__segment *s = &x->segment[i];
        if (s->n_requests > 0 && late >= LATE) continue;
        st = sum_and_update(x, s);
        late += s->next == TRB__SUM;
    }
    late = 0;
    for (size_t i = x->computed; st == TRB_OK && i-- > 0;) {
        trb__segment *s = &x->segment[i];
        if (s->n_requests > 0 && late >= LATE) continue;
        st = spread(x, s);
        late += s->spreads;
    }
    x->broken = st;
}

static void settle(trb_exchange *x)
{
    const double start = trb_now_s();
    while (x->broken == TRB_OK && x->unfinished > 0) trb__waits(x->group, start);
    x->work.waited_s += trb_now_s() - start;
}

/* Waits for the previous step first, because its sums lie where the next gradients go. */
static void begin_step(trb_exchange *x)
{
    if (x->begun) return;
    settle(x);
    x->begun = true;
    x->in_step = false;
    const trb_status kept = trb__keep_begin(x);
    if (x->broken == TRB_OK) x->broken = kept;
    if (!trb_exchange_is_free(x)) x->step++;
    x->holds = x->squares != NULL && !trb_exchange_is_free(x);
    x->depth = x->taken = x->computed = 0;
    for (size_t i = 0; i < x->n_segments; i++) x->segment[i].stage = 0;
}

static void begin_sum(trb_exchange *x, trb__segment *s)
{
    s->next = TRB__SUM;
    x->summing++;
    x->unfinished++;
}

/* Begins the next lane: finds out how many subtrees it completes, that is, to how many sums it is added. */
static void open_lane(trb_exchange *x)
{
    if (x->in_lane) return;
    begin_step(x);
    x->in_lane = true;
    x->computed = 0;
    x->in_step = x->taken + 1 == x->mine.count;
    x->n_pieces = trb__push_span(x->lanes, x->stack, x->depth, lane_of(&x->mine, x->taken++));
    x->merges = x->depth + 1 - x->n_pieces;
}

float *trb_exchange_gradient(trb_exchange *x)
{
    open_lane(x);
    return x->slabs + x->depth * x->size;
}

static void complete(trb_exchange *x)
{
    trb__segment *s = &x->segment[x->computed++];
    float *lane = x->slabs + x->depth * x->size + s->lo;
    for (size_t i = 0; i < x->merges; i++, lane -= x->size) trb__add(s->hi - s->lo, lane - x->size, lane);
    if (x->in_step) begin_sum(x, s);
}

void trb_exchange_ready(void *exchange, size_t from)
{
    trb_exchange *x = exchange;
    open_lane(x);
    x->idle = x->summing == 0;
    trb__move_all();
    x->idle = false;
    while (x->computed < x->n_trained && x->segment[x->computed].lo >= from) complete(x);
    trb__move_all();
    trb__signs_of_life();
}

void trb_exchange_needs(void *exchange, size_t from, size_t to)
{
    trb_exchange *x = exchange;
    trb__move_all();
    const double start = trb_now_s();
    for (size_t i = 0; x->unfinished > 0 && i < x->n_trained; i++) {
        const trb__segment *s = &x->segment[i];
        if (s->hi <= from || s->lo >= to) continue;
        while (x->broken == TRB_OK && s->next != TRB__IDLE) trb__waits(x->group, start);
    }
    x->work.waited_s += trb_now_s() - start;
}

void trb_exchange_lane_done(trb_exchange *x)
{
    open_lane(x);
    while (x->computed < x->n_segments) complete(x);
    x->depth = x->n_pieces;
    x->in_lane = false;
    progress(x);
}

/* A rank without lanes has no gradient to wait for: it begins all its sums at once. */
static void compute_nothing(trb_exchange *x)
{
    begin_step(x);
    x->in_step = true;
    while (x->computed < x->n_segments) begin_sum(x, &x->segment[x->computed++]);
    progress(x);
}

void trb_exchange_wish(trb_exchange *x, unsigned wish)
{
    x->wish = wish;
}

unsigned trb_exchange_wished(const trb_exchange *x)
{
    return (unsigned)-x->word[1];
}

trb_status trb_exchange_push(trb_exchange *x, trb_status st, double loss)
{
    x->status = x->word[0] = st;
    x->word[1] = -(int)x->wish;
    x->wish = 0;
    if (trb_exchange_is_free(x)) return trb__commit(x, st, loss);
    if (x->mine.count == 0) compute_nothing(x);
    if (x->group->size == 1) return TRB_OK;
    return trb__mpi(MPI_Iallreduce(MPI_IN_PLACE, x->word, 2, MPI_INT, MPI_MIN, x->group->mpi, &x->agreement),
                    "MPI_Iallreduce");
}

/* Waits until all ranks have reported how the step went, and for the norm of its gradient if gradients are clipped. */
static trb_status agree_on_step(trb_exchange *x)
{
    const double start = trb_now_s();
    int through = x->group->size == 1 || trb_exchange_is_free(x);
    while (!through) {
        TRB_TRY(trb__mpi(MPI_Testall(1, &x->agreement, &through, MPI_STATUSES_IGNORE), "MPI_Testall"));
        if (!through) trb__waits(x->group, start);
        TRB_TRY(x->broken);
    }
    while (x->broken == TRB_OK && x->holds && x->summing > 0) trb__waits(x->group, start);
    TRB_TRY(x->broken);
    const trb_status st = x->holds && x->word[0] == TRB_OK ? trb__find_scale(x, 1.0) : TRB_OK;
    x->holds = false;
    x->work.waited_s += trb_now_s() - start;
    return st;
}

trb_status trb_exchange_pull(trb_exchange *x)
{
    const trb_status st = agree_on_step(x);
    x->begun = false; /* after a failure too, because trb_exchange_close() waits until all segments are spread */
    TRB_TRY(st);
    progress(x);
    /* Before a failure is returned, this rank completes all that others wait for. And without common steps a share must
     * be sent before the next one is claimed, because claiming brings new parameters. */
    if (x->word[0] != TRB_OK || trb_exchange_is_free(x)) settle(x);
    TRB_TRY(x->broken);
    if (x->word[0] == TRB_OK) return TRB_OK;
    return trb_exchange_is_free(x) ? x->status : trb_agree(x->group, x->status);
}

trb_status trb_exchange_gather(trb_exchange *x)
{
    settle(x);
    TRB_TRY(x->broken);
    return x->kind->gather == NULL ? TRB_OK : x->kind->gather(x);
}

void trb_exchange_close(trb_exchange *x)
{
    if (x == NULL) return;
    settle(x);
    trb__progress_remove(&x->ongoing);
    trb__keep_close(x);
    x->kind->close(x);
    void *const blocks[] = {x->slabs, x->stack, x->segment, x->m, x->v, x->squares};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_free(x);
}

trb_status trb_exchange_sum(trb_exchange *x, const double *mine, double *sum)
{
    double *all = NULL;
    trb__span *span = NULL;
    size_t depth = 0;
    trb_status st = trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *all, &all);
    if (st == TRB_OK) st = trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *span, &span);
    TRB_GO(trb_agree(x->group, st));
    for (size_t i = 0; i < x->mine.count; i++) all[x->mine.first + i * x->mine.step] = mine[i];
    TRB_GO(trb_comm_fill(x->group, all, x->lanes));
    /* The beginning of `all` becomes the stack, which never grows beyond the lanes that have been read. */
    for (size_t lane = 0; lane < x->lanes; lane++) {
        const size_t before = depth;
        all[before] = all[lane];
        depth = trb__push_span(x->lanes, span, depth, (trb__span){lane, lane + 1});
        for (size_t i = before; i >= depth; i--) all[i - 1] += all[i];
    }
    *sum = all[0];
done:
    trb_free(span);
    trb_free(all);
    return st;
}
