/* PNG and JPEG files: the first byte says to how many channels and pixels the image is brought. */
#include "common/fuzz.h"

#include "../../src/data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const size_t sizes[] = {0, 1, 7, 32};
    fuzz_input in = {data, n};
    const uint64_t how = fuzz_number(&in, 1);
    const size_t c = how % 2 == 0 ? 1 : 3, size = sizes[how / 2 % 4];
    trb__image im = {0};
    trb_status st = trb__image_read(fuzz_put("image", in), &im);
    if (st == TRB_OK) {
        FUZZ_MUST(im.w > 0 && im.h > 0 && im.w * im.h <= TRB__PIXELS_MOST && (im.c == 1 || im.c == 3));
        FUZZ_MUST(im.pixel.n >= im.w * im.h * im.c);
        st = trb__image_recolour(&im, c);
    }
    if (st == TRB_OK) st = trb__image_fit(&im, size);
    if (st == TRB_OK) FUZZ_MUST(im.c == c && (size == 0 || (im.w == size && im.h == size)));
    trb__image_clear(&im);
    fuzz_settle(st);
    return 0;
}
