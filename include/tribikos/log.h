/** Messages and progress of a run: lines and a progress bar, printed to stderr by rank 0 only.
 *
 * Results go to stdout, and only src/cli prints them. Errors are recorded with trb_fail() and printed once by src/cli.
 */
#ifndef TRB_LOG_H
#define TRB_LOG_H

#include <stdbool.h>
#include <stdint.h>

/** Set whether this process prints (rank 0 does), and how often it prints progress if stderr is not a terminal. Local.
 * \param[in] interval_s  seconds between progress lines, >= 0 */
void trb_log_open(bool speaks, double interval_s);

/** Print one line: information, a warning, or the error that ended the program. Control characters become question
 * marks (trb_printable()). Local. */
void trb_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trb_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trb_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Whether to say something that is said once: this process prints, and this is the first call with this key. Ask it
 * before work that only serves a message. Local. \param[in] key  e.g. the digest of what is described */
bool trb_log_first(uint64_t key);
/** As trb_info() and trb_warn(), but a line that this process has printed before is not printed again: stages read the
 * same files one after another. Local; not thread-safe. */
void trb_info_once(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trb_warn_once(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Progress of one long piece of work. Plain data. On a terminal it is shown as a bar that is redrawn, elsewhere as a
 * line at each interval. */
typedef struct {
    char label[128]; /* has room for the longest label, "student NAME, 1000000 heads" */
    const char *unit;
    uint64_t done, total, from; /* from: how much was done before the begin; 0 unless set */
    double start_s, shown_s;
    bool drawn;
} trb_progress;

/** Begin. Local. \param[in] unit  what is counted, plural ("steps"); borrowed until trb_progress_end() */
void trb_progress_begin(trb_progress *p, uint64_t total, const char *unit, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** Report that `done` of the total are done. Cheap: it reads the clock and prints only when a line is due. Local.
 * \param[in] note  a short remark shown after the bar ("loss 0.0312"), or "" */
void trb_progress_update(trb_progress *p, uint64_t done, const char *note);

/** End: prints a line with the duration, if progress was shown before or the work took more than two seconds. Local. */
void trb_progress_end(trb_progress *p, const char *note);

#endif
