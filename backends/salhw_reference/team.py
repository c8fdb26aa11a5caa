"""Threads that move one network forward together: each has a share of its neurons, and they meet several times a step.

The last to come to a meeting does what cannot be shared out, while the others wait; so what is done, and in which
order, does not depend on how many they are.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor

import numpy as np

from salhw.description.fields import IntArray
from salhw_reference.intrinsics import HAS_USLEEP, fetch_add, look, sleep
from salhw_reference.jit import inlined

SIZE, JOINED, ARRIVED, TURN, NAPS = 0, 8, 16, 24, 32  # where a team's numbers lie: each in a cache line of its own
LINE = 64  # neurons: shares begin at whole multiples, so that no two threads write to one cache line
PATIENCE = 400_000  # looks at a number, some 100 us, before the processor is left to others for ``NAP``
NAP = 50  # us
MOST_NAPS = 5  # in one call: cores are busy with other work, and a thread alone gets on faster
FEWEST = 1024  # neurons of a share, below which meetings cost more than they save


def team(size: int) -> IntArray:
    """What a team of threads meets by."""
    made = np.zeros(40, np.int64)
    made[SIZE] = size
    return made


def team_size(neurons: int, threads: int) -> int:
    """How many of ``threads`` one network of so many neurons keeps busy."""
    return max(1, min(threads, neurons // FEWEST)) if HAS_USLEEP else 1


def first_of_share(neurons: int, share: int, size: int) -> int:
    """The first neuron of a share; of the one after the last, the number of neurons."""
    return neurons if share == size else neurons * share // size // LINE * LINE


def do_at_once(work: Callable[[int, int], None], shares: Sequence[tuple[int, int]], pool: Executor) -> None:
    """Do ``work`` for the first of ``shares`` in this thread, which belongs to ``pool``, and for all others at the same
    time on other processors.

    Linux likes to wake a thread where the one that wakes it runs, and takes a whole call's time to move it away.
    """
    mine, others = ctypes.CDLL(None).sched_getcpu(), os.sched_getaffinity(0)
    tasks = [pool.submit(_do_on, others - {mine} or others, work, share) for share in shares[1:]]
    work(*shares[0])
    for task in tasks:
        task.result()


def _do_on(processors: Collection[int], work: Callable[[int, int], None], share: tuple[int, int]) -> None:
    """Do ``work`` on one of ``processors``; the thread may run where it likes afterwards."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        work(*share)
    finally:
        os.sched_setaffinity(0, before)


_first_of_share = inlined(first_of_share)  # what Python cannot call


@inlined
def join(team):
    """The number of a thread in its team."""
    return fetch_add(team, JOINED, 1) % team[SIZE]


@inlined
def share_of(neurons, rank, team):
    """The first neuron of a thread's share, and one past the last."""
    return _first_of_share(neurons, rank, team[SIZE]), _first_of_share(neurons, rank + 1, team[SIZE])


@inlined
def last_to_meet(team):
    """Wait for all of the team. True for the last to come, at once; the others wait until it calls ``go_on``."""
    if team[SIZE] == 1:
        return True
    turn = look(team, TURN)
    if fetch_add(team, ARRIVED, 1) == team[SIZE] - 1:
        return True
    looks = 0
    while look(team, TURN) == turn:
        looks += 1
        if looks > PATIENCE:
            sleep(NAP)
            fetch_add(team, NAPS, 1)
    return False


@inlined
def go_on(team):
    """Let the others of the team go on."""
    if team[SIZE] > 1:
        fetch_add(team, ARRIVED, -team[SIZE])
        fetch_add(team, TURN, 1)


@inlined
def begin_work(team):
    """What the last to meet does before the first step of a call."""
    team[NAPS] = 0


@inlined
def holds_together(team):
    """Whether the team goes on: not where its threads waited for each other for long."""
    return look(team, NAPS) < MOST_NAPS
