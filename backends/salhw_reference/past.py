"""For how long spikes matter to the algorithms, and so how many of them are kept."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2

from salhw.description.connectivity import count
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PlasticityRule
from salhw.description.stimuli import SpikeTimes
from salhw.description.windows import Window
from salhw_reference.kinds import (
    ALL,
    BY_COUNT,
    BY_TABLE,
    BY_TRACE,
    PAIRS,
    RULES,
    WINDOWS,
    length,
    period,
    periods,
    reach,
    steps,
)

STRETCH, STRETCHES = 6.0, 8  # time constants of a stretch, and how many a period has at most: see row_sums.py


def rules_of(net: Network) -> list[tuple[int, int, PlasticityRule]]:
    """(projection number, rule number, rule) in the order in which the program holds them."""
    return [(k, r, rule) for k, p in enumerate(net.projections) for r, rule in enumerate(p.plasticity)]


def _smallest_interval(net: Network, population: str) -> float:
    """The shortest time between two spikes of one neuron, in steps."""
    forced = any(s.population == population for s in only(net.stimuli, SpikeTimes))
    return 1 if forced else period(net.population(population).neuron, net.dt)


def branches(net: Network, p: Projection, rule: PlasticityRule) -> Iterator[tuple[str, Window, str, int]]:
    """Name, window, population of the earlier spikes, and how it sums over these, of each branch of a rule."""
    made = RULES[rule](rule)
    for (name, window), partner in zip(made.windows, (p.pre, p.post), strict=False):  # no windows, no branches
        sums = WINDOWS[window].sums
        alone = sums == BY_COUNT and reach(window, net.dt) <= _smallest_interval(net, partner)
        yield name, window, partner, BY_TABLE if alone or made.pairing != ALL else sums


def horizons(net: Network) -> Iterator[tuple[int, str]]:
    """For how many steps a spike has something to do, and the path of the time that says so: refractory periods, delays
    with the PSPs that end after them, triangular windows over all pairs."""
    for population in net.populations:
        if population.neuron.refractory_period is not None:
            yield int(periods(population.neuron, net.dt).max()), f"populations.{population.name}.tau_ref"
    for p in net.projections:
        delay = 1 + p.longest_delay(net.dt)
        lasts = length(p.kernel, net.dt) or 0
        yield delay + lasts, f"projections.{p.name}.{'delay' if delay > lasts else 'kernel.tau_syn'}"
    for k, number, rule in rules_of(net):
        p = net.projections[k]
        for name, w, _, mode in branches(net, p, rule):
            if mode == BY_COUNT:
                yield reach(w, net.dt), f"projections.{p.name}.{rule_name(p, number)}.{name}.tau"


def lasting(net: Network, p: Projection) -> int:
    """For how many steps each PSP of a projection lasts, if all end as they began: they do not decay or end sooner as
    the next begins, and weights do not change on the spike; else 0."""
    lasts = length(p.kernel, net.dt) or 0
    replaced = p.kernel.superposition == "last" and _smallest_interval(net, p.pre) < lasts
    return 0 if replaced or any(rule.update == "spike" for rule in p.plasticity) else lasts


def ring(net: Network, longest: int) -> int:
    """How many past spikes are kept at most, as many as ``longest`` steps can have; a power of two."""
    spacing = 1 if only(net.stimuli, SpikeTimes) else min(period(p.neuron, net.dt) for p in net.populations)
    return 1 << ceil(log2(sum(p.size for p in net.populations) * (longest // spacing + 3)))


def stretches(net: Network, p: Projection, rule: PlasticityRule) -> int:
    """In how many stretches, at most, the vectorised algorithm sums pairs of a period along rows (row_sums.py);
    0: not so. For rules that add up all pairs by traces and are updated every T ms, where the spikes of a period are
    fewer than the synapses and so easily kept, and where completing the sums takes little of an update."""
    made = RULES[rule](rule)
    windows = [(w.tau, mode) for _, w, _, mode in branches(net, p, rule)]
    if rule.period is None or made.form != PAIRS or [mode for _, mode in windows] != [BY_TRACE, BY_TRACE]:
        return 0
    kept, parts = ring(net, steps(rule.period, net.dt)), ceil(rule.period / (STRETCH * windows[0][0]))
    return parts if parts <= STRETCHES and kept <= count(p.weights, *net.ends(p.name)) else 0


def longest_kept(net: Network) -> int:
    """For how many steps spikes are kept for pair sums along rows."""
    kept = (
        steps(rule.period or 0.0, net.dt) for k, _, rule in rules_of(net) if stretches(net, net.projections[k], rule)
    )
    return max(kept, default=1)
