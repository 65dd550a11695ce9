/** metrics.jsonl: one JSON object on each line. Numbers are written with %.17g, so that reading them gives the same
 * double; a number that is not finite is written as null.
 *
 * Each line is flushed when it is written. All functions are local.
 */
#ifndef TRB_JSONL_H
#define TRB_JSONL_H

#include "tribikos/status.h"

typedef struct trb_jsonl trb_jsonl;
/** Begin the file again. It replaces what an unfinished run left; a symbolic link is refused.
 * \param[in] text  the first contents of the file; NULL for none */
trb_status trb_jsonl_open(const char *path, const char *text, trb_jsonl **out);
/** The whole contents of the file. \param[out] text  released with trb_free() */
trb_status trb_jsonl_text(const trb_jsonl *j, char **text);
/** Append one line.
 * \param[in] fmt  names and types, e.g. "epoch:u loss:f lr:f"; u: unsigned long long, f: double, s: text */
trb_status trb_jsonl_line(trb_jsonl *j, const char *fmt, ...);
trb_status trb_jsonl_close(trb_jsonl *j); /* syncs the file to disk first; NULL allowed */

#endif
