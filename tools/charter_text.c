/* charter_text.c: see charter_text.h. libinih splits lines into keys and values; a table says what each means. */
#include "tools/charter_text.h"

#include <assert.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/text.h"

#define DAY_S       86400
#define YEAR_S      (366 * DAY_S) /* so that n calendar years always fit into a validity of ny */
#define VALUE_WIDTH 150           /* of a list's line when printed: inih reads lines of at most 198 bytes */
#define WORD_MAX    (SLK_CHARTER_NAME_MAX + 1)
#define UTF8_BOM    "\xef\xbb\xbf"

/* ---- the table of sections and keys ---- */

enum section { CHARTER, LIMITS, TIMERS, MEMBER, TYPE, REASON, ISSUER, SECTION_N };

static const char *const section_words[SECTION_N] = {
    "charter", "limits", "timers", "member", "type", "reason", "issuer"};

enum value {
    V_NAME,
    V_U16,
    V_U32,
    V_U64,
    V_HASH, /* 32 bytes in hex: keys, too */
    V_PREVIOUS,
    V_TIME,
    V_TIME_MS,
    V_DURATION,
    V_ROLE,
    V_ADDRESS,
    V_KINDS,
    V_TYPES,
    V_YES_NO
};

struct key {
    enum section section;
    const char *name;
    enum value value;
    size_t offset;
    bool optional;
    bool repeated;
};

#define OF(type, member) offsetof(struct slk_##type, member)

static const struct key keys[] = {
    {CHARTER, "origin", V_NAME, OF(charter, origin), false, false},
    {CHARTER, "version", V_U64, OF(charter, version), true, false},
    {CHARTER, "previous", V_PREVIOUS, OF(charter, previous), true, false},
    {CHARTER, "created", V_TIME_MS, OF(charter, created_at_ms), false, false},
    {CHARTER, "rules", V_U32, OF(charter, rules), true, false},
    {LIMITS, "block_events", V_U32, OF(charter, block_events), false, false},
    {LIMITS, "block_bytes", V_U32, OF(charter, block_bytes), false, false},
    {LIMITS, "submission_events", V_U32, OF(charter, submission_events), false, false},
    {TIMERS, "delta_ms", V_U32, OF(charter, delta_ms), false, false},
    {TIMERS, "heartbeat_s", V_U32, OF(charter, heartbeat_s), false, false},
    {TIMERS, "fresh_s", V_U32, OF(charter, fresh_s), false, false},
    {MEMBER, "agency", V_U16, OF(member, agency), false, false},
    {MEMBER, "role", V_ROLE, OF(member, role), false, false},
    {MEMBER, "vote_key", V_HASH, OF(member, vote_key), false, false},
    {MEMBER, "cosign_key", V_HASH, OF(member, cosign_key), false, false},
    {MEMBER, "log_key", V_HASH, OF(member, log_key), false, false},
    {MEMBER, "node_key", V_HASH, OF(member, node_key), false, false},
    {MEMBER, "address", V_ADDRESS, 0, true, true},
    {TYPE, "code", V_U32, OF(credential_type, code), false, false},
    {TYPE, "max_validity", V_DURATION, OF(credential_type, max_validity_s), false, false},
    {TYPE, "status_list_size", V_U32, OF(credential_type, status_list_size), false, false},
    {REASON, "code", V_U32, OF(reason, code), false, false},
    {ISSUER, "agency", V_U16, OF(issuer, agency), false, false},
    {ISSUER, "public_key", V_HASH, OF(issuer, public_key), false, false},
    {ISSUER, "kinds", V_KINDS, OF(issuer, kinds), false, false},
    {ISSUER, "types", V_TYPES, 0, false, true},
    {ISSUER, "any_agency", V_YES_NO, OF(issuer, any_agency), true, false},
    {ISSUER, "not_before", V_TIME, OF(issuer, not_before_s), false, false},
    {ISSUER, "not_after", V_TIME, OF(issuer, not_after_s), false, false},
};

#define KEYS_N (sizeof(keys) / sizeof(keys[0]))
_Static_assert(KEYS_N <= 32, "struct source keeps a bit for each key");

/* ---- reading ---- */

struct source {
    struct slk_charter *charter;
    const char *rest, *end;
    size_t line;
    bool types_only; /* the first pass reads types alone: issuers name them and may stand before them */
    struct slk_fault *fault;
    bool failed;
    /* the section that is being read */
    bool open;
    enum section section;
    char name[WORD_MAX + 1];
    size_t section_line;
    void *item;    /* the struct its keys fill */
    uint32_t seen; /* keys it has had, by place in `keys` */
    uint32_t sections_seen;
};

static bool fail(struct source *s, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first failure is kept; always false, for the caller to return. */
static bool fail(struct source *s, size_t line, const char *format, ...)
{
    va_list args;

    if (s->failed)
        return false;
    s->failed = true;
    s->fault->line = line;
    va_start(args, format);
    (void)vsnprintf(s->fault->text, sizeof(s->fault->text), format, args);
    va_end(args);
    return false;
}

/* A section is complete when it has every key it needs. */
static bool close_section(struct source *s)
{
    if (!s->open || s->failed)
        return !s->failed;
    s->open = false;
    for (size_t i = 0; i < KEYS_N; i++)
        if (keys[i].section == s->section && !keys[i].optional && (s->seen & (uint32_t)1 << i) == 0)
            return fail(s, s->section_line, "section [%s%s%s] has no %s: add one", section_words[s->section],
                s->name[0] != '\0' ? " " : "", s->name, keys[i].name);
    return true;
}

/* Where the items of a kind stand in the charter. */
struct list {
    uint8_t *at;
    size_t *n;
    size_t max_n, stride, name_offset;
};

static struct list list_of(struct slk_charter *c, enum section section)
{
    switch (section) {
    case MEMBER:
        return (struct list){(uint8_t *)c->members, &c->members_n, SLK_CHARTER_MEMBERS_MAX,
            sizeof(c->members[0]), OF(member, name)};
    case TYPE:
        return (struct list){(uint8_t *)c->types, &c->types_n, SLK_CHARTER_TYPES_MAX, sizeof(c->types[0]),
            OF(credential_type, name)};
    case REASON:
        return (struct list){(uint8_t *)c->reasons, &c->reasons_n, SLK_CHARTER_REASONS_MAX,
            sizeof(c->reasons[0]), OF(reason, name)};
    case ISSUER:
        return (struct list){(uint8_t *)c->issuers, &c->issuers_n, SLK_CHARTER_ISSUERS_MAX,
            sizeof(c->issuers[0]), OF(issuer, name)};
    case CHARTER:
    case LIMITS:
    case TIMERS:
    case SECTION_N:
        break;
    }
    return (struct list){0};
}

/* A new item with the section's name. */
static bool open_item(struct source *s)
{
    struct list list = list_of(s->charter, s->section);

    assert(s->section < SECTION_N && list.n != NULL);
    if (s->name[0] == '\0')
        return fail(s, s->line, "section [%s] needs a name: write [%s NAME]", section_words[s->section],
            section_words[s->section]);
    for (size_t i = 0; i < *list.n; i++)
        if (strcmp((const char *)list.at + i * list.stride + list.name_offset, s->name) == 0)
            return fail(s, s->line, "section [%s %s] stands twice: rename or remove one",
                section_words[s->section], s->name);
    if (*list.n == list.max_n)
        return fail(s, s->line, "more than %zu sections [%s ...]: remove some", list.max_n,
            section_words[s->section]);
    s->item = list.at + *list.n * list.stride;
    memcpy((char *)s->item + list.name_offset, s->name, strlen(s->name) + 1);
    (*list.n)++;
    return true;
}

/* Is this section read in this pass? */
static bool is_ours(const struct source *s)
{
    return s->types_only == (s->section == TYPE);
}

/* `word` and `name` are what stands between the brackets. */
static bool open_section(struct source *s, const char *word, size_t word_n, const char *name, size_t name_n)
{
    size_t i = 0;

    if (!close_section(s))
        return false;
    while (
        i < SECTION_N && (strlen(section_words[i]) != word_n || memcmp(section_words[i], word, word_n) != 0))
        i++;
    if (i == SECTION_N)
        return fail(s, s->line,
            "no such section: use [charter] [limits] [timers] [member NAME] [type NAME] [reason NAME] "
            "[issuer NAME]");
    if (name_n > SLK_CHARTER_NAME_MAX)
        return fail(s, s->line, "the name is longer than %d bytes: shorten it", SLK_CHARTER_NAME_MAX);
    s->section = (enum section)i;
    memcpy(s->name, name, name_n);
    s->name[name_n] = '\0';
    s->section_line = s->line;
    s->seen = 0;
    s->item = s->charter;
    s->open = is_ours(s);
    if (!s->open)
        return true;
    if (s->section >= MEMBER)
        return open_item(s);
    if (name_n > 0)
        return fail(s, s->line, "section [%s] takes no name: write [%s]", section_words[i], section_words[i]);
    if ((s->sections_seen & 1u << i) != 0)
        return fail(s, s->line, "section [%s] stands twice: make one of them", section_words[i]);
    s->sections_seen |= 1u << i;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The line is trimmed and starts with a bracket. inih cuts section names at 49 bytes, so they are read here. */
static bool read_section_line(struct source *s, const char *line, size_t size)
{
    const char *word = line + 1, *end = line + size - 1, *name;

    if (size < 2 || *end != ']')
        return fail(s, s->line, "a section must end with ] and nothing after it");
    while (word < end && is_blank(*word))
        word++;
    while (end > word && is_blank(end[-1]))
        end--;
    name = word;
    while (name < end && !is_blank(*name))
        name++;
    size = (size_t)(name - word);
    while (name < end && is_blank(*name))
        name++;
    return open_section(s, word, size, name, (size_t)(end - name));
}

/* Hands inih one line at a time, without indentation (which inih takes for a continued value), so that its
 * handler's line is ours. */
static char *next_line(char *out, int cap, void *stream)
{
    struct source *s = stream;
    const char *from = s->rest, *to;

    if (s->failed || s->rest == s->end)
        return NULL;
    to = memchr(from, '\n', (size_t)(s->end - from));
    s->rest = to != NULL ? to + 1 : s->end;
    to = to != NULL ? to : s->end;
    s->line++;
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    if (from < to && (*from == '#' || *from == ';'))
        to = from;              /* a comment may be as long as it likes */
    if (to - from >= cap - 2) { /* LF and the final zero */
        (void)fail(s, s->line, "the line is longer than %d bytes: break it up", cap - 3);
        return NULL;
    }
    if (from < to && *from == '[' && !read_section_line(s, from, (size_t)(to - from)))
        return NULL;
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\n';
    out[to - from + 1] = '\0';
    return out;
}

/* ---- values ---- */

/* Puts the next word of a list separated by blanks or commas into `word`; false at the end. */
static bool next_word(const char **list, char word[WORD_MAX + 1])
{
    size_t n = 0;

    *list += strspn(*list, " \t,");
    n = strcspn(*list, " \t,");
    if (n == 0)
        return false;
    (void)snprintf(word, WORD_MAX + 1, "%.*s", (int)(n < WORD_MAX ? n : WORD_MAX), *list);
    *list += n;
    return true;
}

static bool set_name(struct source *s, const char *name, char *out, const char *value)
{
    if (strlen(value) > SLK_CHARTER_ORIGIN_MAX)
        return fail(s, s->line, "%s is longer than %d bytes: shorten it", name, SLK_CHARTER_ORIGIN_MAX);
    memcpy(out, value, strlen(value) + 1);
    return true;
}

static bool set_number(struct source *s, const struct key *key, uint8_t *at, const char *value)
{
    uint64_t max = key->value == V_U16 ? UINT16_MAX : key->value == V_U32 ? UINT32_MAX : UINT64_MAX;
    uint64_t v64;

    if (!slk_decimal_parse(&v64, max, value, strlen(value)))
        return fail(s, s->line, "%s must be a whole number of at most %llu, written in digits", key->name,
            (unsigned long long)max);
    if (key->value == V_U16)
        memcpy(at, &(uint16_t){(uint16_t)v64}, sizeof(uint16_t));
    else if (key->value == V_U32)
        memcpy(at, &(uint32_t){(uint32_t)v64}, sizeof(uint32_t));
    else
        memcpy(at, &v64, sizeof(v64));
    return true;
}

static bool set_hash(struct source *s, const struct key *key, uint8_t *at, const char *value)
{
    if (!text_hash_parse(at, value, strlen(value)))
        return fail(s, s->line, "%s must be 64 hexadecimal digits", key->name);
    if (key->value == V_PREVIOUS)
        s->charter->has_previous = true;
    return true;
}

/* Thousandths of a second in a time that text_time_parse has accepted (it cuts them off). */
static uint64_t thousandths(const char *value)
{
    const char *dot = strchr(value, '.');
    uint64_t ms = 0, unit = 100;

    for (const char *c = dot; c != NULL && c[1] >= '0' && c[1] <= '9'; c++, unit /= 10)
        ms += (uint64_t)(c[1] - '0') * unit; /* unit is 0 after the third digit */
    return ms;
}

static bool set_time(struct source *s, const struct key *key, uint8_t *at, const char *value)
{
    bool in_ms = key->value == V_TIME_MS;
    uint64_t v;

    if (text_time_parse(&v, value, strlen(value)))
        v = in_ms ? v * 1000 + thousandths(value) : v;
    else if (!slk_decimal_parse(&v, UINT64_MAX, value, strlen(value)))
        return fail(s, s->line, "%s must be a time like 2026-07-01T09:00:00Z, or a number of %s since 1970",
            key->name, in_ms ? "milliseconds" : "seconds");
    memcpy(at, &v, sizeof(v));
    return true;
}

static const struct {
    char letter;
    uint64_t seconds;
} duration_units[] = {{'y', YEAR_S}, {'d', DAY_S}, {'h', 3600}, {'s', 1}};

static bool set_duration(struct source *s, const struct key *key, uint8_t *at, const char *value)
{
    size_t size = strlen(value);
    uint64_t unit = 1, v;

    for (size_t i = 0; size > 0 && i < sizeof(duration_units) / sizeof(duration_units[0]); i++)
        if (value[size - 1] == duration_units[i].letter) {
            unit = duration_units[i].seconds;
            size--;
            break;
        }
    if (!slk_decimal_parse(&v, UINT64_MAX / unit, value, size))
        return fail(
            s, s->line, "%s must be a duration like 3y (years of 366 days), 90d, 12h or 30s", key->name);
    v *= unit;
    memcpy(at, &v, sizeof(v));
    return true;
}

static bool set_role(struct source *s, struct slk_member *member, const char *value)
{
    if (strcmp(value, "voting") == 0)
        member->role = SLK_VOTING;
    else if (strcmp(value, "observer") == 0)
        member->role = SLK_OBSERVER;
    else
        return fail(s, s->line, "role must be voting or observer");
    return true;
}

static bool add_address(struct source *s, struct slk_member *member, const char *value)
{
    if (member->addresses_n == SLK_CHARTER_ADDRESSES_MAX)
        return fail(s, s->line, "more than %d addresses: remove some", SLK_CHARTER_ADDRESSES_MAX);
    if (strlen(value) > SLK_CHARTER_ADDRESS_MAX)
        return fail(s, s->line, "address is longer than %d bytes: shorten it", SLK_CHARTER_ADDRESS_MAX);
    memcpy(member->addresses[member->addresses_n++], value, strlen(value) + 1);
    return true;
}

static bool set_kinds(struct source *s, struct slk_issuer *issuer, const char *value)
{
    char word[WORD_MAX + 1];

    while (next_word(&value, word)) {
        int kind = SLK_ISSUE;

        while (kind < SLK_KIND_N && strcmp(slk_kind_name((enum slk_kind)kind), word) != 0)
            kind++;
        if (kind == SLK_KIND_N)
            return fail(s, s->line, "no such kind: use some of ISSUE REBIND LOCK UNLOCK RENEW REVOKE");
        if ((issuer->kinds & 1u << kind) != 0)
            return fail(s, s->line, "%s is listed twice: remove one", word);
        issuer->kinds |= 1u << kind;
    }
    return true;
}

/* By name, or by code: a name is never all digits (slk_charter_validate). */
static bool add_types(struct source *s, struct slk_issuer *issuer, const char *value)
{
    const struct slk_charter *c = s->charter;
    char word[WORD_MAX + 1];

    while (next_word(&value, word)) {
        uint64_t code = 0;
        size_t i = 0;

        if (!slk_decimal_parse(&code, UINT32_MAX, word, strlen(word)))
            code = 0; /* a name */
        while (
            i < c->types_n && strcmp(c->types[i].name, word) != 0 && (code == 0 || c->types[i].code != code))
            i++;
        if (i == c->types_n)
            return fail(s, s->line, "no credential type %s: declare it in a section [type %s]", word, word);
        for (size_t k = 0; k < issuer->types_n; k++)
            if (issuer->types[k] == c->types[i].code)
                return fail(s, s->line, "type %s is listed twice: remove one", word);
        if (issuer->types_n == SLK_CHARTER_TYPES_MAX)
            return fail(s, s->line, "more than %d types: remove some", SLK_CHARTER_TYPES_MAX);
        issuer->types[issuer->types_n++] = c->types[i].code;
    }
    return true;
}

static bool set_yes_no(struct source *s, const struct key *key, uint8_t *at, const char *value)
{
    bool yes = strcmp(value, "yes") == 0;

    if (!yes && strcmp(value, "no") != 0)
        return fail(s, s->line, "%s must be yes or no", key->name);
    memcpy(at, &yes, sizeof(yes));
    return true;
}

static bool set_value(struct source *s, const struct key *key, const char *value)
{
    uint8_t *at = (uint8_t *)s->item + key->offset;

    switch (key->value) {
    case V_NAME:
        return set_name(s, key->name, (char *)at, value);
    case V_U16:
    case V_U32:
    case V_U64:
        return set_number(s, key, at, value);
    case V_HASH:
    case V_PREVIOUS:
        return set_hash(s, key, at, value);
    case V_TIME:
    case V_TIME_MS:
        return set_time(s, key, at, value);
    case V_DURATION:
        return set_duration(s, key, at, value);
    case V_ROLE:
        return set_role(s, s->item, value);
    case V_ADDRESS:
        return add_address(s, s->item, value);
    case V_KINDS:
        return set_kinds(s, s->item, value);
    case V_TYPES:
        return add_types(s, s->item, value);
    case V_YES_NO:
        return set_yes_no(s, key, at, value);
    }
    abort();
}

/* Adds the names of the section's keys to a sentence. */
static void list_keys(char *out, size_t cap, enum section section)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < KEYS_N; i++) {
        int n = keys[i].section == section ? snprintf(out + used, cap - used, " %s", keys[i].name) : 0;

        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

/* inih's handler; its section is cut short, ours is not. 0 makes inih remember the line, which we do already. */
static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct source *s = user;
    char known[160];
    size_t i = 0;

    (void)section;
    if (s->failed)
        return 0;
    if (s->section_line == 0)
        return fail(s, s->line, "%.40s stands before any section: start with [charter]", name);
    if (!s->open)
        return 1; /* read in the other pass */
    while (i < KEYS_N && (keys[i].section != s->section || strcmp(keys[i].name, name) != 0))
        i++;
    if (i == KEYS_N) {
        list_keys(known, sizeof(known), s->section);
        return fail(s, s->line, "no such key in [%s]: use%s", section_words[s->section], known);
    }
    if ((s->seen & (uint32_t)1 << i) != 0 && !keys[i].repeated)
        return fail(s, s->line, "%s stands twice in this section: remove one", name);
    s->seen |= (uint32_t)1 << i;
    if (value == NULL || value[0] == '\0')
        return fail(s, s->line, "%s has no value: write one after =", name);
    return set_value(s, &keys[i], value);
}

static bool read_pass(struct source *s, const char *text, size_t size, bool types_only)
{
    int bad_line;

    s->rest = text;
    s->end = text + size;
    s->line = 0;
    s->section_line = 0;
    s->sections_seen = 0;
    s->open = false;
    s->types_only = types_only;
    bad_line = ini_parse_stream(next_line, s, take_pair, s);
    if (bad_line != 0 && (!s->failed || (bad_line > 0 && (size_t)bad_line < s->fault->line))) {
        s->failed = false; /* inih's own finding comes first */
        return fail(s, bad_line > 0 ? (size_t)bad_line : s->line,
            "neither a [section], nor key = value, nor a # comment: correct or remove it");
    }
    return close_section(s);
}

static bool read_text(struct slk_charter *out, const char *text, size_t size, struct slk_fault *fault)
{
    struct source s = {.charter = out, .fault = fault};
    size_t bom = strlen(UTF8_BOM);

    if (size > SLK_CHARTER_TEXT_MAX)
        return fail(&s, 0, "larger than %u bytes: this is no charter", SLK_CHARTER_TEXT_MAX);
    if (size >= bom && memcmp(text, UTF8_BOM, bom) == 0) {
        text += bom;
        size -= bom;
    }
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\0')
            return fail(&s, 0, "holds a zero byte: this is no text file");
    out->version = 1;
    if (!read_pass(&s, text, size, true) || !read_pass(&s, text, size, false))
        return false;
    for (size_t i = CHARTER; i <= TIMERS; i++)
        if ((s.sections_seen & 1u << i) == 0)
            return fail(&s, 0, "section [%s] is missing: add it", section_words[i]);
    return true;
}

enum slk_err slk_charter_text_parse(
    struct slk_charter *out, const char *text, size_t size, struct slk_fault *fault)
{
    struct slk_fault unused;
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    enum slk_err err = SLK_E_NOMEM;
    size_t n;

    fault = fault != NULL ? fault : &unused;
    *fault = (struct slk_fault){0};
    memset(out, 0, sizeof(*out));
    if (bytes == NULL)
        goto out;
    err = SLK_E_CHARTER;
    if (!read_text(out, text, size, fault))
        goto out;
    slk_charter_sort(out);
    err = slk_charter_validate(out, fault);
    if (err != SLK_OK)
        goto out;
    n = slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, out);
    if (n == 0) {
        (void)snprintf(fault->text, sizeof(fault->text),
            "the charter is larger than %d bytes: shorten names or remove issuers", SLK_CHARTER_BYTES_MAX);
        err = SLK_E_CHARTER;
        goto out;
    }
    err = slk_charter_parse(out, slk_span_of(bytes, n)); /* computes the hash, too */
    assert(err == SLK_OK);
out:
    free(bytes);
    if (err != SLK_OK)
        memset(out, 0, sizeof(*out));
    return err;
}

/* ---- printing ---- */

struct sink {
    char *out;
    size_t cap, used;
    bool full;
};

static void put(struct sink *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct sink *to, const char *format, ...)
{
    size_t room = to->cap - to->used;
    va_list args;
    int n;

    if (to->full)
        return;
    va_start(args, format);
    n = vsnprintf(to->out + to->used, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        to->full = true;
    else
        to->used += (size_t)n;
}

static void put_hash(struct sink *to, const char *name, const uint8_t *bytes)
{
    char hex[TEXT_HEX_SIZE];

    put(to, "%s = %s\n", name, text_hex(hex, bytes, SLK_HASH_SIZE));
}

static void put_time(struct sink *to, const char *name, uint64_t unix_s)
{
    char time[TEXT_TIME_SIZE];

    put(to, "%s = %s\n", name, text_time(time, unix_s));
}

/* Beyond the year 9999 text_time_ms would print seconds. */
static void put_created(struct sink *to, uint64_t unix_ms)
{
    char time[TEXT_TIME_SIZE];

    if (unix_ms % 1000 != 0)
        (void)text_time_ms(time, unix_ms);
    else
        (void)text_time(time, unix_ms / 1000);
    if (strchr(time, 'Z') == NULL)
        put(to, "created = %llu\n", (unsigned long long)unix_ms);
    else
        put(to, "created = %s\n", time);
}

static void put_duration(struct sink *to, const char *name, uint64_t seconds)
{
    size_t i = 0;

    while (seconds % duration_units[i].seconds != 0)
        i++; /* ends: everything is a multiple of one second */
    put(to, "%s = %llu%c\n", name, (unsigned long long)(seconds / duration_units[i].seconds),
        duration_units[i].letter);
}

static void put_member(struct sink *to, const struct slk_member *member)
{
    put(to, "\n[member %s]\nagency = %u\n", member->name, (unsigned)member->agency);
    put(to, "role = %s\n", member->role == SLK_VOTING ? "voting" : "observer");
    put_hash(to, "vote_key", member->vote_key);
    put_hash(to, "cosign_key", member->cosign_key);
    put_hash(to, "log_key", member->log_key);
    put_hash(to, "node_key", member->node_key);
    for (size_t i = 0; i < member->addresses_n; i++)
        put(to, "address = %s\n", member->addresses[i]);
}

static void put_types(struct sink *to, const struct slk_charter *c, const struct slk_issuer *issuer)
{
    size_t width = 0;

    for (size_t i = 0; i < issuer->types_n; i++) {
        const struct slk_credential_type *type = slk_charter_type(c, issuer->types[i]);
        char code[16];

        (void)snprintf(code, sizeof(code), "%u", issuer->types[i]);
        const char *word = type != NULL ? type->name : code;

        if (width > 0 && width + strlen(word) > VALUE_WIDTH) {
            put(to, "\n");
            width = 0;
        }
        put(to, "%s%s", width == 0 ? "types = " : " ", word);
        width += strlen(word) + 1;
    }
    put(to, "\n");
}

static void put_issuer(struct sink *to, const struct slk_charter *c, const struct slk_issuer *issuer)
{
    put(to, "\n[issuer %s]\nagency = %u\n", issuer->name, (unsigned)issuer->agency);
    put_hash(to, "public_key", issuer->public_key);
    put(to, "kinds =");
    for (int kind = SLK_ISSUE; kind < SLK_KIND_N; kind++)
        if ((issuer->kinds & 1u << kind) != 0)
            put(to, " %s", slk_kind_name((enum slk_kind)kind));
    put(to, "\n");
    put_types(to, c, issuer);
    put(to, "any_agency = %s\n", issuer->any_agency ? "yes" : "no");
    put_time(to, "not_before", issuer->not_before_s);
    put_time(to, "not_after", issuer->not_after_s);
}

size_t slk_charter_text_format(char *out, size_t cap, const struct slk_charter *c)
{
    struct sink to = {.out = out, .cap = cap};
    char hex[TEXT_HEX_SIZE];

    put(&to, "# A charter of Sillok: who the agencies and issuers of a ledger are and what they may do.\n");
    if (!slk_hash_is_zero(&c->hash))
        put(&to, "# Its hash: %s\n", text_hex(hex, c->hash.b, SLK_HASH_SIZE));
    put(&to, "\n[charter]\norigin = %s\nversion = %llu\n", c->origin, (unsigned long long)c->version);
    if (c->has_previous)
        put_hash(&to, "previous", c->previous.b);
    put_created(&to, c->created_at_ms);
    if (c->rules != 0)
        put(&to, "rules = %u\n", c->rules);
    put(&to, "\n[limits]\nblock_events = %u\nblock_bytes = %u\nsubmission_events = %u\n", c->block_events,
        c->block_bytes, c->submission_events);
    put(&to, "\n[timers]\ndelta_ms = %u\nheartbeat_s = %u\nfresh_s = %u\n", c->delta_ms, c->heartbeat_s,
        c->fresh_s);
    for (size_t i = 0; i < c->members_n; i++)
        put_member(&to, &c->members[i]);
    for (size_t i = 0; i < c->types_n; i++) {
        put(&to, "\n[type %s]\ncode = %u\n", c->types[i].name, c->types[i].code);
        put_duration(&to, "max_validity", c->types[i].max_validity_s);
        put(&to, "status_list_size = %u\n", c->types[i].status_list_size);
    }
    for (size_t i = 0; i < c->reasons_n; i++)
        put(&to, "\n[reason %s]\ncode = %u\n", c->reasons[i].name, c->reasons[i].code);
    for (size_t i = 0; i < c->issuers_n; i++)
        put_issuer(&to, c, &c->issuers[i]);
    return to.full ? 0 : to.used;
}
