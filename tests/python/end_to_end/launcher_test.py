"""Tests of the command joblib-mpi as pip installs it: real jobs, wrong starts, and stand-ins for Slurm's commands."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.place import COMMAND
from support.sockets import open_ports, processes_below
from support.time_limits import TIMEOUT_SECONDS

pytestmark = pytest.mark.system

WHERE = """
    import os, sys
    from joblib import Parallel, delayed
    def limit(i):
        return os.environ.get("OMP_NUM_THREADS"), os.environ.get("OMPI_COMM_WORLD_SIZE")
    print(sys.argv[1:], sorted(set(Parallel(backend="mpi")(delayed(limit)(i) for i in range(40)))))
"""


@pytest.mark.smoke
def test_a_script_runs_on_ranks_and_ends_the_command_with_its_status(place):
    place.write("script.py", WHERE + "    sys.exit(7)\n")
    ended = place("run", "-n", "3", "script.py", "a", "-n", "b")
    assert (ended.returncode, ended.stdout.split(" [(")[0]) == (7, "['a', '-n', 'b']"), ended


def test_threads_limit_the_libraries_of_the_workers(place):
    place.write("script.py", WHERE)
    # Ranks are not bound, since there may be fewer cores.
    ended = place("run", "-n", "2", "--threads", "3", "--no-bind", "--", "script.py")
    assert (ended.returncode, ended.stdout) == (0, "[] [('3', None)]\n"), ended


def test_options_of_python_arrive(place):
    code = "from joblib import *; import os; print(Parallel(backend='mpi')([delayed(os.getpid)()]) == [os.getpid()])"
    options = ["--isolation", "none", "--preload", "json,csv"]
    ended = place("run", "-n", "1", *options, "-c", code)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended
    assert "1 rank has no workers" in ended.stderr
    refused = place("run", "-n", "1", "--preload", "no_such_module", "-c", code)
    assert (refused.returncode, "no_such_module" in refused.stderr) == (2, True), refused


#: Modules that Python and joblib-mpi import before the program's first line.
IN_THE_WAY = ["cloudpickle", "dataclasses", "joblib", "joblib_mpi", "json", "queue", "runpy", "signal", "types"]

NAMES_ITS_PATH = """
import sys
from joblib import Parallel, delayed, parallel_config

def value(_):
    import beside
    return beside.VALUE

if __name__ == "__main__":
    with parallel_config(backend="mpi"):
        print(Parallel()(delayed(value)(i) for i in range(3)), sys.path[0])
"""


def test_a_script_elsewhere_finds_its_modules_and_nothing_is_taken_from_the_working_directory(place):
    for name in IN_THE_WAY:
        place.write(f"{name}.py", f"raise SystemExit('this is {name} of the working directory')\n")
    elsewhere = place.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "script.py").write_text(NAMES_ITS_PATH)
    (elsewhere / "beside.py").write_text("VALUE = 5\n")
    for program in (
        ("run", "-n", "2", "elsewhere/script.py"),
        ("run", "-n", "2", "--launcher", "mpirun", str(elsewhere / "script.py")),
    ):
        ended = place(*program)
        assert (ended.returncode, ended.stdout) == (0, f"[5, 5, 5] {elsewhere}\n"), ended
    # A module and a command look there, as Python does.
    place.write("program.py", "import sys\nprint(sys.path[0])\n")
    assert place("run", "-n", "1", "-m", "program").stdout == f"{place.folder}\n"
    place.environment["PYTHONSAFEPATH"] = "1"
    assert f"{elsewhere}\n" not in place("run", "-n", "1", "elsewhere/script.py").stdout


def test_a_program_runs_on_every_rank(place):
    place.write("app", "#!/bin/sh\necho rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE $*\n", executable=True)
    ended = place("run", "-n", "3", "--", "./app", "it's", "a b")
    assert ended.returncode == 0, ended
    assert sorted(ended.stdout.splitlines()) == [f"rank {rank} of 3 it's a b" for rank in range(3)]


@pytest.mark.parametrize(
    "options",
    [
        ["-n", "4"],
        ["-n", "2", "--per-node", "2"],
        ["-n", "1", "--threads", "1", "--per-node", "1"],
        ["-n", "1", "--threads", "1"],
        ["-n", "2", "--survive"],
        ["-n", "3", "--per-node", "3", "--threads", "2"],
        ["-n", "2", "--no-bind", "--launcher-option=--tag-output"],
    ],
)
def test_this_mpirun_takes_every_kind_of_command_line(place, options):
    place.environment["JOBLIB_MPI_SPILL_DIR"] = "/tmp"
    ended = place("run", *options, "echo", "here")
    assert ended.returncode == 0, ended
    assert ended.stdout.count("here") == int(options[1])
    assert "deprecated" not in ended.stderr.lower(), ended


WAITS = """
import os, time
from joblib import Parallel, delayed

def wait(index):
    open(f"running{index}", "x").close()
    while not os.path.exists("end"):
        time.sleep(0.01)

Parallel(backend="mpi")(delayed(wait)(index) for index in range(2))
"""


def is_mpirun(process):
    """Return whether the process with this id is Open MPI's launcher, which has a port."""
    return Path(f"/proc/{process}/comm").read_text() in ("mpirun\n", "prterun\n")


def test_ranks_of_one_host_and_their_executors_open_no_ports(place):
    place.write("script.py", WAITS)
    job = subprocess.Popen(
        [str(COMMAND), "run", "-n", "3", "script.py"], cwd=place.folder, env=place.environment, start_new_session=True
    )
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not all((place.folder / f"running{index}").exists() for index in range(2)):
            assert job.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ports = {process: open_ports(process) for process in processes_below(job.pid) if not is_mpirun(process)}
        assert len(ports) >= 5, ports  # three ranks and two executors
        assert not any(ports.values()), ports
    finally:
        place.write("end", "")
    assert job.wait(TIMEOUT_SECONDS) == 0


def test_a_dry_run_prints_a_line_that_does_the_same(place):
    place.write("a script.py", "import sys\nprint(sys.argv)\n")
    line = place("run", "--dry-run", "-n", "2", "a script.py", "it's").stdout
    ended = place("-c", line, command=["bash"])
    assert (ended.returncode, ended.stdout) == (0, "['a script.py', \"it's\"]\n"), (line, ended)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "no command given"),
        (["run"], "no script or program given"),
        (["run", "-n", "0", "x.py"], "is not a whole number of at least 1"),
        (["run", "--ranks-per-node", "2", "x.py"], "unknown option --ranks-per-node"),
        (["run", "missing.py"], "there is no script missing.py"),
        (["run", "./missing"], "there is no program ./missing"),
        (["run", "no-such-program"], "no program no-such-program on PATH"),
        (["run", "./data.txt"], "is not executable"),
        (["run", "--memory-limit", "1GB", "echo"], "only for Python scripts"),
        (["run", "--python", "./none", "script.py"], "there is no such program"),
        (["run", "--python", "./empty-python", "script.py"], "has no module joblib_mpi"),
        (["run", "-n", "2", "--per-node", "1", "echo"], "need 2 nodes"),
        (["run", "--launcher", "srun", "echo"], "inside a Slurm allocation"),
        (["submit", "script.py"], "the size of the job is not given"),
        (["submit", "missing.py", "-n", "2"], "there is no script missing.py"),
        (["submit", "script.py", "-n", "2", "--output", "none/x.out"], "mkdir -p none"),
    ],
)
def test_wrong_words_are_refused_with_status_2_and_one_line(place, arguments, text):
    place.write("script.py", "")
    place.write("data.txt", "")
    place.write("empty-python", f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n', executable=True)
    ended = place(*arguments)
    assert ended.returncode == 2, ended
    assert text in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_root_without_leave_and_a_missing_mpirun_are_said(place):
    if os.geteuid() == 0:
        refused = place("run", "echo", environment={"OMPI_ALLOW_RUN_AS_ROOT": "0"})
        assert (refused.returncode, "refuses to run as root" in refused.stderr) == (2, True), refused
        shown = place("run", "-n", "2", "--dry-run", "echo", environment={"OMPI_ALLOW_RUN_AS_ROOT": "0"})
        assert (shown.returncode, "refuses to run as root" in shown.stderr) == (0, True), shown
        assert shown.stdout.startswith("mpirun -n 2 "), shown
    (place.folder / "bin").mkdir()
    (place.folder / "bin" / "echo").symlink_to("/bin/echo")
    missing = place("run", "echo", environment={"PATH": str(place.folder / "bin")})
    assert (missing.returncode, "no mpirun on PATH" in missing.stderr) == (2, True), missing


def test_an_mpirun_of_another_mpi_is_named(place):
    (place.folder / "bin").mkdir()
    place.write("bin/mpirun", "#!/bin/sh\necho HYDRA build details:\necho '    Version: 4.0.2'\n", executable=True)
    ended = place("run", "echo", environment={"PATH": f"{place.folder}/bin:{os.environ['PATH']}"})
    assert ended.returncode == 2, ended
    assert "the mpirun on PATH is of MPICH 4.0.2, but joblib-mpi was built with Open MPI" in ended.stderr


def test_mpirun_around_the_command_is_said_once(place):
    ended = place("run", "-n", "2", "echo", command=["mpirun", "--oversubscribe", "-n", "3", str(COMMAND)])
    assert ended.returncode == 2, ended
    assert ended.stderr.count("one of 3 processes that mpirun has started") == 1
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "launcher",
    [{"PMI_SIZE": "2", "MPI_LOCALNRANKS": "2", "PMI_RANK": "{}"}, {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "{}"}],
)
def test_ranks_that_are_each_alone_say_so_once_and_run_nothing(place, launcher):
    # As the launchers of other MPIs start processes, and srun without PMIx.
    command = [sys.executable, "-m", "joblib_mpi", "-c", "print('ran')"]
    processes = [
        subprocess.Popen(
            command,
            env=place.environment | {name: value.format(rank) for name, value in launcher.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    (out, said), (other_out, other_said) = [process.communicate(timeout=TIMEOUT_SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [1, 1], (said, other_said)
    assert (out, other_out, other_said) == ("", "", "")
    assert "has started 2 processes" in said
    assert "joblib-mpi run -n 2" in said


# Slurm's commands in a few lines: a job is the script itself, which runs at once, and again when it is requeued.
SBATCH = """\
#!/bin/bash
say() {
  echo "JobId=17 JobState=$1 Reason=$2 Restarts=$start ExitCode=${status:-0}:0 StdOut=$PWD/job.out" >job.state.new
  mv job.state.new job.state
}
echo "$@" >sbatch.arguments
if [[ -e full ]]; then echo "sbatch: error: invalid partition specified" >&2; exit 1; fi
start=0
say PENDING Priority
(
  export SLURM_JOB_ID=17 SLURM_JOB_NODELIST=n1
  while true; do
    export SLURM_RESTART_COUNT=$start
    rm -f requeued
    say RUNNING None
    status=0
    bash "${@: -1}" >>job.out 2>&1 || status=$?
    [[ -e requeued ]] || break
    start=$((start + 1)) status=0
    say PENDING BeginTime
  done
  if [[ $status -eq 0 ]]; then say COMPLETED None; else say FAILED NonZeroExitCode; fi
) </dev/null >/dev/null 2>&1 &
echo "sbatch: warning: something" >&2
echo "17;cluster"
"""
SCONTROL = """\
#!/bin/bash
if [[ $1 == requeue ]]; then touch requeued; exit; fi
if [[ -e job.state ]]; then cat job.state; else echo "slurm_load_jobs error: Invalid job id specified"; exit 1; fi
"""


@pytest.fixture
def slurm(place):
    """Return a `Place` with stand-ins for Slurm's commands; its jobs run under mpirun."""
    (place.folder / "bin").mkdir()
    place.write("bin/sbatch", SBATCH, executable=True)
    place.write("bin/scontrol", SCONTROL, executable=True)
    place.environment["PATH"] = f"{place.folder}/bin:{os.environ['PATH']}"
    place.write(
        "search.py",
        """
        import os, sys
        start = int(os.environ["SLURM_RESTART_COUNT"])
        print("start", start, sys.argv[1:])
        sys.exit(75 if start < int(sys.argv[1]) else 3)
        """,
    )
    return place


SIZE = ["--launcher", "mpirun", "--nodes", "1", "--ntasks-per-node", "1"]


def test_a_job_is_followed_through_requeues_to_its_status(slurm):
    ended = slurm("submit", "search.py", *SIZE, "--wait", "--", "2")
    assert ended.returncode == 3, ended
    printed = [line for line in ended.stdout.splitlines() if line.startswith("start")]
    assert printed == [f"start {start} ['2']" for start in range(3)]
    assert "job 17 is submitted" in ended.stderr.replace(" of search.sbatch", "")
    assert "has ended: FAILED (NonZeroExitCode), status 3" in ended.stderr


def test_a_job_is_not_requeued_for_ever(slurm):
    ended = slurm("submit", "search.py", *SIZE, "--wait", "--max-requeues", "1", "--", "5")
    assert ended.returncode == 75, ended
    assert "is not finished and has had 1 requeues" in ended.stdout
    assert "start 2 [" not in ended.stdout


def test_ctrl_c_ends_the_following_and_not_the_job(slurm):
    slurm.write("wait.py", "import os, time\nprint('begun')\nwhile not os.path.exists('end'): time.sleep(0.05)\n")
    following = subprocess.Popen(
        [str(COMMAND), "submit", "wait.py", *SIZE, "--wait"],
        cwd=slurm.folder,
        env=slurm.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "begun" not in following.stdout.readline():
        assert following.poll() is None
    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=TIMEOUT_SECONDS)
    assert (following.returncode, "job 17 goes on" in said) == (130, True), said
    state = slurm.folder / "job.state"
    assert "RUNNING" in state.read_text()
    slurm.write("end", "")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while "COMPLETED" not in state.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "COMPLETED" in state.read_text()


def test_the_script_is_kept_and_never_overwritten_once_changed(slurm):
    assert slurm("submit", "search.py", *SIZE, "--wait", "--", "0").stdout.count("start 0") == 1
    script = slurm.folder / "search.sbatch"
    assert "#SBATCH --nodes=1" in script.read_text()
    assert (slurm.folder / "sbatch.arguments").read_text().split() == ["--parsable", "search.sbatch"]
    shown = slurm("submit", "search.py", *SIZE, "--time", "9", "--dry-run", "--", "0")
    assert "#SBATCH --time=9" in shown.stdout
    assert "#SBATCH --time" not in script.read_text()
    slurm("submit", "search.py", *SIZE, "--time", "9", "--wait", "--", "0")
    assert "#SBATCH --time=9" in script.read_text()
    script.write_text(script.read_text() + "# mine\n")
    refused = slurm("submit", "search.py", *SIZE, "--", "0")
    assert (refused.returncode, "is left alone" in refused.stderr) == (2, True), refused
    assert script.read_text().endswith("# mine\n")


def test_what_sbatch_refuses_is_passed_on(slurm):
    slurm.write("full", "")
    ended = slurm("submit", "search.py", *SIZE, "--partition", "none", "--", "0")
    assert (ended.returncode, "invalid partition specified" in ended.stderr) == (2, True), ended
    without = slurm("submit", "search.py", *SIZE, environment={"PATH": "/usr/bin:/bin"})
    if not Path("/usr/bin/sbatch").exists():
        assert (without.returncode, "no sbatch on PATH" in without.stderr) == (2, True), without
