"""Reference phases: a rule that is lopsided does not drift"""

from __future__ import annotations

import numpy as np

from salhw.compiler.findings import problems
from salhw.conformance.circuits import (
    instances,
    kernels,
    on_chips,
    on_diagonal,
    pairing,
    partners,
    reciprocal_pairs,
)
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.statistics import REPLICATES, equivalent
from salhw.conformance.verdict import by_test
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.plasticity import SAL, ReferencePhase
from salhw.description.plasticity.rule import Execution
from salhw.session.executable import Session

BIAS, WEIGHT, TAU = -0.3, 0.2, 10
LOPSIDED = 0.6  # of the anti-causal branch is the causal one
STEPS, LEARNED = 1_000, 30.0  # that the weights are silent, and then learn; the rate times these
DIFFERING = 5  # times as many steps on chips that differ, of which each has errors of its own
LEFT = 0.4  # of the drift, at most: other weights than 0 make other pairs


def steps(lab: Lab) -> int:
    """How long the weights are silent, and then learn: until .4 of the drift is 30 standard errors or more, or 14 over
    chips that differ."""
    return STEPS * (DIFFERING if lab.varies else 1)


def network(lab: Lab, size: int, reference: bool, execution: Execution) -> Network:
    """Pairs whose rule strengthens uncoupled neurons."""
    period = lab.period(100) * lab.dt
    phase = ReferencePhase(duration=steps(lab) * lab.dt) if reference else None
    rate, update = LEARNED / steps(lab), f"every {period:g} ms"
    sal = SAL(rate, TAU * lab.dt, update=update, pairing=pairing(lab), execution=execution, reference=phase)
    rule = (sal.replace(causal=sal.causal.replace(amplitude=-LOPSIDED)),)
    kernel = next(iter(kernels(lab, TAU).values()))
    return reciprocal_pairs(lab, size, (WEIGHT, WEIGHT), (BIAS, BIAS), kernel, rules=(rule, rule), record=False)


def drifts(lab: Lab, size: int, copies: int, reference: bool) -> FloatArray:
    """How far the mean of both weights has moved in each pair, or on each of chips that differ."""
    with lab.open_many(lab.compile(_learnable(lab, size, reference)), copies) as session:
        before = _weights(session, size)
        session.run(steps(lab) * lab.dt)
        mean, elapsed = _weights(session, size) - before, session.time
    if abs(elapsed - steps(lab) * lab.dt) > 0.5 * lab.dt:  # the phase is in no run
        return np.full(mean.size, np.nan)
    return np.asarray(mean.mean(axis=1) if lab.varies else mean.reshape(-1), dtype=np.float64)


def _weights(session: Session, size: int) -> FloatArray:
    """The mean of both weights of each pair, (instance, pair)."""
    both = [on_diagonal(session.get(f"projections.{name}.weights"), size) for name in ("forward", "backward")]
    return np.asarray(np.mean(both, axis=0), dtype=np.float64)


def _learnable(lab: Lab, size: int, reference: bool) -> Network:
    """The network with a rule that the target learns by with this period, or else its host."""
    own = network(lab, size, reference, "chip")
    refused = lab.undeclared(own) or problems(own, lab.target, plugin=lab.backend)
    return network(lab, size, reference, "host") if refused else own


@check("reference-phase", group="dynamics")
def reference_phase(lab: Lab) -> Evidence:
    """What a rule changes while all weights are silent is subtracted from then on: weights stay where they are though
    the causal branch is .6 of the anti-causal one, while without a phase they drift; and the phase takes no time of the
    session.

    Passes a target that keeps .4 of the drift with at most 1e-4; fails a right one with less than 1e-6.
    """
    size, least = on_chips(lab, REPLICATES)
    size = partners(lab, 2, most=size)
    copies = max(least, instances(size))
    without = drifts(lab, size, copies, reference=False)
    found = equivalent(drifts(lab, size, copies, reference=True), [0.0], LEFT * abs(float(without.mean())))
    hint = "weights that are written or read back wrongly between two pieces of a run, or spikes that are not counted"
    return by_test(found, f"drift of a lopsided rule, {without.mean():.3g} without a reference phase", hint)
