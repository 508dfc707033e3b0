#!/usr/bin/env python3
"""Charter changes on a running network of real processes: an issuer and a member join, keys are changed, a dead agency is
removed, an agency whose backup made it forget its votes comes back with another vote key. Nobody is restarted for it.

    charter_network.py SILLOK SILLOKD      (TAP)
"""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from network import FINAL_S, NAMES, READY_S, Net, Node, check, free_ports, must, net_main, run, wait_for

SILLOK, SILLOKD = sys.argv[1:3]
AHEAD = 3


def url(node):
    return f"http://127.0.0.1:{node.net.http_ports[node.index]}"


def reload(node, **changes):
    """Configuration keys given new values (None: taken out), then SIGHUP."""
    lines = [l for l in open(node.config).read().splitlines() if l.split(" = ")[0] not in changes]
    at = lines.index("[node]") + 1
    lines[at:at] = [f"{k} = {v}" for k, v in changes.items() if v is not None]
    with open(node.config, "w") as f:
        f.write("\n".join(lines) + "\n")
    before = node.logged().count("reloaded")
    node.process.send_signal(signal.SIGHUP)
    return wait_for(lambda: node.logged().count("reloaded") > before, READY_S)


def vote_keys(net, nodes):
    return [x for n in nodes for x in ("--key", net.vote_key[n.name])]


def change(net, node, approvers, *edits, new_keys=None, ready=None, ahead=AHEAD):
    """Proposes at one node, signs with the approvers' keys and the new ones, applies at that node; the activation height."""
    file, at = net.path("change"), url(node)
    height = node.status()["height"] + 1 + ahead
    signers = [x for d in [new_keys] if d for x in ("--keys", d)]
    must(SILLOK, "charter", "propose", "--url", at, *edits, "--new-keys", new_keys or ".", "--activation", str(height), "-o", file)
    if ready:  # whoever joins signs beside its own copy of the chain
        must(SILLOK, "charter", "sign", ready.dir, file, "--keys", new_keys)
    out = must(SILLOK, "charter", "sign", "--url", at, file, *vote_keys(net, approvers), *signers)
    check(f"the change {' '.join(edits)} is complete", "complete" in out, out)
    r = run(SILLOK, "charter", "apply", "--url", at, file)
    check("and is in the chain when apply ends", r.returncode == 0 and f"from block {height} on" in r.stdout, r.stdout, r.stderr,
          net.tails)
    return height


def pass_to(net, height, nodes):
    """Submissions until these nodes have committed this height."""
    while min(n.status().get("height", 0) for n in nodes) < height:
        answers = net.submit_some(nodes[:1], 1)
        if answers[0][0] != 200:
            return check("the chain goes on", False, *answers, net.tails)
        wait_for(lambda: net.agree(0, nodes), FINAL_S)
    return True


def sign_by(net, issuer, i):
    """One submission of one ISSUE by this issuer."""
    day = lambda d: time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + d * 86400))
    with open(net.path("one.ndjson"), "w") as f:
        f.write(json.dumps({"issuer": issuer, "kind": "ISSUE", "credential": hashlib.sha256(b"by %s %d" % (issuer.encode(), i)).hexdigest(),
                            "sequence": 0, "device": hashlib.sha256(b"d%d" % i).hexdigest(), "carrier": "PHONE", "channel": "ONLINE",
                            "type": 2, "valid_until": day(300), "occurred_at": day(0), "status_index": 100000 + i}) + "\n")
    must(SILLOK, "submit", net.path("one.ndjson"), "--keys", net.path("keys"), "--sign-only", "--chain", net.chain,
         "-o", net.path("one"))
    with open(net.path("one"), "rb") as f:
        return f.read()[4:]


def member_keys(net, folder, name):
    must(SILLOK, "keygen", "--member", net.path(folder), name)
    return net.path(folder)


def add_node(net, name, keys):
    peer, client = free_ports(2)
    net.peer_ports.append(peer)
    net.http_ports.append(client)
    node = Node(net, len(net.nodes), name)
    node.write_config()
    with open(node.config) as f:
        text = f.read().replace(net.path("keys") + "/", keys + "/")
    with open(node.config, "w") as f:
        f.write(text)
    node.init()
    net.nodes.append(node)
    return node


def test_start(net):
    net.vote_key = {n: net.path(f"keys/{n}.vote.pem") for n in NAMES}
    bad = net.path("twice.ini")
    with open(net.nodes[0].config) as f, open(bad, "w") as out:
        out.write(f.read().replace("[node]\n", f"[node]\nnext_vote_key = {net.vote_key['interior']}\n"))
    r = run(SILLOKD, "--config", bad)
    check("a key that is given twice is refused, and the line says so",
          r.returncode == 2 and "same key" in r.stderr and "keygen" in r.stderr, r.stderr)
    with open(bad, "w") as out:
        out.write(open(net.nodes[0].config).read().replace("interior.vote", "police.vote"))
    r = run(SILLOKD, "--config", bad)
    check("so is another agency's", r.returncode == 2 and "another agency than 1" in r.stderr, r.stderr)
    net.start()
    check("four nodes find each other", net.wait_connected(), net.tails)


def test_issuer(net):
    must(SILLOK, "keygen", "--issuer", net.path("keys"), "harbour")
    os.makedirs(net.path("harbour"))
    shutil.copy(net.path("keys/harbour.pem"), net.path("harbour"))
    early, late = sign_by(net, "harbour", 1), sign_by(net, "harbour", 2)
    code, answer = net.nodes[2].submit(early)
    check("an issuer that no charter names is refused", code == 422 and answer["code"] == "ISSUER_UNKNOWN", code, answer)
    height = change(net, net.nodes[0], net.nodes[:3], "--issuer", "harbour=3", new_keys=net.path("harbour"))
    pass_to(net, height - 1, net.nodes)
    answers = [n.submit(late) for n in net.nodes[1:2]]
    check("from the activation on its submissions are accepted", answers[0][0] == 200, *answers, net.tails)


def test_join(net):
    keys = member_keys(net, "coast-keys", "coast")
    net.vote_key["coast"] = os.path.join(keys, "coast.vote.pem")
    coast = add_node(net, "coast", keys)
    hexkey = [l.split(" = ")[1].strip() for l in must(SILLOK, "charter", "new", "--origin", "x.example/x", "--keys", keys, "--member",
              "coast=5").splitlines() if l.startswith("node_key = ")][0]
    with open(net.nodes[0].config, "a") as f:
        f.write(f"5 = {coast.addresses[5]} {hexkey}\n")
    reload(net.nodes[0])
    coast.start()
    height = net.nodes[0].status()["height"]
    check("a node that no charter names follows the chain through one member",
          wait_for(lambda: coast.status().get("height", -1) >= height, READY_S), net.tails)
    s = coast.status()
    check("and does not vote, and others know nothing of it", s["votes"] is False and s["peers"] == 1, s, coast.tail)
    height = change(net, net.nodes[1], net.nodes[:3], "--member", "coast=5", new_keys=keys, ready=coast, ahead=6)
    check("as soon as the change waits all know its key",
          wait_for(lambda: coast.status().get("peers") == 4 or coast.status().get("votes"), READY_S), net.tails)
    pass_to(net, height - 1, net.nodes)
    check("at the activation it votes, without a restart", wait_for(lambda: coast.status().get("votes"), READY_S), coast.status, coast.tail)
    net.nodes[3].kill()  # carrier: for good
    answers = net.submit_some([net.nodes[0], coast], 2)
    check("with one of five dead its vote is needed, and is there", all(c == 200 for c, _ in answers), *answers, net.tails)


def test_rotate(net):
    """All four keys of the police at once, while one member is dead: no height is decided without the police."""
    police, alive = net.nodes[1], [n for n in net.nodes if n.runs()]
    keys, pid = member_keys(net, "police-new", "police"), police.process.pid
    new = {use: os.path.join(keys, f"police.{use}.pem") for use in ("vote", "log", "cosign", "node")}
    check("SIGHUP brings the next keys", reload(police, **{f"next_{u}_key": f for u, f in new.items()}), police.tail)
    height = change(net, net.nodes[0], alive, "--rotate", "police", new_keys=keys)
    pass_to(net, height + 1, alive)
    s = police.status()
    check("the node changed over by itself", s["votes"] and s["alarm"] == "" and police.process.pid == pid and
          "next_vote_key" in police.logged(), s, police.tail)
    check("connections by the new node key are up", wait_for(lambda: police.status().get("peers") == 3, READY_S), net.tails)
    net.vote_key["police"] = new["vote"]
    old = {f"{u}_key": f for u, f in new.items()}
    check("SIGHUP makes them the present ones", reload(police, **old, **{f"next_{u}_key": None for u in new}), police.tail)
    answers = net.submit_some(alive, 2)
    check("and the chain goes on", all(c == 200 for c, _ in answers), *answers, net.tails)
    check("cosignatures by the new key make the quorum", wait_for(
        lambda: all(n.status()["cosigned_height"] == n.status()["height"] for n in alive), READY_S), net.tails)


def test_remove(net):
    alive, carrier = [n for n in net.nodes if n.runs()], net.nodes[3]
    height = change(net, net.nodes[0], alive, "--remove", "carrier")
    pass_to(net, height - 1, alive)
    s = net.nodes[0].status()
    check("a dead agency is removed, the quorum is the new charter's", s["members"] == 4 and s["quorum"] == 3, s)
    carrier.start()
    wait_for(lambda: "ready" in carrier.logged().splitlines()[-1] or carrier.status(), READY_S)
    net.nodes[4].kill()
    answers = net.submit_some(net.nodes[:1], 1)
    check("three of four are a quorum again", answers[0][0] == 200, *answers, net.tails)
    check("its old connections are refused", wait_for(lambda: carrier.status().get("peers") == 0 and
                                                         net.nodes[0].status().get("peers") == 2, READY_S), carrier.status, net.tails)
    carrier.kill()
    net.nodes[4].start()
    check("the killed one catches up", wait_for(lambda: net.agree(0), FINAL_S), net.tails)


def test_amnesia(net):
    """The mint is put back to a backup from before its last vote, at a height that is still open."""
    interior, police, mint, coast = (net.nodes[i] for i in (0, 1, 2, 4))
    mint.stop()
    shutil.copytree(mint.dir, net.path("backup"))
    mint.start()
    wait_for(lambda: mint.status().get("peers") == 3, READY_S)
    police.stop()  # from here on the mint's vote is needed, so that who started it anew has its word that it may
    height = mint.status()["height"] + 1
    while (height + 1) % 4 != 2:  # the mint leads the first view of the next height: it votes at once
        height += 1
    pass_to(net, height, [interior, mint, coast])
    coast.stop()
    code, _ = mint.submit(net.submissions[net.take()[0]], wait="received")
    wait_for(lambda: interior.status().get("pool", 0) > 0, READY_S)
    time.sleep(2)  # for the proposal, which nothing tells of: it comes a batch's time later
    mint.kill()
    shutil.rmtree(mint.dir)
    shutil.copytree(net.path("backup"), mint.dir)
    mint.start()
    check("a member that forgot its vote raises AMNESIA and signs nothing more", code == 202 and wait_for(
        lambda: mint.status().get("alarm") == "AMNESIA" and mint.status().get("muted"), READY_S), mint.status, mint.tail)
    for n in (police, coast):
        n.start()
    rest = [interior, police, coast]
    check("the others go on", wait_for(lambda: net.agree(0), FINAL_S) and
          net.submit_some([coast], 1)[0][0] == 200, net.tails)
    must(SILLOK, "keygen", "--member", net.path("mint-new"), "mint")
    only = net.path("mint-vote")
    os.makedirs(only)
    shutil.copy(net.path("mint-new/mint.vote.pem"), only)
    height = change(net, interior, rest, "--rotate", "mint", new_keys=only)
    pass_to(net, height, [interior, police, coast, mint])
    check("without the key that the charter names a node alarms, and does not vote, and goes on",
          wait_for(lambda: mint.status().get("alarm") == "KEYS", READY_S) and not mint.status()["votes"] and
          "key_missing" in mint.logged(), mint.status, mint.tail)
    reload(mint, next_vote_key=os.path.join(only, "mint.vote.pem"))
    net.submit_some(rest, 1)
    check("with it, it votes from the next block on", wait_for(
        lambda: mint.status().get("votes") and not mint.status()["muted"] and mint.status()["alarm"] == "", READY_S), mint.status, mint.tail)
    coast.kill()
    answers = net.submit_some([interior], 2)
    check("and its vote counts", all(c == 200 for c, _ in answers), *answers, net.tails)


def test_sound(net):
    roots, nodes = set(), net.nodes[:3]
    check("a quorum cosigned the end", wait_for(
        lambda: all(n.status()["cosigned_height"] == n.status()["height"] for n in nodes), 20), net.tails)
    for n in nodes:
        check(f"SIGTERM stops {n.name} cleanly", n.stop() == 0, n.tail)
    for n in nodes:
        r = run(SILLOK, "audit", n.dir, "--json")
        check(f"the ledger of {n.name} is sound from its first entry, through every charter", r.returncode == 0, r.stdout, r.stderr)
        roots.add(json.loads(r.stdout or "{}").get("log_root") or r.stdout)
    check("all hold the same log", len(roots) == 1, roots)


sys.exit(net_main("charter", lambda root: Net(root, SILLOK, SILLOKD, submissions=120, delta_ms=50), test_start, test_issuer, test_join, test_rotate, test_remove,
                  test_amnesia, test_sound))
