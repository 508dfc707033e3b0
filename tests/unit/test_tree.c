/* Inclusion and consistency proofs, compared with the recursive definitions of RFC 6962 §2.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/bytes.h"
#include "ledger/verify/tree.h"
#include "vectors.h"

#define LEAVES_MAX 130
#define PATH_CAP   80

struct path {
    struct slk_hash hashes[PATH_CAP];
    size_t n;
};

static struct slk_hash leaves[LEAVES_MAX];

/* ---- the slow, obvious definitions ---- */

/* "k is the largest power of two smaller than n" */
static uint64_t split_point(uint64_t n)
{
    uint64_t k = 1;

    while (k < n - k)
        k *= 2;
    return k;
}

/* MTH(D[from:from+n]) */
static struct slk_hash naive_root(size_t from, size_t n)
{
    struct slk_hash left, right, out;
    size_t k;

    if (n == 0)
        return slk_hash_empty_tree;
    if (n == 1)
        return leaves[from];
    k = (size_t)split_point(n);
    left = naive_root(from, k);
    right = naive_root(from + k, n - k);
    slk_hash_node(&out, &left, &right);
    return out;
}

static void append(struct path *path, struct slk_hash hash)
{
    assert_true(path->n < PATH_CAP);
    path->hashes[path->n++] = hash;
}

/* PATH(m, D[from:from+n]) */
static void naive_path(struct path *path, size_t m, size_t from, size_t n)
{
    size_t k;

    if (n == 1)
        return;
    k = (size_t)split_point(n);
    if (m < k) {
        naive_path(path, m, from, k);
        append(path, naive_root(from + k, n - k));
    } else {
        naive_path(path, m - k, from + k, n - k);
        append(path, naive_root(from, k));
    }
}

/* SUBPROOF(m, D[from:from+n], whole) */
static void naive_subproof(struct path *path, size_t m, size_t from, size_t n, bool whole)
{
    size_t k;

    if (m == n) {
        if (!whole)
            append(path, naive_root(from, n));
        return;
    }
    k = (size_t)split_point(n);
    if (m <= k) {
        naive_subproof(path, m, from, k, whole);
        append(path, naive_root(from + k, n - k));
    } else {
        naive_subproof(path, m - k, from + k, n - k, false);
        append(path, naive_root(from, k));
    }
}

/* The root PATH(m, D[n]) implies, by the same recursion from the top; false when the length is another. */
static bool naive_climb(struct slk_hash *root, uint64_t m, uint64_t n, const struct slk_hash *leaf,
    const struct slk_hash *path, size_t path_n)
{
    uint64_t k;

    if (n == 1) {
        *root = *leaf;
        return path_n == 0;
    }
    if (path_n == 0)
        return false;
    k = split_point(n);
    if (m < k) {
        if (!naive_climb(root, m, k, leaf, path, path_n - 1))
            return false;
        slk_hash_node(root, root, &path[path_n - 1]);
    } else {
        if (!naive_climb(root, m - k, n - k, leaf, path, path_n - 1))
            return false;
        slk_hash_node(root, &path[path_n - 1], root);
    }
    return true;
}

static int make_leaves(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LEAVES_MAX; i++) {
        uint8_t entry[2] = {(uint8_t)i, (uint8_t)(i >> 8)};

        slk_hash_leaf(&leaves[i], entry, sizeof(entry));
    }
    return 0;
}

static struct slk_tree_head head_of(size_t n)
{
    return (struct slk_tree_head){.tree_size = n, .root_hash = naive_root(0, n)};
}

static void flip(struct slk_hash *hash, size_t bit)
{
    hash->b[bit / 8 % SLK_HASH_SIZE] ^= (uint8_t)(1u << bit % 8);
}

/* Every bit in small trees; in larger ones a bit that moves from hash to hash. */
static size_t bit_step(size_t n)
{
    return n <= 12 ? 1 : 256;
}

/* ---- inclusion ---- */

static void inclusion_accepts_every_leaf_of_every_small_tree(void **state)
{
    (void)state;
    for (size_t n = 1; n <= LEAVES_MAX; n++) {
        struct slk_tree_head head = head_of(n);

        for (size_t m = 0; m < n; m++) {
            struct path p = {.n = 0};

            naive_path(&p, m, 0, n);
            assert_int_equal(slk_tree_path_size(m, n), p.n);
            assert_int_equal(slk_tree_check_inclusion(&head, m, &leaves[m], p.hashes, p.n), SLK_OK);
        }
    }
}

static void inclusion_refuses_a_flipped_bit_anywhere(void **state)
{
    (void)state;
    for (size_t n = 1; n <= LEAVES_MAX; n++) {
        struct slk_tree_head head = head_of(n);

        for (size_t m = 0; m < n; m += n <= 33 ? 1 : 7) {
            struct path p = {.n = 0};
            struct slk_hash leaf = leaves[m];

            naive_path(&p, m, 0, n);
            for (size_t bit = (n + m) % bit_step(n); bit < p.n * 256; bit += bit_step(n)) {
                flip(&p.hashes[bit / 256], bit % 256);
                assert_int_equal(slk_tree_check_inclusion(&head, m, &leaf, p.hashes, p.n), SLK_E_PROOF);
                flip(&p.hashes[bit / 256], bit % 256);
            }
            for (size_t bit = 0; bit < 256; bit += bit_step(n)) {
                flip(&leaf, bit);
                assert_int_equal(slk_tree_check_inclusion(&head, m, &leaf, p.hashes, p.n), SLK_E_PROOF);
                flip(&leaf, bit);
                flip(&head.root_hash, bit);
                assert_int_equal(slk_tree_check_inclusion(&head, m, &leaf, p.hashes, p.n), SLK_E_PROOF);
                flip(&head.root_hash, bit);
            }
        }
    }
}

static void inclusion_refuses_an_extra_a_missing_and_a_swapped_hash(void **state)
{
    (void)state;
    for (size_t n = 1; n <= LEAVES_MAX; n++) {
        struct slk_tree_head head = head_of(n);

        for (size_t m = 0; m < n; m++) {
            struct path p = {.n = 0};

            naive_path(&p, m, 0, n);
            if (p.n > 0)
                assert_int_equal(
                    slk_tree_check_inclusion(&head, m, &leaves[m], p.hashes, p.n - 1), SLK_E_PROOF);
            if (p.n > 0)
                assert_int_equal(
                    slk_tree_check_inclusion(&head, m, &leaves[m], p.hashes + 1, p.n - 1), SLK_E_PROOF);
            append(&p, head.root_hash);
            assert_int_equal(slk_tree_check_inclusion(&head, m, &leaves[m], p.hashes, p.n), SLK_E_PROOF);
            p.hashes[p.n - 1] = slk_hash_zero;
            assert_int_equal(slk_tree_check_inclusion(&head, m, &leaves[m], p.hashes, p.n), SLK_E_PROOF);
            if (p.n > 2) {
                struct slk_hash first = p.hashes[0];

                p.hashes[0] = p.hashes[1];
                p.hashes[1] = first;
                assert_int_equal(
                    slk_tree_check_inclusion(&head, m, &leaves[m], p.hashes, p.n - 1), SLK_E_PROOF);
            }
        }
    }
}

static void inclusion_refuses_every_other_index_of_the_tree(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 64; n++) {
        struct slk_tree_head head = head_of(n);

        for (size_t m = 0; m < n; m++) {
            struct path p = {.n = 0};

            naive_path(&p, m, 0, n);
            for (size_t other = 0; other < n; other++) {
                if (other != m)
                    assert_int_equal(
                        slk_tree_check_inclusion(&head, other, &leaves[m], p.hashes, p.n), SLK_E_PROOF);
            }
            for (unsigned bit = 0; bit < 64; bit++) {
                uint64_t other = m ^ (uint64_t)1 << bit;

                if (other >= n)
                    assert_int_equal(
                        slk_tree_check_inclusion(&head, other, &leaves[m], p.hashes, p.n), SLK_E_RANGE);
            }
        }
    }
}

/* A head with another size and the old root is a lie about the tree; what matters is that the loop
 * and the definition agree about what it implies. */
static void inclusion_agrees_with_the_definition_for_any_index_and_size(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 24; n++) {
        struct slk_tree_head head = head_of(n);

        for (size_t m = 0; m < n; m++) {
            struct path p = {.n = 0};

            naive_path(&p, m, 0, n);
            for (head.tree_size = 0; head.tree_size <= 34; head.tree_size++) {
                for (uint64_t other = 0; other <= head.tree_size; other++) {
                    struct slk_hash root;
                    enum slk_err wanted = SLK_E_RANGE;

                    if (other < head.tree_size)
                        wanted = naive_climb(&root, other, head.tree_size, &leaves[m], p.hashes, p.n) &&
                                         slk_hash_equal(&root, &head.root_hash)
                                     ? SLK_OK
                                     : SLK_E_PROOF;
                    assert_int_equal(
                        slk_tree_check_inclusion(&head, other, &leaves[m], p.hashes, p.n), wanted);
                }
            }
        }
    }
}

static void inclusion_works_in_trees_up_to_the_largest(void **state)
{
    static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 1, (uint64_t)1 << 63, ((uint64_t)1 << 63) + 1,
        ((uint64_t)1 << 63) - 1, 0xaaaaaaaaaaaaaaaa, ((uint64_t)1 << 32) + 1, 1000000007};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t n = sizes[i], indexes[] = {0, 1, n / 3, n / 2 - 1, n / 2, n / 2 + 1, n - 2, n - 1};

        for (size_t k = 0; k < sizeof(indexes) / sizeof(indexes[0]); k++) {
            struct slk_tree_head head = {.tree_size = n};
            size_t path_n = slk_tree_path_size(indexes[k], n);

            assert_true(path_n <= SLK_PATH_MAX);
            assert_true(naive_climb(&head.root_hash, indexes[k], n, &leaves[0], leaves + 1, path_n));
            assert_int_equal(
                slk_tree_check_inclusion(&head, indexes[k], &leaves[0], leaves + 1, path_n), SLK_OK);
            assert_int_equal(
                slk_tree_check_inclusion(&head, indexes[k], &leaves[0], leaves + 1, path_n - 1), SLK_E_PROOF);
            assert_int_equal(
                slk_tree_check_inclusion(&head, indexes[k], &leaves[0], leaves + 1, path_n + 1), SLK_E_PROOF);
        }
    }
}

/* ---- consistency ---- */

static void consistency_accepts_every_pair_of_small_trees(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 64; n++) {
        struct slk_tree_head now = head_of(n);

        for (size_t m = 1; m <= n; m++) {
            struct slk_tree_head old = head_of(m);
            struct path p = {.n = 0};

            naive_subproof(&p, m, 0, n, true);
            assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes, p.n), SLK_OK);
        }
    }
}

static void consistency_refuses_a_flipped_bit_anywhere(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 64; n++) {
        struct slk_tree_head now = head_of(n);

        for (size_t m = 1; m <= n; m++) {
            struct slk_tree_head old = head_of(m);
            struct path p = {.n = 0};

            naive_subproof(&p, m, 0, n, true);
            for (size_t bit = (n + m) % bit_step(n); bit < p.n * 256; bit += bit_step(n)) {
                flip(&p.hashes[bit / 256], bit % 256);
                assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes, p.n), SLK_E_PROOF);
                flip(&p.hashes[bit / 256], bit % 256);
            }
            for (size_t bit = 0; bit < 256; bit += bit_step(n)) {
                flip(&old.root_hash, bit);
                assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes, p.n), SLK_E_PROOF);
                flip(&old.root_hash, bit);
                flip(&now.root_hash, bit);
                assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes, p.n), SLK_E_PROOF);
                flip(&now.root_hash, bit);
            }
        }
    }
}

static void consistency_refuses_an_extra_and_a_missing_hash(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 64; n++) {
        struct slk_tree_head now = head_of(n);

        for (size_t m = 1; m <= n; m++) {
            struct slk_tree_head old = head_of(m);
            struct path p = {.n = 0};

            naive_subproof(&p, m, 0, n, true);
            for (size_t short_n = 0; short_n < p.n; short_n++)
                assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes, short_n), SLK_E_PROOF);
            if (p.n > 0)
                assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes + 1, p.n - 1), SLK_E_PROOF);
            append(&p, old.root_hash);
            assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes, p.n), SLK_E_PROOF);
        }
    }
}

/* Heads made to fit a hash too many: the length alone must give it away. */
static void consistency_refuses_an_extra_hash_even_if_the_roots_fit(void **state)
{
    (void)state;
    for (size_t n = 2; n <= 64; n++) {
        for (size_t m = 1; m < n; m++) {
            struct slk_tree_head now = head_of(n), old = head_of(m);
            struct path p = {.n = 0};

            naive_subproof(&p, m, 0, n, true);
            if (p.n == 0 || (m & (m - 1)) == 0) /* a root that is itself in the proof cannot be bent */
                continue;
            append(&p, leaves[LEAVES_MAX - 1]);
            slk_hash_node(&old.root_hash, &leaves[LEAVES_MAX - 1], &old.root_hash);
            slk_hash_node(&now.root_hash, &leaves[LEAVES_MAX - 1], &now.root_hash);
            assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes, p.n), SLK_E_PROOF);
        }
    }
}

/* The heads keep their roots: no other pair of sizes may be proven by the same hashes, except where the
 * path has the same shape, which the roots of honest trees exclude. */
static void consistency_refuses_other_trees_of_the_same_sizes(void **state)
{
    (void)state;
    for (size_t n = 2; n <= 64; n++) {
        struct slk_tree_head now = head_of(n);

        for (size_t m = 1; m < n; m++) {
            struct path p = {.n = 0};

            naive_subproof(&p, m, 0, n, true);
            for (size_t other = 1; other <= n; other++) {
                struct slk_tree_head old = head_of(other);

                if (other != m)
                    assert_int_equal(slk_tree_check_consistency(&old, &now, p.hashes, p.n), SLK_E_PROOF);
            }
        }
    }
}

static void consistency_refuses_sizes_out_of_order_and_empty_trees(void **state)
{
    struct slk_tree_head empty = head_of(0), three = head_of(3), four = head_of(4);

    (void)state;
    assert_int_equal(slk_tree_check_consistency(&empty, &empty, NULL, 0), SLK_E_RANGE);
    assert_int_equal(slk_tree_check_consistency(&empty, &three, NULL, 0), SLK_E_RANGE);
    assert_int_equal(slk_tree_check_consistency(&four, &three, NULL, 0), SLK_E_RANGE);
    assert_int_equal(slk_tree_check_consistency(&three, &three, NULL, 0), SLK_OK);
    assert_int_equal(slk_tree_check_consistency(&three, &three, leaves, 1), SLK_E_PROOF);
    assert_int_equal(slk_tree_check_consistency(&three, &four, NULL, 0), SLK_E_PROOF);
    four.tree_size = 3;
    assert_int_equal(slk_tree_check_consistency(&three, &four, NULL, 0), SLK_E_PROOF);
}

/* ---- vectors of transparency-dev/merkle ---- */

static bool read_hash(struct slk_hash *out, const char *base64)
{
    size_t n;

    return slk_base64_parse(out->b, sizeof(out->b), &n, base64, strlen(base64)) && n == sizeof(out->b);
}

/* Some consistency cases have the 12 bytes "don't care 1" for a root; padded, they stay what they are. */
static bool read_root(struct slk_hash *out, const char *base64)
{
    size_t n;

    memset(out, 0, sizeof(*out));
    return slk_base64_parse(out->b, sizeof(out->b), &n, base64, strlen(base64)) &&
           (n == sizeof(out->b) || (n == 12 && memcmp(out->b, "don't care ", 11) == 0));
}

/* False when a hash has a wrong length: no caller of ours could pass it. */
static bool read_path(struct path *path, const json_t *array)
{
    path->n = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (path->n == PATH_CAP ||
            !read_hash(&path->hashes[path->n++], json_string_value(json_array_get(array, i))))
            return false;
    }
    return true;
}

static bool inclusion_case_passes(const json_t *c)
{
    struct slk_tree_head head = {.tree_size = vector_number(c, "treeSize")};
    struct slk_hash leaf;
    struct path path;

    return read_hash(&head.root_hash, vector_text(c, "root")) &&
           read_hash(&leaf, vector_text(c, "leafHash")) && read_path(&path, json_object_get(c, "proof")) &&
           slk_tree_check_inclusion(&head, vector_number(c, "leafIdx"), &leaf, path.hashes, path.n) == SLK_OK;
}

static bool consistency_case_passes(const json_t *c)
{
    struct slk_tree_head old = {.tree_size = vector_number(c, "size1")};
    struct slk_tree_head now = {.tree_size = vector_number(c, "size2")};
    struct path path;

    return read_root(&old.root_hash, vector_text(c, "root1")) &&
           read_root(&now.root_hash, vector_text(c, "root2")) &&
           read_path(&path, json_object_get(c, "proof")) &&
           slk_tree_check_consistency(&old, &now, path.hashes, path.n) == SLK_OK;
}

static void run_vectors(const char *name, bool (*passes)(const json_t *c))
{
    json_t *root = load_vectors(name);
    size_t accepted_n = 0;

    if (root == NULL)
        return;
    assert_int_equal(json_array_size(root), 98);
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *c = json_array_get(root, i);
        bool wanted = json_is_false(json_object_get(c, "wantErr"));

        if (passes(c) != wanted)
            fail_msg("%s: %s", vector_text(c, "case"), wanted ? "refused" : "accepted");
        accepted_n += wanted;
    }
    assert_int_equal(accepted_n, 6);
    json_decref(root);
}

static void inclusion_vectors(void **state)
{
    (void)state;
    run_vectors("rfc6962/inclusion.json", inclusion_case_passes);
}

static void consistency_vectors(void **state)
{
    (void)state;
    run_vectors("rfc6962/consistency.json", consistency_case_passes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion_accepts_every_leaf_of_every_small_tree),
        cmocka_unit_test(inclusion_refuses_a_flipped_bit_anywhere),
        cmocka_unit_test(inclusion_refuses_an_extra_a_missing_and_a_swapped_hash),
        cmocka_unit_test(inclusion_refuses_every_other_index_of_the_tree),
        cmocka_unit_test(inclusion_agrees_with_the_definition_for_any_index_and_size),
        cmocka_unit_test(inclusion_works_in_trees_up_to_the_largest),
        cmocka_unit_test(consistency_accepts_every_pair_of_small_trees),
        cmocka_unit_test(consistency_refuses_a_flipped_bit_anywhere),
        cmocka_unit_test(consistency_refuses_an_extra_and_a_missing_hash),
        cmocka_unit_test(consistency_refuses_an_extra_hash_even_if_the_roots_fit),
        cmocka_unit_test(consistency_refuses_other_trees_of_the_same_sizes),
        cmocka_unit_test(consistency_refuses_sizes_out_of_order_and_empty_trees),
        cmocka_unit_test(inclusion_vectors),
        cmocka_unit_test(consistency_vectors),
    };

    return cmocka_run_group_tests(tests, make_leaves, NULL);
}
