/* Outside witnesses: what they are sent, what of their answers is believed, and whom the desk asks when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/witness.h"
#include "tests/unit/signer.h"

#define NOW   1790000000u
#define TEXT  "log.example/a\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define URL   "https://witness.example/w"
#define EVERY 5000u
#define FRESH 60000u

static struct slk_span span(const char *text)
{
    return slk_span_of((const uint8_t *)text, strlen(text));
}

static struct slk_witness make(struct signer *s, const char *name, uint8_t number)
{
    struct slk_witness w = {.label = "w", .url = URL};

    signer_init(s, name, SLK_SIG_COSIGNATURE_V1, number);
    w.vkey = s->vkey;
    return w;
}

static struct slk_witness_answer answer(unsigned status, const char *type, struct slk_span body)
{
    struct slk_witness_answer a = {.status = status, .body = body};

    (void)snprintf(a.type, sizeof(a.type), "%s", type);
    return a;
}

static enum slk_witness_says say(struct slk_witness_word *word, const struct slk_witness *w, unsigned status,
    const char *type, struct slk_span body)
{
    struct slk_witness_answer a = answer(status, type, body);

    slk_witness_read(word, w, &a, span(TEXT), NOW);
    if (word->says != SLK_WITNESS_COSIGNED) {
        static const uint8_t zero[SLK_WITNESS_BLOB_SIZE];

        assert_memory_equal(word->blob, zero, sizeof(zero));
        assert_int_equal(word->time_s, 0);
    }
    return word->says;
}

/* ---- requests ---- */

static void a_request_is_the_old_size_the_path_an_empty_line_and_the_checkpoint(void **state)
{
    struct slk_hash path[2] = {{{0}}, {{0xff}}};
    uint8_t out[400];
    size_t n = slk_witness_request(out, sizeof(out), 5, path, 2, span(TEXT "\n— x y\n"));

    (void)state;
    assert_int_equal(n, strlen("old 5\n") + 2 * 45 + 1 + strlen(TEXT "\n— x y\n"));
    assert_memory_equal(out,
        "old "
        "5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n/"
        "wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n" TEXT,
        97);
    n = slk_witness_request(out, sizeof(out), 0, NULL, 0, span("c\n"));
    assert_int_equal(n, 9);
    assert_memory_equal(out, "old 0\n\nc\n", 9);
    assert_int_equal(slk_witness_request(out, 8, 0, NULL, 0, span("c\n")), 0);
    assert_int_equal(
        slk_witness_request(out, sizeof(out), 1, path, SLK_WITNESS_PATH_MAX + 1, span("c\n")), 0);
}

/* ---- answers ---- */

static void a_cosignature_of_this_checkpoint_by_this_key_is_taken_and_nothing_else_is(void **state)
{
    struct signer s, other;
    struct slk_witness w = make(&s, "witness.example/w", 1);
    struct slk_witness_word word;
    uint8_t bytes[2000];
    struct slk_writer body = {.at = bytes, .cap = sizeof(bytes)};

    (void)state;
    signer_init(&other, "witness.example/w", SLK_SIG_COSIGNATURE_V1, 2);
    signer_add_line(&body, &other, NOW, span(TEXT)); /* unknown keys are ignored (C2SP tlog-witness) */
    assert_int_equal(say(&word, &w, 200, "", slk_span_of(bytes, body.size)), SLK_WITNESS_NO_COSIGNATURE);
    signer_add_line(&body, &s, NOW - 2, span(TEXT));
    signer_add_line(&body, &s, NOW - 1, span(TEXT));
    assert_int_equal(say(&word, &w, 200, "", slk_span_of(bytes, body.size)), SLK_WITNESS_COSIGNED);
    assert_int_equal(word.time_s, NOW - 1);
    assert_int_equal(slk_get_u64(word.blob + 4), NOW - 1);
    signer_add_line(&body, &s, NOW, span("log.example/a\n8\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"));
    assert_int_equal(say(&word, &w, 200, "", slk_span_of(bytes, body.size)), SLK_WITNESS_FALSE_COSIGNATURE);
}

static void its_time_must_be_now(void **state)
{
    static const int64_t off[] = {0, 300, -300, 301, -301, -(int64_t)NOW};
    struct signer s;
    struct slk_witness w = make(&s, "w", 1);
    struct slk_witness_word word;

    (void)state;
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        uint8_t bytes[400];
        struct slk_writer body = {.at = bytes, .cap = sizeof(bytes)};

        signer_add_line(&body, &s, (uint64_t)((int64_t)NOW + off[i]), span(TEXT));
        assert_int_equal(say(&word, &w, 200, "", slk_span_of(bytes, body.size)),
            i < 3 ? SLK_WITNESS_COSIGNED : SLK_WITNESS_FALSE_TIME);
    }
}

static void what_is_no_list_of_signature_lines_is_malformed(void **state)
{
    static const char *const bodies[] = {
        "", "\n", "— w\n", "— w AAAAAAA=", "{}", "— x AAAAAAA=\n\n— x AAAAAAA=\n"};
    struct signer s;
    struct slk_witness w = make(&s, "w", 1);
    struct slk_witness_word word;
    static char large[SLK_WITNESS_ANSWER_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_int_equal(say(&word, &w, 200, "", span(bodies[i])), SLK_WITNESS_MALFORMED);
    memset(large, 'a', sizeof(large) - 1);
    assert_int_equal(say(&word, &w, 200, "", span(large)), SLK_WITNESS_MALFORMED);
}

static void an_empty_line_in_the_answer_cannot_put_another_text_under_a_signature(void **state)
{
    struct signer s;
    struct slk_witness w = make(&s, "w", 1);
    struct slk_witness_word word;
    uint8_t bytes[1000];
    struct slk_writer body = {.at = bytes, .cap = sizeof(bytes)};

    (void)state;
    slk_write_bytes(&body, "— x AAAAAAA=\n\n", strlen("— x AAAAAAA=\n\n"));
    signer_add_line(&body, &s, NOW, span(TEXT "\n— x AAAAAAA=\n"));
    assert_int_equal(say(&word, &w, 200, "", slk_span_of(bytes, body.size)), SLK_WITNESS_MALFORMED);
}

static void every_status_is_called_by_its_name(void **state)
{
    static const struct {
        unsigned status;
        enum slk_witness_says says;
    } table[] = {{0, SLK_WITNESS_UNREACHABLE}, {404, SLK_WITNESS_UNKNOWN_LOG}, {403, SLK_WITNESS_UNKNOWN_KEY},
        {422, SLK_WITNESS_INCONSISTENT}, {429, SLK_WITNESS_BUSY}, {503, SLK_WITNESS_BUSY},
        {500, SLK_WITNESS_OTHER_STATUS}, {301, SLK_WITNESS_OTHER_STATUS}, {204, SLK_WITNESS_OTHER_STATUS},
        {400, SLK_WITNESS_OTHER_STATUS}};
    struct signer s;
    struct slk_witness w = make(&s, "w", 1);
    struct slk_witness_word word;
    struct slk_witness_answer large = {.status = 200, .is_too_large = true};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(say(&word, &w, table[i].status, "text/plain", span("7\n")), table[i].says);
    slk_witness_read(&word, &w, &large, span(TEXT), NOW);
    assert_int_equal(word.says, SLK_WITNESS_TOO_LARGE);
    for (unsigned i = 0; i < SLK_WITNESS_SAYS_N; i++)
        assert_true(
            strspn(slk_witness_says_name((enum slk_witness_says)i), "abcdefghijklmnopqrstuvwxyz_") > 3);
    assert_string_equal(slk_witness_says_name(SLK_WITNESS_SAYS_N), "?");
}

static void another_size_is_a_decimal_and_a_newline_of_its_own_type(void **state)
{
    static const char *const bad[] = {
        "", "7", "07\n", "7\n\n", "7\n8\n", " 7\n", "-7\n", "9223372036854775808\n", "x\n"};
    struct signer s;
    struct slk_witness w = make(&s, "w", 1);
    struct slk_witness_word word;

    (void)state;
    assert_int_equal(say(&word, &w, 409, "text/x.tlog.size", span("7\n")), SLK_WITNESS_OTHER_SIZE);
    assert_int_equal(word.stored_size, 7);
    assert_int_equal(
        say(&word, &w, 409, "text/x.tlog.size", span("9223372036854775807\n")), SLK_WITNESS_OTHER_SIZE);
    assert_int_equal(say(&word, &w, 409, "text/plain", span("7\n")), SLK_WITNESS_MALFORMED);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(say(&word, &w, 409, "text/x.tlog.size", span(bad[i])), SLK_WITNESS_MALFORMED);
}

/* ---- whom to ask ---- */

static void a_witness_is_a_name_a_cosigning_key_and_an_address(void **state)
{
    struct signer s, log;
    struct slk_witness w;
    struct slk_fault fault;
    char key[SLK_VKEY_MAX], text[1000];

    (void)state;
    signer_init(&s, "witness.example/w", SLK_SIG_COSIGNATURE_V1, 1);
    signer_init(&log, "log.example", SLK_SIG_ED25519, 1);
    slk_vkey_format(key, &s.vkey);
    (void)snprintf(text, sizeof(text), "%s  %s//", key, URL);
    assert_true(slk_witness_parse(&w, "w-1", text, &fault));
    assert_string_equal(w.label, "w-1");
    assert_string_equal(w.url, URL);
    assert_string_equal(w.vkey.name, "witness.example/w");
    assert_false(slk_witness_parse(&w, "", text, &fault));
    assert_false(slk_witness_parse(&w, "a b", text, &fault));
    assert_false(slk_witness_parse(&w, "a\"b", text, &fault));
    assert_false(slk_witness_parse(&w, "w", key, &fault));
    assert_false(slk_witness_parse(&w, "w", "", &fault));
    for (const char *const *bad =
             (const char *const[]){"ftp://a", "https://", "https:///w", "https://:1/w", "https://u@a/w",
                 "https://a/w?x", "https://a/w#x", "https://a/ w", "https://a/\"", "http:a", NULL};
         *bad != NULL; bad++) {
        (void)snprintf(text, sizeof(text), "%s %s", key, *bad);
        assert_false(slk_witness_parse(&w, "w", text, &fault));
        assert_true(fault.text[0] != '\0');
    }
    slk_vkey_format(key, &log.vkey);
    (void)snprintf(text, sizeof(text), "%s %s", key, URL);
    assert_false(slk_witness_parse(&w, "w", text, &fault));
    assert_non_null(strstr(fault.text, "0x04"));
}

/* ---- the desk ---- */

struct desk_world {
    struct slk_witness_desk *desk;
    struct signer s[2];
    uint64_t size, now_ms;
    bool is_quiet, is_deaf; /* no checkpoint; nothing can be sent */
    size_t asked_n[2], cosigned_n[2], targets_n;
    uint64_t old[2]; /* of the last request */
    size_t path_n;
};

static bool newest(void *ctx, struct slk_tree_head *head)
{
    const struct desk_world *d = ctx;

    *head = (struct slk_tree_head){.tree_size = d->size};
    return !d->is_quiet;
}

static size_t target(void *ctx, struct slk_tree_head *head, uint8_t *out, size_t cap)
{
    struct desk_world *d = ctx;
    static const char note[] = TEXT "\n— log.example/a AAAAAAA=\n";

    *head = (struct slk_tree_head){.tree_size = d->size};
    d->targets_n++;
    assert_true(cap >= sizeof(note));
    memcpy(out, note, sizeof(note) - 1);
    return sizeof(note) - 1;
}

static bool path(
    void *ctx, uint64_t old_size, uint64_t size, struct slk_hash out[SLK_WITNESS_PATH_MAX], size_t *path_n)
{
    struct desk_world *d = ctx;

    assert_true(old_size > 0 && old_size < size && size == d->size);
    memset(out, 0, sizeof(*out));
    *path_n = 1;
    return true;
}

static bool ask(void *ctx, size_t i, struct slk_span body)
{
    struct desk_world *d = ctx;
    struct slk_span rest = body, line;

    if (d->is_deaf)
        return false;
    d->asked_n[i]++;
    assert_true(slk_span_take(&line, &rest, '\n') && line.size > 4 && memcmp(line.at, "old ", 4) == 0);
    assert_true(slk_decimal_parse(&d->old[i], UINT64_MAX, (const char *)line.at + 4, line.size - 4));
    assert_true(slk_span_take(&line, &rest, '\n'));
    d->path_n = line.size > 0;
    return true;
}

static void cosigned(
    void *ctx, size_t i, const struct slk_tree_head *head, const struct slk_witness_word *word)
{
    struct desk_world *d = ctx;

    assert_true(head->tree_size <= d->size && word->time_s == NOW);
    d->cosigned_n[i]++;
}

static void open_desk(struct desk_world *d, size_t n)
{
    const struct slk_witness_options options = {EVERY, FRESH, 4 * EVERY};
    const struct slk_witness_world world = {d, newest, target, path, ask, cosigned};
    struct slk_witness w[2];

    memset(d, 0, sizeof(*d));
    d->size = 7;
    d->now_ms = 1000;
    w[0] = make(&d->s[0], "w0", 1);
    w[1] = make(&d->s[1], "w1", 2);
    d->desk = slk_witness_desk_new(w, n, &options, &world);
    assert_non_null(d->desk);
}

static enum slk_witness_says hear(
    struct desk_world *d, size_t i, unsigned status, const char *type, struct slk_span body)
{
    struct slk_witness_answer a = answer(status, type, body);

    return slk_witness_desk_hear(d->desk, i, &a, d->now_ms, NOW);
}

static enum slk_witness_says conflict(struct desk_world *d, size_t i, const char *size)
{
    return hear(d, i, 409, "text/x.tlog.size", span(size));
}

static enum slk_witness_says cosign(struct desk_world *d, size_t i)
{
    uint8_t bytes[400];
    struct slk_writer body = {.at = bytes, .cap = sizeof(bytes)};

    signer_add_line(&body, &d->s[i], NOW, span(TEXT));
    return hear(d, i, 200, "", slk_span_of(bytes, body.size));
}

static void run_at(struct desk_world *d, uint64_t ms)
{
    d->now_ms = ms;
    slk_witness_desk_run(d->desk, ms);
}

static void the_first_question_is_from_size_0_and_the_next_from_where_the_witness_is(void **state)
{
    struct desk_world d;

    (void)state;
    open_desk(&d, 1);
    run_at(&d, 1000);
    assert_int_equal(d.asked_n[0], 1);
    assert_int_equal(d.old[0], 0);
    assert_int_equal(d.path_n, 0);
    assert_int_equal(
        conflict(&d, 0, "3\n"), SLK_WITNESS_OTHER_SIZE); /* another member of the log was there */
    assert_int_equal(d.asked_n[0], 2);
    assert_int_equal(d.old[0], 3);
    assert_int_equal(d.path_n, 1);
    assert_int_equal(cosign(&d, 0), SLK_WITNESS_COSIGNED);
    assert_int_equal(d.cosigned_n[0], 1);
    d.size = 9;
    run_at(&d, 1000 + EVERY);
    assert_int_equal(d.old[0], 7);
    assert_int_equal(slk_witness_desk_stats(d.desk, 0)->asked_n, 3);
    assert_int_equal(slk_witness_desk_stats(d.desk, 0)->cosigned_size, 7);
    assert_int_equal(slk_witness_desk_sound(d.desk), 1);
    slk_witness_desk_free(d.desk);
}

static void a_round_begins_when_there_is_news_and_the_last_is_over_and_some_time_ago(void **state)
{
    struct desk_world d;

    (void)state;
    open_desk(&d, 2);
    d.is_quiet = true;
    run_at(&d, 1000);
    assert_int_equal(d.targets_n, 0);
    assert_true(slk_witness_desk_wake(d.desk) == UINT64_MAX);
    d.is_quiet = false;
    run_at(&d, 1001);
    assert_int_equal(d.targets_n, 1);
    assert_int_equal(cosign(&d, 0), SLK_WITNESS_COSIGNED);
    d.size = 8;
    run_at(&d, 1001 + 2 * EVERY); /* the other one has not answered */
    assert_int_equal(d.targets_n, 1);
    assert_true(slk_witness_desk_wake(d.desk) == UINT64_MAX);
    assert_int_equal(cosign(&d, 1), SLK_WITNESS_COSIGNED);
    run_at(&d, 1001 + 2 * EVERY);
    assert_int_equal(d.targets_n, 2);
    cosign(&d, 0);
    cosign(&d, 1);
    assert_true(slk_witness_desk_wake(d.desk) ==
                1001 + 2 * EVERY + FRESH); /* nothing new: to show that it is alive */
    d.size = 9;
    assert_true(slk_witness_desk_wake(d.desk) == 1001 + 3 * EVERY);
    run_at(&d, 1000 + 3 * EVERY);
    assert_int_equal(d.targets_n, 2);
    run_at(&d, 1001 + 3 * EVERY);
    assert_int_equal(d.targets_n, 3);
    slk_witness_desk_free(d.desk);
}

static void who_fails_rests_longer_each_time_and_the_others_are_asked_meanwhile(void **state)
{
    struct desk_world d;
    uint64_t t = 1000;

    (void)state;
    open_desk(&d, 2);
    run_at(&d, t);
    cosign(&d, 0);
    assert_int_equal(hear(&d, 1, 0, "", span("")), SLK_WITNESS_UNREACHABLE); /* rests 5 s, then 10, 20, 20 */
    assert_int_equal(slk_witness_desk_sound(d.desk), 1);
    for (int round = 1; round <= 15; round++) {
        d.size++;
        t += EVERY;
        run_at(&d, t);
        assert_int_equal(d.asked_n[0], 1 + round);
        cosign(&d, 0);
        if (round == 1 || round == 3 || round == 7 || round == 11 || round == 15) {
            assert_int_equal(hear(&d, 1, 500, "", span("")), SLK_WITNESS_OTHER_STATUS);
        }
    }
    assert_int_equal(d.asked_n[1], 6);
    run_at(&d, t + 4 * EVERY);
    cosign(&d, 0);
    assert_int_equal(cosign(&d, 1), SLK_WITNESS_COSIGNED);
    assert_int_equal(slk_witness_desk_sound(d.desk), 2);
    slk_witness_desk_free(d.desk);
}

static void who_says_another_size_for_ever_is_asked_four_times_a_round(void **state)
{
    struct desk_world d;

    (void)state;
    open_desk(&d, 1);
    run_at(&d, 1000);
    assert_int_equal(conflict(&d, 0, "3\n"), SLK_WITNESS_OTHER_SIZE);
    assert_int_equal(conflict(&d, 0, "4\n"), SLK_WITNESS_OTHER_SIZE);
    assert_int_equal(conflict(&d, 0, "5\n"), SLK_WITNESS_OTHER_SIZE);
    assert_int_equal(conflict(&d, 0, "6\n"), SLK_WITNESS_CONFLICT);
    assert_int_equal(d.asked_n[0], 4);
    assert_int_equal(slk_witness_desk_sound(d.desk), 0);
    run_at(&d, 1000 + EVERY);
    assert_int_equal(d.old[0], 6);
    assert_int_equal(conflict(&d, 0, "6\n"), SLK_WITNESS_CONFLICT); /* it is what was sent */
    slk_witness_desk_free(d.desk);
}

static void who_is_ahead_waits_for_our_next_checkpoint_but_not_for_ever(void **state)
{
    struct desk_world d;

    (void)state;
    open_desk(&d, 1);
    run_at(&d, 1000);
    assert_int_equal(conflict(&d, 0, "9\n"), SLK_WITNESS_OTHER_SIZE); /* a quicker member's */
    assert_int_equal(slk_witness_desk_sound(d.desk), 1);
    d.size = 8;
    run_at(&d, 1000 + EVERY);
    assert_int_equal(d.asked_n[0], 1);
    d.size = 9;
    run_at(&d, 1000 + 2 * EVERY);
    assert_int_equal(d.old[0], 9);
    assert_int_equal(d.path_n, 0);
    assert_int_equal(conflict(&d, 0, "999\n"), SLK_WITNESS_OTHER_SIZE);
    d.size = 10;
    run_at(&d, 1000 + 3 * EVERY);
    assert_int_equal(d.asked_n[0], 2);
    assert_int_equal(slk_witness_desk_sound(d.desk), 0); /* nobody has so many entries */
    slk_witness_desk_free(d.desk);
}

static void what_cannot_be_sent_is_a_failure_and_no_endless_loop(void **state)
{
    struct desk_world d;

    (void)state;
    open_desk(&d, 1);
    d.is_deaf = true;
    run_at(&d, 1000);
    run_at(&d, 1001);
    assert_int_equal(d.targets_n, 1);
    assert_true(slk_witness_desk_wake(d.desk) == 1000 + EVERY);
    assert_int_equal(slk_witness_desk_sound(d.desk), 0);
    assert_string_equal(slk_witness_desk_at(d.desk, 0)->label, "w");
    assert_int_equal(slk_witness_desk_n(d.desk), 1);
    slk_witness_desk_free(d.desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_the_old_size_the_path_an_empty_line_and_the_checkpoint),
        cmocka_unit_test(a_cosignature_of_this_checkpoint_by_this_key_is_taken_and_nothing_else_is),
        cmocka_unit_test(its_time_must_be_now),
        cmocka_unit_test(what_is_no_list_of_signature_lines_is_malformed),
        cmocka_unit_test(an_empty_line_in_the_answer_cannot_put_another_text_under_a_signature),
        cmocka_unit_test(every_status_is_called_by_its_name),
        cmocka_unit_test(another_size_is_a_decimal_and_a_newline_of_its_own_type),
        cmocka_unit_test(a_witness_is_a_name_a_cosigning_key_and_an_address),
        cmocka_unit_test(the_first_question_is_from_size_0_and_the_next_from_where_the_witness_is),
        cmocka_unit_test(a_round_begins_when_there_is_news_and_the_last_is_over_and_some_time_ago),
        cmocka_unit_test(who_fails_rests_longer_each_time_and_the_others_are_asked_meanwhile),
        cmocka_unit_test(who_says_another_size_for_ever_is_asked_four_times_a_round),
        cmocka_unit_test(who_is_ahead_waits_for_our_next_checkpoint_but_not_for_ever),
        cmocka_unit_test(what_cannot_be_sent_is_a_failure_and_no_endless_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
