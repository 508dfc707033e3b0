/* note.c: see note.h. */
#include <assert.h>
#include <string.h>

#include "ledger/verify/hash.h"
#include "ledger/verify/note.h"

#define EM_DASH          "\xe2\x80\x94" /* C2SP signed-note: U+2014 starts a signature line */
#define EM_DASH_SIZE     3
#define KEY_MATERIAL     (1 + SLK_KEY_SIZE) /* C2SP signed-note: signature type, public key */
#define COSIGN_TIME_MAX  INT64_MAX          /* C2SP tlog-cosignature: 2^63 - 1 */
#define COSIGN_TEXT_MAX  4096               /* a checkpoint of ours has at most 322; other logs add lines */
#define COSIGN_FRAME_MAX (15 + 5 + SLK_DECIMAL_MAX + 1) /* header line, "time ", digits, LF */
#define BASE64_CHUNK     64
#define CHUNK_BYTES      (BASE64_CHUNK / 4 * 3)

/* ---- text ---- */

/* Reads one code point, strictly: no overlong form, no surrogate, none above U+10FFFF (RFC 3629 §4).
 * Returns its size in bytes, or 0. text.size > 0. */
static size_t read_code_point(uint32_t *out, struct slk_span text)
{
    uint8_t first = text.at[0];
    size_t size = first < 0x80   ? 1
                  : first < 0xc0 ? 0
                  : first < 0xe0 ? 2
                  : first < 0xf0 ? 3
                  : first < 0xf8 ? 4
                                 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t v;

    if (size == 0 || size > text.size)
        return 0;
    v = size == 1 ? first : first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text.at[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (text.at[i] & 0x3fu);
    }
    if (v < least[size] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *out = v;
    return size;
}

/* Unicode's White_Space property, as of 6.3 to 16.0. */
static bool is_unicode_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/* C2SP signed-note: Signed notes MUST be valid UTF-8 and MUST NOT contain any ASCII control characters
 * (those below U+0020) other than newline. */
static bool is_note_text(struct slk_span text)
{
    while (text.size > 0) {
        uint32_t c;
        size_t size = read_code_point(&c, text);

        if (size == 0 || (c < 0x20 && c != '\n'))
            return false;
        text = slk_span_of(text.at + size, text.size - size);
    }
    return true;
}

/* A key name as the specification allows any signer to have it; ours are held to slk_name_is_valid. */
static bool is_key_name(struct slk_span name)
{
    if (name.size == 0)
        return false;
    while (name.size > 0) {
        uint32_t c;
        size_t size = read_code_point(&c, name);

        if (size == 0 || c == '+' || is_unicode_space(c))
            return false;
        name = slk_span_of(name.at + size, name.size - size);
    }
    return true;
}

bool slk_name_is_valid(const char *name, size_t size)
{
    struct slk_span rest = slk_span_of(name, size);

    if (size > SLK_NAME_MAX || !is_key_name(rest))
        return false;
    while (rest.size > 0) {
        uint32_t c = 0;
        size_t n = read_code_point(&c, rest);

        assert(n > 0); /* is_key_name has read it */
        if (is_control(c))
            return false;
        rest = slk_span_of(rest.at + n, rest.size - n);
    }
    return true;
}

/* ---- verifier keys ---- */

/* C2SP signed-note: key ID = SHA-256(key name || 0x0A || signature type || public key)[:4] */
static uint32_t hash_key(const char *name, size_t name_size, uint8_t type, const uint8_t key[SLK_KEY_SIZE])
{
    struct slk_sha sha;
    struct slk_hash hash;
    uint8_t middle[2] = {'\n', type};

    slk_sha_init(&sha);
    slk_sha_add(&sha, name, name_size);
    slk_sha_add(&sha, middle, sizeof(middle));
    slk_sha_add(&sha, key, SLK_KEY_SIZE);
    slk_sha_final(&sha, &hash);
    return slk_get_u32(hash.b);
}

static enum slk_err init_vkey(
    struct slk_vkey *out, struct slk_span name, uint8_t type, const uint8_t key[SLK_KEY_SIZE])
{
    memset(out, 0, sizeof(*out)); /* type 0 is no type, and the empty name nobody's */
    if (!slk_name_is_valid((const char *)name.at, name.size) ||
        (type != SLK_SIG_ED25519 && type != SLK_SIG_COSIGNATURE_V1) || !slk_key_is_sound(key))
        return SLK_E_VKEY;
    memcpy(out->name, name.at, name.size);
    out->type = type;
    memcpy(out->key, key, SLK_KEY_SIZE);
    out->key_hash = hash_key(out->name, name.size, type, key);
    return SLK_OK;
}

enum slk_err slk_vkey_init(
    struct slk_vkey *out, const char *name, uint8_t type, const uint8_t key[SLK_KEY_SIZE])
{
    return init_vkey(out, slk_span_of(name, strlen(name)), type, key);
}

enum slk_err slk_vkey_parse(struct slk_vkey *out, const char *text, size_t size)
{
    const char *plus = size == 0 ? NULL : memchr(text, '+', size); /* a name has none; base64 may */
    uint8_t id[SLK_NOTE_KEY_HASH_SIZE], material[KEY_MATERIAL];
    size_t name_size, material_size;
    const size_t id_digits = 2 * sizeof(id);

    memset(out, 0, sizeof(*out));
    if (plus == NULL)
        return SLK_E_VKEY;
    name_size = (size_t)(plus - text);
    size -= name_size + 1;
    if (size < id_digits + 1 || plus[1 + id_digits] != '+' ||
        !slk_hex_parse(id, sizeof(id), plus + 1, id_digits))
        return SLK_E_VKEY;
    if (!slk_base64_parse(
            material, sizeof(material), &material_size, plus + 1 + id_digits + 1, size - id_digits - 1) ||
        material_size != sizeof(material))
        return SLK_E_VKEY;
    if (init_vkey(out, slk_span_of(text, name_size), material[0], material + 1) != SLK_OK)
        return SLK_E_VKEY;
    if (out->key_hash != slk_get_u32(id)) { /* a typing error in the name or the key ends here */
        memset(out, 0, sizeof(*out));
        return SLK_E_VKEY;
    }
    return SLK_OK;
}

size_t slk_vkey_format(char out[SLK_VKEY_MAX], const struct slk_vkey *vkey)
{
    size_t n = strlen(vkey->name);
    uint8_t id[SLK_NOTE_KEY_HASH_SIZE], material[KEY_MATERIAL];

    assert(n > 0 && n <= SLK_NAME_MAX);
    slk_put_u32(id, vkey->key_hash);
    material[0] = vkey->type;
    memcpy(material + 1, vkey->key, SLK_KEY_SIZE);
    memcpy(out, vkey->name, n);
    out[n++] = '+';
    slk_hex_format(out + n, id, sizeof(id));
    n += 2 * sizeof(id);
    out[n++] = '+';
    slk_base64_format(out + n, material, sizeof(material));
    n += slk_base64_size(sizeof(material));
    assert(n < SLK_VKEY_MAX);
    out[n] = '\0';
    return n;
}

/* ---- notes ---- */

/* Splits at the last empty line. C2SP signed-note: the text is separated from the signatures by the last
 * empty line in the note. */
static bool split(struct slk_span *text, struct slk_span *lines, const char *note, size_t size)
{
    for (size_t i = size; i >= 2; i--) {
        if (note[i - 1] == '\n' && note[i - 2] == '\n') {
            *text = slk_span_of(note, i - 1);
            *lines = slk_span_of(note + i, size - i);
            return true;
        }
    }
    return false;
}

/* Checks that the payload of a signature too long to keep is base64, too, piece by piece. */
static bool is_base64(const char *text, size_t size)
{
    uint8_t bytes[CHUNK_BYTES];
    size_t bytes_n;

    for (; size > BASE64_CHUNK; text += BASE64_CHUNK, size -= BASE64_CHUNK) {
        if (!slk_base64_parse(bytes, sizeof(bytes), &bytes_n, text, BASE64_CHUNK) || bytes_n != sizeof(bytes))
            return false; /* padding is for the last piece */
    }
    return slk_base64_parse(bytes, sizeof(bytes), &bytes_n, text, size);
}

/* base64(32-bit key ID || signature) */
static bool read_payload(struct slk_note_sig *out, const char *text, size_t size)
{
    uint8_t start[6]; /* what the first 8 digits stand for */
    size_t start_n;

    if (slk_base64_parse(out->blob, sizeof(out->blob), &out->blob_size, text, size)) {
        if (out->blob_size <= SLK_NOTE_KEY_HASH_SIZE)
            return false;
        out->key_hash = slk_get_u32(out->blob);
        return true;
    }
    memset(out->blob, 0, sizeof(out->blob)); /* also of what did not fit */
    if (size < 8 || !is_base64(text, size) || !slk_base64_parse(start, sizeof(start), &start_n, text, 8))
        return false; /* what is base64 and did not fit is longer than any type we know */
    out->key_hash = slk_get_u32(start);
    return true;
}

/* C2SP signed-note: em dash (U+2014), space (U+0020), key name, space, base64-encoded signature, newline.
 * `line` is without its newline. */
static bool read_sig_line(struct slk_note_sig *out, struct slk_span line)
{
    const uint8_t *space;

    if (line.size < EM_DASH_SIZE + 1 || memcmp(line.at, EM_DASH " ", EM_DASH_SIZE + 1) != 0)
        return false;
    line = slk_span_of(line.at + EM_DASH_SIZE + 1, line.size - EM_DASH_SIZE - 1);
    space = line.size == 0 ? NULL : memchr(line.at, ' ', line.size);
    if (space == NULL)
        return false;
    out->name = slk_span_of(line.at, (size_t)(space - line.at));
    return is_key_name(out->name) &&
           read_payload(out, (const char *)space + 1, line.size - out->name.size - 1);
}

static bool read_note(struct slk_note *out, const char *note, size_t size)
{
    struct slk_span lines;

    if (size > SLK_NOTE_MAX || !is_note_text(slk_span_of(note, size)) ||
        !split(&out->text, &lines, note, size) || lines.size == 0)
        return false;
    while (lines.size > 0) {
        struct slk_span line;

        if (!slk_span_take(&line, &lines, '\n') || out->sigs_n == SLK_NOTE_SIGS_MAX ||
            !read_sig_line(&out->sigs[out->sigs_n], line))
            return false;
        out->sigs_n++;
    }
    return true;
}

enum slk_err slk_note_parse(struct slk_note *out, const char *note, size_t size)
{
    memset(out, 0, sizeof(*out));
    if (!read_note(out, note, size)) {
        memset(out, 0, sizeof(*out)); /* no text, no signature: nothing to believe */
        return SLK_E_NOTE;
    }
    assert(out->sigs_n > 0 && out->text.size > 0);
    return SLK_OK;
}

void slk_note_write_sig(
    struct slk_writer *w, const char *name, size_t name_size, const uint8_t *blob, size_t blob_size)
{
    static const uint8_t line_start[] = EM_DASH " ";

    slk_write_bytes(w, line_start, EM_DASH_SIZE + 1);
    slk_write_bytes(w, name, name_size);
    slk_write_u8(w, ' ');
    for (size_t i = 0; i < blob_size; i += 3) { /* three bytes make four digits, without a buffer for all */
        char digits[4];

        slk_base64_format(digits, blob + i, blob_size - i < 3 ? blob_size - i : 3);
        slk_write_bytes(w, digits, sizeof(digits));
    }
    slk_write_u8(w, '\n');
}

/* ---- signatures ---- */

size_t slk_cosign_message(uint8_t *out, size_t cap, uint64_t time_s, struct slk_span text)
{
    struct slk_writer w = {.at = out, .cap = cap};
    char digits[SLK_DECIMAL_MAX];

    slk_write_bytes(&w, SLK_COSIGN_HEADER, strlen(SLK_COSIGN_HEADER));
    slk_write_bytes(&w, "time ", 5);
    slk_write_bytes(&w, digits, slk_decimal_format(digits, time_s));
    slk_write_u8(&w, '\n');
    slk_write_bytes(&w, text.at, text.size);
    return w.bad ? 0 : w.size;
}

/* timestamped_signature: u64 timestamp, opaque ed25519_signature[64] (C2SP tlog-cosignature). */
static bool check_cosignature(uint64_t *time_s, const struct slk_note *note, const struct slk_note_sig *sig,
    const struct slk_vkey *vkey)
{
    uint8_t message[COSIGN_FRAME_MAX + COSIGN_TEXT_MAX];
    const uint8_t *timestamp = sig->blob + SLK_NOTE_KEY_HASH_SIZE;
    uint64_t t;
    size_t size;

    if (sig->blob_size != SLK_NOTE_KEY_HASH_SIZE + 8 + SLK_SIGNATURE_SIZE)
        return false;
    t = slk_get_u64(timestamp);
    size = slk_cosign_message(message, sizeof(message), t, note->text);
    if (t > COSIGN_TIME_MAX || size == 0 || !slk_sig_verify(timestamp + 8, message, size, vkey->key))
        return false;
    *time_s = t;
    return true;
}

static bool check_plain(
    const struct slk_note *note, const struct slk_note_sig *sig, const struct slk_vkey *vkey)
{
    return sig->blob_size == SLK_NOTE_KEY_HASH_SIZE + SLK_SIGNATURE_SIZE &&
           slk_sig_verify(sig->blob + SLK_NOTE_KEY_HASH_SIZE, note->text.at, note->text.size, vkey->key);
}

enum slk_err slk_note_check_sig(
    uint64_t *time_s, const struct slk_note *note, size_t sig_index, const struct slk_vkey *vkey)
{
    const struct slk_note_sig *sig = &note->sigs[sig_index];
    bool good = false;

    assert(sig_index < note->sigs_n);
    *time_s = 0;
    if (sig->key_hash != vkey->key_hash ||
        !slk_span_equal(sig->name, slk_span_of(vkey->name, strlen(vkey->name))))
        return SLK_E_NOT_FOUND;
    if (vkey->type == SLK_SIG_COSIGNATURE_V1)
        good = check_cosignature(time_s, note, sig, vkey);
    else if (vkey->type == SLK_SIG_ED25519)
        good = check_plain(note, sig, vkey);
    return good ? SLK_OK : SLK_E_SIGNATURE;
}
