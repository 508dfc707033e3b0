#include "ledger/embed/ledger.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ledger/embed/ledger_private.h"

enum slk_err slk_ledger_fail(struct slk_fault *fault, enum slk_err err, const char *why)
{
    fault->line = 0;
    snprintf(fault->text, sizeof(fault->text), "%s", why != NULL ? why : slk_err_text(err));
    return err;
}

static uint64_t machine_clock_ms(void *ctx)
{
    struct timespec now;

    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t now_ms(const struct slk_ledger *ledger)
{
    return ledger->options.clock_ms(ledger->options.clock_ctx);
}

/* ---- opening ---- */

static enum slk_err check_vote_key(const struct slk_charter *charter, const struct slk_key *key, struct slk_fault *fault)
{
    for (size_t i = 0; key != NULL && i < charter->members_n; i++)
        if (charter->members[i].role == SLK_VOTING &&
            memcmp(charter->members[i].vote_key, slk_key_public(key), SLK_KEY_SIZE) == 0)
            return SLK_OK;
    return key == NULL ? SLK_OK : slk_ledger_fail(fault, SLK_E_KEY, "the vote key is not one the charter names for a voting member");
}

/* Both signing keys must be those the charter names for one voting member. */
static enum slk_err check_keys(const struct slk_charter *charter, const struct slk_ledger_options *options, struct slk_fault *fault)
{
    enum slk_err err = check_vote_key(charter, options->vote_key, fault);

    if (err != SLK_OK)
        return err;
    if (options->log_key == NULL && options->cosign_key == NULL)
        return SLK_OK;
    if (options->log_key == NULL || options->cosign_key == NULL)
        return slk_ledger_fail(fault, SLK_E_KEY, "a checkpoint needs both the log key and the cosigning key");
    for (size_t i = 0; i < charter->members_n; i++) {
        const struct slk_member *m = &charter->members[i];

        if (m->role == SLK_VOTING && memcmp(m->log_key, slk_key_public(options->log_key), SLK_KEY_SIZE) == 0 &&
            memcmp(m->cosign_key, slk_key_public(options->cosign_key), SLK_KEY_SIZE) == 0)
            return SLK_OK;
    }
    return slk_ledger_fail(fault, SLK_E_KEY, "the log key and cosigning key are not those the charter names for one voting member");
}

static const struct slk_member *member_of(const struct slk_charter *charter, const struct slk_key *cosign_key)
{
    for (size_t i = 0; i < charter->members_n; i++)
        if (memcmp(charter->members[i].cosign_key, slk_key_public(cosign_key), SLK_KEY_SIZE) == 0)
            return &charter->members[i];
    return NULL;
}

/* A checkpoint is signed by members of the charter that governs the next block, or of the one that governed the tip: where the
 * two differ, the keys at hand may be of either. */
static const struct slk_member *cosigner(const struct slk_ledger *ledger)
{
    const struct slk_member *m = member_of(slk_charters_now(ledger->machine.charters), ledger->options.cosign_key);

    return m != NULL ? m : member_of(slk_charters_last(ledger->machine.charters), ledger->options.cosign_key);
}

static enum slk_err check_keys_now(const struct slk_ledger *ledger, struct slk_fault *fault)
{
    struct slk_ledger_options signing = ledger->options;
    enum slk_err err = check_keys(slk_charters_now(ledger->machine.charters), &signing, fault);
    struct slk_fault ignored;

    signing.vote_key = NULL; /* votes are for the next block alone */
    if (err != SLK_OK && check_vote_key(slk_charters_now(ledger->machine.charters), ledger->options.vote_key, &ignored) == SLK_OK &&
        check_keys(slk_charters_last(ledger->machine.charters), &signing, &ignored) == SLK_OK) {
        fault->text[0] = '\0';
        err = SLK_OK;
    }
    return err;
}

static enum slk_err load_charter(struct slk_ledger *ledger, struct slk_span bytes, struct slk_fault *fault)
{
    ledger->charter = malloc(sizeof(*ledger->charter));
    if (ledger->charter == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    if (slk_charter_parse(ledger->charter, bytes) != SLK_OK)
        return slk_ledger_fail(fault, SLK_E_CHARTER, "the charter's bytes do not parse: make it with `sillok charter`");
    return slk_charter_validate_genesis(ledger->charter, fault);
}

/* The charter in force, and the one that waits. */
static enum slk_err load_charters(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err = slk_charters_new(&ledger->machine.charters, ledger->charter);

    if (err == SLK_OK)
        err = slk_store_load_charters(ledger->store, ledger->machine.charters, fault);
    if (err == SLK_OK)
        ledger->machine.charter = slk_charters_now(ledger->machine.charters);
    return err;
}

static enum slk_err make_machine(struct slk_ledger *ledger, struct slk_span charter_bytes, struct slk_fault *fault)
{
    struct slk_map_options options = {
        .fingerprint_bits = ledger->options.fingerprint_bits, .advise = slk_store_huge_pages};
    enum slk_err err = slk_map_new(&ledger->machine.map, &options);

    ledger->machine.fingerprint_bits = options.fingerprint_bits;
    if (err == SLK_OK)
        err = slk_index_set_new(&ledger->machine.indexes, ledger->machine.charter);
    if (err != SLK_OK)
        return slk_ledger_fail(fault, err, NULL);
    slk_charter_chain_id(&ledger->machine.chain_id, charter_bytes);
    slk_log_init(&ledger->machine.log);
    return SLK_OK;
}

static struct slk_ledger *allocate(const struct slk_ledger_options *options)
{
    struct slk_ledger *ledger = calloc(1, sizeof(*ledger));

    if (ledger == NULL)
        return NULL;
    ledger->options = *options;
    if (ledger->options.clock_ms == NULL)
        ledger->options.clock_ms = machine_clock_ms;
    return ledger;
}

static void release(struct slk_ledger *ledger)
{
    slk_committer_stop(ledger);
    slk_driver_free(ledger->driver);
    slk_snapshot_abort(ledger->snapshot);
    slk_batch_free(&ledger->batches[0]);
    slk_batch_free(&ledger->batches[1]);
    slk_view_end(ledger->view);
    free(ledger->noted);
    free(ledger->noted_bytes);
    slk_source_close(&ledger->source);
    slk_store_close(ledger->store);
    slk_map_free(ledger->machine.map);
    slk_index_set_free(ledger->machine.indexes);
    slk_charters_free(ledger->machine.charters);
    slk_workers_free(ledger->workers);
    free(ledger->charter);
    free(ledger);
}

/* The genesis block is a function of the charter alone, so a crash between the two transactions of `init` is mended by
 * making it again. */
static enum slk_err ensure_genesis(struct slk_ledger *ledger, struct slk_fault *fault)
{
    struct slk_block block = {0};
    enum slk_err err;

    if (slk_store_has_tip(ledger->store))
        return SLK_OK;
    if (ledger->options.read_only)
        return slk_ledger_fail(fault, SLK_E_NOT_FOUND, "the ledger has no genesis block yet: open it once for writing");
    err = slk_block_genesis(&block, &ledger->machine, slk_store_charter(ledger->store));
    if (err == SLK_OK)
        err = slk_store_commit(ledger->store, &(struct slk_decision){.block = &block}, fault);
    else
        slk_ledger_fail(fault, err, NULL);
    slk_block_free(&block);
    return err;
}

/* A ledger of one agency is written here; with more voting members, their nodes must agree first. */
static enum slk_err check_sole_voter(const struct slk_charter *charter, struct slk_fault *fault)
{
    if (slk_charter_voting_n(charter) == 1)
        return SLK_OK;
    return slk_ledger_fail(
        fault, SLK_E_READ_ONLY, "this ledger has several voting members: only their nodes together can write to it");
}

enum slk_err slk_ledger_check_voter(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err;

    if (ledger->machine.charter->version == ledger->voter_version)
        return SLK_OK;
    err = check_sole_voter(ledger->machine.charter, fault);
    if (err == SLK_OK && check_vote_key(ledger->machine.charter, ledger->vote_key, fault) != SLK_OK)
        err = slk_ledger_fail(fault, SLK_E_KEY,
            "a charter with another vote key is in force: open the ledger again, with that key");
    if (err == SLK_OK)
        ledger->voter_version = ledger->machine.charter->version;
    return err;
}

static enum slk_err load_signed_size(struct slk_ledger *ledger)
{
    struct slk_tree_head head;
    struct slk_span note;
    enum slk_err err = slk_view_checkpoint(ledger->view, &head, &note);

    ledger->signed_size = err == SLK_OK ? head.tree_size : 0;
    return err == SLK_E_NOT_FOUND ? SLK_OK : err;
}

/* Everything after the store is open. */
static enum slk_err bring_up(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err = load_charter(ledger, slk_store_charter(ledger->store), fault);

    if (err == SLK_OK)
        err = load_charters(ledger, fault);
    if (err == SLK_OK)
        err = check_keys_now(ledger, fault);
    if (err == SLK_OK && !ledger->options.read_only && !ledger->options.by_node)
        err = check_sole_voter(ledger->machine.charter, fault);
    if (err == SLK_OK)
        err = make_machine(ledger, slk_store_charter(ledger->store), fault);
    if (err == SLK_OK)
        err = slk_workers_new(&ledger->workers, ledger->options.threads);
    if (err == SLK_OK)
        err = ensure_genesis(ledger, fault);
    if (err != SLK_OK)
        return fault->text[0] == '\0' ? slk_ledger_fail(fault, err, NULL) : err;
    if (!ledger->machine.has_genesis) {
        err = slk_store_load_state(ledger->store, &ledger->machine, slk_workers_par(ledger->workers), ledger->options.progress,
            ledger->options.progress_ctx, fault);
        if (err != SLK_OK)
            return err;
    }
    ledger->snapshot_at = ledger->machine.tip.events_n - slk_store_replayed_n(ledger->store);
    ledger->snapshot_next = ledger->snapshot_at + slk_ledger_snapshot_interval(ledger);
    err = slk_source_open(&ledger->source, ledger->store, slk_workers_width(ledger->workers));
    if (err == SLK_OK)
        err = slk_view_begin(&ledger->view, ledger->store);
    if (err == SLK_OK)
        err = load_signed_size(ledger);
    ledger->origin_view = 1;
    if (err == SLK_OK && !ledger->options.read_only && !ledger->options.by_node)
        err = slk_committer_start(ledger);
    return err != SLK_OK && fault->text[0] == '\0' ? slk_ledger_fail(fault, err, NULL) : err;
}

/* The consensus core of a ledger that is written to. A block that was voted for, and not committed before the process ended,
 * is decided here, before anything else is written. */
static enum slk_err open_driver(struct slk_ledger *ledger, const struct slk_key *vote_key, struct slk_fault *fault)
{
    struct slk_driver_place place = {
        .machine = &ledger->machine, .source = &ledger->source.reads, .par = slk_workers_par(ledger->workers)};
    struct slk_council council;
    enum slk_err err = slk_council_of(&council, ledger->machine.charter, &ledger->machine.chain_id);

    if (err == SLK_OK)
        err = slk_driver_open(&ledger->driver, ledger->store, &council, vote_key, &place, fault);
    if (err != SLK_OK)
        return err;
    ledger->vote_key = vote_key;
    ledger->origin_view = slk_driver_view(ledger->driver);
    ledger->stopped = slk_driver_check(ledger->driver, &ledger->stopped_fault);
    err = slk_source_renew(&ledger->source);
    return err == SLK_OK ? slk_view_renew(ledger->view) : err;
}

/* A crash between a commit and its signature left the tip unsigned. */
static enum slk_err sign_if_due(struct slk_ledger *ledger, struct slk_fault *fault)
{
    if (ledger->options.read_only || ledger->options.log_key == NULL ||
        ledger->signed_size == ledger->machine.tip.log_size)
        return SLK_OK;
    return slk_ledger_sign_tip(ledger, fault);
}

enum slk_err slk_ledger_vote_with(struct slk_ledger *ledger, const struct slk_key *vote_key, struct slk_fault *fault)
{
    enum slk_err err;

    fault->line = 0;
    fault->text[0] = '\0';
    if (ledger->options.read_only)
        return slk_ledger_fail(fault, SLK_E_READ_ONLY, NULL);
    assert(ledger->driver == NULL);
    err = check_vote_key(ledger->machine.charter, vote_key, fault);
    if (err == SLK_OK)
        err = open_driver(ledger, vote_key, fault);
    if (err == SLK_OK)
        err = sign_if_due(ledger, fault);
    return err != SLK_OK && fault->text[0] == '\0' ? slk_ledger_fail(fault, err, NULL) : err;
}

static enum slk_err finish_open(struct slk_ledger **out, struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err = bring_up(ledger, fault);

    if (err == SLK_OK && !ledger->options.read_only && !ledger->options.by_node && ledger->options.vote_key != NULL)
        err = open_driver(ledger, ledger->options.vote_key, fault);
    if (err == SLK_OK)
        err = sign_if_due(ledger, fault);
    if (err != SLK_OK && fault->text[0] == '\0')
        slk_ledger_fail(fault, err, NULL);
    if (err != SLK_OK) {
        release(ledger);
        return err;
    }
    *out = ledger;
    return SLK_OK;
}

enum slk_err slk_ledger_open(struct slk_ledger **out, const char *dir, const struct slk_ledger_options *options, struct slk_fault *fault)
{
    struct slk_store_options store_options = {.read_only = options->read_only, .map_size = options->map_size};
    struct slk_ledger *ledger = allocate(options);
    enum slk_err err;

    *out = NULL;
    fault->line = 0;
    fault->text[0] = '\0';
    if (ledger == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    err = slk_store_open(&ledger->store, dir, &store_options, fault);
    if (err != SLK_OK) {
        release(ledger);
        return err;
    }
    return finish_open(out, ledger, fault);
}

/* A directory that holds this charter and no block yet is an init that was cut short: it goes on from there. */
static enum slk_err create_or_resume(struct slk_store **out, const char *dir, struct slk_span charter, struct slk_fault *fault)
{
    struct slk_store_options options = {0};
    struct slk_fault ignored;
    enum slk_err err = slk_store_create(out, dir, charter, &options, fault);

    if (err != SLK_E_EXISTS || slk_store_open(out, dir, &options, &ignored) != SLK_OK)
        return err;
    if (!slk_store_has_tip(*out) && slk_span_equal(slk_store_charter(*out), charter)) {
        fault->text[0] = '\0';
        return SLK_OK;
    }
    slk_store_close(*out);
    *out = NULL;
    return err;
}

enum slk_err slk_ledger_init(const char *dir, struct slk_span charter, const struct slk_ledger_options *options, struct slk_fault *fault)
{
    struct slk_ledger *ledger = allocate(options), *opened = NULL;
    enum slk_err err;

    fault->line = 0;
    fault->text[0] = '\0';
    if (ledger == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    ledger->options.read_only = false;
    /* Judge the charter and keys before anything is written. */
    err = load_charter(ledger, charter, fault);
    if (err == SLK_OK)
        err = check_keys(ledger->charter, &ledger->options, fault);
    if (err == SLK_OK) /* each member of several makes the same block 0; its node writes from there on */
        ledger->options.by_node = slk_charter_voting_n(ledger->charter) > 1;
    if (err == SLK_OK)
        err = create_or_resume(&ledger->store, dir, charter, fault);
    if (err != SLK_OK) {
        release(ledger);
        return err;
    }
    free(ledger->charter);
    ledger->charter = NULL;
    err = finish_open(&opened, ledger, fault);
    slk_ledger_close(opened);
    return err;
}

/* ---- signing ---- */

/* Only what is on disk may be signed. */
static void check_tip(const struct slk_ledger *ledger)
{
    assert(!ledger->in_flight && slk_store_tip(ledger->store)->log_size == ledger->machine.tip.log_size);
    assert(ledger->driver == NULL || slk_driver_cosign_height(ledger->driver) == ledger->machine.tip.height);
}

enum slk_err slk_ledger_word_tip(const struct slk_ledger *ledger, struct slk_tip_note *out)
{
    const struct slk_charter *charter = ledger->charter; /* for its origin, which never changes */
    struct slk_checkpoint checkpoint = {.origin = slk_span_of(charter->origin, strlen(charter->origin))};

    check_tip(ledger);
    out->head.tree_size = ledger->machine.tip.log_size;
    out->head.root_hash = ledger->machine.tip.log_root;
    out->time_s = now_ms(ledger) / 1000;
    checkpoint.head = out->head;
    out->text_n = slk_checkpoint_format((char *)out->text, &checkpoint);
    out->message_n = slk_cosign_message(out->message, sizeof(out->message), out->time_s, slk_span_of(out->text, out->text_n));
    return out->text_n > 0 && out->message_n > 0 ? SLK_OK : SLK_E_TOO_LARGE;
}

static enum slk_err write_note(const struct slk_ledger *ledger, const struct slk_tip_note *note, struct slk_writer *w)
{
    const struct slk_member *member = cosigner(ledger);
    uint8_t blob[SLK_NOTE_BLOB_MAX];
    struct slk_vkey log, witness;

    if (member == NULL)
        return SLK_E_KEY; /* its charter has ended while the ledger was open */
    if (slk_vkey_init(&log, ledger->charter->origin, SLK_SIG_ED25519, member->log_key) != SLK_OK ||
        slk_vkey_init(&witness, member->name, SLK_SIG_COSIGNATURE_V1, member->cosign_key) != SLK_OK)
        return SLK_E_KEY;
    slk_write_bytes(w, note->text, note->text_n);
    slk_write_u8(w, '\n');
    slk_put_u32(blob, log.key_hash);
    memcpy(blob + 4, note->log_sig, SLK_SIGNATURE_SIZE);
    slk_note_write_sig(w, log.name, strlen(log.name), blob, 4 + SLK_SIGNATURE_SIZE);
    slk_put_u32(blob, witness.key_hash);
    slk_put_u64(blob + 4, note->time_s);
    memcpy(blob + 12, note->cosign_sig, SLK_SIGNATURE_SIZE);
    slk_note_write_sig(w, witness.name, strlen(witness.name), blob, 12 + SLK_SIGNATURE_SIZE);
    return w->bad ? SLK_E_TOO_LARGE : SLK_OK;
}

size_t slk_ledger_print_tip(const struct slk_ledger *ledger, const struct slk_tip_note *note, uint8_t *out, size_t cap)
{
    struct slk_writer w = {.at = out, .cap = cap};

    return write_note(ledger, note, &w) == SLK_OK ? w.size : 0;
}

void slk_ledger_hold_note(struct slk_ledger *ledger, struct slk_span note)
{
    ledger->held = note;
    ledger->held_size = slk_store_tip(ledger->store)->log_size; /* a node may have the next block executed on the machine */
}

enum slk_err slk_ledger_put_tip(struct slk_ledger *ledger, const struct slk_tip_note *note, struct slk_fault *fault)
{
    uint8_t bytes[4096];
    struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
    enum slk_err err;

    check_tip(ledger);
    assert(note->head.tree_size == ledger->machine.tip.log_size && slk_hash_equal(&note->head.root_hash, &ledger->machine.tip.log_root));
    err = write_note(ledger, note, &w);
    if (err == SLK_OK)
        err = slk_store_put_checkpoint(ledger->store, &note->head, slk_span_of(bytes, w.size));
    if (err == SLK_OK)
        err = slk_view_renew(ledger->view); /* proofs carry this signature from now on */
    if (err != SLK_OK)
        return slk_ledger_fail(fault, err, NULL);
    ledger->signed_size = note->head.tree_size;
    return SLK_OK;
}

enum slk_err slk_ledger_sign_words(struct slk_ledger *ledger, struct slk_tip_note *note, struct slk_fault *fault)
{
    struct slk_fault why = {0};
    enum slk_err err = slk_ledger_word_tip(ledger, note);

    if (err == SLK_OK)
        err = slk_key_sign_or_say(ledger->options.log_key, note->log_sig, note->text, note->text_n, &why);
    if (err == SLK_OK)
        err = slk_key_sign_or_say(ledger->options.cosign_key, note->cosign_sig, note->message, note->message_n, &why);
    return err == SLK_OK ? SLK_OK : slk_ledger_fail(fault, err, why.text[0] != '\0' ? why.text : NULL);
}

enum slk_err slk_ledger_sign_tip(struct slk_ledger *ledger, struct slk_fault *fault)
{
    struct slk_tip_note note;
    enum slk_err err = slk_ledger_sign_words(ledger, &note, fault);

    return err == SLK_OK ? slk_ledger_put_tip(ledger, &note, fault) : err;
}

enum slk_err slk_ledger_sign(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err;

    if (ledger->options.read_only)
        return slk_ledger_fail(fault, SLK_E_READ_ONLY, NULL);
    if (ledger->options.log_key == NULL)
        return slk_ledger_fail(fault, SLK_E_KEY, "signing needs the log key and the cosigning key");
    err = slk_ledger_settle(ledger, fault);
    return err == SLK_OK ? slk_ledger_sign_tip(ledger, fault) : err;
}

/* ---- closing and looking ---- */

void slk_ledger_close(struct slk_ledger *ledger)
{
    struct slk_fault fault;

    if (ledger == NULL)
        return;
    if (!ledger->options.read_only && ledger->broken == SLK_OK && slk_ledger_flush(ledger, &fault) == SLK_OK &&
        ledger->machine.tip.events_n - ledger->snapshot_at >= SLK_SNAPSHOT_TAIL) {
        /* A snapshot only makes the next start quicker: without one the log is replayed. */
        if (slk_ledger_snapshot_now(ledger, &fault) != SLK_OK)
            ledger->snapshot = NULL;
    }
    release(ledger);
}

const struct slk_charter *slk_ledger_charter(const struct slk_ledger *ledger)
{
    return ledger->machine.charter;
}

const struct slk_charter *slk_ledger_pending(const struct slk_ledger *ledger, uint64_t *activation)
{
    return slk_charters_pending(ledger->machine.charters, activation);
}

const struct slk_hash *slk_ledger_chain_id(const struct slk_ledger *ledger)
{
    return &ledger->machine.chain_id;
}

const struct slk_tip *slk_ledger_tip(const struct slk_ledger *ledger)
{
    return &ledger->machine.tip;
}

struct slk_store *slk_ledger_store(struct slk_ledger *ledger)
{
    return ledger->store;
}

const struct slk_map *slk_ledger_map(const struct slk_ledger *ledger)
{
    return ledger->machine.map;
}

uint64_t slk_ledger_credentials_n(const struct slk_ledger *ledger)
{
    return slk_map_count(ledger->machine.map);
}

uint64_t slk_ledger_memory(const struct slk_ledger *ledger)
{
    return slk_map_memory(ledger->machine.map);
}
