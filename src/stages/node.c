/* Data sets and cached logits that the ranks of a node share. Each rank reads a part into the shared memory. If the
 * node cannot share memory, each rank reads everything for itself. */
#include <limits.h>

#include "internal.h"
#include "reading.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

/* Broadcast what each unit holds: rank i mod P has read unit i. */
static trb_status tell_units(trb_comm *node, trb_data_part *part)
{
    const size_t P = (size_t)trb_comm_size(node);
    for (size_t i = 0; i < trb_data_part_units(part); i++)
        TRB_TRY(trb_comm_bcast(node, trb_data_part_unit(part, i), sizeof(trb_data_unit), (int)(i % P)));
    return TRB_OK;
}

/* Read the data set with all ranks of the node. Collective over node.
 * \param[out] s  its block is NULL if the node's ranks cannot share memory; then it is not filled */
static trb_status load_together(trb_comm *node, const trb_data_files *files, trb__dataset *s)
{
    trb_status st = TRB_OK;
    trb_data_part *part = NULL;
    trb_shared *room = NULL;
    size_t bytes = 0;
    st = trb_data_part_open(files, (size_t)trb_comm_rank(node), (size_t)trb_comm_size(node), &part);
    TRB_GO(trb_agree_on_files(node, st));
    TRB_GO(tell_units(node, part));
    TRB_GO(trb_agree_on_files(node, trb_data_part_room(part, &bytes)));
    TRB_GO(trb_shared_open(node, TRB_MEM_DATA, bytes, &room));
    if (room == NULL) goto done;
    trb_data_part_put(part, trb_shared_at(room));
    TRB_GO(trb_comm_barrier(node));
    TRB_GO(trb_agree(node, trb_data_part_join(part, trb_shared_at(room), &s->data)));
    s->block = room;
    room = NULL;
done:
    trb_shared_close(room);
    trb_data_part_close(part);
    return st;
}

trb_status trb__files_match(trb_comm *world, trb_data_files *files, trb__matches *names)
{
    char *found = NULL;
    *names = (trb__matches){NULL, NULL};
    if (!trb_data_has_patterns(files)) return TRB_OK;
    trb_status st = trb_comm_rank(world) == 0 ? trb_data_match(files, &found) : TRB_OK;
    st = trb_agree(world, st);
    if (st == TRB_OK) st = trb_comm_bcast_text(world, found, &names->text);
    if (st == TRB_OK) st = trb_agree(world, trb_data_take_names(files, names->text, &names->name));
    trb_free(found);
    return st;
}

void trb__matches_clear(trb__matches *names)
{
    trb_free(names->name);
    trb_free(names->text);
    *names = (trb__matches){NULL, NULL};
}

trb_status trb__schema_decide(trb_comm *world, const trb_data_files *files, trb_schema **schema)
{
    trb_schema *s = NULL, own = {0};
    char *text = NULL, *told = NULL;
    trb_status st = TRB_OK;
    trb_comm_phase("reading the data set", 0);
    if (trb_comm_rank(world) == 0) st = trb_data_survey(files, &own);
    if (st == TRB_OK && trb_comm_rank(world) == 0) st = trb_schema_write(&own, &text);
    TRB_GO(trb_agree_on_files(world, st));
    TRB_GO(trb_comm_bcast_text(world, text, &told));
    st = trb_alloc(TRB_MEM_OTHER, 1, sizeof *s, &s);
    if (st == TRB_OK) st = trb_schema_read("rank 0", told, s);
    TRB_GO(trb_agree(world, st));
    *schema = s;
    s = NULL;
done:
    trb_schema_clear(s);
    trb_free(s);
    trb_schema_clear(&own);
    trb_free(told);
    trb_free(text);
    return st;
}

/* Say what became of missing values and headers. */
static void say_read(const char *what, const trb_data_files *files, const trb_data *d)
{
    char line[256];
    trb_text t = trb_text_in(line, sizeof line);
    trb_text_add(&t, "%s: ", what);
    if (d->n_missing > 0)
        trb_text_add(&t, "%s %s of the training files", TRB_COUNT(d->n_missing, "missing value"),
                     d->n_missing == 1 ? "is replaced by a mean" : "are replaced by means");
    if (d->n_dropped > 0)
        trb_text_add(&t, "%s%s with missing values %s left out, %zu remain", d->n_missing > 0 ? "; " : "",
                     TRB_COUNT(d->n_dropped, "row"), d->n_dropped == 1 ? "is" : "are", d->n);
    if (d->n_missing + d->n_dropped > 0) trb_info_once("%s", line);
    if (d->n_headerless == 0 || d->schema == NULL) return;
    t = trb_text_in(line, sizeof line);
    trb_text_add(&t, "%s: %zu of %s %s %s header, unlike the training files, so columns are taken in their order", what,
                 d->n_headerless, TRB_COUNT(files->n_files, "file"), d->n_headerless == 1 ? "has" : "have",
                 d->schema->header ? "no" : "a");
    trb_warn_once("%s", line);
}

static trb_status read_files(trb_comm *world, const char *what, const trb_data_files *files, trb__dataset *s)
{
    trb_comm *node = NULL;
    TRB_TRY(trb_comm_node(world, 0, &node));
    trb_status st = TRB_OK;
    trb_comm_phase("reading the data set", 0);
    if (trb_comm_size(node) > 1) st = load_together(node, files, s);
    if (st == TRB_OK && s->block == NULL) st = trb_data_load(files, &s->data);
    trb_comm_close(node);
    TRB_TRY(trb_agree(world, st));
    say_read(what, files, &s->data);
    return TRB_OK;
}

trb_status trb__dataset_read(trb_comm *world, const char *what, const trb_data_files *files, trb__dataset *s)
{
    trb_data_files matched = *files;
    trb__matches names;
    trb_status st = trb__files_match(world, &matched, &names);
    if (st == TRB_OK) st = read_files(world, what, &matched, s);
    trb__matches_clear(&names);
    return st;
}

/* Whether all ranks of the node together may keep `bytes`. \param[in] mine  what this rank may keep */
static trb_status may_keep(trb_comm *node, size_t bytes, size_t mine, bool *may)
{
    const size_t P = (size_t)trb_comm_size(node);
    const double room = (double)mine;
    double *rooms = NULL, sum = 0.0;
    TRB_TRY(trb_agree(node, trb_alloc(TRB_MEM_OTHER, P, sizeof *rooms, &rooms)));
    const trb_status st = trb_comm_allgather(node, &room, 1, rooms);
    for (size_t r = 0; st == TRB_OK && r < P; r++) sum += rooms[r];
    *may = st == TRB_OK && (double)bytes <= sum;
    trb_free(rooms);
    return st;
}

trb_status trb__reading_open(trb_comm *world, int color, const trb_cache *cache, trb_selection of, size_t rows,
                             size_t memory, trb__reading *out)
{
    trb_comm *node = NULL;
    trb__reading r = {0};
    bool keeps = false;
    const size_t bytes = trb_reader_bytes(cache, of), marks = trb_reader_marks(cache, of) * sizeof(uint64_t);
    trb_status st = TRB_OK;
    TRB_TRY(trb_comm_node(world, rows > 0 ? color : INT_MAX, &node));
    if (rows == 0) goto done;
    trb_comm_phase("reading the cache", 0);
    trb_reader_share share = {.part = (size_t)trb_comm_rank(node), .parts = (size_t)trb_comm_size(node)};
    TRB_GO(may_keep(node, bytes, trb_reader_room(cache, of, rows, memory), &keeps));
    TRB_GO(trb_shared_open(node, TRB_MEM_CACHE, keeps ? bytes : marks, &r.block));
    if (r.block != NULL && keeps) share.kept = trb_shared_at(r.block);
    if (r.block != NULL && !keeps) share.marks = trb_shared_at(r.block);
    st = trb_reader_open_part(cache, of, rows, memory, share, &r.reader);
    TRB_GO(trb_agree_on_files(node, st));
done:
    trb_comm_close(node);
    st = trb_agree(world, st);
    if (st != TRB_OK) (void)trb__reading_close(&r);
    *out = r;
    return st;
}

trb_status trb__reading_close(trb__reading *r)
{
    const trb_status st = trb_reader_close(r->reader);
    trb_shared_close(r->block);
    *r = (trb__reading){0};
    return st;
}

size_t trb__inputs_share(const trb_cache *cache, trb_selection of, size_t memory)
{
    const double inputs = (double)trb_reader_bytes(cache, (trb_selection){TRB_SHARD_INPUTS, .views = of.views});
    return (size_t)((double)memory * (inputs / (inputs + (double)trb_reader_bytes(cache, of))));
}

static trb_status plan_inputs(void *ctx, size_t parts, const int64_t *sample, const uint16_t *view)
{
    const trb__reading *r = ctx; /* has no reader if this rank's column of the grid has no lanes of its own */
    return r->reader == NULL ? TRB_OK : trb_reader_plan(r->reader, parts, sample, view);
}

static trb_status next_inputs(void *ctx, const void **stored)
{
    const trb__reading *r = ctx;
    return trb_reader_next_inputs(r->reader, stored);
}

trb_status trb__inputs_open(trb_comm *world, const trb_cache *cache, size_t views, size_t rows, size_t memory,
                            trb__reading *out, trb_stored_rows *stored)
{
    const trb_selection inputs = {TRB_SHARD_INPUTS, .views = views};
    *stored = (trb_stored_rows){0};
    if (trb_reader_bytes(cache, inputs) == 0) return TRB_OK;
    *stored = (trb_stored_rows){.plan = plan_inputs, .next = next_inputs, .ctx = out};
    return trb__reading_open(world, 0, cache, inputs, rows, memory, out);
}
