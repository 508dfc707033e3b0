/* status_read.c: reading the tokens that status_token.c makes, and nothing else: for who compares a list with the ledger. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/hash.h"
#include "ledger/verify/sig.h"
#include "net/deflate.h"
#include "net/status_token.h"

#define TOKEN_MAX ((size_t)4 << 20)
#define LIST_MAX  ((size_t)SLK_STATUS_LIST_CUT / 4)

__attribute__((format(printf, 2, 3))) static enum slk_err refuse(
    struct slk_fault *fault, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    return SLK_E_MALFORMED;
}

static bool keep(uint8_t **out, size_t *out_size, struct slk_span bytes)
{
    *out = malloc(bytes.size + 1);
    *out_size = *out != NULL ? bytes.size : 0;
    if (*out != NULL)
        memcpy(*out, bytes.at, bytes.size);
    return *out != NULL;
}

/* base64url without padding, canonical; malloc'ed, with a zero behind. NULL: it is not that, or no memory. */
static uint8_t *unbase64url(const char *text, size_t text_n, size_t *size)
{
    size_t padded = text_n + (4 - text_n % 4) % 4;
    char *standard = text_n <= TOKEN_MAX && text_n % 4 != 1 ? malloc(padded + 1) : NULL;
    uint8_t *bytes = standard != NULL ? malloc(padded + 1) : NULL;
    bool good = bytes != NULL && memchr(text, '+', text_n) == NULL && memchr(text, '/', text_n) == NULL &&
                memchr(text, '=', text_n) == NULL;

    for (size_t i = 0; good && i < padded; i++) {
        char c = i < text_n ? text[i] : '=';

        standard[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    good = good && slk_base64_parse(bytes, padded, size, standard, padded);
    free(standard);
    if (!good) {
        free(bytes);
        return NULL;
    }
    bytes[*size] = 0;
    return bytes;
}

bool slk_base64url_parse_key(uint8_t key[SLK_KEY_SIZE], const char *x)
{
    size_t size = 0;
    uint8_t *bytes = unbase64url(x, strlen(x), &size);
    bool good = bytes != NULL && size == SLK_KEY_SIZE;

    if (good)
        memcpy(key, bytes, SLK_KEY_SIZE);
    free(bytes);
    return good;
}

static enum slk_err unpack(struct slk_status_token *out, struct slk_span packed, struct slk_fault *fault)
{
    bool is_token = slk_token_form(out->kind) == SLK_STATUS_TOKEN;
    enum slk_err err = slk_inflate(&out->list, &out->list_size, packed, is_token ? SLK_ZLIB : SLK_GZIP,
        is_token ? LIST_MAX : LIST_MAX / 2);

    if (err == SLK_E_MALFORMED)
        return refuse(fault, "the list in it is damaged: it does not decompress");
    if (err == SLK_E_TOO_LARGE)
        return refuse(fault, "the list in it is larger than any that this program makes");
    return err;
}

/* ---- JSON ---- */

static bool number_of(const json_t *object, const char *name, uint64_t max, uint64_t *out)
{
    const json_t *value = json_object_get(object, name);
    json_int_t n = json_integer_value(value);

    *out = (uint64_t)n;
    return json_is_integer(value) && n >= 0 && (uint64_t)n <= max;
}

static bool hash_of(const json_t *object, const char *name, struct slk_hash *out)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) &&
           slk_hex_parse(out->b, SLK_HASH_SIZE, json_string_value(value), json_string_length(value));
}

static bool text_is(const json_t *object, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value != NULL && strcmp(value, text) == 0;
}

static unsigned digits(const char *text, size_t n)
{
    unsigned value = 0;

    for (size_t i = 0; i < n; i++)
        value = 10 * value + ((unsigned)text[i] - '0') % 10;
    return value;
}

/* A time as slk_write_date_time prints it, and in no other way: what is read is printed again. */
static bool time_of(const json_t *object, const char *name, uint64_t *out)
{
    static const char form[] = "2026-07-01T09:00:00Z";
    const char *text = json_string_value(json_object_get(object, name));
    uint8_t again[sizeof(form) + 8]; /* room for a year of more digits than anybody has */
    struct slk_writer w = {.at = again, .cap = sizeof(again)};
    uint64_t year, month, day, of_era, of_year;

    *out = 0;
    if (text == NULL || strlen(text) != sizeof(form) - 1)
        return false;
    year = digits(text, 4);
    month = digits(text + 5, 2);
    day = digits(text + 8, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    /* A date to days, counting from 1 March of a year 0: H. Hinnant's days_from_civil. */
    year -= month <= 2;
    of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    *out = (year / 400 * 146097 + of_era - 719468) * 86400 + digits(text + 11, 2) * 3600 +
           digits(text + 14, 2) * 60 + digits(text + 17, 2);
    slk_write_date_time(&w, *out);
    return !w.bad && w.size == sizeof(form) - 1 && memcmp(again, text, w.size) == 0;
}

static bool read_own(struct slk_status_claims *c, const json_t *own)
{
    uint64_t type, n;
    bool good = number_of(own, "type", UINT32_MAX, &type) && number_of(own, "list", UINT32_MAX, &n) &&
                number_of(own, "size", INT64_MAX, &c->size) &&
                number_of(own, "time", INT64_MAX / 1000, &c->iat_s) && hash_of(own, "chain", &c->chain_id) &&
                hash_of(own, "root", &c->root) && hash_of(own, "sha256", &c->list_hash);

    c->type = good ? (uint32_t)type : 0;
    c->n = good ? (uint32_t)n : 0;
    return good;
}

static bool keep_base(struct slk_status_claims *c, const char *text)
{
    if (text == NULL || !slk_status_base_is_good(text))
        return false;
    memcpy(c->base, text, strlen(text) + 1);
    return true;
}

/* Its address, as this program would print it. */
static bool is_address(const struct slk_status_token *token, const char *text)
{
    char own[SLK_STATUS_BASE_MAX + 40];
    const char *purpose = token->kind == SLK_TOKEN_VC_REVOCATION   ? "/revocation"
                          : token->kind == SLK_TOKEN_VC_SUSPENSION ? "/suspension"
                                                                   : "";

    snprintf(
        own, sizeof(own), "%s/%u/%u%s", token->claims.base, token->claims.type, token->claims.n, purpose);
    return text != NULL && strcmp(own, text) == 0;
}

static enum slk_err read_jwt_claims(
    struct slk_status_token *out, const json_t *payload, const char **packed, struct slk_fault *fault)
{
    const json_t *list = json_object_get(payload, "status_list");
    struct slk_status_claims *c = &out->claims;
    uint64_t bits, iat;

    if (!read_own(c, json_object_get(payload, "sillok")))
        return refuse(fault, "it has no sound `sillok` claim: not made by a node of a ledger");
    if (!keep_base(c, json_string_value(json_object_get(list, "aggregation_uri"))) ||
        !is_address(out, json_string_value(json_object_get(payload, "sub"))))
        return refuse(fault, "its sub is not the address of the list that its `sillok` claim names");
    if (!number_of(payload, "iat", INT64_MAX, &iat) || iat != c->iat_s ||
        !number_of(payload, "exp", INT64_MAX, &c->exp_s) || !number_of(payload, "ttl", INT64_MAX, &c->ttl_s))
        return refuse(fault, "iat, exp and ttl are not what they must be");
    if (!number_of(list, "bits", 8, &bits) || bits != 2)
        return refuse(fault, "its list has not 2 bits for each entry");
    *packed = json_string_value(json_object_get(list, "lst"));
    return SLK_OK;
}

static enum slk_err read_vc_claims(struct slk_status_token *out, const json_t *header, const json_t *payload,
    const char **packed, struct slk_fault *fault)
{
    const json_t *subject = json_object_get(payload, "credentialSubject");
    struct slk_status_claims *c = &out->claims;
    uint64_t from;

    if (text_is(subject, "statusPurpose", "suspension"))
        out->kind = SLK_TOKEN_VC_SUSPENSION;
    else if (!text_is(subject, "statusPurpose", "revocation"))
        return refuse(fault, "its purpose is neither revocation nor suspension");
    if (!read_own(c, json_object_get(header, "sillok")))
        return refuse(fault, "it has no sound `sillok` parameter: not made by a node of a ledger");
    if (!keep_base(c, json_string_value(json_object_get(payload, "issuer"))) ||
        !is_address(out, json_string_value(json_object_get(payload, "id"))))
        return refuse(fault, "its id is not the address of the list that its `sillok` parameter names");
    if (!time_of(payload, "validFrom", &from) || from != c->iat_s ||
        !time_of(payload, "validUntil", &c->exp_s) || !number_of(subject, "ttl", INT64_MAX, &c->ttl_s))
        return refuse(fault, "validFrom, validUntil and ttl are not what they must be");
    c->ttl_s /= 1000;
    *packed = json_string_value(json_object_get(subject, "encodedList"));
    if (*packed == NULL || (*packed)[0] != 'u')
        return refuse(fault, "its list is not base64url, as multibase writes it: u...");
    ++*packed;
    return SLK_OK;
}

static enum slk_err read_jws_parts(
    struct slk_status_token *out, const json_t *header, const json_t *payload, struct slk_fault *fault)
{
    const char *kid = json_string_value(json_object_get(header, "kid")), *text = NULL;
    uint8_t *packed;
    size_t size;
    enum slk_err err;

    if (!text_is(header, "alg", "EdDSA") || kid == NULL || strlen(kid) != SLK_STATUS_KID_SIZE - 1)
        return refuse(fault, "its header has not alg EdDSA and a kid");
    memcpy(out->kid, kid, SLK_STATUS_KID_SIZE);
    if (text_is(header, "typ", "statuslist+jwt"))
        out->kind = SLK_TOKEN_JWT;
    else if (text_is(header, "typ", "vc+jwt"))
        out->kind = SLK_TOKEN_VC_REVOCATION;
    else
        return refuse(fault, "its typ is neither statuslist+jwt nor vc+jwt");
    err = out->kind == SLK_TOKEN_JWT ? read_jwt_claims(out, payload, &text, fault)
                                     : read_vc_claims(out, header, payload, &text, fault);
    if (err != SLK_OK)
        return err;
    packed = text != NULL ? unbase64url(text, strlen(text), &size) : NULL;
    if (packed == NULL)
        return refuse(fault, "the list in it is not base64url");
    err = unpack(out, slk_span_of(packed, size), fault);
    free(packed);
    return err;
}

static json_t *json_part(struct slk_span text)
{
    size_t size;
    uint8_t *bytes = unbase64url((const char *)text.at, text.size, &size);
    json_t *value =
        bytes != NULL ? json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL) : NULL;

    free(bytes);
    return value;
}

static enum slk_err read_jws(struct slk_status_token *out, struct slk_span bytes, struct slk_fault *fault)
{
    struct slk_span header_text = {0}, payload_text = {0}, rest = bytes;
    json_t *header = NULL, *payload = NULL;
    uint8_t *sig = NULL;
    size_t size = 0;
    enum slk_err err;

    if (slk_span_take(&header_text, &rest, '.') && slk_span_take(&payload_text, &rest, '.'))
        sig = unbase64url((const char *)rest.at, rest.size, &size);
    if (sig != NULL && size == SLK_SIGNATURE_SIZE) {
        memcpy(out->signature, sig, SLK_SIGNATURE_SIZE);
        header = json_part(header_text);
        payload = json_part(payload_text);
    }
    free(sig);
    if (header == NULL || payload == NULL)
        err = refuse(fault, "neither a JWT (three parts of base64url with dots between) nor a CWT");
    else if (!keep(&out->signed_bytes, &out->signed_size,
                 slk_span_of(bytes.at, header_text.size + 1 + payload_text.size)))
        err = SLK_E_NOMEM;
    else
        err = read_jws_parts(out, header, payload, fault);
    json_decref(header);
    json_decref(payload);
    return err;
}

/* ---- CBOR: the same items in the same order as status_token.c writes them ---- */

static uint64_t cbor_head(struct slk_reader *r, enum slk_cbor major)
{
    uint8_t first = slk_read_u8(r), info = first & 31;
    uint64_t value = info;

    if (info == 24)
        value = slk_read_u8(r);
    else if (info == 25)
        value = slk_read_u16(r);
    else if (info == 26)
        value = slk_read_u32(r);
    else if (info == 27)
        value = slk_read_u64(r);
    r->bad |= first >> 5 != (uint8_t)major || info > 27;
    return value;
}

static struct slk_span cbor_string(struct slk_reader *r, enum slk_cbor major)
{
    uint64_t size = cbor_head(r, major);

    if (r->bad || size > r->rest.size) {
        r->bad = true;
        return (struct slk_span){0};
    }
    return slk_read_span(r, (size_t)size);
}

static void expect(struct slk_reader *r, enum slk_cbor major, uint64_t value)
{
    r->bad |= cbor_head(r, major) != value;
}

static void expect_text(struct slk_reader *r, const char *text)
{
    r->bad |= !slk_span_equal(cbor_string(r, SLK_CBOR_TEXT), slk_span_of(text, strlen(text)));
}

static void keep_text(struct slk_reader *r, char *out, size_t cap)
{
    struct slk_span text = cbor_string(r, SLK_CBOR_TEXT);

    if (r->bad || text.size == 0 || text.size >= cap || memchr(text.at, '\0', text.size) != NULL) {
        r->bad = true;
        return;
    }
    memcpy(out, text.at, text.size);
    out[text.size] = '\0';
}

static uint64_t cbor_pair(struct slk_reader *r, uint64_t key)
{
    expect(r, SLK_CBOR_UINT, key);
    return cbor_head(r, SLK_CBOR_UINT);
}

static uint64_t cbor_named(struct slk_reader *r, const char *name)
{
    expect_text(r, name);
    return cbor_head(r, SLK_CBOR_UINT);
}

static void cbor_hash(struct slk_reader *r, const char *name, struct slk_hash *out)
{
    struct slk_span bytes;

    expect_text(r, name);
    bytes = cbor_string(r, SLK_CBOR_BYTES);
    if (r->bad || bytes.size != SLK_HASH_SIZE)
        r->bad = true;
    else
        memcpy(out->b, bytes.at, SLK_HASH_SIZE);
}

static bool read_claims_cbor(struct slk_status_token *out, struct slk_span payload, struct slk_span *packed)
{
    struct slk_reader r = {.rest = payload};
    struct slk_status_claims *c = &out->claims;
    char sub[SLK_STATUS_BASE_MAX + 40] = "", base[SLK_STATUS_BASE_MAX + 1] = "";
    uint64_t iat, n, type;

    expect(&r, SLK_CBOR_MAP, 6);
    expect(&r, SLK_CBOR_UINT, SLK_CWT_SUB);
    keep_text(&r, sub, sizeof(sub));
    c->exp_s = cbor_pair(&r, SLK_CWT_EXP);
    iat = cbor_pair(&r, SLK_CWT_IAT);
    expect(&r, SLK_CBOR_UINT, SLK_CWT_LIST);
    expect(&r, SLK_CBOR_MAP, 3);
    r.bad |= cbor_named(&r, "bits") != 2;
    expect_text(&r, "lst");
    *packed = cbor_string(&r, SLK_CBOR_BYTES);
    expect_text(&r, "aggregation_uri");
    keep_text(&r, base, sizeof(base));
    c->ttl_s = cbor_pair(&r, SLK_CWT_TTL);
    expect_text(&r, "sillok");
    expect(&r, SLK_CBOR_MAP, 7);
    n = cbor_named(&r, "list");
    c->size = cbor_named(&r, "size");
    c->iat_s = cbor_named(&r, "time");
    type = cbor_named(&r, "type");
    cbor_hash(&r, "root", &c->root);
    cbor_hash(&r, "chain", &c->chain_id);
    cbor_hash(&r, "sha256", &c->list_hash);
    c->n = (uint32_t)n;
    c->type = (uint32_t)type;
    return slk_read_done(&r) && n <= UINT32_MAX && type <= UINT32_MAX && iat == c->iat_s &&
           iat <= INT64_MAX / 1000 && c->size <= INT64_MAX && keep_base(c, base) && is_address(out, sub);
}

static bool read_header_cbor(struct slk_status_token *out, struct slk_span header)
{
    struct slk_reader r = {.rest = header};
    struct slk_span kid;

    expect(&r, SLK_CBOR_MAP, 3);
    expect(&r, SLK_CBOR_UINT, SLK_COSE_ALG);
    expect(&r, SLK_CBOR_NEGATIVE, SLK_COSE_EDDSA);
    expect(&r, SLK_CBOR_UINT, SLK_COSE_KID);
    kid = cbor_string(&r, SLK_CBOR_BYTES);
    expect(&r, SLK_CBOR_UINT, SLK_COSE_TYP);
    expect_text(&r, SLK_COSE_TYPE);
    if (!slk_read_done(&r) || kid.size != SLK_STATUS_KID_SIZE - 1 || memchr(kid.at, '\0', kid.size) != NULL)
        return false;
    memcpy(out->kid, kid.at, kid.size);
    return true;
}

static enum slk_err read_cwt(struct slk_status_token *out, struct slk_span bytes, struct slk_fault *fault)
{
    struct slk_reader r = {.rest = bytes};
    struct slk_span header, payload, sig, packed = {0};
    struct slk_writer covered;

    out->kind = SLK_TOKEN_CWT;
    expect(&r, SLK_CBOR_TAG, SLK_COSE_SIGN1);
    expect(&r, SLK_CBOR_ARRAY, 4);
    header = cbor_string(&r, SLK_CBOR_BYTES);
    expect(&r, SLK_CBOR_MAP, 0);
    payload = cbor_string(&r, SLK_CBOR_BYTES);
    sig = cbor_string(&r, SLK_CBOR_BYTES);
    if (!slk_read_done(&r) || sig.size != SLK_SIGNATURE_SIZE || !read_header_cbor(out, header) ||
        !read_claims_cbor(out, payload, &packed))
        return refuse(fault, "a CWT, but not as this program makes them");
    memcpy(out->signature, sig.at, sig.size);
    covered = (struct slk_writer){.at = malloc(bytes.size + 64), .cap = bytes.size + 64};
    if (covered.at == NULL)
        return SLK_E_NOMEM;
    slk_write_sig_structure(&covered, header, payload);
    out->signed_bytes = covered.at;
    out->signed_size = covered.size;
    return covered.bad ? SLK_E_NOMEM : unpack(out, packed, fault);
}

enum slk_err slk_status_token_parse(
    struct slk_status_token *out, struct slk_span bytes, struct slk_fault *fault)
{
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    *fault = (struct slk_fault){0};
    while (bytes.size > 0 && bytes.at[bytes.size - 1] == '\n' && bytes.at[0] != 0xd2)
        bytes.size--; /* of a text file */
    if (bytes.size > TOKEN_MAX) {
        (void)refuse(fault, "larger than any token that this program makes");
        return SLK_E_TOO_LARGE;
    }
    err = bytes.size > 0 && bytes.at[0] == 0xd2 ? read_cwt(out, bytes, fault) : read_jws(out, bytes, fault);
    if (err != SLK_OK)
        slk_status_token_free(out);
    return err;
}

void slk_status_token_free(struct slk_status_token *token)
{
    free(token->list);
    free(token->signed_bytes);
    memset(token, 0, sizeof(*token));
}

bool slk_status_token_is_signed_by(
    const struct slk_status_token *token, const uint8_t public_key[SLK_KEY_SIZE])
{
    return slk_sig_verify(token->signature, token->signed_bytes, token->signed_size, public_key);
}
