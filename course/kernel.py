"""How a notebook's kernel is started: the one place to change where a kernel runs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager
from traitlets import default


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
