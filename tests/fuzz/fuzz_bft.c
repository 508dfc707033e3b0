/* fuzz_bft.c: the consensus core, driven by bytes: whatever a driver may answer and a network may bring, in any order.
 *
 * All others may lie, with good signatures; crashes lose what was not durable. Nothing holds then about agreement, but
 * what the core owes its driver still does: nothing is signed that is not durable with its reasons (rule P), nothing twice,
 * nothing leaves unsigned, every effect is within its bounds and every message prints and parses.
 *
 *   byte 0: members and which of them this is; then instructions: one byte, and as many more as it takes
 */
#include "ledger/core/bft.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/mock_core.h"

enum {
    STEPS_MAX = 500,
    BOOTS_MAX = 5, /* a core is 5 MiB */
    STORED_MAX = SLK_BFT_RECORDS,
    TODO_MAX = 2 * SLK_BFT_EFFECTS,
    VALID_MAX = 2 * SLK_BFT_BLOCKS,
    BASE_MS = 1000000
};

/* What an instruction is: its byte modulo INSTRUCTIONS. Those that answer the core are more than one of each. */
enum {
    I_SETTLE,
    I_TICK,
    I_PERSISTED,
    I_SIGNED,
    I_VALIDATED,
    I_BUILT,
    I_COMMITTED,
    I_POOL,
    I_VOTE,
    I_PROPOSAL,
    I_CERT,
    I_STATUS,
    I_COMMIT,
    I_GET,
    I_DATA,
    I_EVIDENCE,
    I_RESTART,
    I_HEADERS,
    I_EPOCHS,
    INSTRUCTIONS
};

struct stored {
    uint64_t seq; /* 0: was there at the boot */
    struct slk_bft_record record;
    struct slk_cert cert;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
};

static struct rig {
    const uint8_t *at, *end;
    struct slk_bft *core;
    struct slk_bft_tip tip;
    uint64_t now, seq_given, seq_durable, serial;
    uint32_t steps, boots;
    /* the store */
    struct stored *stored[STORED_MAX];
    size_t stored_n;
    /* what the core waits for */
    struct slk_statement sign[TODO_MAX];
    struct slk_hash validate[TODO_MAX];
    size_t sign_n, validate_n;
    bool is_building, is_committing;
    uint64_t build_height;
    uint32_t build_view;
    struct slk_hash commit_hash;
    uint64_t commit_time;
    /* at this height, over all boots */
    struct slk_hash signed_hash[SLK_VOTE_KIND_N][SLK_BFT_VIEWS + 1];
    bool is_asked[SLK_VOTE_KIND_N][SLK_BFT_VIEWS + 1]; /* SIGN was handed out */
    /* at this height, since this boot */
    bool is_signed[SLK_VOTE_KIND_N][SLK_BFT_VIEWS + 1];
    struct slk_hash valid[VALID_MAX];
    size_t valid_n;
} rig;
static struct slk_bft_effects out;
static struct slk_msg msg;
static struct slk_cert_pool pool;

/* ---- bytes ---- */

static uint8_t take(void)
{
    return rig.at < rig.end ? *rig.at++ : 0;
}

/* ---- mock signatures ---- */

static const struct slk_verifier verifier = {.ctx = NULL, .verify = mock_verify};

static void sign_as(uint8_t sig[SLK_SIGNATURE_SIZE], const struct slk_statement *s, size_t signer)
{
    mock_sign_statement(sig, &rig.tip.council, s, signer);
}

/* ---- blocks: made from where they stand, a view and a number ---- */

static void make_block(uint8_t header[SLK_BLOCK_HEADER_SIZE], struct slk_hash *hash, uint64_t height,
    uint32_t view, uint8_t number)
{
    struct slk_block_header h = {.version = SLK_BLOCK_VERSION, .height = height, .origin_view = view};

    h.chain_id = rig.tip.council.chain_id;
    h.charter_hash = rig.tip.council.charter_hash;
    h.next_charter_hash = rig.tip.council.charter_hash;
    h.previous = rig.tip.hash;
    h.previous.b[31] ^= (uint8_t)(number >> 3 & 1); /* stands on nothing */
    h.time_ms = rig.tip.time_ms + 1 + (number >> 2 & 1) * 40000u;
    h.proposer = slk_council_leader(&rig.tip.council, height, view);
    h.log_size = height + 1;
    h.map_root.b[0] = number & 3;
    slk_block_header_format(header, &h);
    slk_block_hash(hash, header);
}

/* A block that a byte chooses: of the first four views, four sound ones and others. */
static void choose_block(
    uint8_t header[SLK_BLOCK_HEADER_SIZE], struct slk_hash *hash, uint64_t height, uint8_t b)
{
    make_block(header, hash, height, 1 + (b & 3), b >> 2 & 15);
}

/* ---- the store ---- */

static void store_free(size_t from)
{
    for (size_t i = from; i < rig.stored_n; i++)
        free(rig.stored[i]);
    rig.stored_n = from;
}

static const struct stored *stored_cert(enum slk_vote_kind kind, uint32_t view)
{
    for (size_t i = 0; i < rig.stored_n; i++)
        if (rig.stored[i]->record.kind == SLK_RECORD_CERT && rig.stored[i]->cert.kind == kind &&
            rig.stored[i]->cert.view == view)
            return rig.stored[i];
    return NULL;
}

static bool stored_block(const struct slk_hash *hash)
{
    for (size_t i = 0; i < rig.stored_n; i++)
        if (rig.stored[i]->record.kind == SLK_RECORD_BLOCK &&
            slk_hash_equal(&rig.stored[i]->record.hash, hash))
            return true;
    return false;
}

/* Rule P: N(u) for this block, or u = 0, and K of every view between u and `view`. */
static bool stored_justification(uint32_t view, const struct slk_hash *hash)
{
    for (uint32_t u = view - 1; u > 0; u--) {
        const struct stored *n = stored_cert(SLK_VOTE_NOTARIZE, u);

        if (n != NULL && slk_hash_equal(&n->cert.hash, hash))
            return true;
        if (stored_cert(SLK_VOTE_NULLIFY, u) == NULL)
            return false;
    }
    return true;
}

static void check_rule_p(const struct slk_statement *s)
{
    const struct stored *n;

    switch (s->kind) {
    case SLK_VOTE_PROPOSE:
    case SLK_VOTE_NOTARIZE:
        FUZZ_CHECK(stored_block(&s->hash) && stored_justification(s->view, &s->hash));
        return;
    case SLK_VOTE_NULLIFY:
        FUZZ_CHECK(s->view == 1 || stored_cert(SLK_VOTE_NOTARIZE, s->view - 1) != NULL ||
                   stored_cert(SLK_VOTE_NULLIFY, s->view - 1) != NULL);
        return;
    case SLK_VOTE_FINALIZE:
        n = stored_cert(SLK_VOTE_NOTARIZE, s->view);
        FUZZ_CHECK(n != NULL && slk_hash_equal(&n->cert.hash, &s->hash) && stored_block(&s->hash));
        return;
    case SLK_VOTE_KIND_N:
        break;
    }
    FUZZ_CHECK(s->kind != SLK_VOTE_KIND_N);
}

static void on_persist(const struct slk_bft_effect *e)
{
    FUZZ_CHECK(e->seq > rig.seq_given && e->first + e->n <= out.records_n && e->n > 0);
    rig.seq_given = e->seq;
    for (size_t i = e->first; i < e->first + e->n; i++) {
        struct stored *stored = calloc(1, sizeof(*stored));

        FUZZ_CHECK(stored != NULL && rig.stored_n < STORED_MAX);
        stored->seq = e->seq;
        stored->record = out.records[i];
        if (stored->record.kind == SLK_RECORD_CERT) {
            FUZZ_CHECK(slk_cert_check(out.records[i].cert, &rig.tip.council, &verifier));
            slk_cert_copy(&stored->cert, out.records[i].cert);
            stored->record.cert = &stored->cert;
        } else if (stored->record.kind == SLK_RECORD_BLOCK) {
            memcpy(stored->header, out.records[i].header, sizeof(stored->header));
            stored->record.header = stored->header;
        }
        rig.stored[rig.stored_n++] = stored;
    }
    for (size_t i = e->first; i < e->first + e->n; i++)
        if (out.records[i].kind == SLK_RECORD_VOTE)
            check_rule_p(&out.records[i].vote);
}

/* ---- what leaves the core ---- */

static void check_never_twice(const struct slk_statement *s)
{
    enum slk_vote_kind against = s->kind == SLK_VOTE_NULLIFY    ? SLK_VOTE_FINALIZE
                                 : s->kind == SLK_VOTE_FINALIZE ? SLK_VOTE_NULLIFY
                                                                : s->kind;

    FUZZ_CHECK(
        !rig.is_asked[s->kind][s->view] || slk_hash_equal(&rig.signed_hash[s->kind][s->view], &s->hash));
    FUZZ_CHECK(against == s->kind || !rig.is_asked[against][s->view]);
    rig.is_asked[s->kind][s->view] = true;
    rig.signed_hash[s->kind][s->view] = s->hash;
}

static void on_sign(const struct slk_statement *s)
{
    bool is_durable = false;

    FUZZ_CHECK(s->height == rig.tip.height + 1 && s->view > 0 && s->view <= SLK_BFT_VIEWS);
    FUZZ_CHECK(s->kind >= SLK_VOTE_PROPOSE && s->kind < SLK_VOTE_KIND_N && rig.tip.me < rig.tip.council.n);
    for (size_t i = 0; i < rig.stored_n; i++) {
        const struct stored *stored = rig.stored[i];

        is_durable |= stored->record.kind == SLK_RECORD_VOTE && stored->seq <= rig.seq_durable &&
                      stored->record.vote.kind == s->kind && stored->record.vote.view == s->view &&
                      stored->record.vote.aux == s->aux &&
                      slk_hash_equal(&stored->record.vote.hash, &s->hash);
    }
    FUZZ_CHECK(is_durable);
    check_never_twice(s);
    FUZZ_CHECK(rig.sign_n < TODO_MAX);
    rig.sign[rig.sign_n++] = *s;
}

/* My own statement has been signed; somebody else's signature is good. */
static void check_vote(const struct slk_vote *vote)
{
    const struct slk_statement *s = &vote->statement;

    FUZZ_CHECK(slk_vote_check(vote, &rig.tip.council, &verifier));
    if (vote->signer == rig.tip.me)
        FUZZ_CHECK(
            rig.is_signed[s->kind][s->view] && slk_hash_equal(&rig.signed_hash[s->kind][s->view], &s->hash));
}

static void check_proposal(const struct slk_msg *m)
{
    const struct slk_statement *s = &m->vote.statement;
    size_t reasons = s->view - 1 - s->aux + (s->aux > 0);

    FUZZ_CHECK(slk_hash_equal(&m->hash, &s->hash));
    FUZZ_CHECK(slk_council_leader(&rig.tip.council, s->height, s->view) == m->vote.signer);
    if (m->vote.signer != rig.tip.me) {
        FUZZ_CHECK(
            m->certs_n <= reasons); /* another's, from hand to hand, with what is held of its reasons */
        return;
    }
    FUZZ_CHECK(m->certs_n == (reasons < SLK_JUST_MAX ? reasons : SLK_JUST_MAX));
}

static void on_send(const struct slk_bft_effect *e)
{
    static uint8_t bytes[SLK_PROPOSAL_BYTES_MAX];
    static struct slk_msg again;
    size_t size = slk_msg_format(bytes, sizeof(bytes), e->msg);

    FUZZ_CHECK(size > 0 && (e->peer == SLK_BFT_ALL || e->peer != rig.tip.me));
    FUZZ_CHECK(slk_msg_parse(&again, &pool, e->msg->kind, slk_span_of(bytes, size)) == SLK_OK);
    if (again.kind == SLK_MSG_VOTE || again.kind == SLK_MSG_PROPOSAL)
        check_vote(&again.vote);
    if (again.kind == SLK_MSG_PROPOSAL)
        check_proposal(&again);
    if (again.kind == SLK_MSG_PROPOSAL || again.kind == SLK_MSG_CERT)
        for (size_t i = 0; i < again.certs_n; i++)
            FUZZ_CHECK(slk_cert_check(again.certs[i], &rig.tip.council, &verifier));
}

static bool is_valid(const struct slk_hash *hash)
{
    for (size_t i = 0; i < rig.valid_n; i++)
        if (slk_hash_equal(&rig.valid[i], hash))
            return true;
    return false;
}

static void on_commit_asked(const struct slk_bft_effect *e)
{
    struct slk_block_header header;
    struct slk_hash hash;

    slk_block_hash(&hash, e->header);
    FUZZ_CHECK(!rig.is_committing && e->height == rig.tip.height + 1);
    FUZZ_CHECK(slk_block_header_parse(&header, e->header) == SLK_OK && slk_hash_equal(&hash, &e->hash));
    FUZZ_CHECK(slk_hash_equal(&header.previous, &rig.tip.hash) && is_valid(&hash));
    FUZZ_CHECK(e->cert->kind == SLK_VOTE_FINALIZE && e->cert->height == e->height);
    FUZZ_CHECK(slk_hash_equal(&e->cert->hash, &hash) && slk_cert_check(e->cert, &rig.tip.council, &verifier));
    rig.is_committing = true;
    rig.commit_hash = hash;
    rig.commit_time = header.time_ms;
}

static void on_evidence(const struct slk_msg *m)
{
    const struct slk_statement *a = &m->vote.statement, *b = &m->other.statement;

    FUZZ_CHECK(m->vote.signer == m->other.signer && a->height == b->height && a->view == b->view);
    FUZZ_CHECK(a->kind != b->kind || !slk_hash_equal(&a->hash, &b->hash));
    FUZZ_CHECK(slk_vote_check(&m->vote, &rig.tip.council, &verifier));
    FUZZ_CHECK(slk_vote_check(&m->other, &rig.tip.council, &verifier));
}

static void on_work(const struct slk_bft_effect *e)
{
    if (e->kind == SLK_OUT_VALIDATE) {
        FUZZ_CHECK(rig.validate_n < TODO_MAX);
        rig.validate[rig.validate_n++] = e->hash;
    } else if (e->kind == SLK_OUT_BUILD) {
        FUZZ_CHECK(e->height == rig.tip.height + 1);
        FUZZ_CHECK(slk_council_leader(&rig.tip.council, e->height, e->view) == rig.tip.me);
        rig.is_building = true;
        rig.build_height = e->height;
        rig.build_view = e->view;
    } else if (e->kind == SLK_OUT_SERVE) {
        FUZZ_CHECK(e->peer != rig.tip.me && e->get.what > 0 && e->get.what < SLK_GET_N);
    }
}

static void check_effects(void)
{
    FUZZ_CHECK(out.n <= SLK_BFT_EFFECTS && out.records_n <= SLK_BFT_RECORDS && out.msgs_n <= SLK_BFT_MSGS);
    FUZZ_CHECK(out.wake_ms > rig.now);
    for (size_t i = 0; i < out.n; i++) {
        const struct slk_bft_effect *e = &out.at[i];

        if (e->kind == SLK_OUT_PERSIST)
            on_persist(e);
        else if (e->kind == SLK_OUT_SIGN)
            on_sign(&e->statement);
        else if (e->kind == SLK_OUT_SEND)
            on_send(e);
        else if (e->kind == SLK_OUT_COMMIT)
            on_commit_asked(e);
        else if (e->kind == SLK_OUT_EVIDENCE)
            on_evidence(e->msg);
        else if (e->kind == SLK_OUT_COSIGN)
            FUZZ_CHECK(e->seq == rig.tip.height);
        else
            on_work(e);
    }
}

/* ---- what goes into the core ---- */

static void step(struct slk_bft_input in)
{
    if (rig.steps++ >= STEPS_MAX)
        return;
    in.now_ms = rig.now;
    in.wall_ms = BASE_MS + rig.now;
    slk_bft_step(rig.core, &in, &out);
    check_effects();
}

static void hear(uint16_t peer)
{
    if (peer != rig.tip.me)
        step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = peer, .msg = &msg});
}

static void give_signature(size_t which)
{
    struct slk_vote vote = {.statement = rig.sign[which], .signer = rig.tip.me};

    memmove(&rig.sign[which], &rig.sign[which + 1], (--rig.sign_n - which) * sizeof(rig.sign[0]));
    if (vote.statement.height == rig.tip.height + 1)
        rig.is_signed[vote.statement.kind][vote.statement.view] = true;
    sign_as(vote.sig, &vote.statement, vote.signer);
    step((struct slk_bft_input){.kind = SLK_IN_SIGNED, .vote = &vote});
}

static void give_persisted(uint64_t seq)
{
    rig.seq_durable = seq;
    step((struct slk_bft_input){.kind = SLK_IN_PERSISTED, .seq = seq});
}

static void remember_valid(const struct slk_hash *hash)
{
    if (!is_valid(hash) && rig.valid_n < VALID_MAX)
        rig.valid[rig.valid_n++] = *hash;
}

static void give_verdict(size_t which, enum slk_bft_verdict verdict)
{
    struct slk_bft_input in = {.kind = SLK_IN_VALIDATED, .hash = rig.validate[which], .verdict = verdict};

    memmove(
        &rig.validate[which], &rig.validate[which + 1], (--rig.validate_n - which) * sizeof(rig.validate[0]));
    if (verdict == SLK_BLOCK_VALID)
        remember_valid(&in.hash);
    step(in);
}

static void give_block(bool is_there, uint8_t number)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_bft_input in = {.kind = SLK_IN_BUILT, .height = rig.build_height, .view = rig.build_view};
    struct slk_hash hash;

    rig.is_building = false;
    if (is_there && rig.build_height == rig.tip.height + 1) {
        make_block(header, &hash, rig.build_height, rig.build_view, number & 3);
        remember_valid(&hash);
        in.header = header;
    }
    step(in);
}

static void next_height(void)
{
    rig.tip.height++;
    rig.tip.hash = rig.commit_hash;
    rig.tip.time_ms = rig.commit_time;
    rig.is_committing = false;
    store_free(0);
    memset(rig.is_asked, 0, sizeof(rig.is_asked));
    memset(rig.is_signed, 0, sizeof(rig.is_signed));
    rig.valid_n = 0;
}

static void give_committed(void)
{
    struct slk_bft_tip tip;

    next_height();
    tip = rig.tip;
    step((struct slk_bft_input){.kind = SLK_IN_COMMITTED, .tip = &tip});
}

/* Everything the core waits for, as a quick node would answer it. */
static void settle(void)
{
    for (bool again = true; again && rig.steps < STEPS_MAX;) {
        again = true;
        if (rig.seq_durable < rig.seq_given)
            give_persisted(rig.seq_given);
        else if (rig.sign_n > 0)
            give_signature(0);
        else if (rig.validate_n > 0)
            give_verdict(0, SLK_BLOCK_VALID);
        else if (rig.is_building)
            give_block(true, 0);
        else if (rig.is_committing)
            give_committed();
        else
            again = false;
    }
}

/* Nothing that was not durable is left; the rest comes back as it was written, in another order of kinds. */
static void boot(void)
{
    static struct slk_bft_record records[STORED_MAX];
    struct slk_bft_input at = {.kind = SLK_IN_TICK, .now_ms = rig.now, .wall_ms = BASE_MS + rig.now};
    struct slk_bft_config config;
    size_t n = 0;

    slk_bft_config_default(&config, 100);
    config.verifier = verifier;
    slk_bft_free(rig.core);
    rig.core = slk_bft_new(&config);
    FUZZ_CHECK(rig.core != NULL);
    while (rig.stored_n > 0 && rig.stored[rig.stored_n - 1]->seq > rig.seq_durable)
        store_free(rig.stored_n - 1);
    for (int kind = SLK_RECORD_MUTED; kind >= SLK_RECORD_VOTE; kind--)
        for (size_t i = 0; i < rig.stored_n; i++)
            if (rig.stored[i]->record.kind == (enum slk_bft_record_kind)kind)
                records[n++] = rig.stored[i]->record;
    for (size_t i = 0; i < rig.stored_n; i++)
        rig.stored[i]->seq = 0;
    rig.seq_given = rig.seq_durable = 0;
    rig.sign_n = rig.validate_n = rig.valid_n = 0;
    rig.is_building = rig.is_committing = false;
    memset(rig.is_signed, 0, sizeof(rig.is_signed));
    slk_bft_start(rig.core, &rig.tip, records, n, &at, &out);
    check_effects();
}

static void restart(uint8_t b)
{
    if (++rig.boots >= BOOTS_MAX)
        return;
    if (rig.is_committing && (b & 1) != 0)
        next_height(); /* the commit made it to the disk, the answer to nobody */
    boot();
}

/* ---- messages ---- */

static uint64_t choose_height(uint8_t b)
{
    uint64_t height = rig.tip.height + 1;

    return (b & 7) == 7 ? height + 1 : (b & 7) == 6 ? height - 1 : (b & 0xff) == 0x25 ? UINT64_MAX : height;
}

/* Near the first views, and sometimes near the last. */
static uint32_t choose_view(uint8_t b)
{
    if (b < 0xf0)
        return 1 + b % 12u;
    return b < 0xf8 ? SLK_BFT_VIEWS - 4u + (b & 7) : SLK_VIEW_MAX - (b & 7);
}

static void make_statement(struct slk_statement *s, enum slk_vote_kind kind)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];

    memset(s, 0, sizeof(*s));
    s->kind = kind;
    s->height = choose_height(take());
    s->view = choose_view(take());
    if (kind != SLK_VOTE_NULLIFY)
        choose_block(header, &s->hash, s->height, take());
}

static void make_vote(struct slk_vote *vote, uint8_t b)
{
    memset(vote, 0, sizeof(*vote));
    vote->signer = (uint16_t)((b & 15) % rig.tip.council.n);
    make_statement(&vote->statement, (enum slk_vote_kind)(SLK_VOTE_PROPOSE + (b >> 4 & 3)));
    if (vote->statement.kind == SLK_VOTE_PROPOSE)
        vote->statement.aux = take() % vote->statement.view;
    sign_as(vote->sig, &vote->statement, vote->signer);
    vote->sig[7] ^= (uint8_t)(b >> 7);
}

/* A quorum's certificate, or with a member too few, or with one signature that is none. */
static void make_cert(struct slk_cert *cert, uint8_t b)
{
    struct slk_statement s;
    size_t n = rig.tip.council.n, used = 0;

    memset(cert, 0, sizeof(*cert));
    make_statement(&s, (enum slk_vote_kind)(SLK_VOTE_NOTARIZE + (b & 3) % 3));
    cert->kind = s.kind;
    cert->height = s.height;
    cert->view = s.view;
    cert->hash = s.hash;
    cert->bitmap_bytes = (uint8_t)((n + 7) / 8 + (b >> 6 == 3));
    cert->signers = ((1ull << n) - 1) & ~(1ull << (b >> 2 & 7));
    if (b >> 6 == 1)
        cert->signers &= cert->signers - 1;
    for (size_t i = 0; i < n; i++)
        if ((cert->signers >> i & 1) != 0)
            sign_as(cert->sigs[used++], &s, i);
    cert->sigs[0][7] ^= (uint8_t)(b >> 6 == 2);
}

static void make_certs(size_t n)
{
    msg.certs_n = n;
    for (size_t i = 0; i < n; i++) {
        make_cert(&pool.at[i], take());
        msg.certs[i] = &pool.at[i];
    }
}

static void make_header(uint64_t height, uint8_t b)
{
    static uint8_t header[SLK_BLOCK_HEADER_SIZE];

    choose_block(header, &msg.hash, height, b);
    msg.header = slk_span_of(header, sizeof(header));
}

static void make_proposal(uint8_t b)
{
    struct slk_statement *s = &msg.vote.statement;

    memset(&msg.vote, 0, sizeof(msg.vote));
    s->kind = SLK_VOTE_PROPOSE;
    s->height = choose_height(take());
    s->view = choose_view(take());
    s->aux = take() % s->view;
    make_header(s->height, take());
    s->hash = msg.hash;
    msg.vote.signer = slk_council_leader(&rig.tip.council, s->height, s->view);
    if ((b & 3) == 3)
        msg.vote.signer = (uint16_t)((b >> 2) % rig.tip.council.n);
    sign_as(msg.vote.sig, s, msg.vote.signer);
    msg.vote.sig[7] ^= (uint8_t)(b >> 7);
    make_certs(b >> 4 & 3);
}

static void make_status(uint8_t b)
{
    struct slk_status *s = &msg.status;

    memset(s, 0, sizeof(*s));
    s->charter_hash = rig.tip.council.charter_hash;
    s->tip_hash = rig.tip.hash;
    s->height = choose_height(take());
    s->view = choose_view(take());
    s->n_bits = take();
    s->k_bits = take();
    s->seq = b & 3;
    s->has_proposal = (b & 4) != 0;
    s->pool_count = b >> 6;
    s->your_height = choose_height(take());
    s->your_view = choose_view(take());
    s->your_kind = take() % SLK_VOTE_KIND_N;
    s->tallies_n = (b >> 3 & 7) % (SLK_TALLIES_MAX + 1);
    for (size_t i = 0; i < s->tallies_n; i++) {
        struct slk_statement of;

        make_statement(&of, (enum slk_vote_kind)(SLK_VOTE_NOTARIZE + take() % 3));
        s->tallies[i] =
            (struct slk_tally){.kind = of.kind, .view = of.view, .hash = of.hash, .signers = take() & 15u};
    }
}

/* What a member that is behind is told: headers in a row, each with a certificate; charters. */
static void make_range(unsigned instruction, uint8_t b)
{
    static uint8_t headers[4][SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;

    make_certs(1 + (b & 3u) % (instruction == I_HEADERS ? 4u : SLK_EPOCHS_MAX));
    for (size_t i = 0; i < msg.certs_n; i++) {
        choose_block(headers[i], &hash, msg.certs[i]->height, take());
        if (instruction == I_EPOCHS) {
            msg.epochs[i].header = slk_span_of(headers[i], SLK_BLOCK_HEADER_SIZE);
            msg.epochs[i].charter = slk_span_of(headers[0], 1 + (size_t)take() % SLK_BLOCK_HEADER_SIZE);
        }
    }
    if (instruction == I_HEADERS)
        msg.header = slk_span_of(headers[0], msg.certs_n * SLK_BLOCK_HEADER_SIZE);
    msg.kind = instruction == I_HEADERS ? SLK_MSG_HEADERS : SLK_MSG_EPOCHS;
}

static void make_get(void)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];

    memset(&msg.get, 0, sizeof(msg.get));
    msg.get.what = (enum slk_get_what)(1 + take() % (SLK_GET_N - 1));
    msg.get.height = choose_height(take());
    msg.get.view = choose_view(take());
    msg.get.kind = take() % SLK_VOTE_KIND_N;
    choose_block(header, &msg.get.hash, msg.get.height, take());
    if (msg.get.what == SLK_GET_HEADERS)
        msg.get.count = 1 + take() % SLK_RANGE_MAX;
    if (msg.get.what == SLK_GET_BODY)
        msg.get.chunk = take();
}

static void make_message(unsigned instruction, uint8_t b)
{
    memset(&msg, 0, offsetof(struct slk_msg, certs));
    if (instruction == I_VOTE) {
        msg.kind = SLK_MSG_VOTE;
        make_vote(&msg.vote, b);
    } else if (instruction == I_PROPOSAL) {
        msg.kind = SLK_MSG_PROPOSAL;
        make_proposal(b);
    } else if (instruction == I_CERT) {
        msg.kind = SLK_MSG_CERT;
        make_certs(1 + (b & 3));
        msg.height = msg.certs[0]->height;
    } else if (instruction == I_STATUS) {
        msg.kind = SLK_MSG_STATUS;
        make_status(b);
    } else if (instruction == I_COMMIT) {
        msg.kind = SLK_MSG_COMMIT;
        make_certs(1);
        make_header(msg.certs[0]->height, b);
    } else if (instruction == I_GET) {
        msg.kind = SLK_MSG_GET;
        make_get();
    } else if (instruction == I_DATA) {
        msg.kind = SLK_MSG_DATA;
        make_header(rig.tip.height + 1, b);
        msg.chunk = take() % 3;
        msg.body = slk_span_of(msg.header.at, take());
    } else if (instruction == I_HEADERS || instruction == I_EPOCHS) {
        make_range(instruction, b);
    } else {
        msg.kind = SLK_MSG_EVIDENCE;
        make_vote(&msg.vote, b);
        make_vote(&msg.other, take());
    }
}

/* From the signer where there is one, else from anybody, observers too. */
static void bring_message(unsigned instruction)
{
    uint8_t b = take(), from = take();

    make_message(instruction, b);
    if ((from & 0x80) == 0 && (msg.kind == SLK_MSG_VOTE || msg.kind == SLK_MSG_PROPOSAL))
        hear(msg.vote.signer);
    else
        hear((uint16_t)(from % (rig.tip.council.n + 1)));
}

static void change_pool(uint8_t b)
{
    step((struct slk_bft_input){
        .kind = SLK_IN_POOL, .pool_count = b & 3, .pool_xor = b, .pool_urgent = (b & 0x40) != 0});
}

/* True when the instruction was one for the driver. */
static bool answer(unsigned instruction)
{
    uint8_t b;

    if (instruction == I_PERSISTED) {
        if (rig.seq_durable < rig.seq_given)
            give_persisted(rig.seq_durable + 1);
    } else if (instruction == I_SIGNED) {
        b = take();
        if (rig.sign_n > 0)
            give_signature(b % rig.sign_n);
    } else if (instruction == I_VALIDATED) {
        b = take();
        if (rig.validate_n > 0)
            give_verdict((b >> 2) % rig.validate_n, (enum slk_bft_verdict)(1 + (b & 3) % 3));
    } else if (instruction == I_BUILT) {
        b = take();
        if (rig.is_building)
            give_block((b & 4) == 0, b);
    } else if (instruction == I_COMMITTED) {
        if (rig.is_committing)
            give_committed();
    } else {
        return false;
    }
    return true;
}

static void run(void)
{
    while (rig.at < rig.end && rig.steps < STEPS_MAX) {
        unsigned instruction = take() % INSTRUCTIONS;
        uint8_t b;

        if (instruction == I_SETTLE) {
            settle();
        } else if (instruction == I_TICK) {
            b = take();
            rig.now += b < 0xc0 ? b : (b - 0xbfu) * 1000u;
            step((struct slk_bft_input){.kind = SLK_IN_TICK});
        } else if (instruction == I_POOL) {
            change_pool(take());
        } else if (instruction == I_RESTART) {
            restart(take());
        } else if (!answer(instruction)) {
            bring_message(instruction);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t members[] = {4, 4, 4, 1, 2, 3, 5, 7};
    uint8_t b;

    memset(&rig, 0, sizeof(rig));
    rig.at = data;
    rig.end = data + size;
    b = take();
    rig.now = 10000;
    rig.tip.height = 4;
    rig.tip.time_ms = BASE_MS;
    rig.tip.hash.b[0] = 0x44;
    rig.tip.council.charter_hash.b[0] = 0xc4;
    rig.tip.council.n = members[b & 7];
    rig.tip.me = (uint16_t)((b >> 3) % (rig.tip.council.n + 1)); /* one of them is an observer */
    if (rig.tip.me == rig.tip.council.n)
        rig.tip.me = SLK_BFT_NOBODY;
    for (size_t i = 0; i < rig.tip.council.n; i++)
        rig.tip.council.keys[i][0] = (uint8_t)(i + 1);
    boot();
    run();
    store_free(0);
    slk_bft_free(rig.core);
    return 0;
}
