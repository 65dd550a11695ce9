/* Loaded in front of the C library: one rank's reads of some files take a while, as from a disk that many share.
 * SLOW_READS=RANK:MILLISECONDS:MOST:PART, where PART is a part of the files' names, and MOST the number of reads after
 * which the disk is fast again. Each slow read also adds a byte to the file SLOW_COUNT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static void delay(int fd)
{
    static long rank = -2, milliseconds, left;
    static const char *part;
    char link[64], path[4096];
    if (rank == -2) {
        const char *how = getenv("SLOW_READS"), *mine = getenv("OMPI_COMM_WORLD_RANK");
        char *at = NULL;
        if (mine == NULL) mine = getenv("PMI_RANK");
        rank = how == NULL ? -1 : strtol(how, &at, 10);
        if (how == NULL || mine == NULL || strtol(mine, NULL, 10) != rank) rank = -1;
        if (rank >= 0) {
            milliseconds = strtol(at + 1, &at, 10);
            left = strtol(at + 1, &at, 10);
            part = at + 1;
        }
    }
    if (rank < 0) return;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return;
    path[n] = '\0';
    if (strstr(path, part) == NULL || left-- <= 0) return;
    (void)nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000}, NULL);
    const int count = open(getenv("SLOW_COUNT"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (count < 0 || write(count, ".", 1) != 1 || close(count) != 0) abort();
}

ssize_t read(int fd, void *to, size_t n)
{
    static ssize_t (*real)(int, void *, size_t);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "read");
    delay(fd);
    return real(fd, to, n);
}

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pread");
    delay(fd);
    return real(fd, to, n, at);
}

ssize_t pread64(int fd, void *to, size_t n, off_t at)
{
    return pread(fd, to, n, at);
}
