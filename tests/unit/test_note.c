/* Signed notes, verifier keys, cosignatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/hash.h"
#include "ledger/verify/note.h"
#include "signer.h"

/* C2SP signed-note, Example. */
static const char example_vkey[] = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char example_note[] =
    "This is an example message.\n\n\xe2\x80\x94 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

#define DASH "\xe2\x80\x94 "
#define LINE DASH "a AAAAAAA=\n" /* five bytes: a key ID and one more */

static enum slk_err parse(struct slk_note *out, const char *note)
{
    return slk_note_parse(out, note, strlen(note));
}

/* ---- names ---- */

static void names_that_are_valid(void **state)
{
    static const char *const good[] = {"a", "example.com/foo", "oid/1.2.3", "\xc3\xa9", "\xe2\x82\xac",
        "\xf0\x9f\x8c\xb2", "\xe2\x80\x8b" /* zero width space is no White_Space */, "!", "~", "a=b"};
    char longest[SLK_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(slk_name_is_valid(good[i], strlen(good[i])));
    memset(longest, 'x', sizeof(longest));
    assert_true(slk_name_is_valid(longest, SLK_NAME_MAX));
    assert_false(slk_name_is_valid(longest, SLK_NAME_MAX + 1));
}

static void names_that_are_not_valid(void **state)
{
    static const char *const wrong[] = {"", " ", "a b", "a+b", "+", "a\tb", "a\nb", "a\x7f", "\xc2\x80",
        "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x8a", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80", "\xff", "a\xc3", "\xc0\xaf",
        "\xed\xa0\x80"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(slk_name_is_valid(wrong[i], strlen(wrong[i])));
    assert_false(slk_name_is_valid("a\0b", 3));
}

/* Prints a code point by the table of RFC 3629 §3, without its exclusions. */
static size_t print_code_point(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

static void every_code_point_but_surrogates_can_be_in_a_note(void **state)
{
    struct slk_note note;

    (void)state;
    for (uint32_t c = 0; c < 0x120000; c += c < 0x11000 ? 1 : 251) {
        char text[32] = "x";
        size_t n = 1 + print_code_point(text + 1, c);
        bool good = (c >= 0x20 || c == '\n') && (c < 0xd800 || c > 0xdfff) && c <= 0x10ffff;

        memcpy(text + n, "\n\n" LINE, strlen("\n\n" LINE));
        n += strlen("\n\n" LINE);
        assert_int_equal(slk_note_parse(&note, text, n), good ? SLK_OK : SLK_E_NOTE);
    }
}

static void utf8_in_other_spellings_is_refused(void **state)
{
    static const char *const wrong[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
        "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
        "\xfe", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x8c", "\xc3\xc3", "\xed\xa0\x80", "\xed\xbf\xbf"};
    struct slk_note note;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%s\n\n" LINE, wrong[i]);
        assert_int_equal(parse(&note, text), SLK_E_NOTE);
        (void)snprintf(text, sizeof(text), "x\n\n" DASH "a%s AAAAAAA=\n", wrong[i]);
        assert_int_equal(parse(&note, text), SLK_E_NOTE);
    }
}

/* ---- verifier keys ---- */

static void the_example_key_parses_and_prints_back(void **state)
{
    struct slk_vkey vkey;
    char out[SLK_VKEY_MAX];

    (void)state;
    assert_int_equal(slk_vkey_parse(&vkey, example_vkey, strlen(example_vkey)), SLK_OK);
    assert_string_equal(vkey.name, "example.com/foo");
    assert_int_equal(vkey.type, SLK_SIG_ED25519);
    assert_int_equal(vkey.key_hash, 0x530d903a);
    assert_int_equal(slk_vkey_format(out, &vkey), strlen(example_vkey));
    assert_string_equal(out, example_vkey);
}

static void the_key_hash_is_its_definition_for_both_types(void **state)
{
    static const char name[] = "witness.example.com/w1";

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t type = i == 0 ? SLK_SIG_ED25519 : SLK_SIG_COSIGNATURE_V1;
        uint8_t bytes[sizeof(name) - 1 + 2 + SLK_KEY_SIZE];
        struct signer s;
        struct slk_hash hash;
        struct slk_vkey again;
        char text[SLK_VKEY_MAX];

        signer_init(&s, name, type, 1);
        memcpy(bytes, name, strlen(name));
        bytes[strlen(name)] = 0x0a;
        bytes[strlen(name) + 1] = type;
        memcpy(bytes + strlen(name) + 2, s.vkey.key, SLK_KEY_SIZE);
        slk_hash_bytes(&hash, bytes, sizeof(bytes));
        assert_int_equal(s.vkey.key_hash, slk_get_u32(hash.b));
        assert_int_equal(slk_vkey_parse(&again, text, slk_vkey_format(text, &s.vkey)), SLK_OK);
        assert_memory_equal(&again, &s.vkey, sizeof(again));
    }
}

static void a_key_with_any_byte_changed_is_refused(void **state)
{
    char text[sizeof(example_vkey)];
    struct slk_vkey vkey;

    (void)state;
    memcpy(text, example_vkey, sizeof(text));
    for (size_t at = 0; at < strlen(example_vkey); at++) {
        for (unsigned c = 0; c < 256; c++) {
            text[at] = (char)c;
            if (text[at] != example_vkey[at])
                assert_int_equal(slk_vkey_parse(&vkey, text, strlen(example_vkey)), SLK_E_VKEY);
        }
        text[at] = example_vkey[at];
    }
    for (size_t size = 0; size < strlen(example_vkey); size++)
        assert_int_equal(slk_vkey_parse(&vkey, example_vkey, size), SLK_E_VKEY);
    assert_int_equal(vkey.type, 0);
    assert_int_equal(
        slk_vkey_parse(&vkey, example_vkey, sizeof(example_vkey)), SLK_E_VKEY); /* with its NUL */
}

static void keys_of_unknown_type_or_small_order_are_refused(void **state)
{
    struct slk_vkey vkey;
    struct signer s;
    uint8_t identity[SLK_KEY_SIZE] = {1};

    (void)state;
    signer_init(&s, "a", SLK_SIG_ED25519, 1);
    for (unsigned type = 0; type < 256; type++)
        assert_int_equal(slk_vkey_init(&vkey, "a", (uint8_t)type, s.vkey.key),
            type == 0x01 || type == 0x04 ? SLK_OK : SLK_E_VKEY);
    assert_int_equal(slk_vkey_init(&vkey, "a", SLK_SIG_ED25519, identity), SLK_E_VKEY);
    assert_int_equal(slk_vkey_init(&vkey, "a b", SLK_SIG_ED25519, s.vkey.key), SLK_E_VKEY);
    assert_int_equal(slk_vkey_init(&vkey, "", SLK_SIG_ED25519, s.vkey.key), SLK_E_VKEY);
}

/* ---- the form of a note ---- */

static void the_example_note_verifies(void **state)
{
    struct slk_note note;
    struct slk_vkey vkey;
    uint64_t time_s = 9;

    (void)state;
    assert_int_equal(slk_vkey_parse(&vkey, example_vkey, strlen(example_vkey)), SLK_OK);
    assert_int_equal(parse(&note, example_note), SLK_OK);
    assert_int_equal(note.sigs_n, 1);
    assert_int_equal(note.text.size, strlen("This is an example message.\n"));
    assert_int_equal(note.sigs[0].key_hash, 0x530d903a);
    assert_int_equal(note.sigs[0].blob_size, 68);
    assert_int_equal(slk_note_check_sig(&time_s, &note, 0, &vkey), SLK_OK);
    assert_true(time_s == 0);
}

static void the_text_ends_at_the_last_empty_line(void **state)
{
    struct slk_note note;

    (void)state;
    assert_int_equal(parse(&note, "one\n\ntwo\n\n\nthree\n\n" LINE), SLK_OK);
    assert_int_equal(note.text.size, strlen("one\n\ntwo\n\n\nthree\n"));
    assert_int_equal(parse(&note, "one\n\n\n\n" LINE LINE), SLK_OK);
    assert_int_equal(note.text.size, strlen("one\n\n\n"));
    assert_int_equal(note.sigs_n, 2);
    assert_int_equal(parse(&note, "\n\n" LINE), SLK_OK);
    assert_int_equal(note.text.size, 1);
    assert_int_equal(parse(&note, LINE "\n" LINE), SLK_OK); /* a text may look like a signature */
    assert_int_equal(note.sigs_n, 1);
}

static void what_is_not_a_note(void **state)
{
    static const char *const wrong[] = {"", "\n", "\n\n", "x", "x\n", "x\n\n", LINE, "x\n" LINE,
        "x\n\n" LINE "\n", "x\n\n" LINE "y\n", "\n" LINE, "x\n\ny\n" LINE,
        "x\n\n" DASH "a AAAAAAA=", "x\n\n" DASH "a\n", "x\n\n" DASH "a \n", "x\n\n" DASH " AAAAAAA=\n",
        "x\n\n" DASH "a  AAAAAAA=\n", "x\n\n" DASH "a AAAAAAA= \n", "x\n\n" DASH "a b AAAAAAA=\n",
        "x\n\n" DASH "a+b AAAAAAA=\n", "x\n\n" DASH " a AAAAAAA=\n", "x\n\n- a AAAAAAA=\n",
        "x\n\n-- a AAAAAAA=\n", "x\n\n\xe2\x80\x93 a AAAAAAA=\n",
        "x\n\n\xe2\x80\x94"
        "a AAAAAAA=\n",
        "x\n\n \xe2\x80\x94 a AAAAAAA=\n",
        "x\n\n\xe2\x80\x94\xc2\xa0"
        "a AAAAAAA=\n",
        "x\n\n" DASH "a AAAAAA==\n" /* a key ID alone */, "x\n\n" DASH "a AAAAAAB=\n",
        "x\n\n" DASH "a AAAAAAA\n", "x\n\n" DASH "a AAAA====\n", "x\r\n\r\n" LINE,
        "x\n\n" DASH "a AAAAAAA=\r\n"};
    struct slk_note note;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse(&note, wrong[i]), SLK_E_NOTE);
        assert_int_equal(note.sigs_n, 0);
    }
}

static void control_characters_are_refused_anywhere(void **state)
{
    static const char good[] = "x y\n\n" LINE;
    struct slk_note note;

    (void)state;
    for (size_t at = 0; at < strlen(good); at++) {
        for (char c = 0; c < 0x20; c++) {
            char text[sizeof(good)];

            if (c == '\n')
                continue;
            memcpy(text, good, sizeof(good));
            text[at] = c;
            assert_int_equal(slk_note_parse(&note, text, strlen(good)), SLK_E_NOTE);
        }
    }
}

static void at_most_64_signatures_are_read(void **state)
{
    uint8_t bytes[4096];
    struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
    struct slk_note note;

    (void)state;
    slk_write_bytes(&w, "x\n\n", 3);
    for (unsigned n = 1; n <= SLK_NOTE_SIGS_MAX + 2; n++) {
        slk_write_bytes(&w, LINE, strlen(LINE));
        assert_false(w.bad);
        assert_int_equal(
            slk_note_parse(&note, (const char *)bytes, w.size), n <= SLK_NOTE_SIGS_MAX ? SLK_OK : SLK_E_NOTE);
        assert_int_equal(note.sigs_n, n <= SLK_NOTE_SIGS_MAX ? n : 0);
    }
}

static void a_note_is_at_most_64_kib(void **state)
{
    static char text[SLK_NOTE_MAX + 1];
    struct slk_note note;
    size_t tail = strlen("\n\n" LINE);

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text + SLK_NOTE_MAX - tail, "\n\n" LINE, tail);
    assert_int_equal(slk_note_parse(&note, text, SLK_NOTE_MAX), SLK_OK);
    memset(text, 'x', sizeof(text));
    memcpy(text + SLK_NOTE_MAX + 1 - tail, "\n\n" LINE, tail);
    assert_int_equal(slk_note_parse(&note, text, SLK_NOTE_MAX + 1), SLK_E_NOTE);
}

/* Post-quantum signatures of other signers are carried past, whatever their length. */
static void payloads_of_any_length_are_read(void **state)
{
    static uint8_t blob[6000], bytes[9000];

    (void)state;
    for (size_t i = 0; i < sizeof(blob); i++)
        blob[i] = (uint8_t)(i * 31);
    for (size_t size = 0; size < sizeof(blob); size += size < 400 ? 1 : 53) {
        struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
        struct slk_note note;

        slk_write_bytes(&w, "x\n\n", 3);
        slk_note_write_sig(&w, "pq", 2, blob, size);
        assert_false(w.bad);
        assert_int_equal(slk_note_parse(&note, (const char *)bytes, w.size), size <= 4 ? SLK_E_NOTE : SLK_OK);
        if (size <= 4)
            continue;
        assert_int_equal(note.sigs[0].key_hash, slk_get_u32(blob));
        assert_int_equal(note.sigs[0].blob_size, size <= SLK_NOTE_BLOB_MAX ? size : 0);
        assert_memory_equal(note.sigs[0].blob, blob, note.sigs[0].blob_size);
        bytes[w.size - 3 - size / 2] = '='; /* padding in the middle */
        if (size > 8)
            assert_int_equal(slk_note_parse(&note, (const char *)bytes, w.size), SLK_E_NOTE);
    }
}

static void a_signature_line_that_does_not_fit_is_not_written(void **state)
{
    uint8_t bytes[64], blob[9] = {0};

    (void)state;
    for (size_t cap = 0; cap <= 20; cap++) {
        struct slk_writer w = {.at = bytes, .cap = cap};

        memset(bytes, 0xaa, sizeof(bytes));
        slk_note_write_sig(&w, "a", 1, blob, sizeof(blob));
        assert_int_equal(w.bad, cap < 4 + 1 + 1 + 12 + 1);
        for (size_t i = cap; i < sizeof(bytes); i++)
            assert_int_equal(bytes[i], 0xaa);
    }
}

/* ---- signatures ---- */

static const char checkpoint_text[] =
    "example.com/log\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

struct signed_note {
    struct signer log, witness;
    uint8_t bytes[2048];
    size_t size;
};

static void sign_note(struct signed_note *out, const char *text, uint64_t time_s)
{
    struct slk_writer w = {.at = out->bytes, .cap = sizeof(out->bytes)};
    struct slk_span span = slk_span_of(text, strlen(text));

    signer_init(&out->log, "example.com/log", SLK_SIG_ED25519, 1);
    signer_init(&out->witness, "witness.example.com/w1", SLK_SIG_COSIGNATURE_V1, 2);
    slk_write_bytes(&w, span.at, span.size);
    slk_write_u8(&w, '\n');
    signer_add_line(&w, &out->log, 0, span);
    signer_add_line(&w, &out->witness, time_s, span);
    assert_false(w.bad);
    out->size = w.size;
}

static void a_signed_checkpoint_verifies_and_each_key_knows_its_line(void **state)
{
    struct signed_note s;
    struct slk_note note;
    uint64_t time_s;

    (void)state;
    sign_note(&s, checkpoint_text, 1679315147);
    assert_int_equal(slk_note_parse(&note, (const char *)s.bytes, s.size), SLK_OK);
    assert_int_equal(note.sigs_n, 2);
    assert_int_equal(slk_note_check_sig(&time_s, &note, 0, &s.log.vkey), SLK_OK);
    assert_true(time_s == 0);
    assert_int_equal(slk_note_check_sig(&time_s, &note, 1, &s.witness.vkey), SLK_OK);
    assert_true(time_s == 1679315147);
    assert_int_equal(slk_note_check_sig(&time_s, &note, 1, &s.log.vkey), SLK_E_NOT_FOUND);
    assert_int_equal(slk_note_check_sig(&time_s, &note, 0, &s.witness.vkey), SLK_E_NOT_FOUND);
}

static void a_flipped_bit_of_a_signed_checkpoint_is_refused(void **state)
{
    struct signed_note s;
    struct slk_note note;
    uint64_t time_s;

    (void)state;
    sign_note(&s, checkpoint_text, 1679315147);
    for (size_t bit = 0; bit < 8 * s.size; bit++) {
        bool log_good = false, witness_good = false;

        s.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (slk_note_parse(&note, (const char *)s.bytes, s.size) == SLK_OK && note.sigs_n == 2) {
            log_good = slk_note_check_sig(&time_s, &note, 0, &s.log.vkey) == SLK_OK;
            witness_good = slk_note_check_sig(&time_s, &note, 1, &s.witness.vkey) == SLK_OK;
            assert_true(witness_good || time_s == 0);
        }
        assert_false(log_good && witness_good);
        if (bit / 8 < strlen(checkpoint_text))
            assert_false(log_good || witness_good);
        s.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void the_cosigned_message_is_as_printed_in_the_specification(void **state)
{
    static const char wanted[] = "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
                                 "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"; /* C2SP tlog-cosignature */
    const char *text = strchr(strchr(wanted, '\n') + 1, '\n') + 1;
    struct slk_span span = slk_span_of(text, strlen(text));
    uint8_t out[256];

    (void)state;
    assert_int_equal(slk_cosign_message(out, sizeof(out), 1679315147, span), strlen(wanted));
    assert_memory_equal(out, wanted, strlen(wanted));
    for (size_t cap = 0; cap < strlen(wanted); cap++)
        assert_int_equal(slk_cosign_message(out, cap, 1679315147, span), 0);
    assert_int_equal(slk_cosign_message(out, sizeof(out), 0, slk_span_of("x\n", 2)),
        strlen("cosignature/v1\ntime 0\nx\n"));
}

static void a_cosignature_beyond_2_to_the_63_is_refused(void **state)
{
    static const uint64_t times[] = {0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct signed_note s;
        struct slk_note note;
        uint64_t time_s;

        sign_note(&s, checkpoint_text, times[i]);
        assert_int_equal(slk_note_parse(&note, (const char *)s.bytes, s.size), SLK_OK);
        assert_int_equal(slk_note_check_sig(&time_s, &note, 1, &s.witness.vkey),
            times[i] <= INT64_MAX ? SLK_OK : SLK_E_SIGNATURE);
        assert_true(time_s == (times[i] <= INT64_MAX ? times[i] : 0));
    }
}

/* The type is part of the key ID, and the lengths differ; even a forged ID does not mix the two. */
static void a_line_of_one_type_is_not_taken_for_the_other(void **state)
{
    struct signer plain, cosigner;
    struct slk_span text = slk_span_of(checkpoint_text, strlen(checkpoint_text));
    uint64_t time_s;

    (void)state;
    signer_init(&plain, "x", SLK_SIG_ED25519, 3);
    signer_init(&cosigner, "x", SLK_SIG_COSIGNATURE_V1, 3);
    assert_true(plain.vkey.key_hash != cosigner.vkey.key_hash);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t bytes[1024];
        struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
        struct slk_note note;
        struct slk_vkey other = i == 0 ? cosigner.vkey : plain.vkey;

        slk_write_bytes(&w, text.at, text.size);
        slk_write_u8(&w, '\n');
        signer_add_line(&w, i == 0 ? &plain : &cosigner, 7, text);
        assert_int_equal(slk_note_parse(&note, (const char *)bytes, w.size), SLK_OK);
        assert_int_equal(slk_note_check_sig(&time_s, &note, 0, &other), SLK_E_NOT_FOUND);
        other.key_hash = note.sigs[0].key_hash;
        assert_int_equal(slk_note_check_sig(&time_s, &note, 0, &other), SLK_E_SIGNATURE);
    }
}

static void payloads_of_a_known_key_with_a_wrong_length_are_wrong(void **state)
{
    struct signer s;
    uint8_t blob[200];
    uint64_t time_s;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        signer_init(&s, "x", i == 0 ? SLK_SIG_ED25519 : SLK_SIG_COSIGNATURE_V1, 3);
        memset(blob, 0, sizeof(blob));
        slk_put_u32(blob, s.vkey.key_hash);
        signer_sign(blob + 4, &s, "x\n", 2);
        for (size_t size = 5; size <= sizeof(blob); size++) {
            uint8_t bytes[512];
            struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
            struct slk_note note;

            slk_write_bytes(&w, "x\n\n", 3);
            slk_note_write_sig(&w, "x", 1, blob, size);
            assert_int_equal(slk_note_parse(&note, (const char *)bytes, w.size), SLK_OK);
            assert_int_equal(slk_note_check_sig(&time_s, &note, 0, &s.vkey),
                i == 0 && size == 68 ? SLK_OK : SLK_E_SIGNATURE);
        }
    }
}

static void a_text_longer_than_any_checkpoint_has_no_cosignature(void **state)
{
    static char text[5000], bytes[6000];

    (void)state;
    for (size_t size = 4000; size < sizeof(text); size += 96) {
        struct slk_writer w = {.at = (uint8_t *)bytes, .cap = sizeof(bytes)};
        struct signer s;
        struct slk_note note;
        uint64_t time_s;

        memset(text, 'x', size - 1);
        text[size - 1] = '\n';
        signer_init(&s, "x", SLK_SIG_COSIGNATURE_V1, 3);
        slk_write_bytes(&w, text, size);
        slk_write_u8(&w, '\n');
        signer_add_line(&w, &s, 1679315147, slk_span_of(text, size));
        assert_int_equal(slk_note_parse(&note, bytes, w.size), SLK_OK);
        assert_int_equal(
            slk_note_check_sig(&time_s, &note, 0, &s.vkey), size <= 4096 ? SLK_OK : SLK_E_SIGNATURE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_valid),
        cmocka_unit_test(names_that_are_not_valid),
        cmocka_unit_test(every_code_point_but_surrogates_can_be_in_a_note),
        cmocka_unit_test(utf8_in_other_spellings_is_refused),
        cmocka_unit_test(the_example_key_parses_and_prints_back),
        cmocka_unit_test(the_key_hash_is_its_definition_for_both_types),
        cmocka_unit_test(a_key_with_any_byte_changed_is_refused),
        cmocka_unit_test(keys_of_unknown_type_or_small_order_are_refused),
        cmocka_unit_test(the_example_note_verifies),
        cmocka_unit_test(the_text_ends_at_the_last_empty_line),
        cmocka_unit_test(what_is_not_a_note),
        cmocka_unit_test(control_characters_are_refused_anywhere),
        cmocka_unit_test(at_most_64_signatures_are_read),
        cmocka_unit_test(a_note_is_at_most_64_kib),
        cmocka_unit_test(payloads_of_any_length_are_read),
        cmocka_unit_test(a_signature_line_that_does_not_fit_is_not_written),
        cmocka_unit_test(a_signed_checkpoint_verifies_and_each_key_knows_its_line),
        cmocka_unit_test(a_flipped_bit_of_a_signed_checkpoint_is_refused),
        cmocka_unit_test(the_cosigned_message_is_as_printed_in_the_specification),
        cmocka_unit_test(a_cosignature_beyond_2_to_the_63_is_refused),
        cmocka_unit_test(a_line_of_one_type_is_not_taken_for_the_other),
        cmocka_unit_test(payloads_of_a_known_key_with_a_wrong_length_are_wrong),
        cmocka_unit_test(a_text_longer_than_any_checkpoint_has_no_cosignature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
