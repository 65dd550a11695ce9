/** What the program is made of, as text: printed on request, and recorded in the files that it writes. For example
 *
 *   tribikos 0.1, commit cd79d725a6b1
 *   built by gcc 12.2.0 for x86-64-v4
 *   kernels: OpenBLAS 0.3.21 SkylakeX, oneDNN 2.6.3 isa 0xe7
 *   MPI: Open MPI 4.1.4
 *   libraries: HDF5 1.10.8, libyaml 0.2.5, zlib 1.2.13, xxHash 0.8.1
 *
 * Versions are those of the libraries that are loaded. src/cli composes the text, because it knows all folders, and
 * sets it here, so that every folder can record it.
 */
#ifndef TRB_VERSION_H
#define TRB_VERSION_H

/** Set the text. Local. \param[in] text  copied, and cut off after 1023 bytes */
void trb_version_set(const char *text);
/** The text; "" before trb_version_set(). Local; borrowed. */
const char *trb_version(void);

#endif
