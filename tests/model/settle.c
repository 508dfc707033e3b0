/* settle.c: nobody is stuck: honest members left in peace decide, wherever the Byzantine one has brought them. */
#include "tests/model/exhaust.h"

#include <stdlib.h>

enum { PEACE_MS = 1200 * 1000, LETTERS_MAX = 20000, DELAY_MS = 10 };

static void deliver(struct member members[HONEST], struct post *post)
{
    static struct slk_msg msg;
    static struct slk_cert_pool pool;
    struct post arrived = *post;

    *post = (struct post){.at = NULL};
    for (size_t i = 0; i < arrived.n; i++) {
        struct letter *letter = &arrived.at[i];
        enum slk_err err = slk_msg_parse(&msg, &pool, letter->kind, slk_span_of(letter->bytes, letter->size));

        assert(err == SLK_OK);
        for (size_t k = 0; k < HONEST; k++) {
            if (members[k].index != letter->to)
                continue;
            for (size_t c = 0; c < msg.certs_n;
                 c++) /* it may stand for a quorum that this member was not in */
                member_certify(&members[k], &pool.at[c]);
            member_input(
                &members[k], (struct slk_bft_input){.kind = SLK_IN_MSG, .peer = letter->from, .msg = &msg});
        }
        free(letter->bytes);
    }
    free(arrived.at);
}

static void drop(struct post *post)
{
    for (size_t i = 0; i < post->n; i++)
        free(post->at[i].bytes);
    free(post->at);
}

static bool all_decided(const struct member members[HONEST])
{
    for (size_t i = 0; i < HONEST; i++)
        if (members[i].core->height == HEIGHT)
            return false;
    return true;
}

/* Everything sent arrives DELAY_MS later; timers run as the cores ask for. */
static const char *in_peace(struct member members[HONEST], uint64_t *took_ms)
{
    uint64_t now = 0, start;
    struct post post = {.at = NULL};
    size_t letters = 0;

    for (size_t i = 0; i < HONEST; i++)
        now = members[i].now > now ? members[i].now : now;
    start = now;
    for (size_t i = 0; i < HONEST; i++) {
        member_join(&members[i], &post);
        member_tick(&members[i], now);
    }
    while (!all_decided(members) && now - start < PEACE_MS && letters < LETTERS_MAX) {
        uint64_t next = post.n > 0 ? now + DELAY_MS : UINT64_MAX;

        for (size_t i = 0; i < HONEST; i++)
            if (members[i].wake < next)
                next = members[i].wake;
        now = next > now ? next : now + 1;
        for (size_t i = 0; i < HONEST; i++)
            member_tick(&members[i], now);
        letters += post.n;
        deliver(members, &post);
    }
    drop(&post);
    *took_ms = now - start;
    return all_decided(members) ? NULL : "honest members left in peace do not decide";
}

/* Both may not have looked at what is saved. */
static bool same_key(struct key a, struct key b)
{
    memset(a.n_saved, 0, sizeof(a.n_saved));
    memset(b.n_saved, 0, sizeof(b.n_saved));
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static const char *judge(const struct member members[HONEST], uint8_t final)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash = members[0].final_hash;

    if (final != 0)
        block_header(header, &hash, final);
    for (size_t i = 0; i < HONEST; i++) {
        if (members[i].fault != NULL)
            return members[i].fault;
        if (!slk_hash_equal(&members[i].final_hash, &hash))
            return "two blocks are decided";
    }
    return NULL;
}

const char *settle(const struct reached *r, bool power_cut, uint64_t *took_ms)
{
    struct member members[HONEST];
    const char *fault = NULL;

    for (uint16_t i = 0; i < HONEST; i++)
        member_init(&members[i], (uint16_t)(i + (i >= r->byzantine)), (uint16_t)r->byzantine, r->are_mortal);
    for (size_t i = 0; i < r->path_n; i++)
        member_event(&members[r->path[i].who], &r->path[i], false);
    for (size_t i = 0; i < HONEST; i++) {
        struct key key;

        member_key(&members[i], &key);
        if (!same_key(key, r->keys[i]))
            fault = "cores that forget nothing come to another state";
    }
    for (size_t i = 0; power_cut && i < HONEST; i++)
        member_restart(&members[i]);
    if (fault == NULL)
        fault = in_peace(members, took_ms);
    if (fault == NULL)
        fault = judge(members, r->final);
    for (size_t i = 0; i < HONEST; i++)
        member_close(&members[i]);
    return fault;
}
