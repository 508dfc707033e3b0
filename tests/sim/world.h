/* world.h: the simulated world: processes, disks, lines, one clock, one queue of events. Source: protocol §4.2.
 *
 *   main.c      command line, the tests' loop
 *   swarm.c     from a seed to a configuration
 *   world.c     queue, lines, packets, signatures
 *   faults.c    partitions, crashes, power cuts, pauses; the end of the bad times
 *   faults_disk.c  failing and full disks, backups that are restored, crash storms
 *   quiet.c     hours without work, and what follows them (I16)
 *   process.c   one node: the production core and the driver around it
 *   disk.c      its store: transactions, latency, what a crash leaves
 *   ledger.c    a stand-in ledger: blocks are lists of submission numbers
 *   liar.c      Byzantine members
 *   cosign.c    cosignatures between members
 *   oracle.c    the invariants; shares nothing with the core
 *   scenario*.c one story each, told step by step (protocol §5)
 *   behind.c    who is hundreds of heights behind, and how fast it catches up
 */
#ifndef SLK_TESTS_SIM_WORLD_H
#define SLK_TESTS_SIM_WORLD_H

#include "ledger/core/bft.h"
#include "tests/sim/oracle.h"
#include "tests/sim/random.h"

#define MEMBERS_MAX     SLK_CHARTER_VOTING_MAX
#define PROCESSES_MAX   64 /* members, and the second selves of twins */
#define SUBMISSIONS_MAX 4096
#define BODY_MAX        64 /* submissions in one block */
#define BODIES_MAX      160 /* the core's window of 64 and then some: candidate bodies a process holds in memory */
#define MS              1000ull /* the world's clock ticks in microseconds */

enum lie {
    LIE_TWIN = 1 << 0,       /* two correct processes with one key */
    LIE_EQUIVOCATE = 1 << 1, /* two proposals; contradicting votes, to random members */
    LIE_WITHHOLD = 1 << 2,   /* messages reach a random half */
    LIE_LATE = 1 << 3,       /* everything much too late */
    LIE_NO_REASON = 1 << 4,  /* proposals without their certificates */
    LIE_REPLAY = 1 << 5,     /* old messages of everybody, again */
    LIE_SILENT = 1 << 6,
    LIE_GARBAGE = 1 << 7, /* flipped bits, random bytes */
    LIE_RANDOM = 1 << 8,  /* signs anything it heard of */
    LIE_BACKUP = 1 << 9,  /* a correct process that lost what it wrote */
    LIE_CENSOR = 1 << 10, /* leaves every third submission out of its blocks */
    LIE_FORGE = 1 << 11,  /* COMMITs and certificates that nobody signed */
    LIE_HOARD = 1 << 12,  /* shows nobody a certificate or a body */
    LIE_CLAIM = 1 << 13,  /* its STATUS says that it is far ahead and holds everything */
    LIE_DRIP = 1 << 14,   /* everything just before its time is up */
    LIE_CORRECT = LIE_TWIN | LIE_BACKUP
};

struct swarm {
    uint64_t seed;
    unsigned n, liars;
    unsigned lies[MEMBERS_MAX]; /* of members 0 .. liars - 1 as picked; 0: honest */
    uint64_t delta_ms;
    unsigned loss, duplicate;     /* per mille */
    uint64_t delay_us, spread_us; /* least, and mean of what comes on top */
    uint64_t disk_us, disk_spread_us;
    uint64_t work_us; /* mean time to build or validate a block */
    unsigned crashes, cuts, partitions, pauses,
        clocks;         /* mean per 100 s, per process where that makes sense */
    uint64_t second_us; /* what the faults call a second: in brief runs they are shorter, and come faster */
    uint64_t safety_us;
    unsigned submissions; /* per 10 s */
    unsigned liveness_heights;
    unsigned epoch; /* heights between charter changes; 0: none */
    /* Mean per 100 s, per process where that makes sense. */
    unsigned errors, fulls, storms, clogs;
    uint64_t apart_us;    /* mean length of a partition */
    unsigned one_way;     /* per mille: most that one direction of a line loses besides */
    unsigned slow_disks;  /* 1 << member, of the first 32: fifty times as slow */
    unsigned late;        /* this many of the last members start later, with nothing */
    unsigned rivals;      /* per mille of submissions that exclude the one before */
    unsigned observers;   /* with no vote ever: processes after the members */
    unsigned chunk_bytes; /* of a body in one answer; 0: as in earnest, which no body here fills */
    uint64_t quiet_us;    /* after the recovery: nothing to do for so long */
    bool is_beyond;       /* more than f lie: safety may break */
    unsigned salt;        /* other chances in the same configuration: for the minimiser */
};
void swarm_of(struct swarm *out, uint64_t seed, unsigned n);
/* A small world for one or two thousand steps, with as many faults as the others have in ten times as many. */
void swarm_brief(struct swarm *out, uint64_t seed, unsigned n);
void swarm_good(struct swarm *out); /* four honest members, 10 ms lines, 2 ms disks, nothing goes wrong */
void swarm_print(const struct swarm *swarm);
/* The i-th class of faults, to be switched off with 0; NULL when there are no more. */
unsigned *swarm_knob(struct swarm *swarm, unsigned i, const char **name);
/* "name=value" as swarm_difference prints them. False: there is no such name. */
bool swarm_set(struct swarm *swarm, const char *text);
/* " --set name=value" for everything in which `to` differs. */
void swarm_difference(char *out, size_t size, const struct swarm *from, const struct swarm *to);

/* What happened, and not only might have. */
enum met {
    MET_CRASH,
    MET_CUT,
    MET_PARTITION,
    MET_PAUSE,
    MET_CLOCK,
    MET_ERROR,
    MET_FULL,
    MET_STORM,
    MET_CLOG,
    MET_LATE,
    MET_RESTORE,
    MET_LOST,
    MET_TWICE,
    MET_EQUIVOCATE,
    MET_CONTRADICT,
    MET_ANYTHING,
    MET_WITHHOLD,
    MET_DELAY,
    MET_NO_REASON,
    MET_REPLAY,
    MET_GARBAGE,
    MET_FORGE,
    MET_CLAIM,
    MET_HUSH,
    MET_N
};

/* A block, held once for everybody; never changed. */
struct blob {
    struct slk_hash hash;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    uint64_t height, time_ms;
    struct slk_hash previous;
    size_t body_n; /* bytes */
    uint8_t *body;
    void *executed; /* what the ledger keeps about it */
};

struct packet {
    unsigned refs;
    enum slk_msg_kind kind;
    size_t size;
    uint8_t bytes[];
};

enum event_kind {
    EVENT_PACKET = 1,
    EVENT_WAKE,
    EVENT_DISK,
    EVENT_VALIDATED,
    EVENT_BUILT,
    EVENT_CRASH,
    EVENT_START,
    EVENT_CUT,
    EVENT_PARTITION,
    EVENT_HEAL,
    EVENT_PAUSE,
    EVENT_RESUME,
    EVENT_CLOCK,
    EVENT_SUBMIT,
    EVENT_GOSSIP,
    EVENT_POOL,
    EVENT_LEDGER, /* the ledger's own */
    EVENT_LIE,
    EVENT_BREAK,
    EVENT_STORM,
    EVENT_STOP,
    EVENT_BACKUP,
    EVENT_CLOG
};
struct event {
    uint64_t at_us, seq;
    enum event_kind kind;
    uint16_t process; /* whom it is about */
    uint16_t from;    /* PACKET: member index of the sender */
    unsigned boot;    /* 0: any */
    union {
        struct packet *packet;
        const struct blob *blob;
        struct {
            uint64_t height;
            uint32_t view;
            bool empty;
        } build;
        uint64_t number;
    } u;
};

struct transaction {
    uint64_t seq; /* PERSIST; 0: a commit */
    size_t votes_n, certs_n, blobs_n;
    bool muted;
    struct slk_statement *votes;
    const struct slk_cert **certs;
    const struct blob **blobs;
    const struct blob *commit;
    const struct slk_cert *final;
    struct transaction *next;
};

#define DISK_RECORDS 1500
enum fate { FATE_KEPT = 1, FATE_LOST, FATE_CHANCE };
struct process;
struct world;
/* What a scenario bends, and where it looks; each may be NULL. */
struct script {
    bool (*loses)(
        struct world *w, const struct process *from, const struct process *to, const struct packet *packet);
    /* True: the process stops instead of hearing that it is durable; whether it is, `in_flight` says. */
    bool (*writes)(struct world *w, struct process *p, const struct transaction *first);
    bool (*signs)(struct world *w, struct process *p,
        const struct slk_statement *s); /* true: stops before it is sent */
    enum slk_bft_verdict (*judges)(
        const struct process *p, const struct blob *blob, enum slk_bft_verdict verdict);
    void (*sees)(struct world *w, struct process *p, const struct slk_bft_effect *effect);
    void (*hears)(struct world *w, struct process *p, const struct slk_msg *msg);
    enum fate in_flight;              /* at a crash */
    unsigned expected[PROCESSES_MAX]; /* 1 << alarm: not a violation */
    unsigned charters_n;              /* 0: as the swarm says */
    struct charter {
        uint64_t from;
        unsigned n;
        uint8_t members[MEMBERS_MAX];
    } charters[8];
};

struct disk {
    uint64_t height; /* committed; chain[0] is the genesis */
    size_t votes_n, certs_n, blobs_n;
    bool muted;
    uint64_t pool[SUBMISSIONS_MAX / 64];                                  /* admitted */
    uint64_t included[SUBMISSIONS_MAX / 64], stale[SUBMISSIONS_MAX / 64]; /* stale: its rival is included */
    /* in memory only */
    struct transaction *first, *last, *in_flight;
    bool is_busy;
    /* as far as the counts say; from here on a new disk is not cleared */
    const struct blob *chain[ORACLE_HEIGHTS];
    const struct slk_cert *final[ORACLE_HEIGHTS];
    struct slk_statement votes[DISK_RECORDS];
    const struct slk_cert *certs[DISK_RECORDS];
    const struct blob *blobs[DISK_RECORDS];
};

#define PARTS_MAX 8
struct process {
    uint16_t index, member;
    struct part { /* bodies that come in parts */
        struct slk_hash hash;
        size_t n, cap;
        uint8_t *bytes;
    } parts[PARTS_MAX];
    unsigned parts_next;
    unsigned lies;
    bool is_up, is_paused, is_frozen;
    bool is_doomed; /* stops when this event is over, and says nothing any more */
    unsigned boot;
    struct slk_bft *core;
    void *ledger; /* what its ledger has in memory */
    uint64_t wake_us, resume_us;
    uint64_t height; /* where its core is */
    int64_t skew_ms;
    size_t bodies_n, bodies_next, signs_n;
    uint64_t sent_window_us, leak_us, sent_votes_n, sent_others_n;
    bool is_halted;         /* it has said that it signs nothing more */
    bool is_disk_broken;    /* the next transaction fails */
    uint64_t full_until_us; /* all do */
    /* liars */
    struct disk *backup;
    struct packet *kept[16];
    unsigned kept_n;
    /* as far as the counts say; from here on a new process is not cleared */
    const struct blob *bodies[BODIES_MAX];
    struct slk_statement signs[SLK_BFT_EFFECTS];
    struct disk disk;
};

struct world {
    struct swarm swarm;
    struct script *script; /* NULL in a swarm */
    struct random random, net, lie, disk;
    uint64_t now_us, seq, steps, until;
    bool is_traced, is_over, is_live; /* live: the bad times are over */
    bool is_somebody_doomed;
    uint64_t trace; /* hash of everything that happened */
    struct slk_council council;
    struct slk_verifier verifier;
    void *ledger; /* what the ledger holds for everybody */
    uint64_t secrets[MEMBERS_MAX][2];
    unsigned n, q, f, processes_n;
    struct process *processes[PROCESSES_MAX];
    bool blocked[MEMBERS_MAX][MEMBERS_MAX];
    uint16_t one_way[MEMBERS_MAX][MEMBERS_MAX];       /* lost besides, per mille */
    uint64_t clogged_until[MEMBERS_MAX][MEMBERS_MAX]; /* until then all is late */
    enum { QUIET_NOT, QUIET_SETTLING, QUIET_NOW, QUIET_OVER } quiet;
    uint64_t quiet_until_us, quiet_height, quiet_words,
        words_n; /* words: all that honest ones send but STATUS */
    unsigned submissions_n;
    uint16_t rival[SUBMISSIONS_MAX]; /* 1 + the one that may not be included with it; 0: none */
    uint64_t injected_at[SUBMISSIONS_MAX];
    struct oracle *oracle;
    struct slk_bft_effects *out;
    struct slk_cert_pool *certs;
    struct oracle_image *image;
    struct event *heap;
    size_t heap_n, heap_cap;
    struct blob **blobs;
    size_t blobs_n, blobs_cap;
    const struct blob *genesis;
    struct chunk *arena;
    uint64_t live_from, live_height, live_until_us, finished_us;
    uint64_t built_us, committed_n, final_us, final_n; /* from building a block to its commit at everybody */
    uint64_t packets_n, bytes_n, evidence_n, alarms_n, refused_n, views_n, checks_n, forks_n;
    uint64_t met[MET_N];
};

/* world.c */
void world_init(struct world *w, const struct swarm *swarm);
void world_close(struct world *w);
/* A second process of `member`, before the start; its index. */
unsigned world_twin(struct world *w, unsigned member);
void world_run(struct world *w);
/* One event; false when there is none left. */
bool world_step(struct world *w);
void *world_alloc(struct world *w, size_t size); /* until the run's end */
/* A core as new, of a process that stopped perhaps; and back. */
struct slk_bft *world_core(const struct slk_bft_config *config);
void world_core_done(struct slk_bft *core);
void world_at(struct world *w, uint64_t at_us, const struct event *event);
bool world_pop(struct world *w, struct event *out);
void world_note(struct world *w, uint64_t a, uint64_t b);
void world_trace(const struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct packet *packet_new(const struct slk_msg *msg);
struct packet *packet_copy(const struct packet *packet);
void packet_drop(struct packet *packet);
/* Over the line from a member to a process: lost, late, twice, as it may be. Keeps its own reference. */
void world_post(
    struct world *w, struct process *from, struct process *to, struct packet *packet, uint64_t extra_us);
/* Who decides `height`: every `epoch` heights the members take other places, and every other time one is left out, who is
 * an observer then. Places from council.n up are observers'. */
void world_council(const struct world *w, uint64_t height, struct slk_council *out);
uint16_t world_index(const struct world *w, uint64_t height, unsigned member);
uint16_t world_member(const struct world *w, uint64_t height, unsigned index);
size_t world_size(const struct world *w, uint64_t height);
void world_sign(
    const struct world *w, unsigned member, const uint8_t *bytes, uint8_t sig[SLK_SIGNATURE_SIZE]);

/* faults.c */
void faults_plan(struct world *w);
void faults_event(struct world *w, const struct event *event);
void faults_end(struct world *w); /* heals a random quorum of honest members, freezes the rest */
bool faults_judge(struct world *w);
bool faults_late(const struct world *w, const struct process *p); /* does not start with the others */
void faults_start_later(struct world *w, const struct process *p, uint64_t in_us);
uint64_t faults_s(const struct world *w, uint64_t n); /* seconds, as the swarm's faults count them */
uint64_t faults_down(struct world *w);                /* until somebody starts a process that stopped */

/* faults_disk.c */
void faults_disk_event(struct world *w, const struct event *event);
/* Does what is in flight fail? Then the process is doomed. */
bool faults_disk_fails(struct world *w, struct process *p);

/* quiet.c */
bool quiet_judge(
    struct world *w); /* true when it was quiet for long enough, and one event after it final in time */

/* process.c */
void process_start(struct world *w, struct process *p);
void process_stop(struct world *w, struct process *p);
void process_doom(struct world *w, struct process *p);
void process_event(struct world *w, struct process *p, const struct event *event);
void process_pool(struct world *w, struct process *p);
uint64_t process_wall_ms(const struct world *w, const struct process *p);
bool process_honest(const struct process *p);
/* Is `to` meant by `peer`, an index of the height where `p` is? */
bool process_hears(const struct world *w, const struct process *p, const struct process *to, uint16_t peer);

/* disk.c */
void disk_init(struct disk *d, const struct blob *genesis);
void disk_persist(struct world *w, struct process *p, const struct slk_bft_effects *out,
    const struct slk_bft_effect *effect);
void disk_commit(struct world *w, struct process *p, const struct blob *blob, const struct slk_cert *final);
void disk_done(struct world *w, struct process *p);
void disk_crash(struct world *w, struct process *p);
void disk_image(const struct process *p, struct oracle_image *out);
struct slk_cert *disk_cert(struct world *w, const struct slk_cert *cert);

/* ledger.c */
const struct blob *ledger_genesis(struct world *w);
const struct blob *ledger_build(
    struct world *w, const struct process *p, uint64_t height, uint32_t view, bool empty);
const struct blob *ledger_variant(struct world *w, const struct blob *blob, uint32_t view, uint16_t proposer);
const struct blob *ledger_take(
    struct world *w, const uint8_t *header, const struct slk_hash *hash, struct slk_span body);
enum slk_bft_verdict ledger_check(const struct world *w, const struct process *p, const struct blob *blob);
/* The log root after a block with this body on `tip`. */
void ledger_root(struct slk_hash *out, const struct blob *tip, const uint8_t *body, size_t body_n);
void ledger_apply(const struct world *w, struct disk *d, const struct blob *blob);
void ledger_tip(const struct world *w, const struct process *p, struct slk_bft_tip *out);
uint64_t ledger_pool(const struct world *w, const struct process *p, uint64_t *fingerprint, bool *is_urgent);
/* A client brings submission `id`, the next number, to a process. */
void ledger_submit(struct world *w, struct process *p, unsigned id);
/* A process hears what waits at another one. True: its own pool has grown. */
bool ledger_hear(struct world *w, struct process *p, const struct process *from);
/* Memory: filled from the disk, after a commit, lost in a crash. */
void ledger_open(struct world *w, struct process *p);
void ledger_committed(struct world *w, struct process *p, const struct blob *blob);
void ledger_close(struct world *w, struct process *p);
void ledger_event(struct world *w, struct process *p, const struct event *event);
/* Signatures of its own kind: false when it leaves them to the world. */
bool ledger_sign(
    const struct world *w, unsigned member, const uint8_t *bytes, uint8_t sig[SLK_SIGNATURE_SIZE]);
/* Who decides `height`, and under which keys, when the ledger has charters of its own: NULL: the world's. `out` may be NULL. */
const struct charter *ledger_charter(const struct world *w, uint64_t height, struct slk_council *out);

/* cosign.c */
void cosign_begin(const struct world *w);
/* `height` is durable at `p`: it cosigns its checkpoint, for everybody. */
void cosign(struct world *w, struct process *p, uint64_t height);

/* liar.c */
bool liar_hears(struct world *w, struct process *p, const struct event *event, const struct slk_msg *msg);
void liar_sends(struct world *w, struct process *p, const struct slk_bft_effect *effect, struct slk_msg *msg);
void liar_event(struct world *w, struct process *p, const struct event *event);

#endif
