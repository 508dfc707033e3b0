#include "ledger/embed/change.h"

#include <string.h>

static bool is_key(const struct slk_key *key, const uint8_t public_key[SLK_KEY_SIZE])
{
    return memcmp(slk_key_public(key), public_key, SLK_KEY_SIZE) == 0;
}

static enum slk_err approve(struct slk_change *change, const struct slk_change_place *place,
    const struct slk_key *key, unsigned *said)
{
    uint8_t statement[SLK_APPROVE_STATEMENT_SIZE];
    struct slk_hash next_hash;

    slk_charter_hash(&next_hash, change->charter);
    slk_approve_statement(statement, &place->chain_id, &place->old->hash, &next_hash, change->activation);
    for (size_t i = 0; i < place->old->members_n; i++) {
        const struct slk_member *m = &place->old->members[i];
        struct slk_approval approval = {.agency = m->agency};

        if (m->role != SLK_VOTING || !is_key(key, m->vote_key))
            continue;
        if (slk_key_sign(key, approval.signature, statement, sizeof(statement)) != SLK_OK)
            return SLK_E_KEY;
        if (!slk_change_put_approval(change, &approval))
            return SLK_E_TOO_LARGE;
        *said |= SLK_SAID_APPROVAL;
    }
    return SLK_OK;
}

static enum slk_err possess(struct slk_change *change, const struct slk_change_place *place,
    const struct slk_key *key, unsigned *said)
{
    struct slk_charter_key keys[SLK_CHARTER_KEYS_MAX];
    size_t n = slk_charter_new_keys(keys, place->old, place->next);

    for (size_t i = 0; i < n; i++) {
        uint8_t statement[SLK_POSSESS_STATEMENT_SIZE];
        struct slk_possession possession;

        if (!is_key(key, keys[i].key))
            continue;
        memcpy(possession.key, keys[i].key, SLK_KEY_SIZE);
        slk_possess_statement(statement, &place->chain_id, keys[i].key, keys[i].agency, keys[i].use);
        if (slk_key_sign(key, possession.signature, statement, sizeof(statement)) != SLK_OK)
            return SLK_E_KEY;
        if (!slk_change_put_possession(change, &possession))
            return SLK_E_TOO_LARGE;
        *said |= SLK_SAID_POSSESSION;
    }
    return SLK_OK;
}

static enum slk_err get_ready(struct slk_change *change, const struct slk_change_place *place,
    const struct slk_key *key, unsigned *said)
{
    for (size_t i = 0; i < place->next->members_n; i++) {
        const struct slk_member *m = &place->next->members[i];
        struct slk_ready ready = {
            .agency = m->agency, .height = place->height, .block_hash = place->block_hash};
        uint8_t statement[SLK_READY_STATEMENT_SIZE];

        if (!slk_member_joins(m, place->old) || !is_key(key, m->vote_key))
            continue;
        slk_ready_statement(statement, &place->chain_id, &ready);
        if (slk_key_sign(key, ready.signature, statement, sizeof(statement)) != SLK_OK)
            return SLK_E_KEY;
        if (!slk_change_put_ready(change, &ready))
            return SLK_E_TOO_LARGE;
        *said |= SLK_SAID_READY;
    }
    return SLK_OK;
}

enum slk_err slk_change_sign(struct slk_change *change, const struct slk_change_place *place,
    const struct slk_key *key, unsigned *said)
{
    enum slk_err err;

    *said = 0;
    err = approve(change, place, key, said);
    if (err == SLK_OK)
        err = possess(change, place, key, said);
    return err == SLK_OK ? get_ready(change, place, key, said) : err;
}
