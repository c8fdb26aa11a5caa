"""The smallest network and schedule that still depart in the same kind of way, and their file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.conformance.lab import Lab
from salhw.conformance.replay.extent import extent
from salhw.conformance.replay.removal import GROUPS, without
from salhw.conformance.replay.surveying import approximated, has_chips, replay, runnable
from salhw.conformance.replay.trial import Part, Schedule, Write, random_schedule
from salhw.conformance.tracebacks import raised
from salhw.description.fields import FloatArray
from salhw.description.kinds import only
from salhw.description.network import Network
from salhw.description.probes import Spikes
from salhw.diagnostics import BackendError, SalhwError, file_error
from salhw.diagnostics.documents import read_json
from salhw.io.files import existing, write_json
from salhw.session.paths import addresses
from salhw.substrate.target import Target

PATIENCE = 60.0
"""s after which the smallest network so far is good enough."""
FORMAT = "salhw.replay"


@dataclass(frozen=True)
class Example:
    """A network and what it goes through; ``on_chips`` gives each instance a chip of its own."""

    net: Network
    schedule: Schedule
    on_chips: bool = False

    @classmethod
    def drawn(cls, lab: Lab, seed: int) -> Example:
        """The random network of a seed, as the checks run it."""
        net = runnable(lab, seed).source
        return cls(net, random_schedule(net, lab.target, seed, extent(seed).instances), has_chips(seed))

    def said(self, lab: Lab, *, whole: bool = True) -> list[tuple[str, str]]:
        """(kind, text) of everything in which it departs on a target, or of the exception that stops it. Nothing where
        the target approximates what is compared, unless that is to be asked for the ``whole``, too.

        Raises:
            BackendError: the simulator or device is not there, or died.
        """
        try:
            executable = compile(self.net, lab.target, plugin=lab.backend)
            if not whole and approximated(executable):
                return []
            found = replay(executable, self.schedule, on_chips=self.on_chips)
        except BackendError:
            raise
        except Exception as error:
            text = raised(error)
            return [(text.partition(":")[0], text)]
        return [(departure.kind, str(departure)) for departure in found]

    def save(self, path: Path, repeat: str = "", *, new: bool = False) -> Path:
        """Write it to a JSON file, with the command that is to ``repeat`` it.

        Raises:
            FileError: the place cannot be written to.
        """
        schedule = asdict(self.schedule)
        document = {"format": FORMAT, "network": self.net.model_dump(mode="json"), "schedule": schedule,
                    "on_chips": self.on_chips, "repeat": repeat}  # fmt: skip
        return write_json(path, document, default=_listed, new=new)

    @classmethod
    def load(cls, path: Path) -> Example:
        """Read what ``save`` wrote.

        Raises:
            FileError: no such file, or not one of these.
        """
        existing(path)
        try:
            document = read_json(path)
            told = document["schedule"]
            parts = tuple(
                Part(tuple(Write(w["path"], np.asarray(w["value"], dtype=np.float64)) for w in p["writes"]), p["steps"])
                for p in told["parts"]
            )
            schedule = Schedule(parts, tuple(told["ids"]), told["seed"])
            return cls(Network.model_validate(document["network"]), schedule, bool(document["on_chips"]))
        except (OSError, ValueError, KeyError, TypeError, SalhwError) as error:
            supported = f"a network of a failed replay; {type(error).__name__}: {error}"[:200]
            raise file_error(path, "", supported, "save it again with --failures") from None


def shrunk(lab: Lab, example: Example, kind: str, patience: float = PATIENCE) -> Example:
    """The example without everything that it can do without and still depart in a ``kind`` of way: instances, runs,
    writes, steps, and parts of the network, until none of them can go alone or ``patience`` s are over."""
    ends = time.monotonic() + patience

    def departs(smaller: Example) -> bool:
        return time.monotonic() < ends and any(found == kind for found, _ in smaller.said(lab, whole=False))

    while (smaller := next(filter(departs, reductions(example, lab.target)), None)) is not None:
        example = smaller
    return example


def reductions(example: Example, target: Target) -> Iterator[Example]:
    """Everything that an example can be without one thing of, the largest things first."""
    schedule, net = example.schedule, example.net
    if len(schedule.ids) > 1:
        for count in (1, len(schedule.ids) // 2):
            yield _fitted(example, target, count)
    for k in reversed(range(len(schedule.parts))):
        if len(schedule.parts) > 1:
            yield replace(example, schedule=replace(schedule, parts=schedule.parts[:k] + schedule.parts[k + 1 :]))
    for path in _parts_of(net):
        if (smaller := without(net, path)) is not None and smaller != net:
            yield _fitted(replace(example, net=smaller), target, len(schedule.ids))
    for k, part in enumerate(schedule.parts):
        fewer = [part.writes[:j] + part.writes[j + 1 :] for j in range(len(part.writes))]
        changed = [replace(part, writes=writes) for writes in fewer]
        changed += [replace(part, steps=steps) for steps in (part.steps // 2, part.steps - 1) if steps > 0]
        for new in changed:
            parts = (*schedule.parts[:k], new, *schedule.parts[k + 1 :])
            yield replace(example, schedule=replace(schedule, parts=parts))


def _parts_of(net: Network) -> Iterator[str]:
    """The paths of all that can be taken out of a network; spikes are what all else is worked out from."""
    spikes = {id(probe) for probe in only(net.probes, Spikes)}
    for group in GROUPS:
        yield from (f"{group}[{k}]" for k, item in enumerate(getattr(net, group)) if id(item) not in spikes)
    for p in net.projections:
        yield from (f"projections.{p.name}.plasticity[{k}]" for k in range(len(p.plasticity)))


def _fitted(example: Example, target: Target, count: int) -> Example:
    """With its first ``count`` instances, without the writes for which its network has no place."""
    known, before = addresses(example.net, target), len(example.schedule.ids)

    def fits(write: Write) -> Iterator[Write]:
        address = known.get(write.path)
        if address is None:
            return
        longest = write.value.shape[-1:] if address.trains else address.shape[-1:]
        shape = (*address.shape[:-1], *longest)
        if write.value.shape == (before, *shape):
            yield replace(write, value=write.value[:count])
        elif write.value.shape == shape:
            yield write

    parts = tuple(
        replace(part, writes=tuple(kept for write in part.writes for kept in fits(write)))
        for part in example.schedule.parts
    )
    return replace(example, schedule=replace(example.schedule, parts=parts, ids=example.schedule.ids[:count]))


def _listed(array: FloatArray) -> list[Any]:
    """As JSON has it, which knows no NaN: what trains of spikes are filled up with is null."""
    numbers = array.astype(np.object_)
    numbers[np.isnan(array)] = None
    listed: list[Any] = numbers.tolist()
    return listed
