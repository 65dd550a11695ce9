/* metrics.jsonl. A copy of all lines stays in memory, so that a checkpoint can store them and a resumed training can
 * write them again. */
#include "tribikos/jsonl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/lock.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

struct trb_jsonl {
    FILE *fp;
    char *path;
    trb_text all; /* everything that was written; checkpoints store it */
};

static trb_status pass_on(trb_jsonl *j, size_t from)
{
    TRB_TRY(trb_fail_of(j->all.st, "%s: ", j->path));
    /* Flush after every line: somebody who watches a run sees each epoch when it ends, and a full disk is noticed at
     * once. */
    const size_t n = j->all.n - from;
    if (fwrite(j->all.at + from, 1, n, j->fp) != n || fflush(j->fp) != 0)
        return trb_fail(TRB_EIO, "%s: cannot write: %s", j->path, strerror(errno));
    return TRB_OK;
}

trb_status trb_jsonl_open(const char *path, const char *text, trb_jsonl **out)
{
    trb_status st = TRB_OK;
    trb_jsonl *j = NULL;
    int fd = -1;
    TRB_TRY(trb_lock_check(path));
    TRB_TRY(trb_fault("file.create"));
    TRB_GO(trb_alloc(TRB_MEM_OTHER, 1, sizeof *j, &j));
    TRB_GO(trb_strdup(path, &j->path));
    TRB_GO(trb_file_open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, &fd));
    j->fp = ftruncate(fd, 0) == 0 ? fdopen(fd, "w") : NULL;
    if (j->fp == NULL) TRB_GO(trb_fail(TRB_EIO, "%s: cannot create: %s", path, strerror(errno)));
    fd = -1;
    trb_text_add(&j->all, "%s", text == NULL ? "" : text);
    TRB_GO(pass_on(j, 0));
    *out = j;
    j = NULL;
done:
    if (fd >= 0) (void)close(fd);
    (void)trb_jsonl_close(j);
    return st;
}

trb_status trb_jsonl_text(const trb_jsonl *j, char **text)
{
    return trb_strdup(j->all.at, text);
}

trb_status trb_jsonl_line(trb_jsonl *j, const char *fmt, ...)
{
    trb_status st = TRB_OK;
    va_list args;
    TRB_TRY(trb_lock_check(j->path)); /* otherwise two jobs could write lines into one file */
    TRB_TRY(trb_fault("file.write"));
    va_start(args, fmt);
    const char *lead = "{";
    const size_t before = j->all.n;
    for (const char *p = fmt + strspn(fmt, " "); *p != '\0'; p += strspn(p, " "), lead = ", ") {
        const size_t length = strcspn(p, ":");
        const char kind = p[length] == ':' ? p[length + 1] : '\0';
        if (kind == '\0' || strchr("ufs", kind) == NULL) {
            st = trb_fail(TRB_EINTERNAL, "%s: bad line format \"%s\"", j->path, fmt);
            goto done;
        }
        trb_text_add(&j->all, "%s\"%.*s\": ", lead, (int)length, p);
        if (kind == 'u')
            trb_text_add(&j->all, "%llu", va_arg(args, unsigned long long));
        else if (kind == 's')
            trb_text_quoted(&j->all, va_arg(args, const char *));
        else
            trb_text_number(&j->all, va_arg(args, double));
        p += length + 2;
    }
    trb_text_add(&j->all, "}\n");
    st = pass_on(j, before);
done:
    va_end(args);
    return st;
}

static trb_status close_file(trb_jsonl *j)
{
    trb_status st = trb_fault("file.sync");
    if (st == TRB_OK && fsync(fileno(j->fp)) != 0)
        st = trb_fail(TRB_EIO, "%s: cannot sync to disk: %s", j->path, strerror(errno));
    if (st == TRB_OK) st = trb_fault("file.write");
    if (fclose(j->fp) != 0 && st == TRB_OK) st = trb_fail(TRB_EIO, "%s: cannot close: %s", j->path, strerror(errno));
    return st;
}

trb_status trb_jsonl_close(trb_jsonl *j)
{
    if (j == NULL) return TRB_OK;
    const trb_status st = j->fp == NULL ? TRB_OK : close_file(j);
    trb_text_clear(&j->all);
    trb_free(j->path);
    trb_free(j);
    return st;
}
