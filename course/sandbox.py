"""Where the code of strangers runs: a room without network, without a view of this machine, and with limits.

An isolation is a command that opens a room. It prints two lines: a JSON object with ``child-pid``, the number of the
room's first process as this machine counts, and, once everything is in place, any second line. The room exists
until that process is killed, and nothing in it lives longer. :mod:`course.forkserver` does the rest: it enters the
room's namespaces from outside, which must include those of processes, mounts, network and ipc. So another isolation,
such as a container engine, is one more class with :meth:`Bubblewrap.command`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from course import CourseError

COURSE = Path("/course")  # inside: the students' course, read-only
SOCKETS = Path("/kernel")  # inside: a mount of its own, which the student's code cannot rename or replace
HOME = Path("/home/student")
FIRST_UID = 1_000_000_000  # far from the users of any machine

MB = 2**20
HOW_TO_GET_IT = (
    "On Debian or Ubuntu: sudo apt-get install bubblewrap; on Fedora: sudo dnf install bubblewrap. Elsewhere than on "
    "Linux, grade inside a Linux machine or container. See docs/instructors.md."
)


class NoSandbox(CourseError):
    """The code of strangers cannot be locked up on this machine."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Each is enforced by the system; memory is watched by the grader, too.

    Attributes:
        memory: bytes of all its processes together, and of address space for each.
        cpu: seconds of processor time for each process.
        processes: processes and threads together.
        file: bytes of one file.
        disk: bytes of its work folder, its home, /tmp and /dev/shm, each; they are in memory.
        files: open files of one process.
        output: bytes of output that are kept of one cell.
    """

    memory: int = 4096 * MB
    cpu: int = 600
    processes: int = 128
    file: int = 256 * MB
    disk: int = 256 * MB
    files: int = 1024
    output: int = 1 * MB

    def as_resources(self) -> dict[str, int]:
        """For setrlimit(2)."""
        return {
            "RLIMIT_AS": self.memory,
            "RLIMIT_CPU": self.cpu,
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_FSIZE": self.file,
            "RLIMIT_NOFILE": self.files,
            "RLIMIT_CORE": 0,
        }


@dataclass(frozen=True)
class Room:
    """What one room holds.

    Attributes:
        course: a folder of this machine with the students' course, seen as :data:`COURSE`.
        folder: where the notebook runs, relative to it.
        files: files of this machine that lie in that folder, by their names there.
    """

    course: Path
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Bubblewrap:
    """Rooms by bubblewrap, https://github.com/containers/bubblewrap, as root or as any user with user namespaces."""

    program: str = "bwrap"

    def check(self) -> None:
        """Open a room and close it again.

        Raises:
            NoSandbox: bubblewrap is not there, or this system does not let it work; with what to do.
        """
        if not shutil.which(self.program):
            raise NoSandbox(f"Submissions are graded in a sandbox, and bubblewrap is not installed. {HOW_TO_GET_IT}")
        command = [*self._empty_room(MB), "/bin/true"]
        tried = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.defpath})
        if tried.returncode:
            raise NoSandbox(
                f"bubblewrap cannot open a sandbox here: {tried.stderr.strip()}\n"
                "An ordinary user needs user namespaces (on Ubuntu 24.04: an AppArmor profile for bwrap), a container "
                "the right to make them. See docs/instructors.md."
            )

    @property
    def first_uid(self) -> int | None:
        """As the machine's root, each kernel is a user of its own, whose processes are counted by themselves."""
        return FIRST_UID if os.geteuid() == 0 and _user_exists(FIRST_UID) else None

    def command(self, room: Room, limits: Limits) -> list[str]:
        """The command that opens a room."""
        folder = COURSE / room.folder
        spaces = [_space(path, limits.disk) for path in (folder, HOME, Path("/dev/shm"), SOCKETS)]
        files = [("--ro-bind", str(path), str(folder / name)) for name, path in room.files.items()]
        seals = [("--remount-ro", "/dev"), ("--remount-ro", "/")]
        inside = ("--ro-bind", str(room.course), str(COURSE))
        parts = [inside, *spaces, *files, *seals]
        words = [word for part in parts for word in part]
        # bubblewrap keeps the descriptor that it reports on from what it runs, so it gets a copy of standard output.
        reporting = ["/bin/sh", "-c", 'exec "$@" 3>&1', "room"]
        waits = ["--json-status-fd", "3", "/bin/sh", "-c", "echo open; exec sleep infinity"]
        return [*reporting, *self._empty_room(limits.disk), *words, *waits]

    def _empty_room(self, disk: int) -> list[str]:
        apart = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        if self.first_uid is None:
            apart += ["--unshare-user", "--disable-userns"]
        folders = _system_folders()
        parents = {above: None for path in [*folders, Path(ETC[0])] for above in reversed(path.parents[:-1])}
        dirs = [word for above in parents for word in ("--perms", "0755", "--dir", str(above))]
        system = [word for path in folders for word in ("--ro-bind", str(path), str(path))]
        links = [word for link in _system_links() for word in ("--symlink", os.readlink(link), str(link))]
        tables = [word for path in ETC for word in ("--ro-bind-try", path, path)]
        private = ["--cap-drop", "ALL", "--clearenv", "--die-with-parent", "--new-session", "--hostname", "grading"]
        kernel = ["--proc", "/proc", "--dev", "/dev"]
        # /tmp comes first: the course, and so its Python environment, may lie in it.
        return [self.program, *apart, *private, *_space(Path("/tmp"), disk), *dirs, *system, *links, *tables, *kernel]


ETC = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime", "/etc/ssl/certs")


def _system_folders() -> list[Path]:
    """Programs and libraries: the system's, and the Python environment with the Python that it was made from."""
    root = [path for path in map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")) if path.is_dir()]
    found = [path for path in root if not path.is_symlink()]
    for path in (Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()):
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found


def _system_links() -> list[Path]:
    return [path for path in map(Path, ("/bin", "/sbin", "/lib", "/lib64", "/lib32")) if path.is_symlink()]


def _space(path: Path, size: int) -> tuple[str, ...]:
    return ("--perms", "0777", "--size", str(size), "--tmpfs", str(path))


def _user_exists(uid: int) -> bool:
    """Whether a process of this user namespace can become that user; see user_namespaces(7)."""
    ranges = (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(inside <= uid < inside + count for inside, _, count in ranges)
