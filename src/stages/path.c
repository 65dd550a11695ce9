/* Paths below the folder of a run. */
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

trb__path trb__run_path(const trb_config *c, const char *fmt, ...)
{
    trb__path p;
    const int n = snprintf(p.text, sizeof p.text, "%s/", c->run.dir);
    if (n > 0 && (size_t)n < sizeof p.text) {
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(p.text + n, sizeof p.text - (size_t)n, fmt, args);
        va_end(args);
    }
    return p;
}
