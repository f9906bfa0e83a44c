"""Tests of the functions and classes of a script in tasks, which see what the script has when it makes the call."""

import pytest

RANKS = 3

PRELUDE = """
    import collections, functools, gc, os, random, time
    from dataclasses import dataclass
    import numpy as np
    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config
    def parallel(function, *arguments, batch_size=1, n=6):
        with parallel_config(backend="mpi"):
            return Parallel(batch_size=batch_size)(delayed(function)(*arguments) for _ in range(n))
"""


@pytest.mark.parametrize("batch_size", [1, 3])
def test_no_task_sees_what_another_does_to_the_script(run, batch_size):
    program = f"""
    seen, config, number, generator = [], {{"a": 1}}, 0, np.random.default_rng(0)
    class Counter:
        n = 0
        seen = []
        def count(self):
            type(self).n += 1
            Counter.seen.append(1)
            Counter.more = getattr(Counter, "more", 0) + 1
            return Counter.n, len(self.seen), Counter.more
    def grow():
        seen.append(1)
        return len(seen)
    def rebind():
        global number
        number += 1
        return number
    def default(seen=[]):
        seen.append(1)
        return len(seen)
    def configure():
        config.update(b=len(config))
        return sorted(config.values())
    def remember():
        remember.calls = getattr(remember, "calls", 0) + 1
        return remember.calls
    def closure():
        cell = []
        def grow():
            cell.append(1)
            return len(cell)
        return grow
    def call(function):
        return function()
    def count():
        return Counter().count()
    def draw():
        return generator.random()
    for _ in range(2):
        partials = [functools.partial(grow), functools.partial(call, grow)]
        for function in (grow, rebind, default, remember, closure(), *partials):
            assert parallel(function, batch_size={batch_size}) == [1] * 6, function
        assert parallel(call, grow, batch_size={batch_size}) == [1] * 6
        assert parallel(configure, batch_size={batch_size}) == [[1, 1]] * 6
        for function in (count, Counter().count, functools.partial(call, count)):
            assert parallel(function, batch_size={batch_size}) == [(1, 1, 1)] * 6, function
        for argument in (Counter(), Counter):
            count_of = lambda c: Counter.count(c if c is not Counter else c())
            results = parallel(count_of, argument, batch_size={batch_size})
            assert results == [(1, 1, 1)] * 6, argument
        assert len(set(parallel(draw, batch_size={batch_size}))) == 1
    assert (seen, config, number, Counter.n, Counter.seen) == ([], {{"a": 1}}, 0, 0, [])
    assert not hasattr(Counter, "more")
    print("fresh")
    """
    assert run(program) == ["fresh"]


def test_tasks_see_a_class_as_it_is_at_the_time_of_the_call(run):
    program = """
    class Mode:
        name = "train"
        def get(self):
            return type(self).name
    def read():
        return Mode.name, getattr(Mode, "extra", None)
    mode = Mode()
    for name in ("train", "test", "train", "test", "train"):
        Mode.name = name
        if name == "test":
            Mode.extra = 1
        elif "extra" in vars(Mode):
            del Mode.extra
        extra = 1 if name == "test" else None
        assert set(parallel(read)) == {(name, extra)}
        assert set(parallel(mode.get)) == {name}
        assert set(parallel(lambda m: (m.get(), isinstance(m, Mode)), mode)) == {(name, True)}
    print("as it is")
    """
    assert run(program) == ["as it is"]


def test_classes_of_the_script_come_back_as_themselves(run):
    program = """
    class Plain:
        made = 0
    class Slots:
        __slots__ = ("a",)
        def __init__(self, a):
            self.a = a
    @dataclass(slots=True)
    class Point:
        x: int = 1
    Pair = collections.namedtuple("Pair", ["a", "b"])
    class Outer:
        class Inner(Exception):
            pass
    def make():
        Plain.made += 1
        return Plain(), Slots(2), Point(3), Pair(4, 5), Outer.Inner(6), Plain, Outer.Inner
    def fail():
        Plain.made += 1
        raise Outer.Inner(7)
    for plain, slots, point, pair, error, *classes in parallel(make):
        types = [type(value) for value in (plain, slots, point, pair, error)]
        assert types == [Plain, Slots, Point, Pair, Outer.Inner]
        assert (slots.a, point, pair, error.args, classes) == (2, Point(3), (4, 5), (6,), [Plain, Outer.Inner])
    try:
        parallel(fail)
    except Outer.Inner as error:
        print(error.args)
    def local():
        class Local:
            made = 0
        def make(local):
            Local.made += 1
            return Local(), type(local) is Local
        for made, same in parallel(make, Local()):
            assert type(made) is Local and same
        assert Local.made == 0
    local()
    print(Plain.made)
    """
    assert run(program) == ["(7,)", "0"]


def test_a_scattered_object_with_a_class_of_the_script_is_fresh_for_each_task(run):
    program = """
    class Holder:
        n = 0
        def __init__(self):
            self.data = np.ones(300_000)
    def count(holder):
        type(holder).n += 1
        return type(holder).n, isinstance(holder, Holder), holder.data.sum(), holder.data.flags.writeable
    holder = Holder()
    with parallel_config(backend="mpi", scatter=[holder]):
        for _ in range(2):
            results = Parallel(batch_size=1)(delayed(count)(holder) for _ in range(6))
            assert results == [(1, True, 300_000, False)] * 6, results
    print("fresh")
    """
    assert run(program) == ["fresh"]


def test_what_a_call_brings_along_goes_with_it(run):
    program = """
    def kept():
        gc.collect()
        stats = joblib_mpi.stats()
        return stats["automatic_objects"], stats["objects"]
    data = np.arange(2.0**20)
    theta = 0.0
    def term():
        return float(data[-1] - theta)
    for theta in range(5):
        assert parallel(term) == [2.0**20 - 1 - theta] * 6
        assert joblib_mpi.stats()["automatic_bytes"] < 2 * data.nbytes
    print(kept()[0] <= 2)  # the data, which the script has, and the context, if that is long
    for i in range(5):
        array, text, numbers = np.full(2**18, i), str(i) * 10_000, [i] * 10_000
        assert parallel(lambda: (int(array[-1]), len(text), sum(numbers))) == [(i, 10_000, i * 10_000)] * 6
    del data, array
    deadline = time.monotonic() + 60  # a client's messages keep the arrays until rank 0 has acknowledged them
    while kept()[0] > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    print(kept()[0] <= 1)
    """
    assert run(program) == ["True", "True"]
