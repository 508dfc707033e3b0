/* tiny.h: a ledger made by hand for tests of the verifier: naive log tree, naive map, keys from fixed seeds.
 *
 * Nothing here checks a rule, so that a test can also make what no honest ledger would.
 */
#ifndef SLK_TEST_TINY_H
#define SLK_TEST_TINY_H

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "ledger/verify/policy.h"
#include "ledger/verify/proof.h"
#include "tests/unit/naive_map.h"

#define TINY_ORIGIN      "tiny.example/ledger"
#define TINY_WITNESSES   3
#define TINY_ENTRIES_MAX 200
#define TINY_LIVES_MAX   8
#define TINY_EVENTS_MAX  40
#define TINY_NOTE_MAX    8192
#define TINY_PROOF_MAX   40000

struct tiny_bytes {
    size_t n;
    uint8_t at[SLK_RECORDED_MAX];
};

/* One credential: its record and its entries. */
struct tiny_life {
    uint8_t handle[SLK_HANDLE_SIZE];
    bool present;
    struct slk_record record;
    size_t events_n;
    struct tiny_bytes events[TINY_EVENTS_MAX];
};

struct tiny {
    size_t entries_n;
    struct slk_hash leaves[TINY_ENTRIES_MAX];
    struct naive_map map;
    size_t lives_n;
    struct tiny_life lives[TINY_LIVES_MAX];
    struct slk_seal seal; /* the last one */
    struct tiny_bytes seal_bytes;
};

/* ---- keys ---- */

static inline EVP_PKEY *tiny_key(uint8_t number)
{
    uint8_t seed[32];

    memset(seed, number + 1, sizeof(seed));
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    assert(key != NULL);
    return key;
}

/* Key 0 is the log's, 1.. are the witnesses', 9 is a stranger's. */
static inline void tiny_vkey(struct slk_vkey *out, uint8_t number)
{
    EVP_PKEY *key = tiny_key(number);
    uint8_t public_key[SLK_KEY_SIZE];
    size_t n = sizeof(public_key);
    char name[64] = TINY_ORIGIN;
    enum slk_err err;

    assert(EVP_PKEY_get_raw_public_key(key, public_key, &n) == 1);
    EVP_PKEY_free(key);
    if (number > 0)
        (void)snprintf(name, sizeof(name), "witness%d.example", number);
    err = slk_vkey_init(out, name, number == 0 ? SLK_SIG_ED25519 : SLK_SIG_COSIGNATURE_V1, public_key);
    assert(err == SLK_OK);
    (void)err;
}

static inline void tiny_sign(
    uint8_t sig[SLK_SIGNATURE_SIZE], uint8_t number, const void *message, size_t size)
{
    EVP_PKEY *key = tiny_key(number);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = SLK_SIGNATURE_SIZE;
    int ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
             EVP_DigestSign(ctx, sig, &n, message, size) == 1;

    assert(ok);
    (void)ok;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
}

/* A policy of the log and the witnesses; `quorum` is e.g. "group g 2 w1 w2 w3\nquorum g\n" or "quorum none\n". */
static inline struct slk_policy *tiny_policy(const char *quorum)
{
    char text[4096], vkey_text[SLK_VKEY_MAX];
    struct slk_policy *policy = NULL;
    struct slk_fault fault;
    struct slk_vkey vkey;
    size_t n;

    tiny_vkey(&vkey, 0);
    (void)slk_vkey_format(vkey_text, &vkey);
    n = (size_t)snprintf(text, sizeof(text), "log %s\n", vkey_text);
    for (uint8_t i = 1; i <= TINY_WITNESSES; i++) {
        tiny_vkey(&vkey, i);
        (void)slk_vkey_format(vkey_text, &vkey);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "witness w%d %s\n", i, vkey_text);
    }
    n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", quorum);
    enum slk_err err = slk_policy_new(&policy, text, n, &fault);
    if (err != SLK_OK)
        printf("# policy: line %zu: %s\n", fault.line, fault.text);
    assert(err == SLK_OK);
    return policy;
}

/* ---- the log: RFC 9162 §2.1.1 and §2.1.3.1, recursive as written there ---- */

static inline size_t tiny_split(size_t n)
{
    size_t k = 1;

    while (2 * k < n)
        k *= 2;
    return k;
}

static inline struct slk_hash tiny_root(const struct slk_hash *leaves, size_t n)
{
    struct slk_hash out, left, right;

    if (n == 0)
        return slk_hash_empty_tree;
    if (n == 1)
        return leaves[0];
    left = tiny_root(leaves, tiny_split(n));
    right = tiny_root(leaves + tiny_split(n), n - tiny_split(n));
    slk_hash_node(&out, &left, &right);
    return out;
}

static inline size_t tiny_path(struct slk_hash *path, const struct slk_hash *leaves, size_t n, size_t index)
{
    size_t k = tiny_split(n), path_n;

    if (n == 1)
        return 0;
    if (index < k) {
        path_n = tiny_path(path, leaves, k, index);
        path[path_n] = tiny_root(leaves + k, n - k);
    } else {
        path_n = tiny_path(path, leaves + k, n - k, index - k);
        path[path_n] = tiny_root(leaves, k);
    }
    return path_n + 1;
}

static inline void tiny_append(struct tiny *tiny, const uint8_t *entry, size_t n)
{
    assert(tiny->entries_n < TINY_ENTRIES_MAX && n > 0);
    slk_hash_leaf(&tiny->leaves[tiny->entries_n++], entry, n);
}

/* ---- credentials ---- */

static inline struct tiny_life *tiny_life(struct tiny *tiny, uint8_t number)
{
    uint8_t handle[SLK_HANDLE_SIZE];

    memset(handle, number, sizeof(handle));
    for (size_t i = 0; i < tiny->lives_n; i++)
        if (memcmp(tiny->lives[i].handle, handle, sizeof(handle)) == 0)
            return &tiny->lives[i];
    assert(tiny->lives_n < TINY_LIVES_MAX);
    struct tiny_life *life = &tiny->lives[tiny->lives_n++];
    memset(life, 0, sizeof(*life));
    memcpy(life->handle, handle, sizeof(handle));
    return life;
}

/* The next event of a life, with the fields its kind needs. */
static inline struct slk_event tiny_event(const struct tiny_life *life, enum slk_kind kind, uint64_t now_s)
{
    struct slk_event e;

    memset(&e, 0, sizeof(e));
    memcpy(e.credential, life->handle, SLK_HANDLE_SIZE);
    e.kind = kind;
    e.sequence = life->present ? life->record.count : 0;
    e.has_previous = life->present;
    if (life->present)
        e.previous = life->record.last_event_id;
    e.channel = SLK_ONLINE;
    e.occurred_at_s = now_s - 1;
    if (kind == SLK_ISSUE || kind == SLK_REBIND) {
        e.has_device = true;
        memset(e.device.b, (int)(0x40 + life->events_n), SLK_HASH_SIZE);
        e.carrier = SLK_PHONE;
    }
    if (kind == SLK_ISSUE) {
        e.type = 2;
        e.status_index = (uint32_t)(1000 + life->events_n);
    }
    if (kind == SLK_ISSUE || kind == SLK_RENEW)
        e.valid_until_s = now_s + 100000;
    if (kind == SLK_LOCK || kind == SLK_REVOKE)
        e.reason = kind == SLK_LOCK ? 1 : 6;
    return e;
}

/* Records an event, good or bad: entry, record, map. */
static inline void tiny_record(
    struct tiny *tiny, struct tiny_life *life, const struct slk_event *event, uint64_t now_ms)
{
    struct tiny_bytes *entry = &life->events[life->events_n++];
    struct slk_step step = {.recorded_at_ms = now_ms, .agency = 4};
    uint8_t event_bytes[SLK_EVENT_MAX], record[SLK_RECORD_SIZE];
    size_t n = slk_event_format(event_bytes, sizeof(event_bytes), event);

    assert(life->events_n <= TINY_EVENTS_MAX && n > 0);
    entry->n = slk_entry_format_recorded(entry->at, sizeof(entry->at), now_ms, slk_span_of(event_bytes, n));
    slk_event_id(&step.event_id, slk_span_of(event_bytes, n));
    slk_hash_leaf(&step.leaf_hash, entry->at, entry->n);
    tiny_append(tiny, entry->at, entry->n);
    slk_record_next(&life->record, life->present ? &life->record : NULL, event, &step);
    life->present = true;
    slk_record_format(record, &life->record);
    naive_put(&tiny->map, life->handle, record);
}

static inline void tiny_do(struct tiny *tiny, struct tiny_life *life, enum slk_kind kind, uint64_t now_s)
{
    struct slk_event e = tiny_event(life, kind, now_s);

    tiny_record(tiny, life, &e, now_s * 1000 + 500);
}

/* Ends the block: a seal over the map as it is now. */
static inline void tiny_end_block(struct tiny *tiny, uint64_t time_ms)
{
    if (tiny->seal_bytes.n > 0) {
        tiny->seal.height++;
        tiny->seal.has_previous = true;
        slk_hash_leaf(&tiny->seal.previous, tiny->seal_bytes.at, tiny->seal_bytes.n);
    }
    tiny->seal.time_ms = time_ms;
    tiny->seal.map_root = naive_root(&tiny->map, 0, tiny->map.n, 0);
    tiny->seal_bytes.n = slk_entry_format_seal(tiny->seal_bytes.at, sizeof(tiny->seal_bytes.at), &tiny->seal);
    tiny_append(tiny, tiny->seal_bytes.at, tiny->seal_bytes.n);
}

/* ---- checkpoint and proof ---- */

/* The signed checkpoint of the whole log: log signature, and for each bit w of `witnesses` a cosignature of witness w + 1 at
 * time_s + w. Returns its length. */
static inline size_t tiny_note(
    char out[TINY_NOTE_MAX], const struct tiny *tiny, unsigned witnesses, uint64_t time_s)
{
    struct slk_checkpoint checkpoint = {.origin = slk_span_of(TINY_ORIGIN, strlen(TINY_ORIGIN)),
        .head = {.tree_size = tiny->entries_n, .root_hash = tiny_root(tiny->leaves, tiny->entries_n)}};
    struct slk_writer w = {.at = (uint8_t *)out, .cap = TINY_NOTE_MAX};
    uint8_t blob[SLK_NOTE_BLOB_MAX], message[2048];
    char text[SLK_CHECKPOINT_TEXT_MAX];
    size_t text_n = slk_checkpoint_format(text, &checkpoint), n;
    struct slk_vkey vkey;

    slk_write_bytes(&w, text, text_n);
    slk_write_u8(&w, '\n');
    tiny_vkey(&vkey, 0);
    slk_put_u32(blob, vkey.key_hash);
    tiny_sign(blob + 4, 0, text, text_n);
    slk_note_write_sig(&w, vkey.name, strlen(vkey.name), blob, 4 + SLK_SIGNATURE_SIZE);
    for (uint8_t i = 0; i < 10; i++) {
        if ((witnesses >> i & 1) == 0)
            continue;
        tiny_vkey(&vkey, (uint8_t)(i + 1));
        n = slk_cosign_message(message, sizeof(message), time_s + i, slk_span_of(text, text_n));
        slk_put_u32(blob, vkey.key_hash);
        slk_put_u64(blob + 4, time_s + i);
        tiny_sign(blob + 12, (uint8_t)(i + 1), message, n);
        slk_note_write_sig(&w, vkey.name, strlen(vkey.name), blob, SLK_NOTE_BLOB_MAX);
    }
    assert(!w.bad);
    return w.size;
}

/* Everything a proof is made of, to be changed before it is printed. */
struct tiny_parts {
    char note[TINY_NOTE_MAX];
    size_t note_n;
    struct slk_hash path[SLK_PATH_MAX];
    size_t path_n;
    struct tiny_bytes seal;
    uint8_t map_proof[SLK_MAP_PROOF_MAX];
    size_t map_proof_n;
    struct slk_span events[TINY_EVENTS_MAX + 1];
    size_t events_n;
};

static inline void tiny_parts_of(struct tiny_parts *out, const struct tiny *tiny,
    const struct tiny_life *life, bool history, unsigned witnesses, uint64_t time_s)
{
    memset(out, 0, sizeof(*out));
    out->note_n = tiny_note(out->note, tiny, witnesses, time_s);
    out->path_n = tiny_path(out->path, tiny->leaves, tiny->entries_n, tiny->entries_n - 1);
    out->seal = tiny->seal_bytes;
    out->map_proof_n = naive_prove(&tiny->map, life->handle, out->map_proof, sizeof(out->map_proof));
    for (size_t i = 0; history && i < life->events_n; i++)
        out->events[out->events_n++] = slk_span_of(life->events[i].at, life->events[i].n);
}

static inline struct slk_proof_parts tiny_view(const struct tiny_parts *parts)
{
    return (struct slk_proof_parts){
        .note = slk_span_of(parts->note, parts->note_n),
        .path = parts->path,
        .path_n = parts->path_n,
        .seal = slk_span_of(parts->seal.at, parts->seal.n),
        .map_proof = slk_span_of(parts->map_proof, parts->map_proof_n),
        .events = parts->events,
        .events_n = parts->events_n,
    };
}

static inline size_t tiny_print(uint8_t out[TINY_PROOF_MAX], const struct tiny_parts *parts, bool text)
{
    struct slk_proof_parts view = tiny_view(parts);
    size_t n = text ? slk_proof_format_text(out, TINY_PROOF_MAX, &view)
                    : slk_proof_format_binary(out, TINY_PROOF_MAX, &view);

    assert(n > 0);
    return n;
}

#endif
