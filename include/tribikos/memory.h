/** Memory: aligned, zeroed, counted by kind.
 *
 * Everything that grows with the model, the data or the batch is allocated here. So a rank can report what it holds, a
 * test can check that a training step allocates nothing, and a leak shows as a counter that is not zero at exit.
 */
#ifndef TRB_MEMORY_H
#define TRB_MEMORY_H

#include "tribikos/status.h"

typedef enum {
    TRB_MEM_OTHER,
    TRB_MEM_WEIGHTS,
    TRB_MEM_GRADIENTS,
    TRB_MEM_MOMENTS,
    TRB_MEM_ACTIVATIONS,
    TRB_MEM_DATA,
    TRB_MEM_CACHE,
    TRB_MEM_CHECKPOINT,
    TRB_MEM_KINDS
} trb_mem;

/** Allocate count * size bytes, zeroed, aligned to 64 bytes. Local, thread-safe.
 *
 * \param[out] out  the block, owned by the caller, released by trb_free(); untouched on failure. count = 0 is allowed
 *                  and gives a block that must not be read or written.
 * \return TRB_OK; TRB_ENOMEM (also on overflow of count * size), with a line that names kind and size
 */
trb_status trb_alloc(trb_mem kind, size_t count, size_t size, void *out);

/** Resize a block of trb_alloc() that has no other owner, or allocate one if `*block` is NULL. What it held stays, and
 * what is new is zeroed. A large block moves without being copied where the system can do that. Local, thread-safe.
 *
 * \param[in] kind  of a new block; another one keeps its kind
 * \param[in,out] block  untouched on failure
 * \return as trb_alloc() */
trb_status trb_resize(trb_mem kind, size_t bytes, void *block);

/** Release a block of trb_alloc(). Local, thread-safe. NULL is allowed. */
void trb_free(void *block);

/** Copy a string into a block of its own. Local. */
trb_status trb_strdup(const char *text, char **out);

/** Count bytes that trb_alloc() did not allocate, such as memory shared with other processes; later stop counting them.
 * Local, thread-safe. */
void trb_mem_hold(trb_mem kind, size_t bytes);
void trb_mem_release(trb_mem kind, size_t bytes);

/** Bytes held now in one kind, or in all if kind is TRB_MEM_KINDS. Local. */
size_t trb_mem_bytes(trb_mem kind);

/** The most bytes held at one time, in all kinds together, since the last trb_mem_peak_begin(). Local. */
size_t trb_mem_peak(void);
void trb_mem_peak_begin(void); /* Local. No other thread may allocate meanwhile. */

/** The memory that this process can have at most: seven eighths of the node's memory, or of a lower limit that the
 * job's control group or the process has. Local. */
size_t trb_mem_limit(void);
/** Set another one, for tests; 0 asks the system again. Local. */
void trb_mem_limit_set(size_t bytes);

/** How many allocations this process has made through trb_alloc() so far. Local. */
size_t trb_mem_allocations(void);

/** Name of a kind, for reports. Local. */
const char *trb_mem_name(trb_mem kind);

#endif
