/* Edits of a sound HDF5 file. */
#include "fuzz.h"

#include <stdio.h>
#include <sys/stat.h>

#include <hdf5.h>

enum { REGIONS = 64, NAMES = 64, EDITS = 24, MOST_BYTES = 1 << 16, MOST_CHUNK = 1 << 20, MOST_ATTRIBUTE = 1 << 22 };

/* Where a file of our own carries checksums over what describes its data: bytes [at, at + n), the checksum behind. */
typedef struct {
    size_t at, n;
} covered;

static covered region[REGIONS];
static size_t n_regions;

/* HDF5 exports what it computes its checksums by, but declares it in no header. */
uint32_t H5_checksum_metadata(const void *data, size_t n, uint32_t initial);

static void find_regions(const fuzz_base *base)
{
    static const char *const kinds[] = {"\x89HDF", "OHDR", "OCHK", "FRHP", "BTHD", "BTLF"};
    for (size_t at = 0; at + 4 < base->n && n_regions < REGIONS; at++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            if (memcmp(base->bytes + at, kinds[k], 4) != 0) continue;
            for (size_t n = 4; at + n + 4 <= base->n && n < 4096; n++) {
                uint32_t sum = 0;
                memcpy(&sum, base->bytes + at + n, 4);
                if (sum != H5_checksum_metadata(base->bytes + at, n, 0)) continue;
                region[n_regions++] = (covered){at, n};
                break;
            }
        }
}

/* A mutated file goes no further than its first checksum. With TRB_FUZZ_CHECKSUMS set, half of the time bytes of one
 * region alone change, and all checksums are made good again. That is for those who want to know of HDF5: 1.10.8 does
 * not survive minutes of it (fractal heaps of attributes, which a null pointer or gigabytes come out of). */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned seed)
{
    uint8_t part[4096];
    if (n_regions == 0 || n < 48 || memcmp(data, "\x89HDF", 4) != 0 || seed % 2 == 0)
        return LLVMFuzzerMutate(data, n, most);
    const covered r = region[seed / 2 % n_regions];
    if (r.at + r.n + 4 > n) return LLVMFuzzerMutate(data, n, most);
    const size_t window = r.n < 64 ? r.n : 64, from = r.n == window ? 0 : seed / 1024 % (r.n - window);
    memcpy(part, data + r.at + from, window);
    (void)LLVMFuzzerMutate(part, window, window);
    memcpy(data + r.at + from, part, window);
    for (size_t i = 0; i < n_regions; i++) {
        if (region[i].at + region[i].n + 4 > n) continue;
        const uint32_t sum = H5_checksum_metadata(data + region[i].at, region[i].n, 0);
        memcpy(data + region[i].at + region[i].n, &sum, 4);
    }
    return n;
}

void fuzz_base_keep(fuzz_base *base, const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat info;
    FUZZ_MUST(f != NULL && fstat(fileno(f), &info) == 0);
    base->n = (size_t)info.st_size;
    FUZZ_MUST((base->bytes = malloc(base->n)) != NULL);
    FUZZ_MUST(fread(base->bytes, 1, base->n, f) == base->n);
    (void)fclose(f);
    if (getenv("TRB_FUZZ_CHECKSUMS") != NULL) find_regions(base);
    const char *keep = getenv("TRB_FUZZ_KEEP");
    if (keep == NULL) return;
    FUZZ_MUST((f = fopen(keep, "wb")) != NULL);
    FUZZ_MUST(fwrite(base->bytes, 1, base->n, f) == base->n && fclose(f) == 0);
}

/* A type that the input chooses: those that our files have first. \return to be closed */
static hid_t take_type(fuzz_input *in)
{
    const uint64_t which = fuzz_number(in, 1) % 18;
    const hid_t plain[] = {H5T_STD_U64LE,  H5T_IEEE_F32LE, H5T_STD_I32LE,  H5T_STD_I64LE, H5T_STD_U8LE,
                           H5T_IEEE_F64LE, H5T_STD_U16LE,  H5T_STD_I8LE,   H5T_STD_U64BE, H5T_IEEE_F32BE,
                           H5T_STD_B64LE,  H5T_UNIX_D32LE, H5T_STD_REF_OBJ};
    if (which < sizeof plain / sizeof *plain) return H5Tcopy(plain[which]);
    hid_t type = H5I_INVALID_HID;
    const hsize_t two[1] = {1 + fuzz_number(in, 1) % 4};
    switch (which) {
    case 13: /* float16, or nearly */
        type = H5Tcopy(H5T_IEEE_F32LE);
        (void)H5Tset_fields(type, 15, 10, 5, 0, 10);
        (void)H5Tset_size(type, 2);
        (void)H5Tset_ebias(type, fuzz_number(in, 1) % 2 == 0 ? 15 : 14);
        return type;
    case 14:
        type = H5Tcopy(H5T_C_S1);
        (void)H5Tset_size(type, 1 + fuzz_number(in, 3) % (1 << 22));
        (void)H5Tset_strpad(type, (H5T_str_t)(fuzz_number(in, 1) % 3));
        return type;
    case 15:
        type = H5Tcopy(H5T_C_S1);
        (void)H5Tset_size(type, H5T_VARIABLE);
        return type;
    case 16:
        return H5Tarray_create2(H5T_STD_U64LE, 1, two);
    default:
        type = H5Tcreate(H5T_COMPOUND, 16);
        (void)H5Tinsert(type, "a", 0, H5T_STD_U64LE);
        (void)H5Tinsert(type, "b", 8, H5T_IEEE_F64LE);
        return type;
    }
}

/* \return to be closed, or negative */
static hid_t take_space(fuzz_input *in, int *ndim, hsize_t dim[8], bool *open_end)
{
    const uint64_t how = fuzz_number(in, 1);
    hsize_t most[8];
    *ndim = (int)(how % 8);
    *open_end = (how & 64) != 0;
    if (*ndim == 7) return H5Screate(H5S_NULL);
    if (*ndim == 0) return H5Screate(H5S_SCALAR);
    for (int d = 0; d < *ndim; d++) {
        const uint64_t size = fuzz_number(in, 1);
        dim[d] = size < 200   ? size
                 : size < 220 ? fuzz_number(in, 2)
                 : size < 240 ? fuzz_number(in, 4)
                              : fuzz_number(in, 8);
        most[d] = *open_end ? H5S_UNLIMITED : dim[d];
    }
    return H5Screate_simple(*ndim, dim, most);
}

/* Bytes for `points` values of a type, from the input and zeros behind; NULL if they are too many, or pointers. */
static void *take_values(fuzz_input *in, hid_t type, hssize_t points)
{
    const size_t size = H5Tget_size(type);
    if (points < 1 || size == 0 || size > MOST_BYTES || (size_t)points > MOST_BYTES / size) return NULL;
    if (H5Tis_variable_str(type) > 0) return NULL;
    uint8_t *values = calloc((size_t)points, size);
    FUZZ_MUST(values != NULL);
    const fuzz_input bytes = fuzz_bytes(in, (size_t)fuzz_number(in, 1));
    if (bytes.n > 0) memcpy(values, bytes.at, bytes.n < (size_t)points * size ? bytes.n : (size_t)points * size);
    return values;
}

static void set_attribute(hid_t file, const char *name, hid_t type, hid_t space, fuzz_input *in)
{
    H5O_info_t info;
    (void)H5Adelete(file, name);
    /* HDF5 1.10.8 reserves gigabytes where a text of variable length joins more than eight attributes. */
    const bool variable = H5Tis_variable_str(type) > 0;
    while (variable && H5Oget_info2(file, &info, H5O_INFO_NUM_ATTRS) >= 0 && info.num_attrs > 7)
        if (H5Adelete_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_DEC, 0, H5P_DEFAULT) < 0) return;
    const hssize_t points = H5Sget_simple_extent_npoints(space);
    if (points < 0 || (points > 0 && H5Tget_size(type) > MOST_ATTRIBUTE / (size_t)points)) return;
    const hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0) return;
    if (variable) {
        char text[256] = "", *one = text;
        const fuzz_input bytes = fuzz_bytes(in, (size_t)fuzz_number(in, 1) % 255);
        if (bytes.n > 0) memcpy(text, bytes.at, bytes.n);
        if (points == 1) (void)H5Awrite(attribute, type, &one);
    } else {
        void *values = take_values(in, type, points);
        if (values != NULL) (void)H5Awrite(attribute, type, values);
        free(values);
    }
    (void)H5Aclose(attribute);
}

static void edit_attribute(hid_t file, unsigned how, fuzz_input *in)
{
    char name[64] = "";
    H5O_info_t info;
    if (H5Oget_info2(file, &info, H5O_INFO_NUM_ATTRS) < 0 || info.num_attrs == 0) return;
    if (H5Aget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, fuzz_number(in, 1) % info.num_attrs, name,
                           sizeof name, H5P_DEFAULT) < 0)
        return;
    int ndim = 0;
    hsize_t dim[8];
    bool open_end = false;
    hid_t type = H5I_INVALID_HID, space = H5I_INVALID_HID;
    switch (how) {
    case 0:
        (void)H5Adelete(file, name);
        return;
    case 1:
        type = H5Tcopy(H5T_STD_U64LE);
        space = H5Screate(H5S_SCALAR);
        break;
    case 2:
        type = H5Tcopy(H5T_C_S1);
        (void)H5Tset_size(type, 1 + fuzz_number(in, 1));
        (void)H5Tset_strpad(type, H5T_STR_NULLPAD);
        space = H5Screate(H5S_SCALAR);
        break;
    default:
        type = take_type(in);
        space = take_space(in, &ndim, dim, &open_end);
    }
    if (type >= 0 && space >= 0) set_attribute(file, name, type, space, in);
    if (type >= 0) (void)H5Tclose(type);
    if (space >= 0) (void)H5Sclose(space);
}

/* The names of all objects below the root. */
typedef struct {
    char name[NAMES][64];
    size_t n;
} names;

static herr_t note(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    names *all = data;
    (void)group, (void)info;
    if (all->n < NAMES && strlen(name) < 64) (void)strcpy(all->name[all->n++], name);
    return 0;
}

/* Bytes of so many values of a type; SIZE_MAX if they are more than that. */
static size_t extent(hid_t type, int ndim, const hsize_t *dim)
{
    size_t bytes = H5Tget_size(type);
    for (int d = 0; d < ndim && d < 7; d++)
        if (__builtin_mul_overflow(bytes, (size_t)dim[d], &bytes)) return SIZE_MAX;
    return bytes;
}

/* Change some bytes of a data set's values. */
static void patch(hid_t file, const char *name, fuzz_input *in)
{
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0) return;
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set), creation = H5Dget_create_plist(set);
    const size_t size = H5Tget_size(type), offset = (size_t)fuzz_number(in, 2);
    const hssize_t points = H5Sget_simple_extent_npoints(space);
    hsize_t chunk[H5S_MAX_RANK];
    const H5D_layout_t layout = H5Pget_layout(creation);
    const int ndim = layout == H5D_CHUNKED ? H5Pget_chunk(creation, H5S_MAX_RANK, chunk) : 0;
    const bool plain =
        layout != H5D_VIRTUAL && H5Tis_variable_str(type) <= 0 && extent(type, ndim, chunk) <= MOST_CHUNK;
    if (plain && points > 0 && size > 0 && (size_t)points <= MOST_BYTES / size) {
        const size_t n = (size_t)points * size;
        uint8_t *values = calloc(n, 1);
        FUZZ_MUST(values != NULL);
        const fuzz_input bytes = fuzz_bytes(in, (size_t)fuzz_number(in, 1) % 16);
        if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0) {
            for (size_t i = 0; i < bytes.n; i++) values[(offset + i) % n] = bytes.at[i];
            (void)H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        }
        free(values);
    }
    (void)H5Pclose(creation);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    (void)H5Dclose(set);
}

/* How the values of a new data set are laid out. What HDF5 would write at once is kept small.
 * \return whether values may be written */
static bool lay_out(hid_t creation, int ndim, const hsize_t *dim, hid_t space, hid_t type, fuzz_input *in)
{
    const uint64_t how = fuzz_number(in, 1);
    hsize_t chunk[8];
    switch (how % 8) {
    case 0:
        break;
    case 1:
        if (extent(type, ndim, dim) <= MOST_BYTES) (void)H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
        break;
    case 2:
        (void)H5Pset_layout(creation, H5D_COMPACT);
        break;
    case 3: /* values in a file of their own: one that is there, and is endless */
        (void)H5Pset_external(creation, how & 64 ? "/dev/zero" : "base.h5", 0, (how & 128) != 0 ? H5F_UNLIMITED : 64);
        return false;
    case 4:
        if (ndim < 7) (void)H5Pset_virtual(creation, space, how & 64 ? "gone.h5" : ".", "x", space);
        return false;
    default:
        for (int d = 0; d < ndim && d < 7; d++) {
            const uint64_t rows = fuzz_number(in, 1);
            chunk[d] = rows < 250 ? 1 + rows : dim[d] < 1 << 16 ? dim[d] + 1 : 1;
        }
        if (ndim > 0 && ndim < 7) (void)H5Pset_chunk(creation, ndim, chunk);
        const bool writes = extent(type, ndim, chunk) <= MOST_CHUNK;
        if (how & 16) (void)H5Pset_shuffle(creation);
        if (how & 32) (void)H5Pset_deflate(creation, 6);
        if (how & 64) (void)H5Pset_fletcher32(creation);
        if ((how & 128) != 0 && writes) (void)H5Pset_nbit(creation);
        return writes;
    }
    return true;
}

static void replace(hid_t file, const char *name, fuzz_input *in)
{
    int ndim = 0;
    hsize_t dim[8] = {0};
    bool open_end = false;
    const hid_t type = take_type(in), space = take_space(in, &ndim, dim, &open_end);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    if (type >= 0 && space >= 0) {
        const bool writes = lay_out(creation, ndim, dim, space, type, in);
        (void)H5Ldelete(file, name, H5P_DEFAULT);
        const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
        if (set >= 0) {
            void *values = writes ? take_values(in, type, H5Sget_simple_extent_npoints(space)) : NULL;
            if (values != NULL) (void)H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
            free(values);
            (void)H5Dclose(set);
        }
    }
    (void)H5Pclose(creation);
    if (space >= 0) (void)H5Sclose(space);
    if (type >= 0) (void)H5Tclose(type);
}

/* Something else under a data set's name. \return whether more can be edited: once a group holds itself, HDF5 1.10.8 comes upon
 * names that are null pointers when its links are changed */
static bool relink(hid_t file, const char *name, const char *other, fuzz_input *in)
{
    const uint64_t how = fuzz_number(in, 1) % 7;
    hid_t object = H5I_INVALID_HID;
    if (how == 6) { /* a further name */
        char more[16];
        (void)snprintf(more, sizeof more, "more%u", (unsigned)fuzz_number(in, 1));
        (void)H5Lcreate_hard(file, name, file, more, H5P_DEFAULT, H5P_DEFAULT);
        return true;
    }
    (void)H5Ldelete(file, name, H5P_DEFAULT);
    switch (how) {
    case 0:
        break;
    case 1:
        if ((object = H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)) >= 0) (void)H5Gclose(object);
        break;
    case 2:
        (void)H5Lcreate_soft(other, file, name, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 3:
        (void)H5Lcreate_external("base.h5", other, file, name, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 4:
        (void)H5Lcreate_hard(file, "/", file, name, H5P_DEFAULT, H5P_DEFAULT);
        return false;
    default:
        object = H5Tcopy(H5T_STD_U64LE);
        (void)H5Tcommit2(file, name, object, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        (void)H5Tclose(object);
    }
    return true;
}

static void edit(hid_t file, fuzz_input *in)
{
    for (int i = 0; i < EDITS && in->n > 0; i++) {
        const unsigned how = (unsigned)(fuzz_number(in, 1) % 8);
        if (how < 4) {
            edit_attribute(file, how, in);
            continue;
        }
        names all = {.n = 0};
        if (H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, note, &all) < 0 || all.n == 0) return;
        const char *name = all.name[fuzz_number(in, 1) % all.n];
        if (how == 4 || how == 7)
            patch(file, name, in);
        else if (how == 5)
            replace(file, name, in);
        else if (!relink(file, name, all.name[fuzz_number(in, 1) % all.n], in))
            return;
    }
}

const char *fuzz_base_edit(const fuzz_base *base, const char *name, fuzz_input in)
{
    static const char signature[] = "\x89HDF";
    if (in.n >= 4 && memcmp(in.at, signature, 4) == 0) return fuzz_put(name, in);
    const char *path = fuzz_put(name, (fuzz_input){base->bytes, base->n});
    if (in.n == 0) return path;
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    (void)H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    (void)H5Pset_libver_bounds(access, in.at[0] & 128 ? H5F_LIBVER_EARLIEST : H5F_LIBVER_V110, H5F_LIBVER_V110);
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, access);
    FUZZ_MUST(file >= 0);
    edit(file, &in);
    (void)H5Fclose(file);
    (void)H5Pclose(access);
    (void)H5Eclear2(H5E_DEFAULT);
    return path;
}
