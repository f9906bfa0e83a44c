"""The options of a call, one entry for each: its name, default, check and documentation.

`MpiBackend` has its keyword arguments, their documentation and their validation from here.
"""

import difflib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import joblib

from joblib_mpi.calls.option_checks import (
    Check,
    anything,
    memory_bytes,
    one_of,
    optional_compression,
    optional_file,
    optional_folder,
    optional_seconds,
    optional_truth,
    truth,
    whole_number,
)
from joblib_mpi.calls.shipping import optional_modules
from joblib_mpi.payloads.module_files import ModuleFiles

#: The largest number of retries: what fits the core's counter with room to spare.
MOST_RETRIES = 1_000_000

#: Columns of the documentation; help() indents it further.
_DOC_WIDTH = 112


class Option(NamedTuple):
    """Properties of an option besides its name, type and default.

    Parameters
    ----------
    check : callable
        Takes a value and the option's name; returns the value as `CallOptions` holds it, or raises.
    accepts : str
        The types that users may give, as numpydoc writes them.
    doc : str
        What the option does.
    none_means : str
        What None stands for, if there is a word for it.
    """

    check: Check
    accepts: str
    doc: str
    none_means: str = ""


class CallOptions(NamedTuple):
    """The options of one call of ``Parallel``, checked; each is documented by its `Option`."""

    retries: Annotated[
        int,
        Option(
            whole_number(MOST_RETRIES),
            "int",
            """The number of further attempts for a task whose executor was lost (crashed, was killed or ran out of
            memory) or that took longer than ``task_timeout``. After the last attempt the call raises `WorkerLostError`
            or `TaskTimeoutError`. A batch is run again as a whole.""",
        ),
    ] = 2
    retry_exceptions: Annotated[
        bool, Option(truth, "bool", "Whether a task that raised an exception gets these attempts, too.")
    ] = False
    task_timeout: Annotated[
        float | None,
        Option(
            optional_seconds,
            "float",
            """The seconds that one attempt of one task may take. A task that takes longer is interrupted by an
            exception, and if it goes on, its executor is killed soon after.""",
        ),
    ] = None
    on_error: Annotated[
        str,
        Option(
            one_of("raise", "return"),
            '{"raise", "return"}',
            """With "return", the exception of a task that fails, be it a `WorkerLostError` or a `TaskTimeoutError`,
            takes the place of its result in the list, and all other tasks run.""",
        ),
    ] = "raise"
    memory_limit: Annotated[
        int | None,
        Option(
            memory_bytes,
            "int or str",
            """The private memory that the executor of a task may use: bytes, or a text such as "500MB" or "2GiB". An
            executor that uses more is killed. By default the limit that the session was started with, if any.""",
        ),
    ] = None
    checkpoint: Annotated[
        str | None,
        Option(
            optional_file,
            "str or path-like",
            """A file that keeps the results of the calls in the ``with`` block, or of this ``Parallel`` object; it is
            made if it does not exist. A program that is run again takes the results that the file has from there and
            computes the others.""",
        ),
    ] = None
    checkpoint_key: Annotated[
        Any,
        Option(
            anything,
            "object",
            """Content that decides, with function and arguments, whether a result of the checkpoint counts: a version,
            a configuration, the hash of a file that tasks read. Anything that can be pickled.""",
        ),
    ] = None
    spill_threshold: Annotated[
        int | None,
        Option(
            memory_bytes,
            "int or str",
            """Results whose large arrays take more than these bytes go to an HDF5 file instead of rank 0's memory, and
            come back as private memory maps. The environment variables JOBLIB_MPI_SPILL_THRESHOLD and so on set this
            option and the following ones for all calls of a program.""",
            none_means='"64MB"',
        ),
    ] = None
    memory_budget: Annotated[
        int | None,
        Option(
            memory_bytes,
            "int or str",
            """The bytes of rank 0's memory that results may take before all but small ones go to files. By default half
            of rank 0's share of its node.""",
        ),
    ] = None
    spill_dir: Annotated[
        str | None,
        Option(
            optional_folder,
            "str or path-like",
            """A folder that all nodes share, in which the job makes a folder for these files. By default TMPDIR, /tmp
            or /var/tmp, whichever is on disk first, or the working directory if there are several nodes.""",
        ),
    ] = None
    keep_spill: Annotated[
        bool | None,
        Option(
            optional_truth,
            "bool",
            """Whether the files stay when their results are gone, with an ``index.h5`` for each call, in which
            ``result/17`` is the array that task 17 has returned.""",
            none_means="False",
        ),
    ] = None
    spill_compression: Annotated[
        str | None,
        Option(
            optional_compression,
            "str",
            """"gzip", "gzip:6" or another filter that HDF5 has. Compressed results are read into memory.""",
        ),
    ] = None
    ship: Annotated[
        tuple[ModuleFiles, ...],
        Option(
            optional_modules,
            "list of modules or str",
            """Modules of the program that the Python of the workers lacks, or has in another version: source files or
            packages without compiled parts. Their files are sent to each node as they are at the start of a call, and
            again when they have changed.""",
        ),
    ] = ()

    @property
    def need_single_tasks(self) -> bool:
        """True if each task is timed and kept, and succeeds or fails, by itself, not with the batch it is in."""
        return self.on_error == "return" or self.task_timeout is not None or self.checkpoint is not None

    @property
    def need_a_worker(self) -> bool:
        """True if these options had no effect on tasks that run inline, as joblib's do with ``n_jobs=1``."""
        return self.need_single_tasks or self.memory_limit is not None or self.retry_exceptions

    def updated(self, options: Mapping[str, Any]) -> "CallOptions":
        """Return these options with ``options`` in their place, after checking them.

        Raises
        ------
        TypeError
            An option is not known, or not of its type.
        ValueError
            An option is of its type and out of range. Every text has the value and what is allowed.
        """
        for name, value in options.items():
            _check_known(name, value)
        return self._replace(**{name: OPTIONS[name].check(value, name) for name, value in options.items()})


#: All options by name, in the order of their documentation.
OPTIONS: dict[str, Option] = {
    name: kind.__metadata__[0] for name, kind in get_type_hints(CallOptions, include_extras=True).items()
}

#: The options that joblib passes to every backend, and those of its other backends. They have another effect here, or
#: none, so that a program can choose its backend by name alone.
JOBLIBS_OPTIONS = frozenset(
    {
        *("max_nbytes", "mmap_mode", "temp_folder", "prefer", "require", "verbose", "context"),
        *("idle_worker_timeout", "initializer", "initargs", "env", "context_id", "job_reducers", "result_reducers"),
        *("kill_workers", "reuse", "maxtasksperchild", "forward_reducers", "backward_reducers", "prewarm"),
        *("scheduler_host", "client", "loop", "wait_for_workers_timeout"),
    }
)


def without_joblibs(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not joblib's; raises TypeError for the unknown, with the nearest that is known."""
    own = {name: value for name, value in options.items() if name not in JOBLIBS_OPTIONS}
    for name, value in own.items():
        _check_known(name, value)
    return own


def _check_known(name: str, value: Any) -> None:
    if name in OPTIONS:
        return
    if name == _OF_BLOCKS:
        how = f'joblib.parallel_config(backend="mpi", {name}={value!r})'
        raise TypeError(f"{name}={value!r} is not an option of a single call: give it to {how}")
    nearest = difflib.get_close_matches(name, (*_HERE, *JOBLIBS_OPTIONS, *_joblibs_arguments()), 1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise TypeError(
        f'unknown option {name}={value!r} of the "mpi" backend; {hint}known: {", ".join(_HERE)}, and joblib\'s own'
    )


#: The option that joblib gives to a backend when it is made, and to no call.
_OF_BLOCKS = "inner_max_num_threads"

#: The options that have an effect here.
_HERE = (
    *("scatter", *OPTIONS, "scheduler_host", "n_workers", "scheduler_file"),
    *("max_nbytes", "mmap_mode", "initializer", "initargs", _OF_BLOCKS),
)


@lru_cache(maxsize=1)
def _joblibs_arguments() -> tuple[str, ...]:
    # joblib passes arguments on that it does not know, so that its own come here when they are misspelt.
    known = (inspect.signature(function).parameters for function in (joblib.Parallel, joblib.parallel_config))
    return tuple(
        name for parameters in known for name in parameters if parameters[name].kind != inspect.Parameter.VAR_KEYWORD
    )


_Function = TypeVar("_Function", bound=Callable[..., Any])


def shows_options(function: _Function) -> _Function:
    """Have `inspect.signature` and what uses it show the options as keywords in place of a function's ``**options``."""
    signature = inspect.signature(function)
    kept = [parameter for parameter in signature.parameters.values() if parameter.kind != parameter.VAR_KEYWORD]
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in CallOptions._field_defaults.items()
    ]
    vars(function)["__signature__"] = signature.replace(parameters=[*kept, *keywords])
    return function


def documented_with_options(docstring: str | None) -> str:
    """Return a numpydoc docstring with the options as entries in place of its line ``{options}``."""
    return inspect.cleandoc(docstring or "").replace("{options}", "\n".join(map(_entry, OPTIONS))) + "\n"


def _entry(name: str) -> str:
    option = OPTIONS[name]
    default = CallOptions._field_defaults[name]
    if isinstance(default, str):
        after = f', default="{default}"'
    elif default is not None and default != ():
        after = f", default={default}"
    else:
        after = f", default={option.none_means}" if option.none_means else ", optional"
    doc = textwrap.fill(inspect.cleandoc(option.doc), _DOC_WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"{name} : {option.accepts}{after}\n{doc}"
