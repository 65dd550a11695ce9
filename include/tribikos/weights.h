/** A weights file: the parameters of a network, and all that is needed to use it.
 *
 *   one float32 data set a tensor, names and shapes of net.h's parameter table ("body.0.weight" [out][in],
 *   "heads.0.bias" [M][out])
 *   "input.mean", "input.scale" [input_c] float32: a sample enters the network as (value - mean[c]) * scale[c];
 *   regression: "target.mean", "target.scale" [1] float64: a target is mean + scale * output
 *   attributes: format "tribikos weights"; version 1; layers (net.h's list); input_c, input_h, input_w; heads;
 *   config (what the network was trained with, one "key: value" a line); config_digest (XXH3 of that text);
 *   blas (kernels and threads, see trb_weights_write()); program (trb_version(); absent from files of before there was one,
 *   and of programs that did not set it); digest (XXH3 of `layers`, the four sizes as uint64, the constants above and the
 *   slab's bytes)
 *
 * All functions are local.
 */
#ifndef TRB_WEIGHTS_H
#define TRB_WEIGHTS_H

#include "tribikos/net.h"

typedef struct {
    char *layers, *config, *blas;
    trb_shape input;
    size_t heads;
    uint64_t digest, config_digest;
} trb_weights_info;

/** How values are normalised on the way in and out; borrowed pointers. target_scale 0: no targets (classes). */
typedef struct {
    const float *mean, *scale; /* [input.c] */
    double target_mean, target_scale;
} trb_norm;

void trb_weights_info_clear(trb_weights_info *info); /* releases the strings */

/** Publish a network's parameters. TRB_ENUM, naming the tensor, if one is not finite.
 * \param[in] config  the text to store   \param[in] blas  what computed them: trb_blas_name(); or, if others took part,
 * all in their order, "A; B", each with " on " and the processor behind it if that is known
 * \param[out] digest may be NULL */
trb_status trb_weights_write(const char *path, const trb_net *net, const float *params, trb_norm norm,
                             const char *config, const char *blas, uint64_t *digest);

/** Open a weights file, build its network, read and check everything.
 * \param[out] info    NULL to skip; cleared by trb_weights_info_clear()
 * \param[out] net,params  owned by the caller (trb_net_destroy, trb_free); both may be NULL to check only
 * \return TRB_OK; TRB_ECONFIG if absent; TRB_EINTEGRITY if anything is not what it says */
trb_status trb_weights_read(const char *path, trb_weights_info *info, trb_net **net, float **params);

#endif
