/* api_status_epoch.c: the status lists at the first block of each period of the chain's time, for a quorum to sign. Which block that is,
 * and what the lists say there, follows from the chain: every member that is configured alike makes the same bytes.
 */
#include <string.h>

#include "net/api_lists.h"

enum { STEP_LISTS = 2 }; /* a tick, of 2^20 places at most: some 20 ms of the node's one thread */

enum slk_err slk_api_epochs_aim(struct slk_api_epochs *epochs, uint32_t period_s, struct slk_view *view,
    const struct slk_status_reader *reader, struct slk_status_until *until)
{
    struct slk_block_header place;
    uint64_t period;
    enum slk_err err;

    if (period_s == 0 || slk_view_tip(view) == NULL)
        return SLK_OK;
    period = slk_view_tip(view)->time_ms / 1000 / period_s;
    if (!epochs->has_looked || period != epochs->period) {
        err = slk_status_period_start(&epochs->aim, view, period_s);
        if (err != SLK_OK && err != SLK_E_NOT_FOUND)
            return err;
        epochs->has_aim = err == SLK_OK;
        epochs->has_looked = true;
        epochs->period = period;
    }
    if (epochs->has_aim && (!slk_status_reader_place(reader, &place) || place.height < epochs->aim.height))
        until->size = epochs->aim.log_size;
    return SLK_OK;
}

enum slk_err slk_api_epochs_begin(struct slk_api_epochs *epochs, struct slk_status_reader *reader)
{
    struct slk_block_header place;

    if (!epochs->has_aim || !slk_status_reader_place(reader, &place) || place.height != epochs->aim.height)
        return SLK_OK;
    if (epochs->stated != NULL && slk_status_epoch_place(epochs->stated)->log_size >= place.log_size)
        return SLK_OK; /* made already */
    return slk_status_epoch_new(&epochs->building, slk_status_reader_lists(reader), &place);
}

static void drop_stated(struct slk_api_epochs *epochs)
{
    if (epochs->stated != epochs->served)
        slk_status_epoch_free(epochs->stated);
    epochs->stated = NULL;
}

static void state(struct slk_api_epochs *epochs, const struct slk_api *api)
{
    const struct slk_api_backend *node = &api->options.backend;
    const char *origin = slk_ledger_charter(node->ledger(node->ctx))->origin;
    struct slk_lists_statement statement;
    char text[SLK_LISTS_TEXT_MAX];
    size_t n;

    slk_status_epoch_state(&statement, epochs->building, slk_span_of(origin, strlen(origin)));
    drop_stated(epochs);
    epochs->stated = epochs->building;
    epochs->building = NULL;
    n = slk_lists_statement_format(text, &statement);
    node->state_lists(node->ctx, slk_span_of(text, n), statement.size);
}

enum slk_err slk_api_epochs_step(
    struct slk_api_epochs *epochs, const struct slk_api *api, struct slk_status_reader *reader)
{
    enum slk_err err = SLK_OK;
    bool done = false;

    for (unsigned i = 0; err == SLK_OK && !done && i < STEP_LISTS; i++)
        err = slk_status_epoch_step(epochs->building, slk_status_reader_lists(reader), epochs->stated, &done);
    if (err == SLK_OK && done)
        state(epochs, api);
    return err;
}

const struct slk_status_epoch *slk_api_epochs_served(
    struct slk_api_epochs *epochs, const struct slk_api *api, struct slk_span *note)
{
    const struct slk_api_backend *node = &api->options.backend;
    uint64_t size;

    *note = node->lists_note(node->ctx, &size);
    if (epochs->stated != NULL && epochs->stated != epochs->served &&
        slk_status_epoch_place(epochs->stated)->log_size == size) {
        slk_status_epoch_free(epochs->served);
        epochs->served = epochs->stated;
    }
    return note->size > 0 && epochs->served != NULL &&
                   slk_status_epoch_place(epochs->served)->log_size == size
               ? epochs->served
               : NULL;
}

void slk_api_epochs_drop(struct slk_api_epochs *epochs)
{
    slk_status_epoch_free(epochs->building);
    epochs->building = NULL;
    epochs->has_looked = epochs->has_aim = false;
}

void slk_api_epochs_free(struct slk_api_epochs *epochs)
{
    slk_status_epoch_free(epochs->building);
    drop_stated(epochs);
    slk_status_epoch_free(epochs->served);
    *epochs = (struct slk_api_epochs){0};
}
