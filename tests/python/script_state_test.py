"""Tests of `ScriptState` and `ScriptFollower`: what a script changes in its process, and what executors make of it."""

import io
import logging
import os
import pickle
import sys
import warnings

import numpy
import pytest

from joblib_mpi.executor.script_follower import ScriptFollower
from joblib_mpi.payloads.script_facts import FACTS, Fact
from joblib_mpi.payloads.script_state import ScriptState

ENVIRONMENT = FACTS["environment"]


class Process:
    """A process with one fact."""

    def __init__(self, value):
        self.value = value
        self.n_written = 0

    def write(self, before, value):
        assert before == self.value
        if isinstance(value, Exception):
            raise value
        self.value = value
        self.n_written += 1

    @property
    def facts(self):
        return {"value": Fact(lambda: self.value, self.write)}


def sent(name, start, now, own):
    """Return the value that an executor with its ``own`` value gets."""
    fact = FACTS[name]
    return fact.unpack(pickle.loads(pickle.dumps(fact.pack(start, now))), own)


def test_a_script_that_changes_nothing_sends_nothing():
    assert ScriptState().packed() == b""


def test_an_unchanged_state_is_packed_once():
    process = Process(1)
    state = ScriptState(process.facts)
    process.value = 2
    assert state.packed() is state.packed()
    process.value = 1
    assert state.packed() == b""


def test_an_executor_follows_each_change_and_its_undoing():
    script, executor = Process("start"), Process("own")
    state, follower = ScriptState(script.facts), ScriptFollower(facts=executor.facts)
    seen = []
    for value in ("a", "b", "start"):
        script.value = value
        follower.follow(state.packed())
        seen.append(executor.value)
    assert seen == ["a", "b", "own"]


def test_a_clients_state_is_compared_with_the_one_that_the_workers_started_with():
    rank_0, client, executor = Process("of the job"), Process("of the client"), Process("of the job")
    start = ScriptState(rank_0.facts).start_of_rank_0()
    follower = ScriptFollower(facts=executor.facts)
    state = ScriptState(client.facts, start)
    follower.follow(state.packed())
    assert executor.value == "of the client"
    client.value = "of the job"
    assert state.packed() == b""
    follower.follow(state.packed())
    assert executor.value == "of the job"


def test_a_fact_that_only_rank_0_can_read_is_as_it_is_for_the_client():
    client = Process("of the client")
    assert ScriptState(client.facts, {}).packed() == b""
    assert ScriptState(client.facts, {"value": b"no pickle"}).packed() == b""


def test_a_fact_that_stays_is_not_set_again():
    script, executor = Process("start"), Process("own")
    state, follower = ScriptState(script.facts), ScriptFollower(facts=executor.facts)
    script.value = "a"
    for _ in range(3):
        follower.follow(state.packed())
    assert executor.n_written == 1


def test_a_fact_that_cannot_be_set_is_said_once_and_stops_no_other():
    said = []
    script = Process("start")
    state = ScriptState({"bad": Fact(lambda: script.value, script.write), **script.facts})
    executor = Process("own")
    bad = Fact(lambda: 0, lambda before, value: 1 / 0)
    follower = ScriptFollower(said.append, facts={"bad": bad, **executor.facts})
    for value in ("a", "b"):
        script.value = value
        follower.follow(state.packed())
    assert said == ["keeps its own bad: ZeroDivisionError: division by zero"]
    assert executor.value == "b"


def test_an_interrupted_change_is_made_at_the_next_task():
    class Interrupted(BaseException):
        pass

    script, executor = Process("start"), Process("own")
    state = ScriptState(script.facts)
    interrupts = [Interrupted()]

    def write(before, value):
        if interrupts:
            raise interrupts.pop()
        executor.write(before, value)

    follower = ScriptFollower(facts={"value": Fact(lambda: executor.value, write)})
    script.value = "a"
    with pytest.raises(Interrupted):
        follower.follow(state.packed())
    follower.follow(state.packed())
    assert executor.value == "a"


def test_a_fact_that_cannot_be_pickled_is_not_sent():
    script = Process("start")
    state = ScriptState(script.facts)
    script.value = (item for item in ())
    assert state.packed() == b""


def test_variables_that_were_set_changed_and_deleted_are_mirrored_and_no_others():
    start = {b"STAYS": b"1", b"CHANGES": b"1", b"GOES": b"1"}
    now = {b"STAYS": b"1", b"CHANGES": b"2", b"NEW": b"\xff"}
    own = {b"STAYS": b"own", b"CHANGES": b"own", b"GOES": b"own", b"OWN": b"own"}
    assert sent("environment", start, now, own) == {
        b"STAYS": b"own",
        b"CHANGES": b"2",
        b"NEW": b"\xff",
        b"OWN": b"own",
    }


def test_variables_of_the_launcher_are_not_mirrored():
    now = {b"OMPI_COMM_WORLD_RANK": b"0", b"SLURM_PROCID": b"0", b"PMIX_RANK": b"0", b"PMI_RANK": b"0"}
    assert ENVIRONMENT.pack({}, now) == []
    assert ENVIRONMENT.pack(now, {}) == []


@pytest.mark.parametrize(("own", "seen"), [(b"0", b"5"), (b"1", b"1")])
def test_devices_that_each_rank_has_by_itself_are_kept(own, seen):
    name = b"CUDA_VISIBLE_DEVICES"
    assert sent("environment", {name: b"0"}, {name: b"5"}, {name: own}) == {name: seen}


def test_variables_are_set_and_deleted(monkeypatch):
    monkeypatch.setenv("JOBLIB_TEST_STAYS", "1")
    monkeypatch.setenv("JOBLIB_TEST_GOES", "1")
    monkeypatch.delenv("JOBLIB_TEST_NEW", raising=False)
    before = ENVIRONMENT.read()
    wanted = {**before, b"JOBLIB_TEST_NEW": b"1"}
    del wanted[b"JOBLIB_TEST_GOES"]
    ENVIRONMENT.write(before, wanted)
    assert ENVIRONMENT.read() == wanted
    assert "JOBLIB_TEST_GOES" not in os.environ
    ENVIRONMENT.write(wanted, before)
    assert ENVIRONMENT.read() == before


def test_variables_can_be_read_without_the_undocumented_copy(monkeypatch):
    documented = dict(os.environb)
    assert ENVIRONMENT.read() == documented


def test_the_folders_of_python_itself_stay_those_of_the_executors_host():
    start, own = ["/here/lib", "/here/site"], ["/there/lib", "/there/site"]
    assert sent("sys.path", start, ["new", *start, os], own) == ["new", "/there/lib", "/there/site"]
    assert sent("sys.path", start, ["new", *start], ["/there/lib"]) == ["new", "/here/lib", "/here/site"]


def test_the_umask_is_read_without_changing_it():
    before = os.umask(0o027)
    try:
        assert FACTS["umask"].read() == 0o027
        FACTS["umask"].write(0o027, 0o077)
        assert FACTS["umask"].read() == 0o077
    finally:
        assert os.umask(before) == 0o077


def test_levels_of_loggers_are_set_and_taken_back():
    fact = FACTS["logging levels"]
    before = fact.read()
    logger = logging.getLogger("joblib_mpi.test.of.levels")
    try:
        fact.write(before, {**before, "": logging.ERROR, None: logging.INFO, logger.name: logging.DEBUG})
        levels = logging.getLogger().level, logging.root.manager.disable, logger.level
        assert levels == (logging.ERROR, logging.INFO, logging.DEBUG)
    finally:
        fact.write(fact.read(), before)
    assert fact.read() == before


def test_numpys_error_state_is_that_of_the_calling_thread():
    fact = FACTS["numpy's error state"]
    with numpy.errstate(divide="raise", over="call"):
        assert fact.read() == {"divide": "raise", "under": "ignore", "invalid": "warn"}
    with numpy.errstate():
        fact.write({}, {"divide": "raise"})
        with pytest.raises(FloatingPointError):
            numpy.ones(1) / 0


def test_scikit_learns_configuration_is_sent_only_if_it_differs_from_the_defaults():
    sklearn = pytest.importorskip("sklearn")
    fact = FACTS["scikit-learn's configuration"]
    assert fact.read() is None
    with sklearn.config_context(assume_finite=True):
        changed = fact.read()
    assert changed["assume_finite"] is True
    with sklearn.config_context():
        fact.write(None, changed)
        assert sklearn.get_config()["assume_finite"] is True
        fact.write(changed, None)
        assert sklearn.get_config()["assume_finite"] is False


def test_a_category_that_an_executor_lacks_leaves_its_filters_and_is_said():
    said = []
    state, follower = ScriptState(), ScriptFollower(said.append)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UnicodeWarning)
        packed = state.packed().replace(b"UnicodeWarning", b"UnicodeWarninX")
        before = list(warnings.filters)
        follower.follow(packed)
        assert warnings.filters == before
    assert said[0].startswith("keeps its own warning filters: AttributeError")


class Stage:
    """A logger with a console handler, as a script or a module makes it."""

    def __init__(self, name, stream, level=logging.NOTSET, formatter=None):
        self.logger = logging.getLogger(name)
        self.handler = logging.StreamHandler(stream)
        self.handler.setLevel(level)
        self.handler.setFormatter(formatter)
        self.logger.addHandler(self.handler)

    def leave(self):
        self.logger.removeHandler(self.handler)


def test_console_handlers_are_set_and_taken_back(capsys):
    fact = FACTS["logging handlers"]
    before = fact.read()
    script = Stage("joblib_mpi.test.of.handlers", sys.stderr, logging.ERROR, logging.Formatter("$message!", style="$"))
    now = fact.unpack(pickle.loads(pickle.dumps(fact.pack(before, fact.read()))), before)
    script.leave()
    assert len(now) == len(before) + 1
    fact.write(before, now)
    assert fact.read() == now
    script.logger.warning("below its level")
    script.logger.error("printed")
    script.logger.addHandler(script.handler)  # by a module that tasks import, as it did in the script
    script.logger.error("once")
    script.leave()
    fact.write(now, before)
    assert script.logger.handlers == []
    assert capsys.readouterr().err == "printed!\nonce!\n"


def test_handlers_that_write_elsewhere_or_in_another_way_are_not_mirrored(tmp_path):
    class Louder(logging.Formatter):
        pass

    class Special(logging.StreamHandler):
        pass

    fact = FACTS["logging handlers"]
    before = fact.read()
    filtered = logging.StreamHandler()
    filtered.addFilter(lambda record: False)
    formatted = logging.StreamHandler()
    formatted.setFormatter(Louder())
    to_file = logging.FileHandler(tmp_path / "log", delay=True)
    logger = logging.getLogger("joblib_mpi.test.of.others")
    for handler in (
        filtered,
        formatted,
        to_file,
        Special(),
        logging.StreamHandler(io.StringIO()),
        logging.NullHandler(),
    ):
        logger.addHandler(handler)
    assert fact.read() == before
    logger.handlers.clear()
