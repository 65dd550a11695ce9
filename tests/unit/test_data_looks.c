/* Files that are something else than expected: each is named in words. */
#include "../../src/data/internal.h"
#include "data_fixture.h"
#include "scratch.h"

static const struct {
    size_t n;
    const char *at, *words;
} kinds[] = {
#define KIND(text, words)                                                                                              \
    {                                                                                                                  \
        sizeof(text) - 1, text, words                                                                                  \
    }
    KIND("", "an empty file"),
    KIND("<!DOCTYPE html><html>403 Forbidden</html>", "a web page"),
    KIND("\xef\xbb\xbf\n  <HTML><body>", "a web page"),
    KIND("<?xml version='1.0'?>", "XML or a web page"),
    KIND("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a git-lfs pointer"),
    KIND("PK\3\4..........................data.csv", "a zip archive; unpack it"),
    KIND("PK\3\4......................\5\0..x.npy..", "a NumPy archive (npz), for `data.format: npy`"),
    KIND("PK\3\4......................\20\0..archive/data.pkl.", "torch.save()"),
    KIND("PK\3\4......................\23\0..[Content_Types].xml", "an Excel or Word document"),
    KIND("\x93NUMPY\1\0v\0{'descr'", "a NumPy array, for `data.format: npy`"),
    KIND("\x89HDF\r\n\x1a\n....", "an HDF5 file, for `data.format: hdf5`"),
    KIND("CDF\1....", "a NetCDF-3 file"),
    KIND("\x89PNG\r\n\x1a\n...", "a PNG image"),
    KIND("\xff\xd8\xff\xe0..JFIF", "a JPEG image"),
    KIND("\x1f\x8b\10\0....", "a gzip file"),
    KIND("\xfd\x37zXZ\0\0\4", "an xz file"),
    KIND("\x28\xb5\x2f\xfd..", "a zstd file"),
    KIND("BZh91AY", "a bzip2 file"),
    KIND("PAR1....", "a Parquet file"),
    KIND("\x80\2}q\0", "a Python pickle"),
    KIND("\x80\4\x95..", "a Python pickle"),
    KIND("\0\0\x08\3\0\0\0\2", "an IDX file, for `data.format: idx`"),
    KIND("1.5,2,0\n3,4,1\n", "a table of numbers, for `data.format: table`"),
    KIND("a,b,c\n1.5,2,0\n3.25,4.5,1\n", "a table of numbers, for `data.format: table`"),
    KIND("<svg width='3'>", "XML or a web page"),
    KIND("{\"labels\": [1, 2]}", "JSON text"),
    KIND("[\n  {\"a\": 1}]", "JSON text"),
    KIND("[\"a\", 1]", "JSON text"),
    KIND("<DATE>,<OPEN>\n20240102,1.25\n20240103,1.5\n", "a table of numbers"),
    KIND("[id],[name]\n100,200\n300,400\n", "a table of numbers"),
    KIND("Dear colleague, the data are in the other folder.\n", "text"),
};

static void in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *is = trb__looks_like((const uint8_t *)kinds[i].at, kinds[i].n);
        if (is == NULL || strstr(is, kinds[i].words) == NULL)
            fail_msg("expected `%s`, got `%s`", kinds[i].words, is == NULL ? "nothing" : is);
        /* However short the file is, nothing behind its end is read (valgrind and the sanitizers see to it). */
        for (size_t n = 0; n < kinds[i].n; n++) {
            char *part = malloc(n + 1);
            memcpy(part, kinds[i].at, n);
            part = realloc(part, n > 0 ? n : 1);
            (void)trb__looks_like((const uint8_t *)part, n);
            free(part);
        }
    }
    uint8_t tar[512] = "data/train.csv";
    memcpy(tar + 257, "ustar", 5);
    assert_string_equal(trb__looks_like(tar, sizeof tar), "a tar archive; unpack it");
    const uint8_t noise[] = {7, 200, 3, 0, 9, 255, 1, 2};
    assert_null(trb__looks_like(noise, sizeof noise));
}

/* All formats but tables, whose own test has them, say it, also of what was packed by gzip. */
static void readers_say(void **state)
{
    (void)state;
    static const char page[] = "<!DOCTYPE html><html>403 Forbidden</html>";
    char *files[] = {"page", "page"};
    static const struct {
        trb_format format;
        size_t n;
        trb_status status;
        const char *expected;
    } readers[] = {{TRB_FORMAT_IDX, 2, TRB_EINPUT, "expected an IDX file"},
                   {TRB_FORMAT_CIFAR10, 1, TRB_EINPUT, "expected records of CIFAR-10"},
                   {TRB_FORMAT_CIFAR100, 1, TRB_EINPUT, "expected records of CIFAR-100"},
                   {TRB_FORMAT_NPY, 2, TRB_EINPUT, "expected a NumPy array (.npy)"},
                   {TRB_FORMAT_HDF5, 1, TRB_EINTEGRITY, "expected an HDF5 file"}};
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        for (int packed = 0; packed < 2; packed++) {
            const bool hdf5 = readers[i].format == TRB_FORMAT_HDF5;
            fixture_write(scratch, "page", packed != 0, sizeof page - 1, page);
            fixture_expect_failure(TRB_TASK_CLASSES, readers[i].format, scratch, readers[i].n, files, readers[i].status,
                                   readers[i].expected);
            fixture_expect_failure(TRB_TASK_CLASSES, readers[i].format, scratch, readers[i].n, files, readers[i].status,
                                   hdf5 && packed != 0 ? "it looks like a gzip file; unpack it"
                                                       : "it looks like a web page; the download has failed");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_words), cmocka_unit_test(readers_say)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
