"""How long the work ahead will take, told on stderr where it is above ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

import typer

from salhw.session.pilot import Estimate

SETTLED = 2.0  # s of work after which its pace is believed
AT_ONCE = 0.2  # s within which what is done was done before, by an earlier command

Progress = Callable[[float], None]


def tell(what: str, estimate: Estimate) -> None:
    """Say how long ``what`` will take, if it is worth it."""
    if estimate.worth_telling:
        typer.echo(f"{what} will take {estimate}.", err=True)


def watched(
    progress: Progress | None, told: Callable[[Estimate], None], clock: Callable[[], float] = time.perf_counter
) -> Progress:
    """A callback for the share done, 0 to 1, that passes it on to ``progress``, and once tells how long all will take,
    by the pace of the first SETTLED s. For work whose parts are known only as they come; what was found finished at its
    beginning says nothing about its pace."""
    began = clock()
    origin, silent = (began, 0.0), True

    def done(share: float) -> None:
        nonlocal origin, silent
        if progress is not None:
            progress(share)
        now = clock()
        if now - origin[0] < AT_ONCE:
            origin = now, share
        elif silent and now - origin[0] >= SETTLED and share > origin[1]:
            silent = False
            left = (1.0 - share) * (now - origin[0]) / (share - origin[1])
            told(Estimate(now - began + left))

    setattr(done, "note", getattr(progress, "note", None))  # noqa: B010  # words for the bar go past this
    return done
