/* The columns and rows of a table that entries of keys, and files that list numbers, choose. */
#include "table.h"

#include <stdio.h>
#include <string.h>

#include "tribikos/file.h"
#include "tribikos/memory.h"

trb_status trb__choose(trb__wanted *c, trb_status st, const char *where, const char *what, size_t i)
{
    if (i >= c->limit) return trb_fail(st, "%s: expected %ss from 0 to %zu, got %zu", where, what, c->limit - 1, i);
    if (c->place[i] != 0) return trb_fail(st, "%s: %s %zu is listed twice", where, what, i);
    c->place[i] = ++c->n;
    return TRB_OK;
}

trb_status trb__choose_listed(const char *root, const char *name, const char *what, trb__wanted *wanted)
{
    trb_status st = TRB_OK;
    trb__table t = {0};
    char *path = NULL, *where = NULL, got[48];
    TRB_GO(trb__data_path(root, name, &path));
    TRB_GO(trb__table_open(path, '\0', &t));
    const size_t room = strlen(path) + 24, before = wanted->n;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, room, 1, &where));
    trb__cursor c = trb__table_begin(&t);
    while (trb__next_line(&c)) {
        (void)snprintf(where, room, "%s:%zu", path, c.line);
        do {
            const char *rest = NULL, *end = c.field.at + c.field.n;
            size_t i = 0;
            if (!trb__read_index(c.field.at, end, &rest, &i) || rest != end)
                TRB_GO(trb_fail(TRB_EINPUT, "%s: column %zu: expected a %s, a whole number from 0 to %zu, got %s",
                                where, c.column, what, wanted->limit - 1, trb__field_shown(&c.field, got)));
            TRB_GO(trb__choose(wanted, TRB_EINPUT, where, what, i));
        } while (trb__next_field(&c));
    }
    if (wanted->n == before) st = trb_fail(TRB_EINPUT, "%s: expected numbers of %ss, got none", path, what);
done:
    trb_free(where);
    trb_free(path);
    trb__table_close(&t);
    return st;
}

static trb_status refuse_entry(const char *key, const char *path, const trb__names *names, const char *entry)
{
    char list[512];
    if (names->name == NULL)
        return trb_fail(
            TRB_ECONFIG,
            "%s: expected a column, counted from 0 to %zu (-1 is the last), a range such as 0-%zu, or a file "
            "that lists some, got %s; %s has no header with names",
            key, names->n - 1, names->n - 1, entry, path);
    return trb_fail(
        TRB_ECONFIG,
        "%s: expected a column, counted from 0 to %zu (-1 is the last), a range such as 0-%zu, a name (%s), or "
        "a file that lists some, got %s",
        key, names->n - 1, names->n - 1, trb__names_shown(names->n, names->name, list), entry);
}

/* The column of this name; `n` if there is none. TRB_ECONFIG if several have it. */
static trb_status find_name(const char *key, const trb__names *names, const char *name, size_t *column)
{
    *column = names->n;
    for (size_t i = 0; names->name != NULL && i < names->n; i++) {
        if (strcmp(names->name[i], name) != 0) continue;
        if (*column < names->n)
            return trb_fail(TRB_ECONFIG, "%s: columns %zu and %zu are both called %s; give a number", key, *column, i,
                            name);
        *column = i;
    }
    return TRB_OK;
}

/* Read a number, a number from the end, or a range. \param[in,out] at  the text; behind it */
static bool read_range(const char **at, size_t n, size_t *first, size_t *last)
{
    const char *text = *at, *end = text + strlen(text);
    if (*text == '-') {
        if (!trb__read_index(text + 1, end, at, last)) return false;
        *first = *last = *last > 0 && *last <= n ? n - *last : n;
        return true;
    }
    if (!trb__read_index(text, end, at, first)) return false;
    *last = *first;
    return **at != '-' || trb__read_index(*at + 1, end, at, last);
}

/* Whether the entry is a number or a range, or several with commas between; how many, and whether all are of
 * columns. */
static size_t count_ranges(const char *entry, size_t n, bool *within)
{
    size_t first = 0, last = 0, count = 0;
    *within = true;
    for (const char *at = entry;; at++) {
        if (!read_range(&at, n, &first, &last)) return 0;
        *within = *within && first <= last && last < n;
        count++;
        if (*at == '\0') return count;
        if (*at != ',') return 0;
    }
}

static trb_status choose_file(const char *key, const char *root, const char *path, const trb__names *names,
                              const char *entry, trb__wanted *wanted)
{
    char *list = NULL;
    TRB_TRY(trb__data_path(root, entry, &list));
    const bool exists = entry[0] != '\0' && trb_file_exists(list);
    trb_free(list);
    return exists ? trb__choose_listed(root, entry, "column", wanted) : refuse_entry(key, path, names, entry);
}

static trb_status choose_entry(const char *key, const char *root, const char *path, const trb__names *names,
                               const char *entry, trb__wanted *wanted)
{
    size_t named = 0, first = 0, last = 0;
    bool within = false;
    TRB_TRY(find_name(key, names, entry, &named));
    const size_t ranges = count_ranges(entry, names->n, &within);
    if (named < names->n && (ranges == 0 || !within)) return trb__choose(wanted, TRB_ECONFIG, key, "column", named);
    if (ranges == 0) return choose_file(key, root, path, names, entry, wanted);
    if (!within) return refuse_entry(key, path, names, entry);
    for (const char *at = entry; ranges > 0; at++) {
        (void)read_range(&at, names->n, &first, &last);
        if (named < names->n && (named != first || first != last))
            return trb_fail(TRB_ECONFIG, "%s: %s is column %zu by its number, but column %zu is called so; use %zu-%zu",
                            key, entry, first, named, named, named);
        for (size_t i = first; i <= last; i++) TRB_TRY(trb__choose(wanted, TRB_ECONFIG, key, "column", i));
        if (*at == '\0') break;
    }
    return TRB_OK;
}

trb_status trb__choose_entries(const char *key, const char *root, const trb__table *t, const trb__names *names,
                               size_t n, char *const *entry, trb__wanted *wanted)
{
    for (size_t i = 0; i < n; i++) TRB_TRY(choose_entry(key, root, t->path, names, entry[i], wanted));
    return TRB_OK;
}
