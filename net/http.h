/* http.h: HTTP/1.1 as a node speaks it, without sockets: bytes in, one request at a time out, and its answer's head.
 *
 * Two readers read every request: a strict one of our own, which decides, and llhttp. Where they differ the request is
 * refused: what one reader takes for the end of a request and another does not is how requests are smuggled past a
 * proxy. Refused although llhttp or RFC 9112 would let it pass: a space before a colon, folded lines, bytes above 0x7e,
 * an empty line before the request, a body on GET, Content-Length twice even when equal, chunk extensions, trailers,
 * every target that is not "/...". HTTP/1.0 is read for proxies that speak it, one request a connection.
 */
#ifndef SLK_NET_HTTP_H
#define SLK_NET_HTTP_H

#include <llhttp.h>

#include "ledger/verify/bytes.h"

#define SLK_HTTP_HEAD_MAX   16384u /* request line and fields */
#define SLK_HTTP_TARGET_MAX 2048u
#define SLK_HTTP_FIELDS_MAX 64u

enum slk_http_method { SLK_HTTP_GET = 1, SLK_HTTP_HEAD, SLK_HTTP_POST };

/* Why a request was refused or a connection ended: X(name, status, sentence). Each is a counter of its own; status 0: the
 * connection is closed without a word. */
#define SLK_HTTP_REASONS(X)                                                                                  \
    X(NONE, 0, "fine")                                                                                       \
    /* bytes that are no request */                                                                          \
    X(BYTE, 400, "a control character, or a line that does not end in CR LF")                                \
    X(LINE, 400, "the first line must be: method, space, target, space, HTTP/1.1")                           \
    X(TARGET, 400, "the target must begin with a slash")                                                     \
    X(FIELD, 400, "a header field must be: name, colon, value, without a space before the colon")            \
    X(FOLD, 400, "a header field must not go on in a second line")                                           \
    X(HOST, 400, "exactly one Host field is needed")                                                         \
    X(FRAMING, 400, "Content-Length and Transfer-Encoding: one of them, once, well formed")                  \
    X(BODY_ON_GET, 400, "GET and HEAD take no body")                                                         \
    X(CHUNK, 400, "the chunks of the body are malformed, or have extensions or trailers")                    \
    X(DISAGREE, 400, "the request can be read in two ways")                                                  \
    /* requests that are not served */                                                                       \
    X(BAD_REQUEST, 400, "the request is not what this route takes")                                          \
    X(FORBIDDEN, 403, "this needs a client certificate that this node lists")                                \
    X(NOT_FOUND, 404, "there is no such thing here")                                                         \
    X(METHOD, 405, "this method is not for this route")                                                      \
    X(HEAD_SLOW, 408, "the request took too long")                                                           \
    X(BODY_SLOW, 408, "the body took too long")                                                              \
    X(LENGTH, 411, "POST needs Content-Length or chunks")                                                    \
    X(BODY_SIZE, 413, "the body is larger than this route takes")                                            \
    X(TARGET_SIZE, 414, "the target is too long")                                                            \
    X(MEDIA_TYPE, 415, "this Content-Type is not for this route, or there is a Content-Encoding")            \
    X(EXPECT, 417, "the only expectation is 100-continue")                                                   \
    X(STREAMS, 429, "this address has its share of streams: end one, or ask for /v1/status instead")         \
    X(FIELDS_SIZE, 431, "the header fields are larger than 16 KiB")                                          \
    X(FIELDS_COUNT, 431, "more than 64 header fields")                                                       \
    X(METHOD_UNKNOWN, 501, "only GET, HEAD and POST are known here")                                         \
    X(CODING, 501, "the only transfer coding is chunked")                                                    \
    X(MEMORY, 503, "too much is being sent at once: try again soon")                                         \
    X(FULL, 503, "too many connections: try again soon")                                                     \
    X(ANSWER_SLOW, 503, "the answer took too long: try again soon")                                          \
    X(VERSION, 505, "HTTP/1.1 and 1.0 are spoken here")                                                      \
    /* connections that end */                                                                               \
    X(IDLE, 0, "nothing was asked for a while")                                                              \
    X(EVICTED, 0, "its place, or its memory, was needed")                                                    \
    X(CUT_OFF, 0, "the client left in the middle of a request")                                              \
    X(READER_SLOW, 0, "the client did not read its answer")                                                  \
    X(READER_GONE, 0, "the client left before its answer was written")                                       \
    X(STREAM_SLOW, 0, "the client did not read its stream")                                                  \
    X(STOPPED, 0, "the node was stopping")                                                                   \
    X(TLS_SLOW, 0, "the handshake took too long")                                                            \
    X(TLS_VERSION, 0, "TLS 1.3 alone is spoken here")                                                        \
    X(TLS_PROTOCOL, 0, "HTTP/1.1 alone is spoken here, by ALPN")                                             \
    X(TLS_CLIENT, 0, "no client certificate that this node lists, or one that is out of date")               \
    X(TLS_BROKEN, 0, "no TLS, or one that went wrong")

enum slk_http_reason {
#define SLK_X(name, status, text) SLK_HTTP_##name,
    SLK_HTTP_REASONS(SLK_X)
#undef SLK_X
        SLK_HTTP_REASON_N
};
const char *slk_http_reason_name(enum slk_http_reason reason); /* "BODY_SIZE"; "?" out of range */
const char *slk_http_reason_text(enum slk_http_reason reason); /* a sentence */
unsigned slk_http_reason_status(enum slk_http_reason reason);  /* 413 */
const char *slk_http_status_text(unsigned status);             /* "Not Found" */

enum slk_http_phase {
    SLK_HTTP_IN_HEAD, /* bytes are missing */
    SLK_HTTP_HEADED,  /* line and fields are good: slk_http_accept, or an answer without reading the body */
    SLK_HTTP_IN_BODY, /* bytes are missing */
    SLK_HTTP_DONE,
    SLK_HTTP_REFUSED
};

/* A piece of the head. */
struct slk_http_piece {
    uint16_t at, size;
};
struct slk_http_field {
    struct slk_http_piece name, value;
};

struct slk_http_parser {
    enum slk_http_phase phase;
    enum slk_http_reason reason; /* REFUSED: why */
    /* from HEADED on */
    enum slk_http_method method;
    bool keep_alive;     /* the client wants another request on this connection */
    bool wants_continue; /* Expect: 100-continue */
    bool chunked;
    uint64_t length; /* Content-Length; 0 without one */
    struct slk_http_piece path, query;
    size_t fields_n;
    struct slk_http_field fields[SLK_HTTP_FIELDS_MAX];
    /* DONE; the first two are private until then */
    uint8_t *body;
    size_t body_size, body_room, body_max;
    /* private */
    uint8_t *head;
    size_t head_size, head_room, line_at;
    bool minor_0;
    unsigned chunk_state;
    uint64_t chunk_left;
    uint64_t second_body; /* bytes of body that llhttp saw */
    size_t second_fields;
    bool second_done;
    llhttp_t second;
};

void slk_http_parser_init(struct slk_http_parser *parser);
void slk_http_parser_free(struct slk_http_parser *parser); /* its memory; zeroes are fine */
/* Reads on; returns how many bytes it took, all of them unless the phase changed. In HEADED, DONE and REFUSED it takes none. */
SLK_MUST_CHECK size_t slk_http_feed(struct slk_http_parser *parser, const uint8_t *at, size_t size);
/* HEADED: take a body of at most `body_max` bytes. IN_BODY, DONE (there is none) or REFUSED (BODY_SIZE). */
void slk_http_accept(struct slk_http_parser *parser, size_t body_max);

struct slk_span slk_http_piece(const struct slk_http_parser *parser, struct slk_http_piece piece);
/* The first field of that name (lower case); false: there is none. */
bool slk_http_field(const struct slk_http_parser *parser, const char *name, struct slk_span *value);
/* The value of `name` in the query, "" for a name alone; false: it is not there. Nothing is unescaped: no value that a
 * route takes needs it. */
bool slk_http_query(const struct slk_http_parser *parser, const char *name, struct slk_span *value);
/* Whether `text` is the media type of a Content-Type, whatever parameters follow, in either case. */
bool slk_http_media_is(struct slk_span content_type, const char *text);
/* Whether an Accept-Encoding field takes this coding, by its name or by *. */
bool slk_http_takes_coding(struct slk_span accept_encoding, const char *coding);
/* Whether an If-None-Match names this tag, given with its quotes: "*", or a list of tags, W/ or not (RFC 9110 §13.1.2). */
bool slk_http_names_tag(struct slk_span if_none_match, const char *tag);
/* The rank, 0..1000, that an Accept field gives a media type; 0: not acceptable. Absent (empty): everything, equally. */
unsigned slk_http_accepts(struct slk_span accept, const char *media_type);

/* Status line and fields of an answer, without a NUL; the length, or 0 when it does not fit. */
struct slk_http_answer_head {
    unsigned status;
    const char *type;   /* NULL: no Content-Type */
    const char *fields; /* NULL, or whole lines with their CR LF */
    const char *date;   /* RFC 9110 §5.6.7 */
    uint64_t length;
    bool until_close; /* no length: the body ends with the connection */
    bool close;
};
size_t slk_http_format_head(char *out, size_t cap, const struct slk_http_answer_head *head);
#define SLK_HTTP_DATE_SIZE 30
/* "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale; years up to 9999. */
void slk_http_format_date(char out[SLK_HTTP_DATE_SIZE], uint64_t unix_s);

#endif
