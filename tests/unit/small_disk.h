/* A file system of a few kilobytes, for tests of a full disk. Needs the right to mount; says so loudly where it is
 * missing. */
#ifndef TRB_TEST_SMALL_DISK_H
#define TRB_TEST_SMALL_DISK_H

#include <errno.h>
#include <stdbool.h>
#include <sys/mount.h>

#include "scratch.h"

/* \return whether there is one, at `path` */
static bool small_disk_mount(const char *path, size_t kilobytes)
{
    char options[32];
    (void)snprintf(options, sizeof options, "size=%zuk", kilobytes);
    (void)mkdir(path, 0777);
    if (mount("none", path, "tmpfs", 0, options) == 0) return true;
    print_error("SKIPPED: no small file system could be mounted (%s); run as root to test a full disk\n",
                strerror(errno));
    return false;
}

static void small_disk_unmount(const char *path)
{
    assert_int_equal(umount(path), 0);
}

#endif
