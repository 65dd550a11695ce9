/* The library's functions (model.h).
 *
 * Each handle has a thread, on which everything happens: reading the file, computing, releasing. So a handle may be
 * used on any thread of the host. oneDNN needs this, because a primitive must run on the thread on which it was made;
 * and the host's signal handlers, rounding mode, stack size and OpenMP settings have no effect on what is computed. A
 * call puts a request into the handle, and waits until the thread has done it. */
#include "tribikos/model.h"

#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tribikos/blas.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/processor.h"
#include "tribikos/trained.h"

_Static_assert((int)TRB_MODEL_EUSAGE == (int)TRB_ECONFIG && (int)TRB_MODEL_EINTEGRITY == (int)TRB_EINTEGRITY &&
                   (int)TRB_MODEL_ENUM == (int)TRB_ENUM && (int)TRB_MODEL_EIO == (int)TRB_EIO &&
                   (int)TRB_MODEL_ENOMEM == (int)TRB_ENOMEM && (int)TRB_MODEL_EINTERNAL == (int)TRB_EINTERNAL,
               "the codes are those of trb_status");

enum { BLOCK = 256, STACK_BYTES = 8 << 20 };

typedef enum { IDLE, OPENS, PREDICTS, CLOSES } request;

struct trb_model {
    pthread_t thread;
    pid_t process;        /* in which the thread runs */
    pthread_mutex_t turn; /* a call of the host has it from beginning to end */
    pthread_mutex_t lock; /* guards `wanted` and `status` */
    pthread_cond_t changed;
    request wanted;
    trb_status status;
    char message[TRB_FAIL_BYTES]; /* why the last call failed */
    /* What a request is about. */
    const char *path;
    size_t n;
    const float *x; /* rows; NULL: they are doubles */
    const double *wide;
    const trb_model_outputs *out;
    /* The thread's own. */
    trb_trained trained;
    trb_work *work;
    size_t block;
    float *rows; /* [block][D] normalised */
};

static _Thread_local char open_message[TRB_FAIL_BYTES];

/* ---- on the thread of a handle */

/* A file may ask for any width, with parameters that are few. */
static trb_status check_memory(const trb_model *model)
{
    const double most = 8e9;
    double widest = (double)trb_net_inputs(model->trained.net);
    for (size_t i = 0; i < trb_net_n_layers(model->trained.net); i++) {
        const trb_layer_view l = trb_net_layer(model->trained.net, i);
        widest = fmax(widest, (double)l.y_copies * (double)trb_shape_size(l.out));
    }
    const double bytes = widest * (double)model->block * sizeof(float);
    if (bytes <= most) return TRB_OK;
    return trb_fail(TRB_ENOMEM,
                    "%s: its widest layer takes %.3g GB for %zu rows at once, more than %.3g GB; open it with "
                    "a smaller block",
                    model->path, bytes / 1e9, model->block, most / 1e9);
}

/* One handle after the other: the libraries below set themselves up at the first one. */
static trb_status set_up(trb_model *model)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    static bool silent = false;
    trb_status st = TRB_OK;
    (void)pthread_mutex_lock(&one);
    if (!silent) trb_log_open(false, 0.0); /* stderr is the host's */
    silent = true;
    TRB_GO(trb_processor_check());
    TRB_GO(trb_trained_read(model->path, &model->trained));
    TRB_GO(check_memory(model));
    TRB_GO(trb_blas_open(1));
    TRB_GO(trb_work_create(model->trained.net, model->block, false, &model->work));
    st = trb_alloc(TRB_MEM_ACTIVATIONS, model->block * trb_net_inputs(model->trained.net), sizeof *model->rows,
                   &model->rows);
done:
    (void)pthread_mutex_unlock(&one);
    return st;
}

static void tear_down(trb_model *model)
{
    trb_free(model->rows);
    trb_work_destroy(model->work);
    trb_trained_clear(&model->trained);
}

/* A value is not finite if all bits of its exponent are set. There is no early exit, so the loop vectorises. */
static bool all_finite(size_t n, const float *x)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &x[i], sizeof bits);
        any |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !any;
}

static trb_status check_finite(size_t first, size_t rows, size_t D, const float *x, const double *wide)
{
    if (x != NULL && all_finite(rows * D, x)) return TRB_OK;
    for (size_t i = 0; i < rows * D; i++)
        if (!isfinite(x != NULL ? x[i] : (float)wide[i]))
            return trb_fail(TRB_ENUM, "row %zu, input %zu is %g; expected finite numbers of float32's range",
                            first + i / D, i % D, x != NULL ? (double)x[i] : wide[i]);
    return TRB_OK;
}

#define MOVED(pointer, by) ((pointer) == NULL ? NULL : (pointer) + (by))

static trb_status predict_block(trb_model *model, size_t first, size_t rows)
{
    const trb_net *net = model->trained.net;
    const size_t D = trb_net_inputs(net), M = trb_net_heads(net), K = trb_net_outputs(net);
    const float *x = MOVED(model->x, first * D), *z = NULL;
    const double *wide = MOVED(model->wide, first * D);
    const trb_model_outputs *out = model->out;
    TRB_TRY(check_finite(first, rows, D, x, wide));
    trb_trained_normalize(&model->trained, rows, x, wide, model->rows);
    TRB_TRY(trb_net_forward(net, model->work, model->trained.params, rows, model->rows, NULL, &z));
    if (out->logits != NULL) memcpy(out->logits + first * M * K, z, rows * M * K * sizeof *z);
    const trb_trained_out to = {.probabilities = MOVED(out->probabilities, first * K),
                                .total_uncertainty = MOVED(out->total_uncertainty, first),
                                .model_uncertainty = MOVED(out->model_uncertainty, first),
                                .data_uncertainty = MOVED(out->data_uncertainty, first),
                                .mean = MOVED(out->mean, first),
                                .std = MOVED(out->std, first),
                                .model_std = MOVED(out->model_std, first),
                                .data_std = MOVED(out->data_std, first),
                                .calibrated = MOVED(out->calibrated, first * K)};
    return trb_fail_of(trb_trained_predict(&model->trained, rows, z, &to), "of the rows from %zu on: ", first);
}

static trb_status predict(trb_model *model)
{
    trb_status st = TRB_OK;
    for (size_t first = 0; first < model->n && st == TRB_OK; first += model->block) {
        const size_t rows = model->n - first < model->block ? model->n - first : model->block;
        st = predict_block(model, first, rows);
    }
    return st;
}

static void *serve(void *ctx)
{
    trb_model *model = ctx;
    (void)fesetenv(FE_DFL_ENV);
    trb_fail_apart(model->message);
    for (request r = IDLE; r != CLOSES;) {
        (void)pthread_mutex_lock(&model->lock);
        while (model->wanted == IDLE) (void)pthread_cond_wait(&model->changed, &model->lock);
        r = model->wanted;
        (void)pthread_mutex_unlock(&model->lock);
        trb_fail_clear();
        trb_status st = TRB_OK;
        if (r == OPENS) st = set_up(model);
        if (r == PREDICTS) st = predict(model);
        if (r == CLOSES) tear_down(model);
        (void)pthread_mutex_lock(&model->lock);
        model->status = st;
        model->wanted = IDLE;
        (void)pthread_cond_broadcast(&model->changed);
        (void)pthread_mutex_unlock(&model->lock);
    }
    return NULL;
}

/* ---- on threads of the host */

static trb_status ask(trb_model *model, request r)
{
    (void)pthread_mutex_lock(&model->lock);
    model->wanted = r;
    (void)pthread_cond_broadcast(&model->changed);
    while (model->wanted != IDLE) (void)pthread_cond_wait(&model->changed, &model->lock);
    const trb_status st = model->status;
    (void)pthread_mutex_unlock(&model->lock);
    return st;
}

/* The thread inherits that all signals are blocked. */
static int start(trb_model *model)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    (void)sigfillset(&all);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int why = pthread_create(&model->thread, &attributes, serve, model);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return why;
}

static void release(trb_model *model)
{
    (void)pthread_cond_destroy(&model->changed);
    (void)pthread_mutex_destroy(&model->lock);
    (void)pthread_mutex_destroy(&model->turn);
    free(model);
}

/* Records a failure of the call itself, on a thread of the host. */
static int refuse(char *message, trb_status st, const char *why)
{
    (void)strncpy(message, why, TRB_FAIL_BYTES - 1);
    return (int)st;
}

int trb_model_open(const char *path, size_t block, trb_model **out)
{
    memset(open_message, 0, sizeof open_message);
    if (out == NULL) return refuse(open_message, TRB_ECONFIG, "there is no place for the handle: `model` is NULL");
    *out = NULL;
    if (path == NULL) return refuse(open_message, TRB_ECONFIG, "no file was given: `path` is NULL");
    trb_model *model = calloc(1, sizeof *model);
    if (model == NULL) return refuse(open_message, TRB_ENOMEM, "memory for a handle: refused by the system");
    model->path = path;
    model->block = block == 0 ? BLOCK : block;
    model->process = getpid();
    (void)pthread_mutex_init(&model->turn, NULL);
    (void)pthread_mutex_init(&model->lock, NULL);
    (void)pthread_cond_init(&model->changed, NULL);
    if (start(model) != 0) {
        release(model);
        return refuse(open_message, TRB_ENOMEM,
                      "the handle's thread cannot be started; raise the limit on processes "
                      "(ulimit -u) or on the address space (ulimit -v)");
    }
    const trb_status st = ask(model, OPENS);
    model->path = NULL; /* it was borrowed */
    if (st == TRB_OK) {
        *out = model;
        return TRB_MODEL_OK;
    }
    memcpy(open_message, model->message, sizeof open_message);
    trb_model_close(model);
    return (int)st;
}

void trb_model_close(trb_model *model)
{
    if (model == NULL || model->process != getpid()) return; /* the thread stayed with the parent */
    (void)ask(model, CLOSES);
    (void)pthread_join(model->thread, NULL);
    release(model);
}

const char *trb_model_message(const trb_model *model)
{
    return model == NULL ? open_message : model->message;
}

static bool is_of_other_task(const trb_model *model, const trb_model_outputs *out)
{
    if (model->trained.task == TRB_TASK_CLASSES)
        return out->mean != NULL || out->std != NULL || out->model_std != NULL || out->data_std != NULL;
    return out->probabilities != NULL || out->total_uncertainty != NULL || out->model_uncertainty != NULL ||
           out->data_uncertainty != NULL || out->calibrated != NULL;
}

/* Why a call is refused; NULL if it is not. */
static const char *wrong_with(const trb_model *model, size_t n, const float *x, const double *wide,
                              const trb_model_outputs *out)
{
    if (out == NULL || (x == NULL && wide == NULL && n > 0))
        return "no rows, or no place for predictions, was given: a pointer is NULL";
    if (x != NULL && model->trained.info.norm.offset != NULL)
        return "the network's inputs lie so far from zero that float32 loses their digits; call "
               "trb_model_predict_double (in Python and Fortran: give an array of doubles)";
    if (!is_of_other_task(model, out))
        return out->calibrated != NULL && model->trained.temperature == 0.0
                   ? "the file has no temperature, so there are no calibrated probabilities; a training fits one if "
                     "`data.validation` is above 0 and the samples have labels"
                   : NULL;
    return model->trained.task == TRB_TASK_CLASSES
               ? "the network predicts classes, which have no mean and no standard deviations"
               : "the network predicts numbers, which have no probabilities and no entropies";
}

static int predict_rows(trb_model *model, size_t n, const float *x, const double *wide, const trb_model_outputs *out)
{
    if (model == NULL) return TRB_MODEL_EUSAGE;
    if (model->process != getpid())
        return refuse(model->message, TRB_ECONFIG, "the process has forked since the file was opened; open it again");
    (void)pthread_mutex_lock(&model->turn);
    int st = TRB_MODEL_OK;
    memset(model->message, 0, sizeof model->message);
    const char *why = wrong_with(model, n, x, wide, out);
    if (why != NULL) {
        st = refuse(model->message, TRB_ECONFIG, why);
    } else {
        model->n = n;
        model->x = x;
        model->wide = wide;
        model->out = out;
        st = (int)ask(model, PREDICTS);
    }
    (void)pthread_mutex_unlock(&model->turn);
    return st;
}

int trb_model_predict(trb_model *model, size_t n, const float *x, const trb_model_outputs *out)
{
    return predict_rows(model, n, x, NULL, out);
}

int trb_model_predict_double(trb_model *model, size_t n, const double *x, const trb_model_outputs *out)
{
    return predict_rows(model, n, NULL, x, out);
}

size_t trb_model_inputs(const trb_model *model)
{
    return trb_net_inputs(model->trained.net);
}

size_t trb_model_channels(const trb_model *model)
{
    return model->trained.info.input.c;
}

size_t trb_model_height(const trb_model *model)
{
    return model->trained.info.input.h;
}

size_t trb_model_width(const trb_model *model)
{
    return model->trained.info.input.w;
}

size_t trb_model_heads(const trb_model *model)
{
    return trb_net_heads(model->trained.net);
}

size_t trb_model_outputs_of_head(const trb_model *model)
{
    return trb_net_outputs(model->trained.net);
}

int trb_model_is_regression(const trb_model *model)
{
    return model->trained.task == TRB_TASK_REGRESSION;
}

double trb_model_temperature(const trb_model *model)
{
    return model->trained.temperature;
}

int trb_model_needs_double(const trb_model *model)
{
    return model->trained.info.norm.offset != NULL;
}

const char *trb_model_class_name(const trb_model *model, size_t k)
{
    return k < model->trained.schema.n_classes ? model->trained.schema.class_name[k] : NULL;
}

const char *trb_model_input_name(const trb_model *model, size_t i)
{
    return i < model->trained.schema.n_inputs ? model->trained.input_name[i] : NULL;
}

const char *trb_model_layers(const trb_model *model)
{
    return model->trained.info.layers;
}

const char *trb_model_config(const trb_model *model)
{
    return model->trained.info.config;
}

uint64_t trb_model_digest(const trb_model *model)
{
    return model->trained.info.digest;
}
