/** What the files of this folder share. Each uses only those before it in this order: process, folder, lock, file; h5,
 * h5_data; weights, checkpoint, jsonl. */
#ifndef TRB_STORE_INTERNAL_H
#define TRB_STORE_INTERNAL_H

#include <hdf5.h>

#include "tribikos/h5.h"
#include "tribikos/net.h"

struct trb_h5 {
    char *path; /* the final name */
    char *tmp;  /* the name while it is written; NULL if the file was opened for reading */
    hid_t file;
    hid_t set; /* the data set used last stays open, so that HDF5 reads its chunk index only once */
    char *set_name;
    size_t set_room; /* bytes reserved for set_name */
};

/** When a process of this host started, in ticks since the boot; 0 if the system does not say. */
unsigned long long trb__process_started(long pid);
/** Whether a process of this host has ended. A zombie counts as ended: it stays one until its parent waits for it.
 * \param[in] started  when the process started, to tell it from a later process with the same number; 0: not known */
bool trb__process_gone(long pid, unsigned long long started);

/** As trb_file_open(), but records no failure.
 * \return a descriptor; or -1 with errno, which is EMEDIUMTYPE if the name belongs to something else than a file */
int trb__open(const char *path, int flags);
/** Record that trb__open() has failed with `why`. \return the status */
trb_status trb__open_failed(const char *path, int flags, int why);

/** Make the temporary name under which a file is written, and remove what has this name.
 * \param[out] tmp  released with trb_free() */
trb_status trb__file_aside(const char *path, char **tmp);
/** Publish a file that was written aside: sync, rename, sync the folder. The temporary file is removed on failure. */
trb_status trb__file_settle(const char *tmp, const char *path);

/** The one lock around all HDF5 calls. The first call prepares the library. The lock is recursive, so that the visitors
 * of trb_h5_each() may use the file. */
void trb__h5_lock(void);
void trb__h5_unlock(void);

/** The HDF5 id of a stored type, little-endian; borrowed. TRB_BOOL, which HDF5 has none of, is as TRB_U8. */
hid_t trb__h5_type(trb_dtype t);
/* How data sets are opened, and names looked up: links into other files fail. */
hid_t trb__h5_set_access(void);
/* Whether such a link was met since the last trb__h5_set_access(). \param[out] file  its other file; borrowed */
bool trb__h5_is_elsewhere(const char **file);
/** Which of our types a stored one is, in either order of bytes. \return false if it is none */
bool trb__h5_known(hid_t stored, trb_dtype *t);

/** Record that the last HDF5 call failed, with the innermost reason that HDF5 gave. Call it before any other HDF5 call.
 * \return TRB_EIO if the operating system refused something, otherwise `st` */
trb_status trb__h5_fail(const trb_h5 *h, trb_status st, const char *what, const char *object);

/** Close the data set that was kept open. */
trb_status trb__h5_release_set(trb_h5 *h);

/** Write the attributes that all files of networks have: format, version, layer list, shape of a sample, number of
 * heads, and the configuration with which the network was trained. */
trb_status trb__header_put(trb_h5 *h, const char *format, uint64_t version, const trb_net *net, const char *config);
/** Read these attributes. Another format or version is refused.
 * \param[out] layers,config  released with trb_free(), after a failure too */
trb_status trb__header_get(trb_h5 *h, const char *format, uint64_t version, char **layers, trb_shape *input,
                           size_t *heads, char **config);
/** Build the network that the attributes describe; TRB_EINTEGRITY if they describe none. */
trb_status trb__net_build(trb_h5 *h, const char *layers, trb_shape input, size_t heads, trb_net **net);

/** Return `st` if one of the values [from, from + n) of a tensor is not finite, or is a negative variance. */
trb_status trb__values_check(const char *path, trb_status st, const trb_param *p, size_t from, size_t n,
                             const float *values);

#endif
