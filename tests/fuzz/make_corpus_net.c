/* make_corpus_net.c: see make_corpus.h. */
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/msg.h"
#include "ledger/verify/list_note.h"
#include "ledger/verify/proof.h"
#include "net/bundle.h"
#include "net/status_token.h"
#include "net/witness.h"
#include "tests/fuzz/make_corpus.h"
#include "tests/fuzz/world.h"
#include "tests/unit/signer.h"
#include "tools/tree.h"

/* ---- bundles: blocks whose form is right, and nothing else ---- */

static size_t put_frame(uint8_t *out, enum slk_bundle_kind kind, const void *at, size_t size)
{
    slk_bundle_frame_format(out, kind, size);
    memcpy(out + SLK_BUNDLE_FRAME, at, size);
    return SLK_BUNDLE_FRAME + size;
}

static size_t put_block(
    uint8_t *out, struct slk_block_header *h, const struct slk_bundle_head *head, uint64_t height)
{
    struct slk_cert cert = {
        .kind = SLK_VOTE_FINALIZE, .height = height, .view = 1, .bitmap_bytes = 1, .signers = 1};
    uint8_t bytes[SLK_BLOCK_HEADER_SIZE], block[2048];
    size_t size;

    h->version = SLK_BLOCK_VERSION;
    h->chain_id = head->chain_id;
    h->height = height;
    h->body_bytes = (uint32_t)(height % 4 + 1);
    slk_block_header_format(bytes, h);
    slk_block_hash(&cert.hash, bytes);
    size = slk_bundle_block_format(block, sizeof(block), bytes, &cert, slk_span_of("body", h->body_bytes));
    h->previous = cert.hash;
    return put_frame(out, SLK_BUNDLE_BLOCK, block, size);
}

static void seed_bundle(const char *name, uint32_t part, uint64_t to, bool has_note)
{
    static uint8_t out[8192];
    struct slk_bundle_head head = {.part = part, .from = 1 + 2 * part, .to = to};
    struct slk_block_header h = {0};
    struct slk_sha sha;
    size_t size = SLK_BUNDLE_HEAD_SIZE;

    memset(head.chain_id.b, 0x11, SLK_HASH_SIZE);
    memset(head.previous.b, 0x22, SLK_HASH_SIZE);
    h.previous = head.previous;
    slk_bundle_head_format(out, &head);
    if (part == 0)
        size += put_frame(out + size, SLK_BUNDLE_CHARTER, "charter", 7);
    for (uint64_t height = head.from; height < head.from + 2; height++)
        size += put_block(out + size, &h, &head, height);
    if (has_note)
        size += put_frame(out + size, SLK_BUNDLE_CHECKPOINT, "note", 4);
    slk_bundle_frame_format(out + size, SLK_BUNDLE_END, SLK_BUNDLE_END_SIZE);
    size += SLK_BUNDLE_FRAME;
    slk_sha_init(&sha);
    slk_sha_add(&sha, out, size);
    slk_bundle_end_format(out + size, &sha, head.from + 2, head.from + 1 == to);
    seed("bundle", name, out, size + SLK_BUNDLE_END_SIZE);
}

static void seed_http(void)
{
    seed_text("http", "get",
        "GET /v1/map/3f?wait=safe&x HTTP/1.1\r\nHost: [::1]:80\r\nAccept: text/*;q=0.5,*/*\r\n\r\n");
    seed_text("http", "post",
        "POST /v1/proofs HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    seed_text("http", "chunks",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n");
    seed_text("http", "pipelined",
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxHEAD /c "
        "HTTP/1.0\r\n\r\n");
    seed_text("http", "upgrade",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nContent-Length: "
        "0\r\n\r\n");
    seed_text("http", "smuggled",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / "
        "HTTP/1.1\r\n");
}

static void seed_api_json(void)
{
    const char *const zeros = "0000000000000000000000000000000000000000000000000000000000000000";
    char text[2048];

    snprintf(text, sizeof(text),
        "{\"key_id\":\"0011223344556677\",\"signature\":\"%s%s\",\"events\":[{\"credential\":\"%s\",\"kind\":"
        "\"ISSUE\",\"device\":"
        "\"%s\",\"carrier\":\"PHONE\",\"channel\":\"OFFICE_QR\",\"type\":2,\"valid_until\":1800000000,"
        "\"commitment\":\"%s\","
        "\"occurred_at\":1767225600,\"status_index\":5},{\"credential\":\"%s\",\"sequence\":1,\"previous\":"
        "\"%s\",\"kind\":"
        "\"LOCK\",\"channel\":\"HOLDER_REPORT\",\"reason\":1,\"occurred_at\":1767225601}]}",
        zeros, zeros, zeros, zeros, zeros, zeros, zeros);
    seed_text("api_json", "submission", text);
    snprintf(text, sizeof(text), "{\"credential\":\"%s\",\"history\":true}", zeros);
    seed_text("api_json", "proof", text);
}

/* Each kind whole, and the payload of the two that are JSON (fuzz_status_token.c). */
static void seed_lists(void)
{
    static const char *const names[] = {
        [SLK_TOKEN_JWT] = "jwt", [SLK_TOKEN_CWT] = "cwt", [SLK_TOKEN_VC_REVOCATION] = "revocation"};
    static const char payload[] =
        "{\"sub\":\"http://a/7/3\",\"iat\":1,\"exp\":9,\"ttl\":5,\"status_list\":{\"bits\":2,\"lst\":"
        "\"eNo76fITAAPfAgc\",\"aggregation_uri\":\"http://a\"},\"sillok\":{\"chain\":\"%064d\",\"type\":7,"
        "\"list\":3,\"time\":1,\"size\":99,\"root\":\"%064d\",\"sha256\":\"%064d\"}}";
    struct slk_status_claims claims = {.size = 99,
        .type = 7,
        .n = 3,
        .iat_s = 1767225600,
        .exp_s = 1767312000,
        .ttl_s = 300,
        .base = "https://status.example/v1/status-lists"};
    uint8_t list[64] = {0}, *bytes, secret[32] = {7};
    struct slk_key *key;
    char text[1024];
    size_t size;

    if (slk_key_from_seed(&key, secret) != SLK_OK)
        abort();
    for (int kind = SLK_TOKEN_JWT; kind <= SLK_TOKEN_VC_REVOCATION; kind++) {
        if (slk_status_token_make(&bytes, &size, (enum slk_token_kind)kind, &claims,
                slk_span_of(list, sizeof(list)), key) != SLK_OK)
            abort();
        seed("status_token", names[kind], bytes, size);
        free(bytes);
    }
    slk_key_free(key);
    snprintf(text, sizeof(text), payload, 0, 0, 0);
    seed_text("status_token", "payload", text);
    seed_text("status_token", "credential",
        "[{\"id\":\"http://a/7/3/revocation\",\"issuer\":\"http://"
        "a\",\"validFrom\":\"2026-01-01T00:00:00Z\",\"validUntil\":\"2026-01-02T00:00:00Z\","
        "\"credentialSubject\":{\"statusPurpose\":"
        "\"revocation\",\"ttl\":300000,\"encodedList\":"
        "\"uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA\"}}");
}

/* As fuzz_tree.c reads them: how many items, whose the first is, a bundle. */
static void seed_trees(void)
{
    const struct slk_seal seal = {
        .height = 2, .time_ms = 1767225600000, .has_previous = true, .previous = {{1}}};
    uint8_t bytes[2048] = {2, 0}, item[SLK_CERT_BYTES_MAX];
    struct slk_writer w = {.at = bytes, .size = 4, .cap = sizeof(bytes)}; /* block 0 has none */
    struct slk_cert cert = {
        .kind = SLK_VOTE_FINALIZE, .view = 1, .bitmap_bytes = 1, .signers = 1, .hash = {{7}}};
    size_t n;

    for (cert.height = 1; cert.height < 3; cert.height++) {
        n = slk_cert_format(item, sizeof(item), &cert);
        slk_write_u16(&w, (uint16_t)n);
        slk_write_bytes(&w, item, n);
    }
    seed("tree", "finality", bytes, w.size);
    bytes[0] = 0;
    w.size = 2;
    n = slk_entry_format_seal(item, sizeof(item), &seal);
    slk_write_u16(&w, (uint16_t)n);
    slk_write_bytes(&w, item, n);
    seed("tree", "seal", bytes, w.size);
    if (w.bad)
        abort();
}

/* As fuzz_qr_picture.c reads them. */
static void seed_qr_pictures(void)
{
    static const char *const names[] = {"letters", "digits", "bytes"};
    static const char *const texts[] = {"SLK1:ABCDEFGH 0123", "31415926535897932384",
        "bytes, and LETTERS 12345678 between them; so version 4 it is"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        QRcode *code = QRcode_encodeString(texts[i], 0, QR_ECLEVEL_M, QR_MODE_8, 1);
        uint8_t bytes[1 + 57 * 57 / 8 + 1] = {0};
        size_t n = 0;

        if (code == NULL || code->width > 57)
            abort();
        n = (size_t)code->width * (size_t)code->width;
        bytes[0] = (uint8_t)code->width;
        for (size_t k = 0; k < n; k++)
            bytes[1 + k / 8] |= (uint8_t)((code->data[k] & 1) << k % 8);
        seed("qr_picture", names[i], bytes, 1 + (n + 7) / 8);
        QRcode_free(code);
    }
}

/* The text, and the proof of a list under a note whose signature nobody looks at. */
static void seed_list_notes(void)
{
    struct slk_lists_statement s = {.origin = slk_span_of(WORLD_ORIGIN, strlen(WORLD_ORIGIN)),
        .size = 99,
        .root = {{1}},
        .time_s = 1767225600,
        .lists = {.tree_size = 6, .root_hash = {{2}}}};
    struct slk_list_proof proof = {.leaf = {.type = 1, .n = 3, .form = 2, .hash = {{3}}},
        .index = 4,
        .path_n = 2,
        .path = {{{4}}, {{5}}}};
    uint8_t blob[SLK_NOTE_BLOB_MAX] = {6}, note[1024], file[2048];
    struct slk_writer w = {.at = note, .cap = sizeof(note)}, f = {.at = file, .cap = sizeof(file)};
    char text[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, &s);

    seed("list_note", "statement", text, n);
    slk_write_bytes(&w, text, n);
    slk_write_u8(&w, '\n');
    slk_note_write_sig(&w, "interior", 8, blob, sizeof(blob));
    proof.note = slk_span_of(note, w.size);
    slk_list_proof_write(&f, &proof);
    if (w.bad || f.bad)
        abort();
    seed("list_note", "proof", file, f.size);
}

/* Of a log of two entries; fuzz_tlog_proof.c knows its key and the entry. */
static void seed_tlog_proof(const char *name, const char *more, const char *extra)
{
    struct slk_hash leaf[2], head;
    char text[256], digits[45] = "";
    uint8_t note[1024], bytes[2048];
    struct slk_writer w = {.at = note, .cap = sizeof(note)};
    struct slk_tlog_proof proof = {.index = 1, .path_n = 1, .has_extra = extra != NULL};
    struct signer s;
    int n;

    signer_init(&s, "log.example/a", SLK_SIG_ED25519, 1);
    slk_hash_leaf(&leaf[0], "other", 5);
    slk_hash_leaf(&leaf[1], "entry", 5);
    slk_hash_node(&head, &leaf[0], &leaf[1]);
    slk_base64_format(digits, head.b, SLK_HASH_SIZE);
    n = snprintf(text, sizeof(text), "log.example/a\n2\n%.44s\n%s", digits, more);
    slk_write_bytes(&w, text, (size_t)n);
    slk_write_u8(&w, '\n');
    signer_add_line(&w, &s, 0, slk_span_of((const uint8_t *)text, (size_t)n));
    proof.path[0] = leaf[0];
    proof.note = slk_span_of(note, w.size);
    if (extra != NULL)
        proof.extra = slk_span_of((const uint8_t *)extra, strlen(extra));
    seed("tlog_proof", name, bytes, slk_tlog_proof_format(bytes, sizeof(bytes), &proof));
}

/* As fuzz_witness.c reads them. */
static void write_answer(struct slk_writer *w, uint16_t status, const char *type, struct slk_span body)
{
    slk_write_u16(w, status);
    slk_write_u8(w, (uint8_t)strlen(type));
    slk_write_u16(w, (uint16_t)body.size);
    slk_write_bytes(w, type, strlen(type));
    slk_write_bytes(w, body.at, body.size);
}

static void seed_witness(void)
{
    static const char text[] = "log.example/a\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                      size[] = "text/x.tlog.size";
    uint8_t bytes[1024], lines[512];
    struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)}, body = {.at = lines, .cap = sizeof(lines)};
    struct signer s;

    signer_init(&s, "witness.example/w", SLK_SIG_COSIGNATURE_V1, 1);
    signer_add_line(&body, &s, 1790000000, slk_span_of((const uint8_t *)text, sizeof(text) - 1));
    write_answer(&w, 200, "text/plain", slk_span_of(lines, body.size));
    seed("witness", "cosigned", bytes, w.size);
    w.size = 0;
    write_answer(&w, 409, size, slk_span_of((const uint8_t *)"5\n", 2));
    write_answer(&w, 200, "", slk_span_of(lines, body.size));
    write_answer(&w, 409, size, slk_span_of((const uint8_t *)"99\n", 3));
    write_answer(&w, 404, "", slk_span_of(lines, 0));
    write_answer(&w, 200, "", slk_span_of(lines, body.size));
    seed("witness", "stale", bytes, w.size);
}

void seed_net(void)
{
    seed_bundle("whole", 0, 2, true);
    seed_bundle("first", 0, 9, false);
    seed_bundle("last", 4, 10, false);
    seed_http();
    seed_api_json();
    seed_lists();
    seed_trees();
    seed_qr_pictures();
    seed_list_notes();
    seed_witness();
    seed_tlog_proof("plain", "", NULL);
    seed_tlog_proof("extra", "a line of its own\n", "b3BhcXVl");
}
