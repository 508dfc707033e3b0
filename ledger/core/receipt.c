/* receipt.c: see receipt.h. */
#include "ledger/core/receipt.h"

#include <assert.h>
#include <string.h>

#define ENTRY_ROOM (24 + 2) /* around an event: its entry's fields, and the entry's length (block_build.c) */
#define HEIGHTS    2        /* at tip + 1 the member may have been building already when it signed */

enum slk_class slk_class_of(const struct slk_submission *submission)
{
    assert(submission->events_n >= 1);
    if (slk_block_share(submission) > SLK_LOCK_BYTES)
        return SLK_CLASS_NORMAL;
    for (size_t i = 0; i < submission->events_n; i++)
        if (submission->events[i].kind != SLK_LOCK)
            return SLK_CLASS_NORMAL;
    return SLK_CLASS_LOCK;
}

size_t slk_block_share(const struct slk_submission *submission)
{
    size_t share = SLK_AUTHORIZATION_MAX + 2;

    for (size_t i = 0; i < submission->events_n; i++)
        share += submission->event_bytes[i].size + ENTRY_ROOM;
    return share;
}

void slk_receipt_bytes(
    uint8_t out[SLK_RECEIPT_BYTES], const struct slk_hash *chain_id, const struct slk_receipt *receipt)
{
    static const uint8_t zero[5];
    struct slk_writer w = {.at = out, .cap = SLK_RECEIPT_BYTES};

    assert(receipt->class == SLK_CLASS_LOCK || receipt->class == SLK_CLASS_NORMAL);
    slk_write_bytes(&w, SLK_TAG_RECEIPT, SLK_TAG_SIZE);
    slk_write_bytes(&w, chain_id->b, SLK_HASH_SIZE);
    slk_write_bytes(&w, receipt->submission_id.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, receipt->key_id, SLK_KEY_ID_SIZE);
    slk_write_u64(&w, receipt->tip_height);
    slk_write_u16(&w, receipt->agency);
    slk_write_u8(&w, (uint8_t)receipt->class);
    slk_write_bytes(&w, zero, sizeof(zero));
    assert(!w.bad && w.size == SLK_RECEIPT_BYTES);
}

enum slk_err slk_receipt_parse(struct slk_receipt *out, struct slk_hash *chain_id, struct slk_span bytes)
{
    struct slk_reader r = {.rest = bytes};
    uint8_t tag[SLK_TAG_SIZE], zero[5];
    static const uint8_t none[5];
    uint8_t class;

    memset(out, 0, sizeof(*out)); /* class 0 is no class */
    slk_read_bytes(&r, tag, sizeof(tag));
    slk_read_bytes(&r, chain_id->b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->submission_id.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->key_id, SLK_KEY_ID_SIZE);
    out->tip_height = slk_read_u64(&r);
    out->agency = slk_read_u16(&r);
    class = slk_read_u8(&r);
    slk_read_bytes(&r, zero, sizeof(zero));
    if (!slk_read_done(&r) || memcmp(tag, SLK_TAG_RECEIPT, sizeof(tag)) != 0 ||
        memcmp(zero, none, sizeof(zero)) != 0 || class < SLK_CLASS_LOCK || class > SLK_CLASS_NORMAL) {
        memset(out, 0, sizeof(*out));
        return SLK_E_MALFORMED;
    }
    out->class = (enum slk_class) class;
    return SLK_OK;
}

bool slk_receipt_check(const struct slk_receipt *receipt, const struct slk_charter *charter,
    const struct slk_hash *chain_id, const struct slk_verifier *verifier)
{
    const struct slk_member *member = slk_charter_member(charter, receipt->agency);
    uint8_t bytes[SLK_RECEIPT_BYTES];

    if (member == NULL || member->role != SLK_VOTING || receipt->class < SLK_CLASS_LOCK ||
        receipt->class > SLK_CLASS_NORMAL)
        return false;
    slk_receipt_bytes(bytes, chain_id, receipt);
    return verifier->verify(verifier->ctx, receipt->sig, bytes, sizeof(bytes), member->vote_key);
}

/* Where the member stands in the charter: one bit each. */
static uint64_t member_bit(const struct slk_charter *charter, uint16_t agency)
{
    for (size_t i = 0; i < charter->members_n; i++)
        if (charter->members[i].agency == agency)
            return UINT64_C(1) << i;
    return 0;
}

_Static_assert(SLK_CHARTER_MEMBERS_MAX <= 64, "a bit for each member");

size_t slk_receipts_count(const struct slk_receipt *receipts, size_t n, const struct slk_hash *submission_id,
    const uint8_t key_id[SLK_KEY_ID_SIZE], const struct slk_charter *charter, const struct slk_hash *chain_id,
    const struct slk_verifier *verifier)
{
    uint64_t members = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t bit = member_bit(charter, receipts[i].agency);

        if ((members & bit) == 0 && slk_hash_equal(&receipts[i].submission_id, submission_id) &&
            memcmp(receipts[i].key_id, key_id, SLK_KEY_ID_SIZE) == 0 &&
            slk_receipt_check(&receipts[i], charter, chain_id, verifier))
            members |= bit;
    }
    return slk_bits_n(members);
}

bool slk_receipts_are_safe(size_t members_n, const struct slk_charter *charter)
{
    size_t voting_n = slk_charter_voting_n(charter);

    return voting_n > 0 && members_n > (voting_n - 1) / 3; /* f + 1; nobody's word is never safe */
}

/* ---- a broken promise ---- */

/* What a block holds, as far as room is concerned. */
struct load {
    size_t events, bytes;           /* all of it */
    size_t lock_events, lock_bytes; /* of short submissions of LOCK alone */
    size_t largest_events, largest_bytes;
    size_t other_bytes; /* a charter, evidence */
    bool holds;         /* the submission in question */
};

/* The submission being read: its events so far. */
struct part {
    size_t events, bytes;
    bool only_locks;
    struct slk_hash ids[SLK_SUBMISSION_EVENTS_MAX];
};

static void end_part(const struct slk_promise *p, struct part *part, struct load *load)
{
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];
    struct slk_hash id;

    slk_submission_statement(statement, p->chain_id, part->ids, part->events);
    slk_hash_bytes(&id, statement, sizeof(statement));
    load->holds |= slk_hash_equal(&id, &p->receipt->submission_id);
    part->bytes += SLK_AUTHORIZATION_MAX + 2;
    load->events += part->events;
    load->bytes += part->bytes;
    if (part->only_locks && part->bytes <= SLK_LOCK_BYTES) {
        load->lock_events += part->events;
        load->lock_bytes += part->bytes;
    } else {
        load->largest_events = part->events > load->largest_events ? part->events : load->largest_events;
        load->largest_bytes = part->bytes > load->largest_bytes ? part->bytes : load->largest_bytes;
    }
    part->events = part->bytes = 0;
    part->only_locks = true;
}

static bool read_load(const struct slk_promise *p, struct part *part, struct load *load)
{
    struct slk_reader r = {.rest = p->entries};

    *load = (struct load){.bytes = SLK_SEAL_MAX + 2};
    part->events = part->bytes = 0;
    part->only_locks = true;
    while (!r.bad && r.rest.size > 0) {
        struct slk_span bytes = slk_read_span(&r, slk_read_u16(&r));
        struct slk_entry entry;
        struct slk_event event;

        if (r.bad || slk_entry_parse(&entry, bytes) != SLK_OK)
            return false;
        if (entry.type == SLK_ENTRY_AUTHORIZATION) {
            if (part->events == 0)
                return false;
            end_part(p, part, load);
        }
        if (entry.type == SLK_ENTRY_CHARTER || entry.type == SLK_ENTRY_EVIDENCE)
            load->other_bytes += bytes.size + 2;
        if (entry.type != SLK_ENTRY_RECORDED)
            continue;
        if (slk_event_parse(&event, entry.event) != SLK_OK || part->events == SLK_SUBMISSION_EVENTS_MAX)
            return false;
        slk_event_id(&part->ids[part->events++], entry.event);
        part->bytes += entry.event.size + ENTRY_ROOM;
        part->only_locks &= event.kind == SLK_LOCK;
    }
    return !r.bad && part->events == 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Room that every honest leader would have used (slk_pool_select): a submission is left out only when the block is at its
 * least target; a lock only when locks have half of that, or, with one submission that could go no other way before them,
 * fill the largest block. Of a block that is small by charter a quarter counts:
 * locks that were refused while it was built leave gaps, which only there could be the difference. */
static bool had_room(const struct slk_promise *p, const struct load *load)
{
    const struct slk_charter *c = p->charter;
    size_t events = least(SLK_TARGET_EVENTS_MIN, c->block_events / 4), n = p->submission->events_n;
    size_t bytes = least(SLK_TARGET_BYTES_MIN, c->block_bytes / 4), share = slk_block_share(p->submission);

    if (load->events == 0 && load->other_bytes == 0 && n <= c->block_events &&
        share + SLK_SEAL_MAX + 2 <= c->block_bytes)
        return true; /* whatever it is, it fits alone: its turn lifts the block to the limit */
    if (load->events + n <= events && load->bytes + load->other_bytes + share <= bytes)
        return true;
    return p->receipt->class == SLK_CLASS_LOCK && load->lock_events + n <= events / 2 &&
           load->lock_bytes + share <= bytes / 2 &&
           load->lock_events + n + load->largest_events <= c->block_events &&
           load->lock_bytes + share + load->largest_bytes + load->other_bytes + SLK_SEAL_MAX + 2 <=
               c->block_bytes;
}

static bool is_by(const struct slk_promise *p)
{
    size_t index = 0;

    for (size_t i = 0; i < p->charter->members_n; i++) {
        if (p->charter->members[i].role != SLK_VOTING)
            continue;
        if (index++ == p->header->proposer)
            return p->charter->members[i].agency == p->receipt->agency;
    }
    return false;
}

enum slk_promise_verdict slk_promise_judge(const struct slk_promise *p)
{
    struct load load;
    struct part part; /* 128 KiB */

    if (!slk_hash_equal(&p->receipt->submission_id, &p->submission->id) ||
        memcmp(p->receipt->key_id, p->submission->key_id, SLK_KEY_ID_SIZE) != 0 || !is_by(p))
        return SLK_PROMISE_OTHER;
    if (p->receipt->tip_height > UINT64_MAX - HEIGHTS || p->header->height < p->receipt->tip_height + HEIGHTS)
        return SLK_PROMISE_EARLY;
    if (!read_load(p, &part, &load))
        return SLK_PROMISE_UNREADABLE;
    if (load.holds || p->in_ancestor)
        return SLK_PROMISE_KEPT;
    if (p->submission->rule != SLK_RULE_OK || p->before != SLK_RULE_OK || p->after != SLK_RULE_OK)
        return SLK_PROMISE_NOT_VALID;
    return had_room(p, &load) ? SLK_PROMISE_BROKEN : SLK_PROMISE_FULL;
}
