/* Weights files, and the attributes that weights files and checkpoints share. */
#include "tribikos/weights.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "internal.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/version.h"

static const char *const FORMAT = "tribikos weights";
enum { VERSION = 1 };

void trb_weights_info_clear(trb_weights_info *info)
{
    trb_free(info->layers);
    trb_free(info->config);
    trb_free(info->blas);
    trb_free(info->program);
    trb_free(info->schema);
    trb_free(info->constants);
    trb_free(info->offset);
    *info = (trb_weights_info){.layers = NULL};
}

static trb_h5_shape tensor_shape(const trb_param *p)
{
    trb_h5_shape s = {.type = TRB_F32, .ndim = p->ndim};
    for (size_t d = 0; d < p->ndim; d++) s.dim[d] = p->shape[d];
    return s;
}

/* The `digest` of a file. It takes the tensors one by one, in the order of the table, so a reader needs only the file
 * to compute it. */
static trb_status digest_of(const char *layers, const trb_net *net, const float *params, trb_norm norm,
                            uint64_t *digest)
{
    trb_hash *hash = NULL;
    const trb_shape in = trb_net_shape(net);
    const uint64_t sizes[4] = {in.c, in.h, in.w, trb_net_heads(net)};
    TRB_TRY(trb_hash_open(&hash));
    trb_hash_add(hash, layers, strlen(layers));
    trb_hash_add(hash, sizes, sizeof sizes);
    trb_hash_add(hash, norm.mean, in.c * sizeof *norm.mean);
    trb_hash_add(hash, norm.scale, in.c * sizeof *norm.scale);
    if (norm.offset != NULL) trb_hash_add(hash, norm.offset, in.c * sizeof *norm.offset);
    if (norm.target_scale != 0.0) {
        trb_hash_add(hash, &norm.target_mean, sizeof norm.target_mean);
        trb_hash_add(hash, &norm.target_scale, sizeof norm.target_scale);
    }
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        trb_hash_add(hash, params + p->offset, p->count * sizeof *params);
    }
    *digest = trb_hash_value(hash);
    trb_hash_close(hash);
    return TRB_OK;
}

trb_status trb__values_check(const char *path, trb_status st, const trb_param *p, size_t from, size_t n,
                             const float *values)
{
    const bool variance = p->statistic && p->start > 0.0F; /* running variances start at one, running means at zero */
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            return trb_fail(st, "%s: value %zu of tensor %s is not finite", path, from + i, p->name);
        if (variance && values[i] < 0.0F)
            return trb_fail(st, "%s: value %zu of tensor %s is %g, a variance below 0", path, from + i, p->name,
                            (double)values[i]);
    }
    return TRB_OK;
}

static const char *const constants[] = {"input.mean", "input.scale", "target.mean", "target.scale", "input.offset"};

static trb_status write_constants(trb_h5 *h, size_t channels, trb_norm norm)
{
    const trb_h5_shape inputs = {TRB_F32, 1, {channels}}, one = {TRB_F64, 1, {1}};
    TRB_TRY(trb_h5_put(h, constants[0], inputs, norm.mean));
    TRB_TRY(trb_h5_put(h, constants[1], inputs, norm.scale));
    if (norm.offset != NULL) TRB_TRY(trb_h5_put(h, constants[4], (trb_h5_shape){TRB_F64, 1, {channels}}, norm.offset));
    if (norm.target_scale == 0.0) return TRB_OK;
    TRB_TRY(trb_h5_put(h, constants[2], one, &norm.target_mean));
    return trb_h5_put(h, constants[3], one, &norm.target_scale);
}

/* \param[out] values,offset  [2][channels] and [channels], released by the caller, after a failure too; `norm` borrows
 * them */
static trb_status read_constants(trb_h5 *h, size_t channels, float **values, double **offset, trb_norm *norm)
{
    const trb_h5_shape inputs = {TRB_F32, 1, {channels}}, one = {TRB_F64, 1, {1}};
    for (int i = 0; i < 2; i++) TRB_TRY(trb_h5_expect(h, constants[i], inputs));
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * channels, sizeof **values, values));
    for (size_t i = 0; i < 2; i++)
        TRB_TRY(trb_h5_read_rows(h, constants[i], TRB_F32, 0, channels, *values + i * channels));
    *norm = (trb_norm){.mean = *values, .scale = *values + channels};
    if (trb_h5_has(h, constants[4])) {
        TRB_TRY(trb_h5_expect(h, constants[4], (trb_h5_shape){TRB_F64, 1, {channels}}));
        TRB_TRY(trb_alloc(TRB_MEM_OTHER, channels, sizeof **offset, offset));
        TRB_TRY(trb_h5_read_rows(h, constants[4], TRB_F64, 0, channels, *offset));
        norm->offset = *offset;
    }
    if (!trb_h5_has(h, constants[3])) return TRB_OK;
    for (int i = 2; i < 4; i++) TRB_TRY(trb_h5_expect(h, constants[i], one));
    TRB_TRY(trb_h5_read_rows(h, constants[2], TRB_F64, 0, 1, &norm->target_mean));
    return trb_h5_read_rows(h, constants[3], TRB_F64, 0, 1, &norm->target_scale);
}

trb_status trb__header_put(trb_h5 *h, const char *format, uint64_t version, const trb_net *net, const char *config)
{
    const trb_shape in = trb_net_shape(net);
    TRB_TRY(trb_h5_put_text(h, "format", format));
    TRB_TRY(trb_h5_put_u64(h, "version", version));
    TRB_TRY(trb_h5_put_text(h, "layers", trb_net_layers(net)));
    TRB_TRY(trb_h5_put_u64(h, "input_c", in.c));
    TRB_TRY(trb_h5_put_u64(h, "input_h", in.h));
    TRB_TRY(trb_h5_put_u64(h, "input_w", in.w));
    TRB_TRY(trb_h5_put_u64(h, "heads", trb_net_heads(net)));
    return trb_h5_put_text(h, "config", config);
}

/* As a text, which every program can print, and which keeps all digits. */
static trb_status write_temperature(trb_h5 *h, double temperature)
{
    char text[TRB_NUMBER_BYTES];
    trb_number_shortest(temperature, 1, text);
    TRB_TRY(trb_h5_put_text(h, "temperature", text));
    return trb_h5_put_u64(h, "temperature_digest", trb_hash_text(text));
}

static trb_status read_temperature(trb_h5 *h, double *temperature)
{
    char *text = NULL;
    uint64_t digest = 0;
    double value = 0.0;
    trb_status st = TRB_OK;
    if (!trb_h5_has_attr(h, "temperature")) return TRB_OK;
    TRB_GO(trb_h5_get_text(h, "temperature", &text));
    TRB_GO(trb_h5_get_u64(h, "temperature_digest", &digest));
    if (trb_hash_text(text) != digest)
        st =
            trb_fail(TRB_EINTEGRITY, "%s: the digest of its temperature is not its temperature_digest", trb_h5_path(h));
    else if (!trb_number_read(text, strlen(text), &value) || !isfinite(value) || value <= 0.0)
        st = trb_fail(TRB_EINTEGRITY, "%s: its temperature is `%s`, expected a number above 0", trb_h5_path(h), text);
    if (st == TRB_OK) *temperature = value;
done:
    trb_free(text);
    return st;
}

trb_status trb_weights_write(const char *path, const trb_net *net, const float *params, trb_norm norm,
                             const char *config, const char *blas, uint64_t *digest)
{
    trb_status st = TRB_OK;
    trb_h5 *h = NULL;
    uint64_t value = 0;
    TRB_GO(digest_of(trb_net_layers(net), net, params, norm, &value));
    TRB_GO(trb_h5_create(path, &h));
    TRB_GO(trb__header_put(h, FORMAT, VERSION, net, config));
    TRB_GO(trb_h5_put_u64(h, "config_digest", trb_hash_text(config)));
    TRB_GO(trb_h5_put_text(h, "blas", blas));
    if (trb_version()[0] != '\0') TRB_GO(trb_h5_put_text(h, "program", trb_version()));
    TRB_GO(trb_h5_put_u64(h, "digest", value));
    if (norm.schema != NULL && norm.schema[0] != '\0') {
        TRB_GO(trb_h5_put_text(h, "schema", norm.schema));
        TRB_GO(trb_h5_put_u64(h, "schema_digest", trb_hash_text(norm.schema)));
    }
    if (norm.temperature > 0.0) TRB_GO(write_temperature(h, norm.temperature));
    TRB_GO(write_constants(h, trb_net_shape(net).c, norm));
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        TRB_GO(trb__values_check(path, TRB_ENUM, p, 0, p->count, params + p->offset));
        TRB_GO(trb_h5_put(h, p->name, tensor_shape(p), params + p->offset));
    }
    st = trb_h5_publish(h);
    h = NULL;
    if (st == TRB_OK && digest != NULL) *digest = value;
done:
    trb_h5_close(h);
    return st;
}

/* Read one of the sizes from which a network is built. The bound keeps products of these sizes within a size_t. */
static trb_status get_size(trb_h5 *h, const char *name, size_t *size)
{
    uint64_t value = 0;
    TRB_TRY(trb_h5_get_u64(h, name, &value));
    if (value < 1 || value >= 1u << 20)
        return trb_fail(TRB_EINTEGRITY, "%s: %s is %" PRIu64 ", expected 1 to %u", trb_h5_path(h), name, value,
                        (1u << 20) - 1);
    *size = (size_t)value;
    return TRB_OK;
}

static trb_status check_format(trb_h5 *h, const char *format, uint64_t version)
{
    char *found = NULL;
    uint64_t number = 0;
    trb_status st = TRB_OK;
    TRB_GO(trb_h5_get_text(h, "format", &found));
    TRB_GO(trb_h5_get_u64(h, "version", &number));
    if (strcmp(found, format) != 0 || number != version)
        st = trb_fail(TRB_EINTEGRITY, "%s: is \"%s\" version %" PRIu64 ", expected \"%s\" version %" PRIu64,
                      trb_h5_path(h), found, number, format, version);
done:
    trb_free(found);
    return st;
}

trb_status trb__header_get(trb_h5 *h, const char *format, uint64_t version, char **layers, trb_shape *input,
                           size_t *heads, char **config)
{
    TRB_TRY(check_format(h, format, version));
    TRB_TRY(trb_h5_get_text(h, "layers", layers));
    TRB_TRY(get_size(h, "input_c", &input->c));
    TRB_TRY(get_size(h, "input_h", &input->h));
    TRB_TRY(get_size(h, "input_w", &input->w));
    TRB_TRY(get_size(h, "heads", heads));
    return trb_h5_get_text(h, "config", config);
}

static trb_status read_schema(trb_h5 *h, char **schema)
{
    uint64_t digest = 0;
    if (!trb_h5_has_attr(h, "schema")) return trb_strdup("", schema);
    TRB_TRY(trb_h5_get_text(h, "schema", schema));
    TRB_TRY(trb_h5_get_u64(h, "schema_digest", &digest));
    if (trb_hash_text(*schema) == digest) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY, "%s: the digest of its schema is not its schema_digest", trb_h5_path(h));
}

static trb_status read_header(trb_h5 *h, trb_weights_info *info)
{
    TRB_TRY(trb__header_get(h, FORMAT, VERSION, &info->layers, &info->input, &info->heads, &info->config));
    TRB_TRY(trb_h5_get_u64(h, "config_digest", &info->config_digest));
    TRB_TRY(trb_h5_get_text(h, "blas", &info->blas));
    if (trb_h5_has_attr(h, "program")) TRB_TRY(trb_h5_get_text(h, "program", &info->program));
    TRB_TRY(trb_h5_get_u64(h, "digest", &info->digest));
    TRB_TRY(read_schema(h, &info->schema));
    if (trb_hash_text(info->config) != info->config_digest)
        return trb_fail(TRB_EINTEGRITY, "%s: the digest of its config is not its config_digest", trb_h5_path(h));
    return TRB_OK;
}

/* If the parser of layer lists refuses the list, the file is at fault, not the user. */
trb_status trb__net_build(trb_h5 *h, const char *layers, trb_shape input, size_t heads, trb_net **net)
{
    const trb_status st = trb_net_create(layers, input, heads, net);
    if (st == TRB_OK || st == TRB_ENOMEM) return st;
    return trb_fail_of(TRB_EINTEGRITY, "%s: its layers do not make a network: ", trb_h5_path(h));
}

typedef struct {
    const char *path;
    const trb_net *net;
} known;

static trb_status expect_known(void *ctx, const char *name, const trb_h5_shape *shape)
{
    const known *k = ctx;
    (void)shape;
    for (size_t i = 0; i < trb_net_n_params(k->net); i++)
        if (strcmp(name, trb_net_param(k->net, i)->name) == 0) return TRB_OK;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (strcmp(name, constants[i]) == 0) return TRB_OK;
    return trb_fail(TRB_EINTEGRITY, "%s: holds a tensor %s that its layers do not have", k->path, name);
}

static trb_status read_tensors(trb_h5 *h, const trb_net *net, float **params)
{
    trb_status st = TRB_OK;
    float *values = NULL;
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        TRB_GO(trb_h5_expect(h, p->name, tensor_shape(p)));
    }
    TRB_GO(trb_h5_each(h, expect_known, &(known){.path = trb_h5_path(h), .net = net}));
    TRB_GO(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *values, &values));
    for (size_t i = 0; i < trb_net_n_params(net); i++) {
        const trb_param *p = trb_net_param(net, i);
        TRB_GO(trb_h5_read_rows(h, p->name, TRB_F32, 0, p->shape[0], values + p->offset));
        TRB_GO(trb__values_check(trb_h5_path(h), TRB_EINTEGRITY, p, 0, p->count, values + p->offset));
    }
    *params = values;
    values = NULL;
done:
    trb_free(values);
    return st;
}

trb_status trb_weights_read(const char *path, trb_weights_info *info, trb_net **net, float **params)
{
    trb_status st = TRB_OK;
    trb_h5 *h = NULL;
    trb_weights_info found = {.layers = NULL};
    trb_net *built = NULL;
    float *values = NULL;
    uint64_t digest = 0;
    TRB_GO(trb_h5_open(path, &h));
    TRB_GO(read_header(h, &found));
    TRB_GO(trb__net_build(h, found.layers, found.input, found.heads, &built));
    TRB_GO(read_tensors(h, built, &values));
    TRB_GO(read_constants(h, found.input.c, &found.constants, &found.offset, &found.norm));
    found.norm.schema = found.schema;
    TRB_GO(read_temperature(h, &found.norm.temperature));
    TRB_GO(digest_of(found.layers, built, values, found.norm, &digest));
    if (digest != found.digest) {
        st = trb_fail(TRB_EINTEGRITY, "%s: its digest is %016" PRIx64 ", but its contents give %016" PRIx64, path,
                      found.digest, digest);
        goto done;
    }
    if (info != NULL) {
        *info = found;
        found = (trb_weights_info){.layers = NULL};
    }
    if (net != NULL) {
        *net = built;
        built = NULL;
    }
    if (params != NULL) {
        *params = values;
        values = NULL;
    }
done:
    trb_free(values);
    trb_net_destroy(built);
    trb_weights_info_clear(&found);
    trb_h5_close(h);
    return st;
}
