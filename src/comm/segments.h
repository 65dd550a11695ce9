/** What the kinds of exchange share: the slab cut into segments, and the operations on one segment.
 *
 * When a rank's lanes have computed a segment, the segment is summed over all ranks; each kind does this in its own
 * way. Then every part of the sum lies with its owner, the owner updates its part of the parameters, and the updated
 * parts are spread to all ranks. Segments are listed from the end of the slab to its beginning, which is the order in
 * which a backward pass completes them; segments of running statistics come last. All ranks begin them in this order.
 */
#ifndef TRB_COMM_SEGMENTS_H
#define TRB_COMM_SEGMENTS_H

#include "internal.h"
#include "tree.h"
#include "tribikos/exchange.h"

/** A part of a segment begins at a multiple of this many parameters from the segment's beginning, for any number of
 * ranks. The norm of the gradient is summed by these blocks, in an order that does not depend on the ranks. */
enum { TRB__BLOCK = 512 };

/** What has to be done next to a segment; exchange.c has the table of these states. */
typedef enum { TRB__IDLE, TRB__SUM, TRB__UPDATE, TRB__SPREAD } trb__next;

typedef struct {
    size_t lo, hi;         /* its parameters in the slab */
    size_t own_lo, own_hi; /* what this rank updates */
    const float *sum;      /* [own_hi - own_lo] the gradient, once it is summed */
    size_t moments;        /* where the moments of [own_lo, own_hi) begin in x->m and x->v */
    size_t blocks;         /* number of blocks in the segments before it */
    trb__next next;
    bool spreads; /* spreading has begun */
    /* For the kind's use: */
    size_t stage; /* 0 when a step begins */
    bool posted;  /* the messages of this stage are under way; false when a step begins */
    MPI_Request *request;
    int n_requests;
} trb__segment;

typedef struct {
    bool has_owners; /* each parameter has one owner; false: every rank updates all parameters */
    /** Allocate what the kind needs, and decide which part of each segment this rank owns. Local. */
    trb_status (*open)(trb_exchange *x);
    void (*close)(trb_exchange *x);
    /** Advance the sum, or the spreading, of a segment as far as possible without waiting. */
    trb_status (*sum)(trb_exchange *x, trb__segment *s, bool *done);
    trb_status (*spread)(trb_exchange *x, trb__segment *s, bool *done);
    /** Send all parameters to the ranks that spreading leaves out; NULL if there are none. */
    trb_status (*gather)(trb_exchange *x);
} trb__exchange_ops;

extern const trb__exchange_ops trb__ordered, trb__allreduce, trb__server;

typedef struct trb__keep trb__keep;

struct trb_exchange {
    trb__ongoing ongoing;
    trb_grid grid;
    trb_grid_part part;
    trb_comm *group; /* the grid's ranks that share this part */
    const trb__exchange_ops *kind;
    void *of_kind;
    trb_exchange_opts how;
    int node; /* ranks a node, if every node has as many and they are neighbours; else 1 */
    uint64_t total_steps;
    const trb_net *net;
    trb_optim opt;
    size_t lanes, size; /* lanes of a step; floats of the slab */
    trb_lanes mine;
    float *params;
    uint64_t step;     /* the current step, from 1; without common steps, how many shares were applied */
    trb_status status; /* how this rank's part of the step went */
    trb_status broken; /* communication failed */
    trb_exchange_work work;

    /* Gradients of this rank's lanes: a stack of spans of lanes; the sum of the k-th span lies in slab k. */
    float *slabs;
    trb__span *stack;
    size_t taken;           /* lanes begun in this step */
    size_t depth, n_pieces; /* spans on the stack now, and after the lane under way */
    size_t merges;          /* how many spans the lane under way completes and is added to */
    bool in_lane;
    bool begun;   /* from a step's first lane to its pull */
    bool in_step; /* from a step's last lane to the next step's first one: segments are in flight */

    size_t n_segments, n_trained; /* the first n_trained hold trained parameters, the others running statistics */
    trb__segment *segment;
    size_t computed;            /* segments that the lane under way has computed */
    bool idle;                  /* no sum is under way, so a segment may be spread */
    size_t summing, unfinished; /* segments in state TRB__SUM; segments not in TRB__IDLE */

    float *m, *v;
    double *squares; /* [blocks] */
    size_t n_blocks;
    bool holds; /* updates wait for the gradient's norm (clipping) */
    float scale;

    trb__keep *keep; /* NULL: trb_exchange_keep_open() was not called */

    MPI_Request agreement;
    unsigned wish;
    int word[2]; /* minimum over all ranks: of the status, and of minus the wish */
};

/** Set of[lane] = mark for every lane that this rank of the group computes. */
void trb__mark_lanes(const trb_exchange *x, int rank, int mark, int *of);

/** The part of [lo, hi) that belongs to the d-th of `radix` ranks, in whole blocks. */
void trb__part(size_t lo, size_t hi, int d, int radix, size_t *part_lo, size_t *part_hi);

/** Whether all messages of this stage have been completed. */
trb_status trb__settled(trb__segment *s, bool *done);

/** Add up the pieces of this rank's lanes in segment s, into the first piece. */
void trb__add_pieces(const trb_exchange *x, const trb__segment *s);

/** Update this rank's part of a segment with scale times the sum. */
void trb__update(trb_exchange *x, const trb__segment *s);
/** Set x->scale, the factor on the sums: `factor`, or less if the norm of the scaled sums would exceed opt.clip.
 * Squares are summed block by block, and blocks in the order of the list. \return TRB_ENUM as trb_exchange_pull() */
trb_status trb__find_scale(trb_exchange *x, double factor);
/** Update all parameters that this rank owns with `factor` times the sums. \return TRB_ENUM as trb_exchange_pull() */
trb_status trb__update_all(trb_exchange *x, double factor);

/** Keeping (keep.c). begin: a step begins. copy: this rank's part of [from, to) was updated. now: copy everything at
 * once, while no update is under way. close: the end. */
trb_status trb__keep_begin(trb_exchange *x);
void trb__keep_copy(trb_exchange *x, const trb__segment *s, size_t from, size_t to);
trb_status trb__keep_now(trb_exchange *x);
void trb__keep_close(trb_exchange *x);

/** Tell all servers that this worker has sent its share, and how the share went. */
trb_status trb__commit(trb_exchange *x, trb_status st, double loss);

/** The tag of a segment's messages. Summing and spreading have different tags, because both may be in flight at once.
 */
int trb__tag(const trb_exchange *x, const trb__segment *s, bool spreads);

/** Begin to send, or to receive, n parameters of segment s; sent bytes are counted. */
trb_status trb__send(trb_exchange *x, trb__segment *s, const float *from, size_t n, int rank);
trb_status trb__receive(trb_exchange *x, trb__segment *s, float *to, size_t n, int rank);

#endif
