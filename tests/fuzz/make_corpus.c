/* make_corpus.c: writes the seeds of every fuzz target from our own formatters.
 *
 *   make_corpus DIR           writes DIR/<target>/<seed>
 *   make_corpus --check DIR   compares instead: the formats have not changed by accident (TAP)
 */
#include <errno.h>
#include <lmdb.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/core/msg.h"
#include "ledger/core/receipt.h"
#include "ledger/store/internal.h"
#include "ledger/verify/proof.h"
#include "ledger/verify/tile.h"
#include "net/mesh_hello.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/make_corpus.h"
#include "tests/fuzz/world.h"
#include "tests/unit/signer.h"
#include "tools/charter_text.h"
#include "tools/evidence.h"
#include "tools/ndjson.h"

#define SEED_CONS_MAX 4096
#define SEED_MAX      ((size_t)1 << 17)

static const char *root;
static bool checking;
static unsigned seeds_n, wrong_n;

static void compare(const char *path, const void *at, size_t size)
{
    static uint8_t stored[SEED_MAX];
    FILE *f = fopen(path, "rb");
    size_t n = f != NULL ? fread(stored, 1, sizeof(stored), f) : 0;
    bool same = f != NULL && n == size && memcmp(stored, at, size) == 0;

    if (f != NULL)
        fclose(f);
    wrong_n += !same;
    printf("%s %u - %s\n", same ? "ok" : "not ok", seeds_n, path + strlen(root) + 1);
}

void seed(const char *target, const char *name, const void *at, size_t size)
{
    char path[4096];
    FILE *f;

    seeds_n++;
    snprintf(path, sizeof(path), "%s/%s/%s", root, target, name);
    if (checking) {
        compare(path, at, size);
        return;
    }
    snprintf(path, sizeof(path), "%s/%s", root, target);
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        perror(path);
    snprintf(path, sizeof(path), "%s/%s/%s", root, target, name);
    f = fopen(path, "wb");
    if (f == NULL || fwrite(at, 1, size, f) != size || fclose(f) != 0) {
        perror(path);
        exit(2);
    }
}

void seed_text(const char *target, const char *name, const char *text)
{
    seed(target, name, text, strlen(text));
}

/* Every kind of event, as events, as entries, in submissions and blocks: one credential's whole life. */
static void seed_life(struct world *w)
{
    static const enum slk_kind kinds[] = {
        SLK_ISSUE, SLK_LOCK, SLK_REBIND, SLK_RENEW, SLK_REVOKE, SLK_ISSUE, SLK_LOCK, SLK_UNLOCK};
    static const char *const names[] = {
        "issue", "lock", "rebind", "renew", "revoke", "issue-again", "lock-again", "unlock"};
    struct life life = life_of(0);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        uint8_t event[SLK_EVENT_MAX];
        struct slk_span span = slk_span_of(event, life_event(event, &life, kinds[i]));

        seed("event", names[i], event, span.size);
        world_commit(w, &span, 1);
        seed("entry", names[i], w->entries[w->entries_n - 3].at, w->entries[w->entries_n - 3].size);
    }
}

static void seed_entries(const struct world *w)
{
    uint8_t out[512];
    struct slk_span a = w->entries[w->entries_n - 2], s = w->entries[w->entries_n - 1];

    seed("entry", "charter", w->entries[0].at, w->entries[0].size);
    seed("entry", "seal-0", w->entries[1].at, w->entries[1].size);
    seed("entry", "authorization", a.at, a.size);
    seed("entry", "seal", s.at, s.size);
    seed("entry", "evidence", out, slk_entry_format_evidence(out, sizeof(out), a, s));
}

/* Issues credentials 1..n in one block. */
static void commit_crowd(struct world *w, unsigned n)
{
    struct slk_span spans[32];
    uint8_t events[32][SLK_EVENT_MAX];

    for (unsigned i = 0; i < n; i++) {
        struct life life = life_of(i + 1);

        spans[i] = slk_span_of(events[i], life_event(events[i], &life, SLK_ISSUE));
    }
    struct slk_span submission = world_submission(w, spans, n);
    seed("submission", "crowd", submission.at, submission.size);
    free((void *)(uintptr_t)submission.at);
    submission = world_submission(w, spans, 1);
    seed("submission", "single", submission.at, submission.size);
    free((void *)(uintptr_t)submission.at);
    world_commit(w, spans, n);
}

static void seed_charters(const struct world *w)
{
    static struct slk_charter c;
    static uint8_t out[SLK_CHARTER_BYTES_MAX];
    static char policy[65536];
    char vkey_text[SLK_VKEY_MAX];
    struct slk_vkey vkey;

    seed("charter", "four-agencies", w->charter_bytes, w->charter_size);
    seed("policy", "four-agencies", policy, slk_charter_policy(policy, sizeof(policy), &w->charter));
    c = w->charter;
    c.members_n = 1;
    c.issuers_n = 0;
    seed("charter", "one-agency", out, slk_charter_format(out, sizeof(out), &c));
    seed("policy", "one-agency", policy, slk_charter_policy(policy, sizeof(policy), &c));
    c.version = 2;
    c.has_previous = true;
    c.previous = w->charter.hash;
    seed("charter", "second", out, slk_charter_format(out, sizeof(out), &c));
    if (slk_vkey_init(&vkey, WORLD_ORIGIN, SLK_SIG_ED25519, c.members[0].log_key) != SLK_OK)
        abort();
    seed("vkey", "log", vkey_text, slk_vkey_format(vkey_text, &vkey));
    snprintf(policy, sizeof(policy), "# a lone log\nlog %s\nquorum none\n", vkey_text);
    seed_text("policy", "no-quorum", policy);
    if (slk_vkey_init(&vkey, c.members[0].name, SLK_SIG_COSIGNATURE_V1, c.members[0].cosign_key) != SLK_OK)
        abort();
    seed("vkey", "cosigner", vkey_text, slk_vkey_format(vkey_text, &vkey));
    snprintf(policy, sizeof(policy),
        "log %s\nwitness w1 %s\ngroup g1 any w1\n\n\tgroup g2 all g1\nquorum g2\n", vkey_text, vkey_text);
    seed_text("policy", "groups", policy);
}

/* Of a world whose tip is its genesis block: fuzz_change.c judges in that one. */
static void seed_changes(const struct world *empty)
{
    struct slk_span entry = world_change(empty);
    struct slk_change *c = calloc(1, sizeof(*c));
    static uint8_t out[SLK_ENTRY_MAX];

    seed("change", "fifth-agency", entry.at, entry.size);
    if (c == NULL || slk_change_parse(c, entry) != SLK_OK)
        abort();
    c->approvals_n = 3; /* the quorum */
    seed("change", "quorum", out, slk_change_format(out, sizeof(out), c));
    c->approvals_n = c->possessions_n = c->readies_n = 0;
    seed("change", "unsigned", out, slk_change_format(out, sizeof(out), c));
    seed("entry", "change", out, slk_change_format(out, sizeof(out), c));
    free(c);
    free((void *)(uintptr_t)entry.at);
}

static void seed_evidence(const char *name, const struct evidence *e)
{
    size_t size = 0;
    char *line = evidence_format(e, &size);

    if (line == NULL)
        abort();
    seed("evidence", name, line, size - 1);
    free(line);
}

/* The same checkpoint twice, with and without a path; two votes. Nobody looks at what they prove. */
static void seed_split(char *note, size_t size)
{
    struct evidence e = {.kind = EVIDENCE_SPLIT,
        .notes = {note, note},
        .notes_n = {size, size},
        .from = {"http://127.0.0.1:8101", "unix:/run/sillok"}};

    seed_evidence("same-size", &e);
    e.has_path = true;
    e.path_n = 3;
    e.path[1].b[0] = 7;
    seed_evidence("with-path", &e);
    e = (struct evidence){.kind = EVIDENCE_VOTES, .key = {1}, .chain_id = {{2}}, .charter_hash = {{3}}};
    e.first.statement =
        (struct slk_statement){.kind = SLK_VOTE_NOTARIZE, .height = 9, .view = 3, .hash = {{4}}};
    e.second.statement =
        (struct slk_statement){.kind = SLK_VOTE_NOTARIZE, .height = 9, .view = 3, .hash = {{5}}};
    seed_evidence("votes", &e);
}

static void seed_notes(const struct world *w)
{
    char note[WORLD_NOTE_MAX];
    size_t size = world_note(note, w, WORLD_MEMBERS);
    const char *blank = strstr(note, "\n\n");

    seed("note", "cosigned", note, size);
    seed("checkpoint", "tip", note, (size_t)(blank + 1 - note));
    seed_split(note, size);
    seed("note", "log-alone", note, world_note(note, w, 0));
    seed_text("checkpoint", "empty-tree", "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
}

/* A seed that is refused would teach a fuzzer nothing of what lies behind. */
static void must_verify(
    struct slk_span proof, const struct life *life, const char *policy_text, size_t policy_size)
{
    const struct slk_verify_options options = {.now_s = WORLD_START_S + 3600};
    struct slk_policy *policy = NULL;
    struct slk_answer answer;
    struct slk_fault fault;

    if (slk_policy_new(&policy, policy_text, policy_size, &fault) != SLK_OK ||
        slk_verify_status(&answer, proof, life->handle, policy, &options) != SLK_OK)
        abort();
    slk_answer_clear(&answer);
    slk_policy_free(policy);
}

static void seed_one_proof(
    const struct world *w, const char *name, unsigned credential, bool text, bool with_history)
{
    static char policy[65536];
    static uint8_t out[SEED_MAX];
    struct life life = life_of(credential);
    struct slk_span proof = world_proof(w, life.handle, text, with_history);
    struct slk_writer b = {.at = out, .cap = sizeof(out)};
    size_t policy_size = slk_charter_policy(policy, sizeof(policy), &w->charter);

    must_verify(proof, &life, policy, policy_size);
    seed("proof", name, proof.at, proof.size);
    slk_write_bytes(&b, life.handle, sizeof(life.handle));
    slk_write_u16(&b, (uint16_t)policy_size);
    slk_write_bytes(&b, policy, policy_size);
    slk_write_bytes(&b, proof.at, proof.size);
    if (b.bad)
        abort();
    seed("status", name, out, b.size);
    free((void *)(uintptr_t)proof.at);
}

static void seed_proofs(const struct world *w)
{
    seed_one_proof(w, "history-text", 0, true, true);
    seed_one_proof(w, "history-binary", 0, false, true);
    seed_one_proof(w, "record-text", 1, true, false);
    seed_one_proof(w, "record-binary", 1, false, false);
    seed_one_proof(w, "absent-text", 1000, true, false);
    seed_one_proof(w, "absent-binary", 1000, false, false);
}

static void seed_map_proof(const struct world *w, const char *name, const uint8_t handle[SLK_HANDLE_SIZE])
{
    static uint8_t out[SLK_HASH_SIZE + SLK_HANDLE_SIZE + SLK_MAP_PROOF_MAX];
    size_t head = SLK_HASH_SIZE + SLK_HANDLE_SIZE;

    memcpy(out, w->machine.tip.map_root.b, SLK_HASH_SIZE);
    memcpy(out + SLK_HASH_SIZE, handle, SLK_HANDLE_SIZE);
    seed("map_proof", name, out, head + world_map_proof(out + head, sizeof(out) - head, w, handle));
}

/* The first credential number, from 1000 on, whose absence ends as `end`. */
static struct life absent_life(const struct world *w, enum slk_map_end end)
{
    for (unsigned i = 1000; i < 2000; i++) {
        struct life life = life_of(i);
        struct slk_map_walk walk;
        struct slk_hash path;

        slk_hash_bytes(&path, life.handle, sizeof(life.handle));
        slk_map_walk(w->machine.map, &path, &walk);
        if (walk.end == end)
            return life;
    }
    abort();
}

static void seed_map_proofs(const struct world *w, const struct world *empty)
{
    seed_map_proof(w, "present", life_of(0).handle);
    seed_map_proof(w, "absent-other", absent_life(w, SLK_MAP_OTHER).handle);
    seed_map_proof(w, "absent-empty", absent_life(w, SLK_MAP_EMPTY).handle);
    seed_map_proof(empty, "empty-map", life_of(0).handle);
}

static void write_leaf(struct slk_writer *b, const struct world *w, const struct slk_row *row)
{
    struct slk_entry entry;
    struct slk_event event;
    struct slk_hash path;

    if (slk_entry_parse(&entry, w->entries[row->log_index]) != SLK_OK ||
        slk_event_parse(&event, entry.event) != SLK_OK)
        abort();
    slk_hash_bytes(&path, event.credential, SLK_HANDLE_SIZE);
    slk_write_bytes(b, path.b, SLK_HASH_SIZE);
    slk_write_bytes(b, row->record, SLK_RECORD_SIZE);
}

static void seed_crowd(const struct world *w, const char *name, const uint8_t *prefix, unsigned bits)
{
    static uint8_t out[SEED_MAX];
    struct slk_writer b = {.at = out, .cap = sizeof(out)};
    uint64_t rows[WORLD_ROWS_MAX];
    struct slk_map_walk walk;
    size_t n;

    if (slk_map_crowd(w->machine.map, prefix, bits, &walk, rows, WORLD_ROWS_MAX, &n) != SLK_OK)
        abort();
    slk_write_bytes(&b, w->machine.tip.map_root.b, SLK_HASH_SIZE);
    slk_write_u8(&b, (uint8_t)bits);
    slk_write_bytes(&b, prefix, (bits + 7) / 8);
    slk_map_walk_write(&b, &walk);
    slk_write_u32(&b, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        write_leaf(&b, w, &w->rows[rows[i]]);
    if (b.bad)
        abort();
    seed("crowd", name, out, b.size);
}

static void seed_crowds(const struct world *w)
{
    static const uint8_t zero[SLK_HASH_SIZE];
    struct slk_hash path;

    slk_hash_bytes(&path, life_of(0).handle, SLK_HANDLE_SIZE);
    seed_crowd(w, "everyone", zero, 0);
    seed_crowd(w, "three-bits", path.b, 3);
    seed_crowd(w, "one-alone", path.b, 40);
    path.b[4] ^= 0x80;
    seed_crowd(w, "nobody", path.b, 40);
}

static void seed_partitions(void)
{
    static uint8_t out[SEED_MAX];
    struct slk_map_update updates[40];
    struct slk_map *map = NULL;
    size_t size;

    if (slk_map_new(&map, NULL) != SLK_OK)
        abort();
    memset(updates, 0, sizeof(updates));
    for (unsigned i = 0; i < 40; i++) {
        slk_hash_bytes(&updates[i].path, &i, 1);
        updates[i].path.b[0] = 0x12; /* all in one partition */
        updates[i].path.b[1] = (uint8_t)(updates[i].path.b[1] >> 2 | 0x40);
        slk_hash_bytes(&updates[i].leaf, &updates[i].path, SLK_HASH_SIZE);
        updates[i].row = i;
        updates[i].old_row = SLK_MAP_ROW_NONE;
    }
    if (slk_map_apply(map, updates, 40, NULL) != SLK_OK)
        abort();
    out[0] = 0x12 >> 6;
    out[1] = (uint8_t)(0x12 << 2 | 0x40 >> 6);
    size = slk_map_export(map, 0x12 << 2 | 0x40 >> 6, out + 2, sizeof(out) - 2);
    seed("map_import", "forty-leaves", out, size + 2);
    seed("map_import", "empty", out, 2 + slk_map_export(map, 0, out + 2, sizeof(out) - 2));
    slk_map_free(map);
}

static void seed_signatures(void)
{
    uint8_t out[SLK_SIGNATURE_SIZE + SLK_KEY_SIZE + 8], secret[crypto_sign_SECRETKEYBYTES];
    uint8_t key_seed[crypto_sign_SEEDBYTES] = {7};
    uint8_t *key = out + SLK_SIGNATURE_SIZE, *message = key + SLK_KEY_SIZE;

    memcpy(message, "messages", 8);
    crypto_sign_seed_keypair(key, secret, key_seed);
    crypto_sign_detached(out, NULL, message, 8, secret);
    seed("sig", "good", out, sizeof(out));
    seed("sig", "no-message", out, sizeof(out) - 8);
    memset(out, 0, SLK_SIGNATURE_SIZE + SLK_KEY_SIZE);
    out[0] = 1; /* R = A = the identity, S = 0: OpenSSL 3.0 accepts it for any message */
    key[0] = 1;
    seed("sig", "small-order", out, sizeof(out));
}

static void seed_spellings(void)
{
    seed_text("qr", "pairs", "SLK1:000000000000000000000000000000000000000000000000BB8");
    seed_text("qr", "odd", "SLK1:000000000000000000000000000000000000000000000000%69 VD92EX0U5");
    seed_text("tile", "hashes", "tile/0/x001/x234/067");
    seed_text("tile", "partial", "tile/3/255.p/112");
    seed_text("tile", "entries", "tile/entries/x001/000.p/1");
    seed("bytes", "base64", "\0AAECAwQFBgc=", 13);
    seed("bytes", "hex",
        "\1"
        "00ff7f80",
        9);
    seed("bytes", "decimal",
        "\2"
        "18446744073709551615",
        21);
    seed("bytes", "varint", "\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
}

/* Blocks for fuzz_block's world: genesis and one ISSUE. */
static void seed_blocks(void)
{
    static uint8_t out[SEED_MAX];
    struct world *w = world_new();
    struct slk_writer b = {.at = out, .cap = sizeof(out)};
    struct life first = life_of(0), second = life_of(1);
    uint8_t events[3][SLK_EVENT_MAX];
    struct slk_span spans[3], submission;

    spans[0] = slk_span_of(events[0], life_event(events[0], &first, SLK_ISSUE));
    world_commit(w, spans, 1);
    spans[0] = slk_span_of(events[0], life_event(events[0], &first, SLK_LOCK));
    spans[1] = slk_span_of(events[1], life_event(events[1], &second, SLK_ISSUE));
    spans[2] = slk_span_of(events[2], life_event(events[2], &first, SLK_REBIND));
    submission = world_submission(w, spans, 3);
    if (world_build(w, &submission, 1) != SLK_RULE_OK)
        abort();
    slk_write_u8(&b, 0);
    slk_write_bytes(&b, w->block.header_bytes, SLK_BLOCK_HEADER_SIZE);
    slk_write_bytes(&b, w->block.entries, w->block.entries_size);
    seed("block", "received", out, b.size);
    b.size = 0;
    slk_write_u8(&b, 1);
    for (size_t i = 0; i < 3; i++) {
        slk_write_u8(&b, (uint8_t)spans[i].size);
        slk_write_bytes(&b, spans[i].at, spans[i].size);
        if (i == 1)
            slk_write_u8(&b, 0); /* the third stands in a submission of its own */
    }
    seed("block", "built", out, b.size);
    free((void *)(uintptr_t)submission.at);
    world_free(w);
}

/* Printed as the ledger prints them, and as people write them. */
static void seed_lines(void)
{
    static char text[SLK_CHARTER_TEXT_MAX];
    struct world *w = world_new();
    struct life life = life_of(0);
    uint8_t bytes[SLK_EVENT_MAX];
    char line[NDJSON_FORMAT_MAX];
    struct slk_event event;
    size_t size = life_event(bytes, &life, SLK_ISSUE);

    if (slk_event_parse(&event, slk_span_of(bytes, size)) != SLK_OK)
        abort();
    seed("ndjson", "issue", line, ndjson_format(line, sizeof(line), &event, "office", SLK_RULE_OK) - 1);
    size = life_event(bytes, &life, SLK_LOCK);
    if (slk_event_parse(&event, slk_span_of(bytes, size)) != SLK_OK)
        abort();
    seed("ndjson", "lock", line, ndjson_format(line, sizeof(line), &event, NULL, SLK_RULE_STATE) - 1);
    seed_text("ndjson", "by-hand",
        "{ \"kind\": \"UNLOCK\", \"credential\": "
        "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
        " \"channel\": \"ONLINE\", \"occurred_at\": \"2026-07-01T09:00:00+09:00\" }");
    seed_text("ndjson", "tab-in-name", /* it was printed back as it is, which is no JSON */
        "{\"issuer\":\"off\\tice\",\"kind\":\"ISSUE\",\"credential\":"
        "\"162a7b6a758e7f3657a8b26cfb022640945722ed46f7b610b0d30149c8f27c25\"}");
    seed("charter_text", "four-agencies", text, slk_charter_text_format(text, sizeof(text), &w->charter));
    world_free(w);
}

static void seed_msg(const char *name, const struct slk_msg *msg)
{
    static uint8_t out[1 + SLK_PROPOSAL_BYTES_MAX];
    size_t size = slk_msg_format(out + 1, sizeof(out) - 1, msg);

    if (size == 0)
        abort();
    out[0] = (uint8_t)msg->kind;
    seed("msg", name, out, 1 + size);
}

/* One of each kind; nobody looks at the signatures. */
static void seed_messages(void)
{
    static const uint8_t header[SLK_BLOCK_HEADER_SIZE] = {0, SLK_BLOCK_VERSION}, body[] = {1, 2, 3};
    static struct slk_cert n = {
        .kind = SLK_VOTE_NOTARIZE, .height = 9, .view = 1, .bitmap_bytes = 1, .signers = 7};
    static struct slk_cert k = {
        .kind = SLK_VOTE_NULLIFY, .height = 9, .view = 2, .bitmap_bytes = 1, .signers = 14};
    static struct slk_msg m;
    uint8_t alone[1 + SLK_CERT_BYTES_MAX] = {0};

    slk_block_hash(&n.hash, header);
    seed("msg", "cert-alone", alone, 1 + slk_cert_format(alone + 1, sizeof(alone) - 1, &k));
    m.vote = (struct slk_vote){
        .statement = {.kind = SLK_VOTE_PROPOSE, .height = 9, .view = 3, .aux = 1}, .signer = 2};
    m.vote.statement.hash = m.hash = n.hash;
    m.header = slk_span_of(header, sizeof(header));
    m.height = 9;
    m.certs[0] = &n;
    m.certs[1] = &k;
    m.certs_n = 2;
    m.kind = SLK_MSG_PROPOSAL;
    seed_msg("carry", &m);
    m.kind = SLK_MSG_CERT;
    seed_msg("certs", &m);
    m.kind = SLK_MSG_COMMIT;
    n.kind = SLK_VOTE_FINALIZE;
    seed_msg("commit", &m);
    m.certs_n = 1;
    m.kind = SLK_MSG_HEADERS;
    seed_msg("headers", &m);
    m.kind = SLK_MSG_EPOCHS;
    m.epochs[0] = (struct slk_epoch){.header = m.header, .charter = slk_span_of(body, sizeof(body))};
    seed_msg("epochs", &m);
    m.kind = SLK_MSG_DATA;
    m.body = slk_span_of(body, sizeof(body));
    seed_msg("data", &m);
    m.kind = SLK_MSG_EVIDENCE;
    m.other = m.vote;
    m.other.statement.hash.b[0] ^= 1;
    seed_msg("evidence", &m);
    m.kind = SLK_MSG_VOTE;
    m.vote.statement = (struct slk_statement){.kind = SLK_VOTE_NULLIFY, .height = 9, .view = 300};
    seed_msg("vote", &m);
    m.kind = SLK_MSG_GET;
    m.get = (struct slk_get){.what = SLK_GET_BODY, .height = 9, .hash = n.hash};
    seed_msg("get", &m);
    m.kind = SLK_MSG_STATUS;
    m.status =
        (struct slk_status){.height = 9, .view = 3, .n_bits = 2, .k_bits = 1, .tallies_n = 2, .seq = 5};
    m.status.tallies[0] = (struct slk_tally){.kind = SLK_VOTE_NULLIFY, .view = 3, .signers = 5};
    m.status.tallies[1] =
        (struct slk_tally){.kind = SLK_VOTE_FINALIZE, .view = 1, .hash = n.hash, .signers = 9};
    m.status.has_proposal = true;
    seed_msg("status", &m);
}

/* A connection's beginning, and pieces of several classes in between each other. */
static void seed_frames(void)
{
    static uint8_t out[SEED_MAX], message[20000];
    struct slk_hello hello = {
        .version = SLK_MESH_VERSION, .oldest = SLK_MESH_OLDEST, .height = 9, .index = 2, .asks = 4};
    uint8_t greeting[SLK_HELLO_MAX];
    size_t sent = 0, size = 1, greeting_size = slk_hello_format(greeting, &hello);

    size += slk_frame_piece(
        out + size, sizeof(out) - size, SLK_FRAME_HELLO, slk_span_of(greeting, greeting_size), &sent);
    sent = 0;
    size += slk_frame_piece(out + size, sizeof(out) - size, SLK_FRAME_VOTE, slk_span_of("vote", 4), &sent);
    seed("frame", "hello", out, size);
    out[0] = 1;
    sent = 0;
    size = 1 + slk_frame_piece(out + 1, sizeof(out) - 1, SLK_FRAME_VOTE, slk_span_of("vote", 4), &sent);
    sent = 0;
    size += slk_frame_piece(out + size, sizeof(out) - size, SLK_FRAME_INV, slk_span_of("inv", 3), &sent);
    seed("frame", "small", out, size);
    sent = 0;
    size = 1 + slk_frame_piece(out + 1, sizeof(out) - 1, SLK_FRAME_PROPOSAL,
                   slk_span_of(message, sizeof(message)), &sent);
    size_t status_sent = 0;
    size += slk_frame_piece(
        out + size, sizeof(out) - size, SLK_FRAME_STATUS, slk_span_of("status", 6), &status_sent);
    size += slk_frame_piece(
        out + size, sizeof(out) - size, SLK_FRAME_PROPOSAL, slk_span_of(message, sizeof(message)), &sent);
    seed("frame", "pieces", out, size);
}

static void seed_cons(const char *name, uint8_t form, struct slk_span key, const uint8_t *value, size_t size)
{
    uint8_t out[SEED_CONS_MAX];
    struct slk_writer w = {.at = out, .cap = sizeof(out)};

    slk_write_u8(&w, form);
    slk_write_u8(&w, (uint8_t)key.size);
    slk_write_bytes(&w, key.at, key.size);
    slk_write_bytes(&w, value, size);
    if (w.bad)
        abort();
    seed("cons", name, out, w.size);
}

/* As fuzz_cons.c wants them: the check at the end of a value is left out. */
static void seed_records(const struct world *w)
{
    static struct slk_cert cert = {
        .kind = SLK_VOTE_NULLIFY, .height = 9, .view = 2, .bitmap_bytes = 1, .signers = 7};
    struct slk_vote first = {.statement = {.kind = SLK_VOTE_NULLIFY, .height = 9, .view = 3}, .signer = 2};
    struct slk_vote second = {.statement = {.kind = SLK_VOTE_FINALIZE, .height = 9, .view = 3}, .signer = 2};
    struct slk_bft_record r = {.kind = SLK_RECORD_VOTE};
    uint8_t key[SLK_CONS_KEY_MAX], value[SLK_CONS_FORM_MAX];
    uint8_t item[SLK_POOLED_HEAD + 1024] = {0};
    struct life life = life_of(3);
    uint8_t event[SLK_EVENT_MAX];
    struct slk_span span = slk_span_of(event, life_event(event, &life, SLK_ISSUE)), submission;
    struct slk_block_header header = {
        .version = SLK_BLOCK_VERSION, .height = 9, .log_size = 3, .body_bytes = 3};
    uint8_t block[SLK_BLOCK_HEADER_SIZE + 3] = {0};
    size_t size, key_size;

    second.statement.hash.b[0] = 1;
    seed_cons("certificate", 0, slk_span_of(NULL, 0), value, slk_cert_form(value, &cert));
    r.vote = second.statement;
    key_size = slk_cons_form(key, value, &size, &r);
    seed_cons("vote", 1, slk_span_of(key, key_size), value, size - SLK_HASH_SIZE);
    r = (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = &cert};
    key_size = slk_cons_form(key, value, &size, &r);
    seed_cons("certificate-kept", 1, slk_span_of(key, key_size), value, size - SLK_HASH_SIZE);
    r = (struct slk_bft_record){.kind = SLK_RECORD_MUTED};
    key_size = slk_cons_form(key, value, &size, &r);
    seed_cons("muted", 1, slk_span_of(key, key_size), value, size - SLK_HASH_SIZE);
    slk_block_header_format(block, &header);
    seed_cons("candidate", 2, slk_span_of(NULL, 0), block, sizeof(block));
    submission = world_submission(w, &span, 1);
    memcpy(item + SLK_POOLED_HEAD, submission.at, submission.size);
    seed_cons("pooled", 3, slk_span_of(NULL, 0), item, SLK_POOLED_HEAD + submission.size);
    free((void *)(uintptr_t)submission.at);
    slk_evidence_form(key, value, &first, &second);
    seed_cons("evidence", 4, slk_span_of(key, SLK_EVIDENCE_KEY), value, SLK_EVIDENCE_SIZE - SLK_HASH_SIZE);
}

/* A promise, and a block in which it was not kept: a seal alone. */
static void seed_receipts(const struct world *w)
{
    static const struct slk_receipt receipt = {.tip_height = 7, .agency = 10, .class = SLK_CLASS_LOCK};
    struct slk_span seal = w->entries[w->entries_n - 1];
    uint8_t out[SLK_RECEIPT_BYTES + 1 + 2 + 512];
    struct slk_writer all = {.at = out, .cap = sizeof(out)};
    struct slk_hash chain_id = {{1}};

    slk_receipt_bytes(out, &chain_id, &receipt);
    seed("receipt", "alone", out, SLK_RECEIPT_BYTES);
    all.size = SLK_RECEIPT_BYTES;
    slk_write_u8(&all, 2u << 2); /* by its agency, two heights later */
    slk_write_u16(&all, (uint16_t)seal.size);
    slk_write_bytes(&all, seal.at, seal.size);
    if (all.bad)
        abort();
    seed("receipt", "broken", out, all.size);
}

/* What fuzz_bft.c reads: members and me, then instructions. */
#define SEED_STATUS(from) 11, 1, from, 0, 0, 0, 0, 0, 0, 0
#define SEED_HELLO        SEED_STATUS(0), SEED_STATUS(1), SEED_STATUS(3) /* the guard is over */
#define SEED_WORK         7, 0x41, 1, 150, 0                             /* POOL, TICK, SETTLE */
#define SEED_TICKS        1, 0xc1, 0, 1, 0xc1, 0                         /* a view's whole time */
#define SEED_K(v)         10, 0, 0x80, 1, 0, (v)-1
#define SEED_N(v)         10, 0, 0x80, 0, 0, (v)-1, 0
#define SEED_FRESH        9, 0, 0, 0, 0, 0, 0
#define SEED_AGREE(kind)  8, (kind) << 4, 0, 0, 0, 0, 8, (kind) << 4 | 3, 0, 0, 0, 0, 0 /* votes of 0 and 3 */

static void seed_steps(void)
{
    static const uint8_t leads[] = {1 << 3, SEED_HELLO, SEED_WORK, SEED_AGREE(1), SEED_AGREE(3), SEED_WORK};
    static const uint8_t follows[] = {
        2 << 3, SEED_HELLO, SEED_FRESH, 0, SEED_AGREE(1), 16, 0, SEED_AGREE(1), SEED_AGREE(3)};
    static const uint8_t carries[] = {
        2 << 3, SEED_HELLO, SEED_FRESH, 0, SEED_N(1), 0, 1, 150, 0, 16, 0, 1, 200, 0};
    static const uint8_t nullifies[] = {0, SEED_HELLO, SEED_WORK, SEED_TICKS, SEED_K(1), 16, 0, SEED_TICKS,
        SEED_K(2), SEED_TICKS, SEED_K(3), SEED_WORK};
    static const uint8_t alone[] = {3, SEED_WORK, 16, 1, SEED_WORK, SEED_WORK, 16, 0, SEED_TICKS};
    static const uint8_t observes[] = {
        4 << 3, SEED_HELLO, 12, 0, 0x80, 2, 0, 0, 0, 2, 0, 14, 0, 0x80, 0, 1, 0xc2, 0};

    seed("bft", "leads", leads, sizeof(leads));
    seed("bft", "follows", follows, sizeof(follows));
    seed("bft", "carries", carries, sizeof(carries));
    seed("bft", "nullifies", nullifies, sizeof(nullifies));
    seed("bft", "alone", alone, sizeof(alone));
    seed("bft", "observes", observes, sizeof(observes));
}

static void pack_without_zeros(struct slk_writer *w, const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t zeros = 0, n = 0, quiet = 0;

        while (i + zeros < size && at[i + zeros] == 0 && zeros < UINT16_MAX)
            zeros++;
        while (i + zeros + n < size && n < UINT16_MAX && quiet < 8) {
            quiet = at[i + zeros + n] == 0 ? quiet + 1 : 0;
            n++;
        }
        slk_write_u16(w, (uint16_t)zeros);
        slk_write_u16(w, (uint16_t)n);
        slk_write_bytes(w, at + i + zeros, n);
        i += zeros + n;
    }
}

/* A few transactions: long values, deletions (free pages), a tree of two levels. */
static void fill_lmdb(MDB_env *env, unsigned items)
{
    static const char *const names[] = {"meta", "entries", "rows"};
    static uint8_t value[6000];
    MDB_txn *txn = NULL;
    MDB_dbi dbi;

    for (unsigned round = 0; round < 3; round++) {
        if (mdb_txn_begin(env, NULL, 0, &txn) != 0)
            abort();
        for (unsigned i = 0; i < items; i++) {
            uint8_t key_bytes[8] = {0, 0, 0, 0, 0, 0, 0, (uint8_t)i};
            MDB_val key = {.mv_size = 8, .mv_data = key_bytes};
            MDB_val data = {.mv_size = i % 7 == 6 ? sizeof(value) : 200, .mv_data = value};

            value[0] = (uint8_t)(i + round);
            if (mdb_dbi_open(txn, names[i % 3], MDB_CREATE, &dbi) != 0 ||
                mdb_put(txn, dbi, &key, &data, 0) != 0)
                abort();
            if (round == 2 && i % 5 == 0 && mdb_del(txn, dbi, &key, NULL) != 0)
                abort();
        }
        if (mdb_txn_commit(txn) != 0)
            abort();
    }
}

/* LMDB's files differ between its versions, so these seeds are written but never compared. */
static void seed_lmdb(const char *name, unsigned items)
{
    static uint8_t content[2 * SEED_MAX], out[SEED_MAX]; /* FILE_MAX of fuzz_lmdb_file.c */
    char dir[] = "/tmp/sillok-corpus-XXXXXX", path[64];
    struct slk_writer w = {.at = out, .cap = sizeof(out)};
    MDB_env *env = NULL;
    size_t size;
    FILE *f;

    if (checking)
        return;
    if (mkdtemp(dir) == NULL || mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 8) != 0 ||
        mdb_env_open(env, dir, 0, 0600) != 0)
        abort();
    fill_lmdb(env, items);
    mdb_env_close(env);
    snprintf(path, sizeof(path), "%s/data.mdb", dir);
    f = fopen(path, "rb");
    if (f == NULL)
        abort();
    size = fread(content, 1, sizeof(content), f);
    fclose(f);
    unlink(path);
    snprintf(path, sizeof(path), "%s/lock.mdb", dir);
    unlink(path);
    rmdir(dir);
    pack_without_zeros(&w, content, size);
    if (w.bad)
        abort();
    seed("lmdb_file", name, out, w.size);
}

int main(int argc, char **argv)
{
    struct world *w, *empty;

    checking = argc == 3 && strcmp(argv[1], "--check") == 0;
    if (argc != 2 && !checking) {
        fprintf(stderr, "usage: %s [--check] DIR\n", argv[0]);
        return 2;
    }
    root = argv[argc - 1];
    w = world_new();
    empty = world_new();
    seed_life(w);
    commit_crowd(w, 24);
    seed_entries(w);
    seed_charters(w);
    seed_changes(empty);
    seed_notes(w);
    seed_proofs(w);
    seed_map_proofs(w, empty);
    seed_crowds(w);
    seed_partitions();
    seed_signatures();
    seed_spellings();
    seed_blocks();
    seed_lines();
    seed_net();
    seed_messages();
    seed_frames();
    seed_steps();
    seed_records(w);
    seed_receipts(w);
    seed_lmdb("few", 6);
    seed_lmdb("many", 60);
    world_free(empty);
    world_free(w);
    if (checking)
        printf("1..%u\n", seeds_n);
    return wrong_n == 0 ? 0 : 1;
}
