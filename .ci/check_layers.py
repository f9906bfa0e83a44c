"""Checks that includes go downward through the layers and that MPI, HDF5 and Python stay in the files named for them.

It also refuses a table that allows what does not exist or what no file uses.

Run from anywhere: ``check_layers.py [repository]``; ``check_layers.py --self-test`` plants violations and expects each
to be found. Prints one line per violation and ends with status 1 if there is one.
"""

import re
import sys
import tempfile
from pathlib import Path

# What each folder under src/ may include: another folder, or a single header of one, or a public header
# (a `joblib_mpi/` path). A layer always sees itself. `ANY_PUBLIC` is every header of include/joblib_mpi.
ANY_PUBLIC = "joblib_mpi/"
# Public headers that every folder may include.
PUBLIC_BASICS = [
    "joblib_mpi/detail/array_layout.hpp",
    "joblib_mpi/detail/object_id.hpp",
    "joblib_mpi/detail/payload.hpp",
    "joblib_mpi/error.hpp",
    "joblib_mpi/object_stats.hpp",
]

LAYERS = {
    # The words that every layer shares; nothing of ours below it.
    "core": ["joblib_mpi/detail/spill_options.hpp"],
    # Users bring their own archives and types, so the library's part of that face is public.
    "serialization": ["joblib_mpi/serialization.hpp", "joblib_mpi/detail/function_registry.hpp"],
    # What processes of one machine hand to each other: open files and the memory behind them.
    "segments": ["core"],
    # Ranks of one machine meet through MPI before they have a socket.
    "mpi": ["core", "segments"],
    "observe": [],
    # Decides and does no I/O: testable without MPI only as long as it sees nothing that has any.
    "scheduler": ["core"],
    # Files that outlast a crash, and HDF5: what checkpoints and large results both need.
    "files": ["core/file_identity.hpp"],
    # Files that are mapped are handed to clients on the same machine.
    "spill": ["core", "files", "segments/mapped_files.hpp", "joblib_mpi/detail/spill_options.hpp"],
    # The interface moves bytes; the implementation over MPI needs its error codes and communicators.
    "transport": ["core", "mpi"],
    "store": ["core", "segments", "transport/transport.hpp"],
    "protocol": ["core"],
    # Calls registered functions, in the scope of a task: nested calls must not go to MPI.
    "executor": [
        "core",
        "segments",
        "serialization",
        "spill/result_spiller.hpp",
        "joblib_mpi/detail/function_registry.hpp",
    ],
    # Rank 0's loop joins decisions with interfaces, never with one implementation.
    "coordinator": [
        "core",
        "scheduler",
        "protocol",
        "transport/transport.hpp",
        "store/object_store.hpp",
        "spill/result_store.hpp",
        "joblib_mpi/detail/call_options.hpp",
    ],
    # A process that is no rank: it has its words in common with rank 0, and neither MPI nor the coordinator.
    "client": ["core", "segments", "protocol/message_bytes.hpp", "joblib_mpi/detail/call_options.hpp"],
    # Rank 0's side of its clients.
    "server": ["client", "core", "coordinator", "segments"],
    # A worker looks at the files of its host for rank 0.
    "worker": [
        "core",
        "files/file_comparison.hpp",
        "protocol",
        "executor/executor.hpp",
        "transport/transport.hpp",
        "store/object_store.hpp",
    ],
    # The MPI backend makes exceptions of what workers describe.
    "backends": [
        "coordinator",
        "serialization/exception_codec.hpp",
        "core/task_scope.hpp",
        "core/usable_cores.hpp",
        "joblib_mpi/backend.hpp",
    ],
    # Between any backend and a call's results: it knows no backend.
    "checkpoint": ["core", "files", "joblib_mpi/backend.hpp"],
    # Works with every backend because it knows none.
    "parallel": [ANY_PUBLIC, "core/task_scope.hpp", "observe", "checkpoint"],
    # The one place that knows every concrete class.
    "session": [
        ANY_PUBLIC,
        "core",
        "segments",
        "mpi",
        "spill",
        "transport",
        "store",
        "protocol",
        "executor",
        "coordinator",
        "worker",
        "backends",
        "checkpoint",
    ],
    # The command joblib-mpi, which has no part in a job: its words, and one folder for each thing that it does.
    "mpi_launch": ["command", "run", "serve", "submit", "doctor", "terminal"],
    "command": ["core"],
    # The user's terminal, and rank 0 as the program that has it.
    "terminal": ["command/launch_error.hpp", "segments/descriptor.hpp", "segments/node_socket.hpp"],
    "run": ["command", "terminal/attended_launch.hpp", "core/usable_cores.hpp"],
    "serve": ["command", "run"],
    "submit": ["command", "run"],
    "doctor": ["command", "run", "probe"],
    # What the doctor starts on the ranks: the only part that has MPI, in files named mpi_.
    "probe": [
        "command/captured_run.hpp",
        "core",
        "files/guarded_folder.hpp",
        "mpi",
        "segments/memory_room.hpp",
        "spill/result_store.hpp",
    ],
}

# Outside libraries that only some files may include: (what, include pattern, word that the file's name must have).
NAMED_FILES = [
    ("MPI", re.compile(r"^(mpi\.h|boost/mpi\b.*)$"), "mpi"),
    ("HDF5", re.compile(r"^(hdf5.*|H5.*)$"), "hdf5"),
]
BINDING_INCLUDE = re.compile(r"^(nanobind/.*|pybind11/.*|Python\.h)$")
BINDING_FOLDER = "python/bindings"

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
SUFFIXES = {".hpp", ".cpp", ".h", ".ipp"}


def layer_of(path):
    """Return the layer that a file (path relative to the repository) belongs to, None for bindings and headers."""
    if path.parts[0] == "src" and len(path.parts) > 2:
        return path.parts[1]
    if path.parts[0] == "include":
        return "include/joblib_mpi"
    if path.parts[0] == "mpi_launch":
        return path.parts[1] if len(path.parts) > 2 else "mpi_launch"
    return None


def allowance_for(layer, target, layers):
    """Return what lets a file of `layer` include our header `target`, such as ``core/ids.hpp``, or None."""
    folder = target.split("/")[0]
    if layer == "include/joblib_mpi":
        return ANY_PUBLIC if target.startswith(ANY_PUBLIC) else None
    if target in PUBLIC_BASICS or folder == layer:
        return target
    for allowed in layers[layer]:
        if allowed in (target, folder) or (allowed == ANY_PUBLIC and target.startswith(ANY_PUBLIC)):
            return allowed
    return None


def exists(allowed, root):
    """Return whether there is a folder or header such as ``core``, ``core/ids.hpp`` or ``joblib_mpi/error.hpp``."""
    return any((root / base / allowed).exists() for base in ("src", "include", "mpi_launch", ""))


def resolve(target, path, root, layers):
    """Return `target` as ours, ``layer/header`` or ``joblib_mpi/header``, or None for an outside header."""
    if (root / "mpi_launch" / target).is_file():
        return target if "/" in target else f"mpi_launch/{target}"
    for base, prefix in ((root / "src", ""), (root / "include", ""), ((root / path).parent, None)):
        if not (base / target).is_file():
            continue
        if prefix is not None:
            return target
        found = (base / target).resolve().relative_to(root.resolve())
        return Path(*found.parts[1:]).as_posix()
    first = target.split("/")[0]
    return target if first == "joblib_mpi" or first in layers else None


def violations_of(path, root, layers, used):
    """Yield ``(line number, message)`` for each forbidden include of one file; add what allows the others to `used`."""
    layer = layer_of(path)
    if layer is not None and layer not in layers and layer != "include/joblib_mpi":
        yield 1, f"layer {layer} is not in the table of .ci/check_layers.py; known: {', '.join(layers)}"
        return
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), start=1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        for what, pattern, word in NAMED_FILES:
            if pattern.match(target) and word not in path.name:
                yield number, f'only a file with "{word}" in its name may include {what}\'s {target}'
        if BINDING_INCLUDE.match(target) and not path.as_posix().startswith(BINDING_FOLDER + "/"):
            yield number, f"only {BINDING_FOLDER} may include {target}"
        ours = resolve(target, path, root, layers)
        if layer is None or ours is None:
            continue
        allowance = allowance_for(layer, ours, layers)
        if allowance is None:
            yield number, f"layer {layer} may not include {ours}"
        used.add((layer, allowance))


def stale_allowances(root, layers, used):
    """Yield a line for each allowance that names nothing, or that no file needs."""
    for header in PUBLIC_BASICS:
        if not exists(header, root):
            yield f"PUBLIC_BASICS of .ci/check_layers.py names {header}, which does not exist"
        elif not any(allowance == header and layer in layers for layer, allowance in used):
            yield f"PUBLIC_BASICS of .ci/check_layers.py names {header}, which no layer includes"
    for layer, allowances in layers.items():
        if not exists(layer, root):
            yield f".ci/check_layers.py has a layer {layer}, but there is no such folder"
            continue
        for allowed in allowances:
            if not exists(allowed, root):
                yield f".ci/check_layers.py allows layer {layer} to include {allowed}, which does not exist"
            elif (layer, allowed) not in used:
                yield f".ci/check_layers.py allows layer {layer} to include {allowed}, but no file does"


def check(root, layers=LAYERS):
    """Return the forbidden includes and the stale allowances below `root` as lines, and the number of files read."""
    files = sorted(
        file.relative_to(root)
        for folder in ("include", "src", "mpi_launch", BINDING_FOLDER)
        for file in (root / folder).rglob("*")
        if file.suffix in SUFFIXES
    )
    used = set()
    lines = [
        f"{file}:{number}: {message}" for file in files for number, message in violations_of(file, root, layers, used)
    ]
    return lines, list(stale_allowances(root, layers, used)), len(files)


def plant(root, includes):
    """Write a file with one include for each item of `includes`."""
    for name, include in includes.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        line = include if "#" in include else f"#include {include}"
        (root / name).write_text(f"#pragma once\n{line}\n", encoding="utf-8")


def self_test_of_allowances():
    """Return what the check gets wrong about allowances that are needed, are not, or name nothing."""
    layers = {
        "core": ["joblib_mpi/backend.hpp", "joblib_mpi/gone.hpp"],
        "scheduler": ["core", "core/clock.hpp"],
        "worker": ["core", "scheduler", "vanished"],
        "left": [],
    }
    includes = {
        "include/joblib_mpi/backend.hpp": "<string>",
        "src/core/clock.hpp": "<joblib_mpi/backend.hpp>",
        "src/scheduler/scheduler.hpp": '"core/clock.hpp"',
        "src/worker/worker.cpp": '"core/clock.hpp"',
    }
    includes |= {f"include/{header}": "<string>" for header in PUBLIC_BASICS[2:]}
    includes |= {f"src/core/basic_{number}.hpp": f"<{header}>" for number, header in enumerate(PUBLIC_BASICS[2:-1])}
    expected = [
        f"{PUBLIC_BASICS[0]}, which does not exist",
        f"{PUBLIC_BASICS[1]}, which does not exist",
        f"{PUBLIC_BASICS[-1]}, which no layer includes",
        "core to include joblib_mpi/gone.hpp, which does not exist",
        "scheduler to include core/clock.hpp, but no file does",  # the folder is allowed already
        "worker to include scheduler, but no file does",
        "worker to include vanished, which does not exist",
        "a layer left, but there is no such folder",
    ]
    with tempfile.TemporaryDirectory() as folder:
        plant(Path(folder), includes)
        lines, stale, _ = check(Path(folder), layers)
    as_expected = len(stale) == len(expected) and all(map(str.endswith, stale, expected))
    return [] if as_expected and not lines else [f"expected these stale allowances: {expected}, got {stale}, {lines}"]


def self_test():
    """Return what the check gets wrong in a tree of allowed and forbidden includes; empty if nothing."""
    planted = {
        "include/joblib_mpi/error.hpp": ["<string>", "ok"],
        "include/joblib_mpi/backend.hpp": ["<joblib_mpi/error.hpp>", "ok"],
        "include/joblib_mpi/parallel.hpp": ['"core/clock.hpp"', "layer include/joblib_mpi may not include core/"],
        "include/joblib_mpi/scatter.hpp": ["<mpi.h>", "may include MPI"],
        "include/joblib_mpi/mpi_session.hpp": ["<mpi.h>", "ok"],
        "src/core/clock.hpp": ["<joblib_mpi/error.hpp>", "ok"],
        "src/core/bytes.cpp": ['"scheduler/scheduler.hpp"', "layer core may not include scheduler/"],
        "src/core/other.cpp": ["<joblib_mpi/backend.hpp>", "layer core may not include joblib_mpi/backend.hpp"],
        "src/scheduler/scheduler.hpp": ['"core/clock.hpp"', "ok"],
        "src/scheduler/scheduler.cpp": ['"scheduler.hpp"', "ok"],
        "src/scheduler/credits.cpp": ['"../mpi/mpi_check.hpp"', "layer scheduler may not include mpi/mpi_check.hpp"],
        "src/mpi/mpi_check.hpp": ["<boost/mpi/exception.hpp>", "ok"],
        "src/transport/loopback.cpp": ["<boost/mpi.hpp>", "may include MPI"],
        "src/transport/transport.hpp": ['"protocol/messages.hpp"', "layer transport may not include protocol/"],
        "src/coordinator/coordinator.cpp": ['"transport/transport.hpp"', "ok"],
        "src/coordinator/options.hpp": ["<joblib_mpi/detail/call_options.hpp>", "ok"],
        "src/coordinator/call.hpp": ["<joblib_mpi/backend.hpp>", "layer coordinator may not include joblib_mpi/"],
        "src/coordinator/loop.cpp": ['"transport/mpi_transport.hpp"', "layer coordinator may not include transport/"],
        "src/parallel/window.cpp": ["<joblib_mpi/backend.hpp>", "ok"],
        "src/parallel/driver.cpp": ['  #  include "coordinator/coordinator.hpp"', "layer parallel may not include"],
        "src/spill/hdf5_result_file.cpp": ["<hdf5.h>", "ok"],
        "src/checkpoint/journal.cpp": ["<H5Cpp.h>", "may include HDF5"],
        "src/worker/worker.cpp": ["<nanobind/nanobind.h>", "only python/bindings may include"],
        "src/unlisted/thing.cpp": ["<string>", "layer unlisted is not in the table"],
        "src/session/mpi_session.cpp": ['"worker/worker.hpp"', "ok"],
        "mpi_launch/run/run.hpp": ["<string>", "ok"],
        "mpi_launch/main.cpp": ['"worker/worker.hpp"', "layer mpi_launch may not include worker/"],
        "mpi_launch/doctor/doctor.cpp": ['"run/run.hpp"', "ok"],
        "mpi_launch/doctor/diagnosis.cpp": ["<mpi.h>", "may include MPI"],
        "mpi_launch/probe/mpi_facts.cpp": ["<mpi.h>", "ok"],
        "mpi_launch/doctor/table.cpp": ['"session/mpi_session.hpp"', "layer doctor may not include session/"],
        "python/bindings/module.cpp": ["<nanobind/nanobind.h>", "ok"],
    }
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        plant(root, {name: include for name, (include, _) in planted.items()})
        found, _, files = check(root)
    if files != len(planted):
        wrong.append(f"read {files} files of {len(planted)}")
    for name, (include, expected) in planted.items():
        said = [line for line in found if line.startswith(f"{name}:")]
        if (expected == "ok" and said) or (expected != "ok" and not (len(said) == 1 and expected in said[0])):
            wrong.append(f"{name} with {include}: expected {expected}, got {said or 'nothing'}")
    return wrong


def main(arguments):
    """Run the check or its self-test and return the exit status."""
    if arguments == ["--self-test"]:
        problems = self_test() + self_test_of_allowances()
        print("\n".join(problems) or "check_layers.py finds what it must find")
        return 1 if problems else 0
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    lines, stale, files = check(root)
    for line in lines + stale:
        print(line)
    if files == 0:
        print(f"{root}: no source file found in include, src, mpi_launch and {BINDING_FOLDER}")
        return 1
    print(f"{files} files, {len(lines)} includes that break the layers, {len(stale)} stale allowances")
    return 1 if lines or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
