/* `tribikos predict`: predictions of new samples by a network of a run, or by a weights file. */
#include "commands.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tribikos/file.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"
#include "tribikos/trained.h"

trb_status trb__take_model(const char *value, trb__arguments *a)
{
    trb_free(a->model);
    a->model = NULL;
    if (value[0] == '\0') return trb_fail(TRB_ECONFIG, "command line: `--model`: expected the name of a network");
    return trb_strdup(value, &a->model);
}

trb_status trb__take_heads(const char *value, trb__arguments *a)
{
    (void)value;
    a->heads = true;
    return TRB_OK;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool fills(const trb_schema *s)
{
    for (size_t i = 0; i < s->n_inputs; i++)
        if (!isnan(s->input[i].fill)) return true;
    return false;
}

static bool is_config(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* A weights file says what its network predicts, but not what files of samples look like. */
static trb_status config_of_weights(const char *path, const char *input, char **text)
{
    static const char *const name[] = {"idx", "cifar10", "cifar100", "hdf5", "table", "npy"};
    trb_trained t;
    trb_format format = TRB_FORMAT_TABLE;
    char precision[16];
    if (is_config(path))
        return trb_fail(TRB_ECONFIG,
                        "%s is no weights file; `predict` takes the folder of a run (run.dir) or a weights file", path);
    trb_status st = trb_trained_read(path, &t);
    if (st == TRB_OK && strpbrk(input, "*?[") == NULL) st = trb_data_guess(input, &format);
    if (st == TRB_OK) {
        trb_trained_said(&t, "math.precision", precision, sizeof precision);
        const bool bf16 = strcmp(precision, "bf16") == 0, mean = format == TRB_FORMAT_TABLE && fills(&t.schema);
        st = trb_text_of(text,
                         "run: {dir: .}\nstudents: []\ndata: {format: %s, task: %s, train: [x], test: [x]%s}\n"
                         "math: {precision: %s}\n",
                         name[format], t.task == TRB_TASK_REGRESSION ? "regression" : "classes",
                         mean ? ", missing: mean" : "", bf16 ? "bf16" : "f32");
    }
    trb_trained_clear(&t);
    return st;
}

trb_status trb__source_config(const trb__arguments *a, char **text)
{
    char path[TRB__PATH];
    if (!is_folder(a->operand[0])) return config_of_weights(a->operand[0], a->operand[1], text);
    (void)snprintf(path, sizeof path, "%s/config.yaml", a->operand[0]);
    return trb_fail_of(trb_file_read_text(path, TRB__CONFIG_BYTES, text),
                       "%s is no run, nor a weights file: ", a->operand[0]);
}

static bool unread; /* nobody reads the output any more */

static trb_status put(const char *text, size_t n)
{
    if (fwrite(text, 1, n, stdout) == n) return TRB_OK;
    unread = trb__stdout_unread();
    return trb_fail(TRB_EIO, "stdout: the output could not be written");
}

/* A reader that has seen enough, such as `head`, ends a prediction: that is no error. Collective over world.
 * \param[in] st  of the stage, the same on all ranks */
static trb_status forgive_reader(trb_comm *world, trb_status st)
{
    double gone = unread ? 1.0 : 0.0;
    if (st != TRB_EIO) return st;
    TRB_TRY(trb_comm_fill(world, &gone, 1));
    if (!(gone > 0.0)) return st;
    trb_fail_clear();
    return TRB_OK;
}

/* Ranks can be started with different arguments. */
static trb_status compare(trb_comm *world, const trb__arguments *a)
{
    trb_hash *hash = NULL;
    trb_status st = trb_agree(world, trb_hash_open(&hash));
    if (st != TRB_OK) return st;
    for (size_t i = 0; i < a->n_operands; i++) trb_hash_add(hash, a->operand[i], strlen(a->operand[i]) + 1);
    const char *more[] = {a->model, a->output, a->heads ? "heads" : "", a->force ? "force" : "",
                          is_folder(a->operand[0]) ? "run" : "file"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i] != NULL) trb_hash_add(hash, more[i], strlen(more[i]) + 1);
    const uint64_t digest = trb_hash_value(hash);
    trb_hash_close(hash);
    return trb_comm_same(world, digest, "the command line");
}

trb_status trb__command_predict(trb_comm *world, const trb_config *c, const trb__arguments *a)
{
    const trb_prediction_request q = {.source = a->operand[0],
                                      .of_run = is_folder(a->operand[0]),
                                      .model = a->model,
                                      .n_inputs = a->n_operands - 1,
                                      .inputs = a->operand + 1,
                                      .output = a->output,
                                      .put = put,
                                      .heads = a->heads,
                                      .force = a->force};
    TRB_TRY(compare(world, a));
    return forgive_reader(world, trb_stage_predict(world, c, &q));
}
