/** Files: written aside, checked, published; and the folders that they lie in.
 *
 * A file under its final name is whole. It is written to NAME.tmp.HOST.PID in the same folder, closed with the result
 * checked, synced, renamed, and the folder is synced. A crash leaves at most a .tmp file that nobody reads and that the
 * next stage which writes into the folder removes. The same calls give the same bytes: no time stamps, no addresses.
 *
 * All functions are local. Messages name the file.
 */
#ifndef TRB_FILE_H
#define TRB_FILE_H

#include <stdbool.h>

#include "tribikos/status.h"

/** Make a folder and its parents. TRB_EIO says which one failed and why. */
trb_status trb_mkdirs(const char *path);
bool trb_file_exists(const char *path);
/** Open a file: a FIFO, which would be waited for, a device, a socket or a folder is refused. \param[in] flags  of
 * open(2); with O_NOFOLLOW a symbolic link is refused too   \param[out] fd  closed by execve(2)
 * \return TRB_OK; TRB_ECONFIG if there is no file of this name; TRB_EIO */
trb_status trb_file_open(const char *path, int flags, int *fd);
/** Remove the .tmp files that crashed writers left in a folder; those of living processes stay (jobs of an array may
 * write the same config.yaml at the same time), and those of other hosts for a day. Reads the whole folder: for the
 * beginning of a stage. */
void trb_folder_sweep(const char *folder);
/** Publish text as a file (written aside, synced, renamed). */
trb_status trb_file_publish_text(const char *path, const char *text);

#endif
