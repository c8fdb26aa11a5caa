"""What is wrong, where, what is supported instead, and how to mend it: diagnostics and the errors that carry them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, overload

Severity = Literal["error", "approximation", "warning"]
LENGTH = 80
"""The most characters of a user's value that a message repeats."""
WRITTEN = 25
"""The most findings of an error that its text lists; ``diagnostics`` holds all."""


def shortened(text: str, length: int = LENGTH) -> str:
    """``text`` without its middle where it is too long."""
    if len(text) <= length:
        return text
    tail = (length - 3) // 3
    return f"{text[: length - 3 - tail]}...{text[-tail:]}"


def printable(text: str) -> str:
    """``text`` that every terminal and file takes: control characters and halves of characters are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    ``code`` is listed by ``salhw explain``; ``path`` says where (``projections.pair.plasticity.tau``), ``asked`` what
    the description says there, ``supported`` what would be accepted, ``fix`` what to do. An ``approximation`` is
    something that the target does differently; its ``supported`` then gives the measured size of the difference.
    """

    code: str
    path: str
    asked: str
    supported: str
    fix: str = ""
    severity: Severity = "error"

    def __post_init__(self) -> None:
        """What users wrote may be of any length and hold anything; a message is short, and can be printed."""
        users = self.code[:4] in ("SAL0", "SAL1", "SAL4")
        for name in ("path", "asked", "supported", "fix"):
            text = str(getattr(self, name))
            length = {"path": 2 * LENGTH, "asked": LENGTH}.get(name, 10 * LENGTH)
            object.__setattr__(self, name, printable(shortened(text, length) if users else text))

    def __str__(self) -> str:
        if self.code.startswith("SAL2"):  # resources: so much is wanted, so much is there; the path holds no value
            head = f"{self.code} {self.path}: {self.asked}, {self.supported}"
        else:
            asked = f" = {self.asked}" if self.asked else ""
            head = f"{self.code} {self.path}{asked}: {self.supported}"
        return f"{head}\n       fix: {self.fix}" if self.fix else head

    def as_dict(self) -> dict[str, str]:
        """The finding as plain data, for ``--json``."""
        return asdict(self)


class Approximations(Sequence[Diagnostic]):
    """Findings that are approximations, whose sizes take work: ``found`` is called when somebody first reads them."""

    def __init__(self, found: Callable[[], Iterable[Diagnostic]]) -> None:
        self._work = found

    @cached_property
    def _found(self) -> tuple[Diagnostic, ...]:
        return tuple(self._work())

    @overload
    def __getitem__(self, k: int) -> Diagnostic: ...
    @overload
    def __getitem__(self, k: slice) -> tuple[Diagnostic, ...]: ...
    def __getitem__(self, k: int | slice) -> Diagnostic | tuple[Diagnostic, ...]:
        return self._found[k]

    def __len__(self) -> int:
        return len(self._found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._found == tuple(other)

    def __repr__(self) -> str:
        return repr(self._found)

    def __reduce__(self) -> tuple[Any, ...]:
        """Worked out before a journey between processes."""
        return tuple, (self._found,)


class SalhwError(Exception):
    """Base of every error that salhw raises on purpose; ``diagnostics`` holds all findings at once. A ``footer`` that
    takes work is a function, called when the message is read."""

    def __init__(
        self, headline: str, diagnostics: Iterable[Diagnostic] = (), footer: str | Callable[[], str] = ""
    ) -> None:
        self.headline = headline
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        self._footer = footer
        super().__init__(headline)

    @property
    def footer(self) -> str:
        """What stands below the findings."""
        if callable(self._footer):
            self._footer = self._footer()
        return self._footer

    def __reduce__(self) -> tuple[Any, ...]:
        """Whole after a journey between processes."""
        return type(self), (self.headline, self.diagnostics, self.footer)

    def __str__(self) -> str:
        more = len(self.diagnostics) - WRITTEN
        rest = [f"... and {counted('problem', range(more))} more"] if more > 0 else []
        lines = [*map(str, self.diagnostics[:WRITTEN]), *rest, *([self.footer] if self.footer else [])]
        return "\n".join([printable(self.headline), *lines])


class DescriptionError(SalhwError, ValueError):
    """The description contradicts itself or holds a value that means nothing."""


class UnknownNameError(DescriptionError, KeyError):
    """A population, projection or probe that is not there was asked for by its name."""


class UnsupportedNetworkError(SalhwError):
    """The target cannot hold the network; every reason is listed."""


class SessionError(SalhwError):
    """A session was asked for something that it cannot do. If that ended a run before its time, ``recording`` holds
    what was recorded until then."""

    recording: Any = None


class CalibrationError(SalhwError):
    """A calibration does not hold for the target, the chips or the places where it is to be used."""


class BackendError(SalhwError):
    """A backend or target is unknown, broken or not installed."""


class FileError(SalhwError, ValueError):
    """A file is missing, damaged, or of a version that this salhw does not read."""


def file_error(path: Path, asked: str, supported: str, fix: str = "") -> FileError:
    """The one error of everything that reads and writes files."""
    return FileError(
        f"FileError: cannot use {path.name}", [Diagnostic("SAL501", str(path), shortened(asked), supported, fix)]
    )


@dataclass(frozen=True)
class Explanation:
    """What ``salhw explain CODE`` prints: a title and a text."""

    code: str
    title: str
    text: str


@cache
def explanations() -> dict[str, Explanation]:
    """All codes that salhw can report, from ``codes.toml``."""
    with (Path(__file__).parent / "codes.toml").open("rb") as file:
        return {code: Explanation(code, **entry) for code, entry in tomllib.load(file).items()}


TOPICS = {
    "SAL0": "The description",
    "SAL1": "What a target supports",
    "SAL2": "What a target has room for",
    "SAL3": "Approximations",
    "SAL4": "Sessions",
    "SAL5": "Files",
    "SAL6": "Backends",
    "SAL7": "Conformance",
    "SAL8": "Measuring and calibrating",
    "SAL9": "Experiments",
}


def topics() -> dict[str, str]:
    """The topic of every code."""
    return {code: TOPICS[code[:4]] for code in explanations()}


def explain(code: str) -> Explanation:
    """The explanation of one code.

    Raises:
        DescriptionError: no such code.
    """
    known = explanations()
    if not isinstance(code, str) or code.upper() not in known:
        asked = code if isinstance(code, str) else f"a {type(code).__name__}"
        finding = Diagnostic("SAL001", "code", asked, f"one of {', '.join(known)}", "copy the code from the message")
        raise DescriptionError("unknown code", [finding])
    return known[code.upper()]


def counted(noun: str, items: Sequence[object]) -> str:
    """``1 problem``, ``2 problems``."""
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
