/* Commands of one process: they read a configuration, a cache or a file, and print. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "tribikos/cache.h"
#include "tribikos/checkpoint.h"
#include "tribikos/file.h"
#include "tribikos/h5.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/members.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"
#include "tribikos/weights.h"

trb_status trb__command_config(const trb__arguments *a)
{
    char *text = NULL, *out = NULL;
    trb_config *c = NULL;
    trb_status st = TRB_OK;
    if (a->n_flags == 1 && strcmp(a->flag[0], "--help") == 0) {
        TRB_GO(trb_config_help(&out));
    } else {
        if (a->n_operands != 1)
            return trb_fail(TRB_ECONFIG, "`tribikos config` takes one configuration file, or --help");
        TRB_GO(trb_file_read_text(a->operand[0], TRB__CONFIG_BYTES, &text));
        TRB_GO(trb_config_parse(a->operand[0], text, a->n_flags, a->flag, &c));
        TRB_GO(trb_config_print(c, &out));
    }
    (void)fputs(out, stdout);
done:
    trb_free(out);
    trb_config_destroy(c);
    trb_free(text);
    return st;
}

/* Digests are stored as numbers and printed in hexadecimal, as messages show them. */
static trb_status print_attribute(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    const size_t length = strlen(name);
    char hex[17];
    if (length >= 6 && strcmp(name + length - 6, "digest") == 0) {
        trb_hash_hex(strtoull(value, NULL, 10), hex);
        value = hex;
    }
    /* The identity is a text of several lines, which are indented under their name. */
    for (const char *label = name; *value != '\0' || label == name; label = "") {
        const size_t n = strcspn(value, "\n");
        TRB_TRY(trb__show("  %-16s %.*s", label, (int)n, value));
        value += n + (value[n] == '\n');
    }
    return TRB_OK;
}

static trb_status print_dataset(void *ctx, const char *name, const trb_h5_shape *shape)
{
    (void)ctx;
    enum { DIMENSION = 24 }; /* bytes of " [18446744073709551615]" */
    char extent[TRB_H5_MAX_DIM * DIMENSION] = "";
    for (size_t i = 0, n = 0; i < shape->ndim; i++) n += (size_t)sprintf(extent + n, " [%zu]", shape->dim[i]);
    return trb__show("  %-24s %-8s%s", name, trb_dtype_name(shape->type), extent);
}

/* Predictions have no format attribute, unlike all other files of this program. */
static bool is_predictions(trb_h5 *h)
{
    return !trb_h5_has_attr(h, "format") && trb_h5_has(h, "/sample_id") &&
           (trb_h5_has(h, "/label") || trb_h5_has(h, "/target"));
}

trb_status trb__command_info(const trb__arguments *a)
{
    trb_h5 *h = NULL;
    char *format = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(trb__one_operand(a, "file or run"));
    if (trb__is_run(a->operand[0])) return trb__info_run(a->operand[0]);
    TRB_GO(trb_h5_open(a->operand[0], &h));
    if (is_predictions(h)) {
        TRB_GO(trb__show("%s: predictions of an evaluation, with uncertainties (src/stages/report.h)", a->operand[0]));
        TRB_GO(trb_h5_each_attr(h, print_attribute, NULL));
        st = trb_h5_each(h, print_dataset, NULL);
        goto done;
    }
    TRB_GO(trb_h5_get_text(h, "format", &format));
    TRB_GO(trb__show("%s: %s", a->operand[0], format));
    TRB_GO(trb_h5_each_attr(h, print_attribute, NULL));
    /* A manifest's virtual data set is never opened (see cache.h). Its attributes say what it holds. */
    if (strcmp(format, "tribikos cache") != 0) TRB_GO(trb_h5_each(h, print_dataset, NULL));
    if (strcmp(format, "tribikos weights") == 0) {
        trb_weights_info info = {0};
        char hex[17];
        TRB_GO(trb_weights_read(a->operand[0], &info, NULL, NULL));
        trb_hash_hex(info.digest, hex);
        trb_weights_info_clear(&info);
        TRB_GO(trb__show("every tensor was read; the digest is %s, as recorded", hex));
    }
    if (strcmp(format, "tribikos checkpoint") == 0) {
        trb_checkpoint c = {.config = NULL};
        TRB_GO(trb_checkpoint_read(a->operand[0], NULL, NULL, &c));
        trb_checkpoint_clear(&c);
        TRB_GO(trb__show("everything was read; the digest is as recorded"));
    }
done:
    trb_free(format);
    trb_h5_close(h);
    return st;
}
