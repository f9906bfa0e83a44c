"""Tests of the command that installs kernels whose ranks start with them, and of what it writes."""

import json
import sys

import pytest

from joblib_mpi.kernel import command, specification
from joblib_mpi.kernel.specification import is_ours, kept_environment

SHELL = {
    "PATH": "/opt/mpi/bin:/usr/bin",
    "LD_LIBRARY_PATH": "/opt/mpi/lib",
    "OMPI_MCA_btl": "self,vader",
    "JOBLIB_MPI_PRELOAD": "sklearn",
    "HOME": "/home/me",
    "SLURM_JOB_ID": "7",
}


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Return the folder in which Jupyter finds the user's kernels, of which there are none yet."""
    pytest.importorskip("ipykernel")
    for name in ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "JUPYTER_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return tmp_path / "data" / "kernels"


def refused(capsys, *words):
    """Return what the command says of a wrong command line."""
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_kernelspec_starts_a_plain_kernel_with_a_number_of_workers():
    assert specification.specification("Four", 4, {}, "/usr/bin/python3") == {
        "argv": [
            *["/usr/bin/python3", "-P", "-Xfrozen_modules=off", "-m", "joblib_mpi.kernel", "-n", "4"],
            *["-f", "{connection_file}"],
        ],
        "display_name": "Four",
        "language": "python",
        "metadata": {"debugger": True},
        "env": {},
    }
    assert "-n" not in specification.specification("All", None, {})["argv"]
    on_slurm = specification.specification("Slurm", None, {}, slurm_options=["-N2", "--comment=two words"])
    assert "--slurm=-N2 '--comment=two words'" in on_slurm["argv"]


def test_a_kernelspec_keeps_what_finds_and_sets_up_mpi_and_nothing_else():
    kept = dict(list(SHELL.items())[:4])
    assert kept_environment(SHELL) == kept
    # Jupyter puts values of the environment in place of names after a $.
    assert kept_environment({"LD_LIBRARY_PATH": "/opt/$ORIGIN"}) == {"LD_LIBRARY_PATH": "/opt/$$ORIGIN"}


def test_only_kernels_of_this_kind_are_known_as_such():
    assert is_ours(specification.specification("", 1, {})["argv"])
    assert not is_ours(["python", "-m", "ipykernel_launcher", "-f", "joblib_mpi.kernel"])
    assert not is_ours([])


def test_a_kernel_is_installed_shown_and_removed(kernels, capsys, monkeypatch):
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    assert command.main(["list"]) == 0
    assert 'finds no kernel of joblib-mpi; "joblib-mpi kernel install"' in capsys.readouterr().out
    assert command.main(["install", "-n", "4"]) == 0
    assert f'"Python 3 (MPI, 4 workers)", in {kernels}/joblib-mpi\n' in capsys.readouterr().out
    written = json.loads((kernels / "joblib-mpi" / "kernel.json").read_text())
    assert written["argv"][0] == sys.executable
    assert written["env"].items() >= kept_environment(SHELL).items()
    assert (kernels / "joblib-mpi" / "logo-64x64.png").exists()

    assert command.main(["install", "--name", "all", "--display-name", "All cores"]) == 0
    capsys.readouterr()
    assert command.main(["list"]) == 0
    assert [line.split("  ")[::2] for line in capsys.readouterr().out.splitlines()] == [
        ["all", "All cores"],
        ["joblib-mpi", "Python 3 (MPI, 4 workers)"],
    ]
    assert command.main(["remove", "all"]) == 0
    assert command.main(["remove", "all"]) == 1
    assert 'no kernel of joblib-mpi with the name "all"; those are joblib-mpi' in capsys.readouterr().err
    assert not (kernels / "all").exists()


def test_a_kernel_keeps_the_options_of_salloc(kernels, capsys, monkeypatch, tmp_path):
    (tmp_path / "salloc").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main(["install", "-n", "4", "--slurm", "-N 2 -p short"]) == 0
    assert '"Python 3 (MPI, 4 workers, Slurm)"' in capsys.readouterr().out
    assert "--slurm=-N 2 -p short" in json.loads((kernels / "joblib-mpi" / "kernel.json").read_text())["argv"]


def test_a_kernel_of_another_kind_is_not_removed(kernels, capsys):
    (kernels / "other").mkdir(parents=True)
    content = {"argv": ["python", "-m", "ipykernel_launcher"], "display_name": "Other", "language": "python"}
    (kernels / "other" / "kernel.json").write_text(json.dumps(content))
    assert command.main(["remove", "other"]) == 1
    assert "there is none" in capsys.readouterr().err
    assert (kernels / "other").exists()


def test_a_kernel_is_installed_into_a_folder(kernels, tmp_path):
    assert command.main(["install", "--prefix", str(tmp_path / "prefix")]) == 0
    assert (tmp_path / "prefix/share/jupyter/kernels/joblib-mpi/kernel.json").exists()


@pytest.mark.parametrize("number", ["0", "-1", "four", "1.5"])
def test_a_wrong_number_of_workers_is_refused(capsys, number):
    assert f"'{number}' is not a whole number of at least 1" in refused(capsys, "install", f"-n={number}")


def test_other_mistakes_are_refused_with_a_remedy(kernels, capsys, monkeypatch):
    assert "invalid choice: 'add'" in refused(capsys, "add")
    assert "not allowed with argument --user" in refused(capsys, "install", "--user", "--sys-prefix")
    assert "cannot be split into words as a shell does" in refused(capsys, "install", "--slurm=--comment='two")
    monkeypatch.setenv("PATH", "")
    assert command.main(["install", "--slurm", "-N 2 -p short"]) == 1
    assert "joblib-mpi: salloc, which allocates the nodes" in capsys.readouterr().err
    assert command.main(["install", "--name", "four workers"]) == 1
    assert "joblib-mpi: --name 'four workers': " in capsys.readouterr().err
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    assert command.main(["install"]) == 1
    assert "this is a rank of a job" in capsys.readouterr().err


def test_without_ipykernel_a_sentence_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert command.main(["install"]) == 1
    said = capsys.readouterr().err
    assert "has no ipykernel" in said
    assert f"{sys.executable} -m pip install ipykernel" in said
