"""Tests of access files: who may have written them, what is read, and which job a client gets."""

import json
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import access, access_files, socket_folder
from support.serving_double import access_to, listening, process_that_listens

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


@pytest.fixture
def publish_job(short_folder):
    """Return a function that publishes the access file of a job, whose socket is in the folder."""

    def publish(name, **changes):
        return access.publish(access_to(short_folder / name, job=name, **changes))

    return publish


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def refusal(call, *arguments):
    """Return the text of the SessionError that a call raises."""
    with pytest.raises(SessionError) as raised:
        call(*arguments)
    return str(raised.value)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o277])
def test_an_access_file_comes_back_and_is_the_users_alone(state_folder, publish_job, umask):
    state_folder.mkdir(parents=True, mode=0o700)
    before = os.umask(umask)
    try:
        written = publish_job("one", slurm_job="12")
    finally:
        os.umask(before)
    path = access_files.path_of("one")
    assert access.read(path) == written
    assert (mode(state_folder), mode(path), os.listdir(state_folder)) == (0o700, 0o600, ["one.json"])


def test_the_folder_is_made_for_the_user_alone(state_folder, publish_job):
    publish_job("one")
    assert mode(state_folder) == 0o700


def test_without_xdg_state_home_the_folder_is_in_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative/folder"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert access_files.folder_path() == f"{tmp_path}/.local/state/joblib-mpi/jobs"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert access_files.folder_path() == f"{tmp_path}/.local/state/joblib-mpi/jobs"


@pytest.mark.parametrize("unsafe", [0o644, 0o620, 0o606])
def test_a_file_that_others_can_read_or_write_is_refused(publish_job, unsafe):
    publish_job("one")
    path = access_files.path_of("one")
    os.chmod(path, unsafe)
    said = refusal(access.read, path)
    assert f"mode {unsafe:04o}" in said
    assert f"chmod 600 {path}" in said
    assert said in access.all_jobs().problems
    assert said in refusal(access.find, "auto")


def test_a_folder_that_others_can_enter_is_refused(state_folder, publish_job):
    publish_job("one")
    state_folder.chmod(0o711)
    for said in (refusal(publish_job, "two"), *access.all_jobs().problems):
        assert "mode 0711" in said
        assert f"chmod 700 {state_folder}" in said


def test_what_belongs_to_another_user_is_refused(publish_job, monkeypatch):
    publish_job("one")
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert f"belongs to another user (id {me})" in refusal(access.read, access_files.path_of("one"))
    assert f"belongs to another user (id {me})" in access.all_jobs().problems[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_another_user_has_planted_is_refused(state_folder, publish_job, short_folder):
    with listening(short_folder / "one"), listening(short_folder / "two"):
        publish_job("one")
        publish_job("two")
        os.chown(access_files.path_of("one"), 65534, 65534)
        assert "another user (id 65534)" in refusal(access.find, "one")
        assert access.find("auto").job == "two"
        os.chown(state_folder, 65534, 65534)
        assert "another user (id 65534)" in refusal(access.find, "auto")


def test_links_pipes_and_folders_are_no_access_files(state_folder, publish_job):
    publish_job("one")
    (state_folder / "link.json").symlink_to("one.json")
    os.mkfifo(state_folder / "pipe.json", 0o600)
    (state_folder / "folder.json").mkdir(0o700)
    for name in ("link", "pipe", "folder"):
        assert "remove it" in refusal(access.read, access_files.path_of(name))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "text",
        "[]",
        "null",
        "{}",
        "\udcff",
        "[" * 30000,
        json.dumps({**access_to("/s")._asdict(), "pid": "12"}),
        json.dumps({**access_to("/s")._asdict(), "n_workers": True}),
        json.dumps({**access_to("/s")._asdict(), "socket": None}),
        "x" * 70000,
    ],
)
def test_what_is_no_access_file_is_named(state_folder, publish_job, content):
    publish_job("one")
    path = state_folder / "other.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    path.chmod(0o600)
    assert str(path) in refusal(access.read, str(path))


def test_a_file_of_a_later_version_may_have_more_fields(state_folder, publish_job):
    written = publish_job("one")
    path = state_folder / "one.json"
    path.write_text(json.dumps({**written._asdict(), "color": "red"}))
    assert access.read(str(path)) == written


def test_a_copy_under_another_name_is_no_other_job(state_folder, publish_job, short_folder):
    with listening(short_folder / "one"):
        publish_job("one")
        shutil.copy2(state_folder / "one.json", state_folder / "two.json")
        assert access.find("auto").job == "one"
        assert "of another job, one" in refusal(access.find, "two")


def test_the_second_job_of_a_name_gets_a_number_and_one_that_has_ended_leaves_its_name(short_folder, publish_job):
    with listening(short_folder / "slurm-12"):
        assert publish_job("slurm-12").job == "slurm-12"
        assert publish_job("slurm-12").job == "slurm-12-2"
        assert publish_job("slurm-12").job == "slurm-12-3"
    ended = publish_job("slurm-13", pid=os.getpid(), process_start=1)
    assert access.state_of(ended).kind == "ended"
    assert publish_job("slurm-13").job == "slurm-13"


def test_a_file_that_is_refused_keeps_its_name(state_folder, publish_job):
    state_folder.mkdir(parents=True, mode=0o700)
    (state_folder / "one.json").write_text("theirs")
    assert publish_job("one").job == "one-2"
    assert (state_folder / "one.json").read_text() == "theirs"


def test_a_file_system_without_links_serves_as_well(state_folder, publish_job, short_folder, monkeypatch):
    def refuse(*arguments, **settings):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    with listening(short_folder / "one"):
        assert [publish_job("one").job for _ in range(2)] == ["one", "one-2"]
    assert sorted(os.listdir(state_folder)) == ["one-2.json", "one.json"]


def test_a_state_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path, publish_job):
    (tmp_path / "state").write_text("a file")
    said = refusal(publish_job, "one")
    assert "Not a directory" in said
    assert "XDG_STATE_HOME" in said


def test_a_job_that_listens_serves(publish_job, short_folder):
    published = publish_job("one")
    with listening(short_folder / "one"):
        assert access.state_of(published) == access.State("serves", os.getpid())


def test_the_process_that_listens_is_told_by_the_kernel(publish_job, short_folder):
    published = publish_job("one", pid=1)
    with process_that_listens(short_folder / "one") as process:
        assert access.state_of(published) == access.State("serves", process.pid)


def test_a_job_that_was_killed_has_ended_and_its_files_are_removed(state_folder, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    path = socket_folder.make()
    with process_that_listens(path) as process:
        killed = access.publish(access_to(path, pid=process.pid))
        assert [job.access for job in access.all_jobs().present] == [killed]
    assert os.path.exists(path)
    assert access.all_jobs() == access.Jobs([], [killed], [])
    assert os.listdir(state_folder) == []
    assert not os.path.exists(os.path.dirname(path))
    assert access.all_jobs() == access.Jobs([], [], [])


def test_a_process_that_has_the_id_of_one_that_has_ended_is_no_job(publish_job):
    assert access.state_of(publish_job("one", process_start=1)).kind == "ended"


def test_a_job_whose_socket_was_removed_stays_known(publish_job, short_folder, state_folder):
    published = publish_job("one")
    state = access.all_jobs().present[0].state
    assert (state.kind, state.pid) == ("unreachable", os.getpid())
    assert f"{short_folder}/one is gone" in state.reason
    assert "joblib-mpi stop one" in refusal(access.find, "one")
    assert access.named("one") == published


def test_a_socket_of_another_user_is_no_job(publish_job, short_folder, monkeypatch):
    published = publish_job("one", pid=0)
    me = os.geteuid()
    with listening(short_folder / "one"):
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
        state = access.state_of(published)
    assert state.kind == "unreachable"
    assert f"another user (id {me})" in state.reason


def test_of_a_job_on_another_host_nothing_is_known_and_nothing_removed(publish_job, state_folder):
    published = publish_job("one", host="cn042", slurm_job="12")
    assert access.state_of(published).kind == "elsewhere"
    assert [job.access for job in access.all_jobs().present] == [published]
    said = refusal(access.find, "one")
    assert "cn042" in said
    assert f"this is {HERE}" in said
    assert "srun --jobid=12 --overlap -w cn042" in said
    assert "start the program there" in refusal(access.find, publish_job("two", host="cn042").job)


def test_auto_is_the_only_job_that_serves_here(publish_job, short_folder):
    said = refusal(access.find, "auto")
    assert f"no job of yours serves clients on {HERE}" in said
    assert 'start one with "joblib-mpi serve"' in said
    publish_job("far", host="cn042")
    publish_job("ended", process_start=1)
    assert "far cannot be used: its rank 0 is on cn042" in refusal(access.find, "auto")
    with listening(short_folder / "one"):
        one = publish_job("one")
        assert access.find("auto") == one
        with listening(short_folder / "two"):
            publish_job("two")
            said = refusal(access.find, "auto")
    assert "2 jobs of yours" in said
    assert "one, two" in said
    assert 'scheduler_host="one"' in said


def test_a_job_is_found_by_its_name_its_file_and_its_socket(publish_job, short_folder, monkeypatch):
    with listening(short_folder / "one"), listening(short_folder / "two"):
        one = publish_job("one")
        publish_job("two")
        assert access.find("one") == one
        assert access.find(access_files.path_of("one")) == one
        assert access.find(str(short_folder / "one")) == one
        monkeypatch.chdir(short_folder)
        assert access.find("./one") == one
        monkeypatch.setenv("HOME", str(short_folder))
        assert access.find("~/one") == one


def test_a_socket_without_an_access_file_is_found(short_folder):
    path = str(short_folder / "bare")
    with listening(path):
        found = access.find(path)
        assert (found.socket, found.host) == (path, HERE)
    assert "it has ended" in refusal(access.find, path)


@pytest.mark.parametrize("name", ["none", "", ".", "..", "one.json"])
def test_an_unknown_name_is_an_error_with_those_that_are_known(publish_job, short_folder, name):
    assert 'start one with "joblib-mpi serve"' in refusal(access.find, name)
    with listening(short_folder / "one"):
        publish_job("one")
        said = refusal(access.find, name)
    assert f'no job of yours has the name "{name}"' in said
    assert said.endswith("; known: one")


def test_a_path_that_leads_nowhere_is_an_error(tmp_path):
    assert "No such file" in refusal(access.find, str(tmp_path / "none"))


def test_a_job_that_has_ended_is_said_to_have(publish_job):
    publish_job("one", process_start=1)
    said = refusal(access.find, "one")
    assert "it has ended" in said
    assert 'start another one with "joblib-mpi serve"' in said


def test_the_access_file_of_a_programs_own_job_is_found_by_its_path_only(short_folder):
    path = access_files.path_for_program("job")
    assert not access_files.is_there(path)
    assert not access_files.is_there("/dev/null/job.json")  # no folder that can be read
    access.publish_at(path, access_to(short_folder / "socket"))
    assert access_files.is_there(path)
    assert mode(os.path.dirname(path)) == 0o700
    assert access.read(path).socket == str(short_folder / "socket")
    assert access.all_jobs().present == []
    assert "there is an access file" in refusal(access.publish_at, path, access_to(short_folder / "socket"))
    assert access_files.remove_at(path)
    assert not access_files.is_there(path)
