/* Charts as inline SVG, and text that is harmless in HTML. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "tribikos/memory.h"

/* ---- text */

static void add_entities(trb_text *out, const char *text)
{
    while (*text != '\0') {
        const size_t n = strcspn(text, "&<>\"'");
        trb_text_add(out, "%.*s", (int)n, text);
        text += n;
        if (*text != '\0') trb_text_add(out, "&#%d;", *text++);
    }
}

/* Line breaks stay, everything else that is no character to be seen is replaced. */
static void make_harmless(char *text)
{
    for (char *at = text; (at = strpbrk(at, "\t\r")) != NULL;) *at = ' ';
    for (const char *bad = text; (bad = trb_text_not_utf8(bad)) != NULL;) text[bad - text] = '?';
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL) *end = '\0';
        (void)trb_printable(line);
        if (end != NULL) *end++ = '\n';
        line = end;
    }
}

static void add_harmless(trb_text *out, const char *fmt, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0) {
        out->st = trb_fail(TRB_ENOMEM, "no memory for the text of a page");
        return;
    }
    make_harmless(text);
    add_entities(out, text);
    free(text);
}

void trb__html_add(trb_text *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_harmless(out, fmt, args);
    va_end(args);
}

void trb__html_missing(trb_text *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    trb_text_add(out, "<p class=\"missing\">");
    add_harmless(out, fmt, args);
    trb_text_add(out, "</p>\n");
    va_end(args);
}

void trb__html_open(trb_text *out, const char *id, const char *title, const char *words)
{
    trb_text_add(out, "<section id=\"%s\"><h2>%s</h2>\n<p>%s</p>\n", id, title, words);
}

/* ---- axes */

enum { TICKS = 24, WIDTH = 360, HEIGHT = 250, LEFT = 46, RIGHT = 12, TOP = 26, BOTTOM = 40 };

typedef struct {
    double from, to, begin, end; /* values, and their places in the picture */
    bool log;
    size_t n;
    double tick[TICKS];
    int digits; /* of linear ticks; -1: as short as possible */
} axis;

/* A step of 1, 2 or 5 times a power of ten. */
static double nice_step(double range, double steps)
{
    const double raw = range / steps, power = pow(10.0, floor(log10(raw))), of = raw / power;
    return power * (of < 1.5 ? 1.0 : of < 3.5 ? 2.0 : of < 7.5 ? 5.0 : 10.0);
}

/* \param[in] whole  a tick is a whole number */
static void set_linear(axis *a, double least, double most, bool fixed, bool whole)
{
    if (!(most > least)) {
        const double room = fabs(least) > 0.0 ? 0.5 * fabs(least) : 1.0;
        least -= room;
        most += room;
    }
    const double own = nice_step(most - least, 5.0), step = whole ? fmax(own, 1.0) : own,
                 size = fmax(fabs(least), fabs(most));
    a->from = fixed ? least : floor(least / step + 1e-9) * step;
    a->to = fixed ? most : ceil(most / step - 1e-9) * step;
    a->digits = size < 1e6 && step > 0.9e-4 ? (int)fmax(0.0, -floor(log10(step) + 1e-9)) : -1;
    const double first = ceil(a->from / step - 1e-9);
    for (; a->n < TICKS; a->n++) {
        const double value = (first + (double)a->n) * step;
        if (value > a->to + 1e-9 * step) break;
        a->tick[a->n] = fabs(value) < 1e-9 * step ? 0.0 : value;
    }
}

static void set_log(axis *a, double least, double most)
{
    const double low = floor(log10(least) + 1e-9), high = ceil(log10(most) - 1e-9);
    a->log = true;
    a->from = least;
    a->to = most;
    /* Powers of ten, unless they are too far apart. */
    const double inside = floor(log10(most) + 1e-9) - ceil(log10(least) - 1e-9) + 1.0;
    const double stride = fmax(1.0, ceil(inside / 6.0));
    for (double k = low; k <= high; k += 1.0)
        for (int i = 0; i < (inside < 3.0 ? 3 : 1); i++) {
            const double value = (i == 0 ? 1.0 : i == 1 ? 2.0 : 5.0) * pow(10.0, k);
            const bool kept = inside < 3.0 || fmod(fabs(k), stride) == 0.0;
            if (kept && value >= least * (1 - 1e-9) && value <= most * (1 + 1e-9) && a->n < TICKS)
                a->tick[a->n++] = value;
        }
}

static void range_of(const trb__chart *c, bool of_x, double *least, double *most)
{
    *least = INFINITY;
    *most = -INFINITY;
    for (size_t s = 0; s < c->n; s++)
        for (size_t i = 0; i < c->series[s].n; i++) {
            const double v = of_x ? c->series[s].x[i] : c->series[s].y[i];
            if (!isfinite(v) || !isfinite(c->series[s].y[i])) continue;
            *least = fmin(*least, v);
            *most = fmax(*most, v);
        }
}

static axis make_axis(const trb__chart *c, bool of_x)
{
    enum { WORTH = 4 }; /* a logarithm shows more if the largest value is so many times the least */
    double least, most;
    axis a = {.begin = of_x ? LEFT : HEIGHT - BOTTOM, .end = of_x ? WIDTH - RIGHT : TOP};
    range_of(c, of_x, &least, &most);
    if (!of_x && c->cut) most = c->y_most;
    if (c->unit)
        set_linear(&a, 0.0, 1.0, true, false);
    else if ((of_x ? c->x_log : c->y_log) && least > 0.0 && most > WORTH * least)
        set_log(&a, of_x ? least : 0.95 * least, of_x ? most : 1.05 * most);
    else
        set_linear(&a, !of_x && c->from_0 ? fmin(0.0, least) : least, most, of_x && most > least, of_x && c->x_whole);
    return a;
}

static double place(const axis *a, double v)
{
    const double at = a->log ? log(v / a->from) / log(a->to / a->from) : (v - a->from) / (a->to - a->from);
    return a->begin + fmin(fmax(at, 0.0), 1.0) * (a->end - a->begin);
}

static void tick_text(const axis *a, double v, char text[40])
{
    static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    const double power = log10(fabs(v));
    const int k = (int)lround(power);
    if (!a->log || fabs(power - k) > 1e-6 || (k >= -3 && k <= 4)) {
        if (a->log || a->digits < 0)
            (void)snprintf(text, 40, "%.3g", v);
        else
            (void)snprintf(text, 40, "%.*f", a->digits, v);
        return;
    }
    const int size = k < 0 ? -k : k;
    (void)snprintf(text, 40, "10%s%s%s", k < 0 ? "⁻" : "", size > 9 ? raised[size / 10 % 10] : "", raised[size % 10]);
}

/* ---- marks */

static const char *const colours[TRB__COLOURS] = {"#000",    "#0072b2", "#d55e00", "#009e73",
                                                  "#cc79a7", "#e69f00", "#56b4e9", "#767676"};
static const char *const dashes[] = {
    [TRB__DASHED] = " stroke-dasharray=\"6 3\"", [TRB__DOTTED] = " stroke-dasharray=\"0.1 4\"", [TRB__AREA] = ""};

static const char *dash(trb__stroke s)
{
    return dashes[s] == NULL ? "" : dashes[s];
}

static void draw_line(const trb__series *s, const axis *x, const axis *y, trb_text *out)
{
    bool down = false;
    trb_text_add(out, "<path class=\"l\" stroke=\"%s\"%s d=\"", colours[s->colour], dash(s->stroke));
    for (size_t i = 0; i < s->n; i++) {
        const bool there = isfinite(s->y[i]);
        /* A value between two gaps would be no line: the round end of one of no length shows it. */
        if (there) trb_text_add(out, "%s%.1f %.1f", down ? "L" : "M", place(x, s->x[i]), place(y, s->y[i]));
        if (there && !down) trb_text_add(out, "h0");
        down = there;
    }
    trb_text_add(out, "\"/>");
}

static void draw_steps(const trb__series *s, const axis *x, const axis *y, trb_text *out)
{
    const double floor_at = y->begin;
    trb_text_add(out, "<path class=\"l\" stroke=\"%s\"%s d=\"M%.1f %.1f", colours[s->colour],
                 s->stroke == TRB__AREA ? " style=\"fill:#ddd\"" : "", place(x, s->x[0]), floor_at);
    for (size_t i = 0; i + 1 < s->n; i++) trb_text_add(out, "V%.1fH%.1f", place(y, s->y[i]), place(x, s->x[i + 1]));
    trb_text_add(out, "V%.1f\"/>", floor_at);
}

static void draw_points(const trb__chart *c, const trb__series *s, const axis *x, const axis *y, trb_text *out)
{
    if (s->share != NULL) draw_line(s, x, y, out);
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->y[i])) continue;
        const double r = s->share == NULL ? 4.5 : 1.5 + 4.5 * sqrt(s->share[i]);
        trb_text_add(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"><title>", place(x, s->x[i]),
                     place(y, s->y[i]), r, colours[s->colour]);
        trb__html_add(out, "%s: %s %.3g, %s %.3g", s->name, c->x_label, s->x[i], c->y_label, s->y[i]);
        if (s->share != NULL) trb__html_add(out, "; %.3g %% of the samples", 100.0 * s->share[i]);
        trb_text_add(out, "</title></circle>");
    }
}

static void draw_axes(const trb__chart *c, const axis *x, const axis *y, trb_text *out)
{
    char text[40];
    trb_text_add(out, "<g class=\"y\">");
    for (size_t i = 0; i < y->n; i++) {
        const double at = place(y, y->tick[i]);
        tick_text(y, y->tick[i], text);
        trb_text_add(out, "<path d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\">%s</text>", LEFT, at, WIDTH - RIGHT,
                     LEFT - 6, at + 3.8, text);
    }
    trb_text_add(out, "</g><g class=\"x\">");
    for (size_t i = 0; i < x->n; i++) {
        const double at = place(x, x->tick[i]);
        tick_text(x, x->tick[i], text);
        trb_text_add(out, "<path d=\"M%.1f %dv4\"/><text x=\"%.1f\" y=\"%d\">%s</text>", at, HEIGHT - BOTTOM, at,
                     HEIGHT - BOTTOM + 15, text);
    }
    trb_text_add(out, "</g><path class=\"b\" d=\"M%d %dH%d\"/>", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT);
    if (c->unit) trb_text_add(out, "<path class=\"d\" d=\"M%d %dL%d %d\"/>", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP);
    trb_text_add(out, "<text class=\"ly\" x=\"2\" y=\"12\">");
    trb__html_add(out, "%s%s", c->y_label, y->log ? ", log scale" : "");
    trb_text_add(out, "</text><text class=\"lx\" x=\"%d\" y=\"%d\">", WIDTH - RIGHT, HEIGHT - 6);
    trb__html_add(out, "%s%s", c->x_label, x->log ? ", log scale" : "");
    trb_text_add(out, "</text>");
}

static void draw_picture(const trb__chart *c, trb_text *out)
{
    const axis x = make_axis(c, true), y = make_axis(c, false);
    trb_text_add(out,
                 "<svg class=\"c\" viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s-t %s-d\">"
                 "<title id=\"%s-t\">",
                 WIDTH, HEIGHT, c->id, c->id, c->id);
    trb__html_add(out, "%s", c->title);
    trb_text_add(out, "</title><desc id=\"%s-d\">", c->id);
    trb__html_add(out, "%s, over %s. The numbers follow the chart.", c->y_label, c->x_label);
    trb_text_add(out, "</desc>");
    draw_axes(c, &x, &y, out);
    for (size_t i = 0; i < c->n; i++) {
        const trb__series *s = &c->series[i];
        trb_text_add(out, "<g class=\"s\">");
        if (s->stroke == TRB__POINTS)
            draw_points(c, s, &x, &y, out);
        else if (s->stroke >= TRB__STEPS)
            draw_steps(s, &x, &y, out);
        else
            draw_line(s, &x, &y, out);
        trb_text_add(out, "</g>");
    }
    trb_text_add(out, "</svg>\n");
}

static void draw_legend(const trb__chart *c, trb_text *out)
{
    trb_text_add(out, "<ul class=\"key\">");
    for (size_t i = 0; i < c->n; i++) {
        const trb__series *s = &c->series[i];
        if (s->silent) continue;
        trb_text_add(out, "<li><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\">");
        if (s->stroke == TRB__POINTS)
            trb_text_add(out, "<circle cx=\"13\" cy=\"6\" r=\"4.5\" fill=\"%s\"/>", colours[s->colour]);
        else
            trb_text_add(out, "<path class=\"l\" stroke=\"%s\"%s d=\"%s\"/>", colours[s->colour], dash(s->stroke),
                         s->stroke == TRB__AREA ? "M2 11V2H24V11Z\" style=\"fill:#ddd" : "M2 6H24");
        trb_text_add(out, "</svg>");
        trb__html_add(out, "%s", s->name);
        trb_text_add(out, "</li>");
    }
    trb_text_add(out, "</ul>\n");
}

/* The same for eyes that read no pictures, and for other programs. */
static void list_numbers(const trb__chart *c, trb_text *out)
{
    trb_text_add(out, "<details><summary>Numbers</summary><p>");
    trb__html_add(out, "Pairs: %s, %s.", c->x_label, c->y_label);
    trb_text_add(out, "</p><dl>");
    for (size_t i = 0; i < c->n; i++) {
        const trb__series *s = &c->series[i];
        const char *between = "";
        trb_text_add(out, "<dt>");
        trb__html_add(out, "%s", s->name);
        trb_text_add(out, "</dt><dd>");
        for (size_t k = 0; k < s->n; k++) {
            if (!isfinite(s->y[k])) continue;
            trb_text_add(out, "%s%.5g %.5g", between, s->x[k], s->y[k]);
            between = "; ";
        }
        trb_text_add(out, "</dd>");
    }
    trb_text_add(out, "</dl></details>");
}

static bool has_values(const trb__chart *c)
{
    double least, most;
    range_of(c, false, &least, &most);
    return isfinite(least) && isfinite(most);
}

void trb__chart_draw(const trb__chart *c, trb_text *out)
{
    if (!has_values(c)) return;
    trb_text_add(out, "<figure id=\"%s\"><h3>", c->id);
    trb__html_add(out, "%s", c->title);
    trb_text_add(out, "</h3>\n");
    draw_legend(c, out);
    draw_picture(c, out);
    list_numbers(c, out);
    trb_text_add(out, "</figure>\n");
}

trb_status trb__chart_series(trb__chart *c, int colour, trb__stroke stroke, size_t n, const char *name,
                             trb__series **out)
{
    if (c->n == TRB__SERIES) return trb_fail(TRB_EINTERNAL, "chart %s: more than %d series", c->id, TRB__SERIES);
    trb__series *s = &c->series[c->n++];
    *s = (trb__series){.colour = colour, .stroke = stroke, .n = n};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    *out = s;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, n, sizeof *s->x, &s->x));
    return trb_alloc(TRB_MEM_OTHER, n, sizeof *s->y, &s->y);
}

void trb__chart_clear(trb__chart *c)
{
    for (size_t i = 0; i < c->n; i++) {
        trb_free(c->series[i].x);
        trb_free(c->series[i].y);
        trb_free(c->series[i].share);
    }
    c->n = 0;
}
