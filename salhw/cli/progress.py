"""A progress bar for work above two seconds, where somebody can see it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PATIENCE = 2.0  # s before the bar appears


class Bar(Protocol):
    """Tells the share done (0 to 1), and what else there is to say of it."""

    def __call__(self, share: float, said: str = "", /) -> None: ...


@contextmanager
def progress_bar(label: str, patience: float = PATIENCE) -> Iterator[Bar | None]:
    """A callback for the share done (0 to 1) and words behind the label, or None where stderr is no terminal.

    The bar appears after ``patience`` s even if nothing has called back yet (numba may be compiling), and leaves no
    trace.
    """
    if not sys.stderr.isatty():
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=1.0)
    lock, ended = Lock(), False

    def appear() -> None:
        with lock:
            if not ended:
                bar.start()

    timer = Timer(patience, appear)
    timer.daemon = True
    timer.start()
    try:
        yield lambda share, said="": bar.update(task, completed=share, description=f"{label} {said}".strip())
    finally:
        timer.cancel()
        with lock:
            ended = True
            bar.stop()
