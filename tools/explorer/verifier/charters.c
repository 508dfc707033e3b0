/* charters.c: a charter of the chain, read whole, and who approved it. What binds charters together is hashes: a page compares them. */
#include <stdlib.h>
#include <string.h>

#include "ledger/core/change.h"
#include "ledger/verify/sig.h"
#include "tools/explorer/verifier/wasm.h"

static void put_text(const char *name, const char *text)
{
    json_put("\"%s\":", name);
    json_text(text, strlen(text));
    json_put(",");
}

static void put_bytes(const char *name, const uint8_t *bytes, size_t n)
{
    json_put("\"%s\":", name);
    json_hex(bytes, n);
    json_put(",");
}

static void put_number(const char *name, uint64_t value)
{
    json_put("\"%s\":%llu,", name, (unsigned long long)value);
}

static void put_members(const struct slk_charter *c)
{
    json_put("\"members\":[");
    for (size_t i = 0; i < c->members_n; i++) {
        const struct slk_member *m = &c->members[i];

        json_put("%s{", i > 0 ? "," : "");
        put_number("agency", m->agency);
        put_text("name", m->name);
        put_bytes("vote", m->vote_key, SLK_KEY_SIZE);
        put_bytes("cosign", m->cosign_key, SLK_KEY_SIZE);
        put_bytes("log", m->log_key, SLK_KEY_SIZE);
        put_bytes("node", m->node_key, SLK_KEY_SIZE);
        json_put("\"addresses\":[");
        for (size_t k = 0; k < m->addresses_n; k++) {
            json_put("%s", k > 0 ? "," : "");
            json_text(m->addresses[k], strlen(m->addresses[k]));
        }
        json_put("],\"role\":\"%s\"}", m->role == SLK_VOTING ? "voting" : "observer");
    }
    json_put("],");
}

static void put_issuers(const struct slk_charter *c)
{
    json_put("\"issuers\":[");
    for (size_t i = 0; i < c->issuers_n; i++) {
        const struct slk_issuer *s = &c->issuers[i];
        const char *comma = "";

        json_put("%s{", i > 0 ? "," : "");
        put_text("name", s->name);
        put_number("agency", s->agency);
        put_bytes("key", s->public_key, SLK_KEY_SIZE);
        put_number("notBefore", s->not_before_s);
        put_number("notAfter", s->not_after_s);
        json_put("\"kinds\":[");
        for (unsigned kind = 1; kind < SLK_KIND_N; kind++)
            if ((s->kinds >> kind & 1) != 0) {
                json_put("%s\"%s\"", comma, slk_kind_name((enum slk_kind)kind));
                comma = ",";
            }
        json_put("],\"types\":[");
        for (size_t k = 0; k < s->types_n; k++)
            json_put("%s%u", k > 0 ? "," : "", (unsigned)s->types[k]);
        json_put("],\"any\":%s}", s->any_agency ? "true" : "false");
    }
    json_put("],");
}

static void put_codes(const struct slk_charter *c)
{
    json_put("\"types\":[");
    for (size_t i = 0; i < c->types_n; i++) {
        json_put("%s{", i > 0 ? "," : "");
        put_text("name", c->types[i].name);
        put_number("maxValidity", c->types[i].max_validity_s);
        json_put("\"code\":%u}", (unsigned)c->types[i].code);
    }
    json_put("],\"reasons\":[");
    for (size_t i = 0; i < c->reasons_n; i++) {
        json_put("%s{", i > 0 ? "," : "");
        put_text("name", c->reasons[i].name);
        json_put("\"code\":%u}", (unsigned)c->reasons[i].code);
    }
    json_put("],\"settings\":{");
    put_number("block_events", c->block_events);
    put_number("block_bytes", c->block_bytes);
    put_number("submission_events", c->submission_events);
    put_number("delta_ms", c->delta_ms);
    put_number("heartbeat_s", c->heartbeat_s);
    put_number("fresh_s", c->fresh_s);
    json_put("\"rules\":%u},", (unsigned)c->rules);
}

static void put_charter(const struct slk_charter *c)
{
    put_text("origin", c->origin);
    put_number("version", c->version);
    put_number("created", c->created_at_ms);
    put_bytes("hash", c->hash.b, SLK_HASH_SIZE);
    put_bytes("previous", c->previous.b, SLK_HASH_SIZE); /* zeros: the first */
    put_number("voting", slk_charter_voting_n(c));
    put_number("quorum", slk_charter_quorum(c));
    put_members(c);
    put_issuers(c);
    put_codes(c);
}

static bool is_approved(const struct slk_charter *old, const struct slk_charter *next,
    const struct slk_change *change, const struct slk_approval *a, const struct slk_hash *chain_id)
{
    const struct slk_member *member = slk_charter_member(old, a->agency);
    uint8_t statement[SLK_APPROVE_STATEMENT_SIZE];

    if (member == NULL || member->role != SLK_VOTING)
        return false;
    slk_approve_statement(statement, chain_id, &old->hash, &next->hash, change->activation);
    return slk_sig_verify(a->signature, statement, sizeof(statement), member->vote_key);
}

/* Which agencies' approvals are good under the charter before, and whether they are enough: its quorum. */
static void put_approvals(const struct slk_charter *old, const struct slk_charter *next,
    const struct slk_change *change, const struct slk_hash *chain_id)
{
    size_t good_n = 0;

    put_number("activation", change->activation);
    json_put("\"approvals\":[");
    for (size_t i = 0; i < change->approvals_n; i++) {
        if (!is_approved(old, next, change, &change->approvals[i], chain_id))
            continue;
        json_put("%s%u", good_n > 0 ? "," : "", (unsigned)change->approvals[i].agency);
        good_n++;
    }
    json_put("],\"approved\":%s,", good_n >= slk_charter_quorum(old) ? "true" : "false");
}

static enum slk_err read_charter(struct slk_charter **out, const uint8_t *bytes, uint32_t size)
{
    struct slk_entry entry;
    enum slk_err err = slk_entry_parse(&entry, slk_span_of(bytes, size));

    *out = malloc(sizeof(**out));
    if (*out == NULL)
        return SLK_E_NOMEM;
    if (err == SLK_OK && entry.type != SLK_ENTRY_CHARTER)
        err = SLK_E_MALFORMED;
    return err == SLK_OK ? slk_charter_parse(*out, entry.charter) : err;
}

/* The charter in an entry of the log, with its leaf hash. `before`: the entry of the charter before it and `first` that of the
 * chain's first, from which the chain has its name; both of size 0 for the first itself. {"error"}: it is none. */
WASM_EXPORT("charter")
const char *wasm_charter(const uint8_t *bytes, uint32_t size, const uint8_t *before, uint32_t before_size,
    const uint8_t *first, uint32_t first_size)
{
    struct slk_change *change = malloc(sizeof(*change));
    struct slk_charter *next = NULL, *old = NULL;
    struct slk_hash leaf, chain_id = {{0}};
    struct slk_entry genesis;
    enum slk_err err = change == NULL ? SLK_E_NOMEM : read_charter(&next, bytes, size);

    if (err == SLK_OK && before_size > 0) {
        err = read_charter(&old, before, before_size);
        if (err == SLK_OK)
            err = slk_change_parse(change, slk_span_of(bytes, size));
        if (err == SLK_OK)
            err = slk_entry_parse(&genesis, slk_span_of(first, first_size));
        if (err == SLK_OK)
            slk_charter_chain_id(&chain_id, genesis.charter);
    }
    json_begin();
    json_put("{");
    if (err == SLK_OK) {
        slk_hash_leaf(&leaf, bytes, size);
        put_bytes("leaf", leaf.b, SLK_HASH_SIZE);
        put_charter(next);
        if (old != NULL)
            put_approvals(old, next, change, &chain_id);
        json_put("\"ok\":true}");
    } else {
        json_put("\"error\":\"%s\",\"message\":\"%s\"}", slk_err_name(err), slk_err_text(err));
    }
    free(old);
    free(next);
    free(change);
    return json_end();
}
