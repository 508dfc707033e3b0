/* api_proof_json.c: a status proof as JSON, printed rather than built: a tree of jansson's costs 10 us for each event of a history, its
 * text three looks at every character. What is printed is what jansson would print (JSON_COMPACT), byte for byte.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/proof.h"
#include "net/api_json.h"

#define EVENT_MAX                                                                                            \
    384u /* of one event: 140 of names and marks, two names of 16, a hash, five numbers of 20 digits */

static void print(struct slk_writer *w, const char *text)
{
    slk_write_bytes(w, text, strlen(text));
}

static void print_number(struct slk_writer *w, const char *name, uint64_t n)
{
    char digits[SLK_DECIMAL_MAX];

    print(w, name);
    slk_write_bytes(w, digits, slk_decimal_format(digits, n > INT64_MAX ? INT64_MAX : n));
}

static void print_name(struct slk_writer *w, const char *name, const char *value)
{
    print(w, name);
    print(w, value);
    slk_write_u8(w, '"');
}

/* False: these bytes are no event. */
static bool print_event(struct slk_writer *w, struct slk_span bytes)
{
    char digits[2 * SLK_HASH_SIZE];
    struct slk_entry entry;
    struct slk_event e;
    struct slk_hash id;

    if (slk_entry_parse(&entry, bytes) != SLK_OK || entry.type != SLK_ENTRY_RECORDED ||
        slk_event_parse(&e, entry.event) != SLK_OK)
        return false;
    slk_event_id(&id, entry.event);
    slk_hex_format(digits, id.b, SLK_HASH_SIZE);
    print_number(w, "{\"sequence\":", e.sequence);
    print_name(w, ",\"kind\":\"", slk_kind_name(e.kind));
    print(w, ",\"id\":\"");
    slk_write_bytes(w, digits, sizeof(digits));
    print_number(w, "\",\"recorded_at_ms\":", entry.recorded_at_ms);
    print_number(w, ",\"occurred_at\":", e.occurred_at_s);
    if (e.channel != 0)
        print_name(w, ",\"channel\":\"", slk_channel_name(e.channel));
    if (e.reason != 0)
        print_number(w, ",\"reason\":", e.reason);
    if (e.valid_until_s != 0)
        print_number(w, ",\"valid_until\":", e.valid_until_s);
    slk_write_u8(w, '}');
    return true;
}

/* map_proof.h: the record is what a proof of presence ends with. */
static bool record_of(struct slk_record *out, struct slk_span map_proof)
{
    return map_proof.size > SLK_RECORD_SIZE && map_proof.at[0] == SLK_MAP_RECORD &&
           slk_record_parse(out, map_proof.at + map_proof.size - SLK_RECORD_SIZE) == SLK_OK;
}

/* What stands before the history, in room that is enough for that, too. `seal` and `record` are those of the proof; no record: absent. */
static enum slk_err print_head(struct slk_api_proof_text *out, const struct slk_proof *p,
    struct slk_span proof, const struct slk_seal *seal, const struct slk_record *record)
{
    json_t *value = json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "present", record != NULL, "height",
        slk_api_number(seal->height), "time_ms", slk_api_number(seal->time_ms), "size",
        slk_api_number(p->head.tree_size), "root", slk_api_hash(&p->head.root_hash), "cosignatures",
        slk_api_number(p->sigs_n));
    json_t *inner = record != NULL ? slk_api_record(record) : NULL;
    char *head = json_dumps(value, JSON_COMPACT), *tail = json_dumps(inner, JSON_COMPACT);
    size_t digits_n = slk_base64_size(proof.size);
    struct slk_writer *w = &out->text;
    enum slk_err err = SLK_E_NOMEM;

    if (head != NULL && (record == NULL || tail != NULL)) {
        w->cap = strlen(head) + (tail != NULL ? strlen(tail) : 0) + digits_n + p->events_n * EVENT_MAX + 64;
        w->at = malloc(w->cap); /* pages in which nothing is written cost nothing */
        err = w->at != NULL ? SLK_OK : SLK_E_NOMEM;
    }
    if (err == SLK_OK) {
        slk_write_bytes(w, head, strlen(head) - 1);
        print(w, ",\"proof\":\"");
        slk_base64_format((char *)w->at + w->size, proof.at, proof.size);
        w->size += digits_n;
        slk_write_u8(w, '"');
        if (tail != NULL) {
            print(w, ",\"record\":");
            print(w, tail);
        }
        if (p->events_n > 0)
            print(w, ",\"history\":[");
    }
    free(head);
    free(tail);
    json_decref(value);
    json_decref(inner);
    return err;
}

enum slk_err slk_api_proof_begin(struct slk_api_proof_text *out, struct slk_span proof)
{
    struct slk_proof *p = malloc(sizeof(*p));
    struct slk_record record;
    struct slk_entry seal;
    enum slk_err err = p == NULL ? SLK_E_NOMEM : slk_proof_parse(p, proof, NULL, 0);

    memset(out, 0, sizeof(*out));
    if (err == SLK_OK && (slk_entry_parse(&seal, p->seal) != SLK_OK || seal.type != SLK_ENTRY_SEAL))
        err = SLK_E_MALFORMED;
    if (err == SLK_OK)
        err = print_head(out, p, proof, &seal.seal, record_of(&record, p->map_proof) ? &record : NULL);
    if (err == SLK_OK) {
        out->rest = p->events;
        out->has_history = p->events_n > 0;
    }
    free(p);
    return err;
}

enum slk_err slk_api_proof_go_on(struct slk_api_proof_text *text, size_t events_n)
{
    struct slk_writer *w = &text->text;
    struct slk_span event;

    for (size_t i = 0; i < events_n && text->rest.size > 0; i++) {
        if (!slk_proof_next_event(&event, &text->rest) || !print_event(w, event))
            return SLK_E_MALFORMED;
        if (text->rest.size > 0)
            slk_write_u8(w, ',');
    }
    if (text->rest.size > 0)
        return SLK_OK;
    print(w, text->has_history ? "]}" : "}");
    assert(!w->bad);
    text->done = true;
    return SLK_OK;
}
