/** Methods: the ways in which a student follows the members of the ensemble.
 *
 * A method is a description of constants and functions, one file a family in src/methods. The configuration, `tribikos
 * plan` and the training ask the description, and none of them knows a method by its name. What a method needs follows
 * from its description, so that the two cannot contradict each other. All functions are local.
 */
#ifndef TRB_METHOD_H
#define TRB_METHOD_H

#include "tribikos/data.h"
#include "tribikos/dirichlet.h"

/** What a student's heads are while it is trained.
 *
 * | | first phase | second phase | it needs |
 * | TRB_ONE_HEAD | one head for all members | the same | sums over all members (statistics) |
 * | TRB_COPIED_HEADS | one head for all members | a copy of it for each member | each member's logits, a `split` |
 * | TRB_SHARING_HEADS | a head for each member | the same | each member's logits, all members on each rank |
 *
 * Heads that share have no weights of their own but factors of rank one (net.h, rank1), so a split says nothing.
 */
typedef enum { TRB_ONE_HEAD, TRB_COPIED_HEADS, TRB_SHARING_HEADS } trb_head_kind;

/** Where a row of a cache of statistics (trb_statistics) has what a loss takes. */
typedef enum {
    TRB_CACHED_NOT,  /* nowhere: the method needs the logits of each member */
    TRB_CACHED_LOGS, /* at 0: the s of distribution distillation */
    TRB_CACHED_MEANS /* at K: pi, with w behind it */
} trb_cached;

/** Temperatures of a training, as student.temperature, student.anneal_from and student.anneal_share say them. */
typedef struct {
    double temperature, anneal_from, anneal_share;
} trb_tempering;

/** How a student follows the members in one task. While it has one head for all members, a row of their logits becomes
 * *statistics*: sums over members, divided by the size of the ensemble. So the columns of a grid's row, which have some
 * members each, make a part each, and the parts are added up in the tree of grid.h. */
typedef struct {
    size_t sets; /* a row of statistics has sets * K numbers */
    trb_cached cached;
    /** Temperature where this share of the training is done, in [0, 1). NULL: 1 throughout. */
    double (*temperature)(const trb_tempering *o, double done);
    const char *tempered_by; /* the key of a student that makes the first temperature another than 1 */
    /** \param[in] M  members here   \param[in] of  members of the ensemble   \param[in] t  [rows][M][K]
     * \param[in] work  [TRB_STATISTICS_WORK(K)]   \param[out] s  [rows][sets * K] */
    trb_status (*statistics)(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                             float *s);
    /** In place, from statistics of all members what the loss takes, [rows][K + 1]; NULL if it takes them as they are,
     * [rows][K]. */
    void (*targets)(size_t rows, size_t K, float *s);
    /** Loss of one head that follows all members, and its gradient, as in loss.h; NULL if there never is one.
     * \param[in] z  [rows][K] */
    trb_status (*loss)(size_t rows, size_t K, size_t batch, float T, const float *z, const float *s, double *loss,
                       float *dz);
    /** Loss of M heads that follow a member each; NULL if there never are. \param[in] z,t  [rows][M][K] */
    trb_status (*each)(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z, const float *t,
                       double *loss, float *dz);
} trb_lesson;

typedef struct {
    const char *name;
    const char *help; /* a sentence on what the student learns, as the pages have it */
    trb_head_kind heads;
    bool folded;             /* heads that share become one plain network at the end */
    double factors;          /* deviation around 1 of first factors of rank one; 0: random signs */
    trb_dirichlet dirichlet; /* a head stands for this distribution over what members say; it has 2 or more outputs,
                                needs 2 or more members, and learns nothing from labels */
    trb_lesson classes, regression; /* empty: the method is not for this task */
} trb_method;

/** All methods, in the order in which they are listed. \return NULL behind the last */
const trb_method *trb_method_at(size_t i);
/** \return NULL if no method has this name */
const trb_method *trb_method_find(const char *name);

/** The names of the methods that a question chooses, or of all (NULL): "hydra, kd", with `between` between them.
 * \param[out] text  [n], "" if there are none   \return how many characters all of them take */
size_t trb_method_names(bool (*which)(const trb_method *m), const char *between, size_t n, char *text);

/** \return NULL if the method is not for this task */
const trb_lesson *trb_method_lesson(const trb_method *m, trb_task task);
/** The temperature at which the training is, where this share of it is done, in [0, 1). */
double trb_lesson_temperature(const trb_lesson *l, const trb_tempering *o, double done);

/** Heads of the network that is trained in phase 1 or 2, with M members. */
size_t trb_method_heads(const trb_method *m, int phase, size_t M);
/** Whether the student has a head for each member when it is finished, so that heads can disagree. */
bool trb_method_several(const trb_method *m);

/** What a configuration must have, for people: "classes; 2 or more members; logits or statistics". \return text */
enum { TRB_METHOD_NEEDS = 128 };
const char *trb_method_needs(const trb_method *m, char text[TRB_METHOD_NEEDS]);

#endif
