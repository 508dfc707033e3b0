/* test_evidence.c: what convicts and what does not: split views and contradicting votes, with the members' own keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/log.h"
#include "tests/unit/signer.h"
#include "tools/evidence.h"

#define ORIGIN "test.example/ledger"

struct court {
    struct signer log, police, mint;
    struct slk_policy *policy;
    struct conviction convicted[EVIDENCE_CONVICTED_MAX];
    size_t n;
    struct slk_fault fault;
};

static struct court *court_open(void)
{
    struct court *c = calloc(1, sizeof(*c));
    char text[1024], log[SLK_VKEY_MAX], police[SLK_VKEY_MAX], mint[SLK_VKEY_MAX];
    int size;

    signer_init(&c->log, ORIGIN, SLK_SIG_ED25519, 1);
    signer_init(&c->police, "police", SLK_SIG_COSIGNATURE_V1, 2);
    signer_init(&c->mint, "mint", SLK_SIG_COSIGNATURE_V1, 3);
    slk_vkey_format(log, &c->log.vkey);
    slk_vkey_format(police, &c->police.vkey);
    slk_vkey_format(mint, &c->mint.vkey);
    size = snprintf(text, sizeof(text), "log %s\nwitness p %s\nwitness m %s\ngroup g 2 p m\nquorum g\n", log,
        police, mint);
    assert_int_equal(slk_policy_new(&c->policy, text, (size_t)size, &c->fault), SLK_OK);
    return c;
}

static void court_close(struct court *c)
{
    slk_policy_free(c->policy);
    free(c);
}

/* A log of n leaves, each its own number plus `salt`; what it reads of itself. */
struct leaves {
    struct slk_hash at[64];
};

static void grow(struct slk_log *log, struct leaves *leaves, size_t n, uint8_t salt)
{
    slk_log_init(log);
    for (size_t i = 0; i < n; i++) {
        const uint8_t leaf[2] = {(uint8_t)i, salt};

        slk_hash_leaf(&leaves->at[i], leaf, sizeof(leaf));
    }
    slk_log_append(log, leaves->at, n, NULL, NULL);
}

static bool read_leaves(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    const struct leaves *leaves = ctx;

    if (level != 0 || index != 0 || width > 64)
        return false;
    memcpy(out, leaves->at, width * sizeof(*out));
    return true;
}

/* A checkpoint over the first n leaves, by the log, the police and perhaps the mint. */
static void sign(
    struct evidence *e, size_t which, struct court *c, struct leaves *leaves, size_t n, bool with_mint)
{
    struct slk_checkpoint checkpoint = {
        .origin = slk_span_of(ORIGIN, sizeof(ORIGIN) - 1), .head = {.tree_size = n}};
    struct slk_writer w = {.at = malloc(4096), .cap = 4096};
    char text[SLK_CHECKPOINT_TEXT_MAX];
    struct slk_span body;

    assert_int_equal(slk_log_root_at(&checkpoint.head.root_hash, n, read_leaves, leaves), SLK_OK);
    body = slk_span_of(text, slk_checkpoint_format(text, &checkpoint));
    slk_write_bytes(&w, body.at, body.size);
    slk_write_bytes(&w, "\n", 1);
    signer_add_line(&w, &c->log, 0, body);
    signer_add_line(&w, &c->police, 1000 + which, body);
    if (with_mint)
        signer_add_line(&w, &c->mint, 2000 + which, body);
    assert_false(w.bad);
    e->kind = EVIDENCE_SPLIT;
    e->notes[which] = (char *)w.at;
    e->notes_n[which] = w.size;
}

static void add_path(struct evidence *e, struct leaves *leaves, size_t old_size, size_t size)
{
    e->has_path = true;
    assert_int_equal(slk_log_root_at(&e->old_root, old_size, read_leaves, leaves), SLK_OK);
    assert_int_equal(
        slk_log_consistency_path(e->path, &e->path_n, old_size, size, read_leaves, leaves), SLK_OK);
}

static enum slk_err judge(struct court *c, const struct evidence *e)
{
    c->fault.text[0] = '\0';
    return evidence_judge_split(e, c->policy, c->convicted, &c->n, &c->fault);
}

/* Read back from its line, it is judged the same. */
static enum slk_err judge_line(struct court *c, const struct evidence *e)
{
    enum slk_err err = judge(c, e);
    struct evidence again;
    size_t size = 0;
    char *line = evidence_format(e, &size);

    assert_non_null(line);
    assert_int_equal(evidence_parse(&again, line, size, &c->fault), SLK_OK);
    assert_int_equal(judge(c, &again), err);
    free(line);
    evidence_clear(&again);
    return err;
}

static void two_roots_of_one_size_convict_who_signed_both(void **state)
{
    struct court *c = court_open();
    struct leaves a, b;
    struct slk_log log;
    struct evidence e = {0};

    (void)state;
    grow(&log, &a, 20, 0);
    grow(&log, &b, 20, 1);
    sign(&e, 0, c, &a, 20, true);
    sign(&e, 1, c, &b, 20, false);
    assert_int_equal(judge_line(c, &e), SLK_OK);
    assert_int_equal(c->n, 2); /* the log and the police; the mint signed one */
    assert_string_equal(c->convicted[1].key->name, "police");
    assert_int_equal(c->convicted[1].time_s[1], 1001);
    evidence_clear(&e);
    court_close(c);
}

static void two_sizes_convict_through_the_path_of_the_larger_log(void **state)
{
    struct court *c = court_open();
    struct leaves a, b;
    struct slk_log log;
    struct evidence e = {0};

    (void)state;
    grow(&log, &a, 13, 0);
    grow(&log, &b, 29, 1);
    sign(&e, 0, c, &a, 13, false);
    sign(&e, 1, c, &b, 29, true);
    assert_int_equal(judge_line(c, &e), SLK_E_PROOF); /* no path: they could be of one log */
    add_path(&e, &b, 13, 29);
    assert_int_equal(judge_line(c, &e), SLK_OK);
    assert_int_equal(c->n, 2);
    for (size_t i = 0; i < e.path_n; i++) {
        e.path[i].b[7] ^= 1;
        assert_int_equal(judge(c, &e), SLK_E_PROOF);
        e.path[i].b[7] ^= 1;
    }
    e.old_root.b[0] ^= 1;
    assert_int_equal(judge(c, &e), SLK_E_PROOF);
    evidence_clear(&e);
    court_close(c);
}

static void an_honest_log_convicts_nobody(void **state)
{
    struct court *c = court_open();
    struct leaves a;
    struct slk_log log;
    struct evidence e = {0};

    (void)state;
    grow(&log, &a, 29, 0);
    sign(&e, 0, c, &a, 13, true);
    sign(&e, 1, c, &a, 29, true);
    add_path(&e, &a, 13, 29);
    assert_int_equal(judge_line(c, &e), SLK_E_PROOF);
    assert_non_null(strstr(c->fault.text, "grew out of"));
    free(e.notes[1]);
    sign(&e, 1, c, &a, 13, true);
    e.has_path = false;
    assert_int_equal(judge_line(c, &e), SLK_E_PROOF);
    evidence_clear(&e);
    court_close(c);
}

static void an_altered_note_convicts_nobody(void **state)
{
    struct court *c = court_open();
    struct leaves a;
    struct slk_log log;
    struct evidence e = {0};

    (void)state;
    grow(&log, &a, 20, 0);
    sign(&e, 0, c, &a, 20, true);
    sign(&e, 1, c, &a, 20, true);
    e.notes[1][sizeof(ORIGIN) + 4] ^= 1; /* inside the root: base64 still */
    assert_int_equal(judge(c, &e), SLK_E_NO_LOG);
    assert_int_equal(c->n, 0);
    e.notes_n[1] = 5;
    assert_int_equal(judge(c, &e), SLK_E_NOTE);
    evidence_clear(&e);
    court_close(c);
}

static void sign_vote(struct slk_vote *vote, const struct evidence *e, const struct signer *s)
{
    const struct slk_council council = {.chain_id = e->chain_id, .charter_hash = e->charter_hash};
    uint8_t bytes[SLK_VOTE_BYTES];

    slk_statement_bytes(bytes, &council, &vote->statement);
    signer_sign(vote->sig, s, bytes, sizeof(bytes));
}

static struct evidence two_votes(const struct signer *s, struct slk_statement a, struct slk_statement b)
{
    struct evidence e = {.kind = EVIDENCE_VOTES, .chain_id = {{1}}, .charter_hash = {{2}}};

    memcpy(e.key, s->vkey.key, SLK_KEY_SIZE);
    a.height = b.height = 9;
    e.first.statement = a;
    e.second.statement = b;
    sign_vote(&e.first, &e, s);
    sign_vote(&e.second, &e, s);
    return e;
}

static void votes_convict_when_they_exclude_each_other(void **state)
{
    const struct slk_statement n1 = {.kind = SLK_VOTE_NOTARIZE, .view = 3, .hash = {{1}}},
                               n2 = {.kind = SLK_VOTE_NOTARIZE, .view = 3, .hash = {{2}}},
                               later = {.kind = SLK_VOTE_NOTARIZE, .view = 4, .hash = {{2}}},
                               nullify = {.kind = SLK_VOTE_NULLIFY, .view = 3},
                               finalize = {.kind = SLK_VOTE_FINALIZE, .view = 3, .hash = {{1}}};
    struct slk_fault fault = {0};
    struct signer s, other;
    struct evidence e;

    (void)state;
    signer_init(&s, "x", SLK_SIG_ED25519, 4);
    signer_init(&other, "y", SLK_SIG_ED25519, 5);
    e = two_votes(&s, n1, n2);
    assert_int_equal(evidence_judge_votes(&e, &fault), SLK_OK);
    e.charter_hash.b[0] ^= 1;
    assert_int_equal(evidence_judge_votes(&e, &fault), SLK_E_SIGNATURE);
    e = two_votes(&s, finalize, nullify);
    assert_int_equal(evidence_judge_votes(&e, &fault), SLK_OK);
    sign_vote(&e.second, &e, &other);
    assert_int_equal(evidence_judge_votes(&e, &fault), SLK_E_SIGNATURE);
    e = two_votes(&s, n1, later);
    assert_int_equal(evidence_judge_votes(&e, &fault), SLK_E_PROOF);
    e = two_votes(&s, n1, finalize);
    assert_int_equal(evidence_judge_votes(&e, &fault), SLK_E_PROOF);
    e = two_votes(&s, n1, n1);
    assert_int_equal(evidence_judge_votes(&e, &fault), SLK_E_PROOF);
}

static void what_is_no_evidence_is_refused_by_field(void **state)
{
    static const char *const bad[] = {"", "[]", "{}", "{\"evidence\":\"rumour\"}",
        "{\"evidence\":\"split-view\"}",
        "{\"evidence\":\"split-view\",\"notes\":[\"a\"],\"from\":[\"\",\"\"]}",
        "{\"evidence\":\"split-view\",\"notes\":[\"a\",\"b\"],\"from\":[\"\",\"\\u001b[2J\"]}",
        "{\"evidence\":\"split-view\",\"notes\":[\"a\",\"b\"],\"from\":[\"\",\"\"],\"more\":1}",
        "{\"evidence\":\"split-view\",\"notes\":[\"a\",\"b\"],\"from\":[\"\",\"\"],\"path\":[]}",
        "{\"evidence\":\"votes\",\"chain_id\":\"00\"}"};
    struct slk_fault fault;
    struct evidence e;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fault = (struct slk_fault){0};
        assert_int_equal(evidence_parse(&e, bad[i], strlen(bad[i]), &fault), SLK_E_MALFORMED);
        assert_true(fault.text[0] != '\0' && e.notes[0] == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_roots_of_one_size_convict_who_signed_both),
        cmocka_unit_test(two_sizes_convict_through_the_path_of_the_larger_log),
        cmocka_unit_test(an_honest_log_convicts_nobody),
        cmocka_unit_test(an_altered_note_convicts_nobody),
        cmocka_unit_test(votes_convict_when_they_exclude_each_other),
        cmocka_unit_test(what_is_no_evidence_is_refused_by_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
