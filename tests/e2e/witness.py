"""An outside witness (C2SP tlog-witness) of its own make: it reads, checks and signs by the specifications and shares nothing with the program
it is asked by. Ed25519 is RFC 8032, the trees are RFC 9162, both as written there.

  Witness("witness.example/w1", origin, [log keys]).start()      .vkey, .url; .mode says how it lies
"""
import base64
import hashlib
import http.server
import os
import socketserver
import ssl
import struct
import threading
import time

# ---- Ed25519 (RFC 8032 section 5.1) ----

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    """Twisted Edwards points in extended coordinates (5.1.4)."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, g, h, f = f - e, d + c, f + e, d - c
    return e * f % P, g * h % P, f * g % P, e * h % P


def mul(k, a):
    r = (0, 1, 1, 0)
    while k:
        if k & 1:
            r = add(r, a)
        a, k = add(a, a), k >> 1
    return r


def unpack(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != x2:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def pack(a):
    z = pow(a[2], P - 2, P)
    x, y = a[0] * z % P, a[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = unpack((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def sha512(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


class Key:
    def __init__(self, seed):
        h = hashlib.sha512(seed).digest()
        self.a = int.from_bytes(h[:32], "little") & (2**254 - 8) | 2**254
        self.prefix, self.public = h[32:], pack(mul(self.a, BASE))

    def sign(self, message):
        r = sha512(self.prefix, message) % L
        point = pack(mul(r, BASE))
        return point + ((r + sha512(point, self.public, message) * self.a) % L).to_bytes(32, "little")


def verify(public, message, sig):
    a, r, s = unpack(public), unpack(sig[:32]), int.from_bytes(sig[32:], "little")
    if a is None or r is None or s >= L or len(sig) != 64:
        return False
    return pack(mul(s, BASE)) == pack(add(r, mul(sha512(sig[:32], public, message) % L, a)))


# ---- notes (C2SP signed-note), trees (RFC 9162) ----

def key_id(name, kind, public):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name, kind, public):
    return f"{name}+{key_id(name, kind, public).hex()}+{base64.b64encode(bytes([kind]) + public).decode()}"


def read_vkey(text):
    """(name, key id, kind, public key)"""
    name, kid, rest = text.split("+", 2)
    raw = base64.b64decode(rest, validate=True)
    assert key_id(name, raw[0], raw[1:]) == bytes.fromhex(kid)
    return name, bytes.fromhex(kid), raw[0], raw[1:]


def split_note(note):
    """(text, [(name, key id, signature)])"""
    text, lines = note.rsplit("\n\n", 1)
    sigs = []
    for line in lines.splitlines():
        dash, name, blob = line.split(" ")
        assert dash == "—"
        raw = base64.b64decode(blob, validate=True)
        sigs.append((name, raw[:4], raw[4:]))
    assert lines.endswith("\n") and sigs
    return text + "\n", sigs


def read_checkpoint(text):
    """(origin, size, root)"""
    origin, size, root = text.splitlines()
    assert str(int(size)) == size and len(base64.b64decode(root, validate=True)) == 32
    return origin, int(size), base64.b64decode(root)


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def is_consistent(old, old_root, size, root, path):
    """RFC 9162 section 2.1.4.2."""
    if old == size:
        return not path and old_root == root
    if not path or old == 0:
        return False
    if old & (old - 1) == 0:
        path = [old_root] + path
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == root


# ---- the witness ----

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        w = self.server.witness
        body = self.rfile.read(int(self.headers["Content-Length"]))
        w.asked += 1
        if self.path != "/w/add-checkpoint":
            w.elsewhere += 1
            return self.answer(404, b"")
        lie = w.lies.get(w.mode)
        if lie is not None:
            return lie(self, body)
        with w.lock:  # compared and stored at once (C2SP tlog-witness)
            status, kind, out = w.add(body.decode())
        self.answer(status, out, kind)

    def answer(self, status, body, kind="text/plain", **fields):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for k, v in fields.items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # who is asked by a node that has gone


class Witness:
    """Knows the log `origin` by these verifier keys. Answers as specified while `mode` is None, else as `lies` has it."""

    def __init__(self, name, origin, log_keys, mode=None, certificate=None, seed=None):
        self.name, self.origin, self.mode, self.lock = name, origin, mode, threading.Lock()
        self.log_keys = [read_vkey(k) for k in log_keys]
        self.key = Key(seed or os.urandom(32))
        self.vkey = vkey(name, 4, self.key.public)
        self.size, self.root, self.asked, self.signed, self.elsewhere, self.refused = 0, hashlib.sha256(b"").digest(), 0, 0, 0, []
        self.certificate, self.server = certificate, None
        self.lies = {"wrong key": self.lie_key, "wrong checkpoint": self.lie_checkpoint, "garbage": self.lie_garbage,
                     "two texts": self.lie_texts, "endless": self.lie_endless, "hang": self.lie_hang, "conflict": self.lie_conflict,
                     "ahead": self.lie_ahead, "busy": lambda x, body: x.answer(429, b"later"), "old": self.lie_old,
                     "moved": lambda x, body: x.answer(307, b"", Location=self.url + "/elsewhere/add-checkpoint"),
                     "broken": lambda x, body: x.answer(500, b"x" * 100000)}

    def start(self, port=0):
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.witness = self
        self.port = self.server.server_address[1]
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate + ".pem", self.certificate + ".key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}/w"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def no(self, status, why):
        self.refused.append((status, why))
        return status, "text/plain", why.encode()

    def add(self, body):
        """C2SP tlog-witness, add-checkpoint."""
        head, note = body.split("\n\n", 1)
        old, *path = head.split("\n")
        path = [base64.b64decode(p, validate=True) for p in path]
        text, sigs = split_note(note)
        origin, size, root = read_checkpoint(text)
        old = int(old.removeprefix("old "))
        if len(path) > 63 or any(len(p) != 32 for p in path) or old > size:
            return self.no(400, "malformed")
        if origin != self.origin:
            return self.no(404, "no such log")
        known = [(public, sig) for name, kid, sig in sigs for n, k, _, public in self.log_keys if (n, k) == (name, kid)]
        if not known or not all(verify(public, text.encode(), sig) for public, sig in known):
            return self.no(403, "no signature by a key of the log")
        if old != self.size:
            return 409, "text/x.tlog.size", b"%d\n" % self.size
        if old == 0 and path or old > 0 and not is_consistent(old, self.root, size, root, path):
            return self.no(422, "not consistent")
        self.size, self.root = size, root
        self.signed += 1
        return 200, "text/plain", self.line(text)

    def line(self, text, key=None, now=None):
        now = int(time.time()) if now is None else now
        sig = (key or self.key).sign(f"cosignature/v1\ntime {now}\n{text}".encode())
        blob = key_id(self.name, 4, self.key.public) + struct.pack(">Q", now) + sig
        return f"— {self.name} {base64.b64encode(blob).decode()}\n".encode()

    # ---- how it lies ----

    @staticmethod
    def text_of(body):
        return split_note(body.decode().split("\n\n", 1)[1])[0]

    def lie_key(self, x, body):
        x.answer(200, self.line(self.text_of(body), key=Key(os.urandom(32))))

    def lie_checkpoint(self, x, body):
        origin, size, _ = read_checkpoint(self.text_of(body))
        x.answer(200, self.line(f"{origin}\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"))

    def lie_garbage(self, x, body):
        x.answer(200, b"\x00\xff\n\n\xe2\x80\x94 ")

    def lie_texts(self, x, body):
        """A note of its own: an empty line in the answer, and a good signature on what stands before it."""
        text = self.text_of(body)
        other = text + "\n" + "— x AAAAAAA=\n"
        x.answer(200, b"\xe2\x80\x94 x AAAAAAA=\n\n" + self.line(other))

    def lie_old(self, x, body):
        x.answer(200, self.line(self.text_of(body), now=1_600_000_000))

    def lie_conflict(self, x, body):
        size = read_checkpoint(self.text_of(body))[1]
        x.answer(409, b"%d\n" % (1 + self.asked % (size - 1)), "text/x.tlog.size")

    def lie_ahead(self, x, body):
        x.answer(409, b"%d\n" % 2**62, "text/x.tlog.size")

    def lie_endless(self, x, body):
        x.send_response(200)
        x.end_headers()
        try:
            for _ in range(100000):
                x.wfile.write(b"\xe2\x80\x94 " + b"a" * 10000)
        except OSError:
            pass
        x.close_connection = True

    def lie_hang(self, x, body):
        try:
            x.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(20):
                x.wfile.write(b"x")
                time.sleep(0.5)
        except OSError:
            pass
        x.close_connection = True
