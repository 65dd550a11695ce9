/* Pages made of the tables of commands and options, so that they cannot drift from the program: manual pages (roff, the
 * macros of man(7)) and completion for bash. The build prints them into files, which are installed. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "commit.h"

/* Text for people as roff, in lines of at most 80 characters: what stands between two backticks is bold. */
static void put(const char *text)
{
    enum { WIDTH = 66 }; /* leaves room for the escapes of a line's last word */
    bool bold = false;
    int column = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == ' ' && column + (int)strcspn(p + 1, " ") > WIDTH) {
            (void)fputs(p[1] == '.' || p[1] == '\'' ? "\n\\&" : "\n", stdout);
            column = 0;
        } else if (*p == '`') {
            bold = !bold;
            column += printf("\\f%c", bold ? 'B' : 'R');
        } else if (*p == '\\' || *p == '-') {
            column += printf("\\%c", *p == '-' ? '-' : 'e');
        } else {
            column += printf("%c", *p);
        }
    }
    (void)putchar('\n');
}

/* \param[in] heading  the name in capitals, as page titles are */
static void title(const char *heading, const char *name, int section, const char *what)
{
    (void)printf(".\\\" Made by `tribikos page %s.%d`.\n", name, section);
    (void)printf(".TH %s %d \"" TRB_COMMIT_DAY "\" \"tribikos " TRB_VERSION "\"\n.SH NAME\n%s \\- %s\n", heading,
                 section, name, what);
}

/* A list of entries, each a term and what it means. */
static void entries(size_t n, const char *const (*row)[2])
{
    for (size_t i = 0; i < n; i++) {
        (void)puts(".TP");
        put(row[i][0]);
        put(row[i][1]);
    }
}
#define ENTRIES(rows) entries(sizeof(rows) / sizeof *(rows), rows)

static void print_command(const trb__command *c)
{
    (void)printf(".TP\n\\fB%s\\fR%s\\fI%s\\fR\n", c->name, c->operands[0] != '\0' ? " " : "", c->operands);
    put(c->help);
}

static void print_flag(const trb__command *c)
{
    char term[40], text[160];
    if (c->flag.name == NULL) return;
    (void)snprintf(term, sizeof term, "`--%s=`%s", c->flag.name, c->flag.value);
    (void)snprintf(text, sizeof text, "With `%s`: %s", c->name, c->flag.help);
    entries(1, &(const char *const[2]){term, text});
}

static void page_commands(void)
{
    static const char *const flags[][2] = {
        {"`--`KEY`=`VALUE", "A key of the configuration, see `tribikos_config`(5). It wins over the file."},
        {"`--members=`LIST", "Train these members only: `3`, or `0-4,7`."},
        {"`--resume=`HOW", "The key `run.resume`: `auto`, `never`, or the path of a checkpoint."},
    };
    static const char *const more_flags[][2] = {
        {"`--help`, `--version`", "Print what the program takes, or what it is made of."}};
    static const char *const statuses[][2] = {
        {"`0`", "Done."},
        {"`1`", "Failed."},
        {"`2`", "The command line or the configuration is wrong, or the processor is not one that it was built for."},
        {"`3`", "A file is not what it says."},
        {"`75`", "Stopped by a signal or by `run.time_limit`, after a checkpoint. The same command goes on."}};
    static const char *const variables[][2] = {
        {"`TRIBIKOS_DATA`", "The folder of data files where `data.root` is empty."},
        {"`OPENBLAS_CORETYPE`", "The kernels of OpenBLAS, in place of those that the program chooses."}};
    static const char *const files[][2] = {
        {"RUN/`config.yaml`", "The resolved configuration."},
        {"RUN/`members/m000/weights.h5`", "The first member; beside it metrics and, during the training, checkpoints."},
        {"RUN/`cache/manifest.h5`", "The table of the cache's shards; beside it the shards."},
        {"RUN/`student/`NAME`/weights.h5`", "A student."},
        {"RUN/`report/report.json`", "The figures; beside it `predictions.h5`."}};
    title("TRIBIKOS", "tribikos", 1, "train an ensemble of networks, and distil it into one");
    (void)puts(".SH SYNOPSIS\n\\fBmpirun \\-n\\fR \\fIRANKS\\fR \\fBtribikos\\fR \\fICOMMAND CONFIG\\fR\n"
               "[\\fB\\-\\-\\fIKEY\\fB=\\fIVALUE\\fR ...]\n.SH DESCRIPTION");
    put("`tribikos` trains the members of an ensemble in parallel, writes their logits to a sharded cache, trains "
        "students from the cache alone, and compares all of them. Its results have the same bits for any number of "
        "ranks. Each command can be run again: what is finished is kept, what is damaged is named.");
    (void)puts(".SH COMMANDS");
    for (size_t i = 0; i < TRB__COMMANDS; i++) print_command(&trb__commands[i]);
    (void)puts(".SH OPTIONS");
    ENTRIES(flags);
    for (size_t i = 0; i < TRB__COMMANDS; i++) print_flag(&trb__commands[i]);
    ENTRIES(more_flags);
    (void)puts(".SH EXIT STATUS");
    ENTRIES(statuses);
    (void)puts(".SH ENVIRONMENT");
    ENTRIES(variables);
    (void)puts(".SH FILES");
    ENTRIES(files);
    (void)puts(".SH EXAMPLES\nFour members, a Hydra student and plain distillation, on two ranks:\n.PP\n.nf\n.RS");
    put("mpirun -n 2 tribikos run quickstart.yaml");
    (void)puts(".RE\n.fi\n.SH SEE ALSO\n\\fBtribikos_config\\fR(5), \\fBmpirun\\fR(1)");
}

/* ---- the keys */

static void print_key(const trb_config_key *key)
{
    char text[sizeof *key];
    if (key->begins) (void)printf(".SS %.*s\n", (int)strcspn(key->name, "."), key->name);
    (void)printf(".TP\n\\fB%s\\fR\n", key->name);
    (void)snprintf(text, sizeof text, "%s; default %s%s%s%s%s", key->range, key->value, key->unit[0] != '\0' ? " " : "",
                   key->unit, key->student_value != NULL ? ", of students " : "",
                   key->student_value != NULL ? key->student_value : "");
    put(text);
    (void)puts(".br");
    put(key->help);
}

static void print_method(const trb_method *m)
{
    char needs[TRB_METHOD_NEEDS], line[TRB_METHOD_NEEDS + 8];
    (void)printf(".TP\n\\fB%s\\fR\n", m->name);
    put(m->help);
    (void)puts(".br");
    (void)snprintf(line, sizeof line, "Needs: %s", trb_method_needs(m, needs));
    put(line);
}

static void page_keys(void)
{
    trb_config_key key;
    title("TRIBIKOS_CONFIG", "tribikos_config", 5, "configuration of tribikos");
    (void)puts(".SH DESCRIPTION");
    put("A configuration is a YAML file. Sections nest: `train: {lr: 1e-3}` is the key `train.lr`. Every key is also a "
        "flag, `--train.lr=1e-3`, which wins over the file; the last flag wins over those before it. An unknown key is "
        "an error.");
    (void)puts(".PP");
    put("`members.overrides.`M`.`KEY is `train.`KEY for the member M alone. Every `train.`KEY also exists as "
        "`student.`KEY for all students, and every `student.`KEY as `student.`NAME`.`KEY for the student NAME alone. "
        "Students have the defaults below, not the members' values.");
    (void)puts(".SH KEYS");
    for (size_t i = 0; trb_config_reference(i, &key); i++) print_key(&key);
    (void)puts(".SH METHODS\nThe values of \\fBstudent.method\\fR: what the student learns, and what it needs.");
    for (size_t i = 0; trb_method_at(i) != NULL; i++) print_method(trb_method_at(i));
    (void)puts(".SH SEE ALSO\n\\fBtribikos\\fR(1)");
}

/* ---- completion */

/* A line of the array: the key, and the values that it takes if they are a few words. */
static void print_values(const char *name, const trb_config_key *key)
{
    (void)printf("    [%s]='", name);
    for (const char *p = key->range; key->words && *p != '\0'; p++) (void)putchar(*p == '|' ? ' ' : *p);
    (void)puts("'");
}

static void page_bash(void)
{
    trb_config_key key;
    (void)puts("# Completion of bash for tribikos; made by `tribikos page bash`.\ndeclare -gA _tribikos_values=(");
    for (size_t i = 0; trb_config_reference(i, &key); i++) {
        char student[sizeof key.name + 2];
        (void)snprintf(student, sizeof student, "student%s", strchr(key.name, '.'));
        print_values(key.name, &key);
        if (key.of_students) print_values(student, &key);
    }
    (void)fputs("    [members]='' [resume]='auto never'", stdout);
    for (size_t i = 0; i < TRB__COMMANDS; i++)
        if (trb__commands[i].flag.name != NULL) (void)printf(" [%s]=''", trb__commands[i].flag.name);
    (void)puts("\n)\n_tribikos_commands='");
    for (size_t i = 0; i < TRB__COMMANDS; i++) (void)printf("%s ", trb__commands[i].name);
    (void)puts("--help --version'\n"
               "_tribikos() {\n"
               "    # The word up to the cursor as it was typed: bash itself cuts it at the equals sign.\n"
               "    local line=${COMP_LINE:0:COMP_POINT} word key own='' general=''\n"
               "    word=${line##*[[:space:]]}\n"
               "    COMPREPLY=()\n"
               "    if ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W \"$_tribikos_commands\" -- \"$word\")); fi\n"
               "    if [[ -n ${COMPREPLY[*]} || $word != --* ]]; then return; fi # a command, or a file\n"
               "    key=${word#--} key=${key%%=*}\n"
               "    # The keys of one student, member or set are those of all.\n"
               "    case $key in\n"
               "    student.*.*) general=student. ;;\n"
               "    members.overrides.*.*) general=train. ;;\n"
               "    ood.*.*) general=ood.NAME. ;;\n"
               "    esac\n"
               "    if [[ -n $general ]]; then own=${key%.*}. key=$general${key##*.}; fi\n"
               "    if [[ $word == *=* ]]; then\n"
               "        COMPREPLY=($(compgen -W \"${_tribikos_values[$key]}\" -- \"${word#*=}\"))\n"
               "    else\n"
               "        compopt -o nospace\n"
               "        COMPREPLY=($(compgen -S = -W \"${!_tribikos_values[*]}\" -- \"$key\"))\n"
               "        COMPREPLY=(\"${COMPREPLY[@]/#$general/--$own}\")\n"
               "    fi\n"
               "}\n"
               "complete -o default -F _tribikos tribikos");
}

trb_status trb__command_page(const trb__arguments *a)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } pages[] = {{"tribikos.1", page_commands}, {"tribikos_config.5", page_keys}, {"bash", page_bash}};
    const char *name = a->n_operands == 1 && a->n_flags == 0 ? a->operand[0] : "";
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(pages[i].name, name) != 0) continue;
        pages[i].print();
        return TRB_OK;
    }
    return trb_fail(TRB_ECONFIG, "`tribikos page` takes one of tribikos.1, tribikos_config.5, bash");
}
