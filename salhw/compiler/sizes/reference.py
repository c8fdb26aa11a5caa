"""What a network does on the reference while its weights stand still: rates, and what its rules would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from salhw.compiler.findings import problems
from salhw.compiler.passes import lowered
from salhw.description.connectivity import count, synapses, values
from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity.rule import without_reference
from salhw.registry import backend, resolve
from salhw.session.executable import Executable

REFERENCE = "reference"
INSTANCES = 32
FEW = 4
"""Instances of large networks."""
MANY_SYNAPSES, MOST_SYNAPSES = 100_000, 2_000_000
"""From where on a network runs in few instances, and not at all."""
MANY_STEPS = 3e6
"""Neurons times steps of a second from where on a network runs in few instances."""
BLOCK = 1000.0
"""ms over which weight changes are summed: their spread is the weight noise of one second."""
SETTLING = 500.0
BLOCKS = (2, 64)
WORK = 1e7
"""Neurons times steps times instances of a run: a tenth of a second of the reference's time, half of one where it goes
step by step."""
MOST_PAIRS = 200
"""Reciprocal pairs of a projection that are looked at one by one."""
STILL = 1e-9
"""The learning rate while weights stand still: it moves no spike, and leaves a change seven digits."""


@dataclass(frozen=True, eq=False)
class Learning:
    """What the rules of one projection do per second to its weights where they are, (instance, block).

    Args:
        drift: change of the mean weight.
        gap: change of the mean distance of two reciprocal weights; empty if the projection has none.
        square: mean square deviation of a synapse's change from its mean over the run.
        pairs: change of each difference of ``reciprocal`` weights, (instance, pair); empty beyond ``MOST_PAIRS``.
    """

    drift: FloatArray
    gap: FloatArray
    square: FloatArray
    pairs: FloatArray

    def times(self, factor: float) -> Learning:
        """The same at another learning rate."""
        return Learning(self.drift * factor, self.gap * factor, self.square * factor**2, self.pairs * factor)


@dataclass(frozen=True, eq=False)
class Activity:
    """Mean rates in Hz by population, (instance, block), and of its neurons, (neuron,); ``Learning`` by plastic
    projection."""

    rates: Mapping[str, FloatArray]
    neurons: Mapping[str, FloatArray]
    learning: Mapping[str, Learning]


def instances(net: Network) -> int:
    """In how many instances a network runs; 0 if it is too large to be run for its sizes."""
    many = sum(count(p.weights, *net.ends(p.name)) for p in net.projections)
    steps = sum(p.size for p in net.populations) * BLOCK / net.dt
    return 0 if many > MOST_SYNAPSES else FEW if many > MANY_SYNAPSES or steps > MANY_STEPS else INSTANCES


def activity(net: Network, seed: int) -> Activity | None:
    """What a network does with its weights as they are, or None if it is too large or the reference does not hold it.

    Networks that differ in schedules, bounds, probes or the scale of learning rates alone share one run.
    """
    names = {p.name: largest_rate(p) for p in net.projections}
    held = _run(still(net), seed)
    if held is None:
        return None
    return replace(held, learning={name: each.times(names[name]) for name, each in held.learning.items()})


def learns(net: Network, projection: Projection) -> bool:
    """Whether it has rules, and synapses for them."""
    return bool(projection.plasticity) and count(projection.weights, *net.ends(projection.name)) > 0


def largest_rate(projection: Projection) -> float:
    """The largest learning rate of a projection's rules; 1 if none learns."""
    rates = [float(np.abs(rule.learning_rate).max(initial=0.0)) for rule in projection.plasticity]
    return max(rates, default=0.0) or 1.0


def still(net: Network) -> Network:
    """The network without probes, whose rules add up what they would change at a rate of at most 1e-9."""
    projections = []
    for p in net.projections:
        scale = STILL / largest_rate(p)
        rules = tuple(
            without_reference(rule).replace(
                learning_rate=np.asarray(rule.learning_rate) * scale, update="run end", bounds=None, execution="chip"
            )
            for rule in p.plasticity
        )
        projections.append(p.replace(plasticity=rules))
    return net.replace(projections=tuple(projections), probes=())


def on_reference(net: Network) -> Executable:
    """A network compiled for the reference."""
    target = resolve(REFERENCE)
    return lowered(net, target, backend(target.backend))


@lru_cache(maxsize=16)
def _run(net: Network, seed: int) -> Activity | None:
    copies = instances(net)
    if not copies or problems(net, REFERENCE):
        return None
    plastic = [p for p in net.projections if learns(net, p)]
    pairs = {p.name: reciprocal(net, p) for p in plastic}
    positions = {p.name: synapses(p.weights, *net.ends(p.name))[2] for p in plastic}
    steps = sum(p.size for p in net.populations) * BLOCK / net.dt * copies
    blocks = int(np.clip(WORK / steps, *BLOCKS))
    rates: dict[str, list[FloatArray]] = {p.name: [] for p in net.populations}
    total = {p.name: np.zeros(p.size) for p in net.populations}
    sums: dict[str, list[FloatArray]] = {p.name: [] for p in plastic}
    with on_reference(net).open(instances=copies, seed=seed) as session:

        def weights() -> dict[str, FloatArray]:
            arrays = {p.name: session.get(f"projections.{p.name}.weights") for p in plastic}
            return {name: each.reshape(copies, -1)[:, positions[name]] for name, each in arrays.items()}

        session.run(round(SETTLING / net.dt) * net.dt)
        before = weights()
        duration = round(BLOCK / net.dt) * net.dt
        for _ in range(blocks):
            recording = session.run(duration)
            now = weights()
            for name, counts in recording.counts.items():
                rates[name].append(counts.mean(axis=1) * (1000.0 / duration))
                total[name] += counts.mean(axis=0) * (1000.0 / duration / blocks)
            for name, after in now.items():
                sums[name].append((after - before[name]) * (1000.0 / duration / STILL))
            before = now
    return Activity(
        {name: np.stack(each, axis=1) for name, each in rates.items()},
        total,
        {name: _learning(np.stack(each, axis=1), *pairs[name]) for name, each in sums.items()},
    )


def _learning(changes: FloatArray, pairs: IntArray, sign: FloatArray) -> Learning:
    """From changes per second (instance, block, synapse)."""
    blocks = changes.shape[1]
    deviation = changes - changes.mean(axis=1, keepdims=True)
    difference = changes[..., pairs[0]] - changes[..., pairs[1]]
    gap = difference * sign
    return Learning(
        drift=changes.mean(axis=2),
        gap=gap.mean(axis=2) if pairs.size else np.zeros((len(changes), 0)),
        square=(deviation**2).mean(axis=2) * (blocks / (blocks - 1)),
        pairs=difference.mean(axis=1) if len(sign) <= MOST_PAIRS else np.zeros((len(changes), 0)),
    )


def reciprocal(net: Network, projection: Projection) -> tuple[IntArray, FloatArray]:
    """(pairs, sign): the positions, (2, pair), of reciprocal synapses in the order of ``synapses``, and the sign of the
    difference of their weights."""
    ends = net.ends(projection.name)
    post, pre, position = synapses(projection.weights, *ends)
    if not projection.recurrent:
        return np.zeros((2, 0), dtype=np.int64), np.zeros(0)
    size = ends[0]
    there, back = post * size + pre, pre * size + post
    order = np.argsort(there)
    found = np.minimum(np.searchsorted(there[order], back), len(order) - 1) if len(order) else order
    partner = order[found]
    first = np.flatnonzero((there[partner] == back) & (post > pre)) if len(order) else order
    pairs = np.stack([first, partner[first]])
    weights = values(projection.weights, *ends).ravel()[position]
    return pairs, np.sign(weights[pairs[0]] - weights[pairs[1]])
