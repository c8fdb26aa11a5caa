"""Spike-pair rules worked out beside a target, from its spikes: for backends whose target does not have the rule.

What docs/semantics.md says under "Pairs", step by step, over all instances and synapses at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray, IntArray
from salhw.description.plasticity import PairSTDP
from salhw.description.windows import Window

Bools = npt.NDArray[np.bool_]
NEVER = -(2**62)


class _Partners:
    """The earlier spikes of one side of the synapses that later spikes of the other side pair with."""

    def __init__(self, rule: PairSTDP, window: Window, shape: tuple[int, ...], dt: float) -> None:
        self.rule, self.window, self.dt = rule, window, dt
        self.last = np.full(shape, NEVER, dtype=np.int64)
        self.trace, self.at = np.zeros(shape), 0
        self.recent: deque[tuple[int, Bools]] = deque()

    def value(self, step: int) -> FloatArray:
        """What a spike of the partner at ``step`` gets of each neuron here, without amplitude, (instance, neuron)."""
        if self.rule.pairing != "all":
            lag = np.where(self.last == NEVER, 1, step - self.last) * self.dt
            return np.where(self.last == NEVER, 0.0, self.window.shape(lag))
        if self.window.memoryless:
            return np.asarray(self.trace * self.window.shape(np.array((step - self.at) * self.dt)))
        while self.recent and (step - self.recent[0][0]) * self.dt >= self.window.extent:
            self.recent.popleft()
        total = np.zeros(self.last.shape)
        for earlier, who in self.recent:
            total += who * self.window.shape(np.array((step - earlier) * self.dt))
        return total

    def add(self, step: int, who: Bools) -> None:
        """Spikes at ``step``."""
        if self.rule.pairing == "all":
            if self.window.memoryless:
                self.trace = self.value(step) + who
                self.at = step
            else:
                self.recent.append((step, who))
        self.last[who] = step


@dataclass
class HostRule:
    """One rule on the synapses ``pre[k]`` -> ``post[k]`` of a projection, over ``instances`` copies; ``post``, ``pre``
    and ``position`` as ``connectivity.synapses`` gives them.

    ``change`` holds what its pairs have added up to since it was last taken, (instance, synapse), without the learning
    rate.
    """

    rule: PairSTDP
    post: IntArray
    pre: IntArray
    position: IntArray
    sizes: tuple[int, int]
    instances: int
    dt: float
    change: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        n_post, n_pre = self.sizes
        self.change = np.zeros((self.instances, len(self.post)))
        self._before = _Partners(self.rule, self.rule.causal, (self.instances, n_pre), self.dt)
        self._after = _Partners(self.rule, self.rule.anticausal, (self.instances, n_post), self.dt)

    def advance(self, step: int, pre: Bools, post: Bools) -> None:
        """Form the pairs that the spikes of one step close; ``pre`` and ``post`` (instance, neuron). Steps without
        spikes may be left out."""
        s, t = pre[:, self.pre], post[:, self.post]
        both = s & t
        causal = self._before.value(step)[:, self.pre] * t
        anticausal = self._after.value(step)[:, self.post] * s
        if self.rule.pairing != "all":
            halved = np.where(both, 0.5, 1.0)
            causal, anticausal = causal * halved, anticausal * halved
        if self.rule.pairing == "nearest_restricted":
            earlier_pre, earlier_post = self._before.last[:, self.pre], self._after.last[:, self.post]
            causal = causal * _open(earlier_pre, earlier_post)
            anticausal = anticausal * _open(earlier_post, earlier_pre)
        amplitudes = [np.asarray(w.amplitude) for w in (self.rule.causal, self.rule.anticausal)]
        up, down = (a if a.ndim == 0 else a.ravel()[self.position] for a in amplitudes)
        self.change += up * causal + down * anticausal + 0.5 * (up + down) * both
        self._before.add(step, pre)
        self._after.add(step, post)

    def take(self) -> FloatArray:
        """``change``, and begin anew."""
        taken, self.change = self.change, np.zeros_like(self.change)
        return taken


def _open(partner: IntArray, own: IntArray) -> FloatArray:
    """Whether no own spike lies between the partner's latest spike and now; half if it coincides with it."""
    return np.where(partner > own, 1.0, np.where(partner == own, 0.5, 0.0))
