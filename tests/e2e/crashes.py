#!/usr/bin/env python3
"""Members that die at named places, lose power, run out of disk, or come back with an old disk or none: nobody ever says two
things, nothing acknowledged is lost, all agree.

  crashes.py SILLOK SILLOKD MORTAL SHIM [--minutes N] [--seed N]       prints TAP

MORTAL and SHIM are tests/crash/mortal.c and shim.c as libraries. --minutes makes the loop of deaths that long (12 deaths).
"""
import argparse
import json
import os
import random
import shutil
import sys
import threading
import time

from network import FINAL_S, READY_S, Net, check, must, net_main, run, skip, wait_for

parser = argparse.ArgumentParser()
parser.add_argument("programs", nargs=4)
parser.add_argument("--minutes", type=float, default=0)
parser.add_argument("--seed", type=int, default=1)
ARGS = parser.parse_args()
SILLOK, SILLOKD, MORTAL, SHIM = ARGS.programs
DEATHS = 12
RESERVE = 60  # submissions for what comes after the deaths
ASAN = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")


class Crashing(Net):
    def __init__(self, root):
        super().__init__(root, SILLOK, SILLOKD, submissions=max(1500, int(ARGS.minutes * 6000)), delta_ms=50)
        self.acknowledged, self.lock = {}, threading.Lock()

    def acknowledge(self, node, wait="received"):
        with self.lock:
            k = self.take()[0]
        code, answer = self.submit_until(node, self.submissions[k]) if wait == "final" else node.submit(self.submissions[k], wait)
        if code in (200, 202):
            with self.lock:
                self.acknowledged[answer["id"]] = k
        return code, answer

    def is_used_up(self):
        return self.next >= len(self.submissions) - RESERVE

    def final(self, nodes):
        answers = [self.acknowledge(n, "final") for n in nodes]
        return all(code == 200 for code, _ in answers), answers


def accusations(net, words=("two_voices", "split_view", "false_message", " alarm ")):
    return [f"{n.name}: {line}" for n in net.nodes for line in n.logged().splitlines() if any(w in line for w in words)]


def test_start(net):
    net.start()
    check("four nodes find each other", net.wait_connected(), net.tails)
    ok, answers = net.final(net.nodes)
    check("and finish submissions", ok, answers, net.tails)


# ---- deaths ----

def doom(rng, node):
    """How the node is to die: its environment, and what a death of this kind looks like."""
    kind = rng.choice(["unsaved", "saved", "saved", "sent", "sent", "power", "kill"])
    if kind == "power":
        return kind, {"LD_PRELOAD": SHIM, "SLK_SHIM_DIR": os.path.realpath(node.dir), "ASAN_OPTIONS": ASAN,
                      "SLK_SHIM_CUT": str(rng.randrange(1, 120)), "SLK_SHIM_SEED": str(rng.randrange(1 << 30))}
    if kind == "kill":
        return kind, {}
    n = rng.randrange(1, 150) if kind == "sent" else rng.randrange(1, 25)
    return kind, {"LD_PRELOAD": MORTAL, "SLK_DIE": f"{kind}:{n}", "ASAN_OPTIONS": ASAN}


def clients(net, over):
    def client(node):
        while not over.is_set() and not net.is_used_up():
            net.acknowledge(node)
            time.sleep(0.03)

    threads = [threading.Thread(target=client, args=(n,)) for n in net.nodes]
    for t in threads:
        t.start()
    return threads


def test_deaths(net):
    rng, over, seen = random.Random(ARGS.seed), threading.Event(), {}
    end = time.monotonic() + ARGS.minutes * 60
    threads = clients(net, over)
    count, died = 0, True
    while died and not net.is_used_up() and (count < DEATHS if ARGS.minutes == 0 else time.monotonic() < end):
        node = rng.choice(net.nodes)
        kind, env = doom(rng, node)
        node.kill()
        node.start(**env)
        if kind == "kill":
            time.sleep(rng.uniform(0.05, 0.8))
            node.kill()
        wait_for(lambda: not node.runs() or net.is_used_up(), FINAL_S)
        died = not node.runs()
        if died:
            count, seen[kind] = count + 1, seen.get(kind, 0) + 1
            died = node.process.returncode == (99 if kind == "power" else -9)
        elif net.is_used_up():  # with nothing more to do nobody writes, and nobody dies
            died = True
            node.kill()
        if not node.runs():
            node.start()
    over.set()
    for t in threads:
        t.join()
    check(f"{count} deaths, each where it was to be: {seen}", died, kind, env, node.process.returncode, node.tail)
    check("all are back, and at the tip", net.wait_connected() and wait_for(lambda: net.settled(1), FINAL_S), net.tails)
    ok, answers = net.final(net.nodes)
    check("and finish submissions", ok, answers, net.tails)
    check("all agree, with nothing left waiting", wait_for(lambda: net.settled(1), FINAL_S), net.tails)
    check("nobody ever said two things", not accusations(net), accusations(net)[:5])


# ---- a full disk ----

def test_disk_full(net):
    node, rest = net.nodes[1], [n for n in net.nodes if n is not net.nodes[1]]
    node.stop()
    node.start(LD_PRELOAD=SHIM, SLK_SHIM_DIR=os.path.realpath(node.dir), SLK_SHIM_FAIL="40", SLK_SHIM_ERRNO="28", SLK_SHIM_STICKY="1",
               ASAN_OPTIONS=ASAN)
    stopped = wait_for(lambda: net.acknowledge(node)[0] is None and not node.runs(), FINAL_S)
    check("with a full disk a node stops with status 1", stopped and node.process.returncode == 1, node.process.returncode,
          node.tail)
    check("and says why", "No space left" in node.tail() or "E_FULL" in node.tail() or "space" in node.tail(), node.tail)
    ok, answers = net.final(rest)
    check("the others go on", ok, answers, net.tails)
    height = max(n.status().get("height", 0) for n in rest)
    node.start()
    check("with space again it starts and catches up", net.wait_agreed(height), net.tails)
    ok, answers = net.final([node])
    check("and takes submissions", ok, answers, net.tails)


def test_small_disk(net):
    """The same on a file system that is really full. While the ledger is young: later, LMDB has room inside its file."""
    node, rest = net.nodes[2], [n for n in net.nodes if n is not net.nodes[2]]
    small, kept = net.path("small"), node.dir
    what = "a file system that is really full"
    node.stop()
    os.mkdir(small)
    size = sum(os.path.getsize(os.path.join(kept, f)) for f in os.listdir(kept))
    if run("mount", "-t", "tmpfs", "-o", f"size={size + 3 * 65536}", "none", small).returncode != 0:
        node.start()
        return skip(what, "may not mount here")
    try:
        node.dir = os.path.join(small, "ledger")
        shutil.copytree(kept, node.dir)
        node.write_config()
        node.start()
        large = iter(net.sign(5000, first=100000, batch=500))

        def is_full():
            if node.runs():
                node.submit(next(large, b""), "received", timeout=5)
            return not node.runs()

        stopped = wait_for(is_full, FINAL_S)
        check(f"{what}: the node stops, and says why", stopped and node.process.returncode == 1 and "space" in node.tail(),
              node.process.returncode, node.tail)
        if not stopped:
            node.kill()
        ok, answers = net.final(rest)
        check(f"{what}: the others go on", ok, answers, net.tails)
        must("mount", "-o", "remount,size=1G", small)
        node.start()
        check(f"{what}: with space again it catches up", net.wait_agreed(1), net.tails)
        check("it stops cleanly", node.stop() == 0, node.tail)
        shutil.rmtree(kept)
        shutil.copytree(node.dir, kept)
    finally:
        if node.runs():
            node.kill()
        run("umount", small)
        node.dir = kept
        node.write_config()
    node.start()
    check(f"{what}: moved to another one, it goes on", net.wait_agreed(1), net.tails)


# ---- old disks ----

def vote_in_vain(net, node, other):
    """Two of four run, and vote in vain. Then one of them gets the disk that it had before."""
    gone = [n for n in net.nodes if n not in (node, other)]
    for n in gone:
        n.stop()
    backup = net.path("backup")
    must(SILLOK, "backup", node.dir, backup)
    height = node.status().get("height", 0)
    for _ in range(2):
        net.acknowledge(other)
    voted = wait_for(lambda: node.metrics().get("sillok_pool_submissions", 0) == 2, FINAL_S)
    time.sleep(5)  # for the votes, which nothing tells of: the view's longest timer is one second
    node.kill()
    shutil.rmtree(node.dir)
    must(SILLOK, "restore", backup, node.dir)
    node.start()
    return voted, gone, height


def test_old_backup(net):
    node, other, words = net.nodes[3], net.nodes[0], ("two_voices", "split_view")
    voted, gone, height = vote_in_vain(net, node, other)
    check("two of four vote in vain, and one is restored from a backup of before", voted, net.tails)
    check("it learns that it voted, and falls silent (AMNESIA)", wait_for(lambda: node.status().get("muted"), FINAL_S) and
          node.status().get("alarm") == "AMNESIA", net.tails)
    for n in gone:
        n.start()
    ok, answers = net.final([n for n in net.nodes if n is not node])
    check("the others go on without its vote", ok, answers, net.tails)
    check("it follows", wait_for(lambda: net.agree(height + 1), FINAL_S), net.tails)
    check("nobody ever said two things", not accusations(net, words), accusations(net, words)[:5])


def test_emptied(net):
    node = net.nodes[0]
    check("nothing is being decided", wait_for(lambda: net.settled(1), FINAL_S), net.tails)
    height = node.status().get("height", 0)
    node.kill()
    shutil.rmtree(node.dir)
    node.init()
    node.start()
    check("an emptied directory is filled again", wait_for(lambda: net.agree(height), FINAL_S), net.tails)
    check("an emptied directory: nobody ever said two things", not accusations(net, ("two_voices", "split_view")),
          accusations(net, ("two_voices", "split_view"))[:5])


def test_end(net):
    check("all are cosigned", wait_for(lambda: net.settled(1) and all(n.status().get("cosigned_height") == n.status().get("height")
                                                                     for n in net.nodes), FINAL_S), net.tails)
    height, lost = net.nodes[0].status().get("height", 0), []
    for i, (name, k) in enumerate(net.acknowledged.items()):
        code, answer = net.submit_until(net.nodes[i % 3], net.submissions[k])
        if code != 200 or answer.get("id") != name or not 0 < answer.get("height", 0) <= height:
            lost.append((code, answer))
    check(f"none of {len(net.acknowledged)} acknowledged submissions is lost", not lost, height, lost[:3])
    codes = [n.stop() for n in net.nodes]
    check("all stop cleanly", codes == [0] * 4, codes, net.tails)
    heads = set()
    for n in net.nodes:
        r = run(SILLOK, "audit", n.dir, "--json")
        check(f"the ledger of {n.name} is sound from its first entry", r.returncode == 0, r.stdout, r.stderr)
        heads.add(json.loads(r.stdout or "{}").get("log_root") or r.stdout)
    check("all four hold the same log", len(heads) == 1, heads)


sys.exit(net_main("crashes", Crashing, test_start, test_small_disk, test_deaths, test_disk_full, test_old_backup, test_emptied, test_end))
