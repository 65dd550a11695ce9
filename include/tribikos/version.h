/** What the program is made of, in words: for whoever asks, and in the files that it writes.
 *
 *   tribikos 0.1, commit cd79d725a6b1
 *   built by gcc 12.2.0 for x86-64-v4
 *   kernels: OpenBLAS 0.3.21 SkylakeX, oneDNN 2.6.3 isa 0xe7
 *   MPI: Open MPI 4.1.4
 *   libraries: HDF5 1.10.8, libyaml 0.2.5, zlib 1.2.13, xxHash 0.8.1
 *
 * Versions are those of the libraries that are loaded. Whoever composes the text, which takes all folders, gives it to
 * this one, so that each of them can record it.
 */
#ifndef TRB_VERSION_H
#define TRB_VERSION_H

/** Keep the text from now on. Local. \param[in] text  copied; what is longer than 1023 bytes is cut off */
void trb_version_set(const char *text);
/** Local; borrowed; "" before trb_version_set(). */
const char *trb_version(void);

#endif
