/* Memory that the ranks of a node share (trb_shared in comm.h): one rank makes it, the others map it. If that is
 * refused, each rank holds its own copy. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "tribikos/fault.h"
#include "tribikos/log.h"

struct trb_shared {
    void *at;
    size_t bytes;
    trb_mem kind;
    bool holds;
};

/* Where the other ranks find the first rank's file, and how they recognise it. In another container the same process
 * number may belong to another process. */
typedef struct {
    int pid, fd;
    uint64_t device, inode;
} place;

static trb_status refused(const char *call)
{
    return trb_fail(TRB_ENOMEM, "%s: %s", call, strerror(errno));
}

/* Reserves all pages at once. Otherwise a page that the system cannot provide would end the process at the first
 * access. */
static trb_status make(size_t bytes, place *p)
{
    struct rlimit limit;
    struct stat info;
    TRB_TRY(trb_fault("alloc"));
    p->fd = memfd_create("tribikos", MFD_CLOEXEC);
    if (p->fd < 0) return refused("memfd_create");
    /* Beyond this limit the system does not refuse: it kills the process. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes)
        return trb_fail(TRB_ENOMEM, "files may have at most %llu bytes (ulimit -f), but %zu are needed",
                        (unsigned long long)limit.rlim_cur, bytes);
    while (fallocate(p->fd, 0, 0, (off_t)bytes) != 0)
        if (errno != EINTR) return refused("fallocate");
    if (fstat(p->fd, &info) != 0) return refused("fstat");
    p->pid = (int)getpid();
    p->device = info.st_dev;
    p->inode = info.st_ino;
    return TRB_OK;
}

/* Opens the first rank's file through /proc, and checks that it is the same file. */
static trb_status find(const place *p, int *fd)
{
    char path[64];
    struct stat info;
    (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", p->pid, p->fd);
    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &info) != 0) return refused(path);
    if (info.st_dev == p->device && info.st_ino == p->inode) return TRB_OK;
    return trb_fail(TRB_ENOMEM, "%s: is something else here", path);
}

static trb_status map(int fd, trb_shared *s)
{
    TRB_TRY(trb_fault("alloc"));
    void *at = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return refused("mmap");
    s->at = at;
    return TRB_OK;
}

trb_status trb_shared_open(trb_comm *node, trb_mem kind, size_t bytes, trb_shared **out)
{
    static bool said;
    const bool leads = node->rank == 0;
    place there = {.fd = -1};
    int fd = -1;
    trb_shared *s = NULL;
    trb_status st = TRB_OK;
    *out = NULL;
    if (node->size == 1) return TRB_OK;
    st = trb_agree(node, trb_alloc(TRB_MEM_OTHER, 1, sizeof *s, &s));
    if (st != TRB_OK) {
        trb_free(s);
        return st;
    }
    *s = (trb_shared){.bytes = bytes, .kind = kind};
    if (leads) st = make(bytes, &there);
    if (leads) fd = there.fd;
    TRB_GO(trb_agree(node, st));
    TRB_GO(trb_comm_bcast(node, &there, sizeof there, 0));
    if (!leads) st = find(&there, &fd);
    if (st == TRB_OK) st = map(fd, s);
    TRB_GO(trb_agree(node, st)); /* also keeps the first rank's file open until all ranks have opened it */
    s->holds = leads;
    if (leads) trb_mem_hold(kind, bytes);
    *out = s;
    s = NULL;
done:
    if (fd >= 0) (void)close(fd);
    trb_shared_close(s);
    if (st != TRB_ENOMEM) return st;
    if (!said) trb_info("a node's ranks cannot share memory and hold their own (%s)", trb_fail_message());
    said = true;
    trb_fail_clear();
    return TRB_OK;
}

void *trb_shared_at(const trb_shared *s)
{
    return s->at;
}

void trb_shared_close(trb_shared *s)
{
    if (s == NULL) return;
    if (s->at != NULL) (void)munmap(s->at, s->bytes);
    if (s->holds) trb_mem_release(s->kind, s->bytes);
    trb_free(s);
}
