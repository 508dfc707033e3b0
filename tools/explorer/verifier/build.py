#!/usr/bin/env python3
"""Compiles C files into one WebAssembly module: build.py CLANG OUT DEPFILE ROOT FILE..."""
import os
import subprocess
import sys
import tempfile

clang, out, depfile, root, *sources = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
flags = ["--target=wasm32", "-O2", "-std=c11", "-ffreestanding", "-fno-builtin", "-mbulk-memory", "-msign-ext", "-nostdlibinc",
         "-isystem", os.path.join(here, "include"), "-I", root, '-DSLK_VERSION=""', "-Wall", "-Wextra", "-Werror"]
link = ["--target=wasm32", "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all", "-Wl,--stack-first", "-Wl,-z,stack-size=1048576",
        "-Wl,--max-memory=268435456"]
with tempfile.TemporaryDirectory() as work:
    objects, needed = [], set()
    for i, source in enumerate(sources):
        objects.append(os.path.join(work, f"{i}.o"))
        subprocess.run([clang, *flags, "-MD", "-MF", os.path.join(work, "d"), "-c", source, "-o", objects[-1]], check=True)
        with open(os.path.join(work, "d")) as f:
            needed.update(f.read().split(":", 1)[1].replace("\\\n", " ").split())
    subprocess.run([clang, *link, *objects, "-o", out], check=True)
with open(depfile, "w") as f:
    f.write(f"{out}: {' '.join(sorted(needed))}\n")
