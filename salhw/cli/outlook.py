"""How long the work ahead will take, told on stderr where it is above ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan

import typer

from salhw.cli.progress import Bar
from salhw.session.pilot import Estimate

SETTLED = 2.0  # s of work after which its pace is believed
AT_ONCE = 0.2  # s within which what is done was done before, by an earlier command


def tell(what: str, estimate: Estimate) -> None:
    """Say how long ``what`` will take, if it is worth it."""
    if estimate.worth_telling:
        typer.echo(f"{what} will take {estimate}.", err=True)


@dataclass
class Watch:
    """A callback for the share done, 0 to 1, that passes it on to ``progress``, and once tells how long all will take,
    by the pace of the first SETTLED s after its first word. For work whose parts are known only as they come; what
    precedes that word (reading, compiling) and what was found finished says nothing about its pace."""

    progress: Bar | None
    told: Callable[[Estimate], None]
    clock: Callable[[], float] = time.perf_counter

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._origin, self._silent = (float("nan"), 0.0), True

    def __call__(self, share: float) -> None:
        if self.progress is not None:
            self.progress(share)
        now, (since, done) = self.clock(), self._origin
        if isnan(since) or now - since < AT_ONCE:
            self._origin = now, share
        elif self._silent and now - since >= SETTLED and share > done:
            self._silent = False
            self.told(Estimate(now - self._began + (1.0 - share) * (now - since) / (share - done)))

    def note(self, text: str) -> None:
        """Words for the bar, if there is one."""
        if self.progress is not None:
            self.progress.note(text)
