/* Weights files: what `tribikos info` reads of any file, and what the library takes from them to predict. */
#include "common/fuzz.h"

#include "tribikos/trained.h"

static fuzz_base base;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    static const float mean[2] = {0, 1}, scale[2] = {1, 2};
    trb_net *net = NULL;
    float params[64] = {0};
    FUZZ_MUST(trb_net_create("dense 3, relu, split, dense 2", (trb_shape){2, 1, 1}, 2, &net) == TRB_OK);
    FUZZ_MUST(trb_net_size(net) <= 64);
    for (size_t i = 0; i < trb_net_size(net); i++) params[i] = (float)i;
    FUZZ_MUST(trb_weights_write(fuzz_path("base.h5"), net, params, (trb_norm){.mean = mean, .scale = scale},
                                "seed: 1\n", "", NULL) == TRB_OK);
    trb_net_destroy(net);
    fuzz_base_keep(&base, fuzz_path("base.h5"));
    return 0;
}

static trb_status visit_attribute(void *ctx, const char *name, const char *value)
{
    *(size_t *)ctx += strlen(name) + strlen(value);
    return TRB_OK;
}

static trb_status visit_set(void *ctx, const char *name, const trb_h5_shape *shape)
{
    *(size_t *)ctx += strlen(name) + shape->ndim;
    return TRB_OK;
}

/* A file that is taken must give predictions, or one line. The network itself is not computed: a layer may be as wide as
 * it likes. */
static trb_status use(const char *path)
{
    enum { MOST = 4096 };
    static float z[MOST], p[MOST];
    static double u;
    trb_trained t;
    trb_status st = trb_trained_read(path, &t);
    if (st == TRB_OK && trb_net_heads(t.net) * trb_net_outputs(t.net) <= MOST)
        st = trb_trained_predict(&t, 1, z, &(trb_trained_out){.probabilities = p, .model_uncertainty = &u, .std = &u});
    trb_trained_clear(&t);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *path = fuzz_base_edit(&base, "w.h5", (fuzz_input){data, n});
    trb_weights_info info = {0};
    trb_net *net = NULL;
    float *params = NULL;
    trb_h5 *h = NULL;
    size_t seen = 0;
    trb_status st = trb_weights_read(path, &info, &net, &params);
    trb_weights_info_clear(&info);
    trb_net_destroy(net);
    trb_free(params);
    fuzz_settle(st);
    fuzz_settle(use(path));
    st = trb_h5_open(path, &h);
    if (st == TRB_OK) st = trb_h5_each_attr(h, visit_attribute, &seen);
    if (st == TRB_OK) st = trb_h5_each(h, visit_set, &seen);
    trb_h5_close(h);
    fuzz_settle(st);
    return 0;
}
