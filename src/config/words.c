/* Words out of a few, such as the formats of data: which one a user may have meant. */
#include "internal.h"

#include <ctype.h>
#include <string.h>

#include "tribikos/text.h"

/* Words that other programs, or people, have for a value of this one. */
static const struct {
    const char *alias, *word;
} synonyms[] = {
    {"csv", "table"},
    {"tsv", "table"},
    {"txt", "table"},
    {"text", "table"},
    {"mnist", "idx"},
    {"fashion-mnist", "idx"},
    {"ubyte", "idx"},
    {"cifar", "cifar10"},
    {"cifar-10", "cifar10"},
    {"cifar-100", "cifar100"},
    {"h5", "hdf5"},
    {"hdf", "hdf5"},
    {"npz", "npy"},
    {"numpy", "npy"},
    {"classification", "classes"},
    {"bfloat16", "bf16"},
    {"float32", "f32"},
    {"fp32", "f32"},
    {"f32", "float32"},
    {"fp16", "float16"},
    {"half", "float16"},
    {"f16", "float16"},
    {"kaiming", "he"},
    {"xavier", "glorot"},
    {"momentum", "sgd"},
    {"multistep", "step"},
    {"none", "constant"},
    {"channels_last", "nhwc"},
    {"channels_first", "nchw"},
    {"val", "validation"},
    {"valid", "validation"},
    {"dev", "validation"},
    {"distillation", "kd"},
};

const char *trb__word_meant(const char *known, const char *given)
{
    enum { MOST = 32, BYTES = 32 };
    static char word[MOST][BYTES];
    char small[BYTES];
    const char *words[MOST];
    size_t n = 0, k = 0;
    for (const char *at = known; *at != '\0' && n < MOST; n++) {
        const size_t length = strcspn(at, "|");
        (void)snprintf(word[n], BYTES, "%.*s", (int)length, at);
        words[n] = word[n];
        at += length + (at[length] == '|');
    }
    for (; given[k] != '\0' && k + 1 < BYTES; k++) small[k] = (char)tolower((unsigned char)given[k]);
    small[k] = '\0';
    for (size_t i = 0; i < sizeof synonyms / sizeof *synonyms; i++)
        for (size_t j = 0; strcmp(synonyms[i].alias, small) == 0 && j < n; j++)
            if (strcmp(synonyms[i].word, words[j]) == 0) return words[j];
    return trb_text_meant(small, n, words);
}
