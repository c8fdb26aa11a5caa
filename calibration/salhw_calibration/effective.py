"""``effective_weights``: every method behind one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from salhw.diagnostics.arguments import known_name
from salhw.session.executable import Executable
from salhw.session.recorder import version
from salhw.substrate.chip import Chip
from salhw_calibration.circuit import MeasuredCircuit
from salhw_calibration.discontinuity import rdd
from salhw_calibration.kinds import measured_neuron, stochastic
from salhw_calibration.likelihood import likelihood
from salhw_calibration.measuring import MeasurementError, Progress, Record, Rig, State, refuse_wrong, refused, rig
from salhw_calibration.membrane import psp
from salhw_calibration.pairs import stdd
from salhw_calibration.response import response, stdwi
from salhw_calibration.results import EffectiveWeights, Estimate, instance_ids

Measure = Callable[[Rig, float], tuple[list[Estimate], Mapping[str, Any]]]


@dataclass(frozen=True)
class Method:
    """A way to measure effective weights. ``measure`` runs the rig, ``duration`` ms per round; ``membranes``: needs a
    target that records them; ``paths``: can look through interneurons; ``random``: needs neurons that decide at random
    whether to spike; ``summary`` in a line."""

    measure: Measure
    summary: str
    membranes: bool = False
    paths: bool = False
    random: bool = True


def _once(estimate: Callable[[MeasuredCircuit, Record], Estimate]) -> Measure:
    """One run of the network as it is."""

    def measure(setup: Rig, duration: float) -> tuple[list[Estimate], Mapping[str, Any]]:
        records, provenance = setup.run(duration)
        return [estimate(setup.circuit, record) for record in records], provenance

    return measure


def _likelihood(setup: Rig, duration: float) -> tuple[list[Estimate], Mapping[str, Any]]:
    records, provenance = setup.run(duration)
    return [likelihood(setup.circuit, record, seed=setup.seed) for record in records], provenance


def _rdd(setup: Rig, duration: float) -> tuple[list[Estimate], Mapping[str, Any]]:
    net = setup.circuit.net
    neurons = {p.name: measured_neuron(p.neuron, net.dt) for p in net.populations}
    if not any(neurons[p.pre].threshold is not None and neurons[p.post].decides for p in net.projections):
        raise refused("SAL802", "method", "rdd", "synapses from LIF to GLM neurons", "method='likelihood'")
    return _once(rdd)(setup, duration)


METHODS: Mapping[str, Method] = {
    "likelihood": Method(_likelihood, "maximum likelihood of the spikes, all synapses of a neuron jointly", paths=True),
    "stdd": Method(stdd, "fit of a pair's spike-timing difference distribution, pair by pair"),
    "response": Method(_once(response), "firing probability after isolated presynaptic spikes"),
    "psp": Method(_once(psp), "regression of the membrane on the PSPs", membranes=True, random=False),
    "rdd": Method(_rdd, "regression discontinuity at the presynaptic threshold (LIF -> GLM)", membranes=True),
    "stdwi": Method(_once(stdwi), "spike-timing-dependent weight inference, first order"),
}


def effective_weights(
    exe: Executable,
    *,
    chips: Sequence[Chip] | None = None,
    instances: int | Sequence[int] | None = None,
    duration: float,
    seed: int = 0,
    method: str = "likelihood",
    weights: State | None = None,
    through: Sequence[str] = (),
    progress: Progress | None = None,
) -> EffectiveWeights:
    """Measure what each synapse really does, in the description's units, with standard errors.

    The network of ``exe`` is compiled once more without plasticity for the same target and run for ``duration`` ms, so
    measuring never learns and ``exe`` and its sessions stay untouched. Its own activity is what is analysed: a synapse
    whose neurons hardly spike has a large standard error.

    Args:
        exe: the network on its target.
        chips, instances: where to measure, one result each; see ``Executable.open``.
        duration: biological time in ms (per round, with ``stdd``).
        seed: of the trial-to-trial randomness.
        method: one of METHODS; docs/calibration.md says what each needs, assumes and costs.
        weights: what the chips shall hold meanwhile: an open session of ``exe``, whose weights and biases are copied
            (open it on the same chips), or arrays by projection or path. The description's by default.
        through: populations of interneurons that count as paths between the others: the result is then the total effect
            of a neuron, direct and indirect (paper section 2.5), and their own synapses are NaN. Without it every
            weight is that of the direct synapse alone.
        progress: called with the share that is done, between 0 and 1.

    Raises:
        MeasurementError: an unknown method or population, or a method that does not suit the network, as most do not
            if no neuron spikes at random.
        UnsupportedNetworkError: the target cannot record what the method needs.
        SessionError: chips, instances, duration or weights that do not fit.
    """
    known_name("method", method, METHODS, code="SAL802", kind=MeasurementError)
    refuse_wrong(exe, duration, progress, through, seed)
    for p in exe.source.projections:
        if p.e_rev is not None:
            fix = "measure the network without it"
            raise refused("SAL802", f"projections.{p.name}.e_rev", f"{p.e_rev:g}", "synapses that are currents", fix)
        if "multapses" in p.weights.beyond:
            fix = "measure the network with their sum as one synapse"
            raise refused("SAL802", f"projections.{p.name}.weights.multapses", "true", "one synapse a pair", fix)
        if p.short_term is not None:
            fix, supported = "measure the network without it", "synapses whose PSPs are all as strong"
            raise refused("SAL802", f"projections.{p.name}.short_term", p.short_term.kind, supported, fix)
    chosen = METHODS[method]
    if through and not chosen.paths:
        fix = "leave `through` out, or method='likelihood'"
        raise refused("SAL802", "through", ", ".join(through), f"nothing, with method={method!r}", fix)
    if chosen.random and not stochastic(exe.source):
        fix = "measure a network that has some, or method='psp' on a target that records membranes"
        raise refused("SAL803", "populations", "no GLM neurons", f"GLM neurons, with method={method!r}", fix)
    with rig(
        exe, chips=chips, instances=instances, seed=seed, state=weights, through=through,
        membranes=chosen.membranes, progress=progress,
    ) as setup:  # fmt: skip
        c, held = setup.circuit, setup.held()
        estimates, provenance = chosen.measure(setup, duration)

    def each(name: str) -> Any:
        return np.array([getattr(estimate, name) for estimate in estimates])

    about = {
        **provenance,
        "source_hash": exe.source.content_hash,
        "method": method,
        "duration_ms": duration,
        "through": list(through),
        "versions": {**dict(provenance.get("versions", {})), "scipy": version("scipy")},
    }
    return EffectiveWeights(
        method=method,
        ids=instance_ids(chips, instances),
        weights=c.shaped(each("weights")),
        standard_errors=c.shaped(each("errors")),
        nominal=c.shaped(held),
        biases=c.per_population(each("biases")),
        bias_errors=c.per_population(each("bias_errors")),
        goodness_of_fit=c.per_population(each("fit")),
        through=tuple(through),
        provenance=about,
    )
