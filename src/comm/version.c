/* The name and version of the MPI library. Implementations give one line or several, and the first begins with the name
 * and the version: "Open MPI v4.1.4, package: ...", "MPICH Version:\t4.0.2\n...". It is cut there, and runs of blanks
 * become one. */
#include <ctype.h>
#include <stdbool.h>

#include "internal.h"

const char *trb_comm_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING + 1];
    int n = 0;
    if (MPI_Get_library_version(text, &n) != MPI_SUCCESS) return "unknown";
    size_t kept = 0;
    bool blank = false;
    for (const char *p = text; *p != '\0' && *p != '\n' && *p != ','; p++) {
        const bool is_blank = isspace((unsigned char)*p) != 0;
        if (blank && !is_blank && kept > 0) text[kept++] = ' ';
        if (!is_blank) text[kept++] = *p;
        blank = is_blank;
    }
    text[kept] = '\0';
    return text;
}
