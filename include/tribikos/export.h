/** Trained networks in the formats of other programs.
 *
 * Each format is one function, which makes the bytes of a file; trb_export() chooses it by name, and publishes the file
 * aside and renamed (file.h). Several networks are members of an ensemble: the file predicts what `tribikos eval`
 * reports for the ensemble.
 *
 * All functions are local.
 */
#ifndef TRB_EXPORT_H
#define TRB_EXPORT_H

#include "tribikos/buffer.h"
#include "tribikos/trained.h"

/** A format: its name, and what makes the file.
 * \param[in]  n     networks, of one task, with the same inputs and outputs
 * \param[in]  path  of the file that is made
 * \param[out] file,beside  the file, and a second one beside it whose name has `suffix` at its end. The caller clears
 * them */
typedef struct {
    const char *name;
    const char *suffix; /* takes the place of the file's own ending; NULL if there is no second file */
    trb_status (*make)(size_t n, const trb_trained *const *models, const char *path, trb_buffer *file,
                       trb_buffer *beside);
} trb_export_format;

/** Format number i. \return NULL after the last one */
const trb_export_format *trb_export_format_at(size_t i);
/** \return NULL if no format has this name */
const trb_export_format *trb_export_format_find(const char *name);

/** Read weights files and publish them as one file of this format.
 * \param[in] force  overwrite what exists
 * \return TRB_OK; TRB_ECONFIG if the networks do not fit each other or the format, or a file exists */
trb_status trb_export(const trb_export_format *format, size_t n, char *const *weights, const char *output, bool force);

/** The formats. onnx: ONNX, opset 17, with a JSON that describes inputs and outputs. safetensors: the tensors with
 * PyTorch's names. c: a header and a file of C99 without dependencies. */
extern const trb_export_format trb_export_onnx, trb_export_safetensors, trb_export_c;

#endif
