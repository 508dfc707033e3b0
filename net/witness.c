/* witness.c: requests to outside witnesses and what their answers say. See witness.h; whose turn it is: witness_desk.c. */
#include "net/witness.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SIZE_TYPE "text/x.tlog.size"

const char *slk_witness_says_name(enum slk_witness_says says)
{
    static const char *const names[] = {
#define SLK_X(name, text) [SLK_WITNESS_##name] = (text),
        SLK_WITNESS_SAYS(SLK_X)
#undef SLK_X
    };

    return (size_t)says < SLK_WITNESS_SAYS_N ? names[says] : "?";
}

/* ---- whom to ask ---- */

static bool is_label(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return n > 0 && n <= SLK_WITNESS_LABEL_MAX && text[n] == '\0';
}

static bool has_only(const char *text, uint8_t least, uint8_t most)
{
    for (; *text != '\0'; text++)
        if ((uint8_t)*text < least || (uint8_t)*text > most)
            return false;
    return true;
}

/* Why this is no submission prefix; NULL: it is one. */
static const char *url_fault(const char *url)
{
    const char *rest = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : NULL;
    size_t host = rest != NULL ? strcspn(rest, "/") : 0;

    if (rest == NULL)
        return "it starts with https:// or http://";
    if (!has_only(url, 0x21, 0x7e) || strpbrk(url, "\"\\<>") != NULL)
        return "a character in it must be written as %20 and the like";
    if (host == 0 || *rest == ':')
        return "no host in it";
    if (memchr(rest, '@', host) != NULL)
        return "a name or password in it would be read here by others, and no witness asks for one";
    if (strpbrk(url, "?#") != NULL)
        return "no ? and # belong to it";
    return NULL;
}

static bool refuse(struct slk_fault *fault, const char *label, const char *why)
{
    snprintf(fault->text, sizeof(fault->text), "%.40s in [witnesses]: %s", label, why);
    return false;
}

bool slk_witness_parse(struct slk_witness *out, const char *label, const char *value, struct slk_fault *fault)
{
    size_t n = strcspn(value, " \t"), url_n;
    const char *url = value + n + strspn(value + n, " \t"), *why;

    memset(out, 0, sizeof(*out));
    if (!is_label(label))
        return refuse(fault, label, "a witness is called by up to 32 letters, digits and . _ -");
    if (n == 0 || *url == '\0')
        return refuse(fault, label,
            "write its verifier key and its submission prefix, as <name>+<key ID>+<key> "
            "https://witness.example/w");
    if (slk_vkey_parse(&out->vkey, value, n) != SLK_OK)
        return refuse(fault, label,
            "not a verifier key, mistyped, or of a kind this program does not know: copy it again from its "
            "operator");
    if (out->vkey.type != SLK_SIG_COSIGNATURE_V1)
        return refuse(fault, label, "the key of a witness is of type 0x04: ask its operator for that key");
    why = url_fault(url);
    if (why != NULL)
        return refuse(fault, label, why);
    url_n = strlen(url);
    while (url_n > 0 && url[url_n - 1] == '/')
        url_n--;
    if (url_n >= sizeof(out->url))
        return refuse(fault, label, "its address is too long");
    memcpy(out->url, url, url_n);
    memcpy(out->label, label, strlen(label));
    return true;
}

/* ---- what is sent ---- */

size_t slk_witness_request(uint8_t *out, size_t cap, uint64_t old_size, const struct slk_hash *path,
    size_t path_n, struct slk_span note)
{
    struct slk_writer w = {.at = out, .cap = cap};
    char digits[SLK_DECIMAL_MAX > 44 ? SLK_DECIMAL_MAX : 44];

    if (path_n > SLK_WITNESS_PATH_MAX)
        return 0;
    slk_write_bytes(&w, "old ", 4);
    slk_write_bytes(&w, digits, slk_decimal_format(digits, old_size));
    slk_write_u8(&w, '\n');
    for (size_t i = 0; i < path_n; i++) {
        slk_base64_format(digits, path[i].b, SLK_HASH_SIZE);
        slk_write_bytes(&w, digits, slk_base64_size(SLK_HASH_SIZE));
        slk_write_u8(&w, '\n');
    }
    slk_write_u8(&w, '\n');
    slk_write_bytes(&w, note.at, note.size);
    return w.bad ? 0 : w.size;
}

/* ---- what comes back ---- */

/* C2SP tlog-witness: the tree size in decimal, followed by a newline, as text/x.tlog.size. */
static enum slk_witness_says read_size(uint64_t *size, const struct slk_witness_answer *answer)
{
    struct slk_span rest = answer->body, line;

    if (strcmp(answer->type, SIZE_TYPE) != 0 || !slk_span_take(&line, &rest, '\n') || rest.size > 0 ||
        !slk_decimal_parse(size, INT64_MAX, (const char *)line.at, line.size))
        return SLK_WITNESS_MALFORMED;
    return SLK_WITNESS_OTHER_SIZE;
}

/* The newest good cosignature by this witness's key. One false line by it spoils the answer. */
static enum slk_witness_says find_cosignature(
    struct slk_witness_word *out, const struct slk_note *note, const struct slk_vkey *vkey)
{
    enum slk_witness_says says = SLK_WITNESS_NO_COSIGNATURE;

    for (size_t i = 0; i < note->sigs_n; i++) {
        uint64_t time_s;
        enum slk_err err = slk_note_check_sig(&time_s, note, i, vkey);

        if (err == SLK_E_SIGNATURE)
            return SLK_WITNESS_FALSE_COSIGNATURE;
        if (err != SLK_OK || (says == SLK_WITNESS_COSIGNED && time_s <= out->time_s))
            continue;
        assert(note->sigs[i].blob_size == sizeof(out->blob)); /* the key is of type 0x04 */
        memcpy(out->blob, note->sigs[i].blob, sizeof(out->blob));
        out->time_s = time_s;
        says = SLK_WITNESS_COSIGNED;
    }
    return says;
}

/* C2SP tlog-witness: the client may concatenate the answer to the checkpoint, and verify that note. */
static enum slk_witness_says read_cosignatures(struct slk_witness_word *out,
    const struct slk_witness *witness, struct slk_span body, struct slk_span text, uint64_t now_s)
{
    uint8_t bytes[SLK_CHECKPOINT_TEXT_MAX + 1 + SLK_WITNESS_ANSWER_MAX];
    struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
    struct slk_note note;
    enum slk_witness_says says;

    slk_write_bytes(&w, text.at, text.size);
    slk_write_u8(&w, '\n');
    slk_write_bytes(&w, body.at, body.size);
    if (w.bad || slk_note_parse(&note, (const char *)bytes, w.size) != SLK_OK ||
        !slk_span_equal(note.text, text)) /* an empty line in the answer would end the text elsewhere */
        return SLK_WITNESS_MALFORMED;
    says = find_cosignature(out, &note, &witness->vkey);
    if (says == SLK_WITNESS_COSIGNED &&
        (out->time_s == 0 ||
            (out->time_s > now_s ? out->time_s - now_s : now_s - out->time_s) > SLK_WITNESS_AHEAD_S))
        return SLK_WITNESS_FALSE_TIME;
    return says;
}

void slk_witness_read(struct slk_witness_word *out, const struct slk_witness *witness,
    const struct slk_witness_answer *answer, struct slk_span text, uint64_t now_s)
{
    memset(out, 0, sizeof(*out));
    if (answer->is_too_large)
        out->says = SLK_WITNESS_TOO_LARGE;
    else if (answer->status == 0)
        out->says = SLK_WITNESS_UNREACHABLE;
    else if (answer->status == 200)
        out->says = read_cosignatures(out, witness, answer->body, text, now_s);
    else if (answer->status == 409)
        out->says = read_size(&out->stored_size, answer);
    else if (answer->status == 404)
        out->says = SLK_WITNESS_UNKNOWN_LOG;
    else if (answer->status == 403)
        out->says = SLK_WITNESS_UNKNOWN_KEY;
    else if (answer->status == 422)
        out->says = SLK_WITNESS_INCONSISTENT;
    else if (answer->status == 429 || answer->status == 503)
        out->says = SLK_WITNESS_BUSY;
    else
        out->says = SLK_WITNESS_OTHER_STATUS;
    if (out->says != SLK_WITNESS_COSIGNED) { /* nothing that could be taken for a cosignature */
        out->time_s = 0;
        memset(out->blob, 0, sizeof(out->blob));
    }
}
