"""Threads that move one network forward together: each has a share of its neurons, and they meet several times a step.

The last to come to a meeting does what cannot be shared out, while the others wait; so what is done, and in which
order, does not depend on how many they are. numba has no atomic operations on a processor's memory, so they are written
in LLVM's words here, by numba's public ``intrinsic``; tests/reference/test_teams.py holds what they do.
"""

from __future__ import annotations

import sys

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from salhw.description.fields import IntArray
from salhw_reference.jit import inlined

SIZE, JOINED, ARRIVED, TURN = 0, 8, 16, 24  # where a team's numbers lie: each in a cache line of its own
LINE = 64  # neurons: shares begin at whole multiples, so that no two threads write to one cache line
PATIENCE = 500  # looks at a number before the processor is left to others
FEWEST = 1024  # neurons of a share, below which meetings cost more than they save
POSSIBLE = sys.platform != "win32"  # where there is sched_yield


def team(size: int) -> IntArray:
    """What a team of threads meets by."""
    made = np.zeros(32, np.int64)
    made[SIZE] = size
    return made


def team_size(neurons: int, threads: int) -> int:
    """How many of ``threads`` one network of so many neurons keeps busy."""
    return max(1, min(threads, neurons // FEWEST)) if POSSIBLE else 1


def first_of_share(neurons, share, size):  # type: ignore[no-untyped-def]
    """The first neuron of a share; of the one after the last, the number of neurons."""
    return neurons if share == size else neurons * share // size // LINE * LINE


_first_of_share = inlined(first_of_share)


def _number(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    """The address of an entry of an array."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def _add(typing, array, index, value):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.atomic_rmw("add", _number(context, builder, signature, arguments), arguments[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), generate


@intrinsic
def _load(typing, array, index):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.load_atomic(_number(context, builder, signature, arguments), "seq_cst", 8)

    return types.int64(array, types.int64), generate


@intrinsic
def _leave_processor(typing):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        function = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


def fetch_add(array, index, value):  # type: ignore[no-untyped-def]
    """Add to an entry of an array at once, whoever else does; what it was before."""
    old = array[index]
    array[index] += value
    return old


def look(array, index):  # type: ignore[no-untyped-def]
    """An entry of an array that others write to."""
    return array[index]


def leave_processor():  # type: ignore[no-untyped-def]
    """Let another thread run, if one waits for this processor."""


@overload(fetch_add)
def _compile_fetch_add(array, index, value):  # type: ignore[no-untyped-def]
    return lambda array, index, value: _add(array, index, value)


@overload(look)
def _compile_look(array, index):  # type: ignore[no-untyped-def]
    return lambda array, index: _load(array, index)


@overload(leave_processor)
def _compile_leave_processor():  # type: ignore[no-untyped-def]
    if POSSIBLE:
        return lambda: _leave_processor()
    return lambda: None


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
            leave_processor()
    return False


@inlined
def go_on(team):
    """Let the others of the team go on."""
    if team[SIZE] > 1:
        fetch_add(team, ARRIVED, -team[SIZE])
        fetch_add(team, TURN, 1)
