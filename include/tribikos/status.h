/** Status: what every function that can fail returns, and the one line that says why.
 *
 * A failing function calls trb_fail() where it knows most: what went wrong, which file, key or row, what was
 * expected, what was found, and what to do. The line is kept, not printed. Whoever holds the outermost scope
 * prints it once: after trb_agree() (comm.h) rank 0 prints the line of the culprit, so that a thousand ranks which
 * miss one file give one line. The first line wins: a caller that fails because its callee failed adds nothing.
 *
 * The exit status is the same on every rank: 0 done, 1 failed, 2 usage or configuration, 3 integrity (a file is not
 * what it says), 75 stopped by a signal or the time limit, and the same command goes on (a job script requeues on it).
 */
#ifndef TRB_STATUS_H
#define TRB_STATUS_H

#include <stddef.h>

/* name, value, exit status, text. Values are ordered by severity: when ranks fail for different reasons, the most
 * negative one is reported, because the milder ones tend to be its consequences. */
#define TRB_STATUS_TABLE(X)                                                                                            \
    X(TRB_OK, 0, 0, "done")                                                                                            \
    X(TRB_STOPPED, -1, 75, "stopped; the same command goes on")                                                        \
    X(TRB_ECONFIG, -2, 2, "usage or configuration")                                                                    \
    X(TRB_EINPUT, -3, 3, "malformed input file")                                                                       \
    X(TRB_EINTEGRITY, -4, 3, "a file is not what it says")                                                             \
    X(TRB_ENUM, -5, 1, "a number is not finite")                                                                       \
    X(TRB_EIO, -6, 1, "input or output failed")                                                                        \
    X(TRB_ENOMEM, -7, 1, "out of memory")                                                                              \
    X(TRB_ECOMM, -8, 1, "communication failed")                                                                        \
    X(TRB_EINTERNAL, -9, 1, "internal error")

typedef enum {
#define X(name, value, exit_status, text) name = value,
    TRB_STATUS_TABLE(X)
#undef X
} trb_status;

/** The text of a status. Local. Never NULL. */
const char *trb_status_text(trb_status st);

/** The process exit status that a status stands for. Local. */
int trb_status_exit(trb_status st);

/** Record why something failed. Local, thread-safe.
 *
 * \param[in] st   the status to return; not TRB_OK
 * \param[in] fmt  printf format of one line without a newline; what is longer than TRB_FAIL_BYTES is cut in the middle,
 *                 and control characters become question marks (trb_printable(), text.h)
 * \return st, so that `return trb_fail(TRB_EIO, "...")` reads as one act
 */
#define TRB_FAIL_BYTES 1024
trb_status trb_fail(trb_status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Put words in front of the recorded line, where a caller knows whose failure it is ("member 3: "). Local.
 * \return st; does nothing if it is TRB_OK */
trb_status trb_fail_of(trb_status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** The recorded line, "" if there is none. Local; borrowed, valid until the next clear. */
const char *trb_fail_message(void);

/** Forget the recorded line, before something is tried another way. Local. */
void trb_fail_clear(void);

/** Pass a failure on from the enclosing function at once; only where nothing has to be released. */
#define TRB_TRY(call)                                                                                                  \
    do {                                                                                                               \
        trb_status trb_try_st_ = (call);                                                                               \
        if (trb_try_st_ != TRB_OK) return trb_try_st_;                                                                 \
    } while (0)

/** The same where resources have to be released: sets the local `st` and goes to `done`. */
#define TRB_GO(call)                                                                                                   \
    do {                                                                                                               \
        if ((st = (call)) != TRB_OK) goto done;                                                                        \
    } while (0)

/** A sizes-to-int conversion for BLAS and MPI that can fail: a blind cast is a 2 GiB bug that no small test meets. */
trb_status trb_to_int(size_t n, int *out);

#endif
