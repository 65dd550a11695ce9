/* Reading a cache by batch, from memory or in windows. reader.h says what a reader promises.
 *
 * A reader that streams, from the producer's (producer.h) and the caller's side:
 *
 * | window w | the thread | trb_reader_next() |
 * | not begun | fills another window, or waits for a free slot | |
 * | being filled | sorts the window's rows, reads its blocks in file order | waits at the window's first step |
 * | filled | fills window w + 1 in the other slot | serves the window's steps |
 * | served | reuses its slot for window w + 2 | |
 */
#include "internal.h"

#include <stdatomic.h>
#include <string.h>

#include "tribikos/fault.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/producer.h"
#include "tribikos/stop.h"

/* Two windows: one is served while the other one is filled. */
enum { WINDOWS = TRB_PRODUCER_SLOTS, MIN_STEPS = 2 };
#define NONE SIZE_MAX

struct trb_reader {
    const trb_cache *c;
    trb_selection of; /* m0 = 0 and m_count = 1 if shards are of all members, as in the units */
    size_t rows;
    size_t cell_bytes; /* a cell is what one shard has for one sample: [K] logits of a member, statistics or inputs */
    size_t row_bytes;  /* [m_count] cells */
    size_t *slot;      /* [views] the view's number among those that are served; NONE if it is not served */
    char *step;        /* [rows] as served; NULL if stored rows can be served as they are */
    bool converts;     /* stored rows are not what is served */
    size_t step_row;   /* bytes of a row in `step` */

    atomic_size_t cells_read;

    const int64_t *sample; /* the plan, borrowed */
    const uint16_t *view;
    size_t n_steps, next_step;

    char *kept; /* [slots][N] rows as stored; NULL if the reader streams */
    bool lent;  /* `kept` is shared with other readers and is not released here */

    /* Only while streaming. The thread owns `order`, `end`, `chunk` and the window that it fills. */
    size_t window_steps, n_blocks;
    uint64_t *mark; /* [slots][m_count][n_blocks] digests of the blocks as they were at the opening */
    bool lent_marks;
    char *window[WINDOWS]; /* [window_steps][rows] as stored */
    uint32_t *order;       /* [window_steps * rows] rows of a window, sorted by view and block */
    uint32_t *end;         /* [views * n_blocks] where the rows of a block end in `order` */
    char *chunk;           /* [block] cells */
    trb_producer *ahead;   /* makes windows */
    size_t in_use;         /* the window that is served */
};

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool serves(const trb_reader *r, trb_cache_unit u)
{
    return u.kind == r->of.kind && u.view < r->of.views && u.member >= r->of.m0 && u.member - r->of.m0 < r->of.m_count;
}

/* ---- kept */

static void keep_rows(void *ctx, trb_cache_unit u, size_t first, size_t n, const void *rows)
{
    const trb_reader *r = ctx;
    const char *from = rows;
    char *to = r->kept + (r->slot[u.view] * r->c->spec.N + u.first_row + first) * r->row_bytes +
               (u.member - r->of.m0) * r->cell_bytes;
    for (size_t i = 0; i < n; i++) memcpy(to + i * r->row_bytes, from + i * r->cell_bytes, r->cell_bytes);
}

static trb_status read_unit(trb_reader *r, size_t unit, trb__sink sink)
{
    const trb_status st = trb__unit_read(r->c, unit, sink, r);
    if (st != TRB_EINTEGRITY) return st;
    return trb_fail_of(
        st, "a shard is missing, or is not what the manifest lists; remove the file, and `tribikos cache` or "
            "`tribikos run` writes it again (of members from elsewhere, write the cache anew): ");
}

/* Read every parts-th shard of the reader from beginning to end, to keep its rows or its marks. */
static trb_status read_part(trb_reader *r, size_t part, size_t parts, trb__sink sink)
{
    const trb_cache_spec *spec = &r->c->spec;
    size_t n = 0, mine = 0;
    trb_progress progress;
    for (size_t i = 0; i < trb_cache_units(spec); i++)
        if (serves(r, trb_cache_unit_at(spec, i)) && n++ % parts == part) mine++;
    trb_progress_begin(&progress, mine, "shards", "cache, reading");
    n = 0;
    for (size_t i = 0; i < trb_cache_units(spec); i++) {
        const trb_cache_unit u = trb_cache_unit_at(spec, i);
        if (!serves(r, u) || n++ % parts != part) continue;
        trb_progress_update(&progress, progress.done, "");
        TRB_TRY(trb_stop_check());
        TRB_TRY(read_unit(r, i, sink));
        atomic_fetch_add(&r->cells_read, u.rows);
        progress.done++;
    }
    trb_progress_end(&progress, "");
    return TRB_OK;
}

static size_t slot_of(const trb_reader *r, size_t i)
{
    return r->slot[r->view == NULL ? 0 : r->view[i]];
}

static const void *gather(trb_reader *r)
{
    const size_t first = r->next_step * r->rows;
    for (size_t i = 0; i < r->rows; i++) {
        const size_t slot = slot_of(r, first + i), id = (size_t)r->sample[first + i];
        if (slot == NONE) continue;
        const char *from = r->kept + (slot * r->c->spec.N + id) * r->row_bytes;
        if (r->converts)
            trb__rows_load(&r->c->spec, r->of.kind, r->of.m_count, from, (float *)(void *)(r->step + i * r->step_row));
        else
            memcpy(r->step + i * r->step_row, from, r->row_bytes);
    }
    return r->step;
}

/* ---- streamed */

static uint64_t *mark_of(const trb_reader *r, trb_cache_unit u, size_t row)
{
    const size_t shards = r->slot[u.view] * r->of.m_count + (u.member - r->of.m0);
    return r->mark + shards * r->n_blocks + (u.first_row + row) / r->c->spec.block;
}

static void mark_rows(void *ctx, trb_cache_unit u, size_t first, size_t n, const void *rows)
{
    const trb_reader *r = ctx;
    *mark_of(r, u, first) = trb_hash_bytes(rows, n * r->cell_bytes);
}

/* Read a block, rows [first, first + n) of a shard. They must be the same as at the opening. */
static trb_status read_block(trb_reader *r, trb_h5 *h, trb_cache_unit u, size_t first, size_t n)
{
    TRB_TRY(trb__shard_rows(h, &r->c->spec, u, first, n, r->chunk));
    atomic_fetch_add(&r->cells_read, n);
    if (trb_hash_bytes(r->chunk, n * r->cell_bytes) == *mark_of(r, u, first)) return trb_fault("cache.chunk");
    return trb_fail(TRB_EINTEGRITY, "%s: samples %zu to %zu have other values than when the file was checked",
                    trb_h5_path(h), u.first_row + first, u.first_row + first + n - 1);
}

/* Sort the rows of a window by view and block. A counting sort takes linear time and needs no additional memory. */
static void sort_window(trb_reader *r, size_t first, size_t n)
{
    const size_t block = r->c->spec.block, n_keys = r->of.views * r->n_blocks;
    uint32_t *end = r->end;
    memset(end, 0, n_keys * sizeof *end);
#define KEY(i) ((r->view == NULL ? 0 : r->view[first + (i)]) * r->n_blocks + (size_t)r->sample[first + (i)] / block)
    for (size_t i = 0; i < n; i++)
        if (slot_of(r, first + i) != NONE) end[KEY(i)]++;
    uint32_t sum = 0;
    for (size_t k = 0; k < n_keys; k++) {
        const uint32_t count = end[k];
        end[k] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        if (slot_of(r, first + i) != NONE) r->order[end[KEY(i)]++] = (uint32_t)i;
#undef KEY
}

static size_t run_begin(const trb_reader *r, size_t key)
{
    return key == 0 ? 0 : r->end[key - 1];
}

/* Read the blocks of one shard that the window needs, each once, in file order. */
static trb_status fill_from(trb_reader *r, size_t unit, size_t first, char *window)
{
    trb_status st = TRB_OK;
    const trb_cache_spec *spec = &r->c->spec;
    const trb_cache_unit u = trb_cache_unit_at(spec, unit);
    const size_t key0 = u.view * r->n_blocks + u.first_row / spec->block;
    const size_t n_blocks = (u.rows + spec->block - 1) / spec->block;
    trb_h5 *h = NULL;
    if (run_begin(r, key0) == r->end[key0 + n_blocks - 1]) return TRB_OK;
    TRB_GO(trb__shard_reopen(r->c, unit, &h));
    for (size_t b = 0; b < n_blocks && trb_producer_is_wanted(r->ahead); b++) {
        const size_t begin = run_begin(r, key0 + b), end = r->end[key0 + b], row0 = b * spec->block;
        if (begin == end) continue;
        TRB_GO(read_block(r, h, u, row0, min(spec->block, u.rows - row0)));
        for (size_t i = begin; i < end; i++) {
            const size_t at = r->order[i], row = (size_t)r->sample[first + at] - u.first_row - row0;
            memcpy(window + at * r->row_bytes + (u.member - r->of.m0) * r->cell_bytes, r->chunk + row * r->cell_bytes,
                   r->cell_bytes);
        }
    }
done:
    trb_h5_close(h);
    return st;
}

static trb_status fill(void *reader, size_t w, size_t slot)
{
    trb_reader *r = reader;
    const trb_cache_spec *spec = &r->c->spec;
    const size_t first = w * r->window_steps * r->rows;
    sort_window(r, first, min(r->window_steps, r->n_steps - w * r->window_steps) * r->rows);
    for (size_t i = 0; i < trb_cache_units(spec) && trb_producer_is_wanted(r->ahead); i++)
        if (serves(r, trb_cache_unit_at(spec, i))) TRB_TRY(fill_from(r, i, first, r->window[slot]));
    return TRB_OK;
}

/* ---- both */

/* How many cells a row has: one for each member, or one if a shard is of all members. */
static size_t cells_of(trb_selection of)
{
    return trb_shard_of_member(of.kind) ? of.m_count : 1;
}

/* Bytes of a row as it is served. */
static size_t served_bytes(const trb_cache_spec *spec, trb_selection of)
{
    return cells_of(of) * trb__served_bytes(spec, of.kind);
}

/* How many of the views have shards of the kind that is served. */
static size_t slots_of(const trb_cache_spec *spec, trb_selection of)
{
    return of.kind == TRB_SHARD_INPUTS ? trb__stored_views(spec, of.views) : of.views;
}

static size_t blocks_of(const trb_cache_spec *spec)
{
    return (spec->N + spec->block - 1) / spec->block;
}

static size_t kept_bytes(const trb_cache_spec *spec, trb_selection of)
{
    return slots_of(spec, of) * spec->N * cells_of(of) * trb_shard_row_bytes(spec, of.kind);
}

size_t trb_reader_bytes(const trb_cache *c, trb_selection of)
{
    return kept_bytes(&c->spec, of);
}

static size_t marks_of(const trb_cache_spec *spec, trb_selection of)
{
    return slots_of(spec, of) * cells_of(of) * blocks_of(spec);
}

size_t trb_reader_marks(const trb_cache *c, trb_selection of)
{
    return marks_of(&c->spec, of);
}

static size_t room_for(const trb_cache_spec *spec, trb_selection of, size_t rows, size_t memory)
{
    size_t step = 0;
    if (__builtin_mul_overflow(rows, served_bytes(spec, of), &step) || step > memory) return 0;
    return memory - step;
}

size_t trb_reader_room(const trb_cache *c, trb_selection of, size_t rows, size_t memory)
{
    return room_for(&c->spec, of, rows, memory);
}

/* Whether a step of so many rows has a size that can be computed with. */
static bool is_step(const trb_cache_spec *spec, trb_selection of, size_t rows)
{
    size_t bytes = 0;
    return rows <= UINT32_MAX / MIN_STEPS && !__builtin_mul_overflow(rows, 4 * served_bytes(spec, of), &bytes);
}

/* What a reader that streams needs for a step of a window. */
static size_t window_step(const trb_cache_spec *spec, trb_selection of, size_t rows)
{
    return rows * (WINDOWS * cells_of(of) * trb_shard_row_bytes(spec, of.kind) + sizeof(uint32_t));
}

/* And besides its windows: marks, a chunk, an index, and a step if values are converted. */
static size_t beside_windows(const trb_cache_spec *spec, trb_selection of, size_t rows)
{
    return (trb__rows_differ(spec, of.kind) ? rows * served_bytes(spec, of) : 0) +
           min(spec->block, spec->N) * trb_shard_row_bytes(spec, of.kind) +
           of.views * blocks_of(spec) * sizeof(uint32_t) + marks_of(spec, of) * sizeof(uint64_t);
}

bool trb_reader_serves(const trb_cache_spec *spec, trb_selection of, size_t rows, size_t memory, size_t ranks,
                       size_t *least)
{
    *least = SIZE_MAX;
    if (!is_step(spec, of, rows)) return false;
    *least = beside_windows(spec, of, rows) + MIN_STEPS * window_step(spec, of, rows);
    return memory >= *least || (double)kept_bytes(spec, of) <= (double)ranks * (double)room_for(spec, of, rows, memory);
}

/* Divide `memory`: the windows get what is left. */
static trb_status reserve_windows(trb_reader *r, size_t memory)
{
    const trb_cache_spec *spec = &r->c->spec;
    const size_t n_keys = r->of.views * r->n_blocks, block = min(spec->block, spec->N);
    const size_t marks = marks_of(spec, r->of), fixed = beside_windows(spec, r->of, r->rows),
                 a_step = window_step(spec, r->of, r->rows);
    if (memory < fixed || (memory - fixed) / a_step < MIN_STEPS)
        return trb_fail(TRB_ECONFIG, "%s: %zu bytes cannot hold two windows of %d steps of %zu rows; give at least %zu",
                        r->c->dir, memory, MIN_STEPS, r->rows, fixed + MIN_STEPS * a_step);
    r->window_steps = min((memory - fixed) / a_step, UINT32_MAX / r->rows);
    if (!r->lent_marks) TRB_TRY(trb_alloc(TRB_MEM_CACHE, marks, sizeof *r->mark, &r->mark));
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, block, r->cell_bytes, &r->chunk));
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, n_keys, sizeof *r->end, &r->end));
    TRB_TRY(trb_alloc(TRB_MEM_CACHE, r->window_steps * r->rows, sizeof *r->order, &r->order));
    for (int w = 0; w < WINDOWS; w++)
        TRB_TRY(trb_alloc(TRB_MEM_CACHE, r->window_steps * r->rows, r->row_bytes, &r->window[w]));
    return TRB_OK;
}

static trb_status number_slots(trb_reader *r)
{
    size_t n = 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, r->of.views, sizeof *r->slot, &r->slot));
    for (size_t v = 0; v < r->of.views; v++)
        r->slot[v] = r->of.kind != TRB_SHARD_INPUTS || r->c->spec.view[v].stored ? n++ : NONE;
    return TRB_OK;
}

/* Whether the cache has what is selected. */
static bool is_there(const trb_cache_spec *spec, trb_selection of)
{
    if (of.views == 0 || of.views > spec->V) return false;
    if (of.kind == TRB_SHARD_INPUTS) return true; /* even if no view has stored inputs: then nothing is read */
    if (of.kind != spec->holds) return false;
    return !trb_shard_of_member(of.kind) || (of.m_count > 0 && of.m0 < spec->M && of.m_count <= spec->M - of.m0);
}

trb_status trb_reader_open(const trb_cache *c, trb_selection of, size_t rows, size_t memory, trb_reader **out)
{
    return trb_reader_open_part(c, of, rows, memory, (trb_reader_share){.parts = 1}, out);
}

trb_status trb_reader_open_part(const trb_cache *c, trb_selection of, size_t rows, size_t memory,
                                trb_reader_share share, trb_reader **out)
{
    trb_status st = TRB_OK;
    const trb_cache_spec *spec = &c->spec;
    trb_reader *r = NULL;
    size_t step_bytes = 0;
    if (rows == 0 || !is_there(spec, of))
        return trb_fail(TRB_EINTERNAL,
                        "%s: %s of %zu views and members %zu to %zu by %zu rows wanted of a cache of %zu views and %zu "
                        "members",
                        c->dir, trb_shard_kind_name(of.kind), of.views, of.m0, of.m0 + of.m_count, rows, spec->V,
                        spec->M);
    if (!trb_shard_of_member(of.kind)) of.m0 = 0;
    of.m_count = cells_of(of);
    if (!is_step(spec, of, rows)) return trb_fail(TRB_ECONFIG, "%s: a step of %zu rows is too large", c->dir, rows);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *r, &r));
    r->c = c;
    r->of = of;
    r->rows = rows;
    r->cell_bytes = trb_shard_row_bytes(spec, of.kind);
    r->converts = trb__rows_differ(spec, of.kind);
    r->step_row = served_bytes(spec, of);
    r->row_bytes = of.m_count * r->cell_bytes;
    r->n_blocks = blocks_of(spec);
    TRB_GO(number_slots(r));
    const size_t all = trb_reader_bytes(c, of);
    step_bytes = rows * r->step_row;
    const bool keeps = share.kept != NULL || all <= trb_reader_room(c, of, rows, memory);
    if (!keeps && !r->converts) step_bytes = 0;
    if (step_bytes > 0) TRB_GO(trb_alloc(TRB_MEM_CACHE, step_bytes, 1, &r->step));
    r->kept = share.kept;
    r->lent = share.kept != NULL;
    r->mark = share.marks;
    r->lent_marks = share.marks != NULL;
    if (keeps && !r->lent) TRB_GO(trb_alloc(TRB_MEM_CACHE, all, 1, &r->kept));
    if (!keeps) TRB_GO(reserve_windows(r, memory));
    if (!keeps) TRB_GO(trb_fail_of(trb_producer_open("the reading thread", fill, r, &r->ahead), "%s: ", c->dir));
    const bool shares = keeps ? r->lent : r->lent_marks;
    TRB_GO(read_part(r, shares ? share.part : 0, shares ? share.parts : 1, keeps ? keep_rows : mark_rows));
    *out = r;
    r = NULL;
done:
    (void)trb_reader_close(r);
    return st;
}

trb_status trb_reader_plan(trb_reader *r, size_t steps, const int64_t *sample, const uint16_t *view)
{
    const trb_cache_spec *spec = &r->c->spec;
    if (r->ahead != NULL) TRB_TRY(trb_producer_plan(r->ahead, 0));
    for (size_t i = 0; i < steps * r->rows; i++)
        if ((size_t)sample[i] >= spec->N || (view != NULL && view[i] >= r->of.views))
            return trb_fail(TRB_EINTERNAL,
                            "%s: row %zu of the plan names sample %lld, view %d; the reader has %zu and %zu", r->c->dir,
                            i, (long long)sample[i], view == NULL ? 0 : (int)view[i], spec->N, r->of.views);
    r->sample = sample;
    r->view = view;
    r->n_steps = steps;
    r->next_step = 0;
    return r->ahead == NULL ? TRB_OK : trb_producer_plan(r->ahead, (steps + r->window_steps - 1) / r->window_steps);
}

static trb_status next_step(trb_reader *r, const void **rows)
{
    if (r->next_step >= r->n_steps)
        return trb_fail(TRB_EINTERNAL, "%s: the plan has only %zu steps", r->c->dir, r->n_steps);
    if (r->kept != NULL) {
        *rows = gather(r);
    } else {
        const size_t at = r->next_step % r->window_steps;
        if (at == 0) TRB_TRY(trb_producer_next(r->ahead, &r->in_use));
        const void *stored = r->window[r->in_use] + at * r->rows * r->row_bytes;
        if (r->converts)
            trb__rows_load(&r->c->spec, r->of.kind, r->rows * r->of.m_count, stored, (float *)(void *)r->step);
        *rows = r->converts ? r->step : stored;
    }
    r->next_step++;
    return TRB_OK;
}

trb_status trb_reader_next(trb_reader *r, const float **t)
{
    const void *rows = NULL;
    TRB_TRY(next_step(r, &rows));
    *t = rows;
    return TRB_OK;
}

trb_status trb_reader_next_inputs(trb_reader *r, const void **x)
{
    return next_step(r, x);
}

bool trb_reader_streams(const trb_reader *r)
{
    return r->kept == NULL;
}

size_t trb_reader_read(const trb_reader *r)
{
    return atomic_load(&r->cells_read) * r->cell_bytes;
}

trb_status trb_reader_close(trb_reader *r)
{
    if (r == NULL) return TRB_OK;
    const trb_status st = trb_producer_close(r->ahead);
    for (int w = 0; w < WINDOWS; w++) trb_free(r->window[w]);
    trb_free(r->chunk);
    trb_free(r->end);
    trb_free(r->order);
    if (!r->lent) trb_free(r->kept);
    if (!r->lent_marks) trb_free(r->mark);
    trb_free(r->step);
    trb_free(r->slot);
    trb_free(r);
    return st;
}
