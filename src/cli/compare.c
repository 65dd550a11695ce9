/* `tribikos compare`: its flags, its operands, and the way from the runs (compare_runs.c) to the table
 * (compare_table.c). */
#include "compare.h"

#include <string.h>

trb_status trb__take_table(const char *value, trb__arguments *a)
{
    static const char *const names[] = {[TRB__TEXT] = "text", [TRB__CSV] = "csv", [TRB__JSON] = "json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(value, names[i]) != 0) continue;
        a->table = (trb__table_format)i;
        return TRB_OK;
    }
    return trb_fail(TRB_ECONFIG, "command line: `--format`: expected text, csv or json, got `%s`", value);
}

trb_status trb__command_compare(const trb__arguments *a)
{
    trb__runs r = {0};
    if (a->n_operands == 0 || a->n_flags > 0)
        return trb_fail(TRB_ECONFIG, "`tribikos compare` takes folders of runs, --format and --report%s%s",
                        a->n_flags > 0 ? ", got " : "", a->n_flags > 0 ? a->flag[0] : "");
    trb_status st = trb__runs_open(a->n_operands, a->operand, a->report, &r);
    if (st == TRB_OK) st = trb__compare_print(&r, a->table);
    trb__runs_close(&r);
    return st;
}
