/* Files that are written aside and get their final names when they are complete.
 *
 * | step | on disk | a crash after this step leaves |
 * | trb__file_aside() | nothing under the temporary name | nothing |
 * | the caller writes and closes | NAME.tmp.HOST.PID | a .tmp file, which trb_folder_sweep() removes later |
 * | trb__file_settle(): sync, check of the lock | the same, safe against power failure | the same |
 * | trb__file_settle(): rename, sync of the folder | NAME | the complete file |
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/lock.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* The folder part of a path, "." if there is none. A path that does not fit here is too long for open() as well. */
static void folder_of(const char *path, char folder[PATH_MAX])
{
    (void)snprintf(folder, PATH_MAX, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        (void)strcpy(folder, ".");
    else
        slash[slash == folder ? 1 : 0] = '\0';
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Stands between the final name and the name of the writer in a temporary name. */
static const char TMP[] = ".tmp.";

/* The part of a temporary name after TMP: this host and a process number. */
static void writer_of(char *text, size_t n, long pid)
{
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(text, n, "%s.%ld", host, pid);
}

/* Whether the writer of a temporary file is gone. A process of this host can be asked for. Processes of other hosts
 * cannot, so their files count as abandoned when they have not changed for a day. */
static bool is_abandoned(int folder, const char *name, const char *writer)
{
    const char *dot = strrchr(writer, '.');
    const long pid = dot == NULL ? 0 : strtol(dot + 1, NULL, 10);
    char mine[300];
    struct stat info;
    writer_of(mine, sizeof mine, pid);
    if (strcmp(mine, writer) == 0) return pid == getpid() || trb__process_gone(pid, 0);
    return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - info.st_mtime > 24 * 3600;
}

/* The writer's part of a temporary name NAME.tmp.HOST.PID; NULL if this is no temporary name. NAME must end as the
 * files of a run do, so that files of other programs are never removed. */
static const char *writer_in(const char *name)
{
    static const char *const ends[] = {".h5", ".yaml", ".json", ".csv"};
    const char *mark = NULL;
    for (const char *at = strstr(name, TMP); at != NULL; at = strstr(at + 1, TMP)) mark = at;
    const char *dot = mark == NULL ? NULL : strrchr(mark + strlen(TMP), '.');
    if (dot == NULL || dot[1] == '\0' || strspn(dot + 1, "0123456789") != strlen(dot + 1)) return NULL;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t n = strlen(ends[i]);
        if ((size_t)(mark - name) > n && memcmp(mark - n, ends[i], n) == 0) return mark + strlen(TMP);
    }
    return NULL;
}

void trb_folder_sweep(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        const char *writer = writer_in(entry->d_name);
        if (writer != NULL && is_abandoned(dirfd(dir), entry->d_name, writer))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
}

trb_status trb__file_aside(const char *path, char **tmp)
{
    TRB_TRY(trb_fault("file.create"));
    char writer[300], *name = NULL;
    writer_of(writer, sizeof writer, (long)getpid());
    const size_t bytes = strlen(path) + strlen(writer) + 8;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, bytes, 1, &name));
    (void)snprintf(name, bytes, "%s%s%s", path, TMP, writer);
    (void)unlink(name); /* left by an earlier process with this number, or a link that somebody has put there */
    *tmp = name;
    return TRB_OK;
}

/* Sync a file or folder to disk. Some file systems cannot sync a folder and return EINVAL; nothing is lost on them. */
static trb_status sync_to_disk(const char *path, bool folder)
{
    trb_status st = TRB_OK;
    TRB_TRY(trb_fault("file.sync"));
    const int fd = open(path, O_RDONLY | O_CLOEXEC | (folder ? O_DIRECTORY : 0));
    if (fd < 0) return trb_fail(TRB_EIO, "%s: cannot open for syncing: %s", path, strerror(errno));
    if (fsync(fd) != 0 && !(folder && errno == EINVAL))
        st = trb_fail(TRB_EIO, "%s: cannot sync to disk: %s", path, strerror(errno));
    if (close(fd) != 0 && st == TRB_OK) st = trb_fail(TRB_EIO, "%s: cannot close: %s", path, strerror(errno));
    return st;
}

trb_status trb__file_settle(const char *tmp, const char *path)
{
    trb_status st = TRB_OK;
    char folder[PATH_MAX];
    folder_of(path, folder);
    TRB_GO(sync_to_disk(tmp, false));
    TRB_GO(trb_lock_check(path));
    TRB_GO(trb_fault("file.rename"));
    if (rename(tmp, path) != 0) {
        st = trb_fail(TRB_EIO, "%s: cannot rename %s to it: %s", path, name_of(tmp), strerror(errno));
        goto done;
    }
    st = sync_to_disk(folder, true);
done:
    if (st != TRB_OK) (void)unlink(tmp);
    return st;
}

/* \param[in] bytes  of the file, and one more, which stays unused unless the file grows meanwhile
 * \param[out] n  how many were read */
static trb_status read_all(FILE *f, const char *path, size_t bytes, char *content, size_t *n)
{
    TRB_TRY(trb_fault("file.read"));
    *n = fread(content, 1, bytes, f);
    if (ferror(f) != 0) return trb_fail(TRB_ECONFIG, "%s: cannot be read: %s", path, strerror(errno));
    if (*n == bytes) --*n;
    content[*n] = '\0';
    return TRB_OK;
}

/* UTF-16 becomes UTF-8. \param[in,out] content  [n + 1], replaced */
static trb_status as_utf8(const char *path, char **content, size_t n)
{
    char *text = NULL;
    bool whole = true;
    if (trb_text_is_utf16(*content, n)) {
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, n / 2 * 3 + 1, 1, &text));
        n = trb_text_from_utf16(*content, n, text, &whole);
        trb_free(*content);
        *content = text;
    }
    if (!whole) return trb_fail(TRB_ECONFIG, "%s: begins as UTF-16, but is not all of it; save it as UTF-8", path);
    if (memchr(*content, '\0', n) == NULL) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "%s: expected a text, got binary data", path);
}

trb_status trb_file_read_text(const char *path, size_t most, char **text)
{
    struct stat info;
    char *content = NULL;
    trb_status st = TRB_OK;
    int fd = -1;
    TRB_TRY(trb_fault("file.open"));
    if (trb_file_open(path, O_RDONLY, &fd) != TRB_OK) return TRB_ECONFIG;
    FILE *f = fdopen(fd, "rb");
    if (f == NULL) {
        (void)close(fd);
        return trb_fail(TRB_ENOMEM, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (fstat(fd, &info) != 0 || (size_t)info.st_size > most)
        TRB_GO(trb_fail(TRB_ECONFIG, "%s: expected a text of at most %zu MiB, got %zu bytes", path, most >> 20,
                        (size_t)info.st_size));
    const size_t bytes = (size_t)info.st_size + 1;
    TRB_GO(trb_alloc(TRB_MEM_OTHER, bytes, 1, &content));
    size_t n = 0;
    TRB_GO(read_all(f, path, bytes, content, &n));
    TRB_GO(as_utf8(path, &content, n));
    *text = content;
    content = NULL;
done:
    trb_free(content);
    (void)fclose(f);
    return st;
}

trb_status trb_file_publish_text(const char *path, const char *text)
{
    return trb_file_publish_bytes(path, text, strlen(text));
}

struct trb_file_writer {
    char *path, *tmp;
    FILE *fp;
};

static void writer_destroy(trb_file_writer *w)
{
    trb_free(w->tmp);
    trb_free(w->path);
    trb_free(w);
}

trb_status trb_writer_open(const char *path, trb_file_writer **out)
{
    trb_status st = TRB_OK;
    trb_file_writer *w = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *w, &w));
    TRB_GO(trb_strdup(path, &w->path));
    TRB_GO(trb__file_aside(path, &w->tmp));
    w->fp = fopen(w->tmp, "wxe");
    if (w->fp == NULL) {
        st = trb_fail(TRB_EIO, "%s: cannot create: %s", path, strerror(errno));
        goto done;
    }
    *out = w;
    return TRB_OK;
done:
    writer_destroy(w);
    return st;
}

trb_status trb_writer_add(trb_file_writer *w, const void *bytes, size_t n)
{
    TRB_TRY(trb_fault("file.write"));
    if (fwrite(bytes, 1, n, w->fp) == n) return TRB_OK;
    return trb_fail(TRB_EIO, "%s: cannot write: %s", w->path, strerror(errno));
}

trb_status trb_writer_publish(trb_file_writer *w)
{
    trb_status st = TRB_OK;
    if (fflush(w->fp) != 0) st = trb_fail(TRB_EIO, "%s: cannot write: %s", w->path, strerror(errno));
    if (fclose(w->fp) != 0 && st == TRB_OK) st = trb_fail(TRB_EIO, "%s: cannot close: %s", w->path, strerror(errno));
    if (st == TRB_OK)
        st = trb__file_settle(w->tmp, w->path);
    else
        (void)unlink(w->tmp);
    writer_destroy(w);
    return st;
}

void trb_writer_close(trb_file_writer *w)
{
    if (w == NULL) return;
    (void)fclose(w->fp);
    (void)unlink(w->tmp);
    writer_destroy(w);
}

trb_status trb_file_publish_bytes(const char *path, const void *bytes, size_t n)
{
    trb_file_writer *w = NULL;
    TRB_TRY(trb_writer_open(path, &w));
    const trb_status st = trb_writer_add(w, bytes, n);
    if (st == TRB_OK) return trb_writer_publish(w);
    trb_writer_close(w);
    return st;
}

trb_status trb_file_may_write(const char *path, bool force)
{
    struct stat info;
    if (stat(path, &info) != 0) return TRB_OK;
    if (!S_ISREG(info.st_mode)) return trb_fail(TRB_ECONFIG, "%s exists, and is no file", path);
    if (force) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "%s exists; --force overwrites it", path);
}

trb_status trb_file_not_among(const char *path, size_t n, char *const *read)
{
    struct stat to, from;
    if (stat(path, &to) != 0) return TRB_OK;
    for (size_t i = 0; i < n; i++)
        if (stat(read[i], &from) == 0 && from.st_dev == to.st_dev && from.st_ino == to.st_ino)
            return trb_fail(TRB_ECONFIG, "%s is read here, as %s; give --output another name", path, read[i]);
    return TRB_OK;
}

void trb_file_sweep(const char *path)
{
    char folder[PATH_MAX];
    folder_of(path, folder);
    trb_folder_sweep(folder);
}

trb_status trb_folder_move(const char *from, const char *to)
{
    char inside[PATH_MAX], folder[PATH_MAX];
    (void)snprintf(inside, sizeof inside, "%s/.", from); /* a lock of the folder protects what is in it */
    TRB_TRY(trb_lock_check(inside));
    TRB_TRY(trb_fault("file.rename"));
    if (rename(from, to) != 0) return trb_fail(TRB_EIO, "%s: cannot be moved to %s: %s", from, to, strerror(errno));
    folder_of(to, folder);
    return sync_to_disk(folder, true);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    if (trb_fault("file.folder") != TRB_OK) return -1;
    if (remove(path) == 0 || errno == ENOENT) return 0;
    (void)trb_fail(TRB_EIO, "%s: cannot be removed: %s", path, strerror(errno));
    return -1;
}

trb_status trb_folder_remove(const char *path)
{
    enum { OPEN_AT_ONCE = 8 };
    struct stat info;
    if (lstat(path, &info) != 0 && errno == ENOENT) return TRB_OK;
    if (nftw(path, remove_entry, OPEN_AT_ONCE, FTW_DEPTH | FTW_PHYS) == 0) return TRB_OK;
    return trb_fail(TRB_EIO, "%s: cannot be removed: %s", path, strerror(errno));
}
