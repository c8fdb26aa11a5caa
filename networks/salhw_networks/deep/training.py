"""Training a ConvNet whose feedback weights a spiking phase aligns before each epoch, with a checkpoint after each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from salhw import Target
from salhw_networks.deep.aligner import Aligner
from salhw_networks.deep.conversion import alignment_angles
from salhw_networks.deep.convnet import convnet, optimiser, prepared
from salhw_networks.deep.data import SOURCES, Images, load
from salhw_networks.deep.rdd import RDD
from salhw_networks.deep.settings import METHODS, Method, Training
from salhw_networks.experiment import Arrays, Progress, read, write

SCHEDULES: Mapping[str, Mapping[str, Any]] = {
    "SAL": {"gain": 1.0, "schedule": 0.04, "centred": False},
    "running mean": {},
    "RDD": {"method": RDD()},
}
"""The Aligner's options, by how a method is ``aligned``."""


@dataclass
class Run:
    """A model in training: one method, one seed."""

    training: Training
    method: Method
    seed: int
    target: Target | str
    model: nn.Sequential
    optimiser: torch.optim.SGD
    aligner: Aligner | None

    @classmethod
    def begin(cls, training: Training, name: str, seed: int, target: Target | str, options: Mapping[str, Any]) -> Run:
        """Before the first epoch. Images, initial weights and feedback weights of a seed are those of every method."""
        method, images = METHODS[name], load(training.data)
        net = convnet(images.train.shape[1:], training.architecture, normalised_first=training.normalised_first)
        model = prepared(net, method, seed)
        aligner = None
        if method.aligned:
            aligner = Aligner(
                model, target, seed=seed, smallest_interval=training.smallest_interval,
                **{**SCHEDULES[method.aligned], **options},
            )  # fmt: skip
        return cls(training, method, seed, target, model, optimiser(model, method), aligner)

    def epoch(self, number: int, progress: Progress) -> Arrays:
        """The spiking phase and one epoch.

        Returns: accuracy in % of the test images; loss; angles (layer,) of the fully connected layers right after the
            spiking phase, or at the epoch's beginning, and at its end.
        """
        if self.aligner:
            self.aligner.align(self.training.updates, progress=lambda share: progress(0.5 * share))
        before = self._angles()
        loss = self._train(number, lambda share: progress(0.5 + 0.5 * share))
        return {
            "accuracy": np.array(self.accuracy()), "loss": np.array(loss),
            "angles": before, "final_angles": self._angles(),
        }  # fmt: skip

    def _train(self, number: int, progress: Progress) -> float:
        training, images = self.training, load(self.training.data)
        random = np.random.default_rng([self.seed, number, 0xE90C])
        order = random.permutation(len(images.train))[: training.images or None]
        batches = np.array_split(order, max(1, len(order) // training.batch))
        self.model.train()
        total = 0.0
        for k, batch in enumerate(batches):
            x, y = shown(images, batch, random, training), torch.as_tensor(images.train_labels[batch])
            self.optimiser.zero_grad()
            loss = self._loss(self.model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += float(loss.detach()) * len(batch)
            progress((k + 1) / len(batches))
        return total / len(order)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits.softmax(1) if self.training.softmax_twice else logits, labels)

    def accuracy(self) -> float:
        """Of the test images, in %."""
        images = load(self.training.data)
        self.model.eval()
        with torch.no_grad():
            found = [self.model(torch.as_tensor(x)).argmax(1).numpy() for x in np.array_split(images.test, 20)]
        return 100.0 * float(np.mean(np.concatenate(found) == images.test_labels))

    def _angles(self) -> npt.NDArray[np.float64]:
        return np.array([angle for name, angle in alignment_angles(self.model).items() if name.startswith("fc")])

    # checkpoints ------------------------------------------------------------------------------------------------------

    def state(self) -> Arrays:
        """Everything that an interrupted run needs to go on with the same numbers."""
        arrays = {f"model.{name}": value.numpy() for name, value in self.model.state_dict().items()}
        for k, group in enumerate(self.optimiser.param_groups):
            for n, parameter in enumerate(group["params"]):
                arrays[f"momentum.{k}.{n}"] = self.optimiser.state[parameter]["momentum_buffer"].numpy()
        if self.aligner:
            arrays |= {f"aligner.{name}": value for name, value in self.aligner.state_dict().items()}
        return arrays

    def load_state(self, arrays: Arrays) -> None:
        """Go on where ``state`` was taken."""
        self.model.load_state_dict({name: torch.as_tensor(a) for name, a in _part(arrays, "model.").items()})
        for k, group in enumerate(self.optimiser.param_groups):
            for n, parameter in enumerate(group["params"]):
                self.optimiser.state[parameter]["momentum_buffer"] = torch.as_tensor(arrays[f"momentum.{k}.{n}"])
        if self.aligner:
            self.aligner.load_state_dict(_part(arrays, "aligner."))


def _part(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def shown(images: Images, batch: npt.NDArray[np.int64], random: np.random.Generator, training: Training) -> Tensor:
    """Training images; ``varied`` ones are flipped, and cropped by up to 4 pixels where the authors' code does it."""
    x, source = images.train[batch], SOURCES[training.data]
    if training.varied and source.flipped:
        x = np.where(random.random(len(x))[:, None, None, None] < 0.5, x[..., ::-1], x)
    if training.varied and source.cropped:
        padded = np.pad(x, ((0, 0), (0, 0), (4, 4), (4, 4)))
        rows, columns = (np.arange(x.shape[2]) + random.integers(0, 9, (len(x), 1)) for _ in range(2))
        x = padded[np.arange(len(x))[:, None, None], :, rows[:, :, None], columns[:, None, :]].transpose(0, 3, 1, 2)
    return torch.as_tensor(np.ascontiguousarray(x))


def train(
    training: Training, method: str, seed: int, target: Target | str, checkpoint: Path, progress: Progress,
    say: Callable[[str], None] | None = None, options: Mapping[str, Any] | None = None,
) -> Arrays:  # fmt: skip
    """All epochs of one run, or those that ``checkpoint`` says are missing; it is written after every epoch.
    ``options`` are the Aligner's.

    Returns: accuracy, loss (epoch,), angles, final_angles (epoch, layer).
    """
    torch.set_num_threads(1)  # runs go side by side; of small layers, more threads only wait for one another
    run, epochs = Run.begin(training, method, seed, target, options or {}), list[Arrays]()
    saved = read(checkpoint) if checkpoint.exists() else None
    if saved:
        run.load_state(saved)
        count = len(saved["accuracy"])
        epochs = [{name: saved[name][k] for name in METRICS} for k in range(count)]
    for number in range(len(epochs), training.epochs):
        epochs.append(run.epoch(number, lambda share, n=number: progress((n + share) / training.epochs)))  # type: ignore[misc]
        write(checkpoint, {**_stacked(epochs), **run.state()})
        if say:
            angles = "/".join(f"{angle:.0f}" for angle in epochs[-1]["angles"])
            say(f"{method} {seed}: epoch {number + 1}, {float(epochs[-1]['accuracy']):.1f} %, {angles} degrees")
    return _stacked(epochs)


METRICS = ("accuracy", "loss", "angles", "final_angles")


def _stacked(epochs: list[Arrays]) -> Arrays:
    return {name: np.stack([epoch[name] for epoch in epochs]) for name in METRICS}
