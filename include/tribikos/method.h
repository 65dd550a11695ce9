/** Methods: the ways in which a student follows the members of the ensemble.
 *
 * A method is a description: constants and functions in a struct. Related methods share a file in src/methods. The
 * configuration, `tribikos plan` and the training read the description, and none of them knows a method by its name.
 * What a method needs from the configuration follows from its description too, so the two cannot contradict each other.
 * All functions are local.
 */
#ifndef TRB_METHOD_H
#define TRB_METHOD_H

#include "tribikos/data.h"
#include "tribikos/dirichlet.h"

/** What heads a student has while it is trained.
 *
 * | kind | first phase | second phase | it needs |
 * | TRB_ONE_HEAD | one head for all members | the same | sums over all members (statistics) |
 * | TRB_COPIED_HEADS | one head for all members | a copy of it for each member | each member's logits, a `split` |
 * | TRB_SHARING_HEADS | a head for each member | the same | each member's logits, all members on each rank |
 *
 * Heads that share have no weights of their own, only factors of rank one (net.h, rank1), so a `split` has no meaning.
 */
typedef enum { TRB_ONE_HEAD, TRB_COPIED_HEADS, TRB_SHARING_HEADS } trb_head_kind;

/** Where a row of a cache of statistics (trb_statistics) contains what a loss needs. */
typedef enum {
    TRB_CACHED_NOT,  /* nowhere: the method needs the logits of each member */
    TRB_CACHED_LOGS, /* from 0 on: the s of distribution distillation */
    TRB_CACHED_MEANS /* from K on: pi, and then w */
} trb_cached;

/** The temperatures of a training: student.temperature, student.anneal_from and student.anneal_share. */
typedef struct {
    double temperature, anneal_from, anneal_share;
} trb_tempering;

/** How a student follows the members in one task. While it has one head for all members, a row of their logits becomes
 * *statistics*: sums over members, divided by the size of the ensemble. Because they are sums, each column of a grid
 * can compute the part of its own members, and the parts are added up in the tree of grid.h. */
typedef struct {
    size_t sets; /* a row of statistics has sets * K numbers */
    trb_cached cached;
    /** The temperature when the share `done` of the training is over, in [0, 1). NULL: always 1. */
    double (*temperature)(const trb_tempering *o, double done);
    const char *tempered_by; /* the key of a student that sets the first temperature; NULL if it is always 1 */
    /** \param[in] M  members here   \param[in] of  members of the ensemble   \param[in] t  [rows][M][K]
     * \param[in] work  [TRB_STATISTICS_WORK(K)]   \param[out] s  [rows][sets * K] */
    trb_status (*statistics)(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                             float *s);
    /** Converts, in place, statistics of all members to the [rows][K + 1] numbers that the loss takes. NULL if the loss
     * takes the statistics as they are, [rows][K]. */
    void (*targets)(size_t rows, size_t K, float *s);
    /** Loss of one head that follows all members, and its gradient, as in loss.h; NULL if a student never has one head.
     * \param[in] z  [rows][K] */
    trb_status (*loss)(size_t rows, size_t K, size_t batch, float T, const float *z, const float *s, double *loss,
                       float *dz);
    /** Loss of M heads, each of which follows one member; NULL if a student never has them.
     * \param[in] z,t  [rows][M][K] */
    trb_status (*each)(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z, const float *t,
                       double *loss, float *dz);
    /** Loss of M heads, or of one head, from the members' most probable classes, as trb_loss_top() (top.h); NULL if the
     * method needs all classes. */
    trb_status (*top)(size_t rows, size_t heads, size_t M, size_t K, size_t k, size_t batch, float T, const float *z,
                      const float *t, float *work, double *loss, float *dz);
} trb_lesson;

typedef struct {
    const char *name;
    const char *help; /* a sentence on what the student learns; pages print it */
    trb_head_kind heads;
    bool folded;             /* at the end, heads that share weights become one plain network */
    double factors;          /* standard deviation around 1 of the initial factors of rank one; 0: random signs */
    trb_dirichlet dirichlet; /* the head's outputs describe this distribution over the members' predictions; then it has
                                2 or more outputs, needs 2 or more members, and learns nothing from labels */
    trb_lesson classes, regression; /* empty if the method does not support this task */
} trb_method;

/** Method number i, in the order of TRB__METHODS. \return NULL after the last one */
const trb_method *trb_method_at(size_t i);
/** \return NULL if no method has this name */
const trb_method *trb_method_find(const char *name);

/** The names of the methods for which `which` is true, or of all methods if it is NULL, e.g. "hydra, kd".
 * \param[in] between  the text between two names
 * \param[out] text    [n], "" if there are none   \return how many characters the names take together */
size_t trb_method_names(bool (*which)(const trb_method *m), const char *between, size_t n, char *text);

/** \return NULL if the method does not support this task */
const trb_lesson *trb_method_lesson(const trb_method *m, trb_task task);
/** The temperature when the share `done` of the training is over, in [0, 1). */
double trb_lesson_temperature(const trb_lesson *l, const trb_tempering *o, double done);

/** How many heads the network has in phase 1 or 2, with M members. */
size_t trb_method_heads(const trb_method *m, int phase, size_t M);
/** Whether the finished student has a head for each member, so that heads can disagree. */
bool trb_method_several(const trb_method *m);

/** What the method needs from a configuration, as text: "classes; 2 or more members; logits or statistics".
 * \return text */
enum { TRB_METHOD_NEEDS = 160 };
const char *trb_method_needs(const trb_method *m, char text[TRB_METHOD_NEEDS]);

#endif
