"""Traces as a host works them out beside a target: from the spikes of a run, and the weights that held in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from salhw.description.fields import FloatArray
from salhw.description.kernels import Kernel
from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM
from salhw.description.parts import Projection
from salhw.description.short_term import strengths
from salhw.description.stimuli import Clamp, Current, Poisson, SpikeTimes, Teacher
from salhw.description.traces import Trace
from salhw.session.recorder import Raster
from salhw.session.strengths import Strengths

LONG = 40.0
"""Time constants after which a PSP is over, but for e^-40 of it."""
POTENTIALS: ByKind[None] = ByKind("the host, for traces of the membrane,", {GLM: None})
"""Neurons whose potential is the sum of bias and inputs at each step, which spikes and weights tell."""


DRIVES: ByKind[bool] = ByKind(
    "the host, for traces of the membrane,",
    {Current: True, Poisson: False, SpikeTimes: False, Clamp: False, Teacher: False},
)
"""Whether stimuli add their strength to the potentials of their population; not those that change spikes, nor teachers,
which the host itself adds to the bias."""


def psp(kernel: Kernel, dt: float) -> FloatArray:
    """A PSP of weight 1 at each step after the spike has arrived, until it is over: one step at least."""
    sampled = kernel.sample(dt, ceil(LONG * kernel.tau_syn / dt))
    return sampled[: max(1, len(np.trim_zeros(sampled, "b")))]


def _reach(p: Projection, dt: float) -> int:
    """For how many steps a spike makes a difference to what a projection adds."""
    memory = 0 if p.short_term is None else ceil(p.short_term.memory / dt)
    return len(psp(p.kernel, dt)) + p.longest_delay(dt) + 1 + memory


def presence(
    raster: Raster, shape: tuple[int, int], steps: tuple[int, int], p: Projection, delay: int, dt: float
) -> FloatArray:
    """The PSPs of weight 1 of each presynaptic neuron of a projection at some steps, (step, instance, neuron).

    Args:
        raster: spikes, those before the steps included whose PSPs are not over, or that change the strength of such.
        shape: (instances, neurons).
        steps: the first step, and the one after the last.
        delay: in steps.
    """
    from scipy.signal import oaconvolve  # slow to import

    one, (start, stop) = psp(p.kernel, dt), steps
    first = start - len(one) - delay - 1
    spiked = np.zeros((stop - first, *shape))
    seen = (raster.step >= first) & (raster.step < stop - delay - 1)
    strong = strengths(p.short_term, raster.instance * shape[1] + raster.neuron, raster.step * dt)[seen]
    np.add.at(spiked, (raster.step[seen] - first + delay + 1, raster.instance[seen], raster.neuron[seen]), strong)
    added = oaconvolve(spiked, one[:, None, None], axes=0)[: stop - first]
    return np.asarray(added[start - first :])


@dataclass
class HostTraces:
    """The traces of a network over a batch of instances, which follow the runs of a session.

    ``mean`` are the traces after the last step, (instance, neuron), 0 before the first; ``course`` those after each
    step of the last run, (step, instance, neuron). ``strengths`` are those of stimuli, as a session has written them.
    """

    net: Network
    instances: int
    mean: dict[str, FloatArray] = field(init=False)
    course: dict[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = {t.name: self.net.population(t.population).size for t in self.net.traces}
        self.strengths = Strengths(self.net)
        self.mean = {name: np.zeros((self.instances, n)) for name, n in size.items()}
        self._past: dict[str, FloatArray] = {}
        traced = {t.population for t in self.net.traces}
        self._onto = [p for p in self.net.projections if p.post in traced and p.e_rev is None]
        self._index = {p.name: self.net.synapses(p.name) for p in self._onto}
        self._before = {p.pre: Raster.joined([]) for p in self._onto}
        self._reach = {name: max(_reach(p, self.net.dt) for p in self._onto if p.pre == name) for name in self._before}

    def follow(
        self,
        start: int,
        stop: int,
        rasters: Mapping[str, Raster],
        weights: Mapping[str, FloatArray],
        gains: Mapping[tuple[str, str], FloatArray],
        biases: Mapping[str, FloatArray],
    ) -> None:
        """Move on with the steps ``start``..``stop``.

        Args:
            rasters: their spikes, by population.
            weights: that held in them, by projection, (instance, synapse) in the order of ``connectivity.synapses``.
            gains: of named inputs, by population and name, (instance,).
            biases: with what teachers add, by population, (instance, neuron).
        """
        seen = {name: Raster.joined([before, rasters[name]]) for name, before in self._before.items()}
        through = {p.name: self._through(p, seen[p.pre], (start, stop), weights[p.name]) for p in self._onto}
        for trace in self.net.traces:
            values = self._values(trace, (start, stop), through, gains, biases, rasters)
            self.course[trace.name], past = trace.window.follow(values, self.net.dt, self._past.get(trace.name))
            self._past[trace.name], self.mean[trace.name] = past, self.course[trace.name][-1]
        self._before = {name: raster.since(stop - self._reach[name]) for name, raster in seen.items()}

    def _through(self, p: Projection, raster: Raster, steps: tuple[int, int], weights: FloatArray) -> FloatArray:
        """What a projection adds at each step, before the gain of its input, (step, instance, neuron)."""
        n_post, n_pre, _ = self.net.ends(p.name)
        index, total = self._index[p.name], np.zeros((steps[1] - steps[0], self.instances, n_post))
        delays = index.delay_steps(self.net.dt)
        for delay in np.unique(delays).tolist():
            active = presence(raster, (self.instances, n_pre), steps, p, delay, self.net.dt)
            matrix, late = np.zeros((n_pre * n_post, self.instances)), delays == delay
            np.add.at(matrix, index.pre[late] * n_post + index.post[late], weights[:, late].T)
            total += np.einsum("tip,pni->tin", active, matrix.reshape(n_pre, n_post, self.instances))
        return total

    def _values(
        self,
        trace: Trace,
        steps: tuple[int, int],
        through: Mapping[str, FloatArray],
        gains: Mapping[tuple[str, str], FloatArray],
        biases: Mapping[str, FloatArray],
        rasters: Mapping[str, Raster],
    ) -> FloatArray:
        """What a trace is of, at each step."""
        name = trace.population
        shape = (steps[1] - steps[0], self.instances, self.net.population(name).size)
        onto = [p for p in self._onto if p.post == name]
        if trace.quantity == "spikes":
            raster, spiked = rasters[name], np.zeros(shape)
            spiked[raster.step - steps[0], raster.instance, raster.neuron] = 1.0 / self.net.dt
            return spiked
        if trace.input is not None:
            return np.asarray(sum((through[p.name] for p in onto if p.into == trace.input), np.zeros(shape)))
        factor = {p.name: 1.0 if p.into is None else gains[name, p.into][:, None] for p in onto}
        inputs = np.asarray(sum((factor[p.name] * through[p.name] for p in onto), np.zeros(shape)))
        return inputs + biases[name] + self._driven(name, steps) if trace.quantity == "membrane" else inputs

    def _driven(self, population: str, steps: tuple[int, int]) -> FloatArray:
        """What stimuli add to the potentials, (step, instance, neuron), or with one entry for all."""
        each, driven = np.arange(*steps), np.zeros((steps[1] - steps[0], 1, 1))
        for k, stimulus in enumerate(self.net.stimuli):
            if stimulus.population == population and DRIVES[stimulus]:
                acts = stimulus.acts(each, self.net.dt)
                driven = driven + acts[:, None, None] * self.strengths.course(k, each).swapaxes(0, 1)
        return driven
