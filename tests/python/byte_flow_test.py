"""Tests of the bytes that flow between a relay's standard streams and a job's socket."""

import os
import socket
import threading
from contextlib import contextmanager

import pytest

from joblib_mpi.serving.byte_flow import join_streams
from support.time_limits import END_SECONDS

LARGE = os.urandom(1 << 20) * 8


class Joined:
    """A client and a job that `join_streams` joins, and the thread that does it.

    Parameters
    ----------
    kind : {"socket", "pipes"}
        The standard streams: one socket, as a client makes it, or two pipes, as Slurm does.
    """

    def __init__(self, kind):
        self.job, ours = socket.socketpair()
        if kind == "socket":
            self.client, theirs = socket.socketpair()
            self.to_job = self.from_job = self.client.fileno()
            source = sink = theirs.detach()
        else:
            self.client = None
            source, self.to_job = os.pipe()
            self.from_job, sink = os.pipe()
        self.thread = threading.Thread(target=self._join, args=(source, sink, ours))
        self.thread.start()

    def _join(self, source, sink, ours):
        with ours:
            join_streams(source, sink, ours)
        for end in {source, sink}:
            os.close(end)

    def end_writing(self):
        """Tell the job that nothing more comes from the client."""
        if self.client is None:
            os.close(self.to_job)
            self.to_job = None
        else:
            self.client.shutdown(socket.SHUT_WR)

    def leave(self):
        """Close the client's ends, as the end of its process does."""
        if self.client is None:
            for end in (self.to_job, self.from_job):
                if end is not None:
                    os.close(end)
            self.to_job = self.from_job = None
        else:
            self.client.close()

    def must_end(self):
        """Wait for the end of the thread."""
        self.thread.join(END_SECONDS)
        assert not self.thread.is_alive()


@pytest.fixture(params=["socket", "pipes"])
def joined(request):
    """Return a `Joined` of each kind."""
    joined = Joined(request.param)
    yield joined
    joined.leave()
    joined.job.close()
    joined.must_end()


def write_all(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_all(descriptor, nbytes=None):
    """Return what comes until the end, or that many bytes."""
    parts, left = [], len(LARGE) * 2 if nbytes is None else nbytes
    while left and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


@contextmanager
def beside(function, *arguments):
    """Run a function on a thread beside the block."""
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    yield
    thread.join(END_SECONDS)
    assert not thread.is_alive()


def test_bytes_pass_both_ways_at_once_without_waiting_for_more(joined):
    for number in range(3):
        os.write(joined.to_job, b"question %d" % number)
        assert joined.job.recv(100) == b"question %d" % number
        joined.job.sendall(b"answer %d" % number)
        assert os.read(joined.from_job, 100) == b"answer %d" % number


def test_much_passes_both_ways_at_once(joined):
    with beside(write_all, joined.to_job, LARGE), beside(joined.job.sendall, LARGE[::-1]):
        found = []
        with beside(lambda: found.append(read_all(joined.job.fileno(), len(LARGE)))):
            assert read_all(joined.from_job, len(LARGE)) == LARGE[::-1]
    assert found == [LARGE]


def test_a_client_that_ends_its_writing_still_gets_everything(joined):
    with beside(write_all, joined.to_job, LARGE):
        assert read_all(joined.job.fileno(), len(LARGE)) == LARGE
    joined.end_writing()
    assert joined.job.recv(1) == b""
    with beside(joined.job.sendall, LARGE):
        assert read_all(joined.from_job, len(LARGE)) == LARGE
    joined.job.shutdown(socket.SHUT_WR)
    assert os.read(joined.from_job, 1) == b""
    joined.must_end()


def test_a_job_that_ends_its_writing_still_gets_everything(joined):
    joined.job.sendall(b"last")
    joined.job.shutdown(socket.SHUT_WR)
    assert read_all(joined.from_job) == b"last"
    with beside(write_all, joined.to_job, LARGE):
        assert read_all(joined.job.fileno(), len(LARGE)) == LARGE
    joined.end_writing()
    assert joined.job.recv(1) == b""
    joined.must_end()


def test_the_end_of_the_job_ends_all_after_its_last_bytes(joined):
    joined.job.sendall(b"last")
    joined.job.close()
    assert read_all(joined.from_job) == b"last"
    joined.must_end()


def test_the_end_of_the_client_ends_all_after_its_last_bytes(joined):
    write_all(joined.to_job, b"goodbye")
    joined.leave()
    assert read_all(joined.job.fileno()) == b"goodbye"
    joined.must_end()


def test_the_end_of_the_client_ends_all_although_the_job_reads_nothing(joined, monkeypatch):
    monkeypatch.setattr("joblib_mpi.serving.byte_flow._LAST_BYTES_SECONDS", 0.01)
    os.set_blocking(joined.to_job, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(joined.to_job, LARGE)
    joined.leave()
    joined.must_end()


def test_the_end_of_the_job_ends_all_although_the_client_goes_on_to_write(joined):
    joined.job.close()
    joined.must_end()
