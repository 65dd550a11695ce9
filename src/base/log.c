/* Lines and progress bars on stderr (log.h). On a terminal progress is a bar that is redrawn; elsewhere it is a line
 * now and then. */
#include "tribikos/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tribikos/clock.h"
#include "tribikos/text.h"

static bool speaks = true;
static double interval_s = 10.0;
static uint64_t known[256]; /* keys of trb_log_first(); when it is full, the oldest is forgotten */
static size_t n_known;
static bool bar_open; /* a bar stands on the current terminal line and must be cleared before text is printed */

void trb_log_open(bool this_process_speaks, double progress_interval_s)
{
    speaks = this_process_speaks;
    interval_s = progress_interval_s;
}

static void say(const char *prefix, const char *fmt, va_list args)
{
    char *line = NULL;
    if (!speaks) return;
    if (vasprintf(&line, fmt, args) < 0) line = NULL;
    (void)fprintf(stderr, "%s%s%s\n", bar_open ? "\r\033[K" : "", prefix,
                  line != NULL ? trb_printable(line) : "no memory for a line");
    bar_open = false;
    free(line);
}

void trb_info(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say("", fmt, args);
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
    say_once("", fmt, args);
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

void trb_progress_update(trb_progress *p, uint64_t done, const char *note)
{
    p->done = done;
    if (!speaks) return;
    const bool terminal = isatty(STDERR_FILENO) == 1;
    const double now = trb_now_s();
    if (now - p->shown_s < (terminal ? 0.1 : interval_s)) return;
    p->shown_s = now;
    p->drawn = true;
    const double elapsed = now - p->start_s, rate = (double)(done - p->from) / elapsed;
    char left[32] = "?";
    if (done > p->from) duration((double)(p->total - done) / rate, left, sizeof left);
    const double share = p->total > 0 ? (double)done / (double)p->total : 1.0;
    if (terminal) {
        enum { WIDTH = 24 };
        char bar[WIDTH + 1];
        const int filled = (int)(share * WIDTH);
        for (int i = 0; i < WIDTH; i++) bar[i] = i < filled ? '#' : '.';
        bar[WIDTH] = '\0';
        (void)fprintf(stderr, "\r\033[K%s [%s] %3.0f%% %.1f %s/s, %s left %s", p->label, bar, 100.0 * share, rate,
                      p->unit, left, note);
        (void)fflush(stderr);
        bar_open = true;
    } else {
        trb_info("%s: %" PRIu64 "/%" PRIu64 " %s (%.0f%%), %.1f %s/s, %s left %s", p->label, done, p->total, p->unit,
                 100.0 * share, rate, p->unit, left, note);
    }
}

void trb_progress_end(trb_progress *p, const char *note)
{
    if (!speaks) return;
    const double elapsed = trb_now_s() - p->start_s;
    char took[32];
    duration(elapsed, took, sizeof took);
    if (p->drawn || elapsed > 2.0)
        trb_info("%s: %" PRIu64 " %s in %s %s", p->label, p->done - p->from, p->unit, took, note);
}
