/* Checkpoints: one file, and the slots of a folder in which the files of one training take turns.
 *
 * | slot file | after trb_checkpoint_publish() |
 * | absent | the first checkpoints fill the slots one after the other |
 * | complete | replaced by the rename in one step; until then the old checkpoint stays readable |
 * | damaged | trb_checkpoint_newest() reports it and takes the next older one |
 */
#include "tribikos/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"

static const char *const FORMAT = "tribikos checkpoint";
enum { VERSION = 1 };

static const char *const slabs[TRB_CHECKPOINT_BEST + 1] = {"weights", "moment1", "moment2", "best"};

static bool are_weights(size_t slab)
{
    return slab == 0 || slab == TRB_CHECKPOINT_BEST;
}

/* The digest covers everything from which a training continues: first what is not in the slabs, then the slabs. */
static void hash_head(trb_hash *hash, const trb_checkpoint *c)
{
    const trb_shape in = trb_net_shape(c->net);
    const uint64_t numbers[] = {in.c, in.h, in.w, trb_net_heads(c->net), c->phase, c->step, c->n_sums, c->n_slabs};
    const char *const texts[] = {trb_net_layers(c->net), c->config, c->metrics};
    trb_hash_add(hash, numbers, sizeof numbers);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) trb_hash_add(hash, texts[i], strlen(texts[i]) + 1);
    trb_hash_add(hash, c->sum, c->n_sums * sizeof *c->sum);
    if (c->best_epoch == 0) return; /* as in files of earlier versions */
    trb_hash_add(hash, &c->best_epoch, sizeof c->best_epoch);
    trb_hash_add(hash, &c->best_loss, sizeof c->best_loss);
}

/* Return `st` if values [at, at + n) of a slab are impossible. Only weights belong to tensors with names. */
static trb_status check(const char *path, trb_status st, const trb_net *net, size_t slab, size_t at, size_t n,
                        const float *values)
{
    for (size_t i = 0; are_weights(slab) && i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        const size_t lo = p->offset > at ? p->offset : at;
        const size_t end = p->offset + p->count, hi = end < at + n ? end : at + n;
        if (lo < hi) TRB_TRY(trb__values_check(path, st, p, lo - p->offset, hi - lo, values + (lo - at)));
    }
    for (size_t k = 0; !are_weights(slab) && k < n; k++)
        if (!isfinite(values[k])) return trb_fail(st, "%s: value %zu of %s is not finite", path, at + k, slabs[slab]);
    return TRB_OK;
}

static trb_status digest_of(const trb_checkpoint *c, uint64_t *digest)
{
    trb_hash *hash = NULL;
    TRB_TRY(trb_hash_open(&hash));
    hash_head(hash, c);
    for (size_t i = 0; i < c->n_slabs; i++) trb_hash_add(hash, c->slab[i], trb_net_size(c->net) * sizeof *c->slab[i]);
    if (c->has_best) trb_hash_add(hash, c->best, trb_net_size(c->net) * sizeof *c->best);
    *digest = trb_hash_value(hash);
    trb_hash_close(hash);
    return TRB_OK;
}

static trb_status write_best(trb_h5 *h, const trb_checkpoint *c)
{
    if (c->best_epoch == 0) return TRB_OK;
    TRB_TRY(trb_h5_put_u64(h, "best_epoch", c->best_epoch));
    TRB_TRY(trb_h5_put(h, "best_loss", (trb_h5_shape){TRB_F64, 1, {1}}, &c->best_loss));
    if (!c->has_best) return TRB_OK;
    return trb_h5_put(h, slabs[TRB_CHECKPOINT_BEST], (trb_h5_shape){TRB_F32, 1, {trb_net_size(c->net)}}, c->best);
}

trb_status trb_checkpoint_write(const char *path, const trb_checkpoint *c, uint64_t *digest)
{
    const size_t size = trb_net_size(c->net), bytes = strlen(c->metrics);
    const trb_h5_shape slab = {TRB_F32, 1, {size}}, sums = {TRB_F64, 1, {c->n_sums}};
    trb_h5 *h = NULL;
    uint64_t value = 0;
    trb_status st = TRB_OK;
    for (size_t i = 0; i < c->n_slabs; i++) TRB_GO(check(path, TRB_ENUM, c->net, i, 0, size, c->slab[i]));
    if (c->has_best) TRB_GO(check(path, TRB_ENUM, c->net, TRB_CHECKPOINT_BEST, 0, size, c->best));
    TRB_GO(digest_of(c, &value));
    TRB_GO(trb_h5_create(path, &h));
    TRB_GO(trb__header_put(h, FORMAT, VERSION, c->net, c->config));
    TRB_GO(trb_h5_put_text(h, "blas", c->blas));
    TRB_GO(trb_h5_put_text(h, "processor", c->processor));
    TRB_GO(trb_h5_put_u64(h, "phase", c->phase));
    TRB_GO(trb_h5_put_u64(h, "step", c->step));
    TRB_GO(trb_h5_put_u64(h, "digest", value));
    TRB_GO(trb_h5_put(h, "loss_sums", sums, c->sum));
    if (bytes > 0) TRB_GO(trb_h5_put(h, "metrics", (trb_h5_shape){TRB_U8, 1, {bytes}}, c->metrics));
    for (size_t i = 0; i < c->n_slabs; i++) TRB_GO(trb_h5_put(h, slabs[i], slab, c->slab[i]));
    TRB_GO(write_best(h, c));
    st = trb_h5_publish(h);
    h = NULL;
    if (st == TRB_OK && digest != NULL) *digest = value;
done:
    trb_h5_close(h);
    return st;
}

void trb_checkpoint_clear(trb_checkpoint *c)
{
    trb_net_destroy(c->built);
    void *const blocks[] = {c->config, c->metrics, c->blas, c->processor, c->sum};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) trb_free(blocks[i]);
    *c = (trb_checkpoint){.config = NULL};
}

static trb_status read_head(trb_h5 *h, trb_checkpoint *c)
{
    char *layers = NULL;
    trb_shape input = {0};
    size_t heads = 0;
    trb_status st = TRB_OK;
    TRB_GO(trb__header_get(h, FORMAT, VERSION, &layers, &input, &heads, &c->config));
    TRB_GO(trb_h5_get_text(h, "blas", &c->blas));
    TRB_GO(trb_h5_has_attr(h, "processor") ? trb_h5_get_text(h, "processor", &c->processor)
                                           : trb_strdup("", &c->processor));
    TRB_GO(trb_h5_get_u64(h, "phase", &c->phase));
    TRB_GO(trb_h5_get_u64(h, "step", &c->step));
    TRB_GO(trb_h5_get_u64(h, "digest", &c->digest));
    TRB_GO(trb__net_build(h, layers, input, heads, &c->built));
    c->net = c->built;
done:
    trb_free(layers);
    return st;
}

static trb_status read_best(trb_h5 *h, trb_checkpoint *c)
{
    if (!trb_h5_has_attr(h, "best_epoch")) return TRB_OK;
    TRB_TRY(trb_h5_get_u64(h, "best_epoch", &c->best_epoch));
    if (c->best_epoch == 0)
        return trb_fail(TRB_EINTEGRITY, "%s: its best epoch is 0; they count from 1", trb_h5_path(h));
    TRB_TRY(trb_h5_expect(h, "best_loss", (trb_h5_shape){TRB_F64, 1, {1}}));
    TRB_TRY(trb_h5_read_rows(h, "best_loss", TRB_F64, 0, 1, &c->best_loss));
    c->has_best = trb_h5_has(h, slabs[TRB_CHECKPOINT_BEST]);
    if (!c->has_best) return TRB_OK;
    return trb_h5_expect(h, slabs[TRB_CHECKPOINT_BEST], (trb_h5_shape){TRB_F32, 1, {trb_net_size(c->net)}});
}

/* Read everything except the slabs, and count and check the slabs. */
static trb_status read_arrays(trb_h5 *h, trb_checkpoint *c)
{
    trb_h5_shape shape = {0};
    TRB_TRY(trb_h5_describe(h, "loss_sums", &shape));
    c->n_sums = shape.dim[0];
    TRB_TRY(trb_h5_expect(h, "loss_sums", (trb_h5_shape){TRB_F64, 1, {c->n_sums}}));
    TRB_TRY(trb_alloc(TRB_MEM_CHECKPOINT, c->n_sums, sizeof *c->sum, &c->sum));
    TRB_TRY(trb_h5_read_rows(h, "loss_sums", TRB_F64, 0, c->n_sums, c->sum));
    size_t bytes = 0;
    if (trb_h5_has(h, "metrics")) {
        TRB_TRY(trb_h5_describe(h, "metrics", &shape));
        bytes = shape.dim[0];
        TRB_TRY(trb_h5_expect(h, "metrics", (trb_h5_shape){TRB_U8, 1, {bytes}}));
    }
    TRB_TRY(trb_alloc(TRB_MEM_CHECKPOINT, bytes + 1, 1, &c->metrics));
    if (bytes > 0) TRB_TRY(trb_h5_read_rows(h, "metrics", TRB_U8, 0, bytes, c->metrics));
    for (; c->n_slabs < TRB_CHECKPOINT_SLABS && trb_h5_has(h, slabs[c->n_slabs]); c->n_slabs++)
        TRB_TRY(trb_h5_expect(h, slabs[c->n_slabs], (trb_h5_shape){TRB_F32, 1, {trb_net_size(c->net)}}));
    if (c->n_slabs == 0) return trb_fail(TRB_EINTEGRITY, "%s: there are no weights in it", trb_h5_path(h));
    return read_best(h, c);
}

/* \param[in] piece  [TRB_CHECKPOINT_PIECE] */
static trb_status read_slab(trb_h5 *h, const trb_checkpoint *c, size_t slab, trb_checkpoint_taker *take, void *ctx,
                            trb_hash *hash, float *piece)
{
    const size_t size = trb_net_size(c->net);
    for (size_t at = 0; at < size; at += TRB_CHECKPOINT_PIECE) {
        const size_t n = size - at < TRB_CHECKPOINT_PIECE ? size - at : TRB_CHECKPOINT_PIECE;
        TRB_TRY(trb_h5_read_rows(h, slabs[slab], TRB_F32, at, n, piece));
        TRB_TRY(check(trb_h5_path(h), TRB_EINTEGRITY, c->net, slab, at, n, piece));
        trb_hash_add(hash, piece, n * sizeof *piece);
        if (take != NULL) TRB_TRY(take(ctx, slab, at, n, piece));
    }
    return TRB_OK;
}

trb_status trb_checkpoint_read(const char *path, trb_checkpoint_taker *take, void *ctx, trb_checkpoint *out)
{
    trb_checkpoint c = {.config = NULL};
    trb_h5 *h = NULL;
    trb_hash *hash = NULL;
    float *piece = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb_h5_open(path, &h));
    TRB_GO(read_head(h, &c));
    TRB_GO(read_arrays(h, &c));
    const size_t size = trb_net_size(c.net);
    TRB_GO(trb_hash_open(&hash));
    TRB_GO(trb_alloc(TRB_MEM_CHECKPOINT, size < TRB_CHECKPOINT_PIECE ? size : TRB_CHECKPOINT_PIECE, sizeof *piece,
                     &piece));
    hash_head(hash, &c);
    for (size_t i = 0; i < c.n_slabs; i++) TRB_GO(read_slab(h, &c, i, take, ctx, hash, piece));
    if (c.has_best) TRB_GO(read_slab(h, &c, TRB_CHECKPOINT_BEST, take, ctx, hash, piece));
    const uint64_t digest = trb_hash_value(hash);
    if (digest != c.digest)
        TRB_GO(trb_fail(TRB_EINTEGRITY, "%s: its digest is %016" PRIx64 ", but its contents give %016" PRIx64, path,
                        c.digest, digest));
    *out = c;
    c = (trb_checkpoint){.config = NULL};
done:
    trb_free(piece);
    trb_hash_close(hash);
    trb_checkpoint_clear(&c);
    trb_h5_close(h);
    return st;
}

/* ---- slots */

/* The file of a slot; "" if the folder's name is too long, since no file can be opened by an empty name. */
static void slot_path(const char *folder, size_t slot, char path[TRB_CHECKPOINT_PATH])
{
    if (snprintf(path, TRB_CHECKPOINT_PATH, "%s/%zu.h5", folder, slot) >= TRB_CHECKPOINT_PATH) path[0] = '\0';
}

trb_status trb_checkpoint_publish(const char *folder, size_t slot, const trb_checkpoint *c)
{
    char path[TRB_CHECKPOINT_PATH];
    slot_path(folder, slot, path);
    TRB_TRY(trb_mkdirs(folder));
    return trb_checkpoint_write(path, c, NULL);
}

static bool is_newer(const trb_checkpoint *a, const trb_checkpoint *b)
{
    return b->config == NULL || a->phase > b->phase || (a->phase == b->phase && a->step > b->step);
}

trb_status trb_checkpoint_newest(const char *folder, size_t slots, void (*damaged)(const char *why),
                                 trb_checkpoint *out, size_t *slot, char path[TRB_CHECKPOINT_PATH])
{
    trb_checkpoint newest = {.config = NULL}, one = {.config = NULL};
    trb_status st = TRB_OK;
    for (size_t i = 0;; i++) {
        char name[TRB_CHECKPOINT_PATH];
        slot_path(folder, i, name);
        if (!trb_file_exists(name)) {
            if (i >= slots) break; /* go on beyond `slots`: an earlier run may have kept more checkpoints */
            continue;
        }
        st = trb_checkpoint_read(name, NULL, NULL, &one);
        if (st == TRB_EINTEGRITY) {
            damaged(trb_fail_message());
            trb_fail_clear();
            st = TRB_OK;
            continue;
        }
        TRB_GO(st);
        if (is_newer(&one, &newest)) {
            trb_checkpoint_clear(&newest);
            newest = one;
            one = (trb_checkpoint){.config = NULL};
            *slot = i;
            (void)strcpy(path, name);
        }
        trb_checkpoint_clear(&one);
    }
    *out = newest;
    newest = (trb_checkpoint){.config = NULL};
done:
    trb_checkpoint_clear(&newest);
    return st;
}

void trb_checkpoint_remove(const char *folder, size_t slots)
{
    trb_folder_sweep(folder);
    for (size_t i = 0;; i++) {
        char path[TRB_CHECKPOINT_PATH];
        slot_path(folder, i, path);
        if (unlink(path) != 0 && i >= slots) break;
    }
    (void)rmdir(folder);
}
