"""stdout and stderr as they may be found: closed, a pipe that nobody reads, a full disk, without UTF-8."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

STDOUT = "stdout"
WRONG_USAGE = 2


class _Output(io.FileIO):
    """A stream that is lost once it cannot be written to: what comes later is nobody's. A reader who leaves is no error
    (the command goes on, for its files and its exit status); a full disk is one, and is reported once."""

    lost = False

    def write(self, content: Any, /) -> int:
        if not self.lost:
            try:
                return super().write(content) or 0
            except OSError as error:
                self.lost = True
                if not isinstance(error, BrokenPipeError) and self.fileno() == 1:
                    raise OSError(error.errno, error.strerror, STDOUT) from None
        return memoryview(content).nbytes


@contextmanager
def standard_streams() -> Iterator[None]:
    """Streams that can be written to, for the whole command. Closed ones go nowhere; letters that the encoding lacks
    become question marks; if stdout's disk is full the command says so in one line and ends with status 2."""
    for number in (0, 1, 2):
        _occupy(number)
    sys.stdout, sys.stderr = _stream(1, sys.stdout), _stream(2, sys.stderr)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename != STDOUT:
            raise
        print(f"SAL501 stdout: it cannot be written to; {error.strerror}", file=sys.stderr)
        raise SystemExit(WRONG_USAGE) from None
    finally:
        with suppress(OSError):
            sys.stderr.flush()


def _occupy(number: int) -> None:
    """Open a closed stream on nothing: the next file that is opened would get its number, and be printed to."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _stream(number: int, before: TextIO | None) -> TextIO:
    encoding = getattr(before, "encoding", None) or "utf-8"
    raw = _Output(number, "w", closefd=False)
    each_line = raw.isatty() or number == 2
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="replace", line_buffering=each_line)
