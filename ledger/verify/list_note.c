/* list_note.c: see list_note.h. */
#include "ledger/verify/list_note.h"

#include <assert.h>
#include <string.h>

#define PROOF_HEADER "sillok/status-list-proof/1"
#define HASH_DIGITS  44 /* base64 of a SHA-256 value */

static const char *const form_names[SLK_LIST_FORMS_N] = {"token", "revocation", "suspension"};

/* ---- words of a line ---- */

static bool take_word(struct slk_span *line, const char *word)
{
    size_t size = strlen(word);

    if (line->size < size || memcmp(line->at, word, size) != 0)
        return false;
    *line = slk_span_of(line->at + size, line->size - size);
    return true;
}

static bool take_number(struct slk_span *line, uint64_t max, uint64_t *out)
{
    struct slk_span digits;

    return slk_span_take(&digits, line, ' ') &&
           slk_decimal_parse(out, max, (const char *)digits.at, digits.size);
}

static bool read_number(struct slk_span digits, uint64_t *out)
{
    return slk_decimal_parse(out, UINT64_MAX, (const char *)digits.at, digits.size);
}

static bool read_hash(struct slk_span digits, struct slk_hash *out)
{
    size_t size;

    return slk_base64_parse(out->b, SLK_HASH_SIZE, &size, (const char *)digits.at, digits.size) &&
           size == SLK_HASH_SIZE;
}

static void write_text(struct slk_writer *w, const char *text)
{
    slk_write_bytes(w, text, strlen(text));
}

static void write_number(struct slk_writer *w, uint64_t value)
{
    char digits[SLK_DECIMAL_MAX];

    slk_write_bytes(w, digits, slk_decimal_format(digits, value));
}

static void write_hash(struct slk_writer *w, const struct slk_hash *hash)
{
    char digits[HASH_DIGITS];

    static_assert(HASH_DIGITS == (SLK_HASH_SIZE + 2) / 3 * 4, "a hash in base64");
    slk_base64_format(digits, hash->b, SLK_HASH_SIZE);
    slk_write_bytes(w, digits, sizeof(digits));
}

/* ---- the statement ---- */

/* As C2SP has it of an origin in a note: no control characters; the suffix is not part of it. */
static bool take_origin(struct slk_span *rest, struct slk_span *origin)
{
    size_t suffix = sizeof(SLK_LISTS_SUFFIX) - 1;
    struct slk_span line;

    if (!slk_span_take(&line, rest, '\n') || line.size <= suffix || line.size > SLK_NAME_MAX + suffix ||
        memcmp(line.at + line.size - suffix, SLK_LISTS_SUFFIX, suffix) != 0)
        return false;
    for (size_t i = 0; i < line.size; i++)
        if (line.at[i] < 0x20)
            return false;
    *origin = slk_span_of(line.at, line.size - suffix);
    return true;
}

static bool read_statement(struct slk_lists_statement *out, struct slk_span rest)
{
    struct slk_span line;

    return take_origin(&rest, &out->origin) && slk_span_take(&line, &rest, '\n') &&
           take_word(&line, "size ") && read_number(line, &out->size) && slk_span_take(&line, &rest, '\n') &&
           take_word(&line, "root ") && read_hash(line, &out->root) && slk_span_take(&line, &rest, '\n') &&
           take_word(&line, "time ") && read_number(line, &out->time_s) &&
           slk_span_take(&line, &rest, '\n') && take_word(&line, "lists ") &&
           take_number(&line, UINT64_MAX, &out->lists.tree_size) && read_hash(line, &out->lists.root_hash) &&
           rest.size == 0;
}

enum slk_err slk_lists_statement_parse(struct slk_lists_statement *out, struct slk_span text)
{
    char again[SLK_LISTS_TEXT_MAX];

    memset(out, 0, sizeof(*out));
    if (!read_statement(out, text) ||
        !slk_span_equal(slk_span_of(again, slk_lists_statement_format(again, out)), text)) {
        memset(out, 0, sizeof(*out));
        return SLK_E_MALFORMED;
    }
    return SLK_OK;
}

size_t slk_lists_statement_format(char out[SLK_LISTS_TEXT_MAX], const struct slk_lists_statement *statement)
{
    struct slk_writer w = {.at = (uint8_t *)out, .cap = SLK_LISTS_TEXT_MAX};

    assert(statement->origin.size > 0 && statement->origin.size <= SLK_NAME_MAX);
    slk_write_bytes(&w, statement->origin.at, statement->origin.size);
    write_text(&w, SLK_LISTS_SUFFIX "\nsize ");
    write_number(&w, statement->size);
    write_text(&w, "\nroot ");
    write_hash(&w, &statement->root);
    write_text(&w, "\ntime ");
    write_number(&w, statement->time_s);
    write_text(&w, "\nlists ");
    write_number(&w, statement->lists.tree_size);
    slk_write_u8(&w, ' ');
    write_hash(&w, &statement->lists.root_hash);
    slk_write_u8(&w, '\n');
    assert(!w.bad);
    return w.size;
}

/* ---- one list ---- */

const char *slk_list_form_name(uint32_t form)
{
    return form >= 1 && form <= SLK_LIST_FORMS_N ? form_names[form - 1] : NULL;
}

static void write_leaf(struct slk_writer *w, const struct slk_list_leaf *leaf)
{
    const char *form = slk_list_form_name(leaf->form);

    assert(form != NULL);
    write_number(w, leaf->type);
    slk_write_u8(w, ' ');
    write_number(w, leaf->n);
    slk_write_u8(w, ' ');
    write_text(w, form);
    slk_write_u8(w, ' ');
    write_hash(w, &leaf->hash);
    slk_write_u8(w, '\n');
}

size_t slk_list_leaf_format(char out[SLK_LIST_LINE_MAX], const struct slk_list_leaf *leaf)
{
    struct slk_writer w = {.at = (uint8_t *)out, .cap = SLK_LIST_LINE_MAX};

    write_leaf(&w, leaf);
    assert(!w.bad);
    return w.size;
}

void slk_list_leaf_hash(struct slk_hash *out, const struct slk_list_leaf *leaf)
{
    char line[SLK_LIST_LINE_MAX];

    slk_hash_leaf(out, line, slk_list_leaf_format(line, leaf));
}

static bool read_leaf(struct slk_list_leaf *out, struct slk_span line)
{
    struct slk_span form;
    uint64_t type, n;

    if (!take_number(&line, UINT32_MAX, &type) || !take_number(&line, UINT32_MAX, &n) ||
        !slk_span_take(&form, &line, ' '))
        return false;
    out->type = (uint32_t)type;
    out->n = (uint32_t)n;
    for (uint32_t i = 1; i <= SLK_LIST_FORMS_N; i++)
        if (slk_span_equal(form, slk_span_of(form_names[i - 1], strlen(form_names[i - 1]))))
            out->form = i;
    return out->form != 0 && read_hash(line, &out->hash);
}

/* ---- its proof ---- */

/* Hashes up to an empty line. */
static bool read_path(struct slk_list_proof *out, struct slk_span *rest)
{
    struct slk_span line;

    for (;;) {
        if (!slk_span_take(&line, rest, '\n'))
            return false;
        if (line.size == 0)
            return true;
        if (out->path_n == SLK_PATH_MAX || !read_hash(line, &out->path[out->path_n]))
            return false;
        out->path_n++;
    }
}

static bool read_proof(struct slk_list_proof *out, struct slk_span text)
{
    struct slk_span line;

    if (!take_word(&text, PROOF_HEADER "\n") || !slk_span_take(&line, &text, '\n') ||
        !read_leaf(&out->leaf, line) || !slk_span_take(&line, &text, '\n') || !take_word(&line, "index ") ||
        !read_number(line, &out->index) || !read_path(out, &text))
        return false;
    out->note = text;
    return text.size > 0 && text.size <= SLK_NOTE_MAX;
}

enum slk_err slk_list_proof_parse(struct slk_list_proof *out, struct slk_span text)
{
    memset(out, 0, sizeof(*out));
    if (read_proof(out, text)) /* every part has one spelling: numbers, words and base64 are canonical */
        return SLK_OK;
    memset(out, 0, sizeof(*out));
    return SLK_E_MALFORMED;
}

void slk_list_proof_write(struct slk_writer *w, const struct slk_list_proof *proof)
{
    assert(proof->path_n <= SLK_PATH_MAX);
    write_text(w, PROOF_HEADER "\n");
    write_leaf(w, &proof->leaf);
    write_text(w, "index ");
    write_number(w, proof->index);
    slk_write_u8(w, '\n');
    for (size_t i = 0; i < proof->path_n; i++) {
        write_hash(w, &proof->path[i]);
        slk_write_u8(w, '\n');
    }
    slk_write_u8(w, '\n');
    slk_write_bytes(w, proof->note.at, proof->note.size);
}

/* ---- checking ---- */

enum slk_err slk_lists_note_check(struct slk_lists_verdict *out, struct slk_span note_bytes,
    const struct slk_policy *policy, const struct slk_verify_options *options)
{
    struct slk_note note;
    enum slk_err err = slk_note_parse(&note, (const char *)note_bytes.at, note_bytes.size);

    memset(out, 0, sizeof(*out));
    if (err == SLK_OK)
        err = slk_lists_statement_parse(&out->statement, note.text);
    if (err == SLK_OK)
        err = slk_policy_check_statement(&out->quorum, policy, &note, out->statement.origin, options);
    return err;
}

enum slk_err slk_list_proof_check(struct slk_lists_verdict *out, const struct slk_list_proof *proof,
    const struct slk_policy *policy, const struct slk_verify_options *options)
{
    enum slk_err err = slk_lists_note_check(out, proof->note, policy, options);
    struct slk_hash leaf;

    if (err != SLK_OK)
        return err;
    slk_list_leaf_hash(&leaf, &proof->leaf);
    return slk_tree_check_inclusion(&out->statement.lists, proof->index, &leaf, proof->path, proof->path_n);
}
