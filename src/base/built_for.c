/* What the compiler was told of the processor: data alone, compiled with the flags that TRB_ARCH stands for. */
#include "processor.h"

/* 1 if the macro is 1, 0 if it is not defined: the second of `0, 1, 0` or of `nothing 1, 0`. */
#define IS_ONE(macro) PASTE(macro)
#define PASTE(value) SECOND_OF(COMMA_BEFORE_##value 1, 0, 0)
#define COMMA_BEFORE_1 0,
#define SECOND_OF(...) SECOND(__VA_ARGS__)
#define SECOND(first, second, ...) second

const char trb__arch[] = TRB_ARCH;
const bool trb__uses[] = {
#define X(name, macro, word, bit, registers, level) IS_ONE(macro),
    TRB__FEATURES(X)
#undef X
        false};
