/* The exchange `server`. Servers are the ranks [0, S) of the group, workers the ranks [S, P). Each server owns a part
 * of every segment.
 *
 * In step (staleness 0): a worker sends the complete subtrees of its lanes, the servers add them in tree order, update,
 * and spread the parameters to all workers.
 *
 * Free (staleness above 0): there are no common steps. A worker's share goes through these states:
 *
 *   the worker                    sends                       the servers
 *   wants a share                 CLAIM to server 0           server 0 answers when the bound on staleness allows it
 *   has been given a share        FETCH to all servers        each sends its part of the parameters as it is now
 *   computes                      its gradient, segment by    receive it
 *                                 segment, as one sum
 *   has sent the whole share      COMMIT to all servers       apply the share: as a whole, or not at all if it failed
 *   is told that nothing is left  LEAVE to all but server 0   stop when all workers have left
 *
 * Server 0 knows from the commits which shares are still being computed. Parameters are fetched after the claim was
 * answered; otherwise they could be older than the bound allows. KEEP is an order of server 0 to the other servers:
 * keep the parameters when so many shares are applied. */
#include <math.h>
#include <string.h>

#include "segments.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"

typedef struct {
    enum { COMMIT, CLAIM, FETCH, LEAVE, KEEP } what; /* KEEP is sent by server 0, the others by workers */
    trb_status status;                               /* of the share */
    double loss;
    uint64_t shares; /* of KEEP: after how many applied shares */
    int stop;        /* why the worker is to stop (stop.h); 0: it is not */
} message;

/* What a server knows of a worker, without common steps. */
typedef struct {
    float *received, *reply; /* [owned] */
    MPI_Request *request;    /* [2][segments]: of receiving, of sending */
    message said;
    /* On server 0: the step of the worker's share; how many shares were applied when it got its parameters; whether it
     * computes a share, or waits for an answer to its claim. */
    uint64_t step, applied;
    bool computes, waits;
} worker;

typedef struct {
    int n_servers, n_workers, me; /* me: number of this server; -1 on a worker */
    size_t owned;
    trb__meeting meeting; /* in step: how all workers' lanes are added up */
    float **piece;        /* in step: [segments][pieces] */
    float *received;
    MPI_Request *requests, *control; /* control: [workers + 1] of messages; the last one from server 0 */
    worker *worker;
    message order; /* the last message from server 0 */
} server;

enum { TO_SERVER, TO_WORKER };

static int control_tag(const trb_exchange *x, int to)
{
    return 2 * (int)x->n_segments + to;
}

/* ---- opening */

static void part_of(const server *o, const trb__segment *s, int which, size_t *lo, size_t *hi)
{
    trb__part(s->lo, s->hi, which, o->n_servers, lo, hi);
}

static trb_status open_in_step(trb_exchange *x, server *o)
{
    int *party = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *party, &party));
    for (int w = 0; w < o->n_workers; w++) trb__mark_lanes(x, o->n_servers + w, w, party);
    const trb_status st = trb__meet(x->lanes, party, &o->meeting);
    trb_free(party);
    TRB_TRY(st);
    const size_t n = o->meeting.n_pieces;
    if (o->me < 0) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_GRADIENTS, o->owned * n, sizeof *o->received, &o->received));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->n_segments * n, sizeof *o->piece, &o->piece));
    float *at = o->received;
    for (size_t i = 0; i < x->n_segments; i++) {
        trb__segment *s = &x->segment[i];
        for (size_t j = 0; j < n; j++, at += s->own_hi - s->own_lo) o->piece[i * n + j] = at;
        s->sum = o->piece[i * n];
    }
    return TRB_OK;
}

/* The optimiser for updates by one W-th of a step's rows. Adam divides by the magnitude of the gradient, which is
 * mostly noise and thus sqrt(W) times larger in a share. So its rate falls with the root of the rows (Malladi et al.
 * 2022, arXiv:2205.10287, sec. 4). Weight decay is scaled so that W updates decay the weights as much as one step does.
 */
static trb_optim by_shares(const trb_optim *of, uint64_t lanes, uint64_t W)
{
    trb_optim o = *of;
    o.lr /= o.kind == TRB_OPTIM_SGD ? (double)W : sqrt((double)W);
    if (o.kind == TRB_OPTIM_ADAMW) o.weight_decay /= sqrt((double)W);
    o.lanes = lanes / W;
    o.first_step *= W;
    o.warmup_steps *= W;
    o.total_steps *= W;
    o.decay_steps *= W;
    return o;
}

static trb_status open_free(trb_exchange *x, server *o)
{
    if (x->opt.clip > 0.0 && o->n_servers > 1)
        return trb_fail(TRB_ECONFIG,
                        "clip: %d servers cannot know the norm of a gradient with server.staleness above 0; use "
                        "server.ranks: 1",
                        o->n_servers);
    x->opt = by_shares(&x->opt, x->lanes, (uint64_t)o->n_workers);
    if (o->me < 0) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, (size_t)o->n_workers, sizeof *o->worker, &o->worker));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, (size_t)o->n_workers + 1, sizeof *o->control, &o->control));
    for (int w = 0; w < o->n_workers; w++) {
        worker *k = &o->worker[w];
        TRB_TRY(trb_alloc(TRB_MEM_GRADIENTS, o->owned, sizeof *k->received, &k->received));
        TRB_TRY(trb_alloc(TRB_MEM_WEIGHTS, o->owned, sizeof *k->reply, &k->reply));
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * x->n_segments, sizeof *k->request, &k->request));
    }
    return TRB_OK;
}

static trb_status server_open(trb_exchange *x)
{
    server *o = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *o, &o));
    x->of_kind = o;
    o->n_servers = (int)x->how.servers;
    o->n_workers = x->group->size - o->n_servers;
    o->me = x->group->rank < o->n_servers ? x->group->rank : -1;
    for (size_t i = 0; i < x->n_segments; i++) {
        trb__segment *s = &x->segment[i];
        s->own_lo = s->own_hi = s->lo;
        if (o->me >= 0) part_of(o, s, o->me, &s->own_lo, &s->own_hi);
        o->owned += s->own_hi - s->own_lo;
    }
    TRB_TRY(trb_exchange_is_free(x) ? open_free(x, o) : open_in_step(x, o));
    const size_t servers = (size_t)o->n_servers, workers = (size_t)o->n_workers, pieces = o->meeting.n_pieces;
    const size_t most = (servers > workers ? servers : workers) * (pieces > 0 ? pieces : 1);
    MPI_Request *requests = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->n_segments * most, sizeof *requests, &requests));
    for (size_t i = 0; i < x->n_segments; i++) x->segment[i].request = requests + i * most;
    o->requests = requests;
    return TRB_OK;
}

static void server_close(trb_exchange *x)
{
    server *o = x->of_kind;
    if (o == NULL) return;
    for (int w = 0; o->worker != NULL && w < o->n_workers; w++) {
        trb_free(o->worker[w].received);
        trb_free(o->worker[w].reply);
        trb_free(o->worker[w].request);
    }
    trb__meeting_clear(&o->meeting);
    void *const blocks[] = {o->piece, o->received, o->requests, o->control, o->worker};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    trb_free(o);
}

/* ---- workers, and servers in step */

static trb_status post_sum(trb_exchange *x, trb__segment *s, const server *o)
{
    const size_t n = o->meeting.n_pieces, at = (size_t)(s - x->segment) * n;
    if (o->me >= 0) {
        for (size_t j = 0; j < n; j++)
            TRB_TRY(trb__receive(x, s, o->piece[at + j], s->own_hi - s->own_lo, o->n_servers + o->meeting.whose[j]));
        return TRB_OK;
    }
    size_t pieces = x->n_pieces;
    if (trb_exchange_is_free(x)) {
        trb__add_pieces(x, s);
        pieces = 1;
    }
    for (size_t j = 0; j < pieces; j++) {
        for (int d = 0; d < o->n_servers; d++) {
            size_t lo = 0, hi = 0;
            part_of(o, s, d, &lo, &hi);
            TRB_TRY(trb__send(x, s, x->slabs + j * x->size + lo, hi - lo, d));
        }
    }
    return TRB_OK;
}

static trb_status server_sum(trb_exchange *x, trb__segment *s, bool *done)
{
    const server *o = x->of_kind;
    if (!s->posted) TRB_TRY(post_sum(x, s, o));
    s->posted = true;
    TRB_TRY(trb__settled(s, done));
    if (!*done) return TRB_OK;
    s->posted = false;
    float **at = o->me < 0 ? NULL : o->piece + (size_t)(s - x->segment) * o->meeting.n_pieces;
    for (size_t i = 0; at != NULL && i < o->meeting.n_additions; i++)
        trb__add(s->own_hi - s->own_lo, at[o->meeting.addition[i].into], at[o->meeting.addition[i].from]);
    return TRB_OK;
}

/* A worker begins to receive the parameters of a segment from all servers. */
static trb_status post_fetch(trb_exchange *x, trb__segment *s, const server *o)
{
    for (int d = 0; d < o->n_servers; d++) {
        size_t lo = 0, hi = 0;
        part_of(o, s, d, &lo, &hi);
        TRB_TRY(trb__receive(x, s, x->params + lo, hi - lo, d));
    }
    return TRB_OK;
}

static trb_status server_spread(trb_exchange *x, trb__segment *s, bool *done)
{
    const server *o = x->of_kind;
    *done = trb_exchange_is_free(x); /* without common steps a worker fetches parameters with its next share */
    if (*done) return TRB_OK;
    if (!s->posted && o->me < 0) TRB_TRY(post_fetch(x, s, o));
    for (int w = 0; !s->posted && o->me >= 0 && w < o->n_workers; w++)
        TRB_TRY(trb__send(x, s, x->params + s->own_lo, s->own_hi - s->own_lo, o->n_servers + w));
    s->posted = true;
    TRB_TRY(trb__settled(s, done));
    s->posted = !*done;
    return TRB_OK;
}

/* Each server sends its parts to all ranks, because spreading reaches only workers. */
static trb_status server_gather(trb_exchange *x)
{
    const server *o = x->of_kind;
    for (size_t i = 0; i < x->n_segments; i++) {
        for (int d = 0; d < o->n_servers; d++) {
            size_t lo = 0, hi = 0;
            part_of(o, &x->segment[i], d, &lo, &hi);
            TRB_TRY(trb_comm_bcast(x->group, x->params + lo, (hi - lo) * sizeof *x->params, d));
        }
    }
    return TRB_OK;
}

const trb__exchange_ops trb__server = {true, server_open, server_close, server_sum, server_spread, server_gather};

/* ---- free */

static trb_status wait_all(const trb_exchange *x, int n, MPI_Request *request)
{
    const double since = trb_now_s();
    for (int through = 0;; trb__waits(x->group, since)) {
        TRB_TRY(trb__mpi(MPI_Testall(n, request, &through, MPI_STATUSES_IGNORE), "MPI_Testall"));
        if (through) return TRB_OK;
    }
}

static trb_status wait_any(const trb_exchange *x, int n, MPI_Request *request, int *which)
{
    const double since = trb_now_s();
    for (int through = 0;; trb__waits(x->group, since)) {
        TRB_TRY(trb__mpi(MPI_Testany(n, request, which, &through, MPI_STATUS_IGNORE), "MPI_Testany"));
        if (through) return TRB_OK;
    }
}

static trb_status send_message(const trb_exchange *x, int to, message m)
{
    return trb__mpi(MPI_Send(&m, sizeof m, MPI_BYTE, to, control_tag(x, TO_SERVER), x->group->mpi), "MPI_Send");
}

trb_status trb__commit(trb_exchange *x, trb_status st, double loss)
{
    const server *o = x->of_kind;
    for (int d = 0; d < o->n_servers; d++)
        TRB_TRY(send_message(x, d, (message){.what = COMMIT, .status = st, .loss = loss, .stop = trb_stop_reason()}));
    return TRB_OK;
}

static trb_status fetch_parameters(trb_exchange *x, const server *o)
{
    for (int d = 0; d < o->n_servers; d++) TRB_TRY(send_message(x, d, (message){.what = FETCH}));
    for (size_t i = 0; i < x->n_segments; i++) {
        x->segment[i].next = TRB__SPREAD;
        TRB_TRY(post_fetch(x, &x->segment[i], o));
    }
    for (size_t i = 0; i < x->n_segments; i++) {
        trb__segment *s = &x->segment[i];
        TRB_TRY(wait_all(x, s->n_requests, s->request));
        s->n_requests = 0;
        s->next = TRB__IDLE;
    }
    return TRB_OK;
}

trb_status trb_exchange_claim(trb_exchange *x, uint64_t *step, trb_lanes *lanes)
{
    const server *o = x->of_kind;
    const double start = trb_now_s();
    uint64_t share[2] = {0};
    TRB_TRY(send_message(x, 0, (message){.what = CLAIM}));
    MPI_Request request;
    TRB_TRY(trb__mpi(MPI_Irecv(share, 2, MPI_UINT64_T, 0, control_tag(x, TO_WORKER), x->group->mpi, &request),
                     "MPI_Irecv"));
    TRB_TRY(trb__wait(x->group, &request, "MPI_Irecv"));
    *step = share[0];
    trb_share(x->lanes, (int)share[1], o->n_workers, &x->mine.first, &x->mine.count);
    *lanes = x->mine;
    if (share[0] < x->total_steps) TRB_TRY(fetch_parameters(x, o));
    for (int d = 1; share[0] == x->total_steps && d < o->n_servers; d++)
        TRB_TRY(send_message(x, d, (message){.what = LEAVE}));
    x->work.waited_s += trb_now_s() - start;
    return TRB_OK;
}

/* Begins to receive a worker's next share. */
static trb_status expect_share(trb_exchange *x, const server *o, int w)
{
    worker *k = &o->worker[w];
    float *at = k->received;
    for (size_t i = 0; i < x->n_segments; i++) {
        const trb__segment *s = &x->segment[i];
        const int n = (int)(s->own_hi - s->own_lo);
        k->request[i] = MPI_REQUEST_NULL;
        if (n > 0)
            TRB_TRY(trb__mpi(
                MPI_Irecv(at, n, MPI_FLOAT, o->n_servers + w, trb__tag(x, s, false), x->group->mpi, &k->request[i]),
                "MPI_Irecv"));
        at += n;
    }
    return TRB_OK;
}

/* Begins to receive the next message of worker w, or of server 0 if w = n_workers. */
static trb_status listen_to_worker(trb_exchange *x, server *o, int w)
{
    const bool ordered = w == o->n_workers;
    return trb__mpi(MPI_Irecv(ordered ? &o->order : &o->worker[w].said, sizeof(message), MPI_BYTE,
                              ordered ? 0 : o->n_servers + w, control_tag(x, TO_SERVER), x->group->mpi, &o->control[w]),
                    "MPI_Irecv");
}

/* Sends a worker this server's parameters as they are now. */
static trb_status send_parameters(trb_exchange *x, const server *o, int w)
{
    worker *k = &o->worker[w];
    MPI_Request *request = k->request + x->n_segments;
    float *at = k->reply;
    TRB_TRY(wait_all(x, (int)x->n_segments, request));
    k->applied = x->step;
    for (size_t i = 0; i < x->n_segments; i++) {
        const trb__segment *s = &x->segment[i];
        const size_t n = s->own_hi - s->own_lo;
        request[i] = MPI_REQUEST_NULL;
        if (n == 0) continue;
        memcpy(at, x->params + s->own_lo, n * sizeof *at);
        TRB_TRY(trb__mpi(
            MPI_Isend(at, (int)n, MPI_FLOAT, o->n_servers + w, trb__tag(x, s, true), x->group->mpi, &request[i]),
            "MPI_Isend"));
        x->work.bytes_sent += n * sizeof *at;
        at += n;
    }
    return TRB_OK;
}

/* Updates with a share that has arrived, unless its worker failed. */
static trb_status apply_share(trb_exchange *x, const server *o, int w)
{
    worker *k = &o->worker[w];
    const float *at = k->received;
    TRB_TRY(wait_all(x, (int)x->n_segments, k->request));
    for (size_t i = 0; i < x->n_segments; i++) {
        x->segment[i].sum = at;
        at += x->segment[i].own_hi - x->segment[i].own_lo;
    }
    if (k->said.status == TRB_OK) {
        const uint64_t stale = x->step++ - k->applied;
        TRB_TRY(trb__update_all(x, (double)o->n_workers));
        x->work.stale[stale < TRB_STALENESS_BINS ? stale : TRB_STALENESS_BINS - 1]++;
    }
    return expect_share(x, o, w);
}

/* What server 0 has handed out. Shares go out in order: share i is part i mod W of step i / W. */
typedef struct {
    uint64_t next;
    bool holds;     /* no share of the next step is handed out before all shares are applied and kept */
    bool over;      /* no more shares are handed out */
    int workers_on; /* workers that have not been told so */
} book;

/* Whether a worker may begin a share of this step: no other worker computes one that is more than `staleness` steps
 * older. */
static bool within_bound(const trb_exchange *x, const server *o, uint64_t step)
{
    for (int w = 0; w < o->n_workers; w++)
        if (o->worker[w].computes && step - o->worker[w].step > x->how.staleness) return false;
    return true;
}

/* Answers the claims of waiting workers, as far as the bound and a step that is to be kept allow. */
static trb_status hand_out(trb_exchange *x, server *o, book *b)
{
    const uint64_t W = (uint64_t)o->n_workers;
    for (int w = 0; w < o->n_workers; w++) {
        worker *k = &o->worker[w];
        if (!k->waits) continue;
        b->over = b->over || b->next == W * x->total_steps;
        if (!b->over && b->holds && b->next % W == 0) return TRB_OK;
        if (!b->over && !within_bound(x, o, b->next / W)) return TRB_OK;
        const uint64_t share[2] = {b->over ? x->total_steps : b->next / W, b->over ? 0 : b->next % W};
        k->waits = false;
        k->step = share[0];
        TRB_TRY(trb__mpi(MPI_Send(share, 2, MPI_UINT64_T, o->n_servers + w, control_tag(x, TO_WORKER), x->group->mpi),
                         "MPI_Send"));
        if (b->over) {
            b->workers_on--;
            continue;
        }
        b->next++;
        k->computes = true;
        TRB_TRY(listen_to_worker(x, o, w));
    }
    return TRB_OK;
}

/* Cancels receives of messages that will not come any more. */
static trb_status cancel_expected(trb_exchange *x, server *o)
{
    const int n = (int)x->n_segments;
    for (int w = 0; w < o->n_workers; w++) {
        for (int i = 0; i < n; i++)
            if (o->worker[w].request[i] != MPI_REQUEST_NULL)
                TRB_TRY(trb__mpi(MPI_Cancel(&o->worker[w].request[i]), "MPI_Cancel"));
        TRB_TRY(trb__mpi(MPI_Waitall(2 * n, o->worker[w].request, MPI_STATUSES_IGNORE), "MPI_Waitall"));
    }
    if (o->me <= 0) return TRB_OK;
    TRB_TRY(trb__mpi(MPI_Cancel(&o->control[o->n_workers]), "MPI_Cancel"));
    return trb__mpi(MPI_Wait(&o->control[o->n_workers], MPI_STATUS_IGNORE), "MPI_Wait");
}

static bool all_idle(const server *o)
{
    for (int w = 0; w < o->n_workers; w++)
        if (o->worker[w].computes) return false;
    return true;
}

/* On the other servers: keep once as many shares are applied as server 0 ordered. Server 0 hands out none meanwhile. */
static trb_status keep_in_time(trb_exchange *x, server *o)
{
    if (o->order.what != KEEP || x->step != o->order.shares) return TRB_OK;
    o->order.what = COMMIT;
    TRB_TRY(trb__keep_now(x));
    return listen_to_worker(x, o, o->n_workers);
}

/* On server 0: makes all servers keep their parts, and waits until these have arrived. */
static trb_status keep_everywhere(trb_exchange *x, const server *o)
{
    if (x->keep == NULL) return TRB_OK;
    for (int d = 1; d < o->n_servers; d++) TRB_TRY(send_message(x, d, (message){.what = KEEP, .shares = x->step}));
    TRB_TRY(trb__keep_now(x));
    return trb_exchange_kept_wait(x);
}

/* Carries out what worker w has said. \param[in] failed  an earlier failure, or TRB_OK   \return TRB_OK, or a failure
 */
static trb_status take_message(trb_exchange *x, server *o, book *b, int w, trb_status failed,
                               bool (*told)(void *ctx, uint64_t step, size_t lanes, double loss), void *ctx)
{
    worker *k = &o->worker[w];
    trb_status st = TRB_OK;
    switch (k->said.what) {
    case COMMIT:
        trb_stop_heard(k->said.stop);
        st = apply_share(x, o, w);
        if (st == TRB_ECOMM) return st;
        if (failed == TRB_OK && st == TRB_OK && k->said.status == TRB_OK && o->me == 0 && told != NULL)
            b->holds = told(ctx, k->step, x->lanes / (size_t)o->n_workers, k->said.loss) || b->holds;
        k->computes = false;
        b->over = b->over || k->said.status != TRB_OK || st != TRB_OK;
        TRB_TRY(listen_to_worker(x, o, w));
        break;
    case CLAIM:
        k->waits = true;
        break;
    case FETCH:
        TRB_TRY(send_parameters(x, o, w));
        TRB_TRY(listen_to_worker(x, o, w));
        break;
    case LEAVE:
        b->workers_on--;
        break;
    case KEEP:
        break;
    }
    return st;
}

trb_status trb_exchange_serve(trb_exchange *x, bool (*told)(void *ctx, uint64_t step, size_t lanes, double loss),
                              trb_status (*kept)(void *ctx, uint64_t step), void *ctx)
{
    server *o = x->of_kind;
    const uint64_t W = (uint64_t)o->n_workers;
    const int heard = o->n_workers + (o->me > 0 ? 1 : 0);
    book b = {.next = x->step, .workers_on = o->n_workers};
    trb_status failed = TRB_OK;
    o->order.what = COMMIT;
    for (int w = 0; w < o->n_workers; w++) {
        for (size_t i = 0; i < x->n_segments; i++) o->worker[w].request[x->n_segments + i] = MPI_REQUEST_NULL;
        TRB_TRY(expect_share(x, o, w));
        TRB_TRY(listen_to_worker(x, o, w));
    }
    if (o->me > 0) TRB_TRY(listen_to_worker(x, o, o->n_workers));
    while (b.workers_on > 0) {
        int w = 0;
        TRB_TRY(wait_any(x, heard, o->control, &w));
        const trb_status st = w == o->n_workers ? TRB_OK : take_message(x, o, &b, w, failed, told, ctx);
        if (st == TRB_ECOMM) return st;
        if (failed == TRB_OK) failed = st;
        if (o->me > 0) TRB_TRY(keep_in_time(x, o));
        if (o->me == 0 && b.holds && !b.over && b.next % W == 0 && all_idle(o)) {
            TRB_TRY(keep_everywhere(x, o));
            failed = kept(ctx, b.next / W);
            b.holds = false;
            b.over = failed != TRB_OK;
        }
        if (o->me == 0) TRB_TRY(hand_out(x, o, &b));
    }
    TRB_TRY(cancel_expected(x, o));
    return failed;
}
