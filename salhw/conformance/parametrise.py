"""The suite as pytest items, for the authors of backends:

from salhw.conformance import Known, parametrize

@parametrize(my_backend, "my-target", known=[Known("psp-shape", "first order only", bound=0.1)])
def test_conformance(check):
    check()
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from salhw.conformance.known import refuse_unknown
from salhw.conformance.lab import Profile
from salhw.conformance.model import Check, Known, Outcome
from salhw.conformance.runner import chosen, examine, laboratory, whole_catalogue
from salhw.diagnostics.wording import number
from salhw.session.backend import Backend
from salhw.substrate.target import Target

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Item:
    """One check, ready to be called by a test."""

    check: Check
    subject: Backend | str
    target: Target | str | None
    profile: Profile
    seed: int
    expected: Known | None

    def outcome(self) -> Outcome:
        """Run it."""
        lab = laboratory(self.subject, self.target, profile=self.profile, seed=self.seed)
        return examine(self.check, lab, self.expected)

    def __call__(self) -> None:
        """Pass, skip with the declared reason, or xfail as expected.

        Raises:
            AssertionError: with the evidence.
        """
        import pytest

        outcome = self.outcome()
        if outcome.outcome in ("unsupported", "unmeasured", "unavailable"):
            pytest.skip(f"{outcome.outcome}: {outcome.reason}")
        if outcome.outcome == "known":
            pytest.xfail(outcome.reason)
        if outcome.outcome == "fail":
            raise AssertionError(evidence(outcome))


def evidence(outcome: Outcome) -> str:
    """What a failing check has to say, in a few lines."""
    lines = [f"{outcome.name}: {outcome.reason}", f"  the check: {outcome.specification}"]
    for label in ("measured", "declared"):
        value = getattr(outcome, label)
        if value is not None:
            lines.append(f"  {label}: {number(value)} {outcome.unit}".rstrip())
    if outcome.p_value is not None:
        lines.append(f"  p = {outcome.p_value:.2g}")
    if outcome.traceback:
        lines.append(outcome.traceback)
    return "\n".join(lines)


def parametrize(
    subject: Backend | str,
    target: Target | str | None = None,
    *,
    profile: Profile = "quick",
    seed: int = 0,
    known: Sequence[Known] = (),
    checks: Iterable[str] | None = None,
) -> pytest.MarkDecorator:
    """A decorator: the test gets ``check``, one item per check; the arguments are those of ``salhw.conformance.run``.

    Raises:
        DescriptionError: ``known`` or ``checks`` name a check that does not exist.
    """
    import pytest

    refuse_unknown(known, whole_catalogue())
    expected = {item.check: item for item in known}
    items = [
        pytest.param(Item(check, subject, target, profile, seed, expected.get(check.name)), id=check.name)
        for check in chosen(profile, checks)
    ]
    return pytest.mark.parametrize("check", items)
