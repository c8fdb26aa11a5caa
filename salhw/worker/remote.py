"""The far side of a worker, and the form in which data travels; sent over as source, so it imports no salhw.

It runs in the other interpreter: Python 3.8 or later, the standard library, and numpy where arrays travel. ``encode``
and ``decode`` are used on both sides. What execnet cannot carry goes as a dictionary with the key 0, which no other
has: the keys of values are strings.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import importlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

PLAIN = (type(None), bool, float, str, bytes)
KINDS = "biufcSUmM"  # of arrays: no objects, no records
DEEPEST = 50  # levels of lists in lists
FRAMES, LONGEST = 8, 4000  # of a traceback: frames, characters


def encode(value: Any, where: str = "value", depth: int = 0) -> Any:
    """``value`` as what execnet carries between any two versions of Python.

    None, bool, int, float, str, bytes, lists, tuples, dictionaries with strings as keys, arrays and scalars of numpy.

    Raises:
        TypeError: anything else, and what is nested deeper than 50 levels; ``where`` says which part of it.
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is int:
        return value if -(2**31) <= value < 2**31 else {0: "int", 1: hex(value)}
    if depth > DEEPEST:
        raise TypeError(f"{where} is nested deeper than {DEEPEST} levels")
    numpy = sys.modules.get("numpy")
    if kind is list and numpy is not None and _are_trains(value, numpy.ndarray):
        lengths = numpy.array([len(item) for item in value], "<i8")
        return {0: "arrays", 1: value[0].dtype.str, 2: lengths.tobytes(), 3: numpy.concatenate(value).tobytes()}
    if kind in (list, tuple):
        return kind([encode(item, f"{where}[{k}]", depth + 1) for k, item in enumerate(value)])
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise TypeError(f"a key of {where} is a {type(key).__name__}, not a str")
        return {key: encode(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
    if numpy is not None and (kind is numpy.ndarray or isinstance(value, numpy.generic)):
        dtype = value.dtype
        if dtype.kind not in KINDS or dtype.char in "gG":  # the long ones differ between machines
            raise TypeError(f"{where} holds {dtype}")
        name = "array" if kind is numpy.ndarray else "scalar"
        return {0: name, 1: dtype.str, 2: [int(n) for n in value.shape], 3: value.tobytes()}
    raise TypeError(f"{where} is a {kind.__module__}.{kind.__qualname__}")


def _are_trains(value: list[Any], array: Any) -> bool:
    """Whether all items are lists of numbers, as spike trains are: arrays of one dimension and one of the usual types.
    Joined they travel in a tenth of the time."""
    if len(value) < 2 or type(value[0]) is not array:
        return False
    dtype: Any = value[0].dtype
    alike = all(type(item) is array and item.ndim == 1 and item.dtype == dtype for item in value)
    return alike and dtype.char in "ld" and bool(dtype.isnative)


def decode(value: Any) -> Any:
    """What ``encode`` was given; arrays are writable and in C order."""
    kind = type(value)
    if kind in (list, tuple):
        return kind([decode(item) for item in value])
    if kind is not dict:
        return value
    if 0 not in value:
        return {key: decode(item) for key, item in value.items()}
    if value[0] == "int":
        return int(value[1], 16)
    numpy = importlib.import_module("numpy")
    if value[0] == "arrays":
        ends = numpy.frombuffer(value[2], "<i8").cumsum()
        joined = bytearray(value[3])
        return numpy.split(numpy.ndarray((int(ends[-1]),), value[1], joined or None), ends[:-1])
    shape = tuple(value[2])
    buffer = bytearray(value[3])
    array = numpy.ndarray(shape, value[1], buffer or None)  # without a buffer: nothing in it
    return array if value[0] == "array" else array[()]


def install(packages: dict[str, dict[str, bytes]]) -> None:
    """Write packages (their files by relative path) to the worker's folder and make them importable."""
    root = Path.cwd() / "sources"
    for package, files in packages.items():
        for name, content in files.items():
            path = root.joinpath(*package.split("."), name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    sys.path.insert(0, str(root))


def prepare() -> None:
    """One tracker of shared memory for the tree; prints to stderr; a word on where it was when it is killed."""
    from multiprocessing import resource_tracker

    tracker: Any = resource_tracker
    tracker._resource_tracker._fd = int(os.environ["SALHW_WORKER_TRACKER"])  # as multiprocessing.spawn does
    os.dup2(2, 1)  # execnet has its own copy
    faulthandler.enable()
    atexit.register(gc.freeze)  # so that nobody looks for garbage in what goes with the process
    faulthandler.register(signal.SIGTERM, all_threads=False, chain=True)
    os.register_at_fork(after_in_child=lambda: faulthandler.unregister(signal.SIGTERM))


def answer(function: str, arguments: Any) -> tuple[Any, ...]:
    """("result", value) or ("error", kind, message, traceback) or ("not serialisable", why the result is not)."""
    try:
        module, _, name = function.partition(":")
        target: Any = importlib.import_module(module)
        for part in name.split("."):
            target = getattr(target, part)
        result = target(*decode(arguments))
    except BaseException as error:  # SystemExit and KeyboardInterrupt end the call, not the worker
        return ("error", type(error).__qualname__, str(error), _reported(error))
    try:
        return ("result", encode(result, "the result"))
    except TypeError as error:
        return ("not serialisable", str(error))


def _reported(error: BaseException) -> str:
    """The last frames of a traceback, those of the worker itself left out."""
    report = traceback.TracebackException(type(error), error, error.__traceback__ and error.__traceback__.tb_next)
    part: Any = report
    while part is not None:
        part.stack = traceback.StackSummary.from_list(part.stack[-FRAMES:])
        part = part.__cause__ or part.__context__
    text = "".join(report.format()).rstrip()
    return text if len(text) <= LONGEST else "..." + text[-LONGEST:]


def serve(channel: Any) -> None:
    """Answer one request after the other until None comes; the first message brings the sources.

    Without its folder, which somebody may have tidied up, nothing here works: then it says so and begins nothing.
    """
    folder = Path.cwd()
    prepare()
    install(channel.receive())
    channel.send("ready")
    while True:
        request = channel.receive()
        if request is None:
            return
        reply = answer(*request) if folder.is_dir() else ("homeless",)
        try:
            channel.send(reply)
        except (OSError, EOFError):
            return
        except Exception as error:  # nothing was sent yet: execnet refuses what is too large, or no UTF-8
            channel.send(("not serialisable", f"{type(error).__name__}: {error}"))


if __name__ == "__channelexec__":
    serve(channel)  # type: ignore[name-defined]  # noqa: F821 - execnet puts it there
