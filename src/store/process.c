/* Whether another process of this host still runs. Locks and temporary files name the process that made them. */
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* State and start time of a process, fields 3 and 22 of /proc/PID/stat. Field 2, the name, may contain blanks and
 * parentheses, so reading begins after its last parenthesis. \return false if the system does not say */
static bool process_stat(long pid, char *state, unsigned long long *started)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *fp = fopen(path, "re");
    if (fp == NULL) return false;
    text[fread(text, 1, sizeof text - 1, fp)] = '\0';
    (void)fclose(fp);
    const char *after_name = strrchr(text, ')');
    return after_name != NULL && sscanf(after_name,
                                        ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                                        "%llu",
                                        state, started) == 2;
}

unsigned long long trb__process_started(long pid)
{
    char state = '?';
    unsigned long long started = 0;
    return process_stat(pid, &state, &started) ? started : 0;
}

bool trb__process_gone(long pid, unsigned long long started)
{
    char state = '?';
    unsigned long long now = 0;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) return true;
    return process_stat(pid, &state, &now) && (state == 'Z' || state == 'X' || (started != 0 && started != now));
}
