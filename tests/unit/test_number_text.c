/* Numbers as text: what is read and what is refused, what is printed, whatever the locale. */
#include "scratch.h"

#include <locale.h>
#include <math.h>

#include "tribikos/number.h"

static bool reads(const char *text, double expected)
{
    double value = 0.0;
    return trb_number_read(text, strlen(text), &value) && value == expected;
}

static void all_read(void)
{
    assert_true(reads("0", 0.0) && reads("12", 12.0) && reads("-1.5", -1.5) && reads("+.5", 0.5) && reads("3.", 3.0));
    assert_true(reads("1e-3", 1e-3) && reads("1E+3", 1e3) && reads("4.9406564584124654e-324", 0x1p-1074));
    assert_true(reads("1e999", HUGE_VAL));
}

static void numbers(void **state)
{
    (void)state;
    static const char *const others[] = {"",    " 1", "1 ",    "1,5", "0x10", "inf", "nan", "1e",
                                         "1e+", ".",  "1.2.3", "--1", "1-",   "e5",  "NaN", "1_000"};
    double value = 7.0;
    all_read();
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(trb_number_read(others[i], strlen(others[i]), &value));
        assert_true(value == 7.0);
    }
    assert_true(trb_number_read("25,3", 2, &value) && value == 25.0);
    assert_false(trb_number_read("25", 1, &value)); /* a number that goes on is not read in part */
}

static void printed(double value, const char *all, const char *shortest)
{
    char text[TRB_NUMBER_BYTES];
    trb_number_print(value, text);
    assert_string_equal(text, all);
    assert_true(reads(text, value));
    trb_number_shortest(value, 1, text);
    assert_string_equal(text, shortest);
    assert_true(reads(text, value));
}

static void all_printed(void)
{
    char text[TRB_NUMBER_BYTES];
    printed(0.1, "0.10000000000000001", "0.1");
    printed(2.0, "2", "2");
    printed(-1.0 / 3, "-0.33333333333333331", "-0.3333333333333333");
    printed(1e300, "1.0000000000000001e+300", "1e+300");
    printed(-0x1.fffffffffffffp+1023, "-1.7976931348623157e+308", "-1.7976931348623157e+308");
    printed(-0x1.0000000000001p-1022, "-2.2250738585072019e-308", "-2.225073858507202e-308");
    trb_number_shortest(1234.0, 1, text);
    assert_string_equal(text, "1234");
    trb_number_shortest(1000.0, 4, text); /* one digit would do, in which it is 1e+03 */
    assert_string_equal(text, "1000");
}

static void print(void **state)
{
    (void)state;
    all_printed();
}

/* Short numbers are read without strtod(), and have its bits. */
static void as_strtod(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        double value = 0.0;
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const int digits = (int)(seed >> 60) + 1, exponent = (int)(seed >> 40 & 63) - 32;
        const double number = (double)(int64_t)seed * pow(10.0, exponent - 18);
        (void)snprintf(text, sizeof text, (seed >> 20 & 1) != 0 ? "%.*g" : "%.*f", digits, number);
        if (!trb_number_read(text, strlen(text), &value) || value != strtod(text, NULL)) fail_msg("%s", text);
    }
    assert_true(reads("9007199254740993", 9007199254740992.0) && reads("1e22", 1e22) && reads("1e23", 1e23));
    assert_true(reads("0.0000000000000000000000000001", 1e-28) && reads("00000000000000000000000012", 12.0));
    assert_true(signbit(-0.0) != 0 && reads("-0", 0.0));
}

static void figures(void **state)
{
    (void)state;
    char text[TRB_NUMBER_BYTES];
    assert_string_equal(trb_number_figure(0.25, 4, text), "0.2500");
    assert_string_equal(trb_number_figure(-999999.5, 1, text), "-999999.5");
    assert_string_equal(trb_number_figure(1e6, 4, text), "1e+06");
    assert_string_equal(trb_number_figure(-1.2345678e24, 4, text), "-1.235e+24");
    assert_string_equal(trb_number_figure(12.3456, -1, text), "12.35");
    assert_string_equal(trb_number_figure((double)INFINITY, 4, text), "inf");
}

static void grouped(void **state)
{
    (void)state;
    char text[TRB_NUMBER_BYTES];
    assert_string_equal(trb_number_grouped(0, text), "0");
    assert_string_equal(trb_number_grouped(999, text), "999");
    assert_string_equal(trb_number_grouped(1000, text), "1,000");
    assert_string_equal(trb_number_grouped(60000, text), "60,000");
    assert_string_equal(trb_number_grouped(SIZE_MAX, text), "18,446,744,073,709,551,615");
}

/* The process's own locale, in which a decimal point is a comma, stays what it is. It is made here: few machines have
 * one. */
static void with_comma(void **state)
{
    (void)state;
    char command[700], text[16];
    (void)snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s' >/dev/null 2>&1",
                   in_scratch("de_DE.utf8"));
    (void)setenv("LOCPATH", scratch, 1);
    if (system(command) != 0 || setlocale(LC_ALL, "de_DE.utf8") == NULL) {
        print_message("no locale with a decimal comma can be made here\n");
        skip();
    }
    (void)snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5");
    all_read();
    all_printed();
    (void)snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5");
    (void)setlocale(LC_ALL, "C");
}

static void counts(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *noun, *is;
    } cases[] = {{0, "row", "0 rows"},
                 {1, "row", "1 row"},
                 {2, "row", "2 rows"},
                 {1, "class", "1 class"},
                 {3, "class", "3 classes"},
                 {2, "batch", "2 batches"},
                 {1, "batch", "1 batch"},
                 {2, "box", "2 boxes"},
                 {12345, "sample", "12345 samples"},
                 {2, "output", "2 outputs"},
                 {1, "missing value", "1 missing value"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(TRB_COUNT(cases[i].n, cases[i].noun), cases[i].is);
    char two[64];
    (void)snprintf(two, sizeof two, "%s, %s", TRB_COUNT(1, "file"), TRB_COUNT(2, "member")); /* each has its own room */
    assert_string_equal(two, "1 file, 2 members");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),  cmocka_unit_test(numbers), cmocka_unit_test(print),      cmocka_unit_test(as_strtod),
        cmocka_unit_test(figures), cmocka_unit_test(grouped), cmocka_unit_test(with_comma),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
