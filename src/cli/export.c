/* `tribikos export`: weights files in the formats of other programs. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/text.h"

trb_status trb__take_format(const char *value, trb__arguments *a)
{
    enum { MOST = 8 };
    const char *names[MOST];
    size_t n = 0;
    a->format = trb_export_format_find(value);
    if (a->format != NULL) return TRB_OK;
    for (; n < MOST && trb_export_format_at(n) != NULL; n++) names[n] = trb_export_format_at(n)->name;
    return trb_fail(TRB_ECONFIG, "command line: `--format`: there is no format `%s`; nearest is `%s`", value,
                    trb_nearest(value, n, names));
}

trb_status trb__take_output(const char *value, trb__arguments *a)
{
    trb_free(a->output);
    a->output = NULL;
    if (value[0] == '\0') return trb_fail(TRB_ECONFIG, "command line: `--output`: expected the name of a file");
    return trb_strdup(value, &a->output);
}

trb_status trb__take_force(const char *value, trb__arguments *a)
{
    (void)value;
    a->force = true;
    return TRB_OK;
}

trb_status trb__command_export(const trb__arguments *a)
{
    if (a->n_flags > 0)
        return trb_fail(TRB_ECONFIG, "`tribikos export` takes --format=FORMAT, --output=FILE and --force, got `%s`",
                        a->flag[0]);
    if (a->n_operands == 0)
        return trb_fail(TRB_ECONFIG, "`tribikos export` takes a weights file, or those of all members of an ensemble");
    if (a->format == NULL || a->output == NULL)
        return trb_fail(TRB_ECONFIG, "`tribikos export` needs --%s=%s", a->format == NULL ? "format" : "output",
                        a->format == NULL ? "FORMAT" : "FILE");
    return trb_export(a->format, a->n_operands, a->operand, a->output, a->force);
}
