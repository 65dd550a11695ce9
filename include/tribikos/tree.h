/** A YAML or JSON file as a list of dotted keys with their values: "models.hydra.nll" is "0.0541".
 *
 * JSON is a part of YAML, so libyaml, which reads configurations, reads report.json too. Keys are sorted. A section,
 * and a list that holds others, is an entry as well; what is in it has longer keys. Names that contain a dot cannot be
 * told from two levels. All functions are local; texts that they return are borrowed from the tree.
 */
#ifndef TRB_TREE_H
#define TRB_TREE_H

#include <stdbool.h>

#include "tribikos/status.h"

typedef struct trb_tree trb_tree;

/** \param[in] name  of the file, for messages   \return TRB_OK; TRB_ECONFIG if the text is no YAML or JSON, with the
 * line */
trb_status trb_tree_read(const char *name, const char *text, trb_tree **out);
void trb_tree_destroy(trb_tree *t); /* NULL allowed */

size_t trb_tree_n(const trb_tree *t); /* entries */
const char *trb_tree_key(const trb_tree *t, size_t i);
bool trb_tree_is_section(const trb_tree *t, size_t i);
size_t trb_tree_size(const trb_tree *t, size_t i); /* values of entry i: 1, or those of a list */
const char *trb_tree_at(const trb_tree *t, size_t i, size_t k);
/** The entry of a key; trb_tree_n() if there is none. */
size_t trb_tree_find(const trb_tree *t, const char *key);
/** The value of a key; NULL if there is none, if it is null, or if it is a list or section. */
const char *trb_tree_text(const trb_tree *t, const char *key);
/** The same as a number; NaN if it is none. */
double trb_tree_number(const trb_tree *t, const char *key);
/** The value of entry i as one text, "[a, b]" for a list. \param[out] out  trb_free() */
trb_status trb_tree_line(const trb_tree *t, size_t i, char **out);

#endif
