/** Locks: if two jobs want to write the same folder of a run, the second one is refused.
 *
 * A lock protects a folder, RUN/members/m003 or RUN/cache, so jobs of an array can run side by side. Process 0 of a job
 * takes the locks of everything that a stage will write. The other processes of the job write under these locks; they
 * prove by the job's token that they belong to it. A lock is a small text file, RUN/.lock/members.m003, that says who
 * holds it. Each job has one beat, RUN/.lock/beat.TOKEN, a counter that a thread rewrites every few seconds. Both files
 * are removed when the stage ends; the empty folder RUN/.lock stays.
 *
 * A job that died does not block others. A job that finds a lock takes it over, with a warning,
 *   - at once if the holder's process ran on this system (same boot, same process numbers) and has ended. If its number
 *     belongs to another process now, the start time shows it;
 *   - otherwise if the holder's beat did not change for `seconds`, while it was read many times. The larger value of
 *     the two jobs counts. If the beat changes, the holder lives; then the function returns TRB_ECONFIG and names it.
 * No clock is compared with the clock of another host. The waiting job counts its reads instead of seconds: if it was
 * itself suspended, it does not mistake that time for silence of the holder. A beat is written six times in that
 * period, and at least every 5 s, so five beats may be lost in a slow file system. 30 s is a good period: it is a
 * short wait after a crash.
 *
 * A holder can be alive although it looks dead, for example if it was suspended or its node was cut off. Therefore
 * every process checks its lock before it publishes anything: this folder calls trb_lock_check() right before every
 * rename and every line of metrics. A process that finds another token in the lock publishes nothing and returns
 * TRB_EIO. One gap remains: if the old holder is suspended between this check and its rename, it overwrites a file of
 * the new holder.
 *
 * Locks work where creating a file with O_EXCL and renaming a file are atomic: on local disks, NFS from version 3 on,
 * Lustre with or without flock. File locks (fcntl, flock) are not used, because servers keep those of a dead NFSv3
 * client for ever, and Lustre may be mounted without them. On NFS one job writes and closes a beat, then another opens
 * and reads it; the protocol promises that it sees the new value (close-to-open). With the mount option `nocto` the
 * period should exceed `acregmax`. The folder of the locks is not synced. After a power failure a lock may be empty,
 * and it is waited for like any other silent holder.
 *
 * You can remove a lock that is in the way by hand, or the whole of RUN/.lock. A job that does live then stops.
 */
#ifndef TRB_LOCK_H
#define TRB_LOCK_H

#include "tribikos/status.h"

typedef struct trb_lock trb_lock;

/** Begin to lock in a run directory. Local.
 * \param[in]  seconds  of silence after which a lock is taken over; 0 means no locks
 * \param[in]  idle     called at least twice a second while this process waits for a holder; may be NULL
 * \param[out] out      closed by trb_lock_close(); NULL if seconds is 0, and every function here accepts NULL */
trb_status trb_lock_open(const char *run, double seconds, void (*idle)(void), trb_lock **out);

/** Take the lock of a folder of the run ("members/m003"), which need not exist. Local. Returns after little more than
 * `seconds` at the latest. Jobs that need several locks take them in the same order, and a job that is refused one
 * releases all of them.
 * \return TRB_OK; TRB_ECONFIG if another job holds it; TRB_STOPPED; TRB_EIO */
trb_status trb_lock_take(trb_lock *l, const char *folder);

/** The token with which the job's other processes join; "" for NULL. Local; borrowed. */
const char *trb_lock_token(const trb_lock *l);

/** Write under the locks that another process of this job has taken, or will take. Local.
 * \param[in] token  from trb_lock_token()
 * \param[out] out   as from trb_lock_open(), but it neither takes nor removes locks */
trb_status trb_lock_join(const char *run, const char *token, trb_lock **out);

/** Check that this job may still publish a file of this name. If this process has opened or joined locks of the run
 * directory that contains the file, the job must hold the lock of the nearest locked folder above the file. Local,
 * thread-safe. \return TRB_OK; TRB_EIO */
trb_status trb_lock_check(const char *path);

/** Release all locks and end the thread that writes beats. Local. NULL allowed. */
void trb_lock_close(trb_lock *l);

#endif
