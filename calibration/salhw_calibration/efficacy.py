"""The part of ``calibrate`` that makes all synapses of a chip learn alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.plasticity import PairSTDP
from salhw.diagnostics.arguments import sequence_of
from salhw.registry import resolve
from salhw.session.executable import Executable
from salhw.session.paths import addresses
from salhw.substrate.chip import Chip
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_calibration.calibration import Calibration, deviations, unjudged, usable
from salhw_calibration.circuit import circuit
from salhw_calibration.measuring import MeasurementError, Progress, refuse_wrong
from salhw_calibration.sensors import CorrelationSensors, Lags, correlation_sensors, own_lags
from salhw_calibration.verdict import Deviations

LEARNING = 2  # measurements of sensors: before and after
SHARE = 0.1  # of the duration, for the network's own lags


def corrigible(net: Network, target: Target) -> bool:
    """Whether something learns whose amplitudes a session can change, by one rule of the chip's own, so that it can be
    measured."""
    settable = any(address.field == "amplitude" for address in addresses(net, target).values())
    own = all(on_chip(rule, target) for p in net.projections for rule in p.plasticity)
    return settable and own and all(len(p.plasticity) < 2 for p in net.projections)


def calibrate_sensors(
    target: Target,
    chips: Sequence[Chip],
    net: Network,
    *,
    calibration: Calibration | None = None,
    goal: float = 0.05,
    duration: float = 100_000.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Measure the correlation sensors of every plastic synapse of ``net``, and what their correction leaves.

    An amplitude can be corrected, a time constant cannot. What is made equal is therefore what the pairs of the
    network's own activity add up to (``CorrelationSensors.efficacy``): on these chips, with the weights and biases that
    ``net`` describes, both branches and all synapses together; lags up to five time constants alike if it is silent.

    Args:
        calibration: of weights and biases of the same chips, at the places of ``net``; it holds while sensors are
            measured, and is part of the result. None: they stay uncorrected.
        goal: the relative error of an efficacy that counts as success, up to three times.
        duration: biological time in ms of each of the two measurements.

    Raises:
        MeasurementError: no chips, or chips of different wafers; no plastic projection, or one with several rules.
        CalibrationError: a calibration of another target, of other chips, or of other places.
        SessionError: learning rates that, corrected, are beyond what the target holds.
    """
    chips = sequence_of("chips", chips, Chip, kind=MeasurementError)
    exe = compile(net, target, calibration=calibration)
    target = resolve(target)
    refuse_wrong(exe, duration, progress, seed=seed, on_grid=False)
    calibration = calibration or unjudged(target, exe, chips)

    def measure(k: int, corrected: Calibration) -> CorrelationSensors:
        share = None if progress is None else lambda done: progress((k + done) / LEARNING)
        executable = replace(exe, calibration=corrected)
        return correlation_sensors(executable, chips=chips, duration=duration, seed=seed + 100 * k, progress=share)

    lags = own_lags(exe, chips=chips, duration=SHARE * duration, seed=seed + 99)
    for name in [name for name, own in lags.items() if not own.share.any()]:
        rule = of_kind(net.projection(name).plasticity[0], PairSTDP, "the calibration of correlation sensors")
        any_lag = np.linspace(0.0, 5.0 * rule.causal.tau, 500)
        lags[name] = Lags(any_lag, np.ones_like(any_lag))
    before, before_error = _by_place(exe, calibration, measure(0, calibration), lags)
    corrected = replace(calibration, efficacy=before)
    after, after_error = _by_place(exe, calibration, measure(1, corrected), lags)
    wrong = np.abs(after - 1.0) > 3.0 * np.hypot(goal, after_error)
    success = np.isfinite(after) & np.isfinite(before) & (usable(before) == before) & ~wrong
    left = {
        f"sensor {when}": Deviations.of((efficacy - 1.0).reshape(len(chips), -1), error.reshape(len(chips), -1))
        for when, efficacy, error in (("before", before, before_error), ("after", after, after_error))
    }
    known = deviations(left)
    return replace(
        corrected,
        sensor_success=success.all(axis=2),
        spread={**calibration.spread, **known["spread"]},
        moments={**calibration.moments, **known["moments"]},
        provenance={
            "duration_ms": duration,
            **calibration.provenance,
            "biological_time_ms": calibration.provenance.get("biological_time_ms", 0.0) + (2.0 + SHARE) * duration,
            "goal_sensor": goal,
        },
    )


def _by_place(
    exe: Executable, calibration: Calibration, sensors: CorrelationSensors, lags: dict[str, Lags]
) -> tuple[FloatArray, FloatArray]:
    """Efficacies and their standard errors, (chip, synapse, branch) by the places of a calibration."""
    c, efficacies = circuit(exe.source), np.full((2, *calibration.efficacy.shape), np.nan)
    for k, p in enumerate(exe.source.projections):
        if p.name in lags:
            at: IntArray = np.searchsorted(calibration.synapses, exe.placement.weights(exe.source, p.name))
            for which, values in enumerate(sensors.efficacy(p.name, lags[p.name])):
                efficacies[which][:, at] = np.moveaxis(c.of_projection(k, values), 1, 2)
    return efficacies[0], efficacies[1]
