"""Expected failures: read from TOML, and held against what a check found.

[[known]]
check = "weights-as-described"
reason = "the weight matrix has six bits"
bound = 0.05
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from salhw.conformance.model import Known, Outcome
from salhw.diagnostics import DescriptionError, Diagnostic, counted, file_error
from salhw.diagnostics.documents import read_toml
from salhw.diagnostics.wording import nearest, number
from salhw.io.files import existing

_FIELDS = {field.name for field in fields(Known)}


def load(path: Path) -> tuple[Known, ...]:
    """The expected failures that a TOML file lists.

    Raises:
        FileError: no such file, or not TOML.
        DescriptionError: with every entry that is wrong.
    """
    existing(path)
    try:
        data = read_toml(path)
    except (OSError, ValueError) as error:
        raise file_error(path, "", f"a TOML file; {error}", "check the path and the syntax") from None
    entries = data.get("known", [])
    findings = [
        Diagnostic("SAL702", key, "", "only [[known]] tables", "leave it out") for key in data if key != "known"
    ]
    if not isinstance(entries, list):
        findings.append(Diagnostic("SAL702", "known", "", "[[known]] tables", "write [[known]] before each entry"))
        entries = []
    findings += [finding for k, entry in enumerate(entries) for finding in _wrong(f"known[{k}]", entry)]
    _raise(findings)
    return tuple(Known(**entry) for entry in entries)


def _wrong(path: str, entry: Any) -> list[Diagnostic]:
    if not isinstance(entry, dict):
        return [Diagnostic("SAL702", path, repr(entry)[:40], "a table", "write [[known]] before each entry")]
    findings = [
        Diagnostic("SAL702", f"{path}.{key}", "", f"one of {', '.join(sorted(_FIELDS))}", nearest(key, _FIELDS))
        for key in entry
        if key not in _FIELDS
    ]
    for key in ("check", "reason"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            findings.append(Diagnostic("SAL702", f"{path}.{key}", "", "a text, required", f"give {key}"))
    bound = entry.get("bound", 0.0)
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        findings.append(
            Diagnostic("SAL702", f"{path}.bound", repr(bound), "a number", "give a number, or leave it out")
        )
    return findings


def refuse_unknown(known: Sequence[Known], names: Collection[str]) -> None:
    """Every expected failure must name a check, and each only once.

    Raises:
        DescriptionError: with every one that does not.
    """
    seen: set[str] = set()
    findings = []
    for k, item in enumerate(known):
        path = f"known[{k}].check"
        if item.check not in names:
            findings.append(Diagnostic("SAL702", path, item.check, "the name of a check", nearest(item.check, names)))
        elif item.check in seen:
            findings.append(Diagnostic("SAL702", path, f"{item.check} twice", "every check once", "leave one out"))
        seen.add(item.check)
    _raise(findings)


def _raise(findings: list[Diagnostic]) -> None:
    if findings:
        headline = f"DescriptionError: the expected failures are refused ({counted('problem', findings)})"
        raise DescriptionError(headline, findings)


def judged(outcome: Outcome, expected: Known | None) -> Outcome:
    """A failure that was expected is ``known``, unless it is worse than its bound; a pass that was not is stale."""
    if expected is None or outcome.outcome not in ("pass", "fail"):
        return outcome
    if outcome.outcome == "pass":
        stale = f"stale: passes, though it was expected to fail ({expected.reason}); {outcome.reason}"
        return replace(outcome, outcome="fail", reason=stale)
    if expected.bound is not None:
        if outcome.measured is None:
            beyond = "nothing was measured that could be held against the bound"
        elif not outcome.measured <= expected.bound:
            beyond = f"measured {number(outcome.measured)}, beyond the bound {number(expected.bound)} {outcome.unit}"
        else:
            beyond = ""
        if beyond:
            return replace(outcome, reason=f"worse than expected: {beyond.strip()}; {outcome.reason}")
    return replace(outcome, outcome="known", reason=f"{expected.reason}; {outcome.reason}")
