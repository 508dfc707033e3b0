#!/usr/bin/env python3
"""The integrator's page: its listings out of the page, compiled and run against a node; its hex as annotate.py makes it.

  integrator.py SILLOK SILLOKD BUILD_DIR SOURCE_DIR CC...      (TAP)
"""
import os
import re
import shutil
import subprocess
import sys

import annotate
from network import READY_S, Net, check, must, net_main, wait_for


def install(build, source, prefix):
    """Header, library and sillok.pc as `meson install` would, below a prefix of our own."""
    for d in ("include", "lib"):
        os.makedirs(os.path.join(prefix, d))
    shutil.copy(os.path.join(source, "ledger/verify/sillok.h"), os.path.join(prefix, "include"))
    for name in os.listdir(os.path.join(build, "ledger")):
        if name.startswith("libsillok.so") and not name.endswith(".p"):
            shutil.copy(os.path.join(build, "ledger", name), os.path.join(prefix, "lib", name), follow_symlinks=True)
    with open(os.path.join(build, "meson-private/sillok.pc")) as f:
        text = f.read()
    text = re.sub(r"^(prefix|libdir|includedir)=.*", lambda m: f"{m[1]}=" + {"prefix": prefix, "libdir": prefix + "/lib",
                                                                               "includedir": prefix + "/include"}[m[1]], text, flags=re.M)
    with open(os.path.join(prefix, "lib/sillok.pc"), "w") as f:
        f.write(text)


def main(argv):
    sillok, sillokd, build, source, *cc = argv[1:]
    with open(os.path.join(source, annotate.PAGE)) as f:
        page = f.read()
    listings = dict(re.findall(r"^```(c|python)\n(.*?)^```$", page, re.M | re.S))

    def test(net):
        check("the hex is what the formats' own test data say", annotate.between(page)[1].strip() == annotate.section(source).strip(),
              "tests/e2e/annotate.py --write puts it there")
        prefix = net.path("prefix")
        install(build, source, prefix)
        for name, kind in (("check.c", "c"), ("integrate.py", "python")):
            with open(net.path(name), "w") as f:
                f.write(listings[kind])
        env = {**os.environ, "PKG_CONFIG_PATH": prefix + "/lib", "LD_LIBRARY_PATH": prefix + "/lib"}
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "sillok"], env=env, capture_output=True, text=True, check=True).stdout.split()
        r = subprocess.run([*cc, "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", net.path("check"), net.path("check.c"), *flags],
                           capture_output=True, text=True)
        check("the C listing compiles with pkg-config, without a warning", r.returncode == 0, r.stdout, r.stderr)
        body = listings["c"][listings["c"].index("    if (argc"):]
        check("and does it in ten lines", body.count(";") <= 10, body.count(";"))

        lists = net.path("lists.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", lists], check=True, capture_output=True)
        os.chmod(lists, 0o600)
        with open(net.nodes[0].config, "a") as f:
            f.write(f"[status]\nlist_key = {lists}\nuri = https://test.example/v1/status-lists\n")
        net.start()
        wait_for(lambda: net.nodes[0].status(), READY_S)
        url = f"http://127.0.0.1:{net.http_ports[0]}"
        handle = net.handle(0)
        r = subprocess.run([sys.executable, "integrate.py", "signed", handle, "2", "1", "http://127.0.0.1:1", url], cwd=net.root,
                           capture_output=True, text=True, timeout=120)
        check("the Python listing submits both forms, past a node that is down", r.returncode == 0 and r.stdout.count("(True, ") == 2 and
              r.stdout.count("'state': 'final'") == 2, r.stdout, r.stderr, net.tails)
        check("and reads the status list", r.stdout.endswith("status list says 0\n"), r.stdout)
        with open(net.path("signed"), "rb") as f:
            other = bytearray(f.read())
        other[-5] ^= 1
        with open(net.path("altered"), "wb") as f:
            f.write(other)
        altered = subprocess.run([sys.executable, "integrate.py", "altered", handle, "2", "1", url], cwd=net.root, capture_output=True,
                                 text=True, timeout=120)
        check("it says which rule refused what was altered", altered.stdout.count("(False, ") == 1 and "SIGNATURE" in altered.stdout,
              altered.stdout, altered.stderr)
        must(sillok, "policy", net.nodes[0].dir, "-o", net.path("policy"))
        for name, digits in (("handle", handle), ("stranger", net.handle(7))):
            with open(net.path(name), "wb") as f:
                f.write(bytes.fromhex(digits))
        said = [subprocess.run([net.path("check"), net.path("policy"), net.path("proof"), net.path(name)], env=env, capture_output=True,
                               text=True) for name in ("handle", "stranger")]
        check("the C listing says ACTIVE of the proof that the other one fetched", said[0].returncode == 0 and said[0].stdout == "ACTIVE\n",
              said[0])
        check("and refuses it for another credential", said[1].returncode == 2, said[1])

    return net_main("integrator", lambda root: Net(root, sillok, sillokd, names=["interior"], submissions=2), test)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
