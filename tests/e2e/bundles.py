#!/usr/bin/env python3
"""Who follows the chain without a say, and who has no network: an observer, a guest, and ledgers that live from files.

  bundles.py SILLOK SILLOKD SILLOK_VERIFY       prints TAP
"""
import json
import os
import sys

from network import FINAL_S, JSON, NAMES, Net, Node, check, free_ports, must, net_main, run, wait_for

SILLOK, SILLOKD, VERIFY = sys.argv[1:4]


def observe(text):
    """The fifth member of the charter has no vote."""
    head, section, rest = text.partition("[member archive]")
    assert section
    return head + section + rest.replace("role = voting", "role = observer", 1)


class Follower(Node):
    """A node with a node key alone."""

    def write_config(self, level="info"):
        addresses = "\n".join(f"{i} = {a}" for i, a in self.addresses.items() if i <= len(NAMES))
        listen = f"listen = {self.host}:{self.net.peer_ports[self.index]}\n" if self.index < len(self.net.peer_ports) else ""
        with open(self.config, "w") as f:
            f.write(f"[node]\ndir = {self.dir}\nagency = {self.index + 1}\nnode_key = {self.net.path('keys')}/{self.name}.node.pem\n"
                    f"threads = 1\n[peers]\n{listen}delta_ms = {self.net.delta_ms}\n"
                    f"[http]\nlisten = 127.0.0.1:{self.net.http_ports[self.index]}\n[log]\nlevel = {level}\n"
                    f"[addresses]\n{addresses}\n")


class Net5(Net):
    """Four that vote, and the archive, which does not; then the auditor, whom the charter does not know."""

    def __init__(self, root):
        super().__init__(root, SILLOK, SILLOKD, names=NAMES + ["archive"], submissions=40, charter=observe)
        self.voters = self.nodes[:4]
        for n in self.voters:
            with open(n.config) as f:
                text = f.read()
            with open(n.config, "w") as f:
                f.write(text.replace("[peers]\n", "[peers]\nguests = 2\n"))
        self.archive = self.nodes[4] = Follower(self, 4, "archive")
        must(SILLOK, "keygen", "--member", self.path("keys"), "auditor")
        self.http_ports += free_ports(1)
        self.auditor = Follower(self, 5, "auditor")
        self.auditor.init()
        for n in (self.archive, self.auditor):
            n.write_config()

    def kill(self):
        super().kill()
        if self.auditor.runs():
            self.auditor.kill()

    def verify(self, proof, k):
        with open(self.path("policy"), "w") as f:
            f.write(must(SILLOK, "policy", self.voters[0].dir))
        with open(self.path("proof"), "wb") as f:
            f.write(proof)
        return run(VERIFY, "--policy", self.path("policy"), "--handle", self.handle(k), self.path("proof"))


def proof_of(node, k):
    return node.try_request("POST", "/v1/proofs", json.dumps({"credential": node.net.handle(k), "history": True}),
                            dict(JSON, Accept="text/plain"))


def check_proof(net, who, node, k):
    answer = {}

    def proves():
        answer["code"], answer["body"] = proof_of(node, k)
        return answer["code"] == 200

    ok = wait_for(proves, FINAL_S)
    r = net.verify(answer["body"], k) if ok else None
    check(f"a proof by {who} verifies by the policy of the agencies", ok and r.returncode == 0, answer,
          r and r.stdout + r.stderr, node.tail)


def test_follow(net):
    for n in net.voters:
        n.start()
    check("four that vote find each other", wait_for(lambda: all(n.status().get("peers", 0) >= 3 for n in net.voters), FINAL_S),
          net.tails)
    answers = net.submit_some(net.voters, 8)
    check("they make blocks", all(code == 200 for code, _ in answers), *answers, net.tails)
    net.archive.start()
    net.auditor.start()
    followers = [net.archive, net.auditor]
    height = net.voters[0].status()["height"]
    check("an observer and a guest catch up", net.wait_agreed(height, net.voters + followers), net.tails, net.auditor.tail)
    net.submit_some(net.voters, 4)
    height = max(n.status()["height"] for n in net.voters)
    check("and go on with the others", net.wait_agreed(height, net.voters + followers), net.tails, net.auditor.tail)
    check_proof(net, "the observer", net.archive, 1)
    check_proof(net, "the guest", net.auditor, 1)
    for n, who in ((net.archive, "an observer"), (net.auditor, "a guest")):
        code, answer = n.submit(net.submissions[20])
        check(f"a submission to {who} is 421 and says where to go", code == 421 and answer.get("code") == "OBSERVER" and
              all(f"agency {i + 1}" in answer.get("detail", "") for i in range(4)) and "agency 5" not in answer["detail"],
              code, answer)
    both = [n.status() for n in (net.archive, net.auditor)]
    check("neither of them votes, and four is all that counts",
          all(s.get("votes") is False and s.get("members") == 4 and s.get("quorum") == 3 for s in both), *both)


def test_offline(net):
    """A member's directory that is never on a network: filled from files, it proves what is in them."""
    offline, bundle = net.path("offline"), net.path("chain.bundle")
    r = run(SILLOK, "bundle", "export", net.voters[0].dir, "-o", bundle, "--json")
    live = json.loads(r.stdout or "{}")
    check("a running node's directory is exported", r.returncode == 0 and live.get("blocks", 0) > 0, r.stdout, r.stderr)
    r = run(SILLOK, "bundle", "import", net.voters[0].dir, bundle)
    check("nothing is imported where a node runs", r.returncode == 2 and "stop it first" in r.stderr, r.returncode, r.stderr)
    must(SILLOK, "init", offline, "--charter", net.path("charter.ini"))
    r = run(SILLOK, "bundle", "import", offline, bundle)
    check("a fresh directory takes all of it", r.returncode == 0, r.stdout, r.stderr)
    net.submit_some(net.voters, 3)
    url = f"http://127.0.0.1:{net.http_ports[1]}"
    check("there is a checkpoint of a quorum", wait_for(lambda: (lambda s: s.get("height", 0) > 0 and
          s.get("cosigned_height") == s["height"])(net.voters[1].status()), FINAL_S), net.tails)
    r = run(SILLOK, "bundle", "export", "--url", url, "-o", bundle, "--from", str(live.get("to", 0) + 1), "--max-bytes", "9000", "--json")
    sizes = json.loads(r.stdout or "{}")
    check("a node's new blocks come over HTTP, in parts", r.returncode == 0 and sizes.get("parts", 0) > 0 and sizes.get("checkpoint"),
          r.stdout, r.stderr)
    os.remove(bundle)
    r = run(SILLOK, "bundle", "import", offline, bundle, "--json")
    check("and go on where the file ended", r.returncode == 0 and json.loads(r.stdout)["checkpoint"], r.stdout, r.stderr)
    r = run(SILLOK, "audit", offline)
    check("the ledger that never saw a network is sound", r.returncode == 0, r.stderr)
    with open(net.path("policy"), "w") as f:
        f.write(must(SILLOK, "policy", offline))
    must(SILLOK, "prove", offline, "--handle", net.handle(1), "-o", net.path("proof"))
    r = run(VERIFY, "--policy", net.path("policy"), "--handle", net.handle(1), net.path("proof"))
    check("its proof carries a quorum's cosignatures", r.returncode == 0, r.stdout, r.stderr)


def test_member_by_stick(net):
    """A member is away, is brought up to date by a file, and votes again."""
    member, bundle = net.voters[2], net.path("member.bundle")
    check("a member stops", member.stop() == 0, member.tail)
    net.submit_some(net.voters[:2], 3)
    must(SILLOK, "bundle", "export", net.voters[0].dir, "-o", bundle)
    r = run(SILLOK, "bundle", "import", member.dir, bundle, "--json")
    check("it takes what it missed from a file", r.returncode == 0 and json.loads(r.stdout)["blocks"] > 0, r.stdout, r.stderr)
    member.start()
    check("it is back", wait_for(lambda: member.status().get("peers", 0) >= 3, FINAL_S), member.tail)
    net.voters[3].kill()  # now its vote is needed
    code, answer = net.voters[0].submit(net.submissions[net.take()[0]])
    check("with another one dead its vote makes the quorum", code == 200, code, answer, net.tails)
    check("and its key is not silenced", not member.status().get("alarm"), member.status())


def test_refused(net):
    bundle = net.path("bad.bundle")
    with open(net.path("member.bundle"), "rb") as f:
        data = bytearray(f.read())
    data[len(data) * 2 // 3] ^= 1
    with open(bundle, "wb") as f:
        f.write(data)
    fresh = net.path("fresh")
    r = run(SILLOK, "bundle", "import", fresh, bundle)
    check("without a ledger the chain must be named", r.returncode == 2 and "--chain" in r.stderr, r.returncode, r.stderr)
    r = run(SILLOK, "bundle", "import", fresh, bundle, "--chain", "00" * 32)
    check("another chain is refused", r.returncode == 1 and "another chain" in r.stderr, r.returncode, r.stderr)
    r = run(SILLOK, "bundle", "import", fresh, bundle, "--chain", net.chain, "--json")
    stopped = json.loads(r.stdout or "{}")
    check("a damaged file is refused with the block and the reason", r.returncode == 1 and stopped.get("result") == "stopped" and
          "block" in stopped.get("text", ""), r.returncode, r.stdout, r.stderr)
    r = run(SILLOK, "bundle", "import", fresh, net.path("member.bundle"), "--json")
    check("the good one goes on behind what was imported", r.returncode == 0 and json.loads(r.stdout)["known"] == stopped.get("height"),
          r.stdout, r.stderr, stopped)
    r = run(SILLOK, "bundle", "export", fresh, "-o", bundle, "--to", "1")
    r = run(SILLOK, "bundle", "import", fresh, bundle)
    check("one that ends below the tip is refused", r.returncode == 1 and "nothing in it is new" in r.stderr, r.returncode, r.stderr)


sys.exit(net_main("bundles", Net5, test_follow, test_offline, test_member_by_stick, test_refused))
