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

/* Only what is near is meant: a third of the letters may be wrong, or one. */
static void meant_words(void **state)
{
    (void)state;
    static const char *const words[] = {"hydra", "kd", "endd", "proxy-endd"};
    assert_string_equal(trb_text_meant("ednd", 4, words), "endd");
    assert_string_equal(trb_text_meant("proxy_endd", 4, words), "proxy-endd");
    assert_string_equal(trb_text_meant("kd2", 4, words), "kd");
    assert_string_equal(trb_text_meant("k", 4, words), "kd");
    assert_null(trb_text_meant("hydra-views", 4, words));
    assert_null(trb_text_meant("mine", 4, words));
    assert_null(trb_text_meant("", 4, words));
    assert_null(trb_text_meant("endd", 0, words));
}

static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a\tb\x7f", "caf\xc3\xa9", "\xc2\x9b", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_null(trb_text_not_utf8(good[i]));
    static const struct {
        const char *text;
        size_t at;
    } bad[] = {{"caf\xe9 au", 3},   {"\xff", 0},          {"ab\xc3", 2},           {"\xc0\x80", 0}, {"\xc1\xbf", 0},
               {"\xe0\x9f\xbf", 0}, {"x\xed\xa0\x80", 1}, {"\xf4\x90\x80\x80", 0}, {"\x80", 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_ptr_equal(trb_text_not_utf8(bad[i].text), bad[i].text + bad[i].at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_words),
        cmocka_unit_test(meant_words),
        cmocka_unit_test(utf8),
        cmocka_unit_test(nothing_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
