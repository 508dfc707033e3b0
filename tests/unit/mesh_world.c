#include "tests/unit/mesh_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <unistd.h>

/* ---- callbacks of a node ---- */

static void on_up(void *ctx, uint16_t peer, const struct slk_hello *hello)
{
    struct node *node = ctx;

    node->ups++;
    node->last_up = peer;
    if (peer < NODES_MAX)
        node->hellos[peer] = *hello;
    assert_true(slk_mesh_is_up(node->mesh, peer));
}

static void on_down(void *ctx, uint16_t peer, enum slk_mesh_end end)
{
    struct node *node = ctx;

    node->downs++;
    node->last_down = end;
    if (end != SLK_END_CHARTER)
        assert_false(slk_mesh_is_up(node->mesh, peer));
    assert_true(node->downs <= node->ups);
}

static enum slk_mesh_verdict on_frame(
    void *ctx, uint16_t peer, enum slk_frame_type type, struct slk_span payload)
{
    struct node *node = ctx;

    assert_true(node->inbox_n < INBOX_MAX);
    assert_true(payload.size > 0 && payload.size <= sizeof(node->last));
    node->inbox[node->inbox_n++] =
        (struct got){.from = peer, .type = type, .size = payload.size, .first = payload.at[0]};
    memcpy(node->last, payload.at, payload.size);
    if (node->stops_in_frame)
        slk_mesh_stop(node->mesh);
    return node->verdict;
}

static void on_stopped(void *ctx)
{
    struct node *node = ctx;

    node->stopped = true;
}

static uint64_t on_clock(void *ctx)
{
    const struct node *node = ctx;

    return node->world->now_ms;
}

/* ---- nodes ---- */

static struct slk_key *key_new(unsigned i)
{
    uint8_t seed[32] = {0};
    struct slk_key *key;

    seed[0] = (uint8_t)(i + 1);
    assert_int_equal(slk_key_from_seed(&key, seed), SLK_OK);
    return key;
}

void key_of(uint8_t out[SLK_KEY_SIZE], unsigned i)
{
    struct slk_key *key = key_new(i);

    memcpy(out, slk_key_public(key), SLK_KEY_SIZE);
    slk_key_free(key);
}

/* Below those that the kernel gives to whoever connects: a node that comes back finds its port free. */
static uint16_t free_port(void)
{
    static unsigned n;

    for (unsigned tries = 0; tries < 1000; tries++) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        uint16_t port = (uint16_t)(1100 + ((unsigned)getpid() * 16 + n++) % 8900);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool is_free;

        in.sin_port = htons(port);
        assert_true(fd >= 0);
        is_free = bind(fd, (const struct sockaddr *)&in, sizeof(in)) == 0;
        (void)close(fd);
        if (is_free)
            return port;
    }
    fail_msg("no port is free");
    return 0;
}

struct node *node_start(struct world *world, unsigned i)
{
    struct node *node = &world->nodes[i];
    uint16_t port = node->port;
    struct slk_mesh_options options = {.loop = &world->loop,
        .listen_host = "127.0.0.1",
        .index = (uint16_t)i,
        .guests_max = world->guests_max,
        .chain_id = world->chain_id,
        .charter_hash = world->charter_hash,
        .height = 7 + i,
        .timing = world->timing,
        .callbacks = {.ctx = node, .up = on_up, .down = on_down, .frame = on_frame, .stopped = on_stopped},
        .now_ms = on_clock};
    struct slk_fault fault;

    memset(node, 0, sizeof(*node));
    node->world = world;
    node->index = (uint16_t)i;
    node->key = key_new(i);
    options.node_key = node->key;
    options.listen_port = port != 0 ? port : free_port();
    assert_int_equal(slk_mesh_new(&node->mesh, &options), SLK_OK);
    assert_int_equal(slk_mesh_start(node->mesh, &fault), SLK_OK);
    node->port = slk_mesh_port(node->mesh);
    assert_int_equal(node->port, options.listen_port);
    return node;
}

void node_stop(struct node *node)
{
    struct world *world = node->world;

    slk_mesh_stop(node->mesh);
    for (unsigned i = 0; !node->stopped; i++) {
        if (i % 64 == 63)
            advance(world, 500); /* a peer that never answers a goodbye */
        if (i > 20000)
            fail_msg("node %u does not stop", node->index);
        turn(world, 1);
    }
    assert_int_equal(node->ups, node->downs);
    slk_mesh_free(node->mesh);
    slk_key_free(node->key);
    node->mesh = NULL;
    node->key = NULL;
}

void node_knows_raw(struct world *world, unsigned i, unsigned dials, unsigned raw, uint16_t port)
{
    static struct slk_mesh_peer peers[NODES_MAX + 1];
    size_t n = 0;

    memset(peers, 0, sizeof(peers));
    for (unsigned k = 0; k < NODES_MAX; k++) {
        if (world->nodes[k].mesh == NULL || k == raw)
            continue;
        peers[n].index = (uint16_t)k;
        peers[n].votes = true;
        key_of(peers[n].node_key, k);
        if ((dials >> k & 1) != 0) {
            snprintf(peers[n].host, sizeof(peers[n].host), "127.0.0.1");
            snprintf(peers[n].port, sizeof(peers[n].port), "%u", (unsigned)world->nodes[k].port);
        }
        n++;
    }
    if (raw != UINT32_MAX) {
        peers[n].index = (uint16_t)raw;
        peers[n].votes = true;
        key_of(peers[n].node_key, raw);
        if (port != 0) {
            snprintf(peers[n].host, sizeof(peers[n].host), "127.0.0.1");
            snprintf(peers[n].port, sizeof(peers[n].port), "%u", (unsigned)port);
        }
        n++;
    }
    assert_int_equal(
        slk_mesh_set_peers(world->nodes[i].mesh, (uint16_t)i, peers, n, &world->charter_hash), SLK_OK);
}

void node_knows(struct world *world, unsigned i, unsigned dials)
{
    node_knows_raw(world, i, dials, UINT32_MAX, 0);
}

static bool all_up(const struct world *world, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (stats_of(&world->nodes[i]).up != n - 1)
            return false;
    }
    return true;
}

void world_connect(struct world *world, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        node_start(world, i);
    for (unsigned i = 0; i < n; i++)
        node_knows(world, i, UINT32_MAX);
    until(world, all_up(world, n));
}

uint64_t ended(const struct node *node, enum slk_mesh_end end)
{
    return stats_of(node).total.ended[end];
}

struct slk_mesh_stats stats_of(const struct node *node)
{
    struct slk_mesh_stats stats;

    slk_mesh_stats(node->mesh, &stats);
    return stats;
}

struct slk_mesh_peer_stats peer_stats_of(const struct node *node, uint16_t peer)
{
    struct slk_mesh_peer_stats stats;

    for (size_t i = 0; slk_mesh_peer_stats(node->mesh, i, &stats); i++) {
        if (stats.index == peer)
            return stats;
    }
    fail_msg("node %u has no peer %u", node->index, peer);
    return stats;
}

size_t inbox_count(const struct node *node, enum slk_frame_type type)
{
    size_t n = 0;

    for (size_t i = 0; i < node->inbox_n; i++)
        n += node->inbox[i].type == type;
    return n;
}

size_t send_votes(struct node *from, uint16_t to, size_t n)
{
    uint8_t vote[130] = {0};
    size_t queued = 0;

    for (size_t i = 0; i < n; i++) {
        vote[0] = (uint8_t)i;
        queued += slk_mesh_send(from->mesh, to, SLK_FRAME_VOTE, slk_span_of(vote, sizeof(vote))) == SLK_OK;
    }
    return queued;
}

/* ---- turning the loop ---- */

void turn(struct world *world, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        uv_run(&world->loop, UV_RUN_ONCE);
}

void advance(struct world *world, uint64_t ms)
{
    world->now_ms += ms;
    turn(world, 4);
}

/* ---- raw clients ---- */

struct raw_write {
    uv_write_t write;
    uint8_t bytes[];
};

static void on_raw_written(uv_write_t *write, int status)
{
    (void)status;
    free(write->data);
}

static void write_plain(struct raw *raw, const void *bytes, size_t size)
{
    struct raw_write *w = malloc(sizeof(*w) + size);
    uv_buf_t buf;

    assert_non_null(w);
    memcpy(w->bytes, bytes, size);
    w->write.data = w;
    buf = uv_buf_init((char *)w->bytes, (unsigned)size);
    if (uv_write(&w->write, (uv_stream_t *)&raw->tcp, &buf, 1, on_raw_written) != 0)
        free(w);
}

static void flush_tls(struct raw *raw)
{
    static uint8_t bytes[1 << 20];
    int n;

    while ((n = BIO_read(raw->out, bytes, sizeof(bytes))) > 0)
        write_plain(raw, bytes, (size_t)n);
}

static void read_frames(struct raw *raw, const uint8_t *bytes, size_t size)
{
    struct slk_span rest = slk_span_of(bytes, size);

    while (rest.size > 0) {
        struct slk_frame frame;

        assert_int_equal(slk_frame_feed(&raw->reader, &rest, &frame), SLK_OK);
        if (frame.payload.at == NULL)
            continue;
        raw->frames++;
        if (frame.type == SLK_FRAME_HELLO)
            raw->greeted = raw->reader.greeted = true;
    }
}

static void progress_tls(struct raw *raw)
{
    static uint8_t plain[16384];
    int n;

    ERR_clear_error();
    if (!raw->ready && SSL_do_handshake(raw->ssl) == 1)
        raw->ready = true;
    while (raw->ready && (n = SSL_read(raw->ssl, plain, sizeof(plain))) > 0)
        read_frames(raw, plain, (size_t)n);
    flush_tls(raw);
}

static void on_raw_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct raw *raw = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)raw->buf, sizeof(raw->buf));
}

static void on_raw_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct raw *raw = stream->data;

    if (n < 0) {
        raw->ended = true;
        uv_read_stop(stream);
    } else if (n > 0 && raw->ssl != NULL) {
        BIO_write(raw->in, buf->base, (int)n);
        progress_tls(raw);
    }
}

static void on_raw_connected(uv_connect_t *connect, int status)
{
    struct raw *raw = connect->data;

    if (status != 0) {
        raw->ended = true;
        return;
    }
    raw->connected = true;
    uv_read_start((uv_stream_t *)&raw->tcp, on_raw_alloc, on_raw_read);
    if (raw->ssl != NULL)
        progress_tls(raw);
}

static X509 *raw_certificate(EVP_PKEY *key, bool expired, bool elliptic)
{
    X509 *cert = X509_new();

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    ASN1_TIME_set_string(X509_getm_notBefore(cert), "20000101000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(cert), expired ? "20010101000000Z" : "20990101000000Z");
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, elliptic ? EVP_sha256() : NULL) > 0);
    return cert;
}

SSL_CTX *raw_context(const struct raw_tls *how)
{
    static const uint8_t ours[] = "\x08sillok/1";
    const char *alpn = how->alpn != NULL ? how->alpn : (const char *)ours;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    uint8_t seed[32] = {0};
    EVP_PKEY *key;
    X509 *cert;

    seed[0] = (uint8_t)(how->seed + 1);
    key = how->elliptic ? EVP_EC_gen("P-256")
                        : EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    assert_non_null(key);
    cert = raw_certificate(key, how->expired, how->elliptic);
    SSL_CTX_set_min_proto_version(context, how->min != 0 ? how->min : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(context, how->max != 0 ? how->max : TLS1_3_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    if (alpn[0] != '\0')
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    if (!how->no_certificate) {
        assert_int_equal(SSL_CTX_use_certificate(context, cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return context;
}

struct raw *raw_dial(struct world *world, uint16_t port, SSL_CTX *context)
{
    struct raw *raw = NULL;
    struct sockaddr_in to;

    for (unsigned i = 0; i < RAWS_MAX && raw == NULL; i++)
        raw = world->raws[i].used ? NULL : &world->raws[i];
    assert_non_null(raw);
    memset(raw, 0, sizeof(*raw));
    raw->used = true;
    raw->world = world;
    raw->tcp.data = raw->connect.data = raw;
    if (context != NULL) {
        raw->ssl = SSL_new(context);
        SSL_CTX_free(context);
        raw->in = BIO_new(BIO_s_mem());
        raw->out = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(raw->in, -1);
        SSL_set_bio(raw->ssl, raw->in, raw->out);
        SSL_set_connect_state(raw->ssl);
    }
    uv_tcp_init(&world->loop, &raw->tcp);
    uv_ip4_addr("127.0.0.1", port, &to);
    assert_int_equal(
        uv_tcp_connect(&raw->connect, &raw->tcp, (const struct sockaddr *)&to, on_raw_connected), 0);
    return raw;
}

struct slk_hello raw_hello(const struct world *world, unsigned index)
{
    struct slk_hello hello = {.version = SLK_MESH_VERSION,
        .oldest = SLK_MESH_OLDEST,
        .chain_id = world->chain_id,
        .charter_hash = world->charter_hash,
        .height = 1,
        .index = (uint16_t)index,
        .asks = 64};

    hello.instance[0] = (uint8_t)(index + 1);
    return hello;
}

void raw_say(struct raw *raw, const struct slk_hello *hello)
{
    uint8_t bytes[SLK_HELLO_MAX];

    raw_frame(raw, SLK_FRAME_HELLO, bytes, slk_hello_format(bytes, hello));
}

struct raw *raw_member(struct world *world, uint16_t port, unsigned seed)
{
    struct raw *raw = raw_dial(world, port, raw_context(&(struct raw_tls){.seed = seed}));
    struct slk_hello hello = raw_hello(world, seed);

    until(world, raw->ready || raw->ended);
    assert_true(raw->ready);
    raw_say(raw, &hello);
    until(world, raw->greeted || raw->ended);
    return raw;
}

void raw_send(struct raw *raw, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    if (raw->ssl == NULL) {
        write_plain(raw, bytes, size);
        return;
    }
    while (size > 0) {
        size_t n = size < 16384 ? size : 16384;

        ERR_clear_error();
        if (SSL_write(raw->ssl, at, (int)n) != (int)n)
            break; /* the other side has ended it */
        at += n;
        size -= n;
    }
    flush_tls(raw);
}

void raw_frame(struct raw *raw, enum slk_frame_type type, const void *payload, size_t size)
{
    static uint8_t piece[SLK_FRAME_PIECE_MAX];
    size_t sent = 0;

    while (sent < size) {
        size_t n = slk_frame_piece(piece, sizeof(piece), type, slk_span_of(payload, size), &sent);

        raw_send(raw, piece, n);
    }
}

void raw_deaf(struct raw *raw, bool deaf)
{
    raw->deaf = deaf;
    if (deaf)
        uv_read_stop((uv_stream_t *)&raw->tcp);
    else
        uv_read_start((uv_stream_t *)&raw->tcp, on_raw_alloc, on_raw_read);
}

static void on_raw_closed(uv_handle_t *handle)
{
    struct raw *raw = handle->data;

    raw->closed = true;
}

void raw_close(struct raw *raw)
{
    uv_close((uv_handle_t *)&raw->tcp, on_raw_closed);
    until(raw->world, raw->closed);
    SSL_free(raw->ssl);
    slk_frame_close(&raw->reader);
    raw->used = false;
}

/* ---- the world ---- */

int world_new(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (world == NULL || uv_loop_init(&world->loop) != 0)
        return -1;
    world->now_ms = 1000000;
    world->timing.tick_ms = 1;
    world->timing.ip_burst = 1000;
    world->chain_id.b[0] = 1;
    world->charter_hash.b[0] = 2;
    *state = world;
    return 0;
}

int world_free(void **state)
{
    struct world *world = *state;

    for (unsigned i = 0; i < RAWS_MAX; i++) {
        if (world->raws[i].used)
            raw_close(&world->raws[i]);
    }
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (world->nodes[i].mesh != NULL)
            node_stop(&world->nodes[i]);
    }
    uv_run(&world->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&world->loop) != 0)
        return -1;
    free(world);
    return 0;
}
