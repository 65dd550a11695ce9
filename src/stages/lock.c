/* Locks of a stage: rank 0 takes them, and all ranks write under them. */
#include "internal.h"
#include "tribikos/memory.h"

/* While rank 0 waits for a lock, other ranks wait for rank 0. This sign of life keeps them from taking it for dead. */
static void waits(void)
{
    trb_comm_phase("waiting for another job's lock", 0);
}

trb_status trb__run_lock(const trb_config *c, const char *folder, trb_lock **lock)
{
    if (*lock == NULL) TRB_TRY(trb_lock_open(c->run.dir, c->run.lock_seconds, waits, lock));
    return trb_lock_take(*lock, folder);
}

trb_status trb__run_lock_share(trb_comm *world, const trb_config *c, trb_status st, trb_lock **lock)
{
    char *token = NULL;
    TRB_TRY(trb_agree(world, st));
    TRB_TRY(trb_comm_bcast_text(world, trb_lock_token(*lock), &token));
    if (trb_comm_rank(world) != 0) st = trb_lock_join(c->run.dir, token, lock);
    trb_free(token);
    return trb_agree(world, st);
}

trb_status trb__run_lock_missing(const trb_config *c, const char *folder, const char *identity, trb_lock **lock,
                                 bool *found, char **difference)
{
    const trb__path path = trb__run_path(c, "%s/weights.h5", folder);
    TRB_TRY(trb_identity_read(path.text, identity, NULL, found, difference, NULL, NULL, NULL, NULL));
    if (*found) return TRB_OK;
    TRB_TRY(trb__run_lock(c, folder, lock));
    /* Look again: another job may have held the lock until now, and may have trained this network. */
    return trb_identity_read(path.text, identity, NULL, found, difference, NULL, NULL, NULL, NULL);
}
