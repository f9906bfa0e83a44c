"""Calls of compiled functions that wait on a thread, for tests in which other threads of the process must go on."""

import faulthandler
import threading
import time

#: The time after which a test that hangs shows where each of its threads is, and ends.
HANG_SECONDS = 200

# The operations of the system call futex by which a thread waits for the GIL, always with a time limit.
_FUTEX_WAITS_WITH_LIMIT = ("0x89", "0x189")

faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)


def is_waiting(thread_id):
    """Return whether a thread of this process waits in the kernel, and not for the GIL."""
    return _wait_of(thread_id) is not None and _wait_of(thread_id) == _wait_of(thread_id)


def _wait_of(thread_id):
    with open(f"/proc/self/task/{thread_id}/syscall") as file:
        call = file.read().split()
    if call[0] in ("running", "-1"):
        return None
    _, _, operation, _, limit, *_ = call
    return None if operation in _FUTEX_WAITS_WITH_LIMIT and limit != "0x0" else call


class Waiting:
    """A call on a thread that waits. Returns from its constructor while the call waits; `result` ends with the call."""

    def __init__(self, function, *arguments, **options):
        self.result = None
        self._entering = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(function, arguments, options), daemon=True)
        self._thread.start()
        self._entering.wait()
        while not is_waiting(self._thread.native_id):
            assert self._thread.is_alive(), f"{function} has not waited"
            time.sleep(0.001)

    def _run(self, function, arguments, options):
        self._entering.set()
        self.result = function(*arguments, **options)

    @property
    def waits(self):
        """True until the call has returned."""
        return self._thread.is_alive()

    def join(self):
        """Wait for the end of the call and return what it returned."""
        self._thread.join()
        return self.result
