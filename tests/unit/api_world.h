/* api_world.h: the HTTP API over real sockets, on an embedded ledger with real blocks, proofs and clients. */
#ifndef SLK_TESTS_API_WORLD_H
#define SLK_TESTS_API_WORLD_H

#include <jansson.h>

#include "tests/unit/api_embed.h"
#include "tests/unit/http_client.h"
#include "tests/unit/ledger_fixture.h"

#define HOST "Host: a\r\n"
#define PB   "application/x-protobuf"
#define JSON "application/json"

struct api_world {
    struct http_net net;
    struct fixture f;
    struct slk_ledger *ledger;
    struct api_embed embed;
    struct slk_api *api;
    struct slk_policy *policy;
    int fd;
};

/* For cmocka; answer_ms: how long a handler has, 0: as the server has it. */
int api_set_up(void **state, uint32_t answer_ms);
/* The same, with status lists. */
int api_set_up_with_lists(void **state, const struct slk_api_status_options *lists);
int api_tear_down(void **state);

/* Steps of what handlers leave to be done are made so often; as often as they may be from each set-up on. */
extern size_t api_steps_left;

/* The body of the answer to one request, whatever its bytes. */
struct slk_span hear(struct api_world *w);
/* Header lines of ours go with the request: each with its CR LF. */
struct slk_span get_with(struct api_world *w, const char *path, const char *fields, const char *status);
struct slk_span get(struct api_world *w, const char *path, const char *accept, const char *status);
void send_post(
    struct api_world *w, const char *path, const char *type, const char *accept, struct slk_span body);
struct slk_span post(struct api_world *w, const char *path, const char *type, const char *accept,
    struct slk_span body, const char *status);
json_t *json_of(struct slk_span body);
const char *text_of(const json_t *value, const char *name);
json_int_t number_of(const json_t *value, const char *name);
/* Submits, and lets go of the bytes. */
json_t *submit(struct api_world *w, const char *query, struct slk_span bytes, const char *status);
struct slk_answer verified(struct api_world *w, struct slk_span proof, const uint8_t handle[SLK_HANDLE_SIZE]);
struct slk_span proof_request(char out[160], const uint8_t handle[SLK_HANDLE_SIZE], bool history);

#endif
