"""Nodes as processes of this machine: what tools/demo_network.py and tests/e2e/network.py both need."""
import http.client
import random
import socket
import struct

KEY_USES = "node", "vote", "log", "cosign"


PORTS_EACH = 64
_claims = []  # [socket, ports not given out yet]: open for as long as this process lives


def _claim_ports():
    """64 ports below those that the kernel gives to whoever connects: it would give them away while a node is down that will listen there
    again. A name in the abstract namespace keeps other processes of this kind off."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        end = min(20000, int(f.read().split()[0]))
    if end < 11000:  # it gives nearly all: what is free now has to do
        end = 20000
    blocks = list(range(10000 // PORTS_EACH + 1, end // PORTS_EACH))
    random.shuffle(blocks)
    for block in blocks:
        s = socket.socket(socket.AF_UNIX)
        try:
            s.bind(f"\0sillok-ports-{block}")
        except OSError:
            s.close()
            continue
        _claims.append((s, list(range(block * PORTS_EACH, (block + 1) * PORTS_EACH))))
        return
    raise OSError(f"no {PORTS_EACH} ports are free between 10000 and {end}")


def _is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(n):
    ports = []
    while len(ports) < n:
        if not _claims or not _claims[-1][1]:
            _claim_ports()
        port = _claims[-1][1].pop()
        if _is_free(port):
            ports.append(port)
    return ports


def node_config(dir, agency, keys, addresses, listen, http_port, peers="", log=""):
    """The text of a configuration. `keys`: the files without what a use adds to their name; `addresses`: of each agency; `peers` and
    `log`: further lines of these sections."""
    return (f"[node]\ndir = {dir}\nagency = {agency}\n" + "".join(f"{use}_key = {keys}.{use}.pem\n" for use in KEY_USES) +
            f"threads = 1\n[peers]\nlisten = {listen}\n{peers}[http]\nlisten = 127.0.0.1:{http_port}\n[log]\n{log}"
            "[addresses]\n" + "".join(f"{i} = {a}\n" for i, a in addresses.items()))


def ask(port, method, path, body=None, headers=None, timeout=60):
    """(status, body) of a node's HTTP; OSError and HTTPException when there is no answer."""
    return ask_over(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout), method, path, body, headers)


def ask_over(c, method, path, body=None, headers=None):
    """The same over this connection, which is closed."""
    try:
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def signed_submissions(file):
    """What `sillok submit --sign-only -o FILE` wrote: u32 size and submission, one after another."""
    with open(file, "rb") as f:
        data = f.read()
    out, at = [], 0
    while at < len(data):
        size, = struct.unpack(">I", data[at:at + 4])
        out.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return out
