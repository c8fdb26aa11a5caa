"""The supervisor of one worker: starts it in a session of its own and sees to it that nothing of it stays behind.

It runs in the other interpreter, perhaps on another host: Python 3.8 or later, the standard library alone, no file
shared with the sender, who starts it as ``python -c SOURCE`` and writes one line of JSON to its stdin. The worker then
inherits stdin, stdout and stderr. The supervisor ends, and the worker's whole tree with it, when the worker does, when
the sender closes stdin or dies, or on SIGTERM. Its exit status is the worker's, 128 + n for signal n.

It is two processes, so that one of them is there to clear up when the other is killed: the supervisor proper, and above
it a keeper that ends as the supervisor does, by the same signal if it was killed.

What belongs to the worker is known, not guessed. Processes: on Linux both are reapers of their orphans, so that all
descendants stay below them, whatever session they moved to; elsewhere it is the process group. Shared memory: the whole
tree reports what it creates to one resource tracker (the standard library's own), started here and outside the worker's
session; when the last process of the tree is gone, however it died, the tracker unlinks what is left. Files: the
worker's temporary directory is a folder that is removed at the end.
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
POLLED = 100  # ms between looks at what no file tells: whether a process has ended
LONGEST_PLACE = 50  # bytes
ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SET_PARENT_DEATH_SIGNAL, SET_SUBREAPER = 1, 36  # options of Linux's prctl


def processes() -> dict[int, tuple[int, int]]:
    """The parent and the session of every process by its id, zombies included; nothing where there is no /proc."""
    by_id = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            _, parent, _, session = path.read_bytes().rpartition(b")")[2].split()[:4]
            by_id[int(path.parent.name)] = (int(parent), int(session))
    return by_id


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


def short_place() -> str:
    """Where temporary files go, or /tmp if that is too long: sockets in the worker's folder (multiprocessing makes
    some) have names of 107 bytes at most."""
    place = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(place)) > LONGEST_PLACE and os.access("/tmp", os.W_OK | os.X_OK) else place


def wait(patience: float, done: Callable[[], bool]) -> bool:
    """Whether it comes true within so many s."""
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Reaper:
    """A process that inherits its descendants' orphans, collects the statuses of all that end below it, and is asked to
    end by signals."""

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}  # by process id, of all that were reaped
        prctl(SET_SUBREAPER, 1)
        self.asked = False  # to end at once
        for number in ASKING:
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def gone(self, pid: int) -> bool:
        """Whether a child has ended."""
        with contextlib.suppress(ChildProcessError):  # there are no children any more
            while True:
                reaped, status = os.waitpid(-1, os.WNOHANG)
                if not reaped:
                    break
                self.statuses[reaped] = status
        return pid in self.statuses

    def tree(self, leader: int, tracker: int) -> list[int]:
        """What is below this process but the tracker; where there is no /proc, the process group of ``leader``."""
        gone = self.gone(leader)
        if sys.platform == "linux":
            return descendants(os.getpid(), without=tracker)
        try:
            os.killpg(leader, 0)
        except OSError:
            return [] if gone else [leader]
        return [-leader]

    def killed(self, leader: int, tracker: int) -> bool:
        """Again until nothing is left, because what is about to die may still start something."""
        tree = self.tree(leader, tracker)
        send(tree, signal.SIGKILL)
        return not tree


class Supervisor(Reaper):
    """The one that starts the worker; ``names`` is the pipe to the tracker of its shared memory."""

    def __init__(
        self, command: list[str], environment: dict[str, str], keeper: int, folder: str, names: int, tracker: int
    ) -> None:
        super().__init__()
        self.keeper, self.folder, self.names, self.tracker = keeper, folder, names, tracker
        own = {"TMPDIR": self.folder, "SALHW_WORKER_TRACKER": str(self.names)}
        self.worker = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env={**os.environ, **own, **environment},
            pass_fds=[self.names],
            start_new_session=True,
            preexec_fn=lambda: prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL),
        ).pid

    def run(self) -> int:
        """Wait until it is over, clear up, and return the exit status; 0 if it did not end by itself."""
        hangup = select.poll()
        hangup.register(0, getattr(select, "POLLRDHUP", 0))
        while not self.gone(self.worker) and not self.asked:  # in this order: who is dead was not stopped by us
            if hangup.poll(POLLED):
                wait(LEAVING, lambda: self.asked or self.gone(self.worker))
                break
            if os.getppid() != self.keeper:  # nobody has told the worker to leave
                break
        status = self.statuses.get(self.worker, 0)
        send(self.tree(self.worker, self.tracker), signal.SIGTERM)
        wait(TERMINATING, lambda: not self.tree(self.worker, self.tracker))
        wait(DYING, lambda: self.killed(self.worker, self.tracker))
        os.close(self.names)
        shutil.rmtree(self.folder, ignore_errors=True)
        return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class Keeper(Reaper):
    """The process above the supervisor: makes what is to be cleared up, and clears up what the supervisor has left."""

    def __init__(self) -> None:
        super().__init__()
        self.sender = os.getppid()
        self.folder = tempfile.mkdtemp(prefix="salhw-worker-", dir=short_place())
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

    def keep(self, supervisor: int, alive: int) -> int:
        """Wait for the supervisor, whose end closes the pipe ``alive``, and return its exit status."""
        os.close(self.names)
        silence()
        ended = select.poll()
        ended.register(alive, 0)
        while not ended.poll(20 if self.asked else POLLED):
            if self.asked or os.getppid() != self.sender:  # a fork of the sender may keep stdin open
                send([supervisor], signal.SIGTERM)
                send([supervisor], signal.SIGCONT)  # it may have been stopped
        wait(DYING, lambda: self.gone(supervisor))
        wait(DYING, lambda: self.killed(supervisor, self.tracker))
        if not wait(TRACKING, lambda: self.gone(self.tracker)):
            send([self.tracker], signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
        status = self.statuses.get(supervisor, 0)
        if os.WIFSIGNALED(status):
            with contextlib.suppress(OSError):  # SIGKILL has no handler
                signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
            os.kill(os.getpid(), os.WTERMSIG(status))
        return os.WEXITSTATUS(status)


def silence() -> None:
    """Let go of stdout, whose end says that the worker is gone."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def main() -> None:
    """Read the settings, start the worker, say so in one line of stdout, and watch."""
    line = b""
    while not line.endswith(b"\n"):  # byte by byte: all that follows is the worker's
        byte = os.read(0, 1)
        if not byte:
            return
        line += byte
    settings = json.loads(line)
    keeper, above = Keeper(), os.getpid()
    alive, ours = os.pipe()
    child = os.fork()
    if child:
        os.close(ours)
        sys.exit(keeper.keep(child, alive))
    os.close(alive)
    supervisor = Supervisor(
        settings["command"], settings["environment"], above, keeper.folder, keeper.names, keeper.tracker
    )
    answer = {"pid": supervisor.worker, "folder": supervisor.folder}
    os.write(1, b"salhw-worker " + json.dumps(answer).encode() + b"\n")
    silence()
    sys.exit(supervisor.run())


if __name__ == "__main__":
    main()
