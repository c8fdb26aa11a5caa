"""Hazards of many neurons at once, for the event-driven algorithms.

An event changes the inputs of most neurons of a small network, and exp and log for each of them were most of what a
spike cost. Here they are sums and products without a branch, which the compiler turns into vector instructions (numba
has vectors of its own for exp and log only where Intel's library is installed). Arrays are padded to whole LANES: a
loop of seven would not become vectors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw_reference.arrays import aligned
from salhw_reference.averages import input_of
from salhw_reference.jit import helper, inlined
from salhw_reference.kinds import HIGHEST, LOGISTIC, SOURCE
from salhw_reference.parts import CERTAIN

LANES = 8
GRID = 1.5 * 2.0**6  # a number below 32 is rounded to a multiple of 2**-46 by adding this

_WHOLE = 1.5 * 2.0**52  # a number is rounded to a whole one by adding this; its last bits are then that number
_LN2_HIGH = float.fromhex("0x1.62e42feep-1")  # ends with zeros, so that its product with a whole number is exact
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_E = tuple(1.0 / math.factorial(k) for k in range(12))  # coefficients of exp
_L = tuple(2.0 / (2 * k + 1) for k in range(9))  # of log((1 + x) / (1 - x)) / x, by powers of x**2

_FREE = aligned((2**LANES, LANES), 1.0 - (np.arange(2**LANES)[:, None] >> np.arange(LANES) & 1))


class Line(NamedTuple):
    """The cells of the line that event_driven.py draws, and what they are made of; (.., neurons in whole lanes)."""

    base: FloatArray  # what the input is added to: the logarithm of the hazard then, by which a spike comes in a step
    saturates: FloatArray  # 1.0: logistic neurons, whose hazard grows with the logarithm's logarithm
    input: FloatArray  # (..)
    cells: FloatArray  # (row, ..)
    ends: FloatArray  # (row + 1, LANES) where the cells of a step end; this and what follows for tabulated.py
    free: FloatArray  # (2**LANES, LANES) 0.0: the neuron is in the set that the row's number has a bit for each of
    lasted: IntArray  # (2**LANES,) the steps for which each such set was that of the refractory neurons
    strength: FloatArray  # (LANES * LANES,) at LANES * j + n what a PSP of j adds to the input of n


def in_lanes(neurons: int) -> int:
    """The length of an array for so many neurons that holds whole lanes."""
    return -(-neurons // LANES) * LANES


def line_of(neurons: int, rows: int) -> Line:
    """Room for so many neurons, in so many states of their inputs. Cells behind the last neuron stay empty."""
    padded = in_lanes(neurons)
    return Line(
        base=aligned((padded,), -HIGHEST),
        saturates=aligned((padded,)),
        input=aligned((padded,)),
        cells=aligned((rows, padded)),
        ends=aligned((rows + 1, LANES)),
        free=_FREE,
        lasted=np.zeros(2**LANES, np.int64),
        strength=aligned((LANES * LANES,)),
    )


@inlined
def on_grid(value):
    """A positive number as a multiple of 2**-46, so that sums of such numbers are exact."""
    return (value + GRID) - GRID


@inlined
def cubic(x, square, a, b, c, d):
    """a + b x + c x**2 + d x**3, in halves that wait for nothing."""
    return (a + b * x) + (c + d * x) * square


@inlined
def exp_of(x):
    """exp(x) of a number between -HIGHEST and HIGHEST, to 1e-14 of it: 2**k times the power series of what is left,
    which is at most log(2) / 2 in size."""
    shifted = x * 1.4426950408889634 + _WHOLE
    k = shifted - _WHOLE
    rest = (x - k * _LN2_HIGH) - k * _LN2_LOW
    square = rest * rest
    fourth = square * square
    low = cubic(rest, square, _E[0], _E[1], _E[2], _E[3])
    middle = cubic(rest, square, _E[4], _E[5], _E[6], _E[7])
    high = cubic(rest, square, _E[8], _E[9], _E[10], _E[11])
    power = np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)
    return ((low + middle * fourth) + high * (fourth * fourth)) * power


@inlined
def log_of(x):
    """log(x) of a number from 1 on, to 1e-15 or to 1e-15 of it: k log(2), and the power series for what is left, which
    lies between 1 / sqrt(2) and sqrt(2)."""
    bits = np.float64(x).view(np.int64)
    above = (bits - 0x3FE6A09E667F3BCD) >> 52  # how often x can be halved until it is below sqrt(2)
    part = np.int64(bits - (above << 52)).view(np.float64)
    ratio = (part - 1.0) / (part + 1.0)
    q = ratio * ratio
    square = q * q
    fourth = square * square
    low, high = cubic(q, square, _L[0], _L[1], _L[2], _L[3]), cubic(q, square, _L[4], _L[5], _L[6], _L[7])
    k = np.float64(above)
    return k * _LN2_HIGH + (ratio * (low + (high + _L[8] * fourth) * fourth) + k * _LN2_LOW)


@helper
def set_base(net, state, drive, line):
    """What the inputs are added to, from biases and stimuli."""
    for n in range(len(net.kind)):
        base = state.bias[n] + drive[0, n] - np.log(np.float64(net.refractory[n]))
        line.saturates[n] = 1.0 if net.kind[n] == LOGISTIC else 0.0
        if net.kind[n] == SOURCE:
            base = np.log(drive[2, n]) if drive[2, n] > 0.0 else -HIGHEST
        if drive[1, n] == 1.0:
            base = -np.inf
        elif drive[1, n] == 2.0:
            base = np.inf
        line.base[n] = base


@inlined
def set_cells(line, row, first):
    """Hazards of the LANES neurons from ``first`` on: the integral over a step, on the grid. The spike probability is
    1 - exp(-hazard), refractoriness apart."""
    base, saturates, inputs, cells = line.base, line.saturates, line.input, line.cells[row]
    # LANES further on, always; but a number that the compiler knew would make it take the loop to pieces.
    end = min(first + np.uint64(LANES), np.uint64(len(base)))
    for n in range(first, end):
        odds = exp_of(min(max(base[n] + inputs[n], -HIGHEST), HIGHEST))
        saturated = log_of(1.0 + odds)
        cells[n] = on_grid(min(saturated if saturates[n] == 1.0 else odds, CERTAIN))


@inlined
def renew_cells(net, state, line):
    """Hazards of the neurons whose input has changed."""
    count = np.uint64(len(net.kind))
    for first in range(np.uint64(0), count, np.uint64(LANES)):
        changed, end = 0, min(first + np.uint64(LANES), count)
        for n in range(first, end):
            changed |= state.touched[n]
        if changed:
            for n in range(first, end):
                state.touched[n] = 0
                line.input[n] = input_of(net, state, n)
            set_cells(line, 0, first)
