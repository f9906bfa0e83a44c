"""Tests of jobs beside a user who means harm: what that user puts into shared folders neither runs nor holds a job up.

Only root can give files to another user. Elsewhere they stay those of the job's user, where their kind and mode matter.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

NO_ONE = 65534
ANOTHER = 65533

SCRIPT = """
    import sys
    from joblib import Parallel, delayed, parallel_config
    from joblib_mpi import CheckpointError

    def double(x):
        return 2 * x

    if __name__ == "__main__":
        try:
            with parallel_config(backend="mpi", checkpoint=sys.argv[1] if len(sys.argv) > 1 else None):
                print(Parallel()(delayed(double)(x) for x in range(3)))
        except CheckpointError as error:
            print("refused:", error)
"""


def give_away(path):
    """Give a file or folder to another user."""
    if os.geteuid() == 0:
        os.chown(path, NO_ONE, NO_ONE, follow_symlinks=False)


def test_pipes_and_links_in_a_shared_temporary_folder_do_not_matter(mpirun):
    shared = mpirun.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for name in ("joblib-mpi-pipe", "joblib-mpi-endless", "joblib-mpi-link"):
        (shared / name).mkdir()
    precious = mpirun.folder / "precious"
    precious.write_text("content")
    os.mkfifo(shared / "joblib-mpi-pipe" / "lock", 0o666)
    (shared / "joblib-mpi-endless" / "lock").symlink_to("/dev/zero")
    (shared / "joblib-mpi-link" / "lock").symlink_to(precious)
    (shared / "joblib-mpi-loop").symlink_to("joblib-mpi-loop")
    for path in [*shared.glob("*/lock"), *shared.iterdir()]:
        give_away(path)
    before = sorted(path.name for path in shared.iterdir())
    ended = mpirun.script(2, SCRIPT, environment={"JOBLIB_MPI_SPILL_DIR": str(shared)})
    assert (ended.status, ended.stdout) == (0, "[0, 2, 4]\n"), ended
    assert sorted(path.name for path in shared.iterdir()) == before
    assert precious.read_text() == "content"


def test_a_checkpoint_that_another_user_has_prepared_is_refused(mpirun):
    precious = mpirun.folder / "precious"
    precious.write_text("content")
    (mpirun.folder / "linked.h5.parts").mkdir(0o700)
    (mpirun.folder / "linked.h5.parts" / "lock").symlink_to(precious)
    assert "symbolic link" in mpirun.script(2, SCRIPT, "linked.h5").stdout
    assert precious.read_text() == "content"

    (mpirun.folder / "theirs.h5.parts").mkdir()
    (mpirun.folder / "theirs.h5.parts").chmod(0o777)
    give_away(mpirun.folder / "theirs.h5.parts")
    refused = mpirun.script(2, SCRIPT, "theirs.h5").stdout
    assert refused.startswith("refused:")
    assert ("another user (id 65534)" if os.geteuid() == 0 else "mode 0777") in refused


def test_a_checkpoint_in_a_shared_folder_needs_the_key_of_its_writer(mpirun):
    (mpirun.folder / "ours.h5.parts").mkdir()
    (mpirun.folder / "ours.h5.parts").chmod(0o777)
    give_away(mpirun.folder / "ours.h5.parts")
    shared = {"JOBLIB_MPI_CHECKPOINT_GUARD": "shared", "HOME": str(mpirun.folder)}
    assert mpirun.script(2, SCRIPT, "ours.h5", environment=shared).stdout == "[0, 2, 4]\n"
    assert (mpirun.folder / ".joblib_mpi_key").stat().st_mode & 0o7777 == 0o600
    give_away(mpirun.folder / "ours.h5")
    again = mpirun.script(2, SCRIPT, "ours.h5", environment=shared)
    assert again.stdout == "[0, 2, 4]\n", again
    other = mpirun.script(2, SCRIPT, "ours.h5", environment={**shared, "JOBLIB_MPI_KEY": "the key of another user"})
    assert other.stdout.startswith("refused:"), other
    assert "ours.h5" in other.stdout
    assert "JOBLIB_MPI_KEY" in other.stdout


@pytest.fixture
def shared_folder():
    """Return a folder that any user may write to, as /tmp."""
    folder = Path(tempfile.mkdtemp(prefix="jm"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


def as_user(user):
    """Return the start of a command that runs as that user."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


@pytest.mark.parametrize("how", ["mpirun", "joblib-mpi run"])
def test_a_job_of_an_ordinary_user_is_out_of_reach_for_another(how, mpirun, shared_folder):
    reads = [*as_user(ANOTHER), sys.executable, "-c", "import joblib_mpi"]
    if os.geteuid() != 0 or subprocess.run(reads, capture_output=True, cwd="/").returncode != 0:
        pytest.skip("only root may become another user, who must be able to read the Python package")
    pytest.importorskip("sklearn")
    mpirun.folder = shared_folder / "work"
    mpirun.folder.mkdir()
    program = mpirun.copy("main_paths.py")
    hostile = mpirun.copy("hostile_user.py")
    os.chown(mpirun.folder, ANOTHER, ANOTHER)
    with open(mpirun.folder / "reached", "w+") as reached:
        command = [*as_user(NO_ONE), sys.executable, str(hostile), str(ANOTHER), str(shared_folder)]
        other = subprocess.Popen(command, cwd="/", stdout=reached, stderr=subprocess.STDOUT)
        try:
            environment = {"TMPDIR": str(shared_folder), "HOME": str(mpirun.folder)}
            settings = {"within": as_user(ANOTHER), "environment": environment}
            if how == "mpirun":
                process = mpirun.start(3, "-m", "joblib_mpi", str(program), **settings)
            else:
                process = mpirun.start_by_command(3, str(program), **settings)
            ended = mpirun.finish(process)
        finally:
            other.kill()
            other.wait()
        reached.seek(0)
        tried = reached.read().splitlines()
    outcomes = [line.split(": ", 1)[1] for line in ended.stdout.splitlines()]
    assert (ended.status, outcomes) == (0, ["right"] * 7), ended
    assert tried[:1] == ["begins"], tried
    assert [line for line in tried[1:] if not line.startswith("connects to @joblib")] == [], tried
    # The sockets of ranks and of fork servers are there too briefly to be found each time.
    assert how == "mpirun" or "connects to @joblib-mpi-run-" in tried, tried
    left = [path for path in shared_folder.iterdir() if path.stat().st_uid == ANOTHER and path != mpirun.folder]
    assert left == [], left
