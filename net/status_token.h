/* status_token.h: a status list, signed: JWT and CWT of the IETF's Token Status List (draft-ietf-oauth-status-list), a verifiable
 * credential of W3C's Bitstring Status List v1.0 secured as a JWT (VC-JOSE-COSE). Bytes in, bytes out.
 *
 * Each says of which ledger, up to which log size, it was made, and the SHA-256 of the list before compression: whoever has the
 * ledger makes the same list and compares. Those words stand in a claim of our own, `sillok`; in a credential, whose terms are
 * fixed, in the JOSE header.
 */
#ifndef SLK_NET_STATUS_TOKEN_H
#define SLK_NET_STATUS_TOKEN_H

#include "ledger/core/status_list.h"
#include "ledger/embed/keys.h"

enum slk_token_kind { SLK_TOKEN_JWT = 1, SLK_TOKEN_CWT, SLK_TOKEN_VC_REVOCATION, SLK_TOKEN_VC_SUSPENSION };
#define SLK_TOKEN_KIND_N (SLK_TOKEN_VC_SUSPENSION + 1)
const char *slk_token_media_type(enum slk_token_kind kind);
/* The list inside. */
enum slk_status_form slk_token_form(enum slk_token_kind kind);

#define SLK_STATUS_BASE_MAX 160 /* bytes of the address under which lists stand */
/* "https://status.example/v1/status-lists": http or https, a host, no query, no fragment, no slash at its end. */
bool slk_status_base_is_good(const char *base);

struct slk_status_claims {
    struct slk_hash chain_id;
    uint64_t size; /* of the log: the list is of all blocks up to there */
    struct slk_hash root;
    uint32_t type, n;
    uint64_t iat_s; /* the list is as of this time */
    uint64_t exp_s, ttl_s;
    char base[SLK_STATUS_BASE_MAX +
              1]; /* the list's own address is base/<type>/<n>, of a credential base/<type>/<n>/<purpose> */
    struct slk_hash list_hash; /* computed: SHA-256 of the list's bytes */
};

/* The key's name in tokens, and its entry in a JWK set: the RFC 7638 thumbprint. */
#define SLK_STATUS_KID_SIZE 44 /* 43 characters and a zero */
void slk_status_kid(char out[SLK_STATUS_KID_SIZE], const uint8_t public_key[SLK_KEY_SIZE]);
/* A JWK set of one key (RFC 7517, RFC 8037); its length. */
#define SLK_STATUS_JWKS_MAX 512
size_t slk_status_jwks(char out[SLK_STATUS_JWKS_MAX], const uint8_t public_key[SLK_KEY_SIZE]);

/* The x of a JWK; false: it is no key of 32 bytes. */
bool slk_base64url_parse_key(uint8_t key[SLK_KEY_SIZE], const char *x);

/* *out is malloc'ed. `list` is what slk_status_list_print gave for this kind's form. SLK_OK; SLK_E_NOMEM; what signing answers. */
SLK_MUST_CHECK enum slk_err slk_status_token_make(uint8_t **out, size_t *out_size, enum slk_token_kind kind,
    struct slk_status_claims *claims, struct slk_span list, const struct slk_key *key);

/* ---- for who reads one ---- */

struct slk_status_token {
    enum slk_token_kind kind;
    struct slk_status_claims claims; /* list_hash as claimed */
    char kid[SLK_STATUS_KID_SIZE];
    uint8_t *list; /* decompressed */
    size_t list_size;
    uint8_t *signed_bytes;
    size_t signed_size;
    uint8_t signature[SLK_SIGNATURE_SIZE];
};
/* Of this program's making only: another issuer's token has no `sillok`. Nothing is verified. On refusal the fault says what is
 * wrong, and *out is zeroed. SLK_E_MALFORMED, SLK_E_TOO_LARGE, SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_status_token_parse(
    struct slk_status_token *out, struct slk_span bytes, struct slk_fault *fault);
void slk_status_token_free(struct slk_status_token *token);
bool slk_status_token_is_signed_by(
    const struct slk_status_token *token, const uint8_t public_key[SLK_KEY_SIZE]);

/* ---- shared by the two files ---- */

#define SLK_COSE_SIGN1 18 /* RFC 9052 §2 */
#define SLK_COSE_TYPE  "application/statuslist+cwt"
enum { SLK_COSE_ALG = 1, SLK_COSE_KID = 4, SLK_COSE_TYP = 16 }; /* header labels: RFC 9052 §3.1, RFC 9596 */
enum { SLK_COSE_EDDSA = 7 };                                    /* -1 - 7 = -8: RFC 9053 §2.2 */
/* Claims: RFC 8392 §3.1; the draft, §5.2 */
enum { SLK_CWT_SUB = 2, SLK_CWT_EXP = 4, SLK_CWT_IAT = 6, SLK_CWT_LIST = 65533, SLK_CWT_TTL = 65534 };
size_t slk_base64url_size(size_t bytes_n);
void slk_write_base64url(struct slk_writer *w, struct slk_span bytes);
/* CBOR heads (RFC 8949 §3), the shortest form. */
enum slk_cbor {
    SLK_CBOR_UINT = 0,
    SLK_CBOR_NEGATIVE = 1,
    SLK_CBOR_BYTES = 2,
    SLK_CBOR_TEXT = 3,
    SLK_CBOR_ARRAY = 4,
    SLK_CBOR_MAP = 5,
    SLK_CBOR_TAG = 6
};
void slk_write_cbor(struct slk_writer *w, enum slk_cbor major, uint64_t value);
/* XML Schema's dateTimeStamp in UTC: 2026-07-01T09:00:00Z. */
void slk_write_date_time(struct slk_writer *w, uint64_t unix_s);
/* The bytes that a COSE_Sign1 signature covers (RFC 9052 §4.4). */
void slk_write_sig_structure(struct slk_writer *w, struct slk_span protected_header, struct slk_span payload);

#endif
