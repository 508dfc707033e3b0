#include "net/mesh_rate.h"

#include <assert.h>
#include <string.h>

#define MILLI 1000

static void refill(struct slk_bucket *bucket, uint64_t now_ms)
{
    int64_t most = (int64_t)(bucket->burst * MILLI);
    uint64_t passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    uint64_t missing = (uint64_t)(most - bucket->level);

    bucket->at_ms += passed;
    if (bucket->rate > 0 && passed >= missing / bucket->rate + 1)
        bucket->level = most;
    else
        bucket->level += (int64_t)(passed * bucket->rate); /* tokens a second are thousandths a millisecond */
}

void slk_bucket_init(struct slk_bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now_ms)
{
    assert(rate > 0 && burst > 0 && burst <= (uint64_t)INT64_MAX / MILLI / 2);
    *bucket =
        (struct slk_bucket){.rate = rate, .burst = burst, .level = (int64_t)(burst * MILLI), .at_ms = now_ms};
}

bool slk_bucket_take(struct slk_bucket *bucket, uint64_t tokens, uint64_t now_ms)
{
    assert(tokens <= UINT32_MAX);
    refill(bucket, now_ms);
    bucket->level -= (int64_t)(tokens * MILLI);
    return bucket->level >= 0;
}

bool slk_bucket_is_refilled(struct slk_bucket *bucket, uint64_t now_ms)
{
    uint64_t ahead = bucket->rate < bucket->burst ? bucket->rate : bucket->burst;

    refill(bucket, now_ms);
    return bucket->level >= (int64_t)(ahead * MILLI / 4);
}

bool slk_ip_rate_take(
    struct slk_ip_rate *rate, const uint8_t ip[16], uint32_t every_ms, uint32_t burst, uint64_t now_ms)
{
    struct slk_ip_seen *oldest = &rate->at[0];

    assert(every_ms > 0 && burst > 0);
    for (size_t i = 0; i < SLK_IP_RATE_N; i++) {
        struct slk_ip_seen *seen = &rate->at[i];

        if (seen->used && memcmp(seen->ip, ip, sizeof(seen->ip)) == 0) {
            oldest = seen;
            break;
        }
        if (oldest->used && (!seen->used || seen->seen_ms < oldest->seen_ms))
            oldest = seen;
    }
    if (!oldest->used || memcmp(oldest->ip, ip, sizeof(oldest->ip)) != 0) {
        *oldest = (struct slk_ip_seen){.used = true};
        memcpy(oldest->ip, ip, sizeof(oldest->ip));
        /* one handshake is every_ms tokens, which come back at a thousand a second */
        slk_bucket_init(&oldest->bucket, MILLI, (uint64_t)every_ms * burst, now_ms);
    }
    oldest->seen_ms = now_ms;
    refill(&oldest->bucket, now_ms);
    if (oldest->bucket.level < (int64_t)every_ms * MILLI)
        return false; /* whoever knocks all the time is not kept out for that */
    return slk_bucket_take(&oldest->bucket, every_ms, now_ms);
}

void slk_cool_down(struct slk_cool *cool, uint32_t first_ms, uint32_t most_ms, uint64_t now_ms)
{
    uint64_t peace = now_ms > cool->until_ms ? now_ms - cool->until_ms : 0, length = first_ms;

    assert(first_ms > 0 && most_ms >= first_ms);
    if (peace / most_ms >= cool->level)
        cool->level = 0;
    else
        cool->level -= (unsigned)(peace / most_ms);
    for (unsigned i = 0; i < cool->level && length < most_ms; i++)
        length *= 2;
    if (length > most_ms)
        length = most_ms;
    else
        cool->level++;
    cool->until_ms = now_ms + length;
}

uint64_t slk_cool_left_ms(const struct slk_cool *cool, uint64_t now_ms)
{
    return cool->until_ms > now_ms ? cool->until_ms - now_ms : 0;
}
