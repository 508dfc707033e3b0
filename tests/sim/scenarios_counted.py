#!/usr/bin/env python3
"""Is each of the 58 scenarios of protocol.md 5 a named test, once?

  scenarios_counted.py ROOT        TAP

A scenario is a row `{NUMBER, "what", ...}` of tests/sim/scenario_*.c, or in tests/unit/test_scenarios_*.c a function
`scenario_NN_...` or a test that is named "scenario NN[, NN...]: what".
"""
import glob
import os
import re
import sys

LAST = 58


def numbers(root, pattern, expression):
    found = []
    for path in sorted(glob.glob(os.path.join(root, pattern))):
        with open(path) as f:
            for text in re.findall(expression, f.read()):
                found += [(int(n), os.path.relpath(path, root)) for n in text.split(", ")]
    return found


def main(argv):
    found = numbers(argv[1], "tests/sim/scenario_*.c", r"[{](\d+), \"") + \
        numbers(argv[1], "tests/unit/test_scenarios_*.c", r"(?m)^static void scenario_(\d\d)_") + \
        numbers(argv[1], "tests/unit/test_scenarios_*.c", r"\"scenario ([\d, ]+):")
    bad = []
    for n in range(1, LAST + 1):
        where = [path for number, path in found if number == n]
        if len(where) != 1:
            bad.append(f"scenario {n}: {' and '.join(where) if where else 'nowhere'}")
    bad += [f"scenario {n} of {path} is none" for n, path in found if not 1 <= n <= LAST]
    print("1..1")
    for line in bad:
        print(f"# {line}")
    print(f"{'not ' if bad else ''}ok 1 - each of the {LAST} scenarios is a test, once")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
