"""Tests that a task can tell which worker it runs on."""

import pytest

SCRIPT = """
    import multiprocessing, os, socket, time
    import joblib_mpi
    from joblib import Parallel, delayed
    def look(folder):
        process = multiprocessing.current_process()
        worker = joblib_mpi.worker()
        open(f"{folder}/{worker.rank}", "w").close()
        while len(os.listdir(folder)) < 2:  # until each worker has a task
            time.sleep(0.01)
        names = process.name, process._identity, multiprocessing.parent_process() is not None
        return worker.rank, worker.local_rank, worker.index, worker.host == socket.gethostname(), *names
    def name_of_child():
        context = multiprocessing.get_context("fork")
        child, queue = context.Process, context.SimpleQueue()
        process = child(target=lambda: queue.put((joblib_mpi.worker().index, multiprocessing.current_process().name)))
        process.start()
        process.join()
        return queue.get()
    os.mkdir("seen")
    for seen in sorted(Parallel(backend="mpi", batch_size=1)(delayed(look)("seen") for _ in range(2))):
        print(*seen)
    print(*sorted(set(Parallel(backend="mpi")(delayed(name_of_child)() for _ in range(1))))[0])
    print(joblib_mpi.worker().rank, joblib_mpi.worker().index, multiprocessing.current_process().name)
    """


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_task_knows_its_worker_by_number_and_name(mpirun, isolation):
    ended = mpirun.script(3, SCRIPT, options=("--isolation", isolation))
    assert ended.status == 0, ended
    first, second, child, program = ended.stdout.splitlines()
    assert first == "1 1 0 True joblib-mpi-worker-1 (1,) True"
    assert second == "2 2 1 True joblib-mpi-worker-2 (2,) True"
    assert child in ("0 ForkProcess-1:1", "1 ForkProcess-2:1")
    assert program == "0 0 MainProcess"


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_task_knows_its_worker_also_where_the_launcher_sets_no_variables(mpirun, isolation):
    unnamed = f"""
    from joblib_mpi import thread_limits, worker_identity
    thread_limits._RANK = worker_identity._LOCAL_RANK = ()
    joblib_mpi.init(isolation="{isolation}")
"""
    script = SCRIPT.replace("    def look(", unnamed + "    def look(", 1)
    ended = mpirun(3, str(mpirun.write("script.py", script)))
    assert ended.status == 0, ended
    first, second, child, program = ended.stdout.splitlines()
    assert first == "1 1 0 True joblib-mpi-worker-1 (1,) True"
    assert second == "2 2 1 True joblib-mpi-worker-2 (2,) True"
    assert child in ("0 ForkProcess-1:1", "1 ForkProcess-2:1")
    assert program == "0 0 MainProcess"
