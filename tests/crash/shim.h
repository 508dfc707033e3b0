/* shim.h: the shim (shim.c) linked into a program that has many disks at once, each of them a directory. Preloaded, it has
 * one, which the environment names.
 *
 * Calls are counted for each disk, writes and barriers alike, by who makes them: the same program makes the same ones. */
#ifndef SLK_TESTS_SHIM_H
#define SLK_TESTS_SHIM_H

#include <stdbool.h>
#include <stdint.h>

/* This directory is a disk from now on; what is in it is certain. Absolute, without a slash at its end. */
void shim_add(const char *dir);
void shim_remove(const char *dir);
/* The k-th call from now on is the last one that reaches it: that call and all later ones fail. 0: none does. */
void shim_cut(const char *dir, uint64_t k);
/* Barriers do nothing from now on: the control that shows that all this bites. */
void shim_ignore_barriers(const char *dir);
uint64_t shim_calls(const char *dir);
/* Nobody has files open any more: what no barrier made certain may be gone, as `seed` has it. What is there then is certain,
 * and the disk works again. */
void shim_lose(const char *dir, uint64_t seed);

#endif
