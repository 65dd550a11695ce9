/* Lists a folder of classes. Links are followed; names that begin with a point, which systems make for themselves, are
 * passed over. */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/loss.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"

void trb__folder_clear(trb__folder *f)
{
    trb_schema_clear(&f->schema);
    trb_free(f->text.at);
    trb_free(f->files.at);
    *f = (trb__folder){0};
}

/* Names of images. Those of kinds that are not read are among them: an image must not be left out without a word. */
static bool is_image(const char *name)
{
    static const char *const ends[] = {"png",  "jpg", "jpeg", "jpe", "gif",  "bmp",  "tif", "tiff",
                                       "webp", "ppm", "pgm",  "pnm", "heic", "avif", "jp2"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot + 1, ends[i]) == 0) return true;
    return false;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

typedef struct {
    struct dirent **at;
    size_t n;
} names;

static trb_status read_names(const char *path, names *out)
{
    TRB_TRY(trb_fault("file.open"));
    const int n = scandir(path, &out->at, is_visible, by_bytes);
    if (n >= 0) {
        out->n = (size_t)n;
        return TRB_OK;
    }
    if (errno == ENOTDIR) return trb_fail(TRB_ECONFIG, "%s: expected a folder, with a folder for each class", path);
    const trb_status st = errno == ENOENT || errno == ELOOP ? TRB_ECONFIG : errno == ENOMEM ? TRB_ENOMEM : TRB_EIO;
    return trb_fail(st, "%s: cannot be read: %s", path, strerror(errno));
}

static void free_names(names *n)
{
    for (size_t i = 0; i < n->n; i++) free(n->at[i]);
    free(n->at);
    *n = (names){NULL, 0};
}

/* What a name in a folder is. \param[out] info  zeros if it leads nowhere; reading it will say why */
static trb_status look(const char *folder, const char *name, struct stat *info)
{
    char *path = NULL;
    TRB_TRY(trb_text_of(&path, "%s/%s", folder, name));
    if (stat(path, info) != 0) memset(info, 0, sizeof *info);
    trb_free(path);
    return TRB_OK;
}

/* Room for n more bytes, twice as much as before if it grows. */
static trb_status grow(trb__bytes *b, size_t n)
{
    return b->capacity - b->n >= n ? TRB_OK : trb__bytes_room(b, b->n > n ? b->n : n);
}

static trb_status add_file(trb__folder *f, size_t label, const char *name, const struct stat *info)
{
    const char *class = f->schema.class_name[label];
    const size_t n = strlen(class) + strlen(name) + 2;
    TRB_TRY(grow(&f->text, n));
    TRB_TRY(grow(&f->files, sizeof(trb__folder_file)));
    const int64_t second = 1000000000;
    const trb__folder_file file = {
        f->text.n, label, {info->st_size, info->st_mtim.tv_sec * second + info->st_mtim.tv_nsec, 0}};
    (void)snprintf((char *)f->text.at + f->text.n, n, "%s/%s", class, name);
    memcpy(f->files.at + f->files.n, &file, sizeof file);
    f->text.n += n;
    f->files.n += sizeof file;
    f->n++;
    if (n - 1 > f->longest) f->longest = n - 1;
    return TRB_OK;
}

static trb_status add_name(trb__folder *f, const char *folder, size_t label, const char *name)
{
    struct stat info;
    TRB_TRY(look(folder, name, &info));
    if (is_image(name)) return add_file(f, label, name, &info);
    if (S_ISDIR(info.st_mode))
        return trb_fail(TRB_EINPUT, "%s/%s: is a folder in the folder of a class; move its images into %s", folder,
                        name, folder);
    if (f->n_others++ == 0) (void)snprintf(f->other, sizeof f->other, "%s/%s", f->schema.class_name[label], name);
    return TRB_OK;
}

static trb_status list_class(trb__folder *f, size_t label)
{
    trb_status st = TRB_OK;
    char *folder = NULL;
    names in = {NULL, 0};
    const size_t before = f->n;
    TRB_TRY(trb_text_of(&folder, "%s/%s", f->root, f->schema.class_name[label]));
    TRB_GO(read_names(folder, &in));
    for (size_t i = 0; i < in.n; i++) {
        trb_alive_at(i);
        TRB_GO(add_name(f, folder, label, in.at[i]->d_name));
    }
    if (f->n == before)
        st = trb_fail(TRB_EINPUT, "%s: there is no PNG or JPEG file in it; remove this folder, or put images into it",
                      folder);
done:
    free_names(&in);
    trb_free(folder);
    return st;
}

static trb_status add_class(trb__folder *f, const char *name)
{
    trb_schema *s = &f->schema;
    if (trb_text_not_utf8(name) != NULL)
        return trb_fail(TRB_EINPUT, "%s/%s: the name of this folder, which names a class, is not UTF-8", f->root, name);
    if (s->n_classes == TRB_LOSS_K_MAX)
        return trb_fail(TRB_EINPUT, "%s: has more than %d folders, the most classes that are supported", f->root,
                        TRB_LOSS_K_MAX);
    TRB_TRY(trb_resize(TRB_MEM_OTHER, (s->n_classes + 1) * sizeof *s->class_name, &s->class_name));
    TRB_TRY(trb_strdup(name, &s->class_name[s->n_classes]));
    s->n_classes++;
    return TRB_OK;
}

static trb_status list_classes(trb__folder *f, const names *in)
{
    const char *image = NULL;
    for (size_t i = 0; i < in->n; i++) {
        const char *name = in->at[i]->d_name;
        struct stat info;
        TRB_TRY(look(f->root, name, &info));
        if (S_ISDIR(info.st_mode))
            TRB_TRY(add_class(f, name));
        else if (image == NULL && is_image(name))
            image = name;
    }
    if (f->schema.n_classes == 0)
        return trb_fail(TRB_EINPUT, "%s: there is no folder in it; expected one for each class, with its images",
                        f->root);
    if (image == NULL) return TRB_OK;
    return trb_fail(TRB_EINPUT, "%s/%s: is an image beside the folders of classes; move it into one of them", f->root,
                    image);
}

trb_status trb__folder_list(const char *root, trb__folder *f)
{
    names in = {NULL, 0};
    *f = (trb__folder){.root = root, .schema = {.layout = TRB_AXES_NCHW}};
    trb_status st = read_names(root, &in);
    if (st == TRB_OK) st = list_classes(f, &in);
    free_names(&in);
    for (size_t k = 0; st == TRB_OK && k < f->schema.n_classes; k++) st = list_class(f, k);
    return st;
}
