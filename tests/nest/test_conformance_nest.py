"""The target nest under the suite. The long checks are marked slow (test_learning has the like of two in seconds);
``salhw conformance nest`` runs them, too."""

from __future__ import annotations

import pytest
from long_checks import CONVERGES, REPLAYED

from salhw.conformance import catalogue, parametrize, run

LONG = ["networks-of-five", *REPLAYED]
QUICK = [name for name in catalogue("quick") if name not in (*CONVERGES, *LONG)]


@parametrize("nest", checks=QUICK)
def test_quick(check) -> None:  # type: ignore[no-untyped-def]
    check()


@pytest.mark.slow  # half a minute, of networks that are built anew
@parametrize("nest", checks=LONG)
def test_random_networks(check) -> None:  # type: ignore[no-untyped-def]
    check()


@pytest.mark.slow
def test_full() -> None:
    report = run("nest", profile="full")
    assert [(o.name, o.reason) for o in report.checks if o.outcome == "fail"] == []
