#!/usr/bin/env python3
"""Manual pages out of what the programs say of themselves: --help, --print-config, `sillok proof format`. Nothing is written twice, so nothing drifts.

  man.py SILLOK SILLOKD SILLOK_VERIFY OUT_DIR    makes OUT_DIR/man1, man5 and man8, in mdoc

What --help has, in this order, becomes: `Usage:`, SYNOPSIS; lines `  --option`, OPTIONS; lines `  name  summary` of commands, COMMANDS;
a paragraph that begins with `Exit`, EXIT STATUS; all else DESCRIPTION. A command that is added has its page with the next build.
"""
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time


def ask(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def date():
    """Reproducible where the builder says what the time is; else this program's own age."""
    s = int(os.environ.get("SOURCE_DATE_EPOCH") or os.path.getmtime(__file__))
    t = time.gmtime(s)
    return f"{time.strftime('%B', t)} {t.tm_mday}, {t.tm_year}"


def text(s):
    """A line of prose for roff: backslashes, the dashes of options, and what would begin a request."""
    s = s.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\\&" + s if s[:1] in ".'" else s


def word(s):
    """An argument of a macro: one word, never a macro itself."""
    s = text(s).replace('"', "\\(dq") + ("\\&" if s[-1] in ".,:;)]?!" else "")  # a delimiter at the end would stand apart
    return f'"\\&{s}"' if " " in s or len(s) <= 3 or s[0] in "|([])?!.:;," else s


class Help:
    """A --help, taken apart."""

    def __init__(self, shown):
        blocks = [b.splitlines() for b in re.split(r"\n\n+", shown.strip("\n"))]
        self.usage = [re.sub(r"^([Uu]sage:|      ) ?", "", line).strip() for line in blocks[0]]
        self.options, self.commands, self.exit, self.prose = [], [], [], []
        for block in blocks[1:]:
            self.take(block)
        first = " ".join(self.prose[0][1]) if self.prose else ""
        self.summary = first.split(". ")[0].rstrip(".")

    def take(self, block):
        while block:
            line = block[0]
            if re.match(r"  -", line):
                block = self.option(block)
            elif re.match(r"  [a-z]\S*( [a-z-]+)? +[A-Z]", line):
                name, summary = re.match(r"  (\S+(?: [a-z-]+)?) +([A-Z].*)", line).groups()
                self.commands.append((name, summary))
                block = block[1:]
            elif line.startswith("  "):
                n = next((i for i, l in enumerate(block) if not l.startswith("  ")), len(block))
                self.prose.append(("literal", [l[2:] for l in block[:n]]))
                block = block[n:]
            else:
                n = next((i for i, l in enumerate(block) if i and (l.startswith("  ") or l.startswith("Exit"))), len(block))
                (self.exit if line.startswith("Exit") else self.prose).append(("prose", block[:n]))
                block = block[n:]

    def option(self, block):
        m = re.match(r"  (-.*?)(?:  +|$)(.*)", block[0])
        names, said, rest = m.group(1), [m.group(2)], block[1:]
        while rest and rest[0].startswith("     "):
            said.append(rest[0].strip())
            rest = rest[1:]
        self.options.append((names, " ".join(s for s in said if s)))
        return rest


def names_of(option):
    """`--out FILE, -o` as macros."""
    out = []
    for part in option.split(", "):
        flag, _, value = part.partition(" ")
        out.append("Fl " + word(flag[1:]) + (" Ar " + " ".join(word(v) for v in value.split()) if value else ""))
    return " , ".join(out)


def prose(blocks):
    out = []
    for i, (kind, lines) in enumerate(blocks):
        if kind == "literal":
            out += [".Bd -literal -offset indent", *(text(l) for l in lines), ".Ed"]
        else:
            out += ([".Pp"] if i else []) + sentences(*lines)
    return out


def sentences(*lines):
    """mdoc wants a new line for a new sentence, and none longer than a terminal is wide."""
    out = []
    for sentence in re.split(r"(?<=[A-Za-z0-9)`\"'>][.:?]) +(?=[A-Z`])", " ".join(lines)):
        out += [text(l) for l in textwrap.wrap(sentence, 66, break_long_words=False, break_on_hyphens=False)]
    return out


def page(name, section, shown, see):
    h = Help(shown)
    out = [f".Dd {date()}", f".Dt {name.upper()} {section}", ".Os", ".Sh NAME", f".Nm {name}", f".Nd {text(h.summary[:1].lower() + h.summary[1:])}"]
    out += [".Sh SYNOPSIS"]
    for usage in h.usage:
        program, *rest = usage.split(" ")
        said = program
        while rest and program == "sillok" and name.startswith("-".join((said + " " + rest[0]).split())):
            said += " " + rest.pop(0)
        tail = " ".join(rest)
        out += [f".Nm {' '.join(word(w) for w in said.split())}", *sentences(tail)]
    out += [".Sh DESCRIPTION", *prose(h.prose[1:] if len(h.prose) > 1 and len(h.prose[0][1]) == 1 else h.prose)]
    if h.commands:
        out += [".Sh COMMANDS", ".Bl -tag -width Ds"]
        for command, summary in h.commands:
            out += [f".It Xr sillok-{command.replace(' ', '-')} 1", *sentences(summary + ".")]
        out.append(".El")
    if h.options:
        out += [".Sh OPTIONS", ".Bl -tag -width Ds"]
        for option, said in h.options:
            said = said if re.match("https?:", said) else said[:1].upper() + said[1:]
            out += [f".It {names_of(option)}", *sentences(said if said.endswith((".", ")")) else said + ".")]
        out.append(".El")
    if h.exit:
        out += [".Sh EXIT STATUS", *prose([(k, [re.sub(r"^Exit[a-z ]*: ", "", l) for l in lines]) for k, lines in h.exit])]
    out += [".Sh SEE ALSO"]
    see = sorted(set(see) - {(name, section)}, key=lambda s: (s[1], s[0]))
    out += [f".Xr {n} {s}" + (" ," if i + 1 < len(see) else "") for i, (n, s) in enumerate(see)]
    return "\n".join(out) + "\n"


def config_page(sample, see):
    """sillokd.ini(5): sections and keys as --print-config has them; what stands behind # is the default."""
    out = [f".Dd {date()}", ".Dt SILLOKD.INI 5", ".Os", ".Sh NAME", ".Nm sillokd.ini", ".Nd configuration of a node", ".Sh DESCRIPTION"]
    out += ["A text file of", ".Li [sections]", "and lines", ".Li key = value .", "Lines that begin with # are comments.",
            "A key that is not listed here, stands twice or is out of its range is", "refused with its line."]
    said, is_open = [], False
    for line in sample.splitlines():
        section = re.fullmatch(r"\[(\w+)\]", line)
        key = re.fullmatch(r"(# )?(\w+) = ?(.*)", line)
        if section:
            out += [".El"] if is_open else []
            # What is said of a whole section stands before its name.
            out += [f".Sh SECTION {section.group(1).upper()}", *sentences(*said), ".Bl -tag -width Ds"]
            said, is_open = [], True
        elif key:
            name, value = key.group(2), key.group(3)
            out += [f".It Ic {word(name)} = Ar {word(value) if value else word('...')}", *sentences(*said)]
            if re.search(r"\d$", name):  # a member's number, a witness's name: the operator's own
                out.append("An example.")
            elif key.group(1):
                out.append("This is the default." if value else "The default is nothing.")
            said = []
        elif line.startswith("# ") and line != sample.splitlines()[0]:
            said.append(line[2:])
    out += [".El", ".Sh SEE ALSO"]
    out += [f".Xr {n} {s}" + (" ," if i + 1 < len(see) else "") for i, (n, s) in enumerate(see)]
    return "\n".join(out) + "\n"


def format_page(shown, see):
    """status-proof(5): `sillok proof format`. A line in capitals is a section's name; what is indented stays as it is."""
    out = [f".Dd {date()}", ".Dt STATUS-PROOF 5", ".Os", ".Sh NAME", ".Nm status-proof", ".Nd proof of a credential's status, in both encodings",
           ".Sh DESCRIPTION"]
    for block in re.split(r"\n\n+", shown.strip("\n")):
        if re.fullmatch(r"[A-Z ]+", block):
            out.append(f".Sh {block}")
        elif block.startswith("  "):
            out += [".Bd -literal -offset indent", *(text(l[2:]) for l in block.splitlines()), ".Ed"]
        else:
            out += ([] if out[-1].startswith(".Sh ") else [".Pp"]) + sentences(*block.splitlines())
    out += [".Sh SEE ALSO"]
    out += [f".Xr {n} {s}" + (" ," if i + 1 < len(see) else "") for i, (n, s) in enumerate(see)]
    return "\n".join(out) + "\n"


def commands_of(sillok):
    """{("charter", "new"): its --help}: those that `sillok --help` lists, those that they list, and words of a usage that are
    commands of their own."""
    found, waiting = {}, [(name,) for name, _ in Help(ask(sillok, "--help")).commands]
    while waiting:
        command = waiting.pop(0)
        shown = ask(sillok, *command, "--help")
        if not shown.startswith(f"Usage: sillok {' '.join(command)} "):
            continue
        found[command] = shown
        h = Help(shown)
        below = {tuple(name.split()) for name, _ in h.commands}
        if len(command) == 1:
            below |= {(*command, w) for w in re.findall(r"\b[a-z]{3,}\b", " ".join(h.usage).split(" ", 2)[-1])}
        waiting += sorted(c for c in below if c not in found and c not in waiting)
    return found


def main(argv):
    sillok, sillokd, verify, out = argv[1:]
    shutil.rmtree(out, ignore_errors=True)
    commands = commands_of(sillok)
    all_pages = {("sillok", 1), ("sillok-verify", 1), ("sillokd", 8), ("sillokd.ini", 5), ("status-proof", 5)}
    pages = {("sillok", 1): page("sillok", 1, ask(sillok, "--help"), all_pages),
             ("sillok-verify", 1): page("sillok-verify", 1, ask(verify, "--help"), all_pages),
             ("sillokd", 8): page("sillokd", 8, ask(sillokd, "--help"), all_pages),
             ("sillokd.ini", 5): config_page(ask(sillokd, "--print-config"), [("sillok", 1), ("sillokd", 8)]),
             ("status-proof", 5): format_page(ask(sillok, "proof", "format"),
                                              [("sillok-proof-convert", 1), ("sillok-prove", 1), ("sillok-verify", 1)])}
    for command, shown in commands.items():
        name = "sillok-" + "-".join(command)
        if name == "sillok-verify":
            continue  # the program of its own says it
        near = {("sillok-" + "-".join(c), 1) for c in commands if c[0] == command[0] and c != command}
        near |= {("status-proof", 5)} if command[0] in ("proof", "prove") else set()
        pages[name, 1] = page(name, 1, shown, {("sillok", 1)} | near)
    for (name, section), content in pages.items():
        os.makedirs(f"{out}/man{section}", exist_ok=True)
        with open(f"{out}/man{section}/{name}.{section}", "w") as f:
            f.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
