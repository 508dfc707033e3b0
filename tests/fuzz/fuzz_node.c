/* fuzz_node.c: one node of four, opened anew for each input, hears what three peers, a client and a guest say.
 *
 * Input: records, each u8 who (0 to 2: a peer; 3: a client submits; 4: a guest) || u8 frame type || u16 size || bytes. Nothing of it may fail the
 * node, and every client is answered once. The directory is made once: what a node keeps there is signed, which no input is. */
#include "net/node_private.h"

#include "tests/fuzz/fuzz.h"
#include "tests/scratch.h"
#include "tests/unit/ledger_fixture.h"

enum { PEERS = 3, CLIENT = 3, GUEST = 4, GUEST_NUMBER = SLK_BFT_PEERS - 1, RECORDS_MAX = 64 };

static struct fixture fixture;
static struct slk_key *node_cosign, *node_log, *node_vote;
static uint64_t now;
static unsigned asked_n, answered_n;

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return now;
}

static uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    return FIXTURE_START_MS + now;
}

static bool send(void *ctx, uint16_t peer, enum slk_frame_type type, struct slk_span message)
{
    (void)ctx;
    FUZZ_CHECK((peer > 0 && peer <= PEERS) ||
               (peer == GUEST_NUMBER && type != SLK_FRAME_INV && type != SLK_FRAME_EVENTS));
    FUZZ_CHECK(message.size > 0 && message.size <= slk_frame_cap(type));
    return true;
}

static void answer(void *ctx, const struct slk_node_answer *a)
{
    (void)ctx;
    FUZZ_CHECK(a->outcome >= SLK_NODE_ACCEPTED && a->outcome <= SLK_NODE_STOPPING);
    answered_n++;
}

static void clean_up(void)
{
    slk_key_free(node_vote);
    slk_key_free(node_log);
    slk_key_free(node_cosign);
    fixture_close(&fixture);
}

static void prepare(void)
{
    const struct fixture_shape shape = {.voting_n = PEERS + 1, .block_events = 100, .submission_events = 100};
    const struct slk_ledger_options options = {.threads = 1};
    struct slk_fault fault;

    fixture_open(&fixture, &shape);
    FUZZ_CHECK(slk_ledger_init(fixture.dir, slk_span_of(fixture.charter_bytes, fixture.charter_size),
                   &options, &fault) == SLK_OK);
    node_vote = fixture_key(KEY_VOTE);
    node_log = fixture_key(KEY_LOG);
    node_cosign = fixture_key(KEY_COSIGN);
    (void)atexit(clean_up);
}

/* Its status lists: then the others' words about those of the same size are looked at. */
static void state_lists(struct slk_node *node)
{
    const struct slk_lists_statement lists = {
        .origin = slk_span_of(FIXTURE_ORIGIN, strlen(FIXTURE_ORIGIN)), .size = 99, .time_s = 1};
    char text[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, &lists);

    slk_node_state_lists(node, slk_span_of(text, n), lists.size);
}

static struct slk_node *open_node(void)
{
    const struct slk_node_options options = {.dir = fixture.dir,
        .agency = 1,
        .vote_key = node_vote,
        .log_key = node_log,
        .cosign_key = node_cosign,
        .now_ms = now_ms,
        .wall_ms = wall_ms,
        .threads = 1,
        .guests = 1,
        .wire = {.send = send}};
    struct slk_node *node;
    struct slk_fault fault;

    FUZZ_CHECK(slk_node_open(&node, &options, &fault) == SLK_OK);
    for (uint16_t i = 1; i <= PEERS; i++)
        slk_node_peer_up(node, i);
    slk_node_peer_up(node, GUEST_NUMBER);
    state_lists(node);
    return node;
}

static void say(struct slk_node *node, unsigned who, unsigned type, struct slk_span bytes)
{
    uint8_t *exact = fuzz_exact(bytes.at, bytes.size);

    if (who == CLIENT)
        asked_n +=
            slk_node_submit(node, slk_span_of(exact, bytes.size), SLK_STAGE_RECEIVED, answer, NULL) != 0;
    else if (slk_frame_type_known(type) && type != SLK_FRAME_HELLO && bytes.size > 0)
        (void)slk_node_received(node, (uint16_t)(who == GUEST ? GUEST_NUMBER : who + 1),
            (enum slk_frame_type)type, slk_span_of(exact, bytes.size));
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slk_reader r = {.rest = slk_span_of(data, size)};
    struct slk_node *node;
    struct slk_fault fault;

    if (fixture.charter == NULL)
        prepare();
    now = 1000000;
    asked_n = answered_n = 0;
    node = open_node();
    for (unsigned i = 0; i < RECORDS_MAX && r.rest.size > 0; i++) {
        unsigned who = slk_read_u8(&r) % (GUEST + 1), type = slk_read_u8(&r);
        struct slk_span bytes = slk_read_span(&r, slk_read_u16(&r));

        if (r.bad)
            break;
        say(node, who, type, bytes);
        slk_node_run(node);
        FUZZ_CHECK(slk_node_failed(node, &fault) == SLK_OK);
        now += 20;
    }
    slk_node_close(node);
    FUZZ_CHECK(answered_n == asked_n);
    return 0;
}
