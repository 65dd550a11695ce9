/* Sets for evaluation: caches below the cache of the training set, which are found by the data set's digest. */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "tribikos/file.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* Open DIR/eval/NAME. \param[out] out  NULL if it has no manifest, or is a cache of other samples */
static trb_status open_if_of(const char *dir, const char *name, const trb_data *data, trb_cache **out)
{
    char *path = NULL;
    trb_cache *c = NULL;
    TRB_TRY(trb_text_of(&path, "%s/eval/%s/manifest.h5", dir, name));
    trb_status st = TRB_OK;
    if (trb_file_exists(path)) {
        *strrchr(path, '/') = '\0';
        st = trb_cache_open(path, &c);
    }
    trb_free(path);
    TRB_TRY(st);
    if (c == NULL) return TRB_OK;
    const trb_cache_spec *spec = &c->spec;
    const uint64_t wanted = trb_cache_labelled(spec) ? data->digest : data->digest_x;
    if (spec->task == data->task && spec->N == data->n && spec->data_digest == wanted)
        *out = c;
    else
        trb_cache_close(c);
    return TRB_OK;
}

trb_status trb_cache_find_set(const char *dir, const trb_data *data, trb_cache **out)
{
    char *path = NULL;
    trb_cache *best = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb__path_in(dir, "eval", &path));
    DIR *sets = opendir(path);
    *out = NULL;
    if (sets == NULL && errno != ENOENT && errno != ENOTDIR)
        st = trb_fail(TRB_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    while (sets != NULL && st == TRB_OK) {
        trb_cache *c = NULL;
        errno = 0;
        const struct dirent *entry = readdir(sets);
        if (entry == NULL && errno != 0) st = trb_fail(TRB_EIO, "%s: cannot be read: %s", path, strerror(errno));
        if (entry == NULL) break;
        if (entry->d_name[0] == '.') continue;
        st = open_if_of(dir, entry->d_name, data, &c);
        /* Which of two folders comes first in a directory is chance; which name is the smaller one is not. */
        const bool better = c != NULL && (best == NULL || strcmp(c->dir, best->dir) < 0);
        trb_cache_close(better ? best : c);
        if (better) best = c;
    }
    if (sets != NULL) (void)closedir(sets);
    trb_free(path);
    if (st == TRB_OK)
        *out = best;
    else
        trb_cache_close(best);
    return st;
}
