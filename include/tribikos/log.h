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

/** How much is printed. Quiet: warnings, errors and notices. Verbose: details too. */
typedef enum { TRB_LOG_QUIET, TRB_LOG_NORMAL, TRB_LOG_VERBOSE } trb_log_level;
/** Set the level of this process; normal before the first call. Local. */
void trb_log_set(trb_log_level level);
/** Set the number of this process, which trb_detail() names. Local. */
void trb_log_rank(int rank);
bool trb_log_verbose(void); /* Local. */

/** Print one line: information, a warning, or the error that ended the program. Control characters become question
 * marks (trb_printable()). Local. */
void trb_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trb_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trb_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** The same for a line that a quiet run prints too, such as why it stopped. */
void trb_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** The same for a detail, which every process of a verbose run prints, with its number in front. */
void trb_detail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** The line of an epoch that took so many seconds. A verbose run prints all; another one those of two seconds and more,
 * at most one at each interval of trb_log_open(). Local. */
void trb_log_epoch(double took_s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

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
    /** The work of all that is counted, and the work that the run has left after it, in the same unit (multiply-adds).
     * Lines then tell the time that is left for both. 0, as after the begin: lines tell only the time that is left for
     * this work. */
    double work, later;
} trb_progress;

/** Begin. Local. \param[in] unit  what is counted, plural ("steps"); borrowed until trb_progress_end() */
void trb_progress_begin(trb_progress *p, uint64_t total, const char *unit, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** Report that `done` of the total are done. Cheap: it reads the clock and prints only when a line is due. Local.
 * \param[in] note  a short remark shown after the bar ("loss 0.0312"), or "" */
void trb_progress_update(trb_progress *p, uint64_t done, const char *note);

/** Whether a line is due, for a caller that has to compose it. Local, cheap. */
bool trb_progress_due(const trb_progress *p);

/** The same for work that is not counted in units. \param[in] share  how much is done, from 0 to 1
 * \param[in] before  how much was done before the begin   \param[in] state  what is shown between the label and the
 * time that is left */
void trb_progress_share(trb_progress *p, double share, double before, const char *state);

/** End: prints a line with the duration, if progress was shown before or the work took more than two seconds. Local. */
void trb_progress_end(trb_progress *p, const char *note);

#endif
