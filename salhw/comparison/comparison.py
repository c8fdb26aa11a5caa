"""What a comparison is: for every target what came of it, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from salhw.comparison.judge import Row, Verdict
from salhw.comparison.measures import Run
from salhw.conformance.differences import FAMILY
from salhw.diagnostics import counted, file_error
from salhw.diagnostics.arguments import as_path
from salhw.diagnostics.documents import read_json
from salhw.diagnostics.html import section, table
from salhw.io.files import existing, write_json

FORMAT, VERSION = "salhw.comparison", 1
Status = Literal["ran", "unavailable", "refused", "failed"]
MEANINGS: dict[Status | Verdict, str] = {
    "equivalent": "every quantity is shown to be within its margin",
    "different": "a quantity is shown to be beyond its margin",
    "undecided": "too little data to show either",
    "ran": "it ran; nothing to hold it against",
    "refused": "the target cannot hold the network",
    "failed": "it broke while it ran",
    "unavailable": "its simulator or device is not installed",
}


@dataclass(frozen=True)
class Predicted:
    """What ``fit`` said about one change beside what was measured: a quantity as ``written`` and as ``changed``, where
    ``error`` is half the 95 % interval of their difference; and the measured difference of target and reference with
    its standard error, None where the comparison does not measure that quantity."""

    change: str
    quantity: str
    path: str
    written: float
    changed: float
    error: float
    unit: str
    origin: str
    measured: float | None = None
    measured_error: float | None = None


@dataclass(frozen=True)
class Gap:
    """How far reciprocal weights of a plastic projection are apart, mean |W_ij - W_ji|: at the start and at the end of
    the run, mean over instances; ``error`` is the standard error at the end, None with a single instance."""

    path: str
    start: float
    end: float
    error: float | None


@dataclass(frozen=True)
class Outcome:
    """What came of one target.

    Args:
        status: ``ran``, or why not: ``unavailable``, ``refused``, ``failed``.
        message: what the diagnostics say if it did not run.
        instances, chips: how many ran, and on which chips; no chips where they do not differ.
        changes, predicted: what ``fit`` changed, and how much that matters.
        approximations: what the compile report names.
        rows: what was measured; of the reference what theory knows of it.
        gaps: of every plastic projection that has reciprocal synapses.
    """

    target: str
    status: Status
    message: str = ""
    instances: int = 0
    chips: tuple[int, ...] = ()
    seconds: float = 0.0
    changes: tuple[str, ...] = ()
    predicted: tuple[Predicted, ...] = ()
    approximations: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    gaps: tuple[Gap, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Status | Verdict:
        """``different`` if any quantity is, ``equivalent`` if all are, else ``undecided``; or the status."""
        verdicts = {row.verdict for row in self.rows}
        for verdict in ("different", "undecided", "equivalent"):
            if verdict in verdicts:
                return verdict
        return self.status

    def counts(self) -> dict[str, int]:
        """How many quantities came to each verdict."""
        verdicts = [row.verdict for row in self.rows]
        return {name: verdicts.count(name) for name in ("different", "undecided", "equivalent") if name in verdicts}


@dataclass(frozen=True)
class Comparison:
    """One network on several targets, each held against the reference.

    ``outcomes`` are in the order in which they were asked for. ``reference`` is what ran on the reference. ``runs``
    hold the recordings, by target; a comparison that was loaded has none.
    """

    network: str
    duration: float
    seed: int
    reference: Outcome
    outcomes: tuple[Outcome, ...]
    margins: Mapping[str, float]
    level: float = FAMILY
    runs: Mapping[str, Run] = field(default_factory=dict, compare=False, repr=False)

    def __getitem__(self, target: str) -> Outcome:
        return {outcome.target: outcome for outcome in (self.reference, *self.outcomes)}[target]

    @property
    def different(self) -> bool:
        """Whether any target is shown to be different."""
        return any(outcome.verdict == "different" for outcome in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("runs", "reference", "outcomes")}
        outcomes = [asdict(outcome) | {"verdict": outcome.verdict} for outcome in (self.reference, *self.outcomes)]
        head = {"format": FORMAT, "version": VERSION} | plain | {"margins": dict(self.margins)}
        return head | {"reference": outcomes[0], "outcomes": outcomes[1:]}

    def save(self, path: str | Path, *, new: bool = False) -> Path:
        """Write ``as_dict`` as JSON; with ``new`` a file that is there is kept, and this one refused.

        Raises:
            FileError: the place cannot be written to.
        """
        return write_json(as_path(path), self.as_dict(), new=new)

    @classmethod
    def load(cls, path: str | Path) -> Comparison:
        """Read what ``save`` wrote; the recordings are in files of their own.

        Raises:
            FileError: no such file, or not a comparison.
        """
        path = existing(as_path(path))
        try:
            document = read_json(path)
            if (document["format"], document["version"]) != (FORMAT, VERSION):
                raise ValueError(f"{document['format']} {document['version']}")
            reference, *outcomes = (_outcome(entry) for entry in (document["reference"], *document["outcomes"]))
            rest = {name: document[name] for name in ("network", "duration", "seed", "margins", "level")}
            return cls(**rest, reference=reference, outcomes=tuple(outcomes))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            supported = f"a comparison of `salhw compare`, version {VERSION}; {type(error).__name__}: {error}"[:200]
            raise file_error(path, "", supported, "compare again") from None

    def __str__(self) -> str:
        lines = [f"{self.network}, {self.duration:g} ms, {counted('target', self.outcomes)} against the reference"]
        for outcome in self.outcomes:
            counts = ", ".join(f"{count} {name}" for name, count in outcome.counts().items())
            lines.append(f"  {outcome.target}: {outcome.verdict}" + (f" ({counts})" if counts else ""))
            lines += [f"    {line}" for line in outcome.message.splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The verdicts as a table, for notebooks."""
        rows = [(o.target, o.verdict, ", ".join(f"{n} {v}" for v, n in o.counts().items())) for o in self.outcomes]
        return section(str(self).splitlines()[0], table(rows, ("target", "verdict", "quantities")))


def _outcome(entry: Mapping[str, Any]) -> Outcome:
    """What ``as_dict`` wrote of one target."""
    parts: dict[str, type] = {"rows": Row, "predicted": Predicted, "gaps": Gap}
    rest = {name: value for name, value in entry.items() if name not in (*parts, "verdict")}
    listed = {name: tuple(value) for name, value in rest.items() if isinstance(value, list)}
    return Outcome(**rest | listed | {name: tuple(cls(**each) for each in entry[name]) for name, cls in parts.items()})
