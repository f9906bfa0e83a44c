#!/usr/bin/env python3
"""Makes the table of docs/settings.md from the sources that read the environment.

``settings_table.py --write`` writes the table, ``--check`` ends with status 1 if it is not what the sources say or if
a variable that they read is missing from it.

Most rows come from `Settings`: the default from its member, the meaning from the comment above that, which begins with
``NAME: ``, the unit from the member's name, the range from the call that reads the variable. Variables that other
files read, or whose default is found at run time, stand in this file.
"""

import ast
import operator
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"
READERS = ["include", "src", "python", "mpi_launch"]

#: Of members whose names do not end in their unit.
UNITS = {
    "tasks_per_message": "tasks",
    "max_credits": "tasks",
    "executor_tasks": "tasks",
    "requeue_status": "exit status",
}


class Row(NamedTuple):
    """One line of the table."""

    name: str
    default: str
    unit: str
    range: str
    meaning: str


#: What `Settings` does not say in a comment of its member, or what is read elsewhere.
OTHER_ROWS = [
    Row(
        "JOBLIB_MPI_ISOLATION",
        "`process`; C++: `none`",
        "",
        "`process`, `none`",
        "Where tasks run: in a process beside each worker rank, or in the rank. The option `--isolation` and "
        "`MpiSession::Options` take precedence.",
    ),
    Row(
        "JOBLIB_MPI_KEY",
        "the content of `~/.joblib_mpi_key`, which is made with a random key",
        "",
        "at least 16 bytes",
        "The secret key that authenticates checkpoints in folders that other users may write to.",
    ),
    Row(
        "JOBLIB_MPI_PRELOAD",
        "none",
        "",
        "module names, separated by commas",
        "Python: modules that each worker imports once for all its executor processes. The option `--preload` takes "
        "precedence.",
    ),
    Row(
        "JOBLIB_MPI_REMOTE_COMMAND",
        "`joblib-mpi`",
        "",
        "a text for a shell",
        "Python: the command joblib-mpi at the other end of ssh or srun, for clients that reach their job that way.",
    ),
    Row(
        "JOBLIB_MPI_RESUME_SECONDS",
        "60",
        "seconds",
        "0 to 86400",
        "Python: the time for which a client that reaches its job through ssh or srun is kept, and tries to connect "
        "again, when its connection is cut.",
    ),
    Row(
        "JOBLIB_MPI_SCHEDULER_HOST",
        "none",
        "",
        "as of `scheduler_host`",
        "Python: the job whose client a program becomes that is no rank, for backends without `scheduler_host`. The "
        "option `--scheduler-host` takes precedence.",
    ),
    Row(
        "JOBLIB_MPI_TASK",
        "set in tasks",
        "",
        "",
        "Python: a program that finds it was started by a task, and starts no ranks for itself.",
    ),
    Row(
        "JOBLIB_MPI_MEMORY_LIMIT",
        "none",
        "bytes",
        'above 0; also `"500MB"`, `"2GiB"`',
        "Python: the memory of one executor process, for calls without `memory_limit`. The option `--memory-limit` "
        "takes precedence.",
    ),
    Row(
        "JOBLIB_MPI_SHARED_LIMIT",
        "half of the memory that is free on rank 0 at the start, for arrays that were found without a hint",
        "bytes",
        'above 0; also `"20GB"`, `"2GiB"`',
        "Python: the memory of a node that all shared objects together may take.",
    ),
    Row(
        "JOBLIB_MPI_KEPT_LIMIT",
        "a tenth of the memory that is free on rank 0 at the start",
        "bytes",
        'above 0; also `"2GB"`, `"2GiB"`',
        "Python: the memory of a node that arrays and functions which no hint names may take between calls. All "
        "executors of a node together may keep functions of an eighth of it unpickled.",
    ),
    Row(
        "JOBLIB_MPI_THREADS",
        "the rank's share of the cores it is bound to",
        "threads",
        "from 1",
        "Python: threads that a worker's numeric libraries may start. `joblib-mpi run --threads` sets it.",
    ),
    Row(
        "JOBLIB_MPI_SPILL_THRESHOLD",
        "64 MB",
        "bytes",
        "from 0",
        "A larger result goes to a file. For calls without `spill_threshold`; rank 0's value counts.",
    ),
    Row(
        "JOBLIB_MPI_MEMORY_BUDGET",
        "half of rank 0's share of its node",
        "bytes",
        "from 0",
        "The memory of rank 0 that results may take before all but small ones go to files. For calls without "
        "`memory_budget`; rank 0's value counts.",
    ),
    Row(
        "JOBLIB_MPI_SPILL_DIR",
        "TMPDIR, /tmp or /var/tmp, if on disk; the working directory if there are several nodes",
        "",
        "a folder that all nodes share",
        "Where the job makes its folder for large results. For calls without `spill_dir`; rank 0's value counts.",
    ),
    Row(
        "JOBLIB_MPI_KEEP_SPILL",
        "`no`",
        "",
        "`yes`, `no`",
        "Whether the files of large results stay. For calls without `keep_spill`; rank 0's value counts.",
    ),
    Row(
        "JOBLIB_MPI_SPILL_COMPRESSION",
        "`none`",
        "",
        "`none`, `gzip`, `gzip:6` or another HDF5 filter",
        "How large results are compressed. For calls without `spill_compression`; rank 0's value counts.",
    ),
]

_OPERATORS = {ast.LShift: operator.lshift, ast.Mult: operator.mul, ast.Add: operator.add, ast.Sub: operator.sub}
_DECLARATION = re.compile(r"^\s*[\w:<>]+ (?P<member>\w+) = (?P<default>[^;]+);")
_READ = re.compile(
    r'\bread(?:<(?P<type>[\w:]+)>)?\(\s*lookup,\s*"(?P<name>\w+)",\s*settings\.(?P<member>[\w.]+),'
    r"\s*(?P<least>[^,;]+),\s*(?P<most>[^,;]+)\);"
)
_CHOICE = re.compile(r'\bread_choice\(\s*lookup,\s*"(?P<name>\w+)",[^;"]*"(?P<yes>\w+)",\s*"(?P<no>\w+)"\);')
_NAME = re.compile(r"\bJOBLIB_MPI_[A-Z][A-Z_]*[A-Z]\b")


class Unreadable(Exception):
    """The sources are not as this script expects; the text says where."""


def value_of(expression):
    """Return the value of a constant C++ expression such as ``std::size_t{1} << 20``."""
    plain = re.sub(r"\bstd::\w+\{(\d+)\}", r"\1", expression.strip()).replace("'", "_")
    if plain in ("true", "false"):
        return plain == "true"

    def evaluate(node):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](evaluate(node.left), evaluate(node.right))
        raise Unreadable(f"no constant: {expression}")

    try:
        return evaluate(ast.parse(plain, mode="eval").body)
    except SyntaxError as error:
        raise Unreadable(f"no constant: {expression}") from error


def written(value, unit):
    """Return a number as people write it: 1 MiB, 0.0005, 75."""
    if unit == "bytes":
        for power, name in ((50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
            if value >= 1 << power and value % (1 << power) == 0:
                return f"{value >> power} {name}"
    return f"{value:f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def unit_of(member):
    """Return the unit that the name of a member says."""
    for suffix in ("seconds", "bytes"):
        if member.endswith(f"_{suffix}"):
            return suffix
    if member in UNITS:
        return UNITS[member]
    raise Unreadable(f"settings.hpp: {member} does not end in its unit; add it to UNITS in {Path(__file__).name}")


def documented_members(header):
    """Yield name, member, default and comment of each setting that has a comment that begins with its name."""
    body = header.split("struct Settings {", 1)[1].split("\n};", 1)[0]
    comment = []
    for line in body.splitlines():
        stripped = line.strip()
        if stripped.startswith("///"):
            comment.append(stripped.removeprefix("///").strip())
            continue
        text = " ".join(comment)
        declared = _DECLARATION.match(line)
        if comment and declared is None:
            raise Unreadable(f'settings.hpp: "{text[:60]}..." is followed by "{stripped}" and not by a member')
        comment = []
        named = re.match(rf"({_NAME.pattern})(, [^:]*)?: (.+)", text)
        if named:
            yield named[1], declared["member"], declared["default"], named[3]


def rows_from_settings(header, source):
    """Return the rows of all variables that `Settings` documents one by one."""
    numbers = {match["name"]: match for match in _READ.finditer(source)}
    choices = {match["name"]: match for match in _CHOICE.finditer(source)}
    documented = list(documented_members(header))
    variables = {member: name for name, member, _, _ in documented}
    rows = []
    for name, member, default, comment in documented:
        meaning = re.sub(r"`(\w+)`", lambda match: f"`{variables.get(match[1], match[1])}`", comment)
        meaning = meaning[0].upper() + meaning[1:]
        if name in choices:
            yes, no = choices[name]["yes"], choices[name]["no"]
            rows.append(Row(name, f"`{yes if value_of(default) else no}`", "", f"`{yes}`, `{no}`", meaning))
        elif name in numbers:
            unit = unit_of(member)
            least, most = (written(value_of(numbers[name][end]), unit) for end in ("least", "most"))
            rows.append(Row(name, written(value_of(default), unit), unit, f"{least} to {most}", meaning))
        else:
            raise Unreadable(f"settings.cpp: no call that reads {name} was found")
    return rows


def variables_read():
    """Return the names of all variables of the environment that the sources mention, without CMake's options."""
    mentioned, build_options = set(), set()
    for path in (path for folder in READERS for path in (ROOT / folder).rglob("*")):
        if path.is_file() and path.suffix in (".hpp", ".cpp", ".py", ".pyi", ".sh", ".txt", ".in"):
            text = path.read_text()
            mentioned |= set(_NAME.findall(text))
            build_options |= set(re.findall(rf"(?:-D|#\s*define\s+)({_NAME.pattern})", text))
    for path in [ROOT / "CMakeLists.txt", ROOT / "mpi_launch/CMakeLists.txt", *(ROOT / "cmake").glob("*.cmake")]:
        build_options |= set(re.findall(rf"(?:option|set|find_program)\(({_NAME.pattern})", path.read_text()))
    return mentioned - build_options


def table():
    """Return the table as Markdown; raises Unreadable."""
    header = (ROOT / "src/core/settings.hpp").read_text()
    source = (ROOT / "src/core/settings.cpp").read_text()
    rows = sorted([*rows_from_settings(header, source), *OTHER_ROWS])
    names = [row.name for row in rows]
    if len(set(names)) != len(names):
        raise Unreadable(f"two rows for {[name for name in names if names.count(name) > 1]}")
    read = variables_read()
    if missing := sorted(read - set(names)):
        raise Unreadable(
            f"the sources read {', '.join(missing)}, which the table does not have: begin the comment of its member in "
            f"settings.hpp with its name and a colon, or add a row to OTHER_ROWS in {Path(__file__).name}"
        )
    if unknown := sorted(set(names) - read):
        raise Unreadable(f"no source mentions {', '.join(unknown)}")
    lines = ["| variable | default | unit | range | meaning |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{row.name}` | {row.default} | {row.unit} | {row.range} | {row.meaning} |" for row in rows]
    return "\n".join(lines) + "\n"


def main(argv):
    """Do what ``argv`` says and return the exit status."""
    if argv not in (["--write"], ["--check"]):
        print(__doc__.strip())
        return 2
    try:
        made = table()
    except Unreadable as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 1
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    written_table, _, after = rest.partition(END)
    if argv == ["--write"]:
        PAGE.write_text(before + BEGIN + "\n" + made + "\n" + END + after)
        return 0
    if written_table.strip() == made.strip():
        return 0
    print("docs/settings.md is not what the sources say; run docs/settings_table.py --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
