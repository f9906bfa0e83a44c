"""Tests of memory maps of files in the arguments of tasks, on hosts that have the file and on others."""

import mmap
import os
import pickle
from dataclasses import dataclass
from multiprocessing import shared_memory

import joblib
import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy import sparse

from joblib_mpi.executor.shared_objects import SharedObjects
from joblib_mpi.payloads.shared_pickling import SharingPickler, loads
from joblib_mpi.payloads.snapshot_pickling import SnapshotPickler
from joblib_mpi.scattering import _ScatterPickler
from joblib_mpi.sharing import mapped_files
from joblib_mpi.sharing.call_buffers import CallBuffers
from joblib_mpi.sharing.shared_buffers import SharedBuffers
from support.nodes import Nodes

THRESHOLD = 100_000


class Wire:
    """The tasks of one call, from a pickler on rank 0 to an unpickler on a worker of the same host."""

    def __init__(self, private=False):
        self.nodes = Nodes()
        self.shared = SharedBuffers(self.nodes, 2**30, 2**30)
        self.pickler = SharingPickler(CallBuffers(self.shared, THRESHOLD), private)
        self.worker = SharedObjects(self.nodes)
        self.sent_bytes = 0

    def send(self, value, **options):
        head, buffers = self.pickler.dumps(value, **options)
        self.sent_bytes = len(head) + sum(buffer.nbytes for buffer in buffers)
        return loads(head, [bytearray(buffer) for buffer in buffers], self.worker)


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def elsewhere(monkeypatch):
    """Return a function after whose call this process takes itself for one on another host."""
    return lambda: monkeypatch.setattr(mapped_files, "_boot_id", "another kernel")


def numbers(path, mode="w+", shape=(300, 100), dtype=float):
    array = np.memmap(path, dtype, "w+", shape=shape)
    array[:] = np.arange(array.size).reshape(shape)
    array.flush()
    return array if mode == "w+" else np.memmap(path, dtype, mode, shape=shape)


@pytest.mark.parametrize("mode", ["r", "c", "r+", "w+"])
@pytest.mark.parametrize("shape", [(3, 5), (300, 100)])
def test_a_memory_map_arrives_as_a_map_of_the_same_file(wire, tmp_path, mode, shape):
    array = numbers(tmp_path / "data", mode, shape)
    received = wire.send(array)
    assert type(received) is np.memmap
    assert (received.filename, received.offset) == (str(array.filename), 0)
    assert received.mode == ("r+" if mode == "w+" else mode)
    assert (received.dtype, received.shape, received.strides) == (array.dtype, array.shape, array.strides)
    assert np.array_equal(received, array)
    assert received.flags.writeable == (mode != "r")
    assert wire.sent_bytes < 2000


def test_what_a_task_writes_is_in_the_program_and_in_the_file(wire, tmp_path):
    array = numbers(tmp_path / "out")
    wire.send(array)[2, 3] = -1.5
    assert array[2, 3] == -1.5
    assert np.fromfile(tmp_path / "out").reshape(array.shape)[2, 3] == -1.5
    assert np.count_nonzero(array) == array.size - 1  # opening it again has not emptied the file


def test_what_a_task_writes_to_a_copy_on_write_map_stays_with_it(wire, tmp_path):
    array = numbers(tmp_path / "data", "c")
    wire.send(array)[0, 1] = -1.5
    assert array[0, 1] == 1 == np.fromfile(tmp_path / "data")[1]


VIEWS = {
    "rows": lambda a: a[10:20],
    "columns": lambda a: a[:, 5:9],
    "steps": lambda a: a[::7, ::-3],
    "backwards": lambda a: a[::-1],
    "transpose": lambda a: a.T,
    "element": lambda a: a[4:5, 6:7],
    "no dimension": lambda a: a[4:5, 6:7].reshape(()),
    "bytes": lambda a: a.view(np.uint8),
    "broadcast": lambda a: np.broadcast_to(a[3], (50, 100)),
    "ndarray": np.asarray,
    "ndarray's rows": lambda a: np.asarray(a)[3:9],
    "matrix": lambda a: a.view(np.matrix),
    "fortran": lambda a: np.asarray(a).reshape(100, 300, order="F") if a.flags.f_contiguous else a.T[::2],
    "times": lambda a: a.view("M8[s]"),
    "structure": lambda a: a.view([("x", "<i4"), ("y", "<f4")]),
    "records": lambda a: a.view(np.dtype([("x", "<i4"), ("y", "<f4")])).view(np.recarray),
    "tiles": lambda a: as_strided(a, (30, 10, 50), (8000, 800, 8)),
    "rows of tiles": lambda a: as_strided(a, (30, 10, 50), (8000, 800, 8))[3:, 1:9:2],
    "windows": lambda a: sliding_window_view(a, 7, axis=1, writeable=False)[10:],
    "buffer": lambda a: np.frombuffer(a, np.int32),
    "memory": lambda a: np.asarray(memoryview(a)[5:20]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_map_arrives_as_the_same_view(wire, tmp_path, name):
    array = VIEWS[name](numbers(tmp_path / "data"))
    received = wire.send(array)
    assert wire.sent_bytes < 3000
    assert type(received) is type(array)
    assert (received.dtype, received.shape, received.strides) == (array.dtype, array.shape, array.strides)
    assert received.tobytes() == array.tobytes()
    assert received.flags.writeable == array.flags.writeable
    if array.flags.writeable:
        received[...] = np.zeros(1, received.dtype)[0]
        assert received.tobytes() == array.tobytes()


@pytest.mark.parametrize("offset", [0, 128, 4096, 8200])
def test_the_place_in_the_file_is_kept(wire, tmp_path, offset):
    path = tmp_path / "data"
    path.write_bytes(b"\1" * offset + np.arange(1000.0).tobytes())
    array = np.memmap(path, float, "r", offset, (1000,))
    assert wire.send(array).offset == offset
    assert np.array_equal(wire.send(array[100:]), np.arange(100.0, 1000.0))


def open_files():
    return len(os.listdir("/proc/self/fd"))


PLAIN_VIEWS = {
    "array": lambda mapped: np.ndarray(1000, float, mapped),
    "buffer": np.frombuffer,
    "slice": lambda mapped: np.frombuffer(memoryview(mapped)[80:800]),
    "tiles": lambda mapped: as_strided(np.frombuffer(mapped), (10, 10), (800, 8)),
}


def plain_map(path, access=mmap.ACCESS_DEFAULT, offset=0):
    if not path.exists():
        np.arange(1024.0 + offset // 8).tofile(path)
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 8000, access=access, offset=offset)


@pytest.mark.parametrize("offset", [0, mmap.ALLOCATIONGRANULARITY])
@pytest.mark.parametrize("view", PLAIN_VIEWS)
def test_an_array_over_a_map_that_numpy_has_not_made_is_one_of_the_file(wire, tmp_path, view, offset):
    array = PLAIN_VIEWS[view](plain_map(tmp_path / "a \\ b\tc\nd", offset=offset))
    received = wire.send({"a": array})["a"]
    assert wire.sent_bytes < 2000
    assert (type(received), received.strides) == (np.ndarray, array.strides)
    assert np.array_equal(received, array)
    received[3] = -1
    assert np.all(array[3] == -1)


@pytest.mark.parametrize("access", [mmap.ACCESS_READ, mmap.ACCESS_COPY])
def test_a_map_that_numpy_has_not_made_keeps_its_access(wire, tmp_path, access):
    array = np.frombuffer(plain_map(tmp_path / "data", access))
    received = wire.send(array)
    assert wire.sent_bytes < 2000
    assert received.flags.writeable == (access == mmap.ACCESS_COPY)
    if received.flags.writeable:
        received[3] = -1
    assert array[3] == 3


def test_a_plain_map_that_was_changed_privately_is_sent_as_it_is(wire, tmp_path):
    array = np.frombuffer(plain_map(tmp_path / "data", mmap.ACCESS_COPY))
    array[3] = -1
    assert wire.send(array)[3] == -1


def test_what_a_task_writes_to_shared_memory_is_in_the_program(wire):
    memory = shared_memory.SharedMemory(create=True, size=8000)
    try:
        array = np.ndarray(1000, float, memory.buf)
        wire.send(array)[3] = 5
        assert array[3] == 5
        wire.nodes.file_refusals = lambda for_writing, mark: [(2, "it cannot be opened there: No such file")]
        wire.nodes.returns = 1
        with pytest.raises(ValueError, match=r'memory map of "/dev/shm/.*rank 2 on host2.*give them a read-only view'):
            wire.send(array)
        array.flags.writeable = False
        assert wire.send(array)[3] == 5
        del array
    finally:
        memory.close()
        memory.unlink()


def test_memory_that_has_no_file_is_copied(wire):
    array = np.frombuffer(mmap.mmap(-1, 8000))
    received = wire.send(array)
    received[3] = 1
    assert array[3] == 0
    assert wire.nodes.files_compared == []


def test_a_plain_map_whose_file_is_gone_is_refused_for_writing(wire, tmp_path):
    array = np.frombuffer(plain_map(tmp_path / "data"))
    (tmp_path / "data").unlink()
    with pytest.raises(ValueError, match=r'memory map of ".*data.*", which no name leads to'):
        wire.send(array)
    array.flags.writeable = False
    assert wire.send(array)[3] == 3


class Labelled(np.ndarray):
    def __reduce__(self):
        return Labelled._of, (np.array(self),)

    @staticmethod
    def _of(array):
        return array.view(Labelled)


@pytest.mark.parametrize(
    "around",
    [
        np.ma.masked_array,
        lambda a: np.ma.masked_array(np.zeros(a.shape), a.view(bool)[:, :100]),
        lambda a: a.view(Labelled),
        lambda a: {"a": [np.ma.masked_array(a)[3:]]},
    ],
    ids=["masked", "mask", "derived class", "inside"],
)
def test_a_map_that_a_class_would_copy_is_an_error_that_says_what_to_do(wire, tmp_path, around):
    array = numbers(tmp_path / "data")
    message = r'copy of the memory map of ".*data" \(mode "w\+"\), because a \w+ is sent by its elements: give'
    with pytest.raises(ValueError, match=message):
        wire.send(around(array))
    with pytest.raises(ValueError, match=message):
        _ScatterPickler(wire.shared.files).dumps(around(array))
    with pytest.raises(ValueError, match=message):
        SnapshotPickler(lambda array: array, 100).snapshot(around(array))
    for mode in ("r", "c"):
        wire.send(around(numbers(tmp_path / "data", mode)))


def test_views_of_one_map_in_a_task_share_a_map_and_its_open_file(wire, tmp_path):
    array = numbers(tmp_path / "out")
    n_files = open_files()
    received = wire.send([array[row] for row in range(200)] + [np.asarray(array)])
    assert open_files() <= n_files + 2
    received[3][:] = -1
    assert np.all(received[-1][3] == -1)
    assert np.shares_memory(received[3], received[-1])


def test_tasks_of_a_batch_do_not_share_private_pages(wire, tmp_path):
    array = numbers(tmp_path / "data", "c")
    first, second = wire.send([array[:20], array[10:]])
    first[15] = -1
    assert np.array_equal(second, array[10:])


def test_maps_of_numpys_and_joblibs_files_stay_maps(wire, tmp_path):
    values = np.arange(2000.0).reshape(20, 100)
    np.save(tmp_path / "a.npy", np.asfortranarray(values))
    joblib.dump({"values": values, "more": [values + 1]}, tmp_path / "b.joblib")
    from_numpy = wire.send(np.load(tmp_path / "a.npy", mmap_mode="r"))
    assert type(from_numpy) is np.memmap
    assert from_numpy.flags.f_contiguous
    assert np.array_equal(from_numpy, values)
    from_joblib = wire.send(joblib.load(tmp_path / "b.joblib", mmap_mode="r"))
    assert type(from_joblib["values"]) is np.memmap
    assert np.array_equal(from_joblib["more"][0], values + 1)


def test_maps_are_found_in_functions_too(wire, tmp_path):
    array = numbers(tmp_path / "out")

    def fill(row):
        array[row] = -1

    wire.send(fill, in_band=True)(5)
    assert np.all(array[5] == -1)
    assert np.all(array[6] != -1)


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array"])
def test_the_parts_of_a_sparse_matrix_that_was_mapped_can_be_written(wire, tmp_path, kind):
    matrix = getattr(sparse, kind)(np.diag(np.arange(1.0, 20.0)))
    joblib.dump(matrix, tmp_path / "sparse")
    mapped = joblib.load(tmp_path / "sparse", mmap_mode="r")
    for received in (wire.send(mapped), loads(*_ScatterPickler(wire.shared.files).dumps(mapped), wire.worker)):
        received.data[:] = 3
        assert received.sum() == 3 * 19
    assert np.array_equal(mapped.toarray(), matrix.toarray())


def test_a_scattered_map_stays_a_map(wire, tmp_path):
    array = numbers(tmp_path / "data", "r")
    head, buffers = _ScatterPickler(wire.shared.files).dumps([array])
    assert len(head) < 1000
    assert not buffers
    assert type(loads(head, (), wire.worker)[0]) is np.memmap


def test_an_array_computed_from_a_map_is_no_map(wire, tmp_path):
    array = numbers(tmp_path / "data", shape=(3, 5))
    for value in (array + 1, array.copy(), array[[0, 2]], array[0:0]):
        received = wire.send(value)
        assert np.array_equal(received, value)
        assert getattr(received, "_mmap", None) is None


class Mapped(np.memmap):
    """A map with a class that the program has derived."""


class Derived(np.ndarray):
    """An array that pickles as others do."""


@pytest.mark.parametrize("kind", [Mapped, Derived])
def test_a_map_of_a_derived_class_stays_a_map(wire, tmp_path, kind):
    if kind is Mapped:
        array = Mapped(tmp_path / "out", float, "w+", shape=10)
    else:
        array = numbers(tmp_path / "out", shape=(10,)).view(kind)
    received = wire.send([array])[0]
    received[3] = -1
    assert type(received) is kind
    assert array[3] == -1
    derived_from_memory = wire.send([np.arange(4.0).view(kind)])[0] if kind is Derived else array[:4]
    assert type(derived_from_memory) is kind
    scattered = loads(*_ScatterPickler(wire.shared.files).dumps([array]), wire.worker)[0]
    scattered[4] = -2
    assert array[4] == -2


CONTAINERS = {
    "tuple": lambda a: (1, a),
    "dataclass": lambda a: Record(a),
    "slots": lambda a: Slotted(a),
    "bound method": lambda a: Record(a).get,
}


@dataclass
class Record:
    out: np.ndarray

    def get(self):
        return self.out


@dataclass(slots=True)
class Slotted:
    out: np.ndarray


@pytest.mark.parametrize("name", CONTAINERS)
def test_maps_are_found_at_any_depth(wire, tmp_path, name):
    array = numbers(tmp_path / "out", shape=(10,))
    received = wire.send([{"x": CONTAINERS[name](array[2:])}])[0]["x"]
    inside = received() if callable(received) else received[1] if name == "tuple" else received.out
    inside[0] = -1
    assert array[2] == -1


def test_a_data_frame_around_a_map_is_not_copied(wire, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(numbers(tmp_path / "data", "r"), copy=False)
    received = wire.send(frame)
    assert wire.sent_bytes < 10_000
    assert frame.equals(received)


def test_a_scattered_copy_on_write_map_is_not_written_by_one_task_for_the_next(wire, tmp_path):
    array = numbers(tmp_path / "data", "c", (10,))
    for value in (array, np.asarray(array)[2:]):
        received = loads(*_ScatterPickler(wire.shared.files).dumps([value]), wire.worker)[0]
        assert np.array_equal(received, value)
        assert getattr(received, "_mmap", None) is None


@pytest.mark.parametrize(("mode", "read_only"), [("r", True), ("c", False), ("r+", False)])
def test_a_function_is_kept_only_if_tasks_cannot_write_to_its_maps(wire, tmp_path, mode, read_only):
    array = np.asarray(numbers(tmp_path / "data", mode))
    assert array.nbytes > THRESHOLD
    assert wire.pickler.makes_read_only(array) is read_only


def test_a_changed_copy_on_write_map_is_sent_as_it_is(wire, tmp_path):
    array = numbers(tmp_path / "data", "c", (3000, 100))
    assert wire.send(array[2000:]).filename
    array[7, 7] = -1
    assert wire.send(array)[7, 7] == -1
    assert wire.sent_bytes > array.nbytes
    assert wire.send(np.broadcast_to(array[7], (3, 100)))[2, 7] == -1
    assert wire.send(array[2000:]).filename  # other pages


@pytest.mark.parametrize("gone", ["removed", "replaced", "moved"])
def test_a_file_that_has_lost_its_name_is_sent_for_reading_and_refused_for_writing(wire, tmp_path, gone):
    path = tmp_path / "data"
    array, reading = numbers(path), np.memmap(path, float, "r", shape=(300, 100))
    assert type(wire.send(reading)) is np.memmap
    if gone == "replaced":
        (tmp_path / "new").write_bytes(bytes(array.nbytes))
        (tmp_path / "new").rename(path)
    elif gone == "moved":
        path.rename(tmp_path / "elsewhere")
    else:
        path.unlink()
    received = wire.send(reading)
    assert np.array_equal(received, reading)
    assert received.size
    assert not isinstance(received, np.memmap)
    with pytest.raises(ValueError, match=r'memory map of ".*data", which no name leads to'):
        wire.send(array)
    array.flags.writeable = False
    assert np.array_equal(wire.send(array), array)


def test_a_symbolic_link_is_followed_on_rank_0(wire, tmp_path):
    numbers(tmp_path / "data")
    (tmp_path / "link").symlink_to("data")
    array = np.memmap(tmp_path / "link", float, "r+", shape=(300, 100))
    wire.send(array)[0, 0] = 5
    assert array[0, 0] == 5
    assert {path for path, _, _ in wire.nodes.files_compared} == {os.path.realpath(tmp_path / "data")}


def test_the_workers_are_asked_once_for_each_file_and_use(wire, tmp_path):
    array = numbers(tmp_path / "data")
    for _ in range(3):
        wire.send([array, array[3:], np.asarray(array)])
    assert [for_writing for _, for_writing, _ in wire.nodes.files_compared] == [True]
    reading = np.memmap(tmp_path / "data", float, "r", shape=(300, 100))
    for _ in range(3):
        wire.send(reading)
    assert [for_writing for _, for_writing, _ in wire.nodes.files_compared] == [True, False]
    array[0, 0] += 1  # another host's file may be a copy
    array.flush()
    os.utime(tmp_path / "data")
    wire.send(reading)
    assert [for_writing for _, for_writing, _ in wire.nodes.files_compared] == [True, False, False]


def test_the_workers_are_asked_again_once_one_of_them_has_come_back(wire, tmp_path):
    array = numbers(tmp_path / "data")
    wire.send(array)
    wire.nodes.returns = 1
    wire.nodes.file_refusals = lambda for_writing, mark: [(1, "it cannot be opened there")]
    with pytest.raises(ValueError, match="rank 1 on host1"):
        wire.send(array)


def test_a_mark_lies_beside_the_file_while_workers_are_asked_again(wire, tmp_path):
    wire.nodes.file_refusals = lambda for_writing, mark: [] if mark else [(2, "nothing shows it")]
    wire.send(numbers(tmp_path / "data"))
    assert [marked for _, _, marked in wire.nodes.files_compared] == [False, True]
    assert os.listdir(tmp_path) == ["data"]


def test_writing_to_a_file_that_a_host_lacks_is_an_error_that_names_file_rank_host_and_remedy(wire, tmp_path):
    wire.nodes.file_refusals = lambda for_writing, mark: [(2, "it cannot be opened there: No such file")]
    array = numbers(tmp_path / "out")
    with pytest.raises(
        ValueError, match=r'write to the memory map of ".*/out" \(mode "w\+"\), but rank 2 on host2'
    ) as caught:
        wire.send({"out": [array[3]]})
    assert 'it cannot be opened there: No such file. If tasks only read it, open it with mode "r"' in str(caught.value)


@pytest.mark.parametrize("mode", ["r", "c"])
@pytest.mark.parametrize("name", [name for name in VIEWS if name not in ("matrix", "records")])
def test_a_host_without_the_file_gets_the_array_and_rank_0s_host_the_map(wire, tmp_path, elsewhere, mode, name):
    wire.nodes.file_refusals = lambda for_writing, mark: [(2, "it cannot be opened there: No such file")]
    array = VIEWS[name](numbers(tmp_path / "data", mode))
    head, buffers = wire.pickler.dumps([array])
    (mapped,) = loads(head, [bytearray(buffer) for buffer in buffers], wire.worker)
    assert mapped.tobytes() == array.tobytes()
    assert type(mapped) is type(array)
    elsewhere()
    (received,) = loads(head, [bytearray(buffer) for buffer in buffers], wire.worker)
    assert received.tobytes() == array.tobytes()
    assert received.shape == array.shape
    assert received.dtype == array.dtype
    assert getattr(received, "filename", None) is None


def test_a_large_map_that_is_broadcast_leaves_from_its_pages(wire, tmp_path, elsewhere):
    wire.nodes.file_refusals = lambda for_writing, mark: [(2, "it cannot be opened there: No such file")]
    array = numbers(tmp_path / "data", "r")
    _, buffers = wire.pickler.dumps(array)
    (buffer,) = buffers
    assert np.frombuffer(buffer, float).__array_interface__["data"][0] == array.__array_interface__["data"][0]
    wire.send(array)
    wire.send(array)
    assert wire.sent_bytes < 3000
    assert wire.shared.stats()["broadcast"] == 1
    elsewhere()
    assert not wire.send(array).flags.writeable


def test_a_file_that_changes_before_the_task_opens_it_is_an_error_that_names_it(wire, tmp_path):
    head, _ = wire.pickler.dumps(numbers(tmp_path / "data"))
    (tmp_path / "new").write_bytes(b"other")
    (tmp_path / "new").rename(tmp_path / "data")
    with pytest.raises(OSError, match=r'"/.*/data" cannot be opened on .*: the file there is not'):
        loads(head, (), wire.worker)
    assert (tmp_path / "data").read_bytes() == b"other"


def test_a_file_that_became_shorter_is_not_made_longer(wire, tmp_path):
    array = numbers(tmp_path / "data")
    head, _ = wire.pickler.dumps(array)
    del array
    os.truncate(tmp_path / "data", 1000)
    with pytest.raises(OSError, match="cannot be opened"):
        loads(head, (), wire.worker)
    assert os.path.getsize(tmp_path / "data") == 1000


def test_an_ordinary_array_asks_no_worker(wire):
    for value in (np.zeros(10), np.zeros(10)[2:], np.zeros(THRESHOLD), np.frombuffer(bytes(80))):
        wire.send(value)
    assert not wire.nodes.files_compared


def test_pickles_of_the_program_itself_are_as_before(tmp_path):
    array = numbers(tmp_path / "data")
    assert np.array_equal(pickle.loads(pickle.dumps(array)), array)
