/** What the stages share: networks of a configuration, places in the run directory, and what decides bits. */
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

/** Students draw their initial weights and orders from a stream of their own, the same for all of them: students of one
 * configuration then differ by their method and not by chance. */
#define TRB_STUDENT_STREAM (UINT64_C(1) << 40)

/** The network of member m, checked against the data set. Local. */
trb_status trb__member_net(const trb_config *c, size_t m, const trb_data *data, trb_net **net);
/** The network of student s with M heads, checked against the data set. Local. */
trb_status trb__student_net(const trb_config *c, size_t s, const trb_data *data, size_t M, trb_net **net);

enum { TRB_PATH_BYTES = 1024 };
typedef struct {
    char text[TRB_PATH_BYTES];
} trb__path;
/** RUN/ followed by a printf of the rest. Local. */
trb__path trb__run_path(const trb_config *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Take the lock of a folder of the run for this job (lock.h); rank 0 does it, when a stage begins. Local.
 * \param[in,out] lock  NULL at first; closed by the stage at its end, with all that was taken */
trb_status trb__run_lock(const trb_config *c, const char *folder, trb_lock **lock);
/** Let all ranks write under what rank 0 has locked. Collective over world.
 * \param[in] st  how the locking went   \param[in,out] lock  rank 0's; the others get theirs, to be closed likewise
 * \return the agreed status */
trb_status trb__run_lock_share(trb_comm *world, const trb_config *c, trb_status st, trb_lock **lock);
/** See whether the network of this identity is to be trained by this job; if it is, its folder is locked. Local, for rank
 * 0. \param[out] found  its weights are there already; else as trb_identity_load() */
trb_status trb__run_lock_missing(const trb_config *c, const char *folder, const char *identity, trb_lock **lock,
                                 bool *found);

/** Have the network of member m, whose file was identified before. Local.
 * \param[out] net,params  the caller's, also after a failure, where not NULL
 * \return TRB_OK; TRB_EINTEGRITY if its digest is another one now */
trb_status trb__member_load(const trb_config *c, size_t m, uint64_t digest, trb_net **net, float **params);

/** Digests of all members' weights, read by rank 0; each must be of the configuration asked for. Collective over world.
 * \param[in]  needed  a missing member is an error; else its digest is 0   \param[out] digest [members.count] */
trb_status trb__member_digests(trb_comm *world, const trb_config *c, const trb_data *data, bool needed,
                               uint64_t *digest);

/** The views that the configuration names. Local. \param[in] data  normalised   \param[out] view  [cache.views],
 * trb_free() */
trb_status trb__views(const trb_config *c, const trb_data *data, trb_view **view);
/** The cache that the configuration names, but for outputs, members' digests and views. Local. */
trb_cache_spec trb__run_cache_spec(const trb_config *c, const trb_data *data);
/** What makes the pixels of the first n views. Local. */
trb_status trb__views_create(const trb_config *c, const trb__dataset *s, size_t n, trb_augment **out);

/** Open RUN/cache; refuse it if it is of other data, other members or other views than the configuration names, or
 * holds something else. Collective over world. */
trb_status trb__run_cache_open(trb_comm *world, const trb_config *c, const trb_data *data, trb_cache **cache);

/** The outputs that all members have; they must agree before their logits can lie in one cache. Local. */
trb_status trb__common_outputs(const trb_config *c, const trb_data *data, size_t *K);

/** Whether student s can be trained on these samples with M members of K outputs; and by so many ranks. Local. */
trb_status trb__student_check(const trb_config *c, size_t s, const trb__dataset *samples, size_t M, size_t K);
trb_status trb__student_ranks(const trb_config *c, size_t s, int ranks);
/** The grid in which student s is trained. Local. */
trb_grid_shape trb__student_grid(const trb_config *c, size_t s);

/** Whether all stages can do what is configured, on some number of ranks. Collective over world; the status is agreed.
 * \param[in] s  the training set */
trb_status trb__check(trb_comm *world, const trb_config *c, const trb__dataset *s);

/** How far a student's heads are to be spread, together with what its list says of it (trb_net_spread): so that their
 * mean model uncertainty on the validation part is that of the members' logits, as far as a factor from 0.25 to 4 does
 * it; to four decimals, the same on every rank and for any number of ranks. Says so. Collective over world.
 * \param[in] memory  as trb__reading_open()   \param[in] params  the same on all ranks   \param[in] rows  a call
 * \return the agreed status */
trb_status trb__match_uncertainty(trb_comm *world, const trb_cache *cache, size_t memory, const trb__dataset *s,
                                  const trb_net *net, const float *params, size_t rows, const char *who, double *S);

/** Which kernels, and which processors, computed what this run goes on with: says so if they are others than this
 * run's. Local, for the rank that writes.
 * \param[in] what  for the message   \param[in] blas,processor  as a file has them; "" if it does not say
 * \param[in,out] makers  trb_blas_name(), or what trb_weights_write() says of several; the same with these in front of
 * it, trb_free() */
trb_status trb__makers(const char *what, const char *blas, const char *processor, char **makers);

/** What rank 0 of so many holds at most while members and students are trained; NaN where so many ranks cannot share a
 * training. Local. \param[in,out] members,students  begin_bytes and resume_bytes of the one, and of each, from 0 */
trb_status trb__plan_memory(const trb_config *c, const trb__dataset *s, size_t K, size_t ranks, trb_plan_stage *members,
                            trb_plan_stage *students);

#endif
