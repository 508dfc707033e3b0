#!/usr/bin/env python3
"""Plays a pilot of a country's resident card on four agencies' nodes, here as four processes. Called by tools/demo, which has
built everything: demo_network.py BUILD_DIR.

Every claim that is printed was checked first: what does not hold ends the program with "demo: ..." and exit code 1.
"""
import atexit
import collections
import hashlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

from local_nodes import ask, free_ports, node_config, signed_submissions

BUILD = sys.argv[1]
SILLOK, SILLOKD, VERIFY = (os.path.join(BUILD, "tools", p) for p in ("sillok", "sillokd", "sillok-verify"))
LIAR = os.path.join(BUILD, "tests", "e2e", "liar")
AGENCIES = ("interior-ministry", "national-police", "mint", "carrier-regulator")
INTERIOR, POLICE, MINT, CARRIER = range(4)
EVENTS, BATCH, CLIENTS = 24000, 200, 24
ANSWER_S = 3  # then a client tries another node
PATIENCE_S = 60  # for what takes a second: a busy machine is no failure
STARTED = time.monotonic()


# ---- what is printed ----

steps = 0


def step(title):
    global steps
    steps += 1
    print(f"\n== {steps}. {title}\n", flush=True)


def say(*paragraphs):
    for p in paragraphs:
        print(textwrap.fill(" ".join(p.split()), 110), flush=True)


def fail(why):
    print(f"demo: {why}", file=sys.stderr, flush=True)
    for n in nodes:
        print(f"-- the last lines of {n.name}'s node:\n{n.tail()}", file=sys.stderr)
    sys.exit(1)


def expect(holds, why):
    if not holds:
        fail(why)


def wait_for(what, done, seconds=PATIENCE_S):
    """Returns how long it took."""
    start = time.monotonic()
    while not done():
        if time.monotonic() - start > seconds:
            fail(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)
    return time.monotonic() - start


def run(*args, shown=True, lines=None, code=0, cwd=None, env=None):
    """Runs a command; `shown`: prints it as it could be typed, and what it says (the first `lines`)."""
    if shown:
        print("$ " + shlex.join([os.path.basename(args[0])] + [a for a in args[1:]]), flush=True)
    r = subprocess.run(args, capture_output=True, text=True, cwd=cwd, env=env)
    out = r.stdout + r.stderr
    if shown:
        print("\n".join(out.splitlines()[:lines]), flush=True)
    expect(r.returncode == code, f"{shlex.join(args)}: exit code {r.returncode}, not {code}\n{out}")
    return out


# ---- nodes ----

nodes = []


class Node:
    def __init__(self, index, peer_ports, http_port):
        self.index, self.name, self.peer_ports, self.port = index, AGENCIES[index], peer_ports, http_port
        self.dir, self.config, self.log, self.keys = self.name, self.name + ".ini", self.name + ".log", "keys"
        self.url, self.process = f"http://127.0.0.1:{http_port}", None

    def configure(self):
        with open(self.config, "w") as f:
            f.write(node_config(self.dir, self.index + 1, f"{self.keys}/{self.name}",
                                {i + 1: f"127.0.0.1:{p}" for i, p in enumerate(self.peer_ports)},
                                f"127.0.0.1:{self.peer_ports[self.index]}", self.port))

    def init(self):
        return json.loads(run(SILLOK, "init", self.dir, "--charter", "charter.ini", "--json", shown=False))["chain_id"]

    def start(self, *program):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([*(program or (SILLOKD,)), "--config", self.config], stderr=log)

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(PATIENCE_S)
        self.process = None

    def ask(self, method, path, body=None, timeout=PATIENCE_S, **headers):
        """(status, body); (None, why) when nobody answers."""
        try:
            return ask(self.port, method, path, body, {k.replace("_", "-"): v for k, v in headers.items()}, timeout)
        except (OSError, http.client.HTTPException) as e:
            return None, e

    def status(self):
        code, body = self.ask("GET", "/v1/status") if self.process is not None else (None, b"")
        return json.loads(body) if code == 200 else {}

    def tail(self):
        with open(self.log) as f:
            return "".join(f.readlines()[-6:])


def at_end():
    for n in nodes:
        if n.process is not None and n.process.poll() is None:
            n.process.kill()
            n.process.wait()


def agree(who):
    tips = [n.status() for n in who]
    return all(tips) and len({t["block_hash"] for t in tips}) == 1


def table(who=None):
    print(f"{'agency':20}{'node':>8}{'height':>8}{'events':>9}{'peers':>7}  votes  state")
    for n in who or nodes:
        s = n.status()
        if s:
            state = "catching up" if s["behind"] else s["alarm"] or "fine"
            print(f"{n.name:20}{n.process.pid:>8}{s['height']:>8}{s['events']:>9,}{s['peers']:>7}  "
                  f"{'yes' if s['votes'] and not s['muted'] else 'no':5}  {state}")
        else:
            print(f"{n.name:20}{'-':>8}{'':24}  no     does not run")
    print(flush=True)


# ---- submitting ----

latencies = []


class Lane(threading.Thread):
    """A client of one node: one submission after the other, each until it is final; when its node is silent, at the next one."""

    def __init__(self, home, submissions):
        super().__init__(daemon=True)
        self.home, self.submissions, self.error, self.moved = home, submissions, None, 0
        self.start()

    def submit(self, submission):
        end, stale = time.monotonic() + PATIENCE_S, set()
        while time.monotonic() < end:
            node = nodes[self.home]
            code, body = node.ask("POST", "/v1/submissions?wait=final", submission, ANSWER_S, Content_Type="application/x-protobuf")
            if code == 200:
                return None
            if code == 409:  # a node that is behind says so; when three do, it is true
                stale.add(node.name)
            if code not in (None, 202, 409, 429, 503) or len(stale) > 2:
                return f"{node.name} answered {code}: {body[:300]}"
            if code != 429:
                self.home, self.moved = (self.home + 1) % len(nodes), self.moved + 1
            time.sleep(0.05)  # the same submission again is recognised: it is never written twice
        return "no node took a submission"

    def run(self):
        for s in self.submissions:
            start = time.monotonic()
            self.error = self.submit(s)
            if self.error is not None:
                return
            latencies.append(time.monotonic() - start)


def split_lanes(stream):
    """Each credential has its lane, so that its events stay in order; each lane is signed by the issuers' keys."""
    lanes = [[] for _ in range(CLIENTS)]
    for line in stream:
        lanes[int(json.loads(line)["credential"][:2], 16) % len(lanes)].append(line)
    return lanes


def sign(lines, name, batch=BATCH):
    with open(name + ".ndjson", "w") as f:
        f.writelines(lines)
    run(SILLOK, "submit", name + ".ndjson", "--keys", "keys", "--batch", str(batch), "--sign-only", "--chain", chain, "-o", name,
        shown=False)
    return signed_submissions(name)


def feed(share, during=None):
    """The next share of each lane's submissions, to all nodes at once; `during` happens in the middle."""
    global latencies
    latencies = []
    parts = [lane[:max(1, round(total * share))] for lane, total in zip(lanes, totals)]
    for lane, part in zip(lanes, parts):
        del lane[:len(part)]
    before, start = max(n.status().get("events", 0) for n in nodes), time.monotonic()
    clients = [Lane(i % len(nodes), p) for i, p in enumerate(parts)]
    if during is not None:
        wait_for("some of the stream is final", lambda: len(latencies) > sum(map(len, parts)) // 4)
        during()
    for c in clients:
        c.join()
        expect(c.error is None, c.error)
    took = time.monotonic() - start
    events = max(n.status().get("events", 0) for n in nodes) - before
    ordered = sorted(latencies)
    print(f"  {events:,} events in {took:.1f} s: {events / took:,.0f} a second; a submission was final after "
          f"{1000 * ordered[len(ordered) // 2]:.0f} ms (median), {1000 * ordered[len(ordered) * 99 // 100]:.0f} ms (99 %)")
    moved = sum(c.moved > 0 for c in clients)
    if moved:
        print(f"  {moved} clients got no answer from their node and gave the same submission to another one")
    print(flush=True)


def pass_to(height):
    """Small submissions until the chain is there."""
    while nodes[INTERIOR].status()["height"] < height:
        expect(drops, "no submissions are left")
        answer = Lane(INTERIOR, [drops.pop(0)])
        answer.join()
        expect(answer.error is None, answer.error)


# ---- forging ----

def fields(data):
    """Takes a protobuf message apart: (number, wire type, payload)."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag, value = number(), number()
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        yield tag >> 3, tag & 7, value


def message(parts):
    def number(value):
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])
    return b"".join(number(n << 3 | w) + (number(len(v)) + v if w == 2 else number(v)) for n, w, v in parts)


def unlocked(proof):
    """In a status record: count (8 bytes), then state 2 (locked), carrier, type (4 bytes), agency (2 bytes)."""
    at = re.search(rb"\x00{6}..\x02[\x01\x02]\x00{3}[\x01\x02]\x00[\x01-\x04]", proof, re.S).start() + 8
    return proof[:at] + b"\x01" + proof[at + 1:]


def without_event(proof, place):
    parts = list(fields(proof))
    number, wire, extra = parts[-1]  # StatusExtra: seal, map proof, events
    extra = list(fields(extra))
    del extra[[i for i, part in enumerate(extra) if part[0] == 3][place]]
    parts[-1] = (number, wire, message(extra))
    return message(parts)


# ---- proofs ----

def prove(node, handle, name, *options):
    with open("counter/handle", "w") as f:
        f.write(handle + "\n")
    run(SILLOK, "prove", "--url", node.url, "--policy", "counter/policy", "--handle-file", "counter/handle", *options, "-o",
        "counter/" + name, shown=False)
    with open("counter/" + name, "rb") as f:
        return f.read()


def verify(handle, name, code=0, lines=None, *options):
    """At the counter of a bank: an empty environment, no network, four files."""
    with open("counter/handle", "w") as f:
        f.write(handle + "\n")
    print(f"$ env -i ./sillok-verify --policy policy --handle-file handle {''.join(o + ' ' for o in options)}{name}")
    r = subprocess.run(["./sillok-verify", "--policy", "policy", "--handle-file", "handle", *options, name], cwd="counter", env={},
                       capture_output=True, text=True)
    out = (r.stdout + r.stderr).rstrip()
    print("\n".join(out.splitlines()[:lines]), flush=True)
    expect(r.returncode == code, f"the verifier said {r.returncode}, not {code}: {out}")
    return out


def cosigners(proof):
    return sorted(set(re.findall(r"(?m)^\u2014 (\S+) ", proof.decode())) & set(AGENCIES))


# ---- the play ----

def setup():
    global chain, lanes, totals, drops, absent, stream
    step("A country's pilot, in a file")
    say("Nine municipalities issue resident credentials on chip cards and phones; people lose phones, report it to their carrier or "
        "the police, find them again or get new ones, renew. A seed makes it up.")
    print()
    begin = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 70 * 86400))
    out = run(SILLOK, "simulate", "--seed", "7", "--events", str(EVENTS), "--start", begin, "--keys", "keys", "--charter", "charter.ini",
              "-o", "events.ndjson")
    absent = re.search(r"never issued\s+(\S+)", out).group(1)
    with open("events.ndjson") as f:
        stream = f.readlines()
    soon = time.time() + 3600
    events = [json.loads(line) for line in stream]
    gone = {e["credential"] for e in events if e.get("valid_until", soon + 1) <= soon}
    stream = [line for line, e in zip(stream, events) if e["credential"] not in gone]
    print(f"left out           {EVENTS - len(stream)} events about {len(gone)} credentials that have expired meanwhile")
    print()
    say("One event, as an office's system writes it. No name, no number: a credential is a random-looking handle.")
    print("\n" + "\n".join(textwrap.wrap(stream[0].strip(), 110)))

    step("Four agencies, one charter")
    say("The charter says who the agencies are, which keys they have, and which office may do what. All four vote; three of them decide, "
        "so one may fail, or lie, in any way. Each makes the same first entry of the ledger from it, in a directory of its own.")
    print()
    with open("charter.ini") as f:
        text = f.read().replace("role = observer", "role = voting").replace("delta_ms = 200", "delta_ms = 50")
    with open("charter.ini", "w") as f:
        f.write(text.replace("fresh_s = 60", "fresh_s = 10"))
    ports = free_ports(8)
    nodes.extend(Node(i, ports[:4], ports[4 + i]) for i in range(4))
    print("\n".join(run(SILLOK, "charter", "show", "charter.ini", shown=False).splitlines()[:3]) + "\n")
    chains = set()
    for n in nodes:
        n.configure()
        chains.add(n.init())
        print(f"$ sillok init {n.dir} --charter charter.ini; sillokd --config {n.config}   # clients: {n.url}")
        n.start()
    expect(len(chains) == 1, "the agencies made different ledgers of one charter")
    chain = chains.pop()
    print()
    wait_for("four nodes find each other", lambda: all(n.status().get("peers") == 3 for n in nodes) and agree(nodes))
    table()
    split = split_lanes(stream)
    lives = collections.Counter(json.loads(line)["credential"] for line in stream)
    alone = [line for line in split[0] if lives[json.loads(line)["credential"]] == 1][:30]
    drops = sign(alone, "drops", 1)
    split[0] = [line for line in split[0] if line not in alone]
    lanes = [sign(lane, f"lane-{i}") for i, lane in enumerate(split)]
    totals = [len(lane) for lane in lanes]


def killed():
    step("The events go to all four at once")
    say(f"{CLIENTS} clients, {CLIENTS // 4} at each node; an answer comes when the event is final: in a block that three agencies have voted for and that "
        "is on disk. Nobody can take it back then.")
    print()
    feed(0.4)
    wait_for("all four agree", lambda: agree(nodes))
    table()

    step("One node is killed")
    police = nodes[POLICE]
    say(f"While events come in, the police's node gets kill -9. Three are left, and three are enough.")
    print()
    feed(0.3, lambda: police.end(signal.SIGKILL))
    table()
    say("It is started again, finds out what it missed, checks every signature and rule of it, and votes again.")
    print()
    height = nodes[INTERIOR].status()["height"]
    police.start()
    took = wait_for("the killed node catches up", lambda: police.status().get("height", 0) >= height and agree(nodes))
    print(f"$ sillokd --config {police.config}\n  caught up after {took:.1f} s\n")
    table([police])


def liar():
    step("One node lies")
    mint = nodes[MINT]
    say("Somebody has broken into the mint. The program that runs there now has the mint's real keys, and uses them to tell some agencies "
        "one thing and others another: two votes in one round, two blocks in one turn.")
    print()
    mint.end(signal.SIGTERM)
    mint.start(LIAR, "--lie", "votes,proposals")
    honest = [n for n in nodes if n is not mint]
    feed(0.2)
    height = max(n.status()["height"] for n in honest)
    wait_for("the honest three agree", lambda: agree(honest))
    key = subprocess.run([SILLOK, "charter", "show", "charter.ini"], capture_output=True, text=True).stdout
    key = re.search(r"\[member mint\].*?vote_key = (\w+)", key, re.S).group(1)
    found = []

    def convicted():
        for n in honest:
            code, body = n.ask("GET", "/v1/evidence")
            if code == 200:
                found.extend((n, e) for e in json.loads(body)["evidence"])
        return bool(found)
    if not convicted():
        wait_for("somebody has evidence", convicted)
    node, e = found[0]
    expect(all(x["key"] == key for _, x in found), "an honest agency was accused")
    say("The chain went on, and the honest three hold the same blocks. The lies were kept: two contradicting statements under one "
        "key, which nobody can explain away, and anybody can judge offline with nothing but the charter.")
    print()
    print(f"  of height {e['height']}:")
    for which in ("first", "second"):
        v = e[which]
        print(f"    {v['kind']:9} view {v['view']}  block {v['hash'][:16]}...  signature {v['signature'][:16]}...")
    print()
    run(SILLOK, "evidence", "export", "--url", node.url, "-o", "lies")
    out = run(SILLOK, "evidence", "lies", "--charter", "charter.ini", lines=4)
    expect("mint" in out and not any(n.name in out for n in honest), "the evidence does not name the mint alone")
    print()
    table(honest)
    mint.end(signal.SIGKILL)


def renewed():
    step("The mint comes back, empty, with new keys")
    mint = nodes[MINT]
    say("The mint reinstalls its machine and makes new keys. The others agree: a change of the charter takes a quorum of them, and shows in "
        "the ledger like everything else. Nobody restarts; from a block that the change names on, the new keys count and the old ones "
        "are worth nothing.")
    print()
    run(SILLOK, "keygen", "--member", "mint-new", "mint", shown=False)
    at, height = nodes[INTERIOR].url, nodes[INTERIOR].status()["height"] + 5
    run(SILLOK, "charter", "propose", "--url", at, "--rotate", "mint", "--new-keys", "mint-new", "--activation", str(height), "--keys",
        "mint-new", "-o", "change")
    for n in (nodes[INTERIOR], nodes[POLICE], nodes[CARRIER]):
        run(SILLOK, "charter", "sign", "--url", n.url, "change", "--key", f"keys/{n.name}.vote.pem", lines=1 if n.index != CARRIER else 2)
    run(SILLOK, "charter", "apply", "--url", at, "change")
    print()
    shutil.rmtree(mint.dir)
    mint.keys = "mint-new"
    mint.configure()
    mint.init()
    mint.start()
    events = nodes[INTERIOR].status()["events"]
    took = wait_for("the empty node catches up", lambda: mint.status().get("events", 0) >= events)
    print(f"$ sillok init mint --charter charter.ini; sillokd --config mint.ini\n  {events:,} events fetched from the others and checked, "
          f"every signature and rule, in {took:.1f} s\n")
    pass_to(height)
    wait_for("the mint votes with its new key", lambda: mint.status().get("votes"))
    feed(1)
    wait_for("all four agree", lambda: agree(nodes))
    table()


def lived():
    """A life in six events, each signed by who may say so and given to another node; returns the handle."""
    now, handle = int(time.time()), hashlib.sha256(os.urandom(16)).hexdigest()
    used = {e.get("status_index") for e in map(json.loads, stream)}
    phones = [hashlib.sha256(b"phone %d" % i).hexdigest() for i in range(2)]
    issue = {"kind": "ISSUE", "device": phones[0], "carrier": "PHONE", "type": 2, "valid_until": now + 86400 * 30,
             "status_index": next(i for i in range(1, 1 << 18) if i not in used), "channel": "OFFICE_QR"}
    life = (("issued at the office of Sejong", "sejong", issue),
            ("the phone is lost; its carrier locks", "carrier-a-desk", {"kind": "LOCK", "reason": "LOST", "channel": "CARRIER_REPORT"}),
            ("found again, unlocked", "sejong", {"kind": "UNLOCK", "channel": "OFFICE_QR"}),
            ("stolen; the police lock", "police-desk", {"kind": "LOCK", "reason": "STOLEN", "channel": "AUTHORITY"}),
            ("a new phone is bound", "sejong", {"kind": "REBIND", "device": phones[1], "carrier": "PHONE", "channel": "OFFICE_QR"}),
            ("renewed for three years", "sejong", {"kind": "RENEW", "valid_until": now + 86400 * 1090, "channel": "ONLINE"}))
    for i, (what, who, event) in enumerate(life):
        with open("life.ndjson", "w") as f:
            f.write(json.dumps({"issuer": who, "credential": handle, "occurred_at": now, **event}) + "\n")
        node, start = nodes[i % len(nodes)], time.monotonic()
        run(SILLOK, "submit", "--url", node.url, "life.ndjson", "--keys", "keys", shown=False)
        print(f"  {what:40} {event['kind']:7} by {who:15} at {node.name:18} final after {1000 * (time.monotonic() - start):.0f} ms",
              flush=True)
    return handle


def proven():
    step("One credential's life")
    say("Each event is signed by whom the charter lets say so, and given to another agency's node.")
    print()
    handle = lived()
    wait_for("all four agree", lambda: agree(nodes))

    step("Proven to anybody")
    os.mkdir("counter")
    shutil.copy(VERIFY, "counter")
    run(SILLOK, "policy", nodes[CARRIER].dir, "-o", "counter/policy", shown=False)
    say("Any node makes the proof of it: one small file. A bank's counter has the verifier, the policy (the agencies' public keys) and that "
        "file; no network, no server, not even an environment.")
    print()
    print(f"$ sillok prove --url {nodes[0].url} --policy policy --handle-file handle -o status.tlog-proof   # and of the others")
    for n in nodes:
        proof = prove(n, handle, "status.tlog-proof")
        names = cosigners(proof)
        expect(len(names) >= 3, f"only {names} cosigned")
        print(f"  by {n.name:18} {len(proof):,} bytes, cosigned by {', '.join(names)}")
    print()
    verify(handle, "status.tlog-proof", 0, None, "--history")

    step("Forgeries")
    say("A stolen phone, locked. Its finder changes the proof: one byte, LOCKED to ACTIVE.")
    print()
    last = {}
    for line in stream:
        e = json.loads(line)
        last[e["credential"]] = e["kind"]
    stolen = next(h for h in reversed(last) if last[h] == "LOCK")
    proof = prove(nodes[POLICE], stolen, "locked.proof", "--format", "binary", "--no-history")
    verify(stolen, "locked.proof", 1, 2)
    with open("counter/forged-state.proof", "wb") as f:
        f.write(unlocked(proof))
    verify(stolen, "forged-state.proof", 2)
    print()
    say("Somebody would rather not have the loss in the history of the first credential: the LOCK is left out.")
    print()
    proof = prove(nodes[POLICE], handle, "status.proof", "--format", "binary")
    with open("counter/forged-history.proof", "wb") as f:
        f.write(without_event(proof, 1))
    verify(handle, "forged-history.proof", 2)

    step("Never issued")
    say('Absence is proven just like presence: nobody can hide a credential behind "not found".')
    print()
    prove(nodes[MINT], absent, "absent.tlog-proof")
    verify(absent, "absent.tlog-proof", 1, 2)


def audited():
    step("Audit")
    say("The nodes are stopped. An auditor believes none of them and replays everything from the first entry: signatures, rules, hashes, "
        "roots, the votes that made each block final, and the change of the charter.")
    print()
    for n in nodes:
        n.end(signal.SIGTERM)
    roots = {json.loads(run(SILLOK, "audit", n.dir, "--json", shown=False))["log_root"] for n in nodes}
    run(SILLOK, "audit", nodes[CARRIER].dir)
    expect(len(roots) == 1, "the four ledgers differ")
    print("  the same for all four: one ledger, four copies\n")
    run(SILLOK, "stat", nodes[CARRIER].dir)


def main():
    dir = os.environ.get("SLK_DEMO_DIR")
    if dir:
        os.mkdir(dir)
    else:
        dir = tempfile.mkdtemp(prefix="sillok-demo-")
        atexit.register(shutil.rmtree, dir, ignore_errors=True)
    os.chdir(dir)
    atexit.register(at_end)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    setup()
    killed()
    liar()
    renewed()
    proven()
    audited()
    print(f"\nThat took {time.monotonic() - STARTED:.0f} seconds. One agency alone: tools/demo --one. tools/check runs the tests, "
          f"bench/run the benchmarks.")


main()
