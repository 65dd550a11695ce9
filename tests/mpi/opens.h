/** Which files a test's process has opened, however: the program's and HDF5's calls come here first. Include it
 * once. */
#ifndef TRB_TESTS_MPI_OPENS_H
#define TRB_TESTS_MPI_OPENS_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char opens_log[1 << 16]; /* the names, each with a newline behind it */
static size_t opens_end;
static bool opens_on;

/** How many of the files opened since opens_begin(), until the first question, have names that end so. */
static inline int opens_of(const char *end)
{
    char line[128];
    int n = 0;
    opens_on = false;
    (void)snprintf(line, sizeof line, "%s\n", end);
    for (const char *at = opens_log; (at = strstr(at, line)) != NULL; at++) n++;
    return n;
}

static inline void opens_begin(void)
{
    opens_end = 0;
    opens_log[0] = '\0';
    opens_on = true;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, int) : 0;
    va_end(args);
    if (opens_on && opens_end + strlen(path) + 2 < sizeof opens_log)
        opens_end += (size_t)snprintf(opens_log + opens_end, sizeof opens_log - opens_end, "%s\n", path);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

#endif
