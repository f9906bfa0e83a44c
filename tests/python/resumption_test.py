"""Tests of connections through relays that are cut: when they are made again, and when not."""

import threading

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import resumption
from joblib_mpi.serving.resumption import Resumption
from joblib_mpi.serving.routes import Route
from support.core_double import Refused
from support.time_limits import END_SECONDS

ROUTE = Route("there", ("ssh", "there"))


class ClientDouble:
    """A client as far as `Resumption` uses it, whose connection `cut` cuts.

    Parameters
    ----------
    failures : list of Exception
        What attempts to resume raise, one after the other, before they succeed.
    """

    def __init__(self, failures=()):
        self.changed = threading.Condition()
        self.failures = list(failures)
        self.is_gone = False
        self.is_cut = False
        self.resumed = []

    def cut(self):
        with self.changed:
            self.is_cut = True
            self.changed.notify_all()

    def must_be_resumed(self, times):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.resumed) == times, END_SECONDS)

    def must_go(self):
        with self.changed:
            assert self.changed.wait_for(lambda: self.is_gone, END_SECONDS)

    def wait_until_cut(self, seconds):
        with self.changed:
            self.changed.wait_for(lambda: self.is_cut or self.is_gone, seconds)
            return self.is_cut and not self.is_gone

    def resume(self, descriptor, patience):
        with self.changed:
            if not self.is_cut or self.is_gone or not 0 < patience <= 30:
                raise Refused(f"resume{(descriptor, patience)}")
            if self.failures:
                raise self.failures.pop(0)
            self.is_cut = False
            self.resumed.append(descriptor)
            self.changed.notify_all()

    def give_up(self, why):
        with self.changed:
            if not self.is_cut or self.is_gone:
                raise Refused(f"give_up({why!r})")
            self.why_gone = why
            self.is_gone = True
            self.changed.notify_all()

    def close(self):
        with self.changed:
            self.is_gone = True
            self.changed.notify_all()


class RelayDouble:
    """A relay as far as `Resumption` uses it."""

    def __init__(self, number):
        self.number = number
        self.n_ends = 0
        self.last_words = f"words of {number}"
        self.found_no_job = False

    def take_descriptor(self):
        return self.number

    def why_not(self, error):
        self.end()
        return f"relay {self.number}: {error}"

    def end(self):
        self.n_ends += 1


class Watched:
    """A `Resumption` of a client, the relays that it has started and the messages."""

    def __init__(self, client, window=60.0, start=RelayDouble):
        self.client = client
        self.relays = [RelayDouble(0)]
        self.said = []
        self._start = start
        self.resumption = Resumption(client, ROUTE, self.relays[0], window, 30.0, self.said.append, self._start_relay)

    def _start_relay(self, route):
        assert route is ROUTE
        self.relays.append(self._start(len(self.relays)))
        return self.relays[-1]


@pytest.fixture
def watch(monkeypatch):
    """Return a function that makes a `Watched`; in the end none of its relays may run."""
    monkeypatch.setattr(resumption, "_FIRST_PAUSE_SECONDS", 0.001)
    started = []

    def make(client, **settings):
        started.append(Watched(client, **settings))
        return started[-1]

    yield make
    for watched in started:
        watched.client.close()
        watched.resumption.end()
        assert not watched.resumption._thread.is_alive()
        assert all(relay.n_ends >= 1 for relay in watched.relays)


def test_each_cut_starts_a_relay_and_ends_the_one_before(watch):
    client = ClientDouble()
    watched = watch(client)
    for times in (1, 2, 3):
        client.cut()
        client.must_be_resumed(times)
    assert client.resumed == [1, 2, 3]
    assert [relay.n_ends for relay in watched.relays[:3]] == [1, 1, 1]
    assert "connection with there was cut (words of 0); it is made again within 60 s" in watched.said[0]


def test_attempts_go_on_until_one_succeeds(watch):
    client = ClientDouble([SessionError("too early"), OSError("broken")])
    watched = watch(client)
    client.cut()
    client.must_be_resumed(1)
    assert client.resumed == [3]
    assert [relay.n_ends for relay in watched.relays[1:3]] == [1, 1]


def test_a_relay_that_cannot_be_started_is_tried_again(watch):
    def start(number):
        if number == 1:
            watched.relays.append(RelayDouble(number))
            watched.relays[-1].end()
            raise SessionError("ssh cannot be started")
        return RelayDouble(number)

    client = ClientDouble()
    watched = watch(client, start=start)
    client.cut()
    client.must_be_resumed(1)
    assert client.resumed == [2]


def test_after_the_window_the_client_gives_up_with_the_last_reason(watch):
    client = ClientDouble([SessionError("no route to host")] * 1000)
    watched = watch(client, window=0.05)
    client.cut()
    client.must_go()
    assert client.why_gone == f"relay {watched.relays[-1].number}: no route to host"


def test_a_client_gives_up_at_once_if_the_job_has_ended(watch):
    def start(number):
        relay = RelayDouble(number)
        relay.found_no_job = True
        return relay

    client = ClientDouble([SessionError("the job has ended")])
    watched = watch(client, start=start)
    client.cut()
    client.must_go()
    assert (client.why_gone, len(watched.relays)) == ("relay 1: the job has ended", 2)


def test_a_client_that_the_job_has_given_up_is_not_tried_again(watch):
    class GivenUp(ClientDouble):
        def resume(self, descriptor, patience):
            self.close()
            raise SessionError("the job has given this client up")

    client = GivenUp()
    watched = watch(client)
    client.cut()
    client.must_go()
    watched.resumption._thread.join(END_SECONDS)
    assert len(watched.relays) == 2


def test_a_closed_client_ends_the_thread_and_its_relay_in_the_middle_of_attempts(watch):
    client = ClientDouble([SessionError("no")] * 1_000_000)
    watched = watch(client)
    client.cut()
    with client.changed:
        client.changed.wait_for(lambda: len(client.failures) < 1_000_000, 0.1)
    client.close()
    watched.resumption.end()
    assert not watched.resumption._thread.is_alive()
