/* http.c: see http.h. */
#include "net/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_EXTRA       24u /* beside the target in the first line: method, two spaces, version, CR LF, and some */
#define METHOD_MAX       16u
#define HEAD_FIRST       1024u
#define BODY_FIRST       4096u
#define CHUNK_DIGITS_MAX 8u
#define LENGTH_MAX       ((uint64_t)1 << 40) /* far above every route's limit, far below an overflow */

const char *slk_http_reason_name(enum slk_http_reason reason)
{
    static const char *const names[] = {
#define SLK_X(name, status, text) #name,
        SLK_HTTP_REASONS(SLK_X)
#undef SLK_X
    };
    return (unsigned)reason < SLK_HTTP_REASON_N ? names[reason] : "?";
}

const char *slk_http_reason_text(enum slk_http_reason reason)
{
    static const char *const texts[] = {
#define SLK_X(name, status, text) text,
        SLK_HTTP_REASONS(SLK_X)
#undef SLK_X
    };
    return (unsigned)reason < SLK_HTTP_REASON_N ? texts[reason] : "?";
}

unsigned slk_http_reason_status(enum slk_http_reason reason)
{
    static const unsigned statuses[] = {
#define SLK_X(name, status, text) status,
        SLK_HTTP_REASONS(SLK_X)
#undef SLK_X
    };
    return (unsigned)reason < SLK_HTTP_REASON_N ? statuses[reason] : 0;
}

const char *slk_http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } texts[] = {{200, "OK"}, {202, "Accepted"}, {304, "Not Modified"}, {400, "Bad Request"},
        {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
        {408, "Request Timeout"}, {409, "Conflict"}, {411, "Length Required"}, {413, "Content Too Large"},
        {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
        {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
        {503, "Service Unavailable"}, {505, "HTTP Version Not Supported"}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].status == status)
            return texts[i].text;
    }
    return "Unknown";
}

/* ---- small readings ---- */

static bool is_token_char(uint8_t c)
{
    /* RFC 9110 §5.6.2: tchar */
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool span_is(struct slk_span span, const char *text)
{
    size_t n = strlen(text);

    if (span.size != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (lower(span.at[i]) != lower((uint8_t)text[i]))
            return false;
    }
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slk_span trim(struct slk_span span)
{
    while (span.size > 0 && is_blank(span.at[0])) {
        span.at++;
        span.size--;
    }
    while (span.size > 0 && is_blank(span.at[span.size - 1]))
        span.size--;
    return span;
}

/* What stands before the next `end`, or all of it. */
static struct slk_span take_until(struct slk_span *rest, uint8_t end)
{
    const uint8_t *at = rest->size > 0 ? memchr(rest->at, end, rest->size) : NULL;
    struct slk_span item = *rest;

    if (at != NULL)
        item.size = (size_t)(at - rest->at);
    *rest = slk_span_of(rest->at + item.size, rest->size - item.size);
    if (at != NULL) {
        rest->at++;
        rest->size--;
    }
    return item;
}

struct slk_span slk_http_piece(const struct slk_http_parser *parser, struct slk_http_piece piece)
{
    if (piece.size == 0)
        return (struct slk_span){0};
    assert(piece.at + piece.size <= parser->head_size);
    return slk_span_of(parser->head + piece.at, piece.size);
}

bool slk_http_field(const struct slk_http_parser *parser, const char *name, struct slk_span *value)
{
    for (size_t i = 0; i < parser->fields_n; i++) {
        if (span_is(slk_http_piece(parser, parser->fields[i].name), name)) {
            *value = slk_http_piece(parser, parser->fields[i].value);
            return true;
        }
    }
    return false;
}

static size_t count_fields(const struct slk_http_parser *parser, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < parser->fields_n; i++)
        n += span_is(slk_http_piece(parser, parser->fields[i].name), name);
    return n;
}

bool slk_http_query(const struct slk_http_parser *parser, const char *name, struct slk_span *value)
{
    struct slk_span rest = slk_http_piece(parser, parser->query);

    while (rest.size > 0) {
        struct slk_span pair = take_until(&rest, '&');
        struct slk_span key = take_until(&pair, '=');

        if (key.size == strlen(name) && key.size > 0 && memcmp(key.at, name, key.size) == 0) {
            *value = pair;
            return true;
        }
    }
    return false;
}

bool slk_http_media_is(struct slk_span content_type, const char *text)
{
    return span_is(trim(take_until(&content_type, ';')), text);
}

/* RFC 9110 §12.4.2: q = 0(.ddd) or 1(.000), in thousandths; what is malformed counts as 0. */
static unsigned quality_of(struct slk_span parameters)
{
    while (parameters.size > 0) {
        struct slk_span p = trim(take_until(&parameters, ';'));
        unsigned q, scale = 100;

        if (p.size < 3 || lower(p.at[0]) != 'q' || p.at[1] != '=')
            continue;
        if ((p.at[2] != '0' && p.at[2] != '1') || p.size > 7 || (p.size > 3 && p.at[3] != '.'))
            return 0;
        q = p.at[2] == '1' ? 1000 : 0;
        for (size_t i = 4; i < p.size; i++, scale /= 10) {
            if (p.at[i] < '0' || p.at[i] > '9')
                return 0;
            q += (unsigned)(p.at[i] - '0') * scale;
        }
        return q > 1000 ? 1000 : q;
    }
    return 1000;
}

/* How closely a media range names a type: 0 not at all, 1 all types, 2 its half, 3 itself. */
static unsigned closeness(struct slk_span range, const char *type)
{
    size_t half = (size_t)(strchr(type, '/') - type) + 1;
    char start[64];

    if (span_is(range, type))
        return 3;
    if (span_is(range, "*/*"))
        return 1;
    if (half + 1 >= sizeof(start))
        return 0;
    memcpy(start, type, half);
    start[half] = '*';
    start[half + 1] = '\0';
    return span_is(range, start) ? 2 : 0;
}

unsigned slk_http_accepts(struct slk_span accept, const char *media_type)
{
    unsigned best = 0, rank = 0;

    if (accept.size == 0)
        return 1000;
    while (accept.size > 0) {
        struct slk_span item = take_until(&accept, ',');
        struct slk_span range = trim(take_until(&item, ';'));
        unsigned close = closeness(range, media_type);

        if (close > best) {
            best = close;
            rank = quality_of(item);
        }
    }
    return rank;
}

bool slk_http_takes_coding(struct slk_span accept_encoding, const char *coding)
{
    bool any = false;

    while (accept_encoding.size > 0) {
        struct slk_span item = take_until(&accept_encoding, ',');
        struct slk_span name = trim(take_until(&item, ';'));

        if (span_is(name, coding))
            return quality_of(item) > 0;
        if (span_is(name, "*"))
            any = quality_of(item) > 0;
    }
    return any;
}

bool slk_http_names_tag(struct slk_span if_none_match, const char *tag)
{
    size_t size = strlen(tag);

    if (if_none_match.size == 1 && if_none_match.at[0] == '*')
        return true;
    for (size_t i = 0; i + size <= if_none_match.size; i++)
        if (memcmp(if_none_match.at + i, tag, size) == 0)
            return true;
    return false;
}

/* ---- the second reader ---- */

static int second_field(llhttp_t *second)
{
    ((struct slk_http_parser *)second->data)->second_fields++;
    return 0;
}

static int second_body(llhttp_t *second, const char *at, size_t size)
{
    (void)at;
    ((struct slk_http_parser *)second->data)->second_body += size;
    return 0;
}

static int second_done(llhttp_t *second)
{
    ((struct slk_http_parser *)second->data)->second_done = true;
    return 0;
}

static const llhttp_settings_t *second_settings(void)
{
    static const llhttp_settings_t settings = {
        .on_header_value_complete = second_field, .on_body = second_body, .on_message_complete = second_done};

    return &settings;
}

static bool refuse(struct slk_http_parser *p, enum slk_http_reason reason)
{
    p->phase = SLK_HTTP_REFUSED;
    p->reason = reason;
    return false;
}

/* Shows llhttp bytes that our reader accepted. An upgrade that a client offers is not taken up: the pause means nothing. */
static bool second_reads(struct slk_http_parser *p, const uint8_t *at, size_t size)
{
    llhttp_errno_t err;

    if (size == 0)
        return true;
    err = llhttp_execute(&p->second, (const char *)at, size);
    if (err == HPE_OK || (err == HPE_PAUSED_UPGRADE && p->second_done))
        return true;
    return refuse(p, SLK_HTTP_DISAGREE);
}

static bool finish(struct slk_http_parser *p)
{
    if (!p->second_done || p->second_body != p->body_size)
        return refuse(p, SLK_HTTP_DISAGREE);
    p->phase = SLK_HTTP_DONE;
    return true;
}

/* ---- the head ---- */

void slk_http_parser_init(struct slk_http_parser *parser)
{
    memset(parser, 0, sizeof(*parser));
}

void slk_http_parser_free(struct slk_http_parser *parser)
{
    free(parser->head);
    free(parser->body);
    parser->head = parser->body = NULL;
    parser->head_size = parser->head_room = parser->body_size = parser->body_room = 0;
}

/* Whether the field "connection" lists this option. */
static bool connection_says(const struct slk_http_parser *p, const char *option)
{
    for (size_t i = 0; i < p->fields_n; i++) {
        struct slk_span rest = slk_http_piece(p, p->fields[i].value);

        if (!span_is(slk_http_piece(p, p->fields[i].name), "connection"))
            continue;
        while (rest.size > 0) {
            if (span_is(trim(take_until(&rest, ',')), option))
                return true;
        }
    }
    return false;
}

static bool read_line(struct slk_http_parser *p, struct slk_span line)
{
    struct slk_span method = take_until(&line, ' '), target = take_until(&line, ' ');
    const uint8_t *mark;
    size_t at;

    if (method.size == 0 || method.size > METHOD_MAX)
        return refuse(p, SLK_HTTP_LINE);
    for (size_t i = 0; i < method.size; i++) {
        if (!is_token_char(method.at[i]))
            return refuse(p, SLK_HTTP_LINE);
    }
    if (target.size == 0 || line.size != 8 || memcmp(line.at, "HTTP/", 5) != 0 || line.at[6] != '.')
        return refuse(p, SLK_HTTP_LINE);
    if (line.at[5] != '1' || (line.at[7] != '1' && line.at[7] != '0'))
        return refuse(p, SLK_HTTP_VERSION);
    p->minor_0 = line.at[7] == '0';
    if (slk_span_equal(method, slk_span_of("GET", 3)))
        p->method = SLK_HTTP_GET;
    else if (slk_span_equal(method, slk_span_of("HEAD", 4)))
        p->method = SLK_HTTP_HEAD;
    else if (slk_span_equal(method, slk_span_of("POST", 4)))
        p->method = SLK_HTTP_POST;
    else
        return refuse(p, SLK_HTTP_METHOD_UNKNOWN);
    if (target.size > SLK_HTTP_TARGET_MAX)
        return refuse(p, SLK_HTTP_TARGET_SIZE);
    if (target.at[0] != '/')
        return refuse(p, SLK_HTTP_TARGET);
    for (size_t i = 0; i < target.size; i++) {
        if (strchr("\t\"#<>\\^`{|}", target.at[i]) != NULL)
            return refuse(p, SLK_HTTP_TARGET);
    }
    at = (size_t)(target.at - p->head);
    mark = memchr(target.at, '?', target.size);
    p->path.at = (uint16_t)at;
    p->path.size = (uint16_t)(mark != NULL ? (size_t)(mark - target.at) : target.size);
    if (mark != NULL) {
        p->query.at = (uint16_t)(at + p->path.size + 1u);
        p->query.size = (uint16_t)(target.size - p->path.size - 1);
    }
    return true;
}

static bool read_field(struct slk_http_parser *p, struct slk_span line)
{
    struct slk_span name, value = line;
    struct slk_http_field *field;

    if (p->fields_n == SLK_HTTP_FIELDS_MAX)
        return refuse(p, SLK_HTTP_FIELDS_COUNT);
    if (is_blank(line.at[0]))
        return refuse(p, SLK_HTTP_FOLD);
    if (memchr(line.at, ':', line.size) == NULL)
        return refuse(p, SLK_HTTP_FIELD);
    name = take_until(&value, ':');
    for (size_t i = 0; i < name.size; i++) {
        if (!is_token_char(name.at[i]))
            return refuse(p, SLK_HTTP_FIELD);
    }
    if (name.size == 0)
        return refuse(p, SLK_HTTP_FIELD);
    value = trim(value);
    field = &p->fields[p->fields_n++];
    field->name = (struct slk_http_piece){(uint16_t)(name.at - p->head), (uint16_t)name.size};
    field->value = (struct slk_http_piece){(uint16_t)(value.at - p->head), (uint16_t)value.size};
    return true;
}

static bool check_host(struct slk_http_parser *p)
{
    struct slk_span host = {0};
    size_t n = count_fields(p, "host");

    if (n > 1 || (n == 0 && !p->minor_0))
        return refuse(p, SLK_HTTP_HOST);
    if (n == 1 && slk_http_field(p, "host", &host)) {
        for (size_t i = 0; i < host.size; i++) {
            if (!is_token_char(host.at[i]) && strchr("[]:", host.at[i]) == NULL)
                return refuse(p, SLK_HTTP_HOST);
        }
    }
    return true;
}

static bool check_framing(struct slk_http_parser *p)
{
    size_t lengths_n = count_fields(p, "content-length"), codings_n = count_fields(p, "transfer-encoding");
    struct slk_span value = {0};

    if (lengths_n + codings_n > 1 || (codings_n == 1 && p->minor_0))
        return refuse(p, SLK_HTTP_FRAMING);
    if (lengths_n == 1) {
        (void)slk_http_field(p, "content-length", &value);
        if (!slk_decimal_parse(&p->length, UINT64_MAX, (const char *)value.at, value.size))
            return refuse(p, SLK_HTTP_FRAMING);
        if (p->length > LENGTH_MAX)
            return refuse(p, p->method == SLK_HTTP_POST ? SLK_HTTP_BODY_SIZE : SLK_HTTP_BODY_ON_GET);
    }
    if (p->method != SLK_HTTP_POST)
        return codings_n == 0 && p->length == 0 ? true : refuse(p, SLK_HTTP_BODY_ON_GET);
    if (lengths_n + codings_n == 0)
        return refuse(p, SLK_HTTP_LENGTH);
    if (codings_n == 1) {
        (void)slk_http_field(p, "transfer-encoding", &value);
        if (!span_is(value, "chunked"))
            return refuse(p, SLK_HTTP_CODING);
        p->chunked = true;
    }
    return true;
}

static bool check_expect(struct slk_http_parser *p)
{
    struct slk_span value = {0};

    if (!slk_http_field(p, "expect", &value))
        return true;
    if (count_fields(p, "expect") != 1 || !span_is(value, "100-continue"))
        return refuse(p, SLK_HTTP_EXPECT);
    p->wants_continue = !p->minor_0;
    return true;
}

/* Does llhttp read the same head? */
static bool second_agrees(struct slk_http_parser *p)
{
    static const uint8_t methods[] = {
        [SLK_HTTP_GET] = HTTP_GET, [SLK_HTTP_HEAD] = HTTP_HEAD, [SLK_HTTP_POST] = HTTP_POST};
    bool empty = !p->chunked && p->length == 0;

    llhttp_init(&p->second, HTTP_REQUEST, second_settings());
    p->second.data = p;
    if (!second_reads(p, p->head, p->head_size))
        return false;
    if (p->second_fields != p->fields_n || p->second.method != methods[p->method] || p->second_done != empty)
        return refuse(p, SLK_HTTP_DISAGREE);
    if (!empty &&
        (((p->second.flags & F_CHUNKED) != 0) != p->chunked || p->second.content_length != p->length))
        return refuse(p, SLK_HTTP_DISAGREE);
    return true;
}

static void end_head(struct slk_http_parser *p)
{
    if (!check_host(p) || !check_framing(p) || !check_expect(p) || !second_agrees(p))
        return;
    p->keep_alive = !p->minor_0 && !connection_says(p, "close");
    p->phase = SLK_HTTP_HEADED;
}

/* A line has ended, its CR LF included. */
static void end_line(struct slk_http_parser *p)
{
    struct slk_span line = slk_span_of(p->head + p->line_at, p->head_size - p->line_at - 2);
    bool first = p->line_at == 0;

    p->line_at = p->head_size;
    if (first)
        (void)(line.size > 0 ? read_line(p, line) : refuse(p, SLK_HTTP_LINE));
    else if (line.size > 0)
        (void)read_field(p, line);
    else
        end_head(p);
}

static bool head_room(struct slk_http_parser *p)
{
    size_t room = p->head_room == 0 ? HEAD_FIRST : 2 * p->head_room;
    uint8_t *head;

    if (p->head_size < p->head_room)
        return true;
    if (p->head_size == SLK_HTTP_HEAD_MAX)
        return refuse(p, p->line_at == 0 ? SLK_HTTP_TARGET_SIZE : SLK_HTTP_FIELDS_SIZE);
    head = realloc(p->head, room);
    if (head == NULL)
        return refuse(p, SLK_HTTP_MEMORY);
    p->head = head;
    p->head_room = room;
    return true;
}

static size_t feed_head(struct slk_http_parser *p, const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t c = at[i];
        bool after_cr = p->head_size > 0 && p->head[p->head_size - 1] == '\r';

        if ((c == '\n') != after_cr || (c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c > 0x7e)
            (void)refuse(p, SLK_HTTP_BYTE);
        else if (p->line_at == 0 && p->head_size >= SLK_HTTP_TARGET_MAX + LINE_EXTRA)
            (void)refuse(p, SLK_HTTP_TARGET_SIZE);
        else if (head_room(p)) {
            p->head[p->head_size++] = c;
            if (c == '\n')
                end_line(p);
        }
        if (p->phase != SLK_HTTP_IN_HEAD)
            return i + 1;
    }
    return size;
}

/* ---- the body ---- */

void slk_http_accept(struct slk_http_parser *p, size_t body_max)
{
    assert(p->phase == SLK_HTTP_HEADED);
    p->body_max = body_max;
    if (p->length > body_max) {
        (void)refuse(p, SLK_HTTP_BODY_SIZE);
        return;
    }
    p->phase = SLK_HTTP_IN_BODY;
    if (!p->chunked && p->length == 0)
        (void)finish(p);
}

static bool body_add(struct slk_http_parser *p, const uint8_t *at, size_t size)
{
    size_t room = p->body_room == 0 ? BODY_FIRST : p->body_room;
    uint8_t *body;

    if (size > p->body_max - p->body_size)
        return refuse(p, SLK_HTTP_BODY_SIZE);
    while (room - p->body_size < size)
        room *= 2; /* ends: size is at most body_max, and that far below SIZE_MAX / 2 */
    if (room != p->body_room) {
        body = realloc(p->body, room);
        if (body == NULL)
            return refuse(p, SLK_HTTP_MEMORY);
        p->body = body;
        p->body_room = room;
    }
    memcpy(p->body + p->body_size, at, size);
    p->body_size += size;
    return true;
}

static size_t feed_length(struct slk_http_parser *p, const uint8_t *at, size_t size)
{
    size_t n = size < p->length - p->body_size ? size : (size_t)(p->length - p->body_size);

    if (body_add(p, at, n) && second_reads(p, at, n) && p->body_size == p->length)
        (void)finish(p);
    return n;
}

/* A chunk: digits CR LF bytes CR LF; the last has no bytes. Source: RFC 9112 §7.1, without extensions and trailers. */
enum chunk_state { DIGITS, SIZE_LF, BYTES, BYTES_CR, BYTES_LF, END_CR, END_LF, CHUNKS_DONE };

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* chunk_state holds the state in its low byte and counts the digits above it. */
static bool chunk_digit(struct slk_http_parser *p, uint8_t c)
{
    unsigned digits = p->chunk_state >> 8;
    int value = hex_value(c);

    if (c == '\r' && digits > 0) {
        p->chunk_state = SIZE_LF;
        return true;
    }
    if (value < 0 || digits == CHUNK_DIGITS_MAX)
        return refuse(p, SLK_HTTP_CHUNK);
    p->chunk_left = p->chunk_left * 16 + (uint64_t)value;
    p->chunk_state = (digits + 1) << 8 | DIGITS;
    return true;
}

/* One byte of the frame around the chunks' bytes. */
static bool chunk_byte(struct slk_http_parser *p, uint8_t c)
{
    static const struct {
        uint8_t expected;
        enum chunk_state next;
    } steps[] = {[BYTES_CR] = {'\r', BYTES_LF},
        [BYTES_LF] = {'\n', DIGITS},
        [END_CR] = {'\r', END_LF},
        [END_LF] = {'\n', CHUNKS_DONE}};
    enum chunk_state state = (enum chunk_state)(p->chunk_state & 0xff);

    if (state == DIGITS)
        return chunk_digit(p, c);
    if (state == SIZE_LF) {
        if (c != '\n')
            return refuse(p, SLK_HTTP_CHUNK);
        if (p->chunk_left > p->body_max - p->body_size)
            return refuse(p, SLK_HTTP_BODY_SIZE);
        p->chunk_state = p->chunk_left > 0 ? BYTES : END_CR;
        return true;
    }
    if (c != steps[state].expected)
        return refuse(p, SLK_HTTP_CHUNK);
    p->chunk_state = steps[state].next;
    return true;
}

static size_t feed_chunks(struct slk_http_parser *p, const uint8_t *at, size_t size)
{
    size_t i = 0;

    while (i < size && p->phase == SLK_HTTP_IN_BODY && p->chunk_state != CHUNKS_DONE) {
        size_t n = 1;

        if (p->chunk_state == BYTES) {
            n = size - i < p->chunk_left ? size - i : (size_t)p->chunk_left;
            if (!body_add(p, at + i, n))
                break;
            p->chunk_left -= n;
            if (p->chunk_left == 0)
                p->chunk_state = BYTES_CR;
        } else if (!chunk_byte(p, at[i])) {
            break;
        }
        i += n;
    }
    if (p->phase == SLK_HTTP_IN_BODY && second_reads(p, at, i) && p->chunk_state == CHUNKS_DONE)
        (void)finish(p);
    return i;
}

size_t slk_http_feed(struct slk_http_parser *parser, const uint8_t *at, size_t size)
{
    if (size == 0)
        return 0;
    switch (parser->phase) {
    case SLK_HTTP_IN_HEAD:
        return feed_head(parser, at, size);
    case SLK_HTTP_IN_BODY:
        return parser->chunked ? feed_chunks(parser, at, size) : feed_length(parser, at, size);
    case SLK_HTTP_HEADED:
    case SLK_HTTP_DONE:
    case SLK_HTTP_REFUSED:
        return 0;
    }
    abort();
}

/* ---- answers ---- */

/* By hand: printf would read its format again for every answer. */
static void write_text(struct slk_writer *w, const char *text)
{
    slk_write_bytes(w, text, strlen(text));
}

static void write_decimal(struct slk_writer *w, uint64_t v)
{
    char digits[SLK_DECIMAL_MAX];

    slk_write_bytes(w, digits, slk_decimal_format(digits, v));
}

size_t slk_http_format_head(char *out, size_t cap, const struct slk_http_answer_head *head)
{
    struct slk_writer w = {.at = (uint8_t *)out, .cap = cap};

    write_text(&w, "HTTP/1.1 ");
    write_decimal(&w, head->status);
    write_text(&w, " ");
    write_text(&w, slk_http_status_text(head->status));
    write_text(&w, "\r\nDate: ");
    write_text(&w, head->date);
    if (head->type != NULL) {
        write_text(&w, "\r\nContent-Type: ");
        write_text(&w, head->type);
    }
    if (!head->until_close && head->status != 304) { /* its length would be that of a 200 (RFC 9110 §8.6) */
        write_text(&w, "\r\nContent-Length: ");
        write_decimal(&w, head->length);
    }
    write_text(&w, head->close ? "\r\nConnection: close\r\n" : "\r\n");
    write_text(&w, "X-Content-Type-Options: nosniff\r\n");
    if (head->fields != NULL)
        write_text(&w, head->fields);
    write_text(&w, "\r\n");
    return w.bad ? 0 : w.size;
}

void slk_http_format_date(char out[SLK_HTTP_DATE_SIZE], uint64_t unix_s)
{
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t day = unix_s / 86400, second = unix_s % 86400;
    /* Days to a date, counting from 1 March of a year 0: H. Hinnant's civil_from_days. */
    uint64_t z = day + 719468, era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
             doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint64_t mp = (5 * doy + 2) / 153, month = mp < 10 ? mp + 3 : mp - 9,
             year = yoe + era * 400 + (month <= 2);

    snprintf(out, SLK_HTTP_DATE_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * (day % 7),
        (unsigned)(doy - (153 * mp + 2) / 5 + 1) % 100, months + 3 * (month - 1), (unsigned)(year % 10000),
        (unsigned)(second / 3600), (unsigned)(second / 60 % 60), (unsigned)(second % 60));
}
