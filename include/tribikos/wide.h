/** Hot loops on the widest vectors that a processor has, also in a program that is built for others too.
 *
 * TRB_WIDE before a static function has the compiler make it several times, each for processors of one kind (x86-64-v3,
 * x86-64-v4), and the loader choose one when the program starts. All have the same bits: operations are separately
 * rounded (-ffp-contract=off), and without -ffast-math a sum keeps its order, however wide the vectors are. What such a
 * function calls is compiled with it only if it is inlined. A build for a processor with AVX-512 needs no choice, nor
 * do processors that are no x86-64.
 *
 * It is for loops over many numbers: a call goes through a pointer. Build with -DTRB_WIDE= where the loader must not
 * run code of the program (ThreadSanitizer).
 */
#ifndef TRB_WIDE_H
#define TRB_WIDE_H

#include <features.h>

#ifndef TRB_WIDE
#if !defined(__x86_64__) || !defined(__GLIBC__) || defined(__AVX512BW__)
#define TRB_WIDE
#elif defined(__clang__) || __GNUC__ < 12 /* do not know the levels here, or not who has them */
#define TRB_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TRB_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#endif

#endif
