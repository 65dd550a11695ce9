/* Which processor the program was built for. This file holds data only. Unlike the rest of src/base it is compiled with
 * the flags of TRB_ARCH, so that the compiler's macros tell which features it may use. */
#include "processor.h"

/* 1 if the macro is defined as 1, 0 if it is not defined. SECOND takes the second of
 * `0, 1, 0, 0` if it is 1, and otherwise of `NAME 1, 0, 0`, where NAME is a name that begins with COMMA_BEFORE_. */
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
