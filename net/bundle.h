/* bundle.h: final blocks in files, for a node that has no network: written from a directory or a node, read and verified like
 * blocks that come over the network. ledger/README.md has the format, README.md what an import is worth.
 *
 *   bundle.c         the format: one reader, one writer, over bytes
 *   bundle_export.c  out of a source (a ledger's directory, or whatever can give blocks) into one file or several
 *   bundle_import.c  into a ledger's directory that nobody else writes to
 */
#ifndef SLK_NET_BUNDLE_H
#define SLK_NET_BUNDLE_H

#include "ledger/embed/ledger.h"

#define SLK_BUNDLE_FORMAT    1
#define SLK_BUNDLE_HEAD_SIZE (16 + 4 + 4 + 32 + 8 + 8 + 32 + 32)
#define SLK_BUNDLE_FRAME     5            /* kind, size */
#define SLK_BUNDLE_END_SIZE  (8 + 1 + 32) /* payload of END */
#define SLK_BUNDLE_NOTE_MAX  16384u       /* a checkpoint with 50 cosignatures */
#define SLK_BUNDLE_BLOCK_MAX (SLK_BLOCK_HEADER_SIZE + 2 + SLK_CERT_BYTES_MAX + SLK_BODY_MAX)
#define SLK_BUNDLE_PARTS_MAX 1000 /* FILE.000 to FILE.999 */

/* What a file begins with: `from` and `previous` are this file's, `to` is the whole bundle's. */
struct slk_bundle_head {
    uint32_t part;
    struct slk_hash chain_id;
    uint64_t from, to;
    struct slk_hash previous; /* hash of block from - 1 */
};

enum slk_bundle_kind {
    SLK_BUNDLE_CHARTER = 1, /* the genesis charter: for who makes the directory */
    SLK_BUNDLE_BLOCK,
    SLK_BUNDLE_CHECKPOINT, /* the signed checkpoint of block `to`, behind it */
    SLK_BUNDLE_END
};
struct slk_bundle_item {
    enum slk_bundle_kind kind;
    struct slk_span bytes; /* CHARTER, CHECKPOINT: all of it; BLOCK: its entries. Until the next call */
    const uint8_t *header; /* BLOCK: SLK_BLOCK_HEADER_SIZE */
    struct slk_block_header fields;
    struct slk_hash hash;
    struct slk_cert
        final; /* BLOCK: its finality certificate: form, height and hash agree, signatures are not looked at */
    bool is_last; /* END: no other part follows */
};

/* ---- reading ---- */

/* Fills `out` up to `cap`: how many bytes; 0: the end; SIZE_MAX: the disk failed. */
typedef size_t slk_bundle_fill_fn(void *ctx, uint8_t *out, size_t cap);
struct slk_bundle_reader {
    slk_bundle_fill_fn *fill;
    void *ctx;
    struct slk_bundle_head head;
    uint64_t next; /* height of the block that must come now */
    struct slk_hash previous;
    enum slk_bundle_kind last; /* kind of the frame before; 0: none */
    struct slk_sha sha;        /* of all bytes so far */
    uint8_t *bytes;            /* a frame's */
    size_t cap;
};
/* Reads the head. SLK_OK; SLK_E_MALFORMED: no bundle, cut off or altered; SLK_E_FORMAT: a newer one; SLK_E_IO. The fault says it in
 * words. slk_bundle_close in every case. */
SLK_MUST_CHECK enum slk_err slk_bundle_open(
    struct slk_bundle_reader *r, slk_bundle_fill_fn *fill, void *ctx, struct slk_fault *fault);
/* The next item. Blocks come in order without a gap, each linked to the one before and of the head's chain; END comes last, and
 * only if the digest is right and nothing follows. Errors as above, and SLK_E_NOMEM; nothing may be read after one. */
SLK_MUST_CHECK enum slk_err slk_bundle_next(
    struct slk_bundle_reader *r, struct slk_bundle_item *item, struct slk_fault *fault);
void slk_bundle_close(struct slk_bundle_reader *r);

/* ---- writing ---- */

void slk_bundle_head_format(uint8_t out[SLK_BUNDLE_HEAD_SIZE], const struct slk_bundle_head *head);
void slk_bundle_frame_format(uint8_t out[SLK_BUNDLE_FRAME], enum slk_bundle_kind kind, size_t size);
/* `file`: of everything before the digest but these bytes. */
void slk_bundle_end_format(
    uint8_t out[SLK_BUNDLE_END_SIZE], const struct slk_sha *file, uint64_t next, bool is_last);
/* Payload of BLOCK: out[SLK_BUNDLE_BLOCK_MAX at most]; its length, 0: `cap` is too small or the certificate has no form. */
size_t slk_bundle_block_format(uint8_t *out, size_t cap, const uint8_t header[SLK_BLOCK_HEADER_SIZE],
    const struct slk_cert *final, struct slk_span entries);

/* ---- export ---- */

/* Whence blocks come. */
struct slk_bundle_source {
    void *ctx;
    struct slk_hash chain_id;
    struct slk_span charter; /* of genesis */
    uint64_t tip;            /* the highest block there is */
    /* Payload of BLOCK, borrowed until the next call. */
    enum slk_err (*block)(void *ctx, uint64_t height, struct slk_span *payload, struct slk_fault *fault);
    /* The newest signed checkpoint when it is of block `to`, whose log has `size` entries; empty: there is none. NULL: never. */
    struct slk_span (*checkpoint)(void *ctx, uint64_t size);
};
/* A ledger's directory, also while a node writes to it: what is read is one moment's. */
struct slk_bundle_store {
    struct slk_bundle_source source;
    struct slk_store *store;
    struct slk_view *view;
    struct slk_cert final;
    uint8_t *payload;
    uint8_t *note;
    size_t note_n;
    uint64_t note_size; /* of the tree that it signs */
    unsigned since_renewed;
};
SLK_MUST_CHECK enum slk_err slk_bundle_store_open(
    struct slk_bundle_store *out, const char *dir, struct slk_fault *fault);
void slk_bundle_store_close(struct slk_bundle_store *store);

struct slk_bundle_export {
    const char *file;
    uint64_t from, to;  /* 0: from the first block; UINT64_MAX: to the newest */
    uint64_t max_bytes; /* of a file: then FILE.000, FILE.001 ...; 0: one file, FILE */
    slk_progress_fn *progress;
    void *progress_ctx;
};
struct slk_bundle_sizes {
    uint64_t from, to, blocks_n, bytes;
    unsigned parts_n;
    bool has_checkpoint;
};
/* Each file is written under another name, synced, then renamed: one that is there is whole. SLK_E_RANGE: no such blocks; SLK_E_TOO_LARGE:
 * a block alone is larger than max_bytes, or too many parts; SLK_E_IO, SLK_E_NO_SPACE; what the source answers. */
SLK_MUST_CHECK enum slk_err slk_bundle_export(const struct slk_bundle_source *source,
    const struct slk_bundle_export *what, struct slk_bundle_sizes *sizes, struct slk_fault *fault);

/* ---- import ---- */

struct slk_bundle_import {
    const char *dir;
    const char *file; /* a file, or the name that parts were written under */
    const struct slk_hash
        *chain; /* NULL, or: `dir` is made when there is none, if this is the bundle's chain */
    bool
        is_vouched; /* issuers' signatures are not checked: the members who finalised a block have done that */
    unsigned threads;
    void (*imported)(void *ctx, uint64_t height); /* the block is on disk; may be NULL */
    void *ctx;
    slk_progress_fn *progress;
    void *progress_ctx;
};
struct slk_bundle_result {
    uint64_t tip;        /* of the ledger now */
    uint64_t blocks_n;   /* that were new */
    uint64_t known_n;    /* that were there already, and the same */
    uint64_t events_n;   /* in the new ones */
    unsigned parts_n;    /* that were read to their end */
    bool has_checkpoint; /* a quorum's checkpoint of the tip came along, and is stored */
};
/* Verifies and commits block by block: finality certificate by the charter in force, everything executed. What was imported
 * stays, whatever the answer; the same import again goes on behind it.
 * SLK_OK; SLK_E_IN_USE: a node runs on the directory; SLK_E_CHAIN: another ledger's, a gap before its first block, or another block than
 * the one that is final here; SLK_E_REFUSED: it ends below the tip, or a block breaks a rule; SLK_E_SIGNATURE: a block without its
 * quorum; SLK_E_CORRUPT, SLK_E_MALFORMED: altered or cut off; SLK_E_NOT_FOUND; SLK_E_IO. The fault names the height and the reason. */
SLK_MUST_CHECK enum slk_err slk_bundle_import(
    const struct slk_bundle_import *what, struct slk_bundle_result *result, struct slk_fault *fault);

#endif
