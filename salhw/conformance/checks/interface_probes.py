"""What probes record is there, complete, and at the right times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.checks.interface_capabilities import tally
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM, Source
from salhw.description.parts import Population
from salhw.description.probes import Membrane, Spikes, StateOccupancy, Weights
from salhw.session.recording import SpikeTrains

WEIGHTS = "projections.p.weights"
RESTING: ByKind[Callable[[Any], float]] = ByKind("the check of membranes", {GLM: lambda neuron: float(neuron.bias)})
"""The potential of undisturbed neurons, of the models for which it is known at every step."""


@check("spike-times-exact", group="interface")
def spike_times_exact(lab: Lab) -> Evidence:
    """Forced spikes are recorded at the very times at which they were forced, each once, by its neuron; the first and
    the last step of a run, and the first of the next, included."""
    trains = [np.array([0, 7, 8, 49, 50, 99]), np.array([0, 1, 30, 50, 51]), np.array([], dtype=np.int64)]
    net = Network(
        name="forced",
        dt=lab.dt,
        populations=[Population(name="x", size=3, neuron=Source())],
        stimuli=[rigs.forced("x", trains, lab.dt)],
        probes=[Spikes("x")],
    )
    worst, missed = 0.0, 0
    with lab.open(net, instances=2) as session:
        parts = [session.run(50 * lab.dt), session.run(50 * lab.dt)]
    for k, part in enumerate(parts):
        for neuron, train in enumerate(trains):
            expected = train[(train >= 50 * k) & (train < 50 * (k + 1))] * lab.dt
            for instance in range(2):
                times = part.spikes["x"].times(neuron, instance)
                missed += abs(len(times) - len(expected))
                if len(times) == len(expected) > 0:
                    worst = max(worst, float(np.abs(times - expected).max()))
    reason = "largest distance between a recorded spike and the forced one"
    if missed:
        return Evidence(False, f"{missed} forced spikes missing, or recorded twice", float(missed), 0.0, "spikes")
    return Evidence(worst <= 1e-6 * lab.dt, reason, worst, 0.0, "ms")


@check("spikes-agree-with-counts", group="interface")
def spikes_agree_with_counts(lab: Lab) -> Evidence:
    """Counts equal the recorded spikes, neuron by neuron and instance by instance; spikes are in the order of instance,
    time and neuron, and within their run."""
    net = rigs.crowd(lab, wanted=())
    if not net.probes:
        raise rigs.missing("probes", "Spikes", [*lab.target.probes])
    wrong = []
    with lab.open(net, instances=3) as session:
        for part in (session.run(300 * lab.dt), session.run(200 * lab.dt)):
            train = part.spikes["a"]
            if not np.array_equal(_counted(train), part.counts["a"]):
                wrong.append("counts are not those of the recorded spikes")
            if not np.array_equal(np.lexsort((train.neuron, train.time, train.instance)), np.arange(len(train))):
                wrong.append("spikes are out of order")
            low, high = part.start, part.start + part.duration - 0.5 * lab.dt
            if (train.start, train.stop) != (part.start, part.start + part.duration):
                wrong.append("the spike trains do not say the run's start and stop")
            if len(train) and (train.time.min() < low - 0.5 * lab.dt or train.time.max() > high):
                wrong.append("spikes lie outside their run")
            if len(train) == 0:
                wrong.append("no spikes at all")
    return tally(wrong, 2, "recordings are wrong", "counts, order and times agree in both runs")


def _counted(train: SpikeTrains) -> np.ndarray:
    counts = np.zeros((len(train.ids), train.size), np.int64)
    np.add.at(counts, (train.instance, train.neuron), 1)
    return counts


@check("membrane-times", group="interface")
def membrane_times(lab: Lab) -> Evidence:
    """A membrane probe samples at the whole multiples of its period within the run, (instance, time, neuron), and a
    silent neuron without input reads what its bias gives."""
    capability = lab.target.probes.get("Membrane")
    if capability is None:
        raise rigs.missing("probes", "Membrane", [*lab.target.probes])
    every = 3 if "every" in capability else 1
    probe = Membrane("y", every=3 * lab.dt) if every > 1 else Membrane("y")
    net = rigs.relay(lab)
    net = net.replace(probes=[*net.probes, probe], stimuli=[])
    wrong, now = [], 0
    with lab.open(net, instances=2) as session:
        for steps in (10, 11):
            trace = session.run(steps * lab.dt).membrane_traces["y"]
            expected = np.arange(-(-now // every) * every, now + steps, every) * lab.dt
            now += steps
            if trace.values.shape != (2, len(expected), 2):
                wrong.append(f"shape {trace.values.shape} instead of {(2, len(expected), 2)}")
            elif not np.allclose(trace.time, expected, atol=1e-6 * lab.dt):
                wrong.append(f"samples from {trace.time[0]:g} ms instead of {expected[0]:g} ms")
            elif (neuron := net.population("y").neuron) in RESTING:
                bias = RESTING[neuron](neuron)
                tolerance = lab.target.accuracy.get("membrane", 0.05 * abs(bias))
                off = float(np.abs(trace.values - bias).max())
                if off > max(tolerance, 1e-9) and not lab.target.variability.keys() & {"bias"}:
                    wrong.append(f"off the bias of {bias:g} by {off:g}")
    return tally(wrong, 2, "runs are wrong", "times, shape and resting value are right in both runs")


@check("weights-times", group="interface")
def weights_times(lab: Lab) -> Evidence:
    """A weights probe samples at the beginning of the run and then at the whole multiples of its period, the end of the
    run included; the first sample is what ``get`` read before the run, the last what it reads after."""
    if "Weights" not in lab.target.probes:
        raise rigs.missing("probes", "Weights", [*lab.target.probes])
    every = rigs.within(lab.target.probes["Weights"]["every"], 20 * lab.dt, lab.dt)
    steps = round(every / lab.dt)
    net = rigs.pairing(lab, [rigs.rule(lab)], [3, steps + 3, 2 * steps + 3], wanted=[Weights("p", every=every)])
    wrong, now = [], 0
    with lab.open(net) as session:
        for duration in (2 * steps + steps // 2, steps + steps // 2):
            before = session.get(WEIGHTS)
            trace = session.run(duration * lab.dt).weight_traces["p"]
            after = session.get(WEIGHTS)
            grid = np.arange(-(-now // steps) * steps, now + duration + 1, steps)
            expected = np.unique([now, *grid]) * lab.dt
            now += duration
            if trace.values.shape != (1, len(expected), *before.shape[1:]):
                wrong.append(f"shape {trace.values.shape} instead of {(1, len(expected), *before.shape[1:])}")
                continue
            if not np.allclose(trace.time, expected, atol=1e-6 * lab.dt):
                wrong.append(f"samples at {trace.time.tolist()} ms instead of {expected.tolist()} ms")
            if not np.array_equal(trace.values[:, 0], before):
                wrong.append("the first sample is not what get read before the run")
            if now % steps == 0 and not np.array_equal(trace.values[:, -1], after):
                wrong.append("the last sample is not what get reads after the run")
    return tally(wrong, 2, "runs are wrong", "times, shape, first and last sample are right in both runs")


@check("occupancy-agrees-with-spikes", group="interface")
def occupancy_agrees_with_spikes(lab: Lab) -> Evidence:
    """The state occupancy is that of the recorded spikes: z = 1 from the step of a spike for a refractory period, state
    number sum z_k 2^k, every step of the run counted once."""
    if "GLM" not in lab.target.neurons:
        raise rigs.missing("neurons", "GLM", [*lab.target.neurons])
    net = rigs.crowd(lab, 3, weight=0.5, wanted=[StateOccupancy("a")])
    if len(net.probes) < 2:
        raise rigs.missing("probes", "Spikes and StateOccupancy", [*lab.target.probes])
    steps, last = 400, round((net.population("a").neuron.refractory_period or 10 * lab.dt) / lab.dt)
    with lab.open(net, instances=2) as session:
        recording = session.run(steps * lab.dt)
    counts, wrong = recording.occupancy_counts["a"], 0
    if counts.shape != (2, 8):
        return Evidence(False, f"occupancy of shape {counts.shape} instead of (2, 8)")
    for instance in range(2):
        state = np.zeros(steps + last, np.int64)
        for neuron in range(3):
            for spike in np.rint(recording.spikes["a"].times(neuron, instance) / lab.dt).astype(int):
                state[spike : spike + last] |= 1 << neuron
        wrong += int(np.abs(np.bincount(state[:steps], minlength=8) - counts[instance]).sum())
    share = wrong / (2 * 2 * steps)
    return Evidence(wrong == 0, "share of steps in another state than the recorded spikes say", share, 0.0)
