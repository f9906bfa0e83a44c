"""Prints how large the parts of the project are and how they depend on each other, for docs/architecture.md.

``structure_figures.py [repository]``: files and lines of each folder, the arrows between the folders of C++ (which
folder includes headers of which), the median and the longest file, the files that name one option, and for each public
header the line on which the name that it is for is declared.
"""

import re
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from check_layers import INCLUDE, LAYERS, SUFFIXES, layer_of, resolve

ROOTS = ("include", "src", "mpi_launch", "python")
OPTION = "retry_exceptions"
#: What a header declares first for those who include it, where that is not the type that the file is named for.
NAMED_FOR = {"delayed": r"auto delayed\(", "scatter": r"^class Shared\b", "error": r"class Error\b"}


def sources(root):
    """Return the source files of the product."""
    files = (file for folder in ROOTS for file in (root / folder).rglob("*"))
    return sorted(file for file in files if file.suffix in SUFFIXES | {".py", ".pyi"} and file.is_file())


def lines_of(file):
    """Return the lines of a file."""
    return file.read_text(encoding="utf-8").splitlines()


def folder_of(file, root):
    """Return the folder that a file belongs to, as the tables name it."""
    return file.relative_to(root).parent.as_posix()


def arrows(root, files):
    """Return the pairs of folders of C++ of which one includes headers of the other."""
    found = set()
    for file in files:
        layer = layer_of(file.relative_to(root))
        for line in lines_of(file) if layer else []:
            match = INCLUDE.match(line)
            target = match and resolve(match.group(1), file.relative_to(root), root, LAYERS)
            folder = target.split("/")[0] if target else layer
            folder = "include/joblib_mpi" if folder == "joblib_mpi" else folder
            if folder != layer:
                found.add((layer, folder))
    return found


def first_line_of(header):
    """Return the line of a public header on which its own name is declared, or None."""
    name = header.stem
    camel = "".join(word.capitalize() for word in name.split("_"))
    pattern = re.compile(NAMED_FOR.get(name, rf"^\s*(?:class|struct|enum class)\b.*\b(?:{name}|{camel})\b(?!;)"))
    numbers = (number for number, line in enumerate(lines_of(header), 1) if pattern.search(line))
    return next(numbers, None)


def main(arguments):
    """Print the figures of the repository."""
    root = Path(arguments[0] if arguments else Path(__file__).parent.parent).resolve()
    files = sources(root)
    lengths = {file: len(lines_of(file)) for file in files}
    print("| folder | files | lines |\n| --- | ---: | ---: |")
    for folder in sorted({folder_of(file, root) for file in files}):
        here = [length for file, length in lengths.items() if folder_of(file, root) == folder]
        print(f"| `{folder}` | {len(here)} | {sum(here)} |")
    longest = max(files, key=lengths.get)
    naming = [file for file in files if OPTION in file.read_text(encoding="utf-8")]
    median = statistics.median(lengths.values())
    print(f"\nfiles: {len(files)}, lines: {sum(lengths.values())}, median: {median:g}")
    print(f"longest: {lengths[longest]} ({longest.relative_to(root)})")
    print(f"arrows between folders of C++: {len(arrows(root, files))}")
    print(f'files that name "{OPTION}": {len(naming)}')
    print("\n| public header | its name on line | of |\n| --- | ---: | ---: |")
    for header in sorted((root / "include/joblib_mpi").glob("*.hpp")):
        line = first_line_of(header)
        if line is not None:
            print(f"| `{header.name}` | {line} | {lengths[header]} |")


if __name__ == "__main__":
    main(sys.argv[1:])
