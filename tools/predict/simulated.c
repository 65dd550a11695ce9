/* What the simulation puts in the place of arithmetic, memory and waiting. src/comm is compiled as it is, but for
 * watch.c and add.c.
 *
 * - Additions and updates take the seconds that a model's file gives. They are added up and spent before the next
 *   message, as a simulated delay for each would cost more than everything else.
 * - Slabs are memory that SMPI shares between all ranks and does not copy.
 * - Who waits does not poll but sleeps until one of the messages that he asked about is through: requests that a test
 *   refused are remembered.
 * - MPI_Iallreduce sends everything to everybody in SMPI. Here it goes as in Open MPI 4.1 (coll/libnbc): in place, as
 *   src/comm calls it, by a binomial tree to rank 0 and another one back; or, with PREDICT_ALLREDUCE=rabenseifner
 *   (there coll_libnbc_iallreduce_algorithm=3; here for powers of two only), by recursive halving and doubling.
 *   Nothing is reduced: beside gradients, which are not there, it serves to agree that all is well.
 * - SMPI moves a message as soon as it is sent and received, as an adapter with direct memory access does. With
 *   PREDICT_TRANSPORT=tcp those of more than 64 KiB go as in Open MPI over TCP: the receiver allows them when it is
 *   told of them, and the sender sends them when it hears so, both in a call of MPI. */
#include "simulated.h"
#undef MPI_Init_thread
#undef MPI_Comm_idup
#undef MPI_Isend
#undef MPI_Irecv
#undef MPI_Iallreduce
#undef MPI_Ibcast
#undef MPI_Testall

#include <smpi/smpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/comm/internal.h"
#include "../../src/comm/segments.h"
#include "model.h"
#include "tribikos/clock.h"
#include "tribikos/memory.h"

static void cannot(const char *what)
{
    (void)fprintf(stderr, "step: %s\n", what);
    (void)MPI_Abort(MPI_COMM_WORLD, 1);
    abort();
}

static bool asked_for(const char *variable, const char *value)
{
    const char *is = getenv(variable);
    return is != NULL && strcmp(is, value) == 0;
}

/* ---- what is under way */

enum { MOST_PENDING = 512, MOST_PROGRAMS = 4096, MOST_MESSAGES = 64 };

/* What a call of MPI does in rounds, each of which begins in a call of MPI that finds the one before complete. */
typedef struct {
    int round, peer, tag;
    bool sends, adds; /* adds: what it has received */
    size_t lo, n;
} message;

typedef struct program {
    struct program *next_free;
    bool through;
    MPI_Comm comm;
    MPI_Datatype type;
    char *buffer;
    size_t item;
    int n_messages, at; /* messages before `at` are posted */
    message message[MOST_MESSAGES];
    int n_requests, next;               /* of the round under way; those before `next` are through */
    MPI_Request request[MOST_MESSAGES]; /* also of programs */
} program;

static program *under_way[MOST_PROGRAMS], *unused;
static int n_under_way;

/* Requests that somebody has asked about in vain. */
static struct pending {
    MPI_Request *request;
    int n, next;
    bool told; /* that all are through, since somebody has asked */
} waits_for[MOST_PENDING];
static int n_pending;

/* A program poses as a request: the lowest bit tells it from SMPI's. */
static MPI_Request request_of(program *p)
{
    return (MPI_Request)((uintptr_t)p | 1);
}

static program *program_of(MPI_Request request)
{
    return ((uintptr_t)request & 1) != 0 ? (program *)((uintptr_t)request - 1) : NULL;
}

/* Go past those that are known to be through. Not by MPI_Test: in SimGrid 3.32 each test that fails lengthens a list
 * which is searched ever after. \return whether all are */
static bool skip_through(int n, MPI_Request *request, int *next)
{
    for (; *next < n; ++*next) {
        program *p = program_of(request[*next]);
        if (request[*next] != MPI_REQUEST_NULL && (p == NULL || !p->through)) return false;
        request[*next] = MPI_REQUEST_NULL;
        if (p == NULL) continue;
        p->next_free = unused;
        unused = p;
    }
    return true;
}

/* The first of them that is SMPI's. */
static MPI_Request *first_open(int n, MPI_Request *request, int from)
{
    for (int i = from; i < n; i++)
        if (request[i] != MPI_REQUEST_NULL && program_of(request[i]) == NULL) return &request[i];
    return NULL;
}

/* Sleep until a message is through that somebody waits for, or the timer if there is one. \return false if it is the
 * timer, or there is nothing to sleep for */
static bool sleep_until_one(MPI_Request *timer)
{
    static MPI_Request first[MOST_PENDING + MOST_PROGRAMS + 1], *at[MOST_PENDING + MOST_PROGRAMS];
    int n = 0, which = MPI_UNDEFINED;
    for (int i = 0; i < n_pending; i++) {
        at[n] = first_open(waits_for[i].n, waits_for[i].request, waits_for[i].next);
        if (at[n] != NULL) n++;
    }
    for (int i = 0; i < n_under_way; i++) {
        at[n] = first_open(under_way[i]->n_requests, under_way[i]->request, under_way[i]->next);
        if (at[n] != NULL) n++;
    }
    for (int i = 0; i < n; i++) first[i] = *at[i];
    if (timer != NULL) first[n] = *timer;
    if (n == 0 && timer == NULL) return false;
    (void)MPI_Waitany(timer != NULL ? n + 1 : n, first, &which, MPI_STATUS_IGNORE);
    if (which == n) return false;
    *at[which] = MPI_REQUEST_NULL;
    return true;
}

/* ---- memory */

/* Blocks of a size have their pages in common. */
static void *shared(size_t bytes)
{
    enum { PAGE = 4096 };
    return smpi_shared_malloc(bytes, "slab", (int)(bytes / PAGE));
}

trb_status trb_alloc(trb_mem kind, size_t count, size_t size, void *out)
{
    const bool slab = kind == TRB_MEM_WEIGHTS || kind == TRB_MEM_GRADIENTS || kind == TRB_MEM_MOMENTS;
    const size_t bytes = count * size > 0 ? count * size : 1;
    void *block = slab ? shared(bytes) : calloc(1, bytes);
    if (block == NULL) return trb_fail(TRB_ENOMEM, "%zu bytes", bytes);
    *(void **)out = block;
    return TRB_OK;
}

/* The process ends soon. */
void trb_free(void *block)
{
    (void)block;
}

/* ---- time */

static double debt;

/* Computing is a message to oneself, which takes its time on a link of one's own: so messages that are through
 * meanwhile are noted. */
static void compute(double seconds)
{
    enum { BYTES_PER_S = 1000000000, MOST = 1 << 30 }; /* the loopback of the platform */
    static char *nothing;
    if (nothing == NULL) nothing = shared(2 * (size_t)MOST);
    for (double left = seconds * BYTES_PER_S; left >= 1.0; left -= MOST) {
        const int bytes = left < MOST ? (int)left : MOST;
        MPI_Request timer, sent;
        (void)MPI_Irecv(nothing, bytes, MPI_BYTE, 0, 0, MPI_COMM_SELF, &timer);
        (void)MPI_Isend(nothing + MOST, bytes, MPI_BYTE, 0, 0, MPI_COMM_SELF, &sent);
        while (sleep_until_one(&timer)) continue;
        (void)MPI_Wait(&sent, MPI_STATUS_IGNORE);
    }
}

static void spend(void)
{
    static const double SHORT_S = 1e-4; /* not worth a message */
    const double seconds = debt;
    debt = 0.0;
    if (seconds > SHORT_S) {
        compute(seconds);
    } else if (seconds > 0.0) {
        const struct timespec t = {.tv_nsec = (long)(1e9 * seconds)};
        (void)nanosleep(&t, NULL);
    }
}

void model_compute(double seconds)
{
    debt += seconds;
    spend();
}

double trb_now_s(void)
{
    spend();
    return MPI_Wtime();
}

void trb__add(size_t n, float *restrict into, const float *restrict from)
{
    (void)into, (void)from;
    debt += model_rates.add_s * (double)n;
}

void trb_optim_update(const trb_optim *o, const trb_net *net, uint64_t t, float scale, size_t lo, size_t hi, float *w,
                      const float *g, float *m, float *v)
{
    (void)o, (void)net, (void)t, (void)scale, (void)w, (void)g, (void)m, (void)v;
    debt += model_rates.update_s * (double)(hi - lo);
}

/* With momentum. */
size_t trb_optim_moments(const trb_optim *o)
{
    (void)o;
    return 1;
}

/* ---- programs of messages */

static program *begin(void *buffer, MPI_Datatype type, MPI_Comm c)
{
    program *p = unused;
    int item = 0;
    if (p != NULL) unused = p->next_free;
    if (p == NULL && (p = malloc(sizeof *p)) == NULL) cannot("no memory");
    (void)MPI_Type_size(type, &item);
    memset(p, 0, offsetof(program, request));
    p->comm = c;
    p->type = type;
    p->buffer = buffer;
    p->item = (size_t)item;
    return p;
}

static void say(program *p, message m)
{
    if (p->n_messages == MOST_MESSAGES) cannot("a call of too many messages");
    p->message[p->n_messages++] = m;
}

static void post(const program *p, const message *m, MPI_Request *request);

static void advance(program *p)
{
    while (!p->through && skip_through(p->n_requests, p->request, &p->next)) {
        for (int i = p->at - p->n_requests; i < p->at; i++)
            if (p->message[i].adds) debt += model_rates.add_s * (double)p->message[i].n;
        spend();
        p->n_requests = p->next = 0;
        p->through = p->at == p->n_messages;
        const int round = p->message[p->at].round;
        for (; p->at < p->n_messages && p->message[p->at].round == round; p->at++)
            post(p, &p->message[p->at], &p->request[p->n_requests++]);
    }
}

/* What the library does in each call. */
static void advance_all(void)
{
    for (int i = 0; i < n_under_way;) {
        advance(under_way[i]);
        if (under_way[i]->through)
            under_way[i] = under_way[--n_under_way];
        else
            i++;
    }
}

static void start(program *p, MPI_Request *request)
{
    if (n_under_way == MOST_PROGRAMS) cannot("too much under way");
    under_way[n_under_way++] = p;
    *request = request_of(p);
    advance(p);
}

enum { EAGER = 65536, ASKS_TAG = 200000, ALLOWS_TAG = 400000, REDUCES_TAG = 600000, TAGS = 100000 };

/* A long message over TCP: the sender asks and waits for the answer, the receiver waits for the question. */
static void meet(char *part, size_t n, MPI_Datatype type, int peer, int tag, MPI_Comm c, bool sends,
                 MPI_Request *request)
{
    program *p = begin(part, type, c);
    say(p, (message){.round = 0, .peer = peer, .tag = ASKS_TAG + tag, .sends = sends, .n = 1});
    say(p, (message){.round = sends ? 0 : 1, .peer = peer, .tag = ALLOWS_TAG + tag, .sends = !sends, .n = 1});
    say(p, (message){.round = 1, .peer = peer, .tag = tag, .sends = sends, .n = n});
    start(p, request);
}

static void transfer(char *part, size_t n, MPI_Datatype type, int peer, int tag, MPI_Comm c, bool sends,
                     MPI_Request *request)
{
    int item = 0;
    (void)MPI_Type_size(type, &item);
    if (n * (size_t)item > EAGER && asked_for("PREDICT_TRANSPORT", "tcp"))
        meet(part, n, type, peer, tag, c, sends, request);
    else if (sends)
        (void)MPI_Isend(part, (int)n, type, peer, tag, c, request);
    else
        (void)MPI_Irecv(part, (int)n, type, peer, tag, c, request);
}

/* Messages of a rendezvous are not met again. */
static void post(const program *p, const message *m, MPI_Request *request)
{
    char *part = p->buffer + m->lo * p->item;
    if (m->tag >= REDUCES_TAG)
        transfer(part, m->n, p->type, m->peer, m->tag % TAGS, p->comm, m->sends, request);
    else if (m->sends)
        (void)MPI_Isend(part, (int)m->n, p->type, m->peer, m->tag, p->comm, request);
    else
        (void)MPI_Irecv(part, (int)m->n, p->type, m->peer, m->tag, p->comm, request);
}

/* A rank is one thread, but SMPI promises nothing. */
int simulated_init_thread(int *argc, char ***argv, int wanted, int *level)
{
    *level = wanted;
    return MPI_Init(argc, argv);
}

/* Communicators are made before the time that counts. */
int simulated_idup(MPI_Comm c, MPI_Comm *out, MPI_Request *request)
{
    *request = MPI_REQUEST_NULL;
    return MPI_Comm_dup(c, out);
}

int simulated_isend(const void *from, int n, MPI_Datatype type, int to, int tag, MPI_Comm c, MPI_Request *request)
{
    spend();
    transfer((char *)(uintptr_t)from, (size_t)n, type, to, tag, c, true, request);
    return MPI_SUCCESS;
}

int simulated_irecv(void *to, int n, MPI_Datatype type, int from, int tag, MPI_Comm c, MPI_Request *request)
{
    spend();
    transfer(to, (size_t)n, type, from, tag, c, false, request);
    return MPI_SUCCESS;
}

/* ---- reductions */

static void plan_binomial(program *p, int rank, int size, size_t n, int tag)
{
    int round = 0, bit = 1;
    for (; bit < size; bit *= 2) {
        if (rank % (2 * bit) != 0) {
            say(p, (message){.round = round, .peer = rank - bit, .tag = tag, .sends = true, .n = n});
            break;
        }
        if (rank + bit < size)
            say(p, (message){.round = round++, .peer = rank + bit, .tag = tag, .adds = true, .n = n});
    }
    for (bit = 1; 2 * bit <= rank;) bit *= 2;
    if (rank > 0) say(p, (message){.round = round++, .peer = rank - bit, .tag = tag, .n = n});
    for (bit = 1; bit < size; bit *= 2)
        if (bit > rank && rank + bit < size)
            say(p, (message){.round = round, .peer = rank + bit, .tag = tag, .sends = true, .n = n});
}

static void plan_halving(program *p, int rank, int size, size_t n, int tag)
{
    size_t lo[MOST_MESSAGES] = {0}, hi[MOST_MESSAGES] = {n};
    int l = 0;
    if ((size & (size - 1)) != 0) cannot("rabenseifner is for powers of two here");
    for (; 1 << l < size; l++) {
        const size_t middle = lo[l] + (hi[l] - lo[l]) / 2;
        const bool upper = (rank >> l & 1) != 0;
        message
            mine = {.round = l, .peer = rank ^ (1 << l), .tag = tag, .adds = true, .lo = lo[l], .n = middle - lo[l]},
            other = {.round = l, .peer = rank ^ (1 << l), .tag = tag, .sends = true, .lo = middle, .n = hi[l] - middle};
        if (upper) {
            mine.lo = middle;
            mine.n = hi[l] - middle;
            other.lo = lo[l];
            other.n = middle - lo[l];
        }
        say(p, other);
        say(p, mine);
        lo[l + 1] = mine.lo;
        hi[l + 1] = mine.lo + mine.n;
    }
    const int levels = l;
    while (l-- > 0) { /* what was sent in the round comes back, and what was kept goes out */
        const message *other = &p->message[2 * l], *mine = other + 1;
        const int round = 2 * levels - l;
        say(p, (message){.round = round, .peer = mine->peer, .tag = tag, .sends = true, .lo = mine->lo, .n = mine->n});
        say(p, (message){.round = round, .peer = mine->peer, .tag = tag, .lo = other->lo, .n = other->n});
    }
}

int simulated_iallreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm c,
                         MPI_Request *request)
{
    static int calls; /* every rank makes the same */
    enum { FIRST_TAG = 1000 };
    int rank = 0, size = 0;
    (void)op;
    spend();
    (void)MPI_Comm_rank(c, &rank);
    (void)MPI_Comm_size(c, &size);
    program *p = begin(to, type, c);
    if (from != MPI_IN_PLACE) memcpy(to, from, (size_t)n * p->item);
    const int tag = REDUCES_TAG + FIRST_TAG + calls++ % (TAGS - FIRST_TAG);
    if (n >= size && asked_for("PREDICT_ALLREDUCE", "rabenseifner"))
        plan_halving(p, rank, size, (size_t)n, tag);
    else
        plan_binomial(p, rank, size, (size_t)n, tag);
    start(p, request);
    return MPI_SUCCESS;
}

/* Only at the end, and of what is not there: parameters to servers. */
int simulated_ibcast(void *bytes, int n, MPI_Datatype type, int root, MPI_Comm c, MPI_Request *request)
{
    (void)bytes, (void)n, (void)type, (void)root, (void)c;
    *request = MPI_REQUEST_NULL;
    return MPI_SUCCESS;
}

/* ---- waiting */

int simulated_testall(int n, MPI_Request *request, int *through, MPI_Status *ignored)
{
    (void)ignored;
    spend();
    advance_all();
    int i = 0;
    while (i < n_pending && waits_for[i].request != request) i++;
    if (i == MOST_PENDING) cannot("too many requests under way");
    struct pending *p = &waits_for[i];
    if (i == n_pending) waits_for[n_pending++] = (struct pending){.request = request, .n = n};
    p->told = false;
    *through = skip_through(p->n, p->request, &p->next);
    if (*through) *p = waits_for[--n_pending];
    return MPI_SUCCESS;
}

static bool something_new(void)
{
    for (int i = 0; i < n_pending; i++) {
        struct pending *p = &waits_for[i];
        if (p->told || !skip_through(p->n, p->request, &p->next)) continue;
        p->told = true;
        return true;
    }
    return false;
}

/* Until something that was pending is through. A loop of polling comes here once more when it has found all. */
static void wait_for_progress(void)
{
    enum { MANY = 1000 };
    static int in_vain;
    spend();
    for (;;) {
        advance_all();
        if (something_new()) break;
        if (sleep_until_one(NULL)) continue;
        if (++in_vain > MANY) cannot("a wait for nothing");
        return;
    }
    in_vain = 0;
}

trb_status trb__wait(const trb_comm *c, MPI_Request *request, const char *call)
{
    (void)call;
    for (int through = 0;; trb__waits(c, 0.0)) {
        (void)simulated_testall(1, request, &through, MPI_STATUSES_IGNORE);
        if (through) return TRB_OK;
    }
}

void trb__waits(const trb_comm *c, double since)
{
    (void)c, (void)since;
    wait_for_progress();
    trb__move_all();
}

void trb__signs_of_life(void)
{
}

trb_status trb__watch_open(const trb_comm *world)
{
    (void)world;
    return TRB_OK;
}

void trb__watch_close(void)
{
}

void trb__enter(const char *call)
{
    (void)call;
}

void trb__leave(void)
{
}
