/** A weights file: the parameters of a network, and everything that is needed to use it.
 *
 *   one float32 data set a tensor, names and shapes of net.h's parameter table ("body.0.weight" [out][in],
 *   "heads.0.bias" [M][out])
 *   "input.mean", "input.scale" [input_c] float32: a sample enters the network as (value - mean[c]) * scale[c];
 *   regression: "target.mean", "target.scale" [1] float64: a target is mean + scale * output
 *   "input.offset" [input_c] float64, only if values lie so far from zero that float32 would lose their digits: in
 *   double, offset[c] is subtracted first; the difference becomes a float32 and enters as above. Programs that do not
 *   know this data set refuse the file
 *   attributes: format "tribikos weights"; version 1; layers (net.h's list); input_c, input_h, input_w; heads;
 *   config (what the network was trained with, one "key: value" a line); config_digest (XXH3 of that text);
 *   blas (kernels and threads, see trb_weights_write()); program (trb_version(); absent if an older version, or a
 *   program that does not set it, wrote the file); digest (XXH3 of `layers`, the four sizes as uint64, the constants
 *   above and the slab's bytes); schema (what inputs and classes are called, and how files of new inputs are read: the
 *   text form of schema.h) and schema_digest (XXH3 of that text), both absent if there is nothing to say; temperature (a
 *   number in decimal digits, see calibration.h) and temperature_digest (XXH3 of that text), both absent if none was
 *   fitted: for regression, without held-out samples with labels, and in files of earlier versions. The digest of the
 *   file does not depend on it, because the logits do not
 *
 * All functions are local.
 */
#ifndef TRB_WEIGHTS_H
#define TRB_WEIGHTS_H

#include "tribikos/net.h"

/** Normalisation of inputs and targets, and what else a prediction needs. Pointers are borrowed. target_scale is 0 for classes, which have no targets. */
typedef struct {
    const float *mean, *scale; /* [input.c] */
    double target_mean, target_scale;
    const double *offset; /* [input.c] is subtracted first; NULL: nothing */
    const char *schema;   /* its text form; NULL or "": there is nothing to say */
    double temperature;   /* of calibration, fitted on held-out samples; 0: none */
} trb_norm;

typedef struct {
    char *layers, *config, *blas;
    char *program; /* NULL if the file has none */
    char *schema;  /* "" if the file has none */
    trb_shape input;
    size_t heads;
    uint64_t digest, config_digest;
    float *constants; /* what `norm` borrows, as it does the schema */
    double *offset;   /* the same; NULL: none */
    trb_norm norm;
} trb_weights_info;

void trb_weights_info_clear(trb_weights_info *info); /* releases the strings and the constants */

/** Publish a network's parameters. TRB_ENUM, naming the tensor, if one is not finite.
 * \param[in] config  the text to store
 * \param[in] blas    what computed the parameters: trb_blas_name(). If several libraries or machines took part, all of
 *                    them in order, "A; B", each followed by " on " and its processor if that is known
 * \param[out] digest may be NULL */
trb_status trb_weights_write(const char *path, const trb_net *net, const float *params, trb_norm norm,
                             const char *config, const char *blas, uint64_t *digest);

/** Open a weights file, build its network, read and check everything.
 * \param[out] info    NULL to skip; cleared by trb_weights_info_clear()
 * \param[out] net,params  owned by the caller (trb_net_destroy, trb_free); both may be NULL to check only
 * \return TRB_OK; TRB_ECONFIG if absent; TRB_EINTEGRITY if anything is not what it says */
trb_status trb_weights_read(const char *path, trb_weights_info *info, trb_net **net, float **params);

#endif
