"""The outcomes of all checks on one target, as data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from salhw.conformance.lab import Profile
from salhw.conformance.model import Figure, Outcome
from salhw.diagnostics import file_error
from salhw.diagnostics.documents import read_json
from salhw.io.files import existing, write_json

GOOD = ("pass", "known", "unsupported", "unmeasured")
_LEFT_OUT = ("figure",)


@dataclass(frozen=True)
class ConformanceReport:
    """What the suite found. ``options`` and ``accuracy`` are the target's; ``unfinished`` names the checks that had not
    been run when it was written, as after an interruption."""

    target: str
    backend: str
    versions: Mapping[str, str]
    profile: Profile
    seed: int
    checks: tuple[Outcome, ...]
    options: Mapping[str, str]
    accuracy: Mapping[str, float]
    unfinished: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no check failed, but for those that are expected to, and all could be run."""
        return not self.unfinished and all(outcome.outcome in GOOD for outcome in self.checks)

    @property
    def counts(self) -> dict[str, int]:
        """How many checks came to each outcome."""
        return dict(Counter(outcome.outcome for outcome in self.checks))

    def __getitem__(self, name: str) -> Outcome:
        return {outcome.name: outcome for outcome in self.checks}[name]

    def as_json(self) -> dict[str, Any]:
        """Plain data without NaN; what the checks' figures show is under ``figures``, by check."""
        plain: dict[str, Any] = {
            "target": self.target,
            "backend": self.backend,
            "versions": dict(self.versions),
            "profile": self.profile,
            "seed": self.seed,
            "options": dict(self.options),
            "accuracy": dict(self.accuracy),
            "unfinished": list(self.unfinished),
            "checks": [
                {f.name: getattr(outcome, f.name) for f in fields(outcome) if f.name not in _LEFT_OUT}
                for outcome in self.checks
            ],
            "figures": {outcome.name: asdict(outcome.figure) for outcome in self.checks if outcome.figure},
        }
        result: dict[str, Any] = _finite(plain)
        return result

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ConformanceReport:
        """The report that ``as_json`` wrote; KeyError or TypeError where it did not."""
        figures = {name: Figure(**figure) for name, figure in document["figures"].items()}
        outcomes = tuple(Outcome(**entry, figure=figures.get(entry["name"])) for entry in document["checks"])
        told = {f.name: document[f.name] for f in fields(cls) if f.name not in ("checks", "unfinished")}
        return cls(**told, checks=outcomes, unfinished=tuple(document.get("unfinished", ())))

    def save(self, path: Path, *, new: bool = False) -> Path:
        """Write ``as_json`` to a file; with ``new`` one that is there is kept, and this one refused.

        Raises:
            FileError: the place cannot be written to.
        """
        return write_json(path, self.as_json(), new=new)

    @classmethod
    def load(cls, path: Path) -> ConformanceReport:
        """Read what ``save`` wrote.

        Raises:
            FileError: no such file, or not a report.
        """
        existing(path)
        try:
            report = cls.from_json(read_json(path))
            report.as_json()
            return report
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            supported = f"a report of `salhw conformance --json`; {type(error).__name__}: {error}"[:200]
            raise file_error(path, "", supported, "run the suite again") from None


def _finite(value: Any) -> Any:
    """JSON has neither NaN, infinity nor numpy's numbers."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [_finite(item) for item in value]
