/* `tribikos report`: its flags, and the page around the sections. */
#include "report.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/comm.h"
#include "tribikos/file.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"

/* Text is at least 4.5 times as dark as its background. On paper the numbers that can be unfolded are left out, and
 * what scrolls on a screen is whole. */
static const char *const style[] = {
    ":root{color-scheme:light}",
    "*{box-sizing:border-box}",
    "body{margin:0;background:#fff;color:#1a1a1a;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,"
    "'Liberation Sans',sans-serif}",
    "main{max-width:74rem;margin:0 auto;padding:1rem}",
    "h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0;overflow-wrap:anywhere}",
    "h2{font-size:1.3rem;line-height:1.25;margin:2.5rem 0 .5rem;padding-top:.9rem;border-top:2px solid #1a1a1a}",
    "h3{font-size:1rem;line-height:1.3;margin:1.25rem 0 .25rem;overflow-wrap:anywhere}",
    "p,ul{max-width:46rem;margin:.5rem 0}",
    "li{overflow-wrap:anywhere}",
    "nav ul{display:flex;flex-wrap:wrap;gap:.1rem 1rem;padding:0;list-style:none}",
    "a{color:#00558c}",
    ".lead{color:#444}",
    ".short{padding-left:1.2rem;font-size:1.05rem}",
    ".missing{color:#555;border-left:4px solid #bbb;padding-left:.7rem}",
    ".wrap{overflow-x:auto;margin:.75rem 0}",
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}",
    "th,td{padding:.3rem .65rem;text-align:right;white-space:nowrap;border-bottom:1px solid #ddd}",
    "th{font-weight:600}",
    "th:first-child{text-align:left}",
    "tbody th{font-weight:400;position:sticky;left:0;background:#fff;max-width:14rem;overflow:hidden;"
    "text-overflow:ellipsis}",
    "thead th{white-space:normal;border-bottom:2px solid #1a1a1a;vertical-align:bottom}",
    "thead tr:nth-child(2) th:first-child{text-align:right}",
    ".mid{text-align:center;border-bottom:1px solid #ddd}",
    ".u{text-decoration:underline;text-underline-offset:.2em}",
    ".words{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.4rem 1.5rem;"
    "font-size:.9rem;margin:.5rem 0}",
    ".words dt{font-weight:600}.words dd{margin:0;color:#333}",
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:1rem 1.75rem}",
    "figure{margin:0;min-width:0;break-inside:avoid}",
    ".key{display:flex;flex-wrap:wrap;gap:0 .9rem;list-style:none;padding:0;margin:.1rem 0 .3rem;font-size:.85rem;"
    "line-height:1.35}",
    ".key svg{width:26px;height:12px;margin-right:.35rem;vertical-align:-1px}",
    ".c{display:block;width:100%;height:auto;font:11px system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',"
    "sans-serif}",
    ".c text{fill:#333}.c .y text,.c .lx{text-anchor:end}.c .x text{text-anchor:middle}",
    ".y path{stroke:#e4e4e4}.x path,.b{stroke:#333}.d{stroke:#999;stroke-dasharray:3 3}",
    ".l{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}",
    "circle{stroke:#fff;stroke-width:.7}",
    "details{font-size:.8rem}summary{cursor:pointer;color:#555}",
    "details dd{margin:0;max-height:7rem;overflow:auto;overflow-wrap:anywhere}details dl{margin:.25rem 0}",
    ".samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,10.5rem),1fr));gap:1rem;"
    "margin:.75rem 0;font-size:.85rem}",
    ".sample{border:1px solid #ddd;border-radius:4px;padding:.6rem;overflow-wrap:anywhere}",
    ".sample img{display:block;width:6rem;height:auto;image-rendering:pixelated;margin-bottom:.4rem}",
    ".sample dl,.sample p{margin:.3rem 0}.sample dt{color:#555}.sample dd{margin:0}",
    "pre{font:.8rem/1.45 ui-monospace,'DejaVu Sans Mono',monospace;background:#f6f6f6;padding:.75rem;max-height:28rem;"
    "overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}",
    "@media print{body{font-size:10pt}main{max-width:none;padding:0}nav,details{display:none}.wrap{overflow:visible;"
    "break-inside:avoid}pre{max-height:none;overflow:visible;font-size:7pt;background:none;padding:0;columns:2}"
    "table{font-size:7pt}th,td{padding:2pt}tbody "
    "th{position:static;white-space:normal}h2,h3,h2+p,h3+p{break-after:avoid}"
    "p,.words div{break-inside:avoid}"
    ".grid{grid-template-columns:repeat(2,1fr)}}",
};

/* The name of a run is that of its folder. \param[out] full  [PATH_MAX] \return borrowed */
static const char *title_of(const char *dir, char *full)
{
    const char *slash = realpath(dir, full) != NULL ? strrchr(full, '/') : NULL;
    return slash != NULL && slash[1] != '\0' ? slash + 1 : dir;
}

static void add_head(const trb__sheet *s, trb_text *out)
{
    char full[PATH_MAX], number[TRB_NUMBER_BYTES];
    const char *title = title_of(s->dir, full);
    trb_text_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    trb__html_add(out, "%s%s%s: report of a run", title, s->name[0] != '\0' ? ", " : "", s->name);
    trb_text_add(out, "</title>\n<style>\n");
    for (size_t i = 0; i < sizeof style / sizeof *style; i++) trb_text_add(out, "%s\n", style[i]);
    trb_text_add(out, "</style>\n</head>\n<body>\n<main>\n<h1>");
    trb__html_add(out, "%s%s%s", title, s->name[0] != '\0' ? ", report " : "", s->name);
    trb_text_add(out, "</h1>\n<p class=\"lead\">");
    trb__html_add(out, "A run of tribikos: %s, %zu members, %zu %s", s->classes ? "classes" : "regression",
                  (size_t)s->c->members.count, s->c->n_students, s->c->n_students == 1 ? "student" : "students");
    if (s->report != NULL)
        trb__html_add(out, ", evaluated on %s samples (%s)",
                      trb_number_grouped((size_t)fmax(0.0, trb_tree_number(s->report, "samples")), number), s->split);
    trb_text_add(out, ".</p>\n");
}

/* Links to the sections that the page has. */
static void add_contents(const char *sections, trb_text *out)
{
    static const char *const parts[][2] = {
        {"figures", "Figures"},         {"calibration", "Calibration"}, {"rejection", "Rejection"},
        {"uncertainty", "Uncertainty"}, {"cost", "Worth and cost"},     {"corruptions", "Corruptions"},
        {"samples", "Samples"},         {"training", "Training"},       {"making", "How it was made"}};
    trb_text_add(out, "<nav aria-label=\"Sections\"><ul>\n");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char opening[64];
        (void)snprintf(opening, sizeof opening, "<section id=\"%s\">", parts[i][0]);
        if (strstr(sections, opening) != NULL)
            trb_text_add(out, "<li><a href=\"#%s\">%s</a></li>\n", parts[i][0], parts[i][1]);
    }
    trb_text_add(out, "</ul></nav>\n");
}

static trb_status add_sections(const trb__sheet *s, trb_text *out)
{
    trb__sheet_tables(s, out);
    TRB_TRY(trb__sheet_predictions(s, out));
    TRB_TRY(trb__sheet_cost(s, out));
    TRB_TRY(trb__sheet_corruptions(s, out));
    if (s->predictions != NULL) TRB_TRY(trb__sheet_samples(s, out));
    TRB_TRY(trb__sheet_training(s, out));
    return trb__sheet_making(s, out);
}

static trb_status compose(const trb__sheet *s, char **page)
{
    trb_text sections = {0}, whole = {0};
    char *text = NULL;
    trb_status st = add_sections(s, &sections);
    const trb_status taken = trb_text_take(&sections, &text);
    if (st == TRB_OK) st = taken;
    if (st == TRB_OK) {
        add_head(s, &whole);
        trb__sheet_summary(s, &whole);
        add_contents(text, &whole);
        trb_text_add(&whole, "%s</main>\n</body>\n</html>\n", text);
        st = trb_text_take(&whole, page);
    }
    trb_free(text);
    return st;
}

/* The page must not replace a file that it shows. */
static trb_status expect_apart(const trb__sheet *s, const char *output)
{
    static const char *const file[] = {"config.yaml", "report.json", "predictions.h5"};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        char path[TRB__PATH + TRB_NAME_MAX];
        (void)snprintf(path, sizeof path, "%s/%s%s%s%s", s->dir, i > 0 ? "report/" : "", i > 0 ? s->name : "",
                       i > 0 && s->name[0] != '\0' ? "/" : "", file[i]);
        TRB_TRY(trb_file_not_among(output, 1, (char *const[]){path}));
    }
    return TRB_OK;
}

static trb_status publish(const trb__sheet *s, const trb__arguments *a)
{
    char path[TRB__PATH + TRB_NAME_MAX], *page = NULL;
    (void)snprintf(path, sizeof path, "%s/report/%s%sreport.html", s->dir, s->name, s->name[0] != '\0' ? "/" : "");
    const char *output = a->output != NULL ? a->output : path;
    if (!a->force && trb_file_exists(output)) return trb_fail(TRB_ECONFIG, "%s exists; --force overwrites it", output);
    TRB_TRY(expect_apart(s, output));
    trb_status st = compose(s, &page);
    if (st == TRB_OK && a->output == NULL && s->report == NULL) {
        char folder[TRB__PATH];
        (void)snprintf(folder, sizeof folder, "%s/report", s->dir);
        st = trb_mkdirs(folder);
    }
    if (st == TRB_OK) st = trb_file_publish_text(output, page);
    if (st == TRB_OK) st = trb__show("%s", output);
    trb_free(page);
    return st;
}

trb_status trb__command_report(const trb__arguments *a)
{
    trb__sheet s = {0};
    if (a->n_flags > 0)
        return trb_fail(TRB_ECONFIG, "`tribikos report` takes --name=NAME, --output=FILE and --force, got `%s`",
                        a->flag[0]);
    if (a->n_operands != 1) return trb_fail(TRB_ECONFIG, "`tribikos report` takes the folder of one run");
    if (!trb_comm_leads()) return TRB_OK;
    trb_status st = trb__sheet_open(a->operand[0], a->report, &s);
    if (st == TRB_OK) st = publish(&s, a);
    trb__sheet_close(&s);
    return st;
}
