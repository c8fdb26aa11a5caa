"""What is trained, and how: architectures, methods, and where the paper's text and the authors' code differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from salhw_networks.deep.data import DataName

if TYPE_CHECKING:
    from salhw_networks.deep.layers import FeedbackRule


@dataclass(frozen=True)
class Method:
    """A way to train: the rules of the feedback weights of fully connected and convolutional layers, and how a spiking
    phase aligns the former before each epoch, if one does.

    Args:
        aligned: ``SAL`` with the paper's rate and random feedback weights in the beginning; ``running mean``: SAL with
            weights times a gain, beginning with 0; ``RDD``: the same with regression discontinuity design.
        decay: weight decay of the fully connected layers' weights in both directions.
    """

    fully_connected: FeedbackRule = "transpose"
    convolutional: FeedbackRule = "fixed"
    aligned: Literal["SAL", "running mean", "RDD"] | None = None
    decay: float = 0.0


METHODS = {
    "BP": Method(convolutional="transpose"),
    "BP+FA": Method(),
    "FA": Method("fixed"),
    "SCFA": Method("sign"),
    "SAL": Method("external", aligned="SAL"),
    "SAL, running mean": Method("external", aligned="running mean"),
    "KP": Method("kp", decay=0.001),
    "RDD": Method("external", aligned="RDD"),
}
"""The methods of Fig 7 and Table 5. All but BP have feedback alignment (FA) in the convolutional layers, whose shared
weights nothing local could align."""


@dataclass(frozen=True)
class Architecture:
    """Channels of the convolutional layers (none: fully connected only), and sizes of the hidden layers."""

    channels: tuple[int, ...] = (16, 32)
    hidden: tuple[int, ...] = (128, 64)
    kernel: int = 5


AUTHORS = Architecture((64, 64), (384, 192))


@dataclass(frozen=True)
class Training:
    """How to train (paper Table 3).

    Args:
        data, architecture: what on what.
        images: training images per epoch, drawn anew for each; 0: all of them.
        epochs, batch: how many, and images per step.
        updates: of a spiking phase, each of 64 s.
        softmax_twice, varied, normalised_first, smallest_interval: where the authors' code differs from the text:
            cross-entropy of the softmax's softmax; flipped and cropped training images; batch normalisation before
            pooling; 11 ms between spikes at least.
    """

    data: DataName = "fmnist"
    architecture: Architecture = Architecture()
    images: int = 20_000
    epochs: int = 5
    batch: int = 64
    updates: int = 5
    softmax_twice: bool = False
    varied: bool = False
    normalised_first: bool = False
    smallest_interval: float = 10.0


def as_in_code(training: Training) -> Training:
    """The variant ``code``."""
    return replace(training, softmax_twice=True, varied=True, normalised_first=True, smallest_interval=11.0, batch=128)
