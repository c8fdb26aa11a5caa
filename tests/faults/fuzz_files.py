"""Damaged HDF5 files: recordings, calibrations and arrays of descriptions with bytes flipped, pages zeroed, pieces
missing or of other files, and with contents that no writer made. ``python tests/faults/fuzz_files.py 2000`` reads 2000.

Each must be refused with one SAL501, or be read; what bears salhw's stamp must be read as it was written or be refused.
"""

from __future__ import annotations

import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from process_memory import held

from salhw import GLM, FileError, Network, Population, Projection, Recording, SpikeTrains
from salhw.session.recording import TimeSeries
from salhw_calibration import Calibration

SLOW, LARGE = 5.0, 1 << 30  # s, bytes


def recording(seed: int = 0) -> Recording:
    """Two instances of three neurons, with everything that a recording can hold."""
    random = np.random.default_rng(seed)
    ids, size, many = (4, 2), 3, 40
    order = np.sort(random.integers(0, 2, many))
    spikes = SpikeTrains(ids, size, 0.0, 100.0, order, random.integers(0, size, many), random.uniform(0, 100, many))
    time_ = np.arange(0.0, 100.0, 2.0)
    return Recording(
        ids=ids, start=0.0, duration=100.0, counts={"a": random.integers(0, 9, (2, size)), "b": np.ones((2, 2), int)},
        spikes={"a": spikes}, membrane_traces={"a": TimeSeries(time_, random.normal(size=(2, len(time_), size)))},
        weight_traces={"p": TimeSeries(time_, random.normal(size=(2, len(time_), size, size)))},
        occupancy_counts={"a": random.integers(0, 9, (2, 8))}, provenance={"seed": seed, "chips": [1, 2]},
    )  # fmt: skip


def calibration() -> Calibration:
    """Of two chips with six synapses and three neurons."""
    random = np.random.default_rng(1)

    def values(*shape: int) -> Any:
        return random.normal(1.0, 0.1, shape)

    def good(*shape: int) -> Any:
        return np.ones(shape, dtype=np.bool_)

    spread = {f"{name} {when}": values(2) for name in ("weight", "bias") for when in ("before", "after")}
    return Calibration(
        "brainscales2", "0" * 40, 0, (0, 1), np.arange(6), np.arange(3), values(2, 6, 2), values(2, 3), values(2, 3),
        values(2, 6, 2), good(2, 6), good(2, 3), good(2, 3), good(2, 6), spread, {"duration_ms": 1000.0, "seed": 1},
    )  # fmt: skip


def description() -> Network:
    """Large enough to have its weights in a file of their own."""
    weights = np.random.default_rng(2).normal(size=(70, 70))
    np.fill_diagonal(weights, 0.0)
    population = Population(name="a", size=70, neuron=GLM(bias=0.0))
    return Network(
        name="large",
        dt=0.5,
        populations=[population],
        projections=[Projection("p", pre="a", post="a", weights=weights)],
    )


@dataclass(frozen=True)
class Kind:
    """A file to damage: its content, where it goes, what reads it and what tells two results apart."""

    name: str
    content: bytes
    place: Path
    read: Callable[[], Any]
    told: Callable[[Any], Any]

    @property
    def stamped(self) -> bool:
        return self.content.startswith(b"salhw sha256 ")


def kinds(folder: Path) -> list[Kind]:
    """Every file that salhw writes in HDF5, with its stamp and as an earlier salhw wrote it."""
    run = recording().save(folder / "run.h5")
    chips = calibration().save(folder / "chips.h5")
    net = description().save(folder / "net.json")
    (arrays,) = folder.glob("net.*.h5")
    made = [
        ("recording", run, lambda: Recording.load(run), lambda found: _flat(vars(found))),
        ("calibration", chips, lambda: Calibration.load(chips), lambda found: _flat(vars(found))),
        ("description", arrays, lambda: Network.load(net), lambda found: found.content_hash),
    ]
    return [
        Kind(f"{name}{kind}", content, place, read, told)
        for name, place, read, told in made
        for kind, content in (("", place.read_bytes()), (" without stamp", without_stamp(place)))
    ]


def _flat(value: Any) -> Any:
    """As nested tuples that can be compared, dtypes included."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return tuple((key, _flat(item)) for key, item in sorted(value.items()))
    return _flat(vars(value)) if hasattr(value, "__dict__") else value


def without_stamp(path: Path) -> bytes:
    """The same content without user block."""
    image = io.BytesIO()
    with h5py.File(path, "r") as old, h5py.File(image, "w") as new:
        new.attrs.update(old.attrs)
        for name in old:
            old.copy(name, new)
    return image.getvalue()


Damage = Callable[[np.random.Generator, bytes, bytes], bytes]


def flipped(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """Up to eight bytes."""
    found = bytearray(content)
    for at in random.integers(0, len(found), random.integers(1, 9)):
        found[at] ^= int(random.integers(1, 256))
    return bytes(found)


def flipped_structure(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """One byte near a signature of HDF5's own structures, where most bytes matter."""
    found = bytearray(content)
    marks = [k for mark in (b"TREE", b"HEAP", b"SNOD", b"GCOL", b"\x89HDF") for k in _all(content, mark)]
    at = int(random.choice(marks)) + int(random.integers(0, 200))
    found[min(at, len(found) - 1)] = int(random.choice([0, 1, 8, 0x7F, 0x80, 0xFF, int(random.integers(256))]))
    return bytes(found)


def _all(content: bytes, mark: bytes) -> Iterator[int]:
    at = content.find(mark)
    while at >= 0:
        yield at
        at = content.find(mark, at + 1)


def truncated(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    return content[: int(random.integers(0, len(content)))]


def zeroed(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """A page of 512 or 4096 bytes, as a crashed computer leaves it."""
    page = int(random.choice([512, 4096]))
    at = int(random.integers(0, -(-len(content) // page))) * page
    return content[:at] + bytes(min(page, len(content) - at)) + content[at + page :]


def spliced(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    at = int(random.integers(0, min(len(content), len(other))))
    return content[:at] + other[at:]


def moved(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """Two blocks in each other's place."""
    size = int(random.choice([8, 64, 512]))
    a, b = sorted(int(k) * size for k in random.integers(0, max(2, len(content) // size), 2))
    if a == b or b + size > len(content):
        return content[:-1]
    return content[:a] + content[b : b + size] + content[a + size : b] + content[a : a + size] + content[b + size :]


def edited(random: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """Something in it replaced by what no writer of salhw makes."""
    image = io.BytesIO(content)
    with h5py.File(image, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name = str(random.choice(names))
        EDITS[int(random.integers(len(EDITS)))](file, name, random)
    return image.getvalue()


def _attributes(file: h5py.File, name: str, random: np.random.Generator) -> None:
    if len(file.attrs):
        key = str(random.choice(list(file.attrs)))
        value: Any = ("", 7, np.nan, np.inf, -1, "x" * 1000, np.arange(5), h5py.Empty("f"), b"\xff\xfe")[
            random.integers(9)
        ]
        file.attrs[key] = value


def _swapped(file: h5py.File, name: str, random: np.random.Generator) -> None:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    other = str(random.choice(names))
    if other != name:
        file.move(name, "aside")
        file.move(other, name)
        file.move("aside", other)


def _instead(make: Callable[[h5py.File, str], Any]) -> Callable[[h5py.File, str, np.random.Generator], None]:
    def edit(file: h5py.File, name: str, random: np.random.Generator) -> None:
        del file[name]
        make(file, name)

    return edit


def _loop(file: h5py.File, name: str) -> None:
    parent = file.require_group("/".join(name.split("/")[:-1]) or "/")
    parent[name.rpartition("/")[2]] = parent


EDITS: list[Callable[[h5py.File, str, np.random.Generator], Any]] = [
    _attributes,
    _swapped,
    lambda file, name, random: file.attrs.clear(),
    _instead(lambda file, name: None),
    _instead(lambda file, name: file.create_dataset(name, shape=(1 << 40,), dtype="f8", chunks=(1 << 20,))),
    _instead(lambda file, name: file.create_dataset(name, shape=(30_000, 30_000), dtype="f8")),
    _instead(lambda file, name: file.create_dataset(name, data=np.zeros(1 << 24, dtype="i1"), compression="gzip")),
    _instead(lambda file, name: file.create_dataset(name, data=np.zeros(0))),
    _instead(lambda file, name: file.create_dataset(name, data="text")),
    _instead(lambda file, name: file.create_dataset(name, data=b"\xff\xfe")),
    _instead(lambda file, name: file.create_dataset(name, data=np.array([1 + 2j, 3]))),
    _instead(lambda file, name: file.create_dataset(name, data=np.full((2, 3), np.nan))),
    _instead(lambda file, name: file.create_dataset(name, data=np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")]))),
    _instead(lambda file, name: file.create_dataset(name, data=h5py.Empty("f8"))),
    _instead(lambda file, name: file.create_dataset(name, data=file.ref, dtype=h5py.ref_dtype)),
    _instead(lambda file, name: file.create_dataset(name, (3,), dtype=h5py.vlen_dtype(np.int32))),
    _instead(lambda file, name: file.create_group(name)),
    _instead(lambda file, name: file.__setitem__(name, np.dtype("f8"))),
    _instead(lambda file, name: file.__setitem__(name, h5py.SoftLink("/nowhere"))),
    _instead(lambda file, name: file.__setitem__(name, h5py.SoftLink(f"/{name}"))),
    _instead(lambda file, name: file.__setitem__(name, h5py.ExternalLink("/dev/zero", "/x"))),
    _instead(lambda file, name: file.create_dataset(name, (9,), "f8", external=[("/dev/zero", 0, 72)])),
    _instead(_loop),
]

DAMAGES: tuple[Damage, ...] = (flipped, flipped_structure, truncated, zeroed, spliced, moved, edited)


@dataclass(frozen=True)
class Outcome:
    """What became of one file: ``seconds`` of computing, here and in the guard, those by the ``clock``, and what should
    not have happened."""

    what: str
    seconds: float
    clock: float
    fault: str = ""


def tried(kind: Kind, content: bytes, what: str, original: Any) -> Outcome:
    """Read a file with this content."""
    kind.place.write_bytes(content)
    began, clock, fault = computed(), time.perf_counter(), ""
    try:
        told = kind.told(kind.read())
        if kind.stamped and content.startswith(b"salhw sha256 ") and told != original:
            fault = "other content was read without a word"
    except FileError as error:
        text = str(error)
        if [item.code for item in error.diagnostics] != ["SAL501"] or len(text) > 1000 or not error.diagnostics[0].fix:
            fault = f"not one short SAL501: {text[:300]}"
    except BaseException as error:
        fault = f"{type(error).__name__}: {error}"
    return Outcome(f"{kind.name}, {what}", computed() - began, time.perf_counter() - clock, fault)


def fuzz(count: int, seed: int = 0) -> Iterator[Outcome]:
    """So many damaged files; the same for the same seed, whatever the count."""
    with tempfile.TemporaryDirectory() as folder:
        known = kinds(Path(folder))
        originals = []
        for kind in known:
            kind.place.write_bytes(kind.content)
            originals.append(kind.told(kind.read()))
        for k in range(count):
            random = np.random.default_rng((seed, k))
            at = k % len(known)
            kind, damage = known[at], DAMAGES[(k // len(known)) % len(DAMAGES)]
            other = known[int(random.integers(len(known)))].content
            content = damage(random, kind.content, other)
            yield tried(kind, content, f"{damage.__name__} {k}", originals[at])
            kind.place.write_bytes(kind.content)


def computed() -> float:
    """Seconds that this process and its children have computed."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak() -> int:
    """Bytes that this process, or the largest of its children, has had at most."""
    return max(held("VmHWM"), 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


if __name__ == "__main__":
    many, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    outcomes = []
    for outcome in fuzz(many, seed):
        outcomes.append(outcome)
        if outcome.fault or outcome.seconds > SLOW:
            print(f"{outcome.what}: {outcome.fault} {outcome.seconds:.1f} s", flush=True)
    worst, longest = max(outcomes, key=lambda o: o.seconds), max(o.clock for o in outcomes)
    faults = sum(bool(o.fault) for o in outcomes)
    print(f"{len(outcomes)} files: {faults} faults; most computing {worst.seconds:.2f} s ({worst.what}), ", end="")
    print(f"in all {sum(o.seconds for o in outcomes):.0f} s; longest {longest:.2f} s; at most {peak() / 1e6:.0f} MB")
