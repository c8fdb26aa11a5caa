"""A progress bar for work above two seconds, where somebody can see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, Timer

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PATIENCE = 2.0  # s before the bar appears


@dataclass(frozen=True)
class Bar:
    """Tells a bar the share done, and beside its label how it goes."""

    update: Callable[..., None]
    label: str

    def __call__(self, share: float) -> None:
        self.update(completed=share)

    def note(self, text: str) -> None:
        """Show ``text`` until the next one."""
        self.update(description=f"{self.label} · {text}")


@contextmanager
def progress_bar(label: str, patience: float = PATIENCE) -> Iterator[Bar | None]:
    """A callback for the share done (0 to 1), or None where stderr is no terminal; its ``note`` takes a few words.

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
        yield Bar(lambda **told: bar.update(task, **told), label)
    finally:
        timer.cancel()
        with lock:
            ended = True
            bar.stop()
