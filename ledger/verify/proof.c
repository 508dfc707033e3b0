/* proof.c: status proofs, text and binary: taking them apart, printing them, converting. Source: C2SP tlog-proof,
 * proto/ledger.proto (StatusProof, StatusExtra), design §6.
 *
 * Neither form leaves a choice of spelling: base64, decimals and protobuf are read in canonical form only and
 * a note is kept word for word. So parse, then print, gives the bytes that came in, and so does text to binary
 * to text. The binary form has no place for a signature line whose payload is longer than any type we know, or
 * for names that no key of ours can have: such a text is read and verified (foreign witnesses may sign),
 * but not converted (SLK_E_TOO_LARGE).
 */
#include "ledger/verify/proof.h"

#include <string.h>

#define INDEX_WORD  "index "
#define EXTRA_WORD  "extra "
#define HASH_DIGITS 44 /* base64 of 32 bytes */

/* Field numbers of StatusProof, NoteSignature and StatusExtra. */
enum { PROOF_ORIGIN = 1, PROOF_TREE_SIZE, PROOF_ROOT_HASH, PROOF_SIGNATURE, PROOF_SEAL_PATH, PROOF_EXTRA };
enum { SIGNATURE_NAME = 1, SIGNATURE_BLOB };
enum { EXTRA_SEAL = 1, EXTRA_MAP_PROOF, EXTRA_EVENT };

/* ---- reading: what both forms share ---- */

/* The next field, if it is bytes and has this number; empty otherwise. None of our bytes fields may be empty. */
static struct slk_span read_bytes_field(struct slk_reader *r, uint32_t field)
{
    uint32_t last = field - 1;
    enum slk_wire wire;

    if (slk_read_field(r, &last, &wire) != field || wire != SLK_WIRE_BYTES)
        return (struct slk_span){0};
    return slk_read_delimited(r);
}

bool slk_proof_next_event(struct slk_span *out, struct slk_span *rest)
{
    struct slk_reader r = {.rest = *rest};

    *out = read_bytes_field(&r, EXTRA_EVENT);
    *rest = r.rest;
    return out->size > 0;
}

/* StatusExtra: seal, map_proof, event*. */
static enum slk_err read_extra(struct slk_proof *out, struct slk_span extra)
{
    struct slk_reader r = {.rest = extra};
    struct slk_span event;

    out->seal = read_bytes_field(&r, EXTRA_SEAL);
    if (out->seal.size > 0)
        out->map_proof = read_bytes_field(&r, EXTRA_MAP_PROOF);
    if (r.bad || out->map_proof.size == 0)
        return SLK_E_MALFORMED;
    out->events = r.rest;
    while (r.rest.size > 0) {
        if (!slk_proof_next_event(&event, &r.rest))
            return SLK_E_MALFORMED;
        if (event.size > SLK_ENTRY_MAX || out->events_n == SLK_PROOF_EVENTS_MAX)
            return SLK_E_TOO_LARGE;
        out->events_n++;
    }
    return SLK_OK;
}

/* ---- reading: text ---- */

bool slk_proof_is_text(struct slk_span proof)
{
    size_t n = strlen(SLK_TLOG_PROOF_HEADER);

    return proof.size >= n && memcmp(proof.at, SLK_TLOG_PROOF_HEADER, n) == 0;
}

static enum slk_err read_note(struct slk_proof *out, struct slk_span note_bytes)
{
    struct slk_note note;
    struct slk_checkpoint checkpoint;
    enum slk_err err;

    err = slk_note_parse(&note, (const char *)note_bytes.at, note_bytes.size);
    if (err != SLK_OK)
        return err;
    err = slk_checkpoint_parse(&checkpoint, note.text);
    if (err != SLK_OK)
        return err;
    out->note = note_bytes;
    out->origin = checkpoint.origin;
    out->head = checkpoint.head;
    out->sigs_n = note.sigs_n;
    memcpy(out->sigs, note.sigs, sizeof(out->sigs));
    return SLK_OK;
}

static enum slk_err read_text(
    struct slk_proof *out, struct slk_span whole, uint8_t *scratch, size_t scratch_size)
{
    struct slk_tlog_proof text;
    size_t extra_size;
    enum slk_err err = slk_tlog_proof_parse(&text, whole);

    if (err != SLK_OK)
        return err;
    if (!text.has_extra ||
        !slk_base64_parse(scratch, scratch_size, &extra_size, (const char *)text.extra.at, text.extra.size))
        return SLK_E_MALFORMED;
    out->path_n = text.path_n;
    memcpy(out->path, text.path, text.path_n * sizeof(text.path[0]));
    err = read_extra(out, slk_span_of(scratch, extra_size));
    if (err != SLK_OK)
        return err;
    err = read_note(out, text.note);
    if (err != SLK_OK)
        return err;
    /* The seal is the last entry of the log the checkpoint describes. */
    return out->head.tree_size > 0 && text.index == out->head.tree_size - 1 ? SLK_OK : SLK_E_MALFORMED;
}

/* ---- reading: binary ---- */

static bool read_signature(struct slk_proof *out, struct slk_span message)
{
    struct slk_reader r = {.rest = message};

    if (out->sigs_n == SLK_NOTE_SIGS_MAX)
        return false;
    struct slk_note_sig *sig = &out->sigs[out->sigs_n];
    sig->name = read_bytes_field(&r, SIGNATURE_NAME);
    struct slk_span blob = read_bytes_field(&r, SIGNATURE_BLOB);
    if (!slk_read_done(&r) || blob.size <= SLK_NOTE_KEY_HASH_SIZE || blob.size > SLK_NOTE_BLOB_MAX ||
        !slk_name_is_valid((const char *)sig->name.at, sig->name.size))
        return false;
    memcpy(sig->blob, blob.at, blob.size);
    sig->blob_size = blob.size;
    sig->key_hash = slk_get_u32(sig->blob);
    out->sigs_n++;
    return true;
}

static bool read_seal_path(struct slk_proof *out, struct slk_span hashes)
{
    if (hashes.size == 0 || hashes.size % SLK_HASH_SIZE != 0 || hashes.size / SLK_HASH_SIZE > SLK_PATH_MAX)
        return false;
    out->path_n = hashes.size / SLK_HASH_SIZE;
    for (size_t i = 0; i < out->path_n; i++)
        memcpy(out->path[i].b, hashes.at + i * SLK_HASH_SIZE, SLK_HASH_SIZE);
    return true;
}

/* One field of StatusProof; its number has been read. */
static enum slk_err read_proof_field(struct slk_proof *out, struct slk_reader *r, uint32_t field)
{
    struct slk_span bytes;
    bool good = false;

    if (field == PROOF_TREE_SIZE) {
        out->head.tree_size = slk_read_number(r, UINT64_MAX);
        return r->bad ? SLK_E_MALFORMED : SLK_OK;
    }
    bytes = slk_read_delimited(r);
    if (r->bad)
        return SLK_E_MALFORMED;
    switch (field) {
    case PROOF_ORIGIN:
        good = slk_name_is_valid((const char *)bytes.at, bytes.size);
        out->origin = bytes;
        break;
    case PROOF_ROOT_HASH:
        good = bytes.size == SLK_HASH_SIZE;
        if (good)
            memcpy(out->head.root_hash.b, bytes.at, SLK_HASH_SIZE);
        break;
    case PROOF_SIGNATURE:
        good = read_signature(out, bytes);
        break;
    case PROOF_SEAL_PATH:
        good = read_seal_path(out, bytes);
        break;
    case PROOF_EXTRA:
        return read_extra(out, bytes);
    }
    return good ? SLK_OK : SLK_E_MALFORMED;
}

static enum slk_err read_binary(struct slk_proof *out, struct slk_span bytes)
{
    const unsigned needed = 1u << PROOF_ORIGIN | 1u << PROOF_TREE_SIZE | 1u << PROOF_ROOT_HASH |
                            1u << PROOF_SIGNATURE | 1u << PROOF_EXTRA;
    struct slk_reader r = {.rest = bytes};
    unsigned seen = 0;
    uint32_t last = 0;
    enum slk_wire wire;

    while (r.rest.size > 0) {
        uint32_t field = slk_read_field(&r, &last, &wire);
        if (field == 0 || field > PROOF_EXTRA || (wire == SLK_WIRE_VARINT) != (field == PROOF_TREE_SIZE))
            return SLK_E_MALFORMED;
        enum slk_err err = read_proof_field(out, &r, field);
        if (err != SLK_OK)
            return err;
        seen |= 1u << field;
        if (field == PROOF_SIGNATURE)
            last = PROOF_SIGNATURE - 1; /* repeated */
    }
    return (seen & needed) == needed && slk_read_done(&r) ? SLK_OK : SLK_E_MALFORMED;
}

enum slk_err slk_proof_parse(
    struct slk_proof *out, struct slk_span proof, uint8_t *scratch, size_t scratch_size)
{
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    if (proof.size > SLK_PROOF_MAX)
        return SLK_E_TOO_LARGE;
    if (slk_proof_is_text(proof))
        err = read_text(out, proof, scratch, scratch_size);
    else
        err = read_binary(out, proof);
    if (err != SLK_OK)
        memset(out, 0, sizeof(*out)); /* tree_size 0 has no last entry */
    return err;
}

/* ---- printing ---- */

/* What the printers print: a proof taken apart, its events as they stand in it or from a list. */
struct source {
    const struct slk_proof *proof;
    const struct slk_span *events; /* NULL: proof->events */
    size_t events_n;
};

/* Where the bytes of StatusExtra go: as they are, or as base64, some at a time. */
struct sink {
    struct slk_writer *w;
    bool base64;
    size_t held_n;
    uint8_t held[192]; /* a multiple of 3: only the last group is padded */
};

static void sink_flush(struct sink *sink)
{
    char digits[sizeof(sink->held) / 3 * 4];

    slk_base64_format(digits, sink->held, sink->held_n);
    slk_write_bytes(sink->w, digits, slk_base64_size(sink->held_n));
    sink->held_n = 0;
}

static void sink_bytes(struct sink *sink, struct slk_span bytes)
{
    if (!sink->base64) {
        slk_write_bytes(sink->w, bytes.at, bytes.size);
        return;
    }
    while (bytes.size > 0) {
        size_t room = sizeof(sink->held) - sink->held_n, n = bytes.size < room ? bytes.size : room;

        memcpy(sink->held + sink->held_n, bytes.at, n);
        sink->held_n += n;
        bytes = slk_span_of(bytes.at + n, bytes.size - n);
        if (sink->held_n == sizeof(sink->held))
            sink_flush(sink);
    }
}

static void sink_field(struct sink *sink, uint32_t field, struct slk_span bytes)
{
    uint8_t head[1 + 10]; /* tag, length */
    struct slk_writer w = {.at = head, .cap = sizeof(head)};

    slk_write_varint(&w, field << 3 | SLK_WIRE_BYTES);
    slk_write_varint(&w, bytes.size);
    sink_bytes(sink, slk_span_of(head, w.size));
    sink_bytes(sink, bytes);
}

static size_t field_size(size_t bytes_n)
{
    return 1 + slk_varint_size(bytes_n) + bytes_n;
}

static size_t extra_size(const struct source *source)
{
    size_t size = field_size(source->proof->seal.size) + field_size(source->proof->map_proof.size);

    if (source->events == NULL)
        return size + source->proof->events.size;
    for (size_t i = 0; i < source->events_n; i++)
        size += field_size(source->events[i].size);
    return size;
}

static void write_extra(struct slk_writer *w, const struct source *source, bool base64)
{
    struct sink sink = {.w = w, .base64 = base64};

    sink_field(&sink, EXTRA_SEAL, source->proof->seal);
    sink_field(&sink, EXTRA_MAP_PROOF, source->proof->map_proof);
    if (source->events == NULL)
        sink_bytes(&sink, source->proof->events);
    else
        for (size_t i = 0; i < source->events_n; i++)
            sink_field(&sink, EXTRA_EVENT, source->events[i]);
    if (base64)
        sink_flush(&sink);
}

static void write_note(struct slk_writer *w, const struct slk_proof *proof)
{
    struct slk_checkpoint checkpoint = {.origin = proof->origin, .head = proof->head};
    char text[SLK_CHECKPOINT_TEXT_MAX];

    if (proof->note.size > 0) {
        slk_write_bytes(w, proof->note.at, proof->note.size);
        return;
    }
    slk_write_bytes(w, text, slk_checkpoint_format(text, &checkpoint));
    slk_write_u8(w, '\n');
    for (size_t i = 0; i < proof->sigs_n; i++) {
        const struct slk_note_sig *sig = &proof->sigs[i];
        slk_note_write_sig(w, (const char *)sig->name.at, sig->name.size, sig->blob, sig->blob_size);
    }
}

static void write_text(struct slk_writer *w, const struct source *source)
{
    const struct slk_proof *proof = source->proof;
    char digits[SLK_DECIMAL_MAX > HASH_DIGITS ? SLK_DECIMAL_MAX : HASH_DIGITS];

    slk_write_bytes(w, SLK_TLOG_PROOF_HEADER, strlen(SLK_TLOG_PROOF_HEADER));
    slk_write_bytes(w, EXTRA_WORD, strlen(EXTRA_WORD));
    write_extra(w, source, true);
    slk_write_bytes(w, "\n" INDEX_WORD, 1 + strlen(INDEX_WORD));
    slk_write_bytes(w, digits, slk_decimal_format(digits, proof->head.tree_size - 1));
    slk_write_u8(w, '\n');
    for (size_t i = 0; i < proof->path_n; i++) {
        slk_base64_format(digits, proof->path[i].b, SLK_HASH_SIZE);
        slk_write_bytes(w, digits, HASH_DIGITS);
        slk_write_u8(w, '\n');
    }
    slk_write_u8(w, '\n');
    write_note(w, proof);
}

static void write_head(struct slk_writer *w, uint32_t field, size_t size)
{
    slk_write_varint(w, field << 3 | SLK_WIRE_BYTES);
    slk_write_varint(w, size);
}

static void write_binary(struct slk_writer *w, const struct source *source)
{
    const struct slk_proof *proof = source->proof;

    slk_write_field_bytes(w, PROOF_ORIGIN, proof->origin.at, proof->origin.size);
    slk_write_field_number(w, PROOF_TREE_SIZE, proof->head.tree_size);
    slk_write_field_bytes(w, PROOF_ROOT_HASH, proof->head.root_hash.b, SLK_HASH_SIZE);
    for (size_t i = 0; i < proof->sigs_n; i++) {
        const struct slk_note_sig *sig = &proof->sigs[i];
        write_head(w, PROOF_SIGNATURE, field_size(sig->name.size) + field_size(sig->blob_size));
        slk_write_field_bytes(w, SIGNATURE_NAME, sig->name.at, sig->name.size);
        slk_write_field_bytes(w, SIGNATURE_BLOB, sig->blob, sig->blob_size);
    }
    if (proof->path_n > 0) {
        write_head(w, PROOF_SEAL_PATH, proof->path_n * SLK_HASH_SIZE);
        for (size_t i = 0; i < proof->path_n; i++)
            slk_write_bytes(w, proof->path[i].b, SLK_HASH_SIZE);
    }
    write_head(w, PROOF_EXTRA, extra_size(source));
    write_extra(w, source, false);
}

/* Whether the binary form can say what this one says. */
static bool fits_binary(const struct slk_proof *proof)
{
    if (!slk_name_is_valid((const char *)proof->origin.at, proof->origin.size))
        return false;
    for (size_t i = 0; i < proof->sigs_n; i++) {
        const struct slk_note_sig *sig = &proof->sigs[i];
        if (sig->blob_size == 0 || !slk_name_is_valid((const char *)sig->name.at, sig->name.size))
            return false;
    }
    return true;
}

enum slk_err slk_proof_read_note(struct slk_proof *out, struct slk_span note)
{
    memset(out, 0, sizeof(*out));
    return read_note(out, note);
}

/* False when the parts do not make a proof. */
static bool take_parts(struct slk_proof *out, struct source *source, const struct slk_proof_parts *parts)
{
    if ((parts->noted == NULL && slk_proof_read_note(out, parts->note) != SLK_OK) ||
        out->head.tree_size == 0 || parts->path_n > SLK_PATH_MAX || parts->seal.size == 0 ||
        parts->map_proof.size == 0 || parts->events_n > SLK_PROOF_EVENTS_MAX)
        return false;
    for (size_t i = 0; i < parts->events_n; i++)
        if (parts->events[i].size == 0 || parts->events[i].size > SLK_ENTRY_MAX)
            return false;
    out->path_n = parts->path_n;
    for (size_t i = 0; i < parts->path_n; i++)
        out->path[i] = parts->path[i];
    out->seal = parts->seal;
    out->map_proof = parts->map_proof;
    *source = (struct source){.proof = out, .events = parts->events, .events_n = parts->events_n};
    return true;
}

static size_t written(const struct slk_writer *w)
{
    return w->bad || w->size > SLK_PROOF_MAX ? 0 : w->size;
}

size_t slk_proof_format_text(uint8_t *out, size_t cap, const struct slk_proof_parts *parts)
{
    struct slk_writer w = {.at = out, .cap = cap};
    struct slk_proof own, *proof = parts->noted != NULL ? parts->noted : &own;
    struct source source;

    if (!take_parts(proof, &source, parts))
        return 0;
    write_text(&w, &source);
    return written(&w);
}

size_t slk_proof_format_binary(uint8_t *out, size_t cap, const struct slk_proof_parts *parts)
{
    struct slk_writer w = {.at = out, .cap = cap};
    struct slk_proof own, *proof = parts->noted != NULL ? parts->noted : &own;
    struct source source;

    if (!take_parts(proof, &source, parts) || !fits_binary(proof))
        return 0;
    write_binary(&w, &source);
    return written(&w);
}

/* The text form is never shorter than the binary one. */
size_t slk_proof_room(const struct slk_proof_parts *parts)
{
    size_t extra = field_size(parts->seal.size) + field_size(parts->map_proof.size);

    for (size_t i = 0; i < parts->events_n; i++)
        extra += field_size(parts->events[i].size);
    return strlen(SLK_TLOG_PROOF_HEADER EXTRA_WORD INDEX_WORD) + slk_base64_size(extra) + SLK_DECIMAL_MAX +
           parts->path_n * (HASH_DIGITS + 1) + 3 + parts->note.size;
}

/* ---- converting ---- */

static enum slk_err convert(
    uint8_t *out, size_t out_cap, size_t *out_size, struct slk_span proof, bool to_binary)
{
    struct slk_writer w = {.at = out, .cap = out_cap};
    struct slk_proof parsed;
    struct source source = {.proof = &parsed};
    size_t scratch_size = slk_proof_is_text(proof) ? proof.size : 0;

    *out_size = 0;
    if (proof.size > SLK_PROOF_MAX || out_cap < scratch_size)
        return SLK_E_TOO_LARGE;
    w.cap -= scratch_size; /* a text's decoded extra goes to the end of the room */
    enum slk_err err = slk_proof_parse(&parsed, proof, out + w.cap, scratch_size);
    if (err != SLK_OK)
        return err;
    if (to_binary && !fits_binary(&parsed))
        return SLK_E_TOO_LARGE;
    if (to_binary)
        write_binary(&w, &source);
    else
        write_text(&w, &source);
    if (written(&w) == 0)
        return SLK_E_TOO_LARGE;
    *out_size = w.size;
    return SLK_OK;
}

enum slk_err slk_proof_to_text(uint8_t *out, size_t out_cap, size_t *out_size, struct slk_span proof)
{
    return convert(out, out_cap, out_size, proof, false);
}

enum slk_err slk_proof_to_binary(uint8_t *out, size_t out_cap, size_t *out_size, struct slk_span proof)
{
    return convert(out, out_cap, out_size, proof, true);
}
