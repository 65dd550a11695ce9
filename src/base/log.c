/* Lines and progress bars on stderr (log.h). On a terminal progress is a bar that is redrawn; elsewhere it is a line
 * now and then. */
#include "tribikos/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tribikos/clock.h"
#include "tribikos/text.h"

static bool speaks = true;
static double interval_s = 10.0;
static trb_log_level level = TRB_LOG_NORMAL;
static int rank;
static double epoch_s;      /* when the line of an epoch was printed last */
static uint64_t known[256]; /* keys of trb_log_first(); when it is full, the oldest is forgotten */
static size_t n_known;
static bool bar_open; /* a bar stands on the current terminal line and must be cleared before text is printed */

void trb_log_open(bool this_process_speaks, double progress_interval_s)
{
    speaks = this_process_speaks;
    interval_s = progress_interval_s;
}

void trb_log_set(trb_log_level how_much)
{
    level = how_much;
}

void trb_log_rank(int number)
{
    rank = number;
}

bool trb_log_verbose(void)
{
    return level == TRB_LOG_VERBOSE;
}

static void print(const char *prefix, const char *fmt, va_list args)
{
    char *line = NULL;
    if (vasprintf(&line, fmt, args) < 0) line = NULL;
    (void)fprintf(stderr, "%s%s%s\n", bar_open ? "\r\033[K" : "", prefix,
                  line != NULL ? trb_printable(line) : "no memory for a line");
    bar_open = false;
    free(line);
}

static void say(const char *prefix, const char *fmt, va_list args)
{
    if (speaks) print(prefix, fmt, args);
}

void trb_info(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (level > TRB_LOG_QUIET) say("", fmt, args);
    va_end(args);
}

void trb_notice(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say("", fmt, args);
    va_end(args);
}

void trb_detail(const char *fmt, ...)
{
    char prefix[32];
    va_list args;
    va_start(args, fmt);
    (void)snprintf(prefix, sizeof prefix, "rank %d: ", rank);
    if (level == TRB_LOG_VERBOSE) print(prefix, fmt, args);
    va_end(args);
}

void trb_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say("warning: ", fmt, args);
    va_end(args);
}

bool trb_log_first(uint64_t key)
{
    enum { ROOM = sizeof known / sizeof *known };
    if (!speaks) return false;
    for (size_t i = 0; i < n_known && i < ROOM; i++)
        if (known[i] == key) return false;
    known[n_known++ % ROOM] = key;
    return true;
}

/* Say it unless this process has said it. */
static void say_once(const char *prefix, const char *fmt, va_list args)
{
    char *line = NULL;
    uint64_t key = 0xcbf29ce484222325U; /* FNV-1a; hash.c uses this file through others */
    va_list again;
    va_copy(again, args);
    if (vasprintf(&line, fmt, again) < 0) line = NULL;
    va_end(again);
    for (const char *at = line; at != NULL && *at != '\0'; at++) key = (key ^ (unsigned char)*at) * 0x100000001b3U;
    if (line != NULL && trb_log_first(key)) say(prefix, fmt, args);
    free(line);
}

void trb_info_once(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (level > TRB_LOG_QUIET) say_once("", fmt, args);
    va_end(args);
}

void trb_warn_once(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say_once("warning: ", fmt, args);
    va_end(args);
}

void trb_error(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say("tribikos: error: ", fmt, args);
    va_end(args);
}

static void duration(double s, char *text, size_t n)
{
    const long t = (long)(s + 0.5);
    if (t >= 3600)
        (void)snprintf(text, n, "%ldh%02ldm", t / 3600, t % 3600 / 60);
    else if (t >= 60)
        (void)snprintf(text, n, "%ldm%02lds", t / 60, t % 60);
    else
        (void)snprintf(text, n, "%.1fs", s);
}

void trb_log_epoch(double took_s, const char *fmt, ...)
{
    char *line = NULL, took[32];
    va_list args;
    const double now = trb_now_s();
    if (!speaks || level == TRB_LOG_QUIET) return;
    if (level == TRB_LOG_NORMAL && (took_s < 2.0 || now - epoch_s < interval_s)) return;
    epoch_s = now;
    duration(took_s, took, sizeof took);
    va_start(args, fmt);
    if (vasprintf(&line, fmt, args) < 0) line = NULL;
    va_end(args);
    trb_info("%s in %s", line != NULL ? line : "an epoch", took);
    free(line);
}

void trb_progress_begin(trb_progress *p, uint64_t total, const char *unit, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    *p = (trb_progress){.unit = unit, .total = total, .start_s = trb_now_s()};
    (void)vsnprintf(p->label, sizeof p->label, fmt, args);
    va_end(args);
    (void)trb_printable(p->label);
    p->shown_s = p->start_s;
}

bool trb_progress_due(const trb_progress *p)
{
    if (!speaks || level == TRB_LOG_QUIET) return false;
    return trb_now_s() - p->shown_s >= (isatty(STDERR_FILENO) == 1 ? 0.1 : interval_s);
}

/* Notes that a line is shown now, if one is due. */
static bool take_turn(trb_progress *p, double now)
{
    if (!trb_progress_due(p)) return false;
    p->shown_s = now;
    p->drawn = true;
    return true;
}

/* Seconds that the rest of the work will take, and what comes after it. */
static void time_left(const trb_progress *p, double share, double before, double now, char *text, size_t n)
{
    char mine[32], all[32];
    const double each_s = (now - p->start_s) / (share - before);
    if (!(share > before)) {
        (void)snprintf(text, n, "? left");
        return;
    }
    duration((1.0 - share) * each_s, mine, sizeof mine);
    if (p->work > 0.0 && p->later > 0.0) {
        duration((1.0 - share + p->later / p->work) * each_s, all, sizeof all);
        (void)snprintf(text, n, "%s left, about %s of the whole run", mine, all);
    } else {
        (void)snprintf(text, n, "%s left", mine);
    }
}

static void draw_bar(const char *label, double share, const char *text)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1], line[512];
    struct winsize window;
    const int filled = (int)(share * WIDTH);
    /* A line that is wider than the terminal would be wrapped, and then only its last part could be redrawn. */
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    const size_t most = known && window.ws_col < sizeof line ? window.ws_col : sizeof line;
    for (int i = 0; i < WIDTH; i++) bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = '\0';
    (void)snprintf(line, most, "%s [%s] %3.0f%% %s", label, bar, 100.0 * share, text);
    (void)fprintf(stderr, "\r\033[K%s", line);
    (void)fflush(stderr);
    bar_open = true;
}

void trb_progress_update(trb_progress *p, uint64_t done, const char *note)
{
    const double now = trb_now_s(), total = p->total > 0 ? (double)p->total : 1.0, share = (double)done / total;
    char left[96], text[256];
    p->done = done;
    if (!take_turn(p, now)) return;
    const double rate = (double)(done - p->from) / (now - p->start_s);
    time_left(p, share, (double)p->from / total, now, left, sizeof left);
    (void)snprintf(text, sizeof text, "%.1f %s/s, %s %s", rate, p->unit, left, note);
    if (isatty(STDERR_FILENO) == 1)
        draw_bar(p->label, share, text);
    else
        trb_info("%s: %" PRIu64 "/%" PRIu64 " %s (%.0f%%), %s", p->label, done, p->total, p->unit, 100.0 * share, text);
}

void trb_progress_share(trb_progress *p, double share, double before, const char *state)
{
    const double now = trb_now_s();
    char left[96], text[384];
    if (!take_turn(p, now)) return;
    time_left(p, share, before, now, left, sizeof left);
    (void)snprintf(text, sizeof text, "%s; %s", state, left);
    if (isatty(STDERR_FILENO) == 1)
        draw_bar(p->label, share, text);
    else
        trb_info("%s: %s", p->label, text);
}

void trb_progress_end(trb_progress *p, const char *note)
{
    if (!speaks || level == TRB_LOG_QUIET) return;
    const double elapsed = trb_now_s() - p->start_s;
    char took[32];
    duration(elapsed, took, sizeof took);
    if (p->drawn || elapsed > 2.0)
        trb_info("%s: %" PRIu64 " %s in %s %s", p->label, p->done - p->from, p->unit, took, note);
}
