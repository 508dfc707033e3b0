/* fuzz_receipt.c: receipts print back to their bytes; a promise is judged whatever the block's bytes are.
 *
 * The first 104 bytes are a receipt's statement; the next one says of whom and when; the rest is a block's entries.
 */
#include "ledger/core/receipt.h"
#include "tests/fuzz/fuzz.h"

static bool yes(void *ctx, const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *message, size_t size,
    const uint8_t key[SLK_KEY_SIZE])
{
    (void)ctx;
    (void)sig;
    (void)message;
    (void)size;
    (void)key;
    return true;
}

/* Four members; a submission of one short event, as if admitted. */
static void make_case(struct slk_charter *charter, struct slk_submission *submission)
{
    static struct slk_event event = {.kind = SLK_LOCK};
    static const uint8_t bytes[] = {1, 2, 3};
    static struct slk_span span;

    charter->members_n = 4;
    for (size_t i = 0; i < charter->members_n; i++) {
        charter->members[i].agency = (uint16_t)(10 + i);
        charter->members[i].role = i < 3 ? SLK_VOTING : SLK_OBSERVER;
    }
    charter->block_events = 4096;
    charter->block_bytes = 1u << 20;
    span = slk_span_of(bytes, sizeof(bytes));
    memset(submission, 0, sizeof(*submission));
    submission->events_n = 1;
    submission->events = &event;
    submission->event_bytes = &span;
}

static void check_parsed(
    const struct slk_receipt *receipt, const struct slk_hash *chain_id, struct slk_span bytes)
{
    uint8_t again[SLK_RECEIPT_BYTES];

    FUZZ_CHECK(bytes.size == SLK_RECEIPT_BYTES && fuzz_is_zero(receipt->sig, sizeof(receipt->sig)));
    slk_receipt_bytes(again, chain_id, receipt);
    FUZZ_CHECK(memcmp(again, bytes.at, sizeof(again)) == 0);
}

/* One receipt counts once, from a voting member, for its own submission. */
static void check_count(
    const struct slk_receipt *receipt, const struct slk_charter *charter, const struct slk_hash *chain_id)
{
    const struct slk_verifier verifier = {.ctx = NULL, .verify = yes};
    const struct slk_receipt twice[] = {*receipt, *receipt};
    bool votes = receipt->agency >= 10 && receipt->agency < 13;
    struct slk_hash other = receipt->submission_id;

    other.b[0] ^= 1;
    FUZZ_CHECK(slk_receipt_check(receipt, charter, chain_id, &verifier) == votes);
    FUZZ_CHECK(slk_receipts_count(twice, 2, &receipt->submission_id, receipt->key_id, charter, chain_id,
                   &verifier) == votes);
    FUZZ_CHECK(slk_receipts_count(twice, 2, &other, receipt->key_id, charter, chain_id, &verifier) == 0);
}

static void judge(const struct slk_receipt *receipt, const struct slk_charter *charter,
    struct slk_submission *submission, const struct slk_hash *chain_id, struct slk_span rest)
{
    struct slk_block_header header = {.version = SLK_BLOCK_VERSION};
    struct slk_promise promise = {
        .receipt = receipt, .submission = submission, .charter = charter, .chain_id = chain_id};
    uint8_t b = rest.size > 0 ? rest.at[0] : 0;
    enum slk_promise_verdict verdict;

    submission->id = receipt->submission_id;
    memcpy(submission->key_id, receipt->key_id, SLK_KEY_ID_SIZE);
    submission->id.b[0] ^= (uint8_t)(b == 0xff);
    submission->rule = (b & 0x10) != 0 ? SLK_RULE_STATE : SLK_RULE_OK;
    header.proposer = b & 3;
    header.height = receipt->tip_height + (b >> 2 & 3);
    promise.header = &header;
    promise.entries = rest.size > 0 ? slk_span_of(rest.at + 1, rest.size - 1) : rest;
    promise.in_ancestor = (b & 0x20) != 0;
    promise.before = promise.after = SLK_RULE_OK;
    verdict = slk_promise_judge(&promise);
    FUZZ_CHECK(verdict >= SLK_PROMISE_BROKEN && verdict <= SLK_PROMISE_UNREADABLE);
    if (verdict != SLK_PROMISE_BROKEN) /* what is broken is by that member, late enough, and not in there */
        return;
    FUZZ_CHECK(
        header.proposer + 10 == receipt->agency && b != 0xff && header.height >= receipt->tip_height + 2);
    FUZZ_CHECK(!promise.in_ancestor && submission->rule == SLK_RULE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_charter charter;
    static struct slk_submission submission;
    size_t first = size < SLK_RECEIPT_BYTES ? size : SLK_RECEIPT_BYTES;
    uint8_t *exact = fuzz_exact(data, first), *rest = fuzz_exact(data + first, size - first);
    struct slk_receipt receipt;
    struct slk_hash chain_id;

    make_case(&charter, &submission);
    memset(&receipt, 0xa5, sizeof(receipt));
    if (slk_receipt_parse(&receipt, &chain_id, slk_span_of(exact, first)) == SLK_OK) {
        check_parsed(&receipt, &chain_id, slk_span_of(exact, first));
        check_count(&receipt, &charter, &chain_id);
        judge(&receipt, &charter, &submission, &chain_id, slk_span_of(rest, size - first));
    } else {
        FUZZ_CHECK(
            fuzz_is_zero(&receipt.submission_id, sizeof(receipt.submission_id)) && receipt.agency == 0);
    }
    free(exact);
    free(rest);
    return 0;
}
