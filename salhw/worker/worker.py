"""A backend in another Python interpreter, perhaps on another host: calls with a limit, and nothing left behind.

A worker is one process of the other interpreter, reached through pipes alone (execnet); the packages that it runs are
sent over as files. It needs Python 3.8 or later and nothing else: no salhw, no common file system. What can go wrong
there (an exception, a hang, a crash) costs the call, as a BackendError, never the caller's process, and leaves no
process, no shared memory and no file of the worker behind; the next call starts a new one.
"""

from __future__ import annotations

import atexit
import math
import os
import shutil
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from salhw.diagnostics import BackendError, Diagnostic
from salhw.diagnostics.wording import number
from salhw.worker.link import Link, NotSerialisable, OutOfTime, WorkerDied
from salhw.worker.remote import decode, encode

NOTHING: Mapping[str, Any] = MappingProxyType({})
_all: weakref.WeakSet[Worker] = weakref.WeakSet()
_shared: dict[tuple[object, ...], Worker] = {}
_shared_lock = threading.Lock()
_abandoned: list[Link] = []  # by forks: kept, because execnet's objects say goodbye on the pipe when they go


class Worker:
    """One process of another interpreter; a context manager. It starts at the first call, and anew after it died.

    ``python`` is the path of the interpreter, on the remote host if ``ssh`` is given (``user@host``, with options of
    ssh if need be; no password is asked for). ``sources`` are packages to send, folders by the name to import: real
    files in a temporary folder of the worker, read when it starts. ``environment`` are variables for it, beside ours;
    those that point Python to our own packages do not go over. ``start_limit`` is in s.

    Calls run one after the other in the worker's main thread; its state lasts from call to call until it dies:
    ``starts`` counts, so that a session can tell. stdout and stderr of the worker reach nobody but error messages.
    Temporary files that it makes are gone with it.

    Raises:
        ValueError: a source that is no folder, or whose name cannot be imported.
    """

    def __init__(
        self,
        python: str,
        *,
        sources: Mapping[str, Path] = NOTHING,
        ssh: str | None = None,
        start_limit: float = 30.0,
        environment: Mapping[str, str] = NOTHING,
    ) -> None:
        for name, folder in sources.items():
            if not Path(folder).is_dir() or not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f"{name!r} from {str(folder)!r} is no package")
        self.python = str(python)
        self.sources = {name: Path(folder) for name, folder in sources.items()}
        self.ssh = ssh
        self.start_limit = start_limit
        self.environment = dict(environment)
        self.starts = 0
        self._lock = threading.Lock()
        self._link: Link | None = None
        _all.add(self)

    def __repr__(self) -> str:
        return f"Worker({self._where})"

    @property
    def _where(self) -> str:
        return self.python if self.ssh is None else f"{self.python} on {self.ssh}"

    @property
    def pid(self) -> int | None:
        """The id of the process in which functions run, on its host; None while there is none."""
        return self._link.pid if self._link is not None and self._link.alive else None

    def call(self, function: str, /, *args: Any, limit: float) -> Any:
        """What ``function`` (``"package.module:name"``) of the worker returns for ``args``; ``limit`` in s.

        None, bool, int, float, str, bytes, lists, tuples, dictionaries with strings as keys, arrays and scalars of
        numpy travel, up to 2 GiB a call. The limit is on the clock, without the start of the worker, if need be, and
        the wait for other threads' calls.

        Raises:
            BackendError: SAL603 no such interpreter; SAL604 the worker died, or does not start; SAL605 the limit is
                reached; SAL606 the function raised an exception, whose traceback is in the message; SAL607 an argument
                or the result cannot travel.
            ValueError: the limit is not positive, or ``function`` lacks its colon.
        """
        return self._call(function, args, limit, None)

    def _call(self, function: str, args: tuple[Any, ...], limit: float, start: int | None) -> Any:
        """See ``call``; with ``start`` only of the process that was the so-manieth to start."""
        if not limit > 0 or math.isnan(limit):
            raise ValueError(f"limit must be positive, not {limit}")
        if ":" not in function:
            raise ValueError(f"{function!r} is not of the form 'package.module:function'")
        try:
            message = function, encode(args, "args")
        except TypeError as error:
            raise _not_serialisable(function, str(error)) from None
        with self._lock:
            reply = self._asked(function, message, limit, start)
            if reply[0] == "homeless":  # it has begun nothing: whoever needs no certain process gets another
                self._end(at_once=False)
                reply = self._asked(function, message, limit, start)
        if reply[0] == "result":
            return decode(reply[1])
        if reply[0] == "not serialisable":
            raise _not_serialisable(function, reply[1])
        kind, text, trace = reply[1:] if reply[0] == "error" else ("FileNotFoundError", "its folder vanished", "")
        finding = Diagnostic("SAL606", function, f"{kind}: {text}", "no exception", "see the traceback below")
        footer = f"In the worker ({self._where}):\n{trace}"
        raise BackendError("BackendError: an exception in the worker", [finding], footer)

    def _asked(self, function: str, message: object, limit: float, start: int | None) -> tuple[Any, ...]:
        if start is not None and (self.pid is None or self.starts != start):
            if self.starts == start and (link := self._link) is not None:  # it died between two calls
                self._end(at_once=True)
                raise self._lost("session", link, None)
            finding = Diagnostic("SAL604", "session", "", "its worker has ended", "open the executable again")
            raise BackendError("BackendError: the session is lost", [finding])
        link = self._running()
        try:
            return link.request(message, limit)
        except (WorkerDied, OutOfTime) as error:
            # What has ended is not asked to: its supervisor would take the request for the cause.
            self._end(at_once=isinstance(error, OutOfTime))
            raise self._lost(function, link, None if isinstance(error, WorkerDied) else limit) from None
        except NotSerialisable as error:
            raise _not_serialisable(function, str(error)) from None
        except BaseException:  # Ctrl-C: nobody knows what it is at
            self._end(at_once=True)
            raise

    def close(self) -> None:
        """End the process; a call that another thread waits for ends with SAL604. A later call starts a new one."""
        idle = self._lock.acquire(blocking=False)
        try:
            if self._link is not None:
                self._link.closed = True
            self._end(at_once=not idle)
        finally:
            if idle:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> Link:
        """The link to a worker that runs, started if there is none."""
        if self._link is not None:
            if self._link.alive:
                return self._link
            self._end(at_once=True)
        python = self.python
        if self.ssh is None:  # an absolute path, as the worker starts elsewhere; links stay: they make a venv
            executable = shutil.which(python)
            if executable is None:
                raise self._absent("no such file, or not executable")
            python = os.path.abspath(executable)  # noqa: PTH100 - Path.resolve would follow the link
        try:
            link = self._link = Link(python, self.ssh)
        except OSError as error:
            raise self._absent(error.strerror or str(error)) from None
        try:
            link.prepare(self.sources, self.environment, self.start_limit)
        except (WorkerDied, OutOfTime) as error:
            self._end(at_once=isinstance(error, OutOfTime))
            raise self._lost("start", link, None if isinstance(error, WorkerDied) else self.start_limit) from None
        except BaseException:
            self._end(at_once=True)
            raise
        self.starts += 1
        return link

    def _end(self, at_once: bool) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.end(at_once)

    def _absent(self, why: str) -> BackendError:
        fix = "give the path of a Python interpreter" if self.ssh is None else "install ssh"
        finding = Diagnostic("SAL603", "worker.python", self.python, why, fix)
        return BackendError("BackendError: the other interpreter is not there", [finding])

    def _lost(self, doing: str, link: Link, limit: float | None) -> BackendError:
        """What to say of a worker that is gone: out of time if there is a limit, dead otherwise."""
        words = link.last_words()
        footer = f"The worker was {self._where}." + (f" The last that it printed:\n{words}" if words else "")
        if limit is not None:
            fix = "more time, or look for what it waits for"
            finding = Diagnostic("SAL605", doing, "", f"no answer within {number(limit)} s", fix)
            return BackendError("BackendError: the worker was stopped at its time limit", [finding], footer)
        fate = "it was closed meanwhile" if link.closed else link.fate()
        finding = Diagnostic("SAL604", doing, "", fate, "see what it printed; the next call starts a new worker")
        return BackendError("BackendError: the worker died", [finding], footer)

    def _after_fork(self) -> None:
        """A child must not speak on its parent's pipes; its own calls start a worker of its own."""
        self._lock = threading.Lock()
        if self._link is not None:
            self._link.forget()
            _abandoned.append(self._link)
            self._link = None


class WorkerLease:
    """What a worker's functions keep for one session, from now on: it is gone with the process that holds it, and a
    worker that was started anew knows nothing of it."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._start = worker.starts

    @property
    def alive(self) -> bool:
        """Whether the process is still the same."""
        return self.worker.pid is not None and self.worker.starts == self._start

    def call(self, function: str, /, *args: Any, limit: float) -> Any:
        """See Worker.call.

        Raises:
            BackendError: SAL604 the process has ended; those of Worker.call.
        """
        return self.worker._call(function, args, limit, self._start)


def _not_serialisable(function: str, why: str) -> BackendError:
    supported = "None, bool, int, float, str, bytes, list, tuple, dict[str], arrays; below 2 GiB"
    finding = Diagnostic("SAL607", function, why, supported, "send numbers, text or arrays; smaller pieces")
    return BackendError("BackendError: data that cannot travel to or from the worker", [finding])


def shared(
    python: str,
    *,
    sources: Mapping[str, Path] = NOTHING,
    ssh: str | None = None,
    start_limit: float = 30.0,
    environment: Mapping[str, str] = NOTHING,
) -> Worker:
    """The one worker of this process with these properties, for many programs; closed when the process exits."""
    folders = {name: Path(folder) for name, folder in sources.items()}
    key = str(python), frozenset(folders.items()), ssh, start_limit, frozenset(environment.items())
    with _shared_lock:
        if key not in _shared:
            _shared[key] = Worker(python, sources=folders, ssh=ssh, start_limit=start_limit, environment=environment)
        return _shared[key]


def _close_all() -> None:
    for worker in list(_all):
        worker.close()


def _after_fork() -> None:
    global _shared_lock
    _shared_lock = threading.Lock()
    for worker in list(_all):
        worker._after_fork()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
