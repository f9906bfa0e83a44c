#!/usr/bin/env python3
"""Compares the lists of docs/public-names.md with what the Python module and the C++ headers declare.

``public_names.py --write`` writes the lists, ``--check`` ends with status 1 and names each difference. Both read the
XML that Doxygen makes of the public headers, in build/docs/xml, so docs/build.sh is their caller. ``--reference FILE``
writes the pages' source of the C++ reference: one section for each header.
"""

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "public-names.md"
XML = ROOT / "build" / "docs" / "xml"
NAMESPACE = "joblib_mpi"

#: Headers whose sections come first in the reference: what a program uses from its first line on.
FIRST = ["mpi_session", "parallel", "delayed", "scatter", "parallel_config", "outcome", "spilled", "spill", "error"]
DIRECTIVES = {kind: kind for kind in ("class", "struct", "concept", "enum", "typedef", "variable")}


def python_names():
    """Return the names in the module's ``__all__``."""
    tree = ast.parse((ROOT / "python/joblib_mpi/__init__.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == ["__all__"]:
            return sorted(ast.literal_eval(node.value))
    raise SystemExit("python/joblib_mpi/__init__.py has no __all__ that can be read")


def cpp_declarations():
    """Return ``(header, kind, name)`` for what the public headers declare in the namespace, in a fixed order."""
    try:
        root = ElementTree.parse(XML / f"namespace{NAMESPACE.replace('_', '__')}.xml").getroot()
    except OSError as error:
        raise SystemExit(f"{error}; docs/build.sh has Doxygen make it") from error
    found = set()
    for inner in root.iter("innerclass"):
        name = inner.text.removeprefix(f"{NAMESPACE}::")
        if "<" in name:  # a specialisation of what is there already
            continue
        compound = ElementTree.parse(XML / f"{inner.attrib['refid']}.xml").getroot().find("compounddef")
        found.add((compound.find("location").attrib["file"], compound.attrib["kind"], name))
    for member in root.iter("memberdef"):
        found.add((member.find("location").attrib["file"], member.attrib["kind"], member.findtext("name")))
    return sorted(found | set(concepts()))


def concepts():
    """Yield ``(header, kind, name)`` for the public concepts, which Doxygen lists only in its index."""
    for compound in ElementTree.parse(XML / "index.xml").getroot().iter("compound"):
        name = compound.findtext("name").removeprefix(f"{NAMESPACE}::")
        if compound.attrib["kind"] == "concept" and "::" not in name:
            definition = ElementTree.parse(XML / f"{compound.attrib['refid']}.xml").getroot().find("compounddef")
            yield definition.find("location").attrib["file"], "concept", name


def lists():
    """Return the lists of the page by the names of their markers."""
    by_header = {}
    for header, _, name in cpp_declarations():
        by_header.setdefault(header, set()).add(name)
    cpp = [f"- `{header}`: " + ", ".join(f"`{name}`" for name in sorted(by_header[header])) for header in by_header]
    return {"python": "\n".join(f"- `{name}`" for name in python_names()), "cpp": "\n".join(cpp)}


def _marked(name):
    return re.compile(rf"(<!-- {name}: begin -->\n)(.*?)(<!-- {name}: end -->\n)", re.DOTALL)


def write():
    """Write the lists into the page."""
    page = PAGE.read_text()
    for name, text in lists().items():
        page = _marked(name).sub(lambda match, text=text: f"{match[1]}\n{text}\n\n{match[3]}", page)
    PAGE.write_text(page)


def differences(made):
    """Yield a line for each line that is only in the page or only in ``made``."""
    page = PAGE.read_text()
    for name, text in made.items():
        listed = set(_marked(name).search(page)[2].strip().splitlines())
        there = set(text.splitlines())
        yield from (f"listed, but not declared so: {line}" for line in sorted(listed - there))
        yield from (f"declared, but not listed so: {line}" for line in sorted(there - listed))


def reference():
    """Return the body of the C++ reference as Markdown."""
    by_header = {}
    for header, kind, name in cpp_declarations():
        by_header.setdefault(header, []).append((kind, name))

    def place(header):
        stem = Path(header).stem
        return (FIRST.index(stem) if stem in FIRST else len(FIRST), stem)

    lines = []
    for header in sorted(by_header, key=place):
        lines += [f"## {header}", "", f"`#include <{header}>`", ""]
        for kind, name in by_header[header]:
            if kind == "function":
                # All overloads.
                lines += ["```{doxygenfunction} " + f"{NAMESPACE}::{name}", "```", ""]
                continue
            options = [":members:", ":undoc-members:"] if kind in ("class", "struct") else []
            lines += ["```{doxygen" + DIRECTIVES[kind] + "} " + f"{NAMESPACE}::{name}", *options, "```", ""]
    return "\n".join(lines)


def main(argv):
    """Do what ``argv`` says and return the exit status."""
    if argv == ["--write"]:
        write()
        return 0
    if argv[:1] == ["--reference"] and len(argv) == 2:
        Path(argv[1]).write_text(reference())
        return 0
    if argv != ["--check"]:
        print(__doc__.strip())
        return 2
    found = list(differences(lists()))
    print("\n".join(found) or "the public names are those of docs/public-names.md")
    if found:
        print("if this is meant: docs/build.sh --write-names, and a line in CHANGELOG.md", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
