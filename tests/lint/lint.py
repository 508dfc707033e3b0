#!/usr/bin/env python3
"""The house's rules that a compiler does not know.

  lint.py source  ROOT                 text of the tree (layers, banned calls, schema, lengths, ...)
  lint.py headers ROOT CC              every header compiles alone
  lint.py binary  ROOT FILE...         what the built libraries and programs import and export
  lint.py long    ROOT                 prints today's long functions, for long_functions.txt

Output is TAP, one line per rule; findings follow as comments. A line may break a rule on banned calls
when it says why: `/* discouraged: why */`. tests/lint/selftest.py shows that each rule bites.
"""
import os
import re
import shutil
import subprocess
import sys

LAYERS = ["ledger/verify", "ledger/core", "ledger/store", "ledger/embed", "net", "tools"]
PURE = ("ledger/verify/", "ledger/core/")
TOP_LEVEL = {"ledger", "net", "proto", "tools", "tests", "bench", "meson.build", "README.md", "LICENSE"}
SOURCE_SUFFIXES = (".c", ".h")
LONG_FUNCTION = 70  # README.md: a function fits a screen
LONG_LIST = "tests/lint/long_functions.txt"

C_HEADERS = {"assert.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
             "stdatomic.h", "stdlib.h", "string.h",
             "stdio.h"}  # for snprintf alone: the calls that reach a file are banned by name, and by the linker
# Layer -> system headers it may include beside C_HEADERS; the layers not named here may include any but the closed ones.
SYSTEM_HEADERS = {
    "ledger/verify": re.compile(r"openssl/\w+\.h"),
    "ledger/core": re.compile(r"(openssl/\w+|sodium|immintrin|cpuid"
                              r"|pthread)\.h"),  # for pthread_once alone, as the linker's rule below sees to
}
# Header -> directories that may see it.
CLOSED_HEADERS = [
    (re.compile(r"lmdb\.h"), ("ledger/store/", "tests/", "bench/")),
    (re.compile(r"p11-kit/.*"), ("ledger/embed/token", "tests/")),
    (re.compile(r"uv\.h"), ("net/uv_", "tools/", "tests/", "bench/")),
    (re.compile(r"(.*/)?ledger\.pb-c\.h"), ("tests/", "tools/", "bench/")),
]

CALLS_EVERYWHERE = {"strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol", "atoll", "atof",
                    "alloca", "tmpnam", "mktemp", "setjmp", "longjmp"}
CALLS_PURE = {
    # clock
    "time", "clock", "clock_gettime", "gettimeofday", "localtime", "localtime_r", "gmtime", "gmtime_r", "mktime",
    "strftime", "sleep", "nanosleep", "usleep",
    # chance
    "rand", "random", "srand", "srandom", "drand48", "getrandom", "getentropy", "arc4random", "RAND_bytes",
    "RAND_priv_bytes", "randombytes_buf", "randombytes_random",
    # surroundings
    "getenv", "secure_getenv", "setlocale", "system", "popen", "fork", "getpid", "signal", "sigaction",
    # files
    "open", "openat", "close", "read", "pread", "write", "pwrite", "fopen", "fdopen", "fclose", "fread", "fwrite",
    "fgets", "fputs", "fputc", "fprintf", "vfprintf", "printf", "vprintf", "dprintf", "puts", "putchar", "perror",
    "fflush", "mmap", "stat", "fstat", "ioctl", "socket",
    # locale
    "isalpha", "isdigit", "isalnum", "isspace", "isupper", "islower", "isprint", "iscntrl", "ispunct", "isxdigit",
    "isgraph", "toupper", "tolower", "strcoll", "strtol", "strtoul", "strtoll", "strtoull", "strtod", "strtof",
    "sscanf", "strcasecmp", "strncasecmp", "strerror",
    # threads: the caller lends them (par.h)
    "pthread_create", "thrd_create",
}
FLOATS = {"float", "double"}

STRINGS_ALLOWED = {"Charter", "Member", "Issuer", "CredentialType", "Reason", "StatusProof.origin", "NoteSignature.name"}
EVENT_FIELDS = {  # a new field of Event is a decision about privacy: it is taken here as well as in the schema
    "credential": "bytes", "sequence": "uint64", "previous": "bytes", "kind": "Kind", "device": "bytes",
    "carrier": "Carrier", "channel": "Channel", "type": "uint32", "valid_until": "uint64", "reason": "uint32",
    "commitment": "bytes", "occurred_at": "uint64", "status_index": "uint32"}
FIXED_BYTES = {"Event", "Authorization", "Seal"}  # messages on the ledger whose bytes fields have a size
FIXED_SIZE = re.compile(r"//\s*(8|32|64)\b")


class Tree:
    """Files below a root: what git tracks, or everything when there is no git."""

    def __init__(self, root):
        self.root = root
        self.paths = sorted(self._list())
        self._texts = {}

    def _list(self):
        if os.path.exists(os.path.join(self.root, ".git")) and shutil.which("git"):
            r = subprocess.run(["git", "-c", "safe.directory=*", "-C", self.root, "ls-files", "-co", "--exclude-standard"],
                               capture_output=True, text=True)
            if r.returncode == 0:
                return [p for p in r.stdout.splitlines() if os.path.isfile(os.path.join(self.root, p))]
        found = []
        for at, dirs, files in os.walk(self.root):
            dirs[:] = [d for d in dirs if not d.startswith("build") and d not in (".git", "__pycache__")]
            found += [os.path.relpath(os.path.join(at, f), self.root) for f in files]
        return found

    def text(self, path):
        if path not in self._texts:
            with open(os.path.join(self.root, path), "rb") as f:
                self._texts[path] = f.read().decode("utf-8", "replace")
        return self._texts[path]

    def sources(self, *prefixes, suffixes=SOURCE_SUFFIXES):
        return [p for p in self.paths if p.endswith(suffixes) and (not prefixes or p.startswith(prefixes))]


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """Comments and literals become spaces; line numbers stay."""
    def blank(m):
        s = m.group(0)
        body = re.sub(r"[^\n]", " ", s)
        return '"' + body[1:-1] + '"' if s[0] == '"' else body
    return TOKENS.sub(blank, text)


def excused(raw_line):
    return re.search(r"/\* discouraged: \S.{8,} \*/", raw_line) is not None


def layer_of(path):
    for layer in LAYERS:
        if path.startswith(layer + "/"):
            return layer
    return None


INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def rule_layers(tree):
    """includes go only downwards: verify < core < store < embed < net < tools"""
    for path in tree.sources():
        layer = layer_of(path)
        for m in INCLUDE.finditer(tree.text(path)):
            line = tree.text(path).count("\n", 0, m.start(2)) + 1
            where = f"{path}:{line}"
            kind, what = m.group(1), m.group(2)
            for pattern, readers in CLOSED_HEADERS:
                if pattern.fullmatch(what) and not path.startswith(readers):
                    yield f"{where}: only {', '.join(readers)} may include {what}"
            if kind == '"':
                target = layer_of(what)
                if layer and target and LAYERS.index(target) > LAYERS.index(layer):
                    yield f"{where}: {layer} may not include {target}"
                if layer and (what.startswith(("tests/", "bench/"))):
                    yield f"{where}: {layer} may not include tests or bench"
                if layer and layer.startswith("ledger/") and not what.startswith(("ledger/", "proto/")) and target is None:
                    yield f"{where}: say where the header is: ledger/<layer>/{what}"
            elif layer in SYSTEM_HEADERS and what not in C_HEADERS and not SYSTEM_HEADERS[layer].fullmatch(what) \
                    and not excused(tree.text(path).split("\n")[line - 1]):
                yield f"{where}: {layer} may not include <{what}>"


def rule_calls(tree):
    """banned calls: clock, chance, files and locale in verify and core; unsafe ones everywhere; no floats in ledger"""
    for path in tree.sources("ledger/", "tools/", "net/", "bench/", "tests/"):
        banned = set(CALLS_EVERYWHERE)
        if path.startswith(PURE):
            banned |= CALLS_PURE
        banned = [b for b in banned if not re.search(rf"\w \*{b}\b[,;)]", tree.text(path))]  # a function handed in
        call = re.compile(r"(?<![\w.>])(" + "|".join(sorted(banned)) + r")\s*\(")
        raw = tree.text(path).split("\n")
        for n, line in enumerate(code_only(tree.text(path)).split("\n"), 1):
            if excused(raw[n - 1]):
                continue
            for m in call.finditer(line):
                yield f"{path}:{n}: {m.group(1)}() is banned here"
            if path.startswith("ledger/"):
                for m in re.finditer(r"\b(" + "|".join(FLOATS) + r")\b", line):
                    yield f"{path}:{n}: no {m.group(1)} in ledger/: agencies must compute the same bytes"


def rule_switch(tree):
    """no default: in a switch of ledger/: the compiler names a forgotten enum value"""
    for path in tree.sources("ledger/"):
        raw = tree.text(path).split("\n")
        for n, line in enumerate(code_only(tree.text(path)).split("\n"), 1):
            if re.match(r"\s*default\s*:", line) and not excused(raw[n - 1]):
                yield f"{path}:{n}: default: in a switch (on plain integers say /* discouraged: why */)"


MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def rule_unfinished(tree):
    """nothing is left for later: no marks of unfinished work"""
    for path in tree.sources(suffixes=(".c", ".h", ".py", ".sh", ".proto", ".build", ".md")):
        for n, line in enumerate(tree.text(path).split("\n"), 1):
            if MARKS.search(line):
                yield f"{path}:{n}: {MARKS.search(line).group(1)}"


def messages(text):
    """(message, field type, field name, line, comment) of a flat .proto file."""
    name, depth = None, 0
    for n, line in enumerate(text.split("\n"), 1):
        bare = line.split("//")[0]
        m = re.match(r"\s*message\s+(\w+)\s*\{(.*)", bare)
        if m and depth == 0:
            name, bare = m.group(1), m.group(2)
            depth = 1
        elif depth == 0:
            continue
        for part in re.split(r"[;{}]", bare):
            f = re.match(r"\s*(?:repeated\s+|optional\s+)?([\w.]+)\s+(\w+)\s*=\s*\d+\s*$", part)
            if f and f.group(1) not in ("enum", "message", "oneof"):
                yield name, f.group(1), f.group(2), n, line
        depth += bare.count("{") - bare.count("}")
        if depth <= 0:
            depth = 0


def rule_schema(tree):
    """privacy of the schema: no strings about people, fixed sizes, no field in Event beyond the design's"""
    path = "proto/ledger.proto"
    if path not in tree.paths:
        yield f"{path} is missing"
        return
    seen = {}
    for message, kind, field, n, line in messages(tree.text(path)):
        where = f"{path}:{n}: {message}.{field}"
        if kind == "string" and message not in STRINGS_ALLOWED and f"{message}.{field}" not in STRINGS_ALLOWED:
            yield f"{where}: a string could hold anything about a person"
        if kind == "bytes" and message in FIXED_BYTES and not FIXED_SIZE.search(line):
            yield f"{where}: bytes need a fixed size in their comment: 8, 32 or 64"
        if message == "Event":
            seen[field] = kind
            if EVENT_FIELDS.get(field) != kind:
                yield f"{where}: not among the fields the design allows (EVENT_FIELDS in tests/lint/lint.py)"
    for field in EVENT_FIELDS:
        if field not in seen:
            yield f"{path}: Event.{field} has gone"


def functions(text):
    """(name, first line, lines) of every function definition in a clang-formatted file."""
    lines = code_only(text).split("\n")
    start = None
    for n, line in enumerate(lines, 1):
        if line == "{":
            head = n - 1
            while head > 1 and lines[head - 2] and not lines[head - 2].startswith(("}", "#", ";")) \
                    and not lines[head - 2].rstrip().endswith((";", "}")):
                head -= 1
            signature = " ".join(lines[head - 1:n - 1])
            m = re.search(r"(\w+)\s*\(", signature)
            start = (m.group(1), head) if m else None
        elif line.startswith("}") and start:
            yield start[0], start[1], n - start[1] + 1
            start = None


def long_functions(tree):
    for path in tree.sources("ledger/", "tools/", "net/", "bench/", "tests/", suffixes=(".c",)):
        for name, line, size in functions(tree.text(path)):
            if size > LONG_FUNCTION:
                yield path, name, line, size


def rule_long(tree):
    """functions over 70 lines are named in long_functions.txt, which only shrinks"""
    allowed = {}
    for line in tree.text(LONG_LIST).split("\n") if LONG_LIST in tree.paths else []:
        if line.strip() and not line.startswith("#"):
            path, name, size = line.split()[:3]
            allowed[path, name] = int(size)
    for path, name, line, size in long_functions(tree):
        limit = allowed.pop((path, name), None)
        if limit is None:
            yield f"{path}:{line}: {name} has {size} lines; split it (at most {LONG_FUNCTION})"
        elif size > limit:
            yield f"{path}:{line}: {name} grew from {limit} to {size} lines"
    for path, name in allowed:
        yield f"{LONG_LIST}: {path} {name} is short or gone: take its line out"


def rule_codes(tree):
    """every error code and rule is used by the program and seen by a test"""
    used = "\n".join(tree.text(p) for p in tree.sources("ledger/", "tools/", suffixes=(".c",)))
    used += "\n".join(tree.text(p) for p in tree.sources("ledger/", suffixes=(".h",)) if "inline" in tree.text(p))
    tested = "\n".join(tree.text(p) for p in tree.sources("tests/", suffixes=(".c", ".h", ".sh", ".py")))
    for header, prefix in (("ledger/verify/sillok.h", "SLK_"), ("ledger/verify/record.h", "SLK_RULE_")):
        if header not in tree.paths:
            yield f"{header} is missing"
            continue
        for m in re.finditer(r"^\s*X\((\w+),\s*\d+,", tree.text(header), re.M):
            name = m.group(1)
            if not re.search(rf"\b{prefix}{name}\b", used):
                yield f"{header}: {prefix}{name} is used nowhere"
            if not re.search(rf"\b({prefix})?{name}\b", tested):
                yield f"{header}: {prefix}{name} appears in no test"


MACHINE = re.compile(r"(?<![\w.])(/wo" r"rk/|/tm" r"p/b-|/ho" r"me/\w|/ro" r"ot/)")


def rule_paths(tree):
    """no path of somebody's machine; only the agreed entries at the top"""
    for path in tree.paths:
        top = path.split("/")[0]
        if top not in TOP_LEVEL and not top.startswith("."):
            yield f"{path}: {top} is not one of the agreed top-level entries"
        if path.startswith("tests/fuzz/corpus/"):
            continue
        for n, line in enumerate(tree.text(path).split("\n"), 1):
            m = MACHINE.search(line)
            if m:
                yield f"{path}:{n}: {m.group(1)}... is a path of one machine"


def rule_headers_match(tree):
    """every .c of ledger/ includes a header of its own layer; every header has its guard"""
    for path in tree.sources("ledger/", suffixes=(".c",)):
        if not any(layer_of(m.group(2)) == layer_of(path) for m in INCLUDE.finditer(tree.text(path))):
            yield f"{path}: no #include of the header that declares it"
    for path in tree.sources("ledger/", suffixes=(".h",)):
        stem = path.split("/", 1)[1].replace("/", "_").replace(".", "_").upper()
        if f"#ifndef SLK_{stem}\n" not in tree.text(path) and not path.endswith("/sillok.h"):
            yield f"{path}: its guard must be SLK_{stem}"


def rule_corpus(tree):
    """fuzz targets: each has a corpus, and all seeds together stay below 300 kB"""
    targets = [os.path.basename(p)[5:-2] for p in tree.sources("tests/fuzz/fuzz_", suffixes=(".c",))]
    seeds = [p for p in tree.paths if p.startswith("tests/fuzz/corpus/")]
    size = sum(os.path.getsize(os.path.join(tree.root, p)) for p in seeds)
    if size > 300_000:
        yield f"tests/fuzz/corpus: {size} bytes"
    for target in targets:
        if not any(p.startswith(f"tests/fuzz/corpus/{target}/") for p in seeds):
            yield f"tests/fuzz/fuzz_{target}.c: no seed in tests/fuzz/corpus/{target}/"
    for p in seeds:
        if p.split("/")[3] not in targets:
            yield f"{p}: no fuzz target of that name"


SOURCE_RULES = [rule_layers, rule_calls, rule_switch, rule_unfinished, rule_schema, rule_long, rule_codes, rule_paths,
                rule_headers_match, rule_corpus]


def headers_alone(tree, cc):
    """every header compiles by itself"""
    for path in tree.sources("ledger/", suffixes=(".h",)):
        r = subprocess.run(cc + ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                                 "-I", tree.root, "-x", "c", "-include", os.path.join(tree.root, path), os.devnull],
                           capture_output=True, text=True)
        if r.returncode != 0:
            yield f"{path}: {r.stderr.splitlines()[0] if r.stderr else 'does not compile'}"


# ---- what was built ----

LIBC_PURE = re.compile(
    r"mem(cpy|cmp|set|move|chr|mem)|str(len|nlen|cmp|ncmp|chr|rchr|str)|malloc|calloc|realloc|aligned_alloc|posix_memalign"
    r"|free|abort|qsort|bsearch|v?snprintf|__assert_fail|__stack_chk_fail|__(mem\w+|v?snprintf)_chk|__cpu_model"
    r"|__cpu_indicator_init|__popcount[ds]i2|pthread_once" # popcount is libgcc's; once: which engine this CPU has
    r"|_GLOBAL_OFFSET_TABLE_|__gcov_\w+|__(u?mod|u?div)ti3")
CRYPTO = re.compile(r"SHA256_\w+|EVP_\w+|CRYPTO_\w+|OPENSSL_\w+|ERR_clear_error|ERR_set_mark|ERR_pop_to_mark|BN_\w+")
SODIUM = re.compile(r"crypto_\w+|sodium_init|sodium_memcmp")
VERIFY_LIBRARIES = re.compile(r"(libcrypto|libc|ld-linux[\w-]*|libgcc_s|linux-vdso)\.so[.\d]*")


def nm(path, *options):
    out = subprocess.run(["nm", "-P", *options, path], capture_output=True, text=True, check=True).stdout
    return [line.split()[:2] for line in out.splitlines() if len(line.split()) >= 2]


def archive_symbols(path):
    defined, undefined = set(), set()
    for name, kind in nm(path):
        if kind in "Uw":
            undefined.add(name)
        elif kind.isupper():
            defined.add(name)
    return defined, undefined


def rule_pure_archive(archives, allowed):
    """imports of a pure library: an allow list, so that no I/O, clock or thread slips in"""
    defined, undefined = set(), set()
    for a in archives:
        d, u = archive_symbols(a)
        defined |= d
        undefined |= u
    for name in sorted(undefined - defined):
        if not any(p.fullmatch(name) for p in allowed):
            yield f"{os.path.basename(archives[0])} needs {name}"


def rule_prefix(archives):
    """every symbol of our libraries begins with slk_"""
    for a in archives:
        for name in sorted(archive_symbols(a)[0]):
            if not name.startswith("slk_"):
                yield f"{os.path.basename(a)}: {name} is not static and not slk_"


def rule_exports(tree, shared):
    """libsillok.so exports exactly the functions sillok.h marks SLK_PUBLIC"""
    text = code_only(tree.text("ledger/verify/sillok.h"))
    public = set(re.findall(r"^SLK_PUBLIC\b[^;(]*?\b(slk_\w+)\s*\(", text, re.M))
    exported = {name for name, kind in nm(shared, "-D", "--defined-only") if kind in "TDBRVW"}
    if not public:
        yield "sillok.h declares nothing public"
    for name in sorted(public - exported):
        yield f"{name} is declared SLK_PUBLIC and not exported"
    for name in sorted(exported - public):
        yield f"{name} is exported and not declared SLK_PUBLIC"


def rule_needed(program, allowed=VERIFY_LIBRARIES):
    """sillok-verify links libcrypto and libc, nothing else"""
    out = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", out)
    if not any(n.startswith("libcrypto") for n in needed):
        yield f"{os.path.basename(program)} does not link libcrypto"
    for n in needed:
        if not allowed.fullmatch(n):
            yield f"{os.path.basename(program)} links {n}"


def binary_rules(tree, files):
    by_name = {os.path.basename(f): f for f in files}
    verify, core = by_name["libslk_verify.a"], by_name["libslk_core.a"]
    shared = next(f for f in files if ".so" in os.path.basename(f))
    program = by_name["sillok-verify"]
    archives = [f for f in files if f.endswith(".a")]
    return [
        ("ledger/verify imports libcrypto and pure libc only", rule_pure_archive([verify], [LIBC_PURE, CRYPTO])),
        ("ledger/core imports verify, libsodium and pure libc only",
         rule_pure_archive([core, verify], [LIBC_PURE, CRYPTO, SODIUM])),
        (rule_prefix.__doc__, rule_prefix(archives)),
        (rule_exports.__doc__, rule_exports(tree, shared)),
        (rule_needed.__doc__, rule_needed(program)),
        (f"{os.path.basename(shared)} too", rule_needed(shared)),
    ]


def report(rules):
    """TAP from (title, findings); True when nothing was found."""
    good = True
    print(f"1..{len(rules)}")
    for n, (title, findings) in enumerate(rules, 1):
        found = list(findings)
        print(f"{'ok' if not found else 'not ok'} {n} - {title}")
        for f in found:
            print(f"# {f}")
        good = good and not found
    return good


def main(argv):
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    tree = Tree(argv[2])
    if argv[1] == "source":
        return 0 if report([(r.__doc__, r(tree)) for r in SOURCE_RULES]) else 1
    if argv[1] == "headers":
        return 0 if report([(headers_alone.__doc__, headers_alone(tree, argv[3:]))]) else 1
    if argv[1] == "binary":
        return 0 if report(binary_rules(tree, argv[3:])) else 1
    if argv[1] == "long":
        for path, name, _, size in long_functions(tree):
            print(path, name, size)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
