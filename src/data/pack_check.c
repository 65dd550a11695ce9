/* Whether a folder is still as it was when a run packed it. */
#include "tribikos/pack.h"

#include <string.h>

#include "folder.h"
#include "tribikos/alive.h"
#include "tribikos/h5.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

enum { ROWS = 1024, STATS = 3 };

static trb_status expect_option(trb_h5 *h, const char *name, const char *key, uint64_t wanted)
{
    uint64_t was = 0;
    TRB_TRY(trb_h5_get_u64(h, name, &was));
    if (was == wanted) return TRB_OK;
    return trb_fail(TRB_ECONFIG,
                    "%s: was packed with `%s: %llu`, and now it is %llu; set it back, or remove this file and what was "
                    "trained on it",
                    trb_h5_path(h), key, (unsigned long long)was, (unsigned long long)wanted);
}

static trb_status expect_options(trb_h5 *h, const trb_pack_options *o)
{
    char *format = NULL;
    TRB_TRY(trb_h5_get_text(h, "format", &format));
    const bool own = strcmp(format, TRB__PACK_FORMAT) == 0;
    trb_free(format);
    if (!own) return trb_fail(TRB_EINTEGRITY, "%s: is no file of packed images; remove it", trb_h5_path(h));
    TRB_TRY(expect_option(h, "size", "data.image_size", o->size));
    TRB_TRY(expect_option(h, "channels", "data.image_channels", o->channels));
    return expect_option(h, "skip_bad", "data.skip_bad", o->skip_bad);
}

static trb_status changed(const trb_h5 *h, const trb__folder *f, size_t was, const char *name, const char *how)
{
    return trb_fail(TRB_ECONFIG,
                    "%s: has changed since its images were packed into %s: %s/%s %s (%s then, %zu now); put the "
                    "images back, or remove this file and what was trained on it",
                    f->root, trb_h5_path(h), f->root, name, how, TRB_COUNT(was, "image"), f->n);
}

/* Where only the time is another one, as after copying, the bytes decide. */
static trb_status same_file(const trb__folder *f, size_t i, const int64_t was[STATS], bool *same)
{
    const int64_t *is = trb__folder_at(f, i)->stat;
    uint64_t digest = 0;
    char *path = NULL;
    *same = is[0] == was[0] && is[1] == was[1];
    if (*same || is[0] != was[0]) return TRB_OK;
    TRB_TRY(trb_text_of(&path, "%s/%s", f->root, trb__folder_name(f, i)));
    const trb_status st = trb_hash_file(path, &digest);
    trb_free(path);
    *same = st == TRB_OK && (int64_t)digest == was[2];
    return st;
}

/* Compare n files from i on with what is noted of them; names have L bytes. */
static trb_status compare(const trb_h5 *h, const trb__folder *f, size_t all, size_t i, size_t n, size_t L,
                          const char *name, const int64_t (*stat)[STATS])
{
    for (size_t k = 0; k < n; k++, name += L) {
        char was[2 * 256 + 2] = "";
        bool same = true;
        memcpy(was, name, L < sizeof was - 1 ? L : sizeof was - 1);
        if (i + k == f->n) return changed(h, f, all, was, "is gone");
        const char *is = trb__folder_name(f, i + k);
        const int order = strcmp(is, was);
        if (order != 0) return changed(h, f, all, order < 0 ? is : was, order < 0 ? "is new" : "is gone");
        TRB_TRY(same_file(f, i + k, stat[k], &same));
        if (!same) return changed(h, f, all, was, "is another file");
        trb_alive_at(k);
    }
    return TRB_OK;
}

static trb_status expect_files(trb_h5 *h, const trb__folder *f)
{
    trb_status st = TRB_OK;
    trb_h5_shape names;
    char *name = NULL;
    int64_t(*stat)[STATS] = NULL;
    TRB_GO(trb_h5_describe(h, "/listed", &names));
    const size_t all = names.dim[0], L = names.ndim == 2 ? names.dim[1] : 0;
    TRB_GO(trb_h5_expect(h, "/listed", (trb_h5_shape){TRB_U8, 2, {all, L}}));
    TRB_GO(trb_h5_expect(h, "/listed_stat", (trb_h5_shape){TRB_I64, 2, {all, STATS}}));
    TRB_GO(trb_alloc(TRB_MEM_DATA, ROWS, L, &name));
    TRB_GO(trb_alloc(TRB_MEM_DATA, ROWS, sizeof *stat, &stat));
    for (size_t i = 0, n = 0; i < all; i += n) {
        n = all - i < ROWS ? all - i : ROWS;
        TRB_GO(trb_h5_read_rows(h, "/listed", TRB_U8, i, n, name));
        TRB_GO(trb_h5_read_rows(h, "/listed_stat", TRB_I64, i, n, stat));
        TRB_GO(compare(h, f, all, i, n, L, name, (const int64_t(*)[STATS])stat));
    }
    if (f->n > all) st = changed(h, f, all, trb__folder_name(f, all), "is new");
done:
    trb_free(stat);
    trb_free(name);
    return st;
}

trb_status trb_pack_check(const char *folder, const char *packed, const trb_pack_options *o)
{
    trb_h5 *h = NULL;
    trb__folder f = {0};
    TRB_TRY(trb_h5_open(packed, &h));
    trb_status st = expect_options(h, o);
    if (st == TRB_OK) st = trb__folder_list(folder, &f);
    if (st == TRB_OK) st = expect_files(h, &f);
    trb__folder_clear(&f);
    trb_h5_close(h);
    return st;
}
