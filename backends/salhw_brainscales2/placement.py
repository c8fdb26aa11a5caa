"""Which rows of the synapse array a network takes: neuron k of the chip is column k, 256 in each hemisphere.

Rows go in pairs, an excitatory and an inhibitory one, because any weight may be given either sign. The background of a
neuron comes in through a crossing of its own, 12 neurons per row pair: a driver passes one event per 8 ns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salhw.description.connectivity import synapses
from salhw.description.fields import IntArray
from salhw.description.network import Network
from salhw.session.placement import Placement
from salhw_brainscales2.hardware.processor import COLUMNS
from salhw_brainscales2.hardware.rows import assign_rows
from salhw_brainscales2.neurons import EVENTS, cells

ROW_PAIRS = 128
"""Of a hemisphere: 256 rows."""
DRIVER_EVENTS = 125.0
"""Events per ms of biological time that a driver (a row pair) passes: one per 8 ns at a speed-up of 1000."""
GENERATED_EVENTS = 8 * 125.0
"""Events per ms of biological time of the eight background generators together."""


@dataclass(frozen=True)
class Rows:
    """Row pairs of each projection's synapses in their hemisphere, (S,); how many row pairs a hemisphere uses, how many
    of them learn, and how many carry background; events per ms of the background."""

    row: dict[str, IntArray]
    used: tuple[int, int]
    learning: tuple[int, int]
    background: tuple[int, int]
    events: float


def rows(net: Network, placement: Placement) -> Rows:
    """Rows for plastic projections first, then for the static ones beside them, then for the background."""
    order = sorted(net.projections, key=lambda p: not p.plasticity)
    ends = {}
    for p in order:
        post, pre, _ = synapses(p.weights, *net.ends(p.name))
        ends[p.name] = placement.first[p.post] + post, placement.first[p.pre] + pre
    chosen = {name: np.zeros(len(post), dtype=np.int64) for name, (post, _) in ends.items()}
    used, learning, background = [], [], []
    total = 0.0
    for hemisphere in (0, 1):
        here = {name: post // COLUMNS == hemisphere for name, (post, _) in ends.items()}
        joined = [
            np.concatenate([np.zeros(0, dtype=np.int64), *(ends[n][side][here[n]] for n in ends)]) for side in (0, 1)
        ]
        row = assign_rows(joined[1], joined[0])
        start, last = 0, 0
        for p in order:
            count = int(here[p.name].sum())
            chosen[p.name][here[p.name]] = row[start : start + count]
            start += count
            if p.plasticity:
                last = start
        learning.append(int(row[:last].max(initial=-1)) + 1)
        noisy, events = _background(net, placement, hemisphere)
        total += events
        background.append(noisy)
        used.append(int(row.max(initial=-1)) + 1 + noisy)
    return Rows(chosen, (used[0], used[1]), (learning[0], learning[1]), (background[0], background[1]), total)


def _background(net: Network, placement: Placement, hemisphere: int) -> tuple[int, float]:
    """(row pairs, events per ms) of the background of a hemisphere's neurons."""
    events = 0.0
    for name, cell in cells(net).items():
        if cell.sampling:
            count = int((placement.neurons(net, name) // COLUMNS == hemisphere).sum())
            events += count * 2.0 * EVENTS / cell.tau_ref
    return int(np.ceil(events / DRIVER_EVENTS)), events
