"""check_bad_places.py COMMAND: checks what `joblib-mpi doctor` reports if a run would fail, and that it never hangs."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from doctor_run import DoctorRun, write_program

program = sys.argv[1]
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)

    # A Python without joblib_mpi: -I and -S hide all installed packages.
    bare = write_program(folder / "bare_python", f'exec "{sys.executable}" -I -S "$@"\n')
    run = DoctorRun(program, "-n", "2", "--python", bare, "--json", "-")
    assert run.status == 1
    problem = run.problem("Python programs cannot run", "No module named 'joblib_mpi'")
    assert problem["severity"] == "fails"
    assert "--python" in problem["remedy"]

    # A Python that never answers.
    silent = write_program(folder / "silent_python", "exec sleep 1000\n")
    run = DoctorRun(program, "-n", "2", "--python", silent, "--seconds", "20", "--json", "-")
    assert run.status == 1
    assert run.problem("Python programs cannot run", "no answer within 5 s")["severity"] == "fails"

    # A rank that is killed before it joins, and one that hangs; the other waits for it in MPI_Init.
    for signal in ("KILL", "STOP"):
        faulty = write_program(folder / "faulty_python", f"kill -{signal} $PPID\n")
        run = DoctorRun(program, "-n", "2", "--python", faulty, "--seconds", "20", "--json", "-")
        assert run.status == 1
        # The rank that hangs lives on for a moment after mpirun has ended it.
        run.problem("ranks have not joined", "rank 0 on", "rank 1 on", "enters MPI_Init")
        assert run.json["report"] is None

    # A launcher whose ranks do not find each other: it is no MPI and just starts the probe twice.
    (folder / "lonely").mkdir()
    real = shutil.which("mpirun")
    write_program(
        folder / "lonely/mpirun",
        f"""[ "$1" = --version ] && exec "{real}" --version
while [ "${{1##*/}}" != joblib-mpi-probe ]; do shift; done
"$@" & "$@"
wait
""",
    )
    path = f"{folder}/lonely:{os.environ['PATH']}"
    run = DoctorRun(program, "-n", "2", "--json", "-", environment={**os.environ, "PATH": path})
    assert run.status == 1
    assert run.problem("each is a job of 1 rank")["severity"] == "fails"

    # A spill folder that does not exist.
    run = DoctorRun(program, "-n", "2", "--spill-dir", f"{folder}/nowhere", "--json", "-")
    assert run.status == 1
    problem = run.problem("no file can be made", f"{folder}/nowhere", "No such file or directory")
    assert problem["severity"] == "fails"
    assert "--spill-dir" in problem["remedy"]

    # A Python that does not exist, and a machine without mpirun.
    run = DoctorRun(program, "-n", "2", "--python", f"{folder}/no_python", "--json", "-")
    assert run.status == 1
    run.problem("no_python")
    (folder / "bin").mkdir()
    (folder / "bin/sh").symlink_to(shutil.which("sh"))
    run = DoctorRun(program, "-n", "2", "--json", "-", environment={**os.environ, "PATH": f"{folder}/bin"})
    assert run.status == 1
    run.problem("no mpirun on PATH")

    # Invalid options.
    for wrong in (["--megabytes", "0"], ["--seconds", "soon"]):
        run = DoctorRun(program, *wrong)
        assert run.status == 2
        assert wrong[0] in run.errors
    ended = subprocess.run([program, "doctor", "--json", f"{folder}/nowhere/x"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert "cannot be written" in ended.stderr
