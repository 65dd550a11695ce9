/* Folders, plain files and half precision. */
#include "scratch.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <math.h>

#include "tribikos/fault.h"
#include "tribikos/rng.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"

static int publish_text(void)
{
    return trb_file_publish_text(in_scratch("note"), "new\n") == TRB_EIO ? 0 : 1;
}

/* Whatever fails on the way: the old file stays, nothing is left aside. */
static void text_faults(void **state)
{
    (void)state;
    spill(in_scratch("note"), "old\n", 4);
    const char *points[] = {"file.create:1", "file.write:1", "file.sync:1", "file.rename:1"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(with_fault(points[i], publish_text), 0);
        assert_int_equal(count_files(scratch, "note"), 1);
        char *text = slurp(in_scratch("note"), NULL);
        assert_string_equal(text, "old\n");
        free(text);
    }
}

static void text(void **state)
{
    (void)state;
    assert_ok(trb_file_publish_text(in_scratch("note"), "one\n"));
    assert_ok(trb_file_publish_text(in_scratch("note"), "two\n"));
    char *found = slurp(in_scratch("note"), NULL);
    assert_string_equal(found, "two\n");
    free(found);
    assert_true(trb_file_exists(in_scratch("note")));
    assert_false(trb_file_exists(in_scratch("nothing")));
    assert_fails(trb_file_publish_text(in_scratch("no/such/folder"), "x"), TRB_EIO, "No such file or directory");
}

static void folders(void **state)
{
    (void)state;
    assert_ok(trb_mkdirs(in_scratch("a/b/c")));
    assert_ok(trb_mkdirs(in_scratch("a//b/c/")));
    assert_true(trb_file_exists(in_scratch("a/b/c")));
    spill(in_scratch("a/file"), "", 0);
    assert_fails(trb_mkdirs(in_scratch("a/file/below")), TRB_EIO, "a/file: cannot make the folder");
}

static void reading(void **state)
{
    (void)state;
    char *found = NULL;
    spill(in_scratch("note"), "one\n", 4);
    assert_ok(trb_file_read_text(in_scratch("note"), 4, &found));
    assert_string_equal(found, "one\n");
    trb_free(found);
    assert_fails(trb_file_read_text(in_scratch("note"), 3, &found), TRB_ECONFIG, "got 4 bytes");
    assert_fails(trb_file_read_text(in_scratch("nothing"), 4, &found), TRB_ECONFIG, "No such file");
    assert_fails(trb_file_read_text(scratch, 4, &found), TRB_ECONFIG, "expected a file, got a folder");
    spill(in_scratch("note"), "o\0e\n", 4);
    assert_fails(trb_file_read_text(in_scratch("note"), 4, &found), TRB_ECONFIG, "expected a text, got binary data");
    spill(in_scratch("note"), "", 0);
    assert_ok(trb_file_read_text(in_scratch("note"), 4, &found));
    assert_string_equal(found, "");
    trb_free(found);
}

/* A folder is in one of two places. A link in it is removed, and what it points to stays. */
static void moving(void **state)
{
    (void)state;
    assert_ok(trb_mkdirs(in_scratch("from/below")));
    assert_ok(trb_mkdirs(in_scratch("away")));
    spill(in_scratch("from/below/file"), "one", 3);
    spill(in_scratch("away/kept"), "two", 3);
    assert_int_equal(symlink(in_scratch("away"), in_scratch("from/link")), 0);
    assert_ok(trb_folder_move(in_scratch("from"), in_scratch("to")));
    assert_true(trb_file_exists(in_scratch("to/below/file")) && !trb_file_exists(in_scratch("from")));
    assert_fails(trb_folder_move(in_scratch("from"), in_scratch("to")), TRB_EIO, "from: cannot be moved to");
    assert_ok(trb_folder_remove(in_scratch("to")));
    assert_false(trb_file_exists(in_scratch("to")));
    assert_true(trb_file_exists(in_scratch("away/kept")));
    assert_ok(trb_folder_remove(in_scratch("to")));
}

/* Only the leftovers of writers that are gone: a number that no process can have, or another host's file that is two days
 * old. What users call their files stays. */
/* The space is that of the disk; a folder that does not exist yet has that of the one above it. */
static void space(void **state)
{
    (void)state;
    static const char bytes[10000] = "";
    double room = 0.0, above = 0.0, used = 1.0;
    assert_true(trb_folder_space(scratch, &room) && trb_folder_space(in_scratch("no/such/folder"), &above));
    assert_true(room > 0.0 && fabs(room - above) < 0.5 * room);
    assert_true(trb_folder_space("surely not there", &room));
    assert_false(trb_folder_space("/proc", &room)); /* it is no disk */
    trb_folder_bytes(in_scratch("no"), &used);
    assert_true(used == 0.0);
    assert_ok(trb_mkdirs(in_scratch("some/deep")));
    spill(in_scratch("some/deep/file"), bytes, sizeof bytes);
    trb_folder_bytes(in_scratch("some"), &used);
    assert_true(used >= 10000.0 && used < 1e6);
}

static void sweep(void **state)
{
    (void)state;
    enum { GONE = 4, N = 13 };
    char host[200] = "", names[N][256];
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(names[0], 256, "s.h5.tmp.%s.99999999", host);
    (void)snprintf(names[1], 256, "s.h5.tmp.node7.123");
    (void)snprintf(names[2], 256, "config.yaml.tmp.%s.99999999", host);
    (void)snprintf(names[3], 256, "s.json.tmp.x.tmp.s.h5.tmp.%s.99999999", host);
    (void)snprintf(names[4], 256, "s.h5.tmp.node8.123"); /* written to an hour ago */
    (void)snprintf(names[5], 256, "s.h5.tmp.%s.%d", host, (int)getppid());
    (void)snprintf(names[6], 256, "s.h5");
    (void)snprintf(names[7], 256, "s.h5.tmp");
    (void)snprintf(names[8], 256, "s.h5.tmp.%s.", host);
    (void)snprintf(names[9], 256, "s.h5.tmp.99999999");
    (void)snprintf(names[10], 256, "s.h5.tmp.%s.9x", host);
    (void)snprintf(names[11], 256, "notes.txt.tmp.%s.99999999", host);
    (void)snprintf(names[12], 256, ".h5.tmp.%s.99999999", host);
    const time_t now = time(NULL);
    for (size_t i = 0; i < N; i++) {
        const time_t then = now - (i == 4 ? 3600 : 48 * 3600);
        const struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then}};
        spill(in_scratch("%s", names[i]), "", 0);
        assert_int_equal(utimensat(AT_FDCWD, in_scratch("%s", names[i]), times, 0), 0);
    }
    trb_folder_sweep(in_scratch("nothing"));
    trb_folder_sweep(scratch);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(trb_file_exists(in_scratch("%s", names[i])), i >= GONE);
        (void)unlink(in_scratch("%s", names[i]));
    }
}

/* In the place of opendir(3). */
static int opened;

DIR *opendir(const char *path)
{
    opened++;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopendir(fd);
}

/* A folder with a hundred thousand shards is not read for each that is added. */
static void no_sweep_a_file(void **state)
{
    (void)state;
    trb_h5 *h = NULL;
    opened = 0;
    assert_ok(trb_file_publish_text(in_scratch("note"), "text"));
    assert_ok(trb_h5_create(in_scratch("note.h5"), &h));
    assert_ok(trb_h5_publish(h));
    assert_int_equal(opened, 0);
    trb_folder_sweep(scratch);
    assert_int_equal(opened, 1);
}

/* A file alone is opened; what is none is not waited for. */
static void odd_files(void **state)
{
    (void)state;
    int fd = -1;
    spill(in_scratch("plain"), "x", 1);
    assert_int_equal(mkfifo(in_scratch("fifo"), 0666), 0);
    assert_int_equal(symlink("plain", in_scratch("link")), 0);
    assert_int_equal(symlink("fifo", in_scratch("to_fifo")), 0);
    const int flags[] = {O_RDONLY, O_WRONLY | O_CREAT, O_RDONLY | O_NOFOLLOW};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(trb_file_open(in_scratch("plain"), flags[i], &fd));
        assert_int_equal(close(fd), 0);
        assert_fails(trb_file_open(in_scratch("fifo"), flags[i], &fd), TRB_ECONFIG,
                     "fifo: expected a file, got a FIFO");
        assert_fails(trb_file_open(scratch, flags[i], &fd), TRB_ECONFIG, "expected a file, got a folder");
        assert_fails(trb_file_open("/dev/null", flags[i], &fd), TRB_ECONFIG, "expected a file, got a device");
        assert_int_equal(fd, -1);
    }
    assert_ok(trb_file_open(in_scratch("link"), O_RDONLY, &fd));
    assert_int_equal(close(fd), 0);
    assert_fails(trb_file_open(in_scratch("to_fifo"), O_RDONLY, &fd), TRB_ECONFIG, "got a FIFO");
    assert_fails(trb_file_open(in_scratch("link"), O_RDONLY | O_NOFOLLOW, &fd), TRB_ECONFIG, "got a symbolic link");
    assert_fails(trb_file_open(in_scratch("gone"), O_RDONLY, &fd), TRB_ECONFIG, "cannot be read: No such file");
    assert_fails(trb_file_open(in_scratch("gone/x"), O_WRONLY | O_CREAT, &fd), TRB_EIO, "cannot be written: No such");
}

/* Somebody has put a link where the file is going to be written aside. */
static void link_aside(void **state)
{
    (void)state;
    char host[200] = "";
    trb_h5 *h = NULL;
    (void)gethostname(host, sizeof host - 1);
    const char *const names[] = {"aside", "aside.h5"};
    spill(in_scratch("target"), "mine", 4);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(symlink("target", in_scratch("%s.tmp.%s.%d", names[i], host, (int)getpid())), 0);
    assert_ok(trb_file_publish_text(in_scratch("aside"), "text"));
    assert_ok(trb_h5_create(in_scratch("aside.h5"), &h));
    assert_ok(trb_h5_publish(h));
    char *found = slurp(in_scratch("target"), NULL);
    assert_string_equal(found, "mine");
    free(found);
    assert_int_equal(count_files(scratch, ".tmp."), 0);
}

/* binary16 by its definition, IEEE 754-2008 sec. 3.4. */
static double half_value(unsigned h)
{
    const int exponent = (int)(h >> 10 & 31), mantissa = (int)(h & 1023);
    const double magnitude = exponent == 31  ? (mantissa ? NAN : INFINITY)
                             : exponent == 0 ? ldexp(mantissa, -24)
                                             : ldexp(1024 + mantissa, exponent - 25);
    return h & 0x8000 ? -magnitude : magnitude;
}

/* Every half there is, through the vector loop (all at once) and the portable code (one at a time). */
static void half_all(void **state)
{
    (void)state;
    static uint16_t from[65536], back[65536];
    static float wide[65536];
    for (unsigned i = 0; i < 65536; i++) from[i] = (uint16_t)i;
    trb_f32_from_f16(65536, from, wide);
    trb_f16_from_f32(65536, wide, back);
    for (unsigned i = 0; i < 65536; i++) {
        const double wanted = half_value(i);
        float one = 0;
        uint16_t one_back = 0;
        trb_f32_from_f16(1, &from[i], &one);
        trb_f16_from_f32(1, &one, &one_back);
        assert_memory_equal(&one, &wide[i], sizeof one);
        assert_int_equal(one_back, back[i]);
        if (isnan(wanted)) {
            assert_true(isnan(one));
            continue;
        }
        assert_true((double)one == wanted);
        assert_int_equal(back[i], i);
    }
}

/* Each rounds as wanted, through both code paths. */
static void check_rounding(const float from[8], const unsigned wanted[8])
{
    uint16_t all[8];
    trb_f16_from_f32(8, from, all);
    for (size_t c = 0; c < 8; c++) {
        uint16_t one = 0;
        trb_f16_from_f32(1, &from[c], &one);
        assert_int_equal(all[c], wanted[c]);
        assert_int_equal(one, wanted[c]);
    }
}

/* Between two neighbours: nearer, and in the middle the even one. */
static void half_rounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 0x7bff; i++) {
        const float low = (float)half_value(i), high = (float)half_value(i + 1), middle = (low + high) / 2;
        const float cases[8] = {low,  nextafterf(middle, 0),    middle, nextafterf(middle, 1e9f), high, -middle,
                                -low, -nextafterf(middle, 1e9f)};
        const unsigned even = i % 2 == 0 ? i : i + 1;
        const unsigned wanted[8] = {i, i, even, i + 1, i + 1, even | 0x8000, i | 0x8000, (i + 1) | 0x8000};
        check_rounding(cases, wanted);
    }
    const float edge[8] = {65519.99f, 65520.0f, 1e30f, -INFINITY, 0.0f, -0.0f, 1e-30f, -2.9802322e-8f};
    const unsigned wanted[8] = {0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 0x8000, 0, 0x8000};
    check_rounding(edge, wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_faults), cmocka_unit_test(text),
        cmocka_unit_test(folders),     cmocka_unit_test(odd_files),
        cmocka_unit_test(link_aside),  cmocka_unit_test(space),
        cmocka_unit_test(sweep),       cmocka_unit_test(no_sweep_a_file),
        cmocka_unit_test(half_all),    cmocka_unit_test(half_rounds),
        cmocka_unit_test(reading),     cmocka_unit_test(moving),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
