#!/usr/bin/env python3
"""A node of one agency signs status lists as its configuration says.   status_lists.py SILLOK SILLOKD   (TAP)"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sillok, sillokd = (os.path.realpath(p) for p in sys.argv[1:3])
work = tempfile.mkdtemp()
os.chdir(work)
tests_n = 0
failed = False


def report(title, good, why=""):
    global tests_n, failed
    tests_n += 1
    failed |= not good
    print(f"{'ok' if good else 'not ok'} {tests_n} - {title}")
    if not good:
        print("# " + str(why)[:400].replace("\n", " "))
    sys.stdout.flush()


def run(*args, code=0):
    r = subprocess.run([sillok, *args], capture_output=True, text=True)
    if r.returncode != code:
        raise SystemExit(f"Bail out! sillok {' '.join(args)}: {r.returncode}: {r.stderr}")
    return r.stdout + r.stderr


def configure(**status):
    with open("node.ini", "w") as f:
        f.write("[node]\ndir = ledger\nagency = 1\n")
        f.writelines(f"{use}_key = keys/interior.{use}.pem\n" for use in ("node", "vote", "log", "cosign"))
        f.write("[http]\nlisten = 127.0.0.1:0\n[status]\n")
        f.writelines(f"{k} = {v}\n" for k, v in status.items())


def start():
    return subprocess.Popen([sillokd, "--config", "node.ini"], stderr=open("log", "w"))


def port_of(node):
    for _ in range(1200):
        with open("log") as f:
            for line in f:
                if " listening " in line and 'for="clients"' in line:
                    return int(line.rsplit("port=", 1)[1].split()[0])
        if node.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("Bail out! the node does not listen: " + open("log").read())


def get(port, path):
    for _ in range(600):  # 503 until the node has read its ledger and signed its first checkpoint
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as r:
                return r.status, r.read()
        except urllib.error.HTTPError as e:
            if e.code != 503:
                return e.code, e.read()
        time.sleep(0.1)
    return 503, b""


def is_refused(title, words, **status):
    configure(**status)
    node = start()
    try:
        code = node.wait(60)
    finally:
        node.kill()
    said = open("log").read()
    report(title, code == 2 and words in said, f"{code}: {said}")


def events(*places, first=1):
    """Credentials issued to nobody, in these places of the first list: a file."""
    now = int(time.time())
    with open("events.ndjson", "w") as f:
        for i, place in enumerate(places):
            f.write(json.dumps(dict(issuer="office", kind="ISSUE", credential=f"{first + i:064x}", sequence=0, device=f"{first + i:064x}",
                                    carrier="CHIP_CARD", channel="OFFICE_QR", type=1, valid_until=now + 90000000, occurred_at=now,
                                    status_index=place)) + "\n")
    return "events.ndjson"


node = None
try:
    run("keygen", "--member", "keys", "interior")
    run("keygen", "--issuer", "keys", "office")
    run("keygen", "--issuer", "keys", "lists")
    run("charter", "new", "--origin", "status.example/test", "--keys", "keys", "--member", "interior=1", "--issuer", "office=1",
        "-o", "charter.ini")
    run("init", "ledger", "--charter", "charter.ini")
    uri = "https://status.example/v1/status-lists"
    is_refused("a key of the node signs no lists", "a key file of its own", list_key="keys/interior.log.pem", uri=uri)
    is_refused("an address that is none is refused", "without a slash at its end", list_key="keys/lists.pem", uri=uri + "/")
    is_refused("a key alone is not enough", "give both or none", list_key="keys/lists.pem")
    configure(list_key="keys/lists.pem", uri=uri, ttl=60, lifetime=3600)
    node = start()
    port = port_of(node)
    code, token = get(port, "/v1/status-lists/1/63")
    report("a list is signed", code == 200 and token.count(b".") == 2, (code, token))
    code, lists = get(port, "/v1/status-lists")
    report("its address is the configured one", code == 200 and uri + "/1/63" in json.loads(lists)["status_lists"], lists)
    code, keys = get(port, "/v1/keys")
    with open("token", "wb") as f:
        f.write(token)
    with open("jwks", "wb") as f:
        f.write(keys)
    said = run("status-list", "ledger", "--compare", "token", "--keys", "jwks")
    report("the ledger leads to the same list", "the list is the ledger's, and its signature is right" in said, said)
    report("the past is told when configured", get(port, f"/v1/status-lists/1/63?time={int(time.time())}")[0] == 501)
    report("what members sign is given when configured", get(port, "/v1/status-lists/note")[0] == 404)
    node.terminate()
    report("it stops when asked", node.wait(60) == 0)
    configure(list_key="keys/lists.pem", uri=uri, cosign=1)
    node = start()
    port = port_of(node)
    time.sleep(1.1)  # a block in another second than the ledger's first
    run("submit", "--url", f"http://127.0.0.1:{port}", "--keys", "keys", events(7, 5000))
    code, proof = get(port, "/v1/status-lists/1/0?proof")
    report("a quorum signs the lists", code == 200 and proof.startswith(b"sillok/status-list-proof/1\n1 0 token "), (code, proof))
    code, token = get(port, "/v1/status-lists/1/0?cosigned")
    vc, vc_proof = (get(port, f"/v1/status-lists/1/0/revocation?{what}")[1] for what in ("cosigned", "proof"))
    node.terminate()
    node.wait(60)
    for name, data in (("token", token), ("proof", proof), ("note", proof[proof.index(b"\n\n") + 2:]), ("vc", vc), ("vc.proof", vc_proof)):
        with open(name, "wb") as f:
            f.write(data)
    run("policy", "ledger", "-o", "policy")
    check = ("status-list", "--check", "token", "--note", "proof", "--policy", "policy")
    said = run(*check, "--keys", "jwks", "--place", "7")
    report("offline it is what they signed, and says a credential's status", "is right, too" in said and
           "place     7 is VALID" in said, said)
    signed = json.loads(run(*check, "--json"))  # as of `time`; a day later its time is over
    for name, of in (("a token", check), ("a credential", ("status-list", "--check", "vc", "--note", "vc.proof", "--policy", "policy"))):
        said = run(*of, "--now", str(signed["expires"] - 1), "--max-age", "24h")
        report(f"{name} counts until it expires", signed["expires"] == signed["time"] + 86400 and "the one that 1 member signed" in said, said)
        said = run(*of, "--now", str(signed["expires"]), code=1)
        report(f"{name} that has expired is refused", "the list has expired, at 2" in said and "fetch a newer one" in said, said)
        said = run(*of, "--now", str(signed["time"] + 3601), "--max-age", "1h", code=1)
        report(f"{name} older than the caller allows is refused", "older than the caller allows" in said and "it is 3601 s old" in said, said)
        said = run(*of, "--now", "2026-01-01", code=1)
        report(f"{name} of a time to come is refused", "check this machine's clock" in said, said)
    said = run(*check, "--max-age", "0", code=2)
    report("an age that is none is said so", "expected a number of seconds from 1 to 1099511627776, or like 15m" in said, said)
    said = run("status-list", "ledger", "--type", "1", "--now", "2026-01-01", code=2)
    report("so is a clock where none is asked", "--now goes with --check" in said, said)
    said = run(*check, "--place", str(2**20), code=1)
    report("a place outside of the list is said in words", "no place 1048576 in this list, which has places 0 to 1048575" in said, said)
    said = run("status-list", "ledger", "--type", "1", "--place", "7", code=2)
    report("a place without --check is no question that is passed over", "--place goes with --check" in said, said)
    said = run("status-list", "ledger", "--compare", "policy", code=2)
    report("what is no list is no lie of anybody", "neither a JWT" in said, said)
    said = run(*check, "--json", "--place", "9")
    report("it can be asked by a program", json.loads(said)["value"] == 0 and json.loads(said)["cosignatures"] == 1, said)
    said = run("status-list", "--check", "token", "--note", "note", "--policy", "policy", code=2)
    report("the note of all lists is not the proof of one", "fetch the proof of this one" in said, said)
    with open("changed", "wb") as f:
        f.write(proof.replace(b"\n1 0 token ", b"\n1 0 revocation "))
    said = run("status-list", "--check", "token", "--note", "changed", "--policy", "policy", code=1)
    report("a proof of another list is refused", "does not lead to the root" in said, said)
    said = run("status-list", "ledger", "--note", "proof", "--policy", "policy")
    report("the ledger leads to what they signed", "the lists are the ledger's" in said and "a quorum" in said, said)
    said = run("status-list", "ledger", "--note", "changed", code=1)
    report("a proof that does not fit its note is called out", "not among those that its note is about" in said, said)
    drawn = [int(line) for line in run("status-list", "ledger", "--type", "1", "--draw", "500").split()]
    report("places are drawn by chance among those never used", len(set(drawn)) == 500 and not {7, 5000} & set(drawn) and
           max(drawn) < 64 * 2**20 and sum(place > 32 * 2**20 for place in drawn) in range(180, 320), drawn[:20])
    said = run("status-list", "ledger", "--type", "9", "--draw", "1", code=1)
    report("of a type that there is", "no credential type 9" in said, said)
    judge = ("submit", "ledger", "--keys", "keys", "--log-key", "keys/interior.log.pem", "--cosign-key", "keys/interior.cosign.pem")
    said = run(*judge, events(5, 7, first=9), code=1)
    report("a place is given once", "STATUS_INDEX_USED" in said and "was used before: draw another one" in said, said)
    said = run(*judge, events(64 * 2**20, first=9), code=1)
    report("and inside of the list", "STATUS_INDEX_RANGE" in said and "beyond the status list of this type" in said, said)
    said = run("audit", "ledger", "--list-note", "note", "--status-list", "token")
    report("so it does in an audit", "sound:" in said and "the lists are the ledger's" in said and "the list is the ledger's" in said, said)
    said = run("status-list", "other", "--note", "note", code=1) if run("init", "other", "--charter", "charter.ini") else ""
    report("another ledger does not", "no block ends at log size" in said, said)
finally:
    if node is not None:
        node.kill()
    os.chdir("/")
    shutil.rmtree(work)
print(f"1..{tests_n}")
sys.exit(1 if failed else 0)
