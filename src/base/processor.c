/* Compares the features that the compiler may use with those that this processor has (processor.h). It asks `cpuid` on
 * x86-64 and the kernel (HWCAP) on ARM. */
#include "tribikos/processor.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "processor.h"
#include "tribikos/text.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

static const struct {
    const char *name;
    int word, bit, registers, level;
} feature[] = {
#define X(name, macro, word, bit, registers, level) {name, word, bit, registers, level},
    TRB__FEATURES(X)
#undef X
        {NULL, 0, 0, 0, 0}};

typedef struct {
    uint64_t word[TRB__WORDS];
    bool saved[TRB__REGISTERS]; /* whether the system saves them when it switches between processes */
} processor;

#if defined(__x86_64__)
enum { FIRST_LEVEL = 1, LAST_LEVEL = 4, OSXSAVE = 27 };
static const char *const level_names[] = {"portable", "portable", "x86-64-v2", "x86-64-v3", "x86-64-v4"};

static void look(processor *p)
{
    unsigned a, b, c, d, leaves = 0, state = 0;
    if (__get_cpuid(1, &a, &b, &c, &d)) p->word[LEAF1_ECX] = c;
    if (__get_cpuid_count(7, 0, &leaves, &b, &c, &d)) {
        p->word[LEAF7_EBX] = b;
        p->word[LEAF7_ECX] = c;
        p->word[LEAF7_EDX] = d;
    }
    if (leaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        p->word[LEAF7_1_EAX] = a;
        p->word[LEAF7_1_EDX] = d;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) p->word[EXTENDED_ECX] = c;
    if (p->word[LEAF1_ECX] >> OSXSAVE & 1) __asm__("xgetbv" : "=a"(state), "=d"(d) : "c"(0));
    /* XCR0 says which registers the system saves: bits 1 and 2 for YMM, bits 5 to 7 too for ZMM. */
    p->saved[TRB__ANY_REGISTER] = true;
    p->saved[TRB__YMM] = (state & 0x06U) == 0x06U;
    p->saved[TRB__ZMM] = (state & 0xe6U) == 0xe6U;
}
#else
enum { FIRST_LEVEL = 0, LAST_LEVEL = 0 };
static const char *const level_names[] = {"portable"};

static void look(processor *p)
{
    p->saved[TRB__ANY_REGISTER] = true;
#if defined(__aarch64__)
    p->word[HWCAP] = getauxval(AT_HWCAP);
    p->word[HWCAP2] = getauxval(AT_HWCAP2);
#endif
}
#endif

static bool has(const processor *p, size_t i)
{
    return p->saved[feature[i].registers] && (p->word[feature[i].word] >> feature[i].bit & 1) != 0;
}

/* The highest level of the x86-64 psABI whose features are all there: in processor `p`, or, if p is NULL, among those
 * that the program was built to use. */
static int level_of(const processor *p)
{
    int level = LAST_LEVEL;
    for (size_t i = 0; feature[i].name != NULL; i++)
        if (feature[i].level > 0 && feature[i].level <= level && !(p != NULL ? has(p, i) : trb__uses[i]))
            level = feature[i].level - 1;
    return level;
}

/* Lists the features that the program uses and `p` lacks: the first four by name, then how many more.
 * \return how many are missing */
static size_t list_missing(const processor *p, size_t bytes, char *text)
{
    enum { NAMED = 4 };
    trb_text t = trb_text_in(text, bytes);
    size_t n = 0;
    for (size_t i = 0; feature[i].name != NULL; i++) {
        if (!trb__uses[i] || has(p, i)) continue;
        if (n < NAMED) trb_text_add(&t, "%s%s", n > 0 ? ", " : "", feature[i].name);
        n++;
    }
    if (n > NAMED) trb_text_add(&t, " and %zu more", n - NAMED);
    return n;
}

trb_status trb_processor_check(void)
{
    processor p = {0};
    char missing[128], host[64] = "?";
    look(&p);
    if (list_missing(&p, sizeof missing, missing) == 0) return TRB_OK;
    (void)gethostname(host, sizeof host - 1);
    return trb_fail(TRB_ECONFIG,
                    "the processor of %s lacks %s, for which the program was built (TRB_ARCH=%s); build it again with "
                    "`cmake -DTRB_ARCH=%s`",
                    host, missing, trb__arch, level_names[level_of(&p)]);
}

const char *trb_processor_built_for(void)
{
    static char text[64];
    const int level = level_of(NULL);
    if (level > FIRST_LEVEL && strcmp(trb__arch, level_names[level]) != 0)
        (void)snprintf(text, sizeof text, "%s (%s)", trb__arch, level_names[level]);
    else
        (void)snprintf(text, sizeof text, "%s", trb__arch);
    return text;
}
