#!/usr/bin/env python3
"""Clients that stall: connections that say nothing, heads and bodies that drip, readers who never read. Others are served meanwhile.

  crowd.py SILLOK SILLOKD [N]       prints TAP; N connections (600 to a node that has 200 places; with 10000 a node with its usual 4096)
"""
import resource
import socket
import sys
import threading
import time

from network import Net, check, net_main, skip

SILLOK, SILLOKD = sys.argv[1:3]
N = int(sys.argv[3]) if len(sys.argv) > 3 else 600
PLACES = 200 if N < 5000 else 4096
ROUNDS = 4

HEAD = b"POST /v1/submissions HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: 4000\r\n"


class Crowd(threading.Thread):
    """N connections, opened in turns and again when they are closed; each goes on with what it does every half second."""

    KINDS = ("idle", "head", "body", "reader")

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.over, self.full = port, threading.Event(), threading.Event()
        self.opened = self.closed = 0
        self.clients = []  # [socket, kind]

    def open_one(self):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", self.port))
        kind = self.KINDS[self.opened % len(self.KINDS)]
        self.opened += 1
        self.clients.append([s, kind])

    def speak(self, s, kind, is_first):
        if kind == "head":
            s.send(HEAD if is_first else b"X")
        elif kind == "body":
            s.send(HEAD + b"\r\n" if is_first else b"X")
        elif kind == "reader":
            s.send(b"GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 4)

    def run(self):
        turn = 0
        while not self.over.is_set():
            while len(self.clients) < N and not self.over.is_set():
                self.open_one()
                if self.opened % 100 == 0:
                    time.sleep(0.01)
            alive = []
            for s, kind in self.clients:
                try:
                    self.speak(s, kind, turn == 0 or s not in self.seen)
                    if kind != "reader":
                        try:
                            if s.recv(4096) == b"":
                                raise OSError
                        except BlockingIOError:
                            pass
                    alive.append([s, kind])
                except BlockingIOError:
                    alive.append([s, kind])
                except OSError:
                    self.closed += 1
                    s.close()
            self.clients = alive
            self.seen = {s for s, _ in alive}
            turn += 1
            if turn == 2:
                self.full.set()
            time.sleep(0.5)
        for s, _ in self.clients:
            s.close()

    seen = frozenset()


def small(net):
    """Fewer places, so that a few hundred connections are too many."""
    for n in net.nodes:
        with open(n.config) as f:
            text = f.read()
        with open(n.config, "w") as f:
            f.write(text.replace("[http]\n", f"[http]\nconnections = {PLACES}\n"))


def test_crowd(net):
    small(net)
    net.start()
    check("four nodes find each other", net.wait_connected(), net.tails)
    node = net.nodes[0]
    crowd = Crowd(net.http_ports[0])
    crowd.start()
    check("the crowd is there", crowd.full.wait(60))
    codes, slowest = [], 0.0
    for i in range(ROUNDS * 10):
        began = time.monotonic()
        codes.append(node.try_request("GET", "/v1/status", timeout=30)[0])
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.1)
    check("everybody else is served, without a refusal", set(codes) == {200}, codes, node.metrics)
    answers = [node.submit(net.submissions[k]) for k in net.take(ROUNDS)]
    check("and submissions are final", all(code == 200 for code, _ in answers), answers, net.tails)
    metrics = node.metrics()
    check("those who stall make place, and are counted", metrics.get('sillok_http_refused_total{reason="EVICTED"}', 0) > 0, metrics)
    check("no more connections are held than there are places", metrics.get("sillok_http_connections", 1e9) <= PLACES + 64, metrics)
    print(f"# {crowd.opened} connections, {crowd.closed} closed; the slowest answer took {slowest * 1000:.0f} ms; "
          f"refused: {({k[27:-2]: int(v) for k, v in metrics.items() if 'http_refused' in k and v})}", flush=True)
    crowd.over.set()
    crowd.join()
    check("the others agree with the node that was besieged", net.wait_agreed(1), net.tails)
    codes = [n.stop() for n in net.nodes]
    check("all stop cleanly", codes == [0] * 4, codes, net.tails)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < N + 200:
        skip(f"{N} connections", f"this machine allows {hard} open files")
        print("1..1")
        return 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, N + 200), hard))
    return net_main("crowd", lambda root: Net(root, SILLOK, SILLOKD), test_crowd)


sys.exit(main())
