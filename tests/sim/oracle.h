/* oracle.h: what must hold, judged from signed bytes and durable images alone. Shares nothing with the core: it reads
 * the 132 signed bytes and block headers, counts and compares by itself. Invariants I1 to I5, I7, I9, I10, I12, I14, I17 of
 * protocol §4.3; I8, I11, I13, I15 and I16 are judged where the world shows them (faults.c, world.c, process.c).
 */
#ifndef SLK_TESTS_SIM_ORACLE_H
#define SLK_TESTS_SIM_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORACLE_MEMBERS   50
#define ORACLE_PROCESSES 64
#define ORACLE_HEIGHTS   8192
#define ORACLE_IMAGE     1600

/* What a disk would give back after a power cut now, in the oracle's own terms. */
struct oracle_image {
    uint64_t height; /* committed */
    size_t votes_n, certs_n, blocks_n;
    struct oracle_fact {
        uint8_t kind; /* as signed: 1 PROPOSE 2 NOTARIZE 3 NULLIFY 4 FINALIZE */
        uint64_t height;
        uint32_t view;
        const uint8_t *hash; /* 32 bytes */
        uint64_t signers;    /* of a certificate */
    } votes[ORACLE_IMAGE], certs[ORACLE_IMAGE];
    const uint8_t *blocks[ORACLE_IMAGE];
};

struct oracle;
struct oracle *oracle_new(void);
void oracle_free(struct oracle *o);
void oracle_reset(struct oracle *o, unsigned members, unsigned epoch);
/* From height `from` on these decide, in this order, whatever the epochs say. In the order of `from`, from 0. */
void oracle_charter(struct oracle *o, uint64_t from, unsigned n, const uint8_t *members);
/* More than f members lie in this run: I1 and I4 may break. What must hold then: oracle_forked, oracle_shown. */
void oracle_beyond(struct oracle *o);
bool oracle_forked(const struct oracle *o);
/* NULL, or one sentence about the first violation; the call where it happened returned false. */
const char *oracle_verdict(const struct oracle *o);
bool oracle_fail(struct oracle *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A signature was made. `image`: of the honest signer's disk at that moment; NULL for liars. */
bool oracle_signed(
    struct oracle *o, unsigned member, const uint8_t bytes[132], const struct oracle_image *image);
/* A block became durable at an honest process. */
struct oracle_block {
    const uint8_t *hash, *header; /* 32 and 266 bytes */
    const uint8_t *numbers; /* what is in it, four bytes each, ascending; NULL: not for the oracle to read */
    size_t numbers_n;
};
bool oracle_committed(struct oracle *o, unsigned process, uint64_t height, const struct oracle_block *block);
/* An honest process cosigned `height`: this block of it. */
bool oracle_cosigned(struct oracle *o, unsigned process, uint64_t height, const uint8_t hash[32]);
/* What its cosigning key signs, C2SP cosignature/v1, while its disk holds `durable`: I7, for each alone and for all. */
bool oracle_cosignature(
    struct oracle *o, unsigned process, const uint8_t *bytes, size_t size, uint64_t durable);
/* Somebody honest holds good cosignatures of a quorum for this log. */
bool oracle_quorum(struct oracle *o, unsigned process, uint64_t log_size, const uint8_t root[32]);
/* I14: what an honest process holds at `height`, in one number. */
bool oracle_content(struct oracle *o, unsigned process, uint64_t height, uint64_t digest);
/* An honest process told a client that `height` is final, while its disk held `durable`. */
bool oracle_acknowledged(struct oracle *o, unsigned process, uint64_t height, uint64_t durable);
/* Where an honest process is; `boot` counts its starts. */
bool oracle_at(struct oracle *o, unsigned process, unsigned boot, uint64_t height, uint32_t view);
uint64_t oracle_decided(const struct oracle *o);

#endif
