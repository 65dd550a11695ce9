/** Table of the processor features that a compiler may use by itself if TRB_ARCH allows it.
 *
 * A row is X(name, macro, word, bit, registers, level):
 *   name       as messages print it
 *   macro      the compiler defines it as 1 if it may use the feature
 *   word, bit  where the processor reports the feature (cpuid on x86-64, HWCAP on ARM)
 *   registers  which registers the system must save for it
 *   level      the lowest level of the x86-64 psABI that requires it, 0 for none
 */
#ifndef TRB_BASE_PROCESSOR_H
#define TRB_BASE_PROCESSOR_H

#include <stdbool.h>

typedef enum { TRB__ANY_REGISTER, TRB__YMM, TRB__ZMM, TRB__REGISTERS } trb__registers;

#if defined(__x86_64__)
typedef enum {
    LEAF1_ECX,
    LEAF7_EBX,
    LEAF7_ECX,
    LEAF7_EDX,
    LEAF7_1_EAX,
    LEAF7_1_EDX,
    EXTENDED_ECX,
    TRB__WORDS
} trb__word;
#define TRB__FEATURES(X)                                                                                               \
    X("sse3", __SSE3__, LEAF1_ECX, 0, TRB__ANY_REGISTER, 2)                                                            \
    X("ssse3", __SSSE3__, LEAF1_ECX, 9, TRB__ANY_REGISTER, 2)                                                          \
    X("cx16", __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16, LEAF1_ECX, 13, TRB__ANY_REGISTER, 2)                                \
    X("sse4.1", __SSE4_1__, LEAF1_ECX, 19, TRB__ANY_REGISTER, 2)                                                       \
    X("sse4.2", __SSE4_2__, LEAF1_ECX, 20, TRB__ANY_REGISTER, 2)                                                       \
    X("popcnt", __POPCNT__, LEAF1_ECX, 23, TRB__ANY_REGISTER, 2)                                                       \
    X("lahf", __LAHF_SAHF__, EXTENDED_ECX, 0, TRB__ANY_REGISTER, 2)                                                    \
    X("avx", __AVX__, LEAF1_ECX, 28, TRB__YMM, 3)                                                                      \
    X("avx2", __AVX2__, LEAF7_EBX, 5, TRB__YMM, 3)                                                                     \
    X("bmi", __BMI__, LEAF7_EBX, 3, TRB__ANY_REGISTER, 3)                                                              \
    X("bmi2", __BMI2__, LEAF7_EBX, 8, TRB__ANY_REGISTER, 3)                                                            \
    X("f16c", __F16C__, LEAF1_ECX, 29, TRB__YMM, 3)                                                                    \
    X("fma", __FMA__, LEAF1_ECX, 12, TRB__YMM, 3)                                                                      \
    X("lzcnt", __LZCNT__, EXTENDED_ECX, 5, TRB__ANY_REGISTER, 3)                                                       \
    X("movbe", __MOVBE__, LEAF1_ECX, 22, TRB__ANY_REGISTER, 3)                                                         \
    X("avx512f", __AVX512F__, LEAF7_EBX, 16, TRB__ZMM, 4)                                                              \
    X("avx512bw", __AVX512BW__, LEAF7_EBX, 30, TRB__ZMM, 4)                                                            \
    X("avx512cd", __AVX512CD__, LEAF7_EBX, 28, TRB__ZMM, 4)                                                            \
    X("avx512dq", __AVX512DQ__, LEAF7_EBX, 17, TRB__ZMM, 4)                                                            \
    X("avx512vl", __AVX512VL__, LEAF7_EBX, 31, TRB__ZMM, 4)                                                            \
    X("avx512er", __AVX512ER__, LEAF7_EBX, 27, TRB__ZMM, 0)                                                            \
    X("avx512ifma", __AVX512IFMA__, LEAF7_EBX, 21, TRB__ZMM, 0)                                                        \
    X("avx512vbmi", __AVX512VBMI__, LEAF7_ECX, 1, TRB__ZMM, 0)                                                         \
    X("avx512vbmi2", __AVX512VBMI2__, LEAF7_ECX, 6, TRB__ZMM, 0)                                                       \
    X("avx512vnni", __AVX512VNNI__, LEAF7_ECX, 11, TRB__ZMM, 0)                                                        \
    X("avx512bitalg", __AVX512BITALG__, LEAF7_ECX, 12, TRB__ZMM, 0)                                                    \
    X("avx512vpopcntdq", __AVX512VPOPCNTDQ__, LEAF7_ECX, 14, TRB__ZMM, 0)                                              \
    X("avx512vp2intersect", __AVX512VP2INTERSECT__, LEAF7_EDX, 8, TRB__ZMM, 0)                                         \
    X("avx512fp16", __AVX512FP16__, LEAF7_EDX, 23, TRB__ZMM, 0)                                                        \
    X("avx512bf16", __AVX512BF16__, LEAF7_1_EAX, 5, TRB__ZMM, 0)                                                       \
    X("avxvnni", __AVXVNNI__, LEAF7_1_EAX, 4, TRB__YMM, 0)                                                             \
    X("avxifma", __AVXIFMA__, LEAF7_1_EAX, 23, TRB__YMM, 0)                                                            \
    X("avxvnniint8", __AVXVNNIINT8__, LEAF7_1_EDX, 4, TRB__YMM, 0)                                                     \
    X("avxneconvert", __AVXNECONVERT__, LEAF7_1_EDX, 5, TRB__YMM, 0)                                                   \
    X("avxvnniint16", __AVXVNNIINT16__, LEAF7_1_EDX, 10, TRB__YMM, 0)                                                  \
    X("apxf", __APX_F__, LEAF7_1_EDX, 21, TRB__ANY_REGISTER, 0)                                                        \
    X("gfni", __GFNI__, LEAF7_ECX, 8, TRB__ANY_REGISTER, 0)                                                            \
    X("adx", __ADX__, LEAF7_EBX, 19, TRB__ANY_REGISTER, 0)                                                             \
    X("sse4a", __SSE4A__, EXTENDED_ECX, 6, TRB__ANY_REGISTER, 0)                                                       \
    X("fma4", __FMA4__, EXTENDED_ECX, 16, TRB__YMM, 0)                                                                 \
    X("xop", __XOP__, EXTENDED_ECX, 11, TRB__YMM, 0)                                                                   \
    X("tbm", __TBM__, EXTENDED_ECX, 21, TRB__ANY_REGISTER, 0)
#elif defined(__aarch64__)
typedef enum { HWCAP, HWCAP2, TRB__WORDS } trb__word; /* getauxval(AT_HWCAP), getauxval(AT_HWCAP2) */
#define TRB__FEATURES(X)                                                                                               \
    X("crc32", __ARM_FEATURE_CRC32, HWCAP, 7, TRB__ANY_REGISTER, 0)                                                    \
    X("atomics", __ARM_FEATURE_ATOMICS, HWCAP, 8, TRB__ANY_REGISTER, 0)                                                \
    X("fphp", __ARM_FEATURE_FP16_SCALAR_ARITHMETIC, HWCAP, 9, TRB__ANY_REGISTER, 0)                                    \
    X("asimdhp", __ARM_FEATURE_FP16_VECTOR_ARITHMETIC, HWCAP, 10, TRB__ANY_REGISTER, 0)                                \
    X("asimdrdm", __ARM_FEATURE_QRDMX, HWCAP, 12, TRB__ANY_REGISTER, 0)                                                \
    X("jscvt", __ARM_FEATURE_JCVT, HWCAP, 13, TRB__ANY_REGISTER, 0)                                                    \
    X("lrcpc", __ARM_FEATURE_RCPC, HWCAP, 15, TRB__ANY_REGISTER, 0)                                                    \
    X("asimddp", __ARM_FEATURE_DOTPROD, HWCAP, 20, TRB__ANY_REGISTER, 0)                                               \
    X("sve", __ARM_FEATURE_SVE, HWCAP, 22, TRB__ANY_REGISTER, 0)                                                       \
    X("sve2", __ARM_FEATURE_SVE2, HWCAP2, 1, TRB__ANY_REGISTER, 0)                                                     \
    X("i8mm", __ARM_FEATURE_MATMUL_INT8, HWCAP2, 13, TRB__ANY_REGISTER, 0)                                             \
    X("bf16", __ARM_FEATURE_BF16_VECTOR_ARITHMETIC, HWCAP2, 14, TRB__ANY_REGISTER, 0)
#else /* no feature is known for other processors, so none is checked */
typedef enum { TRB__WORDS = 1 } trb__word;
#define TRB__FEATURES(X)
#endif

#define TRB__COUNT(name, macro, word, bit, registers, level) +1
enum { TRB__N_FEATURES = 0 TRB__FEATURES(TRB__COUNT) };

/* The value of TRB_ARCH, and which features it lets the compiler use, by row of the table (built_for.c). */
extern const char trb__arch[];
extern const bool trb__uses[TRB__N_FEATURES + 1];

#endif
