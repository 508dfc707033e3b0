#!/usr/bin/env python3
"""The HTTP API over TLS, as clients see it: a node of one agency, Python's ssl and, where it is installed, curl.

  https.py SILLOK SILLOKD MAKE_CERTS        prints TAP
"""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import sys
import threading
import time

from network import FINAL_S, JSON, READY_S, Net, check, free_ports, must, net_main, run, skip, wait_for

SILLOK, SILLOKD, MAKE_CERTS = sys.argv[1:4]
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def pem(net, name):
    return net.path(f"certs/{name}.pem")


def configure(net, certificate="server-ec", **lists):
    node = net.nodes[0]
    with open(net.path("plain.ini")) as f:
        text = f.read()
    tls = f"tls_listen = 127.0.0.1:{net.tls_port}\ncertificate = {pem(net, certificate)}\nkey = {net.path(f'certs/{certificate}.key')}\n"
    tls += "".join(f"{key} = {value}\n" for key, value in lists.items())
    with open(node.config, "w") as f:
        f.write(text.replace("[log]", tls + "[log]"))


def reload(net):
    node = net.nodes[0]
    before = node.logged().count("info reloaded")
    node.process.send_signal(signal.SIGHUP)
    return wait_for(lambda: node.logged().count("info reloaded") > before, READY_S)


def context(net, client=None):
    c = ssl.create_default_context(cafile=pem(net, "servers"))
    c.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)  # on by itself from Python 3.13; these certificates are bare ones
    if client:
        c.load_cert_chain(pem(net, client), net.path(f"certs/{client}.key"))
    return c


def request(net, method, path, body=None, headers=None, client=None, c=None):
    """(status, body), or (None, reason)."""
    try:
        h = http.client.HTTPSConnection("localhost", net.tls_port, timeout=FINAL_S, context=c or context(net, client))
        h.request(method, path, body, headers or {})
        r = h.getresponse()
        out = r.status, r.read()
        h.close()
        return out
    except (OSError, http.client.HTTPException) as e:
        return None, e


def submit(net, client=None):
    k, = net.take(1)
    return request(net, "POST", "/v1/submissions?wait=final", net.submissions[k], PROTOBUF, client)


def refused(net, reason):
    return net.nodes[0].metrics().get(f'sillok_http_refused_total{{reason="{reason}"}}', 0)


def counts(net, reason, attempt):
    """What the attempt gives, and whether it was counted under this reason."""
    before = refused(net, reason)
    answer = attempt()
    return answer, wait_for(lambda: refused(net, reason) > before, READY_S)


def raw(net, c=None):
    s = socket.create_connection(("127.0.0.1", net.tls_port), timeout=FINAL_S)
    return c.wrap_socket(s, server_hostname="localhost") if c else s


def read_all(s):
    out = b""
    while True:
        piece = s.recv(65536)
        if not piece:
            return out
        out += piece


def test_public(net):
    net.start()
    check("a node listens with TLS", wait_for(lambda: request(net, "GET", "/v1/status")[0] == 200, READY_S), net.tails)
    code, body = submit(net)
    check("where nobody is listed, anybody may submit", code == 200 and json.loads(body)["state"] == "final", code, body)
    check("an untrusting client can tell another server", request(net, "GET", "/health", c=ssl.create_default_context())[0] is None)
    s = raw(net, context(net))
    check("it is TLS 1.3", s.version() == "TLSv1.3", s.version())
    s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    got = read_all(s)
    check("two requests in one record are answered in turn", got.count(b"HTTP/1.1 200 OK") == 2, got)
    s = raw(net, context(net))
    for byte in b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n":
        s.sendall(bytes([byte]))
    check("a request in many records is one", b"200 OK" in read_all(s))
    big = b"x" * (1 << 20)
    code, body = request(net, "POST", "/v1/submissions", big, PROTOBUF)
    check("a large body is read", code == 400, code, body)
    s = raw(net, context(net))
    s.sendall(b"POST /v1/proofs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
              b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
    check("100 Continue comes through", s.recv(100).startswith(b"HTTP/1.1 100 Continue"))
    s.sendall(b"{}")
    check("and then the answer", b"HTTP/1.1 400" in read_all(s))
    c = context(net)
    c.set_alpn_protocols(["h2", "http/1.1"])
    check("of several protocols HTTP/1.1 is taken", raw(net, c).selected_alpn_protocol() == "http/1.1")


def test_large_answers(net):
    handles = [net.take(1)[0] for _ in range(20)]
    batch = net.batch
    code, body = request(net, "POST", "/v1/submissions?wait=final", batch, PROTOBUF)
    check("a batch over TLS is final", code == 200, code, body, handles)
    height = json.loads(body).get("height") or net.nodes[0].status()["height"]
    plain = net.nodes[0].request("GET", f"/v1/blocks/{height}", headers={"Accept": "application/octet-stream"})
    over_tls = request(net, "GET", f"/v1/blocks/{height}", headers={"Accept": "application/octet-stream"})
    check("a block of several records' size is the same as without TLS", plain == over_tls and len(plain[1]) > 200000, len(plain[1]))
    s = raw(net, context(net))
    s.sendall(f"GET /v1/blocks/{height} HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nConnection: close\r\n\r\n".encode())
    got = b""
    while len(got) < 200000: # a slow reader
        got += s.recv(4096)
    got += read_all(s)
    check("so is what a client takes in small bites", got.split(b"\r\n\r\n", 1)[1] == net.nodes[0].request(
        "GET", f"/v1/blocks/{height}", headers={"Accept": "application/json"})[1], len(got))


def test_late_reader(net):
    """Many answers that fit into one part each: what the kernel does not take of them is ciphertext."""
    want = request(net, "GET", "/v1/openapi.json")[1]
    s = raw(net, context(net))
    s.sendall(b"GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 59 + b"GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    stuck = wait_for(lambda: net.nodes[0].metrics().get("sillok_http_writing", 0) >= 1, READY_S)
    parts = read_all(s).split(b"HTTP/1.1 200 OK\r\n")
    bodies = [part.split(b"\r\n\r\n", 1)[1] for part in parts[1:]]
    check("sixty answers nobody reads wait, and are whole when somebody does", stuck and len(bodies) == 60 and all(b == want for b in bodies),
          stuck, len(bodies), sum(b == want for b in bodies))


def test_stream(net):
    s = raw(net, context(net))
    s.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: a\r\n\r\n")
    got = s.recv(65536)
    for _ in range(3):
        submit(net)
    while got.count(b"event: block") < 3:
        piece = s.recv(65536)
        if not piece:
            break
        got += piece
    check("events come over TLS as they happen", got.count(b"event: block") >= 3, got)
    s.close()


def test_wrong(net):
    node = net.nodes[0]

    def old():
        c = context(net)
        c.maximum_version = ssl.TLSVersion.TLSv1_2
        return request(net, "GET", "/health", c=c)
    answer, counted = counts(net, "TLS_VERSION", old)
    check("TLS 1.2 is refused, and counted", answer[0] is None and counted, answer)

    def http2():
        c = context(net)
        c.set_alpn_protocols(["h2"])
        return request(net, "GET", "/health", c=c)
    answer, counted = counts(net, "TLS_PROTOCOL", http2)
    check("a client of HTTP/2 alone is refused", answer[0] is None and counted, answer)

    def plain():
        s = raw(net)
        s.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            return read_all(s)
        except OSError as e:
            return e
    answer, counted = counts(net, "TLS_BROKEN", plain)
    check("HTTP without TLS gets no answer at the TLS port", b"HTTP" not in bytes(str(answer), "ascii") and counted, answer)

    def torn():
        s = raw(net, context(net))
        under = s.detach()
        t = socket.socket(fileno=under)
        t.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        try:
            out = read_all(t)
        except OSError as e:
            out = e
        t.close()
        return out
    answer, counted = counts(net, "TLS_BROKEN", torn)
    check("a record that was tampered with ends the connection", counted, answer)

    s = raw(net, context(net))
    s.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    socket.socket.shutdown(s, socket.SHUT_WR)  # without close_notify
    check("a half-closed client still has its answer", b"200 OK" in s.recv(65536))  # some OpenSSLs want to write when the end comes
    check("the node is well", node.request("GET", "/health")[0] == 200, net.tails)


def test_many(net):
    c = context(net)
    done, lock = [], threading.Lock()

    def some(n):
        for _ in range(n):
            answer = request(net, "GET", "/v1/status", c=c)
            with lock:
                done.append(answer[0])
    threads = [threading.Thread(target=some, args=(15,)) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("240 connections, 16 at a time, are all answered", done.count(200) == 240, {x: done.count(x) for x in set(done)})
    before = refused(net, "TLS_SLOW")
    held = [raw(net) for _ in range(80)]  # more than may shake hands at a time
    code, _ = request(net, "GET", "/health", c=c)
    check("while 80 begin no handshake, others are answered", code == 200, code)
    check("those are cut off", wait_for(lambda: refused(net, "TLS_SLOW") >= before + 80, READY_S), refused(net, "TLS_SLOW"))
    for s in held:
        s.close()
    open_s = [raw(net, c) for _ in range(40)]
    check("the plain port is not slowed", net.nodes[0].request("GET", "/health")[0] == 200)
    for s in open_s:
        s.close()


def test_clients(net):
    configure(net, submitters=pem(net, "clients"))
    check("SIGHUP brings a list of submitters", reload(net), net.tails)
    check("who shows no certificate may read", request(net, "GET", "/v1/status")[0] == 200)
    check("and have proofs", request(net, "POST", "/v1/proofs", json.dumps({"credential": net.handle(0)}), JSON)[0] == 200)
    (code, body), counted = counts(net, "FORBIDDEN", lambda: submit(net))
    check("but not submit", code == 403 and json.loads(body)["code"] == "FORBIDDEN" and counted, code, body)
    code, body = submit(net, "office")
    check("whom the listed authority knows may", code == 200, code, body)
    for client in ("stranger", "expired", "not-a-client"):
        answer, counted = counts(net, "TLS_CLIENT", lambda: request(net, "GET", "/v1/status", client=client))
        check(f"a certificate that is no good ({client}) is refused", answer[0] is None and counted, answer)
    s = raw(net, context(net, "office"))
    s.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    s.recv(65536)
    configure(net, "server-rsa", readers=pem(net, "auditor"), submitters=pem(net, "office"))
    check("SIGHUP brings other lists and another server certificate", reload(net), net.tails)
    s.settimeout(FINAL_S)
    check("connections under the old lists end", s.recv(65536) == b"")
    answer, counted = counts(net, "TLS_CLIENT", lambda: request(net, "GET", "/v1/status"))
    check("where readers are listed, nobody else comes in", answer[0] is None and counted, answer)
    check("a listed reader may read, by a certificate of its own making", request(net, "GET", "/v1/status", client="auditor")[0] == 200)
    code, body = submit(net, "auditor")
    check("and not submit", code == 403, code, body)
    check("a listed submitter may do both", request(net, "GET", "/v1/status", client="office")[0] == 200
          and submit(net, "office")[0] == 200)
    with open(pem(net, "server-rsa")) as f:
        check("it is the RSA certificate that is shown", f.read().split() == shown(net).split())
    with open(net.path("both.pem"), "w") as out:
        for name in ("auditor", "office"):
            with open(pem(net, name)) as f:
                out.write(f.read())
    configure(net, "server-rsa", readers=net.path("both.pem"))
    check("readers alone", reload(net), net.tails)
    check("may submit as well", submit(net, "auditor")[0] == 200)


def shown(net):
    """The certificate that the server shows now."""
    s = raw(net, context(net, "auditor"))
    out = ssl.DER_cert_to_PEM_cert(s.getpeercert(binary_form=True))
    s.close()
    return out


def test_files(net):
    node = net.nodes[0]
    errors = node.logged().count("not_reloaded")
    with open(net.path("none.pem"), "w") as f:
        f.write("no certificate\n")
    configure(net, readers=net.path("none.pem"))
    node.process.send_signal(signal.SIGHUP)
    check("a list without certificates is not taken", wait_for(lambda: node.logged().count("not_reloaded") > errors, READY_S), net.tails)
    check("what was in force stays", request(net, "GET", "/v1/status", client="office")[0] == 200)
    os.chmod(net.path("certs/server-ec.key"), 0o644)
    configure(net)
    node.process.send_signal(signal.SIGHUP)
    check("a key that others may read is refused", wait_for(lambda: "chmod 600" in node.logged(), READY_S), net.tails)
    os.chmod(net.path("certs/server-ec.key"), 0o600)
    with open(node.config) as f:
        text = f.read()
    for line, why in (("key = /none\n", "certificate"), ("readers = /r\nanywhere = yes\ncertificate = /c\nkey = /k\n", "anywhere")):
        with open(net.path("bad.ini"), "w") as f:
            f.write("\n".join(x for x in text.splitlines() if not x.startswith(("certificate", "key"))).replace("[log]", line + "[log]"))
        r = run(SILLOKD, "--config", net.path("bad.ini"), "--check-config")
        check(f"a configuration is refused that lacks sense: {why}", r.returncode == 1 and why in r.stderr, r.stderr, r.stdout)
    r = run(SILLOKD, "--config", node.config, "--check-config")
    check("certificate and key are called good", r.returncode == 0, r.stderr, r.stdout)
    configure(net, readers=pem(net, "clients"), submitters=net.path("none.pem"))
    with open(node.config) as f:
        text = f.read()
    with open(net.path("bad.ini"), "w") as f:
        f.write(text.replace("certs/server-ec.key", "certs/server-rsa.key"))
    r = run(SILLOKD, "--config", net.path("bad.ini"), "--check-config")
    check("another certificate's key, and a list of none, are said at once", r.returncode == 1 and ": key: " in r.stderr
          and ": submitters: " in r.stderr and r.stderr.count("\n") == 2, r.stderr, r.stdout)
    configure(net)


def refuses_reload(net, change):
    """With this change of its configuration SIGHUP is refused; what is kept is said."""
    node = net.nodes[0]
    with open(node.config) as f:
        text = f.read()
    with open(node.config, "w") as f:
        f.write(change(text))
    before = node.logged().count(" kept=")
    node.process.send_signal(signal.SIGHUP)
    return wait_for(lambda: node.logged().count(" kept=") > before, READY_S)


def test_reload_of_all_or_nothing(net):
    configure(net, readers=net.path("none.pem"))
    check("with a bad list nothing is reloaded", refuses_reload(net, lambda text: "".join(
        line for line in text.splitlines(True) if not line.startswith(("log_key", "cosign_key"))).replace("[log]", "[log]\nformat = json")),
        net.tails)
    k, = net.take(1)
    code, answer = request(net, "POST", "/v1/submissions?wait=proof", net.submissions[k], PROTOBUF, "office")
    check("not the keys either, which that took away", code == 200, code, answer)
    before = shown(net)
    configure(net)
    check("with a bad key nothing is reloaded", refuses_reload(net, lambda text: text.replace("vote_key = ", "vote_key = /nowhere", 1)),
          net.tails)
    check("nor a certificate", shown(net) == before)
    lists = net.path("lists.pem")
    configure(net)
    check("nor where a key of the node is the one of the lists, which no start takes", refuses_reload(net, lambda text: text.replace(
        "[node]\n", f"[node]\nnext_log_key = {lists}\n")), net.tails)
    check("nor the log's format", '"event"' not in net.nodes[0].logged(), net.tails)
    configure(net, readers=net.path("both.pem"))
    check("what is good altogether is", reload(net) and shown(net) != before, net.tails)
    configure(net, "server-rsa", readers=net.path("both.pem"))
    check("and so is what was before", reload(net) and shown(net) == before, net.tails)


def test_curl(net):
    if shutil.which("curl") is None:
        skip("curl", "is not installed")
        return
    base = ["curl", "-sS", "--cacert", pem(net, "servers"), f"https://localhost:{net.tls_port}/health"]
    office = ["--cert", pem(net, "office"), "--key", net.path("certs/office.key")]
    r = run(*base, *office)
    check("curl reads, RSA", r.returncode == 0 and '"healthy"' in r.stdout, r.stdout, r.stderr)
    r = run(*base)
    check("curl without a certificate does not", r.returncode != 0, r.stdout, r.stderr)
    configure(net)
    check("SIGHUP opens it for all", reload(net), net.tails)
    r = run(*base)
    check("curl reads, ECDSA", r.returncode == 0 and '"healthy"' in r.stdout, r.stdout, r.stderr)
    check("the node stops well", net.nodes[0].stop() == 0, net.tails)


def make(root):
    net = Net(root, SILLOK, SILLOKD, names=["interior"], submissions=60)
    net.tls_port, = free_ports(1)
    net.batch = net.sign(2000, batch=2000, first=1000)[0]
    os.mkdir(net.path("certs"))
    must(MAKE_CERTS, net.path("certs"))
    must(SILLOK, "keygen", "--out", net.path("lists.pem"))
    with open(net.nodes[0].config, "a") as f:
        f.write(f"[status]\nlist_key = {net.path('lists.pem')}\nuri = https://test.example/v1/status-lists\n")
    shutil.copy(net.nodes[0].config, net.path("plain.ini"))
    configure(net)
    return net


if __name__ == "__main__":
    sys.exit(net_main("https", make, test_public, test_large_answers, test_late_reader, test_stream, test_wrong, test_many, test_clients, test_files, test_reload_of_all_or_nothing, test_curl))
