/* A network as C99: a table of weights and a forward pass of loops, without libraries but libm, without allocation. It
 * is meant for small networks on machines where nothing else runs.
 *
 * A value is [copies][c][h][w]. Each step reads one of three places of the caller's work memory and writes another one;
 * the third one may hold what a fork saved. */
#include "graph.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/text.h"

enum { PLACES = 3, NUMBERS_MAX = 1000000 };

/* The functions of the file. Only those that are used are written, because compilers warn of others. */
typedef enum { DENSE, CONV, AFFINE, MAXPOOL, AVGPOOL, RELU, TANH, ADD, COPY, SPREAD, FUNCTIONS } function;
static const char *const body[FUNCTIONS] = {
    [DENSE] = "static void dense(size_t apart, size_t copies, size_t n, size_t k, const float *w, const float *b, "
              "const float *x,\n"
              "                  float *y)\n{\n"
              "    for (size_t m = 0; m < copies; m++)\n"
              "        for (size_t i = 0; i < n; i++, w += k) {\n"
              "            float sum = *b++;\n"
              "            for (size_t j = 0; j < k; j++) sum += w[j] * x[m * apart + j];\n"
              "            *y++ = sum;\n"
              "        }\n}\n",
    [CONV] = "/* size: filters, channels, height, width, of the result height and width, window, stride, pad. bias may "
             "be NULL */\n"
             "static void conv(size_t apart, size_t copies, const size_t size[9], const float *w, const float *bias, "
             "const float *x,\n"
             "                 float *y)\n{\n"
             "    const size_t N = size[0], C = size[1], H = size[2], W = size[3], k = size[6];\n"
             "    for (size_t f = 0; f < copies * N; f++)\n"
             "        for (size_t i = 0; i < size[4]; i++)\n"
             "            for (size_t j = 0; j < size[5]; j++) {\n"
             "                const float *in = x + f / N * apart, *to = w + f * C * k * k;\n"
             "                float sum = bias != NULL ? bias[f] : 0.0f;\n"
             "                for (size_t c = 0; c < C; c++)\n"
             "                    for (size_t a = 0; a < k; a++)\n"
             "                        for (size_t b = 0; b < k; b++) {\n"
             "                            const size_t row = i * size[7] + a - size[8], column = j * size[7] + b - "
             "size[8];\n"
             "                            if (row < H && column < W) /* before the first one a size_t is huge */\n"
             "                                sum += to[(c * k + a) * k + b] * in[(c * H + row) * W + column];\n"
             "                        }\n"
             "                *y++ = sum;\n"
             "            }\n}\n",
    [AFFINE] = "static void affine(size_t channels, size_t area, const float *scale, const float *shift, const float "
               "*x, float *y)\n{\n"
               "    for (size_t c = 0; c < channels; c++)\n"
               "        for (size_t i = 0; i < area; i++) *y++ = *x++ * scale[c] + shift[c];\n}\n",
    [MAXPOOL] =
        "static void maxpool(size_t channels, const size_t size[9], const float *x, float *y)\n{\n"
        "    const size_t H = size[2], W = size[3];\n"
        "    for (size_t c = 0; c < channels; c++)\n"
        "        for (size_t i = 0; i < size[4]; i++)\n"
        "            for (size_t j = 0; j < size[5]; j++) {\n"
        "                float best = -HUGE_VALF;\n"
        "                for (size_t a = 0; a < size[6]; a++)\n"
        "                    for (size_t b = 0; b < size[6]; b++) {\n"
        "                        const size_t row = i * size[7] + a - size[8], column = j * size[7] + b - size[8];\n"
        "                        if (row < H && column < W) best = fmaxf(best, x[(c * H + row) * W + column]);\n"
        "                    }\n"
        "                *y++ = best;\n"
        "            }\n}\n",
    [AVGPOOL] =
        "static void avgpool(size_t channels, const size_t size[9], const float *x, float *y)\n{\n"
        "    const size_t H = size[2], W = size[3], kh = size[6] == 0 ? H : size[6], kw = size[6] == 0 ? W : size[6];\n"
        "    for (size_t c = 0; c < channels; c++)\n"
        "        for (size_t i = 0; i < size[4]; i++)\n"
        "            for (size_t j = 0; j < size[5]; j++) {\n"
        "                float sum = 0.0f;\n"
        "                for (size_t a = 0; a < kh; a++)\n"
        "                    for (size_t b = 0; b < kw; b++) {\n"
        "                        const size_t row = i * size[7] + a - size[8], column = j * size[7] + b - size[8];\n"
        "                        if (row < H && column < W) sum += x[(c * H + row) * W + column];\n"
        "                    }\n"
        "                *y++ = sum / (float)(kh * kw);\n"
        "            }\n}\n",
    [RELU] = "static void relu(size_t n, const float *x, float *y)\n{\n"
             "    for (size_t i = 0; i < n; i++) y[i] = x[i] > 0.0f ? x[i] : 0.0f;\n}\n",
    [TANH] = "static void hyperbolic(size_t n, const float *x, float *y)\n{\n"
             "    for (size_t i = 0; i < n; i++) y[i] = tanhf(x[i]);\n}\n",
    [ADD] = "static void add(size_t n, const float *a, const float *b, float *y)\n{\n"
            "    for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];\n}\n",
    [COPY] = "static void copy(size_t copies, size_t n, const float *x, float *y)\n{\n"
             "    for (size_t i = 0; i < copies * n; i++) y[i] = x[i % n];\n}\n",
    [SPREAD] =
        "static void spread(size_t M, size_t n, double S, const float *x, float *y)\n{\n"
        "    for (size_t i = 0; i < n; i++) {\n"
        "        double mean = 0.0;\n"
        "        for (size_t m = 0; m < M; m++) mean += (double)x[m * n + i] / (double)M;\n"
        "        for (size_t m = 0; m < M; m++) y[m * n + i] = (float)(mean + S * ((double)x[m * n + i] - mean));\n"
        "    }\n}\n",
};

typedef struct {
    size_t place, copies;
    trb_shape one;
} value;

typedef struct {
    const trb_trained *t;
    trb_text numbers, steps;
    size_t n_numbers, widest;
    bool used[FUNCTIONS];
    value now, saved;
} writer;

/* ---- numbers */

/* Append numbers to the table. \return where they begin */
static size_t put_numbers(writer *w, size_t n, const float *values)
{
    const size_t at = w->n_numbers;
    char text[32];
    for (size_t i = 0; i < n && w->n_numbers <= NUMBERS_MAX; i++) { /* beyond that it is refused at the end */
        (void)snprintf(text, sizeof text, "%.9g", (double)values[i]);
        for (char *p = text; *p != '\0'; p++) *p = *p == ',' ? '.' : *p; /* in some locales */
        trb_text_add(&w->numbers, "%s%s%sf,", w->n_numbers % 8 == 0 ? "\n    " : " ", text,
                     strpbrk(text, ".e") == NULL ? ".0" : "");
        w->n_numbers++;
    }
    if (w->n_numbers > NUMBERS_MAX) w->n_numbers = at + n;
    return at;
}

static size_t put_params(writer *w, size_t offset, size_t n)
{
    return put_numbers(w, n, w->t->params + offset);
}

/* ---- steps */

/* The place that neither the value nor the saved one is in. */
static size_t free_place(const writer *w)
{
    size_t place = 0;
    while (place == w->now.place || place == w->saved.place) place++;
    return place;
}

static size_t width_of(const value *v)
{
    return v->copies * trb_shape_size(v->one);
}

/* End a step whose function and first arguments are written: add the places that it reads and writes. */
static void end_step(writer *w, function f, value *v, size_t copies, trb_shape one)
{
    const size_t to = free_place(w);
    trb_text_add(&w->steps, "place[%zu], place[%zu]);\n", v->place, to);
    w->used[f] = true;
    *v = (value){.place = to, .copies = copies, .one = one};
    if (w->widest < width_of(v)) w->widest = width_of(v);
}

static void widen(writer *w, value *v, size_t copies)
{
    if (v->copies == copies) return;
    trb_text_add(&w->steps, "    copy(%zu, %zu, ", copies, trb_shape_size(v->one));
    end_step(w, COPY, v, copies, v->one);
}

/* Weights of a layer, those of rank one as the heads' own. */
static trb_status put_weights(writer *w, const trb_layer_view *l, size_t each, size_t *at)
{
    float *own = NULL;
    trb_layer_view view = *l;
    if (!l->rank1) {
        *at = put_params(w, l->weight, l->y_copies * l->units * each);
        return TRB_OK;
    }
    if (strcmp(l->kind, "dense") == 0) { /* as a convolution of pixels */
        view.in.c = each;
        view.kernel = 1;
    }
    TRB_TRY(trb__filters_of(&view, w->t->params, &own));
    *at = put_numbers(w, l->y_copies * l->units * each, own);
    trb_free(own);
    return TRB_OK;
}

static trb_status put_dense(writer *w, const trb_layer_view *l)
{
    const size_t k = trb_shape_size(l->in), bias = put_params(w, l->bias, l->y_copies * l->units);
    size_t at = 0;
    TRB_TRY(put_weights(w, l, k, &at));
    trb_text_add(&w->steps, "    dense(%zu, %zu, %zu, %zu, numbers + %zu, numbers + %zu, ", l->x_copies > 1 ? k : 0,
                 l->y_copies, l->units, k, at, bias);
    end_step(w, DENSE, &w->now, l->y_copies, l->out);
    return TRB_OK;
}

static void put_size(writer *w, const trb_layer_view *l)
{
    trb_text_add(&w->steps, "(const size_t[]){%zu, %zu, %zu, %zu, %zu, %zu, %zu, %zu, %zu}, ", l->units, l->in.c,
                 l->in.h, l->in.w, l->out.h, l->out.w, l->kernel, l->stride, l->pad);
}

static trb_status put_conv(writer *w, const trb_layer_view *l)
{
    size_t at = 0;
    TRB_TRY(put_weights(w, l, l->in.c * l->kernel * l->kernel, &at));
    trb_text_add(&w->steps, "    conv(%zu, %zu, ", l->x_copies > 1 ? trb_shape_size(l->in) : 0, l->y_copies);
    put_size(w, l);
    trb_text_add(&w->steps, "numbers + %zu, ", at);
    if (l->biased)
        trb_text_add(&w->steps, "numbers + %zu, ", put_params(w, l->bias, l->y_copies * l->units));
    else
        trb_text_add(&w->steps, "NULL, ");
    end_step(w, CONV, &w->now, l->y_copies, l->out);
    return TRB_OK;
}

static void put_affine(writer *w, size_t channels, size_t area, const float *scale, const float *shift)
{
    const size_t a = put_numbers(w, channels, scale), b = put_numbers(w, channels, shift);
    trb_text_add(&w->steps, "    affine(%zu, %zu, numbers + %zu, numbers + %zu, ", channels, area, a, b);
}

/* Normalisation by running statistics is one factor and one shift for each channel. */
static trb_status put_norm(writer *w, const trb_layer_view *l)
{
    const float *p = w->t->params;
    const size_t channels = l->y_copies * l->in.c;
    float *scale = NULL;
    widen(w, &w->now, l->y_copies);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, 2 * channels, sizeof *scale, &scale));
    for (size_t c = 0; c < channels; c++) {
        const double factor = (double)p[l->weight + c] / sqrt((double)p[l->variance + c] + 1e-5);
        scale[c] = (float)factor;
        scale[channels + c] = (float)((double)p[l->bias + c] - (double)p[l->mean + c] * factor);
    }
    put_affine(w, channels, l->in.h * l->in.w, scale, scale + channels);
    end_step(w, AFFINE, &w->now, l->y_copies, l->out);
    trb_free(scale);
    return TRB_OK;
}

static void put_pool(writer *w, const trb_layer_view *l)
{
    const bool max = strcmp(l->kind, "maxpool") == 0;
    trb_text_add(&w->steps, "    %s(%zu, ", max ? "maxpool" : "avgpool", l->x_copies * l->in.c);
    put_size(w, l);
    end_step(w, max ? MAXPOOL : AVGPOOL, &w->now, l->y_copies, l->out);
}

static void put_add(writer *w, const trb_layer_view *l)
{
    widen(w, &w->now, l->y_copies);
    widen(w, &w->saved, l->y_copies);
    trb_text_add(&w->steps, "    add(%zu, place[%zu], ", width_of(&w->now), w->saved.place);
    end_step(w, ADD, &w->now, l->y_copies, l->out);
    w->saved.place = PLACES; /* it is not needed any more */
}

static trb_status put_layer(writer *w, const trb_layer_view *l)
{
    const value before = w->now;
    const size_t n = width_of(&w->now);
    if (strcmp(l->kind, "dense") == 0) return put_dense(w, l);
    if (strcmp(l->kind, "conv") == 0) return put_conv(w, l);
    if (strcmp(l->kind, "norm") == 0) return put_norm(w, l);
    if (strstr(l->kind, "pool") != NULL) {
        put_pool(w, l);
    } else if (strcmp(l->kind, "relu") == 0 || strcmp(l->kind, "tanh") == 0) {
        const bool relu = l->kind[0] == 'r';
        trb_text_add(&w->steps, "    %s(%zu, ", relu ? "relu" : "hyperbolic", n);
        end_step(w, relu ? RELU : TANH, &w->now, l->y_copies, l->out);
    } else if (strcmp(l->kind, "spread") == 0) {
        if (l->x_copies == 1) return TRB_OK;
        trb_text_add(&w->steps, "    spread(%zu, %zu, %.17g, ", l->x_copies, trb_shape_size(l->in), l->factor);
        end_step(w, SPREAD, &w->now, l->y_copies, l->out);
    } else if (strcmp(l->kind, "fork") == 0) {
        w->saved = w->now;
    } else if (strcmp(l->kind, "shortcut") == 0) {
        w->now = w->saved;
        w->saved = before;
    } else if (strcmp(l->kind, "add") == 0) {
        put_add(w, l);
    } else if (strcmp(l->kind, "dropout") != 0) {
        return trb_fail(TRB_EINTERNAL, "no C is known for the layer %s", l->kind);
    }
    return TRB_OK;
}

static void put_input(writer *w)
{
    const trb_norm *norm = &w->t->info.norm;
    const trb_shape in = w->t->info.input;
    const size_t area = in.h * in.w;
    const size_t mean = put_numbers(w, in.c, norm->mean), scale = put_numbers(w, in.c, norm->scale);
    trb_text_add(&w->steps, "    for (size_t i = 0; i < %zu; i++) place[0][i] = (", trb_shape_size(in));
    if (norm->offset != NULL)
        trb_text_add(&w->steps, "(float)(x[i] - offset[i / %zu])", area);
    else
        trb_text_add(&w->steps, "x[i]");
    trb_text_add(&w->steps, " - numbers[%zu + i / %zu]) * numbers[%zu + i / %zu];\n", mean, area, scale, area);
    w->now = (value){.place = 0, .copies = 1, .one = in};
    w->saved.place = PLACES;
    w->widest = trb_shape_size(in);
}

/* ---- the files */

/* The names of a file: what is in front of its last dot, as it is, as a C identifier, and that in capitals. "model-2.v3.c"
 * gives "model-2.v3", "model_2_v3" and "MODEL_2_V3". */
enum { NAME = 64 };
typedef struct {
    char stem[NAME], c[NAME], capitals[NAME];
} names;

static trb_status names_of(const char *path, names *name)
{
    const char *slash = strrchr(path, '/'), *file = slash == NULL ? path : slash + 1, *dot = strrchr(file, '.');
    const size_t n = dot == NULL || dot == file ? strlen(file) : (size_t)(dot - file);
    bool good = n > 0 && n < NAME && isalpha((unsigned char)file[0]) != 0;
    for (size_t i = 0; good && i < n; i++)
        good = iscntrl((unsigned char)file[i]) == 0 && strchr("\"\\", file[i]) == NULL;
    if (!good)
        return trb_fail(
            TRB_ECONFIG,
            "%s: its functions get the name of the file, which must begin with a letter, have fewer than %d "
            "characters, and no quotation mark or backslash",
            path, (int)NAME);
    *name = (names){{0}, {0}, {0}};
    for (size_t i = 0; i < n; i++) {
        name->stem[i] = file[i];
        name->c[i] = isalnum((unsigned char)file[i]) != 0 ? file[i] : '_';
        name->capitals[i] = (char)toupper((unsigned char)name->c[i]);
    }
    return TRB_OK;
}

/* One program may use all networks of a folder, so no two of them may have the same names. In capitals, "Net.c" and
 * "net.c" have. */
static trb_status check_clash(const char *path, const names *own)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    trb_status st = TRB_OK;
    (void)snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
                   slash == NULL ? "." : path);
    DIR *d = opendir(folder);
    for (const struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL && st == TRB_OK; e = readdir(d)) {
        const char *dot = strrchr(e->d_name, '.');
        names other;
        if (dot == NULL || strcmp(dot, ".h") != 0) continue;
        if (names_of(e->d_name, &other) != TRB_OK)
            trb_fail_clear();
        else if (strcmp(other.capitals, own->capitals) == 0 && strcmp(other.stem, own->stem) != 0)
            st = trb_fail(TRB_ECONFIG,
                          "%s: its functions would be called %s_..., as those of %s beside it; give --output "
                          "another name",
                          path, own->c, e->d_name);
    }
    if (d != NULL) (void)closedir(d);
    return st;
}

static const char *input_type(const trb_trained *m)
{
    return m->info.norm.offset != NULL ? "double" : "float";
}

static bool has_columns(const trb_trained *m)
{
    return m->schema.n_inputs > 0 && m->schema.n_inputs == trb_net_inputs(m->net) && m->input_name[0] != NULL;
}

/* Everything but letters, digits and plain signs is octal: no name can end the text, nor be a trigraph. */
static void put_text(trb_text *t, const char *text)
{
    trb_text_add(t, "\"");
    for (; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte < 128 && (isalnum(byte) != 0 || strchr(" _-+=.,:;()[]%/*", byte) != NULL))
            trb_text_add(t, "%c", byte);
        else
            trb_text_add(t, "\\%03o", byte);
    }
    trb_text_add(t, "\"");
}

static void put_names(trb_text *t, const char *stem, const char *what, size_t room, size_t n, char *const *name)
{
    trb_text_add(t, "const char *const %s_%s[%zu] = {", stem, what, room);
    for (size_t i = 0; i < n; i++) {
        trb_text_add(t, "%s", i == 0 ? "" : ", ");
        put_text(t, name[i] == NULL ? "" : name[i]);
    }
    trb_text_add(t, "};\n");
}

static void put_header(trb_text *t, const trb_trained *m, const names *own, size_t work)
{
    const trb_norm *norm = &m->info.norm;
    const char *name = own->c, *capitals = own->capitals;
    trb_text_add(t, "/* A network that tribikos has trained, digest %016" PRIx64 ". No memory is allocated. */\n",
                 m->info.digest);
    trb_text_add(t, "#ifndef %s_H\n#define %s_H\n\n", capitals, capitals);
    trb_text_add(t, "enum {\n    %s_INPUTS = %zu,  /* channels, rows, columns: %zu x %zu x %zu */\n", capitals,
                 trb_net_inputs(m->net), m->info.input.c, m->info.input.h, m->info.input.w);
    trb_text_add(t, "    %s_HEADS = %zu,\n    %s_OUTPUTS = %zu, /* of a head */\n    %s_WORK = %zu\n};\n", capitals,
                 trb_net_heads(m->net), capitals, trb_net_outputs(m->net), capitals, work);
    if (m->task == TRB_TASK_REGRESSION)
        trb_text_add(t,
                     "/* A head's mean is TARGET_MEAN + TARGET_SCALE * logits[0], its variance TARGET_SCALE^2 * "
                     "exp(logits[1]). */\n#define %s_TARGET_MEAN %.17g\n#define %s_TARGET_SCALE %.17g\n",
                     capitals, norm->target_mean, capitals, norm->target_scale);
    trb_text_add(
        t,
        "\n/* x [INPUTS]: values as the data set has them, not normalised (pixels: 0 to 255). work [WORK]: scratch "
        "memory.\n * logits [HEADS][OUTPUTS] */\nvoid %s_logits(const %s *x, float *work, float *logits);\n",
        name, input_type(m));
    if (m->task == TRB_TASK_CLASSES && m->dirichlet == TRB_DIRICHLET_NONE)
        trb_text_add(t,
                     "/* The mean over the heads of softmax(logits): p [OUTPUTS] */\n"
                     "void %s_probabilities(const float *logits, float *p);\n",
                     name);
    if (has_columns(m))
        trb_text_add(t,
                     "/* What each input is called; \"city=Oslo\" is 1 if the column city holds Oslo, else 0. */\n"
                     "extern const char *const %s_columns[%s_INPUTS];\n",
                     name, capitals);
    if (m->schema.n_classes > 0)
        trb_text_add(t, "/* What each class is called. */\nextern const char *const %s_classes[%s_OUTPUTS];\n", name,
                     capitals);
    trb_text_add(t, "\n#endif\n");
}

static void put_probabilities(trb_text *t, const char *name, size_t M, size_t K)
{
    trb_text_add(t,
                 "\nvoid %s_probabilities(const float *z, float *p)\n{\n"
                 "    for (size_t k = 0; k < %zu; k++) p[k] = 0.0f;\n"
                 "    for (size_t m = 0; m < %zu; m++, z += %zu) {\n"
                 "        float max = z[0], sum = 0.0f;\n"
                 "        for (size_t k = 1; k < %zu; k++) max = fmaxf(max, z[k]);\n"
                 "        for (size_t k = 0; k < %zu; k++) sum += expf(z[k] - max);\n"
                 "        for (size_t k = 0; k < %zu; k++) p[k] += expf(z[k] - max) / sum / %zu.0f;\n"
                 "    }\n}\n",
                 name, K, M, K, K, K, K, M);
}

static void put_offsets(trb_text *t, const trb_trained *m)
{
    char number[TRB_NUMBER_BYTES];
    trb_text_add(t, "\nstatic const double offset[%zu] = {", m->info.input.c);
    for (size_t c = 0; c < m->info.input.c; c++) {
        trb_number_shortest(m->info.norm.offset[c], 15, number);
        trb_text_add(t, "%s%s%s", c == 0 ? "" : ", ", number, strpbrk(number, ".e") == NULL ? ".0" : "");
    }
    trb_text_add(t, "};\n");
}

static void put_source(trb_text *t, const writer *w, const names *own)
{
    const trb_trained *m = w->t;
    trb_text_add(
        t, "/* %s.h says what this is. Layers: %s */\n#include \"%s.h\"\n\n#include <math.h>\n#include <stddef.h>\n\n",
        own->stem, m->info.layers, own->stem);
    const size_t D = trb_net_inputs(m->net), K = trb_net_outputs(m->net);
    if (has_columns(m)) put_names(t, own->c, "columns", D, D, m->input_name);
    if (m->schema.n_classes > 0) put_names(t, own->c, "classes", K, m->schema.n_classes, m->schema.class_name);
    trb_text_add(t, "static const float numbers[%zu] = {%s\n};\n", w->n_numbers, w->numbers.at);
    if (m->info.norm.offset != NULL) put_offsets(t, m);
    for (size_t f = 0; f < FUNCTIONS; f++)
        if (w->used[f]) trb_text_add(t, "\n%s", body[f]);
    trb_text_add(
        t,
        "\nvoid %s_logits(const %s *x, float *work, float *logits)\n{\n    float *const place[] = {work, work + "
        "%zu, work + %zu};\n%s",
        own->c, input_type(m), w->widest, 2 * w->widest, w->steps.at);
    trb_text_add(t, "    for (size_t i = 0; i < %zu; i++) logits[i] = place[%zu][i];\n}\n", width_of(&w->now),
                 w->now.place);
    if (m->task == TRB_TASK_CLASSES && m->dirichlet == TRB_DIRICHLET_NONE)
        put_probabilities(t, own->c, trb_net_heads(m->net), trb_net_outputs(m->net));
}

static trb_status finish(trb_text *t, trb_buffer *file)
{
    char *text = NULL;
    TRB_TRY(trb_text_take(t, &text));
    trb_buffer_add(file, text, strlen(text));
    trb_free(text);
    return file->st;
}

static trb_status make(size_t n, const trb_trained *const *models, const char *path, trb_buffer *file,
                       trb_buffer *beside)
{
    writer w = {.t = models[0]};
    trb_text header = {0}, source = {0};
    names own;
    trb_status st = TRB_OK;
    if (n > 1)
        return trb_fail(TRB_ECONFIG, "%s: C holds one network, got %zu weights files; export each on its own", path, n);
    TRB_GO(names_of(path, &own));
    TRB_GO(check_clash(path, &own));
    put_input(&w);
    for (size_t i = 0; i < trb_net_n_layers(w.t->net); i++) {
        const trb_layer_view l = trb_net_layer(w.t->net, i);
        TRB_GO(put_layer(&w, &l));
    }
    if (w.n_numbers > NUMBERS_MAX) {
        st = trb_fail(TRB_ECONFIG,
                      "%s: the network has %zu numbers, %.0f MB of C; at most %d make a file that compilers and small "
                      "machines take; use another format",
                      path, w.n_numbers, (double)w.n_numbers * 14e-6, NUMBERS_MAX);
        goto done;
    }
    TRB_GO(w.numbers.st);
    TRB_GO(w.steps.st);
    put_header(&header, w.t, &own, PLACES * w.widest);
    put_source(&source, &w, &own);
    TRB_GO(finish(&header, beside));
    st = finish(&source, file);
done:
    trb_text_clear(&header);
    trb_text_clear(&source);
    trb_text_clear(&w.numbers);
    trb_text_clear(&w.steps);
    return st;
}

const trb_export_format trb_export_c = {"c", ".h", make};
