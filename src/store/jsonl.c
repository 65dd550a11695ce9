#include "tribikos/store.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "tribikos/fault.h"
#include "tribikos/memory.h"

struct trb_jsonl {
    FILE *fp;
    char *path;
};

trb_status trb_jsonl_open(const char *path, trb_jsonl **out)
{
    trb_status st = TRB_OK;
    trb_jsonl *j = NULL;
    TRB_TRY(trb_fault("file.create"));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *j, &j));
    TRB_GO(trb_strdup(path, &j->path));
    j->fp = fopen(path, "we");
    if (j->fp == NULL) {
        st = trb_fail(TRB_EIO, "%s: cannot create: %s", path, strerror(errno));
        goto done;
    }
    *out = j;
    j = NULL;
done:
    if (j != NULL) trb_free(j->path);
    trb_free(j);
    return st;
}

static void put_text(FILE *fp, const char *text)
{
    (void)fputc('"', fp);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            (void)fprintf(fp, "\\%c", *p);
        else if ((unsigned char)*p < 0x20)
            (void)fprintf(fp, "\\u%04x", (unsigned)*p);
        else
            (void)fputc(*p, fp);
    }
    (void)fputc('"', fp);
}

trb_status trb_jsonl_line(trb_jsonl *j, const char *fmt, ...)
{
    trb_status st = TRB_OK;
    va_list args;
    TRB_TRY(trb_fault("file.write"));
    va_start(args, fmt);
    const char *lead = "{";
    for (const char *p = fmt + strspn(fmt, " "); *p != '\0'; p += strspn(p, " "), lead = ", ") {
        const size_t length = strcspn(p, ":");
        const char kind = p[length] == ':' ? p[length + 1] : '\0';
        if (kind == '\0' || strchr("ufs", kind) == NULL) {
            st = trb_fail(TRB_EINTERNAL, "%s: bad line format \"%s\"", j->path, fmt);
            goto done;
        }
        (void)fprintf(j->fp, "%s\"%.*s\": ", lead, (int)length, p);
        if (kind == 'u') {
            (void)fprintf(j->fp, "%llu", va_arg(args, unsigned long long));
        } else if (kind == 's') {
            put_text(j->fp, va_arg(args, const char *));
        } else {
            const double value = va_arg(args, double);
            (void)(isfinite(value) ? fprintf(j->fp, "%.17g", value) : fputs("null", j->fp));
        }
        p += length + 2;
    }
    (void)fputs("}\n", j->fp);
    /* Flushed a line: whoever watches a run sees each epoch as it ends, and a full disk is noticed at once. */
    if (fflush(j->fp) != 0 || ferror(j->fp)) st = trb_fail(TRB_EIO, "%s: cannot write: %s", j->path, strerror(errno));
done:
    va_end(args);
    return st;
}

trb_status trb_jsonl_close(trb_jsonl *j)
{
    trb_status st = TRB_OK;
    if (j == NULL) return TRB_OK;
    if (fclose(j->fp) != 0) st = trb_fail(TRB_EIO, "%s: cannot close: %s", j->path, strerror(errno));
    trb_free(j->path);
    trb_free(j);
    return st;
}
