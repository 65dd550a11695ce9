/* `tribikos export`: weights files and metrics in the formats of other programs. */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "tribikos/comm.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

/* Formats of metrics. */
static const char *const curves[] = {"tensorboard", "csv"};
enum { CURVES = sizeof curves / sizeof *curves };

trb_status trb__take_format(const char *value, trb__arguments *a)
{
    enum { MOST = 8 };
    const char *names[MOST + CURVES];
    size_t n = 0;
    a->format = trb_export_format_find(value);
    a->curves = NULL;
    for (size_t i = 0; i < CURVES; i++)
        if (strcmp(value, curves[i]) == 0) a->curves = curves[i];
    if (a->format != NULL || a->curves != NULL) return TRB_OK;
    for (; n < MOST && trb_export_format_at(n) != NULL; n++) names[n] = trb_export_format_at(n)->name;
    for (size_t i = 0; i < CURVES; i++) names[n++] = curves[i];
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
    const bool formless = a->format == NULL && a->curves == NULL;
    if (a->n_operands == 0)
        return trb_fail(TRB_ECONFIG,
                        "`tribikos export` takes a weights file, those of all members of an ensemble, or the "
                        "folder of a run");
    if (formless || a->output == NULL)
        return trb_fail(TRB_ECONFIG, "`tribikos export` needs --%s=%s", formless ? "format" : "output",
                        formless ? "FORMAT" : "FILE");
    if (!trb_comm_leads()) return TRB_OK;
    if (a->curves == NULL) return trb_export(a->format, a->n_operands, a->operand, a->output, a->force);
    if (a->n_operands > 1)
        return trb_fail(TRB_ECONFIG, "--format=%s takes the folder of one run, got %zu names", a->curves,
                        a->n_operands);
    return trb__export_curves(strcmp(a->curves, "csv") == 0, a->operand[0], a->output, a->force);
}
