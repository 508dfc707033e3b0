/* Both engines of multihash.h against hash.h, for every small size and count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/core/multihash.h"

#define SIZES   301
#define COUNTS  10
#define STRIDE  311
#define NODES_N 600

static void fill(uint8_t *at, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        at[i] = (uint8_t)(seed >> 24);
    }
}

static void assert_same(const struct slk_hash *a, const struct slk_hash *b)
{
    assert_memory_equal(a->b, b->b, SLK_HASH_SIZE);
}

static void with_prefix(struct slk_hash *out, uint8_t prefix, const uint8_t *at, size_t size)
{
    uint8_t bytes[1 + STRIDE];

    bytes[0] = prefix;
    memcpy(bytes + 1, at, size);
    slk_hash_bytes(out, bytes, size + 1);
}

static void equal_messages_hash_as_one_by_one(void **state)
{
    uint8_t bytes[STRIDE * COUNTS];
    struct slk_hash got[COUNTS + 1], want;

    (void)state;
    fill(bytes, sizeof(bytes), 1);
    for (int portable = 0; portable < 2; portable++) {
        slk_multihash_force_portable(portable);
        for (size_t size = 0; size < SIZES; size++) {
            for (size_t n = 0; n < COUNTS; n++) {
                memset(got, 0x5a, sizeof(got));
                slk_multihash_equal(got, (uint8_t)size, bytes, size, STRIDE, n);
                for (size_t i = 0; i < n; i++) {
                    with_prefix(&want, (uint8_t)size, bytes + i * STRIDE, size);
                    assert_same(&got[i], &want);
                }
                assert_int_equal(got[n].b[0], 0x5a);
            }
        }
    }
    slk_multihash_force_portable(false);
}

static void spans_of_all_sizes_hash_as_one_by_one(void **state)
{
    uint8_t bytes[STRIDE + COUNTS];
    struct slk_span spans[COUNTS];
    struct slk_hash got[COUNTS], want;

    (void)state;
    fill(bytes, sizeof(bytes), 2);
    for (int portable = 0; portable < 2; portable++) {
        slk_multihash_force_portable(portable);
        for (size_t size = 0; size < SIZES; size++) {
            for (size_t n = 0; n < COUNTS; n++) {
                for (size_t i = 0; i < n; i++) /* unlike sizes, one of them empty */
                    spans[i] = (struct slk_span){.at = bytes + i, .size = (size * (i + 1) + i * i) % SIZES};
                slk_multihash_spans(got, spans, n);
                for (size_t i = 0; i < n; i++) {
                    slk_hash_bytes(&want, spans[i].at, spans[i].size);
                    assert_same(&got[i], &want);
                }
            }
        }
    }
    slk_multihash_force_portable(false);
}

static void an_empty_span_may_have_no_address(void **state)
{
    struct slk_span spans[2] = {{.at = NULL, .size = 0}, {.at = NULL, .size = 0}};
    struct slk_hash got[2];

    (void)state;
    slk_multihash_spans(got, spans, 2);
    assert_same(&got[0], &slk_hash_empty_tree);
    assert_same(&got[1], &slk_hash_empty_tree);
}

static void nodes_hash_as_one_by_one_also_in_place(void **state)
{
    static struct slk_hash pairs[2 * NODES_N], in_place[2 * NODES_N], got[NODES_N];
    struct slk_hash want;

    (void)state;
    fill(pairs[0].b, sizeof(pairs), 3);
    for (size_t i = 0; i < NODES_N; i++) /* every value of the byte that spills into the second block */
        pairs[2 * i + 1].b[SLK_HASH_SIZE - 1] = (uint8_t)i;
    for (int portable = 0; portable < 2; portable++) {
        slk_multihash_force_portable(portable);
        for (size_t n = 0; n <= NODES_N; n += n < 20 ? 1 : 29) {
            memcpy(in_place, pairs, sizeof(pairs));
            slk_multihash_nodes(got, pairs, n);
            slk_multihash_nodes(in_place, in_place, n);
            for (size_t i = 0; i < n; i++) {
                slk_hash_node(&want, &pairs[2 * i], &pairs[2 * i + 1]);
                assert_same(&got[i], &want);
                assert_same(&in_place[i], &want);
            }
        }
    }
    slk_multihash_force_portable(false);
}

static void scattered_nodes_hash_as_one_by_one(void **state)
{
    struct slk_hash pairs[2 * COUNTS], want[COUNTS];
    struct slk_hash *out[COUNTS];
    const struct slk_hash *at[COUNTS];

    (void)state;
    for (size_t n = 0; n <= COUNTS; n++) {
        fill(pairs[0].b, sizeof(pairs), (uint32_t)n);
        for (size_t i = 0; i < n;
             i++) { /* each result over the right half of its own pair, last pair first */
            at[i] = &pairs[2 * (n - 1 - i)];
            out[i] = &pairs[2 * (n - 1 - i) + 1];
            slk_hash_node(&want[i], &at[i][0], &at[i][1]);
        }
        slk_multihash_nodes_at(out, at, n);
        for (size_t i = 0; i < n; i++)
            assert_same(out[i], &want[i]);
    }
}

static void the_engine_has_a_name(void **state)
{
    (void)state;
    slk_multihash_force_portable(true);
    assert_string_equal(slk_multihash_engine(), "libcrypto");
    slk_multihash_force_portable(false);
    assert_true(
        strcmp(slk_multihash_engine(), "libcrypto") == 0 || strcmp(slk_multihash_engine(), "sha-ni x4") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_messages_hash_as_one_by_one),
        cmocka_unit_test(spans_of_all_sizes_hash_as_one_by_one),
        cmocka_unit_test(an_empty_span_may_have_no_address),
        cmocka_unit_test(nodes_hash_as_one_by_one_also_in_place),
        cmocka_unit_test(scattered_nodes_hash_as_one_by_one),
        cmocka_unit_test(the_engine_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
