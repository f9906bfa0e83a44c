"""Encoding on rank 0 and decoding on a worker, in the same tests."""

import functools
import operator
import pickle
import threading
import types
import warnings

import pytest
from joblib.parallel import BatchedCalls, SequentialBackend

from joblib_mpi.task_context import TaskContext, pickled_warning_filters
from joblib_mpi.task_format import INLINE_BYTES, TaskDecoder, TaskEncoder

NESTED = SequentialBackend(nesting_level=1)
CONTEXT = TaskContext(NESTED, None, None, pickled_warning_filters(), b"key")


class Wire:
    """An encoder and a decoder, with a dictionary in place of the broadcast."""

    def __init__(self, context=CONTEXT, shared=None):
        self.objects = {}
        self.entered = []
        self.encoder = TaskEncoder(context, shared or {}, self.scatter)
        self.decoder = TaskDecoder(self.resolve, self.entered.append)

    def scatter(self, pickled):
        self.objects[len(self.objects) + 1] = pickled
        return len(self.objects)

    def resolve(self, object_id):
        return pickle.loads(self.objects[object_id])

    def send(self, *items, nested=(NESTED, None)):
        self.name, head, buffers, self.needed = self.encoder.encode(BatchedCalls(items, nested))
        return self.decoder.decode(head, buffers)()


class Counter:
    def __init__(self):
        self.n = 0

    def count(self):
        self.n += 1
        return self.n


def test_one_call_and_many_calls_arrive_alike():
    wire = Wire()
    assert wire.send((operator.sub, (5, 3), {})) == [2]
    assert wire.send((operator.sub, (5, 3), {}), (sorted, ([1, 2],), {"reverse": True})) == [2, [2, 1]]
    assert wire.needed == ()


def test_any_other_callable_arrives_as_itself():
    wire = Wire()
    _, head, buffers, _ = wire.encoder.encode(functools.partial(list, "ab"))
    assert wire.decoder.decode(head, buffers)() == ["a", "b"]


def test_tasks_carry_the_name_of_their_function():
    wire = Wire()
    wire.send((operator.sub, (5, 3), {}))
    assert wire.name == "sub"
    wire.send((functools.partial(operator.sub, 5), (3,), {}))
    assert wire.name == "partial"


def test_a_function_is_pickled_once_and_unpickled_once():
    wire = Wire()
    identities = set()

    def function(i):
        return i

    for i in range(3):
        _, head, buffers, _ = wire.encoder.encode(BatchedCalls([(function, (i,), {})], (NESTED, None)))
        closure = wire.decoder.decode(head, buffers)
        identities.add(next(id(c.cell_contents) for c in closure.__closure__ if callable(c.cell_contents)))
    assert len(identities) == 1


def test_long_functions_and_contexts_are_broadcast_once_and_named_by_each_task():
    text = "x" * INLINE_BYTES
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y" * INLINE_BYTES)
        wire = Wire(CONTEXT._replace(warning_filters=pickled_warning_filters()))
    for i in range(3):
        assert wire.send((lambda i: (i, len(text)), (i,), {})) == [(i, INLINE_BYTES)]
        assert 1 in wire.needed
    assert len(wire.objects) == 4  # the context, and a new lambda each time


def test_callables_with_state_travel_with_each_task():
    wire = Wire()
    counter = Counter()
    assert [wire.send((counter.count, (), {})) for _ in range(3)] == [[1], [1], [1]]
    assert [wire.send(([].append, (1,), {})) for _ in range(2)] == [[None], [None]]


def test_the_context_is_entered_when_it_changes():
    wire = Wire()
    for nested in [(NESTED, None), (NESTED, None), (SequentialBackend(nesting_level=2), 3), (NESTED, None)]:
        wire.send((operator.sub, (5, 3), {}), nested=nested)
    assert [(c.nested_backend.nesting_level, c.nested_n_jobs) for c in wire.entered] == [(1, None), (2, 3), (1, None)]


def test_what_cannot_be_pickled_is_named():
    wire = Wire()
    with pytest.raises(pickle.PicklingError, match=r'argument of task "sub" cannot be pickled.*TypeError.*lock'):
        wire.send((operator.sub, (threading.Lock(),), {}))
    assert wire.send((operator.sub, (5, 3), {})) == [2]


def test_a_worker_keeps_a_limited_number_of_functions():
    wire = Wire()
    for i in range(TaskDecoder.KEPT_FUNCTIONS + 10):
        function = types.FunctionType((lambda: 0).__code__, {}, f"f{i}")
        assert wire.send((function, (), {})) == [0]
    assert len(wire.decoder._functions) <= TaskDecoder.KEPT_FUNCTIONS
