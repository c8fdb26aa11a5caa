"""What is made of the neurons' answers: a digit for each neuron, a digit for each image, and what needs no neurons."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from salhw.description.fields import FloatArray

Digits = npt.NDArray[np.int64]
CLASSES = 10


def assigned(counts: FloatArray, digits: Digits) -> Digits:
    """The digit that each neuron spikes most for in the mean, (neuron,), from ``counts`` (image, neuron)."""
    means = [_mean(counts[digits == digit].T) for digit in range(CLASSES)]
    return np.asarray(np.argmax(means, axis=0), dtype=np.int64)


def told(counts: FloatArray, digit_of: Digits) -> Digits:
    """The digit whose neurons spike most for an image, in the mean over these, (image,) (Diehl & Cook 2015, section
    2.7); -1 where none spikes."""
    means = np.array([_mean(counts[:, digit_of == digit]) for digit in range(CLASSES)])
    return np.where(means.any(axis=0), np.argmax(means, axis=0), -1)


def _mean(counts: FloatArray) -> FloatArray:
    """The mean of each row; 0 of nothing."""
    return np.asarray(counts.sum(axis=1) / max(1, counts.shape[1]))


def clustered(train: FloatArray, train_digits: Digits, test: FloatArray, centres: int, seed: int) -> Digits:
    """What k-means says of the images ``test``: each centre has the digit that most of its images have."""
    from sklearn.cluster import KMeans

    found = KMeans(centres, n_init=4, random_state=seed).fit(train)
    digit_of = [np.bincount(train_digits[found.labels_ == k], minlength=CLASSES).argmax() for k in range(centres)]
    return np.asarray(np.asarray(digit_of)[found.predict(test)], dtype=np.int64)


def likeness(fields: FloatArray, images: FloatArray) -> FloatArray:
    """The correlation of each field (neuron, pixel) with that of the images (image, pixel) that is most like it."""
    together = np.corrcoef(np.concatenate([fields, images]))
    return np.asarray(together[: len(fields), len(fields) :].max(axis=1))
