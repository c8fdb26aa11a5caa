"""How many neuro-cores a network occupies, by the published limits of Loihi 2 and, where there are none, Loihi 1's.

Loihi 2's synapse memory and axon tables are not public. Loihi 1's stand in for them, which is on the safe side as far
as is known; whatever rests on them is called unverified.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

from salhw.description.connectivity import count
from salhw.description.network import Network
from salhw.diagnostics import Diagnostic
from salhw_lava.words import NEURON_KINDS

CORES = 128
NEURONS = 8192  # per core: published for Loihi 2
SYNAPSE_BITS = 1 << 20  # per core; Loihi 1
AXONS = 4096  # inputs per core; Loihi 1
WEIGHT_BITS, TAG_BITS, DELAY_BITS = 8, 8, 6  # per synapse; those that learn hold a tag, too


@dataclass(frozen=True)
class Demand:
    """What the neurons of one population need: by the published limit, and by the unverified ones."""

    population: str
    published: int
    unverified: int
    because: str


def demands(net: Network, hosted: Collection[str] = ()) -> list[Demand]:
    """Cores per population of neurons; those without potentials stay on the host. Synapses that ``hosted`` projections
    have do not learn on the chip."""
    needs = []
    for population in net.populations:
        if NEURON_KINDS[population.neuron].fit is None:
            continue
        incoming = [p for p in net.projections if p.post == population.name]
        learns = {p.name: bool(p.plasticity) and p.name not in hosted for p in incoming}
        extra = {p.name: TAG_BITS if learns[p.name] else DELAY_BITS * bool(p.longest_delay(net.dt)) for p in incoming}
        bits = sum(count(p.weights, *net.ends(p.name)) * (WEIGHT_BITS + extra[p.name]) for p in incoming)
        # An axon per presynaptic neuron and core; learning takes a second slot.
        axons = sum(net.population(p.pre).size * (1 + learns[p.name]) for p in incoming)
        proxies = {"synapse memory": ceil(bits / SYNAPSE_BITS), "axons": ceil(axons / AXONS)}
        name, most = max(proxies.items(), key=lambda item: item[1])
        needs.append(Demand(population.name, ceil(population.size / NEURONS), most, name))
    return needs


def occupied(net: Network, hosted: Collection[str] = ()) -> tuple[str, list[Diagnostic]]:
    """A line for the report, and findings where there are too few cores."""
    needs = demands(net, hosted)
    published = sum(d.published for d in needs)
    total = sum(max(d.published, d.unverified) for d in needs)
    line = f"{published} of {CORES} neuro-cores by neurons"
    if total > published:
        worst = max(needs, key=lambda d: d.unverified)
        line += f", {total} with Loihi 1's {worst.because} (unverified: Loihi 2's is not public)"
    if total <= CORES:
        return line, []
    worst = max(needs, key=lambda d: max(d.published, d.unverified))
    why = f"Loihi 1's {worst.because}, unverified" if worst.unverified > worst.published else f"{NEURONS} neurons each"
    fix = "fewer neurons or synapses, or several chips"
    asked = f"{total} neuro-cores ({why})"
    return line, [Diagnostic("SAL211", f"populations.{worst.population}", asked, f"{CORES} available", fix)]
