/* proof.h: status proofs in both encodings: reading and printing. slk_verify_status is in sillok.h. */
#ifndef SLK_VERIFY_PROOF_H
#define SLK_VERIFY_PROOF_H

#include "ledger/verify/checkpoint.h"
#include "ledger/verify/map_proof.h"
#include "ledger/verify/tlog_proof.h"

#define SLK_PROOF_MAX         (4u << 20)
#define SLK_PROOF_EVENTS_MAX  65536

/* A proof taken apart; everything borrowed. The inclusion path's index is checkpoint size - 1. */
struct slk_proof {
    struct slk_span note;      /* text form: the checkpoint note verbatim; empty in binary form */
    struct slk_span origin;
    struct slk_tree_head head;
    size_t sigs_n;
    struct slk_note_sig sigs[SLK_NOTE_SIGS_MAX];
    size_t path_n;
    struct slk_hash path[SLK_PATH_MAX];
    struct slk_span seal;      /* Entry bytes */
    struct slk_span map_proof;
    struct slk_span events;    /* the `event` fields of StatusExtra as they stand; walk with slk_proof_next_event */
    size_t events_n;
};

/* Takes a proof apart, either encoding (text starts with SLK_TLOG_PROOF_HEADER). `scratch` must hold
 * proof.size bytes for the text form (it receives the decoded extra) and may be NULL for the binary one.
 * Returns SLK_OK, SLK_E_MALFORMED, SLK_E_NOT_CANONICAL, SLK_E_TOO_LARGE, SLK_E_NOTE, SLK_E_CHECKPOINT. */
SLK_MUST_CHECK enum slk_err slk_proof_parse(struct slk_proof *out, struct slk_span proof, uint8_t *scratch, size_t scratch_size);
bool slk_proof_is_text(struct slk_span proof);
/* Next event's Entry bytes; *rest starts as proof.events. */
bool slk_proof_next_event(struct slk_span *out, struct slk_span *rest);

/* What a prover has; both printers return the length, or 0 when it does not fit. */
struct slk_proof_parts {
    struct slk_span note; /* signed checkpoint */
    const struct slk_hash *path;
    size_t path_n;
    struct slk_span seal;
    struct slk_span map_proof;
    const struct slk_span *events; /* Entry bytes, oldest first */
    size_t events_n;
    /* NULL, or what slk_proof_read_note made of `note`: a prover of many proofs under one checkpoint reads it once. Its
     * other fields are filled by the printers. */
    struct slk_proof *noted;
};
/* Reads a signed checkpoint into the fields a proof keeps of it; zeroes the others. SLK_OK, SLK_E_NOTE, SLK_E_CHECKPOINT. */
SLK_MUST_CHECK enum slk_err slk_proof_read_note(struct slk_proof *out, struct slk_span note);
size_t slk_proof_format_text(uint8_t *out, size_t cap, const struct slk_proof_parts *parts);
size_t slk_proof_format_binary(uint8_t *out, size_t cap, const struct slk_proof_parts *parts);
/* Room enough for either encoding of these parts. */
size_t slk_proof_room(const struct slk_proof_parts *parts);

#endif
