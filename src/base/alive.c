#include "tribikos/alive.h"

#include <stddef.h>

static _Thread_local void (*give)(void);

void trb_alive_open(void (*sign)(void))
{
    give = sign;
}

void trb_alive(void)
{
    if (give != NULL) give();
}
