"""Wrong backends: each is the reference with one realistic bug in its dynamics.

Most bugs are a wrong network that is run rightly (``Mutant.change``, applied when the description is lowered); the
others tamper with a session (``Mutant.wrap``). ``caught_by`` are the checks that must fail, the one whose name says
what is wrong among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import salhw_reference
from salhw import (
    GLM,
    LIF,
    AllToAll,
    Alpha,
    Boxcar,
    Chip,
    Dense,
    Executable,
    Exponential,
    ExponentialTrace,
    ExponentialWindow,
    Network,
    OneToOne,
    PairSTDP,
    Poisson,
    Population,
    PredictiveRule,
    Projection,
    Recording,
    Rectangular,
    Session,
    Sparse,
    Spikes,
    Target,
    Teacher,
    Tie,
    Trace,
    TriangularWindow,
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


def each_prediction(change: Callable[[PredictiveRule], dict[str, Any]]) -> Change:
    """Fields of every rule that predicts."""

    def of(rule: Any) -> Any:
        return rule.replace(**change(rule)) if isinstance(rule, PredictiveRule) else rule

    return each_projection(lambda p, _: p.replace(plasticity=tuple(map(of, p.plasticity))))


def each_teacher(change: Callable[[Teacher], dict[str, Any]]) -> Change:
    """Fields of every teacher."""

    def of(s: Any) -> Any:
        return s.replace(**change(s)) if isinstance(s, Teacher) else s

    return lambda net: net.replace(stimuli=tuple(map(of, net.stimuli)))


def each_tie(change: Callable[[Tie], dict[str, Any]]) -> Change:
    """Fields of every tie."""
    return lambda net: net.replace(ties=[tie.replace(**change(tie)) for tie in net.ties])


def each_projection(change: Callable[[Projection, float], Projection]) -> Change:
    """Every projection, from itself and dt."""
    return lambda net: net.replace(projections=tuple(change(p, net.dt) for p in net.projections))


def each_kernel(kind: type, change: Callable[[Any, float], Any]) -> Change:
    """Every kernel of one kind."""
    return each_projection(lambda p, dt: p.replace(kernel=change(p.kernel, dt)) if isinstance(p.kernel, kind) else p)


def each_rule(change: Callable[[PairSTDP], PairSTDP]) -> Change:
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
    def changed(net: Network) -> Network:
        def of(s: Any) -> Any:
            return s.replace(rate=rate(s.rate, net.dt / 1000.0)) if isinstance(s, Poisson) else s

        return net.replace(stimuli=tuple(map(of, net.stimuli)))

    return changed


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


# ---------------------------------------------------------------- the bugs


def mutant(name: str, caught_by: str, change: Change = lambda net: net, **fields: Any) -> Mutant:
    return Mutant(name, frozenset(caught_by.split()), change, **fields)


MUTANTS: list[Mutant] = [
    # neurons
    mutant(
        "refractory period one step long",
        "smallest-interval transfer-function",
        each_neuron(GLM, lambda n, dt: {"tau_ref": n.tau_ref + dt}),
    ),
    mutant(
        "refractory period one step short",
        "smallest-interval",
        each_neuron(GLM, lambda n, dt: {"tau_ref": max(dt, n.tau_ref - dt)}),
    ),
    mutant("hazard of half the slope", "transfer-function psp-shape", half_slope),
    mutant(
        "logistic taken for exact",
        "discretisation transfer-function",
        each_neuron(GLM, lambda n, dt: {"discretisation": "logistic"}),
    ),
    mutant(
        "exact taken for logistic",
        "discretisation transfer-function",
        each_neuron(GLM, lambda n, dt: {"discretisation": "exact"}),
    ),
    mutant(
        "bias of the wrong neuron",
        "bias-order",
        each_neuron(GLM, lambda n, dt: {"bias": np.roll(n.bias, 1) if np.ndim(n.bias) else n.bias}),
    ),
    mutant("bias of the wrong population", "bias-order", first_bias_for_all),
    mutant(
        "membrane time constant 10 % off", "lif-intervals", each_neuron(LIF, lambda n, dt: {"tau_m": 1.1 * n.tau_m})
    ),
    mutant(
        "LIF refractory period one step long",
        "lif-intervals",
        each_neuron(LIF, lambda n, dt: {"tau_ref": n.tau_ref + dt}),
    ),
    mutant("neurons share random numbers", "unconnected-neurons-independent", wrap=SharedRandomNumbers),
    mutant("crosstalk between neurons", "unconnected-neurons-independent", crosstalk),
    # sources
    mutant("Poisson rate in kHz", "poisson-rate", poisson(lambda r, dt: 1000.0 * r)),
    mutant("Poisson rate dt taken for the probability", "poisson-rate", poisson(lambda r, dt: -np.log1p(-r * dt) / dt)),
    # synapses
    mutant("weights transposed", "weight-orientation", each_projection(transposed)),
    mutant("post and pre of sparse synapses swapped", "weight-orientation", each_projection(ends_swapped)),
    mutant("sign of inhibitory weights lost", "psp-sign", each_weight(np.abs)),
    mutant("negative weights dropped", "psp-sign", each_weight(lambda w: np.maximum(w, 0.0))),
    mutant(
        "PSP one step short",
        "psp-length psp-shape",
        each_kernel(Rectangular, lambda k, dt: k.replace(tau_syn=k.tau_syn - dt, area=k.height * (k.tau_syn - dt))),
    ),
    mutant(
        "PSP one step long",
        "psp-length psp-shape",
        each_kernel(Rectangular, lambda k, dt: k.replace(tau_syn=k.tau_syn + dt, area=k.height * (k.tau_syn + dt))),
    ),
    mutant("PSP one step late", "psp-delay psp-shape", each_projection(lambda p, dt: p.replace(delay=p.delay + dt))),
    mutant("delay ignored", "psp-delay", each_projection(lambda p, _: p.replace(delay=0.0))),
    mutant(
        "delay one step short",
        "psp-delay",
        each_projection(lambda p, dt: p.replace(delay=max(0.0, p.delay - dt))),
    ),
    mutant(
        "kernel area not applied",
        "psp-area",
        each_projection(lambda p, _: p.replace(kernel=p.kernel.replace(area=None))),
    ),
    mutant(
        "PSPs always add up",
        "psp-superposition",
        each_projection(lambda p, _: p.replace(kernel=p.kernel.replace(superposition="sum"))),
    ),
    mutant(
        "PSPs never add up",
        "psp-superposition",
        each_projection(lambda p, _: p.replace(kernel=p.kernel.replace(superposition="last"))),
    ),
    mutant(
        "alpha PSP taken for exponential",
        "psp-shape",
        each_kernel(Alpha, lambda k, _: Exponential(tau_syn=k.tau_syn, area=k.area, superposition=k.superposition)),
    ),
    mutant("weights 10 % too strong", "psp-shape", each_weight(lambda w: 1.1 * w)),
    mutant("gain of a named input ignored", "input-gains", each_input(lambda gains: dict.fromkeys(gains, 1.0))),
    mutant(
        "gain of another input",
        "input-gains",
        each_input(lambda gains: dict(zip(gains, reversed(gains.values()), strict=True))),
    ),
    mutant("written gains do nothing", "input-gains", wrap=WrittenGainsLost),
    # traces
    mutant("boxcar one step long", "trace-values", each_average(Boxcar, lambda b, dt: {"duration": b.duration + dt})),
    mutant(
        "trace with the wrong time constant",
        "trace-values",
        each_average(ExponentialTrace, lambda w, _: {"tau": 1.1 * w.tau}),
    ),
    mutant(
        "gain counted in the trace of a named input",
        "trace-values",
        each_trace(lambda t, _: {"of": t.quantity}),
    ),
    mutant(
        "trace of inputs taken for the membrane",
        "trace-values",
        each_trace(lambda t, _: {"of": "membrane" if t.of == "inputs" else t.of}),
    ),
    # predictions, teachers and ties
    mutant(
        "teacher and prediction swapped",
        "predictive-rule",
        each_prediction(lambda r: {"teacher": r.prediction, "prediction": r.teacher}),
    ),
    mutant("exponential link taken for logistic", "predictive-rule", each_prediction(lambda _: {"link": "logistic"})),
    mutant(
        "presynaptic spikes of a period counted once each",
        "predictive-rule",
        each_prediction(lambda r: {"update": "spike"}),
    ),
    mutant("target of a teacher 10 % off", "teacher-nudges", each_teacher(lambda s: {"target": 1.1 * s.target})),
    mutant(
        "a teacher sees the mean of all times", "teacher-nudges", each_trace(lambda _, dt: {"window": Boxcar(1e6 * dt)})
    ),
    mutant("written targets do nothing", "teacher-nudges", wrap=WrittenTargetsLost),
    mutant("scale of a tie ignored", "ties-copy", each_tie(lambda _: {"scale": 1.0})),
    mutant("transposition of a tie ignored", "ties-copy", each_tie(lambda _: {"transpose": False})),
    mutant("copies made once", "ties-copy", each_tie(lambda _: {"every": 1e9})),
    # plasticity
    mutant(
        "causal and anticausal swapped",
        "causal-branch stdp-window-amplitude",
        each_rule(lambda r: r.replace(causal=r.anticausal, anticausal=r.causal)),
    ),
    mutant(
        "anticausal branch missing",
        "causal-branch sal-conserves-the-sum",
        each_window(lambda w: w.replace(amplitude=0.0), ["anticausal"]),
    ),
    mutant(
        "window amplitude 10 % off",
        "stdp-window-amplitude",
        each_window(
            lambda w: w.replace(amplitude=1.1 * np.asarray(w.amplitude) if np.ndim(w.amplitude) else 1.1 * w.amplitude)
        ),
    ),
    mutant("window tau 15 % off", "stdp-window-tau", each_window(lambda w: w.replace(tau=1.15 * w.tau))),
    mutant(
        "one tau for both branches",
        "stdp-window-tau",
        each_rule(lambda r: r.replace(anticausal=r.anticausal.replace(tau=r.causal.tau))),
    ),
    mutant(
        "triangular window taken for exponential",
        "stdp-window-shape",
        each_window(
            lambda w: ExponentialWindow(amplitude=w.amplitude, tau=w.tau) if isinstance(w, TriangularWindow) else w
        ),
    ),
    mutant("all pairs instead of nearest", "pairing-scheme", each_rule(lambda r: r.replace(pairing="all"))),
    mutant(
        "nearest_restricted taken for nearest_symmetric",
        "pairing-scheme",
        paired_off("nearest_symmetric", "nearest_restricted"),
    ),
    mutant(
        "nearest_symmetric taken for nearest_restricted",
        "pairing-scheme",
        paired_off("nearest_restricted", "nearest_symmetric"),
    ),
    mutant("coincident pairs counted once", "coincident-pairs", recorded, wrap=CoincidencesOnce),
    mutant(
        "learning rate per pre instead of per post",
        "learning-rate-per-synapse",
        each_rule(lambda r: r.replace(learning_rate=per_neuron(r.learning_rate))),
    ),
    mutant(
        "one learning rate for all synapses",
        "learning-rate-per-synapse",
        each_rule(lambda r: r.replace(learning_rate=averaged(r.learning_rate))),
    ),
    mutant("weights cannot change sign", "sal-converges sal-converges-one-sided", wrap=SignsKept),
    mutant("only the first projection learns", "sal-conserves-the-sum", forgotten_rule),
]
"""Every one must be caught, by every check that it names."""
