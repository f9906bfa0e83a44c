"""Tests that a program ends as it should while threads of it are in the compiled part."""

import subprocess
import sys

import pytest

import joblib_mpi

pytestmark = pytest.mark.skipif(getattr(joblib_mpi._core, "is_double", False), reason="joblib_mpi._core is not built")

# The interpreter takes half a second to end, and the thread is nearly always without the GIL.
ENDS_AT_WORK = """
import sys, threading, time
from joblib_mpi import _core

class ResistsTheEnd:
    def __del__(self):
        time.sleep(0.5)

def go_on():
    while True:
        started.set()
        {call}

data = bytes(50_000_000)
journal = _core.Journal(sys.argv[1], "identity")
started = threading.Event()
threading.Thread(target=go_on, daemon=True).start()
started.wait()
last = ResistsTheEnd()
"""


@pytest.mark.parametrize("call", ["_core.content_hash(data)", "journal.flush()"])
def test_a_thread_in_the_compiled_part_does_not_abort_the_end_of_the_program(tmp_path, call):
    script = ENDS_AT_WORK.format(call=call)
    program = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "results.h5"], stderr=subprocess.PIPE, text=True, timeout=120
    )
    assert (program.returncode, program.stderr) == (0, "")
