/* The different words of a column, counted. */
#include "table.h"

#include <string.h>

#include "tribikos/memory.h"

static trb_status grow(trb__words *w)
{
    const size_t room = w->capacity > 0 ? 2 * w->capacity : 16;
    void *at = NULL;
    if (w->n < w->capacity) return TRB_OK;
    TRB_TRY(trb_alloc(TRB_MEM_OTHER, room, sizeof *w->word, &at));
    if (w->n > 0) memcpy(at, w->word, w->n * sizeof *w->word);
    trb_free(w->word);
    w->word = at;
    w->capacity = room;
    return TRB_OK;
}

trb_status trb__words_count(trb__words *w, const char *text, size_t *id)
{
    size_t low = 0, high = w->n;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int order = strcmp(w->word[mid].text, text);
        if (order == 0) {
            w->word[mid].count++;
            *id = w->word[mid].id;
            return TRB_OK;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    char *copy = NULL;
    TRB_TRY(grow(w));
    TRB_TRY(trb_strdup(text, &copy));
    memmove(w->word + low + 1, w->word + low, (w->n - low) * sizeof *w->word);
    w->word[low] = (trb__counted_word){.text = copy, .count = 1, .id = w->n};
    *id = w->n++;
    return TRB_OK;
}

void trb__words_clear(trb__words *w)
{
    for (size_t i = 0; i < w->n; i++) trb_free(w->word[i].text);
    trb_free(w->word);
    *w = (trb__words){0};
}
