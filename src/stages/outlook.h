/** How much work a run has left, and how far all members are: for lines of progress. */
#ifndef TRB_STAGES_OUTLOOK_H
#define TRB_STAGES_OUTLOOK_H

#include "internal.h"
#include "tribikos/log.h"

/** Work is counted in multiply-adds. A stage's own pace tells how long it takes, so the times are rough: calls of other
 * shapes are faster or slower, and evaluation is not counted. Local. */
double trb__work_of_training(const trb_fit_opts *o, const trb__dataset *s, const trb_net *net, uint64_t epochs);

/** From now on this process knows that it runs all stages, one after the other. Local. */
void trb__outlook_whole(void);
/** The work that follows the training of the members, or the cache, in this process, as far as its files do not exist
 * yet; 0 if the process runs only this stage. Local, for rank 0. */
typedef enum { TRB__AFTER_MEMBERS, TRB__AFTER_CACHE } trb__outlook_after;
trb_status trb__outlook(const trb_config *c, const trb__dataset *s, trb__outlook_after after, double *work);
/** The work of the students from number `first` on that have no weights yet. Local, for rank 0. */
trb_status trb__outlook_students(const trb_config *c, const trb__dataset *s, size_t first, double *work);

/** The members of one job, and how far they are. Groups of ranks take them from a queue. */
typedef struct {
    trb_comm *world;
    trb_queue *queue;
    size_t n;               /* members to train */
    const uint64_t *member; /* [n] in the order of the queue */
    const double *cost;     /* [n] rank 0 only */
    double *before;         /* [n] rank 0 only: share of each that earlier jobs have done */
    size_t item;            /* which one this rank's group trains */
    bool leads;             /* this rank is the first one of its group */
    trb_progress progress;
} trb__overview;

/** Begin. Local. \param[in] work  of all members   \param[in] later  trb__outlook()   \param[out] o  its world, n,
 * member and cost are set, its queue before the first call of a function below; closed by trb__overview_end(), after a
 * failure too */
trb_status trb__overview_begin(trb__overview *o, double work, double later);
void trb__overview_end(trb__overview *o); /* Local. */

/** This rank's group begins item number `item`, or has ended its last one (SIZE_MAX). Local. */
void trb__overview_take(trb__overview *o, size_t item, bool leads);
/** Tell rank 0 how far this group is; on rank 0, show all. Local; between two steps.
 * \param[in] before,done  steps, of `steps`   \param[in] each  steps in each epoch   \param[in] note  of this training
 * \return whether a line was shown */
bool trb__overview_show(void *overview, uint64_t before, uint64_t done, uint64_t steps, uint64_t each,
                        const char *note);
/** Rank 0: show all while only other groups work. Local. */
void trb__overview_wait(void *overview);

#endif
