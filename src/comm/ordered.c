/* The exchange `ordered`, which works in levels. The number of ranks P is written as a product of radices, and a rank
 * as digits in this mixed radix, the lowest first; each digit is a level. On a level, the `radix` ranks that differ
 * only in its digit meet. They cut what they still have of a segment into `radix` parts. Each rank receives its own
 * part from the others, and adds pieces wherever the tree of lanes allows. After the last level each rank has the whole
 * sum of one part, which it updates. The way back goes through the same levels in reverse order and spreads the updated
 * parts.
 *
 * If P is a power of two, this is recursive halving and doubling (Thakur, Rabenseifner and Gropp 2005, sec. 4.4); if P
 * is prime, it is a direct exchange. Neighbours meet first. If ranks fill nodes one by one, these are the ranks of a
 * node, so data are cut and added up before they cross between nodes. The pieces that meet on a level are runs of
 * neighbouring lanes, so every addition is one of the tree, in its order, for any radices: the bits are the same for
 * every P. */
#include "segments.h"
#include "tribikos/memory.h"

typedef struct {
    int radix, digit, stride;
    size_t first_piece; /* where the level's pieces begin in a segment's list */
    trb__meeting meeting;
} level;

typedef struct {
    size_t n_levels, n_pieces; /* n_pieces: of all levels together */
    level *level;
    size_t *cut;   /* [segments][levels + 1][2] this rank's part before each level, and after the last */
    float **piece; /* [segments][n_pieces] a piece, from the beginning of the part after its level */
    float *received;
} ordered;

/* The smallest divisor of n above 1. */
static int smallest_factor(int n)
{
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0) return d;
    return n;
}

/* Finds which ranks meet this one on the level, and how the lanes that they have then add up. */
static trb_status plan_level(const trb_exchange *x, level *l)
{
    const int first = x->group->rank / (l->stride * l->radix) * (l->stride * l->radix);
    int *party = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->lanes, sizeof *party, &party));
    for (size_t i = 0; i < x->lanes; i++) party[i] = -1;
    for (int r = first; r < first + l->stride * l->radix; r++) trb__mark_lanes(x, r, (r - first) / l->stride, party);
    const trb_status st = trb__meet(x->lanes, party, &l->meeting);
    trb_free(party);
    return st;
}

/* The radices are the prime factors of the number of ranks a node, then those of the number of nodes, so that the ranks
 * of a node meet first. */
static trb_status plan_levels(const trb_exchange *x, ordered *o)
{
    const int P = x->group->size;
    int stride = 1;
    for (int rest = P; rest > 1; rest /= smallest_factor(rest)) o->n_levels++;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, o->n_levels, sizeof *o->level, &o->level));
    for (size_t i = 0; i < o->n_levels; i++) {
        level *l = &o->level[i];
        l->radix = smallest_factor(stride < x->node ? x->node / stride : P / stride);
        l->stride = stride;
        l->digit = x->group->rank / stride % l->radix;
        l->first_piece = o->n_pieces;
        TRB_TRY(plan_level(x, l));
        o->n_pieces += l->meeting.n_pieces;
        stride *= l->radix;
    }
    return TRB_OK;
}

static size_t *cut_of(const trb_exchange *x, const trb__segment *s, size_t level)
{
    const ordered *o = x->of_kind;
    return o->cut + 2 * ((size_t)(s - x->segment) * (o->n_levels + 1) + level);
}

static float **pieces_of(const trb_exchange *x, const trb__segment *s, const level *l)
{
    const ordered *o = x->of_kind;
    return o->piece + (size_t)(s - x->segment) * o->n_pieces + l->first_piece;
}

static void cut(const trb_exchange *x, trb__segment *s)
{
    const ordered *o = x->of_kind;
    size_t *c = cut_of(x, s, 0);
    c[0] = s->lo;
    c[1] = s->hi;
    for (size_t i = 0; i < o->n_levels; i++, c += 2)
        trb__part(c[0], c[1], o->level[i].digit, o->level[i].radix, &c[2], &c[3]);
    s->own_lo = c[0];
    s->own_hi = c[1];
}

/* The number of floats of a segment that all levels together receive. */
static size_t received_of(const trb_exchange *x, const trb__segment *s)
{
    const ordered *o = x->of_kind;
    size_t total = 0;
    for (size_t i = 0; i < o->n_levels; i++) {
        const level *l = &o->level[i];
        const size_t *left = cut_of(x, s, i + 1);
        for (size_t j = 0; j < l->meeting.n_pieces; j++)
            if (l->meeting.whose[j] != l->digit) total += left[1] - left[0];
    }
    return total;
}

/* Decides where each piece of a segment lies. This rank's own pieces are in the slabs of its lanes on the first level,
 * and on a later level they are the pieces that the level before left. */
static void place(const trb_exchange *x, trb__segment *s, float **received)
{
    const ordered *o = x->of_kind;
    float **before = NULL;
    for (size_t i = 0; i < o->n_levels; i++) {
        const level *l = &o->level[i];
        const size_t *from = cut_of(x, s, i), *left = cut_of(x, s, i + 1);
        float **at = pieces_of(x, s, l);
        size_t mine = 0;
        for (size_t j = 0; j < l->meeting.n_pieces; j++) {
            if (l->meeting.whose[j] != l->digit) {
                at[j] = *received;
                *received += left[1] - left[0];
            } else if (i == 0) {
                at[j] = x->slabs + mine++ * x->size + left[0];
            } else {
                while (!l[-1].meeting.left[mine]) mine++;
                at[j] = before[mine++] + (left[0] - from[0]);
            }
        }
        before = at;
    }
    s->sum = o->n_levels > 0 ? before[0] : x->slabs + s->own_lo;
}

static size_t requests_of(const ordered *o)
{
    size_t most = 0;
    for (size_t i = 0; i < o->n_levels; i++) {
        const level *l = &o->level[i];
        size_t up = 0;
        for (size_t j = 0; j < l->meeting.n_pieces; j++)
            up += l->meeting.whose[j] == l->digit ? (size_t)l->radix - 1 : 1;
        const size_t down = 2 * ((size_t)l->radix - 1);
        if (most < up) most = up;
        if (most < down) most = down;
    }
    return most;
}

static void ordered_close(trb_exchange *x)
{
    ordered *o = x->of_kind;
    if (o == NULL) return;
    for (size_t i = 0; o->level != NULL && i < o->n_levels; i++) trb__meeting_clear(&o->level[i].meeting);
    if (x->segment != NULL) trb_free(x->segment[0].request);
    trb_free(o->level);
    trb_free(o->cut);
    trb_free(o->piece);
    trb_free(o->received);
    trb_free(o);
}

static trb_status ordered_open(trb_exchange *x)
{
    ordered *o = NULL;
    MPI_Request *requests = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *o, &o));
    x->of_kind = o;
    TRB_TRY(plan_levels(x, o));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * x->n_segments * (o->n_levels + 1), sizeof *o->cut, &o->cut));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->n_segments * o->n_pieces, sizeof *o->piece, &o->piece));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, x->n_segments * requests_of(o), sizeof *requests, &requests));
    size_t total = 0;
    for (size_t i = 0; i < x->n_segments; i++) {
        x->segment[i].request = requests + i * requests_of(o);
        cut(x, &x->segment[i]);
        total += received_of(x, &x->segment[i]);
    }
    TRB_TRY(trb_alloc(TRB_MEM_GRADIENTS, total, sizeof *o->received, &o->received));
    float *received = o->received;
    for (size_t i = 0; i < x->n_segments; i++) place(x, &x->segment[i], &received);
    return TRB_OK;
}

static int rank_of(const trb_exchange *x, const level *l, int digit)
{
    return x->group->rank + (digit - l->digit) * l->stride;
}

/* Pieces are sent in lane order under one tag, because messages between two ranks do not overtake each other. */
static trb_status send_parts(trb_exchange *x, trb__segment *s, const level *l)
{
    const size_t *from = cut_of(x, s, s->stage), *left = cut_of(x, s, s->stage + 1);
    float **at = pieces_of(x, s, l);
    for (size_t j = 0; j < l->meeting.n_pieces; j++) {
        if (l->meeting.whose[j] != l->digit) {
            TRB_TRY(trb__receive(x, s, at[j], left[1] - left[0], rank_of(x, l, l->meeting.whose[j])));
            continue;
        }
        const float *whole = at[j] - (left[0] - from[0]);
        for (int d = 0; d < l->radix; d++) {
            size_t lo = 0, hi = 0;
            trb__part(from[0], from[1], d, l->radix, &lo, &hi);
            if (d != l->digit) TRB_TRY(trb__send(x, s, whole + (lo - from[0]), hi - lo, rank_of(x, l, d)));
        }
    }
    return TRB_OK;
}

static trb_status ordered_sum(trb_exchange *x, trb__segment *s, bool *done)
{
    const ordered *o = x->of_kind;
    for (;;) {
        bool settled = true;
        TRB_TRY(trb__settled(s, &settled));
        if (!settled) return TRB_OK;
        if (s->posted) {
            const level *l = &o->level[s->stage++];
            const size_t *left = cut_of(x, s, s->stage);
            float **at = pieces_of(x, s, l);
            for (size_t i = 0; i < l->meeting.n_additions; i++)
                trb__add(left[1] - left[0], at[l->meeting.addition[i].into], at[l->meeting.addition[i].from]);
        }
        s->posted = s->stage < o->n_levels;
        *done = !s->posted;
        if (*done) return TRB_OK;
        TRB_TRY(send_parts(x, s, &o->level[s->stage]));
    }
}

static trb_status ordered_spread(trb_exchange *x, trb__segment *s, bool *done)
{
    const ordered *o = x->of_kind;
    for (;;) {
        bool settled = true;
        TRB_TRY(trb__settled(s, &settled));
        if (!settled) return TRB_OK;
        *done = s->stage == 0;
        if (*done) return TRB_OK;
        const level *l = &o->level[--s->stage];
        const size_t *from = cut_of(x, s, s->stage), *mine = cut_of(x, s, s->stage + 1);
        for (int d = 0; d < l->radix; d++) {
            size_t lo = 0, hi = 0;
            trb__part(from[0], from[1], d, l->radix, &lo, &hi);
            if (d == l->digit) continue;
            TRB_TRY(trb__receive(x, s, x->params + lo, hi - lo, rank_of(x, l, d)));
            TRB_TRY(trb__send(x, s, x->params + mine[0], mine[1] - mine[0], rank_of(x, l, d)));
        }
    }
}

const trb__exchange_ops trb__ordered = {true, ordered_open, ordered_close, ordered_sum, ordered_spread, NULL};
