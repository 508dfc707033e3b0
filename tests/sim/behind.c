/* behind.c: TAP: who is hundreds of heights behind catches up, how fast, with how many messages. Protocol §2.11.
 *
 * Good lines (10 ms) and disks (2 ms), so that the figures say what catching up itself costs.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

enum { HEIGHTS = 400, LIMIT_S = 120 };

static struct world world;
static unsigned tests_n, failed_n;

static void begin(unsigned n, unsigned observers, unsigned epoch, unsigned chunk_bytes)
{
    struct swarm swarm;

    swarm_good(&swarm);
    swarm.n = n;
    swarm.observers = observers;
    swarm.epoch = epoch;
    swarm.chunk_bytes = chunk_bytes;
    swarm.safety_us = UINT64_MAX / 2;
    world_init(&world, &swarm);
    for (unsigned i = 0; i < world.processes_n; i++)
        process_start(&world, world.processes[i]);
    faults_plan(&world);
}

static uint64_t height_of(unsigned process)
{
    return world.processes[process]->disk.height;
}

/* Until the process is there, or the time is over. */
static bool run_until(unsigned process, uint64_t height)
{
    uint64_t end_us = world.now_us + (uint64_t)LIMIT_S * 1000 * MS;

    while (height_of(process) < height && world.now_us < end_us && oracle_verdict(world.oracle) == NULL &&
           world_step(&world))
        ;
    return height_of(process) >= height;
}

static void end(const char *what, bool is_good)
{
    const char *verdict = oracle_verdict(world.oracle);

    tests_n++;
    if (!is_good || verdict != NULL) {
        failed_n++;
        printf("# height %llu; %s\n", (unsigned long long)oracle_decided(world.oracle),
            verdict != NULL ? verdict : "not there in time");
    }
    printf("%s %u - %s\n", is_good && verdict == NULL ? "ok" : "not ok", tests_n, what);
    world_close(&world);
}

/* No new work from here on: what is sent now is sent for those behind. */
static bool catch_up(unsigned process, uint64_t *heights, uint64_t *us, uint64_t *packets)
{
    uint64_t from = height_of(process), to = oracle_decided(world.oracle);

    world.swarm.submissions = 0;
    *packets = world.packets_n;
    *us = world.now_us;
    process_start(&world, world.processes[process]);
    if (!run_until(process, to))
        return false;
    *heights = to - from;
    *us = world.now_us - *us;
    *packets = world.packets_n - *packets;
    return true;
}

static void one_behind(const char *what, unsigned process, unsigned observers, unsigned epoch,
    unsigned chunk_bytes, bool is_empty, unsigned least_rate)
{
    uint64_t heights = 0, us = 1, packets = 0, rate;
    bool good;

    begin(epoch > 0 ? 5 : 4, observers, epoch, chunk_bytes);
    good = is_empty || run_until(process, 5);
    process_stop(&world, world.processes[process]);
    good = good && run_until(0, HEIGHTS) && catch_up(process, &heights, &us, &packets);
    rate = heights * 1000 * MS / us;
    printf("# %llu heights in %.2f s: %llu a second; %.2f messages a height\n", (unsigned long long)heights,
        (double)us / 1e6, (unsigned long long)rate, (double)packets / (double)(heights + (heights == 0)));
    end(what, good && rate >= least_rate && packets < (chunk_bytes > 0 ? 8 : 4) * heights + 200);
}

/* Three of four decide; one of them leaves, and the fourth comes with nothing: the chain goes on when it is there. */
static void its_vote_is_needed(void)
{
    uint64_t height;
    bool good;

    begin(4, 0, 0, 0);
    process_stop(&world, world.processes[3]);
    good = run_until(0, HEIGHTS);
    process_stop(&world, world.processes[2]);
    height = oracle_decided(world.oracle);
    process_start(&world, world.processes[3]);
    good = good && run_until(3, height + 20);
    end("a node that reaches the tip of a network that needs its vote gives it", good);
}

/* Work goes on while it catches up. */
static void the_chain_goes_on(void)
{
    bool good;

    begin(4, 1, 0, 0);
    process_stop(&world, world.processes[3]);
    process_stop(&world, world.processes[4]);
    good = run_until(0, HEIGHTS);
    process_start(&world, world.processes[3]);
    process_start(&world, world.processes[4]);
    good = good && run_until(0, HEIGHTS + 100) && run_until(3, HEIGHTS + 100) && run_until(4, HEIGHTS + 100);
    end("a member and an observer catch up with a chain that goes on", good);
}

int main(void)
{
    printf("1..6\n");
    one_behind("a member that was down for 400 heights", 3, 0, 0, 0, false, 60);
    one_behind("a member with an empty disk, bodies in parts of 16 bytes", 3, 0, 0, 16, true, 40);
    one_behind("a member with an empty disk, charters change every 40 heights", 4, 0, 40, 0, true, 40);
    one_behind("an observer with an empty disk", 4, 1, 0, 0, true, 60);
    its_vote_is_needed();
    the_chain_goes_on();
    return failed_n > 0;
}
