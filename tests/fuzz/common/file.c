#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include <hdf5.h>

static char folder[64];
static hsize_t objects; /* that are open between inputs: the library's own, and the types of src/store */

/* HDF5 leaves memory behind where it fails; our own is counted below. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

uint64_t fuzz_number(fuzz_input *in, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && in->n > 0; i++, in->at++, in->n--) value |= (uint64_t)*in->at << (8 * i);
    return value;
}

fuzz_input fuzz_bytes(fuzz_input *in, size_t n)
{
    const fuzz_input part = {in->at, n < in->n ? n : in->n};
    in->at += part.n;
    in->n -= part.n;
    return part;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

static void remove_folder(void)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_path(const char *name)
{
    static char path[8][512];
    static unsigned turn;
    if (folder[0] == '\0') {
        (void)strcpy(folder, "/dev/shm/trb-fuzz-XXXXXX");
        FUZZ_MUST(mkdtemp(folder) != NULL);
        (void)atexit(remove_folder);
    }
    char *p = path[turn++ % 8];
    (void)snprintf(p, 512, "%s/%s", folder, name);
    return p;
}

const char *fuzz_put(const char *name, fuzz_input bytes)
{
    const char *path = fuzz_path(name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_MUST(fd >= 0);
    FUZZ_MUST(write(fd, bytes.at, bytes.n) == (ssize_t)bytes.n);
    FUZZ_MUST(close(fd) == 0);
    return path;
}

void fuzz_die(const char *what)
{
    (void)fprintf(stderr, "not so: %s; the last line said: %s\n", what, trb_fail_message());
    abort();
}

static hsize_t open_objects(void)
{
    static const H5I_type_t kinds[] = {H5I_FILE,    H5I_GROUP, H5I_DATATYPE,   H5I_DATASPACE,
                                       H5I_DATASET, H5I_ATTR,  H5I_GENPROP_LST};
    hsize_t all = 0;
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        hsize_t n = 0;
        if (H5Inmembers(kinds[i], &n) >= 0) all += n;
    }
    return all;
}

void fuzz_settle(trb_status st)
{
    FUZZ_MUST((st == TRB_OK) == (trb_fail_message()[0] == '\0'));
    if (objects == 0) objects = open_objects();
    FUZZ_MUST(st != TRB_EINTERNAL && st != TRB_ECOMM);
    FUZZ_MUST(strchr(trb_fail_message(), '\n') == NULL);
    FUZZ_MUST(trb_mem_bytes(TRB_MEM_KINDS) == 0);
    FUZZ_MUST(open_objects() == objects);
    trb_fail_clear();
}
