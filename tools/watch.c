/* watch.c: see watch.h. */
#include "tools/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_MAX ((size_t)16 << 20)

void sighting_clear(struct sighting *sighting)
{
    free(sighting->note);
    *sighting = (struct sighting){0};
}

static void name_missing(struct sighting *s, const struct slk_policy *policy, const struct slk_note *note)
{
    const struct slk_vkey *missing[SLK_POLICY_WITNESSES_MAX];
    size_t n = slk_policy_missing(missing, &s->all_missing, policy, note, &s->checkpoint), used = 0;

    for (size_t i = 0; i < n && used < sizeof(s->missing); i++)
        used += (size_t)snprintf(
            s->missing + used, sizeof(s->missing) - used, "%s%s", i > 0 ? ", " : "", missing[i]->name);
}

static enum slk_err judge(struct sighting *s, const struct slk_policy *policy, uint64_t now_s)
{
    const struct slk_verify_options options = {.now_s = now_s, .allow_no_quorum = true};
    struct slk_policy_verdict verdict = {0};
    struct slk_note *note = malloc(sizeof(*note));
    enum slk_err err = note != NULL ? slk_note_parse(note, s->note, s->note_n) : SLK_E_NOMEM;

    if (err == SLK_OK)
        err = slk_checkpoint_parse(&s->checkpoint, note->text);
    if (err == SLK_OK)
        err = slk_policy_check(&verdict, policy, note, &s->checkpoint, &options);
    if (err == SLK_E_QUORUM)
        name_missing(s, policy, note);
    free(note);
    s->is_good = err == SLK_OK;
    s->is_comparable = err == SLK_OK || err == SLK_E_QUORUM;
    s->quorum_time_s = verdict.quorum_time_s;
    s->cosignatures_n = verdict.cosignatures_n;
    return err;
}

enum slk_err sighting_read(struct sighting *out, const char *from, const char *note, size_t size,
    const struct slk_policy *policy, uint64_t now_s)
{
    *out = (struct sighting){.node = SIZE_MAX, .note = malloc(size + 1), .note_n = size};
    if (out->note == NULL)
        return SLK_E_NOMEM;
    memcpy(out->note, note, size);
    out->note[size] = '\0';
    snprintf(out->from, sizeof(out->from), "%.*s", EVIDENCE_FROM_MAX, from);
    return judge(out, policy, now_s);
}

/* ---- the state file ---- */

static bool parse_state(
    struct watch_state *state, const char *text, size_t size, const struct slk_policy *policy)
{
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    json_t *newest = json_object_get(object, "newest"), *nodes = json_object_get(object, "nodes");
    const char *from = json_string_value(json_object_get(newest, "from"));
    const json_t *note = json_object_get(newest, "note");
    bool good = json_is_object(nodes) && (newest == NULL || (from != NULL && json_is_string(note)));

    /* Its cosignatures may be of any age, and of a clock that was ahead of this one: only their truth matters. */
    if (good && newest != NULL)
        good = sighting_read(&state->newest, from, json_string_value(note), json_string_length(note), policy,
                   UINT64_MAX / 2) == SLK_OK;
    if (good)
        state->nodes = json_incref(nodes);
    json_decref(object);
    return good;
}

bool watch_state_load(struct cli *cli, struct watch_state *state, const struct slk_policy *policy)
{
    uint8_t *text = NULL;
    size_t size = 0;
    bool good;

    cli->exit_code = CLI_UNSURE;
    if (state->path == NULL || (access(state->path, F_OK) != 0 && errno == ENOENT)) {
        state->nodes = json_object();
        return state->nodes != NULL;
    }
    if (!cli_read(cli, state->path, STATE_MAX, &text, &size))
        return false;
    good = parse_state(state, (const char *)text, size, policy);
    free(text);
    if (!good)
        cli_fail(cli, CLI_UNSURE,
            "%s: damaged, or its checkpoint is not signed as this policy asks: after a change of the charter "
            "take the "
            "policy that was in force before, or begin anew with another --state (what it remembered is then "
            "not "
            "compared)",
            state->path);
    return good;
}

bool watch_state_save(const struct cli *cli, const struct watch_state *state)
{
    json_t *object = json_pack("{s:O}", "nodes", state->nodes);
    char *text;
    bool good;

    if (state->path == NULL) {
        json_decref(object);
        return true;
    }
    if (state->newest.note != NULL)
        json_object_set_new(object, "newest",
            json_pack(
                "{s:s, s:s%}", "from", state->newest.from, "note", state->newest.note, state->newest.note_n));
    text = json_dumps(object, JSON_INDENT(1) | JSON_SORT_KEYS);
    good = text != NULL && cli_write_safely(cli, state->path, text, strlen(text));
    free(text);
    json_decref(object);
    return good;
}

void watch_state_clear(struct watch_state *state)
{
    sighting_clear(&state->newest);
    json_decref(state->nodes);
    state->nodes = NULL;
}

uint64_t watch_state_size_of(const struct watch_state *state, const char *url)
{
    const json_t *text = json_object_get(state->nodes, url);
    struct slk_note *note = malloc(sizeof(*note));
    struct slk_checkpoint checkpoint = {0};
    bool good = note != NULL && json_is_string(text) &&
                slk_note_parse(note, json_string_value(text), json_string_length(text)) == SLK_OK &&
                slk_checkpoint_parse(&checkpoint, note->text) == SLK_OK;

    free(note);
    return good ? checkpoint.head.tree_size : 0;
}

bool watch_state_take(struct watch_state *state, const struct sighting *s, const char *url)
{
    struct sighting copy = *s;

    if (json_object_set_new(state->nodes, url, json_stringn(s->note, s->note_n)) != 0)
        return false;
    if (!s->is_good || (state->newest.note != NULL &&
                           state->newest.checkpoint.head.tree_size >= s->checkpoint.head.tree_size))
        return true;
    copy.note = malloc(s->note_n + 1);
    if (copy.note == NULL)
        return false;
    memcpy(copy.note, s->note, s->note_n + 1);
    copy.checkpoint.origin.at = (const uint8_t *)copy.note; /* the first line of every checkpoint */
    copy.node = SIZE_MAX;
    sighting_clear(&state->newest);
    state->newest = copy;
    return true;
}
