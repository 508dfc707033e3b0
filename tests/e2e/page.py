#!/usr/bin/env python3
"""The explorer in a real browser, on four agencies' nodes.   page.py SILLOK SILLOKD PAGE [--measure]   (TAP)

PAGE is the page as one file: it is opened from the disk, too. --measure prints how long things take instead. SLK_SHOTS=DIR keeps pictures of
every view, English and Korean, light and dark, wide and narrow.
"""
import base64
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time

import browser
from network import Net, check, must, net_main, skip, wait_for

SILLOK, SILLOKD, PAGE = sys.argv[1:4]
STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/explorer/style.css")
VIEWS = ["", "credential", "proof", "crowd", "block", "nodes", "charter", "policy"]
READY = "document.documentElement.dataset.ready === 'yes'"
TYPE, REASON = "모바일-신분증", "LOST\u202eDRAC"  # names that a charter may give: one in another script, one that turns the line around
LIFE = hashlib.sha256(b"a life of five events").hexdigest()
chrome = None


def go(net, view, base=None):
    chrome.open(f"{base or address(net, 0)}/#/{view}")
    return chrome.wait(READY)


def again(net, view, base=None):
    """As a fresh page: what was loaded before is gone."""
    go(net, view, base)
    chrome.run("delete document.documentElement.dataset.ready; location.reload()")
    return chrome.wait(READY)


def address(net, i):
    return f"http://127.0.0.1:{net.http_ports[i]}"


def fill(selector, value):
    chrome.run("const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input'))", selector, value)


def press():
    chrome.run("document.querySelector('main form button').click()")


def main_text():
    return chrome.text("main").replace("\u00a0", " ")  # a number keeps to its name


def drop(data, name, kind):
    """A file falls on the place for it."""
    chrome.run("""
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0)), dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], arguments[1], { type: arguments[2] }));
        document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    """, base64.b64encode(data).decode(), name, kind)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def use_policy(net, base=None):
    go(net, "policy", base)
    fill("textarea", read(net.path("policy")).decode())
    press()
    return chrome.wait("document.querySelector('#trust').className === 'good'")


def live_five_events(net):
    day = lambda d: time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + d * 86400))
    events = [{"kind": "ISSUE", "device": "11" * 32, "carrier": "PHONE", "type": 2, "valid_until": day(300), "status_index": 5000},
              {"kind": "LOCK", "reason": 1}, {"kind": "UNLOCK"}, {"kind": "REBIND", "device": "22" * 32, "carrier": "PHONE"},
              {"kind": "RENEW", "valid_until": day(600)}]
    with open(net.path("life.ndjson"), "w") as f:
        for e in events:
            f.write(json.dumps({"issuer": "office", "credential": LIFE, "channel": "ONLINE", "occurred_at": day(0), **e}) + "\n")
    must(SILLOK, "submit", "--url", address(net, 0), net.path("life.ndjson"), "--keys", net.path("keys"))


def change_charter(net):
    """An issuer joins, three agencies approve."""
    must(SILLOK, "keygen", "--issuer", net.path("harbour"), "harbour")
    file, at = net.path("change"), address(net, 0)
    height = net.nodes[0].status()["height"] + 3
    keys = [x for n in net.names[:3] for x in ("--key", net.path(f"keys/{n}.vote.pem"))]
    must(SILLOK, "charter", "propose", "--url", at, "--issuer", "harbour=3", "--new-keys", net.path("harbour"), "--activation", str(height), "-o", file)
    must(SILLOK, "charter", "sign", "--url", at, file, *keys, "--keys", net.path("harbour"))
    must(SILLOK, "charter", "apply", "--url", at, file)
    while net.nodes[0].status()["height"] < height:
        net.submit_some(net.nodes[:1], 1)


def names_in_charter(text):
    return text.replace("RESIDENT_PHONE", TYPE).replace("[reason LOST]", f"[reason {REASON}]").replace("RESIDENT_CARD", "RESIDENT_CARD_".ljust(64, "x"))


def make(root):
    net = Net(root, SILLOK, SILLOKD, submissions=40, charter=names_in_charter)
    net.start()
    net.wait_connected()
    net.submit_some(net.nodes, 9)
    live_five_events(net)
    change_charter(net)
    net.nodes[0].submit(net.submissions[net.take()[0]], wait="proof")
    must(SILLOK, "policy", net.path("charter.ini"), "-o", net.path("policy"))
    must(SILLOK, "prove", "--url", address(net, 0), "--policy", net.path("policy"), "--handle", LIFE, "-o", net.path("life.tlog-proof"))
    for form in "png", "svg":
        must(SILLOK, "prove", "--url", address(net, 0), "--policy", net.path("policy"), "--handle", LIFE, "--qr", "-o", net.path("code." + form))
    return net


def test_unarmed(net):
    """Before the reader brings a policy, nothing may look verified."""
    check("the page opens", go(net, ""))
    check("and warns while it has no policy of the reader's", chrome.wait("document.querySelector('#trust').className === 'warn'"), lambda: chrome.text("#trust"))
    check("the node's own policy makes nothing look verified", chrome.wait("document.querySelector('main table .warn')")
          and chrome.run("return !document.querySelector('main').innerText.includes('✓')"), main_text)
    go(net, "credential")
    fill("input[name=handle]", LIFE)
    press()
    check("nor a credential's status", chrome.wait("document.querySelector('[data-state=ACTIVE]')")
          and chrome.run("return document.querySelector('.verdict').dataset.verified === 'no' && document.querySelector('.verdict').classList.contains('warn') && !document.querySelector('main .good')"), main_text)
    for view, done in ("charter", ".finding"), ("block/1", ".finding"):
        go(net, view)
        check(f"nor what is under {view}", chrome.wait(f"document.querySelector('{done}.warn')") and not chrome.run("return document.querySelector('.finding.good')"), main_text)
    go(net, "policy")
    fill("textarea", "log nonsense\n")
    press()
    check("a policy that is none is refused, with its line", chrome.wait("document.querySelector('main .verdict.bad')"), main_text)
    check("it, and no proof", "The trust policy was refused" in main_text() and "proves nothing" not in main_text(), main_text)
    check("the reader's policy is taken", use_policy(net), lambda: chrome.text())


def test_overview(net):
    go(net, "")
    check("the node's checkpoint is verified", chrome.wait("document.querySelector('main table .good')"), main_text)
    named = " && ".join(f"[...document.querySelectorAll('main tr')].some((r) => r.innerText.includes('{name}') && r.querySelector('.good'))" for name in net.names)
    check("each member's cosignature is verified by name", chrome.wait(named), main_text)  # the fourth may join after the quorum
    check("and no number beside it, which no one has proven here", "interior" in main_text() and "(1)" not in main_text(), main_text)
    check("the news are live", chrome.wait("document.querySelector('.live.on')"), main_text)
    events = net.nodes[0].status()["events"]
    net.nodes[1].submit(net.submissions[net.take()[0]])
    check("a block shows without asking", chrome.wait(f"document.querySelectorAll('.figures dd')[2].innerText === '{events + 1}'"), main_text)
    check("and how long it took to be final", chrome.wait("/^[\\d,]+ ms$/.test(document.querySelectorAll('.figures dd')[8].innerText)"), main_text)
    check("no fault is recorded", "No contradiction" in main_text(), main_text)
    net.nodes[0].kill()
    check("a lost connection is said", chrome.wait("document.querySelector('.live').innerText.includes('lost')"), main_text)
    net.nodes[1].submit(net.submissions[net.take()[0]])
    net.nodes[0].start()
    check("and found again", chrome.wait("document.querySelector('.live.on')"), main_text)
    check("with the numbers of now", chrome.wait(f"document.querySelectorAll('.figures dd')[2].innerText === '{events + 2}'"), main_text)
    check("nothing was measured across the gap", "-" not in chrome.run("return document.querySelectorAll('.figures dd')[6].innerText"), main_text)
    net.wait_connected()


def test_credential(net):
    again(net, "credential")
    fill("input[name=handle]", LIFE)
    press()
    check("a credential's life is proved", chrome.wait("document.querySelector('.verdict.good [data-state=ACTIVE]')"), main_text)
    check("with all its events", chrome.run("return document.querySelectorAll('ol.life li').length") == 5, main_text)
    check("type and agency have the names that the charter gives, which the proof's seal names", chrome.wait("document.querySelector('dl a[href=\"#/charter\"]')")
          and f"{TYPE} (2)" in main_text() and "interior (1)" in main_text() and "from charter version 2" in main_text(), main_text)
    check("until when it was issued and renewed, too", len(re.findall("Valid until: ", main_text())) == 2, main_text)
    check("a reason, too, and no name turns the line around", "Reason: LOST\\u{202e}DRAC (1)" in main_text()
          and "\u202e" not in main_text(), main_text)
    check("the handle is in no address and in no storage", chrome.run(
        "return !location.href.includes(arguments[0]) && !JSON.stringify(localStorage).includes(arguments[0])", LIFE))
    again(net, "credential")
    fill("input[name=handle]", "ab" * 32)
    press()
    check("one that was never issued is proved absent", chrome.wait("document.querySelector('[data-state=NEVER_ISSUED]')"), main_text)


def test_proof(net):
    text = read(net.path("life.tlog-proof"))
    cases = (("a proof pasted as text", lambda: (fill("textarea", text.decode()), fill("input[name=handle]", LIFE)), ".verdict.good [data-state=ACTIVE]"),
             ("and one that was altered", lambda: (fill("textarea", text.decode().replace("index ", "index 1")), fill("input[name=handle]", LIFE)), ".verdict.bad"),
             ("a proof dropped as a file", lambda: (drop(text, "a.tlog-proof", ""), chrome.wait("document.querySelector('textarea').value"), fill("input[name=handle]", LIFE)),
              ".verdict.good [data-state=ACTIVE]"),
             ("a proof of another credential", lambda: (fill("textarea", text.decode()), fill("input[name=handle]", "cd" * 32)), ".verdict.bad"),
             ("no proof at all", lambda: fill("input[name=handle]", LIFE), ".verdict.bad"))
    for what, give, selector in cases:
        again(net, "proof")
        give()
        press()
        check(what, chrome.wait(f"document.querySelector('{selector}')"), main_text)


def paint(picture, kind, script, out="image/png"):
    """What a canvas makes of a picture; bytes."""
    data = chrome.run("""
        const image = new Image();
        image.src = `data:${arguments[1]};base64,${arguments[0]}`;
        return image.decode().then(() => {
          const canvas = document.createElement('canvas'), side = image.naturalWidth;
          canvas.width = canvas.height = Math.ceil(1.2 * side);
          const c = canvas.getContext('2d');
          c.fillStyle = '#fff';
          c.fillRect(0, 0, canvas.width, canvas.height);
          SCRIPT;
          return canvas.toDataURL(arguments[2], 0.8).split(',')[1];
        });
    """.replace("SCRIPT", script), base64.b64encode(picture).decode(), kind, out)
    return base64.b64decode(data)


def test_qr(net):
    png, svg = read(net.path("code.png")), read(net.path("code.svg"))
    turned = paint(png, "image/png", "c.translate(0.1 * side, 0.02 * side); c.rotate(0.08); c.drawImage(image, 0, 0)", "image/jpeg")
    chrome.run("window.BarcodeDetector = undefined")
    for what, data, name, kind in (("PNG", png, "code.png", "image/png"), ("SVG", svg, "code.svg", "image/svg+xml"), ("JPEG that is turned", turned, "shot.jpg", "image/jpeg")):
        again(net, "proof")
        drop(data, name, kind)
        check(f"a QR code is read from a {what}, and judged", chrome.wait("document.querySelector('.verdict.good [data-state=ACTIVE]')"), main_text)
    spoilt = paint(png, "image/png", "c.drawImage(image, 0, 0); for (let i = 30; i < side - 30; i += 8) c.fillRect(0.3 * side, i, 0.6 * side, 4)")
    for what, data, words in (("a spoilt code", spoilt, "damaged or altered"), ("a picture without a code", paint(png, "image/png", ""), "no QR code was found"),
                              ("a file that is no picture", b"GIF89a", "cannot draw")):
        again(net, "proof")
        drop(data, "x.png", "image/png")
        check(f"{what}: said in words", chrome.wait(f"document.querySelector('.verdict.bad')?.innerText.includes('{words}')"), main_text)
    again(net, "proof")
    drop(png, "code.png", "image/png")
    chrome.wait("document.querySelector('.verdict')")
    text = chrome.run("return document.querySelector('textarea').value")
    fill("textarea", text[:-60] + ("A" if text[-60] != "A" else "B") + text[-59:])  # in the record: a proof may have a cosignature to spare
    press()
    check("a tampered one is refused", chrome.wait("document.querySelector('.verdict.bad')"), main_text)
    fill("textarea", "https://example.org/")
    press()
    check("so is another kind of code", chrome.wait("document.querySelector('.verdict.bad')?.innerText.includes('neither a proof')"), main_text)


def test_crowd(net):
    again(net, "crowd")
    place = hashlib.sha256(bytes.fromhex(LIFE)).hexdigest()
    fill("input[name=handle]", LIFE)
    press()
    check("a crowd is proved whole", chrome.wait("document.querySelector('main .finding.good')"), main_text)
    check("its age stands beside it", re.search(r"[0-9] cosignatures, [0-9]+ [a-z]+ ago", main_text()), main_text)
    check("and holds the credential asked about, known by its first digits alone", place[:12] in main_text(), main_text)
    check("with names for types and agencies", chrome.wait(f"document.querySelector('main tbody').innerText.includes('{TYPE}')") and f"{TYPE} (2)" in main_text() and "interior (1)" in main_text(), main_text)


def test_blocks(net):
    go(net, "block/1")
    check("a block's entries are in the cosigned log", chrome.wait("document.querySelector('main .finding.good')"), main_text)
    check("and can be read", "seal" in main_text(), main_text)
    go(net, "block/2")
    check("with the names of the charter that governed it", chrome.wait("document.querySelector('main input')?.value === '2' && document.querySelector('main').innerText.includes('from charter version 1')")
          and f"{TYPE} (2)" in main_text()
          and re.search(r"signed by office \([0-9a-f]{16}\)", main_text()), main_text)
    for height in 1, 3:  # a place among those that vote is no agency's number
        place = json.loads(net.nodes[0].request("GET", f"/v1/blocks/{height}")[1])["proposer"]
        go(net, f"block/{height}")
        check(f"and who proposed block {height}", chrome.wait(f"document.querySelector('main input')?.value === '{height}' && document.querySelector('main').innerText.includes('from charter version')")
              and re.search(rf"Proposed by\s+{net.names[place]} \({place + 1}\)", main_text()), main_text)
    go(net, "block/0")
    check("nobody proposed the first one", chrome.wait("document.querySelector('main input')?.value === '0'") and re.search(r"Proposed by\s+–", main_text()), main_text)
    go(net, "block/999999")
    check("where there is no block, one is asked for again", chrome.wait("document.querySelector('main .verdict.bad')") and
          chrome.run("return !!document.querySelector('main form input')") and "no such block" in main_text(), main_text)


def test_charter(net):
    go(net, "charter")
    check("the charters are proved as a chain", chrome.wait("document.querySelector('main .finding.good')"), main_text)
    text = main_text()
    check("both are there, and what the second changed", "Version 2" in text and "Version 1" in text and re.search(r"Issuer added:\s+harbour, mint \(3\)", text), text)
    check("and who approved it", "Approved by 3 of 4 voting agencies: interior (1), police (2), mint (3)" in text, text)
    check("with what types may last, and the age of it all", "1,096 days" in text and re.search(r"Cosigned\s+[0-9] cosignatures, [0-9]+ [a-z]+ ago", text), text)
    check("issuers stand with their agency and types by name", re.search(rf"office\s+interior \(1\)\s.*{TYPE} \(2\)", text), text)


def test_names(net):
    cases = [("interior", "interior"), (TYPE, TYPE), ("agency(3)", "agency(3)"), ("وزارة", "وزارة"), ("é", "é"), ("a\u0301", "a\u0301"), ("\u0301a", "\\u{301}a"), ("a" + 9 * "\u0301", "a" + 3 * "\u0301" + 6 * "\\u{301}"),
             ("a\u202eb", "a\\u{202e}b"), ("a\u2067b", "a\\u{2067}b"), ("a\u200bb", "a\\u{200b}b"), ("\u3164", "\\u{3164}"), ("a\u00adb", "a\\u{ad}b"), ("<b>", "\\u{3c}b\\u{3e}"), ("a b\n", "a\\u{20}b\\u{a}"),
             ("a\\u{62}", "a\\u{5c}u\\u{7b}62\\u{7d}"), ("x" * 65, "x" * 64 + "…")]
    found = chrome.run("return arguments[0].map((name) => sillok.plain(name))", [name for name, _ in cases])
    check("names show what they are made of, and no more of it than they may have", found == [shown for _, shown in cases], found)


class Liar(http.server.BaseHTTPRequestHandler):
    """Passes a node's answers on, but lies about blocks, charters and checkpoints."""
    node = note = None
    lies = ()

    def altered_block(self, value):
        entries = bytearray(base64.b64decode(value["entries"]))
        first = 2 + int.from_bytes(entries[:2], "big")
        if "altered block" in self.lies:
            entries[40] ^= 1
        if "empty block" in self.lies:
            entries = b""
            value["time_ms"] = 1e300
        if "block without its first entry" in self.lies:
            entries = entries[first:]
            value["first_index"] += 1
        if "block without its seal" in self.lies:
            entries = entries[:first]
        value["entries"] = base64.b64encode(bytes(entries)).decode()

    def altered(self, path, body):
        if path == "/v1/blocks/2" and any("block" in lie for lie in self.lies):
            value = json.loads(body)
            self.altered_block(value)
            return json.dumps(value).encode()
        if path == "/v1/charter" and "older charter" in self.lies:
            return json.dumps({**json.loads(body), "version": 1}).encode()
        if path == "/v1/charters/2" and "altered charter" in self.lies:
            value = json.loads(body)
            return json.dumps({**value, "entry": base64.b64encode(base64.b64decode(value["entry"]).replace(b"harbour", b"herbour")).decode()}).encode()
        if path.startswith("/v1/charters/") and "charter of spaces" in self.lies:
            value = json.loads(body)
            return json.dumps({**value, "entry": value["entry"] + " " * 1000000}).encode()
        if path.startswith("/v1/consistency/") and "path" in self.lies:
            return b'{"path":[]}'
        if path == "/checkpoint":
            return body.replace(b"\n", b"\n1", 1) if "checkpoint" in self.lies else self.note if "another history" in self.lies else body
        return body

    def do_GET(self):
        path = self.path.replace("/v1/blocks/2", "/v1/blocks/1") if "another block" in self.lies else self.path
        code, body = (503, b"{}") if path == "/v1/stream" else self.node.request("GET", path, headers={"Accept": self.headers.get("Accept", "*/*")})
        body = self.altered(self.path, body)
        kind = "application/json" if body[:1] == b"{" else "text/html; charset=utf-8" if body[:9] == b"<!doctype" else "text/plain"
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the page has gone elsewhere

    def log_message(self, *args):
        pass


def sign(net, key, message):
    """Ed25519 by a key file, and its public key."""
    with open(net.path("message"), "wb") as f:
        f.write(message)
    signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", net.path("message")], capture_output=True, check=True).stdout
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout[-32:]
    return signature, public


def another_history(net, note):
    """A checkpoint of the same size over another log, with the signatures of a quorum: what three corrupt agencies could make (C2SP)."""
    origin, size, _ = note.split("\n")[:3]
    text = f"{origin}\n{size}\n{base64.b64encode(hashlib.sha256(b'another').digest()).decode()}\n"
    now, lines = int(time.time()), []
    for name, use, kind in [(origin, "log", 1)] + [(n, "cosign", 4) for n in net.names[:3]]:
        file = net.path(f"keys/{net.names[0] if use == 'log' else name}.{use}.pem")
        signature, public = sign(net, file, text.encode() if use == "log" else f"cosignature/v1\ntime {now}\n{text}".encode())
        key_id = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]
        blob = key_id + (b"" if use == "log" else now.to_bytes(8, "big")) + signature
        lines.append(f"\u2014 {name} {base64.b64encode(blob).decode()}\n")
    return (text + "\n" + "".join(lines)).encode()


def test_liars(net):
    Liar.node = net.nodes[2]
    Liar.lies = ()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    net.liar = base = f"http://127.0.0.1:{server.server_port}"
    use_policy(net, base)
    go(net, "block/2", base)
    check("who passes a block on is believed", chrome.wait("document.querySelector('main .finding.good')"), main_text)
    for lie in "altered block", "empty block", "block without its first entry", "block without its seal", "another block":
        Liar.lies = (lie,)
        again(net, "block/2", base)
        check(f"{lie}: called out", chrome.wait("document.querySelector('main .finding.bad')") and not chrome.run("return document.querySelector('main .good')"), main_text)
    Liar.lies = ("altered charter",)
    again(net, f"block/{net.nodes[0].status()['cosigned_height']}", base)
    check("a charter that is not the one in the seal names nobody", chrome.wait("document.querySelector('main').innerText.includes('numbers stand alone')")
          and chrome.run("return !!document.querySelector('main .finding.good')") and re.search(r"Proposed by\s+voting member [1-4]\s", main_text()) and not re.search("interior|office|" + TYPE, main_text()), main_text)
    for lie, words in ("older charter", "another charter than the one in force"), ("altered charter", "does not hang together"):
        Liar.lies = (lie,)
        again(net, "charter", base)
        check(f"{lie}: called out", chrome.wait(f"document.querySelector('main .finding.bad')?.innerText.includes('{words}')"), main_text)
        check("and nothing of it is said to be in force, to wait, or to be proven", not re.search("in force$|in force\n|waits for|cosignatures", main_text()) and "✓" not in main_text(), main_text)
    Liar.lies = ("charter of spaces",)
    again(net, "crowd", base)
    fill("input[name=handle]", LIFE)
    press()
    check("a charter is kept without what a node puts around it", chrome.wait("document.querySelector('main').innerText.includes('from charter version')")
          and 0 < chrome.run("return localStorage.getItem('sillok.charter').length") < 100000, main_text)
    Liar.lies = ("checkpoint",)
    again(net, "", base)
    check("a checkpoint that a node altered is called out", chrome.wait("document.querySelector('main table .bad')"), main_text)


def test_nodes(net):
    again(net, "nodes")
    check("one node alone proves nothing about the others", chrome.wait("document.querySelector('main .finding.warn')"), main_text)
    for i in (1, 2, 3):
        fill("main input", address(net, i))
        press()
    check("four nodes are compared", chrome.wait("document.querySelectorAll('main tbody tr').length >= 4"), main_text)
    check("and tell one history", chrome.wait("document.querySelector('main .finding.good')"), main_text)
    check("the newest head is kept for later", chrome.run("return !!JSON.parse(localStorage.getItem('sillok.head')).head.root"))
    Liar.note, Liar.lies = another_history(net, net.nodes[0].request("GET", "/checkpoint")[1].decode()), ("another history",)
    fill("main input", net.liar)
    press()
    check("a split view is found, though a quorum signed both", chrome.wait("document.querySelector('main .finding.bad')?.innerText.includes('SPLIT VIEW')"), main_text)
    check("with both checkpoints to be saved as evidence", chrome.wait("document.querySelector('main a[download]')"), main_text)
    chrome.run("localStorage.setItem('sillok.nodes', JSON.stringify(arguments[0]))", ["http://127.0.0.1:1"])
    again(net, "nodes")
    check("a node that does not answer is shown, and counts neither way", chrome.wait("document.querySelector('main tbody .warn')"), main_text)
    # A node that turns to another history is found out by what this browser remembers, without any other node.
    go(net, "policy", net.liar)
    chrome.run("localStorage.setItem('sillok.policy', arguments[0]); localStorage.setItem('sillok.head', arguments[1])", read(net.path("policy")).decode(), json.dumps(
        {"policy": read(net.path("policy")).decode(), "head": kept_head(net)}))
    again(net, "nodes", net.liar)
    check("nor can a node turn to another history later", chrome.wait("document.querySelector('main .finding.bad')?.innerText.includes('SPLIT VIEW')"), main_text)
    # But none can make a split of two heads that are no such thing.
    Liar.lies = ("path",)
    first = net.nodes[0].request("GET", f"/tile/0/000.p/{kept_head(net)['size']}" if kept_head(net)["size"] < 256 else "/tile/0/000")[1][:32]
    chrome.run("localStorage.setItem('sillok.nodes', JSON.stringify([arguments[0]])); localStorage.setItem('sillok.head', arguments[1])", address(net, 0),
               json.dumps({"policy": read(net.path("policy")).decode(), "head": {**kept_head(net), "size": 1, "root": first.hex()}}))
    again(net, "nodes", net.liar)
    check("a node that gives a false path makes no split", chrome.wait("document.querySelector('main .finding.good')"), main_text)
    Liar.lies = ()


def test_memory(net):
    """What was verified under a node's policy is not kept as verified under the reader's, who chose one meanwhile."""
    go(net, "nodes")
    chrome.run("for (const name of ['policy', 'head']) localStorage.removeItem(`sillok.${name}`);"
               "localStorage.setItem('sillok.nodes', JSON.stringify([arguments[0]]))", address(net, 1))
    again(net, "nodes")
    chrome.wait("document.querySelectorAll('main tbody tr').length === 2")
    chrome.run("""const ask = fetch, open = new Promise((go) => { window.go = go; });
        window.fetch = async (url, options) => { if (url.origin === arguments[0] && url.pathname === '/v1/status') { window.held = true; await open; } return ask(url, options); };""",
               address(net, 1))
    fill("main input", address(net, 2))
    press()
    chrome.wait("window.held")
    chrome.run("location.hash = '#/policy'")
    chrome.wait("document.querySelector('textarea[name=policy]')")
    drop(read(net.path("policy")), "policy", "text/plain")
    chrome.wait("document.querySelector('textarea').value")
    press()
    chrome.wait("document.querySelector('#trust').className === 'good'")
    chrome.run("window.seen = 0; const ask = fetch; window.fetch = async (...all) => { const is = await ask(...all); window.seen += all[0].pathname === '/checkpoint'; return is; }; window.go()")
    check("the comparison goes on", chrome.wait("window.seen > 0"))
    chrome.run("return new Promise((done) => setTimeout(done, 500))")
    check("but what began under another policy is not remembered", chrome.run("return localStorage.getItem('sillok.head')") is None)


def test_full_storage(net):
    """What does not fit is kept until the page is closed; what stood in its place is not taken for it."""
    go(net, "policy")
    chrome.run("""localStorage.setItem('sillok.policy', 'x');
        for (let n = 2 ** 23; n >= 1; n /= 2) try { localStorage.setItem(`full${n}`, 'x'.repeat(n)); } catch { /* half of it */ }""")
    check("a policy is in use where the storage is full", use_policy(net), lambda: chrome.text("#trust"))
    check("and the one before it is not kept instead", chrome.run("return localStorage.getItem('sillok.policy')") is None)
    chrome.run("for (const name of Object.keys(localStorage)) if (name.startsWith('full')) localStorage.removeItem(name)")
    check("it is kept when there is room", use_policy(net) and chrome.run("return localStorage.getItem('sillok.policy')") == read(net.path("policy")).decode())


def kept_head(net):
    note = net.nodes[0].request("GET", "/checkpoint")[1].decode()
    return {"size": int(note.split("\n")[1]), "root": base64.b64decode(note.split("\n")[2]).hex(), "note": note, "quorumTime": int(time.time())}


def test_file(net):
    """A copy on the disk, without any network."""
    chrome.open(f"file://{os.path.abspath(PAGE)}#/policy")
    check("the page works from a disk", chrome.wait(READY), lambda: chrome.text())
    check("and says that it has no policy", "policy" in chrome.text("#trust").lower(), lambda: chrome.text("#trust"))
    chrome.devtools("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
    drop(read(net.path("policy")), "policy", "text/plain")
    chrome.wait("document.querySelector('textarea').value")
    press()
    check("it takes a policy", chrome.wait("document.querySelector('#trust').className === 'good'"), lambda: chrome.text())
    chrome.run("location.hash = '#/proof'")
    chrome.wait("document.querySelector('textarea[name=proof]')")
    drop(read(net.path("code.png")), "code.png", "image/png")
    check("and judges a QR code", chrome.wait("document.querySelector('.verdict.good [data-state=ACTIVE]')"), main_text)
    check("a QR code's credential is said, to be compared with the one shown", LIFE in main_text(), main_text)
    check("without a charter a number stands for itself", re.search(r"Type\s+2\s+Agency\s+1\s+Names\s+the charter is not at hand", main_text()), main_text)
    chrome.devtools("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    chrome.run("localStorage.setItem('sillok.nodes', JSON.stringify([arguments[0]])); location.hash = '#/credential'", address(net, 0))
    chrome.wait("document.querySelector('input[type=checkbox]')")
    fill("input[name=handle]", LIFE)
    press()
    check("a copy that asked a node once", chrome.wait("localStorage.getItem('sillok.charter')"), main_text)
    chrome.devtools("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
    chrome.open(f"file://{os.path.abspath(PAGE)}#/proof")
    chrome.run("delete document.documentElement.dataset.ready; location.reload()")
    chrome.wait(READY)
    drop(read(net.path("code.png")), "code.png", "image/png")
    check("has names without a network", chrome.wait("document.querySelector('.verdict.good [data-state=ACTIVE]')") and f"{TYPE} (2)" in main_text(), main_text)
    chrome.devtools("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(w * (c / 12.92 if c <= .04045 else ((c + .055) / 1.055) ** 2.4) for w, c in zip((.2126, .7152, .0722), parts))


def contrast(a, b):
    """WCAG 2.2: from 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + .05) / (low + .05)


def test_contrast(net):
    css = read(STYLE).decode()
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{([^}]*)\}", css))
    poor = []
    for name, colours in ("light", light), ("dark", {**light, **dark}):
        pairs = [(text, ground, 4.5) for ground in ("paper", "card") for text in ("ink", "soft", "good", "bad", "warn", "link")]
        pairs += [("seal-ink", "seal", 4.5), ("paper", "ink", 4.5), ("edge", "paper", 3), ("edge", "card", 3), ("link", "paper", 3)]
        poor += [(name, *p, round(contrast(colours[p[0]], colours[p[1]]), 2)) for p in pairs if contrast(colours[p[0]], colours[p[1]]) < p[2]]
    check("every colour of text stands out, light and dark (4.5 to 1, edges 3 to 1)", not poor and len(dark) > 8, poor)
    check("no text is made fainter in another way", "opacity" not in css and not re.search(r"(?<!-)color: (?!var|inherit|currentColor|light)", css), css)


def test_guard(net):
    page, style = read(PAGE).decode(), read(STYLE).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    check("the page's own guard allows scripts and styles by hash alone", "unsafe-inline" not in policy and "unsafe-eval'" not in policy.replace("wasm-unsafe-eval'", "")
          and "default-src 'none'" in policy and policy.count("'sha256-") == 2, policy)
    bare = re.sub(r'<script type="application/base64" id="wasm">.*?</script>', "", page, flags=re.S)
    check("it refers to nothing outside itself", not re.search(r'(?:src|href)="(?!#|data:)', bare) and "@import" not in style and "url(" not in style)
    go(net, "")
    chrome.wait("document.querySelector('main table')")
    own = [address(net, i) for i in range(4)] + [net.liar, "http://127.0.0.1:1/"]
    asked = chrome.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    check("and asks nobody but the nodes", asked and all(any(a.startswith(o) for o in own) or a.startswith(("blob:", "data:")) for a in asked), asked)
    check("the page has its size", len(page) < 300_000, len(page))


def keys_until(condition, most=60):
    for _ in range(most):
        chrome.press("Tab")
        if chrome.run(f"const e = document.activeElement; return !!({condition})"):
            return True
    return False


def test_keyboard(net):
    again(net, "")
    chrome.press("Tab")
    check("the first stop is past the navigation", chrome.run("return document.activeElement.id") == "skip")
    check("and shows itself", chrome.run("const r = document.activeElement.getBoundingClientRect(); return r.width > 20 && r.height > 10"))
    chrome.press("Enter")
    check("it leads to the content, and stays in the view", chrome.run("return document.activeElement.id === 'main' && !!document.querySelector('.figures')"))
    again(net, "")
    check("Tab reaches the views", keys_until("e.matches('nav a[href=\"#/credential\"]')"))
    check("and what has the focus is seen", chrome.run("return getComputedStyle(document.activeElement).outlineStyle !== 'none'"))
    chrome.press("Enter")
    check("Enter opens one, and the focus goes into it", chrome.wait("document.activeElement.id === 'main' && document.querySelector('input[name=handle]')"))
    keys_until("e.name === 'handle'")
    chrome.devtools("Input.insertText", text=LIFE)
    chrome.press("Enter")
    check("a credential is looked up without a mouse", chrome.wait("document.querySelector('.verdict.good [data-state=ACTIVE]')"), main_text)
    again(net, "proof")
    stops = []
    while keys_until("true", 1) and len(stops) < 40:
        stops.append(chrome.run("const e = document.activeElement; return e.closest('main') ? e.name || e.type || e.localName : ''"))
        if len(stops) > 3 and stops[-1] == "" and "submit" in stops:
            break
    inside = [s for s in stops if s]
    check("the focus goes in the order of reading", inside == ["file", "proof", "handle", "age", "submit"], stops)


NAMED = """
    const name = (e) => e.labels?.[0]?.textContent.trim() || e.textContent.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby');
    const bad = [...document.querySelectorAll('a[href],input,select,textarea,button,nav,table')].filter((e) => !(e.localName === 'table' ? e.caption?.textContent : name(e)));
    const ids = [...document.querySelectorAll('[id]')].map((e) => e.id), levels = [...document.querySelectorAll('h1,h2,h3,h4')].map((e) => Number(e.localName[1]));
    return { unnamed: bad.map((e) => e.outerHTML.slice(0, 120)), twice: ids.filter((d, i) => ids.indexOf(d) !== i), h2: document.querySelectorAll('h2').length,
             skipped: levels.some((l, i) => i > 0 && l > levels[i - 1] + 1), raw: document.body.innerText.match(/undefined|\\bnull\\b|\\[object|(?<!\\\\u)\\{\\w+\\}|NaN/),
             wide: document.documentElement.scrollWidth > innerWidth, lang: document.documentElement.lang, said: document.querySelectorAll('[role=status],[aria-live]').length };
"""


def test_every_view(net):
    """Narrow, dark, in Korean: nothing unnamed, nothing too wide, nothing left in the other language."""
    words = chrome.run("""const { en, ko } = sillok.words; return { missing: Object.keys(en).filter((k) => !(k in ko)), alone: Object.keys(ko).filter((k) => !(k in en) && !k.startsWith('E_')),
        empty: Object.entries({ ...en, ...ko }).filter(([, v]) => !v), places: Object.keys(en).filter((k) => String(en[k].match(/\\{\\w+\\}/g)?.sort()) !== String(ko[k]?.match(/\\{\\w+\\}/g)?.sort())) }""")
    check("every word is there in both languages, with the same places in it", not any(words.values()), words)
    chrome.look(360, 800, dark=True, calm=True)
    go(net, "")
    chrome.run("const s = document.querySelector('#language'); s.value = 'ko'; s.dispatchEvent(new Event('change'))")
    check("the page speaks Korean", chrome.wait("document.documentElement.lang === 'ko' && document.body.innerText.includes('개요')"), lambda: chrome.text())
    for view in VIEWS:
        chrome.run(f"location.hash = '#/{view}'")
        chrome.wait(f"document.querySelector('nav a[aria-current]').hash === '#/{view}' && document.querySelector('main h2') "
                    "&& !document.querySelector('main').innerText.includes('조회 중')")
        found = chrome.run(NAMED)
        check(f"{view or 'overview'}: fit for a phone, a screen reader and a Korean", not found["unnamed"] and not found["twice"] and not found["wide"] and not found["raw"]
              and not found["skipped"] and found["h2"] == 1 and found["lang"] == "ko" and found["said"] > 0, found)
    check("who wants no motion sees none", chrome.run("return [...document.querySelectorAll('*')].every((e) => getComputedStyle(e).transitionDuration === '0s' && getComputedStyle(e).animationName === 'none')"))
    chrome.run("const s = document.querySelector('#language'); s.value = 'en'; s.dispatchEvent(new Event('change'))")
    chrome.look()
    complaints = [c for c in chrome.complaints() if "Failed to load resource" not in c and "ERR_" not in c]  # nodes that are down, files beside a file
    check("nothing was refused by the page's own guard, and no script failed", not complaints, complaints)


def take_pictures(net):
    for language in "en", "ko":
        for dark in False, True:
            for width in 1280, 720, 360:
                chrome.look(width, 900, dark)
                for view in VIEWS:
                    go(net, view)
                    chrome.run("const s = document.querySelector('#language'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))", language)
                    time.sleep(1)
                    if view in ("credential", "crowd"):
                        fill("input[name=handle]", LIFE)
                        press()
                    elif view == "proof":
                        drop(read(net.path("code.png")), "code.png", "image/png")
                    elif view == "block":
                        go(net, "block/2")
                    time.sleep(0.5)
                    chrome.screenshot(os.path.join(os.environ["SLK_SHOTS"], f"{view or 'overview'}-{language}-{'dark' if dark else 'light'}-{width}.png"))
    chrome.look()


def measure(net):
    """Printed, never judged: a test machine is slow or busy."""
    use_policy(net)
    proof = lambda: net.nodes[0].request("POST", "/v1/proofs?history", LIFE, {"Content-Type": "text/plain", "Accept": "text/plain"})[1].decode()
    wait_for(lambda: proof().count("\u2014 ") == 5, 30)  # the fourth agency's cosignature may join after the quorum's
    opened = []
    for _ in range(5):
        again(net, "")
        chrome.wait("document.querySelector('main table')")
        opened.append(chrome.run("const [n] = performance.getEntriesByType('navigation'); return n.domContentLoadedEventEnd"))
    print(f"# the page can be used after {sorted(opened)[2]:.0f} ms (median of 5), over loopback")
    for native in True, False:
        took = chrome.run("""
            const [text, proof, handle, native] = arguments, at = [];
            return sillok.Verifier.load(sillok.wasm).then(async (v) => {
              v.policy(text);
              v.useNative = native;
              for (let i = 0; i < 21; i++) {
                const begin = performance.now();
                const a = await v.verify(new TextEncoder().encode(proof), Uint8Array.from(handle.match(/../g), (x) => parseInt(x, 16)));
                at.push([performance.now() - begin, a.cosignatures, a.events]);
              }
              return { first: at[0], rest: at.slice(1).map((t) => t[0]).sort((a, b) => a - b), native: v.checkedByBrowser };
            });""", read(net.path("policy")).decode(), proof(), LIFE, native)
        print(f"# a proof with {took['first'][1]} cosignatures and {took['first'][2]} events: {took['rest'][10]:.1f} ms (median of 20; the first {took['first'][0]:.1f} ms), "
              f"Ed25519 by {'the browser' if took['native'] else 'the module'}")
    page = read(PAGE)
    print(f"# the page has {len(page)} bytes, {os.path.getsize(PAGE + '.gz')} on the wire")


if not browser.available():
    skip("the explorer in a browser", "chromium and chromium-driver are not installed")
    print("1..1")
    sys.exit(0)
chrome = browser.Browser()
tests = [test_unarmed, test_overview, test_credential, test_proof, test_qr, test_crowd, test_blocks, test_charter, test_names, test_liars, test_nodes, test_memory, test_full_storage, test_guard, test_contrast,
         test_keyboard, test_every_view, test_file]
try:
    status = net_main("page", make, *([measure] if "--measure" in sys.argv else [use_policy, take_pictures] if os.environ.get("SLK_SHOTS") else tests))
finally:
    chrome.close()
sys.exit(status)
