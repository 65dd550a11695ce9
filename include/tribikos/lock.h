/** Locks: of two jobs that are going to write the same folder of a run, the second is refused.
 *
 * What is locked are folders, RUN/members/m003 or RUN/cache, so that jobs of an array live side by side. Process 0 of a
 * job takes the locks of all that a stage will write, the others write under them by the job's token. A lock is a small
 * text, RUN/.lock/members.m003, that says who holds it; each job has one beat, RUN/.lock/beat.TOKEN, a counter that a
 * thread rewrites every few seconds. Both go when the stage ends; the empty folder RUN/.lock stays.
 *
 * Nobody is trapped by a job that died. Who meets a lock takes it over, with a warning,
 *   - at once if its process lived on this system (same boot, same process numbers) and lives no more; a number that
 *     was given to another process since is told by the time of its start;
 *   - else if its beat, looked at many times, has stood still for `seconds` (the holder's or one's own, the larger). A
 *     beat that moves is a living job: TRB_ECONFIG, which names it.
 * No clock is compared with another host's, and looks are counted, not seconds: who was stopped itself does not take
 * that for the others' silence. Beats come six times in that period, at least every 5 s, so that five may be lost in a
 * file system that hesitates. 30 s are a good period: nobody minds them after a crash.
 *
 * A holder may be taken for dead although it is not: it was stopped, its node was cut off. So the lock is looked at
 * when something is published (trb_lock_check(), called in this folder right before every rename and every line of
 * metrics, whichever process of the job does it). Who finds another token there publishes nothing and fails: TRB_EIO. A
 * file of the new holder is overwritten only if the old one is stopped between that look and the rename behind it.
 *
 * Works where creating a file with O_EXCL and renaming one are atomic: local disks, NFS from version 3 on, Lustre with
 * or without flock. File locks (fcntl, flock) are not used: servers keep those of a dead NFSv3 client for ever, and
 * Lustre may be mounted without. On NFS a beat is written and closed, then opened and read, which the protocol promises
 * to see (close-to-open); under the mount option `nocto` the period should exceed its `acregmax`. Locks are not synced:
 * after a power failure one may be empty, which is waited out like any silence.
 *
 * A lock that is in the way can be removed by hand, RUN/.lock with all of them; a job that does live ends then.
 */
#ifndef TRB_LOCK_H
#define TRB_LOCK_H

#include "tribikos/status.h"

typedef struct trb_lock trb_lock;

/** Begin to lock in a run directory. Local.
 * \param[in]  seconds  of silence after which a lock is taken over; 0: no locks
 * \param[in]  idle     called at least twice a second while something is waited for; may be NULL
 * \param[out] out      closed by trb_lock_close(); NULL if seconds is 0, which every function here allows */
trb_status trb_lock_open(const char *run, double seconds, void (*idle)(void), trb_lock **out);

/** Take the lock of a folder of the run ("members/m003"); it need not be there. Local; returns after at most `seconds`,
 * and some. Jobs that take several take them in the same order; who is refused one closes all.
 * \return TRB_OK; TRB_ECONFIG if another job holds it; TRB_STOPPED; TRB_EIO */
trb_status trb_lock_take(trb_lock *l, const char *folder);

/** What the job's other processes join with; "" of NULL. Local; borrowed. */
const char *trb_lock_token(const trb_lock *l);

/** Write under the locks that another process of this job has taken, or will take. Local.
 * \param[in] token  of trb_lock_token()   \param[out] out  as of trb_lock_open(); takes and removes no locks */
trb_status trb_lock_join(const char *run, const char *token, trb_lock **out);

/** Whether this job may still publish a file of this name: if it locks in the run directory that the name begins with,
 * the nearest folder above the file that has a lock must be its own. Local, thread-safe. \return TRB_OK; TRB_EIO */
trb_status trb_lock_check(const char *path);

/** Release all. Local. Ends the thread. NULL allowed. */
void trb_lock_close(trb_lock *l);

#endif
