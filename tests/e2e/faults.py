#!/usr/bin/env python3
"""Four agencies' nodes behind a proxy (proxy.py) that delays, holds, cuts and resets, with strangers at the door and wrong clocks:
nothing acknowledged is lost, nobody answers wrongly, nobody is accused, and when it is over all agree.

  faults.py SILLOK SILLOKD [SECONDS]       prints TAP; SECONDS: how long each partition lasts (1; by hand also 40: TCP and the
                                           nodes themselves give connections up, and clients are told 202 after 30 s)
"""
import concurrent.futures
import os
import shutil
import socket
import ssl
import sys
import threading
import time

from network import FINAL_S, NAMES, READY_S, Net, check, must, net_main, skip, wait_for
from proxy import Proxy

SILLOK, SILLOKD = sys.argv[1:3]
HOLD_S = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
FAKETIME = "/usr/lib/%s-linux-gnu/faketime/libfaketime.so.1" % os.uname().machine
FRESH_S = 1  # in this charter: members cosign so often, and /health complains after twice that


class Faulty(Net):
    def __init__(self, root):
        super().__init__(root, SILLOK, SILLOKD, charter=lambda t: t.replace("fresh_s = 60", f"fresh_s = {FRESH_S}"))
        self.proxy = Proxy()
        self.lock = threading.Lock()
        self.acknowledged = {}  # id -> which submission
        for a in self.nodes:
            a.addresses = {b.index + 1: f"127.0.0.1:{self.proxy.listen(a.name, b.name, self.peer_ports[b.index])}"
                           for b in self.nodes if b is not a}
            a.write_config()

    def between(self, some, others, what):
        for a in some:
            for b in others:
                what(self.proxy.way(a.name, b.name))

    def hold(self, some, others, both=True, held=True):
        self.between(some, others, lambda way: setattr(way, "held", held))
        if both:
            self.between(others, some, lambda way: setattr(way, "held", held))

    def acknowledge(self, node, wait="received"):
        """A submission that is promised: it has to be in the chain at the end. "again": asked again until it is final."""
        with self.lock:
            k = self.take()[0]
        code, answer = self.submit_until(node, self.submissions[k]) if wait == "again" else node.submit(self.submissions[k], wait)
        if code in (200, 202):
            self.acknowledged[answer["id"]] = k
        return code, answer

    def acknowledge_all(self, nodes, wait="again"):
        """At all of them at once: (are all final?, answers)."""
        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
            answers = list(pool.map(lambda n: self.acknowledge(n, wait), nodes))
        return all(code == 200 for code, _ in answers), answers

    def heights(self, nodes=None):
        return [n.status().get("height") for n in nodes or self.nodes]

    def all_settled(self, least=0):
        return wait_for(lambda: self.settled(least) and not any(n.status().get("behind") for n in self.nodes), FINAL_S)


def quiet(net):
    """Has anybody been accused of anything? Then two nodes were wrong about one another."""
    words = ("two_voices", "split_view", "false_message", " alarm ")
    return [line for n in net.nodes for line in n.logged().splitlines() if any(w in line for w in words)]


def test_start(net):
    net.start()
    check("four nodes find each other through the proxy", net.wait_connected(), net.tails)
    final, answers = net.acknowledge_all(net.nodes)
    check("and finish submissions", final, answers, net.tails)
    net.half = stranger(net.peer_ports[0])  # looked at in test_strangers: it is closed 5 s later
    net.half.send(b"\x16\x03\x01")


def test_halves(net):
    pool = concurrent.futures.ThreadPoolExecutor(4)
    check("all are healthy", wait_for(lambda: all(n.try_request("GET", "/health")[0] == 200 for n in net.nodes), FINAL_S),
          net.tails)
    net.hold(net.nodes[:2], net.nodes[2:])
    time.sleep(0.5)  # what was under way arrives
    before = net.heights()
    answers = [net.acknowledge(n) for n in net.nodes]
    check("two and two: submissions are durable, and that is what is said", all(code == 202 for code, _ in answers), answers)
    asked = time.monotonic()
    waiting = [pool.submit(net.acknowledge, n, "final") for n in net.nodes]
    check("two and two: nobody is healthy",
          wait_for(lambda: all(n.try_request("GET", "/health")[0] == 503 for n in net.nodes), FINAL_S), net.tails)
    time.sleep(HOLD_S)
    check("two and two: no block, on either side", net.heights() == before, before, net.heights())
    codes = {w.result()[0] for w in waiting if w.done()}
    check("two and two: nothing is called final", codes <= {202}, codes)
    held = time.monotonic() - asked
    net.proxy.heal()
    answers = [w.result() for w in waiting]
    wanted = {200} if held < 10 else {202} if held > 30 else {200, 202}  # a node keeps a client waiting for 30 s at most
    check(f"together again: who waited is told {wanted}", all(code in wanted for code, _ in answers), held, answers, net.tails)
    check("together again: all agree and nothing waits", net.all_settled(), net.tails)
    check("together again: all are healthy",
          wait_for(lambda: all(n.try_request("GET", "/health")[0] == 200 for n in net.nodes), FINAL_S), net.tails)


def test_minority(net):
    alone, rest = net.nodes[3], net.nodes[:3]
    net.hold([alone], rest)
    answers = [net.acknowledge(rest[i % 3], "again") for i in range(4)]
    check("three and one: the three go on", all(code == 200 for code, _ in answers), answers, net.tails)
    code, answer = net.acknowledge(alone)
    check("three and one: the one stores what it is given", code == 202, code, answer)
    first = net.next + 1000  # of credentials that no other submission names
    large = net.sign(400, batch=400, first=first)[0]
    code, answer = rest[0].submit(large)
    check("three and one: a large submission, too", code == 200, code, answer)
    height = max(net.heights(rest))
    check("three and one: the one has none of the new blocks", alone.status().get("height", height) < height, net.tails)
    links = [net.proxy.link(alone.name, n.name) for n in rest]
    for link in links:
        link.refuse = True  # what was under way is lost, so that the first it hears is how far the others are
    wait_for(lambda: alone.status().get("peers") == 0, FINAL_S)
    net.between(rest, [alone], lambda way: setattr(way, "rate", 8000))  # the large block takes it seconds
    net.hold([alone], rest, held=False)
    for link in links:
        link.refuse = False

    def is_behind():
        if not alone.status().get("behind"):
            return False
        code, answer = net.acknowledge(alone)
        return code == 503 and answer.get("code") == "BEHIND"

    check("a node that is behind takes no submissions: 503 BEHIND", wait_for(is_behind, FINAL_S), net.tails)
    check("and is not healthy", wait_for(lambda: alone.try_request("GET", "/health")[0] == 503, FINAL_S), net.tails)
    net.proxy.heal()
    check("it catches up, and what it was given is final", net.all_settled(height), net.tails)


def test_one_way(net):
    for what, some, others in (("heard by nobody", net.nodes[2:3], [n for n in net.nodes if n is not net.nodes[2]]),
                               ("who hears nobody", [n for n in net.nodes if n is not net.nodes[0]], net.nodes[:1])):
        net.hold(some, others, both=False)
        rest = others if len(others) == 3 else some
        answers = [net.acknowledge(n, "again") for n in rest]
        check(f"with one {what} the others go on", all(code == 200 for code, _ in answers), answers, net.tails)
        net.proxy.heal()
        check(f"with one {what}, until it heals, all agree again", net.all_settled(), net.tails)


def test_bad_lines(net):
    """One at the end of a slow line, one whose bytes come in drops, loss everywhere, and two who cannot reach one another."""
    slow, drip = net.nodes[1], net.nodes[2]
    net.proxy.link(net.nodes[0].name, net.nodes[3].name).refuse = True
    for a in net.nodes:
        for b in net.nodes:
            way = net.proxy.way(a.name, b.name)
            way.delay, way.jitter, way.loss = 0.02, 0.02, 0.02
            way.rate = 32000 if slow in (a, b) else 0
            way.drip = 100 if drip in (a, b) else 0
    for _ in range(2):
        final, answers = net.acknowledge_all(net.nodes)
        check("slow lines, drops, loss, two who cannot reach one another: all is final", final, answers, net.tails)
    check("and all agree", net.wait_agreed(1), net.tails)
    net.proxy.link(net.nodes[0].name, net.nodes[3].name).refuse = False
    net.proxy.link(net.nodes[0].name, net.nodes[3].name).mute = True  # they are taken, and nobody is there
    for i, (a, b) in enumerate(((1, 2), (2, 3), (3, 1), (1, 0), (0, 2))):
        net.proxy.way(NAMES[a], NAMES[b]).cut_after = 100 + 777 * i  # in the middle of a record
    for _ in range(2):
        final, answers = net.acknowledge_all(net.nodes)
        check("connections that break in the middle of a record: all is final", final, answers, net.tails)
    net.proxy.heal()
    check("when it is over, everybody is connected to everybody", net.wait_connected(), net.tails)
    check("and all agree, with nothing left", net.all_settled(), net.tails)


# ---- strangers ----

def stranger(port):
    """From another address than the nodes' own: what strangers are denied must not be denied to members."""
    return socket.create_connection(("127.0.0.1", port), timeout=READY_S, source_address=("127.0.0.2", 0))


def tls(net, port, name=None, alpn="sillok/1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    if name is not None:
        context.load_cert_chain(net.path(name + ".crt"), net.path(name + ".pem"))
    return context.wrap_socket(stranger(port))


def certificate(net, name, key=None):
    if key is None:
        must("openssl", "genpkey", "-algorithm", "ed25519", "-out", net.path(name + ".pem"))
    else:
        shutil.copy(key, net.path(name + ".pem"))
    must("openssl", "req", "-x509", "-new", "-key", net.path(name + ".pem"), "-subj", "/CN=x", "-days", "2", "-out",
         net.path(name + ".crt"))


def is_closed(s):
    """Does the other end hang up, and say nothing before?"""
    s.settimeout(READY_S)
    try:
        while s.recv(65536):
            pass
        return True
    except socket.timeout:
        return False
    except OSError:
        return True


def ended(node, reason):
    return node.metrics().get('sillok_peer_connections_ended_total{reason="%s"}' % reason, 0)


def test_strangers(net):
    node, port = net.nodes[0], net.peer_ports[0]
    before = {r: ended(node, r) for r in ("TLS", "NO_CERTIFICATE", "PIN", "ALPN", "TOO_LARGE", "MALFORMED")}
    counted = lambda r: wait_for(lambda: ended(node, r) > before[r], READY_S)
    s = stranger(port)
    s.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
    check("who speaks no TLS is closed, and counted", is_closed(s) and counted("TLS"), node.metrics)
    if shutil.which("openssl") is None:
        skip("strangers with certificates", "no openssl here")
    else:
        certificate(net, "stranger")
        certificate(net, "member", net.path("keys/carrier.node.pem"))
        for what, reason, name, alpn in (("no certificate", "NO_CERTIFICATE", None, "sillok/1"),
                                         ("a key of nobody", "PIN", "stranger", "sillok/1"),
                                         ("another protocol", "ALPN", "stranger", "h2")):
            try:
                closed = is_closed(tls(net, port, name, alpn))
            except OSError:
                closed = True  # in the middle of the handshake
            check(f"who comes with {what} is closed, and counted", closed and counted(reason), node.metrics)
    final, answers = net.acknowledge_all(net.nodes)
    check("members are served meanwhile", final, answers, net.tails)
    check("half a handshake is closed after its time, and counted", is_closed(net.half) and
          wait_for(lambda: ended(node, "SLOW") > 0, READY_S), node.metrics)
    check("nobody lost a connection over it", net.wait_connected(), net.tails)


def test_oversize(net):
    """With a member's stolen key: the thief is closed, and cools down; that is the member's trouble alone."""
    if shutil.which("openssl") is None:
        return skip("a frame above its cap", "no openssl here")
    node, victim = net.nodes[0], net.nodes[3]
    victim.stop()
    before = ended(node, "TOO_LARGE") + ended(node, "MALFORMED")
    s = tls(net, net.peer_ports[0], "member")
    s.send(b"\x7f\xff\xff\xff\x01\x00\x00\x00" + b"x" * 16000)
    check("a frame of 2 GiB is closed and counted", is_closed(s) and
          wait_for(lambda: ended(node, "TOO_LARGE") + ended(node, "MALFORMED") > before, READY_S), node.metrics)
    victim.start()
    final, answers = net.acknowledge_all(net.nodes[:3])
    check("and the others go on", final, answers, net.tails)
    check("and the member, at whom others point no finger, agrees", net.wait_agreed(1), net.tails)


# ---- submissions ----

def test_submissions(net):
    pool = concurrent.futures.ThreadPoolExecutor(16)
    k = net.take()[0]
    answers = [f.result() for f in [pool.submit(n.submit, net.submissions[k]) for n in net.nodes * 4]]
    check("the same submission sixteen times at once, at all nodes: one place in the chain",
          all(code == 200 for code, _ in answers) and len({(a["height"], a["id"]) for _, a in answers}) == 1, answers)
    for what, submissions, wanted in (
            ("a stale submission, of a credential that has moved on", net.sign(1, device="other", first=k), 409),
            ("one that will have happened in three days", net.sign(1, device="late", occurred=3, first=net.next + 5000), 422)):
        answers = [f.result() for f in [pool.submit(n.submit, submissions[0]) for n in net.nodes]]
        check(f"{what}: {wanted} from all", all(code == wanted for code, _ in answers), answers)
    a, b = net.sign(1, device="one", first=net.next)[0], net.sign(1, device="two", first=net.next)[0]
    net.take()
    answers = [f.result() for f in [pool.submit(n.submit, s) for n, s in zip(net.nodes, (a, b, a, b))]]
    won = {answer.get("id") for code, answer in answers if code == 200}
    check("two about one credential, at different nodes at once: one wins, and the other is told",
          len(won) == 1 and all(code in (200, 409) for code, _ in answers), answers)


# ---- clocks ----

def test_clocks(net):
    if not os.path.exists(FAKETIME) or os.environ.get("SLK_SANITIZED"):
        return skip("clocks that are wrong, and jump", "libfaketime is not here, or would be loaded before a sanitizer")
    node, clock = net.nodes[1], net.path("clock")

    def set_clock(text):
        with open(clock + ".new", "w") as f:
            f.write(text + "\n")
        os.rename(clock + ".new", clock)

    set_clock("+1h")
    node.stop()
    node.start(LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=clock, FAKETIME_NO_CACHE="1", DONT_FAKE_MONOTONIC="1",
               FAKETIME_DONT_FAKE_MONOTONIC="1")
    for offset in ("+1h", "-1h", "+20s", "-1h", "+1h"):
        set_clock(offset)
        final, answers = net.acknowledge_all(net.nodes[2:] + net.nodes[:1])
        check(f"with a clock that is {offset} off the others go on", final, answers, net.tails)
    times = [net.nodes[0].status().get("time_ms", 0) / 1000 - time.time()]
    check("no block is of a time that has not come", times[0] < 31, times)
    set_clock("+0")
    check("with its clock right again all agree", net.all_settled(), net.tails)
    code, answer = net.acknowledge(node, "again")
    check("and it takes part", code == 200, code, answer, net.tails)


def test_end(net):
    check("all agree, with nothing left waiting", net.all_settled(), net.tails)
    height, lost = net.nodes[0].status().get("height", 0), []
    for i, (name, k) in enumerate(net.acknowledged.items()):
        code, answer = net.submit_until(net.nodes[i % 4], net.submissions[k])
        if code != 200 or answer.get("id") != name or not 0 < answer.get("height", 0) <= height:
            lost.append((code, answer))
    check(f"none of {len(net.acknowledged)} acknowledged submissions is lost", not lost, lost[:3])
    check("nobody was accused", not quiet(net), quiet(net)[:5])
    check("all stop cleanly", all(n.stop() == 0 for n in net.nodes), net.tails)


sys.exit(net_main("faults", Faulty, test_start, test_halves, test_minority, test_one_way, test_bad_lines, test_strangers,
                  test_submissions, test_clocks, test_oversize, test_end))
