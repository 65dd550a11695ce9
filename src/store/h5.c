/* HDF5 files: how the library is set up, how a file is created, published, opened and closed, and root attributes.
 *
 * | a handle comes from | its file | it ends with |
 * | trb_h5_create() | temporary name, open for writing | trb_h5_publish(): final name; trb_h5_close(): file removed |
 * | trb_h5_open() | final name, open for reading | trb_h5_close() |
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static hid_t types[TRB_DTYPES], big_types[TRB_DTYPES]; /* little-endian, and big-endian */
static hid_t file_access, file_creation, set_access;
static char elsewhere[160]; /* the file of the external link that was met last; under the lock */

const char *trb_h5_library(void)
{
    static char text[40];
    unsigned major = 0, minor = 0, release = 0;
    (void)H5get_libversion(&major, &minor, &release);
    (void)snprintf(text, sizeof text, "HDF5 %u.%u.%u", major, minor, release);
    return text;
}

/* A link into another file is not followed: a data file from elsewhere could show any file that this user can read. */
static herr_t refuse_link(const char *parent, const char *group, const char *file, const char *object, unsigned *flags,
                          hid_t access, void *data)
{
    (void)parent, (void)group, (void)object, (void)flags, (void)access, (void)data;
    (void)snprintf(elsewhere, sizeof elsewhere, "%s", file);
    return -1;
}

hid_t trb__h5_set_access(void)
{
    elsewhere[0] = '\0';
    return set_access;
}

bool trb__h5_is_elsewhere(const char **file)
{
    *file = elsewhere;
    return elsewhere[0] != '\0';
}

static void begin(void)
{
    /* HDF5 1.10 locks every file that it opens with flock(). Lustre and NFS often refuse that, and then opening fails.
     * Nothing here needs this lock, since a file under its final name is never written to. A value that the user has
     * set is kept. */
    (void)setenv("HDF5_USE_FILE_LOCKING", "FALSE", 0);
    (void)H5open();
    /* Strong closing also closes whatever is still open inside the file. The format of 1.10 has checksums over all
     * metadata. In files of the older formats, which HDF5 writes by default, one flipped bit in two hundred makes the
     * library crash or loop instead of failing. */
    file_access = H5Pcreate(H5P_FILE_ACCESS);
    (void)H5Pset_fclose_degree(file_access, H5F_CLOSE_STRONG);
    (void)H5Pset_libver_bounds(file_access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    /* No time stamps, so that the same calls give the same bytes. */
    file_creation = H5Pcreate(H5P_FILE_CREATE);
    (void)H5Pset_obj_track_times(file_creation, 0);
    set_access = H5Pcreate(H5P_DATASET_ACCESS);
    (void)H5Pset_elink_cb(set_access, refuse_link, NULL);
    types[TRB_U8] = H5T_STD_U8LE;
    types[TRB_I32] = H5T_STD_I32LE;
    types[TRB_I64] = H5T_STD_I64LE;
    types[TRB_U64] = H5T_STD_U64LE;
    types[TRB_F32] = H5T_IEEE_F32LE;
    types[TRB_F64] = H5T_IEEE_F64LE;
    /* binary16 as h5py defines it: sign at bit 15, 5 bits of exponent with bias 15 at bit 10, 10 bits of mantissa. */
    const hid_t f16 = H5Tcopy(H5T_IEEE_F32LE);
    (void)H5Tset_fields(f16, 15, 10, 5, 0, 10);
    (void)H5Tset_size(f16, 2);
    (void)H5Tset_ebias(f16, 15);
    types[TRB_F16] = f16;
    types[TRB_BOOL] = H5T_STD_U8LE;
    types[TRB_I8] = H5T_STD_I8LE;
    types[TRB_I16] = H5T_STD_I16LE;
    types[TRB_U16] = H5T_STD_U16LE;
    types[TRB_U32] = H5T_STD_U32LE;
    for (size_t t = 0; t < TRB_DTYPES; t++) {
        big_types[t] = H5Tcopy(types[t]);
        (void)H5Tset_order(big_types[t], H5T_ORDER_BE);
    }
}

void trb__h5_lock(void)
{
    (void)pthread_once(&once, begin);
    (void)pthread_mutex_lock(&lock);
    /* If HDF5 was built thread-safe, every thread has its own error reporting, which prints to stderr by default. */
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* A thread that ends with recorded errors leaves objects that a thread-safe HDF5 1.10 cannot release: at the end of the
 * process it prints "infinite loop closing library". */
void trb__h5_unlock(void)
{
    (void)H5Eclear2(H5E_DEFAULT);
    (void)pthread_mutex_unlock(&lock);
}

hid_t trb__h5_type(trb_dtype t)
{
    return types[t];
}

/* Whether a type is the enumeration {FALSE = 0, TRUE = 1} of a byte, which h5py writes for bool. */
static bool is_bool(hid_t type)
{
    static const char *const names[] = {"FALSE", "TRUE"};
    if (H5Tget_class(type) != H5T_ENUM || H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2) return false;
    for (int8_t value = 0; value < 2; value++) {
        char name[8] = "";
        if (H5Tenum_nameof(type, &value, name, sizeof name) < 0 || strcmp(name, names[value]) != 0) return false;
    }
    return true;
}

bool trb__h5_known(hid_t stored, trb_dtype *t)
{
    int i = 0;
    if (is_bool(stored)) {
        *t = TRB_BOOL;
        return true;
    }
    while (i < TRB_DTYPES && H5Tequal(stored, types[i]) <= 0 && H5Tequal(stored, big_types[i]) <= 0) i++;
    *t = (trb_dtype)i;
    return i < TRB_DTYPES;
}

typedef struct {
    char text[160];
    int os_error;
} reason;

/* The innermost entry of the error stack says what failed. The entry of the file driver, anywhere in the stack,
 * contains "errno = N". */
static herr_t collect(unsigned n, const H5E_error2_t *entry, void *data)
{
    reason *r = data;
    (void)n;
    if (r->text[0] == '\0' && entry->desc != NULL) (void)snprintf(r->text, sizeof r->text, "%s", entry->desc);
    const char *code = entry->desc == NULL ? NULL : strstr(entry->desc, "errno = ");
    if (code != NULL && r->os_error == 0) r->os_error = (int)strtol(code + strlen("errno = "), NULL, 10);
    return 0;
}

trb_status trb__h5_fail(const trb_h5 *h, trb_status st, const char *what, const char *object)
{
    reason r = {.os_error = 0};
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, collect, &r);
    if (r.os_error != 0) st = TRB_EIO;
    const char *why = r.os_error != 0 ? strerror(r.os_error) : r.text;
    if (object == NULL) return trb_fail(st, "%s: %s: %s", h->path, what, why);
    return trb_fail(st, "%s: %s %s: %s", h->path, what, object, why);
}

static trb_status handle_create(const char *path, trb_h5 **out)
{
    trb_h5 *h = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *h, &h));
    h->file = h->set = H5I_INVALID_HID;
    const trb_status st = trb_strdup(path, &h->path);
    if (st != TRB_OK)
        trb_free(h);
    else
        *out = h;
    return st;
}

static void handle_destroy(trb_h5 *h)
{
    trb_free(h->set_name);
    trb_free(h->tmp);
    trb_free(h->path);
    trb_free(h);
}

trb_status trb__h5_release_set(trb_h5 *h)
{
    if (h->set < 0) return TRB_OK;
    const hid_t set = h->set;
    h->set = H5I_INVALID_HID;
    return H5Dclose(set) < 0 ? trb__h5_fail(h, TRB_EIO, "cannot finish data set", h->set_name) : TRB_OK;
}

/* The file descriptor that HDF5 uses for a file that is being written. */
static int descriptor(const trb_h5 *h)
{
    int *fd = NULL;
    return H5Fget_vfd_handle(h->file, H5P_DEFAULT, (void **)&fd) < 0 ? -1 : *fd;
}

/* HDF5 gives the heaps and indices of many attributes or links their place in the file only when it flushes them, so
 * they are not part of the file's size yet. */
static herr_t add_unplaced(hid_t group, const char *name, const H5O_info_t *info, void *bytes)
{
    (void)group, (void)name;
    const H5_ih_info_t *of = &info->meta_size.obj, *attr = &info->meta_size.attr;
    *(hsize_t *)bytes += of->heap_size + of->index_size + attr->heap_size + attr->index_size;
    return 0;
}

/* \return 0; an errno if the disk is full or broken. Other errors, such as a file system that cannot reserve, are
 * ignored: the file is written without a reservation. */
static int reserve_bytes(int fd, off_t bytes)
{
    int why = 0;
    do why = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, bytes) == 0 ? 0 : errno;
    while (why == EINTR);
    return why == ENOSPC || why == EDQUOT || why == EFBIG || why == EIO ? why : 0;
}

/* Reserve on disk all the bytes that the file will need. If a flush of HDF5 fails half-way, the file can neither be
 * flushed nor closed any more, and the process crashes. So a full disk must be found before the flush. File systems
 * that cannot reserve are mostly network file systems; they report a full disk only at the sync anyway. */
static trb_status reserve(trb_h5 *h)
{
    enum { MARGIN = 4096 }; /* HDF5 places small objects in two blocks of 2 KiB, one for metadata and one for data */
    hsize_t bytes = 0, unplaced = MARGIN;
    TRB_TRY(trb_fault("file.write"));
    if (H5Fget_filesize(h->file, &bytes) < 0 ||
        H5Ovisit2(h->file, H5_INDEX_NAME, H5_ITER_NATIVE, add_unplaced, &unplaced, H5O_INFO_META_SIZE) < 0)
        return trb__h5_fail(h, TRB_EIO, "cannot write", NULL);
    bytes += unplaced;
    const int why = reserve_bytes(descriptor(h), (off_t)bytes);
    return why == 0 ? TRB_OK : trb_fail(TRB_EIO, "%s: cannot write: %s", h->path, strerror(why));
}

/* Release the bytes that were reserved but not needed. */
static void release_rest(const trb_h5 *h)
{
    struct stat info;
    if (stat(h->tmp, &info) == 0) (void)!truncate(h->tmp, info.st_size);
}

/* Close and remove a file that failed. HDF5 insists on writing what it still holds, which fails on a full disk. So its
 * descriptor is redirected to a file in memory first. */
static void give_up(trb_h5 *h)
{
    if (h->file >= 0) {
        const int fd = descriptor(h), sink = memfd_create("tribikos", MFD_CLOEXEC);
        if (fd >= 0 && sink >= 0) (void)dup2(sink, fd);
        if (sink >= 0) (void)close(sink);
        (void)H5Fclose(h->file);
    }
    (void)unlink(h->tmp);
}

trb_status trb_h5_create(const char *path, trb_h5 **out)
{
    trb_status st = TRB_OK;
    trb_h5 *h = NULL;
    trb__h5_lock();
    TRB_GO(handle_create(path, &h));
    TRB_GO(trb__file_aside(path, &h->tmp));
    h->file = H5Fcreate(h->tmp, H5F_ACC_EXCL, file_creation, file_access);
    if (h->file < 0) {
        st = trb__h5_fail(h, TRB_EIO, "cannot create", NULL);
        (void)unlink(h->tmp); /* on a full disk the name exists, although its first bytes could not be written */
        goto done;
    }
    *out = h;
    h = NULL;
done:
    if (h != NULL) handle_destroy(h);
    trb__h5_unlock();
    return st;
}

trb_status trb_h5_publish(trb_h5 *h)
{
    trb_status st = TRB_OK;
    trb__h5_lock();
    TRB_GO(trb__h5_release_set(h));
    TRB_GO(reserve(h));
    if (H5Fclose(h->file) < 0) st = trb__h5_fail(h, TRB_EIO, "cannot close", NULL);
    h->file = H5I_INVALID_HID; /* also after a failure: a file that is half closed must not be used again */
    release_rest(h);
done:
    if (st != TRB_OK) give_up(h);
    trb__h5_unlock();
    if (st == TRB_OK) st = trb__file_settle(h->tmp, h->path);
    handle_destroy(h);
    return st;
}

trb_status trb_h5_open(const char *path, trb_h5 **out)
{
    trb_status st = TRB_OK;
    trb_h5 *h = NULL;
    int fd = -1;
    trb__h5_lock();
    TRB_GO(trb_fault("file.open"));
    TRB_GO(trb_file_open(path, O_RDONLY, &fd)); /* HDF5 blocks on a FIFO, and does not say why opening failed */
    (void)close(fd);
    TRB_GO(handle_create(path, &h));
    h->file = H5Fopen(path, H5F_ACC_RDONLY, file_access);
    if (h->file < 0) {
        st = trb__h5_fail(h, TRB_EINTEGRITY, "is no whole HDF5 file", NULL);
        goto done;
    }
    *out = h;
    h = NULL;
    trb_alive();
done:
    if (h != NULL) handle_destroy(h);
    trb__h5_unlock();
    return st;
}

void trb_h5_close(trb_h5 *h)
{
    if (h == NULL) return;
    trb__h5_lock();
    if (h->tmp != NULL)
        give_up(h);
    else
        (void)H5Fclose(h->file);
    trb__h5_unlock();
    handle_destroy(h);
}

const char *trb_h5_path(const trb_h5 *h)
{
    return h->path;
}

/* ---- attributes of the root group */

static trb_status put(trb_h5 *h, const char *name, hid_t type, const void *value)
{
    trb_status st = TRB_OK;
    TRB_TRY(trb_fault("file.write"));
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attr = H5Acreate2(h->file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attr < 0 || H5Awrite(attr, type, value) < 0) st = trb__h5_fail(h, TRB_EIO, "cannot write attribute", name);
    if (attr >= 0 && H5Aclose(attr) < 0 && st == TRB_OK) st = trb__h5_fail(h, TRB_EIO, "cannot write attribute", name);
    (void)H5Sclose(space);
    return st;
}

trb_status trb_h5_put_u64(trb_h5 *h, const char *name, uint64_t value)
{
    trb__h5_lock();
    const trb_status st = put(h, name, types[TRB_U64], &value);
    trb__h5_unlock();
    return st;
}

/* Texts are written with a fixed length of at least one byte and padded with zeros, as NumPy's bytes are. Texts of
 * variable length lie outside all checksums, and HDF5 copies as many bytes as a damaged length says. */
static hid_t text_type(size_t bytes)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    (void)H5Tset_size(type, bytes);
    (void)H5Tset_cset(type, H5T_CSET_UTF8);
    (void)H5Tset_strpad(type, H5T_STR_NULLPAD);
    return type;
}

trb_status trb_h5_put_text(trb_h5 *h, const char *name, const char *value)
{
    const size_t bytes = strlen(value);
    if (bytes > TRB_H5_TEXT_MAX)
        return trb_fail(TRB_ECONFIG, "%s: attribute %s would have %zu bytes; at most %d can be read back", h->path,
                        name, bytes, TRB_H5_TEXT_MAX);
    trb__h5_lock();
    const hid_t type = text_type(bytes > 0 ? bytes : 1);
    const trb_status st = put(h, name, type, value);
    (void)H5Tclose(type);
    trb__h5_unlock();
    return st;
}

bool trb_h5_has_attr(trb_h5 *h, const char *name)
{
    trb__h5_lock();
    const bool has = H5Aexists(h->file, name) > 0;
    trb__h5_unlock();
    return has;
}

/* Open a scalar attribute.
 * \param[out] attr,type  closed by the caller if not negative, after a failure too */
static trb_status open_attr(trb_h5 *h, const char *name, hid_t *attr, hid_t *type)
{
    TRB_TRY(trb_fault("file.read"));
    const htri_t exists = H5Aexists(h->file, name);
    if (exists == 0)
        return trb_fail(TRB_EINTEGRITY, "%s: no attribute %s in this file; is it of the expected kind?", h->path, name);
    if (exists > 0) *attr = H5Aopen(h->file, name, H5P_DEFAULT);
    if (*attr < 0) return trb__h5_fail(h, TRB_EINTEGRITY, "cannot open attribute", name);
    *type = H5Aget_type(*attr);
    if (*type < 0) return trb__h5_fail(h, TRB_EINTEGRITY, "cannot read attribute", name);
    const hid_t space = H5Aget_space(*attr);
    const bool scalar = space >= 0 && H5Sget_simple_extent_npoints(space) == 1;
    if (space >= 0) (void)H5Sclose(space);
    return scalar ? TRB_OK : trb_fail(TRB_EINTEGRITY, "%s: attribute %s is no single value", h->path, name);
}

trb_status trb_h5_get_u64(trb_h5 *h, const char *name, uint64_t *value)
{
    trb_status st = TRB_OK;
    hid_t attr = H5I_INVALID_HID, type = H5I_INVALID_HID;
    uint64_t found = 0;
    trb__h5_lock();
    TRB_GO(open_attr(h, name, &attr, &type));
    if (H5Tequal(type, types[TRB_U64]) <= 0) {
        st = trb_fail(TRB_EINTEGRITY, "%s: attribute %s is no uint64; in h5py, write numpy.uint64(value)", h->path,
                      name);
        goto done;
    }
    if (H5Aread(attr, type, &found) < 0) {
        st = trb__h5_fail(h, TRB_EINTEGRITY, "cannot read attribute", name);
        goto done;
    }
    *value = found;
done:
    if (type >= 0) (void)H5Tclose(type);
    if (attr >= 0) (void)H5Aclose(attr);
    trb__h5_unlock();
    return st;
}

/* An attribute is never packed, so its file is larger. */
static size_t file_bytes(const trb_h5 *h)
{
    hsize_t bytes = 0;
    return H5Fget_filesize(h->file, &bytes) < 0 ? 0 : (size_t)bytes;
}

/* Texts that other programs wrote may have variable length: h5py stores a str in this way. */
static trb_status read_text(trb_h5 *h, const char *name, hid_t attr, hid_t type, char **value)
{
    trb_status st = TRB_OK;
    char *held = NULL, *copy = NULL;
    const size_t bytes = H5Tget_size(type);
    if (H5Tis_variable_str(type) > 0) {
        const hid_t memory = text_type(H5T_VARIABLE);
        (void)H5Tset_cset(memory, H5Tget_cset(type));
        if (H5Aread(attr, memory, &held) < 0)
            st = trb__h5_fail(h, TRB_EINTEGRITY, "cannot read attribute", name);
        else if (held != NULL && strlen(held) > TRB_H5_TEXT_MAX)
            st = trb_fail(TRB_EINTEGRITY, "%s: attribute %s has a text of %zu bytes", h->path, name, strlen(held));
        else
            st = trb_strdup(held == NULL ? "" : held, &copy);
        (void)H5free_memory(held);
        (void)H5Tclose(memory);
    } else if (bytes > TRB_H5_TEXT_MAX || bytes > file_bytes(h)) {
        st = trb_fail(TRB_EINTEGRITY, "%s: attribute %s claims a text of %zu bytes", h->path, name, bytes);
    } else {
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, bytes + 1, 1, &copy));
        if (H5Aread(attr, type, copy) < 0) st = trb__h5_fail(h, TRB_EINTEGRITY, "cannot read attribute", name);
    }
    if (st == TRB_OK)
        *value = copy;
    else
        trb_free(copy);
    return st;
}

trb_status trb_h5_get_text(trb_h5 *h, const char *name, char **value)
{
    trb_status st = TRB_OK;
    hid_t attr = H5I_INVALID_HID, type = H5I_INVALID_HID;
    trb__h5_lock();
    TRB_GO(open_attr(h, name, &attr, &type));
    if (H5Tget_class(type) == H5T_STRING)
        st = read_text(h, name, attr, type, value);
    else
        st = trb_fail(TRB_EINTEGRITY, "%s: attribute %s is no text", h->path, name);
done:
    if (type >= 0) (void)H5Tclose(type);
    if (attr >= 0) (void)H5Aclose(attr);
    trb__h5_unlock();
    return st;
}

typedef struct {
    trb_h5 *h;
    trb_status (*visit)(void *ctx, const char *name, const char *value);
    void *ctx;
    trb_status st;
} attr_visit;

static herr_t visit_attr(hid_t group, const char *name, const H5A_info_t *info, void *data)
{
    attr_visit *v = data;
    hid_t attr = H5I_INVALID_HID, type = H5I_INVALID_HID;
    char *text = NULL, number[24];
    uint64_t value = 0;
    (void)group, (void)info;
    v->st = open_attr(v->h, name, &attr, &type);
    const H5T_class_t class = v->st == TRB_OK ? H5Tget_class(type) : H5T_NO_CLASS;
    if (class == H5T_STRING) {
        v->st = trb_h5_get_text(v->h, name, &text);
    } else if (v->st == TRB_OK) {
        v->st = trb_h5_get_u64(v->h, name, &value);
        (void)snprintf(number, sizeof number, "%" PRIu64, value);
    }
    if (v->st == TRB_OK) v->st = v->visit(v->ctx, name, class == H5T_STRING ? text : number);
    trb_free(text);
    if (type >= 0) (void)H5Tclose(type);
    if (attr >= 0) (void)H5Aclose(attr);
    return v->st == TRB_OK ? 0 : -1;
}

trb_status trb_h5_each_attr(trb_h5 *h, trb_status (*visit)(void *ctx, const char *name, const char *value), void *ctx)
{
    attr_visit v = {.h = h, .visit = visit, .ctx = ctx};
    trb__h5_lock();
    if (H5Aiterate2(h->file, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attr, &v) < 0 && v.st == TRB_OK)
        v.st = trb__h5_fail(h, TRB_EINTEGRITY, "cannot list the attributes", NULL);
    trb__h5_unlock();
    return v.st;
}
