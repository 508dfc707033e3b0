#include "bench/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "ledger/core/multihash.h"

FILE *bench_csv;
const char *bench_name = "bench";

double bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", bench_name, what, why == NULL ? strerror(errno) : why);
    exit(2);
}

void bench_row(const char *what, double value, const char *unit, double target, bool at_least)
{
    const char *met = target <= 0 ? "" : (at_least ? value >= target : value <= target) ? "met" : "MISSED";

    if (target > 0)
        printf("  %-58s %12.*f %-8s %s %.*f  %s\n", what, value < 100 ? 2 : 0, value, unit,
            at_least ? ">=" : "<=", target < 100 ? 2 : 0, target, met);
    else
        printf("  %-58s %12.*f %s\n", what, value < 100 ? 2 : 0, value, unit);
    fflush(stdout);
    if (bench_csv != NULL)
        fprintf(bench_csv, "\"%s\",%.6g,%s,%.6g,%s\n", what, value, unit, target, met);
}

static void print_cpu(void)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "model name", 10) == 0) {
            printf("  cpu         %s", strchr(line, ':') + 2);
            break;
        }
    }
    if (f != NULL)
        fclose(f);
}

void bench_machine(void)
{
    struct utsname u;

    uname(&u);
    printf("machine\n");
    print_cpu();
    printf("  cores       %ld, memory %ld MiB, kernel %s\n", sysconf(_SC_NPROCESSORS_ONLN),
        sysconf(_SC_PHYS_PAGES) / 256 * (sysconf(_SC_PAGESIZE) / 4096), u.release);
    printf("  built with  %s, sillok %s, %s, libsodium %s, %s, hashing %s\n", __VERSION__, SLK_VERSION,
        OpenSSL_version(OPENSSL_VERSION), sodium_version_string(), mdb_version(NULL, NULL, NULL),
        slk_multihash_engine());
    printf("  durability  every block: one LMDB transaction, full sync (fdatasync and an O_DSYNC meta page) "
           "before any "
           "answer\n");
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double bench_sync_ms(const char *dir, size_t size)
{
    enum { N = 61 };
    double times[N];
    uint8_t *bytes = calloc(1, size);
    char file[4200];
    int fd;

    snprintf(file, sizeof(file), "%s.probe", dir);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || bytes == NULL)
        bench_die(file, NULL);
    for (int i = 0; i < N; i++) {
        double start = bench_now();

        if (write(fd, bytes, size) != (ssize_t)size || fdatasync(fd) != 0)
            bench_die(file, NULL);
        times[i] = (bench_now() - start) * 1000;
    }
    close(fd);
    unlink(file);
    free(bytes);
    qsort(times, N, sizeof(times[0]), by_size);
    return times[N / 2];
}

void bench_disk(const char *dir)
{
    bench_row("disk: append 4 KiB + fdatasync, median", bench_sync_ms(dir, 4096), "ms", 0, false);
    bench_row("disk: append 1 MiB + fdatasync, median", bench_sync_ms(dir, 1u << 20), "ms", 0, false);
}
