/* Printing: the resolved configuration as YAML that reads back to the same configuration. */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/fault.h"
#include "tribikos/memory.h"

trb_status trb__page_open(trb__page *p)
{
    *p = (trb__page){NULL, NULL, 0};
    TRB_TRY(trb_fault("alloc"));
    p->f = open_memstream(&p->text, &p->n);
    return p->f != NULL ? TRB_OK : trb_fail(TRB_ENOMEM, "no memory to print the configuration");
}

trb_status trb__page_close(trb__page *p, trb_status st, char **out)
{
    if (p->f == NULL) return st;
    const bool failed = ferror(p->f) != 0;
    if ((fclose(p->f) != 0 || failed) && st == TRB_OK)
        st = trb_fail(TRB_ENOMEM, "no memory to print the configuration");
    if (st == TRB_OK) st = trb_strdup(p->text, out);
    free(p->text);
    return st;
}

trb_status trb__option_text(const trb__option *o, const void *base, char **out)
{
    trb__page p;
    TRB_TRY(trb__page_open(&p));
    o->type->print(p.f, o, base);
    return trb__page_close(&p, TRB_OK, out);
}

/* "KEY: value", with the unit as a YAML comment. */
static void print_option(FILE *f, int indent, const char *key, const trb__option *o, const void *base)
{
    (void)fprintf(f, "%*s%s: ", indent, "", key);
    o->type->print(f, o, base);
    (void)fprintf(f, "%s%s\n", o->unit != NULL ? " # " : "", o->unit != NULL ? o->unit : "");
}

static void print_scope(FILE *f, int indent, trb__scope scope, const void *base)
{
    for (size_t i = 0; i < trb__n_options; i++)
        if (trb__options[i].scope == scope) print_option(f, indent, trb__options[i].key, &trb__options[i], base);
}

/* Print an option in which a member differs from `train`. `opened` counts the headings that are printed already. */
static trb_status print_override(FILE *f, const trb_config *c, uint64_t m, const trb__option *o, int *opened)
{
    char *common = NULL, *own = NULL;
    trb_status st = TRB_OK;
    TRB_GO(trb__option_text(o, &c->train, &common));
    TRB_GO(trb__option_text(o, &c->member[m], &own));
    if (strcmp(common, own) == 0) goto done;
    if (*opened < 1) (void)fputs("  overrides:\n", f);
    if (*opened < 2) (void)fprintf(f, "    %" PRIu64 ":\n", m);
    *opened = 2;
    (void)fprintf(f, "      %s: %s\n", o->key, own);
done:
    trb_free(common);
    trb_free(own);
    return st;
}

static trb_status print_overrides(FILE *f, const trb_config *c)
{
    int opened = 0;
    for (uint64_t m = 0; m < c->members.count; m++) {
        if (opened == 2) opened = 1;
        for (size_t i = 0; i < trb__n_options; i++)
            if (trb__options[i].scope == TRB__FIT) TRB_TRY(print_override(f, c, m, &trb__options[i], &opened));
    }
    return TRB_OK;
}

static void print_students(FILE *f, const trb_config *c)
{
    if (c->n_students > 0) (void)fputs("student:\n", f);
    for (size_t s = 0; s < c->n_students; s++) {
        (void)fprintf(f, "  %s:\n", c->student[s].name);
        print_scope(f, 4, TRB__STUDENT, &c->student[s]);
        print_scope(f, 4, TRB__FIT, &c->student[s].fit);
    }
}

static void print_ood(FILE *f, const trb_config *c)
{
    if (c->eval.n_ood > 0) (void)fputs("ood:\n", f);
    for (size_t i = 0; i < c->eval.n_ood; i++) {
        (void)fprintf(f, "  %s:\n", c->eval.ood[i].name);
        print_scope(f, 4, TRB__OOD, &c->eval.ood[i]);
    }
}

bool trb__option_neighbours(const trb__option *a, const trb__option *b)
{
    const size_t n = strcspn(a->key, ".");
    return a->scope == b->scope &&
           (a->scope != TRB__CONFIG || (n == strcspn(b->key, ".") && memcmp(a->key, b->key, n) == 0));
}

static trb_status print_all(FILE *f, const trb_config *c)
{
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        /* Rows of another scope are neighbours in the table. At the first of them the whole section is printed. */
        if (o->scope != TRB__CONFIG) {
            if (trb__option_neighbours(o, o - 1)) continue;
            if (o->scope == TRB__FIT) {
                TRB_TRY(print_overrides(f, c));
                (void)fputs("train:\n", f);
                print_scope(f, 2, TRB__FIT, &c->train);
            } else if (o->scope == TRB__OOD) {
                print_ood(f, c);
            } else {
                print_students(f, c);
            }
            continue;
        }
        const size_t n = strcspn(o->key, ".");
        if (o->key[n] == '\0') {
            print_option(f, 0, o->key, o, c);
            continue;
        }
        if (i == 0 || !trb__option_neighbours(o, o - 1)) (void)fprintf(f, "%.*s:\n", (int)n, o->key);
        print_option(f, 2, o->key + n + 1, o, c);
    }
    return TRB_OK;
}

trb_status trb_config_print(const trb_config *c, char **out)
{
    trb__page p;
    TRB_TRY(trb__page_open(&p));
    return trb__page_close(&p, print_all(p.f, c), out);
}

/* A student without its name and seed, as text. */
static trb_status describe_but_seed(const trb_student_opts *s, char **out)
{
    trb__page p;
    TRB_TRY(trb__page_open(&p));
    for (size_t i = 0; i < trb__n_options; i++) {
        const trb__option *o = &trb__options[i];
        if (o->scope == TRB__STUDENT) print_option(p.f, 0, o->key, o, s);
        if (o->scope == TRB__FIT && strcmp(o->key, "seed") != 0) print_option(p.f, 0, o->key, o, &s->fit);
    }
    return trb__page_close(&p, TRB_OK, out);
}

trb_status trb_config_but_seed(const trb_config *c, size_t s, size_t *first)
{
    char *own = NULL, *other = NULL;
    trb_status st = TRB_OK;
    bool same = false;
    TRB_GO(describe_but_seed(&c->student[s], &own));
    for (*first = 0; *first < s && !same; *first += !same) {
        trb_free(other);
        other = NULL;
        TRB_GO(describe_but_seed(&c->student[*first], &other));
        same = strcmp(own, other) == 0;
    }
done:
    trb_free(own);
    trb_free(other);
    return st;
}
