"""The probes of random networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from salhw.conformance.replay.connectors import listed
from salhw.conformance.replay.deal import Deal, replayable
from salhw.conformance.replay.dice import Dice
from salhw.conformance.replay.trains import FOUND
from salhw.description.connectivity import count
from salhw.description.markers import structure
from salhw.description.parts import Population, Projection, variables
from salhw.description.probes import Probe, Spikes, SynapseVariable, Variable
from salhw.description.traces import Trace
from salhw.substrate.support import names_in

APART = (Variable.__name__, SynapseVariable.__name__)
"""Probes that are drawn by themselves, for what each population or projection has of them."""


def probes_of(
    deal: Deal, populations: list[Population], projections: list[Projection], traces: list[Trace]
) -> list[Probe]:
    """Spikes of all populations; of all else that the target can probe, most."""
    ends = {p.name: p for p in populations}
    named = {
        "population": [(p.name, p.neuron.offers, p.size) for p in populations],
        "projection": [(p.name, frozenset({"spikes"}), _synapses(p, ends[p.pre], ends[p.post])) for p in projections],
        "trace": [(t.name, frozenset({"spikes"}), 0) for t in traces],
    }
    made: list[Probe] = []
    for kind, capability in deal.target.probes.items():
        if kind not in Probe.members or not replayable(Probe, kind) or kind in APART:
            continue
        cls = Probe.members[kind]
        (field, about), *_ = [(name, marker.names) for name, marker in structure(cls) if marker.names]
        for name, offers, size in named[about]:
            if cls.needs not in offers or (cls.largest is not None and size > min(cls.largest, 6)):
                continue
            if kind == "Spikes" or deal.dice.chance(0.8):
                part = _part(deal, cls, size)
                made.append(cls(**{field: name}, **part, **deal.fields(cls, capability, ())))
    made += [probe for p in populations for probe in _variables(deal, p, projections)]
    sizes = [size for _, _, size in named["projection"]]
    return made + [probe for p, size in zip(projections, sizes, strict=True) for probe in _of_synapses(deal, p, size)]


def _variables(deal: Deal, p: Population, projections: list[Projection]) -> list[Variable]:
    """Probes of a population: of each of its neurons' own variables that the target can probe, and up to two of what
    synapses add up to. Drawn by themselves, as reversal potentials are."""
    capability = deal.target.probes.get(Variable.__name__, {})
    deal = replace(deal, dice=Dice(f"{deal.dice.seed} variables of {p.name}"))
    declared = names_in(capability, "of")
    known = [of for of in variables(p, projections) if of.partition(".")[0] in declared]
    own = [of for of in known if of in p.neuron.variables]
    synaptic = [of for of in known if of not in own]
    made = []
    for of in [*own, *deal.dice.shuffled(synaptic)[:2]]:
        drawn = deal.fields(Variable, capability, ()) | _part(deal, Variable, p.size)
        made += [Variable(**drawn | {"population": p.name, "of": of})] if deal.dice.chance(0.8) else []
    return made


def _of_synapses(deal: Deal, p: Projection, size: int) -> list[SynapseVariable]:
    """Probes of each variable of a projection's short-term plasticity that the target can probe, drawn likewise."""
    capability = deal.target.probes.get(SynapseVariable.__name__, {})
    deal = replace(deal, dice=Dice(f"{deal.dice.seed} variables of {p.name}'s synapses"))
    if p.short_term is None or p.short_term not in FOUND:
        return []
    drawn = {
        of: deal.fields(SynapseVariable, capability, ()) | _part(deal, SynapseVariable, size)
        for of in p.short_term.variables
        if of in names_in(capability, "of") and deal.dice.chance(0.8)
    }
    return [SynapseVariable(**fields | {"projection": p.name, "of": of}) for of, fields in drawn.items()]


def _synapses(p: Projection, pre: Population, post: Population) -> int:
    return count(listed(p.weights, p.name, pre, post), post.size, pre.size, p.recurrent)


def _part(deal: Deal, cls: type[Probe], size: int) -> dict[str, Any]:
    """The neurons or synapses that a probe looks at, of ``size``: all, or some; never some of the spikes, which tell
    all else."""
    chosen = [name for name, marker in structure(cls) if marker.index]
    if not chosen or not size or cls is Spikes or deal.dice.chance(0.6):
        return {}
    return {chosen[0]: deal.dice.subset(range(size), 1)}
