"""``calibrate``: measure, correct, and measure again what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from salhw.chip import Chip
from salhw.compile.pipeline import compile
from salhw.connectivity import values
from salhw.fields import FloatArray
from salhw.network import Network
from salhw.neurons import GLM
from salhw.target import Range, Target
from salhw_calibration.calibration import Calibration
from salhw_calibration.circuit import circuit
from salhw_calibration.effective import effective_weights
from salhw_calibration.measuring import Progress, refused, without_plasticity
from salhw_calibration.neurons import transfer_functions

LARGEST = 1.0  # probing weight
INPUT = 5.0  # largest root of the sum of squares of a neuron's probing weights


@dataclass(frozen=True)
class Goals:
    """When to stop: the spread, over a chip, of the relative error of weights and of the error of biases."""

    weight: float = 0.05
    bias: float = 0.05


@dataclass(frozen=True, eq=False)
class _Measured:
    """Effective and held ``weights`` (chip, synapse), ``biases`` (chip, neuron), with standard errors."""

    weights: FloatArray
    errors: FloatArray
    held: FloatArray
    biases: FloatArray
    bias_errors: FloatArray
    provenance: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Mean:
    """A mean weighted by precision, to which measurements are added one by one; what is NaN does not count."""

    total: FloatArray
    precision: FloatArray

    def plus(self, value: FloatArray, error: FloatArray) -> _Mean:
        known = np.isfinite(value) & np.isfinite(error) & (error > 0.0)
        precision = np.where(known, np.where(known, error, 1.0) ** -2.0, 0.0)
        return _Mean(self.total + precision * np.where(known, value, 0.0), self.precision + precision)

    @property
    def value(self) -> FloatArray:
        """NaN where nothing was measured."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.total / self.precision)


def calibrate(
    target: Target,
    chips: Sequence[Chip],
    net: Network,
    *,
    goals: Goals = Goals(),
    duration: float = 100_000.0,
    rounds: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Measure the gain of every synapse and the transfer function of every neuron that ``net`` uses, chip by chip.

    Neurons first (a sweep of the bias). Then, up to ``rounds`` times or until the goals are met, probing weights of
    both signs are written, corrected by what is known so far, and effective weights and biases are measured by
    likelihood; all measurements of a quantity are averaged by their precision. A last measurement, with random numbers
    of its own, says what is left. Every chip has its own corrections: nothing is shared.

    Args:
        net: says which places of the chips to calibrate; its weights, biases and stimuli do not matter.
        duration: biological time in ms of each measurement.

    Raises:
        MeasurementError: a network without GLM neurons; no chips, or chips of different wafers.
        UnsupportedNetworkError: the target cannot hold the network, or record spikes.
    """
    if len({chip.seed for chip in chips}) != 1:
        raise refused("SAL811", "chips", f"{len(chips)} chips", "at least one, all of one wafer", "one wafer at a time")
    probing = _probing(net, target)
    exe = compile(probing, target)
    c = circuit(probing)
    names = [p.name for p in probing.populations if isinstance(p.neuron, GLM)]
    places = np.concatenate([exe.placement.synapses(probing, p.name) for p in probing.projections])
    cells = np.concatenate([exe.placement.neurons(probing, name) for name in names])

    def part(k: int) -> Progress | None:
        return None if progress is None else lambda done: progress((k + done) / (rounds + 3))

    def measure(k: int, corrections: Calibration) -> _Measured:
        state = corrections.settings(exe, chips)
        found = effective_weights(exe, chips=chips, duration=duration, seed=seed + k, weights=state, progress=part(k))
        weights, errors, held = (c.flat(m) for m in (found.weights, found.standard_errors, found.nominal))
        biases, bias_errors = (_all(m, names) for m in (found.biases, found.bias_errors))
        return _Measured(weights, errors, held, biases, bias_errors, found.provenance)

    swept = transfer_functions(exe, chips=chips, duration=duration / 5.0, seed=seed, progress=part(0))
    slope = _all(swept.slope, names)
    one, zero = np.ones((len(chips), 1)), np.zeros((len(chips), 1))
    untouched = _calibration(target, chips, places, cells, one, zero, one)
    before = measure(1, untouched)
    wanted = before.held[:1]  # written as it is
    none = np.zeros((len(chips), len(places))), np.zeros((len(chips), len(cells)))
    gain = _Mean(none[0], none[0]).plus(before.weights / before.held, before.errors / np.abs(before.held))
    offset = _Mean(none[1], none[1]).plus(_all(swept.offset, names), _all(swept.offset_errors, names))
    done = 0
    for done in range(1, rounds + 1):
        corrections = _calibration(target, chips, places, cells, gain.value, offset.value, slope)
        found = measure(1 + done, corrections)
        if np.all(_spread(found.weights / wanted - 1.0, found.errors / np.abs(wanted)) <= goals.weight) and np.all(
            _spread(found.biases, found.bias_errors) <= goals.bias
        ):
            break
        gain = gain.plus(found.weights / found.held, found.errors / np.abs(found.held))
        # Told (0 - offset) / slope, it acts as if its offset were larger by what is left.
        offset = offset.plus(np.nan_to_num(offset.value) + found.biases, found.bias_errors)
    corrections = _calibration(target, chips, places, cells, gain.value, offset.value, slope)
    after = measure(rounds + 2, corrections)
    left, error = after.weights / wanted - 1.0, after.errors / np.abs(wanted)
    return replace(
        corrections,
        weight_success=_within(left, error, goals.weight),
        bias_success=_within(after.biases, after.bias_errors, goals.bias),
        spread={
            "weight before": _spread(before.weights / wanted - 1.0, before.errors / np.abs(wanted)),
            "weight after": _spread(left, error),
            "bias before": _spread(before.biases, before.bias_errors),
            "bias after": _spread(after.biases, after.bias_errors),
        },
        provenance={**after.provenance, "rounds": done, "goal_weight": goals.weight, "goal_bias": goals.bias},
    )


def _calibration(
    target: Target,
    chips: Sequence[Chip],
    places: Any,
    cells: Any,
    gain: FloatArray,
    offset: FloatArray,
    slope: FloatArray,
) -> Calibration:
    """Without a verdict yet; places in ascending order."""
    first, second = np.argsort(places), np.argsort(cells)
    shapes = (len(chips), len(places)), (len(chips), len(cells))
    gain = np.broadcast_to(gain, shapes[0])[:, first]
    offset = np.broadcast_to(offset, shapes[1])[:, second]
    slope = np.broadcast_to(slope, shapes[1])[:, second]
    return Calibration(
        target.name, target.content_hash, chips[0].seed, tuple(chip.id for chip in chips), places[first], cells[second],
        gain, offset, slope, np.isfinite(gain), np.isfinite(offset), {},
    )  # fmt: skip


def _all(of: Mapping[str, FloatArray], names: Sequence[str]) -> FloatArray:
    return np.concatenate([of[name] for name in names], axis=1)


def _spread(deviation: FloatArray, error: FloatArray) -> FloatArray:
    """(chip,): root mean square deviation of what was measured, less what measuring alone makes of it."""
    known = np.isfinite(deviation) & np.isfinite(error)
    square = np.where(known, deviation, 0.0) ** 2 - np.where(known, error, 0.0) ** 2
    mean = square.sum(axis=1) / np.maximum(1, known.sum(axis=1))
    return np.asarray(np.sqrt(np.maximum(mean, 0.0)))


def _within(deviation: FloatArray, error: FloatArray, goal: float) -> Any:
    """Measured, and not significantly beyond three times the goal."""
    known = np.isfinite(deviation) & np.isfinite(error)
    return known & (np.abs(np.where(known, deviation, 0.0)) <= 3.0 * np.hypot(goal, np.where(known, error, 0.0)))


def _probing(net: Network, target: Target) -> Network:
    """The same places with weights large enough to be measured, of alternating signs if the target has both, and biases
    of zero; no stimuli, unless sources need them to spike."""
    if not any(isinstance(p.neuron, GLM) for p in net.populations):
        raise refused(
            "SAL803", "populations", "no GLM neurons", "GLM neurons", "calibrate with a network that has some"
        )
    limits = target.projections.get("weights")
    low, high = (limits.min, limits.max) if isinstance(limits, Range) else (-LARGEST, LARGEST)
    projections = []
    for p in net.projections:
        shape = values(p.weights, *net.ends(p.name)).shape
        size = min(LARGEST, INPUT / np.sqrt(net.population(p.pre).size))
        even = np.indices(shape).sum(axis=0) % 2 == 0
        weight = np.clip(np.where(even, size, -size), low, high)
        weight[weight == 0.0] = size if high > 0.0 else -size
        if p.pre == p.post and len(shape) == 2:
            np.fill_diagonal(weight, 0.0)
        fresh = weight if len(shape) == 2 else p.weights.replace(weight=weight)
        projections.append(p.replace(weights=fresh))
    populations = [
        p.replace(neuron=p.neuron.replace(bias=0.0)) if isinstance(p.neuron, GLM) else p for p in net.populations
    ]  # fmt: skip
    sources = {p.name for p in net.populations if not isinstance(p.neuron, GLM)}
    stimuli = tuple(s for s in net.stimuli if s.population in sources)
    return without_plasticity(net.replace(projections=projections, populations=populations, stimuli=stimuli))
