/* Describes this processor from /proc/cpuinfo, for files that record what made them. */
#include "tribikos/machine.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char name[160];

/* Finds the first line of /proc/cpuinfo whose key is `key` (x86) or `other` (ARM) and returns its value; "?" if there
 * is none. */
static void find(const char *key, const char *other, char value[64])
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    (void)snprintf(value, 64, "?");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const size_t n = strcspn(line, "\t:");
        const char *text = strchr(line, ':');
        const bool mine =
            (n == strlen(key) && strncmp(line, key, n) == 0) || (n == strlen(other) && strncmp(line, other, n) == 0);
        if (!mine || text == NULL) continue;
        (void)snprintf(value, 64, "%.*s", (int)strcspn(text + 1 + strspn(text + 1, " "), ";\n"),
                       text + 1 + strspn(text + 1, " "));
        break;
    }
    if (f != NULL) (void)fclose(f);
}

static void describe(void)
{
    char model[64], family[64], number[64];
    find("model name", "CPU implementer", model);
    find("cpu family", "CPU architecture", family);
    find("model", "CPU part", number);
    (void)snprintf(name, sizeof name, "%.60s (%.12s/%.12s), L2 %ld KiB", model, family, number,
                   sysconf(_SC_LEVEL2_CACHE_SIZE) / 1024);
}

const char *trb_machine_name(void)
{
    (void)pthread_once(&once, describe);
    return name;
}
