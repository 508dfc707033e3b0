/* config.h: a node's configuration: one INI file, one table that says what may stand in it.
 *
 * Every key has a type, a range, a default and a sentence; what the table does not know, what stands twice, and what is out of
 * range is refused with file, line and what to do. `sillokd --print-config` prints the table as a file that can be edited.
 */
#ifndef SLK_NET_CONFIG_H
#define SLK_NET_CONFIG_H

#include "ledger/core/charter.h"
#include "net/log.h"
#include "net/witness.h"

#define SLK_CONFIG_PATH_MAX 180 /* inih reads lines of at most 198 bytes */
#define SLK_CONFIG_HOST_MAX 140
#define SLK_CONFIG_KEYS_MAX 64

/* "host:port", "[::1]:port"; an empty host: none. */
struct slk_endpoint {
    char host[SLK_CONFIG_HOST_MAX];
    uint32_t port;
};

struct slk_config {
    /* [node] */
    char dir[SLK_CONFIG_PATH_MAX];
    uint32_t agency;
    char vote_key[SLK_CONFIG_PATH_MAX], log_key[SLK_CONFIG_PATH_MAX], cosign_key[SLK_CONFIG_PATH_MAX],
        node_key[SLK_CONFIG_PATH_MAX];
    /* of a charter to come */
    char next_vote_key[SLK_CONFIG_PATH_MAX], next_log_key[SLK_CONFIG_PATH_MAX],
        next_cosign_key[SLK_CONFIG_PATH_MAX], next_node_key[SLK_CONFIG_PATH_MAX];
    uint32_t threads, vouched;
    /* [peers] */
    struct slk_endpoint listen;
    uint32_t guests, delta_ms;
    /* [addresses]: where members are, when not where the charter says, and by which key, when this node's charter does not say */
    size_t addresses_n;
    struct {
        uint16_t agency;
        struct slk_endpoint at;
        bool has_key;
        uint8_t node_key[SLK_KEY_SIZE];
    } addresses[SLK_CHARTER_MEMBERS_MAX];
    /* [http] */
    struct slk_endpoint http;
    char http_socket[SLK_CONFIG_PATH_MAX];
    struct slk_endpoint https;
    char https_certificate[SLK_CONFIG_PATH_MAX], https_key[SLK_CONFIG_PATH_MAX],
        https_readers[SLK_CONFIG_PATH_MAX], https_submitters[SLK_CONFIG_PATH_MAX];
    uint32_t http_connections, http_address_streams;
    uint32_t http_anywhere;
    /* [status] */
    char list_key[SLK_CONFIG_PATH_MAX], list_uri[SLK_CONFIG_PATH_MAX];
    uint32_t list_ttl_s, list_lifetime_s, list_history, list_cosign_s;
    /* [witnesses]: outside ones, that are asked for cosignatures */
    uint32_t witness_every_s, witness_timeout_s, witness_needed, witness_hold_s;
    char witness_ca[SLK_CONFIG_PATH_MAX];
    size_t witnesses_n;
    struct slk_witness witnesses[SLK_WITNESSES_MAX];
    /* [log] */
    enum slk_say_level log_level;
    uint32_t log_json;
    uint32_t lines[SLK_CONFIG_KEYS_MAX]; /* slk_config_line */
};

/* SLK_OK; SLK_E_IO, SLK_E_MALFORMED: the fault has the line (0: the file as a whole) and what to do. */
SLK_MUST_CHECK enum slk_err slk_config_read(
    struct slk_config *out, struct slk_span text, struct slk_fault *fault);
SLK_MUST_CHECK enum slk_err slk_config_load(
    struct slk_config *out, const char *file, struct slk_fault *fault);
/* The line in which the key of this value, a member of `c`, stands, and the key's name; 0: it has its default. */
size_t slk_config_line(const struct slk_config *c, const void *value, const char **name);
/* The sample: every key with its help, those that have a default with it, as a comment. malloc'ed, NUL-terminated; NULL: no memory. */
char *slk_config_sample(void);
/* The first key, "section.key", in which the two differ and which only a start reads; NULL: there is none. */
const char *slk_config_needs_start(const struct slk_config *a, const struct slk_config *b);
/* SIGHUP: takes over from `next` what is read again. What follows from it is the daemon's (`take_over` in uv_daemon.c). */
void slk_config_take_reloaded(struct slk_config *config, const struct slk_config *next);
/* "host:port"; false: it is not that. */
bool slk_endpoint_parse(struct slk_endpoint *out, const char *text);

#endif
