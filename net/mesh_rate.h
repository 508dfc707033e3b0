/* mesh_rate.h: how much a peer may send, how often an address may connect, how long who misbehaved stays away.
 * Source: protocol §3.2, §3.5, §3.7. Pure: the caller brings the time, which never goes back.
 */
#ifndef SLK_NET_MESH_RATE_H
#define SLK_NET_MESH_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A bucket may go into debt by what was taken last: the message has come, reading stops afterwards. */
struct slk_bucket {
    uint64_t rate;  /* tokens a second */
    uint64_t burst; /* tokens */
    int64_t level;  /* thousandths of a token */
    uint64_t at_ms;
};
void slk_bucket_init(struct slk_bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now_ms);
/* False: there were not enough, and the bucket is in debt. */
bool slk_bucket_take(struct slk_bucket *bucket, uint64_t tokens, uint64_t now_ms);
/* Out of debt, and a quarter second or a quarter burst ahead: reading does not stop and start with every frame. */
bool slk_bucket_is_refilled(struct slk_bucket *bucket, uint64_t now_ms);

#define SLK_IP_RATE_N 256
/* Addresses that connected lately, as 16 bytes: IPv4 mapped, of IPv6 the first 8 (one site has 2^64 of the rest). Zero-initialise. */
struct slk_ip_rate {
    struct slk_ip_seen {
        uint8_t ip[16];
        bool used;
        uint64_t seen_ms;
        struct slk_bucket bucket; /* thousandths of a handshake, so that its rate is a whole number */
    } at[SLK_IP_RATE_N];
};
/* May this address connect now: `burst` at first, then one each `every_ms`. Forgets who was not seen for longest. */
bool slk_ip_rate_take(
    struct slk_ip_rate *rate, const uint8_t ip[16], uint32_t every_ms, uint32_t burst, uint64_t now_ms);

/* Class A. Zero-initialise. */
struct slk_cool {
    unsigned level;
    uint64_t until_ms;
};
/* Away for first_ms, twice as long each time up to most_ms; every most_ms of peace after it take one doubling back. */
void slk_cool_down(struct slk_cool *cool, uint32_t first_ms, uint32_t most_ms, uint64_t now_ms);
uint64_t slk_cool_left_ms(const struct slk_cool *cool, uint64_t now_ms);

#endif
