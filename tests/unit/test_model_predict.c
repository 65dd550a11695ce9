/* The library's functions, and reading a trained network: predictions against the passes and metrics that eval uses, two
 * tasks, the kinds of outputs, threads, and what is refused. */
#include "scratch.h"

#include <math.h>
#include <pthread.h>

#include "tribikos/blas.h"
#include "tribikos/log.h"
#include "tribikos/metrics_gaussian.h"
#include "tribikos/model.h"
#include "tribikos/trained.h"

enum { N = 70, D = 6, M = 3, K = 4 };
static const float MEAN[D] = {1, 2, 3, 4, 5, 6}, SCALE[D] = {0.5F, 1, 2, 0.25F, 1, 1};
static float x[N * D];

static void fill(size_t n, float *values, float scale)
{
    for (size_t i = 0; i < n; i++) values[i] = scale * sinf(1.7F * (float)i + 1.0F);
}

/* Publish a network. \return its path */
static const char *publish(const char *name, const char *layers, trb_shape input, size_t heads, trb_norm norm,
                           const char *config)
{
    trb_net *net = NULL;
    float *params = NULL;
    const char *path = in_scratch("%s.h5", name);
    assert_ok(trb_net_create(layers, input, heads, &net));
    assert_ok(trb_alloc(TRB_MEM_WEIGHTS, trb_net_size(net), sizeof *params, &params));
    fill(trb_net_size(net), params, 0.7F);
    for (size_t i = 0; i < trb_net_n_params(net); i++) { /* variances are positive */
        const trb_param *p = trb_net_param(net, i);
        for (size_t j = 0; p->statistic && j < p->count; j++)
            params[p->offset + j] = fabsf(params[p->offset + j]) + 0.1F;
    }
    assert_ok(trb_weights_write(path, net, params, norm, config, "", NULL));
    trb_free(params);
    trb_net_destroy(net);
    return path;
}

static const trb_norm CLASSES = {.mean = MEAN, .scale = SCALE},
                      REGRESSION = {.mean = MEAN, .scale = SCALE, .target_mean = 50.0, .target_scale = 8.0};
static const trb_shape ROW = {D, 1, 1};

static const char *classes(const char *config)
{
    return publish("classes", "dense 5, relu, split, dense 5, tanh, dense 4", ROW, M, CLASSES, config);
}

/* Logits of rows [first, first + rows) by the passes that eval uses. */
static void forward(const trb_trained *t, size_t rows, const float *raw, float *z)
{
    trb_work *work = NULL;
    const float *out = NULL;
    float *in = NULL;
    assert_ok(trb_alloc(TRB_MEM_OTHER, rows * D, sizeof *in, &in));
    for (size_t i = 0; i < rows * D; i++) in[i] = (raw[i] - MEAN[i % D]) * SCALE[i % D];
    assert_ok(trb_work_create(t->net, rows, false, &work));
    assert_ok(trb_net_forward(t->net, work, t->params, rows, in, NULL, &out));
    memcpy(z, out, rows * trb_net_heads(t->net) * trb_net_outputs(t->net) * sizeof *z);
    trb_work_destroy(work);
    trb_free(in);
}

static void predicts_as_eval(void **state)
{
    (void)state;
    enum { BLOCK = 32 };
    static float logits[N * M * K], z[N * M * K], p[N * K], log_p[N * K];
    static double total[N], model_part[N], data[N];
    static trb_row_figures row[N];
    trb_trained t;
    trb_model *model = NULL;
    const char *path = classes("");
    assert_ok(trb_trained_read(path, &t));
    assert_int_equal(trb_model_open(path, BLOCK, &model), TRB_MODEL_OK);
    assert_false(trb_log_first(1)); /* a host's stderr is its own */
    const trb_model_outputs out = {.logits = logits,
                                   .probabilities = p,
                                   .total_uncertainty = total,
                                   .model_uncertainty = model_part,
                                   .data_uncertainty = data};
    assert_int_equal(trb_model_predict(model, N, x, &out), TRB_MODEL_OK);
    for (size_t at = 0; at < N; at += BLOCK) {
        const size_t rows = N - at < BLOCK ? N - at : BLOCK;
        forward(&t, rows, x + at * D, z + at * M * K);
    }
    assert_memory_equal(z, logits, sizeof z);
    assert_ok(
        trb_metrics_block(trb_predict_mixture, N, M, K, z, NULL, 1, &(trb_metrics_out){.log_p = log_p, .row = row}));
    for (size_t i = 0; i < N * K; i++) assert_true(p[i] == (float)exp((double)log_p[i]));
    for (size_t i = 0; i < N; i++) {
        assert_true(total[i] == row[i].total && data[i] == row[i].data && model_part[i] == row[i].total - row[i].data);
        assert_true(model_part[i] > 1e-6);
    }
    assert_string_equal(trb_model_message(model), "");
    assert_true(trb_model_inputs(model) == D && trb_model_heads(model) == M && trb_model_outputs_of_head(model) == K);
    assert_true(trb_model_digest(model) == t.info.digest && trb_model_is_regression(model) == 0);
    assert_null(trb_model_class_name(model, 0));
    trb_model_close(model);
    trb_trained_clear(&t);
}

/* Calibrated probabilities are p^(1/T) / sum p^(1/T); a file without a temperature has none. */
static void calibrates_by_the_files_temperature(void **state)
{
    (void)state;
    static float p[N * K], q[N * K];
    trb_norm norm = CLASSES;
    trb_model *model = NULL;
    const trb_model_outputs out = {.probabilities = p, .calibrated = q};
    assert_int_equal(trb_model_open(classes(""), 0, &model), TRB_MODEL_OK);
    assert_true(trb_model_temperature(model) == 0.0);
    assert_int_equal(trb_model_predict(model, N, x, &out), TRB_MODEL_EUSAGE);
    assert_non_null(strstr(trb_model_message(model), "has no temperature"));
    trb_model_close(model);
    norm.temperature = 1.75;
    const char *path = publish("warm", "dense 5, relu, split, dense 5, tanh, dense 4", ROW, M, norm, "");
    assert_int_equal(trb_model_open(path, 32, &model), TRB_MODEL_OK);
    assert_true(trb_model_temperature(model) == 1.75);
    assert_int_equal(trb_model_predict(model, N, x, &out), TRB_MODEL_OK);
    float moved = 0.0F;
    for (size_t i = 0; i < N * K; i += K) { /* p is rounded to single precision first */
        double sum = 0.0;
        for (size_t k = 0; k < K; k++) sum += pow((double)p[i + k], 1.0 / 1.75);
        for (size_t k = 0; k < K; k++)
            assert_true(fabs((double)q[i + k] - pow((double)p[i + k], 1.0 / 1.75) / sum) < 1e-6);
        moved = fmaxf(moved, fabsf(p[i] - q[i]));
    }
    assert_true(moved > 0.01F);
    trb_model_close(model);
}

static void predicts_numbers(void **state)
{
    (void)state;
    static float z[N * M * 2];
    static double mean[N], std[N], model_std[N], data_std[N];
    trb_model *model = NULL;
    const char *path = publish("numbers", "dense 5, tanh, split, dense 2", ROW, M, REGRESSION, "");
    assert_int_equal(trb_model_open(path, 0, &model), TRB_MODEL_OK);
    const trb_model_outputs out = {.logits = z, .mean = mean, .std = std, .model_std = model_std, .data_std = data_std};
    assert_int_equal(trb_model_predict(model, N, x, &out), TRB_MODEL_OK);
    assert_int_equal(trb_model_is_regression(model), 1);
    for (size_t i = 0; i < N; i++) {
        double mu = 0.0, squares = 0.0, variance = 0.0;
        for (size_t m = 0; m < M; m++) {
            const double one = 50.0 + 8.0 * (double)z[(i * M + m) * 2];
            mu += one / M;
            squares += one * one / M;
            variance += 64.0 * exp((double)z[(i * M + m) * 2 + 1]) / M;
        }
        assert_true(fabs(mean[i] - mu) < 1e-9 && fabs(data_std[i] - sqrt(variance)) < 1e-9);
        assert_true(fabs(model_std[i] * model_std[i] - (squares - mu * mu)) < 1e-8);
        assert_true(fabs(std[i] - hypot(model_std[i], data_std[i])) < 1e-9);
    }
    trb_model_close(model);
}

/* Values of which float32 would lose all digits: the same predictions as of their differences from the offsets. */
static void takes_doubles(void **state)
{
    (void)state;
    static const double offset[D] = {1.6e9, -3e12, 0, 4e9, 5, 6}, none[D] = {0};
    static const char *const layers = "dense 5, relu, split, dense 4",
                             *const words =
                                 "{\"header\": true, \"layout\": \"auto\", \"columns\": 6, \"inputs\": [\n"
                                 "{\"column\": 0, \"name\": \"age\"}, {\"column\": 1, \"name\": \"city\", "
                                 "\"category\": \"Oslo\"}, {\"column\": 1, \"name\": \"city\", \"category\": "
                                 "\"Rome\"}, {\"column\": 2, \"name\": \"a\"}, {\"column\": 3, \"name\": "
                                 "\"b\"}, {\"column\": 4, \"name\": \"c\"}]}";
    static float expected[N * M * K], z[N * M * K], eighths[N * D];
    static double wide[N * D];
    for (size_t i = 0; i < N * D; i++) {
        eighths[i] = floorf(8.0F * x[i]) / 8.0F; /* such sums are exact */
        wide[i] = (double)eighths[i] + offset[i % D];
    }
    trb_model *near = NULL, *far = NULL, *zero = NULL;
    const trb_norm moved = {.mean = MEAN, .scale = SCALE, .offset = offset, .schema = words},
                   unmoved = {.mean = MEAN, .scale = SCALE, .offset = none};
    assert_int_equal(trb_model_open(publish("near", layers, ROW, M, CLASSES, ""), 0, &near), TRB_MODEL_OK);
    assert_int_equal(trb_model_open(publish("far", layers, ROW, M, moved, ""), 0, &far), TRB_MODEL_OK);
    assert_int_equal(trb_model_open(publish("zero", layers, ROW, M, unmoved, ""), 0, &zero), TRB_MODEL_OK);
    assert_int_equal(trb_model_predict(near, N, eighths, &(trb_model_outputs){.logits = expected}), TRB_MODEL_OK);
    assert_int_equal(trb_model_predict_double(far, N, wide, &(trb_model_outputs){.logits = z}), TRB_MODEL_OK);
    assert_memory_equal(z, expected, sizeof z);
    for (size_t i = 0; i < N * D; i++) wide[i] = (double)eighths[i];
    assert_int_equal(trb_model_predict_double(near, N, wide, &(trb_model_outputs){.logits = z}), TRB_MODEL_OK);
    assert_memory_equal(z, expected, sizeof z);
    assert_int_equal(trb_model_predict(zero, N, eighths, &(trb_model_outputs){.logits = z}), TRB_MODEL_OK);
    assert_memory_equal(z, expected, sizeof z);
    assert_true(trb_model_needs_double(far) == 1 && trb_model_needs_double(near) == 0 &&
                trb_model_needs_double(zero) == 0);
    assert_int_equal(trb_model_predict(far, N, eighths, &(trb_model_outputs){.logits = z}), TRB_MODEL_EUSAGE);
    assert_non_null(strstr(trb_model_message(far), "call trb_model_predict_double"));
    wide[2 * D + 1] = 1e300; /* finite, but not as a float32 */
    assert_int_equal(trb_model_predict_double(near, N, wide, &(trb_model_outputs){.logits = z}), TRB_MODEL_ENUM);
    assert_non_null(strstr(trb_model_message(near), "row 2, input 1 is 1e+300"));
    assert_string_equal(trb_model_input_name(far, 0), "age");
    assert_string_equal(trb_model_input_name(far, 1), "city=Oslo");
    assert_string_equal(trb_model_input_name(far, 2), "city=Rome");
    assert_null(trb_model_input_name(far, D));
    assert_null(trb_model_input_name(near, 0));
    trb_model_close(near);
    trb_model_close(far);
    trb_model_close(zero);
}

/* The method in the configuration says what one head means. */
static void reads_the_method(void **state)
{
    (void)state;
    static const float z[2] = {1.0F, 2.0F};
    float p[2];
    double u[2] = {0};
    const char *layers = "dense 2";
    static const char *const config[] = {"", "method: kd\n", "a: 1\nmethod: endd\nb: 2\n",
                                         "xmethod: endd\nmethods:endd\n"};
    for (size_t i = 0; i < 4; i++) {
        trb_trained t;
        assert_ok(trb_trained_read(publish("one", layers, ROW, 1, CLASSES, config[i]), &t));
        assert_int_equal(t.dirichlet, i == 2 ? TRB_DIRICHLET_EXP : TRB_DIRICHLET_NONE);
        assert_ok(
            trb_trained_predict(&t, 1, z, &(trb_trained_out){.probabilities = p, .model_uncertainty = &u[i == 2]}));
        assert_true(fabsf(p[1] - (float)(1.0 / (1.0 + exp(-1.0)))) < 1e-7F);
        trb_trained_clear(&t);
    }
    assert_true(u[0] == 0.0 && u[1] > 0.01);
    trb_trained t;
    assert_fails(trb_trained_read(publish("two", "dense 5, split, dense 4", ROW, 2, CLASSES, "method: endd\n"), &t),
                 TRB_EINTEGRITY, "endd, which has one head");
    trb_trained_clear(&t);
}

static void refuses(void **state)
{
    (void)state;
    static const float nan_mean[D] = {1, NAN};
    static float p[K], bad[3 * D];
    static double u[1];
    trb_trained t;
    trb_model *model = NULL;
    const trb_norm hostile[] = {{.mean = nan_mean, .scale = SCALE},
                                {.mean = MEAN, .scale = SCALE, .target_mean = 1.0, .target_scale = INFINITY},
                                {.mean = MEAN, .scale = SCALE, .target_mean = 1.0, .target_scale = -2.0}};
    for (size_t i = 0; i < 3; i++) {
        assert_fails(trb_trained_read(publish("hostile", "dense 2", ROW, 1, hostile[i], ""), &t), TRB_EINTEGRITY,
                     "finite");
        trb_trained_clear(&t);
    }
    assert_fails(trb_trained_read(publish("three", "dense 3", ROW, 1, REGRESSION, ""), &t), TRB_EINTEGRITY,
                 "regression has 2");
    trb_trained_clear(&t);
    assert_int_equal(trb_model_open(in_scratch("none.h5"), 0, &model), TRB_MODEL_EUSAGE);
    assert_null(model);
    assert_non_null(strstr(trb_model_message(NULL), "none.h5"));
    assert_int_equal(trb_model_open(NULL, 0, &model), TRB_MODEL_EUSAGE);
    assert_int_equal(trb_model_open(classes(""), 0, NULL), TRB_MODEL_EUSAGE);
    /* A few weights that ask for terabytes. */
    const char *wide = publish("wide", "conv 4000 1 pad 200", (trb_shape){1, 1, 1}, 1, CLASSES, "");
    assert_int_equal(trb_model_open(wide, 0, &model), TRB_MODEL_ENOMEM);
    assert_non_null(strstr(trb_model_message(NULL), "smaller block"));
    trb_model_close(NULL);

    assert_int_equal(trb_model_open(classes(""), 2, &model), TRB_MODEL_OK);
    assert_string_equal(trb_model_message(NULL), "");
    assert_int_equal(trb_model_predict(model, 1, x, &(trb_model_outputs){.mean = u}), TRB_MODEL_EUSAGE);
    assert_int_equal(trb_model_predict(model, 1, NULL, &(trb_model_outputs){.logits = p}), TRB_MODEL_EUSAGE);
    assert_int_equal(trb_model_predict(model, 1, x, NULL), TRB_MODEL_EUSAGE);
    assert_int_equal(trb_model_predict(NULL, 1, x, NULL), TRB_MODEL_EUSAGE);
    assert_int_equal(trb_model_predict(model, 0, NULL, &(trb_model_outputs){.probabilities = p}), TRB_MODEL_OK);
    bad[2 * D + 1] = INFINITY;
    assert_int_equal(trb_model_predict(model, 3, bad, &(trb_model_outputs){.total_uncertainty = NULL}), TRB_MODEL_ENUM);
    assert_non_null(strstr(trb_model_message(model), "row 2, input 1 is inf"));
    bad[2 * D + 1] = 3e38F; /* finite, but its logits are not */
    bad[2 * D + 2] = -3e38F;
    assert_int_equal(trb_model_predict(model, 3, bad, &(trb_model_outputs){.probabilities = NULL}), TRB_MODEL_ENUM);
    assert_non_null(strstr(trb_model_message(model), "rows from 2 on"));
    assert_string_equal(trb_fail_message(), ""); /* the host's own line */
    trb_model_close(model);
}

typedef struct {
    const char *path;
    float p[N * 2];
    int status;
} host;

static void *on_a_thread(void *ctx)
{
    host *h = ctx;
    for (int i = 0; i < 3 && h->status == TRB_MODEL_OK; i++) {
        trb_model *model = NULL;
        h->status = trb_model_open(h->path, 0, &model);
        if (h->status == TRB_MODEL_OK)
            h->status = trb_model_predict(model, N, x, &(trb_model_outputs){.probabilities = h->p});
        trb_model_close(model);
    }
    return NULL;
}

static void threads_do_not_mind_each_other(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    static host h[THREADS + 1];
    pthread_t thread[THREADS];
    /* The last one is an image of 1 x 2 x 3. */
    const char *path = publish("images", "conv 3 2 pad 1, norm, relu, split, conv 4 2, norm, relu, globalpool, dense 2",
                               (trb_shape){1, 2, 3}, M, CLASSES, "");
    for (size_t i = 0; i <= THREADS; i++) h[i].path = path;
    (void)on_a_thread(&h[THREADS]);
    for (size_t i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, on_a_thread, &h[i]), 0);
    for (size_t i = 0; i < THREADS; i++) (void)pthread_join(thread[i], NULL);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(h[i].status, TRB_MODEL_OK);
        assert_memory_equal(h[i].p, h[THREADS].p, sizeof h[i].p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(predicts_as_eval, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(calibrates_by_the_files_temperature, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(predicts_numbers, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(takes_doubles, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(reads_the_method, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(refuses, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(threads_do_not_mind_each_other, scratch_make, scratch_remove),
    };
    fill(N * D, x, 5.0F);
    if (trb_blas_open(1) != TRB_OK) return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    trb_blas_close();
    return failed;
}
