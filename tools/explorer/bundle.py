#!/usr/bin/env python3
"""One page of many files: bundle.py INDEX_HTML VERIFIER_WASM OUT_HTML OUT_GZIP

Style, modules and the verifier (packed by gzip) go into the page, so that it can be saved and opened from a disk. Modules are put behind one
another in the order of their imports; no two may have a top-level name in common (browsers would say so). Its
Content-Security-Policy names script and style by hash.
"""
import base64
import gzip
import hashlib
import os
import re
import sys

index, wasm, out, packed = sys.argv[1:]
here = os.path.dirname(os.path.abspath(index))


def read(name):
    with open(os.path.join(here, name), encoding="utf-8") as f:
        return f.read()


def modules(name, seen):
    """The module and before it, once each, those that it imports."""
    if name in seen:
        return ""
    seen.add(name)
    text, before = read(name), ""
    for imported in re.findall(r'^import \{[^}]*\} from "\./([\w.]+)";$', text, re.M):
        before += modules(imported, seen)
    text = re.sub(r'^import \{[^}]*\} from "\./[\w.]+";\n', "", text, flags=re.M)
    return before + re.sub(r"^export ", "", text, flags=re.M)


def source(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


script, style, page = "\n" + modules("app.js", set()), "\n" + read("style.css"), read("index.html")
if re.search(r"^(import|export) ", script, re.M) or "</script" in script:
    sys.exit("bundle.py: a module has an import or export of a form that is not understood here")
with open(wasm, "rb") as f:
    verifier = base64.b64encode(gzip.compress(f.read(), 9, mtime=0)).decode()
policy = (f"default-src 'none'; script-src {source(script)} 'wasm-unsafe-eval'; style-src {source(style)}; connect-src 'self' http: https:; "
          "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'")
page, n = re.subn(r'(http-equiv="Content-Security-Policy" content=")[^"]*', lambda m: m.group(1) + policy, page)
page, m = re.subn(r'<link rel="stylesheet" href="style.css">', lambda _: f"<style>{style}</style>", page)
page, k = re.subn(r'<script type="module" src="app.js"></script>',
                  lambda _: f'<script type="application/base64" id="wasm">{verifier}</script>\n<script type="module">{script}</script>', page)
if (n, m, k) != (1, 1, 1):
    sys.exit("bundle.py: index.html has lost a line that is replaced here")
with open(out, "w", encoding="utf-8") as f:
    f.write(page)
with open(packed, "wb") as f:
    f.write(gzip.compress(page.encode(), 9, mtime=0))
