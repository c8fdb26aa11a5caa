"""How correlation sensors are measured: drives that make pairs, one branch of a rule at a time, update by update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Any

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.description.fields import FloatArray
from salhw.description.kinds import of_kind
from salhw.description.network import Network
from salhw.description.plasticity import PairSTDP
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.description.stimuli import SpikeTimes
from salhw.diagnostics.wording import number
from salhw.session.backend import Session
from salhw.session.executable import Executable
from salhw.session.recording import Recording
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target
from salhw_calibration.circuit import MeasuredCircuit, circuit
from salhw_calibration.kinds import stochastic
from salhw_calibration.measuring import path_of, refused, without_plasticity
from salhw_calibration.pair_fit import Trains, listed, of_projection
from salhw_calibration.volleys import Volleys, coloured

FINEST = 0.2  # ms: on a substrate without steps pairs are closer than the description's
PAIRS = 36.0  # per update, at distance 0, that measurements aim at
HEADROOM = 2.5  # of a weight, at most, where the target's range is wider
SILENT = 3  # one silent update for so many others, and at least twice that number


@dataclass(frozen=True)
class Drive:
    """What makes neurons spike for a ``share`` of the recording: their ``bias``, or volleys that are forced upon them,
    of lags ``near`` compared with a window's time constant, or far."""

    share: float
    bias: float
    near: bool | None = None


SILENCE = Drive(0.06, -6.0)  # tells the offset
SPONTANEOUS = (Drive(0.19, 2.0), Drive(0.75, -1.6), SILENCE)
"""Short lags and long ones tell amplitude from time constant: at a bias of 2 neurons spike every 11 ms, at -1.6 some 17
times per second (which with these shares is about the best there is)."""
FORCED = (Drive(0.19, SILENCE.bias, near=True), Drive(0.75, SILENCE.bias, near=False), SILENCE)


@dataclass(frozen=True, eq=False)
class SensorProtocol:
    """How to measure: the network without its ``rules`` (by projection), the ``drives``, the weight to start from, the
    learning rate of a pair, and how many pairs a weight has room for."""

    exe: Executable
    rules: Mapping[str, PairSTDP]
    circuit: MeasuredCircuit
    drives: tuple[Drive, ...]
    base: float
    rate: float
    room: float

    @classmethod
    def of(cls, exe: Executable, forced: bool = False) -> SensorProtocol:
        rules = {}
        for p in exe.source.projections:
            if len(p.plasticity) > 1:
                path, asked = f"projections.{p.name}.plasticity", f"{len(p.plasticity)} rules"
                raise refused("SAL804", path, asked, "one rule", "measure a network with one of them")
            if p.plasticity:
                rules[p.name] = of_kind(p.plasticity[0], PairSTDP, "the measurement of correlation sensors")
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
        drives = FORCED if forced else SPONTANEOUS
        return cls(exe, rules, circuit(net), drives, base, rate, room / rate)

    def whole(self, period: float) -> float:
        """The nearest number of whole steps of the description, in ms."""
        dt = self.exe.source.dt
        return float(number(max(1, round(period / dt)) * dt))

    def compiled(self, net: Network | None = None) -> Executable:
        """The network without rules, or with what was changed in it."""
        target = self.exe.target.replace(weight_scales={})  # these suit the described weights
        return compile(net or self.circuit.net, target, plugin=self.exe.plugin, calibration=self.exe.calibration)

    def learning(self, branch: int, drive: Drive, active: float, count: int, seed: int) -> tuple[Executable, float]:
        """The network with one branch and with what ``drive`` forces upon it in ``count`` updates; and their period,
        which a target may have made longer than they are ``active``."""
        limits, period = self.exe.target.plasticity.get("PairSTDP", {}).get("every"), active
        if isinstance(limits, Range):
            period = self.whole(float(np.clip(active, limits.min, limits.max)))
        rules = {name: self._alone(rule, branch, period) for name, rule in self.rules.items()}
        net = self.circuit.net
        net = net.replace(projections=[p.replace(plasticity=rules.get(p.name, ())) for p in net.projections])
        made = self.compiled(net)
        periods = (rule.period for p in made.network.projections for rule in p.plasticity)
        period = max((period for period in periods if period is not None), default=active)
        if self.drives is SPONTANEOUS:
            return made, period
        return self.compiled(self.forced(net, [(drive, k * period, active) for k in range(count)], seed)), period

    def _alone(self, rule: PairSTDP, branch: int, period: float) -> PairSTDP:
        """A rule with one of its branches, of amplitude 1. One that learns on the spike does so here, too, where the
        target has that: its periods may be too short to measure in."""
        schedules = self.exe.target.plasticity.get(rule.kind, {}).get("update", ())
        known = schedules if isinstance(schedules, tuple) else ()
        on_spike = "every" not in known or (rule.update == "spike" and "spike" in known)
        update = ("spike" if rule.period else rule.update) if on_spike else f"every {number(period)} ms"
        sides = {side: getattr(rule, side).replace(amplitude=float(k == branch)) for k, side in enumerate(BRANCHES)}
        return rule.replace(**sides, learning_rate=self.rate, update=update, bounds=None, reference=None)

    def forced(self, net: Network, parts: Sequence[tuple[Drive, float, float]], seed: int) -> Network:
        """A network whose neurons spike as ``parts`` say (a drive, its begin and its duration, in ms), if they learn or
        are learned from; nothing else acts on these."""
        c, random = self.circuit, np.random.default_rng(seed)
        learns = np.concatenate([of_projection(c, name) for name in self.rules])
        names = {end for name in self.rules for end in (net.projection(name).pre, net.projection(name).post)}
        rest = max(net.population(name).neuron.refractory_period or net.dt for name in names)
        taus = [window.tau for rule in self.rules.values() for window in (rule.causal, rule.anticausal)]
        colour = coloured(c.size, c.pre[learns], c.post[learns])
        steps = [np.zeros(0, dtype=np.int64)] * c.size
        for drive, group in groupby(parts, lambda part: part[0]):
            if drive.near is not None:
                volleys = Volleys.of(colour, drive.near, min(taus) if drive.near else max(taus), rest, net.dt)
                spans = [(round(begin / net.dt), round(active / net.dt)) for _, begin, active in group]
                more = volleys.trains([begin for begin, _ in spans], spans[0][1], random)
                steps = [np.concatenate(both) for both in zip(steps, more, strict=True)]
        trains = {name: [train * net.dt for train in steps[c.slice(name)]] for name in names}
        return net.replace(stimuli=[
            *(s for s in net.stimuli if s.population not in names),
            *(SpikeTimes(name, times) for name, times in trains.items()),
        ])  # fmt: skip

    def updates(self, pairs: float | None, before: Sequence[Block]) -> int:
        """How many updates share so many pairs; of silence (None), in proportion to those before."""
        if pairs is not None:
            return max(2, ceil(pairs / PAIRS))
        active = sum(int(next(iter(block.change.values())).shape[1]) for block in before)
        return max(2 * SILENT, ceil(active / SILENT))

    def drive(self, session: Session, bias: float) -> None:
        """All GLM neurons at one bias, or at the target's limit."""
        limits = self.exe.target.neurons.get("GLM", {}).get("bias")
        held = float(np.clip(bias, limits.min, limits.max)) if isinstance(limits, Range) else bias
        for p in stochastic(self.exe.source):
            session.set(f"populations.{p.name}.bias", held)

    def start(self, session: Session) -> dict[str, FloatArray]:
        """Put the weights where updates begin, and return what is held, (instance, synapse) per projection."""
        for name in self.rules:
            session.set(self._path(name), self.base)
        return self.held(session)

    def held(self, session: Session) -> dict[str, FloatArray]:
        """The plastic weights, (instance, synapse) per projection."""
        weights = {}
        for name in self.rules:
            whole = session.get(self._path(name))
            position = self.circuit.position[of_projection(self.circuit, name)]
            weights[name] = whole.reshape(len(whole), -1)[:, position]
        return weights

    def _path(self, name: str) -> str:
        return path_of(self.exe.source.projection(name))

    def pilot(self, places: Mapping[str, Any], duration: float, seed: int) -> list[float | None]:
        """Causal pairs per ms of the busier synapses, in units of one at distance 0, of each drive; None of silence.
        Nothing learns."""
        rates: list[float | None] = []
        loud = [drive for drive in self.drives if drive is not SILENCE]
        long = self.whole(duration / len(loud))
        net = self.circuit.net
        if self.drives is FORCED:
            net = self.forced(net, [(drive, k * long, long) for k, drive in enumerate(loud)], seed)
        with self.compiled(net).open(**places, seed=seed) as session:
            self.start(session)
            for drive in loud:
                self.drive(session, drive.bias)
                trains, most = Trains(self.circuit, [session.run(long)]), 0.0
                for name, rule in self.rules.items():
                    for b in range(trains.instances):
                        pairs = listed(self.circuit, trains, b, name, rule, 0)
                        size = np.bincount(pairs.synapse, pairs.share * rule.causal.shape(pairs.lag))
                        most = max(most, float(np.quantile(size, 0.9)) if len(size) else 0.0)
                rates.append(most / long)
        return [*rates, None]


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
class Block:
    """Updates of one ``period``: how much weights changed, in pairs, (instance, update, synapse) per projection, and
    the spikes meanwhile."""

    change: Mapping[str, FloatArray]
    trains: Trains
    period: float
    provenance: Mapping[str, Any]


def block(protocol: SensorProtocol, session: Session, drive: Drive, active: float, period: float, count: int) -> Block:
    """One update after the other, from the same weights; neurons are silent between ``active`` and ``period``."""
    recordings: list[Recording] = []
    moved: dict[str, list[FloatArray]] = {name: [] for name in protocol.rules}
    for _ in range(count):
        before = protocol.start(session)
        protocol.drive(session, drive.bias)
        recordings.append(session.run(active))
        if period > active:
            protocol.drive(session, SILENCE.bias)
            recordings.append(session.run(protocol.whole(period - active)))
        for name, after in protocol.held(session).items():
            moved[name].append((after - before[name]) / protocol.rate)
    change = {name: np.stack(values, axis=1) for name, values in moved.items()}
    return Block(change, Trains(protocol.circuit, recordings), period, recordings[-1].provenance)
