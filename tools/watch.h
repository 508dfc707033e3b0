/* watch.h: what `sillok watch` remembers between two looks, and what it thinks of signed checkpoints. */
#ifndef SLK_TOOLS_WATCH_H
#define SLK_TOOLS_WATCH_H

#include "tools/cli_nodes.h"
#include "tools/evidence.h"

/* A checkpoint somebody showed. */
struct sighting {
    char from[EVIDENCE_FROM_MAX + 1];
    size_t node; /* index of the node that shows it; SIZE_MAX: it is remembered */
    char *note;  /* malloc'ed; NULL: none was shown */
    size_t note_n;
    struct slk_checkpoint checkpoint; /* its origin is borrowed from the note */
    uint64_t quorum_time_s;
    uint32_t cosignatures_n;
    char missing[300];  /* whose cosignatures the policy's quorum lacks; "" when it is met */
    bool all_missing;   /* it takes every one of them */
    bool is_comparable; /* signed by a log of the policy: worth to be held against others */
    bool is_good;       /* and by its quorum */
};
void sighting_clear(struct sighting *sighting);
/* Copies the note and judges it. SLK_OK; SLK_E_QUORUM: comparable, but too few cosigned; anything else: no checkpoint of this log. */
SLK_MUST_CHECK enum slk_err sighting_read(struct sighting *out, const char *from, const char *note,
    size_t size, const struct slk_policy *policy, uint64_t now_s);

/* The state file: the newest checkpoint that was good and did not contradict the one before, and what each node showed last. */
struct watch_state {
    const char *path; /* NULL: nothing is kept */
    struct sighting newest;
    json_t *nodes; /* {"URL": "note"} */
};
/* A missing file is an empty state. False after a message: it is damaged, or of another log. */
bool watch_state_load(struct cli *cli, struct watch_state *state, const struct slk_policy *policy);
bool watch_state_save(const struct cli *cli, const struct watch_state *state);
void watch_state_clear(struct watch_state *state);
/* The size this node showed last; 0: it is new. */
uint64_t watch_state_size_of(const struct watch_state *state, const char *url);
/* Takes over what was seen; a sighting that is good and larger becomes the newest. False when out of memory. */
SLK_MUST_CHECK bool watch_state_take(
    struct watch_state *state, const struct sighting *sighting, const char *url);

#endif
