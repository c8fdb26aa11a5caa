"""The compiled functions: PSP traces, the Bernoulli likelihood of a step, rescaled intervals. Imports numba.

Neuron-major throughout: rows are traces or neurons, the steps of a block lie side by side.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.jit import cached
from salhw_calibration.circuit import Columns, Mask
from salhw_calibration.kinds import ALPHA, RECTANGULAR

_OPTIONS: dict[str, Any] = {"nogil": True}
_FACTORS = 512  # of at most 2: their product is a number


@cached(**_OPTIONS)
def _trace(
    spikes: Mask, kind: int, delay: int, length: int, decay: float, height: float, last: int, carry: FloatArray,
    begin: int, out: FloatArray,
) -> None:  # fmt: skip
    e, a = carry[0], carry[1]
    for m in range(out.size):
        arrived = begin + m - 1 - delay  # a spike there acts from here
        s = 1.0 if arrived >= 0 and spikes[arrived] != 0 else 0.0
        if kind == RECTANGULAR:
            if last:
                e = float(length) if s > 0.0 else max(e - 1.0, 0.0)
                out[m] = height if e > 0.0 else 0.0
            else:
                over = arrived - length
                e += s - (1.0 if over >= 0 and spikes[over] != 0 else 0.0)
                out[m] = height * e
        else:
            if s > 0.0 and last:
                e = a = 0.0
            a = (a + e + s) * decay
            e = (e + s) * decay
            out[m] = height * (a if kind == ALPHA else e)
    carry[0], carry[1] = e, a


@cached(**_OPTIONS)
def _traces(
    raster: Mask, pre: IntArray, kind: IntArray, delay: IntArray, length: IntArray, decay: FloatArray,
    height: FloatArray, last: Mask, carry: FloatArray, begin: int, out: FloatArray,
) -> None:  # fmt: skip
    for k in range(pre.size):
        _trace(
            raster[pre[k]], kind[k], delay[k], length[k], decay[k], height[k], last[k], carry[k], begin, out[k]
        )  # fmt: skip


def traces(raster: Mask, columns: Columns, carry: FloatArray, begin: int, out: FloatArray) -> None:
    """The PSP traces (column, step) per unit weight at the steps ``begin``, ``begin + 1``, ... of ``raster``.

    ``carry`` (column, 2), zero at step 0, holds what one block hands on to the next one.
    """
    c = columns
    _traces(raster, c.pre, c.kind, c.delay, c.length, c.decay, c.height, c.last, carry, begin, out)


@cached(**_OPTIONS)
def score(
    eta: FloatArray, spikes: Mask, deciding: Mask, exact: Mask, residual: FloatArray, weight: FloatArray,
    value: FloatArray,
) -> None:  # fmt: skip
    """Log likelihood (added to ``value``), its derivative by eta (``residual``) and Fisher information (``weight``) of
    each neuron and step; both 0 where a neuron does not decide. ``eta`` is ln(odds) (logistic) or ln(-ln(1 - p)).

    Of numbers between 1 and 2 a product is made before its logarithm is taken: logarithms take longest here.
    """
    for i in range(eta.shape[0]):
        total, product, factors = 0.0, 1.0, 0
        for t in range(eta.shape[1]):
            if not deciding[i, t]:
                residual[i, t] = weight[i, t] = 0.0
                continue
            z, y = eta[i, t], spikes[i, t] != 0
            if exact[i]:
                x = math.exp(min(z, 700.0))
                per = x / math.expm1(x) if x > 0.0 else 1.0
                total += math.log(-math.expm1(-x)) if y and x > 0.0 else (z if y else -x)
                residual[i, t] = per if y else -x
                weight[i, t] = x * per
            else:
                small = math.exp(-abs(z))
                larger = 1.0 / (1.0 + small)  # of the probabilities of the two decisions
                total += (z if y else 0.0) - max(z, 0.0)
                product *= 1.0 + small
                factors += 1
                if factors == _FACTORS:
                    total -= math.log(product)
                    product, factors = 1.0, 0
                residual[i, t] = (1.0 if y else 0.0) - (larger if z >= 0.0 else small * larger)
                weight[i, t] = small * larger * larger
        value[i] += total - math.log(product)


_SUMS: dict[str, Any] = {"fastmath": {"reassoc", "contract"}, **_OPTIONS}  # sums in any order


@cached(**_SUMS)
def add_product(beta: FloatArray, first: IntArray, column: IntArray, block: FloatArray, out: FloatArray) -> None:
    """Add to each row k of ``out``, (n, step), its coefficients times their rows of block (column, step): those from
    ``first[k]`` to ``first[k + 1]`` of ``beta`` and ``column``.

    This and the next two are what a BLAS would do, on one thread each: its own threads wait for each other, which on a
    busy machine takes thirty times as long.
    """
    for i in range(out.shape[0]):
        sums, end = out[i], first[i + 1]
        whole = end - (end - first[i]) % 4
        for k in range(first[i], whole, 4):
            w0, w1, w2, w3 = beta[k], beta[k + 1], beta[k + 2], beta[k + 3]
            x0, x1, x2, x3 = block[column[k]], block[column[k + 1]], block[column[k + 2]], block[column[k + 3]]
            for t in range(sums.size):
                sums[t] += w0 * x0[t] + w1 * x1[t] + w2 * x2[t] + w3 * x3[t]
        for k in range(whole, end):
            w0, x0 = beta[k], block[column[k]]
            for t in range(sums.size):
                sums[t] += w0 * x0[t]


@cached(**_SUMS)
def add_moments(residual: FloatArray, first: IntArray, column: IntArray, block: FloatArray, out: FloatArray) -> None:
    """Add to ``out``, (coefficient,), each row of residual (n, step) times the rows of block (column, step) that it has
    coefficients for; ``first`` and ``column`` as above."""
    for i in range(residual.shape[0]):
        row, end = residual[i], first[i + 1]
        whole = end - (end - first[i]) % 4
        for k in range(first[i], whole, 4):
            x0, x1, x2, x3 = block[column[k]], block[column[k + 1]], block[column[k + 2]], block[column[k + 3]]
            a0 = a1 = a2 = a3 = 0.0
            for t in range(row.size):
                r = row[t]
                a0, a1, a2, a3 = a0 + r * x0[t], a1 + r * x1[t], a2 + r * x2[t], a3 + r * x3[t]
            out[k] += a0
            out[k + 1] += a1
            out[k + 2] += a2
            out[k + 3] += a3
        for k in range(whole, end):
            x0 = block[column[k]]
            a0 = 0.0
            for t in range(row.size):
                a0 += row[t] * x0[t]
            out[k] += a0


@cached(**_SUMS)
def add_gram(block: FloatArray, rows: IntArray, weight: FloatArray, room: npt.NDArray[Any], out: FloatArray) -> None:
    """Add sum_t weight[t] block[rows[k], t] block[rows[l], t] to the lower triangle of ``out``, (n, n).

    ``n`` is the number of rows filled up to a multiple of 4, and ``room``, (n, at least as many steps), is for the
    scaled rows, in the precision that is wanted. Sixteen sums at a time keep the registers busy.
    """
    m = 0
    place, factor = np.empty(weight.size, dtype=np.int64), np.empty(weight.size)
    for t in range(weight.size):
        if weight[t] > 0.0:
            place[m], factor[m] = t, math.sqrt(weight[t])
            m += 1
    for k in range(out.shape[0]):
        if k < rows.size:
            row = block[rows[k]]
            for t in range(m):
                room[k, t] = row[place[t]] * factor[t]
        else:
            room[k, :m] = 0.0
    zero = room[0, 0] - room[0, 0]
    for i in range(0, out.shape[0], 4):
        p0, p1, p2, p3 = room[i], room[i + 1], room[i + 2], room[i + 3]
        for j in range(0, i + 1, 4):
            q0, q1, q2, q3 = room[j], room[j + 1], room[j + 2], room[j + 3]
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = zero
            for t in range(m):
                x0, x1, x2, x3 = p0[t], p1[t], p2[t], p3[t]
                y = q0[t]
                a0, b0, c0, d0 = a0 + x0 * y, b0 + x1 * y, c0 + x2 * y, d0 + x3 * y
                y = q1[t]
                a1, b1, c1, d1 = a1 + x0 * y, b1 + x1 * y, c1 + x2 * y, d1 + x3 * y
                y = q2[t]
                a2, b2, c2, d2 = a2 + x0 * y, b2 + x1 * y, c2 + x2 * y, d2 + x3 * y
                y = q3[t]
                a3, b3, c3, d3 = a3 + x0 * y, b3 + x1 * y, c3 + x2 * y, d3 + x3 * y
            for k, sums in enumerate(((a0, a1, a2, a3), (b0, b1, b2, b3), (c0, c1, c2, c3), (d0, d1, d2, d3))):
                for l in range(4):
                    out[i + k, j + l] += sums[l]


@cached(**_OPTIONS)
def rescaled(
    eta: FloatArray, spikes: Mask, deciding: Mask, exact: int, uniform: FloatArray, carry: FloatArray, out: FloatArray,
    used: int,
) -> int:  # fmt: skip
    """Time-rescaled intervals of one neuron between successive spikes of its own decision, in discrete time (Haslinger,
    Pipa & Brown 2010): exactly unit exponential if the model is right. ``uniform`` breaks the ties; ``carry[0]`` is the
    hazard since the last spike (negative: not yet known). Returns how many of ``out`` are filled."""
    total = carry[0]
    for t in range(eta.size):
        if not deciding[t]:
            if spikes[t]:
                total = -1.0  # a spike that it did not decide: the interval is lost
            continue
        z = min(eta[t], 700.0)
        q = math.exp(z) if exact else max(z, 0.0) + math.log1p(math.exp(-abs(z)))  # -ln(1 - p)
        if spikes[t]:
            if total >= 0.0:
                out[used] = total - math.log1p(uniform[used] * math.expm1(-q))
                used += 1
            total = 0.0
        elif total >= 0.0:
            total += q
    carry[0] = total
    return used


@cached(**_OPTIONS)
def ages(spikes: Mask, delay: int, horizon: int, out: IntArray) -> None:
    """Which PSP age each step sees: 1..horizon since the last arrival, if the one before was over by then; 0 where no
    PSP is under way (the last arrival is older than ``horizon``); -1 where two overlap, and where nothing is known."""
    last = before = -1  # ages; -1: not yet
    for t in range(out.size):
        arrived = t - 1 - delay
        if arrived >= 0 and spikes[arrived] != 0:
            before, last = last, 0
        if last >= 0:
            last += 1
        if before >= 0:
            before += 1
        if last < 0:
            out[t] = -1 if t <= horizon else 0
        elif last > horizon:
            out[t] = 0
        else:
            out[t] = -1 if 0 <= before <= horizon + last or (before < 0 and t <= horizon + last) else last


@cached(**_OPTIONS)
def tally(age: IntArray, spikes: Mask, deciding: Mask, count: FloatArray) -> None:
    """Add up decisions (row 0) and spikes (row 1) of one neuron at each PSP age of another."""
    for t in range(age.size):
        if deciding[t] and age[t] >= 0:
            count[0, age[t]] += 1.0
            if spikes[t]:
                count[1, age[t]] += 1.0
