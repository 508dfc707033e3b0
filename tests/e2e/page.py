#!/usr/bin/env python3
"""The explorer in a real browser, on four agencies' nodes.   page.py SILLOK SILLOKD PAGE   (TAP)

PAGE is the page as one file: it is opened from the disk, too. SLK_SHOTS=DIR keeps pictures.
"""
import base64
import hashlib
import http.server
import json
import os
import sys
import threading

import browser
from network import Net, check, must, net_main, skip

SILLOK, SILLOKD, PAGE = sys.argv[1:4]
chrome = None


def shot(name):
    if os.environ.get("SLK_SHOTS"):
        chrome.screenshot(os.path.join(os.environ["SLK_SHOTS"], name + ".png"))


def go(net, view, base=None):
    chrome.open(f"{base or address(net, 0)}/#/{view}")
    return chrome.wait("document.documentElement.dataset.ready === 'yes'")


def address(net, i):
    return f"http://127.0.0.1:{net.http_ports[i]}"


def fill(selector, value):
    chrome.run("const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input'))", selector, value)


def press():
    chrome.run("document.querySelector('main form button').click()")


def use_policy(net):
    with open(net.path("policy")) as f:
        go(net, "policy")
        fill("textarea", f.read())
        press()
    return chrome.wait("document.querySelector('#trust').className === 'good'")


def make(root):
    net = Net(root, SILLOK, SILLOKD, submissions=40)
    net.start()
    net.wait_connected()
    net.submit_some(net.nodes, 30)
    net.nodes[0].submit(net.submissions[net.take()[0]], wait="proof")
    must(SILLOK, "policy", net.path("charter.ini"), "-o", net.path("policy"))
    return net


def test_overview(net):
    check("the page opens", go(net, ""))
    check("and warns while it has no policy of the reader's", chrome.wait("document.querySelector('#trust').className === 'warn'"), chrome.text("#trust"))
    check("the reader's policy is taken", use_policy(net), lambda: chrome.text())
    go(net, "")
    check("the node's checkpoint is verified", chrome.wait("document.querySelector('main table .good')"), lambda: chrome.text("main"))
    named = " && ".join(f"document.querySelector('main').innerText.includes('{name}')" for name in net.names)
    check("all members' cosignatures are named", chrome.wait(named), lambda: chrome.text("main"))  # the fourth may join after the quorum
    shot("overview")


def test_credential(net):
    go(net, "credential")
    fill("input[name=handle]", net.handle(3))
    press()
    check("a credential's life is proved", chrome.wait("document.querySelector('[data-state=ACTIVE]')"), lambda: chrome.text("main"))
    check("with all its events", chrome.run("return document.querySelectorAll('ol.life li').length") == 1)
    check("the handle is in no address and in no storage", chrome.run(
        "return !location.href.includes(arguments[0]) && !JSON.stringify(localStorage).includes(arguments[0])", net.handle(3)))
    shot("credential")
    go(net, "credential")
    fill("input[name=handle]", "ab" * 32)
    press()
    check("one that was never issued is proved absent", chrome.wait("document.querySelector('[data-state=NEVER_ISSUED]')"), lambda: chrome.text("main"))


def test_proof(net):
    handle, proof = net.handle(5), net.path("proof")
    node = net.nodes[1]
    code, text = node.request("POST", "/v1/proofs", json.dumps({"credential": handle, "history": True}),
                              {"Content-Type": "application/json", "Accept": "text/plain"})
    assert code == 200
    for what, altered, selector in (("a proof pasted as text", text.decode(), "[data-state=ACTIVE]"),
                                    ("and one that was altered", text.decode().replace("index ", "index 1"), ".verdict.bad")):
        go(net, "proof")
        chrome.run("location.reload()")
        chrome.wait("document.documentElement.dataset.ready === 'yes' && document.querySelector('textarea')")
        fill("textarea", altered)
        fill("input[name=handle]", handle)
        press()
        check(what, chrome.wait(f"document.querySelector('{selector}')"), lambda: chrome.text("main"))


def test_crowd(net):
    go(net, "crowd")
    place = hashlib.sha256(bytes.fromhex(net.handle(7))).hexdigest()
    fill("input[name=handle]", net.handle(7))
    press()
    check("a crowd is proved whole", chrome.wait("document.querySelector('main p.good')"), lambda: chrome.text("main"))
    check("and holds the credential asked about, known by its first digits alone", place[:12] in chrome.text("main"), lambda: chrome.text("main"))
    shot("crowd")


def test_blocks(net):
    go(net, "block/1")
    check("a block's entries are in the cosigned log", chrome.wait("document.querySelector('main p.good')"), lambda: chrome.text("main"))
    check("and can be read", "SEAL" in chrome.text("main"), lambda: chrome.text("main"))
    shot("block")
    go(net, "charter")
    check("the charter names members and issuers", chrome.wait("document.querySelector('main').innerText.includes('office')"), lambda: chrome.text("main"))


class Liar(http.server.BaseHTTPRequestHandler):
    """Passes a node's answers on, but for blocks' entries, and a checkpoint that somebody else signed."""
    node = page = None
    lies = ()

    def do_GET(self):
        path = self.path.replace("/v1/blocks/2", "/v1/blocks/1") if "another block" in self.lies else self.path
        code, body = self.node.request("GET", path, headers={"Accept": self.headers.get("Accept", "*/*")})
        kind = "application/json" if body[:1] == b"{" else "text/html; charset=utf-8" if body[:9] == b"<!doctype" else "text/plain"
        if self.path == "/v1/blocks/2" and any("block" in lie for lie in self.lies):
            value = json.loads(body)
            entries = bytearray(base64.b64decode(value["entries"]))
            first = 2 + int.from_bytes(entries[:2], "big")
            if "altered block" in self.lies:
                entries[40] ^= 1
            if "empty block" in self.lies:
                entries = b""
            if "block without its first entry" in self.lies:
                entries = entries[first:]
                value["first_index"] += 1
            if "block without its seal" in self.lies:
                entries = entries[:first]
            value["entries"] = base64.b64encode(bytes(entries)).decode()
            body = json.dumps(value).encode()
        if "checkpoint" in self.lies and self.path == "/checkpoint":
            body = body.replace(b"\n", b"\n1", 1)
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_liars(net):
    Liar.node = net.nodes[2]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    with open(net.path("policy")) as f:
        chrome.open(base + "/#/policy")
        chrome.wait("document.documentElement.dataset.ready === 'yes'")
        fill("textarea", f.read())
        press()
        chrome.wait("document.querySelector('#trust').className === 'good'")
    Liar.lies = ()
    go(net, "block/2", base)
    check("who passes a block on is believed", chrome.wait("document.querySelector('main p.good')"), lambda: chrome.text("main"))
    for lie in "altered block", "empty block", "block without its first entry", "block without its seal", "another block":
        Liar.lies = (lie,)
        chrome.run("document.querySelector('main').replaceChildren()")
        chrome.run("location.reload()")
        check(f"{lie}: called out", chrome.wait("document.querySelector('main p.bad, main .verdict.bad')"), lambda: chrome.text("main"))
    Liar.lies = ("checkpoint",)
    go(net, "", base)
    chrome.run("location.reload()")
    check("a checkpoint that a node altered is called out", chrome.wait("document.querySelector('main table .bad')"), lambda: chrome.text("main"))
    server.shutdown()


def test_nodes(net):
    go(net, "nodes")
    for i in (1, 2, 3):
        fill("main input", address(net, i))
        press()
    check("four nodes are compared", chrome.wait("document.querySelectorAll('main tbody tr').length === 4"), lambda: chrome.text("main"))
    check("and tell one history", chrome.wait("document.querySelector('main p.good')"), lambda: chrome.text("main"))
    shot("nodes")


def test_file(net):
    chrome.open(f"file://{os.path.abspath(PAGE)}#/proof")
    check("the page works from a disk, without a node", chrome.wait("document.documentElement.dataset.ready === 'yes'"), lambda: chrome.text())
    check("and says that it has no policy", "policy" in chrome.text("#trust").lower(), lambda: chrome.text("#trust"))
    check("the page has its size", os.path.getsize(PAGE) < 300_000, os.path.getsize(PAGE))


def test_words(net):
    go(net, "")
    chrome.run("const s = document.querySelector('#language'); s.value = 'ko'; s.dispatchEvent(new Event('change'))")
    check("the page speaks Korean", chrome.wait("document.documentElement.lang === 'ko' && document.body.innerText.includes('개요')"), lambda: chrome.text())
    shot("korean")
    check("every control has a name", chrome.run("""
        return [...document.querySelectorAll('input,select,textarea,button')].every((e) =>
          e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label'))"""))
    complaints = [c for c in chrome.complaints() if "Failed to load resource" not in c]  # a file has no /v1/policy beside it
    check("nothing was refused by the page's own guard, and no script failed", not complaints, complaints)


if not browser.available():
    skip("the explorer in a browser", "chromium and chromium-driver are not installed")
    print("1..1")
    sys.exit(0)
chrome = browser.Browser()
try:
    status = net_main("page", make, test_overview, test_credential, test_proof, test_crowd, test_blocks, test_nodes, test_liars, test_file, test_words)
finally:
    chrome.close()
sys.exit(status)
