/* The configuration as text: the resolved file, the reference, and what decides a network's bits. All from the table.
 */
#include "options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/fault.h"
#include "tribikos/memory.h"

/* Text that grows; its memory comes from the C library until it is handed out. */
typedef struct {
    FILE *f;
    char *text;
    size_t n;
} page;

static trb_status page_open(page *p)
{
    *p = (page){NULL, NULL, 0};
    TRB_TRY(trb_fault("alloc"));
    p->f = open_memstream(&p->text, &p->n);
    return p->f != NULL ? TRB_OK : trb_fail(TRB_ENOMEM, "no memory to print the configuration");
}

/* Hand out what was written if all went well. */
static trb_status page_close(page *p, trb_status st, char **out)
{
    if (p->f == NULL) return st;
    const bool failed = ferror(p->f) != 0;
    if ((fclose(p->f) != 0 || failed) && st == TRB_OK)
        st = trb_fail(TRB_ENOMEM, "no memory to print the configuration");
    if (st == TRB_OK) st = trb_strdup(p->text, out);
    free(p->text);
    return st;
}

/* "KEY: value", with the unit as a comment. */
static trb_status print_option(page *p, int indent, const char *key, const trb__option *o, const void *base)
{
    char *value = NULL;
    TRB_TRY(trb__option_text(o, base, &value));
    const bool comment = indent >= 0 && o->unit != NULL;
    (void)fprintf(p->f, "%*s%s: %s%s%s\n", indent > 0 ? indent : 0, "", key, value, comment ? " # " : "",
                  comment ? o->unit : "");
    trb_free(value);
    return TRB_OK;
}

static trb_status print_scope(page *p, int indent, trb__scope scope, const void *base)
{
    for (size_t i = 0; i < trb__n_options; i++)
        if (trb__options[i].scope == scope)
            TRB_TRY(print_option(p, indent, trb__options[i].key, &trb__options[i], base));
    return TRB_OK;
}

/* What a member has otherwise than all; `opened` counts the headings that are printed already. */
static trb_status print_override(page *p, const trb_config *c, uint64_t m, const trb__option *o, int *opened)
{
    char *common = NULL, *own = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb__option_text(o, &c->train, &common));
    TRB_GO(trb__option_text(o, &c->member[m], &own));
    if (strcmp(common, own) == 0) goto done;
    if (*opened < 1) (void)fputs("  overrides:\n", p->f);
    if (*opened < 2) (void)fprintf(p->f, "    %" PRIu64 ":\n", m);
    *opened = 2;
    (void)fprintf(p->f, "      %s: %s\n", o->key, own);
done:
    trb_free(common);
    trb_free(own);
    return st;
}

static trb_status print_overrides(page *p, const trb_config *c)
{
    int opened = 0;
    for (uint64_t m = 0; m < c->members.count; m++) {
        if (opened == 2) opened = 1;
        for (size_t i = 0; i < trb__n_options; i++)
            if (trb__options[i].scope == TRB__FIT) TRB_TRY(print_override(p, c, m, &trb__options[i], &opened));
    }
    return TRB_OK;
}

static trb_status print_students(page *p, const trb_config *c)
{
    if (c->n_students > 0) (void)fputs("student:\n", p->f);
    for (size_t s = 0; s < c->n_students; s++) {
        (void)fprintf(p->f, "  %s:\n", c->student[s].name);
        TRB_TRY(print_scope(p, 4, TRB__STUDENT, &c->student[s]));
        TRB_TRY(print_scope(p, 4, TRB__FIT, &c->student[s].fit));
    }
    return TRB_OK;
}

static trb_status print_ood(page *p, const trb_config *c)
{
    if (c->eval.n_ood > 0) (void)fputs("ood:\n", p->f);
    for (size_t i = 0; i < c->eval.n_ood; i++) {
        (void)fprintf(p->f, "  %s:\n", c->eval.ood[i].name);
        TRB_TRY(print_scope(p, 4, TRB__OOD, &c->eval.ood[i]));
    }
    return TRB_OK;
}

bool trb__option_neighbours(const trb__option *a, const trb__option *b)
{
    const size_t n = strcspn(a->key, ".");
    return a->scope == b->scope &&
           (a->scope != TRB__CONFIG || (n == strcspn(b->key, ".") && memcmp(a->key, b->key, n) == 0));
}

static trb_status print_all(page *p, const trb_config *c)
{
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        /* The rows of the other scopes stand together: their whole section is printed at the first of them. */
        if (o->scope != TRB__CONFIG) {
            if (trb__option_neighbours(o, o - 1)) continue;
            if (o->scope == TRB__FIT) {
                TRB_TRY(print_overrides(p, c));
                (void)fputs("train:\n", p->f);
                TRB_TRY(print_scope(p, 2, TRB__FIT, &c->train));
            } else if (o->scope == TRB__OOD) {
                TRB_TRY(print_ood(p, c));
            } else {
                TRB_TRY(print_students(p, c));
            }
            continue;
        }
        const size_t n = strcspn(o->key, ".");
        if (o->key[n] == '\0') {
            TRB_TRY(print_option(p, 0, o->key, o, c));
            continue;
        }
        if (i == 0 || !trb__option_neighbours(o, o - 1)) (void)fprintf(p->f, "%.*s:\n", (int)n, o->key);
        TRB_TRY(print_option(p, 2, o->key + n + 1, o, c));
    }
    return TRB_OK;
}

trb_status trb_config_print(const trb_config *c, char **out)
{
    page p;
    TRB_TRY(page_open(&p));
    return page_close(&p, print_all(&p, c), out);
}

/* ---- the reference */

enum { KEY_WIDTH = 22, RANGE_WIDTH = 23, DEFAULT_WIDTH = 14, WIDTH = 100 };

/* Print text from the current column on, broken between words, further lines from `indent`. */
static void print_wrapped(page *p, int indent, const char *text)
{
    int column = indent;
    while (*text != '\0') {
        const int word = (int)strcspn(text, " ");
        if (column > indent && column + 1 + word > WIDTH) {
            (void)fprintf(p->f, "\n%*s", indent, "");
            column = indent;
        }
        column += fprintf(p->f, "%s%.*s", column > indent ? " " : "", word, text);
        text += word;
        text += strspn(text, " ");
    }
    (void)fputc('\n', p->f);
}

const char *trb__option_key(const trb__option *o, char text[TRB__KEY])
{
    static const char *const section[] = {
        [TRB__CONFIG] = "", [TRB__FIT] = "train.", [TRB__STUDENT] = "student.", [TRB__OOD] = "ood.NAME."};
    (void)snprintf(text, TRB__KEY, "%s%s", section[o->scope], o->key);
    return text;
}

const char *trb__option_default(const trb__option *o, char text[TRB__KEY])
{
    (void)snprintf(text, TRB__KEY, "%s%s%s", o->value != NULL ? o->value : "run.seed", o->unit != NULL ? " " : "",
                   o->unit != NULL ? o->unit : "");
    return text;
}

const char *trb__option_help(const trb__option *o, char text[TRB__HELP])
{
    const size_t used = o->read_by == NULL ? 0 : trb_method_names(o->read_by, ", ", TRB__HELP, text);
    (void)snprintf(text + used, TRB__HELP - used, "%s%s", used == 0 ? "" : ": ", o->help);
    return text;
}

static void print_row(page *p, const trb__option *o)
{
    char key[TRB__KEY], range[120], value[TRB__KEY], help[TRB__HELP];
    trb__option_range(o, sizeof range, range);
    const int indent = KEY_WIDTH + RANGE_WIDTH + DEFAULT_WIDTH + 3;
    if (fprintf(p->f, "%-*s %-*s %-*s ", KEY_WIDTH, trb__option_key(o, key), RANGE_WIDTH, range, DEFAULT_WIDTH,
                trb__option_default(o, value)) > indent)
        (void)fprintf(p->f, "\n%*s", indent, "");
    print_wrapped(p, indent, trb__option_help(o, help));
}

static void print_methods(page *p)
{
    enum { NAME = 16 };
    const trb_method *m = NULL;
    char needs[TRB_METHOD_NEEDS], line[TRB_METHOD_NEEDS + 8];
    (void)fputs("\nMethods (student.method): what the student learns, and what it needs.\n\n", p->f);
    for (size_t i = 0; (m = trb_method_at(i)) != NULL; i++) {
        (void)fprintf(p->f, "  %-*s", NAME - 2, m->name);
        print_wrapped(p, NAME, m->help);
        (void)fprintf(p->f, "%*s", NAME, "");
        (void)snprintf(line, sizeof line, "Needs: %s", trb_method_needs(m, needs));
        print_wrapped(p, NAME, line);
    }
}

static void print_help(page *p)
{
    (void)fputs("Keys of a configuration file (YAML); --key=value on the command line wins over the file, the last\n"
                "flag over those before it. Sections nest: `train: {lr: 1e-3}` is the key train.lr.\n\n",
                p->f);
    (void)fprintf(p->f, "%-*s %-*s %-*s %s\n", KEY_WIDTH, "KEY", RANGE_WIDTH, "TYPE AND RANGE", DEFAULT_WIDTH,
                  "DEFAULT", "MEANING");
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        if (i == 0 || !trb__option_neighbours(o, o - 1)) (void)fputc('\n', p->f);
        print_row(p, o);
    }
    (void)fputs(
        "\nmembers.overrides.M.KEY is train.KEY for member M alone. Every train.KEY also exists as student.KEY\n"
        "for all students, and every student.KEY as student.NAME.KEY for the student NAME alone. A student's\n"
        "options have the defaults above, not the members' values, except:",
        p->f);
    for (size_t i = 0; i < trb__n_options; i++)
        if (trb__options[i].student_value != NULL)
            (void)fprintf(p->f, " student.%s %s", trb__options[i].key, trb__options[i].student_value);
    (void)fputs(".\n", p->f);
    print_methods(p);
}

trb_status trb_config_help(char **out)
{
    page p;
    TRB_TRY(page_open(&p));
    print_help(&p);
    return page_close(&p, TRB_OK, out);
}

/* ---- what decides bits */

static trb_status print_deciding(page *p, const trb_config *of)
{
    trb_config without_server = *of;
    const trb_config *c = &without_server;
    /* Servers without staleness are another way to the same bits. */
    if (c->exchange.kind == TRB_EXCHANGE_SERVER && c->exchange.staleness == 0)
        without_server.exchange.kind = TRB_EXCHANGE_ORDERED;
    if (c->exchange.kind == TRB_EXCHANGE_SERVER)
        (void)fprintf(p->f, "server.staleness: %" PRIu64 "\n", c->exchange.staleness);
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        /* Constants of normalisation stand there if they are given, and are contradicted otherwise. */
        if (o->type == TRB__REALS && c->data.normalize != TRB_NORMALIZE_GIVEN) continue;
        if (o->decides) TRB_TRY(print_option(p, -1, o->key, o, c));
    }
    /* The seed of the run decides which samples are held out, and nothing else that is not said by another key. */
    if (c->data.validation > 0) (void)fprintf(p->f, "run.seed: %" PRIu64 "\n", c->run.seed);
    return TRB_OK;
}

/* The options of one training. */
static trb_status print_training(page *p, trb__scope scope, const void *base)
{
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        char *value = NULL;
        if (o->scope != scope || o->bitless) continue;
        TRB_TRY(trb__option_text(o, base, &value));
        if (!o->unsaid || strcmp(value, o->value) != 0) (void)fprintf(p->f, "%s: %s\n", o->key, value);
        trb_free(value);
    }
    return TRB_OK;
}

trb_status trb__config_member_text(const trb_config *c, size_t m, char **out)
{
    page p;
    trb_status st = TRB_OK;
    TRB_TRY(page_open(&p));
    /* Random numbers are keyed by the member's number too. */
    (void)fprintf(p.f, "member: %zu\n", m);
    TRB_GO(print_deciding(&p, c));
    TRB_GO(print_training(&p, TRB__FIT, &c->member[m]));
done:
    return page_close(&p, st, out);
}

trb_status trb__config_student_text(const trb_config *c, size_t s, char **out)
{
    page p;
    trb_status st = TRB_OK;
    const trb_student_opts *student = &c->student[s];
    TRB_TRY(page_open(&p));
    TRB_GO(print_deciding(&p, c));
    TRB_GO(print_training(&p, TRB__STUDENT, student));
    TRB_GO(print_training(&p, TRB__FIT, &student->fit));
    if (student->fit.layers[0] == '\0') (void)fprintf(p.f, "train.layers: [%s]\n", c->train.layers);
done:
    return page_close(&p, st, out);
}
