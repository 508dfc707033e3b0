/* fastsig.h: the rule of ledger/verify/sig.h at twice the speed, through libsodium, for the node's bulk work. */
#ifndef SLK_CORE_FASTSIG_H
#define SLK_CORE_FASTSIG_H

#include "ledger/verify/sig.h"

/* Same verdict as slk_sig_verify on every input: a differential fuzz target holds them together. */
SLK_MUST_CHECK bool slk_fastsig_verify(const uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size,
    const uint8_t key[SLK_KEY_SIZE]);

#endif
