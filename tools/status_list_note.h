/* status_list_note.h: `sillok status-list` and `sillok audit` on what a quorum signed of the status lists
 * (ledger/verify/list_note.h). A note is a file of either form: the note itself, or the proof of one list under it. */
#ifndef SLK_TOOLS_STATUS_LIST_NOTE_H
#define SLK_TOOLS_STATUS_LIST_NOTE_H

#include "tools/cli.h"

struct list_check {
    const char *token, *note, *policy; /* files */
    const char *keys;                  /* of the token's signature; NULL: not checked */
    uint64_t place;                    /* whose status to tell; UINT64_MAX: none */
    const char *max_age, *now;         /* as people type them; NULL: any age, and this machine's clock */
    bool json;
};
/* Without a ledger: are this token's list bytes what a quorum signed? An exit code, after words. */
int cli_list_check(struct cli *cli, const struct list_check *check);
/* From a ledger: does it lead to what the note says of all lists? `policy` NULL: who signed it is not asked. */
int cli_list_judge(
    struct cli *cli, struct slk_store *store, const char *note_file, const char *policy_file, bool json);

/* status_list_draw.c: so many places that were never used, by chance. */
#define LIST_DRAW_MAX 1000000
int cli_list_draw(struct cli *cli, struct slk_store *store, uint32_t type, uint64_t n, bool json);

struct slk_status_token;
/* cmd_status_list.c: by the key of this JWK set that the token names. False after a message. */
bool cli_token_is_signed(struct cli *cli, const char *keys, const struct slk_status_token *token);

#endif
