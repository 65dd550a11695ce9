/* Names of data files that are patterns, as in the shell: each stands for the files that match, in the order of their
 * names. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

static bool is_pattern(const char *name)
{
    return strpbrk(name, "*?[") != NULL;
}

bool trb_data_has_patterns(const trb_data_files *f)
{
    for (size_t i = 0; i < f->n_files; i++)
        if (is_pattern(f->files[i])) return true;
    for (size_t i = 0; i < f->n_rows; i++)
        if (is_pattern(f->rows[i])) return true;
    return false;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ROOT/ with a backslash in front of what would be a pattern, then the name. */
static trb_status pattern_of(const char *root, const char *name, char **out, size_t *n_root)
{
    trb_text t = {0};
    *n_root = 0;
    if (root[0] != '\0' && name[0] != '/') {
        for (const char *c = root; *c != '\0'; c++) trb_text_add(&t, strchr("*?[\\", *c) != NULL ? "\\%c" : "%c", *c);
        trb_text_add(&t, "/");
        *n_root = strlen(root) + 1;
    }
    trb_text_add(&t, "%s", name);
    return trb_text_take(&t, out);
}

/* The files that a name stands for: itself, or those that match the pattern. */
typedef struct {
    glob_t found;
    size_t n;
    char *const *name; /* [n] */
    size_t skip;       /* bytes in front of each name: the root */
    char *own[1];
    bool globbed;
} matches;

static trb_status find(const trb_data_files *f, char *name, matches *m)
{
    trb_status st = TRB_OK;
    char *path = NULL, *pattern = NULL;
    *m = (matches){.own = {name}, .n = 1};
    m->name = m->own;
    if (!is_pattern(name)) return TRB_OK;
    TRB_GO(trb__data_path(f->root, name, &path));
    if (trb_file_exists(path)) goto done; /* a file whose name has such characters */
    TRB_GO(pattern_of(f->root, name, &pattern, &m->skip));
    const int code = glob(pattern, GLOB_NOSORT, NULL, &m->found);
    m->globbed = true;
    if (code == GLOB_NOSPACE) TRB_GO(trb_fail(TRB_ENOMEM, "no memory for the names of data files"));
    if (code != 0 || m->found.gl_pathc == 0)
        TRB_GO(trb_fail(TRB_ECONFIG,
                        "data: no file matches `%s`; see `data.root` (or TRIBIKOS_DATA) and the names in `data`",
                        path));
    qsort(m->found.gl_pathv, m->found.gl_pathc, sizeof *m->found.gl_pathv, by_bytes);
    m->n = m->found.gl_pathc;
    m->name = m->found.gl_pathv;
    for (size_t i = 0; i < m->n; i++)
        if (strchr(m->name[i], '\n') != NULL)
            TRB_GO(trb_fail(TRB_ECONFIG, "data: `%s` matches a file whose name has a line break; rename it", path));
done:
    trb_free(pattern);
    trb_free(path);
    return st;
}

static void forget(matches *m)
{
    if (m->globbed) globfree(&m->found);
    m->globbed = false;
}

/* Two patterns that follow each other are a pair, as two names are: the first files of both belong together, then the
 * second ones. */
static trb_status add_pair(const trb_data_files *f, char *const *pair, trb_text *t)
{
    trb_status st = TRB_OK;
    matches m[2] = {{.n = 0}, {.n = 0}};
    TRB_GO(find(f, pair[0], &m[0]));
    TRB_GO(find(f, pair[1], &m[1]));
    if (m[0].n != m[1].n)
        TRB_GO(trb_fail(TRB_ECONFIG,
                        "data: %zu files match `%s`, but %zu match `%s`; expected pairs of samples and labels", m[0].n,
                        pair[0], m[1].n, pair[1]));
    for (size_t i = 0; i < m[0].n; i++)
        for (size_t k = 0; k < 2; k++) trb_text_add(t, "%s\n", m[k].name[i] + m[k].skip);
done:
    forget(&m[1]);
    forget(&m[0]);
    return st;
}

static trb_status add_one(const trb_data_files *f, char *name, trb_text *t)
{
    matches m;
    const trb_status st = find(f, name, &m);
    for (size_t i = 0; st == TRB_OK && i < m.n; i++) trb_text_add(t, "%s\n", m.name[i] + m.skip);
    forget(&m);
    return st;
}

trb_status trb_data_match(const trb_data_files *f, char **text)
{
    trb_status st = TRB_OK;
    trb_text t = {0};
    size_t width = 1, n = 0;
    trb_data_files first = *f;
    matches m[2] = {{.n = 0}, {.n = 0}};
    /* Whether files come in pairs shows the first file of each of the first two patterns. */
    TRB_GO(find(f, f->files[0], &m[0]));
    TRB_GO(find(f, f->files[f->n_files > 1 ? 1 : 0], &m[1]));
    char *const pair[] = {m[0].name[0] + m[0].skip, m[1].name[0] + m[1].skip};
    first.files = pair;
    first.n_files = f->n_files % 2 == 0 ? 2 : 1;
    first.n_rows = 0;
    st = trb__data_units(&first, &width, &n);
    if (trb_status_is_failure(st)) goto done;
    if (st != TRB_OK) {
        trb_fail_clear(); /* reading says what is wrong */
        width = 1;
    }
    for (size_t i = 0; i + width <= f->n_files; i += width)
        TRB_GO(width == 2 ? add_pair(f, f->files + i, &t) : add_one(f, f->files[i], &t));
    trb_text_add(&t, "\n");
    for (size_t i = 0; i < f->n_rows; i++) TRB_GO(add_one(f, f->rows[i], &t));
    st = trb_text_take(&t, text);
done:
    trb_text_clear(&t);
    forget(&m[1]);
    forget(&m[0]);
    return st;
}

trb_status trb_data_take_names(trb_data_files *f, char *text, char ***names)
{
    size_t n = 0;
    char **name = NULL;
    for (const char *c = text; *c != '\0'; c++) n += *c == '\n';
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *name, &name));
    *names = name;
    f->files = name;
    f->n_files = f->n_rows = 0;
    bool rows = false;
    for (char *at = text, *end = strchr(at, '\n'); end != NULL; at = end + 1, end = strchr(at, '\n')) {
        *end = '\0';
        if (at == end) {
            rows = true;
            f->rows = name;
            continue;
        }
        *name++ = at;
        *(rows ? &f->n_rows : &f->n_files) += 1;
    }
    return TRB_OK;
}
