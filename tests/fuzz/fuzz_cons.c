/* fuzz_cons.c: what agreement leaves on disk: each form reads back exactly what it prints, and nothing else.
 *
 * Byte 0: the form; byte 1: the key's length; the key; the value. Checks are made here: nobody finds one by chance.
 */
#include "ledger/store/internal.h"
#include "tests/fuzz/fuzz.h"

static struct slk_span with_check(struct slk_span key, struct slk_span value)
{
    static uint8_t *out;

    out = realloc(out, value.size + SLK_HASH_SIZE);
    FUZZ_CHECK(out != NULL);
    if (value.size > 0)
        memcpy(out, value.at, value.size);
    return slk_span_of(out, slk_check_form(key, out, value.size));
}

static bool same(struct slk_span a, const uint8_t *bytes, size_t size)
{
    return a.size == size && memcmp(a.at, bytes, size) == 0;
}

static void cert_alone(struct slk_span value)
{
    static struct slk_cert cert;
    uint8_t again[SLK_CERT_FORM_MAX];
    size_t size;

    if (!slk_cert_unform(&cert, value))
        return;
    size = slk_cert_form(again, &cert);
    FUZZ_CHECK(same(value, again, size));
}

static void record(struct slk_span key, struct slk_span value)
{
    static struct slk_cert cert;
    struct slk_span checked = with_check(key, value);
    uint8_t key_again[SLK_CONS_KEY_MAX], again[SLK_CONS_FORM_MAX];
    struct slk_bft_record r;
    size_t key_size, size;

    FUZZ_CHECK(!slk_cons_unform(&r, &cert, key, value)); /* no check */
    if (!slk_cons_unform(&r, &cert, key, checked))
        return;
    if (r.kind != SLK_RECORD_MUTED) { /* the core indexes with it */
        const uint32_t view = r.kind == SLK_RECORD_CERT ? r.cert->view : r.vote.view;

        FUZZ_CHECK(
            (r.kind == SLK_RECORD_VOTE || r.kind == SLK_RECORD_CERT) && view > 0 && view <= SLK_BFT_VIEWS);
    }
    key_size = slk_cons_form(key_again, again, &size, &r);
    FUZZ_CHECK(same(key, key_again, key_size) && same(checked, again, size));
}

static void candidate(struct slk_span value)
{
    struct slk_block_header header;
    struct slk_span body;
    struct slk_hash hash;
    uint8_t again[SLK_BLOCK_HEADER_SIZE];

    if (value.size < SLK_BLOCK_HEADER_SIZE) {
        FUZZ_CHECK(!slk_candidate_unform(&header, &body, slk_span_of(again, SLK_HASH_SIZE), value));
        return;
    }
    slk_block_hash(&hash, value.at);
    if (!slk_candidate_unform(&header, &body, slk_span_of(hash.b, SLK_HASH_SIZE), value))
        return;
    slk_block_header_format(again, &header);
    FUZZ_CHECK(memcmp(again, value.at, sizeof(again)) == 0);
    FUZZ_CHECK(body.at == value.at + SLK_BLOCK_HEADER_SIZE && body.size == header.body_bytes);
    hash.b[0] ^= 1;
    FUZZ_CHECK(!slk_candidate_unform(&header, &body, slk_span_of(hash.b, SLK_HASH_SIZE), value));
}

/* The key follows from the bytes; a first reading tells it, and is refused. */
static void pooled(struct slk_span value)
{
    static struct slk_submission scratch; /* its arena is reused */
    static const struct slk_hash chain_id = {{0xc1}};
    uint8_t key[SLK_POOLED_KEY] = {0}, again[SLK_POOLED_KEY];
    struct slk_span span = slk_span_of(key, sizeof(key));
    struct slk_pooled item;

    FUZZ_CHECK(slk_pooled_unform(&item, &scratch, &chain_id, span, with_check(span, value)) != SLK_OK);
    slk_pooled_key(key, &item.id);
    if (slk_pooled_unform(&item, &scratch, &chain_id, span, with_check(span, value)) != SLK_OK)
        return;
    slk_pooled_key(again, &item.id);
    FUZZ_CHECK(memcmp(key, again, sizeof(key)) == 0 && item.receipt.size <= SLK_RECEIPT_MAX);
    FUZZ_CHECK(SLK_POOLED_HEAD + item.receipt.size + item.submission.size == value.size);
    FUZZ_CHECK(scratch.events_n > 0 && scratch.events_n <= SLK_SUBMISSION_EVENTS_MAX);
}

static void evidence(struct slk_span key, struct slk_span value)
{
    struct slk_span checked = with_check(key, value);
    uint8_t key_again[SLK_EVIDENCE_KEY], again[SLK_EVIDENCE_SIZE];
    struct slk_vote first, second;

    if (!slk_evidence_unform(&first, &second, key, checked))
        return;
    slk_evidence_form(key_again, again, &first, &second);
    FUZZ_CHECK(same(key, key_again, sizeof(key_again)) && same(checked, again, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t head = size < 2 ? size : 2, key_size = size < 2 ? 0 : data[1];
    uint8_t *exact_key, *exact;
    struct slk_span key, value;

    key_size = key_size < size - head ? key_size : size - head;
    exact_key = fuzz_exact(data + head, key_size);
    exact = fuzz_exact(data + head + key_size, size - head - key_size);
    key = slk_span_of(exact_key, key_size);
    value = slk_span_of(exact, size - head - key_size);
    switch (size == 0 ? 0 : data[0] % 5) {
    case 0:
        cert_alone(value);
        break;
    case 1:
        record(key, value);
        break;
    case 2:
        candidate(value);
        break;
    case 3:
        pooled(value);
        break;
    default:
        evidence(key, value);
        break;
    }
    free(exact_key);
    free(exact);
    return 0;
}
