/* api_lists.h: the inside of the status lists over HTTP: api_status_list.c serves them, api_status_epoch.c has them cosigned. */
#ifndef SLK_NET_API_LISTS_H
#define SLK_NET_API_LISTS_H

#include "ledger/embed/status_lists.h"
#include "net/api_private.h"
#include "net/status_epoch.h"

/* The lists at one block after another, which members sign. While one is being made the reader stands at its block. */
struct slk_api_epochs {
    bool has_looked, has_aim;
    uint64_t period; /* of the tip that was looked at last */
    struct slk_block_header aim;
    struct slk_status_epoch *building; /* NULL: none is under way */
    struct slk_status_epoch *stated;   /* the newest that is made, and was given to the node to sign */
    struct slk_status_epoch *served;   /* a quorum has signed it; it may be the one above */
};

/* How far the reader may go on before the lists are to be held still: *until. */
SLK_MUST_CHECK enum slk_err slk_api_epochs_aim(struct slk_api_epochs *epochs, uint32_t period_s,
    struct slk_view *view, const struct slk_status_reader *reader, struct slk_status_until *until);
/* The reader has gone on: perhaps it stands at the aim, and lists are made from there. */
SLK_MUST_CHECK enum slk_err slk_api_epochs_begin(
    struct slk_api_epochs *epochs, struct slk_status_reader *reader);
/* Some lists more; when all are made they are stated. */
SLK_MUST_CHECK enum slk_err slk_api_epochs_step(
    struct slk_api_epochs *epochs, const struct slk_api *api, struct slk_status_reader *reader);
/* What a quorum signed, and its note, borrowed; NULL: nothing yet. */
const struct slk_status_epoch *slk_api_epochs_served(
    struct slk_api_epochs *epochs, const struct slk_api *api, struct slk_span *note);
void slk_api_epochs_drop(struct slk_api_epochs *epochs); /* the reader is gone: begins again with the next */
void slk_api_epochs_free(struct slk_api_epochs *epochs);

#endif
