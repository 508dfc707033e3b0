#include "net/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/mesh_hello.h"

#define PIECE_PAYLOAD (SLK_FRAME_PIECE_MAX - SLK_FRAME_HEADER)
#define PART_KEPT     PIECE_PAYLOAD /* a part that has grown beyond one piece is freed when its message is done */

#define BULK_RATE   1000 /* it is bounded by what was asked for */
#define STATUS_RATE 16   /* the core's status_gap_ms lets through 10 */

struct kind {
    const char *name;
    enum slk_frame_class class;
    bool bulk;
    uint32_t cap;
    uint32_t rate;
    enum slk_frame_circle said_by, heard_by;
};

/* Caps: protocol §3.3; those of the core's messages are in ledger/core/msg.h. Rates: protocol §3.5. */
static const struct kind kinds[SLK_FRAME_TYPE_N] = {
#define P0        SLK_FRAME_P0
#define P1        SLK_FRAME_P1
#define P2        SLK_FRAME_P2
#define P3        SLK_FRAME_P3
#define VOTERS    SLK_FRAME_VOTERS
#define OBSERVERS SLK_FRAME_OBSERVERS
#define GUESTS    SLK_FRAME_GUESTS
    [SLK_FRAME_PROPOSAL] = {"PROPOSAL", P1, false, SLK_PROPOSAL_BYTES_MAX, 4, VOTERS, OBSERVERS},
    [SLK_FRAME_VOTE] = {"VOTE", P0, false, SLK_MSG_VOTE_MAX, 400, VOTERS, OBSERVERS},
    [SLK_FRAME_CERT] = {"CERT", P0, false, SLK_MSG_CERT_MAX, 20, VOTERS, GUESTS},
    [SLK_FRAME_STATUS] = {"STATUS", P0, false, SLK_MSG_STATUS_MAX, STATUS_RATE, GUESTS, GUESTS},
    [SLK_FRAME_COMMIT] = {"COMMIT", P1, false, SLK_MSG_COMMIT_MAX, 20, OBSERVERS, GUESTS},
    [SLK_FRAME_GET] = {"GET", P0, false, SLK_MSG_GET_MAX, 50, GUESTS, OBSERVERS},
    [SLK_FRAME_DATA] = {"DATA", P2, true, SLK_MSG_DATA_MAX, BULK_RATE, OBSERVERS, GUESTS},
    [SLK_FRAME_EVIDENCE] = {"EVIDENCE", P3, false, SLK_MSG_EVIDENCE_MAX, 4, OBSERVERS, OBSERVERS},
    [SLK_FRAME_HEADERS] = {"HEADERS", P2, true, SLK_MSG_HEADERS_MAX, BULK_RATE, OBSERVERS, GUESTS},
    [SLK_FRAME_EPOCHS] = {"EPOCHS", P2, true, SLK_PROPOSAL_BYTES_MAX, BULK_RATE, OBSERVERS, GUESTS},
    [SLK_FRAME_HELLO] = {"HELLO", P0, false, SLK_HELLO_MAX, 1, GUESTS, GUESTS},
    [SLK_FRAME_INV] = {"INV", P3, false, 16u * 1024, 10, OBSERVERS, VOTERS},
    [SLK_FRAME_WANT] = {"WANT", P3, false, 16u * 1024, 50, OBSERVERS, OBSERVERS},
    [SLK_FRAME_EVENTS] = {"EVENTS", P3, true, SLK_MSG_DATA_MAX, BULK_RATE, OBSERVERS, OBSERVERS},
    [SLK_FRAME_RECEIPT] = {"RECEIPT", P3, false, 16u * 1024, 50, OBSERVERS, OBSERVERS},
    [SLK_FRAME_COSIG] = {"COSIG", P3, false, 4096, 20, OBSERVERS, GUESTS},
    [SLK_FRAME_DIGEST] = {"DIGEST", P3, false, 4096, 4, OBSERVERS, VOTERS},
#undef P0
#undef P1
#undef P2
#undef P3
#undef VOTERS
#undef OBSERVERS
#undef GUESTS
};

bool slk_frame_type_known(unsigned type)
{
    return type < SLK_FRAME_TYPE_N && kinds[type].name != NULL;
}

const char *slk_frame_type_name(enum slk_frame_type type)
{
    return slk_frame_type_known((unsigned)type) ? kinds[type].name : "?";
}

enum slk_frame_class slk_frame_class_of(enum slk_frame_type type)
{
    assert(slk_frame_type_known((unsigned)type));
    return kinds[type].class;
}

size_t slk_frame_cap(enum slk_frame_type type)
{
    return slk_frame_type_known((unsigned)type) ? kinds[type].cap : 0;
}

bool slk_frame_is_bulk(enum slk_frame_type type)
{
    return slk_frame_type_known((unsigned)type) && kinds[type].bulk;
}

uint32_t slk_frame_rate(enum slk_frame_type type)
{
    assert(slk_frame_type_known((unsigned)type));
    return kinds[type].rate;
}

bool slk_frame_is_said_by(enum slk_frame_type type, enum slk_frame_circle who)
{
    assert(slk_frame_type_known((unsigned)type));
    return who <= kinds[type].said_by;
}

bool slk_frame_is_heard_by(enum slk_frame_type type, enum slk_frame_circle who)
{
    assert(slk_frame_type_known((unsigned)type));
    return who <= kinds[type].heard_by;
}

size_t slk_frame_piece(
    uint8_t *out, size_t cap, enum slk_frame_type type, struct slk_span message, size_t *sent)
{
    size_t left = message.size - *sent, size = left < PIECE_PAYLOAD ? left : PIECE_PAYLOAD;

    assert(slk_frame_type_known((unsigned)type) && *sent < message.size);
    if (cap < SLK_FRAME_HEADER + size)
        return 0;
    slk_put_u32(out, (uint32_t)size);
    out[4] = (uint8_t)type;
    out[5] = size < left ? SLK_FRAME_MORE : 0;
    out[6] = out[7] = 0;
    memcpy(out + SLK_FRAME_HEADER, message.at + *sent, size);
    *sent += size;
    return SLK_FRAME_HEADER + size;
}

/* A part whose message was handed out, before anything else goes into it. */
static void clear_given(struct slk_frame_reader *reader)
{
    struct slk_frame_part *part = &reader->parts[kinds[reader->type].class];

    reader->given = false;
    part->type = 0;
    part->size = 0;
    if (part->cap > PART_KEPT) {
        free(part->at);
        part->at = NULL;
        part->cap = 0;
    }
}

/* Room for what is left of the piece. The header's check keeps size + left within the type's cap. */
static enum slk_err grow(struct slk_frame_reader *reader, struct slk_frame_part *part)
{
    size_t need = part->size + reader->left, most = kinds[reader->type].cap;
    size_t cap = 2 * part->cap;
    uint8_t *at;

    assert(need <= most);
    if (need <= part->cap)
        return SLK_OK;
    if (cap > most)
        cap = most;
    if (cap < need)
        cap = need;
    at = realloc(part->at, cap);
    if (at == NULL)
        return SLK_E_NOMEM;
    part->at = at;
    part->cap = cap;
    return SLK_OK;
}

enum slk_err slk_frame_room(struct slk_frame_reader *reader, uint8_t **at, size_t *size)
{
    struct slk_frame_part *part;
    enum slk_err err;

    if (reader->given)
        clear_given(reader);
    if (reader->header_n < SLK_FRAME_HEADER) {
        *at = reader->header + reader->header_n;
        *size = SLK_FRAME_HEADER - reader->header_n;
        return SLK_OK;
    }
    assert(reader->left > 0);
    part = &reader->parts[kinds[reader->type].class];
    err = grow(reader, part);
    if (err != SLK_OK)
        return err;
    *at = part->at + part->size;
    *size = reader->left;
    return SLK_OK;
}

static enum slk_err begin_piece(struct slk_frame_reader *reader)
{
    size_t length = slk_get_u32(reader->header);
    unsigned type = reader->header[4], flags = reader->header[5];
    struct slk_frame_part *part;

    if (!slk_frame_type_known(type) || (flags & ~(unsigned)SLK_FRAME_MORE) != 0 || reader->header[6] != 0 ||
        reader->header[7] != 0 || length == 0 || (type == SLK_FRAME_HELLO) == reader->greeted)
        return SLK_E_MALFORMED;
    part = &reader->parts[kinds[type].class];
    if (part->type != 0 && part->type != type)
        return SLK_E_MALFORMED;
    if (length > kinds[type].cap - part->size)
        return SLK_E_TOO_LARGE;
    if (length > PIECE_PAYLOAD || (flags != 0 && length != PIECE_PAYLOAD))
        return SLK_E_MALFORMED;
    if (flags != 0 && length == kinds[type].cap - part->size)
        return SLK_E_TOO_LARGE; /* there would be more than fits */
    part->type = type;
    reader->type = type;
    reader->more = flags != 0;
    reader->left = length;
    return SLK_OK;
}

enum slk_err slk_frame_took(struct slk_frame_reader *reader, size_t size, struct slk_frame *out)
{
    struct slk_frame_part *part;

    *out = (struct slk_frame){.type = SLK_FRAME_TYPE_N};
    if (reader->header_n < SLK_FRAME_HEADER) {
        assert(size <= SLK_FRAME_HEADER - reader->header_n);
        reader->header_n += size;
        return reader->header_n == SLK_FRAME_HEADER ? begin_piece(reader) : SLK_OK;
    }
    part = &reader->parts[kinds[reader->type].class];
    assert(size <= reader->left && part->cap - part->size >= size);
    part->size += size;
    reader->left -= size;
    if (reader->left > 0)
        return SLK_OK;
    reader->header_n = 0;
    if (reader->more)
        return SLK_OK;
    reader->given = true;
    out->type = (enum slk_frame_type)reader->type;
    out->payload = slk_span_of(part->at, part->size);
    return SLK_OK;
}

enum slk_err slk_frame_feed(struct slk_frame_reader *reader, struct slk_span *bytes, struct slk_frame *out)
{
    *out = (struct slk_frame){.type = SLK_FRAME_TYPE_N};
    while (bytes->size > 0 && out->payload.at == NULL) {
        enum slk_err err;
        uint8_t *at;
        size_t size;

        err = slk_frame_room(reader, &at, &size);
        if (err != SLK_OK)
            return err;
        if (size > bytes->size)
            size = bytes->size;
        memcpy(at, bytes->at, size);
        bytes->at += size;
        bytes->size -= size;
        err = slk_frame_took(reader, size, out);
        if (err != SLK_OK)
            return err;
    }
    return SLK_OK;
}

size_t slk_frame_held(const struct slk_frame_reader *reader)
{
    size_t held = 0;

    for (size_t i = 0; i < SLK_FRAME_P_N; i++)
        held += reader->parts[i].cap;
    return held;
}

void slk_frame_close(struct slk_frame_reader *reader)
{
    for (size_t i = 0; i < SLK_FRAME_P_N; i++)
        free(reader->parts[i].at);
    *reader = (struct slk_frame_reader){0};
}
