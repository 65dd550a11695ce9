/* `tribikos pack`: the images of a folder as an HDF5 file. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "tribikos/comm.h"
#include "tribikos/file.h"
#include "tribikos/number.h"

trb_status trb__take_size(const char *value, trb__arguments *a)
{
    const size_t n = strlen(value);
    a->pack.size = strtoul(value, NULL, 10);
    if (n > 0 && n <= 5 && strspn(value, "0123456789") == n && a->pack.size >= 1 && a->pack.size <= TRB_PACK_SIZE_MOST)
        return TRB_OK;
    return trb_fail(TRB_ECONFIG, "command line: `--size`: expected a whole number from 1 to %d, got `%s`",
                    TRB_PACK_SIZE_MOST, value);
}

trb_status trb__take_channels(const char *value, trb__arguments *a)
{
    a->pack.channels = strcmp(value, "1") == 0   ? TRB_IMAGE_GREY
                       : strcmp(value, "3") == 0 ? TRB_IMAGE_RGB
                                                 : TRB_IMAGE_AS_IS;
    if (a->pack.channels != TRB_IMAGE_AS_IS) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "command line: `--channels`: expected 1 (grey) or 3 (coloured), got `%s`", value);
}

trb_status trb__take_skip_bad(const char *value, trb__arguments *a)
{
    (void)value;
    a->pack.skip_bad = true;
    return TRB_OK;
}

trb_status trb__command_pack(const trb__arguments *a)
{
    trb_packed packed = {0};
    if (a->n_flags > 0)
        return trb_fail(TRB_ECONFIG,
                        "`tribikos pack` takes --output=FILE, --size=PIXELS, --channels=1|3, --skip-bad and --force, "
                        "got `%s`",
                        a->flag[0]);
    if (a->n_operands != 1)
        return trb_fail(TRB_ECONFIG, "`tribikos pack` takes one folder, which has a subfolder for each class");
    if (a->output == NULL) return trb_fail(TRB_ECONFIG, "`tribikos pack` needs --output=FILE");
    if (!trb_comm_leads()) return TRB_OK;
    TRB_TRY(trb_file_may_write(a->output, a->force));
    trb_file_sweep(a->output);
    TRB_TRY(trb_pack(a->operand[0], a->output, &a->pack, &packed));
    char n[TRB_NUMBER_BYTES];
    TRB_TRY(trb__show("%s: %s %s of %zu x %zu x %zu, %s", a->output, trb_number_grouped(packed.n, n),
                      packed.n == 1 ? "image" : "images", packed.shape.c, packed.shape.h, packed.shape.w,
                      TRB_COUNT(packed.classes, "class")));
    return packed.bad == 0 ? TRB_OK : trb__show("%s left out", TRB_COUNT(packed.bad, "file"));
}
