/* cmd_proof.c: `sillok proof`: status proofs from one encoding into the other, and what they look like. */
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/proof.h"
#include "tools/cli.h"

static int convert(struct cli *cli)
{
    const char *out = NULL, *format = NULL;
    uint8_t *bytes = NULL, *other;
    size_t size = 0, cap, other_size = 0;
    bool to_binary;
    enum slk_err err;
    const struct cli_option options[] = {
        CLI_OUT(&out, "where the proof goes (default: standard output)"),
        CLI_TEXT("format", "text|binary", &format, "what it becomes (default: what it is not)"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "binary") != 0)
        return cli_fail(cli, CLI_UNSURE, "--format: text or binary");
    if (!cli_read(cli, cli->args[0], SLK_PROOF_MAX, &bytes, &size))
        return CLI_UNSURE;
    to_binary = format != NULL ? strcmp(format, "binary") == 0 : slk_proof_is_text(slk_span_of(bytes, size));
    cap = 2 * size + 1024;
    other = malloc(cap);
    if (other == NULL)
        err = SLK_E_NOMEM;
    else if (to_binary)
        err = slk_proof_to_binary(other, cap, &other_size, slk_span_of(bytes, size));
    else
        err = slk_proof_to_text(other, cap, &other_size, slk_span_of(bytes, size));
    if (err == SLK_E_MALFORMED)
        cli->exit_code = cli_fail(cli, CLI_UNSURE,
            "%s: not a status proof, neither the text of one (.tlog-proof) nor its binary form",
            cli->args[0]);
    else if (err != SLK_OK)
        cli->exit_code = cli_fault(cli, CLI_UNSURE, cli->args[0], err, NULL);
    else
        cli->exit_code = cli_write(cli, out, other, other_size) ? CLI_YES : CLI_UNSURE;
    free(other);
    free(bytes);
    return cli->exit_code;
}

static const struct cli_command cmd_convert = {
    .name = "proof convert",
    .usage = "PROOF [-o FILE] [--format text|binary]",
    .summary = "Turn a status proof from text into binary, or back",
    .about = "The two forms say the same, and there and back gives the same bytes. Nothing is verified: "
             "`sillok-verify` does that, "
             "with\n"
             "either form. A text with a cosignature of a kind that this program does not know stays a text.",
    .run = convert,
};

/* ---- the format: also the manual page status-proof(5), by tools/man.py ---- */

static const char about[] =
    "A status proof is a file that shows the state of one credential, or that it was never issued, under a\n"
    "checkpoint that the agencies of a ledger cosigned. It is checked offline, with a trust policy and the\n"
    "credential's handle (`sillok-verify`). There are two encodings of the same thing: a text, and a binary\n"
    "form for QR codes. `sillok proof convert` makes one of the other, and there and back gives the same\n"
    "bytes. Neither leaves a choice of spelling: what is written in any other way than below is refused.\n";

static const char text_form[] =
    "The C2SP tlog-proof of the block's seal, which is the last entry of the log. A file that begins with\n"
    "the first of these lines is a text; each line ends with a line feed, and none is missing:\n\n"
    "  " SLK_TLOG_PROOF_HEADER "  extra BASE64          a StatusExtra, see below\n"
    "  index DECIMAL         of the seal: the size in the checkpoint, less 1\n"
    "  BASE64                the inclusion path (RFC 9162): a line for each hash, the leaf's sibling first\n"
    "                        an empty line\n"
    "  ORIGIN                the checkpoint (C2SP tlog-checkpoint, without extension lines)\n"
    "  DECIMAL               its size: so many entries\n"
    "  BASE64                its root hash\n"
    "                        an empty line\n"
    "  U+2014 NAME BASE64    a line for each signature (C2SP signed-note): a dash, a key's name, a blob\n\n"
    "Base64 is that of RFC 4648, section 4, padded; DECIMAL has no leading zero.\n";

static const char binary_form[] =
    "Protobuf messages (proto/ledger.proto) in one form: fields in ascending order, shortest varints, no\n"
    "field that is not listed, none that is empty or 0. Hashes have 32 bytes.\n\n"
    "  StatusProof    1 origin       text, the checkpoint's first line\n"
    "                 2 tree_size    varint, the checkpoint's size\n"
    "                 3 root_hash    bytes, the checkpoint's root\n"
    "                 4 signature    NoteSignature, one or more, in the order of the text\n"
    "                 5 seal_path    bytes, the inclusion path's hashes in one; absent when there is none\n"
    "                 6 extra        StatusExtra\n"
    "  NoteSignature  1 name         text, the key's name\n"
    "                 2 blob         bytes, what the signature line has in base64\n\n"
    "A blob is the key id (4 bytes), then of a log key (type 0x01) the Ed25519 signature of the checkpoint,\n"
    "of a cosigner's (type 0x04) the time in Unix seconds (8 bytes) and the signature of cosignature/v1. A\n"
    "longer one can stand in a text alone.\n";

static const char extra_form[] =
    "In both encodings, as protobuf like above. Entries are those of the log: an Entry message, whose hash\n"
    "as an RFC 6962 leaf is in the tree.\n\n"
    "  StatusExtra    1 seal         bytes, the Entry with the block's seal: the entry at tree size less 1\n"
    "                 2 map_proof    bytes, see below\n"
    "                 3 event        bytes, an Entry with an event; none, or every one, oldest first\n\n"
    "Without events the proof is of the present alone.\n";

static const char map_form[] =
    "What the seal's map_root holds for the handle. Integers are big-endian.\n\n"
    "  1 byte         end: 0 nothing there, 1 the record, 2 the leaf of another credential\n"
    "  2 bytes        n: levels from the root to the end, 0 to 256\n"
    "  n / 8 bytes    rounded up: a bit for each level from the root down, the top bit first: is the\n"
    "                 sibling not empty? Spare bits are 0\n"
    "  32 bytes each  the siblings that are not empty, deepest first\n"
    "  end 1          the record, 144 bytes\n"
    "  end 2          32 bytes path and 32 bytes value hash of the leaf that is there\n\n"
    "The path is SHA-256(handle), top bit first. A leaf is SHA-256(0x00, path, SHA-256(record)), an inner\n"
    "node SHA-256(0x01, left, right), an empty subtree 32 zero bytes; a subtree with one leaf is that leaf,\n"
    "so the deepest sibling is never empty. Ends 0 and 2 show that there is no record: the path of end 2\n"
    "shares its first n bits with the handle's. Such a proof has no events.\n";

static const char record_form[] =
    "  bytes   0-31   history: 32 zero bytes, then for each event SHA-256(0x02, history, leaf hash of its\n"
    "                 entry)\n"
    "         32-63   id of the last event: SHA-256(\"sillok/event/1\", two zero bytes, event)\n"
    "         64-71   number of events\n"
    "         72      state: 1 ACTIVE, 2 LOCKED, 3 REVOKED (EXPIRED is ACTIVE past valid_until)\n"
    "         73      carrier: 1 CHIP_CARD, 2 PHONE\n"
    "         74-77   credential type\n"
    "         78-79   agency that owns it\n"
    "         80-87   valid_until, Unix seconds\n"
    "         88-95   when the last event was recorded, Unix milliseconds\n"
    "         96-99   place in the status list\n"
    "        100-103  reason code\n"
    "        104-135  device\n"
    "        136-143  zero\n";

static const char checking[] =
    "The signatures must satisfy the policy; the seal must be the last entry under the root hash; the map\n"
    "proof must lead to the seal's map_root; the events, if there are any, are judged again by the ledger's\n"
    "rules and must arrive at the record, byte for byte. The age of a proof is that of the cosignatures "
    "that\n"
    "make the quorum. `slk_verify_status` of sillok.h does all of it.\n";

static const char qr_form[] =
    "The letters " SLK_QR_PREFIX " and, in base 45 (RFC 9285), 32 bytes of handle and the binary form; both\n"
    "together are so short that one code of version 40-L holds them.\n";

static int format(struct cli *cli)
{
    const struct cli_option options[] = {{0}};

    if (!cli_parse(cli, options, 0, 0))
        return cli->exit_code;
    printf("%s\nTEXT\n\n%s\nBINARY\n\n%s\nEXTRA\n\n%s\nMAP PROOF\n\n%s\nSTATUS RECORD\n\n%s\nCHECKING\n\n%s",
        about, text_form, binary_form, extra_form, map_form, record_form, checking);
    printf(
        "\nLIMITS\n\nAt most %u bytes, %d events, %d signatures, %d hashes in the path; names of at most %d\n"
        "bytes, blobs of at most %d in the binary form.\n",
        SLK_PROOF_MAX, SLK_PROOF_EVENTS_MAX, SLK_NOTE_SIGS_MAX, SLK_PATH_MAX, SLK_NAME_MAX,
        SLK_NOTE_BLOB_MAX);
    printf("\nQR CODES\n\n%s", qr_form);
    return CLI_YES;
}

static const struct cli_command cmd_format = {
    .name = "proof format",
    .usage = "",
    .summary = "Say byte for byte what a status proof looks like, in both encodings",
    .about = "For who writes a verifier of their own; the same as the manual page status-proof(5).",
    .run = format,
};

static int run(struct cli *cli)
{
    static const struct cli_command *const commands[] = {&cmd_convert, &cmd_format, NULL};

    return cli_run_sub(cli, commands);
}

const struct cli_command cmd_proof = {
    .name = "proof",
    .usage = "convert|format ...",
    .summary = "Turn proofs from one form into the other, and say what both look like",
    .about = "",
    .run = run,
};
