/** A small data set and a run on it: what tests of whole stages share. */
#ifndef TRB_TESTS_MPI_SCENE_H
#define TRB_TESTS_MPI_SCENE_H

#include <stdlib.h>
#include <unistd.h>

#include "mpi/check.h"
#include "tribikos/blas.h"
#include "tribikos/log.h"

#include "../../src/stages/internal.h"

enum { SIDE = 6, D = SIDE * SIDE, N = 40 }; /* N random images of SIDE x SIDE, image i of class i % D */

typedef struct {
    char folder[64];
    trb_config *c;
    trb__dataset s;
} scene;

/* The first of the tests: what a program does before its stages. */
static inline void scene_begin(trb_comm *w)
{
    trb_log_open(false, 10.0);
    CHECK(trb_agree(w, trb_blas_open(1)) == TRB_OK);
}

static inline void scene_put(const char *folder, const char *name, const uint8_t *head, size_t n_head,
                             const uint8_t *bytes, size_t n)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    CHECK(f != NULL && fwrite(head, 1, n_head, f) == n_head && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

/* A new folder with the data set, x and y, in it. */
static inline void scene_make(trb_comm *w, scene *of)
{
    *of = (scene){.folder = "/tmp/trb-scene-XXXXXX"};
    if (trb_comm_rank(w) == 0) {
        const uint8_t x_head[16] = {0, 0, 8, 3, 0, 0, 0, N, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
        const uint8_t y_head[8] = {0, 0, 8, 1, 0, 0, 0, N};
        uint8_t x[N * D], y[N];
        trb_rng rng = trb_rng_open(1, TRB_USE_TEST, 0, 0, 0);
        for (size_t i = 0; i < sizeof x; i++) x[i] = (uint8_t)trb_rng_below(&rng, 256);
        for (size_t i = 0; i < N; i++) y[i] = (uint8_t)(i % D);
        CHECK(mkdtemp(of->folder) != NULL);
        scene_put(of->folder, "x", x_head, sizeof x_head, x, sizeof x);
        scene_put(of->folder, "y", y_head, sizeof y_head, y, sizeof y);
    }
    CHECK(trb_comm_bcast(w, of->folder, sizeof of->folder, 0) == TRB_OK);
}

static inline void scene_open(trb_comm *w, const char *config, scene *of)
{
    CHECK(trb_config_parse("scene", config, 0, NULL, &of->c) == TRB_OK);
    CHECK(trb__dataset_load(w, of->c, TRB_LABELS_NEEDED, &of->s) == TRB_OK);
}

static inline void scene_strike(trb_comm *w, scene *of)
{
    trb_config_destroy(of->c);
    trb__dataset_clear(&of->s);
    CHECK(trb_comm_barrier(w) == TRB_OK);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r '%s'", of->folder);
    if (trb_comm_rank(w) == 0) CHECK(system(command) == 0); /* NOLINT(cert-env33-c): the name is ours */
}

#endif
