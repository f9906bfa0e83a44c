"""Tests of where tasks run, in processes beside the ranks or inside the ranks, and of what is imported before."""

import pytest

pytestmark = pytest.mark.system

PRELUDE = """
    import os, sys
    import joblib_mpi
    from joblib import Parallel, delayed

    def square(x):
        return x * x
    """


def test_preloaded_modules_are_there_and_a_missing_one_ends_the_job_by_name(mpirun):
    mpirun.write("preloaded.py", "import os\nPID = os.getpid()\n")
    look = (
        PRELUDE
        + """
    def look(i):
        return "preloaded" in sys.modules and sys.modules["preloaded"].PID != os.getpid()
    print(set(Parallel(backend="mpi", batch_size=1)(delayed(look)(i) for i in range(9))))
    """
    )
    assert mpirun.script(3, look, options=("--preload", "preloaded,json")).stdout == "{True}\n"
    ended = mpirun.script(3, look, options=("--preload", "no_such_module_here"))
    assert ended.status == 2, ended
    assert "joblib_mpi: rank " in ended.stderr
    assert 'has no module "no_such_module_here"' in ended.stderr


def test_a_module_that_fails_to_preload_ends_the_job_by_name(mpirun):
    mpirun.write("broken.py", "raise ValueError('broken for this test')\n")
    ended = mpirun.script(3, PRELUDE, options=("--preload", "broken"))
    assert ended.status != 0, ended
    assert 'the module "broken" cannot be preloaded: ValueError: broken for this test' in ended.stderr


def test_a_module_whose_import_ends_the_process_ends_the_job_with_that_reason(mpirun):
    mpirun.write("deadly.py", "import os\nos.kill(os.getpid(), 9)\n")
    ended = mpirun.script(4, PRELUDE, options=("--preload", "deadly"))
    assert ended.status != 0, ended
    assert "the process that starts executors ended with signal 9 (SIGKILL)" in ended.stderr


def test_the_environment_and_init_choose_the_isolation(mpirun):
    program = (
        PRELUDE
        + """
    with open("ranks", "a") as file:
        file.write(f"{os.getpid()}\\n")
    joblib_mpi.init(isolation="ISOLATION")
    def look(i):
        return os.getpid()
    pids = set(Parallel(backend="mpi", batch_size=1)(delayed(look)(i) for i in range(9)))
    with open("ranks") as file:
        print(pids <= set(map(int, file)))
    """
    )
    for isolation, same in (("process", "False"), ("none", "True")):
        script = mpirun.write(f"{isolation}.py", program.replace("ISOLATION", isolation))
        ended = mpirun(3, str(script))
        assert (ended.status, ended.stdout) == (0, f"{same}\n"), ended
    ended = mpirun.script(2, "pass", environment={"JOBLIB_MPI_ISOLATION": "thread"})
    assert ended.status == 2, ended
    assert "JOBLIB_MPI_ISOLATION='thread'; allowed: process, none" in ended.stderr


def test_after_mpi_was_initialised_tasks_run_in_the_ranks_unless_processes_were_asked_for(mpirun):
    pytest.importorskip("mpi4py")
    program = (
        PRELUDE
        + """
    from mpi4py import MPI
    joblib_mpi.init(isolation=ISOLATION)
    print(Parallel(backend="mpi")(delayed(square)(i) for i in range(3)), joblib_mpi.session.current().isolation)
    """
    )
    ended = mpirun(3, str(mpirun.write("any.py", program.replace("ISOLATION", "None"))))
    assert (ended.status, ended.stdout) == (0, "[0, 1, 4] none\n"), ended
    ended = mpirun(3, str(mpirun.write("process.py", program.replace("ISOLATION", "'process'"))))
    assert ended.status != 0
    assert "Call joblib_mpi.init() before the import" in ended.stderr


def test_a_memory_limit_is_refused_where_tasks_run_in_the_ranks(mpirun):
    ended = mpirun.script(2, "pass", options=("--isolation", "none", "--memory-limit", "1GB"))
    assert ended.status == 1, ended
    assert "memory_limit is for executor processes" in ended.stderr
