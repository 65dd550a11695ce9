/* What the harnesses share: an input that is taken apart, files of the process's own, HDF5 files that are sound but for
 * what the input changes in them. */
#ifndef TRB_FUZZ_H
#define TRB_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tribikos/checkpoint.h"
#include "tribikos/h5.h"
#include "tribikos/members.h"
#include "tribikos/memory.h"
#include "tribikos/reader.h"
#include "tribikos/shard.h"
#include "tribikos/weights.h"

/* What libFuzzer calls. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t most); /* libFuzzer's own */

/* What is left of an input. Behind its end everything is zero. */
typedef struct {
    const uint8_t *at;
    size_t n;
} fuzz_input;

uint64_t fuzz_number(fuzz_input *in, size_t bytes); /* little-endian */
fuzz_input fuzz_bytes(fuzz_input *in, size_t n);    /* up to n bytes */

/* A path in a folder in memory, which is removed at the end of the process. One of eight buffers in turn. */
const char *fuzz_path(const char *name);
/* Write a file there. \return its path */
const char *fuzz_put(const char *name, fuzz_input bytes);

/* Stop here if something that must be good is not. */
#define FUZZ_MUST(good)                                                                                                \
    do {                                                                                                               \
        if (!(good)) fuzz_die(#good);                                                                                  \
    } while (0)
void fuzz_die(const char *what) __attribute__((noreturn));

/* What every reader has to leave behind, whatever it was given: no memory, no open HDF5 object, and one line if it
 * failed, which is forgotten here. */
void fuzz_settle(trb_status st);

/* An HDF5 file as our own writer makes it, from which inputs make others: an input that begins as an HDF5 file is one,
 * as it stands; any other is a list of edits, done through HDF5, so that what it makes is sound for the library and
 * reaches our own checks. What `names` lists is what can be edited. The seeds named *.h5 are the files themselves; with
 * TRB_FUZZ_KEEP=PATH a harness puts its file there. */
typedef struct {
    uint8_t *bytes;
    size_t n;
} fuzz_base;
void fuzz_base_keep(fuzz_base *base, const char *path); /* takes the file's bytes */
/* \return path of the file that the input stands for */
const char *fuzz_base_edit(const fuzz_base *base, const char *name, fuzz_input in);

/* A cache of 2 members, 2 views, 5 samples and 3 outputs in the folder "cache"; `stored`: with inputs of view 1, of
 * FUZZ_D halves. */
enum { FUZZ_D = 12 };
void fuzz_cache_make(bool stored, trb_shard_kind holds);
/* Its manifest is what the input makes of `base`: open it, and check its shards. */
void fuzz_cache_manifest(const fuzz_base *base, fuzz_input in);

#endif
