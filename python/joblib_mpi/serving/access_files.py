"""The folder of a user's access files, to which no other user has access, and the reading and writing of its files."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from joblib_mpi._core import SessionError

_ENDING = ".json"
#: Far above what a job writes.
_MOST_BYTES = 65536
_OTHERS = 0o077


def folder_path(kind: str = "jobs") -> str:
    """Return the path of a folder of access files, `${XDG_STATE_HOME:-~/.local/state}/joblib-mpi/KIND`.

    It may not exist. The kind is "jobs" for those that serve any program of the user, and "programs" for jobs of one
    program.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # as the XDG specification has it
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "joblib-mpi", kind)


def path_of(job: str) -> str:
    """Return the path of the access file of a job."""
    return os.path.join(folder_path(), job + _ENDING)


def path_for_program(name: str) -> str:
    """Return the path of the access file of a job that one program has started for itself."""
    return os.path.join(folder_path("programs"), name + _ENDING)


def is_there(path: str) -> bool:
    """Return whether there is an access file at that path, also if another host has written it a moment ago."""
    try:
        # To list a folder on a network file system asks its server; that there is no file may be what was known before.
        return os.path.basename(path) in os.listdir(os.path.dirname(path))
    except OSError:  # there is no such folder, or none that this user can read
        return False


def jobs() -> list[str]:
    """Return the names of the jobs that have an access file, sorted; raises SessionError if the folder is not safe."""
    try:
        with _folder(folder_path()) as folder:
            names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING) and not name.startswith("."))


def read(path: str) -> bytes:
    """Return the content of an access file.

    Parameters
    ----------
    path : str
        The path of the file, in any folder.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    SessionError
        It is no regular file of this user, or others can read or write it; the text says what to do.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SessionError(
            f"{path} cannot be read ({error.strerror}); an access file is a regular file and no link: remove it if it "
            "is none"
        ) from error
    try:
        _require_own(path, os.fstat(file), is_folder=False)
        content = os.read(file, _MOST_BYTES + 1)
    finally:
        os.close(file)
    if len(content) > _MOST_BYTES:
        raise SessionError(f"{path} is longer than any access file; remove it")
    return content


def create(job: str, content: bytes) -> bool:
    """Write the access file of a job, which no process sees unfinished; return False if there is one of that name.

    Raises SessionError if that is impossible.
    """
    return create_at(path_of(job), content)


def create_at(path: str, content: bytes) -> bool:
    """Write an access file as `create` does, at any path; its folder is made if there is none."""
    parent, name = os.path.split(path)
    try:
        os.makedirs(parent, mode=0o700, exist_ok=True)
        with _folder(parent) as folder:
            return _create(folder, name, content)
    except OSError as error:
        raise SessionError(
            f"no access file can be written to {parent}: {error.strerror}; set XDG_STATE_HOME to a folder in "
            "which this user may write"
        ) from error


def remove(job: str) -> bool:
    """Remove the access file of a job, if there is one; return whether there is none any more."""
    return remove_at(path_of(job))


def remove_at(path: str) -> bool:
    """Remove the access file at that path, if there is one; return whether there is none any more."""
    with suppress(OSError):
        os.unlink(path)
    return not os.path.lexists(path)


@contextmanager
def _folder(path: str) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _require_own(path, os.fstat(folder), is_folder=True)
        yield folder
    finally:
        os.close(folder)


def _require_own(path: str, status: os.stat_result, *, is_folder: bool) -> None:
    kind = "folder" if is_folder else "access file"
    if not is_folder and not stat.S_ISREG(status.st_mode):
        raise SessionError(f"{path} is no regular file, as an access file is; remove it")
    if status.st_uid != os.geteuid():
        raise SessionError(
            f"the {kind} {path} belongs to another user (id {status.st_uid}) and is not used; remove it, or set "
            "XDG_STATE_HOME to a folder of your own"
        )
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        right = "700" if is_folder else "600"
        raise SessionError(
            f"the {kind} {path} has mode {mode:04o}, with which other users may have read or changed it, and is not "
            f'used; run "chmod {right} {path}" if its content is yours, else remove it'
        )


def _create(folder: int, name: str, content: bytes) -> bool:
    unfinished = f".{name}.{os.getpid()}"
    with suppress(FileNotFoundError):  # of a process with this id that was killed
        os.unlink(unfinished, dir_fd=folder)
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with open(file, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)  # also if the umask takes rights away
            stream.write(content)
        return _give_name(folder, unfinished, name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=folder)


def _give_name(folder: int, unfinished: str, name: str) -> bool:
    try:
        os.link(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if name in os.listdir(folder):
            return False
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    return True
