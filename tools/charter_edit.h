/* charter_edit.h: members and issuers put into a charter, taken out of it, or given new keys: by their names and key files. */
#ifndef SLK_TOOLS_CHARTER_EDIT_H
#define SLK_TOOLS_CHARTER_EDIT_H

#include "tools/cli.h"

/* What is added is NAME=AGENCY, what goes or changes keys is NAME, a member's or an issuer's. */
struct charter_edit {
    const char *keys_dir; /* NAME.vote.pem and the like, NAME.pem: public keys are all that is taken */
    struct cli_list members, observers, issuers, desks, removed, rotated;
};

/* False after a message. The charter is sorted, and not validated. */
bool charter_edit(struct cli *cli, const struct charter_edit *edit, struct slk_charter *charter);

#endif
