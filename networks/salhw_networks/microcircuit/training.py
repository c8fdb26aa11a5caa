"""Student and teacher (paper section 4.4.2): what microcircuits are shown, how they learn from it, and how well.

Many students learn at once, one per instance of a session, each from a start and with targets of its own. An epoch is
a number of training patterns, a SAL phase in which feedback weights are aligned, and validation patterns. Everything
goes through session calls, so that it is the same on every target that can hold the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from salhw import Calibration, Chip, Network, Recording, Session, Target, compile
from salhw.description.fields import FloatArray, IntArray
from salhw.description.plasticity import Pairing
from salhw.session.paths import addresses
from salhw.substrate.capabilities import Range
from salhw_networks.experiment import Arrays, Progress
from salhw_networks.microcircuit.network import APICAL, MEAN, RATES, TAU_REF, Method, Weights, chain, drawn, network

SETTLING = 50
"""Steps, each half of the way, in which mean activities settle."""


@dataclass(frozen=True)
class Protocol:
    """What is shown to a student in an epoch.

    Args:
        training, validation: the voltages that an input neuron can have.
        shown: training patterns in an epoch.
        draw: ``shuffled``: all patterns equally often, as far as ``shown`` allows; ``independent``: each drawn for
            itself.
        aligning: patterns of the SAL phase.
        align_input: what the input does meanwhile: the same as in ``training``, or nothing (``dark``).
        dark: voltage of an input that is silent; two spikes in a million steps, with -5 seven in a thousand.
        align_laterals: whether the interneurons act on the pyramidal cells meanwhile.
        nudged: in which other phases the teacher nudges the output: ``alignment``, ``validation``.
        pairing: which pairs of spikes SAL sees.
        chunk: ms between updates of forward weights on the host, over which potentials are then averaged; None: at
            every spike, averages over 2 s.
        align_update: when the target itself does SAL's updates; None: when, and where, the others are done.
        present, lag: ms for which a pattern is shown, and at whose beginning nothing is learned or measured.
        align_present, validate_present: ms for which one is shown in the SAL phase, and in validation; None: as long as
            in training.
        teaching: ms for which a teacher's potential is averaged for a pattern. 18 s are those of a student; after 200 s
            the noise of targets is a third of that of a student's mean.
        apical: gain of the apical and lateral input outside of the SAL phase, in which it is 1. The errors of hidden
            layers go with it, and their learning rates against it.
        speed, align_speed: Table 2's learning rates are multiplied by them, Eq 37's and SAL's.
        copied: in training copies of the feedback weights act, in the place of those that SAL aligns.
        tuning: ms for which interneurons and what they predict are watched before a session's first lesson, nobody
            teaching; then the interneurons' biases make up for the difference. On chips no two neurons are alike. 0:
            left out.
        reference: ms of SAL's reference phase, at the beginning of each session; None: there is none.
    """

    training: tuple[float, ...] = (-3.0, -2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25, 3.0)
    validation: tuple[float, ...] = (-2.7, -1.62, -0.54, 0.54, 1.62, 2.7)
    shown: int = 20
    draw: Literal["shuffled", "independent"] = "shuffled"
    aligning: int = 5
    align_input: Literal["training", "dark"] = "training"
    dark: float = -10.0
    align_laterals: bool = False
    nudged: tuple[str, ...] = ()
    pairing: Pairing = "nearest_restricted"
    chunk: float | None = None
    align_update: str | None = None
    present: float = 20_000.0
    lag: float = 2_000.0
    align_present: float | None = None
    validate_present: float | None = None
    teaching: float = 18_000.0
    apical: float = APICAL
    speed: float = 1.0
    align_speed: float = 1.0
    copied: bool = False
    tuning: float = 0.0
    reference: float | None = None

    def patterns(self, voltages: Sequence[float], inputs: int) -> FloatArray:
        """(pattern, input): every input neuron takes each of the voltages once, in an order of its own."""
        columns = [np.random.default_rng(k).permutation(voltages) if k else np.array(voltages) for k in range(inputs)]
        return np.stack(columns, axis=1)

    def order(self, seed: int, epoch: int) -> IntArray:
        """Which training patterns student ``seed`` sees in an epoch, those of the SAL phase behind the others."""
        random, known = np.random.default_rng([seed, epoch, 0x0D3]), len(self.training)
        if self.draw == "independent":
            return random.integers(known, size=self.shown + self.aligning)
        learned = random.permutation(_repeated(random, known, self.shown))
        return np.concatenate([learned, _repeated(random, known, self.aligning)])


def _repeated(random: np.random.Generator, known: int, count: int) -> IntArray:
    """``count`` of the numbers below ``known``, each as often as the others, or once more."""
    return np.concatenate([random.permutation(known) for _ in range(1 + count // known)])[:count]


@dataclass(frozen=True)
class Class:
    """Students and what they are to learn, each array with the student in front.

    Args:
        sizes: of the layers.
        forward, feedback: their weights now.
        targets: the output's potentials for the training patterns, (student, pattern, output).
        validation: those for the validation patterns.
    """

    sizes: tuple[int, ...]
    forward: Weights
    feedback: Weights
    targets: FloatArray
    validation: FloatArray

    def __len__(self) -> int:
        return len(self.targets)

    def at(self, course: Arrays) -> Class:
        """With the weights at the end of a course, (epoch, student, post, pre) by the names of their projections."""
        forward, feedback = (tuple(course[name][-1] for name in each) for each in names(len(self.sizes)))
        return replace(self, forward=forward, feedback=feedback)

    def within(self, limits: Mapping[str, Range | None]) -> Class:
        """With weights as far as limits by the paths of weights go: a calibrated chip may be read beyond its range."""
        held = {name: clipped(w, limits.get(f"projections.{name}.weights")) for name, w in self.weights.items()}
        return self.at({name: w[None] for name, w in held.items()})

    @property
    def weights(self) -> Arrays:
        """By the names of their projections, (student, post, pre)."""
        forward, feedback = names(len(self.sizes))
        return dict(zip((*forward, *feedback), (*self.forward, *self.feedback), strict=True))


def clipped(values: FloatArray, limit: Range | None) -> FloatArray:
    """Values as far as a range goes, if there is one."""
    return values if limit is None else np.clip(values, limit.min, limit.max)


def students(
    protocol: Protocol,
    teacher: Sequence[FloatArray],
    count: int,
    *,
    target: Target | str = "reference",
    seed: int = 0,
) -> Class:
    """``count`` students of a teacher with the forward weights ``teacher``; each has drawn weights, and targets that
    were measured for it alone on ``target``. Every second one has the feedback weights of the one before with the other
    sign, so that it is not luck how many begin with a wrong one."""
    sizes = (teacher[0].shape[1], *(len(w) for w in teacher))
    starts = [drawn(sizes, 1_000 * seed + k) for k in range(count)]
    forward = tuple(np.stack(layer) for layer in zip(*(w for w, _ in starts), strict=True))
    mirrored = [starts[k - k % 2][1] for k in range(count)]
    feedback = tuple(np.stack([(-1) ** k * b for k, b in enumerate(layer)]) for layer in zip(*mirrored, strict=True))
    voltages = np.concatenate([protocol.patterns(v, sizes[0]) for v in (protocol.training, protocol.validation)])
    net, potentials = chain(teacher), []
    with compile(net, target).open(instances=count, seed=seed) as session:
        for shown in voltages:
            session.set("populations.P0.bias", shown)
            session.run(protocol.lag)
            counts = session.run(protocol.teaching).counts[f"P{len(sizes) - 2}"]
            potentials.append(
                _potential(counts / protocol.teaching, np.broadcast_to(teacher[-1], (count, *teacher[-1].shape)))
            )
    targets, validation = np.split(np.stack(potentials, axis=1), [len(protocol.training)], axis=1)
    return Class(sizes, forward, feedback, targets, validation)


def _potential(rates: FloatArray, weights: FloatArray, bias: float = -1.0) -> FloatArray:
    """Time-mean of the potentials (student, post) that presynaptic ``rates`` per ms (student, pre) make: a PSP has the
    area tau_ref."""
    return np.asarray(bias + np.einsum("kij,kj->ki", weights, TAU_REF * rates))


def names(layers: int) -> tuple[list[str], list[str]]:
    """The projections of a chain that learn: forward and feedback ones, in the order of the layers."""
    hidden = range(1, layers - 1)
    return [f"W{k}{k - 1}" for k in range(1, layers)], [f"B{k}{k + 1}" for k in hidden]


def described(protocol: Protocol, sizes: Sequence[int], method: Method) -> Network:
    """The network that ``train`` trains; if the target itself aligns it, as it is then: with an apical gain of 1, which
    says how large a weight the target has to hold."""
    p = protocol
    return network(
        sizes,
        method=method,
        chunk=p.chunk,
        apical=1.0 if p.align_update and not p.copied else p.apical,
        copied=p.copied,
        pairing=p.pairing,
        align_update=p.align_update,
        mean=p.chunk or MEAN,
        output_rate=p.speed * RATES["output"],
        hidden_rate=p.speed * RATES["hidden"] * APICAL / p.apical,
        feedback_rate=p.align_speed * RATES["feedback"],
        membrane="validation" in p.nudged,
        reference=p.reference,
    )


def train(
    protocol: Protocol,
    method: Method,
    students: Class,
    epochs: range,
    *,
    target: Target | str = "reference",
    chips: Sequence[Chip] | None = None,
    calibration: Calibration | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Arrays:
    """How the weights of all students go from a session at rest, and how well they do after each epoch.

    Args:
        chips: one for each student; None: they are all on one.
        calibration: of these chips.

    Returns: the weights by the names of their projections, (epoch, student, post, pre); loss (epoch, student): mean
        squared deviation of the output's time-mean potential from its target over the validation patterns, without
        what a nudge adds; nudged: the same with it, where validation is nudged.

    Raises:
        UnsupportedNetworkError: the target cannot hold the network.
    """
    executable = compile(described(protocol, students.sizes, method), target, calibration=calibration)
    instances, after = len(students) if chips is None else None, []
    with executable.open(instances=instances, chips=chips, seed=seed) as session:
        taken = addresses(executable.network, executable.target)
        lessons = Lessons(session, protocol, method, students, {path: a.allowed for path, a in taken.items()})
        if protocol.reference and method == "SAL":
            lessons.refer()
        if protocol.tuning:
            lessons.tune()
        for count, epoch in enumerate(epochs, 1):
            after.append(lessons.epoch(epoch))
            if progress:
                progress(count / len(epochs))
    return {name: np.stack([each[name] for each in after]) for name in after[0]}


class Lessons:
    """What a session's students are shown. ``limits`` are the target's ranges by path: weights and biases that lie
    outside of them are written as their nearest end."""

    def __init__(
        self, session: Session, protocol: Protocol, method: Method, students: Class,
        limits: Mapping[str, Range | None] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        students = students.within(limits)
        self.session, self.protocol, self.method, self.students = session, protocol, method, students
        self.limits = limits
        self.last = len(students.sizes) - 1
        self.forward, self.feedback = names(len(students.sizes))
        learning = [f"projections.{name}.plasticity.learning_rate" for name in self.forward]
        aligning = [f"projections.{name}.plasticity.learning_rate" for name in self.feedback if method == "SAL"]
        self.rates = {path: session.get(path) for path in (*learning, *aligning)}
        self.learning, self.aligning = learning, aligning
        self.switch((*learning, *aligning), False)
        for name, weights in zip(self.forward, students.forward, strict=True):
            session.set(f"projections.{name}.weights", weights)
        for name, weights in zip(self.feedback, students.feedback, strict=True):
            if method != "BP":  # whose feedback weights are copies
                session.set(f"projections.{name}.weights", weights)
        self.gain = session.get("stimuli[0].gain")
        sizes, p = students.sizes, protocol
        self.gains()
        self.shown, self.asked = p.patterns(p.training, sizes[0]), p.patterns(p.validation, sizes[0])

    def epoch(self, epoch: int) -> Arrays:
        """One epoch; the weights and the loss after it."""
        p, each = self.protocol, np.arange(len(self.students))
        order = np.stack([p.order(int(k), epoch) for k in each])
        self.nudge(True)
        for pattern in order[:, : p.shown].T:
            self.present(self.shown[pattern], self.students.targets[each, pattern], self.learning)
        if self.method == "SAL":
            self.align(order[:, p.shown :])
        self.gains(feedback=1.0)  # where the target holds gain times weight, its steps hide least of a weight
        weights = {name: self.session.get(f"projections.{name}.weights") for name in (*self.forward, *self.feedback)}
        self.gains()
        return weights | self.validate(weights[self.forward[-1]])

    def refer(self) -> None:
        """Let SAL's reference phase, which precedes the first run, come in the state in which SAL aligns: in the dark,
        with silent neurons as active as coupled ones are, by mean potentials (no fluctuations) as biases."""
        self.nudge(False)
        self.gains(feedback=1.0, others=0.0)
        self.switch(self.aligning, True)
        paths = [f"populations.P{layer}.bias" for layer in range(1, self.last + 1)]
        biases, weights = [self.session.get(path) for path in paths], self.students.weights
        active = [np.zeros_like(bias) for bias in biases]
        for _ in range(SETTLING):
            potentials = [bias.copy() for bias in biases]
            for k in range(len(paths) - 1):
                potentials[k + 1] += np.einsum("kij,kj->ki", weights[self.forward[k + 1]], active[k])
                potentials[k] += np.einsum("kij,kj->ki", weights[self.feedback[k]], active[k + 1])
            active = [0.5 * (a + 1.0 / (1.0 + np.exp(-u))) for a, u in zip(active, potentials, strict=True)]
        self.session.set("populations.P0.bias", np.full_like(self.shown[0], self.protocol.dark))
        for path, potential in zip(paths, potentials, strict=True):
            self.write(path, potential)
        self.session.run(self.protocol.chunk or self.protocol.lag)
        self.switch(self.aligning, False)
        for path, value in zip(paths, biases, strict=True):
            self.session.set(path, value)
        for name in self.feedback:
            self.session.set(f"projections.{name}.weights", weights[name])
        self.gains()

    def tune(self) -> None:
        """Let interneurons spike as often as what they predict, on average over the validation patterns.

        Their biases move by the difference of the rates r over the slope of a GLM neuron's, r (1 - r tau_ref). Where
        inputs of weight W fluctuate a share of W^2 / 16 of the difference is left."""
        p = self.protocol
        self.nudge(False)
        duration = p.lag + p.tuning / len(self.asked)
        seen = [
            self.present(voltages, self.students.validation[:, k], duration=duration)
            for k, voltages in enumerate(self.asked)
        ]
        for layer in range(1, self.last):
            wanted, there = (
                np.mean([r.counts[name] / r.duration for r in seen], axis=0) for name in (f"P{layer + 1}", f"I{layer}")
            )
            path, share = f"populations.I{layer}.bias", np.clip(TAU_REF * wanted, 0.02, 0.98)  # never flat
            off = TAU_REF * (wanted - there) / (share * (1.0 - share))
            self.write(path, self.session.get(path) + off)

    def write(self, path: str, values: FloatArray) -> None:
        """Write values as far as the target's range goes."""
        self.session.set(path, clipped(values, self.limits.get(path)))

    def align(self, order: IntArray) -> None:
        """The SAL phase."""
        p, each = self.protocol, np.arange(len(self.students))
        self.nudge("alignment" in p.nudged)
        self.gains(feedback=1.0, others=1.0 if p.align_laterals else 0.0)
        self.switch(self.aligning, True)
        for pattern in order.T:
            voltages = np.full_like(self.shown[pattern], p.dark) if p.align_input == "dark" else self.shown[pattern]
            self.present(voltages, self.students.targets[each, pattern], duration=p.align_present)
        self.switch(self.aligning, False)
        self.gains()

    def validate(self, weights: FloatArray) -> Arrays:
        """How far the output is from its targets."""
        p, output = self.protocol, f"P{self.last}"
        self.nudge("validation" in p.nudged)
        off: dict[str, list[FloatArray]] = {}
        for k, voltages in enumerate(self.asked):
            recording = self.present(voltages, self.students.validation[:, k], duration=p.validate_present)
            rates = recording.counts[f"P{self.last - 1}"] / recording.duration
            off.setdefault("loss", []).append(_potential(rates, weights) - self.students.validation[:, k])
            if "validation" in p.nudged:
                mean = np.asarray(recording.membrane[output].values).mean(axis=1)
                off.setdefault("nudged", []).append(mean - self.students.validation[:, k])
        return {name: np.mean(np.square(values), axis=(0, 2)) for name, values in off.items()}

    def present(
        self,
        voltages: FloatArray,
        targets: FloatArray,
        learning: Sequence[str] = (),
        duration: float | None = None,
    ) -> Recording:
        """Show a pattern to each student; what was recorded after the lag, in which nothing is learned."""
        self.session.set("populations.P0.bias", voltages)
        self.session.set("stimuli[0].target", targets)
        self.session.run(self.protocol.lag)
        self.switch(learning, True)
        recording = self.session.run((duration or self.protocol.present) - self.protocol.lag)
        self.switch(learning, False)
        return recording

    def nudge(self, on: bool) -> None:
        """Let the teacher nudge, or not."""
        self.session.set("stimuli[0].gain", self.gain if on else 0.0)

    def switch(self, rates: Iterable[str], on: bool) -> None:
        """Let rules learn, or not."""
        for path in rates:
            self.session.set(path, self.rates[path] if on else 0.0)

    def gains(self, feedback: float | None = None, others: float | None = None) -> None:
        """Of the inputs of all hidden layers: that of the feedback weights, and those of the lateral weights and of
        copies of the feedback weights; by default as in training."""
        p = self.protocol
        into, in_training = ("aligning", 0.0) if p.copied else ("apical", p.apical)
        others = p.apical if others is None else others
        gains = {"apical": others, "lateral": others} | {into: in_training if feedback is None else feedback}
        for layer in range(1, self.last):
            for name, gain in gains.items():
                self.session.set(f"populations.P{layer}.inputs.{name}", gain)
