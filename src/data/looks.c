/* What a file is, told by its first bytes, in words and with the way on. */
#include "internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Files that begin with fixed bytes. */
static const struct {
    const char *magic;
    size_t at, n;
    const char *text;
} known[] = {
    {"version https://git-lfs", 0, 23, "a git-lfs pointer; `git lfs pull` fetches the file itself"},
    {"\x93NUMPY", 0, 6, "a NumPy array, for `data.format: npy`"},
    {"\x89HDF\r\n\x1a\n", 0, 8, "an HDF5 file, for `data.format: hdf5`"},
    {"CDF\1", 0, 4, "a NetCDF-3 file; `nccopy -k nc4` makes HDF5 of it"},
    {"CDF\2", 0, 4, "a NetCDF-3 file; `nccopy -k nc4` makes HDF5 of it"},
    {"CDF\5", 0, 4, "a NetCDF-3 file; `nccopy -k nc4` makes HDF5 of it"},
    {"\x1f\x8b", 0, 2, "a gzip file; unpack it"},
    {"\xfd"
     "7zXZ\0",
     0, 6, "an xz file; unpack it"},
    {"\x28\xb5\x2f\xfd", 0, 4, "a zstd file; unpack it"},
    {"BZh", 0, 3, "a bzip2 file; unpack it"},
    {"7z\xbc\xaf\x27\x1c", 0, 6, "a 7-Zip archive; unpack it"},
    {"Rar!\x1a\x07", 0, 6, "a RAR archive; unpack it"},
    {"ustar", 257, 5, "a tar archive; unpack it"},
    {"\x89PNG\r\n\x1a\n", 0, 8, "a PNG image; `tribikos pack` makes an HDF5 file of folders of images"},
    {"\xff\xd8\xff", 0, 3, "a JPEG image; `tribikos pack` makes an HDF5 file of folders of images"},
    {"GIF8", 0, 4, "a GIF image; write all images into one HDF5 or npy file"},
    {"II*\0", 0, 4, "a TIFF image; write all images into one HDF5 or npy file"},
    {"MM\0*", 0, 4, "a TIFF image; write all images into one HDF5 or npy file"},
    {"PAR1", 0, 4, "a Parquet file; write it as CSV, for `data.format: table`"},
    {"ARROW1", 0, 6, "a Feather file; write it as CSV, for `data.format: table`"},
    {"MATLAB 5.0 MAT-file", 0, 19, "a MATLAB file; save it with -v7.3, which is HDF5"},
    {"SQLite format 3", 0, 15, "an SQLite database; write it as CSV, for `data.format: table`"},
    {"%PDF-", 0, 5, "a PDF document"},
    {"\x7f"
     "ELF",
     0, 4, "a program"},
};

/* A zip archive says by the name of its first entry what it is. */
static const char *zip_kind(const uint8_t *at, size_t n)
{
    const size_t named = n > 30 ? (size_t)at[26] | (size_t)at[27] << 8 : 0, room = n > 30 ? n - 30 : 0;
    const char *name = (const char *)at + 30;
    const size_t length = named < room ? named : room;
    if (length >= 4 && memcmp(name + length - 4, ".npy", 4) == 0)
        return "a NumPy archive (npz), for `data.format: npy`";
    if (length >= 8 && memcmp(name + length - 8, "data.pkl", 8) == 0)
        return "a file of torch.save(); save the numbers with numpy.save(), for `data.format: npy`";
    if (length >= 19 && memcmp(name, "[Content_Types].xml", 19) == 0)
        return "an Excel or Word document; save it as CSV, for `data.format: table`";
    return "a zip archive; unpack it";
}

static bool begins(const char *at, size_t n, const char *word)
{
    const size_t length = strlen(word);
    return n >= length && strncasecmp(at, word, length) == 0;
}

/* A header may begin so, too: `<DATE>,<OPEN>`, `[id],[name]`. */
static bool is_xml(const char *at, size_t n)
{
    return begins(at, n, "<?xml") || begins(at, n, "<!") || begins(at, n, "<body") || begins(at, n, "<svg");
}

static bool is_json(const char *at, size_t n)
{
    if (n == 0 || (at[0] != '{' && at[0] != '[')) return false;
    const bool list = at[0] == '[';
    do at++, n--;
    while (n > 0 && isspace((unsigned char)*at));
    return n > 0 && (at[0] == '"' || (list && at[0] == '{'));
}

static const char numbers[] = "a table of numbers, for `data.format: table`", words[] = "text";

/* Text: a web page, a table, or other words. NULL if it is no text. */
static const char *text_kind(const char *at, size_t n)
{
    size_t digits = 0, letters = 0;
    if (n >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3, n -= 3;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)at[i];
        if (c == 0x7f || (c < ' ' && strchr("\t\r\n\f", c) == NULL) || c == '\0') return NULL;
        digits += isdigit(c) != 0;
        letters += isalpha(c) != 0;
    }
    while (n > 0 && isspace((unsigned char)*at)) at++, n--;
    if (n == 0) return NULL;
    if (begins(at, n, "<!doctype html") || begins(at, n, "<html") || begins(at, n, "<head"))
        return "a web page; the download has failed";
    if (is_xml(at, n)) return "XML or a web page; the download may have failed";
    if (is_json(at, n)) return "JSON text";
    return digits > letters ? numbers : words;
}

/* The types of IDX are 08, 09 and 0b to 0e. */
static bool is_idx(const uint8_t *at, size_t n)
{
    return n >= 8 && at[0] == 0 && at[1] == 0 && at[2] >= 8 && at[2] <= 14 && at[2] != 10 && at[3] >= 1 && at[3] <= 4;
}

const char *trb__looks_like(const uint8_t *at, size_t n)
{
    if (n == 0) return "an empty file";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= known[i].at + known[i].n && memcmp(at + known[i].at, known[i].magic, known[i].n) == 0)
            return known[i].text;
    if (n >= 4 && memcmp(at, "PK\3\4", 4) == 0) return zip_kind(at, n);
    if (n >= 2 && at[0] == 0x80 && at[1] >= 2 && at[1] <= 5)
        return "a Python pickle; save the numbers with numpy.save(), for `data.format: npy`";
    if (is_idx(at, n)) return "an IDX file, for `data.format: idx`";
    return text_kind((const char *)at, n);
}

trb_status trb__unlike(trb_status st, const char *path, const char *expected, const uint8_t *at, size_t n)
{
    const char *what = trb__looks_like(at, n);
    if (what != NULL) return trb_fail(st, "%s: expected %s, but it looks like %s", path, expected, what);
    uint8_t first[4] = {0};
    memcpy(first, at, n < 4 ? n : 4);
    return trb_fail(st, "%s: expected %s, but it begins with the bytes %02x %02x %02x %02x", path, expected, first[0],
                    first[1], first[2], first[3]);
}

trb_status trb__expect_table(const char *path, const uint8_t *at, size_t n)
{
    const char *what = n == 0 ? NULL : trb__looks_like(at, n);
    if (what == NULL || what == numbers || what == words) return TRB_OK;
    return trb__unlike(TRB_EINPUT, path, "a table of text", at, n);
}
