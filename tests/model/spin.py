#!/usr/bin/env python3
"""Runs lsx.pml: what must hold, and rules left out on purpose, which must be noticed. TAP."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lsx.pml")

# what it shows, flags of the model, is a violation expected
CASES = [
    ("agreement, two views", "-DVIEWS=2", False),
    ("progress, one view and one in peace", "-DVIEWS=1 -DPROGRESS", False),
    ("FINALIZE after NULLIFY forks", "-DVIEWS=2 -DNO_EXCLUSION -DFORKS_ONLY", True),
    ("NOTARIZE without K forks", "-DVIEWS=2 -DNO_K_CHECK -DFORKS_ONLY", True),
    ("FINALIZE without keeping N gets stuck", "-DVIEWS=1 -DPROGRESS -DNO_SHOW", True),
]


def run(command, where):
    done = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout


def explore(model_flags):
    """Output of the search, and the way to the first violation."""
    with tempfile.TemporaryDirectory() as where:
        run(["spin", "-a", *model_flags.split(), MODEL], where)
        said = run(["cc", "-O1", "-w", "-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", "-o", "pan", "pan.c"], where)
        if not os.path.exists(os.path.join(where, "pan")):
            return said, ""
        said = run(["./pan", "-m100000"], where)
        return said, run(["./pan", "-r"], where) if "errors: 0" not in said else ""


def main():
    if shutil.which("spin") is None or shutil.which("cc") is None:
        print("# skipped: the Spin model: needs spin and a C compiler (apt-get install spin)")
        print("1..0 # SKIP")
        return 0
    print(f"1..{len(CASES)}", flush=True)
    wrong = 0
    for i, (what, model_flags, expected) in enumerate(CASES, 1):
        said, trail = explore(model_flags)
        errors = re.search(r"errors: (\d+)", said)
        states = re.search(r"(\S+) states, stored", said)
        full = "max search depth too small" not in said and "out of memory" not in said
        good = errors is not None and full and (errors.group(1) != "0") == expected
        if errors is not None and states is not None:
            took = re.search(r"elapsed time (\S+)", said)
            print(f"# {what}: {states.group(1)} states, {errors.group(1)} errors, {took.group(1) if took else '?'} s")
        if not good:
            wrong += 1
            print("".join(f"# {line}\n" for line in (said[-2000:] + trail[-4000:]).splitlines()), end="")
        print(f"{'ok' if good else 'not ok'} {i} - {what}", flush=True)
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
