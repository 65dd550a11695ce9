/* Folders of images packed into HDF5: pixels, resizing, names of classes, EXIF data, and every failure on the way. */
#include "data_fixture.h"
#include "fault_walk.h"
#include "scratch.h"

#include "../../src/data/image.h"
#include "tribikos/pack.h"

static size_t put_chunk(uint8_t *at, const char *kind, size_t n, const void *body)
{
    (void)fixture_put_u32(at, (uint32_t)n);
    memcpy(at + 4, kind, 4);
    if (n > 0) memcpy(at + 8, body, n);
    (void)fixture_put_u32(at + 8 + n, (uint32_t)crc32(0, at + 4, (uInt)n + 4));
    return n + 12;
}

/* Write a grey PNG image of 8 bits. */
static void put_png(const char *path, uint32_t w, uint32_t h, const uint8_t *pixel)
{
    uint8_t file[1024] = "\x89PNG\r\n\x1a\n", head[13] = {0}, rows[512] = {0}, packed[600];
    uLongf n_packed = sizeof packed;
    size_t n = 8;
    (void)fixture_put_u32(head, w);
    (void)fixture_put_u32(head + 4, h);
    head[8] = 8;
    for (uint32_t y = 0; y < h; y++) memcpy(rows + y * (w + 1) + 1, pixel + y * w, w);
    assert_int_equal(compress2(packed, &n_packed, rows, (w + 1) * h, 9), Z_OK);
    n += put_chunk(file + n, "IHDR", sizeof head, head);
    n += put_chunk(file + n, "IDAT", n_packed, packed);
    n += put_chunk(file + n, "IEND", 0, NULL);
    spill(path, file, n);
}

/* A folder with one image of 2 x 1 pixels for each letter of `classes`; its first pixel is the letter. */
static void put_folder(const char *name, const char *classes)
{
    assert_int_equal(mkdir(in_scratch("%s", name), 0700), 0); /* trb_mkdirs() would pass a fault point */
    for (const char *k = classes; *k != '\0'; k++) {
        const uint8_t pixel[] = {(uint8_t)*k, 7};
        assert_int_equal(mkdir(in_scratch("%s/%c", name, *k), 0700), 0);
        put_png(in_scratch("%s/%c/0.png", name, *k), 2, 1, pixel);
    }
}

static trb_status pack(const char *folder, const trb_pack_options *o)
{
    trb_packed packed;
    char path[128], output[160];
    (void)snprintf(path, sizeof path, "%s", in_scratch("%s", folder));
    (void)snprintf(output, sizeof output, "%s.h5", path);
    return trb_pack(path, output, o, &packed);
}

static const trb_pack_options plain = {.size = 0};

static trb_status pack_once(void *folder)
{
    return pack(folder, &plain);
}

static void each_passage(void **state)
{
    (void)state;
    char folder[] = "faults";
    put_folder(folder, "ab");
    assert_true(fault_walk("alloc", pack_once, folder) >= 20);
    assert_true(fault_walk("file.open", pack_once, folder) >= 5); /* three folders, two files */
    assert_true(fault_walk("file.read", pack_once, folder) >= 2);
    assert_true(fault_walk("file.write", pack_once, folder) >= 7);
    assert_true(fault_walk("file.create", pack_once, folder) == 1);
    assert_int_equal(count_files(scratch, ".tmp."), 0);
    /* A fault is no bad image. */
    const trb_pack_options skip = {.skip_bad = true};
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        (void)setenv("TRB_FAULT", "file.read:1", 1);
        _exit(pack(folder, &skip) == TRB_EIO ? 0 : 1);
    }
    int status = 1;
    (void)waitpid(child, &status, 0);
    assert_int_equal(status, 0);
}

/* Pillow 9.4: the short side resized to 3 and to 7 by BILINEAR, the middle cut out as torchvision does. */
static void resized(void **state)
{
    (void)state;
    static const uint8_t three[] = {141, 120, 117, 150, 154, 146, 163, 142, 125},
                         seven[] = {125, 161, 38,  74,  142, 178, 55,  156, 198, 80,  122, 141, 109, 101, 144, 202, 145,
                                    157, 142, 100, 125, 53,  141, 228, 156, 148, 204, 99,  129, 110, 204, 139, 138, 200,
                                    103, 169, 110, 212, 153, 119, 133, 125, 181, 128, 235, 182, 98,  45,  152};
    uint8_t pixel[45];
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 9; j++) pixel[9 * i + j] = (uint8_t)(37 * i * i + 91 * j + 13 * i * j);
    const char *path = in_scratch("resized.png");
    put_png(path, 9, 5, pixel);
    trb__image im = {0};
    assert_ok(trb__image_read(path, &im));
    assert_memory_equal(im.pixel.at, pixel, sizeof pixel);
    assert_ok(trb__image_fit(&im, 3));
    assert_int_equal(im.w * im.h, 9);
    assert_memory_equal(im.pixel.at, three, sizeof three);
    assert_ok(trb__image_read(path, &im));
    assert_ok(trb__image_fit(&im, 7));
    assert_memory_equal(im.pixel.at, seven, sizeof seven);
    trb__image_clear(&im);
}

static void named(void **state)
{
    (void)state;
    char *train[] = {"train.h5"}, *test[] = {"test.h5"}, *both[] = {"train.h5", "test.h5"}, *other[] = {"other.h5"},
         *numbers[] = {"numbers.h5"};
    put_folder("train", "abcd");
    put_folder("test", "bd");
    put_folder("other", "ax");
    assert_ok(pack("train", &plain));
    assert_ok(pack("test", &plain));
    assert_ok(pack("other", &plain));
    trb_data d, t;
    assert_ok(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_HDF5, scratch, 1, train, &d));
    assert_int_equal(d.n, 4);
    assert_int_equal(d.classes, 4);
    assert_string_equal(d.schema->class_name[3], "d");
    const int32_t all[] = {0, 1, 2, 3}, some[] = {1, 3};
    assert_memory_equal(d.label, all, sizeof all);
    const uint8_t pixels[] = {'a', 7, 'b', 7, 'c', 7, 'd', 7};
    assert_memory_equal(d.x, pixels, sizeof pixels);
    /* A set with fewer classes: the same names are the same labels. */
    trb_data_files files = {
        .format = TRB_FORMAT_HDF5, .root = scratch, .n_files = 1, .files = test, .schema = d.schema};
    assert_ok(trb_data_load(&files, &t));
    assert_memory_equal(t.label, some, sizeof some);
    assert_int_equal(t.classes, 4);
    trb_data_clear(&t);
    files.files = other;
    assert_fails(trb_data_load(&files, &t), TRB_EINPUT,
                 "other.h5: its class `x` is none of the 4 classes of the training files");
    /* A file without names has numbers. */
    trb_h5 *h = NULL;
    const int32_t labels[] = {3, 4};
    assert_ok(trb_h5_create(in_scratch("numbers.h5"), &h));
    assert_ok(trb_h5_put(h, "/x", (trb_h5_shape){TRB_U8, 4, {2, 1, 1, 2}}, pixels));
    assert_ok(trb_h5_put(h, "/y", (trb_h5_shape){TRB_I32, 1, {2}}, labels));
    assert_ok(trb_h5_publish(h));
    files.files = numbers;
    files.layout = TRB_AXES_NCHW;
    assert_fails(trb_data_load(&files, &t), TRB_EINPUT, "label 4 in row 1, but there are names of 4 classes");
    trb_data_clear(&d);
    assert_fails(fixture_load(TRB_TASK_CLASSES, TRB_FORMAT_HDF5, scratch, 2, both, &t), TRB_EINPUT,
                 "test.h5: names other classes than the training files before");
}

/* Orientations as cameras write them, and data that claim what is not there. */
static void exif(void **state)
{
    (void)state;
    uint8_t little[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0},
            big[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0};
    assert_int_equal(trb__exif_turn(little, sizeof little), 6);
    assert_int_equal(trb__exif_turn(big, sizeof big), 8);
    for (size_t n = 0; n < sizeof little; n++) assert_int_equal(trb__exif_turn(little, n), 1);
    little[18] = 9;
    assert_int_equal(trb__exif_turn(little, sizeof little), 1);
    memset(big + 4, 0xff, 4);
    assert_int_equal(trb__exif_turn(big, sizeof big), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_passage), cmocka_unit_test(resized),
                                       cmocka_unit_test(named), cmocka_unit_test(exif)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
