#!/usr/bin/env python3
"""Writes a file as a C array: embed_file.py NAME IN OUT."""
import sys

name, source, target = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w") as f:
    f.write(f"/* {name}: made from a file by embed_file.py */\nstatic const unsigned char {name}[] = {{\n")
    for at in range(0, len(data), 16):
        f.write("    " + ",".join(str(b) for b in data[at:at + 16]) + ",\n")
    f.write("};\n")
