/* signer.h: signatures by keys that take their time: a thread of its own asks the token, and the node goes on meanwhile.
 *
 *   the node SAVEs -> ask -> [thread: sign, verify] -> take -> the node SENDs
 *
 * A job that fails stays, first in its line, and is tried again after a quarter of a second, then after twice as long, up to two
 * seconds: a token that comes back is noticed by itself. Votes go before checkpoints, then what is said of status lists, then receipts. Receipts are not worth
 * waiting for: they come back unsigned when the token fails, and are not taken while it is away.
 */
#ifndef SLK_NET_SIGNER_H
#define SLK_NET_SIGNER_H

#include "ledger/embed/keys.h"
#include "ledger/store/histogram.h"
#include "ledger/verify/list_note.h"

#define SLK_SIGN_BYTES    (SLK_LISTS_TEXT_MAX + 64) /* the longest statement: a cosignature's, of status lists */
#define SLK_SIGN_RECEIPTS 256 /* that wait at a time: half a second of a token that takes 2 ms */

enum slk_sign_kind { SLK_SIGN_VOTE, SLK_SIGN_TIP, SLK_SIGN_LISTS, SLK_SIGN_RECEIPT, SLK_SIGN_KINDS };

struct slk_sign_part {
    struct slk_key *key; /* kept (slk_key_keep), and freed with the job */
    size_t size;
    uint8_t bytes[SLK_SIGN_BYTES];
    uint8_t sig[SLK_SIGNATURE_SIZE];
    bool is_signed;
};

/* malloc'ed, at the front of whatever its maker needs to know again; one free() frees it all. */
struct slk_sign_job {
    struct slk_sign_job *next; /* the signer's */
    enum slk_sign_kind kind;
    uint64_t height; /* of a vote or tip: below slk_signer_forget's it is given up */
    size_t parts_n;
    struct slk_sign_part part[2];
    enum slk_err err; /* SLK_OK: all parts are signed */
};

struct slk_signer_state {
    bool is_away; /* the last call failed, or one has been under way for five seconds */
    char why[sizeof(((struct slk_fault *)NULL)->text)];
    uint64_t waiting_n, signed_n, failed_n; /* jobs; signatures; calls that failed */
    struct slk_histogram latency;           /* of jobs that were signed, without their waiting */
};

struct slk_signer;

/* `wake` is called by the signer's thread when there is something to take; it may be NULL. Without a thread somebody calls
 * slk_signer_work: tests, whose time is not the token's. */
SLK_MUST_CHECK enum slk_err slk_signer_new(
    struct slk_signer **out, bool has_thread, void (*wake)(void *ctx), void *ctx);
/* `wake` is not called any more, not even now. NULL is fine. */
void slk_signer_hush(struct slk_signer *signer);
/* Waits two seconds for a call that is under way. False: the module hangs and is left behind with its thread; the process ends by _exit,
 * since what libraries do at an exit would wait for it. NULL is fine. */
bool slk_signer_free(struct slk_signer *signer);

/* True: the job is the signer's now. False: it is a receipt, and there are too many, or the token is away. */
bool slk_signer_ask(struct slk_signer *signer, struct slk_sign_job *job);
/* Whatever is done or given up, the oldest first: the caller's again. NULL: nothing. */
struct slk_sign_job *slk_signer_take(struct slk_signer *signer);
void slk_signer_job_free(struct slk_sign_job *job); /* NULL is fine */
/* Votes and tips below this height interest nobody any more. */
void slk_signer_forget(struct slk_signer *signer, uint64_t height);
void slk_signer_state(struct slk_signer *signer, struct slk_signer_state *out);
/* One job, or one try of it; false: there is none. Only without a thread. */
bool slk_signer_work(struct slk_signer *signer);

#endif
