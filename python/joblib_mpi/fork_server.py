"""The fork server of a node: a process that imports what executors need, once, and forks the keepers of all ranks."""

import json
import os
import selectors
import signal
import socket
import struct
import sys
import traceback
import warnings
from contextlib import suppress
from typing import Any, NoReturn

from joblib_mpi import _core
from joblib_mpi.node_zygotes import FAILED, MISSING, READY, UNLIKE, Request, peer_of
from joblib_mpi.start_options import StartOptions, missing_module

#: A rank that says nothing for longer than this is stopped: it must not keep others waiting. Chosen, not measured.
_LONGEST_SILENCE_SECONDS = 10.0

#: The keepers of all ranks must not end with one of them.
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(listener: socket.socket, lifeline: socket.socket, options: StartOptions) -> NoReturn:
    """Import the modules, fork keepers until ``lifeline`` is closed, wait for all of them, and end this process."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in _IGNORED}
    status = 1
    try:
        listener.listen(1024)
        lifeline.send(b"\n")
        _redirect(0)
        failure = _import_modules(options)
        while connection := _next_connection(listener, lifeline):
            with connection, suppress(OSError, EOFError):
                _answer(connection, failure, (listener, lifeline), handlers)
        listener.close()
        _redirect(1, 2)  # the launcher waits until all have closed a rank's output
        with suppress(ChildProcessError):
            while True:
                os.wait()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _redirect(*streams: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in streams:
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _import_modules(options: StartOptions) -> list[str] | None:
    """Import all modules; if that is impossible, return the answer to each rank."""
    from joblib_mpi import public_names
    from joblib_mpi.executor.executor_process import import_modules

    missing = missing_module(options.preload)
    if missing is not None:
        return [MISSING, missing]
    public_names.bind()
    try:
        import_modules(options.preload)
    except _core.SessionError as error:
        return [FAILED, f"executor processes could not be prepared: {error}"]
    return None


def _next_connection(listener: socket.socket, lifeline: socket.socket) -> socket.socket | None:
    with selectors.DefaultSelector() as selector:
        for waiting in (listener, lifeline):
            selector.register(waiting, selectors.EVENT_READ)
        ready = [key.fileobj for key, _ in selector.select()]
    return None if lifeline in ready else listener.accept()[0]


def _answer(
    connection: socket.socket,
    failure: list[str] | None,
    own: tuple[socket.socket, ...],
    handlers: dict[signal.Signals, Any],
) -> None:
    rank_process, user = peer_of(connection)
    if user != os.getuid() or rank_process == 0:
        return
    connection.settimeout(_LONGEST_SILENCE_SECONDS)
    request, files = _received(connection)
    try:
        if failure is not None:
            connection.sendall(json.dumps(failure).encode())
            return
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # preloaded libraries may have threads
            process = os.fork()
        if process == 0:
            for each in own:
                each.close()
            for number, handler in handlers.items():  # what tasks find, and may restore
                signal.signal(number, handler)
            _become_keeper(connection, request, files, rank_process)
    finally:
        for file in files:
            os.close(file)


def _received(connection: socket.socket) -> tuple[Request, list[int]]:
    header, files, _, _ = socket.recv_fds(connection, 8, 4)
    try:
        (size,) = struct.unpack("=Q", header)
        with connection.makefile("rb") as parts:
            text = parts.read(size)
        if len(files) != 4 or len(text) != size:
            raise EOFError
        return Request(*json.loads(text)), files
    except BaseException:
        for file in files:
            os.close(file)
        raise


def _become_keeper(connection: socket.socket, request: Request, files: list[int], rank_process: int) -> NoReturn:
    status = 1
    try:
        region, requests, *output = files
        try:
            _become_like_rank(request, output)
        except OSError:
            connection.sendall(json.dumps([UNLIKE, ""]).encode())
            os._exit(0)
        from joblib_mpi import session, worker_identity
        from joblib_mpi.executor.executor_process import become_zygote_of

        worker = worker_identity.launched_worker()
        connection.sendall(json.dumps([READY, session.identity()]).encode())
        connection.close()
        session.run_tasks_of(_core.keep_executors(region, requests, rank_process, lambda: become_zygote_of(worker)))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _become_like_rank(request: Request, output: list[int]) -> None:
    if request.group != os.getpgrp():
        os.setpgid(0, request.group)
    os.sched_setaffinity(0, request.cores)
    if sorted(os.sched_getaffinity(0)) != request.cores:
        raise OSError("this process may not run on the rank's cores")
    for own, of_rank in zip((1, 2), output, strict=True):
        os.dup2(of_rank, own)
        os.close(of_rank)
    os.environ.clear()
    os.environ.update(request.environment)
