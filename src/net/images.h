/** Functions of the layer kinds on images, for the table of kinds in layers.c. */
#ifndef TRB_NET_IMAGES_H
#define TRB_NET_IMAGES_H

#include "layer.h"

trb_status trb__conv_setup(trb_net *net, trb__layer *l);
trb_status trb__conv_open(trb__work_step *s, size_t rows, bool training);
void trb__conv_close(trb__work_step *s);
trb_status trb__conv_step(const trb__work_step *s, const trb__pass *p);
trb_status trb__conv_back(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx);

trb_status trb__norm_setup(trb_net *net, trb__layer *l);
trb_status trb__norm_open(trb__work_step *s, size_t rows, bool training);
void trb__norm_close(trb__work_step *s);
trb_status trb__norm_step(const trb__work_step *s, const trb__pass *p);
trb_status trb__norm_back(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx);

trb_status trb__pool_setup(trb_net *net, trb__layer *l);
trb_status trb__globalpool_setup(trb_net *net, trb__layer *l);
trb_status trb__maxpool_open(trb__work_step *s, size_t rows, bool training);
trb_status trb__avgpool_open(trb__work_step *s, size_t rows, bool training);
void trb__pool_close(trb__work_step *s);
trb_status trb__pool_step(const trb__work_step *s, const trb__pass *p);
trb_status trb__pool_back(const trb__work_step *s, const trb__pass *p, const void *dy, void *dx);

trb_status trb__add_step(const trb__work_step *s, const trb__pass *p);

#endif
