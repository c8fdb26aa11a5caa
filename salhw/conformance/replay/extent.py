"""How large random networks are, and how long they run: most have several populations; some are as plain as networks
can be, and some large, because simulators have other algorithms for these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from salhw.description.kernels import Rectangular
from salhw.description.kinds import kind_name
from salhw.description.neurons import Neuron
from salhw.description.plasticity import PairSTDP
from salhw.description.probes import Probe
from salhw.description.stimuli import SpikeTimes
from salhw.description.windows import ExponentialWindow
from salhw.substrate.capabilities import Capability
from salhw.substrate.support import names_in
from salhw.substrate.target import Target

T = TypeVar("T")

LENGTHS = (1, 7, 23, 60, 110)
"""Steps of runs: some as short as they can be, some so long that what stimuli begin has ended."""
PLAIN, SINGLE, LARGE, PHASED = 900, 950, 980, 990
"""Of each thousand seeds the first whose networks are plain, have a single rule, are large, and have a reference
phase."""
ROOM = 100_000
"""Neurons that a target has room for where a network of more than a hundred is an ordinary one, and may be drawn."""

Numbers = tuple[int, int]
"""At least and at most."""


@dataclass(frozen=True)
class Extent:
    """How many populations a network has, neurons in each of them, projections, and more of these that are parallel or
    lead back; how many rules each may have; the size of weights beside what is ordinary; whether PSPs are ``brief``,
    over before the neurons at their ends can spike again; of which parts of a target it is made; how many instances it
    runs in, and the steps of its runs."""

    populations: Numbers = (2, 4)
    neurons: Numbers = (1, 20)
    projections: Numbers = (1, 4)
    parallel: Numbers = (0, 2)
    rules: tuple[int, ...] = (0, 1, 1, 2, 3)
    strength: float = 1.0
    brief: bool = False
    narrowed: Callable[[Target], Target] = lambda target: target
    instances: int = 16
    lengths: tuple[int, ...] = LENGTHS


def _deciding(target: Target) -> dict[str, Capability]:
    """The neurons that decide at random by their potential."""
    known = Neuron.members
    return {name: each for name, each in target.neurons.items() if name in known and "decision" in known[name].offers}


def _less(declared: dict[str, T], *names: str) -> dict[str, T]:
    """What is declared, but for these."""
    return {name: entry for name, entry in declared.items() if name not in names}


def _bare(target: Target, *names: str) -> Target:
    """Neurons that decide at random, without short-term plasticity, traces, and what of projections has these names."""
    projections = _less(target.projections, "arrays", "e_rev", *names)
    return target.replace(neurons=_deciding(target), projections=projections, short_term={}, averages={})


def _plain(target: Target) -> Target:
    """Neurons that decide at random, PSPs that end, one delay for all; nothing is forced, and no potential seen."""
    kernels = {k: v for k, v in target.kernels.items() if k == Rectangular.__name__}
    unseen = {k: v for k, v in target.probes.items() if k in Probe.members and Probe.members[k].needs != "membrane"}
    return _bare(target).replace(kernels=kernels, probes=unseen, stimuli=_less(target.stimuli, SpikeTimes.__name__))


def _single(target: Target) -> Target:
    """Nothing but what most rules are taken beside: one of many rules that a target has with conditions is left out of
    networks that have more, such as named inputs, beside which hosts run a network in pieces."""
    neurons = {name: _less(each, "inputs") for name, each in _deciding(target).items()}
    stimuli = _less(target.stimuli, SpikeTimes.__name__)
    return _bare(target, "synapses").replace(neurons=neurons, stimuli=stimuli)


def _large(target: Target) -> Target:
    """All neurons are joined to all, and learn by all pairs, with time between updates."""
    joined = tuple(k for k in names_in(target.projections, "connectivity") if k in ("Dense", "AllToAll"))
    bare = _bare(target, "synapses")

    def learning(kinds: dict[str, Capability]) -> dict[str, Capability]:
        rule, seldom = kinds.get(PairSTDP.__name__, {}), ("every", "run end")
        updates = tuple(each for each in names_in(rule, "update") if each in seldom)
        pairs = {k: ("all",) if k == "pairing" else v for k, v in rule.items() if k != "arrays"} | {"update": updates}
        others = {k: v for k, v in kinds.items() if k == kind_name(ExponentialWindow)}
        return others | ({PairSTDP.__name__: pairs} if updates else {})

    return bare.replace(
        projections=bare.projections | {"connectivity": joined}, windows=learning(target.windows),
        plasticity=learning(target.plasticity), host=learning(target.host),
    )  # fmt: skip


USUAL = Extent()
EXTENTS = {
    PLAIN: Extent(
        (1, 1), (2, 10), (1, 1), (0, 0), (0, 1, 1, 2), brief=True, narrowed=_plain, lengths=(1, 60, 110, 300)
    ),
    SINGLE: Extent((2, 2), (2, 6), (1, 1), (0, 0), (1,), narrowed=_single),
    LARGE: Extent((1, 1), (129, 132), (1, 1), (0, 0), (2,), 0.1, narrowed=_large, instances=1, lengths=(23, 60)),
    PHASED: USUAL,
}


def extent(seed: int) -> Extent:
    """That of the network of a seed."""
    return next((EXTENTS[first] for first in sorted(EXTENTS, reverse=True) if seed % 1000 >= first), USUAL)


def drawable(target: Target) -> dict[int, int]:
    """How many plain and large networks a quick profile draws for a target, by their first seeds."""
    able = bool(_deciding(target)) and Rectangular.__name__ in target.kernels
    neurons = target.resources.get("neurons", 0)
    return {PLAIN: 3 * able, LARGE: 1 * (able and neurons >= ROOM)}
