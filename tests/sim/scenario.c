/* scenario.c: the stage on which the scenarios of protocol §5 are told, and their list.
 *
 *   scenarios [NUMBER] [--trace]     TAP: all of them, or one
 *
 * SLK_SCENARIO_S: simulated seconds of each world of scenario 49 (30).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/scenario.h"

struct scene scene;
static bool is_open, is_traced;
static unsigned failures;

bool expect(bool is_so, const char *format, ...)
{
    va_list args;

    if (is_so)
        return true;
    failures++;
    printf("# not so at %.3f ms: ", (double)scene.w.now_us / (double)MS);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    return false;
}

/* ---- what the world asks ---- */

static bool loses(
    struct world *w, const struct process *from, const struct process *to, const struct packet *packet)
{
    static struct slk_msg msg;
    static struct slk_cert_pool pool;

    scene.votes_sent += packet->kind == SLK_MSG_VOTE;
    scene.others_sent += packet->kind != SLK_MSG_VOTE;
    (void)w;
    if ((scene.cut[from->index] >> to->index & 1) != 0)
        return true;
    if (scene.loses == NULL ||
        slk_msg_parse(&msg, &pool, packet->kind, slk_span_of(packet->bytes, packet->size)) != SLK_OK)
        return false;
    return scene.loses(from->index, to->index, &msg);
}

static bool signs(struct world *w, struct process *p, const struct slk_statement *s)
{
    (void)w;
    if (scene.said_n == sizeof(scene.said) / sizeof(scene.said[0]))
        abort();
    scene.said[scene.said_n++] = (struct said){.process = p->index, .s = *s};
    return scene.signs != NULL && scene.signs(p->index, s);
}

static void sees(struct world *w, struct process *p, const struct slk_bft_effect *e)
{
    (void)w;
    if (e->kind == SLK_OUT_VALIDATE)
        scene.validated[p->index]++;
    if (e->kind == SLK_OUT_ALARM)
        scene.alarms[p->index] |= 1u << e->alarm;
    if (e->kind == SLK_OUT_COSIGN)
        scene.cosigned[p->index] = e->seq;
    if (e->kind == SLK_OUT_EVIDENCE && scene.accusations_n < 256)
        scene.accusations[scene.accusations_n++] = (struct accusation){.process = p->index,
            .member = world_member(w, p->height, e->peer),
            .votes = {e->msg->vote, e->msg->other}};
    if (scene.sees != NULL)
        scene.sees(p->index, e);
}

/* ---- a scene ---- */

void scene_end(void)
{
    const char *verdict;

    if (!is_open)
        return;
    is_open = false;
    verdict = oracle_verdict(scene.w.oracle);
    if (scene.verdict == NULL)
        expect(verdict == NULL, "%s", verdict == NULL ? "" : verdict);
    else
        expect(verdict != NULL && strncmp(verdict, scene.verdict, strlen(scene.verdict)) == 0,
            "\"%s...\" is found, not %s", scene.verdict, verdict == NULL ? "nothing" : verdict);
    world_close(&scene.w);
}

void scene_new(unsigned n)
{
    scene_new_by_chance(n, 0);
}

void scene_new_by_chance(unsigned n, uint64_t seed)
{
    struct swarm swarm;
    struct world kept;

    scene_end();
    kept = scene.w; /* its oracle and its buffers */
    memset(&scene, 0, sizeof(scene));
    scene.w = kept;
    memset(&swarm, 0, sizeof(swarm));
    swarm.n = n;
    swarm.seed = seed;
    swarm.delta_ms = 100;
    swarm.delay_us = 10 * MS;
    swarm.disk_us = 2 * MS;
    swarm.safety_us = UINT64_MAX;
    world_init(&scene.w, &swarm);
    is_open = true;
    scene.w.is_traced = is_traced;
    scene.script = (struct script){.loses = loses, .signs = signs, .sees = sees, .in_flight = FATE_LOST};
    scene.w.script = &scene.script;
}

void scene_puppet(unsigned member)
{
    process(member)->lies = LIE_SILENT;
    scene.w.swarm.lies[member] = LIE_SILENT;
    scene.w.swarm.liars++;
}

void scene_charter(uint64_t from, uint64_t members)
{
    struct charter *charter = &scene.script.charters[scene.script.charters_n++];

    *charter = (struct charter){.from = from};
    for (unsigned i = 0; i < scene.w.n; i++)
        if ((members >> i & 1) != 0)
            charter->members[charter->n++] = (uint8_t)i;
    oracle_charter(scene.w.oracle, from, charter->n, charter->members);
}

void scene_start(void)
{
    for (unsigned i = 0; i < scene.w.processes_n; i++)
        start(i);
}

static bool is_silent(unsigned i)
{
    return (process(i)->lies & LIE_SILENT) != 0;
}

static bool pass(uint64_t until_us, bool (*is_so)(void))
{
    while (is_so == NULL || !is_so()) {
        if (scene.w.heap_n == 0 || scene.w.heap[0].at_us > until_us ||
            oracle_verdict(scene.w.oracle) != NULL) {
            if (scene.w.now_us < until_us)
                scene.w.now_us = until_us;
            return false;
        }
        (void)world_step(&scene.w);
    }
    return true;
}

void pass_ms(uint64_t ms)
{
    (void)pass(scene.w.now_us + ms * MS, NULL);
}

bool pass_until(bool (*is_so)(void), uint64_t ms)
{
    return pass(scene.w.now_us + ms * MS, is_so);
}

bool all_at(uint64_t processes, uint64_t height)
{
    for (unsigned i = 0; i < scene.w.processes_n; i++)
        if ((processes >> i & 1) != 0 && !is_silent(i) && process(i)->disk.height < height)
            return false;
    return true;
}

static uint64_t wanted, wanted_height;

static bool are_there(void)
{
    return all_at(wanted, wanted_height);
}

bool pass_until_all_at(uint64_t processes, uint64_t height, uint64_t ms)
{
    wanted = processes;
    wanted_height = height;
    return pass_until(are_there, ms);
}

struct process *process(unsigned i)
{
    if (i >= scene.w.processes_n)
        abort();
    return scene.w.processes[i];
}

void stop(unsigned i)
{
    process_stop(&scene.w, process(i));
}

void start(unsigned i)
{
    if (!is_silent(i))
        process_start(&scene.w, process(i));
}

void cut_off(unsigned i)
{
    scene.cut[i] = EVERYBODY;
    for (unsigned k = 0; k < scene.w.processes_n; k++)
        scene.cut[k] |= ONLY(i);
}

void heal(void)
{
    memset(scene.cut, 0, sizeof(scene.cut));
}

unsigned submit(uint64_t processes)
{
    unsigned id = scene.w.submissions_n++;

    if (id >= SUBMISSIONS_MAX)
        abort();
    scene.w.injected_at[id] = scene.w.now_us;
    for (unsigned i = 0; i < scene.w.processes_n; i++)
        if ((processes >> i & 1) != 0)
            process(i)->disk.pool[id / 64] |= 1ull << (id % 64);
    for (unsigned i = 0; i < scene.w.processes_n; i++)
        if ((processes >> i & 1) != 0)
            process_pool(&scene.w, process(i));
    return id;
}

/* ---- what happened ---- */

unsigned times_said(
    unsigned who, enum slk_vote_kind kind, uint64_t height, uint32_t view, const struct slk_hash *hash)
{
    unsigned n = 0;

    for (size_t i = 0; i < scene.said_n; i++) {
        const struct said *said = &scene.said[i];

        n += (who == ANY || said->process == who) && said->s.kind == kind && said->s.height == height &&
             said->s.view == view && (hash == NULL || slk_hash_equal(&said->s.hash, hash));
    }
    return n;
}

unsigned times_accused(unsigned who, unsigned member)
{
    unsigned n = 0;

    for (size_t i = 0; i < scene.accusations_n; i++)
        n += (who == ANY || scene.accusations[i].process == who) && scene.accusations[i].member == member;
    return n;
}

bool has_alarm(unsigned i, enum slk_bft_alarm alarm)
{
    return (scene.alarms[i] >> alarm & 1) != 0;
}

void look_at(unsigned i, struct slk_bft_view_of *out)
{
    memset(out, 0, sizeof(*out));
    if (process(i)->core != NULL)
        slk_bft_look(process(i)->core, out);
}

uint32_t view_of(unsigned i)
{
    struct slk_bft_view_of look;

    look_at(i, &look);
    return look.view;
}

bool is_durable_cert(unsigned i, enum slk_vote_kind kind, uint32_t view)
{
    const struct disk *d = &process(i)->disk;

    for (size_t k = 0; k < d->certs_n; k++)
        if (d->certs[k]->kind == kind && d->certs[k]->view == view)
            return true;
    return false;
}

bool is_durable_vote(unsigned i, enum slk_vote_kind kind, uint32_t view)
{
    const struct disk *d = &process(i)->disk;

    for (size_t k = 0; k < d->votes_n; k++)
        if (d->votes[k].kind == kind && d->votes[k].view == view)
            return true;
    return false;
}

uint32_t final_view(unsigned i, uint64_t height)
{
    return height <= process(i)->disk.height ? process(i)->disk.final[height]->view : 0;
}

uint32_t origin_view(unsigned i, uint64_t height)
{
    struct slk_block_header h;

    if (height > process(i)->disk.height ||
        slk_block_header_parse(&h, process(i)->disk.chain[height]->header) != SLK_OK)
        return 0;
    return h.origin_view;
}

bool one_chain(uint64_t processes)
{
    const struct blob *chain[ORACLE_HEIGHTS] = {NULL};

    for (unsigned i = 0; i < scene.w.processes_n; i++)
        for (uint64_t h = 0; (processes >> i & 1) != 0 && h <= process(i)->disk.height; h++) {
            if (chain[h] != NULL && !slk_hash_equal(&chain[h]->hash, &process(i)->disk.chain[h]->hash))
                return false;
            chain[h] = process(i)->disk.chain[h];
        }
    return true;
}

bool times_grow(unsigned i)
{
    const struct disk *d = &process(i)->disk;

    for (uint64_t h = 1; h <= d->height; h++)
        if (d->chain[h]->time_ms <= d->chain[h - 1]->time_ms)
            return false;
    return true;
}

/* ---- puppets ---- */

const struct blob *puppet_block(unsigned member, uint64_t height, uint32_t view)
{
    const struct blob *blob = ledger_build(&scene.w, process(member), height, view, true);

    if (blob == NULL)
        abort();
    return blob;
}

const struct blob *another(const struct blob *blob, uint64_t later_ms)
{
    struct slk_block_header h;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    const struct blob *other;

    if (slk_block_header_parse(&h, blob->header) != SLK_OK)
        abort();
    h.time_ms += later_ms;
    slk_block_header_format(header, &h);
    slk_block_hash(&hash, header);
    other = ledger_take(&scene.w, header, &hash, slk_span_of(blob->body, blob->body_n));
    if (other == NULL)
        abort();
    return other;
}

void puppet_learns(unsigned member, unsigned like)
{
    struct disk *d = &process(member)->disk;

    *d = process(like)->disk;
    d->first = d->last = d->in_flight = NULL;
    d->is_busy = false;
    d->votes_n = d->certs_n = d->blobs_n = 0;
}

void puppet_sends(unsigned member, const struct slk_msg *msg, uint64_t processes)
{
    struct packet *packet = packet_new(msg);

    for (unsigned i = 0; i < scene.w.processes_n; i++)
        if ((processes >> i & 1) != 0 && !is_silent(i))
            world_post(&scene.w, process(member), process(i), packet, 0);
    packet_drop(packet);
}

static void puppet_signs(struct slk_vote *vote, unsigned member)
{
    static struct slk_council council;
    uint8_t bytes[SLK_VOTE_BYTES];

    vote->signer = world_index(&scene.w, vote->statement.height, member);
    world_council(&scene.w, vote->statement.height, &council);
    slk_statement_bytes(bytes, &council, &vote->statement);
    (void)oracle_signed(scene.w.oracle, member, bytes, NULL);
    world_sign(&scene.w, member, bytes, vote->sig);
}

void puppet_votes(unsigned member, enum slk_vote_kind kind, uint64_t height, uint32_t view,
    const struct slk_hash *hash, uint64_t processes)
{
    static struct slk_msg msg;

    memset(&msg, 0, sizeof(msg));
    msg.kind = SLK_MSG_VOTE;
    msg.vote.statement = (struct slk_statement){.kind = kind, .height = height, .view = view};
    if (kind != SLK_VOTE_NULLIFY)
        msg.vote.statement.hash = *hash;
    puppet_signs(&msg.vote, member);
    puppet_sends(member, &msg, processes);
}

void puppet_proposes(unsigned member, const struct blob *blob, uint32_t view, uint32_t carried,
    const struct slk_cert *const *certs, size_t certs_n, uint64_t processes)
{
    static struct slk_msg msg;

    memset(&msg, 0, sizeof(msg));
    msg.kind = SLK_MSG_PROPOSAL;
    msg.vote.statement = (struct slk_statement){
        .kind = SLK_VOTE_PROPOSE, .height = blob->height, .view = view, .aux = carried, .hash = blob->hash};
    puppet_signs(&msg.vote, member);
    msg.header = slk_span_of(blob->header, sizeof(blob->header));
    msg.hash = blob->hash;
    if (carried == 0)
        msg.body = slk_span_of(blob->body, blob->body_n);
    for (size_t i = 0; i < certs_n; i++)
        msg.certs[msg.certs_n++] = certs[i];
    puppet_sends(member, &msg, processes);
}

void puppet_cert(struct slk_cert *out, enum slk_vote_kind kind, uint64_t height, uint32_t view,
    const struct slk_hash *hash, uint64_t signers)
{
    size_t n = 0;

    memset(out, 0, sizeof(*out));
    out->kind = kind;
    out->height = height;
    out->view = view;
    out->bitmap_bytes = (uint8_t)((world_size(&scene.w, height) + 7) / 8);
    if (hash != NULL)
        out->hash = *hash;
    for (unsigned i = 0; i < world_size(&scene.w, height); i++) {
        unsigned member = world_member(&scene.w, height, i);
        struct slk_vote vote = {
            .statement = {.kind = kind, .height = height, .view = view, .hash = out->hash}};

        if ((signers >> member & 1) == 0)
            continue;
        puppet_signs(&vote, member);
        out->signers |= 1ull << i;
        memcpy(out->sigs[n++], vote.sig, SLK_SIGNATURE_SIZE);
    }
}

/* ---- the list ---- */

static const struct story *const all[] = {
    stories_votes, stories_lines, stories_disk, stories_time, stories_members, stories_liars};
enum { LISTS = sizeof(all) / sizeof(all[0]), NUMBER_MAX = 58 };

static const struct story *story_of(unsigned number)
{
    for (size_t i = 0; i < LISTS; i++)
        for (const struct story *s = all[i]; s->number != 0; s++)
            if (s->number == number)
                return s;
    return NULL;
}

static bool tell(const struct story *story, unsigned at)
{
    bool is_good;

    failures = 0;
    story->tell();
    scene_end();
    is_good = failures == 0;
    printf("%s %u - scenario %02u: %s\n", is_good ? "ok" : "not ok", at, story->number, story->what);
    fflush(stdout);
    return is_good;
}

static int usage(FILE *to, int status)
{
    fprintf(to,
        "usage: scenarios [NUMBER] [--trace]\n"
        "Tells the scenarios of protocol 5, or one of them, and says as TAP whether all came as it must.\n"
        "--trace: every step. SLK_SCENARIO_S=N: simulated seconds of each world of scenario 49.\n");
    return status;
}

static bool number_of(const char *text, unsigned *out)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    *out = (unsigned)n;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n > 0 && n <= NUMBER_MAX;
}

int main(int argc, char **argv)
{
    unsigned only = 0, n = 0, at = 0, bad = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--trace") == 0) {
            is_traced = true;
        } else if (!number_of(argv[i], &only)) {
            fprintf(stderr, "scenarios: %s is no scenario\n", argv[i]);
            return usage(stderr, 2);
        }
    }
    if (only != 0 && story_of(only) == NULL) {
        fprintf(stderr, "scenarios: number %u is not told here; tests/sim/scenarios_counted.py says where\n",
            only);
        return 2;
    }
    for (unsigned number = 1; number <= NUMBER_MAX; number++)
        n += story_of(number) != NULL && (only == 0 || only == number);
    printf("1..%u\n", n);
    for (unsigned number = 1; number <= NUMBER_MAX; number++)
        if (story_of(number) != NULL && (only == 0 || only == number))
            bad += !tell(story_of(number), ++at);
    return bad > 0;
}
