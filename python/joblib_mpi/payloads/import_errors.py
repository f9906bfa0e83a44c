"""Errors about modules that the Python of a worker, or of the program, lacks or has in another version."""

import platform
import re
import sys

from joblib_mpi.payloads.errors import WorkerImportError, version_of

#: What `pickle` says of a name that a module lacks.
_LACKS = re.compile(r"on <module '([\w.]+)'")


def import_error(error: ImportError | AttributeError, place: str) -> WorkerImportError:
    """Return the error that explains why the worker at ``place`` could not unpickle a task."""
    module = _module_of(error)
    if module is None:
        what, name = "something", "the module"
    elif isinstance(error, ModuleNotFoundError):
        what, name = f'the module "{module}"', module.partition(".")[0]
    else:
        what, name = f'something of the module "{module}"', module.partition(".")[0]
    explained = WorkerImportError(
        f"a task needs {what}, which {_python_at(place)} cannot import: {error}. {_remedies(name)}", name=module
    )
    explained.worker_version = version_of(name)
    return explained


def missing_module_hint(error: ModuleNotFoundError, place: str) -> str:
    """Return advice about a module that a task has tried to import itself."""
    name = (error.name or "the module").partition(".")[0]
    return f'The task needs the module "{name}" and {_python_at(place)} does not have it. {_remedies(name)}'


def result_import_error(error: ImportError | AttributeError, place: str) -> ImportError:
    """Return the error that explains why the program could not unpickle the result of a task at ``place``."""
    module = _module_of(error)
    what = "something" if module is None else f'something of the module "{module}"'
    return ImportError(
        f"the result of a task on {place} needs {what}, which {_python_at('this program')} cannot import: {error}. "
        "Install here what the workers have, or let the task return what needs no such module.",
        name=module,
    )


def _module_of(error: ImportError | AttributeError) -> str | None:
    if isinstance(error, ImportError):
        return error.name
    found = _LACKS.search(str(error))
    return None if found is None else found[1]


def _python_at(place: str) -> str:
    return f"the Python of {place} ({platform.python_version()}, {sys.executable})"


def _remedies(name: str) -> str:
    return (
        f"Either install {name} for that Python, in the version that this program has, or send it along with the "
        f'option ship=["{name}"] of parallel_config or Parallel, or add the folder that has it to PYTHONPATH before '
        "the job starts."
    )
