#include "internal.h"
#include "tribikos/loss.h"

static double constant(const trb_student_opts *o, double done)
{
    (void)done;
    return o->temperature;
}

static const trb__method methods[] = {
    [TRB_METHOD_HYDRA] = {"hydra", true, 1, constant, trb_soft_targets, trb_loss_soft},
    [TRB_METHOD_KD] = {"kd", false, 1, constant, trb_soft_targets, trb_loss_soft},
};

const trb__method *trb__method_of(trb_method m)
{
    return &methods[m];
}
