/* api_health.c: how the node is: status and health. */
#include <string.h>

#include "net/api_private.h"

static void ask(const struct slk_api *api, struct slk_node_status *status)
{
    memset(status, 0, sizeof(*status));
    api->options.backend.status(api->options.backend.ctx, status);
}

void slk_api_get_status(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api *api = ctx;
    const struct api_reply reply = {200, SLK_API_NO_STORE};
    struct slk_node_status status;

    ask(api, &status);
    slk_api_reply_json(
        x, &reply, slk_api_status(&status, api->options.backend.ledger(api->options.backend.ctx)));
}

/* Members cosign an idle chain's tip again every fresh_s. */
const char *slk_api_ailment(const struct slk_api *api, const struct slk_node_status *status, uint64_t *age_ms)
{
    const struct slk_charter *charter =
        slk_ledger_charter(api->options.backend.ledger(api->options.backend.ctx));
    uint64_t now = slk_api_now_ms(api);

    *age_ms = now > status->cosigned_time_ms ? now - status->cosigned_time_ms : 0;
    if (status->cosigned_time_ms == 0)
        return "no quorum has cosigned a checkpoint yet";
    if (*age_ms > (uint64_t)charter->fresh_s * 2000)
        return "no quorum has cosigned a checkpoint lately";
    if (status->signer_away)
        return "the token with this node's keys does not answer: it signs nothing";
    return status->is_behind ? "the node is catching up" : NULL;
}

void slk_api_get_health(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api *api = ctx;
    struct api_reply reply = {200, SLK_API_NO_STORE};
    struct slk_node_status status;
    uint64_t age_ms;
    const char *why;
    json_t *value;

    ask(api, &status);
    why = slk_api_ailment(api, &status, &age_ms);
    if (why != NULL)
        reply = (struct api_reply){503, "Retry-After: 5\r\n" SLK_API_NO_STORE};
    value = json_pack("{s:b, s:o}", "healthy", why == NULL, "height", slk_api_number(status.height));
    if (status.cosigned_time_ms > 0)
        json_object_set_new(value, "cosigned_age_ms", slk_api_number(age_ms));
    if (why != NULL)
        json_object_set_new(value, "why", json_string(why));
    slk_api_reply_json(x, &reply, value);
}
