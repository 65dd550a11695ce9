/* What computes the networks that the presets stand for: oneDNN has reference code for everything, a hundred times
 * slower than the rest, and takes it without a word. Here it is made to say what it runs: never that code on x86-64. On
 * other processors, for which it has less, the program warns of it. */
#include "numbers.h"

#include <unistd.h>

#include "tribikos/log.h"
#include "tribikos/net.h"

static const struct {
    const char *layers, *split;
    trb_shape input;
    size_t heads, rows;
} networks[] = {
    {"lenet5 10", NULL, {1, 28, 28}, 1, 32},
    {"lenet5 10", "conv2", {3, 32, 32}, 3, 32},
    {"resnet8 10", NULL, {1, 28, 28}, 1, 32}, /* and 20, 56, 110: more of the same layers */
    {"resnet8 10", "stage3.block1", {3, 32, 32}, 3, 32},
    {"resnet8 10", "stage2.block1", {3, 32, 32}, 10, 8},
    {"wrn10-1 10", NULL, {3, 32, 32}, 1, 32},
    {"wrn10-4 100", NULL, {3, 32, 32}, 1, 4},
    {"wrn10-10 100", "stage3.block1", {3, 32, 32}, 2, 2},
};
enum { NETWORKS = sizeof networks / sizeof *networks };

/* A line of the library's, as it is printed since version 2: "onednn_verbose,[v1,][primitive,]exec,cpu,KIND,NAME,PASS,".
 */
enum { WORD = 128 };
typedef struct {
    char kind[WORD], name[WORD], pass[WORD];
} kernel;

static bool read_kernel(const char *line, kernel *k)
{
    static const char begin[] = "exec,cpu,";
    const char *at = strstr(line, begin);
    if (at == NULL || sscanf(at + strlen(begin), "%127[^,],%127[^,],%127[^,]", k->kind, k->name, k->pass) != 3)
        return false;
    return strcmp(k->kind, "convolution") == 0 || strcmp(k->kind, "pooling") == 0 ||
           strcmp(k->kind, "pooling_v2") == 0 || strcmp(k->kind, "batch_normalization") == 0 ||
           strcmp(k->kind, "matmul") == 0;
}

/* The word `ref` in a name: "ref:any", "gemm:ref". */
static bool is_reference(const char *name)
{
    for (const char *at = strstr(name, "ref"); at != NULL; at = strstr(at + 1, "ref"))
        if ((at == name || at[-1] == ':' || at[-1] == '_') && (at[3] == '\0' || at[3] == ':' || at[3] == '_'))
            return true;
    return false;
}

/* Both passes of training, with the gradient by the inputs, and inference. */
static void run(size_t i)
{
    const size_t rows = networks[i].rows;
    char *layers = NULL;
    trb_net *net = NULL;
    trb_work *training = NULL, *inference = NULL;
    const float *z = NULL;
    if (networks[i].split != NULL) assert_ok(trb_net_insert_split(networks[i].layers, networks[i].split, &layers));
    assert_ok(trb_net_create(layers != NULL ? layers : networks[i].layers, networks[i].input, networks[i].heads, &net));
    assert_ok(trb_work_create(net, rows, true, &training));
    assert_ok(trb_work_create(net, rows, false, &inference));
    const size_t n = trb_net_size(net), inputs = rows * trb_net_inputs(net),
                 outputs = rows * trb_net_heads(net) * trb_net_outputs(net);
    float *weights = room(n, sizeof *weights), *grad = room(n, sizeof *grad), *x = normals(inputs, 1.0F, 1),
          *dx = room(inputs, sizeof *dx), *dz = normals(outputs, 1.0F, 2);
    int64_t *ids = room(rows, sizeof *ids);
    trb_net_init(net, TRB_INIT_HE, 3, 0, weights);
    assert_ok(trb_net_forward(net, training, weights, rows, x, &(trb_draw){.seed = 1, .sample = ids}, &z));
    assert_ok(trb_net_backward(net, training, weights, dz, grad, dx));
    assert_ok(trb_net_forward(net, inference, weights, rows, x, NULL, &z));
    trb_free(weights), trb_free(grad), trb_free(x), trb_free(dx), trb_free(dz), trb_free(ids), trb_free(layers);
    trb_work_destroy(training), trb_work_destroy(inference);
    trb_net_destroy(net);
}

/* What the library prints, and the program's warnings, go to a file meanwhile. */
static FILE *listen(size_t i)
{
    FILE *heard = tmpfile();
    assert_non_null(heard);
    (void)fflush(stdout);
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    assert_true(out >= 0 && dup2(fileno(heard), STDOUT_FILENO) >= 0);
    assert_true(err >= 0 && dup2(fileno(heard), STDERR_FILENO) >= 0);
    run(i);
    (void)fflush(stdout);
    assert_true(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
    (void)close(out), (void)close(err);
    rewind(heard);
    return heard;
}

/* Prints each that was not met before; counts them by kind. \param[in,out] warned  the program has said it, once */
static void judge(FILE *heard, size_t *convolutions, size_t *slow, bool *warned)
{
    static char met[200][4 * WORD];
    static size_t n_met;
    static char line[4096];
    kernel k;
    while (fgets(line, sizeof line, heard) != NULL) {
        *warned = *warned || strstr(line, "warning: oneDNN has only reference code (") != NULL;
        if (!read_kernel(line, &k)) continue;
        *convolutions += strcmp(k.kind, "convolution") == 0;
        *slow += is_reference(k.name);
        size_t i = 0;
        char words[sizeof *met];
        (void)snprintf(words, sizeof words, "%s %s by %s", k.kind, k.pass, k.name);
        while (i < n_met && strcmp(met[i], words) != 0) i++;
        if (i < n_met || n_met == sizeof met / sizeof *met) continue;
        (void)strcpy(met[n_met++], words);
        print_message("%s\n", words);
    }
}

static void every_preset(void)
{
    static bool warned;
    trb_log_open(true, 0.0);
    for (size_t i = 0; i < NETWORKS; i += brief() ? 2 : 1) {
        size_t convolutions = 0, slow = 0;
        FILE *heard = listen(i);
        judge(heard, &convolutions, &slow, &warned);
        (void)fclose(heard);
        if (slow > 0) print_message("%s: %zu calls of reference code\n", networks[i].layers, slow);
        assert_true(slow == 0 || warned);
#if defined __x86_64__
        assert_int_equal(slow, 0);
        assert_false(warned);
#endif
        assert_true(convolutions >= 8); /* else the library did not say, or the lines were not understood */
    }
}

static void nothing_is_left_to_reference_code(void **state)
{
    (void)state;
    every_preset();
}

static void nor_in_bfloat16(void **state)
{
    (void)state;
    bfloat16_or_skip();
    every_preset();
    assert_ok(trb_precision_set(TRB_PRECISION_F32));
}

int main(void)
{
    (void)setenv("DNNL_VERBOSE", "1", 1); /* before the library is first used */
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_left_to_reference_code),
                                       cmocka_unit_test(nor_in_bfloat16), cmocka_unit_test(nothing_is_held)};
    return cmocka_run_group_tests(tests, open_blas, NULL);
}
