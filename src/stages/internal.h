/** What the stages share: the data set as training sees it, places in the run directory, and the training loop. */
#ifndef TRB_STAGES_INTERNAL_H
#define TRB_STAGES_INTERNAL_H

#include "tribikos/dirichlet.h"
#include "tribikos/lock.h"
#include "tribikos/reader.h"
#include "tribikos/row.h"
#include "tribikos/stages.h"

/** Students draw their initial weights and orders from a stream of their own, the same for all of them: students of one
 * configuration then differ by their method and not by chance. */
#define TRB_STUDENT_STREAM (UINT64_C(1) << 40)

/** A training set: its samples, the ids to train on, and the constants of normalisation that follow from them. Of a
 * test set only `data` and `block`. */
typedef struct {
    trb_data data;
    trb_shared *block; /* where `data` lies if a node's ranks hold it together */
    size_t n_train, n_val;
    int64_t *train, *val; /* ids, ascending */
} trb__samples;

/** Read the data set of these files, once a node. Collective over world.
 * \param[out] s  data and block */
trb_status trb__set_load(trb_comm *world, const trb_data_files *files, trb__samples *s);

/** Read data.train, hold out data.validation samples, fix the normalisation. Collective over world. */
trb_status trb__samples_load(trb_comm *world, const trb_config *c, trb__samples *s);
void trb__samples_clear(trb__samples *s);

/** The constants that a network trained on these samples needs to be used; borrowed. Local. */
trb_norm trb__samples_norm(const trb__samples *s);

/** The network of member m, checked against the data set. Local. */
trb_status trb__member_net(const trb_config *c, size_t m, const trb_data *data, trb_net **net);
/** The network of student s with M heads, checked against the data set. Local. */
trb_status trb__student_net(const trb_config *c, size_t s, const trb_data *data, size_t M, trb_net **net);

enum { TRB_PATH_BYTES = 1024 };
typedef struct {
    char text[TRB_PATH_BYTES];
} trb__path;
/** RUN/ followed by a printf of the rest. Local. */
trb__path trb__run_path(const trb_config *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Take the lock of a folder of the run for this job (lock.h); rank 0 does it, when a stage begins. Local.
 * \param[in,out] lock  NULL at first; closed by the stage at its end, with all that was taken */
trb_status trb__lock(const trb_config *c, const char *folder, trb_lock **lock);
/** Let all ranks write under what rank 0 has locked. Collective over world.
 * \param[in] st  how the locking went   \param[in,out] lock  rank 0's; the others get theirs, to be closed likewise
 * \return the agreed status */
trb_status trb__lock_share(trb_comm *world, const trb_config *c, trb_status st, trb_lock **lock);
/** See whether the network that `config` describes is to be trained by this job; if it is, its folder is locked. Local,
 * for rank 0. \param[out] found  its weights are there already; else as trb__weights_found() */
trb_status trb__lock_missing(const trb_config *c, const char *folder, const char *config, trb_lock **lock, bool *found);

/** Refuse a file that was made by another configuration, by the first line in which the two texts differ. Local.
 * \param[in] instead  what can be done about it   \return TRB_EINTEGRITY */
trb_status trb__config_refuse(const char *path, const char *found, const char *asked, const char *instead);

/** What decides a member's, a student's weights: the configuration's part, the data set, and for a student the cache
 * and its members. Two networks of the same text are the same network. Local. \param[in] cache  NULL: the beginning of
 * a student's text, up to the data set  \param[out] text  trb_free() */
trb_status trb__member_text(const trb_config *c, size_t m, const trb_data *data, char **text);
trb_status trb__student_text(const trb_config *c, size_t s, const trb_data *data, const trb_cache_spec *cache,
                             char **text);

/** The last lines of a student's text: whom it follows. Local. \param[out] text  trb_free() */
trb_status trb__members_text(size_t M, const uint64_t *digest, char **text);

/** Whether the network that `config` describes is in this weights file already. Local.
 * \param[in]  end    NULL: the file's text must be `config`; else it must begin with `config` and end with `end`
 * \param[out] found  false if there is no file  \param[out] digest  of the weights if found; may be NULL
 * \return TRB_OK; TRB_EINTEGRITY if the file is damaged or of another configuration: it is not overwritten */
trb_status trb__weights_found(const char *path, const char *config, const char *end, bool *found, uint64_t *digest);
/** The same, and have the network, from one reading of the file. Local. \param[out] net,params  the caller's, also
 * after a failure, where not NULL */
trb_status trb__weights_load(const char *path, const char *config, const char *end, bool *found, uint64_t *digest,
                             trb_net **net, float **params);

/** Have the network of member m, whose file was identified before. Local.
 * \param[out] net,params  the caller's, also after a failure, where not NULL
 * \return TRB_OK; TRB_EINTEGRITY if its digest is another one now */
trb_status trb__member_load(const trb_config *c, size_t m, uint64_t digest, trb_net **net, float **params);

/** Digests of all members' weights, read by rank 0; each must be of the configuration asked for. Collective over world.
 * \param[in]  needed  a missing member is an error; else its digest is 0   \param[out] digest [members.count] */
trb_status trb__member_digests(trb_comm *world, const trb_config *c, const trb_data *data, bool needed,
                               uint64_t *digest);

/** The views that the configuration names. Local. \param[in] data  normalised   \param[out] view  [cache.views],
 * trb_free() */
trb_status trb__views(const trb_config *c, const trb_data *data, trb_view **view);
/** The cache that the configuration names, but for outputs, members' digests and views. Local. */
trb_cache_spec trb__cache_spec(const trb_config *c, const trb_data *data);
/** What makes the pixels of the first n views. Local. */
trb_status trb__views_create(const trb_config *c, const trb__samples *s, size_t n, trb_augment **out);

/** Open RUN/cache; refuse it if it is of other data, other members or other views than the configuration names, or
 * holds something else. Collective over world. */
trb_status trb__cache_open(trb_comm *world, const trb_config *c, const trb_data *data, trb_cache **cache);

/** The outputs that all members have; they must agree before their logits can lie in one cache. Local. */
trb_status trb__common_outputs(const trb_config *c, const trb_data *data, size_t *K);

/** The test set, normalised as the training set. Collective over world. \param[out] test  trb__samples_clear() */
trb_status trb__test_load(trb_comm *world, const trb_config *c, const trb__samples *s, trb__samples *test);

/** A reader of the cache, and where it keeps what a node's ranks keep together. */
typedef struct {
    trb_reader *reader; /* NULL for a rank without rows */
    trb_shared *block;
} trb__reading;

/** Open a reader of `rows` rows a step. The ranks of a node with the same colour and selection share what they keep, if
 * it and their steps fit in `memory` bytes a rank, and the reading of shards. Collective over world; the status is
 * agreed. \param[in] rows  0: this rank needs no reader */
trb_status trb__reading_open(trb_comm *world, int color, const trb_cache *cache, trb_selection of, size_t rows,
                             size_t memory, trb__reading *out);
trb_status trb__reading_close(trb__reading *r); /* Local; what trb_reader_close() returns. */

/** Splits `memory` bytes between what is read of the members and the stored inputs of the same views, in proportion to
 * their bytes; returns the share of the inputs. Local. */
size_t trb__inputs_share(const trb_cache *cache, trb_selection of, size_t memory);
/** Open a reader of stored inputs, by `rows` rows a part, for the feed of a training; where none of the views has some
 * nothing is opened. Collective over world; the status is agreed. \param[in] rows  0: this rank needs none
 * \param[out] out  trb__reading_close()   \param[out] stored  for trb__fit, reads from `out` where that lies */
trb_status trb__inputs_open(trb_comm *world, const trb_cache *cache, size_t views, size_t rows, size_t memory,
                            trb__reading *out, trb_stored_rows *stored);

/** What a student's heads are: one for all members; copies of one head, which is trained first, each of which follows a
 * member then; a head a member from the beginning, in layers whose weights all share (net.h, rank1); these, folded into
 * one at the end. */
typedef enum { TRB__ONE_HEAD, TRB__COPIED_HEADS, TRB__SHARING_HEADS, TRB__FOLDED_HEADS } trb__head_kind;

/** A way to follow the members (method.c). While the student has one head, a row of members' logits becomes
 * *statistics*: sums over members, divided by the size of the ensemble. So the columns of a grid's row, which have some
 * members each, make a part each, and the parts are added up in the tree of row.h. A cache of statistics holds what the
 * loss takes (trb_statistics). */
typedef struct {
    const char *name;
    trb__head_kind heads;
    trb_dirichlet dirichlet; /* what the one head stands for */
    size_t sets;             /* a row of statistics is so many times K numbers */
    size_t cached;           /* where in a cache's row the loss's are, in units of K */
    /** Temperature of a training with one head, where this share of its steps is done, in [0, 1). */
    double (*temperature)(const trb_student_opts *o, double done);
    /** \param[in] M  members here   \param[in] of  members of the ensemble   \param[in] t  [rows][M][K]
     * \param[in] work  [TRB_STATISTICS_WORK(K)]   \param[out] s  [rows][sets * K] */
    trb_status (*statistics)(size_t rows, size_t M, size_t of, size_t K, float T, const float *t, double *work,
                             float *s);
    /** In place, from statistics of all members what the loss takes, [rows][K + 1]; NULL if it takes them as they are,
     * [rows][K]. */
    void (*targets)(size_t rows, size_t K, float *s);
    /** Loss of the one head and its gradient, as in loss.h. \param[in] z  [rows][K] */
    trb_status (*loss)(size_t rows, size_t K, size_t batch, float T, const float *z, const float *s, double *loss,
                       float *dz);
    /** Loss of M heads that follow a member each; NULL with one head. \param[in] z,t  [rows][M][K] */
    trb_status (*each)(size_t rows, size_t M, size_t K, size_t batch, float T, const float *z, const float *t,
                       double *loss, float *dz);
} trb__method;
/** The method as it is for a task; regression has none of the Dirichlets. Local. */
const trb__method *trb__method_of(trb_method m, trb_task task);

/** Whether student s can be trained on these samples with M members of K outputs; and by so many ranks. Local. */
trb_status trb__student_check(const trb_config *c, size_t s, const trb__samples *samples, size_t M, size_t K);
trb_status trb__student_ranks(const trb_config *c, size_t s, int ranks);

/** Whether all stages can do what is configured, on some number of ranks. Collective over world; the status is agreed.
 * \param[in] s  the training set */
trb_status trb__check(trb_comm *world, const trb_config *c, const trb__samples *s);

/** How far a student's heads are to be spread, together with what its list says of it (trb_net_spread): so that their
 * mean model uncertainty on the validation part is that of the members' logits, as far as a factor from 0.25 to 4 does
 * it; to four decimals, the same on every rank and for any number of ranks. Says so. Collective over world.
 * \param[in] memory  as trb__reading_open()   \param[in] params  the same on all ranks   \param[in] rows  a call
 * \return the agreed status */
trb_status trb__match_uncertainty(trb_comm *world, const trb_cache *cache, size_t memory, const trb__samples *s,
                                  const trb_net *net, const float *params, size_t rows, const char *who, double *S);

/** A lane of a step, as a loss sees it. */
typedef struct {
    size_t number;         /* of this rank's */
    size_t at;             /* rows [at, at + rows) of those that the plan named for the step */
    size_t heads;          /* which of this rank's head lanes; 0 if the network is whole */
    size_t rows, batch;    /* of the lane, of all lanes */
    const int64_t *sample; /* [rows] */
    const trb_mix *mix;    /* [rows] with whom each is mixed; NULL if none is */
} trb__lane;

/** The heads of a network that is cut into a body and head lanes (row.h): those of this rank's column. */
typedef struct {
    trb_comm *row, *column;
    const trb_net *net; /* of all of them; its slab is what is exchanged within the column */
    float *params;
    size_t lanes;         /* H */
    trb_net *const *lane; /* [H / G] windows on `net` */
} trb__heads;

/** Where the checkpoints of a training are, and of what. */
typedef struct trb__place {
    const trb_config *c;
    trb__path folder;
    const char *who;     /* "member 3" */
    char *config, *blas; /* text of what is trained, and what computes it, as the weights file will have them */
    char from[TRB_CHECKPOINT_PATH]; /* the checkpoint that it goes on from; rank 0 */
    size_t slot;                    /* the next one to be written; rank 0 */
    const trb_net *net;             /* the whole network where that of the training is its body, else NULL */
} trb__place;

/** Refuse `run.resume` with a file's name if another number of networks than one is to be trained. Local. */
trb_status trb__resume_check(const trb_config *c, size_t n);

/** Which kernels, and which processors, computed what this run goes on with: says so if they are others than this
 * run's. Local, for the rank that writes.
 * \param[in] what  for the message   \param[in] blas,processor  as a file has them; "" if it does not say
 * \param[in,out] makers  trb_blas_name(), or what trb_weights_write() says of several; the same with these in front of
 * it, trb_free() */
trb_status trb__makers(const char *what, const char *blas, const char *processor, char **makers);

/** What the training shall go on from, by `run.resume`. Rank 0 reads and checks all of it, without holding it; all ranks
 * get numbers and sums. Collective over group.
 * \param[in,out] place  slot and from are found; blas names the checkpoint's makers too
 * \param[out] out  trb_checkpoint_clear(); n_slabs is 0 if there is nothing: it begins. On other ranks than 0 there are
 * no texts and no network
 * \return the agreed status */
trb_status trb__checkpoint_find(trb_comm *group, const trb_config *c, trb__place *place, trb_checkpoint *out);

/** One training of one network by one group of ranks, data-parallel by lanes. With exchange->columns = G above 1 the
 * group is a grid, rank = row * G + column, and each rank is told of all rows that the lanes of its row have. */
typedef struct {
    const trb_fit_opts *opts;
    uint64_t epochs, first_epoch; /* first_epoch keys order and masks, so that a second phase goes on, not over */
    uint64_t schedule_from, schedule_epochs; /* where the schedule stands at the beginning, and how long it is */
    uint64_t stream;                         /* the network's number in its random streams */
    const trb_exchange_opts *exchange;
    const trb_net *net;
    float *params; /* [trb_net_size], updated */
    const trb__samples *samples;
    trb_augment *augment;          /* what the network sees of a sample; used by this training alone */
    const trb_stored_rows *stored; /* of so many rows a part as a lane has; NULL if none of its views is stored */
    /** Above 1: each sample is seen as one of so many views, drawn anew every epoch from the stream (seed,
     * TRB_USE_CHOICE, `stream`, epoch, sample): trb_rng_below(views); or, with `clean` above 0, view 0 if
     * trb_rng_uniform() is below it, else 1 + trb_rng_below(views - 1). */
    size_t views;
    double clean;

    const trb__heads *heads; /* NULL: the network is whole; else `net` is its body */

    trb__place *place;    /* NULL: no checkpoints */
    trb_checkpoint *from; /* what it goes on from instead of `params`; cleared when it is used. NULL, or n_slabs 0 */

    /** Learn which samples this rank, or its row, will see in an epoch, and as which views (NULL: view 0):
     * [steps][rows], borrowed until the next call; 0 steps ends the last plan. NULL if of no interest. */
    trb_status (*plan)(void *ctx, size_t steps, size_t rows, const int64_t *sample, const uint16_t *view);
    /** Before a step's lanes, on every rank that computes some; may be collective over a row. NULL if of no interest.
     * \param[in] step  steps of this training before it   \param[in] st  how the step goes, to be handed on */
    trb_status (*next)(void *ctx, uint64_t step, trb_status st);
    /** Loss of one lane and its gradient by the outputs. */
    trb_status (*loss)(void *ctx, const trb__lane *lane, const float *z, double *loss, float *dz);
    void *ctx;

    void (*between)(void *); /* called between steps; NULL for nothing */
    void *between_ctx;
    trb_jsonl *metrics; /* NULL where this rank does not write */
    const char *label;  /* for progress */
    int phase;          /* for metrics */
} trb__fit;

/** The heads' half of a training (heads.c): as many rounds a step as the row's lanes take, G at a time. */
typedef struct trb__half trb__half;
/** Collective over group; \return the agreed status. */
trb_status trb__half_open(trb_comm *group, const trb__fit *f, const trb_optim *opt, uint64_t steps, trb__half **out);
void trb__half_close(trb__half *h); /* Collective over the column. NULL allowed. */
/** Loss and gradients of a round. Collective over the row.
 * \param[in] st  how the step goes; the status handed on is returned   \param[in] first  of the row's lanes
 * \param[in] items  of them in this round   \param[in] z  features of this rank's lane, NULL if it has none or failed
 * \param[in] sample  [items][rows]   \param[out] dz  gradient by the features, borrowed until the next round */
trb_status trb__half_round(trb__half *h, trb_status st, uint64_t epoch, size_t first, size_t items,
                           const int64_t *sample, const float *z, const float **dz);
trb_exchange *trb__half_exchange(trb__half *h);
/** What exchange and rows have cost. Local. */
void trb__half_worked(const trb__half *h, double *waited_s, uint64_t *bytes_sent);
/** The losses of all rounds since the last call, summed over lanes and heads. Collective over group. \return the agreed
 * status */
trb_status trb__half_loss(trb__half *h, double *sum);

/** The losses since then, as a checkpoint has them. Collective over group. \param[in,out] all  [H][L] zeros */
trb_status trb__half_sums(trb__half *h, double *all);
void trb__half_go_on(trb__half *h, const double *all); /* Local: the losses are these. */

/** Refuse a checkpoint that is not of this training, of so many steps. Only rank 0 has the network that the file names,
 * so that no rank may use one before all have agreed. Local. */
trb_status trb__checkpoint_check(const trb_checkpoint *c, const trb__fit *f, uint64_t steps);
/** Go on from a checkpoint that all have let pass: parameters and moments. Rank 0 reads it once more, it must still be
 * the one that was found, and hands it round in pieces, of which each rank takes what it holds. Collective over group;
 * before the first step.
 * \param[in] heads  exchange of the heads if they are cut, else NULL   \return the agreed status; after a failure
 * parameters and moments are lost */
trb_status trb__checkpoint_use(trb_comm *group, const trb_checkpoint *c, const trb__fit *f, trb_exchange *x,
                               trb_exchange *heads);

/** Writing checkpoints of one training (checkpoint.c): rank 0 of the group decides when one is due, all ranks keep a
 * step, and when all is with rank 0 a thread writes it. NULL for s is a training without. */
typedef struct trb__saver trb__saver;
/** Collective over group. \param[in] heads  exchange of the heads if they are cut, else NULL
 * \param[in] steps  an epoch   \param[out] out  NULL if none are to be written */
trb_status trb__saver_open(trb_comm *group, const trb__fit *f, trb_exchange *x, trb_exchange *heads, size_t steps,
                           trb__saver **out);
/** Bytes that it takes on rank 0 of a group with so many columns, but for sums and texts. Local. */
size_t trb__saver_bytes(const trb__fit *f, size_t columns);
void trb__saver_close(trb__saver *s); /* Local; a file that is being written is finished. */
/** Whether the step that ends with so many taken shall be kept; false but on rank 0. If true, it will be. Local. */
bool trb__saver_due(trb__saver *s, uint64_t taken);
/** Keep the next step. On all ranks; \return how the file before went, on rank 0 */
trb_status trb__saver_keep(trb__saver *s);
/** Where the losses of the epoch under way belong, [head lanes][lanes], all 0 now. Local. */
double *trb__saver_sums(trb__saver *s);
/** The step is over, sums are filled, metrics are those of this step. Local. */
trb_status trb__saver_kept(trb__saver *s, uint64_t taken);
/** Move, begin to write, and look whether it is written. Local, does not wait. \return how the file went, on rank 0 */
trb_status trb__saver_go_on(trb__saver *s);
/** Count seconds for which steps were held up; say what checkpoints have cost. Local. \param[in] step_s  a step's */
void trb__saver_hold(trb__saver *s, double seconds);
void trb__saver_report(const trb__saver *s, double step_s);
/** Wait until what was kept is written. On all ranks; \return how it went, on rank 0 */
trb_status trb__saver_finish(trb__saver *s);

/** Collective over group. \return the agreed status; params are defined only if it is TRB_OK. TRB_STOPPED: a
 * checkpoint is written, if there are any */
trb_status trb__fit_run(trb_comm *group, const trb__fit *fit);

/** Bytes that a training takes on rank 0 of P ranks, but for parameters and checkpoints: it is opened in a group without
 * others (trb_comm_pretend()), as those of `heads` have to be. Local. \return TRB_OK; TRB_ECONFIG if so many ranks
 * cannot share it; TRB_ENOMEM */
trb_status trb__fit_measure(const trb__fit *fit, int P, size_t *bytes);

/** What rank 0 of so many holds at most while members and students are trained; NaN where so many ranks cannot share a
 * training. Local. \param[in,out] members,students  begin_bytes and resume_bytes of the one, and of each, from 0 */
trb_status trb__plan_memory(const trb_config *c, const trb__samples *s, size_t K, size_t ranks, trb_plan_stage *members,
                            trb_plan_stage *students);

/** Refuse a batch or an augmentation that does not fit the samples. Local. \param[in] who  for the message, e.g.
 * "member 3" */
trb_status trb__fit_check(const trb_fit_opts *o, const trb__samples *s, const char *who);

#endif
