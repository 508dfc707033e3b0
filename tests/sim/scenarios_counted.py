#!/usr/bin/env python3
"""Is each of the 58 scenarios of protocol.md 5 a test that is run?

  scenarios_counted.py ROOT        TAP

A scenario is a row `{NUMBER, "what", function}` of tests/sim/scenario_*.c; or in tests/unit/test_scenarios_*.c a function
`scenario_NN_...` or a test that is named "scenario NN[, NN...]: what"; or a test of the list below, where the thing itself lives.
It may have several parts. A function that no list of tests names is none; a row without a function neither.
"""
import glob
import os
import re
import sys

LAST = 58
ELSEWHERE = {
    47: [("tests/unit/test_mesh.c", "a_full_queue_of_votes_drops_the_oldest"),
         ("tests/unit/test_mesh_abuse.c", "who_never_reads_costs_a_bounded_queue")],
    55: [("tests/unit/test_mesh.c", "of_two_connections_both_ends_keep_the_same")],
    58: [("tests/unit/test_ledger_change.c", "a_charter_that_waits_survives_every_restart"),
         ("tests/unit/test_charter_change.c", "what_is_read_again_is_what_was_replayed")],
}


def text_of(root, path):
    with open(os.path.join(root, path)) as f:
        return f.read()


def named(root, pattern, expression):
    """The numbers that the expression finds in these files, each with its file."""
    found = []
    for path in sorted(glob.glob(os.path.join(root, pattern))):
        path = os.path.relpath(path, root)
        for numbers in re.findall(expression, text_of(root, path)):
            found += [(int(n), path) for n in numbers.split(", ")]
    return found


def is_listed(root, path, function):
    """Defined, and named in a list of tests: cmocka_unit_test...(function or T(function or "what", function)."""
    text = text_of(root, path) if os.path.exists(os.path.join(root, path)) else ""
    listed = re.search(r"(?:cmocka_unit_test\w*|\bT)\(\s*" + function + r"\b", text)
    return listed is not None and re.search(r"(?m)^static void " + function + r"\(", text) is not None


def main(argv):
    root = argv[1]
    found = named(root, "tests/sim/scenario_*.c", r"[{](\d+),\s*\"[^\"]*\",\s*(?!NULL)\w+[}]") + \
        named(root, "tests/unit/test_scenarios_*.c", r"cmocka_unit_test\(\s*scenario_(\d\d)_") + \
        named(root, "tests/unit/test_scenarios_*.c", r"\"scenario ([\d, ]+):")
    bad = []
    for number, places in ELSEWHERE.items():
        for path, function in places:
            if is_listed(root, path, function):
                found.append((number, path))
            else:
                bad.append(f"scenario {number}: {path} has no test {function}")
    bad += [f"scenario {n}: nowhere" for n in range(1, LAST + 1) if n not in [number for number, _ in found]]
    bad += [f"scenario {n} of {path} is none" for n, path in found if not 1 <= n <= LAST]
    print("1..1")
    for line in bad:
        print(f"# {line}")
    print(f"{'not ' if bad else ''}ok 1 - each of the {LAST} scenarios is a test that is run, {len(found)} tests in all")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
