"""``calibrate``: measure, correct, and measure again what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.description.connectivity import synapses, values
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.diagnostics.arguments import (
    checked_duration,
    checked_progress,
    checked_seed,
    instance_of,
    sequence_of,
    whole,
)
from salhw.registry import resolve
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target
from salhw_calibration.calibration import Calibration, deviations, in_order, of_one_wafer, places_of, unjudged, usable
from salhw_calibration.circuit import circuit
from salhw_calibration.effective import effective_weights
from salhw_calibration.efficacy import LEARNING, calibrate_sensors, corrigible
from salhw_calibration.kinds import stochastic
from salhw_calibration.measuring import MeasurementError, Progress
from salhw_calibration.neurons import TransferFunctions, transfer_functions
from salhw_calibration.probing import by_path, first_neurons, probing_network, signs_of
from salhw_calibration.verdict import Deviations

DIFFERENT = 1e-3  # p-value below which gains of the two signs are two, and anything is corrected at all


@dataclass(frozen=True)
class Goals:
    """When to stop: the spread, over a chip, of the relative error of weights, of the error of biases, and of the
    relative error of what differences between biases make. Sensors are measured once: theirs is what success means."""

    weight: float = 0.05
    bias: float = 0.05
    slope: float = 0.05
    sensor: float = 0.05


@dataclass(frozen=True, eq=False)
class _Measured:
    """What probing weights were found to do: effective over ``wanted`` weights (synapse,), which are NaN where nothing
    was probed, and the gains that follow (chip, synapse); with standard errors."""

    wanted: FloatArray
    weights: FloatArray
    errors: FloatArray
    gains: FloatArray
    gain_errors: FloatArray

    def signed(self, values: FloatArray) -> FloatArray:
        """(chip, synapse) -> (chip, synapse, sign), NaN for the sign that was not probed."""
        return np.stack([np.where(self.wanted > 0.0, values, np.nan), np.where(self.wanted < 0.0, values, np.nan)], -1)

    def within(self, goal: float) -> Any:
        """(chip, synapse): as wanted, or not probed."""
        return np.isnan(self.wanted) | _within(self.weights - 1.0, self.errors, goal)


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

    def unless(self, nominal: float) -> FloatArray:
        """``value``, or ``nominal`` everywhere if all that was measured is compatible with it: a target that does what
        it is told shall not get the errors of measuring."""
        known = self.precision > 0.0
        squares = np.where(known, (self.value - nominal) ** 2 * self.precision, 0.0)
        if _significant(squares.sum(), int(known.sum())):
            return self.value
        return np.where(known, nominal, np.nan)


@dataclass(frozen=True, eq=False)
class _Neurons:
    """What is known of the neurons' transfer functions, (chip, neuron)."""

    offset: _Mean
    slope: _Mean

    @property
    def corrections(self) -> tuple[FloatArray, FloatArray]:
        """Offset and slope to correct by."""
        return self.offset.unless(0.0), self.slope.unless(1.0)

    def plus(self, swept: TransferFunctions, names: Sequence[str]) -> _Neurons:
        """One more sweep, made with what is known corrected: what was found is of ``(b - offset) / slope``."""
        known, factors = self.corrections
        offset, slope = np.nan_to_num(known), usable(factors)
        left, error = _all(swept.offset, names), _all(swept.offset_errors, names)
        factor, factor_error = _all(swept.slope, names), _all(swept.slope_errors, names)
        return _Neurons(
            self.offset.plus(left + factor * offset, error), self.slope.plus(factor * slope, factor_error * slope)
        )


def calibrate(
    target: Target,
    chips: Sequence[Chip],
    goals: Goals = Goals(),
    *,
    net: Network | None = None,
    duration: float = 100_000.0,
    rounds: int = 2,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Measure the gain of every synapse and the transfer function of every neuron that ``net`` uses, chip by chip.

    Neurons first (a sweep of the bias), whose corrections hold from then on. Then, up to ``rounds`` times or until the
    goals are met, the neurons are swept once more, probing weights are written, corrected by what is known so far, and
    effective weights are measured by likelihood; all measurements of a quantity, the one that meets the goals among
    them, are averaged by their precision, and
    nothing is corrected of a quantity that nowhere on these chips differs significantly from what is described. Each
    synapse is probed with either sign, because analog chips have an input for each; gains of the two signs that do not
    differ significantly are taken for one. Synapses from lower to higher neurons are probed apart from the others:
    without loops a neuron's past reaches it by no synapse, and what it remembers itself, being no perfect GLM, is not
    taken for their weights. A last measurement, with random numbers of its own, says what is left. Every chip has its
    own corrections: nothing is shared.

    Args:
        goals: spreads at which to stop, and by which success is judged.
        net: says which places of the chips to calibrate; by default the first 16 neurons, all to all. Where it learns,
            and sessions can change the amplitudes of windows, the correlation sensors come last; they are equalised for
            the pairs that it makes with its weights, biases and stimuli, which otherwise do not matter.
        duration: biological time in ms of each part of a measurement: the neurons, and two signs in two directions.

    Raises:
        MeasurementError: a network without GLM neurons; no chips, or chips of different wafers.
        UnsupportedNetworkError: the target cannot hold the network, or record spikes.
    """
    target, goals = (
        resolve(target),
        instance_of("goals", goals, Goals, "as in Goals(weight=.05)", kind=MeasurementError),
    )
    chips = sequence_of("chips", chips, Chip, kind=MeasurementError)
    of_one_wafer(chips)
    net = first_neurons() if net is None else instance_of("net", net, Network, "give a Network", kind=MeasurementError)
    net = net.explicit
    checked_duration(duration, net.dt)
    checked_progress(progress)
    rounds, seed = whole("rounds", rounds, 0, 100, kind=MeasurementError), checked_seed(seed)
    signs = signs_of(target)
    exe = compile(probing_network(net, len(signs) > 1), _as_wide(target, net))
    probing = exe.network
    c = circuit(probing)
    names = [p.name for p in stochastic(probing)]
    places, cells = places_of(exe)
    flat = np.concatenate([np.zeros(0), *(
        values(p.weights, *probing.ends(p.name)).ravel()[synapses(p.weights, *probing.ends(p.name))[2]]
        for p in probing.projections
    )])  # fmt: skip
    ways = [way for way in (c.pre < c.post, c.pre > c.post) if way.any()]
    patterns = [np.where(way, sign * flat, np.nan) for way in ways for sign in signs]
    learns = corrigible(net, target)
    runs = 1 + len(patterns)  # of a measurement: the neurons alone come first
    parts = 1 + runs * (rounds + 2) + (LEARNING if learns else 0)

    def part(k: int) -> Progress | None:
        return None if progress is None else lambda done: progress((k + done) / parts)

    def sweep(run: int, by: Calibration | None) -> TransferFunctions:
        corrected = exe if by is None else replace(exe, calibration=by)
        return transfer_functions(corrected, chips=chips, duration=duration / 5.0, seed=seed + run, progress=part(run))

    def measure(k: int, gain: FloatArray, neurons: _Neurons) -> tuple[TransferFunctions, list[_Measured]]:
        """The ``k``-th time, with these gains and transfer functions corrected; once for each pattern."""
        by = unjudged(target, exe, chips, gain, *neurons.corrections)
        corrected, first, measured = replace(exe, calibration=by), 1 + k * runs, []
        swept = sweep(first, by)
        for run, wanted in enumerate(patterns, first + 1):
            f = effective_weights(
                corrected, chips=chips, duration=duration, seed=seed + run, progress=part(run),
                weights=by_path(probing, np.nan_to_num(wanted)),
            )  # fmt: skip
            weights, errors, nominal = (c.flat(m) for m in (f.weights, f.standard_errors, f.nominal))
            known = usable(np.where(wanted > 0.0, gain[..., 0], gain[..., 1]))
            known = known / np.where(np.isnan(wanted), np.nan, nominal)
            measured.append(_Measured(
                wanted, weights / wanted, errors / np.abs(wanted), weights * known, errors * np.abs(known),
            ))  # fmt: skip
        return swept, measured

    shape = (len(chips), len(places), 2)
    nothing = np.zeros((len(chips), len(cells)))
    nobody = _Mean(nothing, nothing)
    raw = sweep(0, None)
    neurons = _Neurons(nobody, nobody).plus(raw, names)
    swept, before = measure(0, np.ones(shape), neurons)
    neurons = neurons.plus(swept, names)
    gains = _added(_Mean(np.zeros(shape), np.zeros(shape)), before)
    done = 0
    for done in range(1, rounds + 1):
        swept, measured = measure(done, _pooled(gains), neurons)
        neurons, gains = neurons.plus(swept, names), _added(gains, measured)
        left = _left(measured, swept, names, chips)
        if all(np.all(of_chips.spread <= getattr(goals, name)) for name, of_chips in left.items()):
            break
    gain = _pooled(gains)
    result = unjudged(target, exe, chips, gain, *neurons.corrections)
    swept, after = measure(rounds + 1, gain, neurons)
    ends = {"before": _left(before, raw, names, chips), "after": _left(after, swept, names, chips)}
    calibrated = replace(
        result,
        weight_success=result.weight_success
        & np.all([in_order(m.within(goals.weight), places) for m in after], axis=0),
        **{
            f"{name}_success": in_order(_within(*of_neurons, getattr(goals, name)), cells)
            for name, of_neurons in _deviations(swept, names).items()
        },
        **deviations({f"{name} {when}": of_chips for when, left in ends.items() for name, of_chips in left.items()}),
        provenance={
            **swept.provenance,
            "duration_ms": duration,
            "biological_time_ms": duration * (1 + runs * (done + 2)),
            "rounds": done,
            **{f"goal_{name}": goal for name, goal in asdict(goals).items()},
        },
    )
    if not learns:
        return calibrated
    return calibrate_sensors(
        target, chips, net, calibration=calibrated, goal=goals.sensor, duration=duration, seed=seed + parts,
        progress=None if progress is None else lambda done: progress(1.0 - LEARNING * (1.0 - done) / parts),
    )  # fmt: skip


def _as_wide(target: Target, net: Network) -> Target:
    """The target with as many synapses for each weight as ``net`` takes: fewer or more have other gains."""
    if target.max_synapses_per_weight == 1:
        return target
    return target.replace(synapses_per_weight=compile(net, target).target.synapses_per_weight)


def _significant(statistic: float, freedom: int) -> bool:
    """Whether a chi squared is too large for chance."""
    from scipy.stats import chi2

    return bool(freedom and statistic > chi2.isf(DIFFERENT, freedom))


def _added(gains: _Mean, measured: Sequence[_Measured]) -> _Mean:
    for m in measured:
        gains = gains.plus(m.signed(m.gains), m.signed(m.gain_errors))
    return gains


def _pooled(gains: _Mean) -> FloatArray:
    """Gains (chip, synapse, sign): one for both signs where nowhere on these chips the two differ significantly; 1 if
    they do not differ from it."""
    both = np.all(gains.precision > 0.0, axis=2)
    variance = (1.0 / gains.precision[both]).sum(axis=1)
    statistic = float((np.diff(gains.value[both], axis=1)[:, 0] ** 2 / variance).sum())
    if not both.any() or _significant(statistic, int(both.sum())):
        return gains.unless(1.0)
    pooled = _Mean(gains.total.sum(axis=2, keepdims=True), gains.precision.sum(axis=2, keepdims=True))
    return np.broadcast_to(pooled.unless(1.0), gains.total.shape)


def _left(
    measured: Sequence[_Measured], swept: TransferFunctions, names: Sequence[str], chips: Sequence[Chip]
) -> dict[str, Deviations]:
    """What is left of each quantity."""
    nothing = np.zeros((len(chips), 0))  # a network without synapses
    parts = ([m.weights - 1.0 for m in measured], [m.errors for m in measured])
    weights = (np.concatenate([nothing, *part], axis=1) for part in parts)
    of_neurons = {name: Deviations.of(*both) for name, both in _deviations(swept, names).items()}
    return {"weight": Deviations.of(*weights), **of_neurons}


def _deviations(swept: TransferFunctions, names: Sequence[str]) -> dict[str, tuple[FloatArray, FloatArray]]:
    """How far transfer functions are from the described one, and standard errors, (chip, neuron), by quantity."""
    return {
        "bias": (_all(swept.offset, names), _all(swept.offset_errors, names)),
        "slope": (_all(swept.slope, names) - 1.0, _all(swept.slope_errors, names)),
    }


def _all(of: Mapping[str, FloatArray], names: Sequence[str]) -> FloatArray:
    return np.concatenate([of[name] for name in names], axis=1)


def _within(deviation: FloatArray, error: FloatArray, goal: float) -> Any:
    """Measured, and not significantly beyond three times the goal."""
    known = np.isfinite(deviation) & np.isfinite(error)
    return known & (np.abs(np.where(known, deviation, 0.0)) <= 3.0 * np.hypot(goal, np.where(known, error, 0.0)))
