/* note.h: C2SP signed notes, verifier keys and cosignatures. Source: C2SP signed-note, tlog-cosignature. */
#ifndef SLK_VERIFY_NOTE_H
#define SLK_VERIFY_NOTE_H

#include "ledger/verify/bytes.h"
#include "ledger/verify/sig.h"

#define SLK_NAME_MAX           255 /* C2SP tlog-cosignature: names and origins */
#define SLK_NOTE_SIGS_MAX      64  /* we read at least the 16 the specification asks for */
#define SLK_NOTE_MAX           65536
#define SLK_SIG_ED25519        0x01               /* C2SP signed-note: signature types */
#define SLK_SIG_COSIGNATURE_V1 0x04               /* C2SP signed-note: signature types */
#define SLK_COSIGN_HEADER      "cosignature/v1\n" /* C2SP tlog-cosignature */
#define SLK_NOTE_KEY_HASH_SIZE 4
#define SLK_NOTE_BLOB_MAX      (4 + 8 + SLK_SIGNATURE_SIZE)
#define SLK_VKEY_MAX           (SLK_NAME_MAX + 1 + 8 + 1 + 44 + 1)

struct slk_vkey {
    char name[SLK_NAME_MAX + 1];
    uint8_t type; /* SLK_SIG_ED25519 or SLK_SIG_COSIGNATURE_V1 */
    uint8_t key[SLK_KEY_SIZE];
    uint32_t key_hash; /* big-endian first 4 bytes of SHA-256(name || LF || type || key) */
};

/* A key name: non-empty, valid UTF-8, no Unicode space, no '+', no control character, at most 255 bytes. */
bool slk_name_is_valid(const char *name, size_t size);
/* Fills key_hash. Returns SLK_OK, SLK_E_VKEY: bad name, unknown type, or a key that is not sound. */
SLK_MUST_CHECK enum slk_err slk_vkey_init(
    struct slk_vkey *out, const char *name, uint8_t type, const uint8_t key[SLK_KEY_SIZE]);
SLK_MUST_CHECK enum slk_err slk_vkey_parse(struct slk_vkey *out, const char *text, size_t size);
size_t slk_vkey_format(char out[SLK_VKEY_MAX], const struct slk_vkey *vkey); /* length; NUL-terminated */

struct slk_note_sig {
    struct slk_span name; /* borrowed from the note */
    uint32_t key_hash;
    uint8_t blob[SLK_NOTE_BLOB_MAX]; /* the line's payload: 4-byte key ID, then the signature */
    size_t blob_size; /* 0 when longer than any type we know: then only its place in the note is kept */
};

struct slk_note {
    struct slk_span text; /* with its final LF; borrowed */
    size_t sigs_n;
    struct slk_note_sig sigs[SLK_NOTE_SIGS_MAX];
};

/* Splits and checks the form; verifies nothing. Returns SLK_OK or SLK_E_NOTE. */
SLK_MUST_CHECK enum slk_err slk_note_parse(struct slk_note *out, const char *note, size_t size);
/* Appends "— name base64(blob)\n" to a note's writer. */
void slk_note_write_sig(
    struct slk_writer *w, const char *name, size_t name_size, const uint8_t *blob, size_t blob_size);

/* The bytes a type 0x04 key signs: header, "time <dec>\n", the note text.
 * Returns the length, or 0 when it does not fit. */
size_t slk_cosign_message(uint8_t *out, size_t cap, uint64_t time_s, struct slk_span text);

/* Verifies one signature line of the note under `vkey`. *time_s: of the cosignature, 0 for type 0x01.
 * Returns SLK_OK; SLK_E_NOT_FOUND the line is not by this (name, key hash); SLK_E_SIGNATURE by it and wrong,
 * or a cosignature over more than 4,096 bytes: no checkpoint is that long. */
SLK_MUST_CHECK enum slk_err slk_note_check_sig(
    uint64_t *time_s, const struct slk_note *note, size_t sig_index, const struct slk_vkey *vkey);

#endif
