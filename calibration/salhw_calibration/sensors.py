"""Correlation sensors: what each synapse makes of spike pairs, measured through ``Session`` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.description.windows import Window
from salhw.diagnostics.arguments import instance_of, known_name
from salhw.session.executable import Executable
from salhw.substrate.chip import Chip
from salhw_calibration.measuring import MeasurementError, Progress, level_of, refuse_wrong
from salhw_calibration.pair_fit import Fit, Listed, Trains, fit, listed, of_projection, shape_and_slope
from salhw_calibration.results import instance_ids
from salhw_calibration.sensor_protocol import Block, SensorProtocol, block
from salhw_calibration.summary import Summarised

PILOT = 0.02  # share of the recording that counts pairs without learning, so that updates hold as many as they can


@dataclass(frozen=True, eq=False)
class Lags:
    """How often which lag occurs: ``lag`` in ms, ``share`` in any unit."""

    lag: FloatArray
    share: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class CorrelationSensors(Summarised):
    """What synapses make of pairs, per plastic projection, (instance, branch, post, pre), the causal branch first, or
    (instance, branch, synapse) where a session has its weights as a list. NaN where there is no synapse, or where the
    pairs do not tell.

    Args:
        ids: the instances' (or chips') ids.
        amplitude, amplitude_errors: change by a pair at distance 0 over the described one, and its standard error.
        tau, tau_errors: time constant in ms.
        covariance: of the logarithms of amplitude and tau.
        offset, offset_errors: mean change by an update without pairs, in pairs of the described amplitude.
        noise: standard deviation of the change by an update, in the same unit.
        freedom: degrees of freedom of the fit: updates less parameters.
        windows: the rule's, per projection: what was described.
        provenance: how it was measured.
    """

    ids: tuple[int, ...]
    amplitude: Mapping[str, FloatArray]
    amplitude_errors: Mapping[str, FloatArray]
    tau: Mapping[str, FloatArray]
    tau_errors: Mapping[str, FloatArray]
    covariance: Mapping[str, FloatArray]
    offset: Mapping[str, FloatArray]
    offset_errors: Mapping[str, FloatArray]
    noise: Mapping[str, FloatArray]
    freedom: Mapping[str, FloatArray]
    windows: Mapping[str, tuple[Window, Window]]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def quantile(self, projection: str, level: float = 0.95) -> FloatArray:
        """How many standard errors a confidence interval reaches to either side: of Student's t, because the noise is
        estimated from the same updates."""
        from scipy.stats import t

        known_name("projection", projection, self.freedom, kind=MeasurementError)
        return np.asarray(t.ppf(0.5 + level_of(level) / 2, np.maximum(self.freedom[projection], 1.0)))

    def efficacy(self, projection: str, lags: Lags) -> tuple[FloatArray, FloatArray]:
        """What pairs with these lags add up to, over what they should, and its standard error, shaped as
        ``amplitude``.

        The one number by which an amplitude can be corrected, because the time constant of a sensor is what it is: with
        the amplitude divided by it, all synapses and branches make the same of these pairs.
        """
        known_name("projection", projection, self.amplitude, kind=MeasurementError)
        instance_of("lags", lags, Lags, "give what own_lags returned", kind=MeasurementError)
        value, error = np.full((2, *self.amplitude[projection].shape), np.nan)
        for b, window in enumerate(self.windows[projection]):
            amplitude, tau = self.amplitude[projection][:, b], self.tau[projection][:, b]
            known = np.isfinite(amplitude)
            made, slope = _mean_shape(window, lags, tau[known])
            wanted, _ = _mean_shape(window, lags, np.array([window.tau]))
            relative = [
                (self.amplitude_errors[projection][:, b] / amplitude)[known],
                (self.tau_errors[projection][:, b] / tau)[known] * slope / made,
            ]
            both = 2.0 * self.covariance[projection][:, b][known] * slope / made
            value[:, b][known] = amplitude[known] * made / wanted
            error[:, b][known] = value[:, b][known] * np.sqrt(
                np.maximum(relative[0] ** 2 + relative[1] ** 2 + both, 0.0)
            )
        return value, error


def _mean_shape(window: Window, lags: Lags, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The mean over lags of the window and of its derivative, for each time constant."""
    value, slope = shape_and_slope(window, lags.lag[:, None], tau[None])
    weight = lags.share / lags.share.sum()
    return weight @ value, weight @ slope


def own_lags(
    exe: Executable, *, chips: Sequence[Chip] | None = None, duration: float, seed: int = 0
) -> dict[str, Lags]:
    """The lags of the pairs that the described network itself makes with fixed weights, per plastic projection: all
    synapses, chips and both branches together, so that a correction by them favours none.

    Raises:
        MeasurementError: no plastic projection, or one with several rules.
    """
    refuse_wrong(exe, duration, seed=seed, on_grid=False)
    protocol, lags = SensorProtocol.of(exe), {}
    with protocol.compiled().open(chips=chips, seed=seed) as session:
        trains = Trains(protocol.circuit, [session.run(protocol.whole(duration))])
    for name, rule in protocol.rules.items():
        every = [
            listed(protocol.circuit, trains, b, name, rule, side) for b in range(trains.instances) for side in (0, 1)
        ]
        lag, where = np.unique(np.concatenate([pairs.lag for pairs in every]), return_inverse=True)
        share = np.bincount(where, np.concatenate([pairs.share for pairs in every]), minlength=len(lag))
        lags[name] = Lags(lag, share.astype(np.float64))
    return lags


def correlation_sensors(
    exe: Executable,
    *,
    chips: Sequence[Chip] | None = None,
    instances: int | Sequence[int] | None = None,
    duration: float,
    seed: int = 0,
    forced: bool | None = None,
    progress: Progress | None = None,
) -> CorrelationSensors:
    """Measure amplitude and time constant of both branches of every plastic synapse, offset and noise of an update.

    The neurons and synapses of ``exe`` are compiled with a rule that has one branch at a time, a large learning rate
    and long periods. Neurons are forced to spike in volleys, so that the synapses see pairs at short lags and at long
    ones, or they spike by themselves at a high bias and a low one; weights start from zero (or the least there is)
    before every update, and are read after it. The changes are regressed on the pairs that were *recorded*: it does not
    matter who spiked when, or why. Updates whose pairs come near the end of a weight's range do not count. A calibrated
    executable is measured as it is, corrections included.

    Args:
        exe: the network on its target; ``exe`` and its sessions stay untouched.
        chips, instances: where to measure, one result each; see ``Executable.open``.
        duration: biological time in ms of the whole measurement.
        seed: of the trial-to-trial randomness.
        forced: whether spikes are forced; by default wherever the target has SpikeTimes.
        progress: called with the share that is done, between 0 and 1.

    Raises:
        MeasurementError: no plastic projection, or one with several rules.
        UnsupportedNetworkError: the target does not learn by one branch alone, cannot record spikes, or cannot force
            them though that was asked for.
        SessionError: chips, instances or duration that do not fit.
    """
    refuse_wrong(exe, duration, progress, seed=seed, on_grid=False)
    protocol = SensorProtocol.of(exe, "SpikeTimes" in exe.target.stimuli if forced is None else forced)
    places: dict[str, Any] = {"chips": chips, "instances": instances}
    rates = protocol.pilot(places, PILOT * duration, seed)
    done = PILOT
    fits: list[dict[str, Fit]] = []
    provenance: Mapping[str, Any] = {}
    for branch in range(2):
        blocks: list[Block] = []
        for drive, rate in zip(protocol.drives, rates, strict=True):
            share, own = 0.5 * (1.0 - PILOT) * drive.share, seed + 1 + len(blocks) + len(protocol.drives) * branch
            count = protocol.updates(None if rate is None else share * duration * rate, blocks)
            active = protocol.whole(share * duration / count)
            made, period = protocol.learning(branch, drive, active, count, own)
            with made.open(**places, seed=own) as session:
                blocks.append(block(protocol, session, drive, active, period, count))
            provenance = blocks[-1].provenance
            done += share
            if progress is not None:
                progress(min(done, 1.0))
        fits.append({name: _fitted(protocol, blocks, name, branch) for name in protocol.rules})
    about = {**provenance, "duration_ms": duration, "source_hash": exe.source.content_hash}
    return _result(protocol, fits, instance_ids(chips, instances), about)


def _fitted(protocol: SensorProtocol, blocks: Sequence[Block], name: str, branch: int) -> Fit:
    """One branch of a projection, (instance, synapse) or (3, instance, synapse)."""
    rule, c, fits = protocol.rules[name], protocol.circuit, []
    counts = [block.change[name].shape[1] for block in blocks]
    first, session = np.cumsum([0, *counts]), np.repeat(np.arange(len(blocks)), counts)
    for b in range(blocks[0].trains.instances):
        listings = [listed(c, block.trains, b, name, rule, branch) for block in blocks]
        update = [first[k] + listings[k].at // round(block.period / c.net.dt) for k, block in enumerate(blocks)]
        parts = ("synapse", "lag", "share", "at")
        pairs = Listed(*(np.concatenate([getattr(x, part) for x in listings]) for part in parts))
        change = np.concatenate([block.change[name][b] for block in blocks])
        fits.append(fit(getattr(rule, BRANCHES[branch]), change, session, np.concatenate(update), pairs, protocol.room))
    return Fit(
        *(np.stack([getattr(x, part) for x in fits], axis=-2) for part in
          ("amplitude", "tau", "offset", "errors", "covariance", "noise", "freedom"))
    )  # fmt: skip


def _result(
    protocol: SensorProtocol, fits: Sequence[Mapping[str, Fit]], ids: tuple[int, ...], provenance: Mapping[str, Any]
) -> CorrelationSensors:
    c = protocol.circuit

    def each(part: str, *index: int) -> dict[str, FloatArray]:
        whole = np.full((len(ids), 2, len(c.post)), np.nan)
        for name in protocol.rules:
            for branch, of in enumerate(fits):
                whole[:, branch, of_projection(c, name)] = getattr(of[name], part)[index]
        arrays = c.shaped(whole)
        return {name: arrays[name] for name in protocol.rules}

    tau, log_errors = each("tau"), each("errors", 1)
    return CorrelationSensors(
        ids=ids,
        amplitude=each("amplitude"),
        amplitude_errors=each("errors", 0),
        tau=tau,
        tau_errors={name: tau[name] * error for name, error in log_errors.items()},
        covariance=each("covariance"),
        offset=each("offset"),
        offset_errors=each("errors", 2),
        noise=each("noise"),
        freedom=each("freedom"),
        windows={name: (rule.causal, rule.anticausal) for name, rule in protocol.rules.items()},
        provenance=provenance,
    )
