/* api_embed.h: a back end of the HTTP API for tests: an embedded ledger of one agency, on disk, with its keys. What it
 * answers is real (blocks, proofs, verdicts, checkpoints); what a network would add can be pretended. */
#ifndef SLK_TESTS_API_EMBED_H
#define SLK_TESTS_API_EMBED_H

#include "net/api.h"

#define EMBED_RECENT 256

struct embed_job;

struct api_embed {
    struct slk_ledger *ledger;
    uint64_t (*now_ms)(void *ctx);
    void *now_ctx;
    struct embed_job *first, *last;
    uint64_t next_ticket;
    struct {
        slk_node_news_fn *fn;
        void *ctx;
    } watchers[SLK_NODE_WATCHERS];
    struct {
        struct slk_hash id;
        uint64_t height, first_index;
    } recent[EMBED_RECENT];
    size_t recent_n;
    uint64_t cosigned_ms;
    uint8_t note[8192];
    size_t note_size;
    /* For tests: */
    bool hold;                     /* answers nothing */
    enum slk_node_outcome pretend; /* 0: nothing; else what every submission is answered with */
    enum slk_node_stage reached;   /* 0: COSIGNED; else the stage that answers claim */
    bool is_full;                  /* takes no submission: as many wait as can */
    bool behind, is_unsigned;      /* says so */
    const struct slk_key
        *list_cosigner; /* signs for a quorum what is said of status lists; NULL: nobody does */
    uint8_t lists_note[2048];
    size_t lists_note_size;
    uint64_t lists_size;
};

/* The ledger stays the caller's. */
void embed_open(
    struct api_embed *embed, struct slk_ledger *ledger, uint64_t (*now_ms)(void *), void *now_ctx);
void embed_close(struct api_embed *embed);
struct slk_api_backend embed_backend(struct api_embed *embed);
/* One turn: what was submitted becomes a block, is answered and told to those who watch. */
void embed_run(void *embed);

#endif
