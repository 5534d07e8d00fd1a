"""Forks kernels into sandboxes. A program of its own, started by :mod:`course.kernel` and told what to do on stdin.

It imports the heavy libraries once, never runs a student's code, and never holds a test. For every kernel it opens a
room, forks, enters the room's namespaces, gives up every right, and only then starts ipykernel: no process that has
run one student's code runs another's, and importing PyTorch is paid for once. When stdin ends, for whatever
reason, this process ends, and with it every room (bubblewrap's ``--die-with-parent``) and all that is in them.

Requests and replies are JSON, one object a line::

    {"room": ["bwrap", …], "folder": …, "environ": {…}, "limits": {"RLIMIT_AS": …}, "connection": [path, content],
     "first_uid": as root, the kernel's user is this number plus that of the room; null to stay who we are}
    {"room": pid of the room's first process, "kernel": pid}    or    {"error": why there is none}
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

# linux/sched.h, linux/prctl.h, linux/capability.h
NAMESPACES = {"user": 0x10000000, "mnt": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000}
NAMESPACES |= {"net": 0x40000000, "cgroup": 0x2000000}
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 24, 38
LAST_CAPABILITY, CAPABILITY_VERSION_3 = 40, 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """``forkserver.py COURSE MODULE…``: import the modules, then serve until stdin ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no reply
    preload(sys.argv[2:], sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps what ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the grader, which then closes our stdin
    for line in sys.stdin:
        serve(json.loads(line), replies)


def preload(modules: Iterable[str], course: str) -> None:
    """Import what kernels will need, so that forks share it."""
    sys.modules["debugpy"] = None  # a kernel that finds it imports all of it, and nobody debugs here
    sys.path.insert(0, course)
    for name in modules:
        importlib.import_module(name)
    sys.path.remove(course)
    for name in [name for name in sys.modules if name.split(".")[0] == "utils"]:
        del sys.modules[name]  # a notebook finds the one in its room; what that one imports stays loaded
    if (threads := len(os.listdir("/proc/self/task"))) > 1:
        raise SystemExit(f"{threads} threads after importing {', '.join(modules)}: a fork could hang")
    gc.freeze()  # or the first collection in a fork would copy every page


def serve(request: dict, replies: TextIO) -> None:
    """Open a room and start a kernel in it."""
    room = subprocess.Popen(request["room"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first, ready = room.stdout.readline(), room.stdout.readline()  # the second comes from inside, when all is mounted
    if not ready:
        _reply(replies, error=room.stderr.read().decode(errors="replace").strip() or "it ended at once")
    elif os.fork() == 0:
        try:
            _start_inside(json.loads(first)["child-pid"], request, replies)
        finally:
            os._exit(1)
    room.stdout.close()
    room.stderr.close()


def _reply(replies: TextIO, **content: object) -> None:
    replies.write(json.dumps(content) + "\n")
    replies.flush()


def _start_inside(first: int, request: dict, replies: TextIO) -> None:
    """In a fork: enter the room, start the kernel there, tell its process number, and wait for its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        # If memory runs out all the same, the system should end this before anything of the instructor's.
        Path("/proc/self/oom_score_adj").write_text("1000")
        enter(first)
        kernel = os.fork()  # a process enters a pid namespace only by being born there
    except OSError as error:
        _reply(replies, error=f"its namespaces could not be entered: {error}")
        return
    if kernel == 0:
        run_kernel(request, request["first_uid"] and request["first_uid"] + first)
    _reply(replies, room=first, kernel=kernel)
    os.waitpid(kernel, 0)  # a room ends when all in it are waited for, and nobody else can wait for this one


def enter(pid: int) -> None:
    """Move this process into the namespaces of another, all at once; see setns(2).

    Raises:
        OSError: the system refuses.
    """
    names = [n for n in NAMESPACES if os.readlink(f"/proc/{pid}/ns/{n}") != os.readlink(f"/proc/self/ns/{n}")]
    if missing := {"mnt", "ipc", "pid", "net"} - set(names):
        raise OSError(f"the room shares {', '.join(sorted(missing))} with this machine")
    _call(libc.setns, os.pidfd_open(pid), sum(NAMESPACES[name] for name in names))


def run_kernel(request: dict, uid: int | None) -> None:
    """Inside: give up every right, then be an ipykernel until it is ended. Does not return."""
    os.setsid()
    os.closerange(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    for _ in range(3):
        os.open("/dev/null", os.O_RDWR)
    give_up_rights(uid)
    for name, value in request["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])
    path, content = request["connection"]
    Path(path).write_text(json.dumps(content))
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    signal.signal(signal.SIGINT, signal.default_int_handler)

    kernel_application().launch_instance(["-f", path, "--HistoryManager.enabled=False", "--no-secure"])


def kernel_application():
    """ipykernel's application, without its thread for subshells, a third of what a short cell costs."""
    from ipykernel.kernelapp import IPKernelApp

    class WithoutSubshells(IPKernelApp):
        def init_control(self, context):
            super().init_control(context)
            self.shell_channel_thread = None

    return WithoutSubshells


def give_up_rights(uid: int | None) -> None:
    """Keep no capability and get none back; where ``uid`` is given, become that user, who owns nothing."""
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # an error: this system has fewer
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header, nothing = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _call(libc.capset, header, nothing)
    _call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(libc.prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)  # or its own /proc/self would be closed to it


def _call(function, *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
