/* The stage that predicts new samples. stages.h says what it writes.
 *
 * Work units are groups of blocks: a block is one call of each network, and a group is what a rank reads at once. Both
 * follow from the configuration and the shapes alone. In a turn each rank takes one group:
 *
 *   every rank   reads and predicts its group, passes over those of the others; then all agree
 *   rank 0       gathers the rows of the turn, writes group after group; a failure is known at the next agreement
 *
 * All ranks pass over all rows, so all know when the input ends, and no message says who does what. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "predict.h"
#include "tribikos/fault.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/metrics_gaussian.h"
#include "tribikos/number.h"
#include "tribikos/stop.h"

enum { SUMS = TRB__PREDICT_SUMS };

typedef struct {
    trb_comm *world;
    const trb_config *c;
    const trb_prediction_request *q;
    size_t rank, P;
    trb__predictor model;
    trb_data_files files;
    trb__matches names;
    trb_schema schema; /* its texts are those of the network, its inputs perhaps its own */
    bool own_inputs;
    trb_data_stream *stream;
    size_t batch, group;    /* rows of a block, rows of a group */
    trb__columns mine, all; /* all: of rank 0, for one turn */
    size_t *got;            /* [P] rows of each group of this turn */
    trb__block block;
    int64_t *place;          /* [group] 0, 1, 2, ... */
    double *sums, *sums_all; /* [blocks of a group][SUMS], [P] of these at rank 0 */
    double total[TRB_METRIC_SUMS];
    size_t lost;        /* rows without a prediction; at rank 0, as the next two */
    int64_t first_lost; /* the first of them */
    bool lost_input;    /* which has an input that is not finite */
    trb_text text;      /* the group's lines */
    char *gathered;
    size_t room; /* bytes of `gathered` */
    bool csv;
    trb_file_writer *writer;
    trb_h5 *h5;
    size_t n; /* rows so far */
    trb_progress progress;
} job;

/* ---- the input */

/* The column of the target, where only its number is known: the one that the key names, or the last one. */
static bool target_of(const trb_config *c, size_t D, size_t *column)
{
    const char *text = c->data.target;
    char *end = NULL;
    const long i = strtol(text, &end, 10);
    *column = D;
    if (text[0] == '\0') return true;
    if (*end != '\0' || i > (long)D || -i > (long)D + 1) return false;
    *column = i < 0 ? D + 1 - (size_t)-i : (size_t)i;
    return true;
}

/* A network that was trained on a table without names has no schema: its inputs are numbers, in the order of their
 * columns. */
static trb_status number_inputs(job *j)
{
    const size_t D = trb_shape_size(j->model.norm.shape);
    trb_schema *s = &j->schema;
    /* A weights file of an earlier version has no schema where columns stand in another order either. */
    const bool told = j->q->of_run || j->c->data.target[0] != '\0';
    const bool known = told && target_of(j->c, D, &s->target_column) && j->c->data.n_features + j->c->data.n_drop == 0;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, D, sizeof *s->input, &s->input));
    j->own_inputs = true;
    s->n_inputs = D;
    s->n_columns = known ? D + 1 : 0;
    for (size_t i = 0; i < D; i++)
        s->input[i] = (trb_schema_input){.fill = NAN, .column = known && i >= s->target_column ? i + 1 : i};
    return TRB_OK;
}

/* `data.target: none` can mean the training files, which say nothing of labels in the input. */
static bool ignores_labels(const job *j)
{
    return strcmp(j->c->data.target, "none") == 0 && j->schema.target_column != TRB_NO_COLUMN;
}

static trb_status describe_files(job *j)
{
    const trb_config *c = j->c;
    const bool table = c->data.format == TRB_FORMAT_TABLE;
    j->schema = j->model.net[0].schema;
    if (table && j->schema.n_inputs == 0) TRB_TRY(number_inputs(j));
    if (!table && j->schema.layout == TRB_AXES_AUTO)
        j->schema.layout = TRB_AXES_NCHW; /* it says only what is unusual */
    j->files = (trb_data_files){.task = j->model.net[0].task,
                                .format = c->data.format == TRB_FORMAT_IMAGES ? TRB_FORMAT_HDF5 : c->data.format,
                                .root = "",
                                .n_files = j->q->n_inputs,
                                .files = j->q->inputs,
                                .header = c->data.header,
                                .separator = trb__separator(c),
                                .missing = c->data.missing,
                                .labels = ignores_labels(j) ? TRB_LABELS_IGNORED : TRB_LABELS_IF_THERE,
                                .predicted = true,
                                .labels_from = c->data.labels_from,
                                .layout = c->data.layout,
                                .x = c->data.x,
                                .y = c->data.y,
                                .schema = &j->schema};
    return TRB_OK;
}

static trb_status check_input(const job *j)
{
    const trb_data *d = trb_stream_like(j->stream);
    const trb_shape is = d->shape, asked = j->model.norm.shape;
    if (trb_shape_same(is, asked)) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s: samples of %zu x %zu x %zu, but %s takes samples of %zu x %zu x %zu",
                    j->files.files[0], is.c, is.h, is.w, j->model.name, asked.c, asked.h, asked.w);
}

static void say_input(const job *j)
{
    const trb_data *d = trb_stream_like(j->stream);
    const char *key = trb_stream_key(j->stream);
    char shape[80];
    if (d->shape.h == 1 && d->shape.w == 1)
        (void)snprintf(shape, sizeof shape, "%zu %s inputs", d->shape.c, trb_dtype_name(d->type));
    else
        (void)snprintf(shape, sizeof shape, "%zu x %zu x %zu %s", d->shape.c, d->shape.h, d->shape.w,
                       trb_dtype_name(d->type));
    trb_info("predict: samples of %s, %s; by %s, %zu %s%s", shape,
             trb_stream_labelled(j->stream) ? "with labels" : "without labels", j->model.name, j->model.M,
             j->model.all != NULL ? "member" : "head", j->model.M == 1 ? "" : "s");
    if (j->model.why_not != NULL)
        trb_info("predict: no `calibrated` probabilities of the ensemble: %s; `tribikos eval` fits its temperature on "
                 "held-out samples (data.validation)",
                 j->model.why_not);
    if (key != NULL && !j->csv)
        trb_info("predict: the names of rows (column `%s`) are kept in CSV only; in HDF5 `id` is the number of the row",
                 key);
    if (!j->q->of_run && j->files.task == TRB_TASK_CLASSES && j->schema.n_classes == 0 && j->c->data.labels_from == 0)
        trb_warn("labels count from 0; --data.labels_from=1 if the training files count from 1");
    if (d->n_headerless > 0)
        trb_warn("%s %s, so columns are taken in the order of the training files", j->files.files[0],
                 j->schema.header ? "has no header, unlike the training files"
                                  : "has a header, unlike the training files");
}

/* ---- one group */

static trb_status check_labels(const job *j, const trb_stream_rows *r)
{
    const trb_data *d = &r->data;
    if (d->label == NULL || d->classes <= j->model.K) return TRB_OK;
    size_t i = 0;
    while ((size_t)d->label[i] < j->model.K) i++;
    return trb_fail(TRB_EINPUT,
                    "row %" PRId64 " of the input has label %zu, but %s knows labels %zu to %zu; --data.labels_from "
                    "says from which number labels count",
                    r->id[i], (size_t)d->label[i] + d->labels_from, j->model.name, d->labels_from,
                    d->labels_from + j->model.K - 1);
}

/* Predict the rows of this rank's group. */
static trb_status predict_group(job *j, trb_stream_rows *r)
{
    trb_data *d = &r->data;
    TRB_TRY(check_labels(j, r));
    d->mean = j->model.norm.mean;
    d->scale = j->model.norm.scale;
    for (size_t at = 0; at < d->n; at += j->batch) {
        const size_t rows = d->n - at < j->batch ? d->n - at : j->batch;
        TRB_TRY(trb_fault("eval.unit"));
        TRB_TRY(trb_stop_check());
        trb_data_rows(d, rows, j->place + at, j->block.x);
        TRB_TRY(trb__block_predict(&j->block, r, at, rows, j->sums + at / j->batch * SUMS));
        trb_stop_progress();
        trb_comm_phase("predicting, rows", j->n + at);
    }
    memcpy(j->mine.id, r->id, d->n * sizeof *r->id);
    if (!j->csv) return TRB_OK;
    j->text.n = 0;
    trb__columns_lines(&j->mine, d->n, r->key, &j->text);
    return j->text.st;
}

/* Take this rank's group of a turn, and pass over the others. */
static trb_status take_turn(job *j, bool *ended)
{
    trb_stream_rows rows;
    j->text.n = 0;
    memset(j->got, 0, j->P * sizeof *j->got);
    for (size_t p = 0; p < j->P && !*ended; p++) {
        TRB_TRY(trb_stream_next(j->stream, j->group, &j->got[p], p == j->rank ? &rows : NULL));
        *ended = j->got[p] < j->group;
        if (p == j->rank && j->got[p] > 0) TRB_TRY(predict_group(j, &rows));
    }
    return TRB_OK;
}

/* ---- the output */

static const char *ending(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash == NULL ? path : slash, '.');
    return dot == NULL ? "" : dot;
}

static trb_status choose_output(job *j)
{
    const char *path = j->q->output, *end = path == NULL ? ".csv" : ending(path);
    j->csv = strcmp(end, ".csv") == 0;
    if (j->csv || strcmp(end, ".h5") == 0 || strcmp(end, ".hdf5") == 0) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "command line: `--output`: expected a name that ends in .csv or .h5, got `%s`", path);
}

static trb_status put_text(job *j, const char *text, size_t n)
{
    return j->writer != NULL ? trb_writer_add(j->writer, text, n) : j->q->put(text, n);
}

static trb_status make_sets(const job *j)
{
    const char *schema = j->model.net[0].info.schema;
    TRB_TRY(trb_h5_put_text(j->h5, "format", "tribikos predictions"));
    TRB_TRY(trb_h5_put_text(j->h5, "model", j->model.name));
    if (schema[0] != '\0') TRB_TRY(trb_h5_put_text(j->h5, "schema", schema));
    for (size_t i = 0; i < j->mine.n; i++) {
        const trb__column *c = &j->mine.column[i];
        const trb_h5_shape shape = {c->type, 1 + c->ndim, {0, c->dim[0], c->dim[1]}};
        TRB_TRY(trb_h5_make(j->h5, c->name, shape,
                            (trb_h5_layout){.chunk_rows = j->group, .fletcher32 = true, .grows = true}));
    }
    return TRB_OK;
}

/* Rank 0: begin the output. */
static trb_status open_output(job *j)
{
    const char *path = j->q->output;
    if (path != NULL) {
        TRB_TRY(trb_file_not_among(path, j->files.n_files, j->files.files));
        TRB_TRY(trb_file_not_among(path, 1, (char *const[]){(char *)(uintptr_t)j->q->source}));
        TRB_TRY(trb_file_may_write(path, j->q->force));
        trb_file_sweep(path);
        TRB_TRY(j->csv ? trb_writer_open(path, &j->writer) : trb_h5_create(path, &j->h5));
    }
    if (!j->csv) return make_sets(j);
    trb__columns_header(&j->mine, trb_stream_key(j->stream), &j->text);
    TRB_TRY(j->text.st);
    return put_text(j, j->text.at, j->text.n);
}

/* Gather the lines of a turn, and write them. Collective over world; a failure to write is not agreed. */
static trb_status write_lines(job *j, trb_status *written)
{
    const double mine = (double)j->text.n;
    double *each = NULL, sum = 0.0;
    trb_status st = trb_agree(j->world, trb_alloc(TRB_MEM_OTHER, j->P, sizeof *each, &each));
    if (st == TRB_OK) st = trb_comm_allgather(j->world, &mine, 1, each);
    for (size_t p = 0; st == TRB_OK && p < j->P; p++) sum += each[p];
    trb_free(each);
    TRB_TRY(st);
    const size_t bytes = (size_t)sum;
    if (j->rank == 0 && bytes > j->room) {
        trb_free(j->gathered);
        j->gathered = NULL;
        st = trb_alloc(TRB_MEM_OTHER, bytes, 1, &j->gathered);
        j->room = st == TRB_OK ? bytes : 0;
    }
    TRB_TRY(trb_agree(j->world, st));
    TRB_TRY(trb_comm_gather(j->world, j->text.at, j->text.n, 1, j->gathered));
    *written = j->rank == 0 ? put_text(j, j->gathered, bytes) : TRB_OK;
    return TRB_OK;
}

/* Gather the columns of a turn, and write them group after group, so that the calls of HDF5, and the bytes of the file,
 * do not depend on how many ranks there are. Collective as above. */
static trb_status write_columns(job *j, trb_status *written)
{
    for (size_t i = 0; i < j->mine.n; i++) {
        const trb__column *c = &j->mine.column[i];
        TRB_TRY(trb_comm_gather(j->world, c->at, j->got[j->rank], c->width * trb_dtype_bytes(c->type),
                                j->all.column[i].at));
    }
    size_t first = 0;
    for (size_t p = 0; j->rank == 0 && p < j->P; first += j->got[p++])
        for (size_t i = 0; i < j->mine.n && j->got[p] > 0 && *written == TRB_OK; i++) {
            const trb__column *c = &j->all.column[i];
            *written = trb_h5_write_rows(j->h5, c->name, j->n + first, j->got[p],
                                         (const char *)c->at + first * c->width * trb_dtype_bytes(c->type));
        }
    return TRB_OK;
}

static void add_block(job *j, const double *sums)
{
    for (size_t i = 0; i < TRB__PREDICT_LOST; i++) j->total[i] += sums[i];
    if (j->lost == 0) {
        j->first_lost = (int64_t)sums[TRB__PREDICT_LOST_FIRST];
        j->lost_input = sums[TRB__PREDICT_LOST_INPUT] > 0.0;
    }
    j->lost += (size_t)sums[TRB__PREDICT_LOST];
}

/* Add up the sums of a turn in the order of its blocks. Collective over world. */
static trb_status add_sums(job *j)
{
    size_t blocks = 0, all = 0;
    for (size_t p = 0; p < j->P; p++) {
        const size_t n = (j->got[p] + j->batch - 1) / j->batch;
        all += n;
        if (p == j->rank) blocks = n;
    }
    TRB_TRY(trb_comm_gather(j->world, j->sums, blocks, SUMS * sizeof *j->sums, j->sums_all));
    for (size_t b = 0; j->rank == 0 && b < all; b++) add_block(j, j->sums_all + b * SUMS);
    return TRB_OK;
}

static void say_progress(job *j)
{
    char rows[TRB_NUMBER_BYTES], state[TRB_NUMBER_BYTES + 8];
    if (!trb_progress_due(&j->progress)) return;
    (void)snprintf(state, sizeof state, "%s rows", trb_number_grouped(j->n, rows));
    trb_progress_share(&j->progress, trb_stream_share(j->stream), 0.0, state);
}

/* Collective over world; the status is agreed. */
static trb_status predict_all(job *j)
{
    trb_status written = TRB_OK;
    for (bool ended = false; !ended;) {
        const trb_status taken = take_turn(j, &ended);
        TRB_TRY(trb_agree_on_files(j->world, written != TRB_OK ? written : taken));
        TRB_TRY(trb_comm_same(j->world, trb_hash_bytes(j->got, j->P * sizeof *j->got), "the rows of the input"));
        TRB_TRY(j->csv ? write_lines(j, &written) : write_columns(j, &written));
        TRB_TRY(add_sums(j));
        for (size_t p = 0; p < j->P; p++) j->n += j->got[p];
        j->progress.done = j->n;
        say_progress(j);
    }
    return trb_agree(j->world, written);
}

/* What only all readers together know of the input. Collective over world; the status is agreed. */
static trb_status check_together(job *j)
{
    const size_t n = trb_stream_units(j->stream);
    double *points = NULL;
    TRB_TRY(trb_agree(j->world, trb_alloc(TRB_MEM_OTHER, 2 * n + 1, sizeof *points, &points)));
    trb_stream_decimals(j->stream, points, points + n);
    points[2 * n] = (double)trb_stream_like(j->stream)->n_missing; /* those of this rank's rows */
    trb_status st = trb_comm_fill(j->world, points, 2 * n + 1);
    if (st == TRB_OK) st = trb_stream_expect_decimals(j->stream, points, points + n);
    if (st == TRB_OK && points[2 * n] > 0.0)
        trb_info("predict: %.0f missing values are replaced by means of the training files", points[2 * n]);
    if (st == TRB_OK && trb_stream_like(j->stream)->n_dropped > 0) /* all ranks look at all rows then */
        trb_info("predict: %zu rows with missing values are left out", trb_stream_like(j->stream)->n_dropped);
    trb_free(points);
    if (st == TRB_OK && j->n == 0)
        st = trb_fail(TRB_EINPUT, "%s: no rows are left%s", j->files.files[0],
                      trb_stream_like(j->stream)->n_dropped > 0 ? ": values are missing in all of them" : "");
    return trb_agree_on_files(j->world, st);
}

static trb_status publish(job *j)
{
    trb_file_writer *writer = j->writer;
    trb_h5 *h5 = j->h5;
    j->writer = NULL;
    j->h5 = NULL;
    if (writer != NULL) return trb_writer_publish(writer);
    return h5 != NULL ? trb_h5_publish(h5) : TRB_OK;
}

static void warn_of_lost(const job *j)
{
    char rows[TRB_NUMBER_BYTES];
    if (j->lost == 0) return;
    trb_warn("%s of %s %s no prediction, the first is row %" PRId64 " of the input, counted from 0: %s. %s",
             trb_number_grouped(j->lost, rows), TRB_COUNT(j->n, "row"), j->lost == 1 ? "has" : "have", j->first_lost,
             j->lost_input ? "it has a value that is not finite, or that float32 cannot hold"
                           : "the network's outputs are not finite",
             j->csv ? "Such rows have empty fields" : "Such rows have NaN as their numbers, and -1 as their label");
}

/* The last line: so that a mistake in the input shows. At rank 0. */
static void say_figures(const job *j)
{
    char rows[TRB_NUMBER_BYTES], nll[TRB_NUMBER_BYTES];
    const size_t n = j->n - j->lost;
    if (!trb_stream_labelled(j->stream) || n == 0) return;
    (void)trb_number_grouped(n, rows);
    if (j->files.task == TRB_TASK_REGRESSION) {
        const trb_metrics m = trb_metrics_gaussian_from(1, j->total, n);
        trb_notice("predict: by the targets of the input: RMSE %.6g, NLL %.6g (%s rows)", m.rmse, m.nll, rows);
        return;
    }
    const trb_metrics m = trb_metrics_from(1, j->total, n, 1);
    trb_notice("predict: by the labels of the input: accuracy %.4f, NLL %s (%s rows)", m.accuracy,
               trb_number_figure(m.nll, 4, nll), rows);
}

/* ---- the stage */

/* A group has a quarter of a megabyte of input or of output, and at least one block. */
static void choose_group(job *j)
{
    enum { BYTES = 1 << 18, MOST = 64 };
    const size_t in = trb_shape_size(j->model.norm.shape) * sizeof(float),
                 out = (j->q->heads ? j->model.M + 1 : 1) * j->model.K * sizeof(float) + 64;
    const size_t blocks = BYTES / ((in > out ? in : out) * j->batch);
    j->group = (blocks < 1 ? 1 : blocks > MOST ? MOST : blocks) * j->batch;
}

static trb_status reserve(job *j)
{
    const size_t blocks = j->group / j->batch, from = j->csv ? 0 : j->c->data.labels_from; /* CSV has names */
    const bool leads = j->rank == 0;
    TRB_TRY(trb__columns_open(&j->model, j->group, j->c->data.labels_from, j->q->heads, &j->mine));
    if (leads && !j->csv)
        TRB_TRY(trb__columns_open(&j->model, j->P * j->group, j->c->data.labels_from, j->q->heads, &j->all));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, j->P, sizeof *j->got, &j->got));
    TRB_TRY(trb__block_open(&j->model, &j->mine, j->batch, from, &j->block));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, j->group, sizeof *j->place, &j->place));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, blocks * SUMS, sizeof *j->sums, &j->sums));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, leads ? j->P * blocks * SUMS : 0, sizeof *j->sums_all, &j->sums_all));
    for (size_t i = 0; i < j->group; i++) j->place[i] = (int64_t)i;
    return TRB_OK;
}

static trb_status prepare(job *j)
{
    TRB_TRY(choose_output(j));
    if (j->rank == 0 && j->q->output != NULL) TRB_TRY(trb_file_may_write(j->q->output, j->q->force));
    TRB_TRY(trb__predictor_open(j->c, j->q, &j->model));
    j->batch = j->c->eval.batch;
    choose_group(j);
    TRB_TRY(describe_files(j));
    return reserve(j);
}

/* Ranks may see other folders under the same name. Collective over world. */
static trb_status compare_weights(const job *j)
{
    uint64_t h = 0;
    for (size_t i = 0; i < j->model.n; i++)
        h = trb_hash_bytes((const uint64_t[2]){h, j->model.net[i].info.digest}, 2 * sizeof h);
    h = trb_hash_bytes(&j->model.b, sizeof j->model.b) ^ h; /* that of an ensemble is read from its report */
    return trb_comm_same(j->world, h, "the weights");
}

static trb_status open_input(job *j)
{
    TRB_TRY(trb_stream_open(&j->files, &j->stream));
    return check_input(j);
}

static void release(job *j)
{
    trb_h5_close(j->h5);
    trb_writer_close(j->writer);
    trb_stream_close(j->stream);
    trb__matches_clear(&j->names);
    if (j->own_inputs) trb_free(j->schema.input);
    trb_text_clear(&j->text);
    trb__columns_clear(&j->all);
    trb__columns_clear(&j->mine);
    trb_free(j->gathered);
    trb_free(j->sums_all);
    trb_free(j->sums);
    trb_free(j->place);
    trb__block_close(&j->block);
    trb_free(j->got);
    trb__predictor_close(&j->model);
}

trb_status trb_stage_predict(trb_comm *world, const trb_config *c, const trb_prediction_request *q)
{
    job j = {.world = world, .c = c, .q = q, .rank = (size_t)trb_comm_rank(world), .P = (size_t)trb_comm_size(world)};
    trb_status st = TRB_OK;
    TRB_GO(trb_agree(world, prepare(&j)));
    TRB_GO(compare_weights(&j));
    TRB_GO(trb__files_match(world, &j.files, &j.names));
    TRB_GO(trb_agree_on_files(world, open_input(&j)));
    say_input(&j);
    TRB_GO(trb_agree(world, j.rank == 0 ? open_output(&j) : TRB_OK));
    trb_progress_begin(&j.progress, 0, "rows", "predict");
    TRB_GO(predict_all(&j));
    TRB_GO(check_together(&j));
    TRB_GO(trb_agree(world, j.rank == 0 ? publish(&j) : TRB_OK));
    trb_progress_end(&j.progress, "");
    if (j.rank == 0) warn_of_lost(&j);
    if (j.rank == 0) say_figures(&j);
done:
    release(&j);
    return st;
}
