"""What makes a backend wrong: networks that are changed before the reference runs them, and sessions that tamper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import salhw_reference
from salhw import (
    GLM,
    AllToAll,
    Chip,
    Dense,
    Executable,
    Network,
    OneToOne,
    Poisson,
    Population,
    PredictiveRule,
    Projection,
    Recording,
    Session,
    Sparse,
    Spikes,
    Target,
    Teacher,
    Tie,
    Trace,
)
from salhw.session.lowering import Lowering

Change = Callable[[Network], Network]


@dataclass(frozen=True)
class WrongBackend:
    """The reference, but for one bug."""

    change: Change
    wrap: Callable[[Session, Executable], Session] | None = None
    name: str = "reference"

    def targets(self) -> Mapping[str, Target]:
        return salhw_reference.backend.targets()

    def lower(self, net: Network, target: Target) -> Lowering:
        return salhw_reference.backend.lower(self.change(net), target)

    def open(self, executable: Executable, *, chips: Sequence[Chip], ids: Sequence[int], seed: int) -> Session:
        session = salhw_reference.backend.open(executable, chips=chips, ids=ids, seed=seed)
        return self.wrap(session, executable) if self.wrap else session


@dataclass(frozen=True)
class Mutant:
    """One bug."""

    name: str
    caught_by: frozenset[str]
    change: Change = lambda net: net
    wrap: Callable[[Session, Executable], Session] | None = None

    def factory(self) -> WrongBackend:
        """A backend that has it."""
        return WrongBackend(self.change, self.wrap)


# ---------------------------------------------------------------- wrong networks


def each_neuron(kind: type, change: Callable[[Any, float], dict[str, Any]]) -> Change:
    """Fields of every neuron of one model, from the neuron and dt."""

    def changed(net: Network) -> Network:
        def of(p: Population) -> Population:
            return p.replace(neuron=p.neuron.replace(**change(p.neuron, net.dt))) if isinstance(p.neuron, kind) else p

        return net.replace(populations=tuple(map(of, net.populations)))

    return changed


def each_input(change: Callable[[dict[str, float]], dict[str, float]]) -> Change:
    """The gains of the named inputs of every neuron."""
    return each_neuron(GLM, lambda n, _: {"inputs": change(n.inputs)})


def each_trace(change: Callable[[Trace, float], dict[str, Any]]) -> Change:
    """Fields of every trace, from the trace and dt."""
    return lambda net: net.replace(traces=[t.replace(**change(t, net.dt)) for t in net.traces])


def each_average(kind: type, change: Callable[[Any, float], dict[str, Any]]) -> Change:
    """Fields of every trace's window of one kind."""

    def of(t: Trace, dt: float) -> dict[str, Any]:
        return {"window": t.window.replace(**change(t.window, dt))} if isinstance(t.window, kind) else {}

    return each_trace(of)


def each_rule_of(kind: type, change: Callable[[Any], dict[str, Any]]) -> Change:
    """Fields of every rule of one kind."""
    return each_rule(lambda rule: rule.replace(**change(rule)) if isinstance(rule, kind) else rule)


def each_prediction(change: Callable[[PredictiveRule], dict[str, Any]]) -> Change:
    """Fields of every rule that predicts."""
    return each_rule_of(PredictiveRule, change)


def each_stimulus(kind: type, change: Callable[[Any, float], dict[str, Any]]) -> Change:
    """Fields of every stimulus of one kind, from the stimulus and dt."""

    def changed(net: Network) -> Network:
        return net.replace(stimuli=[s.replace(**change(s, net.dt)) if isinstance(s, kind) else s for s in net.stimuli])

    return changed


def each_teacher(change: Callable[[Teacher], dict[str, Any]]) -> Change:
    """Fields of every teacher."""
    return each_stimulus(Teacher, lambda s, _: change(s))


def each_tie(change: Callable[[Tie], dict[str, Any]]) -> Change:
    """Fields of every tie."""
    return lambda net: net.replace(ties=[tie.replace(**change(tie)) for tie in net.ties])


def each_projection(change: Callable[[Projection, float], Projection]) -> Change:
    """Every projection, from itself and dt."""
    return lambda net: net.replace(projections=tuple(change(p, net.dt) for p in net.projections))


def each_kernel(kind: type, change: Callable[[Any, float], Any]) -> Change:
    """Every kernel of one kind."""
    return each_projection(lambda p, dt: p.replace(kernel=change(p.kernel, dt)) if isinstance(p.kernel, kind) else p)


def each_rule(change: Callable[[Any], Any]) -> Change:
    """Every plasticity rule."""
    return each_projection(lambda p, _: p.replace(plasticity=tuple(map(change, p.plasticity))))


def each_window(change: Callable[[Any], Any], branches: Sequence[str] = ("causal", "anticausal")) -> Change:
    """The windows of every rule."""
    return each_rule(lambda rule: rule.replace(**{b: change(getattr(rule, b)) for b in branches}))


def each_weight(change: Callable[[Any], Any]) -> Change:
    """Every weight, in whatever form."""

    def of(p: Projection, _: float) -> Projection:
        field = "values" if isinstance(p.weights, Dense) else "weight"
        return p.replace(weights=p.weights.replace(**{field: change(getattr(p.weights, field))}))

    return each_projection(of)


def transposed(p: Projection, _: float) -> Projection:
    if isinstance(p.weights, Dense) and p.weights.values.shape[0] == p.weights.values.shape[1]:
        return p.replace(weights=Dense(values=p.weights.values.T))
    return p


def ends_swapped(p: Projection, _: float) -> Projection:
    if isinstance(p.weights, Sparse):
        return p.replace(weights=Sparse(post=p.weights.pre, pre=p.weights.post, weight=p.weights.weight))
    return p


def poisson(rate: Callable[[Any, float], Any]) -> Change:
    """The rate of every Poisson stimulus, from the rate and dt in seconds."""
    return each_stimulus(Poisson, lambda s, dt: {"rate": rate(s.rate, dt / 1000.0)})


def half_slope(net: Network) -> Network:
    net = each_neuron(GLM, lambda n, dt: {"bias": 0.5 * np.asarray(n.bias) if np.ndim(n.bias) else 0.5 * n.bias})(net)
    fixed = each_weight(lambda w: w * 0.5)(net)
    kept = [b if b.plasticity else a for a, b in zip(fixed.projections, net.projections, strict=True)]
    return net.replace(projections=tuple(kept))


def paired_off(scheme: str, instead: str) -> Change:
    return each_rule(lambda rule: rule.replace(pairing=instead) if rule.pairing == scheme else rule)


def forgotten_rule(net: Network) -> Network:
    """Only the first of several plastic projections learns."""
    first, *others = net.projections or (None,)
    return net.replace(projections=(first, *(p.replace(plasticity=()) for p in others))) if others else net


def per_neuron(rate: Any) -> Any:
    return rate.T if np.ndim(rate) == 2 and rate.shape[0] == rate.shape[1] else rate


def averaged(rate: Any) -> Any:
    return float(np.mean(rate))


def first_bias_for_all(net: Network) -> Network:
    """The bias array of the first population is read again from its beginning for the next one."""
    if len(net.populations) < 2 or not all(isinstance(p.neuron, GLM) for p in net.populations):
        return net
    flat = [np.broadcast_to(p.neuron.bias, p.size) for p in net.populations]  # type: ignore[union-attr]
    first, populations = flat[0], []
    for p in net.populations:
        populations.append(p.replace(neuron=p.neuron.replace(bias=np.resize(first, p.size))))
    return net.replace(populations=tuple(populations))


def crosstalk(net: Network) -> Network:
    """Neurons of a population that has no synapses at all hear each other."""
    if net.projections:
        return net
    heard = [
        Projection(name=f"crosstalk_{p.name}", pre=p.name, post=p.name, weights=AllToAll(weight=0.4))
        for p in net.populations
        if p.size > 1
    ]
    return net.replace(projections=tuple(heard))


# ---------------------------------------------------------------- sessions that tamper


class Tampering:
    """A session that passes everything on."""

    def __init__(self, session: Session, executable: Executable) -> None:
        self.session, self.executable = session, executable

    def run(self, duration: float) -> Recording:
        return self.tamper(self.session.run(duration))

    def tamper(self, recording: Recording) -> Recording:
        return recording

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def __enter__(self) -> Tampering:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()


class SharedRandomNumbers(Tampering):
    """Unconnected neurons 2k and 2k + 1 of a population are given the same random numbers."""

    def tamper(self, recording: Recording) -> Recording:
        if self.executable.network.projections or self.executable.network.stimuli:
            return recording
        spikes = {}
        for name, trains in recording.spikes.items():
            even = trains.neuron % 2 == 0
            instance, neuron, time = (x[even] for x in (trains.instance, trains.neuron, trains.time))
            twin = neuron + 1 < trains.size
            both = [np.concatenate([a, b[twin]]) for a, b in ((instance, instance), (neuron, neuron + 1), (time, time))]
            order = np.lexsort((both[1], both[2], both[0]))
            fields = dict(zip(("instance", "neuron", "time"), (x[order] for x in both), strict=True))
            spikes[name] = replace(trains, **fields)
        return replace(recording, spikes=spikes)


class CoincidencesOnce(Tampering):
    """A coincidence counts as causal, not as the mean of both branches (projections from neuron k to neuron k)."""

    def tamper(self, recording: Recording) -> Recording:
        net = self.executable.network
        for p in net.projections:
            if not p.plasticity or not isinstance(p.weights, OneToOne):
                continue
            (rule,) = p.plasticity
            pre, post = recording.spikes[p.pre], recording.spikes[p.post]
            both = np.array([len(np.intersect1d(pre.times(k), post.times(k))) for k in range(pre.size)])
            excess = 0.5 * (np.asarray(rule.causal.amplitude) - np.asarray(rule.anticausal.amplitude))
            path = f"projections.{p.name}.weights"
            self.session.set(path, self.session.get(path) + rule.learning_rate * excess * both)
        return recording


class WritesLost(Tampering):
    """What is written at some paths is read back, and does nothing."""

    about = ""

    def __init__(self, session: Session, executable: Executable) -> None:
        super().__init__(session, executable)
        self.written: dict[str, Any] = {}

    def set(self, path: str, value: Any) -> None:
        if self.about in path:
            self.written[path] = value
        else:
            self.session.set(path, value)

    def get(self, path: str) -> Any:
        return self.written[path] if path in self.written else self.session.get(path)


class WrittenGainsLost(WritesLost):
    about = ".inputs."


class WrittenTargetsLost(WritesLost):
    about = ".target"


class SignsKept(Tampering):
    """Learning stops where a weight would change its sign."""

    def __init__(self, session: Session, executable: Executable) -> None:
        super().__init__(session, executable)
        self.paths = [f"projections.{p.name}.weights" for p in executable.network.projections if p.plasticity]
        self.sign = {path: np.sign(session.get(path)) for path in self.paths}

    def tamper(self, recording: Recording) -> Recording:
        for path in self.paths:
            w = self.session.get(path)
            self.session.set(path, np.where(w * self.sign[path] < 0, 0.0, w))
        return recording


def recorded(net: Network) -> Network:
    """With the spikes of every population, for those who tamper."""
    have = {probe.population for probe in net.probes if isinstance(probe, Spikes)}
    return net.replace(probes=(*net.probes, *(Spikes(p.name) for p in net.populations if p.name not in have)))
