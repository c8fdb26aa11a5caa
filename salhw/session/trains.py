"""Spike times that a session writes: lists of unlike lengths, held against the time grid and what has passed."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.grid import whole_steps
from salhw.description.stimuli import padded
from salhw.diagnostics.wording import number, shown
from salhw.session.paths import Address, session_error


def as_trains(address: Address, value: Any, held: FloatArray, step: int, dt: float) -> FloatArray:
    """What a session holds at ``step`` after it was given other spike times, (instance, neuron, spike), NaN after the
    last spike of each neuron: of times that have passed those that it held, then those of ``value``.

    Args:
        value: a list of times in ms for each neuron, or for each instance one of these; or what ``get`` returns, or an
            instance of it. Times that have passed are left out, or as they were.
        held: until now, (instance, neuron, spike).

    Raises:
        SessionError: SAL403 it is no list of times for each neuron; times are negative, off the grid or not in order,
            or have passed and were not held.
    """
    instances, size = held.shape[:2]
    given = _listed(address, value, instances, size)
    own = len(given) == instances
    kept = [[train[_passed(train, step, dt)] for train in trains] for trains in held]
    trains = []
    for b, n in np.ndindex(instances, size):
        train, before = given[b if own else 0][n], kept[b][n]
        at = f"{address.path}{f'[{b}]' * (own and instances > 1)}[{n}]"
        _refuse_misplaced(at, train, dt)
        over = train[_passed(train, step, dt)]
        if len(over) and not np.array_equal(over, before):
            now = number(step * dt)
            supported = f"times from {now} ms on, where the session is, beside those that were"
            raise session_error("SAL403", at, f"{number(over[0])} ms", supported, f"leave out those before {now} ms")
        trains.append(np.concatenate([before, train[len(over) :]]))
    rows = padded(trains)
    return rows.reshape(instances, size, rows.shape[1])


def _passed(train: FloatArray, step: int, dt: float) -> Any:
    """Which spikes of a train are over."""
    return np.nan_to_num(train, nan=np.inf) < (step - 0.5) * dt


def _refuse_misplaced(at: str, train: FloatArray, dt: float) -> None:
    """Refuse times that no description may have, the first of them."""
    grid = f"whole multiples of dt = {number(dt)} ms"
    for supported, fix, where in (
        ("finite times", "replace NaN and infinity", ~np.isfinite(train)),
        (">= 0 ms", "shift the times", train < 0.0),
        (grid, "np.round(times / dt) * dt", ~whole_steps(train, dt)),
        ("later than the one before it", "sort the times, and keep each once", np.diff(train, prepend=-np.inf) <= 0.0),
    ):
        for k in np.flatnonzero(where)[:1]:
            raise session_error("SAL403", f"{at}[{k}]", f"{number(train[k])} ms", supported, fix)


def _listed(address: Address, value: Any, instances: int, size: int) -> list[list[FloatArray]]:
    """The trains of each instance, or of one for all, without what fills them up.

    Raises:
        SessionError: SAL403 it is something else.
    """

    def refuse(asked: str) -> NoReturn:
        supported = f"a list of times for each of {size} neurons, or {instances} of these lists, one for each instance"
        raise session_error("SAL403", address.path, asked, supported, "an empty list for a neuron without spikes")

    try:
        each = list(value)
        of_instances = any(np.ndim(time) for train in each for time in train)
        trains = [[np.asarray(t) for t in one] for one in (each if of_instances else [each])]
    except (TypeError, ValueError, OverflowError):
        refuse(shown(value))
    if len(trains) not in (1, instances) or any(len(one) != size for one in trains):
        refuse(f"{len(trains)} x {len(trains[0]) if trains else 0} lists" if of_instances else f"{len(each)} lists")
    if any(t.ndim != 1 or (t.size and t.dtype.kind not in "iuf") for one in trains for t in one):
        refuse(shown(value))
    return [[_unfilled(t.astype(np.float64)) for t in one] for one in trains]


def _unfilled(train: FloatArray) -> FloatArray:
    """A train without the NaN after its last spike."""
    spikes = np.flatnonzero(~np.isnan(train))
    return train[: spikes[-1] + 1 if len(spikes) else 0]
