"""Spike-pair rules worked out beside a target, from its spikes: for backends whose target does not have the rule.

What docs/semantics.md says under "Pairs", step by step, over all instances and synapses at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity import PairSTDP, PlasticityRule
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.windows import Window
from salhw.session.recorder import Raster, following

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

    ``pairs`` hold the sums of the causal and of the anticausal window over the pairs since they were last taken,
    (instance, synapse) each, without amplitude and learning rate: those that hold at the update count. ``amplitudes``
    are those of both branches, each one number, (synapse,) or (instance, synapse): the rule's, until somebody sets
    them.
    """

    rule: PairSTDP
    post: IntArray
    pre: IntArray
    position: IntArray
    sizes: tuple[int, int]
    instances: int
    dt: float
    pairs: list[FloatArray] = field(init=False)
    amplitudes: list[FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        n_post, n_pre = self.sizes
        described = [np.asarray(w.amplitude) for w in (self.rule.causal, self.rule.anticausal)]
        self.amplitudes = [a if a.ndim == 0 else a.ravel()[self.position] for a in described]
        self.pairs = [np.zeros((self.instances, len(self.post))) for _ in self.amplitudes]
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
        for sums, closed in zip(self.pairs, (causal, anticausal), strict=True):
            sums += closed + 0.5 * both
        self._before.add(step, pre)
        self._after.add(step, post)

    @property
    def change(self) -> FloatArray:
        """What an update would add to the weights now, (instance, synapse), but for the learning rate."""
        return np.asarray(sum(a * sums for a, sums in zip(self.amplitudes, self.pairs, strict=True)))

    def take(self) -> FloatArray:
        """``change``, and begin anew."""
        taken, self.pairs = self.change, [np.zeros_like(sums) for sums in self.pairs]
        return taken


def _open(partner: IntArray, own: IntArray) -> FloatArray:
    """Whether no own spike lies between the partner's latest spike and now; half if it coincides with it."""
    return np.where(partner > own, 1.0, np.where(partner == own, 0.5, 0.0))


class HostRules:
    """The rules of one projection that the host works out, by their number: when they are due, and what they change.

    Args:
        rules: of the projection, those that are the host's.
    """

    def __init__(self, net: Network, projection: Projection, rules: Mapping[int, PairSTDP], instances: int) -> None:
        self._projection, self._dt, self._instances = projection, net.dt, instances
        self.low, self.high = narrowest_bounds(projection.plasticity)
        ends, sizes = net.ends(projection.name), net.ends(projection.name)[:2]
        post, pre, position = synapses(projection.weights, *ends)
        self.rules = {k: HostRule(rule, post, pre, position, sizes, instances, net.dt) for k, rule in rules.items()}

    def _period(self, hosted: HostRule) -> int:
        """The steps between two updates; 0 if there are none inside a run."""
        return 1 if hosted.rule.update == "spike" else in_steps(hosted.rule.period or 0.0, self._dt) or 0

    def next(self, step: int) -> list[int]:
        """For each rule that is updated inside a run, the next step at which it is."""
        return [following(step, every) for hosted in self.rules.values() if (every := self._period(hosted))]

    def see(self, rasters: Mapping[str, Raster]) -> None:
        """Form the pairs of spikes by population, which come after all earlier ones."""
        if not self.rules:
            return
        pre, post = rasters[self._projection.pre], rasters[self._projection.post]
        for hosted in self.rules.values():
            n_post, n_pre = hosted.sizes
            for step in np.union1d(pre.step, post.step):
                hosted.advance(int(step), self._who(pre, step, n_pre), self._who(post, step, n_post))

    def _who(self, raster: Raster, step: int, size: int) -> Bools:
        spiked = np.zeros((self._instances, size), dtype=np.bool_)
        now = raster.step == step
        spiked[raster.instance[now], raster.neuron[now]] = True
        return spiked

    def due(self, step: int) -> list[int]:
        """The rules that are due when ``step`` steps are over."""
        return [k for k, hosted in self.rules.items() if (every := self._period(hosted)) and step % every == 0]

    def due_at_run_end(self) -> list[int]:
        """The rules that are due when a run ends."""
        return [k for k, hosted in self.rules.items() if hosted.rule.update == "run end"]

    def waiting(self, due: list[int]) -> bool:
        """Whether the rules ``due`` have pairs that an update would add up."""
        return any(np.any(sums) for k in due for sums in self.rules[k].pairs)

    def learned(
        self,
        weights: FloatArray,
        due: list[int],
        rates: Sequence[FloatArray] | Mapping[int, FloatArray],
        reach: float = np.inf,
    ) -> FloatArray:
        """What the rules ``due`` make of ``weights``, one after the other, at learning rates by the number of a rule.

        Each ends by clipping to the bounds of all rules of the projection, and to what the target can hold, ``reach``
        in size.
        """
        low, high = max(self.low, -reach), min(self.high, reach)
        for k in due:
            weights = np.clip(weights + rates[k] * self.rules[k].take(), low, high)
        return weights


def schedule(rule: PlasticityRule, dt: float) -> str:
    """When the host writes weights by a rule, for reports."""
    steps = in_steps(rule.period or 0.0, dt)
    return "at every step: slow" if rule.update == "spike" else f"every {steps} steps" if steps else "after each run"
