#!/usr/bin/env python3
"""Builds the tree in several ways, runs the tests of each, and counts.

  tests/run.py [STAGE...]     stages: plain asan tsan tidy (default: all)

`tools/check` is the way in. Builds go to build-check/<stage>, or below $SLK_BUILD_DIR. A TAP test counts once per
subtest, any other test once. The last line is `N passed, N failed`; the exit code is 0 when nothing failed and
something passed.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILDS = os.environ.get("SLK_BUILD_DIR") or os.path.join(ROOT, "build-check")
JOBS = str(os.cpu_count() or 2)
TESTS = str(2 * (os.cpu_count() or 2))  # at a time: many wait most of their time for processes and lines

THREADED = ["workers", "ledger", "ledger_audit", "ledger_proofs", "ledger_submit"]  # unit tests in which threads meet: TSan is slow

# The analyzer walks at most so many nodes of a function: with its own limit, four times this, six files took half of the time.
TIDY_ARGS = [f"--extra-arg={arg}" for arg in
             ("-Wno-unknown-warning-option", "-Xclang", "-analyzer-config", "-Xclang", "max-nodes=50000")]

# stage -> meson options, what to build (all, when empty), meson test options
STAGES = {
    "plain": ([], [], []),
    # -O1 builds in little more than half the time. It makes gcc suppose things that it knows better at -O2: warnings are the plain
    # build's to refuse.
    "asan": (["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1", "-Dwerror=false"], [],
             ["--no-suite", "lint", "--timeout-multiplier", "4"]),
    "tsan": (["-Db_sanitize=thread", "-Db_lundef=false"], [f"tests/unit/test_{name}" for name in THREADED],
             ["--timeout-multiplier", "6", *THREADED]),
}
SIM_SEEDS = {"plain": "2000", "asan": "200"}  # of the simulator; elsewhere its own default, unless $SLK_SEEDS says otherwise
TIDY_PER_FILE_S = 300
SCRATCH_BYTES = 1 << 30  # what the tests may need at a time, generously


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.told = []
        self.left_out = {}  # what could not be tried -> where that was

    def fail(self, what):
        self.failed += 1
        self.told.append(what)

    def skip(self, what, where):
        """What should have run: said again at the end, where it is read."""
        self.skipped += 1
        self.left_out.setdefault(what, []).append(where)


def say(text):
    print(text, flush=True)


def run(command, **more):
    return subprocess.run(command, cwd=ROOT, **more)


def build(stage, options, targets, count):
    """Configures (once) and builds; False when that fails, which counts as a failure."""
    where = os.path.join(BUILDS, stage)
    started = time.monotonic()
    if not os.path.exists(os.path.join(where, "build.ninja")):
        shutil.rmtree(where, ignore_errors=True)
        r = run(["meson", "setup", where, ROOT, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode != 0:
            say("\n".join(r.stdout.splitlines()[-12:]))
            count.fail(f"{stage}: meson setup")
            return False
    r = run(["ninja", "-C", where, "-j", JOBS, *targets], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode != 0:
        say("\n".join(r.stdout.splitlines()[-60:]))
        count.fail(f"{stage}: the build")
        return False
    say(f"{stage}: built in {time.monotonic() - started:.0f} s")
    return True


LEFT_OUT = re.compile(r"^# skipped: (.*)", re.M)  # how a test says that it could not try something (tests/unit/vectors.h)
TAP_LINE = re.compile(r"^(not )?ok\b[^#\n]*(?:#\s*(SKIP)\b)?", re.M)


def count_test(stage, test, count):
    """One line of meson's testlog.json."""
    name = f"{stage}: {test['name']}"
    good = bad = 0
    skipped_before = count.skipped
    for m in TAP_LINE.finditer(test.get("stdout") or ""):
        if m.group(2):
            count.skipped += 1
        elif m.group(1):
            bad += 1
            count.told.append(f"{name}: {m.group(0).strip()}")
        else:
            good += 1
    for what in LEFT_OUT.findall(test.get("stdout") or ""):
        count.skip(what, f"{stage}/{test['name'].split(' ')[-1]}")
    fine = test["result"] in ("OK", "EXPECTEDFAIL")
    if test["result"] == "SKIP":
        count.skipped += good + bad == 0 and count.skipped == skipped_before
        return
    count.passed += good
    count.failed += bad
    if fine and good + bad == 0:
        count.passed += 1
    if not fine and bad == 0:  # it crashed, timed out, or told its failure by exit code alone
        count.fail(f"{name}: {test['result']} (exit {test.get('returncode')})")
    if not fine:
        tail = ((test.get("stdout") or "") + (test.get("stderr") or "")).splitlines()
        wanted = [line for line in tail if not re.match(r"ok\b", line)]
        first = next((i for i, line in enumerate(wanted) if line.startswith("not ok")), len(wanted) - 60)
        say(f"---- {name}\n" + "\n".join(wanted[max(first, 0):][:60]))  # the first failure: what follows may follow from it


def test(stage, options, count):
    where = os.path.join(BUILDS, stage)
    logs = os.path.join(where, "meson-logs", "testlog*.json")  # a wrapper's name becomes part of it
    for old in glob.glob(logs):
        os.unlink(old)
    started = time.monotonic()
    if stage == "tsan" and shutil.which("setarch") and run(["setarch", "-R", "true"]).returncode == 0:
        options = ["--wrap", "setarch -R", *options]  # gcc 12's TSan cannot live with 32 bits of address randomness
    env = {**({"SLK_SEEDS": SIM_SEEDS[stage]} if stage in SIM_SEEDS else {}), **os.environ}
    r = run(["meson", "test", "-C", where, "--no-rebuild", "--num-processes", TESTS, *options],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not glob.glob(logs):
        say(r.stdout)
        count.fail(f"{stage}: meson test ran nothing")
        return
    before = count.passed
    failed_before = count.failed
    with open(glob.glob(logs)[0]) as f:
        for line in f:
            count_test(stage, json.loads(line), count)
    if r.returncode != 0 and count.failed == failed_before:
        count.fail(f"{stage}: meson test exited with {r.returncode}")
    say(f"{stage}: {count.passed - before} passed, {count.failed - failed_before} failed in {time.monotonic() - started:.0f} s")


def tidy(count):
    """clang-tidy over every source of ledger/, net/ and tools/, when it is installed."""
    program = shutil.which("clang-tidy")
    database = os.path.join(BUILDS, "plain", "compile_commands.json")
    if program is None or not os.path.exists(database):
        missing = "clang-tidy is not installed (tools/setup --check)" if program is None else "there is no plain build"
        say(f"tidy: skipped: {missing}")
        count.skip(missing, "all of tidy")
        return
    with open(database) as f:
        entries = [(e["directory"], e["file"]) for e in json.load(f)]
    paths = sorted({os.path.relpath(os.path.join(d, p), ROOT) for d, p in entries})
    paths = [p for p in paths if p.startswith(("ledger/", "net/", "tools/"))]
    started = time.monotonic()
    waiting, running, before = list(paths), {}, count.failed
    while waiting or running:
        while waiting and len(running) < int(JOBS):
            path = waiting.pop(0)
            running[path] = subprocess.Popen(
                [program, "--quiet", "-p", os.path.dirname(database), *TIDY_ARGS, path],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        path, process = next(iter(running.items()))
        out, _ = process.communicate(timeout=TIDY_PER_FILE_S)
        del running[path]
        if process.returncode == 0 and "warning:" not in out:
            count.passed += 1
        else:
            say(out.replace(ROOT + os.sep, ""))
            count.fail(f"tidy: {path}")
    say(f"tidy: {len(paths)} files, {count.failed - before} failed in {time.monotonic() - started:.0f} s")


def scratch():
    """A directory for everything that tests write: in memory when there is room. They remove what they make; a test that
    was ended does not."""
    for place in ("/dev/shm", None):
        if place is None or os.access(place, os.W_OK) and shutil.disk_usage(place).free > SCRATCH_BYTES:
            return tempfile.mkdtemp(prefix="sillok-check-", dir=place)


def main(argv):
    """Checks its arguments, and that nothing stays behind, however it ends."""
    wanted = argv[1:] or [*STAGES, "tidy"]
    unknown = [w for w in wanted if w not in STAGES and w != "tidy"]
    if unknown:
        print(__doc__, file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    os.environ["TMPDIR"] = scratch()
    try:
        return check(wanted)
    finally:
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


def check(wanted):
    count = Count()
    for stage, (setup_options, targets, test_options) in STAGES.items():
        if stage in wanted and build(stage, setup_options, targets, count):
            test(stage, test_options, count)
    if "tidy" in wanted:
        tidy(count)
    if count.left_out:
        say("SKIPPED:")
        for what, where in count.left_out.items():
            say(f"  {', '.join(sorted(set(where)))}: {what}")
    if count.told:
        say("failed:\n  " + "\n  ".join(count.told))
    if count.passed == 0 and count.failed == 0:
        count.fail("nothing ran")
    say(f"{count.passed} passed, {count.failed} failed" + (f", {count.skipped} skipped" if count.skipped else ""))
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
