/* Trust policies: every rule of C2SP tlog-policy, and quorums compared with a recursive evaluator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/policy.h"
#include "signer.h"

#define WITNESSES_N 6
#define TEXT_CAP    65536
#define NOW_S       1790000000
#define ORIGIN      "example.com/log"

static struct signer the_log, second_log, foreign_log, witnesses[WITNESSES_N];

static int make_signers(void **state)
{
    (void)state;
    signer_init(&the_log, ORIGIN, SLK_SIG_ED25519, 100);
    signer_init(&second_log, ORIGIN, SLK_SIG_ED25519, 101);
    signer_init(&foreign_log, "example.com/other", SLK_SIG_ED25519, 102);
    for (uint8_t i = 0; i < WITNESSES_N; i++) {
        char name[] = "w0.example";

        name[1] = (char)('0' + i);
        signer_init(&witnesses[i], name, SLK_SIG_COSIGNATURE_V1, i);
    }
    return 0;
}

/* Replaces @L, @M and @F by the logs' keys (M: the second, F: the foreign), @0 to @5 by the witnesses',
 * @6 and @7 by witness 0's and the log's key material under another name. */
static size_t expand(char out[TEXT_CAP], const char *template)
{
    struct signer renamed;
    size_t n = 0;

    for (const char *c = template; *c != '\0'; c++) {
        const struct slk_vkey *vkey = &the_log.vkey;

        if (*c != '@') {
            out[n++] = *c;
            continue;
        }
        c++;
        if (*c == 'M')
            vkey = &second_log.vkey;
        if (*c == 'F')
            vkey = &foreign_log.vkey;
        if (*c >= '0' && *c < '0' + WITNESSES_N)
            vkey = &witnesses[*c - '0'].vkey;
        if (*c == '6' || *c == '7') {
            if (*c == '6')
                signer_init(&renamed, "renamed", SLK_SIG_COSIGNATURE_V1, 0);
            else
                signer_init(&renamed, "renamed", SLK_SIG_ED25519, 100);
            vkey = &renamed.vkey;
        }
        assert_true(n + SLK_VKEY_MAX < TEXT_CAP);
        n += slk_vkey_format(out + n, vkey);
    }
    out[n] = '\0';
    return n;
}

static struct slk_policy *read_policy(const char *template)
{
    static char text[TEXT_CAP];
    struct slk_policy *policy;
    struct slk_fault fault;
    enum slk_err err = slk_policy_new(&policy, text, expand(text, template), &fault);

    if (err != SLK_OK)
        fail_msg("line %zu: %s", fault.line, fault.text);
    assert_true(fault.line == 0 && fault.text[0] == '\0');
    assert_non_null(policy);
    return policy;
}

/* ---- the file ---- */

static void policies_that_are_valid(void **state)
{
    static const char *const good[] = {
        "log @L\nquorum none\n",
        "log @L\nlog @M\nlog @F\nquorum none\n",
        "log @L https://example.com/\nwitness a @0 https://w.example/\nquorum a\n",
        "quorum none\nlog @L\nwitness a @0\n",
        "witness a @0\nquorum a\nlog @L\n",
        "\n\n  \t \n# a comment with \xff\xfe bytes \n\t # another\n \tlog\t \t@L \t\nquorum\tnone\t \n",
        "log @L\nwitness \xe2\x84\xaa @0\nwitness K @1\ngroup g all K \xe2\x84\xaa\nquorum g\n",
        "log @L\nwitness all @0\nwitness any @1\nwitness 1 @2\ngroup group all all any 1\nquorum group\n",
        "log @L\nwitness a @0\nwitness b @1\ngroup g any a\ngroup h 2 g b\nquorum h\n",
        "log @L\nwitness a @0\nquorum a\nwitness b @1\ngroup unused 1 b\n",
        "log @L\nwitness #a @0\nquorum #a\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        slk_policy_free(read_policy(good[i]));
    slk_policy_free(NULL);
}

static void every_rule_of_the_file_has_a_fault_with_its_line(void **state)
{
    static const struct {
        const char *text;
        size_t line;
        const char *says;
    } cases[] = {
        {"", 0, "no quorum line"},
        {"log @L\n", 0, "no quorum line"},
        {"witness a @0\nquorum a\n", 0, "no log line"},
        {"log @L\nquorum none\nquorum none\n", 3, "second quorum"},
        {"log @L\nwitness a @0\nquorum a\nquorum none\n", 4, "second quorum"},
        {"log @L\nquorum none", 2, "does not end"},
        {"log @L\nquorum\n", 2, "quorum without a name"},
        {"log @L\nquorum a\n", 2, "'a' is not defined above"},
        {"log @L\nquorum a\nwitness a @0\n", 2, "'a' is not defined above"},
        {"log @L\nwitness a @0\nwitness b @1\nquorum a b\n", 4, "'b' is a second"},
        {"log @L\nwitness a @0\nquorum none a\n", 3, "'a' is a second"},
        {"log @L\nquorum NONE\n", 2, "not defined"},
        {"log\nquorum none\n", 1, "log without a verifier key"},
        {"log example.com/log\nquorum none\n", 1, "not a verifier key"},
        {"log @L0\nquorum none\n", 1, "not a verifier key"},
        {"log @0\nquorum none\n", 1, "type 0x01, this one is 0x04"},
        {"log @L url extra\nquorum none\n", 1, "'extra' stands after the URL"},
        {"log @L\nlog @M\nlog @L\nquorum none\n", 3, "same public key"},
        {"log @L\nlog @7\nquorum none\n", 2, "same public key"},
        {"log @L\nwitness\nquorum none\n", 2, "witness without a name"},
        {"log @L\nwitness a\nquorum a\n", 2, "witness without a verifier key"},
        {"log @L\nwitness a @L\nquorum a\n", 2, "type 0x04, this one is 0x01"},
        {"log @L\nwitness a @0 url extra\nquorum a\n", 2, "after the URL"},
        {"log @L\nwitness a @0\nwitness a @1\nquorum a\n", 3, "'a' is defined twice"},
        {"log @L\nwitness a @0\nwitness b @0\nquorum a\n", 3, "same public key"},
        {"log @L\nwitness a @0\nwitness b @6\nquorum a\n", 3, "same public key"},
        {"log @L\nwitness none @0\nquorum none\n", 2, "cannot name a witness"},
        {"log @L\nwitness a @0\ngroup none 1 a\nquorum none\n", 3, "cannot name a group"},
        {"log @L\nwitness a @0\ngroup a 1 a\nquorum a\n", 3, "'a' is defined twice"},
        {"log @L\nwitness a @0\ngroup g 1 a\nwitness g @1\nquorum g\n", 4, "'g' is defined twice"},
        {"log @L\nwitness a @0\nwitness b @1\ngroup g 1 a\ngroup g 1 b\nquorum g\n", 5,
            "'g' is defined twice"},
        {"log @L\ngroup\nquorum none\n", 2, "group without a name"},
        {"log @L\ngroup g\nquorum g\n", 2, "without threshold"},
        {"log @L\ngroup g all\nquorum g\n", 2, "without members"},
        {"log @L\ngroup g any\nquorum g\n", 2, "without members"},
        {"log @L\ngroup g 0\nquorum g\n", 2, "without members"},
        {"log @L\nwitness a @0\ngroup g 0 a\nquorum g\n", 3,
            "threshold 0 is not between 1 and the number of members, 1"},
        {"log @L\nwitness a @0\ngroup g 2 a\nquorum g\n", 3, "threshold 2 is not between"},
        {"log @L\nwitness a @0\ngroup g 18446744073709551617 a\nquorum g\n", 3, "not a threshold"},
        {"log @L\nwitness a @0\ngroup g 01 a\nquorum g\n", 3, "not a threshold"},
        {"log @L\nwitness a @0\ngroup g -1 a\nquorum g\n", 3, "not a threshold"},
        {"log @L\nwitness a @0\ngroup g most a\nquorum g\n", 3, "'most' is not a threshold"},
        {"log @L\nwitness a @0\nwitness b @1\ngroup g a b\nquorum g\n", 4, "'a' is not a threshold"},
        {"log @L\nwitness a @0\ngroup g 1 none\nquorum g\n", 3, "cannot be a member"},
        {"log @L\nwitness a @0\ngroup g 1 a none\nquorum g\n", 3, "cannot be a member"},
        {"log @L\nwitness a @0\ngroup g 1 a a\nquorum g\n", 3, "'a' is a member of a group already"},
        {"log @L\nwitness a @0\ngroup g 1 a\ngroup h 1 a\nquorum g\n", 4,
            "'a' is a member of a group already"},
        {"log @L\nwitness a @0\ngroup g 1 a\ngroup h 1 g\ngroup i 1 g\nquorum g\n", 5, "'g' is a member"},
        {"log @L\nwitness a @0\ngroup g 1 g\nquorum g\n", 3, "'g' is not defined above"},
        {"log @L\nwitness a @0\ngroup g 1 h\ngroup h 1 a\nquorum g\n", 3, "'h' is not defined above"},
        {"log @L\nwitness a @0\ngroup g 1 K\nquorum g\n", 3, "'K' is not defined above"},
        {"log @L\nwitness \xe2\x84\xaa @0\nquorum K\n", 3, "'K' is not defined above"},
        {"log @L\nquorum \xe2\x84\xaa\n", 2, "'\\xe2\\x84\\xaa' is not defined above"},
        {"Log @L\nquorum none\n", 1, "'Log' is not a keyword"},
        {"log @L\nlogs @M\nquorum none\n", 2, "'logs' is not a keyword"},
        {"\xef\xbb\xbf"
         "log @L\nquorum none\n",
            1, "is not a keyword"},
        {"log @L\r\nquorum none\r\n", 1, "carriage return"},
        {"log @L\nquorum none # comment\n", 2, "'#' is a second"},
        {"log @L\n#\x01\nquorum none\n", 2, "byte 0x01 at column 2"},
        {"log @L\nquorum none \x7f\n", 2, "byte 0x7f at column 13"},
        {"log @L\nquorum\x0bnone\n", 2, "byte 0x0b"},
        {"log @L\nquorum\xc2\xa0none\n", 2, "not a keyword"},
    };
    static char text[TEXT_CAP];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slk_policy *policy = NULL;
        struct slk_fault fault;
        size_t size = expand(text, cases[i].text);
        enum slk_err err = slk_policy_new(&policy, text, size, &fault);

        if (err != SLK_E_POLICY || fault.line != cases[i].line || strstr(fault.text, cases[i].says) == NULL)
            fail_msg("case %zu: %s, line %zu: %s", i, slk_err_name(err), fault.line, fault.text);
        assert_null(policy);
        assert_int_equal(slk_policy_new(&policy, text, size, NULL), SLK_E_POLICY);
    }
}

static void bytes_not_allowed_are_refused_anywhere(void **state)
{
    static char good[TEXT_CAP], text[TEXT_CAP];
    size_t size = expand(good, "log @L\n# c\nquorum none\n");
    struct slk_policy *policy;
    struct slk_fault fault;

    (void)state;
    for (size_t at = 0; at <= size; at++) {
        for (unsigned c = 0; c < 0x80; c++) {
            if (c == '\t' || c == '\n' || (c >= 0x20 && c < 0x7f))
                continue;
            memcpy(text, good, at);
            text[at] = (char)c;
            memcpy(text + at + 1, good + at, size - at);
            assert_int_equal(slk_policy_new(&policy, text, size + 1, &fault), SLK_E_POLICY);
            assert_null(policy);
        }
    }
}

/* A file cut anywhere is another policy only if somebody may have meant it: never here. */
static void a_file_cut_short_is_refused(void **state)
{
    static char text[TEXT_CAP];
    size_t size = expand(text, "log @L\nwitness a @0\nwitness b @1\ngroup g all a b\nquorum g\n");
    struct slk_policy *policy;

    (void)state;
    for (size_t n = 0; n < size; n++)
        assert_int_equal(slk_policy_new(&policy, text, n, NULL), SLK_E_POLICY);
    assert_int_equal(slk_policy_new(&policy, text, size, NULL), SLK_OK);
    slk_policy_free(policy);
}

static void a_long_or_hostile_name_is_cut_and_escaped_in_the_fault(void **state)
{
    static char text[TEXT_CAP];
    struct slk_policy *policy;
    struct slk_fault fault;

    (void)state;
    for (unsigned c = 0x21; c < 0x100; c++) {
        if (c == 0x7f || c == '#')
            continue;
        for (size_t n = 1; n < 300; n += 7) {
            memset(text, (int)c, n);
            text[n] = '\n';
            assert_int_equal(slk_policy_new(&policy, text, n + 1, &fault), SLK_E_POLICY);
            assert_true(strlen(fault.text) < sizeof(fault.text) - 1);
            assert_non_null(strstr(fault.text, "is not a keyword"));
            for (const char *f = fault.text; *f != '\0'; f++)
                assert_true(*f >= 0x20 && *f < 0x7f);
        }
    }
}

static void limits_are_64_of_each_and_a_mebibyte(void **state)
{
    static char text[TEXT_CAP], big[SLK_POLICY_TEXT_MAX + 1];

    (void)state;
    for (unsigned what = 0; what < 3; what++) {
        for (unsigned n = 64; n <= 65; n++) {
            size_t size = expand(text, "log @L\nwitness first @0\n");
            struct slk_policy *policy;
            struct slk_fault fault;

            for (unsigned i = 1; i < n + (what == 2); i++) { /* groups count from none, the others from one */
                char name[16], vkey[SLK_VKEY_MAX];
                struct signer s;

                (void)snprintf(name, sizeof(name), "n%u", i);
                signer_init(
                    &s, name, what == 1 ? SLK_SIG_COSIGNATURE_V1 : SLK_SIG_ED25519, (uint8_t)(i + 110));
                slk_vkey_format(vkey, &s.vkey);
                if (what == 0)
                    size += (size_t)snprintf(text + size, TEXT_CAP - size, "log %s\n", vkey);
                if (what == 1)
                    size += (size_t)snprintf(text + size, TEXT_CAP - size, "witness %s %s\n", name, vkey);
                if (what == 2 && i == 1)
                    size += (size_t)snprintf(text + size, TEXT_CAP - size, "group n1 1 first\n");
                if (what == 2 && i > 1) /* each a member of the next */
                    size += (size_t)snprintf(text + size, TEXT_CAP - size, "group %s 1 n%u\n", name, i - 1);
            }
            size += (size_t)snprintf(text + size, TEXT_CAP - size, "quorum first\n");
            assert_int_equal(slk_policy_new(&policy, text, size, &fault), n == 64 ? SLK_OK : SLK_E_POLICY);
            if (n == 65)
                assert_non_null(strstr(fault.text, "more than 64"));
            slk_policy_free(policy);
        }
    }
    memset(big, '\n', sizeof(big));
    for (size_t over = 0; over <= 1; over++) {
        size_t tail = expand(text, "log @L\nquorum none\n");
        struct slk_policy *policy;

        memset(big, '\n', sizeof(big));
        memcpy(big + sizeof(big) - 1 + over - tail, text, tail);
        assert_int_equal(
            slk_policy_new(&policy, big, sizeof(big) - 1 + over, NULL), over ? SLK_E_POLICY : SLK_OK);
        slk_policy_free(policy);
    }
}

/* ---- checking ---- */

static const char checkpoint_text[] = ORIGIN "\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

struct test_note {
    uint8_t bytes[8192];
    struct slk_writer w;
};

static void start_note(struct test_note *n)
{
    n->w = (struct slk_writer){.at = n->bytes, .cap = sizeof(n->bytes)};
    slk_write_bytes(&n->w, checkpoint_text, strlen(checkpoint_text));
    slk_write_u8(&n->w, '\n');
}

static void add_line(struct test_note *n, const struct signer *s, uint64_t time_s)
{
    signer_add_line(&n->w, s, time_s, slk_span_of(checkpoint_text, strlen(checkpoint_text)));
    assert_false(n->w.bad);
}

/* The line of a known key over another text: right name, right key ID, wrong signature. */
static void add_bad_line(struct test_note *n, const struct signer *s)
{
    signer_add_line(&n->w, s, NOW_S, slk_span_of("another text\n", 13));
    assert_false(n->w.bad);
}

static enum slk_err check_with(struct slk_policy_verdict *verdict, const struct slk_policy *policy,
    const struct test_note *n, const struct slk_verify_options *options)
{
    struct slk_note note;
    struct slk_checkpoint checkpoint;

    assert_int_equal(slk_note_parse(&note, (const char *)n->bytes, n->w.size), SLK_OK);
    assert_int_equal(slk_checkpoint_parse(&checkpoint, note.text), SLK_OK);
    return slk_policy_check(verdict, policy, &note, &checkpoint, options);
}

static enum slk_err check(
    struct slk_policy_verdict *verdict, const struct slk_policy *policy, const struct test_note *n)
{
    struct slk_verify_options options = {.now_s = NOW_S};

    return check_with(verdict, policy, n, &options);
}

/* The policy as the slow evaluator sees it. */
struct slow_node {
    size_t threshold; /* 0: a witness */
    size_t members[WITNESSES_N + 8];
    size_t members_n;
};

static bool slow_holds(const struct slow_node *nodes, size_t node, unsigned cosigned)
{
    size_t holding_n = 0;

    if (nodes[node].threshold == 0)
        return (cosigned >> node & 1) != 0;
    for (size_t i = 0; i < nodes[node].members_n; i++)
        holding_n += slow_holds(nodes, nodes[node].members[i], cosigned);
    return holding_n >= nodes[node].threshold;
}

/* Newest t such that those of `cosigned` with time >= t hold; by trying every second there is. */
static uint64_t slow_time(
    const struct slow_node *nodes, size_t quorum, unsigned cosigned, const uint64_t *times)
{
    for (uint64_t t = NOW_S; t > NOW_S - 20; t--) {
        unsigned since = 0;

        for (unsigned i = 0; i < WITNESSES_N; i++)
            since |= times[i] >= t ? cosigned & 1u << i : 0;
        if (slow_holds(nodes, quorum, since))
            return t;
    }
    return 0;
}

static uint64_t random_state = 1;

/* splitmix64 */
static unsigned draw(unsigned below)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (unsigned)((z ^ z >> 31) % below);
}

/* Draws a forest over the six witnesses, as text and as nodes; the last group is the quorum. */
static size_t draw_policy(char text[TEXT_CAP], struct slow_node nodes[WITNESSES_N + 8])
{
    size_t nodes_n = WITNESSES_N, groups_n = 1 + draw(5), n;
    bool taken[WITNESSES_N + 8] = {false};

    memset(nodes, 0, (WITNESSES_N + 8) * sizeof(nodes[0]));
    n = (size_t)snprintf(text, 512,
        "log @L\nwitness n0 @0\nwitness n1 @1\nwitness n2 @2\nwitness n3 @3\nwitness n4 @4\nwitness n5 @5\n");
    for (size_t g = 0; g < groups_n; g++, nodes_n++) {
        struct slow_node *group = &nodes[nodes_n];
        bool last = g == groups_n - 1;

        for (size_t i = 0; i < nodes_n; i++) {
            if (taken[i] || (draw(3) != 0 && !(last && i + 1 == nodes_n)))
                continue;
            taken[i] = true;
            group->members[group->members_n++] = i;
        }
        for (size_t i = 0; group->members_n == 0; i++) { /* the last node before it is always free */
            assert_true(i < nodes_n);
            if (!taken[i]) {
                taken[i] = true;
                group->members[group->members_n++] = i;
            }
        }
        group->threshold = 1 + draw((unsigned)group->members_n);
        n += (size_t)snprintf(text + n, 64, "group n%zu ", nodes_n);
        if (group->threshold == group->members_n && draw(2))
            n += (size_t)snprintf(text + n, 64, "all");
        else if (group->threshold == 1 && draw(2))
            n += (size_t)snprintf(text + n, 64, "any");
        else
            n += (size_t)snprintf(text + n, 64, "%zu", group->threshold);
        for (size_t i = 0; i < group->members_n; i++)
            n += (size_t)snprintf(text + n, 64, " n%zu", group->members[i]);
        n += (size_t)snprintf(text + n, 64, "\n");
    }
    (void)snprintf(text + n, 64, "quorum n%zu\n", nodes_n - 1);
    return nodes_n - 1;
}

/* Whom some completion of the quorum turns on; and whether each of them is needed: by trying every subset there is. */
static unsigned slow_missing(
    const struct slow_node *nodes, size_t quorum, unsigned cosigned, bool *all_needed)
{
    unsigned missing = 0;

    for (unsigned more = 0; more < 1u << WITNESSES_N; more++)
        for (unsigned i = 0; i < WITNESSES_N; i++)
            if (!slow_holds(nodes, quorum, (cosigned | more) & ~(1u << i)) &&
                slow_holds(nodes, quorum, cosigned | more | 1u << i))
                missing |= 1u << i & ~cosigned;
    *all_needed = true;
    for (unsigned i = 0; i < WITNESSES_N; i++)
        if (missing >> i & 1)
            *all_needed &= !slow_holds(nodes, quorum, (cosigned | missing) & ~(1u << i));
    return missing;
}

static void assert_missing(const struct slk_policy *policy, const struct test_note *n,
    const struct slow_node *nodes, size_t quorum, unsigned cosigned)
{
    const struct slk_vkey *missing[SLK_POLICY_WITNESSES_MAX];
    struct slk_checkpoint checkpoint;
    bool all_needed, wanted_all;
    struct slk_note note;
    unsigned found = 0;
    size_t missing_n;

    assert_int_equal(slk_note_parse(&note, (const char *)n->bytes, n->w.size), SLK_OK);
    assert_int_equal(slk_checkpoint_parse(&checkpoint, note.text), SLK_OK);
    missing_n = slk_policy_missing(missing, &all_needed, policy, &note, &checkpoint);
    for (size_t i = 0; i < missing_n; i++)
        found |= 1u << (missing[i]->name[1] - '0');
    if (slow_holds(nodes, quorum, cosigned)) {
        assert_int_equal(missing_n, 0);
        return;
    }
    assert_true(missing_n > 0);
    assert_int_equal(found, slow_missing(nodes, quorum, cosigned, &wanted_all));
    assert_int_equal(all_needed, wanted_all);
}

static void quorums_are_what_recursion_finds_for_every_subset(void **state)
{
    static char text[TEXT_CAP];
    static struct test_note note;
    unsigned accepted_n = 0, refused_n = 0;

    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        struct slow_node nodes[WITNESSES_N + 8];
        size_t quorum = draw_policy(text, nodes);
        struct slk_policy *policy = read_policy(text);

        for (unsigned cosigned = 0; cosigned < 1u << WITNESSES_N; cosigned++) {
            uint64_t times[WITNESSES_N];
            struct slk_policy_verdict verdict;
            bool wanted = slow_holds(nodes, quorum, cosigned);

            start_note(&note);
            add_line(&note, &the_log, 0);
            for (unsigned i = 0; i < WITNESSES_N; i++) {
                times[i] = NOW_S - draw(8);
                if (cosigned >> i & 1)
                    add_line(&note, &witnesses[i], times[i]);
            }
            assert_int_equal(check(&verdict, policy, &note), wanted ? SLK_OK : SLK_E_QUORUM);
            assert_true(verdict.quorum_time_s == slow_time(nodes, quorum, cosigned, times));
            if (round < 20)
                assert_missing(policy, &note, nodes, quorum, cosigned);
            accepted_n += wanted;
            refused_n += !wanted;
        }
        slk_policy_free(policy);
    }
    assert_true(accepted_n > 500 && refused_n > 500);
}

static void the_example_of_the_specification(void **state)
{
    struct slk_policy *policy = read_policy("log @L\n\nwitness X1 @0\nwitness X2 @1\nwitness X3 @2\n"
                                            "group X-witnesses 2 X1 X2 X3\n\nwitness Y1 @3\nwitness Y2 @4\n"
                                            "witness Y3 @5\ngroup Y-witnesses any Y1 Y2 Y3\n\n"
                                            "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
    static struct test_note note;
    struct slk_policy_verdict verdict;

    (void)state;
    start_note(&note);
    add_line(&note, &the_log, 0);
    add_line(&note, &witnesses[0], NOW_S - 30);
    add_line(&note, &witnesses[3], NOW_S - 10);
    assert_int_equal(check(&verdict, policy, &note), SLK_E_QUORUM);
    assert_int_equal(verdict.cosignatures_n, 0);
    add_line(&note, &witnesses[2], NOW_S - 20);
    assert_int_equal(check(&verdict, policy, &note), SLK_OK);
    assert_int_equal(verdict.cosignatures_n, 3);
    assert_true(verdict.quorum_time_s == NOW_S - 30);
    add_line(&note, &witnesses[1], NOW_S - 5);
    assert_int_equal(check(&verdict, policy, &note), SLK_OK);
    assert_int_equal(verdict.cosignatures_n, 4);
    assert_true(verdict.quorum_time_s == NOW_S - 20); /* X2 and X3 and Y1 */
    slk_policy_free(policy);
}

static void a_witness_counts_once_with_its_newest_time(void **state)
{
    struct slk_policy *policy = read_policy("log @L\nwitness a @0\nwitness b @1\ngroup g 2 a b\nquorum g\n");
    static struct test_note note;
    struct slk_policy_verdict verdict;

    (void)state;
    start_note(&note);
    add_line(&note, &the_log, 0);
    add_line(&note, &the_log, 0);
    add_line(&note, &witnesses[0], NOW_S - 9);
    add_line(&note, &witnesses[0], NOW_S - 3);
    add_line(&note, &witnesses[0], NOW_S - 3);
    add_line(&note, &witnesses[0], NOW_S - 7);
    assert_int_equal(check(&verdict, policy, &note), SLK_E_QUORUM);
    add_line(&note, &witnesses[1], NOW_S - 1);
    assert_int_equal(check(&verdict, policy, &note), SLK_OK);
    assert_int_equal(verdict.cosignatures_n, 2);
    assert_true(verdict.quorum_time_s == NOW_S - 3);
    slk_policy_free(policy);
}

static void any_log_of_the_policy_will_do_and_no_other(void **state)
{
    struct slk_policy *policy = read_policy("log @L\nlog @M\nlog @F\nwitness a @0\nquorum a\n");
    struct slk_policy *narrow = read_policy("log @M\nwitness a @0\nquorum a\n");
    static struct test_note note;
    struct slk_policy_verdict verdict;

    (void)state;
    start_note(&note);
    add_line(&note, &witnesses[0], NOW_S);
    assert_int_equal(check(&verdict, policy, &note), SLK_E_NO_LOG);
    add_line(&note, &foreign_log, 0); /* in the policy, but of another origin */
    assert_int_equal(check(&verdict, policy, &note), SLK_E_NO_LOG);
    add_line(&note, &the_log, 0);
    assert_int_equal(check(&verdict, policy, &note), SLK_OK);
    assert_int_equal(check(&verdict, narrow, &note), SLK_E_NO_LOG);
    add_line(&note, &second_log, 0);
    assert_int_equal(check(&verdict, narrow, &note), SLK_OK);
    slk_policy_free(policy);
    slk_policy_free(narrow);
}

static void a_wrong_signature_by_a_known_key_refuses_the_note(void **state)
{
    struct slk_policy *policy =
        read_policy("log @L\nlog @M\nlog @F\nwitness a @0\nwitness b @1\ngroup g any a b\nquorum g\n");
    const struct signer *known[] = {&the_log, &second_log, &foreign_log, &witnesses[0], &witnesses[1]};
    static struct test_note note;
    struct slk_policy_verdict verdict;

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        for (unsigned first = 0; first < 2; first++) {
            start_note(&note);
            if (first)
                add_bad_line(&note, known[i]);
            add_line(&note, &the_log, 0);
            add_line(&note, &witnesses[0], NOW_S);
            if (!first)
                add_bad_line(&note, known[i]);
            assert_int_equal(check(&verdict, policy, &note), SLK_E_SIGNATURE);
            assert_true(verdict.cosignatures_n == 0 && verdict.quorum_time_s == 0);
        }
    }
    start_note(&note);
    add_line(&note, &the_log, 0);
    add_line(&note, &witnesses[0], NOW_S);
    add_bad_line(&note, &witnesses[2]); /* nobody the policy knows: ignored */
    assert_int_equal(check(&verdict, policy, &note), SLK_OK);
    assert_int_equal(verdict.cosignatures_n, 1);
    slk_policy_free(policy);
}

static void quorum_none_passes_only_with_permission(void **state)
{
    struct slk_policy *policy = read_policy("log @L\nwitness a @0\nquorum none\n");
    static struct test_note note;
    struct slk_policy_verdict verdict;
    struct slk_verify_options options = {.now_s = NOW_S, .allow_no_quorum = true};

    (void)state;
    start_note(&note);
    add_line(&note, &witnesses[0], NOW_S);
    assert_int_equal(check_with(&verdict, policy, &note, &options), SLK_E_NO_LOG);
    add_line(&note, &the_log, 0);
    assert_int_equal(check(&verdict, policy, &note), SLK_E_NO_QUORUM);
    assert_int_equal(check_with(&verdict, policy, &note, &options), SLK_OK);
    assert_true(verdict.quorum_time_s == 0);
    assert_int_equal(verdict.cosignatures_n, 1);
    add_bad_line(&note, &witnesses[0]);
    assert_int_equal(check_with(&verdict, policy, &note, &options), SLK_E_SIGNATURE);
    slk_policy_free(policy);
}

static void permission_for_no_quorum_does_not_weaken_a_quorum(void **state)
{
    struct slk_policy *policy = read_policy("log @L\nwitness a @0\nquorum a\n");
    static struct test_note note;
    struct slk_policy_verdict verdict;
    struct slk_verify_options options = {.now_s = NOW_S, .allow_no_quorum = true};

    (void)state;
    start_note(&note);
    add_line(&note, &the_log, 0);
    assert_int_equal(check_with(&verdict, policy, &note, &options), SLK_E_QUORUM);
    slk_policy_free(policy);
}

static void cosignatures_of_the_future_are_refused(void **state)
{
    struct slk_policy *policy = read_policy("log @L\nwitness a @0\nwitness b @1\nquorum a\n");
    static struct test_note note;
    struct slk_policy_verdict verdict;
    static const struct {
        uint64_t time_s, now_s, max_ahead_s;
        enum slk_err wanted;
    } cases[] = {
        {NOW_S, NOW_S, 0, SLK_OK},
        {NOW_S + 300, NOW_S, 0, SLK_OK},
        {NOW_S + 301, NOW_S, 0, SLK_E_FUTURE},
        {NOW_S + 1, NOW_S, 1, SLK_OK},
        {NOW_S + 2, NOW_S, 1, SLK_E_FUTURE},
        {NOW_S + 1000, NOW_S, 1000, SLK_OK},
        {INT64_MAX, NOW_S, 0, SLK_E_FUTURE},
        {INT64_MAX, NOW_S, UINT64_MAX, SLK_OK},
        {INT64_MAX, UINT64_MAX, UINT64_MAX, SLK_OK},
        {NOW_S, 0, 0, SLK_E_FUTURE},
        {0, 0, 0, SLK_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slk_verify_options options = {.now_s = cases[i].now_s, .max_ahead_s = cases[i].max_ahead_s};

        for (unsigned who = 0; who < 2; who++) { /* also by a witness the quorum does not need */
            start_note(&note);
            add_line(&note, &the_log, 0);
            add_line(&note, &witnesses[0], who == 0 ? cases[i].time_s : 0);
            if (who == 1)
                add_line(&note, &witnesses[1], cases[i].time_s);
            assert_int_equal(check_with(&verdict, policy, &note, &options), cases[i].wanted);
            if (cases[i].wanted == SLK_OK)
                assert_true(verdict.quorum_time_s == (who == 0 ? cases[i].time_s : 0));
        }
    }
    slk_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_that_are_valid),
        cmocka_unit_test(every_rule_of_the_file_has_a_fault_with_its_line),
        cmocka_unit_test(bytes_not_allowed_are_refused_anywhere),
        cmocka_unit_test(a_file_cut_short_is_refused),
        cmocka_unit_test(a_long_or_hostile_name_is_cut_and_escaped_in_the_fault),
        cmocka_unit_test(limits_are_64_of_each_and_a_mebibyte),
        cmocka_unit_test(quorums_are_what_recursion_finds_for_every_subset),
        cmocka_unit_test(the_example_of_the_specification),
        cmocka_unit_test(a_witness_counts_once_with_its_newest_time),
        cmocka_unit_test(any_log_of_the_policy_will_do_and_no_other),
        cmocka_unit_test(a_wrong_signature_by_a_known_key_refuses_the_note),
        cmocka_unit_test(quorum_none_passes_only_with_permission),
        cmocka_unit_test(permission_for_no_quorum_does_not_weaken_a_quorum),
        cmocka_unit_test(cosignatures_of_the_future_are_refused),
    };

    return cmocka_run_group_tests(tests, make_signers, NULL);
}
