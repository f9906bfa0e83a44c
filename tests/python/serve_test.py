"""Tests of rank 0 while it waits for clients, on a double of its session."""

import json
import os
import signal
import socket
import stat
import threading
import time

import pytest

from joblib_mpi import SessionError, program
from joblib_mpi.serving import access, access_files, addresses, serve_options, tls_connect
from joblib_mpi.serving import serve as serving
from joblib_mpi.serving.addresses import Address
from joblib_mpi.serving.serve import IdleClock, serve
from joblib_mpi.serving.serve_options import ServeOptions
from joblib_mpi.session import identity
from support.serving_double import ServingCore, ServingSession
from support.sockets import is_running
from support.time_limits import TIMEOUT_SECONDS
from support.tls_job import children, wait_until


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Return the folder of access files, with that of sockets beside; check that both are empty in the end."""
    state, sockets = tmp_path / "state", tmp_path / "s"
    state.mkdir()
    sockets.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setenv("TMPDIR", str(sockets))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(serving, "_LOOK_SECONDS", 0.01)
    # Also if what runs the tests has some of these signals ignored.
    former = {number: signal.signal(number, signal.SIG_DFL) for number in serving._ENDING}
    yield state / "joblib-mpi" / "jobs"
    assert [signal.signal(number, handler) for number, handler in former.items()] == [signal.SIG_DFL] * len(former)
    assert list(sockets.iterdir()) == []
    assert [path for path in state.rglob("*") if not path.is_dir()] == []


@pytest.fixture
def make_session():
    """Return a function that makes a session on a `ServingCore`."""
    cores = []

    def make(**settings):
        cores.append(ServingCore(**settings))
        return ServingSession(cores[-1])

    yield make
    for core in cores:
        core.close()


def ending_with(number, look=lambda: None):
    """Return what is to be done when clients are counted: `look` once, then to send a signal to this process."""
    asked = []

    def when_asked():
        if not asked:
            asked.append(True)
            look()
            os.kill(os.getpid(), number)
        return 0

    return when_asked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_ends_the_job_with_status_0_and_nothing_is_left(make_session, capsys, number):
    seen = []
    session = make_session(when_asked=ending_with(number, lambda: seen.append(access.find("auto"))))
    assert serve(session) == 0
    printed = capsys.readouterr().out
    path, versions, description = session.core.listened
    assert (versions, description) == (identity(), b"a description")
    assert seen[0].socket == path
    assert (seen[0].pid, seen[0].n_workers, seen[0].versions) == (os.getpid(), 3, identity())
    assert seen[0].job == f"{seen[0].host}-{os.getpid()}"
    assert f'parallel_config(backend="mpi", scheduler_host="{seen[0].job}")' in printed
    assert f'"joblib-mpi stop {seen[0].job}" ends the job' in printed
    assert f"ends: {'Ctrl-C' if number == signal.SIGINT else number.name}" in printed


def test_the_access_file_is_the_users_alone(make_session, surroundings):
    seen = []
    look = lambda: seen.extend(os.stat(path) for path in (surroundings, *surroundings.iterdir()))  # noqa: E731
    assert serve(make_session(when_asked=ending_with(signal.SIGTERM, look))) == 0
    assert [stat.S_IMODE(status.st_mode) for status in seen] == [0o700, 0o600]


def test_in_slurm_the_job_has_its_name(make_session, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    seen = []
    assert serve(make_session(when_asked=ending_with(signal.SIGTERM, lambda: seen.append(access.find("auto"))))) == 0
    assert (seen[0].job, seen[0].slurm_job) == ("slurm-12", "12")


@pytest.mark.parametrize(
    ("variables", "step"),
    [({"SLURM_STEP_ID": "3"}, "3"), ({"SLURM_STEP_ID": "3", "OMPI_COMM_WORLD_SIZE": "4"}, None), ({}, None)],
)
def test_the_step_of_the_ranks_is_known_if_srun_has_started_them(make_session, monkeypatch, variables, step):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    for name in ("SLURM_STEP_ID", "OMPI_COMM_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    seen = []
    assert serve(make_session(when_asked=ending_with(signal.SIGTERM, lambda: seen.append(access.find("auto"))))) == 0
    assert seen[0].slurm_step == step


def test_a_job_without_clients_for_the_idle_timeout_says_so_and_ends(make_session, capsys):
    assert serve(make_session(), idle_timeout=0.02) == 0
    printed = capsys.readouterr().out
    assert "0.02 s without a client end it, too" in printed
    assert printed.endswith("ends: it has had no client for 0.02 s\n")


def test_a_job_with_a_client_is_not_idle(make_session):
    asked = []

    def when_asked():
        asked.append(True)
        return int(len(asked) < 20)

    assert serve(make_session(when_asked=when_asked), idle_timeout=1e-6) == 0
    assert len(asked) == 20


def test_the_idle_time_is_counted_from_the_last_client():
    idle = IdleClock(60.0, now=100.0)
    assert not idle.is_over(0, 0, 159.9)
    assert not idle.is_over(1, 1, 500.0)
    assert not idle.is_over(0, 1, 559.9)
    assert idle.is_over(0, 1, 560.0)
    assert not idle.is_over(0, 2, 560.0)  # one has come and left since
    assert idle.is_over(0, 2, 620.0)
    assert IdleClock(5400.0, 0).text == "it has had no client for 90 min"
    assert IdleClock(7200.0, 0).text == "it has had no client for 2 h"


@pytest.mark.parametrize("timeout", [None, 0.0])
def test_without_an_idle_timeout_a_job_waits_for_ever(timeout):
    assert not IdleClock(timeout, now=0.0).is_over(0, 0, 1e9)


def test_a_signal_that_the_parent_has_ignored_stays_ignored(make_session):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def look():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN

        assert serve(make_session(when_asked=ending_with(signal.SIGTERM, look))) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_many_signals_end_the_job_once(make_session):
    def look():
        for _ in range(20):
            os.kill(os.getpid(), signal.SIGTERM)

    assert serve(make_session(when_asked=ending_with(signal.SIGINT, look))) == 0


def test_a_job_without_workers_is_refused(make_session):
    with pytest.raises(SessionError, match=r"no workers.*-n 4"):
        serve(make_session(n_workers=0))


def test_a_session_that_ends_ends_the_job_with_its_reason(make_session):
    session = make_session()
    session.core.failure = SessionError("all workers are lost")
    with pytest.raises(SessionError, match="all workers are lost"):
        serve(session)


def test_a_socket_that_cannot_be_made_is_an_error_with_a_remedy(make_session, monkeypatch):
    session = make_session()

    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session.core, "listen", refuse)
    with pytest.raises(SessionError, match=r"cannot listen at .*No space left.*set TMPDIR"):
        serve(session)


def test_without_a_place_for_the_access_file_nothing_is_left(make_session, surroundings):
    surroundings.mkdir(parents=True, mode=0o755)
    surroundings.chmod(0o755)
    with pytest.raises(SessionError, match="mode 0755"):
        serve(make_session())


def test_two_jobs_of_one_slurm_job_have_two_names(make_session, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    names = []

    def look():
        assert (
            serve(make_session(when_asked=ending_with(signal.SIGTERM, lambda: names.extend(access_files.jobs())))) == 0
        )

    assert serve(make_session(when_asked=ending_with(signal.SIGTERM, look))) == 0
    assert names == ["slurm-12", "slurm-12-2"]


def test_a_signal_ends_the_wait_and_not_only_the_next_look(make_session, monkeypatch):
    monkeypatch.setattr(serving, "_LOOK_SECONDS", TIMEOUT_SECONDS)
    begin = time.monotonic()
    sender = threading.Thread(target=send_when_there_is_a_job, daemon=True)
    sender.start()
    assert serve(make_session()) == 0
    sender.join(TIMEOUT_SECONDS)
    assert time.monotonic() - begin < TIMEOUT_SECONDS


def send_when_there_is_a_job():
    while not access.all_jobs().present:
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGTERM)


def test_without_an_address_no_port_is_opened_and_there_are_no_keys(make_session, capsys):
    seen = []

    def look():
        seen.extend([access.find("auto"), access_files.read(access_files.path_of(access_files.jobs()[0]))])

    assert serve(make_session(when_asked=ending_with(signal.SIGTERM, look))) == 0
    found, content = seen
    assert (found.address, found.client_key) == (None, None)
    assert json.loads(content).keys().isdisjoint({"address", "server_certificate", "client_certificate", "client_key"})
    assert "other hosts" not in capsys.readouterr().out


def test_with_an_address_the_port_and_the_clients_key_are_in_the_access_file_and_go_with_the_job(make_session, capsys):
    pytest.importorskip("cryptography")
    seen = []

    def look():
        found = access.find("auto")
        with tls_connect.connect(access_files.path_of(found.job)) as connection:
            seen.extend([found, connection.version()])

    session = make_session(when_asked=ending_with(signal.SIGTERM, look))
    assert serve(session, listen=Address("127.0.0.1", 0)) == 0
    found, version = seen
    address = addresses.parse(found.address)
    assert (address.host, version) == ("127.0.0.1", "TLSv1.3")
    assert address.port > 0
    assert "PRIVATE KEY" in found.client_key
    printed = capsys.readouterr().out
    assert f'scheduler_host="{address}"' in printed
    assert f"scp -p {found.host}:{access_files.path_of(found.job)} joblib-mpi.json" in printed
    assert 'scheduler_file="joblib-mpi.json"' in printed
    assert "PRIVATE KEY" not in printed
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, TIMEOUT_SECONDS)


def test_an_address_that_cannot_be_had_ends_the_job_with_one_sentence(make_session):
    pytest.importorskip("cryptography")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = Address("127.0.0.1", listener.getsockname()[1])
        with pytest.raises(SessionError, match=rf"cannot listen at {taken}: the port is in use"):
            serve(make_session(), listen=taken)


def test_a_job_says_that_it_lets_no_more_clients_in_and_goes_on(make_session, capsys):
    pytest.importorskip("cryptography")
    asked = []
    before = set(children(os.getpid()))  # such as Python's tracker of shared memory

    def when_asked():
        asked.append(1)
        if len(asked) == 1:
            (process,) = set(children(os.getpid())) - before
            os.kill(process, signal.SIGKILL)
            wait_until(lambda: not is_running(process))
        if len(asked) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    assert serve(make_session(when_asked=when_asked), listen=Address("127.0.0.1", 0)) == 0
    assert capsys.readouterr().out.count("has ended; those on this host still join") == 1
    assert len(asked) == 3


def test_serve_is_a_kind_of_program():
    assert tuple(program.parse(["--serve", "--idle-timeout", "90"])) == ("serve", "--serve", ["--idle-timeout", "90"])


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], ServeOptions()),
        (["--idle-timeout", "90"], ServeOptions(90.0)),
        (["--idle-timeout=1.5"], ServeOptions(1.5)),
        (["--idle-timeout", "0"], ServeOptions(0.0)),
        (["--listen", "cn042:8786"], ServeOptions(None, Address("cn042", 8786))),
        (["--listen=[::1]:0", "--idle-timeout", "1"], ServeOptions(1.0, Address("::1", 0))),
    ],
)
def test_the_options_of_serve_are_read(words, options):
    assert serve_options.parse(words) == options


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["script.py"], "takes no program"),
        (["--idle"], "'--idle' follows"),
        (["--idle-timeout"], "--idle-timeout needs a value"),
        (["--idle-timeout", "1", "2"], "'2' follows"),
        (["--idle-timeout", "30m"], "'30m'; allowed: seconds"),
        (["--idle-timeout", "-1"], "'-1'"),
        (["--idle-timeout", "inf"], "'inf'"),
        (["--idle-timeout", "nan"], "'nan'"),
        (["--listen"], "--listen needs a value"),
        (["--listen", "cn042"], "--listen 'cn042' is no address; allowed: HOST:PORT"),
    ],
)
def test_wrong_options_of_serve_are_named(words, text):
    with pytest.raises(ValueError, match=text):
        serve_options.parse(words)
