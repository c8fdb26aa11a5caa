"""Courses of learning: all methods from the same weights on the same targets, in pieces that a killed run finds again;
and what is read off a course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from salhw import Calibration, Chip, Target
from salhw.description.fields import FloatArray
from salhw_networks.experiment import Arrays, Progress, Work
from salhw_networks.microcircuit.network import Method
from salhw_networks.microcircuit.training import Class, Protocol, students, train

SIZES = (1, 1, 1)
SYMBOLS = {"W10": "$W_{1,0}$", "W21": "$W_{2,1}$", "B12": "$B_{1,2}$"}
"""The weights of a chain of single neurons that learn, as pictures name them."""
TEACHER = (np.array([[2.0]]), np.array([[2.0]]))  # W10, W21 (Table 2)
TEACHER_SHARE = 5.0  # of the work, in epochs of one method
LAST = 10  # epochs over which the loss at the end is averaged
SEED = 6


@dataclass(frozen=True)
class Scale:
    """``seeds`` students of each method, ``epochs`` of training, in pieces of ``block`` epochs."""

    seeds: int
    epochs: int
    block: int


@dataclass(frozen=True)
class Place:
    """Where students learn.

    Args:
        target: what their network is compiled for.
        chips: one for each student; None: they are all on one.
        calibration: of these chips.
    """

    target: Target | str = "reference"
    chips: Sequence[Chip] | None = None
    calibration: Calibration | None = None


def taught(work: Work, protocol: Protocol, scale: Scale, target: Target | str = "reference") -> Class:
    """Students at their start, with the targets that a teacher on ``target`` has given them."""

    def measured(progress: Progress) -> Arrays:
        drawn = students(protocol, TEACHER, scale.seeds, target=target, seed=SEED)
        progress(1.0)
        return {"targets": drawn.targets, "validation_targets": drawn.validation, **drawn.weights}

    first = work.piece("teacher", TEACHER_SHARE, measured)
    targets = first["targets"], first["validation_targets"]
    return Class(SIZES, (first["W10"], first["W21"]), (first["B12"],), *targets)


def course(
    work: Work, protocol: Protocol, scale: Scale, method: Method, begin: Class, place: Place, prefix: str = ""
) -> Arrays:
    """One method's course.

    Args:
        prefix: of the names of its pieces.

    Returns: loss, and nudged where validation is nudged, (epoch, seed); weights by the names of their projections,
        before the first epoch and after each, (epoch + 1, seed, post, pre).
    """
    if method == "BP":
        begin = replace(begin, feedback=(np.swapaxes(begin.forward[-1], 1, 2),))
    parts: list[Arrays] = [{name: value[None] for name, value in begin.weights.items()}]
    for k in range(0, scale.epochs, scale.block):
        epochs = range(k, min(k + scale.block, scale.epochs))
        compute = partial(_block, protocol, method, begin.at(parts[-1]), epochs, place)
        parts.append(work.piece(f"{prefix}{method}-{k:04d}", float(len(epochs)), compute))
    return {name: np.concatenate([part[name] for part in parts if name in part]) for name in parts[-1]}


def _block(protocol: Protocol, method: Method, now: Class, epochs: range, place: Place, progress: Progress) -> Arrays:
    """Some epochs from a session at rest, with random numbers of their own."""
    return train(
        protocol, method, now, epochs, target=place.target, chips=place.chips, calibration=place.calibration,
        seed=1_000 * SEED + epochs[0], progress=progress,
    )  # fmt: skip


# numbers ------------------------------------------------------------------------------------------------------------


def at_end(data: Mapping[str, FloatArray], method: str, what: str = "loss", last: int = LAST) -> FloatArray:
    """The loss of each seed, averaged over the last epochs."""
    return np.asarray(data[f"{method}_{what}"][-last:].mean(axis=0))


def weight(data: Mapping[str, FloatArray], method: str, name: str) -> FloatArray:
    """A weight of the chain of single neurons, (epoch + 1, seed)."""
    return np.asarray(data[f"{method}_{name}"][:, :, 0, 0])


def equivalence(first: FloatArray, second: FloatArray, factor: float) -> tuple[float, float]:
    """(ratio of the geometric means, p) of losses by seed: two one-sided paired t tests against a difference by
    ``factor`` or more, either way."""
    from scipy.stats import ttest_1samp

    logs, limit = np.log(first) - np.log(second), np.log(factor)
    above = ttest_1samp(logs, limit, alternative="less").pvalue
    below = ttest_1samp(logs, -limit, alternative="greater").pvalue
    return float(np.exp(logs.mean())), float(max(above, below))


def turned(feedback: FloatArray) -> FloatArray:
    """The first epoch after which weights (epoch + 1, seed) are positive; the number of epochs + 1 if none is."""
    positive = feedback > 0
    return np.where(positive.any(axis=0), positive.argmax(axis=0), len(feedback))
