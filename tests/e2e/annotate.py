#!/usr/bin/env python3
"""The formats in hex, with what each byte is: the part of ledger/verify/INTEGRATOR.md between its two marks.

  annotate.py SOURCE_DIR          prints it
  annotate.py --write SOURCE_DIR  puts it there

The bytes are seeds of tests/fuzz/corpus, which never change; names and types are those of proto/ledger.proto. Reads protobuf by itself:
this is also a second reader of the formats.
"""
import base64
import hashlib
import os
import re
import struct
import sys

PAGE = "ledger/verify/INTEGRATOR.md"
BEGIN, END = "<!-- annotate.py: from here -->", "<!-- annotate.py: to here -->"
WIDTH = 16
# What the bytes of a field are: a message again, or a form of its own.
INSIDE = {("StatusExtra", "seal"): "Entry", ("StatusExtra", "event"): "Entry", ("Recorded", "event"): "Event", ("Submission", "event"): "Event"}


def schema(text):
    """{message: {number: (type, name)}}, {enum: {number: name}} of our .proto, which uses few of the language's forms."""
    text = re.sub(r"//.*", "", text)
    messages = {}
    for name, body in re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", text):
        fields = re.findall(r"(?:repeated )?(\w+) (\w+) = (\d+);", body)
        messages[name] = {int(number): (kind, field) for kind, field, number in fields}
    enums = {name: {int(v): k for k, v in re.findall(r"(\w+) = (\d+);", body)} for name, body in re.findall(r"enum (\w+) \{([^}]*)\}", text)}
    return messages, enums


class Page:
    def __init__(self, messages, enums):
        self.messages, self.enums, self.lines = messages, enums, []

    def row(self, data, said, depth=0):
        for i in range(0, max(len(data), 1), WIDTH):
            text = "  " * depth + said if i == 0 else ""
            self.lines.append(f"    {data[i:i + WIDTH].hex(' '):<{3 * WIDTH}} {text}".rstrip())

    def varint(self, data, at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value, at

    def message(self, name, data, depth=0):
        at = 0
        while at < len(data):
            start = at
            tag, at = self.varint(data, at)
            kind, field = self.messages[name][tag >> 3]
            value, at = self.varint(data, at)
            if tag & 7 == 0:
                word = self.enums.get(kind, {}).get(value)
                self.row(data[start:at], f"{field} = {word or value}", depth)
                continue
            inner, head = data[at:at + value], data[start:at]
            assert tag & 7 == 2 and len(inner) == value
            at += value
            self.field(name, kind, field, head, inner, depth)

    def field(self, name, kind, field, head, inner, depth):
        into = kind if kind in self.messages else INSIDE.get((name, field))
        size = f"{len(inner)} bytes"
        if into:
            self.row(head, f"{field}, {size}: {into}", depth)
            self.message(into, inner, depth + 1)
        elif kind == "string":
            self.row(head + inner, f'{field} = "{inner.decode()}"', depth)
        elif (name, field) == ("StatusExtra", "map_proof"):
            self.row(head, f"{field}, {size}", depth)
            self.map_proof(inner, depth + 1)
        elif name == "NoteSignature":
            self.row(head, f"{field}, {size}", depth)
            self.blob(inner, depth + 1)
        elif field == "seal_path":
            self.row(head, f"{field}: {len(inner) // 32} hashes, the leaf's sibling first", depth)
            for i in range(0, len(inner), 32):
                self.row(inner[i:i + 32], f"[{i // 32}]", depth + 1)
        else:
            self.row(head, f"{field}, {size}", depth)
            self.row(inner, "", depth)

    def blob(self, b, depth):
        """What a note's signature line holds in base64: the log's 68 bytes, or a cosignature's 76."""
        self.row(b[:4], "key id: of the key name, its type and the key", depth)
        if len(b) == 76:
            self.row(b[4:12], f"cosignature: Unix seconds, {struct.unpack('>Q', b[4:12])[0]}", depth)
        self.row(b[-64:], "Ed25519" + (' of "cosignature/v1\\ntime SECONDS\\n" and the note' if len(b) == 76 else " of the note"), depth)

    def map_proof(self, b, depth):
        n, = struct.unpack(">H", b[1:3])
        bits = b[3:3 + (n + 7) // 8]
        self.row(b[:1], f"end: {['an empty place', 'the record', 'another leaf'][b[0]]}", depth)
        self.row(b[1:3], f"depth {n}", depth)
        self.row(bits, "bitmap: which siblings are not empty", depth)
        at = 3 + len(bits)
        for i in range(sum(bin(x).count("1") for x in bits)):
            self.row(b[at:at + 32], "sibling" + (", the deepest first" if i == 0 else ""), depth)
            at += 32
        if b[0] == 1:
            self.record(b[at:], depth)
        elif b[0] == 2:
            self.row(b[at:at + 32], "its path", depth)
            self.row(b[at + 32:], "the hash of its value", depth)

    def record(self, b, depth):
        self.row(b"", "the record, 144 bytes:", depth)
        at = 0
        for size, name in ((32, "history"), (32, "last event id"), (8, "count"), (1, "state"), (1, "carrier"), (4, "type"), (2, "owner"),
                           (8, "valid_until, seconds"), (8, "recorded_at, ms"), (4, "status_index"), (4, "reason"), (32, "device"), (8, "zero")):
            value = int.from_bytes(b[at:at + size], "big")
            self.row(b[at:at + size], name if size == 32 or name == "zero" else f"{name} = {value}", depth)
            at += size
        assert at == len(b) == 144


def section(source):
    def seed(name):
        with open(os.path.join(source, "tests/fuzz/corpus", name), "rb") as f:
            return f.read()

    with open(os.path.join(source, "proto/ledger.proto")) as f:
        page = Page(*schema(f.read()))
    out = page.lines

    def head(title, text):
        out.extend(["", f"### {title}", "", text, ""])

    note = seed("proof/record-text").decode()
    note = note[note.index("status.example/ledger\n52"):]
    head("A checkpoint with its cosignatures", "A C2SP signed note: the text is origin, size of the log and root hash; an empty line; then one line for each signature. The log's "
         "signature has the origin as its name, a cosignature its member's. Signed by three of the policy's four:")
    out.extend(("    " + l).rstrip() for l in note.splitlines())
    lines = [l.split(" ") for l in note.splitlines() if l.startswith("\u2014")]
    head("The same signatures in bytes", "What follows the name in each line, out of base64. First the log's, then one member's cosignature.")
    page.blob(base64.b64decode(lines[0][2]), 0)
    out.append("")
    page.blob(base64.b64decode(lines[1][2]), 0)
    issue, proof = seed("entry/issue"), seed("proof/record-binary")
    head("An entry", "A leaf of the log: an ISSUE, as the issuer signed it, with the ledger's time around it.")
    page.message("Entry", issue)
    head("A submission", "What is posted: the issuer's key id, its signature over all events together, the events.")
    page.message("Submission", seed("submission/single"))
    authorization = seed("entry/authorization")
    head("A bundle of entries", "`/tile/entries/...`: each with its length before it. Here two.")
    for entry in (issue, authorization):
        page.row(struct.pack(">H", len(entry)), f"length {len(entry)}")
        page.row(entry, "the entry")
    head("A tile", "`/tile/0/...`: hashes without anything between them, SHA-256 of a zero byte and the entry. Of the same two, `.p/2`:")
    for entry in (issue, authorization):
        page.row(hashlib.sha256(b"\0" + entry).digest(), "leaf hash")
    head("A status proof", f"`StatusProof`, binary, {len(proof)} bytes, without history: the checkpoint above, the path of its last leaf, that leaf (the seal), and the "
         "map proof of one credential's record under the seal's map root.")
    page.message("StatusProof", proof)
    return "\n".join(out).strip("\n") + "\n"


def between(text):
    """The page before, in and behind the marks."""
    a, b = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:a], text[a:b], text[b:]


def main(argv):
    source = argv[-1]
    if argv[1] != "--write":
        print(section(source), end="")
        return 0
    path = os.path.join(source, PAGE)
    with open(path) as f:
        before, _, behind = between(f.read())
    with open(path, "w") as f:
        f.write(before + "\n\n" + section(source) + "\n" + behind)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
