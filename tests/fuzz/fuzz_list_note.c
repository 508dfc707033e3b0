/* fuzz_list_note.c: what a quorum says of status lists: its text, and the proof of one list. What parses prints back, and no text is a
 * checkpoint, too. */
#include "ledger/verify/list_note.h"
#include "tests/fuzz/fuzz.h"

static void check_statement(struct slk_span bytes)
{
    char printed[SLK_LISTS_TEXT_MAX];
    struct slk_lists_statement statement;
    struct slk_checkpoint checkpoint;

    memset(&statement, 0xa5, sizeof(statement));
    if (slk_lists_statement_parse(&statement, bytes) == SLK_OK) {
        FUZZ_CHECK(statement.origin.size > 0 && statement.origin.size <= SLK_NAME_MAX);
        FUZZ_CHECK(slk_lists_statement_format(printed, &statement) == bytes.size);
        FUZZ_CHECK(memcmp(printed, bytes.at, bytes.size) == 0);
        FUZZ_CHECK(slk_checkpoint_parse(&checkpoint, bytes) != SLK_OK);
    } else {
        FUZZ_CHECK(statement.origin.size == 0 && statement.size == 0 && statement.lists.tree_size == 0);
    }
}

static void check_proof(struct slk_span bytes)
{
    struct slk_writer w = {.cap = bytes.size};
    struct slk_list_proof proof;
    struct slk_tree_head head = {.tree_size = 1000};
    struct slk_hash leaf;

    memset(&proof, 0xa5, sizeof(proof));
    if (slk_list_proof_parse(&proof, bytes) != SLK_OK) {
        FUZZ_CHECK(proof.note.size == 0 && proof.leaf.form == 0 && proof.path_n == 0);
        return;
    }
    FUZZ_CHECK(slk_list_form_name(proof.leaf.form) != NULL && proof.path_n <= SLK_PATH_MAX);
    w.at = malloc(w.cap + 1);
    if (w.at == NULL)
        return;
    slk_list_proof_write(&w, &proof);
    FUZZ_CHECK(!w.bad && w.size == bytes.size && memcmp(w.at, bytes.at, w.size) == 0);
    free(w.at);
    slk_list_leaf_hash(&leaf, &proof.leaf);
    (void)!slk_tree_check_inclusion(&head, proof.index, &leaf, proof.path, proof.path_n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);

    check_statement(slk_span_of(exact, size));
    check_proof(slk_span_of(exact, size));
    free(exact);
    return 0;
}
