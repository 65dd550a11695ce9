/** Status: what every function that can fail returns, and the one line that says why.
 *
 * A failing function calls trb_fail() where it knows most: what went wrong, which file, key or row, what was
 * expected, what was found, and what to do. The line is kept, not printed; src/cli prints it once. Ranks agree on it
 * first (trb_agree() in comm.h), so that a thousand ranks that miss one file print one line. The first line is kept: a
 * caller that fails because its callee failed adds nothing.
 *
 * The exit status is the same on every rank: 0 done; 1 failed; 2 usage or configuration; 3 integrity (a file is not
 * what it says); 75 stopped by a signal or the time limit. After 75 the same command continues the run, so a job script
 * requeues it.
 */
#ifndef TRB_STATUS_H
#define TRB_STATUS_H

#include <stdbool.h>

#include <stddef.h>

/* name, value, exit status, text. Values are ordered by severity. If ranks fail for different reasons, the most
 * negative status is reported, because the milder ones are often its consequences. */
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

/** The exit status of a process that ends with this status. Local. */
int trb_status_exit(trb_status st);

/** Whether memory, files or communication failed, rather than that something is wrong with what was given. Only the
 * latter may be an answer, after which a program goes on. Local. */
bool trb_status_is_failure(trb_status st);

/** Record why something failed. Local, thread-safe.
 *
 * \param[in] st   the status to return; not TRB_OK
 * \param[in] fmt  printf format of one line without a newline. A line longer than TRB_FAIL_BYTES is cut in the middle;
 *                 control characters become question marks (trb_printable(), text.h)
 * \return st, so that a function can `return trb_fail(TRB_EIO, "...")`
 */
#define TRB_FAIL_BYTES 1024
trb_status trb_fail(trb_status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Put words in front of the recorded line, such as "member 3: " where the caller knows which member failed. Local.
 * Does nothing if st is TRB_OK. \return st */
trb_status trb_fail_of(trb_status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** The recorded line, "" if there is none. Local; borrowed, valid until the next clear. */
const char *trb_fail_message(void);

/** From now on, keep the line of this thread apart from the one that all other threads share. Local.
 * \param[out] room  [TRB_FAIL_BYTES], emptied, borrowed; NULL: this thread shares the line again */
void trb_fail_apart(char *room);

/** Forget the recorded line, before the caller tries something else. Local. */
void trb_fail_clear(void);

/** Return at once from the enclosing function if `call` fails. Only for functions that have nothing to release. */
#define TRB_TRY(call)                                                                                                  \
    do {                                                                                                               \
        trb_status trb_try_st_ = (call);                                                                               \
        if (trb_try_st_ != TRB_OK) return trb_try_st_;                                                                 \
    } while (0)

/** The same for functions that have to release something: sets the local `st` and goes to the label `done`. */
#define TRB_GO(call)                                                                                                   \
    do {                                                                                                               \
        if ((st = (call)) != TRB_OK) goto done;                                                                        \
    } while (0)

/** Convert a size to the int that BLAS and MPI take. Local. A plain cast would be wrong beyond 2^31 - 1, which no small
 * test reaches. \return TRB_OK; TRB_ECONFIG if n does not fit */
trb_status trb_to_int(size_t n, int *out);

#endif
