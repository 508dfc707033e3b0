/* sillok_verify.c: checks status proofs offline: a trust policy, a handle, a proof file, nothing else.
 *
 * Exit: 0  every proof is good and its credential is ACTIVE (with --at: was ACTIVE then)
 *       1  every proof is good, and some answer is no: LOCKED, REVOKED, EXPIRED or NEVER ISSUED
 *       2  could not tell: a proof was refused, the policy or the command line is wrong, a file cannot be read
 *
 * Reads no environment variable, no locale, no time zone and no network; times are UTC. Uses only what sillok.h offers
 * to everyone, plus hex and time formatting, and links libcrypto alone.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/text.h"

#define PROOF_MAX   (4u << 20) /* sillok.h: slk_verify_status */
#define POLICY_MAX  (1u << 20) /* sillok.h: slk_policy_new */
#define HANDLE_MAX  4096
#define ENTRY_MAX   (16u << 20)
#define LABEL_WIDTH 15

enum verdict { YES = 0, NO = 1, UNSURE = 2 };

struct request {
    const char *policy_file;
    const char *handle_hex;
    const char *handle_file;
    const char *entry_file; /* proofs are of these bytes, not of a credential */
    uint8_t *entry;
    size_t entry_size;
    bool qr; /* proofs are texts of QR codes, and bring their handle */
    bool json, history, has_at, has_now;
    uint64_t at_s;
    struct slk_verify_options options;
    struct slk_policy *policy;
    uint8_t handle[SLK_HANDLE_SIZE];
};

static const char help[] =
    "Usage: sillok-verify --policy FILE (--handle HEX | --handle-file FILE) [OPTION]... PROOF...\n"
    "       sillok-verify --policy FILE --qr [OPTION]... TEXT...\n"
    "       sillok-verify --policy FILE --entry-file FILE [OPTION]... PROOF...\n"
    "\n"
    "Checks status proofs offline and says what they prove about one credential.\n"
    "PROOF is a .tlog-proof text or its binary form; - is standard input.\n"
    "\n"
    "  --policy FILE       whose signatures to trust (C2SP tlog-policy; `sillok policy` prints one)\n"
    "  --handle HEX        the credential's handle, 64 hexadecimal digits; shows in process lists\n"
    "  --handle-file FILE  read the handle from the first line of FILE; - is standard input\n"
    "  --qr                TEXT is what a scanner read from a QR code (zbarimg --raw -q IMAGE), handle and "
    "all:\n"
    "                      compare the handle shown with the card's, or give the card's with --handle\n"
    "  --entry-file FILE   PROOF is a C2SP tlog-proof of any log: does the log hold the bytes of FILE? (RFC "
    "6962 leaf;\n"
    "                      `sillok prove --entry` makes such a proof of an entry of a ledger)\n"
    "  --max-age AGE       refuse proofs that no quorum vouched for within AGE: seconds, or 15m, 24h, 7d\n"
    "  --now TIME          the time to judge by, instead of this machine's clock\n"
    "  --at TIME           answer for a time in the past (needs a proof with history)\n"
    "  --history           show every event of the credential\n"
    "  --allow-no-quorum   accept a policy that says `quorum none`: the log's word alone\n"
    "  --json              one JSON object a proof, one line each\n"
    "  --help, --version\n"
    "\n"
    "TIME is Unix seconds or UTC like 2026-07-01 or 2026-07-01T09:00:00Z.\n"
    "\n"
    "Exit: 0 yes: the proof is good and the credential ACTIVE; 1 no: the proof is good and the credential "
    "LOCKED,\n"
    "REVOKED, EXPIRED or NEVER ISSUED; 2 could not tell: the proof was refused, or a file or option is "
    "wrong.\n"
    "With several proofs the highest number counts.\n";

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *format, ...)
{
    va_list args;

    fputs("sillok-verify: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return UNSURE;
}

/* ---- files ---- */

/* Reads a whole file of at most `max` bytes, "-" is standard input. NULL after a message. */
static uint8_t *read_file(const char *path, size_t max, size_t *size)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    uint8_t *bytes = file == NULL ? NULL : malloc(max + 1);

    *size = 0;
    if (file == NULL) {
        fail("%s: cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    if (bytes != NULL)
        *size = fread(bytes, 1, max + 1, file);
    if (bytes == NULL || ferror(file) != 0 || *size > max) {
        if (bytes == NULL)
            fail("%s: out of memory", path);
        else if (ferror(file) != 0)
            fail("%s: cannot be read: %s", path, strerror(errno));
        else
            fail("%s: larger than %zu bytes: this is not what it should be", path, max);
        free(bytes);
        bytes = NULL;
    }
    if (!standard)
        fclose(file);
    return bytes;
}

static int load_policy(struct request *request)
{
    struct slk_fault fault = {0};
    size_t size;
    uint8_t *text = read_file(request->policy_file, POLICY_MAX, &size);

    if (text == NULL)
        return UNSURE;
    enum slk_err err = slk_policy_new(&request->policy, (const char *)text, size, &fault);
    free(text);
    if (err == SLK_OK)
        return YES;
    if (fault.line > 0)
        return fail("%s:%zu: %s: %s", request->policy_file, fault.line, slk_err_text(err), fault.text);
    return fail(
        "%s: %s%s%s", request->policy_file, slk_err_text(err), fault.text[0] != '\0' ? ": " : "", fault.text);
}

static int load_handle(struct request *request)
{
    uint8_t *text;
    size_t size = 0, line = 0;
    bool good;

    if (request->handle_hex != NULL) {
        if (text_hash_parse(request->handle, request->handle_hex, strlen(request->handle_hex)))
            return YES;
        return fail(
            "--handle: expected 64 hexadecimal digits, not %zu characters", strlen(request->handle_hex));
    }
    text = read_file(request->handle_file, HANDLE_MAX, &size);
    if (text == NULL)
        return UNSURE;
    while (line < size && text[line] != '\n' && text[line] != '\r' && text[line] != ' ')
        line++;
    good = text_hash_parse(request->handle, (const char *)text, line);
    free(text);
    return good ? YES : fail("%s: the first line must hold 64 hexadecimal digits", request->handle_file);
}

/* ---- words ---- */

/* "2026-07-01 09:00:00 UTC" */
static const char *clock_words(char out[TEXT_TIME_SIZE], uint64_t unix_s)
{
    text_time(out, unix_s);
    size_t n = strlen(out);
    if (out[n - 1] == 'Z') {
        out[strcspn(out, "T")] = ' ';
        (void)snprintf(out + n - 1, TEXT_TIME_SIZE - n + 1, " UTC");
    }
    return out;
}

/* "12 minutes", "1 day": the largest unit of which there are at least two, or one exactly. */
static const char *duration_words(char out[TEXT_HUMAN_SIZE], uint64_t s)
{
    static const struct {
        uint64_t s;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    char count[TEXT_HUMAN_SIZE];
    size_t i = 0;

    while (i < 3 && s != units[i].s && s < 2 * units[i].s)
        i++;
    uint64_t n = s / units[i].s;
    (void)snprintf(
        out, TEXT_HUMAN_SIZE, "%.20s %s%s", text_count(count, n), units[i].name, n == 1 ? "" : "s");
    return out;
}

static const char *state_words(enum slk_state state)
{
    switch (state) {
    case SLK_ACTIVE:
        return "ACTIVE: the credential is in force";
    case SLK_LOCKED:
        return "LOCKED: do not accept it, it is suspended";
    case SLK_REVOKED:
        return "REVOKED: do not accept it, it has ended for good";
    case SLK_EXPIRED:
        return "EXPIRED: do not accept it, its time is over";
    case SLK_NEVER_ISSUED:
        return "NEVER ISSUED: the ledger holds no such credential";
    }
    return "?";
}

static const char *carrier_words(enum slk_carrier carrier)
{
    return carrier == SLK_PHONE ? "phone" : carrier == SLK_CHIP_CARD ? "chip card" : "?";
}

/* What the reader of a refusal can do about it. */
static const char *advice(enum slk_err err)
{
    static const char altered[] =
        "Do not accept it. Ask the agency for a proof, and keep this file as evidence.";
    static const char unreadable[] =
        "Ask for the file again, sent unchanged: attached, not pasted into a message.";
    static const struct {
        enum slk_err err;
        const char *text;
    } table[] = {
        {SLK_E_MALFORMED, unreadable},
        {SLK_E_NOT_CANONICAL, unreadable},
        {SLK_E_TOO_LARGE, unreadable},
        {SLK_E_NOTE, unreadable},
        {SLK_E_CHECKPOINT, unreadable},
        {SLK_E_PROOF, altered},
        {SLK_E_SIGNATURE, altered},
        {SLK_E_SEAL, altered},
        {SLK_E_RECORD, altered},
        {SLK_E_HISTORY, altered},
        {SLK_E_RULE, altered},
        {SLK_E_HANDLE, altered},
        {SLK_E_MAP_PROOF,
            "Check that the handle is the one this proof was made for; if it is, do not accept the proof."},
        {SLK_E_RANGE, altered},
        {SLK_E_NO_LOG, "Check that the policy file is of the same ledger as the proof."},
        {SLK_E_QUORUM, "Ask for a newer proof; its checkpoint should carry more cosignatures."},
        {SLK_E_NO_QUORUM, "Use a policy with a quorum, or --allow-no-quorum to take the log's word alone."},
        {SLK_E_FUTURE, "Set this machine's clock, or give the time with --now."},
        {SLK_E_TOO_OLD, "Raise --max-age only if your own rules allow it."},
        {SLK_E_NO_HISTORY, "`sillok prove` includes it unless told otherwise."},
        {SLK_E_TIME, "Ask for a proof made after that time."},
        {SLK_E_NOMEM, "Close other programs and try again."},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].err == err)
            return table[i].text;
    return "Ask the agency that sent it.";
}

/* ---- output for people ---- */

static void line(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(const char *label, const char *format, ...)
{
    va_list args;

    printf("  %-*s ", LABEL_WIDTH, label);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void print_credential(const struct request *request, const struct slk_answer *a)
{
    char time_text[TEXT_TIME_SIZE], words[TEXT_HUMAN_SIZE], hex[TEXT_HEX_SIZE], count[TEXT_HUMAN_SIZE];
    uint64_t now_s = request->options.now_s;
    bool over = a->valid_until_s <= now_s;

    duration_words(words, over ? now_s - a->valid_until_s : a->valid_until_s - now_s);
    line("valid until", "%s (%s%s%s)", clock_words(time_text, a->valid_until_s), over ? "" : "in ", words,
        over ? " ago" : "");
    line("last change", "%s", clock_words(time_text, a->since_ms / 1000));
    if (a->reason != 0)
        line("reason code", "%" PRIu32, a->reason);
    line("credential", "type %" PRIu32 " on a %s, agency %u", a->type, carrier_words(a->carrier),
        (unsigned)a->owner_agency);
    line("device", "%s", text_hex(hex, a->device, SLK_HASH_SIZE));
    line("events", "%s, %s", text_count(count, a->events_n),
        a->has_history ? "all in the proof, replayed and complete" : "not in the proof");
}

static void print_history(const struct slk_answer *a)
{
    struct slk_history_cursor cursor = {0};
    struct slk_history_item item;
    char time_text[TEXT_TIME_SIZE], until[TEXT_TIME_SIZE], hex[TEXT_HEX_SIZE];

    if (!a->has_history) {
        if (a->present)
            line("history", "not in the proof: ask for one with history");
        return;
    }
    printf("  history\n");
    while (slk_answer_next(a, &cursor, &item)) {
        printf("  %5" PRIu64 "  %s  %-6s -> %-7s  %-14s", item.sequence,
            clock_words(time_text, item.recorded_at_ms / 1000), slk_kind_name(item.kind),
            slk_state_name(item.state), slk_channel_name(item.channel));
        if (item.carrier != 0)
            printf("  %s %.8s..", carrier_words(item.carrier), text_hex(hex, item.device, SLK_HASH_SIZE));
        if (item.kind == SLK_ISSUE || item.kind == SLK_RENEW)
            printf("  until %.10s", clock_words(until, item.valid_until_s));
        if (item.reason != 0)
            printf("  reason %" PRIu32, item.reason);
        putchar('\n');
    }
}

static void print_evidence(const struct slk_answer *a)
{
    char time_text[TEXT_TIME_SIZE], words[TEXT_HUMAN_SIZE], height[TEXT_HUMAN_SIZE], size[TEXT_HUMAN_SIZE];

    line("block", "%s of %s, %s log entries", text_count(height, a->block_height),
        clock_words(time_text, a->block_time_ms / 1000), text_count(size, a->tree_size));
    if (a->quorum_time_s != 0)
        line("cosigned", "by %" PRIu32 " of the policy's witnesses, the quorum by %s", a->cosignatures_n,
            clock_words(time_text, a->quorum_time_s));
    else
        line("cosigned", "by %" PRIu32 " of the policy's witnesses, which asks for no quorum",
            a->cosignatures_n);
    line("age of proof", "%s", duration_words(words, a->age_s));
}

static void print_answer(
    const struct request *request, const char *name, const struct slk_answer *a, enum slk_state then)
{
    char time_text[TEXT_TIME_SIZE];

    if (request->has_at)
        printf("%s: %s at %s\n", name, then == SLK_NEVER_ISSUED ? "NOT YET ISSUED" : slk_state_name(then),
            clock_words(time_text, request->at_s));
    if (request->has_at)
        line("now", "%s", state_words(a->state));
    else
        printf("%s: %s\n", name, state_words(a->state));
    if (a->present)
        print_credential(request, a);
    print_evidence(a);
    if (request->history)
        print_history(a);
}

/* ---- output for programs ---- */

/* The size of the UTF-8 sequence at s, 0 when there is none (RFC 3629 §4). */
static size_t utf8_size(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] < 0xf5                 ? 4
                                             : 0;

    if (s[0] >= 0x80 && s[0] < 0xc2)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void json_string(const char *text)
{
    putchar('"');
    while (*text != '\0') {
        size_t n = utf8_size(text);
        if (n == 0)
            putchar('?');
        else if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if (n == 1 && ((unsigned char)*text < 0x20 || *text == 0x7f))
            printf("\\u%04x", (unsigned)(unsigned char)*text);
        else
            fwrite(text, 1, n, stdout);
        text += n == 0 ? 1 : n;
    }
    putchar('"');
}

static void json_history(const struct slk_answer *a)
{
    struct slk_history_cursor cursor = {0};
    struct slk_history_item item;
    char device[TEXT_HEX_SIZE], id[TEXT_HEX_SIZE];
    const char *comma = "";

    printf(",\"history\":[");
    while (slk_answer_next(a, &cursor, &item)) {
        printf("%s{\"sequence\":%" PRIu64 ",\"kind\":\"%s\",\"state\":\"%s\",\"recorded_at_ms\":%" PRIu64
               ",\"occurred_at\":%" PRIu64 ",\"channel\":\"%s\"",
            comma, item.sequence, slk_kind_name(item.kind), slk_state_name(item.state), item.recorded_at_ms,
            item.occurred_at_s, slk_channel_name(item.channel));
        if (item.carrier != 0)
            printf(",\"carrier\":\"%s\"", slk_carrier_name(item.carrier));
        printf(",\"reason\":%" PRIu32 ",\"valid_until\":%" PRIu64 ",\"device\":\"%s\",\"event_id\":\"%s\"}",
            item.reason, item.valid_until_s, text_hex(device, item.device, SLK_HASH_SIZE),
            text_hex(id, item.event_id, SLK_HASH_SIZE));
        comma = ",";
    }
    putchar(']');
}

static void json_answer(
    const struct request *request, const char *name, const struct slk_answer *a, enum slk_state then)
{
    enum slk_state asked = request->has_at ? then : a->state;
    char hex[TEXT_HEX_SIZE];

    printf("{\"proof\":");
    json_string(name);
    printf(",\"verified\":true,\"usable\":%s,\"state\":\"%s\",\"present\":%s",
        asked == SLK_ACTIVE ? "true" : "false", slk_state_name(a->state), a->present ? "true" : "false");
    if (request->has_at)
        printf(",\"at\":{\"time\":%" PRIu64 ",\"state\":\"%s\"}", request->at_s, slk_state_name(then));
    if (a->present)
        printf(",\"has_history\":%s,\"carrier\":\"%s\",\"type\":%" PRIu32
               ",\"owner_agency\":%u,\"status_index\":%" PRIu32 ",\"reason\":%" PRIu32
               ",\"valid_until\":%" PRIu64 ",\"since_ms\":%" PRIu64 ",\"events_n\":%" PRIu64
               ",\"device\":\"%s\"",
            a->has_history ? "true" : "false", slk_carrier_name(a->carrier), a->type,
            (unsigned)a->owner_agency, a->status_index, a->reason, a->valid_until_s, a->since_ms, a->events_n,
            text_hex(hex, a->device, SLK_HASH_SIZE));
    printf(",\"tree_size\":%" PRIu64 ",\"block_height\":%" PRIu64 ",\"block_time_ms\":%" PRIu64
           ",\"quorum_time\":%" PRIu64 ",\"age\":%" PRIu64 ",\"cosignatures_n\":%" PRIu32,
        a->tree_size, a->block_height, a->block_time_ms, a->quorum_time_s, a->age_s, a->cosignatures_n);
    if (request->history && a->has_history)
        json_history(a);
    printf("}\n");
}

/* ---- one proof ---- */

/* `good`: the proof is, but it does not answer the question asked. */
static int refuse(
    const struct request *request, const char *name, bool good, enum slk_err err, const char *detail)
{
    if (request->json) {
        printf("{\"proof\":");
        json_string(name);
        printf(",\"verified\":%s,\"usable\":false,\"error\":\"%s\",\"message\":", good ? "true" : "false",
            slk_err_name(err));
        json_string(slk_err_text(err));
        printf(",\"detail\":");
        json_string(detail);
        printf(",\"advice\":");
        json_string(advice(err));
        printf("}\n");
        return UNSURE;
    }
    fflush(stdout); /* in order with the answers to other proofs */
    fprintf(stderr, "%s: %s: %s%s%s.\n  %s\n", name, good ? "CANNOT TELL" : "REFUSED, it proves nothing",
        slk_err_text(err), detail[0] != '\0' ? "; " : "", detail, advice(err));
    return UNSURE;
}

/* A text that lost its line ends on the way is worth a hint of its own. */
static const char *detail_of(const struct slk_answer *a, const uint8_t *bytes, size_t size)
{
    if (a->why == SLK_E_MALFORMED && size > 0 && memchr(bytes, '\r', size < 64 ? size : 64) != NULL &&
        bytes[0] == 'c')
        return "its line ends were changed on the way (carriage returns)";
    return a->detail;
}

static bool has_handle(const struct request *request)
{
    return request->handle_hex != NULL || request->handle_file != NULL;
}

/* The proof behind a QR code's text, in its place; the handle becomes the request's. False after a message. */
static bool read_qr(
    struct request *request, const char *name, uint8_t *bytes, size_t size, struct slk_span *proof)
{
    static const uint8_t png[4] = {0x89, 'P', 'N', 'G'};
    static uint8_t scratch[SLK_QR_BYTES_MAX];
    uint8_t handle[SLK_HANDLE_SIZE];
    char hex[TEXT_HEX_SIZE];
    enum slk_err err;

    if (size >= sizeof(png) && memcmp(bytes, png, sizeof(png)) == 0) {
        fail(
            "%s: this is an image; scan it first (zbarimg --raw -q %s > code.txt), or ask sillok verify --qr",
            name, name);
        return false;
    }
    size -= size > 0 && bytes[size - 1] == '\n';
    size -= size > 0 && bytes[size - 1] == '\r';
    err = slk_qr_parse(handle, proof, scratch, sizeof(scratch), (const char *)bytes, size);
    if (err != SLK_OK) {
        refuse(
            request, name, false, err, "not the text of a Sillok QR code, or not all of it: scan it again");
        return false;
    }
    if (has_handle(request) && memcmp(handle, request->handle, sizeof(handle)) != 0) {
        refuse(request, name, false, SLK_E_HANDLE, "the code is of another credential than the one given");
        return false;
    }
    memcpy(request->handle, handle, sizeof(handle));
    if (!request->json)
        printf("handle in the code: %s\n", text_hex(hex, handle, sizeof(handle)));
    return true;
}

static int verify_proof(struct request *request, const char *path)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    enum slk_state then = SLK_REVOKED;
    struct slk_answer answer;
    size_t size;
    int verdict;

    uint8_t *bytes = read_file(path, PROOF_MAX, &size);
    if (bytes == NULL)
        return UNSURE;
    struct slk_span proof = {.at = bytes, .size = size};
    if (request->qr && !read_qr(request, name, bytes, size, &proof)) {
        free(bytes);
        return UNSURE;
    }
    enum slk_err err = slk_verify_status(&answer, proof, request->handle, request->policy, &request->options);
    if (err == SLK_OK && request->has_at)
        err = slk_answer_at(&answer, request->at_s, &then);
    if (err == SLK_OK) {
        if (request->json)
            json_answer(request, name, &answer, then);
        else
            print_answer(request, name, &answer, then);
        verdict = (request->has_at ? then : answer.state) == SLK_ACTIVE ? YES : NO;
    } else {
        verdict = refuse(request, name, answer.why == SLK_OK, err, detail_of(&answer, bytes, size));
    }
    slk_answer_clear(&answer);
    free(bytes);
    return verdict;
}

/* ---- one proof of an entry ---- */

static void print_entry(const char *name, const struct slk_entry_answer *a)
{
    char time_text[TEXT_TIME_SIZE], words[TEXT_HUMAN_SIZE], index[TEXT_HUMAN_SIZE], size[TEXT_HUMAN_SIZE];

    printf("%s: IN THE LOG: these bytes are entry %s\n", name, text_count(index, a->index));
    line("log", "%s, %s entries", a->origin, text_count(size, a->tree_size));
    if (a->has_quorum) {
        line("cosigned", "by %" PRIu32 " of the policy's witnesses, the quorum by %s", a->cosignatures_n,
            clock_words(time_text, a->quorum_time_s));
        line("age of proof", "%s", duration_words(words, a->age_s));
    } else {
        line("cosigned", "by %" PRIu32 " of the policy's witnesses, which asks for no quorum",
            a->cosignatures_n);
        line("age of proof", "not known");
    }
    if (a->has_extra)
        line("extra data", "in the proof, which nothing here vouches for");
}

static void json_entry(const char *name, const struct slk_entry_answer *a)
{
    printf("{\"proof\":");
    json_string(name);
    printf(",\"verified\":true,\"origin\":");
    json_string(a->origin);
    printf(",\"index\":%" PRIu64 ",\"tree_size\":%" PRIu64 ",\"cosignatures_n\":%" PRIu32, a->index,
        a->tree_size, a->cosignatures_n);
    if (a->has_quorum)
        printf(",\"quorum_time\":%" PRIu64 ",\"age\":%" PRIu64, a->quorum_time_s, a->age_s);
    printf("}\n");
}

static int verify_entry(const struct request *request, const char *path)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    struct slk_entry_answer answer;
    size_t size;
    uint8_t *bytes = read_file(path, PROOF_MAX, &size);
    int verdict = YES;

    if (bytes == NULL)
        return UNSURE;
    struct slk_span proof = {.at = bytes, .size = size},
                    entry = {.at = request->entry, .size = request->entry_size};
    enum slk_err err = slk_verify_entry(&answer, proof, entry, request->policy, &request->options);
    if (err != SLK_OK)
        verdict = refuse(request, name, false, err, answer.detail);
    else if (request->json)
        json_entry(name, &answer);
    else
        print_entry(name, &answer);
    free(bytes);
    return verdict;
}

/* ---- command line ---- */

enum choice {
    POLICY = 1,
    HANDLE,
    HANDLE_FILE,
    ENTRY_FILE,
    QR,
    MAX_AGE,
    NOW,
    AT,
    HISTORY,
    ALLOW_NO_QUORUM,
    JSON,
    HELP,
    VERSION
};

static const struct option long_options[] = {
    {"policy", required_argument, NULL, POLICY},
    {"handle", required_argument, NULL, HANDLE},
    {"handle-file", required_argument, NULL, HANDLE_FILE},
    {"entry-file", required_argument, NULL, ENTRY_FILE},
    {"qr", no_argument, NULL, QR},
    {"max-age", required_argument, NULL, MAX_AGE},
    {"now", required_argument, NULL, NOW},
    {"at", required_argument, NULL, AT},
    {"history", no_argument, NULL, HISTORY},
    {"allow-no-quorum", no_argument, NULL, ALLOW_NO_QUORUM},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

/* Takes one option. False after a message. */
static bool take_option(struct request *request, int choice, const char *value)
{
    switch (choice) {
    case POLICY:
        request->policy_file = value;
        return true;
    case HANDLE:
        request->handle_hex = value;
        return true;
    case HANDLE_FILE:
        request->handle_file = value;
        return true;
    case ENTRY_FILE:
        request->entry_file = value;
        return true;
    case QR:
        request->qr = true;
        return true;
    case MAX_AGE:
        if (text_age_parse(&request->options.max_age_s, value))
            return true;
        fail("--max-age: " TEXT_AGE_WANTED ", not '%s'", value);
        return false;
    case NOW:
        request->has_now = true;
        if (text_now_parse(&request->options.now_s, value))
            return true;
        fail("--now: " TEXT_NOW_WANTED ", not '%s'", value);
        return false;
    case AT:
        request->has_at = true;
        if (text_now_parse(&request->at_s, value))
            return true;
        fail("--at: " TEXT_NOW_WANTED ", not '%s'", value);
        return false;
    case HISTORY:
        request->history = true;
        return true;
    case ALLOW_NO_QUORUM:
        request->options.allow_no_quorum = true;
        return true;
    case JSON:
        request->json = true;
        return true;
    }
    return false;
}

/* YES to go on; anything else ends the program, with *done set when that is no failure (--help). */
static int parse_options(struct request *request, int argc, char **argv, bool *done)
{
    int choice;

    *done = false;
    opterr = 0;
    while ((choice = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (choice == HELP || choice == VERSION) {
            fputs(choice == HELP ? help : "sillok-verify " SLK_VERSION "\n", stdout);
            *done = true;
            return YES;
        }
        if (choice == '?' && optopt > 0)
            return fail("-%c is not an option of this program; --help lists the options", optopt);
        if (choice == '?' || choice == ':')
            return fail("%s %s; --help lists the options", argv[optind - 1],
                choice == ':' ? "needs a value" : "is not an option of this program");
        if (!take_option(request, choice, optarg))
            return UNSURE;
    }
    if (request->policy_file == NULL)
        return fail("--policy is missing: name the file that says whose signatures to trust");
    if (request->handle_hex != NULL && request->handle_file != NULL)
        return fail("one of --handle and --handle-file is enough");
    if (request->entry_file != NULL &&
        (has_handle(request) || request->qr || request->has_at || request->history))
        return fail(
            "--entry-file asks about an entry of a log: --handle, --qr, --at and --history ask about a "
            "credential");
    if (!request->qr && request->entry_file == NULL && request->handle_hex == NULL &&
        request->handle_file == NULL)
        return fail("give the credential's handle with one of --handle and --handle-file");
    if (optind == argc)
        return fail("no proof given: name at least one file, or - for standard input");
    return YES;
}

/* Standard input can be read once. */
static bool reads_stdin_once(const struct request *request, char **paths)
{
    int n = 0;

    assert(request->policy_file != NULL); /* parse_options saw to it */
    n += strcmp(request->policy_file, "-") == 0;
    n += request->handle_file != NULL && strcmp(request->handle_file, "-") == 0;
    n += request->entry_file != NULL && strcmp(request->entry_file, "-") == 0;
    for (; *paths != NULL; paths++)
        n += strcmp(*paths, "-") == 0;
    return n <= 1;
}

static int verify_all(struct request *request, char **paths)
{
    int worst = YES;

    if (!reads_stdin_once(request, paths))
        return fail("standard input (-) can be read only once: put the others into files");
    if (has_handle(request) && load_handle(request) != YES)
        return UNSURE;
    if (request->entry_file != NULL) {
        request->entry = read_file(request->entry_file, ENTRY_MAX, &request->entry_size);
        if (request->entry == NULL)
            return UNSURE;
    }
    if (load_policy(request) != YES) {
        free(request->entry);
        return UNSURE;
    }
    for (; *paths != NULL; paths++) {
        int verdict =
            request->entry_file != NULL ? verify_entry(request, *paths) : verify_proof(request, *paths);
        worst = verdict > worst ? verdict : worst;
    }
    free(request->entry);
    slk_policy_free(request->policy);
    return worst;
}

int main(int argc, char **argv)
{
    struct request request = {0};
    bool done;
    int verdict = parse_options(&request, argc, argv, &done);

    if (!done && verdict == YES) {
        if (!request.has_now)
            request.options.now_s = (uint64_t)time(NULL);
        verdict = verify_all(&request, argv + optind);
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return fail("standard output cannot be written: %s", strerror(errno));
    return verdict;
}
