"""Makes random calls with random faults for some time, then checks that nothing has grown: SEED SECONDS MOST_RANKS.

Each call's results are compared with what they must be. MOST_RANKS worker ranks are killed; the launcher must let the
others live. After every lap of calls, what the job still has is counted: descriptors, memory, threads and files of
all its processes, shared objects, unfinished tasks, and Python objects of joblib_mpi. The laps after the first few must
end with no more than these.
"""

import ctypes
import functools
import gc
import hashlib
import importlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config

import joblib_mpi

seed, seconds, most_ranks = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
KEPT_BYTES = int(os.environ["JOBLIB_MPI_KEPT_LIMIT"])
chance = random.Random(seed)
n_workers = joblib_mpi.session.current().core.n_workers

#: Calls of a lap; laps of which the counts may grow, because caches fill; laps at least.
CALLS, LAPS_TO_FILL, LEAST_LAPS = 40, 2, 3
#: Longer than any job of a test: a task that sleeps so long ends only because it is ended.
ENDLESS_SECONDS = 3600
#: The time that counts may take to fall after the last call of a lap: processes end, objects are dropped.
SETTLE_SECONDS = 60
MARKS = Path(tempfile.mkdtemp(prefix="soak-"))


class Wrong(Exception):
    """A result that is not what it must be."""


class Refused(Exception):
    """The error of a task, with the task's number."""

    def __init__(self, number):
        super().__init__(f"task {number} refuses")
        self.number = number


def check(got, want, what):
    if got != want:
        raise Wrong(f"{what}: {got!r} instead of {want!r}")


def digest(data):
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def content(number, nbytes):
    return np.random.default_rng(number).bytes(nbytes)


def first_time(mark):
    """Return whether no attempt has made this mark before: a folder, since a task may be ended with a file open."""
    try:
        os.mkdir(mark)
    except FileExistsError:
        return False
    return True


def name_as_worked():
    # Only executors that have worked are killed: a rank retires if they die faster than this machine starts them.
    with open("/proc/self/comm", "w") as name:
        name.write("has_worked")


def echo(number, argument, nbytes):
    name_as_worked()
    return number, digest(argument), content(number, nbytes)


def echo_slowly(number):
    time.sleep(0.01)
    return number


def total(array, number):
    return float(array[number % len(array)]) + number


def refuse(number, refusals):
    if number in refusals:
        raise Refused(number)
    return number


def refuse_once(number, mark):
    if mark is not None and first_time(mark):
        raise Refused(number)
    return number


def die_once(number, mark):
    if mark is not None and first_time(mark):
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(number, victims):
    if number in victims:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def sleep_once(number, mark):
    if mark is not None and first_time(mark):
        time.sleep(ENDLESS_SECONDS)
    return number


def sleep(mark):
    first_time(mark)
    time.sleep(ENDLESS_SECONDS)


def block(number, length):
    return {"number": number, "block": np.full(length, float(number))}


def nested(number, depth):
    if depth == 0:
        return number
    return sum(Parallel(n_jobs=2)(delayed(nested)(number + i, depth - 1) for i in range(3)))


def expected_nested(number, depth):
    return number if depth == 0 else sum(expected_nested(number + i, depth - 1) for i in range(3))


def surroundings(name):
    return os.environ.get(name), os.getcwd()


def unpicklable(number, which):
    return threading.Lock() if number == which else number


def first_of(number, _):
    return number


def small():
    return chance.randrange(0, 2_000)


def size():
    return chance.choice([0, 1, small(), small(), chance.randrange(100_000), chance.randrange(300_000)])


def n_tasks():
    return chance.choice([0, 1, 2, n_workers, 10, 10, 40, 150])


def mark():
    return str(MARKS / f"mark-{time.monotonic_ns()}-{chance.getrandbits(32)}")


def options():
    """Return arguments of Parallel that change nothing of the results."""
    return {
        "n_jobs": chance.choice([-1, -1, -1, 1, 2, n_workers + 2]),
        "batch_size": chance.choice(["auto", 1, 3]),
        "pre_dispatch": chance.choice(["2*n_jobs", "all", 1, 7]),
        "max_nbytes": chance.choice(["1M", "64K", None]),
        "mmap_mode": chance.choice(["r", "c"]),
    }


def echoes():
    first, count = chance.randrange(10_000), n_tasks()
    sizes = [(size(), size()) for _ in range(count)]
    tasks = (delayed(echo)(first + i, content(i, a), b) for i, (a, b) in enumerate(sizes))
    expected = [(first + i, digest(content(i, a)), content(first + i, b)) for i, (a, b) in enumerate(sizes)]
    return tasks, expected


def short(echoed):
    return [(number, argument, digest(result)) for number, argument, result in echoed]


def call_plain():
    tasks, expected = echoes()
    check(short(Parallel(**options())(tasks)), short(expected), "results")


def call_several_of_one_object():
    with Parallel(**options()) as parallel:
        for _ in range(3):
            tasks, expected = echoes()
            check(short(parallel(tasks)), short(expected), "results of one object")


def call_generator():
    tasks, expected = echoes()
    return_as = chance.choice(["generator", "generator_unordered"])
    n_taken = chance.choice([len(expected), chance.randrange(len(expected) + 1)])
    results = Parallel(return_as=return_as, **options())(tasks)
    taken = short(result for result, _ in zip(results, range(n_taken), strict=False))
    if return_as == "generator":
        check(taken, short(expected)[:n_taken], "results of a generator")
    else:
        check(Counter(taken) - Counter(short(expected)), Counter(), "results of an unordered generator")
        check(len(taken), n_taken, "their number")
    if chance.random() < 0.5:
        results.close()


def call_error():
    count = n_tasks() + 1
    refusals = {chance.randrange(count) for _ in range(3)}
    if chance.random() < 0.5:
        with parallel_config(backend="mpi", on_error="return"):
            results = Parallel(**options())(delayed(refuse)(i, refusals) for i in range(count))
        results = [f"refused {r.number}" if isinstance(r, Refused) else r for r in results]
        check(results, [f"refused {i}" if i in refusals else i for i in range(count)], "errors among results")
        return
    try:
        results = Parallel(**options())(delayed(refuse)(i, refusals) for i in range(count))
    except Refused as error:
        check(error.number in refusals, True, "the number of an error")
    else:
        raise Wrong(f"results instead of an error: {results!r}")


def call_error_of_the_range():
    count = n_tasks()

    def tasks():
        for i in range(count):
            yield delayed(abs)(i)
        raise Refused(count)

    # With pre_dispatch="all", joblib (1.6, with any backend) loses an error that comes before it waits for results.
    try:
        results = Parallel(**options() | {"pre_dispatch": chance.choice(["2*n_jobs", 1, 7])})(tasks())
    except Refused as error:
        check(error.number, count, "the number of an error")
    else:
        raise Wrong(f"results instead of the range's error: {results!r}")


def call_unpicklable():
    count = n_tasks() + 1
    which = chance.randrange(count)
    try:
        if chance.random() < 0.5:
            results = Parallel(**options())(delayed(unpicklable)(i, which) for i in range(count))
        else:
            lock = threading.Lock()
            results = Parallel(**options())(delayed(first_of)(i, lock if i == which else i) for i in range(count))
    except Exception as error:
        check("pickle" in repr(error), True, f"an error about pickling ({error!r})")
    else:
        # n_jobs=1 runs tasks in the program, where nothing is pickled.
        check(len(results), count, "results that need not be pickled")


def call_deaths_repeated():
    count = n_tasks()
    marks = [mark() if chance.random() < 0.1 else None for _ in range(count)]
    with parallel_config(backend="mpi", retries=30):
        results = Parallel(n_jobs=-1, batch_size=1)(delayed(die_once)(i, marks[i]) for i in range(count))
    check(results, list(range(count)), "results after deaths")


def call_deaths_returned():
    count = n_tasks()
    victims = {chance.randrange(count + 1) for _ in range(2)}
    with parallel_config(backend="mpi", retries=0, on_error="return"):
        results = Parallel(n_jobs=-1, batch_size=1)(delayed(die)(i, victims) for i in range(count))
    results = ["died" if isinstance(r, joblib_mpi.WorkerLostError) else r for r in results]
    check(results, ["died" if i in victims else i for i in range(count)], "deaths among results")


def call_killed_from_outside():
    tasks, expected = echoes()
    stop = threading.Event()
    killer = threading.Thread(target=kill_executors_until, args=(stop, chance.getrandbits(32)))
    killer.start()
    try:
        with parallel_config(backend="mpi", retries=1000):
            results = Parallel(n_jobs=-1, batch_size=chance.choice([1, 3]))(tasks)
    finally:
        stop.set()
        killer.join()
    check(short(results), short(expected), "results while executors are killed")


def call_timed_out_task():
    count = n_tasks()
    marks = [mark() if chance.random() < 0.03 else None for _ in range(count)]
    with parallel_config(backend="mpi", retries=30, task_timeout=chance.choice([0.3, 1.0])):
        results = Parallel(n_jobs=-1, batch_size=1)(delayed(sleep_once)(i, marks[i]) for i in range(count))
    check(results, list(range(count)), "results after time limits")


def call_timed_out():
    try:
        Parallel(n_jobs=-1, timeout=chance.choice([0.01, 0.3]), batch_size=1)(
            delayed(sleep)(mark()) for _ in range(n_tasks() + 1)
        )
    except multiprocessing.TimeoutError:
        return
    raise Wrong("no TimeoutError")


def call_left_while_tasks_sleep():
    started = mark()
    results = Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)(
        delayed(sleep)(started) for _ in range(n_workers + 3)
    )
    if chance.random() < 0.5:
        while not os.path.exists(started):
            time.sleep(0.01)
    if chance.random() < 0.5:
        results.close()


def call_interrupted():
    started = mark()

    def interrupt():
        while not os.path.exists(started):
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        Parallel(n_jobs=-1, batch_size=1)(delayed(sleep)(started) for _ in range(n_workers))
    except KeyboardInterrupt:
        thread.join()
        return
    raise Wrong("no KeyboardInterrupt")


kept_arrays = []
kept_handles = []
kept_results = []


def random_array():
    return np.random.default_rng(chance.getrandbits(32)).normal(size=chance.choice([1_000, 20_000, 200_000]))


def call_arrays():
    if kept_arrays and chance.random() < 0.5:
        array = chance.choice(kept_arrays)
        if chance.random() < 0.3:
            array[chance.randrange(len(array))] += 1.0
    else:
        array = random_array()
        kept_arrays.append(array)
    del kept_arrays[: len(kept_arrays) - 3]
    count = n_tasks()
    argument = chance.choice([array, array[5:], array[::2]])
    results = Parallel(**options())(delayed(total)(argument, i) for i in range(count))
    check(results, [total(argument, i) for i in range(count)], "results from an array")


def call_closure():
    array, factor = random_array(), chance.random()

    def scaled(number):
        return float(array[number]) * factor

    count = n_tasks()
    results = Parallel(**options())(delayed(scaled)(i) for i in range(count))
    check(results, [float(array[i]) * factor for i in range(count)], "results of a closure")


def call_handle():
    if not kept_handles or chance.random() < 0.5:
        array = random_array()
        kept_handles.append((joblib_mpi.scatter(array), array))
    handle, array = chance.choice(kept_handles)
    while len(kept_handles) > chance.randrange(4):
        kept_handles.pop(chance.randrange(len(kept_handles)))
    count = n_tasks()
    results = Parallel(**options())(delayed(total)(handle, i) for i in range(count))
    check(results, [total(array, i) for i in range(count)], "results from a scattered object")


def call_scatter():
    arrays = [random_array() for _ in range(chance.randrange(1, 4))]
    with parallel_config(backend="mpi", scatter=arrays):
        for array in arrays:
            count = n_tasks()
            results = Parallel(**options())(delayed(total)(array, i) for i in range(count))
            check(results, [total(array, i) for i in range(count)], "results from scatter=")


def call_nested():
    depth, count = chance.randrange(1, 3), n_tasks() % 20
    results = Parallel(**options())(delayed(nested)(i, depth) for i in range(count))
    check(results, [expected_nested(i, depth) for i in range(count)], "results of nested calls")


def call_at_once():
    problems = []

    def run(tasks, expected, arguments):
        try:
            with parallel_config(backend="mpi"):
                check(short(Parallel(**arguments)(tasks)), short(expected), "results of calls at the same time")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=run, args=(*echoes(), options())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def call_spilled():
    count, length = n_tasks() % 12, chance.choice([1_000, 200_000])
    return_as = chance.choice(["list", "generator"])
    with parallel_config(
        backend="mpi", spill_threshold=chance.choice([100_000, "1MB"]), memory_budget=chance.choice(["4MB", "100MB"])
    ):
        results = Parallel(n_jobs=-1, return_as=return_as)(delayed(block)(i, length) for i in range(count))
        numbers = []
        for result in results:
            check(bool((result["block"] == result["number"]).all()), True, "a spilled block")
            numbers.append(result["number"])
            if chance.random() < 0.3:
                kept_results.append((result["number"], result["block"]))
    check(numbers, list(range(count)), "spilled results")
    for number, kept in kept_results:
        check(bool((kept == number).all()), True, "a block of an earlier call")
    del kept_results[: len(kept_results) - chance.randrange(4)]


def call_checkpoint():
    folder = MARKS / f"checkpoint-{time.monotonic_ns()}"
    folder.mkdir()
    count = n_tasks() + 1
    which = chance.randrange(count)
    marks = [mark() if i == which else None for i in range(count)]
    try:
        for error in (True, False):
            with parallel_config(backend="mpi", checkpoint=str(folder / "results.h5"), on_error="return"):
                results = Parallel(**options())(delayed(refuse_once)(i, marks[i]) for i in range(count))
            results = ["refused" if isinstance(result, Refused) else result for result in results]
            expected = ["refused" if error and i == which else i for i in range(count)]
            check(results, expected, "results with a checkpoint")
    finally:
        shutil.rmtree(folder)


def call_surroundings():
    name, folder = f"SOAK_{chance.randrange(3)}", str(MARKS)
    before = os.getcwd()
    os.environ[name] = value = str(chance.random())
    os.chdir(folder)
    try:
        results = Parallel(**options())(delayed(surroundings)(name) for _ in range(5))
    finally:
        os.chdir(before)
        del os.environ[name]
    check(results, [(value, folder)] * 5, "surroundings")


def stat_fields(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()


def is_alive(pid):
    try:
        return stat_fields(pid)[0] != "Z"
    except OSError:
        return False


def children(pid):
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        texts = [Path(f"/proc/{pid}/task/{thread}/children").read_text() for thread in threads]
    except OSError:
        return []
    return [int(child) for text in texts for child in text.split() if is_alive(int(child))]


def worker_ranks():
    return [pid for pid in children(os.getppid()) if pid != os.getpid()]


@functools.cache
def fork_servers():
    """Return the processes that a rank has forked, and that go on without it: they fork the keepers of all ranks."""
    return [pid for rank in worker_ranks() for pid in children(rank)]


def zygotes():
    keepers = [pid for server in fork_servers() for pid in children(server)]
    return [pid for keeper in keepers for pid in children(keeper)]


def executors():
    return [pid for zygote in zygotes() for pid in children(zygote)]


def has_worked(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "has_worked\n"
    except OSError:
        return False


def kill_executors_until(stop, killer_seed):
    killer_chance = random.Random(killer_seed)
    while not stop.wait(killer_chance.uniform(0.02, 0.1)):
        victims = [pid for pid in executors() if has_worked(pid)]
        if victims:
            kill(killer_chance.choice(sorted(victims)))


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def call_on_workers():
    number = chance.randrange(1000)
    check(joblib_mpi.run_on_workers(abs, -number), [number] * max(n_workers, 1), "results of each worker")


def call_ship():
    folder, added = MARKS / f"modules-{time.monotonic_ns()}", chance.randrange(8)
    folder.mkdir()
    (folder / "shipped_in_soak.py").write_text(f"def add(i):\n    return i + {added}\n")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module("shipped_in_soak")
        sys.path.remove(str(folder))
        with parallel_config(backend="mpi", ship=[module]):
            results = Parallel(**options())(delayed(module.add)(i) for i in range(10))
    finally:
        sys.modules.pop("shipped_in_soak", None)
        shutil.rmtree(folder)
    check(results, [i + added for i in range(10)], "results of a module that was sent")


def lose_a_rank():
    """Kill a rank during a call, which ends only when the loss is known, because each rank gets some of its tasks."""
    victim = chance.choice(sorted(worker_ranks()))
    with parallel_config(backend="mpi", retries=30):
        results = Parallel(n_jobs=-1, batch_size=1, return_as="generator")(
            delayed(echo_slowly)(i) for i in range(100 * n_workers)
        )
        numbers = [next(results)]
        kill(victim)
        numbers += results
    check(numbers, list(range(100 * n_workers)), "results while a rank is killed")
    print("killed a rank", file=sys.stderr, flush=True)


def kind_of_descriptor(target):
    return target.partition(":")[0].lstrip("/") if ":" in target else "files"


class Usage(dict):
    """Counts by name.

    Attributes
    ----------
    files : dict of str to list of str
        The paths of the open files of the process that has most, by its role.
    """

    def __init__(self):
        super().__init__()
        self.files = {}

    def take_process(self, role, pid):
        """Add a process to those of its role, of which the largest counts."""
        try:
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            descriptors = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            return
        if "RssAnon" not in status:
            return
        for kind, count in Counter(kind_of_descriptor(target) for target in descriptors).items():
            self.raise_to(f"{role}: descriptors of {kind}", count)
        files = sorted(target for target in descriptors if kind_of_descriptor(target) == "files")
        self.files[role] = max(self.files.get(role, []), files, key=len)
        self.raise_to(f"{role}: threads", int(status["Threads"]))
        self.raise_to(f"{role}: megabytes", int(status["RssAnon"].split()[0]) // 1024)

    def raise_to(self, name, count):
        self[name] = max(self.get(name, 0), count)


def usage():
    """Return what the job has now."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    counts = Usage()
    counts.take_process("rank 0", os.getpid())
    ranks = worker_ranks()
    n_executors = 0
    for rank in ranks:
        counts.take_process("worker", rank)
    for zygote in zygotes():
        counts.take_process("zygote", zygote)
        of_zygote = children(zygote)
        n_executors += len(of_zygote)
        counts.raise_to("executors of a worker", len(of_zygote))
        for executor in of_zygote:
            counts.take_process("executor", executor)
    counts["processes of rank 0"] = len(children(os.getpid()))
    counts["worker ranks"] = len(ranks)
    stats = joblib_mpi.stats()
    for name in ("scattered_objects", "transfers", "unfinished_tasks"):
        counts[name] = stats[name]
    # A content that the next call may need again is an object with a segment, which each process may have open.
    n_kept = stats["automatic_objects"]
    counts["bytes kept beyond the limit"] = max(0, stats["automatic_bytes"] - KEPT_BYTES)
    counts["objects that are not kept"] = stats["objects"] - n_kept
    counts["segments that are not kept"] = max(0, stats["segments"] - n_kept)
    for name in [name for name in counts if name.endswith("descriptors of memfd")]:
        counts[name] = max(0, counts[name] - n_kept)
    counts["shared megabytes"] = stats["segment_bytes"] >> 20
    files = files_in(tempfile.gettempdir())
    of_modules = [path for path in files if path.name.startswith("joblib-mpi-modules-")]
    counts["folders of modules without an executor"] = max(0, len(of_modules) - n_executors)
    counts["files in TMPDIR"] = sum(not any(path.is_relative_to(folder) for folder in of_modules) for path in files)
    kinds = Counter(type(thing).__qualname__ for thing in gc.get_objects() if is_ours(type(thing)))
    kinds["Content"] -= n_kept
    for name, count in kinds.items():
        counts[f"objects of class {name}"] = count
    return counts


def files_in(folder):
    # os.walk takes no notice of folders that disappear while it looks. A task that is ended may have made its mark a
    # moment after its call.
    found = (Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files))
    return [path for path in found if not path.is_relative_to(MARKS)]


def is_ours(kind):
    return str(getattr(kind, "__module__", "")).startswith(("joblib_mpi", "joblib.parallel"))


#: What a count may exceed its highest value of the first laps by. Memory is never given back to the last byte, segments
#: are kept for later use, and executors start at any time.
ALLOWANCES = {
    "megabytes": 24,
    "descriptors of memfd": 12,
    "descriptors of socket": 2,
    "segments that are not kept": 12,
    "executors of a worker": 1,
}
CLASSES_ALLOWANCE = 4


def allowance(name):
    if name.startswith("objects of class"):
        return CLASSES_ALLOWANCE
    return next((allowed for ending, allowed in ALLOWANCES.items() if name.endswith(ending)), 0)


def grown(counts, limits):
    return {
        name: (count, limits.get(name, 0))
        for name, count in counts.items()
        if count > limits.get(name, 0) + allowance(name)
    }


def settled_usage(limits):
    """Return what the job has once it is within limits, or SETTLE_SECONDS have passed."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        counts = usage()
        if not grown(counts, limits) or time.monotonic() > deadline:
            return counts
        time.sleep(0.2)


#: Calls that would end rank 0, or stop it, if it ran the tasks itself.
NEED_WORKERS = {
    call_deaths_repeated,
    call_deaths_returned,
    call_interrupted,
    call_killed_from_outside,
    call_left_while_tasks_sleep,
    call_timed_out,
    call_timed_out_task,
}
#: Calls whose tasks have one attempt, which a rank takes along that is killed, or silent for a short heartbeat.
NEED_ALL_RANKS = {call_deaths_returned, call_on_workers}
LEFT_OUT = (NEED_WORKERS if n_workers == 0 else set()) | (NEED_ALL_RANKS if most_ranks > 0 else set())
CALLS_OF_ALL_KINDS = [
    function for name, function in sorted(globals().items()) if name.startswith("call_") and function not in LEFT_OUT
]


def leave_nothing():
    kept_arrays.clear()
    kept_handles.clear()
    kept_results.clear()
    for path in MARKS.iterdir():
        shutil.rmtree(path, ignore_errors=True)  # a task that is being ended may make its mark now


def spill_once():
    """Let the session make the folder of large results, and the process that removes it, which it then keeps."""
    with parallel_config(backend="mpi", spill_threshold=100_000):
        results = Parallel(n_jobs=-1)(delayed(block)(i, 200_000) for i in range(2))
    check([result["number"] for result in results], [0, 1], "the first results that spill")


def lap(number, loses_a_rank):
    kinds = CALLS_OF_ALL_KINDS * 2 + chance.choices(CALLS_OF_ALL_KINDS, k=CALLS)
    chance.shuffle(kinds)
    del kinds[CALLS:]
    if loses_a_rank:
        kinds.insert(chance.randrange(CALLS), lose_a_rank)
    for i, call in enumerate(kinds):
        if os.environ.get("SOAK_VERBOSE"):
            print(f"lap {number} call {i}: {call.__name__}", file=sys.stderr, flush=True)
        with parallel_config(backend="mpi"):
            call()


def main():
    print(f"seed {seed}, {n_workers} workers", file=sys.stderr, flush=True)
    end = time.monotonic() + seconds
    spill_once()
    limits, number = {}, 0
    while number < LEAST_LAPS or time.monotonic() < end:
        lap(number, number < most_ranks)
        leave_nothing()
        if number < LAPS_TO_FILL:
            for name, count in usage().items():
                limits[name] = max(limits.get(name, 0), count)
        else:
            counts = settled_usage(limits)
            if found := grown(counts, limits):
                text = f"after lap {number} there is more than before (name: now, before): {found}"
                raise Wrong(f"{text}; open files: {counts.files}")
        number += 1
    print(f"{number} laps of {CALLS} calls", file=sys.stderr)
    print("all results are right and nothing has grown", flush=True)


try:
    main()
finally:
    shutil.rmtree(MARKS)
