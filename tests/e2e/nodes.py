#!/usr/bin/env python3
"""Four agencies' nodes as real processes on this machine: they agree, lose one by kill -9, get it back, and lose nothing.

  nodes.py SILLOK SILLOKD SILLOK_VERIFY       prints TAP
"""
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SILLOK, SILLOKD, VERIFY = sys.argv[1:4]
NAMES = ["interior", "police", "mint", "carrier"]
READY_S, FINAL_S = 60, 60  # generous: a busy machine is no failure
JSON = {"Content-Type": "application/json"}

count = failed = 0


def check(what, ok, *why):
    global count, failed
    count += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {what}", flush=True)
    for line in why if not ok else ():
        for part in str(line).splitlines():
            print(f"# {part}", flush=True)
    return ok


def run(*args, **kwargs):
    return subprocess.run(args, capture_output=True, text=True, **kwargs)


def must(*args):
    r = run(*args)
    if r.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: {r.stdout}{r.stderr}")
    return r.stdout


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(done, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.05)
    return bool(done())


class Node:
    def __init__(self, net, index):
        self.net, self.index, self.name = net, index, NAMES[index]
        self.dir, self.config = net.path(self.name), net.path(self.name + ".ini")
        self.log, self.process = net.path(self.name + ".log"), None

    def init(self):
        return json.loads(must(SILLOK, "init", self.dir, "--charter", self.net.path("charter.ini"), "--json"))["chain_id"]

    def write_config(self, level="info"):
        keys = "\n".join(f"{use}_key = {self.net.path('keys')}/{self.name}.{use}.pem"
                         for use in ("node", "vote", "log", "cosign"))
        addresses = "\n".join(f"{i + 1} = 127.0.0.1:{p}" for i, p in enumerate(self.net.peer_ports))
        with open(self.config, "w") as f:
            f.write(f"[node]\ndir = {self.dir}\nagency = {self.index + 1}\n{keys}\nthreads = 1\n"
                    f"[peers]\nlisten = 127.0.0.1:{self.net.peer_ports[self.index]}\ndelta_ms = 100\n"
                    f"[http]\nlisten = 127.0.0.1:{self.net.http_ports[self.index]}\n"
                    f"[log]\nlevel = {level}\n[addresses]\n{addresses}\n")

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([SILLOKD, "--config", self.config], stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def request(self, method, path, body=None, headers=None, timeout=FINAL_S):
        c = http.client.HTTPConnection("127.0.0.1", self.net.http_ports[self.index], timeout=timeout)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def status(self):
        try:
            code, body = self.request("GET", "/v1/status", timeout=5)
            return json.loads(body) if code == 200 else {}
        except (OSError, http.client.HTTPException, ValueError):
            return {}

    def submit(self, submission, wait="final"):
        """(HTTP status, answer), or (None, reason) when the node went away."""
        try:
            code, body = self.request("POST", f"/v1/submissions?wait={wait}", submission,
                                      {"Content-Type": "application/x-protobuf"})
            return code, json.loads(body)
        except (OSError, http.client.HTTPException, ValueError) as e:
            return None, e

    def tail(self):
        with open(self.log) as f:
            return "".join(f.readlines()[-15:])


class Net:
    def __init__(self, root):
        self.root, self.next, self.first = root, 0, 0
        ports = free_ports(2 * len(NAMES))
        self.peer_ports, self.http_ports = ports[:len(NAMES)], ports[len(NAMES):]
        must(SILLOK, "keygen", "--member", self.path("keys"), *NAMES)
        must(SILLOK, "keygen", "--issuer", self.path("keys"), "office")
        members = [x for i, n in enumerate(NAMES) for x in ("--member", f"{n}={i + 1}")]
        must(SILLOK, "charter", "new", "--origin", "test.example/ledger", "--keys", self.path("keys"), *members,
             "--issuer", "office=1", "--created", time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - 86400)),
             "-o", self.path("charter.ini"))
        self.nodes = [Node(self, i) for i in range(len(NAMES))]
        chains = {n.init() for n in self.nodes}
        for n in self.nodes:
            n.write_config()
        check("four agencies make the same ledger from one charter", len(chains) == 1, chains)
        self.chain = chains.pop()
        self.submissions = self.sign(600)

    def path(self, name):
        return os.path.join(self.root, name)

    def sign(self, n):
        now = time.time()
        day = lambda d: time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(now + d * 86400))
        with open(self.path("events.ndjson"), "w") as f:
            for i in range(n):
                f.write(json.dumps({"issuer": "office", "kind": "ISSUE", "credential": self.handle(i), "sequence": 0,
                                    "device": hashlib.sha256(b"device %d" % i).hexdigest(), "carrier": "PHONE",
                                    "channel": "ONLINE", "type": 2, "valid_until": day(300), "occurred_at": day(0),
                                    "status_index": i + 1}) + "\n")
        must(SILLOK, "submit", self.path("events.ndjson"), "--keys", self.path("keys"), "--batch", "1", "--sign-only",
             "--chain", self.chain, "-o", self.path("signed"))
        with open(self.path("signed"), "rb") as f:
            data = f.read()
        out, at = [], 0
        while at < len(data):
            size, = struct.unpack(">I", data[at:at + 4])
            out.append(data[at + 4:at + 4 + size])
            at += 4 + size
        return out

    @staticmethod
    def handle(i):
        return hashlib.sha256(b"credential %d" % i).hexdigest()

    def take(self, n=1):
        self.next += n
        return range(self.next - n, self.next)

    def up(self):
        return [n for n in self.nodes if n.process is not None and n.process.poll() is None]

    def agree(self, least=0):
        """All that run have the same tip, of at least this height."""
        tips = [n.status() for n in self.up()]
        return all(t.get("height", -1) >= least for t in tips) and len({t.get("block_hash") for t in tips}) == 1

    def wait_agreed(self, least=0):
        return wait_for(lambda: self.agree(least), FINAL_S)

    def tails(self):
        return [f"{n.name}: {n.status()}\n{n.tail()}" for n in self.nodes]


def test_config(net):
    node = net.nodes[0]
    r = run(SILLOKD, "--config", node.config, "--check-config")
    check("a good configuration is called good", r.returncode == 0, r.stdout, r.stderr)
    bad = net.path("bad.ini")
    with open(node.config) as f, open(bad, "w") as out:
        out.write(f.read().replace("threads = 1", "treads = 1"))
    r = run(SILLOKD, "--config", bad, "--check-config")
    check("an unknown key is an error with its line", r.returncode == 1 and f"{bad}:8: " in r.stderr and "treads" in r.stderr,
          r.stderr)
    with open(bad, "w") as out:
        out.write(run(SILLOKD, "--print-config").stdout)
    r = run(SILLOKD, "--config", bad, "--check-config")
    check("the printed configuration is a good one", r.returncode == 0, r.stderr)


def test_agree(net):
    for n in net.nodes:
        n.start()
    ready = wait_for(lambda: all(n.status().get("peers") == 3 for n in net.nodes), READY_S)
    check("four nodes find each other", ready, *net.tails())
    for i, k in enumerate(net.take(4)):
        code, answer = net.nodes[i].submit(net.submissions[k])
        check(f"a submission to {NAMES[i]} is final", code == 200 and answer.get("state") == "final", code, answer,
              *net.tails())
    check("all have the same chain", net.wait_agreed(1), *net.tails())
    code, answer = net.nodes[2].submit(net.submissions[0])
    check("the same submission again, at another node, has its place in the chain",
          code == 200 and answer.get("height", 0) > 0, code, answer)


def test_proofs(net):
    must_policy = must(SILLOK, "policy", net.nodes[0].dir)
    with open(net.path("policy"), "w") as f:
        f.write(must_policy)
    for n in net.nodes:
        code, proof = n.request("POST", "/v1/proofs", json.dumps({"credential": net.handle(1), "history": True}),
                                dict(JSON, Accept="text/plain"))
        with open(net.path("proof"), "wb") as f:
            f.write(proof)
        with open(net.path("handle"), "w") as f:
            f.write(net.handle(1) + "\n")
        r = run(VERIFY, "--policy", net.path("policy"), "--handle-file", net.path("handle"), net.path("proof"))
        check(f"a proof by {n.name} verifies by the policy of the agencies", code == 200 and r.returncode == 0, code,
              proof[:300], r.stdout, r.stderr)


def submit_some(net, nodes, n):
    return [nodes[i % len(nodes)].submit(net.submissions[k]) for i, k in enumerate(net.take(n))]


def test_killed(net):
    victim = net.nodes[1]
    victim.kill()
    rest = [n for n in net.nodes if n is not victim]
    answers = submit_some(net, rest, 6)
    check("with one killed the chain goes on", all(code == 200 for code, _ in answers), *answers, *net.tails())
    height = rest[0].status().get("height", 0)
    victim.start()
    check("it comes back and catches up", net.wait_agreed(height), *net.tails())
    answers = submit_some(net, [victim], 1)
    check("and takes submissions again", answers[0][0] == 200, *answers, *net.tails())


def test_emptied(net):
    victim = net.nodes[3]
    check("SIGTERM stops a node cleanly", victim.stop() == 0, victim.tail())
    shutil.rmtree(victim.dir)
    victim.init()
    height = net.nodes[0].status().get("height", 0)
    victim.start()
    check("with an emptied directory a node catches up from the charter", net.wait_agreed(height), *net.tails())


def test_reload(net):
    node = net.nodes[2]
    node.write_config(level="debug")
    node.process.send_signal(signal.SIGHUP)
    check("SIGHUP reads the log's level again",
          wait_for(lambda: "reloaded" in open(node.log).read(), 20) and node.process.poll() is None, node.tail())


def test_kill_loop(net):
    """Clients submit to all while one node after the other is killed; whatever was acknowledged is in the chain at the end."""
    acknowledged, lock, over = [], threading.Lock(), threading.Event()

    def client(i):
        while not over.is_set():
            with lock:
                if net.next + 1 >= len(net.submissions):
                    return
                k = net.take()[0]
            code, answer = net.nodes[i].submit(net.submissions[k], wait="received")
            if code in (200, 202):
                with lock:
                    acknowledged.append(answer["id"])
            time.sleep(0.05)

    net.first = net.next
    threads = [threading.Thread(target=client, args=(i,)) for i in range(len(NAMES))]
    for t in threads:
        t.start()
    rng = random.Random(7)
    for _ in range(4):
        victim = net.nodes[rng.randrange(len(NAMES))]
        time.sleep(rng.uniform(0.3, 1.5))
        victim.kill()
        time.sleep(rng.uniform(0.1, 1.0))
        victim.start()
    over.set()
    for t in threads:
        t.join()
    before = net.nodes[0].status().get("height", 0)
    answers = submit_some(net, net.nodes[:1], 1) if net.next < len(net.submissions) else []
    check("after four kills under load a submission is final", all(code == 200 for code, _ in answers), *answers, *net.tails())
    settled = wait_for(lambda: net.agree(before) and all(n.status().get("pool") == 0 for n in net.nodes), FINAL_S)
    check("and all agree, with nothing left waiting", settled, *net.tails())
    check("clients were answered in between", len(acknowledged) > 0)
    return acknowledged


def test_sound(net):
    events = {n.status().get("events") for n in net.nodes}
    for n in net.nodes:
        check(f"SIGTERM stops {n.name} cleanly", n.stop() == 0, n.tail())
    heads = set()
    for n in net.nodes:
        r = run(SILLOK, "audit", n.dir, "--json")
        check(f"the ledger of {n.name} is sound from its first entry", r.returncode == 0, r.stdout, r.stderr)
        heads.add(json.loads(r.stdout or "{}").get("log_root") or r.stdout)
    check("all four hold the same log", len(events) == 1 and len(heads) == 1, events, heads)


def test_acknowledged(net, acknowledged):
    for n in net.nodes:
        n.start()
    check("all start again", wait_for(lambda: all(n.status().get("peers") == 3 for n in net.nodes), READY_S), *net.tails())
    height, lost = net.nodes[0].status().get("height", 0), []
    for k in range(net.first, net.next):  # what is in the chain already is told with its place, at or below the tip; what was lost goes above
        code, answer = net.nodes[k % len(NAMES)].submit(net.submissions[k])
        if answer.get("id") in acknowledged and (code != 200 or not 0 < answer.get("height", 0) <= height):
            lost.append((code, answer))
    check(f"none of {len(acknowledged)} acknowledged submissions is lost", not lost, *lost[:3])
    for n in net.nodes:
        n.stop()


def main():
    root = tempfile.mkdtemp(prefix="sillok-nodes-", dir=os.environ.get("TMPDIR"))
    net = None
    try:
        net = Net(root)
        test_config(net)
        test_agree(net)
        test_proofs(net)
        test_killed(net)
        test_emptied(net)
        test_reload(net)
        acknowledged = test_kill_loop(net)
        test_sound(net)
        test_acknowledged(net, set(acknowledged))
    finally:
        for n in net.nodes if net is not None else []:
            if n.process is not None and n.process.poll() is None:
                n.kill()
        if not os.environ.get("SLK_KEEP"):
            shutil.rmtree(root, ignore_errors=True)
    print(f"1..{count}")
    return 1 if failed else 0


sys.exit(main())
