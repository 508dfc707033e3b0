/* uv_turn.c: whose request is handled now. Handlers have the thread that also votes: TURN_NS of it between two looks at what has come for
 * the peers. Whoever's request is whole when that is used up waits, in order of coming, and is handled in one of the next turns of the loop.
 * What a handler could not do in a moment is done in steps, one in each turn, however many wait and however much time is left.
 */
#include <assert.h>

#include "net/uv_http.h"

#define TURN_NS 10000000u /* 10 ms; the last handler of a turn may take longer than what is left */

/* The loop's clock stands still while it goes through what has come; it cannot have stood for longer than TURN_NS. */
static bool has_time(struct slk_http_server *s)
{
    uint64_t now = uv_now(s->loop);

    if (now != s->turn_at) {
        s->turn_at = now;
        s->turn_ns = 0;
    }
    return s->turn_ns < TURN_NS;
}

static void handle(struct slk_http_server *s, struct slk_http_exchange *x)
{
    uint64_t began = uv_hrtime();

    x->route->handle(s->ctx, x); /* the exchange may be gone now */
    s->turn_ns += uv_hrtime() - began;
}

void slk_http_turn_leave(struct slk_http_exchange *x)
{
    struct slk_http_turns *turns;

    if (!x->is_queued)
        return;
    turns = &x->conn->server->turns;
    if (x->before != NULL)
        x->before->behind = x->behind;
    else
        turns->first = x->behind;
    if (x->behind != NULL)
        x->behind->before = x->before;
    else
        turns->last = x->before;
    x->is_queued = false;
}

static void work(struct slk_http_server *s)
{
    uint64_t began = uv_hrtime();

    s->works = s->work(s->ctx);
    s->turn_ns += uv_hrtime() - began;
}

static void on_turn(uv_idle_t *idle)
{
    struct slk_http_server *s = idle->data;
    struct slk_http_exchange *x;

    while ((x = s->turns.first) != NULL && has_time(s)) {
        struct conn *c = x->conn;

        slk_http_turn_leave(x);
        c->feeds = true; /* what is answered at once is written at once */
        handle(s, x);
        c->feeds = false;
        if (c->state == CONN_IDLE)
            slk_http_conn_next(c);
    }
    if (s->works)
        work(s);
    if (s->turns.first == NULL && !s->works)
        (void)uv_idle_stop(idle);
}

void slk_http_server_work(struct slk_http_server *s)
{
    if (s->clocks_open == 0 || uv_is_closing((uv_handle_t *)&s->idle))
        return;
    s->works = true;
    (void)uv_idle_start(&s->idle, on_turn);
}

void slk_http_turn_take(struct slk_http_exchange *x)
{
    struct slk_http_server *s = x->conn->server;

    assert(!x->is_queued);
    if (s->turns.first == NULL && has_time(s)) {
        handle(s, x);
        return;
    }
    x->is_queued = true;
    x->before = s->turns.last;
    x->behind = NULL;
    if (s->turns.last != NULL)
        s->turns.last->behind = x;
    else
        s->turns.first = x;
    s->turns.last = x;
    (void)uv_idle_start(&s->idle, on_turn); /* the loop does not wait for anything else */
}
