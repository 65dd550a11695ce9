/* Recipes: canonical texts, what is refused and how, which samples a recipe fits, what a view is called. */
#include "numbers.h"

#include "tribikos/augment.h"
#include "tribikos/hash.h"

static void reads_as(const char *text, const char *canonical)
{
    trb_recipe r = {.crop = 77}, again;
    char first[TRB_RECIPE_BYTES], second[TRB_RECIPE_BYTES];
    assert_ok(trb_recipe_parse(text, &r));
    trb_recipe_text(&r, first);
    assert_string_equal(first, canonical);
    assert_ok(trb_recipe_parse(first, &again));
    assert_true(r.crop == again.crop && r.flip == again.flip && r.cutout == again.cutout && r.mixup == again.mixup);
    assert_true(r.rotate == again.rotate && r.zoom == again.zoom && r.shift == again.shift);
    assert_true(r.step == again.step && r.size == again.size && r.temperature == again.temperature);
    assert_int_equal(trb_recipe_moves(&r), r.rotate > 0.0 || r.zoom > 0.0 || r.shift > 0.0);
    assert_int_equal(trb_recipe_stored(&r), strstr(canonical, "ods") != NULL);
    trb_recipe_text(&again, second);
    assert_string_equal(second, canonical);
    assert_int_equal(trb_recipe_empty(&r), canonical[0] == '\0');
}

static void canonical_texts(void **state)
{
    (void)state;
    reads_as("", "");
    reads_as(" \t", "");
    reads_as("flip", "flip");
    reads_as("  crop \t 04 ,flip ", "crop 4, flip");
    reads_as("crop 4, flip, cutout 8, mixup 0.2", "crop 4, flip, cutout 8, mixup 0.2");
    reads_as("cutout 9999,mixup 1", "cutout 9999, mixup 1");
    reads_as("rotate 15.0,zoom 0.1,shift 2", "rotate 15, zoom 0.1, shift 2");
    reads_as("crop 1, flip, rotate 180, zoom 0.9, shift 9999, cutout 2, mixup 1, confods 255 1000",
             "crop 1, flip, rotate 180, zoom 0.9, shift 9999, cutout 2, mixup 1, confods 255 1000");
    reads_as("gaussian 8.25", "gaussian 8.25");
    reads_as("ods 16", "ods 16");
    reads_as("ods 16 1.0", "ods 16");
    reads_as("flip,  confods  25   2.50 ", "flip, confods 25 2.5");
    reads_as("mixup 1.50", "mixup 1.5");
    reads_as("mixup 0.000001", "mixup 0.000001");
    reads_as("mixup 1000.000000", "mixup 1000");
    reads_as("rotate 2.01, zoom 0.000249, shift 4.02", "rotate 2.01, zoom 0.000249, shift 4.02");
    trb_recipe r;
    for (int i = 1; i < 1000; i++) { /* the double that the decimal means, not a neighbour of it */
        char text[32];
        (void)snprintf(text, sizeof text, "mixup 0.%03d", i);
        assert_ok(trb_recipe_parse(text, &r));
        assert_true(r.mixup == strtod(text + 6, NULL));
    }
}

static void refusals(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"crop", "`crop`: crop takes a number of pixels from 1 to 9999 (crop 4), got ``"},
        {"crop 0", "got `0`"},
        {"crop 10000", "got `10000`"},
        {"crop 99999999999999999999999", "got `99999999999999999999999`"},
        {"crop 4 4", "got `4 4`"},
        {"crop -4", "got `-4`"},
        {"crop four", "got `four`"},
        {"flip 1", "`flip 1`: flip stands alone, got `1`"},
        {"cutout 8.5", "cutout takes a number of pixels from 1 to 9999 (cutout 8), got `8.5`"},
        {"mixup", "mixup takes a number above 0 and up to 1000 with at most 6 decimals (mixup 0.2), got ``"},
        {"mixup 0", "got `0`"},
        {"mixup 0.0000001", "got `0.0000001`"},
        {"mixup 1000.000001", "got `1000.000001`"},
        {"mixup 99999999999999999999", "got `99999999999999999999`"},
        {"mixup .2", "got `.2`"},
        {"mixup 2.", "got `2.`"},
        {"mixup 1e-1", "got `1e-1`"},
        {"mixup 0,2", "got `0`"},
        {"crop 4,,flip", "an item is empty; expected a list such as [crop 4, flip, cutout 8, mixup 0.2]"},
        {"crop 4,", "an item is empty"},
        {"cuout 8", "`cuout 8`: expected crop, flip, rotate, zoom, shift, cutout, mixup, gaussian, ods or confods; did "
                    "you mean `cutout`?"},
        {"flip, crop 4", "`crop 4` stands behind `flip`: each item comes at most once, in the order crop, flip, "
                         "rotate, zoom, shift, cutout, mixup, and one of gaussian, ods, confods"},
        {"zoom 0.1, rotate 5", "`rotate 5` stands behind `zoom`"},
        {"gaussian 8, ods 8", "`ods 8` stands behind `gaussian`"},
        {"ods 8, confods 8", "`confods 8` stands behind `ods`"},
        {"rotate 180.5",
         "rotate takes a number above 0 and up to 180 with at most 6 decimals (rotate 15), got `180.5`"},
        {"zoom 1", "zoom takes a number above 0 and up to 0.9 with at most 6 decimals (zoom 0.1), got `1`"},
        {"shift 10000", "shift takes a number above 0 and up to 9999"},
        {"gaussian 8 1",
         "gaussian takes a number above 0 and up to 255 with at most 6 decimals (gaussian 8), got `8 1`"},
        {"ods", "ods takes a number above 0 and up to 255 with at most 6 decimals (ods 16), and a temperature, up to "
                "1000, if it is not 1, got ``"},
        {"ods 16 0", "got `16 0`"},
        {"ods 16 1 1", "got `16 1 1`"},
        {"confods 255.1", "got `255.1`"},
        {"confods 25 1000.1", "got `25 1000.1`"},
        {"flip, flip", "`flip` stands behind `flip`"},
        {"dense 200 and a great many further words that no item of a recipe has", "...`: expected crop, flip"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        trb_recipe r = {.crop = 77};
        trb_fail_clear();
        assert_fails(trb_recipe_parse(bad[i][0], &r), TRB_ECONFIG, bad[i][1]);
        assert_int_equal(r.crop, 77);
    }
}

static void expect_fit(const char *text, trb_shape shape, const char *why)
{
    trb_recipe r;
    assert_ok(trb_recipe_parse(text, &r));
    if (why == NULL)
        assert_ok(trb_recipe_check(&r, shape));
    else
        assert_fails(trb_recipe_check(&r, shape), TRB_ECONFIG, why);
}

static void samples_that_fit(void **state)
{
    (void)state;
    const trb_shape image = {3, 8, 6}, row = {12, 1, 1};
    expect_fit("crop 5, flip, cutout 6, mixup 1", image, NULL);
    expect_fit("crop 6", image, "`crop 6` could move an image of 8 x 6 pixels out of sight; at most crop 5");
    expect_fit("cutout 7", image, "`cutout 7` is larger than an image of 8 x 6 pixels; at most cutout 6");
    expect_fit("mixup 0.2", row, NULL);
    expect_fit("", row, NULL);
    expect_fit("crop 1, flip", row,
               "crop needs images, but samples are rows of 12 columns; only mixup, gaussian, ods and confods fit them");
    expect_fit("rotate 1", row, "rotate needs images");
    expect_fit("zoom 0.1", row, "zoom needs images");
    expect_fit("shift 1", row, "shift needs images");
    expect_fit("mixup 1, confods 0.1", row, NULL);
    expect_fit("rotate 180, zoom 0.9, shift 5", image, NULL);
    expect_fit("shift 5.5", image, "`shift 5.5` could move an image of 8 x 6 pixels out of sight; at most shift 5");
    expect_fit("flip", row, "flip needs images");
    expect_fit("cutout 1", row, "cutout needs images");
}

static void view_texts(void **state)
{
    (void)state;
    char text[TRB_RECIPE_BYTES], hex[17], expected[TRB_RECIPE_BYTES];
    float mean[3] = {1.5F, -2.0F, 3.25F};
    float scale[3] = {2.0F, 0.5F, 1.0F};
    trb_data d = {.shape = {3, 8, 8}, .mean = mean, .scale = scale};
    trb_view_text(&(trb_recipe){.crop = 4, .flip = true}, &d, 100, 3, text);
    assert_string_equal(text, "crop 4, flip"); /* what it is does not depend on the split, nor on the constants */
    trb_view_text(&(trb_recipe){.mixup = 0.2}, &d, 0, 3, text);
    assert_string_equal(text, "mixup 0.2");
    trb_view_text(&(trb_recipe){.mixup = 0.2}, &d, 100, 3, text);
    assert_string_equal(text, "mixup 0.2, without 100 by seed 3");
    /* A square is set to the constant that was subtracted: each channel's is part of what the view is. */
    trb_view_text(&(trb_recipe){.cutout = 8}, &d, 100, 3, text);
    assert_string_equal(text, "cutout 8, mean 66bbca6ecd948cb7");
    for (size_t c = 0; c < 3; c++) {
        char other[TRB_RECIPE_BYTES];
        mean[c] += 1.0F;
        trb_view_text(&(trb_recipe){.cutout = 8}, &d, 100, 3, other);
        assert_string_not_equal(other, text);
        mean[c] -= 1.0F;
    }
    /* A step is one of pixels, which have a unit of their own; floats have that of normalisation. */
    trb_view_text(&(trb_recipe){.step = TRB_STEP_GAUSSIAN, .size = 8}, &d, 100, 3, text);
    assert_string_equal(text, "gaussian 8");
    d.type = TRB_F32;
    trb_view_text(&(trb_recipe){.step = TRB_STEP_GAUSSIAN, .size = 0.5}, &d, 100, 3, text);
    trb_hash_hex(trb_hash_bytes(scale, sizeof scale), hex);
    (void)snprintf(expected, sizeof expected, "gaussian 0.5, scale %s", hex);
    assert_string_equal(text, expected);
    d.type = TRB_U8;
    trb_view_text(&(trb_recipe){.step = TRB_STEP_ODS, .size = 8, .temperature = 1}, &d, 100, 3, text);
    (void)snprintf(expected, sizeof expected, "ods 8, mean 66bbca6ecd948cb7, scale %s", hex);
    assert_string_equal(text, expected);
    /* The longest there is is not cut. */
    (void)snprintf(
        expected, sizeof expected,
        "crop 9999, flip, rotate 179.999999, zoom 0.899999, shift 9998.999999, cutout 9999, mixup 999.999999, "
        "confods 254.999999 999.999999, mean 66bbca6ecd948cb7, scale %s, without 999999999999 by seed "
        "9007199254740991",
        hex);
    trb_view_text(&(trb_recipe){9999, true, 179.999999, 0.899999, 9998.999999, 9999, 999.999999, TRB_STEP_CONFODS,
                                254.999999, 999.999999},
                  &d, 999999999999, 9007199254740991, text);
    assert_string_equal(text, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_texts), cmocka_unit_test(refusals),        cmocka_unit_test(samples_that_fit),
        cmocka_unit_test(view_texts),      cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
