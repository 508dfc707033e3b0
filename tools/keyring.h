/* keyring.h: which private key signs for which issuer: one key file, or a directory of NAME.pem files. */
#ifndef SLK_TOOLS_KEYRING_H
#define SLK_TOOLS_KEYRING_H

#include "tools/cli.h"

#define KEYRING_MAX (SLK_CHARTER_ISSUERS_MAX + 8)

struct signer {
    char name[SLK_CHARTER_NAME_MAX + 1]; /* as events call it */
    struct slk_key *key;
    uint8_t key_id[SLK_KEY_ID_SIZE];
};

struct keyring {
    const char *dir;                   /* NAME.pem, or <key id in hex>.pem; NULL when there is a single key */
    const struct slk_charter *charter; /* NULL: any key will do */
    bool allow_strangers;              /* keys that the charter does not list, for tests of refusals */
    size_t signers_n;
    struct signer signers[KEYRING_MAX];
    uint16_t table[2048]; /* hash of the name -> index + 1 */
};

/* Loads the only key. False after filling `fault`. */
bool keyring_single(struct keyring *ring, const char *file, struct slk_fault *fault);
/* The signer an event's "issuer" names ("" with a single key), loading its key at first sight. NULL after filling `fault`. */
struct signer *keyring_find(struct keyring *ring, const char *issuer, struct slk_fault *fault);
void keyring_clear(struct keyring *ring);

#endif
