/* Commands of one process: they read a configuration, a cache or a file, and print. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "tribikos/cache.h"
#include "tribikos/checkpoint.h"
#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/h5.h"
#include "tribikos/hash.h"
#include "tribikos/log.h"
#include "tribikos/members.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"
#include "tribikos/weights.h"

trb_status trb__read_text(const char *path, char **text)
{
    enum { LARGEST = 1 << 20 }; /* bytes; a larger file is no configuration */
    char *content = NULL;
    trb_status st = TRB_OK;
    int fd = -1;
    TRB_TRY(trb_fault("file.open"));
    if (trb_file_open(path, O_RDONLY, &fd) != TRB_OK) return TRB_ECONFIG;
    FILE *f = fdopen(fd, "rb");
    if (f == NULL) {
        (void)close(fd);
        return trb_fail(TRB_ENOMEM, "%s: cannot be read: %s", path, strerror(errno));
    }
    TRB_GO(trb_alloc(TRB_MEM_OTHER, LARGEST + 1, 1, &content));
    TRB_GO(trb_fault("file.read"));
    const size_t n = fread(content, 1, LARGEST + 1, f);
    if (ferror(f) != 0) {
        st = trb_fail(TRB_ECONFIG, "%s: cannot be read: %s", path, strerror(errno));
    } else if (n > LARGEST || memchr(content, '\0', n) != NULL) {
        st = trb_fail(TRB_ECONFIG, "%s: not a configuration (binary, or larger than 1 MiB)", path);
    } else {
        content[n] = '\0';
        *text = content;
        content = NULL;
    }
done:
    trb_free(content);
    (void)fclose(f);
    return st;
}

static trb_status one_operand(const trb__arguments *a, const char *what)
{
    if (a->n_operands == 1 && a->n_flags == 0) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "`tribikos %s` takes one %s and no flags", a->command->name, what);
}

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
        TRB_GO(trb__read_text(a->operand[0], &text));
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

static trb_status show(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Print a line. What a file says of itself may hold escape sequences; they must not reach the terminal. */
static trb_status show(const char *fmt, ...)
{
    char *line = NULL;
    va_list args;
    va_start(args, fmt);
    const int n = vasprintf(&line, fmt, args);
    va_end(args);
    if (n < 0) return trb_fail(TRB_ENOMEM, "no memory for a line of output");
    (void)puts(trb_printable(line));
    free(line);
    return TRB_OK;
}

/* Print how good each member is by the labels of the cache, and warn of what cannot be logits. */
static trb_status show_members(const trb_members *members, size_t M)
{
    char text[TRB_MEMBERS_DOUBT];
    for (size_t m = 0; m < M; m++) {
        const trb_member_figures f = trb_members_figures(members, m);
        const char *doubt = trb_members_doubt(members, m, text);
        if (!isnan(f.accuracy) && m == 0) TRB_TRY(show("member    accuracy         nll"));
        if (!isnan(f.accuracy)) TRB_TRY(show("m%03zu    %10.4f  %10.4f", m, f.accuracy, f.nll));
        if (doubt != NULL) trb_warn("member %zu %s", m, doubt);
    }
    return TRB_OK;
}

/* A bad shard does not end the check, so that one call names all of them. */
trb_status trb__command_verify(const trb__arguments *a)
{
    trb_cache *cache = NULL;
    trb_members *members = NULL;
    trb_progress progress;
    size_t bad = 0;
    trb_status st = TRB_OK;
    TRB_TRY(one_operand(a, "cache folder"));
    TRB_GO(trb_cache_open(a->operand[0], &cache));
    TRB_GO(trb_members_create(cache, &members));
    const trb_cache_spec *spec = trb_cache_spec_of(cache);
    const size_t units = trb_cache_units(spec);
    trb_progress_begin(&progress, units, "shards", "verify");
    for (size_t i = 0; i < units; i++) {
        st = trb_members_read(members, i);
        if (st != TRB_OK && st != TRB_EINTEGRITY) goto done;
        if (st == TRB_EINTEGRITY) {
            (void)printf("bad: %s\n", trb_fail_message());
            trb_fail_clear();
            bad++;
        }
        trb_progress_update(&progress, i + 1, "");
    }
    trb_progress_end(&progress, "");
    st = bad == 0
             ? show("%s: %zu shards of %zu members, %zu samples, %zu outputs%s: all good", a->operand[0], units,
                    spec->M, spec->N, spec->K, trb_cache_labelled(spec) ? "" : ", no labels")
             : trb_fail(TRB_EINTEGRITY,
                        "%s: %zu of %zu shards are bad; write them anew (`tribikos cache`, or what wrote this cache)",
                        a->operand[0], bad, units);
    if (st == TRB_OK) st = show_members(members, spec->M);
done:
    trb_members_destroy(members);
    trb_cache_close(cache);
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
        TRB_TRY(show("  %-16s %.*s", label, (int)n, value));
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
    return show("  %-24s %-8s%s", name, trb_dtype_name(shape->type), extent);
}

trb_status trb__command_info(const trb__arguments *a)
{
    trb_h5 *h = NULL;
    char *format = NULL;
    trb_status st = TRB_OK;
    TRB_TRY(one_operand(a, "file"));
    TRB_GO(trb_h5_open(a->operand[0], &h));
    TRB_GO(trb_h5_get_text(h, "format", &format));
    TRB_GO(show("%s: %s", a->operand[0], format));
    TRB_GO(trb_h5_each_attr(h, print_attribute, NULL));
    /* A manifest's virtual data set is never opened (see cache.h). Its attributes say what it holds. */
    if (strcmp(format, "tribikos cache") != 0) TRB_GO(trb_h5_each(h, print_dataset, NULL));
    if (strcmp(format, "tribikos weights") == 0) {
        trb_weights_info info = {0};
        char hex[17];
        TRB_GO(trb_weights_read(a->operand[0], &info, NULL, NULL));
        trb_hash_hex(info.digest, hex);
        trb_weights_info_clear(&info);
        TRB_GO(show("every tensor was read; the digest is %s, as recorded", hex));
    }
    if (strcmp(format, "tribikos checkpoint") == 0) {
        trb_checkpoint c = {.config = NULL};
        TRB_GO(trb_checkpoint_read(a->operand[0], NULL, NULL, &c));
        trb_checkpoint_clear(&c);
        TRB_GO(show("everything was read; the digest is as recorded"));
    }
done:
    trb_free(format);
    trb_h5_close(h);
    return st;
}
