/* A folder with a subfolder for each class: its classes and files, in the order of the bytes of their names. */
#ifndef TRB__DATA_FOLDER_H
#define TRB__DATA_FOLDER_H

#include "internal.h"

typedef struct {
    size_t name, label; /* name: where "CLASS/NAME" begins in the text */
    int64_t stat[3];    /* bytes, time of the last change in ns, digest (0 until it is known) */
} trb__folder_file;

typedef struct {
    const char *root;  /* borrowed */
    trb_schema schema; /* names of classes */
    trb__bytes text, files;
    size_t n, n_others;  /* images by their names; all other files */
    size_t longest;      /* bytes of the longest name */
    char other[2 * 256]; /* the first of the others */
} trb__folder;

/* \return TRB_OK; TRB_ECONFIG if there is no such folder; TRB_EINPUT if it is not as described. trb__folder_clear() then
 * too */
trb_status trb__folder_list(const char *root, trb__folder *f);
void trb__folder_clear(trb__folder *f);

static inline trb__folder_file *trb__folder_at(const trb__folder *f, size_t i)
{
    return (trb__folder_file *)(void *)f->files.at + i;
}

static inline const char *trb__folder_name(const trb__folder *f, size_t i)
{
    return (const char *)f->text.at + trb__folder_at(f, i)->name;
}

#endif
