#!/usr/bin/env python3
"""The manual pages: one for each command, everything that --help says in them, and nothing for mandoc to complain of.

  man.py SILLOK SILLOKD SILLOK_VERIFY MAN_DIR      (TAP)
"""
import os
import re
import shutil
import subprocess
import sys

from network import check, skip

import network

FRAME = {"usage", "exit", "codes", "everywhere", "status", "configuration", "lines", "defaults"}  # what a page says in its own form


def run(*command):
    r = subprocess.run(command, capture_output=True, text=True)
    return r.stdout + r.stderr


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def fields_of(proto, *messages):
    """{"StatusProof": ["1 origin", ...]} as the schema has them."""
    with open(proto) as f:
        text = f.read()
    body = {m: re.search(rf"message {m} {{(.*?)}}", text, re.S).group(1) for m in messages}
    return {m: [f"{n} {name}" for name, n in re.findall(r"(\w+) = (\d+);", b)] for m, b in body.items()}


def main(argv):
    sillok, sillokd, verify, man = argv[1:]
    pages = {f: os.path.join(man, d, f) for d in sorted(os.listdir(man)) for f in sorted(os.listdir(os.path.join(man, d)))}
    listed = re.findall(r"^  ([a-z-]+) +[A-Z]", run(sillok, "--help"), re.M)
    wanted = [f"sillok-{name}.1" for name in listed] + ["sillok.1", "sillokd.8", "sillokd.ini.5", "sillok-verify.1", "status-proof.5",
                                                        "sillok-charter-propose.1", "sillok-evidence-export.1"]
    check("every command has a page", len(listed) > 15 and not set(wanted) - set(pages), *sorted(set(wanted) - set(pages)))
    source = {}
    for name, path in pages.items():
        with open(path) as f:
            source[name] = f.read()
    known = {tuple(name.rsplit(".", 1)) for name in pages}
    dangling = [f"{name}: {to}" for name, text in source.items() for to in re.findall(r"^\.(?:It )?Xr (\S+) (\d)", text, re.M)
                if to not in known]
    check("and names only pages that there are", not dangling, *dangling)
    schema, said, message = os.path.join(os.path.dirname(__file__), "../../proto/ledger.proto"), {}, ""
    for name, field in re.findall(r"^  (\w*) +(\d \w+) {2,}\w", run(sillok, "proof", "format"), re.M):
        message = name or message
        said.setdefault(message, []).append(field)
    wanted = fields_of(schema, "StatusProof", "NoteSignature", "StatusExtra")
    check("the page of status proofs has the fields of the schema", said == wanted, said, wanted)
    if shutil.which("mandoc") is None:
        print("# skipped: mandoc is not installed (tools/setup --check)")
        skip("mandoc finds nothing to complain of", "no mandoc")
        skip("and what --help says is what a reader sees", "no mandoc")
        return
    told = [l for l in run("mandoc", "-Tlint", *pages.values()).splitlines() if "referenced manual not found" not in l]
    check("mandoc finds nothing to complain of", not told, *told)
    lost = []
    for name in pages:
        command = {"sillokd.8": [sillokd, "--help"], "sillok-verify.1": [verify, "--help"], "sillok.1": [sillok, "--help"],
                   "sillokd.ini.5": [sillokd, "--print-config"], "status-proof.5": [sillok, "proof", "format"]}.get(name)
        if command is None:  # "charter propose" is two words, "status-list" one
            parts = name[len("sillok-"):-2].split("-")
            joined = ["-".join(parts)] if "-".join(parts) in listed else parts
            command = [sillok, *joined, "--help"]
        plain = subprocess.run(["mandoc", "-Tascii", "-Owidth=500", pages[name]], capture_output=True, text=True).stdout
        seen = set(words(re.sub(".\b", "", plain)))
        lost += [f"{name}: {w}" for w in set(words(run(*command))) - seen - FRAME]
    check("and what --help says is what a reader sees", not lost, *lost)


main(sys.argv)
print(f"1..{network.count}")
sys.exit(1 if network.failed else 0)
