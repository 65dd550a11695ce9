/* The weights that a report is about: report.json has their digests, and a network that was trained again has others. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "tribikos/h5.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

void trb__report_weights(const trb__weights_of *w, trb_text *t)
{
    trb_text_add(t, "\"weights\": {\"members\": [");
    for (size_t m = 0; m < w->M; m++) trb_text_add(t, "%s\"%016" PRIx64 "\"", m > 0 ? ", " : "", w->member[m]);
    trb_text_add(t, "], \"students\": {");
    for (size_t s = 0; s < w->S; s++)
        trb_text_add(t, "%s\"%s\": \"%016" PRIx64 "\"", s > 0 ? ", " : "", w->name[s], w->student[s]);
    trb_text_add(t, "}},\n");
}

/* The digest that a weights file has. A file that is missing or damaged is no other network; other commands say what is
 * wrong with it. */
static trb_status digest_in(const char *path, bool *there, uint64_t *digest)
{
    trb_h5 *h = NULL;
    *there = false;
    if (!trb_file_exists(path)) return TRB_OK;
    trb_status st = trb_h5_open(path, &h);
    if (st == TRB_OK) st = trb_h5_get_u64(h, "digest", digest);
    trb_h5_close(h);
    *there = st == TRB_OK;
    if (trb_status_is_failure(st)) return st;
    if (st != TRB_OK) trb_fail_clear();
    return TRB_OK;
}

/* A list of names that is cut off where it becomes long. */
enum { MOST = 8 };
typedef struct {
    const char *dir;
    trb_text text;
    size_t n;
} names;

/* Add a network whose weights are not those of the report. \param[in] folder  below the run, "student/hydra" */
static trb_status compare(names *n, const char *folder, const char *reported)
{
    char path[TRB_PATH_BYTES];
    bool there = false;
    uint64_t is = 0;
    (void)snprintf(path, sizeof path, "%s/%s/weights.h5", n->dir, folder);
    TRB_TRY(digest_in(path, &there, &is));
    if (!there || is == strtoull(reported, NULL, 16)) return TRB_OK;
    if (n->n++ < MOST) trb_text_add(&n->text, "%s%s", n->n > 1 ? ", " : "", strchr(folder, '/') + 1);
    return TRB_OK;
}

static trb_status find(names *n, const trb_tree *report)
{
    static const char members[] = "weights.members", students[] = "weights.students.";
    for (size_t i = 0; i < trb_tree_n(report); i++) {
        const char *key = trb_tree_key(report, i);
        char folder[TRB_NAME_MAX + 16];
        const bool of_members = strcmp(key, members) == 0;
        if (!of_members && strncmp(key, students, sizeof students - 1) != 0) continue;
        for (size_t k = 0; k < trb_tree_size(report, i); k++) {
            if (of_members)
                (void)snprintf(folder, sizeof folder, "members/m%03zu", k);
            else
                (void)snprintf(folder, sizeof folder, "student/%s", key + sizeof students - 1);
            TRB_TRY(compare(n, folder, trb_tree_at(report, i, k)));
        }
    }
    return TRB_OK;
}

trb_status trb_report_older(const char *dir, const trb_tree *report, char **older)
{
    names n = {.dir = dir};
    *older = NULL;
    const trb_status st = find(&n, report);
    if (st != TRB_OK || n.n == 0) {
        trb_text_clear(&n.text);
        return st;
    }
    if (n.n > MOST) trb_text_add(&n.text, " and %zu more", n.n - MOST);
    return trb_text_take(&n.text, older);
}

trb_status trb__report_older_at(const char *dir, const char *path, char **older)
{
    enum { LARGEST = 1 << 26 };
    trb_tree *report = NULL;
    char *text = NULL;
    *older = NULL;
    if (!trb_file_exists(path)) return TRB_OK;
    trb_status st = trb_file_read_text(path, LARGEST, &text);
    if (st == TRB_OK) st = trb_tree_read(path, text, &report);
    if (st == TRB_OK) st = trb_report_older(dir, report, older);
    trb_tree_destroy(report);
    trb_free(text);
    if (st == TRB_OK || trb_status_is_failure(st)) return st;
    trb_fail_clear(); /* a damaged report is written anew */
    return TRB_OK;
}
