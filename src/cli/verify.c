/* `tribikos verify`: checks every byte of a run (members, cache, students, checkpoints, reports) or of a cache alone.
 *
 * | what | bad | missing |
 * | weights, checkpoints | damaged | a member or student of RUN/config.yaml, if others of its kind are there |
 * | cache | a damaged shard; logits of other weights than the member has | the manifest; a shard |
 * | cache/eval/NAME | the same |  |
 * | report | report.json or predictions.h5 cannot be read; the report is of other weights | one of the two |
 *
 * A stage that has not begun is not missing. One bad file does not end the check, so one call names all of them. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "tribikos/cache.h"
#include "tribikos/checkpoint.h"
#include "tribikos/file.h"
#include "tribikos/h5.h"
#include "tribikos/log.h"
#include "tribikos/members.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/tree.h"
#include "tribikos/weights.h"

/* ---- folders */

static bool exists(const char *dir, const char *name)
{
    char path[TRB__PATH];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return trb_file_exists(path);
}

bool trb__is_run(const char *dir)
{
    struct stat info;
    static const char *const parts[] = {"config.yaml", "members", "cache", "student", "report"};
    if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode) || exists(dir, "manifest.h5")) return false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (exists(dir, parts[i])) return true;
    return false;
}

static int is_visible_folder(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK);
}

trb_status trb__names_in(const char *under, size_t *n, char ***name)
{
    struct dirent **entry = NULL;
    trb_status st = TRB_OK;
    *n = 0;
    *name = NULL;
    const int found = scandir(under, &entry, is_visible_folder, alphasort);
    if (found > 0) st = trb_alloc(TRB_MEM_OTHER, (size_t)found, sizeof **name, name);
    for (int i = 0; i < found; i++) {
        if (st == TRB_OK) st = trb_strdup(entry[i]->d_name, &(*name)[*n]);
        *n += st == TRB_OK;
        free(entry[i]);
    }
    free(entry);
    if (st == TRB_OK) return TRB_OK;
    trb__names_free(*n, *name);
    *n = 0;
    *name = NULL;
    return st;
}

void trb__names_free(size_t n, char **name)
{
    for (size_t i = 0; i < n; i++) trb_free(name[i]);
    trb_free(name);
}

/* ---- one file after another */

typedef struct {
    const char *dir;
    size_t good, bad, missing;
} tally;

/* Count a file. A failure other than damage ends the check. */
static trb_status count(tally *t, trb_status st)
{
    if (st == TRB_OK) t->good++;
    if (st != TRB_EINTEGRITY && st != TRB_ECONFIG && st != TRB_EINPUT && st != TRB_ENUM) return st;
    t->bad++;
    st = trb__show("bad: %s", trb_fail_message());
    trb_fail_clear();
    return st;
}

static trb_status miss(tally *t, const char *name)
{
    t->missing++;
    return trb__show("missing: %s/%s", t->dir, name);
}

static trb_status verify_checkpoints(tally *t, const char *folder)
{
    for (size_t slot = 0; slot < 100; slot++) { /* checkpoint.keep is at most 100 */
        char path[2 * TRB__PATH];
        trb_checkpoint c = {.config = NULL};
        (void)snprintf(path, sizeof path, "%s/checkpoint/%zu.h5", folder, slot);
        if (!trb_file_exists(path)) continue;
        const trb_status st = trb_checkpoint_read(path, NULL, NULL, &c);
        trb_checkpoint_clear(&c);
        TRB_TRY(count(t, st));
    }
    return TRB_OK;
}

/* Check the networks of RUN/members or RUN/student. \param[out] digest  of each network's weights; NULL to skip */
static trb_status verify_networks(tally *t, const char *kind, size_t n, char *const *name, uint64_t *digest)
{
    for (size_t i = 0; i < n; i++) {
        char folder[TRB__PATH], path[2 * TRB__PATH];
        trb_weights_info info = {0};
        (void)snprintf(folder, sizeof folder, "%s/%s/%s", t->dir, kind, name[i]);
        (void)snprintf(path, sizeof path, "%s/weights.h5", folder);
        if (trb_file_exists(path)) {
            const trb_status st = trb_weights_read(path, &info, NULL, NULL);
            if (st == TRB_OK && digest != NULL) digest[i] = info.digest;
            trb_weights_info_clear(&info);
            TRB_TRY(count(t, st));
        }
        TRB_TRY(verify_checkpoints(t, folder));
    }
    return TRB_OK;
}

/* Whether a network has weights. */
static bool is_trained(const tally *t, const char *kind, const char *name)
{
    char path[TRB__PATH];
    (void)snprintf(path, sizeof path, "%s/%s/%s/weights.h5", t->dir, kind, name);
    return trb_file_exists(path);
}

/* Name the networks of the configuration that have no weights, if the stage has begun. */
static trb_status expect_networks(tally *t, const trb_config *c, size_t n_members, size_t n_students)
{
    char name[TRB_NAME_MAX + 32];
    for (size_t m = 0; n_members > 0 && m < c->members.count; m++) {
        (void)snprintf(name, sizeof name, "m%03zu", m);
        if (is_trained(t, "members", name)) continue;
        (void)snprintf(name, sizeof name, "members/m%03zu/weights.h5", m);
        TRB_TRY(miss(t, name));
    }
    for (size_t s = 0; n_students > 0 && s < c->n_students; s++) {
        if (is_trained(t, "student", c->student[s].name)) continue;
        (void)snprintf(name, sizeof name, "student/%s/weights.h5", c->student[s].name);
        TRB_TRY(miss(t, name));
    }
    return TRB_OK;
}

/* ---- the cache */

/* Print how good each member is by the labels of the cache, and warn of what cannot be logits. */
static trb_status show_members(const trb_members *members, size_t M)
{
    char text[TRB_MEMBERS_DOUBT];
    for (size_t m = 0; m < M; m++) {
        const trb_member_figures f = trb_members_figures(members, m);
        const char *doubt = trb_members_doubt(members, m, text);
        if (!isnan(f.accuracy) && m == 0) TRB_TRY(trb__show("member    accuracy         nll"));
        if (!isnan(f.accuracy)) TRB_TRY(trb__show("m%03zu    %10.4f  %10.4f", m, f.accuracy, f.nll));
        if (doubt != NULL) trb_warn("member %zu %s", m, doubt);
    }
    return TRB_OK;
}

static trb_status verify_shards(tally *t, const trb_cache *cache)
{
    const trb_cache_spec *spec = trb_cache_spec_of(cache);
    const size_t units = trb_cache_units(spec), bad = t->bad;
    trb_members *members = NULL;
    trb_progress progress;
    trb_status st = TRB_OK;
    TRB_TRY(trb_members_create(cache, &members));
    trb_progress_begin(&progress, units, "shards", "verify");
    for (size_t i = 0; i < units; i++) {
        TRB_GO(count(t, trb_members_read(members, i)));
        trb_progress_update(&progress, i + 1, "");
    }
    trb_progress_end(&progress, "");
    if (t->bad == bad) st = show_members(members, spec->M);
done:
    trb_members_destroy(members);
    return st;
}

/* Compare the cache's members with the weights beside it. */
static trb_status compare_members(tally *t, const trb_cache *cache, size_t n, char *const *name, const uint64_t *digest)
{
    for (size_t i = 0; i < n; i++) {
        const size_t m = strtoul(name[i] + 1, NULL, 10);
        if (name[i][0] != 'm' || digest[i] == 0 || m >= trb_cache_spec_of(cache)->M) continue;
        const trb_status st = trb_cache_expect_member(cache, m, digest[i]);
        if (st != TRB_OK) TRB_TRY(count(t, st));
    }
    return TRB_OK;
}

/* Check the members' logits of other sets, in RUN/cache/eval. */
static trb_status verify_sets(tally *t)
{
    char path[TRB__PATH], file[2 * TRB__PATH], **name = NULL;
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/cache/eval", t->dir);
    trb_status st = trb__names_in(path, &n, &name);
    for (size_t i = 0; st == TRB_OK && i < n; i++) {
        trb_cache *cache = NULL;
        (void)snprintf(file, sizeof file, "%s/%s/manifest.h5", path, name[i]);
        if (!trb_file_exists(file)) continue;
        *strrchr(file, '/') = '\0';
        st = trb_cache_open(file, &cache);
        st = st == TRB_OK ? verify_shards(t, cache) : count(t, st);
        trb_cache_close(cache);
    }
    trb__names_free(n, name);
    return st;
}

static trb_status verify_run_cache(tally *t, size_t n, char *const *name, const uint64_t *digest)
{
    char path[TRB__PATH];
    trb_cache *cache = NULL;
    if (!exists(t->dir, "cache")) return TRB_OK;
    if (!exists(t->dir, "cache/manifest.h5")) return miss(t, "cache/manifest.h5");
    (void)snprintf(path, sizeof path, "%s/cache", t->dir);
    trb_status st = trb_cache_open(path, &cache);
    if (st != TRB_OK) return count(t, st);
    st = verify_shards(t, cache);
    if (st == TRB_OK) st = compare_members(t, cache, n, name, digest);
    trb_cache_close(cache);
    return st;
}

static trb_status verify_cache(const char *dir)
{
    trb_cache *cache = NULL;
    tally t = {.dir = dir};
    TRB_TRY(trb_cache_open(dir, &cache));
    const trb_cache_spec *spec = trb_cache_spec_of(cache);
    const size_t units = trb_cache_units(spec);
    trb_status st = verify_shards(&t, cache);
    if (st == TRB_OK && t.bad == 0)
        st = trb__show("%s: %s of %s, %s, %s%s: all good", dir, TRB_COUNT(units, "shard"), TRB_COUNT(spec->M, "member"),
                       TRB_COUNT(spec->N, "sample"), TRB_COUNT(spec->K, "output"),
                       trb_cache_labelled(spec) ? "" : ", no labels");
    else if (st == TRB_OK)
        st = trb_fail(TRB_EINTEGRITY,
                      "%s: %zu of %s %s bad; write them anew (`tribikos cache`, or what wrote this cache)", dir, t.bad,
                      TRB_COUNT(units, "shard"), t.bad == 1 ? "is" : "are");
    trb_cache_close(cache);
    return st;
}

/* ---- reports */

static trb_status read_json(const char *dir, const char *path)
{
    char *text = NULL, *older = NULL;
    trb_tree *tree = NULL;
    trb_status st = trb_file_read_text(path, TRB__REPORT_BYTES, &text);
    if (st == TRB_OK) st = trb_tree_read(path, text, &tree);
    if (st == TRB_OK) st = trb_report_older(dir, tree, &older);
    if (older != NULL)
        st = trb_fail(TRB_EINTEGRITY,
                      "%s: the report is of other weights of %s than are there now; run `tribikos eval`", path, older);
    trb_free(older);
    trb_tree_destroy(tree);
    trb_free(text);
    return st;
}

/* Read all values of a data set, which checks what HDF5 has stored a checksum of. */
static trb_status read_values(void *ctx, const char *name, const trb_h5_shape *shape)
{
    size_t a_call = 0, bytes = trb_dtype_bytes(shape->type);
    void *rows = NULL;
    const size_t n = shape->ndim > 0 ? shape->dim[0] : 0;
    for (size_t i = 1; i < shape->ndim; i++) bytes *= shape->dim[i];
    TRB_TRY(trb_h5_rows_a_call(ctx, name, &a_call));
    trb_status st = trb_alloc(TRB_MEM_OTHER, a_call, bytes, &rows);
    for (size_t at = 0; st == TRB_OK && at < n; at += a_call)
        st = trb_h5_read_rows(ctx, name, shape->type, at, n - at < a_call ? n - at : a_call, rows);
    trb_free(rows);
    return st;
}

/* Predictions have no digest of their own; the checksums of HDF5 cover how they are stored. */
static trb_status read_predictions(const char *path)
{
    trb_h5 *h = NULL;
    TRB_TRY(trb_h5_open(path, &h));
    const trb_status st = trb_h5_each(h, read_values, h);
    trb_h5_close(h);
    return st;
}

/* \param[in] folder  "report", or "report/NAME" */
static trb_status verify_report(tally *t, const char *folder)
{
    char json[TRB__PATH], predictions[TRB__PATH];
    const size_t n = strlen(t->dir) + 1;
    (void)snprintf(json, sizeof json, "%s/%s/report.json", t->dir, folder);
    (void)snprintf(predictions, sizeof predictions, "%s/%s/predictions.h5", t->dir, folder);
    if (!trb_file_exists(json) && !trb_file_exists(predictions)) return TRB_OK;
    TRB_TRY(trb_file_exists(json) ? count(t, read_json(t->dir, json)) : miss(t, json + n));
    return trb_file_exists(predictions) ? count(t, read_predictions(predictions)) : miss(t, predictions + n);
}

static trb_status verify_reports(tally *t)
{
    char path[TRB__PATH], **name = NULL;
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/report", t->dir);
    TRB_TRY(trb__names_in(path, &n, &name));
    trb_status st = verify_report(t, "report");
    for (size_t i = 0; st == TRB_OK && i < n; i++) {
        (void)snprintf(path, sizeof path, "report/%s", name[i]);
        st = verify_report(t, path);
    }
    trb__names_free(n, name);
    return st;
}

/* ---- the run */

static trb_status verify_run(const char *dir)
{
    char path[TRB__PATH], **member = NULL, **student = NULL;
    size_t n_members = 0, n_students = 0;
    uint64_t *digest = NULL;
    trb_config *c = NULL;
    tally t = {.dir = dir};
    trb_status st = TRB_OK;
    (void)snprintf(path, sizeof path, "%s/members", dir);
    TRB_GO(trb__names_in(path, &n_members, &member));
    (void)snprintf(path, sizeof path, "%s/student", dir);
    TRB_GO(trb__names_in(path, &n_students, &student));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, n_members, sizeof *digest, &digest));
    if (exists(dir, "config.yaml")) TRB_GO(count(&t, trb__run_config(dir, &c)));
    TRB_GO(verify_networks(&t, "members", n_members, member, digest));
    TRB_GO(verify_networks(&t, "student", n_students, student, NULL));
    if (c != NULL) TRB_GO(expect_networks(&t, c, n_members, n_students));
    TRB_GO(verify_run_cache(&t, n_members, member, digest));
    TRB_GO(verify_sets(&t));
    TRB_GO(verify_reports(&t));
    if (t.bad == 0 && t.missing == 0)
        st = trb__show("%s: %s of %s, %s, cache and reports: all good", dir, TRB_COUNT(t.good, "file"),
                       TRB_COUNT(n_members, "member"), TRB_COUNT(n_students, "student"));
    else
        st = trb_fail(
            TRB_EINTEGRITY,
            "%s: %zu %s bad, %zu missing, %zu good; `tribikos run` makes what is missing and writes bad shards "
            "anew; remove other bad files first",
            dir, t.bad, t.bad == 1 ? "file is" : "files are", t.missing, t.good);
done:
    trb_config_destroy(c);
    trb_free(digest);
    trb__names_free(n_members, member);
    trb__names_free(n_students, student);
    return st;
}

trb_status trb__command_verify(const trb__arguments *a)
{
    TRB_TRY(trb__one_operand(a, "folder of a run or of a cache"));
    const char *dir = a->operand[0];
    if (trb__is_run(dir)) return verify_run(dir);
    if (exists(dir, "manifest.h5")) return verify_cache(dir);
    return trb_fail(TRB_ECONFIG, "%s is neither the folder of a run nor that of a cache (%s/manifest.h5)", dir, dir);
}
