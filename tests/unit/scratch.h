/* A fresh folder for a test's files, and what is found in them. */
#ifndef TRB_TEST_SCRATCH_H
#define TRB_TEST_SCRATCH_H

#include "asserts.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tribikos/file.h"
#include "tribikos/h5.h"
#include "tribikos/memory.h"

static char scratch[64];

/* A path in the folder; one of eight buffers in turn. */
__attribute__((unused, format(printf, 1, 2))) static const char *in_scratch(const char *fmt, ...)
{
    static char path[8][512];
    static unsigned turn;
    char *p = path[turn++ % 8];
    const int n = snprintf(p, 512, "%s/", scratch);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(p + n, 512 - (size_t)n, fmt, args);
    va_end(args);
    return p;
}

static int scratch_make(void **state)
{
    (void)state;
    (void)strcpy(scratch, "/tmp/trb-test-XXXXXX");
    return mkdtemp(scratch) == NULL;
}

static int scratch_remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

/* Also sees that everything allocated since the start of the program has been released. */
static int scratch_remove(void **state)
{
    (void)state;
    if (trb_mem_bytes(TRB_MEM_KINDS) != 0) print_error("%zu bytes are still held\n", trb_mem_bytes(TRB_MEM_KINDS));
    return nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 || trb_mem_bytes(TRB_MEM_KINDS) != 0;
}

/* Number of entries in a folder whose name contains the text. */
__attribute__((unused)) static int count_files(const char *folder, const char *text)
{
    int n = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) return -1;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) n += strstr(e->d_name, text) != NULL;
    (void)closedir(dir);
    return n;
}

/* A file's bytes, to be freed; a final zero is added. */
__attribute__((unused)) static char *slurp(const char *path, size_t *bytes)
{
    FILE *fp = fopen(path, "rb");
    assert_non_null(fp);
    (void)fseek(fp, 0, SEEK_END);
    const size_t n = (size_t)ftell(fp);
    rewind(fp);
    char *text = calloc(n + 1, 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, n, fp), n);
    (void)fclose(fp);
    if (bytes != NULL) *bytes = n;
    return text;
}

__attribute__((unused)) static void spill(const char *path, const void *bytes, size_t n)
{
    FILE *fp = fopen(path, "wb");
    assert_non_null(fp);
    assert_int_equal(fwrite(bytes, 1, n, fp), n);
    assert_int_equal(fclose(fp), 0);
}

__attribute__((unused)) static void expect_text(trb_h5 *h, const char *attribute, const char *wanted)
{
    char *text = NULL;
    assert_ok(trb_h5_get_text(h, attribute, &text));
    assert_string_equal(text, wanted);
    trb_free(text);
}

/* What a chosen passage fails with: of memory, or of all else. */
__attribute__((unused)) static bool is_fault(trb_status st)
{
    return st == TRB_ENOMEM || st == TRB_EIO;
}

/* Run `body` in a child with TRB_FAULT set. The variable is read at the first point that a process passes: the parent
 * must not have passed one, so these tests come first. \return what the body returned */
__attribute__((unused)) static int with_fault(const char *fault, int (*body)(void))
{
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        (void)setenv("TRB_FAULT", fault, 1);
        _exit(body());
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#endif
