"""Tests of modules that the workers lack: what the errors say, and `ship`, which sends them."""

import pytest

RANKS = 2

# The module is where the program alone finds it.
PRELUDE = """
    import importlib, os, sys
    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config
    from joblib_mpi import WorkerImportError, run_on_workers
    hidden = os.path.abspath("hidden")
    def write(name, text):
        path = os.path.join(hidden, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    def bring(name):
        sys.path.insert(0, hidden)
        importlib.invalidate_caches()
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(hidden)
"""


def test_a_module_that_workers_lack_is_named_with_worker_python_and_remedies(run):
    (line,) = run(
        """
    import platform, socket
    write("lacking_one.py", "def f(i): return i")
    lacking_one = bring("lacking_one")
    try:
        Parallel(backend="mpi")(delayed(lacking_one.f)(i) for i in range(3))
    except WorkerImportError as error:
        wanted = ['the module "lacking_one"', f"rank 1 on {socket.gethostname()} ({platform.python_version()}, ",
                  "install lacking_one", 'ship=["lacking_one"]', "PYTHONPATH"]
        print(error.name, [text for text in wanted if text not in str(error)])
    """,
    )
    assert line == "lacking_one []"


def test_another_version_of_a_module_is_an_error_with_both_versions(run):
    (line,) = run(
        """
    with open("versioned_one.py", "w") as file:
        file.write("__version__ = '1.0'")
    write("versioned_one.py", "__version__ = '2.0'\\ndef f(i): return i")
    versioned_one = bring("versioned_one")
    sys.path.append(os.getcwd())
    try:
        Parallel(backend="mpi")(delayed(versioned_one.f)(i) for i in range(3))
    except WorkerImportError as error:
        print("this program has versioned_one 2.0, the worker 1.0" in str(error))
    """,
    )
    assert line == "True"


def test_a_result_that_the_program_cannot_load_is_an_error_with_what_to_do(run):
    (line,) = run(
        """
    def make(folder):
        sys.path.insert(0, folder)
        import of_workers_only
        sys.path.remove(folder)
        return of_workers_only.Result()
    write("of_workers_only.py", "class Result: pass")
    try:
        Parallel(backend="mpi")(delayed(make)(hidden) for i in range(2))
    except ImportError as error:
        print(error.name, type(error) is ImportError, "Install here" in str(error), "rank 1" in str(error))
    """,
    )
    assert line == "of_workers_only True True True"


@pytest.mark.also_attached
@pytest.mark.parametrize("ranks", [2, 4])
def test_a_file_and_a_package_are_sent_and_work_as_if_installed(run, ranks):
    assert run(
        """
    write("sent_file.py", "def double(i): return 2 * i")
    write("sent_package/__init__.py", "from sent_package.part import triple")
    write("sent_package/part.py", "import sent_file\\ndef triple(i): return sent_file.double(i) + i")
    write("sent_package/table.txt", "data")
    sent_file, sent_package = bring("sent_file"), bring("sent_package")
    def data():
        import pathlib
        import sent_package
        return (pathlib.Path(sent_package.__file__).parent / "table.txt").read_text()
    with parallel_config(backend="mpi", ship=[sent_file, sent_package]):
        print(sum(Parallel()(delayed(sent_package.triple)(i) for i in range(20))))
        print(set(run_on_workers(data)))
        write("sent_package/table.txt", "other")
        print(set(run_on_workers(data)))
    try:
        Parallel(backend="mpi")(delayed(sent_package.triple)(i) for i in range(3))
    except WorkerImportError as error:
        print(error.name)
    """,
        ranks,
    ) == ["570", "{'data'}", "{'other'}", "sent_package"]


def test_a_module_that_has_changed_is_sent_again(run):
    assert run(
        """
    write("edited.py", "def f(i): return i")
    edited = bring("edited")
    with parallel_config(backend="mpi", ship=[edited]):
        print(Parallel()(delayed(edited.f)(i) for i in range(4)))
        write("edited.py", "def f(i): return -i")
        sys.path.insert(0, hidden)
        importlib.invalidate_caches()
        importlib.reload(edited)
        sys.path.remove(hidden)
        print(Parallel()(delayed(edited.f)(i) for i in range(4)))
        print(Parallel()(delayed(edited.f)(i) for i in range(4)))
    """,
        4,
    ) == ["[0, 1, 2, 3]", "[0, -1, -2, -3]", "[0, -1, -2, -3]"]


def test_a_process_that_a_task_starts_has_the_module(run):
    assert run(
        """
    write("for_children.py", "def f(i): return i + 1")
    for_children = bring("for_children")
    def start(i):
        import subprocess, sys
        program = f"import for_children; print(for_children.f({i}))"
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    def nested(i):
        return sum(Parallel(n_jobs=2, backend="loky")(delayed(for_children.f)(j) for j in range(i)))
    with parallel_config(backend="mpi", ship=[for_children]):
        print(Parallel()(delayed(start)(i) for i in range(2)))
        print(Parallel()(delayed(nested)(i) for i in range(3)))
    """,
    ) == ["['1\\n', '2\\n']", "[0, 1, 3]"]


def test_what_cannot_be_sent_is_refused(run):
    assert run(
        """
    for module in ("numpy", "sys", "nowhere_at_all"):
        try:
            with parallel_config(backend="mpi", ship=[module]):
                pass
        except ValueError as error:
            print(str(error)[:16])
    """,
    ) == ["ship=['numpy']: ", "ship=['sys']: \"s", "ship=['nowhere_a"]


@pytest.mark.also_attached
@pytest.mark.parametrize("isolation", ["process", "none"])
def test_executors_leave_no_files_even_if_they_are_killed(mpirun, isolation):
    ended = mpirun.script(
        2,
        PRELUDE
        + """
    write("left_behind.py", "def f(i): return i")
    left_behind = bring("left_behind")
    def kill_once():
        import signal, left_behind
        if not os.path.exists("killed"):
            open("killed", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return left_behind.f(3)
    with parallel_config(backend="mpi", ship=[left_behind]):
        print(run_on_workers(left_behind.f, 2))
        if "ISOLATED" in os.environ:
            print(run_on_workers(kill_once))
    """,
        options=["--isolation", isolation],
        environment={"ISOLATED": "1"} if isolation == "process" else {},
    )
    assert ended.status == 0, ended
    assert ended.stdout == ("[2]\n[3]\n" if isolation == "process" else "[2]\n")
