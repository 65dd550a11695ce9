/** TRB_WIDE: loops that use the widest vectors of the processor, even if the program is built for older ones too.
 *
 * Put TRB_WIDE before a static function. The compiler then makes several versions of the function, one for each kind of
 * processor (x86-64-v3, x86-64-v4), and the loader chooses one when the program starts. All versions give the same
 * bits: every operation is rounded separately (-ffp-contract=off), and without -ffast-math a sum keeps its order
 * however wide the vectors are. A function that it calls is compiled in the same way only if it is inlined. A build for
 * processors with AVX-512 needs one version only, and so do processors other than x86-64.
 *
 * Use it for loops over many numbers, because each call goes through a pointer. Build with -DTRB_WIDE= if the loader
 * must not run code of the program (ThreadSanitizer).
 */
#ifndef TRB_WIDE_H
#define TRB_WIDE_H

#include <features.h>

#ifndef TRB_WIDE
#if !defined(__x86_64__) || !defined(__GLIBC__) || defined(__AVX512BW__)
#define TRB_WIDE
#elif defined(__clang__) || __GNUC__ < 12 /* these do not know the levels, or cannot detect them */
#define TRB_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TRB_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
#endif

#endif
