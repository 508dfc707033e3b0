#!/usr/bin/env python3
"""Three honest nodes and one that lies (liar.c) in one way after the other: the three go on and agree, the lie is recognised where it
can be, and nobody honest is accused.

  liars.py SILLOK SILLOKD LIAR [SEED]       prints TAP
"""
import re
import sys
import time

from network import FINAL_S, NAMES, Net, check, net_main, wait_for

SILLOK, SILLOKD, LIAR = sys.argv[1:4]
SEED = sys.argv[4] if len(sys.argv) > 4 else "1"


class Lied(Net):
    def __init__(self, root):
        super().__init__(root, SILLOK, SILLOKD)
        self.liar, self.honest = self.nodes[3], self.nodes[:3]

    def lie(self, lies):
        if self.liar.runs():
            self.liar.stop()
        self.liar.command = [LIAR, "--lie", lies, "--seed", SEED]
        self.liar.start()

    def go_on(self, what, n=6):
        answers = self.submit_some(self.honest, n)
        check(f"{what}: the three go on", all(code == 200 for code, _ in answers), answers, self.tails)
        check(f"{what}: and agree", self.wait_agreed(1, self.honest), self.tails)

    def restart(self):
        """Whom the honest had shut out may come again."""
        for n in self.honest:
            n.stop()
        for n in self.honest:
            n.start()
        return wait_for(lambda: all(n.status().get("peers", 0) >= 2 for n in self.honest), FINAL_S)

    def counted(self, *names):
        return wait_for(lambda: all(sum(n.metrics().get(name, 0) for name in names) > 0 for n in self.honest), FINAL_S)

    def told(self):
        """How often the liar lied, as it says when it stops."""
        self.liar.stop()
        return {k: int(v) for k, v in re.findall(r"^liar: (\w+): (\d+)$", self.liar.logged(), re.M)}


def ended(reason):
    return 'sillok_peer_connections_ended_total{reason="%s"}' % reason


def test_two_voices(net):
    for n in net.honest:
        n.start()
    net.lie("votes,finalize,proposals,status,stale")
    check("four meet, and one of them lies", wait_for(lambda: all(n.status().get("peers") == 3 for n in net.honest), FINAL_S), net.tails)
    net.go_on("two votes, two blocks, false memories, old messages", 9)
    check("every honest node has evidence", net.counted("sillok_evidence_total"), net.tails)
    check("none of them is silenced by what it is told of itself", not any(n.status().get("muted") for n in net.honest), net.tails)
    told = net.told()
    check("it did lie, in all these ways", all(told.get(k, 0) > 0 for k in ("votes", "finalize", "status", "stale")), told)


def test_quiet_lies(net):
    net.lie("withhold,status")
    wait_for(lambda: all(n.status().get("peers") == 3 for n in net.honest), FINAL_S)
    code, answer = net.liar.submit(net.submissions[net.take()[0]], "received")
    check("a submission given to a liar is received, it says", code == 202, code, answer)
    net.go_on("bodies withheld")
    net.lie("silent")
    net.go_on("silence")


def test_flood(net):
    net.lie("flood")
    net.go_on("a flood")
    check("nobody honest is kept waiting by it: status comes", all(n.status() for n in net.honest))


def test_false_root(net):
    check("the honest ones start again", net.restart(), net.tails)
    net.lie("checkpoints")
    alarmed = wait_for(lambda: all(n.status().get("alarm") == "FORK" for n in net.honest), FINAL_S)
    check("a signed checkpoint with another root: FORK everywhere", alarmed, net.tails)
    check("and its signer is shut out", net.counted(ended("BAD")), net.tails)
    net.go_on("a false root")


def test_lists(net):
    for n in net.nodes:
        with open(n.config, "a") as f:
            f.write("[status]\ncosign = 1\n")
    check("the honest ones start again", net.restart(), net.tails)
    net.lie("lists")
    wait_for(lambda: all(n.status().get("peers") == 3 for n in net.honest), FINAL_S)
    net.go_on("false status lists")
    for _ in range(2):  # blocks of other seconds
        time.sleep(1.1)
        net.submit_some(net.honest, 1)
    check("signed words about lists that are not the ledger's are told", net.counted("sillok_status_lists_differ_total"), net.tails)
    signed = wait_for(lambda: all(n.request("GET", "/v1/status-lists/note")[1].count("\u2014 ".encode()) == 3 for n in net.honest), FINAL_S)
    check("the three sign what they have made, and nothing with the liar", signed, net.tails)
    check("one that differs is no alarm", not [n.name for n in net.honest if n.status().get("alarm") == "STATUS_LIST"], net.tails)


def test_garbage(net):
    check("the honest ones start again", net.restart(), net.tails)
    net.lie("garbage,bodies")
    net.go_on("garbage")
    check("garbage: who sends it is shut out", net.counted(ended("BAD"), ended("MALFORMED")), net.tails)


def test_end(net):
    net.go_on("without the fourth" if not net.liar.runs() else "at the end", 3)
    accused = {m for n in net.honest for m in re.findall(r"two_voices .*member=(\d+)", n.logged())}
    accused |= {NAMES.index(m) for n in net.honest for m in re.findall(r'split_view member="(\w+)"', n.logged())}
    check("nobody but the liar was ever accused", {int(m) for m in accused} == {3}, accused)
    codes = [n.stop() for n in net.nodes if n.runs()]
    check("all stop cleanly", set(codes) == {0}, codes, net.tails)


sys.exit(net_main("liars", Lied, test_two_voices, test_quiet_lies, test_flood, test_false_root, test_lists, test_garbage, test_end))
