/* The samples on which the members disagree most, as images or as rows, if their data can still be read. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "report.h"
#include "tribikos/data.h"
#include "tribikos/hash.h"
#include "tribikos/memory.h"
#include "tribikos/stages.h"
#include "tribikos/text.h"

enum { SHOWN = 12, SIDE = 64, GUESSES = 3 }; /* SIDE: larger images are made smaller; GUESSES: models beside a sample */

/* ---- images */

static void put_u32(unsigned char *at, uint32_t v)
{
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(v >> (24 - 8 * i));
}

/* A chunk of a PNG file. \return its bytes */
static size_t put_chunk(unsigned char *at, const char *type, const unsigned char *data, size_t n)
{
    put_u32(at, (uint32_t)n);
    memcpy(at + 4, type, 4);
    if (n > 0) memcpy(at + 8, data, n);
    put_u32(at + 8 + n, (uint32_t)crc32(0, at + 4, (uInt)(n + 4)));
    return n + 12;
}

/* A PNG file of 8 bits a channel. \param[in] line  [h][1 + w C] rows, each after a zero byte   \param[in] C  1 or 3
 * \param[out] file  trb_free() */
static trb_status make_png(size_t w, size_t h, size_t C, const unsigned char *line, unsigned char **file, size_t *n)
{
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const size_t raw = h * (1 + w * C);
    uLongf packed = compressBound((uLong)raw);
    unsigned char header[13] = {0}, *data = NULL;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, packed, 1, &data));
    trb_status st = trb_alloc(TRB_MEM_OTHER, packed + 100, 1, file);
    if (st == TRB_OK && compress2(data, &packed, line, (uLong)raw, 9) != Z_OK)
        st = trb_fail(TRB_ENOMEM, "no memory to pack an image");
    if (st == TRB_OK) {
        put_u32(header, (uint32_t)w);
        put_u32(header + 4, (uint32_t)h);
        header[8] = 8;
        header[9] = C == 3 ? 2 : 0;
        memcpy(*file, signature, sizeof signature);
        *n = sizeof signature;
        *n += put_chunk(*file + *n, "IHDR", header, sizeof header);
        *n += put_chunk(*file + *n, "IDAT", data, packed);
        *n += put_chunk(*file + *n, "IEND", NULL, 0);
    }
    trb_free(data);
    return st;
}

static void add_base64(trb_text *out, const unsigned char *data, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const unsigned a = data[i], b = i + 1 < n ? data[i + 1] : 0, c = i + 2 < n ? data[i + 2] : 0;
        trb_text_add(out, "%c%c%c%c", letters[a >> 2], letters[(a & 3) << 4 | b >> 4],
                     i + 1 < n ? letters[(b & 15) << 2 | c >> 6] : '=', i + 2 < n ? letters[c & 63] : '=');
    }
}

static double value_at(const trb_data *d, size_t i)
{
    return d->type == TRB_U8 ? ((const unsigned char *)d->x)[i] : (double)((const float *)d->x)[i];
}

/* From dark to bright: bytes as they are, floats from the least to the largest of the sample. */
static void range_of(const trb_data *d, size_t first, double *least, double *most)
{
    *least = 0.0;
    *most = 255.0;
    if (d->type == TRB_U8) return;
    *least = INFINITY;
    *most = -INFINITY;
    for (size_t i = first; i < first + trb_shape_size(d->shape); i++) {
        *least = fmin(*least, value_at(d, i));
        *most = fmax(*most, value_at(d, i));
    }
    if (!(*most > *least)) *most = *least + 1.0;
}

static trb_status add_image(const trb_data *d, size_t id, trb_text *out)
{
    const trb_shape shape = d->shape;
    const size_t longest = shape.h > shape.w ? shape.h : shape.w, step = (longest + SIDE - 1) / SIDE,
                 w = (shape.w + step - 1) / step, h = (shape.h + step - 1) / step, C = shape.c >= 3 ? 3 : 1,
                 first = id * trb_shape_size(shape);
    unsigned char *line = NULL, *png = NULL;
    size_t bytes = 0;
    double least, most;
    range_of(d, first, &least, &most);
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, h * (1 + w * C), 1, &line));
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t c = 0; c < C; c++) {
                const double v = value_at(d, first + (c * shape.h + y * step) * shape.w + x * step);
                line[y * (1 + w * C) + 1 + x * C + c] = (unsigned char)lround(255.0 * (v - least) / (most - least));
            }
    trb_status st = make_png(w, h, C, line, &png, &bytes);
    if (st == TRB_OK) {
        trb_text_add(out, "<img width=\"%zu\" height=\"%zu\" alt=\"sample %zu\" src=\"data:image/png;base64,", w, h,
                     id);
        add_base64(out, png, bytes);
        trb_text_add(out, "\">");
    }
    trb_free(png);
    trb_free(line);
    return st;
}

/* ---- rows of a table */

static void add_input(const trb_data *d, size_t id, size_t i, trb_text *out)
{
    const trb_schema_input *in = d->schema != NULL && i < d->schema->n_inputs ? &d->schema->input[i] : NULL;
    const double value = value_at(d, id * trb_shape_size(d->shape) + i);
    if (in != NULL && in->category != NULL) {
        trb__html_add(out, "%s", in->name != NULL ? in->name : "");
        trb_text_add(out, "&#160;");
        trb__html_add(out, "%s", in->category);
        return;
    }
    if (in != NULL && in->name != NULL)
        trb__html_add(out, "%s", in->name);
    else
        trb_text_add(out, "input&#160;%zu:", i);
    trb_text_add(out, "&#160;%.6g", value + (in != NULL ? in->offset : 0.0));
}

/* The first inputs; of a column of words only the word that the sample has. */
static void add_inputs(const trb_data *d, size_t id, trb_text *out)
{
    enum { MOST = 12 };
    const size_t D = trb_shape_size(d->shape);
    size_t shown = 0, i = 0;
    trb_text_add(out, "<p>");
    for (; i < D && shown < MOST; i++) {
        const bool word = d->schema != NULL && i < d->schema->n_inputs && d->schema->input[i].category != NULL;
        if (word && !(value_at(d, id * D + i) > 0.0)) continue;
        trb_text_add(out, "%s", shown++ > 0 ? " &#183; " : "");
        add_input(d, id, i, out);
    }
    trb_text_add(out, "%s</p>", i < D ? " &#183; &#8230;" : "");
}

/* ---- what the models say of a sample */

static void add_classes(const trb__sheet *s, size_t K, const double *p, trb_text *out)
{
    size_t first = 0, second = K > 1 ? 1 : 0;
    for (size_t k = 1; k < K; k++) first = p[k] > p[first] ? k : first;
    if (second == first) second = 0;
    for (size_t k = 0; k < K; k++) second = k != first && p[k] > p[second] ? k : second;
    trb__sheet_class(s, first, out);
    trb_text_add(out, " (%.2f)", p[first]);
    if (K < 2) return;
    trb_text_add(out, ", ");
    trb__sheet_class(s, second, out);
    trb_text_add(out, " (%.2f)", p[second]);
}

static void add_gaussians(size_t heads, const double *p, trb_text *out)
{
    double mean = 0.0, square = 0.0;
    for (size_t m = 0; m < heads; m++) mean += p[2 * m] / (double)heads;
    for (size_t m = 0; m < heads; m++)
        square += ((p[2 * m] - mean) * (p[2 * m] - mean) + p[2 * m + 1] * p[2 * m + 1]) / (double)heads;
    trb_text_add(out, "%.4g &#177; %.2g", mean, sqrt(square));
}

static trb_status add_guesses(const trb__sheet *s, size_t row, trb_text *out)
{
    size_t shown = 0;
    trb_text_add(out, "<dl>");
    for (size_t i = 0; i < s->n_models && shown < GUESSES; i++) {
        double *p = NULL;
        size_t n = 0;
        if (!s->model[i].predicted || s->model[i].colour < 0) continue;
        trb_status st = trb__sheet_row(s, s->model[i].name, row, &n, &p);
        if (st == TRB_OK) {
            trb_text_add(out, "<dt>");
            trb__html_add(out, "%s", s->model[i].name);
            trb_text_add(out, "</dt><dd>");
            if (s->classes)
                add_classes(s, n, p, out);
            else
                add_gaussians(n / 2, p, out);
            trb_text_add(out, "</dd>");
        }
        trb_free(p);
        TRB_TRY(st);
        shown++;
    }
    trb_text_add(out, "</dl>");
    return TRB_OK;
}

static trb_status add_sample(const trb__sheet *s, const trb_data *d, size_t row, double uncertainty, trb_text *out)
{
    const size_t id = (size_t)s->id[row];
    const bool image = d != NULL && d->shape.h > 1 && d->shape.w > 1;
    trb_text_add(out, "<figure class=\"sample\" id=\"sample-%zu\">", id);
    if (image) TRB_TRY(add_image(d, id, out));
    trb_text_add(out, "<figcaption><b>%zu</b>: %s ", id, s->classes ? "label" : "target");
    if (s->classes && s->label[row] >= 0)
        trb__sheet_class(s, (size_t)s->label[row], out);
    else if (!s->classes)
        trb_text_add(out, "%.6g", s->target[row]);
    if (d != NULL && !image) add_inputs(d, id, out);
    TRB_TRY(add_guesses(s, row, out));
    trb_text_add(out, "<p>%s %.3g</p></figcaption></figure>\n", s->classes ? "model uncertainty" : "model deviation",
                 s->classes ? uncertainty : sqrt(fmax(uncertainty, 0.0)));
    return TRB_OK;
}

/* ---- reading the data again */

/* A page is not worth the memory of a large data set. */
static trb_status expect_small(const trb_data_files *f)
{
    const double most = 2e9;
    double bytes = 0.0;
    for (size_t i = 0; i < f->n_files; i++) {
        char path[2 * TRB__PATH];
        struct stat info;
        const bool whole = f->files[i][0] == '/' || f->root[0] == '\0';
        (void)snprintf(path, sizeof path, "%s%s%s", whole ? "" : f->root, whole ? "" : "/", f->files[i]);
        if (stat(path, &info) == 0) bytes += (double)info.st_size;
    }
    if (bytes <= most) return TRB_OK;
    return trb_fail(TRB_ECONFIG, "the files have %.1f GB, and more than 2 GB are not read for a page", bytes / 1e9);
}

static trb_status read_data(const trb__sheet *s, trb_data *d)
{
    const bool test = strcmp(s->split, "test") == 0;
    trb_data_files files = trb_run_files(s->c, test, test ? TRB_LABELS_NEEDED : TRB_LABELS_IF_THERE);
    files.schema = trb_schema_says(&s->schema) ? &s->schema : NULL;
    char *text = NULL, **names = NULL, digest[17];
    trb_status st = TRB_OK;
    if (trb_data_has_patterns(&files)) {
        TRB_GO(trb_data_match(&files, &text));
        TRB_GO(trb_data_take_names(&files, text, &names));
    }
    TRB_GO(expect_small(&files));
    TRB_GO(trb_data_load(&files, d));
    trb_hash_hex(d->digest, digest);
    const char *was = trb_tree_text(s->report, "digests.evaluated_on");
    if (was == NULL || strcmp(was, digest) != 0)
        st =
            trb_fail(TRB_EINTEGRITY,
                     "the digest of the samples in the files of the configuration is %s, that of the evaluated ones %s",
                     digest, was == NULL ? "not known" : was);
    for (size_t i = 0; st == TRB_OK && i < s->N; i++)
        if (s->id[i] < 0 || (size_t)s->id[i] >= d->n) st = trb_fail(TRB_EINTEGRITY, "an id is beyond the samples");
    if (st != TRB_OK) trb_data_clear(d);
done:
    trb_free(names);
    trb_free(text);
    return st;
}

/* ---- the section */

/* The rows with the largest values, the largest first; of equal ones the first. Those without a value are left out. \return how many */
static size_t find_largest(size_t N, const double *value, size_t *row)
{
    size_t n = 0;
    for (size_t i = 0; i < N; i++) {
        if (isnan(value[i]) || (n == SHOWN && value[i] <= value[row[n - 1]])) continue;
        size_t at = n < SHOWN ? n++ : n - 1;
        for (; at > 0 && value[i] > value[row[at - 1]]; at--) row[at] = row[at - 1];
        row[at] = i;
    }
    return n;
}

/* The model whose disagreement is shown: the ensemble, or else the first student that has heads. */
static const trb__sheet_model *who_disagrees(const trb__sheet *s)
{
    const trb__sheet_model *found = NULL;
    for (size_t i = 0; i < s->n_models && found == NULL; i++)
        if (s->model[i].predicted && s->model[i].several) found = &s->model[i];
    return found;
}

static trb_status add_samples(const trb__sheet *s, const trb__sheet_model *m, trb_text *out)
{
    double *value = NULL;
    size_t n = 0, row[SHOWN];
    trb_data data = {0};
    TRB_TRY(trb__sheet_uncertainty(s, s->split, m->name, "model", &n, &value));
    trb_status st = read_data(s, &data);
    const bool there = st == TRB_OK;
    if (!there) {
        trb__html_missing(out, "The samples themselves are not shown: %s.", trb_fail_message());
        trb_fail_clear();
        st = TRB_OK;
    }
    n = find_largest(s->N, value, row);
    trb_text_add(out, "<div class=\"samples\">\n");
    for (size_t i = 0; st == TRB_OK && i < n; i++) st = add_sample(s, there ? &data : NULL, row[i], value[row[i]], out);
    trb_text_add(out, "</div>\n");
    if (there) trb_data_clear(&data);
    trb_free(value);
    return st;
}

trb_status trb__sheet_samples(const trb__sheet *s, trb_text *out)
{
    const trb__sheet_model *m = who_disagrees(s);
    trb_status st = TRB_OK;
    trb_text_add(out, "<section id=\"samples\"><h2>Where the members disagree most</h2>\n");
    if (m == NULL) {
        trb__html_missing(out, "No model of this report has model uncertainty, so there is no disagreement to show.");
    } else {
        trb_text_add(out, "<p>The evaluated samples with the largest model uncertainty of <b>");
        trb__html_add(out, "%s", m->name);
        trb_text_add(out, "</b>: the sample's number and %s, then what the models predict%s.</p>\n",
                     s->classes ? "label" : "target",
                     s->classes ? ", with the two largest probabilities" : " (mean &#177; standard deviation)");
        st = add_samples(s, m, out);
    }
    trb_text_add(out, "</section>\n");
    return st;
}
