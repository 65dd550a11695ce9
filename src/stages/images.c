/* Folders of images (data.format: images): packed once into the folder of the run, from which all stages read them. */
#include "internal.h"
#include "tribikos/log.h"
#include "tribikos/memory.h"
#include "tribikos/number.h"
#include "tribikos/pack.h"
#include "tribikos/text.h"

static trb_status pack(const trb_config *c, const char *folder, const char *packed, const trb_pack_options *o)
{
    const trb__path under = trb__run_path(c, "data");
    trb_packed is = {0};
    TRB_TRY(trb_mkdirs(under.text));
    trb_folder_sweep(under.text);
    TRB_TRY(trb_pack(folder, packed, o, &is));
    trb_info("%s: %s of %s, packed into %s", folder, TRB_COUNT(is.n, "image"), TRB_COUNT(is.classes, "class"), packed);
    if (is.bad > 0) trb_warn("%s: %s left out (`data.skip_bad`)", folder, TRB_COUNT(is.bad, "file"));
    return TRB_OK;
}

static trb_status ready(const trb_config *c, const char *folder, const char *packed, bool writes)
{
    const trb_pack_options o = {
        .size = c->data.image_size, .channels = c->data.image_channels, .skip_bad = c->data.skip_bad, .of_run = true};
    trb_lock *lock = NULL;
    trb_status st = TRB_OK;
    if (!trb_file_exists(packed) && !writes)
        return trb_fail(TRB_ECONFIG,
                        "%s: its images are not packed yet, and this command writes nothing; `tribikos run`, or any of "
                        "its stages, packs them first, into %s",
                        folder, packed);
    if (!trb_file_exists(packed)) {
        st = trb__run_lock(c, "data", &lock);
        if (st == TRB_OK && !trb_file_exists(packed)) st = pack(c, folder, packed, &o);
        trb_lock_close(lock);
    }
    return st == TRB_OK ? trb_pack_check(folder, packed, &o) : st;
}

trb_status trb__images_ready(trb_comm *world, const trb_config *c, bool test, bool writes)
{
    trb_status st = TRB_OK;
    if (c->data.format != TRB_FORMAT_IMAGES || (test ? c->data.n_test : c->data.n_train) == 0) return TRB_OK;
    trb_comm_phase("packing images", 0);
    if (trb_comm_rank(world) == 0) {
        const char *name = test ? c->data.test[0] : c->data.train[0];
        const bool whole = name[0] == '/' || c->data.root[0] == '\0';
        char *folder = NULL;
        st = trb_text_of(&folder, "%s%s%s", whole ? "" : c->data.root, whole ? "" : "/", name);
        if (st == TRB_OK) st = ready(c, folder, trb__run_path(c, "data/%s.h5", test ? "test" : "train").text, writes);
        trb_free(folder);
    }
    return trb_agree_on_files(world, st);
}
