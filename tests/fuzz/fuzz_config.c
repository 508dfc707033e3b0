/* fuzz_config.c: a node's configuration: what is accepted is whole, what is refused says why, with a line that exists. */
#include "net/config.h"

#include "tests/fuzz/fuzz.h"

static void check_endpoint(const struct slk_endpoint *at)
{
    FUZZ_CHECK(memchr(at->host, '\0', sizeof(at->host)) != NULL && at->port <= UINT16_MAX);
}

static void check_good(const struct slk_config *c)
{
    FUZZ_CHECK(c->dir[0] != '\0' && c->node_key[0] != '\0' && c->agency > 0 && c->agency <= UINT16_MAX);
    FUZZ_CHECK(memchr(c->dir, '\0', sizeof(c->dir)) != NULL);
    FUZZ_CHECK((c->log_key[0] == '\0') == (c->cosign_key[0] == '\0'));
    FUZZ_CHECK(
        c->log_level < SLK_SAY_LEVEL_N && c->log_json <= 1 && c->http_anywhere <= 1 && c->guests <= 14);
    FUZZ_CHECK(c->addresses_n <= SLK_CHARTER_MEMBERS_MAX);
    check_endpoint(&c->listen);
    check_endpoint(&c->http);
    for (size_t i = 0; i < c->addresses_n; i++) {
        check_endpoint(&c->addresses[i].at);
        FUZZ_CHECK(
            c->addresses[i].agency > 0 && c->addresses[i].at.host[0] != '\0' && c->addresses[i].at.port > 0);
    }
    FUZZ_CHECK(slk_config_needs_start(c, c) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_config config;
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_fault fault;

    memset(&config, 0xa5, sizeof(config));
    if (slk_config_read(&config, slk_span_of(exact, size), &fault) == SLK_OK)
        check_good(&config);
    else
        fuzz_check_fault(&fault, exact, size);
    free(exact);
    return 0;
}
