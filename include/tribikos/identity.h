/** Identity: what decides a network's bits.
 *
 * Two networks of one identity are the same network. An identity is a text of lines "key: value". Weights files and
 * checkpoints carry it (store.h), `tribikos info` prints it. So a stage knows which file is already what the
 * configuration asks for, and which one it must refuse. The lines, in this order:
 *
 *     member            its number, because random numbers are keyed by it; a student has no such line
 *     server.staleness  of an exchange by servers with staleness
 *     keys of the run   those that the option table marks as part of the identity (src/config/options.c)
 *     run.seed          if samples are held out, which the seed chooses
 *     keys of the student and of the training   all that the option table does not exclude
 *     train.layers      of a student that has no layers of its own
 *     data, data_digest                     shape, type and content of the training set
 *     cache.view_recipes, cache.view_seed   of a student that sees views besides the samples themselves
 *     cache             type of the logits, and samples a block
 *     member_digest.M   the weights of each member that the student follows
 *
 * Files of earlier versions stay good: a key that is younger than files is left out where it is at its default.
 */
#ifndef TRB_IDENTITY_H
#define TRB_IDENTITY_H

#include "tribikos/config.h"

/** The identity of member m. Local.
 * \param[in] data  NULL: the configuration's part alone   \param[out] text  trb_free() */
trb_status trb_identity_member(const trb_config *c, size_t m, const trb_data *data, char **text);
/** The identity of student s. Local.
 * \param[in] data  as above   \param[in] cache  NULL: without the lines from `cache` on
 * \param[out] text  trb_free() */
trb_status trb_identity_student(const trb_config *c, size_t s, const trb_data *data, const trb_cache_spec *cache,
                                char **text);
/** The last lines of a student's identity: the members that it follows. Local. \param[out] text  trb_free() */
trb_status trb_identity_followed(size_t M, const uint64_t *digest, char **text);

/** Refuse a checkpoint of another network. A training may go on by another exchange, because parameters and moments are
 * the same. Local. \return TRB_OK; TRB_EINTEGRITY names the first line in which the two texts differ */
trb_status trb_identity_resume(const char *path, const char *found, const char *asked);

/** See whether a weights file has the network of this identity, and read it. Local.
 * \param[in]  followed  NULL: the file's identity must be `identity`; else it must begin with `identity` and end with
 *                       `followed`
 * \param[out] found     false if there is no file   \param[out] digest  of the weights if found; may be NULL
 * \param[out] net,params  the caller's, also after a failure, where not NULL
 * \return TRB_OK; TRB_EINTEGRITY if the file is damaged or has another network: it is not overwritten */
trb_status trb_identity_load(const char *path, const char *identity, const char *followed, bool *found,
                             uint64_t *digest, trb_net **net, float **params);

#endif
