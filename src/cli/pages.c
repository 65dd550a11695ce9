/* Manual pages (roff, with the macros of man(7)) and completion for bash. They are printed from the tables of commands
 * and options, so they cannot drift from the program. The build prints them into files, which are installed. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "commit.h"

/* Print plain text as roff, in lines of at most 80 characters. Text between two backticks becomes bold. */
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

/* Print a list of entries: a term, and its meaning. */
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

static void print_flags(const trb__command *c)
{
    char term[64], text[256];
    for (const trb__flag *f = c->flag; f < c->flag + TRB__FLAGS && f->name != NULL; f++) {
        const bool alone = f->value[0] == '\0';
        (void)snprintf(term, sizeof term, alone ? "`--%s`%s" : "`--%s=`%s", f->name, f->value);
        (void)snprintf(text, sizeof text, "With `%s`: %s", c->name, f->help);
        entries(1, &(const char *const[2]){term, text});
    }
}

static void page_commands(void)
{
    static const char *const flags[][2] = {
        {"`--`KEY`=`VALUE", "Sets a key of the configuration, see `tribikos_config`(5). A flag wins over the file."},
        {"`--members=`LIST", "Trains only these members: `3`, or `0-4,7`. It is short for the key `members.only`."},
        {"`--resume=`HOW",
         "Chooses the checkpoint to go on from: `auto` (the newest), `never`, or a path. It is short for the key "
         "`run.resume`."},
    };
    static const char *const more_flags[][2] = {
        {"`--quiet`", "Prints only warnings, errors and results: no information, no progress."},
        {"`--verbose`", "Prints more: a line for every epoch with its time, the time of each kind of layer in a step, "
                        "and what each rank does and waits for."},
        {"`--help`, `--version`", "Prints the commands, or the versions of the program and its libraries."}};
    static const char *const statuses[][2] = {
        {"`0`", "The command is done."},
        {"`1`", "The command failed. One line says why."},
        {"`2`", "The command line or the configuration is wrong, or the program was built for another processor."},
        {"`3`", "A file is damaged, or is not the one that the configuration asks for."},
        {"`75`",
         "A signal or `run.time_limit` stopped the run after a checkpoint. The same command goes on from there."}};
    static const char *const variables[][2] = {
        {"`TRIBIKOS_DATA`", "Names of data files are relative to this folder where `data.root` is empty."},
        {"`OPENBLAS_CORETYPE`", "OpenBLAS uses these kernels instead of those that the program chooses."}};
    static const char *const files[][2] = {
        {"RUN/`config.yaml`", "The configuration with all defaults."},
        {"RUN/`members/m000/weights.h5`",
         "The weights of the first member. Its folder also has its metrics and, while it is trained, checkpoints."},
        {"RUN/`cache/manifest.h5`", "The list of the cache's shards. The shards are in the same folder."},
        {"RUN/`student/`NAME`/weights.h5`", "The weights of a student."},
        {"RUN/`report/report.json`",
         "All figures of the report. The predictions are in `predictions.h5` of the same folder. Reports of other sets "
         "are in folders of their names, RUN/`report/`NAME."}};
    title("TRIBIKOS", "tribikos", 1, "train an ensemble of networks, and distil it into one");
    (void)puts(".SH SYNOPSIS\n\\fBmpirun \\-n\\fR \\fIRANKS\\fR \\fBtribikos\\fR \\fICOMMAND CONFIG\\fR\n"
               "[\\fB\\-\\-\\fIKEY\\fB=\\fIVALUE\\fR ...]\n.SH DESCRIPTION");
    put("`tribikos` trains the members of an ensemble in parallel and writes their logits into a cache of files. From "
        "the cache it trains students, which predict what the ensemble predicts at a fraction of its cost. Then it "
        "compares all of them. A rank is one MPI process; the results have the same bits for any number of ranks. "
        "Every command can be repeated: it keeps what is finished, and names what is damaged.");
    (void)puts(".SH COMMANDS");
    for (size_t i = 0; i < TRB__COMMANDS; i++) print_command(&trb__commands[i]);
    (void)puts(".SH OPTIONS");
    ENTRIES(flags);
    for (size_t i = 0; i < TRB__COMMANDS; i++) print_flags(&trb__commands[i]);
    ENTRIES(more_flags);
    (void)puts(".SH EXIT STATUS");
    ENTRIES(statuses);
    (void)puts(".SH ENVIRONMENT");
    ENTRIES(variables);
    (void)puts(".SH FILES");
    ENTRIES(files);
    (void)puts(".SH EXAMPLES\nA whole run on two ranks, with four members and two students:\n.PP\n.nf\n.RS");
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
        "flag, `--train.lr=1e-3`, which wins over the file. If a flag is given twice, the last one wins. A flag's "
        "value is what the shell hands over; a list stands in brackets, `--students=[hydra, kd]`. In paths `~` and "
        "`$VARIABLE` are replaced, and `$$` is a dollar sign. An unknown key is an error. Where a meaning begins with "
        "names of methods, only students of these methods read the key.");
    (void)puts(".PP");
    put("`members.overrides.`M`.`KEY sets `train.`KEY for the member M alone. Every `train.`KEY also exists as "
        "`student.`KEY, for all students, and every `student.`KEY as `student.`NAME`.`KEY, for the student NAME alone. "
        "Students do not take the members' values. They have the defaults below.");
    (void)puts(".PP");
    put("`student.grid` makes students of several values: `student: {grid: {temperature: [1, 2], seed: [1, 2]}}` makes "
        "four of each one that `students` names, such as hydra-temperature-1-seed-2. `student.`NAME`.grid` is the grid "
        "of the student NAME alone.");
    (void)puts(".SH KEYS");
    for (size_t i = 0; trb_config_reference(i, &key); i++) print_key(&key);
    (void)puts(".SH METHODS\nThe values of \\fBstudent.method\\fR: what the student learns, and what it needs.");
    for (size_t i = 0; trb_method_at(i) != NULL; i++) print_method(trb_method_at(i));
    (void)puts(".SH SEE ALSO\n\\fBtribikos\\fR(1)");
}

/* ---- completion */

/* Print a line of the array: the key, and its values if they are a few words. */
static void print_values(const char *name, const trb_config_key *key)
{
    (void)printf("    [%s]='", name);
    for (const char *p = key->range; key->words && *p != '\0'; p++) (void)putchar(*p == '|' ? ' ' : *p);
    (void)puts("'");
}

/* The same for a flag of one command: its words, if its value lists some. */
static void print_flag_values(const trb__flag *f)
{
    (void)printf(" [%s]='", f->name);
    for (const char *p = f->value; islower((unsigned char)f->value[0]) != 0 && *p != '\0'; p++)
        (void)putchar(*p == '|' ? ' ' : *p);
    (void)fputs("'", stdout);
}

static void page_bash(void)
{
    trb_config_key key;
    (void)puts("# Completion of bash for tribikos; made by `tribikos page bash`.\ndeclare -gA _tribikos_values=(");
    for (size_t i = 0; trb_config_reference(i, &key); i++) {
        print_values(key.name, &key);
        if (!key.of_students) continue;
        char student[sizeof key.name + 2];
        (void)snprintf(student, sizeof student, "student%s", strchr(key.name, '.'));
        print_values(student, &key);
    }
    (void)fputs("    [members]='' [resume]='auto never'", stdout);
    for (size_t i = 0; i < TRB__COMMANDS; i++)
        for (const trb__flag *f = trb__commands[i].flag; f < trb__commands[i].flag + TRB__FLAGS && f->name != NULL; f++)
            print_flag_values(f);
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
               "        COMPREPLY=(\"${COMPREPLY[@]/#$general/--$own}\")");
    for (size_t i = 0; i < TRB__COMMANDS; i++)
        for (const trb__flag *f = trb__commands[i].flag; f < trb__commands[i].flag + TRB__FLAGS && f->name != NULL; f++)
            if (f->value[0] == '\0')
                (void)printf("        COMPREPLY=(\"${COMPREPLY[@]/#--%s=/--%s }\")\n", f->name, f->name);
    (void)puts("        COMPREPLY+=($(compgen -W '--quiet --verbose' -- \"$word\"))\n"
               "    fi\n}\n"
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
