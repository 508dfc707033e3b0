/* witness.h: outside witnesses: what they are asked, what they answer, and when each is asked again. Source: C2SP tlog-witness.
 *
 *   the node's newest checkpoint -> desk (whose turn, from which size) -> request -> witness_http.h -> answer -> desk -> the node
 *
 * Pure: no socket, no clock, no key. All witnesses are asked about one checkpoint at a time, a round, so that a policy which wants several
 * of them finds them under one. An answer is a stranger's: it is believed when its cosignature verifies, and nothing else follows from it
 * than what is sent next.
 */
#ifndef SLK_NET_WITNESS_H
#define SLK_NET_WITNESS_H

#include "ledger/verify/checkpoint.h"

#define SLK_WITNESSES_MAX     8
#define SLK_WITNESS_LABEL_MAX 32
#define SLK_WITNESS_URL_MAX   180
#define SLK_WITNESS_PATH_MAX  63 /* C2SP tlog-witness: hashes in a request */
#define SLK_WITNESS_ANSWER_MAX                                                                               \
    16384 /* four cosignatures by ML-DSA-44 and some; ours is one line of 200 bytes */
#define SLK_WITNESS_REQUEST_MAX (32 + SLK_WITNESS_PATH_MAX * 45 + 16384)
#define SLK_WITNESS_BLOB_SIZE   SLK_NOTE_BLOB_MAX
#define SLK_WITNESS_AHEAD_S                                                                                  \
    300 /* a cosignature may be so much later than our clock says, and so much earlier */

struct slk_witness {
    char label[SLK_WITNESS_LABEL_MAX + 1]; /* in logs and metrics */
    struct slk_vkey vkey;                  /* a cosigning key, type 0x04 */
    char url[SLK_WITNESS_URL_MAX];         /* the submission prefix, without a slash at its end */
};
/* label = VKEY URL. False after filling the fault's text: what is wrong, and what to write. */
SLK_MUST_CHECK bool slk_witness_parse(
    struct slk_witness *out, const char *label, const char *value, struct slk_fault *fault);

/* The body of add-checkpoint; 0: it does not fit. The path is empty for an old size of 0, and for the note's own. */
size_t slk_witness_request(uint8_t *out, size_t cap, uint64_t old_size, const struct slk_hash *path,
    size_t path_n, struct slk_span note);

/* What an answer comes to; the names are labels of a metric. */
#define SLK_WITNESS_SAYS(X)                                                                                  \
    X(COSIGNED, "cosigned")         /* a good cosignature by its key */                                      \
    X(OTHER_SIZE, "other_size")     /* 409: it stores another size than ours */                              \
    X(UNREACHABLE, "unreachable")   /* no answer: no connection, no certificate, too slow, cut off */        \
    X(TOO_LARGE, "too_large")       /* more than SLK_WITNESS_ANSWER_MAX */                                   \
    X(UNKNOWN_LOG, "unknown_log")   /* 404 */                                                                \
    X(UNKNOWN_KEY, "unknown_key")   /* 403: it knows none of the log keys that signed */                     \
    X(INCONSISTENT, "inconsistent") /* 422: it has seen another history, or is wrong */                      \
    X(BUSY, "busy")                 /* 429, 503 */                                                           \
    X(OTHER_STATUS, "other_status")                                                                          \
    X(MALFORMED, "malformed")           /* 200 or 409 with something else than the specification says */     \
    X(NO_COSIGNATURE, "no_cosignature") /* 200, and none by the key that is configured */                    \
    X(FALSE_COSIGNATURE, "false_cosignature") /* 200, by its key, and not of this checkpoint */              \
    X(FALSE_TIME, "false_time")               /* a good one, of another time than now */                     \
    X(CONFLICT, "conflict")                   /* 409 again and again */

enum slk_witness_says {
#define SLK_X(name, text) SLK_WITNESS_##name,
    SLK_WITNESS_SAYS(SLK_X)
#undef SLK_X
        SLK_WITNESS_SAYS_N
};
const char *slk_witness_says_name(enum slk_witness_says says);

/* Bytes that came back, as the transport found them. */
struct slk_witness_answer {
    unsigned status; /* 0: none came */
    bool is_too_large;
    char type[64]; /* Content-Type without parameters, lower case */
    struct slk_span body;
};

struct slk_witness_word {
    enum slk_witness_says says;
    uint64_t stored_size;                /* OTHER_SIZE */
    uint64_t time_s;                     /* COSIGNED */
    uint8_t blob[SLK_WITNESS_BLOB_SIZE]; /* COSIGNED: the payload of its signature line */
};
/* Reads an answer about the checkpoint whose text this is. */
void slk_witness_read(struct slk_witness_word *out, const struct slk_witness *witness,
    const struct slk_witness_answer *answer, struct slk_span text, uint64_t now_s);

/* ---- whose turn it is ---- */

struct slk_witness_options {
    uint32_t every_ms;    /* from the beginning of a round to that of the next, at least */
    uint32_t refresh_ms;  /* an unchanged checkpoint is cosigned again after this */
    uint32_t rest_max_ms; /* who fails is left in peace for every_ms, doubling up to this */
};

struct slk_witness_stats {
    uint64_t asked_n, says_n[SLK_WITNESS_SAYS_N];
    uint64_t cosigned_s, cosigned_size; /* its newest cosignature; 0: none yet */
    bool is_failing;
};

/* What the desk is given: where a checkpoint comes from, where requests go. None may call the desk. */
struct slk_witness_world {
    void *ctx;
    /* The newest checkpoint of a quorum: its size and root. False: none yet. */
    bool (*newest)(void *ctx, struct slk_tree_head *head);
    /* The same with its bytes, as it is to be sent: from now on the node keeps it. 0: not now. */
    size_t (*target)(void *ctx, struct slk_tree_head *head, uint8_t *out, size_t cap);
    /* The path from an older size, at least 1 and below size. False: not now. */
    bool (*path)(void *ctx, uint64_t old_size, uint64_t size, struct slk_hash path[SLK_WITNESS_PATH_MAX],
        size_t *path_n);
    /* Sends the body, which is copied, to witness i; its answer comes to slk_witness_desk_hear. False: it cannot. */
    bool (*ask)(void *ctx, size_t i, struct slk_span body);
    /* A good cosignature of the target. */
    void (*cosigned)(
        void *ctx, size_t i, const struct slk_tree_head *head, const struct slk_witness_word *word);
};

struct slk_witness_desk;
/* The witnesses are copied. NULL: no memory. */
struct slk_witness_desk *slk_witness_desk_new(const struct slk_witness *witnesses, size_t n,
    const struct slk_witness_options *options, const struct slk_witness_world *world);
void slk_witness_desk_free(struct slk_witness_desk *desk); /* NULL is fine */
/* What is due at this time of a monotonic clock. */
void slk_witness_desk_run(struct slk_witness_desk *desk, uint64_t now_ms);
/* When something will be due that no event brings; UINT64_MAX: nothing. */
uint64_t slk_witness_desk_wake(const struct slk_witness_desk *desk);
/* The answer of witness i to what it was asked last; what it came to. */
enum slk_witness_says slk_witness_desk_hear(struct slk_witness_desk *desk, size_t i,
    const struct slk_witness_answer *answer, uint64_t now_ms, uint64_t now_s);
size_t slk_witness_desk_n(const struct slk_witness_desk *desk);
const struct slk_witness *slk_witness_desk_at(const struct slk_witness_desk *desk, size_t i);
const struct slk_witness_stats *slk_witness_desk_stats(const struct slk_witness_desk *desk, size_t i);
/* How many have not failed lately: is it worth waiting for them? */
size_t slk_witness_desk_sound(const struct slk_witness_desk *desk);

#endif
