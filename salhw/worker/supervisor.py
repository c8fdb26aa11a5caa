"""The supervisor of one worker: starts it in a session of its own and sees to it that nothing of it stays behind.

It runs in the other interpreter, perhaps on another host: Python 3.8 or later, the standard library alone, no file
shared with the sender, who starts it as ``python -c SOURCE`` and writes one line of JSON to its stdin. The worker then
inherits stdin, stdout and stderr. The supervisor ends, and the worker's whole tree with it, when the worker does, when
the sender closes stdin or dies, or on SIGTERM. Its exit status is the worker's, 128 + n for signal n.

What belongs to the worker is known, not guessed. Processes: on Linux the supervisor is the reaper of its orphans, so
that all descendants stay below it, whatever session they moved to; elsewhere it is the process group. Shared memory:
the whole tree reports what it creates to one resource tracker (the standard library's own), started here and outside
the worker's session; when the last process of the tree is gone, however it died, the tracker unlinks what is left.
Files: the worker's temporary directory is a folder that is removed at the end.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

LEAVING, TERMINATING, DYING, TRACKING = (
    1.0,
    0.5,
    2.0,
    2.0,
)  # s of patience with each; only the first two are ever used up
SET_PARENT_DEATH_SIGNAL, SET_SUBREAPER = 1, 36  # options of Linux's prctl


def processes() -> dict[int, tuple[int, int]]:
    """The parent and the session of every process by its id, zombies included; nothing where there is no /proc."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            _, parent, _, session = path.read_bytes().rpartition(b")")[2].split()[:4]
            found[int(path.parent.name)] = (int(parent), int(session))
    return found


def descendants(root: int, without: int) -> list[int]:
    """Every process below ``root``, except ``without``."""
    table = processes()
    below, fresh = [], [root]
    while fresh:
        fresh = [pid for pid, (parent, _) in table.items() if parent in fresh and pid != without]
        below += fresh
    return below


def send(pids: list[int], number: int) -> None:
    """A signal to processes that may be gone already; a negative id is a process group."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def prctl(option: int, value: int) -> None:
    """Linux's own; nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Supervisor:
    """One worker: its process, the tracker of its shared memory, its folder."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.statuses: dict[int, int] = {}  # by process id, of all that were reaped
        self.asked = False  # to end at once
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask)
        prctl(SET_SUBREAPER, 1)
        self.sender = os.getppid()
        self.folder = tempfile.mkdtemp(prefix="salhw-worker-")
        names, self.names = os.pipe()  # of shared memory: the tree writes, the tracker reads
        code = f"from multiprocessing.resource_tracker import main; main({names})"
        self.tracker = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[names],
        ).pid
        os.close(names)
        own = {"TMPDIR": self.folder, "SALHW_WORKER_TRACKER": str(self.names)}
        self.worker = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env={**os.environ, **own, **environment},
            pass_fds=[self.names],
            start_new_session=True,
            preexec_fn=lambda: prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL),
        ).pid

    def _ask(self, *_: object) -> None:
        self.asked = True

    def run(self) -> int:
        """Wait until it is over, clear up, and return the exit status; 0 if it did not end by itself."""
        hangup = select.poll()
        hangup.register(0, getattr(select, "POLLRDHUP", 0))
        while not self.asked and not self._gone(self.worker):
            if hangup.poll(200) or os.getppid() != self.sender:  # ms; a fork of the sender may keep stdin open
                self._wait(LEAVING, lambda: self.asked or self._gone(self.worker))
                break
        status = self.statuses.get(self.worker, 0)
        send(self._tree(), signal.SIGTERM)
        self._wait(TERMINATING, lambda: not self._tree())
        self._wait(DYING, self._killed)
        os.close(self.names)
        if not self._wait(TRACKING, lambda: self._gone(self.tracker)):
            send([self.tracker], signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
        return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def _gone(self, pid: int) -> bool:
        with contextlib.suppress(ChildProcessError):  # there are no children any more
            while True:
                reaped, status = os.waitpid(-1, os.WNOHANG)
                if not reaped:
                    break
                self.statuses[reaped] = status
        return pid in self.statuses

    def _tree(self) -> list[int]:
        gone = self._gone(self.worker)
        if sys.platform == "linux":
            return descendants(os.getpid(), without=self.tracker)
        try:
            os.killpg(self.worker, 0)
        except OSError:
            return [] if gone else [self.worker]
        return [-self.worker]

    def _killed(self) -> bool:
        """Again until nothing is left, because what is about to die may still start something."""
        tree = self._tree()
        send(tree, signal.SIGKILL)
        return not tree

    @staticmethod
    def _wait(patience: float, done: Callable[[], bool]) -> bool:
        end = time.monotonic() + patience
        while not done():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


def main() -> None:
    """Read the settings, start the worker, say so in one line of stdout, and watch."""
    line = b""
    while not line.endswith(b"\n"):  # byte by byte: all that follows is the worker's
        byte = os.read(0, 1)
        if not byte:
            return
        line += byte
    settings = json.loads(line)
    supervisor = Supervisor(settings["command"], settings["environment"])
    about = {"pid": supervisor.worker, "folder": supervisor.folder}
    os.write(1, b"salhw-worker " + json.dumps(about).encode() + b"\n")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(supervisor.run())


if __name__ == "__main__":
    main()
