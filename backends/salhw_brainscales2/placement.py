"""Which rows of the synapse array a network takes: neuron k of the chip is column k, 256 in each hemisphere.

Rows go in pairs, an excitatory and an inhibitory one, because any weight may be given either sign. A weight beyond one
synapse's range takes several row pairs, as many as all weights of its projection: synapses with its source's label in
its neuron's column, whose currents add. Projections share rows with those that have as many of them per weight. The
background of a neuron comes in through a crossing of its own, 12 neurons per row pair: a driver passes one event per
8 ns. Projections with short-term plasticity share rows with those that have the same, and each row pair has one source.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import IntArray
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.short_term import ShortTerm
from salhw.session.placement import Placement
from salhw.substrate.target import Target
from salhw_brainscales2.hardware.processor import COLUMNS
from salhw_brainscales2.hardware.rows import LABELS, assign_rows
from salhw_brainscales2.neurons import EVENTS, cells
from salhw_brainscales2.rules import plastic

ROW_PAIRS = 128
"""Of a hemisphere: 256 rows."""
DRIVER_EVENTS = 125.0
"""Events per ms of biological time that a driver (a row pair) passes: one per 8 ns at a speed-up of 1000."""
GENERATED_EVENTS = 8 * 125.0
"""Events per ms of biological time of the eight background generators together."""


@dataclass(frozen=True)
class Rows:
    """Where each projection's weights lie in their hemisphere, (S,): a row pair, or several, one after the other, that
    are numbered as one; the synapse driver of the first of them, on the whole chip; how many row pairs a hemisphere
    uses, how many of them learn, and how many carry background; events per ms of the background."""

    row: dict[str, IntArray]
    driver: dict[str, IntArray]
    used: tuple[int, int]
    learning: tuple[int, int]
    background: tuple[int, int]
    events: float


def rows(net: Network, target: Target, placement: Placement) -> Rows:
    """Rows for what the processor teaches first, then for all other projections beside it, then for the background."""
    learning_ones = plastic(net, target)
    order = sorted(net.projections, key=lambda p: p.name not in learning_ones)
    ends, per_weight = {}, {p.name: placement.synapses_per_weight.get(p.name, 1) for p in order}
    for p in order:
        post, pre, _ = synapses(p.weights, *net.ends(p.name))
        ends[p.name] = placement.first[p.post] + post, placement.first[p.pre] + pre
    chosen = {name: np.zeros(len(post), dtype=np.int64) for name, (post, _) in ends.items()}
    driver = {name: np.zeros_like(row) for name, row in chosen.items()}
    groups: dict[tuple[int, ShortTerm | None], list[Projection]] = {}
    for p in sorted(order, key=lambda p: (p.short_term is not None, per_weight[p.name])):
        groups.setdefault((per_weight[p.name], p.short_term), []).append(p)
    used, learning, background = [0, 0], [0, 0], [0, 0]
    total = 0.0
    for hemisphere in (0, 1):
        here = {name: post // COLUMNS == hemisphere for name, (post, _) in ends.items()}
        for (count, short_term), alike in groups.items():
            taken, last = _assigned(alike, learning_ones, ends, here, chosen, LABELS if short_term is None else 1)
            for p in alike:
                first = ROW_PAIRS * hemisphere + used[hemisphere] + count * chosen[p.name]
                driver[p.name] = np.where(here[p.name], first, driver[p.name])
            used[hemisphere] += count * taken
            learning[hemisphere] += count * last
        background[hemisphere], events = _background(net, placement, hemisphere)
        used[hemisphere] += background[hemisphere]
        total += events
    return Rows(chosen, driver, (used[0], used[1]), (learning[0], learning[1]), (background[0], background[1]), total)


def _assigned(
    alike: Sequence[Projection],
    learning: Container[str],
    ends: Mapping[str, tuple[IntArray, IntArray]],
    here: Mapping[str, npt.NDArray[np.bool_]],
    chosen: Mapping[str, IntArray],
    labels: int,
) -> tuple[int, int]:
    """Assign rows of so many ``labels`` to the synapses ``here`` of projections that share them, into ``chosen``; how
    many rows there are, and how many of them learn."""
    joined = [
        np.concatenate([np.zeros(0, dtype=np.int64), *(ends[p.name][side][here[p.name]] for p in alike)])
        for side in (0, 1)
    ]
    row = assign_rows(joined[1], joined[0], labels)
    start, last = 0, 0
    for p in alike:
        count = int(here[p.name].sum())
        chosen[p.name][here[p.name]] = row[start : start + count]
        start += count
        if p.name in learning:
            last = start
    return int(row.max(initial=-1)) + 1, int(row[:last].max(initial=-1)) + 1


def _background(net: Network, placement: Placement, hemisphere: int) -> tuple[int, float]:
    """(row pairs, events per ms) of the background of a hemisphere's neurons."""
    events = 0.0
    for name, cell in cells(net).items():
        if cell.sampling:
            count = int((placement.neurons(net, name) // COLUMNS == hemisphere).sum())
            events += count * 2.0 * EVENTS / cell.tau_ref
    return int(np.ceil(events / DRIVER_EVENTS)), events
