/* node_keys.c: which of the keys count. The charter in force says, and from one block to the next it may be another: a node is given
 * the keys of a charter to come beside those of the present one, and changes over without being stopped. */
#include <stdio.h>
#include <string.h>

#include "net/node_private.h"

enum { KEYS_N = 6 };

static const char *const key_names[KEYS_N] = {
    "vote_key", "next_vote_key", "log_key", "next_log_key", "cosign_key", "next_cosign_key"};

static void list_keys(const struct slk_node_options *o, const struct slk_key *out[KEYS_N])
{
    const struct slk_key *const all[KEYS_N] = {
        o->vote_key, o->next_vote_key, o->log_key, o->next_log_key, o->cosign_key, o->next_cosign_key};

    memcpy(out, all, sizeof(all));
}

static bool is_key(const struct slk_key *key, const uint8_t public_key[SLK_KEY_SIZE])
{
    return key != NULL && memcmp(slk_key_public(key), public_key, SLK_KEY_SIZE) == 0;
}

static const struct slk_key *which(
    const struct slk_key *present, const struct slk_key *next, const uint8_t public_key[SLK_KEY_SIZE])
{
    if (is_key(present, public_key))
        return present;
    return is_key(next, public_key) ? next : NULL;
}

/* ---- what is given ---- */

/* Signing as another agency would be a lie, and as this one with its key for something else a mix-up. */
static bool is_strange(
    const struct slk_charter *charter, uint16_t agency, const struct slk_key *key, size_t place)
{
    for (size_t i = 0; i < charter->members_n; i++) {
        const struct slk_member *m = &charter->members[i];
        const uint8_t *const named[] = {m->vote_key, m->log_key, m->cosign_key, m->node_key};

        for (size_t use = 0; use < sizeof(named) / sizeof(named[0]); use++)
            if (is_key(key, named[use]) && (m->agency != agency || use != place / 2))
                return true;
    }
    return false;
}

enum slk_err slk_node_check_keys(
    const struct slk_node *node, const struct slk_node_options *keys, struct slk_fault *fault)
{
    const struct slk_charter *charter = slk_charters_now(node->ledger->machine.charters);
    const struct slk_key *all[KEYS_N];

    list_keys(keys, all);
    for (size_t i = 0; i < KEYS_N; i++) {
        for (size_t k = 0; all[i] != NULL && k < i; k++) {
            if (all[k] == NULL || !is_key(all[i], slk_key_public(all[k])))
                continue;
            snprintf(fault->text, sizeof(fault->text),
                "%s and %s are one key, which may stand for one thing only: make another with sillok keygen",
                key_names[k], key_names[i]);
            return SLK_E_KEY;
        }
        if (all[i] != NULL && is_strange(charter, node->options.agency, all[i], i)) {
            snprintf(fault->text, sizeof(fault->text),
                "%s is a key that the charter names for another agency than %u, or for another use: give "
                "this "
                "agency's own",
                key_names[i], node->options.agency);
            return SLK_E_KEY;
        }
    }
    return SLK_OK;
}

enum slk_err slk_node_set_keys(
    struct slk_node *node, const struct slk_node_options *keys, struct slk_fault *fault)
{
    const struct slk_key *vote = node->vote_key;
    enum slk_err err;

    *fault = (struct slk_fault){0};
    slk_node_settle(node);
    err = slk_node_check_keys(node, keys, fault);
    if (err != SLK_OK)
        return err;
    if (vote != NULL) { /* the core may ask for its signature at any time */
        vote = which(keys->vote_key, keys->next_vote_key, slk_key_public(vote));
        if (vote == NULL) {
            snprintf(fault->text, sizeof(fault->text),
                "neither vote_key nor next_vote_key is the key with which this node votes: keep it until a "
                "charter "
                "names another, or restart");
            return SLK_E_KEY;
        }
    }
    node->vote_key = vote;
    node->options.vote_key = keys->vote_key;
    node->options.log_key = keys->log_key;
    node->options.cosign_key = keys->cosign_key;
    node->options.next_vote_key = keys->next_vote_key;
    node->options.next_log_key = keys->next_log_key;
    node->options.next_cosign_key = keys->next_cosign_key;
    node->keys_charter = slk_hash_zero;
    node->is_key_warned = false;
    if (!slk_node_choose_signers(node))
        node->own_n = 0; /* nothing is signed again */
    slk_node_cosign(node, slk_store_tip(node->ledger->store)->height);
    return SLK_OK;
}

/* ---- what counts ---- */

void slk_node_choose_vote_key(struct slk_node *node)
{
    const struct slk_node_options *o = &node->options;
    const struct slk_member *m = slk_charter_member(slk_node_charter(node), o->agency);
    const struct slk_key *before = node->vote_key;

    node->vote_key =
        m != NULL && m->role == SLK_VOTING ? which(o->vote_key, o->next_vote_key, m->vote_key) : NULL;
    if (node->vote_key == before || node->status.blocks_n == 0)
        return;
    SLK_SAY(o->log, SLK_SAY_INFO, "voter",
        SLK_SAY_NUMBER("from", slk_store_tip(node->ledger->store)->height + 1),
        SLK_SAY_TEXT("votes", node->vote_key != NULL ? "yes" : "no"),
        SLK_SAY_TEXT("key", node->vote_key == NULL          ? "none"
                            : node->vote_key == o->vote_key ? "vote_key"
                                                            : "next_vote_key"));
    if (node->vote_key != NULL) { /* they were about the key before */
        slk_node_lower_alarm(node, "AMNESIA");
        slk_node_lower_alarm(node, "KEYS");
    }
}

/* The tip is signed by members of the charter that governs the next block; by one that has left, once more. */
bool slk_node_choose_signers(struct slk_node *node)
{
    const struct slk_node_options *o = &node->options;
    const struct slk_charters *all = node->ledger->machine.charters;
    const struct slk_member *m = slk_charter_member(slk_charters_now(all), o->agency);
    struct slk_ledger_options *signing = &node->ledger->options;

    if (m == NULL)
        m = slk_charter_member(slk_charters_last(all), o->agency);
    signing->log_key = m != NULL ? which(o->log_key, o->next_log_key, m->log_key) : NULL;
    signing->cosign_key = m != NULL ? which(o->cosign_key, o->next_cosign_key, m->cosign_key) : NULL;
    if (signing->log_key != NULL && signing->cosign_key != NULL)
        return true;
    signing->log_key = signing->cosign_key = NULL;
    return false;
}

/* ---- what lacks ---- */

static const char *missing(const struct slk_node *node, const struct slk_member *m)
{
    const struct slk_node_options *o = &node->options;

    if (m->role == SLK_VOTING && (o->vote_key != NULL || o->next_vote_key != NULL) && node->vote_key == NULL)
        return "vote_key";
    if ((o->log_key != NULL || o->next_log_key != NULL) &&
        which(o->log_key, o->next_log_key, m->log_key) == NULL)
        return "log_key";
    if ((o->cosign_key != NULL || o->next_cosign_key != NULL) &&
        which(o->cosign_key, o->next_cosign_key, m->cosign_key) == NULL)
        return "cosign_key";
    return NULL;
}

/* Once at the start, when perhaps it is only far behind; then once for each charter, and not for those of the past, which a node
 * that catches up goes through. */
void slk_node_keys_run(struct slk_node *node)
{
    const struct slk_hash *charter_hash = &node->council.charter_hash;
    bool is_start = node->status.blocks_n == 0;
    const struct slk_member *m;
    struct slk_bft_view_of look;
    const char *key;

    if (is_start ? node->is_key_warned : slk_hash_equal(&node->keys_charter, charter_hash))
        return;
    slk_bft_look(node->core, &look);
    if (look.certain > slk_store_tip(node->ledger->store)->height)
        return;
    node->is_key_warned = true;
    if (!is_start)
        node->keys_charter = *charter_hash;
    slk_node_settle(node);
    m = slk_charter_member(slk_node_charter(node), node->options.agency);
    key = m != NULL ? missing(node, m) : NULL;
    if (key == NULL)
        return;
    if (is_start) {
        SLK_SAY(node->options.log, SLK_SAY_WARN, "key_not_named", SLK_SAY_TEXT("key", key),
            SLK_SAY_NUMBER("charter", slk_node_charter(node)->version),
            SLK_SAY_TEXT("why",
                "the charter at this height names another key for this agency: the node follows the "
                "chain until a charter names this one"));
        return;
    }
    SLK_SAY(node->options.log, SLK_SAY_ERROR, "key_missing", SLK_SAY_TEXT("key", key),
        SLK_SAY_NUMBER("charter", slk_node_charter(node)->version),
        SLK_SAY_TEXT("votes", node->vote_key != NULL ? "yes" : "no"),
        SLK_SAY_TEXT("why",
            "the charter in force names another key for this agency than those given: give it as "
            "next_... in [node], and reload"));
    slk_node_raise_alarm(node, "KEYS", false);
}
