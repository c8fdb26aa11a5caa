"""The network of a failed check, in a file, and the command that repeats the failure."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from salhw.conformance.lab import Lab
from salhw.conformance.model import Outcome
from salhw.conformance.replay.shrinking import Example, shrunk
from salhw.diagnostics import BackendError
from salhw.io.description import save


@dataclass(frozen=True)
class Saved:
    """Where the network of a failed check is, and what to type to see the failure again."""

    check: str
    path: Path
    command: str


def saved_network(lab: Lab, outcome: Outcome, folder: Path, subject: str, *, new: bool = False) -> Saved | None:
    """Save the network of a failure: of a random one the smallest that still departs in the same kind of way, and its
    schedule; of others the one that was compiled last. None where a check compiles none. ``subject`` is what to say to
    ``salhw conformance``.

    Raises:
        FileError: the folder cannot be written to.
    """
    path, told = folder / f"{outcome.name}.json", outcome.details or {}
    if "network" in told:
        command = f"salhw conformance {subject} --replay {shlex.quote(str(path))}"
        example = Example.drawn(lab, told["network"])
        with suppress(BackendError):  # the simulator died once more: as large as it is
            example = shrunk(lab, example, told["kind"])
        return Saved(outcome.name, example.save(path, command, new=new), command)
    if not lab.networks:
        return None
    save(lab.networks[-1], path, new=new)
    command = f"salhw conformance {subject} --check {outcome.name} --profile {lab.profile} --seed {lab.seed}"
    return Saved(outcome.name, path, command)
