/* evidence.c: see evidence.h. */
#include "tools/evidence.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const vote_names[SLK_VOTE_KIND_N] = {[SLK_VOTE_PROPOSE] = "PROPOSE",
    [SLK_VOTE_NOTARIZE] = "NOTARIZE",
    [SLK_VOTE_NULLIFY] = "NULLIFY",
    [SLK_VOTE_FINALIZE] = "FINALIZE"};

const char *evidence_vote_name(enum slk_vote_kind kind)
{
    return vote_names[kind];
}

void evidence_clear(struct evidence *evidence)
{
    free(evidence->notes[0]);
    free(evidence->notes[1]);
    *evidence = (struct evidence){0};
}

/* ---- reading ---- */

static enum slk_err refuse(struct slk_fault *fault, const char *field, const char *what)
{
    snprintf(fault->text, sizeof(fault->text), "field \"%s\": %s", field, what);
    return SLK_E_MALFORMED;
}

static enum slk_err read_hex(
    uint8_t *out, size_t size, const json_t *object, const char *field, struct slk_fault *fault)
{
    const json_t *value = json_object_get(object, field);

    if (json_is_string(value) &&
        slk_hex_parse(out, size, json_string_value(value), json_string_length(value)))
        return SLK_OK;
    return refuse(fault, field,
        size == SLK_HASH_SIZE ? "must be 64 hexadecimal digits in lower case"
                              : "must be 128 hexadecimal digits in lower case");
}

static enum slk_err read_number(
    uint64_t *out, uint64_t max, const json_t *object, const char *field, struct slk_fault *fault)
{
    const json_t *value = json_object_get(object, field);

    if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max)
        return refuse(fault, field, "must be a whole number in its range");
    *out = (uint64_t)json_integer_value(value);
    return SLK_OK;
}

/* A pair of strings; `max` bytes each. */
static bool is_pair(const json_t *list, size_t max)
{
    return json_array_size(list) == 2 && json_is_string(json_array_get(list, 0)) &&
           json_is_string(json_array_get(list, 1)) && json_string_length(json_array_get(list, 0)) <= max &&
           json_string_length(json_array_get(list, 1)) <= max;
}

/* It is shown on terminals. */
static bool is_printable(const json_t *text)
{
    for (const char *c = json_string_value(text); *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            return false;
    return true;
}

static enum slk_err read_notes(struct evidence *out, const json_t *object, struct slk_fault *fault)
{
    const json_t *notes = json_object_get(object, "notes"), *from = json_object_get(object, "from");

    if (!is_pair(notes, SLK_NOTE_MAX))
        return refuse(fault, "notes", "must be two signed checkpoints");
    if (!is_pair(from, EVIDENCE_FROM_MAX) || !is_printable(json_array_get(from, 0)) ||
        !is_printable(json_array_get(from, 1)))
        return refuse(fault, "from", "must be two short strings of printable ASCII");
    for (size_t i = 0; i < 2; i++) {
        size_t size = json_string_length(json_array_get(notes, i));

        out->notes[i] = malloc(size + 1);
        if (out->notes[i] == NULL)
            return SLK_E_NOMEM;
        memcpy(out->notes[i], json_string_value(json_array_get(notes, i)), size);
        out->notes[i][size] = '\0';
        out->notes_n[i] = size;
        snprintf(out->from[i], sizeof(out->from[i]), "%s", json_string_value(json_array_get(from, i)));
    }
    return SLK_OK;
}

static enum slk_err read_path(struct evidence *out, const json_t *object, struct slk_fault *fault)
{
    const json_t *path = json_object_get(object, "path"), *root = json_object_get(object, "old_root");
    enum slk_err err;

    if (path == NULL && root == NULL)
        return SLK_OK;
    err = read_hex(out->old_root.b, SLK_HASH_SIZE, object, "old_root", fault);
    if (err != SLK_OK)
        return err;
    if (!json_is_array(path) || json_array_size(path) > EVIDENCE_PATH_MAX)
        return refuse(fault, "path", "must be a list of at most 128 hashes");
    out->has_path = true;
    out->path_n = json_array_size(path);
    for (size_t i = 0; i < out->path_n; i++) {
        const json_t *hash = json_array_get(path, i);

        if (!json_is_string(hash) ||
            !slk_hex_parse(out->path[i].b, SLK_HASH_SIZE, json_string_value(hash), json_string_length(hash)))
            return refuse(
                fault, "path", "must be a list of hashes, each 64 hexadecimal digits in lower case");
    }
    return SLK_OK;
}

static enum slk_err read_vote(
    struct slk_vote *out, const json_t *object, uint64_t height, struct slk_fault *fault)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    uint64_t view = 0, aux = 0;
    enum slk_err err;

    out->statement.height = height;
    for (int i = SLK_VOTE_PROPOSE; kind != NULL && i < SLK_VOTE_KIND_N; i++)
        if (strcmp(vote_names[i], kind) == 0)
            out->statement.kind = (enum slk_vote_kind)i;
    if (json_object_size(object) != 5 || out->statement.kind == 0)
        return refuse(fault, "kind",
            "each vote has a kind (PROPOSE, NOTARIZE, NULLIFY or FINALIZE), view, aux, hash, "
            "signature, and nothing else");
    err = read_number(&view, SLK_VIEW_MAX, object, "view", fault);
    if (err == SLK_OK)
        err = read_number(&aux, SLK_VIEW_MAX, object, "aux", fault);
    if (err == SLK_OK)
        err = read_hex(out->statement.hash.b, SLK_HASH_SIZE, object, "hash", fault);
    if (err == SLK_OK)
        err = read_hex(out->sig, SLK_SIGNATURE_SIZE, object, "signature", fault);
    out->statement.view = (uint32_t)view;
    out->statement.aux = (uint32_t)aux;
    return err;
}

static enum slk_err read_votes(struct evidence *out, const json_t *object, struct slk_fault *fault)
{
    uint64_t height = 0;
    enum slk_err err = read_hex(out->chain_id.b, SLK_HASH_SIZE, object, "chain_id", fault);

    if (err == SLK_OK)
        err = read_hex(out->charter_hash.b, SLK_HASH_SIZE, object, "charter_hash", fault);
    if (err == SLK_OK)
        err = read_hex(out->key, SLK_KEY_SIZE, object, "key", fault);
    if (err == SLK_OK)
        err = read_number(&height, INT64_MAX, object, "height", fault);
    if (err == SLK_OK)
        err = read_vote(&out->first, json_object_get(object, "first"), height, fault);
    if (err == SLK_OK)
        err = read_vote(&out->second, json_object_get(object, "second"), height, fault);
    if (err == SLK_OK && json_object_size(object) != 7)
        err = refuse(fault, "evidence",
            "votes come with chain_id, charter_hash, key, height, first, second, and nothing else");
    return err;
}

static enum slk_err read_object(struct evidence *out, const json_t *object, struct slk_fault *fault)
{
    const char *kind = json_string_value(json_object_get(object, "evidence"));
    enum slk_err err;

    if (kind != NULL && strcmp(kind, "votes") == 0) {
        out->kind = EVIDENCE_VOTES;
        return read_votes(out, object, fault);
    }
    if (kind == NULL || strcmp(kind, "split-view") != 0)
        return refuse(fault, "evidence", "must be \"split-view\" or \"votes\"");
    out->kind = EVIDENCE_SPLIT;
    err = read_notes(out, object, fault);
    if (err == SLK_OK)
        err = read_path(out, object, fault);
    if (err == SLK_OK && json_object_size(object) != (out->has_path ? 5u : 3u))
        err = refuse(
            fault, "evidence", "a split view comes with notes, from, old_root and path, and nothing else");
    return err;
}

enum slk_err evidence_parse(struct evidence *out, const char *line, size_t size, struct slk_fault *fault)
{
    json_error_t error;
    json_t *object =
        size <= EVIDENCE_LINE_MAX ? json_loadb(line, size, JSON_REJECT_DUPLICATES, &error) : NULL;
    enum slk_err err = SLK_E_MALFORMED;

    *out = (struct evidence){0};
    if (json_is_object(object))
        err = read_object(out, object, fault);
    else
        snprintf(fault->text, sizeof(fault->text), "not one JSON object on a line of at most %u bytes",
            EVIDENCE_LINE_MAX);
    json_decref(object);
    if (err != SLK_OK)
        evidence_clear(out);
    return err;
}

/* ---- printing ---- */

static json_t *hex_json(const uint8_t *bytes, size_t size)
{
    char text[2 * SLK_SIGNATURE_SIZE];

    slk_hex_format(text, bytes, size);
    return json_stringn(text, 2 * size);
}

static json_t *vote_json(const struct slk_vote *vote)
{
    const struct slk_statement *s = &vote->statement;

    return json_pack("{s:s, s:I, s:I, s:o, s:o}", "kind", vote_names[s->kind], "view", (json_int_t)s->view,
        "aux", (json_int_t)s->aux, "hash", hex_json(s->hash.b, SLK_HASH_SIZE), "signature",
        hex_json(vote->sig, SLK_SIGNATURE_SIZE));
}

static json_t *split_json(const struct evidence *e)
{
    json_t *path = json_array(),
           *value = json_pack("{s:s, s:[s%, s%], s:[s, s]}", "evidence", "split-view", "notes", e->notes[0],
               e->notes_n[0], e->notes[1], e->notes_n[1], "from", e->from[0], e->from[1]);

    for (size_t i = 0; i < e->path_n; i++)
        json_array_append_new(path, hex_json(e->path[i].b, SLK_HASH_SIZE));
    if (value != NULL && e->has_path) {
        json_object_set_new(value, "old_root", hex_json(e->old_root.b, SLK_HASH_SIZE));
        json_object_set(value, "path", path);
    }
    json_decref(path);
    return value;
}

char *evidence_format(const struct evidence *e, size_t *size)
{
    json_t *value = e->kind == EVIDENCE_SPLIT
                        ? split_json(e)
                        : json_pack("{s:s, s:o, s:o, s:o, s:I, s:o, s:o}", "evidence", "votes", "chain_id",
                              hex_json(e->chain_id.b, SLK_HASH_SIZE), "charter_hash",
                              hex_json(e->charter_hash.b, SLK_HASH_SIZE), "key",
                              hex_json(e->key, SLK_KEY_SIZE), "height", (json_int_t)e->first.statement.height,
                              "first", vote_json(&e->first), "second", vote_json(&e->second));
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL, *line = NULL;

    json_decref(value);
    if (text != NULL) {
        *size = strlen(text) + 1;
        line = malloc(*size + 1);
    }
    if (line != NULL)
        snprintf(line, *size + 1, "%s\n", text);
    free(text);
    return line;
}

/* ---- judging ---- */

static enum slk_err unproven(struct slk_fault *fault, enum slk_err err, const char *why)
{
    snprintf(fault->text, sizeof(fault->text), "%s", why);
    return err;
}

/* Do the two checkpoints contradict each other? */
static enum slk_err check_split(
    const struct evidence *e, const struct slk_checkpoint c[2], struct slk_fault *fault)
{
    const struct slk_tree_head was = {.tree_size = c[0].head.tree_size, .root_hash = e->old_root};

    if (!slk_span_equal(c[0].origin, c[1].origin))
        return unproven(
            fault, SLK_E_PROOF, "the two checkpoints are of two logs with different names: no contradiction");
    if (c[0].head.tree_size == c[1].head.tree_size) {
        if (slk_hash_equal(&c[0].head.root_hash, &c[1].head.root_hash))
            return unproven(fault, SLK_E_PROOF, "the two checkpoints say the same: same size, same root");
        return SLK_OK;
    }
    if (!e->has_path || c[0].head.tree_size > c[1].head.tree_size)
        return unproven(fault, SLK_E_PROOF,
            "the checkpoints are of two sizes, and no path shows with which root the larger log began (the "
            "smaller one "
            "comes first)");
    if (slk_hash_equal(&e->old_root, &c[0].head.root_hash))
        return unproven(fault, SLK_E_PROOF,
            "the path shows that the larger log grew out of the smaller one: no contradiction");
    if (slk_tree_check_consistency(&was, &c[1].head, e->path, e->path_n) != SLK_OK)
        return unproven(
            fault, SLK_E_PROOF, "the path does not lead to the larger checkpoint's root: it shows nothing");
    return SLK_OK;
}

/* Did this key sign the note? */
static bool has_signed(const struct slk_note *note, const struct slk_vkey *key, uint64_t *time_s)
{
    for (size_t i = 0; i < note->sigs_n; i++)
        if (slk_note_check_sig(time_s, note, i, key) == SLK_OK)
            return true;
    return false;
}

static size_t convict(struct conviction *out, const struct slk_note *notes, const struct slk_policy *policy)
{
    const struct slk_vkey *key;
    size_t n = 0;

    for (size_t i = 0; (key = slk_policy_key(policy, i)) != NULL && n < EVIDENCE_CONVICTED_MAX; i++) {
        struct conviction *c = &out[n];

        *c = (struct conviction){.key = key};
        n += has_signed(&notes[0], key, &c->time_s[0]) && has_signed(&notes[1], key, &c->time_s[1]);
    }
    return n;
}

enum slk_err evidence_judge_split(const struct evidence *e, const struct slk_policy *policy,
    struct conviction out[EVIDENCE_CONVICTED_MAX], size_t *n, struct slk_fault *fault)
{
    struct slk_note *notes = calloc(2, sizeof(*notes));
    struct slk_checkpoint checkpoints[2];
    enum slk_err err = notes != NULL ? SLK_OK : SLK_E_NOMEM;

    *n = 0;
    for (size_t i = 0; err == SLK_OK && i < 2; i++) {
        err = slk_note_parse(&notes[i], e->notes[i], e->notes_n[i]);
        if (err == SLK_OK)
            err = slk_checkpoint_parse(&checkpoints[i], notes[i].text);
        if (err != SLK_OK)
            snprintf(fault->text, sizeof(fault->text), "the %s of the two notes is no signed checkpoint",
                i == 0 ? "first" : "second");
    }
    if (err == SLK_OK)
        err = check_split(e, checkpoints, fault);
    if (err == SLK_OK) {
        *n = convict(out, notes, policy);
        if (*n == 0)
            err = unproven(fault, SLK_E_NO_LOG,
                "the checkpoints contradict each other, but no key of the policy signed both");
    }
    free(notes);
    return err;
}

enum slk_err evidence_judge_votes(const struct evidence *e, struct slk_fault *fault)
{
    struct slk_council council = {.chain_id = e->chain_id, .charter_hash = e->charter_hash, .n = 1};

    memcpy(council.keys[0], e->key, SLK_KEY_SIZE);
    if (!slk_statements_contradict(&e->first.statement, &e->second.statement))
        return unproven(fault, SLK_E_PROOF,
            "an honest member may sign both votes: they are of different views, or do not exclude each "
            "other");
    if (!slk_vote_check(&e->first, &council, &slk_verifier_ed25519))
        return unproven(fault, SLK_E_SIGNATURE, "the first vote is not signed by the key");
    if (!slk_vote_check(&e->second, &council, &slk_verifier_ed25519))
        return unproven(fault, SLK_E_SIGNATURE, "the second vote is not signed by the key");
    return SLK_OK;
}
