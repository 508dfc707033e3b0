#!/usr/bin/env python3
"""Shows that every lint rule bites: a small bad tree for each, and the finding it must give.

  selftest.py ROOT CC [CC argument...]
"""
import inspect
import os
import subprocess
import sys
import tempfile

import lint

H = "ledger/verify/x.h"
GUARDED = "#ifndef SLK_VERIFY_X_H\n#define SLK_VERIFY_X_H\n{}\n#endif\n"
EVENT = "message Event {\n" + "".join(
    f"  {kind} {name} = {n};  // 32\n" for n, (name, kind) in enumerate(lint.EVENT_FIELDS.items(), 1)) + "}\n"
SCHEMA = "proto/ledger.proto"


def long_function(lines):
    return "int\n" if lines < 3 else "static int long_one(void)\n{\n" + "    f();\n" * (lines - 3) + "}\n"


# (rule, what the case shows, files, part of the finding; None: nothing may be found)
CASES = [
    (lint.rule_layers, "verify may not include core", {"ledger/verify/a.c": '#include "ledger/core/map.h"\n'}, "may not include ledger/core"),
    (lint.rule_layers, "core may not include store", {"ledger/core/a.h": '#include "ledger/store/store.h"\n'}, "may not include ledger/store"),
    (lint.rule_layers, "core may not include lmdb", {"ledger/core/a.c": "#include <lmdb.h>\n"}, "may include lmdb.h"),
    (lint.rule_layers, "embed may not include lmdb", {"ledger/embed/a.c": "#include <lmdb.h>\n"}, "may include lmdb.h"),
    (lint.rule_layers, "core may not include uv", {"ledger/core/a.c": "#include <uv.h>\n"}, "may include uv.h"),
    (lint.rule_layers, "net may not include tools", {"net/a.c": '#include "tools/x.h"\n'}, "net may not include tools"),
    (lint.rule_layers, "embed may not include net", {"ledger/embed/a.c": '#include "net/mesh.h"\n'}, "may not include net"),
    (lint.rule_layers, "net's pure half may not include uv", {"net/mesh.c": "#include <uv.h>\n"}, "may include uv.h"),
    (lint.rule_layers, "net's other half may", {"net/uv_mesh.c": '#include <uv.h>\n#include "ledger/embed/keys.h"\n'}, None),
    (lint.rule_layers, "core may not include time.h", {"ledger/core/a.c": "#include <time.h>\n"}, "<time.h>"),
    (lint.rule_layers, "verify may not include sodium", {"ledger/verify/a.c": "#include <sodium.h>\n"}, "<sodium.h>"),
    (lint.rule_layers, "ledger may not include generated code", {"ledger/embed/a.c": '#include "ledger.pb-c.h"\n'}, "ledger.pb-c.h"),
    (lint.rule_layers, "ledger may not include tools", {"ledger/embed/a.c": '#include "tools/x.h"\n'}, "may not include tools"),
    (lint.rule_layers, "ledger may not include tests", {"ledger/core/a.c": '#include "tests/unit/x.h"\n'}, "may not include tests"),
    (lint.rule_layers, "downwards is fine", {"ledger/store/a.c": '#include "ledger/core/map.h"\n#include <lmdb.h>\n',
                                             "tools/a.c": '#include "ledger/embed/ledger.h"\n#include <time.h>\n'}, None),
    (lint.rule_calls, "no clock in core", {"ledger/core/a.c": "x = time(NULL);\n"}, "time()"),
    (lint.rule_calls, "no chance in verify", {"ledger/verify/a.c": "x = rand();\n"}, "rand()"),
    (lint.rule_calls, "no surroundings in verify", {"ledger/verify/a.c": 'x = getenv ("A");\n'}, "getenv()"),
    (lint.rule_calls, "no files in core", {"ledger/core/a.c": 'f = fopen("a", "r");\n'}, "fopen()"),
    (lint.rule_calls, "no locale in verify", {"ledger/verify/a.c": "if (isdigit(c))\n"}, "isdigit()"),
    (lint.rule_calls, "no strcpy anywhere", {"tools/a.c": "strcpy(a, b);\n"}, "strcpy()"),
    (lint.rule_calls, "no sprintf in tests either", {"tests/unit/a.c": 'sprintf(a, "b");\n'}, "sprintf()"),
    (lint.rule_calls, "no floats in ledger", {"ledger/store/a.c": "double x;\n"}, "no double"),
    (lint.rule_calls, "a reason excuses", {"ledger/core/a.c": "x = time(NULL); /* discouraged: shows how an excuse is written */\n"}, None),
    (lint.rule_calls, "an empty reason does not", {"ledger/core/a.c": "x = time(NULL); /* discouraged:  */\n"}, "time()"),
    (lint.rule_calls, "members, comments and strings are not calls",
     {"ledger/core/a.c": 'r->time(x); r.read(x); /* time(NULL) */ // rand()\nputs_like(); s = "rand()"; slk_time(1); snprintf(a, 1, "");\n'}, None),
    (lint.rule_calls, "tools may read the clock", {"tools/a.c": "x = time(NULL); double d;\n"}, None),
    (lint.rule_switch, "default: hides a forgotten value", {"ledger/core/a.c": "switch (k) {\ndefault:\n"}, "default:"),
    (lint.rule_switch, "with a reason it may stand", {"ledger/core/a.c": "default: /* discouraged: wire numbers, not an enum */\n"}, None),
    (lint.rule_unfinished, "marks of unfinished work", {"ledger/core/a.c": "/* TO" "DO: later */\n"}, "TO" "DO"),
    (lint.rule_schema, "a string in Event", {SCHEMA: EVENT.replace("bytes device", "string device")}, "a string could hold"),
    (lint.rule_schema, "a string in a submission", {SCHEMA: EVENT + "message Submission { string office = 1; }\n"}, "Submission.office"),
    (lint.rule_schema, "a repeated string", {SCHEMA: EVENT + "message Evidence {\n  repeated string a = 1;\n}\n"}, "Evidence.a"),
    (lint.rule_schema, "a personal field", {SCHEMA: EVENT.replace("}", "  uint64 birth_date = 14;\n}")}, "birth_date"),
    (lint.rule_schema, "bytes without a size", {SCHEMA: EVENT.replace("bytes device = 5;  // 32", "bytes device = 5;  // free")}, "fixed size"),
    (lint.rule_schema, "a field that went missing", {SCHEMA: EVENT.replace("  uint64 sequence = 2;  // 32\n", "")}, "Event.sequence has gone"),
    (lint.rule_schema, "the agreed fields pass", {SCHEMA: EVENT + "message Charter { string origin = 1; }\n"}, None),
    (lint.rule_long, "a long function", {"tools/a.c": long_function(lint.LONG_FUNCTION + 1)}, "long_one has 71 lines"),
    (lint.rule_long, "70 lines pass", {"tools/a.c": long_function(lint.LONG_FUNCTION)}, None),
    (lint.rule_long, "a listed one passes", {"tools/a.c": long_function(80), lint.LONG_LIST: "tools/a.c long_one 80\n"}, None),
    (lint.rule_long, "a listed one may not grow", {"tools/a.c": long_function(81), lint.LONG_LIST: "tools/a.c long_one 80\n"}, "grew"),
    (lint.rule_long, "the list shrinks", {"tools/a.c": long_function(9), lint.LONG_LIST: "tools/a.c long_one 80\n"}, "take its line out"),
    (lint.rule_codes, "an unused code", {"ledger/verify/sillok.h": '    X(E_ODD, 1, "odd") \\\n', "ledger/verify/record.h": "",
                                         "tests/unit/a.c": "SLK_E_ODD"}, "used nowhere"),
    (lint.rule_codes, "an untested rule", {"ledger/verify/sillok.h": "", "ledger/verify/record.h": '    X(ODD, 1, "odd") \\\n',
                                           "ledger/core/a.c": "SLK_RULE_ODD"}, "appears in no test"),
    (lint.rule_paths, "a path of one machine", {"tools/a.c": '"/ho' 'me/someone/x"\n'}, "path of one machine"),
    (lint.rule_paths, "a new top-level entry", {"scratch/a.c": ""}, "top-level"),
    (lint.rule_headers_match, "a .c without its header", {"ledger/core/a.c": "#include <string.h>\n"}, "no #include"),
    (lint.rule_headers_match, "a header with a wrong guard", {H: "#ifndef X\n#define X\n#endif\n"}, "guard"),
    (lint.rule_headers_match, "both in order", {H: GUARDED.format(""), "ledger/verify/x.c": '#include "ledger/verify/x.h"\n'}, None),
    (lint.rule_corpus, "a fuzz target without seeds", {"tests/fuzz/fuzz_x.c": ""}, "no seed"),
    (lint.rule_corpus, "seeds without a target", {"tests/fuzz/corpus/y/1": "a"}, "no fuzz target"),
    (lint.rule_corpus, "too many bytes", {"tests/fuzz/fuzz_x.c": "", "tests/fuzz/corpus/x/1": "a" * 300_001}, "300001"),
]


def plant(files):
    root = tempfile.mkdtemp(prefix="sillok-lint-")
    for path, text in files.items():
        at = os.path.join(root, path)
        os.makedirs(os.path.dirname(at), exist_ok=True)
        with open(at, "w") as f:
            f.write(text)
    return root


def judge(findings, expected):
    found = list(findings)
    if expected is None:
        return [f"unexpected: {f}" for f in found]
    return [] if any(expected in f for f in found) else [f"wanted '{expected}', found {found or 'nothing'}"]


def compile_case(cc, name, text, *options):
    root = plant({name + ".c": text})
    out = os.path.join(root, name)
    subprocess.run(cc + [os.path.join(root, name + ".c"), "-o", out, *options], check=True)
    return out


def archive_case(cc, text):
    object_file = compile_case(cc, "a.o", text, "-c")
    archive = object_file + ".a"
    subprocess.run(["ar", "rcs", archive, object_file], check=True)
    return archive


def binary_cases(cc):
    """What the linker-level rules must catch, on freshly compiled snippets."""
    clock = archive_case(cc, "#include <time.h>\nlong slk_now(void) { return (long)time(0); }\n")
    foreign = archive_case(cc, "int helper(void) { return 1; }\n")
    pure = archive_case(cc, "#include <stdlib.h>\nvoid *slk_new(void) { return malloc(8); }\n")
    shared = compile_case(cc, "lib.so", '__attribute__((visibility("default"))) int slk_extra(void) { return 1; }\n', "-shared", "-fPIC")
    declared = lint.Tree(plant({"ledger/verify/sillok.h": "SLK_PUBLIC int slk_missing(void);\n"}))
    program = compile_case(cc, "prog", "#include <math.h>\nint main(int c, char **v) { (void)v; return (int)cos(c); }\n",
                           "-Wl,--no-as-needed", "-lm")
    allowed = [lint.LIBC_PURE]
    return [
        ("a clock inside a pure library", lint.rule_pure_archive([clock], allowed), "needs time"),
        ("malloc is pure enough", lint.rule_pure_archive([pure], allowed), None),
        ("a symbol without our prefix", lint.rule_prefix([foreign]), "helper"),
        ("our prefix passes", lint.rule_prefix([pure]), None),
        ("an export nobody declared", lint.rule_exports(declared, shared), "slk_extra is exported"),
        ("a declaration nobody exports", lint.rule_exports(declared, shared), "slk_missing is declared"),
        ("a program without libcrypto", lint.rule_needed(program), "does not link libcrypto"),
        ("a program with one library too many", lint.rule_needed(program), "links libm"),
        ("a header that does not stand alone",
         lint.headers_alone(lint.Tree(plant({H: GUARDED.format("struct s { uint8_t b; };")})), cc), H),
    ]


def run(cc):
    results = []
    for rule, title, files, expected in CASES:
        results.append((f"{rule.__name__}: {title}", judge(rule(lint.Tree(plant(files))), expected)))
    for title, findings, expected in binary_cases(cc):
        results.append((title, judge(findings, expected)))
    proven = {rule for rule, _, _, expected in CASES if expected is not None}
    results.append(("every source rule has a case that makes it bite",
                    [r.__name__ for r in lint.SOURCE_RULES if r not in proven]))
    here = {f for name, f in inspect.getmembers(lint, inspect.isfunction) if name.startswith("rule_")}
    binary = {lint.rule_pure_archive, lint.rule_prefix, lint.rule_exports, lint.rule_needed}
    results.append(("every rule is run", [f.__name__ for f in here - binary - set(lint.SOURCE_RULES)]))
    return lint.report(results)


def main(argv):
    with tempfile.TemporaryDirectory(prefix="sillok-lint-") as scratch:
        tempfile.tempdir = scratch
        return 0 if run(argv[2:] or ["cc"]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
