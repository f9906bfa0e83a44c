"""Tests of how a session is started: arguments, command line, environment, and what is refused."""

import pytest

from joblib_mpi import start_options
from joblib_mpi.start_options import MissingModuleError, StartOptions, from_arguments, from_environment, missing_module


def test_without_options_isolation_is_what_can_be():
    assert from_environment({}) == StartOptions(None, (), None)


def test_the_environment_sets_all_options():
    variables = {
        "JOBLIB_MPI_ISOLATION": "none",
        "JOBLIB_MPI_PRELOAD": "sklearn, numpy.linalg,sklearn",
        "JOBLIB_MPI_MEMORY_LIMIT": "2GiB",
        "JOBLIB_MPI_SCHEDULER_HOST": "auto",
    }
    assert from_environment(variables) == StartOptions("none", ("sklearn", "numpy.linalg"), 2**31, "auto")


@pytest.mark.parametrize("launched", [{"OMPI_COMM_WORLD_RANK": "0"}, {"SLURM_STEP_NUM_TASKS": "2"}, {"PMI_RANK": "1"}])
def test_a_rank_is_the_client_of_no_job(launched):
    assert from_environment({"JOBLIB_MPI_SCHEDULER_HOST": "auto", **launched}) == StartOptions()


def test_an_empty_variable_is_as_none():
    assert from_environment({"JOBLIB_MPI_ISOLATION": "", "JOBLIB_MPI_PRELOAD": ""}) == StartOptions()


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"JOBLIB_MPI_ISOLATION": "thread"}, "JOBLIB_MPI_ISOLATION='thread'; allowed: process, none"),
        ({"JOBLIB_MPI_PRELOAD": "a b"}, "JOBLIB_MPI_PRELOAD='a b': \"a b\" is not the name of a module"),
        ({"JOBLIB_MPI_MEMORY_LIMIT": "much"}, "JOBLIB_MPI_MEMORY_LIMIT='much'; allowed: None, a number of bytes"),
    ],
)
def test_a_bad_variable_is_refused_by_name_with_what_is_allowed(variables, text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at below
        from_environment(variables)
    assert str(caught.value).startswith(text)


def test_arguments_come_before_the_program_and_go_before_the_environment():
    begin = StartOptions("none", ("numpy",), 5)
    argv = ["--isolation", "process", "--preload=a,b", "--preload", "c", "--memory-limit=1KB", "x.py", "--preload", "d"]
    options, rest = from_arguments(begin, argv)
    assert options == StartOptions("process", ("a", "b", "c"), 1000)
    assert rest == ["x.py", "--preload", "d"]


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--isolation"], "--isolation needs a value"),
        (["--isolation=off", "x.py"], "--isolation='off'; allowed: process, none"),
        (["--preload", "a-b", "x.py"], "--preload='a-b': \"a-b\" is not the name of a module"),
        (["--memory-limit", "0", "x.py"], "--memory-limit='0'; allowed: None, a number of bytes above 0"),
    ],
)
def test_a_bad_argument_is_refused_by_name(argv, text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at below
        from_arguments(StartOptions(), argv)
    assert str(caught.value).startswith(text)


def test_a_list_of_modules_may_be_given_from_python():
    assert StartOptions().updated(preload=["os.path", "json"]).preload == ("os.path", "json")
    with pytest.raises(TypeError, match="preload=5; allowed: a list"):
        StartOptions().updated(preload=5)


def test_a_missing_module_is_named_with_rank_and_host(monkeypatch):
    monkeypatch.setattr(start_options.thread_limits, "launched_rank", lambda: 3)
    monkeypatch.setattr(start_options.thread_limits.socket, "gethostname", lambda: "cn042")
    assert missing_module(("json", "os.path")) is None
    for module in ("no_such_module_here", "no_such_package.part", "json.no_such_part"):
        assert missing_module(("json", module)) == module
        assert str(MissingModuleError(module)).startswith(f'rank 3 on cn042 has no module "{module}"')
