"""Tests of `Parallel` on real ranks: values, sizes, modes."""

import pytest

PRELUDE = """
    import os, sys, time, threading
    import numpy
    from joblib import Parallel, delayed, parallel_config, parallel_backend
    def square(x):
        return x * x
"""


@pytest.fixture
def run(mpirun):
    """Run a script in a separate job with that many ranks."""

    def run(ranks, text, **options):
        ended = mpirun.script(ranks, PRELUDE + text, **options)
        assert ended.status == 0, ended
        return ended.stdout.splitlines()

    return run


@pytest.fixture
def run_shared(shared_script):
    """Run a script in a job with that many ranks, which these tests share."""

    def run(ranks, text):
        ended = shared_script(ranks, PRELUDE + text)
        assert ended.status == 0, ended
        return ended.stdout.splitlines()

    return run


@pytest.mark.parametrize("ranks", [1, 2, pytest.param(4, marks=pytest.mark.smoke), 6])
def test_all_ways_of_returning_give_the_same_results(run, ranks):
    assert (
        run(
            ranks,
            """
    with parallel_config(backend="mpi"):
        for mode in ("list", "generator"):
            print(list(Parallel(return_as=mode)(delayed(square)(i) for i in range(50))) == [i * i for i in range(50)])
    import joblib
    if tuple(map(int, joblib.__version__.split(".")[:2])) >= (1, 4):
        results = Parallel(backend="mpi", return_as="generator_unordered")(delayed(square)(i) for i in range(50))
        print(sorted(results) == [i * i for i in range(50)])
    else:
        print(True)
    """,
        )
        == ["True"] * 3
    )


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_no_tasks_and_100000_tasks(run, ranks):
    assert run(
        ranks,
        """
    print(Parallel(backend="mpi")([]))
    squares = Parallel(backend="mpi")(delayed(square)(i) for i in range(100_000))
    print(squares == [i * i for i in range(100_000)])
    """,
    ) == ["[]", "True"]


@pytest.mark.also_attached
def test_functions_and_classes_of_the_script_go_both_ways(run_shared):
    assert run_shared(
        3,
        """
    class Point:
        def __init__(self, x):
            self.x = x
        def moved(self, by):
            return Point(self.x + by)
    offset = 10
    points = Parallel(backend="mpi")(delayed(Point(i).moved)(offset) for i in range(5))
    print([type(point) is Point and point.x for point in points])
    print(Parallel(backend="mpi")(delayed(lambda x: x + offset)(i) for i in range(3)))
    """,
    ) == ["[10, 11, 12, 13, 14]", "[10, 11, 12]"]


@pytest.mark.also_attached
def test_instances_of_classes_with_slots_go_both_ways(run_shared):
    assert run_shared(
        3,
        """
    import dataclasses
    class Plain:
        n_made = 0
        def __init__(self, x):
            Plain.n_made += 1
            self.x = x
    class Slots:
        __slots__ = ("x",)
        def __init__(self, x):
            self.x = x
    @dataclasses.dataclass(slots=True)
    class Data:
        x: int
    def make(i):
        return Slots(i), Data(i), Plain(i)
    def add(value):
        value.x += 10
        return value
    made = Parallel(backend="mpi")(delayed(make)(i) for i in range(4))
    print(all([type(value) for value in values] == [Slots, Data, Plain] for values in made), Plain.n_made)
    added = Parallel(backend="mpi")(delayed(add)(value) for values in made for value in values)
    print([value.x for value in added])
    """,
    ) == ["True 0", "[10, 10, 10, 11, 11, 11, 12, 12, 12, 13, 13, 13]"]


@pytest.mark.also_attached
def test_bound_methods_and_functions_of_the_script_can_be_hashed_in_tasks(run_shared):
    assert run_shared(
        3,
        """
    import joblib
    class Model:
        def __init__(self, factor):
            self.factor = factor
        def apply(self, x):
            return self.factor * x
    def hashes(model, i):
        memory = joblib.Memory("cache", verbose=0)
        return joblib.hash(model.apply), joblib.hash(square), memory.cache(call)(model.apply, i)
    def call(method, i):
        return method(i)
    for factor in (3, 4):
        model = Model(factor)
        expected = joblib.hash(model.apply), joblib.hash(square)
        results = Parallel(backend="mpi")(delayed(hashes)(model, i) for i in range(4))
        print([result[:2] == expected for result in results] == [True] * 4, [result[2] for result in results])
    """,
    ) == ["True [0, 3, 6, 9]", "True [0, 4, 8, 12]"]


def test_modules_beside_the_script_are_found_on_the_workers(mpirun):
    mpirun.write("beside.py", "import os\ndef pid(i):\n    return os.getpid()\n")
    ended = mpirun.script(
        3,
        """
    import os, beside
    from joblib import Parallel, delayed
    print(os.getpid() in Parallel(backend="mpi")(delayed(beside.pid)(i) for i in range(5)))
    """,
    )
    assert (ended.status, ended.stdout) == (0, "False\n"), ended


@pytest.mark.also_attached
@pytest.mark.parametrize("n_bytes", [0, 1000, 65_535, 65_536, 5_000_000])
def test_arrays_of_every_size_go_both_ways_and_are_writable(run_shared, n_bytes):
    assert run_shared(
        3,
        f"""
    def add_in_place(array):
        array += 1
        return array
    array = numpy.arange({n_bytes}, dtype="u1")
    for result in Parallel(backend="mpi", mmap_mode="c")(delayed(add_in_place)(array) for _ in range(6)):
        result += 1
        assert (result == numpy.arange({n_bytes}, dtype="u1") + 2).all()
    assert (array == numpy.arange({n_bytes}, dtype="u1")).all()
    print("equal")
    """,
    ) == ["equal"]


def test_scattered_objects_are_pickled_once_and_read_only(run):
    assert run(
        4,
        """
    class Counted:
        pickled = 0
        def __reduce__(self):
            Counted.pickled += 1
            return str, ("unpickled",)
    def look(array, counted):
        return id(array), os.getpid(), array.flags.writeable, float(array.sum()), counted
    counted, array = Counted(), numpy.arange(1_000_000.0)
    with parallel_config(backend="mpi", scatter=[array, counted]):
        seen = [s for _ in range(2) for s in Parallel(batch_size=1)(delayed(look)(array, counted) for _ in range(40))]
    print(Counted.pickled, {s[2:] for s in seen} == {(False, array.sum(), "unpickled")})
    print(len({s[:2] for s in seen}) <= 3)
    """,
    ) == ["1 True", "True"]


def test_an_array_over_2_gib_is_scattered(run, most_of_the_memory):
    assert run(
        3,
        """
    array = numpy.zeros(2_500_000_000, dtype="u1")
    array[0], array[-1] = 3, 5
    def ends(array):
        return int(array[0]), int(array[-1]), array.nbytes
    with parallel_config(backend="mpi", scatter=[array]):
        print(set(Parallel()(delayed(ends)(array) for _ in range(4))))
    """,
        timeout=300,
    ) == ["{(3, 5, 2500000000)}"]


def test_scattered_memory_is_given_back(run):
    assert run(
        3,
        """
    def resident(array):
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    for _ in range(8):
        array = numpy.ones(20_000_000)
        with parallel_config(backend="mpi", scatter=[array]):
            most = max(Parallel()(delayed(resident)(array) for _ in range(4)))
    print(most < 700_000_000)
    """,
    ) == ["True"]


@pytest.mark.also_attached
def test_two_threads_call_parallel_at_once(run_shared):
    assert run_shared(
        3,
        """
    def work(name):
        for _ in range(5):
            assert Parallel(backend="mpi")(delayed(square)(i) for i in range(100)) == [i * i for i in range(100)]
        print(f"{name}\\n", end="")
    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    """,
    ) in (["a", "b"], ["b", "a"])


@pytest.mark.also_attached
def test_nested_calls_run_inside_the_task(run_shared):
    assert (
        run_shared(
            3,
            """
    def outer(i, options):
        inner = Parallel(n_jobs=2, **options)(delayed(os.getpid)() for _ in range(3))
        return set(inner) == {os.getpid()}
    for options in ({}, {"backend": "mpi"}, {"backend": "threading"}):
        print(all(Parallel(backend="mpi")(delayed(outer)(i, options) for i in range(6))))
    """,
        )
        == ["True"] * 3
    )


@pytest.mark.also_attached
def test_a_dropped_generator_leaves_the_workers_free(run_shared):
    assert run_shared(
        3,
        """
    import warnings
    warnings.simplefilter("ignore")
    parallel = Parallel(backend="mpi", return_as="generator", batch_size=1)
    results = parallel(delayed(time.sleep)(600 * i) for i in range(9))
    next(results)
    del results, parallel
    print(Parallel(backend="mpi")(delayed(square)(i) for i in range(3)))
    """,
    ) == ["[0, 1, 4]"]


@pytest.mark.also_attached
def test_a_generator_feeds_another_call(run_shared):
    assert run_shared(
        3,
        """
    first = Parallel(backend="mpi", return_as="generator", batch_size=1)(delayed(square)(i) for i in range(50))
    print(Parallel(backend="mpi", batch_size=1)(delayed(abs)(-x) for x in first) == [i * i for i in range(50)])
    """,
    ) == ["True"]


def test_more_ranks_than_cores_only_take_longer(run):
    assert run(
        8,
        """
    print(len(set(Parallel(backend="mpi", batch_size=1)(delayed(square)(i) for i in range(200)))))
    """,
    ) == ["200"]


def test_what_tasks_print_is_seen(run):
    # mpirun may tear the lines of two ranks apart
    text = " ".join(run(3, "    Parallel(backend='mpi')(delayed(print)(f'[task{i}]') for i in range(4))\n"))
    assert [text.count(f"[task{i}]") for i in range(4)] == [1] * 4


@pytest.mark.also_attached
def test_workers_have_their_share_of_the_cores(run_shared):
    assert run_shared(
        3,
        """
    [limit] = set(Parallel(backend="mpi")(delayed(os.getenv)("OMP_NUM_THREADS") for _ in range(4)))
    print(limit == str(max(1, len(os.sched_getaffinity(0)) // 3)))
    with parallel_config(backend="mpi", inner_max_num_threads=5):
        print(set(Parallel()(delayed(os.getenv)("OMP_NUM_THREADS") for _ in range(4))))
    """,
    ) == ["True", "{'5'}"]


@pytest.mark.also_attached
def test_managers_of_the_script_are_reached_from_the_workers(run_shared):
    assert run_shared(
        3,
        """
    import multiprocessing
    with multiprocessing.Manager() as manager:
        shared = manager.list()
        Parallel(backend="mpi")(delayed(shared.append)(i) for i in range(4))
        print(sorted(shared))
    """,
    ) == ["[0, 1, 2, 3]"]


@pytest.mark.also_attached
def test_warning_filters_of_the_script_hold_in_tasks(run_shared):
    assert run_shared(
        3,
        """
    import warnings
    def warn():
        try:
            warnings.warn("now an error")
        except UserWarning:
            return "raised"
    warnings.simplefilter("error")
    print(set(Parallel(backend="mpi")(delayed(warn)() for _ in range(4))))
    """,
    ) == ["{'raised'}"]
