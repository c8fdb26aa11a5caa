"""One running worker process, as seen from here: the pipes to it, what it printed, how it ended."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import execnet
from execnet.gateway_base import Popen2IO, get_execmodel
from execnet.gateway_bootstrap import bootstrap_exec
from execnet.gateway_io import popen_bootstrapline

from salhw.worker import remote, supervisor

LOOKING = 0.1  # s from one look whether the supervisor still is to the next
PATIENCE = 8.0  # s for a supervisor to clear up, which takes it 7 at most
TAIL = 16_384  # bytes of what the worker printed that are kept
SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")  # a host may vanish
NOT_FOR_OTHERS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONPLATLIBDIR", "__PYVENV_LAUNCHER__")


class WorkerDied(Exception):
    """The worker is gone."""


class OutOfTime(Exception):
    """No answer within the limit."""


class NotSerialisable(Exception):
    """A value cannot travel."""


def clean_environment() -> dict[str, str]:
    """Our own environment without what points an interpreter to *our* packages."""
    return {key: value for key, value in os.environ.items() if key not in NOT_FOR_OTHERS}


def read_package(folder: Path) -> dict[str, bytes]:
    """Every file of a package by its relative path, compiled and hidden ones left out."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder) for path in paths]
    hidden = [any(part.startswith(".") or part == "__pycache__" for part in name.parts) for name in names]
    return {n.as_posix(): p.read_bytes() for n, p, skip in zip(names, paths, hidden, strict=True) if not skip}


class Link:
    """A worker process; to be prepared once. ``request`` is for one thread at a time, ``end`` for any.

    Raises:
        OSError: the interpreter (or ssh) cannot be run.
    """

    def __init__(self, python: str, ssh: str | None) -> None:
        command = [python, "-u", "-c", Path(supervisor.__file__).read_text(encoding="utf-8")]
        if ssh is not None:
            command = ["ssh", "-T", *SSH_OPTIONS, *shlex.split(ssh), shlex.join(command)]
        self.local = ssh is None
        self.pid: int | None = None
        self.closed = False  # by somebody who wanted it to end
        self._folder = ""
        self._channel: Any = None
        self._out_of_time = False
        self._noise = bytearray()
        self._alarm = _Alarm(self._stop_in_time)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, cwd="/", env=clean_environment(), start_new_session=True
        )
        self._reader = threading.Thread(target=self._keep_noise, daemon=True)
        self._reader.start()

    def prepare(self, sources: Mapping[str, Path], environment: Mapping[str, str], limit: float) -> None:
        """Start the worker proper and send it the packages, within ``limit`` s.

        Raises:
            WorkerDied: it ended before it was ready.
            OutOfTime: it was not ready in time.
            OSError: a package that cannot be read.
        """
        packages = {name: read_package(folder) for name, folder in sources.items()}
        try:
            with self._alarm.within(limit):
                self._greet(environment)
                self._channel = self._open()
                self._channel.send(packages)
                self._channel.receive()
        except (OSError, EOFError, AssertionError, execnet.RemoteError) as error:  # what execnet raises
            raise self._over(error) from None

    def _greet(self, environment: Mapping[str, str]) -> None:
        """Settings to the supervisor, and its answer; a remote shell may print something before."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        settings = {"command": ["-u", "-c", popen_bootstrapline], "environment": dict(environment)}
        self.process.stdin.write(json.dumps(settings).encode() + b"\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(b"salhw-worker "):
                answer = json.loads(line.partition(b" ")[2])
                self.pid, self._folder = answer["pid"], answer["folder"]
                return
        raise EOFError

    def _open(self) -> Any:
        """execnet over these pipes: its own ways to start a process leave stderr and signals to chance."""
        io = _Pipes(self.process)
        spec = execnet.XSpec("popen//id=salhw//execmodel=main_thread_only")
        bootstrap_exec(io, spec)
        return execnet.Gateway(io, spec).remote_exec(remote)

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as one can tell without asking it."""
        return self.process.poll() is None and self._channel is not None and not self._channel.isclosed()

    def request(self, message: object, limit: float) -> tuple[Any, ...]:
        """Send one message and wait for the answer, ``limit`` s in all.

        Raises:
            WorkerDied: it ended meanwhile.
            OutOfTime: it did not answer.
            NotSerialisable: the message is too large, or no text.
        """
        end = time.monotonic() + limit
        try:
            with self._alarm.within(limit):  # a worker that hangs does not read either
                self._channel.send(message)
            return self._received(end)
        except (OSError, EOFError, execnet.RemoteError) as error:
            raise self._over(error) from None
        except (struct.error, execnet.DumpError) as error:  # nothing was sent
            raise NotSerialisable("2 GiB or more" if isinstance(error, struct.error) else str(error)) from None

    def _received(self, end: float) -> tuple[Any, ...]:
        """The answer, waited for until ``end``. A pipe says by itself that nobody holds its other side any more, but
        what a killed supervisor left may still do so."""
        while True:
            left = max(end - time.monotonic(), 0.0)
            try:
                reply: tuple[Any, ...] = self._channel.receive(min(left, LOOKING))
                return reply
            except execnet.TimeoutError:
                if self.process.poll() is not None:
                    raise EOFError from None
                if left <= LOOKING:
                    raise OutOfTime from None

    def _stop_in_time(self) -> None:
        self._out_of_time = True
        self._terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
            return
        self.process.kill()

    def _terminate(self) -> None:
        """Ask the supervisor to end everything; it may have been stopped."""
        self.process.terminate()
        if self.local:
            with suppress(OSError):
                os.killpg(self.process.pid, signal.SIGCONT)

    def _over(self, error: Exception) -> Exception:
        if isinstance(error, execnet.RemoteError):  # in the far side's own loop, before it could answer
            self._noise += f"{error}\n".encode()
        return OutOfTime() if self._out_of_time else WorkerDied()

    def end(self, at_once: bool) -> None:
        """End it and wait until everything of it is gone; ``at_once`` if it may be busy. Harmless if repeated."""
        if at_once and self.local:
            self._terminate()
        elif self._channel is not None:
            with suppress(OSError, EOFError):
                self._channel.send(None)
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):
            self.process.stdin.close()
        for last_resort in (self._terminate, self.process.kill):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
                break
            last_resort()
        else:
            self.process.wait()
        if self.local and self.process.returncode < 0:
            self._sweep()
        self._alarm.end()
        self._reader.join(1.0)

    def _sweep(self) -> None:
        """In place of a supervisor that was killed itself: what is of the worker's session, or inherited its folder."""
        if not self.pid:
            return
        mark = f"TMPDIR={self._folder}\0".encode()
        for pid, (_, session) in supervisor.processes().items():
            with suppress(OSError):
                if session == self.pid or mark in Path(f"/proc/{pid}/environ").read_bytes():
                    supervisor.send([pid], signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    def fate(self) -> str:
        """How it ended, after ``end``."""
        status = self.process.returncode
        if status < 0:
            return f"its supervisor was killed by {_signal(-status)}"
        if status == 255 and not self.local:
            return "ssh ended with exit status 255: no connection, or no such host"
        if status == 128 + signal.SIGKILL:
            return f"it was killed by {_signal(status - 128)}, perhaps because memory ran out"
        return f"it was killed by {_signal(status - 128)}" if status > 128 else f"it ended with exit status {status}"

    def last_words(self, lines: int = 12) -> str:
        """The last that it printed; of a stack dumped at its end the innermost frames."""
        text = bytes(self._noise).decode("utf-8", "replace").rstrip()
        before, heading, stack = text.rpartition("(most recent call first):\n")
        if not heading:
            return "\n".join(text.splitlines()[-lines:])
        ours = (remote.__file__, "<string>")  # its own loop, and execnet
        frames = [line for line in stack.splitlines() if not any(name in line for name in ours)]
        where = ["It was at (innermost call first):", *frames[:lines]] if frames else []
        return "\n".join([*before.splitlines()[-4:-1], *where])

    def _keep_noise(self) -> None:
        assert self.process.stderr is not None
        with suppress(OSError, ValueError):
            while chunk := os.read(self.process.stderr.fileno(), 65_536):
                self._noise += chunk
                del self._noise[:-TAIL]

    def forget(self) -> None:
        """In a fork: the pipes are the parent's, and nothing of ours may reach them."""
        assert self.process.stdin is not None
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.process.stdin.fileno())
        os.close(null)


class _Pipes(Popen2IO):
    """A process's pipes as execnet wants them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.stdin, process.stdout, get_execmodel("thread"))
        self.wait = process.wait
        self.kill = process.kill


class _Alarm:
    """Calls ``action``, once, when a block takes longer than it may. One thread watches the blocks of a link one after
    the other, because to start a thread for each takes several times as long as a short request."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._changed = threading.Condition()
        self._until = self._looks = math.inf  # on the clock: when the block has to be over, when that is looked at next
        self._ended = False
        self._watcher: threading.Thread | None = None

    @contextmanager
    def within(self, limit: float) -> Iterator[None]:
        """A block that may take ``limit`` s."""
        with self._changed:
            self._until = time.monotonic() + limit
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, daemon=True)
                self._watcher.start()
            elif self._until < self._looks:  # else it is looked at early enough, and nobody need be woken
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._until = math.inf

    def _watch(self) -> None:
        with self._changed:
            while not self._ended and (left := self._until - time.monotonic()) > 0.0:
                self._looks = self._until
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
        if not self._ended:
            self._action()

    def end(self) -> None:
        """No block follows."""
        with self._changed:
            self._ended = True
            self._changed.notify()


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
