/* fuzz_status_token.c: the reader of signed status lists (net/status_token.h). Input: a token; or '{' and JSON, read as the payload of a
 * JWT, or '[' and '{' and JSON, of a credential: under base64 mutations reach nothing but base64. */
#include "net/status_token.h"
#include "tests/fuzz/fuzz.h"

static const char jwt_header[] =
    "{\"alg\":\"EdDSA\",\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\",\"typ\":\"statuslist+jwt\"}";
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
static const char vc_header[] = "{\"alg\":\"EdDSA\",\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\","
                                "\"typ\":\"vc+jwt\",\"cty\":\"vc\","
                                "\"sillok\":{\"chain\":\"" ZEROS
                                "\",\"type\":7,\"list\":3,\"time\":1767225600,\"size\":99,\"root\":\"" ZEROS
                                "\",\"sha256\":\"" ZEROS "\"}}";

static void check(struct slk_span bytes)
{
    struct slk_status_token token;
    struct slk_fault fault;
    enum slk_err err = slk_status_token_parse(&token, bytes, &fault);

    if (err != SLK_OK) {
        FUZZ_CHECK(
            token.list == NULL && token.signed_bytes == NULL && token.kind == 0 && token.claims.size == 0);
        FUZZ_CHECK(fault.text[0] != '\0' || err == SLK_E_NOMEM);
        return;
    }
    FUZZ_CHECK(token.kind >= SLK_TOKEN_JWT && token.kind < SLK_TOKEN_KIND_N);
    FUZZ_CHECK(token.list_size <= SLK_STATUS_LIST_CUT / 4);
    FUZZ_CHECK(slk_status_base_is_good(token.claims.base));
    FUZZ_CHECK(strlen(token.kid) == SLK_STATUS_KID_SIZE - 1);
    FUZZ_CHECK(token.claims.iat_s <= INT64_MAX / 1000);
    FUZZ_CHECK(token.signed_size > 0 && token.signed_size <= bytes.size + 64);
    slk_status_token_free(&token);
}

static void check_payload(const char *header, struct slk_span payload)
{
    static const uint8_t sig[SLK_SIGNATURE_SIZE];
    size_t cap = 2048 + 2 * payload.size;
    struct slk_writer w = {.at = malloc(cap), .cap = cap};

    if (w.at == NULL)
        return;
    slk_write_base64url(&w, slk_span_of(header, strlen(header)));
    slk_write_u8(&w, '.');
    slk_write_base64url(&w, payload);
    slk_write_u8(&w, '.');
    slk_write_base64url(&w, slk_span_of(sig, sizeof(sig)));
    FUZZ_CHECK(!w.bad);
    check(slk_span_of(w.at, w.size));
    free(w.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == '{')
        check_payload(jwt_header, slk_span_of(data, size));
    else if (size > 0 && data[0] == '[')
        check_payload(vc_header, slk_span_of(data + 1, size - 1));
    else
        check(slk_span_of(data, size));
    return 0;
}
