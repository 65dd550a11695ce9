/* The known word that was probably meant. */
#include "numbers.h"

#include "tribikos/text.h"

static void nearest_words(void **state)
{
    (void)state;
    static const char *const words[] = {"dense", "relu", "tanh", "train.lr", "train.layers"};
    assert_string_equal(trb_nearest("dens", 5, words), "dense");
    assert_string_equal(trb_nearest("rleu", 5, words), "relu");
    assert_string_equal(trb_nearest("train.layer", 5, words), "train.layers");
    assert_string_equal(trb_nearest("train.lrr", 5, words), "train.lr");
    assert_string_equal(trb_nearest("", 5, words), "relu"); /* the first of the shortest */
    static const char *const swapped[] = {"ab", "b"};
    assert_string_equal(trb_nearest("ba", 2, swapped), "ab"); /* a swap is one change, as a deletion is */
    assert_null(trb_nearest("dense", 0, words));
    char long_word[1000];
    memset(long_word, 'x', sizeof long_word);
    long_word[sizeof long_word - 1] = '\0';
    assert_non_null(trb_nearest(long_word, 5, words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_words),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
