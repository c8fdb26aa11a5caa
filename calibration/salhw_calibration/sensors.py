"""Correlation sensors: what each synapse makes of spike pairs, measured through ``Session`` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

from salhw.backend import Session
from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.compile.pipeline import compile
from salhw.fields import FloatArray
from salhw.network import Network
from salhw.neurons import GLM
from salhw.paths import BRANCHES
from salhw.plasticity import PairSTDP, Window
from salhw.recording import Recording
from salhw.refusal import number
from salhw.target import Range, Target
from salhw_calibration.circuit import Circuit, circuit
from salhw_calibration.measuring import Progress, path_of, refused, without_plasticity
from salhw_calibration.pair_fit import Fit, Listed, Trains, fit, listed, of_projection, shape_and_slope
from salhw_calibration.results import instance_ids

FINEST = 0.2  # ms: on a substrate without steps pairs are closer than the description's
PAIRS = 36.0  # per update, at distance 0, that measurements aim at
HEADROOM = 2.5  # of a weight, at most, where the target's range is wider
LEVELS = ((2.0, 0.19), (-1.6, 0.75), (-6.0, 0.06))
"""Biases and their shares of the recording. Short lags and long ones tell amplitude from time constant: at a bias of 2
neurons spike every 11 ms, at -1.6 some 17 times per second (which with these shares is about the best there is); the
last one is silence, which tells the offset."""
SILENT = 3  # one silent update for so many others, and at least twice that number
PILOT = 0.02  # share of the recording that counts pairs without learning, so that updates hold as many as they can


@dataclass(frozen=True, eq=False)
class Lags:
    """How often which lag occurs: ``lag`` in ms, ``share`` in any unit."""

    lag: FloatArray
    share: FloatArray


@dataclass(frozen=True, eq=False)
class CorrelationSensors:
    """What synapses make of pairs, per plastic projection, (instance, branch, post, pre), the causal branch first. NaN
    where there is no synapse, or where the pairs do not tell.

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

        return np.asarray(t.ppf(0.5 + level / 2, np.maximum(self.freedom[projection], 1.0)))

    def efficacy(self, projection: str, lags: Lags) -> tuple[FloatArray, FloatArray]:
        """What pairs with these lags add up to, over what they should, and its standard error, (instance, branch, post,
        pre).

        The one number by which an amplitude can be corrected, because the time constant of a sensor is what it is: with
        the amplitude divided by it, all synapses and branches make the same of these pairs.
        """
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
    plan, found = _Plan.of(exe), {}
    with plan.compiled().open(chips=chips, seed=seed) as session:
        trains = Trains(plan.circuit, [session.run(plan.whole(duration))])
    for name, rule in plan.rules.items():
        every = [listed(plan.circuit, trains, b, name, rule, side) for b in range(trains.instances) for side in (0, 1)]
        lag, where = np.unique(np.concatenate([pairs.lag for pairs in every]), return_inverse=True)
        share = np.bincount(where, np.concatenate([pairs.share for pairs in every]), minlength=len(lag))
        found[name] = Lags(lag, share.astype(np.float64))
    return found


def correlation_sensors(
    exe: Executable,
    *,
    chips: Sequence[Chip] | None = None,
    instances: int | Sequence[int] | None = None,
    duration: float,
    seed: int = 0,
    progress: Progress | None = None,
) -> CorrelationSensors:
    """Measure amplitude and time constant of both branches of every plastic synapse, offset and noise of an update.

    The neurons and synapses of ``exe`` are compiled with a rule that has one branch at a time, a large learning rate
    and long periods. GLM neurons spike by themselves at three biases, one after the other; weights start from zero (or
    the least there is) before every update, and are read after it. The changes are regressed on the pairs that were
    *recorded*: it does not matter who spiked when, or why. Updates whose pairs come near the end of a weight's range do
    not count. A calibrated executable is measured as it is, corrections included.

    Args:
        exe: the network on its target; ``exe`` and its sessions stay untouched.
        chips, instances: where to measure, one result each; see ``Executable.open``.
        duration: biological time in ms of the whole measurement.
        seed: of the trial-to-trial randomness.
        progress: called with the share that is done, between 0 and 1.

    Raises:
        MeasurementError: no plastic projection, or one with several rules.
        UnsupportedNetworkError: the target does not learn by one branch alone, or cannot record spikes.
        SessionError: chips, instances or duration that do not fit.
    """
    plan = _Plan.of(exe)
    places: dict[str, Any] = {"chips": chips, "instances": instances}
    with plan.compiled().open(**places, seed=seed) as session:
        rates = plan.pilot(session, PILOT * duration)
    done = PILOT
    fits: list[dict[str, Fit]] = []
    provenance: Mapping[str, Any] = {}
    for branch in range(2):
        blocks: list[_Block] = []
        for k, (bias, part) in enumerate(LEVELS):
            share = 0.5 * (1.0 - PILOT) * part
            count = plan.updates(share * duration * rates[k] if k < len(rates) else None, blocks)
            active = plan.whole(share * duration / count)
            made = plan.compiled(branch, plan.allowed(active))
            with made.open(**places, seed=seed + 1 + k + len(LEVELS) * branch) as session:
                blocks.append(_block(plan, session, bias, active, plan.period(made, active), count))
            provenance = blocks[-1].provenance
            done += share
            if progress is not None:
                progress(min(done, 1.0))
        fits.append({name: _fitted(plan, blocks, name, branch) for name in plan.rules})
    about = {**provenance, "duration_ms": duration, "source_hash": exe.source.content_hash}
    return _result(plan, fits, instance_ids(chips, instances), about)


@dataclass(frozen=True, eq=False)
class _Plan:
    """How to measure: the network without its ``rules`` (by projection), the weight to start from, the learning rate of
    a pair, and how many pairs a weight has room for."""

    exe: Executable
    rules: Mapping[str, PairSTDP]
    circuit: Circuit
    base: float
    rate: float
    room: float

    @classmethod
    def of(cls, exe: Executable) -> _Plan:
        rules = {}
        for p in exe.source.projections:
            if len(p.plasticity) > 1:
                path, asked = f"projections.{p.name}.plasticity", f"{len(p.plasticity)} rules"
                raise refused("SAL804", path, asked, "one rule", "measure a network with one of them")
            if p.plasticity:
                rules[p.name] = p.plasticity[0]
        if not rules:
            raise refused("SAL804", "projections", "no plasticity", "a projection that learns", "add a rule")
        limits, rates = (
            exe.target.projections.get("weights"),
            exe.target.plasticity.get("PairSTDP", {}).get("learning_rate"),
        )
        low, high = (limits.min, limits.max) if isinstance(limits, Range) else (-HEADROOM, HEADROOM)
        base = 0.0 if low <= 0.0 < high else low
        room = min(high - base, HEADROOM)
        most = 0.95 * rates.max * _least(exe, rules) if isinstance(rates, Range) else np.inf
        rate = min(most, room / (2.0 * PAIRS))
        net = _on_fine_grid(without_plasticity(exe.source), exe.target)
        return cls(exe, rules, circuit(net), base, rate, room / rate)

    def whole(self, period: float) -> float:
        """The nearest number of whole steps of the description, in ms."""
        dt = self.exe.source.dt
        return float(number(max(1, round(period / dt)) * dt))

    def allowed(self, period: float) -> float:
        """The nearest period that the target's rule declares."""
        limits = self.exe.target.plasticity.get("PairSTDP", {}).get("every")
        return period if not isinstance(limits, Range) else self.whole(float(np.clip(period, limits.min, limits.max)))

    def compiled(self, branch: int | None = None, period: float = 1.0) -> Executable:
        """The network with one branch, or without rules."""
        net = self.circuit.net
        if branch is not None:
            rules = {name: self._alone(rule, branch, period) for name, rule in self.rules.items()}
            net = net.replace(projections=[p.replace(plasticity=rules.get(p.name, ())) for p in net.projections])
        target = self.exe.target.replace(weight_scales={})  # these suit the described weights
        return compile(net, target, plugin=self.exe.plugin, calibration=self.exe.calibration)

    def _alone(self, rule: PairSTDP, branch: int, period: float) -> PairSTDP:
        """A rule with one of its branches, of amplitude 1."""
        schedules = self.exe.target.plasticity.get(rule.kind, {}).get("update", ())
        every = isinstance(schedules, tuple) and "every" in schedules
        update = f"every {number(period)} ms" if every else "spike" if rule.period else rule.update
        sides = {side: getattr(rule, side).replace(amplitude=float(k == branch)) for k, side in enumerate(BRANCHES)}
        return rule.replace(**sides, learning_rate=self.rate, update=update, bounds=None)

    @staticmethod
    def period(made: Executable, asked: float) -> float:
        """Of the updates; a target may have lengthened what was asked for."""
        found = (rule.period for p in made.network.projections for rule in p.plasticity)
        return max((period for period in found if period is not None), default=asked)

    def updates(self, pairs: float | None, before: Sequence[_Block]) -> int:
        """How many updates share so many pairs; of silence (None), in proportion to those before."""
        if pairs is not None:
            return max(2, ceil(pairs / PAIRS))
        active = sum(int(next(iter(block.change.values())).shape[1]) for block in before)
        return max(2 * SILENT, ceil(active / SILENT))

    def drive(self, session: Session, bias: float) -> None:
        """All GLM neurons at one bias, or at the target's limit."""
        limits = self.exe.target.neurons.get("GLM", {}).get("bias")
        held = float(np.clip(bias, limits.min, limits.max)) if isinstance(limits, Range) else bias
        for p in self.exe.source.populations:
            if isinstance(p.neuron, GLM):
                session.set(f"populations.{p.name}.bias", held)

    def start(self, session: Session) -> dict[str, FloatArray]:
        """Put the weights where updates begin, and return what is held, (instance, synapse) per projection."""
        for name in self.rules:
            session.set(self._path(name), self.base)
        return self.held(session)

    def held(self, session: Session) -> dict[str, FloatArray]:
        """The plastic weights, (instance, synapse) per projection."""
        found = {}
        for name in self.rules:
            whole = session.get(self._path(name))
            position = self.circuit.position[of_projection(self.circuit, name)]
            found[name] = whole.reshape(len(whole), -1)[:, position]
        return found

    def _path(self, name: str) -> str:
        return path_of(self.exe.source.projection(name))

    def pilot(self, session: Session, duration: float) -> list[float]:
        """Causal pairs per ms of the busier synapses, in units of one at distance 0, at each bias but the last."""
        rates = []
        self.start(session)
        for bias, _ in LEVELS[:-1]:
            self.drive(session, bias)
            steps = self.whole(duration / (len(LEVELS) - 1))
            trains, most = Trains(self.circuit, [session.run(steps)]), 0.0
            for name, rule in self.rules.items():
                for b in range(trains.instances):
                    pairs = listed(self.circuit, trains, b, name, rule, 0)
                    size = np.bincount(pairs.synapse, pairs.share * rule.causal.shape(pairs.lag))
                    most = max(most, float(np.quantile(size, 0.9)) if len(size) else 0.0)
            rates.append(most / steps)
        return rates


def _least(exe: Executable, rules: Mapping[str, PairSTDP]) -> float:
    """The least share of a learning rate that a calibrated session lets through: it divides by the gain and by the
    efficacy of each branch, and the target's limit is one for the product."""
    maps = exe.calibration.maps(exe, exe.calibration.ids) if exe.calibration else {}
    scales = {path: correction.scale for path, correction in maps.items()}
    stems = [f"projections.{name}.plasticity" for name in rules]
    one = np.ones(1)
    products = (
        float((scales.get(f"{stem}.learning_rate", one) * scales.get(f"{stem}.{branch}.amplitude", one)).min())
        for stem in stems for branch in BRANCHES
    )  # fmt: skip
    return min(1.0, *products)


def _on_fine_grid(net: Network, target: Target) -> Network:
    """Recordings as fine as FINEST, where a substrate without steps offers it."""
    finest, limits = net.dt / ceil(net.dt / FINEST - 1e-9), target.network.get("dt")
    fine = target.speed_up is not None and isinstance(limits, Range) and limits.min <= finest
    return net.replace(dt=finest) if fine else net


@dataclass(frozen=True, eq=False)
class _Block:
    """Updates of one ``period``: how much weights changed, in pairs, (instance, update, synapse) per projection, and
    the spikes meanwhile."""

    change: Mapping[str, FloatArray]
    trains: Trains
    period: float
    provenance: Mapping[str, Any]


def _block(plan: _Plan, session: Session, bias: float, active: float, period: float, count: int) -> _Block:
    """One update after the other, from the same weights; neurons are silent between ``active`` and ``period``."""
    recordings: list[Recording] = []
    moved: dict[str, list[FloatArray]] = {name: [] for name in plan.rules}
    for _ in range(count):
        before = plan.start(session)
        plan.drive(session, bias)
        recordings.append(session.run(active))
        if period > active:
            plan.drive(session, LEVELS[-1][0])
            recordings.append(session.run(plan.whole(period - active)))
        for name, after in plan.held(session).items():
            moved[name].append((after - before[name]) / plan.rate)
    change = {name: np.stack(values, axis=1) for name, values in moved.items()}
    return _Block(change, Trains(plan.circuit, recordings), period, recordings[-1].provenance)


def _fitted(plan: _Plan, blocks: Sequence[_Block], name: str, branch: int) -> Fit:
    """One branch of a projection, (instance, synapse) or (3, instance, synapse)."""
    rule, c, fits = plan.rules[name], plan.circuit, []
    counts = [block.change[name].shape[1] for block in blocks]
    first, session = np.cumsum([0, *counts]), np.repeat(np.arange(len(blocks)), counts)
    for b in range(blocks[0].trains.instances):
        found = [listed(c, block.trains, b, name, rule, branch) for block in blocks]
        update = [first[k] + found[k].at // round(block.period / c.net.dt) for k, block in enumerate(blocks)]
        parts = ("synapse", "lag", "share", "at")
        pairs = Listed(*(np.concatenate([getattr(x, part) for x in found]) for part in parts))
        change = np.concatenate([block.change[name][b] for block in blocks])
        fits.append(fit(getattr(rule, BRANCHES[branch]), change, session, np.concatenate(update), pairs, plan.room))
    return Fit(
        *(np.stack([getattr(x, part) for x in fits], axis=-2) for part in
          ("amplitude", "tau", "offset", "errors", "covariance", "noise", "freedom"))
    )  # fmt: skip


def _result(
    plan: _Plan, fits: Sequence[Mapping[str, Fit]], ids: tuple[int, ...], provenance: Mapping[str, Any]
) -> CorrelationSensors:
    c = plan.circuit

    def each(part: str, *index: int) -> dict[str, FloatArray]:
        found = {}
        for name in plan.rules:
            whole = np.full((len(ids), 2, len(c.post)), np.nan)
            for branch, of in enumerate(fits):
                whole[:, branch, of_projection(c, name)] = getattr(of[name], part)[index]
            found[name] = c.matrices(whole)[name]
        return found

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
        windows={name: (rule.causal, rule.anticausal) for name, rule in plan.rules.items()},
        provenance=provenance,
    )
