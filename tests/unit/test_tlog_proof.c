/* C2SP tlog-proofs of any log: one spelling, and what it takes to believe that a log holds an entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/policy.h"
#include "ledger/verify/tlog_proof.h"
#include "tests/unit/signer.h"

#define NOW    1790000000u
#define ORIGIN "example.com/fancylog"
#define ZERO   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static struct slk_span span(const char *text)
{
    return slk_span_of((const uint8_t *)text, strlen(text));
}

/* ---- the text ---- */

static void what_parses_prints_back(void **state)
{
    static const char *const good[] = {
        "c2sp.org/tlog-proof@v1\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 18446744073709551615\n" ZERO ZERO "\nc\nd\n\ne\n",
        "c2sp.org/tlog-proof@v1\nextra "
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "index 7\n\nc\n",
    };
    struct slk_tlog_proof proof;
    uint8_t out[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(slk_tlog_proof_parse(&proof, span(good[i])), SLK_OK);
        assert_int_equal(slk_tlog_proof_format(out, sizeof(out), &proof), strlen(good[i]));
        assert_memory_equal(out, good[i], strlen(good[i]));
        assert_int_equal(slk_tlog_proof_format(out, strlen(good[i]) - 1, &proof), 0);
    }
}

static void nothing_else_parses(void **state)
{
    static const char *const bad[] = {
        "",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\nc\r\n",
        "c2sp.org/tlog-proof@v1\nindex 0\r\n\nc\n",
        " c2sp.org/tlog-proof@v1\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 18446744073709551616\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\nc\n",
        "c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nextra AAA\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nextra AB==\nindex 0\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n" ZERO "c\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nc\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nindex 0",
    };
    struct slk_tlog_proof proof;
    char long_path[64 + 65 * 45];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(slk_tlog_proof_parse(&proof, span(bad[i])), SLK_E_MALFORMED);
        assert_int_equal(proof.note.size, 0);
    }
    n = (size_t)snprintf(long_path, sizeof(long_path), "c2sp.org/tlog-proof@v1\nindex 0\n");
    for (size_t i = 0; i < SLK_PATH_MAX + 1; i++)
        n += (size_t)snprintf(long_path + n, sizeof(long_path) - n, ZERO);
    (void)snprintf(long_path + n, sizeof(long_path) - n, "\nc\n");
    assert_int_equal(slk_tlog_proof_parse(&proof, span(long_path)), SLK_E_MALFORMED);
}

static void checkpoints_of_other_logs_may_have_more_lines(void **state)
{
    struct slk_checkpoint c;

    (void)state;
    assert_int_equal(slk_checkpoint_parse_any(&c, span("o\n7\n" ZERO "more\nstill more\n")), SLK_OK);
    assert_int_equal(c.head.tree_size, 7);
    assert_int_equal(slk_checkpoint_parse_any(&c, span("o\n7\n" ZERO)), SLK_OK);
    assert_int_equal(slk_checkpoint_parse_any(&c, span("o\n7\n" ZERO "\n")), SLK_E_CHECKPOINT);
    assert_int_equal(slk_checkpoint_parse_any(&c, span("o\n7\n" ZERO "more")), SLK_E_CHECKPOINT);
    assert_int_equal(slk_checkpoint_parse_any(&c, span("o\n7\n")), SLK_E_CHECKPOINT);
    assert_int_equal(slk_checkpoint_parse_any(&c, span("o\n07\n" ZERO "more\n")), SLK_E_CHECKPOINT);
}

/* ---- an entry ---- */

/* A log of three entries; the proof of entry 1. */
struct world {
    struct signer log, w[2];
    struct slk_policy *policy;
    uint64_t index, size;
    const char *origin, *more; /* of the checkpoint */
    bool is_cosigned;
    uint8_t text[4096];
    size_t n;
    struct slk_entry_answer says;
};

static void make_policy(struct world *w, const char *quorum)
{
    char log[SLK_VKEY_MAX], a[SLK_VKEY_MAX], b[SLK_VKEY_MAX], text[2000];
    int n;

    slk_vkey_format(log, &w->log.vkey);
    slk_vkey_format(a, &w->w[0].vkey);
    slk_vkey_format(b, &w->w[1].vkey);
    n = snprintf(text, sizeof(text), "log %s\nwitness a %s\nwitness b %s\ngroup both all a b\nquorum %s\n",
        log, a, b, quorum);
    assert_int_equal(slk_policy_new(&w->policy, text, (size_t)n, NULL), SLK_OK);
}

static void open_world(struct world *w, const char *quorum)
{
    memset(w, 0, sizeof(*w));
    signer_init(&w->log, ORIGIN, SLK_SIG_ED25519, 1);
    signer_init(&w->w[0], "a.example", SLK_SIG_COSIGNATURE_V1, 2);
    signer_init(&w->w[1], "b.example", SLK_SIG_COSIGNATURE_V1, 3);
    w->index = 1;
    w->size = 3;
    w->origin = ORIGIN;
    w->more = "";
    w->is_cosigned = true;
    make_policy(w, quorum);
}

static void print_proof(struct world *w)
{
    static const char *const entries[] = {"zero", "one", "two"};
    struct slk_hash leaf[3], inner, root;
    char text[512], digits[45] = "";
    uint8_t note[2048];
    struct slk_writer out = {.at = note, .cap = sizeof(note)};
    struct slk_tlog_proof proof = {.index = w->index, .path_n = 2};

    for (size_t i = 0; i < 3; i++)
        slk_hash_leaf(&leaf[i], entries[i], strlen(entries[i]));
    slk_hash_node(&inner, &leaf[0], &leaf[1]);
    slk_hash_node(&root, &inner, &leaf[2]);
    slk_base64_format(digits, root.b, SLK_HASH_SIZE);
    (void)snprintf(
        text, sizeof(text), "%s\n%llu\n%.44s\n%s", w->origin, (unsigned long long)w->size, digits, w->more);
    slk_write_bytes(&out, text, strlen(text));
    slk_write_u8(&out, '\n');
    signer_add_line(&out, &w->log, 0, span(text));
    for (size_t i = 0; i < 2; i++)
        if (i == 0 || w->is_cosigned)
            signer_add_line(&out, &w->w[i], NOW - 100 * (i + 1), span(text));
    proof.path[0] = leaf[0];
    proof.path[1] = leaf[2];
    proof.note = slk_span_of(note, out.size);
    w->n = slk_tlog_proof_format(w->text, sizeof(w->text), &proof);
    assert_true(w->n > 0);
}

static enum slk_err verify_as(struct world *w, const char *entry, const struct slk_verify_options *options)
{
    enum slk_err err;

    print_proof(w);
    err = slk_verify_entry(&w->says, slk_span_of(w->text, w->n), span(entry), w->policy, options);
    assert_int_equal(w->says.why, err);
    if (err != SLK_OK) { /* nothing that could be taken for an answer */
        assert_int_equal(w->says.tree_size, 0);
        assert_int_equal(w->says.origin[0], 0);
    }
    return err;
}

static enum slk_err verify(struct world *w, const char *entry)
{
    const struct slk_verify_options options = {.now_s = NOW};

    return verify_as(w, entry, &options);
}

static void an_entry_that_is_there_is_there(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, "both");
    assert_int_equal(verify(&w, "one"), SLK_OK);
    assert_int_equal(w.says.index, 1);
    assert_int_equal(w.says.tree_size, 3);
    assert_int_equal(w.says.cosignatures_n, 2);
    assert_int_equal(w.says.age_s, 200);
    assert_true(w.says.has_quorum);
    assert_false(w.says.has_extra);
    assert_string_equal(w.says.origin, ORIGIN);
    w.more = "a line of its own\n";
    assert_int_equal(verify(&w, "one"), SLK_OK);
    slk_policy_free(w.policy);
}

static void other_bytes_another_place_or_another_size_are_not(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, "both");
    assert_int_equal(verify(&w, "two"), SLK_E_PROOF);
    assert_int_equal(verify(&w, ""), SLK_E_PROOF);
    w.index = 0;
    assert_int_equal(verify(&w, "one"), SLK_E_PROOF);
    w.index = 3;
    assert_int_equal(verify(&w, "one"), SLK_E_RANGE);
    w.index = 1;
    w.size = 5;
    assert_int_equal(verify(&w, "one"), SLK_E_PROOF);
    w.more = "\n";
    assert_int_equal(verify(&w, "one"), SLK_E_CHECKPOINT);
    slk_policy_free(w.policy);
}

static void a_proof_of_another_log_is_called_that(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, "both");
    signer_init(&w.log, "example.com/other", SLK_SIG_ED25519, 1);
    w.origin = "example.com/other";
    assert_int_equal(verify(&w, "one"), SLK_E_NO_LOG);
    assert_string_equal(w.says.detail, "the proof is of the log \"example.com/other\"");
    slk_policy_free(w.policy);
    open_world(&w, "both");
    signer_init(&w.log, ORIGIN, SLK_SIG_ED25519, 9); /* its name under another key */
    assert_int_equal(verify(&w, "one"), SLK_E_NO_LOG);
    slk_policy_free(w.policy);
}

static void it_takes_the_quorum_and_its_time(void **state)
{
    const struct slk_verify_options old = {.now_s = NOW, .max_age_s = 199},
                                    young = {.now_s = NOW, .max_age_s = 200}, future = {.now_s = NOW - 1000},
                                    none = {.now_s = NOW, .allow_no_quorum = true},
                                    none_young = {.now_s = NOW, .allow_no_quorum = true, .max_age_s = 1000};
    struct world w;

    (void)state;
    open_world(&w, "both");
    assert_int_equal(verify_as(&w, "one", &young), SLK_OK);
    assert_int_equal(verify_as(&w, "one", &old), SLK_E_TOO_OLD);
    assert_string_equal(w.says.detail, "it is 200 s old, at most 199 s are allowed");
    assert_int_equal(verify_as(&w, "one", &future), SLK_E_FUTURE);
    w.is_cosigned = false;
    assert_int_equal(verify(&w, "one"), SLK_E_QUORUM);
    slk_policy_free(w.policy);
    make_policy(&w, "none");
    assert_int_equal(verify(&w, "one"), SLK_E_NO_QUORUM);
    assert_int_equal(verify_as(&w, "one", &none), SLK_OK);
    assert_false(w.says.has_quorum);
    assert_int_equal(w.says.age_s, 0);
    assert_int_equal(verify_as(&w, "one", &none_young), SLK_E_TOO_OLD);
    assert_string_equal(w.says.detail, "without a quorum nobody says how old it is");
    slk_policy_free(w.policy);
}

static void what_is_no_tlog_proof_says_so(void **state)
{
    const struct slk_verify_options options = {.now_s = NOW};
    static uint8_t large[(4u << 20) + 1];
    struct world w;

    (void)state;
    open_world(&w, "both");
    assert_int_equal(
        slk_verify_entry(&w.says, span("hello"), span("one"), w.policy, &options), SLK_E_MALFORMED);
    assert_non_null(strstr(w.says.detail, "c2sp.org/tlog-proof@v1"));
    assert_int_equal(
        slk_verify_entry(&w.says, slk_span_of(large, sizeof(large)), span("one"), w.policy, &options),
        SLK_E_TOO_LARGE);
    assert_int_equal(slk_verify_entry(&w.says, span("c2sp.org/tlog-proof@v1\nindex 0\n\nc\n"), span("one"),
                         w.policy, &options),
        SLK_E_NOTE);
    slk_policy_free(w.policy);
}

/* ---- by another implementation ---- */

static struct slk_span load(const char *name)
{
    static uint8_t bytes[3][8192];
    static size_t used;
    uint8_t *at = bytes[used++ % 3];
    char path[1000];
    FILE *f;
    size_t n;

    (void)snprintf(path, sizeof(path), "%s/%s", SLK_OWN_VECTORS, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(at, 1, sizeof(bytes[0]), f);
    (void)fclose(f);
    return slk_span_of(at, n);
}

static void a_proof_and_a_policy_by_torchwood_are_understood(void **state)
{
    struct slk_verify_options options = {.now_s = 1795427054 + 100, .max_ahead_s = 1};
    struct slk_span policy_text = load("torchwood.policy"), proof = load("torchwood.tlog-proof"),
                    entry = load("torchwood.entry");
    struct slk_entry_answer says;
    struct slk_policy *policy;

    (void)state;
    assert_int_equal(slk_policy_new(&policy, (const char *)policy_text.at, policy_text.size, NULL), SLK_OK);
    assert_int_equal(slk_verify_entry(&says, proof, entry, policy, &options), SLK_OK);
    assert_int_equal(says.index, 6);
    assert_int_equal(says.tree_size, 11);
    assert_int_equal(says.cosignatures_n, 3); /* x2 has not signed: two of three, and y1 */
    assert_int_equal(says.age_s, 100);
    assert_true(says.has_extra);
    assert_string_equal(says.origin, "foreign.example/log");
    assert_int_equal(
        slk_verify_entry(&says, proof, slk_span_of(entry.at, entry.size - 1), policy, &options), SLK_E_PROOF);
    slk_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_parses_prints_back),
        cmocka_unit_test(nothing_else_parses),
        cmocka_unit_test(checkpoints_of_other_logs_may_have_more_lines),
        cmocka_unit_test(an_entry_that_is_there_is_there),
        cmocka_unit_test(other_bytes_another_place_or_another_size_are_not),
        cmocka_unit_test(a_proof_of_another_log_is_called_that),
        cmocka_unit_test(it_takes_the_quorum_and_its_time),
        cmocka_unit_test(what_is_no_tlog_proof_says_so),
        cmocka_unit_test(a_proof_and_a_policy_by_torchwood_are_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
