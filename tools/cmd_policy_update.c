/* cmd_policy_update.c: `sillok policy --update`: from a policy that a verifier trusts to the charter in force now.
 *
 * The old policy's members signed the checkpoint; the seal that ends it names the charter that governs after it. From there on each
 * charter was approved by enough voting members of the one before, under their signatures. So nothing rests on the ledger's
 * directory: whoever made it could leave the newest changes out, but not put in one of its own. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/policy.h"
#include "tools/cli.h"

struct update {
    struct cli *cli;
    const char *dir;
    struct slk_store *store;
    struct slk_view *view;
    struct slk_checkpoint checkpoint;
    struct slk_hash trusted; /* the charter that governs the block after the checkpoint */
    bool met;                /* it was among the charters so far */
    uint64_t judged_n;       /* changes after it */
    struct slk_charters *charters;
    struct slk_change *change;
    struct slk_charter *next;
};

static bool give_up(struct update *u, const char *where, enum slk_err err, const char *text)
{
    struct slk_fault fault = {0};

    if (text != NULL)
        (void)snprintf(fault.text, sizeof(fault.text), "%s", text);
    u->cli->exit_code = cli_fault(u->cli, cli_code_of(err), where, err, &fault);
    return false;
}

/* Was the checkpoint signed by whom the old policy asks for? */
static bool check_signatures(
    struct update *u, const char *policy_file, const char *checkpoint_file, struct slk_note *note)
{
    struct slk_verify_options options = {.now_s = cli_now_ms() / 1000};
    struct slk_policy_verdict verdict;
    struct slk_policy *policy = NULL;
    struct slk_fault fault = {0};
    uint8_t *text = NULL;
    size_t size = 0;
    enum slk_err err;

    if (!cli_read(u->cli, policy_file, SLK_POLICY_TEXT_MAX, &text, &size)) {
        u->cli->exit_code = CLI_UNSURE;
        return false;
    }
    err = slk_policy_new(&policy, (const char *)text, size, &fault);
    free(text);
    if (err != SLK_OK) {
        u->cli->exit_code = cli_fault(u->cli, cli_code_of(err), policy_file, err, &fault);
        return false;
    }
    err = slk_checkpoint_parse(&u->checkpoint, note->text);
    if (err == SLK_OK)
        err = slk_policy_check(&verdict, policy, note, &u->checkpoint, &options);
    slk_policy_free(policy);
    return err == SLK_OK ||
           give_up(u, checkpoint_file, err, "the checkpoint must be one that the old policy accepts");
}

/* Is the checkpoint one of this ledger's, and which charter governs after it? */
static bool find_trusted(struct update *u)
{
    const struct slk_tree_head *head = &u->checkpoint.head;
    const struct slk_tip *tip = slk_view_tip(u->view);
    struct slk_hash root, leaf, path[SLK_PATH_MAX];
    struct slk_entry entry;
    struct slk_span bytes;
    size_t path_n = 0;

    if (tip == NULL || head->tree_size == 0 || head->tree_size > tip->log_size) {
        u->cli->exit_code = cli_fail(u->cli, CLI_UNSURE,
            "%s: the ledger does not reach the checkpoint's size: take a newer copy of it, or an older "
            "checkpoint",
            u->dir);
        return false;
    }
    if (slk_log_root_at(&root, head->tree_size, slk_view_tile, u->view) != SLK_OK)
        return give_up(u, u->dir, SLK_E_CORRUPT, "its tiles cannot be read; run `sillok fsck`");
    if (!slk_hash_equal(&root, &head->root_hash))
        return give_up(u, u->dir, SLK_E_CHAIN,
            "at the checkpoint's size this ledger has another root: two histories were signed, or it is "
            "another ledger. "
            "Keep the checkpoint");
    if (slk_view_entry(u->view, head->tree_size - 1, &bytes) != SLK_OK ||
        slk_log_inclusion_path(path, &path_n, head->tree_size - 1, head->tree_size, slk_view_tile, u->view) !=
            SLK_OK)
        return give_up(
            u, u->dir, SLK_E_CORRUPT, "the checkpoint's last entry cannot be read; run `sillok fsck`");
    slk_hash_leaf(&leaf, bytes.at, bytes.size);
    if (slk_tree_check_inclusion(head, head->tree_size - 1, &leaf, path, path_n) != SLK_OK ||
        slk_entry_parse(&entry, bytes) != SLK_OK || entry.type != SLK_ENTRY_SEAL)
        return give_up(u, u->dir, SLK_E_CORRUPT,
            "the checkpoint does not end with the seal of a block; run `sillok fsck`");
    u->trusted = entry.seal.next_charter_hash;
    return true;
}

/* Members that join name a recent block. */
static bool note_blocks_before(struct update *u, uint64_t height)
{
    uint64_t from = height > SLK_CHANGE_READY_MAX ? height - SLK_CHANGE_READY_MAX : 0;

    for (; from < height; from++) {
        struct slk_view_block block;
        struct slk_hash hash;

        if (slk_view_block(u->view, from, &block) != SLK_OK)
            return give_up(u, u->dir, SLK_E_CORRUPT, "a block cannot be read; run `sillok fsck`");
        slk_block_hash(&hash, block.header);
        slk_charters_note(u->charters, from, &hash);
    }
    return true;
}

/* The change in block `height`: what came before the trusted charter is bound by its hash, what comes after is judged. */
static bool take_change(struct update *u, uint64_t height, struct slk_span entry)
{
    struct slk_fault fault = {0};
    enum slk_change_rule rule;
    enum slk_err err;

    if (slk_change_parse(u->change, entry) != SLK_OK ||
        slk_charter_parse(u->next, u->change->charter) != SLK_OK || !note_blocks_before(u, height))
        return give_up(u, u->dir, SLK_E_CORRUPT, "a charter change cannot be read; run `sillok fsck`");
    if (u->met) {
        slk_charters_reach(u->charters, height - 1);
        rule =
            slk_charters_judge(u->charters, slk_store_chain_id(u->store), height, u->change, u->next, &fault);
        if (rule != SLK_CHANGE_OK) {
            u->cli->exit_code = cli_fail(u->cli, CLI_NO,
                "%s: the charter change in block %" PRIu64 " is not valid: %s: %s", u->dir, height,
                slk_change_rule_name(rule), fault.text[0] != '\0' ? fault.text : slk_change_rule_text(rule));
            return false;
        }
        u->judged_n++;
    }
    u->met = u->met || slk_hash_equal(&u->next->hash, &u->trusted);
    err = slk_charters_restore(u->charters, height, entry);
    return err == SLK_OK ||
           give_up(u, u->dir, err, "a charter change does not follow those before it; run `sillok fsck`");
}

static bool follow(struct update *u)
{
    u->met = slk_hash_equal(&slk_charters_now(u->charters)->hash, &u->trusted);
    for (size_t i = 0;; i++) {
        struct slk_span entry;
        uint64_t height = 0;
        enum slk_err err = slk_view_change(u->view, i, &height, &entry);

        if (err == SLK_E_NOT_FOUND)
            break;
        if (err != SLK_OK)
            return give_up(u, u->dir, err, "a charter change cannot be read; run `sillok fsck`");
        if (!take_change(u, height, entry))
            return false;
    }
    if (!u->met)
        return give_up(u, u->dir, SLK_E_CHAIN,
            "the charter that the checkpoint's seal names is none of this ledger's; run `sillok fsck`");
    slk_charters_reach(u->charters, slk_view_tip(u->view)->height);
    return true;
}

static bool begin(struct update *u, struct slk_charter *genesis)
{
    enum slk_err err;

    if (genesis == NULL || u->change == NULL || u->next == NULL)
        return give_up(u, u->dir, SLK_E_NOMEM, NULL);
    u->store = cli_open_store(u->cli, u->dir);
    if (u->store == NULL)
        return false;
    err = slk_view_begin(&u->view, u->store);
    if (err == SLK_OK)
        err = slk_charter_parse(genesis, slk_store_charter(u->store));
    if (err == SLK_OK)
        err = slk_charters_new(&u->charters, genesis);
    return err == SLK_OK || give_up(u, u->dir, err, NULL);
}

/* A note, read from `file`, that lives as long as *bytes. */
static bool read_note(struct update *u, const char *file, uint8_t **bytes, struct slk_note *note)
{
    size_t size = 0;

    if (!cli_read(u->cli, file, SLK_NOTE_MAX, bytes, &size)) {
        u->cli->exit_code = CLI_UNSURE;
        return false;
    }
    return slk_note_parse(note, (const char *)*bytes, size) == SLK_OK ||
           give_up(
               u, file, SLK_E_NOTE, "a checkpoint is a signed note, as `sillok head --checkpoint` prints it");
}

bool cli_policy_update(struct cli *cli, const char *dir, const char *policy_file, const char *checkpoint_file,
    char *text, size_t cap, size_t *size)
{
    struct update u = {
        .cli = cli, .dir = dir, .change = malloc(sizeof(*u.change)), .next = malloc(sizeof(*u.next))};
    struct slk_charter *genesis = malloc(sizeof(*genesis));
    struct slk_note *note = malloc(sizeof(*note));
    uint8_t *bytes = NULL;
    bool good = note != NULL ? begin(&u, genesis) : give_up(&u, dir, SLK_E_NOMEM, NULL);

    good = good && read_note(&u, checkpoint_file, &bytes, note) &&
           check_signatures(&u, policy_file, checkpoint_file, note) && find_trusted(&u) && follow(&u);
    if (good) {
        *size = slk_charter_policy(text, cap, slk_charters_now(u.charters));
        fprintf(stderr,
            "charter version %" PRIu64 " is in force; %" PRIu64
            " change%s since the checkpoint, each approved by those before it\n",
            slk_charters_now(u.charters)->version, u.judged_n, u.judged_n == 1 ? "" : "s");
    }
    slk_charters_free(u.charters);
    slk_view_end(u.view);
    slk_store_close(u.store);
    free(bytes);
    free(note);
    free(genesis);
    free(u.next);
    free(u.change);
    return good;
}
