/* member.c: one honest member of the exhaustive checker: the production core and a driver that answers at once. */
#include "tests/model/exhaust.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/mock_core.h"

enum { DELTA_MS = 100, LATE_MS = 100 * 1000, WALL_MS = 1000000, TODO_MAX = 64, SAVED_MAX = 256 };

/* What the core waits for. */
struct todo {
    uint64_t seq;
    bool is_built_wanted, is_committed_wanted;
    uint64_t build_height;
    uint32_t build_view;
    size_t sign_n, validate_n;
    struct slk_statement sign[TODO_MAX];
    struct slk_hash validate[TODO_MAX];
};

/* ---- the ledger: blocks that say where they stand and in which view they were fresh ---- */

static void make_tip(struct slk_bft_tip *tip)
{
    memset(tip, 0, sizeof(*tip));
    tip->height = HEIGHT - 1;
    tip->time_ms = WALL_MS;
    tip->hash.b[0] = 0x77;
    tip->council.charter_hash.b[0] = 0xc4;
    tip->council.n = MEMBERS;
    for (size_t i = 0; i < MEMBERS; i++)
        tip->council.keys[i][0] = (uint8_t)(i + 1);
}

uint16_t leader_of(uint32_t view)
{
    return (uint16_t)((view - 1) % MEMBERS);
}

static void make_header(
    uint8_t out[SLK_BLOCK_HEADER_SIZE], struct slk_hash *hash, uint32_t view, uint8_t number)
{
    static struct slk_bft_tip tip;
    struct slk_block_header h = {.version = SLK_BLOCK_VERSION, .height = HEIGHT, .origin_view = view};

    make_tip(&tip);
    h.charter_hash = h.next_charter_hash = tip.council.charter_hash;
    h.previous = tip.hash;
    h.time_ms = tip.time_ms + 1;
    h.proposer = leader_of(view);
    h.log_size = HEIGHT + 1;
    h.map_root.b[0] = number;
    slk_block_header_format(out, &h);
    slk_block_hash(hash, out);
}

void block_header(uint8_t out[SLK_BLOCK_HEADER_SIZE], struct slk_hash *hash, uint8_t block)
{
    assert(block > 0 && block < BLOCKS);
    make_header(out, hash, (block + 1u) / 2, block & 1);
}

static uint8_t block_of(const struct slk_hash *hash)
{
    static struct slk_hash known[BLOCKS];
    uint8_t header[SLK_BLOCK_HEADER_SIZE];

    if (slk_hash_is_zero(&known[1]))
        for (uint8_t b = 1; b < BLOCKS; b++)
            block_header(header, &known[b], b);
    for (uint8_t b = 1; b < BLOCKS; b++)
        if (slk_hash_equal(&known[b], hash))
            return b;
    return 0;
}

/* ---- the driver ---- */

static struct slk_bft_effects *effects(void)
{
    static struct slk_bft_effects *out;

    if (out == NULL)
        out = calloc(1, sizeof(*out));
    if (out == NULL)
        abort();
    return out;
}

static void blame(struct member *m, const char *fault)
{
    if (m->fault == NULL)
        m->fault = fault;
}

static void post_to(struct member *m, uint16_t peer, const struct slk_msg *msg)
{
    struct post *post = m->post;
    struct letter *letter;
    static uint8_t bytes[SLK_PROPOSAL_BYTES_MAX];

    if (peer == m->index || peer == m->byzantine || peer >= MEMBERS)
        return;
    if (post->n == post->cap) {
        post->cap = 2 * post->cap + 64;
        post->at = realloc(post->at, post->cap * sizeof(*post->at));
    }
    letter = post->at == NULL ? NULL : &post->at[post->n++];
    if (letter == NULL)
        abort();
    *letter = (struct letter){.from = m->index, .to = peer, .kind = msg->kind};
    letter->size = slk_msg_format(bytes, sizeof(bytes), msg);
    letter->bytes = malloc(letter->size);
    assert(letter->size > 0 && letter->bytes != NULL);
    memcpy(letter->bytes, bytes, letter->size);
}

static void send(struct member *m, uint16_t peer, const struct slk_msg *msg)
{
    for (uint16_t i = 0; m->post != NULL && i < MEMBERS; i++)
        if (peer == i || peer == SLK_BFT_ALL)
            post_to(m, i, msg);
}

/* What the store would answer. */
static void serve(struct member *m, uint16_t peer, const struct slk_get *get)
{
    static struct slk_msg msg;

    memset(&msg, 0, sizeof(msg));
    if (get->what == SLK_GET_COMMIT && m->core->height > HEIGHT) {
        msg.kind = SLK_MSG_COMMIT;
        msg.header = slk_span_of(m->final_header, sizeof(m->final_header));
        msg.certs[msg.certs_n++] = &m->final;
        send(m, peer, &msg);
    }
    for (size_t i = 0; get->what == SLK_GET_BODY && i < m->core->blocks_n; i++) {
        if (!m->core->blocks[i].has_header || !slk_hash_equal(&m->core->blocks[i].hash, &get->hash))
            continue;
        msg.kind = SLK_MSG_DATA;
        msg.header = slk_span_of(m->core->blocks[i].header, SLK_BLOCK_HEADER_SIZE);
        send(m, peer, &msg);
        return;
    }
}

/* Never two of a kind for different blocks, never NULLIFY and FINALIZE, in a view; over crashes, too. */
static void remember(struct member *m, const struct slk_statement *s)
{
    struct key *ever = &m->signed_ever;
    uint8_t block = s->kind == SLK_VOTE_NULLIFY ? 1 : block_of(&s->hash);
    uint8_t *at = s->kind == SLK_VOTE_PROPOSE    ? ever->proposed
                  : s->kind == SLK_VOTE_NOTARIZE ? ever->notarized
                  : s->kind == SLK_VOTE_NULLIFY  ? ever->nullified
                                                 : ever->finalized;

    if (s->view > VIEWS_TOP)
        return;
    if (at[s->view] != 0 && at[s->view] != block)
        blame(m, "it signed two different statements of a kind in one view");
    at[s->view] = block;
    if (s->kind == SLK_VOTE_PROPOSE)
        ever->carried[s->view] = (uint8_t)s->aux;
    if (ever->nullified[s->view] != 0 && ever->finalized[s->view] != 0)
        blame(m, "it signed NULLIFY and FINALIZE in one view");
}

static void on_commit(struct member *m, struct todo *todo, const struct slk_bft_effect *e)
{
    m->is_committing = true;
    m->final_hash = e->hash;
    slk_cert_copy(&m->final, e->cert);
    memcpy(m->final_header, e->header, sizeof(m->final_header));
    todo->is_committed_wanted = m->post != NULL;
}

static void collect(struct member *m, struct todo *todo, const struct slk_bft_effects *out)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct slk_bft_effect *e = &out->at[i];

        if (e->kind == SLK_OUT_PERSIST) {
            todo->seq = e->seq;
        } else if (e->kind == SLK_OUT_SIGN) {
            assert(todo->sign_n < TODO_MAX);
            todo->sign[todo->sign_n++] = e->statement;
        } else if (e->kind == SLK_OUT_VALIDATE) {
            assert(todo->validate_n < TODO_MAX);
            todo->validate[todo->validate_n++] = e->hash;
        } else if (e->kind == SLK_OUT_BUILD) {
            todo->is_built_wanted = m->post != NULL; /* else EVENT_PROPOSE is the answer */
            todo->build_height = e->height;
            todo->build_view = e->view;
        } else if (e->kind == SLK_OUT_SEND) {
            send(m, e->peer, e->msg);
        } else if (e->kind == SLK_OUT_SERVE) {
            serve(m, e->peer, &e->get);
        } else if (e->kind == SLK_OUT_COMMIT) {
            on_commit(m, todo, e);
        } else if (e->kind == SLK_OUT_ALARM) {
            blame(m, "it raised an alarm");
        } else if (e->kind == SLK_OUT_EVIDENCE && e->peer != m->byzantine) {
            blame(m, "it accuses an honest member");
        }
    }
}

static void step(struct member *m, struct todo *todo, struct slk_bft_input in)
{
    in.now_ms = m->now;
    in.wall_ms = WALL_MS + m->now;
    slk_bft_step(m->core, &in, effects());
    m->wake = effects()->wake_ms;
    collect(m, todo, effects());
}

static void give_signature(struct member *m, struct todo *todo)
{
    struct slk_vote vote = {.statement = todo->sign[0], .signer = m->index};

    memmove(todo->sign, todo->sign + 1, --todo->sign_n * sizeof(todo->sign[0]));
    remember(m, &vote.statement);
    mock_sign_statement(vote.sig, &m->core->tip.council, &vote.statement, m->index);
    step(m, todo, (struct slk_bft_input){.kind = SLK_IN_SIGNED, .vote = &vote});
}

static void give_block(struct member *m, struct todo *todo, uint64_t height, uint32_t view)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    bool can = height == HEIGHT; /* one height is all there is */

    todo->is_built_wanted = false;
    make_header(header, &hash, view, 1);
    step(m, todo,
        (struct slk_bft_input){
            .kind = SLK_IN_BUILT, .height = height, .view = view, .header = can ? header : NULL});
}

static void give_committed(struct member *m, struct todo *todo)
{
    static struct slk_bft_tip tip;

    todo->is_committed_wanted = false;
    make_tip(&tip);
    tip.me = m->index;
    tip.height = HEIGHT;
    tip.hash = m->final_hash;
    tip.time_ms++;
    step(m, todo, (struct slk_bft_input){.kind = SLK_IN_COMMITTED, .tip = &tip});
}

static void answer(struct member *m, struct todo *todo)
{
    for (;;) {
        if (todo->seq != 0) {
            uint64_t seq = todo->seq;

            todo->seq = 0;
            step(m, todo, (struct slk_bft_input){.kind = SLK_IN_PERSISTED, .seq = seq});
        } else if (todo->sign_n > 0) {
            give_signature(m, todo);
        } else if (todo->validate_n > 0) {
            struct slk_hash hash = todo->validate[--todo->validate_n];

            step(m, todo,
                (struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = hash, .verdict = SLK_BLOCK_VALID});
        } else if (todo->is_built_wanted) {
            give_block(m, todo, todo->build_height, todo->build_view);
        } else if (todo->is_committed_wanted) {
            give_committed(m, todo);
        } else {
            return;
        }
    }
}

void member_input(struct member *m, struct slk_bft_input in)
{
    struct todo todo = {.seq = 0};

    step(m, &todo, in);
    answer(m, &todo);
}

void member_tick(struct member *m, uint64_t now)
{
    m->now = now;
    member_input(m, (struct slk_bft_input){.kind = SLK_IN_TICK});
}

void member_join(struct member *m, struct post *post)
{
    struct todo todo = {.seq = 0};

    m->post = post;
    if (m->core->is_building) {
        give_block(m, &todo, HEIGHT, m->core->view);
        answer(m, &todo);
    }
}

/* ---- boots ---- */

static void boot(struct member *m, const struct slk_bft_record *records, size_t records_n)
{
    struct slk_bft_input at = {.kind = SLK_IN_TICK, .now_ms = m->now, .wall_ms = WALL_MS + m->now};
    struct slk_bft_config config;
    struct todo todo = {.seq = 0};
    static struct slk_bft_tip tip;

    slk_bft_config_default(&config, DELTA_MS);
    config.verifier = (struct slk_verifier){.ctx = NULL, .verify = mock_verify};
    config.heartbeat_ms = 0;
    config.guard_ms = 0; /* amnesia is the simulator's */
    slk_bft_free(m->core);
    m->core = slk_bft_new(&config);
    if (m->core == NULL)
        abort();
    make_tip(&tip);
    tip.me = m->index;
    slk_bft_start(m->core, &tip, records, records_n, &at, effects());
    collect(m, &todo, effects());
    for (uint8_t b = 1; b < BLOCKS;
         b++) { /* every block is at hand; that one is fetched is the simulator's */
        struct slk_hash hash;
        uint8_t header[SLK_BLOCK_HEADER_SIZE];

        block_header(header, &hash, b);
        (void)slk_bft_block_header(m->core, header, &hash);
    }
    answer(m, &todo);
    member_input(
        m, (struct slk_bft_input){.kind = SLK_IN_POOL, .pool_count = 1, .pool_xor = 1, .pool_urgent = true});
}

void member_init(struct member *m, uint16_t index, uint16_t byzantine, bool is_mortal)
{
    memset(m, 0, sizeof(*m));
    m->index = index;
    m->byzantine = byzantine;
    m->is_mortal = is_mortal;
    m->now = 1000;
    boot(m, NULL, 0);
}

void member_close(struct member *m)
{
    slk_bft_free(m->core);
    memset(m, 0, sizeof(*m));
}

/* The records that the core handed out: the driver made all of them durable. */
void member_restart(struct member *m)
{
    static struct slk_bft_record records[SAVED_MAX];
    static struct slk_cert certs[SAVED_MAX];
    static uint8_t headers[SAVED_MAX][SLK_BLOCK_HEADER_SIZE];
    size_t n = 0;

    for (size_t i = 0; i < m->core->blocks_n; i++) {
        const struct block *block = &m->core->blocks[i];

        if (!block->is_saved)
            continue;
        memcpy(headers[n], block->header, sizeof(headers[n]));
        records[n] =
            (struct slk_bft_record){.kind = SLK_RECORD_BLOCK, .hash = block->hash, .header = headers[n]};
        n++;
    }
    for (uint32_t w = 1; w <= m->core->top; w++) {
        const struct view *view = &m->core->views[w];
        const struct held *held[] = {&view->n, &view->k};

        assert(n + 2 + SLK_VOTE_KIND_N < SAVED_MAX);
        for (size_t i = 0; i < 2; i++) {
            if (!held[i]->is_held || !held[i]->is_saved)
                continue;
            slk_cert_copy(&certs[n], &held[i]->cert);
            records[n] = (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = &certs[n]};
            n++;
        }
        for (int kind = SLK_VOTE_PROPOSE; kind < SLK_VOTE_KIND_N; kind++)
            if (view->own[kind].state != OWN_NONE)
                records[n++] =
                    (struct slk_bft_record){.kind = SLK_RECORD_VOTE, .vote = view->own[kind].vote.statement};
    }
    boot(m, records, n);
}

/* ---- what the others and the Byzantine member send ---- */

static void vote_by(const struct member *m, struct slk_vote *vote, uint16_t signer)
{
    vote->signer = signer;
    mock_sign_statement(vote->sig, &m->core->tip.council, &vote->statement, signer);
}

static struct slk_statement statement_of(enum slk_vote_kind kind, uint32_t view, uint8_t block)
{
    struct slk_statement s = {.kind = kind, .height = HEIGHT, .view = view};
    uint8_t header[SLK_BLOCK_HEADER_SIZE];

    if (kind != SLK_VOTE_NULLIFY)
        block_header(header, &s.hash, block);
    return s;
}

/* By all but this member: its own signature, which it may not have given, would tell it that it forgot. Who else signs a certificate must not
 * matter to anything. */
void member_certify(const struct member *m, struct slk_cert *cert)
{
    struct slk_vote vote = {
        .statement = {.kind = cert->kind, .height = cert->height, .view = cert->view, .hash = cert->hash}};
    size_t used = 0;

    cert->signers = 0;
    for (uint16_t i = 0; i < MEMBERS; i++) {
        if (i == m->index)
            continue;
        cert->signers |= 1ull << i;
        vote_by(m, &vote, i);
        memcpy(cert->sigs[used++], vote.sig, SLK_SIGNATURE_SIZE);
    }
}

static void make_cert(
    const struct member *m, struct slk_cert *cert, enum slk_vote_kind kind, uint32_t view, uint8_t block)
{
    memset(cert, 0, sizeof(*cert));
    cert->kind = kind;
    cert->height = HEIGHT;
    cert->view = view;
    cert->hash = statement_of(kind, view, block).hash;
    cert->bitmap_bytes = 1;
    member_certify(m, cert);
}

static void hear(struct member *m, const struct slk_msg *msg)
{
    member_input(m, (struct slk_bft_input){.kind = SLK_IN_MSG, .peer = m->byzantine, .msg = msg});
}

static void hear_cert(struct member *m, enum slk_vote_kind kind, uint32_t view, uint8_t block)
{
    static struct slk_msg msg;
    static struct slk_cert cert;

    memset(&msg, 0, sizeof(msg));
    make_cert(m, &cert, kind, view, block);
    msg.kind = SLK_MSG_CERT;
    msg.height = HEIGHT;
    msg.certs[msg.certs_n++] = &cert;
    hear(m, &msg);
}

/* The leader's last: its NULLIFY alone would make this member nullify, too. */
static void hear_votes(struct member *m, enum slk_vote_kind kind, uint32_t view, uint8_t block)
{
    static struct slk_msg msg;

    memset(&msg, 0, sizeof(msg));
    msg.kind = SLK_MSG_VOTE;
    msg.vote.statement = statement_of(kind, view, block);
    for (uint16_t i = 1; i <= MEMBERS; i++) {
        uint16_t signer = (uint16_t)((leader_of(view) + i) % MEMBERS);

        if (signer == m->index)
            continue;
        vote_by(m, &msg.vote, signer);
        hear(m, &msg);
    }
}

static void hear_proposal(struct member *m, const struct event *e)
{
    static struct slk_msg msg;
    static struct slk_cert certs[VIEWS_TOP + 1];
    static uint8_t header[SLK_BLOCK_HEADER_SIZE];

    memset(&msg, 0, sizeof(msg));
    block_header(header, &msg.hash, e->block);
    msg.kind = SLK_MSG_PROPOSAL;
    msg.header = slk_span_of(header, sizeof(header));
    msg.vote.statement = statement_of(SLK_VOTE_PROPOSE, e->view, e->block);
    msg.vote.statement.aux = e->carried;
    vote_by(m, &msg.vote, leader_of(e->view));
    for (uint32_t w = e->view - 1u; w > e->carried; w--) {
        if ((e->k_bits >> w & 1) == 0)
            continue;
        make_cert(m, &certs[w], SLK_VOTE_NULLIFY, w, 0);
        msg.certs[msg.certs_n++] = &certs[w];
    }
    if (e->n_block != 0) {
        make_cert(m, &certs[0], SLK_VOTE_NOTARIZE, e->carried, e->n_block);
        msg.certs[msg.certs_n++] = &certs[0];
    }
    hear(m, &msg);
}

/* A leader that can show why, makes its proposal; a carried block waits for its finality first. */
static void propose(struct member *m, const struct event *e)
{
    struct todo todo = {.seq = 0};

    for (uint32_t w = 1; w < e->view; w++)
        if ((e->k_bits >> w & 1) != 0)
            hear_cert(m, SLK_VOTE_NULLIFY, w, 0);
    if (m->signed_ever.proposed[e->view] == 0 && !m->core->is_building)
        member_tick(m, m->now + DELTA_MS);
    if (m->core->is_building) {
        give_block(m, &todo, HEIGHT, e->view);
        answer(m, &todo);
    }
}

void member_event(struct member *m, const struct event *e, bool by_votes)
{
    void (*certify)(struct member *, enum slk_vote_kind, uint32_t, uint8_t) =
        by_votes ? hear_votes : hear_cert;

    switch ((enum event_kind)e->kind) {
    case EVENT_TIMEOUT:
        member_tick(m, m->now + LATE_MS);
        return;
    case EVENT_RESTART:
        member_restart(m);
        return;
    case EVENT_K:
        certify(m, SLK_VOTE_NULLIFY, e->view, 0);
        return;
    case EVENT_N:
        certify(m, SLK_VOTE_NOTARIZE, e->view, e->block);
        return;
    case EVENT_PROPOSE:
        propose(m, e);
        return;
    case EVENT_PROPOSAL:
        hear_proposal(m, e);
        return;
    }
    abort();
}

void member_final(struct member *m, uint8_t view, uint8_t block)
{
    hear_cert(m, SLK_VOTE_FINALIZE, view, block);
}

/* ---- what a member's state is ---- */

/* The lowest view in which this member can be from here on. */
static uint32_t floor_view(const struct member *m)
{
    uint32_t view = 1;

    if (!m->is_mortal)
        return m->core->view;
    for (uint32_t w = 1; w <= VIEWS_TOP; w++) { /* after a crash: where its votes show it to have been */
        if (m->signed_ever.proposed[w] != 0 || m->signed_ever.notarized[w] != 0 ||
            m->signed_ever.nullified[w] != 0)
            view = w;
        if (m->signed_ever.finalized[w] != 0)
            view = w + 1;
    }
    return view;
}

/* N of a view that it nullified moves a member no more, unless it shall still lead. */
static bool is_moot(const struct member *m, uint32_t w)
{
    uint32_t leads = m->index + 1u, from = floor_view(m);

    return m->signed_ever.nullified[w] != 0 && m->signed_ever.finalized[w] == 0 && w + 1 < from &&
           (leads < from || leads > VIEWS_TOP || m->signed_ever.proposed[leads] != 0);
}

/* K before the view it shall lead lets it carry a block at once; also at a boot, when that K was saved. */
static bool is_kept_to_lead(const struct member *m, uint32_t w)
{
    const struct held *k = &m->core->views[w].k;

    return m->is_mortal && w >= 2 && m->index == w && w < VIEWS_TOP && m->signed_ever.proposed[w + 1] == 0 &&
           floor_view(m) <= w + 1 && k->is_held && k->is_saved;
}

void member_key(const struct member *m, struct key *out)
{
    *out = m->signed_ever;
    out->view = (uint8_t)(m->core->view <= VIEWS_TOP ? m->core->view : VIEWS_TOP + 1);
    for (uint32_t w = 1; w <= VIEWS_TOP; w++) {
        const struct held *n = &m->core->views[w].n;

        out->k_saved[w] = is_kept_to_lead(m, w);
        if (!n->is_held || is_moot(m, w))
            continue;
        out->n[w] = block_of(&n->cert.hash);
        out->n_saved[w] = n->is_saved;
    }
}

void member_forget(struct member *m)
{
    struct view *views = m->core->views;

    for (uint32_t w = 1; w < m->core->view; w++) {
        if ((w + 1 < m->core->view || views[w].n.is_held) && (w > VIEWS_TOP || !is_kept_to_lead(m, w)))
            views[w].k.is_held = views[w].k.is_saved = false;
        if (w <= VIEWS_TOP && is_moot(m, w))
            views[w].n.is_held = views[w].n.is_saved = false;
    }
}

/* ---- pictures: the lines of the core's memory that are not zero ---- */

enum { LINE = 64, BLOCKS_TOUCHED = 16, VIEWS_TOUCHED = VIEWS_TOP + 3 };

#define HEAD_BYTES  (offsetof(struct slk_bft, blocks) + BLOCKS_TOUCHED * sizeof(struct block))
#define VIEWS_BYTES (VIEWS_TOUCHED * sizeof(struct view))
#define REGIONS_N   2
#define PICTURE_MAX (sizeof(struct member) + 2 * (HEAD_BYTES + VIEWS_BYTES))

/* What of a core one height of a few views touches; the rest is zero. */
struct region {
    size_t at, size;
};
static const struct region regions[REGIONS_N] = {
    {0, HEAD_BYTES},
    {offsetof(struct slk_bft, views), VIEWS_BYTES},
};

static size_t line_size(const struct region *region, size_t at)
{
    return region->size - at < LINE ? region->size - at : LINE;
}

static bool is_zero(const uint8_t *at, size_t size)
{
    return at[0] == 0 && memcmp(at, at + 1, size - 1) == 0;
}

/* The member, then for each region its lines, each after its number. */
struct picture *member_picture(const struct member *m)
{
    static uint8_t flat[PICTURE_MAX];
    const uint8_t *core = (const uint8_t *)m->core;
    struct picture *picture;
    size_t size = 0;

    assert(m->core->blocks_n <= BLOCKS_TOUCHED && m->core->top < VIEWS_TOUCHED && m->core->out == NULL);
    memcpy(flat, m, sizeof(*m));
    size += sizeof(*m);
    for (size_t r = 0; r < REGIONS_N; r++) {
        for (size_t at = 0; at < regions[r].size; at += LINE) {
            size_t n = line_size(&regions[r], at);
            uint16_t line = (uint16_t)(at / LINE);

            if (is_zero(core + regions[r].at + at, n))
                continue;
            memcpy(flat + size, &line, sizeof(line));
            memcpy(flat + size + sizeof(line), core + regions[r].at + at, n);
            size += sizeof(line) + n;
        }
        memset(flat + size, 0xff, sizeof(uint16_t)); /* the region's end */
        size += sizeof(uint16_t);
    }
    picture = malloc(sizeof(*picture) + size);
    if (picture == NULL)
        abort();
    picture->size = size;
    memcpy(picture->bytes, flat, size);
    return picture;
}

void member_recall(struct member *m, const struct picture *picture)
{
    struct slk_bft *core = m->core;
    const uint8_t *from = picture->bytes;
    uint16_t line;

    memcpy(m, from, sizeof(*m));
    m->core = core;
    from += sizeof(*m);
    for (size_t r = 0; r < REGIONS_N; r++) {
        uint8_t *to = (uint8_t *)core + regions[r].at;

        memset(to, 0, regions[r].size);
        for (;;) {
            memcpy(&line, from, sizeof(line));
            from += sizeof(line);
            if (line == UINT16_MAX)
                break;
            memcpy(to + (size_t)line * LINE, from, line_size(&regions[r], (size_t)line * LINE));
            from += line_size(&regions[r], (size_t)line * LINE);
        }
    }
    assert(from == picture->bytes + picture->size);
}
