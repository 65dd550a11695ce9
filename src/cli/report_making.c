/* How a run was made, for `tribikos report`: its data, times, caches, versions and configuration. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "report.h"
#include "tribikos/cache.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"

/* The values of a list of report.json, or one value, as text; "" if there is none. */
static void add_value(const trb__sheet *s, const char *key, const char *between, trb_text *out)
{
    const size_t i = trb_tree_find(s->report, key);
    if (i == trb_tree_n(s->report) || trb_tree_is_section(s->report, i)) return;
    for (size_t k = 0; k < trb_tree_size(s->report, i); k++)
        trb__html_add(out, "%s%s", k > 0 ? between : "", trb_tree_at(s->report, i, k));
}

static void add_data_row(const trb__sheet *s, const char *set, trb_text *out)
{
    static const char *const columns[][2] = {
        {"samples", ""}, {"held_out", ""}, {"shape", " x "}, {"type", ""}, {"copies_of_training_rows", ""},
        {"digest", ""}};
    char key[256];
    (void)snprintf(key, sizeof key, "data.%s", set);
    if (trb_tree_find(s->report, key) == trb_tree_n(s->report)) return;
    trb_text_add(out, "<tr><th scope=\"row\">");
    trb__html_add(out, "%s", set);
    trb_text_add(out, "</th>");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        (void)snprintf(key, sizeof key, "data.%s.%s", set, columns[i][0]);
        trb_text_add(out, "<td>");
        add_value(s, key, columns[i][1], out);
        trb_text_add(out, "</td>");
    }
    trb_text_add(out, "</tr>\n");
}

static void add_data(const trb__sheet *s, trb_text *out)
{
    if (s->report == NULL) return;
    trb_text_add(out,
                 "<h3>Data</h3>\n<div class=\"wrap\" tabindex=\"0\" role=\"region\" aria-label=\"Data\">"
                 "<table id=\"data\"><thead><tr><th scope=\"col\">set</th><th scope=\"col\">samples</th>"
                 "<th scope=\"col\">held out</th><th scope=\"col\">shape</th><th scope=\"col\">type</th>"
                 "<th scope=\"col\">copies of training rows</th><th scope=\"col\">digest</th></tr></thead><tbody>\n");
    add_data_row(s, "train", out);
    add_data_row(s, "test", out);
    for (size_t i = 0; i < s->n_sets; i++) add_data_row(s, s->set[i], out);
    trb_text_add(out, "</tbody></table></div>\n");
}

static trb_status add_cache(const char *dir, const char *name, trb_text *out)
{
    char path[2 * TRB__PATH];
    trb_cache *cache = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    const trb_status st = trb_cache_open(path, &cache);
    if (st != TRB_OK) {
        if (trb_status_is_failure(st)) return st;
        trb_text_add(out, "<li>");
        trb__html_add(out, "%s: %s", name, trb_file_exists(path) ? trb_fail_message() : "none");
        trb_text_add(out, "</li>\n");
        trb_fail_clear();
        return TRB_OK;
    }
    const trb_cache_spec *spec = trb_cache_spec_of(cache);
    trb_text_add(out, "<li>");
    trb__html_add(out, "%s: %s of %zu members, %zu samples, %zu outputs, %s, %zu shards, %zu %s", name,
                  trb_shard_kind_name(spec->holds), spec->M, spec->N, spec->K, trb_dtype_name(spec->dtype),
                  trb_cache_units(spec), spec->V, spec->V == 1 ? "view" : "views");
    for (size_t v = 1; v < spec->V; v++)
        trb__html_add(out, "%s%zu: %s%s", v == 1 ? " (" : "; ", v, spec->view[v].recipe,
                      spec->view[v].stored ? ", with inputs" : "");
    trb__html_add(out, "%s; computed by %s%s%s", spec->V > 1 ? ")" : "",
                  trb_cache_blas(cache)[0] != '\0' ? trb_cache_blas(cache) : "unknown kernels",
                  trb_cache_processor(cache)[0] != '\0' ? " on " : "", trb_cache_processor(cache));
    trb_text_add(out, "</li>\n");
    trb_cache_close(cache);
    return TRB_OK;
}

static trb_status add_caches(const trb__sheet *s, trb_text *out)
{
    char path[TRB__PATH], **name = NULL;
    size_t n = 0;
    trb_text_add(out, "<h3>Cache of the members' outputs</h3>\n<ul>\n");
    trb_status st = add_cache(s->dir, "cache", out);
    (void)snprintf(path, sizeof path, "%s/cache/eval", s->dir);
    if (st == TRB_OK) st = trb__names_in(path, &n, &name);
    for (size_t i = 0; st == TRB_OK && i < n; i++) {
        char below[TRB__PATH];
        (void)snprintf(below, sizeof below, "cache/eval/%s", name[i]);
        st = add_cache(s->dir, below, out);
    }
    trb__names_free(n, name);
    trb_text_add(out, "</ul>\n");
    return st;
}

/* ---- times */

typedef struct {
    size_t files;
    time_t first, last;
} written;

static void look_at(const char *path, written *w)
{
    struct stat info;
    if (stat(path, &info) != 0) return;
    w->first = w->files == 0 || info.st_mtime < w->first ? info.st_mtime : w->first;
    w->last = w->files == 0 || info.st_mtime > w->last ? info.st_mtime : w->last;
    w->files++;
}

static trb_status look_at_networks(const char *dir, const char *kind, written *w)
{
    char path[TRB__PATH], **name = NULL;
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/%s", dir, kind);
    TRB_TRY(trb__names_in(path, &n, &name));
    for (size_t i = 0; i < n; i++) {
        char file[2 * TRB__PATH];
        (void)snprintf(file, sizeof file, "%s/%s/weights.h5", path, name[i]);
        look_at(file, w);
    }
    trb__names_free(n, name);
    return TRB_OK;
}

static void add_time(time_t t, trb_text *out)
{
    struct tm parts;
    char text[40] = "";
    if (gmtime_r(&t, &parts) != NULL) (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    trb_text_add(out, "<td>%s</td>", text);
}

static void add_stage(const char *stage, const char *files, const written *w, time_t *before, trb_text *out)
{
    if (w->files == 0) return;
    trb_text_add(out, "<tr><th scope=\"row\">%s</th><td>%zu %s</td>", stage, w->files, files);
    add_time(w->first, out);
    add_time(w->last, out);
    if (*before != 0 && w->last >= *before)
        trb_text_add(out, "<td>%.0f s</td></tr>\n", difftime(w->last, *before));
    else
        trb_text_add(out, "<td>-</td></tr>\n");
    *before = w->last;
}

static trb_status add_times(const trb__sheet *s, trb_text *out)
{
    char path[TRB__PATH + TRB_NAME_MAX];
    written members = {0}, cache = {0}, students = {0}, report = {0};
    time_t before = 0;
    TRB_TRY(look_at_networks(s->dir, "members", &members));
    TRB_TRY(look_at_networks(s->dir, "student", &students));
    (void)snprintf(path, sizeof path, "%s/cache/manifest.h5", s->dir);
    look_at(path, &cache);
    (void)snprintf(path, sizeof path, "%s/report/%s%sreport.json", s->dir, s->name, s->name[0] != '\0' ? "/" : "");
    look_at(path, &report);
    trb_text_add(out, "<h3>Times</h3>\n<p>When the files of each stage were written (UTC). The last column is the time "
                      "between a stage's last file and that of the stage before; in a run without pauses it is how "
                      "long the stage took. A copy of the run may have the times of the copying.</p>\n"
                      "<div class=\"wrap\" tabindex=\"0\" role=\"region\" aria-label=\"Times\"><table id=\"times\">"
                      "<thead><tr><th scope=\"col\">stage</th><th scope=\"col\">files</th><th scope=\"col\">first</th>"
                      "<th scope=\"col\">last</th><th scope=\"col\">after the stage before</th></tr></thead><tbody>\n");
    add_stage("train", "weights", &members, &before, out);
    add_stage("cache", "manifest", &cache, &before, out);
    add_stage("distill", "weights", &students, &before, out);
    add_stage("eval", "report", &report, &before, out);
    trb_text_add(out, "</tbody></table></div>\n");
    return TRB_OK;
}

/* What computed a network, as its weights file says. */
static trb_status add_kernels(const trb__sheet *s, const char *kind, const char *name, trb_text *out)
{
    char path[2 * TRB__PATH], *blas = NULL;
    trb_h5 *h = NULL;
    (void)snprintf(path, sizeof path, "%s/%s/%s/weights.h5", s->dir, kind, name);
    if (!trb_file_exists(path)) return TRB_OK;
    trb_status st = trb_h5_open(path, &h);
    if (st == TRB_OK && trb_h5_has_attr(h, "blas")) st = trb_h5_get_text(h, "blas", &blas);
    if (st == TRB_OK && blas != NULL) {
        trb_text_add(out, "<li>");
        trb__html_add(out, "%s/%s was trained by %s", kind, name, blas);
        trb_text_add(out, "</li>\n");
    }
    trb_free(blas);
    trb_h5_close(h);
    return st;
}

static trb_status add_versions(const trb__sheet *s, trb_text *out)
{
    const char *program = s->report != NULL ? trb_tree_text(s->report, "program") : NULL;
    size_t shown = 0;
    trb_text_add(out, "<h3>Versions and machine</h3>\n");
    if (program != NULL) {
        trb_text_add(out, "<p>The evaluation was made by:</p>\n<pre id=\"program\">");
        trb__html_add(out, "%s", program);
        trb_text_add(out, "</pre>\n");
    }
    trb_text_add(out, "<ul>\n");
    trb_status st = add_kernels(s, "members", "m000", out);
    for (size_t i = 0; st == TRB_OK && i < s->n_models && shown < TRB__GREY; i++) {
        if (!s->model[i].student || s->model[i].colour < 0) continue;
        st = add_kernels(s, "student", s->model[i].name, out);
        shown++;
    }
    trb_text_add(out, "</ul>\n");
    return st;
}

trb_status trb__sheet_making(const trb__sheet *s, trb_text *out)
{
    trb_text_add(out, "<section id=\"making\"><h2>How it was made</h2>\n");
    add_data(s, out);
    TRB_TRY(add_times(s, out));
    TRB_TRY(add_caches(s, out));
    TRB_TRY(add_versions(s, out));
    trb_text_add(out, "<h3>Configuration</h3>\n<pre id=\"config\" tabindex=\"0\">");
    trb__html_add(out, "%s", s->config_text);
    trb_text_add(out, "</pre>\n</section>\n");
    return TRB_OK;
}
