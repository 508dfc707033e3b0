/* node_witness.c: cosignatures of outside witnesses (witness.h) in the node's checkpoint, and which checkpoint is served.
 *
 * A target is a quorum's checkpoint that witnesses were asked about. Their cosignatures join the note of the tip while it is of that size,
 * so proofs carry them, too; and where the chain has moved on, the target with them is what is served.
 *
 * Served is the newest checkpoint of a quorum, unless the one served before has been overtaken for less than hold_ms: meanwhile a
 * target may come back with the cosignatures that are wanted. What is served never goes back to a smaller tree. Who has silent witnesses sets
 * `needed` to 0: nothing is held back then.
 */
#include <assert.h>
#include <string.h>

#include "ledger/verify/checkpoint.h"
#include "net/node_private.h"

/* "— name base64\n" */
static size_t line_size(const char *name, size_t blob_size)
{
    return 3 + 1 + strlen(name) + 1 + slk_base64_size(blob_size) + 1;
}

static bool is_of(const struct slk_node_outside *o, const struct slk_tree_head *head)
{
    return o->is_here && o->head.tree_size == head->tree_size &&
           slk_hash_equal(&o->head.root_hash, &head->root_hash);
}

/* Room is made for nobody: a note that has no place for them goes without. */
void slk_node_write_outside(
    const struct slk_node *node, struct slk_writer *w, const struct slk_tree_head *head, size_t sigs_n)
{
    for (size_t i = 0; i < SLK_NODE_OUTSIDE_MAX && !w->bad; i++) {
        const struct slk_node_outside *o = &node->outside[i];

        if (!is_of(o, head) || sigs_n >= SLK_NOTE_SIGS_MAX ||
            line_size(o->name, sizeof(o->blob)) > w->cap - w->size)
            continue;
        slk_note_write_sig(w, o->name, strlen(o->name), o->blob, sizeof(o->blob));
        sigs_n++;
    }
}

static size_t outside_n(const struct slk_node *node, const struct slk_tree_head *head)
{
    size_t n = 0;

    for (size_t i = 0; i < SLK_NODE_OUTSIDE_MAX; i++)
        n += is_of(&node->outside[i], head);
    return n;
}

/* ---- which is served ---- */

static void copy_quorum(struct slk_node *node, struct slk_node_held *to)
{
    memcpy(to->note, node->quorum_note, node->quorum_note_n);
    to->n = node->quorum_note_n;
    to->head = node->quorum_head;
    to->overtaken_ms = 0;
}

static void overtake(struct slk_node *node, struct slk_node_held *held)
{
    if (held->n > 0 && held->overtaken_ms == 0 && held->head.tree_size < node->quorum_head.tree_size)
        held->overtaken_ms = slk_node_now(node) + (slk_node_now(node) == 0);
}

static bool must_move(const struct slk_node *node)
{
    const struct slk_node_held *served = &node->shown;

    return node->needed == 0 || served->n == 0 || node->quorum_head.tree_size <= served->head.tree_size ||
           outside_n(node, &node->quorum_head) >= node->needed ||
           (served->overtaken_ms > 0 && slk_node_now(node) - served->overtaken_ms >= node->hold_ms);
}

/* There is another note of a quorum. */
void slk_node_note_joined(struct slk_node *node)
{
    overtake(node, &node->asked);
    overtake(node, &node->shown);
    if (node->needed > 0 && must_move(node))
        copy_quorum(node, &node->shown);
}

struct slk_span slk_node_checkpoint(struct slk_node *node)
{
    if (node->needed == 0 || node->shown.n == 0)
        return slk_span_of(node->quorum_note, node->quorum_note_n);
    if (must_move(node))
        copy_quorum(node, &node->shown);
    return slk_span_of(node->shown.note, node->shown.n);
}

void slk_node_hold(struct slk_node *node, size_t needed, uint64_t hold_ms)
{
    if (node->needed == 0 && needed > 0 && node->quorum_note_n > 0)
        copy_quorum(node, &node->shown);
    node->needed = needed;
    node->hold_ms = hold_ms;
}

/* ---- what witnesses are asked about ---- */

bool slk_node_newest_quorum(const struct slk_node *node, struct slk_tree_head *head)
{
    *head = node->quorum_head;
    return node->err == SLK_OK && node->quorum_note_n > 0 &&
           node->quorum_head.tree_size == slk_store_tip(node->ledger->store)->log_size;
}

/* The members' signatures as the log, each under its own key: a witness may know but one of them. They came with the cosignatures, and
 * are checked now that they are wanted. */
static void write_log_sigs(const struct slk_node *node, struct slk_writer *w, struct slk_span text)
{
    const struct slk_charter *charter = slk_charters_now(node->ledger->machine.charters);

    for (size_t i = 0; i < charter->members_n; i++) {
        const struct slk_node_cosig *cosig = &node->cosigs[i];
        struct slk_vkey vkey;

        if (!cosig->has_log || charter->members[i].agency == node->options.agency ||
            slk_vkey_init(&vkey, charter->origin, SLK_SIG_ED25519, charter->members[i].log_key) != SLK_OK ||
            vkey.key_hash != slk_get_u32(cosig->log_blob) ||
            !slk_sig_verify(cosig->log_blob + SLK_NOTE_KEY_HASH_SIZE, text.at, text.size, vkey.key))
            continue;
        slk_note_write_sig(
            w, charter->origin, strlen(charter->origin), cosig->log_blob, sizeof(cosig->log_blob));
    }
}

/* The log's own lines of the tip's note: ours, or that of the member with whom we began. */
static void write_first_log_sig(struct slk_writer *w, const struct slk_note *note, const char *origin)
{
    for (size_t i = 0; i < note->sigs_n; i++)
        if (note->sigs[i].blob_size == NODE_LOG_BLOB &&
            slk_span_equal(note->sigs[i].name, slk_span_of(origin, strlen(origin)))) {
            slk_note_write_sig(w, origin, strlen(origin), note->sigs[i].blob, note->sigs[i].blob_size);
            return;
        }
}

static bool is_outside(const struct slk_node *node, struct slk_span name)
{
    for (size_t i = 0; i < SLK_NODE_OUTSIDE_MAX; i++)
        if (node->outside[i].is_here &&
            slk_span_equal(name, slk_span_of(node->outside[i].name, strlen(node->outside[i].name))))
            return true;
    return false;
}

/* The quorum's note without what witnesses said the last time they were asked about it. */
static void keep_target(struct slk_node *node, const struct slk_note *note)
{
    struct slk_node_held *target = &node->asked;
    struct slk_writer w = {.at = target->note, .cap = sizeof(target->note)};

    slk_write_bytes(&w, note->text.at, note->text.size);
    slk_write_u8(&w, '\n');
    for (size_t i = 0; i < note->sigs_n; i++)
        if (!is_outside(node, note->sigs[i].name))
            slk_note_write_sig(&w, (const char *)note->sigs[i].name.at, note->sigs[i].name.size,
                note->sigs[i].blob, note->sigs[i].blob_size);
    assert(!w.bad); /* it is no longer than the note it is taken from */
    target->n = w.size;
    target->head = node->quorum_head;
    target->overtaken_ms = 0;
}

size_t slk_node_witness_target(struct slk_node *node, struct slk_tree_head *head, uint8_t *out, size_t cap)
{
    const char *origin = slk_charters_now(node->ledger->machine.charters)->origin;
    struct slk_writer w = {.at = out, .cap = cap};
    struct slk_note note;

    if (!slk_node_newest_quorum(node, head) ||
        slk_note_parse(&note, (const char *)node->quorum_note, node->quorum_note_n) != SLK_OK)
        return 0;
    slk_write_bytes(&w, note.text.at, note.text.size);
    slk_write_u8(&w, '\n');
    write_first_log_sig(&w, &note, origin);
    write_log_sigs(node, &w, note.text);
    if (w.bad)
        return 0;
    keep_target(node, &note);
    return w.size;
}

static bool read_edge(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    struct slk_node *node = ctx;
    const struct slk_log *log = &node->ledger->machine.log;
    uint32_t there = slk_tile_width(level, index, log->size);

    if (level == 0 || there == SLK_TILE_WIDTH || width > there)
        return slk_view_tile(node->ledger->view, level, index, width, out);
    memcpy(out, log->edge[level], width * sizeof(*out)); /* partial: the last of its level, and in memory */
    return true;
}

bool slk_node_consistency(struct slk_node *node, uint64_t old_size, uint64_t size, struct slk_hash *path,
    size_t cap, size_t *path_n)
{
    struct slk_hash room[2 * SLK_PATH_MAX];

    if (node->err != SLK_OK || old_size == 0 || old_size > size ||
        size > slk_store_tip(node->ledger->store)->log_size)
        return false;
    slk_node_settle(node);
    if (slk_log_consistency_path(room, path_n, old_size, size, read_edge, node) != SLK_OK || *path_n > cap)
        return false;
    memcpy(path, room, *path_n * sizeof(*path));
    return true;
}

/* ---- what they said ---- */

/* The target, as it was when they were asked, with the cosignatures it has by now. */
static void serve_target(struct slk_node *node)
{
    struct slk_writer w = {.at = node->shown.note, .cap = sizeof(node->shown.note)};
    struct slk_note note;

    if (slk_note_parse(&note, (const char *)node->asked.note, node->asked.n) != SLK_OK)
        return;
    slk_write_bytes(&w, node->asked.note, node->asked.n);
    slk_node_write_outside(node, &w, &node->asked.head, note.sigs_n);
    assert(!w.bad);
    node->shown.n = w.size;
    node->shown.head = node->asked.head;
    node->shown.overtaken_ms = node->asked.overtaken_ms;
}

void slk_node_witnessed(struct slk_node *node, size_t place, const struct slk_tree_head *head,
    const char *name, const uint8_t blob[SLK_NOTE_BLOB_MAX])
{
    struct slk_node_outside *o = &node->outside[place];

    assert(place < SLK_NODE_OUTSIDE_MAX && strlen(name) <= SLK_NAME_MAX);
    o->is_here = true;
    o->head = *head;
    memcpy(o->name, name, strlen(name) + 1);
    memcpy(o->blob, blob, sizeof(o->blob));
    if (is_of(o, &node->quorum_head))
        slk_node_join_outside(node);
    if (is_of(o, &node->asked.head) && node->needed > 0 && outside_n(node, head) >= node->needed &&
        node->asked.head.tree_size < node->quorum_head.tree_size &&
        node->asked.head.tree_size >= node->shown.head.tree_size)
        serve_target(node);
}
