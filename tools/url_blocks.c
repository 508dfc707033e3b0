/* url_blocks.c: see url_blocks.h. */
#include "tools/url_blocks.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_PATH   "/v1/blocks/%" PRIu64 "?finality"
#define GENESIS_PATH "/v1/blocks/0"
#define CHARTER_AT   (SLK_BLOCK_HEADER_SIZE)
#define PATH_SIZE    80

#define CONSISTENCY_BYTES ((size_t)64 << 10)

static bool ask(
    struct url_blocks *b, const char *path, const char *type, size_t max, struct http_answer *answer)
{
    const struct http_request request = {
        .path = path, .accept = type, .max = max, .patience_ms = HTTP_PATIENCE_MS};

    http_answer_clear(answer);
    return cli_ask(b->cli, b->nodes, &request, NULL, NULL, answer);
}

/* ---- several at once ---- */

static void start(struct url_blocks *b, uint64_t height)
{
    struct url_block *place = &b->ahead[height % URL_BLOCKS_AHEAD];
    char path[PATH_SIZE];
    const struct http_request request = {.path = path,
        .accept = "application/octet-stream",
        .max = SLK_BUNDLE_BLOCK_MAX,
        .patience_ms = HTTP_PATIENCE_MS};

    if (place->height == height)
        return;
    assert(place->height == 0 || place->is_here);
    http_answer_clear(&place->answer);
    snprintf(path, sizeof(path), BLOCK_PATH, height);
    *place = (struct url_block){.height = height};
    b->is_broken = b->is_broken || !http_start(b->nodes->client, b->giver, &request, place);
}

static bool take_one(struct url_blocks *b)
{
    struct http_answer answer;
    void *tag;

    if (!http_next(b->nodes->client, UINT64_MAX, &tag, &answer))
        return false;
    ((struct url_block *)tag)->answer = answer;
    ((struct url_block *)tag)->is_here = true;
    return true;
}

/* The block from the node that gives them, with those after it on their way. False: it failed. */
static bool read_ahead(struct url_blocks *b, uint64_t height, struct slk_span *payload)
{
    struct url_block *place = &b->ahead[height % URL_BLOCKS_AHEAD];

    for (uint64_t h = height; h < height + URL_BLOCKS_AHEAD && h <= b->source.tip && !b->is_broken; h++)
        start(b, h);
    while (place->height == height && !place->is_here && take_one(b))
        ;
    if (place->height != height || !place->is_here || place->answer.status != 200) {
        b->is_broken = true;
        while (take_one(b))
            ;
        return false;
    }
    *payload = slk_span_of(place->answer.body, place->answer.size);
    return true;
}

static enum slk_err block_of_node(
    void *ctx, uint64_t height, struct slk_span *payload, struct slk_fault *fault)
{
    struct url_blocks *b = ctx;
    struct url_block *place = &b->ahead[height % URL_BLOCKS_AHEAD];
    char path[PATH_SIZE];

    *payload = (struct slk_span){0};
    if (!b->is_broken && read_ahead(b, height, payload))
        return SLK_OK;
    snprintf(path, sizeof(path), BLOCK_PATH, height);
    place->height = 0;
    if (!ask(b, path, "application/octet-stream", SLK_BUNDLE_BLOCK_MAX, &place->answer) ||
        place->answer.status != 200) {
        snprintf(fault->text, sizeof(fault->text), "no node gave block %" PRIu64, height);
        return SLK_E_NOT_FOUND;
    }
    b->giver = place->answer.node;
    *payload = slk_span_of(place->answer.body, place->answer.size);
    return SLK_OK;
}

/* ---- where it begins and ends ---- */

static struct slk_span checkpoint_of_node(void *ctx, uint64_t size)
{
    const struct url_blocks *b = ctx;
    struct slk_checkpoint checkpoint;
    struct slk_note *note = malloc(sizeof(*note));
    bool is_it = note != NULL && b->note_n > 0 && b->note_n <= SLK_BUNDLE_NOTE_MAX &&
                 slk_note_parse(note, b->note, b->note_n) == SLK_OK &&
                 slk_checkpoint_parse(&checkpoint, note->text) == SLK_OK && checkpoint.head.tree_size == size;

    free(note);
    return is_it ? slk_span_of((const uint8_t *)b->note, b->note_n) : (struct slk_span){0};
}

/* Block 0 holds the first charter, whose hash is the chain. */
static bool read_genesis(struct url_blocks *b)
{
    struct slk_reader in;
    struct slk_entry entry;
    struct slk_span bytes;

    in = (struct slk_reader){.rest = slk_span_of(b->genesis.body, b->genesis.size)};
    (void)slk_read_span(&in, CHARTER_AT);
    bytes = slk_read_span(&in, slk_read_u16(&in));
    if (in.bad || slk_entry_parse(&entry, bytes) != SLK_OK || entry.type != SLK_ENTRY_CHARTER) {
        b->cli->exit_code = cli_fail(b->cli, CLI_NO, "%s: what it calls block 0 holds no charter",
            http_node_name(b->nodes->client, b->genesis.node));
        return false;
    }
    b->giver = b->genesis.node;
    b->source.charter = entry.charter;
    slk_charter_chain_id(&b->source.chain_id, entry.charter);
    return true;
}

/* Up to the newest block that a quorum has cosigned, so that who imports it can give proofs. */
static bool read_tip(struct url_blocks *b)
{
    const struct http_request request = {
        .path = "/v1/status", .accept = "application/json", .max = (size_t)1 << 16};
    struct http_answer answer = {0};
    json_t *status =
        http_ask(b->nodes->client, b->giver, &request, &answer) ? cli_answer_json(&answer) : NULL;
    json_int_t height = json_integer_value(json_object_get(status, "cosigned_height"));

    if (height <= 0)
        height = json_integer_value(json_object_get(status, "height"));
    if (height <= 0)
        b->cli->exit_code = cli_fail(b->cli, CLI_UNSURE, "%s: %s", http_node_name(b->nodes->client, b->giver),
            answer.error[0] != '\0' ? answer.error : "it has no block yet");
    json_decref(status);
    http_answer_clear(&answer);
    b->source.tip = height > 0 ? (uint64_t)height : 0;
    return height > 0;
}

static void read_note(struct url_blocks *b)
{
    const struct http_request request = {
        .path = "/checkpoint", .accept = "text/plain", .max = SLK_BUNDLE_NOTE_MAX};
    struct http_answer answer = {0};

    if (http_ask(b->nodes->client, b->giver, &request, &answer)) {
        b->note = (char *)answer.body;
        b->note_n = answer.size;
        answer.body = NULL;
    }
    http_answer_clear(&answer);
}

bool url_blocks_open(struct url_blocks *b, struct cli *cli, struct cli_nodes *nodes)
{
    *b = (struct url_blocks){.cli = cli, .nodes = nodes};
    b->source =
        (struct slk_bundle_source){.ctx = b, .block = block_of_node, .checkpoint = checkpoint_of_node};
    if (!ask(b, GENESIS_PATH, "application/octet-stream", SLK_BUNDLE_BLOCK_MAX, &b->genesis) ||
        !read_genesis(b) || !read_tip(b))
        return false;
    read_note(b);
    return true;
}

bool url_blocks_open_at(struct url_blocks *b, struct cli *cli, struct cli_nodes *nodes, size_t node)
{
    const struct http_request request = {.path = GENESIS_PATH,
        .accept = "application/octet-stream",
        .max = SLK_BUNDLE_BLOCK_MAX,
        .patience_ms = HTTP_PATIENCE_MS};

    *b = (struct url_blocks){.cli = cli, .nodes = nodes};
    b->source = (struct slk_bundle_source){.ctx = b, .block = block_of_node};
    if (!http_ask(nodes->client, node, &request, &b->genesis)) {
        cli->exit_code = cli_node_fail(cli, nodes, CLI_UNSURE, &b->genesis);
        return false;
    }
    return read_genesis(b) && read_tip(b);
}

void url_blocks_settle(struct url_blocks *b)
{
    while (take_one(b))
        ;
}

enum slk_err url_begins_with(
    struct cli_nodes *nodes, size_t node, const struct slk_tree_head *old, const struct slk_tree_head *now)
{
    char path[PATH_SIZE];
    const struct http_request request = {.path = path,
        .accept = "application/json",
        .max = CONSISTENCY_BYTES,
        .patience_ms = HTTP_PATIENCE_MS};
    struct slk_hash hashes[2 * SLK_PATH_MAX];
    struct http_answer answer;
    json_t *object, *list;
    bool good, was_asked;
    size_t n;

    snprintf(path, sizeof(path), "/v1/consistency/%" PRIu64 "-%" PRIu64, old->tree_size, now->tree_size);
    object = http_ask(nodes->client, node, &request, &answer) ? cli_answer_json(&answer) : NULL;
    list = json_object_get(object, "path");
    n = json_array_size(list);
    good = json_is_array(list) && n <= 2 * SLK_PATH_MAX;
    for (size_t i = 0; good && i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        good = text != NULL && text_hash_parse(hashes[i].b, text, strlen(text));
    }
    good = good && slk_tree_check_consistency(old, now, hashes, n) == SLK_OK;
    was_asked = answer.status >= 200 && answer.status < 500 && answer.status != 429;
    json_decref(object);
    http_answer_clear(&answer);
    return good ? SLK_OK : was_asked ? SLK_E_PROOF : SLK_E_IO;
}

void url_blocks_close(struct url_blocks *b)
{
    if (b->nodes == NULL)
        return;
    while (b->nodes->client != NULL && take_one(b))
        ;
    for (size_t i = 0; i < URL_BLOCKS_AHEAD; i++)
        http_answer_clear(&b->ahead[i].answer);
    http_answer_clear(&b->genesis);
    free(b->note);
    *b = (struct url_blocks){0};
}
