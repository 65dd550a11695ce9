/* `tribikos info RUN`: what a run holds, one line a thing. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "tribikos/cache.h"
#include "tribikos/checkpoint.h"
#include "tribikos/file.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"
#include "tribikos/tree.h"
#include "tribikos/weights.h"

/* Bytes of all files in a folder and its folders. */
static double bytes_in(const char *dir)
{
    double bytes = 0.0;
    DIR *d = opendir(dir);
    if (d == NULL) return 0.0;
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char path[2 * TRB__PATH];
        struct stat info;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (lstat(path, &info) != 0) continue;
        bytes += S_ISDIR(info.st_mode) ? bytes_in(path) : (double)info.st_size;
    }
    (void)closedir(d);
    return bytes;
}

/* The value of a key in an identity. \return its length; 0 if there is no such key */
static int value_in(const char *identity, const char *key, const char **value)
{
    const size_t n = strlen(key);
    for (const char *line = identity; *line != '\0';) {
        if (strncmp(line, key, n) == 0 && line[n] == ':') {
            *value = line + n + 2;
            return (int)strcspn(*value, "\n");
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    *value = "";
    return 0;
}

static size_t followed_in(const char *identity)
{
    size_t n = 0;
    for (const char *at = strstr(identity, "member_digest."); at != NULL; at = strstr(at + 1, "member_digest.")) n++;
    return n;
}

static void tell_damage(const char *why)
{
    trb_warn("%s", why);
}

/* Say how far a training is that has no weights yet. */
static trb_status show_unfinished(const char *folder, const char *name)
{
    enum { SLOTS = 100 };
    char path[TRB__PATH + 16], from[TRB_CHECKPOINT_PATH];
    trb_checkpoint c = {.config = NULL};
    size_t slot = 0;
    (void)snprintf(path, sizeof path, "%s/checkpoint", folder);
    trb_status st = trb_checkpoint_newest(path, SLOTS, tell_damage, &c, &slot, from);
    if (st == TRB_OK && c.config != NULL)
        st = trb__show("  %-22s in training: phase %llu, step %llu", name, (unsigned long long)c.phase,
                       (unsigned long long)c.step);
    else if (st == TRB_OK)
        st = trb__show("  %-22s not trained, no checkpoint", name);
    trb_checkpoint_clear(&c);
    return st;
}

static trb_status show_network(const char *dir, const char *kind, const char *name)
{
    char folder[TRB__PATH], path[TRB__PATH + 16], of[64] = "";
    trb_weights_info info = {0};
    trb_net *net = NULL;
    const char *method = NULL;
    (void)snprintf(folder, sizeof folder, "%s/%s/%s", dir, kind, name);
    (void)snprintf(path, sizeof path, "%s/weights.h5", folder);
    if (!trb_file_exists(path)) return show_unfinished(folder, name);
    trb_status st = trb_weights_read(path, &info, &net, NULL);
    if (st == TRB_EINTEGRITY) {
        st = trb__show("  %-22s bad: %s", name, trb_fail_message());
        trb_fail_clear();
    } else if (st == TRB_OK) {
        const int n = value_in(info.config, "method", &method);
        const size_t members = followed_in(info.config);
        if (members > 0)
            (void)snprintf(of, sizeof of, "%.*s of %s, ", n > 24 ? 24 : n, method, TRB_COUNT(members, "member"));
        st = trb__show("  %-22s %s%zu parameters, [%.200s], by %.200s", name, of, trb_net_trained(net), info.layers,
                       info.blas);
    }
    trb_net_destroy(net);
    trb_weights_info_clear(&info);
    return st;
}

static trb_status show_networks(const char *dir, const char *kind, const char *title)
{
    char path[TRB__PATH], **name = NULL, size[24];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/%s", dir, kind);
    TRB_TRY(trb__names_in(path, &n, &name));
    trb_status st = n == 0 ? trb__show("%s: none", title)
                           : trb__show("%s: %zu, %s", title, n, trb__size_text(bytes_in(path), size));
    for (size_t i = 0; st == TRB_OK && i < n; i++) st = show_network(dir, kind, name[i]);
    trb__names_free(n, name);
    return st;
}

static trb_status show_cache(const char *dir)
{
    char path[TRB__PATH], size[24], top[24] = "";
    trb_cache *cache = NULL;
    (void)snprintf(path, sizeof path, "%s/cache", dir);
    trb_status st = trb_cache_open(path, &cache);
    if (st == TRB_EINTEGRITY || st == TRB_ECONFIG) {
        const bool begun = trb_file_exists(path);
        st = trb__show("cache: %s%s", begun ? "not finished: " : "none", begun ? trb_fail_message() : "");
        trb_fail_clear();
        return st;
    }
    TRB_TRY(st);
    const trb_cache_spec *s = trb_cache_spec_of(cache);
    if (s->top > 0) (void)snprintf(top, sizeof top, " %zu", s->top);
    st = trb__show("cache: %s%s of %s, %s, %s, %s, %s; %s, %s; by %.200s%s%.100s", trb_shard_kind_name(s->holds), top,
                   TRB_COUNT(s->M, "member"), TRB_COUNT(s->N, "sample"), TRB_COUNT(s->V, "view"),
                   TRB_COUNT(s->K, "output"), trb_dtype_name(s->dtype), TRB_COUNT(trb_cache_units(s), "shard"),
                   trb__size_text(bytes_in(path), size), trb_cache_blas(cache),
                   trb_cache_processor(cache)[0] == '\0' ? "" : " on ", trb_cache_processor(cache));
    for (size_t v = 1; st == TRB_OK && v < s->V; v++)
        st = trb__show("  view %-17zu [%s]%s", v, s->view[v].recipe, s->view[v].stored ? ", with inputs" : "");
    trb_cache_close(cache);
    return st;
}

/* Say what a report is on, and the version of the program that wrote it: the first line of its text. */
static trb_status show_report(const char *dir, const char *name)
{
    char path[TRB__PATH], *text = NULL, *older = NULL;
    trb_tree *tree = NULL;
    size_t models = 0;
    (void)snprintf(path, sizeof path, "%s/report/%s%sreport.json", dir, name, name[0] != '\0' ? "/" : "");
    if (!trb_file_exists(path)) return TRB_OK;
    trb_status st = trb_file_read_text(path, TRB__REPORT_BYTES, &text);
    if (st == TRB_OK) st = trb_tree_read(path, text, &tree);
    if (st == TRB_OK) st = trb_report_older(dir, tree, &older);
    if (st == TRB_ECONFIG) {
        st = trb__show("  %-22s bad: %s", name, trb_fail_message());
        trb_fail_clear();
    } else if (st == TRB_OK) {
        for (size_t i = 0; i < trb_tree_n(tree); i++) {
            const char *key = trb_tree_key(tree, i);
            models += strncmp(key, "models.", 7) == 0 && strchr(key + 7, '.') == NULL;
        }
        const char *split = trb_tree_text(tree, "split"), *program = trb_tree_text(tree, "program");
        st = trb__show("  %-22s %.0f samples (%s), %s%s%s, by %.*s", name[0] == '\0' ? "report.json" : name,
                       trb_tree_number(tree, "samples"), split == NULL ? "?" : split, TRB_COUNT(models, "model"),
                       older == NULL ? "" : ", made with other weights than are there now of ",
                       older == NULL ? "" : older, program == NULL ? 1 : (int)strcspn(program, "\n"),
                       program == NULL ? "?" : program);
    }
    trb_tree_destroy(tree);
    trb_free(older);
    trb_free(text);
    return st;
}

static trb_status show_reports(const char *dir)
{
    char path[TRB__PATH], **name = NULL;
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/report", dir);
    if (!trb_file_exists(path)) return trb__show("reports: none");
    TRB_TRY(trb__names_in(path, &n, &name));
    trb_status st = trb__show("reports:");
    if (st == TRB_OK) st = show_report(dir, "");
    for (size_t i = 0; st == TRB_OK && i < n; i++) st = show_report(dir, name[i]);
    trb__names_free(n, name);
    return st;
}

static trb_status show_config(const char *dir)
{
    trb_config *c = NULL;
    trb_text students = {0};
    char *names = NULL;
    trb_status st = trb__run_config(dir, &c);
    if (st == TRB_ECONFIG) {
        st = trb__show("configuration: none that can be read (%s)", trb_fail_message());
        trb_fail_clear();
        return st;
    }
    TRB_TRY(st);
    for (size_t s = 0; s < c->n_students; s++) trb_text_add(&students, "%s%s", s > 0 ? ", " : "", c->student[s].name);
    if (c->n_students == 0) trb_text_add(&students, "none");
    st = trb_text_take(&students, &names);
    if (st == TRB_OK)
        st = trb__show("configuration: %s, %s, students %s, seed %llu",
                       c->data.task == TRB_TASK_REGRESSION ? "regression" : "classes",
                       TRB_COUNT((size_t)c->members.count, "member"), names, (unsigned long long)c->run.seed);
    trb_free(names);
    trb_config_destroy(c);
    return st;
}

trb_status trb__info_run(const char *dir)
{
    char size[24];
    TRB_TRY(trb__show("%s: a run of tribikos, %s", dir, trb__size_text(bytes_in(dir), size)));
    TRB_TRY(show_config(dir));
    TRB_TRY(show_networks(dir, "members", "members"));
    TRB_TRY(show_cache(dir));
    TRB_TRY(show_networks(dir, "student", "students"));
    return show_reports(dir);
}
