#!/usr/bin/env python3
"""Outside witnesses: cosignatures of good ones in checkpoints and proofs, and what all kinds of bad ones can do: nothing.

  witnesses.py SILLOK SILLOKD SILLOK_VERIFY MAKE_CERTS       prints TAP
"""
import os
import sys
import time

from network import FINAL_S, Net, check, must, net_main, run, wait_for
from witness import Witness, read_checkpoint, read_vkey, split_note, verify

SILLOK, SILLOKD, VERIFY, MAKE_CERTS = sys.argv[1:5]
ORIGIN = "test.example/ledger"
LIES = ["wrong key", "wrong checkpoint", "garbage", "two texts", "endless", "hang", "conflict", "old"]
MORE_LIES = ["ahead", "busy", "moved", "broken"]
good = {}


class WitnessedNet(Net):
    """interior asks two good ones and needs both; police eight liars; mint one that knows the log by another agency's key, and liars of more
    kinds; carrier asks nobody."""

    def __init__(self, root):
        super().__init__(root, SILLOK, SILLOKD, submissions=300)
        must(SILLOK, "policy", self.path("charter.ini"), "-o", self.path("policy"))
        with open(self.path("policy")) as f:
            self.policy = f.read()
        keys = [line.split()[1] for line in self.policy.splitlines() if line.startswith("log ")]
        os.mkdir(self.path("certs"))
        must(MAKE_CERTS, self.path("certs"))
        interior, police, mint, _ = self.nodes
        good["one"] = Witness("witness.example/one", ORIGIN, keys).start()
        good["two"] = Witness("witness.example/two", ORIGIN, keys, certificate=self.path("certs/server-ec")).start()
        good["single"] = Witness("witness.example/single", ORIGIN, keys[:1]).start()  # of interior's log key
        self.liars = {m: Witness("liar.example/" + m.replace(" ", "-"), ORIGIN, keys, mode=m).start() for m in LIES + MORE_LIES}
        self.add(interior, f"every = 1\nneeded = 2\nhold = 8\nca_file = {self.path('certs/servers.pem')}",
                 {"one": good["one"], "two": good["two"]})
        self.add(police, "every = 1\ntimeout = 1\nhold = 2", {m.replace(" ", "-"): self.liars[m] for m in LIES})
        self.add(mint, "every = 1\ntimeout = 2", {"single": good["single"], **{m: self.liars[m] for m in MORE_LIES}})

    @staticmethod
    def add(node, options, witnesses):
        with open(node.config, "a") as f:
            f.write(f"[witnesses]\n{options}\n" + "".join(f"{k} = {w.vkey} {w.url}/\n" for k, w in witnesses.items()))

    def stricter(self, *names):
        """The members' policy, and these witnesses, all of them, as well."""
        path = self.path("policy." + "-".join(names))
        args = [x for n in names for x in ("--witness", f"{n}={good[n].vkey}")]
        must(SILLOK, "policy", self.path("charter.ini"), *args, "-o", path)
        return path


def checkpoint(node):
    code, body = node.try_request("GET", "/checkpoint")
    return (split_note(body.decode()) if code == 200 else ("", []))


def cosigned_by(node, *names):
    """Whether its checkpoint has good cosignatures of these; they are checked by the witness's own code."""
    text, sigs = checkpoint(node)
    for w in (good[n] for n in names):
        name, kid, _, public = read_vkey(w.vkey)
        mine = [s for n, k, s in sigs if (n, k) == (name, kid)]
        if len(mine) != 1 or not verify(public, b"cosignature/v1\ntime %d\n" % int.from_bytes(mine[0][:8], "big") + text.encode(),
                                        mine[0][8:]):
            return False
    return True


def size_of(node):
    text, _ = checkpoint(node)
    return read_checkpoint(text)[1] if text else 0


def test_good(net):
    interior, _, mint, _ = net.nodes
    check("a checkpoint gets the cosignatures of both outside witnesses, one of them over TLS",
          wait_for(lambda: cosigned_by(interior, "one", "two"), FINAL_S), net.tails)
    check("a witness that knows the log by one agency's key alone cosigns what another agency's node brings",
          wait_for(lambda: cosigned_by(mint, "single"), FINAL_S), lambda: good["single"].refused, mint.tail)
    net.submit_some(net.nodes, 4)
    check("new blocks get them, too: the consistency proofs are good",
          wait_for(lambda: size_of(interior) == interior.status()["size"] and cosigned_by(interior, "one", "two"), FINAL_S), net.tails)
    check("nothing was sent to them that they had to refuse", not good["one"].refused and not good["two"].refused,
          good["one"].refused, good["two"].refused)
    m = interior.metrics()
    check("what they did is counted by name", m.get('sillok_witness_answers_total{witness="one",answer="cosigned"}', 0) >= 2
          and m.get('sillok_witness_failing{witness="two"}') == 0 and m.get('sillok_witness_cosigned_age_seconds{witness="two"}', 99) < 60,
          {k: v for k, v in m.items() if "witness" in k})


def test_policy(net):
    interior, _, _, carrier = net.nodes
    handle = net.handle(0)
    for form, accept in (("text", "text/plain"), ("binary", "application/octet-stream")):
        for node, name in ((interior, "with"), (carrier, "without")):
            code, body = node.request("POST", "/v1/proofs", handle, {"Content-Type": "text/plain", "Accept": accept})
            with open(net.path(f"{name}.{form}"), "wb") as f:
                f.write(body if code == 200 else b"")
    both, members = net.stricter("one", "two"), net.path("policy")
    r = [run(VERIFY, "--policy", p, "--handle", handle, net.path(f)) for p, f in
         ((both, "with.text"), (both, "with.binary"), (members, "with.text"), (both, "without.text"))]
    check("a policy of members and outside witnesses is met by a proof, text or binary", r[0].returncode == 0 and r[1].returncode == 0,
          r[0].stderr, r[1].stderr)
    check("who wants the members alone is content with the same proof", r[2].returncode == 0, r[2].stderr)
    check("and it is not met by a proof of a node that asks nobody", r[3].returncode == 2 and "too few cosignatures" in r[3].stderr, r[3].stderr)


def test_watch(net):
    interior, _, _, carrier = net.nodes
    both = net.stricter("one", "two")
    watch = lambda node: run(SILLOK, "watch", "--once", "--policy", both, "--url", f"http://127.0.0.1:{net.http_ports[node.index]}")
    check("who watches by that policy is content with a node that asks them", wait_for(lambda: watch(interior).returncode == 0, FINAL_S),
          lambda: watch(interior).stderr)
    r = watch(carrier)
    check("of one that does not, `watch` says who is missing, and what each can do", r.returncode == 1 and
          "quorum: witness.example/one, witness.example/two are missing" in r.stderr and "under [witnesses]" in r.stderr, r.stdout, r.stderr)


def test_lies(net):
    _, police, mint, _ = net.nodes
    reasons = {"wrong-key": "false_cosignature", "wrong-checkpoint": "false_cosignature", "garbage": "malformed", "two-texts": "malformed",
               "endless": "too_large", "hang": "unreachable", "conflict": "conflict", "old": "false_time"}
    more = {"ahead": "other_size", "busy": "busy", "moved": "other_status", "broken": "too_large"}
    said = lambda node, table: [k for k, v in table.items() if not node.metrics().get(
        f'sillok_witness_answers_total{{witness="{k}",answer="{v}"}}')]
    check("each lie is counted as what it is", wait_for(lambda: not said(police, reasons) and not said(mint, more), FINAL_S),
          lambda: said(police, reasons), lambda: said(mint, more),
          lambda: {k: v for n in (police, mint) for k, v in n.metrics().items() if "witness_answers" in k})
    names = {n for n, _, _ in checkpoint(police)[1]}
    check("nothing of it is in the checkpoint", names and names <= {ORIGIN, *net.names}, names)
    check("nobody is led elsewhere", net.liars["moved"].elsewhere == 0)
    m = police.metrics()
    check("who lies is asked less and less", all(w.asked <= 40 for w in net.liars.values()), {k: w.asked for k, w in net.liars.items()})
    before = police.status()["height"]
    net.submit_some([police], 3)
    check("and /checkpoint is as new as the chain: nobody is waited for",
          police.status()["height"] > before and wait_for(lambda: size_of(police) == police.status()["size"], 10), police.tail)
    check("the node is well", police.request("GET", "/health")[0] == 200 and m["sillok_healthy"] == 1)


def test_restart_and_silence(net):
    interior = net.nodes[0]
    code = interior.stop()
    interior.start()
    check("a node that starts again asks again: the witness tells it where it is",
          code == 0 and wait_for(lambda: cosigned_by(interior, "one", "two"), FINAL_S), interior.tail)
    mint = net.nodes[2]
    mint.stop()
    mint.start()
    check("so does one whose witness knows another agency's key alone", wait_for(lambda: cosigned_by(mint, "single"), FINAL_S), mint.tail)
    net.wait_connected()
    good["two"].mode = "hang"
    began = time.monotonic()
    net.submit_some([interior], 2)
    ok = wait_for(lambda: size_of(interior) == interior.status()["size"], 8 + 5)
    check("when one of those that are needed falls silent, /checkpoint is late by less than `hold`", ok,
          time.monotonic() - began, interior.tail)
    good["two"].mode = None
    check("and when it is back its cosignature is, too", wait_for(lambda: cosigned_by(interior, "one", "two"), FINAL_S), interior.tail)


def test_busy(net):
    """Blocks come quicker than a round: what is served has been waited for."""
    interior = net.nodes[0]
    failures = lambda: {k: v for k, v in interior.metrics().items() if "witness_answers_total" in k and "cosigned" not in k and v}
    sizes, bare, before = [], 0, failures()
    end = time.monotonic() + 5
    while time.monotonic() < end and net.next < len(net.submissions):
        interior.submit(net.submissions[net.take()[0]])
        text, sigs = checkpoint(interior)
        sizes.append(read_checkpoint(text)[1])
        bare += not {"witness.example/one", "witness.example/two"} <= {n for n, _, _ in sigs}
    check("while block follows block, what is served has the cosignatures, and moves on",
          (bare == 0 or failures() != before) and len(set(sizes)) > 2 and sizes == sorted(sizes),  # who failed to answer is not waited for
          bare, sizes, interior.metrics)


def start(net):
    net.start()
    check("four nodes, three of them with outside witnesses", net.wait_connected(), net.tails)
    net.submit_some(net.nodes, 2)


def test_configuration(net):
    def judged(text):
        with open(net.nodes[3].config) as f:
            whole = f.read()
        with open(net.path("try.ini"), "w") as f:
            f.write(whole + "[witnesses]\n" + text)
        r = run(SILLOKD, "--config", net.path("try.ini"), "--check-config")
        return r.returncode, r.stdout + r.stderr

    w = good["one"]
    member = next(line.split()[1] for line in net.policy.splitlines() if line.startswith("log "))
    for what, text, words in (
            ("a key that is mistyped", f"a = {w.vkey[:-2]}A= {w.url}", "copy it again"),
            ("a log's key in the place of a witness's", f"a = {member} {w.url}", "type 0x04"),
            ("an address with a password", f"a = {w.vkey} https://u:p@witness.example", "name or password"),
            ("no address", f"a = {w.vkey}", "submission prefix"),
            ("a file as address", f"a = {w.vkey} file:///etc/passwd", "starts with https://"),
            ("one key under two names", f"a = {w.vkey} {w.url}\nb = {w.vkey} {w.url}", "same key"),
            ("more needed than there are", f"needed = 2\na = {w.vkey} {w.url}", "more than the witnesses")):
        code, said = judged(text + "\n")
        check(f"--check-config refuses {what}", code != 0 and words in said, said)
    code, said = judged(f"a = {w.vkey} {w.url}\n")
    check("--check-config takes a good section", code == 0, said)


if __name__ == "__main__":
    sys.exit(net_main("witnesses", WitnessedNet, test_configuration, start, test_good, test_policy, test_watch, test_lies, test_restart_and_silence,
                      test_busy))
