/* fuzz_block.c: blocks on a small ledger in memory (world.h). The first byte chooses.
 *
 *   0: header[266] || entries   a received block: slk_block_check refuses it or re-makes exactly these bytes
 *   1: events                   (u8 length || event) ..., an empty one ends a submission, all signed by a true issuer:
 *                               what the builder accepts the checker accepts too, byte for byte, and undone it leaves nothing
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world.h"

#define SUBMISSIONS_MAX 4
#define EVENTS_MAX      16

static struct world *world;

static void make_world(void)
{
    struct life life = life_of(0);
    uint8_t event[SLK_EVENT_MAX];
    struct slk_span span;

    world = world_new();
    span = slk_span_of(event, life_event(event, &life, SLK_ISSUE));
    world_commit(world, &span, 1);
}

static void check_unchanged(const struct slk_tip *before)
{
    struct slk_hash map_root, log_root;

    slk_map_root(world->machine.map, &map_root);
    slk_log_root(&world->machine.log, &log_root);
    FUZZ_CHECK(memcmp(before, &world->machine.tip, sizeof(*before)) == 0);
    FUZZ_CHECK(slk_hash_equal(&map_root, &before->map_root) && slk_hash_equal(&log_root, &before->log_root));
}

static void received(struct slk_block *again, const uint8_t *at, size_t size)
{
    struct slk_tip before = world->machine.tip;
    struct slk_span entries = slk_span_of(at + SLK_BLOCK_HEADER_SIZE, size - SLK_BLOCK_HEADER_SIZE);
    struct slk_fault fault = {0};

    if (slk_block_check(again, &world->machine, &world->source, at, entries, NULL, &fault) == SLK_OK) {
        FUZZ_CHECK(memcmp(again->header_bytes, at, SLK_BLOCK_HEADER_SIZE) == 0);
        FUZZ_CHECK(
            again->entries_size == entries.size && memcmp(again->entries, entries.at, entries.size) == 0);
        slk_block_undo(&world->machine, again, NULL);
    } else {
        FUZZ_CHECK(fault.text[0] != 0 && memchr(fault.text, 0, sizeof(fault.text)) != NULL);
    }
    check_unchanged(&before);
}

static size_t read_submission(struct slk_span *out, struct slk_reader *r)
{
    struct slk_span events[EVENTS_MAX];
    size_t n = 0;

    while (r->rest.size > 0 && n < EVENTS_MAX) {
        struct slk_span event = slk_read_span(r, slk_read_u8(r));

        if (r->bad || event.size == 0)
            break;
        events[n++] = event;
    }
    if (n > 0)
        *out = world_submission(world, events, n);
    return n;
}

static void built(struct slk_block *again, const uint8_t *at, size_t size)
{
    struct slk_reader r = {.rest = {.at = at, .size = size}};
    struct slk_span submissions[SUBMISSIONS_MAX];
    struct slk_tip before = world->machine.tip;
    struct slk_block *made = &world->block;
    size_t n = 0;

    while (n < SUBMISSIONS_MAX && read_submission(&submissions[n], &r) > 0)
        n++;
    if (n > 0 && world_build(world, submissions, n) == SLK_RULE_OK) {
        struct slk_span entries =
            slk_span_of(fuzz_exact(made->entries, made->entries_size), made->entries_size);
        uint8_t header[SLK_BLOCK_HEADER_SIZE];
        struct slk_fault fault = {0};

        memcpy(header, made->header_bytes, sizeof(header));
        slk_block_undo(&world->machine, made, NULL);
        check_unchanged(&before);
        FUZZ_CHECK(
            slk_block_check(again, &world->machine, &world->source, header, entries, NULL, &fault) == SLK_OK);
        slk_block_undo(&world->machine, again, NULL);
        free((void *)(uintptr_t)entries.at);
    } else if (memcmp(&before, &world->machine.tip, sizeof(before)) != 0) {
        slk_block_undo(&world->machine, made, NULL); /* some submissions were good */
    }
    check_unchanged(&before);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)submissions[i].at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_block again;
    uint8_t *exact;

    if (world == NULL)
        make_world();
    if (size < 1)
        return 0;
    exact = fuzz_exact(data + 1, size - 1);
    if (data[0] % 2 == 1)
        built(&again, exact, size - 1);
    else if (size - 1 >= SLK_BLOCK_HEADER_SIZE)
        received(&again, exact, size - 1);
    free(exact);
    return 0;
}
