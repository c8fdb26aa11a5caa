"""How long the next call of an algorithm is, and who makes it, by how fast the earlier ones were.

A team of threads (team.py) beats a single one where each has a core of its own, near the others, and loses where cores
are busy with other work. So both are timed, and teams live on credit: what they gain on a single thread is added to
it, what they lose is taken off, and while it is negative a single thread works it off at ``SHARE`` of its own time. In
the long run teams therefore lose no more than that share.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

STRETCH = 1_000_000  # neuron-steps of a session's first call
LONGEST = 0.2  # s of those that follow, so that progress and Ctrl-C come through; a team may give up before
SHORT = 20  # of such calls make a first one: a single thread does their work before others have woken
SHARE = 0.02
CREDIT = 0.05  # s, at most
UNTIMED = 1.0  # s of a team's work after which a single thread is timed again, as spikes may have become more or fewer


class Pace(NamedTuple):
    """How fast the calls of an algorithm were lately. Steps are those of the network, seconds those of a clock. A
    named tuple: dataclasses take ten times as long to replace, which short runs noticed."""

    first: int = 1  # steps of a first call
    single: int = 1  # steps of the next call of a single thread
    teamed: int = 1  # steps of the next call of a team
    step: float = inf  # s that a step took a single thread
    credit: float = 0.0  # s
    untimed: float = inf  # s since a single thread was timed


def begin(neurons: int) -> Pace:
    """The pace at the beginning of a session with so many neurons, those of all instances."""
    first = max(1, STRETCH // neurons)
    return Pace(first=first, single=first, teamed=first)


def next_call(pace: Pace, size: int) -> tuple[int, int]:
    """How many threads make the next call, one or a team of ``size``, and how many steps long it is."""
    if size == 1 or pace.credit < 0.0:
        return 1, pace.single
    return (size, pace.teamed) if pace.untimed < UNTIMED else (1, pace.first)


def is_short(pace: Pace, steps: int) -> bool:
    """Whether a call of so many steps is over sooner without other threads."""
    return SHORT * steps < pace.first


def after(pace: Pace, threads: int, steps: int, seconds: float) -> Pace:
    """The pace after a call."""
    if threads == 1:
        credit = min(pace.credit + SHARE * seconds, CREDIT)
        single = _longer(pace.single, steps / seconds * LONGEST)
        return pace._replace(single=single, step=seconds / steps, credit=credit, untimed=0.0)
    gain = steps * pace.step - seconds
    teamed = _longer(pace.teamed, steps / seconds * LONGEST) if gain > 0.0 else pace.first
    return pace._replace(teamed=teamed, credit=min(pace.credit + gain, CREDIT), untimed=pace.untimed + seconds)


def _longer(steps: int, wanted: float) -> int:
    """As many steps as wanted, but not far more or far fewer than the last time."""
    return max(1, int(min(max(wanted, 0.1 * steps), 2.0 * steps)))
