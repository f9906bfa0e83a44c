"""Tests of tasks whose arguments the program changes while joblib asks it for the next task."""

import array
import collections
import enum
import functools
import gc
import io
import operator
import pathlib
import pickle
import threading
import types
import warnings
import weakref
from dataclasses import dataclass

import numpy
import pytest
from joblib import Parallel, delayed, parallel_config

from joblib_mpi import joblib_internals
from joblib_mpi.calls.refilled_buffers import COPIED_BYTES, RefilledBuffers
from joblib_mpi.payloads.snapshot import Snapshot, SnapshotItem, task_with_values
from joblib_mpi.sharing.hashed_memory import ChangedContentError
from joblib_mpi.sharing.scatter_handle import SharedObject

N_TASKS = 12
N_LARGE = COPIED_BYTES // 8


def total(values):
    return sum(values)


def first(values):
    return values[0]


def refilled(make, fill, function=total):
    """Yield tasks with one object that is filled anew for each."""
    buffer = make()
    for i in range(N_TASKS):
        fill(buffer, i)
        yield delayed(function)(buffer)


def fill_all(buffer, i):
    for position in range(len(buffer)):
        buffer[position] = i


@pytest.fixture(params=["1", "5", "auto", "all"])
def options(request):
    """Return the options of joblib that say how far it looks ahead."""
    if request.param == "all":
        return {"pre_dispatch": "all", "batch_size": 1}
    return {"batch_size": request.param if request.param == "auto" else int(request.param)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: numpy.zeros(3),
        lambda: numpy.zeros((3, 4))[:, 1],
        lambda: bytearray(3),
        lambda: array.array("d", [0, 0, 0]),
        lambda: [0, 0, 0],
        lambda: dict.fromkeys(range(3), 0),
    ],
    ids=["array", "column", "bytearray", "array.array", "list", "dict"],
)
def test_a_buffer_that_is_refilled_for_each_task_has_its_content_in_each(job, options, make):
    function = (lambda values: sum(values.values())) if isinstance(make(), dict) else total
    results = Parallel(backend="mpi", **options)(refilled(make, fill_all, function))
    assert results == [3 * i for i in range(N_TASKS)]


Pair = collections.namedtuple("Pair", "a b")


@dataclass
class Point:
    x: float = 0.0


class Slots:
    __slots__ = ("x",)


class Model:
    def __init__(self):
        self.weights = numpy.zeros(3)

    def predict(self, factor=1):
        return factor * float(self.weights[0])

    __call__ = predict


def at_0(value, i):
    value[0] = i


def set_x(value, i):
    value.x = i


def write_to(file, i):
    file.seek(0)
    file.write(bytes([i]))


def replace_only(items, i):
    items.clear()
    items.add(i)


def kinds():
    """Return what a generator may change for each task: how it is made, changed, and read as a number by its task."""
    yield "tuple", lambda: (numpy.zeros(3), "a"), lambda t, i: at_0(t[0], i), lambda t: t[0][0]
    yield "named tuple", lambda: Pair(numpy.zeros(3), 1), lambda t, i: at_0(t.a, i), lambda t: t.a[0]
    yield "list in a tuple", lambda: (([0],),), lambda t, i: at_0(t[0][0], i), lambda t: t[0][0][0]
    yield "array in a list", lambda: [numpy.zeros(3)], lambda v, i: at_0(v[0], i), lambda v: v[0][0]
    yield "array in a dictionary", lambda: {"a": numpy.zeros(3)}, lambda v, i: at_0(v["a"], i), lambda v: v["a"][0]
    yield "dataclass", Point, set_x, lambda p: p.x
    yield "slots", Slots, set_x, lambda p: p.x
    yield "namespace", lambda: types.SimpleNamespace(x=0), set_x, lambda p: p.x
    yield "deque", lambda: collections.deque([0]), at_0, first
    yield "defaultdict", lambda: collections.defaultdict(int), at_0, first
    yield "OrderedDict", collections.OrderedDict, at_0, first
    yield "set", set, replace_only, min
    yield "masked array", lambda: numpy.ma.zeros(3), at_0, first
    yield "object array", lambda: numpy.array([None, 1], object), at_0, first
    yield "records", lambda: numpy.recarray(2, "i4,i4"), lambda r, i: r.f0.fill(i), lambda r: r.f0[1]
    yield "structured scalar", lambda: numpy.zeros(1, "i4,i4")[0], lambda s, i: operator.setitem(s, 0, i), first
    yield "BytesIO", lambda: io.BytesIO(b"0"), write_to, lambda b: b.getvalue()[0]
    yield "array over a bytearray", lambda: numpy.frombuffer(bytearray(24)), at_0, first
    yield "depth 3", lambda: [[[0]]], lambda v, i: at_0(v[0][0], i), lambda v: v[0][0][0]
    yield "long list", lambda: [numpy.zeros(2)] * 2000, lambda v, i: at_0(v[0], i), lambda v: v[1999][0]
    yield "long tuple", lambda: (0,) * 2000 + ([0],), lambda v, i: at_0(v[-1], i), lambda v: v[-1][0]
    yield "partial", lambda: functools.partial(max, [0]), lambda p, i: at_0(p.args[0], i), lambda p: p()
    yield "bound method", lambda: [0].__getitem__, lambda m, i: at_0(m.__self__, i), lambda m: m(0)
    yield "large bytearray", lambda: bytearray(3 * COPIED_BYTES), at_0, first
    yield "large object", lambda: [[0] * 600_000], lambda v, i: at_0(v[0], i), lambda v: v[0][0]


@pytest.mark.parametrize(
    ("make", "change", "read"), [pytest.param(*functions, id=name) for name, *functions in kinds()]
)
def test_each_task_gets_its_arguments_as_they_were_when_joblib_took_it(job, options, make, change, read):
    assert Parallel(backend="mpi", **options)(refilled(make, change, read)) == list(range(N_TASKS))


def test_data_frames_and_their_columns_are_as_they_were(job, options):
    pandas = pytest.importorskip("pandas")
    frames = refilled(
        lambda: pandas.DataFrame({"a": [0.0, 0.0], "b": ["x", "y"]}),
        lambda frame, i: operator.setitem(frame, "a", float(i)),
        lambda frame: frame["a"].iloc[1],
    )
    assert Parallel(backend="mpi", **options)(frames) == list(range(N_TASKS))
    columns = refilled(lambda: pandas.Series([0.0, 0.0]), at_0, lambda column: column.iloc[0])
    assert Parallel(backend="mpi", **options)(columns) == list(range(N_TASKS))


def test_a_sparse_matrix_is_as_it_was(job, options):
    sparse = pytest.importorskip("scipy.sparse")
    tasks = refilled(lambda: sparse.csr_matrix(numpy.eye(3)), lambda m, i: m.data.fill(i), lambda m: m[0, 0])
    assert Parallel(backend="mpi", **options)(tasks) == list(range(N_TASKS))


def test_tasks_may_write_to_the_parts_of_a_large_sparse_matrix_in_a_snapshot(job):
    def doubled(holder):
        holder[0].data *= 2
        return float(holder[0].data[0]), holder[1].flags.writeable

    sparse = pytest.importorskip("scipy.sparse")
    matrix, array = sparse.csr_matrix(numpy.ones((500, 500))), numpy.ones(N_LARGE)
    results = Parallel(backend="mpi", batch_size=1)(delayed(doubled)([matrix, array]) for _ in range(6))
    assert results == [(2.0, False)] * 6


def test_instances_of_a_class_that_goes_by_value_are_in_snapshots_of_a_batch(job):
    class Local:
        def __init__(self, x):
            self.x = x

    local = Local(0)

    def tasks():
        for local.x in range(N_TASKS):
            yield delayed(getattr)(local, "x")

    assert Parallel(backend="mpi", batch_size=5)(tasks()) == list(range(N_TASKS))


class Wrapper:
    """A wrapper like the one in which scikit-learn puts each task."""

    def __init__(self, function, config):
        self.function = function
        self.config = config
        functools.update_wrapper(self, self.function)

    def __call__(self, *args):
        return self.config["x"] + self.function(*args)


def functions():
    """Return what a task may call that has a number, how that is changed, and the task's arguments."""
    partial = functools.partial
    yield "partial", lambda: partial(first, [0]), lambda f, i: at_0(f.args[0], i), ()
    yield "partial's keyword", lambda: partial(first, values=[0]), lambda f, i: at_0(f.keywords["values"], i), ()
    yield "bound method", lambda: Model().predict, lambda f, i: at_0(f.__self__.weights, i), (1,)
    yield "partial of one", lambda: partial(Model().predict, 1), lambda f, i: at_0(f.func.__self__.weights, i), ()
    yield "callable object", Model, lambda f, i: at_0(f.weights, i), ()
    yield "wrapper", lambda: Wrapper(abs, {"x": 0}), lambda f, i: f.config.update(x=i), (0,)
    yield "partial of one", lambda: partial(Wrapper(abs, {"x": 0}), 0), lambda f, i: f.func.config.update(x=i), ()


@pytest.mark.parametrize(
    ("make", "change", "arguments"), [pytest.param(*parts, id=name) for name, *parts in functions()]
)
def test_what_a_tasks_function_holds_is_as_it_was(job, options, make, change, arguments):
    def tasks():
        function = make()
        for i in range(N_TASKS):
            change(function, i)
            yield delayed(function)(*arguments)

    assert Parallel(backend="mpi", **options)(tasks()) == list(range(N_TASKS))


def test_functions_that_a_loop_makes_have_its_variable_as_it_was(job, options):
    numbers = list(range(N_TASKS))
    makes = (delayed(lambda: i)() for i in numbers)  # noqa: B023
    assert Parallel(backend="mpi", **options)(makes) == numbers
    gives = (delayed(operator.call)(lambda: i) for i in numbers)  # noqa: B023
    assert Parallel(backend="mpi", **options)(gives) == numbers


def test_an_object_that_two_arguments_have_is_still_one_object(job):
    def are_one(value, parts, named):
        return parts[0] is value and named["x"] is value

    for value in ([1], numpy.zeros(2), numpy.zeros(1000), numpy.zeros(N_LARGE)):
        call = delayed(are_one)(value, [value, len], named={"x": value})
        assert Parallel(backend="mpi", batch_size=2)(call for _ in range(4)) == [True] * 4


def test_a_method_and_its_object_as_an_argument_are_still_one(job):
    model = Model()
    assert Parallel(backend="mpi")(delayed(model.__eq__)(model) for _ in range(3)) == [True] * 3


def test_scattered_objects_in_changed_ones_stay_what_they_are(job):
    data, table = numpy.arange(3.0), {"a": 1}
    with parallel_config(backend="mpi", scatter=[data, table]):
        results = Parallel()(refilled(lambda: [0, data, table], at_0, lambda v: v[0] + v[1][2] + v[2]["a"]))
    assert results == [i + 3 for i in range(N_TASKS)]


def test_what_cannot_be_pickled_is_the_error_of_its_task(job):
    tasks = [delayed(len)([threading.Lock()]), delayed(len)([1, 2])]
    with pytest.raises(pickle.PicklingError, match=r'task "len" cannot be pickled'):
        Parallel(backend="mpi")(tasks)
    with parallel_config(backend="mpi", on_error="return"):
        error, result = Parallel()(tasks)
    assert (type(error), result) == (pickle.PicklingError, 2)


def test_a_task_of_a_job_without_workers_is_taken_when_the_one_before_has_run(make_job):
    make_job(0)
    with warnings.catch_warnings(), parallel_config(backend="mpi", on_error="return"):
        warnings.filterwarnings("ignore", "the MPI job has one rank")
        for batch_size in (1, 5):
            tasks = refilled(lambda: [0], at_0, first)
            assert Parallel(batch_size=batch_size)(tasks) == list(range(N_TASKS))
            tasks = refilled(lambda: numpy.zeros(N_LARGE), at_0, first)
            assert Parallel(pre_dispatch="all")(tasks) == list(range(N_TASKS))


def test_a_buffer_given_by_name(job):
    def tasks():
        buffer = numpy.zeros(3)
        for i in range(N_TASKS):
            buffer[:] = i
            yield delayed(total)(values=buffer)

    assert Parallel(backend="mpi")(tasks()) == [3 * i for i in range(N_TASKS)]


def test_each_of_many_calls_of_one_object(job):
    with Parallel(backend="mpi", batch_size=1) as parallel:
        for _ in range(3):
            results = parallel(refilled(lambda: numpy.zeros(3), fill_all))
            assert results == [3 * i for i in range(N_TASKS)]


def large(kind):
    """Return a large array that a program may have made in several ways."""
    if kind == "its own":
        return numpy.zeros(2 * N_LARGE)
    if kind == "rows":
        return numpy.zeros((4, N_LARGE))[1:3]
    if kind == "columns":
        return numpy.zeros((1000, 300))[:, ::2]
    if kind == "read-only view":
        view = numpy.zeros(2 * N_LARGE).view()
        view.flags.writeable = False
        return view
    if kind == "windows":
        return numpy.lib.stride_tricks.sliding_window_view(numpy.zeros(2 * N_LARGE), 3)
    if kind == "tiles":
        return numpy.lib.stride_tricks.as_strided(numpy.zeros(2 * N_LARGE), (N_LARGE, 2), (16, 8))
    return numpy.frombuffer(bytearray(2 * COPIED_BYTES))


LARGE_KINDS = ("its own", "rows", "columns", "read-only view", "over a bytearray", "windows", "tiles")


def memory_of(array):
    while isinstance(array, numpy.ndarray) and not array.flags.writeable:
        array = array.base if isinstance(array.base, numpy.ndarray) else array.base.base
    return array


@pytest.mark.parametrize("kind", LARGE_KINDS)
@pytest.mark.parametrize("inside", [lambda value: value, lambda value: {"a": (value, 1)}, Point])
def test_a_large_array_that_is_changed_too_early_is_an_error_that_says_what_to_do(job, kind, inside):
    def tasks():
        buffer = large(kind)
        memory, argument = memory_of(buffer), inside(buffer)
        for i in range(N_TASKS):
            memory[len(memory) // 3] = i + 1.5
            yield delayed(type)(argument)

    with pytest.raises(ValueError, match=r"an array of \d{7} bytes .*was changed .*array\.copy\(\)"):
        Parallel(backend="mpi", batch_size=1)(tasks())
    assert Parallel(backend="mpi")(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


def test_a_large_array_that_the_last_task_has_must_stay_as_it_is_to_the_end(job):
    def tasks():
        buffer = numpy.zeros(10 * N_LARGE)
        yield delayed(first)(buffer)
        buffer[77_777] = 1

    with pytest.raises(ValueError, match="was changed"):
        Parallel(backend="mpi", pre_dispatch="all")(tasks())


def test_the_workers_content_of_a_changed_array_is_not_used_by_a_later_call(job):
    array, original = numpy.zeros(N_LARGE), numpy.zeros(N_LARGE)

    def tasks():
        for i in range(N_TASKS):
            yield delayed(numpy.sum)(array)
            array[1000] = i

    with pytest.raises(ValueError, match="was changed"):
        Parallel(backend="mpi", batch_size=1)(tasks())
    assert Parallel(backend="mpi")(delayed(numpy.sum)(original) for _ in range(4)) == [0] * 4


def strides_of(array):
    return array.strides


def test_columns_of_a_known_array_stay_views_of_it(job):
    table = numpy.zeros((1000, 1000))
    calls = [delayed(strides_of)(table)] * 9 + [delayed(strides_of)(table[:, i : i + 200]) for i in range(3)]
    assert Parallel(backend="mpi", batch_size=1, pre_dispatch=2)(calls) == [(8000, 8)] * 12


class Watched:
    """Tasks as `RefilledBuffers` yields them."""

    def __init__(self, scattered=(), copied_bytes=COPIED_BYTES, **options):
        self.n_sent = 0
        self.outstanding = set()
        self.is_doubted = False
        self.buffers = RefilledBuffers({id(value): 1 for value in scattered}, copied_bytes, self, **options)

    def n_expected(self):
        return self.n_sent

    def has_outstanding(self, indices):
        return not self.outstanding.isdisjoint(indices)

    def knows(self, begin, end):
        return False

    def doubt(self):
        self.is_doubted = True

    def take(self, *calls):
        tasks = list(self.buffers.of(iter(calls)))
        self.outstanding.update(range(self.n_sent, self.n_sent + len(calls)))
        self.n_sent += len(calls)
        return tasks

    def arguments(self, *values):
        return [args[0] for _, args, _ in self.take(*(delayed(first)(value) for value in values))]


def content_of(argument):
    _, (value,), _ = task_with_values(first, (argument,), {})
    return value


def test_tasks_with_one_object_that_stays_as_it_is_get_one_copy():
    arrays = numpy.zeros(3), numpy.zeros(1000)
    for value in (*arrays, [1, 2], *({"a": one} for one in arrays), bytearray(3)):
        one, two, other = Watched().arguments(value, value, pickle.loads(pickle.dumps(value)))
        assert one is two
        assert one is not value
        assert other is not one
        assert repr(content_of(one)) == repr(content_of(other)) == repr(value)


class Color(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 5, 2.5, 1j, "a", b"a", range(3), (), (1, ("a", b"b")), frozenset({1, (2, 3)}), Pair(1, "b")),
        *(numpy.float64(1), numpy.dtype("f8"), numpy.sin, Color.RED, Color, first, abs, len, numpy, pathlib.Path("a")),
        tuple(range(1000)),
        SharedObject([1], 1),
    ],
)
def test_what_cannot_change_is_not_copied(value):
    watched = Watched()
    for task in watched.take(delayed(first)(value), delayed(first)((value,), key=value)):
        function, args, kwargs = task
        assert function is first
        assert (args[0] if not kwargs else args[0][0]) is value
        assert all(named is value for named in kwargs.values())


def test_tasks_without_anything_that_changes_are_handed_on_as_they_are():
    call = delayed(first)(1, "a", (b"c", None), key=first)
    [task] = Watched().take(call)
    assert task is call


@pytest.mark.parametrize("value", [(1, [2]), (numpy.zeros(2),), Pair([1], 2), numpy.zeros(1, "i4,i4")[0]])
def test_what_cannot_change_may_hold_something_that_can(value):
    assert type(Watched().arguments(value)[0]) is Snapshot


def test_scattered_objects_are_not_copied():
    values = [numpy.zeros(3), [1], {"a": 1}]
    assert [one is two for one, two in zip(Watched(values).arguments(*values), values, strict=True)] == [True] * 3
    [holder] = Watched(values).arguments([values[1], values[0]])
    assert holder.objects == (values[1], values[0])
    assert content_of(holder)[0] is values[1]


def test_arrays_that_are_shared_between_tasks_are_not_copied():
    value = numpy.zeros(100)
    assert Watched(copied_bytes=800).arguments(value)[0] is value
    assert Watched(copied_bytes=801).arguments(value)[0] is not value


def test_large_arrays_stay_beside_the_snapshot_of_what_has_them():
    value = numpy.zeros(N_LARGE)
    one, two = Watched().arguments([value, 1], [value, 2])
    assert one.parts == two.parts == (value,)
    assert one.parts[0] is value
    assert len(one.head) < 200


def test_memory_that_tasks_may_write_to_is_not_looked_at(tmp_path):
    output = numpy.memmap(tmp_path / "output", mode="w+", shape=N_LARGE)
    watched = Watched()
    tasks = watched.buffers.of(iter([delayed(first)(output), delayed(first)(output[1:])]))
    next(tasks)
    output[:] = 1
    assert next(tasks)[1][0].base is output


@pytest.mark.parametrize("position", [0, 1, 12_345, 10 * N_LARGE - 1])
def test_a_change_anywhere_is_seen_when_the_next_task_is_there(position):
    value = numpy.zeros(10 * N_LARGE)

    def tasks():
        yield delayed(first)(value)
        value[position] = 1
        yield delayed(first)(5)

    watched = Watched()
    with pytest.raises(ChangedContentError):
        list(watched.buffers.of(tasks()))
    assert watched.is_doubted


def test_a_finished_array_may_change_and_is_sent_anew():
    watched, value, other = Watched(), numpy.zeros(N_LARGE), numpy.zeros(N_LARGE)
    watched.arguments(value, 0)
    watched.buffers.begin()
    watched.arguments(other)
    before = watched.buffers.watched(*place_of(value))
    watched.buffers.begin()
    watched.outstanding = {2}
    watched.buffers.begin()
    assert watched.buffers.watched(*place_of(value)) is None
    value += 1
    watched.arguments(value)
    assert watched.buffers.watched(*place_of(value)).key != before.key
    other += 1
    with pytest.raises(ValueError, match="was changed"):
        watched.arguments(other)


def test_large_arrays_that_are_made_for_their_tasks_are_not_watched():
    watched = Watched()
    tasks = watched.buffers.of(delayed(first)(numpy.zeros(N_LARGE), i) for i in range(3))
    assert len(list(tasks)) == 3
    assert len(watched.buffers._watched.by_place) == 0
    kept = [delayed(first)(numpy.zeros(N_LARGE)) for _ in range(3)]
    watched.take(*kept)
    assert len(watched.buffers._watched.by_place) == 3


def place_of(array):
    begin = array.__array_interface__["data"][0]
    return begin, begin + array.nbytes


def test_an_array_that_stays_as_it_is_is_vouched_for_by_one_object():
    watched, value = Watched(), numpy.zeros(N_LARGE)
    watched.arguments(value)
    vouching = watched.buffers.watched(*place_of(value))
    for _ in range(5):
        watched.buffers.begin()
        watched.arguments(value, [value], value.reshape(2, -1))
        assert watched.buffers.watched(*place_of(value)) is vouching


def test_a_stream_of_large_arrays_is_let_go_while_its_tasks_take_long():
    watched = Watched()
    arrays = []
    for wrap in (list, tuple, Point) * 3:
        value = numpy.zeros(N_LARGE)
        arrays.append(weakref.ref(value))
        watched.take(delayed(first)(value), delayed(first)(wrap([value])))
        del value
        gc.collect()
        assert arrays[-1]() is None
        assert len(watched.buffers._snapshots) == 0


def test_a_stream_of_copied_arrays_is_let_go():
    watched = Watched()
    base = numpy.zeros((2, N_LARGE))
    kept = weakref.ref(base)
    watched.arguments(base[0, :100], [base[1, :1000]])
    del base
    gc.collect()
    assert kept() is None


def test_a_list_that_contains_itself_arrives_so():
    value = [1]
    value.append(value)
    [copy] = Watched().arguments(value)
    loaded = content_of(copy)
    assert loaded[1] is loaded is not value


def test_a_function_is_named_in_messages_by_its_own_name():
    [(function, _, _), (partial, _, _)] = Watched().take(
        delayed(Model().predict)(), delayed(functools.partial(first, [1]))()
    )
    assert (type(function), function.__name__) == (SnapshotItem, "predict")
    assert (partial.func, type(partial.args[0])) == (first, Snapshot)


def test_values_take_the_place_of_snapshots_again():
    model, value, shape = Model(), [1], (2, 3)
    calls = [
        delayed(model.predict)(value, [value], a=value, b=shape, c=[shape]),
        delayed(functools.partial(first, value))(),
        delayed(Wrapper(abs, {"x": value}))(shape, value),
    ]
    for keeps_identity in (False, True):
        one, two, three = (task_with_values(*task) for task in Watched(keeps_identity=keeps_identity).take(*calls))
        assert one[0].__func__ is Model.predict
        assert one[1][0] is one[1][1][0] is one[2]["a"] is not value
        assert (one[2]["b"] is one[2]["c"][0]) == keeps_identity
        assert two[0].args == ([1],)
        assert (three[0].config, three[0].__wrapped__, three[1]) == ({"x": [1]}, abs, ((2, 3), [1]))
        assert three[0].__name__ == "abs"


def test_a_finished_call_lets_go_of_its_arguments(job):
    array, model = numpy.zeros(1000), Model()
    kept = [weakref.ref(value) for value in (array, model)]
    with Parallel(backend="mpi", max_nbytes=None) as parallel:
        calls = (delayed(isinstance)(value, object) for value in ([numpy.zeros(N_LARGE)], array, model))
        assert parallel(calls) == [True] * 3
        del array, model
        gc.collect()
        assert [value() is None for value in kept] == [True] * 2
        assert parallel._backend._calls.settings_of[parallel].buffers._watched.by_place == {}


@pytest.mark.parametrize("n_tasks", [0, 1, 5])
def test_an_error_of_the_range_of_tasks_is_never_lost(job, options, n_tasks):
    def tasks():
        for i in range(n_tasks):
            yield delayed(abs)(i)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Parallel(backend="mpi", **options)(tasks())
    assert Parallel(backend="mpi", **options)(delayed(abs)(i) for i in range(n_tasks)) == list(range(n_tasks))


def test_without_joblibs_method_tasks_are_taken_as_they_are():
    class Renamed:
        pass

    parallel = Renamed()
    joblib_internals.watch_tasks(parallel, Watched().buffers)
    assert vars(parallel) == {}
