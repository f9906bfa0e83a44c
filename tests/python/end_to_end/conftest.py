"""Fixtures of tests on real ranks."""

import pytest


@pytest.fixture
def run(request, shared_script):
    """Return `run(text, ranks)`, which runs a script behind the PRELUDE of its module, and returns the lines it prints.

    The script runs in a job that the module's tests share, so none may notice what an earlier one did. Unless ``ranks``
    is given, the job has as many ranks as the module's RANKS says. Further arguments are those of `shared_script`.
    """
    module = request.module

    def run(text, ranks=None, **settings):
        ended = shared_script(module.RANKS if ranks is None else ranks, module.PRELUDE + text, **settings)
        assert ended.status == 0, ended
        return ended.stdout.splitlines()

    return run
