/* Labels against outputs (labels.h). */
#include "labels.h"

#include <inttypes.h>
#include <stdio.h>

#include "tribikos/census.h"
#include "tribikos/log.h"
#include "tribikos/number.h"

enum { LIST_BYTES = 128 };

/* The labels that occur, or those that do not. */
static const char *list(const trb_label_counts *n, bool occur, char text[LIST_BYTES])
{
    trb_text t = trb_text_in(text, LIST_BYTES);
    trb_labels_list(n, occur, &t);
    return text;
}

static const char *label(const trb_label_counts *n, size_t k, char text[LIST_BYTES])
{
    trb_text t = trb_text_in(text, LIST_BYTES);
    trb_label_add(n, k, &t);
    return text;
}

/* What to do about a table whose target column holds one label: name an input that looks like labels. */
static trb_status advise_column(const trb_config *c, const trb_data *d, trb_text *t)
{
    size_t input = 0;
    TRB_TRY(trb_inputs_like_labels(d, &input));
    const char *name = d->schema != NULL && input < d->schema->n_inputs ? d->schema->input[input].name : NULL;
    if (c->data.format != TRB_FORMAT_TABLE || input == d->shape.c)
        trb_text_add(t, "expected samples of two or more classes");
    else if (name != NULL)
        trb_text_add(t, "column `%s` looks like labels; if it is, set `data.target: %s`", name, name);
    else if (c->data.n_features == 0 && c->data.target[0] == '\0')
        trb_text_add(t, "column %zu looks like labels; if it is, set `data.target: %zu`", input, input);
    else
        trb_text_add(t, "input %zu, counted from 0, looks like labels; is `data.target` the right column?", input);
    return TRB_OK;
}

static trb_status refuse_one_class(const trb_config *c, const trb_data *d, const trb_label_counts *n)
{
    char advice[256], name[LIST_BYTES];
    trb_text t = trb_text_in(advice, sizeof advice);
    TRB_TRY(advise_column(c, d, &t));
    return trb_fail(TRB_EINPUT, "data: all %zu training samples have label %s, there is nothing to learn; %s", n->rows,
                    label(n, n->first, name), advice);
}

/* "1 class has", "2 classes have". */
static const char *lack(size_t n, const char *noun, char text[LIST_BYTES])
{
    (void)snprintf(text, LIST_BYTES, "%s %s", TRB_COUNT(n, noun), n == 1 ? "has" : "have");
    return text;
}

static void warn_of_training(const trb_label_counts *n, const trb_label_counts *held)
{
    char occur[LIST_BYTES], missing[LIST_BYTES], how[LIST_BYTES];
    if (n->seen == 1)
        trb_warn_once("data.train: all %zu training samples have label %s", n->rows, label(n, n->first, occur));
    if (n->seen == 1 || n->seen == n->classes) return;
    if (n->word == NULL && n->first > 0 && held->n[0] == 0 && n->seen == n->last - n->first + 1)
        trb_warn_once("data.train: the labels of the training samples are %s; none has %s. If classes are counted from "
                      "%zu, set `data.labels_from: %zu`, and end the layers in `dense %zu`",
                      list(n, true, occur), list(n, false, missing), n->first + n->from, n->first + n->from, n->seen);
    else
        trb_warn_once(
            "data.train: the labels of the training samples are %s; %s no sample (%s), and %s only to be small",
            list(n, true, occur), lack(n->classes - n->seen, "class", how), list(n, false, missing),
            n->classes - n->seen == 1 ? "its output learns" : "their outputs learn");
}

/* Classes that occur in the training part, but not in the held-out part. */
static void warn_of_held_out(const trb_label_counts *n, const trb_label_counts *held)
{
    char missing[LIST_BYTES];
    size_t lacks = 0;
    for (size_t k = 0; k < n->classes; k++) {
        lacks += n->n[k] > 0 && held->n[k] == 0;
        held->n[k] += n->n[k] == 0; /* so that only classes of the training part are listed */
    }
    if (lacks > 0)
        trb_warn_once("data.validation: %s, none with %s %s; calibration does not see %s. Hold out more",
                      TRB_COUNT(held->rows, "held-out sample"), lacks == 1 ? "label" : "labels",
                      list(held, false, missing), lacks == 1 ? "it" : "them");
}

trb_status trb__labels_check(const trb_config *c, const trb__dataset *s)
{
    trb_label_counts n = {0};
    if (s->data.label == NULL) return TRB_OK;
    TRB_TRY(trb_labels_count(&s->data, s->n_train, s->train, s->data.classes, &n));
    const trb_status st = n.seen == 1 ? refuse_one_class(c, &s->data, &n) : TRB_OK;
    trb_label_counts_clear(&n);
    return st;
}

trb_status trb__labels_warn(const trb__dataset *s)
{
    const trb_data *d = &s->data;
    trb_label_counts n = {0}, held = {0};
    if (d->label == NULL) return TRB_OK;
    trb_status st = trb_labels_count(d, s->n_train, s->train, d->classes, &n);
    if (st == TRB_OK) st = trb_labels_count(d, s->n_val, s->val, d->classes, &held);
    if (st == TRB_OK) warn_of_training(&n, &held);
    if (st == TRB_OK && s->n_val > 0) warn_of_held_out(&n, &held);
    trb_label_counts_clear(&held);
    trb_label_counts_clear(&n);
    return st;
}

/* The labels from 0 on without a gap end below the result; 0 if label 0 does not occur. */
static size_t without_gap(const trb_label_counts *n)
{
    size_t k = 0;
    while (k < n->classes && n->n[k] > 0) k++;
    return k;
}

/* The first row whose label is `least` or above. */
static size_t first_row(const trb_data *d, size_t least)
{
    size_t i = 0;
    while (i + 1 < d->n && (size_t)d->label[i] < least) i++;
    return i;
}

trb_status trb__labels_refuse(const trb_data *d, size_t outputs)
{
    trb_label_counts n = {0};
    char occur[LIST_BYTES], advice[256];
    trb_text t = trb_text_in(advice, sizeof advice);
    TRB_TRY(trb_labels_count(d, d->n, NULL, d->classes, &n));
    const size_t run = without_gap(&n), empty = n.classes - n.seen;
    size_t beyond = 0;
    for (size_t k = run; k < n.classes; k++) beyond += n.n[k];
    if (empty == 0)
        trb_text_add(&t, "end in `dense %zu`", n.classes);
    else if (n.word == NULL && n.first > 0 && n.seen == n.last - n.first + 1)
        trb_text_add(&t, "set `data.labels_from: %zu`, and end in `dense %zu`", n.first + n.from, n.seen);
    else if (run > 0 && beyond * 100 <= d->n)
        trb_text_add(&t,
                     "correct or remove the %zu of %zu samples of label %zu and above, the first of which is sample "
                     "%zu, counted from 0; or end in `dense %zu`, of whose classes %zu have no sample",
                     beyond, d->n, run + n.from, first_row(d, run), n.classes, empty);
    else
        trb_text_add(&t,
                     "number the classes from 0 without gaps, or end in `dense %zu`, of whose classes %zu have no "
                     "sample",
                     n.classes, empty);
    const trb_status st = trb_fail(TRB_ECONFIG, "layers end in %s, but the data set has labels %s; %s",
                                   TRB_COUNT(outputs, "output"), list(&n, true, occur), advice);
    trb_label_counts_clear(&n);
    return st;
}

/* Refuse labels from `outputs` on. */
static trb_status refuse_beyond(const char *what, const trb_data *d, trb_label_counts *n, size_t outputs)
{
    char named[LIST_BYTES];
    uint64_t beyond = 0;
    for (size_t k = 0; k < n->classes; k++)
        if (k < outputs)
            n->n[k] = 0; /* so that only labels beyond the outputs are listed */
        else
            beyond += n->n[k];
    return trb_fail(TRB_ECONFIG,
                    "%s: %" PRIu64 " of %s %s label %s, but the networks have %s, for labels %zu to %zu; the first is "
                    "sample %zu, counted from 0. Correct or remove these samples, or train with more outputs",
                    what, beyond, TRB_COUNT(d->n, "sample"), beyond == 1 ? "has" : "have", list(n, true, named),
                    TRB_COUNT(outputs, "output"), n->from, outputs - 1 + n->from, first_row(d, outputs));
}

/* Warn of labels that no sample of the training set has. */
static void warn_of_unknown(const char *what, const trb_label_counts *trained, trb_label_counts *n)
{
    enum { MOST = 6 };
    char listed[256];
    trb_text t = trb_text_in(listed, sizeof listed);
    size_t classes = 0;
    uint64_t rows = 0;
    for (size_t k = 0; k < n->classes; k++) {
        if (n->n[k] == 0 || trained->n[k] > 0) continue;
        rows += n->n[k];
        if (classes++ >= MOST) continue;
        trb_text_add(&t, "%s%" PRIu64 " of label ", classes > 1 ? ", " : "", n->n[k]);
        trb_label_add(n, k, &t);
    }
    if (classes > MOST) trb_text_add(&t, ", ...");
    if (classes > 0)
        trb_warn_once("%s: %" PRIu64 " of %s %s labels of which data.train has no sample, so that no network has "
                      "learnt them: %s",
                      what, rows, TRB_COUNT(n->rows, "sample"), rows == 1 ? "has" : "have", listed);
}

trb_status trb__labels_check_reported(const char *what, const trb_data *trained_on, const trb_data *d, size_t outputs)
{
    trb_label_counts n = {0}, trained = {0};
    const size_t most = d->classes > trained_on->classes ? d->classes : trained_on->classes;
    if (d->label == NULL) return TRB_OK;
    trb_status st = trb_labels_count(d, d->n, NULL, most, &n);
    if (st == TRB_OK && outputs > 0 && d->classes > outputs)
        st = refuse_beyond(what, d, &n, outputs);
    else if (st == TRB_OK && trained_on->label != NULL && trained_on != d) {
        st = trb_labels_count(trained_on, trained_on->n, NULL, most, &trained);
        if (st == TRB_OK) warn_of_unknown(what, &trained, &n);
    }
    trb_label_counts_clear(&trained);
    trb_label_counts_clear(&n);
    return st;
}

trb_status trb__labels_balance(const trb__dataset *s, size_t classes, float *weight)
{
    trb_label_counts n = {0};
    TRB_TRY(trb_labels_count(&s->data, s->n_train, s->train, classes, &n));
    for (size_t k = 0; k < classes; k++)
        weight[k] = n.n[k] == 0 ? 0.0F : (float)((double)n.rows / ((double)n.seen * (double)n.n[k]));
    trb_label_counts_clear(&n);
    return TRB_OK;
}
