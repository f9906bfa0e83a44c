"""Tests that tasks on real ranks find what the script has changed in its process."""

import pytest

RANKS = 3

PRELUDE = """
    import importlib, locale, logging, os, sys, tempfile
    import numpy
    from joblib import Parallel, delayed
    def ask(function, *args):
        seen = Parallel(backend="mpi", batch_size=1)(delayed(function)(*args) for _ in range(6))
        return seen[0] if all(one == seen[0] for one in seen) else seen
"""


@pytest.mark.also_attached
def test_variables_of_the_environment(run):
    assert run("""
    name = "JOBLIB_MPI_TEST_VARIABLE"
    for value in ("1", "2", None, "3"):
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        print(ask(os.getenv, name))
    path = os.environ.pop("PATH")
    print(ask(os.getenv, "PATH"))
    os.environ["PATH"] = path
    print(ask(os.getenv, "PATH") == path)
    """) == ["1", "2", "None", "3", "None", "True"]


@pytest.mark.also_attached
def test_variables_reach_the_programs_that_tasks_start_and_the_c_library(run):
    assert run("""
    import subprocess, time
    os.environ["JOBLIB_MPI_TEST_VARIABLE"] = "seen by a program"
    os.environ["TZ"] = "XYZ-3"
    print(ask(lambda: subprocess.run(["printenv", "JOBLIB_MPI_TEST_VARIABLE"], capture_output=True).stdout))
    print(ask(lambda: time.strftime("%Z", time.localtime(0))))
    del os.environ["TZ"]
    """) == [r"b'seen by a program\n'", "XYZ"]


@pytest.mark.also_attached
def test_modules_in_folders_that_the_script_adds_to_its_path(run):
    assert run("""
    os.makedirs("added/inner")
    with open("added/beside_nothing.py", "w") as file:
        file.write("def ten(i): return i * 10\\n")
    with open("added/inner/deeper.py", "w") as file:
        file.write("value = 5\\n")
    sys.path.insert(0, os.path.abspath("added"))
    import beside_nothing
    print(Parallel(backend="mpi")(delayed(beside_nothing.ten)(i) for i in range(3)))
    sys.path.append("added/inner")
    print(ask(lambda: importlib.import_module("deeper").value))
    del sys.path[0], sys.path[-1]
    print(ask(lambda: [entry for entry in sys.path if "added" in entry]))
    """) == ["[0, 10, 20]", "5", "[]"]


@pytest.mark.also_attached
def test_a_folder_that_was_empty_before_is_looked_at_again(run):
    assert run("""
    sys.path.insert(0, os.path.abspath("filled_later"))
    def find():
        try:
            return importlib.import_module("made_later").value
        except ImportError:
            return None
    print(ask(find))
    os.mkdir("filled_later")
    with open("filled_later/made_later.py", "w") as file:
        file.write("value = 6\\n")
    sys.path.insert(1, "any other")
    print(ask(find))
    del sys.path[:2]
    """) == ["None", "6"]


@pytest.mark.also_attached
def test_the_working_directory(run):
    assert run("""
    start = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        for place in (folder, start):
            os.chdir(place)
            print(ask(os.getcwd) == os.getcwd())
    """) == ["True", "True"]


def test_a_working_directory_that_a_worker_lacks_is_said_once(mpirun):
    ended = mpirun.script(
        2,
        PRELUDE
        + """
    start = os.getcwd()
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    os.mkdir(folder + "x")
    os.getcwd = lambda: folder
    for _ in range(3):
        print(ask(lambda: os.path.realpath("/proc/self/cwd")) == start)
    os.rmdir(folder + "x")
    """,
    )
    assert (ended.status, ended.stdout.split()) == (0, ["True"] * 3), ended
    assert ended.stderr.count("rank 1 on") == ended.stderr.count("keeps its own working directory: FileNotFound") == 1


@pytest.mark.also_attached
def test_arguments_umask_limits_and_locale(run):
    assert run("""
    sys.argv[1:] = ["--alpha", "3"]
    print(ask(lambda: sys.argv[1:]))
    before, mask = sys.getrecursionlimit(), os.umask(0o027)
    sys.setrecursionlimit(before + 123)
    print(ask(sys.getrecursionlimit) - before)
    def make():
        path = f"made by {os.getpid()}"
        with open(path, "w"):
            pass
        return oct(os.stat(path).st_mode & 0o777)
    print(ask(make))
    sys.setrecursionlimit(before)
    os.umask(mask)
    start = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, "C")
    print(ask(locale.setlocale, locale.LC_ALL))
    locale.setlocale(locale.LC_ALL, start)
    print(ask(locale.setlocale, locale.LC_ALL) == start, ask(sys.getrecursionlimit) == before)
    """) == ["['--alpha', '3']", "123", "0o640", "C", "True True"]


@pytest.mark.also_attached
def test_levels_of_loggers_numpys_errors_and_scikit_learns_configuration(run):
    assert run("""
    import sklearn
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("some.library").setLevel(logging.ERROR)
    numpy.seterr(divide="raise")
    sklearn.set_config(assume_finite=True)
    def look():
        levels = [logging.getLogger(name).getEffectiveLevel() for name in (None, "some.library.module", "other")]
        return levels, numpy.geterr()["divide"], sklearn.get_config()["assume_finite"]
    print(ask(look))
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("some.library").setLevel(logging.NOTSET)
    numpy.seterr(divide="warn")
    sklearn.set_config(assume_finite=False)
    print(ask(look))
    """) == ["([10, 40, 10], 'raise', True)", "([30, 30, 30], 'warn', False)"]


@pytest.mark.also_attached
def test_a_module_that_the_script_reloads(run):
    assert run("""
    sys.dont_write_bytecode = True
    def write(value):
        with open("reloaded_helper.py", "w") as file:
            file.write(f"value = {value}\\ndef get():\\n    return value\\n")
    write(1)
    sys.path.insert(0, os.getcwd())
    import reloaded_helper
    print(ask(reloaded_helper.get), ask(lambda: reloaded_helper.value))
    write(22)
    print(ask(reloaded_helper.get))
    importlib.reload(reloaded_helper)
    print(ask(reloaded_helper.get), ask(lambda: reloaded_helper.value))
    write(333)
    del sys.modules["reloaded_helper"]
    import reloaded_helper
    print(ask(reloaded_helper.get), ask(lambda: reloaded_helper.value))
    """) == ["1 1", "1", "22 22", "333 333"]


def test_a_program_of_modules_runs_like_a_test_suite(mpirun):
    mpirun.write("lib_of_tests.py", "def double(i):\n    return 2 * i\n")
    mpirun.write(
        "test_double.py",
        """
        import lib_of_tests
        from joblib import Parallel, delayed

        def triple(i):
            return 3 * i

        def test_tasks():
            assert Parallel(backend="mpi")(delayed(lib_of_tests.double)(i) for i in range(3)) == [0, 2, 4]
            assert Parallel(backend="mpi")(delayed(triple)(i) for i in range(3)) == [0, 3, 6]
        """,
    )
    (mpirun.folder / "tests").mkdir()
    for name in ("lib_of_tests.py", "test_double.py"):
        (mpirun.folder / name).rename(mpirun.folder / "tests" / name)
    ended = mpirun(3, "-m", "joblib_mpi", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/")
    assert ended.status == 0, ended
    assert "1 passed" in ended.stdout


def test_without_processes_beside_the_ranks_tasks_find_the_same(mpirun):
    ended = mpirun.script(
        3,
        PRELUDE
        + """
    os.environ["JOBLIB_MPI_TEST_VARIABLE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(ask(lambda: (os.getcwd(), os.getenv("JOBLIB_MPI_TEST_VARIABLE"))) == (folder, "1"))
        os.chdir("/")
        ask(abs, 1)
    """,
        options=("--isolation", "none"),
    )
    assert (ended.status, ended.stdout) == (0, "True\n"), ended


@pytest.mark.also_attached
def test_a_limit_for_inner_threads_is_undone_after_its_call(run):
    assert run("""
    from joblib import parallel_config
    def ask_with(**options):
        with parallel_config(backend="mpi", **options):
            [seen] = set(Parallel(batch_size=1)(delayed(os.getenv)("OMP_NUM_THREADS") for _ in range(6)))
        return seen
    before, own = os.environ.get("OMP_NUM_THREADS"), ask_with()
    print(ask_with(inner_max_num_threads=5), ask_with() == own)
    os.environ["OMP_NUM_THREADS"] = "3"
    print(ask_with(), ask_with(inner_max_num_threads=5), ask_with())
    del os.environ["OMP_NUM_THREADS"]
    if before is not None:
        os.environ["OMP_NUM_THREADS"] = before
    print(ask_with() == own)
    """) == ["5 True", "3 5 3", "True"]


@pytest.mark.also_attached
def test_limits_for_threads_that_the_script_sets_hold_for_libraries_that_are_loaded(run):
    assert run("""
    import threadpoolctl
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    def limits():
        import sklearn.cluster
        return {pool["user_api"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    own = ask(limits)
    os.environ.update(OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="3")
    print(ask(limits) == {"openmp": 2, "blas": 3})
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    print(ask(limits) == own)
    """) == ["True", "True"]


def test_records_of_tasks_are_printed_as_the_scripts_own_and_files_are_left_alone(mpirun):
    ended = mpirun.script(
        3,
        PRELUDE
        + """
    def speak():
        logging.info("this is %s", "a task")
        logging.getLogger("inner").warning("and this")
        return [type(handler).__name__ for handler in logging.getLogger("filed").handlers]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("<{message}>", style="{"))
    logging.getLogger("inner").addHandler(handler)
    logging.getLogger("inner").propagate = False
    with open("tasks.log", "w") as file:
        file.write("kept\\n")
    filed = logging.FileHandler("tasks.log", delay=True)
    logging.getLogger("filed").addHandler(filed)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s of the script: %(message)s")
    print(ask(speak))
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    logging.getLogger("inner").removeHandler(handler)
    logging.getLogger("inner").propagate = True
    print(ask(lambda: [logging.root.handlers, logging.getLogger("inner").handlers]))
    print(open("tasks.log").read())
    """,
    )
    assert ended.status == 0, ended
    assert ended.stderr.count("INFO of the script: this is a task\n") == 6
    assert "WARNING" not in ended.stderr
    assert sorted(ended.stdout.splitlines()) == ["", *["<and this>"] * 6, "[[], []]", "[]", "kept"], ended
