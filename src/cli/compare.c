#include "commands.h"
trb_status trb__take_format(const char *value, trb__arguments *a) { (void)value; (void)a; return TRB_OK; }
trb_status trb__command_compare(const trb__arguments *a) { (void)a; return TRB_OK; }
