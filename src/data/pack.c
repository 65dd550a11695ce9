/* Packs a folder of images: one image after the other into a chunk, one chunk after the other into the file. */
#include "tribikos/pack.h"

#include <stdio.h>
#include <string.h>

#include "folder.h"
#include "image.h"
#include "tribikos/alive.h"
#include "tribikos/h5.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

enum { CHUNK_BYTES = 1 << 20, SHOWN = 20 };

typedef struct {
    trb__folder folder;
    const trb_pack_options *o;
    trb_h5 *h;
    trb__image image;
    trb_shape shape;      /* of all images; c is 0 before the first one */
    size_t first;         /* the file that decided it */
    size_t chunk;         /* images of a chunk */
    size_t held, written; /* images in the chunk, and in the file */
    size_t bad;
    uint8_t *x;   /* [chunk][C][H][W] */
    int32_t *y;   /* [chunk] */
    char *file;   /* [chunk][longest name] */
    bool *filled; /* [classes] has an image */
} packing;

/* ---- one image */

static const char *size_key(const packing *p)
{
    return p->o->of_run ? "data.image_size: " : "--size=";
}

static trb_status expect_alike(const packing *p, const char *path)
{
    const trb__image *im = &p->image;
    const char *first = trb__folder_name(&p->folder, p->first);
    if (im->c != p->shape.c)
        return trb_fail(TRB_EINPUT, "%s: is %s, but %s is %s; `%s1` or `3` makes all alike", path,
                        im->c == 1 ? "grey" : "coloured", first, im->c == 1 ? "coloured" : "grey",
                        p->o->of_run ? "data.image_channels: " : "--channels=");
    if (im->w == p->shape.w && im->h == p->shape.h) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: has %zu x %zu pixels, but %s has %zu x %zu; `%s%zu` makes all alike", path, im->w,
                    im->h, first, p->shape.w, p->shape.h, size_key(p),
                    p->shape.w < p->shape.h ? p->shape.w : p->shape.h);
}

/* The first image decides what all are. */
static trb_status begin_sets(packing *p, size_t i)
{
    const trb__image *im = &p->image;
    const size_t bytes = im->c * im->h * im->w, L = p->folder.longest, left = p->folder.n - i;
    p->shape = (trb_shape){im->c, im->h, im->w};
    p->first = i;
    p->chunk = bytes < CHUNK_BYTES ? CHUNK_BYTES / bytes : 1;
    if (p->chunk > left) p->chunk = left;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, p->chunk, bytes, &p->x));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, p->chunk, sizeof *p->y, &p->y));
    TRB_TRY(trb_alloc(TRB_MEM_DATA, p->chunk, L, &p->file));
    const trb_h5_layout plain = {.chunk_rows = p->chunk, .fletcher32 = true, .grows = true},
                        packed = {.chunk_rows = p->chunk, .deflate = 4, .fletcher32 = true, .grows = true};
    TRB_TRY(trb_h5_make(p->h, "/x", (trb_h5_shape){TRB_U8, 4, {0, im->c, im->h, im->w}}, plain));
    TRB_TRY(trb_h5_make(p->h, "/y", (trb_h5_shape){TRB_I32, 1, {0}}, plain));
    return trb_h5_make(p->h, "/file", (trb_h5_shape){TRB_U8, 2, {0, L}}, packed);
}

static trb_status write_chunk(packing *p)
{
    if (p->held == 0) return TRB_OK;
    TRB_TRY(trb_h5_write_rows(p->h, "/x", p->written, p->held, p->x));
    TRB_TRY(trb_h5_write_rows(p->h, "/y", p->written, p->held, p->y));
    TRB_TRY(trb_h5_write_rows(p->h, "/file", p->written, p->held, p->file));
    p->written += p->held;
    p->held = 0;
    return TRB_OK;
}

/* Put the image into the chunk: channel after channel. */
static trb_status add_image(packing *p, size_t i)
{
    const trb__image *im = &p->image;
    const size_t area = im->w * im->h, L = p->folder.longest;
    const char *name = trb__folder_name(&p->folder, i);
    uint8_t *to = p->x + p->held * im->c * area;
    for (size_t c = 0; c < im->c; c++)
        for (size_t k = 0; k < area; k++) *to++ = im->pixel.at[k * im->c + c];
    memset(p->file + p->held * L, 0, L);
    memcpy(p->file + p->held * L, name, strlen(name));
    p->y[p->held] = (int32_t)trb__folder_at(&p->folder, i)->label;
    p->filled[p->y[p->held]] = true;
    p->held++;
    return p->held == p->chunk ? write_chunk(p) : TRB_OK;
}

/* ---- all images */

/* Say after the reason how to go on. */
static trb_status hint(const packing *p, trb_status st)
{
    char *why = NULL;
    TRB_TRY(trb_strdup(trb_fail_message(), &why));
    trb_fail_clear();
    (void)trb_fail(st, "%s; `%s` leaves such files out", why, p->o->of_run ? "data.skip_bad: true" : "--skip-bad");
    trb_free(why);
    return st;
}

/* A bad image ends the packing with its reason, or is left out with a warning. */
static trb_status judge(packing *p, trb_status st)
{
    if (st != TRB_EINPUT) return st;
    if (!p->o->skip_bad) return hint(p, st);
    if (p->bad < SHOWN || trb_log_verbose()) trb_warn("left out: %s", trb_fail_message());
    p->bad++;
    trb_fail_clear();
    return TRB_OK;
}

static trb_status pack_file(packing *p, size_t i, bool *good)
{
    char *path = NULL;
    TRB_TRY(trb_text_of(&path, "%s/%s", p->folder.root, trb__folder_name(&p->folder, i)));
    trb_status st = trb__image_read(path, &p->image);
    *good = st == TRB_OK;
    if (p->o->of_run)
        trb__folder_at(&p->folder, i)->stat[2] = (int64_t)trb_hash_bytes(p->image.file.at, p->image.file.n);
    if (!*good) st = judge(p, st);
    if (st == TRB_OK && *good && p->o->channels != TRB_IMAGE_AS_IS) st = trb__image_recolour(&p->image, p->o->channels);
    if (st == TRB_OK && *good) st = trb__image_fit(&p->image, p->o->size);
    if (st == TRB_OK && *good) st = p->shape.c == 0 ? begin_sets(p, i) : expect_alike(p, path);
    trb_free(path);
    return st;
}

static trb_status pack_files(packing *p)
{
    trb_progress progress;
    trb_status st = TRB_OK;
    char note[64] = "";
    trb_progress_begin(&progress, p->folder.n, "images", "packing %s", p->folder.root);
    for (size_t i = 0; i < p->folder.n; i++) {
        bool good = false;
        TRB_GO(pack_file(p, i, &good));
        if (good) TRB_GO(add_image(p, i));
        if (p->bad > 0) (void)snprintf(note, sizeof note, "%zu left out", p->bad);
        trb_progress_update(&progress, i + 1, note);
        trb_alive();
    }
    st = write_chunk(p);
done:
    if (st == TRB_OK) trb_progress_end(&progress, note);
    return st;
}

static trb_status say_left_out(const packing *p)
{
    const trb__folder *f = &p->folder;
    if (p->bad > SHOWN && !trb_log_verbose())
        trb_warn("%s: %zu more are left out; `--verbose` lists all", f->root, p->bad - SHOWN);
    for (size_t k = 0; k < f->schema.n_classes; k++)
        if (!p->filled[k])
            return trb_fail(TRB_EINPUT, "%s/%s: no image of this class is left; all were left out", f->root,
                            f->schema.class_name[k]);
    return TRB_OK;
}

/* What the folder holds, for trb_pack_check(). */
static trb_status list_files(const packing *p)
{
    const trb__folder *f = &p->folder;
    enum { ROWS = 1024, STATS = 3 };
    const size_t L = f->longest;
    trb_status st = TRB_OK;
    char *name = NULL;
    int64_t(*stat)[STATS] = NULL;
    const trb_h5_layout layout = {.chunk_rows = ROWS, .deflate = 4, .fletcher32 = true};
    if (!p->o->of_run) return TRB_OK;
    TRB_GO(trb_alloc(TRB_MEM_DATA, ROWS, L, &name));
    TRB_GO(trb_alloc(TRB_MEM_DATA, ROWS, sizeof *stat, &stat));
    TRB_GO(trb_h5_make(p->h, "/listed", (trb_h5_shape){TRB_U8, 2, {f->n, L}}, layout));
    TRB_GO(trb_h5_make(p->h, "/listed_stat", (trb_h5_shape){TRB_I64, 2, {f->n, STATS}}, layout));
    for (size_t i = 0, n = 0; i < f->n; i += n) {
        n = f->n - i < ROWS ? f->n - i : ROWS;
        memset(name, 0, ROWS * L);
        for (size_t k = 0; k < n; k++) {
            memcpy(name + k * L, trb__folder_name(f, i + k), strlen(trb__folder_name(f, i + k)));
            memcpy(stat[k], trb__folder_at(f, i + k)->stat, sizeof stat[k]);
        }
        TRB_GO(trb_h5_write_rows(p->h, "/listed", i, n, name));
        TRB_GO(trb_h5_write_rows(p->h, "/listed_stat", i, n, stat));
    }
done:
    trb_free(stat);
    trb_free(name);
    return st;
}

static trb_status describe(const packing *p)
{
    trb_status st = TRB_OK;
    char *schema = NULL;
    TRB_GO(trb_schema_write(&p->folder.schema, &schema));
    TRB_GO(trb_h5_put_text(p->h, "format", TRB__PACK_FORMAT));
    TRB_GO(trb_h5_put_text(p->h, "schema", schema));
    TRB_GO(trb_h5_put_u64(p->h, "size", p->o->size));
    TRB_GO(trb_h5_put_u64(p->h, "channels", p->o->channels));
    TRB_GO(trb_h5_put_u64(p->h, "skip_bad", p->o->skip_bad));
    st = trb_h5_put_u64(p->h, "left_out", p->bad);
done:
    trb_free(schema);
    return st;
}

static void say_others(const trb__folder *f)
{
    if (f->n_others > 0)
        trb_info("%s: %s %s no image by name, and %s passed over (the first is %s)", f->root,
                 TRB_COUNT(f->n_others, "file"), f->n_others == 1 ? "is" : "are", f->n_others == 1 ? "is" : "are",
                 f->other);
}

static void clear(packing *p)
{
    trb_h5_close(p->h);
    trb__folder_clear(&p->folder);
    trb__image_clear(&p->image);
    trb_free(p->x);
    trb_free(p->y);
    trb_free(p->file);
    trb_free(p->filled);
}

trb_status trb_pack(const char *folder, const char *output, const trb_pack_options *o, trb_packed *out)
{
    trb_status st = TRB_OK;
    packing p = {.o = o};
    TRB_GO(trb__folder_list(folder, &p.folder));
    say_others(&p.folder);
    TRB_GO(trb_alloc(TRB_MEM_OTHER, p.folder.schema.n_classes, sizeof *p.filled, &p.filled));
    TRB_GO(trb_h5_create(output, &p.h));
    TRB_GO(pack_files(&p));
    TRB_GO(say_left_out(&p));
    TRB_GO(describe(&p));
    TRB_GO(list_files(&p));
    *out = (trb_packed){.n = p.written, .classes = p.folder.schema.n_classes, .shape = p.shape, .bad = p.bad};
    st = trb_h5_publish(p.h);
    p.h = NULL;
done:
    clear(&p);
    return st;
}
