/* Checkpoints: three lines, one spelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/checkpoint.h"

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

/* C2SP tlog-checkpoint, its first example. */
static const char example[] = "example.com/behind-the-sofa\n20852163\n" ROOT "\n";

static enum slk_err parse(struct slk_checkpoint *out, const char *text)
{
    return slk_checkpoint_parse(out, slk_span_of(text, strlen(text)));
}

static void the_example_parses(void **state)
{
    struct slk_checkpoint c;

    (void)state;
    assert_int_equal(parse(&c, example), SLK_OK);
    assert_true(slk_span_equal(c.origin, slk_span_of("example.com/behind-the-sofa", 27)));
    assert_true(c.head.tree_size == 20852163);
    assert_int_equal(c.head.root_hash.b[0], 0x0a);
}

static void every_size_and_origin_length_round_trips(void **state)
{
    char origin[SLK_NAME_MAX], text[SLK_CHECKPOINT_TEXT_MAX];

    (void)state;
    memset(origin, 'o', sizeof(origin));
    for (size_t n = 1; n <= SLK_NAME_MAX; n++) {
        uint64_t size = n <= 64 ? UINT64_MAX >> (64 - n) : n;
        struct slk_checkpoint c = {.origin = slk_span_of(origin, n), .head = {.tree_size = size}}, again;
        size_t text_n;

        memset(c.head.root_hash.b, (int)n, SLK_HASH_SIZE);
        text_n = slk_checkpoint_format(text, &c);
        assert_true(text_n <= sizeof(text));
        assert_int_equal(slk_checkpoint_parse(&again, slk_span_of(text, text_n)), SLK_OK);
        assert_true(slk_span_equal(again.origin, c.origin));
        assert_true(again.head.tree_size == size);
        assert_true(slk_hash_equal(&again.head.root_hash, &c.head.root_hash));
    }
}

static void the_longest_fills_its_buffer(void **state)
{
    char origin[SLK_NAME_MAX + 1], text[SLK_CHECKPOINT_TEXT_MAX + 1];
    struct slk_checkpoint c = {
        .origin = slk_span_of(origin, SLK_NAME_MAX), .head = {.tree_size = UINT64_MAX}};

    (void)state;
    memset(origin, 'o', sizeof(origin));
    assert_int_equal(slk_checkpoint_format(text, &c), SLK_CHECKPOINT_TEXT_MAX);
    memmove(text + 1, text, SLK_CHECKPOINT_TEXT_MAX); /* an origin of one byte more */
    assert_int_equal(slk_checkpoint_parse(&c, slk_span_of(text, sizeof(text))), SLK_E_CHECKPOINT);
}

static void what_is_not_a_checkpoint(void **state)
{
    static const char *const wrong[] = {"", "\n", "o", "o\n", "o\n1\n", "o\n1\n" ROOT, "\n1\n" ROOT "\n",
        "o\n\n" ROOT "\n", "o\n1\n\n", "o\n1\n" ROOT "\n\n", "o\n1\n" ROOT "\nextension\n",
        "o\n1\n" ROOT "\nextension", "o\n01\n" ROOT "\n", "o\n00\n" ROOT "\n", "o\n+1\n" ROOT "\n",
        "o\n-1\n" ROOT "\n", "o\n 1\n" ROOT "\n", "o\n1 \n" ROOT "\n", "o\n0x1\n" ROOT "\n",
        "o\n18446744073709551616\n" ROOT "\n", "o\n1\n " ROOT "\n", "o\n1\n" ROOT " \n", "o\n1\n" ROOT "=\n",
        "o\r\n1\r\n" ROOT "\r\n", "o\x01\n1\n" ROOT "\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2Ii\n", "\no\n1\n" ROOT "\n"};
    struct slk_checkpoint c;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse(&c, wrong[i]), SLK_E_CHECKPOINT);
        assert_true(c.head.tree_size == 0 && c.origin.size == 0);
    }
    assert_int_equal(slk_checkpoint_parse(&c, slk_span_of(NULL, 0)), SLK_E_CHECKPOINT);
    assert_int_equal(parse(&c, "o\n0\n" ROOT "\n"), SLK_OK);
    assert_int_equal(parse(&c, "Go.sum database tree\n18446744073709551615\n" ROOT "\n"), SLK_OK);
}

static void what_parses_prints_back(void **state)
{
    unsigned accepted_n = 0;

    (void)state;
    for (size_t at = 0; at < strlen(example); at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[sizeof(example)], again[SLK_CHECKPOINT_TEXT_MAX];
            struct slk_checkpoint c;

            memcpy(text, example, sizeof(text));
            text[at] = (char)byte;
            if (slk_checkpoint_parse(&c, slk_span_of(text, strlen(example))) != SLK_OK)
                continue;
            accepted_n++;
            assert_int_equal(slk_checkpoint_format(again, &c), strlen(example));
            assert_memory_equal(again, text, strlen(example));
        }
    }
    assert_true(accepted_n > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_parses),
        cmocka_unit_test(every_size_and_origin_length_round_trips),
        cmocka_unit_test(the_longest_fills_its_buffer),
        cmocka_unit_test(what_is_not_a_checkpoint),
        cmocka_unit_test(what_parses_prints_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
