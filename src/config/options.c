#include "internal.h"

#include <string.h>

/* The only place that knows keys, defaults, ranges and help. The order is that of the printed file; an option that
 * needs another one to be read (members.only needs members.count) stands behind it. */

static const trb__choice tasks[] = {{"classes", TRB_TASK_CLASSES}, {"regression", TRB_TASK_REGRESSION}, {NULL, 0}};
static const trb__choice formats[] = {{"idx", TRB_FORMAT_IDX},           {"cifar10", TRB_FORMAT_CIFAR10},
                                      {"cifar100", TRB_FORMAT_CIFAR100}, {"hdf5", TRB_FORMAT_HDF5},
                                      {"table", TRB_FORMAT_TABLE},       {NULL, 0}};
static const trb__choice normalizes[] = {{"none", TRB_NORMALIZE_NONE},
                                         {"unit", TRB_NORMALIZE_UNIT},
                                         {"standard", TRB_NORMALIZE_STANDARD},
                                         {"given", TRB_NORMALIZE_GIVEN},
                                         {NULL, 0}};
static const trb__choice optimizers[] = {
    {"sgd", TRB_OPTIM_SGD}, {"adam", TRB_OPTIM_ADAM}, {"adamw", TRB_OPTIM_ADAMW}, {NULL, 0}};
static const trb__choice schedules[] = {
    {"constant", TRB_SCHEDULE_CONSTANT}, {"step", TRB_SCHEDULE_STEP}, {"cosine", TRB_SCHEDULE_COSINE}, {NULL, 0}};
static const trb__choice inits[] = {{"he", TRB_INIT_HE}, {"glorot", TRB_INIT_GLOROT}, {NULL, 0}};
static const trb__choice dtypes[] = {{"float32", TRB_F32}, {"float16", TRB_F16}, {NULL, 0}};
static const trb__choice holdings[] = {{"logits", TRB_SHARD_LOGITS}, {"statistics", TRB_SHARD_STATISTICS}, {NULL, 0}};
static const trb__choice exchanges[] = {{"ordered", TRB_EXCHANGE_ORDERED},
                                        {"allreduce", TRB_EXCHANGE_ALLREDUCE},
                                        {"server", TRB_EXCHANGE_SERVER},
                                        {NULL, 0}};
static const trb__choice precisions[] = {{"f32", TRB_PRECISION_F32}, {"bf16", TRB_PRECISION_BF16}, {NULL, 0}};
static const trb__choice splits[] = {{"test", 0}, {"validation", 1}, {"train", 2}, {NULL, 0}};

#define AT(type, field) .offset = offsetof(type, field), .bytes = sizeof(((type *)0)->field)
#define CONFIG(name, field) .scope = TRB__CONFIG, .key = (name), AT(trb_config, field)
#define FIT(name, field) .scope = TRB__FIT, .key = (name), AT(trb_fit_opts, field)
#define STUDENT(name, field) .scope = TRB__STUDENT, .key = (name), AT(trb_student_opts, field)
#define OOD(name, field) .scope = TRB__OOD, .key = (name), AT(trb_ood_opts, field)
#define BOOL .type = &trb__type_bool
#define TEXT .type = &trb__type_text
#define LAYERS .type = &trb__type_layers
#define RECIPE .type = &trb__type_recipe
#define WORD(list) .type = &trb__type_word, .choices = (list)
#define CHOICE(list) .type = &trb__type_choice, .choices = (list)
#define WHOLE(lo, hi) .type = &trb__type_whole, .min = (lo), .max = (hi)
#define REAL(lo, hi) .type = &trb__type_real, .min = (lo), .max = (hi)
#define ABOVE(lo) REAL(lo, 1e30), .above_min = true
#define BELOW(lo, hi) REAL(lo, hi), .below_max = true
#define TEXTS(name, field, count, element)                                                                             \
    .scope = TRB__CONFIG, .key = (name), .type = &trb__type_texts, .offset = offsetof(trb_config, field),              \
    .bytes = sizeof(element), .count_offset = offsetof(trb_config, count)
#define REALS(name, field, count)                                                                                      \
    .scope = TRB__CONFIG, .key = (name), .type = &trb__type_reals, AT(trb_config, field),                              \
    .count_offset = offsetof(trb_config, count)
#define MEMBERS .type = &trb__type_members, .count_offset = offsetof(trb_config, members.count)

static bool copied(const trb_method *m)
{
    return m->heads == TRB_COPIED_HEADS;
}

static bool sharing(const trb_method *m)
{
    return m->heads == TRB_SHARING_HEADS;
}

static bool labelled(const trb_method *m)
{
    return m->dirichlet == TRB_DIRICHLET_NONE;
}

static bool tempered(const trb_method *m)
{
    return m->classes.tempered_by != NULL && strcmp(m->classes.tempered_by, "temperature") == 0;
}

static bool annealed(const trb_method *m)
{
    return m->classes.tempered_by != NULL && strcmp(m->classes.tempered_by, "anneal_from") == 0;
}

/* Larger whole numbers would not survive programs that keep every number as a double. */
#define SEED_MAX 9007199254740991.0

const trb__option trb__options[] = {
    {CONFIG("run.dir", run.dir), TEXT, .value = "\"\"", .help = "folder of the run; required"},
    {CONFIG("run.seed", run.seed), WHOLE(0, SEED_MAX), .value = "1", .help = "seed of all seeds not given"},
    {CONFIG("run.progress", run.progress), REAL(0, 1e6), .unit = "s", .value = "10",
     .help = "time between progress lines where stderr is no terminal"},
    {CONFIG("run.lock_seconds", run.lock_seconds), REAL(0, 1e6), .unit = "s", .value = "30",
     .help = "a silence after which a job that works in the same folder is taken for dead; 0: jobs do not look"},
    {CONFIG("run.resume", run.resume), TEXT, .value = "auto",
     .help = "auto: unfinished networks go on from their newest checkpoint; never; or the path of one; short flag "
             "--resume=never"},
    {TEXTS("run.signals", run.signals, run.n_signals, char *), .value = "[USR1, USR2, TERM]",
     .help = "signals (of USR1, USR2, TERM, INT, HUP) on which the run saves a checkpoint and exits with status 75; "
             "mpirun passes USR1 and USR2 on, but kills the ranks a second after TERM"},
    {CONFIG("run.time_limit", run.time_limit), REAL(0, 1e9), .unit = "s", .value = "0",
     .help = "time after the start of the job at which it saves a checkpoint and exits with status 75, but not before "
             "it has made a step; 0 means no limit"},
    {CONFIG("run.grace", run.grace), WHOLE(0, 86400), .unit = "s", .value = "100",
     .help = "time that the run has to save its checkpoint after a signal or the time limit; then it ends with "
             "status 1; 0 means no limit"},

    {CONFIG("checkpoint.steps", checkpoint.steps), WHOLE(0, 1e12), .unit = "steps", .value = "0",
     .help = "one after so many, besides at each end of an epoch; 0: only there"},
    {CONFIG("checkpoint.seconds", checkpoint.seconds), REAL(0, 1e9), .unit = "s", .value = "30",
     .help = "at least so long after the one before; what is due sooner waits"},
    {CONFIG("checkpoint.keep", checkpoint.keep), WHOLE(0, 100), .value = "2",
     .help = "of each network while it is trained; 0: none are written or looked for"},

    {CONFIG("data.task", data.task), CHOICE(tasks), .value = "classes", .identity = TRB__PART,
     .help = "what is predicted"},
    {CONFIG("data.format", data.format), CHOICE(formats), .value = "idx", .help = "of the files"},
    {CONFIG("data.root", data.root), TEXT, .value = "\"\"",
     .help = "folder in front of relative names; if empty $TRIBIKOS_DATA, else the current folder"},
    {TEXTS("data.train", data.train, data.n_train, char *), .value = "[]",
     .help = "training set; idx: images, labels; required"},
    {TEXTS("data.test", data.test, data.n_test, char *), .value = "[]", .help = "test set"},
    {TEXTS("data.train_rows", data.train_rows, data.n_train_rows, char *), .value = "[]",
     .help = "table: a file for each of data.train that lists the rows to take, from 0; []: all"},
    {TEXTS("data.test_rows", data.test_rows, data.n_test_rows, char *), .value = "[]", .help = "likewise of data.test"},
    {TEXTS("data.features", data.features, data.n_features, char *), .value = "[]",
     .help = "table: the inputs: columns from 0 such as [0-7, 9], or files that list some; []: all but the target"},
    {CONFIG("data.target", data.target), TEXT, .value = "\"\"",
     .help = "table: the column of labels or targets, or a file that names it; if empty the last"},
    {CONFIG("data.validation", data.validation), WHOLE(0, 1e12), .unit = "samples", .value = "0", .identity = TRB__PART,
     .help = "held out of the training set"},
    {CONFIG("data.normalize", data.normalize), CHOICE(normalizes), .value = "standard", .identity = TRB__PART,
     .help = "unit: bytes / 255; standard: mean 0, deviation 1 a channel or column; given: by data.mean, data.std"},
    {REALS("data.mean", data.mean, data.n_mean), .min = -1e30, .max = 1e30, .value = "[]", .identity = TRB__PART_IF_SET,
     .help = "given: of bytes / 255 (floats as they are), one number or one a channel"},
    {REALS("data.std", data.std, data.n_std), .max = 1e30, .above_min = true, .value = "[]",
     .identity = TRB__PART_IF_SET, .help = "given: deviations, likewise"},

    {CONFIG("members.count", members.count), WHOLE(1, 10000), .value = "5", .help = "size of the ensemble"},
    {CONFIG("members.only", members.only), MEMBERS, .value = "all",
     .help = "which of them to train: all, 3, or 0-4,7; short flag --members=3"},

    {FIT("layers", layers), LAYERS, .value = "[]",
     .help = "the network, e.g. [dense 200, relu, dense 10] or [resnet20 10]; required of a member that is trained; a "
             "student without takes train.layers"},
    {FIT("seed", seed), WHOLE(0, SEED_MAX), .value = NULL, .help = "of initial weights, order and dropout"},
    {FIT("epochs", epochs), WHOLE(1, 1e6), .value = "10", .student_value = "20",
     .help = "passes over the data; of a student: those after student.phase1_epochs"},
    {FIT("batch", batch), WHOLE(1, 1e6), .unit = "samples", .value = "128", .help = "samples a step"},
    {FIT("lanes", lanes), WHOLE(1, 65536), .value = "4",
     .help = "equal parts of a batch, the most ranks that can share a network; decides bits"},
    {FIT("optimizer", optimizer), CHOICE(optimizers), .value = "adam", .help = "update rule"},
    {FIT("lr", lr), ABOVE(0), .value = "1e-3", .help = "learning rate at its peak"},
    {FIT("momentum", momentum), BELOW(0, 1), .value = "0.9", .help = "sgd: share of the last step"},
    {FIT("nesterov", nesterov), BOOL, .value = "false", .help = "sgd: Nesterov's momentum"},
    {FIT("beta1", beta1), BELOW(0, 1), .value = "0.9", .help = "adam: decay of the first moment"},
    {FIT("beta2", beta2), BELOW(0, 1), .value = "0.999", .help = "adam: decay of the second moment"},
    {FIT("eps", eps), ABOVE(0), .value = "1e-8", .help = "adam: added to the denominator"},
    {FIT("weight_decay", weight_decay), REAL(0, 1e6), .value = "0",
     .help = "pull of weights towards 0; biases are spared"},
    {FIT("clip", clip), REAL(0, 1e30), .value = "0", .help = "largest norm of the gradient; 0: none"},
    {FIT("schedule", schedule), CHOICE(schedules), .value = "cosine", .help = "course of the learning rate"},
    {FIT("warmup", warmup), REAL(0, 1e6), .unit = "epochs", .value = "0", .help = "linear rise to lr"},
    {FIT("decay_epochs", decay_epochs), REAL(0, 1e6), .unit = "epochs", .value = "30",
     .help = "step: times gamma after each of these"},
    {FIT("gamma", gamma), REAL(0, 1), .above_min = true, .value = "0.1", .help = "step: factor"},
    {FIT("init", init), CHOICE(inits), .value = "he", .help = "initial weights"},
    {FIT("augment", augment), RECIPE, .value = "[]",
     .help = "new variants of the samples each epoch: any of [crop 4, flip, rotate 15, zoom 0.1, shift 1.5, cutout 8, "
             "mixup 0.2, gaussian 8]; members only"},
    {FIT("adversarial", adversarial), REAL(0, 1), .value = "0", .identity = TRB__PART_IF_SET,
     .help = "half of the loss is on inputs moved by this share of each one's range where the loss grows; 0: none; "
             "members only"},

    {CONFIG("cache.holds", cache.holds), CHOICE(holdings), .value = "logits",
     .help =
         "of each member; or statistics: means over all of them, 2K + 1 numbers a row instead of M K, for the methods "
         "that can learn from them"},
    {CONFIG("cache.dtype", cache.dtype), CHOICE(dtypes), .value = "float32", .help = "of the stored logits"},
    {CONFIG("cache.views", cache.views), WHOLE(1, 1000), .value = "1",
     .help = "variants of a sample; the first is the sample itself, the others follow cache.view_recipes in turn"},
    {.scope = TRB__CONFIG,
     .key = "cache.view_recipes",
     .type = &trb__type_recipes,
     AT(trb_config, cache.recipe),
     .count_offset = offsetof(trb_config, cache.n_recipes),
     .value = "[]",
     .help = "what the other views are made by, one after the other, e.g. [\"crop 4, flip\", \"confods 25\"]; items of "
             "train.augment, or ods 16, confods 25, by the members' gradients"},
    {CONFIG("cache.view_seed", cache.view_seed), WHOLE(0, SEED_MAX), .value = NULL,
     .help = "of the views; without effect if there is only one"},
    {CONFIG("cache.block", cache.block), WHOLE(1, 1e6), .unit = "rows", .value = "256",
     .help = "rows a call and a chunk"},
    {CONFIG("cache.shard_rows", cache.shard_rows), WHOLE(1, 1e12), .unit = "rows", .value = "16384",
     .help = "rows a file; a multiple of cache.block"},
    {CONFIG("cache.deflate", cache.deflate), WHOLE(0, 9), .value = "0", .help = "compression; 0: none"},
    {CONFIG("cache.memory", cache.memory), WHOLE(1, 1e9), .unit = "MiB", .factor = 1U << 20, .value = "1024",
     .help = "what a rank may keep of the cache, a node's ranks together once for all; the rest is read as needed"},

    {TEXTS("students", student, n_students, trb_student_opts), .value = "[hydra, kd]",
     .help = "what is distilled; [] for none. A name that is no method needs student.NAME.method or is a hydra"},

    {STUDENT("method", method), .type = &trb__type_method, .value = "hydra",
     .help = "how the student follows the members; the methods are explained below"},
    {STUDENT("split", split), TEXT, .value = "\"\"",
     .help = "instead of `split` in the list: where in student.layers, or else train.layers, the heads begin: a "
             "position, from 0, or a name such as stage3.block3"},
    {STUDENT("temperature", tempering.temperature), REAL(0.01, 1000), .value = "4", .read_by = tempered,
     .help = "softens members' and student's probabilities"},
    {STUDENT("factors", factors), REAL(0, 10), .value = "0", .identity = TRB__PART_IF_SET, .read_by = sharing,
     .help = "deviation around 1 of the factors at first; 0: the method's own, or random signs"},
    {STUDENT("anneal_from", tempering.anneal_from), REAL(1, 1000), .value = "10", .identity = TRB__PART_IF_SET,
     .read_by = annealed, .help = "temperature at the beginning, from where it falls to 1"},
    {STUDENT("anneal_share", tempering.anneal_share), REAL(0, 1), .value = "0.5", .identity = TRB__PART_IF_SET,
     .read_by = annealed, .help = "over which share of the epochs it falls"},
    {STUDENT("label_weight", label_weight), REAL(0, 1), .value = "0", .identity = TRB__PART_IF_SET, .read_by = labelled,
     .help = "share of the label's cross entropy in the loss, on samples as they are; the rest is the members'"},
    {STUDENT("phase1_epochs", phase1_epochs), WHOLE(0, 1e6), .unit = "epochs", .value = "20",
     .help = "with one head, before it is copied to all; a method without copies trains for as many epochs more"},
    {STUDENT("restart", restart), BOOL, .value = "true", .read_by = copied,
     .help = "phase 2 runs through the schedule anew; false: one schedule over both phases"},
    {STUDENT("views", views), WHOLE(0, 1000), .value = "0",
     .help = "how many of the cache's views it sees, one of them a sample an epoch; 0: all"},
    {STUDENT("clean", clean), REAL(0, 1), .value = "0", .identity = TRB__PART_IF_SET,
     .help = "share of rows that show the sample itself, where there are other views; 0: as often as any of them"},
    {STUDENT("match_uncertainty", match_uncertainty), BOOL, .value = "false", .identity = TRB__PART_IF_SET,
     .read_by = trb_method_several,
     .help = "after the training heads are spread around their mean, by one factor, so that their model uncertainty on "
             "the validation part is the members'"},
    {STUDENT("head_lanes", head_lanes), WHOLE(1, 10000), .value = "1", .identity = TRB__PART_IF_SET,
     .help = "equal parts of the heads, the most groups that can share them; decides bits"},
    {STUDENT("head_groups", head_groups), WHOLE(1, 10000), .value = "1", .identity = TRB__NO_PART,
     .help = "ranks form rows of so many; each holds its part of the heads and opens only their members' shards"},

    {CONFIG("exchange", exchange.kind), CHOICE(exchanges), .value = "ordered", .identity = TRB__PART,
     .help = "of parameters between ranks; ordered: the same bits for any number of ranks"},
    {CONFIG("server.ranks", exchange.servers), WHOLE(1, 65536), .value = "1",
     .help = "exchange: server: the first ranks hold the parameters, the others compute"},
    {CONFIG("server.staleness", exchange.staleness), WHOLE(0, 1e6), .endless = true, .unit = "steps", .value = "0",
     .help = "how far a rank may run ahead of the slowest; 0: the bits of ordered"},
    {CONFIG("comm.stall_seconds", comm.stall_seconds), REAL(0, 1e6), .unit = "s", .value = "60",
     .help = "after so long a wait, or a silence of a rank, rank 0 names who is behind or silent; 0: never"},
    {CONFIG("comm.timeout", comm.timeout), REAL(0, 1e6), .unit = "s", .value = "1800",
     .help = "after so long a silence of a rank that another one waits for, the job ends; 0: never"},

    {CONFIG("eval.split", eval.split), WORD(splits), .value = "test", .help = "samples of the report"},
    {CONFIG("eval.batch", eval.batch), WHOLE(1, 1e6), .unit = "samples", .value = "256", .help = "samples a call"},
    {CONFIG("eval.bins", eval.bins), WHOLE(1, 100), .value = "15", .help = "of the calibration error"},
    {TEXTS("eval.ood", eval.ood, eval.n_ood, trb_ood_opts), .value = "[]",
     .help = "names of data sets out of distribution, which ood.NAME.files describes"},
    {TEXTS("eval.corruptions", eval.corruptions, eval.n_corruptions, char *), .value = "[]",
     .help = "of images: any of [noise, blur, contrast, rotation, shift], each at five strengths"},

    {.scope = TRB__OOD,
     .key = "files",
     .type = &trb__type_texts,
     .offset = offsetof(trb_ood_opts, files),
     .bytes = sizeof(char *),
     .count_offset = offsetof(trb_ood_opts, n_files),
     .value = "required",
     .help = "of the set NAME; its labels are read, but not used"},
    {OOD("format", format), CHOICE(formats), .value = "data.format", .help = "of the files"},
    {OOD("root", root), TEXT, .value = "data.root", .help = "folder in front of relative names"},

    {CONFIG("math.threads", math.threads), WHOLE(1, 1024), .value = "1",
     .help = "threads a rank in matrix products; another number, other bits"},
    {CONFIG("math.precision", math.precision), CHOICE(precisions), .value = "f32", .identity = TRB__PART,
     .help = "of the operands of convolutions and matrix products; bf16: bfloat16, where the processor has it"},
};

const size_t trb__n_options = sizeof trb__options / sizeof trb__options[0];
