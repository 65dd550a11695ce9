/** A description of this machine, for files that record what made them. */
#ifndef TRB_MACHINE_H
#define TRB_MACHINE_H

/** The processor's name, its family and model numbers, and the size of its second-level cache, which decides how the
 * libraries cut their products: "AMD EPYC 9R14 (25/17), L2 1024 KiB". It contains no ';', because files separate such
 * names by it. Local; borrowed. */
const char *trb_machine_name(void);

#endif
