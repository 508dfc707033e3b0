#include "tools/charter_edit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/embed/keys.h"

#define KEY_VALID_S (UINT64_C(10) * 366 * 86400) /* issuers' keys, unless the text is edited */

static bool public_key(
    const struct cli *cli, const char *dir, const char *name, const char *use, uint8_t out[SLK_KEY_SIZE])
{
    struct slk_fault fault = {0};
    struct slk_key *key = NULL;
    char path[4096];
    enum slk_err err;

    snprintf(path, sizeof(path), "%s/%s%s%s.pem", dir, name, use[0] != '\0' ? "." : "", use);
    err = slk_key_load(&key, path, &fault);
    if (err == SLK_E_NOT_FOUND)
        cli_fail(cli, CLI_UNSURE,
            "%s: there is no such key: `sillok keygen %s DIR %s` makes it, and %s DIR says where", path,
            use[0] != '\0' ? "--member" : "--issuer", name,
            strcmp(cli->command->name, "charter new") == 0 ? "--keys" : "--new-keys");
    else if (err != SLK_OK)
        cli_fault(cli, CLI_UNSURE, NULL, err, &fault);
    else
        memcpy(out, slk_key_public(key), SLK_KEY_SIZE);
    slk_key_free(key);
    return err == SLK_OK;
}

/* "NAME=AGENCY". */
static bool split(
    const struct cli *cli, const char *text, char name[SLK_CHARTER_NAME_MAX + 1], uint16_t *agency)
{
    const char *equals = strrchr(text, '=');
    size_t size = equals != NULL ? (size_t)(equals - text) : 0;
    uint64_t number = 0;

    if (size == 0 || size > SLK_CHARTER_NAME_MAX ||
        !slk_decimal_parse(&number, UINT16_MAX, equals + 1, strlen(equals + 1)) || number == 0) {
        cli_fail(cli, 0, "%s: write NAME=AGENCY, the agency's number being 1 to %d", text, UINT16_MAX);
        return false;
    }
    memcpy(name, text, size);
    name[size] = '\0';
    *agency = (uint16_t)number;
    return true;
}

static bool add_members(const struct cli *cli, const struct charter_edit *edit, const struct cli_list *list,
    enum slk_role role, struct slk_charter *c)
{
    for (size_t i = 0; i < list->n; i++) {
        struct slk_member *m = &c->members[c->members_n];

        if (c->members_n == SLK_CHARTER_MEMBERS_MAX) {
            cli_fail(cli, 0, "more than %d members", SLK_CHARTER_MEMBERS_MAX);
            return false;
        }
        m->role = role;
        if (!split(cli, list->at[i], m->name, &m->agency) ||
            !public_key(cli, edit->keys_dir, m->name, "vote", m->vote_key) ||
            !public_key(cli, edit->keys_dir, m->name, "cosign", m->cosign_key) ||
            !public_key(cli, edit->keys_dir, m->name, "log", m->log_key) ||
            !public_key(cli, edit->keys_dir, m->name, "node", m->node_key))
            return false;
        c->members_n++;
    }
    return true;
}

static bool add_issuers(const struct cli *cli, const struct charter_edit *edit, const struct cli_list *list,
    bool any_agency, struct slk_charter *c)
{
    for (size_t i = 0; i < list->n; i++) {
        struct slk_issuer *issuer = &c->issuers[c->issuers_n];

        if (c->issuers_n == SLK_CHARTER_ISSUERS_MAX) {
            cli_fail(cli, 0, "more than %d issuers", SLK_CHARTER_ISSUERS_MAX);
            return false;
        }
        if (!split(cli, list->at[i], issuer->name, &issuer->agency) ||
            !public_key(cli, edit->keys_dir, issuer->name, "", issuer->public_key))
            return false;
        issuer->kinds = any_agency ? 1u << SLK_LOCK : SLK_KINDS_ALL;
        issuer->any_agency = any_agency;
        issuer->not_before_s = c->created_at_ms / 1000;
        issuer->not_after_s = issuer->not_before_s + KEY_VALID_S;
        for (size_t t = 0; t < c->types_n; t++)
            issuer->types[issuer->types_n++] = c->types[t].code;
        c->issuers_n++;
    }
    return true;
}

/* ---- those that are there ---- */

static struct slk_member *find_member(struct slk_charter *c, const char *name)
{
    for (size_t i = 0; i < c->members_n; i++)
        if (strcmp(c->members[i].name, name) == 0)
            return &c->members[i];
    return NULL;
}

static struct slk_issuer *find_issuer(struct slk_charter *c, const char *name)
{
    for (size_t i = 0; i < c->issuers_n; i++)
        if (strcmp(c->issuers[i].name, name) == 0)
            return &c->issuers[i];
    return NULL;
}

static bool not_found(const struct cli *cli, const char *name)
{
    cli_fail(
        cli, 0, "%s: no member and no issuer of the charter has this name; see `sillok charter show`", name);
    return false;
}

static bool take_out(const struct cli *cli, const char *name, struct slk_charter *c)
{
    struct slk_member *m = find_member(c, name);
    struct slk_issuer *issuer = m == NULL ? find_issuer(c, name) : NULL;

    if (m != NULL) {
        c->members_n--;
        memmove(m, m + 1, (size_t)(c->members + c->members_n - m) * sizeof(*m));
    } else if (issuer != NULL) {
        c->issuers_n--;
        memmove(issuer, issuer + 1, (size_t)(c->issuers + c->issuers_n - issuer) * sizeof(*issuer));
    }
    return m != NULL || issuer != NULL || not_found(cli, name);
}

static bool has_file(const char *dir, const char *name, const char *use)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s%s%s.pem", dir, name, use[0] != '\0' ? "." : "", use);

    return n > 0 && n < (int)sizeof(path) && access(path, F_OK) == 0;
}

/* Of a member those keys of which there is a file. */
static bool rotate(const struct cli *cli, const char *dir, const char *name, struct slk_charter *c)
{
    struct slk_member *m = find_member(c, name);
    struct slk_issuer *issuer = m == NULL ? find_issuer(c, name) : NULL;
    static const char *const uses[] = {"vote", "cosign", "log", "node"};
    bool any = false;

    if (issuer != NULL)
        return public_key(cli, dir, name, "", issuer->public_key);
    if (m == NULL)
        return not_found(cli, name);
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        uint8_t *const keys[] = {m->vote_key, m->cosign_key, m->log_key, m->node_key};

        if (!has_file(dir, name, uses[i]))
            continue;
        if (!public_key(cli, dir, name, uses[i], keys[i]))
            return false;
        any = true;
    }
    if (!any)
        cli_fail(cli, 0, "%s: no key of %s is there: make them with `sillok keygen --member`", dir, name);
    return any;
}

bool charter_edit(struct cli *cli, const struct charter_edit *edit, struct slk_charter *c)
{
    cli->exit_code = CLI_UNSURE;
    for (size_t i = 0; i < edit->removed.n; i++)
        if (!take_out(cli, edit->removed.at[i], c))
            return false;
    for (size_t i = 0; i < edit->rotated.n; i++)
        if (!rotate(cli, edit->keys_dir, edit->rotated.at[i], c))
            return false;
    if (!add_members(cli, edit, &edit->members, SLK_VOTING, c) ||
        !add_members(cli, edit, &edit->observers, SLK_OBSERVER, c) ||
        !add_issuers(cli, edit, &edit->issuers, false, c) || !add_issuers(cli, edit, &edit->desks, true, c))
        return false;
    slk_charter_sort(c);
    return true;
}
