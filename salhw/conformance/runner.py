"""The runner: every check on one target, each to an outcome."""

from __future__ import annotations

import pkgutil
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

from salhw.conformance.known import judged, refuse_unknown
from salhw.conformance.lab import Lab, Profile, Undeclared
from salhw.conformance.model import REGISTRY, Check, Evidence, Known, Outcome, Unmeasured
from salhw.conformance.report import ConformanceReport
from salhw.conformance.tracebacks import own_frames, raised
from salhw.diagnostics import BackendError, DescriptionError, Diagnostic
from salhw.diagnostics.wording import nearest
from salhw.registry import BACKENDS, backend, resolve
from salhw.session.backend import Backend
from salhw.substrate.target import Target

NOT_AVAILABLE = ("SAL602", "SAL603")
"""Codes of a BackendError that says: the simulator or device is not there. The ``fix`` is the install hint."""


def catalogue(profile: Profile = "full") -> dict[str, Check]:
    """Every check of a profile, by name, in the order of the report."""
    from salhw.conformance import checks as package

    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        import_module(f"{package.__name__}.{module.name}")
    selected = {name: check for name, check in REGISTRY.items() if profile in check.profiles}
    groups = list(dict.fromkeys(check.group for check in selected.values()))
    return dict(sorted(selected.items(), key=lambda item: groups.index(item[1].group)))


def laboratory(
    subject: Backend | str, target: Target | str | None = None, *, profile: Profile = "quick", seed: int = 0
) -> Lab:
    """The lab for a target's name, or for a backend (installed or not) and one of its targets.

    Raises:
        BackendError: no such backend or target, or several targets to choose from.
    """
    if isinstance(subject, str):
        resolved = resolve(subject if target is None else target)
        return Lab(backend(resolved.backend), resolved, profile, seed)
    if isinstance(target, Target):
        return Lab(subject, target, profile, seed)
    known = subject.targets()
    name = next(iter(known)) if target is None and len(known) == 1 else target
    if name is None or name not in known:
        fix = nearest(name, known, "choose one of these") if name else "say which target"
        finding = Diagnostic("SAL601", "target", repr(name), f"one of {', '.join(known) or 'none'}", fix)
        raise BackendError(f"BackendError: backend {subject.name!r} has no target {name!r}", [finding])
    return Lab(subject, known[name], profile, seed)


def run(
    subject: Backend | str,
    target: Target | str | None = None,
    *,
    profile: Profile = "quick",
    seed: int = 0,
    known: Sequence[Known] = (),
    checks: Iterable[str] | None = None,
    progress: Callable[[float], None] | None = None,
    each: Callable[[Lab, ConformanceReport], None] | None = None,
) -> ConformanceReport:
    """Run the suite.

    Args:
        subject: the name of an installed target; or a backend, installed or not.
        target: which of the backend's targets, if it has several; a Target is taken as it is.
        known: expected failures.
        checks: the names of the checks to run, or patterns such as ``psp-*``; all by default.
        progress: is called with the share that is done.
        each: is called after each check, with the lab and the report so far, whose ``unfinished`` are yet to come.

    Raises:
        BackendError: no such backend or target.
        DescriptionError: ``known`` or ``checks`` name a check that does not exist.
    """
    lab = laboratory(subject, target, profile=profile, seed=seed)
    selected = chosen(profile, checks)
    refuse_unknown(known, whole_catalogue())
    expected = {item.check: item for item in known}
    report = ConformanceReport(
        target=lab.target.name,
        backend=lab.backend.name,
        versions=_versions(lab.backend),
        profile=profile,
        seed=seed,
        checks=(),
        options={name: str(option) for name, option in lab.target.options.items()},
        accuracy=dict(lab.target.accuracy),
        unfinished=tuple(check.name for check in selected),
    )
    for k, check in enumerate(selected):
        if progress:
            progress(k / len(selected))
        outcome = examine(check, lab, expected.get(check.name))
        report = replace(report, checks=(*report.checks, outcome), unfinished=report.unfinished[1:])
        if each:
            each(lab, report)
    if progress:
        progress(1.0)
    return report


def examine(check: Check, lab: Lab, expected: Known | None = None) -> Outcome:
    """One check on one target. Only what the target does not declare is unsupported; any exception is a failure."""
    began = time.perf_counter()
    blank = Outcome(check.name, check.group, "fail", "", 0.0, specification=check.specification)

    def ended(**told: Any) -> Outcome:
        return judged(replace(blank, seconds=time.perf_counter() - began, **told), expected)

    lab.networks.clear()
    try:
        evidence = check.run(lab)
    except Undeclared as missing:
        return ended(outcome="unsupported", reason=_said(missing.findings))
    except Unmeasured as gap:
        return ended(outcome="unmeasured", **_told(gap.evidence))
    except BackendError as error:
        if gone := [finding for finding in error.diagnostics if finding.code in NOT_AVAILABLE]:
            return ended(outcome="unavailable", reason=_said(gone))
        return ended(reason=raised(error), details=own_frames(error))
    except Exception as error:
        return ended(reason=raised(error), details=own_frames(error))
    return ended(outcome="pass" if evidence.passed else "fail", **_told(evidence))


def _told(evidence: Evidence) -> dict[str, Any]:
    """What an outcome takes from its evidence."""
    return {f.name: getattr(evidence, f.name) for f in fields(Evidence) if f.name != "passed"}


def _said(findings: Sequence[Diagnostic]) -> str:
    return "; ".join(" ".join(str(finding).replace("\n", ";").split()) for finding in findings)


def whole_catalogue() -> dict[str, Check]:
    """Every check of either profile."""
    return {**catalogue("quick"), **catalogue("full")}


def chosen(profile: Profile, names: Iterable[str] | None) -> list[Check]:
    """The checks of those names, those that match a pattern among them, or all of the profile.

    Raises:
        DescriptionError: no such check.
    """
    if names is None:
        return [*catalogue(profile).values()]
    known = whole_catalogue()
    matches = {name: [each for each in known if fnmatchcase(each, name)] for name in names}
    if unknown := [name for name, each in matches.items() if not each]:
        findings = [Diagnostic("SAL702", "checks", n, "the name of a check", nearest(n, known)) for n in unknown]
        raise DescriptionError("DescriptionError: no such check", findings)
    return [known[name] for name in dict.fromkeys(name for each in matches.values() for name in each)]


def _versions(plugin: Backend) -> dict[str, str]:
    """What took part: Python, salhw, numpy, and the distribution that brings the backend."""
    versions = {"python": platform.python_version(), "salhw": "", "numpy": ""}
    for entry in entry_points(group=BACKENDS):
        if entry.name == plugin.name and entry.dist is not None:
            versions.setdefault(entry.dist.name, "")
    for name in versions:
        if name != "python":
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                versions[name] = "not installed"
    return versions
