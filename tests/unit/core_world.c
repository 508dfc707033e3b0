/* core_world.c: one consensus core and its driver. */
#include "tests/unit/core_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct slk_bft *core;
struct slk_bft_effects *out;
struct slk_bft_tip tip;
struct slk_council second_charter;
struct link chain[LINKS];
uint64_t now;
size_t changes_at;
struct waiting waiting;
struct asked asked[ASKED];
size_t asked_n, sent_n[SLK_MSG_KIND_N], commits_n, signed_n[SLK_VOTE_KIND_N], charged_n;
size_t evidence_n;
struct slk_vote accused[2];
struct slk_cert shown[SLK_VOTE_KIND_N];
unsigned alarms;
bool is_disk_slow, is_validator_slow;
enum slk_bft_verdict verdict;

static bool council_of(
    void *ctx, struct slk_span bytes, const struct slk_hash *hash, struct slk_council *council)
{
    (void)ctx;
    *council = second_charter;
    return bytes.size == 1 && bytes.at[0] == 2 && slk_hash_equal(hash, &second_charter.charter_hash);
}

struct slk_vote vote_of(enum slk_vote_kind kind, uint16_t signer, uint32_t view, const struct slk_hash *hash)
{
    struct slk_vote v = {
        .statement = {.kind = kind, .height = tip.height + 1, .view = view}, .signer = signer};

    if (hash != NULL)
        v.statement.hash = *hash;
    mock_sign_statement(v.sig, &tip.council, &v.statement, signer);
    return v;
}

struct slk_cert cert_by(const struct slk_council *council, enum slk_vote_kind kind, uint64_t height,
    uint32_t view, const struct slk_hash *hash, uint64_t signers)
{
    struct slk_cert c = {.kind = kind, .height = height, .view = view, .signers = signers};
    struct slk_statement s = {.kind = kind, .height = height, .view = view};
    size_t used = 0;

    c.bitmap_bytes = (uint8_t)((council->n + 7) / 8);
    if (hash != NULL)
        c.hash = s.hash = *hash;
    for (size_t i = 0; i < council->n; i++)
        if ((signers >> i & 1) != 0)
            mock_sign_statement(c.sigs[used++], council, &s, i);
    return c;
}

struct slk_cert cert_of(enum slk_vote_kind kind, uint32_t view, const struct slk_hash *hash)
{
    return cert_by(&tip.council, kind, tip.height + 1, view, hash, 0xe);
}

static void note(void)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct slk_bft_effect *e = &out->at[i];

        if (e->kind == SLK_OUT_SEND) {
            sent_n[e->msg->kind]++;
            for (size_t k = 0; k < e->msg->certs_n && e->msg->kind == SLK_MSG_CERT; k++)
                shown[e->msg->certs[k]->kind] = *e->msg->certs[k];
            if (e->msg->kind == SLK_MSG_GET && asked_n < ASKED) {
                asked[asked_n].get = e->msg->get;
                asked[asked_n++].peer = e->peer;
            }
        }
        alarms |= e->kind == SLK_OUT_ALARM ? 1u << e->alarm : 0;
        charged_n += e->kind == SLK_OUT_CHARGE;
        if (e->kind == SLK_OUT_EVIDENCE) {
            evidence_n++;
            assert_int_equal(e->peer, e->msg->vote.signer);
            accused[0] = e->msg->vote;
            accused[1] = e->msg->other;
        }
        if (e->kind != SLK_OUT_PERSIST && e->kind != SLK_OUT_SIGN && e->kind != SLK_OUT_VALIDATE &&
            e->kind != SLK_OUT_COMMIT)
            continue;
        assert_true(waiting.n < WAITING);
        waiting.at[waiting.n] = *e;
        if (e->header != NULL)
            memcpy(waiting.headers[waiting.n], e->header, SLK_BLOCK_HEADER_SIZE);
        waiting.n++;
    }
}

void step(struct slk_bft_input in)
{
    in.now_ms = now;
    in.wall_ms = 1000000 + now;
    slk_bft_step(core, &in, out);
    note();
}

static void committed(const struct slk_bft_effect *e, const uint8_t *header)
{
    struct slk_block_header h;

    assert_int_equal(slk_block_header_parse(&h, header), SLK_OK);
    tip.height = e->height;
    tip.hash = e->hash;
    tip.time_ms = h.time_ms;
    if (slk_hash_equal(&h.next_charter_hash, &second_charter.charter_hash))
        tip.council = second_charter;
    commits_n++;
    step((struct slk_bft_input){.kind = SLK_IN_COMMITTED, .tip = &tip});
}

static void answer(const struct slk_bft_effect *e, const uint8_t *header)
{
    if (e->kind == SLK_OUT_PERSIST) {
        step((struct slk_bft_input){.kind = SLK_IN_PERSISTED, .seq = e->seq});
    } else if (e->kind == SLK_OUT_SIGN) {
        struct slk_vote v = {.statement = e->statement, .signer = tip.me};

        signed_n[e->statement.kind]++;
        mock_sign_statement(v.sig, &tip.council, &v.statement, tip.me);
        step((struct slk_bft_input){.kind = SLK_IN_SIGNED, .vote = &v});
    } else if (e->kind == SLK_OUT_VALIDATE) {
        step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = e->hash, .verdict = verdict});
    } else {
        committed(e, header);
    }
}

void work(void)
{
    for (size_t i = 0; i < waiting.n;) {
        struct slk_bft_effect e = waiting.at[i];
        uint8_t header[SLK_BLOCK_HEADER_SIZE];

        if ((e.kind == SLK_OUT_VALIDATE && is_validator_slow) || (e.kind == SLK_OUT_COMMIT && is_disk_slow)) {
            i++;
            continue;
        }
        memcpy(header, waiting.headers[i], sizeof(header));
        waiting.n--;
        memmove(&waiting.at[i], &waiting.at[i + 1], (waiting.n - i) * sizeof(e));
        memmove(waiting.headers[i], waiting.headers[i + 1], (waiting.n - i) * sizeof(header));
        answer(&e, header);
        i = 0;
    }
}

void hear(uint16_t peer, const struct slk_msg *msg)
{
    step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = peer, .msg = msg});
    work();
}

void hear_vote(uint16_t peer, struct slk_vote v)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_VOTE, .vote = v};
    hear(peer, &msg);
}

void hear_cert(uint16_t peer, const struct slk_cert *c)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_CERT, .height = c->height, .certs_n = 1, .certs = {c}};
    hear(peer, &msg);
}

void hear_status(uint16_t peer, uint64_t height)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_STATUS};
    msg.status.height = height;
    msg.status.view = 1;
    msg.status.seq = 7;
    msg.status.tip_hash = tip.hash;
    msg.status.charter_hash = tip.council.charter_hash;
    hear(peer, &msg);
}

void make_header(uint8_t bytes[SLK_BLOCK_HEADER_SIZE], struct slk_hash *hash, uint64_t height,
    const struct slk_hash *previous, uint32_t view, uint64_t time_ms)
{
    struct slk_block_header h = {.version = SLK_BLOCK_VERSION,
        .height = height,
        .time_ms = time_ms,
        .log_size = 9,
        .origin_view = view,
        .previous = *previous};
    const struct slk_council *council =
        changes_at > 0 && height >= changes_at ? &second_charter : &tip.council;

    h.chain_id = council->chain_id;
    h.charter_hash = council->charter_hash;
    h.next_charter_hash =
        changes_at > 0 && height + 1 >= changes_at ? second_charter.charter_hash : council->charter_hash;
    h.proposer = slk_council_leader(council, height, view);
    slk_block_header_format(bytes, &h);
    slk_block_hash(hash, bytes);
}

void make_chain(void)
{
    const struct slk_hash *previous = &tip.hash;

    for (uint64_t i = 0; i < LINKS; i++) {
        uint64_t height = TIP + 1 + i;
        const struct slk_council *council =
            changes_at > 0 && height >= changes_at ? &second_charter : &tip.council;

        make_header(chain[i].header, &chain[i].hash, height, previous, 1, 1000 + 10 * height);
        chain[i].final = cert_by(council, SLK_VOTE_FINALIZE, height, 1, &chain[i].hash, 0xe);
        previous = &chain[i].hash;
    }
}

void boot(size_t n, uint16_t me, const struct slk_bft_record *records, size_t records_n)
{
    struct slk_bft_config config;
    struct slk_bft_input at = {.kind = SLK_IN_TICK, .now_ms = now, .wall_ms = 1000000 + now};

    slk_bft_config_default(&config, 100);
    config.verifier.verify = mock_verify;
    config.electors.council = council_of;
    config.heartbeat_ms = 0;
    slk_bft_free(core);
    core = slk_bft_new(&config);
    out = out != NULL ? out : calloc(1, sizeof(*out));
    assert_non_null(core);
    assert_non_null(out);
    memset(&tip, 0, sizeof(tip));
    tip.height = TIP; /* the leader of (5, 1) is member 5 mod n */
    tip.time_ms = 1000;
    tip.me = me;
    tip.hash.b[0] = 0x44;
    tip.council.n = n;
    tip.council.charter_hash.b[0] = 1;
    for (size_t i = 0; i < n; i++)
        tip.council.keys[i][0] = (uint8_t)(i + 1);
    second_charter = tip.council;
    second_charter.charter_hash.b[0] = 2;
    second_charter.keys[3][0] = 77;
    waiting.n = asked_n = commits_n = charged_n = evidence_n = alarms = 0;
    memset(shown, 0, sizeof(shown));
    memset(sent_n, 0, sizeof(sent_n));
    memset(signed_n, 0, sizeof(signed_n));
    is_disk_slow = is_validator_slow = false;
    verdict = SLK_BLOCK_VALID;
    slk_bft_start(core, &tip, records, records_n, &at, out);
    note();
    work();
}

int clean(void **state)
{
    (void)state;
    now = 0;
    changes_at = 0;
    return 0;
}

int clean_all(void **state)
{
    (void)state;
    slk_bft_free(core);
    free(out);
    return 0;
}

struct slk_bft_view_of look(void)
{
    struct slk_bft_view_of l;

    slk_bft_look(core, &l);
    return l;
}

uint64_t dropped(enum slk_bft_drop why)
{
    return look().dropped_by[why];
}

void tick(uint64_t in_ms)
{
    now += in_ms;
    step((struct slk_bft_input){.kind = SLK_IN_TICK});
    work();
}

void may_vote(void)
{
    hear_status(1, tip.height + 1);
    hear_status(2, tip.height + 1);
}

const struct slk_get *last_get(enum slk_get_what what, uint16_t *peer)
{
    for (size_t i = asked_n; i > 0; i--) {
        if (asked[i - 1].get.what != what)
            continue;
        if (peer != NULL)
            *peer = asked[i - 1].peer;
        return &asked[i - 1].get;
    }
    return NULL;
}

void hear_headers(uint16_t peer, size_t from, size_t n)
{
    static struct slk_msg msg;
    static uint8_t bytes[SLK_RANGE_MAX * SLK_BLOCK_HEADER_SIZE];

    msg = (struct slk_msg){.kind = SLK_MSG_HEADERS, .certs_n = n};
    for (size_t i = 0; i < n; i++) {
        memcpy(bytes + i * SLK_BLOCK_HEADER_SIZE, chain[from + i].header, SLK_BLOCK_HEADER_SIZE);
        msg.certs[i] = &chain[from + i].final;
    }
    msg.header = slk_span_of(bytes, n * SLK_BLOCK_HEADER_SIZE);
    hear(peer, &msg);
}

void hear_commit(uint16_t peer, const struct link *link)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_COMMIT, .hash = link->hash, .certs_n = 1, .certs = {&link->final}};
    msg.header = slk_span_of(link->header, SLK_BLOCK_HEADER_SIZE);
    hear(peer, &msg);
}

void hear_proposal(uint32_t view, uint32_t carried, const uint8_t *header, const struct slk_hash *hash,
    const struct slk_cert *certs, size_t certs_n)
{
    static struct slk_msg msg;
    uint16_t leader = slk_council_leader(&tip.council, tip.height + 1, view);

    msg = (struct slk_msg){.kind = SLK_MSG_PROPOSAL, .hash = *hash, .certs_n = certs_n};
    msg.vote = vote_of(SLK_VOTE_PROPOSE, leader, view, hash);
    msg.vote.statement.aux = carried;
    mock_sign_statement(msg.vote.sig, &tip.council, &msg.vote.statement, leader);
    msg.header = slk_span_of(header, SLK_BLOCK_HEADER_SIZE);
    for (size_t i = 0; i < certs_n; i++)
        msg.certs[i] = &certs[i];
    hear(leader, &msg);
}

void hear_data(uint16_t peer, const struct link *link)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_DATA, .hash = link->hash};
    msg.header = slk_span_of(link->header, SLK_BLOCK_HEADER_SIZE);
    hear(peer, &msg);
}

void serve_bodies(void)
{
    for (size_t i = 0; i < asked_n; i++)
        if (asked[i].get.what == SLK_GET_BODY && asked[i].get.height > TIP)
            hear_data(asked[i].peer, &chain[asked[i].get.height - TIP - 1]);
}
