/* bft_sync.c: catching up: finalised blocks above the tip, in a window of fixed size (protocol §2.11).
 *
 * What a peer claims is a reason to ask, nothing more. A header enters the window when it is linked to the one before it
 * and its own finality certificate holds under the charter that the chain names for its height; so nothing in the
 * window is ever replaced, and whatever does not fit its end is refused. Bodies come by bft_body.c, in any order; blocks
 * are validated and committed one after the other by the rules that commit any block, and leave the window
 * when they are durable.
 */
#include "ledger/core/bft_private.h"

static struct ahead *at_height(struct slk_bft *core, uint64_t height)
{
    assert(height >= core->sync.first && height - core->sync.first < core->sync.n);
    return &core->sync.at[height % SYNC_WINDOW];
}

/* The council of a charter that the chain named: the one in force, or one of those that follow it. */
const struct slk_council *slk_bft_council(const struct slk_bft *core, const struct slk_hash *charter_hash)
{
    if (slk_hash_equal(&core->tip.council.charter_hash, charter_hash))
        return &core->tip.council;
    for (size_t i = 0; i < core->sync.epochs_n; i++)
        if (slk_hash_equal(&core->sync.epochs[i].charter_hash, charter_hash))
            return &core->sync.epochs[i];
    return NULL;
}

bool slk_bft_sync_end(const struct slk_bft *core, struct sync_end *out)
{
    const struct sync *sync = &core->sync;
    const struct block *block;
    const struct ahead *last;

    if (sync->n > 0) {
        last = &sync->at[(sync->first + sync->n - 1) % SYNC_WINDOW];
        *out = (struct sync_end){.height = sync->first + sync->n,
            .previous = &last->hash,
            .charter_hash = &last->fields.next_charter_hash};
    } else if (core->is_decided) {
        block = &core->blocks[core->decided_block];
        if (!block->has_header || !block->is_sound)
            return false;
        *out = (struct sync_end){.height = core->height + 1,
            .previous = &block->hash,
            .charter_hash = &block->fields.next_charter_hash};
    } else {
        *out = (struct sync_end){.height = core->height,
            .previous = &core->tip.hash,
            .charter_hash = &core->tip.council.charter_hash};
    }
    out->council = slk_bft_council(core, out->charter_hash);
    return true;
}

struct ahead *slk_bft_ahead(struct slk_bft *core, const struct slk_hash *hash)
{
    for (size_t i = 0; i < core->sync.n; i++) {
        struct ahead *block = at_height(core, core->sync.first + i);

        if (slk_hash_equal(&block->hash, hash))
            return block;
    }
    return NULL;
}

bool slk_bft_is_final(const struct slk_bft *core, const struct slk_hash *hash)
{
    if (core->is_decided && slk_hash_equal(&core->decided.hash, hash))
        return true;
    for (size_t i = 0; i < core->sync.n; i++)
        if (slk_hash_equal(&core->sync.at[(core->sync.first + i) % SYNC_WINDOW].hash, hash))
            return true;
    return false;
}

/* The window reaches the height that is being decided: it is decided. */
static void feed(struct slk_bft *core)
{
    struct ahead *next;
    size_t at;

    if (core->sync.n == 0 || core->sync.first != core->height)
        return;
    next = at_height(core, core->height);
    slk_bft_hold(core, &next->final);
    if (!slk_hash_equal(&core->decided.hash, &next->hash))
        return; /* two blocks are final: FORK was raised */
    at = slk_bft_block_header(core, next->header, &next->hash);
    assert(at < SLK_BFT_BLOCKS);
    if (core->blocks[at].state == BLOCK_UNKNOWN && !next->is_here && slk_bft_is_fetched(core, &next->hash))
        core->blocks[at].state = BLOCK_MISSING; /* it is on its way: no need to ask the driver for it */
}

/* A height was committed, or the node starts: what is below leaves the window, and what the tip names is known. */
void slk_bft_sync_slide(struct slk_bft *core)
{
    struct sync *sync = &core->sync;
    size_t passed = 0;

    while (sync->n > 0 && sync->first < core->height) {
        if (sync->first + 1 == core->height &&
            !slk_hash_equal(&at_height(core, sync->first)->hash, &core->tip.hash)) {
            slk_bft_forked(core, &at_height(core, sync->first)->final);
            sync->n = 0;
            break;
        }
        sync->first++;
        sync->n--;
    }
    for (size_t i = 0; i < sync->epochs_n; i++)
        if (slk_hash_equal(&sync->epochs[i].charter_hash, &core->tip.council.charter_hash))
            passed = i + 1;
    for (size_t i = passed; i < sync->epochs_n && passed > 0; i++) {
        sync->epochs[i - passed] = sync->epochs[i];
        sync->epoch_from[i - passed] = sync->epoch_from[i];
    }
    sync->epochs_n -= passed;
    if (sync->certain < core->tip.height)
        sync->certain = core->tip.height;
    assert(sync->n == 0 || sync->first == core->height);
    feed(core);
}

/* Is `final` the certificate of this header, by the council that decides its height? */
static bool is_final(const struct slk_bft *core, const struct slk_block_header *fields,
    const struct slk_hash *hash, const struct slk_cert *final, const struct slk_council *council)
{
    return slk_hash_equal(&fields->chain_id, &council->chain_id) &&
           slk_hash_equal(&fields->charter_hash, &council->charter_hash) &&
           fields->body_bytes <= SLK_BODY_MAX && final->kind == SLK_VOTE_FINALIZE &&
           final->height == fields->height && final->view <= SLK_BFT_VIEWS &&
           slk_hash_equal(&final->hash, hash) && slk_cert_check(final, council, &core->config.verifier);
}

/* Puts a finalised block at the window's end. NONE when it was taken; HEADER: false; OLD, EARLY: not its place. */
enum slk_bft_drop slk_bft_sync_take(struct slk_bft *core, const uint8_t *header, const struct slk_cert *final)
{
    struct sync *sync = &core->sync;
    struct slk_block_header fields;
    struct slk_hash hash;
    struct sync_end end;
    struct ahead *block;

    if (slk_block_header_parse(&fields, header) != SLK_OK)
        return SLK_DROP_HEADER;
    if (fields.height < core->height)
        return SLK_DROP_OLD;
    if (!slk_bft_sync_end(core, &end))
        return SLK_DROP_EARLY;
    if (fields.height < end.height)
        return SLK_DROP_OLD; /* what is held stays */
    if (fields.height > end.height || end.council == NULL || end.height - core->height >= SYNC_WINDOW)
        return SLK_DROP_EARLY;
    slk_block_hash(&hash, header);
    if (!slk_hash_equal(&fields.previous, end.previous) ||
        !is_final(core, &fields, &hash, final, end.council))
        return SLK_DROP_HEADER;
    if (sync->n == 0)
        sync->first = end.height;
    sync->n++;
    assert(sync->n <= SYNC_WINDOW);
    block = at_height(core, end.height);
    block->hash = hash;
    block->fields = fields;
    memcpy(block->header, header, sizeof(block->header));
    block->is_here = false;
    block->giver = 0;
    slk_cert_copy(&block->final, final);
    if (sync->certain < fields.height)
        sync->certain = fields.height;
    if (fields.height == core->height)
        feed(core);
    return SLK_DROP_NONE;
}

bool slk_bft_was_asked(const struct slk_bft *core, uint16_t peer)
{
    return core->now_ms < core->amnesty_ms || (peer < SLK_BFT_PEERS && (core->asked >> peer & 1) != 0);
}

/* An answer counts while its question is open; bulk from somebody who was never asked is a violation (protocol §3.4). */
static bool is_answer(struct slk_bft *core, enum slk_get_what what, const uint8_t *header, uint16_t peer)
{
    struct slk_block_header fields;
    const struct request *r = &core->get[what];

    if (!slk_bft_was_asked(core, peer)) {
        slk_bft_drop(core, SLK_DROP_UNASKED, peer);
        return false;
    }
    if (slk_block_header_parse(&fields, header) != SLK_OK) {
        slk_bft_drop(core, SLK_DROP_HEADER, peer);
        return false;
    }
    if (r->is_open && fields.height == r->key)
        return true;
    slk_bft_drop(core, SLK_DROP_LATE, peer);
    return false;
}

static bool is_of_height(const uint8_t *header, uint64_t height)
{
    struct slk_block_header fields;

    return slk_block_header_parse(&fields, header) == SLK_OK && fields.height == height;
}

void slk_bft_on_headers(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    enum slk_bft_drop drop = SLK_DROP_NONE;
    uint64_t from = core->get[SLK_GET_HEADERS].key;

    if (!is_answer(core, SLK_GET_HEADERS, msg->header.at, peer))
        return;
    for (size_t i = 0; i < msg->certs_n && (drop == SLK_DROP_NONE || drop == SLK_DROP_OLD); i++) {
        const uint8_t *header = msg->header.at + i * SLK_BLOCK_HEADER_SIZE;

        drop =
            is_of_height(header, from + i) ? slk_bft_sync_take(core, header, msg->certs[i]) : SLK_DROP_HEADER;
    }
    if (drop == SLK_DROP_HEADER)
        slk_bft_drop(core, drop, peer);
    else
        slk_bft_was_useful(core, peer); /* EARLY: it sent more than there was room for */
}

/* One change of charter. False: it is none, or there is no room for another. */
static bool take_epoch(struct slk_bft *core, const struct slk_msg *msg, size_t i, uint16_t peer)
{
    const struct slk_epoch *epoch = &msg->epochs[i];
    struct sync *sync = &core->sync;
    struct slk_block_header fields;
    const struct slk_council *council;
    struct slk_council *next = &sync->epochs[sync->epochs_n];
    struct slk_hash hash;

    if (sync->epochs_n == SYNC_EPOCHS)
        return false;
    slk_block_hash(&hash, epoch->header.at);
    if (slk_block_header_parse(&fields, epoch->header.at) != SLK_OK ||
        (council = slk_bft_council(core, &fields.charter_hash)) == NULL ||
        slk_hash_equal(&fields.charter_hash, &fields.next_charter_hash) ||
        !is_final(core, &fields, &hash, msg->certs[i], council)) {
        slk_bft_drop(core, SLK_DROP_HEADER, peer);
        return false;
    }
    if (sync->certain < fields.height)
        sync->certain = fields.height;
    if (slk_bft_council(core, &fields.next_charter_hash) != NULL)
        return true; /* known */
    if (!core->config.electors.council(
            core->config.electors.ctx, epoch->charter, &fields.next_charter_hash, next)) {
        slk_hash_tagged(&hash, SLK_TAG_CHARTER, epoch->charter.at, epoch->charter.size);
        slk_bft_drop(core,
            slk_hash_equal(&hash, &fields.next_charter_hash) ? SLK_DROP_UNREADABLE : SLK_DROP_CHARTER, peer);
        return false;
    }
    assert(next->n > 0 && next->n <= SLK_CHARTER_VOTING_MAX);
    assert(slk_hash_equal(&next->charter_hash, &fields.next_charter_hash));
    assert(slk_hash_equal(&next->chain_id, &core->tip.council.chain_id));
    sync->epoch_from[sync->epochs_n++] = fields.height + 1;
    return true;
}

void slk_bft_on_epochs(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    if (core->config.electors.council == NULL ||
        !is_answer(core, SLK_GET_EPOCHS, msg->epochs[0].header.at, peer))
        return;
    for (size_t i = 0; i < msg->certs_n; i++)
        if (!take_epoch(core, msg, i, peer))
            return;
    slk_bft_was_useful(core, peer);
}
