#include "net/config_check.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ledger/embed/keys.h"
#include "net/status_token.h"
#include "net/tls_web.h"

#define OWN_KEYS_N  9 /* eight of [node], one of [status] */
#define NEEDS_RIGHT ": whoever runs sillokd needs the right to it, and so does this look"

struct look {
    const struct slk_config *config;
    slk_config_found_fn *say;
    void *ctx;
    size_t faults_n, own_n;
    struct {
        const char *name;
        uint8_t key[SLK_KEY_SIZE];
    } own[OWN_KEYS_N]; /* those that were read */
};

static void say(struct look *look, const char *value, bool is_unchecked, const char *text, const char *remedy)
{
    struct slk_config_found found = {.is_unchecked = is_unchecked};

    found.line = slk_config_line(look->config, value, &found.key);
    (void)snprintf(found.text, sizeof(found.text), "%s%s", text, remedy);
    look->faults_n += !is_unchecked;
    look->say(look->ctx, &found);
}

/* `fault` is about the file that `value` names. */
static void say_fault(struct look *look, const char *value, enum slk_err err, const struct slk_fault *fault)
{
    const char *remedy = err == SLK_E_NOT_FOUND ? ": correct the name, or put the file there"
                         : err == SLK_E_IO      ? NEEDS_RIGHT
                                                : "";

    say(look, value, false, fault->text[0] != '\0' ? fault->text : slk_err_text(err), remedy);
}

/* ---- the ledger ---- */

static void say_errno(struct look *look, const char *value, const char *file, const char *if_missing)
{
    bool is_missing = errno == ENOENT || errno == ENOTDIR;
    char text[SLK_CONFIG_PATH_MAX + 60];

    (void)snprintf(text, sizeof(text), "%s: %s", file, strerror(errno));
    say(look, value, false, text, is_missing ? if_missing : NEEDS_RIGHT);
}

static void name_parent(char parent[SLK_CONFIG_PATH_MAX], const char *dir)
{
    size_t n = strlen(dir);

    while (n > 1 && dir[n - 1] == '/')
        n--;
    while (n > 0 && dir[n - 1] != '/')
        n--;
    (void)snprintf(parent, SLK_CONFIG_PATH_MAX, "%.*s", n > 0 ? (int)n : 1, n > 0 ? dir : ".");
}

static void look_at_ledger(struct look *look, const char *dir)
{
    char parent[SLK_CONFIG_PATH_MAX], file[SLK_CONFIG_PATH_MAX + sizeof("/data.mdb")];

    name_parent(parent, dir);
    (void)snprintf(file, sizeof(file), "%s/data.mdb", dir);
    if (access(parent, X_OK) != 0)
        say_errno(look, dir, parent, ": make it, and the ledger's directory in it with `sillok init`");
    else if (access(dir, R_OK | W_OK | X_OK) != 0)
        say_errno(look, dir, dir, ": make it with `sillok init`");
    else if (access(file, R_OK | W_OK) != 0)
        say_errno(look, dir, file, ": make the ledger with `sillok init`");
}

/* ---- keys ---- */

static const char *same_key(const struct look *look, const uint8_t key[SLK_KEY_SIZE])
{
    for (size_t i = 0; i < look->own_n; i++)
        if (memcmp(look->own[i].key, key, SLK_KEY_SIZE) == 0)
            return look->own[i].name;
    return NULL;
}

static void judge_key(struct look *look, const char *file, const struct slk_key *key, bool may_be_in_token)
{
    const char *other;
    char text[120];

    if (key == NULL && may_be_in_token) {
        say(look, file, true, "is in a token, which was not asked", "");
    } else if (key == NULL) {
        say(look, file, false, "is in a token, where only keys for votes and checkpoints can be",
            ": make a file with `sillok keygen`");
    } else if ((other = same_key(look, slk_key_public(key))) != NULL) {
        (void)snprintf(text, sizeof(text), "is the same key as %s", other);
        say(look, file, false, text, ": each is for one thing, make another with `sillok keygen`");
    } else {
        assert(look->own_n < OWN_KEYS_N);
        (void)slk_config_line(look->config, file, &look->own[look->own_n].name);
        memcpy(look->own[look->own_n++].key, slk_key_public(key), SLK_KEY_SIZE);
    }
}

static void look_at_key(struct look *look, const char *file, bool may_be_in_token)
{
    struct slk_fault fault = {0};
    struct slk_key *key;
    enum slk_err err;

    if (file[0] == '\0')
        return;
    err = slk_key_look(&key, file, &fault);
    if (err == SLK_OK)
        judge_key(look, file, key, may_be_in_token);
    else
        say_fault(look, file, err, &fault);
    slk_key_free(key);
}

static void look_at_keys(struct look *look)
{
    const struct slk_config *c = look->config;

    look_at_key(look, c->node_key, false);
    look_at_key(look, c->vote_key, true);
    look_at_key(look, c->log_key, true);
    look_at_key(look, c->cosign_key, true);
    look_at_key(look, c->next_vote_key, true);
    look_at_key(look, c->next_log_key, true);
    look_at_key(look, c->next_cosign_key, true);
    look_at_key(look, c->next_node_key, false);
}

/* ---- certificates ---- */

static void look_at_list(struct look *look, const char *file)
{
    struct slk_fault fault = {0};
    enum slk_err err = file[0] != '\0' ? slk_tls_web_check_list(file, &fault) : SLK_OK;

    if (err != SLK_OK)
        say_fault(look, file, err, &fault);
}

static void look_at_tls(struct look *look)
{
    const struct slk_config *c = look->config;
    struct slk_fault fault = {0};
    enum slk_err err = slk_tls_web_check_certificate(c->https_certificate, &fault);

    if (err != SLK_OK)
        say_fault(look, c->https_certificate, err, &fault);
    err = slk_tls_web_check_key(c->https_key, c->https_certificate, &fault);
    if (err != SLK_OK)
        say_fault(look, c->https_key, err, &fault);
    look_at_list(look, c->https_readers);
    look_at_list(look, c->https_submitters);
}

size_t slk_config_check_files(const struct slk_config *c, slk_config_found_fn *fn, void *ctx)
{
    struct look look = {.config = c, .say = fn, .ctx = ctx};
    bool has_http = c->http.host[0] != '\0' || c->http_socket[0] != '\0' || c->https.host[0] != '\0';

    look_at_ledger(&look, c->dir);
    look_at_keys(&look);
    if (c->https.host[0] != '\0')
        look_at_tls(&look);
    if (has_http && c->list_key[0] != '\0') {
        look_at_key(&look, c->list_key, false);
        if (!slk_status_base_is_good(c->list_uri))
            say(&look, c->list_uri, false, "is no address of lists",
                ": write https://HOST/PATH, without a query and without a slash at its end");
    }
    if (c->witnesses_n > 0)
        look_at_list(&look, c->witness_ca);
    return look.faults_n;
}
