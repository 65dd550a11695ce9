/* Locks of folders. lock.h says what they promise. A job that wants a lock repeats win() until one row ends it:
 *
 * | the lock file | its holder | what happens |
 * | absent | | make(): create it with O_EXCL, then look again |
 * | our token | | we hold it, whatever the calls before have returned |
 * | another token | ended on this system, or was found dead before | replace() |
 * | another token | its beat changes | refused: TRB_ECONFIG |
 * | another token | its beat is silent for `seconds` | replace() |
 * | absent, or a new token, while we watch | | look again |
 *
 * replace() puts our lock in the place of a dead one. Several jobs may try it. The claim, a file with the dead holder's
 * token in its name, decides between them:
 *
 * | the claim | what happens |
 * | created by us, and the lock still has the dead holder's token | rename the claim to the lock: we hold it |
 * | created by us, but the lock has changed | remove the claim, look again |
 * | exists | watch its maker like a holder: it renames or removes the claim, or it is dead and we remove it |
 */
#include "tribikos/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "tribikos/alive.h"
#include "tribikos/fault.h"
#include "tribikos/file.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/stop.h"
#include "tribikos/text.h"

enum { TEXT_BYTES = 1024, BEAT_BYTES = 32, TOKEN_BYTES = 33, TRIES = 100, SECONDS_MAX = 1000000 };

/* The contents of a lock. */
typedef struct {
    char host[256], machine[128], since[64], job[64], token[TOKEN_BYTES];
    long pid;
    unsigned long long started; /* ticks since the machine's boot; 0: not known */
    double seconds;
} holder;

static const char *const FORMAT = "tribikos lock 1\nhost %s\nmachine %s\nprocess %ld\nstarted %llu\nsince %s\njob %s\n"
                                  "seconds %.17g\ntoken %s\n";
static const char *const NAMELESS = "unreadable"; /* stands for the token of an empty or incomplete lock */

typedef struct taken {
    struct taken *next;
    char file[]; /* the lock's path */
} taken;

struct trb_lock {
    trb_lock *next; /* in the list `all` */
    char *run;
    holder self; /* only the token is set if the lock was joined */
    void (*idle)(void);
    taken *taken;
    /* The token of the holder that was found dead last, and its beat. Its other locks need not be watched again. */
    char dead[TOKEN_BYTES], last_beat[BEAT_BYTES];

    pthread_t thread;
    pthread_mutex_t mutex; /* guards `stop` */
    pthread_cond_t changed;
    bool beating, stop;
    unsigned long long beats;
    atomic_int why; /* errno of the last beat, 0 if it was written */
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER; /* guards the list `all` */
static trb_lock *all;

static void lock_path(const char *run, const char *folder, char path[PATH_MAX])
{
    const int n = snprintf(path, PATH_MAX, "%s/.lock/", run);
    (void)snprintf(path + n, n < PATH_MAX ? (size_t)(PATH_MAX - n) : 0, "%s", folder);
    for (char *p = path + n; n < PATH_MAX && *p != '\0'; p++)
        if (*p == '/') *p = '.';
}

static void beat_path(const trb_lock *l, const char *token, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/.lock/beat.%s", l->run, token);
}

/* ---- who holds a lock */

/* Identifies the system in which a process number is valid, by the boot and the namespace of process numbers. The host
 * name is not enough: two hosts or two containers may have the same name. */
static void name_machine(char *text, size_t n)
{
    char boot[64] = "", space[48] = "";
    FILE *fp = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (fp != NULL && fscanf(fp, "%63s", boot) != 1) boot[0] = '\0';
    if (fp != NULL) (void)fclose(fp);
    const bool whole = boot[0] != '\0' && readlink("/proc/self/ns/pid", space, sizeof space - 1) > 0;
    (void)snprintf(text, n, whole ? "%s %s" : "-", boot, space);
}

static trb_status introduce(holder *h, double seconds)
{
    unsigned char random[(TOKEN_BYTES - 1) / 2];
    const char *job = getenv("SLURM_JOB_ID");
    const time_t now = time(NULL);
    struct tm local;
    (void)gethostname(h->host, sizeof h->host - 1);
    name_machine(h->machine, sizeof h->machine);
    h->pid = (long)getpid();
    h->started = trb__process_started(h->pid);
    if (localtime_r(&now, &local) == NULL || strftime(h->since, sizeof h->since, "%F %T %z", &local) == 0)
        (void)strcpy(h->since, "-");
    (void)snprintf(h->job, sizeof h->job, "%s", job == NULL || job[0] == '\0' ? "-" : job);
    (void)trb_printable(h->job); /* it must stay within its line of the lock */
    h->seconds = seconds;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return trb_fail(TRB_EIO, "no random number for a lock: %s", strerror(errno));
    for (size_t i = 0; i < sizeof random; i++) (void)snprintf(h->token + 2 * i, 3, "%02x", random[i]);
    return TRB_OK;
}

static void parse(const char *text, holder *h)
{
    int end = -1;
    (void)sscanf(text,
                 "tribikos lock 1 host %255[^\n] machine %127[^\n] process %ld started %llu since %63[^\n] job %63[^\n]"
                 " seconds %lf token %32[0-9a-f]%n",
                 h->host, h->machine, &h->pid, &h->started, h->since, h->job, &h->seconds, h->token, &end);
    /* Without the newline after the token the file may be cut off in the middle of a value. */
    const bool whole = end >= 0 && text[end] == '\n' && strlen(h->token) == TOKEN_BYTES - 1;
    if (whole && h->seconds <= SECONDS_MAX) return;
    *h = (holder){.seconds = 0.0};
    (void)strcpy(h->token, NAMELESS);
}

/* NFS caches for up to a minute that a name does not exist, or which file it meant. Opening the folder ends that. */
static int open_anew(const char *path)
{
    char folder[PATH_MAX];
    const int fd = trb__open(path, O_RDONLY | O_NOFOLLOW);
    if (fd >= 0 || (errno != ENOENT && errno != ESTALE)) return fd;
    (void)snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    const int opened = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened >= 0) (void)close(opened);
    return trb__open(path, O_RDONLY | O_NOFOLLOW);
}

/* Read a lock. \return 0; ENOENT if there is no lock; another errno */
static int see(const char *path, holder *h)
{
    char text[TEXT_BYTES] = "";
    *h = (holder){.seconds = 0.0};
    const int fd = open_anew(path);
    int why = fd < 0 ? errno : 0;
    if (fd >= 0 && read(fd, text, sizeof text - 1) < 0) why = errno;
    if (fd >= 0) (void)close(fd);
    parse(text, h);
    return why == ESTALE ? ENOENT : why; /* it was removed meanwhile */
}

static trb_status look(const char *path, holder *h, bool *found)
{
    TRB_TRY(trb_fault("file.open"));
    const int why = see(path, h);
    *found = why == 0;
    return why == 0 || why == ENOENT ? TRB_OK : trb__open_failed(path, O_RDONLY | O_NOFOLLOW, why);
}

static bool is_of(const holder *h, const char *token)
{
    return strcmp(h->token, token) == 0;
}

static bool is_gone(const trb_lock *l, const holder *h)
{
    return h->machine[0] != '-' && strcmp(h->machine, l->self.machine) == 0 && trb__process_gone(h->pid, h->started);
}

static const char *shown(const holder *h, char text[512])
{
    if (is_of(h, NAMELESS)) return "a process that left no name";
    const bool slurm = strcmp(h->job, "-") != 0;
    (void)snprintf(text, 512, "process %ld on %s%s%s, since %s", h->pid, h->host, slurm ? ", Slurm job " : "",
                   slurm ? h->job : "", h->since);
    return text;
}

/* ---- signs of life */

/* Read the beat of a job; "" if there is none. */
static void read_beat(const trb_lock *l, const char *token, char beat[BEAT_BYTES])
{
    char path[PATH_MAX];
    beat_path(l, token, path);
    const int fd = open_anew(path);
    const ssize_t n = fd < 0 ? 0 : read(fd, beat, BEAT_BYTES - 1);
    beat[n < 0 ? 0 : n] = '\0';
    if (fd >= 0) (void)close(fd);
}

/* Writes the beat in place, so that it works on a full disk. It is not synced, because a beat has no meaning after a
 * crash of the machine. The file is created if it does not exist: a job that takes over a lock removes the beat, but a
 * holder that lives after all may hold other locks. There is no fault point here, because a lost beat is not a failure,
 * and beats do not come at the same moments in every run. */
static void write_beat(trb_lock *l)
{
    char path[PATH_MAX], text[BEAT_BYTES];
    beat_path(l, l->self.token, path);
    const int n = snprintf(text, sizeof text, "%020llu\n", l->beats++);
    const int fd = trb__open(path, O_WRONLY | O_CREAT | O_NOFOLLOW);
    int why = fd < 0 ? errno : 0;
    if (fd >= 0 && write(fd, text, (size_t)n) != n) why = errno == 0 ? EIO : errno;
    if (fd >= 0 && close(fd) != 0) why = errno;
    atomic_store(&l->why, why);
}

static void *beat(void *ctx)
{
    trb_lock *l = ctx;
    const double every = fmin(l->self.seconds / 6.0, 5.0);
    struct timespec due;
    (void)clock_gettime(CLOCK_MONOTONIC, &due);
    (void)pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        const double at = (double)due.tv_nsec * 1e-9 + every;
        due.tv_sec += (time_t)at;
        due.tv_nsec = (long)((at - floor(at)) * 1e9);
        while (!l->stop && pthread_cond_timedwait(&l->changed, &l->mutex, &due) == 0) continue;
        (void)pthread_mutex_unlock(&l->mutex);
        write_beat(l);
        (void)clock_gettime(CLOCK_MONOTONIC, &due);
        (void)pthread_mutex_lock(&l->mutex);
    }
    (void)pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static trb_status start(trb_lock *l)
{
    pthread_condattr_t steady;
    TRB_TRY(trb_fault("file.write"));
    write_beat(l);
    if (atomic_load(&l->why) != 0)
        return trb_fail(TRB_EIO, "%s/.lock/beat.%s: cannot write: %s", l->run, l->self.token,
                        strerror(atomic_load(&l->why)));
    TRB_TRY(trb_fault("thread.start"));
    (void)pthread_mutex_init(&l->mutex, NULL);
    (void)pthread_condattr_init(&steady);
    (void)pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&l->changed, &steady);
    (void)pthread_condattr_destroy(&steady);
    const int why = pthread_create(&l->thread, NULL, beat, l);
    l->beating = why == 0;
    return why == 0 ? TRB_OK : trb_fail(TRB_EIO, "cannot start the thread that gives signs of life: %s", strerror(why));
}

static void stop(trb_lock *l)
{
    (void)pthread_mutex_lock(&l->mutex);
    l->stop = true;
    (void)pthread_cond_signal(&l->changed);
    (void)pthread_mutex_unlock(&l->mutex);
    trb_alive_join(l->thread);
    (void)pthread_cond_destroy(&l->changed);
    (void)pthread_mutex_destroy(&l->mutex);
}

/* ---- taking */

/* Make a file that says who we are. \return 0 or an errno, EEXIST if there is one of this name */
static int put(const trb_lock *l, const char *path)
{
    const holder *h = &l->self;
    char text[TEXT_BYTES];
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return errno;
    const int n = snprintf(text, sizeof text, FORMAT, h->host, h->machine, h->pid, h->started, h->since, h->job,
                           h->seconds, h->token);
    errno = ENOSPC; /* the reason if write() writes only a part, since it sets no errno then */
    int why = write(fd, text, (size_t)n) == n && fsync(fd) == 0 ? 0 : errno;
    if (close(fd) != 0 && why == 0) why = errno;
    if (why != 0) (void)unlink(path);
    return why;
}

static trb_status make(const trb_lock *l, const char *path, bool *made)
{
    TRB_TRY(trb_fault("file.create"));
    TRB_TRY(trb_fault("file.write"));
    const int why = put(l, path);
    *made = why == 0;
    return *made || why == EEXIST ? TRB_OK : trb_fail(TRB_EIO, "%s: cannot write: %s", path, strerror(why));
}

/* Watch a holder until it is known whether it lives. A holder that lives gives TRB_ECONFIG.
 * \param[out] dead  false if the lock has been removed meanwhile, or belongs to another job */
static trb_status watch(trb_lock *l, const char *path, const holder *h, bool *dead)
{
    const double seconds = fmax(h->seconds, l->self.seconds), pause = fmin(seconds / 60.0, 0.5);
    const struct timespec nap = {.tv_sec = 0, .tv_nsec = (long)(pause * 1e9)};
    char who[512], first[BEAT_BYTES], now[BEAT_BYTES];
    double silent = 0.0;
    read_beat(l, h->token, first);
    bool gone = is_gone(l, h);
    *dead = gone || (is_of(h, l->dead) && strcmp(first, l->last_beat) == 0);
    if (!*dead)
        trb_info("%s is held by %s; for up to %.0f s it is watched for signs of life", path, shown(h, who), seconds);
    while (!*dead) {
        holder next;
        bool found = false;
        if (l->idle != NULL) l->idle();
        trb_stop_progress(); /* waiting for another job counts as progress: starting this one again would not help */
        TRB_TRY(trb_fail_of(trb_stop_check(), "waiting for %s: ", path));
        (void)nanosleep(&nap, NULL);
        silent += pause;
        read_beat(l, h->token, now);
        /* A missing beat proves nothing: its job has ended, or another job has begun to take over its locks. */
        if (now[0] != '\0' && strcmp(now, first) != 0)
            return trb_fail(TRB_ECONFIG,
                            "%s is held by %s, which is alive and going to write the same files; wait until it ends, "
                            "end it, or use another run.dir",
                            path, shown(h, who));
        TRB_TRY(look(path, &next, &found));
        if (!found || !is_of(&next, h->token)) return TRB_OK;
        gone = is_gone(l, h);
        *dead = gone || silent >= seconds;
    }
    (void)strcpy(l->dead, h->token);
    (void)strcpy(l->last_beat, first);
    return TRB_OK;
}

static bool name_claim(const char *path, const holder *dead, char claim[PATH_MAX])
{
    return snprintf(claim, PATH_MAX, "%s.%s", path, dead->token) < PATH_MAX;
}

static void remove_beat(const trb_lock *l, const holder *dead)
{
    char path[PATH_MAX];
    beat_path(l, dead->token, path);
    (void)unlink(path);
}

/* Wait for the end of a claim that another job made. It becomes the lock or is removed, unless its maker has died. */
static trb_status await_claim(trb_lock *l, const char *claim)
{
    holder h;
    bool found = false, dead = false;
    TRB_TRY(look(claim, &h, &found));
    if (found) TRB_TRY(watch(l, claim, &h, &dead));
    if (dead) (void)unlink(claim);
    return TRB_OK;
}

/* Put our lock in the place of a dead holder's. Several jobs may try this, and they may have found the holder dead at
 * different times. Only one of them creates the claim, whose name contains the dead holder's token. Renaming the claim
 * makes it the lock, so a lock exists at every moment. A job that creates the claim later finds another token in the
 * lock and removes its claim. */
static trb_status replace(trb_lock *l, const char *path, const holder *dead)
{
    char claim[PATH_MAX], who[512];
    holder h;
    bool made = false, found = false;
    if (!name_claim(path, dead, claim)) return trb_fail(TRB_EIO, "%s: the name is too long", path);
    TRB_TRY(make(l, claim, &made));
    if (!made) return await_claim(l, claim);
    trb_status st = look(path, &h, &found);
    if (st == TRB_OK && found && is_of(&h, dead->token)) {
        const bool ended = is_gone(l, dead);
        remove_beat(l, dead);
        l->last_beat[0] = '\0';
        st = trb_fault("file.rename");
        if (st == TRB_OK && rename(claim, path) == 0) {
            trb_warn("%s is taken over from %s, which %s", path, shown(dead, who),
                     ended ? "ended without releasing it" : "gave no sign of life");
            return TRB_OK;
        }
        if (st == TRB_OK && errno != ENOENT)
            st = trb_fail(TRB_EIO, "%s: cannot rename to it: %s", path, strerror(errno));
    }
    (void)unlink(claim);
    return st;
}

/* Remove locks that nobody will ask for again: a dead job may have held locks of folders that are finished. Only locks
 * of processes that ended on this system, or of the holder that was found dead last, are removed. This is done under a
 * claim, because another job may have taken the lock meanwhile. */
static void sweep(const trb_lock *l)
{
    char folder[PATH_MAX], path[PATH_MAX], claim[PATH_MAX], beat[BEAT_BYTES];
    holder h, now;
    (void)snprintf(folder, sizeof folder, "%s/.lock", l->run);
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        lock_path(l->run, e->d_name, path);
        if (e->d_name[0] == '.' || strncmp(e->d_name, "beat.", 5) == 0 || see(path, &h) != 0) continue;
        read_beat(l, h.token, beat);
        if (!is_gone(l, &h) && !(is_of(&h, l->dead) && strcmp(beat, l->last_beat) == 0)) continue;
        if (!name_claim(path, &h, claim) || put(l, claim) != 0) continue;
        remove_beat(l, &h);
        if (see(path, &now) == 0 && is_of(&now, h.token)) (void)unlink(path);
        (void)unlink(claim);
    }
    (void)closedir(dir);
}

static trb_status win(trb_lock *l, const char *path)
{
    for (int i = 0; i < TRIES; i++) {
        holder h;
        bool made = false, found = false, dead = false;
        TRB_TRY(make(l, path, &made));
        TRB_TRY(look(path, &h, &found));
        if (found && is_of(&h, l->self.token)) return TRB_OK; /* NFS may report failure for a call that succeeded */
        if (found) TRB_TRY(watch(l, path, &h, &dead));
        if (dead) TRB_TRY(replace(l, path, &h));
    }
    return trb_fail(TRB_EIO, "%s: cannot be taken, its holder changed too often; remove it if no job is running", path);
}

static trb_status open_any(const char *run, trb_lock **out)
{
    trb_lock *l = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 1, sizeof *l, &l));
    const trb_status st = trb_strdup(run, &l->run);
    if (st != TRB_OK) trb_free(l);
    if (st == TRB_OK) *out = l;
    return st;
}

static void enlist(trb_lock *l)
{
    (void)pthread_mutex_lock(&guard);
    l->next = all;
    all = l;
    (void)pthread_mutex_unlock(&guard);
}

trb_status trb_lock_open(const char *run, double seconds, void (*idle)(void), trb_lock **out)
{
    char folder[PATH_MAX];
    trb_lock *l = NULL;
    *out = NULL;
    if (seconds <= 0.0) return TRB_OK;
    (void)snprintf(folder, sizeof folder, "%s/.lock", run);
    TRB_TRY(trb_mkdirs(folder));
    TRB_TRY(open_any(run, &l));
    const trb_status st = introduce(&l->self, seconds);
    l->idle = idle;
    enlist(l);
    if (st == TRB_OK)
        *out = l;
    else
        trb_lock_close(l);
    return st;
}

trb_status trb_lock_join(const char *run, const char *token, trb_lock **out)
{
    *out = NULL;
    if (token[0] == '\0') return TRB_OK;
    TRB_TRY(open_any(run, out));
    (void)snprintf((*out)->self.token, TOKEN_BYTES, "%s", token);
    enlist(*out);
    return TRB_OK;
}

trb_status trb_lock_take(trb_lock *l, const char *folder)
{
    char path[PATH_MAX];
    taken *t = NULL;
    if (l == NULL) return TRB_OK;
    lock_path(l->run, folder, path);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, sizeof *t + strlen(path) + 1, 1, &t));
    (void)strcpy(t->file, path);
    t->next = l->taken;
    l->taken = t; /* before the attempt: if it fails half-way, the close removes the lock if it is ours */
    TRB_TRY(win(l, path));
    return l->beating ? TRB_OK : start(l);
}

const char *trb_lock_token(const trb_lock *l)
{
    return l == NULL ? "" : l->self.token;
}

static trb_status check(trb_lock *l, const char *file)
{
    char folder[PATH_MAX], path[PATH_MAX], nearest[PATH_MAX] = "", who[512], why[128] = "";
    holder h;
    bool found = false;
    (void)snprintf(folder, sizeof folder, "%s", file);
    for (char *slash = strrchr(folder, '/'); slash != NULL && !found; slash = strrchr(folder, '/')) {
        *slash = '\0';
        lock_path(l->run, folder, path);
        TRB_TRY(look(path, &h, &found));
        if (found || nearest[0] == '\0') (void)strcpy(nearest, path);
    }
    if (nearest[0] == '\0' || (found && is_of(&h, l->self.token))) return TRB_OK;
    if (atomic_load(&l->why) != 0)
        (void)snprintf(why, sizeof why, " (its signs of life could not be written: %s)",
                       strerror(atomic_load(&l->why)));
    if (found)
        return trb_fail(TRB_EIO,
                        "%s/%s is not written: this job gave no sign of life, and its lock %s was taken over by %s%s; "
                        "run again when that job has ended",
                        l->run, file, nearest, shown(&h, who), why);
    return trb_fail(TRB_EIO,
                    "%s/%s is not written: this job's lock %s is gone, since it gave no sign of life and another job "
                    "took its place, or since somebody removed it%s; run again",
                    l->run, file, nearest, why);
}

trb_status trb_lock_check(const char *path)
{
    trb_status st = TRB_OK;
    (void)pthread_mutex_lock(&guard);
    for (trb_lock *l = all; l != NULL && st == TRB_OK; l = l->next) {
        const size_t n = strlen(l->run);
        if (strncmp(path, l->run, n) == 0 && path[n] == '/') st = check(l, path + n + 1);
    }
    (void)pthread_mutex_unlock(&guard);
    return st;
}

void trb_lock_close(trb_lock *l)
{
    if (l == NULL) return;
    (void)pthread_mutex_lock(&guard);
    for (trb_lock **at = &all; *at != NULL; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    (void)pthread_mutex_unlock(&guard);
    if (l->beating) {
        stop(l);
        sweep(l);
    }
    if (l->beats > 0) remove_beat(l, &l->self); /* a joined lock has the job's token, but the beat is not its own */
    for (taken *t = l->taken, *next = NULL; t != NULL; t = next) {
        holder h;
        if (see(t->file, &h) == 0 && is_of(&h, l->self.token)) (void)unlink(t->file);
        next = t->next;
        trb_free(t);
    }
    trb_free(l->run);
    trb_free(l);
}
