/** The bytes that a run writes, and the space on its disk. */
#ifndef TRB_STAGES_SPACE_H
#define TRB_STAGES_SPACE_H

#include "internal.h"

/** The bytes of one file of the cache before packing. Local. */
double trb__unit_bytes(const trb_cache_spec *spec, trb_cache_unit u);

/** Refuse a run whose cache and weights cannot fit on the disk of run.dir, even if the files that are in it already are
 * those of the run. With packing (cache.deflate) nobody knows the bytes beforehand, so there is only a warning. Local,
 * for rank 0.
 * \param[in] K  outputs of the members   \return TRB_OK; TRB_ECONFIG, with both figures and what to do */
trb_status trb__space_check(const trb_config *c, const trb__dataset *s, size_t K);

#endif
