/** Identity: the text of all that decides a network's bits.
 *
 * Two networks with the same identity are the same network. The text has lines "key: value". Weights files and
 * checkpoints contain it, and `tribikos info` prints it. By it a stage knows whether a file is the network that the
 * configuration asks for; if it is not, the stage refuses the file. The lines, in this order:
 *
 *     member            the member's number, because random numbers are keyed by it; a student has no such line
 *     server.staleness  only for an exchange by servers with staleness above 0
 *     keys of the run   those that the option table (src/config/options.c) marks as part of the identity
 *     run.seed          only if samples are held out: the seed chooses them
 *     keys of the student, then of the training   all that the option table does not exclude
 *     train.layers      only for a student that has no layers of its own
 *     data, data_digest                     shape, type and content of the training set
 *     cache.view_recipes, cache.view_seed   only for a student that sees views besides the samples themselves
 *     cache             type of the logits, and number of samples in a block
 *     member_digest.M   the weights of each member that the student follows
 *
 * Files of earlier versions stay good: a key that earlier versions did not have is left out while it is at its default.
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
/** The last lines of a student's identity: the digests of the members that it follows. Local.
 * \param[out] text  trb_free() */
trb_status trb_identity_followed(size_t M, const uint64_t *digest, char **text);

/** Whether a network of one identity is the one that another text asks for. Lines of the data and of the cache that only
 * one of the two texts has are not compared. Local. \param[out] agrees  untouched after a failure */
trb_status trb_identity_agrees(const char *found, const char *asked, bool *agrees);

/** Refuse a checkpoint of another network. Another exchange is allowed: it takes the same parameters and moments.
 * Local. \return TRB_OK; TRB_EINTEGRITY says in words how the two texts differ, with the keys and both values */
trb_status trb_identity_resume(const char *path, const char *found, const char *asked);

/** Read a weights file, if it exists, and compare its network with this identity. Local. A network of another identity
 * is no failure here, so that a stage can name all such networks in one message.
 * \param[in]  followed    NULL: the file's identity must be `identity`; else it must begin with `identity` and end with
 *                         `followed`; "" accepts any members
 * \param[out] found       false if there is no file
 * \param[out] difference  NULL if the network has this identity; else how it differs, in words, with the keys and both
 *                         values; trb_free()
 * \param[out] digest      of the weights if found; may be NULL, as may temperature, which is 0 if the file has none
 * \param[out] net,params  may be NULL; else the caller releases them, also after a failure
 * \return TRB_OK; TRB_EINTEGRITY if the file is damaged, so that it must not be overwritten */
trb_status trb_identity_read(const char *path, const char *identity, const char *followed, bool *found,
                             char **difference, uint64_t *digest, double *temperature, trb_net **net, float **params);

#endif
