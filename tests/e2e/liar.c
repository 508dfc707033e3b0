/* liar.c: a dishonest member for tests: a node like any other, with its agency's real keys, whose words are bent on their way out.
 *
 *   liar --config FILE --lie NAME[,NAME...] [--seed N]
 *
 * Inside is a correct node that does not know what its mouth says: it hears neither its own second votes nor what others say
 * about them. A liar signs with its own keys alone; everything else it can do. What it did is counted in its log when it stops.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/ledger.h"
#include "ledger/verify/list_note.h"
#include "net/daemon.h"
#include "tests/unit/signer.h"

#define LIES(X)                                                                                              \
    X(VOTES, "votes",                                                                                        \
        "each NOTARIZE for one block to some, for another to the others, sometimes both to one")             \
    X(FINALIZE, "finalize", "FINALIZE after NULLIFY and NULLIFY after FINALIZE")                             \
    X(PROPOSALS, "proposals", "two blocks for one view when it leads")                                       \
    X(STATUS, "status", "false heights, false tallies, false memories of others' votes")                     \
    X(WITHHOLD, "withhold", "promises bodies and submissions, and sends none")                               \
    X(BODIES, "bodies", "bodies and submissions with flipped bits")                                          \
    X(GARBAGE, "garbage", "forged signatures, and bytes that are no message")                                \
    X(CHECKPOINTS, "checkpoints", "signed checkpoints with another root")                                    \
    X(UNSIGNED, "unsigned", "checkpoints with another root, under which the signatures are not good")        \
    X(LISTS, "lists", "signed words about status lists that are not the ledger's")                           \
    X(STALE, "stale", "old votes, certificates, proposals and blocks again")                                 \
    X(FLOOD, "flood", "far more of everything than anybody needs")                                           \
    X(SILENT, "silent", "nothing at all, on connections that stay open")

enum lie {
#define X(name, option, text) LIE_##name,
    LIES(X)
#undef X
        LIES_N
};
static const char *const names[LIES_N] = {
#define X(name, option, text) [LIE_##name] = (option),
    LIES(X)
#undef X
};
static const char *const texts[LIES_N] = {
#define X(name, option, text) [LIE_##name] = (text),
    LIES(X)
#undef X
};

enum { OLD_MAX = 64, ROOM = 256 * 1024, FLOOD_N = 400 };

struct old {
    enum slk_frame_type type;
    uint8_t *bytes;
    size_t size;
};

struct liar {
    bool lies[LIES_N];
    uint64_t told[LIES_N];
    uint64_t random;
    uint16_t agency;
    struct slk_key *vote, *log_key, *cosign;
    struct slk_council council; /* of the height that is being lied about */
    uint16_t me;
    struct slk_msg msg;
    struct slk_cert_pool certs;
    uint8_t out[ROOM];
    struct old old[OLD_MAX];
    size_t old_n;
};

/* Where a message would go: the one that the honest node inside wants to send. */
struct line {
    struct liar *liar;
    struct slk_node *node;
    struct slk_mesh *mesh;
    uint16_t peer;
};

static uint64_t chance(struct liar *l, uint64_t n)
{
    uint64_t z = (l->random += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

static void random_bytes(struct liar *l, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)chance(l, 256);
}

static bool post(const struct line *to, enum slk_frame_type type, const uint8_t *bytes, size_t size)
{
    return slk_mesh_send(to->mesh, to->peer, type, slk_span_of(bytes, size)) == SLK_OK;
}

static void know_council(const struct line *to)
{
    struct liar *l = to->liar;
    const struct slk_charter *charter = slk_ledger_charter(slk_node_ledger(to->node));

    if (slk_hash_equal(&l->council.charter_hash, &charter->hash))
        return;
    if (slk_council_of(&l->council, charter, slk_ledger_chain_id(slk_node_ledger(to->node))) != SLK_OK)
        abort();
    l->me = slk_node_index(charter, l->agency);
}

static bool post_msg(const struct line *to, const struct slk_msg *msg)
{
    size_t size = slk_msg_format(to->liar->out, ROOM, msg);

    return size > 0 && post(to, (enum slk_frame_type)msg->kind, to->liar->out, size);
}

/* ---- votes and blocks ---- */

static void sign(struct liar *l, struct slk_vote *vote)
{
    uint8_t bytes[SLK_VOTE_BYTES];

    slk_statement_bytes(bytes, &l->council, &vote->statement);
    vote->signer = l->me;
    if (slk_key_sign(l->vote, vote->sig, bytes, sizeof(bytes)) != SLK_OK)
        abort();
}

static void say(const struct line *to, enum slk_vote_kind kind, const struct slk_statement *about,
    const struct slk_hash *hash)
{
    struct slk_msg msg = {.kind = SLK_MSG_VOTE};

    msg.vote.statement =
        (struct slk_statement){.kind = kind, .height = about->height, .view = about->view, .hash = *hash};
    sign(to->liar, &msg.vote);
    (void)post_msg(to, &msg);
}

/* The same for everybody who is told it. */
static struct slk_hash another(const struct slk_hash *hash)
{
    struct slk_hash other = *hash;

    other.b[0] ^= 1;
    return other;
}

static bool send_vote(const struct line *to, struct slk_span message)
{
    struct liar *l = to->liar;
    const struct slk_statement said = l->msg.vote.statement;
    struct slk_hash other = another(&said.hash);

    if (l->msg.vote.signer != l->me)
        return post(to, SLK_FRAME_VOTE, message.at, message.size);
    if (said.kind == SLK_VOTE_NOTARIZE && l->lies[LIE_VOTES]) {
        l->told[LIE_VOTES]++;
        if ((to->peer + said.height) % 2 != 0) {
            say(to, SLK_VOTE_NOTARIZE, &said, &other);
            if (chance(l, 3) > 0)
                return true;
        }
    }
    if (said.kind == SLK_VOTE_NULLIFY && l->lies[LIE_FINALIZE]) {
        l->told[LIE_FINALIZE]++;
        random_bytes(l, other.b, sizeof(other.b));
        say(to, SLK_VOTE_FINALIZE, &said, &other);
    }
    if (said.kind == SLK_VOTE_FINALIZE && l->lies[LIE_FINALIZE]) {
        l->told[LIE_FINALIZE]++;
        say(to, SLK_VOTE_NULLIFY, &said, &slk_hash_zero);
    }
    return post(to, SLK_FRAME_VOTE, message.at, message.size);
}

/* Another time in the header: another block, under the same number and the same signature key. */
static bool send_proposal(const struct line *to, struct slk_span message)
{
    struct liar *l = to->liar;
    struct slk_block_header header;
    uint8_t bytes[SLK_BLOCK_HEADER_SIZE];

    if (l->lies[LIE_WITHHOLD] && l->msg.body.size > 0) {
        l->told[LIE_WITHHOLD]++;
        l->msg.body = slk_span_of(NULL, 0);
        return post_msg(to, &l->msg);
    }
    if (!l->lies[LIE_PROPOSALS] || l->msg.vote.signer != l->me || to->peer % 2 == 0 ||
        slk_block_header_parse(&header, l->msg.header.at) != SLK_OK)
        return post(to, SLK_FRAME_PROPOSAL, message.at, message.size);
    l->told[LIE_PROPOSALS]++;
    header.time_ms++;
    slk_block_header_format(bytes, &header);
    slk_block_hash(&l->msg.hash, bytes);
    l->msg.header = slk_span_of(bytes, sizeof(bytes));
    l->msg.vote.statement.hash = l->msg.hash;
    sign(l, &l->msg.vote);
    (void)post_msg(to, &l->msg);
    return chance(l, 2) == 0 || post(to, SLK_FRAME_PROPOSAL, message.at, message.size);
}

/* ---- what is not signed ---- */

static void bend_status(struct liar *l, struct slk_status *s)
{
    l->told[LIE_STATUS]++;
    if (chance(l, 3) == 0)
        s->height += chance(l, 1000);
    if (chance(l, 3) == 0)
        s->view += (uint32_t)chance(l, 300);
    s->n_bits |= chance(l, UINT64_MAX);
    s->k_bits |= chance(l, UINT64_MAX);
    for (size_t i = 0; i < s->tallies_n; i++)
        s->tallies[i].signers |= chance(l, UINT64_C(1) << l->council.n);
    s->your_height = s->height + chance(l, 3); /* "you have voted there, and forgot it" */
    s->your_view = 1 + (uint32_t)chance(l, 3);
    s->your_kind = SLK_VOTE_NOTARIZE + (uint32_t)chance(l, 3);
    s->has_proposal = true;
    s->pool_count += chance(l, 100);
    s->pool_xor = chance(l, UINT64_MAX);
}

static void spoil(struct liar *l, uint8_t *bytes, size_t size)
{
    for (unsigned i = 0; i < 3; i++)
        bytes[chance(l, size)] ^= (uint8_t)(1u << chance(l, 8));
}

static bool send_spoiled(const struct line *to, enum slk_frame_type type, struct slk_span message)
{
    if (message.size == 0 || message.size > ROOM)
        return false;
    memcpy(to->liar->out, message.at, message.size);
    spoil(to->liar, to->liar->out, message.size);
    return post(to, type, to->liar->out, message.size);
}

/* Votes with the signature of somebody else's, and bytes that no message has. */
static void garbage(const struct line *to)
{
    struct liar *l = to->liar;
    uint8_t noise[64];

    l->told[LIE_GARBAGE]++;
    random_bytes(l, noise, sizeof(noise));
    (void)post(to, chance(l, 2) == 0 ? SLK_FRAME_VOTE : SLK_FRAME_INV, noise, sizeof(noise));
}

/* The member's own note about its tip, with another root, and signed again or not. */
static bool send_checkpoint(const struct line *to, struct slk_span message, bool is_signed)
{
    struct liar *l = to->liar;
    const struct slk_charter *charter = slk_ledger_charter(slk_node_ledger(to->node));
    const char *name = slk_charter_member(charter, l->agency)->name;
    struct slk_writer w = {.at = l->out, .cap = ROOM};
    char text[SLK_CHECKPOINT_TEXT_MAX];
    struct slk_checkpoint checkpoint;
    struct slk_note note;
    struct signer log, cosigner;
    struct slk_span body;

    if (slk_note_parse(&note, (const char *)message.at, message.size) != SLK_OK ||
        slk_checkpoint_parse(&checkpoint, note.text) != SLK_OK ||
        slk_vkey_init(&log.vkey, charter->origin, SLK_SIG_ED25519, slk_key_public(l->log_key)) != SLK_OK ||
        slk_vkey_init(&cosigner.vkey, name, SLK_SIG_COSIGNATURE_V1, slk_key_public(l->cosign)) != SLK_OK)
        abort();
    l->told[is_signed ? LIE_CHECKPOINTS : LIE_UNSIGNED]++;
    checkpoint.head.root_hash.b[0] ^= 1;
    body = slk_span_of(text, slk_checkpoint_format(text, &checkpoint));
    slk_write_bytes(&w, body.at, body.size);
    slk_write_bytes(&w, "\n", 1);
    if (is_signed) {
        memcpy(log.seed, slk_key_seed(l->log_key), sizeof(log.seed));
        memcpy(cosigner.seed, slk_key_seed(l->cosign), sizeof(cosigner.seed));
        signer_add_line(&w, &log, 0, body);
        signer_add_line(&w, &cosigner, 1900000000, body);
    } else {
        slk_write_bytes(&w, note.text.at + note.text.size + 1, message.size - note.text.size - 1);
    }
    return !w.bad && post(to, SLK_FRAME_COSIG, w.at, w.size);
}

/* What its node made of the status lists, with another root, signed again. */
static bool send_lists(const struct line *to, struct slk_lists_statement *said)
{
    struct liar *l = to->liar;
    const struct slk_charter *charter = slk_ledger_charter(slk_node_ledger(to->node));
    const char *name = slk_charter_member(charter, l->agency)->name;
    struct slk_writer w = {.at = l->out, .cap = ROOM};
    char text[SLK_LISTS_TEXT_MAX];
    struct signer cosigner;
    struct slk_span body;

    if (slk_vkey_init(&cosigner.vkey, name, SLK_SIG_COSIGNATURE_V1, slk_key_public(l->cosign)) != SLK_OK)
        abort();
    l->told[LIE_LISTS]++;
    memcpy(cosigner.seed, slk_key_seed(l->cosign), sizeof(cosigner.seed));
    said->lists.root_hash.b[0] ^= 1;
    body = slk_span_of(text, slk_lists_statement_format(text, said));
    slk_write_bytes(&w, body.at, body.size);
    slk_write_bytes(&w, "\n", 1);
    signer_add_line(&w, &cosigner, 1900000000, body);
    return !w.bad && post(to, SLK_FRAME_COSIG, w.at, w.size);
}

static bool send_cosig(const struct line *to, struct slk_span message)
{
    const struct liar *l = to->liar;
    struct slk_lists_statement said;
    struct slk_note note;

    if (slk_note_parse(&note, (const char *)message.at, message.size) == SLK_OK &&
        slk_lists_statement_parse(&said, note.text) == SLK_OK)
        return l->lies[LIE_LISTS] ? send_lists(to, &said)
                                  : post(to, SLK_FRAME_COSIG, message.at, message.size);
    return l->lies[LIE_CHECKPOINTS] || l->lies[LIE_UNSIGNED]
               ? send_checkpoint(to, message, l->lies[LIE_CHECKPOINTS])
               : post(to, SLK_FRAME_COSIG, message.at, message.size);
}

/* ---- more than was asked for ---- */

static void keep(struct liar *l, enum slk_frame_type type, struct slk_span message)
{
    struct old *old = &l->old[l->old_n < OLD_MAX ? l->old_n++ : chance(l, OLD_MAX)];
    uint8_t *bytes = malloc(message.size);

    if (bytes == NULL)
        abort();
    memcpy(bytes, message.at, message.size);
    free(old->bytes);
    *old = (struct old){.type = type, .bytes = bytes, .size = message.size};
}

static void repeat(const struct line *to)
{
    struct liar *l = to->liar;

    for (size_t i = 0; l->old_n > 0 && i < 4; i++) {
        const struct old *old = &l->old[chance(l, l->old_n)];

        l->told[LIE_STALE]++;
        (void)post(to, old->type, old->bytes, old->size);
    }
}

static void flood(const struct line *to)
{
    struct liar *l = to->liar;
    struct slk_msg msg = {.kind = SLK_MSG_GET, .get = {.what = SLK_GET_HEADERS, .height = 1, .count = 32}};
    const struct slk_tip *tip = slk_ledger_tip(slk_node_ledger(to->node));
    struct slk_statement about = {.height = tip->height + 1};
    struct slk_hash hash;

    for (unsigned i = 0; i < FLOOD_N; i++) {
        l->told[LIE_FLOOD]++;
        about.view = 1 + (uint32_t)chance(l, 60);
        random_bytes(l, hash.b, sizeof(hash.b));
        say(to, SLK_VOTE_FINALIZE, &about, &hash);
        (void)post_msg(to, &msg);
    }
}

/* ---- what the daemon calls ---- */

/* STATUS goes out again and again, whatever happens: with it comes what needs no occasion. */
static bool send_status(const struct line *to)
{
    struct liar *l = to->liar;

    if (l->lies[LIE_STATUS])
        bend_status(l, &l->msg.status);
    if (!post_msg(to, &l->msg))
        return false;
    if (l->lies[LIE_STALE])
        repeat(to);
    if (l->lies[LIE_GARBAGE])
        garbage(to);
    if (l->lies[LIE_FLOOD])
        flood(to);
    return true;
}

static bool send_lied(const struct line *to, enum slk_frame_type type, struct slk_span message)
{
    struct liar *l = to->liar;

    if (type == SLK_FRAME_COSIG)
        return send_cosig(to, message);
    if (slk_frame_is_bulk(type) && l->lies[LIE_WITHHOLD]) {
        l->told[LIE_WITHHOLD]++;
        return true;
    }
    if (slk_frame_is_bulk(type) && l->lies[LIE_BODIES]) {
        l->told[LIE_BODIES]++;
        return send_spoiled(to, type, message);
    }
    if (type == SLK_FRAME_VOTE && l->lies[LIE_GARBAGE] && chance(l, 4) == 0) {
        l->told[LIE_GARBAGE]++;
        return send_spoiled(to, type, message);
    }
    if (type >= SLK_FRAME_HELLO ||
        slk_msg_parse(&l->msg, &l->certs, (enum slk_msg_kind)type, message) != SLK_OK)
        return post(to, type, message.at, message.size);
    if (type == SLK_FRAME_VOTE)
        return send_vote(to, message);
    if (type == SLK_FRAME_PROPOSAL)
        return send_proposal(to, message);
    if (type == SLK_FRAME_STATUS)
        return send_status(to);
    return post(to, type, message.at, message.size);
}

static bool on_send(void *ctx, struct slk_node *node, struct slk_mesh *mesh, uint16_t peer,
    enum slk_frame_type type, struct slk_span message)
{
    struct liar *l = ctx;
    struct line to = {.liar = l, .node = node, .mesh = mesh, .peer = peer};

    if (l->lies[LIE_SILENT]) {
        l->told[LIE_SILENT]++;
        return true;
    }
    know_council(&to);
    if (!slk_frame_is_bulk(type) && chance(l, 4) == 0)
        keep(l, type, message);
    return send_lied(&to, type, message);
}

/* The node inside must not learn what was said in its name: it would fall silent (AMNESIA). */
static bool on_hear(void *ctx, struct slk_node *node, struct slk_mesh *mesh, uint16_t peer,
    enum slk_frame_type type, struct slk_span message)
{
    struct liar *l = ctx;
    struct line to = {.liar = l, .node = node, .mesh = mesh, .peer = peer};

    know_council(&to);
    if (type == SLK_FRAME_EVIDENCE)
        return false;
    if (type != SLK_FRAME_VOTE && type != SLK_FRAME_PROPOSAL)
        return true;
    return slk_msg_parse(&l->msg, &l->certs, (enum slk_msg_kind)type, message) != SLK_OK ||
           l->msg.vote.signer != l->me;
}

/* ---- the program ---- */

static int usage(void)
{
    fputs("usage: liar --config FILE --lie NAME[,NAME...] [--seed N]\n\n"
          "A dishonest member, for tests: never give it the keys of a ledger that anybody relies on.\n\n",
        stderr);
    for (size_t i = 0; i < LIES_N; i++)
        fprintf(stderr, "  %-12s %s\n", names[i], texts[i]);
    return 2;
}

static bool parse_lies(struct liar *l, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        size_t i = 0;

        while (i < LIES_N && (strlen(names[i]) != n || strncmp(names[i], text, n) != 0))
            i++;
        if (i == LIES_N) {
            fprintf(stderr, "liar: %s: no such lie\n\n", text);
            return false;
        }
        l->lies[i] = true;
        text += n + (text[n] == ',');
    }
    return true;
}

static bool load_keys(struct liar *l, const struct slk_config *config)
{
    struct slk_fault fault = {0};

    if (slk_key_load(&l->vote, config->vote_key, &fault) == SLK_OK &&
        slk_key_load(&l->log_key, config->log_key, &fault) == SLK_OK &&
        slk_key_load(&l->cosign, config->cosign_key, &fault) == SLK_OK)
        return true;
    fprintf(stderr, "liar: it needs all its keys: %s\n", fault.text);
    return false;
}

static int run(struct liar *l, const char *file)
{
    static struct slk_config config;
    const struct slk_daemon_between between = {.ctx = l, .send = on_send, .hear = on_hear};
    struct slk_fault fault;
    int code = 2;

    if (slk_config_load(&config, file, &fault) != SLK_OK)
        fprintf(stderr, "%s:%zu: %s\n", file, fault.line, fault.text);
    else if (load_keys(l, &config)) {
        l->agency = (uint16_t)config.agency;
        code = slk_daemon_run_between(&config, file, &between);
        for (size_t i = 0; i < LIES_N; i++)
            if (l->lies[i])
                fprintf(stderr, "liar: %s: %llu\n", names[i], (unsigned long long)l->told[i]);
    }
    slk_key_free(l->vote);
    slk_key_free(l->log_key);
    slk_key_free(l->cosign);
    for (size_t i = 0; i < l->old_n; i++)
        free(l->old[i].bytes);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
        {"lie", required_argument, NULL, 'l'}, {"seed", required_argument, NULL, 's'}, {0}};
    static struct liar liar;
    const char *file = NULL;
    bool is_told = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            file = optarg;
        else if (option == 's')
            liar.random = strtoull(optarg, NULL, 10);
        else if (option == 'l' && parse_lies(&liar, optarg))
            is_told = true;
        else
            return usage();
    }
    return file != NULL && is_told && optind == argc ? run(&liar, file) : usage();
}
