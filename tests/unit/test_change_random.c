/* Random charter changes, judged by a second opinion: the sentences of protocol 2.14 over the whole past. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/change_world.h"

/* ---- a second opinion: the sentences of protocol 2.14, one after the other, over the whole past ---- */

#define PAST_MAX 256

struct past {
    struct slk_charter *charters[PAST_MAX]; /* all that ever were, the genesis charter first */
    uint64_t from[PAST_MAX];                /* the height each governs from */
    size_t n;
};

static const struct slk_charter *governs(const struct past *past, uint64_t height)
{
    size_t at = past->n - 1;

    while (past->from[at] > height)
        at--;
    return past->charters[at];
}

static bool signed_by(const uint8_t *sig, const uint8_t *key, const char *tag, const struct change_world *w,
    const struct slk_hash *hashes, size_t hashes_n, const uint8_t *rest, size_t rest_n)
{
    uint8_t bytes[256] = {0};
    size_t n = 16;

    memcpy(bytes, tag, strlen(tag));
    memcpy(bytes + n, w->machine.chain_id.b, 32);
    n += 32;
    for (size_t i = 0; i < hashes_n; i++, n += 32)
        memcpy(bytes + n, hashes[i].b, 32);
    memcpy(bytes + n, rest, rest_n);
    return slk_sig_verify(sig, bytes, n + rest_n, key);
}

static void big_endian(uint8_t *out, uint64_t v, size_t n)
{
    for (size_t i = n; i-- > 0; v >>= 8)
        out[i] = (uint8_t)v;
}

/* The i-th key of a charter: agency and use with it. False: there are no more. */
static bool key_at(
    const struct slk_charter *c, size_t i, const uint8_t **key, uint16_t *agency, uint32_t *use)
{
    if (i < 4 * c->members_n) {
        const struct slk_member *m = &c->members[i / 4];
        const uint8_t *const keys[] = {m->vote_key, m->cosign_key, m->log_key, m->node_key};

        *key = keys[i % 4];
        *agency = m->agency;
        *use = (uint32_t)(i % 4) + 1;
        return true;
    }
    i -= 4 * c->members_n;
    if (i >= c->issuers_n)
        return false;
    *key = c->issuers[i].public_key;
    *agency = c->issuers[i].agency;
    *use = 5;
    return true;
}

static bool holds(const struct slk_charter *c, const uint8_t *key, uint16_t agency, uint32_t use)
{
    const uint8_t *k;
    uint16_t a;
    uint32_t u;

    for (size_t i = 0; key_at(c, i, &k, &a, &u); i++)
        if (memcmp(k, key, 32) == 0 && (use == 0 || (a == agency && u == use)))
            return true;
    return false;
}

static bool naive_keys(const struct past *past, const struct change_world *w, const struct slk_charter *old,
    const struct slk_charter *next, const struct slk_change *c)
{
    size_t new_n = 0;
    const uint8_t *key;
    uint16_t agency;
    uint32_t use;

    for (size_t i = 0; key_at(next, i, &key, &agency, &use); i++) {
        bool shown = false;
        uint8_t rest[8];
        struct slk_hash as_hash;

        if (holds(old, key, agency, use))
            continue;
        new_n++;
        for (size_t k = 0; k < past->n; k++)
            if (holds(past->charters[k], key, 0, 0))
                return false;
        big_endian(rest, agency, 4);
        big_endian(rest + 4, use, 4);
        memcpy(as_hash.b, key, 32);
        for (size_t k = 0; k < c->possessions_n; k++)
            shown = shown ||
                    (memcmp(c->possessions[k].key, key, 32) == 0 &&
                        signed_by(c->possessions[k].signature, key, "sillok/pop/1", w, &as_hash, 1, rest, 8));
        if (!shown)
            return false;
    }
    return c->possessions_n == new_n;
}

static bool naive_members(const struct past *past, const struct change_world *w,
    const struct slk_charter *old, const struct slk_charter *next, const struct slk_change *c,
    uint64_t height)
{
    size_t joining = 0;

    for (size_t i = 0; i < next->members_n; i++) {
        const struct slk_member *m = &next->members[i], *was = slk_charter_member(old, m->agency);
        bool good = false;

        for (size_t k = 0; k < past->n && was == NULL; k++)
            if (slk_charter_member(past->charters[k], m->agency) != NULL)
                return false;
        if (m->role != SLK_VOTING || (was != NULL && was->role == SLK_VOTING))
            continue;
        joining++;
        for (size_t k = 0; k < c->readies_n; k++) {
            const struct slk_ready *r = &c->readies[k];
            uint8_t rest[44];
            struct slk_hash hash;

            if (r->agency != m->agency || r->height >= height || r->height + 1000 < height)
                continue;
            slk_block_hash(&hash, w->headers[r->height]);
            big_endian(rest, r->agency, 4);
            big_endian(rest + 4, r->height, 8);
            memcpy(rest + 12, hash.b, 32);
            good = slk_hash_equal(&hash, &r->block_hash) &&
                   signed_by(r->signature, m->vote_key, "sillok/ready/1", w, NULL, 0, rest, 44);
        }
        if (!good)
            return false;
    }
    return c->readies_n == joining;
}

static bool naive_approved(
    const struct change_world *w, const struct slk_charter *old, const struct slk_change *c, size_t *n)
{
    struct slk_hash hashes[2] = {old->hash};
    uint8_t rest[8];

    slk_charter_hash(&hashes[1], c->charter);
    big_endian(rest, c->activation, 8);
    *n = 0;
    for (size_t i = 0; i < c->approvals_n; i++) {
        const struct slk_member *m = slk_charter_member(old, c->approvals[i].agency);

        if (m == NULL || m->role != SLK_VOTING ||
            !signed_by(c->approvals[i].signature, m->vote_key, "sillok/approve/1", w, hashes, 2, rest, 8))
            return false;
        (*n)++;
    }
    return true;
}

/* Is this change good in the next block? */
static bool naive(const struct past *past, const struct change_world *w, const struct slk_change *c)
{
    uint64_t height = w->blocks_n;
    const struct slk_charter *old = governs(past, height);
    struct slk_charter *next = malloc(sizeof(*next));
    size_t voting = slk_charter_voting_n(old), approvals;
    bool good = past->from[past->n - 1] <= height && slk_charter_parse(next, c->charter) == SLK_OK &&
                slk_charter_validate(next, NULL) == SLK_OK;

    if (good)
        good = next->version == old->version + 1 && next->has_previous &&
               slk_hash_equal(&next->previous, &old->hash) && strcmp(next->origin, old->origin) == 0 &&
               next->created_at_ms >= old->created_at_ms && next->rules >= old->rules;
    for (size_t i = 0; good && i < old->types_n; i++) {
        const struct slk_credential_type *t = slk_charter_type(next, old->types[i].code);

        good = t != NULL && strcmp(t->name, old->types[i].name) == 0 &&
               t->status_list_size == old->types[i].status_list_size;
    }
    for (size_t i = 0; good && i < old->reasons_n; i++) {
        const struct slk_reason *r = slk_charter_reason(next, old->reasons[i].code);

        good = r != NULL && strcmp(r->name, old->reasons[i].name) == 0;
    }
    good = good && height + 1 <= c->activation && c->activation <= height + 10000;
    good =
        good && naive_approved(w, old, c, &approvals) && approvals >= voting - (voting - 1) / 3 && voting > 0;
    good = good && naive_keys(past, w, old, next, c) && naive_members(past, w, old, next, c, height);
    free(next);
    return good;
}

/* ---- random changes ---- */

static uint64_t dice;

static uint64_t below(uint64_t n)
{
    return sample_below(&dice, n);
}

static void rotate(uint8_t key[SLK_KEY_SIZE], unsigned number)
{
    struct sample_key fresh;

    sample_key(&fresh, number);
    memcpy(key, fresh.public, SLK_KEY_SIZE);
}

/* Key numbers: 1..239 are agencies', 300..999 offices' and fresh ones; some were used before, by chance. */
static void random_edit(struct slk_charter *c, unsigned *fresh)
{
    struct slk_member *m = &c->members[below(c->members_n)];
    char name[32];

    switch (below(12)) {
    case 0:
    case 1:
    case 2: {
        uint16_t agency = (uint16_t)(2 + below(56));

        if (slk_charter_member(c, agency) == NULL && c->members_n < 8)
            change_add_member(c, agency, below(4) == 0 ? SLK_OBSERVER : SLK_VOTING);
        break;
    }
    case 3:
        if (c->members_n > 1)
            change_remove_member(c, m->agency);
        break;
    case 4:
    case 5:
        if (c->issuers_n < 6 && m->agency < 60) {
            (void)snprintf(name, sizeof(name), "office-%u", ++*fresh);
            change_add_issuer(c, name, m->agency, 300 + *fresh % 600);
        }
        break;
    case 6:
        m->role = m->role == SLK_VOTING ? SLK_OBSERVER : SLK_VOTING;
        break;
    case 7:
        rotate(m->vote_key, 300 + ++*fresh % 600);
        break;
    case 8:
        rotate(m->cosign_key, (unsigned)(4 + below(60))); /* may be another's, or an old one */
        break;
    case 9:
        c->fresh_s = (uint32_t)(1 + below(1000));
        break;
    case 10:
        if (c->types_n < 6 && below(3) > 0) {
            c->types[c->types_n] = c->types[0];
            c->types[c->types_n].code = 100 + ++*fresh;
            (void)snprintf(c->types[c->types_n++].name, 20, "type-%u", *fresh);
        } else if (below(4) == 0) {
            c->types[below(c->types_n)].status_list_size++;
        }
        break;
    default:
        if (below(6) == 0)
            c->reasons[below(c->reasons_n)].name[0] = 'X';
        break;
    }
    slk_charter_sort(c);
}

static void random_damage(struct slk_change *c, const struct change_world *w, const struct slk_charter *next)
{
    switch (below(10)) {
    case 0:
        if (c->approvals_n > 0)
            c->approvals_n -= 1 + below(c->approvals_n);
        break;
    case 1:
        if (c->possessions_n > 0)
            c->possessions[below(c->possessions_n)].signature[below(64)] ^= (uint8_t)(1u << below(8));
        break;
    case 2:
        if (c->readies_n > 0) {
            struct slk_ready *r = &c->readies[below(c->readies_n)];

            r->height = below(w->blocks_n + 3);
            slk_block_hash(&r->block_hash, w->headers[r->height < w->blocks_n ? r->height : 0]);
            change_sign_ready(r, w, slk_charter_member(next, r->agency)->vote_key);
        }
        break;
    case 3:
        if (c->possessions_n > 0)
            c->possessions_n--;
        break;
    case 4:
        c->activation += below(3);
        break;
    case 5: /* as many as need be, not all */
        if (c->approvals_n > slk_charter_quorum(w->machine.charter))
            c->approvals_n = slk_charter_quorum(w->machine.charter);
        break;
    default:
        break;
    }
}

static void remember(struct past *past, const struct slk_charter *c, uint64_t from)
{
    struct slk_charter *copy = malloc(sizeof(*copy));

    assert_true(copy != NULL && past->n < PAST_MAX);
    *copy = *c;
    past->charters[past->n] = copy;
    past->from[past->n++] = from;
}

static void random_changes_are_judged_as_the_protocol_says(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_change *c = malloc(sizeof(*c));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    struct past past = {.n = 0};
    unsigned fresh = 0, good_n = 0, bad_n = 0;
    const char *seed = getenv("SLK_SEED");

    (void)state;
    dice = seed != NULL ? strtoull(seed, NULL, 10) : 20260714;
    remember(&past, w->genesis, 0);
    for (unsigned round = 0; round < 900; round++) {
        const struct slk_charter *now = governs(&past, w->blocks_n);
        struct slk_charter *next = change_world_successor(w), *pending;
        enum slk_change_rule rule;
        struct slk_span entry;
        uint64_t activation;
        bool good;

        assert_true(slk_hash_equal(&now->hash, &w->machine.charter->hash));
        for (uint64_t edits = 1 + below(3); edits > 0; edits--)
            random_edit(next, &fresh);
        change_fill(c, bytes, w, next, w->machine.tip.height + 1 + below(8));
        if (below(2) == 0)
            random_damage(c, w, next);
        entry = change_print(c);
        good = naive(&past, w, c);
        rule = change_world_try(w, entry);
        if (good != (rule == SLK_CHANGE_OK))
            fail_msg(
                "round %u: the protocol says %d, the judge says %s", round, good, slk_change_rule_name(rule));
        good_n += good;
        bad_n += !good;
        if (good && below(3) > 0) {
            activation = c->activation;
            assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
            pending = malloc(sizeof(*pending));
            assert_int_equal(slk_charter_parse(pending, c->charter), SLK_OK);
            remember(&past, pending, activation);
            free(pending);
        } else {
            change_world_pass(w, 1 + below(2));
        }
        change_drop(entry);
        free(next);
        if (past.n == PAST_MAX)
            break;
    }
    assert_true(good_n > 100 && bad_n > 100 && past.n > 60);
    for (size_t i = 0; i < past.n; i++)
        free(past.charters[i]);
    free(bytes);
    free(c);
    change_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_are_judged_as_the_protocol_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
