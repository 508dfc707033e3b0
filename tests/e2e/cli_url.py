#!/usr/bin/env python3
"""What operators, issuers and auditors type against nodes: head, status, prove, history, submit, audit, watch, evidence, charter.

  cli_url.py SILLOK SILLOKD SILLOK_VERIFY LIAR       prints TAP

Nodes are real processes. What lies is a stub between the command and a node that alters one answer, and a second network made
with the same members' keys and the same charter: two histories under the same signatures.
"""
import base64
import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time

import network
from network import NAMES, READY_S, Net, Node, check, free_ports, must, net_main, run, skip, wait_for

SILLOK, SILLOKD, VERIFY, LIAR = sys.argv[1:5]
DEAD = f"http://127.0.0.1:{free_ports(1)[0]}"  # nobody listens there


class Stub(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Hands requests on to a node; `bend(path, status, headers, body)` may change the answer."""
    daemon_threads = True

    def __init__(self, node, bend=lambda path, status, body: (status, body), before=lambda path: None):
        self.node, self.bend, self.before = node, bend, before
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what some tests are about

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {k: v for k, v in self.headers.items() if k in ("Accept", "Content-Type")}
        self.server.before(self.path)
        status, answer = self.server.node.request(self.command, self.path, body or None, headers)
        bent = self.server.bend(self.path, status, answer)
        if bent is None:  # it dies in the middle
            self.close_connection = True
            return
        status, answer, *more = bent
        self.send_response(status)
        for k, v in more:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Twin(Net):
    """The same members, charter and keys in other directories and on other ports: another history of the same ledger."""

    def __init__(self, net):
        self.__dict__.update(net.__dict__)
        self.root = net.path("twin")
        os.mkdir(self.root)
        os.symlink(net.path("keys"), self.path("keys"))
        os.symlink(net.path("charter.ini"), self.path("charter.ini"))
        ports = free_ports(2 * len(self.names))
        self.peer_ports, self.http_ports = ports[:len(self.names)], ports[len(self.names):]
        self.nodes = [Node(self, i, n) for i, n in enumerate(self.names)]
        for n in self.nodes:
            n.init()
            n.write_config()


def url(node):
    return f"http://127.0.0.1:{node.net.http_ports[node.index]}"


def urls(nodes):
    return [x for n in nodes for x in ("--url", n if isinstance(n, str) else n.url if isinstance(n, Stub) else url(n))]


def sillok(*args, **kwargs):
    return run(SILLOK, *args, **kwargs)


def told(r):
    return r.returncode, r.stdout[-1500:], r.stderr[-1500:]


def handle_file(net, i):
    with open(net.path("handle"), "w") as f:
        f.write(net.handle(i) + "\n")
    return net.path("handle")


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


# ---- reading ----

def test_start(net):
    net.start()
    check("four nodes find each other", net.wait_connected(), net.tails)
    net.submit_some(net.nodes, 4)
    check("and agree", net.wait_agreed(1), net.tails)
    with open(net.path("policy"), "w") as f:
        f.write(must(SILLOK, "policy", net.nodes[0].dir))


def test_status(net):
    r = sillok("status", *urls(net.nodes))
    check("status: a row for each node", r.returncode == 0 and all(url(n) in r.stdout for n in net.nodes), *told(r))
    r = sillok("status", "--json", env={**os.environ, "SILLOK_URLS": " ".join(url(n) for n in net.nodes)})
    rows = json.loads(r.stdout)["nodes"]
    check("status: named by the environment, as JSON", r.returncode == 0 and len(rows) == 4 and all(
        row["answered"] and row["status"]["chain_id"] == net.chain and row["cosignatures"] >= 3 and row["lag"] == 0
        for row in rows), *told(r))
    r = sillok("status", *urls([*net.nodes[:2], DEAD]))
    check("status: a dead node is named, exit 2", r.returncode == 2 and f"{DEAD}" in r.stdout and "no answer" in r.stdout, *told(r))
    other = Stub(net.nodes[1], lambda path, status, body: (status, body.replace(net.chain.encode(), b"0" * 64)))
    r = sillok("status", *urls([net.nodes[0], other]))
    check("status: nodes of two ledgers disagree, exit 1", r.returncode == 1 and "different ledgers" in r.stderr, *told(r))
    other = Stub(net.nodes[1], lambda path, status, body: (status, re.sub(rb'("(root|block_hash)":")[0-9a-f]{4}', rb"\g<1>0000", body)))
    r = sillok("status", "--json", *urls([net.nodes[0], other]))
    check("status: two blocks of one height, exit 1", r.returncode == 1 and len(json.loads(r.stdout)["disagreements"]) == 1, *told(r))


def test_head(net):
    policy = net.path("policy")
    r = sillok("head", *urls(net.nodes[:1]), "--policy", policy)
    check("head: verified", r.returncode == 0 and "by the policy" in r.stdout and "test.example/ledger" in r.stdout, *told(r))
    r = sillok("head", *urls(net.nodes[:1]))
    check("head: without a policy it says that nothing is verified", r.returncode == 0 and "node's word" in r.stdout, *told(r))
    r = sillok("head", *urls([DEAD, net.nodes[2]]), "--json")
    check("head: when one is dead the next answers, and both are named",
          r.returncode == 0 and json.loads(r.stdout)["url"] == url(net.nodes[2]) and DEAD in r.stderr and "answered" in r.stderr, *told(r))
    liar = Stub(net.nodes[0], lambda path, status, body: (status, flipped(body, 26) if path == "/checkpoint" else body))
    r = sillok("head", *urls([liar, net.nodes[1]]), "--policy", policy, "--json")
    check("head: an altered checkpoint is passed over", r.returncode == 0 and json.loads(r.stdout)["verified"] is True
          and f"{liar.url}: its checkpoint is not good" in r.stderr, *told(r))
    r = sillok("head", *urls([liar]), "--policy", policy)
    check("head: when there is no other, exit 1", r.returncode == 1, *told(r))
    r = sillok("head", *urls([DEAD]))
    check("head: nobody answers, exit 2, said once", r.returncode == 2 and DEAD in r.stderr and r.stderr.count("onnect to server") == 1, *told(r))
    for bad in (["--url", "ftp://x"], ["--url", "http://a@b"], [], ["--url", url(net.nodes[0]), "--cert", "x"]):
        r = sillok("head", *bad)
        check(f"head {' '.join(bad)}: exit 2 with advice", r.returncode == 2 and r.stderr.count("\n") == 1, *told(r))


def test_prove(net):
    policy, proof, handle = net.path("policy"), net.path("proof"), handle_file(net, 1)
    r = sillok("prove", *urls(net.nodes), "--policy", policy, "--handle-file", handle, "-o", proof)
    v = run(VERIFY, "--policy", policy, "--handle-file", handle, "--history", proof)
    check("prove: a verified proof, which the offline verifier accepts, too",
          r.returncode == 0 and "; verified" in r.stdout and v.returncode == 0, *told(r), *told(v))
    r = sillok("prove", *urls(net.nodes), "--policy", policy, "--handle-file", handle_file(net, 999999), "--format", "binary", "-o", proof, "--json")
    check("prove: never issued", r.returncode == 0 and json.loads(r.stdout)["present"] is False and json.loads(r.stdout)["verified"],
          *told(r))
    handle_file(net, 1)
    r = sillok("prove", *urls(net.nodes), "--handle-file", handle)
    check("prove: not without a policy", r.returncode == 2 and "--policy" in r.stderr, *told(r))
    os.remove(proof)

    def altered(path, status, body):
        return (status, body.replace(b"extra ", b"extra AA", 1) if path.startswith("/v1/proofs") else body)
    liar = Stub(net.nodes[0], altered)
    r = sillok("prove", *urls([liar, net.nodes[1]]), "--policy", policy, "--handle-file", handle, "-o", proof)
    check("prove: an altered proof is refused, its node named, another asked",
          r.returncode == 0 and f"{liar.url}: A BAD PROOF" in r.stderr and f"{url(net.nodes[1])} answered" in r.stderr, *told(r))
    os.remove(proof)
    r = sillok("prove", *urls([liar]), "--policy", policy, "--handle-file", handle, "-o", proof)
    check("prove: only bad proofs: exit 1, and no file", r.returncode == 1 and not os.path.exists(proof), *told(r))
    r = sillok("prove", *urls([liar, DEAD]), "--policy", policy, "--handle-file", handle, "-o", proof)
    check("prove: bad ones and none: exit 1", r.returncode == 1 and DEAD in r.stderr, *told(r))
    denies = Stub(net.nodes[0], lambda path, status, body: (422, b'{"title":"no","status":422,"code":"TOO_LONG","detail":"no"}'))
    r = sillok("prove", *urls([denies, net.nodes[1]]), "--policy", policy, "--handle-file", handle, "-o", proof)
    check("prove: a node that says there is no such proof does not keep another from making it", r.returncode == 0, *told(r))
    r = sillok("prove", *urls([denies]), "--policy", policy, "--handle-file", handle, "-o", proof)
    check("prove: nobody makes one: exit 2, with the reason", r.returncode == 2 and denies.url in r.stderr, *told(r))
    of_another = Stub(net.nodes[0], lambda path, status, body: net.nodes[0].request(
        "POST", path, bytes.fromhex(net.handle(2)), {"Accept": "text/plain", "Content-Type": "application/octet-stream"}))
    r = sillok("prove", *urls([of_another]), "--policy", policy, "--handle-file", handle, "-o", proof)
    check("prove: a good proof of another credential: exit 1", r.returncode == 1 and "BAD PROOF" in r.stderr, *told(r))
    with open(net.path("handles"), "w") as f:
        f.writelines(net.handle(i) + "\n" for i in range(4))
    r = sillok("prove", *urls(net.nodes), "--policy", policy, "--handles", net.path("handles"), "-o", net.path("proofs"), "--json")
    check("prove: many", r.returncode == 0 and json.loads(r.stdout)["proofs"] == 4 and len(os.listdir(net.path("proofs"))) == 4, *told(r))
    seen = []
    spy = Stub(net.nodes[0], lambda path, status, body: (seen.append(path), (status, body))[1])
    sillok("prove", *urls([spy]), "--policy", policy, "--handle-file", handle, "-o", proof)
    check("no handle stands in a URL", seen and not any(re.search("[0-9a-f]{8}", p) for p in seen), seen)


def test_history(net):
    policy, handle = net.path("policy"), handle_file(net, 1)
    r = sillok("history", *urls([DEAD, *net.nodes]), "--handle-file", handle, "--policy", policy, "--json")
    lines = [json.loads(x) for x in r.stdout.splitlines()]
    check("history: verified events", r.returncode == 0 and lines[0]["kind"] == "ISSUE" and lines[-1]["verified"] is True, *told(r))
    r = sillok("history", *urls(net.nodes[:1]), "--handle-file", handle)
    check("history: by the node's own policy it says so", r.returncode == 0 and "ISSUE" in r.stdout and "by yours" in r.stdout, *told(r))
    r = sillok("history", *urls(net.nodes), "--handle", "00" * 32, "--policy", policy)
    check("history: never issued: exit 1", r.returncode == 1 and "never issued" in r.stdout, *told(r))


# ---- the way there ----

class UnixStub(Stub):
    address_family = socket.AF_UNIX

    def __init__(self, node, path):
        self.node, self.bend, self.before = node, lambda p, status, body: (status, body), lambda p: None
        socketserver.TCPServer.__init__(self, path, Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self):
        self.socket.bind(self.server_address)

    def get_request(self):
        connection, _ = self.socket.accept()
        return connection, ("unix", 0)


def test_client(net):
    policy = net.path("policy")
    big = Stub(net.nodes[0], lambda path, status, body: (status, body * 500))
    r = sillok("head", *urls([big]), "--policy", policy)
    check("client: an answer without end is cut off", r.returncode == 2 and "larger than" in r.stderr, *told(r))
    slow = Stub(net.nodes[0], before=lambda path: time.sleep(20))
    started = time.monotonic()
    r = sillok("head", *urls([slow, net.nodes[1]]), "--timeout", "4", "--policy", policy)
    check("client: a node that hangs is left for another", r.returncode == 0 and slow.url in r.stderr and time.monotonic() - started < 20,
          *told(r))
    away = Stub(net.nodes[0], lambda path, status, body: (302, b"", ("Location", url(net.nodes[1]) + path)))
    r = sillok("head", *urls([away]))
    check("client: nobody is sent elsewhere", r.returncode == 2 and "302" in r.stderr, *told(r))
    page = Stub(net.nodes[0], lambda path, status, body: (200, b"<html>hello</html>"))
    for command in (["head"], ["status"], ["policy"], ["history", "--handle", "00" * 32], ["audit"], ["charter", "show"]):
        r = sillok(*command, *urls([page]))
        check(f"client: {' '.join(command[:2])} of what is no node fails", r.returncode in (1, 2) and page.url in r.stderr + r.stdout, *told(r))
    path = os.path.join(net.root, "sock")
    UnixStub(net.nodes[0], path)
    r = sillok("head", "--url", "unix:" + path, "--policy", policy)
    check("client: a Unix socket", r.returncode == 0, *told(r))


def test_https(net):
    if shutil.which("openssl") is None:
        skip("client: https", "no openssl program")
        return
    cert, key = net.path("web.pem"), net.path("web.key")
    must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    public = subprocess.run(["openssl", "x509", "-in", cert, "-pubkey", "-noout"], capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public, capture_output=True, check=True).stdout
    pin = "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_REQUIRED
    web = Stub(net.nodes[0])
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    at = ["head", "--url", web.url.replace("http:", "https:"), "--policy", net.path("policy")]
    mine = ["--cert", cert, "--cert-key", key]
    for title, args, code in (("a known authority, a certificate, a pinned key", ["--ca", cert, *mine, "--pin", pin], 0),
                              ("an unknown authority", mine, 2), ("no certificate", ["--ca", cert], 2),
                              ("another key than the pinned one", ["--ca", cert, *mine, "--pin", "sha256//" + "A" * 43 + "="], 2)):
        r = sillok(*at, *args)
        check(f"client: https: {title}: exit {code}", r.returncode == code, *told(r))


# ---- submitting ----

def day(d):
    return time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + d * 86400))


def events_file(net, name, events):
    with open(net.path(name), "w") as f:
        f.writelines(json.dumps({"issuer": "office", "channel": "ONLINE", "occurred_at": day(0), **e}) + "\n" for e in events)
    return net.path(name)


def issue(net, i):
    return {"kind": "ISSUE", "credential": net.handle(i), "device": net.handle(-i), "carrier": "PHONE", "type": 2,
            "valid_until": day(300), "status_index": i + 1}


def lock(net, i, **more):
    return {"kind": "LOCK", "credential": net.handle(i), "reason": 1, **more}


def unlock(net, i, **more):
    return {"kind": "UNLOCK", "credential": net.handle(i), **more}


def submit(net, nodes, *args, **kwargs):
    return sillok("submit", *urls(nodes), *args, "--keys", net.path("keys"), "--json", **kwargs)


def summary(r):
    lines = [json.loads(x) for x in r.stdout.splitlines()]
    return lines[-1] if lines else {}


def head_of(net, i):
    code, body = net.nodes[0].request("POST", "/v1/proofs", json.dumps({"credential": net.handle(i)}),
                                      {"Accept": "application/json", **network.JSON})
    return json.loads(body)["record"]["events_n"], json.loads(body)["record"]["last_event_id"]


def test_submit(net):
    file = events_file(net, "issues", [{**issue(net, i), "sequence": 0} for i in range(1000, 1060)])
    r = submit(net, net.nodes, file, "--batch", "7", "--chain", net.chain)
    check("submit: to four nodes at once", r.returncode == 0 and summary(r)["accepted"] == 60, *told(r))
    r = submit(net, net.nodes, file, "--batch", "7")
    many = sillok("submit", file, "--batch", "7", "--keys", net.path("keys"), "--json", env={**os.environ, "SILLOK_URLS": url(net.nodes[2])})
    check("submit: a file of events, to the nodes of the environment", many.returncode == 0 and summary(many)["duplicate"] == 60, *told(many))
    check("submit: the same again is recognised", r.returncode == 0 and summary(r)["duplicate"] == 60, *told(r))
    lives = [e for i in range(1000, 1010) for e in (lock(net, i), unlock(net, i), lock(net, i), unlock(net, i))]
    r = submit(net, net.nodes, events_file(net, "lives", lives), "--batch", "3", "--wait", "proof")
    check("submit: what follows another event waits for it, and heads are filled in",
          r.returncode == 0 and summary(r)["accepted"] == 40 and head_of(net, 1003)[0] == 5, *told(r))
    r = submit(net, net.nodes, events_file(net, "again", [lock(net, i) for i in range(1000, 1010)]), "--wait", "received")
    check("submit: as soon as one node has it", r.returncode == 0 and summary(r)["accepted"] == 10, *told(r))
    r = submit(net, net.nodes[:1], events_file(net, "bad", [{**issue(net, 1100), "sequence": 0}, lock(net, 1020), unlock(net, 1021)]))
    told_of = [json.loads(x) for x in r.stdout.splitlines()]
    check("submit: what breaks a rule is refused with its line, exit 1", r.returncode == 1 and told_of[0]["rule"] == "STATE"
          and told_of[0]["line"] == 3 and summary(r)["refused"] == 3, *told(r))
    r = submit(net, net.nodes, file, "--chain", "0" * 64)
    check("submit: nothing is signed for another chain than --chain says, exit 1", r.returncode == 1 and "another ledger" in r.stderr, *told(r))
    r = sillok("submit", *urls(net.nodes), net.dir if hasattr(net, "dir") else net.nodes[0].dir, file, "--keys", net.path("keys"))
    check("submit: a directory does not go with --url, exit 2", r.returncode == 2 and "--url" in r.stderr, *told(r))


def test_submit_signed(net):
    file = events_file(net, "more", [{**issue(net, i), "sequence": 0} for i in range(1200, 1230)])
    must(SILLOK, "submit", file, "--keys", net.path("keys"), "--batch", "4", "--sign-only", "--chain", net.chain, "-o", net.path("signed2"))
    r = submit(net, net.nodes[1:], "--signed", net.path("signed2"))
    check("submit: what was signed elsewhere", r.returncode == 0 and summary(r)["accepted"] == 30, *told(r))
    r = submit(net, net.nodes[:1], "--signed", net.path("signed2"))
    check("submit: and again, at another node", r.returncode == 0 and summary(r)["duplicate"] == 30, *told(r))
    with open(net.path("signed2"), "r+b") as f:
        f.seek(60)
        f.write(b"\xff\xff\xff")
    r = submit(net, net.nodes[:1], "--signed", net.path("signed2"))
    check("submit: a damaged file is refused", r.returncode in (1, 2) and summary(r).get("accepted", 0) == 0, *told(r))


def test_submit_stale(net):
    n, last = head_of(net, 1030)
    file = events_file(net, "stale", [lock(net, 1030, sequence=n, previous=last)])
    renewed = events_file(net, "renewed", [{"kind": "RENEW", "credential": net.handle(1030), "valid_until": day(310)}])
    state = {"once": True}

    def overtake(path):  # between the look-up and the submission somebody else is quicker
        if path.startswith("/v1/submissions") and state.pop("once", False):
            r = submit(net, net.nodes[1:2], state["file"])
            check("somebody else is quicker", r.returncode == 0, *told(r))
    stub = Stub(net.nodes[0], before=overtake)
    state["file"] = renewed
    r = submit(net, [stub], events_file(net, "lock", [lock(net, 1031), lock(net, 1030)]))
    check("submit: overtaken, it is signed again with the new head", r.returncode == 0 and summary(r)["accepted"] == 2
          and head_of(net, 1030)[0] == n + 2, *told(r))
    r = submit(net, net.nodes, file)
    check("submit: where the head was given, it is told instead, exit 1", r.returncode == 1
          and json.loads(r.stdout.splitlines()[0]).get("head_sequence") == n + 2, *told(r))


def test_submit_dead(net):
    file = events_file(net, "many", [{**issue(net, i), "sequence": 0} for i in range(1300, 1380)])
    alive = [10]

    def dies(path, status, body):
        if path.startswith("/v1/submissions"):
            alive[0] -= 1
        return (status, body) if alive[0] > 0 else None
    dying = Stub(net.nodes[0], dies)
    r = submit(net, [dying, *net.nodes[1:3]], file, "--batch", "2")
    check("submit: a node dies in the middle: nothing is lost, nothing twice", r.returncode == 0
          and summary(r)["accepted"] == 80 and dying.url in r.stderr and "other nodes" in r.stderr, *told(r))
    busy = [6]

    def is_busy(path, status, body):
        if path.startswith("/v1/submissions"):
            busy[0] -= 1
            if busy[0] > 0:
                return 503, b'{"title":"","status":503,"code":"BUSY","detail":"too much"}', ("Retry-After", "0")
        return status, body
    file = events_file(net, "few", [{**issue(net, i), "sequence": 0} for i in range(1400, 1404)])
    r = submit(net, [Stub(net.nodes[0], is_busy)], file, "--batch", "1")
    check("submit: a busy node is waited for", r.returncode == 0 and summary(r)["accepted"] == 4, *told(r))
    only = Stub(net.nodes[0], lambda path, status, body: None if path.startswith("/v1/submissions") else (status, body))
    file = events_file(net, "untaken", [{**issue(net, i), "sequence": 0} for i in range(1500, 1504)])
    r = submit(net, [only, DEAD], file, "--batch", "1", "--patience", "1", "--rest", net.path("rest"))
    check("submit: nobody takes it: exit 2, who and why, and the rest is kept", r.returncode == 2 and only.url in r.stderr
          and open(net.path("rest")).read() == open(file).read(), *told(r))
    check("submit: and how to find out what is in the ledger", "same --batch" in r.stderr, *told(r))
    r = submit(net, net.nodes, net.path("rest"), "--batch", "1")
    check("submit: it is taken up from there", r.returncode == 0 and summary(r)["accepted"] + summary(r)["duplicate"] == 4, *told(r))


# ---- charter, policy, audit ----

def test_charter(net):
    r = sillok("charter", "show", *urls(net.nodes[:1]))
    check("charter show: a node's", r.returncode == 0 and net.chain in r.stdout and "police" in r.stdout, *told(r))
    r = sillok("policy", *urls([DEAD, net.nodes[0]]), "--chain", net.chain)
    check("policy: pinned by the chain id", r.returncode == 0 and r.stdout == open(net.path("policy")).read(), *told(r))
    r = sillok("policy", *urls(net.nodes[:1]))
    check("policy: without the chain id it says whose word it is", r.returncode == 0 and "warning" in r.stderr, *told(r))
    r = sillok("policy", *urls(net.nodes[:1]), "--chain", "1" * 64)
    check("policy: of another chain: exit 1", r.returncode == 1 and r.stdout == "", *told(r))


def test_audit(net):
    r = sillok("audit", *urls(net.nodes), "--chain", net.chain, "--json")
    answer = json.loads(r.stdout)
    check("audit: everything from one node, every node agrees", r.returncode == 0 and answer["result"] == "sound" and answer["pinned"]
          and [n["result"] for n in answer["nodes"]] == ["agrees"] * 4 and answer["events"] == net.nodes[0].status()["events"], *told(r))
    check("audit: nothing is left behind", not [d for d in os.listdir(os.environ.get("TMPDIR", "/tmp")) if d.startswith("sillok-audit-")])
    r = sillok("audit", *urls([DEAD, net.nodes[1]]), "--keep", net.path("kept"))
    check("audit: a dead node is named, exit 2, but the others are audited", r.returncode == 2 and DEAD in r.stderr and "sound:" in r.stdout
          and "node's word" in r.stdout, *told(r))
    net.submit_some(net.nodes[:1], 2)
    r = sillok("audit", *urls(net.nodes[:1]), "--keep", net.nodes[1].dir)
    check("audit: a node's own directory is in use, and that is not said of the node that was asked", r.returncode == 2
          and f"{net.nodes[1].dir}: another process is writing" in r.stderr, *told(r))
    r = sillok("audit", *urls(net.nodes[:2]), "--keep", net.path("kept"), "--json")
    check("audit: the kept ledger goes on", r.returncode == 0 and json.loads(r.stdout)["result"] == "sound", *told(r))
    r = sillok("audit", net.path("kept"), "--chain", net.chain)
    check("audit: and is a ledger like any other", r.returncode == 0, *told(r))
    os.mkdir(net.path("others"))
    with open(net.path("others/minutes.txt"), "w"):
        pass
    r = sillok("audit", *urls(net.nodes[:1]), "--keep", net.path("others"))
    check("audit: a directory with other things in it is refused before anything is fetched",
          r.returncode == 2 and "others holds `minutes.txt`" in r.stderr and not os.path.exists(net.path("others.blocks")), *told(r))
    r = sillok("audit", *urls(net.nodes[:1]), "--chain", "1" * 64)
    check("audit: another chain than expected: exit 1", r.returncode == 1 and "another ledger" in r.stderr, *told(r))
    bends = {
        "an entry": lambda path, status, body: (status, flipped(body, len(body) // 2) if path.startswith("/v1/blocks/2") else body),
        "a certificate": lambda path, status, body: (status, flipped(body, 300) if path.startswith("/v1/blocks/3") else body),
        "a header": lambda path, status, body: (status, flipped(body, 200) if path.startswith("/v1/blocks/1") else body),
        "the genesis": lambda path, status, body: (status, flipped(body, 330) if path.startswith("/v1/blocks/0") else body),
    }
    for what, bend in bends.items():
        r = sillok("audit", *urls([Stub(net.nodes[0], bend)]), "--chain", net.chain)
        check(f"audit: {what} altered: exit 1", r.returncode == 1, *told(r))
    dies = [3]

    def gone(path, status, body):
        dies[0] -= path.startswith("/v1/blocks/")
        return (status, body) if dies[0] > 0 else None
    r = sillok("audit", *urls([Stub(net.nodes[0], gone), net.nodes[1]]), "--chain", net.chain, "--json")
    check("audit: a node that dies in the middle is made up for by another", r.returncode == 2 and json.loads(r.stdout)["result"] == "sound",
          *told(r))


# ---- watching ----

def watch(net, nodes, *args):
    return sillok("watch", "--once", *urls(nodes), "--policy", net.path("policy"), "--evidence", net.path("evidence"), *args)


def test_watch(net):
    state = net.path("state")
    r = watch(net, net.nodes, "--state", state)
    check("watch: four nodes agree", r.returncode == 0 and "4 of 4 nodes agree" in r.stdout, *told(r))
    kept = json.load(open(state))
    check("watch: and what was seen is remembered", set(kept["nodes"]) == {url(n) for n in net.nodes} and "newest" in kept, kept)
    net.submit_some(net.nodes, 1)
    old = Stub(net.nodes[0], lambda path, status, body: (status, kept["nodes"][url(net.nodes[0])].encode() if path == "/checkpoint" else body))
    net.wait_agreed(1)
    wait_for(lambda: all(n.status().get("cosigned_height") == n.status().get("height") for n in net.nodes), READY_S)
    r = watch(net, [old, *net.nodes[1:]], "--state", state, "--json")
    told_of = json.loads(r.stdout)
    check("watch: one node behind: consistency is proven", r.returncode == 0 and told_of["result"] == "agree"
          and len({n["size"] for n in told_of["nodes"]}) == 2, *told(r))
    r = watch(net, [*net.nodes[:3], DEAD], "--state", state)
    check("watch: a dead node: exit 2, and which", r.returncode == 2 and DEAD in r.stderr, *told(r))
    r = watch(net, net.nodes, "--state", state)
    os.rename(state, state + ".good")
    kept_now = json.load(open(state + ".good"))
    kept_now["nodes"][old.url] = kept_now["nodes"][url(net.nodes[1])]
    json.dump(kept_now, open(state, "w"))
    r = watch(net, [old], "--state", state)
    check("watch: a node rolled back: exit 1", r.returncode == 1 and "rolled back" in r.stderr, *told(r))
    time.sleep(1.2)
    r = watch(net, [old], "--stale", "0")
    check("watch: nothing cosigned lately: exit 1", r.returncode == 1 and "seconds ago" in r.stderr, *told(r))
    r = watch(net, [Stub(net.nodes[0])])
    check("watch: a stub that alters nothing is as good as its node", r.returncode == 0, *told(r))
    with open(state, "w") as f:
        f.write("{}")
    r = watch(net, net.nodes, "--state", state)
    check("watch: a damaged memory is an error, not a fresh start", r.returncode == 2 and state in r.stderr, *told(r))
    os.rename(state + ".good", state)
    unsound = Stub(net.nodes[0], lambda path, status, body: (status, flipped(body, 26)) if path == "/checkpoint" else (status, body))
    r = watch(net, [unsound, *net.nodes[1:]])
    check("watch: an altered checkpoint: exit 1", r.returncode == 1 and f"{unsound.url}: its checkpoint" in r.stderr, *told(r))
    lazy = Stub(net.nodes[0], lambda path, status, body:
                (status, re.sub(rb'"path":\[[^]]*\]', b'"path":[]', body)) if "consistency" in path else (status, body))
    r = watch(net, [old], "--state", net.path("none")), watch(net, [lazy], "--state", net.path("none"))
    check("watch: a false path: exit 1, but it convicts nobody", r[1].returncode == 1 and "does not lead" in r[1].stderr
          and not os.path.exists(net.path("evidence")), *told(r[0]), *told(r[1]))


def signed_alone(net, note, size):
    """A checkpoint of another size that one member's log key signed, and nobody else."""
    origin = note.split("\n")[0]
    text = f"{origin}\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"
    key = net.path(f"keys/{NAMES[0]}.log.pem")
    with open(net.path("alone"), "w") as f:
        f.write(text)
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout[-32:]
    signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", net.path("alone")], capture_output=True,
                               check=True).stdout
    name = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    return f"{text}\n\u2014 {origin} {base64.b64encode(name + signature).decode()}\n"


def test_signed_alone(net):
    """What one member signed alone, of a size between two of a quorum's, is false; the node that says so is not."""
    note = net.nodes[0].request("GET", "/checkpoint")[1].decode()
    size = int(note.split("\n")[1])
    first = watch(net, net.nodes[1:2], "--state", net.path("before"))
    net.submit_some(net.nodes, 3)
    wait_for(lambda: all(int(n.request("GET", "/checkpoint")[1].split(b"\n")[1]) > size + 1 for n in net.nodes), 60)
    alone = Stub(net.nodes[0], lambda path, status, body: (status, signed_alone(net, note, size + 1).encode()
                                                           if path == "/checkpoint" else body))
    r = watch(net, [alone, net.nodes[1]], "--state", net.path("before"), "--evidence", net.path("evidence-alone"))
    check("watch: what no quorum signed is what is false, not the node that shows another root", first.returncode == 0
          and r.returncode == 1 and f"{alone.url}: its checkpoint of {size + 1}" in r.stderr and f"{url(net.nodes[1])}: gives" not in r.stderr
          and f"{url(net.nodes[1])}: has another" not in r.stderr, *told(first), *told(r))


def test_split_view(net):
    twin = Twin(net)
    twin.start()
    try:
        check("the same members start another history", twin.wait_connected(), twin.tails)
        twin.submit_some(twin.nodes, 7)
        wait_for(lambda: twin.nodes[0].status().get("cosigned_height", 0) >= 1, 60)
        r = watch(net, [*net.nodes[:2], twin.nodes[0]], "--json")
        answer = json.loads(r.stdout)
        check("watch: SPLIT VIEW, exit 1", r.returncode == 1 and answer["result"] == "split-view" and "SPLIT VIEW" in r.stderr, *told(r))
        notes = lambda: [n.request("GET", "/checkpoint")[1].decode() for n in (net.nodes[0], twin.nodes[0])]
        sizes = lambda: sorted(int(n.split("\n")[1]) for n in notes())
        if sizes()[0] + 1 >= sizes()[1]:
            twin.submit_some(twin.nodes, 2)
            wait_for(lambda: sizes()[0] + 1 < sizes()[1], 60)
        note, sizes = notes()[0], sizes()
        between = Stub(net.nodes[1], lambda path, status, body: (status, signed_alone(net, note, sum(sizes) // 2).encode()
                                                                 if path == "/checkpoint" else body))
        alone = watch(net, [net.nodes[0], between, twin.nodes[0]], "--json", "--evidence", net.path("evidence-between"))
        check("watch: who signs alone draws nothing upon itself by standing between the two", alone.returncode == 1
              and sum(f"cosigner {n}" in alone.stderr for n in NAMES) >= 2, sizes, *told(alone))
        check("watch: it names who signed both", sum(f"cosigner {n}" in r.stderr for n in NAMES) >= 2, *told(r))
        r = sillok("audit", *urls([net.nodes[0], twin.nodes[0]]), "--json")
        check("audit: a node with another history contradicts, exit 1", r.returncode == 1
              and [n["result"] for n in json.loads(r.stdout)["nodes"]] == ["agrees", "contradicts"], *told(r))
        r = watch(net, [twin.nodes[1]], "--state", net.path("state"))
        check("watch: against what is remembered, too", r.returncode == 1 and "SPLIT VIEW" in r.stderr, *told(r))
    finally:
        twin.kill()


def test_evidence(net):
    file, policy, charter = net.path("evidence"), net.path("policy"), net.path("charter.ini")
    r = sillok("evidence", file, "--policy", policy)
    check("evidence: convicted by the policy, offline", r.returncode == 0 and r.stdout.count("convicted:") == 2
          and r.stdout.count("cosigning key") >= 4, *told(r))
    r = sillok("evidence", file, "--charter", charter, "--json")
    found = [json.loads(x) for x in r.stdout.splitlines()]
    check("evidence: by the charter, with the members' names", r.returncode == 0 and len(found) == 2 and all(
        e["result"] == "convicted" and len({k.get("member") for k in e["keys"] if k["use"] == "cosign"} & set(NAMES)) >= 2
        for e in found), *told(r))
    lines = open(file).read().splitlines()

    def judged(title, e, why, code=1):
        with open(net.path("bad"), "w") as f:
            f.write((e if isinstance(e, str) else json.dumps(e)) + "\n")
        r = sillok("evidence", net.path("bad"), "--policy", policy)
        check(f"evidence: {title}", r.returncode == code and why in r.stderr, *told(r))
    e = json.loads(lines[0])
    judged("one note twice proves nothing", {"evidence": "split-view", "notes": [e["notes"][0]] * 2, "from": e["from"]}, "say the same")
    judged("an altered note proves nothing", {**e, "notes": [e["notes"][0].replace("ledger\n", "ledger\n1", 1), e["notes"][1]]}, "proves nothing")
    if "path" in e:
        judged("an altered path proves nothing", {**e, "path": ["00" * 32, *e["path"][1:]]}, "does not lead")
    judged("a line that is none proves nothing", "hello", "not one JSON object")
    judged("nothing proves nothing", "", "empty")
    os.makedirs(net.path("k2"), exist_ok=True)
    must(SILLOK, "keygen", "--member", net.path("k2"), "stranger")
    must(SILLOK, "keygen", "--issuer", net.path("k2"), "office")
    must(SILLOK, "charter", "new", "--origin", "test.example/ledger", "--keys", net.path("k2"), "--member", "stranger=1",
         "--issuer", "office=1", "-o", net.path("other.ini"))
    r = sillok("evidence", file, "--charter", net.path("other.ini"))
    check("evidence: strangers' keys are not convicted", r.returncode == 1 and "no key of the policy signed both" in r.stderr, *told(r))
    r = sillok("evidence", file)
    check("evidence: not without a policy or charter", r.returncode == 2, *told(r))


def test_votes(net):
    """A member that votes twice, caught by the others, exported and judged."""
    net.nodes[3].stop()
    net.nodes[3].command = [LIAR, "--lie", "votes"]
    net.nodes[3].start()
    caught = lambda: any(n.metrics().get("sillok_evidence_total", 0) > 0 for n in net.nodes[:3])

    def is_caught():  # it lies when it votes, and it votes when it is not behind
        net.submit_some(net.nodes[:1], 1)
        return caught()
    check("a member votes twice and is caught", wait_for(is_caught, READY_S), net.tails)
    net.nodes[3].kill()
    r = sillok("evidence", "export", *urls(net.nodes[:3]), "-o", net.path("votes"))
    size = os.path.getsize(net.path("votes"))
    dead = sillok("evidence", "export", "--url", DEAD, "-o", net.path("votes"))
    check("evidence export: of who does not answer nothing is found, not even that there is none",
          dead.returncode == 2 and "0 pairs" not in dead.stderr, *told(dead))
    check("evidence export: from nodes, and kept by that", r.returncode == 0 and 0 < size == os.path.getsize(net.path("votes")), *told(r))
    r = sillok("evidence", net.path("votes"), "--charter", net.path("charter.ini"), "--json")
    found = [json.loads(x) for x in r.stdout.splitlines()]
    check("evidence: the votes convict the one who lied", r.returncode == 0 and {e["member"] for e in found} == {"carrier"}, *told(r))
    r = sillok("evidence", net.path("votes"), "--policy", net.path("policy"))
    check("evidence: votes need a charter", r.returncode == 2 and "--charter" in r.stderr, *told(r))
    with open(net.path("votes")) as f:
        e = json.loads(f.readline())
    with open(net.path("bad"), "w") as f:
        f.write(json.dumps({**e, "second": e["first"]}) + "\n" + json.dumps({**e, "height": e["height"] + 1}) + "\n")
    r = sillok("evidence", net.path("bad"), "--charter", net.path("charter.ini"))
    check("evidence: altered votes convict nobody", r.returncode == 1 and r.stderr.count("proves nothing") == 2, *told(r))
    own = {}
    for n in net.nodes[:3]:
        n.stop()
        r = sillok("evidence", "export", n.dir)
        own[n.name] = (r.returncode, r.stdout)
    with open(net.path("votes")) as f:
        check("evidence export: from directories, the same", all(code == 0 for code, _ in own.values())
              and sorted("".join(text for _, text in own.values()).splitlines()) == sorted(f.read().splitlines()), own)


if __name__ == "__main__":
    sys.exit(net_main("cli-url", lambda root: Net(root, SILLOK, SILLOKD, submissions=900), test_start, test_status, test_head, test_prove,
                      test_history, test_client, test_https, test_watch, test_signed_alone, test_split_view, test_evidence, test_submit, test_submit_signed, test_submit_stale,
                      test_submit_dead, test_charter, test_audit, test_votes))
