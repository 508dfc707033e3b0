#!/usr/bin/env python3
"""Four nodes, one with its keys in a token (SoftHSM, behind a module that loses it on request): it agrees, says so when its token
is away, comes back with it. The issuer's key is in the token as well.

  hsm.py SILLOK SILLOKD P11_SHIM        prints TAP
"""
import os
import shutil
import signal
import stat
import subprocess
import sys

from network import FINAL_S, NAMES, READY_S, Net, check, net_main, run, skip, wait_for

SILLOK, SILLOKD = sys.argv[1:3]
SHIM = os.path.abspath(sys.argv[3])
PIN = "73512846"
TOKEN = NAMES.index("mint")


def set_mode(net, word):
    with open(net.path("mode.new"), "w") as f:
        f.write(word)
    os.rename(net.path("mode.new"), net.path("mode"))


def write_pin(net, pin):
    with open(os.open(net.path("pin"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
        f.write(pin + "\n")


def uri(net):
    return f"pkcs11:token=mint?module-path={SHIM}&pin-source=file:{net.path('pin')}"


def make_keys(net):
    os.mkdir(net.path("tokens"))
    with open(net.path("softhsm.conf"), "w") as f:
        f.write(f"directories.tokendir = {net.path('tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = net.path("softhsm.conf")
    os.environ["SLK_P11_SHIM"] = net.path("mode")
    set_mode(net, "")
    write_pin(net, PIN)
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "mint", "--pin", PIN, "--so-pin", "87654321"],
                   check=True, capture_output=True)
    keys = net.path("keys")
    for name in os.listdir(keys):
        if name.startswith(("mint.", "office.")):
            os.remove(os.path.join(keys, name))
    made = [run(SILLOK, "keygen", "--member", keys, "--token", uri(net), "mint"),
            run(SILLOK, "keygen", "--issuer", keys, "--token", uri(net), "office")]
    check("a member's keys and an issuer's are made in the token", all(r.returncode == 0 for r in made), *(r.stderr for r in made))
    vote = os.path.join(keys, "mint.vote.pem")
    with open(vote) as f:
        text = f.read()
    check("the file holds where the key is", text.startswith("pkcs11:token=mint;object=mint.vote?") and PIN not in text
          and stat.S_IMODE(os.stat(vote).st_mode) == 0o600, text)
    again = run(SILLOK, "keygen", "--token", uri(net).replace("?", ";object=mint.vote?"))
    check("a key in a token is never overwritten", again.returncode == 2 and "already" in again.stderr, again.stderr)


def away(net, value):
    return net.nodes[TOKEN].metrics().get("sillok_signer_away") == value


def test_agree(net):
    net.start()
    check("four nodes find each other", net.wait_connected(), net.tails)
    answers = net.submit_some(net.nodes, 4)
    check("what the token's issuer signed is final at each", all(code == 200 for code, _ in answers), *answers, net.tails)
    check("all have the same chain", net.wait_agreed(1), net.tails)
    mint = net.nodes[TOKEN]
    check("the token signed", mint.metrics().get("sillok_signatures_total", 0) >= 4 and away(net, 0), mint.metrics)
    check("its checkpoints are cosigned by the others as well as theirs", wait_for(
        lambda: mint.status().get("cosigned_height") == mint.status().get("height"), FINAL_S), net.tails)


def test_submit(net):
    with open(net.path("events.ndjson")) as f:
        event = f.readlines()[-1].replace('"issuer": "office", ', "")
    with open(net.path("one.ndjson"), "w") as f:
        f.write(event)
    key = uri(net).replace("?", ";object=office;type=private?")
    args = [SILLOK, "submit", net.path("one.ndjson"), "--sign-only", "--chain", net.chain, "-o", net.path("one")]
    r = run(*args, "--key", key)
    check("sillok submit signs with --key pkcs11:...", r.returncode == 0, r.stdout, r.stderr)
    with open(net.path("one"), "rb") as f:
        code, answer = net.nodes[0].submit(f.read()[4:])
    check("and nodes take it", code == 200, code, answer)
    r = run(*args, "--key", key + f"&pin-value={PIN}")
    check("but no PIN on the command line", r.returncode == 2 and "pin-source" in r.stderr and PIN not in r.stderr, r.stdout, r.stderr)


def test_away(net):
    mint = net.nodes[TOKEN]
    others = [n for n in net.nodes if n is not mint]
    set_mode(net, "gone")
    answers = net.submit_some(others, 3)
    check("without the token the others go on", all(code == 200 for code, _ in answers), *answers, net.tails)
    check("the node follows them", net.wait_agreed(others[0].status().get("height", 0)), net.tails)
    check("its metrics say that it cannot sign", wait_for(lambda: away(net, 1), FINAL_S), mint.metrics)
    code, body = mint.request("GET", "/health")
    check("so does its health", code == 503 and b"token" in body, code, body)
    check("so does its log", "signer_away" in mint.logged() and "no such token" in mint.logged(), mint.tail)
    answers = net.submit_some([mint], 1)
    check("it still takes in submissions", answers[0][0] == 200, *answers, net.tails)
    set_mode(net, "")
    check("with the token it signs again", wait_for(lambda: away(net, 0), FINAL_S), mint.metrics, mint.tail)
    check("and is healthy", wait_for(lambda: mint.request("GET", "/health")[0] == 200, FINAL_S), net.tails)
    others[0].kill()
    answers = net.submit_some([mint, others[1]], 2)
    check("its votes count: with another node down nothing is final without them", all(code == 200 for code, _ in answers),
          *answers, net.tails)
    others[0].start()
    check("all have the same chain again", net.wait_connected() and net.wait_agreed(mint.status().get("height", 0)), net.tails)


def test_hanging(net):
    mint = net.nodes[TOKEN]
    others = [n for n in net.nodes if n is not mint]
    set_mode(net, "hang")
    answers = net.submit_some(others, 1)
    check("a token that does not return holds up nobody", answers[0][0] == 200, *answers, net.tails)
    check("the node itself goes on: it follows, and says so", net.wait_agreed(others[0].status().get("height", 0)) and
          wait_for(lambda: away(net, 1), READY_S) and mint.request("GET", "/health")[0] == 503, mint.tail)
    mint.process.send_signal(signal.SIGHUP)
    check("it reloads without asking the token", wait_for(lambda: "info reloaded" in mint.logged(), READY_S), mint.tail)
    check("it stops when it is told to", mint.stop() == 0, mint.tail)
    set_mode(net, "gone")
    mint.start()
    check("without its token it does not start, and is to be tried again", mint.process.wait(READY_S) == 1, mint.tail)
    set_mode(net, "")
    write_pin(net, "00000000")
    mint.start()
    check("with a wrong PIN it is not", mint.process.wait(READY_S) == 2 and "refuses the PIN" in mint.logged(), mint.tail)
    write_pin(net, PIN)
    mint.start()
    check("with both it is back", net.wait_connected() and net.wait_agreed(others[0].status().get("height", 0)), net.tails)
    answers = net.submit_some([mint], 1)
    check("and takes submissions", answers[0][0] == 200, *answers, net.tails)


def test_refused(net):
    mint = net.nodes[TOKEN]
    with open(mint.config) as f:
        text = f.read()
    bad = net.path("bad.ini")
    for key, value, why in (("node_key", "pkcs11:token=mint;object=n", "stays in a file"),
                            ("vote_key", f"pkcs11:token=mint;object=v?pin-value={PIN}", "pin-source"),
                            ("dir", "pkcs11:token=mint", "no key")):
        with open(bad, "w") as f:
            f.write("\n".join(f"{key} = {value}" if line.startswith(key + " ") else line for line in text.splitlines()))
        r = run(SILLOKD, "--config", bad, "--check-config")
        check(f"{key} = {value.split(':')[0]}: is refused with a reason", r.returncode == 1 and why in r.stderr, r.stdout, r.stderr)
        check("which does not repeat the PIN", PIN not in r.stderr + r.stdout, r.stderr)
    with open(bad, "w") as f: # a file in which there is a URI
        f.write(text.replace("mint.node.pem", "mint.vote.pem", 1))
    r = run(SILLOKD, "--config", bad)
    check("a node key in a token is refused at the start", r.returncode == 2 and "stays in a file" in r.stderr, r.stderr)
    said = "".join(n.logged() for n in net.nodes)
    check("no log has the PIN", PIN not in said)


def main():
    if shutil.which("softhsm2-util") is None:
        print("1..0 # SKIP softhsm2-util is not installed")
        return 0
    return net_main("hsm", lambda root: Net(root, SILLOK, SILLOKD, submissions=40, keys=make_keys), test_agree, test_submit,
                    test_away, test_hanging, test_refused)


if __name__ == "__main__":
    sys.exit(main())
