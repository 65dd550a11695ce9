/** The steps of a training, before it begins: what cannot work is refused, and one line says what is trained. Local. */
#ifndef TRB_STAGES_STEPS_H
#define TRB_STAGES_STEPS_H

#include "internal.h"

/** Refuse lanes of so few rows that a batch normalisation sees one value of a channel. Warn, once, if more than a tenth
 * of the training samples is left over at the end of each epoch.
 * \param[in] who  for the message, e.g. "member 3" */
trb_status trb__steps_check(const trb_net *net, const trb_fit_opts *o, const trb__dataset *s, const char *who);

/** Print a line for each of the chosen members, and one line for neighbours that are alike: layers, parameters, steps
 * of an epoch, samples left out of each. \param[in] chosen  [members.count] */
trb_status trb__steps_say_members(const trb_config *c, const trb__dataset *s, const bool *chosen);
/** Print the same line for student i, with M heads. */
trb_status trb__steps_say_student(const trb_config *c, size_t i, const trb__dataset *s, size_t M);

#endif
