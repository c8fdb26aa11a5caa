"""Aligns the feedback weights of a PyTorch model with its forward ones, by spikes on any target."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from salhw import Calibration, Chip, Network, Target
from salhw.description.fields import FloatArray
from salhw.diagnostics.arguments import checked_seed, whole, wrong
from salhw.diagnostics.wording import shown
from salhw.registry import resolve
from salhw_networks.deep.conversion import feedback_layers
from salhw_networks.deep.law import Alignment, Law, measured_law
from salhw_networks.deep.layers import FeedbackLinear
from salhw_networks.deep.methods import SAL, SpikePairs
from salhw_networks.deep.network import TAU_REF, Chain
from salhw_networks.deep.phase import Offset, Phase, Setting, measured_offset
from salhw_networks.deep.phases import opened
from salhw_networks.deep.rdd import RDD

RUNNING_MEAN = "running-mean"
MEMORY = 25  # updates that a running mean goes back at most, since the forward weights move on meanwhile
INPUT_SD, GAINS = 0.9, (0.25, 4.0)  # of the summed input of a neuron, which gain="auto" is chosen for; and its limits
REFERENCE_UPDATES = 15


@dataclass(frozen=True)
class LayerAlignment:
    """What a phase did to one layer: the angle between W and B in degrees ``before`` it, after it, and as the law
    expects it; ``scale``: B is that many times W, and a rest without correlation to it."""

    name: str
    before: float
    angle: float
    expected: float
    scale: float
    law: Law


@dataclass(frozen=True)
class AlignmentReport:
    """What a phase did, and what it took. ``time_ms`` is biological time, one replica after the other, ``chip_time_ms``
    the same in the target's own time, where it states its speed-up; ``spikes`` are those of all neurons. The first
    ``align`` also measures the law and runs the reference phase, if there is one: both are counted."""

    layers: tuple[LayerAlignment, ...]
    target: str
    gain: float
    updates: int
    spikes: int
    time_ms: float
    chip_time_ms: float | None
    wall_time_s: float

    def __str__(self) -> str:
        rows = [
            f"  {l.name}: {l.before:.1f} -> {l.angle:.1f} degrees (expected {l.expected:.1f}), scale {l.scale:.2f}"
            for l in self.layers
        ]
        head = f"{self.updates} updates on {self.target} at gain {self.gain:.2f}: {self.spikes:,} spikes,"
        return "\n".join([f"{head} {self.time_ms / 1000:,.0f} s biological, {self.wall_time_s:.1f} s here", *rows])


class Aligner:
    """Aligns the layers of ``model`` whose rule is ``external`` (see ``convert``): each ``align`` is a spiking phase on
    ``target``, through ``salhw.compile`` and a session, which reads nothing but spike pairs.

    The layers' weights go over times a gain, their biases as they are; activations, normalisation and data do not take
    part. Layers that fit on one another are one network, the lowest of whose biases are drawn once.

    Args:
        method: SAL, WeightMirror, STDWI or RDD (whose pairs of layers are always apart).
        replicas: an update is the mean over so many times 2 s of spikes.
        gain: weights are multiplied by it on the target; ``auto``: so that the summed input of neurons has a standard
            deviation of .9, within .25 to 4.
        schedule: the rate of each update: a number (the paper: .04), or ``running-mean``: 1 / (c k) at the k-th update,
            beginning with feedback weights of 0.
        chips: to run on, side by side, whose changes are averaged; by default chip 0.
        calibration: of the chips, for a network with the layers of ``description``; or what gives one for the network
            of each group, as tiles of several sizes need.
        reference_phase: so many updates without any weights come first (True: 15); what the branches of each
            synapse differ by is measured in them, and taken off afterwards.
        apart: each pair of layers is a network of its own.
        tile: at most so many inputs and outputs of a layer are one network (and ``apart``), as for small chips: a tile
            is named ``fc1[0:64, 0:48]`` after its outputs and inputs, and reported by itself.
        centred: half of the sum of a neuron's weights is taken off its bias, in every update anew. Without it biases
            go over as they are, and at gains above 2 many neurons are nearly always active, or never.
        smallest_interval: between two spikes of a neuron in ms (the authors' code: 11).

    Raises:
        DescriptionError: no layer to align, or an argument that is not what it should be.
    """

    def __init__(
        self, model: nn.Module, target: Target | str = "reference", method: SpikePairs | RDD | None = None, *,
        replicas: int = 32, gain: float | Literal["auto"] = "auto",
        schedule: float | Literal["running-mean"] = "running-mean", chips: Sequence[Chip] | None = None,
        calibration: Calibration | Callable[[Network], Calibration] | None = None,
        reference_phase: int | bool = 0, apart: bool = False,
        tile: tuple[int, int] | None = None, centred: bool = True, seed: int = 0, smallest_interval: float = TAU_REF,
    ) -> None:  # fmt: skip
        if not (method is None or isinstance(method, RDD) or callable(getattr(type(method), "rules", None))):
            raise wrong("method", shown(method), "SAL(), WeightMirror(), STDWI() or RDD()", "method=SAL(), say")
        self.target, self.chips, self.calibration = resolve(target), chips, calibration
        self.apart, self.seed = apart or tile is not None or isinstance(method, RDD), checked_seed(seed)
        most = tuple(whole("tile", size, 1, 2**31 - 1) for size in tile) if tile else (None, None)
        self.setting = Setting(method or SAL(), 1.0, whole("replicas", replicas, 1, 2**20), smallest_interval, centred)
        self.gain, self.schedule = gain, schedule
        for path, value, word in (("gain", gain, "auto"), ("schedule", schedule, RUNNING_MEAN)):
            if value != word and not (isinstance(value, int | float) and 0.0 < value < np.inf):
                raise wrong(path, shown(value), f"{word!r} or a number > 0", f"leave it out for {word!r}")
        updates = REFERENCE_UPDATES if reference_phase is True else int(reference_phase)
        self.reference_updates = whole("reference_phase", updates, 0, 2**20)
        if self.reference_updates and isinstance(method, RDD):
            raise wrong("reference_phase", updates, "0 with RDD, whose synapses have no branches", "leave it out")
        external: dict[str, Any] = {n: m for n, m in feedback_layers(model).items() if m.feedback_rule == "external"}
        if refused := [name for name, layer in external.items() if not isinstance(layer, FeedbackLinear)]:
            raise wrong("layers", refused[0], "fully connected layers (convolutions share weights)",
                        "convert(model, layers, rule='external') with linear layers only")  # fmt: skip
        if empty := [name for name, layer in external.items() if not layer.weight.numel()]:
            raise wrong("layers", empty[0], "layers with inputs and outputs", "leave it out of convert(model, layers)")
        if not external:
            raise wrong("model", type(model).__name__, "a model with layers whose rule is 'external'",
                        "convert(model, layers='fc*', rule='external')")  # fmt: skip
        self.parts = {part.name: part for name, layer in external.items() for part in tiles(name, layer, *most)}
        self.updates = 0
        self.laws: dict[str, Law] = {}
        self._offsets: dict[int, Offset] = {}

    # what goes over ---------------------------------------------------------------------------------------------------

    def groups(self) -> list[list[str]]:
        """The names of the layers, or tiles, that are one network each."""
        groups: list[list[str]] = []
        for name, part in self.parts.items():
            fits = groups and self.parts[groups[-1][-1]].layer.out_features == part.layer.in_features
            if fits and not self.apart:
                groups[-1].append(name)
            else:
                groups.append([name])
        return groups

    def chain(self, names: Sequence[str]) -> Chain:
        """Weights and biases of one group as the target gets them, before the gain."""
        parts = [self.parts[name] for name in names]
        biases = [biases_of(part.layer)[part.outputs] for part in parts]
        return Chain(tuple(part.of(part.layer.weight) for part in parts), (self._biases_below(parts[0]), *biases))

    def description(self, group: int = 0) -> Network:
        """The network of one of ``groups``, for ``salhw check`` say."""
        chain = self.chain(self.groups()[group])
        return self._setting(chain).description(chain)

    def _setting(self, chain: Chain) -> Setting:
        gain = auto_gain(chain) if isinstance(self.gain, str) else self.gain
        return replace(self.setting, gain=float(gain))

    def _biases_below(self, part: Part) -> FloatArray:
        """Of the neurons that a layer's input stands for: their own where the layer below is aligned too; else drawn,
        uniform within +- 1 / sqrt(size)."""
        layers = list(dict.fromkeys(p.layer for p in self.parts.values()))
        place, size = layers.index(part.layer), part.layer.in_features
        if place and layers[place - 1].out_features == size:
            return biases_of(layers[place - 1])[part.inputs]
        random = np.random.default_rng([self.seed, 0xB1A5, place])
        return np.asarray(random.uniform(-1.0, 1.0, size) / np.sqrt(size))[part.inputs]

    # the phase --------------------------------------------------------------------------------------------------------

    def align(
        self, updates: int = 5, *, each: Callable[[Mapping[str, FloatArray]], None] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> AlignmentReport:  # fmt: skip
        """Run ``updates`` updates of 2 s times ``replicas``, and write the feedback weights into the model.

        Args:
            each: is told the feedback weights after every update, shaped like the weights.
            progress: is told the share done.

        Raises:
            UnsupportedNetworkError: the target cannot hold the network; ``description`` tells ``salhw check``.
        """
        began, first = time.perf_counter(), self.updates
        whole("updates", updates, 1, 2**31 - 1)
        groups = self.groups()
        found: list[LayerAlignment] = []
        spikes, elapsed, gain = 0, 0.0, 1.0
        for number, names in enumerate(groups):
            chain = self.chain(names)
            setting = self._setting(chain)
            seeds = np.random.SeedSequence([self.seed, first, number]).generate_state(3).tolist()
            known = self.calibration
            calibration = known(setting.description(chain)) if callable(known) else known
            where: dict[str, Any] = {"target": self.target, "chips": self.chips, "calibration": calibration}
            run: list[Phase] = []
            if not set(names) <= set(self.laws):
                self.laws |= zip(names, measured_law(chain, setting, seed=seeds[0], run=run, **where), strict=True)
            first_laws = [self.laws[name] for name in names]
            if self._begins_with_zero and setting.method.acts:
                first_laws = measured_law(chain, setting, seed=seeds[0], silent=True, run=run, **where)
            if self.reference_updates and number not in self._offsets:
                self._offsets[number] = measured_offset(
                    chain, setting, self.reference_updates, seed=seeds[1], eta=0.5 if setting.continuous else 1.0,
                    run=run, **where,
                )  # fmt: skip
            offset = self._offsets.get(number)
            with opened(chain, setting, seed=seeds[2], offset=offset, **where) as phase:
                found += self._phase(phase, names, first_laws, updates, each, lambda share, n=number: (  # type: ignore[misc]
                    progress((n + share) / len(groups)) if progress else None))  # fmt: skip
            run.append(phase)
            spikes, elapsed = spikes + sum(each.spikes for each in run), elapsed + sum(each.time for each in run)
            gain = setting.gain
        self.updates = first + updates
        wall = time.perf_counter() - began
        return AlignmentReport(
            tuple(found), self.target.name, gain, updates, spikes, elapsed,
            elapsed / self.target.speed_up if self.target.speed_up else None, wall,
        )  # fmt: skip

    def _phase(
        self, phase: Phase, names: Sequence[str], first_laws: Sequence[Law], updates: int,
        each: Callable[[Mapping[str, FloatArray]], None] | None, progress: Callable[[float], None],
    ) -> list[LayerAlignment]:  # fmt: skip
        """All updates of one group; ``first_laws`` hold for the first of them."""
        weights, parts = phase.chain.weights, [self.parts[name] for name in names]
        settled, acts = [self.laws[name] for name in names], phase.setting.method.acts
        feedback = [part.of(part.layer.feedback).T for part in parts]
        angles = [Alignment.of(w, b).angle for w, b in zip(weights, feedback, strict=True)]
        feedback = phase.limited(feedback)
        if self._begins_with_zero:
            feedback = [np.zeros_like(b) for b in feedback]
        expected = [Alignment.of(w, b) for w, b in zip(weights, feedback, strict=True)]
        for k in range(self.updates, self.updates + updates):
            laws = first_laws if k == self.updates else settled
            eta = [self.rate(law, k) for law in laws]
            changes = phase.change(feedback, eta)
            kept = [1.0 if acts else 1.0 - rate * law.c for rate, law in zip(eta, laws, strict=True)]
            moved = [share * b + change for share, b, change in zip(kept, feedback, changes, strict=True)]
            feedback = phase.limited(moved)
            expected = [law.after(state, rate, continuous=phase.setting.continuous)
                        for law, state, rate in zip(laws, expected, eta, strict=True)]  # fmt: skip
            if each:
                each({name: b.T for name, b in zip(names, feedback, strict=True)})
            progress((k + 1 - self.updates) / updates)
        with torch.no_grad():
            for part, b in zip(parts, feedback, strict=True):
                part.layer.feedback[part.outputs, part.inputs] = torch.as_tensor(b.T)
        reached = [Alignment.of(w, b) for w, b in zip(weights, feedback, strict=True)]
        return [
            LayerAlignment(name, before, now.angle, then.angle, now.scale, law)
            for name, before, now, then, law in zip(names, angles, reached, expected, settled, strict=True)
        ]

    @property
    def _begins_with_zero(self) -> bool:
        """Whether the next phase is the first of a running mean."""
        return self.schedule == RUNNING_MEAN and self.updates == 0

    def rate(self, law: Law, update: int) -> float:
        """eta of an update, counted from 0 over all phases."""
        return 1.0 / (law.c * min(update + 1, MEMORY)) if isinstance(self.schedule, str) else float(self.schedule)

    # what a checkpoint needs ------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """What an interrupted training needs beside the model's own state: updates done, and what was measured."""
        state = {"updates": np.array(self.updates)} | {f"law.{n}": np.array(astuple(x)) for n, x in self.laws.items()}
        for number, offset in self._offsets.items():
            state |= {f"changes.{number}.{l}": change for l, change in enumerate(offset.changes)}
            state |= {f"rates.{number}.{l}": rates for l, rates in enumerate(offset.rates)}
        return state

    def load_state_dict(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on where ``state_dict`` was taken."""
        self.updates = int(state["updates"])
        self.laws = {name: Law(*state[f"law.{name}"].tolist()) for name in self.parts if f"law.{name}" in state}
        self._offsets = {}
        for number, names in enumerate(self.groups()):
            if f"rates.{number}.0" in state:
                changes = tuple(state[f"changes.{number}.{l}"] for l in range(len(names)))
                rates = tuple(state[f"rates.{number}.{l}"] for l in range(len(names) + 1))
                self._offsets[number] = Offset(changes, rates)


class Part(NamedTuple):
    """A layer, or a tile of one: some of its outputs and inputs."""

    name: str
    layer: FeedbackLinear
    outputs: slice
    inputs: slice

    def of(self, weights: torch.Tensor) -> FloatArray:
        """Its entries of an array of the layer's weights."""
        return _array(weights)[self.outputs, self.inputs]


def tiles(name: str, layer: FeedbackLinear, inputs: int | None, outputs: int | None) -> list[Part]:
    """A layer in parts of at most so many inputs and outputs, as equal as can be; one part if neither is limited."""
    if inputs is None or outputs is None:
        return [Part(name, layer, slice(None), slice(None))]
    ends = [np.linspace(0, size, -(-size // most) + 1).astype(int).tolist()
            for size, most in ((layer.out_features, outputs), (layer.in_features, inputs))]  # fmt: skip
    return [
        Part(f"{name}[{rows[0]}:{rows[1]}, {columns[0]}:{columns[1]}]", layer, slice(*rows), slice(*columns))
        for rows in pairwise(ends[0])
        for columns in pairwise(ends[1])
    ]


def biases_of(layer: FeedbackLinear) -> FloatArray:
    """A layer's biases, 0 where it has none."""
    return np.zeros(layer.out_features) if layer.bias is None else _array(layer.bias)


def auto_gain(chain: Chain) -> float:
    """The gain at which the largest standard deviation of a layer's summed input is .9, if neurons are active (z = 1)
    half of the time."""
    largest = max(float(np.std(w)) * np.sqrt(w.shape[1] / 4.0) for w in chain.weights)
    return float(np.clip(INPUT_SD / max(largest, 1e-12), *GAINS))


def _array(tensor: torch.Tensor) -> FloatArray:
    return tensor.detach().cpu().double().numpy()
