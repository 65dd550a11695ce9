/** What this machine is, for files that say what made them. */
#ifndef TRB_MACHINE_H
#define TRB_MACHINE_H

/** The processor by the system's words, its numbers and the size of the second-level cache, by which the libraries cut
 * their products: "AMD EPYC 9R14 (25/17), L2 1024 KiB". Local; borrowed; without ';', which separates names in files. */
const char *trb_machine_name(void);

#endif
