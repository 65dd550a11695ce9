/** Files that are written aside, checked and then published, and the folders that hold them.
 *
 * A file under its final name is complete. It is written to NAME.tmp.HOST.PID in the same folder and closed; the result
 * of closing is checked. Then it is synced to disk and renamed, and the folder is synced. After a crash at most a .tmp
 * file is left. Nobody reads it, and the next stage that writes into the folder removes it. The same calls give the
 * same bytes: files contain no time stamps and no addresses.
 *
 * All functions are local. Messages name the file.
 */
#ifndef TRB_FILE_H
#define TRB_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "tribikos/status.h"

/** Make a folder and its parents. TRB_EIO says which one failed and why. */
trb_status trb_mkdirs(const char *path);

/** The bytes that this user may still write on the disk of a folder, or of the nearest folder above it that exists.
 * \return false if the file system does not tell */
bool trb_folder_space(const char *path, double *bytes);

/** The bytes on disk of all files below a folder; 0 if there is none. */
void trb_folder_bytes(const char *path, double *bytes);
bool trb_file_exists(const char *path);
/** Whether this process may not write into a folder, because it is somebody else's or the file system is read-only:
 * this process changes nothing in it, so no lock is needed to read it. A folder that does not exist may be made. */
bool trb_folder_forbidden(const char *path);
/** Open a regular file. A device, a socket, a folder or a FIFO is refused; opening a FIFO would block.
 * \param[in] flags  as for open(2); with O_NOFOLLOW a symbolic link is refused too
 * \param[out] fd    close-on-exec
 * \return TRB_OK; TRB_ECONFIG if a file to be read does not exist; TRB_EIO */
trb_status trb_file_open(const char *path, int flags, int *fd);
/** Remove the .tmp files that crashed writers left in a folder. Files of processes that live stay, because jobs of an
 * array may write the same config.yaml at the same time. Files of other hosts stay for a day. This reads the whole
 * folder, so call it at the beginning of a stage only. */
void trb_folder_sweep(const char *folder);
/** Rename a folder and sync its parent. A lock of `from` must be this job's, if it is locked. */
trb_status trb_folder_move(const char *from, const char *to);
/** Remove a folder with everything in it; one that does not exist is no failure. A crash leaves a part of it. */
trb_status trb_folder_remove(const char *path);
/** Read a file of text, which may be UTF-16. \param[in] most  bytes   \param[out] text  as UTF-8; trb_free()
 * \return TRB_OK; TRB_ECONFIG if there is no such file, if it is longer, or if it has a zero byte */
trb_status trb_file_read_text(const char *path, size_t most, char **text);
/** A file that is written piece by piece, under a temporary name. */
typedef struct trb_file_writer trb_file_writer;
/** Begin. The message of a failure names the file that is wanted. */
trb_status trb_writer_open(const char *path, trb_file_writer **out);
trb_status trb_writer_add(trb_file_writer *w, const void *bytes, size_t n);
/** Close, sync and rename. Releases the writer in any case; on failure the .tmp file is removed. */
trb_status trb_writer_publish(trb_file_writer *w);
/** Give up: the .tmp file is removed. NULL allowed. */
void trb_writer_close(trb_file_writer *w);
/** Refuse to write a file that exists, unless `force`; something that is no file in any case.
 * \return TRB_OK; TRB_ECONFIG */
trb_status trb_file_may_write(const char *path, bool force);
/** Refuse to write over a file that is read, by whichever name. \return TRB_OK; TRB_ECONFIG */
trb_status trb_file_not_among(const char *path, size_t n, char *const *read);
/** Remove, as trb_folder_sweep() does, what crashed writers left in the folder of a file. */
void trb_file_sweep(const char *path);
/** Publish bytes, or a text, as a file (written aside, synced, renamed). */
trb_status trb_file_publish_bytes(const char *path, const void *bytes, size_t n);
trb_status trb_file_publish_text(const char *path, const char *text);

#endif
