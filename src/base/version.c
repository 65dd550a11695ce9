/* Keeps the text that says what the program is made of (version.h). */
#include "tribikos/version.h"

#include <stdio.h>

static char kept[1024];

void trb_version_set(const char *text)
{
    (void)snprintf(kept, sizeof kept, "%s", text);
}

const char *trb_version(void)
{
    return kept;
}
