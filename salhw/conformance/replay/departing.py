"""Where a session departs from what its own spikes, its description and what was written say it must have done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from salhw.conformance.replay.cells import CLAMPED, FORCED, REFRACTORY, SOURCE, THRESHOLD
from salhw.conformance.replay.course import Course
from salhw.conformance.replay.oracle import Oracle
from salhw.conformance.replay.tolerance import Tolerance
from salhw.conformance.replay.trains import Bools
from salhw.conformance.replay.trial import Trial, said
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.parts import Population
from salhw.description.probes import Membrane, Rates, StateOccupancy, SynapseVariable, Traces, Weights, sampling
from salhw.session.recording import Recording, TimeSeries

DECIDERS = {
    REFRACTORY: "refractory period", CLAMPED: "clamp", FORCED: "forced spike", THRESHOLD: "threshold",
    SOURCE: "silent source",
}  # fmt: skip
"""What takes a decision that is not random."""


@dataclass(frozen=True)
class Departure:
    """The first place at which one kind of thing is not what it must have been.

    Args:
        kind: what departs: ``membrane``, ``variable``, ``synapse variable``, ``weights``, ``trace``, ``occupancy``,
            ``counts``, ``held`` (what is read after a write or a run), and their ``times`` or ``shape``, as in
            ``membrane times``; what was decided otherwise: ``refractory period``, ``clamp``, ``forced spike``,
            ``threshold``, ``silent source``; or ``rate``, ``slope``, ``succession``, ``independence`` (of spikes, which
            depart at no step of their own).
        where: the path, with the index of the neuron or synapse.
        instance: its position in the batch.
        step: of the session's time, that is before which steps it must have been otherwise.
        expected, measured: what it must have been, and was.
    """

    kind: str
    where: str
    instance: int
    step: int
    expected: float
    measured: float

    def __str__(self) -> str:
        return (
            f"{self.kind} of {self.where}, instance {self.instance}, at step {self.step}: "
            f"{self.measured:.9g} instead of {self.expected:.9g}"
        )


def departures(trial: Trial, tolerance: Tolerance) -> tuple[list[Departure], list[Course], frozenset[str]]:
    """Everything in which a trial departs from what the oracle works out from its spikes, the earliest first, one of
    each kind for each path and run; what the oracle worked out, run by run; and the projections of which weights that
    are rounded at random never had to move by more than they may be off. Where recordings are of other times than those
    of the runs, the first is all that is said."""
    if mistimed := [*_mistimed(trial)]:
        return mistimed, [], frozenset()
    net, seed, ids = trial.net, trial.schedule.seed, trial.schedule.ids
    oracle = Oracle(
        net, trial.spikes, said(trial), seed, ids, tolerance.limits(net), tolerance.slack(net), tolerance.loose,
        tolerance.steps(net), tolerance.unsure(net), tolerance.remembered,
    )  # fmt: skip
    still = {name: np.zeros_like(moved) for name, moved in oracle.movement.items()}
    rounded = {name: np.zeros((oracle.instances, 1)) for name in still}  # what was adopted, which writing rounds again
    oracle.movement = still
    found: list[Departure] = []
    hidden = {*oracle.doubts.rounded}

    ends = {p.name: [end.trains for end in oracle.at_ends(p)] for p in net.projections}
    coincided: dict[str, Bools] = {  # of loose projections what is disputed says more
        name: np.asarray((pre & post).any(axis=1) & (name not in tolerance.loose)) for name, (pre, post) in ends.items()
    }

    def within(
        name: str, value: FloatArray, movement: FloatArray, besides: Any = 0.0, chosen: Any = slice(None)
    ) -> FloatArray | float:
        rounding = rounded[name] + tolerance.rounding_of(oracle, name)
        moved = tolerance.weights(trial.net, name, value, movement, rounding, coincided[name][:, chosen])
        allowed = moved + np.asarray(besides)
        if name in hidden:
            known = oracle.known[name][:, chosen]
            moved_by = np.abs(value - (known if value.ndim == known.ndim else known[:, None]))
            hidden.difference_update({name} if (moved_by > allowed).any() else ())
        return allowed

    def read(held: Mapping[str, FloatArray]) -> None:
        nonlocal rounded
        found.extend(_held(oracle, held, tolerance, within))
        oracle.adopt(dict(held))
        rounded, oracle.movement = {name: tolerance.rounding_of(oracle, name) for name in still}, still

    read(trial.opened)
    courses = []
    for part, stretch in zip(trial.schedule.parts, trial.stretches, strict=True):
        for write in stretch.writes:
            oracle.write(write.path, write.value)
        read(stretch.before)
        course = oracle.run(part.steps)
        courses.append(course)
        found += _of_run(trial, course, stretch.recording, tolerance, within)
        read(stretch.after)
    return sorted(found, key=lambda d: d.step), courses, frozenset(hidden)


def _mistimed(trial: Trial) -> Iterator[Departure]:
    """Recordings that begin or end at other steps than their runs."""
    begun, dt = 0, trial.net.dt
    for part, stretch in zip(trial.schedule.parts, trial.stretches, strict=True):
        recording, stop = stretch.recording, begun + part.steps
        for step, time in ((begun, recording.start), (stop, recording.start + recording.duration)):
            if abs(time - step * dt) > 1e-6 * dt:
                yield Departure("counts times", "the recording of a run", 0, step, float(step), time / dt)
        begun = stop


def first(
    kind: str,
    where: str,
    step: int,
    expected: npt.ArrayLike,
    measured: npt.ArrayLike,
    within: npt.ArrayLike,
    *,
    time: int | None = None,
    steps: npt.ArrayLike | None = None,
) -> Iterator[Departure]:
    """The first entry of (instance, ...) that is not ``within`` of what it must be. The axis ``time`` counts the
    ``steps``, without which all is at ``step``."""
    wanted, found = np.asarray(expected, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    if wanted.shape != found.shape:
        yield Departure(f"{kind} shape", where, 0, step, float(wanted.size), float(found.size))
        return
    with np.errstate(invalid="ignore"):
        off = ~((np.abs(wanted - found) <= within) | np.isinf(within))
    if not off.any():
        return
    places = np.argwhere(off)
    when = np.full(len(places), step) if time is None or steps is None else np.asarray(steps)[places[:, time]]
    k = int(np.argmin(when))
    at = tuple(int(i) for i in places[k])
    index = "".join(f"[{i}]" for axis, i in enumerate(at) if axis not in (0, time))
    yield Departure(kind, f"{where}{index}", at[0], int(when[k]), float(wanted[at]), float(found[at]))


class Within(Protocol):
    """How far weights may be off."""

    def __call__(
        self, name: str, value: FloatArray, movement: FloatArray, besides: Any = 0.0, chosen: Any = slice(None), /
    ) -> FloatArray | float:
        """Of the weights of projection ``name`` whose right value is ``value``, which have moved by ``movement`` in
        all, and may be off by so much ``besides``: of all its synapses, or of the ``chosen`` ones, (instance, ...,
        synapse)."""
        ...


def _held(oracle: Oracle, held: Mapping[str, FloatArray], tolerance: Tolerance, within: Within) -> Iterator[Departure]:
    step = oracle.now
    for path, value in held.items():
        owner = path.split(".")[1] if "." in path else ""
        if path == f"projections.{owner}.weights":
            synaptic = np.asarray(value).reshape(oracle.instances, -1)[:, oracle.ends[owner][2]]
            weights = oracle.weights[owner]
            besides = oracle.doubts.weights(owner) + tolerance.disputed * oracle.disputes.weights.get(owner, 0.0)
            allowed = within(owner, weights, oracle.movement[owner], besides)
            yield from first("held", path, step, weights, synaptic, allowed)
        else:
            expected, measured = (np.nan_to_num(each, nan=-1.0) for each in (oracle.holds(path), value))
            yield from first("held", path, step, expected, measured, tolerance.held(expected))


def _of_run(
    trial: Trial, course: Course, recording: Recording, tolerance: Tolerance, weights_within: Within
) -> Iterator[Departure]:
    net = trial.net
    yield from _spikes(trial, course, recording, tolerance)
    for probe in sampling(net.probes):
        name, chosen = probe.population, slice(None) if probe.neurons is None else probe.neurons
        if isinstance(probe, Membrane):
            kind, where, measured = "membrane", f"populations.{name}", recording.membrane_traces.get(name)
            expected, within = course.potentials[name], tolerance.membrane(net, name, course)
        else:
            kind, where, measured = "variable", f"populations.{probe.label}", recording.samples.get(probe.label)
            expected, within = course.variables[probe.label], tolerance.variable(net, probe, course)
        within = within[:, :, chosen] if isinstance(within, np.ndarray) else within
        yield from _sampled(net, course, kind, where, probe.every, expected[:, :, chosen], measured, within)
    for of in only(net.probes, SynapseVariable):
        where, measured = f"projections.{of.label}", recording.samples.get(of.label)
        chosen = slice(None) if of.synapses is None else of.synapses
        expected, within = course.variables[of.label][:, :, chosen], tolerance.of_synapses()
        yield from _sampled(net, course, "synapse variable", where, of.every, expected, measured, within)
    for rates in only(net.probes, Rates):
        yield from _rates(trial, course, rates, recording.samples.get(rates.label))
    for traced in only(net.probes, Traces):
        name, measured = traced.trace, recording.samples.get(traced.label)
        expected, within = course.traces[name], tolerance.trace(net, name, course)
        yield from _sampled(net, course, "trace", f"traces.{name}", traced.every, expected, measured, within)
    for weights in only(net.probes, Weights):
        recorded = recording.weight_traces.get(weights.projection)
        yield from _weights(trial, course, weights, recorded, tolerance, weights_within)


def _spikes(trial: Trial, course: Course, recording: Recording, tolerance: Tolerance) -> Iterator[Departure]:
    """Counts, states and decisions."""
    net = trial.net
    for p in net.populations:
        spikes = trial.spikes[p.name][:, course.start : course.stop]
        where = f"populations.{p.name}"
        yield from first("counts", where, course.start, spikes.sum(axis=1), recording.counts[p.name], 0.0)
        certain = np.isin(course.deciders[p.name], list(DECIDERS)) & ~_near(
            p, course, tolerance.membrane(net, p.name, course)
        )
        wrong = certain & (course.chances[p.name] != spikes)
        if wrong.any():
            instance, step, neuron = min(np.argwhere(wrong).tolist(), key=lambda at: int(at[1]))
            expected = float(course.chances[p.name][instance, step, neuron])
            kind = DECIDERS[int(course.deciders[p.name][instance, step, neuron])]
            yield Departure(kind, f"{where}[{neuron}]", instance, course.start + step, expected, 1.0 - expected)
    for probe in only(net.probes, StateOccupancy):
        p = net.population(probe.population)
        code = course.states[p.name].astype(np.int64) @ (1 << np.arange(p.size))
        counts = np.stack([np.bincount(row, minlength=2**p.size) for row in code])
        where = f"populations.{p.name}"
        yield from first("occupancy", where, course.start, counts, recording.occupancy_counts[p.name], 0.0)


def _near(p: Population, course: Course, within: FloatArray | float) -> Bools:
    """Whether a potential is so near to the threshold that either decision is right."""
    potential = course.potentials[p.name]
    distance = np.abs(potential - course.thresholds[p.name])
    return np.asarray(~(distance > within) & (course.deciders[p.name] == THRESHOLD))


def _sampled(
    net: Network,
    course: Course,
    kind: str,
    where: str,
    every: float | None,
    expected: FloatArray,
    measured: TimeSeries | None,
    within: FloatArray | float,
) -> Iterator[Departure]:
    """Samples at the whole multiples of ``every``."""
    period = 1 if every is None else round(every / net.dt)
    steps = np.array([t for t in range(course.start, course.stop) if t % period == 0], dtype=np.int64)
    at = steps - course.start
    within = within[:, at] if isinstance(within, np.ndarray) else within
    yield from _at_steps(net, course, kind, where, steps, expected[:, at], measured, within)


def _at_steps(
    net: Network,
    course: Course,
    kind: str,
    where: str,
    steps: IntArray,
    expected: FloatArray,
    measured: TimeSeries | None,
    within: FloatArray | float,
) -> Iterator[Departure]:
    """Samples at these ``steps``, (instance, step, ...) each; None of which there are if ``measured`` is."""
    time = np.zeros(0) if measured is None else measured.time
    if measured is None or time.shape != steps.shape or np.any(np.abs(time - steps * net.dt) > 1e-6 * net.dt):
        yield Departure(f"{kind} times", where, 0, course.start, float(len(steps)), float(len(time)))
        return
    yield from first(kind, where, course.start, expected, measured.values, within, time=1, steps=steps)


def _edges(net: Network, course: Course, every: float) -> IntArray:
    """The start of a run and the whole multiples of ``every`` after it, up to its end."""
    period, later = round(every / net.dt), range(course.start + 1, course.stop + 1)
    return np.array([course.start, *(t for t in later if t % period == 0)], dtype=np.int64)


def _rates(trial: Trial, course: Course, probe: Rates, measured: TimeSeries | None) -> Iterator[Departure]:
    """Spikes between the start of the run, or a whole multiple of the period, and the next multiple."""
    dt, edges = trial.net.dt, _edges(trial.net, course, probe.every)
    spikes = trial.spikes[probe.population]
    each = [spikes[:, a:b].sum(axis=1) / ((b - a) * dt / 1000.0) for a, b in pairwise(edges)]
    expected = np.stack(each, axis=1) if each else np.zeros((len(spikes), 0, spikes.shape[2]))
    where, within = f"populations.{probe.population}.rates", 1e-9 * (1.0 + expected)
    yield from _at_steps(trial.net, course, "counts", where, edges[1:], expected, measured, within)


def _weights(
    trial: Trial,
    course: Course,
    probe: Weights,
    recorded: TimeSeries | None,
    tolerance: Tolerance,
    within: Within,
) -> Iterator[Departure]:
    """Samples at the start of the run and at the whole multiples of the period, up to its end."""
    net, name = trial.net, probe.projection
    steps = _edges(net, course, probe.every)
    measured = recorded
    if recorded is not None and recorded.values.size and probe.synapses is None:
        position = synapses(net.projection(name).weights, *net.ends(name))[2]
        flat = recorded.values.reshape(*recorded.values.shape[:2], -1)
        measured = TimeSeries(recorded.time, flat[:, :, position])
    at, chosen = steps - course.start, slice(None) if probe.synapses is None else probe.synapses
    expected, movement = (each[:, at][:, :, chosen] for each in (course.weights[name], course.movement[name]))
    besides = course.doubted[name] + tolerance.disputed * course.disputed.get(name, np.zeros(()))
    besides = np.broadcast_to(besides, course.doubted[name].shape)[:, at][:, :, chosen]
    allowed, where = within(name, expected, movement, besides, chosen), f"projections.{name}.weights"
    yield from _at_steps(net, course, "weights", where, steps, expected, measured, allowed)
