"""Tests of large buffers from rank 0 to a worker: where they are found, when they are sent, and what arrives."""

import functools
import gc
import math
import pickle
import time
import weakref

import numpy as np
import pytest
from joblib.parallel import BatchedCalls, SequentialBackend
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from joblib_mpi import SessionError
from joblib_mpi.executor.shared_objects import SharedObjects
from joblib_mpi.payloads.shared_pickling import SharingPickler, loads
from joblib_mpi.payloads.task_context import TaskContext
from joblib_mpi.payloads.task_format import TaskDecoder, TaskEncoder
from joblib_mpi.sharing.call_buffers import CallBuffers
from joblib_mpi.sharing.hashed_memory import HashedMemory
from joblib_mpi.sharing.shared_buffers import SharedBuffers
from support.nodes import Nodes
from support.time_limits import TIMEOUT_SECONDS

THRESHOLD = 100_000
LIMIT = 2**30


class Wire:
    """The tasks of some calls, from a pickler on rank 0 to an unpickler on a worker."""

    def __init__(self, limit=LIMIT, private=False, kept_limit=LIMIT, room=None):
        self.nodes = Nodes()
        self.shared = SharedBuffers(self.nodes, limit, kept_limit, room=room)
        self.worker = SharedObjects(self.nodes)
        self._private = private
        self.start_call()

    def start_call(self):
        self.call = CallBuffers(self.shared, THRESHOLD)
        self._pickler = SharingPickler(self.call, self._private)

    def end_call(self):
        self.call.release()
        self.start_call()

    def send(self, value):
        head, buffers = self._pickler.dumps(value)
        self.sent_bytes = len(head) + sum(buffer.nbytes for buffer in buffers)
        return loads(head, [bytearray(buffer) for buffer in buffers], self.worker)

    def promote(self, value):
        """Send a value twice, check that it is not sent again, and return what then arrives."""
        self.send(value)
        self.send(value)
        received = self.send(value)
        assert self.sent_bytes < 10_000
        return received

    @property
    def stats(self):
        return self.shared.stats()


class Estimator:
    def __init__(self, data):
        self.data = data

    def fit(self, y):
        return self.data, y


class Slots:
    __slots__ = ("data",)


def normal(size=50_000, seed=0):
    return np.random.default_rng(seed).normal(size=size)


def places():
    x = normal()
    slots = Slots()
    slots.data = x
    yield "argument", x, lambda got: got
    yield "tuple", (1, x), lambda got: got[1]
    yield "list", [[x]], lambda got: got[0][0]
    yield "dict", {"a": {"b": x}}, lambda got: got["a"]["b"]
    yield "attribute", Estimator(x), lambda got: got.data
    yield "slots", slots, lambda got: got.data
    yield "bound method", Estimator(x).fit, lambda got: got.__self__.data
    yield "partial", functools.partial(max, x, key=1), lambda got: got.args[0]
    yield "partial's keyword", functools.partial(max, key=x), lambda got: got.keywords["key"]
    yield "object array", np.array([x, None], dtype=object), lambda got: got[0]


@pytest.mark.parametrize(("value", "find"), [pytest.param(v, f, id=name) for name, v, f in places()])
def test_an_array_is_found_wherever_it_sits(value, find):
    wire = Wire()
    assert np.array_equal(find(wire.promote(value)), normal())
    assert wire.stats["broadcast"] == 1


def test_the_first_use_goes_with_the_task_and_the_second_is_broadcast():
    wire = Wire()
    x = normal()
    wire.send(x)
    assert wire.sent_bytes > x.nbytes
    assert wire.nodes.objects == {}
    wire.send({"again": x})
    assert wire.sent_bytes < 1000
    assert len(wire.nodes.objects) == 1
    for _ in range(5):
        wire.send((x, x))
    assert wire.sent_bytes < 1000
    assert (len(wire.nodes.objects), wire.stats["sent_with_a_task"], wire.stats["broadcast"]) == (1, 1, 1)


def test_a_content_made_anew_in_each_call_stays_from_the_second_call_on():
    wire = Wire()
    wire = Wire()
    wire.promote(normal())
    wire.end_call()
    assert wire.nodes.objects == {}
    for _ in range(3):
        wire.send(normal())
        assert wire.sent_bytes < 1000
        wire.end_call()
        assert len(wire.nodes.objects) == 1
    assert (wire.stats["broadcast"], wire.stats["found_on_the_nodes"]) == (2, 2)


def test_an_array_stays_after_its_call_while_the_program_has_it():
    wire = Wire()
    x = normal()
    wire.promote(x)
    wire.end_call()
    assert len(wire.nodes.objects) == 1
    wire.send(x)
    assert wire.stats["broadcast"] == 1
    wire.end_call()
    y = normal(seed=1)
    wire.promote(y)
    del y
    assert len(wire.nodes.objects) == 2  # the call goes on
    wire.end_call()
    z = normal(seed=2)
    wire.promote(z)
    wire.end_call()
    assert len(wire.nodes.objects) == 2
    del z
    assert len(wire.nodes.objects) == 1


def test_calls_with_ever_new_arrays_keep_none_of_them():
    wire = Wire()
    for seed in range(20):
        wire.promote(normal(seed=seed))
        wire.end_call()
        assert wire.nodes.objects == {}
    assert wire.stats["automatic_bytes"] == 0


def test_between_calls_no_more_is_kept_than_allowed():
    wire = Wire(kept_limit=850_000)
    arrays = [normal(seed=seed) for seed in range(4)]
    for array in arrays:
        wire.promote(array)
    assert len(wire.nodes.objects) == 4
    wire.end_call()
    assert wire.stats["automatic_bytes"] == 800_000
    assert len(wire.nodes.objects) == 2


def test_the_content_of_one_call_is_broadcast_at_the_first_use_in_the_next():
    wire = Wire()
    wire.send(normal())
    wire.end_call()
    wire.send(normal())
    assert wire.stats["broadcast"] == 1
    assert wire.sent_bytes < 1000


@pytest.mark.parametrize("size", [50_000, 600_000])
def test_an_array_changed_in_place_between_two_calls_is_sent_anew(size):
    wire = Wire()
    x = normal(size)
    assert wire.promote(x)[size // 3] == x[size // 3]
    wire.end_call()
    x[size // 3] = 7.5
    assert wire.send(x)[size // 3] == 7.5
    assert wire.sent_bytes > x.nbytes


@pytest.mark.parametrize("size", [50_000, 600_000, 3_000_000])
@pytest.mark.parametrize("part", [0.0, 1 / 3, 0.77777])
def test_an_array_changed_at_any_place_within_a_call_is_sent_anew(size, part):
    wire = Wire()
    x = normal(size)
    wire.promote(x)
    place = int(part * size) + 1
    for value in (7.5, 8.5):
        x[place] = value
        assert wire.send(x)[place] == value
        assert wire.send({"again": x[place - 1 :]})["again"][1] == value


def test_memory_that_is_watched_is_compared_once(monkeypatch):
    wire = Wire()
    x = normal(600_000)
    watched = HashedMemory(memoryview(x).cast("B"))
    wire.call._watched = lambda begin, end: watched if (begin, end) == (watched.begin, watched.end) else None
    wire.promote(x)
    x[10] = 7.5  # what watches it would end the call
    assert wire.send(x)[10] != 7.5
    watched = HashedMemory(memoryview(x).cast("B"))
    assert wire.send(x)[10] == 7.5


def test_an_array_that_is_known_to_come_again_is_broadcast_at_its_first_use():
    wire = Wire()
    x = normal(600_000)
    watched = HashedMemory(memoryview(x).cast("B"))
    watched.comes_again = True
    wire.call._watched = lambda begin, end: watched
    assert (wire.send(x) == x).all()
    assert wire.sent_bytes < 1000
    assert (wire.stats["sent_with_a_task"], wire.stats["broadcast"]) == (0, 1)


def test_watched_memory_that_was_changed_before_it_was_sent_is_an_error():
    wire = Wire()
    x = normal(600_000)
    watched = HashedMemory(memoryview(x).cast("B"))
    wire.call._watched = lambda begin, end: watched
    x[10] = 7.5
    with pytest.raises(ValueError, match=r"an array of 4800000 bytes .*was changed .*array\.copy\(\)"):
        wire.send(x)


def test_doubtful_content_is_not_used_again():
    wire = Wire()
    x = normal()
    wire.promote(x)
    wire.call.doubt()
    wire.end_call()
    assert wire.nodes.objects == {}
    wire.send(x)
    assert wire.sent_bytes > x.nbytes


def test_an_array_changed_within_a_call_is_sent_anew_and_its_old_content_forgotten():
    wire = Wire()
    x = normal()
    wire.promote(x)
    x[17] = 7.5
    assert wire.send(x)[17] == 7.5
    wire.end_call()
    wire.send(normal())  # the nodes may have got some of it after the change
    assert wire.sent_bytes > x.nbytes


def test_content_that_was_under_way_when_its_call_ended_is_not_used_again():
    wire = Wire()
    wire = Wire()
    wire.promote(normal())
    wire.nodes.transfers = 1
    wire.end_call()
    assert wire.nodes.objects == {}
    wire.nodes.transfers = 0
    wire = Wire()
    wire.promote(normal())
    assert len(wire.nodes.objects) == 1


def views():
    yield "rows", lambda x: x[10:200]
    yield "columns", lambda x: x[:, 5:20]
    yield "every second row", lambda x: x[::2]
    yield "reversed", lambda x: x[::-1, ::-1]
    yield "transposed", lambda x: x.T
    yield "one column", lambda x: x[:, 3]
    yield "broadcast", lambda x: np.broadcast_to(x[0], (5000, *x[0].shape))
    yield "other type", lambda x: x.view(np.uint64)
    yield "view of a view", lambda x: x[3:][:, ::3]
    yield "diagonal", lambda x: x.diagonal()
    yield "windows", lambda x: sliding_window_view(x, 7, axis=0)
    yield "rows of tiles", lambda x: as_strided(x, (50, 20, 50), (x.strides[0] * 20, x.strides[0], x.strides[1]))[3:]


def test_a_call_ends_although_its_job_is_gone(monkeypatch):
    def object_stats():
        raise SessionError("the job has closed the connection")

    wire = Wire()
    wire.promote(normal())
    assert wire.stats["automatic_objects"] == 1
    monkeypatch.setattr(wire.nodes, "object_stats", object_stats)
    wire.end_call()
    assert wire.stats["automatic_objects"] == 0


@pytest.mark.parametrize("view", [pytest.param(v, id=name) for name, v in views()])
@pytest.mark.parametrize("order", ["C", "F"])
def test_views_of_a_known_array_are_sent_as_views(view, order):
    wire = Wire()
    x = np.asarray(normal((1000, 100)), order=order)
    wire.promote(x)
    got = wire.send(view(x))
    assert np.array_equal(got, view(x))
    assert got.dtype == view(x).dtype
    if view(x).nbytes >= THRESHOLD:
        assert got.strides == view(x).strides
        assert wire.sent_bytes < 2000
    assert wire.stats["broadcast"] == 1


def test_windows_of_an_array_are_not_copied():
    wire = Wire()
    x = normal(50_000)
    windows = sliding_window_view(x, 1000)
    for _ in range(3):
        got = wire.send(windows)
        assert np.array_equal(got[::5000], windows[::5000])
        assert wire.sent_bytes < 2 * x.nbytes
    assert wire.sent_bytes < 2000


def test_a_slice_of_a_large_array_does_not_drag_all_of_it_along():
    wire = Wire()
    x = normal((2000, 100))
    part = wire.send(x[:, :20])
    assert np.array_equal(part, x[:, :20])
    assert wire.sent_bytes < x.nbytes / 2


def arrays():
    rng = np.random.default_rng(0)
    n = 20_000
    yield "float32", rng.normal(size=n * 4).astype("f4")
    yield "big-endian", rng.integers(0, 1000, n).astype(">i8")
    yield "complex", rng.normal(size=n) + 1j
    yield "structured", np.array([(i, i / 2) for i in range(n)], dtype=[("i", "<i4"), ("x", "<f8")])
    yield "bool", rng.integers(0, 2, n * 8).astype(bool)
    yield "bytes", np.full(n, b"abcdefgh", "S8")
    yield "text", np.full(n, "abcd", "U4")
    yield "time", np.arange(n).astype("M8[ns]")
    yield "Fortran order", np.asfortranarray(rng.normal(size=(200, 100)))
    yield "three dimensions", rng.normal(size=(20, 30, 40))
    yield "record", np.rec.array([(i, 2.0) for i in range(n)], dtype=[("i", "<i4"), ("x", "<f8")])
    nans = rng.normal(size=n)
    nans.view(np.uint64)[::7] = 0x7FF8_0000_DEAD_BEEF
    yield "NaN payloads", nans


@pytest.mark.parametrize("array", [pytest.param(a, id=name) for name, a in arrays()])
def test_all_kinds_of_arrays_arrive_bit_by_bit(array):
    wire = Wire()
    got = wire.promote([array])[0]
    assert (got.dtype, got.shape, got.flags.f_contiguous) == (array.dtype, array.shape, array.flags.f_contiguous)
    assert got.tobytes() == array.tobytes()
    assert type(got) is type(array)


def test_a_memory_map_whose_file_was_removed_arrives_as_an_array(tmp_path):
    wire = Wire()
    normal((1000, 50)).tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", "f8", "r", shape=(1000, 50))
    (tmp_path / "x").unlink()
    for view in (mapped, mapped[100:900], mapped[:, ::2]):
        assert np.array_equal(wire.promote(view), view)
    assert type(wire.send(mapped)) is np.ndarray
    assert wire.stats["broadcast"] == 1


def test_masked_arrays_travel_as_they_pickle_themselves():
    wire = Wire()
    masked = np.ma.masked_less(normal(), 0)
    got = wire.send(masked)
    assert np.array_equal(got.mask, masked.mask)
    assert np.ma.allequal(got, masked)


@pytest.mark.parametrize("array", [np.zeros(0), np.array(3.5), np.zeros((0, 5))], ids=["empty", "0-d", "no rows"])
def test_tiny_arrays_stay_in_the_task(array):
    wire = Wire()
    for _ in range(3):
        got = wire.send(array)
        assert (got.shape, got.tobytes()) == (array.shape, array.tobytes())
    assert wire.stats["sent_with_a_task"] == 0


def test_arrays_over_the_threshold_are_read_only_from_the_first_task_on():
    wire = Wire()
    x = normal((1000, 100))
    x.flags.writeable = True
    for value in (x, x, x[:, 50:], x[:, 50:], x[:, ::2]):
        assert not wire.send(value).flags.writeable
    assert wire.send(np.zeros(10)).flags.writeable
    assert x.flags.writeable


def test_with_mmap_mode_c_each_task_may_write_to_what_it_gets():
    wire = Wire(private=True)
    x = normal()
    for _ in range(4):
        got = wire.send(x)
        assert np.array_equal(got, x)
        got[:] = 0
    assert x.any()


def test_the_parts_of_a_sparse_matrix_are_writable():
    sparse = pytest.importorskip("scipy.sparse")
    wire = Wire()
    matrix = sparse.random(2000, 2000, 0.02, format="csr", random_state=0)
    for _ in range(4):
        got = wire.send({"x": matrix})["x"]
        assert (got != matrix).nnz == 0
        got.data *= 2
    assert wire.sent_bytes < matrix.data.nbytes
    assert wire.stats["broadcast"] == 2  # data and indices; the pointers are short


def test_the_columns_of_a_data_frame_are_found():
    pandas = pytest.importorskip("pandas")
    wire = Wire()
    frame = pandas.DataFrame({f"x{i}": normal(seed=i) for i in range(3)})
    pandas.testing.assert_frame_equal(wire.promote(frame), frame)
    assert wire.stats["broadcast"] >= 1


def test_a_generator_of_arrays_is_not_kept_alive_by_its_call():
    wire = Wire()
    arrays = [normal(seed=i) for i in range(5)]
    for array in arrays:
        wire.send(array)
    alive = [weakref.ref(array) for array in arrays]
    arrays.clear()
    del array
    gc.collect()
    assert [ref() is None for ref in alive] == [True] * 5


def test_a_new_array_in_the_memory_of_an_old_one_is_not_taken_for_it():
    wire = Wire()
    for seed in range(20):
        assert np.array_equal(wire.send(normal(seed=seed)), normal(seed=seed))


def test_memory_that_is_no_arrays_is_shared_by_its_content():
    wire = Wire()
    data = bytearray(normal().tobytes())
    for _ in range(3):
        assert bytes(wire.send(pickle.PickleBuffer(data))) == bytes(data)
    assert wire.sent_bytes < 1000


def test_contents_make_room_for_others_the_least_recently_used_first():
    wire = Wire(limit=1_000_000)  # two arrays
    x, y, z = (normal(seed=seed) for seed in range(3))
    for array in (x, y, x):
        wire.promote(array)
        wire.end_call()
    wire.promote(z)
    wire.end_call()
    assert (wire.stats["evicted"], wire.stats["automatic_objects"], len(wire.nodes.objects)) == (1, 2, 2)
    wire.send(x)
    assert wire.sent_bytes < 1000
    wire.send(y)
    assert wire.stats["automatic_bytes"] <= 1_000_000


def test_what_a_call_uses_is_not_evicted():
    wire = Wire(limit=1_000_000)
    x, y, z = (normal(seed=seed) for seed in range(3))
    wire.promote(x)
    wire.promote(y)
    for _ in range(3):
        assert np.array_equal(wire.send(z), z)
        assert wire.sent_bytes > z.nbytes
    assert wire.stats["evicted"] == 0
    with pytest.raises(MemoryError, match=r"the array needs 40000\d bytes on each node.*JOBLIB_MPI_SHARED_LIMIT"):
        wire.shared.scatter(b"head", [z], "the array")


def test_two_calls_at_a_time_share_what_they_use_and_free_it_once():
    wire = Wire(limit=500_000)
    x = normal()
    wire.promote(x)
    other = CallBuffers(wire.shared, THRESHOLD)
    assert other.find(memoryview(x).cast("B")) is not None
    wire.end_call()
    for _ in range(2):
        wire.send(normal(seed=1))
    assert len(wire.nodes.objects) == 1
    other.release()
    wire.promote(normal(seed=1))
    assert wire.stats["evicted"] == 1


def test_after_its_end_a_call_shares_nothing():
    wire = Wire()
    x = normal()
    wire.promote(x)
    wire.call.release()
    wire.send(normal(seed=1))
    wire.send(normal(seed=1))
    assert wire.stats["broadcast"] == 1


def test_nothing_is_shared_below_the_threshold_or_without_one():
    nodes = Nodes()
    call = CallBuffers(SharedBuffers(nodes, LIMIT, LIMIT), math.inf)
    pickler = SharingPickler(call)
    for _ in range(3):
        _, buffers = pickler.dumps(normal())
        assert len(buffers) == 1
        assert not buffers[0].readonly
    assert nodes.objects == {}


def test_a_long_function_stays_from_its_second_call_on():
    nodes = Nodes()
    shared = SharedBuffers(nodes, LIMIT, LIMIT)
    context = TaskContext(SequentialBackend(nesting_level=1), None, None, b"", b"key")
    decoder = TaskDecoder(SharedObjects(nodes), lambda context: None, lambda: None)
    for _ in range(3):
        text = "x" * 10_000
        call = CallBuffers(shared, THRESHOLD)
        encoder = TaskEncoder(context, {}, call)
        batch = BatchedCalls([(lambda text=text: len(text), (), {})], (context.nested_backend, None))
        _, head, buffers, _ = encoder.encode(batch)
        assert decoder.decode(head, buffers)() == [10_000]
        call.release()
    assert (shared.stats()["broadcast"], len(nodes.objects)) == (2, 1)


class Room:
    """The memory that is left, as a test says, and the number of looks at it."""

    def __init__(self, nbytes):
        self.nbytes = nbytes
        self.looks = 0

    def __call__(self):
        self.looks += 1
        return self.nbytes


def wait_until(is_so):
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_no_call_uses_gives_way_while_memory_gets_small():
    room = Room(LIMIT)
    wire = Wire(room=room)
    old, new = np.ones(100_000), np.ones(110_000)
    for array in (old, new):
        wire.promote(array)
        wire.end_call()
    looks = room.looks
    wait_until(lambda: room.looks > looks + 2)
    assert len(wire.nodes.objects) == 2
    room.nbytes = 2 * new.nbytes  # half of it is enough for the newer one
    wait_until(lambda: len(wire.nodes.objects) == 1)
    assert (wire.stats["automatic_bytes"], wire.stats["evicted"]) == (new.nbytes, 1)
    room.nbytes = 0
    wait_until(lambda: not wire.nodes.objects)
    room.nbytes = LIMIT
    wire.promote(old)
    wire.end_call()  # which is watched, too
    room.nbytes = 0
    wait_until(lambda: not wire.nodes.objects)


def test_what_a_call_uses_stays_however_little_memory_is_left():
    room = Room(LIMIT)
    wire = Wire(room=room)
    kept, used = np.ones(100_000), np.ones(110_000)
    wire.promote(kept)
    wire.end_call()
    wire.promote(used)
    room.nbytes = 0
    wait_until(lambda: len(wire.nodes.objects) == 1)
    np.testing.assert_array_equal(wire.send(used), used)
    assert wire.sent_bytes < 10_000


@pytest.mark.parametrize(("hosts", "share"), [("abc", 1), ("abcb", 2), ("aaaaaaaa", 7)])
def test_the_executors_of_a_host_share_a_part_of_the_limit_for_functions(hosts, share):
    nodes = Nodes()
    nodes.size = len(hosts)
    nodes.host = lambda rank: hosts[rank]
    assert SharedBuffers(nodes, LIMIT, 2**30).kept_function_bytes == 2**27 // share
