/* test_api_status_list.c: status lists over HTTP, read as a relying party reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/status_lists.h"
#include "ledger/verify/hash.h"
#include "ledger/verify/note.h"
#include "net/deflate.h"
#include "net/status_epoch.h"
#include "net/status_token.h"
#include "tests/unit/api_world.h"

#define BASE     "https://status.example/v1/status-lists"
#define TTL_S    300u
#define COSIGN_S 600u
#define KEY_LIST 200
#define JWT_TYPE "application/statuslist+jwt"
#define CWT_TYPE "application/statuslist+cwt"
#define VC_TYPE  "application/vc+jwt"
#define CARDS    "/v1/status-lists/1/0"

static struct slk_key *list_key;

static int set_up(void **state)
{
    struct slk_api_status_options options = {
        .base = BASE, .ttl_s = TTL_S, .lifetime_s = 86400, .has_history = true};

    list_key = fixture_key(KEY_LIST);
    options.key = list_key;
    return api_set_up_with_lists(state, &options);
}

static int set_up_with_room_for_four(void **state)
{
    struct slk_api_status_options options = {
        .base = BASE, .ttl_s = TTL_S, .lifetime_s = 86400, .tokens_max = 4};

    list_key = fixture_key(KEY_LIST);
    options.key = list_key;
    return api_set_up_with_lists(state, &options);
}

/* Members sign every ten minutes; the world's one is a quorum. */
static int set_up_cosigned(void **state)
{
    struct slk_api_status_options options = {
        .base = BASE, .ttl_s = TTL_S, .lifetime_s = 86400, .cosign_s = COSIGN_S};
    int failed;

    list_key = fixture_key(KEY_LIST);
    options.key = list_key;
    failed = api_set_up_with_lists(state, &options);
    ((struct api_world *)*state)->embed.list_cosigner = ((struct api_world *)*state)->f.cosign_key;
    return failed;
}

static int tear_down(void **state)
{
    int failed = api_tear_down(state);

    slk_key_free(list_key);
    return failed;
}

static int set_up_without(void **state)
{
    list_key = NULL;
    return api_set_up(state, 0);
}

/* ---- reading ---- */

/* base64url; malloc'ed */
static uint8_t *unbase64(struct slk_span text, size_t *size)
{
    size_t padded = (text.size + 3) / 4 * 4;
    char *standard = malloc(padded + 1);
    uint8_t *bytes = malloc(padded + 1);

    assert_true(standard != NULL && bytes != NULL);
    for (size_t i = 0; i < padded; i++) {
        char c = i < text.size ? (char)text.at[i] : '=';

        standard[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    assert_true(slk_base64_parse(bytes, padded, size, standard, padded));
    free(standard);
    return bytes;
}

struct jws {
    json_t *header, *payload;
};

static struct jws jws_of(struct slk_span token)
{
    struct slk_span header = {0}, payload = {0}, rest = token;
    struct jws jws;
    uint8_t *bytes;
    size_t size;

    assert_true(slk_span_take(&header, &rest, '.') && slk_span_take(&payload, &rest, '.'));
    bytes = unbase64(rest, &size);
    assert_int_equal(size, SLK_SIGNATURE_SIZE);
    assert_true(slk_sig_verify(bytes, token.at, header.size + 1 + payload.size, slk_key_public(list_key)));
    free(bytes);
    bytes = unbase64(header, &size);
    jws.header = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
    free(bytes);
    bytes = unbase64(payload, &size);
    jws.payload = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
    free(bytes);
    assert_true(jws.header != NULL && jws.payload != NULL);
    assert_string_equal(text_of(jws.header, "alg"), "EdDSA");
    return jws;
}

static void jws_free(struct jws *jws)
{
    json_decref(jws->header);
    json_decref(jws->payload);
}

/* The list in a JWT; malloc'ed. */
static uint8_t *list_of(const json_t *payload)
{
    const json_t *list = json_object_get(payload, "status_list");
    const char *text = text_of(list, "lst");
    uint8_t *packed, *bytes;
    size_t packed_size, size;

    assert_int_equal(number_of(list, "bits"), 2);
    packed = unbase64(slk_span_of(text, strlen(text)), &packed_size);
    assert_int_equal(
        slk_inflate(&bytes, &size, slk_span_of(packed, packed_size), SLK_ZLIB, FIXTURE_PLACES), SLK_OK);
    assert_int_equal(size, FIXTURE_PLACES / 4);
    free(packed);
    return bytes;
}

static unsigned value_at(const uint8_t *list, uint32_t index)
{
    return (unsigned)list[index / 4] >> 2 * (index % 4) & 3u;
}

/* The whole list that is served now, as a JWT. */
static uint8_t *get_cards(struct api_world *w)
{
    struct jws jws = jws_of(get(w, CARDS, NULL, "200"));
    uint8_t *list = list_of(jws.payload);

    jws_free(&jws);
    return list;
}

/* ---- a ledger ---- */

static uint32_t place_of(const struct fixture_life *life)
{
    struct fixture_life copy = *life;

    copy.sequence = 0;
    copy.issues_n = 0;
    return fixture_event(&copy, SLK_ISSUE, FIXTURE_START_MS).status_index;
}

static void step(struct api_world *w, struct fixture_life *life, enum slk_kind kind)
{
    json_decref(submit(w, "?wait=proof", fixture_single(&w->f, MINISTRY, life, kind), "200"));
}

static void later(struct api_world *w, uint64_t seconds)
{
    w->f.now_ms += seconds * 1000;
}

/* A quorum looks at the tip again. */
static void cosign(struct api_world *w)
{
    w->embed.cosigned_ms = w->f.now_ms;
}

static void a_list_says_what_happened_to_each_credential(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1), b = fixture_life(FIXTURE_CARD, 2),
                        c = fixture_life(FIXTURE_CARD, 3), phone = fixture_life(FIXTURE_PHONE, 4);
    struct api_world *w = *state;
    uint8_t *list;
    unsigned others = 0;

    step(w, &a, SLK_ISSUE);
    step(w, &b, SLK_ISSUE);
    step(w, &c, SLK_ISSUE);
    step(w, &phone, SLK_ISSUE);
    step(w, &b, SLK_LOCK);
    step(w, &c, SLK_REVOKE);
    step(w, &phone, SLK_REVOKE);
    list = get_cards(w);
    assert_int_equal(value_at(list, place_of(&a)), 0);
    assert_int_equal(value_at(list, place_of(&b)), 2);
    assert_int_equal(value_at(list, place_of(&c)), 1);
    for (uint32_t i = 0; i < FIXTURE_PLACES; i++)
        others += value_at(list, i) != 0;
    assert_int_equal(others, 2); /* the phone is in another list */
    free(list);
    later(w, TTL_S / 10); /* a list is made at most that often */
    step(w, &b, SLK_UNLOCK);
    step(w, &c, SLK_ISSUE); /* anew, in another place: the old one stays invalid */
    list = get_cards(w);
    assert_int_equal(value_at(list, place_of(&b)), 0);
    assert_int_equal(value_at(list, place_of(&c)), 1);
    free(list);
}

static void a_token_has_the_claims_of_the_specification_and_where_it_comes_from(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1);
    struct api_world *w = *state;
    const json_t *own;
    struct slk_hash hash;
    struct jws jws;
    char hex[2 * SLK_HASH_SIZE + 1] = "", kid[SLK_STATUS_KID_SIZE];
    uint8_t *list;

    step(w, &a, SLK_ISSUE);
    step(w, &a, SLK_REVOKE);
    jws = jws_of(get(w, CARDS, JWT_TYPE, "200"));
    assert_non_null(strstr(reply.text, "Content-Type: " JWT_TYPE "\r\n"));
    slk_status_kid(kid, slk_key_public(list_key));
    assert_string_equal(text_of(jws.header, "typ"), "statuslist+jwt");
    assert_string_equal(text_of(jws.header, "kid"), kid);
    assert_string_equal(text_of(jws.payload, "sub"), BASE "/1/0");
    assert_true(number_of(jws.payload, "iat") / 10 == (json_int_t)(w->f.now_ms / 10000));
    assert_int_equal(number_of(jws.payload, "exp") - number_of(jws.payload, "iat"), 86400);
    assert_int_equal(number_of(jws.payload, "ttl"), TTL_S);
    assert_string_equal(text_of(json_object_get(jws.payload, "status_list"), "aggregation_uri"), BASE);
    own = json_object_get(jws.payload, "sillok");
    assert_int_equal(number_of(own, "type"), 1);
    assert_int_equal(number_of(own, "list"), 0);
    assert_int_equal(number_of(own, "size"), slk_ledger_tip(w->ledger)->log_size);
    slk_hex_format(hex, slk_ledger_tip(w->ledger)->log_root.b, SLK_HASH_SIZE);
    assert_string_equal(text_of(own, "root"), hex);
    slk_hex_format(hex, w->f.chain_id.b, SLK_HASH_SIZE);
    assert_string_equal(text_of(own, "chain"), hex);
    list = list_of(jws.payload);
    slk_hash_bytes(&hash, list, FIXTURE_PLACES / 4);
    slk_hex_format(hex, hash.b, SLK_HASH_SIZE);
    assert_string_equal(text_of(own, "sha256"), hex);
    free(list);
    jws_free(&jws);
}

static void an_expired_credential_turns_invalid_without_an_event(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1);
    struct api_world *w = *state;
    uint8_t *list;

    step(w, &a, SLK_ISSUE);
    list = get_cards(w);
    assert_int_equal(value_at(list, place_of(&a)), 0);
    free(list);
    w->f.now_ms = (a.valid_until_s - 100) * 1000;
    cosign(w);
    list = get_cards(w);
    assert_int_equal(value_at(list, place_of(&a)), 0);
    free(list);
    w->f.now_ms = a.valid_until_s * 1000; /* the token above is young enough, but not true any more */
    cosign(w);
    list = get_cards(w);
    assert_int_equal(value_at(list, place_of(&a)), 1);
    free(list);
}

/* ---- credentials of W3C's form ---- */

static uint8_t *bits_of(const json_t *payload, const char *purpose)
{
    const json_t *subject = json_object_get(payload, "credentialSubject");
    const char *text = text_of(subject, "encodedList");
    uint8_t *packed, *bytes;
    size_t packed_size, size;

    assert_string_equal(text_of(subject, "type"), "BitstringStatusList");
    assert_string_equal(text_of(subject, "statusPurpose"), purpose);
    assert_int_equal(number_of(subject, "ttl"), TTL_S * 1000);
    assert_int_equal(text[0], 'u');
    packed = unbase64(slk_span_of(text + 1, strlen(text) - 1), &packed_size);
    assert_int_equal(
        slk_inflate(&bytes, &size, slk_span_of(packed, packed_size), SLK_GZIP, FIXTURE_PLACES), SLK_OK);
    assert_int_equal(size, FIXTURE_PLACES / 8);
    free(packed);
    return bytes;
}

static void credentials_have_one_purpose_each(void **state)
{
    static const char *const purposes[] = {"revocation", "suspension"};
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1), b = fixture_life(FIXTURE_CARD, 2);
    struct api_world *w = *state;
    char path[80], id[120];

    step(w, &a, SLK_ISSUE);
    step(w, &b, SLK_ISSUE);
    step(w, &a, SLK_REVOKE);
    step(w, &b, SLK_LOCK);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t set = place_of(i == 0 ? &a : &b), clear = place_of(i == 0 ? &b : &a);
        struct jws jws;
        uint8_t *bits;

        snprintf(path, sizeof(path), CARDS "/%s", purposes[i]);
        snprintf(id, sizeof(id), BASE "/1/0/%s", purposes[i]);
        jws = jws_of(get(w, path, i == 0 ? VC_TYPE : NULL, "200"));
        assert_non_null(strstr(reply.text, "Content-Type: " VC_TYPE "\r\n"));
        assert_string_equal(text_of(jws.header, "typ"), "vc+jwt");
        assert_string_equal(text_of(jws.header, "cty"), "vc");
        assert_string_equal(text_of(jws.payload, "id"), id);
        assert_string_equal(text_of(jws.payload, "issuer"), BASE);
        assert_true(json_is_object(json_object_get(jws.header, "sillok")));
        bits = bits_of(jws.payload, purposes[i]);
        assert_int_equal(bits[set / 8] >> (7 - set % 8) & 1, 1);
        assert_int_equal(bits[clear / 8] >> (7 - clear % 8) & 1, 0);
        free(bits);
        jws_free(&jws);
    }
}

/* ---- HTTP ---- */

static void a_cwt_is_given_to_who_asks_for_it(void **state)
{
    struct api_world *w = *state;
    struct slk_span body = get(w, CARDS, CWT_TYPE, "200");

    assert_non_null(strstr(reply.text, "Content-Type: " CWT_TYPE "\r\n"));
    assert_true(body.size > 2 && body.at[0] == 0xd2 && body.at[1] == 0x84); /* COSE_Sign1, tagged */
    (void)get(w, CARDS, "application/json", "406");
    (void)get(w, CARDS, VC_TYPE, "406");
    assert_non_null(strstr(reply.text, "/revocation"));
    (void)get(w, CARDS "/revocation", JWT_TYPE, "406");
}

static void etag_of(char out[80])
{
    const char *at = strstr(reply.text, "ETag: ");

    assert_non_null(at);
    snprintf(out, 80, "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
}

static void what_has_not_changed_is_not_sent_again(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1);
    struct api_world *w = *state;
    char tag[80], ask[256];

    step(w, &a, SLK_ISSUE);
    (void)get(w, CARDS, JWT_TYPE, "200");
    assert_non_null(strstr(reply.text, "Cache-Control: public, max-age=300\r\n"));
    assert_non_null(strstr(reply.text, "Vary: Accept, Accept-Encoding\r\n"));
    assert_non_null(strstr(reply.text, "Access-Control-Allow-Origin: *\r\n"));
    etag_of(tag);
    snprintf(ask, sizeof(ask), "GET " CARDS " HTTP/1.1\r\n" HOST "If-None-Match: \"x\", W/%s\r\n\r\n", tag);
    say(&w->net, w->fd, ask);
    hear_until(&w->net, w->fd, "\r\n\r\n");
    assert_status("304");
    assert_null(strstr(reply.text, "Content-Length"));
    assert_non_null(strstr(reply.text, tag));
    later(w, TTL_S / 10);
    cosign(w);
    (void)get(w, CARDS, JWT_TYPE, "200"); /* nothing has changed: the same token */
    assert_non_null(strstr(reply.text, tag));
    step(w, &a, SLK_LOCK);
    snprintf(ask, sizeof(ask), "If-None-Match: %s\r\n", tag);
    (void)get_with(w, CARDS, ask, "200");
    assert_null(strstr(reply.text, tag));
}

static void a_token_is_compressed_for_those_who_take_it(void **state)
{
    struct api_world *w = *state;
    uint8_t *plain, *back;
    size_t size, back_size;
    struct slk_span body = get(w, CARDS, JWT_TYPE, "200");

    size = body.size;
    plain = malloc(size);
    assert_non_null(plain);
    memcpy(plain, body.at, size);
    body = get_with(w, CARDS, "Accept-Encoding: gzip\r\n", "200");
    assert_non_null(strstr(reply.text, "Content-Encoding: gzip\r\n"));
    assert_non_null(strstr(reply.text, "-gz\"\r\n"));
    assert_true(body.size < size);
    assert_int_equal(slk_inflate(&back, &back_size, body, SLK_GZIP, size), SLK_OK);
    assert_int_equal(back_size, size);
    assert_memory_equal(back, plain, size);
    free(back);
    free(plain);
    (void)get_with(w, CARDS, "Accept-Encoding: gzip\r\nAccept: " CWT_TYPE "\r\n", "200");
    assert_null(strstr(reply.text, "Content-Encoding"));
}

static void a_list_that_does_not_exist_is_404_in_words(void **state)
{
    static const char *const wrong[] = {"/v1/status-lists/", "/v1/status-lists/1", "/v1/status-lists/1/",
        "/v1/status-lists/1/x", "/v1/status-lists/01/0", "/v1/status-lists/1/0/",
        "/v1/status-lists/1/0/expiry", "/v1/status-lists/1/0/revocation/", "/v1/status-lists/1/99999999999",
        "/v1/status-lists/-1/0"};
    struct api_world *w = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        (void)get(w, wrong[i], NULL, "404");
    (void)get(w, "/v1/status-lists/1/1", NULL, "404");
    assert_non_null(strstr(reply.text, "type 1 has lists 0 to 0, of 1048576 places each"));
    (void)get(w, "/v1/status-lists/9/0", NULL, "404");
    assert_non_null(strstr(reply.text, "no credential type 9"));
}

/* A list of the past; `now` moves on, since one is made in a second. */
static json_t *past_of(struct api_world *w, uint64_t time_s)
{
    char path[80];
    struct jws jws;

    later(w, 1);
    snprintf(path, sizeof(path), CARDS "?time=%llu", (unsigned long long)time_s);
    jws = jws_of(get(w, path, NULL, "200"));
    assert_int_equal(number_of(jws.payload, "iat"), time_s);
    assert_int_equal(number_of(jws.payload, "exp"), time_s + 1);
    json_decref(jws.header);
    return jws.payload;
}

static void check_past(
    struct api_world *w, uint64_t time_s, uint32_t place, unsigned value, uint32_t others_n)
{
    json_t *payload = past_of(w, time_s);
    uint8_t *list = list_of(payload);
    uint32_t n = 0;

    assert_int_equal(value_at(list, place), value);
    for (uint32_t i = 0; i < FIXTURE_PLACES; i++)
        n += i != place && value_at(list, i) != 0;
    assert_int_equal(n, others_n);
    free(list);
    json_decref(payload);
}

static void the_past_is_made_forward_and_backward(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1), b = fixture_life(FIXTURE_CARD, 2);
    struct api_world *w = *state;
    uint32_t places[2];
    uint64_t at[8];

    later(w, 10);
    at[0] = w->f.now_ms / 1000;
    for (unsigned i = 0; i < 6; i++) { /* issued, locked, unlocked, revoked, issued anew, locked */
        static const enum slk_kind kinds[] = {
            SLK_ISSUE, SLK_LOCK, SLK_UNLOCK, SLK_REVOKE, SLK_ISSUE, SLK_LOCK};

        later(w, 10);
        if (kinds[i] == SLK_ISSUE)
            places[i > 0] = fixture_event(&a, SLK_ISSUE, w->f.now_ms).status_index;
        step(w, &a, kinds[i]);
        later(w, 10);
        at[i + 1] = w->f.now_ms / 1000;
    }
    assert_int_equal(places[0], place_of(&a));
    later(w, 10);
    check_past(w, at[0], places[0], 0, 0); /* forward: less has happened before than since */
    check_past(w, at[1], places[0], 0, 0);
    check_past(w, at[2], places[0], 2, 0);
    check_past(w, at[3], places[0], 0, 0); /* backward */
    check_past(w, at[4], places[0], 1, 0);
    check_past(w, at[5], places[0], 1, 0);
    check_past(w, at[5], places[1], 0, 1);
    check_past(w, at[6], places[1], 2, 1);
    check_past(w, w->f.now_ms / 1000, places[1], 2, 1);
    step(w, &b, SLK_ISSUE);
    step(w, &b, SLK_REVOKE);
    step(w, &b, SLK_ISSUE);
    check_past(w, at[6], places[1], 2, 1);
    check_past(w, at[2], places[0], 2, 0);
}

static enum slk_err reader_at(struct api_world *w, const struct slk_status_past *past)
{
    struct slk_store *store = slk_ledger_store(w->ledger);
    struct slk_status_reader *reader = NULL;
    struct slk_view *view = NULL;
    enum slk_err err;

    assert_int_equal(slk_view_begin(&view, store), SLK_OK);
    err = slk_status_reader_at(&reader, store, view, NULL, past);
    slk_status_reader_free(reader);
    slk_view_end(view);
    return err;
}

/* Many small blocks take as long as many rows. */
static void a_past_of_many_blocks_is_too_large(void **state)
{
    enum { BLOCKS = 10, BLOCK_ROWS = 16 };
    struct slk_status_past past = {.type = 1, .forward_max = BLOCKS * (1 + BLOCK_ROWS) + BLOCK_ROWS};
    struct api_world *w = *state;

    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, i + 1);

        step(w, &life, SLK_ISSUE);
    }
    past.time_ms = w->f.now_ms + 1000;
    assert_int_equal(reader_at(w, &past), SLK_OK); /* a row each, and block 0 */
    past.forward_max--;
    assert_int_equal(reader_at(w, &past), SLK_E_TOO_LARGE);
}

static void a_past_that_cannot_be_told_is_refused_in_words(void **state)
{
    struct api_world *w = *state;
    char path[80];

    (void)get(w, CARDS "?time=1", NULL, "404");
    assert_non_null(strstr(reply.text, "before the ledger's first block"));
    later(w, 1);
    snprintf(path, sizeof(path), CARDS "?time=%llu", (unsigned long long)w->f.now_ms);
    (void)get(w, path, NULL, "404");
    assert_non_null(strstr(reply.text, "yet to come"));
    (void)get(w, CARDS "?time=yesterday", NULL, "400");
    (void)get(w, CARDS "?time=", NULL, "400");
    (void)get(w, "/v1/status-lists/1/1?time=1767225600", NULL, "404");
    (void)get(w, CARDS "/revocation?timestamp=2026-01-01T00:00:00Z", NULL, "501");
}

static void a_node_that_is_cut_off_dates_no_list(void **state)
{
    struct api_world *w = *state;

    (void)get(w, CARDS, JWT_TYPE, "200");
    later(w, 86400);
    (void)get(w, CARDS, JWT_TYPE, "503");
    assert_non_null(strstr(reply.text, "an old state a new date"));
    cosign(w);
    (void)get(w, CARDS, JWT_TYPE, "200");
    w->embed.behind = true;
    (void)get(w, CARDS, CWT_TYPE, "503");
}

static void who_asks_for_all_lists_in_turn_does_not_have_them_made_again(void **state)
{
    static const char *const types[] = {JWT_TYPE, CWT_TYPE};
    struct api_world *w = *state;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 2; i++) {
            (void)get(w, CARDS, types[i], "200");
            (void)get(w, "/v1/status-lists/2/0", types[i], "200");
        }
        (void)get(w, CARDS "/revocation", VC_TYPE, "503");
        assert_non_null(strstr(reply.text, "as many lists of late as it keeps"));
    }
    later(w, TTL_S / 10);
    (void)get(w, CARDS "/revocation", VC_TYPE, "200");
    (void)get(w, CARDS "/suspension", VC_TYPE, "200");
}

/* ---- what a quorum signed ---- */

static void assert_is_said(struct api_world *w, const char *path, const char *status, const char *words)
{
    get(w, path, NULL, status);
    assert_non_null(strstr(reply.text, words));
}

/* A block of the next period, and the node's ticks until its lists are signed. */
static void next_period(struct api_world *w, struct fixture_life *life, enum slk_kind kind)
{
    later(w, COSIGN_S);
    cosign(w);
    step(w, life, kind);
    for (unsigned i = 0; i < 4; i++)
        slk_api_tick(w->api, w->f.now_ms);
}

/* The proof of a list, believed. Its leaf's hash is to be that of the list. */
static struct slk_lists_statement prove(struct api_world *w, const char *path, struct slk_list_proof *proof)
{
    const struct slk_verify_options options = {.now_s = w->f.now_ms / 1000};
    struct slk_lists_verdict verdict;

    assert_int_equal(slk_list_proof_parse(proof, get(w, path, NULL, "200")), SLK_OK);
    assert_int_equal(slk_list_proof_check(&verdict, proof, w->policy, &options), SLK_OK);
    assert_int_equal(verdict.quorum.cosignatures_n, 1);
    return verdict.statement;
}

static void assert_is_leaf(const struct slk_list_proof *proof, const uint8_t *list, size_t size)
{
    struct slk_hash hash;

    slk_hash_bytes(&hash, list, size);
    assert_true(slk_hash_equal(&hash, &proof->leaf.hash));
}

static void a_quorum_signs_the_lists_of_the_first_block_of_a_period(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1), b = fixture_life(FIXTURE_CARD, 2);
    struct api_world *w = *state;
    struct slk_lists_statement said;
    struct slk_list_proof proof;
    struct slk_span token;
    struct jws jws;
    uint64_t size, time_s;
    uint8_t *list;

    step(w, &a, SLK_ISSUE);
    get(w, "/v1/status-lists/note", NULL, "503");
    next_period(w, &a, SLK_LOCK);
    size = slk_ledger_tip(w->ledger)->log_size;
    time_s = w->f.now_ms / 1000;
    step(w, &b, SLK_ISSUE); /* later in the same period: not in what is signed */
    step(w, &b, SLK_REVOKE);
    slk_api_tick(w->api, w->f.now_ms);
    said = prove(w, CARDS "?proof", &proof);
    assert_int_equal(said.size, size);
    assert_int_equal(said.time_s, time_s);
    token = get(w, CARDS "?cosigned", NULL, "200");
    jws = jws_of(token);
    assert_int_equal(number_of(jws.payload, "iat"), time_s);
    assert_int_equal(number_of(json_object_get(jws.payload, "sillok"), "size"), size);
    list = list_of(jws.payload);
    jws_free(&jws);
    said = prove(w, CARDS "?proof", &proof);
    assert_is_leaf(&proof, list, FIXTURE_PLACES / 4);
    assert_int_equal(value_at(list, place_of(&a)), 2);
    assert_int_equal(value_at(list, place_of(&b)), 0);
    free(list);
    later(w, TTL_S / 10);
    list = get_cards(w); /* the newest goes on */
    assert_int_equal(value_at(list, place_of(&b)), 1);
    free(list);
    next_period(w, &a, SLK_UNLOCK);
    said = prove(w, CARDS "?proof", &proof);
    assert_true(said.size > size);
    jws = jws_of(get(w, CARDS "?cosigned", NULL, "200"));
    list = list_of(jws.payload);
    jws_free(&jws);
    assert_is_leaf(&proof, list, FIXTURE_PLACES / 4);
    assert_int_equal(value_at(list, place_of(&a)), 0);
    free(list);
}

static void each_form_of_a_list_is_signed(void **state)
{
    static const char *const paths[] = {CARDS "/revocation", CARDS "/suspension"};
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1);
    struct api_world *w = *state;

    step(w, &a, SLK_ISSUE);
    next_period(w, &a, SLK_REVOKE);
    for (unsigned i = 0; i < 2; i++) {
        struct slk_status_token token;
        struct slk_list_proof proof;
        struct slk_fault fault;
        struct slk_span bytes;
        char path[80];

        snprintf(path, sizeof(path), "%s?cosigned", paths[i]);
        bytes = get(w, path, NULL, "200");
        assert_int_equal(slk_status_token_parse(&token, bytes, &fault), SLK_OK);
        snprintf(path, sizeof(path), "%s?proof", paths[i]);
        (void)prove(w, path, &proof);
        assert_int_equal(proof.leaf.form, slk_token_form(token.kind));
        assert_is_leaf(&proof, token.list, token.list_size);
        slk_status_token_free(&token);
    }
    assert_is_said(w, "/v1/status-lists/note", "200", FIXTURE_ORIGIN "/status-lists\n");
}

static void what_no_quorum_speaks_of_is_said_in_words(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1);
    struct api_world *w = *state;

    step(w, &a, SLK_ISSUE);
    assert_is_said(w, CARDS "?proof", "503", "no quorum has signed");
    next_period(w, &a, SLK_LOCK);
    assert_is_said(w, "/v1/status-lists/2/0?proof", "404", "nothing had been issued");
    assert_is_said(w, "/v1/status-lists/1/9?cosigned", "404", "type 1 has lists 0 to 0");
    assert_is_said(w, "/v1/status-lists/77/0?proof", "404", "no credential type 77");
}

static void without_a_quorum_there_is_no_note_and_lists_go_on(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1);
    struct api_world *w = *state;
    uint8_t *list;

    w->embed.list_cosigner = NULL;
    step(w, &a, SLK_ISSUE);
    next_period(w, &a, SLK_LOCK);
    get(w, "/v1/status-lists/note", NULL, "503");
    get(w, CARDS "?cosigned", NULL, "503");
    list = get_cards(w);
    assert_int_equal(value_at(list, place_of(&a)), 2);
    free(list);
}

static void a_node_that_catches_up_makes_nothing_to_sign(void **state)
{
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1);
    struct api_world *w = *state;

    step(w, &a, SLK_ISSUE);
    w->embed.behind = true;
    next_period(w, &a, SLK_LOCK);
    step(w, &a, SLK_UNLOCK);
    slk_api_tick(w->api, w->f.now_ms);
    assert_int_equal(w->embed.lists_size, 0);
    w->embed.behind = false;
    slk_api_tick(w->api, w->f.now_ms);
    assert_int_equal(w->embed.lists_size, 0); /* its block has gone by: the next period's is signed */
    next_period(w, &a, SLK_LOCK);
    assert_int_equal(w->embed.lists_size, slk_ledger_tip(w->ledger)->log_size);
    get(w, CARDS "?cosigned", NULL, "200");
    assert_non_null(strstr(reply.text, "Cache-Control: public, max-age=5\r\n"));
}

static void where_nobody_cosigns_it_is_said_what_to_configure(void **state)
{
    struct api_world *w = *state;

    assert_is_said(w, "/v1/status-lists/note", "404", "`cosign` in [status]");
    assert_is_said(w, CARDS "?proof", "404", "`cosign` in [status]");
}

static void all_lists_and_the_key_can_be_found(void **state)
{
    struct api_world *w = *state;
    json_t *value = json_of(get(w, "/v1/status-lists", NULL, "200")), *keys, *key;
    const json_t *all = json_object_get(value, "status_lists");
    uint8_t *x;
    size_t size;

    assert_int_equal(json_array_size(all), 2);
    assert_string_equal(json_string_value(json_array_get(all, 0)), BASE "/1/0");
    assert_string_equal(json_string_value(json_array_get(all, 1)), BASE "/2/0");
    json_decref(value);
    keys = json_of(get(w, "/v1/keys", NULL, "200"));
    key = json_array_get(json_object_get(keys, "keys"), 0);
    assert_string_equal(text_of(key, "crv"), "Ed25519");
    x = unbase64(slk_span_of(text_of(key, "x"), strlen(text_of(key, "x"))), &size);
    assert_int_equal(size, SLK_KEY_SIZE);
    assert_memory_equal(x, slk_key_public(list_key), SLK_KEY_SIZE);
    free(x);
    json_decref(keys);
}

static void without_a_key_it_is_said_what_to_configure(void **state)
{
    static const char *const paths[] = {"/v1/status-lists", CARDS, "/v1/keys"};

    for (size_t i = 0; i < 3; i++) {
        (void)get(*state, paths[i], NULL, "404");
        assert_non_null(strstr(reply.text, "[status]"));
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_list_says_what_happened_to_each_credential),
        T(a_token_has_the_claims_of_the_specification_and_where_it_comes_from),
        T(an_expired_credential_turns_invalid_without_an_event),
        T(credentials_have_one_purpose_each),
        T(a_cwt_is_given_to_who_asks_for_it),
        T(what_has_not_changed_is_not_sent_again),
        T(a_token_is_compressed_for_those_who_take_it),
        T(a_list_that_does_not_exist_is_404_in_words),
        T(the_past_is_made_forward_and_backward),
        T(a_past_of_many_blocks_is_too_large),
        T(a_past_that_cannot_be_told_is_refused_in_words),
        T(a_node_that_is_cut_off_dates_no_list),
        cmocka_unit_test_setup_teardown(who_asks_for_all_lists_in_turn_does_not_have_them_made_again,
            set_up_with_room_for_four, tear_down),
        T(all_lists_and_the_key_can_be_found),
        cmocka_unit_test_setup_teardown(
            a_quorum_signs_the_lists_of_the_first_block_of_a_period, set_up_cosigned, tear_down),
        cmocka_unit_test_setup_teardown(each_form_of_a_list_is_signed, set_up_cosigned, tear_down),
        cmocka_unit_test_setup_teardown(
            what_no_quorum_speaks_of_is_said_in_words, set_up_cosigned, tear_down),
        cmocka_unit_test_setup_teardown(
            without_a_quorum_there_is_no_note_and_lists_go_on, set_up_cosigned, tear_down),
        cmocka_unit_test_setup_teardown(
            a_node_that_catches_up_makes_nothing_to_sign, set_up_cosigned, tear_down),
        T(where_nobody_cosigns_it_is_said_what_to_configure),
        cmocka_unit_test_setup_teardown(
            without_a_key_it_is_said_what_to_configure, set_up_without, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
