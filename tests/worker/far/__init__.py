"""What the tests run in a worker; sent over, so Python 3.10 and no salhw."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

from far import beside

kept: list[Any] = []  # what must not be collected
programs: dict[str, int] = {}


def echo(value: Any) -> Any:
    return value


def described(value: Any) -> list[Any]:
    """What arrived, as seen from here."""
    return [type(value).__name__, str(getattr(value, "dtype", "")), list(getattr(value, "shape", []))]


def about() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "folder": str(Path.cwd()),
        "version": list(sys.version_info[:2]),
        "salhw": [name for name in sys.modules if name.partition(".")[0] == "salhw"],
        "main thread": threading.current_thread() is threading.main_thread(),
        "files": [__file__, beside.__file__],
        "text": beside.text(),
        "variable": os.environ.get("SALHW_TEST_VARIABLE"),
        "path": os.environ.get("PYTHONPATH"),
        "temporary": os.environ["TMPDIR"],
    }


def add(program: str, count: int) -> int:
    """Several programs live in one worker, each with its own state."""
    programs[program] = programs.get(program, 0) + count
    return programs[program]


def slowly(value: int) -> int:
    time.sleep(0.02)
    return value


def fail(depth: int) -> None:
    if depth:
        fail(depth - 1)
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("no such spike") from error


def unsendable() -> Any:
    return {"good": 1, "bad": [object()]}


def noise(lines: int) -> None:
    for k in range(lines):
        print(f"noise {k} on stdout", flush=True)
        os.write(2, b"noise on stderr\n")


def hang() -> None:
    print("about to hang", flush=True)
    waiting_for_a_spike()


def waiting_for_a_spike() -> None:
    while True:
        time.sleep(10)


def stop_self() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def freeze_soon() -> None:
    """After this call nothing in this process runs any more, and nothing is read: a C call that keeps the GIL."""

    def freeze() -> None:
        time.sleep(0.2)
        ctypes.PyDLL(None).sleep(1000)

    threading.Thread(target=freeze, daemon=True).start()


def crash() -> None:
    ctypes.string_at(0)


def leave(status: int) -> None:
    print("leaving", flush=True)
    os._exit(status)


def child(pipe: Any, stubborn: bool) -> None:
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    memory = SharedMemory(create=True, size=64)
    pipe.send((os.getpid(), memory.name))
    waiting_for_a_spike()


def populate() -> dict[str, list[Any]]:
    """Processes and shared memory of all kinds, left to themselves: their ids and names."""
    pids, names = [os.getpid()], []
    for start, stubborn in (("fork", False), ("fork", True), ("spawn", False)):
        context = multiprocessing.get_context(start)
        ours, theirs = context.Pipe()
        process = context.Process(target=child, args=(theirs, stubborn))
        process.start()
        pid, name = ours.recv()
        kept.append(process)
        pids.append(pid)
        names.append(name)
    # A session of its own and none of our variables; an orphan; and memory that nobody has mapped any more.
    pids.append(subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True, env={}).pid)
    orphan = ["/bin/sh", "-c", "/bin/sleep 1000 >/dev/null 2>&1 & echo $!"]
    pids.append(int(subprocess.run(orphan, capture_output=True, check=True).stdout))
    memory = [SharedMemory(create=True, size=64) for _ in range(2)]
    kept.append(memory[0])
    memory[1].close()
    return {"pids": pids, "memory": names + [m.name for m in memory]}
