/** What the exchanges share: the slab in segments, and what is done to one.
 *
 * When a rank's lanes have computed a segment, it is summed over all ranks (how, is the kind's affair) so that every
 * part of the sum is with an owner; owners update their parts of the parameters; the updated parts are spread. Segments
 * are listed from the end of the slab to its beginning, as a backward pass completes them; those of running statistics
 * come last. All ranks begin them in that order.
 */
#ifndef TRB_COMM_SEGMENTS_H
#define TRB_COMM_SEGMENTS_H

#include "internal.h"
#include "tree.h"
#include "tribikos/exchange.h"

/** Segments and parts of them begin at multiples of this many parameters from the segment's beginning, whatever the
 * number of ranks: the norm of the gradient is summed by such blocks. */
enum { TRB__BLOCK = 512 };

/** What is still to be done to a segment whose lanes are computed. */
typedef enum { TRB__IDLE, TRB__SUM, TRB__UPDATE, TRB__SPREAD } trb__next;

typedef struct {
    size_t lo, hi;         /* of the slab */
    size_t own_lo, own_hi; /* what this rank updates */
    const float *sum;      /* [own_hi - own_lo] the gradient, once it is summed */
    size_t moments;        /* where the moments of what it updates begin */
    size_t blocks;         /* number of blocks in the segments before it */
    trb__next next;
    bool spreads; /* spreading has begun */
    /* The kind's: */
    size_t stage; /* 0 when a step begins */
    bool posted;  /* the messages of this stage are under way; false when a step begins */
    MPI_Request *request;
    int n_requests;
} trb__segment;

typedef struct {
    bool has_owners; /* each parameter has one, otherwise every rank updates all */
    /** Reserve what the kind needs; decide what this rank owns. Local. */
    trb_status (*open)(trb_exchange *x);
    void (*close)(trb_exchange *x);
    /** Bring the sum, or the spreading, of a segment on as far as it goes without waiting. */
    trb_status (*sum)(trb_exchange *x, trb__segment *s, bool *done);
    trb_status (*spread)(trb_exchange *x, trb__segment *s, bool *done);
    /** All parameters to ranks that spreading leaves out; NULL if there are none. */
    trb_status (*gather)(trb_exchange *x);
} trb__exchange_ops;

extern const trb__exchange_ops trb__ordered, trb__allreduce, trb__server;

typedef struct trb__keep trb__keep;

struct trb_exchange {
    trb__ongoing ongoing;
    trb_grid grid;
    trb_grid_part part;
    trb_comm *group; /* the grid's, for this part */
    const trb__exchange_ops *kind;
    void *of_kind;
    trb_exchange_opts how;
    int node; /* ranks of a node, if each has as many and they are neighbours; else 1 */
    uint64_t total_steps;
    const trb_net *net;
    trb_optim opt;
    size_t lanes, size; /* of a step; of the slab */
    trb_lanes mine;
    float *params;
    uint64_t step;     /* the one under way, from 1; when running free how many shares were applied */
    trb_status status; /* of this rank's part of the step */
    trb_status broken; /* communication failed */
    trb_exchange_work work;

    /* Slabs of my lanes: a stack of spans whose k-th entry lies in slab k. */
    float *slabs;
    trb__span *stack;
    size_t taken;           /* lanes that were opened in this step */
    size_t depth, n_pieces; /* spans on the stack; how many there will be behind the last lane */
    size_t merges;          /* how many spans the lane under way is added to */
    bool in_lane;
    bool begun;   /* from a step's first lane to its pull */
    bool in_step; /* from a step's last lane to the next step's first: segments are on their way */

    size_t n_segments, n_trained; /* those before n_trained have no running statistics in them */
    trb__segment *segment;
    size_t computed;            /* segments that the lane under way has computed */
    bool idle;                  /* nothing that was begun is under way */
    size_t summing, unfinished; /* segments that are not summed; that have something left to do */

    float *m, *v;
    double *squares; /* [blocks] */
    size_t n_blocks;
    bool holds; /* updates wait for the gradient's norm */
    float scale;

    trb__keep *keep; /* NULL: no step is ever kept */

    MPI_Request agreement;
    unsigned wish;
    int word[2]; /* the least of all ranks: status, and what is wished below zero */
};

/** Set of[lane] = mark for the lanes of a rank of the group. */
void trb__mark_lanes(const trb_exchange *x, int rank, int mark, int *of);

/** The part of [lo, hi) that the d-th of `radix` ranks has, in whole blocks. */
void trb__part(size_t lo, size_t hi, int d, int radix, size_t *part_lo, size_t *part_hi);

/** Whether the messages of this stage are through. */
trb_status trb__settled(trb__segment *s, bool *done);

/** Add up the pieces of this rank's lanes in segment s, into the first. */
void trb__add_pieces(const trb_exchange *x, const trb__segment *s);

/** Update what this rank owns of a segment by scale times the sum. */
void trb__update(trb_exchange *x, const trb__segment *s);
/** The factor on the sums, `factor` or what brings their norm times `factor` down to opt.clip: squares by blocks, blocks
 * in the order of the list. \return TRB_ENUM as trb_exchange_pull() */
trb_status trb__find_scale(trb_exchange *x, double factor);
/** Update all that this rank owns by `factor` times the sums. \return TRB_ENUM as trb_exchange_pull() */
trb_status trb__update_all(trb_exchange *x, double factor);

/** Keeping (keep.c): a step begins; what a rank owns of [from, to) has been updated; all has been, and nothing is under
 * way; the end. */
trb_status trb__keep_begin(trb_exchange *x);
void trb__keep_copy(trb_exchange *x, const trb__segment *s, size_t from, size_t to);
trb_status trb__keep_now(trb_exchange *x);
void trb__keep_close(trb_exchange *x);

/** Say to all servers that this worker's share is on its way. */
trb_status trb__commit(trb_exchange *x, trb_status st, double loss);

/** The tag of a segment's messages, on its way to be summed or to be spread: both may be in use at one time. */
int trb__tag(const trb_exchange *x, const trb__segment *s, bool spreads);

/** Send, or receive, n parameters of segment s, and count them. */
trb_status trb__send(trb_exchange *x, trb__segment *s, const float *from, size_t n, int rank);
trb_status trb__receive(trb_exchange *x, trb__segment *s, float *to, size_t n, int rank);

#endif
