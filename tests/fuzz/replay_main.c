/* replay_main.c: runs a fuzz target without libFuzzer: every seed of a corpus folder, and mutations of each.
 *
 *   fuzz_entry CORPUS_DIR [MUTATIONS_PER_SEED]
 *
 * The mutations come from a fixed seed, so a failure repeats. The input at fault is printed in hex by the signal
 * handler. Output is TAP, one line per seed.
 */
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX         ((size_t)1 << 20)
#define GROWTH_MAX        64 /* bytes a mutation may add */
#define SEEDS_MAX         256
#define MUTATIONS_DEFAULT 2000
#define STACKED_MAX       4 /* edits on top of each other */
#define HEX_SHOWN_MAX     65536

static uint8_t current[INPUT_MAX + GROWTH_MAX * STACKED_MAX];
static size_t current_size;

static void show_and_die(int signal_number)
{
    static const char digits[] = "0123456789abcdef";
    static const char intro[] = "# the input in hex: ";
    size_t shown = current_size < HEX_SHOWN_MAX ? current_size : HEX_SHOWN_MAX;

    if (write(STDERR_FILENO, intro, sizeof(intro) - 1) < 0)
        _exit(2);
    for (size_t i = 0; i < shown; i++) {
        char two[2] = {digits[current[i] >> 4], digits[current[i] & 15]};

        if (write(STDERR_FILENO, two, 2) < 0)
            _exit(2);
    }
    if (write(STDERR_FILENO, "\n", 1) < 0)
        _exit(2);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(next_random(state) % n);
}

/* Numbers that lengths and counts go wrong at. */
static uint8_t odd_byte(uint64_t *state)
{
    static const uint8_t odd[] = {
        0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x20, 0x2f, 0x30, 0x39, 0x3d, 0x08, 0x20, 0x40, 0x90};

    return odd[below(state, sizeof(odd))];
}

static size_t insert_bytes(uint64_t *state, uint8_t *at, size_t size)
{
    size_t n = 1 + below(state, GROWTH_MAX);
    size_t where = below(state, size + 1);
    size_t from = size == 0 ? 0 : below(state, size);
    uint8_t piece[GROWTH_MAX];

    for (size_t i = 0; i < n; i++) /* half the time a piece of itself: fields twice, lines twice */
        piece[i] = (n & 1) != 0 && from + i < size ? at[from + i] : (uint8_t)next_random(state);
    memmove(at + where + n, at + where, size - where);
    memcpy(at + where, piece, n);
    return size + n;
}

static size_t remove_bytes(uint64_t *state, uint8_t *at, size_t size)
{
    size_t where = below(state, size);
    size_t n = 1 + below(state, size - where < GROWTH_MAX ? size - where : GROWTH_MAX);

    memmove(at + where, at + where + n, size - where - n);
    return size - n;
}

static size_t mutate_once(uint64_t *state, uint8_t *at, size_t size)
{
    size_t where;

    if (size == 0)
        return insert_bytes(state, at, size);
    switch (below(state, 8)) {
    case 0:
    case 1:
        at[below(state, size)] ^= (uint8_t)(1u << below(state, 8));
        return size;
    case 2:
        at[below(state, size)] = (uint8_t)next_random(state);
        return size;
    case 3:
        at[below(state, size)] = odd_byte(state);
        return size;
    case 4:
        where = below(state, size);
        at[where] = (uint8_t)(at[where] + (below(state, 2) == 0 ? 1 : -1));
        return size;
    case 5:
        return insert_bytes(state, at, size);
    case 6:
        return remove_bytes(state, at, size);
    default:
        return below(state, size); /* cut off */
    }
}

static void run_mutations(const uint8_t *seed, size_t seed_size, size_t mutations)
{
    uint64_t state = UINT64_C(0x5111046) + seed_size;

    for (size_t i = 0; i < mutations; i++) {
        size_t edits = 1 + below(&state, STACKED_MAX);

        memcpy(current, seed, seed_size);
        current_size = seed_size;
        for (size_t k = 0; k < edits; k++)
            current_size = mutate_once(&state, current, current_size);
        LLVMFuzzerTestOneInput(current, current_size);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list_seeds(char *names[SEEDS_MAX], const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    if (d == NULL) {
        perror(dir);
        exit(2);
    }
    for (struct dirent *e = readdir(d); e != NULL && n < SEEDS_MAX; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        names[n] = strdup(e->d_name);
        if (names[n++] == NULL)
            abort();
    }
    closedir(d);
    qsort(names, n, sizeof(*names), by_name); /* a fixed order: failures repeat */
    return n;
}

static size_t read_seed(uint8_t *out, const char *dir, const char *name)
{
    char path[4096];
    size_t size;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    size = fread(out, 1, INPUT_MAX, f);
    fclose(f);
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t seed[INPUT_MAX];
    char *names[SEEDS_MAX];
    size_t mutations = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : MUTATIONS_DEFAULT;
    size_t n;

    if (argc < 2) {
        fprintf(stderr, "usage: %s CORPUS_DIR [MUTATIONS_PER_SEED]\n", argv[0]);
        return 2;
    }
    signal(SIGABRT, show_and_die);
#ifndef __SANITIZE_ADDRESS__
    signal(SIGSEGV, show_and_die);
#endif
    n = list_seeds(names, argv[1]);
    if (n == 0) {
        printf("1..1\nnot ok 1 - no seed in %s\n", argv[1]);
        return 1;
    }
    printf("1..%zu\n", n + 1);
    current_size = 0;
    LLVMFuzzerTestOneInput(current, 0);
    printf("ok 1 - the empty input\n");
    for (size_t i = 0; i < n; i++) {
        size_t size = read_seed(seed, argv[1], names[i]);

        memcpy(current, seed, size);
        current_size = size;
        LLVMFuzzerTestOneInput(seed, size);
        run_mutations(seed, size, mutations);
        printf("ok %zu - %s and %zu mutations\n", i + 2, names[i], mutations);
        fflush(stdout);
        free(names[i]);
    }
    return 0;
}
