/* The option table: the only place that knows keys, defaults, ranges and help. Its order is that of the printed file.
 * An option that needs another one to be read (members.only needs members.count) comes after it. A help line is met
 * alone, on a screen or in a manual page, so each is a whole sentence. */
#include "internal.h"

#include <string.h>

static const trb__choice tasks[] = {{"classes", TRB_TASK_CLASSES}, {"regression", TRB_TASK_REGRESSION}, {NULL, 0}};
static const trb__choice formats[] = {{"idx", TRB_FORMAT_IDX},           {"cifar10", TRB_FORMAT_CIFAR10},
                                      {"cifar100", TRB_FORMAT_CIFAR100}, {"hdf5", TRB_FORMAT_HDF5},
                                      {"table", TRB_FORMAT_TABLE},       {"npy", TRB_FORMAT_NPY},
                                      {"images", TRB_FORMAT_IMAGES},     {NULL, 0}};
static const trb__choice layouts[] = {
    {"auto", TRB_AXES_AUTO}, {"nchw", TRB_AXES_NCHW}, {"nhwc", TRB_AXES_NHWC}, {NULL, 0}};
static const trb__choice image_channels[] = {
    {"auto", TRB_IMAGE_AS_IS}, {"1", TRB_IMAGE_GREY}, {"3", TRB_IMAGE_RGB}, {NULL, 0}};
static const trb__choice headers[] = {
    {"auto", TRB_HEADER_AUTO}, {"yes", TRB_HEADER_YES}, {"no", TRB_HEADER_NO}, {NULL, 0}};
static const trb__choice policies[] = {
    {"refuse", TRB_MISSING_REFUSE}, {"drop", TRB_MISSING_DROP}, {"mean", TRB_MISSING_MEAN}, {NULL, 0}};
static const trb__choice normalizes[] = {{"none", TRB_NORMALIZE_NONE},
                                         {"unit", TRB_NORMALIZE_UNIT},
                                         {"standard", TRB_NORMALIZE_STANDARD},
                                         {"given", TRB_NORMALIZE_GIVEN},
                                         {NULL, 0}};
static const trb__choice optimizers[] = {
    {"sgd", TRB_OPTIM_SGD}, {"adam", TRB_OPTIM_ADAM}, {"adamw", TRB_OPTIM_ADAMW}, {NULL, 0}};
static const trb__choice schedules[] = {
    {"constant", TRB_SCHEDULE_CONSTANT}, {"step", TRB_SCHEDULE_STEP}, {"cosine", TRB_SCHEDULE_COSINE}, {NULL, 0}};
static const trb__choice class_weights[] = {
    {"none", TRB_CLASS_WEIGHT_NONE}, {"balanced", TRB_CLASS_WEIGHT_BALANCED}, {NULL, 0}};
static const trb__choice inits[] = {{"he", TRB_INIT_HE}, {"glorot", TRB_INIT_GLOROT}, {NULL, 0}};
static const trb__choice keeps[] = {{"last", TRB_KEEP_LAST}, {"best", TRB_KEEP_BEST}, {NULL, 0}};
static const trb__choice dtypes[] = {{"float32", TRB_F32}, {"float16", TRB_F16}, {NULL, 0}};
static const trb__choice holdings[] = {
    {"logits", TRB_SHARD_LOGITS}, {"statistics", TRB_SHARD_STATISTICS}, {"top", TRB_SHARD_TOP}, {NULL, 0}};
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
#define PATH .type = &trb__type_path
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
#define PATHS(name, field, count)                                                                                      \
    .scope = TRB__CONFIG, .key = (name), .type = &trb__type_paths, .offset = offsetof(trb_config, field),              \
    .bytes = sizeof(char *), .count_offset = offsetof(trb_config, count)
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
    {CONFIG("run.dir", run.dir), PATH, .value = "\"\"",
     .help = "The run writes all its files into this folder. It is required; give every run a folder of its own."},
    {CONFIG("run.seed", run.seed), WHOLE(0, SEED_MAX), .value = "1",
     .help = "All seeds that are not given take this one. Change it to repeat a run with other random numbers."},
    {CONFIG("run.progress", run.progress), REAL(0, 1e6), .unit = "s", .value = "10",
     .help = "The program prints a progress line every this many seconds, where stderr is no terminal. Raise it for "
             "shorter logs."},
    {CONFIG("run.lock_seconds", run.lock_seconds), REAL(0, 1e6), .unit = "s", .value = "30",
     .help = "A job takes over from another one that has given no sign of life for this many seconds. 0: jobs do not "
             "look for each other."},
    {CONFIG("run.resume", run.resume), PATH, .value = "auto",
     .help = "auto: an unfinished network goes on from its newest good checkpoint. never: it begins anew. A path: it "
             "goes on from that checkpoint. Short flag: --resume=never."},
    {TEXTS("run.signals", run.signals, run.n_signals, char *), .value = "[USR1, USR2, TERM]",
     .help = "On one of these signals (of USR1, USR2, TERM, INT, HUP) the run saves a checkpoint and exits with status "
             "75. mpirun passes USR1 and USR2 on, but kills the ranks a second after TERM."},
    {CONFIG("run.time_limit", run.time_limit), REAL(0, 1e9), .unit = "s", .value = "0",
     .help = "This many seconds after the start of the job, it saves a checkpoint and exits with status 75, but not "
             "before it has made a step. 0 means no limit."},
    {CONFIG("run.grace", run.grace), WHOLE(0, 86400), .unit = "s", .value = "100",
     .help = "After a signal or the time limit, the run has this many seconds to save its checkpoint; then it ends "
             "with status 1. 0 means no limit. Raise it if a step takes longer."},

    {CONFIG("checkpoint.steps", checkpoint.steps), WHOLE(0, 1e12), .unit = "steps", .value = "0",
     .help = "A checkpoint is saved after every this many training steps, besides the one at the end of each epoch. 0: "
             "only at the ends of epochs. Set it if an epoch is long."},
    {CONFIG("checkpoint.seconds", checkpoint.seconds), REAL(0, 1e9), .unit = "s", .value = "30",
     .help = "A checkpoint is saved at the earliest this many seconds after the one before; one that is due sooner "
             "waits. Raise it if saving slows the training down."},
    {CONFIG("checkpoint.keep", checkpoint.keep), WHOLE(0, 100), .value = "2",
     .help = "This many checkpoints of each network are kept until its training ends. 0 disables checkpoints: none is "
             "written or looked for."},

    {CONFIG("data.task", data.task), CHOICE(tasks), .value = "classes", .identity = TRB__PART,
     .help =
         "The networks predict this: probabilities of classes, or in regression mean and log variance of the target."},
    {CONFIG("data.format", data.format), CHOICE(formats), .value = "idx",
     .help = "The data files have this format: idx (as MNIST), cifar10 or cifar100 (binary), hdf5, npy (NumPy's npy or "
             "npz), table (CSV), or images (a folder with a subfolder for each class, of PNG and JPEG files)."},
    {CONFIG("data.root", data.root), PATH, .value = "\"\"",
     .help = "Names of data files are relative to this folder. If it is empty, they are relative to $TRIBIKOS_DATA, or "
             "without that to the current folder."},
    {PATHS("data.train", data.train, data.n_train), .value = "[]",
     .help = "These files are the training set. idx and npy take them in pairs: samples, labels. A name may be a "
             "pattern, as in [\"part-*.h5\"], which stands for all files that match, in the order of their names. "
             "Required."},
    {PATHS("data.test", data.test, data.n_test), .value = "[]",
     .help = "These files are the test set, on which the report is made unless eval.split names another one."},
    {CONFIG("data.layout", data.layout), CHOICE(layouts), .value = "auto",
     .help =
         "For hdf5, npy and idx: arrays of images have their sizes in this order: [N][C][H][W] or [N][H][W][C]. auto "
         "decides by the sizes, and refuses an array whose sizes do not tell."},
    {CONFIG("data.x", data.x), TEXT, .value = "x",
     .help = "For hdf5 and npz: samples are in the data set, or array, of this name."},
    {CONFIG("data.y", data.y), TEXT, .value = "y",
     .help = "For hdf5 and npz: labels or targets are in the data set, or array, of this name."},
    {CONFIG("data.image_size", data.image_size), WHOLE(0, TRB_PACK_SIZE_MOST), .unit = "pixels", .value = "0",
     .help = "For images: the short side of each is resized to this many pixels, and the middle square is cut out. 0: "
             "images stay as they are, and all must have the same size."},
    {CONFIG("data.image_channels", data.image_channels), CHOICE(image_channels), .value = "auto",
     .help = "For images: 1 makes all grey, 3 makes all coloured. auto: they stay as they are, and all must be alike."},
    {CONFIG("data.skip_bad", data.skip_bad), BOOL, .value = "false",
     .help = "For images: files that are damaged or no images are left out and listed. Without it the first one ends "
             "the run."},
    {PATHS("data.train_rows", data.train_rows, data.n_train_rows), .value = "[]",
     .help = "For tables: one file for each of data.train, which lists the rows to take, counted from 0. [] takes all "
             "rows."},
    {PATHS("data.test_rows", data.test_rows, data.n_test_rows), .value = "[]",
     .help = "For tables: one file for each of data.test, which lists the rows to take, counted from 0. [] takes all "
             "rows."},
    {TEXTS("data.features", data.features, data.n_features, char *), .value = "[]",
     .help =
         "For tables: the columns that are inputs, by their names or numbers, counted from 0, e.g. [age, 2-7, -2], or "
         "as files that list numbers. [] takes all but the target."},
    {CONFIG("data.target", data.target), TEXT, .value = "\"\"",
     .help =
         "For tables: the column of labels or targets, by its name or number, counted from 0 (-1 is the last), or a "
         "file that has its number. If it is empty, the last column is taken. none: the table has no such column."},
    {CONFIG("data.labels_from", data.labels_from), WHOLE(0, 32767), .value = "0",
     .help =
         "Labels in the files are counted from this number: 1 for labels 1 to 26. Networks, caches and reports count "
         "classes from 0, so their class k is label k plus this number."},
    {TEXTS("data.drop", data.drop, data.n_drop, char *), .value = "[]",
     .help = "For tables: these columns are left out, by names or numbers as in data.features. Leave out an index of "
             "rows, or a second target."},
    {TEXTS("data.categories", data.categories, data.n_categories, char *), .value = "[]",
     .help = "For tables: these columns hold words, by names or numbers as in data.features. Each word of the training "
             "files becomes an input that is 1 or 0. List the target too if its labels are numbers such as -1 and 1, "
             "which do not count from 0."},
    {CONFIG("data.header", data.header), CHOICE(headers), .value = "auto",
     .help = "For tables: whether the first line names the columns. auto decides by the first rows, and refuses a line "
             "that might be either."},
    {CONFIG("data.separator", data.separator), TEXT, .value = "auto",
     .help = "For tables: what separates fields: \",\", \";\", \"|\", tab or blank. auto looks at the first rows. Set "
             "it if "
             "fields themselves have such characters in them."},
    {CONFIG("data.missing", data.missing), CHOICE(policies), .value = "refuse",
     .help = "For tables: what becomes of a missing value (an empty field, nan, NA, ?). drop leaves its row out; mean "
             "takes the mean of the column's training values."},
    {CONFIG("data.validation", data.validation), WHOLE(0, 1e12), .unit = "samples", .value = "0", .identity = TRB__PART,
     .help = "This many training samples are held out: no network trains on them, calibration uses them. 0 holds none "
             "out, and the report has no calibrated figures."},
    {CONFIG("data.normalize", data.normalize), CHOICE(normalizes), .value = "standard", .identity = TRB__PART,
     .help = "Inputs are scaled in this way. unit: bytes / 255; standard: mean 0 and deviation 1 for each channel or "
             "column; given: by data.mean and data.std."},
    {REALS("data.mean", data.mean, data.n_mean), .min = -1e30, .max = 1e30, .value = "[]", .identity = TRB__PART_IF_SET,
     .help = "For data.normalize: given, these means are subtracted from bytes / 255 (from floats as they are). Give "
             "one number, or one for each channel."},
    {REALS("data.std", data.std, data.n_std), .max = 1e30, .above_min = true, .value = "[]",
     .identity = TRB__PART_IF_SET,
     .help = "For data.normalize: given, inputs are divided by these deviations after data.mean is subtracted. Give "
             "one number, or one for each channel."},

    {CONFIG("members.count", members.count), WHOLE(1, 10000), .value = "5",
     .help = "The ensemble has this many members. Training and caching take longer in proportion."},
    {CONFIG("members.only", members.only), MEMBERS, .value = "all",
     .help = "The command train trains only these members: all, 3, or 0-4,7. Tasks of a job array use it. Short flag: "
             "--members=3."},

    {FIT("layers", layers), LAYERS, .value = "[]",
     .help =
         "The network is this list of layers, e.g. [dense 200, relu, dense 10] or [cifar-resnet20 10]. Every member "
         "that is trained needs it; a student without it takes train.layers."},
    {FIT("seed", seed), WHOLE(0, SEED_MAX), .value = NULL,
     .help = "This seed decides initial weights, the order of samples, augmentation and dropout."},
    {FIT("epochs", epochs), WHOLE(1, 1e6), .value = "10", .student_value = "20",
     .help = "The training passes over the data this many times. For a student these epochs come after "
             "student.phase1_epochs."},
    {FIT("batch", batch), WHOLE(1, 1e6), .unit = "samples", .value = "128",
     .help = "Each training step takes this many samples, a multiple of lanes. An epoch has only whole batches; the "
             "samples that are left over, others in each epoch, are not used in it."},
    {FIT("lanes", lanes), WHOLE(1, 65536), .value = "4",
     .help = "A batch is cut into this many equal parts (lanes), and at most as many ranks, or rows of ranks, can "
             "share a network. Raise it to use more ranks; another number gives other bits."},
    {FIT("optimizer", optimizer), CHOICE(optimizers), .value = "adam",
     .help = "Parameters are updated by this rule. adamw is adam with weight decay apart from the gradient."},
    {FIT("lr", lr), ABOVE(0), .value = "1e-3",
     .help = "This is the learning rate at its peak, which is after the warm-up."},
    {FIT("momentum", momentum), BELOW(0, 1), .value = "0.9",
     .help = "sgd adds this share of its last step to the next one. 0 is plain SGD."},
    {FIT("nesterov", nesterov), BOOL, .value = "false",
     .help = "sgd uses Nesterov's momentum, which needs a momentum above 0."},
    {FIT("beta1", beta1), BELOW(0, 1), .value = "0.9",
     .help = "adam and adamw average the gradient with this decay a step (first moment)."},
    {FIT("beta2", beta2), BELOW(0, 1), .value = "0.999",
     .help = "adam and adamw average the squared gradient with this decay a step (second moment)."},
    {FIT("eps", eps), ABOVE(0), .value = "1e-8",
     .help = "adam and adamw add this to the denominator of an update, so that the update stays bounded."},
    {FIT("weight_decay", weight_decay), REAL(0, 1e6), .value = "0",
     .help = "Each step pulls weights towards 0 with this coefficient; biases and the scales of normalisation are "
             "spared. 0 disables it. Raise it against overfitting."},
    {FIT("clip", clip), REAL(0, 1e30), .value = "0",
     .help =
         "A gradient whose L2 norm is above this is scaled down to it. 0 disables clipping. Set it if the loss jumps."},
    {FIT("schedule", schedule), CHOICE(schedules), .value = "cosine",
     .help = "After the warm-up the learning rate follows this course. step: times gamma after every decay_epochs; "
             "cosine: down to 0 at the end."},
    {FIT("warmup", warmup), REAL(0, 1e6), .unit = "epochs", .value = "0",
     .help = "The learning rate rises linearly to lr over this many epochs. 0 begins with lr. Raise it if the first "
             "steps are unstable."},
    {FIT("decay_epochs", decay_epochs), REAL(0, 1e6), .unit = "epochs", .value = "30",
     .help = "With schedule: step, the learning rate is multiplied by gamma after every this many epochs."},
    {FIT("gamma", gamma), REAL(0, 1), .above_min = true, .value = "0.1",
     .help = "With schedule: step, the learning rate is multiplied by this factor after every decay_epochs."},
    {FIT("early_stopping", early_stopping), WHOLE(0, 1e6), .unit = "epochs", .value = "0", .identity = TRB__PART_IF_SET,
     .help =
         "The training ends when the loss on held-out samples has not fallen for this many epochs. 0: it never ends "
         "early. The schedule stays that of all epochs, so with cosine the rate may still be high at the end."},
    {FIT("keep", keep), CHOICE(keeps), .value = "last", .identity = TRB__PART_IF_SET,
     .help = "The network keeps these weights: last, those of the last step; or best, those of the epoch with the "
             "lowest loss on held-out samples, which needs data.validation."},
    {FIT("init", init), CHOICE(inits), .value = "he",
     .help = "Initial weights are drawn by this rule: he (normal, variance 2 / inputs) or glorot (uniform, variance 2 "
             "/ (inputs + outputs))."},
    {FIT("augment", augment), RECIPE, .value = "[]",
     .help = "Training samples of members change anew in each epoch, by any of [crop 4, flip, rotate 15, zoom 0.1, "
             "shift 1.5, cutout 8, mixup 0.2, gaussian 8]. Students see cache.views instead."},
    {FIT("adversarial", adversarial), REAL(0, 1), .value = "0", .identity = TRB__PART_IF_SET,
     .help = "Half of the loss is on inputs that are moved towards a larger loss, by this share of each input's range. "
             "0 disables it. For members only; it costs a second pass."},
    {FIT("class_weight", class_weight), CHOICE(class_weights), .value = "none", .identity = TRB__PART_IF_SET,
     .help =
         "balanced: samples of rare classes count more, so that each class counts the same. For members only. Their "
         "logits then mean probabilities for classes that are equally frequent, and students learn these."},
    {FIT("label_smoothing", label_smoothing), BELOW(0, 1), .value = "0", .identity = TRB__PART_IF_SET,
     .help =
         "This share of each label is spread evenly over all classes. 0 disables it. For members only. Their logits "
         "then mean probabilities that are never sure, and students learn these."},

    {CONFIG("cache.holds", cache.holds), CHOICE(holdings), .value = "logits",
     .help = "logits: the cache has each member's outputs. statistics: it has means over all M members, 2K + 1 numbers "
             "a row instead of M K, for the methods that can learn from them. top: it has each member's cache.top most "
             "probable classes, and one number for the others."},
    {CONFIG("cache.top", cache.top), WHOLE(1, 32768), .unit = "classes", .value = "32",
     .help = "With cache.holds: top, a row of a member has this many classes, at most as many as there are outputs. "
             "Raise it if students lose accuracy; lower it to save space. It has no effect otherwise."},
    {CONFIG("cache.dtype", cache.dtype), CHOICE(dtypes), .value = "float32",
     .help = "The cache stores logits in this type. float16 takes half the space and rounds them."},
    {CONFIG("cache.views", cache.views), WHOLE(1, 1000), .value = "1",
     .help = "The cache has this many variants (views) of each sample. The first is the sample itself; the others "
             "follow cache.view_recipes in turn."},
    {.scope = TRB__CONFIG,
     .key = "cache.view_recipes",
     .type = &trb__type_recipes,
     AT(trb_config, cache.recipe),
     .count_offset = offsetof(trb_config, cache.n_recipes),
     .value = "[]",
     .help = "These recipes make the other views, in turn, e.g. [\"crop 4, flip\", \"confods 25\"]. An item is one of "
             "train.augment, or ods 16 or confods 25, which step by the members' gradients."},
    {CONFIG("cache.view_seed", cache.view_seed), WHOLE(0, SEED_MAX), .value = NULL,
     .help = "This seed decides how the views vary the samples. It has no effect if there is only one view."},
    {CONFIG("cache.block", cache.block), WHOLE(1, 1e6), .unit = "rows", .value = "256",
     .help = "Members compute this many rows in one call, and the files have chunks of as many. Another number gives "
             "other bits. Lower it to save memory."},
    {CONFIG("cache.shard_rows", cache.shard_rows), WHOLE(1, 1e12), .unit = "rows", .value = "16384",
     .help = "A file of the cache (a shard) has this many rows, a multiple of cache.block. Lower it to give more ranks "
             "work."},
    {CONFIG("cache.deflate", cache.deflate), WHOLE(0, 9), .value = "0",
     .help = "The files of the cache are compressed at this level, 1 (fast) to 9 (small). 0 does not compress. Raise "
             "it if the disk is small."},
    {CONFIG("cache.memory", cache.memory), WHOLE(1, 1e9), .unit = "MiB", .factor = 1U << 20, .value = "1024",
     .help = "A rank may use this many MiB for the cache; the ranks of a node share one copy. If the cache needs more, "
             "it is read from disk as it is needed."},

    {TEXTS("students", student, n_students, trb_student_opts), .value = "[hydra, kd]",
     .help = "These students are distilled; [] distils none. A name that is a method sets the method. Another name "
             "needs student.NAME.method, or other keys of its own, or student.method."},

    {STUDENT("method", method), .type = &trb__type_method, .value = "hydra",
     .help = "The student follows the members by this method; the methods are explained below. A student that has the "
             "name of a method takes that one."},
    {STUDENT("split", split), TEXT, .value = "\"\"",
     .help = "The heads begin at this place in student.layers, or else train.layers: a position, counted from 0, or a "
             "name such as stage3.block3. It takes the place of `split` in the list."},
    {STUDENT("temperature", tempering.temperature), REAL(0.01, 1000), .value = "4", .read_by = tempered,
     .help = "Logits of members and student are divided by this before the softmax. A higher value makes small "
             "probabilities count more. It has no effect in regression."},
    {STUDENT("factors", factors), REAL(0, 10), .value = "0", .identity = TRB__PART_IF_SET, .read_by = sharing,
     .help = "The factors of rank one start with this standard deviation around 1. 0 takes the method's own, or random "
             "signs."},
    {STUDENT("anneal_from", tempering.anneal_from), REAL(1, 1000), .value = "10", .identity = TRB__PART_IF_SET,
     .read_by = annealed,
     .help = "The temperature begins at this value and falls to 1. With 1 it stays there, as a cache of statistics "
             "needs it."},
    {STUDENT("anneal_share", tempering.anneal_share), REAL(0, 1), .value = "0.5", .identity = TRB__PART_IF_SET,
     .read_by = annealed, .help = "The temperature falls to 1 over this first share of the training. 0 begins at 1."},
    {STUDENT("label_weight", label_weight), REAL(0, 1), .value = "0", .identity = TRB__PART_IF_SET, .read_by = labelled,
     .help = "This share of the loss is the cross entropy of the label, on samples as they are; the rest is the "
             "members'. 0 learns from the members alone."},
    {STUDENT("phase1_epochs", phase1_epochs), WHOLE(0, 1e6), .unit = "epochs", .value = "20",
     .help = "The student first trains with one head for this many epochs; then the head is copied for each member. A "
             "method without copies trains for as many epochs more."},
    {STUDENT("restart", restart), BOOL, .value = "true", .read_by = copied,
     .help = "Phase 2, with all heads, runs through the learning-rate schedule anew. false: one schedule spans both "
             "phases."},
    {STUDENT("views", views), WHOLE(0, 1000), .value = "0",
     .help = "The student sees this many of the cache's views, the first ones, and in an epoch one view of each "
             "sample. 0 takes all views."},
    {STUDENT("clean", clean), REAL(0, 1), .value = "0", .identity = TRB__PART_IF_SET,
     .help = "This share of the rows shows the sample itself, if there are other views. 0: it is as frequent as any "
             "other view."},
    {STUDENT("match_uncertainty", match_uncertainty), BOOL, .value = "false", .identity = TRB__PART_IF_SET,
     .read_by = trb_method_several,
     .help = "After the training one factor spreads the heads around their mean, so that their model uncertainty on "
             "the held-out samples is the members'. It needs data.validation."},
    {STUDENT("head_lanes", head_lanes), WHOLE(1, 10000), .value = "1", .identity = TRB__PART_IF_SET,
     .help = "The heads are cut into this many equal parts, and at most as many groups of ranks can share them. Raise "
             "it for many heads; another number gives other bits."},
    {STUDENT("head_groups", head_groups), WHOLE(1, 10000), .value = "1", .identity = TRB__NO_PART,
     .help = "Ranks form rows of this many. Each rank of a row holds its part of the heads, and opens only their "
             "members' shards. Raise it if the heads are large."},

    {CONFIG("exchange", exchange.kind), CHOICE(exchanges), .value = "ordered", .identity = TRB__PART,
     .help = "Ranks exchange gradients and parameters in this way. ordered: the same bits for any number of ranks; "
             "allreduce: MPI's sum; server: some ranks hold the parameters."},
    {CONFIG("server.ranks", exchange.servers), WHOLE(1, 65536), .value = "1",
     .help = "With exchange: server, this many ranks, the first ones, hold the parameters; the others compute."},
    {CONFIG("server.staleness", exchange.staleness), WHOLE(0, 1e6), .endless = true, .unit = "steps", .value = "0",
     .help = "With exchange: server, a rank may be this many steps ahead of the slowest. 0 gives the bits of ordered; "
             "above 0 the bits depend on which rank was fast."},
    {CONFIG("comm.stall_seconds", comm.stall_seconds), REAL(0, 1e6), .unit = "s", .value = "60",
     .help = "After a wait of this many seconds, or as long a silence of a rank, rank 0 names the rank that is late or "
             "silent. 0 disables this."},
    {CONFIG("comm.timeout", comm.timeout), REAL(0, 1e6), .unit = "s", .value = "1800",
     .help = "The job ends when a rank waits for another one that has been silent for this many seconds. 0 waits for "
             "ever."},

    {CONFIG("eval.split", eval.split), WORD(splits), .value = "test",
     .help = "The report is about these samples; validation are those that data.validation holds out."},
    {CONFIG("eval.name", eval.name), TEXT, .value = "\"\"",
     .help = "The report is written into RUN/report/NAME. If this is empty, that of the run's own samples is in "
             "RUN/report, and another one is named after eval.split or the first file of data.test."},
    {CONFIG("eval.batch", eval.batch), WHOLE(1, 1e6), .unit = "samples", .value = "256",
     .help = "Evaluation computes this many samples in one call, and ranks share such blocks. Lower it to give more "
             "ranks work."},
    {CONFIG("eval.bins", eval.bins), WHOLE(1, 100), .value = "15",
     .help = "The calibration error (ECE) is computed in this many bins."},
    {TEXTS("eval.ood", eval.ood, eval.n_ood, trb_ood_opts), .value = "[]",
     .help = "The report says how well each model separates these data sets, which are out of distribution, from its "
             "own. ood.NAME.files describes the set NAME."},
    {TEXTS("eval.corruptions", eval.corruptions, eval.n_corruptions, char *), .value = "[]",
     .help = "The report also has figures for images damaged by these: any of [noise, blur, contrast, rotation, "
             "shift], each at five strengths."},

    {.scope = TRB__OOD,
     .key = "files",
     .type = &trb__type_paths,
     .offset = offsetof(trb_ood_opts, files),
     .bytes = sizeof(char *),
     .count_offset = offsetof(trb_ood_opts, n_files),
     .value = "required",
     .help = "These files are the set NAME. They need no labels; labels are not read. A name may be a pattern."},
    {OOD("format", format), CHOICE(formats), .value = "data.format",
     .help = "The files of the set NAME have this format."},
    {OOD("root", root), PATH, .value = "data.root", .help = "Names of the set's files are relative to this folder."},
    {OOD("layout", layout), CHOICE(layouts), .value = "data.layout",
     .help = "Arrays of images in the files of the set NAME have their sizes in this order."},
    {OOD("x", x), TEXT, .value = "data.x",
     .help = "For hdf5 and npz: samples of the set NAME are in the data set, or array, of this name."},

    {CONFIG("math.threads", math.threads), WHOLE(1, 1024), .value = "1",
     .help = "Each rank computes matrix products with this many threads. Another number gives other bits. Raise it if "
             "there are more cores than ranks."},
    {CONFIG("math.precision", math.precision), CHOICE(precisions), .value = "f32", .identity = TRB__PART,
     .help = "Convolutions and matrix products take operands of this precision. bf16 is bfloat16, on processors that "
             "have avx512_bf16. To see which is faster, call tribikos plan with each value."},
};

const size_t trb__n_options = sizeof trb__options / sizeof trb__options[0];
