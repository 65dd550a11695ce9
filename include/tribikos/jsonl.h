/** metrics.jsonl: one JSON object a line, numbers that round-trip (%.17g; not-finite ones as null).
 *
 * Each line is flushed as it is written. All functions are local.
 */
#ifndef TRB_JSONL_H
#define TRB_JSONL_H

#include "tribikos/status.h"

typedef struct trb_jsonl trb_jsonl;
/** Begin a file anew (whatever an unfinished run left is replaced; a symbolic link is refused). \param[in] text  what it begins with, NULL for
 * nothing */
trb_status trb_jsonl_open(const char *path, const char *text, trb_jsonl **out);
/** All that is in it. \param[out] text  trb_free() */
trb_status trb_jsonl_text(const trb_jsonl *j, char **text);
/** One line. \param[in] fmt  names and kinds, e.g. "epoch:u loss:f lr:f"; u: unsigned long long, f: double, s: text */
trb_status trb_jsonl_line(trb_jsonl *j, const char *fmt, ...);
trb_status trb_jsonl_close(trb_jsonl *j); /* after a sync; NULL allowed */

#endif
