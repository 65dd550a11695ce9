/** What the stages share: networks of a configuration, paths in the run directory, locks, a run's cache, checks. */
#ifndef TRB_STAGES_INTERNAL_H
#define TRB_STAGES_INTERNAL_H

#include <stdio.h>

#include "dataset.h"
#include "tribikos/checkpoint.h"
#include "tribikos/dirichlet.h"
#include "tribikos/file.h"
#include "tribikos/identity.h"
#include "tribikos/jsonl.h"
#include "tribikos/lock.h"
#include "tribikos/reader.h"
#include "tribikos/stages.h"
#include "tribikos/weights.h"

/** All students draw their initial weights and orders from this one stream. So students of one configuration differ by
 * their method and not by chance. */
#define TRB_STUDENT_STREAM (UINT64_C(1) << 40)

/** The network of member m, checked against the data set. Local. */
trb_status trb__member_net(const trb_config *c, size_t m, const trb_data *data, trb_net **net);
/** The network of student s with M heads, checked against the data set. Local. */
trb_status trb__student_net(const trb_config *c, size_t s, const trb_data *data, size_t M, trb_net **net);

enum { TRB_PATH_BYTES = 1024 };
typedef struct {
    char text[TRB_PATH_BYTES];
} trb__path;
/** The path RUN/..., where the rest is formatted as by printf(). Local. */
trb__path trb__run_path(const trb_config *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Take the lock of a folder of the run for this job (lock.h). Rank 0 does this at the beginning of a stage. Local.
 * \param[in,out] lock  NULL at first; the stage closes it at its end, which releases all locks */
trb_status trb__run_lock(const trb_config *c, const char *folder, trb_lock **lock);
/** Let all ranks write under the locks of rank 0. Collective over world.
 * \param[in] st  the status of taking the locks
 * \param[in,out] lock  in: the one of rank 0; out: every rank has one, and closes it at the end of the stage
 * \return the agreed status */
trb_status trb__run_lock_share(trb_comm *world, const trb_config *c, trb_status st, trb_lock **lock);
/** Check whether the network of this identity is trained already. If there is none, lock its folder. Local, for rank 0.
 * \param[out] found       weights exist
 * \param[out] difference  as of trb_identity_read()
 * \return as trb_identity_read(); TRB_ECONFIG if another job has the lock */
trb_status trb__run_lock_missing(const trb_config *c, const char *folder, const char *identity, trb_lock **lock,
                                 bool *found, char **difference);

/** Networks that exist but are of another configuration, so that one message names all of them. Zeros are an empty
 * list. All functions are local. */
typedef struct {
    size_t n;
    struct trb__other {
        char name[TRB_NAME_MAX + 1]; /* of its folder: "m003", "hydra" */
        char *difference;
    } * one; /* [n] */
} trb__others;
/** \param[in] difference  adopted, after a failure too */
trb_status trb__others_add(trb__others *o, const char *name, char *difference);
void trb__others_clear(trb__others *o);
/** \param[in] folder  where they are, for the message   \param[in] n  how many students there are
 * \return TRB_OK if the list is empty; else TRB_EINTEGRITY, with all names, how they differ, and what to do */
trb_status trb__others_refuse_members(const trb__others *o, const char *folder);
trb_status trb__others_refuse_students(const trb__others *o, const char *folder, size_t n);
/** Refuse members and students of another configuration before anything is trained. A student's members that are not
 * trained yet are not compared. Collective over world; the status is agreed. */
trb_status trb__others_check(trb_comm *world, const trb_config *c, const trb_data *data);

/** Training students again, which `--retrain` asks for. All functions are local, for rank 0. */
/** Whether student i must be set aside: it is to be trained again, and no earlier job has begun that. */
bool trb__retrain_begins(const trb_config *c, size_t i);
/** Set the folder of student i aside. The caller has its lock. */
trb_status trb__retrain_begin(const trb_config *c, size_t i);
/** Whether the former student i is set aside. */
bool trb__retrain_lasts(const trb_config *c, size_t i);

/** Load the network of member m, whose file was checked before. Local.
 * \param[out] temperature  of calibration, 0 if the file has none; NULL to skip
 * \param[out] net,params  released by the caller if not NULL, after a failure too
 * \return TRB_OK; TRB_EINTEGRITY if its digest has changed */
trb_status trb__member_load(const trb_config *c, size_t m, uint64_t digest, double *temperature, trb_net **net,
                            float **params);

/** Digests of all members' weights, which rank 0 reads. Each member must have the identity that the configuration asks
 * for. Collective over world.
 * \param[in]  needed  true: a missing member is an error; false: its digest is 0
 * \param[out] digest  [members.count] */
trb_status trb__member_digests(trb_comm *world, const trb_config *c, const trb_data *data, bool needed,
                               uint64_t *digest);

/** The views that the configuration names. Local.
 * \param[in] data  normalised   \param[out] view  [cache.views], released with trb_free() */
trb_status trb__views(const trb_config *c, const trb_data *data, trb_view **view);
/** The description of the configured cache, still without outputs, members' digests and views. Local. */
trb_cache_spec trb__run_cache_spec(const trb_config *c, const trb_data *data);
/** Create the object that makes the pixels of the first n views. Local. */
trb_status trb__views_create(const trb_config *c, const trb__dataset *s, size_t n, trb_augment **out);

/** Open RUN/cache. It is refused if its data, members, views or kind of contents (`cache.holds`) are not those of the
 * configuration. Collective over world. */
trb_status trb__run_cache_open(trb_comm *world, const trb_config *c, const trb_data *data, trb_cache **cache);

/** The number of outputs, which must be the same for all members, since their logits share one cache. Local. */
trb_status trb__common_outputs(const trb_config *c, const trb_data *data, size_t *K);

/** Refuse a cache folder whose shards are not those that the configuration asks for: of another data set, of the other
 * kind, or stored otherwise. Files of other names would stay beside the new ones, without use. A manifest that is
 * missing or damaged cannot tell. Local. */
trb_status trb__cache_goes_on(const char *dir, const trb_cache_spec *spec, const trb_data *data);

/** Check that student s can be trained on these samples with M members of K outputs; and by so many ranks. Local. */
trb_status trb__student_check(const trb_config *c, size_t s, const trb__dataset *samples, size_t M, size_t K);
trb_status trb__student_ranks(const trb_config *c, size_t s, int ranks);
/** The grid in which student s is trained. Local. */
trb_grid_shape trb__student_grid(const trb_config *c, size_t s);

/** Refuse a `cache.memory` that the reader of a student cannot work with on so many ranks. Local. */
trb_status trb__memory_check(const trb_config *c, const trb__dataset *s, size_t ranks);

/** Check that all stages can do what is configured, whatever the number of ranks. Collective over world; the status is
 * agreed. \param[in] s  the training set */
trb_status trb__check(trb_comm *world, const trb_config *c, const trb__dataset *s);

/** Find the spread of a student's heads (trb_net_spread) at which their mean model uncertainty on the validation part
 * equals that of the members' logits, and log it. The spread in the student's list is multiplied by a factor from 0.25
 * to 4; if that does not suffice, there is a warning. The result has four decimals and is the same on every rank and
 * for any number of ranks. Collective over world.
 * \param[in] memory  as for trb__reading_open()   \param[in] params  the same on all ranks
 * \param[in] rows    in each call   \param[out] S  the spread   \return the agreed status */
trb_status trb__match_uncertainty(trb_comm *world, const trb_cache *cache, size_t memory, const trb__dataset *s,
                                  const trb_net *net, const float *params, size_t rows, const char *who, double *S);

/** Warn if this run continues with values that other kernels or processors have computed, because bits may differ then,
 * and note both. Local, for the rank that writes.
 * \param[in] what  for the message   \param[in] blas,processor  from the file; "" if the file does not name them
 * \param[in,out] makers  in: trb_blas_name(), or a list as in trb_weights_write(); out: the same list, with those of
 *                        the file before it; released with trb_free() */
trb_status trb__makers(const char *what, const char *blas, const char *processor, char **makers);

/** The peak memory of rank 0 while members and students are trained by `ranks` ranks; NaN if so many ranks cannot
 * share a training. Local.
 * \param[in,out] members   begin_bytes and resume_bytes, 0 at first   \param[in,out] students  the same for each */
trb_status trb__plan_memory(const trb_config *c, const trb__dataset *s, size_t K, size_t ranks, trb_plan_stage *members,
                            trb_plan_stage *students);

#endif
