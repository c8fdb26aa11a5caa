"""What the oracle works out of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from salhw.conformance.replay.trains import Bools
from salhw.description.fields import FloatArray, IntArray

DIVERGED = 1e6
"""What feeds back on itself may grow without a limit, and rounding with it: beyond, nothing is compared."""


@dataclass(frozen=True)
class Course:
    """What must have been in one run, at its steps ``start`` .. ``stop``.

    Args:
        potentials: u or v as it entered the decision, by population, (instance, step, neuron). No number here and below
            is what nobody can know.
        thresholds: what they are compared with where that decides, likewise.
        chances: the probability of a spike, likewise.
        deciders: what decided, likewise: FREE, REFRACTORY ...
        inputs: what each projection adds to the potential, (instance, step, neuron).
        reached: the most, in size, that each projection has added until then, earlier runs included, likewise.
        followed: how much of these inputs, by population, is there because PSPs under way follow a weight or a gain
            that has changed, at most: the most until then, (instance, step, neuron).
        uncertain: how far the inputs of a population may be off because weights, and what teachers add, may be,
            likewise.
        spread: how far the potentials may be off by the neurons' own dynamics, (instance, step, neuron).
        variables: what each probe of variables must have shown, by label, (instance, step, neuron or synapse).
        unsure: how far a target may be off in these, likewise.
        traces: each trace after the step, (instance, step, neuron).
        weights: those of each projection, (instance, step, synapse), where the entry k holds before the step start + k,
            the last one after the periodic updates of the last step; ``held`` has those after the end of the run.
        movement: by how much weights have moved up and down in all until then, likewise: what bounds how far rounding
            and a relative error can have carried them.
        disputed: by how much the weights of some projections may be off, without sign, because spikes have coincided
            since they were read, likewise.
        doubted: by how much weights may be off because they are rounded at random, likewise.
        states: z of populations whose occupancy is probed, (instance, step, neuron).
    """

    start: int
    stop: int
    potentials: Mapping[str, FloatArray]
    thresholds: Mapping[str, FloatArray]
    chances: Mapping[str, FloatArray]
    deciders: Mapping[str, IntArray]
    inputs: Mapping[str, FloatArray]
    reached: Mapping[str, FloatArray]
    followed: Mapping[str, FloatArray]
    uncertain: Mapping[str, FloatArray]
    spread: Mapping[str, FloatArray]
    variables: Mapping[str, FloatArray]
    unsure: Mapping[str, FloatArray]
    traces: Mapping[str, FloatArray]
    weights: Mapping[str, FloatArray]
    movement: Mapping[str, FloatArray]
    disputed: Mapping[str, FloatArray]
    doubted: Mapping[str, FloatArray]
    states: Mapping[str, Bools]

    @cached_property
    def diverged(self) -> Bools:
        """Whether any potential or trace of an instance has grown beyond DIVERGED, or any weight may be off,
        (instance, step, 1)."""
        each = [
            np.nan_to_num(np.abs(v), posinf=np.inf).max(axis=2)
            for v in (*self.potentials.values(), *self.traces.values())
        ]
        largest = np.maximum.accumulate(np.max(each, axis=0), axis=1)
        off = [np.any(each[:, :-1] > 0.0, axis=2) for each in self.disputed.values()]
        return np.asarray(np.logical_or.reduce([largest > DIVERGED, *off]))[:, :, None]
