/* proven.h: signatures of submissions that were found good, so that each is checked once and not again when its block is built, checked,
 * and executed anew.
 *
 * Whether a signature is good is a function of three things: the signed bytes, the signature and the public key. This is a bounded memory of
 * that function where it was true, known by a SHA-256 of all three: another signature under the same events, another key under the same key
 * id, another count or ledger is another question, which was never answered. So it cannot change a verdict, only what it costs to reach it, and
 * need not be emptied when the charter changes: which key an issuer has is looked up in the charter in force every time.
 *
 * Only good ones are kept: who sends false signatures displaces nothing. Whoever displaces others with good ones of his own makes
 * the others cost a check again, no more.
 */
#ifndef SLK_CORE_PROVEN_H
#define SLK_CORE_PROVEN_H

#include "ledger/verify/sig.h"

struct slk_submission;
struct slk_proven;

/* Memory for `n` (a power of two) of 32 bytes each. NULL: out of memory, and everything works without. */
struct slk_proven *slk_proven_new(size_t n);
void slk_proven_free(struct slk_proven *proven); /* NULL is fine */

/* Of this submission id (SHA-256 of the signed statement), this signature and this public key? From several threads at once, while nobody
 * adds. `proven` NULL: no. */
SLK_MUST_CHECK bool slk_proven_has(const struct slk_proven *proven, const struct slk_hash *id,
    const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t key[SLK_KEY_SIZE]);
/* The submission was just admitted: if its rule is OK, its signature is good under its issuer's key. Anything else is passed over. NULL is fine. */
void slk_proven_add(struct slk_proven *proven, const struct slk_submission *submission);

#endif
