"""Random networks with a reference phase in which nothing is random, so that the oracle can work it out."""

from __future__ import annotations

from typing import Any

from salhw.conformance.replay.dice import Dice, Infeasible, steps
from salhw.conformance.replay.extent import PHASED
from salhw.conformance.replay.tolerance import Tolerance
from salhw.description.network import Network
from salhw.description.neurons import LIF
from salhw.description.plasticity import PlasticityRule, ReferencePhase
from salhw.description.plasticity.rule import reference_of
from salhw.description.stimuli import Current, NoisyCurrent
from salhw.substrate.capabilities import Capability
from salhw.substrate.support import names_in
from salhw.substrate.target import Target

PRECISE = 1e-5
"""The largest declared error of membranes, as a share of inputs, with which the spikes of LIF neurons follow."""


def has_phase(seed: int) -> bool:
    """Whether the network of a seed has a reference phase."""
    return seed % 1000 >= PHASED


def referable(kinds: dict[str, Capability]) -> dict[str, Capability]:
    """The rules of a target that may have a reference phase, with the updates that it may have."""
    known = PlasticityRule.members
    able = {k: c for k, c in kinds.items() if k in known and "reference" in known[k].model_fields}
    return {k: c | {"update": ("every",)} for k, c in able.items() if "every" in names_in(c, "update")}


def takes_phases(target: Target) -> bool:
    """Whether a target has what such networks need, and declares membranes from which spikes follow."""
    rules, off = {**referable(target.plasticity), **referable(target.host)}, Tolerance.of(target).potential
    return bool(rules) and LIF.__name__ in target.neurons and off is not None and off <= PRECISE


def repeatable(target: Target) -> bool:
    """Whether phases may come again: those, too, find PSPs under way that fall silent with the weights. Before the
    first one there are none."""
    return all(target.accuracy.get(name, 0.0) == 0.0 for name in ("under_way", "lif_under_way"))


def narrowed(target: Target) -> Target:
    """The target with the neurons, stimuli and rules of such networks only."""
    lasting = {
        name: {field: entry for field, entry in capability.items() if field not in ("start", "stop", "every")}
        for name, capability in target.stimuli.items()
        if name in (Current.__name__, NoisyCurrent.__name__)
    }
    host = {name: each for name, each in target.host.items() if name not in PlasticityRule.members}
    certain = {field: entry for field, entry in target.neurons[LIF.__name__].items() if field != "delta_v"}
    return target.replace(
        neurons={LIF.__name__: certain}, stimuli=lasting, averages={}, plasticity=referable(target.plasticity),
        host={**host, **referable(target.host)},
    )  # fmt: skip


def with_phase(net: Network, dice: Dice, again: bool = True) -> Network:
    """The network with a reference phase for one rule of each projection that has any, ``again`` and again or not, and
    one period for all rules, probes and ties: a phase lasts whole multiples of all periods.

    Raises:
        Infeasible: nothing learns.
    """
    period = steps(dice.whole(25, 40), net.dt)
    every = dice.one((None, dice.uniform(1.5, 4.0) * period))
    phase = ReferencePhase(duration=dice.uniform(0.5, 3.0) * period, every=every if again else None)
    projections, learns = [], False
    for p in net.projections:
        first = dice.whole(0, max(0, len(p.plasticity) - 1))
        rules = [_with(rule, phase if k == first else None, period) for k, rule in enumerate(p.plasticity)]
        learns |= bool(rules)
        projections.append(p.replace(plasticity=rules))
    if not learns:
        raise Infeasible
    probes, ties = ([_every(item, period) for item in items] for items in (net.probes, net.ties))
    return net.replace(projections=projections, probes=probes, ties=ties)


def _with(rule: PlasticityRule, phase: ReferencePhase | None, period: float) -> Any:
    return rule.replace(update=f"every {period!r} ms", reference=phase)


def _every(item: Any, period: float) -> Any:
    return item.replace(every=period) if getattr(item, "every", None) is not None else item


def is_phased(net: Network) -> bool:
    """Whether a rule of a network has a reference phase."""
    return any(reference_of(rule) is not None for p in net.projections for rule in p.plasticity)
