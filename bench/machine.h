/* machine.h: what every benchmark says about the machine, its disk, and what it measured. */
#ifndef SLK_BENCH_MACHINE_H
#define SLK_BENCH_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

double bench_now(void);        /* seconds; a steady clock */
extern FILE *bench_csv;        /* NULL: rows are printed only */
extern const char *bench_name; /* the program's, for its complaints */

/* Prints what failed (and why, or the system's word for it) and ends the process with 2. */
__attribute__((noreturn)) void bench_die(const char *what, const char *why);
/* A row of the table: measured, the unit, the target (0: none), and whether it was met. */
void bench_row(const char *what, double value, const char *unit, double target, bool at_least);
void bench_machine(void);
/* Milliseconds that appending `size` bytes to a file beside `dir` takes with its fdatasync: the median of many. */
double bench_sync_ms(const char *dir, size_t size);
void bench_disk(const char *dir); /* that, as rows */

#endif
