"""Tests of the commands that show and end jobs that serve."""

import datetime
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from joblib_mpi.serving import access, access_files, command
from support.serving_double import access_to, listening, process_that_listens
from support.time_limits import TIMEOUT_SECONDS

HERE = socket.gethostname()


@pytest.fixture(autouse=True)
def state_folder(tmp_path, monkeypatch):
    """Return the folder of access files of a user who has none yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "joblib-mpi" / "jobs"


@pytest.fixture
def short_folder():
    """Return a folder with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="jm"))
    yield folder
    shutil.rmtree(folder)


def publish(path, name="one", **changes):
    return access.publish(access_to(path, job=name, **changes))


def test_list_says_that_there_are_none(capsys):
    assert command.main(["list"]) == 0
    assert "no job of yours serves clients" in capsys.readouterr().out


def test_list_shows_each_job_with_its_state(capsys, short_folder):
    with listening(short_folder / "one"):
        publish(short_folder / "one")
        publish("/none", "far", host="cn042", n_workers=63, slurm_job="12")
        publish("/none", "lost")
        publish("/none", "ended", process_start=1)
        assert command.main(["list"]) == 0
    shown = capsys.readouterr()
    started = datetime.datetime(2026, 11, 29, 19, tzinfo=datetime.UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    assert [re.split("  +", line) for line in shown.out.splitlines()] == [
        ["JOB", "HOST", "WORKERS", "STARTED", "STATE"],
        ["far", "cn042", "63", started, "on another host"],
        ["lost", HERE, "3", started, "unreachable"],
        ["one", HERE, "3", started, "serves clients"],
    ]
    assert "joblib-mpi: far: its rank 0 is on cn042" in shown.err
    assert "joblib-mpi: lost: its socket /none is gone" in shown.err
    assert "joblib-mpi: ended has ended without removing its access file" in shown.err
    assert access_files.jobs() == ["far", "lost", "one"]


def test_list_shows_addresses_if_a_job_has_one(capsys, short_folder):
    with listening(short_folder / "one"), listening(short_folder / "two"):
        publish(short_folder / "one")
        publish(short_folder / "two", "two", address="[::1]:8786", client_key="a key")
        assert command.main(["list"]) == 0
    shown = capsys.readouterr().out
    rows = [re.split("  +", line) for line in shown.splitlines()]
    assert [row[4:] for row in rows] == [
        ["STATE", "ADDRESS"],
        ["serves clients"],
        ["serves clients", "[::1]:8786"],
    ]
    assert "a key" not in shown


def test_list_names_what_it_does_not_use_and_shows_the_rest(capsys, state_folder, short_folder):
    with listening(short_folder / "one"):
        publish(short_folder / "one")
        (state_folder / "open.json").write_text("{}")
        assert command.main(["list"]) == 0
    shown = capsys.readouterr()
    assert "one" in shown.out
    assert "open.json has mode 0644" in shown.err


def test_stop_ends_the_process_that_listens(capsys, state_folder, short_folder):
    with process_that_listens(short_folder / "one") as process:
        publish(short_folder / "one", pid=process.pid)
        assert command.main(["stop", "one"]) == 0
        assert process.wait(TIMEOUT_SECONDS) == -15
    assert capsys.readouterr().out == "joblib-mpi: one has ended\n"
    assert os.listdir(state_folder) == []


def test_stop_ends_a_job_whose_socket_is_gone(short_folder):
    with process_that_listens(short_folder / "one") as process:
        publish(short_folder / "one", pid=process.pid)
        (short_folder / "one").unlink()
        assert command.main(["stop", "one"]) == 0
        assert process.wait(TIMEOUT_SECONDS) == -15


def test_stop_says_that_a_job_does_not_end(capsys, short_folder, monkeypatch):
    monkeypatch.setattr(command, "_STOP_SECONDS", 0.01)
    with process_that_listens(short_folder / "one", ignores_sigterm=True) as process:
        published = publish(short_folder / "one", pid=process.pid)
        assert command.main(["stop", "one"]) == 1
        assert process.poll() is None
        said = capsys.readouterr().err
        assert "one has not ended within 0.01 s" in said
        assert f'"kill -KILL {process.pid}"' in said
        assert access.named("one") == published


def test_stop_of_a_job_that_has_ended_removes_its_file(capsys, state_folder):
    publish("/none", process_start=1)
    assert command.main(["stop", "one"]) == 0
    assert "had ended already" in capsys.readouterr().out
    assert os.listdir(state_folder) == []


def test_a_process_that_has_the_id_of_the_job_is_left_alone(short_folder, monkeypatch):
    with process_that_listens(short_folder / "other") as process:
        ended = publish("/none", pid=process.pid, process_start=1)
        assert not access.state_of(ended).pid
        # As if the job had ended, and its id been used again, between the two looks.
        states = iter([access.State("serves", process.pid), access.State("ended")])
        monkeypatch.setattr(access, "state_of", lambda job: next(states))
        assert command.main(["stop", "one"]) == 0
        assert process.poll() is None


@pytest.mark.parametrize(("slurm_job", "text"), [(None, 'run "joblib-mpi stop one" there'), ("12", "scancel 12")])
def test_stop_of_a_job_on_another_host_says_what_to_do(capsys, monkeypatch, tmp_path, slurm_job, text):
    monkeypatch.setenv("PATH", str(tmp_path))
    publish("/none", host="cn042", slurm_job=slurm_job)
    assert command.main(["stop", "one"]) == 1
    said = capsys.readouterr().err
    assert "cn042" in said
    assert text in said
    assert access_files.path_of("one") in said


@pytest.fixture
def make_scancel(monkeypatch, tmp_path):
    """Return a function that makes the only program on PATH, a scancel of some shell code; it returns its arguments."""

    def make(code):
        scancel = tmp_path / "bin" / "scancel"
        scancel.parent.mkdir()
        scancel.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/cancelled\n{code}\n')
        scancel.chmod(0o755)
        monkeypatch.setenv("PATH", str(scancel.parent))
        return lambda: (tmp_path / "cancelled").read_text()

    return make


def test_stop_of_a_slurm_job_on_another_host_cancels_it(capsys, make_scancel):
    cancelled = make_scancel("exit 0")
    publish("/none", host="cn042", slurm_job="12")
    assert command.main(["stop", "one"]) == 0
    assert cancelled() == "12\n"
    assert "Slurm ends its job 12, and with it one on cn042" in capsys.readouterr().out
    assert access_files.jobs() == []


def test_stop_of_a_step_on_another_host_leaves_the_rest_of_the_slurm_job_alone(capsys, make_scancel):
    publish("/none", host="cn042", slurm_job="12", slurm_step="3")
    cancelled = make_scancel(f"/bin/rm {access_files.path_of('one')}")
    assert command.main(["stop", "one"]) == 0
    assert cancelled() == "--signal=USR1 12.3\n"
    assert capsys.readouterr().out == "joblib-mpi: one has ended\n"


def test_stop_says_that_a_step_on_another_host_does_not_end(capsys, make_scancel, monkeypatch):
    monkeypatch.setattr(command, "_STOP_SECONDS", 0.01)
    make_scancel("exit 0")
    publish("/none", host="cn042", slurm_job="12", slurm_step="3")
    assert command.main(["stop", "one"]) == 1
    said = capsys.readouterr().err
    assert "one on cn042 has not ended within 0.01 s" in said
    assert '"scancel 12" ends the Slurm job' in said
    assert access_files.jobs() == ["one"]


@pytest.mark.parametrize("step", [None, "3"])
def test_stop_shows_why_slurm_does_not_end_a_job(capsys, make_scancel, step):
    make_scancel('echo "scancel: error: Invalid job id" >&2; exit 1')
    publish("/none", host="cn042", slurm_job="12", slurm_step=step)
    assert command.main(["stop", "one"]) == 1
    said = capsys.readouterr().err
    assert "(scancel: error: Invalid job id)" in said
    assert f"remove {access_files.path_of('one')}" in said
    assert access_files.jobs() == ["one"]


def test_stop_of_an_unknown_job_is_an_error(capsys):
    assert command.main(["stop", "none"]) == 1
    assert 'joblib-mpi: no job of yours has the name "none"' in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["stop"], ["list", "x"], ["stop", "a", "b"], ["start"]])
def test_another_command_line_is_refused(capsys, argv):
    assert command.main(argv) == 2
    assert "usage:" in capsys.readouterr().err
