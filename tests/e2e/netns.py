#!/usr/bin/env python3
"""Four nodes, each in a network namespace of its own: a cable that is pulled and put back, a node that moves to another address.

  netns.py SILLOK SILLOKD       prints TAP; needs root and `ip`, else it is skipped with the reason
"""
import http.client
import os
import shutil
import signal
import socket
import sys

from network import FINAL_S, Net, check, must, net_main, run, skip, wait_for  # which knows where the next one is
from local_nodes import ask_over

SILLOK, SILLOKD = sys.argv[1:3]


class Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Spaces(Net):
    """A namespace with a bridge, and one for each node, with a cable to it."""

    def __init__(self, root):
        self.spaces = []
        self.hub = self.space("hub")
        super().__init__(root, SILLOK, SILLOKD)
        must("ip", "-n", self.hub, "link", "add", "br0", "type", "bridge")
        must("ip", "-n", self.hub, "link", "set", "br0", "up")
        for n in self.nodes:
            n.space, n.socket, n.ip = self.space(n.name[:4]), self.path(n.name + ".s"), f"10.77.0.{n.index + 1}"
            must("ip", "-n", self.hub, "link", "add", n.name[:4], "type", "veth", "peer", "name", "eth0", "netns", n.space)
            must("ip", "-n", self.hub, "link", "set", n.name[:4], "master", "br0", "up")
            must("ip", "-n", n.space, "link", "set", "lo", "up")
            must("ip", "-n", n.space, "link", "set", "eth0", "up")
            must("ip", "-n", n.space, "addr", "add", n.ip + "/24", "dev", "eth0")
            n.command = ["ip", "netns", "exec", n.space, SILLOKD]
            n.request = lambda *args, n=n, **kwargs: self.request(n, *args, **kwargs)
        self.configure()

    def space(self, name):
        self.spaces.append(f"sillok-{os.getpid()}-{name}")
        must("ip", "netns", "add", self.spaces[-1])
        return self.spaces[-1]

    def configure(self):
        for n in self.nodes:
            n.host = n.ip
            n.addresses = {o.index + 1: f"{o.ip}:{self.peer_ports[o.index]}" for o in self.nodes}
            n.write_config()
            with open(n.config) as f:
                text = f.read()
            with open(n.config, "w") as f:
                f.write(text.replace("[http]\n", f"[http]\nsocket = {n.socket}\n"))

    @staticmethod
    def request(node, method, path, body=None, headers=None, timeout=FINAL_S):
        return ask_over(Unix(node.socket, timeout), method, path, body, headers)

    def kill(self):
        super().kill()
        for s in self.spaces:
            run("ip", "netns", "del", s)


def final(net, nodes):
    answers = [net.submit_until(n, net.submissions[net.take()[0]]) for n in nodes]
    return all(code == 200 for code, _ in answers), answers


def test_cable(net):
    net.start()
    check("four nodes in four namespaces find each other", net.wait_connected(), net.tails)
    away, rest = net.nodes[2], [n for n in net.nodes if n is not net.nodes[2]]
    must("ip", "-n", net.hub, "link", "set", away.name[:4], "down")
    ok, answers = final(net, rest * 2)
    check("a cable is pulled: the others go on", ok, answers, net.tails)
    k = net.take()[0]
    code, answer = away.submit(net.submissions[k], "received")
    check("and who is cut off keeps what it is given", code == 202, code, answer)
    height = max(n.status().get("height", 0) for n in rest)
    must("ip", "-n", net.hub, "link", "set", away.name[:4], "up")
    check("it is put back: all agree", wait_for(lambda: net.settled(height), 2 * FINAL_S), net.tails)
    code, answer = net.submit_until(rest[0], net.submissions[k])
    check("and what was given to the one is final everywhere", code == 200, code, answer)


def test_moved(net):
    node = net.nodes[1]
    check("a node stops", node.stop() == 0, node.tail())
    must("ip", "-n", node.space, "addr", "del", node.ip + "/24", "dev", "eth0")
    node.ip = "10.77.0.52"
    must("ip", "-n", node.space, "addr", "add", node.ip + "/24", "dev", "eth0")
    net.configure()
    node.start()
    check("at another address it dials the others, who do not know it yet", net.wait_connected(), net.tails)
    other = net.nodes[0]
    other.stop()
    other.start()
    check("who reads its configuration again dials it there", net.wait_connected(), net.tails)
    for n in net.nodes[2:]:
        n.process.send_signal(signal.SIGHUP)
    check("so does who is told by SIGHUP", wait_for(lambda: all("reloaded" in n.logged() for n in net.nodes[2:]), FINAL_S), net.tails)
    check("and stays connected", net.wait_connected(), net.tails)
    ok, answers = final(net, net.nodes)
    check("all take part", ok, answers, net.tails)
    check("and agree", net.wait_agreed(1), net.tails)
    codes = [n.stop() for n in net.nodes]
    check("all stop cleanly", codes == [0] * 4, codes, net.tails)


def reason():
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "needs ip (iproute2)"
    name = f"sillok-{os.getpid()}-try"
    r = run("ip", "netns", "add", name)
    ok = r.returncode == 0 and run("ip", "-n", name, "link", "add", "br0", "type", "bridge").returncode == 0
    run("ip", "netns", "del", name)
    return None if ok else "this kernel has no namespaces or bridges for us: " + r.stderr.strip()


why = reason()
if why is not None:
    skip("nodes in network namespaces", why)
    print("1..1")
    sys.exit(0)
sys.exit(net_main("netns", Spaces, test_cable, test_moved))
