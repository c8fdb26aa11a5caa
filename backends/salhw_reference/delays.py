"""Projections with a delay per synapse, as the algorithms have them: several projections of one delay each, or whole
where the vectorised algorithm sends spikes to a ring of coming steps (arrivals.py)."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

from salhw.description.connectivity import Sparse, count
from salhw.description.fields import IntArray
from salhw.description.kinds import Kind
from salhw.description.markers import marks
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw_reference.past import lasting

STEPS_PER_DELAY = 8  # of a ring at most; beyond that it takes far more memory than a projection per delay does

Item = TypeVar("Item", bound=Kind)
Part = tuple[int, IntArray | None]
"""The number of a projection of one delay, and which synapses of the described one it has; None for all of them."""


class Split(NamedTuple):
    """``network`` is the ``described`` one, or where a projection is split the same without copies and probes;
    ``parts`` are what each described projection has become, which lie side by side."""

    described: Network
    network: Network
    parts: dict[str, list[Part]]

    def in_parts(self, name: str) -> IntArray | None:
        """The synapses of a described projection in the order in which its parts have them; None if it is the same."""
        chosen = [some for _, some in self.parts[name] if some is not None]
        return np.concatenate(chosen) if chosen else None


def split(net: Network, *, vectorised: bool = False) -> Split:
    """A network whose synapses are listed, for the vectorised algorithm or the others; the network itself where all
    projections remain whole."""
    several = {p.name for p in net.projections if delays(p) > 1 and not (vectorised and ring_bytes(net, p))}
    pieces = {p.name: _pieces(net, p) if p.name in several else [(None, p)] for p in net.projections}
    made = [piece for some in pieces.values() for _, piece in some]
    numbers = iter(range(len(made)))
    parts: dict[str, list[Part]] = {
        name: [(next(numbers), chosen) for chosen, _ in some] for name, some in pieces.items()
    }
    if not several:
        return Split(net, net, parts)
    named = [p.replace(name=f"p{k}") for k, p in enumerate(made)]
    return Split(net, net.replace(projections=named, probes=[], ties=[]), parts)


def delays(p: Projection) -> int:
    """How many different delays the synapses of a projection have."""
    return len(np.unique(p.delay)) if isinstance(p.delay, np.ndarray) else 1


def delay_range(p: Projection, dt: float) -> tuple[int, int]:
    """The shortest and the longest delay of a projection in steps."""
    steps, longest = p.delay_steps(dt), p.longest_delay(dt)
    return int(steps.min(initial=longest)), longest


def ring_bytes(net: Network, p: Projection) -> int:
    """What an instance of the vectorised algorithm takes for the delays of a projection that it keeps whole; 0 if it
    does not: where weights change on the spike, spikes differ in strength, a spike may replace the PSP of the last one,
    or the ring would be far longer than there are delays."""
    on_spike = any(rule.update == "spike" for rule in p.plasticity)
    post, pre, _ = net.ends(p.name)
    first, last = delay_range(p, net.dt)
    longest = min(STEPS_PER_DELAY * delays(p), 2**32 // max(post, 1))  # places in it are numbers of 32 bits
    renews = p.kernel.superposition == "last"
    if on_spike or renews or p.short_term is not None or not 0 < last - first < longest:
        return 0
    return (last - first + 1) * (8 * post + 16 * pre)


def volley_bytes(net: Network, p: Projection) -> int:
    """At most so many bytes an instance of the vectorised algorithm takes for the volleys of a projection and its parts
    (volleys.py), which take no more than a number per synapse; 0 where delays have a ring."""
    (post, pre, same), lasts = net.ends(p.name), lasting(net, p)
    if lasts == 0 or ring_bytes(net, p) > 0:
        return 0
    return 8 * min((lasts + 1) * post * delays(p), count(p.weights, post, pre, same))


def _pieces(net: Network, p: Projection) -> list[tuple[IntArray | None, Projection]]:
    table = net.synapses(p.name)
    steps = table.delay_steps(net.dt)
    rules, pieces = [_alike(rule) for rule in p.plasticity], list[tuple[IntArray | None, Projection]]()
    for step in np.unique(steps):
        chosen = np.flatnonzero(steps == step)
        ends = {"post": table.post[chosen], "pre": table.pre[chosen], "weight": table.weight[chosen]}
        listed = Sparse(**ends, **p.weights.beyond)
        pieces.append((chosen, p.replace(weights=listed, delay=float(step * net.dt), plasticity=rules)))
    return pieces or [(None, p.replace(delay=0.0))]


def _alike(item: Item) -> Item:
    """A rule, or a part of one, with one value for all synapses: each synapse's own are written to the engine."""
    own = (name for name, mark in marks(type(item)) if mark.per == "synapse")
    alike = {name: 0.0 for name in own if isinstance(getattr(item, name), np.ndarray)}
    return item.replace(**alike, **{name: _alike(part) for name, part in item.parts()})
