"""How long a run will take, from a pilot: the same network, on the same chips, for a moment."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from salhw.diagnostics import SalhwError
from salhw.session.executable import Executable, Session
from salhw.session.paths import duration_steps

WORTH_TELLING = 10.0  # s that somebody may wait without being told
FACTOR = 2.0  # within which an estimate is right, by the tests: machines get busy, and networks more active
PILOT = 0.4  # s that a pilot runs, about
GROWTH = 8  # how many times as long a pilot's next try is, at most
SAMPLE = 100  # a run of so many tries' length that would be short is not tried any longer

clock = time.perf_counter


@dataclass(frozen=True)
class Estimate:
    """How many ``seconds`` of this machine's time work is going to take."""

    seconds: float

    @property
    def worth_telling(self) -> bool:
        """Whether it is long enough to be told."""
        return self.seconds > WORTH_TELLING

    def __str__(self) -> str:
        low, high = self.seconds / FACTOR, self.seconds * FACTOR
        return f"about {as_words(self.seconds)} (between {as_words(low)} and {as_words(high)})"


def as_words(seconds: float) -> str:
    """A time as a person says it, with two digits: ``25 s``, ``4.2 min``, ``3 h``."""
    for size, unit, most in ((1.0, "s", 100.0), (60.0, "min", 100.0), (3600.0, "h", 48.0)):
        if seconds < most * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{float(f'{seconds / 86_400.0:.2g}'):,.0f} days"


def estimated(executable: Executable, duration: float, **opening: Any) -> Estimate:
    """What opening an executable and running it for ``duration`` ms is going to take, from a session that is opened for
    it, run for about PILOT s, and closed. Whatever is compiled or started for it is there for the next session, and is
    not counted where it matters. What cannot be opened or run takes no time: its own error is told when its turn comes.

    Args:
        opening: what ``Executable.open`` is to be given.
    """
    try:
        steps, dt = duration_steps(executable.network, duration), executable.network.dt
        began = clock()
        with executable.open(**opening) as session:
            session.run(dt)  # what is compiled or started at the first step is not at the next
            opened = clock() - began
            running = _tried(session, steps, dt)
        if 2 * opened > running and Estimate(opened + running).worth_telling:
            began = clock()
            with executable.open(**opening) as session:
                session.run(dt)
            opened = clock() - began
    except SalhwError:
        return Estimate(0.0)
    return Estimate(opened + running)


def _tried(session: Session, steps: int, dt: float) -> float:
    """Seconds that so many steps take, from tries that are ever longer."""
    tried = 1
    while True:
        began = clock()
        session.run(tried * dt)
        took = max(clock() - began, 1e-6)
        seconds = took * steps / tried
        short = SAMPLE * tried >= steps and seconds * FACTOR < WORTH_TELLING
        if took >= PILOT / 2 or tried >= steps or short:
            return seconds
        tried = min(steps, int(tried * min(GROWTH, max(2.0, PILOT / took))))
