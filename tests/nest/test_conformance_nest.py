"""The target nest under the suite. The two long checks are marked slow (test_learning has their like in seconds);
``salhw conformance nest`` runs them, too."""

from __future__ import annotations

import pytest

from salhw.conformance import catalogue, parametrize, run

LONG = ("sal-converges", "sal-converges-one-sided")
QUICK = [name for name in catalogue("quick") if name not in LONG]


@parametrize("nest", checks=QUICK)
def test_quick(check) -> None:  # type: ignore[no-untyped-def]
    check()


@pytest.mark.slow
def test_full() -> None:
    report = run("nest", profile="full")
    assert [(o.name, o.reason) for o in report.checks if o.outcome == "fail"] == []
