#!/usr/bin/env python3
"""A ledger's log as files: `sillok mirror` writes them, whatever happens to it, and `sillok audit` reads them.

  mirror.py SILLOK SILLOKD MORTAL [--every N]       prints TAP

MORTAL is tests/crash/mortal.c: a run is killed before every N-th of its calls that change names (default 9; 1: before each).
What is on the disk is read by a reader of its own, which knows C2SP tlog-tiles and nothing of Sillok.
"""
import argparse
import base64
import functools
import hashlib
import http.server
import json
import os
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

PARSER = argparse.ArgumentParser()
PARSER.add_argument("programs", nargs=3)
PARSER.add_argument("--every", type=int, default=9)
ARGS = PARSER.parse_args()
SILLOK, SILLOKD, MORTAL = (os.path.realpath(p) for p in ARGS.programs)
EVENTS = 1200  # some 500 blocks: a whole bundle of certificates, and part of another
# As tests/scratch.h: in memory, where a sync costs nothing.
work = tempfile.mkdtemp(prefix="sillok-mirror-", dir=os.environ.get("TMPDIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
os.chdir(work)
count = failed = 0


def check(what, ok, *why):
    global count, failed
    count += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {what}", flush=True)
    for line in why if not ok else ():
        print("# " + str(line)[:1500].replace("\n", "\n# "), flush=True)


def run(*args, **kwargs):
    return subprocess.run([SILLOK, *args], capture_output=True, text=True, **kwargs)


def must(*args):
    r = run(*args)
    if r.returncode != 0:
        raise SystemExit(f"Bail out! {' '.join(args)}: {r.stdout}{r.stderr}")
    return r.stdout


def told(r):
    return r.returncode, r.stdout, r.stderr


def refused(what, code, words, *args, **kwargs):
    """It ends with this code and says these words, in a sentence that a person can act on."""
    r = run(*args, **kwargs)
    check(what, r.returncode == code and words in r.stderr, told(r))


# ---- a reader of C2SP tlog-tiles ----

def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def tile_path(level, index, width):
    digits = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        digits = f"x{index % 1000:03}/{digits}"
    return f"tile/{level}/{digits}" + (f".p/{width}" if width < 256 else "")


def read_part(tree, level, index, width):
    """As wide as the checkpoint covers; the full one where the partial one is gone."""
    for w in {width, 256}:
        try:
            with open(os.path.join(tree, tile_path(level, index, w)), "rb") as f:
                return f.read()
        except FileNotFoundError:
            pass
    raise FileNotFoundError(tile_path(level, index, width))


def read_tree(tree):
    """The size that its checkpoint is of, 0 without one; an exception when a tile does not lead to its root."""
    try:
        with open(os.path.join(tree, "checkpoint"), encoding="utf-8") as f:
            _, size, root = f.read().split("\n")[:3]
    except FileNotFoundError:
        return 0
    size, level, hashes = int(size), 0, []
    for index in range((size + 255) // 256):
        width, at = min(256, size - 256 * index), 0
        bundle = read_part(tree, "entries", index, width)
        for _ in range(width):
            n = int.from_bytes(bundle[at:at + 2], "big")
            assert at + 2 + n <= len(bundle), "a bundle is cut off"
            hashes.append(hashlib.sha256(b"\0" + bundle[at + 2:at + 2 + n]).digest())
            at += 2 + n
    stack = []
    for i, h in enumerate(hashes):  # RFC 6962: equal subtrees join
        i += 1
        while i % 2 == 0:
            h = node(stack.pop(), h)
            i //= 2
        stack.append(h)
    while len(stack) > 1:
        right = stack.pop()
        stack.append(node(stack.pop(), right))
    assert stack[0] == base64.b64decode(root), "the entries lead to another root"
    while hashes:  # each level of tiles
        for index in range((len(hashes) + 255) // 256):
            part = hashes[256 * index:256 * index + 256]
            assert read_part(tree, level, index, len(part))[:32 * len(part)] == b"".join(part), f"level {level} tile {index}"
        above = []
        for index in range(len(hashes) // 256):
            row = hashes[256 * index:256 * index + 256]
            while len(row) > 1:
                row = [node(row[i], row[i + 1]) for i in range(0, len(row), 2)]
            above += row
        hashes, level = above, level + 1
    return size


def is_whole(tree):
    try:
        return read_tree(tree) > 0
    except (AssertionError, OSError):
        return False


def files_of(tree, hidden=False):
    return {os.path.relpath(os.path.join(at, f), tree) for at, _, files in os.walk(tree) for f in files
            if hidden or not f.startswith(".")}


def is_same(a, b):
    return files_of(a) == files_of(b) and all(open(f"{a}/{f}", "rb").read() == open(f"{b}/{f}", "rb").read() for f in files_of(a))


# ---- a ledger of one agency, in two steps ----

def submit(ledger, events):
    must("submit", ledger, events, "--keys", "keys", "--clock", "events", "--log-key", "keys/interior-ministry.log.pem",
         "--cosign-key", "keys/interior-ministry.cosign.pem")


def make_ledgers():
    must("simulate", "--seed", "7", "--events", str(EVENTS), "--keys", "keys", "--charter", "charter.ini", "-o", "events.ndjson")
    with open("events.ndjson") as f:
        lines = f.readlines()
    with open("early", "w") as f:
        f.writelines(lines[:EVENTS - 200])
    with open("late", "w") as f:
        f.writelines(lines[EVENTS - 200:])
    must("init", "ledger", "--charter", "charter.ini")
    submit("ledger", "early")
    must("backup", "ledger", "early-ledger")
    must("policy", "ledger", "-o", "policy")


def test_first(_):
    r = run("mirror", "ledger", "tree", "--json")
    said = json.loads(r.stdout or "{}")
    check("a ledger is mirrored", r.returncode == 0 and said.get("result") == "mirrored", told(r))
    check("another reader of tiles comes to the checkpoint's root", read_tree("tree") == said["size"], said)
    check("every file written is there, and none besides but partial ones that are full by now",
          said["files_written"] - said["files_removed"] == len(files_of("tree")), said, files_of("tree"))
    r = run("mirror", "ledger", "tree", "--json")
    said = json.loads(r.stdout or "{}")
    check("a second run writes nothing", r.returncode == 0 and said.get("files_written") == 0 and said.get("syncs") == 0, told(r))
    shutil.copytree("tree", "early-tree")


def test_grown(_):
    submit("ledger", "late")
    before = {f: os.stat(f"tree/{f}").st_ino for f in files_of("tree")}
    old = read_tree("tree")
    r = run("mirror", "ledger", "tree", "--json", "--policy", "policy")
    said = json.loads(r.stdout or "{}")
    new = read_tree("tree")
    check("what is new is added", r.returncode == 0 and new == said.get("size") and new - old == said.get("new_entries") > 0, told(r))
    # Full: of both kinds of tiles, and of certificates; partial: at most one on each of two levels, entries, certificates; and the
    # checkpoint.
    most = 2 * (new // 256 - old // 256) + 1 + 4 + 1
    check("only that is written", 0 < said["files_written"] <= most, said, most)
    kept = [f for f in before if f in files_of("tree") and f != "checkpoint"]
    check("and nothing that was there is written again", all(os.stat(f"tree/{f}").st_ino == before[f] for f in kept))
    full = {f for f in files_of("tree") if ".p/" not in f}
    check("no part is kept of what is full", not [f for f in files_of("tree") if ".p/" in f and f.split(".p/")[0] in full])
    must("mirror", "ledger", "whole")
    check("in two steps as in one", {f for f in files_of("tree") if ".p/" not in f} == {f for f in files_of("whole") if ".p/" not in f}
          and files_of("whole") <= files_of("tree"))


# ---- from a node ----

class Bent(http.server.BaseHTTPRequestHandler):
    """Hands a request on to the node, and may alter the answer."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body leave in two writes
    port, bend = 0, staticmethod(lambda path, body: body)

    def do_GET(self):
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}{self.path}",
                                             headers={k: v for k, v in self.headers.items() if k == "Accept"})
            with urllib.request.urlopen(request, timeout=60) as r:
                status, body = r.status, r.read()
        except urllib.error.HTTPError as e:
            status, body = e.code, e.read()
        body = self.bend(self.path, body)
        if body is None:  # out of order
            status, body = 500, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


def bent(port, change):
    return Server(type("Bent", (Bent,), {"port": port, "bend": staticmethod(change)}))


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body leave in two writes

    def log_message(self, *_):
        pass


def serve(tree):
    return Server(functools.partial(Quiet, directory=tree))


def start_node(ledger):
    with open("node.ini", "w") as f:
        f.write(f"[node]\ndir = {ledger}\nagency = 1\n")
        f.writelines(f"{use}_key = keys/interior-ministry.{use}.pem\n" for use in ("node", "vote", "log", "cosign"))
        f.write("[http]\nlisten = 127.0.0.1:0\n")
    process = subprocess.Popen([SILLOKD, "--config", "node.ini"], stderr=open("node.log", "w"))
    for _ in range(1200):
        with open("node.log") as f:
            for line in f:
                if " listening " in line and 'for="clients"' in line:
                    port = int(line.rsplit("port=", 1)[1].split()[0])
                    return process, port
        time.sleep(0.05)
    raise SystemExit("Bail out! the node does not listen: " + open("node.log").read())


def wait_cosigned(port):
    for _ in range(1200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/checkpoint", timeout=60):
                return
        except urllib.error.HTTPError:
            time.sleep(0.05)


def note_of(ledger):
    return must("head", ledger, "--checkpoint").encode()


def late_line():
    """What anybody can write under a checkpoint: a stranger's cosignature, of a time that never comes."""
    return "— stranger.example ".encode() + base64.b64encode(b"\1\2\3\4" + b"\x7f" + b"\xff" * 7 + bytes(64)) + b"\n"


def test_times(port):
    """When it was cosigned: what a quorum says, and no stranger."""
    must("mirror", "ledger", "timed")
    old = note_of("ledger")
    shutil.copytree("ledger", "newer-ledger")
    while note_of("newer-ledger") == old:  # in the next second
        must("head", "newer-ledger", "--sign", "--log-key", "keys/interior-ministry.log.pem", "--cosign-key", "keys/interior-ministry.cosign.pem")
    r = run("mirror", "newer-ledger", "timed", "--json")
    new, time_s = note_of("newer-ledger"), json.loads(r.stdout or "{}").get("cosigned_at")
    check("a newer cosignature under the same checkpoint is taken", open("timed/checkpoint", "rb").read() == new != old, told(r))
    stale = bent(port, lambda path, body: old + late_line() if path == "/checkpoint" else body)
    for policy in (["--policy", "policy"], []):
        r = run("mirror", "--url", stale.url, "timed", "--json", *policy)
        check("an older one is not, whatever time a stranger adds", r.returncode == 0 and open("timed/checkpoint", "rb").read() == new and
              json.loads(r.stdout)["cosigned_at"] < time_s, told(r))
    fresh_one = bent(port, lambda path, body: new if path == "/checkpoint" else body)
    shutil.rmtree("timed")
    must("mirror", "ledger", "timed")
    r = run("mirror", "--url", stale.url, "--url", fresh_one.url, "timed", "--json")
    check("and keeps nobody from giving the newer one", r.returncode == 0 and open("timed/checkpoint", "rb").read() == new and
          json.loads(r.stdout)["cosigned_at"] == time_s, told(r))
    r = run("head", "--url", stale.url, "--policy", "policy", "--json")
    check("`head --policy` says when the quorum signed", r.returncode == 0 and json.loads(r.stdout)["cosigned_at"] < time_s, told(r))


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def test_node(state):
    shutil.copytree("ledger", "node-ledger")
    state["process"], port = start_node("node-ledger")
    state["port"] = port
    wait_cosigned(port)
    good = f"http://127.0.0.1:{port}"
    r = run("mirror", "--url", good, "from-node", "--policy", "policy", "--json")
    check("a running node is mirrored", r.returncode == 0 and is_whole("from-node"), told(r))
    full = {f for f in files_of("whole") if ".p/" not in f and f != "checkpoint"}
    check("its tiles are those of its directory", full <= files_of("from-node") and
          all(open(f"whole/{f}", "rb").read() == open(f"from-node/{f}", "rb").read() for f in full))
    r = run("mirror", "--url", good, "from-node", "--policy", "policy", "--json")
    check("the next run asks for nothing that it has", r.returncode == 0 and json.loads(r.stdout)["new_entries"] <= 3, told(r))  # heartbeats
    r = run("audit", good, "--policy", "policy", "--json")
    check("a node's own tiles are audited, and that they show no votes is said",
          r.returncode == 0 and json.loads(r.stdout)["finality"] == "not shown", told(r))

    test_times(port)
    block = bent(port, lambda path, body: flipped(body, len(body) - 40) if path == "/v1/blocks/40?finality" else body)
    vote = bent(port, lambda path, body: flipped(body, 266 + 2 + 60) if path == "/v1/blocks/40?finality" else body)
    note = bent(port, lambda path, body: flipped(body, 40) if path == "/checkpoint" else body)
    proof = bent(port, lambda path, body: body.replace(b'"path":["', b'"path":["0') if "consistency" in path else body)
    refused("a node that alters an entry is named, with the block", 1, f"{block.url}: block 40: its entries are not those",
            "mirror", "--url", block.url, "bad1")
    refused("and one that alters a vote", 1, f"{vote.url}: block 40: its finality certificate", "mirror", "--url", vote.url, "bad2")
    refused("and one that alters its checkpoint", 1, f"{note.url}: its checkpoint is not good", "mirror", "--url", note.url, "bad3",
            "--policy", "policy")
    shutil.copytree("early-tree", "bad4")
    refused("and one that proves nothing of what was mirrored before", 1, f"{proof.url}: nothing shows that its", "mirror", "--url",
            proof.url, "bad4")
    other = bent(port, lambda path, body: b"\n".join([*body.split(b"\n")[:2], base64.b64encode(bytes(32)), *body.split(b"\n")[3:]]) if
                 path == "/checkpoint" else body)
    r = run("mirror", "--url", other.url, "--url", good, "bad5")
    check("who makes up another history without a signature keeps nobody out", r.returncode == 0 and is_whole("bad5"), told(r))
    broken = bent(port, lambda path, body: None if "consistency" in path else body)
    refused("who is out of order is not accused of that", 2, f"{broken.url}: it does not answer what its", "mirror", "--url", broken.url, "bad4")
    cut = bent(port, lambda path, body: None if "consistency" in path else json.dumps({**json.loads(body), "cosigned_height": 9}).encode() if
               path == "/v1/status" else body)
    refused("nor by an audit", 2, f"{cut.url}: it does not answer what its", "audit", "--url", cut.url)
    check("nothing of theirs is published", not any(os.path.exists(f"bad{i}/checkpoint") for i in (1, 2, 3)) and
          is_same("bad4", "early-tree"))
    r = run("mirror", "--url", block.url, "--url", good, "--url", vote.url, "some")
    check("among several the good one is taken, and the others are named", r.returncode == 0 and is_whole("some") and
          ("block 40" in r.stderr or r.stderr == ""), told(r))
    r = run("mirror", "--url", block.url, "bad1")
    check("a tree that a liar began is not finished by him", r.returncode == 1, told(r))
    r = run("mirror", "--url", good, "bad1")
    check("but by an honest node", r.returncode == 0 and is_whole("bad1"), told(r))
    state["process"].terminate()
    state["process"].wait(60)
    refused("who does not answer leaves it unknown", 2, "onnect", "mirror", "--url", good, "bad1")


# ---- audit ----

def altered(name, change):
    shutil.rmtree("altered", ignore_errors=True)
    shutil.copytree("whole", "altered")
    with open(f"altered/{name}", "rb") as f:
        data = f.read()
    data = change(data)
    os.unlink(f"altered/{name}")
    if data is not None:
        with open(f"altered/{name}", "wb") as f:
            f.write(data)


def test_audit(_):
    size = read_tree("whole")
    r = run("audit", "whole", "--policy", "policy", "--json")
    said = json.loads(r.stdout or "{}")
    check("a mirror is audited: every file, every event, every vote", r.returncode == 0 and said["finality"] == "checked" and
          said["events"] == EVENTS and said["size"] == size and said["files"] == len(files_of("whole")), told(r), files_of("whole"))
    server = serve("whole")
    r = run("audit", server.url, "--policy", "policy")
    check("and over HTTP, from a server that knows nothing", r.returncode == 0 and "votes that made each block final are right" in
          r.stdout, told(r))
    r = run("audit", "--url", server.url + "/", "--json")
    check("--url finds out that it is no node", r.returncode == 0 and json.loads(r.stdout)["finality"] == "checked", told(r))
    refused("another chain is refused", 1, "another ledger", "audit", "whole", "--chain", "00" * 32)
    part = max(f for f in files_of("whole") if f.startswith("tile/entries/") and ".p/" in f)
    cases = [
        ("an altered hash", "tile/0/003", lambda d: flipped(d, 32 * 17), "tile/0/003: hash 17 is not that of entry 785"),
        ("an altered hash above", "tile/1/000.p/" + str(size // 256), lambda d: flipped(d, 32 * 2), "another root than the checkpoint"),
        ("an altered entry", "tile/entries/002", lambda d: flipped(d, 9), "tile/0/002: hash 0 is not that of entry 512"),
        ("a tile cut short", "tile/0/001", lambda d: d[:-32], "tile/0/001: 8160 bytes instead of 8192"),
        ("a bundle cut short", "tile/entries/001", lambda d: d[:-1], "tile/entries/001: not a bundle of exactly 256"),
        ("a bundle with something behind", part, lambda d: d + b"\0\0", f"{part}: not a bundle of exactly"),
        ("a missing tile", "tile/0/001", lambda d: None, "tile/0/001: is missing"),
        ("a missing bundle", part, lambda d: None, f"{part}: is missing"),
        ("an altered charter", "charter/0", lambda d: flipped(d, 30), "charter/0: not the charter that entry 0 holds"),
        ("an altered vote", "finality/000", lambda d: flipped(d, 90), "block 1: its finality certificate is not signed"),
        ("missing votes", max(f for f in files_of("whole") if f.startswith("finality/")), lambda d: None, "is missing"),
        ("a checkpoint of another root", "checkpoint", lambda d: flipped(d, d.index(b"\n", 30) + 3), "checkpoint"),
    ]
    for what, name, change, words in cases:
        altered(name, change)
        refused(f"{what} is found and named", 1, words, "audit", "altered")
    altered("tile/0/001", lambda d: None)
    os.mkfifo("altered/tile/0/001")
    refused("a pipe is not waited for", 2, "tile/0/001: not a file that can be read", "audit", "altered", timeout=120)
    altered("checkpoint", lambda d: None)
    refused("a directory without a checkpoint is no tree", 2, "altered", "audit", "altered")
    shutil.rmtree("altered")
    shutil.copytree("whole", "altered")
    shutil.rmtree("altered/finality")
    r = run("audit", "altered")
    check("without votes it is sound as far as it goes, and that is said", r.returncode == 0 and "finality  not shown" in r.stdout, told(r))


# ---- what a mirror refuses ----

def test_refused(_):
    refused("an older ledger is refused", 1, "it is behind, or goes back", "mirror", "early-ledger", "whole")
    must("simulate", "--seed", "8", "--events", "20", "--keys", "keys2", "--charter", "charter2.ini", "-o", "events2")
    with open("charter2.ini") as f:
        text = f.read()
    with open("charter2.ini", "w") as f:
        f.write(text.replace("sillok.example/residents", "sillok.example/others"))
    must("init", "other", "--charter", "charter2.ini", "--log-key", "keys2/interior-ministry.log.pem", "--cosign-key",
         "keys2/interior-ministry.cosign.pem")
    refused("another ledger is refused", 1, "of another ledger: sillok.example/others", "mirror", "other", "whole")
    must("policy", "other", "-o", "policy2")
    refused("a policy that is not met is said", 1, "its checkpoint is not good: no signature by a log of the policy", "mirror", "ledger",
            "new", "--policy", "policy2")
    check("and leaves nothing behind", not os.path.exists("new"))
    os.mkdir("empty")
    refused("nor in a directory that was there", 1, "its checkpoint is not good", "mirror", "ledger", "empty", "--policy", "policy2")
    check("which is as empty as before", os.listdir("empty") == [], os.listdir("empty"))
    refused("also by an audit", 1, "no signature by a log of the policy", "audit", "whole", "--policy", "policy2")
    refused("a chain that is not the expected one", 1, "another ledger", "mirror", "ledger", "new", "--chain", "00" * 32)
    refused("nor the mirror's", 1, "another ledger than --chain", "mirror", "ledger", "whole", "--chain", "00" * 32)
    must("init", "fork", "--charter", "charter.ini")
    with open("events.ndjson") as f:
        lines = f.readlines()
    with open("fork-events", "w") as f:
        f.writelines(lines[:600])
    submit("fork", "fork-events")
    with open("fork-events", "w") as f:  # two at a time: other blocks
        f.writelines(lines[600:])
    must("submit", "fork", "fork-events", "--keys", "keys", "--clock", "events", "--batch", "1", "--log-key",
         "keys/interior-ministry.log.pem", "--cosign-key", "keys/interior-ministry.cosign.pem")
    refused("another history of the same agency is refused", 1, "nothing shows that its", "mirror", "fork", "early-tree")
    refused("a tree is not taken for a ledger that is missing", 2, "whole is a tree of tiles (`sillok mirror`), no ledger", "head", "whole")
    refused("a ledger's own directory is no place for a tree", 1, "a ledger's own directory", "mirror", "ledger", "ledger")
    kept = sorted(os.listdir("keys"))
    refused("nor one with somebody's keys in it", 2, "keys: it holds `", "mirror", "ledger", "keys")
    check("which stays as it was", sorted(os.listdir("keys")) == kept)
    refused("nor a file", 2, "policy: Not a directory", "mirror", "ledger", "policy")
    check("and none of that touched the mirror", is_whole("whole") and not os.path.exists("new"))


def test_links(_):
    """Whoever can write into a tree must not make the mirror write, or remove, anywhere else."""
    first = sorted(f for f in files_of("early-tree") if f.startswith("tile/0/") and ".p/" in f)[-1]  # full in the next run
    os.mkdir("victim")
    for name in ("0", "1", "000", first.split("/")[-1]):
        with open(f"victim/{name}", "w") as f:
            f.write("mine")
    for place in (".new", ".lock", "tile", "tile/0", "finality", os.path.dirname(first)):
        fresh("early-tree", "cut")
        if os.path.isdir(f"cut/{place}"):
            shutil.rmtree(f"cut/{place}")
        elif os.path.exists(f"cut/{place}"):
            os.unlink(f"cut/{place}")
        os.symlink("../victim/0" if place == ".lock" else os.path.realpath("victim"), f"cut/{place}")
        r = run("mirror", "ledger", "cut", "--repair")
        kept = sorted(os.listdir("victim")) == sorted({"0", "1", "000", first.split("/")[-1]}) and all(
            open(f"victim/{f}").read() == "mine" for f in os.listdir("victim"))
        if place == os.path.dirname(first):  # partial files that are full by now: those behind the link stay
            check("a link where partial files were is not followed to remove them", kept and r.returncode == 0 and is_whole("cut"), told(r))
        else:
            check(f"a link in the place of {place} is refused, and what it leads to is left alone", kept and r.returncode == 2 and
                  f"cut/{place}: a symbolic link, and a mirror writes through none: remove it" in r.stderr, told(r), os.listdir("victim"))
    fresh("early-tree", "cut")
    for place, name in (("checkpoint", "0"), (".new/0", "1"), ("tile/0/000", "000")):
        if os.path.exists(f"cut/{place}"):
            os.unlink(f"cut/{place}")
        os.symlink(os.path.realpath(f"victim/{name}"), f"cut/{place}")
    r = run("mirror", "ledger", "cut", "--repair")
    check("a link in the place of a file becomes that file", r.returncode == 0 and is_whole("cut") and
          not any(os.path.islink(f"cut/{f}") for f in files_of("cut", hidden=True)) and
          all(open(f"victim/{f}").read() == "mine" for f in os.listdir("victim")), told(r))


def test_damaged(_):
    shutil.rmtree("altered", ignore_errors=True)
    shutil.copytree("early-tree", "altered")
    edge = next(f for f in files_of("altered") if f.startswith("tile/0/") and ".p/" in f)
    with open(f"altered/{edge}", "r+b") as f:
        f.write(b"damaged")
    os.unlink("altered/tile/entries/001")
    refused("a mirror whose end is damaged does not go on", 1, "the mirror is damaged", "mirror", "ledger", "altered")
    r = run("mirror", "ledger", "altered", "--repair")
    check("--repair brings everything back", r.returncode == 0 and is_whole("altered") and files_of("whole") <= files_of("altered"),
          told(r))
    fork = run("mirror", "fork", "altered", "--repair")
    check("and never to another history", fork.returncode == 1 and is_whole("altered"), told(fork))


def test_charter(_):
    """The agency changes all its keys: who votes and who signs checkpoints is found in the log, also by a run that begins behind it."""
    must("keygen", "--member", "city-keys", "city")
    must("keygen", "--issuer", "city-keys", "office")
    must("charter", "new", "--origin", "city.example/ledger", "--keys", "city-keys", "--member", "city=1", "--issuer", "office=1", "-o",
         "city.ini")
    old = ("--log-key", "city-keys/city.log.pem", "--cosign-key", "city-keys/city.cosign.pem")
    must("init", "city", "--charter", "city.ini", *old)
    sizes = [json.loads(must("mirror", "city", "city-tree", "--json"))["size"]]
    must("keygen", "--member", "city-new", "city")
    shutil.copy("city-keys/city.vote.pem", "city-new/before.pem")
    must("charter", "propose", "city", "--rotate", "city", "--new-keys", "city-new", "--keys", "city-new", "-o", "change")
    must("charter", "apply", "city", "change", *old)
    sizes.append(json.loads(must("mirror", "city", "city-tree", "--json"))["size"])
    now = int(time.time())
    with open("city.ndjson", "w") as f:
        json.dump({"issuer": "office", "kind": "ISSUE", "credential": "11" * 32, "sequence": 0, "device": "22" * 32, "carrier": "PHONE",
                   "channel": "ONLINE", "type": 2, "valid_until": now + 90000000, "occurred_at": now, "status_index": 7}, f)
        f.write("\n")
    must("submit", "city", "city.ndjson", "--keys", "city-keys", "--vote-key", "city-new/city.vote.pem", "--log-key",
         "city-new/city.log.pem", "--cosign-key", "city-new/city.cosign.pem")
    sizes.append(json.loads(must("mirror", "city", "city-tree", "--json"))["size"])
    must("mirror", "city", "city-whole")
    r = run("audit", "city-tree", "--json")
    check("a mirror follows a ledger whose keys change, and an audit follows the mirror", sorted(set(sizes)) == sizes and
          r.returncode == 0 and json.loads(r.stdout)["finality"] == "checked" and os.path.exists("city-tree/charter/1") and
          files_of("city-whole") <= files_of("city-tree"), sizes, told(r), files_of("city-tree"))


# ---- kills ----

def calls_of(tree, **env):
    if os.path.exists("calls"):
        os.unlink("calls")
    r = run("mirror", "ledger", tree, env={**os.environ, "LD_PRELOAD": MORTAL, "SLK_TELL": os.path.realpath("calls"), **env})
    with open("calls") as f:
        return r.returncode, [line.split() for line in f]


def fresh(source, to):
    shutil.rmtree(to, ignore_errors=True)
    if source is not None:
        shutil.copytree(source, to)


def test_order(_):
    """A power cut may undo whatever was not synced: so bytes before names, names before the checkpoint's."""
    fresh("early-tree", "cut")
    there = {os.path.realpath(at) for at, _, _ in os.walk("cut")}
    code, calls = calls_of("cut")
    synced, open_folders, bad, last = set(), set(), [], None
    for what, path, *more in calls:
        path = os.path.realpath(path)
        if what == "fsync":
            synced.add(path)
            open_folders.discard(path)
        elif what == "rename":
            to = os.path.realpath(more[0])
            bad += [to] if path not in synced else []
            bad += [f"{to} before {f}" for f in open_folders] if to.endswith("/checkpoint") else []
            open_folders.add(os.path.dirname(to))
            last = to
        elif what == "mkdir" and path not in there and not path.endswith(".new"):
            there.add(path)
            open_folders.add(os.path.dirname(path))
    check("what has a name is synced, and the checkpoint comes last", code == 0 and not bad and last.endswith("/checkpoint") and
          not open_folders, bad, open_folders, calls[-12:])


def test_kills(_):
    for source, what in ((None, "first"), ("early-tree", "second")):
        fresh(source, "cut")
        code, calls = calls_of("cut")
        bad, n = [], 0
        for k in range(1, len(calls) + 1, ARGS.every if source else 5 * ARGS.every):
            fresh(source, "cut")
            code, _ = calls_of("cut", SLK_DIE=f"names:{k}")
            n += code == -signal.SIGKILL
            try:
                size = read_tree("cut")
                bad += [f"{k}: no checkpoint"] if source and size == 0 else []
            except (AssertionError, OSError) as e:
                bad.append(f"{k}: {e}")
            r = run("mirror", "ledger", "cut")
            left = [f for f in files_of("cut", hidden=True) if f.startswith(".new/") or f == ".progress"]
            if r.returncode != 0 or not is_whole("cut") or not files_of("whole") <= files_of("cut") or left:
                bad.append(f"{k}, afterwards: {told(r)} {left}")
        check(f"killed at any call of a {what} run, the tree verifies, and the next run brings it to its end",
              n > 2 and not bad, f"{n} kills of {len(calls)} calls", *bad[:5])


def test_follow(_):
    fresh(None, "cut")
    must("mirror", "early-ledger", "cut")
    follower = subprocess.Popen([SILLOK, "mirror", "early-ledger", "cut", "--follow", "--interval", "1", "--json"],
                                stdout=subprocess.PIPE, text=True)
    try:
        first = json.loads(follower.stdout.readline())
        submit("early-ledger", "late")
        size = first["size"]
        while size == first["size"]:
            size = json.loads(follower.stdout.readline())["size"]
        check("--follow goes on with the ledger", size == read_tree("cut") > first["size"], first)
    finally:
        follower.kill()
        follower.wait()
    follower = subprocess.Popen(["flock", "-n", "cut/.lock", "sleep", "60"])
    for _ in range(200):
        r = run("mirror", "early-ledger", "cut")
        if r.returncode != 0:
            break
        time.sleep(0.02)
    follower.kill()
    follower.wait()
    check("two do not write to one tree", r.returncode == 2 and "another mirror writes to" in r.stderr, told(r))


state = {"process": None}
try:
    make_ledgers()
    tests = [test_first, test_grown, test_node, test_audit, test_refused, test_links, test_damaged, test_charter, test_follow]
    if not os.environ.get("SLK_SANITIZED"):  # no library is loaded before a sanitizer
        tests[-1:-1] = [test_order, test_kills]
    for test in tests:
        test(state)
finally:
    if state["process"] is not None:
        state["process"].kill()
    os.chdir("/")
    if not os.environ.get("SLK_KEEP"):
        shutil.rmtree(work, ignore_errors=True)
print(f"1..{count}")
sys.exit(1 if failed else 0)
