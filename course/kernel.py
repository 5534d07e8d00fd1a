"""How a notebook's kernel is started: a process of this machine, or a fork inside a sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from jupyter_client.connect import port_names
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import Any as AnyTrait
from traitlets import default

from course import CourseError, sandbox
from course.sandbox import MB, Bubblewrap, Limits, Room
from utils.lab import UNATTENDED

FORKSERVER = Path(__file__).with_name("forkserver.py")
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
WATCH = 0.25  # seconds between looks at a kernel's memory


class SandboxFailed(CourseError):
    """A sandbox that could be opened before cannot be opened any more."""


class LocalKernel(AsyncKernelManager):
    """A kernel on this machine, reached through socket files in a folder of its own.

    Kernels that are started at the same moment over TCP race for ports.
    """

    @default("transport")
    def _transport_default(self) -> str:
        return "ipc"

    @default("connection_file")
    def _connection_file_default(self) -> str:
        return str(Path(tempfile.mkdtemp(prefix="kernel-"), "k.json"))

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        if not restart:
            shutil.rmtree(Path(self.connection_file).parent, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources


class ForkServer:
    """A process that has imported a notebook's libraries, and forks kernels into rooms; see course/forkserver.py.

    Args:
        isolation: opens the rooms.
        limits: for each kernel.
        modules: what to import once, such as ``["torch"]``.
        path: a folder from which they may be imported, besides the environment's.
        cache: where libraries may keep what they compute once, such as matplotlib its list of fonts.
    """

    def __init__(self, isolation: Bubblewrap, limits: Limits, modules: Sequence[str], path: Path, cache: Path) -> None:
        self.isolation, self.limits = isolation, limits
        self._turn = threading.Lock()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        # Nothing of the instructor's environment: what a process was started with stays readable in its /proc.
        environ = {"PATH": os.defpath, "LANG": "C.UTF-8", "MPLCONFIGDIR": str(cache), **SINGLE_THREAD}
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(FORKSERVER), str(path), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environ,
            cwd="/",
            text=True,
        )

    @property
    def has_ended(self) -> bool:
        """Whether it is gone, and with it every room."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End it, and with it every room."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def fork(self, room: Room, connection: dict) -> tuple[int, int]:
        """Start a kernel in a new room.

        Args:
            room: what the room holds.
            connection: the content of the kernel's connection file.

        Returns:
            The process numbers of the room and of the kernel.

        Raises:
            SandboxFailed: there is no room or no kernel; with the reason.
        """
        request = {
            "room": self.isolation.command(room, self.limits),
            "folder": str(sandbox.COURSE / room.folder),
            "environ": ENVIRON,
            "limits": self.limits.as_resources(),
            "connection": [str(sandbox.SOCKETS / "connection.json"), connection],
            "first_uid": self.isolation.first_uid,
        }
        with self._turn:
            try:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
                reply = json.loads(self._process.stdout.readline() or "{}")
            except BrokenPipeError:
                reply = {}
        if "kernel" not in reply:
            raise SandboxFailed(f"no kernel in a sandbox: {reply.get('error') or self._last_words()}")
        return reply["room"], reply["kernel"]

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read().strip()[-2000:] or "its fork server ended"

    @contextmanager
    def kernel(self, room: Room) -> Iterator[AsyncKernelManager]:
        """A manager of one kernel in a room of its own, both gone afterwards."""
        manager = AsyncKernelManager(kernel_name="python3", transport="ipc")
        manager.provisioner = InRoom(parent=manager, kernel_spec=manager.kernel_spec, server=self, room=room)
        try:
            yield manager
        finally:
            manager.provisioner.close()


# What a kernel in a room finds in its environment.
ENVIRON = {
    "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
    "HOME": str(sandbox.HOME),
    "USER": "student",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "NBGRADER_EXECUTION": "autograde",
    UNATTENDED: "1",
    **SINGLE_THREAD,
}


class InRoom(KernelProvisionerBase):
    """Starts, signals and ends the kernel of one room, for jupyter_client."""

    server, room = AnyTrait(), AnyTrait()
    fault = ""  # why the grader ended it
    _watch = _room = pid = None

    @property
    def has_process(self) -> bool:
        return self._room is not None

    async def pre_launch(self, **options) -> dict:
        return options | {"cmd": [], "env": {}}

    async def launch_kernel(self, cmd: list[str], **options) -> dict:
        manager = self.parent
        for port, name in enumerate(port_names, start=1):
            setattr(manager, name, port)
        inside = manager.get_connection_info() | {"ip": str(sandbox.SOCKETS / "s"), "key": manager.session.key.decode()}
        first, kernel = self.server.fork(self.room, inside)
        self._room, self.pid = os.pidfd_open(first), kernel
        self._watch = threading.Thread(target=self._look_after, args=(first,), daemon=True)
        self._watch.start()
        # From here the room's files are in /proc, so no folder of this machine is writable from inside.
        manager.ip = f"/proc/{first}/root{sandbox.SOCKETS}/s"
        self.connection_info = manager.get_connection_info()
        return self.connection_info

    def _look_after(self, first: int) -> None:
        """End a room that uses too much memory or has lost its kernel."""
        limits = self.server.limits
        with contextlib.suppress(psutil.NoSuchProcess):
            kernel = psutil.Process(self.pid)
            while not self._ended(WATCH):
                if kernel.status() == psutil.STATUS_ZOMBIE:
                    break
                if sum(kernel.cpu_times()[:2]) > limits.cpu - 1:
                    self.fault = f"used more than {limits.cpu} s of processor time"
                if _memory(limits.memory, first, self.pid) > limits.memory:
                    self.fault = f"used more than {limits.memory // MB} MB of memory"
                    break
        self._end()

    def _ended(self, timeout: float = 0) -> bool:
        ready, _, _ = select.select([self._room], [], [], timeout)
        return bool(ready)

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._room, signal.SIGKILL)

    async def poll(self) -> int | None:
        return 1 if self._room is None or self._ended() else None

    async def wait(self) -> int:
        while await self.poll() is None:
            await asyncio.sleep(0.01)
        return 1

    async def send_signal(self, signum: int) -> None:
        if await self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    async def kill(self, restart: bool = False) -> None:
        if self._room is not None:
            self._end()

    terminate = kill

    async def cleanup(self, restart: bool = False) -> None:
        pass

    def close(self) -> None:
        """End the room and wait until nothing of it is left."""
        if self._room is not None:
            self._end()
            self._watch.join()
            while not self._ended(1):
                pass
            os.close(self._room)
            self._room = None


def _memory(limit: int, *roots: int) -> int:
    """Bytes of memory of processes and all that they started.

    Pages that several share are counted once where the sum would be above the limit; that takes longer to find out.
    """
    processes = [one for root in map(psutil.Process, roots) for one in (root, *root.children(recursive=True))]
    total = _sum(processes, lambda process: process.memory_info().rss)
    return total if total <= limit else _sum(processes, lambda process: process.memory_full_info().pss)


def _sum(processes: Iterable[psutil.Process], size: Callable[[psutil.Process], int]) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += size(process)
    return total
