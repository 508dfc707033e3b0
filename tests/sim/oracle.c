/* oracle.c: see oracle.h. */
#include "tests/sim/oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The signed layout, written down a second time on purpose (protocol §2.2). */
enum { TAG = 0, HEIGHT = 80, VIEW = 88, AUX = 92, KIND = 96, HASH = 100 };
/* And the header's. */
enum {
    H_HEIGHT = 4,
    H_CHARTER = 44,
    H_NEXT_CHARTER = 76,
    H_PREVIOUS = 108,
    H_TIME = 140,
    H_SIZE = 194,
    H_ROOT = 202
};
enum { PROPOSE = 1, NOTARIZE, NULLIFY, FINALIZE };
enum { HASHES_MAX = 32, SLOTS = 1 << 13, CHARTERS_MAX = 8, NUMBERS_MAX = 4096 };

struct said {
    uint8_t hash[32];
    uint64_t notarize, finalize;
};

struct slot {
    uint32_t generation;
    uint32_t view;
    uint64_t height;
    uint64_t nullify, finalized; /* members */
    unsigned said_n;
    struct said said[HASHES_MAX];
    uint8_t proposed[ORACLE_MEMBERS]; /* 1 + index into `said`; honest leaders */
    uint8_t notarized[ORACLE_MEMBERS];
};

struct place {
    unsigned boot;
    uint64_t height;
    uint32_t view;
};

struct oracle {
    char verdict[300];
    unsigned n, epoch;
    uint32_t generation;
    uint64_t decided;
    bool is_beyond, is_forked;
    unsigned charters_n;
    struct {
        uint64_t from, members;
        unsigned n;
    } charters[CHARTERS_MAX];
    struct place places[ORACLE_PROCESSES];
    bool known[ORACLE_HEIGHTS];
    uint8_t chain[ORACLE_HEIGHTS][32];
    struct {
        uint64_t time, size;
        uint8_t next_charter[32], root[32];
    } heads[ORACLE_HEIGHTS];
    struct {
        uint64_t size;
        uint8_t root[32];
    } cosigned[ORACLE_PROCESSES];      /* the last by each */
    uint64_t content[ORACLE_HEIGHTS];  /* 0: not told yet */
    uint64_t included_at[NUMBERS_MAX]; /* 0: nowhere */
    struct slot slots[SLOTS];
};

struct oracle *oracle_new(void)
{
    return calloc(1, sizeof(struct oracle));
}

void oracle_free(struct oracle *o)
{
    free(o);
}

void oracle_reset(struct oracle *o, unsigned members, unsigned epoch)
{
    o->verdict[0] = '\0';
    o->n = members;
    o->epoch = epoch;
    o->generation++;
    o->decided = 0;
    o->charters_n = 0;
    o->is_beyond = o->is_forked = false;
    memset(o->places, 0, sizeof(o->places));
    memset(o->cosigned, 0, sizeof(o->cosigned));
    memset(o->known, 0, sizeof(o->known));
    memset(o->content, 0, sizeof(o->content));
    memset(o->included_at, 0, sizeof(o->included_at));
}

const char *oracle_verdict(const struct oracle *o)
{
    return o->verdict[0] == '\0' ? NULL : o->verdict;
}

uint64_t oracle_decided(const struct oracle *o)
{
    return o->decided;
}

bool oracle_fail(struct oracle *o, const char *format, ...)
{
    va_list args;

    if (o->verdict[0] != '\0')
        return false;
    va_start(args, format);
    (void)vsnprintf(o->verdict, sizeof(o->verdict), format, args);
    va_end(args);
    return false;
}

static uint64_t number(const uint8_t *at, int size)
{
    uint64_t v = 0;

    for (int i = 0; i < size; i++)
        v = v << 8 | at[i];
    return v;
}

static unsigned count(uint64_t bits)
{
    unsigned n = 0;

    for (int i = 0; i < 64; i++)
        n += (unsigned)(bits >> i & 1);
    return n;
}

void oracle_charter(struct oracle *o, uint64_t from, unsigned n, const uint8_t *members)
{
    if (o->charters_n == CHARTERS_MAX)
        abort();
    o->charters[o->charters_n].from = from;
    o->charters[o->charters_n].n = n;
    o->charters[o->charters_n].members = 0;
    for (unsigned i = 0; i < n; i++)
        o->charters[o->charters_n].members |= 1ull << members[i];
    o->charters_n++;
}

void oracle_beyond(struct oracle *o)
{
    o->is_beyond = true;
}

bool oracle_forked(const struct oracle *o)
{
    return o->is_forked;
}

/* The charters of the run, told apart a second time: how many decide a height, and is `member` one of them? */
static int charter_at(const struct oracle *o, uint64_t height)
{
    int at = -1;

    for (unsigned i = 0; i < o->charters_n; i++)
        if (o->charters[i].from <= height)
            at = (int)i;
    return at;
}

static unsigned size_at(const struct oracle *o, uint64_t height)
{
    int at = charter_at(o, height);

    if (at >= 0)
        return o->charters[at].n;
    return o->epoch > 0 && o->n > 1 && height / o->epoch % 2 == 1 ? o->n - 1 : o->n;
}

static unsigned quorum_at(const struct oracle *o, uint64_t height)
{
    unsigned n = size_at(o, height);

    return n - (n - 1) / 3;
}

static bool is_member(const struct oracle *o, uint64_t height, unsigned member)
{
    uint64_t moved = o->epoch > 0 ? height / o->epoch % o->n : 0;
    int at = charter_at(o, height);

    if (at >= 0)
        return (o->charters[at].members >> member & 1) != 0;
    return (member + o->n - moved) % o->n < size_at(o, height);
}

/* NULL when nothing was signed there and `make` is not set. */
static struct slot *slot_of(struct oracle *o, uint64_t height, uint32_t view, bool make)
{
    uint64_t at = (height * 0x9e3779b97f4a7c15u + view * 0xbf58476d1ce4e5b9u) >> 40;

    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &o->slots[(at + i) % SLOTS];

        if (slot->generation == o->generation && slot->height == height && slot->view == view)
            return slot;
        if (slot->generation != o->generation) {
            if (!make)
                return NULL;
            memset(slot, 0, sizeof(*slot));
            slot->generation = o->generation;
            slot->height = height;
            slot->view = view;
            return slot;
        }
    }
    abort();
}

static unsigned said_index(struct slot *slot, const uint8_t hash[32])
{
    for (unsigned i = 0; i < slot->said_n; i++)
        if (memcmp(slot->said[i].hash, hash, 32) == 0)
            return i;
    if (slot->said_n == HASHES_MAX)
        return HASHES_MAX; /* liars alone name so many */
    memcpy(slot->said[slot->said_n].hash, hash, 32);
    slot->said[slot->said_n].notarize = slot->said[slot->said_n].finalize = 0;
    return slot->said_n++;
}

/* ---- I3: rule P, from the image alone ---- */

static bool has_block(const struct oracle_image *image, const uint8_t hash[32])
{
    for (size_t i = 0; i < image->blocks_n; i++)
        if (memcmp(image->blocks[i], hash, 32) == 0)
            return true;
    return false;
}

static bool has_cert(const struct oracle *o, const struct oracle_image *image, uint8_t kind, uint64_t height,
    uint32_t view, const uint8_t *hash)
{
    for (size_t i = 0; i < image->certs_n; i++) {
        const struct oracle_fact *c = &image->certs[i];

        if (c->kind == kind && c->height == height && c->view == view &&
            count(c->signers) >= quorum_at(o, height) && (hash == NULL || memcmp(c->hash, hash, 32) == 0))
            return true;
    }
    return false;
}

/* A vote for `hash` in `view`: N(u) for it and K of all between, or K of all before. */
static bool has_reason(const struct oracle *o, const struct oracle_image *image, uint64_t height,
    uint32_t view, const uint8_t *hash)
{
    uint32_t w = view - 1;

    while (w > 0) {
        if (has_cert(o, image, NOTARIZE, height, w, hash))
            return true;
        if (!has_cert(o, image, NULLIFY, height, w, NULL))
            return false;
        w--;
    }
    return true;
}

/* I10: what the disk keeps of a height is bounded by the views it took. */
static bool bounded(struct oracle *o, unsigned member, const struct oracle_image *image)
{
    enum { VOTES = 4, CERTS = 2, BLOCKS = 2, SPARE = 2 };
    size_t views = 1;

    for (size_t i = 0; i < image->votes_n; i++)
        views = image->votes[i].view > views ? image->votes[i].view : views;
    if (image->votes_n <= VOTES * views && image->certs_n <= CERTS * views + SPARE &&
        image->blocks_n <= BLOCKS * views + SPARE)
        return true;
    return oracle_fail(o, "I10: member %u keeps %zu votes, %zu certificates, %zu blocks of %zu views", member,
        image->votes_n, image->certs_n, image->blocks_n, views);
}

static bool durable_first(
    struct oracle *o, unsigned member, const uint8_t *bytes, const struct oracle_image *image)
{
    uint64_t height = number(bytes + HEIGHT, 8);
    uint32_t view = (uint32_t)number(bytes + VIEW, 4);
    const uint8_t *hash = bytes + HASH;
    bool is_recorded = false, is_backed = false;

    if (!bounded(o, member, image))
        return false;
    if (height != image->height + 1)
        return oracle_fail(o, "I3: member %u signed at height %llu, committed is %llu", member,
            (unsigned long long)height, (unsigned long long)image->height);
    for (size_t i = 0; i < image->votes_n; i++) {
        const struct oracle_fact *v = &image->votes[i];

        if (v->kind == bytes[KIND] && v->height == height && v->view == view &&
            memcmp(v->hash, hash, 32) == 0)
            is_recorded = true;
    }
    switch (bytes[KIND]) {
    case PROPOSE:
    case NOTARIZE:
        is_backed = has_block(image, hash) && has_reason(o, image, height, view, hash);
        break;
    case NULLIFY:
        is_backed = view == 1 || has_cert(o, image, NOTARIZE, height, view - 1, NULL) ||
                    has_cert(o, image, NULLIFY, height, view - 1, NULL);
        break;
    case FINALIZE:
        is_backed = has_block(image, hash) && has_cert(o, image, NOTARIZE, height, view, hash);
        break;
    default:
        break;
    }
    if (is_recorded && is_backed)
        return true;
    return oracle_fail(o, "I3: member %u signed kind %u at (%llu, %u) before %s was durable", member,
        bytes[KIND], (unsigned long long)height, view, is_recorded ? "what justifies it" : "the vote");
}

/* ---- I2: one honest member's own statements, across crashes ---- */

static bool consistent(struct oracle *o, struct slot *slot, unsigned member, uint8_t kind, unsigned said)
{
    uint64_t bit = 1ull << member;

    switch (kind) {
    case PROPOSE:
        if (slot->proposed[member] != 0 && slot->proposed[member] != said + 1)
            return oracle_fail(o, "I2: member %u proposed twice at (%llu, %u)", member,
                (unsigned long long)slot->height, slot->view);
        slot->proposed[member] = (uint8_t)(said + 1);
        return true;
    case NOTARIZE:
        if (slot->notarized[member] != 0 && slot->notarized[member] != said + 1)
            return oracle_fail(o, "I2: member %u notarized two blocks at (%llu, %u)", member,
                (unsigned long long)slot->height, slot->view);
        slot->notarized[member] = (uint8_t)(said + 1);
        return true;
    case NULLIFY:
        if ((slot->finalized & bit) != 0)
            return oracle_fail(o, "I2: member %u nullified after finalizing (%llu, %u)", member,
                (unsigned long long)slot->height, slot->view);
        return true;
    case FINALIZE:
        if ((slot->nullify & bit) != 0)
            return oracle_fail(o, "I2: member %u finalized after nullifying (%llu, %u)", member,
                (unsigned long long)slot->height, slot->view);
        return true;
    default:
        return oracle_fail(o, "I2: member %u signed kind %u", member, kind);
    }
}

/* I4, from every signature ever made. */
static bool certificates_agree(struct oracle *o, const struct slot *slot)
{
    unsigned notarized = 0, final = 0, q = quorum_at(o, slot->height);

    if (o->is_beyond)
        return true;
    for (unsigned i = 0; i < slot->said_n; i++) {
        notarized += count(slot->said[i].notarize) >= q;
        final += count(slot->said[i].finalize) >= q;
    }
    if (notarized > 1)
        return oracle_fail(o, "I4: two blocks could be notarized at (%llu, %u)",
            (unsigned long long)slot->height, slot->view);
    if (final > 1 || (final == 1 && count(slot->nullify) >= q))
        return oracle_fail(o, "I4: (%llu, %u) could be finalized and %s", (unsigned long long)slot->height,
            slot->view, final > 1 ? "finalized otherwise" : "nullified");
    return true;
}

bool oracle_signed(
    struct oracle *o, unsigned member, const uint8_t bytes[132], const struct oracle_image *image)
{
    static const uint8_t tag[16] = {'s', 'i', 'l', 'l', 'o', 'k', '/', 'v', 'o', 't', 'e', '/', '1', 0, 0, 0};
    uint64_t height = number(bytes + HEIGHT, 8);
    struct slot *slot = slot_of(o, height, (uint32_t)number(bytes + VIEW, 4), true);
    uint8_t kind = bytes[KIND];
    bool is_idle = kind == NULLIFY || (kind == PROPOSE && image == NULL); /* names no block that counts */
    unsigned said = is_idle ? 0 : said_index(slot, bytes + HASH);
    uint64_t bit = 1ull << member;

    if (!is_member(o, height, member))
        return image == NULL || oracle_fail(o, "I2: member %u signed at height %llu, where it has no vote",
                                    member, (unsigned long long)height);
    if (memcmp(bytes + TAG, tag, sizeof(tag)) != 0)
        return oracle_fail(o, "I2: member %u signed something else than a vote", member);
    if (image != NULL) {
        if (said == HASHES_MAX)
            return oracle_fail(o, "more than %u blocks at (%llu, %u)", (unsigned)HASHES_MAX,
                (unsigned long long)height, slot->view);
        if (!consistent(o, slot, member, kind, said) || !durable_first(o, member, bytes, image))
            return false;
    } else if (said == HASHES_MAX) {
        return true;
    }
    if (kind == NULLIFY)
        slot->nullify |= bit;
    if (kind == NOTARIZE)
        slot->said[said].notarize |= bit;
    if (kind == FINALIZE) {
        slot->said[said].finalize |= bit;
        slot->finalized |= bit;
    }
    return certificates_agree(o, slot);
}

/* I9, and the size of the log: one entry for each number, and the seal. */
static bool numbers_fit(struct oracle *o, uint64_t height, const struct oracle_block *block)
{
    uint64_t size = number(block->header + H_SIZE, 8), before = height > 1 ? o->heads[height - 1].size : 1;

    if (block->numbers == NULL)
        return true;
    if (size != before + block->numbers_n + 1)
        return oracle_fail(o, "I5: height %llu has a log of the wrong size", (unsigned long long)height);
    for (size_t i = 0; i < block->numbers_n; i++) {
        uint64_t n = number(block->numbers + 4 * i, 4);

        if (n >= NUMBERS_MAX || (o->included_at[n] != 0 && o->included_at[n] != height))
            return oracle_fail(o, "I9: submission %llu is in two blocks", (unsigned long long)n);
        o->included_at[n] = height;
    }
    return true;
}

static unsigned long long term_of(const struct oracle *o, uint64_t height)
{
    int at = charter_at(o, height);

    return at >= 0 ? (unsigned long long)at : o->epoch > 0 ? height / o->epoch : 0;
}

/* I5: one block on the other, times that grow, charters that change where they must and nowhere else. */
static bool links(struct oracle *o, uint64_t height, const struct oracle_block *block)
{
    const uint8_t *h = block->header;
    uint64_t time = number(h + H_TIME, 8);
    bool is_same = memcmp(h + H_CHARTER, h + H_NEXT_CHARTER, 32) == 0;

    if (number(h + H_HEIGHT, 8) != height || is_same != (term_of(o, height) == term_of(o, height + 1)))
        return oracle_fail(o, "I5: the header of height %llu is wrong", (unsigned long long)height);
    if (height > 1 && (!o->known[height - 1] || memcmp(h + H_PREVIOUS, o->chain[height - 1], 32) != 0 ||
                          time <= o->heads[height - 1].time ||
                          memcmp(h + H_CHARTER, o->heads[height - 1].next_charter, 32) != 0))
        return oracle_fail(o, "I5: height %llu does not stand on the one before", (unsigned long long)height);
    o->heads[height].time = time;
    o->heads[height].size = number(h + H_SIZE, 8);
    memcpy(o->heads[height].next_charter, h + H_NEXT_CHARTER, 32);
    memcpy(o->heads[height].root, h + H_ROOT, 32);
    return numbers_fit(o, height, block);
}

bool oracle_committed(struct oracle *o, unsigned process, uint64_t height, const struct oracle_block *block)
{
    const uint8_t *hash = block->hash;

    if (height >= ORACLE_HEIGHTS)
        return oracle_fail(o, "the run is too long: height %llu", (unsigned long long)height);
    if (o->known[height] && memcmp(o->chain[height], hash, 32) != 0 && o->is_beyond) {
        o->is_forked = true;
        return true;
    }
    if (o->known[height] && memcmp(o->chain[height], hash, 32) != 0)
        return oracle_fail(
            o, "I1: process %u finalized another block at height %llu", process, (unsigned long long)height);
    if (!o->known[height] && !o->is_forked && !links(o, height, block))
        return false;
    o->known[height] = true;
    memcpy(o->chain[height], hash, 32);
    if (height > o->decided)
        o->decided = height;
    return true;
}

/* I7: nothing but what is final is ever cosigned. */
bool oracle_cosigned(struct oracle *o, unsigned process, uint64_t height, const uint8_t hash[32])
{
    if (height < ORACLE_HEIGHTS && o->known[height] &&
        (o->is_forked || memcmp(o->chain[height], hash, 32) == 0))
        return true;
    return oracle_fail(o, "I7: process %u cosigned a block of height %llu that is not final", process,
        (unsigned long long)height);
}

/* Three words of the signed text, read here by themselves: a time, the size of a log, its root in base64 (RFC 4648). */
static bool numeral(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    const uint8_t *from = *at;

    for (*out = 0; *at < end && **at >= '0' && **at <= '9'; ++*at)
        *out = 10 * *out + (uint64_t)(**at - '0');
    return *at > from && *at < end && *(*at)++ == '\n';
}

static bool base64(const uint8_t *at, uint8_t out[32])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { CHARACTERS = 43 }; /* of 6 bits, and a '=' */
    uint32_t bits = 0;
    unsigned bits_n = 0, used = 0;

    for (int i = 0; i < CHARACTERS; i++) {
        const char *digit = at[i] == '\0' ? NULL : strchr(digits, at[i]);

        if (digit == NULL)
            return false;
        bits = (bits << 6 | (uint32_t)(digit - digits)) & 0xffff;
        bits_n += 6;
        if (bits_n >= 8) {
            bits_n -= 8;
            out[used++] = (uint8_t)(bits >> bits_n);
        }
    }
    return used == 32 && at[CHARACTERS] == '=';
}

static bool cosigned_log(const uint8_t *bytes, size_t n, uint64_t *size, uint8_t root[32])
{
    static const char head[] = "cosignature/v1\ntime ";
    enum { ROOT_LINE = 45 };
    const uint8_t *at = bytes + sizeof(head) - 1, *end = bytes + n;
    uint64_t time;

    if (n < sizeof(head) || memcmp(bytes, head, sizeof(head) - 1) != 0 || !numeral(&at, end, &time))
        return false;
    at = memchr(at, '\n', (size_t)(end - at));
    if (at == NULL)
        return false;
    at++; /* after the origin */
    return numeral(&at, end, size) && end - at == ROOT_LINE && end[-1] == '\n' && base64(at, root);
}

/* The height whose block made the log so long; 0: none that is final. */
static uint64_t height_of(const struct oracle *o, uint64_t size)
{
    uint64_t height = o->decided;

    while (height > 0 && (!o->known[height] || o->heads[height].size > size))
        height--;
    return height > 0 && o->heads[height].size == size ? height : 0;
}

bool oracle_cosignature(
    struct oracle *o, unsigned process, const uint8_t *bytes, size_t size, uint64_t durable)
{
    uint64_t log_size, height;
    uint8_t root[32];

    if (!cosigned_log(bytes, size, &log_size, root))
        return oracle_fail(o, "I7: process %u cosigned something else than a checkpoint", process);
    if (log_size < o->cosigned[process].size ||
        (log_size == o->cosigned[process].size && memcmp(root, o->cosigned[process].root, 32) != 0))
        return oracle_fail(
            o, "I7: process %u cosigned two logs of size %llu", process, (unsigned long long)log_size);
    o->cosigned[process].size = log_size;
    memcpy(o->cosigned[process].root, root, 32);
    height = height_of(o, log_size);
    if (o->is_forked || (height > 0 && height <= durable && memcmp(root, o->heads[height].root, 32) == 0))
        return true;
    return oracle_fail(o, "I7: process %u cosigned a log of size %llu that it does not hold", process,
        (unsigned long long)log_size);
}

bool oracle_quorum(struct oracle *o, unsigned process, uint64_t log_size, const uint8_t root[32])
{
    uint64_t height = height_of(o, log_size);

    if (o->is_beyond || (height > 0 && memcmp(root, o->heads[height].root, 32) == 0))
        return true;
    return oracle_fail(
        o, "I7: process %u holds a quorum's cosignatures of a log that nobody decided", process);
}

bool oracle_content(struct oracle *o, unsigned process, uint64_t height, uint64_t digest)
{
    if (height >= ORACLE_HEIGHTS || o->is_forked || o->content[height] == 0 || o->content[height] == digest) {
        if (height < ORACLE_HEIGHTS)
            o->content[height] = digest;
        return true;
    }
    return oracle_fail(o, "I14: process %u holds something else than others at height %llu", process,
        (unsigned long long)height);
}

bool oracle_acknowledged(struct oracle *o, unsigned process, uint64_t height, uint64_t durable)
{
    if (height <= durable)
        return true;
    return oracle_fail(o, "I17: process %u acknowledged height %llu, durable is %llu", process,
        (unsigned long long)height, (unsigned long long)durable);
}

/* I12: a view is entered only through a certificate of the one before; within a boot nothing goes back. */
bool oracle_at(struct oracle *o, unsigned process, unsigned boot, uint64_t height, uint32_t view)
{
    struct place *place = &o->places[process];
    const struct slot *slot;
    bool is_there = place->boot == boot && place->height == height && place->view == view;
    unsigned best = 0;

    if (is_there)
        return true;
    if (place->boot == boot && (height < place->height || (height == place->height && view < place->view)))
        return oracle_fail(
            o, "I12: process %u went back to (%llu, %u)", process, (unsigned long long)height, view);
    *place = (struct place){.boot = boot, .height = height, .view = view};
    if (view == 1)
        return true;
    slot = slot_of(o, height, view - 1, false);
    if (slot != NULL) {
        best = count(slot->nullify);
        for (unsigned i = 0; i < slot->said_n; i++)
            best = count(slot->said[i].notarize) > best ? count(slot->said[i].notarize) : best;
    }
    if (best >= quorum_at(o, height))
        return true;
    return oracle_fail(o, "I12: process %u is in (%llu, %u) without a certificate", process,
        (unsigned long long)height, view);
}
