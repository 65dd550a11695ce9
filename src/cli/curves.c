/* `tribikos export RUN --format=tensorboard|csv`: what metrics.jsonl says of each training, as event files of TensorBoard
 * or as one table.
 *
 * An event file is a sequence of records: the length of the data (8 bytes), its checksum, the data, their checksum. The
 * data are a message of protobuf, Event of tensorflow/core/util/event.proto. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "tribikos/buffer.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"
#include "tribikos/tree.h"

/* The metrics of one training while its lines are read. Steps count over all phases. */
typedef struct {
    char *path, *model; /* RUN/members/m000/metrics.jsonl, members/m000 */
    trb_buffer events;
    bool begun;
    double phase, steps, before; /* of the last line; before: steps of the earlier phases */
    double seconds;              /* sum of what epochs took, if the lines say it */
} curve;

typedef struct {
    size_t n;
    curve *curve;
    trb_text table;
} curves;

/* ---- event files */

/* CRC-32C, masked as the format has it. */
static uint32_t checksum(const void *from, size_t n)
{
    const unsigned char *at = from;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    }
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

static void put_record(trb_buffer *file, trb_buffer *event)
{
    const uint64_t n = event->n;
    const uint32_t of_length = checksum(&n, sizeof n), of_data = checksum(event->at, event->n);
    if (file->st == TRB_OK) file->st = event->st;
    trb_buffer_add(file, &n, sizeof n);
    trb_buffer_add(file, &of_length, sizeof of_length);
    trb_buffer_add(file, event->at, event->n);
    trb_buffer_add(file, &of_data, sizeof of_data);
    trb_buffer_clear(event);
}

enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5 };

static void put_version(trb_buffer *file)
{
    trb_buffer event = {0};
    trb_buffer_double(&event, EVENT_WALL_TIME, 0.0);
    trb_buffer_text(&event, EVENT_VERSION, "brain.Event:2");
    put_record(file, &event);
}

static void put_value(trb_buffer *summary, const char *tag, double number)
{
    enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2 };
    trb_buffer value = {0};
    trb_buffer_text(&value, VALUE_TAG, tag);
    trb_buffer_float(&value, VALUE_SIMPLE, (float)number);
    trb_buffer_message(summary, SUMMARY_VALUE, &value);
}

/* ---- lines */

/* Keys that say where a line belongs; all others are values. */
static bool is_place(const char *key)
{
    return strcmp(key, "phase") == 0 || strcmp(key, "epoch") == 0 || strcmp(key, "steps") == 0;
}

static bool is_number(const trb_tree *t, size_t i)
{
    const char *key = trb_tree_key(t, i), *text = trb_tree_text(t, key);
    if (text == NULL) return !is_place(key) && !trb_tree_is_section(t, i) && trb_tree_size(t, i) == 1; /* null */
    const double value = trb_tree_number(t, key);
    return isfinite(value) && (!is_place(key) || (value >= 0.0 && value < 9e15));
}

static trb_status read_line(const curve *c, size_t number, const char *line, trb_tree **t)
{
    bool good = line[0] == '{';
    if (good && trb_tree_read(c->path, line, t) != TRB_OK) {
        trb_fail_clear();
        good = false;
    }
    for (size_t i = 0; good && i < trb_tree_n(*t); i++) good = is_number(*t, i);
    for (size_t i = 0; i < 3; i++) {
        static const char *const place[] = {"phase", "epoch", "steps"};
        good = good && trb_tree_text(*t, place[i]) != NULL;
    }
    if (good) return TRB_OK;
    return trb_fail(
        TRB_EINTEGRITY,
        "%s: line %zu: expected a JSON object of numbers with phase, epoch and steps, got `%.40s`; train the "
        "network again",
        c->path, number, line);
}

static void take_place(curve *c, const trb_tree *t)
{
    const double phase = trb_tree_number(t, "phase"), took = trb_tree_number(t, "seconds");
    if (c->begun && phase > c->phase) c->before = c->before + c->steps;
    c->begun = true;
    c->phase = phase;
    c->steps = trb_tree_number(t, "steps");
    if (!isnan(took)) c->seconds += took;
}

static void add_event(curve *c, const trb_tree *t)
{
    trb_buffer event = {0}, summary = {0};
    trb_buffer_double(&event, EVENT_WALL_TIME, c->seconds);
    trb_buffer_number(&event, EVENT_STEP, (uint64_t)(c->before + c->steps));
    for (size_t i = 0; i < trb_tree_n(t); i++)
        if (!is_place(trb_tree_key(t, i)))
            put_value(&summary, trb_tree_key(t, i), trb_tree_number(t, trb_tree_key(t, i)));
    trb_buffer_message(&event, EVENT_SUMMARY, &summary);
    put_record(&c->events, &event);
}

/* A folder's name may hold anything. */
static void add_field(trb_text *table, const char *text)
{
    if (strpbrk(text, ",\"\n\r") == NULL) {
        trb_text_add(table, "%s", text);
        return;
    }
    trb_text_add(table, "\"");
    for (const char *p = text; *p != '\0'; p++) trb_text_add(table, "%s%c", *p == '"' ? "\"" : "", *p);
    trb_text_add(table, "\"");
}

/* One row a value; the digits are those of metrics.jsonl. A number that is not finite is an empty field. */
static void add_rows(trb_text *table, const curve *c, const trb_tree *t)
{
    for (size_t i = 0; i < trb_tree_n(t); i++) {
        const char *key = trb_tree_key(t, i), *value = trb_tree_text(t, key);
        if (is_place(key)) continue;
        add_field(table, c->model);
        trb_text_add(table, ",%s,%s,%.0f,", trb_tree_text(t, "phase"), trb_tree_text(t, "epoch"), c->before + c->steps);
        add_field(table, key);
        trb_text_add(table, ",%s\n", value == NULL ? "" : value);
    }
}

/* A line without an end is still being written. */
static trb_status read_curve(curve *c, trb_text *table)
{
    enum { MOST = 1 << 28 };
    char *text = NULL;
    trb_status st = TRB_OK;
    size_t number = 1;
    TRB_TRY(trb_file_read_text(c->path, MOST, &text));
    put_version(&c->events);
    char *line = text;
    for (char *end = strchr(line, '\n'); end != NULL && st == TRB_OK; end = strchr(line, '\n'), number++) {
        trb_tree *t = NULL;
        *end = '\0';
        st = read_line(c, number, line, &t);
        if (st == TRB_OK) {
            take_place(c, t);
            add_event(c, t);
            add_rows(table, c, t);
        }
        trb_tree_destroy(t);
        line = end + 1;
    }
    trb_free(text);
    return st;
}

/* ---- a run */

static trb_status find_in(const char *run, const char *kind, curves *all)
{
    char under[TRB__PATH], **name = NULL;
    size_t n = 0;
    curve *more = NULL;
    (void)snprintf(under, sizeof under, "%s/%s", run, kind);
    TRB_TRY(trb__names_in(under, &n, &name));
    trb_status st = trb_alloc(TRB_MEM_OTHER, all->n + n + 1, sizeof *more, &more);
    if (st == TRB_OK && all->n > 0) memcpy(more, all->curve, all->n * sizeof *more);
    if (st == TRB_OK) {
        trb_free(all->curve);
        all->curve = more;
    }
    for (size_t i = 0; i < n && st == TRB_OK; i++) {
        curve *c = &all->curve[all->n++];
        st = trb_text_of(&c->model, "%s/%s", kind, name[i]);
        if (st == TRB_OK) st = trb_text_of(&c->path, "%s/%s/metrics.jsonl", run, c->model);
        if (st != TRB_OK || trb_file_exists(c->path)) continue;
        trb_free(c->path);
        trb_free(c->model);
        *c = (curve){0};
        all->n--;
    }
    trb__names_free(n, name);
    return st;
}

static void clear(curves *all)
{
    for (size_t i = 0; i < all->n; i++) {
        trb_free(all->curve[i].path);
        trb_free(all->curve[i].model);
        trb_buffer_clear(&all->curve[i].events);
    }
    trb_free(all->curve);
    trb_text_clear(&all->table);
}

static trb_status publish_events(const curves *all, const char *folder)
{
    char *path = NULL;
    trb_status st = TRB_OK;
    for (size_t i = 0; i < all->n && st == TRB_OK; i++) {
        const curve *c = &all->curve[i];
        TRB_GO(trb_text_of(&path, "%s/%s", folder, c->model));
        TRB_GO(trb_mkdirs(path));
        trb_free(path);
        path = NULL;
        /* Always the same name: a second file in a folder would be drawn over the first one. */
        TRB_GO(trb_text_of(&path, "%s/%s/events.out.tfevents.0.tribikos", folder, c->model));
        st = c->events.st;
        if (st == TRB_OK) st = trb_file_publish_bytes(path, c->events.at, c->events.n);
        trb_free(path);
        path = NULL;
    }
done:
    trb_free(path);
    return st;
}

/* A new folder appears when it is complete. In one that exists the files are replaced one by one, because it may hold
 * more than ours. */
static trb_status publish_folder(const curves *all, const char *output)
{
    char *folder = NULL, *aside = NULL;
    trb_status st = TRB_OK;
    size_t n = strlen(output);
    while (n > 1 && output[n - 1] == '/') n--;
    TRB_GO(trb_text_of(&folder, "%.*s", (int)n, output));
    if (trb_file_exists(folder)) {
        st = publish_events(all, folder);
        goto done;
    }
    TRB_GO(trb_text_of(&aside, "%s.tmp.%ld", folder, (long)getpid()));
    st = publish_events(all, aside);
    if (st == TRB_OK) st = trb_folder_move(aside, folder);
    if (st != TRB_OK) (void)trb_folder_remove(aside);
done:
    trb_free(folder);
    trb_free(aside);
    return st;
}

trb_status trb__export_curves(bool csv, const char *run, const char *output, bool force)
{
    curves all = {0};
    trb_status st = TRB_OK;
    if (!trb__is_run(run)) return trb_fail(TRB_ECONFIG, "%s is no folder of a run", run);
    if (!force && trb_file_exists(output)) return trb_fail(TRB_ECONFIG, "%s exists; --force overwrites it", output);
    TRB_GO(find_in(run, "members", &all));
    TRB_GO(find_in(run, "student", &all));
    if (all.n == 0)
        TRB_GO(
            trb_fail(TRB_ECONFIG, "%s: nothing has been trained: no member and no student has a metrics.jsonl", run));
    for (size_t i = 0; i < all.n; i++) TRB_GO(trb_file_not_among(output, 1, &all.curve[i].path));
    trb_text_add(&all.table, "model,phase,epoch,step,key,value\n");
    for (size_t i = 0; i < all.n; i++) TRB_GO(read_curve(&all.curve[i], &all.table));
    TRB_GO(all.table.st);
    st = csv ? trb_file_publish_text(output, all.table.at) : publish_folder(&all, output);
done:
    clear(&all);
    return st;
}
