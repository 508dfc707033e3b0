/* node_cosign.c: checkpoints. Each member signs the tip after it is committed, sends the signed note to all, and puts the others'
 * cosignatures under its own. COSIG carries the member's note as it is: checkpoint, log signature, cosignature; or the one about
 * status lists (node_lists.c).
 *
 * The block under a checkpoint is on disk before it is signed: after that nothing depends on the note being there, too. Proofs carry the
 * one in memory; it is written with what came in half a second, and when the node is closed: the quorum's, else ours alone.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/checkpoint.h"
#include "net/node_private.h"

enum { MORE_MS = 500 }; /* cosignatures beyond the quorum are written together */

/* ---- who signs ---- */

static const struct slk_charters *charters(const struct slk_node *node)
{
    return node->ledger->machine.charters;
}

/* The tip may be signed by members of the charter that governs the next block, and of the one that governed the tip. */
static const struct slk_member *member_at(const struct slk_node *node, uint16_t peer)
{
    const struct slk_charter *charter = slk_charters_now(charters(node));

    for (size_t i = 0; i < charter->members_n; i++)
        if (slk_node_index(charter, charter->members[i].agency) == peer)
            return &charter->members[i];
    return NULL;
}

static size_t place_of(const struct slk_node *node, const struct slk_member *member)
{
    return (size_t)(member - slk_charters_now(charters(node))->members);
}

/* Voting members whose cosignature is here. */
static size_t voices(const struct slk_node *node)
{
    const struct slk_charter *charter = slk_charters_now(charters(node));
    size_t n = 0;

    for (size_t i = 0; i < charter->members_n; i++) {
        bool is_own = charter->members[i].agency == node->options.agency && node->own_n > 0;

        n += charter->members[i].role == SLK_VOTING && (is_own || node->cosigs[i].is_here);
    }
    return n;
}

/* When a quorum had cosigned, at the latest: the quorum-th newest of the voices. Where members fall silent this stands still, however
 * often the others sign again. */
static uint64_t quorum_ms(const struct slk_node *node)
{
    const struct slk_charter *charter = slk_charters_now(charters(node));
    uint64_t newest[SLK_CHARTER_MEMBERS_MAX]; /* descending */
    size_t n = 0, quorum = slk_charter_quorum(charter);

    for (size_t i = 0; i < charter->members_n; i++) {
        bool is_own = charter->members[i].agency == node->options.agency && node->own_n > 0;
        uint64_t ms = is_own ? node->own_ms : node->cosigs[i].heard_ms;
        size_t at = n;

        if (charter->members[i].role != SLK_VOTING || (!is_own && !node->cosigs[i].is_here))
            continue;
        for (; at > 0 && newest[at - 1] < ms; at--)
            newest[at] = newest[at - 1];
        newest[at] = ms;
        n++;
    }
    assert(quorum > 0);
    return n >= quorum ? newest[quorum - 1] : 0;
}

/* ---- the note of many ---- */

static struct slk_tree_head tip_head(const struct slk_node *node);

static bool merge(const struct slk_node *node, struct slk_writer *w)
{
    const struct slk_charter *charter = slk_charters_now(charters(node));
    struct slk_tree_head head = tip_head(node);
    size_t sigs_n = node->own_n > 0 ? 2 : 1; /* the log's, and ours */

    if (node->own_n > 0)
        slk_write_bytes(w, node->own, node->own_n);
    else
        slk_write_bytes(w, node->base, node->base_n);
    for (size_t i = 0; i < charter->members_n; i++)
        if (node->cosigs[i].is_here &&
            (node->own_n == 0 || charter->members[i].agency != node->options.agency)) {
            slk_note_write_sig(w, charter->members[i].name, strlen(charter->members[i].name),
                node->cosigs[i].blob, sizeof(node->cosigs[i].blob));
            sigs_n++;
        }
    slk_node_write_outside(node, w, &head, sigs_n);
    return !w->bad;
}

static struct slk_tree_head tip_head(const struct slk_node *node)
{
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);

    return (struct slk_tree_head){.tree_size = tip->log_size, .root_hash = tip->log_root};
}

/* At height 0, too, which an empty node stands at before anybody has cosigned anything. */
bool slk_node_has_quorum(const struct slk_node *node)
{
    return node->quorum_note_n > 0 &&
           node->status.cosigned_height == slk_store_tip(node->ledger->store)->height;
}

/* The first in a while waits for those that follow; nothing that was signed depends on it. */
static void save_soon(struct slk_node *node)
{
    if (node->save_due_ms == UINT64_MAX)
        node->save_due_ms = slk_node_now(node) + MORE_MS;
}

static void put(struct slk_node *node, const struct slk_tree_head *head, struct slk_span note)
{
    enum slk_err err = slk_store_put_checkpoint(node->ledger->store, head, note);

    if (err == SLK_OK)
        err = slk_view_renew(node->ledger->view);
    if (err != SLK_OK)
        slk_node_fail(node, err, NULL);
}

/* The quorum's note, which may be of a block before the tip; then ours alone, if the tip's has none. */
void slk_node_cosign_save(struct slk_node *node)
{
    struct slk_tree_head tip = tip_head(node);

    node->save_due_ms = UINT64_MAX;
    if (node->is_quorum_unsaved) {
        put(node, &node->quorum_head, slk_span_of(node->quorum_note, node->quorum_note_n));
        if (node->is_own_unsaved)
            save_soon(node);
    } else if (node->is_own_unsaved) {
        put(node, &tip, slk_span_of(node->own, node->own_n));
        node->is_own_unsaved = false;
    }
    node->is_quorum_unsaved = false;
}

static void join_notes(struct slk_node *node)
{
    struct slk_writer w = {.at = node->quorum_note, .cap = sizeof(node->quorum_note)};
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    bool is_first = !slk_node_has_quorum(node);

    if (!merge(node, &w)) {
        slk_node_fail(node, SLK_E_TOO_LARGE, NULL);
        return;
    }
    node->quorum_note_n = w.size;
    node->quorum_head = tip_head(node);
    node->is_quorum_unsaved = true;
    node->is_own_unsaved = false; /* it is in there */
    save_soon(node);
    slk_ledger_hold_note(node->ledger, slk_span_of(w.at, w.size));
    node->is_note_stale = false;
    node->note_due_ms = slk_node_now(node) + MORE_MS;
    node->status.cosigned_height = tip->height;
    slk_node_note_joined(node);
    if (!is_first)
        return;
    slk_node_cosigned_up_to(node, tip->height);
    slk_node_tell_news(node, SLK_NEWS_COSIGNED, tip->height);
}

void slk_node_join_outside(struct slk_node *node)
{
    if (node->err == SLK_OK && slk_node_has_quorum(node) && (node->own_n > 0 || node->base_n > 0))
        join_notes(node);
}

/* A cosignature came: the quorum's note is there at once, what comes later joins it with others. */
static void settle_note(struct slk_node *node)
{
    const struct slk_charter *charter = slk_charters_now(charters(node));

    node->is_note_stale = true;
    if ((node->own_n == 0 && node->base_n == 0) || voices(node) < slk_charter_quorum(charter))
        return;
    node->status.cosigned_time_ms = quorum_ms(node);
    if (!slk_node_has_quorum(node) || slk_node_now(node) >= node->note_due_ms)
        join_notes(node);
}

/* ---- others' ---- */

const struct slk_note_sig *slk_node_find_sig(
    const struct slk_note *note, const struct slk_member *member, uint64_t *time_s)
{
    struct slk_vkey vkey;

    if (slk_vkey_init(&vkey, member->name, SLK_SIG_COSIGNATURE_V1, member->cosign_key) != SLK_OK)
        return NULL;
    for (size_t i = 0; i < note->sigs_n; i++)
        if (note->sigs[i].blob_size == SLK_NOTE_BLOB_MAX &&
            slk_note_check_sig(time_s, note, i, &vkey) == SLK_OK)
            return &note->sigs[i];
    return NULL;
}

/* Who signs no checkpoint himself begins with a member's: its text, and its signature as the log. */
static void take_base(struct slk_node *node, const struct slk_member *member, const struct slk_note *note)
{
    const char *origin = slk_charters_now(charters(node))->origin;
    struct slk_writer w = {.at = node->base, .cap = sizeof(node->base)};
    struct slk_vkey vkey;
    uint64_t time_s;

    if (node->own_n > 0 || node->base_n > 0 ||
        slk_vkey_init(&vkey, origin, SLK_SIG_ED25519, member->log_key) != SLK_OK)
        return;
    for (size_t i = 0; i < note->sigs_n && node->base_n == 0; i++) {
        if (slk_note_check_sig(&time_s, note, i, &vkey) != SLK_OK)
            continue;
        slk_write_bytes(&w, note->text.at, note->text.size);
        slk_write_u8(&w, '\n');
        slk_note_write_sig(&w, origin, strlen(origin), note->sigs[i].blob, note->sigs[i].blob_size);
        node->base_n = w.bad ? 0 : w.size;
    }
}

/* The member's word as the log, for outside witnesses that know no other key of it; checked when it is wanted. */
static void keep_log_sig(
    const struct slk_node *node, struct slk_node_cosig *cosig, const struct slk_note *note)
{
    const char *origin = slk_charters_now(charters(node))->origin;

    cosig->has_log = false;
    for (size_t i = 0; i < note->sigs_n && !cosig->has_log; i++)
        if (note->sigs[i].blob_size == sizeof(cosig->log_blob) &&
            slk_span_equal(note->sigs[i].name, slk_span_of(origin, strlen(origin)))) {
            memcpy(cosig->log_blob, note->sigs[i].blob, sizeof(cosig->log_blob));
            cosig->has_log = true;
        }
}

static void take_sig(struct slk_node *node, const struct slk_member *member, const struct slk_note *note,
    const struct slk_note_sig *sig, uint64_t time_s)
{
    struct slk_node_cosig *cosig = &node->cosigs[place_of(node, member)];

    if (cosig->is_here && time_s == cosig->time_s && !cosig->has_log)
        keep_log_sig(node, cosig, note); /* the one from disk came without */
    if (cosig->is_here && time_s <= cosig->time_s)
        return;
    slk_node_cosigned_by(node, member, time_s);
    cosig->is_here = true;
    cosig->time_s = time_s;
    cosig->heard_ms = slk_node_wall(node);
    memcpy(cosig->blob, sig->blob, sizeof(cosig->blob));
    keep_log_sig(node, cosig, note);
    settle_note(node);
}

/* A checkpoint of our tip's size with another root: two histories, and both are signed. Without the signature it would be the word of
 * a connection, which proves nothing to anybody. */
static enum slk_mesh_verdict split_view(struct slk_node *node, const struct slk_member *member)
{
    SLK_SAY(node->options.log, SLK_SAY_ERROR, "split_view", SLK_SAY_TEXT("member", member->name),
        SLK_SAY_NUMBER("height", slk_store_tip(node->ledger->store)->height));
    slk_node_raise_alarm(node, "FORK", true);
    return SLK_MESH_BAD;
}

/* Of the member that the peer is, or was when it sent this. */
static enum slk_mesh_verdict take_note(struct slk_node *node, struct slk_node_peer *peer,
    const struct slk_member *member, struct slk_span message)
{
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    const char *origin = slk_charters_now(charters(node))->origin;
    const struct slk_note_sig *sig;
    struct slk_checkpoint checkpoint;
    struct slk_note note;
    uint64_t time_s;

    if (slk_note_parse(&note, (const char *)message.at, message.size) != SLK_OK)
        return SLK_MESH_BAD;
    if (slk_checkpoint_parse(&checkpoint, note.text) != SLK_OK)
        return slk_node_lists_received(node, peer, member, &note, message);
    if (member == NULL || checkpoint.head.tree_size < tip->log_size)
        return SLK_MESH_OK; /* no member's any more, or late */
    if (checkpoint.head.tree_size > tip->log_size) {
        peer->early_agency = member->agency;
        peer->early_n = message.size <= sizeof(peer->early) ? message.size : 0;
        memcpy(peer->early, message.at, peer->early_n); /* until its block is here */
        return SLK_MESH_OK;
    }
    if (!slk_span_equal(checkpoint.origin, slk_span_of(origin, strlen(origin))))
        return SLK_MESH_BAD;
    sig = slk_node_find_sig(&note, member, &time_s);
    if (sig == NULL)
        return SLK_MESH_BAD;
    if (!slk_hash_equal(&checkpoint.head.root_hash, &tip->log_root))
        return split_view(node, member);
    take_base(node, member, &note);
    take_sig(node, member, &note, sig, time_s);
    return SLK_MESH_OK;
}

enum slk_mesh_verdict slk_node_cosign_received(struct slk_node *node, uint16_t index, struct slk_span message)
{
    return take_note(node, &node->peers[index], member_at(node, index), message);
}

/* What came before its block did. */
static void look_at_early(struct slk_node *node)
{
    for (uint16_t i = 0; node->err == SLK_OK && i < SLK_BFT_PEERS; i++) {
        struct slk_node_peer *peer = &node->peers[i];
        const struct slk_charter *charter = slk_charters_now(charters(node));
        uint8_t bytes[NODE_EARLY_MAX];
        size_t n = peer->early_n;

        if (n == 0)
            continue;
        memcpy(bytes, peer->early, n);
        peer->early_n = 0; /* put back when it is still early */
        if (take_note(node, peer, slk_charter_member(charter, peer->early_agency), slk_span_of(bytes, n)) ==
                SLK_MESH_BAD &&
            node->options.wire.charge != NULL)
            node->options.wire.charge(node->options.wire.ctx, i, SLK_MESH_BAD);
    }
}

/* ---- our own ---- */

void slk_node_cosign_new_tip(struct slk_node *node, bool is_recharter)
{
    if (is_recharter)
        slk_node_lists_recharter(node);
    memset(node->cosigs, 0, sizeof(node->cosigs));
    node->own_n = node->base_n = 0;
    node->is_own_unsaved = false;
    node->is_note_stale = false;
}

/* ---- what is on disk ---- */

static void take_stored(struct slk_node *node, const struct slk_note *note)
{
    const struct slk_charter *charter = slk_charters_now(charters(node));
    uint64_t now = slk_node_wall(node), time_s;

    for (size_t i = 0; i < charter->members_n; i++)
        take_base(node, &charter->members[i], note);
    for (size_t i = 0; node->base_n > 0 && i < charter->members_n; i++) {
        const struct slk_note_sig *sig = slk_node_find_sig(note, &charter->members[i], &time_s);

        if (sig == NULL)
            continue;
        node->cosigs[i] = (struct slk_node_cosig){
            .is_here = true, .time_s = time_s, .heard_ms = time_s < now / 1000 ? time_s * 1000 : now};
        memcpy(node->cosigs[i].blob, sig->blob, sizeof(node->cosigs[i].blob));
    }
}

/* From before the last stop, or out of a bundle: who has no network has no other. When its signatures were heard is not known:
 * when they were made, then, and never later than now. */
void slk_node_cosign_load(struct slk_node *node)
{
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    struct slk_note *note = malloc(sizeof(*note));
    struct slk_tree_head head;
    struct slk_span bytes;

    if (note == NULL)
        slk_node_fail(node, SLK_E_NOMEM, NULL);
    else if (slk_view_checkpoint(node->ledger->view, &head, &bytes) == SLK_OK &&
             head.tree_size == tip->log_size && slk_hash_equal(&head.root_hash, &tip->log_root) &&
             slk_note_parse(note, (const char *)bytes.at, bytes.size) == SLK_OK) {
        take_stored(node, note);
        settle_note(node); /* the note is the store's until here */
    }
    free(note);
}

/* The block is on disk: no other of its height will ever be, so the checkpoint may leave before it is on disk itself. After a crash it is
 * made again, with another time. */
static void publish_tip(struct slk_node *node, const struct slk_tip_note *note)
{
    size_t n = slk_ledger_print_tip(node->ledger, note, node->own, sizeof(node->own));

    if (n == 0) {
        slk_node_fail(node, SLK_E_KEY, NULL);
        return;
    }
    node->own_n = n;
    node->own_height = slk_store_tip(node->ledger->store)->height;
    node->own_ms = slk_node_wall(node);
    node->is_own_unsaved = true;
    save_soon(node);
    slk_ledger_hold_note(node->ledger, slk_span_of(node->own, n));
    node->fresh_due_ms = slk_node_now(node) + (uint64_t)slk_node_charter(node)->fresh_s * 1000;
    slk_node_send_all(node, SLK_FRAME_COSIG, slk_span_of(node->own, n));
    node->note_due_ms = 0; /* the others' join it as soon as they make a quorum */
    settle_note(node);
}

static void sign_tip(struct slk_node *node)
{
    const struct slk_ledger_options *keys = &node->ledger->options;
    struct slk_tip_note note;
    struct slk_fault fault = {0};
    enum slk_err err;

    if (slk_node_signs_later(node, keys->log_key) || slk_node_signs_later(node, keys->cosign_key)) {
        slk_node_ask_tip(node);
        return;
    }
    err = slk_ledger_sign_words(node->ledger, &note, &fault);
    if (err != SLK_OK)
        slk_node_fail(node, err, &fault);
    else
        publish_tip(node, &note);
}

/* Another tip by now, or other keys: the newest is asked for. */
void slk_node_tip_signed(struct slk_node *node, const struct slk_tip_note *note,
    const struct slk_key *log_key, const struct slk_key *cosign_key)
{
    const struct slk_ledger_options *keys = &node->ledger->options;
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);

    slk_node_settle(node);
    if (!slk_node_choose_signers(node))
        return;
    if (note == NULL || note->head.tree_size != tip->log_size || !slk_key_is_same(log_key, keys->log_key) ||
        !slk_key_is_same(cosign_key, keys->cosign_key)) {
        slk_node_cosign(node, tip->height);
        return;
    }
    publish_tip(node, note);
}

/* While catching up only the last block's checkpoint is worth a signature. */
void slk_node_cosign(struct slk_node *node, uint64_t height)
{
    struct slk_bft_view_of look;

    slk_bft_look(node->core, &look);
    if (height != slk_store_tip(node->ledger->store)->height || look.certain > height)
        return;
    slk_node_settle(node);
    if (slk_node_choose_signers(node))
        sign_tip(node);
    if (node->err == SLK_OK)
        look_at_early(node);
}

void slk_node_cosign_up(struct slk_node *node, uint16_t peer)
{
    if (node->own_n > 0)
        (void)slk_node_send(node, peer, SLK_FRAME_COSIG, slk_span_of(node->own, node->own_n));
}

uint64_t slk_node_cosign_wake(const struct slk_node *node)
{
    uint64_t due = UINT64_MAX;

    if (node->own_n > 0 && node->fresh_due_ms > 0 && !node->is_tip_asked)
        due = node->fresh_due_ms;
    if (node->is_note_stale && node->note_due_ms < due && slk_node_has_quorum(node))
        due = node->note_due_ms;
    return node->save_due_ms < due ? node->save_due_ms : due;
}

void slk_node_cosign_run(struct slk_node *node)
{
    uint64_t now = slk_node_now(node);

    if (node->own_n > 0 && now >= node->fresh_due_ms && !node->is_tip_asked) {
        slk_node_settle(node);
        if (slk_node_choose_signers(node))
            sign_tip(node);
        else
            node->own_n = 0;
    }
    if (node->err == SLK_OK && node->is_note_stale && now >= node->note_due_ms)
        settle_note(node);
    if (node->err == SLK_OK && now >= node->save_due_ms)
        slk_node_cosign_save(node);
}
