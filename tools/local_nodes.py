"""Nodes as processes of this machine: what tools/demo_network.py and tests/e2e/network.py both need."""
import http.client
import socket
import struct

KEY_USES = "node", "vote", "log", "cosign"


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
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
