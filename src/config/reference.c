/* The reference of all keys (`tribikos config --help`). It is printed from the option table, so it cannot drift from
 * what the parser takes. */
#include "internal.h"

#include <string.h>

bool trb_config_reference(size_t i, trb_config_key *key)
{
    static const char *const section[] = {
        [TRB__CONFIG] = "", [TRB__FIT] = "train.", [TRB__STUDENT] = "student.", [TRB__OOD] = "ood.NAME."};
    if (i >= trb__n_options) return false;
    const trb__option *o = &trb__options[i];
    *key = (trb_config_key){.begins = i == 0 || !trb__option_neighbours(o, o - 1),
                            .of_students = o->scope == TRB__FIT,
                            .words = o->type->words,
                            .value = o->value != NULL ? o->value : "run.seed",
                            .student_value = o->student_value,
                            .unit = o->unit != NULL ? o->unit : ""};
    (void)snprintf(key->name, sizeof key->name, "%s%s", section[o->scope], o->key);
    const size_t used = o->read_by == NULL ? 0 : trb_method_names(o->read_by, ", ", sizeof key->help, key->help);
    (void)snprintf(key->help + used, sizeof key->help - used, "%s%s", used == 0 ? "" : ": ", o->help);
    trb__option_range(o, sizeof key->range, key->range);
    return true;
}

enum { NAME_WIDTH = 22, RANGE_WIDTH = 23, VALUE_WIDTH = 14, WIDTH = 100 };

/* Print text from the current column on. Break it between words; further lines begin at column `indent`. */
static void print_wrapped(FILE *f, int indent, const char *text)
{
    int column = indent;
    while (*text != '\0') {
        const int word = (int)strcspn(text, " ");
        if (column > indent && column + 1 + word > WIDTH) {
            (void)fprintf(f, "\n%*s", indent, "");
            column = indent;
        }
        column += fprintf(f, "%s%.*s", column > indent ? " " : "", word, text);
        text += word;
        text += strspn(text, " ");
    }
    (void)fputc('\n', f);
}

static void print_key(FILE *f, const trb_config_key *key)
{
    const int indent = NAME_WIDTH + RANGE_WIDTH + VALUE_WIDTH + 3;
    char value[64];
    (void)snprintf(value, sizeof value, "%s%s%s", key->value, key->unit[0] != '\0' ? " " : "", key->unit);
    if (key->begins) (void)fputc('\n', f);
    if (fprintf(f, "%-*s %-*s %-*s ", NAME_WIDTH, key->name, RANGE_WIDTH, key->range, VALUE_WIDTH, value) > indent)
        (void)fprintf(f, "\n%*s", indent, "");
    print_wrapped(f, indent, key->help);
}

static void print_methods(FILE *f)
{
    enum { NAME = 16 };
    const trb_method *m = NULL;
    char needs[TRB_METHOD_NEEDS], line[TRB_METHOD_NEEDS + 8];
    (void)fputs("\nMethods (student.method): what the student learns, and what it needs.\n\n", f);
    for (size_t i = 0; (m = trb_method_at(i)) != NULL; i++) {
        (void)fprintf(f, "  %-*s", NAME - 2, m->name);
        print_wrapped(f, NAME, m->help);
        (void)fprintf(f, "%*s", NAME, "");
        (void)snprintf(line, sizeof line, "Needs: %s", trb_method_needs(m, needs));
        print_wrapped(f, NAME, line);
    }
}

static void print_help(FILE *f)
{
    trb_config_key key;
    (void)fputs("These are the keys of a configuration file (YAML). Sections nest: `train: {lr: 1e-3}` is the key\n"
                "`train.lr`. Every key is also a flag, `--train.lr=1e-3`, which wins over the file. If a flag is\n"
                "given twice, the last one wins. A flag's value is what the shell hands over; a list stands in\n"
                "brackets, `--students=[hydra, kd]`. In paths ~ and $VARIABLE are replaced, and $$ is a dollar sign.\n"
                "Where a meaning begins with names of methods, only students of these methods read the key.\n\n",
                f);
    (void)fprintf(f, "%-*s %-*s %-*s %s\n", NAME_WIDTH, "KEY", RANGE_WIDTH, "TYPE AND RANGE", VALUE_WIDTH, "DEFAULT",
                  "MEANING");
    for (size_t i = 0; trb_config_reference(i, &key); i++) print_key(f, &key);
    (void)fputs("\nmembers.overrides.M.KEY sets train.KEY for member M alone. Every train.KEY also exists as\n"
                "`student.KEY`, for all students, and every student.KEY as student.NAME.KEY, for the student NAME\n"
                "alone. Students do not take the members' values. They have the defaults above, except:\n",
                f);
    for (size_t i = 0; i < trb__n_options; i++)
        if (trb__options[i].student_value != NULL)
            (void)fprintf(f, "student.%s %s", trb__options[i].key, trb__options[i].student_value);
    (void)fputs(
        ".\n\nstudent.grid makes students of several values: `student.grid: {temperature: [1, 2], seed: [1, 2]}`\n"
        "makes four of each one that `students` names, such as hydra-temperature-1-seed-2.\n"
        "student.NAME.grid is the grid of the student NAME alone.\n",
        f);
    print_methods(f);
}

trb_status trb_config_help(char **out)
{
    trb__page p;
    TRB_TRY(trb__page_open(&p));
    print_help(p.f);
    return trb__page_close(&p, TRB_OK, out);
}
