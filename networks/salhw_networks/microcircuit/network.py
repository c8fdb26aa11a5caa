"""Cortical microcircuits in a chain of layers (paper sections 2.4.2 and 4.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from salhw import (
    GLM,
    SAL,
    Boxcar,
    Membrane,
    Network,
    Population,
    PredictiveRule,
    Projection,
    Rectangular,
    ReferencePhase,
    Teacher,
    Tie,
    Trace,
)
from salhw.description.fields import FloatArray
from salhw.description.plasticity import Pairing

Method = Literal["SAL", "FA", "BP"]
Weights = tuple[FloatArray, ...]
"""One matrix [post, pre] for each pair of neighbouring layers, from the input on."""

TAU_REF, DT = 10.0, 1.0  # ms (Table 2)
MEAN = 2_000.0  # ms over which potentials are averaged
APICAL = 0.02  # gain of apical input in training (lambda^api)
RATES = {"output": 0.003, "hidden": 0.2, "feedback": 0.001}
"""Table 2's eta: of weights into the output layer, into hidden ones, and of SAL on feedback weights. The errors of a
hidden layer come through the apical gain; its higher rate makes up for that."""


def network(
    sizes: Sequence[int] = (1, 1, 1),
    weights: Sequence[Sequence[Sequence[float]]] | None = None,
    feedback: Sequence[Sequence[Sequence[float]]] | None = None,
    method: Method = "SAL",
    chunk: float | None = None,
    bias: float = -1.0,
    apical: float = APICAL,
    nudging: float = 0.6,
    seed: int = 0,
    pairing: Pairing = "nearest_restricted",
    align_update: str | None = None,
    mean: float = MEAN,
    output_rate: float = RATES["output"],
    hidden_rate: float = RATES["hidden"],
    feedback_rate: float = RATES["feedback"],
    membrane: bool = False,
    copied: bool = False,
    reference: float | None = None,
) -> Network:
    """A chain of layers of pyramidal cells P0 (input), P1, ... that learns to have given potentials at its end.

    Every hidden layer l has interneurons Il, as many as the layer above has pyramidal cells, and three inputs: basal
    from the layer below (W10, W21, ... by Eq 37), apical from the layer above (B12, ...) and lateral from the
    interneurons (LPI1, ...). The lateral weights, and LIP1, ... onto the interneurons, are copies that make the network
    self-predicting: without a teacher the apical and the lateral input cancel on average.

    Args:
        sizes: neurons of the layers, the input first; at least three layers.
        weights: W10, W21, ..., each a matrix [post, pre]; by default drawn with ``seed`` (``drawn``).
        feedback: B12, B23, ..., each a matrix [post, pre]; by default drawn, too. Of BP they are copies.
        method: what becomes of the feedback weights: ``SAL`` aligns them, ``FA`` leaves them alone, ``BP`` copies the
            forward ones.
        chunk: ms between updates of all weights, which the host works out from traces and counts, and of what the
            teacher adds (the form with a chip in the loop); by default every spike changes weights.
        bias: of all neurons but the input, whose bias is what is shown to the network.
        apical: gain of the apical and the lateral input (lambda^api).
        nudging: gain of the teacher, who pulls the output towards its target (lambda^nudge).
        seed: of weights that are not given.
        pairing: which pairs of spikes SAL sees.
        align_update: when SAL changes weights, by the target itself; None: when the others do, and by whom.
        mean: ms over which potentials are averaged.
        output_rate: eta of the weights into the output layer, per presynaptic spike.
        hidden_rate: eta of the weights into hidden layers, per presynaptic spike.
        feedback_rate: eta of SAL, per pair of spikes.
        reference: ms of SAL's reference phase.
        membrane: record the potential of the output at every step.
        copied: the apical input is from copies A12, ... of the feedback weights, which themselves go into an input
            ``aligning`` of gain 1: so a target that aligns them may hold the copies in steps of their own.
    """
    last = len(sizes) - 1
    forward, back = drawn(sizes, seed)
    forward = forward if weights is None else tuple(np.asarray(w, dtype=np.float64) for w in weights)
    back = back if feedback is None else tuple(np.asarray(b, dtype=np.float64) for b in feedback)
    update = "spike" if chunk is None else f"every {chunk:g} ms"
    execution: Literal["chip", "host"] = "chip" if chunk is None else "host"

    def eq37(layer: int) -> PredictiveRule:
        rate = output_rate if layer == last else hidden_rate
        return PredictiveRule(
            teacher=f"u{layer}", prediction=f"basal{layer}", learning_rate=rate, update=update, execution=execution
        )

    by_itself = align_update is not None
    sal = SAL(
        feedback_rate, tau=TAU_REF, pairing=pairing, update=align_update or update,
        execution="chip" if by_itself else execution,
        reference=None if reference is None else ReferencePhase(reference),
    )  # fmt: skip
    into = "aligning" if copied else "apical"
    projections, ties = list(_forward(forward, [eq37(layer) for layer in range(1, last + 1)])), list[Tie]()
    for layer, (w, b) in enumerate(zip(forward[1:], back, strict=True), 1):
        up, down, onto, from_ = f"W{layer + 1}{layer}", f"B{layer}{layer + 1}", f"LIP{layer}", f"LPI{layer}"
        projections += [
            _projection(down, f"P{layer + 1}", f"P{layer}", b, into, sal if method == "SAL" else None),
            _projection(onto, f"P{layer}", f"I{layer}", w, "dendritic"),
            _projection(from_, f"I{layer}", f"P{layer}", -b, "lateral"),
        ]
        copies = {from_: -1.0}
        if copied:
            acts = f"A{layer}{layer + 1}"
            projections.append(_projection(acts, f"P{layer + 1}", f"P{layer}", b, "apical"))
            copies[acts] = 1.0
        ties += [Tie(projection=onto, to=up, scale=1.0), *_feedback_ties(method, up, down, copies, chunk)]
    return Network(
        name="microcircuit",
        dt=DT,
        populations=[
            *_pyramidal(sizes, bias, {"apical": apical, "lateral": apical} | ({"aligning": 1.0} if copied else {})),
            *(_population(f"I{layer}", sizes[layer + 1], bias, {"dendritic": 1.0}) for layer in range(1, last)),
        ],
        projections=projections,
        stimuli=[Teacher(f"P{last}", f"basal{last}", target=0.0, gain=nudging, every=chunk)],
        traces=[trace for layer in range(1, last + 1) for trace in _means(layer, mean)],
        ties=ties,
        probes=[Membrane(f"P{last}")] if membrane else [],
    )


def chain(weights: Sequence[npt.ArrayLike], bias: float = -1.0) -> Network:
    """The pyramidal cells alone, forward weights without plasticity: a teacher that is not taught."""
    forward = tuple(np.asarray(w, dtype=np.float64) for w in weights)
    sizes = (forward[0].shape[1], *(len(w) for w in forward))
    return Network(
        name="teacher",
        dt=DT,
        populations=_pyramidal(sizes, bias, {}),
        projections=list(_forward(forward, [None] * len(forward))),
    )


def drawn(sizes: Sequence[int], seed: int) -> tuple[Weights, Weights]:
    """Initial forward and feedback weights: uniform within 3 / sqrt(presynaptic neurons) of 0; between single neurons
    Table 2's U(-3, 3)."""
    random = np.random.default_rng([seed, 0xF16])
    ends = list(zip(sizes[1:], sizes, strict=False))
    forward = tuple(_uniform(random, (post, pre)) for post, pre in ends)
    return forward, tuple(_uniform(random, (pre, post)) for post, pre in ends[1:])


def _uniform(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return np.asarray(random.uniform(-3.0, 3.0, shape) / np.sqrt(shape[1]))


def _pyramidal(sizes: Sequence[int], bias: float, gains: Mapping[str, float]) -> list[Population]:
    """P0, P1, ...; hidden ones with the inputs that there are ``gains`` for, beside the basal one."""
    populations = [_population("P0", sizes[0], 0.0, {})]
    for layer, size in enumerate(sizes[1:], 1):
        inputs = {"basal": 1.0} | ({} if layer == len(sizes) - 1 else dict(gains))
        populations.append(_population(f"P{layer}", size, bias, inputs))
    return populations


def _population(name: str, size: int, bias: float, inputs: dict[str, float]) -> Population:
    return Population(name=name, size=size, neuron=GLM(bias=bias, tau_ref=TAU_REF, inputs=inputs))


def _projection(
    name: str, pre: str, post: str, weights: FloatArray, into: str, plasticity: object = None
) -> Projection:
    return Projection(
        name=name,
        pre=pre,
        post=post,
        weights=weights,
        kernel=Rectangular(tau_syn=TAU_REF),
        into=into,
        plasticity=plasticity,
    )


def _forward(weights: Weights, rules: Sequence[PredictiveRule | None]) -> Iterator[Projection]:
    """W10, W21, ..."""
    for layer, (w, rule) in enumerate(zip(weights, rules, strict=True), 1):
        yield _projection(f"W{layer}{layer - 1}", f"P{layer - 1}", f"P{layer}", w, "basal", rule)


def _feedback_ties(method: Method, up: str, down: str, copies: Mapping[str, float], every: float | None) -> list[Tie]:
    """What keeps ``copies`` of the feedback weights times a factor, and these equal to the forward ones in BP.
    ``every``: ms between copies of weights that the target may learn itself; None: at once."""
    if method == "BP":  # a copy of a copy is not described
        return [Tie(projection=n, to=up, scale=k, transpose=True) for n, k in {down: 1.0, **copies}.items()]
    return [Tie(projection=n, to=down, scale=k, every=every) for n, k in copies.items()]


def _means(layer: int, mean: float) -> tuple[Trace, Trace]:
    """The moving averages that Eq 37 compares: of the potential, and of the basal input."""
    return (
        Trace(name=f"u{layer}", population=f"P{layer}", of="membrane", window=Boxcar(duration=mean)),
        Trace(name=f"basal{layer}", population=f"P{layer}", of="inputs.basal", window=Boxcar(duration=mean)),
    )
