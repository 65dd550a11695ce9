/* A data set that is read block by block (stream.h): the rows of its units, one unit after the other. */
#include "tribikos/stream.h"

#include <string.h>

#include "internal.h"
#include "tribikos/memory.h"

struct trb_data_stream {
    trb_data_files files;
    size_t width, n_units, i; /* i: the unit that is open, or the next one */
    bool is_open;
    trb__unit unit;
    trb__rows rows;
    trb__samples like; /* what the units have in common; no values */
    trb__samples now;  /* the rows of the last call */
    trb_data first;    /* the same as `like`, for the caller */
    size_t before;     /* rows of the units before */
    int64_t *id;       /* [n_ids] */
    size_t n_ids;
    bool has_key;
    char *key;             /* what the column of keys is called */
    bool *points, *commas; /* [n_units] */
};

static trb_status expect_key(trb_data_stream *s)
{
    const char *key = s->rows.key;
    if (s->i == 0) {
        s->has_key = key != NULL;
        return key == NULL ? TRB_OK : trb_strdup(key, &s->key);
    }
    if (s->has_key == (key != NULL)) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: %s, but the first file has %s; predict them apart", s->unit.path[0],
                    key != NULL ? "its first column, or one called id, names the rows" : "no column names its rows",
                    key != NULL ? "no such column" : "one");
}

static trb_status open_unit(trb_data_stream *s)
{
    trb_status st = trb__unit_open(&s->files, s->width, s->i, &s->unit);
    if (st == TRB_OK) st = trb__rows_of(s->files.format)(&s->unit, &s->like, &s->rows);
    if (st != TRB_OK) {
        trb__unit_close(&s->unit);
        return st;
    }
    s->is_open = true;
    s->like.n = 1;
    return expect_key(s);
}

static void close_unit(trb_data_stream *s)
{
    if (!s->is_open) return;
    s->points[s->i] = s->rows.points;
    s->commas[s->i] = s->rows.commas;
    s->before += s->rows.at;
    s->rows.close(&s->rows);
    trb__unit_close(&s->unit);
    s->is_open = false;
}

trb_status trb_stream_open(const trb_data_files *files, trb_data_stream **out)
{
    trb_status st = TRB_OK;
    trb_data_stream *s = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, 1, sizeof *s, &s));
    s->files = *files;
    s->like.task = s->now.task = files->task;
    TRB_GO(trb__data_units(&s->files, &s->width, &s->n_units));
    TRB_GO(trb_alloc(TRB_MEM_DATA, s->n_units, sizeof *s->points, &s->points));
    TRB_GO(trb_alloc(TRB_MEM_DATA, s->n_units, sizeof *s->commas, &s->commas));
    TRB_GO(open_unit(s));
    s->first = (trb_data){.task = files->task,
                          .shape = s->like.shape,
                          .type = s->like.type,
                          .lent = true,
                          .labels_from = files->labels_from,
                          .schema = files->schema};
    *out = s;
    return TRB_OK;
done:
    trb_stream_close(s);
    return st;
}

/* Number the rows that were read after the first `n` ones. */
static trb_status number(trb_data_stream *s, size_t n, size_t at)
{
    const size_t all = s->now.n;
    if (all > s->n_ids) {
        int64_t *more = NULL;
        TRB_TRY(trb_alloc(TRB_MEM_DATA, all, sizeof *more, &more));
        if (n > 0) memcpy(more, s->id, n * sizeof *more);
        trb_free(s->id);
        s->id = more;
        s->n_ids = all;
    }
    const int64_t *row = (const int64_t *)(const void *)s->now.row.at;
    const bool listed = s->now.row.n > 0;
    for (size_t i = n; i < all; i++) s->id[i] = (int64_t)s->before + (listed ? row[i] : (int64_t)(at + i - n));
    return TRB_OK;
}

/* Take up to n rows of the open unit. */
static trb_status take(trb_data_stream *s, size_t n, bool wanted, size_t *got)
{
    const size_t at = s->rows.at, had = s->now.n, labels = s->now.y.n;
    TRB_TRY(s->rows.next(&s->rows, n, wanted, &s->now, got));
    if (!wanted) return TRB_OK;
    TRB_TRY(trb__labels_shift(&s->files, s->unit.path[s->width - 1], labels, at, &s->now));
    return number(s, had, at);
}

static void show(const trb_data_stream *s, trb_stream_rows *rows)
{
    *rows = (trb_stream_rows){.data = s->first, .id = s->id, .key = s->has_key ? (const char *)s->now.key.at : NULL};
    trb_data *d = &rows->data;
    d->n = s->now.n;
    d->x = s->now.x.at;
    if (s->like.unlabelled) return;
    if (d->task == TRB_TASK_REGRESSION)
        d->target = (float *)(void *)s->now.y.at;
    else
        d->label = (int32_t *)(void *)s->now.y.at;
    for (size_t i = 0; d->label != NULL && i < d->n; i++)
        if ((size_t)d->label[i] >= d->classes) d->classes = (size_t)d->label[i] + 1;
}

trb_status trb_stream_next(trb_data_stream *s, size_t n, size_t *got, trb_stream_rows *rows)
{
    trb__samples *now = &s->now;
    now->n = now->x.n = now->y.n = now->row.n = now->key.n = 0;
    now->type = s->like.type;
    now->shape = s->like.shape;
    now->unlabelled = s->like.unlabelled;
    for (*got = 0; *got < n && s->i < s->n_units;) {
        size_t more = 0;
        if (!s->is_open) TRB_TRY(open_unit(s));
        const size_t asked = n - *got;
        TRB_TRY(take(s, asked, rows != NULL, &more));
        *got += more;
        if (more == asked) break;
        close_unit(s);
        s->i++;
    }
    if (rows != NULL) show(s, rows);
    return TRB_OK;
}

const char *trb_stream_key(const trb_data_stream *s)
{
    return s->has_key ? s->key : NULL;
}

const trb_data *trb_stream_like(trb_data_stream *s)
{
    s->first.n_missing = s->now.n_missing;
    s->first.n_dropped = s->now.n_dropped;
    s->first.n_headerless = s->like.n_headerless;
    return &s->first;
}

bool trb_stream_labelled(const trb_data_stream *s)
{
    return !s->like.unlabelled;
}

double trb_stream_share(const trb_data_stream *s)
{
    const double mine = s->is_open ? s->rows.share(&s->rows) : 0.0;
    return ((double)s->i + mine) / (double)s->n_units;
}

size_t trb_stream_units(const trb_data_stream *s)
{
    return s->n_units;
}

void trb_stream_decimals(const trb_data_stream *s, double *points, double *commas)
{
    for (size_t i = 0; i < s->n_units; i++) {
        points[i] = s->points[i] ? 1.0 : 0.0;
        commas[i] = s->commas[i] ? 1.0 : 0.0;
    }
}

trb_status trb_stream_expect_decimals(const trb_data_stream *s, const double *points, const double *commas)
{
    for (size_t i = 0; i < s->n_units; i++)
        if (points[i] > 0.0 && commas[i] > 0.0)
            return trb_fail(TRB_EINPUT,
                            "%s: some numbers have a decimal point, and some a comma; expected one of the two",
                            s->files.files[i]);
    return TRB_OK;
}

void trb_stream_close(trb_data_stream *s)
{
    if (s == NULL) return;
    close_unit(s);
    trb_free(s->now.x.at);
    trb_free(s->now.y.at);
    trb_free(s->now.row.at);
    trb_free(s->now.key.at);
    trb_free(s->id);
    trb_free(s->key);
    trb_free(s->points);
    trb_free(s->commas);
    trb_free(s);
}
