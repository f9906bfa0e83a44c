"""Tests that encode on rank 0 and decode on a worker."""

import functools
import operator
import pickle
import sys
import threading
import types

import numpy as np
import pytest
from joblib.parallel import BatchedCalls, SequentialBackend

from joblib_mpi.executor.shared_objects import SharedObjects
from joblib_mpi.payloads.immutability import holds_nothing_mutable
from joblib_mpi.payloads.shared_pickling import SharingPickler, private_bytes
from joblib_mpi.payloads.task_context import TaskContext
from joblib_mpi.payloads.task_format import INLINE_BYTES, TaskDecoder, TaskEncoder
from joblib_mpi.sharing.call_buffers import CallBuffers
from joblib_mpi.sharing.shared_buffers import SharedBuffers
from support.nodes import Nodes

NESTED = SequentialBackend(nesting_level=1)
CONTEXT = TaskContext(NESTED, None, None, b"", b"key")


class Wire:
    """An encoder and a decoder, with a dictionary in place of the broadcast."""

    def __init__(self, context=CONTEXT):
        self.nodes = Nodes()
        self.entered = []
        buffers = CallBuffers(SharedBuffers(self.nodes, 2**30, 2**30), 2**20)
        self.encoder = TaskEncoder(context, {}, buffers)
        self.items = iter(())
        self.decoder = TaskDecoder(SharedObjects(self.nodes), self.entered.append, lambda: next(self.items, None))

    def send(self, *items, nested=(NESTED, None), to_run=None):
        """Return the results of those ``to_run``, by default all of them."""
        self.name, head, buffers, self.needed = self.encoder.encode(BatchedCalls(items, nested))
        self.items = iter(range(len(items)) if to_run is None else to_run)
        return self.decoder.decode(head, buffers)()


class Wrapper:
    """A wrapper like the one in which scikit-learn puts each task."""

    def __init__(self, function):
        self.function = function
        functools.update_wrapper(self, self.function)

    def __call__(self, *args):
        return self.function(*args), self.config, self.__doc__


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


def test_of_a_batch_only_the_items_run_that_are_not_run_elsewhere():
    assert Wire().send(*((abs, (i,), {}) for i in range(5)), to_run=[2, 3]) == [2, 3]


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
    wire.send((HasItsOwnState(operator.sub), (5, 3), {}))
    assert wire.name == "sub"


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
    wire = Wire(CONTEXT._replace(script=b"y" * INLINE_BYTES))
    for i in range(3):
        assert wire.send((lambda i: (i, len(text)), (i,), {})) == [(i, INLINE_BYTES)]
        assert 1 in wire.needed
    assert len(wire.nodes.objects) == 2  # the context, and lambdas of the same content


def documented(i):
    """Say what is done, at length."""
    return i


def test_of_a_function_in_a_wrapper_only_the_wrappers_own_part_travels_with_each_task():
    wire = Wire()
    documented.__doc__ = "Say it at length. " * 1000
    for config in ("one", "another"):
        wrapper = Wrapper(documented)
        wrapper.config = config
        _, head, buffers, _ = wire.encoder.encode(BatchedCalls([(wrapper, (1,), {})], (NESTED, None)))
        assert len(head) < 2 * INLINE_BYTES
        assert wire.decoder.decode(head, buffers)() == [(1, config, documented.__doc__)]
    assert wire.decoder._functions.functions() == [documented]


def test_a_long_function_in_a_partial_is_broadcast_once():
    wire = Wire()
    text = "x" * INLINE_BYTES

    def function(*args, **kwargs):
        return args, kwargs, len(text)

    for i in range(3):
        assert wire.send((functools.partial(function, i, key=1), (2,), {})) == [((i, 2), {"key": 1}, INLINE_BYTES)]
    assert len(wire.nodes.objects) == 1


class HasItsOwnState(Wrapper):
    def __getstate__(self):
        return {"function": self.function, "config": "from its state"}


def test_a_wrapper_with_a_pickle_of_its_own_travels_as_that():
    [(result, config, _)] = Wire().send((HasItsOwnState(operator.sub), (5, 3), {}))
    assert (result, config) == (2, "from its state")


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


def test_a_worker_keeps_functions_whose_pickles_have_a_limited_size():
    wire = Wire(CONTEXT._replace(kept_function_bytes=20_000))
    for i in range(300):
        function = types.FunctionType((lambda: 0).__code__, {"__name__": "__main__"}, f"f{i}")
        assert wire.send((function, (), {})) == [0]
    kept = wire.decoder._functions
    assert 10 < len(kept) < 100
    assert sum(map(len, kept._kept)) <= 20_000


def test_functions_in_objects_count_with_their_whole_pickles():
    wire = Wire(CONTEXT._replace(kept_function_bytes=250_000))
    for number in range(6):
        function = functools.partial(lambda text: lambda: len(text), f"{number}" * 100_000)()
        assert wire.send((function, (), {})) == [100_000]
    assert len(wire.nodes.objects) == 6
    assert len(wire.decoder._functions) == 2


def test_arrays_that_all_tasks_share_count_only_where_a_task_has_a_copy():
    wire = Wire()
    data = np.ones(2**18)
    for shared in (SharingPickler, functools.partial(SharingPickler, private=True)):
        pickled, _ = shared(CallBuffers(SharedBuffers(wire.nodes, 2**30, 2**30), 2**20)).dumps(data, in_band=True)
        assert private_bytes(pickled) - len(pickled) == (0 if shared is SharingPickler else data.nbytes)
    assert private_bytes(b"no pickle of arrays.") == 20


def test_a_function_that_holds_something_mutable_is_loaded_for_each_task():
    wire = Wire()
    seen = []

    def grow(i):
        seen.append(i)
        return len(seen)

    for _ in range(2):
        assert wire.send((grow, (0,), {})) == [1]
        assert wire.send((grow, (1,), {}), (grow, (2,), {})) == [1, 1]
    assert wire.decoder._functions.functions() == []
    assert seen == []


def bump(function):
    """Count in an attribute, as code of a library could."""
    function.n = getattr(function, "n", 0) + 1
    return function.n


def bump_callers_variable():
    variables = sys._getframe(1).f_globals
    variables["n"] = variables.get("n", 0) + 1
    return variables["n"]


def flatten(array):
    array.shape = -1
    return array.ndim


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # numpy no longer likes the shape to be set
@pytest.mark.parametrize("batch", [1, 3])
def test_no_task_sees_what_other_code_has_done_to_a_function_that_is_kept(batch):
    wire = Wire()
    matrix = np.ones((2**10, 2**8))

    def inner():
        return 1

    def count():
        return bump(inner), bump_callers_variable(), matrix.ndim, flatten(matrix)

    assert holds_nothing_mutable(count, wire.encoder._pickler.makes_read_only)
    for _ in range(3):
        assert wire.send(*[(count, (), {})] * batch) == [(1, 1, 2, 1)] * batch


def test_tasks_of_a_batch_do_not_share_the_functions_in_their_arguments():
    wire = Wire()
    seen = []
    arrays = np.ones(2 * 2**20), np.ones(10)

    def grow():
        seen.append(1)
        return len(seen), len(arrays[0])

    def call(function):
        return function()

    for _ in range(2):
        assert wire.send(*[(call, (grow,), {})] * 3) == [(1, 2 * 2**20)] * 3
        assert len(wire.needed) == 1


def test_large_arrays_in_functions_are_shared_and_read_only():
    wire = Wire()
    data = np.arange(2.0**18)

    def total(i):
        return data[i:].sum(), data.flags.writeable

    for i in range(3):
        assert wire.send((total, (i,), {})) == [(data[i:].sum(), False)]
    [(head, [part])] = wire.nodes.objects.values()
    assert (head, part) == (b"", data.tobytes())
    assert len(wire.decoder._functions) == 1


@pytest.mark.parametrize("shares", [False, True])
def test_a_task_is_decoded_from_memory_that_is_not_kept_after_it(shares):
    wire = Wire()
    array = np.ones(2**18)
    arguments = ("text", array) if shares else ("text",)
    for _ in range(2):  # the second time an array is shared
        _, head, buffers, _ = wire.encoder.encode(
            BatchedCalls([(lambda *values: len(values), arguments, {})], (NESTED, None))
        )
    memory = bytearray(head)
    view = memoryview(memory)
    assert wire.decoder.decode(view, [bytearray(buffer) for buffer in buffers])() == [len(arguments)]
    view.release()
    memory.clear()  # a BufferError if anything still has a view of it
