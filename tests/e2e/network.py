"""A network of agencies' nodes as real processes on this machine: what the tests of this folder share.

A test makes a Net, checks what it expects with check(), and ends with sys.exit(net_main(...)): TAP on standard output.
SLK_KEEP=1 keeps the directory with ledgers and logs.
"""
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
from local_nodes import ask, free_ports, node_config, signed_submissions

NAMES = ["interior", "police", "mint", "carrier"]
READY_S, FINAL_S = 60, 60  # generous: a busy machine is no failure
JSON = {"Content-Type": "application/json"}

count = failed = 0


def check(what, ok, *why):
    """One TAP line; what `why` holds is printed when it failed, and may be functions, so that telling costs only then."""
    global count, failed
    count += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {what}", flush=True)
    for line in why if not ok else ():
        for part in str(line() if callable(line) else line).splitlines():
            print(f"# {part}", flush=True)
    return ok


def skip(what, reason):
    global count
    count += 1
    print(f"ok {count} - {what} # SKIP {reason}", flush=True)


def run(*args, **kwargs):
    return subprocess.run(args, capture_output=True, text=True, **kwargs)


def must(*args):
    r = run(*args)
    if r.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: {r.stdout}{r.stderr}")
    return r.stdout


def wait_for(done, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.05)
    return bool(done())


class Node:
    """One agency's node: its directory, configuration, log and process. What a test changes before start(): `addresses` (where it
    dials whom, by agency), `env` (what its process has besides), `command` (what runs before or instead of sillokd)."""

    def __init__(self, net, index, name):
        self.net, self.index, self.name = net, index, name
        self.dir, self.config = net.path(name), net.path(name + ".ini")
        self.log, self.process = net.path(name + ".log"), None
        self.host = "127.0.0.1"
        self.addresses = {i + 1: f"127.0.0.1:{p}" for i, p in enumerate(net.peer_ports)}
        self.env, self.command = {}, [net.sillokd]

    def init(self):
        return json.loads(must(self.net.sillok, "init", self.dir, "--charter", self.net.path("charter.ini"), "--json"))["chain_id"]

    def write_config(self, level="info"):
        with open(self.config, "w") as f:
            f.write(node_config(self.dir, self.index + 1, self.net.path("keys") + "/" + self.name, self.addresses,
                                f"{self.host}:{self.net.peer_ports[self.index]}", self.net.http_ports[self.index],
                                peers=f"delta_ms = {self.net.delta_ms}\n", log=f"level = {level}\n"))

    def start(self, **env):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command + ["--config", self.config], stderr=log,
                                            env={**os.environ, **self.env, **env})

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def request(self, method, path, body=None, headers=None, timeout=FINAL_S):
        return ask(self.net.http_ports[self.index], method, path, body, headers, timeout)

    def try_request(self, *args, **kwargs):
        """(status, answer), or (None, reason) when there is no answer."""
        try:
            return self.request(*args, **kwargs)
        except (OSError, http.client.HTTPException) as e:
            return None, e

    def status(self):
        code, body = self.try_request("GET", "/v1/status", timeout=5)
        try:
            return json.loads(body) if code == 200 else {}
        except ValueError:
            return {}

    def metrics(self):
        """{name with labels: number}"""
        code, body = self.try_request("GET", "/metrics", timeout=5)
        if code != 200:
            return {}
        return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))}

    def submit(self, submission, wait="final", timeout=FINAL_S):
        """(HTTP status, answer), or (None, reason) when the node went away."""
        try:
            code, body = self.request("POST", f"/v1/submissions?wait={wait}", submission,
                                      {"Content-Type": "application/x-protobuf"}, timeout)
            return code, json.loads(body)
        except (OSError, http.client.HTTPException, ValueError) as e:
            return None, e

    def logged(self):
        with open(self.log) as f:
            return f.read()

    def tail(self, n=15):
        return "\n".join(self.logged().splitlines()[-n:])


class Net:
    """Keys, charter and configurations of a network; nodes[i] is agency i + 1. `submissions` are signed, one ISSUE of its own handle
    each, and take() hands them out."""

    def __init__(self, root, sillok, sillokd, names=NAMES, submissions=600, delta_ms=100, charter=lambda text: text,
                 keys=lambda net: None):
        """`charter` edits the first charter's text, `keys` what is in the directory keys/ before it is made."""
        self.root, self.sillok, self.sillokd, self.names, self.delta_ms = root, sillok, sillokd, names, delta_ms
        self.next = 0
        ports = free_ports(2 * len(names))
        self.peer_ports, self.http_ports = ports[:len(names)], ports[len(names):]
        must(sillok, "keygen", "--member", self.path("keys"), *names)
        must(sillok, "keygen", "--issuer", self.path("keys"), "office")
        keys(self)
        members = [x for i, n in enumerate(names) for x in ("--member", f"{n}={i + 1}")]
        must(sillok, "charter", "new", "--origin", "test.example/ledger", "--keys", self.path("keys"), *members,
             "--issuer", "office=1", "--created", time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - 86400)),
             "-o", self.path("charter.ini"))
        with open(self.path("charter.ini"), "r+") as f:
            text = charter(f.read())
            f.seek(0)
            f.truncate()
            f.write(text)
        self.nodes = [Node(self, i, n) for i, n in enumerate(names)]
        self.chains = {n.init() for n in self.nodes}
        for n in self.nodes:
            n.write_config()
        self.chain = next(iter(self.chains))
        self.submissions = self.sign(submissions)

    def path(self, name):
        return os.path.join(self.root, name)

    def sign(self, n, device="device", occurred=0, batch=1, first=0):
        """Signed submissions of n credentials from the first on: ISSUE of this device, `occurred` days from today; `batch` events in each."""
        now = time.time()
        day = lambda d: time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(now + d * 86400))
        with open(self.path("events.ndjson"), "w") as f:
            for i in range(first, first + n):
                f.write(json.dumps({"issuer": "office", "kind": "ISSUE", "credential": self.handle(i), "sequence": 0,
                                    "device": hashlib.sha256(b"%s %d" % (device.encode(), i)).hexdigest(), "carrier": "PHONE",
                                    "channel": "ONLINE", "type": 2, "valid_until": day(300), "occurred_at": day(occurred),
                                    "status_index": i + 1}) + "\n")
        must(self.sillok, "submit", self.path("events.ndjson"), "--keys", self.path("keys"), "--batch", str(batch), "--sign-only",
             "--chain", self.chain, "-o", self.path("signed"))
        return signed_submissions(self.path("signed"))

    @staticmethod
    def handle(i):
        return hashlib.sha256(b"credential %d" % i).hexdigest()

    def take(self, n=1):
        self.next += n
        return range(self.next - n, self.next)

    def start(self):
        for n in self.nodes:
            n.start()

    def connected(self, nodes=None):
        return all(n.status().get("peers") == len(self.nodes) - 1 for n in nodes or self.nodes)

    def wait_connected(self, nodes=None):
        return wait_for(lambda: self.connected(nodes), READY_S)

    def up(self):
        return [n for n in self.nodes if n.runs()]

    def agree(self, least=0, nodes=None):
        """All that run (or all of `nodes`) have the same tip, of at least this height."""
        tips = [n.status() for n in nodes or self.up()]
        return all(t.get("height", -1) >= least for t in tips) and len({t.get("block_hash") for t in tips}) == 1

    def wait_agreed(self, least=0, nodes=None):
        return wait_for(lambda: self.agree(least, nodes), FINAL_S)

    def settled(self, least=0, nodes=None):
        return self.agree(least, nodes) and all(n.status().get("pool") == 0 for n in nodes or self.up())

    def submit_some(self, nodes, n):
        return [self.submit_until(nodes[i % len(nodes)], self.submissions[k]) for i, k in enumerate(self.take(n))]

    @staticmethod
    def submit_until(node, submission):
        """As clients are told to: 503 (catching up, busy, starting) says to ask again, and so does a node that is not there yet."""
        last = None, "never asked"

        def is_answered():
            nonlocal last
            last = node.submit(submission)
            return last[0] not in (None, 202, 429, 503)

        wait_for(is_answered, FINAL_S)
        return last

    def tails(self):
        return "\n".join(f"{n.name}: {n.status()}\n{n.tail()}" for n in self.nodes)

    def kill(self):
        for n in self.up():
            n.kill()


def net_main(prefix, make, *tests):
    """Makes a network in a fresh directory, runs the tests on it, removes all of it; the exit status."""
    root = tempfile.mkdtemp(prefix=f"sillok-{prefix}-", dir=os.environ.get("TMPDIR"))
    net = None
    try:
        net = make(root)
        for test in tests:
            test(net)
    finally:
        if net is not None:
            net.kill()
        if not os.environ.get("SLK_KEEP"):
            shutil.rmtree(root, ignore_errors=True)
    print(f"1..{count}")
    return 1 if failed else 0
