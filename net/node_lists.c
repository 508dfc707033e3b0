/* node_lists.c: what this node says of the status lists at a block (ledger/verify/list_note.h), and what the others say.
 *
 * Each member that makes lists makes the same text at the same block, signs it with its cosign key, and sends it to all as a COSIG, which
 * holds one signed note, of a checkpoint or of lists. When a quorum has signed, whoever has one node at hand has the note of all.
 * A member signs what it has made itself and nothing else; a signed text that differs from ours, at the same log size, means
 * that one of the two has other lists, which is said at once. Nothing of this touches votes, blocks or the disk: after a crash the
 * newest lists are made and signed again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/node_private.h"

#define ALARM "STATUS_LIST"
#define LINE_MAX                                                                                             \
    (4 + SLK_CHARTER_NAME_MAX + 1 + (SLK_NOTE_BLOB_MAX + 2) / 3 * 4 + 1) /* of a signature in a note */
_Static_assert(
    SLK_LISTS_TEXT_MAX + 1 + SLK_CHARTER_MEMBERS_MAX * LINE_MAX <= NODE_NOTE_MAX, "a note by all members");
_Static_assert(SLK_LISTS_TEXT_MAX + 1 + LINE_MAX <= NODE_BASE_MAX, "a note by one");

static const struct slk_charter *charter_of(const struct slk_node *node)
{
    return slk_charters_now(node->ledger->machine.charters);
}

static bool is_own(const struct slk_node *node, const struct slk_member *member)
{
    return member->agency == node->options.agency && node->lists.own_n > 0;
}

/* ---- the note of many ---- */

static size_t voices(const struct slk_node *node)
{
    const struct slk_charter *charter = charter_of(node);
    size_t n = 0;

    for (size_t i = 0; i < charter->members_n; i++)
        n += charter->members[i].role == SLK_VOTING &&
             (is_own(node, &charter->members[i]) || node->lists.cosigs[i].is_here);
    return n;
}

static void settle_lists(struct slk_node *node)
{
    const struct slk_charter *charter = charter_of(node);
    struct slk_node_lists *lists = &node->lists;
    struct slk_writer w = {.at = lists->note, .cap = sizeof(lists->note)};

    if (voices(node) < slk_charter_quorum(charter))
        return;
    slk_write_bytes(&w, lists->text, lists->text_n);
    slk_write_u8(&w, '\n');
    for (size_t i = 0; i < charter->members_n; i++) {
        const struct slk_member *m = &charter->members[i];
        bool own = is_own(node, m);

        if (own || lists->cosigs[i].is_here)
            slk_note_write_sig(&w, m->name, strlen(m->name), own ? lists->own_blob : lists->cosigs[i].blob,
                SLK_NOTE_BLOB_MAX);
    }
    assert(!w.bad); /* all members' fit */
    lists->note_n = w.size;
    lists->note_size = lists->size;
    node->status.lists_cosigned_size = lists->size;
    slk_node_lower_alarm(node, ALARM); /* a quorum has the lists that this node has */
}

struct slk_span slk_node_lists_note(struct slk_node *node, uint64_t *size)
{
    *size = node->lists.note_size;
    return slk_span_of(node->lists.note, node->lists.note_n);
}

/* ---- others' ---- */

/* More than f say otherwise, so one of them is honest: its lists or ours are not the ledger's. */
static void judge_differences(struct slk_node *node)
{
    const struct slk_charter *charter = charter_of(node);
    size_t n = 0, faults = slk_charter_voting_n(charter) - slk_charter_quorum(charter);

    for (size_t i = 0; i < charter->members_n; i++)
        n += node->lists.differs[i] && charter->members[i].role == SLK_VOTING;
    if (n <= faults || node->lists.is_told)
        return;
    node->lists.is_told = true;
    SLK_SAY(node->options.log, SLK_SAY_ERROR, "alarm", SLK_SAY_TEXT("alarm", ALARM),
        SLK_SAY_NUMBER("size", node->lists.size), SLK_SAY_NUMBER("members", n),
        SLK_SAY_TEXT("why",
            "so many members signed other status lists than this node made: run `sillok audit` on its "
            "ledger"));
    slk_node_raise_alarm(node, ALARM, false);
}

static void take_difference(struct slk_node *node, const struct slk_member *member, size_t place)
{
    if (node->lists.differs[place])
        return;
    node->lists.differs[place] = true;
    node->status.lists_differ_n++;
    SLK_SAY(node->options.log, SLK_SAY_ERROR, "status_list_differs", SLK_SAY_TEXT("member", member->name),
        SLK_SAY_NUMBER("size", node->lists.size));
    judge_differences(node);
}

static void keep_early(struct slk_node_peer *peer, const struct slk_member *member, struct slk_span message)
{
    peer->early_lists_agency = member->agency;
    peer->early_lists_n = message.size <= sizeof(peer->early_lists) ? message.size : 0;
    memcpy(peer->early_lists, message.at, peer->early_lists_n);
}

/* `message` has this note, and that this statement. */
enum slk_mesh_verdict slk_node_lists_received(struct slk_node *node, struct slk_node_peer *peer,
    const struct slk_member *member, const struct slk_note *note, struct slk_span message)
{
    struct slk_lists_statement statement;
    const struct slk_charter *charter = charter_of(node);
    struct slk_node_lists *lists = &node->lists;
    const struct slk_note_sig *sig;
    uint64_t time_s;
    size_t place;

    if (slk_lists_statement_parse(&statement, note->text) != SLK_OK ||
        !slk_span_equal(statement.origin, slk_span_of(charter->origin, strlen(charter->origin))))
        return SLK_MESH_BAD;
    if (member == NULL || statement.size < lists->size)
        return SLK_MESH_OK; /* no member's any more, or late */
    if (statement.size > lists->size) {
        keep_early(peer, member, message); /* until ours are made */
        return SLK_MESH_OK;
    }
    sig = slk_node_find_sig(note, member, &time_s);
    if (sig == NULL)
        return SLK_MESH_BAD;
    place = (size_t)(member - charter->members);
    if (!slk_span_equal(note->text, slk_span_of((const uint8_t *)lists->text, lists->text_n))) {
        take_difference(node, member, place);
        return SLK_MESH_OK; /* who of the two is wrong is not known here */
    }
    lists->differs[place] = false; /* it has made them again */
    if (lists->cosigs[place].is_here && time_s <= lists->cosigs[place].time_s)
        return SLK_MESH_OK;
    lists->cosigs[place].is_here = true;
    lists->cosigs[place].time_s = time_s;
    memcpy(lists->cosigs[place].blob, sig->blob, sizeof(sig->blob));
    settle_lists(node);
    return SLK_MESH_OK;
}

/* What came before our own were made. */
static void look_at_early(struct slk_node *node)
{
    for (uint16_t i = 0; node->err == SLK_OK && i < SLK_BFT_PEERS; i++) {
        struct slk_node_peer *peer = &node->peers[i];
        const struct slk_member *member = slk_charter_member(charter_of(node), peer->early_lists_agency);
        uint8_t bytes[NODE_BASE_MAX];
        struct slk_note note;
        size_t n = peer->early_lists_n;

        if (n == 0)
            continue;
        memcpy(bytes, peer->early_lists, n);
        peer->early_lists_n = 0; /* put back when it is still early */
        if (slk_note_parse(&note, (const char *)bytes, n) == SLK_OK &&
            slk_node_lists_received(node, peer, member, &note, slk_span_of(bytes, n)) == SLK_MESH_BAD &&
            node->options.wire.charge != NULL)
            node->options.wire.charge(node->options.wire.ctx, i, SLK_MESH_BAD);
    }
}

/* ---- our own ---- */

static void publish(struct slk_node *node, const struct slk_member *member, uint64_t time_s,
    const uint8_t sig[SLK_SIGNATURE_SIZE])
{
    struct slk_node_lists *lists = &node->lists;
    struct slk_writer w = {.at = lists->own, .cap = sizeof(lists->own)};
    struct slk_vkey vkey;

    if (slk_vkey_init(&vkey, member->name, SLK_SIG_COSIGNATURE_V1, member->cosign_key) != SLK_OK) {
        slk_node_fail(node, SLK_E_KEY, NULL);
        return;
    }
    slk_put_u32(lists->own_blob, vkey.key_hash);
    slk_put_u64(lists->own_blob + 4, time_s);
    memcpy(lists->own_blob + 12, sig, SLK_SIGNATURE_SIZE);
    slk_write_bytes(&w, lists->text, lists->text_n);
    slk_write_u8(&w, '\n');
    slk_note_write_sig(&w, member->name, strlen(member->name), lists->own_blob, sizeof(lists->own_blob));
    assert(!w.bad);
    lists->own_n = w.size;
    lists->again_ms = slk_node_now(node) + (uint64_t)slk_node_charter(node)->fresh_s * 1000;
    slk_node_send_all(node, SLK_FRAME_COSIG, slk_span_of(lists->own, lists->own_n));
    settle_lists(node);
}

/* The key that the charter in force names for this agency's cosignatures, if it is here; else NULL. */
static const struct slk_key *signing_key(struct slk_node *node, const struct slk_member **member)
{
    *member = slk_charter_member(charter_of(node), node->options.agency);
    return *member != NULL && slk_node_choose_signers(node) ? node->ledger->options.cosign_key : NULL;
}

static void sign_lists(struct slk_node *node)
{
    struct slk_node_lists *lists = &node->lists;
    uint64_t time_s = slk_node_wall(node) / 1000;
    uint8_t message[SLK_SIGN_BYTES], sig[SLK_SIGNATURE_SIZE];
    const struct slk_member *member;
    const struct slk_key *key;
    struct slk_fault fault = {0};
    enum slk_err err;
    size_t n;

    lists->is_unsigned = false;
    if (lists->size == 0 || lists->is_asked)
        return; /* what was asked for comes back, and is asked for again if it is of other lists */
    slk_node_settle(node);
    key = signing_key(node, &member);
    if (key == NULL)
        return; /* it gathers the others' */
    n = slk_cosign_message(message, sizeof(message), time_s, slk_span_of(lists->text, lists->text_n));
    assert(n > 0);
    if (slk_node_signs_later(node, key)) {
        slk_node_ask_lists(node, key, time_s, slk_span_of(message, n));
        return;
    }
    err = slk_key_sign_or_say(key, sig, message, n, &fault);
    if (err == SLK_OK)
        publish(node, member, time_s, sig);
    else
        slk_node_fail(node, err, &fault);
}

void slk_node_lists_signed(struct slk_node *node, uint64_t size, uint64_t time_s, const struct slk_key *by,
    const uint8_t sig[SLK_SIGNATURE_SIZE])
{
    const struct slk_member *member;
    const struct slk_key *key;

    node->lists.is_asked = false;
    slk_node_settle(node);
    key = signing_key(node, &member);
    if (key == NULL)
        return;
    if (sig != NULL && size == node->lists.size && slk_key_is_same(key, by))
        publish(node, member, time_s, sig);
    else
        node->lists.is_unsigned = true; /* other lists by now, or another key */
}

static void forget_signatures(struct slk_node *node)
{
    node->lists.own_n = 0;
    memset(node->lists.cosigs, 0, sizeof(node->lists.cosigs));
    memset(node->lists.differs, 0, sizeof(node->lists.differs));
    node->lists.is_told = false;
}

void slk_node_state_lists(struct slk_node *node, struct slk_span text, uint64_t size)
{
    struct slk_node_lists *lists = &node->lists;

    assert(text.size <= sizeof(lists->text));
    if (node->err != SLK_OK || size <= lists->size)
        return;
    forget_signatures(node);
    lists->size = node->status.lists_size = size;
    memcpy(lists->text, text.at, text.size);
    lists->text_n = text.size;
    sign_lists(node);
    if (node->err == SLK_OK)
        look_at_early(node);
}

/* Places are those of the charter in force; the others send theirs again. */
void slk_node_lists_recharter(struct slk_node *node)
{
    forget_signatures(node);
    node->lists.is_unsigned = node->lists.size > 0;
}

void slk_node_lists_up(struct slk_node *node, uint16_t peer)
{
    if (node->lists.own_n > 0)
        (void)slk_node_send(node, peer, SLK_FRAME_COSIG, slk_span_of(node->lists.own, node->lists.own_n));
}

uint64_t slk_node_lists_wake(const struct slk_node *node)
{
    if (node->lists.is_unsigned)
        return 0;
    return node->lists.own_n > 0 ? node->lists.again_ms : UINT64_MAX;
}

/* What was lost on its way is made good by sending it again. */
void slk_node_lists_run(struct slk_node *node)
{
    struct slk_node_lists *lists = &node->lists;

    if (lists->is_unsigned)
        sign_lists(node);
    if (node->err != SLK_OK || lists->own_n == 0 || slk_node_now(node) < lists->again_ms)
        return;
    lists->again_ms = slk_node_now(node) + (uint64_t)slk_node_charter(node)->fresh_s * 1000;
    slk_node_send_all(node, SLK_FRAME_COSIG, slk_span_of(lists->own, lists->own_n));
}
