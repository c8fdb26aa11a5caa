"""Rules that make one trace predict another, and teachers"""

from __future__ import annotations

from itertools import cycle, islice
from typing import Literal

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.neurons import Source
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import PredictiveRule
from salhw.description.probes import Membrane, Spikes
from salhw.description.stimuli import Teacher
from salhw.description.traces import Average, Trace
from salhw.substrate.capabilities import Capability

RUN, PERIOD = 60, 20  # steps of a run, and of `every T ms`
SENT = (np.arange(3, 2 * RUN, 7), np.arange(5, 2 * RUN, 11))
OWN = np.arange(4, 2 * RUN, 13)
BIAS = -1.0
START = 0.5


def average(lab: Lab) -> Average:
    """The first kind of trace that the target declares, 8 steps long.

    Raises:
        Undeclared: it has none.
    """
    for kind, capability in lab.target.averages.items():
        if kind in Average.members:
            wishes = {"duration": 8 * lab.dt, "tau": 8 * lab.dt}
            made: Average = rigs.fitted(Average.members[kind], capability, lab.dt, wishes)
            return made
    raise rigs.missing("averages", "any", [*lab.target.averages])


def circuit(lab: Lab, of: tuple[str, str], **parts: object) -> Network:
    """Two sources, forced to spike, that drive a neuron; with a trace for each of ``of``, named by its quantity, and
    more parts of a network."""
    plasticity = parts.pop("plasticity", ())
    other = parts.pop("stimuli", ())
    assert isinstance(other, tuple)
    return Network(
        name="predictions",
        dt=lab.dt,
        populations=[
            Population(name="x", size=2, neuron=Source()),
            Population(name="y", size=1, neuron=rigs.neuron(lab, ("GLM",), bias=BIAS)),
        ],
        projections=[
            Projection(
                name="p", pre="x", post="y", weights=rigs.connected(lab, np.array([[START, -START]])),
                kernel=rigs.kernel(lab), plasticity=plasticity,
            )
        ],
        stimuli=[rigs.forced("x", SENT, lab.dt), *other],
        traces=[Trace(name=name, population="y", of=name, window=average(lab)) for name in dict.fromkeys(of)],
        **parts,
    )  # fmt: skip


def rule(lab: Lab, capability: Capability, of: tuple[str, str], update: str, link: str) -> PredictiveRule:
    """A rule that makes one trace predict the other, as near to what is asked for as the target allows."""
    wishes = {"learning_rate": 0.5, "update": update, "link": link}
    return rigs.fitted(PredictiveRule, capability, lab.dt, wishes, teacher=of[0], prediction=of[1])


def rates(net: Network, u: FloatArray, link: str) -> FloatArray:
    """phi(u), per ms."""
    tau_ref = net.population("y").neuron.refractory_period or net.dt
    odds = np.exp(u) * net.dt / tau_ref
    return np.asarray((odds / (1.0 + odds) if link == "logistic" else odds) / net.dt)


def _run(lab: Lab, learns: PredictiveRule) -> int:
    """The steps of a run: RUN, or three periods of a rule that has longer ones."""
    return RUN if learns.period is None else max(RUN, 3 * round(learns.period / lab.dt))


def expected(
    net: Network, learns: PredictiveRule, bias: float, spikes: FloatArray, start: FloatArray, steps: int
) -> FloatArray:
    """The two weights, of which a run starts with ``start``, after its ``steps`` in which the neuron spiked at these,
    by docs/semantics.md."""
    (p,) = net.projections
    w = np.array(start)
    psp = np.zeros((2, steps))
    for k, train in enumerate(SENT):
        for spike in train[train < steps - 1]:
            psp[k, spike + 1 :] += p.kernel.sample(net.dt, steps - spike - 1)
    sent = np.array([np.isin(np.arange(steps), train) for train in SENT])
    own = np.isin(np.arange(steps), spikes) / net.dt
    period = round(learns.period / net.dt) if learns.period else steps
    inputs: FloatArray = np.zeros(steps)
    low, high = learns.bounds or (-np.inf, np.inf)
    for t in range(steps):
        inputs[t] = w @ psp[:, t]
        due = learns.update == "spike" or (t + 1) % period == 0
        if not due:
            continue
        error = 0.0
        for name, sign in ((learns.teacher, 1.0), (learns.prediction, -1.0)):
            trace, x = net.trace(name), {"inputs": inputs, "membrane": bias + inputs, "spikes": own}[name]
            mean = trace.window.course(x[: t + 1], net.dt)[-1]
            potential = bias * (name == "inputs") + mean
            error += sign * (mean if name == "spikes" else float(rates(net, potential, learns.link)))
        count = sent[:, t] if learns.update == "spike" else sent[:, t + 1 - period : t + 1].sum(axis=1)
        w = np.where(count > 0, np.clip(w + float(learns.learning_rate) * error * count, low, high), w)
    return np.asarray(w)


@check("predictive-rule", group="dynamics")
def predictive_rule(lab: Lab) -> Evidence:
    """Every presynaptic spike moves a weight by the learning rate times the difference of the rates that two traces
    stand for: spikes against inputs through the link, with every schedule and every link that the target declares; at
    the end of a period the spikes since the last update count with the traces as they are then.

    Exact: the change of no weight may be further off than declared (window), as a share of the largest.
    """
    capability = lab.target.plasticity.get("PredictiveRule")
    if capability is None:
        raise rigs.missing("plasticity", "PredictiveRule", [*lab.target.plasticity])
    return _held_against_semantics(lab, capability, "chip", lab.accuracy("window"))


@check("predictive-rule-of-the-host", group="dynamics")
def predictive_rule_of_the_host(lab: Lab) -> Evidence:
    """The same of rules that the target's host works out: from the spikes that the target had, with every schedule and
    link that is declared for the host.

    Exact, but for how weights are held: the change of no weight may be off by more than 1e-6 of the largest and a step
    of a target with weight bits.
    """
    capability = lab.target.host.get("PredictiveRule")
    if capability is None:
        raise rigs.missing("host", "PredictiveRule", [*lab.target.host])
    return _held_against_semantics(lab, capability, "host", 1e-6)


def _held_against_semantics(
    lab: Lab, capability: Capability, execution: Literal["chip", "host"], margin: float
) -> Evidence:
    """Weights after a run with forced spikes against docs/semantics.md, for every schedule and link."""
    updates, links = (capability.get(name, ()) for name in ("update", "link"))
    assert isinstance(updates, tuple)
    worst, where, step = 0.0, "any", 2.0 * rigs.resolution(lab) if execution == "host" else 0.0
    known = links if isinstance(links, tuple) and links else ("logistic",)
    both = max(len(updates), len(known))
    for name, link in zip(islice(cycle(updates), both), cycle(known), strict=False):
        update = f"every {PERIOD * lab.dt!r} ms" if name == "every" else name
        learns = rule(lab, capability, ("spikes", "inputs"), update, link).replace(execution=execution)
        forced = rigs.forced("y", [OWN], lab.dt)
        net = circuit(lab, ("spikes", "inputs"), plasticity=learns, stimuli=(forced,), probes=[Spikes("y")])
        run = _run(lab, learns)
        with lab.open(net) as session:
            bias = float(session.get("populations.y.bias")[0, 0])
            start = session.get("projections.p.weights")[0].ravel()
            spikes = session.run(run * lab.dt).spikes["y"].times(0)
            read = session.get("projections.p.weights")[0].ravel()
        wanted = expected(net, learns, bias, np.rint(spikes / lab.dt), start, run)
        off = (np.abs(read - wanted).max() - step) / np.abs(wanted - start).max()
        if not off <= worst:
            worst, where = float(off), f"{learns.update}, {learns.link}"
    return Evidence(worst <= margin, f"largest error of a weight change, as a share; {where}", worst, margin)


@check("teacher-nudges", group="dynamics")
def teacher_nudges(lab: Lab) -> Evidence:
    """A teacher adds its gain times the distance of its target, as described or as written by the session, from what
    its trace says of the potential after the step before; with a period, where it has to have one, as it was at the
    last whole multiple, or when the session wrote.

    Exact: no sample of the membrane may be further from that than declared (membrane).
    """
    capability = lab.target.stimuli.get("Teacher")
    if capability is None:
        raise rigs.missing("stimuli", "Teacher", [*lab.target.stimuli])
    margin = lab.accuracy("membrane")
    wishes = {"target": 0.75, "gain": 0.5}
    teacher = rigs.fitted(Teacher, capability, lab.dt, wishes, population="y", trace="inputs")
    net = circuit(lab, ("inputs", "inputs"), stimuli=(teacher,), probes=[Membrane("y")])
    written = np.array([rigs.within(capability["target"], value) for value in (-0.5, 0.25)])
    with lab.open(net, instances=2) as session:
        bias = session.get("populations.y.bias")
        parts = [session.run(RUN * lab.dt)]
        session.set(f"stimuli[{len(net.stimuli) - 1}].target", written[:, None])
        parts.append(session.run(RUN * lab.dt))
    (p,) = net.projections
    inputs = np.zeros(2 * RUN)
    for w, train in zip(np.ravel(p.weights.stored), SENT, strict=True):
        for spike in train[train < 2 * RUN - 1]:
            inputs[spike + 1 :] += w * p.kernel.sample(lab.dt, 2 * RUN - spike - 1)
    before = np.concatenate([[0.0], net.traces[0].window.course(inputs, lab.dt)[:-1]])
    every = round((teacher.every or lab.dt) / lab.dt)
    steps = np.arange(2 * RUN)
    worked_out = steps // every * every  # and anew when the session has written
    seen = before[np.where(steps >= RUN, np.maximum(worked_out, RUN), worked_out)]
    target = np.repeat(np.array([[float(teacher.target)] * 2, written]).T, RUN, axis=1)
    expected_u = bias + inputs + float(teacher.gain) * (target - bias - seen)
    membrane = np.concatenate([part.membrane_traces["y"].values[:, :, 0] for part in parts], axis=1)
    off = np.abs(membrane - expected_u).max(axis=0)
    where = "as described" if off[:RUN].max() >= off[RUN:].max() else "as written"
    reason = f"largest distance of a membrane from what a teacher makes of it, with a target {where}"
    return Evidence(float(off.max()) <= margin, reason, float(off.max()), margin)
