/* bft_body.c: bodies that are not here: of the block a rule waits for, and of those in the window (protocol §2.11).
 *
 * Several at a time, one question open for each, at most four of one peer. A body comes in parts of 64 KiB, in order, from one
 * peer while it answers; only time makes a question go to another. Which bytes are a header's body the driver says.
 */
#include "ledger/core/bft_private.h"

static struct fetch *fetch_of(struct slk_bft *core, const struct slk_hash *hash)
{
    for (size_t i = 0; i < FETCHES_MAX; i++)
        if (core->fetches[i].is_open && slk_hash_equal(&core->fetches[i].hash, hash))
            return &core->fetches[i];
    return NULL;
}

bool slk_bft_is_fetched(const struct slk_bft *core, const struct slk_hash *hash)
{
    for (size_t i = 0; i < FETCHES_MAX; i++)
        if (core->fetches[i].is_open && slk_hash_equal(&core->fetches[i].hash, hash))
            return true;
    return false;
}

static struct block *known_block(struct slk_bft *core, const struct slk_hash *hash)
{
    for (size_t i = 0; i < core->blocks_n; i++)
        if (slk_hash_equal(&core->blocks[i].hash, hash))
            return &core->blocks[i];
    return NULL;
}

/* Is there still a rule, or a place in the window, that waits for this body? */
static bool is_awaited(struct slk_bft *core, const struct fetch *fetch)
{
    const struct block *block = known_block(core, &fetch->hash);
    const struct ahead *ahead = slk_bft_ahead(core, &fetch->hash);

    if (block != NULL && fetch->height == core->height)
        return (block->state == BLOCK_MISSING || !block->has_header) &&
               slk_bft_wanted(core, (size_t)(block - core->blocks));
    return ahead != NULL && !ahead->is_here;
}

static unsigned open_at(const struct slk_bft *core, uint16_t peer)
{
    unsigned n = 0;

    for (size_t i = 0; i < FETCHES_MAX; i++)
        n += core->fetches[i].is_open && core->fetches[i].peer == peer;
    return n;
}

/* Those of `peers` that may be asked one thing more. */
static uint64_t free_peers(const struct slk_bft *core, uint64_t peers)
{
    uint64_t busy = 0;

    for (uint16_t peer = 0; peer < SLK_BFT_PEERS; peer++)
        if ((peers >> peer & 1) != 0 && open_at(core, peer) >= PEER_FETCHES_MAX)
            busy |= 1ull << peer;
    return peers & ~busy;
}

/* Whom to ask for a block of this height: who says to have it; for want of those, everybody. */
static uint64_t holders(const struct slk_bft *core, uint64_t height)
{
    uint64_t peers = height > core->height ? slk_bft_claimers(core, height) : 0;

    return peers != 0 ? peers : slk_bft_everybody_else(core);
}

static void open_fetch(
    struct slk_bft *core, const struct slk_hash *hash, uint64_t height, uint16_t first, bool was_false)
{
    uint64_t peers = free_peers(core, holders(core, height));
    bool all_failed = (peers & ~core->useless) == 0;

    if (peers == 0 || fetch_of(core, hash) != NULL)
        return;
    for (size_t i = 0; i < FETCHES_MAX; i++) {
        struct fetch *fetch = &core->fetches[i];

        if (fetch->is_open)
            continue;
        *fetch = (struct fetch){.is_open = true,
            .is_new = true,
            .hash = *hash,
            .height = height,
            .peer = slk_bft_next_peer(core, peers, first),
            .due_ms = core->now_ms,
            .wait_ms = core->config.get_ms};
        if (was_false && all_failed)
            fetch->due_ms += fetch->wait_ms; /* whoever is left has failed already: not at his pace */
        return;
    }
}

/* The bytes of the window's bodies that are here or on their way. */
static uint64_t bytes_held(struct slk_bft *core)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < core->sync.n; i++) {
        const struct ahead *ahead = &core->sync.at[(core->sync.first + i) % SYNC_WINDOW];

        if (ahead->is_here)
            bytes += ahead->size;
        else if (slk_bft_is_fetched(core, &ahead->hash))
            bytes += ahead->fields.body_bytes;
    }
    return bytes;
}

/* The lowest blocks of the window first; the one being decided is asked for when the driver has it not. */
static void open_window(struct slk_bft *core)
{
    uint64_t bytes = core->sync.n > 0 ? bytes_held(core) : 0;

    for (size_t i = 0; i < core->sync.n; i++) {
        uint64_t height = core->sync.first + i;
        const struct ahead *ahead = &core->sync.at[height % SYNC_WINDOW];

        if (height == core->height || ahead->is_here || slk_bft_is_fetched(core, &ahead->hash))
            continue;
        if (bytes > SYNC_BYTES_MAX || ahead->fields.body_bytes > SYNC_BYTES_MAX - bytes)
            return; /* above it, when the block being committed had to be asked for again */
        open_fetch(core, &ahead->hash, height,
            slk_bft_turn(core, free_peers(core, holders(core, height)), height), false);
        if (!slk_bft_is_fetched(core, &ahead->hash))
            return; /* all places are taken */
        bytes += ahead->fields.body_bytes;
    }
}

static void open_candidate(struct slk_bft *core)
{
    size_t at = slk_bft_missing_block(core);
    const struct block *block = &core->blocks[at];
    uint16_t first;

    if (at == SLK_BFT_BLOCKS)
        return;
    first = block->was_false    ? (uint16_t)(block->giver + 1)
            : block->has_header ? block->fields.proposer
                                : slk_council_leader(&core->tip.council, core->height, core->view);
    open_fetch(core, &block->hash, core->height, first, block->was_false);
}

/* Asks when it is time to. False: there is nobody to ask. */
static bool ask_part(struct slk_bft *core, struct fetch *fetch)
{
    struct slk_msg *msg;

    if (core->now_ms < fetch->due_ms && !MUTATED(GET_STORM)) {
        slk_bft_wake(core, fetch->due_ms);
        return true;
    }
    if (!fetch->is_new) {
        uint64_t peers = holders(core, fetch->height);

        slk_bft_drop(core, SLK_DROP_SILENT, fetch->peer);
        fetch->wait_ms =
            2 * fetch->wait_ms < core->config.get_max_ms ? 2 * fetch->wait_ms : core->config.get_max_ms;
        if (free_peers(core, peers) != 0)
            peers = free_peers(core, peers);
        if (peers == 0)
            return false;
        fetch->peer = slk_bft_next_peer(core, peers, (uint16_t)(fetch->peer + 1));
        fetch->chunk = 0; /* all parts of a body from one, or a liar's would spoil another's */
    }
    fetch->is_new = false;
    fetch->due_ms = core->now_ms + fetch->wait_ms;
    slk_bft_wake(core, fetch->due_ms);
    core->asked |= 1ull << fetch->peer;
    msg = slk_bft_msg(core, SLK_MSG_GET, fetch->peer);
    if (msg != NULL)
        msg->get = (struct slk_get){
            .what = SLK_GET_BODY, .height = fetch->height, .hash = fetch->hash, .chunk = fetch->chunk};
    return true;
}

void slk_bft_bodies(struct slk_bft *core)
{
    for (size_t i = 0; i < FETCHES_MAX; i++)
        if (core->fetches[i].is_open && !is_awaited(core, &core->fetches[i]))
            core->fetches[i].is_open = false;
    open_candidate(core);
    open_window(core);
    for (size_t i = 0; i < FETCHES_MAX; i++)
        if (core->fetches[i].is_open && !ask_part(core, &core->fetches[i]))
            core->fetches[i].is_open = false;
}

static void body_is_here(struct slk_bft *core, struct fetch *fetch, uint16_t peer)
{
    struct block *block = known_block(core, &fetch->hash);
    struct ahead *ahead = slk_bft_ahead(core, &fetch->hash);

    fetch->is_open = false;
    slk_bft_was_useful(core, peer);
    if (ahead != NULL) {
        ahead->is_here = true;
        ahead->size = fetch->size;
        ahead->giver = peer;
    }
    if (block != NULL && block->state == BLOCK_MISSING)
        block->state = BLOCK_UNKNOWN;
    if (block != NULL) {
        block->was_given = true;
        block->giver = peer;
    }
}

/* A part that was asked for; what was not is a violation (protocol §3.4). Whether the whole is the right body for this
 * header the driver says, as with any other. */
void slk_bft_on_data(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    struct fetch *fetch = fetch_of(core, &msg->hash);
    struct slk_bft_effect *effect;
    struct slk_block_header fields;
    uint64_t offset = (uint64_t)msg->chunk * core->config.chunk_bytes, left;

    if (!slk_bft_was_asked(core, peer)) {
        slk_bft_drop(core, SLK_DROP_UNASKED, peer);
        return;
    }
    if (fetch == NULL || fetch->chunk != msg->chunk || (msg->chunk > 0 && peer != fetch->peer)) {
        slk_bft_drop(core, SLK_DROP_LATE, peer);
        return;
    }
    if (slk_block_header_parse(&fields, msg->header.at) != SLK_OK || fields.height != fetch->height ||
        fields.body_bytes > SLK_BODY_MAX || msg->body_size > fields.body_bytes + SLK_BODY_SLACK ||
        offset > msg->body_size || (msg->chunk > 0 && msg->body_size != fetch->size)) {
        slk_bft_drop(core, SLK_DROP_CHUNK, peer);
        return;
    }
    left = msg->body_size - offset;
    if (msg->body.size != (left < core->config.chunk_bytes ? left : core->config.chunk_bytes)) {
        slk_bft_drop(core, SLK_DROP_CHUNK, peer);
        return;
    }
    fetch->size = msg->body_size;
    if (known_block(core, &msg->hash) != NULL)
        (void)slk_bft_block_header(core, msg->header.at, &msg->hash);
    effect = slk_bft_effect(core, SLK_OUT_BODY);
    effect->hash = msg->hash;
    effect->header = msg->header.at;
    effect->body = msg->body;
    effect->offset = offset;
    effect->size = msg->body_size;
    if (msg->body.size == left) {
        body_is_here(core, fetch, peer);
        return;
    }
    fetch->peer = peer; /* perhaps one that was given up: it answers */
    fetch->chunk++;
    fetch->is_new = true;
    fetch->due_ms = core->now_ms;
    fetch->wait_ms = core->config.get_ms;
}

/* The driver says that what is here is not this header's body, or that it is not here after all. */
void slk_bft_body_missing(struct slk_bft *core, const struct slk_hash *hash)
{
    struct block *block = known_block(core, hash);
    struct ahead *ahead = slk_bft_ahead(core, hash);

    if (ahead != NULL && ahead->is_here) {
        ahead->is_here = false;
        slk_bft_drop(core, SLK_DROP_BODY, ahead->giver);
    } else if (block != NULL && block->was_given) {
        slk_bft_drop(core, SLK_DROP_BODY, block->giver);
    }
    if (block != NULL && block->was_given) {
        block->was_given = false;
        block->was_false = true;
    }
}
