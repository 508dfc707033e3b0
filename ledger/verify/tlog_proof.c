/* tlog_proof.c: see tlog_proof.h; and slk_verify_entry (sillok.h): three arrows from a policy to an entry. Source: C2SP tlog-proof,
 * tlog-checkpoint.
 *
 *   policy -> signatures on the checkpoint -> root -> inclusion path -> the entry's bytes
 */
#include "ledger/verify/tlog_proof.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ledger/verify/policy.h"

#define EXTRA_WORD   "extra "
#define INDEX_WORD   "index "
#define HASH_DIGITS  44 /* base64 of 32 bytes */
#define CHUNK_DIGITS 64
#define PROOF_MAX    (4u << 20)

/* ---- the text ---- */

/* Canonical base64 of any length, piece by piece: padding is for the last one. */
static bool is_base64(struct slk_span text)
{
    uint8_t bytes[CHUNK_DIGITS / 4 * 3];
    size_t n;

    while (text.size > CHUNK_DIGITS) {
        if (!slk_base64_parse(bytes, sizeof(bytes), &n, (const char *)text.at, CHUNK_DIGITS) ||
            n != sizeof(bytes))
            return false;
        text = slk_span_of(text.at + CHUNK_DIGITS, text.size - CHUNK_DIGITS);
    }
    return slk_base64_parse(bytes, sizeof(bytes), &n, (const char *)text.at, text.size);
}

static bool starts_with(struct slk_span text, const char *word)
{
    return text.size >= strlen(word) && memcmp(text.at, word, strlen(word)) == 0;
}

/* Takes a line that starts with `word`; *value is what follows it, and is not empty. */
static bool take_value(struct slk_span *value, struct slk_span *rest, const char *word)
{
    struct slk_span line;

    if (!slk_span_take(&line, rest, '\n') || !starts_with(line, word) || line.size == strlen(word))
        return false;
    *value = slk_span_of(line.at + strlen(word), line.size - strlen(word));
    return true;
}

/* Path lines up to the empty line. */
static bool take_path(struct slk_tlog_proof *out, struct slk_span *rest)
{
    struct slk_span line;
    size_t n;

    while (slk_span_take(&line, rest, '\n')) {
        if (line.size == 0)
            return true;
        if (line.size != HASH_DIGITS || out->path_n == SLK_PATH_MAX ||
            !slk_base64_parse(
                out->path[out->path_n].b, SLK_HASH_SIZE, &n, (const char *)line.at, line.size) ||
            n != SLK_HASH_SIZE)
            return false;
        out->path_n++;
    }
    return false;
}

static bool read_text(struct slk_tlog_proof *out, struct slk_span rest)
{
    struct slk_span header, index_text;

    if (!starts_with(rest, SLK_TLOG_PROOF_HEADER) || !slk_span_take(&header, &rest, '\n'))
        return false;
    out->has_extra = starts_with(rest, EXTRA_WORD);
    if (out->has_extra && (!take_value(&out->extra, &rest, EXTRA_WORD) || !is_base64(out->extra)))
        return false;
    if (!take_value(&index_text, &rest, INDEX_WORD) ||
        !slk_decimal_parse(&out->index, UINT64_MAX, (const char *)index_text.at, index_text.size) ||
        !take_path(out, &rest))
        return false;
    out->note = rest;
    return rest.size > 0;
}

enum slk_err slk_tlog_proof_parse(struct slk_tlog_proof *out, struct slk_span text)
{
    memset(out, 0, sizeof(*out));
    if (read_text(out, text))
        return SLK_OK;
    memset(out, 0, sizeof(*out)); /* no note: nothing to believe */
    return SLK_E_MALFORMED;
}

size_t slk_tlog_proof_format(uint8_t *out, size_t cap, const struct slk_tlog_proof *proof)
{
    struct slk_writer w = {.at = out, .cap = cap};
    char digits[HASH_DIGITS];

    static_assert(HASH_DIGITS >= SLK_DECIMAL_MAX, "both fit");
    slk_write_bytes(&w, SLK_TLOG_PROOF_HEADER, strlen(SLK_TLOG_PROOF_HEADER));
    if (proof->has_extra) {
        slk_write_bytes(&w, EXTRA_WORD, strlen(EXTRA_WORD));
        slk_write_bytes(&w, proof->extra.at, proof->extra.size);
        slk_write_u8(&w, '\n');
    }
    slk_write_bytes(&w, INDEX_WORD, strlen(INDEX_WORD));
    slk_write_bytes(&w, digits, slk_decimal_format(digits, proof->index));
    slk_write_u8(&w, '\n');
    for (size_t i = 0; i < proof->path_n; i++) {
        slk_base64_format(digits, proof->path[i].b, SLK_HASH_SIZE);
        slk_write_bytes(&w, digits, HASH_DIGITS);
        slk_write_u8(&w, '\n');
    }
    slk_write_u8(&w, '\n');
    slk_write_bytes(&w, proof->note.at, proof->note.size);
    return w.bad ? 0 : w.size;
}

/* ---- the checkpoint ---- */

enum slk_err slk_checkpoint_parse_any(struct slk_checkpoint *out, struct slk_span text)
{
    struct slk_span rest = text, line;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < 3; i++)
        if (!slk_span_take(&line, &rest, '\n'))
            return SLK_E_CHECKPOINT;
    text = slk_span_of(text.at, text.size - rest.size);
    while (rest.size > 0)
        if (!slk_span_take(&line, &rest, '\n') || line.size == 0)
            return SLK_E_CHECKPOINT;
    return slk_checkpoint_parse(out, text);
}

/* ---- an entry ---- */

struct job {
    struct slk_entry_answer *out;
    const struct slk_policy *policy;
    const struct slk_verify_options *options;
    struct slk_note note;
    struct slk_checkpoint checkpoint;
    struct slk_tlog_proof proof;
    struct slk_policy_verdict verdict;
};

static enum slk_err refuse(struct job *job, enum slk_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum slk_err refuse(struct job *job, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(job->out->detail, sizeof(job->out->detail), format, args);
    va_end(args);
    return err;
}

static enum slk_err parse(struct job *job, struct slk_span text)
{
    enum slk_err err;

    if (text.size > PROOF_MAX)
        return SLK_E_TOO_LARGE;
    if (!starts_with(text, SLK_TLOG_PROOF_HEADER))
        return refuse(job, SLK_E_MALFORMED, "it does not begin with the line c2sp.org/tlog-proof@v1");
    err = slk_tlog_proof_parse(&job->proof, text);
    if (err == SLK_OK)
        err = slk_note_parse(&job->note, (const char *)job->proof.note.at, job->proof.note.size);
    if (err == SLK_OK)
        err = slk_checkpoint_parse_any(&job->checkpoint, job->note.text);
    return err;
}

static enum slk_err check_signatures(struct job *job)
{
    struct slk_span origin = job->checkpoint.origin;
    enum slk_err err =
        slk_policy_check(&job->verdict, job->policy, &job->note, &job->checkpoint, job->options);

    if (err == SLK_E_NO_LOG && slk_name_is_valid((const char *)origin.at, origin.size))
        return refuse(
            job, err, "the proof is of the log \"%.*s\"", (int)origin.size, (const char *)origin.at);
    return err;
}

static enum slk_err check_entry(struct job *job, struct slk_span entry)
{
    const struct slk_tree_head *head = &job->checkpoint.head;
    struct slk_hash leaf;

    if (job->proof.index >= head->tree_size)
        return refuse(job, SLK_E_RANGE, "it is of entry %llu of a log that has %llu",
            (unsigned long long)job->proof.index, (unsigned long long)head->tree_size);
    slk_hash_leaf(&leaf, entry.at, entry.size);
    if (slk_tree_check_inclusion(head, job->proof.index, &leaf, job->proof.path, job->proof.path_n) != SLK_OK)
        return refuse(job, SLK_E_PROOF, "these bytes are not entry %llu of the log",
            (unsigned long long)job->proof.index);
    return SLK_OK;
}

static enum slk_err check_age(struct job *job)
{
    const struct slk_verify_options *options = job->options;
    uint64_t time_s = job->verdict.quorum_time_s;

    job->out->age_s = time_s < options->now_s ? options->now_s - time_s : 0;
    if (!job->verdict.has_quorum) {
        job->out->age_s = 0;
        if (options->max_age_s != 0)
            return refuse(job, SLK_E_TOO_OLD, "without a quorum nobody says how old it is");
    } else if (options->max_age_s != 0 && job->out->age_s > options->max_age_s) {
        return refuse(job, SLK_E_TOO_OLD, "it is %llu s old, at most %llu s are allowed",
            (unsigned long long)job->out->age_s, (unsigned long long)options->max_age_s);
    }
    return SLK_OK;
}

static void fill_answer(const struct job *job)
{
    struct slk_entry_answer *out = job->out;

    static_assert(sizeof(out->origin) == SLK_NAME_MAX + 1, "sillok.h");
    out->index = job->proof.index;
    out->tree_size = job->checkpoint.head.tree_size;
    out->has_quorum = job->verdict.has_quorum;
    out->quorum_time_s = job->verdict.quorum_time_s;
    out->cosignatures_n = job->verdict.cosignatures_n;
    out->has_extra = job->proof.has_extra;
    memcpy(out->origin, job->checkpoint.origin.at, job->checkpoint.origin.size);
}

enum slk_err slk_verify_entry(struct slk_entry_answer *out, struct slk_span proof, struct slk_span entry,
    const struct slk_policy *policy, const struct slk_verify_options *options)
{
    struct job job = {.out = out, .policy = policy, .options = options};
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    err = parse(&job, proof);
    if (err == SLK_OK)
        err = check_signatures(&job);
    if (err == SLK_OK)
        err = check_entry(&job, entry);
    if (err == SLK_OK)
        err = check_age(&job);
    if (err == SLK_OK)
        fill_answer(&job);
    else
        out->age_s = 0;
    out->why = err;
    return err;
}
