/* node_sign.c: what the node has signed by a key that is held elsewhere: asked for after SAVE, sent when the signature is there.
 * A token that is away costs this member its votes, not its safety: what was saved stays saved, nothing else is signed in its place. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/node_private.h"

struct vote_job {
    struct slk_sign_job job;
    struct slk_vote vote;
};

struct tip_job {
    struct slk_sign_job job;
    struct slk_tip_note note;
};

struct lists_job {
    struct slk_sign_job job;
    uint64_t size, time_s;
};

struct receipt_job {
    struct slk_sign_job job;
    struct slk_receipt receipt;
    struct slk_pooled_id id;
    uint16_t peer; /* SLK_MESH_NOBODY: none is owed it */
};

bool slk_node_signs_later(const struct slk_node *node, const struct slk_key *key)
{
    return node->options.signer != NULL && key != NULL && slk_key_is_held_elsewhere(key);
}

static void add_part(struct slk_sign_job *job, const struct slk_key *key, const void *bytes, size_t size)
{
    struct slk_sign_part *part = &job->part[job->parts_n++];

    assert(size <= sizeof(part->bytes));
    part->key = slk_key_keep(key);
    memcpy(part->bytes, bytes, size);
    part->size = size;
}

/* Memory that runs out ends the node, as everywhere. */
static void *new_job(struct slk_node *node, size_t size, enum slk_sign_kind kind)
{
    struct slk_sign_job *job = calloc(1, size);

    if (job == NULL)
        slk_node_fail(node, SLK_E_NOMEM, NULL);
    else
        job->kind = kind;
    return job;
}

/* ---- asking ---- */

void slk_node_ask_vote(struct slk_node *node, const struct slk_vote *vote, const uint8_t *bytes, size_t size)
{
    struct vote_job *v = new_job(node, sizeof(*v), SLK_SIGN_VOTE);

    if (v == NULL)
        return;
    v->vote = *vote;
    v->job.height = vote->statement.height;
    add_part(&v->job, node->vote_key, bytes, size);
    (void)slk_signer_ask(node->options.signer, &v->job); /* votes are always taken */
}

/* One at a time: when it comes back for another tip than there is then, the newest is asked for. */
void slk_node_ask_tip(struct slk_node *node)
{
    const struct slk_ledger_options *keys = &node->ledger->options;
    struct tip_job *t;

    if (node->is_tip_asked)
        return;
    t = new_job(node, sizeof(*t), SLK_SIGN_TIP);
    if (t == NULL)
        return;
    t->job.height = slk_store_tip(node->ledger->store)->height;
    if (slk_ledger_word_tip(node->ledger, &t->note) != SLK_OK) {
        slk_signer_job_free(&t->job);
        slk_node_fail(node, SLK_E_TOO_LARGE, NULL);
        return;
    }
    add_part(&t->job, keys->log_key, t->note.text, t->note.text_n);
    add_part(&t->job, keys->cosign_key, t->note.message, t->note.message_n);
    node->is_tip_asked = true;
    (void)slk_signer_ask(node->options.signer, &t->job); /* tips are always taken */
}

/* One at a time, as tips. */
void slk_node_ask_lists(
    struct slk_node *node, const struct slk_key *key, uint64_t time_s, struct slk_span message)
{
    struct lists_job *l = new_job(node, sizeof(*l), SLK_SIGN_LISTS);

    if (l == NULL)
        return;
    l->size = node->lists.size;
    l->time_s = time_s;
    l->job.height = UINT64_MAX; /* lists do not go out of date with the next block */
    add_part(&l->job, key, message.at, message.size);
    node->lists.is_asked = true;
    (void)slk_signer_ask(node->options.signer, &l->job); /* always taken */
}

bool slk_node_ask_receipt(
    struct slk_node *node, const struct slk_receipt *receipt, const struct slk_pooled_id *id, uint16_t peer)
{
    struct receipt_job *r = new_job(node, sizeof(*r), SLK_SIGN_RECEIPT);
    uint8_t bytes[SLK_RECEIPT_BYTES];

    if (r == NULL)
        return false;
    r->receipt = *receipt;
    r->id = *id;
    r->peer = peer;
    slk_receipt_bytes(bytes, slk_ledger_chain_id(node->ledger), receipt);
    add_part(&r->job, node->vote_key, bytes, sizeof(bytes));
    if (slk_signer_ask(node->options.signer, &r->job))
        return true;
    slk_signer_job_free(&r->job);
    return false;
}

/* ---- what came of it ---- */

/* The core drops a vote for a height that was decided meanwhile; one who has to be silent since says nothing either. */
static void take_vote(struct slk_node *node, const struct vote_job *v)
{
    struct slk_node_input *input;
    struct slk_bft_view_of look;

    slk_bft_look(node->core, &look);
    if (v->job.err != SLK_OK || look.muted || v->vote.statement.height != look.height ||
        v->vote.signer != look.me)
        return;
    input = slk_node_input(node, SLK_IN_SIGNED);
    input->vote = v->vote;
    memcpy(input->vote.sig, v->job.part[0].sig, SLK_SIGNATURE_SIZE);
    input->in.vote = &input->vote;
    slk_node_pump(node);
}

static void take_tip(struct slk_node *node, struct tip_job *t)
{
    node->is_tip_asked = false;
    memcpy(t->note.log_sig, t->job.part[0].sig, SLK_SIGNATURE_SIZE);
    memcpy(t->note.cosign_sig, t->job.part[1].sig, SLK_SIGNATURE_SIZE);
    slk_node_tip_signed(node, t->job.err == SLK_OK ? &t->note : NULL, t->job.part[0].key, t->job.part[1].key);
}

static void take_job(struct slk_node *node, struct slk_sign_job *job)
{
    switch (job->kind) {
    case SLK_SIGN_VOTE:
        take_vote(node, (const struct vote_job *)job);
        return;
    case SLK_SIGN_TIP:
        take_tip(node, (struct tip_job *)job);
        return;
    case SLK_SIGN_LISTS: {
        const struct lists_job *l = (const struct lists_job *)job;

        slk_node_lists_signed(
            node, l->size, l->time_s, job->part[0].key, job->err == SLK_OK ? job->part[0].sig : NULL);
        return;
    }
    case SLK_SIGN_RECEIPT: {
        struct receipt_job *r = (struct receipt_job *)job;

        memcpy(r->receipt.sig, job->part[0].sig, SLK_SIGNATURE_SIZE);
        slk_node_receipt_signed(node, job->err == SLK_OK ? &r->receipt : NULL, &r->id, r->peer);
        return;
    }
    case SLK_SIGN_KINDS:
        break;
    }
}

static void say_how_it_is(struct slk_node *node)
{
    struct slk_signer_state state;

    slk_signer_state(node->options.signer, &state);
    if (state.is_away != node->is_signer_away) {
        if (state.is_away)
            SLK_SAY(node->options.log, SLK_SAY_ERROR, "signer_away", SLK_SAY_TEXT("why", state.why));
        else
            SLK_SAY(node->options.log, SLK_SAY_WARN, "signer_back", SLK_SAY_NUMBER("failed", state.failed_n));
    }
    node->is_signer_away = state.is_away;
}

void slk_node_take_signatures(struct slk_node *node)
{
    struct slk_sign_job *job;

    if (node->options.signer == NULL)
        return;
    slk_signer_forget(node->options.signer, slk_store_tip(node->ledger->store)->height);
    while (node->err == SLK_OK && (job = slk_signer_take(node->options.signer)) != NULL) {
        take_job(node, job);
        slk_signer_job_free(job);
    }
    say_how_it_is(node);
}

/* What is unsigned stays so until the next start: a stop waits for no token. */
void slk_node_drop_tokens(struct slk_node *node)
{
    struct slk_ledger_options *keys = node->ledger != NULL ? &node->ledger->options : NULL;

    if (keys == NULL ||
        !(slk_node_signs_later(node, keys->log_key) || slk_node_signs_later(node, keys->cosign_key)))
        return;
    keys->log_key = NULL;
    keys->cosign_key = NULL;
}
