/* multihash.c: see multihash.h. The SHA-NI engine follows FIPS 180-4 §6.2.2 with the instructions' own state
 * layout: one register holds words A B E F, the other C D G H.
 *
 * One message's rounds depend on each other, so a lone message leaves the unit idle half of the time; four
 * independent ones, interleaved, keep it busy. A node's second block holds one data byte (65 = 64 + 1), so its
 * 64 message words plus round constants are one of 256 ready tables: no schedule is computed for it.
 */
#include "ledger/core/multihash.h"

#include <assert.h>
#include <string.h>

#include "ledger/verify/bytes.h"

#define LANES         4
#define BLOCK_SIZE    64 /* FIPS 180-4 §1: SHA-256 */
#define LENGTH_SIZE   8  /* FIPS 180-4 §5.1.1: the message's length in bits ends the last block */
#define PADDING_START 0x80
#define PAIR_SIZE     (2 * SLK_HASH_SIZE)

static int force_portable; /* __atomic */

void slk_multihash_force_portable(bool on)
{
    __atomic_store_n(&force_portable, on, __ATOMIC_RELAXED);
}

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_ENGINE 1
#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h> /* discouraged: for pthread_once alone, which engine this CPU has */

#define SHA_NI     __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE     static inline __attribute__((always_inline)) SHA_NI
#define EACH(lane) _Pragma("GCC unroll 4") for (int lane = 0; lane < lanes; lane++)
#define EACH_4(i)  _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) /* 16 times 4 rounds */
#define NODE_BITS  ((1 + PAIR_SIZE) * 8)
#define LAST_BYTES 256

/* FIPS 180-4 §4.2.2 */
static const uint32_t round_constants[64] __attribute__((aligned(64))) = {0x428a2f98, 0x71374491, 0xb5c0fbcf,
    0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
    0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70,
    0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c,
    0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814,
    0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
/* FIPS 180-4 §5.3.3, A to H */
static const uint32_t initial_state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Message words plus round constants of a node's second block, by its one data byte. 64 KiB. */
static uint32_t second_block[LAST_BYTES][64] __attribute__((aligned(64)));
static bool cpu_has_sha;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void prepare_second_blocks(void)
{
    for (unsigned byte = 0; byte < LAST_BYTES; byte++) {
        uint32_t *w = second_block[byte];

        w[0] = (uint32_t)byte << 24 | (uint32_t)PADDING_START << 16;
        w[15] = NODE_BITS;
        for (int i = 16; i < 64; i++) { /* FIPS 180-4 §6.2.2 step 1 */
            uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

            w[i] = s1 + w[i - 7] + s0 + w[i - 16];
        }
        for (int i = 0; i < 64; i++)
            w[i] += round_constants[i];
    }
}

static void choose_engine(void)
{
    const unsigned sha = 1u << 29, ssse3 = 1u << 9, sse41 = 1u << 19; /* cpuid 7.0 EBX; 1 ECX */
    unsigned a = 0, b = 0, c = 0, d = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & ssse3) == 0 || (c & sse41) == 0)
        return;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & sha) == 0)
        return;
    prepare_second_blocks();
    cpu_has_sha = true;
}

static bool use_engine(void)
{
    pthread_once(&engine_once, choose_engine);
    return cpu_has_sha && !__atomic_load_n(&force_portable, __ATOMIC_RELAXED);
}

INLINE __m128i load(const void *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

INLINE __m128i swap_words(__m128i x)
{
    return _mm_shuffle_epi8(x, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

struct vectors {
    __m128i abef[LANES], cdgh[LANES];
};

/* ABCD EFGH, as numbers in memory, to the instructions' layout and back. */
INLINE void load_state(struct vectors *v, int lane, const uint32_t state[8])
{
    __m128i badc = _mm_shuffle_epi32(load(state), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(load(state + 4), 0x1b);

    v->abef[lane] = _mm_alignr_epi8(badc, hgfe, 8);
    v->cdgh[lane] = _mm_blend_epi16(hgfe, badc, 0xf0);
}

INLINE void unpack_state(__m128i abef, __m128i cdgh, __m128i *abcd, __m128i *efgh)
{
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);

    *abcd = _mm_blend_epi16(feba, dchg, 0xf0);
    *efgh = _mm_alignr_epi8(dchg, feba, 8);
}

INLINE void four_rounds(struct vectors *v, int lane, __m128i words)
{
    v->cdgh[lane] = _mm_sha256rnds2_epu32(v->cdgh[lane], v->abef[lane], words);
    v->abef[lane] = _mm_sha256rnds2_epu32(v->abef[lane], v->cdgh[lane], _mm_shuffle_epi32(words, 0x0e));
}

/* The next four message words, from the last sixteen: m[i & 3] is replaced. */
INLINE __m128i next_words(const __m128i m[4], int i)
{
    __m128i old = _mm_sha256msg1_epu32(m[i & 3], m[(i + 1) & 3]);
    __m128i seven_ago = _mm_alignr_epi8(m[(i + 3) & 3], m[(i + 2) & 3], 4);

    return _mm_sha256msg2_epu32(_mm_add_epi32(old, seven_ago), m[(i + 3) & 3]);
}

/* One block per lane; m[lane] holds its sixteen message words. */
INLINE void compress(struct vectors *v, __m128i m[LANES][4], const int lanes)
{
    struct vectors before = *v;

    EACH_4(i)
    {
        __m128i k = _mm_load_si128((const __m128i *)(const void *)&round_constants[i * 4]);

        EACH(lane)
        {
            if (i >= 4)
                m[lane][i & 3] = next_words(m[lane], i);
            four_rounds(v, lane, _mm_add_epi32(m[lane][i & 3], k));
        }
    }
    EACH(lane)
    {
        v->abef[lane] = _mm_add_epi32(v->abef[lane], before.abef[lane]);
        v->cdgh[lane] = _mm_add_epi32(v->cdgh[lane], before.cdgh[lane]);
    }
}

/* prefix || left || right, read in place: the prefix shifts everything by one byte. */
INLINE void node_lanes(
    struct slk_hash *const *out, const uint8_t *const *pairs, uint8_t prefix, const int lanes)
{
    struct vectors v, before;
    __m128i m[LANES][4];
    const uint32_t *words[LANES];

    EACH(lane)
    {
        const uint8_t *at = pairs[lane];

        load_state(&v, lane, initial_state);
        m[lane][0] = swap_words(_mm_or_si128(_mm_slli_si128(load(at), 1), _mm_cvtsi32_si128(prefix)));
        m[lane][1] = swap_words(load(at + 15));
        m[lane][2] = swap_words(load(at + 31));
        m[lane][3] = swap_words(load(at + 47));
        words[lane] = second_block[at[PAIR_SIZE - 1]];
    }
    compress(&v, m, lanes);
    before = v;
    EACH_4(i)
    {
        EACH(lane)
        {
            four_rounds(&v, lane, _mm_load_si128((const __m128i *)(const void *)&words[lane][i * 4]));
        }
    }
    EACH(lane)
    {
        __m128i abcd, efgh;

        unpack_state(_mm_add_epi32(v.abef[lane], before.abef[lane]),
            _mm_add_epi32(v.cdgh[lane], before.cdgh[lane]), &abcd, &efgh);
        _mm_storeu_si128((__m128i *)(void *)out[lane]->b, swap_words(abcd));
        _mm_storeu_si128((__m128i *)(void *)(out[lane]->b + 16), swap_words(efgh));
    }
}

SHA_NI static void node_x4(struct slk_hash *const *out, const uint8_t *const *pairs, uint8_t prefix)
{
    node_lanes(out, pairs, prefix, LANES);
}

SHA_NI static void node_x2(struct slk_hash *const *out, const uint8_t *const *pairs, uint8_t prefix)
{
    node_lanes(out, pairs, prefix, 2);
}

SHA_NI static void node_x1(struct slk_hash *const *out, const uint8_t *const *pairs, uint8_t prefix)
{
    node_lanes(out, pairs, prefix, 1);
}

/* At most LANES nodes: all are read before the first is written. */
static void nodes_upto_4(struct slk_hash *const *out, const uint8_t *const *pairs, uint8_t prefix, size_t n)
{
    struct slk_hash last;
    struct slk_hash *last_at = &last;

    switch (n) {
    case 4:
        node_x4(out, pairs, prefix);
        break;
    case 3:
        node_x1(&last_at, pairs + 2, prefix);
        node_x2(out, pairs, prefix);
        *out[2] = last;
        break;
    case 2:
        node_x2(out, pairs, prefix);
        break;
    case 1:
        node_x1(out, pairs, prefix);
        break;
    default: /* discouraged: a plain number */
        assert(n == 0);
    }
}

/* n pairs that stand `stride` bytes apart. */
static void nodes_strided(struct slk_hash *out, uint8_t prefix, const uint8_t *at, size_t stride, size_t n)
{
    struct slk_hash *out_at[LANES];
    const uint8_t *pair_at[LANES];

    for (size_t done = 0; done < n;) {
        size_t take = n - done < LANES ? n - done : LANES;

        for (size_t i = 0; i < take; i++) {
            out_at[i] = &out[done + i];
            pair_at[i] = at + (done + i) * stride;
        }
        nodes_upto_4(out_at, pair_at, prefix, take);
        done += take;
    }
}

static void nodes_at(struct slk_hash *const *out, const struct slk_hash *const *pairs, size_t n)
{
    const uint8_t *pair_at[LANES];

    for (size_t done = 0; done < n;) {
        size_t take = n - done < LANES ? n - done : LANES;

        for (size_t i = 0; i < take; i++)
            pair_at[i] = pairs[done + i]->b;
        nodes_upto_4(out + done, pair_at, SLK_NODE_PREFIX, take);
        done += take;
    }
}

/* ---- messages of any size: each lane feeds its own blocks, and takes the next message when one is through ---- */

struct batch {
    const struct slk_span *spans; /* NULL: equal messages, `size` bytes every `stride` after `prefix` */
    const uint8_t *at;
    size_t size, stride;
    uint8_t prefix;
};

struct lane {
    uint32_t state[8];
    struct slk_hash *out; /* NULL: idle */
    const uint8_t *at;
    size_t left;
    uint64_t bits;
    bool has_prefix, padded, last;
    uint8_t prefix;
    const uint8_t *feed;
    uint8_t block[BLOCK_SIZE];
};

static void lane_begin(struct lane *lane, struct slk_hash *out, const struct batch *batch, size_t i)
{
    bool equal = batch->spans == NULL;

    memcpy(lane->state, initial_state, sizeof(initial_state));
    lane->out = out;
    lane->at = equal ? batch->at + i * batch->stride : batch->spans[i].at;
    lane->left = equal ? batch->size : batch->spans[i].size;
    lane->bits = ((uint64_t)lane->left + equal) * 8;
    lane->has_prefix = equal;
    lane->prefix = batch->prefix;
    lane->padded = false;
    lane->last = false;
}

/* Sets `feed` to the next block: in place where it can be, else put together in `block`. */
static void lane_feed(struct lane *lane)
{
    size_t used = 0, take;

    if (!lane->has_prefix && lane->left >= BLOCK_SIZE) {
        lane->feed = lane->at;
        lane->at += BLOCK_SIZE;
        lane->left -= BLOCK_SIZE;
        return;
    }
    lane->feed = lane->block;
    if (lane->has_prefix)
        lane->block[used++] = lane->prefix;
    lane->has_prefix = false;
    take = lane->left <= BLOCK_SIZE - used ? lane->left : BLOCK_SIZE - used;
    if (take > 0)
        memcpy(lane->block + used, lane->at, take);
    lane->at = take > 0 ? lane->at + take : lane->at;
    lane->left -= take;
    used += take;
    if (used == BLOCK_SIZE)
        return;
    if (!lane->padded)
        lane->block[used++] = PADDING_START;
    lane->padded = true;
    memset(lane->block + used, 0, BLOCK_SIZE - used);
    if (BLOCK_SIZE - used < LENGTH_SIZE)
        return;
    slk_put_u64(lane->block + BLOCK_SIZE - LENGTH_SIZE, lane->bits);
    lane->last = true;
}

INLINE void lanes_compress(struct lane *const *lane_of, const int lanes)
{
    struct vectors v;
    __m128i m[LANES][4];

    EACH(lane)
    {
        load_state(&v, lane, lane_of[lane]->state);
        for (int i = 0; i < 4; i++)
            m[lane][i] = swap_words(load(lane_of[lane]->feed + i * 16));
    }
    compress(&v, m, lanes);
    EACH(lane)
    {
        __m128i abcd, efgh;

        unpack_state(v.abef[lane], v.cdgh[lane], &abcd, &efgh);
        _mm_storeu_si128((__m128i *)(void *)lane_of[lane]->state, abcd);
        _mm_storeu_si128((__m128i *)(void *)(lane_of[lane]->state + 4), efgh);
    }
}

SHA_NI static void compress_x4(struct lane *const *lane_of)
{
    lanes_compress(lane_of, LANES);
}

SHA_NI static void compress_x1(struct lane *const *lane_of)
{
    lanes_compress(lane_of, 1);
}

static void lane_finish(struct lane *lane)
{
    for (int i = 0; i < 8; i++)
        slk_put_u32(lane->out->b + i * 4, lane->state[i]);
    lane->out = NULL;
}

static void hash_batch(struct slk_hash *out, const struct batch *batch, size_t n)
{
    struct lane lanes[LANES];
    struct lane *busy[LANES];
    size_t begun = 0, busy_n = 0;

    for (; busy_n < LANES && begun < n; busy_n++, begun++) {
        busy[busy_n] = &lanes[busy_n];
        lane_begin(busy[busy_n], &out[begun], batch, begun);
    }
    while (busy_n > 0) {
        for (size_t i = 0; i < busy_n; i++)
            lane_feed(busy[i]);
        if (busy_n == LANES)
            compress_x4(busy);
        for (size_t i = 0; busy_n < LANES && i < busy_n; i++)
            compress_x1(&busy[i]);
        for (size_t i = busy_n; i-- > 0;) {
            if (!busy[i]->last)
                continue;
            lane_finish(busy[i]);
            if (begun < n) {
                lane_begin(busy[i], &out[begun], batch, begun);
                begun++;
            } else {
                busy[i] = busy[--busy_n];
            }
        }
    }
}
#else
#define HAS_ENGINE 0
#endif

/* ---- the interface ---- */

const char *slk_multihash_engine(void)
{
#if HAS_ENGINE
    if (use_engine())
        return "sha-ni x4";
#endif
    return "libcrypto";
}

void slk_multihash_nodes_at(struct slk_hash *const *out, const struct slk_hash *const *pairs, size_t n)
{
#if HAS_ENGINE
    if (use_engine()) {
        nodes_at(out, pairs, n);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++)
        slk_hash_node(out[i], &pairs[i][0], &pairs[i][1]);
}

void slk_multihash_nodes(struct slk_hash *out, const struct slk_hash *pairs, size_t n)
{
#if HAS_ENGINE
    if (use_engine()) {
        nodes_strided(out, SLK_NODE_PREFIX, pairs->b, PAIR_SIZE, n);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++)
        slk_hash_node(&out[i], &pairs[2 * i], &pairs[2 * i + 1]);
}

void slk_multihash_equal(
    struct slk_hash *out, uint8_t prefix, const uint8_t *at, size_t size, size_t stride, size_t n)
{
#if HAS_ENGINE
    if (use_engine()) {
        struct batch batch = {.at = at, .size = size, .stride = stride, .prefix = prefix};

        if (size == PAIR_SIZE)
            nodes_strided(out, prefix, at, stride, n);
        else
            hash_batch(out, &batch, n);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++) {
        struct slk_sha sha;

        slk_sha_init(&sha);
        slk_sha_add(&sha, &prefix, 1);
        slk_sha_add(&sha, at + i * stride, size);
        slk_sha_final(&sha, &out[i]);
    }
}

void slk_multihash_spans(struct slk_hash *out, const struct slk_span *spans, size_t n)
{
#if HAS_ENGINE
    if (use_engine()) {
        struct batch batch = {.spans = spans};

        hash_batch(out, &batch, n);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++)
        slk_hash_bytes(&out[i], spans[i].at, spans[i].size);
}
