"""Which rows of the synapse array a projection occupies, and how much time the plasticity processor needs for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from salhw.description.fields import IntArray

ROWS_PER_WEIGHT = (1, 2, 4, 8)
"""Row pairs that may make a weight together: powers of two, by which the processor divides with a shift. With 8 the
processor's 16 bits hold a weight of 9 bits and 6 below them; a hemisphere then holds 16 weights per neuron."""
LABELS = 64
"""Sources that a row can tell apart (6-bit labels)."""
ROW_TIME = 0.028
"""ms of hardware time per row: read the correlations, read and write the weights (25..28 us, inferred from demos)."""


def assign_rows(pre: npt.ArrayLike, post: npt.ArrayLike, labels: int = LABELS) -> IntArray:
    """A row for each synapse, (S,), so that no two synapses share a crossing and no row has more sources than labels.

    Args:
        pre, post: the neurons at both ends; a postsynaptic neuron is a column.

    The synapses of a row have labels of their own, so reciprocal pairs among up to 64 neurons need a single row, all to
    all among n neurons n - 1. First fit: each synapse, in the given order, goes to the first row that has room.
    """
    sources: list[set[int]] = []
    columns: list[set[int]] = []
    chosen = []
    for j, i in zip(np.asarray(pre).tolist(), np.asarray(post).tolist(), strict=True):
        fits = (r for r in range(len(sources)) if i not in columns[r] and (j in sources[r] or len(sources[r]) < labels))
        row = next(fits, len(sources))
        if row == len(sources):
            sources.append(set())
            columns.append(set())
        sources[row].add(j)
        columns[row].add(i)
        chosen.append(row)
    return np.array(chosen, dtype=np.int64)


def split(codes: npt.ArrayLike, rows: int) -> IntArray:
    """What each of ``rows`` rows holds of codes -63 rows..63 rows: shares as equal as whole numbers are, whose sum is
    the code, (rows, ...). The gain of a weight is then the mean of its rows' gains, whatever the weight."""
    code = np.asarray(codes, dtype=np.int64)
    turn = np.arange(rows).reshape(-1, *(1 for _ in code.shape))
    return np.asarray(np.sign(code) * ((np.abs(code) + turn) // rows))


def row_locations(synapse: npt.ArrayLike, rows: int) -> IntArray:
    """Where the synapses of a weight lie, (rows, ...): the first at the location of ``Placement.synapses``, the others
    at its column in rows of their own."""
    first = np.asarray(synapse, dtype=np.int64)
    return first + (np.arange(rows).reshape(-1, *(1 for _ in first.shape)) << 24)


def shortest_period(rows: int, *, signed: bool = True, speed_up: float = 1000.0) -> float:
    """The shortest update period in ms of *biological* time that leaves the processor time for ``rows`` rows.

    A weight that may change its sign takes an excitatory and an inhibitory row (``signed``). Each hemisphere has a
    processor of its own: give the rows of the fuller one.
    """
    return rows * (2 if signed else 1) * ROW_TIME * speed_up
