/* Says in words how two identities differ (identity.h): the one in a file, and the one that the configuration asks for.
 *
 * | lines | words |
 * | data, data_digest | the training set (data.train) is another one; with its shapes, if they differ too |
 * | cache | `cache.dtype`, `cache.top` and `cache.block`, each as any other key |
 * | run.seed and others that follow from another key, in one text only | nothing: the other key differs too |
 * | member_digest.M, another number of them | of 4 members, members.count is 6 now |
 * | member_digest.M, other digests | of other weights of member 3 |
 * | any other key | `train.lr` was 0.001 and is 0.002 now |
 */
#include <string.h>

#include "internal.h"
#include "tribikos/text.h"

static const char MEMBER[] = "member_digest.";

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

static bool is_key(const char *line, const char *key)
{
    const size_t n = strlen(key);
    return strncmp(line, key, n) == 0 && line[n] == ':';
}

/* Whether a line is about the data set, or about the members that a student follows: these have words of their own. */
static bool is_special(const char *line)
{
    return is_key(line, "data") || is_key(line, "data_digest") || strncmp(line, MEMBER, sizeof MEMBER - 1) == 0;
}

/* The line of a text with the same key as this line; NULL if it has none. */
static const char *same_key(const char *text, const char *line)
{
    const size_t n = strcspn(line, ":\n") + 1;
    for (; *text != '\0'; text = next_line(text))
        if (strncmp(text, line, n) == 0) return text;
    return NULL;
}

static bool same_line(const char *a, const char *b)
{
    const size_t n = strcspn(a, "\n");
    return b != NULL && n == strcspn(b, "\n") && memcmp(a, b, n) == 0;
}

static bool is_left_out(const char *line, unsigned leave_out)
{
    return ((leave_out & TRB__EXCHANGE) != 0 && (is_key(line, "exchange") || strncmp(line, "server.", 7) == 0)) ||
           ((leave_out & TRB__CACHE) != 0 && is_key(line, "cache")) ||
           ((leave_out & TRB__FOLLOWED) != 0 && strncmp(line, MEMBER, sizeof MEMBER - 1) == 0);
}

/* Lines that a text has only if another key asks for them: without held-out samples there is no line of the seed that
 * chooses them, a student with layers of its own has none of train.layers, and one view needs no recipes. That other
 * key differs too, and says it all; to say that these are at their default would be wrong. The configuration's part of
 * a student's text has no line of the cache. */
static bool is_conditional(const char *line)
{
    return is_key(line, "run.seed") || is_key(line, "train.layers") || is_key(line, "cache.view_recipes") ||
           is_key(line, "cache.view_seed") || is_key(line, "cache");
}

/* What separates an addition from what the text has already. */
static const char *between(const trb_text *t)
{
    return t->n > 0 ? "; " : "";
}

/* Options of a training and of a student stand in an identity without their section. */
static void add_key(trb_text *t, const char *line, const char *section)
{
    static const char *const whole[] = {"member", "exchange", "cache"};
    const size_t n = strcspn(line, ":\n");
    bool inside = memchr(line, '.', n) == NULL;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) inside = inside && !is_key(line, whole[i]);
    trb_text_add(t, "%s`%s%.*s` ", between(t), inside ? section : "", (int)n, line);
}

static void add_value(trb_text *t, const char *line)
{
    if (line == NULL) {
        trb_text_add(t, "at its default");
        return;
    }
    line += strcspn(line, ":\n");
    line += strspn(line, ": ");
    trb_text_add(t, "%.*s", (int)strcspn(line, "\n"), line);
}

/* A part of the line "cache: TYPE, top CLASSES, blocks of ROWS", in which `top` may be missing.
 * \param[in] after  the text before the part   \param[out] n  its length */
static const char *part_of_cache(const char *line, const char *after, size_t *n)
{
    const size_t length = strcspn(line, "\n");
    const char *at = memmem(line, length, after, strlen(after));
    const char *part = at == NULL ? "none" : at + strlen(after);
    *n = strcspn(part, ",\n");
    return part;
}

static void say_cache(trb_text *t, const char *was, const char *is)
{
    static const struct {
        const char *key, *after;
    } parts[] = {{"cache.dtype", "cache: "}, {"cache.top", ", top "}, {"cache.block", ", blocks of "}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = 0, m = 0;
        const char *a = part_of_cache(was, parts[i].after, &n), *b = part_of_cache(is, parts[i].after, &m);
        if (n == m && memcmp(a, b, n) == 0) continue;
        trb_text_add(t, "%s`%s` was %.*s and is %.*s now", between(t), parts[i].key, (int)n, a, (int)m, b);
    }
}

static void say_key(trb_text *t, const char *was, const char *is, const char *section)
{
    if ((was == NULL || is == NULL) && is_conditional(was != NULL ? was : is)) return;
    if (was != NULL && is != NULL && is_key(was, "cache")) {
        say_cache(t, was, is);
        return;
    }
    add_key(t, was != NULL ? was : is, section);
    trb_text_add(t, "was ");
    add_value(t, was);
    trb_text_add(t, " and is ");
    add_value(t, is);
    trb_text_add(t, " now");
}

/* A member that is not trained yet has the digest 0. */
static bool is_unknown(const char *line)
{
    const char *digest = line + strcspn(line, ":\n");
    digest += strspn(digest, ": ");
    return strspn(digest, "0") == strcspn(digest, "\n");
}

static size_t followed(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text = next_line(text)) n += strncmp(text, MEMBER, sizeof MEMBER - 1) == 0;
    return n;
}

static void say_followed(trb_text *t, const char *found, const char *asked)
{
    const size_t was = followed(found), is = followed(asked);
    bool first = true;
    if (was != is)
        trb_text_add(t, "%sof %zu %s, members.count is %zu now", between(t), was, was == 1 ? "member" : "members", is);
    for (const char *line = found; *line != '\0'; line = next_line(line)) {
        const char *now = strncmp(line, MEMBER, sizeof MEMBER - 1) == 0 ? same_key(asked, line) : NULL;
        const char *number = line + sizeof MEMBER - 1;
        if (now == NULL || same_line(line, now) || is_unknown(now)) continue;
        if (first) trb_text_add(t, "%sof other weights of member ", between(t));
        trb_text_add(t, "%s%.*s", first ? "" : ", ", (int)strcspn(number, ":"), number);
        first = false;
    }
}

/* Another shape comes from other columns as often as from another file. */
static void say_data(trb_text *t, const char *found, const char *asked)
{
    const char *was = same_key(found, "data:"), *is = same_key(asked, "data:");
    const char *was_bytes = same_key(found, "data_digest:"), *is_bytes = same_key(asked, "data_digest:");
    const bool shaped = was != NULL && is != NULL && !same_line(was, is);
    const bool other = was_bytes != NULL && is_bytes != NULL && !same_line(was_bytes, is_bytes);
    if (!shaped && !other) return;
    trb_text_add(t, "the training set (data.train) is another one");
    if (!shaped) return;
    trb_text_add(t, ": its samples were ");
    add_value(t, was);
    trb_text_add(t, " and are ");
    add_value(t, is);
    trb_text_add(t, " now (of tables, data.features and data.drop choose the inputs)");
}

trb_status trb__difference(const char *found, const char *asked, unsigned leave_out, char **out)
{
    const char *section = is_key(found, "member") ? "train." : "student.";
    trb_text t = {0};
    *out = NULL;
    say_data(&t, found, asked);
    if ((leave_out & TRB__FOLLOWED) == 0) say_followed(&t, found, asked);
    for (const char *was = found; *was != '\0'; was = next_line(was)) {
        const char *is = same_key(asked, was);
        if (!is_special(was) && !is_left_out(was, leave_out) && !same_line(was, is)) say_key(&t, was, is, section);
    }
    for (const char *is = asked; *is != '\0'; is = next_line(is))
        if (!is_special(is) && !is_left_out(is, leave_out) && same_key(found, is) == NULL)
            say_key(&t, NULL, is, section);
    if (t.n == 0 && t.st == TRB_OK) return TRB_OK;
    return trb_text_take(&t, out);
}
