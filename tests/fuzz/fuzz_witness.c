/* fuzz_witness.c: an outside witness's answers, one after the other, to a desk that asks on: u16 status, u8 size of the type, u16 size of the
 * body, type, body. What is taken as a cosignature is one; nothing it says makes the desk ask more than it may. */
#include "net/witness.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/signer.h"

#define TEXT "log.example/a\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define NOW  1790000000u /* as in the seeds */

enum { EVERY_MS = 5000, FRESH_MS = 60000, REST_MS = 20000, ASKS_MAX = 4 };

struct world {
    struct slk_witness witness;
    uint64_t size;
    size_t asked_n, round_n;
    bool is_asked;
};

static struct slk_span text(void)
{
    return slk_span_of((const uint8_t *)TEXT, sizeof(TEXT) - 1);
}

static bool newest(void *ctx, struct slk_tree_head *head)
{
    const struct world *w = ctx;

    *head = (struct slk_tree_head){.tree_size = w->size};
    return true;
}

static size_t target(void *ctx, struct slk_tree_head *head, uint8_t *out, size_t cap)
{
    static const char note[] = TEXT "\n— log.example/a AAAAAAA=\n";
    struct world *w = ctx;

    w->round_n = 0;
    *head = (struct slk_tree_head){.tree_size = w->size};
    FUZZ_CHECK(cap >= sizeof(note));
    memcpy(out, note, sizeof(note) - 1);
    return sizeof(note) - 1;
}

static bool path(
    void *ctx, uint64_t old_size, uint64_t size, struct slk_hash out[SLK_WITNESS_PATH_MAX], size_t *path_n)
{
    const struct world *w = ctx;

    FUZZ_CHECK(old_size > 0 && old_size < size && size <= w->size);
    *path_n = old_size % SLK_WITNESS_PATH_MAX;
    memset(out, 0, *path_n * sizeof(*out));
    return true;
}

static bool ask(void *ctx, size_t i, struct slk_span body)
{
    struct world *w = ctx;

    FUZZ_CHECK(i == 0 && !w->is_asked && body.size > 0 && ++w->round_n <= ASKS_MAX);
    w->is_asked = true;
    w->asked_n++;
    return true;
}

/* The signature line that is made of it verifies. */
static void cosigned(
    void *ctx, size_t i, const struct slk_tree_head *head, const struct slk_witness_word *word)
{
    struct world *w = ctx;
    uint8_t bytes[1024];
    struct slk_writer out = {.at = bytes, .cap = sizeof(bytes)};
    struct slk_note note;
    uint64_t time_s;

    slk_write_bytes(&out, TEXT "\n", sizeof(TEXT));
    slk_note_write_sig(
        &out, w->witness.vkey.name, strlen(w->witness.vkey.name), word->blob, sizeof(word->blob));
    FUZZ_CHECK(i == 0 && head->tree_size <= w->size &&
               slk_note_parse(&note, (const char *)bytes, out.size) == SLK_OK &&
               slk_note_check_sig(&time_s, &note, 0, &w->witness.vkey) == SLK_OK && time_s == word->time_s);
}

static struct slk_span take(struct slk_reader *r, size_t n)
{
    struct slk_span out = slk_span_of(r->rest.at, n < r->rest.size ? n : r->rest.size);

    r->rest = slk_span_of(r->rest.at + out.size, r->rest.size - out.size);
    return out;
}

static struct slk_witness_answer next_answer(struct slk_reader *r)
{
    struct slk_witness_answer a = {.status = slk_read_u16(r)};
    size_t type_n = slk_read_u8(r), body_n = slk_read_u16(r);
    struct slk_span type = take(r, type_n);

    type_n = type.size < sizeof(a.type) ? type.size : 0;
    if (type_n > 0)
        memcpy(a.type, type.at, type_n);
    a.body = take(r, body_n);
    a.is_too_large = a.body.size > SLK_WITNESS_ANSWER_MAX;
    return a;
}

static void check_word(const struct world *w, const struct slk_witness_answer *a)
{
    struct slk_witness_word word;

    slk_witness_read(&word, &w->witness, a, text(), NOW);
    FUZZ_CHECK(
        word.says < SLK_WITNESS_SAYS_N && (word.says == SLK_WITNESS_OTHER_SIZE || word.stored_size == 0));
    FUZZ_CHECK(word.says == SLK_WITNESS_COSIGNED
                   ? word.time_s > 0
                   : word.time_s == 0 && fuzz_is_zero(word.blob, sizeof(word.blob)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slk_witness_options options = {EVERY_MS, FRESH_MS, REST_MS};
    struct world w = {.size = 7, .witness = {.label = "w", .url = "http://w"}};
    const struct slk_witness_world world = {&w, newest, target, path, ask, cosigned};
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_reader r = {.rest = slk_span_of(exact, size)};
    struct slk_witness_desk *desk;
    struct signer signer;
    uint64_t now = 1000, says_n = 0;

    signer_init(&signer, "witness.example/w", SLK_SIG_COSIGNATURE_V1, 1);
    w.witness.vkey = signer.vkey;
    desk = slk_witness_desk_new(&w.witness, 1, &options, &world);
    FUZZ_CHECK(desk != NULL);
    for (int i = 0; i < 32 && r.rest.size >= 5; i++) {
        for (int k = 0; k < 8 && !w.is_asked; k++, now += EVERY_MS) {
            slk_witness_desk_run(desk, now);
            w.size += !w.is_asked;
        }
        struct slk_witness_answer a = next_answer(&r);
        check_word(&w, &a);
        if (!w.is_asked)
            continue;
        w.is_asked = false;
        slk_witness_desk_hear(desk, 0, &a, now, NOW);
    }
    for (unsigned k = 0; k < SLK_WITNESS_SAYS_N; k++)
        says_n += slk_witness_desk_stats(desk, 0)->says_n[k];
    FUZZ_CHECK(slk_witness_desk_stats(desk, 0)->asked_n == w.asked_n && says_n + w.is_asked == w.asked_n);
    slk_witness_desk_free(desk);
    free(exact);
    return 0;
}
