"""Warm kernels: a kernel that is forked from a process which has the libraries imported already.

The process that executes a notebook forks its kernel's `Seed` before it starts anything itself, while it has one thread. The
seed waits until Jupyter asks for the kernel and then becomes it, with the environment, the random state and the arguments of
an ordinary one. It has a session of its own and dies with its parent.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from . import processes

_NAME = "revops-warm"


class Seed:
    """A forked process that becomes a kernel when it is asked to. Looks like a Popen to Jupyter's provisioner."""

    stdin = stdout = stderr = None

    def __init__(self) -> None:
        asked, self._ask = os.pipe()
        self.returncode: int | None = None
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._ask)
            processes.die_with(parent)
            os.setsid()
            _become_kernel(asked)
        os.close(asked)

    def grow(self, command: list[str], environment: dict[str, str], folder: str) -> None:
        """Become the kernel that `command` would start."""
        told = json.dumps({"argv": command[command.index("ipykernel_launcher") :], "env": environment, "cwd": folder})
        with os.fdopen(self._ask, "w", encoding="utf-8") as pipe:
            pipe.write(told)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class WarmProvisioner(LocalProvisioner):
    """Jupyter's own provisioner, except that it starts no new process: the seed becomes the kernel."""

    seed: Seed

    async def wait(self) -> int:
        """Wait for the kernel to end, without Jupyter's pauses of a tenth of a second."""
        while self.seed.poll() is None:
            await asyncio.sleep(0.002)
        self.process = None
        return self.seed.wait()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        told = [*cmd, f"--IPKernelApp.parent_handle={os.getpid()}"]
        self.seed.grow(told, kwargs["env"], str(kwargs.get("cwd") or "."))
        self.process = self.seed  # type: ignore[assignment]
        self.pid = self.pgid = self.seed.pid
        return self.connection_info


def plant() -> None:
    """Fork the seed of this process's one kernel, and have Jupyter use it for the next kernel it starts."""
    WarmProvisioner.seed = Seed()
    factory = KernelProvisionerFactory.instance()
    # Known in this process only, not to every Jupyter of the environment.
    factory.provisioners[_NAME] = EntryPoint(_NAME, f"{__name__}:{WarmProvisioner.__name__}", factory.GROUP_NAME)
    factory.default_provisioner_name = _NAME


def _become_kernel(asked: int) -> None:
    """Wait for what to become; end when nobody asks. Never returns."""
    import numpy
    from ipykernel.kernelapp import IPKernelApp

    with os.fdopen(asked, encoding="utf-8") as pipe:
        text = pipe.read()
    if not text:
        os._exit(0)
    told = json.loads(text)
    os.environ.clear()
    os.environ.update(told["env"])
    os.chdir(told["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    numpy.random.seed()  # else every kernel would draw the same "random" numbers; Python's own does this at every fork
    sys.argv = told["argv"]
    with suppress(SystemExit):
        IPKernelApp.launch_instance(argv=told["argv"][1:])
    os._exit(0)
