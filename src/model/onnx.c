/* ONNX files (opset 17): inputs, the members' layers, what their logits mean, and a JSON that describes it.
 *
 * What follows from the logits is computed in double. With float32, the entropy of a confident prediction would be the
 * rounding error of its largest probability. */
#include "graph.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/hash.h"
#include "tribikos/memory.h"
#include "tribikos/text.h"
#include "tribikos/version.h"

enum { IR_VERSION = 8, OPSET = 17 };
enum {
    MODEL_IR = 1,
    MODEL_PRODUCER = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_META = 14
};
enum { GRAPH_NAME = 2, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };

/* The inputs and outputs, as the graph and the JSON list them. */
typedef struct {
    const char *name, *unit, *meaning;
    size_t ndim; /* without the batch */
    size_t dim[3];
    trb__onnx_type type;
} port;

/* ---- predictions from logits, [N][M][K] as double */

static trb__label one_minus(trb__graph *g, const char *op, double constant, const char *value)
{
    return trb__apply(g, op, trb__scalar(g, constant).text, value);
}

/* -sum over the last axis of p log p */
static trb__label entropy(trb__graph *g, const char *p, const char *log_p, int64_t axis)
{
    const trb__label each = trb__apply(g, "Mul", p, log_p);
    return trb__apply(g, "Neg", trb__reduce(g, "ReduceSum", each.text, axis, false).text, NULL);
}

/* log softmax over the last of the axes, by its definition: the node LogSoftmax need not exist for double */
static trb__label log_softmax(trb__graph *g, const char *z, int64_t axis)
{
    return trb__apply(g, "Sub", z, trb__reduce(g, "ReduceLogSumExp", z, axis, true).text);
}

static void outputs_of_uncertainty(trb__graph *g, const char *p, const char *total, const char *data)
{
    trb__output(g, p, "probabilities");
    trb__output(g, total, "total_uncertainty");
    trb__output(g, trb__apply(g, "Sub", total, data).text, "model_uncertainty");
}

/* p = mean over heads of softmax; total = H(p), data = mean of H(p_m). */
static void put_mixture(trb__graph *g, const char *z, size_t M)
{
    const trb__label log_each = log_softmax(g, z, 2);
    const trb__label each = trb__apply(g, "Exp", log_each.text, NULL);
    const trb__label sum = trb__reduce(g, "ReduceLogSumExp", log_each.text, 1, false);
    const trb__label heads = trb__apply(g, "Log", trb__scalar(g, (double)M).text, NULL);
    const trb__label log_p = trb__apply(g, "Sub", sum.text, heads.text);
    const trb__label p = trb__apply(g, "Exp", log_p.text, NULL);
    const trb__label total = entropy(g, p.text, log_p.text, 1);
    const trb__label data = trb__reduce(g, "ReduceMean", entropy(g, each.text, log_each.text, 2).text, 1, false);
    outputs_of_uncertainty(g, p.text, total.text, M > 1 ? data.text : total.text);
}

/* The digamma function for x >= 1: ten steps of its recurrence, then its series at x + 10 (src/math/gamma.c). */
static trb__label digamma(trb__graph *g, const char *x)
{
    enum { STEPS = 10 };
    static const double series[] = {1.0 / 132.0, -1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0};
    double step[STEPS];
    for (size_t i = 0; i < STEPS; i++) step[i] = (double)i;
    const int64_t last = -1;
    const trb__label steps = trb__tensor_put(g, "", TRB__ONNX_DOUBLE, 1, &(size_t){STEPS}, step);
    const trb__label axis = trb__tensor_put(g, "", TRB__ONNX_INT64, 1, &(size_t){1}, &last);
    const trb__label all = trb__apply(g, "Add", trb__apply(g, "Unsqueeze", x, axis.text).text, steps.text);
    const trb__label shift = trb__reduce(g, "ReduceSum", trb__apply(g, "Reciprocal", all.text, NULL).text, -1, false);
    const trb__label far = one_minus(g, "Add", STEPS, x);
    const trb__label inverse = trb__apply(g, "Reciprocal", far.text, NULL);
    const trb__label y = trb__apply(g, "Mul", inverse.text, inverse.text);
    trb__label s = trb__scalar(g, series[0]);
    for (size_t i = 1; i < sizeof series / sizeof *series; i++)
        s = one_minus(g, "Add", series[i], trb__apply(g, "Mul", y.text, s.text).text);
    trb__label psi = trb__apply(g, "Sub", trb__apply(g, "Log", far.text, NULL).text, shift.text);
    psi = trb__apply(g, "Sub", psi.text, one_minus(g, "Mul", 0.5, inverse.text).text);
    return trb__apply(g, "Sub", psi.text, trb__apply(g, "Mul", y.text, s.text).text);
}

/* One Dirichlet: p is its mean, data the mean entropy of its draws, as trb_dirichlet_predict() computes them. */
static void put_dirichlet(trb__graph *g, const char *logits, trb_dirichlet kind, size_t K)
{
    trb__label log_alpha = trb__reshape(g, logits, 2, (const int64_t[]){0, (int64_t)K});
    if (kind == TRB_DIRICHLET_EXP_PLUS_1) { /* log(1 + e^z) without overflow */
        const trb__label away = trb__apply(g, "Neg", trb__apply(g, "Abs", log_alpha.text, NULL).text, NULL);
        const trb__label rest = one_minus(g, "Add", 1.0, trb__apply(g, "Exp", away.text, NULL).text);
        const trb__label above = trb__apply(g, "Max", log_alpha.text, trb__scalar(g, 0.0).text);
        log_alpha = trb__apply(g, "Add", above.text, trb__apply(g, "Log", rest.text, NULL).text);
    }
    const trb__label log_sum = trb__reduce(g, "ReduceLogSumExp", log_alpha.text, 1, true);
    const trb__label log_p = trb__apply(g, "Sub", log_alpha.text, log_sum.text);
    const trb__label p = trb__apply(g, "Exp", log_p.text, NULL);
    const trb__label within = trb__apply(g, "Min", log_sum.text, trb__scalar(g, 600.0).text);
    const trb__label alpha_0 = trb__apply(g, "Exp", within.text, NULL);
    const trb__label alpha = trb__apply(g, "Mul", p.text, alpha_0.text);
    const trb__label psi = digamma(g, one_minus(g, "Add", 1.0, alpha.text).text);
    const trb__label psi_0 = digamma(g, one_minus(g, "Add", 1.0, alpha_0.text).text);
    const trb__label data = entropy(g, p.text, trb__apply(g, "Sub", psi.text, psi_0.text).text, 1);
    outputs_of_uncertainty(g, p.text, entropy(g, p.text, log_p.text, 1).text, data.text);
}

static trb__label pick(trb__graph *g, const char *z, int64_t i)
{
    trb_buffer how = {0};
    trb__attribute_int(&how, "axis", 2);
    const trb__label index = trb__tensor_put(g, "", TRB__ONNX_INT64, 0, NULL, &i);
    return trb__node(g, "Gather", &how, z, index.text, NULL, NULL, NULL);
}

/* The mixture of the heads' Gaussians, in the unit of the target. */
static void put_gaussians(trb__graph *g, const char *z, const trb_norm *norm, trb__onnx_type type)
{
    const trb__label squared = trb__scalar(g, norm->target_scale * norm->target_scale);
    const trb__label mu = pick(g, z, 0), mean = trb__reduce(g, "ReduceMean", mu.text, 1, true);
    const trb__label off = trb__apply(g, "Sub", mu.text, mean.text);
    const trb__label apart = trb__reduce(g, "ReduceMean", trb__apply(g, "Mul", off.text, off.text).text, 1, false);
    const trb__label each = trb__apply(g, "Exp", pick(g, z, 1).text, NULL);
    const trb__label model = trb__apply(g, "Mul", squared.text, apart.text);
    const trb__label data = trb__apply(g, "Mul", squared.text, trb__reduce(g, "ReduceMean", each.text, 1, false).text);
    const trb__label middle = trb__reshape(g, mean.text, 1, (const int64_t[]){-1});
    const trb__label scaled = one_minus(g, "Mul", norm->target_scale, middle.text);
    trb__output_as(g, one_minus(g, "Add", norm->target_mean, scaled.text).text, "mean", type);
    trb__output(g, trb__apply(g, "Sqrt", trb__apply(g, "Add", model.text, data.text).text, NULL).text, "std");
    trb__output(g, trb__apply(g, "Sqrt", model.text, NULL).text, "model_std");
    trb__output(g, trb__apply(g, "Sqrt", data.text, NULL).text, "data_std");
}

/* ---- the graph */

/* What float32 cannot hold is double. */
static trb__onnx_type type_of_inputs(size_t n, const trb_trained *const *models)
{
    for (size_t i = 0; i < n; i++)
        if (models[i]->info.norm.offset != NULL) return TRB__ONNX_DOUBLE;
    return TRB__ONNX_FLOAT;
}

static trb__onnx_type type_of_targets(const trb_trained *t)
{
    return fpclassify(t->schema.target_offset) == FP_ZERO ? TRB__ONNX_FLOAT : TRB__ONNX_DOUBLE;
}

static trb_status put_networks(trb__graph *g, size_t n, const trb_trained *const *models)
{
    char prefix[32];
    trb__label all = {""};
    for (size_t i = 0; i < n; i++) {
        trb__label logits;
        prefix[0] = '\0';
        if (n > 1) (void)snprintf(prefix, sizeof prefix, "members.%zu.", i);
        g->prefix = prefix;
        TRB_TRY(trb__layers_put(g, models[i], "x", type_of_inputs(n, models), &logits));
        trb_buffer how = {0};
        trb__attribute_int(&how, "axis", 1);
        if (i == 0) trb_buffer_clear(&how);
        all = i == 0 ? logits : trb__node(g, "Concat", &how, all.text, logits.text, NULL, NULL, NULL);
    }
    g->prefix = "";
    trb__output(g, all.text, "logits");
    const trb__label z = trb__cast(g, all.text, TRB__ONNX_DOUBLE);
    size_t M = 0;
    for (size_t i = 0; i < n; i++) M += trb_net_heads(models[i]->net);
    if (models[0]->task == TRB_TASK_REGRESSION)
        put_gaussians(g, z.text, &models[0]->info.norm, type_of_targets(models[0]));
    else if (models[0]->dirichlet != TRB_DIRICHLET_NONE)
        put_dirichlet(g, z.text, models[0]->dirichlet, trb_net_outputs(models[0]->net));
    else
        put_mixture(g, z.text, M);
    return TRB_OK;
}

/* Lists inputs (first) and outputs. \return how many */
static size_t list_ports(size_t n, const trb_trained *const *models, port *ports)
{
    const trb_shape in = models[0]->info.input;
    const bool rows = in.h * in.w == 1, numbers = models[0]->task == TRB_TASK_REGRESSION;
    const size_t K = trb_net_outputs(models[0]->net);
    size_t M = 0;
    for (size_t i = 0; i < n; i++) M += trb_net_heads(models[i]->net);
    const port x = {
        "x",          "as in the data set", "values as the data set has them, not normalised (pixels: 0 to 255)",
        rows ? 1 : 3, {in.c, in.h, in.w},   type_of_inputs(n, models)};
    const port logits = {"logits",
                         numbers ? "standardised target" : "nats",
                         numbers ? "mean and log variance of each head" : "of each head, before softmax",
                         2,
                         {M, K},
                         TRB__ONNX_FLOAT};
    const port gaussians[] = {
        {"mean", "target", "mean of the mixture of the heads' Gaussians", 0, {0}, type_of_targets(models[0])},
        {"std", "target", "its standard deviation; std^2 = model_std^2 + data_std^2", 0, {0}, TRB__ONNX_FLOAT},
        {"model_std", "target", "standard deviation of the heads' means", 0, {0}, TRB__ONNX_FLOAT},
        {"data_std", "target", "root of the heads' mean variance", 0, {0}, TRB__ONNX_FLOAT}};
    const port classes[] = {{"probabilities", "1", "mean over the heads of softmax(logits)", 1, {K}, TRB__ONNX_FLOAT},
                            {"model_uncertainty",
                             "nats",
                             "what the heads do not agree on: total uncertainty minus the mean entropy of the heads",
                             0,
                             {0},
                             TRB__ONNX_FLOAT},
                            {"total_uncertainty", "nats", "entropy of the probabilities", 0, {0}, TRB__ONNX_FLOAT}};
    size_t count = 0;
    ports[count++] = x;
    ports[count++] = logits;
    for (size_t i = 0; i < (numbers ? 4 : 3); i++) ports[count++] = numbers ? gaussians[i] : classes[i];
    return count;
}

/* ValueInfoProto with the type of a tensor [N][...]. */
static void put_port(trb_buffer *graph, unsigned field, const port *p)
{
    enum { INFO_NAME = 1, INFO_TYPE = 2, TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_SHAPE = 2, SHAPE_DIM = 1 };
    enum { DIM_VALUE = 1, DIM_NAME = 2, INFO_DOC = 3 };
    trb_buffer info = {0}, type = {0}, tensor = {0}, shape = {0}, batch = {0};
    trb_buffer_text(&batch, DIM_NAME, "N");
    trb_buffer_message(&shape, SHAPE_DIM, &batch);
    for (size_t d = 0; d < p->ndim; d++) {
        trb_buffer dim = {0};
        trb_buffer_number(&dim, DIM_VALUE, p->dim[d]);
        trb_buffer_message(&shape, SHAPE_DIM, &dim);
    }
    trb_buffer_number(&tensor, TENSOR_ELEMENT, (uint64_t)p->type);
    trb_buffer_message(&tensor, TENSOR_SHAPE, &shape);
    trb_buffer_message(&type, TYPE_TENSOR, &tensor);
    trb_buffer_text(&info, INFO_NAME, p->name);
    trb_buffer_message(&info, INFO_TYPE, &type);
    trb_buffer_text(&info, INFO_DOC, p->meaning);
    trb_buffer_message(graph, field, &info);
}

static void put_metadata(trb_buffer *model, const char *key, const char *text)
{
    trb_buffer entry = {0};
    trb_buffer_text(&entry, 1, key);
    trb_buffer_text(&entry, 2, text);
    trb_buffer_message(model, MODEL_META, &entry);
}

/* What the weights files say. The description, which is JSON, is there too, so that it cannot get lost. */
static void put_all_metadata(trb_buffer *model, size_t n, const trb_trained *const *models, const char *description)
{
    char key[48], hex[17];
    put_metadata(model, "description", description);
    for (size_t i = 0; i < n; i++) {
        const trb_weights_info *info = &models[i]->info;
        const char *const said[][2] = {{"layers", info->layers},
                                       {"config", info->config},
                                       {"blas", info->blas},
                                       {"program", info->program == NULL ? "" : info->program}};
        for (size_t j = 0; j < 4; j++) {
            (void)snprintf(key, sizeof key, n > 1 ? "%s.%zu" : "%s", said[j][0], i);
            put_metadata(model, key, said[j][1]);
        }
        (void)snprintf(key, sizeof key, n > 1 ? "digest.%zu" : "digest", i);
        trb_hash_hex(info->digest, hex);
        put_metadata(model, key, hex);
    }
}

/* ---- the JSON */

static void describe_port(trb_text *t, const port *p)
{
    trb_text_add(t, "{\"name\": ");
    trb_text_quoted(t, p->name);
    trb_text_add(t, ", \"type\": \"%s\", \"shape\": [\"N\"", p->type == TRB__ONNX_FLOAT ? "float32" : "float64");
    for (size_t d = 0; d < p->ndim; d++) trb_text_add(t, ", %zu", p->dim[d]);
    trb_text_add(t, "], \"unit\": ");
    trb_text_quoted(t, p->unit);
    trb_text_add(t, ", \"meaning\": ");
    trb_text_quoted(t, p->meaning);
    trb_text_add(t, "}");
}

static void describe_names(trb_text *t, const trb_trained *m)
{
    trb_text_add(t, "  \"classes\": ");
    trb_trained_classes(m, t);
    trb_text_add(t, ",\n  \"columns\": ");
    trb_trained_columns(m, t);
    trb_text_add(t, ",\n");
}

static trb_status describe(size_t n, const trb_trained *const *models, size_t n_ports, const port *ports, char **out)
{
    trb_text t = {0};
    char data[32];
    trb_text_add(&t, "{\n  \"format\": \"onnx\", \"opset\": %d, \"task\": \"%s\",\n", OPSET,
                 models[0]->task == TRB_TASK_REGRESSION ? "regression" : "classes");
    trb_text_add(&t, "  \"inputs\": [\n    ");
    describe_port(&t, &ports[0]);
    trb_text_add(&t, "\n  ],\n  \"outputs\": [\n");
    for (size_t i = 1; i < n_ports; i++) {
        trb_text_add(&t, "    ");
        describe_port(&t, &ports[i]);
        trb_text_add(&t, i + 1 < n_ports ? ",\n" : "\n  ],\n");
    }
    describe_names(&t, models[0]);
    trb_text_add(&t, "  \"calibration_temperature\": ");
    /* An ensemble has a temperature of its own, which no weights file knows. */
    trb_text_number(&t, n == 1 && models[0]->temperature > 0.0 ? models[0]->temperature : (double)NAN);
    trb_text_add(&t, ",\n  \"networks\": [\n");
    for (size_t i = 0; i < n; i++) {
        trb_trained_said(models[i], "data_digest", data, sizeof data);
        trb_text_add(&t, "    {\"digest\": \"%016" PRIx64 "\", \"data_digest\": ", models[i]->info.digest);
        trb_text_quoted(&t, data);
        trb_text_add(&t, ", \"heads\": %zu, \"layers\": ", trb_net_heads(models[i]->net));
        trb_text_quoted(&t, models[i]->info.layers);
        trb_text_add(&t, i + 1 < n ? "},\n" : "}\n");
    }
    trb_text_add(&t, "  ]\n}\n");
    return trb_text_take(&t, out);
}

/* ---- the file */

static trb_status make(size_t n, const trb_trained *const *models, const char *path, trb_buffer *file,
                       trb_buffer *beside)
{
    enum { LARGEST = INT32_MAX };
    trb__graph g = {.prefix = ""};
    trb_buffer opset = {0};
    port ports[8];
    char *description = NULL;
    const size_t n_ports = list_ports(n, models, ports);
    trb_status st = TRB_OK;
    TRB_GO(describe(n, models, n_ports, ports, &description));
    TRB_GO(put_networks(&g, n, models));
    trb_buffer_number(file, MODEL_IR, IR_VERSION);
    trb_buffer_text(file, MODEL_PRODUCER, "tribikos");
    trb_buffer_text(file, MODEL_PRODUCER_VERSION, trb_version());
    trb_buffer_text(&opset, 1, "");
    trb_buffer_number(&opset, 2, OPSET);
    trb_buffer_message(file, MODEL_OPSET, &opset);
    put_all_metadata(file, n, models, description);
    if (g.nodes.st == TRB_OK) g.nodes.st = g.tensors.st;
    trb_buffer_add(&g.nodes, g.tensors.at, g.tensors.n);
    trb_buffer_clear(&g.tensors);
    trb_buffer_text(&g.nodes, GRAPH_NAME, "network");
    for (size_t i = 0; i < n_ports; i++) put_port(&g.nodes, i == 0 ? GRAPH_INPUT : GRAPH_OUTPUT, &ports[i]);
    trb_buffer_message(file, MODEL_GRAPH, &g.nodes);
    trb_buffer_add(beside, description, strlen(description));
    TRB_GO(file->st);
    TRB_GO(beside->st);
    if (file->n > LARGEST)
        st =
            trb_fail(TRB_ECONFIG, "%s would have %zu bytes; ONNX holds at most %d in one file", path, file->n, LARGEST);
done:
    trb_buffer_clear(&g.nodes);
    trb_buffer_clear(&g.tensors);
    trb_free(description);
    return st;
}

const trb_export_format trb_export_onnx = {"onnx", ".json", make};
