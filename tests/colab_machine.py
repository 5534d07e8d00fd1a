"""A stand-in for Google Colab's machine: its versions, its folder /content, and nothing else that can be written to.

Colab's own machine cannot be had here. What is copied of it are the published versions of what runs a notebook,
`google.colab` being imported when a kernel starts, and the form in which Colab saves a notebook. What cannot be copied
are its GPU, its own front end and its other 700 packages.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode

from course import ROOT, publish, release
from tests.jupyterlab import PRIVATE

COLABS = ("ipykernel==6.17.1", "ipython==7.34.0", "ipywidgets==7.7.1", "numpy==2.1.3", "transformers==5.15.0")
OTHERS = ("babel", "einops", "filelock", "matplotlib", "nbclient", "nbformat", "pillow", "platformdirs", "pooch")
OTHERS += ("regex", "requests", "rich", "safetensors", "scikit-learn", "tiktoken", "torch", "tqdm", "typer")


@dataclass(frozen=True)
class Machine:
    """Where it lies on this machine.

    Attributes:
        content: what is /content inside.
        python: the virtual environment, whose packages can be written to, as on Colab.
        address: of the course's repository.
    """

    content: Path
    python: Path
    address: str

    def command(self, *words: str, folder: str = "/content") -> list[str]:
        """A command as it runs inside."""
        places = [path for path in sorted(Path("/").iterdir()) if path.name not in ("content", "dev", "proc")]
        links = [word for path in places if path.is_symlink() for word in ("--symlink", os.readlink(path), str(path))]
        reads = [word for path in places if not path.is_symlink() for word in ("--ro-bind", str(path), str(path))]
        content = ["--bind", str(self.content), "/content", "--bind", str(self.content), str(self.content)]
        writes = [*content, "--bind", str(self.python), str(self.python), "--dev", "/dev", "--proc", "/proc"]
        return ["bwrap", *links, *reads, *writes, "--remount-ro", "/", "--die-with-parent", "--chdir", folder, *words]

    def environment(self) -> dict[str, str]:
        """Colab's kernel knows nothing of ours; git finds the course's address at this one."""
        known = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        replaced = {"KEY_0": f"url.{self.address}.insteadOf", "VALUE_0": release.repository()}
        return known | {f"GIT_CONFIG_{name}": value for name, value in ({"COUNT": "1"} | replaced).items()}

    def run(self, *words: str, folder: str = "/content") -> subprocess.CompletedProcess:
        """Run a command inside to its end."""
        command = self.command(*words, folder=folder)
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True)

    def packages(self) -> dict[str, str]:
        """The installed packages: name → version."""
        listed = self.run(str(self.python / "bin" / "python"), "-m", "pip", "list", "--format=json")
        return {item["name"].lower(): item["version"] for item in json.loads(listed.stdout)}

    def execute(self, notebook: NotebookNode) -> NotebookNode:
        """Run a notebook in a kernel inside."""
        kernel = self.content.parent / "kernels" / "colab"
        kernel.mkdir(parents=True, exist_ok=True)
        launch = [str(self.python / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": self.command(*launch), "display_name": "Colab", "language": "python"}
        (kernel / "kernel.json").write_text(json.dumps(spec))
        client = NotebookClient(notebook, kernel_name="colab", timeout=300)
        client.km = client.create_kernel_manager()
        client.km.kernel_spec_manager.kernel_dirs.insert(0, str(kernel.parent))
        client.km.connection_file = str(self.content / f".kernel-{secrets.token_hex(4)}.json")
        client.execute(env=self.environment())
        return notebook


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Machine]:
    """Make the machine in a folder, and serve the student's tree to it."""
    content, python = folder / "content", folder / "python"
    content.mkdir()
    _install(python)
    _commit_student_tree(folder / "served" / "course")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["--listen=127.0.0.1", f"--port={port}", f"--base-path={folder / 'served'}"]
    daemon = subprocess.Popen(["git", "daemon", "--export-all", "--reuseaddr", *where])
    try:
        _wait_for(port)
        yield Machine(content, python, f"git://127.0.0.1:{port}/course")
    finally:
        daemon.terminate()
        daemon.wait(10)


def _install(python: Path) -> None:
    venv.create(python, with_pip=True)
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    of_ours = [line for line in pinned if line.partition("==")[0].lower() in OTHERS]
    pip = [str(python / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *COLABS, *of_ours], check=True, stdout=sys.stderr)
    [packages] = (python / "lib").glob("python3.*/site-packages")
    (packages / "google" / "colab").mkdir(parents=True)
    (packages / "google" / "colab" / "__init__.py").write_text("")
    (packages / "imported_when_python_starts.pth").write_text("import google.colab\n")


def _commit_student_tree(folder: Path) -> None:
    publish.publish(folder)
    who = ["-c", "user.name=course", "-c", "user.email=course@localhost"]
    for words in (["init", "--quiet", "-b", "student"], ["add", "--all"], ["commit", "--quiet", "-m", "Release"]):
        subprocess.run(["git", *who, *words], cwd=folder, check=True)


def _wait_for(port: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"git daemon did not answer on port {port} in {seconds} s")


def saved(notebook: NotebookNode) -> dict:
    """A notebook as Colab saves it: nbformat 4.0, ids of its own inside the metadata, and none at the cell."""
    copy = json.loads(json.dumps(notebook))
    copy["nbformat_minor"] = 0
    copy["metadata"] = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    for cell in copy["cells"]:
        cell.pop("id", None)
        cell["metadata"] |= {"id": secrets.token_urlsafe(9)}
        if cell["cell_type"] == "code":
            cell["metadata"] |= {"colab": {"base_uri": "https://localhost:8080/"}, "outputId": secrets.token_hex(16)}
    return copy
