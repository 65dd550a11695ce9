/* Folders, and files that are opened by their names. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"

trb_status trb_mkdirs(const char *path)
{
    trb_status st = TRB_OK;
    char *part = NULL;
    TRB_GO(trb_fault("file.folder"));
    TRB_GO(trb_strdup(path, &part));
    for (char *p = part; *p != '\0';) {
        p += strspn(p, "/");
        p += strcspn(p, "/");
        const char rest = *p;
        *p = '\0';
        struct stat info;
        if (mkdir(part, 0777) != 0) {
            const int why = errno;
            /* Another rank may have made the folder meanwhile. A read-only parent may refuse a folder that exists. */
            if (stat(part, &info) != 0 || !S_ISDIR(info.st_mode)) {
                st = trb_fail(TRB_EIO, "%s: cannot make the folder: %s", part, strerror(why));
                goto done;
            }
        }
        *p = rest;
    }
done:
    trb_free(part);
    return st;
}

bool trb_folder_space(const char *path, double *bytes)
{
    char part[PATH_MAX];
    struct statvfs disk;
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) return false;
    while (statvfs(part, &disk) != 0) {
        char *slash = strrchr(part, '/');
        if (errno != ENOENT || strcmp(part, ".") == 0) return false;
        if (slash == NULL)
            (void)strcpy(part, ".");
        else
            slash[slash == part ? 1 : 0] = '\0';
    }
    *bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    return disk.f_blocks > 0; /* some file systems, as those of web storage, tell 0 */
}

void trb_folder_bytes(const char *path, double *bytes)
{
    enum { BLOCK = 512 };
    char *const top[] = {(char *)(uintptr_t)path, NULL};
    FTS *walk = fts_open(top, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    *bytes = 0.0;
    for (FTSENT *at = NULL; walk != NULL && (at = fts_read(walk)) != NULL;)
        if (at->fts_info == FTS_F) *bytes += (double)at->fts_statp->st_blocks * BLOCK;
    if (walk != NULL) (void)fts_close(walk);
}

bool trb_file_exists(const char *path)
{
    struct stat info;
    /* If the file system cannot answer, the file is assumed to exist. Opening it then fails, and nothing is
     * overwritten. */
    return stat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool trb_folder_forbidden(const char *path)
{
    return access(path, W_OK) != 0 && (errno == EACCES || errno == EPERM || errno == EROFS);
}

static int look(const char *path, int flags, struct stat *info)
{
    return (flags & O_NOFOLLOW) != 0 ? lstat(path, info) : stat(path, info);
}

int trb__open(const char *path, int flags)
{
    struct stat info;
    const int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0666); /* O_NONBLOCK has no effect on regular files */
    int why = errno;
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) return fd;
    if (fd >= 0 || (look(path, flags, &info) == 0 && !S_ISREG(info.st_mode))) why = EMEDIUMTYPE;
    if (fd >= 0) (void)close(fd);
    errno = why;
    return -1;
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISLNK(mode)  ? "a symbolic link"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

trb_status trb__open_failed(const char *path, int flags, int why)
{
    struct stat info;
    const bool reads = (flags & O_ACCMODE) == O_RDONLY;
    if (why == EMEDIUMTYPE)
        return trb_fail(TRB_ECONFIG, "%s: expected a file, got %s", path,
                        look(path, flags, &info) == 0 ? kind_of(info.st_mode) : "something else");
    return trb_fail(reads && (why == ENOENT || why == ENOTDIR || why == ELOOP) ? TRB_ECONFIG : TRB_EIO,
                    "%s: cannot be %s: %s", path, reads ? "read" : "written", strerror(why));
}

trb_status trb_file_open(const char *path, int flags, int *fd)
{
    *fd = trb__open(path, flags);
    return *fd < 0 ? trb__open_failed(path, flags, errno) : TRB_OK;
}
