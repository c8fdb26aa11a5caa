"""A network as estimators see it: neurons in one row, a table of synapses, and the distinct PSP traces behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import shape_of, synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Kernel
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw_calibration.kinds import STIMULI, Influence, Stretch, measured_neuron, measured_psp

Mask = npt.NDArray[np.uint8]

ECHOES = 2  # the indirect PSP begins within the direct one and is as long; one more for slow interneurons


@dataclass(frozen=True, eq=False)
class Columns:
    """The distinct PSP traces, one entry each: that of neuron ``pre``, of one kernel, after one delay.

    ``kind`` counts RECTANGULAR, EXPONENTIAL, ALPHA; ``delay`` and ``length`` (rectangular) are in steps; ``decay`` is
    exp(-dt / tau_syn), ``height`` the factor on the recursion that makes the trace; ``last``: a new PSP replaces the
    one before.
    """

    pre: IntArray
    kind: IntArray
    delay: IntArray
    length: IntArray
    decay: FloatArray
    height: FloatArray
    last: Mask

    def __len__(self) -> int:
        return len(self.pre)

    def only(self, column: int) -> Columns:
        """One of them."""
        k = slice(column, column + 1)
        return Columns(
            self.pre[k], self.kind[k], self.delay[k], self.length[k], self.decay[k], self.height[k], self.last[k]
        )

    def repeated(self, delays: Sequence[IntArray]) -> Columns:
        """All of them again for each array of delays."""
        n = len(delays)
        return Columns(
            pre=np.tile(self.pre, n),
            kind=np.tile(self.kind, n),
            delay=np.concatenate(delays),
            length=np.tile(self.length, n),
            decay=np.tile(self.decay, n),
            height=np.tile(self.height, n),
            last=np.tile(self.last, n),
        )


@dataclass(frozen=True, eq=False)
class MeasuredCircuit:
    """A network flattened: neuron k of a population is ``first[population] + k``.

    Args:
        post, pre, column, projection, position: one entry per synapse: its ends, its trace in ``columns``, its
            projection, and where its weight lies in the flattened array that a session reads and writes.
        glm: whether a neuron is a GLM; ``exact`` whether its discretisation is; ``refractory`` its tau_ref in steps;
            ``offset`` ln(dt / tau_ref), what the link adds to u (docs/semantics.md). Zero for others.
        echoes: how often each trace is repeated, each time later by the length of the PSP.
    """

    net: Network
    first: Mapping[str, int]
    size: int
    post: IntArray
    pre: IntArray
    column: IntArray
    projection: IntArray
    position: IntArray
    columns: Columns
    glm: npt.NDArray[np.bool_]
    exact: Mask
    refractory: IntArray
    offset: FloatArray
    echoes: int = 0

    @property
    def distinct(self) -> int:
        """How many traces there are without their echoes; echo e of trace k is column ``k + e * distinct``."""
        return len(self.columns) // (1 + self.echoes)

    def slice(self, population: str) -> slice:
        """The neurons of a population."""
        return slice(self.first[population], self.first[population] + self.net.population(population).size)

    def kernel(self, synapse: int) -> Kernel:
        """The PSP of one synapse."""
        kernel: Kernel = self.net.projections[int(self.projection[synapse])].kernel
        return kernel

    def shaped(self, values: FloatArray) -> dict[str, FloatArray]:
        """One number per synapse (..., synapse) -> per projection in the shape that a session reads it in, (..., post,
        pre) or a list (..., synapse); NaN where there is no synapse."""
        arrays = {}
        for k, p in enumerate(self.net.projections):
            mine, shape = self.projection == k, shape_of(p.weights, *self.net.ends(p.name)[:2])
            full = np.full((*values.shape[:-1], prod(shape)), np.nan)
            full[..., self.position[mine]] = values[..., mine]
            arrays[p.name] = full.reshape(*values.shape[:-1], *shape)
        return arrays

    def of_projection(self, k: int, array: FloatArray) -> FloatArray:
        """What is one number per synapse of projection ``k`` in an array as a session shapes it: (..., synapse)."""
        p = self.net.projections[k]
        shape = shape_of(p.weights, *self.net.ends(p.name)[:2])
        return array.reshape(*array.shape[: -len(shape)], prod(shape))[..., self.position[self.projection == k]]

    def flat(self, arrays: Mapping[str, FloatArray]) -> FloatArray:
        """The way back from ``shaped``."""
        parts = [self.of_projection(k, arrays[p.name]) for k, p in enumerate(self.net.projections)]
        return np.concatenate(parts, axis=-1)

    def row_of(self, neurons: IntArray) -> IntArray:
        """At which place of ``neurons`` each neuron is, (neuron,); -1 if it is not among them."""
        row = np.full(self.size, -1)
        row[neurons] = np.arange(len(neurons))
        return row

    def per_population(self, values: FloatArray) -> dict[str, FloatArray]:
        """One number per neuron (..., neuron) -> per population of neurons that have a bias."""
        return {p.name: values[..., self.slice(p.name)] for p in self.net.populations if "bias" in p.neuron.offers}


def circuit(net: Network, hidden: Collection[str] = ()) -> MeasuredCircuit:
    """Flatten a network. Synapses from or to a ``hidden`` population are left out: whatever runs through it is then
    part of the effect of the neurons that remain, and comes later, so that traces have echoes."""
    sizes = [p.size for p in net.populations]
    first = {p.name: start for p, start in zip(net.populations, accumulate(sizes, initial=0), strict=False)}
    size = sum(sizes)
    glm, exact = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.uint8)
    refractory, offset = np.zeros(size, dtype=np.int64), np.zeros(size)
    for p in net.populations:
        mine, neuron = slice(first[p.name], first[p.name] + p.size), measured_neuron(p.neuron, net.dt)
        refractory[mine], offset[mine] = neuron.refractory, neuron.offset
        glm[mine], exact[mine] = neuron.decides, neuron.exact
    sources, numbers, posts, owners, places = [], [], [], [], []
    kinds: list[tuple[int, int, int, float, float, bool, int]] = []
    for k, projection in enumerate(net.projections):
        if projection.pre in hidden or projection.post in hidden:
            continue
        post, pre, position = synapses(projection.weights, *net.ends(projection.name))
        places.append(position)
        posts.append(first[projection.post] + post)
        owners.append(np.full(len(post), k, dtype=np.int64))
        delays, late = np.unique(net.synapses(projection.name).delay_steps(net.dt), return_inverse=True)
        psps = [_psp(projection, delay, net.dt) for delay in delays.tolist()]
        kinds += [psp for psp in psps if psp not in kinds]
        sources.append(first[projection.pre] + pre)
        numbers.append(np.array([kinds.index(psp) for psp in psps], dtype=np.int64)[late])
    count = max(1, len(kinds))
    distinct, column = np.unique(_joined(sources) * count + _joined(numbers), return_inverse=True)
    source = distinct // count
    psps = [kinds[k] for k in distinct % count]
    kind, delay, length, decay, height, last, lasts = (np.array([psp[f] for psp in psps]) for f in range(7))
    each = Columns(
        source, kind.astype(np.int64), delay.astype(np.int64), length.astype(np.int64), decay.astype(np.float64),
        height.astype(np.float64), last.astype(np.uint8),
    )  # fmt: skip
    echoes = ECHOES if hidden else 0
    columns = each.repeated([each.delay + e * lasts.astype(np.int64) for e in range(1 + echoes)])
    pre = source[column] if len(source) else column
    return MeasuredCircuit(
        net, first, size, _joined(posts), pre, column, _joined(owners), _joined(places), columns,
        glm, exact, refractory, offset, echoes,
    )  # fmt: skip


def _joined(parts: Iterable[IntArray]) -> IntArray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _psp(projection: Projection, delay: int, dt: float) -> tuple[int, int, int, float, float, bool, int]:
    """kind, delay, length, decay, height, last (see Columns), and the steps after which most of the PSP is over."""
    made = measured_psp(projection.kernel, dt)
    last = projection.kernel.superposition == "last"
    return made.kind, delay, made.length, made.decay, made.height, last, made.mostly


def deciding(c: MeasuredCircuit, raster: Mask, neuron: int, begin: int) -> Mask:
    """At which steps the GLM ``neuron`` draws whether it spikes, (step,): not while it is refractory, held by a clamp,
    or forced to spike. ``begin``: session step of the raster's first one."""
    steps = raster.shape[1]
    spiked = np.concatenate([[0], np.cumsum(raster[neuron], dtype=np.int64)])
    at = np.arange(steps)
    free = (
        spiked[at] == spiked[np.maximum(at - c.refractory[neuron] + 1, 0)]
    )  # no spike in the tau_ref - 1 steps before
    for influence in _influences(c, neuron, steps, begin):
        if influence.adds is None:
            free[influence.steps] = False
    return np.asarray(free, dtype=np.uint8)


def current(c: MeasuredCircuit, neuron: int, steps: int, begin: int) -> FloatArray | None:
    """What stimuli add to the bias of ``neuron``, (step,); None if none does."""
    total = None
    for influence in _influences(c, neuron, steps, begin):
        if influence.adds is not None:
            total = np.zeros(steps) if total is None else total
            total[influence.steps] += influence.adds
    return total


def _influences(c: MeasuredCircuit, neuron: int, steps: int, begin: int) -> Iterator[Influence]:
    """What the stimuli of a neuron's population do to it in ``steps`` steps from the session's step ``begin`` on."""
    for stimulus in c.net.stimuli:
        mine = c.slice(stimulus.population)
        if mine.start <= neuron < mine.stop:
            yield from STIMULI[stimulus](stimulus, neuron - mine.start, Stretch(steps, begin, c.net.dt))
