/* policy.c: see policy.h.
 *
 * Witnesses and groups are the nodes of a forest: each is a member of at most one group, and a group
 * stands after its members. So one pass over the groups in file order evaluates the quorum. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/policy.h"

#define NODES_MAX   (SLK_POLICY_WITNESSES_MAX + SLK_POLICY_GROUPS_MAX)
#define NODE_NONE   NODES_MAX /* no parent; as the quorum: `quorum none` */
#define AHEAD_S     300       /* sillok.h: tolerated clock difference unless the caller says otherwise */
#define QUOTED_MAX  64
#define ESCAPE_SIZE 4 /* \xff */
#define FIRST_GROUP SLK_POLICY_WITNESSES_MAX

/* Witness i is node i, group i node FIRST_GROUP + i. */
struct slk_policy {
    size_t logs_n, witnesses_n, groups_n;
    struct slk_vkey logs[SLK_POLICY_LOGS_MAX];
    struct slk_vkey witnesses[SLK_POLICY_WITNESSES_MAX];
    size_t threshold[SLK_POLICY_GROUPS_MAX]; /* at least 1: the empty set makes no quorum */
    size_t parent[NODES_MAX];
    size_t quorum;
};

struct parser {
    struct slk_policy *policy;
    struct slk_fault *fault;
    struct slk_span names[NODES_MAX]; /* borrowed from the text */
    struct slk_span rest;             /* of the current line */
    size_t line;
    bool has_quorum;
};

/* ---- faults ---- */

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static enum slk_err
refuse(struct parser *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    p->fault->line = p->line;
    (void)vsnprintf(p->fault->text, sizeof(p->fault->text), format, args); /* cut short if need be */
    va_end(args);
    return SLK_E_POLICY;
}

struct quoted {
    char text[QUOTED_MAX + sizeof("...")];
};

/* A name fit for a terminal: other than printable ASCII is escaped, and a long one cut. */
static struct quoted quote(struct slk_span name)
{
    struct quoted q;
    size_t n = 0;

    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];

        if (n > QUOTED_MAX - ESCAPE_SIZE) {
            memcpy(q.text + n, "...", 3);
            n += 3;
            break;
        }
        if (c > 0x20 && c < 0x7f) {
            q.text[n++] = (char)c;
            continue;
        }
        memcpy(q.text + n, "\\x", 2);
        slk_hex_format(q.text + n + 2, &c, 1);
        n += ESCAPE_SIZE;
    }
    assert(n < sizeof(q.text));
    q.text[n] = '\0';
    return q;
}

/* ---- lines ---- */

/* C2SP tlog-policy: sequences of ASCII space and tab characters *only*. */
static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next item of the line; an empty span at its end. */
static struct slk_span take_item(struct parser *p)
{
    struct slk_span rest = p->rest;
    size_t n = 0;

    while (rest.size > 0 && is_blank(rest.at[0]))
        rest = slk_span_of(rest.at + 1, rest.size - 1);
    while (n < rest.size && !is_blank(rest.at[n]))
        n++;
    p->rest = slk_span_of(rest.at + n, rest.size - n);
    return slk_span_of(rest.at, n);
}

static bool is_word(struct slk_span item, const char *word)
{
    return slk_span_equal(item, slk_span_of(word, strlen(word)));
}

static size_t find_name(const struct parser *p, struct slk_span name)
{
    for (size_t i = 0; i < p->policy->witnesses_n; i++) {
        if (slk_span_equal(p->names[i], name))
            return i;
    }
    for (size_t i = FIRST_GROUP; i < FIRST_GROUP + p->policy->groups_n; i++) {
        if (slk_span_equal(p->names[i], name))
            return i;
    }
    return NODE_NONE;
}

/* Takes the name a witness or group line defines. */
static enum slk_err take_new_name(struct parser *p, struct slk_span *name, const char *what)
{
    *name = take_item(p);
    if (name->size == 0)
        return refuse(p, "%s without a name: write `%s <name> ...`", what, what);
    if (is_word(*name, "none"))
        return refuse(p, "`none` has a meaning of its own and cannot name a %s: choose another name", what);
    if (find_name(p, *name) != NODE_NONE)
        return refuse(p, "the name '%s' is defined twice: witnesses and groups share their names, rename one",
            quote(*name).text);
    return SLK_OK;
}

/* After its key a log or witness may have a URL, which this program has no use for, and nothing else. */
static enum slk_err end_key_line(struct parser *p)
{
    struct slk_span extra;

    (void)take_item(p);
    extra = take_item(p);
    if (extra.size > 0)
        return refuse(
            p, "'%s' stands after the URL, where the line should end: remove it", quote(extra).text);
    return SLK_OK;
}

static enum slk_err take_vkey(struct parser *p, struct slk_vkey *out, uint8_t type, const char *what)
{
    struct slk_span item = take_item(p);

    if (item.size == 0)
        return refuse(
            p, "%s without a verifier key: write <name>+<key ID>+<key> as its operator publishes it", what);
    if (slk_vkey_parse(out, (const char *)item.at, item.size) != SLK_OK)
        return refuse(p,
            "not a verifier key, mistyped, or not Ed25519: '%s'; copy it again from its operator",
            quote(item).text);
    if (out->type != type)
        return refuse(p,
            "the key of a %s must be of type 0x%02x, this one is 0x%02x: ask its operator for that key", what,
            (unsigned)type, (unsigned)out->type);
    return SLK_OK;
}

/* C2SP tlog-policy: Two vkeys are considered *duplicate* if they wrap the same underlying public key */
static bool has_key(const struct slk_vkey *keys, size_t keys_n, const struct slk_vkey *key)
{
    for (size_t i = 0; i < keys_n; i++) {
        if (memcmp(keys[i].key, key->key, SLK_KEY_SIZE) == 0)
            return true;
    }
    return false;
}

static enum slk_err read_log(struct parser *p)
{
    struct slk_policy *policy = p->policy;
    struct slk_vkey vkey;
    enum slk_err err;

    if (policy->logs_n == SLK_POLICY_LOGS_MAX)
        return refuse(p, "more than %d logs: this program reads no more", SLK_POLICY_LOGS_MAX);
    err = take_vkey(p, &vkey, SLK_SIG_ED25519, "log");
    if (err == SLK_OK && has_key(policy->logs, policy->logs_n, &vkey))
        err = refuse(p, "a log above has the same public key: remove one of the two");
    if (err == SLK_OK)
        err = end_key_line(p);
    if (err == SLK_OK)
        policy->logs[policy->logs_n++] = vkey;
    return err;
}

static enum slk_err read_witness(struct parser *p)
{
    struct slk_policy *policy = p->policy;
    struct slk_span name;
    struct slk_vkey vkey;
    enum slk_err err;

    if (policy->witnesses_n == SLK_POLICY_WITNESSES_MAX)
        return refuse(p, "more than %d witnesses: this program reads no more", SLK_POLICY_WITNESSES_MAX);
    err = take_new_name(p, &name, "witness");
    if (err == SLK_OK)
        err = take_vkey(p, &vkey, SLK_SIG_COSIGNATURE_V1, "witness");
    if (err == SLK_OK && has_key(policy->witnesses, policy->witnesses_n, &vkey))
        err = refuse(
            p, "a witness above has the same public key, and would count twice: remove one of the two");
    if (err == SLK_OK)
        err = end_key_line(p);
    if (err != SLK_OK)
        return err;
    p->names[policy->witnesses_n] = name;
    policy->parent[policy->witnesses_n] = NODE_NONE;
    policy->witnesses[policy->witnesses_n++] = vkey;
    return SLK_OK;
}

/* Finds the defined name an item refers to. */
static enum slk_err refer(struct parser *p, size_t *node, struct slk_span name)
{
    *node = find_name(p, name);
    if (*node == NODE_NONE)
        return refuse(p, "'%s' is not defined above: define it first, or correct the name", quote(name).text);
    return SLK_OK;
}

/* Makes the names left on the line members of `group`. */
static enum slk_err read_members(struct parser *p, size_t group, size_t *members_n)
{
    *members_n = 0;
    for (struct slk_span item = take_item(p); item.size > 0; item = take_item(p)) {
        size_t node = NODE_NONE;
        enum slk_err err;

        if (is_word(item, "none"))
            return refuse(p, "`none` cannot be a member of a group: remove it");
        err = refer(p, &node, item);
        if (err != SLK_OK)
            return err;
        if (p->policy->parent[node] != NODE_NONE)
            return refuse(p, "'%s' is a member of a group already and would count twice: list it once",
                quote(item).text);
        p->policy->parent[node] = group;
        (*members_n)++;
    }
    return SLK_OK;
}

static enum slk_err set_threshold(struct parser *p, size_t group, struct slk_span item, size_t members_n)
{
    uint64_t k = 1;

    if (is_word(item, "all")) {
        k = members_n;
    } else if (!is_word(item, "any")) {
        if (!slk_decimal_parse(&k, UINT64_MAX, (const char *)item.at, item.size))
            return refuse(p, "'%s' is not a threshold: write all, any or a number", quote(item).text);
        if (k < 1 || k > members_n)
            return refuse(p, "the threshold %s is not between 1 and the number of members, %zu",
                quote(item).text, members_n);
    }
    p->policy->threshold[group - FIRST_GROUP] = (size_t)k;
    return SLK_OK;
}

static enum slk_err read_group(struct parser *p)
{
    struct slk_policy *policy = p->policy;
    size_t group = FIRST_GROUP + policy->groups_n, members_n;
    struct slk_span name, threshold;
    enum slk_err err;

    if (policy->groups_n == SLK_POLICY_GROUPS_MAX)
        return refuse(p, "more than %d groups: this program reads no more", SLK_POLICY_GROUPS_MAX);
    err = take_new_name(p, &name, "group");
    if (err != SLK_OK)
        return err;
    threshold = take_item(p);
    if (threshold.size == 0)
        return refuse(p, "a group without threshold: write `group <name> all|any|<number> <member> ...`");
    err = read_members(p, group, &members_n);
    if (err != SLK_OK)
        return err;
    if (members_n == 0)
        return refuse(p, "a group without members: list at least one witness or group");
    err = set_threshold(p, group, threshold, members_n);
    if (err != SLK_OK)
        return err;
    p->names[group] = name;
    policy->parent[group] = NODE_NONE;
    policy->groups_n++; /* last, so that a group cannot be its own member */
    return SLK_OK;
}

static enum slk_err read_quorum(struct parser *p)
{
    struct slk_span name = take_item(p), extra = take_item(p);

    if (p->has_quorum)
        return refuse(p, "a second quorum line: keep one, which may name a group");
    if (name.size == 0)
        return refuse(p, "quorum without a name: write the name of a witness or group, or none");
    if (extra.size > 0)
        return refuse(
            p, "quorum takes one name, and '%s' is a second: define a group of them", quote(extra).text);
    p->has_quorum = true;
    return is_word(name, "none") ? SLK_OK : refer(p, &p->policy->quorum, name);
}

/* C2SP tlog-policy: the allowed octet values are 0x09 (tab), 0x0A (newline), 0x20-0x7E, and 0x80-0xFF. */
static enum slk_err check_bytes(struct parser *p)
{
    for (size_t i = 0; i < p->rest.size; i++) {
        uint8_t c = p->rest.at[i];

        if (c == '\r')
            return refuse(p, "a carriage return: save the file with Unix line ends");
        if (c != '\t' && (c < 0x20 || c == 0x7f))
            return refuse(
                p, "byte 0x%02x at column %zu is not allowed in a policy: remove it", (unsigned)c, i + 1);
    }
    return SLK_OK;
}

static enum slk_err read_line(struct parser *p)
{
    enum slk_err err = check_bytes(p);
    struct slk_span keyword;

    if (err != SLK_OK)
        return err;
    keyword = take_item(p);
    if (keyword.size == 0 || keyword.at[0] == '#')
        return SLK_OK;
    if (is_word(keyword, "log"))
        return read_log(p);
    if (is_word(keyword, "witness"))
        return read_witness(p);
    if (is_word(keyword, "group"))
        return read_group(p);
    if (is_word(keyword, "quorum"))
        return read_quorum(p);
    return refuse(
        p, "'%s' is not a keyword: a line starts with log, witness, group, quorum or #", quote(keyword).text);
}

static enum slk_err read_policy(struct parser *p, struct slk_span text)
{
    if (text.size > SLK_POLICY_TEXT_MAX)
        return refuse(p, "longer than %u bytes: this program reads no more", SLK_POLICY_TEXT_MAX);
    while (text.size > 0) {
        enum slk_err err;

        p->line++;
        if (!slk_span_take(&p->rest, &text, '\n'))
            return refuse(p, "the last line does not end: the file may be cut short; else add a newline");
        err = read_line(p);
        if (err != SLK_OK)
            return err;
    }
    p->line = 0; /* what is missing is on no line */
    if (!p->has_quorum)
        return refuse(p, "no quorum line: add one that names a witness or a group");
    if (p->policy->logs_n == 0)
        return refuse(p, "no log line: add the key of each log whose checkpoints you accept");
    return SLK_OK;
}

enum slk_err slk_policy_new(
    struct slk_policy **out, const char *text, size_t text_size, struct slk_fault *fault)
{
    struct slk_fault unwanted;
    struct parser p = {.fault = fault != NULL ? fault : &unwanted};
    enum slk_err err;

    *out = NULL;
    memset(p.fault, 0, sizeof(*p.fault));
    p.policy = calloc(1, sizeof(*p.policy));
    if (p.policy == NULL)
        return SLK_E_NOMEM;
    p.policy->quorum = NODE_NONE;
    err = read_policy(&p, slk_span_of(text, text_size));
    if (err != SLK_OK) {
        slk_policy_free(p.policy);
        return err;
    }
    *out = p.policy;
    return SLK_OK;
}

void slk_policy_free(struct slk_policy *policy)
{
    free(policy);
}

const struct slk_vkey *slk_policy_key(const struct slk_policy *policy, size_t i)
{
    if (i < policy->logs_n)
        return &policy->logs[i];
    return i - policy->logs_n < policy->witnesses_n ? &policy->witnesses[i - policy->logs_n] : NULL;
}

/* ---- checking a checkpoint ---- */

/* What the signature lines of a note are worth under a policy. */
struct tally {
    bool has_log;
    size_t cosignatures_n;
    bool cosigned[SLK_POLICY_WITNESSES_MAX];
    uint64_t time_s[SLK_POLICY_WITNESSES_MAX]; /* the newest of each witness */
};

/* Looks at one signature line with every key of the policy. */
static enum slk_err count_line(struct tally *tally, const struct slk_policy *policy,
    const struct slk_note *note, size_t sig_index, struct slk_span origin)
{
    uint64_t time_s;

    for (size_t i = 0; i < policy->logs_n; i++) {
        enum slk_err err = slk_note_check_sig(&time_s, note, sig_index, &policy->logs[i]);

        if (err == SLK_E_SIGNATURE)
            return err;
        if (err == SLK_OK && is_word(origin, policy->logs[i].name)) /* another log's name proves nothing */
            tally->has_log = true;
    }
    for (size_t i = 0; i < policy->witnesses_n; i++) {
        enum slk_err err = slk_note_check_sig(&time_s, note, sig_index, &policy->witnesses[i]);

        if (err == SLK_E_SIGNATURE)
            return err;
        if (err != SLK_OK)
            continue;
        if (!tally->cosigned[i])
            tally->cosignatures_n++;
        if (!tally->cosigned[i] || time_s > tally->time_s[i])
            tally->time_s[i] = time_s;
        tally->cosigned[i] = true;
    }
    return SLK_OK;
}

static bool is_future(
    const struct tally *tally, const struct slk_policy *policy, const struct slk_verify_options *options)
{
    uint64_t ahead_s = options->max_ahead_s == 0 ? AHEAD_S : options->max_ahead_s;

    for (size_t i = 0; i < policy->witnesses_n; i++) {
        if (tally->cosigned[i] && tally->time_s[i] > options->now_s &&
            tally->time_s[i] - options->now_s > ahead_s)
            return true;
    }
    return false;
}

/* Which witnesses and groups the cosignatures of since_s and later make good, and of how many members each group has: a member
 * counts for its one group; groups stand after their members, so a group's count is complete when its turn comes. */
struct standing {
    bool is_met[NODES_MAX];
    size_t counts[NODES_MAX + 1]; /* the last is of NODE_NONE, and never read */
};

static void count_nodes(
    struct standing *out, const struct tally *tally, const struct slk_policy *policy, uint64_t since_s)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < policy->witnesses_n; i++) {
        out->is_met[i] = tally->cosigned[i] && tally->time_s[i] >= since_s;
        out->counts[policy->parent[i]] += out->is_met[i];
    }
    for (size_t i = 0; i < policy->groups_n; i++) {
        size_t group = FIRST_GROUP + i;

        assert(policy->threshold[i] > 0 && policy->parent[group] > group);
        out->is_met[group] = out->counts[group] >= policy->threshold[i];
        out->counts[policy->parent[group]] += out->is_met[group];
    }
}

static bool has_quorum(const struct tally *tally, const struct slk_policy *policy, uint64_t since_s)
{
    struct standing standing;

    assert(policy->quorum < NODE_NONE);
    count_nodes(&standing, tally, policy, since_s);
    return standing.is_met[policy->quorum];
}

/* The quorum's time is that of one of the cosignatures; false when even all of them make none. */
static bool find_quorum_time(uint64_t *newest_s, const struct tally *tally, const struct slk_policy *policy)
{
    *newest_s = 0;
    if (!has_quorum(tally, policy, 0))
        return false;
    for (size_t i = 0; i < policy->witnesses_n; i++) {
        if (tally->cosigned[i] && tally->time_s[i] > *newest_s && has_quorum(tally, policy, tally->time_s[i]))
            *newest_s = tally->time_s[i];
    }
    return true;
}

static enum slk_err judge(struct slk_policy_verdict *out, const struct tally *tally,
    const struct slk_policy *policy, const struct slk_verify_options *options)
{
    if (is_future(tally, policy, options))
        return SLK_E_FUTURE;
    if (policy->quorum == NODE_NONE) {
        if (!options->allow_no_quorum)
            return SLK_E_NO_QUORUM;
    } else if (!find_quorum_time(&out->quorum_time_s, tally, policy)) {
        return SLK_E_QUORUM;
    }
    out->has_quorum = policy->quorum != NODE_NONE;
    out->cosignatures_n = (uint32_t)tally->cosignatures_n;
    return SLK_OK;
}

static enum slk_err count_lines(
    struct tally *tally, const struct slk_policy *policy, const struct slk_note *note, struct slk_span origin)
{
    enum slk_err err = SLK_OK;

    for (size_t i = 0; err == SLK_OK && i < note->sigs_n; i++)
        err = count_line(tally, policy, note, i, origin);
    return err;
}

enum slk_err slk_policy_check(struct slk_policy_verdict *out, const struct slk_policy *policy,
    const struct slk_note *note, const struct slk_checkpoint *checkpoint,
    const struct slk_verify_options *options)
{
    struct tally tally = {.has_log = false};
    enum slk_err err = count_lines(&tally, policy, note, checkpoint->origin);

    memset(out, 0, sizeof(*out));
    if (err == SLK_OK && !tally.has_log)
        err = SLK_E_NO_LOG;
    return err == SLK_OK ? judge(out, &tally, policy, options) : err;
}

/* From the quorum down: what is wanted and not met wants each of its members that is not met. */
size_t slk_policy_missing(const struct slk_vkey *out[SLK_POLICY_WITNESSES_MAX], bool *all_needed,
    const struct slk_policy *policy, const struct slk_note *note, const struct slk_checkpoint *checkpoint)
{
    struct tally tally = {.has_log = false};
    struct standing standing;
    bool is_wanted[NODES_MAX + 1] = {false}; /* the last is of NODE_NONE */
    size_t lacking[NODES_MAX + 1] = {0}, n = 0;

    *all_needed = true;
    if (policy->quorum == NODE_NONE || count_lines(&tally, policy, note, checkpoint->origin) != SLK_OK)
        return 0;
    count_nodes(&standing, &tally, policy, 0);
    is_wanted[policy->quorum] = !standing.is_met[policy->quorum];
    for (size_t i = policy->groups_n; i-- > 0;) {
        size_t group = FIRST_GROUP + i;

        is_wanted[group] |= is_wanted[policy->parent[group]] && !standing.is_met[group];
        lacking[policy->parent[group]] += is_wanted[group];
    }
    for (size_t i = 0; i < policy->witnesses_n; i++) {
        is_wanted[i] |= is_wanted[policy->parent[i]] && !standing.is_met[i];
        lacking[policy->parent[i]] += is_wanted[i];
        if (is_wanted[i])
            out[n++] = &policy->witnesses[i];
    }
    for (size_t i = 0; i < policy->groups_n; i++) {
        size_t group = FIRST_GROUP + i;

        if (is_wanted[group] && standing.counts[group] + lacking[group] > policy->threshold[i])
            *all_needed = false;
    }
    return n;
}

enum slk_err slk_policy_check_statement(struct slk_policy_verdict *out, const struct slk_policy *policy,
    const struct slk_note *note, struct slk_span origin, const struct slk_verify_options *options)
{
    struct tally tally = {.has_log = false};
    enum slk_err err = count_lines(&tally, policy, note, origin);
    bool is_known = false;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < policy->logs_n; i++)
        is_known |= is_word(origin, policy->logs[i].name);
    if (err == SLK_OK && !is_known)
        err = SLK_E_NO_LOG;
    return err == SLK_OK ? judge(out, &tally, policy, options) : err;
}
