/* How arrays become samples, labels and targets: the order of an image's sizes, types, offsets, checks of values. */
#include "array.h"

#include <math.h>
#include <string.h>

#include "tribikos/alive.h"
#include "tribikos/log.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"

/* In front of every message: the file, and the array in it. */
#define PLACE "%s%s%s"
#define OF(a) (a)->path, (a)->name != NULL ? ": " : "", (a)->name != NULL ? (a)->name : ""

static size_t values_in_row(const trb__array *a)
{
    size_t n = 1;
    for (size_t d = 1; d < a->ndim; d++) n *= a->dim[d];
    return n;
}

/* "[60000][28][28]", for messages. */
static const char *extent(const trb__array *a, char text[140])
{
    trb_text t = trb_text_in(text, 140);
    for (size_t d = 0; d < a->ndim; d++) trb_text_add(&t, "[%zu]", a->dim[d]);
    return text;
}

/* ---- the order of an image's sizes */

/* As many channels as images usually have: grey, colours, colours and opacity. */
static bool usual(size_t channels)
{
    return channels == 1 || channels == 3 || channels == 4;
}

/* Whether n channels are few beside the sides of their image. */
static bool few(size_t n, size_t side, size_t other)
{
    return n <= side / 2 && n <= other / 2;
}

/* The layout of images [N][a][b][c], by the table of trb_axes; TRB_AXES_AUTO if their sizes do not tell. Both readings
 * have the same number of values, so a wrong guess would train without a word: in doubt there is none. Few channels
 * first need no further sign, because [N][C][H][W] is this program's own order. */
static trb_axes guess(size_t a, size_t b, size_t c)
{
    if (few(a, b, c)) return TRB_AXES_NCHW;
    if (few(c, a, b)) return (a - 1) / 3 < b && (b - 1) / 3 < a ? TRB_AXES_NHWC : TRB_AXES_AUTO;
    if (b == c && a != b && b > 1 && !usual(c)) return TRB_AXES_NCHW;
    if (a == b && c < a && !usual(a)) return TRB_AXES_NHWC;
    return TRB_AXES_AUTO;
}

static trb_status choose_layout(const trb_data_files *f, const trb__array *x, trb_axes *layout)
{
    const size_t *d = x->dim + 1;
    *layout = f->layout;
    if (*layout == TRB_AXES_AUTO && f->schema != NULL) *layout = f->schema->layout;
    if (x->layout != TRB_AXES_AUTO) *layout = x->layout;
    if (x->ndim != 4 || *layout != TRB_AXES_AUTO) return TRB_OK;
    *layout = guess(d[0], d[1], d[2]);
    if (*layout != TRB_AXES_AUTO) return TRB_OK;
    return trb_fail(TRB_EINPUT,
                    PLACE ": samples of %zu x %zu x %zu are %s of %zu x %zu pixels, or %zu x %zu pixels with %s; set "
                          "`data.layout` to nchw or to nhwc (`--data.layout=nhwc`)",
                    OF(x), d[0], d[1], d[2], TRB_COUNT(d[0], "channel"), d[1], d[2], d[0], d[1],
                    TRB_COUNT(d[2], "channel"));
}

/* What the samples of an array are, and how they are read. */
typedef struct {
    const trb__array *x;
    trb_shape shape;
    bool last; /* channels last: values are put into the order [C][H][W] */
    trb_dtype type;
    const trb_schema_input *input; /* [shape.c] offsets; NULL: none */
    bool predicted;                /* values may be not finite */
} plan;

static trb_status make_plan(const trb_data_files *f, const trb__array *x, const trb__array *y, plan *p)
{
    char text[140], other[140];
    trb_axes layout = TRB_AXES_AUTO;
    if (x->ndim == 1 && y != NULL && y->ndim > 2)
        return trb_fail(TRB_EINPUT,
                        PLACE ": expected samples, got %s, one value each, and samples %s where labels are expected "
                              "(%s); give samples first, then labels",
                        OF(x), extent(x, text), extent(y, other), y->path);
    if (x->ndim < 2 || x->ndim > 4)
        return trb_fail(TRB_EINPUT, PLACE ": expected [N][D], [N][H][W] or [N][C][H][W], got %zu dimensions: %s", OF(x),
                        x->ndim, extent(x, text));
    TRB_TRY(choose_layout(f, x, &layout));
    const size_t *d = x->dim;
    const trb_shape shapes[] = {{d[1], 1, 1}, {1, d[1], d[2]}, {d[1], d[2], d[3]}};
    *p = (plan){.x = x, .shape = shapes[x->ndim - 2], .type = x->type == TRB_U8 ? TRB_U8 : TRB_F32};
    p->predicted = f->predicted;
    p->last = x->ndim == 4 && layout == TRB_AXES_NHWC;
    if (p->last) p->shape = (trb_shape){d[3], d[1], d[2]};
    if (f->schema != NULL && f->schema->n_inputs == p->shape.c) p->input = f->schema->input;
    return TRB_OK;
}

/* Say once for a data set what was guessed, if it is not the layout of this program. */
static void say_layout(const trb__unit *u, const plan *p)
{
    const trb_data_files *f = u->of;
    const bool told = f->layout != TRB_AXES_AUTO || (f->schema != NULL && f->schema->layout != TRB_AXES_AUTO);
    char text[140];
    if (u->i > 0 || !p->last || told) return;
    trb_info_once(PLACE ": %s are taken for images of %zu x %zu pixels with the %s last (`data.layout: nhwc`)",
                  OF(p->x), extent(p->x, text), p->shape.h, p->shape.w, TRB_COUNT(p->shape.c, "channel"));
}

/* ---- reading by pieces */

/* Call `use` with all rows, piece by piece. */
static trb_status each_piece(const trb__array *a,
                             trb_status (*use)(void *ctx, size_t first, size_t n, const uint8_t *rows), void *ctx)
{
    trb_status st = TRB_OK;
    trb__bytes rows = {NULL, 0, 0};
    for (size_t first = 0, n = 0; first < a->dim[0]; first += n) {
        n = a->dim[0] - first < a->rows ? a->dim[0] - first : a->rows;
        rows.n = 0;
        TRB_GO(a->read(a, first, n, &rows));
        TRB_GO(use(ctx, first, n, rows.at));
        trb_alive();
    }
    if (a->end != NULL) st = a->end(a);
done:
    trb_free(rows.at);
    return st;
}

/* Room for `more` of the `all` bytes that an array still gives. If only its header says how many they are, memory grows
 * as they arrive. */
static trb_status grow(trb__bytes *b, size_t more, size_t all, bool sure)
{
    if (b->capacity - b->n >= more) return TRB_OK;
    const size_t twice = b->n > more ? b->n : more;
    return trb__bytes_room(b, sure || all < twice ? all : twice);
}

/* Values of any type as doubles. Only whole numbers beyond 2^53 lose digits. */
static void to_doubles(trb_dtype type, size_t n, const uint8_t *raw, double *to)
{
    const void *at = raw;
#define CASE(name, stored)                                                                                             \
    case name:                                                                                                         \
        for (size_t i = 0; i < n; i++) to[i] = (double)((const stored *)at)[i];                                        \
        break;
    switch (type) {
        CASE(TRB_U8, uint8_t)
        CASE(TRB_BOOL, uint8_t)
        CASE(TRB_I8, int8_t)
        CASE(TRB_U16, uint16_t)
        CASE(TRB_I16, int16_t)
        CASE(TRB_U32, uint32_t)
        CASE(TRB_I32, int32_t)
        CASE(TRB_U64, uint64_t)
        CASE(TRB_I64, int64_t)
        CASE(TRB_F32, float)
        CASE(TRB_F64, double)
    case TRB_F16:
        for (size_t i = 0; i < n; i++) {
            float value = 0.0F;
            trb_f32_from_f16(1, (const uint16_t *)at + i, &value);
            to[i] = (double)value;
        }
    }
#undef CASE
}

/* Whether float32 may lose digits of such values, so that they may need an offset. */
static bool is_wide(trb_dtype type)
{
    return type == TRB_F64 || type == TRB_I32 || type == TRB_U32 || type == TRB_I64 || type == TRB_U64;
}

/* ---- samples */

typedef struct {
    const plan *p;
    trb__samples *s;
    double *row;        /* [values of a row] */
    size_t total, done; /* bytes of all samples, and of those that were added */
} sampling;

/* In a stored row, the values of a channel begin at `first`, and each is `step` after the one before. */
static void walk(const plan *p, size_t channel, size_t *first, size_t *step)
{
    *first = p->last ? channel : channel * p->shape.h * p->shape.w;
    *step = p->last ? p->shape.c : 1;
}

static trb_status refuse_value(const plan *p, size_t i, size_t j, const char *why)
{
    return trb_fail(TRB_EINPUT, PLACE ": value %zu of row %zu %s", OF(p->x), j, i, why);
}

static trb_status convert_row(const sampling *w, size_t i, const uint8_t *raw, float *to)
{
    const plan *p = w->p;
    const size_t area = p->shape.h * p->shape.w;
    const bool whole = p->x->type == TRB_I64 || p->x->type == TRB_U64;
    to_doubles(p->x->type, p->shape.c * area, raw, w->row);
    for (size_t c = 0; c < p->shape.c; c++, to += area) {
        const double offset = p->input != NULL ? p->input[c].offset : 0.0;
        size_t first = 0, step = 0;
        walk(p, c, &first, &step);
        for (size_t k = 0; k < area; k++) {
            const double stored = w->row[first + k * step], value = stored - offset;
            to[k] = (float)value;
            if (!isfinite(to[k]) && !p->predicted)
                return refuse_value(p, i, first + k * step,
                                    isfinite(value) ? "is beyond what float32 can hold" : "is not finite");
            if (whole && fabs(stored) > 0x1p53)
                return refuse_value(p, i, first + k * step, "is beyond 2^53, where doubles lose digits");
        }
    }
    return TRB_OK;
}

static void copy_bytes(const plan *p, const uint8_t *row, uint8_t *to)
{
    const size_t area = p->shape.h * p->shape.w;
    for (size_t c = 0; c < p->shape.c; c++, to += area) {
        size_t first = 0, step = 0;
        walk(p, c, &first, &step);
        for (size_t k = 0; k < area; k++) to[k] = row[first + k * step];
    }
}

static trb_status add_samples(void *ctx, size_t first, size_t n, const uint8_t *rows)
{
    sampling *w = ctx;
    const plan *p = w->p;
    const size_t values = trb_shape_size(p->shape), stored = values * trb_dtype_bytes(p->x->type),
                 bytes = values * trb_dtype_bytes(p->type);
    TRB_TRY(grow(&w->s->x, n * bytes, w->total - w->done, p->x->sure));
    if (w->row == NULL && p->type == TRB_F32) TRB_TRY(trb_alloc(TRB_MEM_DATA, values, sizeof *w->row, &w->row));
    for (size_t i = 0; i < n; i++, rows += stored) {
        uint8_t *to = w->s->x.at + w->s->x.n;
        trb_alive_at(i);
        if (p->type == TRB_F32)
            TRB_TRY(convert_row(w, first + i, rows, (float *)(void *)to));
        else if (p->last)
            copy_bytes(p, rows, to);
        else
            memcpy(to, rows, bytes);
        w->s->x.n += bytes;
        w->done += bytes;
    }
    return TRB_OK;
}

static trb_status read_samples(const plan *p, trb__samples *s)
{
    const size_t values = trb_shape_size(p->shape);
    sampling w = {.p = p, .s = s};
    if (__builtin_mul_overflow(values * trb_dtype_bytes(p->type), p->x->dim[0], &w.total))
        return trb_fail(TRB_EINPUT, PLACE ": has more values than an address can hold", OF(p->x));
    const trb_status st = each_piece(p->x, add_samples, &w);
    trb_free(w.row);
    return st;
}

/* ---- labels and targets */

typedef struct {
    const trb__array *y;
    trb__samples *s;
    size_t end;    /* the row at which reading ends, for now */
    double offset; /* of targets */
    size_t named;  /* of labels: how many classes the schema names; 0: none */
    double *row;   /* [values of a row] */
} labelling;

static trb_status read_target(const labelling *w, size_t i, float *to)
{
    const double value = *w->row - w->offset;
    *to = (float)value;
    if (isfinite(*to)) return TRB_OK;
    return trb_fail(TRB_EINPUT, PLACE ": target of row %zu %s", OF(w->y), i,
                    isfinite(value) ? "is beyond what float32 can hold" : "is not finite");
}

/* The class that a label of the file stands for. */
static trb_status read_class(const labelling *w, size_t i, double label, int32_t *to)
{
    const trb__array *y = w->y;
    const size_t k = (size_t)label, known = y->class_of != NULL ? y->n_classes : w->named;
    if (known > 0 && k >= known)
        return trb_fail(TRB_EINPUT, PLACE ": label %zu in row %zu, but there are names of %s", OF(y), k, i,
                        TRB_COUNT(known, "class"));
    *to = y->class_of != NULL ? y->class_of[k] : (int32_t)k;
    return TRB_OK;
}

/* A label, or the place of the only 1 in a row of zeros. */
static trb_status read_label(const labelling *w, size_t i, int32_t *to)
{
    const size_t K = values_in_row(w->y);
    double label = *w->row;
    size_t ones = 0, zeros = 0;
    for (size_t k = 0; k < K && K > 1; k++) {
        const bool one = w->row[k] == 1.0;
        if (one) label = (double)k;
        ones += one;
        zeros += fpclassify(w->row[k]) == FP_ZERO;
    }
    if (K > 1 && (ones != 1 || zeros != K - 1))
        return trb_fail(TRB_EINPUT,
                        PLACE ": row %zu: expected one label, or %zu values of which one is 1 and all others "
                              "are 0 (one-hot), got %zu ones and %zu zeros",
                        OF(w->y), i, K, ones, zeros);
    if (!(label >= 0.0) || label >= TRB_LOSS_K_MAX || label != floor(label))
        return trb_fail(TRB_EINPUT, PLACE ": label %g in row %zu, expected a whole number from 0 to %d%s", OF(w->y),
                        label, i, TRB_LOSS_K_MAX - 1,
                        label != floor(label) ? "; for numbers to be predicted set `data.task: regression`"
                        : label == -1.0       ? "; store labels -1 and 1 as 0 and 1, (label + 1) / 2"
                        : label < 0.0         ? "; number the classes from 0"
                                              : "");
    return read_class(w, i, label, to);
}

static trb_status add_labels(void *ctx, size_t first, size_t n, const uint8_t *rows)
{
    labelling *w = ctx;
    const size_t K = values_in_row(w->y), bytes = K * trb_dtype_bytes(w->y->type);
    TRB_TRY(grow(&w->s->y, n * sizeof(int32_t), (w->end - first) * sizeof(int32_t), w->y->sure));
    if (w->row == NULL) TRB_TRY(trb_alloc(TRB_MEM_DATA, K, sizeof *w->row, &w->row));
    for (size_t i = 0; i < n; i++, rows += bytes) {
        void *to = w->s->y.at + w->s->y.n;
        to_doubles(w->y->type, K, rows, w->row);
        TRB_TRY(w->s->task == TRB_TASK_CLASSES ? read_label(w, first + i, to) : read_target(w, first + i, to));
        w->s->y.n += sizeof(int32_t);
    }
    return TRB_OK;
}

static trb_status check_labels(const trb__array *x, const trb__array *y, trb_task task)
{
    char text[140];
    if (y->ndim > 2 || (task == TRB_TASK_REGRESSION && values_in_row(y) > 1))
        return trb_fail(TRB_EINPUT, PLACE ": expected one %s a row: [N]%s, got %s", OF(y),
                        task == TRB_TASK_CLASSES ? "label" : "target",
                        task == TRB_TASK_CLASSES ? ", [N][1], or one-hot [N][classes]" : " or [N][1]", extent(y, text));
    if (y->dim[0] == x->dim[0]) return TRB_OK;
    return trb_fail(TRB_EINPUT, PLACE ": %s, but %s in " PLACE, OF(y),
                    TRB_COUNT(y->dim[0], task == TRB_TASK_CLASSES ? "label" : "target"), TRB_COUNT(x->dim[0], "sample"),
                    OF(x));
}

static void label_by(const trb_schema *s, labelling *w)
{
    w->offset = s != NULL ? s->target_offset : 0.0;
    w->named = s != NULL ? s->n_classes : 0;
}

static trb_status read_labels(const trb_data_files *f, const trb__array *y, trb__samples *s)
{
    labelling w = {.y = y, .s = s, .end = y->dim[0]};
    label_by(f->schema, &w);
    const trb_status st = each_piece(y, add_labels, &w);
    trb_free(w.row);
    return st;
}

trb_status trb__arrays_read(const trb__unit *u, trb__arrays_open *open, trb__samples *s)
{
    trb_status st = TRB_OK;
    trb__arrays a = {.labelled = false};
    plan p;
    TRB_TRY(open(u, &a));
    const trb__array *y = a.labelled ? &a.y : NULL;
    TRB_GO(make_plan(u->of, &a.x, y, &p));
    say_layout(u, &p);
    TRB_GO(trb__samples_expect(s, a.x.path, p.type, p.shape));
    TRB_GO(trb__samples_expect_labels(s, a.x.path, y == NULL));
    if (y != NULL) TRB_GO(check_labels(&a.x, y, s->task));
    TRB_GO(read_samples(&p, s));
    if (y != NULL) TRB_GO(read_labels(u->of, y, s));
    s->n += a.x.dim[0];
done:
    a.close(&a);
    return st;
}

/* ---- rows, piece by piece */

typedef struct {
    trb__arrays a;
    plan p;
    sampling x;
    labelling y;
    trb__bytes raw; /* rows as they are stored */
} pieces;

/* Read rows [first, first + n) of an array, or pass over them. */
static trb_status take_rows(const trb__array *a, size_t first, size_t n, bool wanted, trb__bytes *raw)
{
    raw->n = 0;
    if (wanted) return a->read(a, first, n, raw);
    return a->skip != NULL ? a->skip(a, n) : TRB_OK;
}

static trb_status expect_ends(const trb__arrays *a)
{
    if (a->x.end != NULL) TRB_TRY(a->x.end(&a->x));
    return a->labelled && a->y.end != NULL ? a->y.end(&a->y) : TRB_OK;
}

static trb_status next_rows(trb__rows *r, size_t n, bool wanted, trb__samples *s, size_t *got)
{
    pieces *t = r->of;
    const size_t first = r->at, left = t->a.x.dim[0] - first, rows = n < left ? n : left;
    *got = 0;
    TRB_TRY(take_rows(&t->a.x, first, rows, wanted, &t->raw));
    t->x.s = t->y.s = s;
    t->x.done = 0;
    t->x.total = rows * trb_shape_size(t->p.shape) * trb_dtype_bytes(t->p.type);
    t->y.end = first + rows;
    if (wanted && rows > 0) TRB_TRY(add_samples(&t->x, first, rows, t->raw.at));
    if (t->a.labelled) TRB_TRY(take_rows(&t->a.y, first, rows, wanted, &t->raw));
    if (t->a.labelled && wanted && rows > 0) TRB_TRY(add_labels(&t->y, first, rows, t->raw.at));
    if (wanted) s->n += rows;
    r->at += rows;
    *got = rows;
    trb_alive();
    return rows < n ? expect_ends(&t->a) : TRB_OK;
}

static double share_of(const trb__rows *r)
{
    const pieces *t = r->of;
    return (double)r->at / (double)t->a.x.dim[0];
}

static void close_rows(trb__rows *r)
{
    pieces *t = r->of;
    t->a.close(&t->a);
    trb_free(t->raw.at);
    trb_free(t->x.row);
    trb_free(t->y.row);
    trb_free(t);
}

trb_status trb__arrays_rows(const trb__unit *u, trb__arrays_open *open, trb__samples *like, trb__rows *r)
{
    trb_status st = TRB_OK;
    pieces *t = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, 1, sizeof *t, &t));
    st = open(u, &t->a);
    if (st != TRB_OK) {
        trb_free(t);
        return st;
    }
    const trb__array *y = t->a.labelled ? &t->a.y : NULL;
    *r = (trb__rows){.next = next_rows, .share = share_of, .close = close_rows, .of = t};
    TRB_GO(make_plan(u->of, &t->a.x, y, &t->p));
    say_layout(u, &t->p);
    TRB_GO(trb__samples_expect(like, t->a.x.path, t->p.type, t->p.shape));
    TRB_GO(trb__samples_expect_labels(like, t->a.x.path, y == NULL));
    if (y != NULL) TRB_GO(check_labels(&t->a.x, y, u->of->task));
    t->x.p = &t->p;
    t->y.y = y;
    label_by(u->of->schema, &t->y);
done:
    if (st != TRB_OK) close_rows(r);
    return st;
}

/* ---- what the training files decide */

/* What is known after some of the units. */
typedef struct {
    size_t channels;
    trb_axes layout;
    trb__spread *channel; /* [channels]; NULL: no samples of a wide type yet */
    trb__spread target;
} findings;

typedef struct {
    const trb__array *a;
    const plan *p; /* samples only */
    findings *found;
    double *row; /* [values of a row] */
} measuring;

static trb_status measure(void *ctx, size_t from, size_t n, const uint8_t *rows)
{
    measuring *w = ctx;
    const size_t values = values_in_row(w->a), bytes = values * trb_dtype_bytes(w->a->type);
    const size_t channels = w->p != NULL ? w->found->channels : 1;
    (void)from;
    if (w->row == NULL) TRB_TRY(trb_alloc(TRB_MEM_DATA, values, sizeof *w->row, &w->row));
    if (w->p != NULL && w->found->channel == NULL)
        TRB_TRY(trb_alloc(TRB_MEM_DATA, w->found->channels, sizeof *w->found->channel, &w->found->channel));
    for (size_t i = 0; i < n; i++, rows += bytes) {
        trb_alive_at(i);
        to_doubles(w->a->type, values, rows, w->row);
        for (size_t c = 0; c < channels; c++) {
            size_t first = 0, step = 1;
            if (w->p != NULL) walk(w->p, c, &first, &step);
            trb__spread *m = w->p != NULL ? &w->found->channel[c] : &w->found->target;
            for (size_t k = 0; k < values / channels; k++) trb__spread_add(m, w->row[first + k * step]);
        }
    }
    return TRB_OK;
}

/* Note the values of samples (with a plan) or of targets. */
static trb_status take_spread(const trb__array *a, const plan *p, findings *found)
{
    measuring w = {.a = a, .p = p, .found = found};
    const trb_status st = is_wide(a->type) ? each_piece(a, measure, &w) : TRB_OK;
    trb_free(w.row);
    return st;
}

static trb_status survey_unit(const trb__unit *u, const trb__arrays *a, findings *found)
{
    const trb__array *y = a->labelled ? &a->y : NULL;
    plan p;
    TRB_TRY(make_plan(u->of, &a->x, y, &p));
    say_layout(u, &p);
    if (u->i == 0) found->channels = p.shape.c;
    if (u->i == 0 && a->x.ndim == 4) found->layout = p.last ? TRB_AXES_NHWC : TRB_AXES_NCHW;
    if (y != NULL) TRB_TRY(check_labels(&a->x, y, u->of->task));
    /* The reader will refuse samples of other shapes, and name both files. */
    if (p.shape.c == found->channels) TRB_TRY(take_spread(&a->x, &p, found));
    return y != NULL && u->of->task == TRB_TASK_REGRESSION ? take_spread(y, NULL, found) : TRB_OK;
}

static trb_status conclude(const findings *found, trb_schema *s)
{
    bool any = false;
    s->layout = found->layout;
    s->target_offset = trb__spread_offset(&found->target);
    for (size_t c = 0; found->channel != NULL && c < found->channels; c++)
        any = any || fabs(trb__spread_offset(&found->channel[c])) > 0.0;
    if (!any) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_DATA, found->channels, sizeof *s->input, &s->input));
    s->n_inputs = found->channels;
    for (size_t c = 0; c < s->n_inputs; c++)
        s->input[c] = (trb_schema_input){.offset = trb__spread_offset(&found->channel[c]), .fill = (double)NAN};
    return TRB_OK;
}

trb_status trb__arrays_survey(const trb_data_files *f, trb__arrays_open *open, trb_schema *s)
{
    trb_status st = TRB_OK;
    trb_data_files files = *f;
    findings found = {.layout = TRB_AXES_AUTO};
    size_t width = 0, n = 0;
    files.schema = NULL;
    TRB_GO(trb__data_units(&files, &width, &n));
    for (size_t i = 0; i < n && st == TRB_OK; i++) {
        trb__unit u;
        trb__arrays a = {.labelled = false};
        st = trb__unit_open(&files, width, i, &u);
        if (st == TRB_OK) st = open(&u, &a);
        if (st == TRB_OK) {
            st = survey_unit(&u, &a, &found);
            a.close(&a);
        }
        trb__unit_close(&u);
    }
    if (st == TRB_OK) st = conclude(&found, s);
done:
    trb_free(found.channel);
    return st;
}
