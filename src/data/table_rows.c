/* The rows of a table, piece by piece. Rows that another rank reads are only counted, unless rows may be left out: then
 * their values decide which ones count. */
#include "table.h"

#include <string.h>

#include "tribikos/memory.h"

typedef struct {
    trb__window w;
    trb__cursor c;
    trb__placing r;
    size_t key; /* the column of keys; names.n: none */
} pieces;

/* The column that names the rows: the first one of the file, or else one that is called id; it is neither an input nor
 * the target. */
static size_t find_key(const trb__match *p)
{
    const trb__names *names = &p->names;
    for (size_t i = 0; i < names->n; i++) {
        const bool free = p->place[i].count == 0 && !(p->labelled && p->target == i);
        if (free && (i == 0 || (names->name != NULL && strcasecmp(names->name[i], "id") == 0))) return i;
    }
    return names->n;
}

/* The key of the row at which the cursor stands. */
static trb_status add_key(const pieces *t, trb__cursor c, trb__bytes *keys)
{
    char word[TRB__WORD_BYTES];
    while (c.column < t->key && trb__next_field(&c)) continue;
    if (!trb__field_word(&c.field, word))
        return trb_fail(TRB_EINPUT, "%s:%zu: column %zu: a key is longer than %d bytes", c.of->path, c.line, c.column,
                        TRB__WORD_BYTES - 1);
    const size_t bytes = strlen(word) + 1;
    if (keys->capacity - keys->n < bytes) TRB_TRY(trb__bytes_room(keys, keys->n + TRB__WORD_BYTES));
    memcpy(keys->at + keys->n, word, bytes);
    keys->n += bytes;
    return TRB_OK;
}

/* Reserve room for n more rows. */
static trb_status reserve(trb__placing *r, size_t n, trb__samples *s)
{
    const size_t D = r->schema->n_inputs;
    if (r->f->missing == TRB_MISSING_DROP && r->n < n) {
        trb_free(r->left_out);
        r->left_out = NULL;
        TRB_TRY(trb_alloc(TRB_MEM_DATA, n, sizeof *r->left_out, &r->left_out));
        r->n = n;
    }
    TRB_TRY(trb__bytes_room(&s->x, n * D * sizeof(float)));
    if (r->plan.labelled) TRB_TRY(trb__bytes_room(&s->y, n * sizeof(int32_t)));
    if (r->left_out != NULL) TRB_TRY(trb__bytes_room(&s->row, n * sizeof(int64_t)));
    r->x = (float *)(void *)(s->x.at + s->x.n);
    r->y = r->plan.labelled ? (int32_t *)(void *)(s->y.at + s->y.n) : NULL;
    return TRB_OK;
}

/* Count a row that was read into place `to`. \return false if it is left out */
static bool keep(trb__rows *rows, trb__placing *r, size_t to, bool wanted, trb__samples *s)
{
    const int64_t row = (int64_t)rows->at++;
    if (r->left_out == NULL) return true;
    if (r->left_out[to]) {
        r->left_out[to] = false;
        s->n_dropped++;
        return false;
    }
    if (wanted) {
        memcpy(s->row.at + s->row.n, &row, sizeof row);
        s->row.n += sizeof row;
    }
    return true;
}

/* Move to the next row, in this piece or the next one. */
static trb_status next_line(pieces *t, bool *found)
{
    bool more = true;
    while (!(*found = trb__next_line(&t->c)) && more) TRB_TRY(trb__window_next(&t->w, &t->c, &more));
    return TRB_OK;
}

static trb_status next_rows(trb__rows *rows, size_t n, bool wanted, trb__samples *s, size_t *got)
{
    pieces *t = rows->of;
    trb__placing *r = &t->r;
    const bool reads = wanted || r->f->missing == TRB_MISSING_DROP;
    bool found = true;
    if (reads) TRB_TRY(reserve(r, n, s));
    for (*got = 0; *got < n;) {
        const size_t to = wanted ? *got : 0, before = s->key.n;
        TRB_TRY(next_line(t, &found));
        if (!found) break;
        if (wanted && t->key < r->plan.names.n) TRB_TRY(add_key(t, t->c, &s->key));
        if (reads) TRB_TRY(trb__table_put(r, &t->c, to));
        if (keep(rows, r, to, wanted, s))
            ++*got;
        else
            s->key.n = before;
    }
    s->n_missing += r->n_missing;
    r->n_missing = 0;
    rows->points = t->c.points > 0;
    rows->commas = t->c.commas > 0;
    if (wanted) {
        s->x.n += *got * r->schema->n_inputs * sizeof(float);
        s->y.n += r->plan.labelled ? *got * sizeof(int32_t) : 0;
        s->n += *got;
    }
    return *got < n ? trb__expect_decimals(&t->c) : TRB_OK;
}

static double share_of(const trb__rows *rows)
{
    const pieces *t = rows->of;
    return trb__source_share(&t->w.source);
}

static void close_rows(trb__rows *rows)
{
    pieces *t = rows->of;
    trb_free(t->r.left_out);
    trb__match_clear(&t->r.plan);
    trb__window_close(&t->w);
    trb_free(t);
}

trb_status trb__table_rows(const trb__unit *u, trb__samples *like, trb__rows *rows)
{
    trb_status st = TRB_OK;
    pieces *t = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, 1, sizeof *t, &t));
    t->r = (trb__placing){.f = u->of, .schema = u->of->schema};
    *rows = (trb__rows){.next = next_rows, .share = share_of, .close = close_rows, .of = t};
    TRB_GO(trb__window_open(u->path[0], u->of->separator, &t->w));
    TRB_GO(trb__table_match(&t->w.table, u->of, t->r.schema, &t->r.plan));
    TRB_GO(trb__samples_expect(like, u->path[0], TRB_F32, (trb_shape){t->r.schema->n_inputs, 1, 1}));
    TRB_GO(trb__samples_expect_labels(like, u->path[0], !t->r.plan.labelled));
    like->n_headerless += t->r.plan.headerless;
    t->key = find_key(&t->r.plan);
    const trb__names *names = &t->r.plan.names;
    if (t->key < names->n) rows->key = names->name != NULL ? names->name[t->key] : "";
    t->c = trb__table_begin(&t->w.table);
    if (names->skip) (void)trb__next_line(&t->c);
done:
    if (st != TRB_OK) close_rows(rows);
    return st;
}
