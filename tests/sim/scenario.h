/* scenario.h: telling the simulated world one story, step by step; and what must have come of it. Source: protocol §5.
 *
 * A scene is quiet: 10 ms lines, 2 ms disks, Δ = 100 ms, no chance unless a story asks for some. A story cuts lines, loses messages, stops and
 * starts processes, fails writes, and speaks for puppets: liars without a process of their own.
 */
#ifndef SLK_TESTS_SIM_SCENARIO_H
#define SLK_TESTS_SIM_SCENARIO_H

#include "tests/sim/world.h"

#define EVERYBODY 0xffffffffffffffffull
#define ONLY(i)   (1ull << (i))
#define ANY       PROCESSES_MAX

struct said {
    unsigned process;
    struct slk_statement s;
};
struct accusation {
    unsigned process, member;
    struct slk_vote votes[2]; /* that contradict each other */
};

/* The one scene on stage. */
struct scene {
    struct world w;
    struct script script;
    const char *verdict;         /* how the violation starts that must be found; NULL: none may be */
    uint64_t cut[PROCESSES_MAX]; /* processes that do not hear this one */
    /* The story's own; NULL: nothing. */
    bool (*loses)(unsigned from, unsigned to, const struct slk_msg *msg);
    bool (*signs)(unsigned process, const struct slk_statement *s);
    void (*sees)(unsigned process, const struct slk_bft_effect *effect);
    /* What happened. */
    size_t said_n, accusations_n;
    struct said said[1 << 16];
    struct accusation accusations[256];
    unsigned alarms[PROCESSES_MAX]; /* 1 << alarm */
    unsigned validated[PROCESSES_MAX];
    uint64_t cosigned[PROCESSES_MAX]; /* the last height */
    uint64_t votes_sent, others_sent;
};
extern struct scene scene;

/* Says what is not as it should be; the story goes on. Returns `is_so`. */
bool expect(bool is_so, const char *format, ...) __attribute__((format(printf, 2, 3)));

void scene_new(unsigned n);
void scene_new_by_chance(unsigned n, uint64_t seed); /* when there is some: losses, delays */
/* Before the start: `member` is a puppet. */
void scene_puppet(unsigned member);
/* Before the start: from height `from` on the members in the bits of `members` decide. In the order of `from`, from 0. */
void scene_charter(uint64_t from, uint64_t members);
void scene_start(void);
void scene_end(void);

void pass_ms(uint64_t ms);
/* Until it is so; false after `ms` without it. */
bool pass_until(bool (*is_so)(void), uint64_t ms);
bool all_at(uint64_t processes, uint64_t height);
bool pass_until_all_at(uint64_t processes, uint64_t height, uint64_t ms);

struct process *process(unsigned i);
void stop(unsigned i);
void start(unsigned i);
void cut_off(unsigned i); /* hears nobody, is not heard */
void heal(void);
/* A new submission in these pools; nobody else hears of it by itself. */
unsigned submit(uint64_t processes);

/* Signatures that processes made, in all boots. `hash`: NULL for any. */
unsigned times_said(
    unsigned process, enum slk_vote_kind kind, uint64_t height, uint32_t view, const struct slk_hash *hash);
unsigned times_accused(unsigned process, unsigned member);
bool has_alarm(unsigned process, enum slk_bft_alarm alarm);
uint32_t view_of(unsigned process);
void look_at(unsigned process, struct slk_bft_view_of *out);
bool is_durable_cert(unsigned process, enum slk_vote_kind kind, uint32_t view);
bool is_durable_vote(unsigned process, enum slk_vote_kind kind, uint32_t view);
/* The views of what is final: of one height; and do all these agree up to the lowest of them? */
uint32_t final_view(unsigned process, uint64_t height);
uint32_t origin_view(unsigned process, uint64_t height);
bool one_chain(uint64_t processes);
bool times_grow(unsigned process);

/* ---- puppets ---- */
/* A block on the genesis, or on what `like` has committed, as the member would build it in this view. */
const struct blob *puppet_block(unsigned member, uint64_t height, uint32_t view);
const struct blob *another(const struct blob *blob, uint64_t later_ms);
/* `member` takes over what `like` has on its disk. */
void puppet_learns(unsigned member, unsigned like);
void puppet_votes(unsigned member, enum slk_vote_kind kind, uint64_t height, uint32_t view,
    const struct slk_hash *hash, uint64_t processes);
void puppet_proposes(unsigned member, const struct blob *blob, uint32_t view, uint32_t carried,
    const struct slk_cert *const *certs, size_t certs_n, uint64_t processes);
void puppet_sends(unsigned member, const struct slk_msg *msg, uint64_t processes);
/* All of one, signed by the members in `signers`, who are puppets. */
void puppet_cert(struct slk_cert *out, enum slk_vote_kind kind, uint64_t height, uint32_t view,
    const struct slk_hash *hash, uint64_t signers);

/* ---- the stories ---- */
struct story {
    unsigned number;
    const char *what;
    void (*tell)(void);
};
extern const struct story stories_votes[], stories_lines[], stories_disk[], stories_time[], stories_members[],
    stories_liars[];

#endif
