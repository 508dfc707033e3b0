/* config.c: see config.h. libinih splits lines; the table says what each key means. */
#include "net/config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)64 << 10)

enum type { T_PATH, T_NUMBER, T_ENDPOINT, T_YES_NO, T_LEVEL, T_FORMAT };

struct key {
    const char *section, *name;
    enum type type;
    size_t offset;
    uint32_t min, max;  /* NUMBER */
    const char *value;  /* its default; NULL: it must be given */
    bool is_reloaded;   /* by SIGHUP */
    const char *sample; /* stands in the sample instead of the default */
    const char *help;
};

#define OF(member) offsetof(struct slk_config, member)

static const struct key keys[] = {
    {"node", "dir", T_PATH, OF(dir), 0, 0, NULL, false, "/var/lib/sillok/ledger",
        "The ledger's directory, made by `sillok init`"},
    {"node", "agency", T_NUMBER, OF(agency), 1, UINT16_MAX, NULL, false, "1",
        "This agency's number in the charter"},
    {"node", "node_key", T_PATH, OF(node_key), 0, 0, NULL, true, "/etc/sillok/agency.node.pem",
        "Key that names this node to other nodes"},
    {"node", "vote_key", T_PATH, OF(vote_key), 0, 0, "", true, "/etc/sillok/agency.vote.pem",
        "Key that votes on blocks, a file or a pkcs11: URI; without it the node observes"},
    {"node", "log_key", T_PATH, OF(log_key), 0, 0, "", true, "/etc/sillok/agency.log.pem",
        "Key that signs checkpoints as the log; together with the next"},
    {"node", "cosign_key", T_PATH, OF(cosign_key), 0, 0, "", true, "/etc/sillok/agency.cosign.pem",
        "Key that cosigns checkpoints"},
    {"node", "next_vote_key", T_PATH, OF(next_vote_key), 0, 0, "", true, NULL,
        "The keys of a charter to come, whichever of them it names: used from its first block on"},
    {"node", "next_log_key", T_PATH, OF(next_log_key), 0, 0, "", true, NULL, "The same for log_key"},
    {"node", "next_cosign_key", T_PATH, OF(next_cosign_key), 0, 0, "", true, NULL, "The same for cosign_key"},
    {"node", "next_node_key", T_PATH, OF(next_node_key), 0, 0, "", true, NULL, "The same for node_key"},
    {"node", "vouched", T_YES_NO, OF(vouched), 0, 0, "no", false, NULL,
        "Takes a quorum's word for issuers' signatures in final blocks; only without vote_key and log_key"},
    {"node", "threads", T_NUMBER, OF(threads), 0, 64, "0", false, NULL,
        "Threads that check signatures; 0: one per core, at most 8"},
    {"peers", "listen", T_ENDPOINT, OF(listen), 0, 0, "", false, "0.0.0.0:7150",
        "Where other nodes connect; empty: this node only connects to others"},
    {"peers", "guests", T_NUMBER, OF(guests), 0, 14, "0", false, NULL,
        "How many nodes that are in no charter (guests) may follow the chain here"},
    {"peers", "delta_ms", T_NUMBER, OF(delta_ms), 0, 60000, "0", false, NULL,
        "Time within which a message reaches every member; 0: as the charter says"},
    {"http", "listen", T_ENDPOINT, OF(http), 0, 0, "", false, "127.0.0.1:7151",
        "Where clients connect; empty: nowhere. Only loopback, unless anywhere = yes"},
    {"http", "socket", T_PATH, OF(http_socket), 0, 0, "", false, "/run/sillok/http.sock",
        "A Unix socket for clients"},
    {"http", "connections", T_NUMBER, OF(http_connections), 8, 65000, "4096", false, NULL,
        "Clients at a time"},
    {"http", "address_streams", T_NUMBER, OF(http_address_streams), 1, 64, "16", false, NULL,
        "Of the 64 streams of news, how many one address (IPv6: /64) may have; a proxy on this machine: all"},
    {"http", "anywhere", T_YES_NO, OF(http_anywhere), 0, 0, "no", false, NULL,
        "Clients may come from other machines, without TLS: only behind something that adds it"},
    {"http", "tls_listen", T_ENDPOINT, OF(https), 0, 0, "", false, NULL,
        "Where clients connect with TLS 1.3, from any machine; with certificate and key"},
    {"http", "certificate", T_PATH, OF(https_certificate), 0, 0, "", true, NULL,
        "This server's certificate and the chain behind it, PEM"},
    {"http", "key", T_PATH, OF(https_key), 0, 0, "", true, NULL,
        "Its private key, PEM, unencrypted, mode 0600"},
    {"http", "readers", T_PATH, OF(https_readers), 0, 0, "", true, NULL,
        "Over TLS, who may read: PEM of client certificates, or of their authorities; empty: anybody"},
    {"http", "submitters", T_PATH, OF(https_submitters), 0, 0, "", true, NULL,
        "Over TLS, who may submit, and read; empty: whoever may read"},
    {"status", "list_key", T_PATH, OF(list_key), 0, 0, "", false, "/etc/sillok/agency.lists.pem",
        "Key that signs status lists, and nothing else; without it none are served"},
    {"status", "uri", T_PATH, OF(list_uri), 0, 0, "", false, "https://status.example/v1/status-lists",
        "Where the world finds this node's /v1/status-lists: stands in credentials and lists for good"},
    {"status", "ttl", T_NUMBER, OF(list_ttl_s), 1, 604800, "300", false, NULL,
        "Seconds for which a list may be kept by who has fetched it"},
    {"status", "lifetime", T_NUMBER, OF(list_lifetime_s), 1, 31622400, "86400", false, NULL,
        "Seconds until a list must not be relied upon any longer"},
    {"status", "history", T_YES_NO, OF(list_history), 0, 0, "no", false, NULL,
        "Lists of the past (?time=): whoever knows a credential's place then learns when it changed"},
    {"status", "cosign", T_NUMBER, OF(list_cosign_s), 0, 604800, "0", false, NULL,
        "Every so many seconds of the chain's time members sign what all lists say: the same at each; 0: "
        "never"},
    {"witnesses", "every", T_NUMBER, OF(witness_every_s), 1, 3600, "5", false, NULL,
        "Seconds from asking the outside witnesses about one checkpoint to asking about the next"},
    {"witnesses", "timeout", T_NUMBER, OF(witness_timeout_s), 1, 60, "5", false, NULL,
        "Seconds that one of them has for its answer"},
    {"witnesses", "needed", T_NUMBER, OF(witness_needed), 1, SLK_WITNESSES_MAX, "1", false, NULL,
        "How many of them verifiers' policies want under a checkpoint"},
    {"witnesses", "hold", T_NUMBER, OF(witness_hold_s), 0, 3600, "15", false, NULL,
        "Seconds for which /checkpoint may stay behind the newest one, to have their cosignatures"},
    {"witnesses", "ca_file", T_PATH, OF(witness_ca), 0, 0, "", false, NULL,
        "PEM of the authorities that vouch for https witnesses; empty: the system's"},
    {"log", "level", T_LEVEL, OF(log_level), 0, 0, "info", true, NULL, "error, warn, info or debug"},
    {"log", "format", T_FORMAT, OF(log_json), 0, 0, "text", true, NULL, "text or json"},
};
#define KEYS_N (sizeof(keys) / sizeof(keys[0]))

struct source {
    struct slk_config *config;
    struct slk_span rest;
    size_t line;
    struct slk_fault *fault;
    bool failed;
};
_Static_assert(KEYS_N <= SLK_CONFIG_KEYS_MAX, "struct slk_config has a line for each key");

__attribute__((format(printf, 3, 4))) static bool fail(struct source *s, size_t line, const char *format, ...)
{
    va_list args;

    if (s->failed)
        return false;
    s->failed = true;
    s->fault->line = line;
    va_start(args, format);
    vsnprintf(s->fault->text, sizeof(s->fault->text), format, args);
    va_end(args);
    return false;
}

/* ---- values ---- */

static bool read_number(uint32_t *out, const char *text, uint32_t min, uint32_t max)
{
    uint64_t value = 0;

    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = 10 * value + (uint64_t)(*text - '0');
        if (value > max)
            return false;
    }
    *out = (uint32_t)value;
    return value >= min;
}

bool slk_endpoint_parse(struct slk_endpoint *out, const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon != NULL ? (size_t)(colon - text) : 0;
    bool has_brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';

    memset(out, 0, sizeof(*out));
    if (*text == '\0')
        return true;
    if (n == 0 || n >= sizeof(out->host) || !read_number(&out->port, colon + 1, 0, UINT16_MAX))
        return false;
    if (!has_brackets && memchr(text, ':', n) != NULL)
        return false; /* which colon is the port's? */
    text += has_brackets;
    n -= has_brackets ? 2 : 0;
    memcpy(out->host, text, n);
    return n > 0;
}

static bool read_word(uint32_t *out, const char *text, const char *zero, const char *one)
{
    *out = strcmp(text, one) == 0;
    return *out == 1 || strcmp(text, zero) == 0;
}

/* What a key in a token may be for, and that no PIN stands here. */
static bool check_uri(struct source *s, const struct key *key, const char *value)
{
    size_t n = strlen(key->name);

    if (strstr(value, "pin-value") != NULL)
        return fail(s, s->line, "%s has a PIN in it, which others can read here: use pin-source=file:/path",
            key->name);
    if (strcmp(key->name, "node_key") == 0 || strcmp(key->name, "next_node_key") == 0 ||
        strcmp(key->name, "key") == 0)
        return fail(s, s->line,
            "%s is for TLS and stays in a file: only votes and checkpoints are signed by tokens", key->name);
    return (n > 4 && strcmp(key->name + n - 4, "_key") == 0) ||
           fail(s, s->line, "%s is no key: write a path", key->name);
}

static bool set(struct source *s, const struct key *key, const char *value)
{
    void *at = (uint8_t *)s->config + key->offset;
    size_t size = strlen(value);

    switch (key->type) {
    case T_PATH:
        if (size >= SLK_CONFIG_PATH_MAX)
            return fail(s, s->line, "%s is longer than %d bytes", key->name, SLK_CONFIG_PATH_MAX - 1);
        if (size == 0 && key->value == NULL)
            return fail(s, s->line, "%s is empty: name a file or directory", key->name);
        if (strncmp(value, "pkcs11:", 7) == 0 && !check_uri(s, key, value))
            return false;
        memcpy(at, value, size + 1);
        return true;
    case T_NUMBER:
        return read_number(at, value, key->min, key->max) ||
               fail(s, s->line, "%s = %.40s: write a number from %u to %u", key->name, value, key->min,
                   key->max);
    case T_ENDPOINT:
        return slk_endpoint_parse(at, value) ||
               fail(s, s->line, "%s = %.40s: write host:port, as 127.0.0.1:7150 or [::1]:7150", key->name,
                   value);
    case T_YES_NO:
        return read_word(at, value, "no", "yes") ||
               fail(s, s->line, "%s = %.40s: write yes or no", key->name, value);
    case T_LEVEL:
        return slk_say_level_parse(at, value) ||
               fail(s, s->line, "%s = %.40s: write error, warn, info or debug", key->name, value);
    case T_FORMAT:
        return read_word(at, value, "text", "json") ||
               fail(s, s->line, "%s = %.40s: write text or json", key->name, value);
    }
    return false;
}

/* ---- lines ---- */

/* "host:port", and perhaps a space and a node key. */
static bool read_place(struct slk_config *c, const char *value)
{
    size_t n = strcspn(value, " \t");
    const char *key = value + n + strspn(value + n, " \t");
    char at[SLK_CONFIG_HOST_MAX + 8];

    if (n == 0 || n >= sizeof(at))
        return false;
    memcpy(at, value, n);
    at[n] = '\0';
    c->addresses[c->addresses_n].has_key = *key != '\0';
    if (*key != '\0' && !slk_hex_parse(c->addresses[c->addresses_n].node_key, SLK_KEY_SIZE, key, strlen(key)))
        return false;
    return slk_endpoint_parse(&c->addresses[c->addresses_n].at, at) &&
           c->addresses[c->addresses_n].at.port > 0;
}

static bool add_address(struct source *s, const char *name, const char *value)
{
    struct slk_config *c = s->config;
    uint32_t agency;

    if (!read_number(&agency, name, 1, UINT16_MAX))
        return fail(s, s->line, "%.40s: write an agency's number, as 2 = node2.example:7150", name);
    for (size_t i = 0; i < c->addresses_n; i++)
        if (c->addresses[i].agency == agency)
            return fail(s, s->line, "agency %u has an address already: keep one", agency);
    if (c->addresses_n == SLK_CHARTER_MEMBERS_MAX)
        return fail(s, s->line, "more addresses than a charter can have members");
    if (!read_place(c, value))
        return fail(s, s->line,
            "%.40s: write host:port, as node2.example:7150, and behind it, if at all, the node key as 64 "
            "lower-case digits",
            value);
    c->addresses[c->addresses_n++].agency = (uint16_t)agency;
    return true;
}

/* Whatever else stands in [witnesses] is the name of one. */
static bool add_witness(struct source *s, const char *name, const char *value)
{
    struct slk_config *c = s->config;
    struct slk_witness next;
    struct slk_fault fault = {0};

    if (!slk_witness_parse(&next, name, value, &fault))
        return fail(s, s->line, "%s", fault.text);
    for (size_t i = 0; i < c->witnesses_n; i++) {
        if (strcmp(c->witnesses[i].label, name) == 0)
            return fail(s, s->line, "%s stands twice in [witnesses]: keep one", name);
        if (memcmp(c->witnesses[i].vkey.key, next.vkey.key, SLK_KEY_SIZE) == 0)
            return fail(s, s->line,
                "%s and %s in [witnesses] have the same key, and would count twice: keep one",
                c->witnesses[i].label, name);
    }
    if (c->witnesses_n == SLK_WITNESSES_MAX)
        return fail(s, s->line, "more than %d witnesses: this program asks no more", SLK_WITNESSES_MAX);
    c->witnesses[c->witnesses_n++] = next;
    return true;
}

static bool has_section(const char *section)
{
    for (size_t i = 0; i < KEYS_N; i++)
        if (strcmp(keys[i].section, section) == 0)
            return true;
    return strcmp(section, "addresses") == 0;
}

/* inih's handler: 0 makes inih remember the line, which we do already. */
static int take_pair(void *ctx, const char *section, const char *name, const char *value)
{
    struct source *s = ctx;

    if (s->failed)
        return 1;
    if (strcmp(section, "addresses") == 0)
        return add_address(s, name, value);
    for (size_t i = 0; i < KEYS_N; i++) {
        if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, name) != 0)
            continue;
        if (s->config->lines[i] != 0)
            return fail(s, s->line, "%s stands twice in [%s]: keep one", name, section);
        s->config->lines[i] = (uint32_t)s->line; /* of FILE_MAX bytes */
        return set(s, &keys[i], value);
    }
    if (strcmp(section, "witnesses") == 0)
        return add_witness(s, name, value);
    if (section[0] == '\0')
        return fail(s, s->line, "%.40s stands before any [section]", name);
    if (!has_section(section))
        return fail(s, s->line, "there is no section [%.40s]: see sillokd --print-config", section);
    return fail(s, s->line, "there is no key %.40s in [%s]: see sillokd --print-config", name, section);
}

/* The next line, without indentation, which inih takes for a continued value. */
static char *next_line(char *out, int cap, void *ctx)
{
    struct source *s = ctx;
    const uint8_t *end;
    size_t n;

    if (s->rest.size == 0 || s->failed)
        return NULL;
    end = memchr(s->rest.at, '\n', s->rest.size);
    n = end != NULL ? (size_t)(end - s->rest.at) + 1 : s->rest.size;
    s->line++;
    if (memchr(s->rest.at, '\0', n) != NULL) {
        fail(s, s->line, "a zero byte: this is not a text file");
        return NULL;
    }
    if (n + 1 > (size_t)cap) {
        fail(s, s->line, "the line is longer than %d bytes", cap - 2);
        return NULL;
    }
    memcpy(out, s->rest.at, n);
    out[n] = '\0';
    s->rest = slk_span_of(s->rest.at + n, s->rest.size - n);
    n = strspn(out, " \t");
    memmove(out, out + n, strlen(out + n) + 1);
    return out;
}

static bool check_whole(struct source *s)
{
    const struct slk_config *c = s->config;

    for (size_t i = 0; i < KEYS_N; i++)
        if (keys[i].value == NULL && c->lines[i] == 0)
            return fail(s, 0, "%s is missing in [%s]: %s", keys[i].name, keys[i].section, keys[i].help);
    if (c->https.host[0] != '\0' && (c->https_certificate[0] == '\0' || c->https_key[0] == '\0'))
        return fail(s, 0, "tls_listen in [http] needs a certificate and its key: name both files");
    if (c->https.host[0] == '\0' && (c->https_readers[0] != '\0' || c->https_submitters[0] != '\0'))
        return fail(
            s, 0, "readers and submitters in [http] are known by their certificates: they need tls_listen");
    if (c->http_anywhere != 0 && (c->https_readers[0] != '\0' || c->https_submitters[0] != '\0'))
        return fail(
            s, 0, "anywhere = yes would let in without a certificate whom readers and submitters keep out");
    if ((c->log_key[0] == '\0') != (c->cosign_key[0] == '\0'))
        return fail(
            s, 0, "a checkpoint needs both keys, log_key and cosign_key in [node]: give both or none");
    if ((c->list_key[0] == '\0') != (c->list_uri[0] == '\0'))
        return fail(s, 0, "status lists need both list_key and uri in [status]: give both or none");
    if (c->list_cosign_s != 0 && c->http.host[0] == '\0' && c->http_socket[0] == '\0' &&
        c->https.host[0] == '\0')
        return fail(s, 0, "cosign in [status] makes the lists that [http] serves: say where clients connect");
    if (c->list_lifetime_s < c->list_ttl_s)
        return fail(s, 0, "lifetime is less than ttl in [status]: a list would be kept after its end");
    if (c->witnesses_n > 0 && c->witness_needed > c->witnesses_n)
        return fail(s, 0, "needed in [witnesses] is more than the witnesses that stand there");
    if (c->vouched != 0 && (c->vote_key[0] != '\0' || c->log_key[0] != '\0'))
        return fail(s, 0,
            "vouched = yes in [node] is for nodes without keys that sign: who signs checks everything "
            "himself");
    return true;
}

enum slk_err slk_config_read(struct slk_config *out, struct slk_span text, struct slk_fault *fault)
{
    struct source s = {.config = out, .rest = text, .fault = fault};
    int bad_line;

    memset(out, 0, sizeof(*out));
    *fault = (struct slk_fault){0};
    for (size_t i = 0; i < KEYS_N; i++)
        if (keys[i].value != NULL && !set(&s, &keys[i], keys[i].value))
            return SLK_E_MALFORMED;
    bad_line = ini_parse_stream(next_line, &s, take_pair, &s);
    if (bad_line < 0)
        return SLK_E_NOMEM;
    if (bad_line > 0 && !s.failed)
        fail(&s, (size_t)bad_line, "neither [section] nor key = value");
    return !s.failed && check_whole(&s) ? SLK_OK : SLK_E_MALFORMED;
}

enum slk_err slk_config_load(struct slk_config *out, const char *file, struct slk_fault *fault)
{
    uint8_t *bytes = malloc(FILE_MAX + 1);
    FILE *in = bytes != NULL ? fopen(file, "rb") : NULL;
    size_t n = in != NULL ? fread(bytes, 1, FILE_MAX + 1, in) : 0;
    bool is_read = in != NULL && ferror(in) == 0;
    enum slk_err err = SLK_E_IO;

    *fault = (struct slk_fault){0};
    if (!is_read)
        snprintf(fault->text, sizeof(fault->text), "%s", bytes == NULL ? "out of memory" : strerror(errno));
    else if (n > FILE_MAX)
        snprintf(fault->text, sizeof(fault->text), "larger than %zu bytes", FILE_MAX);
    else
        err = slk_config_read(out, slk_span_of(bytes, n), fault);
    if (in != NULL)
        fclose(in);
    free(bytes);
    return err;
}

size_t slk_config_line(const struct slk_config *c, const void *value, const char **name)
{
    size_t offset = (size_t)((const uint8_t *)value - (const uint8_t *)c);

    for (size_t i = 0; i < KEYS_N; i++)
        if (keys[i].offset == offset) {
            *name = keys[i].name;
            return c->lines[i];
        }
    abort(); /* no value of the table's */
}

/* ---- the sample ---- */

static size_t print_key(char *out, size_t cap, const struct key *key, bool begins)
{
    const char *value = key->sample != NULL ? key->sample : key->value;
    int n = snprintf(out, cap, "%s%s%s# %s.%s\n%s%s = %s\n", begins ? "\n[" : "", begins ? key->section : "",
        begins ? "]\n" : "", key->help, key->is_reloaded ? " Read again on SIGHUP." : "",
        key->value != NULL && key->sample == NULL ? "# " : "", key->name, value);

    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

char *slk_config_sample(void)
{
    const size_t cap = 16384;
    char *out = malloc(cap);
    size_t n;

    if (out == NULL)
        return NULL;
    n = (size_t)snprintf(out, cap, "# Configuration of sillokd. Lines with # are the defaults.\n");
    for (size_t i = 0; i < KEYS_N; i++) {
        n += print_key(
            out + n, cap - n, &keys[i], i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0);
        if (strcmp(keys[i].section, "witnesses") == 0 &&
            (i + 1 == KEYS_N || strcmp(keys[i + 1].section, "witnesses") != 0))
            n += (size_t)snprintf(out + n, cap - n,
                "# The outside witnesses (C2SP tlog-witness), up to %d: name = verifier key, and where it "
                "takes "
                "checkpoints.\n# w1 = <name>+<key ID>+<key> https://witness.example/w1\n",
                SLK_WITNESSES_MAX);
    }
    snprintf(out + n, cap - n,
        "\n# Where members are found when not where the charter says: agency = host:port. Behind it may "
        "stand the\n# node key (`sillok charter show`) of one that this node's charter does not name "
        "yet. Read again on SIGHUP.\n[addresses]\n# 2 = node2.example:7150\n");
    return out;
}

static size_t width_of(enum type type)
{
    switch (type) {
    case T_PATH:
        return SLK_CONFIG_PATH_MAX;
    case T_ENDPOINT:
        return sizeof(struct slk_endpoint);
    case T_NUMBER:
    case T_YES_NO:
    case T_LEVEL:
    case T_FORMAT:
        break;
    }
    return sizeof(uint32_t);
}

const char *slk_config_needs_start(const struct slk_config *a, const struct slk_config *b)
{
    static char name[80];

    if (a->witnesses_n != b->witnesses_n ||
        memcmp(a->witnesses, b->witnesses, a->witnesses_n * sizeof(a->witnesses[0])) != 0)
        return "witnesses"; /* their names, keys and addresses */
    for (size_t i = 0; i < KEYS_N; i++) {
        const uint8_t *x = (const uint8_t *)a + keys[i].offset, *y = (const uint8_t *)b + keys[i].offset;
        bool differ = keys[i].type == T_PATH ? strcmp((const char *)x, (const char *)y) != 0
                                             : memcmp(x, y, width_of(keys[i].type)) != 0;

        if (differ && !keys[i].is_reloaded) {
            snprintf(name, sizeof(name), "%s.%s", keys[i].section, keys[i].name);
            return name;
        }
    }
    return NULL;
}

void slk_config_take_reloaded(struct slk_config *config, const struct slk_config *next)
{
    for (size_t i = 0; i < KEYS_N; i++)
        if (keys[i].is_reloaded) {
            memcpy((uint8_t *)config + keys[i].offset, (const uint8_t *)next + keys[i].offset,
                width_of(keys[i].type));
            config->lines[i] = next->lines[i];
        }
    config->addresses_n = next->addresses_n;
    memcpy(config->addresses, next->addresses, sizeof(next->addresses));
}
