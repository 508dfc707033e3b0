/* frame.h: what a connection between nodes carries. Source: protocol §3.3, §3.4. README.md has the wire.
 *
 *   u32 length ‖ u8 type ‖ u8 flags ‖ u16 zero ‖ payload[length]
 *
 * One such piece is at most 16 KiB, a TLS record, so that a vote never waits for more than one piece of something larger.
 * A message is one piece, or several: all but its last are full and say MORE. Pieces of different classes may stand
 * between each other, those of one class may not. The payload is what ledger/core/msg.h prints, a HELLO (mesh_hello.h), or what
 * node_gossip.c and node_cosign.c say of theirs. Memory grows with the bytes that came, by at most one piece ahead of them.
 */
#ifndef SLK_NET_FRAME_H
#define SLK_NET_FRAME_H

#include "ledger/core/msg.h"

#define SLK_FRAME_HEADER    8
#define SLK_FRAME_PIECE_MAX 16384 /* RFC 8446 §5.1: the plaintext of one record; header and payload */
#define SLK_FRAME_MORE      0x01  /* flags: the message goes on in the next piece of its class */

/* The members' messages keep the numbers of enum slk_msg_kind. */
enum slk_frame_type {
    SLK_FRAME_PROPOSAL = SLK_MSG_PROPOSAL,
    SLK_FRAME_VOTE = SLK_MSG_VOTE,
    SLK_FRAME_CERT = SLK_MSG_CERT,
    SLK_FRAME_STATUS = SLK_MSG_STATUS,
    SLK_FRAME_COMMIT = SLK_MSG_COMMIT,
    SLK_FRAME_GET = SLK_MSG_GET,
    SLK_FRAME_DATA = SLK_MSG_DATA,
    SLK_FRAME_EVIDENCE = SLK_MSG_EVIDENCE,
    SLK_FRAME_HEADERS = SLK_MSG_HEADERS,
    SLK_FRAME_EPOCHS = SLK_MSG_EPOCHS,
    SLK_FRAME_HELLO,   /* the first in each direction, once */
    SLK_FRAME_INV,     /* names of submissions and charter changes that a node holds */
    SLK_FRAME_WANT,    /* asks for one EVENTS */
    SLK_FRAME_EVENTS,  /* what these names stand for, or a part of it */
    SLK_FRAME_RECEIPT, /* promises to take submissions in */
    SLK_FRAME_COSIG,   /* cosignatures of checkpoints, and of what status lists say */
    SLK_FRAME_DIGEST,  /* fingerprints of the pool */
    SLK_FRAME_TYPE_N
};

enum slk_frame_class {
    SLK_FRAME_P0, /* STATUS VOTE CERT GET, and HELLO: before everything else */
    SLK_FRAME_P1, /* PROPOSAL COMMIT */
    SLK_FRAME_P2, /* DATA HEADERS EPOCHS */
    SLK_FRAME_P3, /* the rest */
    SLK_FRAME_P_N
};

/* Whom a message may come from, or is for: each circle holds the ones before it. */
enum slk_frame_circle {
    SLK_FRAME_VOTERS,    /* members that vote */
    SLK_FRAME_OBSERVERS, /* and those of the charter that do not */
    SLK_FRAME_GUESTS     /* and keys that are in no charter */
};

/* What follows is a row of the table in frame.c for each type. */
bool slk_frame_type_known(unsigned type);
const char *slk_frame_type_name(enum slk_frame_type type); /* "VOTE"; "?" out of range */
enum slk_frame_class slk_frame_class_of(enum slk_frame_type type);
/* Of a whole message, protocol §3.3; 0 for no type. */
size_t slk_frame_cap(enum slk_frame_type type);
/* Is it sent only in answer to a question? DATA HEADERS EPOCHS EVENTS. */
bool slk_frame_is_bulk(enum slk_frame_type type);
/* Messages a second that are read of one peer, where delta is 400 ms, protocol §3.5. */
uint32_t slk_frame_rate(enum slk_frame_type type);
/* Is it taken from those who belong to this circle and to no smaller one? Is it sent to them? */
bool slk_frame_is_said_by(enum slk_frame_type type, enum slk_frame_circle who);
bool slk_frame_is_heard_by(enum slk_frame_type type, enum slk_frame_circle who);

/* ---- writing ---- */

/* The next piece of a message of which `sent` bytes have gone: header and payload into out[cap], cap >= SLK_FRAME_HEADER + 1.
 * Returns its size, or 0 when it does not fit: a piece is never made smaller than it must be. *sent grows. */
size_t slk_frame_piece(
    uint8_t *out, size_t cap, enum slk_frame_type type, struct slk_span message, size_t *sent);

/* ---- reading ---- */

struct slk_frame {
    enum slk_frame_type type;
    struct slk_span payload; /* borrowed until the reader is used again */
};

struct slk_frame_part {
    unsigned type; /* 0: none under way */
    uint8_t *at;
    size_t size, cap;
};
/* Zero-initialise, close at the end. Holds at most one message per class: the sum of their caps. */
struct slk_frame_reader {
    uint8_t header[SLK_FRAME_HEADER];
    size_t header_n;
    size_t left;   /* of the piece whose header is complete */
    unsigned type; /* of that piece */
    bool more;
    bool
        greeted; /* set by the owner when HELLO is behind: before it nothing else is read, afterwards no second one */
    bool given; /* the message of `type` was handed out: its part is empty before the next byte comes */
    struct slk_frame_part parts[SLK_FRAME_P_N];
};

/* Where the next bytes of the connection go, and at most how many of them; never 0. SLK_E_NOMEM: no memory, which is not the
 * peer's fault. */
SLK_MUST_CHECK enum slk_err slk_frame_room(struct slk_frame_reader *reader, uint8_t **at, size_t *size);
/* `size` bytes have come there. SLK_OK: out->payload.at is NULL, or the message that they complete. SLK_E_TOO_LARGE: above its
 * type's cap. SLK_E_MALFORMED: an unknown type, flags, a piece that is empty or needlessly small, HELLO out of place, a piece
 * of another message in between. After a refusal the reader can only be closed. */
SLK_MUST_CHECK enum slk_err slk_frame_took(
    struct slk_frame_reader *reader, size_t size, struct slk_frame *out);
/* Both, for bytes in memory: takes from the front of *bytes until a message is complete or nothing is left. */
SLK_MUST_CHECK enum slk_err slk_frame_feed(
    struct slk_frame_reader *reader, struct slk_span *bytes, struct slk_frame *out);
size_t slk_frame_held(const struct slk_frame_reader *reader); /* bytes allocated */
void slk_frame_close(struct slk_frame_reader *reader);

#endif
