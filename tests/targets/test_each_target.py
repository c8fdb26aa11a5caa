"""Every target that is installed opens, runs, reads and closes in this Python. ``make pythons`` runs it in each."""

from __future__ import annotations

import pytest

import salhw
from salhw.conformance import run


@pytest.mark.parametrize("name", sorted(salhw.targets()))
def test_what_is_declared_runs(name: str) -> None:
    """The suite's check that runs one of each thing that a target declares, by the real simulator."""
    (check,) = run(name, checks=["declared-runs"]).checks
    assert check.outcome == "pass", check.reason
