"""A notebook with a real kernel, and the user before it."""

import asyncio
import os
import re
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

from support.time_limits import END_SECONDS, TIMEOUT_SECONDS

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Cell:
    """A cell that has run.

    Parameters
    ----------
    cell : nbformat.NotebookNode
        The cell with its outputs.

    Attributes
    ----------
    stdout, stderr : str
        What is shown of these streams.
    error : str
        The name of the exception with which it has ended, or an empty text.
    traceback : str
        What is shown of that exception, without colours.
    """

    def __init__(self, cell):
        streams = [output for output in cell.outputs if output.output_type == "stream"]
        errors = [output for output in cell.outputs if output.output_type == "error"]
        self.stdout = "".join(output.text for output in streams if output.name == "stdout")
        self.stderr = "".join(output.text for output in streams if output.name == "stderr")
        self.error = errors[0].ename if errors else ""
        self.traceback = _COLOURS.sub("", "\n".join(errors[0].traceback)) if errors else ""

    def __repr__(self):
        return f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}\n--- error {self.error}\n{self.traceback}"


class Notebook:
    """A notebook whose cells run in one kernel.

    Parameters
    ----------
    folder : Path
        The kernel's working directory.
    environment : dict
        The environment of the program that starts the kernel, Jupyter.
    kernel : str
        The name of the kernelspec.
    kernel_folders : list of str, optional
        The folders in which it is looked for, in place of Jupyter's.
    """

    def __init__(self, folder, environment, kernel="python3", kernel_folders=None):
        self.notebook = nbformat.v4.new_notebook()
        self._settings = {"env": environment, "cwd": str(folder)}
        self._loop = asyncio.new_event_loop()
        self._manager = AsyncKernelManager(
            kernel_name=kernel, connection_file=str(folder / f"connection-{os.urandom(4).hex()}.json")
        )
        if kernel_folders is not None:
            self._manager.kernel_spec_manager.kernel_dirs = kernel_folders
        self._client = NotebookClient(self.notebook, km=self._manager, timeout=TIMEOUT_SECONDS, allow_errors=True)
        self._loop.run_until_complete(self._client.async_start_new_kernel(**self._settings))
        self._loop.run_until_complete(self._client.async_start_new_kernel_client())

    def run(self, code, while_running=None):
        """Run a cell and return it as `Cell`.

        ``while_running`` is a coroutine that the user does at the same time, such as `interrupt_when`.
        """
        return self._loop.run_until_complete(self._run(code, while_running))

    def begin(self, code):
        """Start to run a cell, and return without waiting for its end."""
        self._client.kc.execute(code)

    def wait_until(self, is_time):
        """Wait until ``is_time()`` is true."""
        self._loop.run_until_complete(_wait_until(is_time))

    async def interrupt_when(self, is_time):
        """Interrupt the kernel as the button does, once ``is_time()`` is true."""
        await _wait_until(is_time)
        await self._manager.interrupt_kernel()

    async def until_it_shows(self, *texts, then):
        """Wait until the cell that runs shows all of ``texts``, and then make the file ``then``."""
        cell = self.notebook.cells[-1]
        await _wait_until(lambda: all(text in f"{cell.outputs}" for text in texts))
        Path(self._settings["cwd"], then).touch()

    def restart(self, *, now):
        """Restart the kernel as the button does; with ``now`` it is killed at once."""
        self._loop.run_until_complete(self._manager.restart_kernel(now=now))
        self._loop.run_until_complete(self._client.kc.wait_for_ready(timeout=TIMEOUT_SECONDS))

    def shut_down(self):
        """End the kernel as closing the notebook does, and return its exit status."""
        process = self._manager.provisioner.process
        self._manager.shutdown_wait_time = 2 * END_SECONDS  # after half of it, the kernel is ended by force
        self._client.kc.stop_channels()
        self._loop.run_until_complete(self._manager.shutdown_kernel())
        self._loop.close()
        return process.returncode

    async def _run(self, code, while_running):
        cell = nbformat.v4.new_code_cell(code)
        self.notebook.cells.append(cell)
        ran = self._client.async_execute_cell(cell, len(self.notebook.cells) - 1)
        await asyncio.gather(ran, *([] if while_running is None else [while_running]))
        return Cell(cell)


async def do_when(is_time, do):
    """Call ``do()`` once ``is_time()`` is true."""
    await _wait_until(is_time)
    do()


async def _wait_until(is_time):
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not is_time():
            await asyncio.sleep(0.01)
