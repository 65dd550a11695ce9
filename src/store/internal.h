/** What the files of this folder share. Each uses only those before it in this order: process, folder, lock, file; h5,
 * h5_data; weights, checkpoint, jsonl. */
#ifndef TRB_STORE_INTERNAL_H
#define TRB_STORE_INTERNAL_H

#include <hdf5.h>

#include "tribikos/h5.h"
#include "tribikos/net.h"

struct trb_h5 {
    char *path; /* the final name */
    char *tmp;  /* the name while it is written; NULL of a file that was opened for reading */
    hid_t file;
    hid_t set; /* the data set used last stays open: its chunk index is then read once */
    char *set_name;
    size_t set_room; /* bytes of it */
};

/** When a process of this host started, in ticks since the boot; 0 where the system does not say. */
unsigned long long trb__process_started(long pid);
/** Whether a process of this host is gone. A zombie is, which it may stay for as long as its parent does not ask.
 * \param[in] started  another start under the same number is another process; 0: not known */
bool trb__process_gone(long pid, unsigned long long started);

/** As trb_file_open(), but records no failure. \return -1 with errno, which is EMEDIUMTYPE where something else than a
 * file has the name */
int trb__open(const char *path, int flags);
/** Record that trb__open() has failed with `why`. \return the status */
trb_status trb__open_failed(const char *path, int flags, int why);

/** Begin a file aside: makes the temporary name, which nothing has then. \param[out] tmp owned */
trb_status trb__file_aside(const char *path, char **tmp);
/** The other end: sync, rename, sync the folder. The temporary file is removed on failure. */
trb_status trb__file_settle(const char *tmp, const char *path);

/** The one lock around HDF5; the first call prepares the library. Recursive, so that visitors may use a file. */
void trb__h5_lock(void);
void trb__h5_unlock(void);

/** A stored type's HDF5 id; borrowed. */
hid_t trb__h5_type(trb_dtype t);

/** Record that the HDF5 call just made has failed, with the innermost reason it gave; to be called before any other
 * HDF5 call. \return TRB_EIO if the operating system refused something, otherwise `st` */
trb_status trb__h5_fail(const trb_h5 *h, trb_status st, const char *what, const char *object);

/** Close the data set that was kept open. */
trb_status trb__h5_release_set(trb_h5 *h);

/** What every file of a network begins with: format, version, of what the network is built (its list, a sample's shape,
 * the number of heads), and the configuration that it is of. */
trb_status trb__header_put(trb_h5 *h, const char *format, uint64_t version, const trb_net *net, const char *config);
/** Another format or version is refused. \param[out] layers, config  trb_free(), on failure too */
trb_status trb__header_get(trb_h5 *h, const char *format, uint64_t version, char **layers, trb_shape *input,
                           size_t *heads, char **config);
/** Build it; TRB_EINTEGRITY if that cannot be done. */
trb_status trb__net_build(trb_h5 *h, const char *layers, trb_shape input, size_t heads, trb_net **net);

/** Refuse, with `st`, values [from, from + n) of a tensor that no parameters can have. */
trb_status trb__values_check(const char *path, trb_status st, const trb_param *p, size_t from, size_t n,
                             const float *values);

#endif
