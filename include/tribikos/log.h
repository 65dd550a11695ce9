/** What a run says while it runs: lines and a progress bar, on stderr, from rank 0 alone.
 *
 * Results go to stdout, and only src/cli prints them. Errors are recorded with trb_fail() and printed once by src/cli.
 */
#ifndef TRB_LOG_H
#define TRB_LOG_H

#include <stdbool.h>
#include <stdint.h>

/** Say whether this process speaks (rank 0 does), and how often a progress line is due where stderr is no terminal.
 * Local. \param[in] interval_s  seconds between plain progress lines, >= 0 */
void trb_log_open(bool speaks, double interval_s);

/** One line of information, of warning, or of what ended the program; made harmless by trb_printable(). Local. */
void trb_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trb_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trb_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Progress of one long act. Plain data; on a terminal a bar that is redrawn, elsewhere a line an interval. */
typedef struct {
    char label[128]; /* longer than that of the longest name, "student NAME, 1000000 heads" */
    const char *unit;
    uint64_t done, total, from; /* from: what was done before it began; 0 unless set */
    double start_s, shown_s;
    bool drawn;
} trb_progress;

/** Begin. Local. \param[in] unit  what is counted, plural ("steps"); borrowed until trb_progress_end() */
void trb_progress_begin(trb_progress *p, uint64_t total, const char *unit, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** Say that `done` of the total are done. Cheap: looks at the clock, prints seldom. Local.
 * \param[in] note  a short remark shown behind the bar ("loss 0.0312"), or "" */
void trb_progress_update(trb_progress *p, uint64_t done, const char *note);

/** End: clears the bar; prints a line with the duration if anything was shown or it took two seconds. Local. */
void trb_progress_end(trb_progress *p, const char *note);

#endif
