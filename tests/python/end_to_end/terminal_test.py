"""Tests of `joblib-mpi run` in a pseudo-terminal: its keys, its size, and streams that are files or pipes."""

import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from support.place import COMMAND
from support.terminal import END_OF_INPUT, INTERRUPT, SUSPEND, Terminal
from support.time_limits import TIMEOUT_SECONDS

RUN = [str(COMMAND), "run", "-n", "3"]

CALL = """
    import os, signal, sys, time
    from joblib import Parallel, delayed
    def work(i):
        time.sleep(0 if i < 3 else 600)
        return i
    def call():
        done = []
        try:
            for i in Parallel(backend="mpi", return_as="generator", batch_size=1)(delayed(work)(i) for i in range(6)):
                done.append(i)
                print("done", i, flush=True)
        except KeyboardInterrupt:
            print("saved", done, flush=True)
    def square(i):
        return i * i
    def squares():
        print(Parallel(backend="mpi")(delayed(square)(i) for i in range(4)), flush=True)
"""

STREAMS = """
    import os, signal, sys
    def show(*_):
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            size = tuple(os.get_terminal_size(stream.fileno())) if stream.isatty() else None
            print(stream.name, stream.isatty(), size, file=sys.stderr, flush=True)
    show()
"""


@pytest.fixture
def terminal(place):
    """Return `terminal(*command, …)`, which opens a `Terminal` in the user's folder."""

    def open_terminal(*command, **settings):
        return Terminal([str(word) for word in command], cwd=place.folder, env=place.environment, **settings)

    return open_terminal


@pytest.mark.smoke
def test_ctrl_c_is_a_keyboard_interrupt_of_the_script_which_goes_on(place, terminal):
    shown = terminal(*RUN, place.write("script.py", f"{CALL}    call()\n    squares()\n"))
    shown.expect("done 2")
    shown.type(INTERRUPT)
    shown.expect(r"saved \[0, 1, 2\]")
    shown.expect(r"\[0, 1, 4, 9\]")
    assert shown.finish() == 0, shown.shown


def test_ctrl_c_that_the_script_does_not_catch_ends_the_job(place, terminal):
    shown = terminal(*RUN, place.write("script.py", f"{CALL}    print('begun', flush=True)\n    time.sleep(600)\n"))
    shown.expect("begun")
    shown.type(INTERRUPT)
    shown.expect("KeyboardInterrupt")
    assert shown.finish() == 130, shown.shown


def test_ctrl_c_ends_a_call_of_the_console_and_the_session_continues(place, terminal):
    place.write("calls.py", CALL)
    shown = terminal(*RUN, "-i")
    shown.expect(">>> ")
    shown.type("from calls import call, squares\n")
    shown.expect(">>> ")
    shown.type("call()\n")
    shown.expect("done 2")
    shown.type(INTERRUPT)
    shown.expect(r"saved \[0, 1, 2\]")
    shown.expect(">>> ")
    shown.type("squares()\n")
    shown.expect(r"\[0, 1, 4, 9\]")
    shown.expect(">>> ")
    shown.type(END_OF_INPUT)
    assert shown.finish() == 0, shown.shown


def test_ipython_is_as_in_a_terminal(place, terminal):
    pytest.importorskip("IPython")
    place.environment["IPYTHONDIR"] = str(place.folder / "ipython")
    place.write("calls.py", CALL)
    code = "from calls import call, squares; import sys; print(sys.stdin.isatty(), 'ready')"
    shown = terminal(*RUN, "-m", "IPython", "--no-banner", "--colors=NoColor", "-i", "-c", code)
    shown.expect("True ready")
    shown.expect(r"In \[")
    shown.type("call()\r")
    shown.expect("done 2")
    shown.type(INTERRUPT)
    shown.expect(r"saved \[0, 1, 2\]")
    shown.expect(r"In \[")
    shown.type("squares()\r")
    shown.expect(r"\[0, 1, 4, 9\]")
    shown.expect(r"In \[")
    shown.type("exit()\r")
    assert shown.finish() == 0, shown.shown


def test_interrupts_within_a_second_end_a_job_that_heeds_none(place, terminal):
    heed = "signal.signal(signal.SIGINT, lambda *_: print('heard', flush=True))"
    shown = terminal(*RUN, place.write("script.py", f"{CALL}    {heed}\n    print('begun', flush=True)\n    call()\n"))
    shown.expect("begun")
    shown.type(INTERRUPT)
    shown.expect("heard")
    while "twice" not in shown.shown:  # on a machine so busy that a second passes, another pair does it
        shown.type(INTERRUPT)
        shown.expect("heard|interrupted twice within a second: the job ends")
    assert shown.finish() == 130, shown.shown


def test_ctrl_c_before_rank_0_has_started_ends_the_job(place, terminal):
    mpirun = shutil.which("mpirun")
    (place.folder / "bin").mkdir()
    version = f'[ "$1" != --version ] || exec {mpirun} --version'
    place.write("bin/mpirun", f"#!/bin/sh\n{version}\necho waiting\nexec sleep 600\n", executable=True)
    place.environment["PATH"] = f"{place.folder}/bin:{place.environment['PATH']}"
    shown = terminal(*RUN, "echo")
    shown.expect("waiting")
    shown.type(INTERRUPT)
    assert shown.finish() == 130, shown.shown


def test_a_job_is_suspended_and_continued_by_its_shell(place, terminal):
    place.write("script.py", f"{CALL}    print('begun', flush=True)\n    print('read', input())\n    squares()\n")
    shown = terminal("bash", "--norc", "--noprofile", "--noediting", "-i")
    for resume in ("fg", "bg; fg"):
        shown.type(f"PS1='ready> '; {shlex.join(RUN)} script.py\n")
        shown.expect("\nbegun")
        shown.type(SUSPEND)
        shown.expect("Stopped")
        shown.expect("ready> ")
        shown.type(f"{resume}; echo status $?\n")
        shown.expect("script.py")
        shown.type("a line\n")
        shown.expect("read a line")
        shown.expect(r"\[0, 1, 4, 9\]")
        shown.expect("status 0")
    shown.type("exit\n")
    shown.finish()


def test_a_pipeline_leaves_the_terminal_to_rank_0_that_reads_from_it(place, terminal):
    place.write("script.py", "print('begun', flush=True)\nprint('read', input())\n")
    shown = terminal("bash", "-c", f"{shlex.join(RUN)} script.py | cat")
    shown.expect("begun")
    shown.type("a line\n")
    shown.expect("read a line")
    assert shown.finish() == 0, shown.shown


def test_rank_0_has_the_terminal_and_learns_of_its_size(place, terminal):
    script = f"""{STREAMS}
    import time
    size = None
    def changed(*_):
        global size
        show()
        size = tuple(os.get_terminal_size(2))
    def wait_for(expected):  # by looking: pause() does not return for a signal that came just before it
        while size != expected:
            time.sleep(0.01)
    signal.signal(signal.SIGWINCH, changed)
    print("begun", flush=True)
    wait_for((50, 20))
    input()
    print("reads", flush=True)
    wait_for((51, 21))
"""
    shown = terminal(*RUN, place.write("script.py", script), size=(33, 77))
    for stream in ("<stdin>", "<stdout>", "<stderr>"):
        shown.expect(rf"{stream} True \(77, 33\)")
    shown.expect("begun")
    shown.resize(20, 50)
    shown.expect(r"<stderr> True \(50, 20\)")
    shown.type("\n")
    shown.expect("reads")  # it has the foreground from now on
    shown.resize(21, 51)
    shown.expect(r"<stderr> True \(51, 21\)")
    assert shown.finish() == 0, shown.shown


def test_streams_that_are_files_and_pipes_are_no_terminals(place, terminal):
    script = place.write("script.py", STREAMS + "    print(sys.stdin.read().strip(), flush=True)\n")
    log = place.folder / "log"
    with log.open("w") as output, place.write("input", "a line\n").open() as lines:
        shown = terminal(*RUN, script, stdin=lines, stdout=output, size=(33, 77))
        shown.expect("<stdin> False None")
        shown.expect("<stdout> False None")
        shown.expect(r"<stderr> True \(77, 33\)")
        assert shown.finish() == 0, shown.shown
    assert log.read_text() == "a line\n"

    ended = place("run", "-n", "2", str(script))
    assert (ended.returncode, ended.stdout) == (0, "\n"), ended
    assert "<stdout> False None\n<stderr> False None\n" in ended.stderr


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_job_ends_with_the_command(place, end):
    script = place.write("script.py", f"{CALL}    print('begun', flush=True)\n    call()\n")
    process = subprocess.Popen(
        [*RUN, str(script)], cwd=place.folder, env=place.environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(end)
    assert process.wait(TIMEOUT_SECONDS) != 0
    process.stdout.close()


def test_a_bare_mpirun_has_the_window_size_and_says_that_a_log_is_no_terminal(place, terminal):
    script = place.write("script.py", "import os, sys\nprint(sys.stdout.isatty(), os.get_terminal_size(1))\n")
    mpirun = ["mpirun", "--oversubscribe", "-n", "2", sys.executable, "-m", "joblib_mpi", script]
    shown = terminal(*mpirun, size=(33, 77))
    shown.expect(r"True os.terminal_size\(columns=77, lines=33\)")
    assert shown.finish() == 0, shown.shown
    with open(os.devnull) as nothing, (place.folder / "log").open("w") as log:
        subprocess.run(mpirun, cwd=place.folder, env=place.environment, stdin=nothing, stdout=log, check=True)
    assert (place.folder / "log").read_text().startswith("False ")
