"""Tests of `program`: the command line, and running code as Python does."""

import os
import subprocess
import sys
import textwrap

import pytest

from joblib_mpi import program
from support.time_limits import TIMEOUT_SECONDS


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["a.py", "-x", "y"], ("script", "a.py", ["-x", "y"])),
        (["-m", "pkg.mod", "-m"], ("module", "pkg.mod", ["-m"])),
        (["-c", "pass", "a"], ("command", "pass", ["a"])),
        (["-", "a"], ("stdin", "-", ["a"])),
        (["-i"], ("console", "-i", [])),
    ],
)
def test_the_command_line_is_pythons(argv, expected):
    assert tuple(program.parse(argv)) == expected


@pytest.mark.parametrize("argv", [[], ["-m"], ["-c"], ["--bogus"], ["-i", "script.py"]])
def test_a_command_line_without_program_is_refused(argv):
    with pytest.raises(program.UsageError):
        program.parse(argv)


RUN = """
import sys
sys.path[:0] = {path!r}
from support import core_double
core_double.install_if_not_built()
from joblib_mpi import program
wanted = program.parse(sys.argv[1:])
program.set_import_path(wanted)
sys.exit(program.run(wanted))
"""

SCRIPTS = {
    "argv and names": """
        import sys, beside
        print(sys.argv, sys.path[0], beside.VALUE, __name__, __file__, __spec__, __package__)
        print(sys.modules["__main__"].__dict__ is globals(), sorted(globals()))
        """,
    "exception": """
        import beside
        def f():
            beside.fail()
        f()
        """,
    "chained exception": """
        try:
            1 / 0
        except ZeroDivisionError:
            raise KeyError("second")
        """,
    "exit with a number": "import sys\nsys.exit(3)\n",
    "exit with nothing": "import sys\nsys.exit()\n",
    "exit with text": "import sys\nsys.exit('the reason')\n",
    "syntax error": "def f(:\n  pass\n",
    "own excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\n1 / 0\n",
}


def compare(tmp_path, arguments, stdin=None):
    here = os.path.dirname(os.path.abspath(__file__))
    import joblib_mpi

    paths = [here, os.path.dirname(os.path.dirname(joblib_mpi.__file__))]
    launcher = tmp_path / "launcher" / "run.py"
    launcher.parent.mkdir()
    launcher.write_text(RUN.format(path=paths))
    # As after "-m joblib_mpi", sys.path[0] belongs to the launcher; unlike there, its folder differs from the current.
    ours, pythons = (
        subprocess.run(
            [sys.executable, *prefix, *arguments],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        for prefix in ([str(launcher)], [])
    )
    return ours, pythons


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("folder", [".", "below"])
def test_a_script_behaves_as_without_us(tmp_path, name, folder):
    (tmp_path / "below").mkdir()
    path = tmp_path / folder / "script.py"
    path.write_text(textwrap.dedent(SCRIPTS[name]))
    (tmp_path / folder / "beside.py").write_text("VALUE = 5\ndef fail():\n    raise OSError('no')\n")
    ours, pythons = compare(tmp_path, [os.path.join(folder, "script.py"), "a", "-b"])
    assert (ours.returncode, ours.stdout, ours.stderr) == (pythons.returncode, pythons.stdout, pythons.stderr)


def test_a_command_behaves_as_without_us(tmp_path):
    ours, pythons = compare(tmp_path, ["-c", "import sys; print(sys.argv, sys.path[0]); sys.exit(4)", "a"])
    assert (ours.returncode, ours.stdout, ours.stderr) == (pythons.returncode, pythons.stdout, pythons.stderr)


def test_a_program_from_stdin_behaves_as_without_us(tmp_path):
    ours, pythons = compare(tmp_path, ["-", "a"], stdin="import sys\nprint(sys.argv, sys.path[0], __name__)\n")
    assert (ours.returncode, ours.stdout, ours.stderr) == (pythons.returncode, pythons.stdout, pythons.stderr)


def test_a_missing_script_is_reported_as_python_does(tmp_path):
    ours, pythons = compare(tmp_path, ["missing.py"])
    assert (ours.returncode, ours.stderr) == (pythons.returncode, pythons.stderr) == (2, pythons.stderr)


def test_keyboard_interrupt_gives_130(tmp_path):
    (tmp_path / "script.py").write_text("raise KeyboardInterrupt\n")
    ours, _ = compare(tmp_path, ["script.py"])
    assert ours.returncode == 130
    assert "KeyboardInterrupt" in ours.stderr


def test_a_package_runs_its_main_module(tmp_path, monkeypatch, capsys):
    package = tmp_path / "packaged"
    package.mkdir()
    (package / "__init__.py").write_text("")
    main = "import sys\nfrom . import part\nprint(sys.argv, __package__, part.__name__)\n"
    (package / "__main__.py").write_text(main)
    (package / "part.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    assert program.run(program.Program("module", "packaged", ["a"])) == 0
    assert capsys.readouterr().out == f"{[str(package / '__main__.py'), 'a']} packaged packaged.part\n"


def test_a_missing_module_is_reported(capsys):
    assert program.run(program.Program("module", "no_such_module_here", [])) == 1
    assert "No module named no_such_module_here" in capsys.readouterr().err


def test_the_console_runs_what_it_reads_and_goes_on_after_errors_and_interrupts(tmp_path):
    lines = [
        "def f(x):",
        "    return x + 1",
        "",
        "print(f(1), __name__)",
        "1 / 0",
        "raise KeyboardInterrupt",
        "print(__import__('__main__').f(2))",
        "raise SystemExit(4)",
    ]
    ours, _ = compare(tmp_path, ["-i"], stdin="\n".join(lines) + "\n")
    assert ours.returncode == 4, ours
    assert [line.lstrip(">. ") for line in ours.stdout.splitlines()] == ["2 __main__", "3", ""]
    assert "ZeroDivisionError" in ours.stderr
    assert "KeyboardInterrupt" in ours.stderr


def test_the_console_ends_with_its_input(tmp_path):
    ours, _ = compare(tmp_path, ["-i"], stdin="x = 1\n")
    assert ours.returncode == 0
