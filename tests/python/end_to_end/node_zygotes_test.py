"""Tests of the process from which all executors of a node are forked, and of what each gets from its own rank."""

import os
import re

import pytest

pytestmark = pytest.mark.system

PRELUDE = """
    import os, resource, signal, sys, time
    import joblib_mpi
    from joblib import Parallel, delayed

    def parent_of(pid):
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    def place():
        zygote = os.getppid()
        keeper = parent_of(zygote)
        return {"number": joblib_mpi.worker().rank, "executor": os.getpid(), "zygote": zygote, "keeper": keeper,
                "server": parent_of(keeper), "rank": os.getpgrp()}  # a launcher makes each rank the leader of a group
    def places():
        found = joblib_mpi.run_on_workers(place, on_error="return")
        return {each.pop("number"): each for each in found if isinstance(each, dict)}
    def lives(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"  # its parent may wait for it later
        except OSError:
            return False
    def kill(pid):
        os.kill(pid, signal.SIGKILL)
        while lives(pid):  # on a busy machine for some time
            time.sleep(0.001)
    def column(name):
        return [each[name] for each in places().values()]
    """


def test_the_executors_of_a_node_come_from_one_process_and_its_ranks_import_neither_numpy_nor_joblib(mpirun):
    ended = mpirun.script(
        4,
        PRELUDE
        + """
    import numpy
    server, = set(column("server"))
    ranks = column("rank")
    print(parent_of(server) in ranks, [parent_of(rank) for rank in ranks] == [os.getppid()] * 3)
    def maps(pid):
        with open(f"/proc/{pid}/maps") as file:
            return file.read()
    print(["_multiarray_umath" in maps(pid) for pid in [os.getpid(), *ranks]])
    print(len({pid for each in places().values() for pid in each.values()} - {server}))
    """,
    )
    assert ended.stdout.splitlines() == ["True True", "[True, False, False, False]", "12"], ended


@pytest.mark.parametrize("what", ["variable", "cores", "limit", "umask", "folder"])
def test_an_executor_has_what_its_own_rank_was_started_with(mpirun, what):
    cores = sorted(os.sched_getaffinity(0))
    setting, read = {
        "variable": ("export MINE=$OMPI_COMM_WORLD_RANK", 'os.environ["MINE"]'),
        "cores": (f"taskset -p -c $((OMPI_COMM_WORLD_RANK % 2 ? {cores[0]} : {cores[-1]})) $$ >/dev/null",
                  "sorted(os.sched_getaffinity(0))"),
        "limit": ("ulimit -n $((1000 + OMPI_COMM_WORLD_RANK)) -c $OMPI_COMM_WORLD_RANK",
                  "resource.getrlimit(resource.RLIMIT_CORE)[0] // 1024"),
        "umask": ("umask 02$OMPI_COMM_WORLD_RANK", "oct(os.umask(0o22))"),
        "folder": ("mkdir -p at$OMPI_COMM_WORLD_RANK; cd at$OMPI_COMM_WORLD_RANK", "os.path.basename(os.getcwd())"),
    }[what]  # fmt: skip
    wrapper = mpirun.write("wrapper.sh", f'#!/bin/bash\n{setting}\nexec "$@"\n')
    wrapper.chmod(0o755)
    ended = mpirun.script(3, PRELUDE + f"print(joblib_mpi.run_on_workers(lambda: {read}))\n", wrapper=(str(wrapper),))
    expected = {
        "variable": ["1", "2"],
        "cores": [[cores[0]], [cores[-1]]],
        "limit": [1, 2],
        "umask": ["0o21", "0o22"],
        "folder": ["at1", "at2"],
    }[what]
    assert ended.stdout == f"{expected}\n", ended


def test_what_an_executor_prints_has_its_own_ranks_label(mpirun):
    ended = mpirun.script(
        4,
        PRELUDE + "joblib_mpi.run_on_workers(lambda: os.write(1, b'from %d\\n' % joblib_mpi.worker().rank))\n",
        launcher_options=("--tag-output",),
    )
    labels = re.findall(r",([0-9]+)\]<stdout>: ?from ([0-9]+)", ended.stdout)
    assert sorted(labels) == [("1", "1"), ("2", "2"), ("3", "3")], ended


def test_a_task_finds_the_signal_handlers_of_python_and_not_those_of_that_process(mpirun):
    look = "lambda: [signal.getsignal(number).name for number in (signal.SIGTERM, signal.SIGHUP)]"
    ended = mpirun.script(3, PRELUDE + f"print(joblib_mpi.run_on_workers({look}))\n")
    assert ended.stdout == f"{[['SIG_DFL', 'SIG_DFL']] * 2}\n", ended


def test_without_that_process_executors_are_started_again_all_the_same(mpirun):
    ended = mpirun.script(
        4,
        PRELUDE
        + """
    before = places()
    kill(before[1]["server"])
    for each in before.values():
        kill(each["executor"])
    again = places()
    print([before[rank]["zygote"] == again[rank]["zygote"] for rank in again])
    for each in again.values():
        kill(each["zygote"])
    print(sum(Parallel(backend="mpi", retries=9)(delayed(int)(i) for i in range(100))))
    third = places()
    print([again[rank]["keeper"] == third[rank]["keeper"] for rank in third])
    print([again[rank]["zygote"] == third[rank]["zygote"] for rank in third])
    """,
    )
    same, others = "[True, True, True]", "[False, False, False]"
    assert ended.stdout.splitlines() == [same, "4950", same, others], ended


def test_the_loss_of_the_rank_that_started_it_costs_no_other_rank_its_executors(mpirun):
    ended = mpirun.script(
        4,
        PRELUDE
        + """
    before = places()
    first = next(rank for rank, each in before.items() if parent_of(each["server"]) == each["rank"])
    os.kill(before[first]["rank"], signal.SIGKILL)
    after = places()
    print(len(after), all(before[rank] == each for rank, each in after.items()))
    """,
        survives=True,
        environment={"JOBLIB_MPI_HEARTBEAT_SECONDS": "1"},
    )
    assert ended.stdout.splitlines()[:1] == ["2 True"], ended
