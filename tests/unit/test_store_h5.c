/* HDF5 files: round trips, what is refused, the same bytes twice, faults, a full disk. */
#include "scratch.h"

#include <hdf5.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "small_disk.h"
#include "tribikos/h5.h"

/* In the place of fallocate(2): fails so often with this error. */
static int refusals_left, refusal;

int fallocate(int fd, int mode, off_t from, off_t n)
{
    if (refusals_left-- <= 0) return (int)syscall(SYS_fallocate, fd, mode, from, n);
    errno = refusal;
    return -1;
}

enum { ROWS = 100, COLS = 6 };
static float values[ROWS][COLS];
static uint16_t halves[ROWS][COLS];

static trb_status write_example(const char *path)
{
    trb_h5 *h = NULL;
    const trb_h5_piece pieces[2] = {{.path = "v00/a.h5", .rows = 60}, {.path = "v00/b.h5", .first = 60, .rows = 40}};
    trb_status st = TRB_OK;
    TRB_TRY(trb_h5_create(path, &h));
    TRB_GO(trb_h5_put_text(h, "format", "example"));
    TRB_GO(trb_h5_put_text(h, "nothing", ""));
    TRB_GO(trb_h5_put_u64(h, "largest", UINT64_MAX));
    TRB_GO(trb_h5_put(h, "deep/er/values", (trb_h5_shape){TRB_F32, 2, {ROWS, COLS}}, values));
    for (int deflate = 0; deflate < 2; deflate++) {
        const char *name = deflate ? "packed" : "plain";
        TRB_GO(trb_h5_make(h, name, (trb_h5_shape){TRB_F16, 2, {ROWS, COLS}},
                           (trb_h5_layout){.chunk_rows = 32, .deflate = deflate, .fletcher32 = true}));
        for (size_t first = 0; first < ROWS; first += 32)
            TRB_GO(trb_h5_write_rows(h, name, first, ROWS - first < 32 ? ROWS - first : 32, halves[first]));
    }
    TRB_GO(trb_h5_make_virtual(h, "view", (trb_h5_shape){TRB_F16, 4, {1, 1, ROWS, COLS}}, "plain", 2, pieces));
    return trb_h5_publish(h);
done:
    trb_h5_close(h);
    return st;
}

static int write_must_fail(void)
{
    return is_fault(write_example(in_scratch("fault.h5"))) ? 0 : 1;
}

static int read_must_fail(void)
{
    trb_h5 *h = NULL;
    const trb_status opened = trb_h5_open(in_scratch("fault.h5"), &h);
    const trb_status st = opened != TRB_OK ? opened : trb_h5_read_rows(h, "plain", TRB_F16, 0, ROWS, halves);
    trb_h5_close(h);
    return st == TRB_EIO ? 0 : 1;
}

/* First of all tests: faults are read once a process, and children inherit what the parent has read. */
static void faults(void **state)
{
    (void)state;
    const char *writing[] = {"file.create:1", "file.write:1", "file.write:4", "file.sync:1",
                             "file.rename:1", "alloc:1",      "alloc:2",      "alloc:3"};
    for (size_t i = 0; i < sizeof writing / sizeof *writing; i++) {
        assert_int_equal(with_fault(writing[i], write_must_fail), 0);
        assert_int_equal(count_files(scratch, "fault"), 0);
    }
    assert_int_equal(with_fault("file.write:1000", write_must_fail), 1);
    assert_int_equal(count_files(scratch, "fault"), 1);
    assert_int_equal(with_fault("file.open:1", read_must_fail), 0);
    assert_int_equal(with_fault("file.read:1", read_must_fail), 0);
    assert_int_equal(with_fault("file.read:2", read_must_fail), 1);
}

static trb_status collect(void *ctx, const char *name, const trb_h5_shape *shape)
{
    char *text = ctx;
    (void)sprintf(text + strlen(text), "%s %s %zu;", name, trb_dtype_name(shape->type), shape->ndim);
    return TRB_OK;
}

static trb_status collect_attr(void *ctx, const char *name, const char *value)
{
    char *text = ctx;
    (void)sprintf(text + strlen(text), "%s=%s;", name, value);
    return TRB_OK;
}

static trb_status stop_at_plain(void *ctx, const char *name, const trb_h5_shape *shape)
{
    (void)ctx, (void)shape;
    return strcmp(name, "plain") == 0 ? trb_fail(TRB_ENUM, "enough") : TRB_OK;
}

static void round_trip(void **state)
{
    (void)state;
    trb_h5 *h = NULL;
    char list[400] = "";
    uint64_t number = 0;
    float read[ROWS][COLS];
    uint16_t read16[ROWS][COLS];
    assert_ok(write_example(in_scratch("a.h5")));
    assert_ok(trb_h5_open(in_scratch("a.h5"), &h));
    assert_string_equal(trb_h5_path(h), in_scratch("a.h5"));
    expect_text(h, "format", "example");
    expect_text(h, "nothing", "");
    assert_ok(trb_h5_get_u64(h, "largest", &number));
    assert_true(number == UINT64_MAX);
    assert_ok(trb_h5_read_rows(h, "deep/er/values", TRB_F32, 0, ROWS, read));
    assert_memory_equal(read, values, sizeof values);
    const char *names[] = {"plain", "packed"};
    for (int i = 0; i < 2; i++) {
        assert_ok(trb_h5_read_rows(h, names[i], TRB_F16, 0, ROWS, read16));
        assert_memory_equal(read16, halves, sizeof halves);
        assert_ok(trb_h5_read_rows(h, names[i], TRB_F16, 30, 5, read16)); /* across chunks */
        assert_memory_equal(read16, halves[30], 5 * sizeof halves[0]);
    }
    assert_fails(trb_h5_each(h, collect, list), TRB_EINTEGRITY, "data set view is virtual");
    assert_string_equal(list, "deep/er/values float32 2;packed float16 2;plain float16 2;");
    list[0] = '\0';
    assert_ok(trb_h5_each_attr(h, collect_attr, list));
    assert_string_equal(list, "format=example;largest=18446744073709551615;nothing=;");
    assert_fails(trb_h5_each(h, stop_at_plain, NULL), TRB_ENUM, "enough");
    assert_true(trb_h5_has(h, "packed"));
    assert_false(trb_h5_has(h, "pack"));
    assert_false(trb_h5_has(h, "no/such"));
    trb_h5_close(h);
    trb_h5_close(NULL);
}

static void refusals(void **state)
{
    (void)state;
    trb_h5 *h = NULL;
    char *text = NULL;
    uint64_t number = 42;
    trb_h5_shape shape = {.ndim = 99};
    uint16_t read[ROWS][COLS];
    assert_ok(write_example(in_scratch("a.h5")));
    assert_fails(trb_h5_open(in_scratch("none.h5"), &h), TRB_ECONFIG, "none.h5: cannot be read: No such file");
    assert_int_equal(mkfifo(in_scratch("fifo.h5"), 0666), 0);
    assert_fails(trb_h5_open(in_scratch("fifo.h5"), &h), TRB_ECONFIG, "fifo.h5: expected a file, got a FIFO");
    spill(in_scratch("text.h5"), "hello", 5);
    assert_fails(trb_h5_open(in_scratch("text.h5"), &h), TRB_EINTEGRITY, "text.h5: is no whole HDF5 file");
    size_t bytes = 0;
    char *all = slurp(in_scratch("a.h5"), &bytes);
    spill(in_scratch("cut.h5"), all, bytes - 1);
    free(all);
    assert_fails(trb_h5_open(in_scratch("cut.h5"), &h), TRB_EINTEGRITY, "cut.h5: is no whole HDF5 file: truncated");
    assert_fails(trb_h5_create(in_scratch("no/a.h5"), &h), TRB_EIO, "no/a.h5: cannot create: No such file");
    assert_null(h);
    assert_ok(trb_h5_open(in_scratch("a.h5"), &h));
    assert_fails(trb_h5_get_u64(h, "format", &number), TRB_EINTEGRITY, "a.h5: attribute format is no uint64");
    assert_fails(trb_h5_get_u64(h, "absent", &number), TRB_EINTEGRITY, "a.h5: no attribute absent");
    assert_int_equal(number, 42);
    assert_fails(trb_h5_get_text(h, "largest", &text), TRB_EINTEGRITY, "largest is no text");
    assert_null(text);
    assert_fails(trb_h5_describe(h, "absent", &shape), TRB_EINTEGRITY, "there is no data set absent");
    assert_fails(trb_h5_describe(h, "deep", &shape), TRB_EINTEGRITY, "cannot open data set deep");
    assert_int_equal(shape.ndim, 99);
    assert_fails(trb_h5_expect(h, "plain", (trb_h5_shape){TRB_F16, 2, {ROWS, COLS + 1}}), TRB_EINTEGRITY,
                 "plain is float16 [100][6], expected float16 [100][7]");
    assert_fails(trb_h5_expect(h, "plain", (trb_h5_shape){TRB_F32, 2, {ROWS, COLS}}), TRB_EINTEGRITY,
                 "expected float32");
    assert_fails(trb_h5_expect(h, "plain", (trb_h5_shape){TRB_F16, 1, {ROWS}}), TRB_EINTEGRITY,
                 "expected float16 [100]");
    assert_fails(trb_h5_read_rows(h, "plain", TRB_F32, 0, 1, read), TRB_EINTEGRITY, "plain is not float32");
    assert_fails(trb_h5_read_rows(h, "plain", TRB_F16, 99, 2, read), TRB_EINTEGRITY,
                 "has 100 rows, but rows 99 to 101");
    trb_h5_close(h);
}

/* Claims without bytes behind them: an extent that was never written is refused before anyone reserves memory for it.
 */
static void empty_claims(void **state)
{
    (void)state;
    trb_h5 *h = NULL;
    trb_h5_shape shape;
    const trb_h5_shape huge = {TRB_F32, 2, {(size_t)1 << 40, 1000}};
    assert_ok(trb_h5_create(in_scratch("claim.h5"), &h));
    assert_ok(trb_h5_make(h, "whole", huge, (trb_h5_layout){.chunk_rows = 0}));
    assert_ok(trb_h5_make(h, "chunked", huge, (trb_h5_layout){.chunk_rows = 16}));
    assert_ok(trb_h5_make(h, "packed", huge, (trb_h5_layout){.chunk_rows = 16, .deflate = 1}));
    assert_ok(trb_h5_publish(h));
    assert_ok(trb_h5_open(in_scratch("claim.h5"), &h));
    const char *names[] = {"whole", "chunked", "packed"};
    for (int i = 0; i < 3; i++)
        assert_fails(trb_h5_describe(h, names[i], &shape), TRB_EINTEGRITY, "but only 0 bytes of it are stored");
    trb_h5_close(h);
}

/* No clock and no address in the file. The object times that HDF5 would store have a resolution of a second. */
static void same_bytes(void **state)
{
    (void)state;
    size_t n = 0, m = 0;
    assert_ok(write_example(in_scratch("first.h5")));
    (void)sleep(1);
    assert_ok(write_example(in_scratch("second.h5")));
    char *a = slurp(in_scratch("first.h5"), &n), *b = slurp(in_scratch("second.h5"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
}

/* Before it is published a file is not there; given up, it leaves nothing. */
static void aside(void **state)
{
    (void)state;
    trb_h5 *h = NULL;
    assert_ok(trb_h5_create(in_scratch("x.h5"), &h));
    assert_false(trb_file_exists(in_scratch("x.h5")));
    assert_int_equal(count_files(scratch, "x.h5.tmp."), 1);
    trb_h5_close(h);
    assert_int_equal(count_files(scratch, "x.h5"), 0);
    /* A rename that cannot work: the name is a folder's. */
    assert_ok(trb_mkdirs(in_scratch("x.h5/in the way")));
    assert_ok(trb_h5_create(in_scratch("x.h5"), &h));
    assert_fails(trb_h5_publish(h), TRB_EIO, "x.h5: cannot rename");
    assert_int_equal(count_files(scratch, "x.h5.tmp."), 0);
}

static trb_status fill(const char *path, size_t rows, bool chunked)
{
    static float row[64][256];
    trb_h5 *h = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb_h5_create(path, &h));
    TRB_GO(trb_h5_make(h, "x", (trb_h5_shape){TRB_F32, 2, {rows, 256}},
                       (trb_h5_layout){.chunk_rows = chunked ? 64 : 0, .fletcher32 = chunked}));
    for (size_t first = 0; first < rows; first += 64) TRB_GO(trb_h5_write_rows(h, "x", first, 64, row));
    TRB_GO(trb_h5_put_text(h, "format", "full"));
    return trb_h5_publish(h);
done:
    trb_h5_close(h);
    return st;
}

/* Rows that are read in several calls, contiguous and in chunks that the calls' rows are no multiple of. */
static void in_pieces(void **state)
{
    (void)state;
    enum { N = 3001, WIDE = 1000, CHUNK = 700, FIRST = 10, WANTED = 2950 };
    float *written = calloc((size_t)N * WIDE, sizeof *written), *read = calloc((size_t)WANTED * WIDE, sizeof *read);
    assert_true(written != NULL && read != NULL);
    for (size_t i = 0; i < (size_t)N * WIDE; i++) written[i] = (float)(i % 65521);
    for (int chunked = 0; chunked < 2; chunked++) {
        trb_h5 *h = NULL;
        assert_ok(trb_h5_create(in_scratch("pieces.h5"), &h));
        assert_ok(trb_h5_make(h, "x", (trb_h5_shape){TRB_F32, 2, {N, WIDE}},
                              (trb_h5_layout){.chunk_rows = chunked ? CHUNK : 0, .deflate = chunked ? 1 : 0}));
        assert_ok(trb_h5_write_rows(h, "x", 0, N, written));
        assert_ok(trb_h5_publish(h));
        assert_ok(trb_h5_open(in_scratch("pieces.h5"), &h));
        memset(read, 0, (size_t)WANTED * WIDE * sizeof *read);
        assert_ok(trb_h5_read_rows(h, "x", TRB_F32, FIRST, WANTED, read));
        assert_memory_equal(read, written + FIRST * WIDE, (size_t)WANTED * WIDE * sizeof *read);
        trb_h5_close(h);
    }
    free(read);
    free(written);
}

/* What describes a file can be most of it: attributes beyond the eighth have no place before the file is closed. */
static trb_status describe_much(const char *path)
{
    trb_h5 *h = NULL;
    char name[40], text[200];
    TRB_TRY(trb_h5_create(path, &h));
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    trb_status st = TRB_OK;
    for (int i = 0; i < 100 && st == TRB_OK; i++) {
        (void)snprintf(name, sizeof name, "attribute %d", i);
        st = trb_h5_put_text(h, name, text);
    }
    if (st == TRB_OK) return trb_h5_publish(h);
    trb_h5_close(h);
    return st;
}

/* Wherever on its way a file meets the end of the disk: the reason is named, nothing is left, and HDF5 works on. */
static void full_disk(void **state)
{
    (void)state;
    char disk[128];
    (void)snprintf(disk, sizeof disk, "%s", in_scratch("disk"));
    if (!small_disk_mount(disk, 256)) skip();
    int failed[4] = {0};
    for (size_t ballast = 256 * 1024; ballast > 0; ballast -= 4096) {
        char *bytes = calloc(ballast, 1), path[200], other[200];
        (void)snprintf(path, sizeof path, "%s/full.h5", disk);
        (void)snprintf(other, sizeof other, "%s/ballast", disk);
        spill(other, bytes, ballast);
        free(bytes);
        /* Mostly data, contiguous and in chunks; and mostly what describes it, which HDF5 holds back until the close.
         */
        for (int kind = 0; kind < 4; kind++) {
            trb_fail_clear();
            const trb_status st = kind < 2    ? fill(path, 192, kind == 1)
                                  : kind == 2 ? write_example(path)
                                              : describe_much(path);
            if (st != TRB_OK) {
                assert_int_equal(st, TRB_EIO);
                assert_non_null(strstr(trb_fail_message(), "full.h5"));
                assert_non_null(strstr(trb_fail_message(), "No space left on device"));
                failed[kind]++;
            }
            assert_int_equal(count_files(disk, "full"), st == TRB_OK);
            (void)unlink(path);
        }
        assert_int_equal(unlink(other), 0);
    }
    trb_fail_clear();
    for (int kind = 0; kind < 4; kind++) assert_true(failed[kind] > 1 && failed[kind] < 64);
    small_disk_unmount(disk);
    assert_ok(fill(in_scratch("after.h5"), 192, true));
}

/* To reserve is a precaution: only a disk that is full or broken ends a file. */
static void reserving_fails(void **state)
{
    (void)state;
    const struct {
        int why, times;
        bool ends;
    } cases[] = {{ENOSPC, 1, true},      {EDQUOT, 1, true},  {EFBIG, 1, true},   {EIO, 1, true},
                 {EINTR, 1, false},      {EINTR, 5, false},  {EINVAL, 1, false}, {EPERM, 1, false},
                 {EOPNOTSUPP, 1, false}, {ENOSYS, 1, false}, {ENODEV, 1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refusal = cases[i].why;
        refusals_left = cases[i].times;
        if (cases[i].ends)
            assert_fails(write_example(in_scratch("reserve.h5")), TRB_EIO, strerror(cases[i].why));
        else
            assert_ok(write_example(in_scratch("reserve.h5")));
        assert_int_equal(refusals_left, cases[i].why == EINTR ? -1 : 0);
        assert_int_equal(count_files(scratch, "reserve"), !cases[i].ends);
        (void)unlink(in_scratch("reserve.h5"));
    }
}

typedef struct {
    char path[128];
    trb_status st;
} job;

static void *reader(void *data)
{
    job *j = data;
    uint16_t read[ROWS][COLS];
    for (int i = 0; i < 400 && j->st == TRB_OK; i++) {
        trb_h5 *h = NULL;
        j->st = trb_h5_open(j->path, &h);
        if (j->st == TRB_OK) j->st = trb_h5_read_rows(h, "packed", TRB_F16, 0, ROWS, read);
        if (j->st == TRB_OK && memcmp(read, halves, sizeof halves) != 0) j->st = TRB_EINTEGRITY;
        trb_h5_close(h);
    }
    return NULL;
}

/* Threads read while another writes: where HDF5 was not built thread-safe, it does not survive this without the lock.
 */
static void two_threads(void **state)
{
    (void)state;
    job j[2] = {{.st = TRB_OK}};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) (void)snprintf(j[i].path, sizeof j[i].path, "%s", in_scratch("shared.h5"));
    assert_ok(write_example(j[0].path));
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&thread[i], NULL, reader, &j[i]), 0);
    for (int i = 0; i < 10; i++) assert_ok(write_example(in_scratch("other.h5")));
    for (int i = 0; i < 2; i++) {
        (void)pthread_join(thread[i], NULL);
        assert_ok(j[i].st);
    }
}

static void *fail_to_open(void *path)
{
    trb_h5 *h = NULL;
    return trb_h5_open(path, &h) == TRB_EINTEGRITY ? path : NULL;
}

/* HDF5's own messages appear in no thread: what there is to say is in the recorded line. */
static void silence(void **state)
{
    (void)state;
    void *failed = NULL;
    pthread_t thread;
    char path[128];
    (void)snprintf(path, sizeof path, "%s", in_scratch("noise.h5"));
    spill(path, "hello", 5);
    (void)fflush(stderr);
    const int kept = dup(2);
    assert_non_null(freopen(in_scratch("stderr"), "w", stderr));
    (void)pthread_create(&thread, NULL, fail_to_open, path);
    (void)pthread_join(thread, &failed);
    (void)fflush(stderr);
    (void)dup2(kept, 2);
    (void)close(kept);
    trb_fail_clear();
    assert_ptr_equal(failed, path);
    size_t bytes = 1;
    free(slurp(in_scratch("stderr"), &bytes));
    assert_int_equal(bytes, 0);
}

/* What can be written can be read: texts up to the limit, and none beyond. */
static void long_texts(void **state)
{
    (void)state;
    const size_t n = TRB_H5_TEXT_MAX;
    char *text = malloc(n + 2), *got = NULL;
    trb_h5 *h = NULL;
    assert_non_null(text);
    memset(text, 'n', n + 1);
    text[n + 1] = '\0';
    assert_ok(trb_h5_create(in_scratch("long.h5"), &h));
    assert_fails(trb_h5_put_text(h, "schema", text), TRB_ECONFIG,
                 "long.h5: attribute schema would have 16777217 bytes; at most 16777216 can be read back");
    text[n] = '\0';
    assert_ok(trb_h5_put_text(h, "schema", text));
    assert_ok(trb_h5_publish(h));
    assert_ok(trb_h5_open(in_scratch("long.h5"), &h));
    assert_ok(trb_h5_get_text(h, "schema", &got));
    assert_true(strcmp(got, text) == 0);
    trb_free(got);
    trb_h5_close(h);
    free(text);
}

/* A link into another file is refused, whether it is a data set or a group on the way to one. */
static void links_elsewhere(void **state)
{
    (void)state;
    const float x[2] = {1, 2};
    trb_h5 *h = NULL;
    float got[2];
    assert_ok(trb_h5_create(in_scratch("secret.h5"), &h));
    assert_ok(trb_h5_put(h, "x", (trb_h5_shape){TRB_F32, 1, {2}}, x));
    assert_ok(trb_h5_put(h, "group/x", (trb_h5_shape){TRB_F32, 1, {2}}, x));
    assert_ok(trb_h5_publish(h));
    assert_ok(trb_h5_create(in_scratch("links.h5"), &h));
    assert_ok(trb_h5_put(h, "own", (trb_h5_shape){TRB_F32, 1, {2}}, x));
    assert_ok(trb_h5_publish(h));
    const hid_t file = H5Fopen(in_scratch("links.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    assert_true(H5Lcreate_external("secret.h5", "/x", file, "x", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external("secret.h5", "/group", file, "group", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_soft("/own", file, "soft", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Fclose(file) >= 0);
    assert_ok(trb_h5_open(in_scratch("links.h5"), &h));
    static const char *const names[] = {"x", "group/x"};
    for (size_t i = 0; i < 2; i++) {
        assert_fails(trb_h5_read_rows(h, names[i], TRB_F32, 0, 2, got), TRB_EINTEGRITY,
                     "is a link into another file, secret.h5, and such links are not followed; copy it into this file");
        trb_h5_shape shape;
        assert_fails(trb_h5_describe(h, names[i], &shape), TRB_EINTEGRITY, "is a link into another file");
    }
    assert_ok(trb_h5_read_rows(h, "soft", TRB_F32, 0, 2, got));
    assert_true(got[1] == 2.0F);
    trb_h5_close(h);
}

int main(void)
{
    for (int i = 0; i < ROWS * COLS; i++) values[i / COLS][i % COLS] = (float)(i * 7 % 1000) / 8;
    trb_f16_from_f32(ROWS * COLS, &values[0][0], &halves[0][0]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),          cmocka_unit_test(round_trip),      cmocka_unit_test(refusals),
        cmocka_unit_test(empty_claims),    cmocka_unit_test(same_bytes),      cmocka_unit_test(aside),
        cmocka_unit_test(full_disk),       cmocka_unit_test(reserving_fails), cmocka_unit_test(two_threads),
        cmocka_unit_test(silence),         cmocka_unit_test(in_pieces),       cmocka_unit_test(long_texts),
        cmocka_unit_test(links_elsewhere),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
