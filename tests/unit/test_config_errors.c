/* Bad input: each gives TRB_ECONFIG, and a line with place, key, expectation and finding. */
#include "config_fixture.h"

typedef struct {
    const char *text; /* appended to SMALL, so that its first line is line 8; NULL: a flag alone */
    const char *flag;
    const char *fragment;
} bad;

#define TEN "flip, flip, flip, flip, flip, flip, flip, flip, flip, flip, "

static const bad table[] = {
    /* Unknown keys. */
    {"trian.lr: 1\n", NULL, "t.yaml:8: key `trian.lr`: unknown; nearest known key is `train.lr`"},
    {"trian:\n  lr: 1\n", NULL, "t.yaml:9: key `trian.lr`: unknown; nearest known key is `train.lr`"},
    {"trian: {}\n", NULL, "t.yaml:8: key `trian`: unknown; nearest known key is `train`"},
    {"cache:\n  block: 256\n  shard_row: 1\n", NULL,
     "t.yaml:10: key `cache.shard_row`: unknown; nearest known key is `cache.shard_rows`"},
    {NULL, "--student.kd.epoch=3",
     "command line: key `student.kd.epoch`: unknown; nearest known key is `student.kd.epochs`"},
    {NULL, "--members.overrides.2.ls=3", "unknown; nearest known key is `members.overrides.2.lr`"},
    {NULL, "--student.temprature=3", "nearest known key is `student.temperature`"},
    {NULL, "--train=5", "key `train`: a section, expected keys in it such as `train.adversarial`, got a value"},
    {"member: 3\n", NULL, "nearest known key is `members`"},
    /* Types and ranges. */
    {"train.epochs: ten\n", NULL, "t.yaml:8: key `train.epochs`: expected a whole number from 1 to 1000000, got `ten`"},
    {"train.epochs: 0\n", NULL, "expected a whole number from 1 to 1000000, got `0`"},
    {"train.epochs: 1000001\n", NULL, "got `1000001`"},
    {"train.epochs: -1\n", NULL, "got `-1`"},
    {"train.epochs: 1.5\n", NULL, "got `1.5`"},
    {"train.epochs: 3x\n", NULL, "got `3x`"},
    {"train.epochs: 99999999999999999999\n", NULL, "got `99999999999999999999`"},
    {"run.seed: 18446744073709551617\n", NULL, "got `18446744073709551617`"},
    {"train.epochs: [3]\n", NULL, "expected whole 1..1000000, got a list"},
    {"train.epochs: {}\n", NULL, "expected whole 1..1000000, got a section"},
    {"train.lr: fast\n", NULL, "key `train.lr`: expected a number, real > 0, got `fast`"},
    {"train.lr: 0\n", NULL, "got `0`"},
    {"train.lr: nan\n", NULL, "got `nan`"},
    {"train.lr: inf\n", NULL, "got `inf`"},
    {"train.lr: 1e999\n", NULL, "got `1e999`"},
    {"train.lr: 0x1p3\n", NULL, "got `0x1p3`"},
    {"train.lr: 1,5\n", NULL, "got `1,5`"},
    {"train.lr: 1e-3s\n", NULL, "got `1e-3s`"},
    {"train.lr: \" 1\"\n", NULL, "got ` 1`"},
    {"train.lr: \"\"\n", NULL, "got ``"},
    {"train.lr: 1-3\n", NULL, "got `1-3`"},
    {"train.momentum: 1\n", NULL, "real [0, 1), got `1`"},
    {"train.gamma: 0\n", NULL, "real (0, 1], got `0`"},
    {"student.temperature: 1e-46\n", NULL, "real [0.01, 1000], got `1e-46`"},
    {"train.nesterov: yes\n", NULL, "expected true or false, got `yes`"},
    {"train.optimizer: adma\n", NULL, "expected one of sgd|adam|adamw, got `adma`"},
    {"exchange: ring\n", NULL, "expected one of ordered|allreduce|server, got `ring`"},
    {"eval.split: dev\n", NULL, "expected one of test|validation|train, got `dev`"},
    {"eval.bins: 101\n", NULL, "from 1 to 100"},
    {"run.progress: [1]\n", NULL, "got a list"},
    {NULL, "--train.layers=[dense 200, , relu]", "not valid YAML"},
    {NULL, "--train.layers=dense 200, , relu", "layer 1 of the list is empty"},
    {NULL, "--train.layers=dense 200,", "layer 1 of the list is empty"},
    {NULL, "--train.layers=dense(200)", "got `(`"},
    {NULL, "--train.layers={a: 1}", "got `{`"},
    {"train.layers: {a: 1}\n", NULL, "t.yaml:8: key `train.layers`: given twice, first in line 6"},
    {"members.count: 6\nstudent: {head_lanes: 3, head_groups: 2}\n", NULL,
     "nearest head_groups that works: 1; or head_lanes: 2"},
    {"student: {head_lanes: 5, head_groups: 2}\n", NULL,
     "groups share head lanes evenly, and head lanes the 5 heads; nearest head_groups that works: 1"},
    {NULL, "--members=5", "there is no member 5: `members.count` is 5, the last is 4"},
    {NULL, "--members=0-9", "there is no member 9"},
    {NULL, "--members=0-99999999999999999999", "got `0-99999999999999999999`"},
    {NULL, "--members=0000000000000000000000000000000000000000000000000000000000000009", "there is no member 9"},
    {NULL, "--members=0-0000000000000000000000000000000000000000000000000000000000000009", "there is no member 9"},
    {NULL, "--members=999999999999999999999999999999999999999999999999999999999999999", "got `999"},
    {NULL, "--members=3-1", "got `3-1`"},
    {NULL, "--members=1-2-3", "got `1-2-3`"},
    {NULL, "--members=1-", "got `1-`"},
    {NULL, "--members=0,,1", "got `0,,1`"},
    {NULL, "--members=", "expected all or members such as 3 or 0-4,7, got ``"},
    {NULL, "--members=[]", "got an empty list"},
    {NULL, "--members=-1", "got `-1`"},
    /* Form. */
    {"train.lr: 1\ntrain.lr: 2\n", NULL, "t.yaml:9: key `train.lr`: given twice, first in line 8"},
    {"train:\n  lr: 1\ntrain.lr: 2\n", NULL, "t.yaml:10: key `train.lr`: given twice, first in line 9"},
    {"cache: {block: 256}\ncache: {deflate: 1}\n", NULL, "t.yaml:9: key `cache`: given twice, first in line 8"},
    {"train.lr: [1\n", NULL, "not valid YAML"},
    {"train.lr: 1\n\tcache: 2\n", NULL, "t.yaml:9: "},
    {"cache: {block: &b 256, shard_rows: *b}\n", NULL,
     "t.yaml:8: key `cache.block`: expected plain YAML, got an anchor"},
    {"train.lr: *b\n", NULL, "t.yaml:8: key `train.lr`: expected plain YAML, got an alias"},
    {"cache: &c {}\n", NULL, "got an anchor"},
    {"students: &c []\n", NULL, "got an anchor"},
    {"train.lr: !!float 3\n", NULL, "got a tag"},
    {"---\nrun: {}\n", NULL, "t.yaml:8: expected one document, got a second one"},
    {"train.lr:\n", NULL, "t.yaml:8: key `train.lr`: expected a value, got nothing"},
    {"train.lr: ~\n", NULL, "expected a value, got nothing"},
    {"data.validation: null\n", NULL, "expected a value, got nothing"},
    {"students: [[kd]]\n", NULL, "expected single values in the list"},
    {"[a]: 3\n", NULL, "expected a key, got a list or section"},
    {"\"\": 3\n", NULL, "an empty key"},
    {"run.\"dir: 3\n", NULL, "t.yaml:8: "},
    {"run.progress: \"a\\0b\"\n", NULL, "zero byte"},
    {"run.progress: \xff\n", NULL, "t.yaml:8: not valid YAML: byte ff is not UTF-8, perhaps a letter of Latin-1; save"},
    {"# a\n# b\n# caf\xe9 au lait\neval: {bins: 10}\n", NULL, "t.yaml:10: not valid YAML: byte e9 is not UTF-8"},
    {"# a\n# \x01\n", NULL, "t.yaml:9: not valid YAML: control characters are not allowed"},
    /* Paths. */
    {NULL, "--run.dir=$TRB_NOT_SET/x",
     "key `run.dir`: the variable `TRB_NOT_SET` is not set; set it, or write $$ for a"},
    {"data.root: ${TRB_NOT_SET}\n", NULL, "t.yaml:8: key `data.root`: the variable `TRB_NOT_SET` is not set"},
    {NULL, "--run.dir=$TRB_EMPTY/x", "the variable `TRB_EMPTY` is empty"},
    {NULL, "--data.test=[u, $TRB_NOT_SET]", "key `data.test`: the variable `TRB_NOT_SET` is not set"},
    {NULL, "--run.resume=$TRB_NOT_SET", "key `run.resume`: the variable `TRB_NOT_SET` is not set"},
    {"eval.ood: [far]\nood.far.files: [$TRB_NOT_SET]\n", NULL,
     "key `ood.far.files`: the variable `TRB_NOT_SET` is not"},
    {"eval.ood: [far]\nood.far: {files: [x], root: $TRB_NOT_SET}\n", NULL, "key `ood.far.root`: the variable"},
    {NULL, "--run.dir=a$", "expected $VARIABLE or ${VARIABLE} in a path, got `$`; a dollar sign is $$"},
    {NULL, "--run.dir=${HOME/x", "expected $VARIABLE or ${VARIABLE} in a path, got `${HOME/x`"},
    {NULL, "--run.dir=$1", "got `$1`"},
    {NULL, "--run.dir=~nobody-has-this-name/x", "`~nobody-has-this-name`: there is no such user; a name that begins"},
    {NULL, "--train.lr", "expected --key=value, got `--train.lr`"},
    {NULL, "train.lr=3", "expected --key=value, got `train.lr=3`"},
    {NULL, "--=3", "expected --key=value"},
    {NULL, "--train.lr=# 3", "expected a number, real > 0, got `# 3`"},
    {NULL, "--train.lr=[3]", "expected a number, real > 0, got `[3]`"},
    {NULL, "--train.layers=[3", "command line: key `train.layers`: not valid YAML"},
    {NULL, "--members={count: 3", "command line: key `members`: not valid YAML"},
    {NULL, "--run.dir=a\xff", "command line: key `run.dir`: expected UTF-8, got other bytes"},
    {NULL, "--run.dir=a\xed\xa0\x80", "command line: key `run.dir`: expected UTF-8, got other bytes"},
    /* Names that other programs give to keys, and keys without their section. */
    {NULL, "--lr=1", "key `lr`: unknown; did you mean `train.lr` or `student.lr`?"},
    {NULL, "--learning-rate=1", "unknown; did you mean `train.lr` or `student.lr`?"},
    {NULL, "--epochs=1", "unknown; did you mean `train.epochs` or `student.epochs`?"},
    {NULL, "--seed=1", "unknown; did you mean `run.seed` or `train.seed` or `student.seed`?"},
    {NULL, "--batch-size=1", "unknown; did you mean `train.batch` or `student.batch` or `eval.batch`?"},
    {"batch_size: 1\n", NULL, "t.yaml:8: key `batch_size`: unknown; did you mean `train.batch` or"},
    {"train: {learning_rate: 1}\n", NULL, "t.yaml:8: key `train.learning_rate`: unknown; did you mean `train.lr`?"},
    {"student.batch_size: 1\n", NULL, "unknown; did you mean `student.batch`?"},
    {"student.kd.learning_rate: 1\n", NULL, "unknown; did you mean `student.kd.lr`?"},
    {"members.overrides.1.batch_size: 1\n", NULL, "unknown; did you mean `members.overrides.1.batch`?"},
    {"ensemble_size: 1\n", NULL, "unknown; did you mean `members.count`?"},
    {NULL, "--temperature=1", "unknown; did you mean `student.temperature`?"},
    {"train.temperature: 1\n", NULL, "unknown; nearest known key is `student.temperature`"},
    {NULL, "--output-dir=r", "unknown; did you mean `run.dir`?"},
    /* A key that has a known one in it, unless another one is a slip of the finger away. */
    {NULL, "--student.lr_rate=1", "key `student.lr_rate`: unknown; did you mean `student.lr`?"},
    {NULL, "--train.initial_lr=1", "key `train.initial_lr`: unknown; did you mean `train.lr`?"},
    {NULL, "--student.kd.temperature_of_heads=1", "unknown; did you mean `student.kd.temperature`?"},
    {NULL, "--members.overrides.1.max_lr_=1", "unknown; did you mean `members.overrides.1.lr`?"},
    {NULL, "--data.train_row=[a]", "unknown; nearest known key is `data.train_rows`"},
    {NULL, "--train.weight_decay_rate=1", "unknown; did you mean `train.weight_decay`?"},
    /* What libyaml has no helpful words for. */
    {"eval:\n\tbins: 3\n", NULL, "t.yaml:9: not valid YAML: a TAB in the indentation; use spaces"},
    {"eval:\n  bins: 3\n\tbatch: 3\n", NULL, "t.yaml:10: not valid YAML: a TAB in the indentation; use spaces"},
    {"eval: {name: ${HOME}, bins: 3}\n", NULL,
     "not valid YAML: within { } or [ ] a value with ${NAME} must stand between quotes, as in \"${NAME}/x\""},
    {"cache: {view_recipes: [${HOME}/x]}\n", NULL, "must stand between quotes"},
    /* Values by the names that they have elsewhere. */
    {"data.format: csv\n", NULL,
     "expected one of idx|cifar10|cifar100|hdf5|table|npy|images, got `csv`; did you mean `table`?"},
    {"data.format: MNIST\n", NULL, "got `MNIST`; did you mean `idx`?"},
    {NULL, "--cache.dtype=fp16", "got `fp16`; did you mean `float16`?"},
    {NULL, "--math.precision=bfloat16", "got `bfloat16`; did you mean `bf16`?"},
    {NULL, "--train.optimizer=Adam", "got `Adam`; did you mean `adam`?"},
    {NULL, "--train.init=xavier", "got `xavier`; did you mean `glorot`?"},
    {NULL, "--student.kd.method=distillation", "got `distillation`; did you mean `kd`?"},
    {NULL, "--shuffle-buffer=3",
     "key `shuffle-buffer`: unknown, and no known key is near it; `tribikos config --help`"},
    {"hydra.everything: 3\n", NULL, "unknown, and no known key is near it"},
    /* Contradictions. */
    {NULL, "--run.dir=", "key `run.dir`: required"},
    {NULL, "--data.train=[]", "key `data.train`: required"},
    {NULL, "--train.layers=[]",
     "key `train.layers`: required, e.g. [dense 200, relu, dense 10]; or give student `hydra`"},
    {"members.overrides.1.layers: [dense 10]\nstudent.layers: [dense 4, split, dense 10]\n", "--train.layers=[]",
     "member 0 has no layers; give it `members.overrides.0.layers`, or all `train.layers`"},
    {"train.batch: 100\ntrain.lanes: 8\n", NULL,
     "t.yaml:8: key `train.batch`: 100 contradicts `train.lanes`: 8 (t.yaml:9): a batch is cut into lanes of one size; "
     "nearest batch that works: 96 or 104"},
    {"train.lanes: 300\n", NULL,
     "t.yaml:8: key `train.lanes`: 300 contradicts `train.batch`: 128 (default): a batch is cut into lanes of one "
     "size; nearest batch that works: 300"},
    {"members.overrides.3.batch: 6\n", NULL,
     "t.yaml:8: key `members.overrides.3.batch`: 6 contradicts `train.lanes`: 4 (default)"},
    {"student.kd.lanes: 3\n", NULL, "key `student.kd.lanes`: 3 contradicts `student.batch`: 128 (default)"},
    {"student.layers: [dense 4, split, dense 10]\n", NULL,
     "key `student.layers`: [...] contradicts `student.split`: 2 (t.yaml:7)"},
    {"student.kd: {layers: 'split, dense 9', split: 2}\n", NULL,
     "key `student.kd.layers`: split, dense 9 contradicts `student.kd.split`: 2"},
    {NULL, "--student.split=",
     "student `hydra`: nothing says where its heads begin; set `student.split` to a position or a name in"},
    {NULL, "--student.split=2.block",
     "key `student.split`: expected a position in `train.layers`, counted from 0, or a name in it, got `2.block`"},
    {NULL, "--student.split=-1", "or a name in it, got `-1`"},
    {"student.hydra.layers: [name split, relu, dense 10]\n", NULL,
     "expected one `split` in the list, where the heads begin, or `student.split` beside it, got [name split, relu, "
     "dense "
     "10]"},
    {"student.hydra.layers: [dense 4]\n", NULL, "key `student.hydra.layers`: expected one `split` in the list"},
    {"student.hydra: {layers: [dense 4], split: '?'}\n", NULL,
     "key `student.hydra.split`: expected a position in `student.layers`, counted from 0, or a name in it, got `?`"},
    {"students: [m001]\n", NULL, "the name `m001` is one that the report itself uses"},
    {"student.kd.layers: [split, dense 4, split, dense 3]\n", NULL, "expected one `split` in the list"},
    {"members.overrides.0.layers: [dense 4, split, dense 3]\n", NULL,
     "a member is one network; `split` belongs in `student.layers`"},
    {"train.keep: best\n", NULL,
     "key `train.keep`: best contradicts `data.validation`: 0 (default): it follows the loss"},
    {"student.kd.early_stopping: 5\n", NULL,
     "key `student.kd.early_stopping`: 5 contradicts `data.validation`: 0 (default)"},
    {"data.validation: 10\nmembers.overrides.1.keep: best\nexchange: server\nserver.staleness: 2\n", NULL,
     "key `members.overrides.1.keep`: best contradicts `server.staleness`: 2"},
    {"train.nesterov: true\n", NULL, "key `train.nesterov`: true contradicts `train.optimizer`: adam (default)"},
    {"train: {nesterov: true, optimizer: sgd, momentum: 0}\n", NULL,
     "`train.nesterov`: true contradicts `train.momentum`: 0"},
    {"train: {schedule: step, decay_epochs: 0}\n", NULL, "`train.schedule`: step contradicts `train.decay_epochs`: 0"},
    {"train.warmup: 10\n", NULL, "`train.warmup`: 10 contradicts `train.epochs`: 10 (default)"},
    {"students: [kd, endd]\nstudent: {label_weight: 0.1}\n", NULL,
     "key `student.label_weight`: student `endd` learns a distribution over what members say, and labels are not part "
     "of it; set `student.endd.label_weight` to 0"},
    {"students: [a]\nstudent.a: {method: proxy-endd, label_weight: 0.1}\n", NULL, "student `a` learns a distribution"},
    {"students: [proxy-endd]\nmembers.count: 1\n", NULL,
     "key `members.count`: student `proxy-endd` learns a distribution over what members say; expected 2 or more"},
    {"data.task: regression\nstudents: [hydra, a]\nstudent.a.method: endd\n", NULL,
     "t.yaml:9: key `students`: the method of student `a`, endd, is for classes; `data.task: regression` has hydra, "
     "kd, batchensemble, latentbe"},
    {"data.task: regression\nstudents: [proxy-endd]\n", NULL, "the method of student `proxy-endd`, proxy-endd, is for"},
    {"students: [batchensemble]\nstudent.head_lanes: 5\n", NULL,
     "key `student.head_lanes`: the heads of student `batchensemble` share their weights, so no rank can hold some of "
     "them; set `student.batchensemble.head_lanes` to 1"},
    {"students: [latentbe]\nstudent.head_lanes: 5\n", NULL, "the heads of student `latentbe` share their weights"},
    {"students: [batchensemble]\nstudent.match_uncertainty: true\n", NULL,
     "student `batchensemble` is matched on samples that are held out"},
    {"student: {match_uncertainty: true}\n", NULL,
     "key `student.match_uncertainty`: student `hydra` is matched on samples that are held out, but `data.validation` "
     "is "
     "0; set it"},
    {"members.count: 1\ndata.validation: 10\nstudent.hydra.match_uncertainty: true\n", NULL,
     "key `student.hydra.match_uncertainty`: one member has no model uncertainty"},
    {"data.validation: 10\nstudent: {match_uncertainty: true, head_lanes: 5}\n", NULL,
     "student `hydra` has its heads in lanes, and matching takes all of them together; set false, or "
     "`student.hydra.head_lanes` to 1"},
    {"data.task: regression\nstudents: [hydra]\nstudent.match_uncertainty: true\n", NULL,
     "key `student.match_uncertainty`: `data.task: regression` has means and variances, which one factor cannot "
     "spread"},
    {NULL, "--student.match_uncertainty=1", "key `student.match_uncertainty`"},
    {NULL, "--student.label_weight=1.5", "key `student.label_weight`"},
    {NULL, "--student.anneal_from=0.5", "key `student.anneal_from`"},
    {NULL, "--student.anneal_share=2", "key `student.anneal_share`"},
    {NULL, "--student.method=enddd", "expected one of hydra|kd|endd|proxy-endd"},
    {"student: {warmup: 3, phase1_epochs: 3}\n", NULL, "`student.warmup`: 3 contradicts `student.phase1_epochs`: 3"},
    {"cache.block: 100\n", NULL,
     "key `cache.block`: 100 contradicts `cache.shard_rows`: 16384 (default): a shard holds whole blocks; nearest "
     "`cache.shard_rows` that works: 16300"},
    {"cache.shard_rows: 100\n", NULL, "nearest `cache.shard_rows` that works: 256"},
    {"cache.views: 2\n", NULL,
     "key `cache.views`: 2 contradicts `cache.view_recipes`: [] (default): nothing says how the views are made"},
    {"cache.view_recipes: [flip]\n", NULL,
     "t.yaml:8: key `cache.view_recipes`: [...] contradicts `cache.views`: 1 (default): the one view is the sample "
     "itself"},
    {"data.normalize: given\n", NULL,
     "key `data.normalize`: given contradicts `data.mean`: [] (default): the constants are to be given"},
    {"data.normalize: given\ndata.mean: [0.5]\n", NULL, "contradicts `data.std`: [] (default)"},
    {"data.mean: 0.5\n", NULL, "key `data.mean`: 0.5 contradicts `data.normalize`: standard (default)"},
    {"data.train_rows: [a]\n", NULL, "key `data.train_rows`: [...] contradicts `data.format`: idx (default)"},
    {"data.target: 3\n", NULL, "key `data.target`: 3 contradicts `data.format`: idx (default)"},
    {"data.format: table\ndata.test_rows: [a, b, c]\n", NULL,
     "key `data.test_rows`: [...] contradicts `data.test`: [...] (t.yaml:5): expected a file of rows for each table: "
     "2, "
     "got 3"},
    {NULL, "--data.std=[1, 0]", "key `data.std`: expected numbers above 0 such as [0.49, 0.48, 0.45], got `0`"},
    {NULL, "--data.mean=x", "key `data.mean`: expected numbers such as"},
    {"student.views: 2\n", NULL, "t.yaml:8: key `student.views`: expected at most `cache.views` = 1, got 2"},
    {"student.kd.augment: [flip]\n", NULL, "t.yaml:8: key `student.kd.augment`: a student sees what its members saw"},
    {"train.augment: [crop x]\n", NULL,
     "t.yaml:8: key `train.augment`: `crop x`: crop takes a number of pixels from 1 to 9999 (crop 4), got `x`"},
    {"train.augment: [flip, crop 4]\n", NULL, "`crop 4` stands behind `flip`: each item comes at most once"},
    {"train.augment: {flip: true}\n", NULL, "expected e.g. [crop 4, flip], got a section"},
    {"data.mean: {red: 0.5}\n", NULL, "expected e.g. [0.49, 0.48, 0.45], got a section"},
    {"train.augment: [" TEN TEN TEN TEN TEN "flip]\n", NULL,
     "key `train.augment`: expected a recipe such as [crop 4, flip], got more than 255 characters"},
    {NULL, "--cache.view_recipes=flop", "key `cache.view_recipes`: `flop`: expected crop, flip, rotate, zoom"},
    {NULL, "--cache.view_recipes=[flip, \"\"]", "recipe 1 of the list is empty; the sample itself is the first view"},
    {"cache: {views: 2, view_recipes: [crop 4, flip]}\n", NULL,
     "key `cache.view_recipes`: [...] contradicts `cache.views`: 2 (t.yaml:8): 2 recipes need as many views besides "
     "the "
     "sample itself; set `cache.views` to 3 or more"},
    {"cache.holds: statistics\n", NULL,
     "t.yaml:8: key `cache.holds`: statistics are of all members together, but student `hydra` needs the logits of "
     "each; set logits, or leave it out of `students`"},
    {"students: [be]\nstudent.be.method: latentbe\n", "--cache.holds=statistics",
     "command line: key `cache.holds`: statistics are of all members together, but student `be` needs the logits of "
     "each"},
    {"students: [kd]\ncache.holds: statistics\n", NULL,
     "t.yaml:9: key `cache.holds`: statistics contradicts `student.temperature`: 4 (default): statistics are of "
     "temperature 1; set `student.kd.temperature` to 1, or `cache.holds` to logits"},
    {"students: [batchensemble]\ncache.holds: statistics\n", NULL, "but student `batchensemble` needs the logits"},
    {"students: [endd]\ncache.holds: statistics\nstudent.anneal_from: 2\n", NULL,
     "t.yaml:9: key `cache.holds`: statistics contradicts `student.anneal_from`: 2 (t.yaml:10): statistics are of "
     "temperature 1; set `student.endd.anneal_from` to 1, or"},
    {"students: [proxy-endd]\ncache.holds: statistics\nstudent.head_lanes: 5\n", NULL,
     "key `cache.holds`: statistics contradicts `student.head_lanes`: 5 (t.yaml:10): statistics are of all members "
     "together, so no rank can read those of some; set `student.proxy-endd.head_lanes` to 1"},
    {"students: []\ncache: {holds: statistics, dtype: float16}\n", NULL,
     "key `cache.holds`: statistics contradicts `cache.dtype`: float16 (t.yaml:9): float16 would lose small "
     "probabilities"},
    {"students: []\ndata.task: regression\ncache.holds: statistics\n", NULL,
     "statistics are of probabilities of classes; set logits"},
    {NULL, "--cache.holds=statistic", "key `cache.holds`: expected one of logits|statistics|top, got `statistic`"},
    {"students: [kd, endd]\ncache.holds: top\n", NULL,
     "t.yaml:9: key `cache.holds`: top has the most probable classes of each member, but student `endd` (endd) needs "
     "all "
     "members' probabilities of every class; set logits or statistics"},
    {"data.validation: 9\ncache.holds: top\nstudent.match_uncertainty: true\n", NULL,
     "key `cache.holds`: top contradicts `student.match_uncertainty`: true (t.yaml:10): the members' model uncertainty "
     "needs all their classes"},
    {"students: []\ndata.task: regression\ncache.holds: top\n", NULL, "top is the most probable classes; set logits"},
    {NULL, "--cache.top=0", "key `cache.top`: expected"},
    {NULL, "--cache.top=32769", "key `cache.top`: expected"},
    {"train.augment: [ods 16]\n", NULL, "ods and confods need trained members; they make views (`cache.view_recipes`)"},
    {"members.overrides.5.lr: 1\n", NULL,
     "t.yaml:8: key `members.overrides.5.lr`: there is no member `5`: `members.count` is 5, the last is 4"},
    {"members.overrides.03.lr: 1\n", NULL, "there is no member `03`"},
    {"members.overrides: {x: {lr: 1}}\n", NULL, "there is no member `x`"},
    {"student.foo.lr: 1\n", NULL, "key `student.foo.lr`: no student has the name `foo`; `students` is [hydra, kd]"},
    {"students: [kd, kd]\n", NULL, "the name `kd` is given twice"},
    {"students: [a b]\n", NULL, "a name is 1 to 64 letters, digits, - and _, got `a b`"},
    {"students: ['']\n", NULL, "a name is 1 to 64 letters"},
    {"students: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", NULL,
     "a name is 1 to 64 letters, digits, - and _, got 65: `aaa"},
    {"students: [proxy_endd]\n", NULL,
     "t.yaml:8: key `students`: no method has the name `proxy_endd`, did you mean `proxy-endd`? A student of your own "
     "name needs `student.proxy_endd.method`"},
    {NULL, "--students=[ednd]", "command line: key `students`: no method has the name `ednd`, did you mean `endd`?"},
    {"students: [ednd]\n", "--student.method=hydra", "did you mean `endd`?"},
    {NULL, "--students=[hydr]", "did you mean `hydra`?"},
    {NULL, "--students=[distilled]",
     "no method has the name `distilled`; take one of hydra, kd, endd, proxy-endd, batchensemble, latentbe, or set "
     "`student.distilled.method` to one of them"},
    /* Grids. */
    {"students: [ednd]\nstudent.grid.seed: [1, 2]\n", NULL, "did you mean `endd`?"},
    {"student.grid: [1, 2]\n", NULL, "key `student.grid`: expected a section such as {seed: [1, 2, 3]}, got a value"},
    {"student.grid: {temprature: [1, 2]}\n", NULL, "a student has no key `student.temprature`, so no grid can vary it"},
    {"student.grid: {method: [kd, endd]}\n", NULL, "a grid varies a method's settings; name several methods"},
    {"student.grid: {seed: []}\n", NULL, "expected a list of values, got none"},
    {"student.grid: {seed: {a: 1}}\n", NULL,
     "t.yaml:8: key `student.grid.seed`: expected a list of values, got a section"},
    {"student.grid: {temperature: [1, hot]}\n", NULL,
     "t.yaml:8: key `student.hydra-temperature-hot.temperature`: expected a number, real [0.01, 1000], got `hot`"},
    {"student.grid: {temperature: [1, 2]}\nstudent.kd.temperature: 3\n", NULL,
     "t.yaml:8: key `student.grid.temperature`: contradicts `student.kd.temperature`, which fixes the value; drop one"},
    {"student.grid: {layers: ['dense 100, relu, dense 100, relu, dense 100, relu, split, dense 10']}\n", NULL,
     "key `student.grid.layers`: a name is 1 to 64 letters, digits, - and _, got "},
    {"students: [grid]\nstudent.grid.method: kd\n", NULL, "a grid varies"},
    {"students: [../x]\n", NULL, "got `../x`"},
    {"students: [lr]\n", NULL, "the name `lr` is taken by the key `student.lr`"},
    {"students: [uncertainty]\n", NULL, "the name `uncertainty` is one that the report itself uses"},
    {"eval.ood: [far]\n", NULL, "t.yaml:8: key `eval.ood`: nothing says what `far` is; set `ood.far.files`"},
    {"eval.ood: [a, a]\nood: {a: {files: [x]}}\n", NULL, "key `eval.ood`: the name `a` is given twice"},
    {"eval.ood: [a.b]\n", NULL, "a name is 1 to 64 letters, digits, - and _, got `a.b`"},
    {"eval.ood: [test]\n", NULL, "the name `test` is one that the report itself uses"},
    {"ood: {far: {files: [x]}}\n", NULL,
     "t.yaml:8: key `ood.far.files`: no set has the name `far`; name it in `eval.ood`"},
    {"eval.ood: [far]\nood: {far: {files: [x], fomat: idx}}\n", NULL,
     "key `ood.far.fomat`: unknown; nearest known key is `ood.far.format`"},
    {"eval.ood: [far]\nood: {far: {files: [x], format: png}}\n", NULL, "key `ood.far.format`: expected one of idx|"},
    {NULL, "--eval.corruptions=[noise, blurr]",
     "command line: key `eval.corruptions`: expected any of noise, blur, contrast, rotation, shift, got `blurr`; did "
     "you "
     "mean `blur`?"},
    {NULL, "--eval.corruptions=[noise, noise]", "`noise` is given twice"},
    {"data.task: regression\n", "--eval.corruptions=[noise]", "contradicts `data.task`: regression"},
};

static void check(const char *text, const char *flag, const char *fragment)
{
    trb_config *c = (trb_config *)(void *)&text; /* must stay as it is */
    trb_config *const before = c;
    trb_fail_clear();
    const trb_status st = trb_config_parse("t.yaml", text, flag != NULL, (char *const *)&flag, &c);
    if (st == TRB_OK) fail_msg("accepted: %s%s", flag != NULL ? flag : text, "");
    assert_int_equal(st, TRB_ECONFIG);
    assert_ptr_equal(c, before);
    if (strstr(trb_fail_message(), fragment) == NULL || strchr(trb_fail_message(), '\n') != NULL)
        fail_msg("expected `%s` in `%s`", fragment, trb_fail_message());
    assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
    trb_fail_clear();
}

static void each_of_the_table(void **state)
{
    (void)state;
    (void)unsetenv("TRB_NOT_SET");
    assert_int_equal(setenv("TRB_EMPTY", "", 1), 0);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "%s%s", SMALL, table[i].text != NULL ? table[i].text : "");
        check(text, table[i].flag, table[i].fragment);
    }
}

static void whole_files(void **state)
{
    (void)state;
    check("", NULL, "t.yaml: key `run.dir`: required");
    check("just text\n", NULL, "t.yaml:1: expected a section");
    check("- a\n- b\n", NULL, "t.yaml:1: expected a section");
    check("a: {b: {c: {d: [}}}\n", NULL, "t.yaml:1: ");
    /* Deeper and longer than any key. */
    char deep[4000];
    memset(deep, '{', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    check(deep, NULL, "t.yaml:1: ");
    for (size_t i = 0; i + 3 < sizeof deep; i += 3) memcpy(deep + i, "a: ", 3);
    check(deep, NULL, "t.yaml:1: ");
    for (size_t i = 0; i + 3 < sizeof deep; i += 3) memcpy(deep + i, "{a:", 3);
    check(deep, NULL, "t.yaml:1: ");
    for (size_t i = 0; i + 4 < sizeof deep; i += 4) memcpy(deep + i, "a: {", 4);
    check(deep, NULL, "the key is too long");
    memset(deep, 'a', 300);
    (void)snprintf(deep + 300, 10, ": 1\n");
    check(deep, NULL, "`: the key is too long");
    memcpy(deep, "--", 2);
    (void)snprintf(deep + 300, 10, "=1");
    check(SMALL, deep, "command line: a key of 298 characters");
}

/* A file that breaks off anywhere is refused or read, never more. */
static void cut_anywhere(void **state)
{
    (void)state;
    const char *text = SMALL "members: {count: 3, overrides: {1: {seed: 9, lr: \"0.5\"}}}\nstudents: [kd, 'hydra']\n";
    char part[1024];
    for (size_t n = 0; n < strlen(text); n++) {
        trb_config *c = NULL;
        (void)snprintf(part, sizeof part, "%.*s", (int)n, text);
        if (trb_config_parse("t.yaml", part, 0, NULL, &c) == TRB_OK) trb_config_destroy(c);
        trb_fail_clear();
        assert_int_equal(trb_mem_bytes(TRB_MEM_KINDS), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_of_the_table), cmocka_unit_test(whole_files),
                                       cmocka_unit_test(cut_anywhere)};
    return cmocka_run_group_tests(tests, NULL, nothing_held);
}
