/* mesh_world.h: several meshes in one process, on one loop, over real sockets of this machine, with a clock that the test moves;
 * and raw clients that speak TLS as badly as a test likes. Nothing here looks at real time: the loop turns until something
 * has happened, or far too often.
 */
#ifndef SLK_TESTS_MESH_WORLD_H
#define SLK_TESTS_MESH_WORLD_H

#include <uv.h>

#include <openssl/ssl.h>

#include "net/mesh.h"
#include "net/mesh_hello.h"

#define NODES_MAX 6
#define RAWS_MAX  12
#define INBOX_MAX 8192

struct world;

struct got {
    uint16_t from;
    enum slk_frame_type type;
    size_t size;
    uint8_t first; /* byte of the payload */
};

struct node {
    struct world *world;
    struct slk_mesh *mesh;
    struct slk_key *key;
    uint16_t index, port;
    bool stopped;
    unsigned ups, downs;
    enum slk_mesh_end last_down;
    struct slk_hello hellos[NODES_MAX]; /* the last of each peer */
    uint16_t last_up;
    enum slk_mesh_verdict verdict; /* for every frame */
    size_t inbox_n;
    struct got inbox[INBOX_MAX];
    uint8_t last[SLK_PROPOSAL_BYTES_MAX];
    bool stops_in_frame; /* calls slk_mesh_stop from inside the callback */
};

struct raw {
    struct world *world;
    uv_tcp_t tcp;
    uv_connect_t connect;
    SSL *ssl; /* NULL: plain bytes */
    BIO *in, *out;
    bool used, connected, ready, ended, closed, deaf;
    struct slk_frame_reader reader;
    bool greeted; /* a HELLO came */
    size_t frames;
    uint8_t buf[65536];
};

struct world {
    uv_loop_t loop;
    uint64_t now_ms;
    struct slk_mesh_timing timing; /* of nodes that are made from here on */
    struct slk_hash chain_id, charter_hash;
    uint16_t guests_max;
    struct node nodes[NODES_MAX];
    struct raw raws[RAWS_MAX];
};

/* cmocka setup and teardown: *state is a struct world; the teardown stops what still runs and fails when anything is left. */
int world_new(void **state);
int world_free(void **state);

/* ---- nodes ---- */

/* Node i, index i, key from seed i + 1, on any port (or its old one), knowing nobody. */
struct node *node_start(struct world *world, unsigned i);
void node_stop(struct node *node); /* until it has stopped, then frees it */
/* Tells node i of all running nodes; it dials those with a bit in `dials`. */
void node_knows(struct world *world, unsigned i, unsigned dials);
/* Also of a peer that is no mesh: the key of seed `i` + 1, never dialled unless `port` is not 0. */
void node_knows_raw(struct world *world, unsigned i, unsigned dials, unsigned raw, uint16_t port);
void world_connect(
    struct world *world, unsigned n); /* starts 0..n-1; everybody dials everybody; until all are up */
void key_of(uint8_t out[SLK_KEY_SIZE], unsigned i);
uint64_t ended(const struct node *node, enum slk_mesh_end end);
struct slk_mesh_stats stats_of(const struct node *node);
struct slk_mesh_peer_stats peer_stats_of(const struct node *node, uint16_t peer);
size_t inbox_count(const struct node *node, enum slk_frame_type type);
size_t send_votes(struct node *from, uint16_t to, size_t n); /* how many were queued */

/* ---- turning the loop ---- */

void turn(struct world *world, unsigned n); /* so often */
#define until(world, what)                                                                                   \
    do {                                                                                                     \
        unsigned turns_ = 0;                                                                                 \
        while (!(what)) {                                                                                    \
            if (++turns_ > 8000)                                                                            \
                fail_msg("%s:%d: %s does not come", __FILE__, __LINE__, #what);                              \
            turn(world, 1);                                                                                  \
        }                                                                                                    \
    } while (0)
void advance(struct world *world, uint64_t ms); /* and let the ticks see it */

/* ---- raw clients ---- */

struct raw_tls {
    unsigned seed;    /* of its key, + 1 */
    int min, max;     /* TLS versions, 0: 1.3 */
    const char *alpn; /* wire form; NULL: sillok/1; "": none */
    bool no_certificate, expired, elliptic;
};
SSL_CTX *raw_context(const struct raw_tls *how);
/* Connects; `context` is taken, NULL: plain TCP. */
struct raw *raw_dial(struct world *world, uint16_t port, SSL_CTX *context);
/* With the key of `seed`, until the handshake is done and HELLO (of index `seed`) is said and heard. */
struct raw *raw_member(struct world *world, uint16_t port, unsigned seed);
void raw_send(struct raw *raw, const void *bytes, size_t size);
void raw_frame(struct raw *raw, enum slk_frame_type type, const void *payload, size_t size);
struct slk_hello raw_hello(const struct world *world, unsigned index);
void raw_say(struct raw *raw, const struct slk_hello *hello);
void raw_deaf(struct raw *raw, bool deaf); /* does not read */
void raw_close(struct raw *raw);

#endif
