#!/usr/bin/env python3
"""The HTTP API as real clients use it: curl, http.client and bare sockets.   http_api.py API_SERVER SILLOK_VERIFY SILLOK   (TAP)

Every answer is held against the OpenAPI document the server itself serves: status, media type, and the JSON's shape.
"""
import base64
import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import zlib

server_path, verify_path, sillok_path = (os.path.realpath(p) for p in sys.argv[1:4])
work = tempfile.mkdtemp()
tests_n = 0
failed = False


def report(title, problems):
    global tests_n, failed
    tests_n += 1
    problems = [p for p in problems if p]
    print(f"{'not ok' if problems else 'ok'} {tests_n} - {title}")
    for p in problems:
        print("# " + str(p)[:300].replace("\n", " "))
    failed |= bool(problems)
    sys.stdout.flush()


def same(got, wanted, what=""):
    return None if got == wanted else f"{what}: {got!r}, not {wanted!r}"


# ---- the OpenAPI document ----

def check(schema, value, where="answer"):
    """What of a JSON value its schema does not allow; the keywords that openapi.json uses."""
    if "$ref" in schema:
        return check(spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value, where)
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (kind == "integer" and isinstance(value, bool))):
        return [f"{where} is no {kind}: {value!r}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where} does not match {schema['pattern']}: {value!r}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{where} is {value}")
    if kind == "array":
        for i, item in enumerate(value):
            found += check(schema.get("items", {}), item, f"{where}[{i}]")
    if kind == "object":
        properties = schema.get("properties", {})
        found += [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name in properties:
                found += check(properties[name], item, f"{where}.{name}")
            elif schema.get("additionalProperties") is False:
                found.append(f"{where}.{name} is not in the document")
    return found


def operation(method, path):
    for template, item in spec["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template.replace("{path}", "(?:.+)")), path.split("?")[0]):
            return item.get(method.lower())
    return None


seen = set()


def conforms(method, path, status, media, body):
    op = operation(method, path)
    if op is None:
        return [f"{method} {path} is not in the document"]
    answer = op["responses"].get(str(status))
    if answer is None:
        return [f"{method} {path}: {status} is not in the document"]
    media = media.split(";")[0]
    if media not in answer["content"]:
        return [f"{method} {path}: {status} {media} is not in the document"]
    seen.add((method.lower(), op["summary"]))
    if media.endswith("json"):
        return check(answer["content"][media].get("schema", {}), json.loads(body), f"{method} {path} {status}")
    return []


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.path.join(work, "api.sock"))


def ask(method, path, body=None, headers=None, connection=None):
    c = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request(method, path, body, headers or {})
    r = c.getresponse()
    return r.status, r.headers, r.read()


def tell(title, method, path, status, body=None, headers=None, connection=None, also=None):
    """One request, its status, its conformance, and what `also` finds wrong; the body."""
    got, fields, answer = ask(method, path, body, headers, connection)
    problems = [same(got, status, "status")] + conforms(method, path, got, fields.get("Content-Type", ""), answer)
    if got >= 400 and fields.get("Content-Type") == "application/problem+json":
        problems.append(same(json.loads(answer)["status"], got, "status in the problem"))
    if also:
        problems += also(answer, fields)
    report(title, problems)
    return answer


def sample(name):
    with open(os.path.join(work, name), "rb") as f:
        return f.read()


PB = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


def submissions():
    tell("a submission waits for its proof", "POST", "/v1/submissions?wait=proof", 200, sample("issue.pb"), PB,
         also=lambda a, f: [None if json.loads(a)["proof"].startswith("c2sp.org/tlog-proof@v1\n") else "no proof"])
    first = json.loads(tell("the same again is recognised", "POST", "/v1/submissions", 200, sample("issue.pb"), PB,
                            also=lambda a, f: [same(json.loads(a).get("duplicate"), True)]))
    tell("where it is", "GET", "/v1/submissions/" + first["id"], 200, also=lambda a, f: [same(json.loads(a)["state"], "final")])
    tell("one that nobody knows", "GET", "/v1/submissions/" + "0" * 64, 404)
    tell("an id that is none", "GET", "/v1/submissions/xyz", 400)
    tell("another event for the same place is stale", "POST", "/v1/submissions?wait=safe", 409, sample("stale.pb"), PB,
         also=lambda a, f: [same(json.loads(a)["head"]["sequence"], 1, "head")])
    tell("a batch with a bad event has verdicts", "POST", "/v1/submissions", 422, sample("broken.pb"), PB,
         also=lambda a, f: [same(json.loads(a)["events"], ["OK", "NOT_ISSUED"])])
    tell("bytes that are no submission", "POST", "/v1/submissions", 400, b"hello", PB)
    tell("JSON that is no submission", "POST", "/v1/submissions", 400, b'{"events":[]}', JSON)
    tell("a wait that is none", "POST", "/v1/submissions?wait=long", 400, b"hello", PB)
    tell("another content type", "POST", "/v1/submissions", 415, b"hello", {"Content-Type": "text/plain"})
    tell("a body that is too large", "POST", "/v1/submissions", 413, b"x" * (4 << 20) + b"x", PB)
    tell("the police locks it", "POST", "/v1/submissions?wait=final", 200, sample("lock.pb"), PB)


def proofs():
    handle = sample("handle").decode()
    body = json.dumps({"credential": handle, "history": True})
    for media in ("text/plain", "application/octet-stream", "application/json"):
        tell("a proof as " + media, "POST", "/v1/proofs", 200, body, {**JSON, "Accept": media},
             also=lambda a, f: [same(f["Content-Type"].split(";")[0], media), same(f["Cache-Control"], "no-store")])
    tell("a proof by 32 bytes", "POST", "/v1/proofs?history", 200, bytes.fromhex(handle), {"Content-Type": "application/octet-stream"})
    absent = json.dumps({"credential": "00" * 32})
    tell("a proof of absence", "POST", "/v1/proofs", 200, absent, {**JSON, "Accept": "application/json"},
         also=lambda a, f: [same(json.loads(a)["present"], False)])
    tell("a media type nobody has", "POST", "/v1/proofs", 406, absent, {**JSON, "Accept": "image/png"})
    tell("a credential that is none", "POST", "/v1/proofs", 400, b'{"credential":"12"}', JSON)
    tell("a proof request as form", "POST", "/v1/proofs", 415, b"credential=12", {"Content-Type": "application/x-www-form-urlencoded"})
    tell("a proof request that is too large", "POST", "/v1/proofs", 413, b" " * 1000, JSON)


def checks_out(old_size, size, old_root, root, path):
    """RFC 9162 2.1.4.2, recursively: the roots that a path leads to."""
    node = lambda l, r: hashlib.sha256(b"\1" + l + r).digest()
    path = list(path)

    def roots(m, n, whole):  # of the first m leaves, of all n
        if m == n:
            both = bytes.fromhex(old_root) if whole else path.pop()
            return both, both
        k = 1 << ((n - 1).bit_length() - 1)
        last = path.pop() if path else b""
        if m <= k:
            a, b = roots(m, k, whole)
            return a, node(b, last)
        a, b = roots(m - k, n - k, False)
        return node(last, a), node(last, b)

    path = [bytes.fromhex(p) for p in path]
    got = roots(old_size, size, True)
    return [same(got[0].hex(), old_root, "old root"), same(got[1].hex(), root, "root"), same(path, [], "hashes left over")]


def consistency():
    status = json.loads(ask("GET", "/v1/status")[2])
    size = status["size"]
    for old in {1, 2, size // 2, size - 1, size}:
        tell(f"the log of {old} entries is the beginning of the log", "GET", f"/v1/consistency/{old}-{size}", 200,
             also=lambda a, f: checks_out(**json.loads(a)) + [same(json.loads(a)["root"], status["root"])])
    tell("a log longer than this one", "GET", f"/v1/consistency/1-{size + 1}", 404)
    for bad in ("0-1", "2-1", "1", "-1", "1-", "1-2-3", "a-b", "1-9999999999999999999", "01-2", "1-%32"):
        tell(f"sizes that are none: {bad}", "GET", f"/v1/consistency/{bad}", 400)
    tell("nobody has contradicted himself", "GET", "/v1/evidence", 200, also=lambda a, f: [same(json.loads(a), {"evidence": []})])


def reading():
    tell("the checkpoint", "GET", "/checkpoint", 200, also=lambda a, f: [same(f["Access-Control-Allow-Origin"], "*")])
    tell("the policy", "GET", "/v1/policy", 200)
    tell("the charter", "GET", "/v1/charter", 200)
    tell("the charter's bytes", "GET", "/v1/charter", 200, headers={"Accept": "application/octet-stream"})
    tell("the charter as an image", "GET", "/v1/charter", 406, headers={"Accept": "image/*"})
    tell("the first charter", "GET", "/v1/charters/1", 200, also=lambda a, f: [same(json.loads(a)["index"], 0)])
    for none in 0, 2, 999999999:
        tell(f"charter {none}, which is none", "GET", f"/v1/charters/{none}", 404)
    tell("a version that is none", "GET", "/v1/charters/x", 400)
    tell("a charter change that is none", "POST", "/v1/charter", 422, b"hello", {"Content-Type": "application/octet-stream"})
    tell("the page", "GET", "/", 404 if ask("GET", "/")[0] == 404 else 200)  # 404: built without clang and lld
    tell("a tile", "GET", "/tile/0/000.p/1", 200)
    tell("a bundle of entries", "GET", "/tile/entries/000.p/2", 200, headers={"Accept-Encoding": "gzip"})
    tell("a tile that is not there", "GET", "/tile/0/x999/000", 404)
    tell("a path of no tile", "GET", "/tile/0/1", 404)
    tell("a block", "GET", "/v1/blocks/1", 200)
    tell("block 0", "GET", "/v1/blocks/0", 200)
    tell("a block's bytes", "GET", "/v1/blocks/1", 200, headers={"Accept": "application/octet-stream"})
    tell("a block's bytes with its certificate", "GET", "/v1/blocks/1?finality", 200, headers={"Accept": "application/octet-stream"})
    tell("block 0 has no certificate", "GET", "/v1/blocks/0?finality", 404, headers={"Accept": "application/octet-stream"})
    tell("a block that is not there", "GET", "/v1/blocks/1000", 404)
    tell("a height that is none", "GET", "/v1/blocks/-1", 400)
    tell("a prefix", "GET", "/v1/map/0", 200)
    tell("a prefix's proof", "GET", "/v1/map/0", 200, headers={"Accept": "application/octet-stream"})
    tell("a prefix that is none", "GET", "/v1/map/G", 400)
    tell("the status", "GET", "/v1/status", 200)
    tell("health", "GET", "/health", 200)
    tell("metrics", "GET", "/metrics", 200)
    tell("the document itself", "GET", "/v1/openapi.json", 200)
    tell("over the Unix socket", "GET", "/v1/status", 200, connection=Unix("localhost"))


# ---- status lists, read without anything of ours ----

def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def is_signed(key, covered, signature):
    """Ed25519 by openssl; `key` is the x of a JWK."""
    for name, data in (("key.der", bytes.fromhex("302a300506032b6570032100") + unbase64(key)), ("covered", covered), ("sig", signature)):
        with open(os.path.join(work, name), "wb") as f:
            f.write(data)
    return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der", "-rawin", "-in", "covered",
                           "-sigfile", "sig"], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def jws(token, key):
    covered, signature = token.decode().rsplit(".", 1)
    header, payload = (json.loads(unbase64(part)) for part in covered.split("."))
    return header, payload, is_signed(key, covered.encode(), unbase64(signature))


def cbor(data, at=0):
    """One item of RFC 8949, definite lengths only, and where the next one begins."""
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info >= 24:
        size = 1 << (info - 24)
        info = int.from_bytes(data[at:at + size], "big")
        at += size
    if major == 0:
        return info, at
    if major == 1:
        return -1 - info, at
    if major in (2, 3):
        item = data[at:at + info]
        return (item.decode() if major == 3 else item), at + info
    items = []
    for _ in range({4: info, 5: 2 * info, 6: 1}[major]):
        item, at = cbor(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if major == 5 else (info, items[0]) if major == 6 else items), at


def cbor_bytes(data):
    size = len(data)
    return (bytes([0x40 | size]) if size < 24 else b"\x58" + bytes([size]) if size < 256 else
            b"\x59" + size.to_bytes(2, "big") if size < 65536 else b"\x5a" + size.to_bytes(4, "big")) + data


def status_lists():
    key = json.loads(tell("the key of the status lists", "GET", "/v1/keys", 200))["keys"][0]
    thumb = hashlib.sha256(json.dumps({k: key[k] for k in ("crv", "kty", "x")}, separators=(",", ":")).encode()).digest()
    tell("where the status lists are", "GET", "/v1/status-lists", 200,
         also=lambda a, f: [same(len(json.loads(a)["status_lists"]), 2)])
    tell("what members sign of them, where none do", "GET", "/v1/status-lists/note", 404)
    status = json.loads(ask("GET", "/v1/status")[2])
    token = tell("a status list", "GET", "/v1/status-lists/2/0", 200)
    header, payload, signed = jws(token, key["x"])
    raw = zlib.decompress(unbase64(payload["status_list"]["lst"]))
    values = [b >> s & 3 for b in raw for s in (0, 2, 4, 6)]
    report("it says that the one phone is locked", [
        None if signed else "the signature is wrong", same(unbase64(header["kid"]), thumb, "kid"), same(header["typ"], "statuslist+jwt"),
        same(payload["sub"], "https://status.example/v1/status-lists/2/0"), same(payload["status_list"]["bits"], 2),
        same(len(values), 1 << 20), same(values.count(2), 1), same(values.count(1) + values.count(3), 0),
        same(payload["sillok"]["sha256"], hashlib.sha256(raw).hexdigest()),
        same((payload["sillok"]["size"], payload["sillok"]["root"]), (status["size"], status["root"]))])
    place = values.index(2)
    data = tell("the same as CWT", "GET", "/v1/status-lists/2/0", 200, headers={"Accept": "application/statuslist+cwt"})
    (tag, (protected, _, claims, signature)), end = cbor(data)
    covered = b"\x84\x6aSignature1" + cbor_bytes(protected) + b"\x40" + cbor_bytes(claims)
    protected, claims = cbor(protected)[0], cbor(claims)[0]
    report("it is the same list", [
        same((tag, end), (18, len(data))), None if is_signed(key["x"], covered, signature) else "the signature is wrong",
        same((protected[1], protected[16]), (-8, "application/statuslist+cwt")), same(claims[2], payload["sub"]),
        same(zlib.decompress(claims[65533]["lst"]), raw), same(claims[65534], payload["ttl"]), same(claims[4] - claims[6], 86400)])
    for purpose, is_set in (("revocation", 0), ("suspension", 1)):
        token = tell(f"as credential of {purpose}", "GET", f"/v1/status-lists/2/0/{purpose}", 200)
        header, vc, signed = jws(token, key["x"])
        bits = gzip.decompress(unbase64(vc["credentialSubject"]["encodedList"][1:]))
        report(f"which has {is_set} bits set", [
            None if signed else "the signature is wrong", same(len(bits), 1 << 17), same(bits[place // 8] >> (7 - place % 8) & 1, is_set),
            same(sum(bin(b).count("1") for b in bits), is_set), same(header["typ"], "vc+jwt"), same(vc["id"][-10:], purpose)])
    tell("a list that is not there", "GET", "/v1/status-lists/2/1", 404)
    tell("as JSON", "GET", "/v1/status-lists/2/0", 406, headers={"Accept": "application/json"})
    tell("before the ledger", "GET", "/v1/status-lists/2/0?time=5", 404)
    tell("a credential of the past", "GET", "/v1/status-lists/2/0/revocation?time=5", 501)
    tell("a time that is none", "GET", "/v1/status-lists/2/0?time=x", 400)
    _, fields, _ = ask("GET", "/v1/status-lists/2/0")
    got, again, body = ask("GET", "/v1/status-lists/2/0", headers={"If-None-Match": fields["ETag"]})
    report("nothing is sent twice", [same((got, body, again["ETag"]), (304, b"", fields["ETag"]))])
    with_the_ledger(payload["iat"])


def with_the_ledger(now):
    """What a node signed, held against its ledger by our own tool."""
    for name, path, accept in (("jwt", "/v1/status-lists/2/0", "*/*"), ("cwt", "/v1/status-lists/2/0", "application/statuslist+cwt"),
                               ("vc", "/v1/status-lists/2/0/suspension", "*/*"), ("past", f"/v1/status-lists/2/0?time={now}", "*/*"),
                               ("keys", "/v1/keys", "*/*")):
        with open(os.path.join(work, name), "wb") as f:
            f.write(ask("GET", path, headers={"Accept": accept})[2])

    def compare(name):
        r = subprocess.run([sillok_path, "status-list", sample("ledger").decode(), "--compare", name, "--keys", "keys"], cwd=work,
                           capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr
    for name in ("jwt", "cwt", "vc", "past"):
        code, said = compare(name)
        report(f"the ledger leads to the same list: {name}", [same(code, 0, said), None if "signature is right" in said else said])
    r = subprocess.run([sillok_path, "audit", sample("ledger").decode(), "--status-list", "jwt"], cwd=work, capture_output=True, text=True)
    report("so says who replays it from its first entry", [same(r.returncode, 0, r.stderr), None if "list is the ledger's" in r.stdout else r.stdout])
    covered, signature = sample("jwt").decode().rsplit(".", 1)
    header, payload = covered.split(".")
    payload = json.loads(unbase64(payload))
    raw = bytearray(zlib.decompress(unbase64(payload["status_list"]["lst"])))
    raw[77] ^= 4
    payload["status_list"]["lst"] = base64.urlsafe_b64encode(zlib.compress(bytes(raw))).rstrip(b"=").decode()
    payload["sillok"]["sha256"] = hashlib.sha256(raw).hexdigest()
    payload = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    with open(os.path.join(work, "forged"), "w") as f:
        f.write(".".join((header, payload, signature)))
    code, said = compare("forged")
    report("a changed list is not signed", [same(code, 1), None if "signature" in said else said])
    os.rename(os.path.join(work, "keys"), os.path.join(work, "no-keys"))
    r = subprocess.run([sillok_path, "status-list", sample("ledger").decode(), "--compare", "forged"], cwd=work, capture_output=True, text=True)
    report("and not the ledger's: the place is named", [same(r.returncode, 1), None if "place 309: the list says 1, the ledger 0" in r.stderr else r.stderr])


def stream():
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("GET", "/v1/stream")
    r = c.getresponse()
    lines = [r.readline().decode() for _ in range(4)]
    found = conforms("GET", "/v1/stream", r.status, r.headers["Content-Type"], b"")
    c.close()
    report("the stream begins with where the chain is", found + [
        same(lines[0], "event: block\n"), None if lines[2].startswith('data: {"height":') else lines[2]])
    report("every operation of the document was asked for", [
        f"{method} {path}" for path, item in spec["paths"].items() for method, op in item.items()
        if (method, op["summary"]) not in seen])
    report("each stands in the table of net/README.md", not_in_table())


def not_in_table():
    """Operations of the document that the first column of the table of routes does not name."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "net", "README.md")) as f:
        table = f.read().split("| route | takes | answers |\n")[1].split("\n\n")[0]
    named = " ".join(line.split("|")[1] for line in table.splitlines())
    for path, item in spec["paths"].items():
        for method in item:
            verb = "POST " if method == "post" else "(?:GET )?"
            if not re.search(rf"`{verb}{re.escape(path.split('{')[0])}[`<?\[]", named):
                yield f"{method} {path}"


# ---- curl ----

def curl(*args, data=None):
    r = subprocess.run(["curl", "-sS", "-m", "20", *args], capture_output=True, input=data)
    return r.returncode, r.stdout, r.stderr.decode()


def with_curl():
    if shutil.which("curl") is None:
        report("curl # SKIP not installed", [])
        return
    base = f"http://127.0.0.1:{port}"
    code, proof, err = curl("-H", "Content-Type: application/json", "-d", json.dumps({"credential": sample("handle").decode(), "history": True}),
                            base + "/v1/proofs", "-o", os.path.join(work, "status.tlog-proof"))
    report("curl fetches a proof", [same(code, 0, err)])
    code, _, err = curl(base + "/v1/policy", "-o", os.path.join(work, "policy"))
    report("and the policy", [same(code, 0, err)])
    r = subprocess.run([verify_path, "--policy", "policy", "--handle-file", "handle", "--history", "status.tlog-proof"],
                       cwd=work, capture_output=True, text=True)
    report("which the offline verifier accepts: it is locked", [same(r.returncode, 1, r.stdout + r.stderr),
                                                  None if "LOCKED" in r.stdout else r.stdout])
    big = b"x" * 2000000
    code, out, err = curl("-w", "%{http_code}", "-H", "Content-Type: application/x-protobuf", "--data-binary", "@-",
                          base + "/v1/submissions", data=big)
    report("a large body waits for 100 Continue", [same(code, 0, err), None if out.endswith(b"400") else out[-200:]])
    code, out, err = curl("-w", "%{http_code}", "-H", "Transfer-Encoding: chunked", "-H", "Content-Type: application/x-protobuf",
                          "--data-binary", "@-", base + "/v1/submissions", data=sample("issue.pb"))
    report("a body in chunks", [same(code, 0, err), None if out.endswith(b"200") else out[-200:]])
    code, out, err = curl("--http2", "-w", "%{http_version}", base + "/health")
    report("an offer of HTTP/2 is passed over", [same(code, 0, err), None if out.endswith(b"1.1") else out[-100:]])
    code, out, err = curl("--unix-socket", os.path.join(work, "api.sock"), "-I", "http://localhost/v1/charter")
    report("HEAD over the Unix socket", [same(code, 0, err), None if out.startswith(b"HTTP/1.1 200 ") else out])
    code, out, err = curl("-0", "-w", "%{http_code}", base + "/health")
    report("HTTP/1.0", [same(code, 0, err), None if out.endswith(b"200") else out])
    code, out, err = curl("-w", "%{num_connects} ", *([base + "/health"] * 5))
    report("five requests on one connection", [same(code, 0, err), same(out.count(b"1 "), 1, "connections")])


# ---- bare sockets ----

def raw(data):
    """What comes back until the end, on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        out = b""
        try:
            while piece := s.recv(65536):
                out += piece
        except ConnectionResetError:
            pass
        return out


def smuggling():
    inner = b"GET /v1/policy HTTP/1.1\r\nHost: a\r\n\r\n"
    for title, head in {
        "CL and TE": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": b"Content-Length: 0\r\nContent-Length: 37\r\n\r\n",
        "a space before the colon": b"Content-Length : 37\r\nTransfer-Encoding: chunked\r\n\r\n",
        "a folded field": b"X: y\r\n Content-Length: 37\r\n\r\n",
        "a bare LF": b"Content-Length: 0\n\n",
        "an extension": b"Transfer-Encoding: chunked\r\n\r\n0;x\r\n\r\n",
        "another coding": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "a hidden field": b"X: y\rContent-Length: 37\r\n\r\n",
    }.items():
        out = raw(b"POST /v1/submissions HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\n" + head + inner)
        report("smuggled by " + title, [same(out.count(b"HTTP/1.1 "), 1, "answers"),
                                        None if out[9:12] in (b"400", b"501") else out[:100], None if b"Connection: close" in out else "stays open"])


def many_at_once():
    problems = []

    def client(i):
        try:
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            for _ in range(20):
                status, _, _ = ask("POST", "/v1/proofs", json.dumps({"credential": f"{i:064x}"}), JSON, c)
                if status != 200:
                    problems.append(status)
        except OSError as e:
            problems.append(e)

    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    for s in slow:
        s.sendall(b"POST /v1/proofs HTTP/1.1\r\nHost:")  # and nothing more
    threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in slow:
        s.close()
    report("320 proofs for 16 clients beside 200 that stall", problems)


work_log = open(os.path.join(work, "log"), "wb")
process = subprocess.Popen([server_path, work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=work_log)
try:
    port = int(process.stdout.readline())
    spec = json.loads(ask("GET", "/v1/openapi.json")[2])
    submissions()
    proofs()
    reading()
    status_lists()
    consistency()
    stream()
    with_curl()
    smuggling()
    many_at_once()
    metrics = ask("GET", "/metrics")[2].decode()
    handle = sample("handle").decode()
    report("no metric names a credential or a client", [
        "the handle" if handle in metrics or handle[:16] in metrics else None, "an address" if "127.0.0" in metrics else None])
    held = http.client.HTTPConnection("127.0.0.1", port, timeout=60)  # idle while the server stops
    held.request("GET", "/health")
    held.getresponse().read()
    process.stdin.close()
    report("it stops when asked", [same(process.wait(20), 0, "exit code")])
    with open(os.path.join(work, "log"), "rb") as f:
        log = f.read()
    report("and has logged nothing", [same(log, b"")])
finally:
    process.kill()
    process.wait()
    work_log.close()
    shutil.rmtree(work)
print(f"1..{tests_n}")
sys.exit(1 if failed else 0)
