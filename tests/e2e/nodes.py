#!/usr/bin/env python3
"""Four agencies' nodes as real processes on this machine: they agree, lose one by kill -9, get it back, and lose nothing.

  nodes.py SILLOK SILLOKD SILLOK_VERIFY       prints TAP
"""
import json
import os
import random
import shutil
import signal
import sys
import threading
import time

from network import FINAL_S, JSON, NAMES, Net, check, must, net_main, run, wait_for

SILLOK, SILLOKD, VERIFY = sys.argv[1:4]


def sign_lists(node):
    """What all status lists say is signed by members at the first block of each second."""
    with open(node.config, "a") as f:
        f.write("[status]\ncosign = 1\n")


def test_config(net):
    for n in net.nodes:
        sign_lists(n)
    node = net.nodes[0]
    r = run(SILLOKD, "--config", node.config, "--check-config")
    check("a good configuration is called good", r.returncode == 0, r.stdout, r.stderr)
    bad = net.path("bad.ini")
    with open(node.config) as f, open(bad, "w") as out:
        out.write(f.read().replace("threads = 1", "treads = 1"))
    r = run(SILLOKD, "--config", bad, "--check-config")
    check("an unknown key is an error with its line", r.returncode == 1 and f"{bad}:8: " in r.stderr and "treads" in r.stderr,
          r.stderr)
    with open(bad, "w") as out:
        out.write(run(SILLOKD, "--print-config").stdout)
    r = run(SILLOKD, "--config", bad, "--check-config")
    said = [line for line in r.stderr.splitlines() if "No such file or directory" not in line]
    check("the printed configuration is a good one, but for files that are not here", r.returncode == 1 and r.stderr and not said, r.stderr)


def test_agree(net):
    check("four agencies make the same ledger from one charter", len(net.chains) == 1, net.chains)
    net.start()
    check("four nodes find each other", net.wait_connected(), net.tails)
    for i, k in enumerate(net.take(4)):
        code, answer = net.nodes[i].submit(net.submissions[k])
        check(f"a submission to {NAMES[i]} is final", code == 200 and answer.get("state") == "final", code, answer,
              net.tails)
    check("all have the same chain", net.wait_agreed(1), net.tails)
    code, answer = net.nodes[2].submit(net.submissions[0])
    check("the same submission again, at another node, has its place in the chain",
          code == 200 and answer.get("height", 0) > 0, code, answer)


def test_proofs(net):
    must_policy = must(SILLOK, "policy", net.nodes[0].dir)
    with open(net.path("policy"), "w") as f:
        f.write(must_policy)
    for n in net.nodes:
        code, proof = n.request("POST", "/v1/proofs", json.dumps({"credential": net.handle(1), "history": True}),
                                dict(JSON, Accept="text/plain"))
        with open(net.path("proof"), "wb") as f:
            f.write(proof)
        with open(net.path("handle"), "w") as f:
            f.write(net.handle(1) + "\n")
        r = run(VERIFY, "--policy", net.path("policy"), "--handle-file", net.path("handle"), net.path("proof"))
        check(f"a proof by {n.name} verifies by the policy of the agencies", code == 200 and r.returncode == 0, code,
              proof[:300], r.stdout, r.stderr)


def lists_note(net, node):
    """The quorum's note about the lists, if this node has it and its own ledger leads to the same."""
    code, note = node.request("GET", "/v1/status-lists/note", None, {})
    if code != 200:
        return False
    with open(net.path("note"), "wb") as f:
        f.write(note)
    return run(SILLOK, "status-list", node.dir, "--note", net.path("note"), "--policy", net.path("policy")).returncode == 0


def test_lists(net):
    for n in net.nodes:
        check(f"{n.name} has what a quorum signed of the status lists, and its ledger leads to it",
              wait_for(lambda n=n: lists_note(net, n), FINAL_S), net.tails)
    check("nobody's lists differ", not [n.name for n in net.nodes if n.status().get("alarm") == "STATUS_LIST"], net.tails)


def test_killed(net):
    victim = net.nodes[1]
    victim.kill()
    rest = [n for n in net.nodes if n is not victim]
    answers = net.submit_some(rest, 6)
    check("with one killed the chain goes on", all(code == 200 for code, _ in answers), *answers, net.tails)
    height = rest[0].status().get("height", 0)
    victim.start()
    check("it comes back and catches up", net.wait_agreed(height), net.tails)
    answers = net.submit_some([victim], 1)
    check("and takes submissions again", answers[0][0] == 200, *answers, net.tails)


def test_emptied(net):
    victim = net.nodes[3]
    check("SIGTERM stops a node cleanly", victim.stop() == 0, victim.tail)
    shutil.rmtree(victim.dir)
    victim.init()
    height = net.nodes[0].status().get("height", 0)
    victim.start()
    check("with an emptied directory a node catches up from the charter", net.wait_agreed(height), net.tails)


def test_reload(net):
    node = net.nodes[2]
    node.write_config(level="debug")
    sign_lists(node)
    node.process.send_signal(signal.SIGHUP)
    check("SIGHUP reads the log's level again",
          wait_for(lambda: "reloaded" in open(node.log).read(), 20) and node.process.poll() is None, node.tail)


def test_kill_loop(net):
    """Clients submit to all while one node after the other is killed; whatever was acknowledged is in the chain at the end."""
    acknowledged, lock, over = [], threading.Lock(), threading.Event()

    def client(i):
        while not over.is_set():
            with lock:
                if net.next + 1 >= len(net.submissions):
                    return
                k = net.take()[0]
            code, answer = net.nodes[i].submit(net.submissions[k], wait="received")
            if code in (200, 202):
                with lock:
                    acknowledged.append(answer["id"])
            time.sleep(0.05)

    net.first = net.next
    threads = [threading.Thread(target=client, args=(i,)) for i in range(len(NAMES))]
    for t in threads:
        t.start()
    rng = random.Random(7)
    for _ in range(4):
        victim = net.nodes[rng.randrange(len(NAMES))]
        time.sleep(rng.uniform(0.3, 1.5))
        victim.kill()
        time.sleep(rng.uniform(0.1, 1.0))
        victim.start()
    over.set()
    for t in threads:
        t.join()
    before = net.nodes[0].status().get("height", 0)
    answers = net.submit_some(net.nodes[:1], 1) if net.next < len(net.submissions) else []
    check("after four kills under load a submission is final", all(code == 200 for code, _ in answers), *answers, net.tails)
    settled = wait_for(lambda: net.settled(before), FINAL_S)
    check("and all agree, with nothing left waiting", settled, net.tails)
    check("clients were answered in between", len(acknowledged) > 0)
    net.acknowledged = set(acknowledged)


def test_sound(net):
    events = {n.status().get("events") for n in net.nodes}
    for n in net.nodes:
        check(f"SIGTERM stops {n.name} cleanly", n.stop() == 0, n.tail)
    heads = set()
    for n in net.nodes:
        r = run(SILLOK, "audit", n.dir, "--json")
        check(f"the ledger of {n.name} is sound from its first entry", r.returncode == 0, r.stdout, r.stderr)
        heads.add(json.loads(r.stdout or "{}").get("log_root") or r.stdout)
    check("all four hold the same log", len(events) == 1 and len(heads) == 1, events, heads)


def test_acknowledged(net):
    net.start()
    check("all start again", net.wait_connected(), net.tails)
    height, lost = net.nodes[0].status().get("height", 0), []
    for k in range(net.first, net.next):  # what is in the chain already is told with its place, at or below the tip; what was lost goes above
        code, answer = net.submit_until(net.nodes[k % len(NAMES)], net.submissions[k])
        if answer.get("id") in net.acknowledged and (code != 200 or not 0 < answer.get("height", 0) <= height):
            lost.append((code, answer))
    check(f"none of {len(net.acknowledged)} acknowledged submissions is lost", not lost, *lost[:3])
    for n in net.nodes:
        n.stop()


sys.exit(net_main("nodes", lambda root: Net(root, SILLOK, SILLOKD), test_config, test_agree, test_proofs, test_lists, test_killed,
                  test_emptied, test_reload, test_kill_loop, test_lists, test_sound, test_acknowledged))
