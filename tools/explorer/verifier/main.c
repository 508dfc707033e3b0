/* main.c: what the page asks: the native verifier's questions, answered by the same code (ledger/verify). verifier.js speaks to it. */
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"
#include "ledger/verify/entry.h"
#include "ledger/verify/hash.h"
#include "ledger/verify/map_proof.h"
#include "ledger/verify/note.h"
#include "ledger/verify/policy.h"
#include "ledger/verify/proof.h"
#include "ledger/verify/record.h"
#include "ledger/verify/tree.h"
#include "tools/explorer/verifier/qr_read.h"
#include "tools/explorer/verifier/wasm.h"

static struct slk_policy *policy;

/* ---- memory ---- */

/* Before a question: its bytes are put where this says; NULL: too many. The first call of a question begins it. */
WASM_EXPORT("begin") void wasm_begin(void)
{
    wasm_forget();
    wasm_forget_signatures();
}

WASM_EXPORT("take") uint8_t *wasm_take(uint32_t size)
{
    return malloc(size);
}

/* ---- answers ---- */

static void put_error(enum slk_err err, const char *detail)
{
    const char *name = slk_err_name(err), *text = slk_err_text(err);

    json_put("\"error\":");
    json_text(name, strlen(name));
    json_put(",\"message\":");
    json_text(text, strlen(text));
    json_put(",\"detail\":");
    json_text(detail, strlen(detail));
}

static void put_number(const char *name, uint64_t value)
{
    json_put("\"%s\":%llu,", name, (unsigned long long)value);
}

/* A policy's text: {"ok":true} or {"error":...,"line":...}. The one before it is forgotten either way, and so is everything else. */
WASM_EXPORT("policy") const char *wasm_policy(const char *text, uint32_t size)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_policy_new(&policy, text, size, &fault);

    if (err == SLK_OK)
        wasm_keep(); /* pages that change policies make a new instance: nothing below this is ever let go of */
    json_begin();
    json_put("{");
    if (err == SLK_OK)
        json_put("\"ok\":true");
    else {
        put_number("line", fault.line);
        put_error(err, fault.text);
    }
    json_put("}");
    return json_end();
}

static void put_history(const struct slk_answer *a)
{
    struct slk_history_cursor cursor = {0};
    struct slk_history_item item;
    const char *comma = "";

    json_put("\"history\":[");
    while (slk_answer_next(a, &cursor, &item)) {
        json_put("%s{\"kind\":\"%s\",\"state\":\"%s\",\"channel\":\"%s\",\"carrier\":\"%s\",", comma,
            slk_kind_name(item.kind), slk_state_name(item.state), slk_channel_name(item.channel),
            item.carrier != 0 ? slk_carrier_name(item.carrier) : "");
        put_number("sequence", item.sequence);
        put_number("recordedAt", item.recorded_at_ms);
        put_number("occurredAt", item.occurred_at_s);
        put_number("reason", item.reason);
        put_number("validUntil", item.valid_until_s);
        json_put("\"device\":");
        json_hex(item.device, sizeof(item.device));
        json_put(",\"eventId\":");
        json_hex(item.event_id, sizeof(item.event_id));
        json_put("}");
        comma = ",";
    }
    json_put("],");
}

/* The charter that governs the block of a proof: what its seal names, once slk_verify_status has accepted it. Zeros: no memory. */
static struct slk_hash charter_of(struct slk_span proof)
{
    static struct slk_proof parts;
    struct slk_entry entry;
    struct slk_hash none = {{0}};
    uint8_t *scratch = malloc(proof.size);

    if (scratch == NULL || slk_proof_parse(&parts, proof, scratch, proof.size) != SLK_OK ||
        slk_entry_parse(&entry, parts.seal) != SLK_OK || entry.type != SLK_ENTRY_SEAL)
        return none;
    return entry.seal.charter_hash;
}

static void put_answer(const struct slk_answer *a, const struct slk_hash *charter)
{
    json_put("\"ok\":true,\"state\":\"%s\",\"present\":%s,\"hasHistory\":%s,", slk_state_name(a->state),
        a->present ? "true" : "false", a->has_history ? "true" : "false");
    if (a->present) {
        json_put("\"carrier\":\"%s\",", slk_carrier_name(a->carrier));
        put_number("type", a->type);
        put_number("agency", a->owner_agency);
        put_number("statusIndex", a->status_index);
        put_number("reason", a->reason);
        put_number("validUntil", a->valid_until_s);
        put_number("since", a->since_ms);
        put_number("events", a->events_n);
        json_put("\"device\":");
        json_hex(a->device, sizeof(a->device));
        json_put(",");
    }
    if (a->has_history)
        put_history(a);
    json_put("\"charter\":");
    json_hex(charter->b, SLK_HASH_SIZE);
    json_put(",");
    put_number("treeSize", a->tree_size);
    put_number("blockHeight", a->block_height);
    put_number("blockTime", a->block_time_ms);
    put_number("quorumTime", a->quorum_time_s);
    put_number("age", a->age_s);
    json_put("\"cosignatures\":%u", (unsigned)a->cosignatures_n);
}

enum { ALLOW_NO_QUORUM = 1, COLLECT = 2 };

static enum slk_err ask(struct slk_answer *answer, struct slk_span proof, const uint8_t *handle,
    uint64_t now_s, uint64_t max_age_s, uint32_t flags)
{
    const struct slk_verify_options options = {
        .now_s = now_s, .max_age_s = max_age_s, .allow_no_quorum = (flags & ALLOW_NO_QUORUM) != 0};
    enum slk_err err;

    wasm_set_mode((flags & COLLECT) != 0 ? WASM_COLLECT : WASM_JUDGE);
    err = slk_verify_status(answer, proof, handle, policy, &options);
    wasm_set_mode(WASM_JUDGE);
    return err;
}

/* A status proof, either encoding. Times are Unix seconds. */
WASM_EXPORT("verify")
const char *wasm_verify(const uint8_t *proof, uint32_t size, const uint8_t *handle, uint64_t now_s,
    uint64_t max_age_s, uint32_t flags)
{
    struct slk_answer answer;
    struct slk_hash charter = {{0}};
    enum slk_err err = ask(&answer, slk_span_of(proof, size), handle, now_s, max_age_s, flags);

    if (err == SLK_OK)
        charter = charter_of(slk_span_of(proof, size));
    json_begin();
    json_put("{");
    if (err == SLK_OK)
        put_answer(&answer, &charter);
    else
        put_error(err, answer.detail);
    json_put("}");
    return json_end();
}

/* The handle and the binary proof in a QR code's text: {"handle":hex,"at":address,"size":...}. */
WASM_EXPORT("qr") const char *wasm_qr(const char *text, uint32_t size)
{
    uint8_t handle[SLK_HANDLE_SIZE], *scratch = malloc(SLK_QR_BYTES_MAX);
    struct slk_span proof = {0};
    enum slk_err err =
        scratch == NULL ? SLK_E_NOMEM : slk_qr_parse(handle, &proof, scratch, SLK_QR_BYTES_MAX, text, size);

    json_begin();
    json_put("{");
    if (err == SLK_OK) {
        json_put("\"ok\":true,\"handle\":");
        json_hex(handle, sizeof(handle));
        json_put(",\"at\":%u,\"size\":%u", (unsigned)(size_t)proof.at, (unsigned)proof.size);
    } else {
        put_error(err, "not the text of a Sillok QR code, or not all of it: scan it again");
    }
    json_put("}");
    return json_end();
}

/* The text of a QR code in a picture, one byte a pixel: {"at":address,"size":...}. */
WASM_EXPORT("qrPicture") const char *wasm_qr_picture(const uint8_t *grey, uint32_t width, uint32_t height)
{
    static const struct {
        const char *code, *text;
    } faults[] = {
        [QR_NONE] = {"E_QR_NONE",
            "no QR code was found in this picture: show all of it, flat, with a light margin around"},
        [QR_DAMAGED] = {"E_QR_DAMAGED",
            "there is a QR code in this picture, but too much of it is damaged or altered to read it"},
        [QR_FOREIGN] = {"E_QR_FOREIGN", "the QR code in this picture is not one of Sillok"},
        [QR_NO_MEMORY] = {"E_NOMEM", "out of memory"}};
    char *text = malloc(QR_TEXT_MAX);
    size_t n = 0;
    enum qr_result result = text == NULL ? QR_NO_MEMORY : qr_read(text, &n, grey, width, height);

    json_begin();
    if (result == QR_READ)
        json_put("{\"ok\":true,\"at\":%u,\"size\":%u}", (unsigned)(size_t)text, (unsigned)n);
    else
        json_put("{\"error\":\"%s\",\"message\":\"%s\"}", faults[result].code, faults[result].text);
    return json_end();
}

/* Parses a note and judges it under the policy. */
static enum slk_err judge_note(struct slk_note *note, struct slk_checkpoint *checkpoint,
    struct slk_policy_verdict *verdict, struct slk_span text, uint64_t now_s, uint32_t flags)
{
    const struct slk_verify_options options = {
        .now_s = now_s, .allow_no_quorum = (flags & ALLOW_NO_QUORUM) != 0};
    enum slk_err err = slk_note_parse(note, (const char *)text.at, text.size);

    wasm_set_mode((flags & COLLECT) != 0 ? WASM_COLLECT : WASM_JUDGE);
    if (err == SLK_OK)
        err = slk_checkpoint_parse(checkpoint, note->text);
    if (err == SLK_OK)
        err = slk_policy_check(verdict, policy, note, checkpoint, &options);
    wasm_set_mode(WASM_JUDGE);
    return err;
}

/* The policy's keys that signed. A wrong signature by one of them has refused the whole note before (policy.h), so those are good. */
static void put_signers(const struct slk_note *note)
{
    const struct slk_vkey *key;
    const char *comma = "";

    for (size_t i = 0; (key = slk_policy_key(policy, i)) != NULL; i++)
        for (size_t k = 0; k < note->sigs_n; k++) {
            const struct slk_note_sig *sig = &note->sigs[k];
            struct slk_reader blob = {.rest = {sig->blob + SLK_NOTE_KEY_HASH_SIZE, 8}};
            size_t n = strlen(key->name);

            if (key->type != SLK_SIG_COSIGNATURE_V1 || sig->key_hash != key->key_hash ||
                sig->name.size != n || memcmp(sig->name.at, key->name, n) != 0)
                continue;
            json_put("%s{\"name\":", comma);
            json_text(key->name, n);
            json_put(",\"time\":%llu}", (unsigned long long)slk_read_u64(&blob));
            comma = ",";
        }
}

static void put_checkpoint(const struct slk_note *note, const struct slk_checkpoint *checkpoint,
    const struct slk_policy_verdict *verdict)
{
    json_put("\"ok\":true,\"origin\":");
    json_text((const char *)checkpoint->origin.at, checkpoint->origin.size);
    json_put(",");
    put_number("size", checkpoint->head.tree_size);
    put_number("quorumTime", verdict->quorum_time_s);
    put_number("cosignatures", verdict->cosignatures_n);
    json_put("\"signers\":[");
    put_signers(note);
    json_put("],\"root\":");
    json_hex(checkpoint->head.root_hash.b, SLK_HASH_SIZE);
}

/* A signed checkpoint under the policy: size, root, when the quorum had cosigned it. */
WASM_EXPORT("checkpoint")
const char *wasm_checkpoint(const uint8_t *text, uint32_t size, uint64_t now_s, uint32_t flags)
{
    static struct slk_note note;
    struct slk_policy_verdict verdict = {0};
    struct slk_checkpoint checkpoint = {0};
    enum slk_err err = judge_note(&note, &checkpoint, &verdict, slk_span_of(text, size), now_s, flags);

    json_begin();
    json_put("{");
    if (err == SLK_OK)
        put_checkpoint(&note, &checkpoint, &verdict);
    else
        put_error(err, "");
    json_put("}");
    return json_end();
}

static struct slk_tree_head head_of(uint64_t size, const uint8_t root[SLK_HASH_SIZE])
{
    struct slk_tree_head head = {.tree_size = size};

    memcpy(head.root_hash.b, root, SLK_HASH_SIZE);
    return head;
}

/* 1: the older tree is the newer one's beginning. `path`: path_n hashes. */
WASM_EXPORT("consistent")
uint32_t wasm_consistent(uint64_t old_size, const uint8_t *old_root, uint64_t size, const uint8_t *root,
    const uint8_t *path, uint32_t path_n)
{
    struct slk_tree_head older = head_of(old_size, old_root), newer = head_of(size, root);
    static struct slk_hash hashes[2 * SLK_PATH_MAX];

    if (path_n > sizeof(hashes) / sizeof(hashes[0]))
        return 0;
    memcpy(hashes, path, path_n * sizeof(hashes[0]));
    return slk_tree_check_consistency(&older, &newer, hashes, path_n) == SLK_OK;
}

/* 1: the leaf hash stands at `index` of the tree. */
WASM_EXPORT("included")
uint32_t wasm_included(uint64_t index, const uint8_t *leaf, uint64_t size, const uint8_t *root,
    const uint8_t *path, uint32_t path_n)
{
    struct slk_tree_head head = head_of(size, root);
    static struct slk_hash hashes[SLK_PATH_MAX];
    struct slk_hash hash;

    if (path_n > SLK_PATH_MAX)
        return 0;
    memcpy(hash.b, leaf, SLK_HASH_SIZE);
    memcpy(hashes, path, path_n * sizeof(hashes[0]));
    return slk_tree_check_inclusion(&head, index, &hash, hashes, path_n) == SLK_OK;
}

/* ---- crowds ---- */

#define CROWD_MAX 4096

/* What a page brings for a crowd: laid out by verifier.js, all addresses and sizes. */
struct crowd {
    const uint8_t *note;
    uint32_t note_size;
    const uint8_t *seal;
    uint32_t seal_size;
    const uint8_t *path;
    uint32_t path_n;
    const uint8_t *prefix; /* 32 bytes */
    uint32_t bits;
    const uint8_t *proof;
    uint32_t proof_size;
};

/* The seal is the last entry of the checkpoint's tree: its map root. */
static enum slk_err seal_of(struct slk_seal *seal, const struct crowd *c, const struct slk_tree_head *head)
{
    static struct slk_hash path[SLK_PATH_MAX];
    struct slk_entry entry;
    struct slk_hash leaf;

    if (c->path_n > SLK_PATH_MAX || slk_entry_parse(&entry, slk_span_of(c->seal, c->seal_size)) != SLK_OK ||
        entry.type != SLK_ENTRY_SEAL)
        return SLK_E_SEAL;
    memcpy(path, c->path, c->path_n * sizeof(path[0]));
    slk_hash_leaf(&leaf, c->seal, c->seal_size);
    *seal = entry.seal;
    return slk_tree_check_inclusion(head, head->tree_size - 1, &leaf, path, c->path_n);
}

static void put_record(const struct slk_map_crowd_item *item, uint64_t now_s, const char *comma)
{
    struct slk_record record;

    json_put("%s{\"path\":", comma);
    json_hex(item->path, SLK_HASH_SIZE);
    if (slk_record_parse(&record, item->record) == SLK_OK) {
        json_put(",\"state\":\"%s\",\"carrier\":\"%s\",",
            slk_state_name(slk_state_at(record.state, record.valid_until_s, now_s)),
            slk_carrier_name(record.carrier));
        put_number("count", record.count);
        put_number("type", record.type);
        put_number("agency", record.owner_agency);
        put_number("recordedAt", record.recorded_at_ms);
        put_number("validUntil", record.valid_until_s);
        json_put("\"reason\":%u", (unsigned)record.reason);
    }
    json_put("}");
}

/* Every credential whose place in the map begins with a prefix, none left out: {"records":[...]}, and the checkpoint's fields. */
WASM_EXPORT("crowd") const char *wasm_crowd(const struct crowd *c, uint64_t now_s, uint32_t flags)
{
    static struct slk_map_crowd_item items[CROWD_MAX];
    static struct slk_note note;
    struct slk_policy_verdict verdict = {0};
    struct slk_checkpoint checkpoint = {0};
    struct slk_seal seal = {0};
    size_t n = 0;
    enum slk_err err =
        judge_note(&note, &checkpoint, &verdict, slk_span_of(c->note, c->note_size), now_s, flags);

    if (err == SLK_OK && c->bits > 8 * SLK_HASH_SIZE)
        err = SLK_E_RANGE;
    if (err == SLK_OK)
        err = seal_of(&seal, c, &checkpoint.head);
    if (err == SLK_OK)
        err = slk_map_crowd_check(
            items, CROWD_MAX, &n, &seal.map_root, c->prefix, c->bits, slk_span_of(c->proof, c->proof_size));
    json_begin();
    json_put("{");
    if (err == SLK_OK) {
        json_put("\"records\":[");
        for (size_t i = 0; i < n; i++)
            put_record(&items[i], now_s, i > 0 ? "," : "");
        json_put("],");
        put_number("height", seal.height);
        put_number("time", seal.time_ms);
        json_put("\"charter\":");
        json_hex(seal.charter_hash.b, SLK_HASH_SIZE);
        json_put(",");
        put_checkpoint(&note, &checkpoint, &verdict);
    } else {
        put_error(err, "");
    }
    json_put("}");
    return json_end();
}

/* ---- entries, for reading: nothing is judged here ---- */

static void put_event(struct slk_span bytes)
{
    struct slk_event e;
    struct slk_hash id;

    if (slk_event_parse(&e, bytes) != SLK_OK)
        return;
    slk_event_id(&id, bytes);
    json_put(",\"event\":{\"kind\":\"%s\",\"channel\":\"%s\",\"carrier\":\"%s\",", slk_kind_name(e.kind),
        e.channel != 0 ? slk_channel_name((enum slk_channel)e.channel) : "",
        e.carrier != 0 ? slk_carrier_name((enum slk_carrier)e.carrier) : "");
    put_number("sequence", e.sequence);
    put_number("type", e.type);
    put_number("reason", e.reason);
    put_number("validUntil", e.valid_until_s);
    put_number("occurredAt", e.occurred_at_s);
    json_put("\"id\":");
    json_hex(id.b, SLK_HASH_SIZE);
    json_put(",\"credential\":");
    json_hex(e.credential, SLK_HANDLE_SIZE);
    if (e.has_device) {
        json_put(",\"device\":");
        json_hex(e.device.b, SLK_HASH_SIZE);
    }
    json_put("}");
}

static void put_entry(struct slk_span bytes)
{
    static const char *const names[] = {"?", "RECORDED", "AUTHORIZATION", "CHARTER", "SEAL", "EVIDENCE"};
    struct slk_entry entry;
    struct slk_hash leaf;
    bool is_sound = slk_entry_parse(&entry, bytes) == SLK_OK;

    slk_hash_leaf(&leaf, bytes.at, bytes.size);
    json_put(
        "{\"entry\":\"%s\",\"size\":%u,\"leaf\":", is_sound ? names[entry.type] : "?", (unsigned)bytes.size);
    json_hex(leaf.b, SLK_HASH_SIZE);
    if (is_sound && entry.type == SLK_ENTRY_RECORDED) {
        json_put(",\"recordedAt\":%llu", (unsigned long long)entry.recorded_at_ms);
        put_event(entry.event);
    }
    if (is_sound && entry.type == SLK_ENTRY_AUTHORIZATION) {
        json_put(",\"count\":%u,\"keyId\":", (unsigned)entry.authorization.count);
        json_hex(entry.authorization.key_id, SLK_KEY_ID_SIZE);
    }
    if (is_sound && entry.type == SLK_ENTRY_SEAL) {
        json_put(",\"height\":%llu,\"time\":%llu,\"mapRoot\":", (unsigned long long)entry.seal.height,
            (unsigned long long)entry.seal.time_ms);
        json_hex(entry.seal.map_root.b, SLK_HASH_SIZE);
        json_put(",\"proposer\":%u,\"charter\":", (unsigned)entry.seal.proposer);
        json_hex(entry.seal.charter_hash.b, SLK_HASH_SIZE);
        json_put(",\"nextCharter\":");
        json_hex(entry.seal.next_charter_hash.b, SLK_HASH_SIZE);
    }
    json_put("}");
}

/* A bundle (u16 length, entry, ...): {"entries":[...]} with the leaf hash of each; "ok" when all of it was read. */
WASM_EXPORT("entries") const char *wasm_entries(const uint8_t *bytes, uint32_t size)
{
    struct slk_reader r = {.rest = {bytes, size}};
    const char *comma = "";

    json_begin();
    json_put("{\"entries\":[");
    while (!r.bad && r.rest.size > 0) {
        struct slk_span entry = slk_read_span(&r, slk_read_u16(&r));

        if (r.bad)
            break;
        json_put("%s", comma);
        put_entry(entry);
        comma = ",";
    }
    json_put("],");
    if (r.bad)
        put_error(SLK_E_MALFORMED, "the entries were cut");
    else
        json_put("\"ok\":true");
    json_put("}");
    return json_end();
}

/* RFC 6962 hash of a node over two; 32 bytes into `out`. */
WASM_EXPORT("nodeHash") void wasm_node(const uint8_t *left, const uint8_t *right, uint8_t *out)
{
    struct slk_hash a, b, hash;

    memcpy(a.b, left, SLK_HASH_SIZE);
    memcpy(b.b, right, SLK_HASH_SIZE);
    slk_hash_node(&hash, &a, &b);
    memcpy(out, hash.b, SLK_HASH_SIZE);
}

WASM_EXPORT("sha256") void wasm_sha256(const uint8_t *bytes, uint32_t size, uint8_t *out)
{
    struct slk_hash hash;

    slk_hash_bytes(&hash, bytes, size);
    memcpy(out, hash.b, SLK_HASH_SIZE);
}
