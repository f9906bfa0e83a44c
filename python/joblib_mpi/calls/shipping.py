"""The modules that a call ships: the option's check, and their files as shared objects."""

from collections.abc import Iterable
from typing import Any

from joblib_mpi import _core
from joblib_mpi.payloads.module_files import ModuleFiles, module_files
from joblib_mpi.payloads.task_context import ShippedModule
from joblib_mpi.sharing.call_buffers import CallBuffers


def optional_modules(value: Any, name: str) -> tuple[ModuleFiles, ...]:
    """Check for None and a list of modules or names of modules; returns the places of their files."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise TypeError(f'{name}={value!r}; allowed: None, or a list of modules or their names, such as ["tools"]')
    try:
        found = tuple(map(module_files, value))
        for files in found:
            files.packed()
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}={value!r}: {error}") from error
    return tuple(dict.fromkeys(found))


def shipped(modules: Iterable[ModuleFiles], buffers: CallBuffers) -> tuple[ShippedModule, ...]:
    """Share the files of modules, as they are now, with the nodes.

    Raises
    ------
    MemoryError
        Shared objects would take more memory than they may.
    ValueError
        The files cannot be sent any more.
    """
    return tuple(_shipped(module, buffers) for module in modules)


def _shipped(module: ModuleFiles, buffers: CallBuffers) -> ShippedModule:
    packed = module.packed()
    object_id = buffers.constant(packed)
    if object_id is None:
        raise MemoryError(
            f'the files of the module "{module.name}" need {len(packed)} bytes on each node, which shared objects may '
            "not take; free other objects, or raise JOBLIB_MPI_SHARED_LIMIT"
        )
    return ShippedModule(module.name, _core.content_hash(packed), object_id)
