/* api_server.c: the HTTP API on an embedded ledger, for http_api.py and for benchmarks:   api_server DIR [CREDENTIALS]
 *
 * Writes to DIR what clients need: the socket `api.sock`, submissions that the ledger has not seen (issue.pb, stale.pb,
 * broken.pb), the handle of issue.pb in hexadecimal digits, where the ledger is. Prints the port and ends with its standard input.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "net/api.h"
#include "tests/unit/api_embed.h"
#include "tests/unit/ledger_fixture.h"

#define BATCH    500u
#define LIST_KEY 200

struct program {
    uv_loop_t loop;
    uv_check_t check;
    uv_pipe_t input;
    struct fixture f;
    struct api_embed embed;
    struct slk_http_server *server;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "api_server: %s\n", what);
    exit(2);
}

static uint64_t real_ms(void *ctx)
{
    struct timespec now;

    (void)ctx;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- files ---- */

static void write_file(const char *dir, const char *name, const void *at, size_t size)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "wb");
    must(f != NULL && fwrite(at, 1, size, f) == size && fclose(f) == 0, "a file cannot be written");
}

static void write_submission(const char *dir, const char *name, struct slk_span bytes)
{
    write_file(dir, name, bytes.at, bytes.size);
    fixture_free(bytes);
}

static void write_samples(struct fixture *f, const char *dir)
{
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1000000), other = life;
    struct fixture_batch batch = {0};
    char hex[2 * SLK_HANDLE_SIZE];
    struct slk_event event;

    slk_hex_format(hex, life.handle, SLK_HANDLE_SIZE);
    write_file(dir, "handle", hex, sizeof(hex));
    write_submission(dir, "issue.pb", fixture_single(f, MINISTRY, &life, SLK_ISSUE));
    write_submission(dir, "lock.pb", fixture_single(f, POLICE, &life, SLK_LOCK));
    other.devices_n = 3;
    write_submission(dir, "stale.pb", fixture_single(f, MINISTRY, &other, SLK_ISSUE));
    other = fixture_life(FIXTURE_PHONE, 1000001);
    event = fixture_event(&other, SLK_ISSUE, f->now_ms);
    fixture_put(&batch, &event, NULL);
    other = fixture_life(FIXTURE_PHONE, 1000002);
    event = fixture_event(&other, SLK_LOCK, f->now_ms); /* never issued */
    fixture_put(&batch, &event, NULL);
    write_submission(dir, "broken.pb", fixture_sign(f, MINISTRY, &batch));
    fixture_batch_free(&batch);
}

static void issue_many(struct fixture *f, struct slk_ledger *ledger, uint32_t n)
{
    struct fixture_batch batch = {0};

    for (uint32_t i = 0; i < n; i++) {
        struct fixture_life life = fixture_life(FIXTURE_PHONE, i);

        fixture_add(&batch, &life, SLK_ISSUE, f->now_ms);
        if (batch.n == BATCH || i + 1 == n)
            (void)fixture_accept(ledger, fixture_sign(f, MINISTRY, &batch));
    }
    fixture_batch_free(&batch);
}

/* ---- the loop ---- */

static void on_turn(uv_check_t *check)
{
    embed_run(check->data);
}

static void on_stopped(void *ctx)
{
    struct program *p = ctx;

    uv_close((uv_handle_t *)&p->check, NULL);
    uv_close((uv_handle_t *)&p->input, NULL);
}

static void give(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char unused[256];

    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(unused, sizeof(unused));
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct program *p = stream->data;

    (void)buf;
    if (size < 0) {
        (void)uv_read_stop(stream);
        slk_http_server_stop(p->server, on_stopped, p);
    }
}

static void start(struct program *p, struct slk_api *api, const char *dir)
{
    struct slk_http_options options = {.loop = &p->loop,
        .ctx = api,
        .tick = slk_api_tick,
        .work = slk_api_work,
        .limits = {.connections_max = 4096}};
    struct slk_fault fault = {0};
    char path[512];

    options.routes = slk_api_routes(&options.routes_n);
    must(slk_http_server_new(&p->server, &options) == SLK_OK, "no server");
    slk_api_serve(api, p->server);
    snprintf(path, sizeof(path), "%s/api.sock", dir);
    must(slk_http_listen_tcp(p->server, "127.0.0.1", 0, false, &fault) == SLK_OK, fault.text);
    must(slk_http_listen_unix(p->server, path, &fault) == SLK_OK, fault.text);
    must(uv_check_init(&p->loop, &p->check) == 0 && uv_check_start(&p->check, on_turn) == 0,
        "no check handle");
    p->check.data = &p->embed;
    must(uv_pipe_init(&p->loop, &p->input, 0) == 0 && uv_pipe_open(&p->input, 0) == 0,
        "standard input is no pipe");
    p->input.data = p;
    must(uv_read_start((uv_stream_t *)&p->input, give, on_input) == 0, "standard input cannot be read");
}

int main(int argc, char **argv)
{
    static struct program p;
    struct slk_ledger_options ledger_options;
    struct slk_api_options api_options = {.now_ms = real_ms};
    struct slk_key *list_key = fixture_key(LIST_KEY);
    struct slk_ledger *ledger;
    struct slk_api *api;

    api_options.status = (struct slk_api_status_options){.key = list_key,
        .base = "https://status.example/v1/status-lists",
        .ttl_s = 300,
        .lifetime_s = 86400,
        .has_history = true};
    (void)signal(SIGPIPE, SIG_IGN);
    must(argc == 2 || argc == 3, "usage: api_server DIR [CREDENTIALS]");
    fixture_open(&p.f, NULL);
    p.f.now_ms = real_ms(NULL);
    fixture_init(&p.f);
    ledger_options = fixture_options(&p.f);
    ledger_options.clock_ms = real_ms;
    ledger = fixture_ledger(&p.f, &ledger_options);
    if (argc == 3)
        issue_many(&p.f, ledger, (uint32_t)strtoul(argv[2], NULL, 10));
    write_samples(&p.f, argv[1]);
    write_file(argv[1], "ledger", p.f.dir, strlen(p.f.dir));
    embed_open(&p.embed, ledger, real_ms, NULL);
    must(uv_loop_init(&p.loop) == 0, "no loop");
    api_options.backend = embed_backend(&p.embed);
    must(slk_api_new(&api, &api_options) == SLK_OK, "no API");
    start(&p, api, argv[1]);
    printf("%u\n", (unsigned)slk_http_port(p.server));
    fflush(stdout);
    must(uv_run(&p.loop, UV_RUN_DEFAULT) == 0, "something is left in the loop");
    slk_api_free(api);
    slk_http_server_free(p.server);
    must(uv_loop_close(&p.loop) == 0, "something is left in the loop");
    embed_close(&p.embed);
    slk_ledger_close(ledger);
    fixture_close(&p.f);
    slk_key_free(list_key);
    return 0;
}
